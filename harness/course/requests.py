"""The checks and words that the command line and the server share; they need no database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.errors import UserError

if TYPE_CHECKING:
    from harness.course.entries import Selection
    from tasks.base import Rules


MOST_CHOSEN = 100
"""The most numbers in one selection request; how many can count is a rule of the homework."""


def chosen_numbers(texts: Sequence[str]) -> list[int]:
    """The submission numbers of a selection. Raises UserError for a text that is not such a number."""
    if len(texts) > MOST_CHOSEN:
        raise UserError(f"{len(texts)} submissions were named; at most {MOST_CHOSEN} are allowed. Nothing was changed.")
    for text in texts:
        if not re.fullmatch(r"[1-9][0-9]{0,18}", text, re.ASCII) or int(text) >= 2**63:
            shown = ascii(text) if len(text) <= 40 else f"{text[:30]!a} and {len(text) - 30:,} more characters"
            raise UserError(f"expected a submission number, like 12; got {shown}. Nothing was changed.")
    return [int(text) for text in texts]


def check_message(message: str) -> None:
    """Raises UserError for a message that is too long."""
    if len(message) > 500:
        raise UserError(f"a message can have at most 500 characters, got {len(message)}.")


def unselected_words(rules: Rules | Selection) -> str:
    """Which submissions count without a selection, in words."""
    most = rules.unselected_count
    words = {
        "best_public": f"the {most} with the best public scores count",
        "first": f"the first {most} count",
        "last": f"the last {most} count",
    }
    if most == 1:
        words = {
            "best_public": "the one with the best public score counts",
            "first": "the first one counts",
            "last": "the last one counts",
        }
    return words.get(rules.unselected, "all count")
