"""The strict reader of models: one ONNX graph, checked against the format and written anew from what was checked.

Protocol buffers are parsed by the package onnx, which refuses more than 100 nested messages; the file's size bounds
what it can build. No shape is computed and nothing is run here: `tasks.models` does, in a process of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from submissions import text
from submissions.graph import NAMES, Graph, is_plain
from submissions.text import Report, empty, refusal
from tasks.base import Columns, UserError
from tasks.tensor_formats import ModelFormat, Tensor

if TYPE_CHECKING:
    import onnx

CODES: dict[str, str] = {
    **{code: words for code, words in text.CODES.items() if code not in ("E_BINARY", "E_ENCODING")},
    "E_MODEL_FILE": "The file is not a complete ONNX model. Export the model again with torch.onnx.export.",
    "E_MODEL_VERSION": "The version of ONNX or of its operators is not accepted. Export with opset_version=17 or 18.",
    "E_MODEL_DOMAIN": (
        "The graph uses operators or functions of its own. Export plain ONNX operators; with functions, inline them."
    ),
    "E_MODEL_CONTROL": (
        "The graph has control flow or graphs inside nodes. Export by tracing, without if or loops that depend on data."
    ),
    "E_MODEL_RANDOM": "The graph draws random numbers. Export in evaluation mode: call model.eval() first.",
    "E_MODEL_TRAINING": "The graph trains or is in training mode. Call model.eval() before the export.",
    "E_MODEL_OPERATOR": "An operator is not on the list of this competition. Use the operators that the message lists.",
    "E_MODEL_EXTERNAL": "Weights lie in other files. Export with external_data=False, into one file.",
    "E_MODEL_TENSOR": (
        "A constant is damaged, or its type or shape is not accepted. Store weights as float32, float16 or 8-bit whole "
        "numbers, dense, and at most 64 numbers of another type in one constant."
    ),
    "E_MODEL_FINITE": "A weight is NaN or infinite. Check that the training did not diverge.",
    "E_PARAMETERS": "The graph holds more numbers than the competition allows. Make the model smaller.",
    "E_MODEL_INPUTS": (
        "The inputs are not those of the competition: name, type, shape, or a batch size that is not free. The sheet "
        "shows the export; weights must not be inputs (keep_initializers_as_inputs=False)."
    ),
    "E_MODEL_OUTPUTS": "The outputs are not those of the competition: name, type or shape. The sheet shows the export.",
    "E_MODEL_GRAPH": (
        "The graph is not valid: a name is defined twice, not at all or later than used, or an attribute is damaged. "
        "Export the model again."
    ),
    "E_MODEL_LARGE": (
        "The graph has too many nodes, constants, joined values or values in its attributes. Simplify the model."
    ),
    "E_MODEL_CONSTANT": (
        "Part of the graph computes constants, or weights are computed instead of stored. Export with "
        "do_constant_folding=True and store weights as they are used; a graph with pads: with dynamo=True."
    ),
}
"""The error codes for a model before it is run. Codes are stable."""

OPSETS = range(13, 23)
IR_VERSIONS = range(7, 13)


def read_model(data: bytes, form: ModelFormat) -> Columns:
    """ "model", the checked graph as bytes (uint8), "inspected", the same with every computed value as an output, and
    "parameters", how many numbers it holds, int64 (1,).

    Raises SubmissionError with every problem found, up to `submissions.text.SHOWN`; the rest is counted.
    """
    import numpy as np

    model = _parsed(data, form)
    report = Report()
    _check_head(model, report)
    graph = Graph(form, report)
    if not graph.read(model.graph):
        report.end()
    count = graph.parameters()
    if count > form.most_parameters:
        message = f"the graph holds {count:,} numbers; at most {form.most_parameters:,} are accepted."
        report.file("E_PARAMETERS", message, None, str(count), f"at most {form.most_parameters}")
    report.end()
    return {
        "model": np.frombuffer(graph.written(model, inspected=False), dtype=np.uint8),
        "inspected": np.frombuffer(graph.written(model, inspected=True), dtype=np.uint8),
        "parameters": np.array([count], dtype=np.int64),
    }


def form_of(data: bytes, most_parameters: int, max_bytes: int) -> ModelFormat:
    """The format of models with the inputs and outputs of the one in these bytes.

    Raises UserError for a file that is no model, and for a port without a free batch size, a known shape or a type that
    is accepted.
    """
    model = _parsed(data, ModelFormat((), (), most_parameters, max_bytes))
    kinds: dict[int, Any] = {kind: name for name, kind in NAMES.items()}
    constants = {one.name for one in model.graph.initializer}
    sides: list[tuple[Tensor, ...]] = []
    for what, ports in (("input", model.graph.input), ("output", model.graph.output)):
        found = []
        for port in ports:
            tensor = port.type.tensor_type
            dims = [one.dim_value if one.HasField("dim_value") else None for one in tensor.shape.dim]
            shape = [one for one in dims[1:] if one]
            if tensor.elem_type not in kinds or not dims or dims[0] is not None or len(shape) < len(dims) - 1:
                raise UserError(
                    f"{what} {port.name[:40]!r} must be {', '.join(NAMES)} of the shape (n, …), with a free batch size"
                    f" and numbers after it; export it with dynamic_axes={{{port.name[:40]!r}: {{0: 'n'}}}}."
                )
            if port.name not in constants:
                found.append(Tensor(port.name, tuple(shape), kinds[tensor.elem_type]))
        sides.append(tuple(found))
    if not all(sides):
        raise UserError("the graph has no input or no output; export the model again.")
    return ModelFormat(sides[0], sides[1], most_parameters, max_bytes)


def _parsed(data: bytes, form: ModelFormat) -> onnx.ModelProto:
    """The message in the file. Raises SubmissionError if there is none."""
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise UserError(
            f'models need {error.name}, which is not installed; install it with: pip install "lhy-grade[models]"'
        ) from None
    if len(data) > form.max_bytes:
        message = f"the file has {len(data):,} bytes, at most {form.max_bytes:,} are accepted; submit the model alone."
        raise refusal("E_SIZE", message)
    if not data.strip():
        raise empty()
    if data.startswith((b"PK", *(bytes([0x80, protocol]) for protocol in range(2, 6)))):
        message = "this is a zip or a pickle, such as torch.save writes; export the model with torch.onnx.export."
        raise refusal("E_MODEL_FILE", message)
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise refusal("E_MODEL_FILE", "not an ONNX model, or not a complete one; export the model again.") from None
    if not model.HasField("graph") or not model.graph.node:
        raise refusal("E_MODEL_FILE", "not an ONNX model with a graph; export the model again.")
    return model


def _check_head(model: onnx.ModelProto, report: Report) -> None:
    if model.ir_version not in IR_VERSIONS:
        span = f"{IR_VERSIONS[0]} to {IR_VERSIONS[-1]}"
        message = f"ONNX version (ir_version) {model.ir_version}; expected {span}. Export with opset_version=18."
        report.file("E_MODEL_VERSION", message, None, str(model.ir_version), span)
    versions = [one.version for one in model.opset_import if is_plain(one.domain)]
    if len(versions) != 1 or versions[0] not in OPSETS:
        found, span = ", ".join(map(str, versions[:3])) or "none", f"{OPSETS[0]} to {OPSETS[-1]}"
        message = f"version of the operators: {found}; expected one from {span}. Export with opset_version=18."
        report.file("E_MODEL_VERSION", message, None, found, span)
    if len(model.functions):
        report.file("E_MODEL_DOMAIN", f"the file has {len(model.functions):,} functions; expected operators alone.")
    if len(model.training_info):
        report.file("E_MODEL_TRAINING", "the file has instructions for training; export the model in evaluation mode.")
