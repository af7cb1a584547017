"""Models that are handed in: what the reader refuses, and what is run of what it checked."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from harness.grading.decode import Decoder, received
from submissions.models import CODES, OPSETS, read_model
from submissions.reader import read
from tasks.apart import Died, Limits
from tasks.base import SubmissionError
from tasks.tensor_formats import ModelFormat, Tensor
from tests.test_models import COUNTED, FIRST, FORM, LAYER, WEIGHT, Node, codes, constant, graph, node


def body(kind: str = "Relu") -> onnx.GraphProto:
    out = helper.make_tensor_value_info("o", 1, None)
    return helper.make_graph([node(kind, ["x"], ["o"])], "inner", [], [out])


def wire(number: int, data: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes."""
    size, length = len(data), b""
    while size >= 128:
        length, size = length + bytes([size % 128 + 128]), size // 128
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


def nested(depth: int) -> bytes:
    """Nodes with a graph with a node with a graph …"""
    inner = b""
    for _ in range(depth):
        inner = wire(4, b"If") + wire(2, b"y") + wire(5, wire(1, b"then_branch") + wire(6, wire(1, inner)))
    return graph()[:2] + wire(7, wire(1, inner))


def sparse(model: onnx.ModelProto) -> None:
    made = model.graph.sparse_initializer.add()
    made.values.CopyFrom(constant("q", [1.0]))
    made.indices.CopyFrom(constant("", [5], "int64"))
    made.dims.append(2**40)


def outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../secret/key"), ("offset", "-9223372036854775808"), ("length", "7")):
        tensor.external_data.add(key=key, value=value)


def tensor(**fields: Any) -> bytes:
    values: dict[str, Any] = {"name": "w", "data_type": 1, "dims": [8, 4]} | fields
    return graph(constants=[TensorProto(**values)])


def with_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("w", 1, (8, 4)))


def fixed(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def typed(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def unshaped(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


def sequence(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = 1


def trained(model: onnx.ModelProto) -> None:
    model.training_info.add()


def own_function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [LAYER], []))


def two_opsets(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("", 9))


def renamed(model: onnx.ModelProto) -> None:
    model.graph.input[0].name = "obs\x1b[31m"


def old(model: onnx.ModelProto) -> None:
    model.ir_version = 3


def then_layer(*nodes: Node) -> list[Node]:
    """The nodes, then a linear layer of h."""
    return [*nodes, node("Gemm", ["h", "w"], ["y"])]


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", data)
    return out.getvalue()


def pickled(protocol: int) -> bytes:
    return pickle.dumps({"weight": [0.5] * 32}, protocol)


def of_type(number: int) -> bytes:
    """Weights of another type, unpacked by DequantizeLinear."""
    packed = TensorProto(name="w", data_type=number, dims=[8, 4], raw_data=bytes(16))
    return graph(
        [node("DequantizeLinear", ["w", "s"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
        [packed, constant("s", 0.5)],
        opset=21,
    )


WIDE = ModelFormat((Tensor("x", (64,)),), (Tensor("y", (4,)),), 1000)


def wired(units: int) -> bytes:
    """`units` sums of 64 inputs, each times one of 16 numbers: weights of four bits, in what is joined to what."""
    rng = np.random.default_rng(0)
    nodes = []
    for k in range(16):
        nodes += [node("Mul", ["x", f"v{k}"], [f"m{k}"])]
        nodes += [node("Split", [f"m{k}"], [f"s{k}.{c}" for c in range(64)], axis=1, num_outputs=64)]
    for u in range(units):
        nodes += [node("Sum", [f"s{rng.integers(16)}.{c}" for c in range(64)], [f"u{u}"])]
    nodes += [node("Concat", [f"u{u}" for u in range(units)], ["h"], axis=1), node("Gemm", ["h", "w"], ["y"])]
    constants = [constant(f"v{k}", [k / 8 - 0.9]) for k in range(16)]
    return graph(nodes, [*constants, constant("w", np.ones((units, 4)))], form=WIDE, opset=18)


REFUSED: dict[str, tuple[bytes, str]] = {
    "text": (b"id,y\n0,1\n", "E_MODEL_FILE"),
    "a zip of a model": (zipped(graph()), "E_MODEL_FILE"),
    "an empty zip": (b"PK\x05\x06" + bytes(18), "E_MODEL_FILE"),
    "a model in gzip": (gzip.compress(graph()), "E_MODEL_FILE"),
    **{f"a pickle of protocol {protocol}": (pickled(protocol), "E_MODEL_FILE") for protocol in range(6)},
    "safetensors": (
        (60).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[8,4],"data_offsets":[0,128]}}  ' + bytes(128),
        "E_MODEL_FILE",
    ),
    "a length of 10^9 nodes": (
        graph()[:2] + bytes([7 << 3 | 2, 0x80, 0x94, 0xEB, 0xDC, 0x03]) + b"\x0a\x00" * 9,
        "E_MODEL_FILE",
    ),
    "240,000 nodes of nothing": (graph()[:2] + wire(7, b"\x0a\x00" * 240_000), "E_MODEL_LARGE"),
    "an opset of the future": (graph(opset=99), "E_MODEL_VERSION"),
    "an ir of the future": (graph(change=lambda model: setattr(model, "ir_version", 99)), "E_MODEL_VERSION"),
    **{
        f"packed as {TensorProto.DataType.Name(number)}": (of_type(number), "E_MODEL_TENSOR")
        for number in (4, 5, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
    },
    "a cast to four bits": (graph(then_layer(node("Cast", ["x"], ["h"], to=22))), "E_MODEL_TENSOR"),
    "100 whole numbers in a Constant node": (
        graph([node("Constant", [], ["c"], value_ints=list(range(100))), LAYER]),
        "E_MODEL_TENSOR",
    ),
    "a tensor in an attribute": (
        graph([node("Gemm", ["x", "w"], ["y"], junk=constant("t", np.ones(500)))]),
        "E_MODEL_GRAPH",
    ),
    "texts in an attribute": (graph([node("Gemm", ["x", "w"], ["y"], junk=["0.5"] * 50)]), "E_MODEL_GRAPH"),
    "a long text in an attribute": (graph([node("Gemm", ["x", "w"], ["y"], junk="0.5 " * 100)]), "E_MODEL_GRAPH"),
    "a cut of a constant": (
        graph(
            [node("Slice", ["c", "a", "b"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            [constant("c", np.ones((16, 4))), constant("a", [0], "int64"), constant("b", [8], "int64")],
        ),
        "E_MODEL_CONSTANT",
    ),
    "a picked part of a constant": (
        graph(
            [node("Gather", ["c", "i"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            [constant("c", np.ones((2, 4))), constant("i", [0, 1] * 4, "int64")],
        ),
        "E_MODEL_CONSTANT",
    ),
    "a constant that is resized": (
        graph(
            [node("Resize", ["c", "", "r"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            [constant("c", np.ones((2, 4))), constant("r", [4, 1])],
        ),
        "E_MODEL_CONSTANT",
    ),
    "weights in the wiring": (wired(31), "E_MODEL_LARGE"),
    "no bytes but blanks": (b"  \n", "E_EMPTY"),
    "a file of torch.save": (b"PK\x03\x04" + b"0" * 100, "E_MODEL_FILE"),
    "a pickle": (b"\x80\x02}q\x00.", "E_MODEL_FILE"),
    "half a file": (graph()[:-20], "E_MODEL_FILE"),
    "no graph": (onnx.ModelProto(ir_version=8).SerializeToString(), "E_MODEL_FILE"),
    "too many bytes": (graph(change=lambda model: setattr(model, "doc_string", "x" * 500_000)), "E_SIZE"),
    "20 graphs in graphs": (nested(20), "E_MODEL_CONTROL"),
    "300 graphs in graphs": (nested(300), "E_MODEL_FILE"),
    "opset too old": (graph(opset=9), "E_MODEL_VERSION"),
    "opset of another world": (graph(opset=2**62), "E_MODEL_VERSION"),
    "two opsets": (graph(change=two_opsets), "E_MODEL_VERSION"),
    "ir too old": (graph(change=old), "E_MODEL_VERSION"),
    "a domain of one's own": (graph([node("Gemm", ["x", "w"], ["y"], domain="com.microsoft")]), "E_MODEL_DOMAIN"),
    "functions": (graph(change=own_function), "E_MODEL_DOMAIN"),
    "If": (graph([node("If", ["x"], ["y"], then_branch=body(), else_branch=body())]), "E_MODEL_CONTROL"),
    "Loop": (graph([node("Loop", ["", "", "x"], ["y"], body=body())]), "E_MODEL_CONTROL"),
    "Scan": (graph([node("Scan", ["x"], ["y"], body=body(), num_scan_inputs=1)]), "E_MODEL_CONTROL"),
    "a graph in another node": (graph([node("Gemm", ["x", "w"], ["y"], body=body())]), "E_MODEL_CONTROL"),
    "noise": (graph(then_layer(node("RandomNormalLike", ["x"], ["h"]))), "E_MODEL_RANDOM"),
    "training": (graph(change=trained), "E_MODEL_TRAINING"),
    "a batch norm that trains": (
        graph(
            [FIRST, node("BatchNormalization", ["h", *"abcd"], ["y"], training_mode=1)],
            [WEIGHT, *(constant(name, np.ones(4)) for name in "abcd")],
        ),
        "E_MODEL_TRAINING",
    ),
    "an operator off the list": (graph(then_layer(node("Sin", ["x"], ["h"]))), "E_MODEL_OPERATOR"),
    "numbers out of a shape": (
        graph(then_layer(node("Shape", ["x"], ["s"]), node("ConstantOfShape", ["s"], ["h"]))),
        "E_MODEL_OPERATOR",
    ),
    "external data": (graph(change=outside), "E_MODEL_EXTERNAL"),
    "sparse tensors": (graph(change=sparse), "E_MODEL_TENSOR"),
    "a sparse Constant": (
        graph(
            [
                node(
                    "Constant",
                    [],
                    ["s"],
                    sparse_value=helper.make_sparse_tensor(constant("q", [1.0]), constant("i", [5], "int64"), [2**40]),
                ),
                LAYER,
            ]
        ),
        "E_MODEL_TENSOR",
    ),
    "text in a Constant": (graph([node("Constant", [], ["s"], value_string="abc"), LAYER]), "E_MODEL_TENSOR"),
    "a tensor of text": (tensor(data_type=8, dims=[1], string_data=[b"x"]), "E_MODEL_TENSOR"),
    "a type that does not exist": (tensor(data_type=99), "E_MODEL_TENSOR"),
    "weights as int64": (
        graph(
            [node("Cast", ["w"], ["v"], to=1), node("Gemm", ["x", "v"], ["y"])],
            [constant("w", np.ones((8, 40)), "int64")],
        ),
        "E_MODEL_TENSOR",
    ),
    "2^63 numbers": (tensor(dims=[2**62, 2]), "E_MODEL_TENSOR"),
    "dimensions that overflow to 32": (tensor(dims=[2**61 + 4, 8], raw_data=bytes(128)), "E_MODEL_TENSOR"),
    "a negative dimension": (tensor(dims=[-8, -4], raw_data=bytes(128)), "E_MODEL_TENSOR"),
    "10^9 numbers and no bytes": (tensor(dims=[10**9]), "E_MODEL_TENSOR"),
    "bytes for fewer": (tensor(raw_data=bytes(127)), "E_MODEL_TENSOR"),
    "bytes for more": (tensor(raw_data=bytes(132)), "E_MODEL_TENSOR"),
    "raw and typed": (tensor(raw_data=bytes(128), float_data=[0.0] * 32), "E_MODEL_TENSOR"),
    "another type's list": (tensor(int64_data=[0] * 32), "E_MODEL_TENSOR"),
    "a segment": (tensor(raw_data=bytes(128), segment=TensorProto.Segment(begin=-5, end=2**62)), "E_MODEL_TENSOR"),
    "100 dimensions": (tensor(dims=[1] * 100, raw_data=bytes(4)), "E_MODEL_TENSOR"),
    "int8 of 300": (tensor(data_type=3, dims=[1], int32_data=[300]), "E_MODEL_TENSOR"),
    "half precision of 2^20": (tensor(data_type=10, dims=[1], int32_data=[2**20]), "E_MODEL_TENSOR"),
    "bool of 2": (tensor(data_type=9, dims=[1], raw_data=b"\x02"), "E_MODEL_TENSOR"),
    "NaN": (graph(constants=[constant("w", np.full((8, 4), np.nan))]), "E_MODEL_FINITE"),
    "infinity in half precision": (graph(constants=[WEIGHT, constant("z", [np.inf], "float16")]), "E_MODEL_FINITE"),
    "weights as inputs": (graph(change=with_input), "E_MODEL_INPUTS"),
    "a fixed batch": (graph(change=fixed), "E_MODEL_INPUTS"),
    "double precision": (graph(change=typed), "E_MODEL_INPUTS"),
    "no shape": (graph(change=unshaped), "E_MODEL_INPUTS"),
    "a sequence": (graph(change=sequence), "E_MODEL_INPUTS"),
    "another name": (graph(change=renamed), "E_MODEL_INPUTS"),
    "another output": (graph([node("Gemm", ["x", "w"], ["z"])]), "E_MODEL_OUTPUTS"),
    "a constant as output": (graph([node("Identity", ["w"], ["y"])]), "E_MODEL_OUTPUTS"),
    "a name twice": (graph([LAYER, node("Relu", ["x"], ["y"])]), "E_MODEL_GRAPH"),
    "a constant twice": (graph(constants=[WEIGHT, WEIGHT]), "E_MODEL_GRAPH"),
    "a value out of nothing": (graph(then_layer(node("Relu", ["q"], ["h"]))), "E_MODEL_GRAPH"),
    "a circle": (graph([node("Relu", ["a"], ["b"]), node("Relu", ["b"], ["a"]), LAYER]), "E_MODEL_GRAPH"),
    "an attribute twice": (
        graph(
            [node("Gemm", ["x", "w"], ["y"], alpha=1.0)],
            change=lambda model: model.graph.node[0].attribute.append(helper.make_attribute("alpha", 2.0)),
        ),
        "E_MODEL_GRAPH",
    ),
    "3,000 nodes": (graph([node("Relu", ["x"], [f"h{i}"]) for i in range(3000)] + [LAYER]), "E_MODEL_LARGE"),
    "3,000 constants": (graph(constants=[WEIGHT, *(constant(f"c{i}", [1.0]) for i in range(3000))]), "E_MODEL_LARGE"),
    "numbers in an attribute": (graph([node("Gemm", ["x", "w"], ["y"], junk=list(range(100)))]), "E_MODEL_LARGE"),
    "weights made of weights": (
        graph([node("Exp", ["w"], ["v"]), node("Gemm", ["x", "v"], ["y"])]),
        "E_MODEL_CONSTANT",
    ),
    "weights repeated": (
        graph(
            [node("Expand", ["c", "s"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            [constant("c", [1.0]), constant("s", [8, 4], "int64")],
        ),
        "E_MODEL_CONSTANT",
    ),
    "a padded constant": (
        graph(
            [node("Pad", ["c", "p"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            [constant("c", np.ones((1, 4))), constant("p", [0, 0, 7, 0], "int64")],
        ),
        "E_MODEL_CONSTANT",
    ),
    "a constant joined with itself": (
        graph(
            [node("Concat", ["c"] * 8, ["v"], axis=0), node("Gemm", ["x", "v"], ["y"])],
            [constant("c", np.ones((1, 4)))],
        ),
        "E_MODEL_CONSTANT",
    ),
    "a tiled constant": (
        graph(
            [node("Tile", ["c", "t"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            [constant("c", np.ones((1, 4))), constant("t", [8, 1], "int64")],
        ),
        "E_MODEL_OPERATOR",
    ),
    "weights behind an input": (
        graph(
            [
                node("ReduceMax", ["x"], ["m"]),
                node("Mul", ["m", "z"], ["o"]),
                node("Add", ["w", "o"], ["v"]),
                node("Gemm", ["x", "v"], ["y"]),
            ],
            [WEIGHT, constant("z", 0.0)],
        ),
        "E_MODEL_CONSTANT",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_accepted_is_refused_with_its_code(name: str) -> None:
    data, code = REFUSED[name]
    begun = time.process_time()
    assert code in codes(data)
    assert time.process_time() - begun < 5  # no bomb: far above what any of them takes


def test_every_code_is_met() -> None:
    assert CODES.keys() - {code for _, code in REFUSED.values()} <= {
        "E_PARAMETERS",
        "E_FILE_MISSING",
        "E_FILE_DIRECTORY",
        "E_FILE_UNREADABLE",
    }


def test_everything_wrong_is_listed_at_once_and_bounded() -> None:
    nodes = [node(f"Odd{i}", ["x"], [f"h{i}"]) for i in range(1000)]
    constants = [constant(f"c{i}", [np.nan]) for i in range(500)] + [constant("w", np.ones((8, 4)), "float64")]
    with pytest.raises(SubmissionError) as caught:
        read_model(graph([*nodes, LAYER], constants, change=fixed), replace(FORM, most_parameters=10))
    found = {problem.code for problem in caught.value.problems}
    assert {"E_MODEL_FINITE", "E_MODEL_OPERATOR", "E_PARAMETERS", "E_MODEL_INPUTS"} <= found
    assert caught.value.total > 1500
    assert len(caught.value.problems) <= 20


def test_a_random_change_of_bytes_is_read_or_refused() -> None:
    rng = np.random.default_rng(0)
    whole = np.frombuffer(COUNTED["quantised weights"][0], dtype=np.uint8)
    refused = 0
    for _ in range(1500):
        data = whole.copy()
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            data[place] = rng.integers(256)
        refused += bool(codes(data.tobytes()))
    assert 300 < refused < 1500


def test_what_is_run_is_what_was_checked_and_nothing_else() -> None:
    def stuffed(model: onnx.ModelProto) -> None:
        model.doc_string = "/home/student/secret.py"
        model.metadata_props.add(key="path", value="/home")
        model.graph.node[0].doc_string = model.graph.node[0].name = "/home/student/train.py(12)"
        model.graph.value_info.append(helper.make_tensor_value_info("y", 1, (7, 7)))
        model.MergeFromString(b"\xfa\x7f\x03abc")  # a field that this version of ONNX does not know

    data = graph(change=stuffed)
    made = read_model(data, FORM)
    assert b"/home" in data
    assert b"/home" not in made["model"].tobytes() + made["inspected"].tobytes()
    assert made["model"].tobytes() == read_model(graph(), FORM)["model"].tobytes()
    for opset in OPSETS:
        assert codes(graph(opset=opset)) == set()


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder()
    yield made
    made.close()


@pytest.mark.skipif(os.name != "posix", reason="files are read in a process of their own")
def test_a_model_is_read_in_the_process_without_answers_as_here(decoder: Decoder) -> None:
    limits = Limits(30.0)
    for data in (graph(), COUNTED["quantised weights"][0]):
        whole, here = decoder.decode(data, FORM, False, limits), read(data, FORM)
        assert whole is not None
        there = received(whole, FORM, False)
        assert {name: values.tobytes() for name, values in there.items()} == {
            name: values.tobytes() for name, values in here.items()
        }
        with pytest.raises(Died):
            received(whole, replace(FORM, most_parameters=3), False)
    for name in (
        "half a file",
        "external data",
        "300 graphs in graphs",
        "an operator off the list",
        "2^63 numbers",
        "a zip of a model",
        "packed as INT4",
        "240,000 nodes of nothing",
        "an opset of the future",
    ):
        whole = decoder.decode(REFUSED[name][0], FORM, False, limits)
        assert whole is not None
        with pytest.raises(SubmissionError, match=REFUSED[name][1]):
            received(whole, FORM, False)
