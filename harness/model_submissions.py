"""Models as the submissions of an own competition: the sample gives their inputs and outputs, a file the hidden inputs.

The inputs are an `.npz` with an array for each input of the model, and one that has the name of the solution's id
column and the ids.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from submissions.models import form_of
from submissions.reader import read
from tasks.base import Answers, Columns, UserError
from tasks.formats import TableFormat
from tasks.named import Named
from tasks.own_model import COLUMNS_FILE, INPUTS_FILE, columns_of, outputs_of
from tasks.tensor_formats import ModelFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PARAMETERS = 10_000_000
DEFAULT_PARAMETERS = 1_000_000
MOST_NUMBERS = 2**26
"""The most numbers of all hidden inputs, or of all outputs for them, together."""


@dataclass(frozen=True)
class Models:
    """What a competition of models is made from: its format, the hidden inputs in the order of the ids, and the sample.

    `columns` are what the metric compares for the sample, `sample` its graph without names and remarks of its maker,
    and `meaning` what an output means to a metric by name, None for a metric file.
    """

    form: ModelFormat
    inputs: Mapping[str, NDArray[Any]]
    columns: Columns
    sample: bytes
    meaning: Mapping[str, Any] | None

    def write(self, secret: Path) -> None:
        """The files that the judge needs."""
        from safetensors.numpy import save

        (secret / INPUTS_FILE).write_bytes(save(dict(self.inputs)))
        if self.meaning is not None:
            (secret / COLUMNS_FILE).write_text(json.dumps(self.meaning))

    @property
    def sheet(self) -> str:
        """What students read of it, in Markdown."""
        form = self.form
        ports = "".join(
            f"- {what} `{port.name}`: {port}\n"
            for what, side in (("input", form.inputs), ("output", form.outputs))
            for port in side
        )
        text = (
            f"An ONNX graph has at most {form.most_parameters:,} parameters and {form.max_bytes:,} bytes:\n\n{ports}\n"
            "It is run on hidden inputs, each row alone, on one thread. A row for which it fails, or gives numbers that"
            " are not finite, has zeros for outputs.\n"
        )
        if self.meaning is None:
            return text
        if "labels" in self.meaning:
            labels = ", ".join(f"`{json.dumps(one, ensure_ascii=False)}`" for one in self.meaning["labels"])
            return f"{text}The largest number of a row names its label, in this order: {labels}.\n"
        columns = ", ".join(f"`{one['name']}`" for one in self.meaning["columns"])
        bounds = {(one["minimum"], one["maximum"]) for one in self.meaning["columns"]}
        cut = "".join(f", each cut to the range from {low:g} to {high:g}" for low, high in bounds)
        return f"{text}The numbers of a row are {columns}{cut if len(bounds) == 1 else ''}.\n"


def read_models(
    sample: Path, inputs: Path | None, most: int | None, table: TableFormat, answers: Answers, named: Named | None
) -> Models:
    """The competition of models that a sample submission and the hidden inputs make.

    `table` has the ids of the solution and, for a metric by name, its columns. Raises UserError for a sample that is no
    valid submission, for inputs that do not fit it or the ids, and for outputs that do not fit the metric.
    """
    what = f"--sample: {sample.name}"
    if inputs is None:
        raise UserError(f"{what} is a model, and needs the hidden inputs that it is run on: add --inputs FILE.npz.")
    most = DEFAULT_PARAMETERS if most is None else most
    try:
        data = sample.read_bytes()
    except OSError as error:
        raise UserError(f"{what} cannot be read: {error.strerror}.") from error
    try:
        form = form_of(data, most, 100_000 + 4 * most)
        graph = read(data, form)
    except UserError as error:
        raise UserError(f"{what} is no submission of its own competition: {error}") from None
    meaning = None if named is None else _meaning(form, table, answers, named)
    found = _inputs(inputs, form, table)
    if sum(len(table) * _size(port.shape) for port in form.outputs) > MOST_NUMBERS:
        raise UserError(f"{what}: its outputs have more than {MOST_NUMBERS:,} numbers together; give fewer rows.")
    try:
        columns = outputs_of(form, graph, found)
    except UserError as error:
        raise UserError(f"{what} cannot be run: {error}") from None
    if meaning is not None:
        columns = columns_of(form, columns, meaning)
    return Models(form, found, columns, graph["model"].tobytes(), meaning)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def _meaning(form: ModelFormat, table: TableFormat, answers: Answers, named: Named) -> dict[str, Any]:
    """What an output means to a metric by name: the label of its largest number, or a number for each answer column."""
    import numpy as np

    if len(form.outputs) != 1:
        raise UserError(
            f"--sample: {named.name} takes one output; the model has {len(form.outputs)}. Use a metric file."
        )
    (port,) = form.outputs
    size = _size(port.shape)
    if named.cells in ("words", "runs", "sentence"):
        raise UserError(f"--sample: {named.name} compares texts, which a model does not give; use a metric file.")
    if named.cells in ("label", "rating", "as written"):
        (name, values), *more = answers.columns.items()
        if more or values.dtype.kind not in "iU":
            raise UserError(
                f"--sample: {named.name} of a model needs one answer column of labels, whole numbers or text; use a"
                " metric file."
            )
        whole = values.dtype.kind == "i"
        labels = list(range(int(values.min()), int(values.max()) + 1))[: size + 1] if whole else np.unique(values)
        names = [one if whole else str(one) for one in labels]
        count = int(values.max()) - int(values.min()) + 1 if whole else len(names)
        if count != size:
            raise UserError(
                f"--sample: output {port.name!r} has {size:,} numbers a row, but the solution has {count:,} labels"
                f"{', from its least to its greatest' if whole else ''}; {named.name} takes the largest number of a row"
                " as its label."
            )
        return {"name": name, "labels": names}
    if size != len(table.columns):
        raise UserError(
            f"--sample: output {port.name!r} has {size:,} numbers a row, but the solution has {len(table.columns):,}"
            f" answer columns; {named.name} takes one for each."
        )
    return {"columns": [{"name": one.name, "minimum": one.minimum, "maximum": one.maximum} for one in table.columns]}


def _inputs(path: Path, form: ModelFormat, table: TableFormat) -> dict[str, NDArray[Any]]:
    """The hidden inputs (n, …) by name, in the order of the ids."""
    import numpy as np

    what, wanted = f"--inputs: {path.name}", {port.name: port for port in form.inputs}
    example = f"numpy.savez({path.stem!r}, {', '.join(f'{name}={name}' for name in (table.id, *wanted))})"
    if table.id in wanted:
        raise UserError(f"{what}: the model has an input with the name of the id column, {table.id!r}; rename it.")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise ValueError("one array")
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError):
        raise UserError(f"{what} is not an .npz file of plain arrays; write it with {example}.") from None
    if found.keys() != {table.id, *wanted}:
        names = ", ".join(sorted(found)) or "none"
        raise UserError(f"{what}: expected the arrays {', '.join((table.id, *wanted))}; got {names}: {example}.")
    ids = [str(one) for one in found.pop(table.id).reshape(-1).tolist()]
    texts = [str(one) for one in table.ids]
    place = {one: at for at, one in enumerate(ids)}
    if len(place) < len(ids) or place.keys() != set(texts):
        lacking = [one for one in texts if one not in place]
        such = f", such as {lacking[0]!r}, which is not there" if lacking else ""
        raise UserError(f"{what}: {table.id!r} must have each id of the solution once and no other{such}.")
    order = [place[one] for one in texts]
    for name, port in wanted.items():
        values = found[name]
        if values.dtype.name != port.dtype or values.shape != (len(ids), *port.shape):
            raise UserError(
                f"{what}: {name!r} is {values.dtype.name} {values.shape}; the model takes {port.dtype}"
                f" {(len(ids), *port.shape)}."
            )
        if not np.isfinite(values).all():
            raise UserError(f"{what}: {name!r} has a number that is NaN or infinite; correct it.")
    if sum(values.size for values in found.values()) > MOST_NUMBERS:
        raise UserError(f"{what} has more than {MOST_NUMBERS:,} numbers; give fewer rows or smaller ones.")
    return {name: np.ascontiguousarray(found[name][order]) for name in wanted}
