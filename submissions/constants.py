"""The numbers of a model's constants: ONNX tensors, checked and read as flat numpy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from submissions.text import clip

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

MOST_LISTED = 64
"""The most entries of a constant of a wide type, and of the lists in attributes of one node."""
MOST_NUMBERS = 2**31

FLOAT, UINT8, INT8, INT32, INT64, BOOL, FLOAT16, DOUBLE = 1, 2, 3, 6, 7, 9, 10, 11
TYPES = {
    FLOAT: ("<f4", "float_data"), UINT8: ("|u1", "int32_data"), INT8: ("|i1", "int32_data"),
    INT32: ("<i4", "int32_data"), INT64: ("<i8", "int64_data"), BOOL: ("|b1", "int32_data"),
    FLOAT16: ("<f2", "int32_data"), DOUBLE: ("<f8", "double_data"),
}  # fmt: skip
"""Number of an accepted ONNX type: its numpy type, and the field that holds its values where they are not raw bytes."""
STORES = ("float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
WIDE = (INT32, INT64, BOOL, DOUBLE)


def values_of(where: str, tensor: onnx.TensorProto, add: Callable[[str, str], None]) -> NDArray[Any] | None:
    """The numbers of a tensor, flat; None where it is refused. Problems go to `add`, as code and message."""
    import numpy as np

    if len(tensor.external_data) or tensor.data_location:
        add("E_MODEL_EXTERNAL", f"{where} lies in another file; export into one file (external_data=False).")
        return None
    if tensor.data_type not in TYPES:
        add("E_MODEL_TENSOR", f"{where} has type {type_name(tensor.data_type)}; expected float32.")
        return None
    kind, store = TYPES[tensor.data_type]
    dims = tuple(tensor.dims)
    numbers = numbers_of(dims)
    if len(dims) > 8 or any(not 0 <= side < MOST_NUMBERS for side in dims) or numbers >= MOST_NUMBERS:
        shape = clip("×".join(map(str, dims[:9])), 60)
        add("E_MODEL_TENSOR", f"{where} has the shape {shape}, which is not possible here.")
        return None
    if tensor.data_type in WIDE and numbers > MOST_LISTED:
        message = f"{where} has {numbers:,} numbers of type {type_name(tensor.data_type)}, at most {MOST_LISTED}"
        add("E_MODEL_TENSOR", f"{message} are accepted; store weights as float32.")
        return None
    filled = [name for name in STORES if len(getattr(tensor, name))]
    raw = tensor.raw_data
    item = np.dtype(kind).itemsize
    size = len(raw) // item if raw else len(getattr(tensor, store))
    whole = (not filled and len(raw) == numbers * item) if raw else filled in ([], [store]) and size == numbers
    if not whole or tensor.HasField("segment"):
        add("E_MODEL_TENSOR", f"{where} holds {size:,} numbers, but its shape needs {numbers:,}.")
        return None
    if raw:
        values = np.frombuffer(raw, dtype="|u1" if tensor.data_type == BOOL else kind)
    else:
        values = np.array(getattr(tensor, store), dtype="<f4" if store == "float_data" else None)
    stored = {BOOL: "|u1", FLOAT16: "<u2"}.get(tensor.data_type, kind)  # as the whole numbers that are written
    low, high = (0, 1) if tensor.data_type == BOOL else (-math.inf, math.inf)
    if np.dtype(stored).kind in "iu" and tensor.data_type != BOOL:
        low, high = int(np.iinfo(stored).min), int(np.iinfo(stored).max)
    if np.dtype(values.dtype).kind in "iu" and numbers and not low <= int(values.min()) <= int(values.max()) <= high:
        add("E_MODEL_TENSOR", f"{where} has a number out of the range of its type.")
        return None
    if values.dtype != np.dtype(kind):
        values = values.astype(stored).view(kind)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        add("E_MODEL_FINITE", f"{where} has a number that is NaN or infinite.")
    return values


def has_graph(attribute: onnx.AttributeProto) -> bool:
    return attribute.HasField("g") or len(attribute.graphs) > 0


def held(attribute: onnx.AttributeProto) -> int:
    """How many numbers an attribute holds that is not accepted."""
    tensors = [attribute.t, *attribute.tensors[:MOST_LISTED]] if not has_graph(attribute) else []
    sparse = [attribute.sparse_tensor, *attribute.sparse_tensors[:MOST_LISTED]]
    return (
        len(attribute.floats)
        + len(attribute.ints)
        + sum(numbers_of(one.dims) for one in tensors if one.data_type)
        + sum(numbers_of(one.dims) for one in sparse if len(one.dims))
    )


def numbers_of(dims: Iterable[int]) -> int:
    """The product of the dimensions, at most 2^63; 0 where it makes no sense."""
    total = 1
    for side in dims:
        total *= max(0, side)
        if total >= 2**63:
            return 2**63
    return total


def type_name(number: int) -> str:
    import onnx

    names: Mapping[int, str] = {value: name for name, value in onnx.TensorProto.DataType.items()}
    return names.get(number, f"number {number}")
