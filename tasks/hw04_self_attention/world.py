"""The built-in world of HW4: speakers read sentences in sessions, drawn from a key.

A speaker is a point in a continuous family of voices: accent, length of the vocal tract, the formants around it, their
strengths and widths, breath, roughness, pitch and its range, pace. The key draws the middle of the family, so that
another key has other voices. A session is one recording: its microphone and line, its room, its noise, how high, fast
and loud the speaker speaks that day. No session has utterances both in training and in the test, so a model that knows
the microphone knows nothing; microphones differ by more than voices do.

Every utterance is a short part of a sentence of HW5's English grammar, which no other utterance shares but by chance.
Every speaker, session and utterance has its own random stream.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Made, UserError
from tasks.bilingual.language import Language, language
from tasks.bilingual.language import speaker as writer
from tasks.bilingual.sentences import sentence
from tasks.hw04_self_attention import N_MELS
from tasks.hw04_self_attention.files import Utterance, new_names, write
from tasks.processes import blocks, mapped
from tasks.speech import (
    HOP,
    LENGTH,
    RATE,
    Random,
    Samples,
    Speak,
    Voice,
    channel,
    channelled,
    log_mel,
    noisy,
    room,
    roomed,
    synthesiser,
)
from tasks.streams import Streams


@dataclass(frozen=True)
class Counts:
    """Speakers, sessions of each in training and in the test, utterances of a session, and the frames of one."""

    speakers: int
    training: int
    test: int
    utterances: int
    frames: tuple[int, int]


COUNTS = {"small": Counts(60, 12, 8, 2, (150, 150)), "full": Counts(600, 23, 2, 5, (200, 500))}
DEPTH = 10.0  # dB, the standard deviation of a microphone's response
SNR = (0.0, 15.0)  # dB
BLOCK = 100  # speakers whose utterances are in memory at once


@dataclass(frozen=True)
class Family:
    """The middle of a key's voices: pitch in Hz, and the factors of the formants."""

    pitch: float
    formants: NDArray[np.float64]
    strengths: NDArray[np.float64]


@dataclass(frozen=True)
class Session:
    """One recording: what is between the mouth and the file, and how the speaker speaks that day (factors)."""

    microphone: Samples
    room: Samples
    snr: float
    slope: float
    pitch: float
    pace: float


def draw_family(rng: Random) -> Family:
    return Family(
        pitch=rng.uniform(115, 160),
        formants=1 + rng.normal(0, 0.03, 9),
        strengths=rng.uniform(0.8, 1.2, 9),
    )


def draw_speaker(family: Family, rng: Random) -> Voice:
    """A short vocal tract has high formants, and mostly a high pitch."""
    tract = rng.uniform(-1, 1)
    pitch, swing = family.pitch * 2 ** (0.5 * tract + rng.normal(0, 0.2)), rng.uniform(1.25, 1.75)
    return Voice(
        accent="en" if rng.random() < 0.3 else "en-us",
        pitch=(round(pitch / math.sqrt(swing)), round(pitch * math.sqrt(swing))),
        pace=int(rng.integers(140, 210)),
        formants=tuple((family.formants * (1 + 0.12 * tract + rng.normal(0, 0.04, 9))).tolist()),
        strengths=tuple((family.strengths * rng.uniform(0.7, 1.3, 9)).tolist()),
        widths=tuple(rng.uniform(0.8, 1.6, 9).tolist()),
        breath=tuple((rng.integers(0, 4, 8) * rng.integers(0, 12)).tolist()),
        flutter=int(rng.integers(0, 12)),
        roughness=int(rng.integers(0, 5)),
    )


def draw_session(rng: Random) -> Session:
    return Session(
        microphone=channel(rng, DEPTH),
        room=room(rng),
        snr=rng.uniform(*SNR),
        slope=rng.uniform(-6, 0),
        pitch=2 ** rng.normal(0, 0.12),
        pace=2 ** rng.normal(0, 0.12),
    )


def on_that_day(voice: Voice, session: Session) -> Voice:
    low, high = (round(hertz * session.pitch) for hertz in voice.pitch)
    return replace(voice, pitch=(low, high), pace=round(voice.pace * session.pace))


def utterance(speak: Speak, voice: Voice, session: Session, texts: list[str], frames: int, rng: Random) -> Samples:
    """The log-mel spectrogram (frames, 40) of a part of these sentences, as the microphone hears it."""
    needed, before = (frames - 1) * HOP + LENGTH, RATE // 4
    said: list[Samples] = []
    while sum(map(len, said)) < needed + before:
        said.append(speak(texts[len(said) % len(texts)], voice)[0])
    samples = np.concatenate(said)
    start = int(rng.integers(0, len(samples) - needed - before + 1))
    samples = samples[start : start + before + needed]  # what was said before still sounds in the room
    heard = channelled(roomed(samples, session.room), session.microphone)[before:]
    return log_mel(noisy(heard, rng, session.snr, session.slope))


def speak_all(
    streams: Streams, family: Family, english: Language, counts: Counts, sessions: range, number: int
) -> list[list[NDArray[np.float16]]]:
    """All utterances of a speaker, for each of these sessions."""
    own = streams.within(f"speaker/{number}")
    voice = draw_speaker(family, own.generator("voice"))
    spoken = []
    with synthesiser() as speak:
        for at in sessions:
            here = own.within(f"session/{at}")
            session = draw_session(here.generator("recording"))
            today, author = on_that_day(voice, session), writer(here.random("sentences"), english, 0.3)
            parts = []
            for each in range(counts.utterances):
                rng = here.generator(str(each))
                frames = int(rng.integers(counts.frames[0], counts.frames[1] + 1))
                texts = [sentence(author)[0] for _ in range(8)]
                parts.append(utterance(speak, today, session, texts, frames, rng).astype(np.float16))
            spoken.append(parts)
    return spoken


def voices(streams: Streams, counts: Counts, sessions: range) -> Callable[[int], list[list[NDArray[np.float16]]]]:
    """What gives the utterances of a speaker, by number."""
    family, english = draw_family(streams.generator("family")), language(streams.random("language"))
    return partial(speak_all, streams, family, english, counts, sessions)


def make(
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write the utterances of a world into `public`, the same however many `processes` there are (default: all)."""
    if size not in COUNTS:
        raise UserError(f"size {size!r}: expected one of: small, full.")
    counts = COUNTS[size]
    numbers = 10_000 + np.sort(streams.generator("numbers").choice(10_000, counts.speakers, replace=False))
    speakers = [f"id{number}" for number in numbers.tolist()]
    work = voices(streams, counts, range(counts.training + counts.test))
    parts: dict[bool, list[tuple[Utterance, int]]] = {False: [], True: []}  # each with its first frame in the file
    with tempfile.TemporaryFile(dir=public) as file:  # in the order of the speakers
        for block in blocks(counts.speakers, BLOCK):
            for number, sessions in zip(block, mapped(work, block, processes), strict=True):
                speaker = speakers[number]
                for at, session in enumerate(sessions):
                    for log_mel in session:
                        place = file.tell() // (N_MELS * log_mel.itemsize)
                        one = Utterance("", speaker, len(log_mel), f"{speaker} {at}")
                        parts[at >= counts.training].append((one, place))
                        file.write(log_mel.tobytes())
        file.flush()
        frames = np.asarray(np.memmap(file, np.float16, mode="r")).reshape(-1, N_MELS)
        chosen: dict[bool, list[tuple[Utterance, int]]] = {}
        for side, name in ((False, "training"), (True, "test")):
            order = streams.generator(f"{name}/order").permutation(len(parts[side])).tolist()
            names = new_names(streams.generator(f"{name}/names"), len(order))
            some = (parts[side][place] for place in order)
            chosen[side] = [(replace(one, name=new), place) for new, (one, place) in zip(names, some, strict=True)]
        log_mels = (frames[place : place + one.frames] for one, place in (*chosen[False], *chosen[True]))
        train, test = ([one for one, _ in chosen[side]] for side in (False, True))
        made = write(public, speakers, train, test, log_mels)
        del frames, log_mels  # or Windows cannot remove the file
    return made
