"""The leak checks at the end of `prepare`: ways to read hidden answers without solving the task.

Each check is a function that returns the leaks it finds. A statistical check reports a leak where a result at least
that strong has a probability below `LIMIT` if nothing leaks, by a formula and without random numbers. The messages
are for the instructor: they name files, columns, ids and counts, never an answer.

Not checked: pixels and sound, members of archives, answers that are encrypted or changed by more than a linear map,
and rows of features that `Made` does not hold.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Made

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CODES: dict[str, str] = {
    "E_LEAK_CONSTANT": "An answer column has only one value. Check that it is the right column.",
    "E_LEAK_EQUAL_ROWS": "Test rows equal training rows. Remove duplicates before the split.",
    "E_LEAK_NEAR_ROWS": "Test rows are near-copies of training rows. Keep all copies on the same side.",
    "E_LEAK_ORDER": "The answers correlate with the order of the rows. Shuffle the rows.",
    "E_LEAK_ID": "The answers can be read from the ids. Renumber the rows.",
    "E_LEAK_FEATURE": "A feature gives the answers away. Remove it.",
    "E_LEAK_OTHER_ROW": "The answers of some rows are features of other rows. Remove those columns, or split by group.",
    "E_LEAK_FILE": "A file that students get contains the answers. Remove it.",
    "E_LEAK_FILE_NAME": "The answers can be read from file or folder names. Rename the files.",
    "E_LEAK_FILE_SIZE": "The answers correlate with the sizes of files. Write all files in the same way.",
    "E_LEAK_FILE_TIME": "The answers correlate with the times of files. Give all files the same time.",
    "E_LEAK_SHARED_GROUP": "A group has rows in training and in the test. Split by group.",
    "E_LEAK_SPLIT_GROUP": "A group has public and private rows. Give all rows of a group the same Usage.",
}
"""The codes of leaks, which `prepare` and `new` print: what each means and what to do."""

LIMIT = 1e-6
FEW_CLASSES = 20  # whole-number answers with at most so many values are classes
LAGS = 32
WIDEST = 256  # rows of more features are projected at random to half as many before distances are taken
LARGEST_FILE = 256 * 2**20


@dataclass(frozen=True)
class Leak:
    """One way to read the answers. `code` is stable and starts with `E_LEAK_`."""

    code: str
    message: str


def find_leaks(public: Path, made: Made) -> list[Leak]:
    """All leaks of a prepared competition: `public` is the folder that students get, `made` the hidden side.

    Answers of more than one number per row, such as the features of an image, are not checked.
    """
    plain = {name: values for name, values in made.answers.columns.items() if values.ndim == 1}
    answers = replace(made.answers, columns=plain)
    leaks = [
        *constant_answers(answers),
        *answers_in_order(answers),
        *answers_in_ids(answers),
        *answers_in_file_facts(public, answers),
        *answers_in_files(public, answers),
        *split_groups(answers),
        *shared_groups(made.train_groups, answers),
    ]
    if made.test is not None:
        leaks += answers_in_features(made.test, answers)
        leaks += answers_in_other_rows(made.test, answers, own_rows=True)
    if made.train is not None:
        leaks += answers_in_other_rows(made.train, answers, own_rows=False)
    if made.train is not None and made.test is not None:
        equal = equal_rows(made.train, made.test)
        leaks += equal or near_rows(made.train, made.test)
    return leaks


# Rows -----------------------------------------------------------------------------------------------------------------


def equal_rows(train: NDArray[np.float64], test: NDArray[np.float64]) -> list[Leak]:
    """Test rows that equal a training row.

    One is enough where less than 1 % of the training rows have a twin among themselves; else (features of few values)
    there must be more of them than that share explains.
    """
    import numpy as np

    if not len(train) or not len(test) or not train.shape[1]:
        return []
    both = np.ascontiguousarray(np.concatenate([train, test]), dtype=np.float64) + 0.0  # -0.0 becomes 0.0
    _, which = np.unique(both.view(np.dtype((np.void, both.dtype.itemsize * both.shape[1]))), return_inverse=True)
    which = which.ravel()
    of_train, of_test = which[: len(train)], which[len(train) :]
    times = np.bincount(of_train, minlength=int(which.max()) + 1)
    found = np.flatnonzero(times[of_test] > 0)
    twins = float(np.mean(times[of_train] > 1))
    if len(found) and (twins < 0.01 or _tail(len(test), len(found), twins) < LIMIT):
        return [Leak("E_LEAK_EQUAL_ROWS", f"{_rows(found)} of the test features equal a training row.")]
    return []


def near_rows(train: NDArray[np.float64], test: NDArray[np.float64]) -> list[Leak]:
    """Test rows that are a training row with a little noise.

    Features are divided by their spread in training. The natural distance to the nearest training row is learnt from
    1,000 training rows and their nearest other training rows: the smallest tenth of these distances gives a power law
    (Hill, Annals of Statistics 3, 1975) for still smaller ones. So neighbouring days of a smooth series are not
    reported, and copies with noise of 1e-4 spreads are, from about five features on. More than 256 features are
    projected at random, which keeps distances to within some ten per cent; at most 20,000 test rows are checked.
    """
    import numpy as np

    if len(train) < 30 or not len(test):
        return []
    train, test = (np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0) for x in (train, test))
    centre, spread = train.mean(axis=0), train.std(axis=0)
    kept = spread > 1e-12 * np.abs(centre)
    if not kept.any():
        return []
    chosen = np.linspace(0, len(test) - 1, min(len(test), 20_000)).astype(int)
    train, test = ((x[:, kept] - centre[kept]) / spread[kept] for x in (train, test[chosen]))
    if train.shape[1] > WIDEST:
        project = np.random.default_rng(0).normal(size=(train.shape[1], WIDEST // 2)) / math.sqrt(WIDEST // 2)
        train, test = train @ project, test @ project
    sample = np.linspace(0, len(train) - 1, min(len(train), 1000)).astype(int)
    natural = np.sort(_nearest(train[sample], train, own=sample))
    distances = np.sort(_nearest(test, train))
    positive = natural[natural > 0]
    if len(positive) < 20:
        return []
    tenth = max(10, len(positive) // 10)
    edge = float(positive[tenth])
    power = tenth / max(float(np.log(edge / positive[:tenth]).sum()), 1e-9)
    for rank in range(min(len(distances), int(np.searchsorted(distances, edge / 5))), 0, -1):
        distance = float(distances[rank - 1])
        chance = tenth / len(positive) * (distance / edge) ** power
        chance = max(chance, float(np.searchsorted(natural, distance, side="right")) / len(natural))
        if _tail(len(distances), rank, chance) < LIMIT:
            text = f"{rank} rows of the test features are within {distance / float(np.median(natural)):.1g} times the"
            return [Leak("E_LEAK_NEAR_ROWS", f"{text} usual distance of a training row: copies with a little noise.")]
    return []


def _nearest(
    rows: NDArray[np.float64], others: NDArray[np.float64], own: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """The distance of each row to the nearest of the others, except the one at index `own`."""
    import numpy as np

    squares = np.einsum("ij,ij->i", others, others)
    nearest = np.empty(len(rows))
    step = max(1, 2**24 // len(others))
    for begin in range(0, len(rows), step):
        block = rows[begin : begin + step]
        # The square of the block's own length is the same for all others, and left out.
        close = block @ (-2 * others.T)
        close += squares
        if own is not None:
            close[np.arange(len(block)), own[begin : begin + step]] = np.inf
        # The short form loses digits where rows are nearly equal, so that the distance is taken again.
        nearest[begin : begin + step] = np.linalg.norm(block - others[close.argmin(axis=1)], axis=1)
    return nearest


# Order, ids and files -------------------------------------------------------------------------------------------------


def constant_answers(answers: Answers) -> list[Leak]:
    """Answer columns with only one value among all scored rows."""
    scored = slice(None) if answers.usage is None else answers.usage != IGNORED
    return [
        Leak("E_LEAK_CONSTANT", f"the answers in column {name!r} are the same in all rows.")
        for name, values in answers.columns.items()
        if len(answers) > 1 and len(set(values[scored].tolist())) == 1
    ]


def answers_in_order(answers: Answers) -> list[Leak]:
    """Answers that can be read from the place of a row: sorted, rising, in blocks, in runs or periodic.

    Place against answer by Spearman's or Kruskal and Wallis's statistic, and each row against the one up to `LAGS`
    rows before by rank correlation or by the count of equal classes. Where there are groups, one row of each stands for
    it, since rows of one group may lie side by side and be alike.
    """
    import numpy as np

    leaks = []
    first = _one_of_each_group(answers)
    for name, values in answers.columns.items():
        labels = _Labels.of(values[first])
        if labels is None:
            continue
        place = np.arange(len(first), dtype=np.float64)
        if _number_association(place, labels)[0] < LIMIT:
            leaks.append(Leak("E_LEAK_ORDER", f"the answers in column {name!r} correlate with the order of the rows."))
            continue
        lag = next((lag for lag in range(1, LAGS + 1) if _serial(labels, lag) < LIMIT / LAGS), None)
        if lag is not None:
            what = f"an answer in column {name!r} can be guessed from the one {lag} rows before it"
            leaks.append(Leak("E_LEAK_ORDER", f"{what}: the rows are not in random order."))
    return leaks


def answers_in_ids(answers: Answers) -> list[Leak]:
    """Answers that can be read from the text of an id.

    An id is cut into its numbers and words; each number, its remainders and each word are compared with the answers,
    and so is how often the answer itself appears in the id. Ids that count up by one reveal no more than the order.
    """
    if isinstance(answers.ids, range):
        return []
    leaks = []
    for name, values in answers.columns.items():
        how = _read_from_texts(answers.ids, values, _one_of_each_group(answers))
        if how is not None:
            leaks.append(Leak("E_LEAK_ID", f"the answers in column {name!r} can be read from the ids: {how}."))
    return leaks


def answers_in_file_facts(public: Path, answers: Answers) -> list[Leak]:
    """Answers that can be read from the size, time, folder or name of files named after ids.

    The size depends on the content anyway (busy pictures are larger), so it must also explain half of the variation of
    the ranks. Times and folders need only correlate with the answers more than chance explains.
    """
    import numpy as np

    leaks: dict[Leak, None] = {}
    for files in _files_of_ids(public, answers):
        kept = [row for row in _one_of_each_group(answers).tolist() if row in files]
        if len(kept) < 20:
            continue
        facts = [files[row].stat() for row in kept]
        sizes = np.array([fact.st_size for fact in facts], dtype=np.float64)
        times = np.array([fact.st_mtime_ns for fact in facts])
        times = np.unique(times, return_inverse=True)[1].astype(np.float64)  # a double cannot hold nanoseconds
        names = tuple(str(files[row].relative_to(public).parent / files[row].suffix.lstrip(".")) for row in kept)
        for name, values in answers.columns.items():
            labels = _Labels.of(values[kept])
            if labels is None:
                continue
            what = f"the answers in column {name!r}"
            chance, strength = _number_association(sizes, labels)
            if chance < LIMIT and strength > 0.5:
                leaks[Leak("E_LEAK_FILE_SIZE", f"{what} correlate with the size of the files.")] = None
            if _number_association(times, labels)[0] < LIMIT:
                leaks[Leak("E_LEAK_FILE_TIME", f"{what} correlate with the time of the files.")] = None
            how = _read_from_texts(names, values[kept], np.arange(len(kept)))
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


def _read_from_texts(texts: Sequence[str], values: NDArray[Any], rows: NDArray[Any]) -> str | None:
    """How the values can be read from the texts, or None."""
    import numpy as np

    labels = _Labels.of(values[rows])
    if labels is None:
        return None
    # How often the answer itself is a word of the text, against how often it is one of another row's text.
    shown = [str(value).strip().casefold() for value in values[rows].tolist()]
    words = [set(re.split(r"[\W_]+", texts[row].casefold())) | {texts[row].casefold()} for row in rows]
    shift = max(1, len(rows) // 3)
    own = sum(label in some for label, some in zip(shown, words, strict=True))
    moved = [sum(label in words[(at + k * shift) % len(words)] for at, label in enumerate(shown)) for k in (1, 2)]
    if _tail(len(rows), own, (sum(moved) + 1) / (2 * len(rows) + 2)) < LIMIT:
        return f"the answer appears in {own} of {len(rows)} of them"
    pieces = [re.findall(r"[0-9]+|[^\W\d_]+", texts[row]) for row in rows]
    for at in range(min(8, max(map(len, pieces)))):
        column = [some[at] if at < len(some) else "" for some in pieces]
        numbers = [int(piece) if piece.isdecimal() and len(piece) <= 15 else -1 for piece in column]
        if max(numbers) >= 0:
            array = np.array(numbers, dtype=np.float64)
            if _number_association(array, labels)[0] < LIMIT:
                return f"number {at + 1} in them correlates with the answers"
            for divisor in sorted({2, 3, 4, 5, 7, 10, labels.classes} - {0, 1}):
                if divisor < len(rows) / 10 and _word_association(array % divisor, labels) < LIMIT:
                    return f"the remainder of number {at + 1} in them by {divisor} correlates with the answers"
        if _word_association(np.unique(column, return_inverse=True)[1], labels) < LIMIT:
            return f"part {at + 1} of them correlates with the answers"
    return None


# Answers in plain sight -----------------------------------------------------------------------------------------------


def answers_in_features(test: NDArray[np.float64], answers: Answers) -> list[Leak]:
    """Feature columns that are the answer: equal in 90 % of the rows, a linear map of it (|r| > 1 - 1e-6), or for
    classes a code of it (each value of the column stands for one class)."""
    import numpy as np

    leaks = []
    for name, values in answers.columns.items():
        labels = _Labels.of(values)
        if labels is None:
            continue
        for at in range(test.shape[1]):
            column = test[:, at]
            if np.ptp(column) == 0 or not np.isfinite(column).all():
                continue
            if labels.numbers is None:
                codes, code = np.unique(column, return_inverse=True)
                cells = len(np.unique(code * labels.classes + labels.ranks.astype(np.int64)))
                found = len(codes) <= 2 * labels.classes and cells == len(codes) and len(values) >= 10 * len(codes)
            else:
                equal = float(np.mean(np.isclose(column, labels.numbers, rtol=1e-9, atol=0)))
                found = equal >= 0.9 or abs(_correlation(column, labels.numbers)) > 1 - 1e-6
            if found:
                text = f"column {at + 1} of the test features gives the answers in column {name!r} away."
                leaks.append(Leak("E_LEAK_FEATURE", text))
    return leaks


def answers_in_other_rows(features: NDArray[np.float64], answers: Answers, *, own_rows: bool) -> list[Leak]:
    """Numeric answers that appear, to the last digit, in a feature column of other rows.

    So overlapping windows of a series give each other's answers away, within a group and across. `own_rows` says that
    the features are those of the answers' rows, where a row is not compared with itself. Only answers that mostly
    differ are checked. How often two values agree by chance (shares of a few hundred people, rounded numbers) is
    learnt from pairs of answers and from pairs of the column's cells; twice that many must agree.
    """
    import numpy as np

    leaks = []
    for name, values in answers.columns.items():
        if values.dtype.kind not in "fi" or len(np.unique(values)) < max(20, len(values) // 2):
            continue
        wanted = values.astype(np.float64)
        found: list[str] = []
        most = 0
        for at in range(features.shape[1]):
            column = _without_own(features[:, at], wanted) if own_rows else features[:, at]
            hits = int(np.isin(wanted, column).sum())
            if hits < 3:
                continue
            agree = math.sqrt(_agreement(wanted) * _agreement(features[:, at]))
            if _tail(len(wanted), hits, min(1.0, 2 * len(column) * agree)) < LIMIT:
                found.append(str(at + 1))
                most = max(most, hits)
        if found:
            where = "other rows of the test features" if own_rows else "the training features"
            text = f"up to {most} of {len(wanted)} answers in column {name!r} appear in {where}"
            text += f", column {', '.join(found)}."
            leaks.append(Leak("E_LEAK_OTHER_ROW", text))
    return leaks


def _agreement(values: NDArray[np.float64]) -> float:
    """The chance that two of the values are equal: the share of equal pairs, three standard errors up."""
    import numpy as np

    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    pairs = float((counts * (counts - 1) / 2).sum())
    return (pairs + 3 * math.sqrt(pairs) + 3) / (len(values) * (len(values) - 1) / 2)


def _without_own(column: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The column without the cells that equal the wanted value of their own row."""
    others: NDArray[np.float64] = column[column != wanted]
    return others


def answers_in_files(public: Path, answers: Answers) -> list[Leak]:
    """Columns of files in `public` that contain the hidden answers, or show which rows are public and which private.

    CSV, TSV, TXT, JSON, JSON lines, NPY, NPZ and Parquet files of at most 256 MiB are read. A column is aligned by the
    ids where another column of its table holds 90 % of them, else by the order of the rows where their number fits.
    95 % of the cells must be equal (50 % where the answers mostly differ), and more than chance explains.
    """
    import numpy as np

    ids = [str(text) for text in answers.ids]
    hidden = {f"the answers in column {name!r}": values for name, values in answers.columns.items()}
    if answers.usage is not None:
        words = {IGNORED: "ignored", PUBLIC: "public", PRIVATE: "private"}
        marks = np.array([words[code] for code in answers.usage.tolist()])
        hidden["the public and private marks"] = marks
    wanted = {what: _plain(values.tolist()) for what, values in hidden.items()}
    leaks = []
    for path in _files(public):
        found = {}
        for column_name, cells in _aligned_columns(path, ids):
            plain = _plain(cells)
            for what, values in wanted.items():
                if what not in found and _equal_beyond_chance(plain, values):
                    found[what] = column_name
        for what, column_name in found.items():
            where = path.relative_to(public).as_posix()
            leaks.append(Leak("E_LEAK_FILE", f"{where}, {column_name}, contains {what}."))
    return leaks


def _plain(cells: Iterable[Any]) -> list[str]:
    """Cells in one spelling: numbers as the shortest decimal of their double, text in lowercase."""

    def one(cell: Any) -> str:
        try:
            return repr(float(cell) + 0.0)
        except (TypeError, ValueError, OverflowError):
            return str(cell).strip().casefold()

    return [one(cell) for cell in cells]


def _equal_beyond_chance(cells: list[str], wanted: list[str]) -> bool:
    from collections import Counter

    n = len(wanted)
    equal = sum(cell == value for cell, value in zip(cells, wanted, strict=True))
    values, others = Counter(wanted), Counter(cells)
    needed = 0.5 if len(values) > n / 2 else 0.95
    if equal < needed * n or len(values) < 2:
        return False
    chance = sum(count / n * (others[value] / n) for value, count in values.items())
    return _tail(n, equal, chance) < LIMIT


def _aligned_columns(path: Path, ids: list[str]) -> Iterator[tuple[str, list[Any]]]:
    """Each column of the tables in a file that can be aligned with the answers, in the order of the ids."""
    place = {text: row for row, text in enumerate(ids)}
    plain_place = {text: row for row, text in enumerate(_plain(ids))}
    for columns in _tables(path):
        of_ids = next((rows for rows in (_id_rows(cells, place, plain_place) for cells in columns) if rows), None)
        for at, cells in enumerate(columns):
            if of_ids is not None:
                lined: list[Any] = [""] * len(ids)
                for row, source in of_ids.items():
                    lined[row] = cells[source]
                yield f"column {at + 1}", lined
            elif len(cells) in (len(ids), len(ids) + 1):
                yield f"column {at + 1}", list(cells[len(cells) - len(ids) :])


def _id_rows(cells: Sequence[Any], place: dict[str, int], plain_place: dict[str, int]) -> dict[int, int] | None:
    """Answer row to table row, where the cells hold 90 % of the ids (the last of a repeated one)."""
    head = cells[: min(200, len(place))]
    if len(cells) < 0.9 * len(place) or len(set(map(str, head))) < len(head) / 2:
        return None
    texts = [str(cell).strip() for cell in cells]
    rows = {place[text]: at for at, text in enumerate(texts) if text in place}
    if len(rows) < 0.9 * len(place) and len(plain_place) == len(place):
        rows = {plain_place[text]: at for at, text in enumerate(_plain(texts)) if text in plain_place}
    return rows if len(rows) >= 0.9 * len(place) else None


def _tables(path: Path) -> Iterator[list[Sequence[Any]]]:
    """The tables in a file, each as a list of columns of one length; none for an unknown kind of file."""
    import numpy as np

    kind = path.suffix.lower()
    if path.stat().st_size > LARGEST_FILE:
        return
    try:
        if kind in (".csv", ".tsv", ".txt"):
            text = path.read_bytes().decode("utf-8-sig", errors="replace")
            first = text.partition("\n")[0]
            for separator in [mark for mark in ",;\t" if mark in first] or [","]:
                rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
                width = max((len(row) for row in rows), default=0)
                if 0 < width <= 10_000 and len(rows) * width <= 3 * 10**7:
                    yield [[row[at] if at < len(row) else "" for row in rows] for at in range(width)]
        elif kind in (".json", ".jsonl"):
            text = path.read_bytes().decode("utf-8-sig")
            value = [json.loads(line) for line in text.splitlines() if line] if kind == ".jsonl" else json.loads(text)
            yield from _json_tables(value)
        elif kind == ".npy":
            yield from _array_tables(np.load(path, allow_pickle=False))
        elif kind == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                for name in arrays.files:
                    yield from _array_tables(arrays[name])
        elif kind == ".parquet":
            import polars

            with contextlib.suppress(polars.exceptions.PolarsError):
                yield [column.to_list() for column in polars.read_parquet(path).get_columns()]
    except (ValueError, OSError, EOFError, csv.Error, RecursionError):
        return


def _json_tables(value: Any) -> Iterator[list[Sequence[Any]]]:
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


def _array_tables(array: NDArray[Any]) -> Iterator[list[Sequence[Any]]]:
    if array.dtype.kind not in "biufU":
        return
    if array.ndim == 1:
        yield [array.tolist()]
    elif array.ndim == 2 and array.shape[1] <= 10_000:
        yield [array[:, at].tolist() for at in range(array.shape[1])]


# Groups ---------------------------------------------------------------------------------------------------------------


def shared_groups(train_groups: NDArray[np.str_] | None, answers: Answers) -> list[Leak]:
    """Groups that have rows in training and among the answers."""
    if train_groups is None or answers.groups is None:
        return []
    shared = set(train_groups.tolist()) & set(answers.groups.tolist())
    if not shared:
        return []
    text = f"{len(shared)} groups have rows in training and in the test, such as {min(shared)!r}."
    return [Leak("E_LEAK_SHARED_GROUP", text)]


def split_groups(answers: Answers) -> list[Leak]:
    """Groups that have public and private rows."""
    if answers.groups is None or answers.usage is None:
        return []
    public = set(answers.groups[answers.usage == PUBLIC].tolist())
    both = public & set(answers.groups[answers.usage == PRIVATE].tolist())
    if not both:
        return []
    return [Leak("E_LEAK_SPLIT_GROUP", f"{len(both)} groups have public and private rows, such as {min(both)!r}.")]


# Statistics -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Labels:
    """Answers as numbers (`numbers` given, `ranks` their mid-ranks) or as classes (`ranks` the class codes)."""

    ranks: NDArray[np.float64]
    numbers: NDArray[np.float64] | None
    classes: int

    @staticmethod
    def of(values: NDArray[Any]) -> _Labels | None:
        """None where there are too few rows or only one value."""
        import numpy as np

        unique, codes = np.unique(values, return_inverse=True)
        if len(values) < 10 or len(unique) < 2:
            return None
        if values.dtype.kind in "fi" and (len(unique) > FEW_CLASSES or not np.array_equal(unique, np.rint(unique))):
            return _Labels(_mid_ranks(values), values.astype(np.float64), 0)
        return _Labels(codes.astype(np.float64), None, len(unique))


def _one_of_each_group(answers: Answers) -> NDArray[Any]:
    """The first scored row of each group, or every scored row, in row order."""
    import numpy as np

    rows = np.arange(len(answers)) if answers.usage is None else np.flatnonzero(answers.usage != IGNORED)
    if answers.groups is None:
        return rows
    first: NDArray[Any] = np.sort(rows[np.unique(answers.groups[rows], return_index=True)[1]])
    return first


def _mid_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    import numpy as np

    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return ranks


def _correlation(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    import numpy as np

    a, b = one - one.mean(), two - two.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > 0 else 0.0


def _number_association(numbers: NDArray[np.float64], labels: _Labels) -> tuple[float, float]:
    """The probability of ranks this strongly related by chance, and the share of variation explained."""
    n = len(numbers)
    ranks = _mid_ranks(numbers)
    if labels.numbers is not None:
        strength = _correlation(ranks, labels.ranks) ** 2
        return math.erfc(math.sqrt(strength * (n - 1) / 2)), strength
    return _kruskal_wallis(ranks, labels.ranks.astype(int))


def _word_association(words: NDArray[Any], labels: _Labels) -> float:
    """The probability of a word (or remainder) of each row this strongly related to the labels by chance."""
    import numpy as np

    _, words = np.unique(words, return_inverse=True)
    kinds = int(words.max()) + 1
    if kinds < 2 or kinds > len(words) / 2:
        return 1.0
    if labels.numbers is not None:
        return _kruskal_wallis(labels.ranks, words)[0]
    codes = labels.ranks.astype(int)
    cells, counts = np.unique(words * labels.classes + codes, return_counts=True)
    rows, share = np.bincount(words), np.bincount(codes) / len(codes)
    # The unlikeliest cell of the table of words and classes, times the number of cells.
    chances = [
        _tail(int(rows[cell // labels.classes]), int(count), float(share[cell % labels.classes]))
        for cell, count in zip(cells.tolist(), counts.tolist(), strict=True)
    ]
    return min(1.0, min(chances) * kinds * labels.classes)


def _kruskal_wallis(ranks: NDArray[np.float64], which: NDArray[Any]) -> tuple[float, float]:
    """Probability and share of variation by Kruskal and Wallis's H, corrected for ties; tail of Wilson and Hilferty."""
    import numpy as np

    counts = np.bincount(which)
    centred = ranks - ranks.mean()
    sums = np.bincount(which, weights=centred)[counts > 0]
    total = float(centred @ centred)
    kinds = len(sums)
    if total == 0 or kinds < 2:
        return 1.0, 0.0
    strength = float((sums**2 / counts[counts > 0]).sum()) / total
    free = kinds - 1
    if free >= len(ranks) - 1:
        return 1.0, strength
    z = ((strength * (len(ranks) - 1) / free) ** (1 / 3) - (1 - 2 / (9 * free))) / math.sqrt(2 / (9 * free))
    return 0.5 * math.erfc(z / math.sqrt(2)), strength


def _serial(labels: _Labels, lag: int) -> float:
    """The probability of rows `lag` apart this alike (or unlike) by chance."""
    import numpy as np

    n = len(labels.ranks)
    if n < 4 * lag or n < 30:
        return 1.0
    if labels.numbers is not None:
        centred = labels.ranks - labels.ranks.mean()
        r = float(centred[lag:] @ centred[:-lag]) / float(centred @ centred)
        return math.erfc(abs(r + 1 / n) * math.sqrt(n / 2))
    counts = np.bincount(labels.ranks.astype(int)).astype(np.float64)
    second, third = float(((counts / n) ** 2).sum()), float(((counts / n) ** 3).sum())
    pairs = n - lag
    expected = pairs * float((counts * (counts - 1)).sum()) / (n * (n - 1))
    spread = math.sqrt(max(pairs * (second + second**2 - 2 * third), 1e-9))
    equal = float(np.count_nonzero(labels.ranks[lag:] == labels.ranks[:-lag]))
    # Few expected pairs are a Poisson count, whose tail is longer than the normal one.
    if equal > expected and expected < 100:
        return _tail(pairs, int(equal), expected / pairs)
    return math.erfc(abs(equal - expected) / spread / math.sqrt(2))


def _tail(n: int, hits: int, chance: float) -> float:
    """An upper bound on the probability of that many hits or more in n trials (Hoeffding 1963, Theorem 1)."""
    share = hits / n if n else 0.0
    if share <= chance or hits == 0:
        return 1.0
    if chance <= 0:
        return 0.0
    bound = share * math.log(share / chance)
    if share < 1:
        bound += (1 - share) * math.log((1 - share) / (1 - chance))
    return math.exp(-n * bound)


def _rows(rows: NDArray[Any]) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:3].tolist())
    return f"row {shown}" if len(rows) == 1 else f"{len(rows)} rows (such as {shown})"


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
