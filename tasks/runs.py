"""Masks as run lengths, and how far two of them overlap: Dice and IoU, for each row and then their mean.

A mask is `start length start length …`, with pixels counted from 1, in ascending order and without overlap; an empty
cell or `-1` is an empty mask.

>>> read_runs("3 2 10 1", 100)
[(3, 5), (10, 11)]
>>> overlap(read_runs("1 4", 100), read_runs("3 4", 100))
(2, 4, 4)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tasks.metrics import Interval, Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.base import Columns

Runs = list[tuple[int, int]]

_RUNS = re.compile(r"[0-9]{1,10}(?: [0-9]{1,10})*", re.ASCII)


def read_runs(text: str, pixels: int) -> Runs:
    """The runs of a mask of so many pixels as (start, end), the end not in it. Raises ValueError that says why not."""
    text = text.strip(" \t")
    if text in ("", "-1"):
        return []
    if not _RUNS.fullmatch(text):
        raise ValueError("expected whole numbers with one blank between them")
    numbers = list(map(int, text.split(" ")))
    if len(numbers) % 2:
        raise ValueError("a start without a length")
    runs: Runs = []
    last = 1
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        if length < 1:
            raise ValueError("a length of 0")
        if start < last:
            raise ValueError("runs overlap or are not in ascending order" if runs else "pixels count from 1")
        last = start + length
        if last > pixels + 1:
            raise ValueError(f"a pixel beyond {pixels:,}")
        runs.append((start, last))
    return runs


def is_mask(text: str, pixels: int) -> bool:
    """Whether `read_runs` reads it."""
    try:
        read_runs(text, pixels)
    except ValueError:
        return False
    return True


def overlap(first: Runs, second: Runs) -> tuple[int, int, int]:
    """The pixels in both masks, in the first and in the second."""
    both = at = 0
    for start, end in first:
        while at < len(second) and second[at][1] <= start:
            at += 1
        here = at
        while here < len(second) and second[here][0] < end:
            both += min(end, second[here][1]) - max(start, second[here][0])
            here += 1
        at = max(at, here - 1)
    one, other = (sum(end - start for start, end in runs) for runs in (first, second))
    return both, one, other


def dice_of(both: int, first: int, second: int) -> float:
    """Twice the pixels in both masks over those of each; 1 for two empty masks."""
    return 2 * both / (first + second) if first + second else 1.0


def iou_of(both: int, first: int, second: int) -> float:
    """The pixels in both masks over those in either; 1 for two empty masks."""
    return both / (first + second - both) if first + second else 1.0


def _mean(name: str, label: str, score: Callable[[int, int, int], float], pixels: int) -> Metric:
    def rows(answers: Columns, predictions: Columns) -> NDArray[Any]:
        import numpy as np

        each = [
            [
                score(*overlap(read_runs(right, pixels), read_runs(guess, pixels)))
                for right, guess in zip(cells.tolist(), predictions[name].tolist(), strict=True)
            ]
            for name, cells in answers.items()
        ]
        found: NDArray[Any] = np.mean(each, axis=0)
        return found

    def interval(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
        from tasks.boards import share_interval

        return share_interval(rows, weight, groups)

    return Metric(name, label, True, 1.0, 0.0, 5, rows, interval=interval)


def dice(options: Mapping[str, Any], columns: int) -> Metric:
    """The mean Dice coefficient of the rows."""
    return _mean("dice_score", "Dice", dice_of, options["pixels"])


def iou(options: Mapping[str, Any], columns: int) -> Metric:
    """The mean intersection over union of the rows."""
    return _mean("intersection_over_union_score", "IoU", iou_of, options["pixels"])
