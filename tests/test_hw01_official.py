"""The course's own files of HW1: read as they were handed out, refused where they differ, carved without a leak."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tasks.base import Made, UserError
from tasks.hw01_regression import LAYOUT_2021, LAYOUT_2022, TARGET, TASK, TEST_FILE, TRAIN_FILE
from tasks.hw01_regression.official import place_stretches, positions, read_official
from tasks.streams import fixed
from tests.conftest import SHARED, needs
from tests.files import write

EDITIONS = {"2021": LAYOUT_2021, "2022": LAYOUT_2022}
needs_data = needs("covid-2021", "covid-2022")


def source(year: str) -> Path:
    return SHARED / f"covid-{year}"


def make(folder: Path, edition: str, seed: int, where: Path | None = None) -> Made:
    """Any edition of HW1 in `folder`; an official one from the course's files, or from others."""
    folder.mkdir(parents=True, exist_ok=True)
    given = where or (source(edition) if edition in EDITIONS else None)
    return TASK.edition(edition).make(folder, fixed(seed), "small", given)


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def train_2021() -> str:
    return (source("2021") / TRAIN_FILE).read_text(encoding="utf-8-sig")


def refused(folder: Path, year: str, text: str, **others: str) -> str:
    """The message with which a folder with this train file is refused."""
    place = folder / "given"
    for name, content in {"train": text, **others}.items():
        write(place / f"covid.{name}.csv", content.encode())
    with pytest.raises(UserError) as error:
        make(folder / "public", year, 0, place)
    assert not list((folder / "public").iterdir())
    return str(error.value)


@needs_data
@pytest.mark.parametrize(("year", "share", "rows", "groups"), [("2021", 0.55, 300, 80), ("2022", 0.55, 170, 37)])
def test_enough_rows_are_left_for_training_and_for_both_boards(
    tmp_path: Path, year: str, share: float, rows: int, groups: int
) -> None:
    layout = EDITIONS[year]
    for seed in range(3):
        made = make(tmp_path, year, seed)
        assert made.train is not None
        assert made.train_groups is not None
        assert made.answers.groups is not None
        assert len(made.train) >= share * layout.train_rows
        assert len(made.answers) >= rows
        assert len(set(made.answers.groups)) == groups
        assert not set(made.answers.groups) & set(made.train_groups)
        assert len(made.train_groups) == len(made.train)


@needs_data
@pytest.mark.parametrize("year", EDITIONS)
def test_every_row_is_a_labelled_row_of_the_course_with_a_new_id(tmp_path: Path, year: str) -> None:
    layout = EDITIONS[year]
    made = make(tmp_path, year, 5)
    table = read_official(source(year), layout)
    labelled = {row[1:] for row in table.rows}
    train, test = rows_of(tmp_path / TRAIN_FILE), rows_of(tmp_path / TEST_FILE)
    assert tuple(train[0]) == layout.train_header
    assert tuple(test[0]) == layout.test_header
    assert all(tuple(row[1:]) in labelled for row in train[1:])
    target = {row[1:-1]: float(row[-1]) for row in table.rows}
    assert [target[tuple(row[1:])] for row in test[1:]] == made.answers.columns[TARGET].tolist()
    assert [row[0] for row in train[1:]] == [str(i) for i in range(len(train) - 1)]
    assert [row[0] for row in test[1:]] == [str(i) for i in range(len(made.answers))]
    assert b"\r" not in (tmp_path / TRAIN_FILE).read_bytes()


@needs_data
def test_the_chains_of_2021_are_whole_and_those_of_2022_are_found_in_the_shuffled_rows() -> None:
    table = read_official(source("2021"), LAYOUT_2021)
    place = positions(LAYOUT_2021, table)
    assert [day for _, day in place] == [
        day for state in LAYOUT_2021.states for day in range(sum(s == state for s, _ in place))
    ]
    table = read_official(source("2022"), LAYOUT_2022)
    place = positions(LAYOUT_2022, table)
    assert len(set(place)) == len(place) == 2699
    where = dict(zip(place, table.rows, strict=True))
    width, first = len(LAYOUT_2022.day), 1 + len(LAYOUT_2022.states)
    linked = 0
    for (state, day), row in where.items():
        after = where.get((state, day + 1))
        if after is not None:
            assert row[first + width :] == after[first:-width]
            linked += 1
    assert linked > 2600


@needs_data
def test_a_byte_order_mark_and_the_line_ends_of_windows_change_nothing(tmp_path: Path, train_2021: str) -> None:
    write(tmp_path / "given" / TRAIN_FILE, ("\ufeff" + train_2021.replace("\n", "\r\n")).encode())
    for name, where in (("a", None), ("b", tmp_path / "given")):
        make(tmp_path / name, "2021", 3, where)
    for name in (TRAIN_FILE, TEST_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@needs_data
@pytest.mark.parametrize(("asked", "given"), [("2021", "2022"), ("2022", "2021")])
def test_the_files_of_another_year_are_refused_with_the_edition_that_fits(
    tmp_path: Path, asked: str, given: str
) -> None:
    with pytest.raises(UserError, match=f"columns of {given}, not of {asked}; use --edition {given}"):
        make(tmp_path, asked, 0, source(given))


@needs_data
def test_damaged_files_are_refused_with_what_was_expected_and_found(tmp_path: Path, train_2021: str) -> None:
    lines = train_2021.splitlines()
    cases = {
        "renamed": (
            "\n".join([lines[0].replace(",AK,", ",Alaska,"), *lines[1:]]),
            "'AK' at position 3; found 'Alaska'",
        ),
        "short": ("\n".join(lines[:1000]), "expected 2700 rows of the 2021 edition; found 999"),
        "cut": (train_2021[: len(train_2021) // 2], "cells; found"),
        "text": ("\n".join([*lines[:5], lines[5].replace("0.0", "NA", 1), *lines[6:]]), "row 6: expected a number in"),
        "nan": (
            "\n".join([*lines[:9], lines[9].rpartition(",")[0] + ",nan", *lines[10:]]),
            "row 10: expected a number",
        ),
        "no state": ("\n".join([*lines[:2], lines[2].replace("1.0", "0.0", 1), *lines[3:]]), "exactly one state"),
        "same id": ("\n".join([*lines[:2], "0" + lines[2][1:], *lines[3:]]), "each once; the ids differ"),
        "fewer columns": ("\n".join(line.rpartition(",")[0] for line in lines), "this is the other one"),
        "empty": ("", "expected 95 columns; found 0"),
    }
    for name, (text, message) in cases.items():
        assert message in refused(tmp_path / name, "2021", text), name


@needs_data
def test_the_official_test_file_is_optional_but_checked_where_it_is_there(tmp_path: Path, train_2021: str) -> None:
    text = (source("2021") / TEST_FILE).read_text(encoding="utf-8-sig")
    message = refused(tmp_path, "2021", train_2021, test="\n".join(text.splitlines()[:800]))
    assert message.startswith(f"{TEST_FILE}: expected 893 rows")


@pytest.mark.parametrize(("length", "count", "size"), [(69, 2, 12), (57, 1, 25), (27, 2, 12)])
def test_stretches_lie_inside_and_apart(length: int, count: int, size: int) -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        starts = place_stretches(length, count, size, rng)
        assert starts[0] >= 0
        assert starts[-1] + size <= length
        assert all(b - a >= size + 3 for a, b in pairwise(starts))
        seen.update(starts)
    assert {0, length - size} <= seen
