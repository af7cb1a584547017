"""HW2: loudness, classifiers of single frames and of windows, filters over time, and training on another key."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis

from baselines.common import train_level
from baselines.hw02_classification import Config, Windows, read
from submissions.reader import read as read_submission
from tasks.hw02_classification import TARGET
from tasks.hw02_classification.world import (
    PIECE,
    SIZES,
    cast_part,
    draw_sentences,
    draw_studio,
    finished,
    recorded,
    spoken,
    write_part,
)
from tasks.speech import PHONEMES, SILENCE, draw_voice
from tasks.streams import Streams
from tests.bench.tricks import general
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

SIL, AH = PHONEMES.index(SILENCE), PHONEMES.index("ah")
FEW = 20_000
"""Frames that a nearest neighbour is looked for in."""
Labels = NDArray[np.int64]


def smoothed(labels: Labels, lengths: list[int], width: int = 5) -> Labels:
    """The most frequent class among `width` frames around each, within its utterance: a median filter for classes."""
    parts = []
    for part in np.split(labels, np.cumsum(lengths)[:-1]):
        votes = uniform_filter1d(np.eye(len(PHONEMES))[part], width, axis=0, mode="nearest")
        votes[np.arange(len(part)), part] += 1e-6  # a frame's own class wins where several are as frequent
        parts.append(votes.argmax(axis=1))
    return np.concatenate(parts)


def lengths_of(public: Path) -> list[int]:
    with (public / "test" / "utterances.csv").open(newline="") as file:
        return [int(row["length"]) for row in csv.DictReader(file)]


# Without learning


def constant(given: Given) -> bytes:
    return general.table(given.form, np.full(len(given.form), AH))


def quiet_is_silence(given: Given) -> bytes:
    """The quietest sixth of each utterance is silence, all else the most frequent vowel."""
    loud = np.load(given.public / "test" / "features.npy", allow_pickle=False)[:, 0]
    parts = np.split(loud, np.cumsum(lengths_of(given.public))[:-1])
    return general.table(
        given.form, np.concatenate([np.where(part < np.quantile(part, 0.15), SIL, AH) for part in parts])
    )


# From the public data


def learned(
    predict: Callable[[NDArray[np.float32], Labels, NDArray[np.float32]], Labels],
    context: int,
    normalise: bool,
    smooth: bool = False,
) -> Callable[[Given], bytes]:
    """A classifier on windows of frames."""

    def make(given: Given) -> bytes:
        sides = []
        for part in ("train", "test"):
            speech = read(given.public / part, normalise)
            near = Windows(Config(context=context), speech.bounds).near(torch.arange(len(speech.frames)))
            windows = speech.frames[near].flatten(1).numpy()
            sides.append((windows, speech.labels.numpy()))
        guess = predict(sides[0][0], sides[0][1], sides[1][0])
        return general.table(given.form, smoothed(guess, lengths_of(given.public)) if smooth else guess)

    return make


def discriminant(x: NDArray[np.float32], y: Labels, asked: NDArray[np.float32]) -> Labels:
    return general.fitted(LinearDiscriminantAnalysis(), x, y, asked)


def gaussians(x: NDArray[np.float32], y: Labels, asked: NDArray[np.float32]) -> Labels:
    """A Gaussian with its own covariance for each class, shrunk a little."""
    return general.fitted(QuadraticDiscriminantAnalysis(reg_param=0.1), x, y, asked)


def nearest(x: NDArray[np.float32], y: Labels, asked: NDArray[np.float32]) -> Labels:
    some = np.random.default_rng(0).permutation(len(x))[:FEW]
    return general.nearest(x[some], y[some], asked, classes=True)


def level_of(level: str, public: Path, given: Given, run: str) -> Labels:
    """What a level of the baseline predicts that is trained on a public folder."""
    path = train_level("hw02", level, public, given.scratch / run, seed=given.seed, device="cpu")
    labels: Labels = read_submission(path.read_bytes(), given.form)[TARGET]
    return labels


def filtered(given: Given) -> bytes:
    guess = level_of("simple", given.public, given, "simple")
    return general.table(given.form, smoothed(guess, lengths_of(given.public)))


# Other data, and what no student has


def other_key(given: Given) -> bytes:
    """The boss level trained on another key's speech."""
    public = given.scratch / "public"
    shutil.copytree(given.public, public)
    shutil.rmtree(public / "train")
    shutil.copytree(given.other().public / "train", public / "train")
    return general.table(given.form, level_of("boss", public, given, "run"))


def both_keys(given: Given) -> bytes:
    """The boss level trained on the public data and as much speech of another key."""
    public = given.scratch / "public"
    shutil.copytree(given.public, public)
    folders = (given.public / "train", given.other().public / "train")
    for name in ("features.npy", "labels.npy"):
        np.save(
            public / "train" / name, np.concatenate([np.load(folder / name, allow_pickle=False) for folder in folders])
        )
    rows = []
    for folder in folders:
        with (folder / "utterances.csv").open(newline="") as file:
            rows += [int(row["length"]) for row in csv.DictReader(file)]
    ends = np.cumsum(rows)
    lines = [f"{k},{end - length},{length}\n" for k, (end, length) in enumerate(zip(ends.tolist(), rows, strict=True))]
    (public / "train" / "utterances.csv").write_text("utterance,offset,length\n" + "".join(lines))
    return general.table(given.form, level_of("boss", public, given, "run"))


def fitted_band(given: Given) -> bytes:
    """The boss level trained on another key's speech whose features are in the band that the public ones seem to have.

    Of a grid of bands the one is taken in which the first utterances have the mean features nearest to the public ones.
    """
    streams, known = given.other_streams(), np.load(given.public / "train" / "features.npy", allow_pickle=False)
    studio, rng = draw_studio(streams.generator("studio")), streams.generator("train/voices")
    voices = [draw_voice(rng) for _ in range(PIECE)]
    texts = draw_sentences(streams, given.size, SIZES[given.size][:2])[0][:PIECE]
    cast = cast_part("train", texts, voices, voices, streams.generator("train/cast"))

    def distance(band: tuple[float, float]) -> float:
        heard = recorded(streams, replace(studio, band=band), "train", (0, cast))
        frames = np.concatenate([features for features, _ in heard])
        return float((((frames.mean(0) - known.mean(0)) / known.std(0))[1:] ** 2).sum())  # but for the loudness

    best = min(product(np.linspace(20, 250, 5).tolist(), np.linspace(5000, 7800, 5).tolist()), key=distance)
    public, train = given.scratch / "public", spoken(streams, given.size, replace(studio, band=best), 1)[0]
    shutil.copytree(given.public, public)
    shutil.rmtree(public / "train")
    write_part(public, "train", [features for features, _ in train], np.concatenate([labels for _, labels in train]))
    return general.table(given.form, level_of("boss", public, given, "run"))


def without_noise(world: World, streams: Streams, size: str) -> bytes:
    """The boss level on the same utterances with noise 40 dB below the speech."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder) / "public"
        public.mkdir()
        studio = replace(draw_studio(streams.generator("studio")), snr=(40.0, 40.0))
        finished(public, *spoken(streams, size, studio))
        (public / "manifest.json").write_text("{}")
        return train_level("hw02", "boss", public, Path(folder) / "run", seed=0, device="cpu").read_bytes()


KNOWN = (
    "speech of another key is labelled alike, so it is as good as more training data; the sheet forbids it, and no"
    " generator knows the official editions"
)
BAND = (
    "the band of the features can be found in the public speech, and what another key says in it is as good as the"
    " public data; the sheet forbids it, and no generator knows the official editions"
)
REFERENCES = (Reference("BiLSTM, the same speech with hardly any noise", without_noise),)
TRICKS = (
    Trick("the most frequent phoneme", NO_LEARNING, constant),
    Trick("the quietest frames are silence", NO_LEARNING, quiet_is_silence),
    Trick("Gaussian per class, one frame", PUBLIC_DATA, learned(gaussians, 0, False)),
    Trick("1 nearest neighbour, one frame", PUBLIC_DATA, learned(nearest, 0, True)),
    Trick("LDA, eleven frames", PUBLIC_DATA, learned(discriminant, 5, True)),
    Trick("LDA, eleven frames, median filter", PUBLIC_DATA, learned(discriminant, 5, True, smooth=True)),
    Trick("level simple, median filter", PUBLIC_DATA, filtered),
    Trick("own generator, BiLSTM", OTHER_DATA, other_key),
    Trick("own generator, BiLSTM with the public data", OTHER_DATA, both_keys, KNOWN),
    Trick("own generator, fitted: BiLSTM, the band of the public speech", OTHER_DATA, fitted_band, BAND, long=True),
)
