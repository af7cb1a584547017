"""The course's own faces (Crypko, 71,314 in the course), with a hidden part carved out of them, 2021 and 2022.

The course's server compared submissions with its own images by a method that was never published: detector, weights,
layer, size and number of images are unknown, and its FID of 8,200 to 30,000 is on an unknown scale. So its thresholds
are shown and cannot be compared with the numbers here.

The source is a folder or an archive with `faces/*.jpg` (or the archive of them), `lbpcascade_animeface.xml` for the
face rate, and, for the usual FID, the published Inception weights. Without the weights the features are those of the
default network, which is trained on drawn faces, and every result says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.base import PUBLIC, Made
from tasks.hw06_gan import inception, judge, networks, world
from tasks.pictures import decoded
from tasks.sources import opened, refused
from tasks.streams import Streams

Images = NDArray[np.uint8]

HIDDEN = 5000
"""The most faces that are hidden; never more than half of all."""
LEAST = 100
MAX_BYTES = 8 * 2**20  # of a file other than the weights
FACE = re.compile(r"([0-9]{1,9})\.jpe?g", re.IGNORECASE)


def make(public: Path, streams: Streams, size: str, source: Path | None, secret: Path) -> Made:
    """Write the faces that students get, 64 × 64, into `public` and return the hidden ones as answers.

    All answers are public: the course has one board. Raises UserError where a file is missing or damaged.
    """
    assert source is not None, "an official edition is made from files"
    networks.require_torch()
    found = find(source)
    cascade = found.files[judge.CASCADE_FILE]
    judge.cascade_faces(cascade, np.zeros((1, 64, 64, 3), np.uint8))
    images = distinct(np.stack([resized(data, f"{number}.jpg") for number, data in found.faces.items()]))
    if len(images) < LEAST:
        raise refused(f"{source}: expected at least {LEAST} different faces; found {len(images)}.")
    order = streams.generator("hidden faces").permutation(len(images))
    hidden_count = min(HIDDEN, len(images) // 2)
    hidden = np.stack([world.decode(world.encode(images[place])) for place in order[:hidden_count]])
    files = {judge.CASCADE_FILE: cascade}
    weights = next((name for name in inception.NAMES if name in found.files), None)
    if weights is not None:
        files[inception.FILE] = inception.convert(found.files[weights], weights)
    else:
        files |= networks.train(streams, size, detector=False)
    (public / "faces").mkdir()
    shown = []
    for number, place in enumerate(sorted(order[hidden_count:])):
        data = world.encode(images[place])
        (public / "faces" / f"{number}.jpg").write_bytes(data)
        shown.append(world.decode(data))
    # The course's files are on the internet, so the hidden faces could be submitted as well.
    return judge.prepared(np.concatenate([shown, hidden]), hidden, files, secret, PUBLIC)


@dataclass(frozen=True)
class Found:
    """The contents of a source: the faces by number, in that order, and the other files by name."""

    faces: Mapping[int, bytes]
    files: Mapping[str, bytes]


def find(source: Path) -> Found:
    """The faces, the cascade and the weights of a source; equal faces of one number count as one."""
    faces: dict[int, bytes] = {}
    most = {judge.CASCADE_FILE: MAX_BYTES, **dict.fromkeys(inception.NAMES, inception.BYTES)}
    names = "|".join(map(re.escape, most))
    with opened(source, rf"{FACE.pattern}|{names}") as given:
        for path in given.paths:
            match = FACE.fullmatch(path.rpartition("/")[2])
            if match is None:
                continue
            number, data = int(match[1]), given.read(path, MAX_BYTES)
            if faces.setdefault(number, data) != data:
                raise refused(
                    f"{source}: expected one face of each number; {path} is another {number}.jpg.", "E_SOURCE_TWICE"
                )
        if len(faces) < LEAST:
            raise refused(
                f"{source}: expected the course's faces, faces/0.jpg, faces/1.jpg, … (at least {LEAST}); "
                f"found {len(faces)}. Give the folder or the zip as the course handed it out.",
                "E_SOURCE_MISSING",
            )
        if given.find(judge.CASCADE_FILE) is None:
            raise given.missing(
                f"the cascade {judge.CASCADE_FILE} next to the faces, which the course's face rate needs",
                " Download it from github.com/nagadomi/lbpcascade_animeface.",
            )
        places = {name: given.find(name) for name in most}
        files = {name: given.read(path, most[name]) for name, path in places.items() if path is not None}
    return Found(dict(sorted(faces.items())), files)


def resized(data: bytes, name: str) -> Images:
    """A face at 64 × 64 pixels, as the course's sample code makes it: Pillow's bilinear filter, the whole image."""
    face = decoded(data, name)[0]
    return np.asarray(face.resize((64, 64), Image.Resampling.BILINEAR))


def distinct(images: Images) -> Images:
    """The images without duplicates, so that no hidden face is among those that students get."""
    first: dict[bytes, int] = {}
    for place, image in enumerate(images):
        first.setdefault(hashlib.sha256(image).digest(), place)
    return images[list(first.values())]
