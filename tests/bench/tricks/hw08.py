"""HW8: statistics of single images, distances to the training faces, and classifiers trained on other worlds."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional as F

from tasks.hw08_anomaly import LAYOUTS, TEST_FILE, TRAIN_FILE
from tasks.hw08_anomaly.faces import Manner
from tasks.hw08_anomaly.world import ELSE, KINDS, Family, family, pictures
from tasks.streams import Streams
from tests.bench.tricks import general
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World
from tests.bench.tricks.general import Floats, Images

DRAWN = 1200
"""Faces, and as many anomalies, that a classifier is trained on: what half a minute of one core gives."""


def files(public: Path) -> tuple[Images, Images]:
    """The training faces and the test images."""
    folder = next(path for layout in LAYOUTS if (path := public / layout.folder).is_dir())
    return np.load(folder / TRAIN_FILE), np.load(folder / TEST_FILE)


# Without learning


def of_image(statistic: Callable[[Images], Floats]) -> Callable[[Given], bytes]:
    """A number of each image alone."""
    return lambda given: general.table(given.form, statistic(files(given.public)[1]))


def jpeg_size(images: Images) -> Floats:
    sizes = []
    for image in images:
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "JPEG", quality=75)
        sizes.append(float(stream.tell()))
    return np.array(sizes)


def contours(images: Images) -> Floats:
    out: NDArray[np.float32] = np.abs(np.diff(images.astype(np.float32), axis=1)).mean(axis=(1, 2, 3))
    return out


def symmetry(images: Images) -> Floats:
    values = images.astype(np.float32)
    out: NDArray[np.float32] = -np.abs(values - values[:, :, ::-1]).mean(axis=(1, 2, 3))
    return out


def from_mean_face(given: Given) -> bytes:
    train, test = files(given.public)
    away = general.thumbnails(test, 16) - general.thumbnails(train, 16).mean(axis=0)
    return general.table(given.form, (away**2).sum(axis=1))


# The public data


def measured(
    features: Callable[[Images], Floats], distance: Callable[[Floats, Floats], Floats]
) -> Callable[[Given], bytes]:
    """The distance of the test images' features from those of the training faces."""
    return lambda given: general.table(given.form, distance(*described(given.public, features)))


@lru_cache(maxsize=1)
def described(public: Path, features: Callable[[Images], Floats]) -> tuple[Floats, Floats]:
    """The features of the training faces and of the test images, kept for the next trick with the same ones."""
    train, test = files(public)
    return features(train), features(test)


def nearest(x: Floats, x_test: Floats) -> Floats:
    squares = (x_test**2).sum(axis=1)[:, None] + (x**2).sum(axis=1) - 2 * x_test @ x.T
    out: NDArray[np.float32] = squares.min(axis=1)
    return out


def tiles(side: int) -> Callable[[Images], Floats]:
    return lambda images: general.thumbnails(images, side)


def left_of_components(count: int) -> Callable[[Floats, Floats], Floats]:
    return lambda x, x_test: general.pca_error(x, x_test, count)


# Other data


def block(inside: int, outside: int) -> list[nn.Module]:
    return [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]


def classifier(faces: Images, others: Images, test: Images, epochs: int = 6) -> Floats:
    """A small CNN that tells one set of pictures from the other, and what it says of the test images."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *block(3, 16), *block(16, 32), *block(32, 64), *block(64, 64), nn.Flatten(), nn.Dropout(0.2), nn.Linear(1024, 1)
    )
    images = torch.from_numpy(np.concatenate([faces, others])).permute(0, 3, 1, 2)
    labels = (torch.arange(len(images)) >= len(faces)).float()
    weight = torch.tensor(len(faces) / len(others))
    optimiser = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    steps = len(images) // 64
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=epochs * steps)
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for step in range(steps):
            chosen = order[step * 64 : (step + 1) * 64]
            x = images[chosen].float() / 127.5 - 1
            x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
            loss = F.binary_cross_entropy_with_logits(net(x)[:, 0], labels[chosen], pos_weight=weight)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
    net.eval()
    with torch.no_grad():
        pieces = torch.split(torch.from_numpy(test).permute(0, 3, 1, 2), 250)
        out: NDArray[np.float32] = torch.cat([net(piece.float() / 127.5 - 1)[:, 0] for piece in pieces]).numpy()
    return out


def drawn(worlds: Sequence[Family], rng: np.random.Generator, count: int) -> tuple[Images, Images]:
    """Faces and anomalies, `count` of each, in equal parts from worlds of these families."""
    faces, others = [], []
    for one in worlds:
        part = count // len(worlds)
        faces.append(pictures("normal", rng, part, one.manner))
        each = rng.multinomial(part, np.array(list(one.kinds.values())) / sum(one.kinds.values()))
        others += [pictures(kind, rng, n, one.manner) for kind, n in zip(one.kinds, each.tolist(), strict=True) if n]
    return np.concatenate(faces), np.concatenate(others)


def equally(names: Sequence[str], manner: Manner) -> Family:
    return Family(manner, dict.fromkeys(names, 1.0))


def others(given: Given, count: int) -> list[Family]:
    """The families of other keys."""
    return [family(given.other_streams(number)) for number in range(count)]


def own_generator(worlds: Callable[[Given], Sequence[Family]], count: int = DRAWN) -> Callable[[Given], bytes]:
    """Trained on so many faces and anomalies that this package draws in worlds of its own."""

    def make(given: Given) -> bytes:
        faces, odd = drawn(worlds(given), given.other_streams().generator("pictures"), count)
        return general.table(given.form, classifier(faces, odd, files(given.public)[1]))

    return make


def against_given_faces(given: Given) -> bytes:
    """Trained on all kinds of anomalies of other keys against faces without quirks, and against the given faces.

    So a quirk counts as an anomaly only as far as the given faces do not have it.
    """
    rng = given.other_streams().generator("pictures")
    plain = [equally(tuple(KINDS), replace(one.manner, quirks={})) for one in others(given, 8)]
    faces, odd = drawn(plain, rng, DRAWN)
    train, test = files(given.public)
    return general.table(given.form, classifier(np.concatenate([faces, train[:DRAWN]]), odd, test))


def labelled(world: World, streams: Streams, size: str) -> bytes:
    """What a classifier says that was trained on faces and anomalies of the world itself, with their labels."""
    faces, odd = drawn([family(streams)], streams.generator("reference"), 10 * DRAWN)
    return general.table(world.secret.competition.format, classifier(faces, odd, files(world.public)[1], epochs=10))


MANY = (
    "With enough other keys each kind of anomaly is seen. The edition `own` is made from pictures that no generator"
    " knows."
)
FITTED = (
    "What a key decides is which quirks are normal, and the given faces show that. The edition `own` is made from"
    " pictures that no generator knows."
)

REFERENCES = (Reference("CNN, labelled pictures of the same key", labelled),)
TRICKS = (
    Trick("size as JPEG", NO_LEARNING, of_image(jpeg_size)),
    Trick("contours", NO_LEARNING, of_image(contours)),
    Trick("few contours", NO_LEARNING, of_image(lambda images: -contours(images))),
    Trick("symmetry", NO_LEARNING, of_image(symmetry)),
    Trick("distance from the mean face", NO_LEARNING, from_mean_face),
    Trick("nearest face, 16 × 16 tiles", PUBLIC_DATA, measured(tiles(16), nearest)),
    Trick("Gaussian, 8 × 8 tiles", PUBLIC_DATA, measured(tiles(8), general.gaussian_distance)),
    Trick("64 principal components, 32 × 32 tiles", PUBLIC_DATA, measured(tiles(32), left_of_components(64))),
    Trick("256 principal components, 32 × 32 tiles", PUBLIC_DATA, measured(tiles(32), left_of_components(256))),
    Trick("nearest face, HOG", PUBLIC_DATA, measured(general.hog, nearest)),
    Trick("Gaussian, HOG", PUBLIC_DATA, measured(general.hog, general.gaussian_distance)),
    Trick(
        "100 principal components, HOG", PUBLIC_DATA, measured(general.hog, left_of_components(100)),
        said="strong is itself a distance on such features, a level under its name; this one reaches the bar, which is "
        "strong's mean public score, on the private board alone, where strong has 0.709",
    ),
    Trick(
        "own generator, CNN, kinds that are no faces", OTHER_DATA,
        own_generator(lambda given: [equally(tuple(ELSE), one.manner) for one in others(given, 8)]),
    ),
    Trick("own generator, CNN, one other key", OTHER_DATA, own_generator(lambda given: others(given, 1))),
    Trick("own generator, CNN, eight other keys", OTHER_DATA, own_generator(lambda given: others(given, 8))),
    Trick(
        "own generator, CNN, 64 other keys", OTHER_DATA,
        own_generator(lambda given: others(given, 64), 10 * DRAWN), MANY, long=True,
    ),
    Trick("own generator, CNN, all kinds against the given faces", OTHER_DATA, against_given_faces, FITTED),
)  # fmt: skip
