"""Finds copies of pictures: equal but for their size, their compression or a little noise, or equal in a part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.groups import Linked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8]
    Floats = NDArray[np.float32]
    Arrays = dict[str, NDArray[Any]]

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
    linked = Linked(len(rows))
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        # Pictures differ by at least as much as their means, so the later ones need not be compared.
        end = np.searchsorted(means, means[start : start + PIECE][-1] + limit + 0.1)
        distances = squares[start : start + PIECE, None] + squares[start:end] - 2 * piece @ rows[start:end].T
        for a, b in np.argwhere(distances <= limit**2 * rows.shape[1]).tolist():
            linked.link(start + a, start + b)
    groups = np.empty(len(rows), dtype=np.int64)
    groups[order] = [linked.root(place) for place in range(len(rows))]
    _, first, which = np.unique(groups[which.ravel()], return_index=True, return_inverse=True)
    return first[which]


# Parts of pictures.

WINDOWS = tuple((top, left) for top in (4, 18, 32) for left in (4, 18, 32))
"""The upper left corners, in pixels, of the nine overlapping windows in which two pictures are compared."""
WINDOW = 28
REACH = 3
"""Pixels that a copy may be shifted by, in each direction."""
NEAREST = 4
"""Kept pictures that are compared at every shift, for each window of a picture: the likest at a few coarse ones."""
FLOOR = 2.0
"""Grey levels, added to the contrast of a window, so that a flat one is like no other."""
SAMPLE, CHANCE = 500, 0.005
"""Kept pictures that are compared with the others, and the share of their windows that may be too much alike."""
SAME = 0.75
"""The mean likeness of the windows of copies; different pictures have less."""
MOVES = ((1.2, 0.0), (1 / 1.2, 0.0), (1.0, 0.2), (1.0, -0.2))
"""What undoes a change that is the same for all pictures: factors of the size, and turns in radians."""
MOVED = 100
"""At most so many pictures are moved."""
PAIRS = 20_000_000
"""Where more pairs of pictures would have to be compared, only some of the pictures are."""


def keep(images: Images) -> Arrays:
    """What is kept of pictures (m, 64, 64, 3) to find copies: "outlines" (m, 32, 32) and "limits" (9,).

    Two different pictures agree in a window by more than its limit in a share `CHANCE` of all cases.
    """
    import numpy as np

    outlines = np.concatenate(
        [_means(_outlines(images[at : at + PIECE]), 2)[:, ::2, ::2] for at in range(0, len(images), PIECE)]
    )
    kept = np.rint(np.clip(outlines, -127, 127)).astype(np.int8)
    own = np.arange(0, len(images), max(1, len(images) // SAMPLE))[:SAMPLE]
    likeness = _agreement(kept, images[own], own)
    different = likeness[likeness.mean(axis=1) < SAME]  # some kept pictures may be copies of each other
    limits = np.quantile(different, 1 - CHANCE, axis=0) if len(different) else np.full(len(WINDOWS), SAME)
    return {"outlines": kept, "limits": limits.astype(np.float32)}


def copies(kept: Arrays, images: Images) -> NDArray[np.bool_]:
    """Whether each picture (n, 64, 64, 3) agrees too much in a window with a kept one, (n,).

    A copy may be mirrored, shifted by `REACH` and of another brightness, contrast or hue, with a gradient over it.
    Among very many kept pictures some of the pictures, which ones follows from their pixels, stand for all: fewer rows.
    """
    import numpy as np

    images = _some(images, PAIRS // len(kept["outlines"]))
    found: NDArray[np.bool_] = np.any(_agreement(kept["outlines"], images) > kept["limits"], axis=1)
    return found


def _some(images: Images, most: int) -> Images:
    """At most so many of the pictures, and one at least; which ones follows from all their pixels."""
    import numpy as np

    if len(images) <= max(1, most):
        return images
    rng = np.random.default_rng(np.frombuffer(hashlib.sha256(images.tobytes()).digest(), np.uint32))
    return images[np.sort(rng.choice(len(images), max(1, most), replace=False))]


def moved_copies(kept: Arrays, images: Images) -> float:
    """The largest share of copies among some of the pictures when all are resized or all turned alike (`MOVES`)."""
    some = _some(images, min(MOVED, PAIRS // (len(MOVES) * len(kept["outlines"]))))
    return max(float(copies(kept, moved(some, zoom, turn)).mean()) for zoom, turn in MOVES)


def moved(images: Images, zoom: float, turn: float) -> Images:
    """Pictures (n, s, s, 3) resized by a factor and turned, in radians, about their middle; mirrored at the border."""
    import numpy as np
    from PIL import Image

    side = images.shape[1]
    half = side // 2
    cos, sin = np.cos(turn) / zoom, np.sin(turn) / zoom
    matrix = (cos, sin, side - half * (cos + sin), -sin, cos, side - half * (cos - sin))
    out = np.empty_like(images)
    for place, image in enumerate(np.pad(images, ((0, 0), (half, half), (half, half), (0, 0)), mode="reflect")):
        wide = Image.fromarray(image)
        turned = wide.transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        out[place] = np.asarray(turned)
    return out


def _agreement(outlines: NDArray[np.int8], images: Images, own: NDArray[np.intp] | None = None) -> Floats:
    """The largest correlation of each window of each picture with the same window of a kept one, (n, 9).

    `own` (n,) are the places of the pictures among the kept ones, to leave out.
    """
    import numpy as np

    found = np.zeros((len(images), len(WINDOWS)), np.float32)
    given = _outlines(images)
    for place, (top, left) in enumerate(WINDOWS):
        cells = outlines[:, top // 2 : (top + WINDOW) // 2, left // 2 : (left + WINDOW) // 2].astype(np.float32)
        fine, side = _normal(cells), WINDOW // 4
        coarse = _normal(cells.reshape(-1, side, 2, side, 2).mean(axis=(2, 4)))
        for start in range(0, len(images), PIECE):
            rows = slice(start, start + PIECE)
            outline = given[rows]
            both = (outline, outline[:, :, ::-1])
            likeness = np.full((len(outline), len(cells)), -1, np.float32)
            for view in _views(both, top, left, 4, range(-REACH, REACH + 1, REACH)):
                np.maximum(likeness, view @ coarse.T, out=likeness)
            if own is not None:
                likeness[np.arange(len(outline)), own[rows]] = -1
            most = min(NEAREST, len(cells) - (own is not None))
            near = fine[np.argpartition(likeness, -most, axis=1)[:, -most:]]
            views = np.stack(list(_views(both, top, left, 2, range(-REACH, REACH + 1))), axis=1)
            found[rows, place] = np.maximum(np.matmul(near, views.swapaxes(1, 2)).max(axis=(1, 2)), 0)
    return found


def _outlines(images: Images) -> Floats:
    """The luminance (n, 64, 64) less its mean over the neighbourhood, a Gaussian of 4 pixels."""
    import numpy as np

    grey = images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    place = np.arange(grey.shape[1])
    blur = np.exp(-np.square(place[:, None] - place) / 32.0).astype(np.float32)
    blur /= blur.sum(axis=1, keepdims=True)
    out: Floats = grey - blur @ grey @ blur.T
    return out


def _means(pictures: Floats, cell: int) -> Floats:
    """The mean of the `cell` × `cell` pixels below and right of each one, (n, 65 - cell, 65 - cell)."""
    size = pictures.shape[1] - cell + 1
    rows = pictures[:, :size].copy()
    for at in range(1, cell):
        rows += pictures[:, at : at + size]
    out = rows[:, :, :size].copy()
    for at in range(1, cell):
        out += rows[:, :, at : at + size]
    out /= cell**2
    return out


def _views(both: tuple[Floats, Floats], top: int, left: int, cell: int, shifts: range) -> Iterator[Floats]:
    """A window of the outlines and of their mirror images, by cells, normalised, at every shift."""
    for outline in both:
        means = _means(outline[:, top - REACH : top + WINDOW + REACH, left - REACH : left + WINDOW + REACH], cell)
        for down in shifts:
            for right in shifts:
                rows, columns = (slice(REACH + by, REACH + by + WINDOW - cell + 1, cell) for by in (down, right))
                yield _normal(means[:, rows, columns])


def _normal(windows: Floats) -> Floats:
    """Windows (n, k, k) as rows of mean 0 and length 1, or less where they are flat."""
    import numpy as np

    rows: Floats = windows.reshape(len(windows), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    rows /= lengths + np.float32(FLOOR * rows.shape[1] ** 0.5)
    return rows
