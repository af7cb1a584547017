"""Speech: voices that say what they are given, when; rooms, microphones and noise; features against references."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import kaldi_native_fbank
import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from tasks import speech
from tasks.bilingual.language import language, speaker
from tasks.bilingual.sentences import sentence
from tasks.errors import UserError
from tasks.speech import HOP, LENGTH, PHONEMES, RATE, Sounds, Speak, Voice, draw_voice, synthesiser
from tasks.streams import fixed

PLAIN = Voice("en-us", (90, 140), 160)
TEXT = "The old doctor has already measured the white house."


@pytest.fixture(scope="module")
def speak() -> object:
    with synthesiser() as function:
        yield function


def digest(samples: NDArray[np.float64]) -> str:
    return hashlib.sha256(samples.tobytes()).hexdigest()


def drawn(seed: int) -> Voice:
    return draw_voice(np.random.default_rng(seed))


def white(seconds: float, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=int(seconds * RATE)) / 8


# Voices


def test_the_same_arguments_give_the_same_bytes_whatever_was_said_before(speak: Speak) -> None:
    first = [digest(speak(TEXT, drawn(seed))[0]) for seed in (1, 2, 3)]
    assert len(set(first)) == 3
    assert [digest(speak(TEXT, drawn(seed))[0]) for seed in (3, 1, 2)] == [first[2], first[0], first[1]]
    code = (
        "import hashlib, numpy\nfrom tasks.speech import draw_voice, synthesiser\n"
        "with synthesiser() as speak:\n"
        f"    samples, _ = speak({TEXT!r}, draw_voice(numpy.random.default_rng(2)))\n"
        "print(hashlib.sha256(samples.tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == first[1]


@pytest.mark.parametrize(
    "change",
    [
        {"accent": "en"},
        {"pitch": (180, 260)},
        {"pace": 200},
        {"formants": (1.1,) * 9},
        {"strengths": (0.6,) * 9},
        {"widths": (1.5,) * 9},
        {"breath": (40,) * 8},
        {"flutter": 20},
        {"roughness": 6},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_of_a_voice_is_heard(speak: Speak, change: dict[str, object]) -> None:
    assert digest(speak(TEXT, replace(PLAIN, **change))[0]) != digest(speak(TEXT, PLAIN)[0])  # type: ignore[arg-type]


def test_pitch_pace_and_formants_are_those_of_the_voice(speak: Speak) -> None:
    def pitch(voice: Voice) -> float:
        """The median fundamental of the loud frames in Hz, by autocorrelation."""
        samples = speak("We are all away.", voice)[0]
        frames = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::HOP]
        frames = frames[(frames**2).mean(axis=1) > 0.003]
        lags = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)[:, RATE // 400 : RATE // 60]
        return float(np.median(RATE / (lags.argmax(axis=1) + RATE // 400)))

    assert 80 < pitch(replace(PLAIN, flutter=0)) < 150
    assert 190 < pitch(replace(PLAIN, pitch=(200, 290), flutter=0)) < 300
    assert len(speak(TEXT, replace(PLAIN, pace=220))[0]) < 0.85 * len(speak(TEXT, PLAIN)[0])

    def centre(voice: Voice) -> float:
        power = speech.spectra(speak("We are all away.", voice)[0])[:, :160].sum(axis=0)
        return float((power * np.arange(160)).sum() / power.sum())

    assert centre(replace(PLAIN, formants=(1.2,) * 9)) > 1.1 * centre(PLAIN)


@pytest.mark.parametrize("accent", ["en-us", "en"])
def test_every_sound_of_many_sentences_is_one_of_the_39(speak: Speak, accent: str) -> None:
    streams = fixed(3)
    someone = speaker(streams.random("speaker"), language(streams.random("language")), 0.3)
    heard: Counter[str] = Counter()
    for _ in range(200):
        samples, sounds = speak(sentence(someone)[0], replace(PLAIN, accent=accent))
        assert (np.diff(sounds.starts) >= 0).all()
        assert sounds.starts[0] >= 0
        assert sounds.starts[-1] <= len(samples)
        heard.update(PHONEMES[kind] for kind in sounds.kinds)
    assert set(heard) | {"oy", "dx", "er"} >= set(PHONEMES)
    assert heard["sil"] < 0.25 * heard.total()


def test_sounds_are_where_they_are_heard(speak: Speak) -> None:
    high, loud = dict.fromkeys(PHONEMES, 0.0), dict.fromkeys(PHONEMES, 0.0)
    samples, sounds = speak("She sees six sad fishes, and my father sat. Sue asks us all to go.", PLAIN)
    power = speech.spectra(samples)
    labels = sounds.labels(len(power))
    for kind in np.unique(labels):
        frames = power[labels == kind]
        high[PHONEMES[kind]] = float(np.median(frames[:, 100:].sum(axis=1) / (frames.sum(axis=1) + 1e-9)))
        loud[PHONEMES[kind]] = float(np.median(frames.sum(axis=1)))
    assert min(high["s"], high["z"]) > 0.9
    assert max(high["iy"], high["aa"], high["ow"], high["m"]) < 0.6
    assert loud["sil"] < 1e-3 * min(loud["iy"], loud["aa"], loud["ae"])


def test_labels_are_those_of_the_middles_of_frames() -> None:
    sounds = Sounds(np.array([100, 2 * HOP + LENGTH // 2, 2 * HOP + LENGTH // 2, 1000]), np.array([5, 6, 7, 8]))
    assert sounds.labels(6).tolist() == [5, 5, 7, 7, 7, 8]
    assert Sounds(np.array([300]), np.array([4])).labels(2).tolist() == [PHONEMES.index("sil"), 4]


def test_without_the_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r'pip install "lhy-grade\[speech\]"') as error, synthesiser():
        pass
    assert "\n" not in str(error.value)


# Rooms, microphones and noise


def test_resampling_is_that_of_scipy_and_keeps_a_tone() -> None:
    count = 22_050
    tone = np.sin(2 * np.pi * 440 * np.arange(count) / 22_050)
    new = speech.resampled(tone, 22_050)
    assert len(new) == RATE
    wanted = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert np.abs(new - wanted)[200:-200].max() < 0.01
    padded = np.pad(white(1.0)[:14_700], (0, 22_050 - 14_700))
    assert np.allclose(
        speech.resampled(padded[:14_700], 22_050)[:9000],
        scipy.signal.resample(np.pad(padded, (0, 441 * 3)), RATE + 960)[:9000],
        atol=0.02,
    )


def test_a_room_starts_with_the_direct_sound_and_decays() -> None:
    samples, response = white(0.5), speech.room(np.random.default_rng(1), direct=(6, 6))
    assert response[0] == 1
    assert 10 * np.log10((response[1:] ** 2).sum()) == pytest.approx(-6)
    quarter = len(response) // 4
    assert (response[-quarter:] ** 2).sum() < 1e-2 * (response[1:] ** 2).sum()
    heard = speech.roomed(samples, response)
    assert np.allclose(heard, np.convolve(samples, response)[: len(samples)])


def test_a_channel_changes_each_frequency_by_its_decibels_without_delay() -> None:
    samples = white(1.0)
    assert np.allclose(speech.channelled(samples, np.zeros(257)), samples)
    assert np.allclose(speech.channelled(samples, np.full(257, -20.0)), samples / 10)
    response = speech.channel(np.random.default_rng(0))
    before, after = (
        10 * np.log10(speech.spectra(s).mean(axis=0)) for s in (samples, speech.channelled(samples, response))
    )
    middle = slice(10, 110)
    assert np.abs((after - before - response)[middle]).max() < 3
    many = np.array([speech.channel(np.random.default_rng(seed), 10.0)[40:100] for seed in range(200)])
    assert 8 < many.std(axis=0).mean() < 12
    narrow, wide = (speech.channel(np.random.default_rng(0), high=(top, top)) for top in (4000.0, 8000.0))
    assert np.allclose(narrow[:129], wide[:129])
    assert (wide - narrow)[-1] == pytest.approx(60)


@pytest.mark.parametrize("slope", [0.0, -3.0, -6.0])
def test_noise_has_its_power_and_its_slope(slope: float) -> None:
    samples, rng = white(2.0), np.random.default_rng(5)
    heard = speech.noisy(samples, rng, 10.0, slope)
    assert 10 * np.log10((samples**2).mean() / ((heard - samples) ** 2).mean()) == pytest.approx(10)
    frequencies, power = scipy.signal.welch(speech.noise(np.random.default_rng(1), 60 * RATE, slope), RATE, nperseg=512)
    bands = [power[(frequencies >= low) & (frequencies < 2 * low)].mean() for low in (500, 1000, 2000)]
    assert np.diff(10 * np.log10(bands)) == pytest.approx([slope, slope], abs=0.5)


# Features


def kaldi(
    samples: NDArray[np.float64], bands: int | None, low: float = 20.0, high: float = 8000.0
) -> NDArray[np.float32]:
    """Kaldi's mel energies in so many bands, or its 13 cepstral coefficients."""
    options = kaldi_native_fbank.MfccOptions() if bands is None else kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.low_freq, options.mel_opts.high_freq = low, high
    if bands is None:
        options.use_energy = False
        computer = kaldi_native_fbank.OnlineMfcc(options)
    else:
        options.mel_opts.num_bins = bands
        computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(RATE, samples.astype(np.float32).tolist())
    computer.input_finished()
    return np.array([computer.get_frame(frame) for frame in range(computer.num_frames_ready)])


@pytest.mark.parametrize("seconds", [LENGTH / RATE, 0.1, 0.4321, 1.0])
def test_features_are_those_of_kaldi(seconds: float) -> None:
    for samples in (white(seconds), white(seconds) * 1e-4, np.cumsum(white(seconds, 1)) / 50):
        assert np.abs(speech.log_mel(samples) - kaldi(samples, 40)).max() < 0.01
        assert np.abs(speech.log_mel(samples, 80) - kaldi(samples, 80)).max() < 0.02
        features = speech.mfcc(samples)
        assert features.shape == (1 + (len(samples) - LENGTH) // HOP, 39)
        assert np.abs(features[:, :13] - kaldi(samples, None)).max() < 0.05
        narrow = speech.mfcc(samples, 150.0, 5600.0)[:, :13]
        assert np.abs(narrow - kaldi(samples, None, 150.0, 5600.0)).max() < 0.05


def test_features_of_a_voice_are_those_of_kaldi(speak: Speak) -> None:
    samples = speech.noisy(speak(TEXT, drawn(4))[0], np.random.default_rng(0), 30.0)
    assert np.abs(speech.log_mel(samples) - kaldi(samples, 40)).max() < 0.01
    assert np.abs(speech.mfcc(samples)[:, :13] - kaldi(samples, None)).max() < 0.05


def test_deltas_are_slopes_by_least_squares() -> None:
    features = white(0.01).reshape(-1, 5)
    wanted = scipy.signal.savgol_filter(features, 5, 1, deriv=1, axis=0, mode="nearest")
    assert np.allclose(speech.deltas(features), wanted)
    whole = speech.mfcc(white(0.3))
    assert np.allclose(whole[:, 13:26], speech.deltas(whole[:, :13]))
    assert np.allclose(whole[:, 26:], speech.deltas(whole[:, 13:26]))


def test_what_is_too_short_has_no_frame() -> None:
    assert speech.mfcc(np.zeros(LENGTH - 1)).shape == (0, 39)
    assert speech.log_mel(np.zeros(LENGTH)).tolist() == [[pytest.approx(np.log(np.finfo(np.float32).eps))] * 40]
