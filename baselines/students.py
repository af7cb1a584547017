"""HW13 with the course's own pictures: a student's form, a teacher of one's own, and the table that is handed in.

The course's teachers are not read, see `tasks.hw13_compression.official`. In 2022 its rules ask for a teacher that is
trained on the given pictures, and so is the one here, of the built-in data's architecture.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from baselines.common import table
from baselines.run import Run, write_file
from tasks.formats import Format, TableFormat, format_from_json
from tasks.hw03_cnn import Layout
from tasks.hw13_compression import LAYOUTS, STUDENTS, TEACHER_FILE
from tasks.tensor_formats import ModelFormat

SIDE = 64
"""Pixels of a student's picture; those of the course are larger."""
EPOCHS, WIDTHS = 40, (32, 64, 128)
"""Of the teacher's training, and the channels of its stages."""


def form_of(public: Path) -> Format:
    """The format of a submission."""
    return format_from_json(json.loads((public / "format.json").read_text(encoding="utf-8")))


def student_of(form: Format) -> ModelFormat:
    """The format of the network that makes a submission, which is the submission itself in the built-in data."""
    return form if isinstance(form, ModelFormat) else next(one for one in STUDENTS if one.inputs[0].shape[1] == SIDE)


def layout_of(public: Path) -> Layout:
    """The folders of the pictures."""
    return next((layout for layout in LAYOUTS if (public / layout.root).is_dir()), LAYOUTS[0])


def teacher_of(public: Path, run: Run, pixels: Tensor, labels: Tensor) -> Path:
    """The file of the given teacher or, where none is given, of one trained on labelled pictures (n, 3, side, side)."""
    if (public / TEACHER_FILE).exists():
        return public / TEACHER_FILE
    from tasks.hw13_compression.world import Counts, train_teacher  # which loads Pillow

    counts = Counts(0, 0, 0, 0, 0, EPOCHS, WIDTHS)

    def make(own: Run) -> None:
        named = (labels >= 0).cpu()
        images = pixels.cpu()[named].permute(0, 2, 3, 1).numpy()
        write_file(own.folder / TEACHER_FILE, train_teacher(images, labels.cpu()[named].numpy(), counts, run.seed))

    settings = {"epochs": EPOCHS, "widths": WIDTHS, "side": pixels.shape[-1]}
    return run.shared("teacher", settings, make) / TEACHER_FILE


def written(student: nn.Module, graph: bytes, public: Path, run: Run) -> bytes:
    """What is handed in: the graph or, with the course's own pictures, a table; the graph is then left beside it."""
    form, layout = form_of(public), layout_of(public)
    if not isinstance(form, TableFormat):
        return graph
    from tasks.hw13_compression.official import resized  # which loads Pillow

    write_file(run.folder / "student.onnx", graph)
    found: list[int] = []
    for number in range(len(form)):
        picture = torch.from_numpy(np.array(resized(public / layout.test_name(number), SIDE)))
        with torch.inference_mode():
            found.append(int(student(picture.permute(2, 0, 1)[None] / 255).argmax()))  # (1, classes)
    return table(form.header, [str(name) for name in form.ids], [str(label) for label in found])
