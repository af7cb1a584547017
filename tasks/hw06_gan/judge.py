"""The judge of HW6: refuses copies of training images, extracts features, and looks for a face in each image.

The secret folder decides how: with `inception.safetensors` in it the features are those of the FID's Inception-v3,
else those of the default network; with the LBP cascade in it faces are found by OpenCV, else by the default detector.

What is no copy, measured on the small built-in data: a part of 5 % of fresh faces of the same world is like a part of
a training image, and of no image of the levels. What is one: of training images, halves and quarters of them, mirrored,
shifted, with other colours, light or noise, 97 to 100 %; of means of two and of images made a tenth larger over 50 %.
Some of the images are also resized by a fifth and turned by 0.2, all alike, which undoes what was done to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import copies
from tasks.base import Answers, Columns, Judged, Made, Problem, SubmissionError, UserError
from tasks.formats import Format
from tasks.frechet import distance, real_and_made
from tasks.hw06_gan import MAX_BYTES, SUBMITTED, inception, networks, world
from tasks.streams import Streams

Images = NDArray[np.uint8]

CODES = {
    "E_COPIES": (
        "Many images are copies of training images or of parts of them, also mirrored, shifted, recoloured or lit. "
        "Submit images that your program draws anew."
    ),
}
"""The error codes for images that can be read but not scored. Codes are stable."""

CASCADE_FILE = "lbpcascade_animeface.xml"
COPIES_FILE, REAL_FILE = "copies.safetensors", "real.safetensors"
"""What is kept of the training images to find copies; and some of their features, with their FID to the hidden ones."""
SECRET_FILES = (inception.FILE, networks.FEATURES_FILE, networks.DETECTOR_FILE, CASCADE_FILE, REAL_FILE)

MOST_COPIES = 0.15
"""The largest share of images that may be like a training image in a part; more are refused."""
NOTED = 1.1
"""A FID to the training images up to so many times that of the hidden images is noted."""
REAL = 2000
"""Training images whose features are kept."""

OPENCV = ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python")
"""The names under which OpenCV is published."""


def check(form: Format, predictions: Columns, folder: Path | None) -> Judged:
    """The predictions, unless too many images are copies. Raises SubmissionError.

    `folder` is the secret one, or the students' one with the training images.
    """
    kept = None if folder is None else kept_of(folder)
    if kept is None:
        return Judged(predictions, ("not compared with the training images, which are not here; the course does that",))
    refuse_copies(kept, predictions["image"])
    return Judged(predictions)


def kept_of(folder: Path) -> copies.Arrays | None:
    """What finds copies: as `prepare` kept it, or from the training images; None where there is neither."""
    from safetensors.numpy import load

    if (folder / COPIES_FILE).exists():
        return load((folder / COPIES_FILE).read_bytes())
    paths = sorted((folder / "faces").glob("*.jpg"))
    return copies.keep(np.stack([world.decode(path.read_bytes()) for path in paths])) if paths else None


def refuse_copies(kept: copies.Arrays, images: Images) -> None:
    """Raises SubmissionError where more than the share `MOST_COPIES` of the images are copies, or moved alike."""
    found = copies.copies(kept, images)
    how = "also mirrored, shifted or with other colours"
    share = float(found.mean())
    if share <= MOST_COPIES:
        share, how = copies.moved_copies(kept, images), "once all of them are resized or turned alike"
    if share > MOST_COPIES:
        message = (
            f"{share:.0%} of the images that were compared ({len(found):,}) have a part that is like one of a training "
            f"image, {how}; at most {MOST_COPIES:.0%} may by chance. {CODES['E_COPIES'].partition('. ')[2]}"
        )
        raise SubmissionError([Problem("E_COPIES", message)])


def run(form: Format, predictions: Columns, folder: Path) -> Judged:
    """The features (n, d) and found faces (n,) of the submitted images."""
    return judged(files_of(folder), predictions["image"])


def judged(files: Mapping[str, bytes], images: Images) -> Judged:
    """The features and found faces of images (n, 64, 64, 3), with a note where they are as near as real ones."""
    columns: Columns = {"features": features(files, images), "face": faces(files, images)}
    notes = how(files)
    if REAL_FILE in files:
        from safetensors.numpy import load

        kept = load(files[REAL_FILE])
        here = distance(real_and_made(kept, columns))
        if here <= NOTED * float(kept["distance"][0]):
            notes += ("as near to the training images as real images are: see how these were made",)
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
    """What can change the scores: packages, and how copies are found. Another processor moves FID by parts in 10^7."""
    return " ".join((*(f"{name} {_installed(name)}" for name in packages), "copies 3"))


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


def make(public: Path, streams: Streams, size: str, source: Path | None, secret: Path) -> Made:
    """The built-in world and what judges it, from a key's windows."""
    networks.require_torch()
    hidden = world.make_images(public, streams, size)
    shown = np.stack([world.decode(path.read_bytes()) for path in sorted((public / "faces").iterdir())])
    return prepared(shown, hidden, networks.train(streams, size, world.windows(streams)), secret)


def prepared(
    images: Images, hidden: Images, files: Mapping[str, bytes], secret: Path, usage: int | None = None
) -> Made:
    """A competition from the images that could be copied, the hidden real ones, and the judge's files.

    The files go into the folder `secret`, with what finds copies. The answers are the features of the hidden images,
    all of one `usage` where it is given. In the sample submission each image has one plain colour.
    """
    from safetensors.numpy import save

    real = features(files, hidden)
    kept = {**files, COPIES_FILE: save(copies.keep(images))}
    if inception.FILE not in files:  # its features take long
        own = features(files, images[:REAL])
        apart = distance(real_and_made({"features": own}, {"features": real[:SUBMITTED]}))
        kept[REAL_FILE] = save({"features": own, "distance": np.array([apart])})
    for name, data in kept.items():
        (secret / name).write_bytes(data)
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
