"""A home folder with the interface of a server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.competition import (
    Competition,
    prepared,
    public_digest,
    read_competition,
    recover,
)
from harness.course.access import Viewer
from harness.course.boards import board, gradebook
from harness.course.catalogue import files, homework, homeworks, receipt_key_of, sheet
from harness.course.entries import Selection, Signed, Submission, Submissions, Submitted, Tell
from harness.course.handing_in import submit
from harness.course.limits import quota, select, selection
from harness.course.points import points
from harness.course.record import receipt, submission, submissions
from harness.course.types import Board, Files, Gradebook, Homework, Homeworks, Points, Quota
from harness.home import Home
from tasks.homeworks import canonical


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
        return receipt_key_of(self.home)

    def homeworks(self) -> Homeworks:
        return homeworks(self.home, self.viewer, self.clock())

    def homework(self, hw: str) -> Homework:
        return homework(self.home, self.viewer, hw, self.clock())

    def sheet(self, hw: str) -> str:
        return sheet(self.home, self.viewer, hw)

    def files(self, hw: str) -> Files:
        return files(self.home, self.viewer, hw)

    def competition(self, hw: str, say: Callable[[str], None] = lambda text: None) -> Competition:
        """The public description, like a server's: with the edition's rules, so that `check` needs no database."""
        name = canonical(hw)
        recover(self.home, name)
        return read_competition(self.home.public(name))

    def board(self, hw: str, private: bool, unrevealed: bool, exact: bool = False, version: int | None = None) -> Board:
        return board(
            self.home, self.viewer, hw, private=private, unrevealed=unrevealed, exact=exact, version=version,
            now=self.clock(),
        )  # fmt: skip

    def submissions(
        self, hw: str | None, everyone: bool, exact: bool = False, version: int | None = None
    ) -> Submissions:
        return submissions(
            self.home, self.viewer, hw, everyone=everyone, exact=exact, version=version, now=self.clock()
        )

    def submission(self, number: int) -> Submission:
        return submission(self.home, self.viewer, number, self.clock())

    def receipt(self, number: int) -> Signed:
        return receipt(self.home, self.viewer, number)

    def points(self, hw: str | None) -> Points:
        return points(self.home, self.viewer, hw, self.clock())

    def gradebook(self, hw: str | None, unrevealed: bool, version: int | None = None) -> Gradebook:
        return gradebook(self.home, self.viewer, hw, unrevealed=unrevealed, version=version, now=self.clock())

    def quota(self, hw: str) -> Quota:
        return quota(self.home, self.viewer, hw, self.clock())

    def selection(self, hw: str) -> Selection:
        return selection(self.home, self.viewer, hw, self.clock())

    def select(self, hw: str, ids: Sequence[int]) -> Selection:
        return select(self.home, self.viewer, hw, ids, self.clock())

    def public(self, competition: Competition) -> Path | None:
        return self.home.public(competition.name)

    def refuse_stale(self, competition: Competition, file: Path) -> None:
        """Raises UserError E_STALE_DATA if the data next to the file are not the competition's current data."""
        from harness.course.held import refuse_stale

        public = self.home.public(competition.name)
        refuse_stale(file, competition, public_digest(public), f"The current data are in {public}.")

    def submit(self, hw: str, path: Path, message: str, wait: bool = True, tell: Tell = lambda seen: None) -> Submitted:
        self.refuse_stale(self.competition(hw), path)
        return submit(self.home, self.viewer, hw, path, message, self.clock())
