"""Loading a file that is handed in, and real files of the course's students."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from submissions import table
from submissions.reader import read
from submissions.table import read_table
from submissions.text import load
from tasks.base import Answers, Edition, SubmissionError, Task, UserError
from tasks.formats import Column, EpisodesFormat, LinesFormat, TableFormat, Year
from tasks.homeworks import all_tasks
from tasks.tensor_formats import ModelFormat
from tests.test_reader import GOOD, SHARED, codes, refusal, same

# Loading.


def test_load_gives_the_bytes_of_a_file_up_to_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(GOOD)
    assert load(path, len(GOOD)) == GOOD
    assert load(path, 10**9) == GOOD
    with pytest.raises(SubmissionError) as caught:
        load(path, len(GOOD) - 1)
    assert caught.value.code == "E_SIZE"


def test_load_says_what_is_wrong_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    for path, code in (
        (tmp_path / "none.csv", "E_FILE_MISSING"),
        (tmp_path, "E_FILE_DIRECTORY"),
        (tmp_path / "empty.csv", "E_EMPTY"),
        (tmp_path / "empty.csv" / "x", "E_FILE_UNREADABLE"),
        (tmp_path / ("x" * 300), "E_FILE_UNREADABLE"),
        (tmp_path / "a\0b", "E_FILE_UNREADABLE"),
        (tmp_path / "\x1b[31m.csv", "E_FILE_MISSING"),
    ):
        with pytest.raises(UserError) as caught:
            load(path, 100)
        assert caught.value.code == code
        assert str(caught.value).isprintable()


def test_load_refuses_a_sparse_file_of_500_gb_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(500 * 10**9)
    with pytest.raises(
        SubmissionError, match="The file has 500,000,000,000 bytes, at most 1,000 are accepted"
    ) as caught:
        load(path, 1000)
    assert caught.value.code == "E_SIZE"


def test_load_stops_reading_a_pipe_without_end_at_the_cap() -> None:
    with pytest.raises(SubmissionError) as caught:
        load(Path("/dev/zero"), 10**6)
    assert caught.value.code == "E_SIZE"


def test_load_reads_a_pipe_to_its_end() -> None:
    source, sink = os.pipe()
    try:
        os.write(sink, GOOD)
        os.close(sink)
        assert load(Path(f"/dev/fd/{source}"), 1000) == GOOD
    finally:
        os.close(source)


# Real files of students, by number: their names are nobody's to show.


def real(folder: str) -> list[bytes]:
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not there")
    paths = sorted((SHARED / folder).iterdir())
    assert paths
    return [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes() for path in paths]


TASKS = {task.name: task for task in all_tasks()}
YEARS = {
    "hw01": ("2021", "2022"),
    "hw02": ("2021",),
    "hw03": ("2021", "2022"),
    "hw05": ("2022",),
    "hw06": ("2022",),
    "hw07": ("2022",),
    "hw08": ("2021", "2022"),
    "hw13": ("2021",),
}
"""The years of which there are real files."""


def year_of(edition: Edition) -> str:
    """The year whose layout an edition has; the built-in one without a year has that of 2021."""
    return edition.name.removeprefix("builtin").removeprefix("-") or "2021"


@pytest.mark.parametrize(
    ("task", "year", "edition"),
    [
        (task, year, edition)
        for task in TASKS.values()
        if task.name in YEARS
        for year in YEARS[task.name]
        for edition in task.editions
        if edition.name != "own" and not isinstance(edition.format, ModelFormat)
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_every_real_file_is_taken_by_the_editions_of_its_year_and_named_by_the_others(
    task: Task, year: str, edition: Edition
) -> None:
    for number, data in enumerate(real(f"{task.name}-{year}")):
        assert len(data) < edition.format.max_bytes, number
        if year == year_of(edition) or task.name in ("hw05", "hw06"):  # files of these two look alike in all years
            columns = read(data, edition.format)
            assert all(len(values) == len(edition.format) for values in columns.values()), number
            if isinstance(edition.format, TableFormat):
                assert same(columns, table._read_anything(data, edition.format)), number
        else:
            with pytest.raises(SubmissionError) as caught:
                read(data, edition.format)
            assert codes(caught.value) == ["E_YEAR"], number
            assert f"test set of {year}" in str(caught.value), number


@pytest.mark.parametrize(
    "edition",
    [
        edition
        for name in ("hw01", "hw03", "hw13")
        for edition in TASKS[name].editions
        if edition.name != "own" and isinstance(edition.format, TableFormat)
    ],
    ids=lambda one: one.name,
)
def test_files_of_2023_are_named(edition: Edition) -> None:
    assert isinstance(edition.format, TableFormat)
    (year,) = (year for year in edition.format.years if year.name == "2023")
    rows = "".join(f"{number:0{len(year.first)}},1\n" for number in range(year.rows))
    with pytest.raises(SubmissionError, match="E_YEAR  this is a file for the course's test set of 2023") as caught:
        read_table(f"{','.join(year.header)}\n{rows}".encode(), edition.format)
    assert f"expects {len(edition.format):,} rows" in str(caught.value)


def test_the_form_of_the_ids_tells_the_year_where_header_and_rows_are_the_same() -> None:
    editions = {name: TASKS["hw03"].edition(name).format for name in ("2021", "2022")}
    plain, padded = (
        f"Id,Category\n{''.join(f'{name},1' + chr(10) for name in editions[year].ids)}" for year in editions
    )
    for own, other, form in ((plain, padded, editions["2021"]), (padded, plain, editions["2022"])):
        assert isinstance(form, TableFormat)
        assert read_table(own.encode(), form)["Category"].tolist() == [1] * 3347
        backwards = "\n".join([other.split("\n")[0], *reversed(other.split("\n")[1:-1])])
        for data in (other, other.replace(",1", ',"1"'), backwards):
            assert codes(refusal(data.encode(), form)) == ["E_YEAR"]
    lost = re.sub(r"(?m)^0+", "", padded)  # what a spreadsheet makes of the ids of 2022
    assert isinstance(editions["2022"], TableFormat)
    assert codes(refusal(lost.encode(), editions["2022"])) == ["E_ID_ZEROS"]


def test_a_file_of_the_course_is_named_where_the_competition_has_other_rows_of_its_own() -> None:
    course = TASKS["hw03"].edition("builtin").format
    assert isinstance(course, TableFormat)
    form = replace(course, ids=range(400))
    data = "Id,Category\n" + "".join(f"{number},1\n" for number in range(3347))
    error = refusal(data.encode(), form)
    assert codes(error) == ["E_YEAR"]
    assert "test set of 2021: 3,347 rows, ids 0 to 3346" in str(error)
    assert "expects 400 rows, ids 0 to 399" in str(error)


@pytest.mark.parametrize("rows", [1, 893, 10**5])
@pytest.mark.parametrize("kind", ["float", "int"])
def test_a_table_may_have_the_bytes_that_its_rows_need_and_hardly_more(rows: int, kind: str) -> None:
    form = TableFormat("id", (Column("y", kind), Column("z", kind)), range(rows))  # type: ignore[arg-type]
    widest = sum(len(f'"{number}","{"9" * 40}","{"9" * 40}"\r\r\n') for number in range(rows))
    assert widest + len('"id","y","z"\r\r\n') < form.max_bytes < 1.1 * widest + 150_000


def test_a_format_of_an_older_release_gets_the_bound_that_follows_from_its_rows() -> None:
    form = TableFormat(
        "id", (Column("y"), Column("z", "text", room=300)), range(893), years=(Year("2022", ("id", "y"), 900, "0"),)
    )
    values = form.to_json()
    assert TableFormat.from_json(json.loads(json.dumps(values))) == form
    old = values | {"max_bytes": 64 * 2**20, "years": [["2022", ["id", "y"], 900]]}
    for column in old["columns"]:
        column.pop("room", None)
    read_back = TableFormat.from_json(old)
    assert read_back.max_bytes < 5 * 10**6
    assert read_back.years == (Year("2022", ("id", "y"), 900),)
    lines = LinesFormat("y", range(1, 4001), 699_999)
    few = LinesFormat.from_json(lines.to_json() | {"lines": 100, "max_bytes": 10**9})
    assert few.max_bytes < 300_000
    assert lines.fit(Answers(range(100), {})).max_bytes == few.max_bytes
    episodes = EpisodesFormat((1, 2))
    assert EpisodesFormat.from_json(episodes.to_json() | {"max_bytes": 10**9}) == episodes


OTHERS: list[tuple[str, tuple[str, Column], int]] = [
    ("hw03-2021", ("Id", Column("Category", "int", 0, 10)), 3347),
    ("hw03-2022", ("Id", Column("Category", "int", 0, 10)), 3347),
    ("hw04-2021", ("Id", Column("Category", "text")), 6000),
    ("hw04-2022", ("Id", Column("Category", "text")), 8000),
    ("hw07-2022", ("ID", Column("Answer", "text")), 4957),
    ("hw08-2021", ("Id", Column("Predicted")), 19_999),
    ("hw08-2022", ("ID", Column("score")), 19_636),
    ("hw11", ("id", Column("label", "int", 0, 9)), 100_000),
    ("hw13-2021", ("Id", Column("Category", "int", 0, 10)), 3347),
    ("hw15-2022", ("id", Column("class", "int", 0, 4)), 3200),
]


@pytest.mark.parametrize(("folder", "columns", "rows"), OTHERS, ids=[folder for folder, _, _ in OTHERS])
def test_real_files_of_other_table_homeworks_are_read(folder: str, columns: tuple[str, Column], rows: int) -> None:
    name, column = columns
    for number, data in enumerate(real(folder)):
        lines = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")) if row][1:]
        ids = tuple(row[0] for row in lines)
        whole = ids[0] in ("0", "1") and ids == tuple(map(str, range(int(ids[0]), int(ids[0]) + rows)))
        format = TableFormat(name, (column,), range(int(ids[0]), int(ids[0]) + rows) if whole else ids)
        try:
            table = read_table(data, format)
        except SubmissionError as error:
            pytest.fail(f"file {number}: {error}")
        read = {"text": str, "int": int, "float": float}[column.kind]
        assert table[column.name].tolist() == [read(row[1]) for row in lines], number
