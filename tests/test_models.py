"""Models that are handed in: what the reader counts and refuses, and what the process that runs them survives."""

from __future__ import annotations

import contextlib
import io
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from harness.decode import Decoder, received
from submissions.models import CODES, OPSETS, read_model
from submissions.reader import read
from tasks.apart import Died, Limits
from tasks.base import SubmissionError, UserError
from tasks.formats import ModelFormat, Tensor, format_from_json
from tasks.models import CODES as RUNNING
from tasks.models import SMALL, Model, version

FORM = ModelFormat((Tensor("x", (8,)),), (Tensor("y", (4,)),), 1000)
Node = onnx.NodeProto


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> Node:
    return helper.make_node(kind, inputs, outputs, **attributes)


def constant(name: str, values: Any, kind: str = "float32") -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


WEIGHT = constant("w", np.arange(32).reshape(8, 4) / 32)
LAYER, FIRST = node("Gemm", ["x", "w"], ["y"]), node("Gemm", ["x", "w"], ["h"])


def graph(
    nodes: Sequence[Node] = (LAYER,),
    constants: Sequence[TensorProto] = (WEIGHT,),
    *,
    change: Callable[[onnx.ModelProto], object] = lambda model: None,
    form: ModelFormat = FORM,
    opset: int = 17,
) -> bytes:
    """A model for the format; `change` breaks it."""
    given, wanted = (
        [helper.make_tensor_value_info(one.name, TensorProto.FLOAT, ("n", *one.shape)) for one in side]
        for side in (form.inputs, form.outputs)
    )
    made = helper.make_model(
        helper.make_graph(nodes, "g", given, wanted, constants), opset_imports=[helper.make_opsetid("", opset)]
    )
    made.ir_version = 8
    change(made)
    data: bytes = made.SerializeToString()
    return data


def codes(data: bytes, form: ModelFormat = FORM) -> set[str]:
    """The codes of the refusal; empty if the file is read."""
    with contextlib.suppress(SubmissionError):
        read_model(data, form)
        return set()
    with pytest.raises(SubmissionError) as caught:
        read_model(data, form)
    problems = caught.value.problems
    assert len(problems) <= 20
    assert all(len(problem.message) < 700 for problem in problems)
    assert {problem.code for problem in problems} <= CODES.keys()
    return {problem.code for problem in problems}


def parameters(data: bytes, form: ModelFormat = FORM) -> int:
    return int(read_model(data, form)["parameters"][0])


def test_the_format_is_what_its_json_says() -> None:
    form = replace(FORM, operators=("Gemm", "Relu"), max_bytes=7)
    assert format_from_json(form.to_json()) == form
    assert str(FORM.inputs[0]) == "float32 (n, 8)"


# What is counted


def exported(net: Any, form: ModelFormat, **options: Any) -> bytes:
    """The net as PyTorch exports it, with batch norms kept as they are."""
    import torch

    out: Any = io.BytesIO()
    (given,), (wanted,) = form.inputs, form.outputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), (torch.zeros(2, *given.shape),), out, input_names=[given.name], output_names=[wanted.name],
            dynamic_axes={given.name: {0: "n"}, wanted.name: {0: "n"}}, dynamo=False,
            **options,
        )  # fmt: skip
    data: bytes = out.getvalue()
    return data


def architecture(seed: int) -> tuple[Any, ModelFormat]:
    """A random network of convolutions, norms and linear layers, and its format."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    if seed % 2:
        side, channels, layers = 8, 3, list[Any]()
        for _ in range(rng.integers(1, 4)):
            wide = int(rng.choice([4, 8, 12]))
            kind = rng.integers(4)
            if kind == 0:
                layers += [nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=bool(rng.integers(2)))]
            elif kind == 1:
                layers += [nn.ConvTranspose2d(channels, channels, 3, padding=1)]
            layers += [nn.Conv2d(channels, wide, int(rng.choice([1, 3])), padding="same", bias=bool(rng.integers(2)))]
            layers += [[nn.BatchNorm2d(wide), nn.PReLU(wide), nn.Identity(), nn.BatchNorm2d(wide)][rng.integers(4)]]
            layers += [nn.ReLU()]
            channels = wide
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        shape: tuple[int, ...] = (3, side, side)
    else:
        channels, layers, shape = 8, [], (8,)
        for _ in range(rng.integers(1, 4)):
            wide = int(rng.integers(1, 40))
            layers += [nn.Linear(channels, wide, bias=bool(rng.integers(2)))]
            layers += [
                [nn.LayerNorm(wide), nn.BatchNorm1d(wide), nn.Tanh(), nn.GELU(approximate="none")][rng.integers(4)]
            ]
            channels = wide
    net = nn.Sequential(*layers, nn.Linear(channels, 4))
    for values in (*net.parameters(), *net.buffers()):  # the exporter writes equal ones once
        if values.is_floating_point():
            values.data.uniform_(0.1, 1.0)
    return net, ModelFormat((Tensor("x", shape),), (Tensor("y", (4,)),), 10**6)


def test_the_count_is_the_sum_over_pytorchs_parameters_and_buffers() -> None:
    import torch

    options = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False, "opset_version": 17}
    for seed in range(50):
        net, form = architecture(seed)
        gelu = any(isinstance(part, torch.nn.GELU) for part in net)
        own = sum(values.numel() for values in (*net.parameters(), *net.buffers()) if values.is_floating_point())
        data = exported(net, form, **options)
        scalars = sum(one.op_type == "Constant" for one in onnx.load_from_string(data).graph.node) if gelu else 0
        assert parameters(data, form) == own + scalars, seed  # GELU is written with the constants ½, 1 and √2
        if seed < 4:  # the default folds batch norms into convolutions
            assert parameters(exported(net, form), form) <= own + scalars


@pytest.mark.slow
def test_a_model_of_pytorchs_newer_exporter_is_read_and_gives_what_pytorch_gives() -> None:
    import torch

    net, form = architecture(7)
    out: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(), (torch.zeros(2, 3, 8, 8),), out, input_names=["x"], output_names=["y"], opset_version=18,
            dynamic_shapes=({0: torch.export.Dim("n")},), dynamo=True, external_data=False,
        )  # fmt: skip
    x = torch.randn(5, 3, 8, 8)
    with Model(form, read_model(out.getvalue(), form)) as model:
        (y,) = model(x.numpy())
    assert np.allclose(y, net(x).detach().numpy(), atol=1e-5)


def quantised(pack: int) -> TensorProto:
    """Weights of four bits, two in a byte."""
    return TensorProto(name="w", data_type=TensorProto.INT4, dims=[8, 4], raw_data=bytes(32 // pack))


COUNTED: dict[str, tuple[bytes, int]] = {
    "initialisers": (graph(), 32),
    "an initialiser that is not used": (graph(constants=[WEIGHT, constant("z", np.ones(100))]), 132),
    "half precision": (graph([node("Cast", ["w"], ["v"], to=1), node("Gemm", ["x", "v"], ["y"])],
                             [constant("w", np.ones((8, 4)), "float16")]), 32),
    "quantised weights": (graph(
        [node("DequantizeLinear", ["w", "s"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
        [constant("w", np.ones((8, 4)), "int8"), constant("s", 0.5)]), 33),
    "a Constant node": (graph([node("Constant", [], ["w"], value=WEIGHT), LAYER], []), 32),
    "lists in Constant nodes": (graph(
        [node("Constant", [], ["b"], value_floats=[1.0] * 4), FIRST, node("Add", ["h", "b"], ["y"])]), 36),
    "single numbers": (graph(
        [node("Constant", [], ["b"], value_float=2.0), FIRST, node("Mul", ["h", "b"], ["y"])]), 33),
    "floats in attributes": (graph(
        [FIRST, node("Resize", ["h", "", "r"], ["y"], cubic_coeff_a=0.5, junk=[1.0, 2.0])],
        [WEIGHT, constant("r", [1, 1])]), 37),
    "slopes of activations": (graph(
        [FIRST, node("LeakyRelu", ["h"], ["i"], alpha=0.3), node("HardSigmoid", ["i"], ["y"], alpha=0.25, beta=0.4)],
        [WEIGHT]), 35),
    "defaults that an exporter writes": (graph([node("Gemm", ["x", "w"], ["y"], alpha=1.0, beta=1.0)]), 32),
    "statistics of a batch norm": (graph(
        [FIRST, node("BatchNormalization", ["h", "a", "b", "c", "d"], ["y"])],
        [WEIGHT, *(constant(name, np.ones(4)) for name in "abcd")]), 48),
    "values of a typed list": (graph(constants=[
        TensorProto(name="w", data_type=1, dims=[8, 4], float_data=[0.5] * 32)]), 32),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_every_number_is_counted_once_whatever_its_type(name: str) -> None:
    data, count = COUNTED[name]
    assert parameters(data) == count
    assert codes(data, replace(FORM, most_parameters=count)) == set()
    assert codes(data, replace(FORM, most_parameters=count - 1)) == {"E_PARAMETERS"}


def test_shapes_are_no_parameters_unless_they_are_used_as_numbers_too() -> None:
    shape = constant("s", [-1, 4], "int64")
    nodes = [FIRST, node("Reshape", ["h", "s"], ["y"])]
    assert parameters(graph(nodes, [WEIGHT, shape])) == 32
    used = [node("Cast", ["s"], ["f"], to=1), FIRST, node("Reshape", ["h", "s"], ["y"])]
    assert parameters(graph(used, [WEIGHT, shape])) == 34
    long = constant("s", [1] * 7 + [-1, 4], "int64")
    assert parameters(graph(nodes, [WEIGHT, long])) == 41


def test_refused_tensors_are_part_of_the_number_in_the_message() -> None:
    for broken in (quantised(2), TensorProto(name="w", data_type=1, dims=[8, 4], data_location=TensorProto.EXTERNAL)):
        with pytest.raises(SubmissionError) as caught:
            read_model(graph(constants=[broken]), replace(FORM, most_parameters=5))
        assert "holds 32 numbers" in str(caught.value)


# What is refused


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


REFUSED: dict[str, tuple[bytes, str]] = {
    "text": (b"id,y\n0,1\n", "E_MODEL_FILE"),
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
    "a batch norm that trains": (graph(
        [FIRST, node("BatchNormalization", ["h", *"abcd"], ["y"], training_mode=1)],
        [WEIGHT, *(constant(name, np.ones(4)) for name in "abcd")]), "E_MODEL_TRAINING"),
    "an operator off the list": (graph(then_layer(node("Sin", ["x"], ["h"]))), "E_MODEL_OPERATOR"),
    "numbers out of a shape": (graph(then_layer(node("Shape", ["x"], ["s"]), node("ConstantOfShape", ["s"], ["h"]))),
                               "E_MODEL_OPERATOR"),
    "external data": (graph(change=outside), "E_MODEL_EXTERNAL"),
    "sparse tensors": (graph(change=sparse), "E_MODEL_TENSOR"),
    "a sparse Constant": (graph([node("Constant", [], ["s"], sparse_value=helper.make_sparse_tensor(
        constant("q", [1.0]), constant("i", [5], "int64"), [2**40])), LAYER]), "E_MODEL_TENSOR"),
    "text in a Constant": (graph([node("Constant", [], ["s"], value_string="abc"), LAYER]), "E_MODEL_TENSOR"),
    "a tensor of text": (tensor(data_type=8, dims=[1], string_data=[b"x"]), "E_MODEL_TENSOR"),
    "a type that does not exist": (tensor(data_type=99), "E_MODEL_TENSOR"),
    "weights as int64": (graph(
        [node("Cast", ["w"], ["v"], to=1), node("Gemm", ["x", "v"], ["y"])],
        [constant("w", np.ones((8, 40)), "int64")]), "E_MODEL_TENSOR"),
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
    "an attribute twice": (graph([node("Gemm", ["x", "w"], ["y"], alpha=1.0)], change=lambda model:
        model.graph.node[0].attribute.append(helper.make_attribute("alpha", 2.0))), "E_MODEL_GRAPH"),
    "3,000 nodes": (graph([node("Relu", ["x"], [f"h{i}"]) for i in range(3000)] + [LAYER]), "E_MODEL_LARGE"),
    "3,000 constants": (graph(constants=[WEIGHT, *(constant(f"c{i}", [1.0]) for i in range(3000))]), "E_MODEL_LARGE"),
    "numbers in an attribute": (graph([node("Gemm", ["x", "w"], ["y"], junk=list(range(100)))]), "E_MODEL_LARGE"),
    "weights made of weights": (graph(
        [node("Exp", ["w"], ["v"]), node("Gemm", ["x", "v"], ["y"])]), "E_MODEL_CONSTANT"),
    "weights repeated": (graph(
        [node("Expand", ["c", "s"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
        [constant("c", [1.0]), constant("s", [8, 4], "int64")]), "E_MODEL_CONSTANT"),
    "weights behind an input": (graph(
        [node("ReduceMax", ["x"], ["m"]), node("Mul", ["m", "z"], ["o"]), node("Add", ["w", "o"], ["v"]),
         node("Gemm", ["x", "v"], ["y"])], [WEIGHT, constant("z", 0.0)]), "E_MODEL_CONSTANT"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_accepted_is_refused_with_its_code(name: str) -> None:
    data, code = REFUSED[name]
    begun = time.process_time()
    assert code in codes(data)
    assert time.process_time() - begun < 5  # no bomb: far above what any of them takes


def test_every_code_is_met() -> None:
    assert CODES.keys() - {code for _, code in REFUSED.values()} <= {
        "E_PARAMETERS", "E_FILE_MISSING", "E_FILE_DIRECTORY", "E_FILE_UNREADABLE"
    }  # fmt: skip


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
        model.graph.node[0].doc_string = "stack trace"
        model.graph.value_info.append(helper.make_tensor_value_info("y", 1, (7, 7)))
        model.MergeFromString(b"\xfa\x7f\x03abc")  # a field that this version of ONNX does not know

    made = read_model(graph(change=stuffed), FORM)
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
    for name in ("half a file", "external data", "300 graphs in graphs", "an operator off the list", "2^63 numbers"):
        whole = decoder.decode(REFUSED[name][0], FORM, False, limits)
        assert whole is not None
        with pytest.raises(SubmissionError, match=REFUSED[name][1]):
            received(whole, FORM, False)


# What is run


LIMITS = Limits(seconds=2.0, memory=3 * 2**29)


def run(data: bytes, *inputs: NDArray[Any], form: ModelFormat = FORM, limits: Limits = LIMITS) -> NDArray[Any]:
    with Model(form, read_model(data, form), limits) as model:
        return model(*inputs)[0]


def test_a_model_gives_what_it_computes_bit_for_bit_in_any_process() -> None:
    x = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)
    first = run(graph(), x)
    assert np.allclose(first, x @ numpy_helper.to_array(WEIGHT), atol=1e-5)
    with Model(FORM, read_model(graph(), FORM), LIMITS) as model:
        for _ in range(3):
            assert model(x)[0].tobytes() == first.tobytes()
    assert version().startswith("onnxruntime 1.")


def test_models_of_every_kind_that_is_counted_run() -> None:
    x = np.ones((3, 8), np.float32)
    for name in ("half precision", "quantised weights", "lists in Constant nodes", "statistics of a batch norm"):
        assert run(COUNTED[name][0], x).shape == (3, 4)


BIG = constant("k", [1_000_000, 1000, 1, 1], "int64")
ROOT = node("ReduceMax", ["x"], ["m"], axes=[1])
HIDDEN: list[Node] = [
    ROOT, node("Mul", ["m", "z"], ["o"]), node("ReduceMax", ["o"], ["q"], axes=[0]),
    node("Add", ["p", "q"], ["v"]), node("MatMul", ["x", "v"], ["y"]),
]  # fmt: skip
RUN: dict[str, tuple[bytes, str]] = {
    "100 GB": (graph(
        [node("Expand", ["x", "k"], ["h"]), node("ReduceMax", ["h"], ["m"], axes=[0, 1], keepdims=0),
         node("Gemm", ["m", "w"], ["y"])], [WEIGHT, BIG]), "E_MODEL_MEMORY"),
    "100 GB step by step": (graph(
        [node("Concat", ["x"] * 60, ["h0"], axis=1)]
        + [node("Concat", [f"h{i}"] * 60, [f"h{i + 1}"], axis=1) for i in range(5)]
        + [node("ReduceMax", ["h5"], ["m"], axes=[1]), node("Mul", ["m", "c"], ["y"])],
        [constant("c", np.ones(4))]), "E_MODEL_MEMORY"),
    "for ever": (graph(
        [ROOT, node("ReduceMax", ["m"], ["h"], axes=[0]), node("Expand", ["h", "k"], ["h0"])]
        + [node("MatMul", [f"h{i}", "h0"], [f"h{i + 1}"]) for i in range(60)] + [LAYER],
        [WEIGHT, constant("k", [1500, 1500], "int64")]), "E_MODEL_TIME"),
    "shapes that do not fit": (graph([node("Add", ["x", "b"], ["h"]), node("Gemm", ["h", "w"], ["y"])],
                                     [WEIGHT, constant("b", np.ones(9))]), "E_MODEL_RUN"),
    "an attribute of nobody": (graph([node("Gemm", ["x", "w"], ["y"], junk=1)]), "E_MODEL_RUN"),
    "another shape": (graph([node("Identity", ["x"], ["y"])]), "E_MODEL_RESULT"),
    "another type": (graph([FIRST, node("Cast", ["h"], ["y"], to=10)]), "E_MODEL_RUN"),
    "one row for all": (graph([FIRST, node("ReduceMax", ["h"], ["y"], axes=[0])]),
                        "E_MODEL_RESULT"),
    "division by nothing": (graph([FIRST, node("Div", ["h", "z"], ["y"])],
                                  [WEIGHT, constant("z", 0.0)]), "E_MODEL_RESULT"),
    "weights unpacked behind an input": (graph(HIDDEN, [
        constant("p", np.ones((8, 4))), constant("z", 0.0)]), ""),
    "more weights unpacked behind an input": (graph(
        [*HIDDEN[:-1], node("MatMul", ["x", "v"], ["h"]), node("Slice", ["h", "a", "e", "a1"], ["y"])],
        [constant("p", np.ones((8, 9))), constant("z", 0.0), constant("a", [0], "int64"), constant("e", [4], "int64"),
         constant("a1", [1], "int64")]), "E_MODEL_HIDDEN"),
    "rows that know each other": (graph(
        [FIRST, node("ReduceMean", ["h"], ["m"], axes=[0]), node("Sub", ["h", "m"], ["y"])]),
        "E_MODEL_ROWS"),
    "a fixed batch inside": (graph([FIRST, node("Reshape", ["h", "s"], ["y"])],
                                   [WEIGHT, constant("s", [4, 4], "int64")]), "E_MODEL_RUN"),
}  # fmt: skip


@pytest.mark.parametrize("name", RUN)
def test_what_does_not_run_as_asked_is_refused_with_its_code(name: str) -> None:
    data, code = RUN[name]
    x = np.ones((3, 8), np.float32)
    if not code:
        assert run(data, x).shape == (3, 4)
        return
    with pytest.raises(SubmissionError) as caught:
        run(data, x, limits=replace(LIMITS, seconds=0.5) if code == "E_MODEL_TIME" else LIMITS)
    assert [problem.code for problem in caught.value.problems] == [code]


def test_every_code_of_running_is_met() -> None:
    assert RUNNING.keys() == {code for _, code in RUN.values() if code}


def test_what_onnxruntime_says_about_hidden_inputs_is_not_shown() -> None:
    nodes = [
        FIRST, node("ReduceMax", ["x"], ["m"], axes=[1], keepdims=0),
        node("Cast", ["m"], ["i"], to=7), node("Gather", ["t", "i"], ["g"]), node("Mul", ["h", "g"], ["y"]),
    ]  # fmt: skip
    data = graph(nodes, [WEIGHT, constant("t", np.ones((9, 4)))])
    with pytest.raises(SubmissionError) as caught:
        run(data, np.full((3, 8), 31337, np.float32))
    assert caught.value.code == "E_MODEL_RUN"
    assert "31337" not in str(caught.value)


@pytest.mark.skipif(os.name != "posix", reason="the process is confined on systems that can")
def test_the_process_that_runs_models_ends_with_the_block_and_a_lost_one_is_no_refusal() -> None:
    with Model(FORM, read_model(graph(), FORM), LIMITS) as model:
        assert model.process is not None
        pid = model.process.pid
        model.process.kill()
        with pytest.raises(UserError, match="try again later") as caught:
            model(np.ones((1, 8), np.float32))
        assert not isinstance(caught.value, SubmissionError)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_small_graph_is_a_model() -> None:
    form = ModelFormat((Tensor("x", (1,)),), (Tensor("y", (1,)),), 0)
    assert run(SMALL, np.ones((2, 1), np.float32), form=form).tolist() == [[2.0], [2.0]]
