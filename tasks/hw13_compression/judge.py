"""The judge of HW13: runs the network that is handed in on pictures that nobody has, and takes its largest number.

`tasks.models` runs it, on one thread and confined. All batches have as many rows, so that a picture's class depends
neither on the others nor on the number of cores. A number that is not finite names no class: were the network refused
for it, the refusal would say something about the hidden pictures, those of the private board too.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Judged, Made, Place, UserError
from tasks.formats import Format, ModelFormat
from tasks.hw13_compression import PICTURES_FILE, TARGET
from tasks.models import Model
from tasks.models import version as runtime_version
from tasks.streams import Streams

ROWS = 50
"""The pictures of every batch."""
NONE = -1
"""The class of a picture for which a network gives numbers that are not finite."""


def version() -> str:
    """Everything known to change a class beside the folders."""
    return f"students 1 {runtime_version()}"


def check(form: Format, predictions: Columns, folder: Path | None) -> Judged:
    """The predictions, once the network has run. Raises SubmissionError."""
    assert isinstance(form, ModelFormat)
    count = int(predictions["parameters"][0])
    with Model(form, predictions):
        return Judged(predictions, (f"{count:,} of at most {form.most_parameters:,} parameters",))


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The column of the class (n,) that the network names for each hidden picture. Raises SubmissionError."""
    assert isinstance(form, ModelFormat)
    images = np.load(secret / PICTURES_FILE, allow_pickle=False)
    with Model(form, predictions, finite=False) as model:
        return Judged({TARGET: named(model, images)})


def named(model: Model, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The class of each picture (n, s, s, 3), `NONE` where an output is not finite."""
    found = np.empty(len(images), np.int64)
    for at in range(0, len(images), ROWS):
        here = images[at : at + ROWS]
        x = np.zeros((ROWS, 3, *images.shape[1:3]), np.float32)
        x[: len(here)] = here.transpose(0, 3, 1, 2).astype(np.float32) / 255
        (logits,) = model(x)
        sure = np.isfinite(logits).all(axis=1)
        found[at : at + ROWS] = np.where(sure, logits.argmax(axis=1), NONE)[: len(here)]
    return found


def make(public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None) -> Made:
    """The built-in world, which trains a network."""
    for package in ("torch", "safetensors", "PIL"):
        if find_spec(package) is None:
            raise UserError(
                f'HW13 needs {package}, which is not installed; install it with: pip install "lhy-grade[train]"'
            )
    made: Made = Place("tasks.hw13_compression.world:make")(public, streams, size, source, secret)
    return made
