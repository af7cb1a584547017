"""The formats of submitted tensors: named arrays of numbers, and a model as one ONNX graph.

Importing this module loads the standard library only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from tasks.base import Answers

HEADER_BYTES = 2**16
"""Bytes of the header of a file of arrays, beyond what its arrays need."""

DTYPES = {
    "float16": 2, "float32": 4, "float64": 8, "int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8,
}  # fmt: skip
"""The types of numbers in an array, by numpy's names, and their bytes."""


@dataclass(frozen=True)
class Array:
    """One array of an `ArraysFormat`: its exact shape and type, and the inclusive range of its finite numbers."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    minimum: float = -1e100
    maximum: float = 1e100

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES or not self.shape or not all(type(n) is int and n > 0 for n in self.shape):
            raise ValueError(f"array {self.name}: expected one of {', '.join(DTYPES)} and a shape without 0")
        if not -math.inf < self.minimum <= self.maximum < math.inf:
            raise ValueError(f"array {self.name}: expected a finite range")

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"shape": list(self.shape)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Array:
        return Array(**{**values, "shape": tuple(values["shape"])})


@dataclass(frozen=True)
class ArraysFormat:
    """Named arrays of numbers in one safetensors file, read by their names, in this order.

    The arrays need not correspond to hidden rows, so `ids` are their names.
    """

    arrays: tuple[Array, ...]

    unit: ClassVar[str] = "arrays"
    suffix: ClassVar[str] = ".safetensors"

    def __post_init__(self) -> None:
        if not self.arrays or len(set(self.ids)) < len(self.arrays) or "__metadata__" in self.ids:
            raise ValueError("arrays need different names")

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(array.name for array in self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)

    @property
    def max_header(self) -> int:
        """The most bytes of a file's header: enough for these arrays, some unexpected ones and remarks."""
        return HEADER_BYTES + 2 * sum(len(json.dumps(array.to_json())) for array in self.arrays)

    @property
    def max_bytes(self) -> int:
        """The maximum file size in bytes: arrays of a type twice as wide are still read, and named."""
        return 8 + self.max_header + 2 * self.nbytes

    def fit(self, answers: Answers) -> ArraysFormat:
        return self

    def to_json(self) -> dict[str, Any]:
        return {"kind": "arrays", "arrays": [array.to_json() for array in self.arrays], "max_bytes": self.max_bytes}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ArraysFormat:
        """The inverse of `to_json`; `max_bytes` is computed again, whatever another release wrote."""
        return ArraysFormat(tuple(map(Array.from_json, values["arrays"])))


OPERATORS = (
    "Abs", "Add", "And", "AveragePool", "BatchNormalization", "Cast", "Celu", "Clip", "Concat", "Constant", "Conv",
    "ConvTranspose", "DepthToSpace", "DequantizeLinear", "Div", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten",
    "Gather", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GroupNormalization",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "LogSoftmax", "MatMul", "Max", "MaxPool", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu",
    "Pad", "Pow", "QuantizeLinear", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape",
    "Resize", "Selu", "Shape", "Sigmoid", "Slice", "Softmax", "Softplus", "Softsign", "SpaceToDepth", "Split", "Sqrt",
    "Squeeze", "Sub", "Sum", "Tanh", "Transpose", "Unsqueeze", "Where",
)  # fmt: skip
"""ONNX operators of common networks. None of them draws, loops, counts or makes values out of a shape."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model: its name, its shape after the free batch size, and its type."""

    name: str
    shape: tuple[int, ...]
    dtype: Literal["float32", "float16", "int64"] = "float32"

    def __str__(self) -> str:
        return f"{self.dtype} (n, {', '.join(map(str, self.shape))})"


@dataclass(frozen=True)
class ModelFormat:
    """A model as one ONNX graph with these inputs and outputs, which the judge runs.

    It is read as "model", "inspected" and "parameters", see `submissions.models`. `most_parameters` bounds the numbers
    that the graph holds. The model does not correspond to hidden rows.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    most_parameters: int
    max_bytes: int = 500_000
    operators: tuple[str, ...] = OPERATORS

    unit: ClassVar[str] = "model"
    suffix: ClassVar[str] = ".onnx"

    @property
    def ids(self) -> range:
        return range(1)

    def __len__(self) -> int:
        return 1

    def fit(self, answers: Answers) -> ModelFormat:
        return self

    def to_json(self) -> dict[str, Any]:
        ports = {
            side: [[one.name, list(one.shape), one.dtype] for one in getattr(self, side)]
            for side in ("inputs", "outputs")
        }
        limits = {"most_parameters": self.most_parameters, "max_bytes": self.max_bytes}
        return {"kind": "model"} | ports | limits | {"operators": list(self.operators)}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ModelFormat:
        inputs, outputs = (
            tuple(Tensor(name, tuple(shape), dtype) for name, shape, dtype in values[side])
            for side in ("inputs", "outputs")
        )
        limits = (values["most_parameters"], values["max_bytes"])
        return ModelFormat(inputs, outputs, *limits, tuple(values["operators"]))
