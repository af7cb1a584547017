"""The judge of HW6: extracts features, looks for a face in each image, and finds copies of training images.

The secret folder decides how: with `inception.safetensors` in it the features are those of the FID's Inception-v3,
else those of the default network; with the LBP cascade in it faces are found by OpenCV, else by the default detector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import Answers, Columns, Judged, Made, UserError
from tasks.formats import Format
from tasks.hw06_gan import MAX_BYTES, SUBMITTED, inception, networks, world

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8]

CASCADE_FILE = "lbpcascade_animeface.xml"
SHOWN_FILE = "shown.safetensors"
"""Small versions of the students' training images, to find copies."""
SECRET_FILES = (inception.FILE, networks.FEATURES_FILE, networks.DETECTOR_FILE, CASCADE_FILE, SHOWN_FILE)

OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
"""The names under which OpenCV is published."""

SMALL, COARSE = 16, 8  # pixels a side at which copies are looked for
REACH = 3  # pixels that a copy may be shifted by, in each direction
NEAREST = 8  # training images that are looked at closely for each submitted one
SAMPLE = 500  # training images whose distances to the others give the threshold
PIECE = 8192


def run(form: Format, predictions: Columns, folder: Path) -> Judged:
    """The features (n, d) and found faces (n,) of the submitted images, with a note of near-copies."""
    files, images = files_of(folder), predictions["image"]
    columns: Columns = {"features": features(files, images), "face": faces(files, images)}
    copies = near_copies(files[SHOWN_FILE], images)
    notes = how(files)
    if len(copies):
        count = f"{len(copies):,} of {len(images):,} images"
        notes += (f"{count} are near-copies of real images, e.g. {copies[0] + 1}.jpg",)
    return Judged(columns, notes)


def files_of(secret: Path) -> dict[str, bytes]:
    """The judge's files in the secret folder, by name."""
    return {name: (secret / name).read_bytes() for name in SECRET_FILES if (secret / name).exists()}


def how(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """A note where the faces are real ones but the features are not those of the usual FID."""
    if CASCADE_FILE in files and inception.FILE not in files:
        return ("FID uses the default features, learnt from drawn faces, since the Inception weights were not given",)
    return ()


def version(*packages: str) -> str:
    """The versions of packages that can change the scores; another kind of processor moves FID by parts in 10^7."""
    return " ".join(f"{name} {_installed(name)}" for name in packages)


def _installed(name: str) -> str:
    """The installed version of a package (for OpenCV, of any of its builds), or "none"."""
    for build in OPENCV if name == "opencv" else (name,):
        with suppress(PackageNotFoundError):
            return version_of(build)
    return "none"


def features(files: Mapping[str, bytes], images: Images) -> NDArray[np.float32]:
    """The features of images by the available network, (n, 2048) or (n, 96)."""
    networks.require_torch()
    if inception.FILE in files:
        from safetensors.torch import load

        return inception.features(load(files[inception.FILE]), images)
    return networks.features(files[networks.FEATURES_FILE], images)


def faces(files: Mapping[str, bytes], images: Images) -> NDArray[np.bool_]:
    """Whether a face is found in each image, (n,)."""
    if CASCADE_FILE in files:
        return cascade_faces(files[CASCADE_FILE], images)
    return networks.faces(files[networks.DETECTOR_FILE], images)


def prepared(
    images: Images, hidden: Images, files: Mapping[str, bytes], secret: Path, usage: int | None = None
) -> Made:
    """A competition from the images that could be copied, the hidden real ones, and the judge's files.

    The files go into the folder `secret`, with what finds copies. The answers are the features of the hidden images,
    all of one `usage` where it is given. In the sample submission each image has one plain colour.
    """
    import numpy as np

    for name, data in {**files, SHOWN_FILE: shown(images)}.items():
        (secret / name).write_bytes(data)
    real = features(files, hidden)
    marks = None if usage is None else np.full(len(real), usage, np.int8)
    colours = np.random.default_rng(0).integers(64, 192, (SUBMITTED, 1, 1, 3)).astype(np.uint8)
    return Made(
        Answers(range(len(real)), {"features": real}, usage=marks),
        sample=world.archive(np.broadcast_to(colours, (SUBMITTED, 64, 64, 3)), MAX_BYTES),
        secret=secret,
    )


# The LBP cascade.


def cascade_faces(xml: bytes, images: Images) -> NDArray[np.bool_]:
    """Whether OpenCV finds a face with the cascade, (n,), with the parameters of the cascade's own example.

    https://github.com/nagadomi/lbpcascade_animeface: grey, equalised histogram, scale factor 1.1, 5 neighbours, at
    least 24 × 24 pixels. Raises UserError without an OpenCV that has cascades, and for a file that is not a cascade.
    """
    import numpy as np

    cv2 = _opencv()
    storage = cv2.FileStorage()
    try:
        storage.open(xml.decode("utf-8"), cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        cascade = cv2.CascadeClassifier()
        good = cascade.read(storage.getFirstTopLevelNode())
    except (cv2.error, UnicodeDecodeError, SystemError):
        good = False
    if not good:
        raise UserError(f"{CASCADE_FILE}: expected an OpenCV cascade; OpenCV cannot read it. Download the file again.")
    found = np.zeros(len(images), bool)
    for index, image in enumerate(images):
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        found[index] = len(cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(24, 24))) > 0
    return found


def _opencv() -> Any:
    try:
        cv2: Any = import_module("cv2")
    except ImportError:
        cv2 = None
    if getattr(cv2, "CascadeClassifier", None) is None:
        have = "it is not installed" if cv2 is None else f"this is {cv2.__version__}, without CascadeClassifier"
        raise UserError(
            f"the course's face rate needs OpenCV 4; {have}. Install it with: "
            'pip install "opencv-python-headless>=4.5,<5"'
        )
    return cv2


# Near-copies of training images.


def shown(images: Images) -> bytes:
    """The data for finding copies of the students' training images: small versions and a threshold."""
    import numpy as np
    from safetensors.numpy import save

    small = _small(images)
    sample = np.arange(0, len(images), max(1, len(images) // SAMPLE))[:SAMPLE]
    own = np.sort(_distances(small, images[sample], sample))
    # Less than half the usual distance between training images, of which some may be near-copies themselves.
    threshold = 0.4 * own[len(own) // 2] if len(images) > 1 else 0.0
    return save({"small": small, "threshold": np.array([threshold], np.float32)})


def near_copies(kept: bytes, images: Images) -> NDArray[np.intp]:
    """The indices of images within the threshold of a kept image, mirrored or shifted ones included."""
    import numpy as np
    from safetensors.numpy import load

    values = load(kept)
    return np.flatnonzero(_distances(values["small"], images) < values["threshold"][0])


def _distances(small: Images, images: Images, own: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
    """The distance (n,) of each image to the nearest of the small ones (m, 16, 16, 3), over mirroring and shifts.

    It is the root of the mean squared difference of the 14 × 14 inner small pixels. The nearest by 6 × 6 pixels and a
    few shifts are compared at every shift. `own` (n,) are the places of the images among the small ones, to leave out.
    """
    import numpy as np

    sums = _sums(images)
    grid = small.astype(np.float32)
    coarse = grid.reshape(len(grid), COARSE, 2, COARSE, 2, 3).mean(axis=(2, 4))[:, 1:-1, 1:-1].reshape(len(grid), -1)
    views = [view.reshape(len(images), -1) for view in _views(sums, COARSE, (-REACH, 0, REACH))]
    places = _nearest(coarse - 128, [view - 128 for view in views], own)
    near = grid[places][:, :, 1:-1, 1:-1].reshape(*places.shape, -1) - 128
    lengths = np.square(near).sum(axis=2)
    if own is not None:
        lengths[places == own[:, None]] = np.inf
    least = np.full(places.shape, np.inf, np.float32)
    for view in _views(sums, SMALL, range(-REACH, REACH + 1)):
        flat = view.reshape(len(images), -1) - 128
        squares = lengths + np.square(flat).sum(axis=1)[:, None] - 2 * np.matmul(near, flat[:, :, None])[:, :, 0]
        np.minimum(least, squares, out=least)
    nearest: NDArray[np.float32] = np.sqrt(np.maximum(least.min(axis=1), 0) / near.shape[2])
    return nearest


def _nearest(
    coarse: NDArray[np.float32], views: list[NDArray[np.float32]], own: NDArray[np.intp] | None
) -> NDArray[np.intp]:
    """The places (n, k) of the coarse images that are nearest to any view of each image."""
    import numpy as np

    n = len(views[0])
    best, places = np.empty((n, 0), np.float32), np.empty((n, 0), np.intp)
    for start in range(0, len(coarse), PIECE):
        piece = coarse[start : start + PIECE]
        here = np.full((n, len(piece)), np.inf, np.float32)
        for view in views:
            np.minimum(here, np.square(view).sum(axis=1)[:, None] - 2 * view @ piece.T, out=here)
        here += np.square(piece).sum(axis=1)
        if own is not None:
            inside = (own >= start) & (own < start + len(piece))
            here[np.flatnonzero(inside), own[inside] - start] = np.inf
        best = np.hstack([best, here])
        places = np.hstack([places, np.broadcast_to(np.arange(start, start + len(piece)), here.shape)])
        order = np.argpartition(best, min(NEAREST, best.shape[1]) - 1, axis=1)[:, :NEAREST]
        best, places = np.take_along_axis(best, order, axis=1), np.take_along_axis(places, order, axis=1)
    return places


def _small(images: Images) -> Images:
    """The means of 4 × 4 pixels, (n, 16, 16, 3)."""
    import numpy as np

    cells = images.reshape(len(images), SMALL, 64 // SMALL, SMALL, 64 // SMALL, 3)
    small: Images = np.rint(cells.mean(axis=(2, 4), dtype=np.float32)).astype(np.uint8)
    return small


def _sums(images: Images) -> NDArray[np.float32]:
    """The sums of the pixels above and left of each corner, (n, 65, 65, 3): whole numbers that float32 holds."""
    import numpy as np

    sums = np.zeros((len(images), 65, 65, 3), np.float32)
    sums[:, 1:, 1:] = images.cumsum(axis=1, dtype=np.float32).cumsum(axis=2)
    return sums


def _views(sums: NDArray[np.float32], side: int, shifts: Iterable[int]) -> Iterator[NDArray[np.float32]]:
    """The inner small pixels (n, side - 2, side - 2, 3) of the images, shifted and mirrored in every way."""
    import numpy as np

    cell = 64 // side
    steps = tuple(shifts)
    for down in steps:
        rows = sums[:, cell - down : 65 - cell - down : cell]
        bands = rows[:, 1:] - rows[:, :-1]
        for right in steps:
            corners = bands[:, :, cell - right : 65 - cell - right : cell]
            view: NDArray[np.float32] = (corners[:, :, 1:] - corners[:, :, :-1]) * np.float32(cell**-2)
            yield view
            yield view[:, :, ::-1]
