"""Cuts scores and intervals to the digits that everyone except staff may see.

`harness.course` applies it to every number it returns, so that terminals, pages, charts, JSON, CSV and the API get
only cut numbers; `harness.cli.output`, which prints them, never cuts. `docs/security.md` says why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any

SIGNIFICANT = 6
"""The most significant digits of a shown score, whatever the decimals of its metric."""

SIGNIFICANT_ENDS = 3
"""The same for the larger end of an interval: lower digits reveal single rows, not the quality of a file."""

SHARE_DIGITS = 2
"""The decimals of a share in a matrix."""

NOT_VERIFIED = "size not verified"
"""The mark of an entry whose edition asks for a model that gives its rows again, until one has."""


def mark(parameters: int | None) -> str:
    """What stands beside a score in an edition that asks for a model; None while no model is verified."""
    return NOT_VERIFIED if parameters is None else f"verified, {parameters:,} parameters"


@lru_cache(2**14)  # boards are requested often
def shown(value: float, digits: int) -> float:
    """A score cut, never rounded, to `digits` decimals as `tasks.base.truncate` does, and to six significant digits.

    >>> shown(0.8987654321, 5), shown(-21.1145678, 5), shown(123456789.0, 5), shown(2433 / 4000, 5)
    (0.89876, -21.1145, 123456000.0, 0.60824)
    """
    if not math.isfinite(value):
        return value
    places = decimals(value, digits)
    if places < 0:
        kept = int(abs(value)) // 10**-places
        return math.copysign(float(f"{kept}e{-places}"), value)
    return float(f"{math.trunc(value * 10.0**places)}e-{places}")


def decimals(value: float, digits: int, significant: int = SIGNIFICANT) -> int:
    """The number of shown decimals; negative if the digits before the point are already cut.

    >>> decimals(0.5, 5), decimals(21.0, 5), decimals(2_000_000.0, 5)
    (5, 4, -1)
    """
    return min(digits, significant - 1 - int(f"{value:.17e}".partition("e")[2])) if value else digits


@lru_cache(2**14)
def shown_interval(ends: tuple[float, float], digits: int) -> tuple[float, float]:
    """An interval cut outward, to two decimals fewer than the score's (two at least) and three significant digits.

    It contains the exact one.

    >>> shown_interval((0.7264, 1.0719), 5), shown_interval((251.314, 297.96), 2)
    ((0.72, 1.08), (251.0, 298.0))
    """
    low, high = ends
    if not (math.isfinite(low) and math.isfinite(high)):
        return low, high
    unit = Decimal(1).scaleb(-interval_decimals(ends, digits))
    return (
        float((Decimal(repr(low)) / unit).to_integral_value(ROUND_FLOOR) * unit) + 0.0,
        float((Decimal(repr(high)) / unit).to_integral_value(ROUND_CEILING) * unit) + 0.0,  # never -0.0
    )


def interval_decimals(ends: Sequence[float], digits: int) -> int:
    """The number of shown decimals of an interval's ends."""
    return decimals(max(map(abs, ends)), max(digits - 2, 2), SIGNIFICANT_ENDS)


@dataclass(frozen=True)
class Cut:
    """Cuts the numbers of one competition, or returns them unchanged if staff asked for exact ones.

    `digits` are the decimals of each metric by name, the ranking one first.
    """

    digits: Mapping[str, int]
    exact: bool = False

    def score(self, value: float | None, metric: str | None = None) -> float | None:
        """A score of a metric, by default the ranking one."""
        if value is None or self.exact:
            return value
        return shown(value, self.digits[metric] if metric is not None else next(iter(self.digits.values())))

    def matrix(self, shares: Sequence[Sequence[float]] | None) -> list[list[float]] | None:
        """Shares cut to two decimals; None where there are none."""
        return [[one if self.exact else shown(one, SHARE_DIGITS) for one in row] for row in shares or []] or None

    def recorded(self, score: Mapping[str, Any]) -> dict[str, Any]:
        """The metric, value and interval of a score, as stored by `harness.grading.settle.record`."""
        metric, ends = score["metric"], score["interval"]
        if ends is not None and not self.exact:
            ends = list(shown_interval((ends[0], ends[1]), self.digits[metric]))
        return {"metric": metric, "value": self.score(score["value"], metric), "interval": ends}
