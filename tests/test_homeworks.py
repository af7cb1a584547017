"""What every homework owes, shown on its built-in data: each case below is one homework, and none may be missing."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from baselines import students
from baselines.common import train_level
from harness.answers import Secret, find_judge, read_secret
from harness.cli import common
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.scoring import check, cleared, grade
from harness.home import Home, locked, open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from submissions.reader import read
from tasks import copies
from tasks.base import IGNORED, PRIVATE, PUBLIC, Grade, SubmissionError, Task, UserError
from tasks.formats import LinesFormat, TableFormat
from tasks.homeworks import MODULES, all_tasks, find_task
from tasks.hw03_cnn import LAYOUT_2021, LAYOUT_2022
from tasks.hw05_transformer import official as talks
from tasks.hw06_gan import networks
from tasks.hw10_attack import official as attacks
from tasks.hw13_compression import LAYOUTS
from tasks.streams import fixed
from tasks.tensor_formats import ModelFormat
from tests import test_hw01_official as hw01
from tests import test_hw02_classification as hw02
from tests import test_hw03_cnn as hw03
from tests import test_hw03_own as hw03_own
from tests import test_hw04_self_attention as hw04
from tests import test_hw05_transformer as hw05
from tests import test_hw06_judge as hw06
from tests import test_hw07_bert as hw07
from tests import test_hw08_anomaly as hw08
from tests import test_hw08_own as hw08_own
from tests import test_hw09_explainable as hw09
from tests import test_hw10_attack as hw10
from tests import test_hw11_adaptation as hw11
from tests import test_hw13_compression as hw13
from tests import test_hw14_lifelong as hw14
from tests import test_hw15_meta as hw15
from tests.bench import results
from tests.conftest import SHORT, archive_of, made_in, members, reseal

SEED = 5
NOW = datetime(2027, 2, 1, tzinfo=UTC)
Bytes = Callable[[bytes], bytes]


# What a perfect, or at least a very good, submission is: made from the hidden side.


def table_of_answers(home: Home, secret: Secret) -> bytes:
    form = secret.competition.format
    assert isinstance(form, TableFormat)
    columns = [secret.answers.columns[column.name].tolist() for column in form.columns]
    rows = [",".join(form.header), *(",".join(map(str, row)) for row in zip(form.ids, *columns, strict=True))]
    return ("\n".join(rows) + "\n").encode()


def first_answers(home: Home, secret: Secret) -> bytes:
    """The first right answer of each question, quoted where it has a comma."""
    out = io.StringIO(newline="")
    cells = [right.split("\n")[0] for right in secret.answers.columns["Answer"].tolist()]
    csv.writer(out, lineterminator="\n").writerows([("ID", "Answer"), *zip(secret.answers.ids, cells, strict=True)])
    return out.getvalue().encode()


def lines_of_answers(home: Home, secret: Secret) -> bytes:
    form = secret.competition.format
    assert isinstance(form, LinesFormat)
    return "".join(f"{line}\n" for line in secret.answers.columns[form.column].tolist()).encode()


def hidden_images(home: Home, secret: Secret) -> bytes:
    """The hidden real images themselves, drawn once more from the fixed seed."""
    from tasks.hw06_gan.world import archive, draw, windows

    streams, form = fixed(SEED).within("hw06/builtin/0/world"), secret.competition.format
    return archive(draw(streams.generator("hidden faces"), len(form), windows(streams)), form.max_bytes)


def landings(home: Home, secret: Secret) -> bytes:
    """A pilot with the gains that `searched(fault, default_rng(0), rounds=8, tried=10)` finds for this craft."""
    from tests.bench.tricks.hw12 import Gains, graph

    return graph(Gains(0.786, 0.77, 0.691, 0.404, 0.211, 0.553, 0.027, 0.148))


def another_policy(shape: int) -> bytes:
    """A policy with another number of actions."""
    from tasks.hw12_reinforcement import POLICY
    from tasks.models import dense

    return dense(POLICY, [(np.zeros((8, shape), np.float32), np.zeros(shape, np.float32))])


# Files that say the same in another order.


def rows_turned(data: bytes) -> bytes:
    header, *rows = data.decode().splitlines()
    return "\n".join([header, *rows[::-1]]).encode() + b"\n"


def members_turned(data: bytes) -> bytes:
    return archive_of(members(data)[::-1])


# Files that are wrong, by what is wrong with them.

ANY_FILE: dict[str, Bytes] = {
    "nothing": lambda data: b"",
    "a spreadsheet": lambda data: b"PK\x03\x04" + b"[Content_Types].xml" * 9,
    "half of the bytes": lambda data: data[: len(data) // 2 - 3],
}
WRONG_LINES: dict[str, Bytes] = ANY_FILE | {
    "a line too few": lambda data: b"\n".join(data.splitlines()[1:]) + b"\n",
    "a line too many": lambda data: data + data.splitlines(keepends=True)[0],
    "an empty line": lambda data: b"\n" + data.split(b"\n", 1)[1],
    "text that is not UTF-8": lambda data: b"\xff\xe4" + data,
    "a NUL": lambda data: b"\0" + data,
}
WRONG_ROWS: dict[str, Bytes] = ANY_FILE | {
    "a row too few": lambda data: b"\n".join(data.splitlines()[:-1]) + b"\n",
    "a row twice": lambda data: data + data.splitlines(keepends=True)[-1],
    "no header": lambda data: data.split(b"\n", 1)[1],
    "another header": lambda data: b"a,b\n" + data.split(b"\n", 1)[1],
    "semicolons": lambda data: data.replace(b",", b";"),
    "a cell too many": lambda data: data.rstrip(b"\n") + b",1\n",
    "an unknown id": lambda data: data.replace(b"\n" + data.split(b"\n")[1].split(b",")[0], b"\nunknown", 1),
    "not a number": lambda data: data.rstrip(b"\n").rpartition(b",")[0] + b",nan\n",
    "no value": lambda data: data.rstrip(b"\n").rpartition(b",")[0] + b",\n",
    "infinity": lambda data: data.rstrip(b"\n").rpartition(b",")[0] + b",inf\n",
}
WRONG_TEXTS = {
    what: change for what, change in WRONG_ROWS.items() if what not in ("not a number", "no value", "infinity")
}
WRONG_ARCHIVE: dict[str, Bytes] = ANY_FILE | {
    "an image too few": lambda data: archive_of(members(data)[1:]),
    "an image too many": lambda data: archive_of([*members(data), ("0.jpg", members(data)[0][1])]),
    "an image twice": lambda data: archive_of([*members(data), members(data)[0]]),
    "a parent path": lambda data: archive_of([("../1.jpg", members(data)[0][1]), *members(data)[1:]]),
    "not an image": lambda data: archive_of([(members(data)[0][0], b"text"), *members(data)[1:]]),
    "a tar without gzip": gzip.decompress,
}
WRONG_MODEL: dict[str, Bytes] = ANY_FILE | {
    "an action too many": lambda data: another_policy(5),
    "another name of the state": lambda data: data.replace(b"state", b"start"),
    "another name of the action": lambda data: data.replace(b"action", b"motion"),
    "an operator that draws": lambda data: data.replace(b"Gemm", b"Loop"),
    "a pickle": lambda data: b"\x80\x04" + data,
}


@dataclass(frozen=True)
class Case:
    """One homework: its best submission, and what is wrong with files.

    `best` is the exact score of `winner` by metric, where there is one; `turned` gives the same in another order. A
    level that hardly trained predicts at least so many `different` rows. `missed` are the bars that `winner` does not
    clear, where no file is known to be the best, or the world is too small for it.
    """

    winner: Callable[[Home, Secret], bytes]
    wrong: dict[str, Bytes]
    turned: Bytes | None
    best: dict[str, float]
    different: int
    missed: frozenset[str] = frozenset()


CASES = {
    "hw01": Case(table_of_answers, WRONG_ROWS, rows_turned, {"root_mean_squared_error": 0.0}, 800),
    "hw02": Case(table_of_answers, WRONG_ROWS, rows_turned, {"accuracy_score": 1.0}, 2),
    "hw03": Case(table_of_answers, WRONG_ROWS, rows_turned, {"accuracy_score": 1.0}, 1),
    "hw04": Case(table_of_answers, WRONG_ROWS, rows_turned, {"accuracy_score": 1.0}, 1),
    "hw05": Case(lines_of_answers, WRONG_LINES, None, {"bleu_score": 100.00000000000004}, 1),
    "hw06": Case(hidden_images, WRONG_ARCHIVE, members_turned, {}, 500, frozenset({"boss"})),  # a judge of few faces
    "hw07": Case(first_answers, WRONG_TEXTS, rows_turned, {"answer_match_score": 1.0, "character_f1_score": 1.0}, 2),
    "hw08": Case(table_of_answers, WRONG_ROWS, rows_turned, {"roc_auc_score": 1.0}, 80),
    "hw09": Case(
        hw09.winner, ANY_FILE | hw09.WRONG, hw09.turned, {"relevance_score": 1.0, "cause_accuracy_score": 1.0}, 1
    ),
    "hw10": Case(
        hw10.winner,
        WRONG_ARCHIVE | {what: change for what, (_, change) in hw10.WRONG.items()},
        members_turned,
        {},
        200,
    ),
    "hw11": Case(table_of_answers, WRONG_ROWS, rows_turned, {"accuracy_score": 1.0}, 1),
    "hw12": Case(landings, WRONG_MODEL, None, {}, 1, frozenset({"boss"})),
    "hw13": Case(hw13.winner, ANY_FILE | hw13.WRONG, None, {"accuracy_score": 1.0}, 1),
    "hw14": Case(
        hw14.winner,
        ANY_FILE | hw14.WRONG,
        hw14.turned,
        {"average_accuracy_score": 1.0, "backward_transfer_score": 0.0, "forgetting_loss": 0.0},
        2,
    ),
    "hw15": Case(table_of_answers, WRONG_ROWS, rows_turned, {"accuracy_score": 1.0}, 2),
}


BUILTIN = [
    f"{task.name}{edition.name.removeprefix('builtin')}"
    for task in all_tasks()
    for edition in task.editions
    if edition.name.startswith("builtin")
]
LEVELS = ("simple", "medium", "strong", "boss")


def task_of(name: str) -> Task:
    task = find_task(name)
    assert task is not None
    return task


@pytest.fixture(params=list(CASES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def home(name: str, homes: Callable[[str], Home], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(copies, "PAIRS", 75_000)  # a quarter of the images of HW6 is compared with the training images
    return homes(name)


@pytest.fixture
def secret(name: str, home: Home) -> Secret:
    return read_secret(home, find_competition(home, name))


@pytest.fixture
def winner(name: str, home: Home, secret: Secret) -> bytes:
    path = home.root.parent / "winner"
    with locked(path.parent):
        if not path.exists():
            path.write_bytes(CASES[name].winner(home, secret))
    return path.read_bytes()


def sample_of(home: Home, secret: Secret) -> bytes:
    competition = secret.competition
    return (home.public(competition.name) / f"sample_submission{competition.format.suffix}").read_bytes()


def graded(secret: Secret, data: bytes) -> Grade:
    return grade(secret, read(data, secret.competition.format))


def test_no_homework_is_missing_here() -> None:
    assert set(CASES) == set(SHORT) == {module.partition("_")[0] for module in MODULES}


def test_the_answers_win(name: str, home: Home, secret: Secret, winner: bytes) -> None:
    best, sample = graded(secret, winner), graded(secret, sample_of(home, secret))
    for score, other, metric in zip(best.scores, sample.scores, secret.metrics, strict=True):
        sign = 1 if metric.higher_is_better else -1
        pairs = [(score.public, other.public)]
        if secret.competition.two_boards:
            assert score.private is not None
            assert other.private is not None
            pairs.append((score.private, other.private))
        else:
            assert score.private is other.private is None
        for value, low in pairs:
            if metric is secret.metrics[0]:
                assert sign * value > sign * low
            for one in (value, low):
                assert min(metric.best, metric.worst) <= one <= max(metric.best, metric.worst)
            if metric.name in CASES[name].best:
                assert value == CASES[name].best[metric.name]
    for private in (False, True):
        bars = cleared(secret.competition, best, secret.bars, private=private)
        wanted = {bar.name for bar in secret.bars if secret.competition.two_boards or not private}
        assert set(bars) == wanted - CASES[name].missed


def test_the_order_of_rows_or_members_does_not_matter(name: str, home: Home, secret: Secret, winner: bytes) -> None:
    turn = CASES[name].turned
    if turn is None:
        assert isinstance(secret.competition.format, LinesFormat | ModelFormat)  # where the order is the ids, or none
        return
    for data in (sample_of(home, secret), winner):
        turned = turn(data)
        assert turned != data
        assert graded(secret, turned) == graded(secret, data)


def test_the_sample_submission_is_valid_and_clears_no_bar_but_those_that_any_valid_file_does(
    name: str, home: Home, secret: Secret
) -> None:
    result = graded(secret, sample_of(home, secret))
    for private in (False, True):
        assert not cleared(secret.competition, result, secret.bars, private=private)


def test_both_sides_have_rows_and_no_group_straddles_or_there_is_one_board(secret: Secret) -> None:
    usage, groups = secret.answers.usage, secret.answers.groups
    assert usage is not None
    rules = secret.competition.rules
    public, private = int((usage == PUBLIC).sum()), int((usage == PRIVATE).sum())
    if not secret.competition.two_boards:
        assert not secret.answers.columns, "students can compute every score of the one board themselves"
        assert (private, rules.public_share) == (0, 1.0)
        return
    assert min(public, private) >= 10
    assert abs(public / (public + private) - rules.public_share) < 0.1
    if groups is not None:
        assert not set(groups[usage == PUBLIC]) & set(groups[usage == PRIVATE])


def test_ids_are_disjoint_and_those_of_the_sample_submission(home: Home, secret: Secret) -> None:
    form = secret.competition.format
    assert len(set(form.ids)) == len(form)
    if isinstance(form, TableFormat):
        rows = sample_of(home, secret).decode().splitlines()[1:]
        assert [row.split(",")[0] for row in rows] == [str(number) for number in form.ids]


WRONG = [(name, what) for name, case in CASES.items() for what in case.wrong]


@pytest.mark.parametrize(("name", "what"), WRONG, ids=[f"{name}-{what}" for name, what in WRONG])
def test_every_malformed_variant_is_refused_with_a_code(name: str, what: str, home: Home, tmp_path: Path) -> None:
    competition = find_competition(home, name)
    data = (home.public(name) / f"sample_submission{competition.format.suffix}").read_bytes()
    path = tmp_path / f"wrong{competition.format.suffix}"
    damaged = CASES[name].wrong[what](data)
    assert damaged != data
    path.write_bytes(damaged)
    with pytest.raises(SubmissionError) as caught:
        check(path, competition.format, find_judge(competition), home.public(competition.name))
    assert caught.value.code.startswith("E_")
    assert all(problem.code.startswith("E_") and problem.message for problem in caught.value.problems)


def test_a_format_survives_its_json(secret: Secret) -> None:
    form = secret.competition.format
    assert type(form).from_json(json.loads(json.dumps(form.to_json()))) == form


def test_an_edition_of_files_needs_them_and_a_built_in_one_takes_none(name: str, tmp_path: Path) -> None:
    task = task_of(name)
    for edition in task.editions:
        given, message = (None, "add --from") if edition.official else (tmp_path, "--from|needs no files")
        with pytest.raises(UserError, match=message):
            plan_homework(name, edition.name, given, "small")
    with pytest.raises(UserError, match="--size must be small or full"):
        plan_homework(name, None, None, "huge")


def test_every_edition_has_bars_with_a_source_and_a_format_of_its_own_kind(name: str) -> None:
    task = task_of(name)
    names = [edition.name for edition in task.editions]
    assert names[0] == "builtin"
    assert {"2021", "2022"} <= set(names) | QUIZZES.get(name, set())
    for edition in task.editions:
        metrics = {metric.name for metric in edition.metrics}
        for bar in edition.bars:
            assert bar.source.startswith("measured: " if edition.name.startswith("builtin") else "official 20")
            assert {metric for metric, _ in (*bar.public, *(bar.private or ()))} <= metrics


def test_each_bar_asks_for_more_than_the_one_below_on_every_score_and_both_boards(name: str) -> None:
    for edition in task_of(name).editions:
        signs = {metric.name: 1 if metric.higher_is_better else -1 for metric in edition.metrics}
        for size in ("small", "full", None):
            bars = [bar for bar in edition.bars_at(size) if bar.public]  # all but a point for any file
            assert len({bar.name for bar in bars}) == len(bars)
            for low, high in pairwise(bars):
                for board in ("public", "private"):
                    below, above = (dict(getattr(bar, board) or bar.public) for bar in (low, high))
                    steps = {metric: signs[metric] * (above[metric] - below[metric]) for metric in below}
                    assert steps[edition.metrics[0].name] > 0, (edition.name, board, high.name)
                    assert min(steps.values()) >= 0, (edition.name, board, high.name)
    assert [bar.name for bar in task_of(name).editions[0].bars_at("small")] == list(LEVELS)


def test_every_level_and_its_tricks_were_measured_on_the_built_in_data(name: str) -> None:
    path, edition = results.FOLDER / f"{name}.jsonl", task_of(name).editions[0].name
    rows = {row.level: row for row in results.read_rows(path) if (row.edition, row.size) == (edition, "small")}
    assert rows.keys() >= {results.SAMPLE, *LEVELS}
    assert all(len(rows[level].seeds) >= 3 for level in LEVELS)
    tricks = {row.kind for row in results.read_tricks(path) if (row.edition, row.size) == (edition, "small")}
    assert tricks >= {1, 2, 3} - ({2} if name == "hw12" else set())  # which has no data, but a craft to fly


QUIZZES = {"hw09": {"2021", "2022"}, "hw15": {"2021"}}
"""The years in which a homework was a quiz."""
COURSE: dict[tuple[str, str], tuple[float, list[float], list[float] | None, list[float]]] = {
    ("hw01", "2021"): (0.5, [2.03004, 1.28359, 0.88017], None, [1, 1, 1]),
    ("hw01", "2022"): (0.5, [2.28371, 1.49430, 1.05728, 0.86161], None, [1, 1, 1, 1]),
    ("hw02", "2021"): (0.5, [0.68334, 0.76023], None, [1, 1]),
    ("hw02", "2022"): (0.5, [0.45797, 0.69747, 0.75028, 0.82324], None, [0.5] * 4),
    ("hw02", "2023"): (0.5, [0.49798, 0.66440, 0.74944, 0.83017], None, [0.5] * 4),
    ("hw03", "2021"): (0.5, [0.44862, 0.52807, 0.82138], None, [1, 1, 1]),
    ("hw03", "2022"): (0.3, [0.50099, 0.73207, 0.81872, 0.88446], None, [0.5] * 4),
    ("hw04", "2021"): (0.7, [0.82523, 0.90547, 0.95404], None, [1, 1, 1]),
    ("hw04", "2022"): (0.5, [0.60824, 0.70375, 0.77750, 0.86500], None, [0.5] * 4),
    ("hw04", "2023"): (0.5, [0.66025, 0.81750, 0.88500], None, [0.5] * 3),
    ("hw05", "2021"): (0.5, [18.43, 24.04, 29.32], [17.61, 23.43, 28.27], [1, 1, 1]),
    ("hw05", "2022"): (0.5, [14.58, 18.04, 25.20, 29.13], None, [0.5] * 4),
    ("hw07", "2021"): (0.5, [0.44622, 0.68421, 0.79290, 0.84897], None, [1, 1, 0.5, 0.5]),
    ("hw07", "2022"): (0.5, [0.45139, 0.65792, 0.78136, 0.84388], None, [0.5] * 4),
    ("hw07", "2023"): (0.5, [0.46481, 0.67139, 0.75936, 0.84108], None, [0.5] * 4),
    ("hw08", "2021"): (0.5, [0.64046, 0.75719, 0.81304, 0.86590], None, [1, 1, 0.5, 0.5]),
    ("hw08", "2022"): (0.5, [], None, []),
    ("hw10", "2021"): (0.5, [0.65, 0.38, 0.18, 0.05], None, [1, 1, 0.5, 0.5]),
    ("hw10", "2022"): (0.5, [0.7, 0.5, 0.3, 0.15], None, [0.5] * 4),
    ("hw10", "2023"): (0.5, [0.7, 0.5, 0.25, 0.1], None, [0.5] * 4),
    ("hw11", "2021"): (0.5, [0.41962, 0.59980, 0.71874, 0.77956], None, [1, 1, 0.75, 0.25]),
    ("hw11", "2022"): (0.5, [0.44616, 0.64576, 0.75840, 0.80640], None, [0.5] * 4),
    ("hw11", "2023"): (0.5, [0.44280, 0.65994, 0.75342, 0.81072], None, [0.5] * 4),
    ("hw13", "2021"): (0.5, [0.59856, 0.65412, 0.72819, 0.81003], None, [1, 1, 0.75, 0.25]),
    ("hw13", "2022"): (0.3, [0.44820, 0.64840, 0.82370, 0.85159], None, [0.5] * 4),
    ("hw14", "2021"): (0.5, [], None, []),
    ("hw14", "2022"): (0.5, [], None, []),
    ("hw15", "2022"): (0.5, [0.6, 0.7, 0.9, 0.95], None, [0.5] * 4),
    ("hw15", "2023"): (0.5, [0.6, 0.7, 0.9, 0.95], None, [0.5] * 4),
}
"""The public share, the thresholds of both boards, one where they are the same, and the points on each of them."""


@pytest.mark.parametrize(("name", "year"), COURSE)
def test_the_official_bars_are_the_courses(name: str, year: str) -> None:
    edition = task_of(name).edition(year)
    share, public, private, points = COURSE[name, year]
    metric = edition.metrics[0].name
    wanted = [((metric, line),) for line in public]
    assert edition.rules.public_share == share
    levels = ("simple", "strong") if len(public) == 2 else LEVELS[: len(public)]  # HW2 of 2021 has two
    assert [bar.name for bar in edition.bars] == list(levels)
    assert [bar.public for bar in edition.bars] == wanted
    assert [bar.private for bar in edition.bars] == (
        [None] * len(public) if private is None else [((metric, line),) for line in private]
    )
    assert [bar.points for bar in edition.bars] == [(each, each) for each in points]
    assert {bar.source.partition(", not comparable")[0] for bar in edition.bars} <= {f"official {year}"}


def test_no_private_answer_reaches_the_one_who_hands_in(
    name: str, home: Home, winner: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files handed in before and after the private answers are exchanged give the same bytes."""
    monkeypatch.setattr(common, "clock", lambda: NOW)
    competition = find_competition(home, name)
    secret = read_secret(home, competition)
    if not competition.two_boards:
        assert graded(secret, winner).n_private == 0
        return
    files = {"sample": sample_of(home, secret), "winner": winner}
    seen: list[list[tuple[str, str]]] = []
    grades: list[Grade] = []
    for label in ("one", "two"):
        root = tmp_path / label
        shutil.copytree(home.root, root)
        if label == "two":
            exchange_private_answers(root / "secret" / name / "1")
            reseal(open_home(root), name)
        there = []
        for what, data in files.items():
            path = tmp_path / f"{what}{competition.format.suffix}"
            path.write_bytes(data)
            for command, formats in (
                (["submit", name, str(path)], ["json" if what == "winner" else "table"]),
                (["submissions", name], ["table", "json"]),
                (["leaderboard", name], ["table", "json"]),
            ):
                for format in formats:
                    words = ["--home", str(root), *command, "--as", what, "--format", format]
                    result = CliRunner().invoke(cli, words, env={"COLUMNS": "200"})
                    assert result.exit_code == 0, result.output
                    there.append((result.stdout, result.stderr))
        seen.append(there)
        grades.append(grade(read_secret(open_home(root), competition), read(files["winner"], competition.format)))
    assert seen[0] == seen[1]
    assert [score.public for score in grades[0].scores] == [score.public for score in grades[1].scores]
    assert grades[0].scores[0].private != grades[1].scores[0].private


def exchange_private_answers(folder: Path) -> None:
    """Turns every private answer into another one that could be: numbers mirrored in their range, text moved.

    Where nothing is hidden but the marks, half of the private rows are no longer scored.
    """
    usage = np.load(folder / "usage.npy")
    private = np.flatnonzero(usage == PRIVATE)
    if not list(folder.glob("column-*.npy")):
        usage[private[::2]] = IGNORED
        np.save(folder / "usage.npy", usage)
    for path in folder.glob("column-*.npy"):
        values = np.load(path)
        here = values[private]
        values[private] = here[::-1] if values.dtype.kind == "U" else values.max() + values.min() - here
        np.save(path, values)


# Files that are given


def covid(year: str) -> Callable[[Path], Path]:
    def copied(place: Path) -> Path:
        if not hw01.source(year).is_dir():
            pytest.skip("the course's files are not in ../shared/data")
        return Path(shutil.copytree(hw01.source(year), place))

    return copied


GIVEN: dict[tuple[str, str], Callable[[Path], Path]] = {
    ("hw01", "2021"): covid("2021"),
    ("hw01", "2022"): covid("2022"),
    ("hw02", "2021"): hw02.given_2021,
    ("hw02", "2022"): hw02.given_2022,
    ("hw03", "2021"): lambda place: hw03.given(place, LAYOUT_2021),
    ("hw03", "2022"): lambda place: hw03.given(place, LAYOUT_2022),
    ("hw03", "own"): hw03_own.given,
    ("hw04", "2021"): hw04.given,
    ("hw05", "2022"): lambda place: hw05.write_course(place, *hw05.pairs_of(talks.LEAST), ["一行。"]),
    ("hw06", "2021"): hw06.given,
    ("hw07", "2022"): hw07.given,
    ("hw08", "2021"): lambda place: hw08.course_folder(place, hw08.faces(120), "data-bin"),
    ("hw08", "own"): hw08_own.given,
    ("hw10", "2022"): hw10.given,
    ("hw11", "2022"): hw11.given,
    ("hw13", "2021"): lambda place: hw03.given(place, LAYOUT_2021),
    ("hw13", "2022"): lambda place: hw03.given(place, LAYOUTS[1]),
    ("hw14", "2022"): hw14.given,
    ("hw15", "2022"): hw15.given,
}
"""Writes files as they are given for an edition."""


@pytest.fixture
def given(name: str, edition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(talks, "TEST_LINES", 200)  # in place of 4,000
    monkeypatch.setattr(talks, "LEAST", 600)
    monkeypatch.setitem(networks.FACES, "small", 60)
    monkeypatch.setattr(attacks, "EPOCHS", (1, 1))
    monkeypatch.setattr(students, "EPOCHS", 1)
    monkeypatch.setattr(students, "WIDTHS", (4, 8, 8))
    return GIVEN[name, edition](tmp_path / "given")


def taken(name: str, edition: str, place: Path, public: Path, seed: int = 1) -> tuple[dict[str, bytes], list[object]]:
    """The files of the competition that is made from a place, and its answers."""
    made = made_in(public, task_of(name).edition(edition).make, seed, place)
    files = {path.relative_to(public).as_posix(): path.read_bytes() for path in public.rglob("*") if path.is_file()}
    if made.train_groups is not None:
        assert made.answers.groups is not None
        assert not set(made.answers.groups) & set(made.train_groups)
    secret = public.with_name(f"{public.name}.secret")
    hidden = sorted((path.name, path.read_bytes()) for path in secret.rglob("*") if path.is_file())
    return files, [*(values.tolist() for values in made.answers.columns.values()), *hidden]


def zipped(place: Path, source: Path) -> None:
    """A zip of a folder below another one, with what macOS and notebooks add."""
    with zipfile.ZipFile(place, "w") as archive:
        for path in sorted((path for path in source.rglob("*") if path.is_file()), reverse=True):
            inside = path.relative_to(source)
            archive.write(path, f"some/{inside.as_posix()}")
            for spare in (f"__MACOSX/some/{inside.parent}/._", f"some/{inside.parent}/.ipynb_checkpoints/"):
                archive.writestr(f"{spare}{path.name}", b"\0\5\x16\7")


@pytest.mark.parametrize(("name", "edition"), GIVEN)
def test_a_folder_and_its_archives_give_the_same_competition_and_another_key_gives_another(
    name: str, edition: str, given: Path, tmp_path: Path
) -> None:
    zipped(tmp_path / "some.zip", given)
    (tmp_path / "tar").mkdir()
    with tarfile.open(tmp_path / "tar" / "some.tar.gz", "w:gz") as tar:
        tar.add(given, "some")
    (tmp_path / "tar" / "._some.tar.gz").write_bytes(b"of macOS")
    first, *same = (taken(name, edition, tmp_path / place, tmp_path / f"of {place}") for place in
                    ("given", "some.zip", "tar"))  # fmt: skip
    assert same == [first, first]
    other = taken(name, edition, given, tmp_path / "other", seed=2)
    assert first[0] != other[0]
    assert first[1] != other[1]


@pytest.mark.parametrize(("name", "edition"), GIVEN)
def test_given_files_are_prepared_without_a_leak_and_a_level_trains_on_them(
    name: str, edition: str, given: Path, tmp_path: Path
) -> None:
    home, plan = open_home(tmp_path / "home"), plan_homework(name, edition, given, "small")
    prepare(home, plan, seed=3, accept_leaks=False, now=NOW)
    competition, public = find_competition(home, name), home.public(name)
    path = train_level(name, "simple", public, tmp_path / "run", seed=0, device="cpu", overrides=SHORT[name])
    check(path, competition.format, find_judge(competition), public)


@pytest.mark.parametrize(("name", "edition"), GIVEN)
def test_what_is_missing_or_damaged_is_refused_and_nothing_is_written(
    name: str, edition: str, given: Path, tmp_path: Path
) -> None:
    zipped(tmp_path / "some.zip", given)
    data = (tmp_path / "some.zip").read_bytes()
    at = len(data) // 2
    (tmp_path / "cut.zip").write_bytes(data[:at])
    (tmp_path / "changed.zip").write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
    (tmp_path / "empty").mkdir()
    codes = {"nowhere": "PLACE", "empty": "MISSING", "cut.zip": "ARCHIVE", "changed.zip": "ARCHIVE"}
    for place, code in codes.items():
        with pytest.raises(UserError) as caught:
            taken(name, edition, tmp_path / place, tmp_path / f"of {place}")
        assert caught.value.code == f"E_SOURCE_{code}"
        assert not list((tmp_path / f"of {place}").iterdir())


# The levels

ONLY = {
    ("hw03", "pseudo_labels"): ("strong", "boss"), ("hw03-2022", "pseudo_labels"): (), ("hw08", "image_loss"): ("boss",)
}  # fmt: skip
"""What is logged above 0 by these levels alone, by edition."""
PICTURES = {
    "hw11": {"curves.png", "features.png"},
    "hw12": {"curves.png", "flights.png"},
    "hw13": {"curves.png", "pruning.png"},
}


class Training:
    """A level that is trained on a built-in edition of few rows, with the calls of its progress."""

    def __init__(self, home: Home, world: str, level: str) -> None:
        self.name, self.level = world[:4], level
        self.competition = find_competition(home, self.name)
        self.public = home.public(self.name)
        self.seen: list[tuple[int, int]] = []
        self.short = SHORT[self.name]

    def run(self, folder: Path, seed: int = 1, stop_at: int | None = None) -> Path:
        def progress(done: int, total: int, metrics: object) -> None:
            self.seen.append((done, total))
            if len(self.seen) == stop_at:
                raise InterruptedError

        self.seen.clear()
        return train_level(
            self.name, self.level, self.public, folder, seed=seed, device="cpu", overrides=self.short, progress=progress
        )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "world", [pytest.param(world, marks=pytest.mark.slow) if "-" in world else world for world in BUILTIN]
)
def test_every_level_writes_a_file_that_is_taken_and_a_log_of_its_epochs(
    world: str, level: str, homes: Callable[[str], Home], tmp_path: Path
) -> None:
    training = Training(homes(world), world, level)
    path = training.run(tmp_path)
    competition, form = training.competition, training.competition.format
    assert path == tmp_path / f"submission{form.suffix}"
    check(path, form, find_judge(competition), training.public)
    (values, *_) = read(path.read_bytes(), form).values()
    rows = {value.tobytes() if isinstance(value, np.ndarray) else value for value in values}
    assert isinstance(form, ModelFormat) or len(rows) >= CASES[training.name].different
    log = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert training.seen[-len(log) :] == [(row["epoch"], len(log)) for row in log]
    assert [row["epoch"] for row in log] == list(range(1, len(log) + 1))
    assert len(log) % 2 == 0
    assert log or (training.name, level) == ("hw08", "strong")  # which is fitted at once
    assert all(np.isfinite(list(row.values())).all() for row in log)
    for (where, key), levels in ONLY.items():
        assert where != world or (bool(log) and log[-1].get(key, 0) > 0) == (level in levels)
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}
    assert set(drawn) == PICTURES.get(training.name, {"curves.png"})
    assert all(data.startswith(b"\x89PNG") for data in drawn.values())
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["level"] == level


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "world", ["hw01", *(pytest.param(world, marks=pytest.mark.slow) for world in BUILTIN if world[:4] != "hw01")]
)
def test_a_run_stopped_after_any_epoch_ends_with_the_same_bytes_and_another_seed_with_others(
    world: str, level: str, homes: Callable[[str], Home], tmp_path: Path
) -> None:
    training = Training(homes(world), world, level)
    whole = training.run(tmp_path / "whole")
    every = [*training.seen]
    for at in range(1, len(every)):
        run = tmp_path / str(at)
        with pytest.raises(InterruptedError):
            training.run(run, stop_at=at)
        assert not (run / whole.name).exists()
        training.run(run)
        assert training.seen == every[at:]
        for path in whole.parent.iterdir():
            assert path.is_dir() or (run / path.name).read_bytes() == path.read_bytes(), path
    other = training.run(tmp_path / "other", seed=2)
    logs = [(path.parent / "metrics.jsonl").read_bytes() for path in (whole, other)]
    assert logs[0] != logs[1] or not every
