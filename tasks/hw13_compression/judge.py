"""The judge of HW13: runs the network that is handed in on pictures that nobody has, and takes its largest number.

`tasks.models` runs it, on one thread and confined. Each picture is run alone, so that a network cannot see others, not
even one that treats them alone only while it is tried. A picture for which it fails, or gives a number that is not
finite, has no class: were the network refused for it, the refusal would say something about the hidden pictures, those
of the private board too. It is refused for time and memory, which nearly always depend on the network alone.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Judged, Made, Place, SubmissionError, UserError
from tasks.formats import Format
from tasks.hw13_compression import PICTURES_FILE, TARGET
from tasks.models import Model
from tasks.models import version as runtime_version
from tasks.streams import Streams
from tasks.tensor_formats import ModelFormat

ENDED = "the network took too much time or memory, or ended, on a hidden picture; it and those after it count as wrong"
NONE = -1
"""The class of a picture for which a network fails or gives numbers that are not finite."""


def version() -> str:
    """Everything known to change a class beside the folders."""
    return f"students 1 {runtime_version()}"


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The column of the class (n,) that the network names for each hidden picture. Raises SubmissionError.

    One that ends its process on a picture names neither it nor those after it: a refusal would cost no slot, and its
    code would tell something of the hidden pictures.
    """
    assert isinstance(form, ModelFormat)
    images = np.load(secret / PICTURES_FILE, allow_pickle=False)
    found = np.full(len(images), NONE)
    with Model(form, predictions, strict=False) as model:
        for at, image in enumerate(images):
            try:
                found[at] = named(model, image)
            except SubmissionError:
                return Judged({TARGET: found}, (ENDED,))
    return Judged({TARGET: found})


def named(model: Model, image: NDArray[np.uint8]) -> int:
    """The class of a picture (s, s, 3), the first of equal ones."""
    (logits,) = model(image.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    return int(logits.argmax()) if np.isfinite(logits).all() else NONE


def make(public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None) -> Made:
    """The built-in world, which trains a network."""
    for package in ("torch", "safetensors", "PIL"):
        if find_spec(package) is None:
            raise UserError(
                f'HW13 needs {package}, which is not installed; install it with: pip install "lhy-grade[train]"'
            )
    made: Made = Place("tasks.hw13_compression.world:make")(public, streams, size, source, secret)
    return made
