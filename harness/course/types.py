"""What a course answers, as frozen dataclasses: at home, over the network, on a page and in the API's description.

`dataclasses.asdict` of one is its JSON; `read` makes one of JSON, and leaves out what a newer server adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class HomeworkPoints:
    """A person's points in one homework, by bar on each board and by part graded by hand, and their sum.

    `private` is None while it is hidden, a part while it is not entered. `submissions` are those that count on the
    private board, `maximum` is without a bonus, and `counts` is false where the course total leaves this one out.
    """

    homework: str
    public: dict[str, float]
    private: dict[str, float] | None
    parts: dict[str, float | None]
    submissions: list[int]
    total: float
    maximum: float
    counts: bool


@dataclass(frozen=True)
class Points:
    """A person's points, and the course total so far. `rule` says what counts, empty where every homework does."""

    homeworks: list[HomeworkPoints]
    total: float
    maximum: float
    rule: str
    schema: int = 1

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Points:
        rows = [HomeworkPoints(**_known(HomeworkPoints, row)) for row in body["homeworks"]]
        return cls(**_known(cls, body) | {"homeworks": rows})


def _known(kind: type, body: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: body[field.name] for field in fields(kind) if field.name in body}
