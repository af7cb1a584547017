"""HW14: lifelong learning. One network learns five tasks one after another: how much of the first ones does it keep?

Handed in are the weights of a given network after each task. The judge runs all five networks on hidden pictures of all
five tasks, so nobody claims an accuracy. In the course this homework is a quiz on the same experiment.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tasks.base import Bar, Columns, Edition, Judge, Place, Rules, Task
from tasks.metrics import Metric, resampled
from tasks.tensor_formats import Array, ArraysFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray


TASKS, CLASSES, SIDE = 5, 10, 28
LAYERS = (SIDE * SIDE, 256, 256, CLASSES)
"""The units of the network's layers in the built-in editions."""
COURSE_LAYERS = (SIDE * SIDE, 1024, 512, 256, CLASSES)
IMAGES_FILE, LABELS_FILE = "images.npy", "labels.npy"
KNOWN = 200
"""Training pictures of each task by which the judge finds what was learned too early."""
BUFFER = 200
"""The most training pictures of a finished task that may be kept."""
LARGEST = 1000.0
"""The largest number of a network, so that its outputs stay finite."""


def task_folder(task: int) -> str:
    """The folder of a task, counted from 1, in the public folder."""
    return f"task_{task}"


def names(task: int, layers: tuple[int, ...] = LAYERS) -> list[tuple[str, str]]:
    """The names of weight and bias of each layer after a task, as torch names them in an `nn.Sequential` with ReLU."""
    return [(f"after_{task}/{2 * at}.weight", f"after_{task}/{2 * at}.bias") for at in range(len(layers) - 1)]


def form_of(layers: tuple[int, ...]) -> ArraysFormat:
    """The weights of the network after each task: a linear layer has (outputs, inputs)."""
    arrays = []
    for task in range(1, TASKS + 1):
        for at, (weight, bias) in enumerate(names(task, layers)):
            shape = (layers[at + 1], layers[at])
            arrays.append(Array(weight, shape, "float32", -LARGEST, LARGEST))
            arrays.append(Array(bias, shape[:1], "float32", -LARGEST, LARGEST))
    return ArraysFormat(tuple(arrays))


# The metrics: a row for each hidden picture, with the hits of the networks and its task.


def hits(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """Whether the network after each task names the class of each picture, and the picture's task from 0: (n, 6)."""
    import numpy as np

    right = predictions["classes"] == answers["label"][:, None]  # (n, 5)
    return np.concatenate([right, answers["task"][:, None]], axis=1, dtype=np.int8)


def matrix(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> NDArray[Any]:
    """The accuracy after each task (first) on each task (second), (5, 5) or (b, 5, 5); NaN for a task without rows."""
    import numpy as np

    right, of_task = rows[:, :-1], rows[:, -1]
    weights = np.ones(len(rows)) if weight is None else weight
    found = np.full((*weights.shape[:-1], TASKS, TASKS), np.nan)
    for task in range(TASKS):
        places = np.flatnonzero(of_task == task)
        own = weights[..., places].astype(np.float64)
        total = own.sum(axis=-1)[..., None]
        found[..., task] = np.divide(
            own @ right[places].astype(np.float64), total, out=found[..., task].copy(), where=total > 0
        )
    return found


def _mean(values: NDArray[Any], axis: int = -1) -> Any:
    """The mean over the tasks that have rows, 0 where none has; a float for one matrix."""
    import numpy as np

    there = np.isfinite(values)
    found = np.where(there, values, 0).sum(axis=axis) / np.maximum(there.sum(axis=axis), 1)
    return float(found) if np.ndim(found) == 0 else found


def average_accuracy(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """The mean accuracy of the last network over the tasks."""
    return _mean(matrix(rows, weight)[..., -1, :])


def backward_transfer(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """What the last network gains on each earlier task over the network that had just learned it, in the mean.

    Lopez-Paz and Ranzato, Gradient Episodic Memory for Continual Learning, arXiv 1706.08840.
    """
    found = matrix(rows, weight)
    gain = found[..., -1, :] - found.diagonal(axis1=-2, axis2=-1)
    return _mean(gain[..., :-1])


def forgetting(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """What the last network lost on each earlier task from the best network before it, in the mean.

    Chaudhry et al., Riemannian Walk for Incremental Learning, arXiv 1801.10112.
    """
    found = matrix(rows, weight)
    lost = found[..., :-1, :].max(axis=-2) - found[..., -1, :]
    return _mean(lost[..., :-1])


AVERAGE = Metric(
    "average_accuracy_score", "average accuracy", True, 1.0, 0.0, 5, hits,
    value=average_accuracy, interval=partial(resampled, average_accuracy), matrix=matrix,
)  # fmt: skip
"""The accuracy after the last task, in the mean over the tasks.

>>> import numpy as np
>>> answers = {"label": np.array([3, 1, 4, 1]), "task": np.array([0, 0, 1, 1])}
>>> guesses = np.array([[3, 0, 0, 0, 0], [1, 0, 0, 0, 1], [0, 4, 0, 0, 4], [0, 1, 0, 0, 1]])
>>> rows = AVERAGE.rows(answers, {"classes": guesses})
>>> AVERAGE.value(rows), TRANSFER.value(rows), FORGETTING.value(rows)
(0.75, -0.25, 0.25)
"""
TRANSFER = Metric(
    "backward_transfer_score", "backward transfer", True, 1.0, -1.0, 5, hits,
    value=backward_transfer, interval=partial(resampled, backward_transfer),
)  # fmt: skip
FORGETTING = Metric(
    "forgetting_loss", "forgetting", False, -1.0, 1.0, 5, hits,
    value=forgetting, interval=partial(resampled, forgetting),
)  # fmt: skip


def _measured(edition: str, *levels: tuple[str, float, float, float, float]) -> tuple[Bar, ...]:
    """Bars at both means of a level (name, average ± spread, transfer ± spread), the transfer less one deviation.

    The lowest bar asks for no transfer: who trains longer on each task forgets more.
    """
    command = "python tests/bench/ladder.py hw14" + ("" if edition == "builtin" else f" --edition {edition}")
    asked = {"simple": "not asked for"}
    return tuple(
        Bar(
            name,
            ((AVERAGE.name, mean), *([] if name in asked else [(TRANSFER.name, round(gain - gains, 4))])),
            f"measured: level {name}, seeds 310-312 (world, split and training) of edition {edition}, public average "
            f"accuracy mean {mean:.4f} ± {spread:.4f} (standard deviation), backward transfer {gain:.4f} ± "
            f"{gains:.4f}, {asked.get(name, 'for which the bar is the mean minus one deviation')}, "
            f"{command} --seeds 310-312 --no-tricks",
            size="small",
        )
        for name, mean, spread, gain, gains in levels
    )


_JUDGE = Judge(Place("tasks.hw14_lifelong.judge:version"), run=Place("tasks.hw14_lifelong.judge:run"))
METRICS = (AVERAGE, TRANSFER, FORGETTING)
_RULES = Rules(quota=2)  # files are large
MNIST = (
    "MNIST (LeCun and Cortes), {}, as in the course's homework of {}, which is a quiz: there are no bars. The hidden "
    "pictures are some of MNIST's test set, which anybody can download: for practice"
)


def _official(year: str, how: str, unsure: tuple[str, ...] = ()) -> Edition:
    return Edition(
        year,
        MNIST.format(how, year),
        form_of(COURSE_LAYERS),
        METRICS,
        (),
        Rules(quota=2, quota_zone="Asia/Taipei"),
        Place("tasks.hw14_lifelong.official:make", (year,)),
        official=True,
        judge=_JUDGE,
        unsure=unsure,
    )


TASK = Task(
    "hw14",
    "Lifelong learning: five tasks, one network",
    (
        Edition(
            "builtin",
            "a seeded world of digits written by a pen, each task turned further (tasks/hw14_lifelong/world.py), MIT",
            form_of(LAYERS),
            METRICS,
            _measured(
                "builtin",
                ("simple", 0.3571, 0.0584, -0.6163, 0.0673), ("medium", 0.5732, 0.0818, -0.3873, 0.1003),
                ("strong", 0.8321, 0.0108, -0.1237, 0.0180), ("boss", 0.9008, 0.0078, -0.0240, 0.0072),
            ),
            _RULES,
            Place("tasks.hw14_lifelong.world:make", ("turned",)),
            judge=_JUDGE,
        ),
        Edition(
            "builtin-permuted",
            "a seeded world of digits written by a pen, their pixels in another secret order in each task"
            " (tasks/hw14_lifelong/world.py), MIT",
            form_of(LAYERS),
            METRICS,
            _measured(
                "builtin-permuted",
                ("simple", 0.6615, 0.0736, -0.1973, 0.0593), ("medium", 0.7880, 0.0764, -0.0913, 0.0409),
                ("strong", 0.8877, 0.0434, -0.0300, 0.0048), ("boss", 0.9080, 0.0395, -0.0008, 0.0070),
            ),
            _RULES,
            Place("tasks.hw14_lifelong.world:make", ("permuted",)),
            judge=_JUDGE,
        ),
        _official("2021", "in the original order of pixels and four others"),
        _official("2022", "turned by 0, 20, 40, 60 and 80 degrees"),
        _official("2023", "turned by 0, 20, 40, 60 and 80 degrees", ("the network: not told, that of 2022 is taken",)),
    ),
)  # fmt: skip
