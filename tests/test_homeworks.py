"""What every homework owes, shown on its built-in data: each case below is one homework, and none may be missing."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import options
from harness.cli import cli
from harness.competition import Secret, find_competition, find_judge, read_secret
from harness.grading import check, cleared, grade
from harness.home import Home, locked, open_home
from harness.prepare import plan_homework, prepare
from submissions.reader import read
from tasks.base import IGNORED, PRIVATE, PUBLIC, Grade, SubmissionError, UserError
from tasks.formats import LinesFormat, ModelFormat, TableFormat
from tasks.homeworks import MODULES, find_task
from tasks.streams import fixed
from tests.conftest import reseal

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


def lines_of_answers(home: Home, secret: Secret) -> bytes:
    form = secret.competition.format
    assert isinstance(form, LinesFormat)
    return "".join(f"{line}\n" for line in secret.answers.columns[form.column].tolist()).encode()


def hidden_images(home: Home, secret: Secret) -> bytes:
    """The hidden real images themselves, drawn once more from the fixed seed."""
    from tasks.hw06_gan.world import archive, make_images

    form = secret.competition.format
    with tempfile.TemporaryDirectory() as folder:
        images = make_images(Path(folder), fixed(SEED).within("hw06/builtin/0/world"), "small")
    return archive(images[: len(form)], form.max_bytes)


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


def archive_of(members: list[tuple[str, bytes]]) -> bytes:
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def members(data: bytes) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


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

    `best` is the exact score of `winner` by metric, where there is one; `turned` gives the same in another order.
    `missed` are the bars that `winner` does not clear, where no file is known to be the best.
    """

    winner: Callable[[Home, Secret], bytes]
    wrong: dict[str, Bytes]
    turned: Bytes | None
    best: dict[str, float]
    missed: frozenset[str] = frozenset()


CASES = {
    "hw01": Case(table_of_answers, WRONG_ROWS, rows_turned, {"root_mean_squared_error": 0.0}),
    "hw03": Case(table_of_answers, WRONG_ROWS, rows_turned, {"accuracy_score": 1.0}),
    "hw05": Case(lines_of_answers, WRONG_LINES, None, {"bleu_score": 100.00000000000004}),
    "hw06": Case(hidden_images, WRONG_ARCHIVE, members_turned, {}),
    "hw08": Case(table_of_answers, WRONG_ROWS, rows_turned, {"roc_auc_score": 1.0}),
    "hw12": Case(landings, WRONG_MODEL, None, {}, frozenset({"boss"})),
}


@pytest.fixture(params=list(CASES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def prepared_homes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Home]:
    """A function that gives the home of a homework, prepared once for all processes of the test run."""
    own = tmp_path_factory.getbasetemp()  # of this process, in the folder of the run where there are several
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "homeworks"

    def home_of(name: str) -> Home:
        root = folder / name
        root.mkdir(parents=True, exist_ok=True)
        with locked(root):
            home = open_home(root / "home")
            if not (root / "winner").exists():
                plan = plan_homework(name, None, None, "small")
                prepare(home, plan, seed=SEED, new_data=False, accept_leaks=False, now=NOW)
                data = CASES[name].winner(home, read_secret(home, find_competition(home, name)))
                (root / "winner").write_bytes(data)
        return home

    return home_of


@pytest.fixture
def home(name: str, prepared_homes: Callable[[str], Home]) -> Home:
    return prepared_homes(name)


@pytest.fixture
def secret(name: str, home: Home) -> Secret:
    return read_secret(home, find_competition(home, name))


@pytest.fixture
def winner(home: Home) -> bytes:
    return (home.root.parent / "winner").read_bytes()


def sample_of(home: Home, secret: Secret) -> bytes:
    competition = secret.competition
    return (home.public(competition.name) / f"sample_submission{competition.format.suffix}").read_bytes()


def graded(secret: Secret, data: bytes) -> Grade:
    return grade(secret, read(data, secret.competition.format))


def test_no_homework_is_missing_here() -> None:
    assert set(CASES) == {module.partition("_")[0] for module in MODULES}


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
    task = find_task(name)
    assert task is not None
    for edition in task.editions:
        given, message = (None, "add --from") if edition.official else (tmp_path, "--from|needs no files")
        with pytest.raises(UserError, match=message):
            plan_homework(name, edition.name, given, "small")
    with pytest.raises(UserError, match="--size must be small or full"):
        plan_homework(name, None, None, "huge")


def test_every_edition_has_bars_with_a_source_and_a_format_of_its_own_kind(name: str) -> None:
    task = find_task(name)
    assert task is not None
    names = [edition.name for edition in task.editions]
    assert names[0] == "builtin"
    assert {"2021", "2022"} <= set(names)
    for edition in task.editions:
        metrics = {metric.name for metric in edition.metrics}
        for bar in edition.bars:
            assert bar.source.startswith("measured: " if edition.name.startswith("builtin") else "official 20")
            assert {metric for metric, _ in (*bar.public, *(bar.private or ()))} <= metrics


def test_no_private_answer_reaches_the_one_who_hands_in(
    name: str, home: Home, winner: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same files handed in before and after the private answers are exchanged give the same bytes."""
    monkeypatch.setattr(options, "clock", lambda: NOW)
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
