"""Speech for worlds: voices that read sentences aloud, the times of their sounds, rooms, microphones, noise, features.

    with synthesiser() as speak:
        samples, sounds = speak("The old doctor sings.", draw_voice(rng))
    heard = noisy(channelled(roomed(samples, room(rng)), channel(rng)), rng, 10.0)
    frames = mfcc(heard)

espeak-ng reads (the wheel `espeakng-loader`, GPL-3, the optional extra `speech`): `prepare` alone loads it, and what
students get are numbers. Samples are float64 at `RATE`. Frames are 25 ms long, one every 10 ms; features are Kaldi's.
"""

from __future__ import annotations

import contextlib
import ctypes
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError

Samples = NDArray[np.float64]
Random = np.random.Generator

RATE = 16_000
LENGTH, HOP, FFT = 400, 160, 512
"""Samples of a frame and between the beginnings of two, and the length of its Fourier transform."""
SILENCE = "sil"
PHONEMES = (
    "iy", "ih", "eh", "ae", "ah", "uw", "uh", "aa", "ey", "ay", "oy", "aw", "ow", "l", "r", "y", "w", "er", "m", "n",
    "ng", "ch", "jh", "dh", "b", "d", "dx", "g", "p", "t", "k", "z", "v", "f", "th", "s", "sh", "hh", SILENCE,
)  # fmt: skip
"""The 39 classes of the course's table of 2021, in its order: TIMIT's phonemes as Lee and Hon (1989) fold them."""
MNEMONICS = """
i: iy; i iy; I ih; I2 ih; I# ih; E eh; a ae; aa ae; V ah; @ ah; @2 ah; @- ah; @5 uh; a# ah; u: uw; U uh; A: aa; 0 aa;
O: aa; O aa; O2 aa; eI ey; aI ay; OI oy; aU aw; oU ow; 3 er; 3: er; l l; @L ah l; r r; r- r; j y; ; y; w w; m m; n n;
n- ah n; N ng; tS ch; dZ jh; D dh; b b; d d; t# dx; g g; p p; t t; t2 t; ? t; k k; z z; Z sh; v v; f f; T th; s s;
S sh; h hh; A@ aa r; o@ aa r; O@ aa r; U@ uh r; e@ eh r; i@ iy ah; i@3 ih er; aI@ ay ah; aI3 ay er
"""
"""What espeak-ng calls the sounds of American English, and the one or two phonemes of each."""
BRITISH = """
aa aa; 3 ah; A@ aa; o@ aa; O@ aa; U@ uh; e@ eh; i@3 ih ah; aI3 ay ah
"""
"""The sounds that differ in southern England."""


@cache
def sounds_of(accent: str) -> dict[str, tuple[str, ...]]:
    """The phonemes of each of espeak-ng's sounds in an accent, "en-us" or "en"."""
    text = MNEMONICS + (";" + BRITISH if accent == "en" else "")
    words = (cell.split() for cell in text.replace("\n", " ").replace("; ;", "; \0").split(";") if cell.strip())
    return {name.replace("\0", ";"): tuple(rest) for name, *rest in words}


# Voices


@dataclass(frozen=True)
class Voice:
    """A voice. Factors are relative to espeak-ng's own voice and given to it in whole percent.

    `pitch` is the lowest and the highest in Hz; `formants`, `strengths` and `widths` are the factors of the frequency,
    amplitude and bandwidth of the formants 0 to 8; `breath` is the noise in each of eight formants.
    """

    accent: str
    pitch: tuple[int, int]
    pace: int  # words a minute
    formants: tuple[float, ...] = (1.0,) * 9
    strengths: tuple[float, ...] = (1.0,) * 9
    widths: tuple[float, ...] = (1.0,) * 9
    breath: tuple[int, ...] = (0,) * 8
    flutter: int = 2  # of the pitch
    roughness: int = 2  # 0 to 7

    @property
    def variant(self) -> str:
        """The text of espeak-ng's file of the voice."""
        factors = enumerate(zip(self.formants, self.strengths, self.widths, strict=True))
        lines = [f"formant {k} {100 * f:.0f} {100 * s:.0f} {100 * w:.0f}" for k, (f, s, w) in factors]
        return "\n".join(
            [
                "language variant",
                "name drawn",
                f"pitch {self.pitch[0]} {self.pitch[1]}",
                f"flutter {self.flutter}",
                f"roughness {self.roughness}",
                *lines,
                f"breath {' '.join(map(str, self.breath))}",
                "",
            ]
        )


def draw_voice(rng: Random) -> Voice:
    """A voice of the family of all: short vocal tracts have high formants and mostly a high pitch."""
    tract = rng.uniform(-1, 1)
    pitch = 135 * 2 ** (0.55 * tract + rng.normal(0, 0.2))
    swing = rng.uniform(1.25, 1.75)
    formants = 1 + 0.12 * tract + rng.normal(0, 0.03, 9)
    breath = rng.integers(0, 4, 8) * rng.integers(0, 12)
    return Voice(
        accent="en" if rng.random() < 0.3 else "en-us",
        pitch=(round(pitch / swing**0.5), round(pitch * swing**0.5)),
        pace=int(rng.integers(130, 215)),
        formants=tuple(formants.tolist()),
        strengths=tuple(rng.uniform(0.7, 1.25, 9).tolist()),
        widths=tuple(rng.uniform(0.8, 1.6, 9).tolist()),
        breath=tuple(breath.tolist()),
        flutter=int(rng.integers(0, 12)),
        roughness=int(rng.integers(0, 5)),
    )


@dataclass(frozen=True)
class Sounds:
    """The phonemes (numbers in `PHONEMES`) of an utterance, and the sample at which each of them begins, (n,) each."""

    starts: NDArray[np.int64]
    kinds: NDArray[np.int64]

    def labels(self, frames: int) -> NDArray[np.int64]:
        """The phoneme under the middle of each frame (frames,)."""
        middles = HOP * np.arange(frames) + LENGTH // 2
        places = np.searchsorted(self.starts, middles, side="right") - 1
        return np.where(places < 0, PHONEMES.index(SILENCE), self.kinds[places])


# The synthesiser


class _Value(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """`espeak_EVENT` of espeak-ng's speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("place", ctypes.c_int), ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int), ("sample", ctypes.c_int), ("user", ctypes.c_void_p), ("value", _Value),
    )  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_SYNCHRONOUS, _PHONEME_EVENTS, _DO_NOT_EXIT, _UTF8, _BY_CHARACTER = 2, 1, 0x8000, 1, 1
_PHONEME, _PACE, _PITCH, _RANGE = 7, 1, 3, 4
_SEED = 1
_FILES = (
    "phondata", "phonindex", "phontab", "intonations", "en_dict", "lang/gmw/en", "lang/gmw/en-US",
)  # fmt: skip
"""What English needs of espeak-ng's data folder."""

Speak = Callable[[str, Voice], tuple[Samples, Sounds]]


@contextlib.contextmanager
def synthesiser() -> Iterator[Speak]:
    """A function of a text and a voice: the samples, at most 1, and the sounds. The same arguments give the same bytes.

    It writes voices into a private copy of espeak-ng's data. Its library keeps state from one text to the next, so it
    is loaded anew for each. Use it in one thread. Raises UserError without the package.
    """
    try:
        import espeakng_loader
    except ImportError:
        raise UserError(
            'speech needs espeakng-loader, which is not installed; install it with: pip install "lhy-grade[speech]"'
        ) from None
    data = Path(espeakng_loader.get_data_path())
    with tempfile.TemporaryDirectory(prefix="lhy-grade-") as folder:
        copy = Path(folder) / "espeak-ng-data"
        for name in _FILES:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(data / name, copy / name)
        variant = copy / "voices" / "!v" / "drawn"
        variant.parent.mkdir(parents=True)

        def speak(text: str, voice: Voice) -> tuple[Samples, Sounds]:
            variant.write_text(voice.variant, encoding="ascii", newline="\n")
            return _spoken(espeakng_loader.get_library_path(), folder, text, voice)

        yield speak


def _spoken(library: str, folder: str, text: str, voice: Voice) -> tuple[Samples, Sounds]:
    """The text in the voice whose file is in the folder, by a newly loaded library."""
    pieces: list[bytes] = []
    events: list[tuple[int, str]] = []

    def take(wave: Any, count: int, found: Any) -> int:
        if count:
            pieces.append(ctypes.string_at(wave, 2 * count))
        at = 0
        while found[at].type:
            if found[at].type == _PHONEME:
                events.append((found[at].sample, found[at].value.string.decode("utf-8", "replace")))
            at += 1
        return 0

    callback = _CALLBACK(take)
    espeak = ctypes.CDLL(library)
    try:
        rate = espeak.espeak_Initialize(_SYNCHRONOUS, 200, folder.encode(), _PHONEME_EVENTS | _DO_NOT_EXIT)
        assert rate > 0, "espeak-ng finds its data"
        espeak.espeak_ng_SetRandSeed(_SEED)  # or it is the time
        espeak.espeak_SetSynthCallback(callback)
        found = espeak.espeak_SetVoiceByName(f"{voice.accent}+drawn".encode())
        assert found == 0, "espeak-ng has the accent"
        for parameter, value in ((_PACE, voice.pace), (_PITCH, 50), (_RANGE, 50)):
            espeak.espeak_SetParameter(parameter, value, 0)
        data = text.encode() + b"\0"
        espeak.espeak_Synth(data, len(data), 0, _BY_CHARACTER, 0, _UTF8, None, None)
        espeak.espeak_Terminate()
    finally:
        _unload(espeak)
    samples = np.frombuffer(b"".join(pieces), np.int16) / 32768
    return resampled(samples, rate), _sounds(events, voice.accent, RATE / rate, len(samples))


def _unload(library: ctypes.CDLL) -> None:
    import _ctypes

    if sys.platform == "win32":
        _ctypes.FreeLibrary(library._handle)
    else:
        _ctypes.dlclose(library._handle)


def _sounds(events: Sequence[tuple[int, str]], accent: str, scale: float, end: int) -> Sounds:
    """The phonemes of espeak-ng's events; one of two phonemes is the first for three fifths of its time."""
    known = sounds_of(accent)
    starts, kinds = [0.0], [SILENCE]
    for (start, name), (after, _) in zip(events, [*events[1:], (end, "")], strict=True):
        bare = name.lstrip("',%=|")
        phonemes = (SILENCE,) if bare.startswith("_") or not bare else known[bare]
        starts += [scale * (start + share * (after - start)) for share in (0.0, 0.6)[: len(phonemes)]]
        kinds += phonemes
    return Sounds(np.rint(starts).astype(np.int64), np.array([PHONEMES.index(kind) for kind in kinds]))


def resampled(samples: Samples, rate: int) -> Samples:
    """Samples at `rate` brought to `RATE` by their spectrum, after zeros up to a whole number of periods of both."""
    common = int(np.gcd(rate, RATE))
    step, new = rate // common, RATE // common
    periods = -(-(len(samples) + rate // 20) // step)
    spectrum = np.fft.rfft(samples, periods * step)
    out: Samples = np.fft.irfft(spectrum[: periods * new // 2 + 1], periods * new) * (new / step)
    return out[: -(-len(samples) * new // step)]


# Rooms, microphones and noise


def room(
    rng: Random, reverberation: tuple[float, float] = (0.1, 0.5), direct: tuple[float, float] = (3, 12)
) -> Samples:
    """An impulse response: the direct sound at 0, six early reflections, and a tail that decays by 60 dB.

    The ranges are of the seconds of that decay and of the ratio of the direct sound to all else in dB.
    """
    seconds, ratio = rng.uniform(*reverberation), rng.uniform(*direct)
    count = int(seconds * RATE)
    response = rng.normal(size=count) * 10 ** (-3 * np.arange(count) / count)
    response[: RATE // 50] *= 0.1
    early = rng.integers(RATE // 500, RATE // 50, 6)
    response[early] += rng.choice([-1, 1], 6) * rng.uniform(0.5, 2, 6)
    response[0] = 0
    response *= 10 ** (-ratio / 20) / np.sqrt((response**2).sum())
    response[0] = 1
    return response


def channel(
    rng: Random, depth: float = 6.0, low: tuple[float, float] = (50, 250), high: tuple[float, float] = (3500, 7500)
) -> Samples:
    """The response of a microphone and its line in dB at 257 frequencies from 0 to 8000 Hz.

    A smooth curve of that depth (the standard deviation in dB), and a band whose ends are drawn from the ranges in Hz.
    """
    frequencies = np.linspace(0, RATE / 2, FFT // 2 + 1)
    place = np.log1p(frequencies / 300) / np.log1p(RATE / 2 / 300)
    curve = sum(rng.normal() * np.cos(np.pi * (k + 1) * place + rng.uniform(0, 2 * np.pi)) for k in range(4))
    bottom, top = rng.uniform(*low), rng.uniform(*high)
    slopes = 24 * np.log2(np.maximum(1, bottom / np.maximum(frequencies, 1)))  # 24 dB an octave
    slopes += 60 * np.log2(np.maximum(1, frequencies / top))
    response: Samples = depth / np.sqrt(2) * curve - np.minimum(slopes, 60)
    return response


def roomed(samples: Samples, response: Samples) -> Samples:
    """Samples as heard in a room, as many as before: what the impulse response adds after the end is cut."""
    count = _fast(len(samples) + len(response))
    out: Samples = np.fft.irfft(np.fft.rfft(samples, count) * np.fft.rfft(response, count), count)
    return out[: len(samples)]


def channelled(samples: Samples, response: Samples) -> Samples:
    """Samples through a channel, without delay; `response` in dB is spread evenly from 0 Hz to half of `RATE`."""
    count = _fast(len(samples) + RATE // 10)
    gains = np.interp(np.linspace(0, 1, count // 2 + 1), np.linspace(0, 1, len(response)), response)
    out: Samples = np.fft.irfft(np.fft.rfft(samples, count) * 10 ** (gains / 20), count)
    return out[: len(samples)]


def noise(rng: Random, count: int, slope: float) -> Samples:
    """Noise of power 1 whose power changes by `slope` dB an octave: 0 is white, −3 pink, −6 brown."""
    size = _fast(count)
    spectrum = np.fft.rfft(rng.normal(size=size))
    octaves = np.log2(np.maximum(np.arange(len(spectrum)) * (RATE / size), 50) / 1000)
    out = np.fft.irfft(spectrum * 10 ** (slope * octaves / 20), size)[:count]
    return out / np.sqrt((out**2).mean())  # type: ignore[no-any-return]


def noisy(samples: Samples, rng: Random, snr: float, slope: float = -3.0) -> Samples:
    """Samples with noise, whose power is `snr` dB below their own."""
    level = np.sqrt((samples**2).mean() * 10 ** (-snr / 10))
    out: Samples = samples + level * noise(rng, len(samples), slope)
    return out


def _fast(count: int) -> int:
    """The next multiple of a power of two near to the count, which has a fast Fourier transform."""
    step = 1 << max(0, count.bit_length() - 4)
    return -(-count // step) * step


# Features, as Kaldi computes them, without dither


def spectra(samples: Samples) -> Samples:
    """The power spectrum of each frame, (frames, 257): mean removed, pre-emphasis .97, Povey's window."""
    if len(samples) < LENGTH:
        return np.zeros((0, FFT // 2 + 1))
    frames = np.lib.stride_tricks.sliding_window_view(samples, LENGTH)[::HOP]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    window = np.hanning(LENGTH) ** 0.85
    power: Samples = np.abs(np.fft.rfft((frames - 0.97 * before) * window, FFT)) ** 2
    return power


@cache
def mel_filters(bands: int, low: float = 20.0, high: float = RATE / 2) -> Samples:
    """Triangles that are even on the mel scale, (bands, 257); cached, so never change them."""
    mels = 1127 * np.log1p(np.linspace(0, RATE / 2, FFT // 2 + 1) / 700)
    corners = np.linspace(1127 * np.log1p(low / 700), 1127 * np.log1p(high / 700), bands + 2)[:, None]
    width = corners[1] - corners[0]
    triangles: Samples = np.clip(1 - np.abs(mels - corners[1:-1]) / width, 0, None)
    triangles[:, -1] = 0  # Kaldi leaves out the highest frequency
    return triangles


def log_mel(samples: Samples, bands: int = 40, low: float = 20.0, high: float = RATE / 2) -> Samples:
    """The logarithm of the energy in each mel band between two frequencies, (frames, bands)."""
    filters = mel_filters(bands, low, high)
    energies: Samples = np.log(np.maximum(spectra(samples) @ filters.T, np.finfo(np.float32).eps))
    return energies


def cepstra(samples: Samples, low: float = 20.0, high: float = RATE / 2, count: int = 13, bands: int = 23) -> Samples:
    """Mel-frequency cepstral coefficients, (frames, count): the cosine transform of `log_mel`, with lifter 22."""
    band, number = np.arange(bands) + 0.5, np.arange(count)[:, None]
    cosines = np.sqrt(2 / bands) * np.cos(np.pi / bands * number * band)
    cosines[0] /= np.sqrt(2)
    lifter = 1 + 11 * np.sin(np.pi * np.arange(count) / 22)
    out: Samples = log_mel(samples, bands, low, high) @ cosines.T * lifter
    return out


def deltas(features: Samples) -> Samples:
    """The slope of each feature over five frames, by least squares; frames beyond an end equal the one there."""
    if not len(features):
        return features
    padded = np.pad(features, ((2, 2), (0, 0)), mode="edge")
    slope: Samples = (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10
    return slope


def mfcc(samples: Samples, low: float = 20.0, high: float = RATE / 2) -> Samples:
    """The 39 numbers of each frame: 13 cepstral coefficients, their deltas, and the deltas of these."""
    still = cepstra(samples, low, high)
    moving = deltas(still)
    return np.concatenate([still, moving, deltas(moving)], axis=1)
