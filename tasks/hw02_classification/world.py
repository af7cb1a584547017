"""The built-in world of HW2: sentences of HW5's English, read by espeak-ng, with the true times of all phonemes.

A key draws its words, its cast of voices, how it records, and the band of the features. Each utterance has a voice of
the cast, a little higher or lower and faster or slower than its others, a room, a microphone, and noise of its own. A
third of the test's utterances have voices that are not in training. No sentence is in both parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import speech
from tasks.base import Answers, Made
from tasks.bilingual.language import language, speaker
from tasks.bilingual.sentences import sentence
from tasks.hw02_classification import FEATURES_FILE, LABELS_FILE, PARTS, TARGET, UTTERANCES_FILE
from tasks.processes import mapped
from tasks.speech import PHONEMES, RATE, Random, Samples, Sounds, Speak, Voice, draw_voice, synthesiser
from tasks.streams import Streams

SIZES = {"small": (260, 100, 48), "full": (4286, 1078, 400)}
"""Size to the utterances of training and of the test, and the voices of training."""
WORDS = {"small": (0.4, 30), "full": (0.9, 400)}
"""Size to the share of each list of the lexicon, and the invented names."""
ZIPF = 0.6
STRANGERS = 1 / 3
"""The share of test utterances whose voice is not in training."""
PIECE = 25
"""Utterances that a process makes at once."""
LEAST_WORDS = 4
CHECKED = 600_000
"""Frames of each part that the leak checks compare."""


@dataclass(frozen=True)
class Studio:
    """What a key decides of its recordings: the band of the features in Hz, so that those of another key are others,
    and the ranges of noise (dB below the speech, dB an octave) and of rooms."""

    band: tuple[float, float]

    snr: tuple[float, float]
    slope: tuple[float, float]
    reverberation: tuple[float, float]
    depth: float  # of the microphones, in dB


@dataclass(frozen=True)
class Utterance:
    """What is read, by whom."""

    text: str
    voice: Voice


def draw_studio(rng: Random) -> Studio:
    return Studio(
        band=(rng.uniform(20, 250), rng.uniform(5000, 7800)),
        snr=(rng.uniform(2, 4), rng.uniform(17, 21)),
        slope=(rng.uniform(-6, -4), rng.uniform(-2, 0)),
        reverberation=(0.1, rng.uniform(0.35, 0.55)),
        depth=rng.uniform(4, 6),
    )


def draw_sentences(streams: Streams, size: str, counts: Sequence[int]) -> list[list[str]]:
    """The sentences of each part: those of the test differ from each other and from all of training."""
    spoken = language(streams.random("language"), *WORDS[size])
    parts: list[list[str]] = []
    tests: set[str] = set()
    for part, count in zip(PARTS[::-1], counts[::-1], strict=True):  # the test first
        someone = speaker(streams.random(f"{part}/sentences"), spoken, ZIPF)
        found: list[str] = []
        while len(found) < count:
            text = sentence(someone)[0]
            if text not in tests and text.count(" ") >= LEAST_WORDS - 1:
                found.append(text)
                if part == "test":
                    tests.add(text)
        parts.append(found)
    return parts[::-1]


def cast_part(
    part: str, texts: Sequence[str], known: Sequence[Voice], others: Sequence[Voice], rng: Random
) -> list[Utterance]:
    """The utterances of a part, each with a voice of the cast that varies a little."""
    cast = []
    for text in texts:
        voices = others if part == "test" and rng.random() < STRANGERS else known
        voice = voices[int(rng.integers(len(voices)))]
        higher = rng.uniform(0.93, 1.07)
        pitch = (round(voice.pitch[0] * higher), round(voice.pitch[1] * higher))
        cast.append(Utterance(text, replace(voice, pitch=pitch, pace=round(voice.pace * rng.uniform(0.9, 1.1)))))
    return cast


def recorded(
    streams: Streams, studio: Studio, part: str, piece: tuple[int, list[Utterance]]
) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """The features (frames, 39) and labels (frames,) of a piece of a part, from a place on."""
    start, utterances = piece
    made = []
    with synthesiser() as speak:
        for number, utterance in enumerate(utterances, start):
            heard, sounds = record(speak, studio, utterance, streams.generator(f"{part}/{number}"))
            features = speech.mfcc(heard, *studio.band)
            made.append((features.astype(np.float32), sounds.labels(len(features))))
    return made


def record(speak: Speak, studio: Studio, utterance: Utterance, rng: Random) -> tuple[Samples, Sounds]:
    """An utterance as a microphone hears it, within ±1, and its sounds."""
    samples, sounds = speak(utterance.text, utterance.voice)
    before, after = (int(rng.uniform(0.1, 0.35) * RATE) for _ in range(2))
    heard = speech.roomed(np.pad(samples, (before, after)), speech.room(rng, studio.reverberation))
    heard = speech.channelled(heard, speech.channel(rng, studio.depth))
    heard = speech.noisy(heard, rng, rng.uniform(*studio.snr), rng.uniform(*studio.slope))
    starts = np.append(sounds.starts + before, before + len(samples))
    kinds = np.append(sounds.kinds, PHONEMES.index(speech.SILENCE))
    return heard / np.abs(heard).max() * rng.uniform(0.05, 0.9), replace(sounds, starts=starts, kinds=kinds)


def write_part(
    public: Path, part: str, features: Sequence[NDArray[np.float32]], labels: NDArray[np.int64] | None
) -> None:
    """The files of a part: all frames one after another, where each utterance lies in them, and labels if given."""
    folder = public / part
    folder.mkdir()
    np.save(folder / FEATURES_FILE, np.concatenate(features), allow_pickle=False)
    if labels is not None:
        np.save(folder / LABELS_FILE, labels, allow_pickle=False)
    lengths = [len(frames) for frames in features]
    offsets = np.cumsum([0, *lengths]).tolist()
    rows = [
        f"{number},{offset},{length}\n" for number, (offset, length) in enumerate(zip(offsets, lengths, strict=False))
    ]
    text = "utterance,offset,length\n" + "".join(rows)
    (folder / UTTERANCES_FILE).write_text(text, encoding="utf-8", newline="\n")


def finished(
    public: Path,
    train: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
    test: Sequence[tuple[NDArray[np.float32], NDArray[np.int64]]],
) -> Made:
    """Write both parts, given as features and labels of each utterance; the labels of the test stay hidden."""
    write_part(public, "train", [features for features, _ in train], np.concatenate([labels for _, labels in train]))
    write_part(public, "test", [features for features, _ in test], None)
    hidden = np.concatenate([labels for _, labels in test])
    groups, known = (
        np.repeat([f"{part} {number}" for number in range(len(of))], [len(labels) for _, labels in of])
        for part, of in (("test", test), ("train", train))
    )
    seen, asked = (np.concatenate([features for features, _ in part])[:CHECKED] for part in (train, test))
    return Made(
        Answers(range(len(hidden)), {TARGET: hidden}, groups=groups),
        train=seen.astype(np.float64),
        test=asked.astype(np.float64),
        train_groups=known[:CHECKED],
    )


def spoken(
    streams: Streams, size: str, studio: Studio, processes: int | None = None
) -> list[list[tuple[NDArray[np.float32], NDArray[np.int64]]]]:
    """The features and labels of each utterance of each part, as recorded in a studio."""
    *counts, voices = SIZES[size]
    known, others = (
        [draw_voice(rng) for _ in range(count)]
        for rng, count in ((streams.generator("train/voices"), voices), (streams.generator("test/voices"), voices // 4))
    )
    parts = []
    for part, texts in zip(PARTS, draw_sentences(streams, size, counts), strict=True):
        cast = cast_part(part, texts, known, others, streams.generator(f"{part}/cast"))
        pieces = [(start, cast[start : start + PIECE]) for start in range(0, len(cast), PIECE)]
        found = mapped(partial(recorded, streams, studio, part), pieces, processes)
        parts.append([utterance for piece in found for utterance in piece])
    return parts


def make(
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write both parts into `public`, the same however many `processes` there are (default: all cores)."""
    return finished(public, *spoken(streams, size, draw_studio(streams.generator("studio")), processes))
