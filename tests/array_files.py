"""Files of arrays, written by hand to the byte, and those that a reader must refuse."""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray

from submissions.reader import read
from tasks.base import Columns, SubmissionError
from tasks.tensor_formats import Array, ArraysFormat

FORM = ArraysFormat((Array("attribution", (2, 3, 4)), Array("cause", (2,), "uint8", 0, 1)))
GOOD: Columns = {
    "attribution": np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4),
    "cause": np.array([1, 0], np.uint8),
}
DATA = safetensors.numpy.save(GOOD)
BODY = b"".join(GOOD[name].tobytes() for name in ("attribution", "cause"))


def refusal(data: bytes, form: ArraysFormat = FORM) -> SubmissionError:
    with pytest.raises(SubmissionError) as caught:
        read(data, form)
    return caught.value


def codes(error: SubmissionError) -> list[str]:
    return [problem.code for problem in error.problems]


def file(header: str | bytes, body: bytes = BODY, length: int | None = None) -> bytes:
    """A file of any header, with another length before it where one is given."""
    raw = header.encode() if isinstance(header, str) else header
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + body


def entries(**changed: Any) -> dict[str, Any]:
    """The good header, with other fields: `cause_dtype="I8"`, `attribution_shape=[3]`."""
    values: dict[str, Any] = {
        "attribution": {"dtype": "F32", "shape": [2, 3, 4], "data_offsets": [0, 96]},
        "cause": {"dtype": "U8", "shape": [2], "data_offsets": [96, 98]},
    }
    for name, value in changed.items():
        array, _, key = name.partition("_")
        values[array][key] = value
    return values


def headed(body: bytes = BODY, **changed: Any) -> bytes:
    return file(json.dumps(entries(**changed)), body)


def saved(**changed: NDArray[Any]) -> bytes:
    return safetensors.numpy.save({**GOOD, **changed})


def nested(levels: int) -> str:
    return '{"a": ' + "[" * levels + "]" * levels + "}"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    return out.getvalue()


def as_npy() -> bytes:
    out = io.BytesIO()
    np.save(out, GOOD["attribution"])
    return out.getvalue()


def of_one(number: float, place: int = 5) -> NDArray[np.float32]:
    values = GOOD["attribution"].copy()
    values.flat[place] = number
    return values


HEADER, BYTES, OTHER = ["E_ARRAYS_HEADER"], ["E_ARRAYS_BYTES"], ["E_NOT_SAFETENSORS"]
MISSING, SHAPE, TYPE = "E_ARRAY_MISSING", "E_ARRAY_SHAPE", "E_ARRAY_TYPE"
TWICE = '{"cause": {"dtype": "U8", "shape": [2], "data_offsets": [96, 98]}, ' + json.dumps(entries())[1:]
HOSTILE: dict[str, tuple[list[str], str, Callable[[], bytes]]] = {
    # Other files.
    "nothing": (["E_EMPTY"], "empty", lambda: b""),
    "too many bytes": (["E_SIZE"], "at most", lambda: bytes(FORM.max_bytes + 1)),
    "a torch file": (OTHER, "a zip archive, as torch.save", zipped),
    "a pickle": (OTHER, "a Python pickle", lambda: pickle.dumps(list(range(99)))),
    "a numpy array": (OTHER, "a numpy array", as_npy),
    "gzip of a good file": (OTHER, "a gzip archive", lambda: gzip.compress(DATA)),
    "gzip of nothing dated 1970": (OTHER, "a gzip archive", lambda: gzip.compress(b"", mtime=0)),
    "an HDF5 file": (OTHER, "an HDF5 file", lambda: b"\x89HDF\r\n\x1a\n" + bytes(99)),
    "a GGUF file": (OTHER, "a GGUF file", lambda: b"GGUF\3\0\0\0" + bytes(99)),
    "JSON": (OTHER, "JSON text", lambda: json.dumps(entries()).encode()),
    "a table": (OTHER, "something else", lambda: b"id,cause\n0,1\n"),
    "a byte order mark": (OTHER, "this is text", lambda: b"\xef\xbb\xbf" + DATA),
    "one byte": (OTHER, "something else", lambda: b"\0"),
    "seven bytes": (OTHER, "something else", lambda: DATA[:7]),
    # The length of the header.
    "a length alone": (HEADER, "does not begin with {", lambda: DATA[:8]),
    "a length of 0": (HEADER, "does not begin with {", lambda: bytes(8) + BODY),
    "a length of 1": (HEADER, "it is not JSON", lambda: file(json.dumps(entries()), length=1)),
    "a length of 2^60": (HEADER, "1,152,921,504,606,846,976 bytes", lambda: file("{}", length=2**60)),
    "a length of 2^64 - 1": (HEADER, "18,446,744,073,709,551,615 bytes", lambda: file("{}", length=2**64 - 1)),
    "a length beyond the file": (BYTES, "ends within its header", lambda: file(json.dumps(entries()), length=9999)),
    "a length in big-endian": (HEADER, "written big-endian", lambda: DATA[7::-1] + DATA[8:]),
    "a file cut in its header": (BYTES, "ends within its header", lambda: DATA[:60]),
    # The header.
    "a list": (HEADER, "does not begin with {", lambda: file("[]")),
    "a mark before the header": (HEADER, "does not begin with {", lambda: file("\ufeff" + json.dumps(entries()))),
    "blanks before the header": (HEADER, "does not begin with {", lambda: file(" " + json.dumps(entries()))),
    "more after the header": (HEADER, "it is not JSON", lambda: file(json.dumps(entries()) + "{}")),
    "NULs after the header": (HEADER, "it is not JSON", lambda: file(json.dumps(entries()) + "\0\0")),
    "no UTF-8": (HEADER, "it is not UTF-8", lambda: file(b'{"\xff": 1}')),
    "a comma too much": (HEADER, "it is not JSON", lambda: file(json.dumps(entries())[:-1] + ",}")),
    "a header of NaN": (HEADER, "it is not JSON", lambda: file('{"a": NaN}')),
    "lists in lists": (HEADER, "", lambda: file(nested(30_000))),
    "objects in objects": (HEADER, "", lambda: file('{"a":' * 9_000 + "1" + "}" * 9_000)),
    "an array twice": (HEADER, '"cause" appears twice', lambda: file(TWICE)),
    "a field twice": (HEADER, '"dtype" appears twice', lambda: file('{"cause": {"dtype": "U8", "dtype": "I8"}}')),
    "a name twice in other spellings": (
        HEADER, '"cause" appears twice', lambda: file(TWICE.replace('"cause"', '"ca\\u0075se"', 1))
    ),
    "an entry that is a number": (HEADER, "the entry of", lambda: file('{"cause": 7}')),
    "an entry without a shape": (HEADER, "exactly dtype, shape", lambda: file('{"cause": {"dtype": "U8"}}')),
    "an entry with another field": (HEADER, "exactly dtype, shape", lambda: headed(cause_strides=[1])),
    "a type that is a number": (HEADER, "a dtype", lambda: headed(cause_dtype=7)),
    "a shape that is a number": (HEADER, "a shape", lambda: headed(cause_shape=2)),
    "a shape of fractions": (HEADER, "a shape", lambda: headed(cause_shape=[2.0])),
    "a shape of truths": (HEADER, "a shape", lambda: headed(cause_shape=[True])),
    "a negative size": (HEADER, "a shape", lambda: headed(cause_shape=[-2])),
    "two negative sizes": (HEADER, "a shape", lambda: headed(attribution_shape=[-2, -3, 4])),
    "a size of 2^63": (HEADER, "a shape", lambda: headed(cause_shape=[2**63])),
    "a size of a million digits": (
        HEADER, "a shape", lambda: file(json.dumps(entries()).replace("[2]", "[" + "9" * 50_000 + "]"))
    ),
    "a size of minus 0": (HEADER, "a shape", lambda: file(json.dumps(entries()).replace("[2]", "[-0]"))),
    "one offset": (HEADER, "data_offsets", lambda: headed(cause_data_offsets=[96])),
    "three offsets": (HEADER, "data_offsets", lambda: headed(cause_data_offsets=[96, 97, 98])),
    "negative offsets": (HEADER, "data_offsets", lambda: headed(cause_data_offsets=[-2, 0])),
    "offsets backwards": (HEADER, "data_offsets", lambda: headed(cause_data_offsets=[98, 96])),
    "offsets that are texts": (HEADER, "data_offsets", lambda: headed(cause_data_offsets=["96", "98"])),
    "offsets of 2^64": (HEADER, "data_offsets", lambda: headed(cause_data_offsets=[2**64, 2**64 + 2])),
    "metadata that are numbers": (
        HEADER, "__metadata__", lambda: file(json.dumps({"__metadata__": {"a": 1}} | entries()))
    ),
    "metadata that are a list": (HEADER, "__metadata__", lambda: file(json.dumps({"__metadata__": []} | entries()))),
    "metadata in metadata": (
        HEADER, "__metadata__", lambda: file(json.dumps({"__metadata__": {"a": {"b": "c"}}} | entries()))
    ),
    "metadata of half a letter": (
        HEADER, "__metadata__", lambda: file(json.dumps({"__metadata__": {"a": "\ud800"}} | entries()))
    ),
    "metadata without end": (
        HEADER, "at most", lambda: file(json.dumps({"__metadata__": {"a": "b" * FORM.max_header}}), b"")[:-99]
    ),
    # Where the arrays lie.
    "overlapping arrays": (BYTES, '"cause" overlaps', lambda: headed(cause_data_offsets=[95, 97])),
    "both arrays at one place": (
        [*BYTES, *BYTES], "overlaps", lambda: headed(attribution_data_offsets=[0, 98], cause_data_offsets=[0, 98])
    ),
    "a gap between arrays": (BYTES, "leaves 1 bytes", lambda: headed(BODY + b"x", cause_data_offsets=[97, 99])),
    "a gap before the first": (
        BYTES, "leaves 1 bytes",
        lambda: headed(b"x" + BODY, attribution_data_offsets=[1, 97], cause_data_offsets=[97, 99]),
    ),
    "bytes after the last": (BYTES, "4 bytes follow the last array", lambda: DATA + b"more"),
    "two files in one": (BYTES, "234 bytes follow the last array", lambda: DATA + DATA),
    "a cut file": (BYTES, "the last 5 bytes are missing", lambda: DATA[:-5]),
    "no numbers": (BYTES, "the last 98 bytes are missing", lambda: DATA[:-98]),
    "offsets of 2^62": (BYTES, "are missing", lambda: headed(cause_data_offsets=[96, 2**62])),
    "fewer bytes than the shape": (
        [*BYTES, *BYTES], "its shape and type need 96",
        lambda: headed(attribution_data_offsets=[0, 92], cause_data_offsets=[92, 98]),
    ),
    # Other arrays.
    "no arrays": ([*BYTES, MISSING], '"attribution", "cause" are missing', lambda: file("{}")),
    "an array missing": ([MISSING], 'The array "cause" is missing', lambda: safetensors.numpy.save(
        {"attribution": GOOD["attribution"]}
    )),
    "an array too many": (["E_ARRAY_UNKNOWN"], '"more" is unexpected', lambda: saved(more=np.zeros(3))),
    "another name": (
        [MISSING, "E_ARRAY_UNKNOWN"], '"Cause" is unexpected', lambda: DATA.replace(b'"cause"', b'"Cause"')
    ),
    "a name that steers a terminal": (
        [MISSING, "E_ARRAY_UNKNOWN"], "\\x1b[31m", lambda: file(json.dumps(entries()).replace("cause", "\\u001b[31m"))
    ),
    "a thousand arrays": (["E_ARRAY_UNKNOWN"], "and 997 more", lambda: saved(
        **{f"x{number}": np.zeros(1, np.int8) for number in range(1000)}
    )),
    "a bomb by its shape": ([SHAPE], "expected (2,)", lambda: headed(cause_shape=[10**6] * 3)),
    "a shape whose product is 2^64": ([SHAPE], "expected (2,)", lambda: headed(cause_shape=[2**32, 2**32])),
    "a shape of 10,000 axes": ([SHAPE], "(1, 1, 1, 1, 1, 1, 1, 1, …)", lambda: headed(cause_shape=[1] * 10_000)),
    "a shape without axes": ([SHAPE], "the shape ()", lambda: headed(cause_shape=[])),
    "an array of nothing": ([SHAPE], "the shape (0,)", lambda: saved(cause=np.zeros(0, np.uint8))),
    "the axes turned": ([SHAPE], "(4, 3, 2), expected (2, 3, 4)", lambda: headed(attribution_shape=[4, 3, 2])),
    "doubles": ([TYPE], 'float64, expected float32: convert it with .astype("float32")', lambda: saved(
        attribution=GOOD["attribution"].astype(np.float64)
    )),
    "truths": ([TYPE], "has bool, expected uint8", lambda: saved(cause=GOOD["cause"].astype(bool))),
    "bfloat16": ([TYPE], "has bfloat16", lambda: headed(attribution_dtype="BF16")),
    "numpy's name of the type": ([TYPE], "has float32, expected float32", lambda: headed(attribution_dtype="float32")),
    "an unknown type": ([TYPE], "has F4_E2M1", lambda: headed(attribution_dtype="F4_E2M1")),
    "objects": ([TYPE], "has |O", lambda: headed(cause_dtype="|O")),
    "numbers in big-endian": (["E_ARRAY_TYPE"], "has >f4", lambda: headed(attribution_dtype=">f4")),
    # Numbers.
    "NaN": (["E_ARRAY_FINITE"], "has nan at [0, 1, 1], expected finite", lambda: saved(attribution=of_one(math.nan))),
    "infinity": (["E_ARRAY_FINITE"], "has inf at [1, 2, 3]", lambda: saved(attribution=of_one(math.inf, 23))),
    "minus infinity": (["E_ARRAY_FINITE"], "has -inf at", lambda: saved(attribution=of_one(-math.inf))),
    "NaN everywhere": (["E_ARRAY_FINITE"], "(24 such numbers)", lambda: saved(
        attribution=np.full((2, 3, 4), np.nan, np.float32)
    )),
    "NaN that signals": (["E_ARRAY_FINITE"], "has nan", lambda: saved(
        attribution=np.full(24, 0x7F800001, np.uint32).view(np.float32).reshape(2, 3, 4)
    )),
    "a number out of range": (["E_ARRAY_RANGE"], "has 2 at [1], expected numbers from 0 to 1.", lambda: saved(
        cause=np.array([1, 2], np.uint8)
    )),
}  # fmt: skip
