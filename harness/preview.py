"""What other data would do to a board: its files are scored again in a folder of their own, and nothing is kept."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from harness.answers import Secret, load_secret
from harness.build import build_folders, try_metric
from harness.clocks import last_closing, last_instant
from harness.competition import Competition, read_competition
from harness.home import Home, local, locked
from harness.plans import Plan
from harness.prepare import counted, following_version, sides_of
from harness.shown import shown
from leaderboard import competitions, records, results
from leaderboard.competitions import Data
from leaderboard.records import StoredSubmission
from submissions.store import fetch
from tasks import locks
from tasks.base import Grade, Score, SubmissionError, UserError

Graded = Callable[[Secret, bytes], Grade]
PREFIX, LOCK = ".preview-", ".lock"


@dataclass(frozen=True)
class Moved:
    """One person's best public score and place, now and with the other data; None where they accept none of the files,
    or where none has a score now.
    """

    name: str
    before: float | None
    place: int | None
    after: float | None
    new_place: int | None

    def line(self, digits: int) -> str:
        """The change in words, cut to the digits of the metric."""
        before = "no score" if self.before is None else f"{shown(self.before, digits):.10g} (place {self.place})"
        then = "no file with a score"
        if self.after is not None:
            then = f"{shown(self.after, digits):.10g} (place {self.new_place})"
        return f"{self.name}: {before} → {then}"


@dataclass(frozen=True)
class Preview:
    """What other data would do: people by place, and the files of the board.

    `public` and `private` count the files whose shown score changes, of those `compared`; `shifts` are the least and
    the greatest change of a public score. `refused` are those that are no longer accepted, with the code of the
    refusal, and `failed` counts those that could not be scored.
    """

    people: tuple[Moved, ...]
    compared: int
    public: int
    private: int
    shifts: tuple[float, float]
    refused: tuple[tuple[StoredSubmission, str], ...]
    failed: int
    files: int

    def lines(self, digits: int) -> list[str]:
        """The change in words, first of the files."""
        if not self.files:
            return []
        found = [] if not self.compared else [self._changes(digits)]
        if self.failed:
            found.append(
                f"{counted(self.failed, 'file')} could not be scored by the new data, and will wait on the new board."
            )
        if self.refused:
            each = ", ".join(f"{one.participant} #{one.entry} ({code})" for one, code in self.refused)
            found.append(f"No longer accepted, and left with the old board: {each}.")
        return [*found, *(one.line(digits) for one in self.people)]

    def _changes(self, digits: int) -> str:
        found = f"{self.public:,} public and {self.private:,} private scores of {counted(self.compared, 'file')} change"
        if not self.public:
            return f"{found}."
        least, most = (f"{shown(one, digits):+.10g}" for one in self.shifts)
        return f"{found}, the public ones by {least}{'' if least == most else f' to {most}'}."


def refuse_over(
    home: Home, competition: Competition, deadline: str | None, now: datetime, after_deadline: bool = False
) -> None:
    """Raises UserError E_CLOSED for a competition that is over, or would be with this deadline: its scores count.

    With `after_deadline`, for one whose private board was revealed alone, since nobody who knows it may go on.
    """
    with home.database() as database:
        ends = [last_closing(database, competition)]
        opened = records.revealed(database, competition.key)
    ends += [] if deadline is None else [last_instant(deadline, "deadline")]
    passed = [end for end in ends if end is not None and end <= now]
    if opened is None and not passed:
        return
    if opened is not None:
        raise UserError(
            f"{competition.name}: its private board was revealed, so nobody may go on with its data; begin an empty"
            " board with --new-data.",
            code="E_CLOSED",
            exit_code=5,
        )
    if after_deadline:
        return
    what = f"the deadline {local(home, min(passed))} has passed"
    raise UserError(
        f"{competition.name}: {what}, so its scores may have been told as final. To change its data all the same, and"
        " scores and places with them, add --after-deadline.",
        code="E_CLOSED",
        exit_code=5,
    )


@contextlib.contextmanager
def _scratch(home: Home) -> Iterator[Path]:
    """A folder for hidden files that is removed in the end; those that a killed process has left are removed first."""
    with contextlib.ExitStack() as stack:
        with locked(home.root):
            sweep(home)
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home.root / "secret"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            stack.enter_context(locks.locked(folder / LOCK))
        yield folder


def sweep(home: Home) -> None:
    """Removes the folders of previews whose process has ended; under the home's lock."""
    for left in (home.root / "secret").glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), locks.locked(left / LOCK, wait=False):
            shutil.rmtree(left, ignore_errors=True)


def preview(home: Home, plan: Plan, graded: Graded) -> Preview:
    """The board of the current data, each of its files scored again by `plan`.

    Raises UserError where the plan cannot be made.
    """
    with home.database() as database:
        old = competitions.current(database, plan.name)
        assert old is not None, "there is a board"
        rows = list(results.grade_rows(database, old.key))
        files = [one for one in records.submissions(database, old.key) if one.rejected is None]
    grades = {row.submission: row for row in rows if (row.data_version, row.metric_version) == old.versions}
    after, refused, failed = _scored(home, plan, old, files, graded)
    both = [(grades[number], score) for number, score in after.items() if number in grades]
    digits = plan.metrics[0].digits
    shifts = [s.public - row.public for row, s in both if shown(s.public, digits) != shown(row.public, digits)]
    private = [(row.private, score.private) for row, score in both]
    higher = next((row.higher_is_better for row in grades.values()), plan.metrics[0].higher_is_better)
    ranked = [one for one in files if one.kind == "person" and not one.practice]
    before = _best(ranked, {number: row.public for number, row in grades.items()}, higher)
    then = _best(ranked, {number: score.public for number, score in after.items()}, plan.metrics[0].higher_is_better)
    places, new_places = _places(before, higher), _places(then, plan.metrics[0].higher_is_better)
    people = [
        Moved(name, before.get(name), places.get(name), then.get(name), new_places.get(name))
        for name in dict.fromkeys(one.participant for one in ranked)
    ]
    return Preview(
        people=tuple(sorted(people, key=lambda one: (one.place is None, one.place, one.name))),
        compared=len(both),
        public=len(shifts),
        private=sum(_cut(one, digits) != _cut(other, digits) for one, other in private),
        shifts=(min(shifts, default=0.0), max(shifts, default=0.0)),
        refused=tuple(refused),
        failed=failed,
        files=len(files),
    )


def _scored(
    home: Home, plan: Plan, old: Data, files: list[StoredSubmission], graded: Graded
) -> tuple[dict[int, Score], list[tuple[StoredSubmission, str]], int]:
    """The scores of the files by the plan, those that it refuses, and how many could not be scored."""
    after: dict[int, Score] = {}
    refused: list[tuple[StoredSubmission, str]] = []
    failed = 0
    with _scratch(home) as scratch:
        there = replace(home, root=scratch)
        (scratch / "secret").mkdir(mode=0o700)
        shutil.copyfile(home.root / "secret" / "key", scratch / "secret" / "key")
        (scratch / "secret" / "key").chmod(0o600)
        version = following_version(home, plan.name, old)
        hidden, public = there.secret(plan.name, version), there.public(plan.name)
        competition, answers, _ = build_folders(
            plan,
            public,
            hidden,
            version,
            None,
            home.key(),
            lambda _: None,
            sides_of(home, plan.name) if files else None,
        )
        try_metric(plan, hidden, competition.format, answers)
        secret = load_secret(there, read_competition(public))
        for one in files:
            try:
                after[one.id] = graded(secret, fetch(home.submissions, one.sha256)).scores[0]
            except SubmissionError as error:
                refused.append((one, error.code))
            except UserError:
                failed += 1
    return after, refused, failed


def _cut(score: float | None, digits: int) -> float | None:
    return None if score is None else shown(score, digits)


def _best(files: list[StoredSubmission], scores: dict[int, float], higher_is_better: bool) -> dict[str, float]:
    """The best score of each participant."""
    found: dict[str, list[float]] = {}
    for one in files:
        if one.id in scores:
            found.setdefault(one.participant, []).append(scores[one.id])
    return {name: (max if higher_is_better else min)(values) for name, values in found.items()}


def _places(values: dict[str, float], higher_is_better: bool) -> dict[str, int]:
    """The place of each, equal values sharing the better one."""
    ordered = sorted(values.values(), reverse=higher_is_better)
    return {name: ordered.index(value) + 1 for name, value in values.items()}
