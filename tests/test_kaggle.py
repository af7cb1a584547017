"""Competitions of one's own: Kaggle's solution layout, the sample submission, and a metric in a Python file."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.grading.scoring import read_predictions
from tasks.apart import Limits, confinement
from tasks.base import IGNORED, PRIVATE, PUBLIC, SubmissionError, UserError
from tasks.formats import Column, TableFormat
from tasks.kaggle import FAILED, ScoreFile, score_file
from tasks.samples import sample_rows, sample_submission
from tasks.solution import _kind as read_kind
from tasks.solution import own_format, read_solution
from tasks.split import split
from tests.conftest import Write

DATA = Path(__file__).parents[1].parent / "shared" / "data"

METRIC = """
import pandas as pd


class ParticipantVisibleError(Exception):
    pass


def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str, power: int = 2) -> float:
    assert list(solution.columns) == list(submission.columns)
    assert solution.columns[0] == row_id_column_name
    assert (solution[row_id_column_name] == submission[row_id_column_name]).all()
    print("the answers are", solution.to_csv())
    del solution[row_id_column_name]
    del submission[row_id_column_name]
    if (submission["y"] < 0).any():
        raise ParticipantVisibleError("y must not be negative")
    return ((solution["y"] - submission["y"]).abs() ** power).mean()
"""


# The sample submission ------------------------------------------------------------------------------------------------


def test_the_sample_submission_is_constant_and_within_bounds() -> None:
    columns = (Column("a"), Column("b", "int", 3, 9), Column("c", "float", -2, -0.5), Column("d", "text"))
    form = TableFormat("id", columns, ("01", 'x"y'))
    assert sample_submission(form) == b'id,a,b,c,d\n01,0,3,-0.5,0\n"x""y",0,3,-0.5,0\n'
    assert [values.tolist() for values in sample_rows(form).values()] == [[0.0] * 2, [3] * 2, [-0.5] * 2, ["0"] * 2]


def test_the_sample_submission_depends_on_no_answer(write: Write) -> None:
    first, _ = own_format(read_solution(write("id,y\na,cat\nb,dog\nc,dog\n")))
    second, _ = own_format(read_solution(write("id,y\nc,cow\nb,cat\na,cat\n")))
    assert sample_submission(first) == sample_submission(second)
    rows = list(csv.reader(io.StringIO(sample_submission(first).decode())))
    assert rows == [["id", "y"], ["a", "0"], ["b", "0"], ["c", "0"]]


# The metric file ------------------------------------------------------------------------------------------------------


def load(write: Write, source: str = METRIC, **options: Any) -> ScoreFile:
    return score_file(write(source, "metric.py"), higher_is_better=False, name="my", **options)


def body(lines: str) -> str:
    return f"def score(solution, submission, row_id_column_name):\n    {lines}\n"


TRUTH = {"y": np.array([1.0, 2.0, 3.0, 4.0])}
GUESS = {"y": np.array([1.0, 2.5, 3.0, 6.0])}
USAGE = np.array([PUBLIC, PUBLIC, PRIVATE, IGNORED], dtype=np.int8)
FORM = TableFormat("row", (Column("y"),), ("a", "b", "c", "d"))


def test_a_metric_file_scores_the_rows_of_each_weight(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    metric = load(write, form=FORM, usage=USAGE)
    rows = metric.rows(TRUTH, GUESS)
    assert metric.value(rows) == pytest.approx((0.25 + 4) / 4)
    assert metric.value(rows, USAGE == PUBLIC) == 0.125
    assert metric.value(rows, USAGE == PRIVATE) == 0.0
    assert metric.value(rows, np.array([0, 3, 0, 1])) == pytest.approx((3 * 0.25 + 4) / 4)
    assert metric.value(rows, np.array([[1, 0, 0, 0], [0, 1, 1, 0]])).tolist() == [0.0, 0.125]
    assert metric.metric.interval(rows, USAGE == PUBLIC) is None
    assert (metric.metric.rows, metric.metric.value) == (metric.rows, metric.value)
    assert capsys.readouterr() == ("", ""), "what a metric prints may hold answers"


@settings(max_examples=12)  # each value is computed in a process of its own
@given(weight=st.lists(st.integers(0, 4), min_size=4, max_size=4).filter(any))
def test_whole_number_weights_equal_repeated_rows_for_a_metric_file(
    tmp_path_factory: pytest.TempPathFactory, weight: list[int]
) -> None:
    path = tmp_path_factory.mktemp("metric") / "metric.py"
    path.write_text(METRIC)
    metric = score_file(path, higher_is_better=False, name="my")
    again = np.repeat(np.arange(4), weight)
    repeated = metric.rows({"y": TRUTH["y"][again]}, {"y": GUESS["y"][again]})
    assert metric.value(metric.rows(TRUTH, GUESS), np.array(weight)) == metric.value(repeated)


def test_scoring_twice_gives_the_same_although_score_deletes_columns(write: Write) -> None:
    metric = load(write)
    rows = metric.rows(TRUTH, GUESS)
    assert metric.value(rows) == metric.value(rows)


def test_the_name_tells_the_direction_and_the_digest_the_file(write: Write) -> None:
    down, up = load(write), score_file(write(METRIC, "m.py"), higher_is_better=True, name="f_score")
    low, high = down.metric, up.metric
    assert (low.name, low.label, low.higher_is_better, low.best) == ("my_error", "my", False, -np.inf)
    assert (high.name, high.higher_is_better, high.best) == ("f_score", True, np.inf)
    assert down.digest == up.digest
    assert load(write, METRIC + "\n").digest != down.digest


def test_a_participant_visible_error_reaches_the_participant_from_public_rows_only(write: Write) -> None:
    metric = load(write, form=FORM, usage=USAGE)
    public_bad = metric.rows(TRUTH, {"y": np.array([-1.0, 2, 3, 4])})
    private_bad = metric.rows(TRUTH, {"y": np.array([1.0, 2, -3, 4])})
    with pytest.raises(SubmissionError) as caught:
        metric.value(public_bad, USAGE == PUBLIC)
    assert (caught.value.code, caught.value.exit_code) == ("E_METRIC_REFUSED", 3)
    assert str(caught.value) == "E_METRIC_REFUSED  y must not be negative"
    assert metric.value(private_bad, USAGE == PUBLIC) == 0.0
    for rows, weight in ((private_bad, USAGE == PRIVATE), (public_bad, None), (public_bad, np.array([1, 0, 1, 0]))):
        with pytest.raises(UserError) as hidden:
            metric.value(rows, weight)
        assert not isinstance(hidden.value, SubmissionError)
        assert str(hidden.value) == FAILED
        assert str(hidden.value.__cause__) == "metric.py: ParticipantVisibleError"


def test_where_the_public_rows_are_not_told_no_text_of_the_metric_comes_out(write: Write) -> None:
    metric = load(write)
    with pytest.raises(UserError, match=FAILED) as caught:
        metric.value(metric.rows(TRUTH, {"y": -TRUTH["y"]}), USAGE == PUBLIC)
    assert caught.value.code == "E_METRIC"


@pytest.mark.parametrize(
    "lines",
    [
        'raise ValueError(f"answer {solution.iloc[0, 1]}")',
        'raise KeyError(str(solution["y"].tolist()))',
        "raise SystemExit(3)",
        "return None",
        "return True",
        'return float("nan")',
        'return float("inf")',
        'return "0.5"',
        'return solution["y"].to_numpy()',
        "import numpy; return numpy.array(1.0)",
        "import numpy; return numpy.bool_(True)",
        "return 1 + 1j",
        "return 10 ** 400",
    ],
)
def test_whatever_else_goes_wrong_in_a_metric_is_one_fixed_text(write: Write, lines: str) -> None:
    metric = load(write, body(lines), form=FORM, usage=USAGE)
    with pytest.raises(UserError) as caught:
        metric.value(metric.rows(TRUTH, GUESS), USAGE == PUBLIC)
    assert str(caught.value) == FAILED
    assert (caught.value.code, caught.value.exit_code) == ("E_METRIC", 10)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("number", ["1", "0.25", "numpy.float32(0.25)", "numpy.int64(3)"])
def test_any_kind_of_one_finite_number_is_a_score(write: Write, number: str) -> None:
    metric = load(write, "import numpy\n" + body(f"return {number}"))
    value = metric.value(metric.rows(TRUTH, GUESS))
    assert type(value) is float
    assert value == eval(number, {"numpy": np})


def test_a_warning_inside_the_metric_is_neither_an_error_nor_printed(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    metric = load(write, "import warnings\n" + body('warnings.warn(str(solution["y"].tolist())); return 0.5'))
    assert metric.value(metric.rows(TRUTH, GUESS)) == 0.5
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "expected a function score"),
        ("score = 3\n", "expected a function score"),
        ("def score(a, b, c):\n    return 0.0\n", "got other parameters"),
        ("def score(solution, submission):\n    return 0.0\n", "got other parameters"),
        ("def score(solution, submission, row_id_column_name, more):\n    return 0.0\n", "got other parameters"),
        ("raise RuntimeError('boo')\n", "it cannot be loaded: RuntimeError in line 1"),
        ("import no_such_package_here\n", "No module named 'no_such_package_here'"),
    ],
)
def test_a_metric_file_without_kaggles_signature_scores_nothing_and_says_why(
    write: Write, source: str, message: str
) -> None:
    metric = load(write, source)
    with pytest.raises(UserError, match=FAILED) as caught:
        metric.value(metric.rows(TRUTH, GUESS))
    assert message in str(caught.value.__cause__)


def test_a_metric_file_that_is_not_python_is_refused_when_it_is_read(write: Write) -> None:
    with pytest.raises(UserError, match=r"metric\.py, line 1: not valid Python"):
        load(write, "def score(:\n")


def test_a_metric_file_that_is_missing_or_no_python_is_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        score_file(tmp_path / "none.py", higher_is_better=True, name="x")
    with pytest.raises(UserError, match=r"ends in \.py"):
        score_file(write(METRIC, "metric.txt"), higher_is_better=True, name="x")


def test_loading_a_metric_leaves_no_bytecode_and_its_dataclasses_work(write: Write, tmp_path: Path) -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n\n@dataclass\nclass A:\n    x: int\n\n"
        + body("return float(A(2).x)")
    )
    before = set(sys.modules)
    metric = load(write, source)
    assert metric.value(metric.rows(TRUTH, GUESS)) == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["metric.py"]
    assert [name for name in set(sys.modules) - before if "metric" in name] == []


# The frames -----------------------------------------------------------------------------------------------------------


def frames_of(folder: Path, solution: str, submission: str, seed: int = 0) -> Any:
    """The frames of a competition made from a solution file, for a submitted file."""
    path = folder / "solution.csv"
    path.write_bytes(solution.encode())
    (folder / "metric.py").write_text(METRIC)
    form, answers = own_format(read_solution(path), whole=False)
    answers = split(answers, b"k" * 32, str(seed), 0.5)
    assert answers.usage is not None
    metric = score_file(
        folder / "metric.py", higher_is_better=True, name="my", form=form, usage=answers.usage, solution=path
    )
    predictions = read_predictions(submission.encode(), form, cells=True)
    return metric.rows(answers.columns, predictions), answers


def assert_as_pandas_reads(folder: Path, solution: str, submission: str) -> None:
    """Both frames, whole and for each side, are those of `pandas.read_csv`, to the last bit."""
    frames, answers = frames_of(folder, solution, submission)
    wanted = pd.read_csv(io.StringIO(solution))
    usage = {str(name): int(code) for name, code in zip(answers.ids, answers.usage, strict=True)}
    sides = np.array([usage[str(name)] for name in read_solution(folder / "solution.csv").answers.ids])
    wanted = wanted.drop(columns=[name for name in wanted.columns if name.lower() == "usage"])
    given = pd.read_csv(io.StringIO(submission))
    for side in (None, PUBLIC, PRIVATE):
        rows = np.arange(len(wanted)) if side is None else np.flatnonzero(sides == side)
        for mine, whole in ((frames.solution, wanted), (frames.submission, given)):
            expected = whole.iloc[rows].reset_index(drop=True)
            pd.testing.assert_frame_equal(mine.iloc[rows].reset_index(drop=True), expected, check_exact=True)


CORPUS = {
    "ids that count up": ("id,y\n0,1.5\n1,2\n2,3\n3,4\n", "id,y\n0,1\n1,2\n2,3\n3,4\n"),
    "ids with gaps": ("id,y\n10,1\n2,0\n33,1\n4,0\n", "id,y\n10,1\n2,0\n33,0\n4,1\n"),
    "ids below zero": ("id,y\n-3,1\n7,0\n", "id,y\n-3,0.5\n7,1e-3\n"),
    "ids with leading zeros": ("id,y\n007,1\n010,0\n", "id,y\n007,1\n010,0\n"),
    "ids of text": ("name,y\nimg10.jpg,1\nimg2.jpg,0\n", "name,y\nimg10.jpg,1\nimg2.jpg,0\n"),
    "an id NA": ("id,y\nNA,1\nx,0\n", "id,y\nNA,1\nx,0\n"),
    "decimal ids": ("id,y\n1.0,1\n2.5,0\n", "id,y\n1.0,1\n2.5,0\n"),
    "booleans": ("id,y\n1,True\n5,False\n", "id,y\n1,False\n5,True\n"),
    "booleans in capitals": ("id,y\n1,TRUE\n5,false\n", "id,y\n1,true\n5,TRUE\n"),
    "booleans and a word": ("id,y\n1,True\n5,maybe\n", "id,y\n1,False\n5,no\n"),
    "missing words": ("id,y\n1,NA\n5,x\n6,null\n", "id,y\n1,x\n5,nan\n6,None\n"),
    "missing among numbers": ("id,y\n1,NA\n5,3\n6,4\n", "id,y\n1,3\n5,NA\n6,2\n"),
    "an empty prediction of text": ("id,y\n1,a\n5,b\n", "id,y\n1,\n5,b\n"),
    "dates": ("id,y\n1,2024-01-02\n5,2024-02-03\n", "id,y\n1,2024-01-02\n5,2024-02-04\n"),
    "codes with leading zeros": ("id,y\n1,0012\n5,0100\n", "id,y\n1,0012\n5,0001\n"),
    "long whole numbers": ("id,y\n1,12345678901234567890\n5,2\n", "id,y\n1,12345678901234567890\n5,3\n"),
    "doubles to the last bit": (
        "id,y\n1,0.1\n5,0.30000000000000004\n6,1.7976931348623157\n7,123456.78901234567\n",
        "id,y\n1,0.10\n5,3.0000000000000004e-1\n6,00.5\n7,9007199254740993\n",
    ),
    "blanks around numbers": ("id,y\n1,1\n5,2\n", "id,y\n1, 1\n5,2 \n"),
    "quotes and commas": ('id,y\n1,"a, b"\n5,"say ""x"""\n', 'id,y\n1,"a, b"\n5,"x ""y"""\n'),
    "two columns and a Usage": (
        "id,a,Usage,b\n4,1,Public,x\n9,2,Private,y\n2,3,Public,z\n1,4,Ignored,w\n",
        "id,a,b\n4,1,x\n9,2,y\n2,3.5,z\n1,4,w\n",
    ),
    "one answer of text": ("id,y\n1,1\n5,x\n", "id,y\n1,1\n5,2\n"),
}


@pytest.mark.parametrize("name", CORPUS)
def test_the_frames_are_those_of_pandas_for_a_corpus_of_files(tmp_path: Path, name: str) -> None:
    assert_as_pandas_reads(tmp_path, *CORPUS[name])


CELLS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(-1e6, 1e6).map(repr),
    st.sampled_from(["True", "False", "007", "1e5", "NA", "nan", "2024-01-02", "x", "inf", "-0", "1_0", "0x1"]),
)
NUMBERS = st.one_of(st.integers(-(10**6), 10**6).map(str), st.floats(-1e6, 1e6).map(repr))


@settings(deadline=None, max_examples=60)
@given(data=st.data(), ids=st.lists(st.integers(-50, 10**9), min_size=2, max_size=12, unique=True))
def test_the_frames_are_those_of_pandas_for_any_ids_and_cells(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, ids: list[int]
) -> None:
    kind = data.draw(st.sampled_from([CELLS, NUMBERS, st.sampled_from(["True", "False"]), st.integers().map(str)]))
    truth = data.draw(st.lists(kind, min_size=len(ids), max_size=len(ids)))
    numeric = read_kind(truth) != "text"
    guess = data.draw(st.lists(NUMBERS if numeric else kind, min_size=len(ids), max_size=len(ids)))
    text = ["id,y\n" + "".join(f"{a},{b}\n" for a, b in zip(ids, side, strict=True)) for side in (truth, guess)]
    assert_as_pandas_reads(tmp_path_factory.mktemp("frames"), *text)


@pytest.mark.skipif(not DATA.is_dir(), reason="the folder of real files is not here")
def test_the_frames_are_those_of_pandas_for_real_files(tmp_path: Path) -> None:
    """Real submissions in the layout id,answer stand for a solution; a shuffled one hands itself in."""
    tried = 0
    for path in sorted((DATA / "submissions").rglob("*.csv")):
        text = path.read_text(errors="replace")
        lines = text.splitlines()
        if not 3 < len(lines) < 7000 or any(len(line.split(",")) != 2 or '"' in line for line in lines):
            continue
        text = "\n".join(lines) + "\n"
        try:
            assert_as_pandas_reads(tmp_path, text, text)
        except UserError:
            continue  # neither a solution nor a submission
        tried += 1
        if tried == 12:
            break
    assert tried >= 5


def test_a_metric_that_sorts_by_id_scores_as_pandas_would(tmp_path: Path) -> None:
    metric = (
        "def score(solution, submission, row_id_column_name):\n"
        "    solution = solution.sort_values(row_id_column_name)\n"
        "    submission = submission.sort_values(row_id_column_name)\n"
        "    return float((solution['y'].diff().fillna(0).values * submission['y'].values).sum())\n"
    )
    text = "id,y\n" + "".join(f"{n * 7},{n * n % 11}\n" for n in range(30))
    frames, _ = frames_of(tmp_path, text, text)
    space: dict[str, Any] = {}
    exec(metric, space)
    whole = pd.read_csv(io.StringIO(text))
    assert space["score"](frames.solution, frames.submission, "id") == space["score"](whole, whole, "id")


# What a metric file may do ------------------------------------------------------------------------------------------


ROGUES = {
    "loops for ever": ("while True:\n    pass\n", "longer than"),
    "wants 100 GB": ("hoard = bytearray(100 * 2**30)\n", "MemoryError"),
    "leaves": ("import os\nos._exit(0)\n", "without an answer"),
    "kills itself": ("import os\nos.kill(os.getpid(), 9)\n", "signal 9"),
    "writes": ("open(PLACE, 'w').write('x')\n", "cannot be loaded: "),
    "changes a mode": ("import os\nos.chmod(os.path.dirname(PLACE), 0o700)\n", "PermissionError"),
    "changes a time": ("import os\nos.utime(os.path.dirname(PLACE), (0, 0))\n", "PermissionError"),
    "sends a datagram": ("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n", "PermissionError"),
    "connects": ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", "PermissionError"),
    "raises what nobody catches": ("raise BaseException\n", "without an answer"),
}


@pytest.mark.parametrize("name", ROGUES)
def test_what_a_metric_file_does_when_it_is_loaded_hurts_nobody(write: Write, tmp_path: Path, name: str) -> None:
    source, said = ROGUES[name]
    place, before = tmp_path / "written", children()
    metric = load(write, source.replace("PLACE", repr(str(place))) + body("return 0.5"))
    metric = replace(metric, limits=Limits(1.0 if name == "loops for ever" else 20.0))
    with pytest.raises(UserError, match=FAILED) as caught:
        metric.value(metric.rows(TRUTH, GUESS))
    assert said in str(caught.value.__cause__)
    assert not place.exists() or place.read_bytes() == b""
    assert children() == before, "others may be of tests before"


@pytest.mark.skipif(confinement() != (), reason=f"this system cannot: {', '.join(confinement())}")
@pytest.mark.parametrize("leave", ["", "os.setsid() or", "os.setpgid(0, 0) or"])
def test_what_a_metric_file_starts_ends_with_it_and_what_it_prints_is_lost(
    write: Write, capfd: pytest.CaptureFixture[str], leave: str
) -> None:
    source = "import os, time\nprint('the answers')\nos.write(1, b'more')\nos.fork() or LEAVE or time.sleep(600)\n"
    source = source.replace("LEAVE or", leave)
    metric = load(write, source + body("return 0.5"))
    assert metric.value(metric.rows(TRUTH, GUESS)) == 0.5
    assert capfd.readouterr() == ("", "")
    for _ in range(100):
        if not asleep():
            break
        time.sleep(0.02)
    assert not asleep()


def children() -> list[str]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return path.read_text().split() if path.exists() else []


def asleep() -> list[int]:
    """The processes that were forked from this one and outlived their parent."""
    mine, found = Path("/proc/self/cmdline").read_bytes(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == mine and int(path.parent.name) != os.getpid():
                state = (path.parent / "stat").read_text().rpartition(")")[2].split()
                found += [int(path.parent.name)] if state[0] != "Z" and state[1] != str(os.getppid()) else []
    return found
