"""The roster, for staff: the people on it, importing, taking off, invitations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from harness.course.access import Viewer, not_found, require_instructor, require_staff
from harness.course.desk import Change, How, Importing, Invitation, Invitations, Inviting, People, PersonRow
from harness.course.entering import of_input
from harness.course.exports import as_roster
from harness.home import Home, local
from harness.roster import read_roster
from harness.sheets import cell, write_rows
from leaderboard import access_tokens, enrolment, records, roster
from leaderboard.adjustments import changed_meanwhile
from leaderboard.roster import Person, RosterEntry, checked_reason
from tasks.errors import UserError

TERM_DAYS = 200
"""The days that an invitation and its token are valid: a term, and the weeks after it."""


def people(home: Home, viewer: Viewer, now: datetime) -> People:
    """Everybody on the roster, those taken off included, by id; each says whether a valid token is there."""
    require_staff(viewer, "see the roster")
    with home.database() as database:
        found = roster.people(database)
        tokens = access_tokens.tokens_of_all(database)
    live: dict[str, set[bool]] = {}  # whether it is an invitation, of each valid token
    for token, person in tokens:
        if token.revoked_at is None and token.expires_at > now:
            live.setdefault(person.key, set()).add(token.label == access_tokens.INVITATION)
    rows = [
        PersonRow(
            id=one.key,
            name=one.name,
            email=one.email,
            role=one.role,
            team=one.team,
            disabled=one.disabled_at is not None,
            login="none" if one.key not in live else "yes" if False in live[one.key] else "invited",
        )
        for one in found
    ]
    return People(rows)


def having(rows: Sequence[PersonRow], search: str) -> list[PersonRow]:
    """Those with a text in name, id, e-mail address, team or role."""
    wanted = search.strip().casefold()
    return [
        row for row in rows if wanted in f"{row.name}\n{row.id}\n{row.email}\n{row.team or ''}\n{row.role}".casefold()
    ]


def import_roster(home: Home, viewer: Viewer, asked: Importing, how: How, now: datetime) -> Change:
    """Adds and changes people from a CSV; nobody is taken off."""
    require_instructor(viewer, "import a roster")
    with of_input(), home.database() as database:
        if not how.preview:
            checked_reason(how.reason)
        state = roster.digest(database)
        if how.seen is not None and how.seen != state:
            raise changed_meanwhile("the roster")
        before, teams = roster.people(database), roster.teams(database)
        taken = [one.name for one in records.participants(database) if one.kind != "person"]
        names = {team.name for team in teams}
        before_now = {old: new for old, new in asked.renames.items() if old not in names and new in names}
        renames = {old: new for old, new in asked.renames.items() if old not in before_now}
        told = [f"there is no team {old}, and {new} exists: nothing to rename" for old, new in before_now.items()]

        def rename(entries: Sequence[RosterEntry]) -> dict[str, str]:
            for old, new in enrolment.possible_renames(entries, before, teams).items():
                if old not in renames and new not in asked.new_teams:
                    renames[old] = new
                    told.append(
                        f"all of {old} move to {new}: that is taken for its new name; if it is another team, name it as"
                        " a new team"
                    )
            return renames

        entries = read_roster(
            as_roster(asked.csv.encode("utf-8", "replace"), "the CSV"), "the CSV", before, taken, teams, rename
        )
        known = {person.key: person for person in before}
        changed = [
            line
            for entry in entries
            if (person := known.get(entry.key)) is not None and (line := difference(entry, person, renames))
        ]
        added = [difference(entry, None, renames) for entry in entries if entry.key not in known]
        odd = [
            f"{entry.key}: {text} begins like a formula; files for spreadsheets have an apostrophe before it"
            for entry in entries
            for text in (entry.name, entry.team or "")
            if cell(text) != text
        ]
        follows = enrolment.follows(database, entries, now=now, renames=renames, force=asked.force)
        words = [f"add {len(added)} to the roster", f"change {len(changed)} already on it"]
        words += [f"rename the team {old} to {new}" for old, new in renames.items()]
        if not how.preview:
            done = enrolment.import_people(
                database,
                entries,
                actor=viewer.key,
                reason=how.reason,
                now=now,
                renames=renames,
                force=asked.force,
                expected=state,
            )
            words += [f"move {done.moved} in homeworks that have begun"] if done.moved else []
    return Change(", and ".join(words), [*told, *odd, *follows, *changed, *added], state, not how.preview)


def rename_team(home: Home, viewer: Viewer, old: str, new: str, how: How, now: datetime) -> Change:
    """Gives a team another name; it keeps its submissions, quota and receipts.

    Raises UserError E_NOT_FOUND for no team of that name, and E_ROSTER for one without members and for a name that is
    taken or not valid.
    """
    require_instructor(viewer, "rename teams")
    with of_input(), home.database() as database:
        if not how.preview:
            checked_reason(how.reason)
        state = roster.digest(database)
        if not how.preview and how.seen not in (None, state):
            raise changed_meanwhile("the roster")
        if old not in {team.name for team in roster.teams(database)}:
            raise not_found(f"there is no team {old[:60]} on the roster")
        entries = [roster.as_entry(one) for one in roster.people(database) if one.team == old]
        if not entries:
            raise UserError(f"the team {old} has no members.", code="E_ROSTER")
        lines = enrolment.follows(database, entries, now=now, renames={old: new})
        if not how.preview:
            enrolment.import_people(
                database, entries, actor=viewer.key, reason=how.reason, now=now, renames={old: new}, expected=state
            )
    members = f"{len(entries)} {'member' if len(entries) == 1 else 'members'}"
    return Change(f"rename the team {old}, with {members}, to {new}", lines, state, not how.preview)


def difference(entry: RosterEntry, person: Person | None, renames: Mapping[str, str]) -> str:
    """The line for a person that an import changes; empty if nothing changes."""
    if person is None:
        where = f", team {entry.team}" if entry.team else ""
        return f"{entry.key}: new, {entry.name}, {entry.role}{where}"
    person = replace(person, team=renames.get(person.team or "", person.team))
    values = [
        (name, getattr(person, name) or "none", getattr(entry, name) or "none")
        for name in ("name", "email", "team", "role")
    ]
    changes = [f"{name} from {old} to {new}" for name, old, new in values if old != new]
    return f"{entry.key}: {', '.join(changes)}" if changes else ""


def stand(home: Home, viewer: Viewer, key: str, disabled: bool, how: How, now: datetime) -> Change:
    """Takes a person off the roster, or puts one back.

    Raises UserError E_NOT_FOUND for somebody unknown, E_INPUT for somebody who is off, or on, already, and
    E_LAST_INSTRUCTOR for the last instructor.
    """
    require_instructor(viewer, "take people off the roster")
    if not how.preview:
        checked_reason(how.reason)
    with home.database() as database:
        person = roster.find_person(database, key)
        if person is None:
            raise not_found(f"there is nobody with the id {key[:60]} on the roster")
        state = enrolment.standing(database, key)
        if not how.preview and how.seen not in (None, state):
            raise changed_meanwhile("the roster")
        if disabled == (person.disabled_at is not None):
            where = "off" if disabled else "on"
            raise UserError(
                f"{person.name} ({key}) is {where} the roster already; nothing was changed.", code="E_INPUT"
            )
        if disabled:
            enrolment.refuse_last_instructor(database, key)
        live = len(access_tokens.live(database, key, now))
        if not how.preview:
            change = enrolment.disable if disabled else enrolment.enable
            change(database, key, actor=viewer.key, reason=how.reason, now=now, expected=how.seen)
    if not disabled:
        return Change(f"put {person.name} ({key}) back on the roster", [], state, not how.preview)
    ends = "1 token ends" if live == 1 else f"{live} tokens end"
    team = f"; the team {person.team} remains" if person.team else ""
    lines = [f"{ends}; what was handed in stays, and no more is accepted{team}"]
    return Change(f"take {person.name} ({key}) off the roster", lines, state, not how.preview)


def end_token(home: Home, viewer: Viewer, number: int, how: How, now: datetime) -> Change:
    """Ends one token of somebody, at once and also in browsers that logged in with it.

    Raises UserError E_NOT_FOUND for none of that number, and E_INPUT for one that was ended already.
    """
    require_instructor(viewer, "end the tokens of others")
    if not how.preview:
        checked_reason(how.reason)
    with home.database() as database:
        found = access_tokens.find_numbered(database, number)
        if found is None:
            raise not_found(f"there is no token {number}")
        token, person = found
        left = [one for one in access_tokens.live(database, person.key, now) if one.id != number]
        if token.revoked_at is not None:
            raise UserError(f"token {number} has ended already.", code="E_INPUT")
        if not how.preview and not access_tokens.revoke_token(database, number, viewer.key, now, how.reason):
            raise changed_meanwhile(f"token {number}")
    lines = (
        [f"{person.key} keeps {len(left)} valid {'token' if len(left) == 1 else 'tokens'}"]
        if left
        else [f"{person.key} has no other valid token, and cannot log in without a new invitation"]
    )
    what = f"end token {number} ({token.label}, {token.scope}) of {person.name} ({person.key})"
    return Change(what, lines, str(number), not how.preview)


def invite(home: Home, viewer: Viewer, asked: Inviting, how: How, address: str, now: datetime) -> Invitations:
    """Makes a token for each of these people, shown only once, with a text to send; a preview has neither.

    Raises UserError E_ROSTER for somebody unknown, E_DISABLED for somebody off the roster, E_CHANGED if other people,
    or other tokens of theirs, are there than a preview saw.
    """
    with of_input():
        chosen, state = _chosen(home, viewer, asked, now)
        reason = "" if how.preview else checked_reason(how.reason)
    subject, ends = f"Your invitation to {home.course}", now + timedelta(days=asked.days)
    if how.preview:
        rows = [Invitation(one.key, one.name, one.email, "", address, subject, "") for one in chosen]
        return Invitations(rows, seen=state)
    if how.seen not in (None, state):
        raise changed_meanwhile("the tokens of these people")
    if not chosen:
        raise UserError("everybody on the roster can log in; name the people who need an invitation.", code="E_ROSTER")
    made = {person.key: access_tokens.new_token() for person in chosen}
    with home.database() as database:
        access_tokens.issue_tokens(
            database,
            {key: access_tokens.hash_token(token) for key, token in made.items()},
            scope="all",
            label=access_tokens.INVITATION,
            expires=ends,
            actor=viewer.key,
            reason=reason,
            now=now,
            replace=True,
            expected=how.seen,
        )
    until = local(home, ends)[:10]
    rows = [
        Invitation(
            id=one.key,
            name=one.name,
            email=one.email,
            token=made[one.key],
            address=address,
            subject=subject,
            text=text_for(home.course, one.name, address, made[one.key], until),
        )
        for one in chosen
    ]
    return Invitations(rows, seen=state)


def mailed(home: Home, viewer: Viewer, done: Invitations, unsent: Mapping[str, str], now: datetime) -> Invitations:
    """The invitations with what became of their mails, which is in the log.

    The token of a mail that was not sent ends, since nobody has it: the next invitation of everybody without one finds
    these people again.
    """
    sent = [one.id for one in done.invitations if one.id not in unsent]
    lost = [access_tokens.hash_token(one.token) for one in done.invitations if one.id in unsent]
    with home.database() as database:
        access_tokens.revoke_hashes(database, lost, viewer.key, now, "the mail was not sent")
        body = {"people": sent, "unsent": sorted(unsent)}
        records.log_event(database, "invitations mailed", viewer.key, body, now)
    rows = [replace(one, token="", text="") if one.id in unsent else one for one in done.invitations]
    return replace(done, invitations=rows, mailed=True, unsent=dict(unsent))


def merge_file(done: Invitations) -> str:
    """The valid invitations as a CSV for a mail merge; each person gets their own line alone."""
    names = ("id", "name", "email", "token", "address", "subject", "text")
    return write_rows(names, [[getattr(one, name) for name in names] for one in done.invitations if one.token])


def text_for(course: str, name: str, address: str, token: str, until: str) -> str:
    """The text of a mail with an invitation."""
    return (
        f"Hello {name},\n\nyou are invited to {course}. Open {address} and sign in with this invitation:\n\n"
        f"  {token}\n\n"
        f"It works once, until {until}, and gives you a token of your own: keep that like a password. On the command"
        f" line:\n\n  lhy-grade login {address}\n\nThe invitation is for you alone. If you did not expect it, tell the"
        " course staff.\n"
    )


def _chosen(home: Home, viewer: Viewer, asked: Inviting, now: datetime) -> tuple[list[Person], str]:
    """The people named, or everybody who has no valid token; and a digest of them and their tokens."""
    require_instructor(viewer, "invite people")
    if not 1 <= asked.days <= 1000:
        raise UserError("an invitation is valid for 1 to 1000 days.")
    with home.database() as database:
        everybody = {person.key: person for person in roster.people(database)}
        live = {
            person.key
            for token, person in access_tokens.tokens_of_all(database)
            if token.revoked_at is None and token.expires_at > now
        }
        if unknown := [key for key in asked.people if key not in everybody]:
            raise UserError(
                f"nobody on the roster has the id {', '.join(unknown[:20])[:200]}. Nothing was made.", code="E_ROSTER"
            )
        chosen = [everybody[key] for key in dict.fromkeys(asked.people)]
        if not chosen:
            chosen = [one for one in everybody.values() if one.disabled_at is None and one.key not in live]
        return chosen, access_tokens.digest(database, [one.key for one in chosen])
