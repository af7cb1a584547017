"""Means that fit many homeworks: standard features of pictures, and models of scikit-learn that fit in a line or two.

Pictures are uint8 `(n, height, width, 3)`; features are float32 `(n, d)`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tasks.formats import Format, TableFormat

Floats = NDArray[np.float32] | NDArray[np.float64]
Images = NDArray[np.uint8]


def table(form: Format, *columns: Any) -> bytes:
    """The file of a table homework with these values, in the order of the ids."""
    assert isinstance(form, TableFormat)
    lines = [",".join(form.header)]
    lines += [",".join(map(str, row)) for row in zip(form.ids, *(np.asarray(c).tolist() for c in columns), strict=True)]
    return ("\n".join(lines) + "\n").encode()


# Features of pictures


def grey(images: Images) -> NDArray[np.float32]:
    """Brightness 0 to 1, (n, h, w)."""
    light: NDArray[np.float64] = images @ np.array([0.299, 0.587, 0.114])
    return (light / 255).astype(np.float32)


def thumbnails(images: Images, side: int) -> NDArray[np.float32]:
    """The mean colours of a grid of `side` × `side` equal tiles, 0 to 1, (n, side · side · 3)."""
    n, height, width, _ = images.shape
    assert height % side == width % side == 0
    tiles = images.reshape(n, side, height // side, side, width // side, 3)
    out: NDArray[np.float32] = tiles.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1) / np.float32(255)
    return out


def colours(images: Images, bins: int = 6) -> NDArray[np.float32]:
    """The histogram of colours in `bins`³ boxes, square roots of shares, (n, bins³)."""
    n = len(images)
    level = (images.astype(np.int64) * bins) // 256
    box = ((level[..., 0] * bins + level[..., 1]) * bins + level[..., 2]).reshape(n, -1)
    counts = np.stack([np.bincount(row, minlength=bins**3) for row in box])
    return np.sqrt(counts / box.shape[1]).astype(np.float32)


def hog(images: Images, cell: int = 8, bins: int = 9) -> NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal and Triggs 2005): unsigned, cells normalised in blocks of 2 × 2."""
    light = np.sqrt(grey(images))
    n, height, width = light.shape
    assert height % cell == width % cell == 0
    dy, dx = np.zeros_like(light), np.zeros_like(light)
    dy[:, 1:-1], dx[:, :, 1:-1] = light[:, 2:] - light[:, :-2], light[:, :, 2:] - light[:, :, :-2]
    size = np.hypot(dx, dy)
    place = (np.arctan2(dy, dx) % np.pi) / np.pi * bins
    low = np.floor(place).astype(np.int64)
    share = place - low
    rows, columns = height // cell, width // cell
    cells = np.zeros((n, rows, columns, bins), np.float32)
    for which, weight in ((low % bins, 1 - share), ((low + 1) % bins, share)):
        for b in range(bins):
            part = np.where(which == b, size * weight, 0)
            cells[..., b] += part.reshape(n, rows, cell, columns, cell).sum(axis=(2, 4))
    blocks = np.concatenate([cells[:, y : rows - 1 + y, x : columns - 1 + x] for y in (0, 1) for x in (0, 1)], axis=3)
    blocks /= np.sqrt((blocks**2).sum(axis=3, keepdims=True)) + 1e-3
    return blocks.reshape(n, -1)


def lbp(images: Images, radius: int = 1, grid: int = 1) -> NDArray[np.float32]:
    """Histograms of uniform local binary patterns of 8 neighbours (Ojala et al. 2002) in `grid` × `grid` tiles."""
    light = grey(images)
    n, height, width = light.shape
    around = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    middle = light[:, radius : height - radius, radius : width - radius]
    code = np.zeros(middle.shape, np.int64)
    for bit, (dy, dx) in enumerate(around):
        y, x = radius + dy * radius, radius + dx * radius
        code |= (light[:, y : y + middle.shape[1], x : x + middle.shape[2]] >= middle).astype(np.int64) << bit
    turns = [bin(c ^ ((c >> 1) | ((c & 1) << 7))).count("1") for c in range(256)]
    names = np.cumsum([turn <= 2 for turn in turns]) - 1
    label = np.where(np.array(turns) <= 2, names, 58)[code]
    parts = []
    for tile_rows in np.array_split(label, grid, axis=1):
        for tile in np.array_split(tile_rows, grid, axis=2):
            flat = tile.reshape(n, -1)
            parts.append(np.stack([np.bincount(row, minlength=59) for row in flat]) / flat.shape[1])
    return np.sqrt(np.concatenate(parts, axis=1)).astype(np.float32)


# Models


def fitted(model: Any, x: Floats, y: NDArray[Any], x_test: Floats) -> NDArray[Any]:
    """What a model of scikit-learn predicts once it is fitted."""
    out: NDArray[Any] = model.fit(x, y).predict(x_test)
    return out


def nearest(x: Floats, y: NDArray[Any], x_test: Floats, neighbours: int = 1, *, classes: bool) -> NDArray[Any]:
    """k nearest neighbours on standardised features: the most frequent class, or the mean."""
    model = KNeighborsClassifier(neighbours) if classes else KNeighborsRegressor(neighbours)
    return fitted(make_pipeline(StandardScaler(), model), x, y, x_test)


def ridge(x: Floats, y: NDArray[Any], x_test: Floats) -> NDArray[np.float64]:
    """Ridge regression on standardised features, its penalty by leave-one-out."""
    return fitted(make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))), x, y, x_test)


def plain_ridge(x: Floats, y: NDArray[Any], x_test: Floats, penalty: float = 30.0) -> NDArray[np.float64]:
    """Ridge regression on features as they are, for many columns that are mostly zero."""
    return fitted(Ridge(penalty), x, y, x_test)


def boosted_trees(x: Floats, y: NDArray[Any], x_test: Floats) -> NDArray[np.float64]:
    """Gradient boosted trees (Friedman 2001) for a number."""
    model = HistGradientBoostingRegressor(learning_rate=0.05, max_iter=200, max_leaf_nodes=15, random_state=0)
    return fitted(model, x, y, x_test)


def networks(x: Floats, y: NDArray[Any], x_test: Floats) -> NDArray[np.float64]:
    """The mean of five networks of 16 and 8 units with weight decay, on standardised features, for a number."""
    said = []
    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        for seed in range(5):
            net = MLPRegressor(hidden_layer_sizes=(16, 8), alpha=10.0, max_iter=400, random_state=seed)
            said.append(fitted(make_pipeline(StandardScaler(), net), x, y, x_test))
    out: NDArray[np.float64] = np.mean(said, axis=0)
    return out


def linear_classes(x: Floats, y: NDArray[Any], x_test: Floats, strength: float = 0.1) -> NDArray[Any]:
    """Logistic regression on standardised features."""
    return fitted(make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500)), x, y, x_test)


def svm(x: Floats, y: NDArray[Any], x_test: Floats, cost: float = 10.0) -> NDArray[Any]:
    """A support vector machine with the radial kernel on standardised features."""
    return fitted(make_pipeline(StandardScaler(), SVC(C=cost, cache_size=500)), x, y, x_test)


def gaussian_distance(x: Floats, x_test: Floats) -> NDArray[np.float64]:
    """The squared Mahalanobis distance to one Gaussian with the shrunk covariance of Ledoit and Wolf (2004)."""
    out: NDArray[np.float64] = LedoitWolf(store_precision=True).fit(x).mahalanobis(x_test)
    return out


def pca_error(x: Floats, x_test: Floats, components: int) -> NDArray[np.float64]:
    """The squared distance to the subspace of the first principal components."""
    model = PCA(components, svd_solver="randomized", random_state=0).fit(x)
    left = x_test - model.inverse_transform(model.transform(x_test))
    out: NDArray[np.float64] = (left.astype(np.float64) ** 2).sum(axis=1)
    return out
