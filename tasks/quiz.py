"""Quizzes: the key of an instructor, and points as rows and a value.

The key is a CSV with a row for each question:

    question,options,answer,points,text,choose,credit
    q1,A: a minimum|B: a saddle point|C: both,B,0.4,Where is the gradient zero?,one,all
    q2,A|B|C|D,A C,0.4,Which of these forget less?,any,share

`text`, `choose` and `credit` can be left out: then a question has no text, any number of options may be chosen, and
there is all or nothing. Nothing of `answer` reaches a student before the deadline, not even how many options are right.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tasks.base import PRIVATE, Answers
from tasks.errors import UserError
from tasks.formats import Question, QuizFormat
from tasks.metrics import Metric, no_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.base import Answers, Columns

NEEDED, OPTIONAL = ("question", "options", "answer", "points"), ("text", "choose", "credit")
MOST_QUESTIONS, MOST_OPTIONS, MOST_TEXT, MOST_POINTS = 200, 40, 5000, 1000
MOST_FORM = 2**19
"""The most bytes of a form in which every option of a quiz is chosen."""
SHOWN = 20

_NAME = re.compile(r"\w[\w.\-]{0,39}")
_POINTS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?", re.ASCII)
_BETWEEN = re.compile(r"[\s,;|]+")


def words(cell: str) -> list[str]:
    """The names of options in a cell.

    >>> words("C, A;B "), words("")
    (['C', 'A', 'B'], [])
    """
    return [word for word in _BETWEEN.split(cell) if word]


def gained(points: float, options: int, share: bool, right: set[str], chosen: set[str]) -> float:
    """The points of an answer to a question with so many options, never below zero.

    All or nothing: the chosen options must be the right ones and no others. With `share`, it is the share of the right
    options that is chosen less the share of the wrong options that is chosen, so that choosing all or nothing gains
    nothing; where all options are right, nothing is taken away.

    >>> right = {"A", "B"}
    >>> [gained(1.0, 4, True, right, set(chosen)) for chosen in ("AB", "A", "AC", "ABC", "ABCD", "")]
    [1.0, 0.5, 0.0, 0.5, 0.0, 0.0]
    """
    if not share:
        return points if chosen == right else 0.0
    wrong = options - len(right)
    part = len(chosen & right) / len(right) - (len(chosen - right) / wrong if wrong else 0.0)
    return points * max(0.0, part)


def gains(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """The points of each question (n,)."""
    import numpy as np

    cells = zip(answers["answer"].tolist(), answers["worth"].tolist(), predictions["answer"].tolist(), strict=True)
    rows = [
        gained(points, int(options), bool(share), set(right.split()), set(chosen.split()))
        for right, (points, options, share), chosen in cells
    ]
    return np.array(rows, dtype=np.float64)


def total(rows: NDArray[Any], weight: NDArray[Any] | None = None) -> Any:
    """The weighted sum of rows (n,): a float, or (b,) sums for weights (b, n); to nine decimals, so 25 x 0.4 is 10."""
    if weight is None:
        return round(math.fsum(rows.tolist()), 9)
    if weight.ndim == 2:
        return (weight.astype(float) @ rows).round(9)
    return round(math.fsum((rows * weight).tolist()), 9)


POINTS = Metric("points_score", "points", True, math.inf, 0.0, 3, gains, value=total, interval=no_interval)


@dataclass(frozen=True)
class Key:
    """The questions of a quiz, and the right options of each."""

    form: QuizFormat
    right: tuple[tuple[str, ...], ...]

    @property
    def answers(self) -> Answers:
        """The hidden side, all of it private: a quiz has no score before its deadline.

        "worth" (n, 3) has the points, the number of options, and 1 for the credit "share".
        """
        import numpy as np

        worth = [(one.points, len(one.options), one.credit == "share") for one in self.form.questions]
        return Answers(
            self.form.ids,
            {
                "answer": np.array([" ".join(names) for names in self.right], dtype=np.str_),
                "worth": np.array(worth, dtype=np.float64),
            },
            usage=np.full(len(self.form), PRIVATE, dtype=np.int8),
        )


def read_key(path: Path) -> Key:
    """The key of a quiz. Raises UserError with the lines of all problems, and never with a right answer."""
    from tasks.solution import read_csv

    header, rows, lines = read_csv(path, "the key of a quiz")
    missing = [name for name in NEEDED if name not in header]
    strange = [name for name in header if name not in (*NEEDED, *OPTIONAL)]
    if missing or strange:
        raise UserError(
            f"{path.name}, line 1: expected the columns {', '.join(NEEDED)} and, if you like, {', '.join(OPTIONAL)}; "
            + "; ".join([*(f"missing {name}" for name in missing), *(f"unexpected {name[:40]!r}" for name in strange)])
        )
    problems: list[str] = []
    if len(rows) > MOST_QUESTIONS:
        problems.append(f"{path.name}: {len(rows):,} questions; a quiz has at most {MOST_QUESTIONS}.")
    seen: dict[str, int] = {}
    questions, right = [], []
    for line, row in zip(lines, rows, strict=True):
        cells = dict.fromkeys(OPTIONAL, "") | {name: cell.strip() for name, cell in zip(header, row, strict=True)}
        question, chosen, found = _question(cells)
        if question.name in seen:
            found.append(f"the question {question.name!r} is already on line {seen[question.name]}")
        seen.setdefault(question.name, line)
        problems += [f"{path.name}, line {line}: {what}." for what in found]
        questions.append(question)
        right.append(tuple(name for name in question.names if name in chosen))
    if sum(len(quote(name)) + 6 for question in questions for name in question.names) > MOST_FORM:
        problems.append(f"{path.name}: the names of the options are too long; put their texts behind colons.")
    if not problems and not any(question.points for question in questions):
        problems.append(f"{path.name}: no question has points.")
    if problems:
        more = [f"… and {len(problems) - SHOWN} more."] if len(problems) > SHOWN else []
        raise UserError("\n".join([*problems[:SHOWN], *more]))
    return Key(QuizFormat(tuple(questions)), tuple(right))


def _question(cells: dict[str, str]) -> tuple[Question, list[str], list[str]]:
    """A question of the key, its right options, and what is wrong with it."""
    found: list[str] = []
    name, choose, credit = cells["question"], cells["choose"] or "any", cells["credit"] or "all"
    if not _NAME.fullmatch(name):
        found.append(
            f"{name[:40]!r} is no name of a question: a letter or digit, then letters, digits and .-_, up to 40"
        )
    options = [
        (one.strip(), text.strip()) for one, _, text in (part.partition(":") for part in _parts(cells["options"]))
    ]
    names = [one for one, _ in options]
    if odd := [one for one in names if not _NAME.fullmatch(one)]:
        found.append(
            f"{odd[0][:40]!r} is no name of an option: a letter or digit, then letters, digits and .-_, up to 40"
        )
    if twice := sorted({one for one in names if names.count(one) > 1}):
        found.append(f"the option {twice[0][:40]!r} is there twice")
    if not 2 <= len(names) <= MOST_OPTIONS:
        found.append(f"expected 2 to {MOST_OPTIONS} options with | between them, got {len(names)}")
    right = words(cells["answer"])
    if not right:
        found.append("the answer is empty; name at least one right option")
    if count := sum(one not in names for one in right):
        found.append(f"{count} of the options in the answer are not options of the question")
    if len(set(right)) < len(right):
        found.append("the answer names an option twice")
    if choose not in ("one", "any"):
        found.append(f"choose must be one or any, got {choose[:40]!r}")
    if choose == "one" and len(right) > 1:
        found.append("one option may be chosen, but the answer has several")
    if credit not in ("all", "share"):
        found.append(f"credit must be all or share, got {credit[:40]!r}")
    points = float(cells["points"]) if _POINTS.fullmatch(cells["points"]) else -1.0
    if not 0 <= points <= MOST_POINTS:
        got = cells["points"][:40]
        found.append(f"points must be a number from 0 to {MOST_POINTS} with up to 6 decimals, like 0.4; got {got!r}")
    if max(len(cells["text"]), *(len(text) for _, text in options), 0) > MOST_TEXT:
        found.append(f"a text has more than {MOST_TEXT:,} characters")
    shares = credit == "share"
    return (
        Question(name, tuple(options), points, cells["text"], choose == "one", "share" if shares else "all"),
        right,
        found,
    )


def _parts(cell: str) -> list[str]:
    return [part for part in cell.split("|") if part.strip()]


def sample(form: QuizFormat) -> bytes:
    """A sample submission, in which every question is blank."""
    return "".join(["question,answer\n", *(f"{name},\n" for name in form.ids)]).encode()


_MARKS = re.compile(r"([\\`*_\[\]<>#|~&])|^(\s*)([-+=]|[0-9]+(?=[.)]))", re.MULTILINE)


def sheet(title: str, form: QuizFormat) -> str:
    """The sheet of a quiz in Markdown, in which the texts of the key stand for themselves."""
    lines = [
        f"# {plain(title)}",
        "",
        f"{len(form)} questions, {form.points:g} points. Hand in a CSV with the header `question,answer` and a row for"
        " each question, as in",
        "`sample_submission.csv`. An answer is the names of the options you choose, in any order, with blanks between"
        " them; an empty",
        "answer is a blank. Points appear after the deadline.",
        "",
    ]
    for one in form.questions:
        kind = "choose one" if one.one else "choose all that are right"
        credit = {"all": "all or nothing", "share": "part of the points for part of the answer"}[one.credit]
        lines += [f"## {plain(one.name)}", "", f"{one.points:g} points; {kind}; {credit}.", ""]
        lines += [*(f"{plain(line)}  " for line in one.text.splitlines()), ""] if one.text else []
        lines += [
            *(f"- `{name}`" + (f" {plain(' '.join(text.split()))}" if text else "") for name, text in one.options)
        ]
        lines.append("")
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text with a backslash before what Markdown would read as a mark.

    >>> print(plain("a*b <i>"), plain("- y"), plain("1. z"))
    a\\*b \\<i\\> \\- y 1\\. z
    """

    def escaped(found: re.Match[str]) -> str:
        if found[1]:
            return f"\\{found[1]}"
        mark: str = found[3]
        return f"{found[2]}{mark}\\" if mark[0].isdigit() else f"{found[2]}\\{mark}"

    return _MARKS.sub(escaped, text)
