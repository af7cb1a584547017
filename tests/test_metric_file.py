"""Competitions scored by a metric file: what making one tries out, and what the private rows may tell."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.main import cli
from harness.grading import audit, scoring, worker
from harness.home import open_home
from leaderboard import acceptance, records
from tasks import kaggle
from tasks.apart import Limits, apart
from tests.classes import NOW, Class, make_class, submit

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

METRIC = """
class ParticipantVisibleError(Exception):
    pass

def score(solution, submission, row_id_column_name):
    if (submission["y"] == 13).any():
        raise ParticipantVisibleError("13 is not an answer")
    if (submission["y"] == 14).any():
        raise ValueError(str(solution["y"].tolist()))
    if (submission["y"] == 15).any():
        return float("nan")
    if (submission["y"] == 16).any():
        while True:
            pass
    if (submission["y"] == 17).any():
        bytearray(2**40)
    return float(((solution["y"] - submission["y"]) ** 2).mean())
"""
USAGES = ["Public", "Private", "Public", "Private", "Public", "Private"]
SOLUTION = "id,y,Usage\n" + "".join(f"{place * 3},{place}.5,{usage}\n" for place, usage in enumerate(USAGES))
ROW = {"public": 0, "private": 1}


def call(home: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words])


def make(folder: Path, home: Path, metric: str, *words: str) -> Result:
    """`lhy-grade new own` with that metric file."""
    (folder / "solution.csv").write_text(SOLUTION)
    (folder / "metric.py").write_text(metric)
    files = ["--solution", str(folder / "solution.csv"), "--metric", str(folder / "metric.py")]
    return call(home, "new", "own", *files, *(words or ("--lower-is-better",)))


def file_with(value: float, row: int) -> bytes:
    """A submission of zeros with that value on one row."""
    rows = (f"{place * 3},{value if place == row else 0}" for place in range(len(USAGES)))
    return ("id,y\n" + "\n".join(rows) + "\n").encode()


# Making one -----------------------------------------------------------------------------------------------------------


def test_new_says_what_the_metric_gives_the_solution_and_the_sample(tmp_path: Path) -> None:
    made = make(tmp_path, tmp_path / "home", METRIC)
    assert made.exit_code == 0, made.output
    squares = [(place + 0.5) ** 2 for place in (0, 2, 4)]
    wanted = f"metric.py gives the solution 0 and the sample submission {sum(squares) / 3:g}."
    assert wanted in " ".join(made.stderr.split())
    assert "Warning" not in made.stderr


def test_a_flipped_direction_is_warned_of(tmp_path: Path) -> None:
    made = make(tmp_path, tmp_path / "home", METRIC, "--higher-is-better")
    assert made.exit_code == 0
    assert "did you flip the direction?" in " ".join(made.stderr.split())


def test_a_metric_that_refuses_the_sample_is_a_warning(tmp_path: Path) -> None:
    made = make(tmp_path, tmp_path / "home", METRIC.replace("== 13", "== 0"))
    assert made.exit_code == 0, made.output
    assert "refuses the sample submission: 13 is not an answer" in " ".join(made.stderr.split())


HURT = {
    "no function": ("x = 1\n", "expected a function score"),
    "raises": (METRIC.replace("return float((", "raise KeyError('5318008')\n    return float(("), "KeyError in line"),
    "is not finite": (METRIC.replace("return float((", "return float('nan') + float(("), "not finite"),
    "is not a number": (METRIC.replace("return float((", "return str(("), "score returned str"),
    "is not finite for the sample": (METRIC.replace("== 15", "== 0"), "cannot score the sample submission"),
    "fails on private rows": (METRIC.replace("== 15", "== 1.5"), "cannot score the solution itself"),
    "hangs when it is loaded": ("while True:\n    pass\n" + METRIC, "longer than"),
    "hangs": (METRIC.replace("== 16", "== 0.5"), "longer than"),
    "sleeps for an hour, so it hangs": (
        "import time\n"
        + METRIC.replace("== 16", "== 0.5").replace("while True:\n            pass", "time.sleep(3600)"),
        "longer than",
    ),
    "wants 100 GB": ("hoard = bytearray(100 * 2**30)\n" + METRIC, "MemoryError"),
    "leaves": ("import os\nos._exit(0)\n" + METRIC, "without an answer"),
    "writes a file": ("open(__file__ + '.log', 'w').write('x' * 9)\n" + METRIC, "cannot be loaded"),
    "returns a tuple": (METRIC.replace("return float((", "return 1.0, float(("), "score returned tuple"),
    "returns nothing": (METRIC.replace("return float((", "float(("), "score returned NoneType"),
    "draws from a generator without a seed": (
        METRIC.replace("return float((", "import numpy\n    return numpy.random.default_rng().random() + float(("),
        "another score when it is called again",
    ),
    "draws from the global generator": (
        METRIC.replace("return float((", "import random\n    return random.random() + float(("),
        "numpy.random.default_rng(0)",
    ),
    "draws from numpy's global generator": (
        METRIC.replace("return float((", "import numpy\n    return numpy.random.rand() + float(("),
        "another score when it is called again",
    ),
    "reads the clock": (
        METRIC.replace("return float((", "import time\n    return time.monotonic_ns() + float(("),
        "reads the clock",
    ),
    "reads a data file beside it": (
        "from pathlib import Path\nW = Path(__file__).with_name('weights.txt').read_text()\n" + METRIC,
        "FileNotFoundError in line 2. No competition was made.",
    ),
    "reads a data file of the working folder": (
        METRIC.replace("return float((", "open('weights.txt').read()\n    return float(("),
        "put the numbers into the .py file, or into a module beside it",
    ),
    "imports from another folder": (
        "import sys, pathlib\nsys.path.insert(0, 'FOLDER')\nimport helper_of_mine\n" + METRIC,
        "it imports helper_of_mine from a folder that it puts into sys.path; such a file is neither kept",
    ),
    "imports from another folder when it is called": (
        METRIC.replace(
            "return float((", "import sys; sys.path.append('FOLDER')\n    import helper_of_mine.one; return float(("
        ),
        "it imports helper_of_mine from a folder that it puts into sys.path",
    ),
    "is not Python": ("def score(:\n", "line 1: not valid Python"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HURT)
def test_a_metric_file_that_cannot_score_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, said = HURT[name]
    home = tmp_path / "home"
    source = source.replace("FOLDER", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / "helper_of_mine").mkdir(parents=True)
    for file in ("__init__.py", "one.py"):
        (tmp_path / "elsewhere" / "helper_of_mine" / file).write_text("ONE = 1\n")
    (tmp_path / "weights.txt").write_text("1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(kaggle, "TRIAL", Limits(2.0 if "hangs" in name else 30.0))
    refused = make(tmp_path, home, source)
    assert refused.exit_code == 2, refused.output
    assert said in " ".join(refused.stderr.split())
    assert "5318008" not in refused.output
    assert not (home / "public" / "own").exists()
    assert list((home / "secret" / "own").glob("*")) == []
    log = tmp_path / "metric.py.log"
    assert not log.exists() or log.read_bytes() == b""
    assert make(tmp_path, home, METRIC).exit_code == 0, "it is made once it is mended"


@pytest.mark.parametrize(
    ("result", "shown"),
    [
        ("import numpy; return numpy.float32(0.5)", "0.5"),
        ("import numpy; return numpy.int64(3)", "3"),
        ("return -0.0", "0"),
        ("solution['y'] = 9; submission.drop(columns=['y'], inplace=True); return 2", "2"),
        ("import random; random.seed(7); return random.random()", "0.323833"),
        ("import numpy; return numpy.random.default_rng(0).random()", "0.636962"),
    ],
)
def test_numbers_of_other_kinds_seeds_and_changed_frames_are_accepted(tmp_path: Path, result: str, shown: str) -> None:
    source = f"def score(solution, submission, row_id_column_name):\n    {result}\n"
    made = make(tmp_path, tmp_path / "home", source)
    assert made.exit_code == 0, made.output
    assert f"gives the solution {shown} and" in " ".join(made.stderr.split())
    (tmp_path / "a.csv").write_bytes(file_with(1.25, 0))
    sent = call(tmp_path / "home", "submit", "own", str(tmp_path / "a.csv"), "--as", "ada", "--format", "json")
    public = json.loads(sent.stdout)["scores"][0]["public"]
    assert f"{public:.5f}"[:6] == f"{float(shown):.5f}"[:6]
    assert "-0" not in sent.stdout.split('"public"')[1][:8]


@pytest.mark.parametrize(
    ("bar", "said"),
    [
        ("simple=9999", "the sample submission, which knows nothing, clears 9999 on the public board"),
        ("simple=-1", "the solution itself gets 0 on the public board and does not clear -1"),
        ("simple=1/-1", "the solution itself gets 0 on the private board and does not clear -1"),
    ],
)
def test_a_bar_that_the_sample_clears_or_nobody_can_reach_is_refused(tmp_path: Path, bar: str, said: str) -> None:
    refused = make(tmp_path, tmp_path / "home", METRIC, "--lower-is-better", "--bar", bar)
    assert (refused.exit_code, said in " ".join(refused.stderr.split())) == (2, True), refused.output
    assert not (tmp_path / "home" / "public" / "own").exists()


def test_random_numbers_on_the_private_side_alone_are_found(tmp_path: Path) -> None:
    drawn = "import random\n    return random.random() if 3 in solution['id'].tolist() else float(("
    refused = make(tmp_path, tmp_path / "home", METRIC.replace("return float((", drawn))
    assert refused.exit_code == 2, refused.output
    said = " ".join(refused.stderr.split())
    assert "gives the solution itself another score when it is called again" in said
    assert "on the private rows). No competition was made." in said


def test_a_bar_that_could_not_be_compared_is_named(tmp_path: Path) -> None:
    refuses = METRIC.replace("== 13", "== 0")
    words = ("--lower-is-better", "--bar", "simple=4", "--bar", "strong=2")
    made = make(tmp_path, tmp_path / "home", refuses, *words)
    said = " ".join(made.stderr.split())
    for name in ("simple", "strong"):
        assert f"Note: bar {name} was not compared with the sample submission, which the metric refuses" in said
    assert "with the solution, which" not in said
    (tmp_path / "sample.csv").write_text("id,p\n" + "".join(f"{place * 3},0\n" for place in range(len(USAGES))))
    other = METRIC.replace('submission["y"]', 'submission["p"]')
    made = make(tmp_path, tmp_path / "other", other, *words[:3], "--sample", str(tmp_path / "sample.csv"))
    assert made.exit_code == 0, made.output
    said = " ".join(made.stderr.split())
    assert "Note: bar simple was not compared with the solution, which is no submission: check that somebody" in said
    assert "with the sample submission, which" not in said
    made = make(tmp_path, tmp_path / "third", METRIC, *words[:3])
    assert (made.exit_code, "Note: bar" in made.stderr) == (0, False)


def test_what_a_metric_file_prints_and_starts_when_it_is_tried_is_gone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = (
        "import os, time\nos.write(1, b'leak')\nos.write(2, b'leak')\nprint('leak')\nos.fork() or time.sleep(600)\n"
    )
    made = make(tmp_path, tmp_path / "home", source + METRIC)
    assert made.exit_code == 0, made.output
    assert "leak" not in made.output + "".join(capfd.readouterr())


def test_a_metric_file_runs_in_the_same_place_when_it_is_tried_and_when_it_grades(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = METRIC.replace(
        "return float((",
        "import os\n    assert os.getcwd() == '/' and __file__ == '{}'\n    return 0 * float((",
    ).replace("{}", str(tmp_path / "home" / "secret" / "own" / "1" / "metric.py"))
    monkeypatch.chdir(tmp_path)
    made = make(tmp_path, tmp_path / "home", source)
    assert made.exit_code == 0, made.output
    (tmp_path / "a.csv").write_bytes(file_with(1.25, 0))
    sent = call(tmp_path / "home", "submit", "own", "a.csv", "--as", "ada", "--format", "json")
    assert json.loads(sent.stdout)["scores"][0]["public"] == 0.0


# What the private rows may tell ---------------------------------------------------------------------------------------


@pytest.fixture
def school(course: Path, tmp_path: Path) -> Class:
    """A class with a competition of its own beside HW1, on SQLite."""
    made = make_class(course, tmp_path / "home", f"sqlite:///{tmp_path / 'leaderboard.db'}", quota=100)
    assert make(tmp_path, made.home.root, METRIC).exit_code == 0
    return made


def copied(school: Class, folder: Path) -> Class:
    """The same class with the same tokens in another place, with a database of its own."""
    shutil.copytree(school.home.root, folder / "home")
    for path in school.home.root.parent.glob("leaderboard.db*"):
        shutil.copy(path, folder / path.name)
    config = folder / "home" / "config.toml"
    config.write_text(config.read_text().replace(str(school.home.root.parent), str(folder)))
    return Class(open_home(folder / "home"), tokens=school.tokens)


def seen_by_students(school: Class, number: int) -> dict[str, bytes]:
    """All that a student and others in the class can get, by path: JSON, pages and receipts."""
    found = {}
    paths = [
        "", "/homeworks/own", "/homeworks/own/board", "/homeworks/own/submissions", "/homeworks/own/submit",
        f"/submissions/{number}", "/homeworks/own/quota", "/homeworks/own/selection",
        f"/submissions/{number}/receipt", "/homeworks", "/submissions",
    ]  # fmt: skip
    for who in ("b01", "b02"):
        client = school.client(who)
        for path in paths:
            for base in ("/api/v1", ""):
                answer = client.get(f"{base}{path or '/'}")
                found[f"{who} {base}{path}"] = str(answer.status_code).encode() + answer.content
    return found


def grade_all(school: Class) -> list[str]:
    said: list[str] = []
    one = worker.new_worker(school.home, worker.Limits(4.0), said.append)
    with school.home.database() as database:
        while worker.work(one, database, lambda: NOW):
            pass
    return said


@pytest.mark.slow
@pytest.mark.parametrize("value", [13, 14, 15, 16, 17])
def test_a_file_that_fails_on_a_private_row_looks_as_one_that_fails_for_a_reason_of_ours(
    school: Class, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: int
) -> None:
    data = file_with(value, ROW["private"])
    (tmp_path / "other").mkdir()
    other = copied(school, tmp_path / "other")
    outputs = []
    for one in (school, other):
        answer = submit(one.client("b01"), data, "own")
        assert answer.status_code == 202
        number = answer.json()["submission"]
        waiting = seen_by_students(one, number)
        with monkeypatch.context() as broken:
            if one is other:
                broken.setattr(scoring, "grade", fault)
            said = grade_all(one)
        assert len(said) == 3, "two attempts, and that it is given up"
        outputs.append((answer.content, waiting, seen_by_students(one, number), len(said)))
        with one.home.database() as database:
            assert records.submission(database, number).rejected is None
            assert acceptance.quota_state(database, "own/1", "b01", "2027-03-01") == acceptance.QuotaDay(
                "2027-03-01", 1, 0
            )
        assert audit.verify(one.home)[0] == []
    assert outputs[0] == outputs[1]
    body = json.loads(outputs[0][2][f"b01 /api/v1/submissions/{number}"][3:])
    assert (body["state"], body["code"]) == ("failed", "E_GRADER")
    school.close()
    other.close()


def fault(*_: Any) -> Any:
    raise ValueError("of ours")


@pytest.mark.parametrize(("value", "why"), [(13, "ParticipantVisibleError"), (14, "ValueError in line 9")])
def test_staff_find_the_reason_of_a_failure_in_the_log_without_an_answer(school: Class, value: int, why: str) -> None:
    assert submit(school.client("b01"), file_with(value, ROW["private"]), "own").status_code == 202
    said = grade_all(school)
    assert f"metric.py: {why}" in said[0]
    assert "1.5" not in "".join(said)
    pending = call(school.home.root, "grade", "--pending")
    assert f"metric.py: {why}" in pending.stdout
    school.close()


def test_a_refusal_and_a_failure_cost_the_same_slot(school: Class) -> None:
    """Else the cheaper one would tell, for nothing, on which side a row is."""
    for side in ("public", "private"):
        assert submit(school.client("b01"), file_with(13, ROW[side]), "own").status_code == 202
    grade_all(school)
    with school.home.database() as database:
        public, private = sorted(records.submissions(database, "own/1"), key=lambda entry: entry.id)
        assert (public.rejected, private.rejected) == ("E_METRIC_REFUSED", None)
        assert "13 is not an answer" in (public.rejected_details or "")
        page = school.client("b01").get(f"/submissions/{public.id}").text
        assert ("the slot is used" in page, "no slot was used" in page) == (True, False)
        assert acceptance.quota_state(database, "own/1", "b01", "2027-03-01") == acceptance.QuotaDay("2027-03-01", 2, 0)
    for number in range(3):
        answer = submit(school.client("b01"), file_with(20 + number, 0), "own")
        assert answer.status_code == 202
    assert submit(school.client("b01"), file_with(30, 0), "own").status_code == 429, "five a day"
    assert audit.verify(school.home)[0] == []
    school.close()


def test_the_public_rows_are_scored_before_the_private_ones_and_each_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def counted(work: Callable[[], dict[str, Any]], limits: Limits, most: int) -> Any:
        seen.append("run")
        return apart(work, limits, most=most)

    monkeypatch.setattr(kaggle, "apart", counted)
    home = tmp_path / "home"
    assert make(tmp_path, home, METRIC).exit_code == 0
    assert len(seen) == 8, "both sides of the solution and of the sample, each again"
    seen.clear()
    (tmp_path / "a.csv").write_bytes(file_with(13, ROW["public"]))
    refused = call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada")
    assert (refused.exit_code, "The file was refused; the slot is used." in refused.stderr) == (3, True)
    assert "the slot is used" in call(home, "status", "1").output
    assert len(seen) == 1, "what the public rows refuse never meets the private ones"
    (tmp_path / "a.csv").write_bytes(file_with(1.25, 0))
    assert call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada").exit_code == 0
    assert len(seen) == 3
    digest = hashlib.sha256((tmp_path / "metric.py").read_bytes()).hexdigest()
    assert digest[:16] in (home / "secret" / "own" / "1" / "competition.json").read_text()
