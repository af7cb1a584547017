"""Files that tests hand in or give: pictures, archives and arrays, and the same with something changed."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load, save

Arrays = dict[str, NDArray[Any]]


def drawing(seed: int, width: int = 64, height: int = 64, kind: str = "PNG", squares: int = 8) -> bytes:
    """Some picture: large coloured squares, which compression and another size keep."""
    stream = io.BytesIO()
    cells = np.random.default_rng(seed).integers(60, 200, (squares, squares, 3)).astype(np.uint8)
    Image.fromarray(cells).resize((width, height), Image.Resampling.NEAREST).save(stream, kind, quality=90)
    return stream.getvalue()


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def keep(folder: Path, pattern: str, count: int = 0) -> None:
    """Removes all but the first of these files."""
    for path in sorted(folder.glob(pattern))[count:]:
        path.unlink()


def saved_again(
    folder: Path, pattern: str, size: tuple[int, int] | None = None, kind: str = "", seed: int | None = None
) -> None:
    """Saves pictures in another size or format under the same names, or one drawing in place of all of them."""
    for path in folder.glob(pattern):
        with Image.open(path) as opened:
            image, form = opened.copy(), kind or opened.format or ""
        if seed is not None:
            image = Image.open(io.BytesIO(drawing(seed, *image.size)))
        image.resize(size or image.size, Image.Resampling.NEAREST).save(path, form)


def archive_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A `.tgz` of files by name, always the same bytes."""
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def members(data: bytes) -> list[tuple[str, bytes]]:
    """The files of a `.tgz` by name, in its order."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]


def changed(change: Callable[[Arrays], object]) -> Callable[[bytes], bytes]:
    """A file of arrays with something changed in them."""

    def make(data: bytes) -> bytes:
        arrays = {name: value.copy() for name, value in load(data).items()}
        change(arrays)
        return save({name: np.ascontiguousarray(value) for name, value in arrays.items()})

    return make


def put(name: str, value: float) -> Callable[[Arrays], object]:
    """Sets one number of an array."""
    return lambda arrays: arrays[name].__setitem__((7,) * arrays[name].ndim, value)


def turned(data: bytes) -> bytes:
    """The same arrays in another order, which the library would sort."""
    header, at, arrays = {}, 0, dict(reversed(load(data).items()))
    for name, value in arrays.items():
        kind = {"float32": "F32", "int64": "I64"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    head = json.dumps(header).encode()
    other = struct.pack("<Q", len(head)) + head + b"".join(value.tobytes() for value in arrays.values())
    return save(arrays) if other == data else other  # it was the other order before
