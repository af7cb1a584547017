"""Models that are handed in: which files are read, and what counts as a parameter."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from submissions.models import CODES, read_model
from tasks.apart import Limits
from tasks.base import SubmissionError
from tasks.formats import format_from_json
from tasks.models import Model
from tasks.tensor_formats import ModelFormat, Tensor

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


LIMITS = Limits(seconds=2.0, memory=3 * 2**29)


def run(data: bytes, *inputs: NDArray[Any], form: ModelFormat = FORM, limits: Limits = LIMITS) -> NDArray[Any]:
    with Model(form, read_model(data, form), limits) as model:
        return model(*inputs)[0]


# What is counted


def exported(net: Any, form: ModelFormat, **options: Any) -> bytes:
    """The net as PyTorch exports it, with batch norms kept as they are."""
    out: Any = io.BytesIO()
    (given,), (wanted,) = form.inputs, form.outputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.zeros(2, *given.shape),),
            out,
            input_names=[given.name],
            output_names=[wanted.name],
            dynamic_axes={given.name: {0: "n"}, wanted.name: {0: "n"}},
            dynamo=False,
            **options,
        )
    data: bytes = out.getvalue()
    return data


class Normalise(torch.nn.Module):
    """Pictures less a mean, over a spread, which are buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.register_buffer("std", torch.ones(1, 3, 1, 1))

    def forward(self, x: Any) -> Any:
        return (x - self.mean) / self.std  # (n, 3, s, s)


class Squeeze(torch.nn.Module):
    """Squeeze and excitation (1709.01507): channels weighed by what is in the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(2, channels // 4)
        self.down, self.up = torch.nn.Conv2d(channels, narrow, 1), torch.nn.Conv2d(narrow, channels, 1)

    def forward(self, x: Any) -> Any:
        mean = torch.nn.functional.adaptive_avg_pool2d(x, 1)  # (n, c, 1, 1)
        return x * torch.nn.functional.hardsigmoid(self.up(torch.relu(self.down(mean))))


class Residual(torch.nn.Module):
    """What a block gives, added to its input."""

    def __init__(self, *layers: torch.nn.Module) -> None:
        super().__init__()
        self.block = torch.nn.Sequential(*layers)

    def forward(self, x: Any) -> Any:
        return x + self.block(x)


def separable(channels: int, wide: int, activation: torch.nn.Module) -> list[torch.nn.Module]:
    """A depthwise-separable convolution (1704.04861)."""
    nn = torch.nn
    return [
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        activation,
        nn.Conv2d(channels, wide, 1, bias=False),
        nn.BatchNorm2d(wide),
    ]


def blocks(rng: np.random.Generator) -> list[torch.nn.Module]:
    """The layers of a small network of today for pictures of 3 channels, down to (n, channels)."""
    nn = torch.nn
    activations: list[Callable[[], torch.nn.Module]] = [nn.Hardswish, nn.ReLU6, nn.SiLU, nn.LeakyReLU]
    drawn = activations[rng.integers(4)]
    layers: list[torch.nn.Module] = [Normalise()] if rng.integers(2) else []
    layers += [nn.Upsample(scale_factor=2, mode="nearest"), nn.Upsample(scale_factor=1.5, mode="bilinear")][
        : rng.integers(3)
    ]
    channels = 3
    for _ in range(rng.integers(1, 4)):
        wide = int(rng.choice([8, 12, 16]))
        layers += [*separable(channels, wide, drawn()), Squeeze(wide), drawn()]
        layers += [Residual(*separable(wide, wide, drawn())), nn.MaxPool2d(2, ceil_mode=True)]
        channels = wide
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 8)]


def architecture(seed: int) -> tuple[Any, ModelFormat]:
    """A random network of convolutions, norms, blocks and linear layers, and its format."""
    nn = torch.nn
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    shape: tuple[int, ...]
    if seed % 4 == 1:
        channels, layers, shape = 8, blocks(rng), (3, 8, 8)
    elif seed % 2:
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
        shape = (3, side, side)
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


def written_by_the_exporter(data: bytes) -> int:
    """The numbers that stand in a graph beside the network's own: constants of GELU, scales of a resize, slopes."""
    nodes = onnx.load_from_string(data).graph.node
    values = [one.t for each in nodes if each.op_type == "Constant" for one in each.attribute]
    slopes = sum(each.op_type == "HardSigmoid" for each in nodes)
    leaky = sum(each.op_type == "LeakyRelu" and each.attribute[0].f != np.float32(0.01) for each in nodes)
    numbers = sum(int(np.prod(one.dims)) for one in values if one.data_type == TensorProto.FLOAT)
    return int(slopes + leaky + numbers)


def test_the_count_is_the_sum_over_pytorchs_parameters_and_buffers() -> None:
    options = {"training": torch.onnx.TrainingMode.PRESERVE, "opset_version": 17}
    kinds: set[str] = set()
    for seed in range(50):
        net, form = architecture(seed)
        own = sum(values.numel() for values in (*net.parameters(), *net.buffers()) if values.is_floating_point())
        data = exported(net, form, **options)
        assert parameters(data, form) == own + written_by_the_exporter(data), seed
        kinds |= {one.op_type for one in onnx.load_from_string(data).graph.node}
        if seed < 8:  # the default folds batch norms into convolutions
            folded = exported(net, form)
            assert parameters(folded, form) <= own + written_by_the_exporter(folded)
    assert kinds >= {
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "Div",
        "Gemm",
        "GlobalAveragePool",
        "HardSigmoid",
        "HardSwish",
        "LayerNormalization",
        "MaxPool",
        "Mul",
        "PRelu",
        "Resize",
        "Sub",
    }


def test_the_blocks_of_common_networks_run_as_in_pytorch() -> None:
    for seed in (1, 5, 9):
        net, form = architecture(seed)
        net.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else None)
        x = torch.rand(5, 3, 8, 8)
        y = run(exported(net, form), x.numpy(), form=form)
        assert np.allclose(y, net(x).detach().numpy(), rtol=1e-3, atol=1e-4), seed


def exported_anew(net: Any, form: ModelFormat) -> bytes:
    """The net as PyTorch's newer exporter writes it."""
    out: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net.eval(),
            (torch.zeros(2, *form.inputs[0].shape),),
            out,
            input_names=["x"],
            output_names=["y"],
            opset_version=18,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
        )
    data: bytes = out.getvalue()
    return data


@pytest.mark.slow
def test_a_model_of_pytorchs_newer_exporter_is_read_and_gives_what_pytorch_gives() -> None:
    nn: Any = torch.nn
    padded = nn.Sequential(nn.ReflectionPad2d(1), nn.ZeroPad2d((0, 1, 0, 1)), *architecture(7)[0])
    for net in (architecture(7)[0], architecture(5)[0], padded):
        form = architecture(7)[1]
        x = torch.rand(5, 3, 8, 8)
        net.apply(lambda part: part.reset_parameters() if hasattr(part, "reset_parameters") else None)
        y = run(exported_anew(net, form), x.numpy(), form=form)
        assert np.allclose(y, net(x).detach().numpy(), rtol=1e-3, atol=1e-4)


def test_pads_that_the_older_exporter_computes_are_refused_with_the_way_out() -> None:
    net, form = architecture(7)
    with pytest.raises(SubmissionError, match="dynamo=True") as caught:
        read_model(exported(torch.nn.Sequential(torch.nn.ZeroPad2d((0, 1, 0, 1)), *net), form), form)
    assert {problem.code for problem in caught.value.problems} >= {"E_MODEL_CONSTANT"}


def quantised(pack: int) -> TensorProto:
    """Weights of four bits, two in a byte."""
    return TensorProto(name="w", data_type=TensorProto.INT4, dims=[8, 4], raw_data=bytes(32 // pack))


COUNTED: dict[str, tuple[bytes, int]] = {
    "initialisers": (graph(), 32),
    "an initialiser that is not used": (graph(constants=[WEIGHT, constant("z", np.ones(100))]), 132),
    "half precision": (
        graph(
            [node("Cast", ["w"], ["v"], to=1), node("Gemm", ["x", "v"], ["y"])],
            [constant("w", np.ones((8, 4)), "float16")],
        ),
        32,
    ),
    "quantised weights": (
        graph(
            [node("DequantizeLinear", ["w", "s"], ["v"]), node("Gemm", ["x", "v"], ["y"])],
            [constant("w", np.ones((8, 4)), "int8"), constant("s", 0.5)],
        ),
        33,
    ),
    "a Constant node": (graph([node("Constant", [], ["w"], value=WEIGHT), LAYER], []), 32),
    "lists in Constant nodes": (
        graph([node("Constant", [], ["b"], value_floats=[1.0] * 4), FIRST, node("Add", ["h", "b"], ["y"])]),
        36,
    ),
    "single numbers": (
        graph([node("Constant", [], ["b"], value_float=2.0), FIRST, node("Mul", ["h", "b"], ["y"])]),
        33,
    ),
    "floats in attributes": (
        graph(
            [FIRST, node("Resize", ["h", "", "r"], ["y"], cubic_coeff_a=0.5, junk=[1.0, 2.0])],
            [WEIGHT, constant("r", [1, 1])],
        ),
        37,
    ),
    "slopes of activations": (
        graph(
            [
                FIRST,
                node("LeakyRelu", ["h"], ["i"], alpha=0.3),
                node("HardSigmoid", ["i"], ["y"], alpha=0.25, beta=0.4),
            ],
            [WEIGHT],
        ),
        35,
    ),
    "defaults that an exporter writes": (graph([node("Gemm", ["x", "w"], ["y"], alpha=1.0, beta=1.0)]), 32),
    "statistics of a batch norm": (
        graph(
            [FIRST, node("BatchNormalization", ["h", "a", "b", "c", "d"], ["y"])],
            [WEIGHT, *(constant(name, np.ones(4)) for name in "abcd")],
        ),
        48,
    ),
    "weights in four parts of a byte each": (
        graph(
            [node("DequantizeLinear", ["w", "s", "z"], ["v"], axis=1), node("Gemm", ["x", "v"], ["y"])],
            [constant("w", np.ones((8, 4)), "uint8"), constant("s", np.ones(4)), constant("z", np.ones(4), "uint8")],
        ),
        40,
    ),
    "bounds of a Clip": (
        graph([FIRST, node("Clip", ["h", "lo", "hi"], ["y"])], [WEIGHT, constant("lo", -1.0), constant("hi", 1.0)]),
        34,
    ),
    "the number that a Pad puts in": (
        graph(
            [FIRST, node("Pad", ["h", "p", "v"], ["y"])], [WEIGHT, constant("p", [0] * 4, "int64"), constant("v", 0.5)]
        ),
        33,
    ),
    "a long list of places to cut": (
        graph(
            [FIRST, node("Slice", ["h", "a", "b", "c"], ["y"])],
            [
                WEIGHT,
                constant("a", range(9), "int64"),
                constant("b", range(9, 18), "int64"),
                constant("c", range(9), "int64"),
            ],
        ),
        59,
    ),
    "many short lists of whole numbers that become weights": (
        graph(
            [
                each
                for i in range(100)
                for each in (node("Reshape", ["x", f"s{i}"], [f"r{i}"]), node("Cast", [f"s{i}"], [f"f{i}"], to=1))
            ]
            + [LAYER],
            [WEIGHT, *(constant(f"s{i}", [0, 8], "int64") for i in range(100))],
        ),
        232,
    ),
    "names and texts": (
        graph(
            [node("Gemm", ["x", "0.5 " * 90], ["y"], name="0.25 " * 90)],
            [constant("0.5 " * 90, np.ones((8, 4)))],
            change=lambda model: model.metadata_props.add(key="w", value="0.125 " * 9000),
        ),
        32,
    ),
    "values of a typed list": (
        graph(constants=[TensorProto(name="w", data_type=1, dims=[8, 4], float_data=[0.5] * 32)]),
        32,
    ),
}


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
