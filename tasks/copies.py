"""Finds copies of pictures: equal but for their size, their compression or a little noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIECE = 1024


def same_groups(thumbnails: NDArray[np.float64], limit: float) -> NDArray[np.int64]:
    """The group of each picture (n,), given as the index of the group's first picture.

    Pictures whose thumbnails (n, d), from 0 to 255, differ by at most `limit`, as a root mean square, share a group,
    and so do all that are linked by such pairs.

    >>> import numpy as np
    >>> same_groups(np.array([[10.0, 10], [90, 10], [11, 10], [12, 10]]), 1).tolist()
    [0, 1, 0, 0]
    """
    import numpy as np

    rows, which = np.unique(thumbnails.astype(np.float32) - np.float32(128), axis=0, return_inverse=True)
    means = rows.mean(axis=1)
    order = np.argsort(means, kind="stable")
    rows, means = rows[order], means[order]
    squares = np.einsum("ij,ij->i", rows, rows)
    parent = list(range(len(rows)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        # Pictures differ by at least as much as their means, so the later ones need not be compared.
        end = np.searchsorted(means, means[start : start + PIECE][-1] + limit + 0.1)
        distances = squares[start : start + PIECE, None] + squares[start:end] - 2 * piece @ rows[start:end].T
        for a, b in np.argwhere(distances <= limit**2 * rows.shape[1]).tolist():
            parent[root(start + a)] = root(start + b)
    groups = np.empty(len(rows), dtype=np.int64)
    groups[order] = [root(place) for place in range(len(rows))]
    _, first, which = np.unique(groups[which.ravel()], return_index=True, return_inverse=True)
    return first[which]
