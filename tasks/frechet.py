"""The Fréchet distance between real and generated images (FID), and the share of images in which a face is found.

Both metrics have a row for each real image, in the order of the answers, and then one for each submitted image; the
first number of a row is 1 where the image was submitted. The weight of a real row gives its board; submitted rows
weigh 1 on either board.

The distance is that of two normal distributions with the means and covariances (divisor n - 1) of the features,
|m1 - m2|² + tr(S1) + tr(S2) - 2 tr((S1 S2)^½): Dowson and Landau, Journal of Multivariate Analysis 12 (1982); Heusel et
al., GANs Trained by a Two Time-Scale Update Rule, arXiv:1706.08500. With any factors S = RᵀR the last trace is the sum
of the singular values of R1 R2ᵀ, a matrix no larger than the numbers of images. So fewer images than features need no
special case, and the root of a matrix that has none is never needed.

>>> import numpy as np
>>> real = {"features": np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])}
>>> made = {"features": real["features"] + 3.0, "face": np.array([True, False, True, True])}
>>> round(FID.value(FID.rows(real, made)), 6), FACE_RATE.value(FACE_RATE.rows(real, made))
(18.0, 0.75)
>>> rows = FACE_RATE.rows(real, made)
>>> low, high = FACE_RATE.interval(rows, np.ones(len(rows)))
>>> round(low, 3), round(high, 3)
(0.301, 0.954)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tasks.metrics import Interval, Metric, mean_interval, no_interval, weighted_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.base import Columns


def real_and_made(answers: Columns, predictions: Columns) -> NDArray[np.float64]:
    """The mark and the d features of each image, (n + m, 1 + d)."""
    import numpy as np

    real, made = answers["features"], predictions["features"]
    rows = np.empty((len(real) + len(made), 1 + real.shape[1]))
    rows[: len(real), 0], rows[len(real) :, 0] = 0.0, 1.0
    rows[: len(real), 1:], rows[len(real) :, 1:] = real, made
    return rows


def distance(rows: NDArray[np.float64], weight: NDArray[Any] | None = None) -> Any:
    """The distance: a float, or (b,) for weights (b, n + m). One image alone has no spread."""
    import numpy as np

    if weight is None:
        weight = np.ones(len(rows))
    if weight.ndim == 2:
        return np.array([distance(rows, weight[place]) for place in range(len(weight))])
    made = rows[:, 0] == 1.0
    return frechet_distance(moments(rows, weight * ~made), moments(rows, weight * made))


def faces(answers: Columns, predictions: Columns) -> NDArray[np.bool_]:
    """The mark and whether a face was found, (n + m, 2)."""
    import numpy as np

    real, found = len(answers["features"]), predictions["face"]
    rows = np.zeros((real + len(found), 2), dtype=bool)
    rows[real:, 0], rows[real:, 1] = True, found
    return rows


def face_rate(rows: NDArray[np.bool_], weight: NDArray[Any] | None = None) -> Any:
    """The share: a float, or (b,) for weights (b, n + m)."""
    return weighted_mean(rows[rows[:, 0], 1], None if weight is None else weight[..., rows[:, 0]])


def face_interval(rows: NDArray[np.bool_], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """Wilson's interval over the submitted images."""
    return mean_interval(rows[rows[:, 0], 1], weight[rows[:, 0]])


def moments(rows: NDArray[np.float64], weight: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weighted mean (d,) of the features in `rows`, and a factor R (k, d) of their covariance RᵀR."""
    import numpy as np

    kept = np.flatnonzero(weight)
    count = weight[kept].astype(np.float64)
    features = rows[kept, 1:]
    mean = count @ features / count.sum()
    features -= mean
    features *= np.sqrt(count / max(count.sum() - 1, 1))[:, None]
    return mean, features


def frechet_distance(
    real: tuple[NDArray[np.float64], NDArray[np.float64]], made: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> float:
    """The distance of two pairs of a mean and a covariance factor, from 0 to infinity."""
    import numpy as np

    (mean, factor), (other_mean, other) = real, made
    apart = mean - other_mean
    rest = float(apart @ apart + np.vdot(factor, factor) + np.vdot(other, other))
    assert math.isfinite(rest), "features are finite numbers"
    few, many = (factor, other) if len(factor) < len(other) else (other, factor)
    if len(few) > few.shape[1]:
        few = np.asarray(np.linalg.qr(few, mode="r"))
    cross = few @ many.T
    # The squares of the singular values; rounding turns a zero into a tiny number of either sign.
    squares = np.linalg.eigvalsh(cross @ cross.T)
    return max(0.0, rest - 2.0 * float(np.sqrt(np.maximum(squares, 0.0)).sum()))


FID = Metric(
    "frechet_inception_distance", "FID", False, 0.0, math.inf, 5, real_and_made, value=distance, interval=no_interval
)
"""Resampled images repeat, which lowers their spread: the bootstrap of a distance is biased, so it has no interval."""

FACE_RATE = Metric("face_rate_score", "face rate", True, 1.0, 0.0, 5, faces, value=face_rate, interval=face_interval)
