"""HW2: the built-in world, the importer of the course's files, bad submissions, the baseline, and real files."""

from __future__ import annotations

import csv
import io
import sys
import wave
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray

from baselines import hw02_classification as baseline
from harness.home import Home
from submissions.reader import read
from tasks.base import PRIVATE, PUBLIC, Made, SubmissionError, UserError
from tasks.hw02_classification import (
    LAYOUT_2021,
    LAYOUT_2022,
    LAYOUT_2023,
    TARGET,
    TASK,
    WIDTH,
    Layout,
    official,
    world,
)
from tasks.hw02_classification.official import SIDE_BY_SIDE
from tasks.metrics import ACCURACY
from tasks.speech import RATE, draw_voice, mfcc, resampled
from tasks.split import split
from tasks.streams import fixed
from tests.conftest import SHARED, made_in, needs


def utterances(count: int, classes: int, seed: int = 0) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Frames (t, 39) whose mean tells their class, and classes (t,)."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        labels = np.repeat(rng.integers(0, classes, 12), rng.integers(3, 6, 12))
        frames = rng.normal(size=(len(labels), WIDTH)) + 3 * np.eye(classes, WIDTH)[labels]
        made.append((frames.astype(np.float32), labels))
    return made


def side_by_side(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Eleven frames in each row, the ends repeated."""
    places = np.arange(len(frames))[:, None] + np.arange(SIDE_BY_SIDE) - SIDE_BY_SIDE // 2
    rows: NDArray[np.float32] = frames[places.clip(0, len(frames) - 1)].reshape(len(frames), -1)
    return rows


def given_2021(place: Path, text: bool = True) -> Path:
    folder = place / "timit_11"
    folder.mkdir(parents=True)
    made = utterances(60, 39)
    np.save(folder / "train_11.npy", np.concatenate([side_by_side(frames) for frames, _ in made]))
    labels = np.concatenate([labels for _, labels in made])
    np.save(folder / "train_label_11.npy", labels.astype(str) if text else labels)
    np.save(folder / "test_11.npy", np.zeros((7, 429), np.float32))
    return place


def given_2022(place: Path, count: int = 60) -> Path:
    root = place / "libriphone"
    (root / "feat" / "train").mkdir(parents=True)
    names = [f"103-1240-{number:04d}" for number in range(count)]
    lines = []
    for name, (frames, labels) in zip(names, utterances(count, 41), strict=True):
        torch.save(torch.from_numpy(frames), root / "feat" / "train" / f"{name}.pt")
        lines.append(f"{name} {' '.join(map(str, labels.tolist()))}\n")
    (root / "train_split.txt").write_text("\n".join(names) + "\n")
    (root / "train_labels.txt").write_text("".join(lines))
    (root / "test_split.txt").write_text("x\n")
    return place


GIVEN: list[tuple[Layout, Callable[[Path], Path]]] = [
    (LAYOUT_2021, given_2021), (LAYOUT_2022, given_2022), (LAYOUT_2023, given_2022)
]  # fmt: skip


def take(source: Path, public: Path, layout: Layout, seed: int = 0) -> Made:
    public.mkdir()
    return official.make(layout, public, fixed(seed), "small", source)


def test_without_the_synthesiser_prepare_says_what_to_install_and_the_courses_files_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"pip install \"lhy-grade\[speech\]\"") as caught:
        made_in(tmp_path / "public", partial(world.make, processes=1))
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "public").rglob("*") if path.is_file()]
    assert len(take(given_2022(tmp_path / "given"), tmp_path / "official", LAYOUT_2022).answers)


def refused(source: Path, public: Path, layout: Layout) -> str:
    with pytest.raises(UserError) as error:
        take(source, public, layout)
    assert error.value.code.startswith("E_SOURCE"), error.value.code
    assert not list(public.iterdir())
    return str(error.value)


def cut(folder: Path, values: NDArray[np.generic]) -> list[NDArray[np.generic]]:
    """Rows of a part by its utterances."""
    with (folder / "utterances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["utterance"]) for row in rows] == list(range(len(rows)))
    assert sum(int(row["length"]) for row in rows) == len(values)
    return [values[int(row["offset"]) : int(row["offset"]) + int(row["length"])] for row in rows]


# The world


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    public = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.SIZES, "small", (30, 20, 8))
        return public, world.make(public, fixed(1), "small", None, None, 1)


def test_the_same_key_gives_the_same_files_and_another_other_ones(small: tuple[Path, Made], tmp_path: Path) -> None:
    public, made = small
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.SIZES, "small", (30, 20, 8))
        again, other = (world.make(folder, fixed(seed), "small") for folder, seed in folders(tmp_path))
    for name in ("train/features.npy", "train/labels.npy", "train/utterances.csv", "test/features.npy"):
        assert (tmp_path / "same" / name).read_bytes() == (public / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (public / name).read_bytes()
    assert np.array_equal(again.answers.columns[TARGET], made.answers.columns[TARGET])
    assert len(other.answers) != len(made.answers)
    assert not (public / "test" / "labels.npy").exists()


def folders(place: Path) -> list[tuple[Path, int]]:
    for name in ("same", "other"):
        (place / name).mkdir()
    return [(place / "same", 1), (place / "other", 2)]


def test_frames_labels_and_groups_belong_together(small: tuple[Path, Made]) -> None:
    public, made = small
    hidden, groups = made.answers.columns[TARGET], made.answers.groups
    assert groups is not None
    features = np.load(public / "test" / "features.npy")
    assert features.dtype == np.float32
    assert features.shape == (len(hidden), WIDTH)
    assert len(cut(public / "test", features)) == 20
    assert all(len(set(part.tolist())) == 1 for part in cut(public / "test", groups))
    labels = np.load(public / "train" / "labels.npy")
    train = np.load(public / "train" / "features.npy")
    assert (labels.min(), labels.max(), len(labels)) == (0, 38, len(train))
    assert 0.08 < (labels == 38).mean() < 0.22
    for part in cut(public / "train", labels):  # silence, sounds of some frames each, silence
        assert part[0] == part[-1] == 38
        assert 3 < len(part) / (1 + np.count_nonzero(np.diff(part))) < 15
    usage = split(made.answers, b"key", "hw02", 0.5).usage
    assert usage is not None
    assert all(len(set(part.tolist())) == 1 for part in cut(public / "test", usage))


def test_features_tell_silence_from_sounds_in_every_utterance(small: tuple[Path, Made]) -> None:
    """The first cepstral coefficient is loudness: where labels were shifted, it would not follow them."""
    public, _ = small
    pairs = zip(
        *(cut(public / "train", np.load(public / "train" / f"{n}.npy")) for n in ("features", "labels")), strict=True
    )
    higher = [np.mean(x[y != 38, 0]) > np.mean(x[y == 38, 0]) for x, y in pairs]
    assert np.mean(higher) > 0.95


def test_no_sentence_of_the_test_is_in_training_or_twice_and_a_third_of_its_voices_are_new() -> None:
    train, test = world.draw_sentences(fixed(2), "small", (300, 150))
    assert (len(train), len(test), len(set(test))) == (300, 150, 150)
    assert not set(train) & set(test)
    rng = np.random.default_rng(0)
    known, others = ([draw_voice(rng) for _ in range(count)] for count in (10, 5))
    heard = world.cast_part("test", test, known, others, rng)
    new = [utterance.voice.formants in [voice.formants for voice in others] for utterance in heard]
    assert 0.2 < np.mean(new) < 0.5
    again = world.cast_part("train", train, known, others, rng)
    assert {utterance.voice.formants for utterance in again} == {voice.formants for voice in known}


# The course's files


@pytest.mark.parametrize(("layout", "give"), GIVEN, ids=[layout.year for layout, _ in GIVEN])
def test_a_fifth_of_the_utterances_becomes_hidden_with_their_labels(
    layout: Layout, give: Callable[[Path], Path], tmp_path: Path
) -> None:
    made = take(give(tmp_path / "source"), tmp_path / "public", layout, seed=3)
    known = {frames.tobytes(): labels for frames, labels in utterances(60, layout.classes)}
    hidden = made.answers.columns[TARGET]
    sides = {}
    for part, labels in (("train", np.load(tmp_path / "public/train/labels.npy")), ("test", hidden)):
        frames = cut(tmp_path / "public" / part, np.load(tmp_path / "public" / part / "features.npy"))
        for x, y in zip(frames, cut(tmp_path / "public" / part, labels), strict=True):
            assert np.array_equal(known[x.tobytes()], y)
        sides[part] = {x.tobytes() for x in frames}
    assert (len(sides["train"]), len(sides["test"])) == (48, 12)
    assert not sides["train"] & sides["test"]


def test_labels_of_2021_may_be_numbers_and_frames_without_joints_are_cut_into_pieces(tmp_path: Path) -> None:
    source = given_2021(tmp_path / "source", text=False)
    made = take(source, tmp_path / "a", LAYOUT_2021)
    assert made.answers.columns[TARGET].max() <= 38
    frames = np.random.default_rng(0).normal(size=(9000, WIDTH)).astype(np.float32)
    np.save(source / "timit_11/train_11.npy", side_by_side(frames))
    np.save(source / "timit_11/train_label_11.npy", np.arange(9000) % 39)
    made = take(source, tmp_path / "b", LAYOUT_2021)
    assert made.answers.groups is not None
    assert len(set(made.answers.groups)) == 6
    np.save(source / "timit_11/train_11.npy", side_by_side(frames)[np.random.default_rng(0).permutation(9000)])
    assert "shuffled" in refused(source, tmp_path / "c", LAYOUT_2021)


def test_an_array_that_claims_more_than_its_bytes_or_holds_objects_is_refused_before_it_is_read(tmp_path: Path) -> None:
    source = given_2021(tmp_path / "source")
    path = source / "timit_11/train_11.npy"
    whole = path.read_bytes()
    claim = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 429)}
    npy.write_array_header_1_0(claim, header)
    path.write_bytes(claim.getvalue() + bytes(1000))
    assert "claims float32 (1000000000000, 429)" in refused(source, tmp_path / "a", LAYOUT_2021)
    path.write_bytes(whole[:-7])
    assert "Download it again" in refused(source, tmp_path / "b", LAYOUT_2021)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "found Python objects" in refused(source, tmp_path / "c", LAYOUT_2021)
    path.write_bytes(b"no array")
    assert "it cannot be read" in refused(source, tmp_path / "d", LAYOUT_2021)
    np.save(path, np.zeros((len(np.load(source / "timit_11/train_label_11.npy")), 39), np.float32))
    assert "of 429 floating-point numbers" in refused(source, tmp_path / "e", LAYOUT_2021)
    path.write_bytes(whole)
    for number, labels in enumerate((["39"], ["-1"], ["1.5"], ["sil"])):
        count = len(np.load(path, mmap_mode="r"))
        np.save(source / "timit_11/train_label_11.npy", np.resize(np.array(labels), count))
        assert "train_label_11.npy: expected" in refused(source, tmp_path / f"label {number}", LAYOUT_2021)


class Bad:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return print, ("executed",)


def test_a_tensor_file_that_is_none_or_would_run_code_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = given_2022(tmp_path / "source")
    path = source / "libriphone/feat/train/103-1240-0007.pt"
    whole = path.read_bytes()
    for number, bad in enumerate((Bad(), [1.0], torch.zeros(3, 39), torch.zeros(40, 39, dtype=torch.int64))):
        torch.save(bad, path)
        assert "0007.pt: expected" in refused(source, tmp_path / f"bad {number}", LAYOUT_2022)
    path.write_bytes(whole[:100])
    assert "0007.pt: expected" in refused(source, tmp_path / "cut", LAYOUT_2022)
    path.unlink()
    assert "0007.pt and its line in train_labels.txt (1 are missing)" in refused(source, tmp_path / "no", LAYOUT_2022)
    assert "executed" not in capsys.readouterr().out


def test_files_of_another_year_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = given_2021(tmp_path / "old"), given_2022(tmp_path / "new")
    assert "train_split.txt is a file of 2022 or 2023, not of 2021" in refused(new, tmp_path / "a", LAYOUT_2021)
    assert "train_11.npy is a file of 2021, not of 2022" in refused(old, tmp_path / "b", LAYOUT_2022)
    (new / "libriphone/train_split.txt").write_text("\n".join(map(str, range(3429))))
    assert "those of 2023, not of 2022; use --edition 2023" in refused(new, tmp_path / "c", LAYOUT_2022)
    few = given_2022(tmp_path / "few", 9)
    assert "at least 20 different utterances; found 9" in refused(few, tmp_path / "d", LAYOUT_2022)


# What is handed in


def rows(count: int, kind: str = "3") -> bytes:
    return ("Id,Class\n" + "".join(f"{number},{kind}\n" for number in range(count))).encode()


@pytest.mark.parametrize(
    ("edition", "data", "code"),
    [
        ("2022", rows(646_268).replace(b"\n646267,3\n", b"\n"), "E_ID_MISSING"),
        ("2021", rows(451_552).replace(b"\n7,3\n", b"\n7,39\n"), "E_RANGE"),
        ("2021", rows(451_552).replace(b"\n7,3\n", b"\n7,3.0\n"), "E_NUMBER"),
        ("2022", rows(451_552), "E_YEAR"),
        ("2021", rows(646_268), "E_YEAR"),
        ("builtin", rows(527_364), "E_YEAR"),
    ],
    ids=["one missing", "class 39", "a float", "2021 in 2022", "2022 in 2021", "2023 in builtin"],
)
def test_bad_submissions_are_refused_with_what_is_wrong(edition: str, data: bytes, code: str) -> None:
    with pytest.raises(SubmissionError) as error:
        read(data, TASK.edition(edition).format)
    assert [problem.code for problem in error.value.problems] == [code]


# The baseline


def test_windows_stay_within_their_utterance_and_pieces_hold_every_frame() -> None:
    bounds = torch.tensor([[0, 3], [3, 5]])
    near = baseline.Windows(baseline.Config(context=1), bounds).near(torch.arange(5))
    assert near.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2], [3, 3, 4], [3, 4, 4]]
    bounds = torch.tensor([[0, 50], [50, 57], [57, 107]])
    windows = baseline.Windows(baseline.Config(piece=20), bounds)
    drawn = [windows.pieces(torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    for pieces in drawn:
        assert sorted(set(pieces.flatten().tolist())) == list(range(107))
        assert pieces.shape[1] == 20
        inside = [(pieces >= low) & (pieces < high) for low, high in bounds.tolist()]
        assert all(sum(int(part.all(dim=1)[row]) for part in inside) == 1 for row in range(len(pieces)))


def test_cmvn_is_of_each_utterance_and_takes_out_what_a_microphone_does() -> None:
    bounds = torch.tensor([[0, 3], [3, 5]])
    frames = torch.randn(5, 39, generator=torch.Generator().manual_seed(0)) * 7 + 3
    normal = baseline.cmvn(frames, bounds)
    for low, high in bounds.tolist():
        torch.testing.assert_close(normal[low:high].mean(0), torch.zeros(39), atol=1e-5, rtol=0)
        torch.testing.assert_close(normal[low:high].std(0, correction=0), torch.ones(39))
    torch.testing.assert_close(baseline.cmvn(3 * frames + 5, bounds), normal)


def test_taken_utterances_keep_their_frames() -> None:
    frames = torch.arange(9.0)[:, None].expand(9, 39)
    speech = baseline.Speech(frames, torch.arange(9), torch.tensor([[0, 4], [4, 6], [6, 9]]))
    some = speech.taken(torch.tensor([2, 0]))
    assert some.labels.tolist() == [6, 7, 8, 0, 1, 2, 3]
    assert some.bounds.tolist() == [[0, 3], [3, 7]]
    assert some.frames[:, 0].tolist() == some.labels.tolist()


def test_the_recurrent_network_reads_each_utterance_on_its_own_in_both_directions() -> None:
    config = baseline.Config(network="lstm", hidden=(6, 5))
    network = baseline.new_network(config, 7, 0, "cpu")
    frames = torch.randn(30, 39, generator=torch.Generator().manual_seed(0))
    speech = baseline.Speech(frames, torch.zeros(30), torch.tensor([[0, 9], [9, 30]]))
    both = baseline.guess(config, network, speech)
    assert torch.equal(both[9:], baseline.guess(config, network, speech.taken(torch.tensor([1]))))
    out = network(frames[None])[0]
    assert out.shape == (30, 7)
    changed = frames.clone()
    changed[15] += 5
    moved = (network(changed[None])[0] - out).abs().amax(dim=1)
    assert (moved[5:25] > 0).all()


def test_one_frame_on_the_courses_sizes_is_the_courses_sample_network(tmp_path: Path) -> None:
    network = baseline.new_network(baseline.settings("simple", tmp_path), 41, 0, "cpu")
    assert sum(weight.numel() for weight in network.parameters()) == 86_569


# Real speech


@needs("phoneme-esl")
def test_real_phonemes_in_the_courses_layout_import_train_and_score(tmp_path: Path) -> None:
    """The sample of Hastie, Tibshirani and Friedman: 400 log-periodograms of five phonemes, cut from TIMIT."""
    with (SHARED / "phoneme-esl" / "phoneme.csv").open(newline="") as file:
        table = list(csv.reader(file))[1:]
    names = sorted({row[0] for row in table})
    spectra = np.array([[float(cell) for cell in row[1:]] for row in table])
    bands = spectra[:, : WIDTH * 6].reshape(len(table), WIDTH, 6).mean(axis=2).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(table)).reshape(-1, 10)
    root = tmp_path / "libriphone"
    (root / "feat" / "train").mkdir(parents=True)
    lines = []
    for number, rows in enumerate(order.tolist()):
        torch.save(torch.from_numpy(bands[rows]), root / "feat" / "train" / f"u{number}.pt")
        lines.append(f"u{number} {' '.join(str(names.index(table[row][0])) for row in rows)}\n")
    (root / "train_labels.txt").write_text("".join(lines))
    (root / "train_split.txt").write_text("".join(f"u{number}\n" for number in range(len(order))))
    made = take(tmp_path, tmp_path / "public", LAYOUT_2022)
    (tmp_path / "public" / "manifest.json").write_text("{}")
    done = baseline_run(tmp_path / "public", tmp_path / "run", "cmvn=true", "epochs=40", "batch=32")
    columns = read(done.read_bytes(), TASK.edition("2022").format.fit(made.answers))
    assert ACCURACY.value(ACCURACY.rows(made.answers.columns, columns)) > 0.75


@needs("fsdd")
def test_real_digits_in_the_layout_of_2021_import_train_and_score(tmp_path: Path) -> None:
    """600 spoken digits of six people. Each frame's class is the digit that is said, since no phonemes are marked."""
    folder = tmp_path / "timit_11"
    folder.mkdir()
    rows, labels = [], []
    with zipfile.ZipFile(SHARED / "fsdd" / "fsdd-600.zip") as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".wav")):
            with wave.open(io.BytesIO(archive.read(name))) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16) / 32768
                assert sound.getframerate() == RATE // 2
            frames = mfcc(resampled(samples, RATE // 2), high=RATE / 4)
            rows.append(side_by_side(frames.astype(np.float32)))
            labels += [int(name.rpartition("/")[2].split("_")[0])] * len(frames)
    np.save(folder / "train_11.npy", np.concatenate(rows))
    np.save(folder / "train_label_11.npy", np.array(labels).astype(str))
    np.save(folder / "test_11.npy", np.zeros((7, WIDTH * SIDE_BY_SIDE), np.float32))
    made = take(tmp_path, tmp_path / "public", LAYOUT_2021)
    assert made.answers.groups is not None
    assert len(np.unique(made.answers.groups)) == 120  # a fifth of the 600 recordings, found where frames do not join
    (tmp_path / "public" / "manifest.json").write_text("{}")
    done = baseline_run(tmp_path / "public", tmp_path / "run", "epochs=2")
    answers = split(made.answers, b"key", "hw02", 0.5)
    hits = ACCURACY.rows(answers.columns, read(done.read_bytes(), TASK.edition("2021").format.fit(answers)))
    for side in (PUBLIC, PRIVATE):
        assert ACCURACY.value(hits, answers.usage == side) > 0.2  # one in ten by chance


def baseline_run(public: Path, run: Path, *overrides: str) -> Path:
    from baselines.common import train_level

    return train_level("hw02", "simple", public, run, seed=0, device="cpu", overrides=overrides)


def test_the_levels_learn_on_a_small_world(homes: Callable[[str], Home], tmp_path: Path) -> None:
    public = homes("hw02").public("hw02")
    log = (baseline_run(public, tmp_path, "epochs=4").parent / "metrics.jsonl").read_text()
    assert '"epoch": 4' in log
    losses = [float(line.split('"train_loss": ')[1].split(",")[0]) for line in log.splitlines()]
    assert losses[-1] < losses[0] < np.log(39)
