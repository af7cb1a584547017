"""The graph of a submitted model: every constant, port and node is checked, and written anew from what was checked.

**What counts as a parameter**: each number of each constant of the graph, whatever its type and however it is written
(initialisers, Constant nodes, lists of floats in attributes, statistics of batch norms), used or not. Not counted are
the whole numbers of lists that say only how an operator works: strides, axes, the target of a Reshape.

**What a graph must not do**: hold numbers that are not counted, or make large constants from small ones. So every
node depends on an input, but for those that pass a constant on number by number; weights of convolutions and linear
layers are constants; and of whole numbers wider than 8 bits a constant has at most 64.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from submissions.constants import (
    FLOAT,
    FLOAT16,
    INT64,
    MOST_LISTED,
    TYPES,
    has_graph,
    held,
    numbers_of,
    type_name,
    values_of,
)
from submissions.text import SHOWN_PER_CODE, Report, clip
from tasks.tensor_formats import ModelFormat, Tensor

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

MOST_NODES, MOST_CONSTANTS, MOST_JOINED = 2000, 2000, 2000
"""The most nodes, constants, and inputs of operators that take any number of them: which values a node adds up or joins
is a choice too, and with 64 inputs a node holds as much as 64 weights."""
MOST_STRUCTURE = 8
"""The most entries of a constant that is a shape, axes or bounds, and not counted."""
LONGEST_NAME = 400

NAMES = {"float32": FLOAT, "float16": FLOAT16, "int64": INT64}

CONTROL = {"If", "Loop", "Scan", "SequenceMap"}
RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
PASSING = {
    "Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "DequantizeLinear",
}  # fmt: skip
"""Operators that give a constant's numbers as many as they are, and so may be applied to constants alone."""
STORED = {
    "Conv": (1, 2), "ConvTranspose": (1, 2), "Gemm": (1, 2), "BatchNormalization": (1, 2, 3, 4),
    "InstanceNormalization": (1, 2), "LayerNormalization": (1, 2), "GroupNormalization": (1, 2),
    "RMSNormalization": (1,), "PRelu": (1,),
}  # fmt: skip
"""Operators with the places of their weights, which must be constants."""
STRUCTURE = {
    "Reshape": (1,), "Squeeze": (1,), "Unsqueeze": (1,), "Expand": (1,), "Slice": (1, 2, 3, 4), "Split": (1,),
    "Pad": (1, 3), "Resize": (3,), "ReduceMean": (1,), "ReduceSum": (1,), "ReduceMax": (1,), "ReduceMin": (1,),
    "ReduceL2": (1,),
}  # fmt: skip
"""Operators with the places of shapes, axes and bounds."""

JOINING = {"Concat", "Max", "Min", "Sum"}
"""Operators that take any number of inputs."""

MOVING = {"Concat", "Expand", "Flatten", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"}
"""Operators that only copy. What they make of constants alone may be the same for every input."""


def is_plain(domain: str) -> bool:
    return domain in ("", "ai.onnx")


@dataclass
class Graph:
    """What has been read of a graph; what is written again is made from this alone."""

    form: ModelFormat
    report: Report
    constants: dict[str, tuple[int, tuple[int, ...], NDArray[Any]]] = field(default_factory=dict)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    listed: int = 0
    beyond: int = 0
    """Numbers of constants that are not accepted; their count is still part of the message."""
    dependent: set[str] = field(default_factory=set)
    """The values that depend on an input."""

    def add(self, code: str, message: str, found: str | None = None, expected: str | None = None) -> None:
        """Reports a problem; of one code only the first few are listed."""
        if self.report.counts[code] < SHOWN_PER_CODE:
            self.report.file(code, message, None, found, expected)
        else:
            self.report.counts[code] += 1

    def read(self, graph: onnx.GraphProto) -> bool:
        """Reads everything; False where the graph is too large to be looked at."""
        constants = len(graph.initializer) + sum(node.op_type == "Constant" for node in graph.node)
        joined = sum(len(node.input) for node in graph.node if node.op_type in JOINING)
        for what, count, most in (
            ("nodes", len(graph.node), MOST_NODES),
            ("constants", constants, MOST_CONSTANTS),
            ("inputs of Concat, Max, Min and Sum", joined, MOST_JOINED),
            ("inputs and outputs", len(graph.input) + len(graph.output), MOST_CONSTANTS),
        ):
            if count > most:
                self.add("E_MODEL_LARGE", f"the graph has {count:,} {what}; at most {most:,} are accepted.", str(count))
        if self.report.counts["E_MODEL_LARGE"]:
            return False
        if not all(isinstance(name, str) for name in _names(graph)):
            self.add("E_MODEL_FILE", "a name in the graph is not UTF-8; the file is damaged. Export the model again.")
            return False
        if len(graph.sparse_initializer):
            count = len(graph.sparse_initializer)
            self.add("E_MODEL_TENSOR", f"{count:,} sparse tensors; store weights as dense tensors.")
            self.beyond += sum(numbers_of(one.dims) for one in graph.sparse_initializer)
        for tensor in graph.initializer:
            self._constant(tensor.name, tensor)
        self._inputs(graph)
        self._nodes(graph)
        self._outputs(graph)
        return True

    # Constants

    def _constant(self, name: str, tensor: onnx.TensorProto) -> None:
        where = f'constant "{clip(name)}"'
        if not name or len(name) > LONGEST_NAME:
            self.add("E_MODEL_GRAPH", f"{where}: expected a name of 1 to {LONGEST_NAME} characters.")
        values = values_of(where, tensor, self.add)
        if values is None:
            self.beyond += numbers_of(tensor.dims)
        elif name in self.constants:
            self.add("E_MODEL_GRAPH", f"{where} is defined twice; export the model again.")
            self.beyond += values.size
        else:
            self.constants[name] = (tensor.data_type, tuple(tensor.dims), values)

    def _constant_node(self, node: onnx.NodeProto) -> None:
        """A Constant node, whose value stands in one attribute."""
        import onnx

        name = node.output[0] if len(node.output) == 1 else ""
        values = [one for one in node.attribute if one.name.startswith(("value", "sparse_value"))]
        if not name or len(node.input) or len(node.attribute) != 1 or len(values) != 1:
            self.beyond += sum(held(one) for one in node.attribute)
            self.add("E_MODEL_GRAPH", f'constant "{clip(name)}": expected one value and one output.')
            return
        (given,) = values
        made = onnx.TensorProto()
        if given.name == "value" and given.type == onnx.AttributeProto.TENSOR:
            made = given.t
        elif given.name == "value_float" and given.type == onnx.AttributeProto.FLOAT:
            made.data_type, made.float_data[:] = FLOAT, [given.f]
        elif given.name == "value_floats" and given.type == onnx.AttributeProto.FLOATS:
            made.data_type, made.float_data[:], made.dims[:] = FLOAT, given.floats, [len(given.floats)]
        elif given.name == "value_int" and given.type == onnx.AttributeProto.INT:
            made.data_type, made.int64_data[:] = INT64, [given.i]
        elif given.name == "value_ints" and given.type == onnx.AttributeProto.INTS:
            made.data_type, made.int64_data[:], made.dims[:] = INT64, given.ints, [len(given.ints)]
        else:
            self.beyond += held(given)
            message = (
                f'constant "{clip(name)}": its value is text, sparse or damaged; expected a dense tensor of numbers.'
            )
            self.add("E_MODEL_TENSOR", message)
            return
        self._constant(name, made)

    # Inputs and outputs

    def _inputs(self, graph: onnx.GraphProto) -> None:
        for one in graph.input:
            if one.name in self.constants:
                message = (
                    f'the constant "{clip(one.name)}" is an input too; export with keep_initializers_as_inputs=False.'
                )
                self.add("E_MODEL_INPUTS", message)
        given = [one for one in graph.input if one.name not in self.constants]
        self._ports("E_MODEL_INPUTS", "input", given, self.form.inputs)
        self.dependent |= {one.name for one in given}

    def _outputs(self, graph: onnx.GraphProto) -> None:
        self._ports("E_MODEL_OUTPUTS", "output", list(graph.output), self.form.outputs)
        for one in self.form.outputs:
            if one.name in self.constants or (one.name not in self.dependent and not self.report.counts):
                message = f'the output "{one.name}" does not depend on an input; it must be computed from them.'
                self.add("E_MODEL_OUTPUTS", message)

    def _ports(self, code: str, what: str, given: list[onnx.ValueInfoProto], wanted: tuple[Tensor, ...]) -> None:
        names, expected = [one.name for one in given], [one.name for one in wanted]
        if sorted(names) != sorted(expected):
            found = ", ".join(clip(name) for name in names[:5]) or "none"
            message = (
                f"{what}s: {found}; expected {', '.join(expected)}: torch.onnx.export(…, {what}_names={expected})."
            )
            self.add(code, message, found, ", ".join(expected))
            return
        by_name = {one.name: one for one in given}
        for one in wanted:
            self._port(code, what, by_name[one.name], one)

    def _port(self, code: str, what: str, given: onnx.ValueInfoProto, wanted: Tensor) -> None:
        where = f'{what} "{wanted.name}"'
        if given.type.WhichOneof("value") != "tensor_type":
            self.add(code, f"{where} is not a tensor; expected {wanted}.")
            return
        tensor = given.type.tensor_type
        if tensor.elem_type != NAMES[wanted.dtype]:
            self.add(code, f"{where} has type {type_name(tensor.elem_type)}; expected {wanted.dtype}.")
        if what == "output" and not tensor.HasField("shape"):
            return  # what it gives is looked at when it runs
        sides = [one.dim_value if one.HasField("dim_value") else None for one in tensor.shape.dim]
        if sides and sides[0] is not None:
            export = f"dynamic_axes={{'{wanted.name}': {{0: 'n'}}}}"
            message = f"{where} has a fixed batch size of {sides[0]}; export it free: {export}."
            self.add(code, message, str(sides[0]), "a free batch size")
        fits = len(sides) == 1 + len(wanted.shape) and all(
            side == own or (side is None and what == "output")
            for side, own in zip(sides[1:], wanted.shape, strict=True)
        )
        if not fits:
            shape = ", ".join("?" if side is None else str(side) for side in sides[:9])
            self.add(code, f"{where} has the shape ({shape}); expected {wanted}.", f"({shape})", str(wanted))

    # Nodes

    def _nodes(self, graph: onnx.GraphProto) -> None:
        refused: Counter[str] = Counter()
        known = {one.name for one in graph.input} | set(self.constants)
        for node in graph.node:
            if not is_plain(node.domain) or node.overload:
                name = f"{clip(node.domain)}.{clip(node.op_type)}"
                self.add("E_MODEL_DOMAIN", f"operator {name}: expected one of ONNX's own operators.", name)
                continue
            if node.op_type == "Constant":
                before = set(self.constants)
                self._constant_node(node)
                if (new := set(self.constants) - before) & known:
                    self.add("E_MODEL_GRAPH", f'"{clip(min(new))}" is defined twice; export the model again.')
                known |= set(node.output)
                continue
            if node.op_type in CONTROL or any(has_graph(one) for one in node.attribute):
                message = f"{clip(node.op_type)} has a graph inside; export without if and loops that depend on data."
                self.add("E_MODEL_CONTROL", message, node.op_type)
            elif node.op_type in RANDOM:
                self.add(
                    "E_MODEL_RANDOM", f"{node.op_type} draws random numbers; export in evaluation mode.", node.op_type
                )
            elif node.op_type not in self.form.operators:
                refused[node.op_type] += 1
            self._node(node, known)
        for name, count in refused.items():
            nodes = "1 node" if count == 1 else f"{count:,} nodes"
            message = f"{clip(name)} ({nodes}) is not accepted; the sheet and format.json list the operators that are."
            self.add("E_MODEL_OPERATOR", message, name)

    def _node(self, node: onnx.NodeProto, known: set[str]) -> None:
        import onnx

        where = f'{clip(node.op_type)} "{clip(node.output[0] if node.output else node.name)}"'
        made = onnx.NodeProto(op_type=node.op_type)
        made.input[:], made.output[:] = node.input, node.output
        if len(node.input) > MOST_LISTED or not 1 <= len(node.output) <= MOST_LISTED or not any(node.output):
            self.add("E_MODEL_GRAPH", f"{where} has {len(node.input):,} inputs and {len(node.output):,} outputs.")
            return
        for name in node.input:
            if name and name not in known:
                self.add("E_MODEL_GRAPH", f'{where} uses "{clip(name)}", which no earlier node gives.')
        for name in node.output:
            if (name and name in known) or len(name) > LONGEST_NAME:
                self.add("E_MODEL_GRAPH", f'"{clip(name)}" is defined twice, or too long; export the model again.')
            if name:
                known.add(name)
        self._attributes(where, node.attribute, made)
        self.nodes.append(made)
        moving = [name for name in node.input if name in self.dependent]
        if moving:
            self.dependent |= {name for name in node.output if name}
        elif node.op_type not in PASSING:
            message = (
                f"{where} does not depend on an input; export with do_constant_folding=True (where it computes a pad, "
                "with dynamo=True), and store what it gives."
            )
            self.add("E_MODEL_CONSTANT", message)
        for place in STORED.get(node.op_type, ()):
            if place < len(node.input) and node.input[place] in self.dependent:
                self.add("E_MODEL_CONSTANT", f"the weights of {where} are computed; they must be stored.")

    def _attributes(self, where: str, attributes: Iterable[onnx.AttributeProto], made: onnx.NodeProto) -> None:
        from onnx import AttributeProto as Kind

        names: set[str] = set()
        for one in attributes:
            kept = Kind(name=one.name, type=one.type)
            size = 1
            if one.type == Kind.FLOAT and math.isfinite(one.f):
                kept.f = one.f
                self.listed += one.f != _default(made.op_type, one.name)
            elif one.type == Kind.INT:
                kept.i = one.i
            elif one.type == Kind.STRING and len(one.s) <= MOST_LISTED:
                kept.s = one.s
            elif one.type == Kind.INTS:
                kept.ints[:], size = one.ints, len(one.ints)
            elif one.type == Kind.FLOATS and all(map(math.isfinite, one.floats[: MOST_LISTED + 1])):
                kept.floats[:], size = one.floats, len(one.floats)
                self.listed += size
            else:
                if not has_graph(one):
                    self.add("E_MODEL_GRAPH", f'{where}: the attribute "{clip(one.name)}" is not accepted.')
                self.beyond += held(one)
                continue
            if one.name in names or not one.name or one.ref_attr_name:
                self.add(
                    "E_MODEL_GRAPH", f'{where}: the attribute "{clip(one.name)}" is given twice or refers to another.'
                )
            if size > MOST_LISTED or len(names) > MOST_LISTED:
                message = f'{where}: "{clip(one.name)}" has {size:,} values; at most {MOST_LISTED} are accepted.'
                self.add("E_MODEL_LARGE", message, str(size))
                continue
            if one.name == "training_mode" and one.i:
                self.add("E_MODEL_TRAINING", f"{where} is in training mode; call model.eval() before the export.")
            if one.name == "to" and made.op_type == "Cast" and one.i not in TYPES:
                self.add("E_MODEL_TENSOR", f"{where} casts to {type_name(one.i)}; expected numbers of a common type.")
            names.add(one.name)
            made.attribute.append(kept)

    # What it comes to

    def parameters(self) -> int:
        """How many numbers the graph holds."""
        elsewhere = {one.name for one in self.form.outputs}
        structure: set[str] = set()
        for node in self.nodes:
            places = STRUCTURE.get(node.op_type, ())
            for place, name in enumerate(node.input):
                (structure if place in places else elsewhere).add(name)
        free = structure - elsewhere
        counted = sum(
            values.size
            for name, (kind, _, values) in self.constants.items()
            if not (name in free and kind == INT64 and values.size <= MOST_STRUCTURE)
        )
        return counted + self.listed + self.beyond

    def written(self, model: onnx.ModelProto, *, inspected: bool) -> bytes:
        """The graph of what was checked and nothing else; where `inspected`, every computed value is an output."""
        import onnx

        made = onnx.ModelProto(ir_version=model.ir_version)
        version = next(one.version for one in model.opset_import if is_plain(one.domain))
        made.opset_import.append(onnx.OperatorSetIdProto(domain="", version=version))
        graph = made.graph
        graph.name = "model"
        graph.node.extend(self.nodes)
        for name, (kind, dims, values) in self.constants.items():
            graph.initializer.append(onnx.TensorProto(name=name, data_type=kind, dims=dims, raw_data=values.tobytes()))
        for one in self.form.inputs:
            graph.input.append(onnx.helper.make_tensor_value_info(one.name, NAMES[one.dtype], ("n", *one.shape)))
        for one in self.form.outputs:
            graph.output.append(onnx.helper.make_tensor_value_info(one.name, NAMES[one.dtype], None))
        if inspected:
            named, copies = {one.name for one in self.form.outputs}, set(self.constants)
            for node in self.nodes:
                data = node.input if node.op_type == "Concat" else node.input[:1]
                if node.op_type == "Shape" or (node.op_type in MOVING and copies.issuperset(data)):
                    copies |= set(node.output)
            rest = [name for node in self.nodes for name in node.output if name and name not in named | copies]
            graph.output.extend(onnx.ValueInfoProto(name=name) for name in rest)
        whole: bytes = made.SerializeToString(deterministic=True)
        return whole


def _names(graph: onnx.GraphProto) -> Iterator[Any]:
    """All names that mean something; the library gives bytes where they are not UTF-8."""
    for one in (*graph.initializer, *graph.input, *graph.output):
        yield one.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, node.overload, *node.input, *node.output)
        for attribute in node.attribute:
            yield from (attribute.name, attribute.ref_attr_name, attribute.t.name)


@lru_cache(maxsize=256)
def _default(operator: str, attribute: str) -> float | None:
    """The value that a number among an operator's attributes has where it is left out; exporters often write it."""
    from onnx import defs

    known = defs.get_schema(operator).attributes if defs.has(operator) else {}
    value = known[attribute].default_value if attribute in known else None
    return value.f if value is not None and value.type == value.FLOAT else None
