"""The gradebook: points for passed bars and for parts entered by hand, by the course's schemes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.competition import Competition, find_competition, find_reproduction, prepared
from harness.course.attached import HANDED
from harness.course.types import Gradebook, GradebookHomework, GradebookScore, GradebookStudent, GradebookTotal
from harness.home import FOR_POINTS, TOTAL, Home
from harness.shown import NOT_VERIFIED
from harness.versions import read_versions
from leaderboard import adjustments, ranking, records, results, roster
from leaderboard.verifications import verifications
from tasks.errors import UserError
from tasks.formats import QuizFormat
from tasks.homeworks import canonical, find_task, packages_of, unknown

if TYPE_CHECKING:
    from leaderboard.database import Database


YEARS = ("2021", "2022")
LEVELS = {"2021": (1.0, 1.0), "2022": (0.5, 0.5)}
"""Public and private points of a bar where the course published no bars for that year (HW8, 2022)."""

BONUS = "bonus"
"""A part on top of the maximum: half a point for a report by those who passed everything else."""

QUIZ = "quiz"
"""The part with the points of a quiz; points entered by hand for it replace those of the file that counts."""

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
class HomeworkScore:
    """A person's points in one homework. `private` is None while it is hidden, a part while it is not entered.

    `submissions` are the ones that count; `total` is the sum of all known points. `model` says, in an edition that asks
    for a model beside the file, whether that of each submission behind the points is verified; else it is empty.
    """

    public: Mapping[str, float]
    private: Mapping[str, float] | None
    parts: Mapping[str, float | None]
    submissions: tuple[int, ...]
    model: str = ""

    @cached_property
    def total(self) -> float:
        known = [*self.public.values(), *(self.private or {}).values(), *(self.parts.values())]
        return math.fsum(points for points in known if points is not None)


@dataclass(frozen=True)
class Total:
    """How the course total is made: of the homeworks in `among` (empty: of all), only the `best` with the most points
    count (0: all of them). Homeworks beside `among` always count.
    """

    best: int = 0
    among: tuple[str, ...] = ()

    def counts(self, points: Mapping[str, float]) -> tuple[str, ...]:
        """The homeworks that count, in the order given; of equal points the earlier homework counts.

        >>> Total(2).counts({"hw01": 1.0, "hw02": 3.0, "hw03": 1.0})
        ('hw01', 'hw02')
        >>> Total(1, ("hw01", "hw02")).counts({"hw01": 1.0, "hw02": 3.0, "exam": 0.0})
        ('hw02', 'exam')
        """
        chosen = [name for name in points if not self.among or name in self.among]
        if self.best:
            kept = sorted(chosen, key=lambda name: -points[name])[: self.best]
            return tuple(name for name in points if name in kept or name not in chosen)
        return tuple(points)

    def of(self, points: Mapping[str, float]) -> float:
        return math.fsum(points[name] for name in self.counts(points))

    @property
    def words(self) -> str:
        """The rule, in words; empty where all homeworks count."""
        among = f" of {', '.join(self.among)}" if self.among else ""
        return f"only the best {self.best}{among} count" if self.best else ""


def find_total(home: Home, schemes: Mapping[str, Scheme]) -> Total:
    """The rule of the course total, from the section [total] of config.toml. Raises UserError for an invalid one."""
    settings = _table(home.settings.get("total", {}), "config.toml: [total]")
    if strange := [key for key in settings if key not in TOTAL]:
        raise UserError(f"config.toml: [total] has an unknown key {strange[0]!r}; the keys are: {', '.join(TOTAL)}.")
    best, among = settings.get("best", 0), settings.get("among", [])
    if type(best) is not int or best < 0:
        raise UserError(f"config.toml: [total] best must be a whole number, 0 where all count; got {best!r}.")
    if not isinstance(among, list) or not all(isinstance(name, str) for name in among):
        raise UserError(f"config.toml: [total] among must be a list of names, like ['hw01', 'hw02']; got {among!r}.")
    names = tuple(canonical(name) for name in among)
    if unknown_ones := [name for name in names if name not in schemes]:
        have = ", ".join(schemes)
        raise UserError(f"config.toml: [total] among: {unknown_ones[0]} is not in the gradebook; there are: {have}.")
    return Total(best, names)


@dataclass(frozen=True)
class GradebookLine:
    """One student of the gradebook, with the scores by homework; `disabled` if taken off the roster."""

    key: str
    name: str
    email: str
    team: str | None
    scores: Mapping[str, HomeworkScore]
    disabled: bool = False

    @cached_property
    def points(self) -> dict[str, float]:
        """The points of each homework."""
        return {name: score.total for name, score in self.scores.items()}


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
        if taken := sorted(set(parts) & set(HANDED)):
            raise UserError(
                f"config.toml: [{name}] parts: {taken[0]} is a column of the list of second files; use another."
            )
    if competition is not None and isinstance(competition.format, QuizFormat):
        if "points" in settings:
            raise UserError(f"config.toml: [{name}] points: the points of a quiz are those of its key.")
        parts = {QUIZ: competition.format.points} | {part: most for part, most in parts.items() if part != QUIZ}
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
        if names[0] not in here and names[0] not in home.settings and packages_of(names[0]) is None:
            raise unknown(names[0], here)
    else:
        own = (key for key, value in home.settings.items() if isinstance(value, dict) and set(FOR_POINTS) & set(value))
        names = sorted({*here, *own})
    found = {each: find_competition(home, each, version) if each in here else None for each in names}
    return {each: find_scheme(home, each, competition) for each, competition in found.items()}


@dataclass(frozen=True)
class Student:
    """A line's person; without a roster a participant, whose name and key are one."""

    key: str
    name: str
    email: str = ""
    team: str | None = None
    disabled: bool = False


def students(database: Database) -> list[Student]:
    """All students, disabled ones included, by key; without a roster, all participants."""
    if roster.is_empty(database):
        names = sorted({one.name for one in records.participants(database) if one.kind == "person"})
        return [Student(name, name) for name in names]
    return [
        Student(person.key, person.name, person.email, person.team, person.disabled_at is not None)
        for person in roster.people(database)
        if person.role == "student"
    ]


def gradebook(
    home: Home,
    database: Database,
    schemes: Mapping[str, Scheme],
    private: Sequence[str],
    version: int | None = None,
    only: Sequence[Student] | None = None,
) -> list[GradebookLine]:
    """The points of students; None for `only`: of all.

    `private` names the homeworks whose private points are shown. A member of a team in a homework has the team's
    points there (`roster.participant_of`).
    """
    people = students(database) if only is None else only
    scores: dict[str, dict[str, HomeworkScore]] = {person.key: {} for person in people}
    keys = None if only is None else list(scores)
    for name, scheme in schemes.items():
        boards = _boards(home, database, name, name in private, version, keys)
        by_hand = adjustments.parts(database, name)
        for key, points in scores.items():
            who = boards.acts.get(key, key)
            told = boards.private
            entered = {
                part: None if (entry := by_hand.get((key, part))) is None else entry.points for part in scheme.parts
            }
            if boards.quiz is not None and entered[QUIZ] is None:
                entered[QUIZ] = boards.quiz.get(who, 0.0)
            points[name] = HomeworkScore(
                public={
                    bar: points[0] if bar in boards.public.get(who, ()) else 0.0 for bar, points in scheme.bars.items()
                },
                private=None
                if told is None
                else {bar: points[1] if bar in told.get(who, ()) else 0.0 for bar, points in scheme.bars.items()},
                parts=entered,
                submissions=boards.counting.get(who, ()),
                model=boards.model.get(who, ""),
            )
    return [GradebookLine(one.key, one.name, one.email, one.team, scores[one.key], one.disabled) for one in people]


@dataclass(frozen=True)
class _Boards:
    """The bars each participant passes on the public and private board, and the submissions that count.

    `acts` gives the participant of each person, `quiz` the points of a quiz that are shown, `model` whether the models
    of the submissions behind the points are verified, where the edition asks for them.
    """

    public: Mapping[str, Sequence[str]]
    private: Mapping[str, Sequence[str]] | None
    counting: Mapping[str, tuple[int, ...]]
    acts: Mapping[str, str]
    quiz: Mapping[str, float] | None = None
    model: Mapping[str, str] = field(default_factory=dict)


def _boards(
    home: Home, database: Database, name: str, private: bool, version: int | None, keys: Sequence[str] | None
) -> _Boards:
    """The results on both boards, of these persons; with only one board, those of the best counting submission."""
    if name not in prepared(home):
        return _Boards({}, {}, {}, {})
    competition = find_competition(home, name, version)
    versions, rules = read_versions(home, competition, database), competition.rules
    higher = competition.ranking.higher_is_better
    acts = roster.participants_of(database, competition.key, keys)
    among = None if keys is None else list(dict.fromkeys(acts.get(key, key) for key in keys))
    each: Sequence[str | None] = among or [None]
    asked: dict[str, Any] = {
        "selections": rules.selections, "unselected": rules.unselected, "unselected_count": rules.unselected_most,
        "among": among,
    }  # fmt: skip
    found = ranking.what_counts(database, competition.key, *versions, **asked)
    counting = {who: one.submissions for who, one in found.items()}
    if competition.quiz:
        scores: dict[int, float] = {}
        for one in each if private else ():
            scores |= results.private_scores(database, competition.key, *versions, one)
        points = {who: max((scores.get(n, 0.0) for n in numbers), default=0.0) for who, numbers in counting.items()}
        return _Boards({}, {} if private else None, counting, acts, points if private else None)
    behind: dict[str, set[int]] = {}
    if not competition.two_boards:
        grades: dict[int, results.PublicGrade] = {}
        for one in each:
            grades |= results.public_grades(database, competition.key, *versions, one)
        best: dict[str, Sequence[str]] = {}
        for who, numbers in counting.items():
            graded = [(-grades[n].public if higher else grades[n].public, n) for n in numbers if n in grades]
            best[who] = grades[min(graded)[1]].passed if graded else ()
            behind[who] = {min(graded)[1]} if graded else set()
        return _Boards(best, {}, counting, acts, model=_models(database, competition, behind))
    sides: list[dict[str, Sequence[str]]] = []
    for side in (False, True) if private else (False,):
        there = ranking.passed(database, competition.key, *versions, higher, private=side, **asked)
        sides.append({who: row.passed for who, row in there.items()})
        for who, row in there.items():
            behind.setdefault(who, set()).add(row.submission)
    model = _models(database, competition, behind)
    return _Boards(sides[0], sides[1] if private else None, counting, acts, model=model)


def _models(database: Database, competition: Competition, behind: Mapping[str, set[int]]) -> dict[str, str]:
    """By participant whether the models of these submissions are verified; empty where the edition asks for none."""
    if find_reproduction(competition) is None:
        return {}
    found = verifications(database, competition.key)
    return {who: "verified" if numbers <= found.keys() else NOT_VERIFIED for who, numbers in behind.items() if numbers}


def gradebook_of(
    schemes: Mapping[str, Scheme],
    lines: Sequence[GradebookLine],
    total: Total,
    hidden: Sequence[str],
    found: int,
    people: int,
) -> Gradebook:
    """The gradebook as it is answered; `total` is the rule of the total. The lines may be a page of those found."""
    most = total.of({name: scheme.maximum for name, scheme in schemes.items()})
    return Gradebook(
        total=GradebookTotal(total.best, list(total.among), most, total.words),
        homeworks=[
            GradebookHomework(name, dict(scheme.bars), dict(scheme.parts), scheme.maximum)
            for name, scheme in schemes.items()
        ],
        students=[
            GradebookStudent(
                line.key,
                line.name,
                line.email,
                line.team,
                line.disabled,
                {name: _told(score) for name, score in line.scores.items()},
                total.of(line.points),
                list(total.counts(line.points)),
            )
            for line in lines
        ],
        hidden=list(hidden),
        found=found,
        people=people,
    )


def _told(score: HomeworkScore) -> GradebookScore:
    private = None if score.private is None else dict(score.private)
    return GradebookScore(
        dict(score.public), private, dict(score.parts), list(score.submissions), score.model, score.total
    )


def gradebook_table(book: Gradebook, one: bool) -> tuple[list[str], list[list[Any]]]:
    """Header and rows: each bar and part of one homework, or the totals of all homeworks.

    Where models are to be verified, a last column for each such homework says whether those behind the points are.
    """
    header = ["id", "name", "email", "team"]
    names = [homework.name for homework in book.homeworks]
    asking = [name for name in names if any(student.homeworks[name].model for student in book.students)]
    if not one:
        rows = [
            [
                student.id,
                student.name,
                student.email,
                student.team,
                *(student.homeworks[name].total for name in names),
                student.total,
                *(student.homeworks[name].model for name in asking),
            ]
            for student in book.students
        ]
        return [*header, *names, "total", *(f"{name} model" for name in asking)], rows
    (homework,) = book.homeworks
    private = [bar for bar, (_, points) in homework.bars.items() if points]
    header += (
        [f"{bar} public" for bar in homework.bars] + [f"{bar} private" for bar in private] + [*homework.parts, "total"]
    ) + ["model"] * len(asking)
    rows = []
    for student in book.students:
        score = student.homeworks[homework.name]
        told = [None if score.private is None else score.private[bar] for bar in private]
        rows.append(
            [
                student.id,
                student.name,
                student.email,
                student.team,
                *score.public.values(),
                *told,
                *score.parts.values(),
                score.total,
                *([score.model] if asking else []),
            ]
        )
    return header, rows
