"""HW6: training images and their disguises, samples of linear models, and faces drawn with another key."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from baselines.hw06_gan import read
from tasks import copies
from tasks.formats import ImagesFormat
from tasks.hw06_gan import FORMAT
from tasks.hw06_gan.networks import features, train_features
from tasks.hw06_gan.world import FAMILY, RANGES, TURNS, archive, attributes, draw, windows
from tasks.streams import Streams
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
Change = Callable[[Floats, np.random.Generator], Floats]


def handed_in(given: Given, images: Floats) -> bytes:
    assert isinstance(given.form, ImagesFormat)
    return archive(np.rint(np.clip(images, 0, 255)).astype(np.uint8), given.form.max_bytes)


def training(given: Given, sets: int = 1) -> list[Floats]:
    """So many different random orders of the training images (2000, 64, 64, 3), each cut to a submission's length."""
    images = read(given.public)
    return [images[given.rng.permutation(len(images))[: len(given.form)]].astype(np.float32) for _ in range(sets)]


def of_copies(change: Change) -> Callable[[Given], bytes]:
    """Training images, each changed by itself."""
    return lambda given: handed_in(given, change(training(given)[0], given.rng))


def as_they_are(images: Floats, rng: np.random.Generator) -> Floats:
    return images


def mirrored(images: Floats, rng: np.random.Generator) -> Floats:
    return images[:, :, ::-1]


def shifted(images: Floats, rng: np.random.Generator) -> Floats:
    steps = rng.integers(-3, 4, (len(images), 2))
    return np.stack([np.roll(image, step, axis=(0, 1)) for image, step in zip(images, steps, strict=True)])


def other_hue(images: Floats, rng: np.random.Generator) -> Floats:
    turned = np.empty_like(images)
    for place, image in enumerate(images):
        hsv = np.array(Image.fromarray(image.astype(np.uint8)).convert("HSV"))
        hsv[..., 0] += rng.integers(40, 216, dtype=np.uint8)
        turned[place] = np.array(Image.fromarray(hsv, "HSV").convert("RGB"))
    return turned


def under_a_ramp(images: Floats, rng: np.random.Generator) -> Floats:
    slopes = rng.uniform(-0.25, 0.25, (2, len(images), 1, 1, 1))
    place = np.linspace(-1, 1, 64)
    lit: Floats = images * (1 + slopes[0] * place[:, None, None] + slopes[1] * place[:, None])
    return lit


def noisy(images: Floats, rng: np.random.Generator) -> Floats:
    return images + rng.normal(0, 6, images.shape).astype(np.float32)


def moved(zoom: float, turn: float) -> Change:
    """Resized by up to `zoom` to either side, and turned by up to `turn` in radians."""

    def change(images: Floats, rng: np.random.Generator) -> Floats:
        sizes, turns = np.exp(rng.uniform(-1, 1, len(images)) * np.log(zoom)), rng.uniform(-turn, turn, len(images))
        every = zip(images[:, None].astype(np.uint8), sizes, turns, strict=True)
        return np.concatenate([copies.moved(image, size, angle) for image, size, angle in every]).astype(np.float32)

    return change


def all_moved(zoom: float, turn: float) -> Change:
    """All resized and turned alike."""

    def change(images: Floats, rng: np.random.Generator) -> Floats:
        return copies.moved(images.astype(np.uint8), zoom, turn).astype(np.float32)

    return change


def warped(images: Floats, rng: np.random.Generator) -> Floats:
    """Each pixel taken from up to some three pixels beside it, smoothly."""
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    out = np.empty_like(images)
    for place, image in enumerate(images):
        wander = [
            np.asarray(
                Image.fromarray(rng.normal(0, 2, (4, 4)).astype(np.float32)).resize((64, 64), Image.Resampling.BICUBIC)
            )
            for _ in range(2)
        ]
        y, x = np.clip(rows + wander[0], 0, 62.99), np.clip(columns + wander[1], 0, 62.99)
        top, left = y.astype(int), x.astype(int)
        down, right = (y - top)[..., None], (x - left)[..., None]
        upper = image[top, left] * (1 - right) + image[top, left + 1] * right
        lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
        out[place] = upper * (1 - down) + lower * down
    return out


def halves(given: Given) -> bytes:
    one, other = training(given, 2)
    one[:, 32:] = other[:, 32:]
    return handed_in(given, one)


def quarters(given: Given) -> bytes:
    one, two, three, four = training(given, 4)
    one[:, :32, 32:], one[:, 32:, :32], one[:, 32:, 32:] = two[:, :32, 32:], three[:, 32:, :32], four[:, 32:, 32:]
    return handed_in(given, one)


def means(share: float) -> Callable[[Given], bytes]:
    """A share of one image and the rest of another one."""

    def make(given: Given) -> bytes:
        one, other = training(given, 2)
        return handed_in(given, share * one + (1 - share) * other)

    return make


def mean_and_noise(given: Given) -> bytes:
    images = training(given)[0]
    rough = given.rng.normal(0, 25, (len(images), 16, 16, 3)).repeat(4, axis=1).repeat(4, axis=2)
    return handed_in(given, images.mean(axis=0) + rough.astype(np.float32))


def components(count: int, near: float | None = None) -> Callable[[Given], bytes]:
    """A normal distribution of so many principal components; `near`: of the codes of images, moved by that share."""

    def make(given: Given) -> bytes:
        images = read(given.public).reshape(-1, 64 * 64 * 3).astype(np.float32)
        mean = images.mean(axis=0)
        values, vectors = np.linalg.eigh((images - mean) @ (images - mean).T)
        basis = ((images - mean).T @ vectors[:, -count:]) / np.sqrt(values[-count:])
        deviations = np.sqrt(values[-count:] / len(images))
        codes = given.rng.standard_normal((len(given.form), count)) * deviations
        if near is not None:
            codes = near * codes + ((images - mean) @ basis)[given.rng.permutation(len(images))[: len(codes)]]
        drawn: Floats = mean + (codes @ basis.T).astype(np.float32)
        return handed_in(given, drawn.reshape(-1, 64, 64, 3))

    return make


def sample(given: Given) -> bytes:
    return (given.public / f"sample_submission{given.form.suffix}").read_bytes()


def own_generator(given: Given) -> bytes:
    """Faces that this package draws with another key."""
    streams = given.other_streams()
    faces = draw(streams.generator("shown faces"), len(given.form), windows(streams))
    return handed_in(given, faces.astype(np.float32))


def fitted_generator(given: Given) -> bytes:
    """Faces that this package draws in windows estimated from the public data.

    A network and a ridge learn the parameters from faces of the whole ranges; their means over the training images,
    corrected for the shrinkage of the estimates, are the middles of the windows; of what they cannot see, the range's.
    """
    rng = given.other_streams().generator("fitted")
    images, values = attributes(rng, 3000)
    network = train_features(0, images, values, 6)
    known, shown = (np.c_[features(network, some), np.ones(len(some))] for some in (images, read(given.public)))
    first, second = known[:1500], known[1500:]
    weights = np.linalg.solve(first.T @ first + 10 * np.eye(first.shape[1]), first.T @ values[:1500])
    guess = second @ weights
    slopes = ((guess - guess.mean(axis=0)) * values[1500:]).mean(axis=0) / values[1500:].var(axis=0)
    means = (shown @ weights).mean(axis=0) * (slopes > 0.3) / np.maximum(slopes, 0.3)
    found = dict(zip(columns(), means, strict=False))
    starts = []
    for name in FAMILY:
        if name in TURNS:
            starts.append((np.arctan2(found[f"{name} sine"], found[name]) / (2 * np.pi) - 0.25) % 1)
        else:
            starts.append(np.clip(found[name] / np.sqrt(12) + 0.25, 0, 0.5))
    return handed_in(given, draw(rng, len(given.form), np.array(starts)).astype(np.float32))


def columns() -> list[str]:
    """The names of the first columns of `attributes`."""
    return [column for name in RANGES for column in ((name, f"{name} sine") if name in TURNS else (name,))]


def fresh(world: World, streams: Streams, size: str) -> bytes:
    """Other faces of the same key."""
    return archive(draw(streams.generator("fresh faces"), FORMAT.count, windows(streams)), FORMAT.max_bytes)


KNOWN = (
    "The drawing program is in this package, and whoever fits it to the public data draws faces as the world does. In "
    "the edition builtin-model the generator is handed in."
)

REFERENCES = (Reference("fresh faces of the same key", fresh),)
TRICKS = (
    Trick("sample submission", NO_LEARNING, sample),
    Trick("mean face and noise", NO_LEARNING, mean_and_noise),
    Trick("training images", PUBLIC_DATA, of_copies(as_they_are)),
    Trick("training images, mirrored", PUBLIC_DATA, of_copies(mirrored)),
    Trick("training images, shifted", PUBLIC_DATA, of_copies(shifted)),
    Trick("training images, other hue", PUBLIC_DATA, of_copies(other_hue)),
    Trick("training images, under a ramp", PUBLIC_DATA, of_copies(under_a_ramp)),
    Trick("training images, noisy", PUBLIC_DATA, of_copies(noisy)),
    Trick("training images, resized by a tenth", PUBLIC_DATA, of_copies(moved(1.1, 0.0))),
    Trick("training images, resized by a quarter, turned", PUBLIC_DATA, of_copies(moved(1.25, 0.2))),
    Trick("training images, all larger by a fifth", PUBLIC_DATA, of_copies(all_moved(1.2, 0.0))),
    Trick("training images, all turned by 0.2", PUBLIC_DATA, of_copies(all_moved(1.0, 0.2))),
    Trick("training images, all turned by 0.12", PUBLIC_DATA, of_copies(all_moved(1.0, 0.12))),
    Trick("training images, warped", PUBLIC_DATA, of_copies(warped)),
    Trick("halves of training images", PUBLIC_DATA, halves),
    Trick("quarters of training images", PUBLIC_DATA, quarters),
    Trick("means of two training images", PUBLIC_DATA, means(0.5)),
    Trick("two training images, 4 to 1", PUBLIC_DATA, means(0.8)),
    Trick("64 principal components, Gaussian", PUBLIC_DATA, components(64)),
    Trick("400 principal components, Gaussian", PUBLIC_DATA, components(400)),
    Trick("400 principal components, near images", PUBLIC_DATA, components(400, 0.5)),
    Trick("own generator, another key", OTHER_DATA, own_generator),
    Trick("own generator, fitted to the public data", OTHER_DATA, fitted_generator, KNOWN),
)
