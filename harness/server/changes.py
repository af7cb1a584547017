"""The endpoints by which staff change something; permissions are those of `harness.course`.

A body may ask for a `preview`, and give back what a preview has `seen`, so that nothing changes unseen meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.responses import Response

from harness.course import announcing, entering, people, revealing
from harness.course.access import require_instructor
from harness.course.desk import Change, Extending, How, Importing, Invitations, Inviting, PartEntry
from harness.course.types import Announcements, Done
from harness.server import mail
from harness.server.auth import Login
from harness.server.endpoints import HomeworkName, Number, Responses, answer, errors_of
from harness.server.refusals import Rejected
from harness.server.state import BASE, Server, Who, server_of
from harness.server.uploads import read_json

BYTES = 2**21
"""The most bytes of a change: the points of a class in many parts."""

ENTRIES = 20_000
TEXT = {"type": "string", "maxLength": 500}
HOW: dict[str, Any] = {
    "reason": TEXT,
    "preview": {"type": "boolean", "description": "Only say what it would do."},
    "seen": {"type": ["string", "null"], "maxLength": 40, "description": "`seen` of a preview: refused if it changed."},
}


def body_of(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    """The description of a body with these fields, beside those of every change."""
    schema = {"type": "object", "required": [*required, "reason"], "properties": {**properties, **HOW}}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def add_changes(api: FastAPI) -> None:
    _add_announcements(api)
    _add_of_homework(api)
    _add_of_roster(api)


def _add_announcements(api: FastAPI) -> None:
    schema = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "maxLength": 2000}}}

    @api.post(
        f"{BASE}/announcements",
        response_model=Announcements,
        responses=errors_of(400, 401, 403, 408, 411, 413),
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
    )
    async def announce(request: Request, login: Who) -> Response:
        """Staff: tell the whole course something, in plain text."""
        server, text = server_of(request), (await read_json(request)).get("text")
        if not isinstance(text, str):
            raise Rejected("E_USAGE", "text must be a text.")
        return answer(await server.call(announcing.announce, server.home, login.viewer, text, server.clock()))

    @api.delete(f"{BASE}/announcements/{{number}}", response_model=Done, responses=errors_of(400, 401, 403, 404))
    async def end_announcement(request: Request, login: Who, number: Number) -> Response:
        """Staff: end an announcement."""
        server = server_of(request)
        return answer(await server.call(announcing.end, server.home, login.viewer, number, server.clock()))


def _add_of_roster(api: FastAPI) -> None:
    errors: Responses = errors_of(400, 401, 403, 404, 408, 409, 411, 413)
    names = {"type": "array", "items": {"type": "string"}, "maxItems": ENTRIES}
    renames = {"type": "object", "additionalProperties": TEXT}
    whole = {"csv": {"type": "string"}, "new_teams": names, "force": {"type": "boolean"}, "renames": renames}
    inviting = {"people": names, "days": {"type": "integer"}, "mail": {"type": "boolean"}}
    path = f"{BASE}/roster/people"

    @api.post(path, response_model=Change, responses=errors, openapi_extra=body_of(whole, ["csv"]))
    async def import_roster(request: Request, login: Who) -> Response:
        """Instructors: add and change people from a CSV, all or none."""
        asked, how = await _read(request, login)
        importing = Importing(
            csv=_typed(asked, "csv", str, ""),
            new_teams=_texts(asked, "new_teams"),
            force=_typed(asked, "force", bool, False),
            renames=_pairs(asked, "renames"),
        )
        return await _change(request, people.import_roster, login, importing, how)

    @api.patch(
        f"{BASE}/roster/teams/{{old:path}}",
        response_model=Change,
        responses=errors,
        openapi_extra=body_of({"name": TEXT}, ["name"]),
    )
    async def rename_team(request: Request, login: Who, old: Annotated[str, Path(max_length=60)]) -> Response:
        """Instructors: give a team another name; it keeps its submissions, quota and receipts."""
        asked, how = await _read(request, login)
        return await _change(request, people.rename_team, login, old, _text(asked, "name"), how)

    @api.patch(
        f"{path}/{{key:path}}",
        response_model=Change,
        responses=errors,
        openapi_extra=body_of({"disabled": {"type": "boolean"}}, ["disabled"]),
    )
    async def stand(request: Request, login: Who, key: Annotated[str, Path(max_length=60)]) -> Response:
        """Instructors: take a person off the roster, or put one back."""
        asked, how = await _read(request, login)
        return await _change(request, people.stand, login, key, _typed(asked, "disabled", bool, None), how)

    @api.post(
        f"{BASE}/roster/tokens/{{number}}/end",
        response_model=Change,
        responses=errors,
        openapi_extra=body_of({}, []),
    )
    async def end_token(request: Request, login: Who, number: Number) -> Response:
        """Instructors: end one token of somebody."""
        _, how = await _read(request, login)
        return await _change(request, people.end_token, login, number, how)

    @api.post(
        f"{BASE}/roster/invitations",
        response_model=Invitations,
        responses=errors,
        openapi_extra=body_of(inviting, []),
    )
    async def invite(request: Request, login: Who) -> Response:
        """Instructors: make invitations, shown only once, and send them by mail where that is set up.

        What was not sent has ended; sent again without `people`, it is for those who are left.
        """
        asked, how = await _read(request, login)
        inviting = Inviting(_texts(asked, "people"), _whole(asked, "days") or people.TERM_DAYS)
        server, sent = server_of(request), _typed(asked, "mail", bool, False)
        return answer(await make_invitations(server, login, inviting, how, sent))


async def make_invitations(server: Server, login: Login, asked: Inviting, how: How, by_mail: bool) -> Invitations:
    """New invitations, sent by mail if that is asked for; a mail server that hangs holds up nobody else."""
    require_instructor(login.viewer, "invite people")
    settings, now = server.settings, server.clock()
    if by_mail and not settings.mail_host:
        raise mail.not_set()
    address = settings.address
    done = await server.call(people.invite, server.home, login.viewer, asked, how, address, now)
    if not by_mail or how.preview:
        return done
    unsent = await asyncio.to_thread(mail.send_all, settings, done, now)
    return await server.call(people.mailed, server.home, login.viewer, done, unsent, now)


def _add_of_homework(api: FastAPI) -> None:
    errors: Responses = errors_of(400, 401, 403, 404, 408, 409, 411, 413)
    names = {"type": "array", "items": {"type": "string"}, "maxItems": ENTRIES}
    extending = {
        "people": names, "teams": names, "everybody": {"type": "boolean"}, "until": TEXT, "day": TEXT,
        "hours": {"type": ["number", "null"]}, "slots": {"type": ["integer", "null"]},
    }  # fmt: skip
    one = {"id": TEXT, "part": TEXT, "points": {"type": "number"}, "where": TEXT}
    one["attachment"] = {"type": ["integer", "null"], "description": "The latest second file that they are for."}
    entry = {"type": "object", "required": ["id", "part", "points"], "properties": one}
    entries = {"entries": {"type": "array", "items": entry, "maxItems": ENTRIES}}
    changes = {"changes": {"type": "object", "additionalProperties": {"type": "string"}}}

    @api.post(
        f"{BASE}/homeworks/{{hw}}/extensions",
        response_model=Change,
        responses=errors,
        openapi_extra=body_of(extending, []),
    )
    async def extend(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: give people, teams or everybody more time or more submissions, all or none."""
        asked, how = await _read(request, login)
        extending = Extending(
            people=_texts(asked, "people"),
            teams=_texts(asked, "teams"),
            everybody=_typed(asked, "everybody", bool, False),
            until=_text(asked, "until"),
            hours=_number(asked, "hours"),
            slots=_whole(asked, "slots"),
            day=_text(asked, "day"),
        )
        return await _change(request, entering.extend, login, hw, extending, how)

    @api.post(
        f"{BASE}/homeworks/{{hw}}/parts",
        response_model=Change,
        responses=errors,
        openapi_extra=body_of(entries, ["entries"]),
    )
    async def enter_points(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: enter points given by hand, all or none."""
        asked, how = await _read(request, login)
        rows = _typed(asked, "entries", list, [])
        if len(rows) > ENTRIES or not all(isinstance(row, dict) for row in rows):
            raise Rejected("E_USAGE", f"entries must be a list of at most {ENTRIES:,} objects.")
        given = []
        for row in rows:
            points = _number(row, "points")
            given.append(
                PartEntry(
                    _text(row, "id"),
                    _text(row, "part"),
                    float("nan") if points is None else points,
                    _text(row, "where"),
                    _whole(row, "attachment"),
                )
            )
        return await _change(request, entering.enter_points, login, hw, given, how)

    @api.patch(
        f"{BASE}/homeworks/{{hw}}/rules",
        response_model=Change,
        responses=errors,
        openapi_extra=body_of(changes, ["changes"]),
    )
    async def change_rules(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Staff: change rules of a homework; an empty value restores the edition's rule."""
        asked, how = await _read(request, login)
        wanted = _typed(asked, "changes", dict, {})
        if len(wanted) > 40 or not all(isinstance(value, str) for value in wanted.values()):
            raise Rejected("E_USAGE", "changes must be an object of texts.")
        return await _change(request, entering.change_rules_of, login, hw, wanted, how)

    @api.post(f"{BASE}/homeworks/{{hw}}/reveal", response_model=Change, responses=errors, openapi_extra=body_of({}, []))
    async def reveal(request: Request, login: Who, hw: HomeworkName) -> Response:
        """Instructors: show the private board to everyone; it cannot be undone."""
        _, how = await _read(request, login)
        return await _change(request, revealing.reveal, login, hw, how)

    @api.post(
        f"{BASE}/submissions/{{number}}/disqualification",
        response_model=Change,
        responses=errors,
        openapi_extra=body_of({"undo": {"type": "boolean"}}, []),
    )
    async def disqualify(request: Request, login: Who, number: Number) -> Response:
        """Instructors: take a submission out of the count, or with `undo` put it back."""
        asked, how = await _read(request, login)
        return await _change(request, entering.disqualify, login, number, _typed(asked, "undo", bool, False), how)


async def _change(request: Request, function: Callable[..., Change], login: Login, *values: Any) -> Response:
    server = server_of(request)
    return answer(await server.call(function, server.home, login.viewer, *values, server.clock()))


async def _read(request: Request, login: Login) -> tuple[dict[str, Any], How]:
    """The body of a change, and how it is made; only staff may send a large one."""
    asked = await read_json(request, BYTES) if login.viewer.staff else await read_json(request)
    seen = asked.get("seen")
    if seen is not None and (not isinstance(seen, str) or len(seen) > 40):
        raise Rejected("E_USAGE", "seen must be a text of a preview.")
    return asked, How(_text(asked, "reason"), _typed(asked, "preview", bool, False), seen)


def _typed(asked: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = asked.get(name, default)
    if type(value) is not kind:
        raise Rejected("E_USAGE", f"{name} must be a {kind.__name__}.")
    return value


def _text(asked: Mapping[str, Any], name: str) -> str:
    value = asked.get(name, "")
    if not isinstance(value, str) or len(value) > 500 or "\0" in value:
        raise Rejected("E_USAGE", f"{name} must be a text of at most 500 characters.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Rejected("E_USAGE", f"{name} is not valid Unicode.") from None
    return value


def _texts(asked: Mapping[str, Any], name: str) -> list[str]:
    values = _typed(asked, name, list, [])
    if len(values) > ENTRIES:
        raise Rejected("E_USAGE", f"{name} can have at most {ENTRIES:,} entries.")
    return [_text({name: value}, name) for value in values]


def _pairs(asked: Mapping[str, Any], name: str) -> dict[str, str]:
    """An object of texts by texts."""
    values = _typed(asked, name, dict, {})
    if len(values) > ENTRIES:
        raise Rejected("E_USAGE", f"{name} can have at most {ENTRIES:,} entries.")
    return {_text({name: key}, name): _text({name: value}, name) for key, value in values.items()}


def _number(asked: Mapping[str, Any], name: str) -> float | None:
    value = asked.get(name)
    if value is not None and (type(value) not in (int, float) or abs(value) > 1e9):
        raise Rejected("E_USAGE", f"{name} must be a number.")
    return None if value is None else float(value)


def _whole(asked: Mapping[str, Any], name: str) -> int | None:
    value = asked.get(name)
    if value is not None and (type(value) is not int or abs(value) > 10**9):
        raise Rejected("E_USAGE", f"{name} must be a whole number.")
    return value
