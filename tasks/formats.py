"""The formats of submissions: which files a competition accepts, as frozen dataclasses, written to `format.json`.

Importing this module loads the standard library only. `submissions/` has one strict reader for each format.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from tasks.errors import UserError
from tasks.tensor_formats import ArraysFormat, ModelFormat

if TYPE_CHECKING:
    from tasks.base import Answers

MOST_BYTES = 64 * 2**20
"""The maximum size of a table in bytes, however many rows it has."""
SPARE_BYTES = 2**17
"""Bytes allowed beyond what the rows need, so that an odd file is still read and its problems are listed."""
NUMBER_BYTES, LINE_BYTES = 40, 1_000
"""Bytes of a number's cell, and of a line of text on average."""
MANY_ROWS, WHOLE_NUMBER_BYTES = 100_000, 18
"""A table of more rows has less room: this for a whole number (with the room for quotes that is enough for what
`numpy.savetxt` writes), and in another year's file only what it needs."""


def longest_text(rows: int) -> int:
    """The most characters of a text cell in a table of so many rows: an array of them stays within 256 MiB."""
    return max(100, min(10_000, 2**26 // max(rows, 1)))


@dataclass(frozen=True)
class Column:
    """One prediction column of a table submission.

    `kind` says how a cell is read: "float" (a finite decimal number), "int" (a whole number without a point, as int64)
    or "text". `minimum` and `maximum` are inclusive, for numbers; the default bounds keep a squared error finite. A
    text has at most `maximum` characters.
    `choices` and `room` are for text: the only names that a cell may be, as long as there are any, else the bytes of a
    cell on average, which bound the file. Where the names are not known, `pattern` is the form of each, a regular
    expression. Where `runs`, a text is a mask of `maximum` pixels as `tasks.runs` reads it.
    """

    name: str
    kind: Literal["float", "int", "text"] = "float"
    minimum: float = -1e100
    maximum: float = 1e100
    room: int = 4096
    choices: tuple[str, ...] = ()
    runs: bool = False
    pattern: str = ""

    def __post_init__(self) -> None:
        if self.choices and (self.kind != "text" or len(set(self.choices)) < len(self.choices)):
            raise ValueError(f"column {self.name}: only text has choices, each of them once")

    @property
    def cell_bytes(self) -> int:
        """The bytes of a cell, on average, without quotes around it."""
        if self.choices:
            return max(NUMBER_BYTES, *(len(choice.encode()) for choice in self.choices))
        return self.room if self.kind == "text" else NUMBER_BYTES

    def to_json(self) -> dict[str, Any]:
        values = {"name": self.name, "kind": self.kind, "minimum": self.minimum, "maximum": self.maximum}
        values |= {"room": self.room} if self.kind == "text" else {}
        values |= {"runs": True} if self.runs else {}
        values |= {"pattern": self.pattern} if self.pattern else {}
        return values | ({"choices": list(self.choices)} if self.choices else {})

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Column:
        return Column(**{**values, "choices": tuple(values.get("choices", ()))})


class Year(NamedTuple):
    """The course's test set of one year: its header, its number of rows and its first id ("0", "0001").

    Ids count up from the first one and keep its width; an empty `first` says that the ids are not known.
    """

    name: str
    header: tuple[str, ...]
    rows: int
    first: str = ""

    @property
    def last(self) -> str:
        return str(int(self.first) + self.rows - 1).zfill(len(self.first))


@dataclass(frozen=True)
class TableFormat:
    """The format of a submitted table: one header line and one row for each id, in any order.

    `ids` are in the order of the sample submission: a `range` where they are whole numbers that count up by one, else
    the ids as text. `years` describes the course's own test sets, so that a file of the wrong year is not reported as
    a broken one. Where the course's own ids are not known, `pattern` is their form, and `ids` only stand for them.
    Where `most_rows` is above 1, an id may have up to so many rows, or none, and a column is read as `tasks.repeats`
    says.
    """

    id: str
    columns: tuple[Column, ...]
    ids: range | tuple[str, ...]
    years: tuple[Year, ...] = ()
    pattern: str = ""
    most_rows: int = 1

    suffix: ClassVar[str] = ".csv"

    @property
    def unit(self) -> str:
        return "rows" if self.most_rows == 1 else "ids"

    def __len__(self) -> int:
        return len(self.ids)

    def fit(self, answers: Answers) -> TableFormat:
        """This format for a prepared competition, with the ids of its answers in place of the course's."""
        return replace(self, ids=answers.ids, pattern="")

    @property
    def header(self) -> tuple[str, ...]:
        return (self.id, *(column.name for column in self.columns))

    @cached_property
    def max_bytes(self) -> int:
        """The maximum file size in bytes: enough for the rows, or for another year's file, and some more.

        Every byte of it is room on the grader's disk that a participant can fill.
        """
        ends = (self.ids[0], self.ids[-1]) if isinstance(self.ids, range) and self.ids else self.ids
        longest = max((len(str(name).encode()) for name in ends), default=0)
        cells = sum(column.cell_bytes for column in self.columns)
        row = longest + cells + 3 * len(self.header) + 3  # quotes and a comma for each cell, CR CR LF
        rows = max(len(self.ids) * self.most_rows, *(year.rows for year in self.years), 0)
        if rows <= MANY_ROWS or any(column.kind != "int" for column in self.columns):
            return min(MOST_BYTES, SPARE_BYTES + rows * row)
        own = row - (NUMBER_BYTES - WHOLE_NUMBER_BYTES) * len(self.columns)
        digits = sum(max(len(f"{bound:.0f}") for bound in (one.minimum, one.maximum)) for one in self.columns)
        other = max((year.rows * (len(year.last) + digits + len(self.header) + 1) for year in self.years), default=0)
        return min(MOST_BYTES, SPARE_BYTES + max(len(self.ids) * own, other))

    def to_json(self) -> dict[str, Any]:
        if isinstance(self.ids, range):
            ids: Any = {"first": self.ids.start, "count": len(self.ids)}
        else:
            ids = list(self.ids)
        return {
            "kind": "table",
            "id": self.id,
            "columns": [column.to_json() for column in self.columns],
            "ids": ids,
            "max_bytes": self.max_bytes,
            "years": [[year.name, list(year.header), year.rows, year.first] for year in self.years],
            **({"pattern": self.pattern} if self.pattern else {}),
            **({"most_rows": self.most_rows} if self.most_rows > 1 else {}),
        }

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> TableFormat:
        """The inverse of `to_json`; `max_bytes` is computed again, whatever an older release wrote."""
        ids = values["ids"]
        return TableFormat(
            id=values["id"],
            columns=tuple(map(Column.from_json, values["columns"])),
            ids=range(ids["first"], ids["first"] + ids["count"]) if isinstance(ids, dict) else tuple(ids),
            years=tuple(Year(name, tuple(header), *rest) for name, header, *rest in values["years"]),
            pattern=values.get("pattern", ""),
            most_rows=values.get("most_rows", 1),
        )


TRANSLATION = "translation"
"""The column of lines that are translations: an empty one is written as `<unk>`."""


@dataclass(frozen=True)
class LinesFormat:
    """A text file with one answer per line, read as one column of text; `ids` are the line numbers, from 1."""

    column: str
    ids: range
    max_bytes: int

    unit: ClassVar[str] = "lines"
    suffix: ClassVar[str] = ".txt"

    def __len__(self) -> int:
        return len(self.ids)

    def fit(self, answers: Answers) -> LinesFormat:
        """This format with as many lines as there are answers, and no more bytes than they need."""
        return self._of(len(answers))

    def _of(self, lines: int) -> LinesFormat:
        return replace(self, ids=range(1, lines + 1), max_bytes=min(self.max_bytes, SPARE_BYTES + lines * LINE_BYTES))

    def to_json(self) -> dict[str, Any]:
        return {"kind": "lines", "column": self.column, "lines": len(self.ids), "max_bytes": self.max_bytes}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> LinesFormat:
        return LinesFormat(values["column"], range(0), values["max_bytes"])._of(values["lines"])


@dataclass(frozen=True)
class ImagesFormat:
    """A gzipped tar archive of `count` RGB images of one size in pixels and nothing else, all JPEG or all PNG.

    They are `1.jpg` … `count.jpg` at its root (or `.png`), unless `names` are given, which may have folders, such as
    `plane/7.png`. The archive is read as "image", uint8 `(count, height, width, 3)`, in the order of the names. Without
    given names the images do not correspond to hidden rows, so the format sets their number.
    """

    count: int
    width: int = 64
    height: int = 64
    max_bytes: int = 2_000_000
    encoding: Literal["jpeg", "png"] = "jpeg"
    names: tuple[str, ...] = ()

    unit: ClassVar[str] = "images"
    suffix: ClassVar[str] = ".tgz"

    def __post_init__(self) -> None:
        parts = [part for name in self.names for part in name.split("/")]
        odd = any(part in ("", ".", "..") or "\\" in part for part in parts) or self.encoding not in ("jpeg", "png")
        if odd or (self.names and len({name.lower() for name in self.names}) != self.count):
            raise ValueError("images have `count` different names, paths within the archive, and one of two encodings")

    @property
    def ids(self) -> range | tuple[str, ...]:
        return self.names or range(1, self.count + 1)

    @cached_property
    def files(self) -> tuple[str, ...]:
        """The names of all files of the archive."""
        ending = {"jpeg": "jpg", "png": "png"}[self.encoding]
        return self.names or tuple(f"{number}.{ending}" for number in range(1, self.count + 1))

    def __len__(self) -> int:
        return self.count

    def fit(self, answers: Answers) -> ImagesFormat:
        return self

    def to_json(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in ("count", "width", "height", "max_bytes")}
        values |= {} if self.encoding == "jpeg" else {"encoding": self.encoding}
        return {"kind": "images"} | values | ({"names": list(self.names)} if self.names else {})

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> ImagesFormat:
        given = {field.name: values[field.name] for field in fields(ImagesFormat) if field.name in values}
        return ImagesFormat(**given | {"names": tuple(given.get("names", ()))})


@dataclass(frozen=True)
class EpisodesFormat:
    """The actions of episodes, as a table `episode,step,action`, as JSON lists or as a `.npy` of whole numbers.

    It is read as "actions", int8 `(n, max_steps)` with -1 after the last one, and "length", int64 `(n,)`. `seeds` are
    those of the environments, in the order of the episodes 0, 1, …, and students know them. Where `chained`, `seeds[0]`
    alone is set, once, and the episodes follow each other in one environment. Actions go from 0 to `actions` - 1.
    """

    seeds: tuple[int, ...]
    chained: bool = False
    actions: int = 4
    max_steps: int = 1000

    unit: ClassVar[str] = "episodes"
    suffix: ClassVar[str] = ".csv"

    @property
    def max_bytes(self) -> int:
        """The maximum file size in bytes: enough for a CSV of all steps, the largest form, and some more."""
        row = len(f"{len(self.seeds) - 1},{self.max_steps - 1},{self.actions - 1}\r\n")
        return SPARE_BYTES + len(self.seeds) * self.max_steps * row

    @property
    def ids(self) -> range:
        return range(len(self.seeds))

    def __len__(self) -> int:
        return len(self.seeds)

    def fit(self, answers: Answers) -> EpisodesFormat:
        """This format, unchanged; `Made.form` gives the seeds."""
        return self

    def to_json(self) -> dict[str, Any]:
        return {"kind": "episodes"} | asdict(self) | {"seeds": list(self.seeds), "max_bytes": self.max_bytes}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> EpisodesFormat:
        """The inverse of `to_json`; `max_bytes` is computed again, whatever an older release wrote."""
        given = {field.name: values[field.name] for field in fields(EpisodesFormat)}
        return EpisodesFormat(**given | {"seeds": tuple(given["seeds"])})


@dataclass(frozen=True)
class Question:
    """One question of a quiz: its options as (name, text), and what it is worth.

    Where `one`, a single option may be chosen. With the credit "share" part of the points can be had, see
    `tasks.quiz.gained`.
    """

    name: str
    options: tuple[tuple[str, str], ...]
    points: float
    text: str = ""
    one: bool = False
    credit: Literal["all", "share"] = "all"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.options)


@dataclass(frozen=True)
class QuizFormat:
    """The chosen options of each question of a quiz, as a table `question,answer` with a row for each question.

    It is read as "answer": the names of the chosen options in the question's own order, with blanks between them, or
    the empty text where nothing is chosen.
    """

    questions: tuple[Question, ...]

    unit: ClassVar[str] = "questions"
    suffix: ClassVar[str] = ".csv"

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(question.name for question in self.questions)

    @property
    def table(self) -> TableFormat:
        """The table that is read, before its options are looked at."""
        room = max(sum(len(name.encode()) + 2 for name in question.names) for question in self.questions)
        return TableFormat("question", (Column("answer", "text", room=room),), self.ids)

    @property
    def max_bytes(self) -> int:
        return self.table.max_bytes

    @property
    def points(self) -> float:
        """The points of all questions."""
        return round(math.fsum(question.points for question in self.questions), 9)

    def fit(self, answers: Answers) -> QuizFormat:
        return self

    def to_json(self) -> dict[str, Any]:
        questions = [asdict(question) | {"options": list(map(list, question.options))} for question in self.questions]
        return {"kind": "quiz", "questions": questions, "max_bytes": self.max_bytes}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> QuizFormat:
        """The inverse of `to_json`; `max_bytes` is computed again, whatever another release wrote."""
        questions = (
            Question(**{**one, "options": tuple((name, text) for name, text in one["options"])})
            for one in values["questions"]
        )
        return QuizFormat(tuple(questions))


Format = TableFormat | LinesFormat | ImagesFormat | EpisodesFormat | ArraysFormat | ModelFormat | QuizFormat
"""The submission formats. `unit` is what `ids` count, `suffix` is the ending of a file's name.

`to_json` gives a format as plain values, for `format.json`, and `from_json` is its inverse. `fit` gives it for a
prepared competition.
"""


def format_from_json(values: Mapping[str, Any]) -> Format:
    """The format that a `format.json` describes. Raises UserError for a kind that this release does not know."""
    kinds: dict[str, type[Format]] = {
        "table": TableFormat, "lines": LinesFormat, "images": ImagesFormat, "episodes": EpisodesFormat,
        "arrays": ArraysFormat, "model": ModelFormat, "quiz": QuizFormat,
    }  # fmt: skip
    kind = values["kind"]
    if kind not in kinds:
        raise UserError(f"submissions of the kind {kind!r:.40} need a newer lhy-grade: pipx upgrade lhy-grade")
    return kinds[kind].from_json(values)
