"""What the pages of staff show: the log and what was entered."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from harness.course import attachments, catalogue, classwork, entered, entering, persons, record
from harness.course.access import canonical_or_empty, require_instructor, require_staff
from harness.course.desk import Change, Extending, How, LogQuestion
from harness.course.entering import ids_in, of_input
from harness.course.revealing import reveal as reveal_board
from harness.home import zone_of
from harness.server.forms import NOTHING, FormEntry
from harness.server.rendering import Ask, Page, Values
from harness.server.views import PER_PAGE
from leaderboard.events import DISQUALIFIED
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


def queue(ask: Ask, page: int) -> Page:
    """What is being graded, what waits, and what failed."""
    rows = classwork.waiting(ask.home, ask.viewer, ask.now).submissions
    counts = {state: sum(row.state == state for row in rows) for state in ("grading", "queued", "failed")}
    shown, page, pages = turned(rows, page)
    return Page("queue.html", {"rows": shown, "counts": counts, "page": page, "pages": pages})


def standing(ask: Ask, hw: str) -> Page:
    """How a class stands in a homework: who has handed in, how the scores are spread, and all files."""
    found = classwork.histogram(ask.home, ask.viewer, hw)
    absent = classwork.missing(ask.home, ask.viewer, hw)
    most = max((one.participants for one in found.bins), default=1) or 1
    bins = [(one, round(100 * one.participants / most, 1)) for one in found.bins]
    return Page("standing.html", of_homework(ask, hw, "staff") | {"found": found, "bins": bins, "absent": absent})


def missing(ask: Ask, hw: str) -> Page:
    """Who has handed in no file that counts."""
    return Page("missing.html", of_homework(ask, hw, "missing") | vars(classwork.missing(ask.home, ask.viewer, hw)))


def handed(ask: Ask, hw: str) -> Page:
    """Who handed in the second file of a homework, and who did not."""
    found = attachments.handed(ask.home, ask.viewer, hw, ask.now)
    there = sum(row.attachment is not None for row in found.students)
    values = of_homework(ask, hw, "handed") | {"asked": found.asked, "students": found.students, "there": there}
    return Page("handed.html", values)


def extensions(ask: Ask, hw: str, entry: FormEntry = NOTHING) -> Page:
    """The extensions of a homework, the newest first, and the form for another one."""
    rows = entered.extensions(ask.home, ask.viewer, hw).extensions[::-1]
    values = of_homework(ask, hw, "extensions")
    return Page("extensions.html", values | {"rows": rows, "entry": entry, "zone_of_deadline": _zone(ask, hw)})


def extend(ask: Ask, hw: str, values: Mapping[str, str], how: How) -> Change:
    """Gives the extension of the form."""
    with of_input():
        asked = Extending(
            people=ids_in(values.get("people", "")),
            teams=[line.strip() for line in values.get("teams", "").splitlines() if line.strip()],
            everybody="everybody" in values,
            until=_with_zone(values.get("until", ""), _zone(ask, hw)),
            hours=_number(values, "hours"),
            slots=None if (slots := _number(values, "slots")) is None else int(slots),
            day=values.get("day", "").strip(),
        )
    return entering.extend(ask.home, ask.viewer, hw, asked, how, ask.now)


def _zone(ask: Ask, hw: str) -> str:
    return entered.competition_for_staff(ask.home, ask.viewer, hw, "give extensions").rules.deadline_zone


def _with_zone(text: str, zone: str) -> str:
    """A time as a browser's field has it, with the offset of the zone."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return text
    if moment is None or moment.tzinfo is not None or "T" not in text:
        return text
    return f"{text}{moment.replace(tzinfo=zone_of(zone, 'deadline_zone')).isoformat()[-6:]}"


def _number(values: Mapping[str, str], name: str) -> float | None:
    text = values.get(name, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,6}([.][0-9]{1,6})?", text) or (name == "slots" and "." in text):
        raise UserError(f"{name} must be a number, got {text[:40]!r}.")
    return float(text)


def parts(ask: Ask, hw: str, entry: FormEntry = NOTHING) -> Page:
    """The points of a homework that were given by hand, and the form for more."""
    found = entered.parts(ask.home, ask.viewer, hw)
    values = of_homework(ask, hw, "parts")
    return Page("parts_by_hand.html", values | {"parts": found.parts, "rows": found.points, "entry": entry})


def enter_points(ask: Ask, hw: str, values: Mapping[str, str], how: How) -> Change:
    """Enters the points of the form, which are a CSV."""
    found = entered.parts(ask.home, ask.viewer, hw)
    with of_input():
        entries = entering.read_points(values.get("csv", "").encode("utf-8", "replace"), "the CSV", found.parts)
    return entering.enter_points(ask.home, ask.viewer, hw, entries, how, ask.now)


def rules(ask: Ask, hw: str, entry: FormEntry = NOTHING) -> Page:
    """The rules of a homework, and the form that changes them."""
    found = entering.rules(ask.home, ask.viewer, hw)
    values = of_homework(ask, hw, "rules") | {"rows": found.rules, "unread": found.unread, "entry": entry}
    return Page("rules.html", values)


def change_rules(ask: Ask, hw: str, values: Mapping[str, str], how: How) -> Change:
    """Changes the rules that are other than they stood in the form."""
    wanted = {
        name.removeprefix("rule_"): value.strip()
        for name, value in values.items()
        if name.startswith("rule_") and value.strip() != values.get(f"was_{name.removeprefix('rule_')}", "")
    }
    return entering.change_rules_of(ask.home, ask.viewer, hw, wanted, how, ask.now)


def person(ask: Ask, key: str) -> Page:
    """Everything of a person."""
    return Page("person.html", {"one": persons.person(ask.home, ask.viewer, key, ask.now)})


def disqualification(ask: Ask, number: str, entry: FormEntry = NOTHING) -> Page:
    """The form that takes a submission out of the count, or puts it back."""
    require_instructor(ask.viewer, "disqualify a submission")
    seen = record.submission(ask.home, ask.viewer, int(number), ask.now)
    values = of_homework(ask, seen.homework, "") | {"one": seen, "out": seen.code == DISQUALIFIED, "entry": entry}
    return Page("disqualify.html", values)


def disqualify(ask: Ask, number: str, values: Mapping[str, str], how: How) -> Change:
    return entering.disqualify(ask.home, ask.viewer, int(number), values.get("undo") == "1", how, ask.now)


def revealing(ask: Ask, hw: str, entry: FormEntry = NOTHING) -> Page:
    """The form that reveals the private board."""
    require_instructor(ask.viewer, "reveal a private board")
    return Page("reveal.html", of_homework(ask, hw, "staff") | {"entry": entry})


def reveal(ask: Ask, hw: str, _: Mapping[str, str], how: How) -> Change:
    return reveal_board(ask.home, ask.viewer, hw, how, ask.now)


def canvas(ask: Ask, entry: FormEntry = NOTHING, notes: Sequence[str] = ()) -> Page:
    """The form that fills an export of Canvas; `notes` say what the filled file leaves as it was."""
    require_staff(ask.viewer, "see the gradebook")
    return Page("canvas.html", {"entry": entry, "notes": notes}, 400 if entry.problem else 200)


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
