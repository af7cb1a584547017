"""The judge of HW10: no colour of a pixel may be far from the given picture, and the black box names what is left.

The black box is three networks on one thread of a CPU, over batches that always have the same number of pictures, so a
picture's class depends neither on the others nor on the number of cores.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Judged, Made, Place, Problem, SubmissionError, UserError
from tasks.formats import Format, ImagesFormat
from tasks.hw10_attack import EPSILON, PICTURES_FILE
from tasks.models import machine
from tasks.streams import Streams

CODES = {
    "E_BALL": (
        f"A colour of a pixel differs by more than {EPSILON} from the given picture. Clip what you add to ±{EPSILON}, "
        "and save the picture as PNG, which keeps every pixel."
    ),
}
"""The error codes for pictures that can be read but are too far away. Codes are stable."""
MOST_SHOWN = 20
"""Pictures that are named."""


def version() -> str:
    """What can change a class beside the folders: what runs the networks and the defence, and the machine."""
    return " ".join(("black box 1", *(f"{name} {_installed(name)}" for name in ("torch", "pillow")), machine()))


def _installed(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "none"


def check(form: Format, predictions: Columns, folder: Path | None) -> Judged:
    """The predictions, unless a pixel is out of its ball. Raises SubmissionError that names every such picture."""
    assert isinstance(form, ImagesFormat)
    if folder is None or not (folder / PICTURES_FILE).exists():
        return Judged(predictions, ("not compared with the given pictures, which are not here; the course does that",))
    given = _given(folder / PICTURES_FILE, predictions["image"].shape)
    moved = np.abs(predictions["image"].astype(np.int16) - given)  # (n, s, s, 3)
    far = np.flatnonzero((moved > EPSILON).any(axis=(1, 2, 3)))
    problems = []
    for place in far[:MOST_SHOWN].tolist():
        here = moved[place]
        row, column, colour = np.unravel_index(here.argmax(), here.shape)
        count = int((here > EPSILON).any(axis=-1).sum())
        was, now = (int(one[place, row, column, colour]) for one in (given, predictions["image"]))
        message = (
            f"{form.names[place]}: {count:,} {'pixel differs' if count == 1 else 'pixels differ'} by more than "
            f"{EPSILON}; the most in row {row}, column {column}, {('red', 'green', 'blue')[colour]}: {now}, given "
            f"{was}."
        )
        problems.append(
            Problem(
                "E_BALL",
                message,
                column=form.names[place],
                found=str(now),
                expected=f"{max(0, was - EPSILON)} to {min(255, was + EPSILON)}",
            )
        )
    if problems:
        raise SubmissionError(problems, len(far))
    return Judged(predictions)


def _given(path: Path, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """The given pictures. Raises UserError where they are damaged."""
    try:
        pictures = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        pictures = None
    if pictures is None or pictures.dtype != np.uint8 or pictures.shape != shape:
        raise UserError(f"{path}: the given pictures are damaged; download or prepare them again.")
    return np.asarray(pictures, np.int16)


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The column "right" (n,): whether the black box still names each picture."""
    _require_torch()
    found: Judged = Place("tasks.hw10_attack.victims:run")(form, predictions, secret)
    return found


def make(where: str, kind: str, public: Path, streams: Streams, size: str, source: Path | None, secret: Path) -> Made:
    """A competition by `make` of the module `where`, which trains networks."""
    _require_torch()
    made: Made = Place(f"tasks.hw10_attack.{where}:make", (kind,))(public, streams, size, source, secret)
    return made


def _require_torch() -> None:
    """Raises UserError with the command to install where a package that runs networks is missing."""
    for package in ("torch", "safetensors", "PIL"):
        if find_spec(package) is None:
            raise UserError(
                f'HW10 needs {package}, which is not installed; install it with: pip install "lhy-grade[train]"'
            )
