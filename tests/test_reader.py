"""The reader takes what it promises to take, names what is wrong with the rest, and never guesses."""

from __future__ import annotations

import gzip
import io
import math
import re
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from submissions import table, text
from submissions.table import CODES, read_table
from submissions.text import clip
from tasks.base import Columns, Problem, SubmissionError
from tasks.formats import Column, TableFormat, Year

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "submissions"

CASES = TableFormat("id", (Column("tested_positive"),), range(4), years=(Year("2022", ("id", "tested_positive"), 6),))
FOOD = TableFormat("Id", (Column("Category", "int", 0, 10),), ("0001", "0002", "0010", "1000"))
SHELVES = TableFormat("Id", (Column("Category", "int", 0, 10),), ("0001", "0002", "0003", "0004"))
SPEAKERS = TableFormat("Id", (Column("Category", "text"),), ("uttr-a.pt", "uttr-b.pt"))
ANSWERS = TableFormat("ID", (Column("Answer", "text"),), range(3))
UNBOUNDED = TableFormat("id", (Column("y", minimum=-math.inf, maximum=math.inf),), range(1))
MASK = TableFormat("id", (Column("mask", "text", 1, 40, runs=True),), range(1))
TWO = TableFormat("id", (Column("x"), Column("y", "int")), range(2))

GOOD = b"id,tested_positive\n0,1.5\n1,2\n2,-3e-2\n3,.5\n"
VALUES = [1.5, 2.0, -0.03, 0.5]


def refusal(data: bytes, format: TableFormat) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        read_table(data, format)
    return caught.value


def outcome(data: bytes, format: TableFormat) -> Columns | SubmissionError:
    try:
        return read_table(data, format)
    except SubmissionError as error:
        return error


def codes(error: SubmissionError) -> list[str]:
    """The codes of the problems, each once, in order."""
    return list(dict.fromkeys(problem.code for problem in error.problems))


def same(one: Columns, other: Columns) -> bool:
    """Whether the columns agree in names, types and every bit; the widths of text arrays may differ."""
    return list(one) == list(other) and all(
        one[name].tolist() == other[name].tolist()
        if one[name].dtype.kind == other[name].dtype.kind == "U"
        else one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes()
        for name in one
    )


# What is taken.

TAKEN: list[tuple[str, bytes]] = [
    ("as it should be", GOOD),
    ("without the last line end", GOOD[:-1]),
    ("CRLF", GOOD.replace(b"\n", b"\r\n")),
    ("CRLF without the last line end", GOOD.replace(b"\n", b"\r\n")[:-2]),
    ("CR CR LF, as Python's csv writes on Windows", GOOD.replace(b"\n", b"\r\r\n")),
    ("mixed line ends", GOOD.replace(b"\n", b"\r\n", 2)),
    ("byte order mark", b"\xef\xbb\xbf" + GOOD),
    ("byte order mark and CRLF", b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n")),
    ("blank lines at the end", GOOD + b"\n  \n\r\n\n"),
    ("blanks in the header", GOOD.replace(b"id,tested_positive", b" id ,\ttested_positive ")),
    ("quoted header", GOOD.replace(b"id,tested_positive", b'"id","tested_positive"')),
    ("everything quoted", b'"id","tested_positive"\n"0","1.5"\n"1","2"\n"2","-3e-2"\n"3",".5"\n'),
    ("columns the other way round", b"tested_positive,id\n1.5,0\n2,1\n-3e-2,2\n.5,3\n"),
    ("rows the other way round", b"id,tested_positive\n3,.5\n2,-3e-2\n1,2\n0,1.5\n"),
    ("blanks around numbers", GOOD.replace(b",1.5", b", 1.5\t").replace(b",2\n", b",2 \n")),
    ("other spellings", b"id,tested_positive\n0,+1.5E0\n1,0002.\n2,-0.03\n3,5e-1\n"),
]


@pytest.mark.parametrize(("name", "data"), TAKEN, ids=[name for name, _ in TAKEN])
def test_a_file_is_taken(name: str, data: bytes) -> None:
    columns = read_table(data, CASES)
    assert list(columns) == ["tested_positive"]
    assert columns["tested_positive"].dtype == np.float64
    assert columns["tested_positive"].tolist() == VALUES
    assert same(columns, table._read_anything(data, CASES))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("NA", "NA"),
        ("null", "null"),
        ("None", "None"),
        ("nan", "nan"),
        ("", ""),
        ("007", "007"),
        ("1970", "1970"),
        ("1e400", "1e400"),
        (" 中 文 ", " 中 文 "),
        ("《諸羅縣志》", "《諸羅縣志》"),
        ("a，b", "a，b"),
        ('"a,b"', "a,b"),
        ('"say ""so"""', 'say "so"'),
        ('""', ""),
        ('say "so"', 'say "so"'),
        ("=1+1", "=1+1"),
        ("a;b\tc", "a;b\tc"),
        ("\u2028\x85", "\u2028\x85"),
    ],
)
def test_a_text_cell_is_kept_as_it_stands(cell: str, value: str) -> None:
    columns = read_table(f"ID,Answer\n0,x\n1,{cell}\n2,y\n".encode(), ANSWERS)
    assert columns["Answer"].tolist() == ["x", value, "y"]
    assert columns["Answer"].dtype.kind == "U"


def test_text_ids_keep_their_zeros_and_names() -> None:
    columns = read_table(b"Id,Category\n1000,3\n0010,2\n0002,1\n0001,0\n", FOOD)
    assert columns["Category"].tolist() == [0, 1, 2, 3]
    assert columns["Category"].dtype == np.int64
    assert read_table(b"Id,Category\nuttr-b.pt,id2\nuttr-a.pt,id1\n", SPEAKERS)["Category"].tolist() == ["id1", "id2"]


def test_several_columns_come_in_any_order() -> None:
    columns = read_table(b"y,id,x\n3,1,.5\n-4,0,1e3\n", TWO)
    assert {name: values.tolist() for name, values in columns.items()} == {"x": [1000.0, 0.5], "y": [-4, 3]}


# What is refused: (name, bytes, format, the codes, words that the text must hold).


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


def cell(text: str, line: int = 2) -> bytes:
    """The good file with another prediction on a line."""
    lines = GOOD.decode().splitlines()
    lines[line - 1] = f"{line - 2},{text}"
    return ("\n".join(lines) + "\n").encode()


def food(*ids: str | int, last: str = "3") -> bytes:
    rows = zip(ids, ("0", "1", "2", last), strict=True)
    return ("Id,Category\n" + "".join(f"{name},{value}\n" for name, value in rows)).encode()


def food_from(first: int, width: int = 4) -> bytes:
    return ("Id,Category\n" + "".join(f"{name:0{width}},1\n" for name in range(first, first + 4))).encode()


NAMED = replace(SPEAKERS, columns=(Column("Category", "text", choices=("id1", "id2", "x y")),))
BOTH = replace(SPEAKERS, columns=(Column("Category", "text", choices=("id1", "ID1")),))
MANY = replace(SPEAKERS, columns=(Column("Category", "text", choices=tuple(f"id{number}" for number in range(600))),))


def named(first: str, second: str = "id2") -> bytes:
    return f"Id,Category\nuttr-a.pt,{first}\nuttr-b.pt,{second}\n".encode()


def answers(text: str) -> bytes:
    return f"ID,Answer\n0,x\n{text}\n2,y\n".encode()


UNKNOWN = ["E_ID_UNKNOWN", "E_ID_MISSING"]
Trap = tuple[str, bytes, TableFormat, list[str], str]
TRAPS: list[Trap] = [
    # The file as a whole.
    ("an empty file", b"", CASES, ["E_EMPTY"], "empty"),
    ("blanks only", b" \n\r\n\t", CASES, ["E_EMPTY"], "empty"),
    ("a byte order mark only", b"\xef\xbb\xbf", CASES, ["E_EMPTY"], "empty"),
    ("header only", b"id,tested_positive\n", CASES, ["E_ROWS"], "no rows"),
    ("header only without a line end", b"id,tested_positive", CASES, ["E_ROWS"], "no rows"),
    ("an Excel file", zipped("xl/workbook.xml"), CASES, ["E_BINARY"], "Save As"),
    ("an old Excel file", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", CASES, ["E_BINARY"], "Excel"),
    ("a zip archive", zipped("preds.csv"), CASES, ["E_BINARY"], "zip archive"),
    ("a gzip archive", gzip.compress(GOOD), CASES, ["E_BINARY"], "gzip archive; submit the CSV text itself: unpack"),
    ("a PNG image", b"\x89PNG\r\n\x1a\n", CASES, ["E_BINARY"], "PNG"),
    ("a numpy array", b"\x93NUMPY\x01\x00", CASES, ["E_BINARY"], "numpy"),
    ("a NUL byte", cell("1\x00", 3), CASES, ["E_BINARY"], "line 3"),
    ("random bytes", b"\x80\x81\x82\xfe\xff\n" * 9, CASES, ["E_ENCODING"], "UTF-8"),
    ("UTF-16 with a mark", GOOD.decode().encode("utf-16"), CASES, ["E_ENCODING"], "UTF-16"),
    ("UTF-16 big-endian with a mark", b"\xfe\xff" + GOOD.decode().encode("utf-16-be"), CASES, ["E_ENCODING"], "UTF-16"),
    ("UTF-16 without a mark", GOOD.decode().encode("utf-16-le"), CASES, ["E_ENCODING"], "UTF-16"),
    ("UTF-16 big-endian", GOOD.decode().encode("utf-16-be"), CASES, ["E_ENCODING"], "UTF-16"),
    ("Big5 text", answers("1,中文").decode().encode("big5"), ANSWERS, ["E_ENCODING"], "line 3"),
    ("half a character", answers("1,中")[:-6], ANSWERS, ["E_ENCODING"], "line 3"),
    ("another year's file", b"id,tested_positive\n" + b"0,1\n" * 6, CASES, ["E_YEAR"], "set of 2022: 6 rows"),
    ("ten thousand lines for four", GOOD + b"9,9\n" * 10_000, CASES, ["E_ROWS"], "10,004 rows; expected 4"),
    ("100,000 blank lines", GOOD + b"\n" * 10**5 + b"4,1\n", CASES, ["E_ROWS"], "expected 4"),
    # Lines.
    ("carriage returns alone", GOOD.replace(b"\n", b"\r"), CASES, ["E_LINE_END"], "carriage return"),
    ("carriage returns and one LF", GOOD[:-1].replace(b"\n", b"\r") + b"\n", CASES, ["E_LINE_END"], "carriage"),
    ("a carriage return in a text", answers("1,a\rb"), ANSWERS, ["E_LINE_END"], "line 3"),
    ("three carriage returns at an end", GOOD.replace(b"\n", b"\r\r\r\n"), CASES, ["E_LINE_END"], "line 1"),
    ("a blank line between rows", GOOD.replace(b"\n2,", b"\n\n2,"), CASES, ["E_BLANK"], "line 4"),
    ("a blank line before the header", b"\n" + GOOD, CASES, ["E_BLANK"], "line 1"),
    ("every other line blank", GOOD.replace(b"\n", b"\n\n"), CASES, ["E_BLANK"], "newline"),
    ("one endless line", b"id,tested_positive," + b"1" * 110_000, CASES, ["E_LINE_LONG"], "line 1"),
    ("an endless row", cell("1" * 110_000, 4), CASES, ["E_LINE_LONG"], "line 4"),
    ("50,000 columns", b"a," * 50_000 + b"\n1,2\n", CASES, ["E_COLUMNS"], "50,001 columns"),
    ("2,000 columns in rows", GOOD.replace(b"0,1.5", b"0" + b",1" * 2000), CASES, ["E_CELLS"], "more than 1,002 cells"),
    # The header.
    ("no header", GOOD[19:], CASES, ["E_HEADER"], "add the header id,tested_positive"),
    ("no header, text", b"uttr-a.pt,id1\nuttr-b.pt,id2\n", SPEAKERS, ["E_HEADER"], "add the header Id,Category"),
    ("header in other capitals", GOOD.replace(b"id,", b"Id,"), CASES, ["E_COLUMNS"], '"Id" instead of "id": capitals'),
    ("another homework's header", GOOD.replace(b"tested_positive", b"Predicted"), CASES, ["E_COLUMNS"], "Predicted"),
    ("an extra column", b"id,tested_positive,x\n0,1,1\n1,1,1\n2,1,1\n3,1,1\n", CASES, ["E_COLUMNS"], 'column "x"'),
    ("a pandas index", b",id,tested_positive\n0,0,1\n1,1,1\n2,2,1\n3,3,1\n", CASES, ["E_COLUMNS"], "index=False"),
    ("two missing columns", b"x\n1\n2\n", TWO, ["E_COLUMNS"], 'missing columns "id", "y"; expected'),
    ("two extra columns", b"id,x,y,z,a\n0,1,1,1,1\n1,1,1,1,1\n", TWO, ["E_COLUMNS"], 'unexpected columns "z", "a";'),
    ("a missing column", b"id\n0\n1\n2\n3\n", CASES, ["E_COLUMNS"], 'missing column "tested_positive"'),
    ("a column twice", b"id,id,tested_positive\n0,0,1\n1,1,1\n2,2,1\n3,3,1\n", CASES, ["E_COLUMNS"], "more than once"),
    ("semicolons", GOOD.replace(b",", b";"), CASES, ["E_COLUMNS"], "separated by semicolons, write commas"),
    ("decimal commas", GOOD.replace(b",", b";").replace(b".", b","), CASES, ["E_COLUMNS"], 'decimal="."'),
    ("tabs", GOOD.replace(b",", b"\t"), CASES, ["E_COLUMNS"], "separated by tabs"),
    ("a web page", b"<!DOCTYPE html>\n<html>\n</html>\n", CASES, ["E_COLUMNS"], "missing column"),
    # Cells of a row.
    ("trailing commas in rows", re.sub(rb"(\d)\n", rb"\1,\n", GOOD), CASES, ["E_CELLS"], "comma at the end"),
    ("trailing commas everywhere", GOOD.replace(b"\n", b",\n"), CASES, ["E_COLUMNS"], "without a name"),
    ("a row cut short", GOOD.replace(b"1,2\n", b"1\n"), CASES, ["E_CELLS"], "line 3: 1 cell, expected 2"),
    ("an unquoted comma in a text", answers("1,a,b"), ANSWERS, ["E_CELLS"], "in double quotes"),
    ("an unquoted thousands separator", cell("1,234"), CASES, ["E_CELLS"], "thousands separators"),
    ("an unquoted decimal comma", cell("1,5"), CASES, ["E_CELLS"], "decimal point"),
    ("a semicolon in one row", GOOD.replace(b"1,2\n", b"1;2\n"), CASES, ["E_ID_MISSING", "E_CELLS"], "commas"),
    # Quotes.
    ("a quote that swallows rows", answers('1,"a'), ANSWERS, ["E_QUOTE"], "line 3"),
    ("a quoted line break", answers('1,"a\nb"'), ANSWERS, ["E_QUOTE", "E_CELLS"], "line 3"),
    ("text after a quote", answers('1,"a" b'), ANSWERS, ["E_QUOTE"], "line 3"),
    ("a blank before a quote", answers('1, "a"'), ANSWERS, ["E_QUOTE"], "line 3"),
    ("an open quote before a number", cell('"1.5'), CASES, ["E_QUOTE"], "line 2"),
    ("a quote after a number", cell('1.5"'), CASES, ["E_NUMBER"], "line 2"),
    ("a quoted id that does not end", GOOD.replace(b"\n1,", b'\n"1,'), CASES, ["E_ID_MISSING", "E_QUOTE"], "line 3"),
    # Numbers.
    *[
        (f"{text} for a number", cell(text), CASES, ["E_NUMBER"], "line 2, column tested_positive")
        for text in (
            *("NA", "N/A", "null", "None", "NaN", "nan", "<NA>", "inf", "-inf", "+Infinity", "-", "?", ".", "e5"),
            *("0x1F", "0x1p3", "1_0", "1 000", "1.2.3", "--1", "1e", "1e5.0", "5%", "$5", "5€", "[1.5]", "tensor(1.5)"),
            *("array([1.5])", "True", "one", "1+2j", "1f", "1d5", "٣", "１", "−5", "1٫5", "½", "'1.5'", "=1+1"),
        )
    ],
    ("an empty cell", cell(""), CASES, ["E_NUMBER"], "the cell is empty"),
    ("a blank cell", cell(" "), CASES, ["E_NUMBER"], "the cell is empty"),
    ("a missing value", cell("NA"), CASES, ["E_NUMBER"], "missing and infinite values"),
    ("not a number", cell("NaN"), CASES, ["E_NUMBER"], "missing and infinite values"),
    ("hexadecimal", cell("0x1F"), CASES, ["E_NUMBER"], "hexadecimal"),
    ("quoted thousands separators", cell('"1,234"'), CASES, ["E_NUMBER"], "thousands separators"),
    ("a quoted decimal comma", cell('"1,5"'), CASES, ["E_NUMBER"], "decimal point"),
    ("Arabic digits", cell("٣"), CASES, ["E_NUMBER"], "digits 0-9"),
    ("full-width digits", cell("１"), CASES, ["E_NUMBER"], "digits 0-9"),
    ("a no-break space", cell("1\u00a0"), CASES, ["E_NUMBER"], "digits 0-9"),
    ("underscores", cell("1_0"), CASES, ["E_NUMBER"], "underscores"),
    ("a percent sign", cell("5%"), CASES, ["E_NUMBER"], "percent"),
    ("a currency sign", cell("NT$5"), CASES, ["E_NUMBER"], "currency"),
    ("brackets", cell("[1.5]"), CASES, ["E_NUMBER"], "brackets"),
    ("a tensor", cell("tensor(1.5)"), CASES, ["E_NUMBER"], "brackets"),
    ("1e400", cell("1e400"), CASES, ["E_RANGE"], "line 2"),
    ("-1e400", cell("-1e400"), CASES, ["E_RANGE"], "line 2"),
    ("1e400 without bounds", b"id,y\n0,1e400\n", UNBOUNDED, ["E_RANGE"], "line 2"),
    ("larger than the bounds", cell("1e101"), CASES, ["E_RANGE"], "line 2"),
    ("500 digits", cell("9" * 500), CASES, ["E_RANGE"], "line 2"),
    ("a class of 11", food(*FOOD.ids, last="11"), FOOD, ["E_RANGE"], "0 to 10"),
    ("a class of -1", food(*FOOD.ids, last="-1"), FOOD, ["E_RANGE"], "0 to 10"),
    ("a class of 3.0", food(*FOOD.ids, last="3.0"), FOOD, ["E_NUMBER"], "astype"),
    ("a class of 1e0", food(*FOOD.ids, last="1e0"), FOOD, ["E_NUMBER"], "whole"),
    ("2**63", b"id,x,y\n0,1,9223372036854775808\n1,1,1\n", TWO, ["E_RANGE"], "line 2"),
    ("5,000 digits", b"id,x,y\n0,1," + b"9" * 5000 + b"\n1,1,1\n", TWO, ["E_RANGE"], "line 2"),
    ("a text without end", answers("1," + "x" * 20_000), ANSWERS, ["E_TEXT_LONG"], "20,000 characters"),
    ("a name that is none", named("id3"), NAMED, ["E_CHOICE"], '"id3": expected one of id1, id2, x y.'),
    ("two names that are none", named("id3", "id4"), NAMED, ["E_CHOICE"], 'line 3, column Category: "id4"'),
    ("a name of many that is none", named("600"), MANY, ["E_CHOICE"], "600 names, such as id0, id1, id2, id3, id4."),
    ("a name in capitals with blanks", named(" id1 ", "ID1"), BOTH, ["E_CHOICE"], "remove the blanks around it"),
    ("a name in other capitals", named("ID1"), NAMED, ["E_CHOICE"], 'capitals matter, expected "id1"'),
    ("blanks around a name", named(" id1"), NAMED, ["E_CHOICE"], '" id1": remove the blanks around it'),
    ("an empty name", named(""), NAMED, ["E_CHOICE"], "an empty cell: expected one of"),
    ("an endless name", named("x" * 90_000), NAMED, ["E_CHOICE"], "…"),
    ("no header, names", b"uttr-b.pt,id1\nuttr-a.pt,id2\n", NAMED, ["E_HEADER"], "add the header Id,Category"),
    ("a mask whose runs overlap", b"id,mask\n0,1 4 3 2\n", MASK, ["E_RUNS"], "overlap"),
    # Ids.
    ("a missing id", GOOD.replace(b"2,-3e-2\n", b""), CASES, ["E_ID_MISSING"], "1 id is missing, first: 2 (of 4"),
    ("an id twice", GOOD + b"2,1\n", CASES, ["E_ID_TWICE"], "first: 2 on lines 4 and 6"),
    ("one twice, one missing", GOOD.replace(b"\n3,", b"\n0,"), CASES, ["E_ID_TWICE", "E_ID_MISSING"], "first: 3 (of 4"),
    ("an unknown id", GOOD + b"4,1\n", CASES, ["E_ID_UNKNOWN"], '"4" (line 6)'),
    ("an unknown for a known id", GOOD.replace(b"\n3,", b"\nx,"), CASES, UNKNOWN, '"x" (line 5)'),
    ("ids from one", b"id,tested_positive\n1,1\n2,1\n3,1\n4,1\n", CASES, ["E_ID_SHIFTED"], "subtract 1 from each"),
    ("ids from zero", food_from(0), SHELVES, ["E_ID_SHIFTED"], 'expected "0001" to "0004"; add 1 to each'),
    ("ids from zero without zeros", food_from(0, 1), SHELVES, ["E_ID_ZEROS", "E_ID_SHIFTED"], "add 1 to each"),
    ("ids from two", food_from(2), SHELVES, ["E_ID_SHIFTED"], "subtract 1 from each"),
    ("ids as file names", food("0001.jpg", "0002.jpg", "0010.jpg", "1000.jpg"), FOOD, ["E_ID_FILE"], "Path(name).stem"),
    ("ids as paths", food("test/0001.jpg", "test/2.JPG", "0010", "x\\1000"), FOOD, ["E_ID_FILE"], 'expected "0001"'),
    ("swapped columns", b"id,tested_positive\n1.5,0\n2,1\n-3e-2,2\n.5,3\n", CASES, ["E_SWAPPED"], "in the header"),
    ("swapped classes", b"Id,Category\n0,0001\n1,0002\n2,0010\n3,1000\n", FOOD, ["E_SWAPPED"], "column Category"),
    ("swapped texts", b"Id,Category\nx,uttr-a.pt\ny,uttr-b.pt\n", SPEAKERS, ["E_SWAPPED"], "swap the columns"),
    ("an empty id", GOOD + b",1\n", CASES, ["E_ID_UNKNOWN"], "line 6"),
    ("lost zeros", food("1", "2", "10", "1000"), FOOD, ["E_ID_ZEROS"], 'line 2 has "1", expected "0001"'),
    ("gained zeros", GOOD.replace(b"\n3,", b"\n03,"), CASES, ["E_ID_ZEROS"], 'line 5 has "03", expected "3"'),
    ("decimal ids", GOOD.replace(b"\n3,", b"\n3.0,"), CASES, ["E_ID_FLOAT"], 'line 5 has "3.0", expected "3"'),
    ("ids with exponents", food("0001", "0002", "0010", "1e3"), FOOD, ["E_ID_FLOAT"], '"1e3", expected "1000"'),
    ("a sign before an id", GOOD.replace(b"\n3,", b"\n+3,"), CASES, ["E_ID_FLOAT"], '"+3", expected "3"'),
    ("minus zero", GOOD.replace(b"\n0,", b"\n-0,"), CASES, ["E_ID_FLOAT"], '"-0", expected "0"'),
    ("blanks around ids", GOOD.replace(b"\n3,", b"\n 3 ,"), CASES, ["E_ID_SPACE"], '" 3 ", expected "3"'),
    ("ids in other digits", GOOD.replace(b"\n3,", "\n٣,".encode()), CASES, UNKNOWN, "line 5"),
    ("ids in other capitals", b"Id,Category\nUTTR-a.pt,x\nuttr-b.pt,y\n", SPEAKERS, UNKNOWN, "UTTR"),
    ("an infinite id", GOOD.replace(b"\n3,", b"\n1e999,"), CASES, UNKNOWN, "1e999"),
]


@pytest.mark.parametrize(("name", "data", "format", "expected", "words"), TRAPS, ids=[trap[0] for trap in TRAPS])
def test_a_trap_is_refused_with_its_code(
    name: str, data: bytes, format: TableFormat, expected: list[str], words: str
) -> None:
    error = refusal(data, format)
    assert codes(error) == expected
    assert words in str(error)
    assert error.exit_code == 3
    assert error.code == expected[0]


def test_every_code_is_documented_and_shown_by_a_trap() -> None:
    by_load = {"E_FILE_MISSING", "E_FILE_DIRECTORY", "E_FILE_UNREADABLE", "E_SIZE"}  # shown by the tests of load
    shown = {code for _, _, _, expected, _ in TRAPS for code in expected}
    assert shown | by_load == set(CODES)
    source = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (table, text))
    assert set(re.findall(r'"(E_[A-Z_]+)"', source)) == set(CODES)


def test_no_problem_repeats_what_steers_a_terminal() -> None:
    for name, data, format, *_ in TRAPS:
        text = str(refusal(data, format))
        assert all(character.isprintable() or character == "\n" for character in text), name
    evil = "\x1b[2J\u202e\x07"
    error = refusal(cell(evil), CASES)
    assert error.problems[0].found == "\\x1b[2J\\u202e\\x07"
    assert refusal(f"id,{evil}\n0,1\n".encode(), CASES).problems[0].code == "E_COLUMNS"
    assert len(clip("x" * 1000)) == 40


def test_all_problems_are_reported_at_once() -> None:
    data = b"ID,tested_positive\n0,NA\n\n1,1e400\n2.0,1,5\n9,1\n9,x\n"
    error = refusal(data, CASES)
    assert set(codes(error)) == {
        *("E_COLUMNS", "E_NUMBER", "E_BLANK", "E_RANGE", "E_CELLS", "E_ID_UNKNOWN", "E_ID_MISSING"),
    }
    assert [problem.line for problem in error.problems if problem.code == "E_NUMBER"] == [2, 7]


def test_few_problems_of_a_kind_are_shown_and_all_are_counted() -> None:
    big = replace(CASES, ids=range(1000), years=())
    rows = "".join(f"{i},{'NA' if i % 2 else '1e999'}\n" for i in range(1000))
    error = refusal(f"id,tested_positive\n{rows}".encode(), big)
    assert error.total == 1000
    assert [problem.code for problem in error.problems] == ["E_RANGE", "E_NUMBER"] * 5
    assert str(error).endswith("… and 990 more of the same kinds.")


def test_a_message_lists_no_more_than_three_ids() -> None:
    big = replace(CASES, ids=range(10_000, 20_000), years=())
    rows = "".join(f"{i},1\n" for i in range(20_000, 30_000))
    error = refusal(f"id,tested_positive\n{rows}".encode(), big)
    assert len(re.findall(r"\b[12]\d{4}\b", str(error))) == 6
    assert "10,000 ids are missing, first: 10000, 10001, 10002 (of 10,000" in str(error)


def test_lost_zeros_are_counted_once_and_named_as_such() -> None:
    ids = tuple(f"{i:04}" for i in range(1, 3348))
    error = refusal(("Id,Category\n" + "".join(f"{int(i)},1\n" for i in ids)).encode(), replace(FOOD, ids=ids))
    assert [problem.code for problem in error.problems] == ["E_ID_ZEROS"]
    assert "999 ids" in str(error)
    assert "spreadsheet" in str(error)
    assert error.problems[0] == Problem(
        "E_ID_ZEROS", error.problems[0].message, line=2, column=None, found="1", expected="0001"
    )


def test_a_header_of_another_year_is_named_with_the_year() -> None:
    format = TableFormat("Id", (Column("Predicted"),), range(3), years=(Year("2022", ("ID", "score"), 2),))
    error = refusal(b"ID,score\n0,1\n1,2\n", format)
    assert codes(error) == ["E_YEAR"]
    assert "test set of 2022" in str(error)


# Large and hostile files.


def test_a_file_larger_than_the_format_takes_is_refused_before_it_is_read() -> None:
    assert codes(refusal(b"1" * 500_000_000, CASES)) == ["E_SIZE"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("one line", b"id,tested_positive\n0," + b"1" * 20_000_000),
        ("one first line", b"1" * 20_000_000),
        ("columns", b"1," * 10_000_000),
        ("blank lines", b"\n" * 20_000_000 + b"x"),
        ("rows", b"id,tested_positive\n" + b"0,1\n" * 5_000_000),
        ("quotes", b"id,tested_positive\n" + b'"' * 20_000_000),
        ("open brackets", b"id,tested_positive\n0," + b"[" * 20_000_000),
    ],
)
def test_a_hostile_file_of_20_mb_takes_little_memory(name: str, data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(SubmissionError):
            table._read_anything(data, CASES)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(data)


def test_one_long_text_does_not_widen_a_million_cells() -> None:
    format = replace(ANSWERS, ids=range(200_000))
    rows = "".join(f"{i},{'x' * 9000 if i == 7 else 'y'}\n" for i in range(200_000))
    assert codes(refusal(f"ID,Answer\n{rows}".encode(), format)) == ["E_TEXT_LONG"]
