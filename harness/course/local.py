"""A home folder with the interface of a server.

Each question loads only the file that answers it, as each command loads its own: `check` asks none of them, and
needs no database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.competition import (
    Competition,
    prepared,
    public_digest,
    read_competition,
    recover,
)
from harness.course.attached import Attached, Attachments
from harness.course.download import save_new
from harness.course.entries import Selection, Signed, Submission, Submissions, Submitted, Tell
from harness.course.held import refuse_stale
from harness.course.types import Board, Files, Gradebook, Homework, Homeworks, Points, Quota
from harness.home import Home
from tasks.homeworks import canonical

if TYPE_CHECKING:
    from harness.course.access import Viewer


@dataclass(frozen=True)
class LocalCourse:
    """A home folder with the interface of `harness.course.remote.RemoteCourse`."""

    home: Home
    viewer: Viewer
    clock: Callable[[], datetime]

    @property
    def who(self) -> str:
        return self.viewer.key

    def names(self) -> list[str]:
        return prepared(self.home)

    def receipt_key(self) -> str | None:
        from harness.course import catalogue

        return catalogue.receipt_key_of(self.home)

    def homeworks(self) -> Homeworks:
        from harness.course import catalogue

        return catalogue.homeworks(self.home, self.viewer, self.clock())

    def homework(self, hw: str) -> Homework:
        from harness.course import catalogue

        return catalogue.homework(self.home, self.viewer, hw, self.clock())

    def sheet(self, hw: str) -> str:
        from harness.course import catalogue

        return catalogue.sheet(self.home, self.viewer, hw)

    def files(self, hw: str) -> Files:
        from harness.course import catalogue

        return catalogue.files(self.home, self.viewer, hw)

    def competition(self, hw: str, say: Callable[[str], None] = lambda text: None) -> Competition:
        """The public description, like a server's: with the edition's rules, so that `check` needs no database."""
        name = canonical(hw)
        recover(self.home, name)
        return read_competition(self.home.public(name))

    def board(self, hw: str, private: bool, unrevealed: bool, exact: bool = False, version: int | None = None) -> Board:
        from harness.course import boards

        return boards.board(
            self.home,
            self.viewer,
            hw,
            private=private,
            unrevealed=unrevealed,
            exact=exact,
            version=version,
            now=self.clock(),
        )

    def submissions(
        self, hw: str | None, everyone: bool, exact: bool = False, version: int | None = None
    ) -> Submissions:
        from harness.course import record

        return record.submissions(
            self.home, self.viewer, hw, everyone=everyone, exact=exact, version=version, now=self.clock()
        )

    def submission(self, number: int) -> Submission:
        from harness.course import record

        return record.submission(self.home, self.viewer, number, self.clock())

    def receipt(self, number: int) -> Signed:
        from harness.course import record

        return record.receipt(self.home, self.viewer, number)

    def save(self, number: int, path: Path) -> None:
        from harness.course import record

        save_new(path, [record.file(self.home, self.viewer, number).path.read_bytes()])

    def attach(self, hw: str, path: Path) -> Attached:
        from harness.course import attachments

        return attachments.attach_file(self.home, self.viewer, hw, path, self.clock(), secrets.token_hex(16))

    def attachments(self, hw: str) -> Attachments:
        from harness.course import attachments

        return attachments.attachments(self.home, self.viewer, hw, self.clock())

    def save_attachment(self, number: int, path: Path) -> None:
        from harness.course import attachments

        attachments.save(self.home, self.viewer, number, path, self.clock())

    def attachment_receipt(self, number: int) -> Signed:
        from harness.course import attachments

        return attachments.receipt(self.home, self.viewer, number)

    def points(self, hw: str | None) -> Points:
        from harness.course import points

        return points.points(self.home, self.viewer, hw, self.clock())

    def gradebook(self, hw: str | None, unrevealed: bool, version: int | None = None) -> Gradebook:
        from harness.course import points

        return points.gradebook(self.home, self.viewer, hw, unrevealed=unrevealed, version=version, now=self.clock())

    def quota(self, hw: str) -> Quota:
        from harness.course import limits

        return limits.quota(self.home, self.viewer, hw, self.clock())

    def selection(self, hw: str) -> Selection:
        from harness.course import limits

        return limits.selection(self.home, self.viewer, hw, self.clock())

    def select(self, hw: str, ids: Sequence[int]) -> Selection:
        from harness.course import limits

        return limits.select(self.home, self.viewer, hw, ids, self.clock())

    def public(self, competition: Competition) -> Path | None:
        return self.home.public(competition.name)

    def refuse_stale(self, competition: Competition, file: Path) -> None:
        """Raises UserError E_STALE_DATA if the data next to the file are not the competition's current data."""
        public = self.home.public(competition.name)
        refuse_stale(file, competition, public_digest(public), f"The current data are in {public}.")

    def submit(self, hw: str, path: Path, message: str, wait: bool = True, tell: Tell = lambda seen: None) -> Submitted:
        from harness.course import handing_in

        self.refuse_stale(self.competition(hw), path)
        return handing_in.submit(self.home, self.viewer, hw, path, message, self.clock())
