"""The strict reader of arrays: one safetensors file, which is read here by its header and never executed or unpickled.

The file is the length of its header (8 bytes, little-endian), the header as JSON, and the numbers. The header has for
each array its type, its shape and the place of its bytes: https://huggingface.co/docs/safetensors. Everything in it is
compared with the format before a byte of the numbers is looked at: exactly the expected names, each once, with the
expected types and shapes, their bytes one after another and up to the end of the file. So no array can be larger than
expected, whatever its header claims. Whatever is read here, the safetensors library reads too, with the same numbers.

Numbers are finite and in the range of their array. All problems of the arrays are reported at once; in a file whose
header cannot be trusted, only the first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from submissions import text
from submissions.text import MAGIC, Report, clip, empty, refusal, too_large
from tasks.base import Columns, SubmissionError
from tasks.tensor_formats import Array, ArraysFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODES: dict[str, str] = {code: text.CODES[code] for code in ("E_EMPTY", "E_SIZE")} | {
    "E_NOT_SAFETENSORS": (
        "The file is not a safetensors file: a pickle of torch.save, a numpy array, an archive, text. Write it with "
        "safetensors.numpy.save_file or safetensors.torch.save_file."
    ),
    "E_ARRAYS_HEADER": (
        "The header of the file is damaged or not as safetensors writes it. Write the file again with the library."
    ),
    "E_ARRAYS_BYTES": (
        "The file is truncated, or the arrays do not lie one after another up to its end. Write the file again with "
        "the library, and copy it whole."
    ),
    "E_ARRAY_MISSING": "An expected array is missing. Save every array under its name in the sample submission.",
    "E_ARRAY_UNKNOWN": "The file has an unexpected array. Save only the arrays of the sample submission.",
    "E_ARRAY_TYPE": "An array has another type of numbers. Convert it before saving, as the message says.",
    "E_ARRAY_SHAPE": "An array has another shape. Check its axes, and that no rows are missing.",
    "E_ARRAY_FINITE": "An array has NaN or infinite numbers, which cannot be scored. Find out where they come from.",
    "E_ARRAY_RANGE": "An array has numbers outside its range. Check the units, and clip your predictions.",
}
"""The error codes for a file of arrays. Codes are stable."""

NAMES = {
    "F16": "float16", "F32": "float32", "F64": "float64", "I8": "int8", "U8": "uint8", "I16": "int16", "I32": "int32",
    "I64": "int64",
}  # fmt: skip
SHORT = {name: short for short, name in NAMES.items()}
OTHER_NAMES = {"BF16": "bfloat16", "BOOL": "bool", "U16": "uint16", "U32": "uint32", "U64": "uint64"}
METADATA = "__metadata__"
_OTHER_KINDS = (
    *MAGIC,
    (b"PK\x03\x04", "a zip archive, as torch.save and numpy.savez write it"),
    *((bytes([0x80, protocol]), "a Python pickle") for protocol in range(2, 6)),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\xef\xbb\xbf", "text"),
    (b"{", "JSON text"),
    (b"[", "JSON text"),
)
_SAVE = "write it with safetensors.numpy.save_file or safetensors.torch.save_file"

HeaderEntry = tuple[str, list[Any], int, int]
"""The type, shape, begin and end of an array in a header."""


def read_arrays(data: bytes, form: ArraysFormat) -> Columns:
    """The arrays of a safetensors file by name, in the order of the format: read-only, not copied where aligned.

    Raises SubmissionError with every problem found.
    """
    if len(data) > form.max_bytes:
        raise too_large(len(data), form.max_bytes)
    if not data:
        raise empty()
    entries, start = _header(data, form)
    report = Report()
    sound = _layout(entries, len(data) - start, report)
    _compare(entries, form, report)
    columns: Columns = {}
    for array in form.arrays if sound else ():
        dtype, shape, begin, end = entries.get(array.name, ("", [], 0, 0))
        if (dtype, shape, end - begin) == (SHORT[array.dtype], list(array.shape), array.nbytes):
            columns[array.name] = _values(data, start + begin, array)
            _check_values(columns[array.name], array, report)
    report.end()
    assert list(columns) == list(form.ids), "what is not read is reported"
    return columns


# The header.


def _header(data: bytes, form: ArraysFormat) -> tuple[dict[str, HeaderEntry], int]:
    """The entries of the header by name, and where the numbers begin. Raises SubmissionError."""
    length = int.from_bytes(data[:8], "little")
    start = 8 + length
    if data[8:9] != b"{":
        what = next((what for magic, what in _OTHER_KINDS if data.startswith(magic)), None)
        if what or length > form.max_header or len(data) < 8:
            message = f"Expected a safetensors file, this is {what or 'something else'}; {_SAVE}."
            raise refusal("E_NOT_SAFETENSORS", message)
        raise _bad_header("it does not begin with {")
    if length > form.max_header:
        swapped = int.from_bytes(data[:8], "big") <= form.max_header
        why = "its length is written big-endian" if swapped else f"at most {form.max_header:,} bytes are accepted"
        raise _bad_header(f"it has {length:,} bytes; {why}")
    if start > len(data):
        message = f"The file ends within its header of {length:,} bytes; {_SAVE}, and copy it whole."
        raise refusal("E_ARRAYS_BYTES", message)
    try:
        words = data[8:start].decode("utf-8")
        values = json.loads(words, object_pairs_hook=_once, parse_int=_size, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _bad_header("it is not UTF-8") from None
    except _Twice as error:
        raise _bad_header(f'the name "{clip(str(error))}" appears twice') from None
    except RecursionError:
        raise _bad_header("it is nested too deeply") from None
    except ValueError:
        raise _bad_header("it is not JSON") from None
    metadata = values.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(map(_is_text, [*metadata, *metadata.values()])):
        raise _bad_header(f"{METADATA} must map names to texts")
    return {name: _entry(name, value) for name, value in values.items()}, start


class _Twice(ValueError):
    """A name that an object of the header has twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _Twice(name)
        values[name] = value
    return values


def _size(digits: str) -> int:
    """A whole number that may be a size, or -1."""
    return int(digits) if digits.isdigit() and len(digits) < 20 else -1


def _is_text(value: Any) -> bool:
    """Whether a value is text that UTF-8 can hold: JSON can write halves of characters."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _entry(name: str, value: Any) -> HeaderEntry:
    """The entry of an array. Raises SubmissionError for one that does not have the fields of a header."""
    shown = f'the entry of "{clip(name)}"'
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise _bad_header(f"{shown} does not have exactly dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str):
        raise _bad_header(f"{shown} has a dtype that is not a text")
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**63 for size in shape):
        raise _bad_header(f"{shown} has a shape that is not a list of sizes")
    whole = isinstance(offsets, list) and len(offsets) == 2 and all(type(at) is int for at in offsets)
    if not whole or not 0 <= offsets[0] <= offsets[1] < 2**63:
        raise _bad_header(f"{shown} has data_offsets that are not a begin and an end")
    return dtype, shape, offsets[0], offsets[1]


def _bad_header(why: str) -> SubmissionError:
    return refusal("E_ARRAYS_HEADER", f"The header cannot be read: {why}; {_SAVE}.")


# Entries against the file and the format.


def _layout(entries: dict[str, HeaderEntry], size: int, report: Report) -> bool:
    """Whether the arrays lie one after another and fill the `size` bytes after the header; reports why not."""
    end = 0
    for name, (_, _, begin, after) in sorted(entries.items(), key=lambda entry: entry[1][2:]):
        if begin != end:
            how = "overlaps the one before it" if begin < end else f"leaves {begin - end:,} bytes before it unused"
            report.file("E_ARRAYS_BYTES", f'The array "{clip(name)}" {how}; {_SAVE}.', found=name)
            return False
        end = after
    if end != size:
        how = (
            f"{size - end:,} bytes follow the last array"
            if size > end
            else f"the last {end - size:,} bytes are missing"
        )
        message = f"The arrays have {end:,} bytes, but the file has {max(size, 0):,} for them: {how}."
        report.file("E_ARRAYS_BYTES", message, found=f"{size:,}", expected=f"{end:,}")
    return end == size


def _compare(entries: dict[str, HeaderEntry], form: ArraysFormat, report: Report) -> None:
    """Reports missing and unexpected names, and arrays of another type or shape."""
    known = form.ids
    missing = [name for name in known if name not in entries]
    unknown = sorted(entries.keys() - set(known))
    if missing:
        message = f"{_arrays(missing)} missing; expected {_some(known)}."
        report.file("E_ARRAY_MISSING", message, expected=missing[0])
    if unknown:
        message = f"{_arrays(unknown)} unexpected; expected {_some(known)}."
        report.file("E_ARRAY_UNKNOWN", message, found=unknown[0])
    for array in form.arrays:
        if array.name not in entries:
            continue
        short, shape, begin, end = entries[array.name]
        found = NAMES.get(short, OTHER_NAMES.get(short, short))
        if short != SHORT[array.dtype]:
            how = f'convert it with .astype("{array.dtype}") in numpy or .to(torch.{array.dtype}) in torch'
            message = f"{_name(array)} has {clip(found)}, expected {array.dtype}: {how}."
            _report(report, "E_ARRAY_TYPE", message, found, array.dtype)
        if shape != list(array.shape):
            have, wanted = _shape(shape), _shape(array.shape)
            _report(report, "E_ARRAY_SHAPE", f"{_name(array)} has the shape {have}, expected {wanted}.", have, wanted)
        elif short == SHORT[array.dtype] and end - begin != array.nbytes:
            message = f"{_name(array)} takes {end - begin:,} bytes, but its shape and type need {array.nbytes:,}."
            _report(report, "E_ARRAYS_BYTES", message, f"{end - begin:,}", f"{array.nbytes:,}")


def _report(report: Report, code: str, message: str, found: str, expected: str) -> None:
    """Reports a problem of one array; only the first few of each code are shown."""
    if report.counts[code] < text.SHOWN_PER_CODE:
        report.file(code, message, None, found, expected)
    else:
        report.counts[code] += 1


def _name(array: Array) -> str:
    return f'The array "{clip(array.name)}"'


def _arrays(names: Sequence[str]) -> str:
    return f"The array {_some(names)} is" if len(names) == 1 else f"The arrays {_some(names)} are"


def _some(names: Sequence[str]) -> str:
    """The first three names, and the number of the others."""
    shown = ", ".join(f'"{clip(name)}"' for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3:,} more"


def _shape(sizes: Sequence[int]) -> str:
    """A shape as numpy prints it, shortened.

    >>> _shape([60, 64, 64]), _shape([3])
    ('(60, 64, 64)', '(3,)')
    """
    shown = ", ".join(str(size) for size in sizes[:8])
    return f"({shown}{',' if len(sizes) == 1 else ', …' if len(sizes) > 8 else ''})"


# The numbers.


def _values(data: bytes, at: int, array: Array) -> NDArray[Any]:
    import numpy as np

    dtype = np.dtype(array.dtype).newbyteorder("<")
    values = np.frombuffer(data, dtype, math.prod(array.shape), at).reshape(array.shape)
    return values if values.flags.aligned else values.copy()


def _check_values(values: NDArray[Any], array: Array, report: Report) -> None:
    """Reports numbers that are not finite, or outside the range."""
    if not fits(values, array):
        import numpy as np

        finite = np.isfinite(values)
        if not finite.all():
            _report_numbers("E_ARRAY_FINITE", ~finite, values, array, "finite numbers", report)
        low, high, wide = array.minimum, array.maximum, values
        with np.errstate(invalid="ignore"):  # NaN that signals
            if values.dtype.kind == "f":
                wide = values.astype(np.float64)
            else:  # compared as whole numbers: a double has not all of 64 bits
                low, high = math.ceil(low), math.floor(high)
            outside = finite & ((wide < low) | (wide > high))
        if outside.any():
            wanted = f"numbers from {array.minimum:.15g} to {array.maximum:.15g}"
            _report_numbers("E_ARRAY_RANGE", outside, values, array, wanted, report)


def fits(values: NDArray[Any], array: Array) -> bool:
    """Whether all numbers are finite and in the range of the array, without a second array of that size."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        low, high = values.min().item(), values.max().item()  # NaN if there is one
    return math.isfinite(low) and math.isfinite(high) and array.minimum <= low and high <= array.maximum


def _report_numbers(
    code: str, wrong: NDArray[Any], values: NDArray[Any], array: Array, wanted: str, report: Report
) -> None:
    import numpy as np

    first = np.unravel_index(int(wrong.argmax()), wrong.shape)
    count, found = int(wrong.sum()), str(values[first].item())
    many = "" if count == 1 else f" ({count:,} such numbers)"
    place = ", ".join(str(int(index)) for index in first)
    _report(report, code, f"{_name(array)} has {found} at [{place}], expected {wanted}{many}.", found, wanted)
