"""What a course answers, as frozen dataclasses: at home, over the network, on a page and in the API's description.

What it answers of submissions, and the JSON of an answer, are in `harness.course.entries`. Instants are RFC 3339 texts
in the course's zone; scores and intervals are cut to the digits that everyone may see (`harness.shown`). `Course` is
what the commands ask, a home or a server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from harness.competition import Competition, MetricCard
from harness.course.attached import Attached, Attachments
from harness.course.entries import (
    OPTIONAL,
    SPREAD,
    Best,
    Interval,
    Selection,
    Signed,
    Submission,
    Submissions,
    Submitted,
    Tell,
)
from tasks.base import Rules

Conditions = tuple[tuple[str, float], ...]
"""Of a bar: each metric's name and threshold."""


FormatValue = str | int | float | bool | list[Any] | dict[str, Any]


@dataclass(frozen=True)
class About:
    """The course, its time zone, the public key of its receipts, and the version of its server."""

    course: str
    zone: str
    version: str
    receipt_key: str | None = None
    schema: int = 1


@dataclass(frozen=True)
class Me:
    """Who is logged in; `participant` is the person or the team that submits."""

    role: Literal["nobody", "student", "auditor", "ta", "instructor"]
    scope: Literal["all", "submit", "read", "home"]
    key: str
    participant: str
    name: str
    email: str | None
    team: str | None
    schema: int = 1


@dataclass(frozen=True)
class QuotaState:
    """The submissions of today. Where `practice`, the homework is over; inside a homework its name is left out."""

    used: int
    left: int
    limit: int
    refused: int
    next_day: str
    closes: str | None
    practice: bool = False
    revealed: str | None = None
    homework: str | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class Quota:
    """The quota of one homework, in days of that zone."""

    zone: str
    quota: list[QuotaState]
    schema: int = 1


@dataclass(frozen=True)
class Place:
    """A participant's row of a board, `of` so many people."""

    rank: int
    of: int
    score: float | None
    digits: int
    bars: list[str]
    submission: int | None

    @property
    def best(self) -> Best | None:
        """The submission that has this place; None without a score."""
        if self.submission is None or self.score is None:
            return None
        return Best(self.submission, self.score, self.rank)


@dataclass(frozen=True)
class HomeworkRow:
    """A homework in the list. `bars` names those that can be cleared; `place` is the viewer's on the public board.

    `private_place` is that on the private board, None before its reveal.
    At home, where nothing closes, it also says whether the homework is prepared, and all its editions.
    """

    name: str
    title: str
    metric: str
    editions: list[str]
    prepared: bool
    closes: str | None = None
    closed: bool = False
    revealed: str | None = None
    bars: list[str] = field(default_factory=list)
    place: Place | None = None
    private_place: Place | None = None
    quota: QuotaState | None = field(default=None, metadata=OPTIONAL)
    quiz: bool | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class Homeworks:
    """All homeworks of the course."""

    tasks: list[HomeworkRow]
    schema: int = 1


@dataclass(frozen=True)
class BarCard:
    """A bar with its public thresholds and its (public, private) points, as `tasks.base.Bar` has them."""

    name: str
    public: Conditions
    source: str
    points: tuple[float, float]
    digits: int
    comparable: bool = True
    rounded: bool = False
    size: str | None = None


@dataclass(frozen=True)
class Homework:
    """The public description of a homework, the deadline for the viewer, and the viewer's quota.

    `format` has the fields of its kind of format, as in format.json, without the ids; `older` are the data versions
    before this one.
    """

    name: str
    title: str
    edition: str
    version: int
    source: str
    metrics: list[MetricCard]
    bars: list[BarCard]
    rules: Rules
    demo: bool
    two_boards: bool
    judge: str | None
    size: str | None
    kind: str
    max_bytes: int
    closes: str | None
    closed: bool
    revealed: str | None
    format: dict[str, FormatValue] = field(metadata=SPREAD)
    quota: QuotaState | None = field(default=None, metadata=OPTIONAL)
    older: list[int] = field(default_factory=list)
    schema: int = 1


@dataclass(frozen=True)
class DataFile:
    """A file that students get, by its name in the homework's folder."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Files:
    """The data of a homework, the archive of them all, and at home their folder."""

    homework: str
    version: int
    files: list[DataFile]
    archive: DataFile | None = None
    folder: str | None = field(default=None, metadata=OPTIONAL)
    schema: int = 1


@dataclass(frozen=True)
class BoardRow:
    """One place of a board. `others` are the scores by the other metrics.

    `submission` is hidden from other students. The private board has the rank on the public one and the places gained;
    `model` says, where the edition asks for a model, whether it is verified; None while there is no score. `matrix` are
    the shares behind the score of this board, where the metric has them.
    """

    rank: int
    name: str
    kind: str
    score: float | None
    interval: Interval | None
    bars: list[str]
    entries: int
    last: str
    submission: int | None
    own: bool
    others: dict[str, float | None] = field(metadata=SPREAD)
    public_rank: int | None = field(default=None, metadata=OPTIONAL)
    move: int | None = field(default=None, metadata=OPTIONAL)
    model: str | None = field(default="", metadata=OPTIONAL)
    matrix: list[list[float]] | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class BoardBar:
    """A bar on a board; the private board has its private thresholds.

    `reached` is how many participants reach its threshold of the ranking metric: the place of its line. None where it
    has no line.
    """

    name: str
    public: Conditions
    source: str
    points: tuple[float, float]
    digits: int
    reached: int | None
    comparable: bool = True
    rounded: bool = False
    size: str | None = None
    private: Conditions | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class Board:
    """The public or the private board of a homework; `metric` ranks, and is the first of `metrics`."""

    homework: str
    title: str
    edition: str
    version: int
    metric: str
    higher_is_better: bool
    side: Literal["public", "private"]
    demo: bool
    metrics: list[MetricCard]
    bars: list[BoardBar]
    board: list[BoardRow]
    size: str | None = None
    interval_note: str | None = None
    schema: int = 1


@dataclass(frozen=True)
class Draft:
    """The saved answers of a quiz; `conflict` names the questions that somebody else answered meanwhile."""

    homework: str
    revision: int
    saved_at: str | None
    answers: dict[str, list[str]]
    conflict: list[str] = field(default_factory=list)
    schema: int = 1


@dataclass(frozen=True)
class HomeworkPoints:
    """A person's points in one homework, by bar on each board and by part graded by hand, and their sum.

    `private` is None while it is hidden, a part while it is not entered. `submissions` are those that count on the
    private board, `maximum` is without a bonus, and `counts` is false where the course total leaves this one out.
    `place` and `private_place` are on the boards of a prepared one, the private one None before its reveal.
    """

    homework: str
    public: dict[str, float]
    private: dict[str, float] | None
    parts: dict[str, float | None]
    submissions: list[int]
    total: float
    maximum: float
    counts: bool
    place: Place | None = None
    private_place: Place | None = None


@dataclass(frozen=True)
class Points:
    """A person's points, and the course total so far. `rule` says what counts, empty where every homework does."""

    homeworks: list[HomeworkPoints]
    total: float
    maximum: float
    rule: str
    schema: int = 1


@dataclass(frozen=True)
class GradebookHomework:
    """The points that a homework can give: (public, private) of each bar, and the most of each part by hand."""

    name: str
    bars: dict[str, tuple[float, float]]
    parts: dict[str, float]
    maximum: float


@dataclass(frozen=True)
class GradebookScore:
    """A student's points in one homework, as in `HomeworkPoints`; `model` says whether the network is verified."""

    public: dict[str, float]
    private: dict[str, float] | None
    parts: dict[str, float | None]
    submissions: list[int]
    model: str
    total: float


@dataclass(frozen=True)
class GradebookStudent:
    """A line of the gradebook; `counts` names the homeworks that count in the total."""

    id: str
    name: str
    email: str
    team: str | None
    disabled: bool
    homeworks: dict[str, GradebookScore]
    total: float
    counts: list[str]


@dataclass(frozen=True)
class GradebookTotal:
    """How the course total is made: the `best` homeworks (0: all) of those in `among` (none: of all), in words too."""

    best: int
    among: list[str]
    maximum: float
    rule: str


@dataclass(frozen=True)
class Gradebook:
    """Each student's points, for staff; `hidden` names the homeworks whose private points are left out.

    `students` may be a page of the `found` ones that a search gave, out of all `people`.
    """

    total: GradebookTotal
    homeworks: list[GradebookHomework]
    students: list[GradebookStudent]
    hidden: list[str]
    found: int
    people: int
    schema: int = 1


@dataclass(frozen=True)
class TokenRow:
    """A valid token, without its secret; `this` is the one of this request."""

    id: int
    label: str
    scope: str
    created: str
    expires: str
    this: bool


@dataclass(frozen=True)
class Tokens:
    """A person's valid tokens."""

    tokens: list[TokenRow]
    schema: int = 1


@dataclass(frozen=True)
class NewToken:
    """A new token, shown only once."""

    token: str
    scope: str
    expires: str
    schema: int = 1


@dataclass(frozen=True)
class NewSession:
    """The answer to a browser's login; `token` is new, shown only once, where an invitation was used up."""

    me: Me = field(metadata=SPREAD)
    token: str | None


@dataclass(frozen=True)
class Done:
    """The answer to a change that has nothing to say."""

    schema: int = 1


@dataclass(frozen=True)
class AnnouncementRow:
    """What staff tell the course, in plain lines; `by` is a name."""

    id: int
    text: str
    by: str
    at: str


@dataclass(frozen=True)
class Announcements:
    """The announcements that stand, the newest first."""

    announcements: list[AnnouncementRow]
    schema: int = 1


class Course(Protocol):
    """What the commands ask a course: `LocalCourse` answers from a home folder, `RemoteCourse` asks a server."""

    @property
    def who(self) -> str: ...
    def names(self) -> list[str]: ...
    def receipt_key(self) -> str | None: ...
    def homeworks(self) -> Homeworks: ...
    def homework(self, hw: str) -> Homework: ...
    def sheet(self, hw: str) -> str: ...
    def files(self, hw: str) -> Files: ...
    def competition(self, hw: str, say: Callable[[str], None] = ...) -> Competition: ...
    def board(
        self, hw: str, private: bool, unrevealed: bool, exact: bool = ..., version: int | None = ...
    ) -> Board: ...
    def submissions(
        self, hw: str | None, everyone: bool, exact: bool = ..., version: int | None = ...
    ) -> Submissions: ...
    def submission(self, number: int) -> Submission: ...
    def receipt(self, number: int) -> Signed: ...
    def save(self, number: int, path: Path) -> None: ...
    def attach(self, hw: str, path: Path) -> Attached: ...
    def attachments(self, hw: str) -> Attachments: ...
    def save_attachment(self, number: int, path: Path) -> None: ...
    def attachment_receipt(self, number: int) -> Signed: ...
    def points(self, hw: str | None) -> Points: ...
    def gradebook(self, hw: str | None, unrevealed: bool, version: int | None = ...) -> Gradebook: ...
    def quota(self, hw: str) -> Quota: ...
    def selection(self, hw: str) -> Selection: ...
    def select(self, hw: str, ids: Sequence[int]) -> Selection: ...
    def public(self, competition: Competition) -> Path | None: ...
    def refuse_stale(self, competition: Competition, file: Path) -> None: ...
    def submit(self, hw: str, path: Path, message: str, wait: bool = ..., tell: Tell = ...) -> Submitted: ...
