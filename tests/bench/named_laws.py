"""Pools of rows for the metrics by name, from which boards are drawn: the value of a whole pool is the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.metrics import Metric
from tasks.named import NAMED

ROWS = 20_000
SENTENCES = 2_000
Columns = dict[str, NDArray[Any]]


Pool = tuple[str, Metric, NDArray[Any], bool]
MEANS = ("rmsle", "mape", "pinball", "log_loss", "ndcg", "map_at_k", "dice", "iou")


def pools() -> Iterator[Pool]:
    """The law, the metric, the rows of its pool, and whether its intervals are resampled."""
    rng = np.random.default_rng(16)
    truth = rng.gamma(2.0, 10.0, ROWS) + 1
    guess = truth * np.exp(rng.normal(0, 0.3, ROWS))
    sizes = {"y": truth}, {"y": guess}
    two = {"y": truth, "z": truth**0.5}, {"y": guess, "z": truth**0.5 + rng.normal(0, 1, ROWS)}
    yield _pool("errors of 30 %", "rmsle", {}, *sizes)
    yield _pool("errors of 30 %", "mape", {}, *sizes)
    yield _pool("errors of 30 %", "pinball", {"quantile": 0.8}, *sizes)
    yield _pool("two columns", "mcrmse", {}, *two)
    yield _pool("errors of 30 %", "r2", {}, *sizes)
    yield _pool("errors of 30 %", "pearson", {}, *sizes)
    yield _pool("errors of 30 %", "spearman", {}, *sizes)
    chance = rng.beta(0.8, 1.2, ROWS)
    yes = (rng.random(ROWS) < chance).astype(np.int64)
    said = np.clip(chance + rng.normal(0, 0.1, ROWS), 0.01, 0.99)
    yield _pool("40 % in class 1", "log_loss", {}, {"y": yes.astype(float)}, {"y": said})
    pair = {"y": yes.astype(float), "z": (rng.random(ROWS) < said).astype(float)}
    yield _pool("two columns", "auc", {}, pair, {"y": said, "z": said})
    named = {"y": yes}, {"y": (said > 0.5).astype(np.int64)}
    yield _pool("40 % in class 1", "f1", {}, *named)
    yield _pool("40 % in class 1", "mcc", {}, *named)
    grades = rng.choice(5, ROWS, p=[0.1, 0.2, 0.4, 0.2, 0.1])
    near = np.clip(grades + rng.choice([-1, 0, 0, 0, 1], ROWS), 0, 4)
    yield _pool("five labels", "f1", {"average": "macro"}, {"y": grades}, {"y": near})
    yield _pool("five labels", "balanced_accuracy", {}, {"y": grades}, {"y": near})
    yield _pool("five grades", "qwk", {}, {"y": grades}, {"y": near})
    gains = rng.integers(0, 4, (ROWS, 6)) + np.eye(6, dtype=np.int64)[0]
    ranked = {f"y{at}": gains[:, at] + rng.normal(0, 1, ROWS) for at in range(6)}
    yield _pool("six columns", "ndcg", {}, {f"y{at}": gains[:, at].astype(float) for at in range(6)}, ranked)
    words = np.array(["a b", "c a", "b", "d e a", "c b"])
    yield _pool("one to three words", "map_at_k", {"k": 3}, *({"y": words[rng.integers(0, 5, ROWS)]} for _ in range(2)))
    start, length, away, empty = (rng.integers(low, high, ROWS) for low, high in ((1, 50), (5, 30), (0, 12), (0, 10)))
    masks = (
        {
            "y": np.array(
                [
                    "" if none == 0 else f"{at + by} {size}"
                    for at, size, by, none in zip(start, length, away * moved, empty, strict=True)
                ]
            )
        }
        for moved in (0, 1)
    )
    right, mine = masks
    yield _pool("a tenth of the masks empty", "dice", {}, right, mine)
    yield _pool("a tenth of the masks empty", "iou", {}, right, mine)
    vocabulary = np.array(["the", "cat", "dog", "sat", "on", "a", "mat", "old", "and", "ran", "to", "red"])
    lines = [vocabulary[rng.integers(0, 12, rng.integers(4, 12))].tolist() for _ in range(SENTENCES)]
    spoilt = [[word if rng.random() < 0.85 else "it" for word in line if rng.random() < 0.95] for line in lines]
    texts = tuple({"y": np.array([" ".join(line) for line in side])} for side in (lines, spoilt))
    for name in ("chrf", "ter"):
        yield _pool("one word in five wrong or gone", name, {}, *texts)


def _pool(law: str, name: str, options: dict[str, Any], answers: Columns, guesses: Columns) -> Pool:
    named = NAMED[name]
    metric = named.metric(named.read_options(()) | options, len(answers))
    return law, metric, metric.rows(answers, guesses), name not in MEANS
