"""The judge of a competition of one's own in which models are handed in: it runs them on the instructor's inputs.

`tasks.models` runs a model, on one thread and confined, and each row alone, so that none sees another. Where it fails
for a row, or gives numbers that are not finite, the row's outputs are zeros: were the model refused for it, the refusal
would say something about the hidden inputs, those of the private rows too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import Columns, Judge, Judged, SubmissionError
from tasks.formats import Format
from tasks.models import Model, check
from tasks.models import version as runtime_version
from tasks.tensor_formats import ModelFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

INPUTS_FILE, COLUMNS_FILE = "inputs.safetensors", "columns.json"
"""The hidden inputs in the order of the answers, by name; and for a metric by name what an output means."""


def version() -> str:
    """Everything known to change an output beside the folders."""
    return f"own model 1 {runtime_version()}"


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """What the model gives for the hidden inputs: its outputs by name, or the columns of a metric by name."""
    from safetensors.numpy import load_file

    assert isinstance(form, ModelFormat)
    outputs = outputs_of(form, predictions, load_file(secret / INPUTS_FILE))
    if (secret / COLUMNS_FILE).exists():
        return Judged(columns_of(form, outputs, json.loads((secret / COLUMNS_FILE).read_bytes())))
    return Judged(outputs)


def outputs_of(form: ModelFormat, predictions: Columns, inputs: Mapping[str, NDArray[Any]]) -> Columns:
    """The outputs (n, …) of a model that has been read, by name, for inputs (n, …). Raises SubmissionError.

    Where a row takes too much time or memory, or ends the process, it and those after it are zeros.
    """
    import numpy as np

    n = len(inputs[form.inputs[0].name])
    outputs = {port.name: np.zeros((n, *port.shape), port.dtype) for port in form.outputs}
    with Model(form, predictions, strict=False) as model:
        for row in range(n):
            try:
                given = model(*(inputs[port.name][row : row + 1] for port in form.inputs))
            except SubmissionError:  # its process has ended: no code and no free slot tell on which row
                break
            if all(np.isfinite(values).all() for values in given):
                for port, values in zip(form.outputs, given, strict=True):
                    outputs[port.name][row] = values[0]
    return outputs


def columns_of(form: ModelFormat, outputs: Columns, meaning: Mapping[str, Any]) -> Columns:
    """The prediction columns that the single output means.

    With "labels", the largest number of a row, the first of equal ones, names the label of the column "name". Else each
    number is one of "columns", cut to its bounds.
    """
    import numpy as np

    ((values),) = outputs.values()
    flat = values.reshape(len(values), -1)
    if "labels" in meaning:
        labels = np.array(meaning["labels"])
        return {meaning["name"]: labels[flat.argmax(axis=1)]}
    return {
        one["name"]: np.clip(flat[:, at].astype(np.float64), one["minimum"], one["maximum"])
        for at, one in enumerate(meaning["columns"])
    }


JUDGE = Judge(version=version, check=check, run=run)
"""The judge of every own competition whose submissions are models."""
