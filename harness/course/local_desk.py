"""A home folder with the interface of `harness.course.desk.Desk`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.course import announcing, attachments, classwork, entered, entering, people, persons, revealing
from harness.course.access import Viewer
from harness.course.attached import Handed
from harness.course.desk import (
    Change,
    Extending,
    Extensions,
    Histogram,
    How,
    Importing,
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
from harness.course.types import Announcements
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

    def queue(self) -> Queue:
        return classwork.waiting(self.home, self.viewer, self.clock())

    def missing(self, hw: str) -> Missing:
        return classwork.missing(self.home, self.viewer, hw)

    def histogram(self, hw: str) -> Histogram:
        return classwork.histogram(self.home, self.viewer, hw)

    def uploads(self, hw: str, path: Path, counting: bool, version: int | None = None) -> int:
        return classwork.save_archive(self.home, self.viewer, hw, path, counting, version)

    def handed(self, hw: str) -> Handed:
        return attachments.handed(self.home, self.viewer, hw, self.clock())

    def attachments(self, hw: str, path: Path, latest: bool) -> int:
        return attachments.save_archive(self.home, self.viewer, hw, path, latest, self.clock())

    def rules(self, hw: str) -> RulesInForce:
        return entering.rules(self.home, self.viewer, hw)

    def extend(self, hw: str, asked: Extending, how: How) -> Change:
        return entering.extend(self.home, self.viewer, hw, asked, how, self.clock())

    def enter_points(self, hw: str, entries: Sequence[PartEntry], how: How) -> Change:
        return entering.enter_points(self.home, self.viewer, hw, entries, how, self.clock())

    def change_rules(self, hw: str, changes: Mapping[str, str], how: How) -> Change:
        return entering.change_rules_of(self.home, self.viewer, hw, changes, how, self.clock())

    def person(self, key: str) -> PersonCard:
        return persons.person(self.home, self.viewer, key, self.clock())

    def disqualify(self, number: int, undo: bool, how: How) -> Change:
        return entering.disqualify(self.home, self.viewer, number, undo, how, self.clock())

    def reveal(self, hw: str, how: How) -> Change:
        return revealing.reveal(self.home, self.viewer, hw, how, self.clock())

    def people(self) -> People:
        return people.people(self.home, self.viewer, self.clock())

    def import_roster(self, asked: Importing, how: How) -> Change:
        return people.import_roster(self.home, self.viewer, asked, how, self.clock())

    def rename_team(self, old: str, new: str, how: How) -> Change:
        return people.rename_team(self.home, self.viewer, old, new, how, self.clock())

    def stand(self, key: str, disabled: bool, how: How) -> Change:
        return people.stand(self.home, self.viewer, key, disabled, how, self.clock())

    def end_token(self, number: int, how: How) -> Change:
        return people.end_token(self.home, self.viewer, number, how, self.clock())

    def announcements(self) -> Announcements:
        return announcing.read(self.home, self.viewer)

    def announce(self, text: str) -> Announcements:
        return announcing.announce(self.home, self.viewer, text, self.clock())

    def end_announcement(self, number: int) -> None:
        announcing.end(self.home, self.viewer, number, self.clock())
