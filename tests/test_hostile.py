"""Hostile files for every reader: memory stays a small multiple of the file, whatever stands in it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from submissions import table
from submissions.reader import read
from tasks.base import SubmissionError
from tasks.formats import Column, EpisodesFormat, Format, ImagesFormat, LinesFormat, TableFormat
from tasks.tensor_formats import Array, ArraysFormat, ModelFormat, Tensor

BYTES = 2**20

NUMBERS = TableFormat("id", (Column("y"),), range(1000))
WHOLE = TableFormat("id", (Column("y", "int", 0, 10),), tuple(f"{number:04}" for number in range(1000)))
WORDS = TableFormat("id", (Column("y", "text"),), range(1000))
FORMATS: dict[str, Format] = {
    "numbers": NUMBERS,
    "whole numbers": WHOLE,
    "text": WORDS,
    "lines": LinesFormat("translation", range(1, 1001), 64 * BYTES),
    "images": ImagesFormat(10, max_bytes=64 * BYTES),
    "episodes": EpisodesFormat(tuple(range(100))),
    "arrays": ArraysFormat((Array("y", (BYTES,)),)),
    "model": ModelFormat((Tensor("x", (8,)),), (Tensor("y", (4,)),), 1000, max_bytes=64 * BYTES),
}


def filled(unit: bytes, total: int = BYTES) -> bytes:
    """The unit, repeated up to so many bytes."""
    return unit * (total // len(unit))


HEADER = b"id,y\n"
HOSTILE: dict[str, Callable[[], bytes]] = {
    "blank lines after a row": lambda: HEADER + b"0,1" + b"\n" * BYTES,
    "blank lines before the header": lambda: b"\n" * BYTES + HEADER,
    "blank lines before the last row": lambda: HEADER + b"\n" * BYTES + b"0,1\n",
    "blank lines that end in CRLF": lambda: HEADER + filled(b"\r\n"),
    "lines of one blank": lambda: HEADER + filled(b" \n"),
    "nothing but blanks": lambda: b" " * BYTES,
    "carriage returns": lambda: HEADER + b"\r" * BYTES,
    "lines of two letters": lambda: HEADER + filled(b"aa\n"),
    "one row without end": lambda: HEADER + filled(b"0,1\n"),
    "unknown ids": lambda: HEADER + b"".join(b"u%d,1\n" % number for number in range(BYTES // 8)),
    "ids of 90,000 zeros": lambda: HEADER + filled(b"0" * 90_000 + b"1,1\n"),
    "one number": lambda: HEADER + b"0," + b"9" * BYTES,
    "a number of zeros": lambda: HEADER + b"0," + b"0" * BYTES,
    "numbers of 90,000 zeros": lambda: HEADER + filled(b"0000," + b"0" * 90_000 + b"1\n"),
    "an exponent": lambda: HEADER + b"0,1e" + b"9" * BYTES,
    "one line": lambda: b"x" * BYTES,
    "commas in the header": lambda: b"," * BYTES,
    "10^5 columns": lambda: ",".join(f"c{number}" for number in range(100_000)).encode() + b"\n",
    "999 columns": lambda: (
        ",".join(f"c{number}" for number in range(999)).encode() + b"\n" + filled(b"," * 998 + b"\n")
    ),
    "commas in one row": lambda: HEADER + b"," * BYTES,
    "commas in the rows": lambda: HEADER + filled(b"," * 99_000 + b"\n"),
    "quotes": lambda: HEADER + b'"' * BYTES,
    "quotes in the header": lambda: b'"' * BYTES,
    "quotes in the rows": lambda: HEADER + filled(b'"' * 99_000 + b"x\n"),
    "a quoted cell of quotes": lambda: HEADER + b'0,"' + b'"' * BYTES + b'"\n',
    "quoted cells": lambda: HEADER + filled(b'"",' * 33_000 + b"\n"),
    "brackets in a cell": lambda: HEADER + b"0," + b"[" * BYTES,
    "NULs": lambda: HEADER + b"\0" * BYTES,
    "a NUL at the end": lambda: HEADER + filled(b"0,1\n") + b"\0",
    "no UTF-8": lambda: b"\xff" * BYTES,
    "UTF-16": lambda: b"\xff\xfe" + filled(b"0\0"),
    "a wide letter at the end": lambda: HEADER + filled(b"0,1\n") + "\U0001f600".encode(),
    "lists in lists": lambda: b"[" * BYTES,
    "900 lists in lists": lambda: b"[" * 900 + b" " * BYTES + b"]" * 900,
    "a list of numbers": lambda: b"[[" + filled(b"1,") + b"1]]",
    "a number in a list": lambda: b"[[" + b"1" * BYTES + b"]]",
    "a fraction in a list": lambda: b"[[1." + b"1" * BYTES + b"e" + b"9" * BYTES + b"]]",
    "blanks in a list": lambda: b"[" + b" " * BYTES + b"]",
    "an array's header": lambda: b"\x93NUMPY\x01\x00\xff\xff" + b"(" * BYTES,
    "an array of 10^18 rows": lambda: (
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<i8', 'fortran_order': False, 'shape': (999999999, 999999999), }".ljust(117)
        + b"\n"
        + b"\0" * BYTES
    ),
    "steps of one episode": lambda: b"episode,step,action\n" + filled(b"0,0,0\n"),
    "an array by its header": lambda: (
        (76).to_bytes(8, "little")
        + b'{"y": {"dtype": "F32", "shape": [1048576], "data_offsets": [0, 4194304]}}'.ljust(76)
        + b"\xff" * 2**22
    ),
    "objects in a header": lambda: (60_000).to_bytes(8, "little") + b'{"a":' * 12_000,
    "gzip of nothing": lambda: b"\x1f\x8b" + b"\0" * BYTES,
}  # fmt: skip


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_file_takes_more_than_a_small_multiple_of_its_bytes(name: str, kind: str) -> None:
    data, form = HOSTILE[name](), FORMATS[kind]
    read_or_refused(b"0", form)  # what is imported for the first time counts for nothing
    tracemalloc.start()
    try:
        read_or_refused(data, form)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * len(data) + 2 * BYTES


def read_or_refused(data: bytes, form: Format) -> None:
    with contextlib.suppress(SubmissionError):
        if isinstance(form, TableFormat):  # whose own bound on bytes would refuse most of these unread
            table._read_anything(data, form)
        else:
            read(data, form)


def test_blank_lines_at_the_end_make_no_lines() -> None:
    assert table._lines("id,y\n0,1 \r\n" + " \r\n" * 10_000, NUMBERS) == ["id,y", "0,1 \r"]


def test_64_mib_of_blank_lines_are_read_within_little_address_space() -> None:
    code = (
        "import resource; from submissions.table import _read_anything; from tasks.formats import Column, TableFormat;"
        "import numpy; form = TableFormat('id', (Column('y'),), range(2));"
        "now = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "most = now + 6 * 2**26; resource.setrlimit(resource.RLIMIT_AS, (most, most));"
        "print(_read_anything(b'id,y\\n0,1\\n1,2.5\\n' + b'\\n' * 2**26, form)['y'].tolist())"
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("address space is limited on Linux only")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("[1.0, 2.5]\n", "")


@pytest.mark.parametrize("sign", ["", "-", "+"])
@pytest.mark.parametrize("digits", [20, 4_300, 4_301, 90_000])
@pytest.mark.parametrize("bounds", [(-1e100, 1e100), (0, 10)], ids=["any", "0 to 10"])
def test_a_whole_number_of_many_digits_is_out_of_range(sign: str, digits: int, bounds: tuple[float, float]) -> None:
    form = replace(WHOLE, columns=(Column("y", "int", *bounds),), ids=range(2))
    for number in ("9" * digits, "1" + "0" * (digits - 1), "0" * 4_300 + "9" * min(digits, 4_301)):
        with pytest.raises(SubmissionError) as caught:
            read(f"id,y\n0,{sign}{number}\n1,2\n".encode(), form)
        assert [problem.code for problem in caught.value.problems] == ["E_RANGE"]


@pytest.mark.parametrize("kind", ["int", "float"])
@pytest.mark.parametrize("zeros", [1, 4_300, 40_000])
def test_leading_zeros_change_no_value(kind: str, zeros: int) -> None:
    form = TableFormat("id", (Column("y", kind),), range(3))  # type: ignore[arg-type]
    cells = ["0" * zeros, "0" * zeros + "7", "-" + "0" * zeros + "7"]
    data = "id,y\n" + "".join(f"{number},{cell}\n" for number, cell in enumerate(cells))
    assert read(data.encode(), form)["y"].tolist() == [0, 7, -7]
    assert table._read_anything(data.encode(), form)["y"].tolist() == [0, 7, -7]


def test_the_ends_of_64_bits_are_taken_and_what_lies_beyond_is_not() -> None:
    form = TableFormat("id", (Column("y", "int"),), range(2))
    data = f"id,y\n0,{2**63 - 1}\n1,{-(2**63)}\n".encode()
    assert table._read_anything(data, form)["y"].tolist() == [2**63 - 1, -(2**63)]
    assert read(data, form)["y"].dtype == np.int64
    for cell in (2**63, -(2**63) - 1):
        with pytest.raises(SubmissionError, match="E_RANGE"):
            read(f"id,y\n0,{cell}\n1,0\n".encode(), form)
