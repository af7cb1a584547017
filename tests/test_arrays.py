"""Files of arrays: what the safetensors library writes is read as it reads it, what is hostile is refused unread."""

from __future__ import annotations

import gzip
import io
import json
import math
import pickle
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading import scoring
from harness.grading.decode import Decoder, _packed, received
from harness.grading.grader import Grader
from harness.home import Home, open_home
from harness.plans import Plan
from harness.prepare import prepare
from submissions.arrays import CODES
from submissions.reader import read
from tasks.apart import Died, Limits
from tasks.base import PRIVATE, PUBLIC, Answers, Columns, Made, Rules, SubmissionError
from tasks.samples import sample_submission
from tasks.solution import named_metric
from tasks.tensor_formats import DTYPES, Array, ArraysFormat
from tests.conftest import books_balance

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


# What is read


@st.composite
def formats(draw: st.DrawFn) -> ArraysFormat:
    names = draw(st.lists(st.text(min_size=1, max_size=12).filter(storable), min_size=1, max_size=4, unique=True))
    shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
    return ArraysFormat(tuple(Array(name, draw(shapes), draw(st.sampled_from(sorted(DTYPES)))) for name in names))


def storable(name: str) -> bool:
    return name != "__metadata__" and name.encode("utf-8", "replace").decode() == name


def numbers(form: ArraysFormat, seed: int) -> Columns:
    """Any finite numbers of the format's types."""
    rng = np.random.default_rng(seed)
    columns = {}
    for array in form.arrays:
        values = np.frombuffer(rng.bytes(array.nbytes), array.dtype).reshape(array.shape).copy()
        values[~np.isfinite(values) | (np.abs(values.astype(np.float64)) > 1e100)] = 1
        columns[array.name] = values
    return columns


@settings(max_examples=60, deadline=None)
@given(formats(), st.integers(0, 2**32), st.none() | st.dictionaries(st.sampled_from("abc"), st.just("文")))
def test_what_the_library_writes_is_read_as_it_reads_it(form: ArraysFormat, seed: int, about: Any) -> None:
    wanted = numbers(form, seed)
    data = safetensors.numpy.save(wanted, about)
    columns, library = read(data, form), safetensors.numpy.load(data)
    assert list(columns) == list(form.ids)
    for name, values in columns.items():
        assert values.dtype == wanted[name].dtype
        assert values.tobytes() == wanted[name].tobytes() == library[name].tobytes()
        assert values.shape == wanted[name].shape


@pytest.mark.parametrize("spaces", range(9))
def test_arrays_at_any_place_are_read_and_those_in_place_are_not_copied(spaces: int) -> None:
    data = file(json.dumps(dict(reversed(entries().items()))) + " " * spaces)
    columns = read(data, FORM)
    assert all(np.array_equal(columns[name], values) for name, values in GOOD.items())
    assert all(values.flags.aligned for values in columns.values())
    assert np.shares_memory(columns["cause"], np.frombuffer(data, np.uint8))


@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_flipped_bytes_is_refused_or_read_as_the_library_reads_it(seed: int) -> None:
    rng, seen = random.Random(seed), set()
    length = int.from_bytes(DATA[:8], "little")
    for _ in range(800):
        data = bytearray(DATA)
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(8 + length if rng.random() < 0.9 else len(data))
            data[at] = rng.choice([*b' 0129{}[],:"-.eEn\\', rng.randrange(256)])
        if rng.random() < 0.1:
            del data[rng.randrange(len(data)) :]
        try:
            columns = read(bytes(data), FORM)
        except SubmissionError as error:
            seen |= set(codes(error))
        else:
            seen.add("read")
            library = safetensors.numpy.load(bytes(data))
            assert {name: values.tolist() for name, values in library.items()} == {
                name: values.tolist() for name, values in columns.items()
            }
    assert {"read", "E_ARRAYS_HEADER", "E_ARRAYS_BYTES", "E_ARRAY_UNKNOWN"} <= seen <= {"read", *CODES}


# What is refused: the codes, and words of the message.


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


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_code_in_little_memory(name: str) -> None:
    wanted, words, build = HOSTILE[name]
    data = build()
    tracemalloc.start()
    try:
        error = refusal(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sorted(set(codes(error))) == sorted(set(wanted))
    assert words in str(error)
    assert len(str(error)) < 2000
    assert "\x1b" not in str(error)
    assert peak < 2**20 + 30 * len(data)


def test_every_code_is_in_the_corpus_and_the_corpus_knows_no_other() -> None:
    assert {code for wanted, _, _ in HOSTILE.values() for code in wanted} == set(CODES)


def test_all_problems_are_told_at_once() -> None:
    form = ArraysFormat(
        (
            Array("a", (2,), maximum=1),
            Array("b", (2,)),
            Array("c", (2,), "int64", -5, 5),
            Array("d", (2, 2), "float16"),
            Array("e", (1,)),
        )
    )
    data = safetensors.numpy.save({
        "a": np.array([np.nan, 2], np.float32), "b": np.zeros(2, np.float64), "c": np.array([6, -7]),
        "d": np.zeros((2, 3), np.float16), "f": np.zeros(1),
    })  # fmt: skip
    assert sorted(codes(refusal(data, form))) == [
        "E_ARRAY_FINITE", "E_ARRAY_MISSING", "E_ARRAY_RANGE", "E_ARRAY_RANGE", "E_ARRAY_SHAPE", "E_ARRAY_TYPE",
        "E_ARRAY_UNKNOWN",
    ]  # fmt: skip


def test_of_a_hundred_faulty_arrays_five_are_shown_and_all_are_counted() -> None:
    form = ArraysFormat(tuple(Array(f"a{number}", (2,)) for number in range(100)))
    error = refusal(safetensors.numpy.save({name: np.zeros((3, 3), np.float64) for name in form.ids}), form)
    assert codes(error).count(SHAPE) == codes(error).count(TYPE) == 5
    assert error.total == 200


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_whole_numbers_of_64_bits_are_compared_exactly(number: int) -> None:
    form = ArraysFormat((Array("n", (2,), "int64", -(2.0**53), 2.0**53),))
    assert codes(refusal(safetensors.numpy.save({"n": np.array([0, number])}), form)) == ["E_ARRAY_RANGE"]
    within = np.array([2**53, -(2**53)])
    assert read(safetensors.numpy.save({"n": within}), form)["n"].tolist() == within.tolist()


def test_a_range_is_inclusive_and_compared_as_doubles() -> None:
    form = ArraysFormat((Array("x", (1,), "float32", 0, 0.1),))
    above = np.float32(0.1)
    assert float(above) > 0.1
    assert codes(refusal(safetensors.numpy.save({"x": np.array([above])}), form)) == ["E_ARRAY_RANGE"]
    assert read(safetensors.numpy.save({"x": np.nextafter(np.array([above]), np.float32(0))}), form)["x"].shape == (1,)


def test_large_arrays_are_read_without_a_second_copy() -> None:
    form = ArraysFormat((Array("w", (1000, 1000)),))
    data = safetensors.numpy.save({"w": np.ones((1000, 1000), np.float32)})
    tracemalloc.start()
    try:
        assert read(data, form)["w"].sum() == 10**6
        assert tracemalloc.get_traced_memory()[1] < len(data) // 8
    finally:
        tracemalloc.stop()


# The format


@pytest.mark.parametrize(
    "array", [("a", (2,), "float128"), ("a", ()), ("a", (0,)), ("a", (-1,)), ("a", (2.0,)), ("a", (True,))]
)
def test_an_array_needs_a_known_type_and_a_shape(array: Any) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        Array(*array)


@pytest.mark.parametrize("bounds", [(1, 0), (-math.inf, 0), (0, math.inf), (math.nan, 1)])
def test_the_range_of_an_array_is_finite(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a finite range"):
        Array("a", (1,), "int8", *bounds)


@pytest.mark.parametrize("names", [(), ("a", "a"), ("__metadata__",)])
def test_a_format_of_arrays_needs_different_names(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="different names"):
        ArraysFormat(tuple(Array(name, (1,)) for name in names))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bounds", [(-1e100, 1e100), (0, 1), (0.7, 0.9), (-0.9, -0.7), (3, 5), (-5, -3)])
def test_the_sample_submission_of_arrays_is_valid(dtype: str, bounds: tuple[float, float]) -> None:
    whole = not dtype.startswith("float")
    if (whole and abs(bounds[0]) < 1 < 10 * abs(bounds[0])) or (dtype == "uint8" and bounds[1] < 0):
        return  # no such whole number
    form = ArraysFormat((Array("a", (2, 2), dtype, *bounds), Array("b", (1,))))
    columns = read(sample_submission(form), form)
    assert len(set(columns["a"].flat)) == 1
    assert abs(float(columns["a"].flat[0])) <= abs(min(bounds, key=abs)) + 0.01 or bounds[0] <= 0 <= bounds[1]


# What comes back from the reading process


def test_arrays_read_apart_are_those_of_the_reader_and_refused_alike() -> None:
    decoder = Decoder()
    try:
        whole = decoder.decode(DATA, FORM, False, Limits(60.0))
        assert whole is not None
        columns = received(whole, FORM, False)
        assert {name: (values.dtype, values.tolist()) for name, values in columns.items()} == {
            name: (values.dtype, values.tolist()) for name, values in read(DATA, FORM).items()
        }
        for name in ("NaN", "a pickle", "doubles", "a number out of range", "an array twice", "lists in lists"):
            data = HOSTILE[name][2]()
            whole = decoder.decode(data, FORM, False, Limits(60.0))
            assert whole is not None
            with pytest.raises(SubmissionError) as caught:
                received(whole, FORM, False)
            assert caught.value.problems == refusal(data).problems
    finally:
        decoder.close()


def test_arrays_that_no_reader_gives_are_not_taken_from_the_reading_process() -> None:
    assert received(_packed(GOOD), FORM, False)["cause"].tolist() == [1, 0]
    for wrong in (
        {"attribution": of_one(math.nan)}, {"attribution": of_one(math.inf)}, {"cause": np.array([2, 0], np.uint8)},
        {"cause": GOOD["cause"].astype(np.int8)}, {"cause": np.array([1], np.uint8)}, {"more": GOOD["cause"]},
        {"attribution": GOOD["attribution"].reshape(4, 3, 2)}, {"attribution": GOOD["attribution"].astype(">f4")},
        {"cause": np.array(["1", "0"])},
    ):  # fmt: skip
        with pytest.raises(Died):
            received(_packed({**GOOD, **wrong}), FORM, False)
    with pytest.raises(Died):
        received(_packed({"cause": GOOD["cause"], "attribution": GOOD["attribution"]}), FORM, False)


# A competition of arrays, from its preparation to the board

ROWS = 40
TRUTH = np.arange(ROWS) % 2
CAUSES = ArraysFormat((Array("cause", (ROWS,), "int64", 0, 1), Array("weights", (3, 2))))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    usage = np.where(np.arange(ROWS) < ROWS // 2, PUBLIC, PRIVATE).astype(np.int8)
    plan = Plan(
        name="causes", title="Causes", edition="own", source="made for this test", format=CAUSES,
        metrics=(named_metric("accuracy"),), bars=(), rules=Rules(), sheet="# Causes\n", metric="accuracy",
        make=lambda folder, streams, secret: Made(Answers(range(ROWS), {"cause": TRUTH}, usage=usage)),
    )  # fmt: skip
    home = open_home(tmp_path / "home")
    prepare(home, plan, seed=3, accept_leaks=True, now=datetime(2027, 2, 1, tzinfo=UTC))
    monkeypatch.setenv("LHY_GRADE_HOME", str(home.root))
    return open_home(home.root)


def command(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code, done.output
    return done.output


def answers(right: int) -> bytes:
    """A file with so many right answers, on the public rows first."""
    cause = np.where(np.arange(ROWS) < right, TRUTH, 1 - TRUTH)
    return safetensors.numpy.save({"weights": np.zeros((3, 2), np.float32), "cause": cause}, {"made by": "a test"})


def test_a_competition_of_arrays_is_prepared_checked_submitted_and_ranked(home: Home, tmp_path: Path) -> None:
    assert find_competition(home, "causes").format == CAUSES
    sample = home.public("causes") / "sample_submission.safetensors"
    assert read(sample.read_bytes(), CAUSES)["cause"].tolist() == [0] * ROWS
    assert command("check", "causes", str(sample)) == "valid: 2 arrays for causes, edition own\n"
    assert json.loads(command("check", "causes", str(sample), "--format", "json"))["arrays"] == 2
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    good.write_bytes(answers(15))
    bad.write_bytes(answers(15)[:-2] + b"\x80\x7f")
    assert "public accuracy 0.75000" in command("submit", "causes", str(good), "--as", "ada")
    for what in (("check", "causes", str(bad)), ("submit", "causes", str(bad), "--as", "ada")):
        assert 'E_ARRAY_FINITE  The array "weights" has inf at [2, 1]' in command(*what, code=3)
    assert json.loads(command("leaderboard", "causes", "--format", "json"))["board"][0]["name"] == "ada"
    secret = read_secret(home, find_competition(home, "causes"))
    scores = scoring.grade_here(secret, answers(30)).scores[0]
    assert (scores.public, scores.private) == (1.0, 0.5)
    books_balance(home)


def test_a_worker_grades_arrays_as_they_are_graded_here_and_refuses_alike(home: Home) -> None:
    secret, grader = read_secret(home, find_competition(home, "causes")), Grader()
    try:
        there = grader.answer(secret, answers(17), Limits(60.0))
        assert there is not None
        assert there.grade == scoring.grade_here(secret, answers(17))
        refused = grader.answer(secret, DATA, Limits(60.0))
        assert refused is not None
        assert refused.refused is not None
        assert refused.refused.problems == refusal(DATA, CAUSES).problems
    finally:
        grader.close()
