"""The course's own COVID files, 2021 and 2022, and a hidden test carved out of their labelled part.

The official test labels were never published, so whole stretches of days of a state are taken out of the labelled
windows. A stretch gives adjacent test windows, as in the course's own test file; every other window that shares a day
with a stretch is dropped. The arithmetic, for windows of w days, a stretch of k
windows and L = k w days: L + w - 1 windows touch the stretch, k of them are kept for the test.

- 2021: 67 or 68 windows of 3 days a state. Two stretches of 4 windows: 2 x (12 + 2) = 28 windows gone, 8 test rows a
  state: 320 test rows in 80 stretches, 58 % of the rows left for training (a little more where a stretch lies at an
  end). One stretch of 8 would leave 61 % and give half as many groups; four of 2 would leave 52 %.
- 2022: about 73 windows of 5 days a state. One stretch of 5 windows: 25 + 4 = 29 windows gone, 5 test rows a state:
  185 test rows in 37 stretches, 60 % left. 250 test rows would leave less than half of the rows for training.

The labels of these editions are in many public repositories: they are for learning, not for grades. And as in the
course's own test file the first day of a test window follows the target day of the one before it, so linking the rows
of a state in time allows interpolation; the built-in world leaves gaps instead.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from tasks.base import Answers, Made
from tasks.hw01_regression import LAYOUTS, TARGET, TEST_FILE, TRAIN_FILE, Layout
from tasks.sources import opened, refused
from tasks.streams import Streams

WANTED = r"covid\.(train|test)\.csv"
MAX_BYTES = 64 * 2**20
STRETCHES = {"2021": (2, 4), "2022": (1, 5)}
"""Year to (stretches per state, windows per stretch)."""


@dataclass(frozen=True)
class Table:
    """The cells of one of the course's files as written, checked to be finite numbers."""

    rows: tuple[tuple[str, ...], ...]


def read_table(text: str, name: str, layout: Layout, *, labelled: bool) -> Table:
    """Parses one of the course's files. Raises UserError, which says what was expected and what was found."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    lines = [line for line in lines if line]
    header = tuple(cell.strip() for cell in lines[0]) if lines else ()
    expected = layout.train_header if labelled else layout.test_header
    if header != expected:
        for other in LAYOUTS:
            if header == (other.train_header if labelled else other.test_header):
                raise refused(
                    f"{name}: these are the columns of {other.year}, not of {layout.year}; use --edition {other.year}."
                )
        if header in (layout.train_header, layout.test_header):
            raise refused(f"{name}: expected the {'train' if labelled else 'test'} file; this is the other one.")
        raise refused(f"{name}: {_difference(header, expected)}")
    count = layout.train_rows if labelled else layout.test_rows
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(expected):
            raise refused(
                f"{name}, row {number}: expected {len(expected)} cells; found {len(line)}. "
                "The file looks cut off; download it again."
            )
        for column, cell in zip(expected, line, strict=True):
            try:
                good = math.isfinite(float(cell))
            except ValueError:
                good = False
            if not good:
                raise refused(f"{name}, row {number}: expected a number in {column}; found {cell[:40]!r}.")
        if sorted(float(cell) for cell in line[1 : 1 + len(layout.states)]) != [0.0] * (len(layout.states) - 1) + [1.0]:
            raise refused(f"{name}, row {number}: expected exactly one state marked 1; the file is damaged.")
    if len(lines) - 1 != count:
        raise refused(
            f"{name}: expected {count} rows of the {layout.year} edition; found {len(lines) - 1}. "
            "This is not the course's file; download it again."
        )
    ids = [line[0] for line in lines[1:]]
    missing = layout.missing_id if labelled else None
    wanted = [str(i) for i in range(count + (missing is not None)) if i != missing]
    if sorted(ids) != sorted(wanted):
        raise refused(f"{name}: expected the ids {wanted[0]} to {wanted[-1]}, each once; the ids differ.")
    return Table(tuple(tuple(line) for line in lines[1:]))


def _difference(header: tuple[str, ...], expected: tuple[str, ...]) -> str:
    for position, (found, wanted) in enumerate(zip(header, expected, strict=False), start=1):
        if found != wanted:
            return f"expected the column {wanted!r} at position {position}; found {found[:40]!r}."
    return f"expected {len(expected)} columns; found {len(header)}."


def read_official(source: Path | None, layout: Layout) -> Table:
    """The labelled file of a folder or archive; the unlabelled test file, if present, is checked."""
    with opened(source, WANTED) as files:
        text = files.text(files.need(TRAIN_FILE, note=f" of the {layout.year} edition"), MAX_BYTES)
        table = read_table(text, TRAIN_FILE, layout, labelled=True)
        test = files.find(TEST_FILE)
        if test is not None:
            read_table(files.text(test, MAX_BYTES), TEST_FILE, layout, labelled=False)
    return table


def positions(layout: Layout, table: Table) -> list[tuple[str, int]]:
    """State and first day of each row: days count from 0 in the order of the state's chain of windows.

    Windows are linked where the last days of one are the first days of another. Where a window is missing the chain
    continues with the next overlap, so that the days keep their distance. Chains that share no day follow each other.
    """
    width, first = len(layout.day), 1 + len(layout.states)
    days = [tuple(row[first + width * d : first + width * (d + 1)] for d in range(layout.days)) for row in table.rows]
    state = [layout.states[[float(c) for c in row[1:first]].index(1.0)] for row in table.rows]
    place: list[tuple[str, int]] = [("", 0)] * len(table.rows)
    for name in layout.states:
        rows = [i for i, s in enumerate(state) if s == name]
        before: dict[int, tuple[int, int]] = {}
        after: set[int] = set()
        for lag in range(1, layout.days):
            starts = {days[i][: layout.days - lag]: i for i in rows if i not in before}
            for i in rows:
                j = starts.get(days[i][lag:]) if i not in after else None
                if j is not None and j != i and j not in before:
                    before[j] = (i, lag)
                    after.add(i)
        followers = {i: (j, lag) for j, (i, lag) in before.items()}
        offset = 0
        for head in (i for i in rows if i not in before):
            at: int | None = head
            day = offset
            while at is not None:
                place[at] = (name, day)
                offset = day + layout.days
                step = followers.get(at)
                at, day = (step[0], day + step[1]) if step else (None, day)
        if any(place[i][0] != name for i in rows):
            raise refused(f"{TRAIN_FILE}: the windows of {name} form a ring; the file is damaged.")
    return place


def place_stretches(length: int, count: int, size: int, rng: np.random.Generator) -> list[int]:
    """First days of `count` stretches of `size` days on an axis of `length` days, at random, 3 or more days apart."""
    free = length - count * size - 3 * (count - 1)
    cuts = sorted(int(c) for c in rng.integers(0, free + 1, size=count))
    return [cut + i * (size + 3) for i, cut in enumerate(cuts)]


def carve(
    layout: Layout, place: list[tuple[str, int]], rng: np.random.Generator
) -> tuple[list[int], list[int], list[str]]:
    """Train rows, test rows (in shuffled order) and the group of every row of the labelled file ("" where dropped)."""
    count, windows = STRETCHES[layout.year]
    size = windows * layout.days
    group = [""] * len(place)
    train: list[int] = []
    test: list[int] = []
    for name in layout.states:
        rows = {day: i for i, (state, day) in enumerate(place) if state == name}
        length = max(rows) + layout.days
        starts = place_stretches(length, count, size, rng)
        edges = [0, *(edge for start in starts for edge in (start, start + size)), length]
        for index, (low, high) in enumerate(pairwise(edges)):
            hidden = index % 2 == 1
            step = layout.days if hidden else 1
            for day in range(low, high - layout.days + 1, step):
                if day in rows:
                    group[rows[day]] = f"{name} days {low}-{high - 1}"
                    (test if hidden else train).append(rows[day])
    train.sort()
    return train, [test[i] for i in rng.permutation(len(test))], group


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None
) -> Made:
    """Write the carved competition into `public`. Rows keep the cells of the file; ids are renumbered."""
    table = read_official(source, layout)
    train, test, group = carve(layout, positions(layout, table), streams.generator("hidden rows"))
    _write(public / TRAIN_FILE, layout.train_header, [table.rows[i][1:] for i in train])
    _write(public / TEST_FILE, layout.test_header, [table.rows[i][1:-1] for i in test])
    cells = np.array([row[1:] for row in table.rows], dtype=np.float64)
    return Made(
        Answers(range(len(test)), {TARGET: cells[test, -1]}, groups=np.array([group[i] for i in test])),
        train=cells[train, :-1],
        test=cells[test, :-1],
        train_groups=np.array([group[i] for i in train]),
    )


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    lines = [",".join(header), *(",".join((str(i), *row)) for i, row in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
