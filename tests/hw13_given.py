"""Networks that are handed in to HW13: the best one, and those that its reader and judge refuse."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from baselines.hw13_compression import exported
from harness.answers import Secret
from harness.home import Home
from tasks.hw13_compression import PICTURES_FILE, SIDE, STUDENT, TARGET, networks, world
from tasks.models import Node, graph

Bits = NDArray[np.float32]
LIMIT = STUDENT.most_parameters


def linear(
    weight: Bits,
    bias: Bits,
    *before: Node,
    after: Sequence[Node] = (),
    constants: Mapping[str, NDArray[Any]] | None = None,
) -> bytes:
    """A graph that reads the mean colours, or what nodes `before` make of the picture under the name "seen".

    Nodes `after` make the logits of what is called "clean" then.
    """
    seen = before or (("GlobalAveragePool", ["pixels"], "seen", {}),)
    nodes: list[Node] = [
        *seen,
        ("Flatten", ["seen"], "flat", {}),
        ("Gemm", ["flat", "weight", "bias"], "clean" if after else "logits", {}),
        *after,
    ]
    return graph(STUDENT, "linear", nodes, {"weight": weight, "bias": bias, **(constants or {})})


def fitted(home: Home, secret: Secret) -> tuple[Bits, Bits]:
    """The nearest of the classes' mean colours, fitted to the hidden pictures of a world in which colour is all."""
    images = np.load(home.root / "secret" / "hw13" / "1" / PICTURES_FILE)
    colours, labels = images.mean(axis=(1, 2)) / 255, secret.answers.columns[TARGET]
    means = np.array([colours[labels == label].mean(axis=0) for label in range(networks.CLASSES)])
    return (2 * means.T).astype(np.float32), -(means**2).sum(axis=1).astype(np.float32)


def winner(home: Home, secret: Secret) -> bytes:
    return linear(*fitted(home, secret))


def behind_a_zero(data: bytes) -> bytes:
    """Weights that depend on the input, so that the reader takes them, and are the same for every input."""
    nodes: tuple[Node, ...] = (
        ("ReduceMax", ["pixels"], "most", {"keepdims": 0}),
        ("Mul", ["most", "zero"], "nothing", {}),
        ("Add", ["packed", "nothing"], "open", {}),
        ("Pow", ["open", "three"], "unpacked", {}),  # in place of a real unpacking
        ("Flatten", ["pixels"], "colours", {}),
        ("MatMul", ["colours", "unpacked"], "seen", {}),
    )
    constants: dict[str, NDArray[Any]] = {"packed": np.random.default_rng(0).normal(size=(4800, 8)).astype(np.float32)}
    constants |= {"zero": np.array(0, np.float32), "three": np.array(3, np.float32)}
    return linear(np.ones((8, 11), np.float32), np.zeros(11, np.float32), *nodes, constants=constants)


def of_other_pictures(data: bytes) -> bytes:
    """The sample for pictures of another side."""
    import onnx

    model = onnx.load_from_string(data)
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = SIDE + 1
    whole: bytes = model.SerializeToString()
    return whole


def teacher_of(layout: str) -> bytes:
    return exported(networks.Teacher(world.SIZES[layout].widths), STUDENT)


def in_bytes(data: bytes) -> bytes:
    """A network with its weights as whole numbers of 8 bits and a scale each."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(data)
    opened = []
    for tensor in list(model.graph.initializer):
        weights, name = numpy_helper.to_array(tensor), tensor.name
        if weights.ndim > 1:
            scale = np.float32(max(np.abs(weights).max(), 1e-9) / 127)
            model.graph.initializer.remove(tensor)
            whole = np.round(weights / scale).astype(np.int8)
            model.graph.initializer.append(numpy_helper.from_array(whole, f"{name}_q"))
            model.graph.initializer.append(numpy_helper.from_array(np.array(scale), f"{name}_s"))
            opened.append(helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_s"], [name]))
    nodes = [*opened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    small: bytes = model.SerializeToString()
    return small


def of_opset(version: int) -> Callable[[bytes], bytes]:
    def make(data: bytes) -> bytes:
        import onnx

        model = onnx.load_from_string(data)
        model.opset_import[0].version = version
        whole: bytes = model.SerializeToString()
        return whole

    return make


def over_nothing(data: bytes) -> bytes:
    """A network whose logits are divided by zero."""
    after: tuple[Node, ...] = (("Div", ["clean", "zero"], "logits", {}),)
    constants: dict[str, NDArray[Any]] = {"zero": np.array(0, np.float32)}
    return linear(np.ones((3, 11), np.float32), np.zeros(11, np.float32), after=after, constants=constants)


def zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("model.onnx", data)
    return stream.getvalue()


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "a zip of it": zipped,
    "an opset of the future": of_opset(99),
    "outputs that are no numbers": over_nothing,
    "a length of 10^9 nodes": lambda data: data[:2] + bytes([7 << 3 | 2, 0x80, 0x94, 0xEB, 0xDC, 0x03]) + data[2:],
    "240,000 nodes": lambda data: data[:2] + bytes([7 << 3 | 2, 0x80, 0xA6, 0x1D]) + b"\x0a\x00" * 240_000,
    "the teacher in 8 bits": lambda data: in_bytes(teacher_of("small")),
    "another name of the pixels": lambda data: data.replace(b"pixels", b"images"),
    "another name of the logits": lambda data: data.replace(b"logits", b"scores"),
    "pictures of another side": of_other_pictures,
    "an operator with control flow": lambda data: data.replace(b"Gemm", b"Loop"),
    "a pickle": lambda data: b"\x80\x04" + data,
    "the teacher": lambda data: teacher_of("small"),
    "weights behind a zero of the picture": behind_a_zero,
}
TOLD = {
    "a zip of it": ("E_MODEL_FILE", "zip"),
    "a pickle": ("E_MODEL_FILE", "pickle"),
    "an opset of the future": ("E_MODEL_VERSION", "99"),
    "another name of the pixels": ("E_MODEL_INPUTS", "images"),
    "another name of the logits": ("E_MODEL_OUTPUTS", "scores"),
    "outputs that are no numbers": ("E_MODEL_RESULT", "not finite"),
    "a length of 10^9 nodes": ("E_MODEL_FILE", ""),
    "240,000 nodes": ("E_MODEL_LARGE", ""),
    "the teacher": ("E_SIZE", ""),
    "the teacher in 8 bits": ("E_PARAMETERS", "100,000"),
    "weights behind a zero of the picture": ("E_MODEL_HIDDEN", ""),
}
"""The code of a refusal, and what else it says."""
