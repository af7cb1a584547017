"""The course's own files of HW5, and a hidden test carved out of their parallel text.

The official test translations were never published, so `TEST_LINES` pairs are taken out of the raw text at random. No
two of them are near-duplicates of each other on either side, and every training pair that is a near-duplicate of one on
either side is dropped. As on the course's server, lines 1 to 2000 are private and the rest public. The talks are
public on the internet: these editions are for learning, not for grades.
"""

from __future__ import annotations

import gzip
import io
import random
import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tasks.archives import DAMAGED
from tasks.base import PRIVATE, PUBLIC, Answers, Made, UserError
from tasks.hw05_transformer import COLUMN, MONO_FILE, RAW_FILES, TEST_LINES
from tasks.hw05_transformer.world import write_files
from tasks.streams import Streams

MAX_BYTES = 512 * 2**20
LEAST = 3 * TEST_LINES
"""The fewest pairs accepted: with fewer it is not the course's file, and too little would be left for training."""
NEAR = 0.6
"""The share of common pairs of neighbours, among all pairs of both lines, that makes two lines near-duplicates."""
RAW = ("raw.en", "raw.zh")
MONO = MONO_FILE
LINE_BREAKS = re.compile("[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Characters that some programs treat as the end of a line, besides the line feed."""
WANTED = (*RAW, *(f"train_dev.{name}" for name in RAW), "test.en", "test.zh", MONO)
ARCHIVES = (".tgz", ".tar.gz", ".zip")


Members = Iterator[tuple[str, str, IO[bytes]]]
"""Name, path and content of files, one after the other."""


def gather(source: Path) -> dict[str, bytes]:
    """The course's files by their names, from a folder or an archive, and from archives inside.

    Raises UserError for a path that cannot be read and for two different files of the same name.
    """
    if source.is_dir():
        found = [(path.name, path.as_posix(), path) for path in sorted(source.rglob("*")) if path.is_file()]
        members: Members = ((name, where, path.open("rb")) for name, where, path in found if _of_interest(name))
    elif source.exists():
        members = iter([(source.name if _of_interest(source.name) else ".tgz", source.as_posix(), source.open("rb"))])
    else:
        raise UserError(f"{source}: no such folder or archive; give the path of the course's files.")
    files: dict[str, bytes] = {}
    places: dict[str, str] = {}
    for name, where, stream in _opened(members):
        data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UserError(f"{where}: expected at most {MAX_BYTES} bytes; this is not the course's file.")
        if files.setdefault(name, data) != data:
            raise UserError(f"expected one file {name}; found {places[name]} and {where}, which differ.")
        places.setdefault(name, where)
    return files


def _of_interest(name: str) -> bool:
    return name in WANTED or name.endswith(ARCHIVES)


def _opened(members: Members) -> Members:
    """The wanted files, also those in archives."""
    for name, where, stream in members:
        with stream:
            if name in WANTED:
                yield name, where, stream
            elif name.endswith(ARCHIVES):
                for inner in _members(name, stream, where):
                    if inner[0] in WANTED:
                        yield inner
                    else:
                        yield from _opened(iter([inner]))


def _members(name: str, stream: IO[bytes], where: str) -> Members:
    try:
        if name.endswith(".zip"):
            with zipfile.ZipFile(stream) as archive:
                for info in archive.infolist():
                    base = info.filename.rsplit("/", 1)[-1]
                    if not info.is_dir() and _of_interest(base):
                        with archive.open(info) as member:
                            data = member.read(MAX_BYTES + 1)
                        yield base, f"{where}/{info.filename}", io.BytesIO(data)
        else:
            with tarfile.open(fileobj=stream, mode="r:*") as tar:
                for entry in tar:
                    base = entry.name.rsplit("/", 1)[-1]
                    content = tar.extractfile(entry) if entry.isfile() and _of_interest(base) else None
                    if content is not None:
                        yield base, f"{where}/{entry.name}", io.BytesIO(content.read(MAX_BYTES + 1))
    except DAMAGED as error:
        raise UserError(f"{where}: expected an archive of the course's files; it cannot be read ({error}).") from error


def lines_of(data: bytes, name: str) -> list[str]:
    """The lines of a text. Raises UserError where it is not UTF-8."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{name}, line {line}: expected UTF-8 text; this is not the course's file.") from None
    lines = [LINE_BREAKS.sub(" ", line.strip()) for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines


def read_course(source: Path) -> tuple[list[str], list[str], list[str]]:
    """English, Chinese and monolingual lines; the test file, if present, is checked. Raises UserError."""
    files = gather(source)
    sides = []
    for name in RAW:
        given = next((other for other in (name, f"train_dev.{name}") if other in files), None)
        if given is None:
            raise UserError(
                f"{source}: expected the file {name}, in ted2020.tgz or by itself; it is not there. "
                "Give the folder that holds the course's ted2020.tgz."
            )
        sides.append(lines_of(files[given], given))
    english, chinese = sides
    if len(english) != len(chinese):
        raise UserError(
            f"{source}: expected as many lines in raw.en as in raw.zh; found {len(english)} and {len(chinese)}. "
            "The files are not aligned; download them again."
        )
    if len(english) < LEAST:
        raise UserError(f"{source}: expected at least {LEAST} pairs of lines; found {len(english)}.")
    if sum(map(_chinese, chinese)) < sum(map(_chinese, english)):
        raise UserError(f"{source}: expected English in raw.en and Chinese in raw.zh; the two look swapped.")
    if "test.en" in files and len(lines_of(files["test.en"], "test.en")) != TEST_LINES:
        raise UserError(f"{source}: expected {TEST_LINES} lines in test.en; this is not the course's file.")
    mono: list[str] = []
    if MONO in files:
        try:
            with gzip.open(io.BytesIO(files[MONO])) as packed:
                data = packed.read(MAX_BYTES + 1)
        except DAMAGED as error:
            raise UserError(f"{MONO}: expected a gzipped text; it cannot be read ({error}).") from error
        if len(data) > MAX_BYTES:
            raise UserError(f"{MONO}: expected at most {MAX_BYTES} bytes of text; this is not the course's file.")
        mono = [line for line in lines_of(data, MONO) if line]
    return english, chinese, mono


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
        raise UserError(f"expected {TEST_LINES} pairs that differ from each other; found {len(test)}.")
    hidden = set(test)
    train = [
        line
        for line in range(len(english))
        if line not in hidden
        and not known[0].has_near(neighbours(english[line]))
        and not known[1].has_near(neighbours(chinese[line]))
    ]
    return train, test


def make(year: str, public: Path, streams: Streams, source: Path | None) -> Made:
    """Write the carved competition into `public`."""
    import numpy as np

    if source is None:
        raise UserError(
            f"The {year} edition is made from the course's own files; give the folder or archive that holds "
            f"{RAW_FILES[0]} and {RAW_FILES[1]} with --from."
        )
    english, chinese, mono = read_course(source)
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
