"""BLEU is sacrebleu's to the last bit, on real text and on odd text, after the punctuation of the course's server."""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks import bleu
from tasks.bleu import BLEU, PUNCTUATION, SIGNATURE, WIDE, normalised, statistics, tokens
from tasks.metrics import Metric, percentile_interval, resample_counts

sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is the reference; install the extra test")

DATA = Path(__file__).parents[1].parent / "shared" / "data"
SYSTEMS = ("AISP-SJTU", "DLUT", "Online-A", "Online-Y")
PLAIN = replace(BLEU, rows=partial(bleu.sentences, normalise=False))

# Characters that the tokeniser or the punctuation tables treat in a way of their own, and some of every other kind.
ODD = [
    *".,-'\"()%:;!?`/ 0123456789abZ<>&_~\t",
    *"你好的我猫、。．，：；「」『』《》〈〉【】“”‘’…—–－～━∶（）？！％１２９Ａ＂",
    "\u3000", "\u00a0", "«", "»", "´", "„", "‚", "º", "n", "c", "m", "C", "\r", "\x0b", "\x0c", "\x1c", "\x1f", "\x85",
    "\u2028", "\u2029", "\u2000", "\u2001", "\u200b", "\ufeff", "\u202e", "\u2a6d", "\u2a6e", "\u2fa1", "\u2fa2", "ｶ",
    "😀", "𠀀", "\U0002a6d6", "\U0002f800", "é", "ſ", "K", "İ", "٣", "²", "\x01", "\x7f", "\U0010ffff", "\ue000", "한",
]  # fmt: skip
odd = st.one_of(st.sampled_from(ODD), st.characters(codec="utf-8"))
sentences = st.one_of(
    st.text(st.sampled_from("，。.,5-猫 a"), max_size=12),  # runs of stops, digits and edges
    st.text(odd, max_size=25),
)


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """References, and hypotheses of which many share parts with their reference."""
    references = draw(st.lists(sentences, min_size=1, max_size=6))
    hypotheses = []
    for reference in references:
        other = draw(sentences)
        cut = draw(st.integers(0, len(reference)))
        mixed = [other, reference, reference[:cut] + other, reference[cut:] + reference[:cut], reference + reference]
        hypotheses.append(draw(st.sampled_from(mixed)))
    return references, hypotheses


def theirs(references: Sequence[str], hypotheses: Sequence[str]) -> NDArray[np.int64]:
    """Sacrebleu's own statistics of each sentence."""
    scorer = sacrebleu.metrics.BLEU(tokenize="zh", force=True)
    return np.array(scorer._extract_corpus_statistics(list(hypotheses), [list(references)]))


def their_score(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    return float(sacrebleu.corpus_bleu(list(hypotheses), [list(references)], tokenize="zh", force=True).score)


def words(lines: list[str]) -> list[list[str]]:
    """The tokens of each line as text."""
    numbered: dict[str, int] = {}
    found = tokens(lines, lambda word: numbered.setdefault(word, bleu.WORDS + len(numbered))).tolist()
    names = {number: word for word, number in numbered.items()}
    sentences: list[list[str]] = [[]]
    for token in found:
        if token == ord("\n"):
            sentences.append([])
        else:
            sentences[-1].append(names.get(token) or chr(token))
    assert not sentences.pop()
    return sentences


def rows_of(references: Sequence[str], hypotheses: Sequence[str], metric: Metric = PLAIN) -> NDArray[np.int64]:
    answers = {"translation": np.array(references)}  # as text arrays are saved
    rows: NDArray[np.int64] = metric.rows(answers, {"translation": np.array([*hypotheses, ""], dtype=object)[:-1]})
    return rows


@lru_cache
def real(name: str) -> list[str]:
    path = DATA / "wmt22-enzh" / name
    if not path.is_file():
        pytest.skip("the WMT22 texts are not here")
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def reference_of(side: str) -> list[str]:
    return real(f"generaltest2022.en-zh.ref.{side}.zh")


# Statistics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["A", "B"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_real_systems_get_sacrebleus_statistics_and_the_numbers_that_the_organisers_published(
    system: str, side: str
) -> None:
    references, hypotheses = reference_of(side), real(f"hyp/{system}.zh")
    rows = rows_of(references, hypotheses)
    assert np.array_equal(rows, theirs(references, hypotheses))
    table = (DATA / "wmt22-enzh" / "automatic-scores.tsv").read_text(encoding="utf-8").splitlines()
    published = {tuple(line.split("\t")[:2] + line.split("\t")[4:5]): line.split("\t")[5] for line in table}
    assert PLAIN.value(rows) == float(published["en-zh", system, f"bleu-{side}"])


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_real_line_has_sacrebleus_statistics_once_normalised(system: str) -> None:
    references, hypotheses = reference_of("A"), real(f"hyp/{system}.zh")
    rows = rows_of(references, hypotheses, BLEU)
    assert np.array_equal(rows, theirs(normalised(references), normalised(hypotheses)))
    assert BLEU.value(rows) != PLAIN.value(rows_of(references, hypotheses))


def test_ten_thousand_sentences_of_talk_have_sacrebleus_statistics() -> None:
    path = DATA / "tatoeba-cmn" / "cmn.txt.gz"
    if not path.is_file():
        pytest.skip("the Tatoeba sentences are not here")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        english, chinese = zip(*(line.split("\t")[:2] for line in islice(file, 0, None, 3)), strict=True)
    moved = chinese[1:] + chinese[:1]
    assert np.array_equal(statistics(chinese, moved, normalise=False), theirs(chinese, moved))
    assert words(list(english[:5000])) == [sacrebleu_words(line) for line in english[:5000]]


def sacrebleu_words(line: str) -> list[str]:
    tokenizer = sacrebleu.metrics.BLEU(tokenize="zh").tokenizer
    return str(tokenizer(line.rstrip())).split()


@given(line=sentences)
@example(line="..5")
@example(line=" .5 ")
@example(line="5.,")
@example(line="猫...5,,5a.,-5-5--.")
@example(line="1,234.5-6")
@example(line="“你好”—‘再見’…\u2028\u3000完")
@example(line="\u3000.5\u3000")
def test_the_tokens_of_any_line_are_sacrebleus(line: str) -> None:
    assert words([line, line]) == [sacrebleu_words(line)] * 2


def test_every_code_point_is_the_kind_of_character_that_it_is_to_sacrebleu() -> None:
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    lines = [f"a{chr(point)}a0{chr(point)}0" for point in points[:0x4000]]
    assert words(lines) == [sacrebleu_words(line) for line in lines]
    # Further up there are only Chinese characters and others, and from 0x10000 on, which takes long, others alone.
    chinese = sacrebleu.metrics.BLEU(tokenize="zh").tokenizer._is_chinese_char
    kinds = bleu._kinds()
    assert (kinds[0x10000:] == bleu._OTHER).all()
    for point in [*points[0x4000:0x10000], *points[0x10000::499]]:
        assert (kinds[point] == bleu._ALONE) == chinese(chr(point)), hex(point)
        assert kinds[point] in (bleu._ALONE, bleu._OTHER), hex(point)


@settings(max_examples=300)
@given(corpus=corpora())
def test_any_corpus_has_sacrebleus_statistics_and_score(corpus: tuple[list[str], list[str]]) -> None:
    references, hypotheses = corpus
    expected = theirs(references, hypotheses)
    rows = statistics(references, hypotheses, normalise=False)
    assert np.array_equal(rows, expected)
    assert PLAIN.value(rows) == their_score(references, hypotheses)
    assert np.array_equal(
        statistics(references, hypotheses, normalise=True), theirs(normalised(references), normalised(hypotheses))
    )


def test_ten_thousand_fuzzed_lines_have_sacrebleus_statistics() -> None:
    generator = np.random.default_rng(0)
    alphabet = np.array([*ODD, *map(chr, generator.integers(32, 0xD800, 30)), *map(chr, range(0x4E00, 0x4E10))])
    lengths = generator.integers(0, 30, 10_000)
    references = ["".join(alphabet[generator.integers(0, len(alphabet), length)]) for length in lengths]
    hypotheses = []
    for place, reference in enumerate(references):
        shuffled = "".join(generator.permutation(list(reference))) if place % 3 == 0 else reference
        hypotheses.append(shuffled[: len(shuffled) // 2] + str(generator.choice(alphabet)) + shuffled[place % 5 :])
    assert np.array_equal(statistics(references, hypotheses, normalise=False), theirs(references, hypotheses))


@pytest.mark.parametrize("block", [1, 3, 7])
def test_the_size_of_a_block_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    references = ["猫 a ab", "", "ab ab 猫猫", "12.5 猫", "ab", "a.b", "猫"]
    hypotheses = ["猫 ab ab", "猫", "ab 猫猫", "12 .5 猫", "", "ab", "猫" * 9]
    whole = statistics(references, hypotheses, normalise=True)
    monkeypatch.setattr(bleu, "BLOCK", block)
    bleu._references.cache_clear()
    assert np.array_equal(statistics(references, hypotheses, normalise=True), whole)
    bleu._references.cache_clear()


def test_a_line_of_a_hundred_thousand_characters_is_counted() -> None:
    reference, hypothesis = "的" * 100_000, "的" * 60_000 + "ab ab " * 9_000
    rows = statistics([reference], [hypothesis], normalise=False)
    assert rows.tolist() == theirs([reference], [hypothesis]).tolist()


def test_a_text_is_never_scored_against_fewer_references() -> None:
    with pytest.raises(AssertionError, match="a reference for each"):
        rows_of(["猫", "狗"], ["猫"])


# Scores ---------------------------------------------------------------------------------------------------------------


def test_the_example_of_the_slides() -> None:
    for metric in (PLAIN, BLEU):
        value = metric.value(rows_of(["貓咪真可愛。"], ["貓好可愛。"], metric))
        assert f"{value:.2f}" == "34.98"
    assert PLAIN.value(rows_of(["貓咪真可愛。"], ["貓好可愛。"])) == their_score(["貓咪真可愛。"], ["貓好可愛。"])


def test_a_wrong_comma_costs_without_the_normalisation_and_nothing_with_it() -> None:
    references, hypotheses = ["你好，貓真可愛"], ["你好, 貓真可愛"]
    assert f"{PLAIN.value(rows_of(references, hypotheses)):.2f}" == "48.89"
    assert BLEU.value(rows_of(references, hypotheses, BLEU)) == BLEU.best


def test_the_answers_get_the_best_value_and_the_dummy_file_of_the_course_almost_none() -> None:
    references = ["貓咪真可愛。", "我昨天在圖書館看書。"]
    assert BLEU.value(rows_of(references, references, BLEU)) == BLEU.best == their_score(references, references)
    assert BLEU.best == pytest.approx(100, abs=1e-12)
    assert BLEU.value(rows_of(references, ["。", "。"], BLEU)) == BLEU.worst == 0


def test_any_subset_and_any_repetition_has_sacrebleus_score() -> None:
    references, hypotheses = reference_of("A"), real("hyp/DLUT.zh")
    rows = rows_of(references, hypotheses)
    generator = np.random.default_rng(1)
    for share in (0.5, 0.05, 0.004):
        mask = generator.random(len(rows)) < share
        some = np.flatnonzero(mask)
        expected = their_score([references[i] for i in some], [hypotheses[i] for i in some])
        assert PLAIN.value(rows, mask) == PLAIN.value(rows, mask.astype(np.float64)) == expected
        assert PLAIN.value(rows, mask[None, :]).tolist() == [expected]
    counts = generator.integers(0, 3, len(rows)).astype(np.uint16)
    again = np.repeat(np.arange(len(rows)), counts)
    expected = their_score([references[i] for i in again], [hypotheses[i] for i in again])
    assert PLAIN.value(rows, counts) == expected
    assert PLAIN.value(rows, np.stack([counts, counts + 1]))[0] == expected


@given(data=st.data())
def test_the_score_of_any_sums_is_sacrebleus(data: st.DataObject) -> None:
    totals = sorted(data.draw(st.lists(st.integers(0, 10**7), min_size=4, max_size=4)), reverse=True)
    matches = [data.draw(st.integers(0, total)) for total in totals]
    sums = [totals[0], data.draw(st.integers(1, 10**7)), *matches, *totals]
    expected = sacrebleu.metrics.BLEU.compute_bleu(matches, totals, sums[0], sums[1], smooth_method="exp").score
    assert bleu.score(sums) == expected
    assert bleu.score([float(number) for number in sums]) == expected


def test_the_signature_is_sacrebleus_and_names_the_normalisation() -> None:
    scorer = sacrebleu.metrics.BLEU(tokenize="zh")
    scorer.corpus_score(["猫"], [["猫"]])
    plain, _, version = SIGNATURE.removesuffix("|punctuation:moses-zh").rpartition("|version:")
    assert str(scorer.get_signature()) == f"{plain}|version:{sacrebleu.__version__}"
    assert version == bleu.SACREBLEU


# The punctuation of the course's server -------------------------------------------------------------------------------

# What the Perl scripts of Moses print for each line: replace-unicode-punctuation, then normalize-punctuation -l zh.
SERVER = {
    "他說：「好。」": '他說:"好. "',
    "好，很好、好；好？好！": "好,很好,好;好?好!",
    "好。 好．  好": "好. 好. 好",
    "（笑）好": " (笑) 好",
    "好 ( 笑 ) 。": "好 (笑). ",
    "好（笑），對": "好 (笑),對",
    "《書》〈篇〉【註】": '"書"<篇>[註]',
    "“你好”‘再見’": "\"你好\"'再見'",
    "I’m don‘t ’": "I'm don't '",
    "`quote'' a ''b": '\'quote " a " b',
    "„a‚b´c‘´d": '"a\'b\'c"d',
    "a\u00a0; b\u00a0«c": 'a; b\u00a0"c',
    "２０２１年，５０％": "2021年,50%",
    "5 % x %": "5% x %",
    "一 ：二 ; 三 :": "一:二; 三:",
    "等等…好——好–好━好～": "等等...好 - - 好-好-好~",
    "『留』〔著〕＂＂Ａ": "『留』〔著〕＂＂Ａ",
    "猫\u00a0«\u00a0a\u00a0»\u00a0猫«\u00a0a\u00a0» « b »": '猫 "a" 猫"a" " b "',
    "a — b,\u00a0 c": "a - b, c",
    "3\u00a0% 3\u00a0: 3\u00a0cm 3\u00a0ºC nº\u00a03 a\u00a0? b\u00a0!": "3% 3: 3 cm 3 ºC nº 3 a? b!",
    "1\u00a0234 a,\u00a0b": "1.234 a, b",
    '他說,"好."': '他說",好".',
    '好."<br> 好." <': '好."<br> 好". <',
    '..".".': '"...".',
    '好."  ."猫': '好". ."猫',
    '.".."好."<.. ."': '"..".好."<.. ".',
    "a\rb": "ab",
    "": "",
    "  ": " ",
}  # fmt: skip


@pytest.mark.parametrize("line", SERVER)
def test_a_line_is_normalised_as_by_the_scripts_of_the_server(line: str) -> None:
    assert normalised([line]) == [SERVER[line]]
    assert normalised(["猫。", line, line, '"猫']) == ["猫. ", SERVER[line], SERVER[line], '"猫']


def test_every_rule_of_the_table_is_needed_by_some_case(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [*SERVER, *(f"猫{wide}猫" for wide in WIDE)]
    expected = normalised(cases)
    for place, rule in enumerate(PUNCTUATION):
        monkeypatch.setattr(bleu, "PUNCTUATION", PUNCTUATION[:place] + PUNCTUATION[place + 1 :])
        assert normalised(cases) != expected, f"no case for {rule}"


@pytest.mark.parametrize("part", [".", "…", "'", "(", ") ", " ", "。 ", '"', "-", "5-", '."', "1\u00a0", "—"])
def test_no_repetition_makes_a_file_of_the_size_of_the_cap_slow(part: str) -> None:
    # With a rule that looks again from every full stop, this would take minutes.
    lines = ['猫."猫', part * (700_000 // len(part.encode()))]
    assert len(normalised(lines)) == 2
    assert np.array_equal(
        statistics(lines, lines, normalise=True)[:, 2:6], statistics(lines, lines, normalise=True)[:, 6:]
    )


@given(lines=st.lists(sentences, min_size=1, max_size=4))
def test_lines_are_normalised_each_on_its_own(lines: list[str]) -> None:
    assert normalised(lines) == [line for text in lines for line in normalised([text])]
    assert len(normalised(lines)) == len(lines)


# Intervals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grouped", [False, True])
def test_the_interval_is_the_percentile_one_of_the_shared_resamples(grouped: bool) -> None:
    rows = rows_of(reference_of("A"), real("hyp/DLUT.zh"))
    n = len(rows)
    mask = np.random.default_rng(0).random(n) < 0.5
    groups = np.arange(n) // 10 if grouped else None
    kept = None if groups is None else groups[mask]
    interval = PLAIN.interval(rows, mask, groups)
    units = int(mask.sum()) if kept is None else len(set(kept.tolist()))
    drawn = PLAIN.value(rows[mask], resample_counts(int(mask.sum()), groups=kept))
    assert interval == percentile_interval(drawn, units)
    assert interval is not None
    assert interval[0] < PLAIN.value(rows, mask) < interval[1]
    assert PLAIN.interval(rows, mask, groups) == interval  # from the counts that were kept
    assert PLAIN.interval(rows, ~mask, groups) != interval
    named = None if groups is None else np.array([f"talk {group}" for group in groups])
    assert named is None or PLAIN.interval(rows, mask, np.sort(named)) is not None


def test_groups_widen_an_interval_and_one_group_has_none() -> None:
    rows = np.repeat(rows_of(reference_of("A"), real("hyp/DLUT.zh"))[:200], 5, axis=0)
    every = np.ones(len(rows), dtype=bool)
    alone, together = PLAIN.interval(rows, every), PLAIN.interval(rows, every, np.arange(len(rows)) // 5)
    assert alone is not None
    assert together is not None
    assert (together[1] - together[0]) / (alone[1] - alone[0]) == pytest.approx(math.sqrt(5), rel=0.15)
    assert PLAIN.interval(rows, every, np.zeros(len(rows))) is None
    assert PLAIN.interval(rows, np.arange(len(rows)) == 0) is None


@given(corpus=corpora(), data=st.data())
def test_an_interval_holds_the_value_and_stays_in_the_range(
    corpus: tuple[list[str], list[str]], data: st.DataObject
) -> None:
    rows = rows_of(*corpus)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    assume(mask.sum() > 1)
    interval = PLAIN.interval(rows, mask)
    assert interval is not None
    assert PLAIN.worst <= interval[0] <= PLAIN.value(rows, mask) <= interval[1] <= PLAIN.best


def test_an_interval_is_widened_to_a_value_that_beats_its_resamples() -> None:
    # Half of the sentences too long and half too short, so that together they are just right: drawing more of the long
    # ones loses precision, more of the short ones brevity.
    long, short = [15, 10, 10, 9, 8, 7, 15, 14, 13, 12], [5, 10, 5, 4, 3, 2, 5, 4, 3, 2]
    rows = np.array([long, short] * 3000)
    value = PLAIN.value(rows)
    assert percentile_interval(PLAIN.value(rows, resample_counts(len(rows))), len(rows))[1] < value
    interval = PLAIN.interval(rows, np.ones(len(rows), dtype=bool))
    assert interval is not None
    assert interval[0] < value == interval[1]


def test_the_column_has_the_name_that_the_answers_give_it() -> None:
    assert BLEU.rows({"zh": np.array(["猫"])}, {"other": np.array(["x"]), "zh": np.array(["猫"])}).shape == (1, 10)
