"""Verify the size of an entry's model: it is handed in after the file, counted and run, and must give the same rows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.build import damaged_files
from harness.competition import find_competition, find_reproduction
from harness.grading.decode import Decoder, received
from harness.versions import read_versions
from leaderboard import records, results, verifications
from submissions.reader import load, read
from submissions.store import fetch, keep
from tasks.apart import Died, Limits
from tasks.errors import SubmissionError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from harness.home import Home
    from leaderboard.verifications import Verification
    from tasks.base import Columns, Reproduction
    from tasks.tensor_formats import ModelFormat


READING = 60.0
"""The most seconds for reading a model."""


def verify_entry(
    home: Home, number: int, path: Path, actor: str, now: datetime, say: Callable[[str], None] = lambda text: None
) -> tuple[Verification, bool]:
    """Runs a model and records that it gives an entry's rows; the record, and whether there was one before.

    Raises UserError E_NOT_VERIFIABLE for an entry that nothing can be verified of, E_NOT_REPRODUCED for a model that
    gives other rows, SubmissionError for a model that is refused, and E_NO_SUBMISSION.
    """
    import hashlib

    import numpy as np

    with home.database() as database:
        entry = records.submission(database, number)
        before = verifications.verifications(database, entry.competition, entry.participant).get(number)
        if before is not None:
            return before, True
        competition = find_competition(home, entry.competition.rpartition("/")[0])
        rule = find_reproduction(competition)
        versions = read_versions(home, competition, database)
        graded = number in results.public_grades(database, entry.competition, *versions, entry.participant)
    if entry.competition != competition.key:
        raise _nothing(number, "its data were replaced by newer ones, and the pictures that it names are gone")
    if rule is None:
        raise _nothing(number, f"edition {competition.edition} of {competition.name} asks for no model beside the file")
    if not graded:
        why = f"was refused ({entry.rejected})" if entry.rejected else "has no score yet; grade it first"
        raise _nothing(number, f"it {why}")
    public = home.public(competition.name)
    if damaged := damaged_files(public):
        raise UserError(
            f"changed, missing or added in {public}: {', '.join(damaged)}. Restore them first.", exit_code=8
        )
    rows = read(fetch(home.submissions, entry.sha256), competition.format)
    data = load(path, max(form.max_bytes for form in rule.forms))
    form, model = read_in_private(data, rule)
    count = int(model["parameters"][0])
    say(f"{count:,} parameters; it runs on {len(competition.format):,} rows, which can take minutes.")
    given = rule.run(form, model, competition.format, public)
    equal = int(np.all([given[name] == values for name, values in rows.items()], axis=0).sum())
    of = len(competition.format)
    if equal < rule.share * of:
        raise UserError(
            f"the model gives {equal:,} of the {of:,} rows of submission {number} ({equal / of:.1%}); at least "
            f"{rule.share:.0%} must be equal. Nothing was recorded.",
            code="E_NOT_REPRODUCED",
            exit_code=3,
        )
    sha256 = hashlib.sha256(data).hexdigest()
    found = verifications.Verification(number, sha256, len(data), count, equal, of, actor, now)
    with home.database() as database:
        recorded = verifications.verify(database, found, lambda: keep(home.submissions, data))
        if not recorded:  # another process was faster
            found = verifications.verifications(database, entry.competition, entry.participant)[number]
    return found, not recorded


def read_in_private(data: bytes, rule: Reproduction) -> tuple[ModelFormat, Columns]:
    """A model that somebody handed in, read in a process without answers, and the format that its input has.

    Raises SubmissionError, and UserError if it cannot be read on this machine.
    """
    form = rule.forms[0]
    try:
        return form, _read(data, form)
    except SubmissionError as error:
        shapes = {f"(?, {', '.join(map(str, one.inputs[0].shape))})": one for one in rule.forms}
        found = {problem.found for problem in error.problems if problem.code == "E_MODEL_INPUTS"} & shapes.keys()
        if not found:
            error.add_note(f"Accepted inputs: {'; '.join(str(one.inputs[0]) for one in rule.forms)}.")
            raise
    form = shapes[str(found.pop())]
    return form, _read(data, form)


def _read(data: bytes, form: ModelFormat) -> Columns:
    if os.name != "posix":
        return read(data, form)
    decoder = Decoder()
    try:
        whole = decoder.decode(data, form, False, Limits(READING))
        assert whole is not None, "nobody stops it"
        return received(whole, form, False)
    except Died as error:
        raise UserError(f"the model cannot be read: {error}") from None
    finally:
        decoder.close()


def _nothing(number: int, why: str) -> UserError:
    return UserError(f"submission {number} cannot be verified: {why}.", code="E_NOT_VERIFIABLE", exit_code=8)
