"""The split of the hidden rows into public and private.

The marks follow from the course's secret key by HMAC-SHA256 (RFC 2104): nobody can reconstruct them from the code, and
the same key gives the same marks.
"""

from __future__ import annotations

import hmac
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from tasks.base import PRIVATE, PUBLIC, Answers, UserError
from tasks.metrics import numbered
from tasks.streams import derive as derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

POOL = 2048  # how many groups around the cut are searched for an exact public count
NEAR = 32  # how many groups before the cut are searched first
CHOICES = 9  # how many public counts of one stratum are weighed against those of the others


def split(answers: Answers, key: bytes, name: str, public_share: float) -> Answers:
    """The answers with `usage`, PUBLIC or PRIVATE in every row; unchanged where they have one already.

    The units are whole groups, or rows where there are no groups. They are put in the order of
    HMAC(key, name + "\\0split\\0" + group or id), and the first ones become public, as far as that gives the wanted
    count: share × rows, a half rounded to the even number (446 public rows of 893 at 0.5). Where some union of groups
    has that count, the public part has it, else the nearest count (the lower of two equally near). With more than
    `POOL` groups only those around the cut may change sides to reach it. With strata, the total is that exact count
    where it can be, and the strata share what rounding leaves over with the least sum of squared deviations.

    The marks depend on the set of ids, groups and strata, not on the order of the rows. Raises UserError where the
    public or the private part would be empty.
    """
    import numpy as np

    if answers.usage is not None:
        return answers
    n = len(answers)
    wanted = _wanted(n, public_share)
    names, which = _units(answers)
    if len(names) < 2:
        raise UserError(
            f"{name}: all {n} rows are one group, so they cannot be split; give finer groups, or a Usage column."
        )
    order = _secret_order(key, f"{name}\0split\0", names)
    sizes = np.bincount(which, minlength=len(names)).tolist()

    strata, of_unit = _strata(answers, which, len(names))
    members: list[list[int]] = [[] for _ in strata]
    for unit in order:
        members[of_unit[unit]].append(unit)
    members = [members[s] for s in _secret_order(key, f"{name}\0stratum\0", strata)]

    share = Fraction(str(public_share))
    searches = [_Search.of([sizes[unit] for unit in units], share) for units in members]
    public = np.zeros(len(names), dtype=bool)
    for units, search, count in zip(members, searches, _counts(searches, wanted, n, share), strict=True):
        public[[unit for unit, taken in zip(units, search.take(count), strict=True) if taken]] = True
    usage = np.where(public[which], PUBLIC, PRIVATE).astype(np.int8)
    return replace(answers, usage=usage)


def _secret_order(key: bytes, purpose: str, texts: list[str]) -> list[int]:
    """The indexes of the texts by the HMAC of the purpose and the text."""
    import numpy as np

    begun = hmac.new(key, purpose.encode(), "sha256")
    marks = bytearray()
    for text in texts:
        mark = begun.copy()
        mark.update(text.encode())
        marks += mark.digest()
    order: list[int] = np.argsort(np.frombuffer(marks, dtype="S32")).tolist()
    return order


def _wanted(n: int, public_share: float) -> int:
    """The number of public rows for the share, which is taken as the decimal number that was written."""
    if not 0 < public_share < 1:
        raise UserError(f"public share {public_share}: expected a number between 0 and 1, such as 0.5.")
    wanted = round(Fraction(str(public_share)) * n)
    if not 0 < wanted < n:
        part = "public" if wanted == 0 else "private"
        raise UserError(
            f"public share {public_share} of {n} rows leaves no {part} row; choose a share nearer to 0.5, "
            "or give more rows."
        )
    return wanted


def _units(answers: Answers) -> tuple[list[str], NDArray[Any]]:
    """The names of the groups (or ids) and, for each row, the index of its group (or id)."""
    import numpy as np

    if answers.groups is None:
        names = [str(number) for number in answers.ids] if isinstance(answers.ids, range) else list(answers.ids)
        assert len(set(names)) == len(names), "ids must be unique"
        return names, np.arange(len(names))
    unique, which = numbered(answers.groups)
    return unique.tolist(), which


def _strata(answers: Answers, which: NDArray[Any], units: int) -> tuple[list[str], list[int]]:
    """The names of the strata, and for each unit the index of its stratum."""
    import numpy as np

    if answers.strata is None:
        return [""], [0] * units
    unique, stratum = numbered(answers.strata)
    of_unit = np.zeros(units, dtype=np.int64)
    of_unit[which] = stratum
    if not np.array_equal(of_unit[which], stratum):
        raise UserError("a group is in two strata; give each group one stratum, or no strata.")
    return unique.tolist(), of_unit.tolist()


@dataclass(frozen=True)
class _Search:
    """The units of one stratum in secret order: which public counts they can give, and who is public for a count.

    The units before `first` are public in any case and those from `end` on private; those between are chosen to reach
    the count. `before[i]` is the number of rows of the first i units.
    """

    sizes: Sequence[int]
    share: Fraction
    before: Sequence[int]
    first: int
    end: int

    @staticmethod
    def of(sizes: Sequence[int], share: Fraction) -> _Search:
        before = [0, *accumulate(sizes)]
        cut = bisect_right(before, int(share * before[-1])) - 1
        first = max(0, min(cut - POOL // 2, len(sizes) - POOL))
        return _Search(sizes, share, before, first, min(first + POOL, len(sizes)))

    def counts(self, target: Fraction, how_many: int, avoid: tuple[int, ...] = ()) -> list[int]:
        """The reachable public counts nearest to the target, nearest first, the lower of two equally near first."""
        found: list[int] = []
        low, high = int(target), int(target) + 1
        total = self.before[-1]
        while len(found) < how_many and (low >= 0 or high <= total):
            if low >= 0 and (high > total or target - low <= high - target):
                count, low = low, low - 1
            else:
                count, high = high, high + 1
            if count not in avoid and self._sums(count) is not None:
                found.append(count)
        return found

    def take(self, count: int) -> list[bool]:
        """Which units are public: as many of the first ones as the count allows."""
        if self._of_one_row:
            return [True] * count + [False] * (len(self.sizes) - count)
        found = self._sums(count)
        assert found is not None, "the count is reachable"
        held, suffixes = found
        taken = [True] * held
        left = count - self.before[held]
        for size, rest in zip(self.sizes[held:], suffixes[1:], strict=False):
            fits = size <= left and bool(rest >> (left - size) & 1)
            taken.append(fits)
            left -= size * fits
        assert left == 0, "the count was reachable"
        return taken + [False] * (len(self.sizes) - len(taken))

    @cached_property
    def _of_one_row(self) -> bool:
        return max(self.sizes) == 1

    @cached_property
    def _all_sums(self) -> list[int]:
        return self._suffixes(self.first, self.before[-1])

    def _sums(self, count: int) -> tuple[int, list[int]] | None:
        """How many first units are public, and the sums of the units after them; None where none reach the count.

        Where the count can be reached with more of the first units public, the choice that prefers the first ones has
        them so. The last `NEAR` before the cut nearly always suffice; their sums are few.
        """
        if self._of_one_row:
            return (0, []) if 0 <= count <= len(self.sizes) else None
        if count < self.before[self.first]:
            return None
        held = min(bisect_right(self.before, count) - 1, self.end) - NEAR
        if held > self.first:
            suffixes = self._suffixes(held, count - self.before[held])
            if suffixes[0] >> (count - self.before[held]) & 1:
                return held, suffixes
        reached = bool(self._all_sums[0] >> (count - self.before[self.first]) & 1)
        return (self.first, self._all_sums) if reached else None

    def _suffixes(self, held: int, most: int) -> list[int]:
        """For each unit from `held` to the end, and none: the sums up to `most` of any of them, one bit each."""
        mask = (2 << most) - 1
        suffixes = [1]
        for size in reversed(self.sizes[held : self.end]):
            suffixes.append((suffixes[-1] | suffixes[-1] << size) & mask)
        suffixes.reverse()
        return suffixes


def _counts(searches: list[_Search], wanted: int, n: int, share: Fraction) -> list[int]:
    """The public count of each stratum: the nearest total to `wanted`, then the least squared deviations."""
    if len(searches) == 1:
        return searches[0].counts(Fraction(wanted), 1, avoid=(0, n))
    targets = [share * search.before[-1] for search in searches]
    # Best way to reach each total so far, as (sum of squared deviations, the choices), over the strata in secret order.
    # A total further from the running target than the strata can make up for is dropped.
    ways: dict[int, tuple[float, tuple[Any, ...]]] = {0: (0.0, ())}
    running = Fraction(0)
    for search, target in zip(searches, targets, strict=True):
        running += target
        longer: dict[int, tuple[float, tuple[Any, ...]]] = {}
        for count in search.counts(target, CHOICES):
            cost = float((count - target) ** 2)
            for total, (so_far, chosen) in ways.items():
                if total + count not in longer or so_far + cost < longer[total + count][0]:
                    longer[total + count] = (so_far + cost, (count, chosen))
        nearest = sorted(longer, key=lambda total: (abs(total - running), total))[: 8 * CHOICES]
        ways = {total: longer[total] for total in nearest}
    total = min((total for total in ways if 0 < total < n), key=lambda total: (abs(total - wanted), total))
    counts: list[int] = []
    left: Any = ways[total][1]
    while left:
        count, left = left
        counts.append(count)
    return counts[::-1]
