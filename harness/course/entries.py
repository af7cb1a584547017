"""What a course answers of submissions, as frozen dataclasses, and how an answer becomes JSON: `to_json`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from harness.competition import MetricCard

OPTIONAL = {"optional": True}
"""Marks a field that is left out of the JSON while it has its default."""

SPREAD = {"spread": True}
"""Marks a field whose own fields stand in the JSON beside the others."""


def to_json(answer: Any) -> Any:
    """An answer as dicts, lists and plain values."""
    if isinstance(answer, (list, tuple)):
        return [to_json(one) for one in answer]
    if isinstance(answer, dict):
        return {key: to_json(value) for key, value in answer.items()}
    if not is_dataclass(answer) or isinstance(answer, type):
        return answer
    values: dict[str, Any] = {}
    for one in fields(answer):
        value = getattr(answer, one.name)
        if one.metadata.get("spread"):
            values |= to_json(value)
        elif value != one.default or not one.metadata:
            values[one.name] = to_json(value)
    return values


State = Literal["queued", "grading", "graded", "rejected", "failed"]
Interval = tuple[float, float]


@dataclass(frozen=True)
class SubmissionRow:
    """One submission in a list; fields as in `Submission`."""

    id: int
    homework: str
    participant: str
    name: str
    at: str
    selected: bool
    practice: bool
    file: str
    message: str
    state: State
    position: int | None
    code: str | None
    score: float | None
    metric: str
    digits: int
    private: float | None = None
    notes: list[str] = field(default_factory=list)
    model: str | None = field(default="", metadata=OPTIONAL)
    matrix: list[list[float]] | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class Submissions:
    """Submissions in the order of acceptance."""

    submissions: list[SubmissionRow]
    schema: int = 1


@dataclass(frozen=True)
class FileProblem:
    """A problem of a file; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    column: str | None = None
    found: str | None = None
    expected: str | None = None


@dataclass(frozen=True)
class MetricScore:
    """The public score by one metric, with its 95 % interval where it has one."""

    metric: str
    public: float
    interval: Interval | None


@dataclass(frozen=True)
class Best:
    """A participant's best submission so far."""

    submission: int
    score: float
    rank: int


@dataclass(frozen=True)
class Submission:
    """One submission: its state, its problems, its public scores, and its rank on the public board.

    `position` is there in the queue; `code` is that of a refusal, of whose `total` problems those are there that the
    reader showed. `private` is None before the reveal, and from then on `private_matrix` is there where the metric has
    one. `model` is there in an edition that asks for a model beside the file, and says whether it is verified, None
    before grading. `rank` is that of the participant's `best`, if this is it; `improved` says whether this one was
    better than all before it; all by exact scores, and None if it does not count.
    """

    submission: int
    homework: str
    edition: str
    participant: str
    name: str
    own: bool
    at: str
    selected: bool
    practice: bool
    file: str
    message: str
    size: int
    sha256: str
    state: State
    position: int | None
    code: str | None
    scores: list[MetricScore]
    metrics: list[MetricCard]
    bars: list[str]
    has_bars: bool
    rank: int | None
    demo: bool
    problems: list[FileProblem] = field(default_factory=list)
    total: int = 0
    private: float | None = None
    notes: list[str] = field(default_factory=list)
    best: Best | None = None
    improved: bool | None = None
    model: str | None = field(default="", metadata=OPTIONAL)
    matrix: list[list[float]] | None = field(default=None, metadata=OPTIONAL)
    private_matrix: list[list[float]] | None = field(default=None, metadata=OPTIONAL)
    schema: int = 1


@dataclass(frozen=True)
class Slots:
    """The submissions of today after one more."""

    used: int
    left: int
    limit: int
    next_slot: str


Signed = dict[str, Any]
"""A receipt as it was signed, whatever fields a newer server adds: the signature is over all of them."""


@dataclass(frozen=True)
class Accepted:
    """The answer to a file: recorded, or (`again`) already submitted, with its receipt."""

    homework: str
    edition: str
    submission: int
    again: bool
    participant: str
    name: str
    practice: bool
    state: State
    position: int | None
    code: str | None
    quota: Slots
    receipt: Signed
    schema: int = 1


FINISHED = (
    "schema", "homework", "edition", "submission", "again", "participant", "name", "practice", "state", "position",
    "code", "scores", "private", "metrics", "notes", "bars", "has_bars", "rank", "best", "improved", "demo", "quota",
    "receipt", "matrix", "private_matrix", "model",
)  # fmt: skip


@dataclass(frozen=True)
class Submitted:
    """A file that was accepted, and its submission as it is now: graded, unless nobody waited."""

    accepted: Accepted
    submission: Submission

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of `submit`."""
        both: dict[str, Any] = to_json(self.accepted) | to_json(self.submission)
        return {key: both[key] for key in FINISHED if key in both}


@dataclass(frozen=True)
class Counted:
    """A submission that would count if the homework ended now."""

    id: int
    homework: str
    participant: str
    at: str
    selected: bool
    practice: bool
    file: str
    message: str
    state: State
    score: float | None


@dataclass(frozen=True)
class Selection:
    """Which submissions count on the private board: the choice, the rules, and `counts`, what would count now.

    At most `selections` can be chosen; without a choice the `unselected_count` that `unselected` names count.
    """

    homework: str
    selections: int
    unselected: str
    unselected_count: int
    closes: str | None
    locked: bool
    selected: list[int]
    metric: str
    digits: int
    counts: list[Counted]
    schema: int = 1


Tell = Callable[[Submission], None]
