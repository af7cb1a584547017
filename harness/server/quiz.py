"""The form of a quiz: what it sends, and handing it in as the file that anybody could have sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.course import access
from harness.server import state, uploads
from harness.server.auth import Login
from submissions.quiz import written
from submissions.store import receiving
from tasks.errors import UserError
from tasks.formats import QuizFormat
from tasks.quiz import MOST_FORM, MOST_OPTIONS, MOST_QUESTIONS

FIELDS = MOST_QUESTIONS * (MOST_OPTIONS + 1) + 10
"""The most fields of a form: every option of every question chosen."""

BYTES = MOST_FORM + 2**15
"""The most bytes of such a form."""

FormAnswers = dict[str, list[str]]


def answers_of(form: QuizFormat, fields: Mapping[str, Sequence[str]]) -> tuple[FormAnswers, int]:
    """The chosen options of each question, and the revision of the draft that the form was made of.

    The options of the first question are in `q0`; an empty value chooses nothing. Raises UserError for other fields.
    """
    names = {f"q{place}": question.name for place, question in enumerate(form.questions)}
    if not set(fields) <= {"revision", "go", "question", *names}:
        raise UserError("this form is not of this quiz; reload the page. Nothing was saved.")
    revision = fields.get("revision", [""])[0]
    if not (revision.isascii() and revision.isdigit() and len(revision) < 10):
        raise UserError("the form lacks its revision; reload the page. Nothing was saved.")
    return {name: [one for one in fields.get(field, ()) if one] for field, name in names.items()}, int(revision)


async def hand_in(server: state.Server, login: Login, hw: str, form: QuizFormat, answers: FormAnswers) -> int:
    """Hands in the answers as a file of the quiz; the number of the submission."""
    data = written(form, answers)
    with uploads.one_of_few(server, login), receiving(server.home.submissions, form.max_bytes) as arriving:
        state.limit(server.uploads, str(login.token))
        arriving.write(data)
        accepted = await uploads.accept(server, login, hw, arriving, "answers.csv", "", None)
    return accepted.submission


def shown(form: QuizFormat, answers: Mapping[str, Sequence[str]]) -> list[access.Body]:
    """The questions with what is chosen, for the page."""
    return [
        {
            "name": one.name,
            "lines": one.text.splitlines(),
            "points": one.points,
            "one": one.one,
            "credit": one.credit,
            "field": f"q{place}",
            "chosen": set(answers.get(one.name, ())),
            "options": [(name, " ".join(text.split())) for name, text in one.options],
        }
        for place, one in enumerate(form.questions)
    ]
