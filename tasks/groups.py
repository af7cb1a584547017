"""Rows that belong together: groups found pair by pair, and a hidden part made of whole groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Linked:
    """Rows of which some are linked: those that are, directly or through others, have one root (union-find).

    >>> rows = Linked(4)
    >>> rows.link(3, 1)
    >>> rows.link(0, 3)
    >>> [rows.root(row) for row in range(4)]
    [1, 1, 2, 1]
    """

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, row: int) -> int:
        parent = self._parent
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def link(self, one: int, other: int) -> None:
        """Link two rows; the root of `other` is that of both."""
        self._parent[self.root(one)] = self.root(other)


def carve(
    groups: Sequence[Hashable],
    kinds: Sequence[Hashable],
    share: int,
    rng: np.random.Generator,
    alike: Sequence[Hashable] | None = None,
) -> NDArray[np.bool_]:
    """Which rows become hidden (n,): one of `share` of every kind, rounded down, by whole groups in random order.

    Rows of kind None are never hidden, nor is a group whose rows differ in `alike` (default: the kind).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> carve("aabbccdd", [0, 0, 0, 0, 1, 1, 0, 1], 2, rng).tolist()
    [True, True, False, False, False, False, False, False]
    """
    import numpy as np

    members: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    left = Counter({kind: count // share for kind, count in Counter(kinds).items() if kind is not None})
    hidden, every = np.zeros(len(groups), dtype=bool), list(members.values())
    same = kinds if alike is None else alike
    for at in rng.permutation(len(every)).tolist():
        places = every[at]
        needed = Counter(kinds[place] for place in places)
        if len({same[place] for place in places}) == 1 and all(left[kind] >= n for kind, n in needed.items()):
            hidden[places] = True
            left.subtract(needed)
    return hidden
