"""What is kept of refused files: a small allowance for each participant and day, and never less than is needed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from harness.competition import find_competition
from harness.grading import accept, audit, scoring, settle
from harness.home import Home, open_home
from leaderboard import acceptance, records
from leaderboard.acceptance import KEPT_BYTES, KEPT_FILES
from leaderboard.database import Database, open_database
from submissions.store import has
from tasks.base import Edition, SubmissionError
from tasks.errors import UserError
from tasks.formats import EpisodesFormat, Format, TableFormat
from tasks.homeworks import all_tasks
from tasks.hw01_regression.world import YEARS
from tasks.hw02_classification import world as phonemes
from tasks.hw04_self_attention import world as speakers
from tasks.hw04_self_attention.files import new_names
from tasks.hw12_reinforcement import ACTION_EPISODES
from tests.bookkeeping import hand_in
from tests.conftest import books_balance

NOW = datetime(2027, 2, 2, 12, tzinfo=UTC)


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    shutil.copytree(course, tmp_path / "home")
    return open_home(tmp_path / "home")


def submit(
    home: Home, data: bytes, who: str = "ada", now: datetime = NOW, step: Callable[[str], None] = lambda name: None
) -> None:
    path = home.root.parent / "handed-in.csv"
    path.write_bytes(data)
    accept.submit(home, find_competition(home, "hw1"), path, participant=who, now=now, step=step)


def refused(home: Home, data: bytes, who: str = "ada", now: datetime = NOW) -> None:
    with pytest.raises(SubmissionError):
        submit(home, data, who, now)


def sample(home: Home) -> bytes:
    return (home.public("hw01") / "sample_submission.csv").read_bytes()


def on_disk(home: Home) -> list[int]:
    return [path.stat().st_size for path in home.submissions.rglob("*") if path.is_file()]


def wanted(db: Database, sha256: str) -> bool:
    """Whether the bytes are kept when they are to be dropped."""
    gone: list[str] = []
    acceptance.drop(db, sha256, gone.append)
    return not gone


def refuse(db: Database, who: str = "ann", sha256: str | None = None, day: str = "2026-11-20", size: int = 10) -> str:
    """Hands in a file that is refused; its SHA-256."""
    more = {} if sha256 is None else {"sha256": sha256}
    accepted = hand_in(db, who, quota=None, rejections=None, day=day, next_slot=None, size=size, **more)
    acceptance.reject(db, accepted.submission, "E_X", NOW)
    return records.submission(db, accepted.submission).sha256


def test_so_many_refused_files_of_a_participant_and_day_are_kept(database: Database) -> None:
    first = [refuse(database) for _ in range(KEPT_FILES + 3)]
    assert [wanted(database, sha256) for sha256 in first] == [True] * KEPT_FILES + [False] * 3
    assert list(acceptance.dropped(database).values()) == first[KEPT_FILES:]
    assert wanted(database, refuse(database, "bob"))
    assert wanted(database, refuse(database, day="2026-11-21"))


def test_so_many_bytes_of_refused_files_of_a_participant_and_day_are_kept(database: Database) -> None:
    sizes = [KEPT_BYTES + 1, KEPT_BYTES // 2, KEPT_BYTES // 2 + 1, KEPT_BYTES // 2, 1]
    assert [wanted(database, refuse(database, size=size)) for size in sizes] == [False, True, False, True, False]


def test_bytes_that_somebody_else_handed_in_are_not_dropped(database: Database) -> None:
    for _ in range(KEPT_FILES):
        refuse(database)
    shared = "cd" * 32
    other = hand_in(database, "bob", sha256=shared).submission
    refuse(database, sha256=shared)
    assert shared in acceptance.dropped(database).values()
    assert wanted(database, shared), "bob's waits for its grade"
    acceptance.reject(database, other, "E_X", NOW)
    assert wanted(database, shared), "bob has an allowance of his own"


def test_a_file_that_is_accepted_while_its_bytes_are_dropped_keeps_them(database_url: str) -> None:
    gone: list[str] = []
    with open_database(database_url) as database:
        shared = [refuse(database) for _ in range(KEPT_FILES + 1)][-1]

        def drop() -> None:
            with open_database(database_url) as other:
                acceptance.drop(other, shared, gone.append)

        thread = threading.Thread(target=drop)

        def step(name: str) -> None:
            if name == "submission":  # the bytes are put there now, and the row is not committed yet
                thread.start()
                thread.join(0.3)
                assert gone == []

        hand_in(database, "bob", sha256=shared, step=step)
        thread.join()
    assert gone == []


def test_a_day_of_refused_files_leaves_the_allowance_on_the_disk(home: Home) -> None:
    most = find_competition(home, "hw1").format.max_bytes
    for number in range(49):
        refused(home, f"{number}\n".encode().ljust(most, b"x"))
    for number in range(5):
        submit(home, sample(home) + b"\n" * (number + 1) + b" " * (most - len(sample(home)) - number - 1))
    with pytest.raises(UserError, match="All 5 submissions"):
        submit(home, sample(home))
    assert sorted(on_disk(home))[-1] == most
    assert sum(on_disk(home)) <= 5 * most + KEPT_BYTES + len(sample(home))
    assert audit.verify(home)[0] == []
    refused(home, b"x", now=NOW + timedelta(days=1))
    assert audit.verify(home)[0] == []


def fitted(homework: str, edition: Edition, size: str) -> Format:
    """The form of an edition with as many episodes, or rows, as `prepare` makes of that size at most."""
    form = edition.format
    if isinstance(form, EpisodesFormat) and not form.seeds:
        return replace(form, seeds=tuple(range(ACTION_EPISODES[size])))
    if isinstance(form, TableFormat) and homework == "hw01":
        return replace(form, ids=range(len(form) * YEARS[size]))
    if homework == "hw02" and edition.name == "builtin" and isinstance(form, TableFormat):
        return replace(form, ids=range(400 * phonemes.SIZES[size][1]))  # frames of an utterance, on average
    if homework == "hw04" and edition.name == "builtin" and isinstance(form, TableFormat):
        count = speakers.COUNTS[size]
        names = new_names(np.random.default_rng(0), count.speakers * count.test * count.utterances)
        return replace(form, ids=tuple(names))
    return form


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("name", [f"{task.name}/{edition.name}" for task in all_tasks() for edition in task.editions])
def test_a_student_can_make_the_disk_hold_little_in_a_day(name: str, size: str) -> None:
    homework, _, year = name.partition("/")
    edition = next(task for task in all_tasks() if task.name == homework).edition(year)
    form = fitted(homework, edition, size)
    assert len(form) > 0
    most = edition.rules.quota * form.max_bytes + KEPT_BYTES
    larger = {
        ("hw12/builtin-actions", "full"): 26,  # many episodes
        ("hw06/builtin-model", size): 38,  # 4,000,000 numbers
        ("hw09/builtin", size): 36,  # 200 maps
        ("hw14/builtin", size): 26,
        ("hw14/builtin-permuted", size): 26,  # five networks
        ("hw14/2021", size): 117,
        ("hw14/2022", size): 117,
        ("hw14/2023", size): 117,
        **{(f"hw11/{year}", size): 31 for year in ("builtin", "2021", "2022", "2023")},  # 100,000 drawings
        # a row for each 10 ms of speech: a plain file of the course has 4 to 7 MB
        ("hw02/builtin", "small"): 41,
        ("hw02/builtin", "full"): 76,
        ("hw02/2021", size): 76,
        ("hw02/2022", size): 107,
        ("hw02/2023", size): 88,
    }
    assert most < larger.get((name, size), 15) * 2**20


def test_a_dropped_file_can_be_handed_in_again_and_is_graded_where_it_is_right_now(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(KEPT_FILES):
        refused(home, b"%d" % number)
    with monkeypatch.context() as patched:
        patched.setattr(scoring, "read", lambda data, form: bad())
        refused(home, sample(home))
    assert len(on_disk(home)) == KEPT_FILES
    submit(home, sample(home))
    assert len(on_disk(home)) == KEPT_FILES + 1
    books_balance(home)


def bad() -> None:
    from submissions.text import refusal

    raise refusal("E_X", "no")


@pytest.fixture
def over_allowance(home: Home) -> bytes:
    """A file that was refused beyond the allowance, in a process that died before its bytes were removed."""
    for number in range(KEPT_FILES):
        refused(home, b"%d" % number)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(settle, "drop_refused", lambda *_: None)
        refused(home, b"over")
    return b"over"


def test_a_crash_between_the_refusal_and_the_removal_is_mended_at_the_next_start(
    home: Home, over_allowance: bytes
) -> None:
    assert audit.verify(home)[0] == []
    assert len(on_disk(home)) == KEPT_FILES + 1
    with home.database() as database:
        settle.drop_refused(home, database)
    books_balance(home)


def test_bytes_that_are_dropped_after_they_were_put_there_for_another_are_put_there_again(
    home: Home, over_allowance: bytes
) -> None:
    def step(name: str) -> None:
        if name == "bytes kept":
            with home.database() as database:
                settle.drop_refused(home, database)

    with pytest.raises(SubmissionError):
        submit(home, over_allowance, who="bob", step=step)
    books_balance(home)


def test_the_audit_knows_what_was_dropped_and_finds_what_is_missing_otherwise(home: Home) -> None:
    submit(home, sample(home))
    for number in range(KEPT_FILES + 2):
        refused(home, b"%d" % number)
    with home.database() as database:
        entries = records.submissions(database)
    books_balance(home)
    assert [has(home.submissions, entry.sha256) for entry in entries] == [True] * (KEPT_FILES + 1) + [False] * 2
    (home.submissions / entries[1].sha256[:2] / entries[1].sha256[2:]).unlink()
    assert [problem.partition(":")[0] for problem in audit.verify(home)[0]] == ["submission 2"]
    with home.database() as database, database.transaction():
        database.execute("INSERT INTO dropped (submission_id, at) VALUES (:id, :at)", id=2, at=1)
    assert [problem.partition(":")[0] for problem in audit.verify(home)[0]] == ["submission 2", "submission 2"]
    with home.database() as database, database.transaction():
        database.execute("DELETE FROM dropped")
    assert len(audit.verify(home)[0]) >= 4
