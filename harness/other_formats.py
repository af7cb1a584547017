"""Formats beyond tables for a competition with a metric file: its sample submission says which, by its ending.

`.txt` is a line for each row, `.safetensors` arrays whose first axis counts the rows, `.tgz` an image for each row.
"""

from __future__ import annotations

import gzip
import io
import math
import tarfile
from pathlib import Path
from typing import Any

from submissions.reader import read
from tasks.base import Answers, Columns, UserError
from tasks.formats import MOST_BYTES, SPARE_BYTES, Format, ImagesFormat, LinesFormat, TableFormat
from tasks.tensor_formats import DTYPES, Array, ArraysFormat

ENDINGS = (".csv", ".txt", ".safetensors", ".tgz", ".onnx")
LINE = "line"
"""The column of the lines of a text, beside the ids."""
MOST_PIXELS = 2**26
"""The most numbers of all images, or of all arrays, together."""


def read_other(path: Path, table: TableFormat, answers: Answers) -> tuple[Format, Columns, bytes]:
    """The format of a sample submission that is no table, its contents in the order of the ids, and its bytes.

    `table` has the ids of the solution. Raises UserError for a sample that does not fit them or has the answers.
    """
    what = f"--sample: {path.name}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{what} cannot be read: {error.strerror}.") from error
    if path.suffix == ".txt":
        if table.ids != range(1, len(table.ids) + 1):
            raise UserError(f"{what}: lines have no ids; number the rows of the solution from 1 to {len(table.ids):,}.")
        if table.id == LINE:
            raise UserError(
                f"{what}: the lines of a submission are the column {LINE!r} of what `score` gets, and the id column of"
                " the solution has that name; rename it, such as id."
            )
        form: Format = LinesFormat(LINE, range(0), MOST_BYTES).fit(answers)
    elif path.suffix == ".safetensors":
        form = _arrays(data, len(table.ids), what)
    elif path.suffix == ".tgz":
        form = _images(data, [str(one) for one in table.ids], what)
    else:
        raise UserError(f"{what}: expected a file that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}.")
    if len(data) > form.max_bytes:
        raise UserError(f"{what} has {len(data):,} bytes, more than the {form.max_bytes:,} of a submission.")
    try:
        columns = read(data, form)
        if isinstance(form, ImagesFormat):  # order, times and texts of the archive may tell answers
            data = _archive(columns["image"], form)
            columns = read(data, form)
    except UserError as error:
        raise UserError(f"{what} is no submission of its own competition: {error}") from None
    _refuse_answers(columns, answers, what)
    return form, columns, data


MOST_COLUMNS = 1000
"""The columns of an array that are compared with the answers."""


def _arrays(data: bytes, rows: int, what: str) -> ArraysFormat:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        found = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise UserError(f"{what} is not a safetensors file: {error}.") from None
    for name, values in found.items():
        if values.dtype.name not in DTYPES or values.ndim < 1 or values.shape[0] != rows or not values.size:
            raise UserError(
                f"{what}: array {name!r} is {values.dtype.name} {values.shape}; expected one of"
                f" {', '.join(DTYPES)}, with {rows:,} rows, one for each id in order."
            )
    if not found or sum(values.size for values in found.values()) > MOST_PIXELS:
        raise UserError(f"{what}: expected one array or more, of at most {MOST_PIXELS:,} numbers together.")
    return ArraysFormat(tuple(Array(name, values.shape, values.dtype.name) for name, values in sorted(found.items())))


def _images(data: bytes, ids: list[str], what: str) -> ImagesFormat:
    from PIL import Image, UnidentifiedImageError

    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            names = [one.name.removeprefix("./") for one in archive if one.isfile()]
            first = next((one for one in archive if one.isfile()), None)
            stream = None if first is None else archive.extractfile(first)
            picture = Image.open(stream) if stream is not None else None
    except (tarfile.TarError, OSError, EOFError, UnidentifiedImageError) as error:
        raise UserError(f"{what} is not a gzipped tar archive of images: {error}.") from None
    endings = {name.rpartition(".")[2] for name in names}
    wanted = [f"{one}.{ending}" for one in ids for ending in endings]
    fits = len(endings) == 1 and endings <= {"png", "jpg", "jpeg"} and sorted(names) == sorted(wanted)
    if picture is None or picture.format not in ("PNG", "JPEG") or not fits:
        raise UserError(
            f"{what}: expected a PNG or a JPEG named after each id of the solution, all with one ending,"
            f" such as {ids[0]}.png."
        )
    width, height = picture.size
    if math.prod((len(ids), width, height, 3)) > MOST_PIXELS:
        raise UserError(f"{what}: its images have more than {MOST_PIXELS:,} numbers together; give smaller ones.")
    encoding: Any = picture.format.lower()
    most = SPARE_BYTES + len(ids) * (3 * width * height + 4096)
    try:
        return ImagesFormat(len(ids), width, height, most, encoding, tuple(wanted))
    except ValueError as error:
        raise UserError(f"{what}: {error}; rename the ids.") from None


def _archive(images: Any, form: ImagesFormat) -> bytes:
    """An archive of the pixels (n, height, width, 3) alone, in the order of the ids, always the same bytes."""
    from PIL import Image

    out = io.BytesIO()
    with gzip.GzipFile("", "wb", fileobj=out, mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, pixels in zip(form.files, images, strict=True):
            picture = io.BytesIO()
            quality = {"quality": 95} if form.encoding == "jpeg" else {}
            Image.fromarray(pixels).save(picture, form.encoding, **quality)
            entry = tarfile.TarInfo(name)
            entry.size = len(picture.getvalue())
            archive.addfile(entry, io.BytesIO(picture.getvalue()))
    return out.getvalue()


def _refuse_answers(columns: Columns, answers: Answers, what: str) -> None:
    """Raises UserError where a column of an array, or the lines of a text, are the answers: as texts, or as numbers."""
    import numpy as np

    for name, given in columns.items():
        flat = given.reshape(len(given), -1)
        for column, right in answers.columns.items():
            if len(np.unique(right)) < 2:
                continue
            for at in range(min(flat.shape[1], MOST_COLUMNS)):
                if len(np.unique(flat[:, at])) < 2:
                    continue
                same = flat[:, at].astype(str) == right.astype(str)
                if right.dtype.kind in "bif" and flat.dtype.kind in "biuf":
                    same |= flat[:, at] == right.astype(flat.dtype)
                if same.mean() >= 0.95:
                    raise UserError(
                        f"{what}: {name!r} has the answers of column {column!r}, and students get this file."
                    )
