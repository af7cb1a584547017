"""The pages of the roster: people, importing, invitations."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.responses import Response

from harness.course import entered, people
from harness.course.access import require_instructor
from harness.course.desk import Change, How, Importing, Invitations, Inviting
from harness.course.entering import ids_in
from harness.server import state
from harness.server.changes import make_invitations
from harness.server.endpoints import Number
from harness.server.forms import NOTHING, FormEntry, answer, changing, not_changed, read_change
from harness.server.rendering import Ask, Page
from harness.server.staff_views import turned
from tasks.errors import UserError


def add_roster_pages(api: FastAPI) -> None:
    @api.get("/roster", include_in_schema=False)
    async def _roster(request: Request, q: str = "", page: int = 1) -> Response:
        return await answer(request, show_roster, q[:100], max(1, min(page, 10**6)))

    @api.get("/roster/import", include_in_schema=False)
    async def _import(request: Request, done: bool = False) -> Response:
        return await answer(request, show_import, "", FormEntry(done=done))

    @api.post("/roster/import", include_in_schema=False)
    async def _do_import(request: Request) -> Response:
        return await changing(request, show_import, do_import)

    @api.get("/roster/tokens/{number}/end", include_in_schema=False)
    async def _token(request: Request, number: Number, done: bool = False) -> Response:
        return await answer(request, show_token, str(number), FormEntry(done=done))

    @api.post("/roster/tokens/{number}/end", include_in_schema=False)
    async def _end_token(request: Request, number: Number) -> Response:
        return await changing(request, show_token, end_token, str(number))

    @api.get("/roster/teams/{name:path}/rename", include_in_schema=False)
    async def _team(request: Request, name: str, done: bool = False) -> Response:
        return await answer(request, show_team, name[:60], FormEntry(done=done))

    @api.post("/roster/teams/{name:path}/rename", include_in_schema=False)
    async def _rename(request: Request, name: str) -> Response:
        return await changing(request, show_team, rename_team, name[:60])

    @api.get("/roster/people/{key:path}/stand", include_in_schema=False)
    async def _stand(request: Request, key: str, done: bool = False) -> Response:
        return await answer(request, show_stand, key[:60], FormEntry(done=done))

    @api.post("/roster/people/{key:path}/stand", include_in_schema=False)
    async def _do_stand(request: Request, key: str) -> Response:
        return await changing(request, show_stand, do_stand, key[:60])

    @api.get("/roster/invite", include_in_schema=False)
    async def _invite(request: Request) -> Response:
        return await answer(request, show_invite, "", NOTHING, _by_mail(request))

    @api.post("/roster/invite", include_in_schema=False)
    async def _do_invite(request: Request) -> Response:
        sent = await read_change(request)
        server, by_mail = state.server_of(request), sent.values.get("by") == "mail"

        def show(ask: Ask, hw: str, entry: FormEntry) -> Page:
            return show_invite(ask, hw, entry, _by_mail(request))

        try:
            done = await make_invitations(server, sent.login, _inviting(sent.values), sent.how, by_mail)
        except UserError as error:
            return await not_changed(request, sent, error, show)
        if sent.how.preview:
            return await answer(request, show, "", sent.previewed(_previewed(done, by_mail)), login=sent.login)
        if by_mail:
            return await answer(request, show_mailed, done, login=sent.login)
        named = {"content-disposition": 'attachment; filename="invitations.csv"'}
        return Response(people.merge_file(done), media_type="text/csv; charset=utf-8", headers=named)


def show_roster(ask: Ask, search: str, page: int) -> Page:
    """Everybody on the roster, by id."""
    rows = people.people(ask.home, ask.viewer, ask.now).people
    found = people.having(rows, search)
    shown, page, pages = turned(found, page)
    values = {"rows": shown, "found": len(found), "people": len(rows), "page": page, "pages": pages, "search": search}
    return Page("roster.html", values)


def show_import(ask: Ask, _: str, entry: FormEntry) -> Page:
    """The form that takes a roster."""
    require_instructor(ask.viewer, "import a roster")
    return Page("roster_import.html", {"entry": entry})


def do_import(ask: Ask, _: str, values: Mapping[str, str], how: How) -> Change:
    formed = [line.strip() for line in values.get("new_teams", "").split("\n") if line.strip()]
    asked = Importing(values.get("csv", ""), formed, "force" in values)
    return people.import_roster(ask.home, ask.viewer, asked, how, ask.now)


def show_stand(ask: Ask, key: str, entry: FormEntry) -> Page:
    """The form that takes a person off the roster, or puts one back."""
    require_instructor(ask.viewer, "take people off the roster")
    one = next((row for row in people.people(ask.home, ask.viewer, ask.now).people if row.id == key), None)
    if one is None:
        raise UserError(f"there is nobody with the id {key} on the roster.", code="E_NOT_FOUND")
    return Page("stand.html", {"one": one, "entry": entry})


def do_stand(ask: Ask, key: str, values: Mapping[str, str], how: How) -> Change:
    return people.stand(ask.home, ask.viewer, key, values.get("disabled") == "1", how, ask.now)


def show_team(ask: Ask, name: str, entry: FormEntry) -> Page:
    """The form that gives a team another name; after that, the page of the old name says that it is done."""
    require_instructor(ask.viewer, "rename teams")
    members = [row for row in people.people(ask.home, ask.viewer, ask.now).people if row.team == name]
    if not members and not entry.done:
        raise UserError(f"there is no team {name} with members.", code="E_NOT_FOUND")
    return Page("team.html", {"name": name, "members": members, "entry": entry})


def rename_team(ask: Ask, name: str, values: Mapping[str, str], how: How) -> Change:
    return people.rename_team(ask.home, ask.viewer, name, values.get("name", ""), how, ask.now)


def show_token(ask: Ask, number: str, entry: FormEntry) -> Page:
    """The form that ends a token of somebody."""
    require_instructor(ask.viewer, "end the tokens of others")
    rows = entered.person_tokens(ask.home, ask.viewer, None, ask.now).tokens
    one = next((row for row in rows if row.token == int(number)), None)
    if one is None:
        raise UserError(f"there is no token {number}.", code="E_NOT_FOUND")
    return Page("token.html", {"one": one, "entry": entry})


def end_token(ask: Ask, number: str, values: Mapping[str, str], how: How) -> Change:
    return people.end_token(ask.home, ask.viewer, int(number), how, ask.now)


def show_invite(ask: Ask, _: str, entry: FormEntry, by_mail: bool) -> Page:
    """The form for invitations; `by_mail` says whether a mail server is set."""
    require_instructor(ask.viewer, "invite people")
    return Page("roster_invite.html", {"entry": entry, "by_mail": by_mail, "days": people.TERM_DAYS})


def show_mailed(ask: Ask, done: Invitations) -> Page:
    """What became of the mails."""
    return Page("mailed.html", {"done": done})


def _by_mail(request: Request) -> bool:
    return bool(state.server_of(request).settings.mail_host)


def _inviting(values: Mapping[str, str]) -> Inviting:
    days = values.get("days", "")
    return Inviting(ids_in(values.get("people", "")), int(days) if days.isdecimal() and len(days) < 6 else 0)


def _previewed(done: Invitations, by_mail: bool) -> Change:
    way = "send them by mail" if by_mail else "give them as a file for a mail merge, this once"
    what = f"make {len(done.invitations)} invitations, end older ones of these people, and {way}"
    without = [one for one in done.invitations if not one.email]
    lines = [f"{len(without)} have no e-mail address on the roster"] if by_mail and without else []
    return Change(what, [*lines, *(f"{one.id}: {one.name}" for one in done.invitations)], done.seen, False)
