"""What the staff of a course ask and enter: the answers, as frozen dataclasses, and the protocol `Desk`.

`LocalDesk` answers from a home folder, `RemoteDesk` asks a server; permissions are decided behind both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from harness.course.attached import AttachmentRow, Handed
from harness.course.entries import SubmissionRow
from harness.course.types import Announcements, Points


@dataclass(frozen=True)
class QueueRow:
    """A submission without a grade; `failed` and `lost` count gradings that failed, and workers that were lost.

    `version` is the data version it is for. One whose grading failed for good waits for `grade --pending`.
    """

    submission: int
    homework: str
    version: int
    participant: str
    name: str
    state: Literal["grading", "queued", "failed"]
    position: int | None
    at: str
    failed: int
    lost: int


@dataclass(frozen=True)
class Queue:
    """What is being graded, then what waits in the order in which it is taken, then what failed, of all homeworks."""

    submissions: list[QueueRow]
    schema: int = 1


@dataclass(frozen=True)
class LogQuestion:
    """Which events: about a homework, by a person or team, of a kind, from a day on, before an event's number.

    Empty or 0 is any; `last` is how many of the newest, 0 for all.
    """

    homework: str = ""
    by: str = ""
    kind: str = ""
    since: str = ""
    before: int = 0
    last: int = 50


@dataclass(frozen=True)
class LogRow:
    """An event. `about` is its content in words, `body` the same as it was hashed: JSON."""

    event: int
    at: str
    what: str
    who: str
    about: str
    reason: str
    body: str


@dataclass(frozen=True)
class Log:
    """The events that fit, oldest first; `older` says whether there are more before them."""

    events: list[LogRow]
    older: bool
    schema: int = 1


@dataclass(frozen=True)
class ExtensionRow:
    """An extension. `who` is a person's id or a team's handle, `day` the quota day of the slots or "every"."""

    id: int
    kind: Literal["person", "team", "all"]
    who: str
    name: str
    until: str | None
    slots: int | None
    day: str | None
    by: str
    at: str
    reason: str


@dataclass(frozen=True)
class Extensions:
    """All extensions of a homework in the order they were given; for the same people the last one counts."""

    homework: str
    extensions: list[ExtensionRow]
    schema: int = 1


@dataclass(frozen=True)
class PartRow:
    """Points that were given by hand and are in force; `attachment` is the second file that they were given for."""

    id: str
    name: str
    part: str
    points: float
    by: str
    at: str
    reason: str
    attachment: int | None = None


@dataclass(frozen=True)
class Parts:
    """The points of a homework given by hand, by person and part; `parts` has the most points of each part."""

    homework: str
    parts: dict[str, float]
    points: list[PartRow]
    schema: int = 1


@dataclass(frozen=True)
class PersonToken:
    """A token of a person, without its secret."""

    token: int
    id: str
    name: str
    role: str
    label: str
    scope: str
    created: str
    expires: str
    state: Literal["valid", "expired", "revoked"]


@dataclass(frozen=True)
class PersonTokens:
    """The tokens of everybody, or of one person."""

    tokens: list[PersonToken]
    schema: int = 1


@dataclass(frozen=True)
class MissingRow:
    """A student without a file that counts; `files` says what there is instead: refused files, or practice."""

    id: str
    name: str
    email: str
    team: str | None
    files: Literal["none", "refused", "practice"]


@dataclass(frozen=True)
class Missing:
    """The students, of so many, who have handed in no file that counts."""

    homework: str
    students: int
    missing: list[MissingRow]
    schema: int = 1


@dataclass(frozen=True)
class Bin:
    """The participants whose score is from `low` up to, without it, `high`; None is any."""

    low: float | None
    high: float | None
    participants: int


@dataclass(frozen=True)
class Histogram:
    """How the scores of the public board are spread, of people and teams, each with the best one; worst first."""

    homework: str
    metric: str
    higher_is_better: bool
    digits: int
    participants: int
    median: float | None
    bins: list[Bin]
    schema: int = 1


@dataclass(frozen=True)
class Change:
    """What a change does: in a sentence, and line by line. `done` is false for a preview.

    `seen` is the state that it was made for: given back, the change is refused if somebody changed that meanwhile.
    """

    what: str
    lines: list[str]
    seen: str
    done: bool
    schema: int = 1


@dataclass(frozen=True)
class Extending:
    """An extension for people by id, teams by name, or everybody: `until` or `hours`, and `slots` on a `day`."""

    people: list[str] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    everybody: bool = False
    until: str = ""
    hours: float | None = None
    slots: int | None = None
    day: str = ""


@dataclass(frozen=True)
class PartEntry:
    """Points of a person for a part, to be entered, and the latest second file of the person that they are for.

    `where` is the line of a file, for messages.
    """

    id: str
    part: str
    points: float
    where: str = ""
    attachment: int | None = None


@dataclass(frozen=True)
class RuleRow:
    """A rule that can be changed, in force now."""

    rule: str
    value: str | int | None


@dataclass(frozen=True)
class RulesInForce:
    """The rules of a homework that can be changed; `unread` are those of config.toml that are not in force."""

    homework: str
    rules: list[RuleRow]
    unread: list[str]
    schema: int = 1


@dataclass(frozen=True)
class How:
    """How a change is made: only as a preview, or where nothing changed since a preview was `seen`."""

    reason: str
    preview: bool = False
    seen: str | None = None


@dataclass(frozen=True)
class PersonCard:
    """Everything of a person: points and submissions by homework, what they were given, and their tokens.

    `points` is None for staff and auditors; submissions are those of the person's team where it submits, and so are
    `attachments`, the latest second file of each homework.
    """

    id: str
    name: str
    email: str
    role: str
    team: str | None
    disabled: bool
    since: str
    points: Points | None
    submissions: list[SubmissionRow]
    extensions: list[Extensions]
    parts: list[Parts]
    tokens: list[PersonToken]
    attachments: list[AttachmentRow] = field(default_factory=list)
    schema: int = 1


@dataclass(frozen=True)
class PersonRow:
    """A person on the roster; `login` says whether there is a token, or only an invitation."""

    id: str
    name: str
    email: str
    role: str
    team: str | None
    disabled: bool
    login: Literal["none", "invited", "yes"]


@dataclass(frozen=True)
class People:
    """Everybody on the roster, by id."""

    people: list[PersonRow]
    schema: int = 1


@dataclass(frozen=True)
class Importing:
    """A roster as the text of a CSV. Where all of a team move to a new one it is renamed, unless in `new_teams`.

    `renames` gives the new names of other teams by their old ones. `force` changes teams also in homeworks that have
    begun.
    """

    csv: str
    new_teams: list[str] = field(default_factory=list)
    force: bool = False
    renames: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inviting:
    """Whom to invite by id, or everybody without a valid token, for so many days."""

    people: list[str] = field(default_factory=list)
    days: int = 200


@dataclass(frozen=True)
class Invitation:
    """A token for one person, shown only once, with the address and the text of a mail."""

    id: str
    name: str
    email: str
    token: str
    address: str
    subject: str
    text: str


@dataclass(frozen=True)
class Invitations:
    """New invitations; `unsent` says why a mail was not sent, by id, where they were sent by mail.

    A token whose mail was not sent has ended and is empty here: the next invitation without `people` is for them too.
    `seen` is the state that they were made for, as of a `Change`.
    """

    invitations: list[Invitation]
    mailed: bool = False
    unsent: dict[str, str] = field(default_factory=dict)
    seen: str = ""
    schema: int = 1


class Desk(Protocol):
    """What the staff's commands ask, of a home folder or a server."""

    def log(self, asked: LogQuestion) -> Log: ...
    def extensions(self, hw: str) -> Extensions: ...
    def parts(self, hw: str) -> Parts: ...
    def person_tokens(self, key: str | None) -> PersonTokens: ...
    def queue(self) -> Queue: ...
    def missing(self, hw: str) -> Missing: ...
    def histogram(self, hw: str) -> Histogram: ...
    def uploads(self, hw: str, path: Path, counting: bool, version: int | None = ...) -> int: ...
    def handed(self, hw: str) -> Handed: ...
    def attachments(self, hw: str, path: Path, latest: bool) -> int: ...
    def rules(self, hw: str) -> RulesInForce: ...
    def extend(self, hw: str, asked: Extending, how: How) -> Change: ...
    def enter_points(self, hw: str, entries: Sequence[PartEntry], how: How) -> Change: ...
    def person(self, key: str) -> PersonCard: ...
    def disqualify(self, number: int, undo: bool, how: How) -> Change: ...
    def reveal(self, hw: str, how: How) -> Change: ...
    def people(self) -> People: ...
    def import_roster(self, asked: Importing, how: How) -> Change: ...
    def rename_team(self, old: str, new: str, how: How) -> Change: ...
    def stand(self, key: str, disabled: bool, how: How) -> Change: ...
    def end_token(self, number: int, how: How) -> Change: ...
    def announcements(self) -> Announcements: ...
    def announce(self, text: str) -> Announcements: ...
    def end_announcement(self, number: int) -> None: ...
    def change_rules(self, hw: str, changes: Mapping[str, str], how: How) -> Change: ...
