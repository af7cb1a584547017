"""How often the 95 % interval of each metric contains the true score, over samples of known distributions.

    python tests/bench/coverage.py [--draws 10000] [--seed 1] [--sizes 50,500,5000] [--only NAME ...]

Each draw is a board of n rows from a law whose true score is known; the interval is the one that a grade gets. Wanted
are 93.5 to 96.5 %; what lies outside is marked. Of 10,000 draws the standard error is 0.22 points. BLEU, whose
intervals are resampled, gets a tenth of the draws, and its rows come from a fixed pool of 4,000 sentences whose own
BLEU is the truth. FID has no interval. Laws named after a homework draw n whole groups of it: utterances of 96 to 704
frames, of which 8 are hit or missed together (a tenth of the draws); sessions of 2 utterances; paragraphs of 1 to 4
questions; n pictures of five tasks, a fifth of each, or n pictures each of which is in all five tasks (a twentieth of
the draws); tasks of 5 queries. Metrics by name draw their rows from fixed pools (`named_laws`), where they resample a
thirtieth of the draws. NDCG of a board that is one ranking has no interval (`one_ranking.py`).
"""

from __future__ import annotations

import argparse
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tasks.auc import AUC  # noqa: E402
from tasks.bilingual.language import language, speaker  # noqa: E402
from tasks.bilingual.sentences import sentence  # noqa: E402
from tasks.bleu import BLEU, statistics  # noqa: E402
from tasks.hw09_explainable import DELETION, RELEVANCE  # noqa: E402
from tasks.hw12_reinforcement import REWARD  # noqa: E402
from tasks.hw14_lifelong import AVERAGE, FORGETTING, TASKS, TRANSFER  # noqa: E402
from tasks.metrics import ACCURACY, ANSWER_MATCH, MAE, MSE, RMSE, Metric  # noqa: E402
from tests.bench.named_laws import pools  # noqa: E402

SIZES = (50, 500, 5000)
WANTED = (93.5, 96.5)
CHUNK = 2**21  # numbers drawn at a time

Rows = NDArray[Any]
Draw = Callable[[np.random.Generator, int, int], Iterator[tuple[Any, "NDArray[Any] | None"]]]


@dataclass(frozen=True)
class Law:
    """A metric on boards of one distribution: its true score, and a function that draws `k` boards of n rows."""

    name: str
    metric: Metric
    truth: float
    draw: Draw
    share: float = 1.0  # of the draws, where each interval takes long
    sizes: tuple[int, ...] = SIZES  # n: rows, or whole groups


def plain(sample: Callable[[np.random.Generator, tuple[int, int]], Rows]) -> Draw:
    """Boards whose rows are drawn independently, in one array."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Iterator[tuple[Rows, None]]:
        yield from ((rows, None) for rows in sample(rng, (k, n)))

    return draw


def errors(metric: Metric, sample: Callable[[np.random.Generator, tuple[int, int]], Rows]) -> Draw:
    """Boards of an error metric, with drawn errors."""
    row = np.abs if metric is MAE else np.square
    return plain(lambda rng, shape: row(sample(rng, shape)))


def hits(share: float, alike: int) -> Draw:
    """Boards of hits; with `alike`, groups of so many rows that share half of what decides."""
    line = math.sqrt(2) * _normal_point(share)

    def draw(rng: np.random.Generator, k: int, n: int) -> Iterator[tuple[Rows, NDArray[Any]]]:
        groups = np.arange(n) // alike
        for _ in range(k):
            shared = rng.normal(size=groups[-1] + 1)[groups]
            yield shared + rng.normal(size=n) < line, groups

    return draw if alike > 1 else plain(lambda rng, shape: rng.random(shape) < share)


def clustered(share: float, runs: tuple[int, int], alike: int, apart: float) -> Draw:
    """Boards of hits in n groups, each of a drawn number of runs of `alike` rows that are hit or missed together.

    The groups' shares of hits differ by a normal of spread `apart` on the scale of the probit.
    """
    line = math.sqrt(1 + apart**2) * _normal_point(share)

    def draw(rng: np.random.Generator, k: int, n: int) -> Iterator[tuple[Rows, NDArray[Any]]]:
        for _ in range(k):
            lengths = rng.integers(runs[0], runs[1] + 1, n)
            hit = np.repeat(rng.normal(0, apart, n), lengths) + rng.normal(size=lengths.sum()) < line
            yield np.repeat(hit, alike), np.repeat(np.arange(n), lengths * alike)

    return draw


KEPT = np.array([
    [0.95, 0.40, 0.20, 0.15, 0.12], [0.85, 0.95, 0.40, 0.20, 0.15], [0.75, 0.85, 0.94, 0.40, 0.20],
    [0.65, 0.75, 0.85, 0.93, 0.40], [0.55, 0.65, 0.75, 0.85, 0.92],
])  # fmt: skip
"""The true accuracy after each task (first) on each task (second)."""


def lifelong(together: bool) -> Draw:
    """Boards of HW14: whether each network names each of n pictures, which share half of what decides.

    A picture is in one task or, `together`, in all five, as one group.
    """
    lines = math.sqrt(2) * np.array([[_normal_point(share) for share in row] for row in KEPT])

    def draw(rng: np.random.Generator, k: int, n: int) -> Iterator[tuple[Rows, NDArray[Any] | None]]:
        task = np.tile(np.arange(TASKS), n) if together else np.arange(n) % TASKS
        group = np.repeat(np.arange(n), TASKS) if together else np.arange(n)
        for _ in range(k):
            hit = rng.normal(size=n)[group, None] + rng.normal(size=(len(task), TASKS)) < lines.T[task]
            yield np.concatenate([hit, task[:, None]], axis=1, dtype=np.int8), group if together else None

    return draw


def _normal_point(share: float) -> float:
    low, high = -9.0, 9.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if 0.5 * math.erfc(-middle / math.sqrt(2)) < share else (low, middle)
    return low


def scores(apart: float, spread: float, share: float) -> Draw:
    """Boards of normal scores: class 1, `share` of the rows, lies `apart` and is `spread` as wide."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Iterator[tuple[Any, None]]:
        labels = (np.arange(n) < round(share * n)).astype(np.int64)
        for values in rng.normal(size=(k, n)) * np.where(labels, spread, 1) + apart * labels:
            yield AUC.rows({"y": labels}, {"y": values}), None

    return draw


def sides(first: float, second: float) -> Draw:
    """Boards of HW9's margins, half of the rows of each cause, with these means."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Iterator[tuple[Rows, None]]:
        cause = np.arange(n) % 2
        for margins in rng.normal(np.where(cause, second, first), 0.25, (k, n)):
            yield np.stack([margins, cause], axis=1), None

    return draw


def area(apart: float, spread: float) -> float:
    return 0.5 * math.erfc(-apart / math.sqrt(1 + spread**2) / math.sqrt(2))


def landings(crashes: float) -> Draw:
    """Boards of returns: about -100 for the share that crashes, about 250 for the others."""
    return plain(
        lambda rng, shape: np.where(
            rng.random(shape) < crashes, rng.normal(-100, 60, shape), rng.normal(250, 30, shape)
        )
    )


@lru_cache(maxsize=1)
def pool() -> NDArray[np.int64]:
    """The statistics of 4,000 sentences of HW5's world and translations with one sign in seven wrong or gone."""
    chance = random.Random(5)
    g = speaker(random.Random(1), language(random.Random(2)), 0.3)
    references = [sentence(g)[1] for _ in range(4000)]

    def spoilt(text: str) -> str:
        draws = [(sign, chance.random()) for sign in text]
        return "".join(chance.choice("的一是不了") if draw < 0.15 else sign for sign, draw in draws if draw > 0.05)

    return statistics(references, [spoilt(text) for text in references], normalise=True)


def drawn_from(rows: Rows) -> Draw:
    """Boards whose rows are drawn from a pool."""

    def draw(rng: np.random.Generator, k: int, n: int) -> Iterator[tuple[Rows, None]]:
        yield from ((rows[rng.integers(0, len(rows), n)], None) for _ in range(k))

    return draw


def laws() -> tuple[Law, ...]:
    """Every metric with an interval."""
    normal: Any = lambda rng, shape: rng.normal(size=shape)  # noqa: E731
    laplace: Any = lambda rng, shape: rng.laplace(size=shape)  # noqa: E731
    heavy = {df: (lambda rng, shape, df=df: rng.standard_t(df, size=shape)) for df in (5, 3)}
    found = []
    for metric in (RMSE, MSE):
        for name, sample, square in (
            ("normal errors", normal, 1.0),
            ("Laplace errors", laplace, 2.0),
            ("heavy tails, t of 5", heavy[5], 5 / 3),
            ("very heavy tails, t of 3", heavy[3], 3.0),
        ):
            found.append(Law(name, metric, math.sqrt(square) if metric is RMSE else square, errors(metric, sample)))
    for name, sample, mean in (
        ("normal errors", normal, math.sqrt(2 / math.pi)),
        ("Laplace errors", laplace, 1.0),
        ("very heavy tails, t of 3", heavy[3], 2 * math.sqrt(3) / math.pi),
    ):
        found.append(Law(name, MAE, mean, errors(MAE, sample)))
    found += [Law(f"{share:.0%} hits", ACCURACY, share, hits(share, 1)) for share in (0.5, 0.8, 0.95)]
    found.append(Law("80% hits in groups of 5", ACCURACY, 0.8, hits(0.8, 5)))
    for apart, spread, share in (
        (0.0, 1.0, 0.5),
        (1.0, 1.0, 0.5),
        (2.0, 1.0, 0.5),
        (3.0, 1.0, 0.5),
        (2.0, 2.0, 0.5),
        (1.0, 1.0, 0.1),
    ):
        truth = area(apart, spread)
        wide = "" if spread == 1 else f", class 1 {spread:g} times as wide"
        found.append(Law(f"AUC {truth:.3f}, {share:.0%} class 1{wide}", AUC, truth, scores(apart, spread, share)))
    found += [
        Law(f"{crashes:.0%} crashes", REWARD, 250 - 350 * crashes, landings(crashes)) for crashes in (0.03, 0.1, 0.3)
    ]
    found.append(Law("one sign in seven wrong or gone", BLEU, float(BLEU.value(pool())), drawn_from(pool()), 0.1))
    found += [
        Law("HW2, frames by utterance", ACCURACY, 0.7, clustered(0.7, (12, 88), 8, 0.5), 0.1, SIZES[:2]),
        Law("HW4, utterances by session", ACCURACY, 0.6, clustered(0.6, (2, 2), 1, 1.0), sizes=SIZES[:2]),
        Law("HW7, questions by paragraph", ANSWER_MATCH, 0.5, clustered(0.5, (1, 4), 1, 0.5), sizes=SIZES[:2]),
        Law("HW15, queries by task", ACCURACY, 0.8, clustered(0.8, (5, 5), 1, 1.0), sizes=SIZES[:2]),
    ]
    gains, best = (KEPT[-1] - KEPT.diagonal())[:-1], KEPT[:-1, :-1].max(axis=0)
    for metric, truth, together in (
        (AVERAGE, KEPT[-1].mean(), False),
        (AVERAGE, KEPT[-1].mean(), True),
        (TRANSFER, gains.mean(), False),
        (FORGETTING, (best - KEPT[-1, :-1]).mean(), False),
    ):
        name = "HW14, pictures in all five tasks" if together else "HW14, pictures of one task"
        found.append(Law(name, metric, float(truth), lifelong(together), 0.05, SIZES[:2]))
    found += [
        Law("HW9, both causes alike", RELEVANCE, 0.5, sides(0.5, 0.5), 0.1, SIZES[:2]),
        Law("HW9, one cause lower", RELEVANCE, 0.4, sides(0.6, 0.4), 0.1, SIZES[:2]),
        Law("HW9, most is lost", DELETION, 0.75, plain(lambda rng, shape: rng.beta(3, 1, shape)), sizes=SIZES[:2]),
    ]
    for law, metric, rows, slow in pools():
        share = 1 / 30 if slow else 1.0
        found.append(Law(law, metric, float(metric.value(rows)), drawn_from(rows), share, SIZES[:2]))
    return tuple(found)


def coverage(law: Law, n: int, draws: int, seed: int) -> float:
    """The percentage of boards of n rows, or groups, whose interval contains the true score; one without does not."""
    rng = np.random.default_rng([seed, n, *law.name.encode(), *law.metric.name.encode()])
    left = round(draws * law.share)
    total = left
    held = 0
    while left:
        k = min(left, max(1, CHUNK // n))
        for rows, groups in law.draw(rng, k, n):
            low, high = law.metric.interval(rows, np.ones(len(rows), dtype=bool), groups) or (1.0, 0.0)
            held += low <= law.truth <= high
        left -= k
    return 100 * held / total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--only", nargs="*", help="labels of metrics, such as RMSE")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    print(
        f"seed {given.seed}, {given.draws:,} draws (BLEU a tenth), per cent of intervals that contain the true score\n"
    )
    print(f"| metric | law | {' | '.join(f'n = {n:,}' for n in sizes)} |")
    print(f"|---|---|{'--:|' * len(sizes)}")
    for law in laws():
        if given.only and law.metric.label not in given.only:
            continue
        cells = []
        for n in sizes:
            if n > law.sizes[-1]:
                continue
            value = coverage(law, n, given.draws, given.seed)
            cells.append(f"{value:.1f}" + ("" if WANTED[0] <= round(value, 1) <= WANTED[1] else " *"))
        print(f"| {law.metric.label} | {law.name} | {' | '.join(cells)} |", flush=True)
    print(f"\n* outside {WANTED[0]} to {WANTED[1]} %")


if __name__ == "__main__":
    main()
