"""What a course answers of second files, such as reports and code, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass

from harness.course.entries import Signed

ATTACHED = "attachment"
HANDED = (ATTACHED, "at", "file", "bytes", "by", "sha256")
"""The columns that a list of second files has of each, so that points can be entered beside them."""


@dataclass(frozen=True)
class AttachmentRow:
    """A second file. `by` is the id of who handed it in; the `latest` one of a participant counts."""

    id: int
    homework: str
    participant: str
    name: str
    by: str
    kind: str
    file: str
    bytes: int
    sha256: str
    at: str
    latest: bool


@dataclass(frozen=True)
class Asked:
    """The rules of a homework's second file for the viewer; `left` is how many can still be handed in today."""

    kinds: list[str]
    max_bytes: int
    closes: str | None
    closed: bool
    left: int


@dataclass(frozen=True)
class Attachments:
    """The second files of a homework in the order they arrived; `asked` is None where none is asked for."""

    homework: str
    asked: Asked | None
    attachments: list[AttachmentRow]
    schema: int = 1


@dataclass(frozen=True)
class Attached:
    """The answer to a second file. `again` means that it was recorded before, with the same receipt."""

    attachment: AttachmentRow
    again: bool
    left: int
    receipt: Signed
    schema: int = 1


@dataclass(frozen=True)
class HandedRow:
    """A student with the latest second file, which may be that of a team; None without one."""

    id: str
    name: str
    email: str
    team: str | None
    attachment: AttachmentRow | None


@dataclass(frozen=True)
class Handed:
    """Who of a class handed in the second file of a homework, by id."""

    homework: str
    asked: Asked | None
    students: list[HandedRow]
    schema: int = 1
