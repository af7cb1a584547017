"""The course's own pictures of HW13, 2021 and 2022, and the rule by which a network is shown to have made a table.

The pictures are food-11 as in HW3, and its importer reads them: the labels of the course's test pictures were never
published, so a quarter of every class of training and validation pictures becomes the hidden test. In 2022 the course
renumbered the same test pictures and called their folder `evaluation`.

The course's teacher is not needed and not read: that of 2021 is a pickled module, which runs code when it is loaded,
that of 2022 a file of weights for torchvision's ResNet-18. It stays what students may use.

A table does not say which network made it. So each entry is "size not verified" until a network of at most 100,000
numbers has given 99 % of its rows again, see `classes`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.apart import Limits
from tasks.base import Columns, Made
from tasks.formats import TableFormat
from tasks.hw03_cnn import Layout
from tasks.hw03_cnn import official as pictures
from tasks.hw13_compression import LAYOUTS, TARGET
from tasks.hw13_compression.judge import named
from tasks.models import Model
from tasks.pictures import decoded
from tasks.streams import Streams
from tasks.tensor_formats import ModelFormat

LIMITS = Limits(seconds=7200.0, memory=4 * 2**30)
"""For a network on all test pictures: with 265 million multiplications a picture, as in the sample at 128 pixels, it
takes minutes."""


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None
) -> Made:
    """Write the pictures that students get into `public`, in the course's layout, and return the hidden classes."""
    return pictures.make(layout, public, streams, size, source, secret, LAYOUTS)


def classes(layout: Layout, form: ModelFormat, predictions: Columns, table: TableFormat, public: Path) -> Columns:
    """The column of the classes (n,) that a network names for the test pictures in `public`. Raises SubmissionError.

    A picture is made upright and RGB and resized to the network's square, as a whole, by Pillow's bilinear filter, as
    `torchvision.transforms.Resize((side, side))` does; its values are divided by 255.
    """
    side = form.inputs[0].shape[1]
    with Model(form, predictions, LIMITS, strict=False) as model:
        found = [named(model, resized(public / layout.test_name(number), side)) for number in range(len(table))]
    return {TARGET: np.array(found)}


def resized(path: Path, side: int) -> NDArray[np.uint8]:
    """A picture of a file as (side, side, 3)."""
    picture, _ = decoded(path.read_bytes(), path.name, ("JPEG",))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), dtype=np.uint8)
