"""The course's own faces of HW8, 2021 and 2022, and a hidden test made from them.

The official test labels were never published and the training set has only normal faces, so `testingset.npy` is of no
use and is not read. Faces that equal an earlier one, but for compression or a little noise, are dropped; another
photograph of the same person is not. Then as many faces as the course's test has normal ones, but at most a fifth of
all, are taken out and become the normal test images. The other half of the test are anomalies:

- altered faces, in six equal kinds, made from more faces that are taken out: upside down, squares shuffled, the halves
  of two faces, eyes and mouth exchanged, a part erased, the middle twisted. No landmarks are used: eyes and mouth are
  assumed to be where they are in a face that fills the picture.
- other pictures, as many: from the only `anomalies.npy` of the source, else the JPEG and PNG files of a folder
  `anomalies` in it, where the instructor adds one, without copies of each other or of a face; else the drawings and
  textures of the built-in world, which are easily distinguished from photographs. Files are cropped to the middle
  square and resized to 64 x 64; a set of one size and one source is easier to recognise.

So the test differs from the course's: its bars are shown only for orientation.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from tasks.base import Answers, Made
from tasks.copies import same_groups
from tasks.hw08_anomaly import LAYOUTS, SIDE, TEST_FILE, TRAIN_FILE, Layout
from tasks.hw08_anomaly.world import CHECKED, pictures
from tasks.pictures import given, jigsaw, square, tiles
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

OTHER_FILE, OTHER_FOLDER = "anomalies.npy", "anomalies"
WANTED = rf"trainingset\.npy|anomalies\.npy|{OTHER_FOLDER}/.+"
IN_FOLDER = re.compile(rf"(?P<folder>(.*/)?{OTHER_FOLDER})/.+", re.IGNORECASE)
PIECE = 500  # images read at a time
FEWEST = 100
SAME = 2.5
"""The largest distance between thumbnails of the same image, in grey levels, as a root mean square.

Recompressed at quality 75, images of 64 pixels move by up to 2 levels; the nearest two Olivetti faces are 2.6 apart.
"""
DRAWN = ("cartoon", "animal", "things", "landscape", "pattern", "plain")
ALTERED = ("inverted", "shuffled", "halves", "exchanged", "erased", "twisted")


def read_pieces(file: IO[bytes], name: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The number of images in an array file, and its images (at most 500, 64, 64, 3), piece after piece.

    Raises UserError for anything but images of 64 x 64 pixels and three colours, in whole numbers from 0 to 255.
    """
    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_column, dtype = header(file)
    except (ValueError, SyntaxError, tokenize.TokenError) as error:
        raise refused(f"{name}: expected an array in NumPy's .npy format; it cannot be read ({error}).") from error
    if dtype.kind not in "uif" or len(shape) != 4 or shape[1:] != (SIDE, SIDE, 3) or shape[0] < 1 or by_column:
        raise refused(
            f"{name}: expected numbers of the shape (n, {SIDE}, {SIDE}, 3) in C order; found {dtype} {shape}"
            f"{' in Fortran order' if by_column else ''}."
        )
    for start in range(0, shape[0], PIECE):
        wanted = min(PIECE, shape[0] - start)
        data = file.read(wanted * SIDE * SIDE * 3 * dtype.itemsize)
        if len(data) < wanted * SIDE * SIDE * 3 * dtype.itemsize:
            raise refused(f"{name}: expected {shape[0]} images; the file is cut off after {start} or more.")
        values = np.frombuffer(data, dtype).reshape(wanted, SIDE, SIDE, 3)
        if dtype != np.uint8:
            if not (
                np.isfinite(values).all() and values.min() >= 0 and values.max() <= 255 and (values % 1 == 0).all()
            ):
                raise refused(f"{name}, from image {start}: expected whole numbers from 0 to 255; found others.")
            values = values.astype(np.uint8)
        yield shape[0], values


def training_pieces(source: Source, layout: Layout) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The training images. Raises UserError where they are missing, too few or those of the other year."""
    with source.open(source.need(TRAIN_FILE, note=f" of the {layout.year} edition")) as file:
        for count, piece in read_pieces(file, TRAIN_FILE):
            for other in LAYOUTS:
                if count == other.train_images and other is not layout:
                    raise refused(
                        f"{TRAIN_FILE}: {count} images are those of {other.year}, not of {layout.year}; "
                        f"use --edition {other.year}."
                    )
            if count < FEWEST:
                raise refused(f"{TRAIN_FILE}: expected at least {FEWEST} faces; found {count}.")
            yield count, piece


def other_pictures(source: Source, wanted: int, rng: np.random.Generator) -> dict[str, NDArray[np.uint8]]:
    """`wanted` pictures without a face, by kind: the instructor's own, else drawn ones.

    If the instructor's set is smaller, all of it is used.
    """
    array = source.find(OTHER_FILE)
    if array is not None:
        with source.open(array) as file:
            every = np.concatenate([piece for _, piece in read_pieces(file, OTHER_FILE)])
        return {"given": every[np.sort(rng.permutation(len(every))[:wanted])]}
    inside = [match for path in source.unpacked().paths if (match := IN_FOLDER.fullmatch(path))]
    folders = sorted({match["folder"] for match in inside})
    if len(folders) > 1:
        raise refused(
            f"{source.name}: expected one folder {OTHER_FOLDER}; found {', '.join(folders[:3])}.", "E_SOURCE_TWICE"
        )
    if folders:
        paths = [match[0] for match in inside if match[0].lower().endswith((".jpg", ".jpeg", ".png"))]
        if not paths:
            raise refused(f"{source.name}, {folders[0]}: expected JPEG or PNG files; found none.", "E_SOURCE_MISSING")
        chosen = [paths[place] for place in np.sort(rng.permutation(len(paths))[:wanted])]
        return {"given": np.stack([square(given(source, path)[0], SIDE) for path in chosen])}
    shares = np.bincount(np.arange(wanted) % len(DRAWN), minlength=len(DRAWN)).tolist()
    return {kind: pictures(kind, rng, count) for kind, count in zip(DRAWN, shares, strict=True) if count}


def alter(kind: str, face: NDArray[np.uint8], other: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One face (64, 64, 3), altered; `other` is the face of the right half, for "halves"."""
    if kind == "inverted":
        return face[::-1]
    if kind == "halves":
        return np.concatenate([face[:, : SIDE // 2], other[:, SIDE // 2 :]], axis=1)
    if kind == "shuffled":
        return jigsaw(face, int(rng.choice([2, 4])), rng)
    changed = face.copy()
    if kind == "exchanged":
        eyes, mouth = slice(18, 30), slice(40, 52)
        changed[eyes, 12:52], changed[mouth, 12:52] = face[mouth, 12:52], face[eyes, 12:52]
    elif kind == "erased":
        top, bottom = (17, 32) if rng.random() < 0.5 else (36, 54)
        fade = np.linspace(0, 1, bottom - top)[:, None, None]
        changed[top:bottom, 10:54] = (1 - fade) * face[top, 10:54] + fade * face[bottom, 10:54]
    else:
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        turn = rng.uniform(1.2, 3.0) * np.clip(1 - np.hypot(x, y) / 26, 0, 1)
        across, down = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
        places = np.rint(np.stack([down, across]) + (SIDE - 1) / 2).astype(int).clip(0, SIDE - 1)
        changed = face[places[0], places[1]]
    return changed


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None
) -> Made:
    """Write the carved competition into the year's folder in `public`."""
    with opened(source, WANTED) as files:
        return carve(layout, public, streams, files)


def carve(layout: Layout, public: Path, streams: Streams, source: Source) -> Made:
    """The competition of the year, from opened files."""
    small = np.concatenate([tiles(piece) for _, piece in training_pieces(source, layout)])
    unique = np.unique(same_groups(small, SAME))
    if len(unique) < FEWEST:
        raise refused(f"{TRAIN_FILE}: expected at least {FEWEST} different faces; found {len(unique)}.")
    half = min((layout.test_images + 1) // 2, len(unique) // 5)
    others = other_pictures(source, half // 2, streams.generator("other pictures"))
    if "given" in others:
        both = np.concatenate([small[unique], tiles(others["given"])])
        fresh = np.unique(same_groups(both, SAME))
        others["given"] = others["given"][fresh[fresh >= len(unique)] - len(unique)]
        if not len(others["given"]):
            raise refused(
                f"{source.name}: expected {OTHER_FOLDER} that are not faces; all of them are among the faces."
            )
    altered = half - sum(map(len, others.values()))
    order = streams.generator("hidden faces").permutation(unique)
    role = np.zeros(len(small), dtype=np.int8)
    role[order[:half]], role[order[half : half + altered]], role[order[half + altered :]] = 2, 3, 1

    (public / layout.folder).mkdir()
    shape = (len(order) - half - altered, SIDE, SIDE, 3)
    train = open_memmap(public / layout.folder / TRAIN_FILE, mode="w+", dtype=np.uint8, shape=shape)
    held: dict[int, list[Any]] = {2: [], 3: []}
    place = written = 0
    for _, piece in training_pieces(source, layout):
        roles = role[place : place + len(piece)]
        kept = piece[roles == 1]
        train[written : written + len(kept)] = kept
        written, place = written + len(kept), place + len(piece)
        for number, taken in held.items():
            taken.append(piece[roles == number])
    train.flush()

    faces = np.concatenate(held[3])
    rng = streams.generator("altered faces")
    faces = faces[rng.permutation(len(faces))]
    kinds = np.resize(np.array(ALTERED), len(faces))
    right = faces.copy()  # halves are exchanged among themselves: no two test images share a piece of a face
    right[kinds == "halves"] = np.roll(faces[kinds == "halves"], 1, axis=0)
    changed = [alter(kind, face, other, rng) for kind, face, other in zip(kinds.tolist(), faces, right, strict=True)]
    images = np.concatenate([*held[2], np.stack(changed), *others.values()])
    names = np.array(["normal"] * half + kinds.tolist() + [kind for kind, some in others.items() for _ in some])
    surplus = max(0, len(images) - layout.test_images)  # the course's count is odd: one normal image fewer
    return finished(layout, public, streams, train, images[surplus:], names[surplus:])


def finished(
    layout: Layout,
    public: Path,
    streams: Streams,
    train: NDArray[np.uint8],
    images: NDArray[np.uint8],
    kinds: NDArray[np.str_],
    groups: NDArray[np.str_] | None = None,
    train_groups: NDArray[np.str_] | None = None,
) -> Made:
    """Write the test images in a secret order, and return which of them are not of the kind "normal"."""
    order = streams.generator("order").permutation(len(images))
    images, kinds = images[order], kinds[order]
    np.save(public / layout.folder / TEST_FILE, images, allow_pickle=False)
    labels = (kinds != "normal").astype(np.int64)
    groups = None if groups is None else groups[order]
    return Made(
        Answers(range(len(images)), {layout.column: labels}, groups=groups, strata=kinds),
        train=tiles(train[:CHECKED]),
        test=tiles(images[:CHECKED]),
        train_groups=train_groups,
    )
