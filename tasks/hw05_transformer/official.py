"""The course's own files of HW5, and a hidden test carved out of their parallel text.

The official test translations were never published, so `TEST_LINES` pairs are taken out of the raw text at random. No
two of them are near-duplicates of each other on either side, and every training pair that is a near-duplicate of one on
either side is dropped. As on the course's server, lines 1 to 2000 are private and the rest public. The talks are
public on the internet: these editions are for learning, not for grades.
"""

from __future__ import annotations

import gzip
import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tasks.base import PRIVATE, PUBLIC, Answers, Made
from tasks.hw05_transformer import COLUMN, MONO_FILE, TEST_LINES
from tasks.hw05_transformer.world import write_files
from tasks.sources import decoded, opened, refused
from tasks.streams import Streams

MAX_BYTES = 512 * 2**20
LEAST = 3 * TEST_LINES
"""The fewest pairs accepted: with fewer it is not the course's file, and too little would be left for training."""
NEAR = 0.6
"""The share of common pairs of neighbours, among all pairs of both lines, that makes two lines near-duplicates."""
RAW = ("raw.en", "raw.zh")
LINE_BREAKS = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Characters that some programs treat as the end of a line, besides the line feed."""
WANTED = rf"(train_dev\.)?raw\.(en|zh)|test\.(en|zh)|{re.escape(MONO_FILE)}"


def lines_of(text: str) -> list[str]:
    """The lines of a text, none of which breaks in two in any program."""
    lines = [LINE_BREAKS.sub(" ", line.strip()) for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def read_official(source: Path | None) -> tuple[list[str], list[str], list[str]]:
    """English, Chinese and monolingual lines; the test file, if present, is checked. Raises UserError."""
    with opened(source, WANTED) as files:
        english, chinese = (
            lines_of(files.text(files.need(name, f"train_dev.{name}", note=", in ted2020.tgz or by itself"), MAX_BYTES))
            for name in RAW
        )
        if len(english) != len(chinese):
            raise refused(
                f"{source}: expected as many lines in raw.en as in raw.zh; found {len(english)} and {len(chinese)}. "
                "The files are not aligned; download them again."
            )
        if len(english) < LEAST:
            raise refused(f"{source}: expected at least {LEAST} pairs of lines; found {len(english)}.")
        if sum(map(_chinese, chinese)) < sum(map(_chinese, english)):
            raise refused(f"{source}: expected English in raw.en and Chinese in raw.zh; the two look swapped.")
        test, packed = files.find("test.en"), files.find(MONO_FILE)
        if test is not None and len(lines_of(files.text(test, MAX_BYTES))) != TEST_LINES:
            raise refused(f"{source}: expected {TEST_LINES} lines in test.en; this is not the course's file.")
        if packed is None:
            return english, chinese, []
        with files.open(packed) as stream, gzip.open(stream) as unpacked:
            data = unpacked.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise refused(f"{MONO_FILE}: expected at most {MAX_BYTES} bytes of text; this is not the course's file.")
    return english, chinese, [line for line in lines_of(decoded(data, MONO_FILE)) if line]


def _chinese(line: str) -> int:
    return len(re.findall("[\u4e00-\u9fff]", line[:200]))


def neighbours(line: str) -> frozenset[tuple[str, str]]:
    """The pairs of neighbours among a line's words or Chinese characters and its two ends, ignoring marks and case.

    >>> sorted(neighbours("I see."))
    [('', 'i'), ('i', 'see'), ('see', '')]
    """
    tokens = re.findall(r"[a-z0-9']+|[^\W_a-z0-9]", line.lower())
    return frozenset(zip(["", *tokens], [*tokens, ""], strict=True))


def near(one: frozenset[tuple[str, str]], other: frozenset[tuple[str, str]]) -> bool:
    """Whether two lines, as their pairs of neighbours, are near-duplicates."""
    return len(one & other) >= NEAR * len(one | other)


@dataclass(frozen=True)
class Known:
    """An index of lines for finding near-duplicates: from pairs of neighbours to the lines that have them."""

    lines: list[frozenset[tuple[str, str]]] = field(default_factory=list)
    places: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, pairs: frozenset[tuple[str, str]]) -> None:
        for pair in pairs:
            self.places[pair].append(len(self.lines))
        self.lines.append(pairs)

    def has_near(self, pairs: frozenset[tuple[str, str]]) -> bool:
        """Whether a known line is a near-duplicate.

        Near-duplicates share at least `NEAR` of the line's own pairs, so at least one of its rarest pairs, taken one
        more than may be missing, must lead to it.
        """
        enough = len(pairs) - int(NEAR * len(pairs) - 1e-9)
        rarest = sorted((len(self.places[pair]) if pair in self.places else 0, pair) for pair in pairs)[:enough]
        seen: set[int] = set()
        for _, pair in rarest:
            for place in self.places.get(pair, ()):
                if place not in seen:
                    seen.add(place)
                    if near(pairs, self.lines[place]):
                        return True
        return False


def carve(english: list[str], chinese: list[str], rng: random.Random) -> tuple[list[int], list[int]]:
    """The lines of the training text, in their order, and those of the test, in random order."""
    order = list(range(len(english)))
    rng.shuffle(order)
    known = (Known(), Known())
    test: list[int] = []
    for line in order:
        if len(test) == TEST_LINES:
            break
        sides = neighbours(english[line]), neighbours(chinese[line])
        ratio = len(sides[1]) / len(sides[0])
        fits = len(sides[0]) > 3 and len(sides[1]) > 3 and 0.5 < ratio < 4
        if fits and not any(index.has_near(side) for index, side in zip(known, sides, strict=True)):
            for index, side in zip(known, sides, strict=True):
                index.add(side)
            test.append(line)
    if len(test) < TEST_LINES:
        raise refused(f"expected {TEST_LINES} pairs that differ from each other; found {len(test)}.")
    hidden = set(test)
    train = [
        line
        for line in range(len(english))
        if line not in hidden
        and not known[0].has_near(neighbours(english[line]))
        and not known[1].has_near(neighbours(chinese[line]))
    ]
    return train, test


def make(year: str, public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None) -> Made:
    """Write the carved competition into `public`."""
    english, chinese, mono = read_official(source)
    train, test = carve(english, chinese, streams.random("hidden lines"))
    hidden = {chinese[line] for line in test}
    write_files(
        public,
        [(english[line], chinese[line]) for line in train],
        [english[line] for line in test],
        [line for line in mono if line not in hidden],
    )
    usage = np.full(TEST_LINES, PUBLIC, dtype=np.int8)
    usage[: TEST_LINES // 2] = PRIVATE
    answers = np.array([chinese[line] for line in test], dtype=object)
    return Made(Answers(range(1, TEST_LINES + 1), {COLUMN: answers}, usage=usage))
