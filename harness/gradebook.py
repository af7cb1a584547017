"""The gradebook: points for passed bars and for parts entered by hand, by the course's schemes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.competition import Competition, find_competition, prepared, read_versions
from harness.home import FOR_POINTS, Home
from tasks.errors import UserError
from tasks.homeworks import canonical, find_task, module_of, unknown

if TYPE_CHECKING:
    from leaderboard.database import Database

YEARS = ("2021", "2022")
LEVELS = {"2021": (1.0, 1.0), "2022": (0.5, 0.5)}
"""Public and private points of a bar where the course published no bars for that year (HW8, 2022)."""

BONUS = "bonus"
"""A part on top of the maximum: half a point for a report by those who passed everything else."""

BONUS_2022 = ("hw01", "hw07", "hw10", "hw11", "hw12", "hw13", "hw15")
"""The homeworks with a bonus in 2022; in 2021 all except the quizzes."""


@dataclass(frozen=True)
class Scheme:
    """The points of a homework: public and private points of each bar, and the maximum of each part by hand."""

    homework: str
    bars: Mapping[str, tuple[float, float]]
    parts: Mapping[str, float]

    @property
    def maximum(self) -> float:
        by_hand = (most for part, most in self.parts.items() if part != BONUS)
        return math.fsum([points for both in self.bars.values() for points in both] + list(by_hand))


@dataclass(frozen=True)
class Score:
    """A person's points in one homework. `private` is None while it is hidden, a part while it is not entered.

    `submissions` are the ones that count; `total` is the sum of all known points.
    """

    public: Mapping[str, float]
    private: Mapping[str, float] | None
    parts: Mapping[str, float | None]
    submissions: tuple[int, ...]

    @property
    def total(self) -> float:
        known = [*self.public.values(), *(self.private or {}).values(), *(self.parts.values())]
        return math.fsum(points for points in known if points is not None)


@dataclass(frozen=True)
class Line:
    """One student of the gradebook, with the scores by homework; `disabled` if taken off the roster."""

    key: str
    name: str
    email: str
    team: str | None
    scores: Mapping[str, Score]
    disabled: bool = False


def parts_of(name: str, year: str) -> dict[str, float]:
    """The parts graded by hand in a homework in that year of the course, with their maximum points.

    >>> parts_of("hw01", "2021"), parts_of("hw01", "2022")
    ({'code': 4.0, 'bonus': 0.5}, {'code': 2.0, 'bonus': 0.5})
    """
    own: dict[tuple[str, str], dict[str, float]] = {
        ("hw02", "2021"): {"code": 4.0, "hessian": 2.0},
        ("hw13", "2021"): {"code": 3.0, "question": 1.0},
        ("hw01", "2022"): {"code": 2.0},
        ("hw09", "2022"): {"quiz": 8.0, "report": 2.0},
        ("hw14", "2022"): {"quiz": 8.0, "report": 2.0},
    }
    own |= {(quiz, "2021"): {"quiz": 10.0} for quiz in ("hw09", "hw14", "hw15")}
    usual = {"2021": {"code": 4.0}, "2022": {"code": 2.0, "report": 4.0}}.get(year, {"code": 2.0})
    parts = own.get((name, year), usual)
    none = "quiz" in parts or (year == "2022" and name not in BONUS_2022)
    return parts if none else parts | {BONUS: 0.5}


def find_scheme(home: Home, name: str, competition: Competition | None) -> Scheme:
    """The scheme of a homework: its edition's or, with config.toml, another year's and further changes.

    The edition of a built-in world has the points of its bars, and 2 for the code. Your own competition has only the
    parts in config.toml. Raises UserError for invalid settings.
    """
    settings = home.settings.get(name, {})
    task = find_task(name)
    official = task is not None or name in {f"hw{number:02d}" for number in range(1, 16)}
    default = competition.edition if competition is not None else "2022"
    year = settings.get("scheme", default)
    if year != default and year not in YEARS:
        raise UserError(f"config.toml: [{name}] scheme must be one of {', '.join(YEARS)}, got {year!r}.")
    parts = parts_of(name, year) if official else {}
    if "parts" in settings:
        parts = _numbers(settings["parts"], f"config.toml: [{name}] parts")
    bars: dict[str, tuple[float, float]] = {}
    for bar in competition.bars if competition is not None else ():
        bars[bar.name] = bar.points
    if year != default and task is not None:
        told = {bar.name: bar.points for edition in task.editions if edition.name == year for bar in edition.bars}
        if told and bars and not set(told) & set(bars):
            raise UserError(
                f"config.toml: [{name}] scheme {year!r} has other bars ({', '.join(told)}) than this homework"
                f" ({', '.join(bars)}); set their points with `points` and the parts with `parts`."
            )
        bars = {level: told.get(level, (0.0, 0.0) if told else LEVELS[year]) for level in bars}
    for level, points in _table(settings.get("points", {}), f"config.toml: [{name}] points").items():
        if level not in bars:
            known = ", ".join(bars)
            raise UserError(f"config.toml: [{name}] points: there is no bar {level!r}; the bars are: {known}.")
        if not isinstance(points, list) or len(points) != 2 or not all(_is_points(value) for value in points):
            raise UserError(f"config.toml: [{name}] points: {level} must be [public, private], got {points!r}.")
        bars[level] = (float(points[0]), float(points[1]))
    if competition is not None and not competition.two_boards:
        bars = {level: (public, 0.0) for level, (public, _) in bars.items()}
    return Scheme(name, bars, parts)


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where} must be a table like {{ name = 1 }}, got {value!r}.")
    return value


def _numbers(value: Any, where: str) -> dict[str, float]:
    for key, points in _table(value, where).items():
        if not _is_points(points):
            raise UserError(f"{where}: {key} must be a number, at least 0, got {points!r}.")
    return {key: float(points) for key, points in value.items()}


def _is_points(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value >= 0


def find_schemes(home: Home, name: str | None, version: int | None = None) -> dict[str, Scheme]:
    """The schemes of one homework, or of all that are prepared or have settings, sorted by name.

    `version` selects older data of the one homework.
    """
    here = prepared(home)
    if name is not None:
        names = [canonical(name)]
        if names[0] not in here and names[0] not in home.settings and module_of(names[0]) is None:
            raise unknown(names[0], here)
    else:
        own = (key for key, value in home.settings.items() if isinstance(value, dict) and set(FOR_POINTS) & set(value))
        names = sorted({*here, *own})
    found = {each: find_competition(home, each, version) if each in here else None for each in names}
    return {each: find_scheme(home, each, competition) for each, competition in found.items()}


def gradebook(
    home: Home,
    database: Database,
    schemes: Mapping[str, Scheme],
    private: Sequence[str],
    version: int | None = None,
) -> list[Line]:
    """The points of all students, disabled ones included, by key; without a roster, of all participants.

    `private` names the homeworks whose private points are shown. A member of a team in a homework has the team's
    points there (`roster.participant_of`).
    """
    from leaderboard import roster, store

    if roster.is_empty(database):
        names = sorted({one.name for one in store.participants(database) if one.kind == "person"})
        people: list[tuple[str, str, str, str | None, bool]] = [(name, name, "", None, False) for name in names]
    else:
        people = [
            (person.key, person.name, person.email, person.team, person.disabled_at is not None)
            for person in roster.people(database)
            if person.role == "student"
        ]
    scores: dict[str, dict[str, Score]] = {key: {} for key, *_ in people}
    for name, scheme in schemes.items():
        boards = _boards(home, database, name, name in private, version)
        by_hand = roster.parts(database, name)
        for key, *_ in people:
            who = boards.acts.get(key, key)
            told = boards.private
            entered = {part: by_hand.get((key, part)) for part in scheme.parts}
            scores[key][name] = Score(
                public={
                    bar: points[0] if bar in boards.public.get(who, ()) else 0.0 for bar, points in scheme.bars.items()
                },
                private=None
                if told is None
                else {bar: points[1] if bar in told.get(who, ()) else 0.0 for bar, points in scheme.bars.items()},
                parts={part: None if entry is None else entry.points for part, entry in entered.items()},
                submissions=boards.counting.get(who, ()),
            )
    return [Line(key, name, email, team, scores[key], disabled) for key, name, email, team, disabled in people]


@dataclass(frozen=True)
class _Boards:
    """The bars each participant passes on the public and private board, and the submissions that count.

    `acts` gives the participant of each person.
    """

    public: Mapping[str, Sequence[str]]
    private: Mapping[str, Sequence[str]] | None
    counting: Mapping[str, tuple[int, ...]]
    acts: Mapping[str, str]


def _boards(home: Home, database: Database, name: str, private: bool, version: int | None = None) -> _Boards:
    """The results on both boards; with only one board, those of the best counting submission."""
    from leaderboard import ranking, roster, store

    if name not in prepared(home):
        return _Boards({}, {}, {}, {})
    competition = find_competition(home, name, version)
    versions, rules = read_versions(home, competition, database), competition.rules
    higher = competition.ranking.higher_is_better
    found = ranking.what_counts(
        database, competition.key, *versions, selections=rules.selections, unselected=rules.unselected,
        unselected_count=rules.unselected_most,
    )  # fmt: skip
    counting = {who: one.submissions for who, one in found.items()}
    acts = roster.participants_of(database, competition.key)
    if not competition.two_boards:
        grades = store.public_grades(database, competition.key, *versions)
        best: dict[str, Sequence[str]] = {}
        for who, numbers in counting.items():
            graded = [(-grades[n].public if higher else grades[n].public, n) for n in numbers if n in grades]
            best[who] = grades[min(graded)[1]].passed if graded else ()
        return _Boards(best, {}, counting, acts)
    sides = [
        {
            row.participant: row.passed
            for row in ranking.board(
                database, competition.key, *versions, higher, private=side, selections=rules.selections,
                unselected=rules.unselected, unselected_count=rules.unselected_most,
            )
        }
        for side in ((False, True) if private else (False,))
    ]  # fmt: skip
    return _Boards(sides[0], sides[1] if private else None, counting, acts)


def gradebook_body(schemes: Mapping[str, Scheme], lines: Sequence[Line]) -> dict[str, Any]:
    """The gradebook as plain values."""
    return {
        "schema": 1,
        "homeworks": [
            {"name": name, "bars": dict(scheme.bars), "parts": dict(scheme.parts), "maximum": scheme.maximum}
            for name, scheme in schemes.items()
        ],
        "students": [
            {
                "id": line.key,
                "name": line.name,
                "email": line.email,
                "team": line.team,
                "disabled": line.disabled,
                "homeworks": {name: asdict(score) | {"total": score.total} for name, score in line.scores.items()},
            }
            for line in lines
        ],
    }


def gradebook_table(
    schemes: Mapping[str, Scheme], lines: Sequence[Line], one: bool
) -> tuple[list[str], list[list[Any]]]:
    """Header and rows: each bar and part of one homework, or the totals of all homeworks."""
    header = ["id", "name", "email", "team"]
    if not one:
        rows = [[line.key, line.name, line.email, line.team, *(score.total for score in line.scores.values()),
                 math.fsum(score.total for score in line.scores.values())] for line in lines]  # fmt: skip
        return [*header, *schemes, "total"], rows
    ((name, scheme),) = schemes.items()
    private = [bar for bar, (_, points) in scheme.bars.items() if points]
    header += (
        [f"{bar} public" for bar in scheme.bars] + [f"{bar} private" for bar in private] + [*scheme.parts, "total"]
    )
    rows = []
    for line in lines:
        score = line.scores[name]
        told = [None if score.private is None else score.private[bar] for bar in private]
        rows.append([line.key, line.name, line.email, line.team, *score.public.values(), *told,
                     *score.parts.values(), score.total])  # fmt: skip
    return header, rows
