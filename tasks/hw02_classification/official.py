"""The course's own frames of HW2, 2021 to 2023, and a hidden test made from them.

The official test labels were never published. A fifth of the training utterances are taken out and become the hidden
test; the course's test frames are left out. Of equal utterances one is kept.

2021 has eleven frames side by side in every row, and does not say where an utterance begins: the middle frame is kept,
and an utterance ends where the next row is not this one moved by a frame. Where that never happens, the frames are cut
into pieces of three seconds. 2022 and 2023 have a tensor for each utterance, read by torch as weights only.
"""

from __future__ import annotations

import hashlib
import io
import tokenize
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tasks.base import Made, UserError
from tasks.hw02_classification import LAYOUTS, WIDTH, Layout
from tasks.hw02_classification.world import finished
from tasks.sources import Source, opened, refused
from tasks.streams import Streams

FRAMES_2021, LABELS_2021 = "train_11.npy", "train_label_11.npy"
SPLIT, LABELS = "train_split.txt", "train_labels.txt"
WANTED = rf"{FRAMES_2021}|{LABELS_2021}|{SPLIT}|{LABELS}|feat/train/[^/]+\.pt"
SIDE_BY_SIDE = 11
PIECE = 8192  # rows read at a time
CUT = 300  # frames of a piece where utterances cannot be told apart
FEWEST = 20  # utterances
MOST_BYTES = 16 * 2**20  # of the file of an utterance
MOST_TEXT = 256 * 2**20
Utterances = list[tuple[NDArray[np.float32], NDArray[np.int64]]]


def array_header(file: IO[bytes], name: str, size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The shape and the type of an array file of `size` bytes, before its numbers are read.

    Raises UserError for what is no array, holds Python objects, or has not the bytes that its shape claims.
    """
    try:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_column, dtype = header(file)
    except (ValueError, SyntaxError, tokenize.TokenError) as error:
        raise refused(f"{name}: expected an array in NumPy's .npy format; it cannot be read ({error}).") from error
    if dtype.hasobject:
        raise refused(f"{name}: expected numbers; found Python objects, which are not read (they can run any code).")
    claimed = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
    if by_column or size - file.tell() != claimed:
        raise refused(
            f"{name}: the header claims {dtype} {shape}{' in Fortran order' if by_column else ''}, {claimed:,} bytes;"
            f" the file has {size - file.tell():,}. Download it again."
        )
    return shape, dtype


def read_2021(source: Source, layout: Layout) -> Utterances:
    """The utterances of 2021: middle frames and labels."""
    path, label_path = source.need(FRAMES_2021, note=" of 2021"), source.need(LABELS_2021, note=" of 2021")
    width = WIDTH * SIDE_BY_SIDE
    with source.open(label_path) as file:
        shape, dtype = array_header(file, label_path, source.size(label_path))
        if len(shape) != 1 or dtype.kind not in "iufUS":
            raise refused(f"{label_path}: expected one class for each frame; found {dtype} {shape}.")
        given = np.frombuffer(file.read(), dtype)
    with source.open(path) as file:
        shape, dtype = array_header(file, path, source.size(path))
        if len(shape) != 2 or shape[1] != width or dtype.kind != "f" or shape[0] != len(given):
            raise refused(
                f"{path}: expected {len(given):,} frames, as many as labels, of {width} floating-point numbers; found"
                f" {dtype} {shape}."
            )
        frames = np.empty((shape[0], WIDTH), np.float32)
        breaks = np.zeros(shape[0], bool)  # whether an utterance begins here
        last = np.full((1, width), np.nan, dtype)
        middle = slice(WIDTH * (SIDE_BY_SIDE // 2), WIDTH * (SIDE_BY_SIDE // 2 + 1))
        for start in range(0, shape[0], PIECE):
            count = min(PIECE, shape[0] - start)
            rows = np.frombuffer(file.read(count * width * dtype.itemsize), dtype).reshape(count, width)
            before = np.concatenate([last, rows[:-1]])
            breaks[start : start + count] = (before[:, WIDTH:] != rows[:, :-WIDTH]).any(axis=1)
            frames[start : start + count] = rows[:, middle]
            last = rows[-1:]
    if not np.isfinite(frames).all():
        raise refused(f"{path}: expected finite numbers; found others.")
    labels = classes(given, layout, label_path)
    starts = np.flatnonzero(breaks)
    if len(starts) < FEWEST:
        starts = np.arange(0, len(frames), CUT)
    elif len(frames) < CUT // 10 * len(starts):
        raise refused(f"{path}: expected the frames of utterances one after another; these are shuffled.")
    return [
        (frames[low:high], labels[low:high])
        for low, high in zip(starts.tolist(), [*starts[1:].tolist(), len(frames)], strict=True)
    ]


def classes(given: Any, layout: Layout, where: str) -> NDArray[np.int64]:
    """Class numbers from numbers or text."""
    try:
        labels = np.array(given).astype(np.float64)
    except ValueError:
        raise refused(f"{where}: expected class numbers; found other text.") from None
    whole = np.isfinite(labels) & (labels >= 0) & (labels < layout.classes) & (labels % 1 == 0)
    if not whole.all():
        raise refused(f"{where}: expected whole numbers from 0 to {layout.classes - 1}; found others.")
    return labels.astype(np.int64)


def read_tensors(source: Source, layout: Layout) -> Utterances:
    """The utterances of 2022 and 2023: the features of a file each, and the labels of a line each."""
    listed = source.text(source.need(SPLIT, note=f" of {layout.year}"), MOST_TEXT).split()
    path = source.need(LABELS, note=f" of {layout.year}")
    lines = {words[0]: words[1:] for line in source.text(path, MOST_TEXT).splitlines() if (words := line.split())}
    for other in LAYOUTS:
        if other is not layout and len(listed) == other.utterances:
            raise refused(
                f"{source.name}: {len(listed):,} training utterances are those of {other.year}, not of {layout.year};"
                f" use --edition {other.year}."
            )
    files = {file.rpartition("/")[2].removesuffix(".pt"): file for file in source.paths if file.endswith(".pt")}
    missing = [name for name in listed if name not in files or name not in lines]
    if missing:
        raise source.missing(f"feat/train/{missing[0]}.pt and its line in {LABELS} ({len(missing):,} are missing)")
    return [
        (frames, classes(lines[name], layout, f"{path}, {name}"))
        for name in listed
        if len(frames := tensor(source, files[name], len(lines[name])))
    ]


def tensor(source: Source, path: str, count: int) -> NDArray[np.float32]:
    """The features of an utterance, (count, 39)."""
    try:
        import torch
    except ImportError:
        raise UserError(
            "the files of 2022 and 2023 need torch, which is not installed; install it with: pip install"
            ' "lhy-grade[train]"'
        ) from None
    data = source.read(path, MOST_BYTES)
    try:
        found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch raises: the file is not a plain tensor
        raise refused(f"{path}: expected a tensor that torch reads as weights only; it is refused.") from error
    if not isinstance(found, torch.Tensor) or tuple(found.shape) != (count, WIDTH) or not found.is_floating_point():
        shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
        raise refused(
            f"{path}: expected floating-point numbers ({count}, {WIDTH}), a row for each label; found {shape}."
        )
    if not torch.isfinite(found).all():
        raise refused(f"{path}: expected finite numbers; found others.")
    return found.to(torch.float32).numpy()


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None, secret: Path | None = None
) -> Made:
    """Write the carved competition into `public`."""
    with opened(source, WANTED) as files:
        old, new = files.find(FRAMES_2021), files.find(SPLIT)
        if (layout.year == "2021") != (old is not None) and (old or new):
            year = "2021" if old else "2022 or 2023"
            raise refused(f"{files.name}: {old or new} is a file of {year}, not of {layout.year}.")
        utterances = (read_2021 if layout.year == "2021" else read_tensors)(files, layout)
    unique = {hashlib.sha256(frames.tobytes()).digest(): place for place, (frames, _) in enumerate(utterances)}
    kept = sorted(unique.values())
    if len(kept) < FEWEST:
        raise refused(f"{source}: expected at least {FEWEST} different utterances; found {len(kept)}.")
    order = [kept[place] for place in streams.generator("hidden utterances").permutation(len(kept))]
    hidden = order[: len(order) // 5]
    known = sorted(order[len(order) // 5 :])
    return finished(public, [utterances[place] for place in known], [utterances[place] for place in hidden])
