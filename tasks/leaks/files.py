"""Answers that can be read from the files that students get: their names, sizes, times and contents."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers
from tasks.leaks.archives import ARCHIVES, PICTURES, UNREADABLE
from tasks.leaks.cells import read_from_texts
from tasks.leaks.chance import LIMIT, Leak, labels_of, number_association, one_of_each_group, tail
from tasks.repeats import cells_in

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
BINARY = (*PICTURES, ".bmp", ".gif", ".webp", ".wav", ".flac", ".mp3", ".onnx", ".pt", ".ckpt", ".safetensors")
"""The endings of files that hold no table."""
LARGEST_FILE = 256 * 2**20
FIRST = 2000  # rows that are compared first


def answers_in_file_facts(public: Path, answers: Answers) -> list[Leak]:
    """Answers that can be read from the size, time, folder or name of files named after ids.

    The size depends on the content anyway (busy pictures are larger), so it must also explain half of the variation of
    the ranks. Times and folders need only correlate with the answers more than chance explains.
    """
    leaks: dict[Leak, None] = {}
    for files in _files_of_ids(public, answers):
        kept = [row for row in one_of_each_group(answers).tolist() if row in files]
        if len(kept) < 20:
            continue
        facts = [files[row].stat() for row in kept]
        sizes = np.array([fact.st_size for fact in facts], dtype=np.float64)
        times = np.array([fact.st_mtime_ns for fact in facts])
        times = np.unique(times, return_inverse=True)[1].astype(np.float64)  # a double cannot hold nanoseconds
        names = tuple(str(files[row].relative_to(public).parent / files[row].suffix.lstrip(".")) for row in kept)
        for name, values in answers.columns.items():
            labels = labels_of(values[kept])
            if labels is None:
                continue
            what = f"the answers in column {name!r}"
            chance, strength = number_association(sizes, labels)
            if chance < LIMIT and strength > 0.5:
                leaks[Leak("E_LEAK_FILE_SIZE", f"{what} correlate with the size of the files.")] = None
            if number_association(times, labels)[0] < LIMIT:
                leaks[Leak("E_LEAK_FILE_TIME", f"{what} correlate with the time of the files.")] = None
            how = read_from_texts(names, values[kept], np.arange(len(kept)))
            if how is not None:
                text = f"{what} can be read from the folders or endings of the files: {how}."
                leaks[Leak("E_LEAK_FILE_NAME", text)] = None
    return list(leaks)


def _files_of_ids(public: Path, answers: Answers) -> list[dict[int, Path]]:
    """Row to file, in each folder right under `public` and, where no id names two files, in all of it."""
    place = {str(text): row for row, text in enumerate(answers.ids)}
    parts: dict[str, dict[int, Path]] = {}
    whole: dict[int, Path] = {}
    unique = True
    for path in _files(public):
        row = place.get(path.stem, place.get(path.stem.lstrip("0") or "0"))
        if row is not None:
            parts.setdefault(path.relative_to(public).parts[0], {})[row] = path
            unique = unique and row not in whole
            whole[row] = path
    return [*parts.values(), whole] if unique and len(parts) > 1 else list(parts.values())


def answers_in_files(public: Path, answers: Answers) -> list[Leak]:
    """Columns of files in `public` that contain the hidden answers, or show which rows are public and which private.

    JSON, JSON lines, NPY, NPZ and Parquet files of at most 256 MiB are read, texts of other endings as CSV, and all of
    these in archives. A column is aligned by the
    ids where another column of its table holds 90 % of them, else by the order of the rows where their number fits.
    95 % of the cells must be equal (50 % where the answers mostly differ), and more than chance explains. Of many
    rows, some chosen at random are compared first, and the others only where a quarter of these are equal.
    """
    hidden = {f"the answers in column {name!r}": values for name, values in answers.columns.items()}
    if answers.usage is not None:
        words = {IGNORED: "ignored", PUBLIC: "public", PRIVATE: "private"}
        hidden["the public and private marks"] = np.array([words[code] for code in answers.usage.tolist()])
    some = np.random.default_rng(0).permutation(len(answers))[:FIRST]
    ids = _Ids([str(text) for text in answers.ids])
    wanted = {what: _Wanted(values, some) for what, values in hidden.items()}
    leaks = []
    for path in _files(public):
        found: dict[str, int] = {}
        for columns in _tables(path):
            source = next((rows for rows in map(ids.rows_in, columns) if rows is not None), None)
            for at, cells in enumerate(columns):
                rows = source
                if rows is None and len(cells) - len(answers) in (0, 1):
                    rows = np.arange(len(cells) - len(answers), len(cells))
                if rows is not None:
                    new = (what for what, one in wanted.items() if what not in found and one.is_in(cells, rows))
                    found |= dict.fromkeys(new, at + 1)
        where = path.relative_to(public).as_posix()
        leaks += [Leak("E_LEAK_FILE", f"{where}, column {at}, contains {what}.") for what, at in found.items()]
    return leaks


def answers_of_repeated_ids(public: Path, answers: Answers) -> list[Leak]:
    """Tables in which the cells of an id's rows are its answers, in any order, or an id is as often as in the solution.

    A table counts where one of its columns has 90 % of the ids; 95 % of the ids must agree.
    """
    texts = {name: values.tolist() for name, values in answers.columns.items()}
    if not texts or not all(
        isinstance(one, str) and one[-1:] in ("", "\n") for values in texts.values() for one in values
    ):
        return []
    wanted = {
        f"the answers in column {name!r}": [sorted(_plain(cells_in(one))) for one in values]
        for name, values in texts.items()
    }
    counts = [len(one) for one in next(iter(wanted.values()))]
    leaks = []
    for path in _files(public):
        where = path.relative_to(public).as_posix()
        for columns in _tables(path):
            for rows in _rows_of_ids(columns, [str(text) for text in answers.ids]):
                if len(set(counts)) > 1 and _agree([len(one) for one in rows], counts):
                    leaks.append(Leak("E_LEAK_FILE", f"{where} has as many rows of each id as the solution."))
                for at, column in enumerate(columns, 1):
                    found = [sorted(_plain(column[row] for row in one)) for one in rows]
                    leaks += [
                        Leak("E_LEAK_FILE", f"{where}, column {at}, contains {what}.")
                        for what, values in wanted.items()
                        if len({tuple(one) for one in values}) > 1 and _agree(found, values)
                    ]
    return list(dict.fromkeys(leaks))


def inputs_in_files(public: Path, inputs: Mapping[str, NDArray[Any]]) -> list[Leak]:
    """Hidden inputs (n, …) of models that are rows of an array in a NPY or NPZ file of the same shape.

    One is enough where less than 1 % of the file's rows are there twice; else there must be more than those explain.
    """
    leaks = []
    for path in _files(public):
        for array in _arrays_in(path):
            for name, hidden in inputs.items():
                if array.ndim != hidden.ndim or array.shape[1:] != hidden.shape[1:] or array.dtype.kind not in "biuf":
                    continue
                with np.errstate(all="ignore"):
                    rows = [row.tobytes() for row in array.astype(hidden.dtype)]
                known = set(rows)
                count = sum(row.tobytes() in known for row in hidden)
                twins = 1 - len(known) / max(1, len(rows))
                if count and (twins < 0.01 or tail(len(hidden), count, twins) < LIMIT):
                    where = path.relative_to(public).as_posix()
                    text = f"{where} has {count:,} of the {len(hidden):,} hidden inputs {name!r}."
                    leaks.append(Leak("E_LEAK_EQUAL_ROWS", text))
    return list(dict.fromkeys(leaks))


def _arrays_in(path: Path) -> Iterator[NDArray[Any]]:
    """The arrays of a NPY or NPZ file."""
    if path.suffix.lower() not in (".npy", ".npz") or path.stat().st_size > LARGEST_FILE:
        return
    with contextlib.suppress(ValueError, OSError, EOFError, zipfile.BadZipFile):
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            yield found
            return
        with found:
            for name in found.files:
                yield found[name]


def _rows_of_ids(columns: list[Any], ids: list[str]) -> Iterator[list[list[int]]]:
    """The rows of each id, for each column that has most of them."""
    for column in columns:
        rows: dict[str, list[int]] = {one: [] for one in ids}
        for at, cell in enumerate(column):
            if (text := str(cell).strip()) in rows:
                rows[text].append(at)
        if sum(bool(one) for one in rows.values()) >= 0.9 * len(ids):
            yield list(rows.values())


def _agree(found: list[Any], wanted: list[Any]) -> bool:
    return bool(sum(a == b for a, b in zip(found, wanted, strict=True)) >= 0.95 * len(wanted))


Column = Sequence[Any] | NDArray[Any]


def _cells(column: Column, rows: NDArray[np.intp]) -> list[Any]:
    """The cells in these rows of a column; -1 is a row that it lacks, and an empty cell."""
    if isinstance(column, np.ndarray):
        column = column[rows].tolist()
        return [cell if row >= 0 else "" for cell, row in zip(column, rows.tolist(), strict=True)]
    return [column[row] if row >= 0 else "" for row in rows.tolist()]


def _plain(cells: Iterable[Any]) -> list[str]:
    """Cells in one spelling: numbers as the shortest decimal of their double, text in lowercase."""

    def one(cell: Any) -> str:
        try:
            return repr(float(cell) + 0.0)
        except (TypeError, ValueError, OverflowError):
            return str(cell).strip().casefold()

    return [one(cell) for cell in cells]


@dataclass(frozen=True)
class _Wanted:
    """Hidden values `(n,)`, and some rows that are compared before the others."""

    values: NDArray[Any]
    some: NDArray[np.intp]

    @cached_property
    def first(self) -> list[str]:
        return _plain(self.values[self.some].tolist())

    @cached_property
    def all(self) -> list[str]:
        return _plain(self.values.tolist())

    def is_in(self, column: Column, rows: NDArray[np.intp]) -> bool:
        """Whether the column has the values in these rows, in more of them than chance explains."""
        if _equal(_plain(_cells(column, rows[self.some])), self.first) < 0.25 * len(self.some):
            return False
        cells, n = _plain(_cells(column, rows)), len(self.all)
        equal, known, others = _equal(cells, self.all), Counter(self.all), Counter(cells)
        if equal < (0.5 if len(known) > n / 2 else 0.95) * n or len(known) < 2:
            return False
        return tail(n, equal, sum(count / n * (others[value] / n) for value, count in known.items())) < LIMIT


def _equal(one: list[str], other: list[str]) -> int:
    return sum(a == b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class _Ids:
    """The ids in the order of the answers."""

    texts: list[str]

    @cached_property
    def places(self) -> dict[str, int]:
        return {text: row for row, text in enumerate(self.texts)}

    @cached_property
    def plain_places(self) -> dict[str, int]:
        """By their plain spelling; empty where two are spelled the same."""
        found = {text: row for row, text in enumerate(_plain(self.texts))}
        return found if len(found) == len(self.texts) else {}

    def rows_in(self, column: Column) -> NDArray[np.intp] | None:
        """The row of the column for each id (the last of a repeated one, -1 for none), if it holds 90 % of them."""
        n = len(self.texts)
        head = _cells(column, np.arange(min(200, n, len(column))))
        if len(column) < 0.9 * n or len(set(map(str, head))) < len(head) / 2:
            return None
        if n > FIRST:  # of these, at least 0.9 × 400 would be different ids
            count = min(len(column), 400 * -(-len(column) // n))
            some = np.random.default_rng(0).choice(len(column), count, replace=False, shuffle=False)
            cells = _cells(column, some)
            if max(len(known) for known in self._known(cells)) < 100:
                return None
        for known in self._known(_cells(column, np.arange(len(column)))):
            if len(known) >= 0.9 * n:
                rows = np.full(n, -1)
                rows[list(known)] = list(known.values())
                return rows
        return None

    def _known(self, cells: list[Any]) -> Iterator[dict[int, int]]:
        """The place of each id that is among the cells, by its row: of ids as they are, and in their plain spelling."""
        texts = [str(cell).strip() for cell in cells]
        yield {self.places[text]: at for at, text in enumerate(texts) if text in self.places}
        yield {self.plain_places[text]: at for at, text in enumerate(_plain(texts)) if text in self.plain_places}


def _tables(path: Path) -> Iterator[list[Column]]:
    """The tables in a file or in the files of an archive, each as a list of columns of one length."""
    if path.stat().st_size <= LARGEST_FILE:
        for name, data in _contents(path):
            yield from _tables_of(name, data)


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """The name and bytes of a file, or of the files of an archive up to `LARGEST_FILE` bytes; not of `BINARY` ones."""
    kind, left = path.suffix.lower(), LARGEST_FILE
    with contextlib.suppress(*UNREADABLE):
        if kind in BINARY:
            return
        if kind not in ARCHIVES:
            yield path.name, path.read_bytes()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for one in archive.infolist():
                    if Path(one.filename).suffix.lower() not in BINARY and one.file_size <= left and not one.is_dir():
                        left -= one.file_size
                        yield one.filename, archive.read(one)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as tar:
                for each in tar:
                    stream = None if Path(each.name).suffix.lower() in BINARY or each.size > left else each
                    if stream is not None and (found := tar.extractfile(stream)) is not None:
                        left -= each.size
                        yield each.name, found.read()
        elif kind in OPENERS:
            with OPENERS[kind](path, "rb") as opened:
                yield path.stem, opened.read(LARGEST_FILE)


def _tables_of(name: str, data: bytes) -> Iterator[list[Column]]:
    """The tables in the bytes of a file; what has an unknown ending and looks like a text is read as CSV."""
    kind = Path(name).suffix.lower()
    try:
        if kind in (".json", ".jsonl"):
            text = data.decode("utf-8-sig")
            value = [json.loads(line) for line in text.splitlines() if line] if kind == ".jsonl" else json.loads(text)
            yield from _json_tables(value)
        elif kind == ".npy":
            yield from _array_tables(np.load(io.BytesIO(data), allow_pickle=False))
        elif kind == ".npz":
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                for one in arrays.files:
                    yield from _array_tables(arrays[one])
        elif kind == ".parquet":
            import polars

            with contextlib.suppress(polars.exceptions.PolarsError):
                yield [column.to_list() for column in polars.read_parquet(io.BytesIO(data)).get_columns()]
        elif kind in (".csv", ".tsv", ".txt") or b"\0" not in data[:4096]:
            text = data.decode("utf-8-sig", errors="replace")
            first = text.partition("\n")[0]
            for separator in [mark for mark in ",;\t" if mark in first] or [","]:
                rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
                width = max((len(row) for row in rows), default=0)
                if 0 < width <= 10_000 and len(rows) * width <= 3 * 10**7:
                    yield [[row[at] if at < len(row) else "" for row in rows] for at in range(width)]
    except (ValueError, OSError, EOFError, csv.Error, RecursionError):
        return


def _json_tables(value: Any) -> Iterator[list[Column]]:
    if isinstance(value, dict):
        for inner in value.values():
            if isinstance(inner, (dict, list)):
                yield from _json_tables(inner)
        if value and not any(isinstance(inner, (dict, list)) for inner in value.values()):
            yield [list(value), list(value.values())]
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        if len(lists) > 1 and len({len(inner) for inner in lists}) == 1:
            yield list(lists)
    elif isinstance(value, list) and value:
        if all(isinstance(item, dict) for item in value):
            names = dict.fromkeys(name for item in value for name in item)
            yield [[item.get(name, "") for item in value] for name in names]
        elif all(isinstance(item, list) for item in value) and len({len(item) for item in value}) == 1:
            yield [[item[at] for item in value] for at in range(len(value[0]))]
        elif not any(isinstance(item, (dict, list)) for item in value):
            yield [value]


def _array_tables(array: NDArray[Any]) -> Iterator[list[Column]]:
    if array.dtype.kind not in "biufU":
        return
    if array.ndim == 1:
        yield [array]
    elif array.ndim == 2 and array.shape[1] <= 10_000:
        yield [array[:, at] for at in range(array.shape[1])]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
