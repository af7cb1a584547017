"""A home folder with the interface of `harness.course.desk.Desk`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from harness.course import entered
from harness.course.access import Viewer
from harness.course.desk import Extensions, Log, LogQuestion, Parts, PersonTokens
from harness.home import Home


@dataclass(frozen=True)
class LocalDesk:
    """What staff ask of a home folder."""

    home: Home
    viewer: Viewer
    clock: Callable[[], datetime]

    def log(self, asked: LogQuestion) -> Log:
        return entered.log(self.home, self.viewer, asked)

    def extensions(self, hw: str) -> Extensions:
        return entered.extensions(self.home, self.viewer, hw)

    def parts(self, hw: str) -> Parts:
        return entered.parts(self.home, self.viewer, hw)

    def person_tokens(self, key: str | None) -> PersonTokens:
        return entered.person_tokens(self.home, self.viewer, key, self.clock())
