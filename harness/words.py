"""Numbers, times and names in words: the same in a terminal, on a page and in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from harness.shown import decimals, interval_decimals
from tasks.errors import METRIC_REFUSED
from tasks.errors import inert as inert

if TYPE_CHECKING:
    from datetime import timedelta

LONGEST = 15
"""Numbers with more digits before the point are written with an exponent."""


def number(digits: int) -> Callable[[float | Decimal], str]:
    """Writes a score as it comes, with the zeros that its digits ask for; it never cuts (see `harness.shown`).

    >>> number(5)(0.9), number(5)(21.1), number(5)(1234560.0), number(5)(0.8987654321)
    ('0.90000', '21.1000', '1234560', '0.8987654321')
    """
    return lambda value: str(value) if isinstance(value, Decimal) else _padded(value, decimals(value, digits))


def interval(digits: int) -> Callable[[Sequence[float]], str]:
    """Writes an interval as `low – high`, as it comes.

    >>> interval(5)([0.7, 0.9]), interval(2)([51.3, 58.0])
    ('0.700 – 0.900', '51.3 – 58.0')
    """

    def write(ends: Sequence[float]) -> str:
        places = interval_decimals(ends, digits)
        return f"{_padded(ends[0], places)} – {_padded(ends[1], places)}"

    return write


def _padded(value: float, places: int) -> str:
    """A number as it is, with at least `places` decimals."""
    exact = Decimal(repr(value))
    if not exact.is_finite() or exact.adjusted() > LONGEST:
        return repr(value)
    return f"{exact:.{max(0, places, -int(exact.normalize().as_tuple().exponent))}f}"


def shade(share: float) -> str:
    """A sign for a share, nothing to all, a fifth each."""
    return " ░▒▓█"[min(4, max(0, int(share * 5)))]


def heat(shares: Sequence[Sequence[float]]) -> str:
    """A heat map of shares in one line, its rows one after another.

    >>> heat([[0.9, 0.1], [0.55, 1.0]])
    '█· ▒█'
    """
    return " ".join("".join(shade(share) for share in row).replace(" ", "·") for row in shares)


def short_time(text: str) -> str:
    """An RFC 3339 time for a person to read, in its own time zone."""
    from datetime import datetime

    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S")


def in_words(span: timedelta) -> str:
    """A span of time in its two largest units.

    >>> from datetime import timedelta
    >>> in_words(timedelta(days=12, hours=3, minutes=5)), in_words(timedelta(minutes=60)), in_words(timedelta(0))
    ('12 days 3 hours', '1 hour', 'less than a minute')
    """
    minutes = int(span.total_seconds()) // 60
    parts = [(minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute")]
    shown = [f"{count} {unit}{'s' if count > 1 else ''}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "less than a minute"


def words(parts: Sequence[Any]) -> str:
    return ", ".join(str(part) for part in parts)


def slot_words(code: str) -> str:
    """Whether a file that was refused with this code used a slot: only what a metric file refuses does."""
    return "the slot is used" if code == METRIC_REFUSED else "no slot was used"
