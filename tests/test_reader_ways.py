"""The two ways by which a table is read give the same values or the same refusal."""

from __future__ import annotations

import csv
import io
import re
import string
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import numpy as np
import polars
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from submissions import plain, table
from submissions.table import CODES, read_table
from tasks.base import SubmissionError
from tasks.formats import Column, TableFormat
from tests.test_reader import ANSWERS, CASES, FOOD, UNBOUNDED, codes, outcome, refusal, same

# Properties.


def test_any_order_of_the_rows_of_a_large_file_gives_the_same_columns() -> None:
    n = plain.SMALL + 1000
    generator = np.random.default_rng(0)
    values = generator.normal(size=n) * 10.0 ** generator.integers(-300, 90, n)
    rows = [f"{i},{value!r}" for i, value in enumerate(values.tolist())]
    format = replace(CASES, ids=range(n), years=())
    for order in (np.arange(n), generator.permutation(n)):
        data = ("id,tested_positive\n" + "\n".join(rows[i] for i in order)).encode()
        fast = plain.read_plain(data, format)
        assert fast is not None
        assert fast["tested_positive"].tobytes() == values.tobytes()


@settings(deadline=None)
@given(st.permutations(range(8)), st.sampled_from(["\n", "\r\n", "\r\r\n"]), st.booleans())
def test_any_order_of_the_rows_gives_the_same_columns(order: list[int], end: str, last: bool) -> None:
    formats = {
        "0.1": TableFormat("id", (Column("y"),), range(8)),
        "7": TableFormat("id", (Column("y", "int"),), tuple(f"{i:03}" for i in range(8))),
        "中": TableFormat("id", (Column("y", "text"),), tuple(f"{i}.pt" for i in range(8))),
    }
    for cells, format in formats.items():
        rows = [
            f"{name},{cells * (place + 1) if cells != '0.1' else place / 7}" for place, name in enumerate(format.ids)
        ]
        lines = ["id,y", *rows]
        moved = ["id,y", *(rows[place] for place in order)]
        columns = read_table("\n".join(lines).encode(), format)
        assert same(columns, read_table((end.join(moved) + end * last).encode(), format))


ALIKE = (
    TableFormat("key", (Column("y"), Column("Y")), range(3)),
    TableFormat("ID", (Column("id"), Column("Id", "int")), range(3)),
)


@pytest.mark.parametrize("format", ALIKE)
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_names_that_differ_in_capitals_alone_keep_their_own_cells(format: TableFormat, order: tuple[int, ...]) -> None:
    rows = [(row, 10 * row + 1, 100 * row + 2) for row in range(3)]
    lines: list[tuple[object, ...]] = [format.header, *rows]
    data = "".join(",".join(str(line[at]) for at in order) + "\n" for line in lines).encode()
    wanted = {column.name: [row[at] for row in rows] for at, column in enumerate(format.columns, start=1)}
    texts = replace(format, columns=tuple(replace(column, kind="text") for column in format.columns))
    assert {name: values.tolist() for name, values in read_table(data, format).items()} == wanted
    assert {name: values.tolist() for name, values in table._read_anything(data, format).items()} == wanted
    read = read_table(data, texts)
    assert {name: [int(cell) for cell in values.tolist()] for name, values in read.items()} == wanted


@pytest.mark.parametrize("header", ["key,y,y", "key,Y,Y", "key,y,KEY", "KEY,Key,y", "key,y,Y,Y", "key,y,y,Y"])
def test_a_header_in_which_a_name_may_mean_two_columns_is_refused(header: str) -> None:
    row = ",".join("0" for _ in header.split(","))
    error = refusal(f"{header}\n{row}\n".encode(), replace(ALIKE[0], ids=range(1)))
    assert codes(error)[0] == "E_COLUMNS"


DAMAGE = st.text(st.sampled_from(string.printable + "中٣１\u202e\u00a0\ufeff\x00\x1b"), max_size=6)


@settings(deadline=None, max_examples=400)
@given(st.integers(2, 5), st.booleans(), DAMAGE)
@example(2, True, "1\n")
@example(3, False, '"')
@example(5, True, "7\n\n")
def test_one_damaged_cell_is_refused_with_its_line_or_changes_only_its_row(line: int, value: bool, damage: str) -> None:
    for format, word in ((replace(CASES, years=()), "1.5"), (ANSWERS, "x"), (FOOD, "3")):
        lines = [",".join(format.header), *(f"{name},{word}" for name in format.ids)]
        if line > len(lines):
            continue
        whole = read_table("\n".join(lines).encode(), format)
        name, old = lines[line - 1].split(",")
        lines[line - 1] = f"{name},{damage}" if value else f"{damage},{old}"
        result = outcome("\n".join(lines).encode(), format)
        if isinstance(result, SubmissionError):
            # A damage that holds line ends is several lines.
            near = {line + k for k in range(damage.count("\n") + 1)}
            named = re.findall(r"lines? (\d+)(?: and (\d+))?", str(result))
            assert {int(number) for pair in named for number in pair if number} & near, str(result)
        else:
            (name,) = result
            changed = np.flatnonzero(result[name] != whole[name])
            assert set(changed.tolist()) <= {line - 2}


CELLS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.text("0123456789.+-eE", max_size=12),
    st.sampled_from(["", " ", "NaN", "inf", "1e400", "-1e400", "1e-400", "5e-324", "0x1", "1_0", "٣", "1.", ".5", "."]),
    st.sampled_from(["+", "00", "-0", '"1"', "1" * 400, "0." + "0" * 400 + "1", "9007199254740993", "1e+0100"]),
    st.sampled_from(["2.2250738585072011e-308", "1e100", "1.7976931348623159e308"]),
)


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, TableFormat]:
    """A file of three rows, valid or damaged, and the format it was made for."""
    kinds = draw(st.lists(st.sampled_from(["float", "int"]), min_size=1, max_size=2))
    columns = tuple(
        Column(name, kind, *draw(st.sampled_from([(-1e100, 1e100), (0, 9), (-np.inf, np.inf)])))  # type: ignore[arg-type]
        for name, kind in zip("xy", kinds, strict=False)
    )
    first = draw(st.sampled_from([0, 1, 9, 99]))
    ids: range | tuple[str, ...] = range(first, first + 3) if draw(st.booleans()) else ("00", "01", "10")
    format = TableFormat("id", columns, ids)
    plain = {"float": st.floats(-1e100, 1e100).map(repr), "int": st.integers(-(2**63), 2**63 - 1).map(str)}
    digits = st.integers(0, 9).map(str)
    rows = [[str(name), *(draw(st.one_of(digits, plain[c.kind])) for c in columns)] for name in ids]
    if draw(st.booleans()):
        rows = draw(st.permutations(rows))
    for _ in range(draw(st.integers(0, 2))):
        row, place = draw(st.integers(0, 2)), draw(st.integers(0, len(columns)))
        known = st.sampled_from(
            [spell.format(cells[0]) for cells in rows for spell in ("{}", "0{}", "+{}", "{}.0", " {}")]
        )
        rows[row][place] = draw(st.one_of(CELLS, known))
    end = draw(st.sampled_from(["\n", "\r\n", "\r\r\n"]))
    lines = [",".join(format.header), *(",".join(row) for row in rows)]
    if draw(st.integers(0, 9)) == 0:
        lines.insert(draw(st.integers(0, 4)), draw(st.sampled_from(["", "0,0", ",", "0,0,0"])))
    data = (end.join(lines) + draw(st.sampled_from(["", end, end * 2]))).encode()
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + data, format


WAYS: dict[str, tuple[int, Callable[[], object]]] = {
    "polars": (0, lambda: polars),
    "polars for the numbers": (plain.SMALL, lambda: polars),
    "the standard library": (plain.SMALL, lambda: None),
}
"""The ways inside for plain files: up to how many rows a file is small, and whether polars is loaded."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the way that plain files go in this test."""
    small, loaded = WAYS[request.param]
    monkeypatch.setattr(plain, "SMALL", small)
    monkeypatch.setattr(plain, "_polars_if_loaded", loaded)
    return str(request.param)


@pytest.mark.parametrize("first", [0, 1, 9, 998])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_plain_file_goes_the_fast_way(way: str, first: int, end: str) -> None:
    format = TableFormat("id", (Column("x"), Column("y", "int")), range(first, first + 3))
    lines = ["id,x,y", f"{first},1.5,-3", f"{first + 1},2e-7,007", f"{first + 2},-.25,+4", ""]
    for data in (end.join(lines).encode(), end.join(lines[:-1]).encode(), b"\xef\xbb\xbf" + end.join(lines).encode()):
        columns = plain.read_plain(data, format)
        assert columns is not None
        assert {name: values.tolist() for name, values in columns.items()} == {"x": [1.5, 2e-7, -0.25], "y": [-3, 7, 4]}
        assert same(columns, table._read_anything(data, format))


@pytest.mark.parametrize(
    "rows",
    [
        *("0,1;01,1;2,1", "00,1;1,1;2,1", "0,1;+1,1;2,1", "-0,1;1,1;2,1", "0,1;1.0,1;2,1", "0,1;1e0,1;2,1"),
        *("0,1;,1;2,1", "0,1;1,;2,1", "0,;1,1;2,1", "0,1;1,1;2,", "0,1;1,1;1,1", "0,1;1,1;3,1", "0,1;1,1;-1,1"),
        *("0,1;1,1;2,1;3,1", "0,1;1,1", "0,1;;1,1;2,1", "0,1,1;1,1;2", "0;1,1,1;2,1", ",0,1;1,1;2", "0,1;1,1;2,e"),
        *("0,1;1,1e400;2,1", "0,1;1,-1e400;2,1", "0,1;1,.;2,1", "0,1;1,+;2,1", "0,1;1,1e;2,1", "0,1;1,1-1;2,1"),
        *("0,1;1,1.2.3;2,1", "0,1;1,--1;2,1", "0,1;1,1e1.5;2,1", "0,1;1,1e+-5;2,1", "0,1;1,+-1;2,1", "0,1;1,-;2,1"),
    ],
)
def test_a_file_that_only_seems_plain_is_declined_by_the_fast_way_and_refused(way: str, rows: str) -> None:
    format = replace(UNBOUNDED, ids=range(3))
    data = f"id,y;{rows};".replace(";", "\n").encode()
    assert plain.read_plain(data, format) is None
    assert refusal(data, format).total > 0


CLASSES = TableFormat("id", (Column("y", "int", 0, 38),), range(95, 10_005))
"""Whole numbers of few digits, with ids of two to five."""


def class_rows() -> list[bytes]:
    return [f"{name},{int(name) % 39}".encode() for name in CLASSES.ids]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_a_column_of_classes_is_read_word_by_word(
    monkeypatch: pytest.MonkeyPatch, end: bytes, last: bool, mark: bytes
) -> None:
    monkeypatch.setattr(plain, "SMALL", 0)
    monkeypatch.setattr(plain, "_large_is_plain", lambda *_, **__: False)  # the way by polars is shut
    data = mark + end.join([b"id,y", *class_rows()]) + end * last
    columns = plain.read_plain(data, CLASSES)
    assert columns is not None
    assert columns["y"].tolist() == [int(name) % 39 for name in CLASSES.ids]
    assert same(columns, table._read_anything(data, CLASSES))


@pytest.mark.parametrize("place", [0, 5, 900, 4905, 9909])  # ids of two to five digits, the first and the last
@pytest.mark.parametrize("kind", ["", " 7", "7 ", "+7", "-1", "39", "99", "100", "1.0", "7,7", "1e1", "/", ":", "\x00"])
def test_one_wrong_class_is_declined_by_the_fast_ways_and_refused_with_its_line(
    monkeypatch: pytest.MonkeyPatch, place: int, kind: str
) -> None:
    monkeypatch.setattr(plain, "SMALL", 0)
    rows = class_rows()
    rows[place] = f"{CLASSES.ids[place]},{kind}".encode()
    data = b"\n".join([b"id,y", *rows])
    columns = plain.read_plain(data, CLASSES)
    if kind == "+7":  # another spelling of a whole number, which the way by polars reads
        assert columns is not None
        assert columns["y"][place] == 7
    elif kind in (" 7", "7 "):
        assert columns is None
        assert read_table(data, CLASSES)["y"][place] == 7
    else:
        assert columns is None
        assert f"line {place + 2:,}" in str(refusal(data, CLASSES))


@pytest.mark.parametrize("name", ["", "0", "95", "096", "+96", "96.0", "97", "10005", " 96", "9\n6"])
def test_one_wrong_id_beside_classes_is_declined_by_the_fast_ways_and_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(plain, "SMALL", 0)
    rows = class_rows()
    rows[1] = f"{name},{96 % 39}".encode()
    data = b"\n".join([b"id,y", *rows])
    assert plain.read_plain(data, CLASSES) is None
    assert refusal(data, CLASSES).total > 0


@settings(deadline=None)
@given(st.integers(0, 10_001_000), st.integers(1, 300), st.integers(0, 9999), st.data())
def test_rows_of_few_digits_are_read_as_the_reference_reads_them(
    first: int, n: int, most: int, data: st.DataObject
) -> None:
    format = TableFormat("id", (Column("y", "int", 0, most),), range(first, first + n))
    values = data.draw(st.lists(st.integers(0, most), min_size=n, max_size=n))
    text = "id,y\n" + "".join(f"{name},{value}\n" for name, value in zip(format.ids, values, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "SMALL", 0)
        columns = plain.read_plain(text.encode(), format)
    assert columns is not None
    assert columns["y"].tolist() == values
    assert columns["y"].dtype == np.int64


@settings(deadline=None, max_examples=500)
@given(files())
def test_both_ways_inside_give_the_same_values_or_the_fast_one_declines(made: tuple[bytes, TableFormat]) -> None:
    data, format = made
    with pytest.MonkeyPatch.context() as patch:
        for small, loaded in WAYS.values():
            patch.setattr(plain, "SMALL", small)
            patch.setattr(plain, "_polars_if_loaded", loaded)
            fast = plain.read_plain(data, format)
            if fast is not None:
                assert same(fast, table._read_anything(data, format))


@pytest.mark.parametrize("way", WAYS)
@settings(deadline=None)
@given(
    st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=30),
    st.sampled_from(["{!r}", "{:.20e}", "{:.400f}", "{:+.3g}"]),
)
def test_numbers_are_read_to_the_last_bit(way: str, numbers: list[float], spelling: str) -> None:
    cells = [spelling.format(number) for number in numbers]
    format = TableFormat("id", (Column("y"),), range(len(cells)))
    data = ("id,y\n" + "".join(f"{i},{text}\n" for i, text in enumerate(cells))).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "SMALL", WAYS[way][0])
        patch.setattr(plain, "_polars_if_loaded", WAYS[way][1])
        fast = plain.read_plain(data, format)
    expected = np.array([float(text) for text in cells])
    assert fast is not None
    assert fast["y"].tobytes() == expected.tobytes()
    assert table._read_anything(data, format)["y"].tobytes() == expected.tobytes()


@settings(deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=8),
        min_size=3,
        max_size=3,
    )
)
def test_what_the_csv_module_writes_comes_back(cells: list[str]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["ID", "Answer"])
    writer.writerows(enumerate(cells))
    assert read_table(file.getvalue().encode(), ANSWERS)["Answer"].tolist() == cells


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_at_all_lead_to_anything_but_columns_or_a_submission_error(data: bytes, header: bool) -> None:
    data = b"id,tested_positive\n" * header + data
    for format in (CASES, ANSWERS):
        result = outcome(data, format)
        if isinstance(result, SubmissionError):
            assert set(codes(result)) <= set(CODES)
            assert all(character.isprintable() or character == "\n" for character in str(result))
        else:
            assert all(len(values) == len(format.ids) for values in result.values())
