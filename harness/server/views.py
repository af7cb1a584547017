"""What each page shows: its template and the values in it, from the answers of `harness.course`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.archive import grouped
from harness.course import (
    announcing,
    attachments,
    boards,
    catalogue,
    handing_in,
    limits,
    points,
    quizzes,
    record,
    requests,
)
from harness.course.entries import Submission, to_json
from harness.course.gradebook import gradebook_table
from harness.course.types import Board, Files, Points
from harness.course.wording import HIDDEN, best_words, with_bars
from harness.server import auth, quiz
from harness.server.chart import chart
from harness.server.rendering import Ask, Page, Values, markdown, score_text
from harness.show import SEEN
from harness.words import interval, number, short_time, slot_words
from leaderboard.events import DISQUALIFIED
from tasks.base import as_written
from tasks.errors import UserError

PER_PAGE = 200
"""Submissions per page of the staff's list of all submissions."""

Line = Mapping[str, Any]
"""A line of a table, by the keys of its columns."""


def overview(ask: Ask, done: bool = False, problem: str = "", text: str = "") -> Page:
    """The homeworks with their deadlines and the viewer's standing, and what the staff tell the course."""
    known = ask.viewer.role != "nobody"
    told = announcing.read(ask.home, ask.viewer).announcements if known else []
    values = {"rows": catalogue.homeworks(ask.home, ask.viewer, ask.now).tasks, "told": told, "done": done}
    values |= {"points": own_total(ask) if ask.viewer.role == "student" else None}
    return Page("overview.html", values | {"problem": problem, "text": text}, 400 if problem else 200)


def own_total(ask: Ask) -> Points | None:
    """The viewer's points; None where the course's settings of points are invalid, which their own page says."""
    try:
        return points.points_of(ask.home, ask.viewer.key, None, ask.now, placed=False)
    except UserError:
        return None


def homework(ask: Ask, hw: str) -> Page:
    """The text, the data, the rules and the bars of a homework."""
    found = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    name = found.name
    known = ask.viewer.role != "nobody"
    data = catalogue.files(ask.home, ask.viewer, name) if known else Files(name, found.version, [])
    picture = catalogue.picture(ask.home, ask.viewer, name) if known else None
    cards = {card.name: card for card in found.metrics}
    needs = {
        bar.name: [
            (cards[metric].label, str(as_written(value, bar.digits)), cards[metric].higher_is_better)
            for metric, value in bar.public
        ]
        for bar in found.bars
    }
    return Page(
        "homework.html",
        {"hw": found, "tab": "sheet", "sheet": markdown(catalogue.sheet(ask.home, ask.viewer, name)), "needs": needs}
        | {"files": grouped([vars(file) for file in data.files if file.file != "sheet.md"])}
        | {"unselected": requests.unselected_words(found.rules)}
        | {"archive": data.archive, "count": len(data.files), "picture": picture, "seen": SEEN.get(name, "")},
    )


@dataclass(frozen=True)
class Heading:
    """A column of the board: `order` is the value of `sort` that orders by it, or reverses the order."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    right: bool = False
    sorted: Literal["ascending", "descending", "none"] = "none"
    order: str = ""


def board(
    ask: Ask,
    hw: str,
    sort: str = "",
    private: bool = False,
    unrevealed: bool = False,
    search: str = "",
    page: int = 1,
    version: int | None = None,
) -> Page:
    """A page of the public or private board, sorted by a column; sorted by rank it also has rows for the bars.

    `search` leaves only names with that text. `page` counts from 1; the last one stands for a greater number. `version`
    selects an older data version.
    """
    about = of_version(ask, hw, version)
    found = boards.board(ask.home, ask.viewer, hw, private=private, unrevealed=unrevealed, version=version, now=ask.now)
    rows = to_json(found.board)
    headings = [
        heading
        for heading in _headings(found)
        if heading.key in ("rank", "name", "score") or any(row.get(heading.key) not in (None, []) for row in rows)
    ]
    by, down = sort.removeprefix("-"), sort.startswith("-")
    if by not in {heading.key for heading in headings}:
        by, down = "rank", False
    rows = with_bars(rows, found) if (by, down) == ("rank", False) else ordered(rows, by, down)
    wanted = search.strip().casefold()
    if wanted:
        rows = [row for row in rows if "divider" not in row and wanted in row["name"].casefold()]
    size = len(rows) or 1 if unrevealed else PER_PAGE  # which no link leads to again
    pages = max(1, math.ceil(len(rows) / size))
    page = min(page, pages)
    own_page = next((at // size + 1 for at, row in enumerate(rows) if row.get("own")), None)
    shown = [
        Heading(
            heading.key,
            heading.title,
            heading.show,
            heading.right,
            "none" if heading.key != by else "descending" if down else "ascending",
            f"-{heading.key}" if heading.key == by and not down else heading.key,
        )
        for heading in headings
    ]
    own = next((row for row in found.board if row.own), None)
    return Page(
        "board.html",
        about
        | {"tab": "board", "board": found, "headings": shown, "own": own, "own_page": own_page}
        | {"metric": found.metrics[0], "private": private, "unrevealed": unrevealed, "sort": sort, "search": search}
        | {"rows": rows[(page - 1) * size : page * size], "page": page, "pages": pages},
    )


def of_version(ask: Ask, hw: str, version: int | None) -> Values:
    """The homework, and what it was with these data; `version` is None for the data in use."""
    homework = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    version = None if version == homework.version else version
    seen = homework if version is None else catalogue.homework(ask.home, ask.viewer, hw, ask.now, version)
    return {"hw": homework, "seen": seen, "version": version}


def _headings(found: Board) -> list[Heading]:
    metric, *others = found.metrics
    moves = [
        Heading("public_rank", "public #", right=True),
        Heading("move", "move", lambda n: f"▲ {n}" if n > 0 else f"▼ {-n}" if n < 0 else "=", right=True),
    ]
    return [
        Heading("rank", "#", right=True),
        Heading("name", "name"),
        Heading("score", metric.label, number(metric.digits), right=True),
        *(Heading(other.name, other.label, number(other.digits), right=True) for other in others),
        *(moves if found.side == "private" else []),
        Heading("model", "model"),
        Heading("bars", "bars passed", ", ".join),
        Heading("interval", "95 % interval", interval(metric.digits), right=True),
        Heading("entries", "entries", right=True),
        Heading("last", "last", short_time),
    ]


def ordered(rows: Sequence[Line], key: str, down: bool) -> list[Line]:
    """The lines sorted by a column, ties by rank; those without a value come last in both directions."""

    def value(row: Line) -> Any:
        found = row[key]
        if isinstance(found, str):
            return found.casefold()
        return len(found) if key == "bars" else found

    known = [row for row in rows if row.get(key) is not None]
    return sorted(known, key=value, reverse=down) + [row for row in rows if row.get(key) is None]


def hand_in(ask: Ask, hw: str) -> Page:
    """The form for submitting a file."""
    handing_in.submit_limit(ask.home, ask.viewer, hw, ask.now)
    found = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    return Page("submit.html", {"hw": found, "tab": "submit"})


def quiz_form(
    ask: Ask, hw: str, saved: bool = False, kept: quiz.FormAnswers | None = None, conflict: Sequence[str] = ()
) -> Page:
    """The questions of a quiz with the saved answers, or with those of a form whose draft was changed meanwhile."""
    homework, draft = (
        catalogue.homework(ask.home, ask.viewer, hw, ask.now),
        quizzes.draft(ask.home, ask.viewer, hw, ask.now),
    )
    questions = quiz.shown(quizzes.quiz(ask.home, ask.viewer, hw), draft.answers if kept is None else kept)
    found = [(name, " ".join(draft.answers[name]) or "nothing") for name in conflict]
    blank = [one["name"] for one in questions if not one["chosen"]]
    values = {"hw": homework, "tab": "submit", "questions": questions, "draft": draft, "conflict": found}
    return Page("quiz.html", values | {"saved": saved, "blank": blank}, 409 if conflict else 200)


def submissions(
    ask: Ask, hw: str, saved: bool = False, version: int | None = None, problem: str = "", status: int = 200
) -> Page:
    """The viewer's submissions, their score history and the selection, which older data versions have no more."""
    about = of_version(ask, hw, version)
    seen = about["seen"]
    rows = record.submissions(ask.home, ask.viewer, hw, version=version, now=ask.now).submissions
    chosen = limits.selection(ask.home, ask.viewer, hw, ask.now) if about["version"] is None else None
    counting = {row.id for row in chosen.counts} if chosen else set()
    return Page(
        "submissions.html",
        about
        | {"tab": "submissions", "rows": rows[::-1], "selection": chosen, "counting": counting}
        | {"chart": chart(seen.metrics[0], seen.bars, rows), "saved": saved, "problem": problem}
        | {"unselected": requests.unselected_words(chosen) if chosen else ""}
        | {"waiting": any(row.state in ("queued", "grading") for row in rows)}
        | {"revealed": any(row.private is not None for row in rows)},
        status,
    )


def own_attachments(ask: Ask, hw: str, done: int = 0, again: bool = False) -> Page:
    """The viewer's second files of a homework, and the form for another one."""
    homework = catalogue.homework(ask.home, ask.viewer, hw, ask.now)
    found = attachments.attachments(ask.home, ask.viewer, hw, ask.now)
    done = done if done in {row.id for row in found.attachments} else 0
    values: Values = {"hw": homework, "tab": "attachments", "asked": found.asked, "rows": found.attachments[::-1]}
    return Page("attachments.html", values | {"done": done, "again": again})


def submission(ask: Ask, number: int, handed: bool = False) -> Page:
    """One submission: its state, its score or the problems of its file, and its receipt."""
    seen = record.submission(ask.home, ask.viewer, number, ask.now)
    homework = catalogue.homework(ask.home, ask.viewer, seen.homework, ask.now)
    receipt = json.dumps(record.receipt(ask.home, ask.viewer, number), indent=2, ensure_ascii=True)
    cards = {card.name: card for card in seen.metrics}
    values: Values = {"hw": homework, "tab": "submissions" if seen.own else "everyone", "one": seen, "cards": cards}
    values |= {"receipt": receipt.split("\n"), "said": standing(seen), "handed": handed and seen.own}
    return Page("submission.html", values)


def standing(seen: Submission) -> str:
    """The state of a submission as a sentence."""
    card = seen.metrics[0]
    if seen.code == DISQUALIFIED:
        return "Disqualified by the course staff; it does not count. The slot stays used."
    if seen.state == "graded" and not seen.scores:
        points = None if seen.private is None else score_text(seen.private, card.digits)
        return f"{HIDDEN[:1].upper()}{HIDDEN[1:]}." if points is None else f"Graded: {points} {card.label}."
    if seen.state == "graded":
        text = f"Graded: public {card.label} {score_text(seen.scores[0].public, card.digits)}"
        if seen.rank is not None:
            return f"{text}, rank {seen.rank}."
        return f"{text}; {best_words(seen, own=seen.own)}." if seen.best else f"{text}."
    return {
        "queued": f"Waiting at position {seen.position} in the queue.",
        "grading": "Being graded now.",
        "rejected": f"The file was refused; {slot_words(seen.code or '')}.",
        "failed": "Grading failed. The file is kept; the course staff have to look into it.",
    }[seen.state]


def everyone(ask: Ask, hw: str, search: str, page: int, version: int | None = None) -> Page:
    """All submissions of a homework, newest first, for staff."""
    about = of_version(ask, hw, version)
    found = record.submissions(ask.home, ask.viewer, hw, everyone=True, version=version, now=ask.now)
    rows = found.submissions[::-1]
    wanted = search.strip().casefold()
    if wanted:
        rows = [row for row in rows if wanted in f"{row.name}\n{row.participant}\n{row.state}".casefold()]
    pages = max(1, math.ceil(len(rows) / PER_PAGE))
    page = min(page, pages)
    return Page(
        "everyone.html",
        about
        | {"tab": "everyone", "search": search, "page": page, "pages": pages, "total": len(rows)}
        | {"rows": rows[(page - 1) * PER_PAGE : page * PER_PAGE]},
    )


def own_points(ask: Ask) -> Page:
    """The viewer's points by homework and part, and the course total."""
    return Page("points.html", {"points": points.points(ask.home, ask.viewer, None, ask.now)})


def gradebook(ask: Ask, hw: str | None, search: str, page: int, version: int | None = None) -> Page:
    """The points of all students, for staff; the total stands beside the name."""
    at = (page, PER_PAGE)
    book = points.gradebook(ask.home, ask.viewer, hw, version=version, search=search, page=at, now=ask.now)
    header, rows = gradebook_table(book, hw is not None)
    total = header.index("total")
    order = [1, 0, total, *(at for at in range(4, len(header)) if at != total), 3, 2]
    pages = max(1, math.ceil(book.found / PER_PAGE))
    names = [row.name for row in catalogue.homeworks(ask.home, ask.viewer, ask.now).tasks]
    known = book.homeworks[0].name in names if hw is not None else False
    about = of_version(ask, hw, version) if known and hw is not None else {"hw": None, "version": None}
    return Page(
        "gradebook.html",
        about
        | {"book": book, "chosen": hw, "names": names, "search": search, "page": min(page, pages), "pages": pages}
        | {"header": [header[at] for at in order], "rows": [[row[at] for at in order] for row in rows]},
    )


def own_tokens(ask: Ask, login: auth.Login, done: bool, problem: str = "", label: str = "", token: str = "") -> Page:
    """The viewer's tokens, and the form for a new one; `token` is new, shown this once."""
    rows = auth.tokens(ask.home, login, ask.now).tokens
    values = {"rows": rows, "done": done, "problem": problem, "label": label, "token": token}
    return Page("tokens.html", values, 400 if problem else 200)


def client(ask: Ask, address: str, place: str) -> Page:
    """How to install the command line, from a place that pip knows, and log in with it."""
    return Page("client.html", {"address": address, "place": place})
