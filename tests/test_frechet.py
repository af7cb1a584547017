"""The Fréchet distance is the textbook's, with fewer images than features too; each image counts where it should."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import linalg

from tasks.frechet import FACE_RATE, FID
from tasks.metrics import ACCURACY

Features = NDArray[np.float64]


def sample(seed: int, count: int, width: int, shift: float = 0.0, spread: float = 1.0) -> Features:
    """Features (count, width) with a decaying spectrum, as those of a network have."""
    mix = np.random.default_rng(width).normal(size=(width, width)) / width**0.5
    scales = spread / np.arange(1, width + 1) ** 0.7
    features: Features = (np.random.default_rng(seed).normal(size=(count, width)) * scales) @ mix + shift
    return features


def distance(real: Features, made: Features) -> float:
    value = FID.value(FID.rows({"features": real}, {"features": made}))
    assert isinstance(value, float)
    return value


def parts(real: Features, made: Features) -> tuple[float, Features, Features]:
    """All of the textbook's formula but the trace of the root, and the two covariances."""
    first, second = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
    apart = real.mean(axis=0) - made.mean(axis=0)
    return float(apart @ apart + np.trace(first) + np.trace(second)), first, second


def by_root(real: Features, made: Features) -> float:
    """As pytorch-fid and clean-fid compute it."""
    rest, first, second = parts(real, made)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a singular product
        return float(rest - 2 * np.trace(np.real(linalg.sqrtm(first @ second))))


def by_eigenvalues(real: Features, made: Features) -> float:
    """As torch-fidelity computes it."""
    rest, first, second = parts(real, made)
    return float(rest - 2 * np.sqrt(np.linalg.eigvals(first @ second).astype(complex)).real.sum())


def by_singular_values(real: Features, made: Features) -> float:
    """The exact form: the root of a product of factors."""
    rest, _, _ = parts(real, made)
    one, other = ((x - x.mean(axis=0)) / (len(x) - 1) ** 0.5 for x in (real, made))
    return float(rest - 2 * np.linalg.svd(one @ other.T, compute_uv=False).sum())


@pytest.mark.parametrize(("real", "made", "width"), [(400, 300, 64), (300, 400, 20), (90, 1000, 8), (500, 500, 128)])
@pytest.mark.parametrize("shift", [0.0, 0.02, 3.0])
def test_it_agrees_with_the_formula_of_the_usual_packages(real: int, made: int, width: int, shift: float) -> None:
    one, other = sample(1, real, width), sample(2, made, width, shift, 1.3)
    value = distance(one, other)
    assert value == pytest.approx(by_root(one, other), rel=1e-6)
    assert value == pytest.approx(by_eigenvalues(one, other), rel=1e-6)
    assert value == pytest.approx(by_singular_values(one, other), rel=1e-9)


@pytest.mark.parametrize(("real", "made"), [(40, 30), (30, 40), (2, 60), (500, 30), (30, 500)])
def test_fewer_images_than_features_need_no_warning_and_come_closer_than_the_usual_packages(
    real: int, made: int
) -> None:
    one, other = sample(3, real, 200), sample(4, made, 200, 0.01)
    exact = by_singular_values(one, other)
    off = abs(distance(one, other) - exact)
    assert off <= 1e-6 * exact
    assert off <= abs(by_root(one, other) - exact)
    assert off <= abs(by_eigenvalues(one, other) - exact)


def test_known_cases() -> None:
    one = sample(5, 50, 6)
    assert distance(one, one) == pytest.approx(0.0, abs=1e-7)
    assert distance(one, one + 2.0) == pytest.approx(6 * 4.0)
    # Two normal laws on a line: (m1 - m2)² + (s1 - s2)².
    line, wide = np.array([[0.0], [2.0]]), np.array([[1.0], [9.0]])
    assert distance(line, wide) == pytest.approx(4.0**2 + (2**0.5 - 32**0.5) ** 2)
    assert distance(wide, line) == pytest.approx(distance(line, wide))
    # All images alike: their spread is 0.
    assert distance(one, np.ones((10, 6))) == pytest.approx(
        float(np.square(one.mean(axis=0) - 1).sum() + np.trace(np.cov(one, rowvar=False)))
    )
    assert np.isfinite(distance(one, one[:1]))


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("count", [1, 30])
def test_features_that_are_no_numbers_have_no_distance(wrong: float, count: int) -> None:
    one, other = sample(16, 30, 6), sample(17, count, 6)
    other[0, 3] = wrong
    with pytest.raises(AssertionError, match="finite"):
        distance(one, other)


def test_it_is_never_negative() -> None:
    for width in (3, 50, 200):
        one = sample(6, 60, width) * 1e-3
        assert 0 <= distance(one, one[::-1]) < 1e-10


def test_whole_number_weights_are_repeated_rows_and_rows_of_weights_give_rows_of_values() -> None:
    rows = FID.rows({"features": sample(7, 30, 12)}, {"features": sample(8, 25, 12, 0.3)})
    generator = np.random.default_rng(9)
    weights = generator.integers(0, 4, (6, len(rows))).astype(np.uint16)
    values = FID.value(rows, weights)
    assert values.shape == (6,)
    for weight, value in zip(weights, values, strict=True):
        assert value == pytest.approx(FID.value(np.repeat(rows, weight, axis=0)), rel=1e-9)
        assert value == FID.value(rows, weight)
    assert FID.value(rows, np.ones(len(rows), bool)) == FID.value(rows)
    order = generator.permutation(len(rows))
    assert FID.value(rows[order]) == pytest.approx(FID.value(rows), rel=1e-9)


def test_real_images_count_on_their_own_board_and_submitted_ones_on_both() -> None:
    real, made = sample(10, 40, 6), sample(11, 30, 6, 0.5)
    rows = FID.rows({"features": real}, {"features": made})
    assert rows.shape == (70, 7)
    public = np.concatenate([np.arange(40) < 20, np.ones(30, bool)])
    private = np.concatenate([np.arange(40) >= 20, np.ones(30, bool)])
    assert FID.value(rows, public) == pytest.approx(distance(real[:20], made))
    assert FID.value(rows, private) == pytest.approx(distance(real[20:], made))


def test_more_of_the_same_law_comes_closer_and_a_worse_sample_lies_further() -> None:
    real = sample(12, 2000, 10)
    near, few = distance(real, sample(13, 2000, 10)), distance(real, sample(13, 30, 10))
    apart = [distance(real, sample(13, 2000, 10, shift)) for shift in (0.1, 0.5, 1.0)]
    assert near < few
    assert near < apart[0] < apart[1] < apart[2]


def test_features_in_float32_are_counted_in_float64() -> None:
    one, other = sample(14, 60, 20).astype(np.float32), sample(15, 50, 20, 0.1).astype(np.float32)
    assert distance(one, other) == distance(one.astype(np.float64), other.astype(np.float64))  # type: ignore[arg-type]


def test_the_distance_has_no_interval_and_the_face_rate_has_wilsons() -> None:
    faces = np.array([True] * 30 + [False] * 10)
    answers = {"features": np.zeros((7, 2))}
    predictions = {"features": np.zeros((40, 2)), "face": faces}
    rows = FACE_RATE.rows(answers, predictions)
    every = np.ones(len(rows), bool)
    assert FID.interval(FID.rows(answers, predictions), every) is None
    assert FACE_RATE.interval(rows, every) == ACCURACY.interval(faces, np.ones(40, bool))
    assert FACE_RATE.value(rows, every) == FACE_RATE.value(rows) == 0.75
    # The real images have no part in it, on whichever board they are.
    half = every & (np.arange(len(rows)) > 3)
    assert FACE_RATE.value(rows, half) == 0.75
    assert FACE_RATE.interval(rows, half) == FACE_RATE.interval(rows, every)


def test_whole_number_weights_of_the_face_rate_are_repeated_rows() -> None:
    rows = FACE_RATE.rows({"features": np.zeros((3, 1))}, {"face": np.array([True, False, True, False, False])})
    weights = np.random.default_rng(1).integers(1, 4, (5, len(rows)))
    values = FACE_RATE.value(rows, weights)
    assert values.shape == (5,)
    for weight, value in zip(weights, values, strict=True):
        assert value == pytest.approx(FACE_RATE.value(np.repeat(rows, weight, axis=0)))


@pytest.mark.parametrize("metric", [FID, FACE_RATE])
def test_the_direction_is_in_the_name(metric: object) -> None:
    name, higher = getattr(metric, "name", ""), getattr(metric, "higher_is_better", None)
    assert name.endswith("_score" if higher else "_distance")


def test_the_metric_needs_no_scipy() -> None:
    source = (Path(__file__).parents[1] / "tasks" / "frechet.py").read_text(encoding="utf-8")
    assert "scipy" not in source
