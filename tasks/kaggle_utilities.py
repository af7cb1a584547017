"""What a metric file of Kaggle imports as `kaggle_metric_utilities`: its two errors and two helpers.

A metric file that runs here gets this module under that name, unless its folder has one. Only the text of a
`ParticipantVisibleError` reaches a participant; no other error is turned into one, since its text may hold answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class ParticipantVisibleError(Exception):
    """An error whose text is meant for the participant."""


class HostVisibleError(Exception):
    """An error whose text is meant for the instructor alone."""


def verify_valid_probabilities(df: Any, df_name: str) -> None:
    """Raises ParticipantVisibleError unless all cells of a frame are from 0 to 1 and each row adds up to 1."""
    kinds = {str(getattr(kind, "kind", "O")) for kind in df.dtypes}
    if not kinds <= set("iufb"):
        raise ParticipantVisibleError(f"All target values in {df_name} must be numeric.")
    values = df.to_numpy(dtype=float)
    if not bool((values >= 0).all()):
        raise ParticipantVisibleError(f"All target values in {df_name} must be at least zero.")
    if not bool((values <= 1).all()):
        raise ParticipantVisibleError(f"All target values in {df_name} must be no greater than one.")
    if not bool((abs(values.sum(axis=1) - 1) <= 1e-6).all()):
        raise ParticipantVisibleError(f"Target values in {df_name} do not add to one within all rows.")


def safe_call_score(metric_function: Callable[..., Any], solution: Any, submission: Any, **arguments: Any) -> float:
    """The score of a metric function as a finite number.

    A ParticipantVisibleError goes through; everything else is a HostVisibleError.
    """
    try:
        score = float(metric_function(solution, submission, **arguments))
    except Exception as error:
        if any(kind.__name__ == "ParticipantVisibleError" for kind in type(error).__mro__):
            raise
        raise HostVisibleError("the metric function failed") from error
    if not math.isfinite(score):
        raise HostVisibleError("the metric function gave a number that is not finite")
    return score
