"""The course's own faces of HW8, 2021 and 2022, and a hidden test made from them.

The official test labels were never published and the training set holds normal faces only, so `testingset.npy` is of no
use and is not read. Training images that equal an earlier one to the last byte are dropped. Then as many faces as the
course's test has normal ones, but at most a fifth of all, are taken out and become the normal test images. The other
half of the test are anomalies:

- altered faces, in six equal kinds, made from more faces that are taken out: upside down, squares shuffled, the halves
  of two faces, eyes and mouth exchanged, a part erased, the middle twisted. No landmarks are used: eyes and mouth are
  taken to be where they are in a face that fills the picture.
- other pictures, as many: from `anomalies.npy` or a folder `anomalies` of JPEG or PNG files where the instructor puts
  one beside `trainingset.npy`, else the drawings and textures of the built-in world, which a photograph is easily told
  from. Files are cut to the middle square and resized to 64 x 64; a set of one size and one source is easier to tell.

So the scores are those of another test than the course's: its bars can be laid beside them, no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tasks.base import Answers, Made, UserError
from tasks.hw08_anomaly import LAYOUTS, SIDE, TEST_FILE, TRAIN_FILE, Layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIECE = 500  # images read at a time
FEWEST = 100
DRAWN = ("cartoon", "animal", "things", "landscape", "pattern", "plain")
ALTERED = ("inverted", "shuffled", "halves", "exchanged", "erased", "twisted")


@contextlib.contextmanager
def open_array(source: Path, name: str, layout: Layout) -> Iterator[IO[bytes] | None]:
    """The bytes of an array file in a folder, a zip or a tar.gz, or in the only archive of a folder; None without."""
    if source.is_dir():
        for place in (source / name, source / layout.folder / name):
            if place.is_file():
                with place.open("rb") as file:
                    yield file
                return
        archives = sorted([*source.glob("*.zip"), *source.glob("*.tar.gz")])
        if len(archives) != 1:
            yield None
            return
        source = archives[0]
    if not source.exists():
        raise UserError(f"{source}: no such folder or archive; give the place of the course's files.")
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                inside = [member for member in archive.infolist() if member.filename.rsplit("/", 1)[-1] == name]
                if not inside:
                    yield None
                    return
                with archive.open(inside[0]) as file:
                    yield file
        else:
            with tarfile.open(source, "r:*") as tar:
                found = next((member for member in tar if member.isfile() and Path(member.name).name == name), None)
                yield None if found is None else tar.extractfile(found)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, zlib.error) as error:
        raise UserError(f"{source}: expected a folder, a zip or a tar.gz; it cannot be read ({error}).") from error


def read_pieces(file: IO[bytes], name: str) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The number of images in an array file, and its images (at most 500, 64, 64, 3), piece after piece.

    Raises UserError for anything but images of 64 x 64 pixels and three colours, in whole numbers from 0 to 255.
    """
    import numpy as np
    from numpy.lib import format as npy

    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_column, dtype = header(file)
    except ValueError as error:
        raise UserError(f"{name}: expected an array in NumPy's .npy format; it cannot be read ({error}).") from error
    if dtype.kind not in "uif" or len(shape) != 4 or shape[1:] != (SIDE, SIDE, 3) or by_column:
        raise UserError(
            f"{name}: expected numbers of the shape (n, {SIDE}, {SIDE}, 3) in C order; found {dtype} {shape}"
            f"{' in Fortran order' if by_column else ''}."
        )
    for start in range(0, shape[0], PIECE):
        wanted = min(PIECE, shape[0] - start)
        data = file.read(wanted * SIDE * SIDE * 3 * dtype.itemsize)
        if len(data) < wanted * SIDE * SIDE * 3 * dtype.itemsize:
            raise UserError(f"{name}: expected {shape[0]} images; the file is cut off after {start} or more.")
        values = np.frombuffer(data, dtype).reshape(wanted, SIDE, SIDE, 3)
        if dtype != np.uint8:
            if not (
                np.isfinite(values).all() and values.min() >= 0 and values.max() <= 255 and (values % 1 == 0).all()
            ):
                raise UserError(f"{name}, from image {start}: expected whole numbers from 0 to 255; found others.")
            values = values.astype(np.uint8)
        yield shape[0], values


def training_pieces(source: Path, layout: Layout) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The training images. Raises UserError where they are missing, too few or those of the other year."""
    with open_array(source, TRAIN_FILE, layout) as file:
        if file is None:
            raise UserError(f"{source}: expected the file {TRAIN_FILE} of the {layout.year} edition; it is not there.")
        for count, piece in read_pieces(file, TRAIN_FILE):
            for other in LAYOUTS:
                if count == other.train_images and other is not layout:
                    raise UserError(
                        f"{TRAIN_FILE}: {count} images are those of {other.year}, not of {layout.year}; "
                        f"use --edition {other.year}."
                    )
            if count < FEWEST:
                raise UserError(f"{TRAIN_FILE}: expected at least {FEWEST} faces; found {count}.")
            yield count, piece


def other_pictures(source: Path, layout: Layout, wanted: int, rng: np.random.Generator) -> dict[str, NDArray[np.uint8]]:
    """`wanted` pictures that are no faces, by kind: the instructor's own, else drawn ones.

    Of an instructor's set that is smaller there are as many as it has.
    """
    import numpy as np

    from tasks.hw08_anomaly.world import pictures

    with open_array(source, "anomalies.npy", layout) as file:
        if file is not None:
            given = np.concatenate([piece for _, piece in read_pieces(file, "anomalies.npy")])
            return {"given": given[np.sort(rng.permutation(len(given))[:wanted])]}
    folder = source / "anomalies"
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        if not files:
            raise UserError(f"{folder}: expected JPEG or PNG files; found none.")
        chosen = np.sort(rng.permutation(len(files))[:wanted])
        return {"given": np.stack([read_picture(files[place]) for place in chosen.tolist()])}
    shares = np.bincount(np.arange(wanted) % len(DRAWN), minlength=len(DRAWN)).tolist()
    return {kind: pictures(kind, rng, count) for kind, count in zip(DRAWN, shares, strict=True) if count}


def read_picture(path: Path) -> NDArray[np.uint8]:
    """The middle square of a picture file, 64 x 64, RGB."""
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            fitted = ImageOps.fit(image.convert("RGB"), (SIDE, SIDE))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: expected a JPEG or PNG picture; it cannot be read ({error}).") from error
    return np.asarray(fitted, dtype=np.uint8)


def alter(kind: str, face: NDArray[np.uint8], other: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One face (64, 64, 3) altered; `other` is another face, for the halves."""
    import numpy as np

    if kind == "inverted":
        return face[::-1]
    if kind == "halves":
        return np.concatenate([face[:, : SIDE // 2], other[:, SIDE // 2 :]], axis=1)
    if kind == "shuffled":
        cells = int(rng.choice([2, 4]))
        side = SIDE // cells
        squares = face.reshape(cells, side, cells, side, 3).transpose(0, 2, 1, 3, 4).reshape(-1, side, side, 3)
        order = rng.permutation(len(squares))
        squares = squares[np.roll(order, 1)[np.argsort(order)]]  # one cycle: no square stays where it was
        return squares.reshape(cells, cells, side, side, 3).transpose(0, 2, 1, 3, 4).reshape(SIDE, SIDE, 3)
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


def make(layout: Layout, public: Path, seed: int, source: Path | None) -> Made:
    """Write the carved competition into the year's folder in `public`."""
    import numpy as np
    from numpy.lib.format import open_memmap

    from tasks.hw08_anomaly.world import thumbnails

    if source is None:
        raise UserError(
            f"The {layout.year} edition is made from the course's own files; give the folder or archive that holds "
            f"{TRAIN_FILE} with --from."
        )
    rng = np.random.default_rng([seed, int(layout.year)])
    first: dict[bytes, int] = {}
    place = 0
    for _, piece in training_pieces(source, layout):
        for image in piece:
            first.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), place)
            place += 1
    unique = np.array(list(first.values()))
    half = min((layout.test_images + 1) // 2, len(unique) // 5)
    others = other_pictures(source, layout, half // 2, rng)
    altered = half - sum(map(len, others.values()))
    order = rng.permutation(unique)
    normal_places, altered_places = order[:half], order[half : half + altered]
    train_places = np.sort(order[half + altered :])

    (public / layout.folder).mkdir()
    train = open_memmap(
        public / layout.folder / TRAIN_FILE, mode="w+", dtype=np.uint8, shape=(len(train_places), SIDE, SIDE, 3)
    )
    role = np.zeros(place, dtype=np.int8)
    role[train_places], role[normal_places], role[altered_places] = 1, 2, 3
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
    faces = faces[rng.permutation(len(faces))]
    kinds = np.resize(np.array(ALTERED), len(faces))
    changed = [
        alter(kind, face, faces[number - 1], rng)
        for number, (kind, face) in enumerate(zip(kinds.tolist(), faces, strict=True))
    ]
    images = np.concatenate([*held[2], *([np.stack(changed)] if changed else []), *others.values()])
    names = np.array(["normal"] * half + kinds.tolist() + [kind for kind, some in others.items() for _ in some])
    if len(images) > layout.test_images:  # an odd count of the course: one normal image less
        images, names = images[1:], names[1:]
    shuffle = rng.permutation(len(images))
    images, names = images[shuffle], names[shuffle]
    np.save(public / layout.folder / TEST_FILE, images, allow_pickle=False)
    labels = (names != "normal").astype(np.int64)
    return Made(
        Answers(range(len(images)), {layout.column: labels}, strata=names),
        train=thumbnails(train),
        test=thumbnails(images),
    )
