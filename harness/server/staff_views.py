"""What the pages of staff show: the log and what was entered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from harness.course import catalogue, entered
from harness.course.access import canonical_or_empty
from harness.course.desk import LogQuestion
from harness.server.rendering import Ask, Page, Values
from harness.server.views import PER_PAGE
from tasks.errors import UserError

T = TypeVar("T")

EVENTS = 100
"""Events per page of the log."""


def log(ask: Ask, asked: LogQuestion) -> Page:
    """The newest events that fit, the newest first, with a form to choose them."""
    problem = ""
    asked = replace(asked, homework=canonical_or_empty(asked.homework) or asked.homework)
    try:
        found = entered.log(ask.home, ask.viewer, replace(asked, last=EVENTS))
    except UserError as error:
        if error.code != "E_INPUT":
            raise
        problem = str(error)
        found = entered.log(ask.home, ask.viewer, LogQuestion(last=EVENTS))
    names = [row.name for row in catalogue.homeworks(ask.home, ask.viewer, ask.now).tasks]
    values = {"asked": asked, "rows": found.events[::-1], "older": found.older, "names": names, "problem": problem}
    return Page("log.html", values, 400 if problem else 200)


def extensions(ask: Ask, hw: str) -> Page:
    """The extensions of a homework, the newest first."""
    rows = entered.extensions(ask.home, ask.viewer, hw).extensions[::-1]
    return Page("extensions.html", of_homework(ask, hw, "extensions") | {"rows": rows})


def parts(ask: Ask, hw: str) -> Page:
    """The points of a homework that were given by hand."""
    found = entered.parts(ask.home, ask.viewer, hw)
    return Page("parts_by_hand.html", of_homework(ask, hw, "parts") | {"parts": found.parts, "rows": found.points})


def tokens(ask: Ask, search: str, page: int) -> Page:
    """Everybody's tokens, the newest first."""
    rows = entered.person_tokens(ask.home, ask.viewer, None, ask.now).tokens
    wanted = search.strip().casefold()
    rows = [row for row in rows if wanted in f"{row.name}\n{row.id}\n{row.label}\n{row.state}".casefold()]
    shown, page, pages = turned(rows, page)
    return Page(
        "tokens_of_all.html", {"rows": shown, "found": len(rows), "page": page, "pages": pages, "search": search}
    )


def of_homework(ask: Ask, hw: str, part: str) -> Values:
    """What every page of staff about one homework needs; `part` is the page."""
    return {"hw": catalogue.homework(ask.home, ask.viewer, hw, ask.now), "tab": "staff", "part": part}


def turned(rows: Sequence[T], page: int) -> tuple[Sequence[T], int, int]:
    """A page of the rows, its number (the last one for a greater number), and how many pages there are."""
    pages = max(1, math.ceil(len(rows) / PER_PAGE))
    page = min(page, pages)
    return rows[(page - 1) * PER_PAGE : page * PER_PAGE], page, pages
