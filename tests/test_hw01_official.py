"""The course's own files of HW1: read as they were handed out, refused where they differ, carved without a leak."""

from __future__ import annotations

import csv
import zipfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tasks.base import Made, UserError
from tasks.formats import TableFormat
from tasks.hw01_regression import LAYOUT_2021, LAYOUT_2022, TARGET, TASK, TEST_FILE, TRAIN_FILE
from tasks.hw01_regression.official import place_stretches, positions, read_official
from tasks.streams import fixed

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
EDITIONS = {"2021": LAYOUT_2021, "2022": LAYOUT_2022}
needs_data = pytest.mark.skipif(
    not (SHARED / "covid-2021").is_dir() or not (SHARED / "covid-2022").is_dir(),
    reason="the course's files are not in ../shared/data",
)


def source(year: str) -> Path:
    return SHARED / f"covid-{year}"


def make(folder: Path, year: str, seed: int, where: Path | None = None) -> Made:
    folder.mkdir(parents=True, exist_ok=True)
    return TASK.edition(year).make(folder, fixed(seed), "small", where or source(year))


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def train_2021() -> str:
    return (source("2021") / TRAIN_FILE).read_text(encoding="utf-8-sig")


def refused(folder: Path, year: str, text: str, **others: str) -> str:
    """The message with which a folder with this train file is refused."""
    place = folder / "given"
    place.mkdir()
    (place / TRAIN_FILE).write_text(text, encoding="utf-8")
    for name, content in others.items():
        (place / f"covid.{name}.csv").write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as error:
        make(folder / "public", year, 0, place)
    assert not list((folder / "public").iterdir())
    return str(error.value)


@needs_data
@pytest.mark.parametrize("year", EDITIONS)
@pytest.mark.parametrize("seed", [0, 11])
def test_no_day_and_no_target_of_a_test_window_is_in_any_other_row(tmp_path: Path, year: str, seed: int) -> None:
    layout = EDITIONS[year]
    made = make(tmp_path, year, seed)
    width, first = len(layout.day), 1 + len(layout.states)

    def days(row: list[str]) -> list[tuple[str, ...]]:
        return [tuple(row[first + width * d : first + width * (d + 1)][: width - 1]) for d in range(layout.days)]

    train, test = rows_of(tmp_path / TRAIN_FILE)[1:], rows_of(tmp_path / TEST_FILE)[1:]
    seen = {day for row in train for day in days(row)}
    for row in test:
        for day in days(row):
            assert day not in seen
            seen.add(day)
    # A target that is the same to seven decimals on two days of a state (both are pooled counts) is no leak: the day is
    # told by its survey, and it is in no other row.
    assert len(test) == len(made.answers)


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
def test_the_seed_chooses_the_stretches_and_gives_the_same_bytes_again(tmp_path: Path) -> None:
    make(tmp_path / "a", "2021", 1)
    make(tmp_path / "b", "2021", 1)
    make(tmp_path / "c", "2021", 2)
    for name in (TRAIN_FILE, TEST_FILE):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()


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
def test_a_folder_a_zip_and_a_folder_with_the_zip_give_the_same_competition(tmp_path: Path, train_2021: str) -> None:
    given = tmp_path / "given"
    given.mkdir()
    with zipfile.ZipFile(given / "ml2021spring-hw1.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"hw1/{TRAIN_FILE}", "\ufeff" + train_2021.replace("\n", "\r\n"))
    make(tmp_path / "a", "2021", 3)
    make(tmp_path / "b", "2021", 3, given / "ml2021spring-hw1.zip")
    make(tmp_path / "c", "2021", 3, given)
    for other in "bc":
        for name in (TRAIN_FILE, TEST_FILE):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / other / name).read_bytes()


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
        (tmp_path / name).mkdir()
        assert message in refused(tmp_path / name, "2021", text), name


@needs_data
def test_the_official_test_file_is_optional_but_checked_where_it_is_there(tmp_path: Path, train_2021: str) -> None:
    text = (source("2021") / TEST_FILE).read_text(encoding="utf-8-sig")
    message = refused(tmp_path, "2021", train_2021, test="\n".join(text.splitlines()[:800]))
    assert message.startswith(f"{TEST_FILE}: expected 893 rows")


def test_a_missing_source_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected the file covid\.train\.csv of the 2021 edition"):
        make(tmp_path, "2021", 0, tmp_path)
    with pytest.raises(UserError, match="no such folder or archive"):
        make(tmp_path, "2021", 0, tmp_path / "nowhere")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 this is no zip")
    with pytest.raises(UserError, match="cannot be read"):
        make(tmp_path, "2021", 0, tmp_path / "broken.zip")
    (tmp_path / "broken.zip").unlink()
    (tmp_path / TRAIN_FILE).write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(UserError, match="expected UTF-8 text"):
        make(tmp_path, "2021", 0, tmp_path)


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


def form_of(edition: str) -> TableFormat:
    form = TASK.edition(edition).format
    assert isinstance(form, TableFormat)
    return form


def test_every_format_names_the_test_sets_of_all_years() -> None:
    for edition in TASK.editions:
        years = form_of(edition.name).years
        assert [(year.name, year.rows, year.first) for year in years] == [
            ("2021", 893, "0"), ("2022", 1078, "0"), ("2023", 997, "0")
        ]  # fmt: skip
