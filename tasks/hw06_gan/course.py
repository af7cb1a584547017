"""The course's own faces (Crypko, 71,314 in the course), with a hidden part carved out of them, 2021 and 2022.

The course's server compared submissions with its own images by a method that was never published: detector, weights,
layer, size and number of images are unknown, and its FID of 8,200 to 30,000 is on an unknown scale. So its thresholds
are shown and cannot be compared with the numbers here.

The source is a folder or a zip with `faces/*.jpg` (or with the zip of them), `lbpcascade_animeface.xml` for the face
rate, and, for the usual FID, the published Inception weights. Without the weights the features are those of the
default network, which is trained on drawn faces, and every result says so.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.archives import DAMAGED
from tasks.base import PUBLIC, Made, UserError
from tasks.hw06_gan import inception, judge, networks, world
from tasks.streams import Streams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8]

HIDDEN = 5000
"""The most faces that are hidden; never more than half of all."""
LEAST = 100
MAX_BYTES = 8 * 2**20  # of a file other than the weights
MAX_SIDE = 4096
_FACE = re.compile(r"([0-9]{1,9})\.jpe?g", re.IGNORECASE)


def make(public: Path, streams: Streams, size: str, source: Path | None) -> Made:
    """Write the faces that students get, 64 × 64, into `public` and return the hidden ones as answers.

    All answers are public: the course has one board. Raises UserError where a file is missing or damaged.
    """
    import numpy as np

    assert source is not None, "an official edition is made from files"
    networks.require_torch()
    found = find(source)
    if judge.CASCADE_FILE not in found.files:
        raise UserError(
            f"{source}: expected the cascade {judge.CASCADE_FILE} next to the faces, which the course's face rate"
            " needs; it is not there. Download it from github.com/nagadomi/lbpcascade_animeface."
        )
    cascade = found.files[judge.CASCADE_FILE]
    judge.cascade_faces(cascade, np.zeros((1, 64, 64, 3), np.uint8))
    images = distinct(np.stack([resized(data, f"{number}.jpg") for number, data in found.faces.items()]))
    if len(images) < LEAST:
        raise UserError(f"{source}: expected at least {LEAST} different faces; found {len(images)}.")
    order = streams.generator("hidden faces").permutation(len(images))
    hidden_count = min(HIDDEN, len(images) // 2)
    hidden = np.stack([world.decode(world.encode(images[place])) for place in order[:hidden_count]])
    secret = {judge.CASCADE_FILE: cascade}
    weights = next((name for name in inception.NAMES if name in found.files), None)
    if weights is not None:
        secret[inception.FILE] = inception.convert(found.files[weights], weights)
    else:
        secret[networks.FEATURES_FILE] = networks.train(streams, size)[networks.FEATURES_FILE]
    (public / "faces").mkdir()
    shown = []
    for number, place in enumerate(sorted(order[hidden_count:])):
        data = world.encode(images[place])
        (public / "faces" / f"{number}.jpg").write_bytes(data)
        shown.append(world.decode(data))
    # The course's files are on the internet, so the hidden faces could be submitted as well.
    return judge.prepared(np.concatenate([shown, hidden]), hidden, secret, PUBLIC)


@dataclass(frozen=True)
class Found:
    """The contents of a source: the faces by number, in that order, and the other files by name."""

    faces: Mapping[int, bytes]
    files: Mapping[str, bytes]


def find(source: Path) -> Found:
    """The faces, the cascade and the weights of a folder or zip; faces may be in a zip of the folder, or in both."""
    faces: dict[int, bytes] = {}
    files: dict[str, bytes] = {}
    wanted = {judge.CASCADE_FILE: MAX_BYTES, **dict.fromkeys(inception.NAMES, inception.BYTES)}
    places = [source, *sorted(source.glob("*.zip"))] if source.is_dir() else [source]
    for place in places:
        try:
            for name, read in _entries(place):
                if name in wanted:
                    files[name] = read(wanted[name])
                elif match := _FACE.fullmatch(name):
                    number, data = int(match[1]), read(MAX_BYTES)
                    if faces.setdefault(number, data) != data:
                        raise UserError(
                            f"{source}: expected one face of each number; {place} has another {number}.jpg."
                        )
        except DAMAGED as error:
            raise UserError(f"{place}: expected a folder or a zip; it cannot be read ({error}).") from error
    if len(faces) < LEAST:
        raise UserError(
            f"{source}: expected the course's faces, faces/0.jpg, faces/1.jpg, … (at least {LEAST}); "
            f"found {len(faces)}. Give the folder or the zip as the course handed it out."
        )
    return Found(dict(sorted(faces.items())), files)


def _entries(place: Path) -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """The files of a folder and its `faces`, or of a zip: each name with a function that reads at most n bytes."""
    if place.is_dir():
        for path in sorted(place.iterdir()) + sorted((place / "faces").glob("*")):
            if path.is_file():
                yield path.name, partial(_read_file, path)
        return
    if not place.exists():
        raise UserError(f"{place}: no such folder or zip; give the path of the course's files.")
    with zipfile.ZipFile(place) as archive:
        for member in archive.infolist():
            name = member.filename.rsplit("/", 1)[-1]
            if not member.is_dir() and not name.startswith("."):
                yield name, partial(_read_member, archive, member)


def _read_file(path: Path, most: int) -> bytes:
    with path.open("rb") as stream:
        return _capped(stream.read(most + 1), path.name, most)


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    with archive.open(member) as stream:
        return _capped(stream.read(most + 1), member.filename, most)


def _capped(data: bytes, name: str, most: int) -> bytes:
    if len(data) > most:
        raise UserError(f"{name}: expected at most {most:,} bytes; this is not the course's file.")
    return data


def resized(data: bytes, name: str) -> Images:
    """A face at 64 × 64 pixels, as the course's sample code makes it: Pillow's bilinear filter, the whole image."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            if max(image.size) > MAX_SIDE:
                raise UserError(f"{name}: expected at most {MAX_SIDE} pixels a side; found {image.size}.")
            pixels = np.asarray(image.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{name}: expected a JPEG image; it cannot be read ({error}). Download it again.") from error
    return pixels


def distinct(images: Images) -> Images:
    """The images without duplicates, so that no hidden face is among those that students get."""
    first: dict[bytes, int] = {}
    for place, image in enumerate(images):
        first.setdefault(hashlib.sha256(image).digest(), place)
    return images[list(first.values())]
