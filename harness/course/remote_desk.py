"""What staff ask of a course's server, under the login of this machine."""

from __future__ import annotations

from dataclasses import dataclass, fields

from harness.course.desk import Extensions, Log, LogQuestion, Parts, PersonTokens
from harness.course.remote import RemoteCourse
from harness.course.transport import quoted


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
