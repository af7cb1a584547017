"""The strict reader of quizzes: a table of questions and answers, then the options of each answer.

An answer is the names of options in any order, with blanks, commas or semicolons between them. An empty answer is a
blank: it gets no points, and `check` and `submit` say how many there are. A question without a row is refused, as an
id without a row is in any table.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence

from submissions.table import read_table
from submissions.text import SHOWN, Report, clip, text_of, without_end
from tasks.base import Columns, SubmissionError, UserError
from tasks.formats import Question, QuizFormat
from tasks.quiz import words

CODES: dict[str, str] = {
    "E_OPTION": "An answer names an option that the question does not have. Take the names from the sheet.",
    "E_OPTION_TWICE": "An answer names an option twice. Name each option once.",
    "E_OPTIONS": "An answer has several options where one may be chosen. Choose one of them.",
}
"""The error codes of quizzes, beside those of tables."""


STILL_READ = ("E_CELLS", "E_ID_MISSING", "E_ID_TWICE", "E_ID_UNKNOWN")
"""The problems of a table in which the options of the other rows are looked at too."""


def read_quiz(data: bytes, form: QuizFormat) -> Columns:
    """The chosen options of each question as "answer". Raises SubmissionError with every problem found."""
    import numpy as np

    try:
        cells: list[str] = read_table(data, form.table)["answer"].tolist()
    except SubmissionError as error:
        more = _odd_options(data, form) if error.code in STILL_READ else None
        if more is None:
            raise
        raise SubmissionError([*error.problems, *more.problems][:SHOWN], error.total + more.total) from None
    if (odd := _odd_options(data, form)) is not None:
        raise odd
    chosen = (set(words(cell)) for cell in cells)
    in_order = [
        " ".join(name for name in question.names if name in names)
        for question, names in zip(form.questions, chosen, strict=True)
    ]
    return {"answer": np.array(in_order, dtype=np.str_)}


def _odd_options(data: bytes, form: QuizFormat) -> SubmissionError | None:
    """What is wrong with the options in the rows that can be read; None if nothing is."""
    report, questions = Report(), {question.name: question for question in form.questions}
    header, *rows = (_cells(without_end(line)) for line in text_of(data).split("\n"))
    names = [cell.strip() for cell in header]
    for line, row in enumerate(rows, 2):
        cells = dict(zip(names, row, strict=False))
        question, cell = questions.get(cells.get("question", "")), cells.get("answer", "")
        if question is not None and (problem := _odd(question, words(cell))) is not None:
            report.line(*problem, line, cell, ", ".join(question.names), "answer")
    try:
        report.end()
    except SubmissionError as error:
        return error
    return None


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # a carriage return, which the table's reader reports
        return []


def _odd(question: Question, chosen: Sequence[str]) -> tuple[str, str] | None:
    """The code and the message for an answer that the question cannot have; None for one that it can have."""
    if strange := [name for name in chosen if name not in question.names]:
        what = f"question {question.name} has no option {clip(strange[0])}; it has {', '.join(question.names)}"
        between = "; write blanks between several options" if set(strange[0]) <= set(question.names) else ""
        return "E_OPTION", f"{what}{between}."
    if len(set(chosen)) < len(chosen):
        twice = next(name for name in chosen if chosen.count(name) > 1)
        return "E_OPTION_TWICE", f"option {twice} of question {question.name} is there twice."
    if question.one and len(chosen) > 1:
        return "E_OPTIONS", f"one option of question {question.name} may be chosen; got {len(chosen)}."
    return None


def checked(form: QuizFormat, answers: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The cell of each question from its chosen options. Raises UserError for what is no answer of this quiz."""
    questions, cells = {question.name: question for question in form.questions}, {}
    for name, chosen in answers.items():
        if name not in questions:
            raise UserError(f"there is no question {clip(name)} in this quiz; reload the page.")
        if (odd := _odd(questions[name], chosen)) is not None:
            raise UserError(odd[1], code=odd[0], exit_code=3)
        cells[name] = " ".join(option for option in questions[name].names if option in chosen)
    return cells


def written(form: QuizFormat, answers: Mapping[str, Sequence[str]]) -> bytes:
    """The file of these answers, which `read_quiz` reads."""
    cells = checked(form, answers)
    return "".join(["question,answer\n", *(f"{name},{cells.get(name, '')}\n" for name in form.ids)]).encode()


def remarks(form: QuizFormat, predictions: Columns) -> tuple[str, ...]:
    """A note on the questions left blank; empty if there are none."""
    blank = [name for name, cell in zip(form.ids, predictions["answer"].tolist(), strict=True) if not cell]
    if not blank:
        return ()
    shown = ", ".join(blank[:10]) + (" …" if len(blank) > 10 else "")
    return (f"left blank: {shown} ({len(blank)} of {len(form)} questions)",)
