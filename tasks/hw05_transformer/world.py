"""The built-in world of HW5: English sentences with their Traditional Chinese, from a seeded grammar.

Both sides of a sentence are made from one meaning (sentences.py, grammar.py). Chinese puts time, place and manner
before the verb, relative clauses before the noun, the cause before its consequence, counts with measure words and
marks aspect where English changes the verb. What phrases of neighbouring words cannot say decides much: a cue at one
end of the English sentence makes words and frames formal all over the Chinese one; the last words of "has been
reading … lately" and the like decide how Chinese begins; one, it and them take the measure word or the pronoun of a
noun in another clause; the word for play, run or bank depends on its context. A key draws its language (language.py):
words, synonyms, measure words, spelling of names, word orders, cues, and how often each kind of sentence is said.

Two kinds of speaker share the grammar. The parallel text comes from one who uses few words often (Zipf's law,
exponent `TALKS`); the monolingual Chinese and the hidden test come from one who uses words more evenly (`PRESS`), so
that many test words are rare in the parallel text and common in the monolingual one. Only the training pairs have
noise, as in transcripts of talks.
"""

from __future__ import annotations

import gzip
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from tasks.base import Answers, Made
from tasks.bilingual import lexicon as words
from tasks.bilingual.language import Language, Speaker, language, speaker
from tasks.bilingual.phrases import Pair
from tasks.bilingual.sentences import sentence
from tasks.hw05_transformer import COLUMN, MONO_FILE, RAW_FILES, SIZES, TEST_FILES
from tasks.processes import mapped
from tasks.streams import Streams

TALKS, PRESS = 1.0, 0.3
"""Zipf exponents of the words of the parallel text, and of the monolingual text and the test."""
WORDS = {"small": (0.4, 30), "full": (0.9, 6_000)}
"""Size to the share of each list of the lexicon, and the invented names of people and as many of places."""
BLOCK = 8192
"""Pairs or lines that one process makes at once."""
NOISE = 0.08
"""The share of training pairs with noise; in a quarter of these the two sides do not match."""


def noisy(g: Speaker, pair: Pair, other: Pair) -> Pair:
    """A training pair with the noise of transcripts: remarks, speaker marks, odd spaces and marks, or misalignment."""
    en, zh = pair
    sort = g.below(12)
    if sort < 3:
        tag = g.entry(words.LAUGHTER)
        return (
            (f"({tag.english}) {en}", f"（{tag.chinese}）{zh}")
            if sort
            else (f"{en} ({tag.english})", f"{zh}（{tag.chinese}）")
        )
    if sort == 3:
        tag = g.entry(words.LAUGHTER)
        return f"{en} ({tag.english})", zh
    if sort < 6:
        mark, mark_zh = g.one_of((("CA: ", "主持人："), ("Q: ", "問："), ("- ", "－"), ("♫ ", "♫ ")))
        return mark + en, mark_zh + zh
    if sort == 6:
        return en.replace(" ", "  ", 2), zh.replace("，", " ， ").replace("。", " 。")
    if sort == 7:
        return en + " --", zh + "——"
    if sort == 8:
        return f'"{en}"', f"「{zh}」"
    if sort == 9:
        return en, zh + other[1] + other[1]
    if sort == 10:
        return f"{en} {other[0]} {other[0]}", zh
    return en, other[1]


def make(
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write the files of a world into `public`, the same however many `processes` there are (default: all cores).

    The training pairs and the monolingual text come in blocks with a stream each.
    """
    pairs, tests, alone = SIZES[size]
    spoken = language(streams.random("language"), *WORDS[size])
    press = speaker(streams.random("test"), spoken, PRESS)
    hidden: dict[str, str] = {}
    taken: set[str] = set()
    for number in count():
        if len(hidden) == tests:
            break
        # A stream for each sentence: the English ones, which students get, do not give the state of the next.
        en, zh = sentence(replace(press, rng=streams.random(f"test/{number}")))
        if en not in hidden and zh not in taken and en.count(" ") > 2:
            hidden[en] = zh
            taken.add(zh)
    blocks = list(enumerate(min(BLOCK, pairs - start) for start in range(0, pairs, BLOCK)))
    train = [
        pair for part in mapped(partial(_pairs, streams, spoken, hidden, taken), blocks, processes) for pair in part
    ]
    mono: dict[str, None] = {}
    at = 0
    while len(mono) < alone:  # the blocks repeat some lines of each other, so that more may be needed
        missing = range(at, at + -(-(alone - len(mono)) // BLOCK))
        parts = [(number, min(BLOCK, alone)) for number in missing]
        for part in mapped(partial(_lines, streams, spoken, taken), parts, processes):
            mono |= dict.fromkeys(part)
        at = missing.stop
    write_files(public, train, list(hidden), list(mono)[:alone])
    return Made(Answers(range(1, tests + 1), {COLUMN: np.array(list(hidden.values()), dtype=object)}))


def _pairs(
    streams: Streams, spoken: Language, hidden: Collection[str], taken: Collection[str], block: tuple[int, int]
) -> list[Pair]:
    """Training pairs of a block (number, pairs), none of them with a side of the test."""
    talks = speaker(streams.random(f"training/{block[0]}"), spoken, TALKS)
    train: list[Pair] = []
    last = ("Thank you.", "謝謝。")
    while len(train) < block[1]:
        pair = sentence(talks)
        if pair[0] not in hidden and pair[1] not in taken:
            train.append(noisy(talks, pair, last) if talks.chance(NOISE) else pair)
            last = pair
    return train


def _lines(streams: Streams, spoken: Language, taken: Collection[str], block: tuple[int, int]) -> list[str]:
    """Different lines of the monolingual text of a block (number, lines), none of them in the test."""
    writer = speaker(streams.random(f"monolingual/{block[0]}"), spoken, PRESS)
    mono: dict[str, None] = {}
    while len(mono) < block[1]:
        zh = sentence(writer)[1]
        if zh not in taken:
            mono[zh] = None
    return list(mono)


def write_files(public: Path, train: list[Pair], test: list[str], mono: list[str]) -> None:
    """The course's files: raw parallel text, the test with its dummy translations, the monolingual text in gzip."""
    for name, lines in (
        (RAW_FILES[0], [en for en, _ in train]),
        (RAW_FILES[1], [zh for _, zh in train]),
        (TEST_FILES[0], test),
        (TEST_FILES[1], ["。"] * len(test)),
    ):
        path = public / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="\n")
    text = "".join(line + "\n" for line in mono).encode()
    with (public / MONO_FILE).open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        packed.write(text)
