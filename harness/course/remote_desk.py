"""What staff ask of a course's server, under the login of this machine."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.course.attached import Handed
from harness.course.desk import (
    Change,
    Extending,
    Extensions,
    Histogram,
    How,
    Importing,
    Invitations,
    Inviting,
    Log,
    LogQuestion,
    Missing,
    PartEntry,
    Parts,
    People,
    PersonCard,
    PersonTokens,
    Queue,
    RulesInForce,
)
from harness.course.download import save_new
from harness.course.remote import RemoteCourse
from harness.course.transport import pieces, quoted
from harness.course.types import Announcements
from tasks.errors import UserError


@dataclass(frozen=True)
class RemoteDesk:
    """A course's server, with the interface of `harness.course.local_desk.LocalDesk`."""

    course: RemoteCourse

    def log(self, asked: LogQuestion) -> Log:
        query = {one.name: str(getattr(asked, one.name)) for one in fields(asked)}
        return self.course.read(Log, self.course.ask("GET", "/log", query))

    def extensions(self, hw: str) -> Extensions:
        return self.course.read(Extensions, self.course.ask("GET", f"/homeworks/{quoted(hw)}/extensions"))

    def parts(self, hw: str) -> Parts:
        return self.course.read(Parts, self.course.ask("GET", f"/homeworks/{quoted(hw)}/parts"))

    def person_tokens(self, key: str | None) -> PersonTokens:
        query = {} if key is None else {"person": key}
        return self.course.read(PersonTokens, self.course.ask("GET", "/roster/tokens", query))

    def queue(self) -> Queue:
        return self.course.read(Queue, self.course.ask("GET", "/queue"))

    def missing(self, hw: str) -> Missing:
        return self.course.read(Missing, self.course.ask("GET", f"/homeworks/{quoted(hw)}/missing"))

    def histogram(self, hw: str) -> Histogram:
        return self.course.read(Histogram, self.course.ask("GET", f"/homeworks/{quoted(hw)}/histogram"))

    def uploads(self, hw: str, path: Path, counting: bool, version: int | None = None) -> int:
        query = {"counting": "true"} if counting else {}
        query |= {} if version is None else {"version": str(version)}
        return self._archive(f"/homeworks/{quoted(hw)}/uploads", query, path)

    def handed(self, hw: str) -> Handed:
        return self.course.read(Handed, self.course.ask("GET", f"/homeworks/{quoted(hw)}/attachments/students"))

    def attachments(self, hw: str, path: Path, latest: bool) -> int:
        query = {"latest": "true"} if latest else {}
        return self._archive(f"/homeworks/{quoted(hw)}/attachments/archive", query, path)

    def _archive(self, where: str, query: Mapping[str, str], path: Path) -> int:
        """Writes an archive to a new file, and returns how many files are in it."""
        with self.course.send("GET", where, query) as response:
            save_new(path, pieces(response, decode=False))
        try:
            with zipfile.ZipFile(path) as archive:
                return len(archive.namelist()) - 1
        except zipfile.BadZipFile:
            path.unlink()
            raise UserError(
                "The archive did not arrive whole. Run the same command again.", code="E_SERVER", exit_code=7
            ) from None

    def rules(self, hw: str) -> RulesInForce:
        return self.course.read(RulesInForce, self.course.ask("GET", f"/homeworks/{quoted(hw)}/rules"))

    def extend(self, hw: str, asked: Extending, how: How) -> Change:
        return self._change("POST", f"/homeworks/{quoted(hw)}/extensions", vars(asked), how)

    def enter_points(self, hw: str, entries: Sequence[PartEntry], how: How) -> Change:
        rows = [
            {"id": one.id, "part": one.part, "points": one.points, "where": one.where, "attachment": one.attachment}
            for one in entries
        ]
        return self._change("POST", f"/homeworks/{quoted(hw)}/parts", {"entries": rows}, how)

    def change_rules(self, hw: str, changes: Mapping[str, str], how: How) -> Change:
        return self._change("PATCH", f"/homeworks/{quoted(hw)}/rules", {"changes": dict(changes)}, how)

    def person(self, key: str) -> PersonCard:
        return self.course.read(PersonCard, self.course.ask("GET", f"/roster/people/{quoted(key)}"))

    def disqualify(self, number: int, undo: bool, how: How) -> Change:
        return self._change("POST", f"/submissions/{number}/disqualification", {"undo": undo}, how)

    def reveal(self, hw: str, how: How) -> Change:
        return self._change("POST", f"/homeworks/{quoted(hw)}/reveal", {}, how)

    def people(self) -> People:
        return self.course.read(People, self.course.ask("GET", "/roster/people"))

    def import_roster(self, asked: Importing, how: How) -> Change:
        return self._change("POST", "/roster/people", vars(asked), how)

    def rename_team(self, old: str, new: str, how: How) -> Change:
        return self._change("PATCH", f"/roster/teams/{quoted(old)}", {"name": new}, how)

    def stand(self, key: str, disabled: bool, how: How) -> Change:
        return self._change("PATCH", f"/roster/people/{quoted(key)}", {"disabled": disabled}, how)

    def end_token(self, number: int, how: How) -> Change:
        return self._change("POST", f"/roster/tokens/{number}/end", {}, how)

    def invite(self, asked: Inviting, how: How, mail: bool) -> Invitations:
        body = json.dumps({**vars(asked), "mail": mail, **vars(how)}).encode()
        headers = {"Content-Type": "application/json"}
        answer = self.course.ask("POST", "/roster/invitations", body=body, headers=headers, pauses=())
        return self.course.read(Invitations, answer)

    def announcements(self) -> Announcements:
        return self.course.read(Announcements, self.course.ask("GET", "/announcements"))

    def announce(self, text: str) -> Announcements:
        body, headers = json.dumps({"text": text}).encode(), {"Content-Type": "application/json"}
        answer = self.course.ask("POST", "/announcements", body=body, headers=headers, pauses=())
        return self.course.read(Announcements, answer)

    def end_announcement(self, number: int) -> None:
        self.course.ask("DELETE", f"/announcements/{number}")

    def _change(self, method: str, where: str, asked: Mapping[str, Any], how: How) -> Change:
        """A preview, or a change; that is not tried again by itself, since it would be entered twice."""
        body = json.dumps({**asked, "reason": how.reason, "preview": how.preview, "seen": how.seen}).encode()
        headers = {"Content-Type": "application/json"}
        pauses = None if how.preview else ()
        return self.course.read(Change, self.course.ask(method, where, body=body, headers=headers, pauses=pauses))
