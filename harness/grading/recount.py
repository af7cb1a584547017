"""A sample of HW5's grades, recounted by sacrebleu itself: the grader has a faster count of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.answers import load_secret
from harness.competition import Competition
from harness.grading.decode import Decoder, received
from harness.grading.scoring import read_predictions
from harness.home import Home
from submissions.store import fetch
from tasks.apart import FORKS, Died, Limits
from tasks.base import PRIVATE, PUBLIC, Columns, SubmissionError
from tasks.bleu import BLEU
from tasks.homeworks import find_task

if TYPE_CHECKING:
    from leaderboard.results import GradeRow

SAMPLE = 5
"""How many grades of a competition are recounted; which ones changes as grades are added."""


def recount(home: Home, competition: Competition, rows: Sequence[GradeRow]) -> tuple[list[str], int]:
    """The grades of the sample that sacrebleu does not confirm, and how many were recounted.

    `rows` are all grades of the competition's data. Files are read in a process without answers, where there are
    forks. Raises UserError where the answers cannot be read.
    """
    task = find_task(competition.name)
    if task is None or task.edition(competition.edition).metrics[0] is not BLEU or not rows:
        return [], 0
    import numpy as np

    from tasks.texts import recounted

    secret, decoder, problems = load_secret(home, competition), Decoder(), []
    usage = np.asarray(secret.answers.usage)
    sample = random.Random(len(rows)).sample(list(rows), min(SAMPLE, len(rows)))
    try:
        for row in sample:
            data = fetch(home.submissions, row.sha256)
            try:
                predictions = _predictions(decoder, data, competition)
            except (Died, SubmissionError):
                problems.append(f"submission {row.submission}: its file cannot be read, but has a grade")
                continue
            for side, value in ((PUBLIC, row.public), (PRIVATE, row.private)):
                if value is not None and recounted(secret.answers.columns, predictions, usage == side) != value:
                    problems.append(f"submission {row.submission}: sacrebleu gives it another score than its grade")
    finally:
        decoder.close()
    return problems, len(sample)


def _predictions(decoder: Decoder, data: bytes, competition: Competition) -> Columns:
    """The lines of a file. Raises Died and SubmissionError."""
    if not FORKS:
        return read_predictions(data, competition.format, False)
    whole = decoder.decode(data, competition.format, False, Limits())
    assert whole is not None, "nothing stops it"
    return received(whole, competition.format, False)
