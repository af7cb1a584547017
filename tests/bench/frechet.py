"""How fast and how exact the Fréchet distance is, next to the forms of the usual packages.

    python tests/bench/frechet.py [--rounds N] [--width D]

Ours starts from the features of both sides and keeps nothing; theirs has the mean and the covariance of the real images
ready, as the packages keep them, and starts from the features of the generated ones: `scipy.linalg.sqrtm` of the
product of the covariances (pytorch-fid, clean-fid), and `numpy.linalg.eigvals` of it (torch-fidelity). All run in one
process, in turns, on features with a decaying spectrum. The error is the one against the singular values of the product
of the factors, which takes no squares.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tasks.frechet import FID  # noqa: E402

Features = NDArray[np.float64]
GOAL = 50.0


@dataclass(frozen=True)
class Case:
    """Features of real and generated images, and what a package keeps of the real ones."""

    real: Features
    made: Features
    mean: Features
    covariance: Features

    @property
    def name(self) -> str:
        return f"{len(self.made):,} generated, {len(self.real):,} real, {self.real.shape[1]:,} features"


def draw(real: int, made: int, width: int) -> Case:
    generator = np.random.default_rng(0)
    mix = generator.normal(size=(width, width)) / width**0.5
    scales = 1 / np.arange(1, width + 1) ** 0.7
    one = (generator.normal(size=(real, width)) * scales) @ mix
    other = (generator.normal(size=(made, width)) * scales * 1.1) @ mix + 0.02
    return Case(one, other, one.mean(axis=0), np.cov(one, rowvar=False))


def ours(case: Case) -> float:
    return float(FID.value(FID.rows({"features": case.real}, {"features": case.made})))


def theirs(case: Case, trace: Callable[[Features], Any]) -> float:
    apart, covariance = case.mean - case.made.mean(axis=0), np.cov(case.made, rowvar=False)
    rest = apart @ apart + np.trace(case.covariance) + np.trace(covariance)
    return float(rest - 2 * trace(case.covariance @ covariance))


def by_root(case: Case) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the product is singular
        return theirs(case, lambda product: np.trace(np.real(scipy.linalg.sqrtm(product))))


def by_eigenvalues(case: Case) -> float:
    return theirs(case, lambda product: np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum())


def exact(case: Case) -> float:
    """The distance by singular values, without a covariance."""
    first, second = ((x - x.mean(axis=0)) / (len(x) - 1) ** 0.5 for x in (case.real, case.made))
    apart = case.real.mean(axis=0) - case.made.mean(axis=0)
    rest = apart @ apart + np.square(first).sum() + np.square(second).sum()
    return float(rest - 2 * np.linalg.svd(first @ second.T, compute_uv=False).sum())


def timed(function: Callable[[Case], float], case: Case) -> tuple[float, float]:
    start = time.perf_counter()
    value = function(case)
    return value, (time.perf_counter() - start) * 1e3


def compare(case: Case, rounds: int, goal: float | None) -> None:
    truth = exact(case)
    sides = {"sqrtm": by_root, "eigvals": by_eigenvalues, "ours": ours}
    runs = [{name: timed(function, case) for name, function in sides.items()} for _ in range(rounds)]
    errors = {name: abs(runs[0][name][0] / truth - 1) for name in sides}
    # Equal as far as the others are exact, and never further from the truth than they are.
    assert all(error < 1e-4 for error in errors.values()), errors
    assert errors["ours"] < 1e-6, errors
    if len(case.made) < case.made.shape[1]:
        assert errors["ours"] < min(errors["sqrtm"], errors["eigvals"]), errors
    print(f"{case.name}: {truth:.6f}")
    for name in sides:
        milliseconds = statistics.median(run[name][1] for run in runs)
        ratio = statistics.median(run[name][1] / run["ours"][1] for run in runs)
        print(f"  {name:8} {milliseconds:9.1f} ms  {ratio:6.1f} × ours  relative error {errors[name]:.1e}", end="")
        if name == "sqrtm" and goal is not None:
            print(f"  goal {goal:g} ×: {'reached' if ratio >= goal else 'MISSED'}", end="")
        print()


def main() -> None:
    parser = argparse.ArgumentParser(description="The Fréchet distance next to the usual packages' forms.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--width", type=int, default=2048, help="features of an image")
    given = parser.parse_args()
    versions = f"numpy {np.__version__}, scipy {scipy.__version__}"
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, {versions}")
    goal = GOAL if given.width == 2048 else None
    compare(draw(1000, 1000, given.width), given.rounds, goal)
    compare(draw(5000, 1000, given.width), given.rounds, None)


if __name__ == "__main__":
    main()
