"""Check, accept, grade and record submissions, and finish interrupted ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.answers import Secret, read_secret, receipts_key
from harness.clocks import terms
from harness.competition import Competition, read_competition
from harness.grading import scoring
from harness.grading.scoring import cleared, grade, grade_here, public_side, read_predictions
from harness.grading.settle import settle
from harness.home import Home
from harness.settings import read_settings
from harness.versions import competitions_to_grade, read_versions
from leaderboard import acceptance, competitions, receipts, results
from leaderboard.acceptance import Acceptance, Upload
from leaderboard.database import DatabaseError
from submissions.reader import load
from submissions.store import fetch, keep
from tasks.base import (
    Grade,
    Rules,
    SubmissionError,
    UserError,
)
from tasks.errors import internal

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.records import StoredSubmission


Step = Callable[[str], None]


class RulesChangedError(Exception):
    """The rules were changed between their reading and the acceptance."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self.rules = rules


@dataclass(frozen=True)
class GradedFile:
    """An accepted submission, the public part of its grade, and the bars it clears."""

    accepted: Acceptance
    grade: Grade
    bars: tuple[str, ...]


def submit(
    home: Home,
    competition: Competition,
    path: Path,
    *,
    participant: str,
    now: datetime,
    message: str = "",
    client_key: str | None = None,
    kind: Literal["person", "baseline", "sample"] = "person",
    limited: bool = True,
    step: Step = lambda name: None,
) -> GradedFile:
    """Records a file, then grades it. Recorded files are never lost; `grade_pending` resumes after a crash.

    The same bytes from the same participant are the same submission: the first receipt is returned and no slot is
    used. A late file is scored for practice. `limited=False` ignores quota and deadline, for baselines. `step` is
    called after each step, for fault tests. Raises SubmissionError for a file that cannot be scored, and
    UserError for an exhausted quota or a participant who cannot submit.
    """
    data = load(path, competition.format.max_bytes)
    secret = read_secret(home, competition)
    if secret.metric_file:
        secret = scoring.limited(secret, read_settings(home).limits)

    def accept_step(name: str) -> None:
        if name == "submission":  # under the lock: the bytes may have been dropped since, after a refusal
            keep(home.submissions, data)
        step(name)

    with home.database() as database:
        sha256 = keep(home.submissions, data, step)
        step("bytes kept")
        accepted = accept_file(
            home,
            database,
            competition,
            Upload(sha256, len(data), path.name, message, client_key or sha256, now),
            participant=participant,
            kind=kind,
            limited=limited,
            step=accept_step,
        )
        step("accepted")
        try:
            predictions = read_predictions(data, competition.format, secret.metric_file)
            step("read")
            result = grade(secret, predictions)
        except SubmissionError as error:
            settle(home, database, secret, accepted.submission, error, now)
            raise
        step("graded")
        settle(home, database, secret, accepted.submission, result, now)
        step("recorded")
    return GradedFile(accepted, public_side(result), cleared(competition, result, competition.bars, private=False))


def accept_file(
    home: Home,
    database: Database,
    competition: Competition,
    upload: Upload,
    *,
    participant: str,
    kind: Literal["person", "baseline", "sample"] = "person",
    limited: bool = True,
    person: str | None = None,
    step: Step = lambda name: None,
) -> Acceptance:
    """Records a stored file by the current rules for this participant; a late one is practice.

    A change of the rules comes wholly before it or wholly after it.

    Raises UserError as `leaderboard.acceptance.accept` does.
    """
    while True:
        own = replace(terms(home, database, competition, participant, upload.arrived), limited=limited)
        try:
            return acceptance.accept(
                database,
                upload,
                own,
                course=home.course,
                competition=competition.key,
                participant=participant,
                kind=kind,
                sign=receipts.signer(receipts_key(home)),
                person=person,
                step=_by_rules(home, database, competition, step),
            )
        except RulesChangedError as changed:
            competition = replace(competition, rules=changed.rules)


def _by_rules(home: Home, database: Database, competition: Competition, step: Step) -> Step:
    """The steps of an acceptance by the rules of a competition; once it has the lock, it sees whether they hold."""

    def checked(done: str) -> None:
        if done == "begun" and competitions.changed(database, competition.name).rules is not None:
            edition = read_competition(home.public(competition.name)).rules
            rules = home.rules(competition.name, edition, database)
            if rules != competition.rules:
                raise RulesChangedError(rules)
        step(done)

    return checked


def grade_pending(
    home: Home, now: datetime, names: list[str], grader: Callable[[Secret, bytes], Grade] = grade_here
) -> list[tuple[str, int, str]]:
    """Grades accepted submissions without a grade; returns (competition, submission, outcome) of each.

    `grader` raises SubmissionError for a file that cannot be scored, and UserError if it cannot be graded now.
    """
    done = []
    for competition in [one for name in names for one in competitions_to_grade(home, name)]:
        with home.database() as database:
            secret: Secret | None = None
            for entry in results.pending(database, {competition.key: read_versions(home, competition, database)}):
                try:
                    secret = secret or read_secret(home, competition)
                    came = _grade_one(home, database, secret, entry, now, grader)
                except DatabaseError:
                    raise
                except UserError as error:  # it keeps waiting; the others are graded
                    came = f"{'unchanged' if error.code == 'E_CONFLICT' else 'still waiting'}: {error}"
                done.append((competition.name, entry.id, came))
    return done


def _grade_one(
    home: Home,
    database: Database,
    secret: Secret,
    entry: StoredSubmission,
    now: datetime,
    grader: Callable[[Secret, bytes], Grade],
) -> str:
    """Grades or rejects one submission and returns the outcome. A worker may do the same meanwhile.

    Raises UserError if it cannot be graded now, also after an internal error, and E_CONFLICT if the result
    contradicts the recorded one.
    """
    result: Grade | SubmissionError
    try:
        result = grader(secret, fetch(home.submissions, entry.sha256))
    except SubmissionError as error:
        result = error
    except UserError:
        raise
    except Exception as error:  # its text may contain answers
        raise UserError(str(internal(error)).partition(". ")[0]) from None
    return settle(home, database, secret, entry.id, result, now)
