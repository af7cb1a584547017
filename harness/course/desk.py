"""What the staff of a course ask and enter: the answers, as frozen dataclasses, and the protocol `Desk`.

`LocalDesk` answers from a home folder, `RemoteDesk` asks a server; permissions are decided behind both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


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
    """Points that were given by hand and are in force."""

    id: str
    name: str
    part: str
    points: float
    by: str
    at: str
    reason: str


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


class Desk(Protocol):
    """What the staff's commands ask, of a home folder or a server."""

    def log(self, asked: LogQuestion) -> Log: ...
    def extensions(self, hw: str) -> Extensions: ...
    def parts(self, hw: str) -> Parts: ...
    def person_tokens(self, key: str | None) -> PersonTokens: ...
