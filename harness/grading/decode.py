"""Reading untrusted submissions, in processes without answers.

A grading worker starts such a process as a new program, so that it shares none of the worker's memory: it loads the
readers and forks for each file. The fork gives up files, network and other processes (`tasks.apart.confine`) before it
reads a byte of the file, and returns the predictions as raw arrays after a JSON header, or the problems of the file.
The receiver checks every array against the format: the reply is no more trusted than the file.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.grading.child import CONTROL, Child, connections, received_whole
from harness.grading.scoring import read_predictions
from submissions import plain
from submissions.arrays import fits
from tasks.apart import Died, Limits, bind, confine, confinement, die_with, send
from tasks.base import Columns, SubmissionError
from tasks.errors import Problem, UserError, internal
from tasks.formats import (
    Column,
    EpisodesFormat,
    Format,
    ImagesFormat,
    LinesFormat,
    Question,
    QuizFormat,
    TableFormat,
    format_from_json,
)
from tasks.models import SMALL as SMALL_MODEL
from tasks.quiz import words
from tasks.repeats import is_repeated
from tasks.runs import is_mask
from tasks.tensor_formats import Array, ArraysFormat, ModelFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray


START = "from harness.grading.decode import serve; serve()"
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""The environment variables it gets: no password, no token."""

TEXTS = ("text", "lines")
"""The non-numeric kinds of arrays: cells as fixed-width text, and whole lines as objects."""

MOST_HEADER = 2**20
LONGEST_TEXT = 20_000


@dataclass
class Decoder(Child):
    """A process that reads files, started on first use and again after it had to be killed."""

    def decode(
        self, data: bytes, form: Format, cells: bool, limits: Limits, stopped: Callable[[], bool] = lambda: False
    ) -> bytes | None:
        """The reply for a file, to be passed to `received`; None once `stopped` is true. Raises Died."""
        header = {"form": form.to_json(), "cells": cells, "seconds": limits.seconds, "memory": limits.memory}
        request = json.dumps(header).encode() + b"\n" + data
        most = MOST_HEADER + _most(form, cells, len(data))
        for last in (False, True):
            whole = self.exchange(request, most, limits.seconds, stopped)
            if whole or stopped():
                return whole
            if last or not self.gone():
                raise Died("the process that reads it ended without a reply")
        return None

    def start(self) -> tuple[int, socket.socket]:
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        environment |= {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "LHY_GRADE_PARENT": str(os.getpid())}
        with theirs:
            actions = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), CONTROL)]
            command = [sys.executable, "-c", START]
            return os.posix_spawn(sys.executable, command, environment, file_actions=actions), ours


def serve() -> None:
    """Forks for each connection that arrives on `CONTROL`, until its other end is closed."""
    die_with(int(os.environ["LHY_GRADE_PARENT"]))
    os.closerange(CONTROL + 1, os.sysconf("SC_OPEN_MAX"))  # close everything else that the worker had open
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for
    _warm()
    control, mine = socket.socket(fileno=CONTROL), os.getpid()
    for connection in connections(control):
        with connection:
            if os.fork() == 0:
                try:
                    control.close()
                    _answer(connection, mine)
                finally:
                    os._exit(0)


def _warm() -> None:
    """Loads everything a confined fork can no longer load, including the code that only broken files need."""
    import codecs
    import resource  # noqa: F401

    from PIL import Image

    for codec in ("unicode_escape", "raw_unicode_escape", "utf_8_sig", "utf_16", "utf_32", "latin_1", "cp1252", "idna"):
        codecs.lookup(codec)
    columns = (Column("y"), Column("n", "int"), Column("t", "text"))
    arrays = ArraysFormat((Array("a", (1,), maximum=1.0), Array("b", (1,), "int8", maximum=1.0)))
    forms: tuple[Format, ...] = (
        TableFormat("id", columns[:1], range(2)), TableFormat("id", columns, ("a", "b")),
        TableFormat("id", columns, ("a", "b"), most_rows=2),
        LinesFormat("y", range(1, 3), 1000), ImagesFormat(1, 8, 8), EpisodesFormat((1, 2)), arrays,
        QuizFormat((Question("a", (("x", ""), ("1", "")), 1.0), Question("b", (("y", ""), ("1", "")), 1.0, one=True))),
    )  # fmt: skip
    broken = (
        b"", b"\xff\xfe\xfd", b"\x89PNG\r\n\x1a\n", b"\x1f\x8b", b"id,y\n0,1\n1,x\n", b"id,y\n0,1\n1,2\n",
        b"question,answer\na,x 1\nb,y 1\n", b"question,answer\na,x\nb,y\n",
        b"id,y,n,t\na,1,2,x\nb,1e999,2.5,\n", b"[[0],[1]]", b"[[0],[7", b"\x93NUMPY\x01\x00", b"\x80\x04", b"a\nb\n",
        *map(_arrays_file, (b"\x00\x00\x00\x00", b"\x00\x00\xc0\x7f", b"\x00\x00\x80\x41")), _arrays_file(b"")[:20],
        "id,y\n０,1\n1,é\n".encode(), "id;y\n0;1\n".encode("utf-16"),
    )  # fmt: skip
    for form in forms:
        for data in broken:
            with contextlib.suppress(SubmissionError):
                read_predictions(data, form, isinstance(form, TableFormat))
    for pictures in (ImagesFormat(1, 8, 8), ImagesFormat(1, 8, 8, encoding="png")):
        whole, picture = io.BytesIO(), io.BytesIO()
        with tarfile.open(fileobj=whole, mode="w:gz") as archive:
            Image.new("RGB", (8, 8)).save(picture, pictures.encoding)
            entry = tarfile.TarInfo(pictures.files[0])
            entry.size = len(picture.getvalue())
            archive.addfile(entry, io.BytesIO(picture.getvalue()))
        read_predictions(whole.getvalue(), pictures, False)
        for place in (20, 60, len(whole.getvalue()) // 2):
            with contextlib.suppress(SubmissionError):
                read_predictions(whole.getvalue()[:place], pictures, False)
    confinement()


def _arrays_file(number: bytes) -> bytes:
    """A file of two arrays, the first one this number; to be read while it still can be."""
    entries = {"a": ("F32", [0, 4]), "b": ("I8", [4, 5])}
    header = {name: {"dtype": kind, "shape": [1], "data_offsets": place} for name, (kind, place) in entries.items()}
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + number + b"\x02"


def _answer(connection: socket.socket, parent: int) -> None:
    """Reads one request, confines itself, and replies."""
    head, _, data = received_whole(connection).partition(b"\n")
    request = json.loads(head)
    form = format_from_json(request["form"])
    bind(Limits(request["seconds"], request["memory"]), parent)
    if isinstance(form, TableFormat) and len(form.ids) > plain.SMALL:
        import polars  # noqa: F401
    if isinstance(form, ModelFormat):  # loads onnx, which other files do not need
        for first in (SMALL_MODEL, b"\x08"):
            with contextlib.suppress(UserError):
                read_predictions(first, form, False)
    confine(reading=False)
    send(connection.fileno(), _read(data, form, request["cells"]))  # socket calls are denied


def _read(data: bytes, form: Format, cells: bool) -> bytes:
    try:
        return _packed(read_predictions(data, form, cells))
    except SubmissionError as error:
        values: dict[str, Any] = {"problems": [one._asdict() for one in error.problems], "total": error.total}
    except UserError as error:
        values = {"failure": str(error)}
    except MemoryError:
        values = {"failure": "it needed more memory than allowed"}
    except Exception as error:
        values = {"failure": str(internal(error))}
    return json.dumps(values).encode() + b"\n"


def _packed(columns: Columns) -> bytes:
    """The header and the arrays; texts as their end offsets and the UTF-8 bytes."""
    import numpy as np

    header, parts = [], []
    for name, values in columns.items():
        if values.dtype.kind in "UO":
            texts = [text.encode() for text in values.tolist()]
            ends = np.cumsum([len(text) for text in texts], dtype=np.int64).tobytes()
            kind = "text" if values.dtype.kind == "U" else "lines"
            header.append([name, kind, list(values.shape), len(ends) + sum(map(len, texts))])
            parts += [ends, *texts]
        else:
            header.append([name, values.dtype.str, list(values.shape), values.nbytes])
            parts.append(np.ascontiguousarray(values).tobytes())
    return json.dumps({"columns": header}).encode() + b"\n" + b"".join(parts)


def _wanted(form: Format, cells: bool) -> list[tuple[str, str, tuple[int, ...] | None]]:
    """Name, type and shape of each array for a file of this format; None for bytes, which may be any number."""
    import numpy as np

    n = len(form)
    match form:
        case QuizFormat():
            return [("answer", "text", (n,))]
        case TableFormat() if form.most_rows > 1:
            return [(one.name, "lines", (n,)) for one in form.columns]
        case TableFormat():
            types = {"float": "<f8", "int": "<i8", "text": "text"}
            return [(one.name, "text" if cells else types[one.kind], (n,)) for one in form.columns]
        case LinesFormat():
            return [(form.column, "lines", (n,))]
        case ImagesFormat():
            return [("image", "|u1", (n, form.height, form.width, 3))]
        case EpisodesFormat():
            return [("actions", "|i1", (n, form.max_steps)), ("length", "<i8", (n,))]
        case ArraysFormat():
            return [(one.name, np.dtype(one.dtype).newbyteorder("<").str, one.shape) for one in form.arrays]
        case ModelFormat():
            return [("model", "|u1", None), ("inspected", "|u1", None), ("parameters", "<i8", (1,))]


def _most(form: Format, cells: bool, size: int) -> int:
    """The most bytes that the arrays of a file of `size` bytes can have."""
    total = 0
    for _, kind, shape in _wanted(form, cells):
        if shape is None:  # whole numbers of one byte each are written with eight
            total += 16 * size + MOST_HEADER
            continue
        count = 1
        for side in shape:
            count *= side
        total += 8 * count + size if kind in TEXTS else int(kind[2]) * count
    return total


def received(whole: bytes, form: Format, cells: bool) -> Columns:
    """The predictions, checked against the format.

    Raises SubmissionError with the problems of the file, and Died if the reply is not valid.
    """
    head, newline, _ = whole[: MOST_HEADER + 1].partition(b"\n")
    try:
        if not newline:
            raise ValueError("no header")
        values = json.loads(head)
        if "failure" in values:
            raise Died(str(values["failure"])[:1000])
        if "problems" in values:
            raise _refusal(values)
        rest = memoryview(whole)[len(head) + 1 :]
        columns: Columns = {}
        for (name, kind, shape), told in zip(_wanted(form, cells), values["columns"], strict=True):
            size = told[3]
            sides = (size,) if shape is None else shape
            if told[:3] != [name, kind, list(sides)] or type(size) is not int or not 0 <= size <= len(rest):
                raise ValueError("another array")
            columns[name] = _array(bytes(rest[:size]), kind, sides)
            rest = rest[size:]
        if len(rest) or not _fits(columns, form, cells):
            raise ValueError("other values")
        return columns
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise Died("the process that reads it sent a reply that is not of the format") from None


def _array(data: bytes, kind: str, shape: tuple[int, ...]) -> NDArray[Any]:
    import numpy as np

    if kind not in TEXTS:
        return np.frombuffer(data, dtype=kind).reshape(shape).copy()
    (n,) = shape
    ends = np.frombuffer(data[: 8 * n], dtype=np.int64).tolist()
    body, begin, texts = data[8 * n :], 0, []
    for end in ends:
        if not begin <= end <= len(body):
            raise ValueError("ends out of order")
        texts.append(body[begin:end].decode())
        begin = end
    if len(ends) != n or begin != len(body):
        raise ValueError("other texts")
    return np.array(texts, dtype=np.str_ if kind == "text" else object)


def _fits(columns: Columns, form: Format, cells: bool) -> bool:
    """Whether the values are possible results of the format's reader."""
    import numpy as np

    match form:
        case QuizFormat():
            return all(
                set(words(cell)) <= set(one.names)
                for one, cell in zip(form.questions, columns["answer"].tolist(), strict=True)
            )
        case TableFormat() if form.most_rows > 1:
            return is_repeated([columns[one.name].tolist() for one in form.columns], form.most_rows)
        case TableFormat():
            numbers = [] if cells else [one for one in form.columns if one.kind != "text"]
            named = [one for one in form.columns if one.choices]
            masks = [(cell, one) for one in form.columns if one.runs for cell in columns[one.name].tolist()]
            if not all(is_mask(cell, int(one.maximum)) for cell, one in masks):
                return False
            return all(set(columns[one.name].tolist()) <= set(one.choices) for one in named) and all(
                bool(np.isfinite(columns[one.name]).all())
                and bool(((columns[one.name] >= one.minimum) & (columns[one.name] <= one.maximum)).all())
                for one in numbers
            )
        case EpisodesFormat():
            actions, length = columns["actions"], columns["length"]
            if not ((length >= 1) & (length <= form.max_steps)).all():
                return False
            played = np.arange(form.max_steps) < length[:, None]
            return bool((np.where(played, (actions >= 0) & (actions < form.actions), actions == -1)).all())
        case ArraysFormat():
            return all(fits(columns[one.name], one) for one in form.arrays)
        case ModelFormat():
            return len(columns["model"]) > 0 and 0 <= int(columns["parameters"][0]) <= form.most_parameters
    return True


def _refusal(values: Any) -> SubmissionError:
    """The refusal in a reply. Raises ValueError if it is not valid."""
    problems, total = [Problem(**one) for one in values["problems"]], values["total"]
    texts = [text for one in problems for text in (one.message, one.column, one.found, one.expected)]
    if (
        not problems
        or type(total) is not int
        or not all(isinstance(one.code, str) and re.fullmatch("E_[A-Z_]{1,40}", one.code) for one in problems)
        or not all(isinstance(one.message, str) and type(one.line) in (int, type(None)) for one in problems)
        or not all(text is None or (isinstance(text, str) and len(text) <= LONGEST_TEXT) for text in texts)
    ):
        raise ValueError("no problems")
    return SubmissionError(problems, total)
