"""What a course says of submissions and bars: the same words in a terminal, on a page and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.words import number
from tasks.base import as_written

if TYPE_CHECKING:
    from harness.course.entries import Submission
    from harness.course.types import Board, BoardBar

HIDDEN = "recorded and read; its points appear after the deadline"
"""The state of an answer to a quiz that is graded while nobody sees points."""


def best_words(seen: Submission, *, own: bool = True) -> str:
    """The participant's best submission, next to one that is not it."""
    best = seen.best
    assert best is not None
    which = f"submission {best.submission} ({number(seen.metrics[0].digits)(best.score)}, rank {best.rank})"
    whose = "your" if own else "the participant's"
    return f"{whose} best is {which}" if seen.improved else f"not an improvement: {whose} best is still {which}"


def with_bars(rows: list[dict[str, Any]], board: Board) -> list[dict[str, Any]]:
    """The participants by rank, and a line for each bar with a threshold, after those who reach it."""
    lines = []
    for bar in board.bars:
        if bar.reached is not None:
            conditions = dict(bar.private if bar.private is not None else bar.public)
            lines.append((bar.reached, bar, conditions[board.metric]))
    sign = 1 if board.higher_is_better else -1
    lines.sort(key=lambda line: (line[0], -sign * line[2]))
    out: list[dict[str, Any]] = []
    for place, row in enumerate(rows):
        while lines and lines[0][0] <= place:
            out.append(_bar_row(*lines.pop(0)[1:]))
        out.append(row)
    return out + [_bar_row(*line[1:]) for line in lines]


def _bar_row(bar: BoardBar, threshold: float) -> dict[str, Any]:
    source = bar.source.partition(":")[0]
    return {
        "rank": None,
        "name": f"── {bar.name} bar ({source})",
        "score": as_written(threshold, bar.digits),
        "divider": True,
    }
