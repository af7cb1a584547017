"""HW10: adversarial attacks. Change 200 pictures a little, so that networks that nobody sees name them wrongly.

Students get the pictures and three networks; a hidden ensemble with a passive defence says how many pictures are still
right, and lower is better. A picture's class stands in its name, as in the course: what is hidden is the ensemble.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.base import Bar, Columns, Edition, Judge, Place, Rules, Task
from tasks.formats import ImagesFormat
from tasks.metrics import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, EACH, MAX_BYTES = 32, 20, 2_000_000
"""The side of a picture in pixels, the pictures of each class, and the most bytes of an archive."""
EPSILON = 8
"""The most that a colour of a pixel may differ from the given picture, of 255."""
KINDS = ("horse", "bed", "clock", "apple", "cat", "plane", "television", "dog", "dolphin", "spider")
"""The classes of the built-in world, those of `tasks.things`."""
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The classes of CIFAR-10 in its order, as the course names them."""
PICTURES_FOLDER, PICTURES_FILE = "images", "images.npy"
"""Where students find the pictures: in folders, as they are handed in, and in one array in the order of the names."""
TRAINING_FILE, LABELS_FILE = "training_images.npy", "training_labels.npy"
PROXIES_FOLDER, MODEL_FILE = "proxies", "model.py"


def form_of(classes: tuple[str, ...]) -> ImagesFormat:
    """The pictures as they are handed in: `cat/cat1.png` to `cat/cat20.png` of each class."""
    names = tuple(f"{one}/{one}{number}.png" for one in classes for number in range(1, EACH + 1))
    return ImagesFormat(len(names), SIDE, SIDE, MAX_BYTES, "png", names)


def still_right(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """Whether the black box still names each picture rightly (n,)."""
    return predictions["right"]


ATTACKED = Metric("attacked_accuracy_loss", "accuracy under attack", False, 0.0, 1.0, 5, still_right)
"""The share of pictures that the black box still names rightly.

>>> import numpy as np
>>> found = ATTACKED.rows({}, {"right": np.array([True, False, False, True])})
>>> ATTACKED.value(found), ATTACKED.value(found, np.array([True, True, True, False]))
(0.5, 0.3333333333333333)
"""

JUDGE = Judge(
    Place("tasks.hw10_attack.judge:version"),
    Place("tasks.hw10_attack.judge:check"),
    Place("tasks.hw10_attack.judge:run"),
    needs=(PICTURES_FILE,),
)
CIFAR_SOURCE = (
    "pictures of CIFAR-10 (Krizhevsky, 2009) that are given; licence not stated. The networks are trained here on those"
    " of its training part"
)


def _measured(seeds: str, command: str, *levels: tuple[str, float, float]) -> tuple[Bar, ...]:
    """Bars at the mean public score of each (level, mean, standard deviation)."""
    return tuple(
        Bar(
            name,
            ((ATTACKED.name, mean),),
            f"measured: level {name}, seeds {seeds} (world, split and attack), public {ATTACKED.label} mean {mean:.4f} "
            f"± {spread:.4f} (standard deviation), python tests/bench/{command}",
            size="small",
        )
        for name, mean, spread in levels
    )


UNSURE = {"2021": ("the medium bar: 0.350 in one copy of the slides, 0.380 in a later one",)}


def _course(year: str, *levels: tuple[str, float, float]) -> Edition:
    """An edition of the course: (level, accuracy, points)."""
    source = f"official {year}, not comparable: the course's black box was never published"
    bars = tuple(
        Bar(name, ((ATTACKED.name, line),), source, points=(points, points), comparable=False)
        for name, line, points in levels
    )
    return Edition(
        year,
        f"the course's 200 {CIFAR_SOURCE}, since the course's black box is not known",
        form_of(CIFAR),
        (ATTACKED,),
        bars,
        Rules(quota_zone="Asia/Taipei"),
        Place("tasks.hw10_attack.judge:make", ("official", "course")),
        official=True,
        judge=JUDGE,
        unsure=UNSURE.get(year, ()),
    )


TASK = Task(
    "hw10",
    "Adversarial attack: fool a hidden ensemble",
    (
        Edition(
            "builtin",
            "a seeded world of painted things (tasks/things.py) and networks trained on them, MIT",
            form_of(KINDS),
            (ATTACKED,),
            _measured(
                "300-302",
                "ladder.py hw10 --seeds 300-302 --no-tricks",
                ("simple", 0.8133, 0.0153), ("medium", 0.7433, 0.0462),
                ("strong", 0.5867, 0.0513), ("boss", 0.5133, 0.0666),
            ),
            Rules(),
            Place("tasks.hw10_attack.judge:make", ("world", "builtin")),
            judge=JUDGE,
        ),
        Edition(
            "cifar10",
            f"{CIFAR_SOURCE}; the attacked ones are of its test part, and on the internet",
            form_of(CIFAR),
            (ATTACKED,),
            (),
            Rules(),
            Place("tasks.hw10_attack.judge:make", ("official", "cifar10")),
            official=True,
            judge=JUDGE,
        ),
        _course("2021", ("simple", 0.65, 1), ("medium", 0.38, 1), ("strong", 0.18, 0.5), ("boss", 0.05, 0.5)),
        _course("2022", ("simple", 0.7, 0.5), ("medium", 0.5, 0.5), ("strong", 0.3, 0.5), ("boss", 0.15, 0.5)),
        _course("2023", ("simple", 0.7, 0.5), ("medium", 0.5, 0.5), ("strong", 0.25, 0.5), ("boss", 0.1, 0.5)),
    ),
)  # fmt: skip
