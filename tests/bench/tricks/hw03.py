"""HW3: colours, thumbnails, hand-made features of shapes and textures, and networks of other keys' pictures."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn import functional

from baselines import hw03_cnn as baseline
from baselines.common import rate
from baselines.pictures import normalised
from tasks.formats import Format
from tasks.hw03_cnn import CLASSES
from tasks.streams import Streams
from tests.bench.tricks import general
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World
from tests.bench.tricks.general import Floats, Images

Labels = NDArray[np.int64]
SIDE = 40


@dataclass(frozen=True)
class Files:
    """The labelled pictures (training and validation), those without a label, and the test pictures."""

    x: Images
    y: Labels
    more: Images
    test: Images


@lru_cache(maxsize=2)
def files(public: Path) -> Files:
    root = baseline.root_of(public)
    known = known_pictures(public)
    parts = (known.pixels, baseline.unlabelled(root, SIDE), baseline.test(root, SIDE)[1])
    x, more, test = (part.permute(0, 2, 3, 1).contiguous().numpy() for part in parts)
    return Files(x, known.labels.numpy(), more, test)


def known_pictures(public: Path) -> baseline.Pictures:
    root = baseline.root_of(public)
    parts = [baseline.labelled(root, name, SIDE) for name in (TRAINING[baseline.in_folders(root)], "validation")]
    return baseline.Pictures(torch.cat([p.pixels for p in parts]), torch.cat([p.labels for p in parts]))


TRAINING = {True: "training/labeled", False: "training"}


# Without learning


def constant(given: Given) -> bytes:
    known = files(given.public)
    return general.table(given.form, np.full(len(known.test), np.bincount(known.y).argmax()))


def file_size(given: Given) -> bytes:
    """The class whose labelled files are nearest to the file in their mean size."""
    root = baseline.root_of(given.public)
    folders = baseline.in_folders(root)
    paths, asked = (
        sorted((root / part).rglob("*.jpg")) for part in (TRAINING[folders], "testing" if folders else "test")
    )
    known, sizes = (np.array([path.stat().st_size for path in some], dtype=np.float64) for some in (paths, asked))
    kinds = np.array([int(path.parent.name if folders else path.name.partition("_")[0]) for path in paths])
    means = np.array([known[kinds == kind].mean() for kind in range(int(kinds.max()) + 1)])
    return general.table(given.form, np.abs(sizes[:, None] - means).argmin(axis=1))


# The public data


def mean_colour(images: Images) -> NDArray[np.float32]:
    values = images.reshape(len(images), -1, 3).astype(np.float32)
    return np.concatenate([values.mean(axis=1), values.std(axis=1)], axis=1)


def textures(images: Images) -> NDArray[np.float32]:
    return np.concatenate([general.lbp(images, radius) for radius in (1, 2, 3)], axis=1)


def rings(images: Images) -> NDArray[np.float32]:
    """Mean and spread of the brightness in rings around the middle."""
    light = general.grey(images)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    ring = (np.hypot(x, y) // 2).astype(int)
    parts = [light[:, ring == k] for k in range(10)]
    return np.stack([f(part, axis=1) for f in (np.mean, np.std) for part in parts], axis=1).astype(np.float32)


def spectrum(images: Images) -> NDArray[np.float32]:
    """How strong each frequency is, whatever its direction."""
    light = general.grey(images)
    power = np.abs(np.fft.fftshift(np.fft.fft2(light - light.mean(axis=(1, 2), keepdims=True)), axes=(1, 2)))
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    ring = np.hypot(x, y).astype(int)
    strength = np.stack([power[:, ring == k].mean(axis=1) for k in range(SIDE // 2)], axis=1)
    return np.log(strength + 1e-3).astype(np.float32)


def all_features(images: Images) -> NDArray[np.float32]:
    return np.concatenate([textures(images), rings(images), spectrum(images), general.hog(images)], axis=1)


Features = Callable[[Images], Floats]
Model = Callable[[Floats, Labels, Floats], NDArray[Any]]
linear: Model = partial(general.linear_classes, strength=0.01)
neighbours: Model = partial(general.nearest, neighbours=15, classes=True)
discriminant: Model = partial(general.fitted, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))


def described(features: Features, model: Model) -> Callable[[Given], bytes]:
    """A model of the features of the labelled pictures."""

    def make(given: Given) -> bytes:
        known = files(given.public)
        return general.table(given.form, model(features(known.x), known.y, features(known.test)))

    return make


def self_trained(given: Given) -> bytes:
    """The SVM on all features once more, with its own classes for the pictures without a label as if they were true."""
    known = files(given.public)
    x, more, test = (all_features(part) for part in (known.x, known.more, known.test))
    y = known.y
    if len(more):
        y = np.concatenate([y, general.svm(x, y, more)])
        x = np.concatenate([x, more])
    return general.table(given.form, general.svm(x, y, test))


def patches(given: Given, size: int = 8, words: int = 400) -> bytes:
    """Whitened random patches as words, and their mean activation in each quarter (Coates and Ng 2011)."""
    known, rng = files(given.public), given.rng

    def rows(images: Images) -> NDArray[np.float32]:
        view = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))[:, ::2, ::2]
        flat = view.reshape(*view.shape[:3], -1).astype(np.float32)
        flat = flat - flat.mean(axis=3, keepdims=True)
        even: NDArray[np.float32] = flat / np.sqrt(flat.var(axis=3, keepdims=True) + 10)
        return even

    some = rows(known.x[rng.permutation(len(known.x))[:400]])
    some = some.reshape(-1, some.shape[-1])[rng.permutation(400 * some.shape[1] * some.shape[2])[:20_000]]
    mean, (values, vectors) = some.mean(axis=0), np.linalg.eigh(np.cov(some.T))
    white = (vectors / np.sqrt(values + 0.1)) @ vectors.T
    dictionary = (some[:words] - mean) @ white
    dictionary /= np.linalg.norm(dictionary, axis=1, keepdims=True)

    def features(images: Images) -> NDArray[np.float32]:
        parts = []
        for start in range(0, len(images), 100):
            answer = np.maximum((rows(images[start : start + 100]) - mean) @ white @ dictionary.T - 1.0, 0)
            halves = slice(answer.shape[1] // 2), slice(answer.shape[1] // 2, None)
            quarters = [answer[:, a, b] for a in halves for b in halves]
            parts.append(np.concatenate([quarter.mean(axis=(1, 2)) for quarter in quarters], axis=1))
        return np.concatenate(parts).astype(np.float32)

    return general.table(given.form, general.linear_classes(features(known.x), known.y, features(known.test), 0.01))


# Networks, on other data or with what no student has


def fitted(
    config: baseline.Config, network: baseline.Network, pictures: baseline.Pictures, epochs: int, seed: int
) -> baseline.Network:
    """The network after so many epochs on labelled pictures, with the augmentation of the levels."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    for epoch in range(epochs):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate("cosine", epoch, epochs, 2)
        draws = torch.rand(len(pictures.labels), baseline.DRAWS, generator=generator)
        for rows in torch.split(torch.randperm(len(pictures.labels), generator=generator), config.batch):
            if len(rows) == 1:
                continue
            x = baseline.augmented(normalised(pictures.pixels[rows]), draws[rows], config.turn)
            loss = functional.cross_entropy(network(x), pictures.labels[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
    return network


def said_by(form: Format, public: Path, config: baseline.Config, network: baseline.Network) -> bytes:
    _, test = baseline.test(baseline.root_of(public), SIDE)
    return general.table(form, baseline.probabilities(config, network, test, config.views, "cpu").argmax(dim=1).numpy())


def revealed(world: World, streams: Streams) -> baseline.Pictures:
    """The labelled pictures of a competition, and those without a label with the classes that they have."""
    known, root = known_pictures(world.public), baseline.root_of(world.public)
    more = baseline.unlabelled(root, SIDE)
    labels = streams.generator("unlabelled/labels").integers(0, len(CLASSES), len(more))
    return baseline.Pictures(torch.cat([known.pixels, more]), torch.cat([known.labels, torch.from_numpy(labels)]))


PRETRAINING, FINE_TUNING, ALL_LABELS = 15, 30, 40  # epochs


def shared(given: Given) -> Given:
    """What is the same for all tricks of a seed."""
    return replace(given, scratch=given.scratch.parent / "shared")


@lru_cache(maxsize=1)
def of_another_key(given: Given) -> baseline.Network:
    """A network that knows the classes of a competition with another key."""
    config = baseline.LEVELS["strong"]
    network = baseline.new_network(config, len(CLASSES), given.seed, "cpu")
    return fitted(config, network, revealed(given.other(), given.other_streams()), PRETRAINING, given.seed)


def other_key(given: Given) -> bytes:
    return said_by(given.form, given.public, baseline.LEVELS["boss"], of_another_key(shared(given)))


def fine_tuned(given: Given) -> bytes:
    """The network of another key, with a new last layer, trained on with the competition's own labelled pictures."""
    config = baseline.LEVELS["strong"]
    network = copy.deepcopy(of_another_key(shared(given)))
    network[-1] = baseline.new_network(config, len(CLASSES), given.seed + 1, "cpu")[-1]
    network = fitted(config, network, known_pictures(given.public), FINE_TUNING, given.seed)
    return said_by(given.form, given.public, baseline.LEVELS["boss"], network)


def every_label(world: World, streams: Streams, size: str) -> bytes:
    """Boss's network, which learns from all labels, those of the pictures without a label too."""
    config = baseline.LEVELS["boss"]
    network = baseline.new_network(config, len(CLASSES), 0, "cpu")
    network = fitted(config, network, revealed(world, streams), ALL_LABELS, 0)
    return said_by(world.secret.competition.format, world.public, config, network)


KNOWN = (
    "A network that has learned to see the shapes and marks of another key needs fewer labels. The edition `own` is"
    " made from pictures that no generator knows."
)
REFERENCES = (Reference("all labels known", every_label),)
TRICKS = (
    Trick("the most frequent class", NO_LEARNING, constant),
    Trick("size of the file", NO_LEARNING, file_size),
    Trick("15 nearest, mean colour", PUBLIC_DATA, described(mean_colour, neighbours)),
    Trick("15 nearest, histogram of colours", PUBLIC_DATA, described(general.colours, neighbours)),
    Trick("15 nearest, 8 × 8 tiles", PUBLIC_DATA, described(lambda x: general.thumbnails(x, 8), neighbours)),
    Trick("LDA, 8 × 8 tiles", PUBLIC_DATA, described(lambda x: general.thumbnails(x, 8), discriminant)),
    Trick("HOG, logistic regression", PUBLIC_DATA, described(general.hog, linear)),
    Trick("HOG, SVM", PUBLIC_DATA, described(general.hog, general.svm)),
    Trick("LBP, SVM", PUBLIC_DATA, described(textures, general.svm)),
    Trick("LBP, rings, spectrum and HOG, SVM", PUBLIC_DATA, described(all_features, general.svm)),
    Trick("the same, SVM twice with the unlabelled pictures", PUBLIC_DATA, self_trained),
    Trick("400 random patches, logistic regression", PUBLIC_DATA, patches),
    Trick("own generator, CNN", OTHER_DATA, other_key),
    Trick("own generator, CNN trained on with the public data", OTHER_DATA, fine_tuned, KNOWN),
)
