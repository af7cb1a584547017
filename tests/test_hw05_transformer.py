"""HW5: the lexicon and the grammar by hand, the files of the world and of the course, the baseline's parts."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from baselines import hw05_transformer as baseline
from baselines.common import train_level, tuned
from baselines.hw05_transformer import LEVELS, Config, clean, new_model, settings, tidy, translate
from baselines.run import Run
from baselines.seq2seq import Seq2Seq, beam_search
from baselines.text import BOS, EOS, PAD, TAG, Pairs, batches
from harness.home import Home
from tasks.base import PRIVATE, PUBLIC, Made, UserError
from tasks.bilingual.language import PLAIN, language, speaker
from tasks.bilingual.sentences import sentence
from tasks.formats import LinesFormat
from tasks.hw05_transformer import MONO_FILE, RAW_FILES, TASK, TEST_FILES, official
from tasks.hw05_transformer.world import WORDS
from tasks.streams import fixed
from tests.conftest import SHARED, SHORT, needs

TATOEBA = SHARED / "tatoeba-cmn" / "cmn.txt.gz"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with tuned("cpu", 1):
        yield


# The files of the world ----------------------------------------------------------------------------------------------


def lines_of(path: Path) -> list[str]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = data.decode("utf-8")
    assert text.endswith("\n")
    return text.split("\n")[:-1]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    folder = tmp_path_factory.mktemp("small")
    return folder, TASK.edition("builtin").make(folder, fixed(7), "small", None)


def test_the_files_are_the_courses_and_aligned(small: tuple[Path, Made]) -> None:
    folder, made = small
    english, chinese = (lines_of(folder / name) for name in RAW_FILES)
    assert len(english) == len(chinese) == 6000
    assert len(lines_of(folder / TEST_FILES[0])) == len(made.answers) == 1000
    assert set(lines_of(folder / TEST_FILES[1])) == {"。"}
    assert len(lines_of(folder / MONO_FILE)) == 6000
    assert list(made.answers.ids) == list(range(1, 1001))
    assert (folder / MONO_FILE).read_bytes()[4:8] == bytes(4)  # no time


def test_no_test_sentence_is_in_the_training_text_or_the_monolingual_one(small: tuple[Path, Made]) -> None:
    folder, made = small
    english, chinese = (lines_of(folder / name) for name in RAW_FILES)
    test, hidden = lines_of(folder / TEST_FILES[0]), made.answers.columns["translation"].tolist()
    assert len(set(test)) == len(set(hidden)) == len(test)
    known = {tidy(line) for line in english} | set(english)
    assert not known & set(test)
    known = {tidy(line) for line in (*chinese, *lines_of(folder / MONO_FILE))}
    assert not known & set(hidden)


def test_noise_is_in_the_training_pairs_only(small: tuple[Path, Made]) -> None:
    folder, made = small
    english, chinese = (lines_of(folder / name) for name in RAW_FILES)
    noise = re.compile(r"[()（）♫]|  |--|——|^[A-Z]+: ")
    share = sum(bool(noise.search(en) or noise.search(zh)) for en, zh in zip(english, chinese, strict=True)) / 6000
    assert 0.02 < share < 0.1
    others = [*lines_of(folder / TEST_FILES[0]), *made.answers.columns["translation"], *lines_of(folder / MONO_FILE)]
    assert not [line for line in others if noise.search(line)]


def test_the_monolingual_text_has_words_of_the_test_that_the_parallel_text_hardly_has(small: tuple[Path, Made]) -> None:
    folder, made = small
    parallel, alone = "\n".join(lines_of(folder / RAW_FILES[1])), "\n".join(lines_of(folder / MONO_FILE))
    hidden = "\n".join(made.answers.columns["translation"])
    spoken = language(fixed(7).random("language"), *WORDS["small"])
    known = {entry.chinese for table in spoken.lists[PLAIN].values() for entry in table if len(entry.chinese) > 1}
    rare = [word for word in known if word in hidden and parallel.count(word) < 6]
    assert len(rare) > 60
    assert sum(alone.count(word) > parallel.count(word) for word in rare) > 0.8 * len(rare)


# The course's files --------------------------------------------------------------------------------------------------


def write_course(folder: Path, english: list[str], chinese: list[str], mono: list[str] | None = None) -> Path:
    """The course's layout: ted2020.tgz, test.tgz and the monolingual text."""
    folder.mkdir(parents=True, exist_ok=True)

    def pack(name: str, members: dict[str, list[str]]) -> None:
        with tarfile.open(folder / name, "w:gz") as tar:
            for member, lines in members.items():
                data = "".join(line + "\n" for line in lines).encode()
                info = tarfile.TarInfo(member)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))

    pack("ted2020.tgz", {"raw.en": english, "raw.zh": chinese, "._raw.en": ["x"]})
    tests = official.LEAST // 3
    pack("test.tgz", {"test/test.en": ["A line."] * tests, "test/test.zh": ["。"] * tests})
    if mono is not None:
        (folder / "ted_zh_corpus.deduped.gz").write_bytes(gzip.compress("\n".join(mono).encode(), mtime=0))
    return folder


@needs("tatoeba-cmn")
def test_real_pairs_in_the_courses_layout_are_imported_and_carved_without_near_duplicates(tmp_path: Path) -> None:
    rows = [line.split("\t") for line in gzip.decompress(TATOEBA.read_bytes()).decode().split("\n") if line][::2]
    english, chinese = [row[0] for row in rows], [row[1].strip() for row in rows]
    source = write_course(tmp_path / "given", english, chinese, chinese[:500])
    public = tmp_path / "public"
    public.mkdir()
    made = TASK.edition("2022").make(public, fixed(3), "small", source)
    test, hidden = lines_of(public / TEST_FILES[0]), made.answers.columns["translation"].tolist()
    pairs = set(zip(english, chinese, strict=True))
    assert len(test) == len(hidden) == 4000
    assert all(pair in pairs for pair in zip(test, hidden, strict=True))
    train = list(zip(*(lines_of(public / name) for name in RAW_FILES), strict=True))
    assert len(train) > 0.7 * (len(rows) - 4000)
    assert all(pair in pairs for pair in train)
    usage = made.answers.usage
    assert usage is not None
    assert (usage[:2000] == PRIVATE).all()
    assert (usage[2000:] == PUBLIC).all()
    for place, lines in ((0, test), (1, hidden)):
        train_sides = [official.neighbours(pair[place]) for pair in train[::7]]
        for line in lines[::400]:
            side = official.neighbours(line)
            assert not any(official.near(side, other) for other in train_sides), line
    assert not set(hidden) & set(lines_of(public / MONO_FILE))


def test_the_settings_are_the_courses_where_the_data_are_not_the_small_ones(tmp_path: Path) -> None:
    said: list[dict[str, Any]] = [
        {}, {"size": "small"}, {"size": "full"}, {"size": None}, {"edition": "2021"}, {"edition": "builtin"}
    ]  # fmt: skip
    dims = []
    for values in said:
        (tmp_path / "format.json").write_text(json.dumps(values))
        dims.append(settings("strong", tmp_path).dim)
    own = LEVELS["strong"].dim
    assert dims == [own, own, 512, 512, 512, own]
    assert own != 512


def pairs_of(count: int, seed: int = 1) -> tuple[list[str], list[str]]:
    g = speaker(random.Random(seed), language(random.Random(3)), 0.3)
    pairs = [sentence(g) for _ in range(count)]
    return [en for en, _ in pairs], [zh for _, zh in pairs]


def test_unpacked_and_renamed_files_are_read_as_the_archives_are(tmp_path: Path) -> None:
    english, chinese = pairs_of(official.LEAST)
    source = write_course(tmp_path / "given", english, chinese, ["一行。", "", "兩行。"])
    wanted = (english, chinese, ["一行。", "兩行。"])
    assert official.read_official(source) == wanted
    with tarfile.open(source / "ted2020.tgz") as tar:  # unpacked next to it, as the course's notebook does
        for member in tar:
            part = tar.extractfile(member)
            assert part is not None
            (source / member.name).parent.mkdir(exist_ok=True)
            (source / member.name).write_bytes(part.read())
    assert official.read_official(source) == wanted
    loose = tmp_path / "loose"
    (loose / "ted2020").mkdir(parents=True)
    for side, lines in (("en", english), ("zh", chinese)):
        text = "\ufeff" + "\r\n".join(lines) + "\r\n"
        (loose / "ted2020" / f"train_dev.raw.{side}").write_bytes(text.encode())
    assert official.read_official(loose) == (english, chinese, [])


def test_no_line_that_is_handed_out_breaks_in_two_in_any_program() -> None:
    lines = official.lines_of("一\u2028二\x85三\r\n a\rb\x0bc\x1cd \n\n")
    assert lines == ["一 二 三", "a b c d", ""]
    assert "".join(f"{line}\n" for line in lines).splitlines() == lines


def test_what_is_not_the_courses_file_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    english, chinese = pairs_of(official.LEAST)

    def refused(source: Path) -> str:
        with pytest.raises(UserError) as error:
            official.read_official(source)
        return str(error.value)

    assert "as many lines" in refused(write_course(tmp_path / "a", english, chinese[:-1]))
    assert "at least 12000 pairs" in refused(write_course(tmp_path / "b", english[:100], chinese[:100]))
    assert "look swapped" in refused(write_course(tmp_path / "c", chinese, english))
    double = write_course(tmp_path / "d", english, chinese)
    (double / "raw.en").write_text("x\n", encoding="utf-8")
    assert "expected one raw.en; found raw.en and ted2020.tgz/raw.en" in refused(double)
    latin = write_course(tmp_path / "f", english, chinese)
    (latin / "ted2020.tgz").unlink()
    (latin / "raw.en").write_bytes("\n".join(english).encode())
    (latin / "raw.zh").write_bytes("第一行\n".encode() + "第二行".encode("big5"))
    assert "raw.zh, line 2: expected UTF-8" in refused(latin)


def test_near_duplicates_are_found_by_their_rare_neighbours_as_by_looking_at_all() -> None:
    english, _ = pairs_of(1500, seed=4)
    sides = [official.neighbours(line) for line in english]
    known = official.Known()
    for side in sides[:1000]:
        known.add(side)
    slow = [any(official.near(side, other) for other in sides[:1000]) for side in sides[1000:]]
    assert [known.has_near(side) for side in sides[1000:]] == slow
    assert 0 < sum(slow) < 100


# Editions ------------------------------------------------------------------------------------------------------------


def test_the_editions_have_the_courses_rules_and_format() -> None:
    old, new = TASK.edition("2021"), TASK.edition("2022")
    assert {bar.digits for bar in (*old.bars, *new.bars)} == {2}
    assert (old.rules.unselected, new.rules.unselected, old.rules.selections) == ("first", "best_public", 2)
    for edition in TASK.editions:
        assert isinstance(edition.format, LinesFormat)
        assert edition.format.max_bytes < 700_000
        assert len(edition.format.ids) == 4000


# The baseline --------------------------------------------------------------------------------------------------------

TINY = Config(dim=16, layers=2, heads=2, ffn=32, dropout=0.0)


@pytest.mark.parametrize("model", ["gru", "transformer"])
def test_decoding_with_what_was_kept_gives_the_logits_of_the_whole(model: str) -> None:
    config = Config(model=model, tokens="words", dim=16, layers=2, heads=2, ffn=32)  # type: ignore[arg-type]
    network = new_model(config, 40, 50, 0).eval()
    torch.manual_seed(1)
    source, target = torch.randint(5, 40, (6, 9)), torch.randint(5, 50, (6, 12))
    source[2:, 6:] = PAD
    with torch.inference_mode():
        whole, _ = network.step(target, network.memory(source))
        state = network.memory(source)
        for place in range(target.shape[1]):
            logits, state = network.step(target[:, place : place + 1], state)
            torch.testing.assert_close(logits[:, 0], whole[:, place], atol=1e-5, rtol=1e-5)
        # The logits of a place do not look at the tokens after it, nor at the padding.
        changed = target.clone()
        changed[:, 7:] = 5
        torch.testing.assert_close(network.step(changed, network.memory(source))[0][:, :7], whole[:, :7])
        longer = torch.cat([source, torch.zeros(6, 4, dtype=source.dtype)], 1)
        torch.testing.assert_close(network.step(target, network.memory(longer))[0], whole, atol=1e-5, rtol=1e-5)


def greedy(model: Seq2Seq, source: torch.Tensor) -> list[list[int]]:
    """The likeliest token at each place, without a cache."""
    out = []
    for row in source:
        given = row[row != PAD][None]
        tokens = [BOS]
        for _ in range(source.shape[1] * 3 // 2 + 10):
            logits, _ = model.step(torch.tensor([tokens]), model.memory(given))
            last = logits[0, -1]
            last[[PAD, BOS, 3, TAG]] = -torch.inf
            tokens.append(int(last.argmax()))
            if tokens[-1] == EOS:
                break
        out.append([token for token in tokens if token > TAG])
    return out


def test_a_beam_of_one_is_greedy_and_a_wider_one_finds_likelier_translations() -> None:
    network = new_model(TINY, 40, 40, 3).eval()
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1.5)
        network.target.weight[EOS] *= 2
    torch.manual_seed(2)
    source = torch.randint(5, 40, (8, 7))
    source[3:, 5:] = PAD
    with torch.inference_mode():
        assert beam_search(network, source, 1, 1.0) == greedy(network, source)

        def likelihood(words: list[int], row: torch.Tensor) -> float:
            target = torch.tensor([[BOS, *words, EOS]])
            logits = network.step(target[:, :-1], network.memory(row[None]))[0]
            logits[..., [PAD, BOS, 3, TAG]] = -torch.inf
            chances = logits.log_softmax(-1).gather(2, target[:, 1:, None])
            return float(chances.sum())

        one, five = (beam_search(network, source, beam, 0.0) for beam in (1, 5))
        rows = [row[row != PAD] for row in source]
        scores = [[likelihood(words, row) for words, row in zip(found, rows, strict=True)] for found in (one, five)]
    finished = [max(map(len, pair)) < 15 for pair in zip(one, five, strict=True)]
    gains = [b - a for a, b, done in zip(*scores, finished, strict=True) if done]
    assert gains
    assert sum(gains) >= -1e-4


def test_batches_hold_every_row_once_within_the_limit_of_tokens() -> None:
    rng = random.Random(0)
    rows = [[5] * rng.randint(1, 30) for _ in range(300)]
    data = Pairs.of(rows, list(reversed(rows)), "cpu")
    groups = data.groups(120, rng)
    assert sorted(row for group, _, _ in groups for row in group.tolist()) == list(range(300))
    for group, s, t in groups:
        assert len(group) * max(s, t) <= 120
        assert int((data.sources[group, :s] != PAD).sum()) == int((data.sources[group] != PAD).sum())
        assert int((data.targets[group, :t] != PAD).sum()) == int((data.targets[group] != PAD).sum())


def test_batches_of_rows_by_the_longest_keep_the_order_and_a_long_row_is_alone() -> None:
    assert batches([3, 4, 4, 9, 1, 1], 10) == [[0, 1], [2], [3], [4, 5]]
    assert batches([3, 4, 50, 4], 12, [1, 3, 0, 2]) == [[1, 3, 0], [2]]
    assert batches([], 10) == []


def test_cleaning_takes_remarks_and_pairs_that_do_not_fit_away_and_leaves_good_ones_as_they_are() -> None:
    good = ("CA: He bought a book yesterday. (Laughter)", "主持人：他昨天買了一本書。（笑聲）")
    assert clean([good]) == [("He bought a book yesterday.", "他昨天買了一本書。")]
    assert clean([("Thank  you --", "謝謝你——"), ("(Applause)", "（掌聲）")]) == [("Thank you", "謝謝你")]
    assert clean([("Yes.", "他昨天買了一本書，他昨天買了一本書，他昨天買了一本書。")]) == []
    g = speaker(random.Random(2), language(random.Random(5)), 0.3)
    pairs = [sentence(g) for _ in range(3000)]
    kept = clean(pairs)
    assert len(kept) >= 0.99 * len(pairs)
    assert set(kept) <= set(pairs)


def test_the_weights_at_the_end_are_the_mean_of_the_last_epochs(tmp_path: Path) -> None:
    rows = [[5, 6, 7], [8, 9], [6, 5, 9, 9]]
    data = Pairs.of(rows, rows, "cpu")
    config = Config(dim=16, layers=1, heads=2, ffn=16, average_checkpoints=3, epochs=5)
    network = new_model(config, 12, 12, 0)
    seen: list[list[torch.Tensor]] = []

    def keep(done: int, total: int, metrics: object) -> None:
        seen.append([weight.detach().clone() for weight in network.parameters()])

    baseline.fit(network, data, data, config, Run(tmp_path, 0, "cpu", ".txt", progress=keep), 5)
    assert len(seen) == 5
    for place, weight in enumerate(network.parameters()):
        mean = torch.stack([weights[place] for weights in seen[2:]]).mean(0)
        torch.testing.assert_close(weight.detach(), mean)
        assert not torch.equal(seen[-1][place], seen[-2][place]) or place > 1


def test_an_empty_translation_is_written_as_unknown_and_a_missing_monolingual_text_is_said(
    homes: Callable[[str], Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = homes("hw05").public("hw05")
    monkeypatch.setattr(baseline, "translate", lambda model, sources, *others: [[] for _ in sources])
    path = train_level("hw05", "medium", tiny, tmp_path / "run", seed=1, device="cpu", overrides=SHORT["hw05"])
    assert path.read_text(encoding="utf-8") == "<unk>\n" * 100
    for name in (*RAW_FILES, TEST_FILES[0]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((tiny / name).read_bytes())
    (tmp_path / MONO_FILE).write_bytes(gzip.compress(b"", mtime=0))
    with pytest.raises(UserError, match="back-translates the monolingual text, but the file is empty"):
        train_level("hw05", "boss", tmp_path, tmp_path / "boss", seed=1, device="cpu", overrides=SHORT["hw05"])


def test_a_missing_sentencepiece_is_one_line_that_says_what_to_install(
    homes: Callable[[str], Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = homes("hw05").public("hw05")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(UserError, match=r"needs sentencepiece.*pip install"):
        train_level("hw05", "strong", tiny, tmp_path, seed=1, device="cpu", overrides=SHORT["hw05"])


def test_a_network_learns_to_turn_rows_around_and_a_beam_finds_them(tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = [[rng.randint(5, 9) for _ in range(rng.randint(2, 4))] for _ in range(500)]
    turned = [list(reversed(row)) for row in rows]
    config = Config(dim=32, layers=1, heads=2, ffn=64, dropout=0.0, batch_tokens=96, warmup=60, factor=0.25, epochs=16)
    network = new_model(config, 12, 12, 0)
    run = Run(tmp_path, 0, "cpu", ".txt")
    data = Pairs.of(rows[100:], turned[100:], "cpu")
    baseline.fit(network, data, data, config, run, 16)
    for beam in (1, 3):
        found = translate(network, rows[:100], config, "cpu", beam)
        assert sum(one == other for one, other in zip(found, turned[:100], strict=True)) > 80
