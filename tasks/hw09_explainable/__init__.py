"""HW9: explainable AI. A network names dishes; what in each picture makes it say so, the food or a sticker?

Handed in are a map of each picture and the cause, and they are compared with causes that are known, because the world
was made so. In the course this homework is a quiz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.base import Bar, Columns, Edition, Judge, Place, Rules, Task
from tasks.metrics import Interval, Metric, mean_interval, weighted_mean
from tasks.tensor_formats import Array, ArraysFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray


DISHES = 4
"""The classes that food and stickers stand for; the next class is a picture without either."""
PICTURES, GRID = 200, 64
"""How many pictures are explained, and the cells on a side of each map, whatever the size of the picture."""
OBJECT, MARK = 0, 1
CAUSES = ("object", "mark")
CUT = 200
"""No cell of a map counts more than its 200th largest cell: 5 % of the picture."""
LARGEST = 1e6
ATTRIBUTION, CAUSE = "attribution", "cause"
FOLDER, MODEL_FILE, NETWORK_FILE = "pictures", "model.py", "network.safetensors"


def picture_name(number: int) -> str:
    """The path of a picture in the public folder, counted from 0."""
    return f"{FOLDER}/{number:03d}.png"


def form_of(pictures: int) -> ArraysFormat:
    """A map of each picture, none of its numbers below 0, and the cause: 0 for the object, 1 for the mark."""
    return ArraysFormat(
        (
            Array(ATTRIBUTION, (pictures, GRID, GRID), "float32", 0.0, LARGEST),
            Array(CAUSE, (pictures,), "int64", 0, 1),
        )
    )


# The metrics. The judge gives, for each picture, the shares of the map's mass in the food and in the sticker (n, 2).


def margins(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """The mass in the true cause less that in the other one, and the true cause, (n, 2)."""
    import numpy as np

    cause = answers[CAUSE]
    signed = (predictions["mass"] @ np.array([1.0, -1.0])) * np.where(cause == OBJECT, 1.0, -1.0)
    return np.stack([signed, cause], axis=1)


def relevance(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """The mean margin of the pictures of one cause, of that cause where it is lower."""
    import numpy as np

    weights = np.ones(len(rows)) if weight is None else weight
    means = []
    for cause in (OBJECT, MARK):
        own = weights[..., rows[:, 1] == cause].astype(np.float64)
        total = own.sum(axis=-1)
        mean = own @ rows[rows[:, 1] == cause, 0] / np.maximum(total, 1e-300)
        means.append(np.where(total > 0, mean, np.inf))
    found = np.minimum(*means)
    return float(found) if np.ndim(found) == 0 else found


def relevance_interval(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """The 95 % interval: from the lower of the two lower ends to the lower of the two upper ones, of each cause's mean.

    Resampling the lower mean would miss too often where both are alike. None where a cause has a single row.
    """
    ends = []
    for cause in (OBJECT, MARK):
        own = (rows[:, 1] == cause) & (weight != 0)
        if own.any():
            ends.append(mean_interval(rows[:, 0], own, groups))
    kept = [pair for pair in ends if pair is not None]
    if not kept or len(kept) < len(ends):
        return None
    return min(low for low, _ in kept), min(high for _, high in kept)


def named(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """Whether the cause of each picture is named, (n,)."""
    hit: NDArray[Any] = answers[CAUSE] == predictions[CAUSE]
    return hit


def deleted(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """What the class of each picture loses, (n,)."""
    return predictions["deletion"]


RELEVANCE = Metric(
    "relevance_score", "relevance", True, 1.0, -1.0, 5, margins, value=relevance, interval=relevance_interval
)
"""The mass in the true cause less that in the other, the worse of the two kinds of pictures.

>>> import numpy as np
>>> answers = {"cause": np.array([0, 0, 1, 1])}
>>> mass = np.array([[0.75, 0.25], [0.5, 0.0], [0.25, 0.5], [0.0, 1.0]])
>>> RELEVANCE.value(RELEVANCE.rows(answers, {"mass": mass}))
0.5
"""
NAMED = Metric("cause_accuracy_score", "accuracy of causes", True, 1.0, 0.0, 5, named)
DELETION = Metric("deletion_score", "deletion", True, 1.0, 0.0, 5, deleted, value=weighted_mean)
METRICS = (RELEVANCE, NAMED, DELETION)


def _measured(*levels: tuple[str, float, float, float]) -> tuple[Bar, ...]:
    """Bars at the mean relevance of a level (name, mean, spread, causes), above simple at 0.8 of the causes too.

    The accuracy is asked for so that maps alone do not clear a bar.
    """
    return tuple(
        Bar(
            name,
            ((RELEVANCE.name, mean), *([] if name == "simple" else [(NAMED.name, NAMED_LEAST)])),
            f"measured: level {name}, seeds 300-302 (world, network and split), public relevance mean {mean:.4f} ± "
            f"{spread:.4f} (standard deviation), accuracy of causes {causes:.3f}, for which "
            + ("nothing is asked" if name == "simple" else f"the bar is {NAMED_LEAST}")
            + ", python tests/bench/ladder.py hw9 --seeds 300-302 --no-tricks --keep results/hw09.jsonl",
            size="small",
        )
        for name, mean, spread, causes in levels
    )


NAMED_LEAST = 0.8


TASK = Task(
    "hw09",
    "Explainable AI: what did the network look at?",
    (
        Edition(
            "builtin",
            "a seeded world of dishes with stickers (tasks/hw09_explainable/world.py), MIT",
            form_of(PICTURES),
            METRICS,
            _measured(
                ("simple", 0.1403, 0.0206, 0.920), ("medium", 0.3619, 0.0485, 0.923),
                ("strong", 0.8578, 0.0430, 0.953), ("boss", 0.9432, 0.0305, 0.970),
            ),
            Rules(),
            Place("tasks.hw09_explainable.world:make"),
            judge=Judge(Place("tasks.hw09_explainable.judge:version"), run=Place("tasks.hw09_explainable.judge:run")),
        ),
    ),
)  # fmt: skip
