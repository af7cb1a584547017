"""HW4: the speakers of the world, the course's own utterances, the format, and the parts of the baseline."""

from __future__ import annotations

import io
import json
import re
import sys
import wave
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from torch.nn import functional

from baselines import hw04_self_attention as baseline
from baselines.common import train_level
from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import Home
from submissions.reader import read
from tasks.base import PRIVATE, PUBLIC, Made, SubmissionError, UserError
from tasks.hw04_self_attention import COURSE, NAME, TARGET, form_of, official, world
from tasks.metrics import ACCURACY
from tasks.speech import RATE, log_mel, resampled, synthesiser
from tasks.split import split
from tasks.streams import fixed
from tests.conftest import SHARED, made_in, needs
from tests.files import write

FEW = world.Counts(3, 2, 1, 2, (40, 60))


@pytest.fixture
def home(homes: Callable[[str], Home]) -> Home:
    return homes("hw04")


def values_of(public: Path, name: str) -> Any:
    return json.loads((public / name).read_text(encoding="utf-8"))


# The world


def test_the_files_are_the_courses_and_every_frame_belongs_to_one_utterance(home: Home) -> None:
    public = home.public("hw04")
    answers = read_secret(home, find_competition(home, "hw04")).answers
    metadata, testdata, mapping = (values_of(public, f"{n}.json") for n in ("metadata", "testdata", "mapping"))
    assert metadata["n_mels"] == testdata["n_mels"] == 40
    assert list(mapping["speaker2id"]) == list(metadata["speakers"]) == sorted(metadata["speakers"])
    assert {str(number): name for name, number in mapping["speaker2id"].items()} == mapping["id2speaker"]
    assert tuple(entry["feature_path"] for entry in testdata["utterances"]) == answers.ids
    entries = [entry for some in metadata["speakers"].values() for entry in some] + testdata["utterances"]
    assert len({entry["feature_path"] for entry in entries}) == len(entries)
    assert all(re.fullmatch(NAME, entry["feature_path"]) for entry in entries)
    end = 0
    for entry in sorted(entries, key=lambda entry: int(entry["offset"])):
        assert entry["offset"] == end
        end += entry["mel_len"]
    features = np.load(public / "features.npy")
    assert (features.shape, features.dtype) == ((end, 40), np.float16)
    assert np.isfinite(features).all()


def test_no_session_straddles_training_and_test_or_the_two_boards(home: Home) -> None:
    answers = read_secret(home, find_competition(home, "hw04")).answers
    assert answers.groups is not None
    assert answers.usage is not None
    sides = [set(answers.groups[answers.usage == side]) for side in (PUBLIC, PRIVATE)]
    assert not sides[0] & sides[1]
    assert all(group.split()[0] == who for group, who in zip(answers.groups, answers.columns[TARGET], strict=True))


def test_microphones_differ_by_more_than_voices_do() -> None:
    """The mean spectra of two sessions of a speaker, against those of two speakers in the same session."""
    streams = fixed(3)
    family = world.draw_family(streams.generator("family"))
    voices = [world.draw_speaker(family, streams.generator(f"voice/{n}")) for n in range(4)]
    sessions = [world.draw_session(streams.generator(f"session/{n}")) for n in range(4)]
    texts = ["The old doctor from Venice reads a long letter to the children in the garden."]
    with synthesiser() as speak:
        means = np.array(
            [
                [
                    world.utterance(speak, voice, session, texts, 300, np.random.default_rng(0)).mean(axis=0)
                    for session in sessions
                ]
                for voice in voices
            ]
        )
    means -= means.mean(axis=2, keepdims=True)
    of_voice, of_session = means.mean(axis=1).std(axis=0).mean(), means.mean(axis=0).std(axis=0).mean()
    assert of_session > 1.3 * of_voice > 0


def test_the_full_world_has_the_courses_own_counts() -> None:
    counts = world.COUNTS["full"]
    speakers, labelled, asked = COURSE["2021"]
    assert counts.speakers == speakers
    assert counts.speakers * counts.test * counts.utterances == asked
    assert abs(counts.speakers * counts.training * counts.utterances - labelled) < 0.01 * labelled


def test_without_the_synthesiser_prepare_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(world.COUNTS, "small", FEW)
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError, match=r"pip install \"lhy-grade\[speech\]\""):
        made_in(tmp_path / "public", partial(world.make, processes=1))


# The course's utterances


def given(place: Path, each: int = 20) -> Path:
    """Six speakers in the course's layout, with `each` utterances of 30 frames or more."""
    folder, rng = place / "Dataset", np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = [f"id{10_270 + number}" for number in range(6)]
    spoken: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(each * len(names)):
        frames = 30 + int(rng.integers(10))
        path = f"uttr-{rng.bytes(16).hex()}.pt"
        torch.save(torch.from_numpy(rng.normal(number % 6, 2, (frames, 40)).astype(np.float32)), folder / path)
        spoken[names[number % 6]].append({"feature_path": path, "mel_len": frames})
    write_json(folder / "metadata.json", {"n_mels": 40, "speakers": spoken})
    asked = [{"feature_path": f"uttr-{rng.bytes(16).hex()}.pt", "mel_len": 300} for _ in range(7)]
    write_json(folder / "testdata.json", {"n_mels": 40, "utterances": asked})
    numbers = {name: number for number, name in enumerate(names)}
    write_json(folder / "mapping.json", {"speaker2id": numbers, "id2speaker": {str(n): s for s, n in numbers.items()}})
    return place


def write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")


def take(source: Path, public: Path, year: str = "2022", seed: int = 0) -> Made:
    public.mkdir(exist_ok=True)
    return official.make(year, public, fixed(seed), "small", source)


def refused(source: Path, public: Path, year: str = "2022") -> str:
    with pytest.raises(UserError) as error:
        take(source, public, year)
    assert not list(public.iterdir())
    return str(error.value)


def read_frames(public: Path, entry: dict[str, Any]) -> NDArray[np.float16]:
    return np.load(public / "features.npy")[entry["offset"] :][: entry["mel_len"]]  # type: ignore[no-any-return]


def test_a_tenth_of_each_speaker_becomes_hidden_under_new_names_and_every_number_is_the_courses(tmp_path: Path) -> None:
    source, public = given(tmp_path / "source"), tmp_path / "public"
    result = take(source, public)
    said = result.answers.columns[TARGET].tolist()
    assert set(Counter(said).values()) == {2}
    assert len(set(said)) == 6
    before = values_of(source / "Dataset", "metadata.json")["speakers"]
    tensors = {
        torch.load(source / "Dataset" / entry["feature_path"]).half().numpy().tobytes(): (who, entry["feature_path"])
        for who, entries in before.items()
        for entry in entries
    }
    for entry, who in zip(values_of(public, "testdata.json")["utterances"], said, strict=True):
        speaker, name = tensors.pop(read_frames(public, entry).tobytes())
        assert speaker == who
        assert name != entry["feature_path"]
    for who, entries in values_of(public, "metadata.json")["speakers"].items():
        for entry in entries:
            assert tensors.pop(read_frames(public, entry).tobytes()) == (who, entry["feature_path"])
    assert not tensors
    assert values_of(public, "mapping.json") == values_of(source / "Dataset", "mapping.json")


def test_equal_utterances_stay_on_one_side_and_those_of_two_speakers_are_not_hidden(tmp_path: Path) -> None:
    source = given(tmp_path / "source", 40)
    folder = source / "Dataset"
    spoken = values_of(folder, "metadata.json")["speakers"]
    first, second = list(spoken.values())[:2]
    for entries, places in ((first, range(1, 4)), (second, range(4, 5))):
        for place in places:
            data = (folder / first[0]["feature_path"]).read_bytes()
            (folder / entries[place]["feature_path"]).write_bytes(data)
            entries[place]["mel_len"] = first[0]["mel_len"]
    write_json(folder / "metadata.json", {"n_mels": 40, "speakers": spoken})
    for seed in range(4):
        result = take(source, tmp_path / str(seed), seed=seed)
        assert result.train_groups is not None
        assert result.answers.groups is not None
        assert not set(result.train_groups) & set(result.answers.groups)
        assert Counter(result.train_groups.tolist()).most_common(1)[0][1] == 5


def spoilt(folder: Path, file: str, change: Callable[[Any], Any]) -> None:
    values = values_of(folder, file)
    change(values)
    write_json(folder / file, values)


DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no mapping": (lambda f: (f / "mapping.json").unlink(), "expected the file mapping.json"),
    "no tensor": (lambda f: min(f.glob("*.pt")).unlink(), "1 of 120 are missing"),
    "not JSON": (lambda f: write(f / "metadata.json", b"{"), "expected JSON"),
    "a list": (lambda f: write_json(f / "testdata.json", []), "keys n_mels, utterances"),
    "80 bands": (lambda f: spoilt(f, "metadata.json", lambda v: v.update(n_mels=80)), "expected n_mels 40; found 80"),
    "a speaker without a number": (
        lambda f: spoilt(f, "mapping.json", lambda v: v["speaker2id"].pop("id10270")), "speakers of mapping.json",
    ),
    "a number twice": (
        lambda f: spoilt(f, "mapping.json", lambda v: v["speaker2id"].update(id10270=1)), "each number once",
    ),
    "few utterances": (
        lambda f: spoilt(f, "metadata.json", lambda v: v["speakers"].update(id10270=[])), "at least 10 utterances",
    ),
    "no length": (
        lambda f: spoilt(f, "metadata.json", lambda v: v["speakers"]["id10270"][3].pop("mel_len")), "and mel_len",
    ),
    "a name that leads out": (
        lambda f: spoilt(f, "metadata.json", lambda v: v["speakers"]["id10270"][3].update(feature_path="../x.pt")),
        "expected feature_path",
    ),
    "an utterance twice": (
        lambda f: spoilt(f, "metadata.json", lambda v: v["speakers"]["id10270"].append(v["speakers"]["id10271"][0])),
        "is there twice",
    ),
}  # fmt: skip
"""What is wrong in the folder Dataset, and what the refusal says."""


class Touch:
    """What a pickle could do."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("touched"),)


def test_a_file_that_is_no_tensor_of_the_right_shape_is_named_and_nothing_in_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = given(tmp_path / "source")
    path = min((source / "Dataset").glob("*.pt"))
    whole = path.read_bytes()
    for value, message in (
        (Touch(), "expected a tensor saved by torch"),
        ({"x": torch.zeros(3)}, "found dict"),
        (torch.zeros(31, 41), "found torch.float32 (31, 41)"),
        (torch.zeros(31, 40, dtype=torch.int64), "found torch.int64"),
        (torch.full(tuple(torch.load(path).shape), 1e6), "expected finite numbers that float16 holds"),
    ):
        torch.save(value, path)
        said = refused(source, tmp_path / "public")
        assert path.name in said
        assert message in said
    for data in (b"", whole[: len(whole) // 2], b"<html>"):
        path.write_bytes(data)
        assert "expected a tensor saved by torch" in refused(source, tmp_path / "public")
    assert not (tmp_path / "touched").exists()


def test_counts_are_the_courses_all_of_them_or_none_and_those_of_another_year_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = given(tmp_path / "source")
    for year, counts in {"2021": (6, 120, 7), "2022": (6, 96, 9), "2023": (6, 96, 9)}.items():
        monkeypatch.setitem(COURSE, year, counts)
    assert len(take(source, tmp_path / "a", "2021").answers) == 12
    assert "use --edition 2021" in refused(source, tmp_path / "b", "2022")
    spoilt(source / "Dataset", "testdata.json", lambda values: values["utterances"].pop())
    assert "expected 7 test utterances of the 2021 edition; found 6: the download" in refused(
        source, tmp_path / "c", "2021"
    )


# The format


REAL = {year: next(iter(sorted((SHARED / "submissions" / f"hw04-{year}").glob("*.csv"))), Path()) for year in COURSE}


@needs("submissions/hw04-2021", "submissions/hw04-2022", "hw4-meta")
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize("year", ["2021", "2022"])
def test_real_files_are_taken_by_their_own_year_and_another_year_names_it(
    year: str, ends: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "real.csv"
    path.write_bytes(REAL[year].read_bytes().replace(b"\r\n", b"\n").replace(b"\n", ends))
    done = CliRunner().invoke(cli, ["check", "hw4", str(path), "--edition", year])
    assert done.exit_code == 0, done.output
    assert f"valid: {COURSE[year][2]:,} rows for hw04, edition {year}" in done.output
    other = "2022" if year == "2021" else "2021"
    done = CliRunner().invoke(cli, ["check", "hw4", str(path), "--edition", other])
    assert done.exit_code == 3
    assert f"this is a file for the course's test set of {year}" in done.output
    if year == "2021":
        rows = path.read_text().splitlines()[1:]
        asked = values_of(SHARED / "hw4-meta", "testdata.json")["utterances"]
        assert {row.split(",")[0] for row in rows} == {entry["feature_path"] for entry in asked}
        assert {row.split(",")[1] for row in rows} <= set(values_of(SHARED / "hw4-meta", "mapping.json")["speaker2id"])


def test_ids_that_are_not_known_here_are_those_of_the_file_as_far_as_they_are_names_of_utterances() -> None:
    form = form_of("2021")
    names = [f"uttr-{number:032x}.pt" for number in range(6000)]
    rows = [f"{name},id10001" for name in names]
    whole = "\n".join(["Id,Category", *rows])
    assert read(whole.encode(), form)[TARGET].tolist() == ["id10001"] * 6000
    turned = "\n".join(["Category,Id", *(f"id10001,{name}" for name in names)])
    assert read(turned.encode(), form)[TARGET].tolist() == ["id10001"] * 6000
    for wrong, code in (
        (whole + "\n" + rows[0], "E_ID_TWICE"),
        (whole.replace(rows[9], rows[8]), "E_ID_MISSING"),
        (whole.replace(names[9], names[9].removesuffix(".pt")), "E_ID_UNKNOWN"),
        (whole + f"\nuttr-{6000:032x}.pt,id10001", "E_ID_UNKNOWN"),
        *(
            (whole.replace("id10001", f'"{name}"', 1), "E_CHOICE")
            for name in ("3", "id1000", "ID10001", "", " id10001")
        ),
    ):
        with pytest.raises(SubmissionError) as caught:
            read(wrong.encode(), form)
        assert code in [problem.code for problem in caught.value.problems]


def test_an_unknown_speaker_a_number_and_an_utterance_twice_are_refused_all_at_once(home: Home) -> None:
    form = find_competition(home, "hw04").format
    lines = (home.public("hw04") / "sample_submission.csv").read_text().splitlines()
    names = [line.split(",")[0] for line in lines[1:]]
    lines[1], lines[2] = f"{names[0]},id99999", f"{names[1]},3"
    lines[3] = lines[4]
    with pytest.raises(SubmissionError) as caught:
        read("\n".join(lines).encode(), form)
    codes = {problem.code for problem in caught.value.problems}
    assert codes == {"E_CHOICE", "E_ID_TWICE", "E_ID_MISSING"}
    said = " ".join(problem.message for problem in caught.value.problems)
    assert '"id99999": expected one of 12 names' in said
    assert '"3": expected one of 12 names' in said


# Real voices


FSDD = SHARED / "fsdd" / "fsdd-600.zip"


@needs("fsdd")
def test_real_digits_in_the_courses_layout_import_train_and_score(tmp_path: Path) -> None:
    folder = tmp_path / "Dataset"
    folder.mkdir()
    spoken: dict[str, list[dict[str, Any]]] = {}
    with zipfile.ZipFile(FSDD) as archive:
        for number, name in enumerate(sorted(name for name in archive.namelist() if name.endswith(".wav"))):
            with wave.open(io.BytesIO(archive.read(name))) as sound:
                samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16) / 32768
                frames = log_mel(resampled(samples, sound.getframerate()))
            assert sound.getframerate() == RATE // 2
            uttr = f"uttr-{number:032x}.pt"
            torch.save(torch.from_numpy(frames.astype(np.float32)), folder / uttr)
            speaker = name.rpartition("/")[2].split("_")[1]
            spoken.setdefault(speaker, []).append({"feature_path": uttr, "mel_len": len(frames)})
    assert [len(entries) for entries in spoken.values()] == [100] * 6
    write_json(folder / "metadata.json", {"n_mels": 40, "speakers": spoken})
    write_json(folder / "testdata.json", {"n_mels": 40, "utterances": []})
    numbers = {name: number for number, name in enumerate(sorted(spoken))}
    write_json(folder / "mapping.json", {"speaker2id": numbers, "id2speaker": {str(n): s for s, n in numbers.items()}})
    result = take(tmp_path, tmp_path / "public", seed=1)
    assert len(result.answers) == 60
    (tmp_path / "public" / "manifest.json").write_text("{}")
    path = train_level(
        "hw04", "simple", tmp_path / "public", tmp_path / "run", seed=0, device="cpu",
        overrides=["epochs=8", "frames=40", "lr=0.003"],
    )  # fmt: skip
    answers = split(result.answers, b"key", "hw04", 0.5)
    assert result.form is not None
    rows = ACCURACY.rows(answers.columns, read(path.read_bytes(), result.form))
    for side in (PUBLIC, PRIVATE):
        assert ACCURACY.value(rows, answers.usage == side) > 0.5  # one in six by chance


# The baseline


def test_the_utterances_are_read_with_their_speakers_and_ids(home: Home) -> None:
    public = home.public("hw04")
    answers = read_secret(home, find_competition(home, "hw04")).answers
    speech = baseline.read(public, "cpu")
    assert tuple(speech.ids) == answers.ids
    spoken = values_of(public, "metadata.json")["speakers"]
    assert speech.speakers == list(spoken)
    last = spoken[speech.speakers[-1]][-1]
    whole = baseline.parts_of(speech, speech.known[torch.tensor([-1])], last["mel_len"], torch.zeros(1))
    assert np.array_equal(whole[0].half().numpy(), read_frames(public, last))
    assert int(speech.known.speakers[-1]) == len(spoken) - 1
    lengths = torch.tensor([20, 30, 40]).repeat(len(speech.ids))[: len(speech.ids)]
    some = baseline.Utterances(speech.asked.starts, lengths, speech.asked.speakers)
    network = baseline.new_network(baseline.LEVELS["boss"], 12, 0, "cpu")
    said = baseline.guesses(network, speech, some)
    assert torch.equal(baseline.guesses(network, speech, some, most=90), said)
    alone = [baseline.guesses(network, speech, some[torch.tensor([row])]) for row in range(9)]
    assert torch.equal(torch.cat(alone), said[:9])


def test_a_part_begins_where_its_draw_says_and_a_short_utterance_repeats() -> None:
    frames = torch.arange(30, dtype=torch.float16)[:, None].expand(30, 40)
    some = baseline.Utterances(torch.tensor([0, 20]), torch.tensor([20, 10]), torch.tensor([0, 1]))
    speech = baseline.Speech(frames, some, some, [], [])
    parts = baseline.parts_of(speech, some, 12, torch.tensor([0.999, 0.5]))[:, :, 0]
    assert parts[0].tolist() == list(range(8, 20))
    assert parts[1].tolist() == [*range(20, 30), 20, 21]


def test_another_channel_follows_its_draws_and_changes_all_frames_alike_but_for_noise_and_masks() -> None:
    x = torch.randn(5, 48, 40, generator=torch.Generator().manual_seed(0)) + 20
    once, again = (baseline.through_another_channel(x, torch.Generator().manual_seed(1)) for _ in range(2))
    other = baseline.through_another_channel(x, torch.Generator().manual_seed(2))
    assert once.shape == x.shape
    assert torch.isfinite(once).all()
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert (once - x).mean(dim=1).std() > 0.3
    torch.testing.assert_close(x, torch.randn(5, 48, 40, generator=torch.Generator().manual_seed(0)) + 20)


def test_a_normalised_network_does_not_hear_the_microphone() -> None:
    x = torch.randn(3, 50, 40, generator=torch.Generator().manual_seed(0))
    curve = torch.linspace(-9, 9, 40)
    for level, heard in (("simple", True), ("medium", False), ("strong", False), ("boss", False)):
        network = baseline.new_network(baseline.LEVELS[level], 7, 0, "cpu").eval()
        with torch.inference_mode():
            one, other = network(x), network(x + curve)
        assert one.shape == (3, 7)
        assert bool((one - other).abs().max() > 1e-3) == heard


def test_simple_has_as_many_weights_as_the_courses_sample_code() -> None:
    network = baseline.new_network(baseline.LEVELS["simple"], 600, 0, "cpu")
    assert sum(weights.numel() for weights in network.parameters()) == 125_896


def test_attentive_pooling_is_a_mean_with_weights_that_the_network_learns() -> None:
    network = baseline.new_network(baseline.LEVELS["boss"], 7, 0, "cpu")
    assert network.attention is not None
    x = torch.randn(2, 9, network.config.dim, generator=torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(network.attention.weight)
    torch.testing.assert_close(network.pooled(x), x.mean(dim=1))
    torch.nn.init.normal_(network.attention.weight, std=50.0)
    place = network.attention(x)[:, :, 0].argmax(dim=1)
    torch.testing.assert_close(network.pooled(x), x[torch.arange(2), place], atol=1e-2, rtol=0)


def test_am_softmax_is_the_papers() -> None:
    cosines, speakers = torch.tensor([[0.9, 0.1, -0.3], [0.2, 0.5, 0.4]]), torch.tensor([0, 2])
    losses = []
    for row, right in zip(cosines.tolist(), speakers.tolist(), strict=True):
        powers = [np.exp(10 * (value - 0.2 * (place == right))) for place, value in enumerate(row)]
        losses.append(-np.log(powers[right] / sum(powers)))
    assert float(baseline.am_softmax(cosines, speakers, 0.2, 10.0)) == pytest.approx(np.mean(losses), rel=1e-5)
    plain = functional.cross_entropy(10 * cosines, speakers)
    torch.testing.assert_close(baseline.am_softmax(cosines, speakers, 0.0, 10.0), plain)
