"""Every query and action of a course, with its permission check.

Each function returns the body of `--format json`, plain values with RFC 3339 times in the course's zone, or raises
UserError or LeaderboardError. Scores and intervals are cut by `harness.shown`, unless staff ask for exact ones.
`now` is the current time. `home` is a `harness.home.Home`.

    homeworks(home, viewer, now)                 homework(home, viewer, hw, now)        course(home)
    sheet(home, viewer, hw) -> str               files(home, viewer, hw)                me(home, viewer)
    file_path(home, viewer, hw, name) -> Path    receipt(home, viewer, id)              quota(home, viewer, hw, now)
    archive(home, viewer, hw) -> Path
    board(home, viewer, hw, *, private=False, unrevealed=False, exact=False, version=None, now)
    submissions(home, viewer, hw or None, *, everyone=False, exact=False, version=None, now)
    submission(home, viewer, id, now)            selection(home, viewer, hw, now)
    submit_limit(home, viewer, hw, now) -> int   select(home, viewer, hw, ids, now)
    submit_accept(home, viewer, hw, *, sha256, size, filename, message, client_key, now, step=…)
    draft(home, viewer, hw, now)                 save_draft(home, viewer, hw, answers, now, seen=None)
    submit(home, viewer, hw, path, message, now)     accepts and grades at once, at home
    gradebook(home, viewer, hw or None, *, unrevealed=False, version=None, now)     staff only

Permissions. Nobody (not logged in): homeworks, sheets, and boards without the names of people. Students and
auditors: also files, names on boards, and their own submissions; those of others are E_NOT_FOUND, like missing ones.
Staff (TAs and instructors) with a token of scope "all": all submissions, and the private board before its reveal,
where each access is logged. A token of scope "read" changes nothing; "submit" can submit and select.
"""

from __future__ import annotations

import contextlib
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.archive import archive_path, find_archive, make_archive
from harness.competition import (
    Competition,
    all_versions,
    bar_to_json,
    find_competition,
    find_reproduction,
    prepared,
    public_digest,
    read_bars,
    read_versions,
    refuse_one_board,
)
from harness.home import Home, local, locked
from harness.rules import opened as opened_at
from harness.shown import Cut, mark
from tasks.base import clears
from tasks.errors import UserError
from tasks.formats import QuizFormat
from tasks.homeworks import did_you_mean
from tasks.metrics import interval_note

if TYPE_CHECKING:
    from harness.rules import Terms
    from harness.show import Picture
    from leaderboard.database import Database
    from leaderboard.drafts import Draft
    from leaderboard.ranking import BoardRow
    from leaderboard.store import Accepted, PublicGrade, Submission

Role = Literal["nobody", "student", "auditor", "ta", "instructor"]
Scope = Literal["all", "submit", "read", "home"]
Body = dict[str, Any]
Tell = Callable[[Body], None]


@dataclass(frozen=True)
class Viewer:
    """The person behind a request. `participant_of` is the participant this person submits as in a competition.

    The scope is that of the token; "home" is the owner of a home folder on the command line, with all rights.
    """

    role: Role
    key: str = ""
    scope: Scope = "all"

    @property
    def at_home(self) -> bool:
        return self.scope == "home"

    @property
    def staff(self) -> bool:
        """Whether this viewer has staff rights: a token for submitting or reading does not give them."""
        return self.role in ("ta", "instructor") and self.scope in ("all", "home")


NOBODY = Viewer("nobody")


def owner(name: str) -> Viewer:
    """The owner of a home folder, who submits under that name."""
    return Viewer("instructor", name, "home")


def participant_of(database: Database, competition: Competition, viewer: Viewer) -> str:
    """The participant the viewer acts as in a competition; empty for nobody."""
    from leaderboard import roster

    return roster.participant_of(database, competition.key, viewer.key) if viewer.key else ""


def course(home: Home) -> Body:
    """The course, its time zone, the key that verifies receipts, and this version: a client's first request."""
    from importlib import metadata

    version = metadata.version("lhy-grade")
    return {
        "schema": 1, "course": home.course, "zone": home.zone, "receipt_key": _receipt_key(home), "version": version,
    }  # fmt: skip


def _receipt_key(home: Home) -> str | None:
    try:
        values = json.loads((home.root / "public" / "course.json").read_text(encoding="utf-8"))
        return str(values["receipt_key"])
    except (OSError, ValueError, KeyError):
        return None


def me(home: Home, viewer: Viewer) -> Body:
    """Who is logged in."""
    _logged_in(viewer)
    with home.database() as database:
        from leaderboard import roster

        person = None if viewer.at_home else roster.find_person(database, viewer.key)
    body: Body = {"schema": 1, "role": viewer.role, "scope": viewer.scope, "key": viewer.key}
    body |= {"participant": viewer.key, "name": viewer.key, "email": None, "team": None}
    if person is not None:
        body |= {"participant": person.team or person.key}
        body |= {"name": person.name, "email": person.email, "team": person.team}
    return body


def homeworks(home: Home, viewer: Viewer, now: datetime) -> Body:
    """The homeworks: at home all that this version knows, in a class the prepared ones with their deadlines.

    In a class each row also has the names of the bars that can be cleared, and the viewer's rank on the public board.
    """
    from tasks.homeworks import all_tasks

    here = prepared(home)
    rows: list[Body] = []
    if viewer.at_home:
        for task in all_tasks():
            rows.append(
                {
                    "name": task.name,
                    "title": task.title,
                    "metric": task.editions[0].metrics[0].label,
                    "editions": [edition.name for edition in task.editions],
                    "prepared": task.name in here,
                }
            )
        here = [name for name in here if name not in {row["name"] for row in rows}]
    for name in here:
        competition = find_competition(home, name)
        row = {
            "name": name,
            "title": competition.title,
            "editions": [competition.edition],
            "metric": competition.ranking.label,
            "prepared": True,
        }
        if competition.quiz:
            row["quiz"] = True
        if not viewer.at_home:
            row |= _clocks(home, viewer, competition, now)
            row["bars"] = [bar.name for bar in competition.bars if bar.comparable]
            with home.database() as database:
                row["place"] = _place(home, database, competition, participant_of(database, competition, viewer))
        rows.append(row)
    return {"schema": 1, "tasks": rows}


def _place(home: Home, database: Database, competition: Competition, participant: str) -> Body | None:
    """A participant's row of the public board, without computing the rest of the board."""
    from leaderboard import ranking

    if not participant or competition.quiz:
        return None
    versions = read_versions(home, competition)
    found = ranking.place(database, competition.key, *versions, participant)
    if found is None:
        return None
    return {
        "rank": found.rank,
        "of": found.of,
        "score": _cut(competition).score(found.score),
        "digits": competition.ranking.digits,
        "bars": list(found.passed),
        "submission": found.submission,
    }


def homework(home: Home, viewer: Viewer, hw: str, now: datetime) -> Body:
    """The public description of a homework, without its ids: title, metrics, rules, bars and deadlines."""
    competition = _find(home, viewer, hw)
    described = {key: value for key, value in competition.to_json().items() if key != "ids"}
    return described | _clocks(home, viewer, competition, now)


def _clocks(home: Home, viewer: Viewer, competition: Competition, now: datetime) -> Body:
    """The deadline for the viewer, whether it has passed, the time of the reveal, and the viewer's quota."""

    with home.database() as database:
        terms = _terms(home, database, competition, viewer, now)
        opened = opened_at(database, competition, now)
        body: Body = {
            "closes": local(home, terms.closes),
            "closed": _over(database, competition, terms, now),
            "revealed": local(home, opened),
        }
        if viewer.key:
            body["quota"] = _quota(home, database, competition, viewer, now)
    return body


def sheet(home: Home, viewer: Viewer, hw: str) -> str:
    """The sheet of a homework, in Markdown."""
    return (home.public(_find(home, viewer, hw).name) / "sheet.md").read_text(encoding="utf-8")


def files(home: Home, viewer: Viewer, hw: str) -> Body:
    """The public files with sizes and SHA-256, and their archive; at home also their folder."""
    _logged_in(viewer)
    competition = _find(home, viewer, hw)
    body: Body = {"schema": 1, "homework": competition.name, "version": competition.version}
    if viewer.at_home:
        body["folder"] = str(home.public(competition.name))
    body["archive"] = _archive(home, viewer, competition)
    return body | {"files": [{"file": name, **entry} for name, entry in _manifest(home, competition).items()]}


def archive(home: Home, viewer: Viewer, hw: str) -> Path:
    """The path of the archive of a homework's files."""
    _logged_in(viewer)
    competition = _find(home, viewer, hw)
    if _archive(home, viewer, competition) is None:
        raise _not_found(f"there is no archive of {competition.name}")
    return archive_path(home, competition)


def picture(home: Home, viewer: Viewer, hw: str) -> Picture | None:
    """The picture of a homework's data, for those who get them; None where there is none."""
    from harness.show import find_picture

    _logged_in(viewer)
    return find_picture(home.public(_find(home, viewer, hw).name))


def _archive(home: Home, viewer: Viewer, competition: Competition) -> Body | None:
    """`file`, `bytes` and `sha256` of the archive; a server makes it if an earlier version did not."""
    public = home.public(competition.name)
    found = find_archive(home, competition, public)
    if found is None and not viewer.at_home:
        with contextlib.suppress(UserError, OSError), locked(home.root):
            found = make_archive(home, competition, public)
    return found


def file_path(home: Home, viewer: Viewer, hw: str, name: str) -> Path:
    """The path of a file, which must be listed in the manifest."""
    _logged_in(viewer)
    competition = _find(home, viewer, hw)
    if name not in _manifest(home, competition):
        raise _not_found(f"there is no file {name[:100]!r} in {competition.name}")
    return home.public(competition.name) / name


def _manifest(home: Home, competition: Competition) -> dict[str, Body]:
    path = home.public(competition.name) / "manifest.json"
    listed: dict[str, Body] = json.loads(path.read_text(encoding="utf-8"))["files"]
    return listed


def board(
    home: Home,
    viewer: Viewer,
    hw: str,
    *,
    private: bool = False,
    unrevealed: bool = False,
    exact: bool = False,
    version: int | None = None,
    now: datetime,
) -> Body:
    """The public or private board. The private one opens with the reveal; `unrevealed` shows it to staff earlier.

    `version` selects an older data version, whose board stays unchanged.
    """
    from leaderboard import roster

    _allow_exact(viewer, exact)
    competition = _find(home, viewer, hw, version)
    if competition.quiz:
        raise UserError(
            f"{competition.name} is a quiz and has no board; your points: lhy-grade submissions {competition.name}",
            code="E_NO_BOARD",
        )
    versions = read_versions(home, competition)
    with home.database() as database:
        if private:
            _allow_private(database, competition, viewer, unrevealed, now)
        names = roster.display_names(database)
        own = participant_of(database, competition, viewer)
        rows = _ranked(database, competition, versions, private=private)
        ranks = {row.participant: row.rank for row in _ranked(database, competition, versions)} if private else None
        marked = _marks(database, competition)
    n = next((count for row in rows if (count := json.loads(row.details).get("n"))), None)
    return {
        "schema": 1,
        "homework": competition.name,
        "edition": competition.edition,
        "version": competition.version,
        "size": competition.size,
        "metric": competition.ranking.name,
        "higher_is_better": competition.ranking.higher_is_better,
        "side": "private" if private else "public",
        "title": competition.title,
        "demo": competition.demo,
        "metrics": [asdict(metric) for metric in competition.metrics],
        "interval_note": None if n is None else interval_note(competition.ranking.name, n),
        "bars": _bars(home, competition, rows, private),
        "board": [
            _board_row(home, viewer, row, own, names, ranks, _cut(competition, exact))
            | ({} if marked is None else {"model": None if row.submission is None else marked(row.submission)})
            for row in rows
        ],
    }


def _bars(home: Home, competition: Competition, rows: Sequence[BoardRow], private: bool) -> list[Body]:
    """The bars, with their private thresholds if the private board is shown.

    `reached` is how many participants reach the bar's threshold of the ranking metric by their exact scores: the place
    of its line on the board. None for a bar without such a line.
    """
    metric, scores = competition.ranking, [row.score for row in rows if row.score is not None]
    bars = read_bars(home, competition) if private else competition.bars
    bodies = []
    for bar in bars:
        conditions = dict(bar.private if private and bar.private is not None else bar.public)
        threshold = conditions.get(metric.name) if bar.comparable else None
        reached = None
        if threshold is not None:
            better = metric.higher_is_better
            clearing = partial(
                clears, threshold=threshold, digits=bar.digits, higher_is_better=better, rounded=bar.rounded
            )
            reached = bisect_left(scores, True, key=lambda score: not clearing(score))
        bodies.append(bar_to_json(bar) | ({"private": bar.private} if private else {}) | {"reached": reached})
    return bodies


def _marks(database: Database, competition: Competition) -> Callable[[int], str] | None:
    """The mark of a submission by its number, in an edition that asks for a model beside the file; else None."""
    from leaderboard.verifications import verifications

    if find_reproduction(competition) is None:
        return None
    found = verifications(database, competition.key)
    return lambda number: mark(found[number].parameters if number in found else None)


def _cut(competition: Competition, exact: bool = False) -> Cut:
    return Cut({metric.name: metric.digits for metric in competition.metrics}, exact)


def _allow_exact(viewer: Viewer, exact: bool) -> None:
    if exact and not viewer.staff:
        raise UserError("only course staff can see exact scores.", code="E_NOT_ALLOWED", exit_code=6)


def _board_row(
    home: Home,
    viewer: Viewer,
    row: BoardRow,
    acts: str,
    names: dict[str, str],
    public_ranks: dict[str, int] | None,
    cut: Cut,
) -> Body:
    scores = [cut.recorded(score) for score in json.loads(row.details).get("scores", [])]
    own = viewer.role != "nobody" and row.participant == acts
    shown: Body = {
        "rank": row.rank,
        "name": shown_name(viewer, row.participant, row.kind, names),
        "kind": row.kind,
        "score": cut.score(row.score),
        "interval": scores[0]["interval"] if scores else None,
        "bars": list(row.passed),
        "entries": row.entries,
        "last": local(home, row.last),
        "submission": row.submission if own or viewer.staff or row.kind != "person" else None,
        "own": own,
    }
    shown |= {score["metric"]: score["value"] for score in scores[1:]}
    if public_ranks is not None:
        shown["public_rank"] = public_ranks.get(row.participant)
        shown["move"] = None if shown["public_rank"] is None else shown["public_rank"] - row.rank
    return shown


def shown_name(viewer: Viewer, participant: str, kind: str, names: dict[str, str]) -> str:
    """A participant's name as that viewer sees it: never a person's key, and no name without a login."""
    if kind != "person":
        return participant
    return "a participant" if viewer.role == "nobody" else names.get(participant, participant)


def _ranked(
    database: Database, competition: Competition, versions: tuple[str, str], *, private: bool = False
) -> list[BoardRow]:
    from leaderboard import ranking

    return ranking.board(
        database,
        competition.key,
        *versions,
        competition.ranking.higher_is_better,
        private=private,
        selections=competition.rules.selections,
        unselected=competition.rules.unselected,
        unselected_count=competition.rules.unselected_most,
    )


def _allow_private(
    database: Database, competition: Competition, viewer: Viewer, unrevealed: bool, now: datetime
) -> None:
    """Allows the private board after its reveal; before, only for staff, and logs the access."""
    from leaderboard import store

    refuse_one_board(competition)
    if store.revealed(database, competition.key) is not None:
        return
    if not (viewer.staff and unrevealed):
        text = f"the private board of {competition.name} is not revealed yet."
        if viewer.staff:
            text += (
                f" An instructor reveals it with `lhy-grade reveal {competition.name}`; --unrevealed shows it to you"
                " alone, which is logged."
            )
        raise UserError(text, code="E_NOT_REVEALED", exit_code=6)
    store.log_event(database, "private board seen", viewer.key, {"competition": competition.key}, now)


def gradebook(
    home: Home,
    viewer: Viewer,
    hw: str | None,
    *,
    unrevealed: bool = False,
    version: int | None = None,
    now: datetime,
) -> Body:
    """Each student's points of one homework or of all, for staff; private points follow the private board.

    `version` selects an older data version of the one homework.
    `hidden` names the homeworks whose private points are left out, `table` is the content of the CSV.
    """
    from harness.gradebook import Total, find_schemes, find_total, gradebook_body, gradebook_table
    from harness.gradebook import gradebook as make
    from leaderboard import store

    _logged_in(viewer)
    if not viewer.staff:
        raise UserError("only course staff can see the gradebook.", code="E_NOT_ALLOWED", exit_code=6)
    if hw is not None and not viewer.at_home and not _canonical(hw):
        raise _not_found(f"there is no homework {hw[:60]!r} in this course")
    if version is not None and hw is None:
        raise UserError("an older data version belongs to one homework: name the homework.")
    schemes = find_schemes(home, hw, version)
    total = Total() if hw is not None else find_total(home, schemes)
    hidden, included = [], []
    with home.database() as database:
        for name in schemes:
            competition = find_competition(home, name, version) if name in prepared(home) else None
            if competition is None or not competition.two_boards or opened_at(database, competition, now):
                included.append(name)
            elif unrevealed:
                store.log_event(database, "private board seen", viewer.key, {"competition": competition.key}, now)
                included.append(name)
            else:
                hidden.append(name)
        lines = make(home, database, schemes, included, version)
    header, rows = gradebook_table(schemes, lines, hw is not None, total)
    return gradebook_body(schemes, lines, total) | {"hidden": hidden, "table": {"header": header, "rows": rows}}


def submissions(
    home: Home,
    viewer: Viewer,
    hw: str | None,
    *,
    everyone: bool = False,
    exact: bool = False,
    version: int | None = None,
    now: datetime,
) -> Body:
    """The viewer's submissions, or for staff all of them, of one homework or of all, in order of acceptance.

    `version` selects an older data version of the one homework.
    """
    from leaderboard import roster, store

    _logged_in(viewer)
    _allow_exact(viewer, exact)
    if everyone and not viewer.staff:
        raise UserError("only course staff can see the submissions of others.", code="E_NOT_ALLOWED", exit_code=6)
    if version is not None and hw is None:
        raise UserError("an older data version belongs to one homework: name the homework.")
    rows = []
    for competition in [_find(home, viewer, name, version) for name in ([hw] if hw else prepared(home))]:
        versions, cut = read_versions(home, competition), _cut(competition, exact)
        with home.database() as database:
            person = None if everyone else participant_of(database, competition, viewer)
            names = roster.display_names(database)
            grades = store.public_grades(database, competition.key, *versions, person)
            entries = store.submissions(database, competition.key, person)
            states = _states(home, database, competition, entries, grades, now)
            private = _private_scores(database, competition, versions, person, now)
            marked = _marks(database, competition)
        for entry in entries:
            grade = grades.get(entry.id)
            rows.append(
                {
                    **_entry(home, competition, entry),
                    "name": names.get(entry.participant, entry.participant),
                    **states[entry.id],
                    "score": cut.score(grade.public if grade and not competition.quiz else None),
                    "private": cut.score(private.get(entry.id)),
                    "metric": competition.ranking.label,
                    "digits": competition.ranking.digits,
                    "notes": json.loads(grade.details).get("notes", []) if grade else [],
                    **({} if marked is None else {"model": marked(entry.id) if grade else None}),
                }
            )
    return {"schema": 1, "submissions": rows}


def submission(home: Home, viewer: Viewer, number: int, now: datetime) -> Body:
    """One submission: its state, its problems, its public scores, and its rank on the public board.

    `state` is queued (with its `position`), grading, graded, rejected (with `code`, those of the `total` problems that
    the reader showed) or failed; `private` is its private score after the reveal, None before, and `private_matrix` is
    there from then on where its metric has one. `model` is there in an edition that asks for a model beside the file,
    and says whether it is verified. `best` is the participant's best so far, `rank` the rank of this one if it is that
    best, and `improved` whether it was better than all before it; all by exact scores, and None if it does not count.
    """
    from leaderboard import roster, store

    with home.database() as database:
        entry, competition = _own(home, viewer, database, number)
        own = viewer.at_home or participant_of(database, competition, viewer) == entry.participant
        shown = roster.display_names(database).get(entry.participant, entry.participant)
        versions = read_versions(home, competition, database)
        grades = store.public_grades(database, competition.key, *versions, entry.participant)
        grade = grades.get(entry.id)
        states = _states(home, database, competition, [entry], grades, now)
        private = _private_scores(database, competition, versions, entry.participant, now)
        opened = store.private_details(database, entry.id, *versions) if entry.id in private else None
        entries = store.submissions(database, competition.key, entry.participant)
        cut, counts = _cut(competition), grade is not None and not entry.practice and not competition.quiz
        place = _place(home, database, competition, entry.participant) if counts else None
        marked = _marks(database, competition)
    details, hidden = json.loads(grade.details) if grade else {}, json.loads(opened or "{}")
    found = json.loads(entry.rejected_details or "[]")
    problems, total = (found, len(found)) if isinstance(found, list) else (found["problems"], found["total"])
    return {
        "schema": 1,
        "homework": competition.name,
        "edition": competition.edition,
        "submission": entry.id,
        **{key: value for key, value in _entry(home, competition, entry).items() if key not in ("id", "homework")},
        "own": own,
        "name": shown,
        "size": entry.size,
        "sha256": entry.sha256,
        **states[entry.id],
        "problems": problems,
        "total": total,
        "scores": [
            {"metric": score["metric"], "public": score["value"], "interval": score["interval"]}
            for score in map(cut.recorded, [] if competition.quiz else details.get("scores", []))
        ],
        "private": cut.score(private.get(entry.id)),
        "metrics": [asdict(metric) for metric in competition.metrics],
        "notes": details.get("notes", []),
        "bars": list(grade.passed) if grade else [],
        "has_bars": any(bar.comparable for bar in competition.bars),
        "rank": place["rank"] if place and place["submission"] == entry.id else None,
        "best": place and {key: place[key] for key in ("submission", "score", "rank")},
        "improved": _improved(competition, entry, entries, grades) if counts else None,
        "demo": competition.demo,
        **({} if marked is None else {"model": marked(entry.id) if grade else None}),
        **({"matrix": cut.matrix(details["matrix"])} if details.get("matrix") else {}),
        **({"private_matrix": cut.matrix(hidden["matrix"])} if hidden.get("matrix") else {}),
    }


def _improved(
    competition: Competition, entry: Submission, entries: Sequence[Submission], grades: dict[int, PublicGrade]
) -> bool:
    """Whether a graded submission is better, by exact scores, than all of the same participant before it."""
    sign = 1 if competition.ranking.higher_is_better else -1
    before = [one.id for one in entries if one.id < entry.id and one.id in grades and not one.practice]
    return all(sign * grades[entry.id].public > sign * grades[number].public for number in before)


def _entry(home: Home, competition: Competition, entry: Submission) -> Body:
    return {
        "id": entry.id,
        "homework": competition.name,
        "participant": entry.participant,
        "at": local(home, entry.accepted_at),
        "selected": entry.selected,
        "practice": entry.practice,
        "file": entry.filename,
        "message": entry.message,
    }


def _private_scores(
    database: Database, competition: Competition, versions: tuple[str, str], participant: str | None, now: datetime
) -> dict[int, float]:
    """The private scores by submission after the reveal; before, none for any viewer."""
    from leaderboard import store

    if not competition.two_boards or opened_at(database, competition, now) is None:
        return {}
    return store.private_scores(database, competition.key, *versions, participant)


_settled: dict[tuple[Any, ...], int] = {}
"""The submission number up to which everything is graded, by home and versions, as known to this process."""


def _states(
    home: Home,
    database: Database,
    competition: Competition,
    entries: Sequence[Submission],
    grades: dict[int, PublicGrade],
    now: datetime,
) -> dict[int, Body]:
    """State, position in the queue and code of each submission."""
    from leaderboard import queue

    waiting = [entry.id for entry in entries if entry.rejected is None and entry.id not in grades]
    standing = {}
    if waiting:
        versions = all_versions(home, database) | {competition.key: read_versions(home, competition, database)}
        about = (home.root, *sorted(versions.items()))
        after = _settled[about] = queue.settled(database, versions, _settled.get(about, 0))
        standing = queue.standing(database, versions, waiting, now, after)
    states: dict[int, Body] = {}
    for entry in entries:
        if entry.rejected is not None:
            states[entry.id] = {"state": "rejected", "position": None, "code": entry.rejected}
        elif entry.id in grades:
            states[entry.id] = {"state": "graded", "position": None, "code": None}
        else:
            at = standing[entry.id]
            states[entry.id] = {"state": at.state, "position": at.position, "code": at.code}
    return states


def receipt(home: Home, viewer: Viewer, number: int) -> Body:
    """The signed receipt of a submission."""
    from leaderboard import store

    with home.database() as database:
        _own(home, viewer, database, number)
        fields: Body = json.loads(store.receipt(database, number))
    return fields


def quota(home: Home, viewer: Viewer, hw: str, now: datetime) -> Body:
    """The viewer's remaining submissions for today, and when the next day begins."""
    _logged_in(viewer)
    competition = _find(home, viewer, hw)
    with home.database() as database:
        row = {"homework": competition.name, **_quota(home, database, competition, viewer, now)}
    return {"schema": 1, "zone": home.zone, "quota": [row]}


def _quota(home: Home, database: Database, competition: Competition, viewer: Viewer, now: datetime) -> Body:
    from leaderboard import store

    terms = _terms(home, database, competition, viewer, now)
    over = _over(database, competition, terms, now)
    acts = participant_of(database, competition, viewer)
    state = store.quota_state(database, competition.key, acts, terms.day, practice=over)
    return {
        "practice": over,
        "revealed": local(home, opened_at(database, competition, now)),
        "used": state.used,
        "left": max(0, terms.quota - state.used),
        "limit": terms.quota,
        "refused": state.rejected,
        "next_day": local(home, terms.next_slot),
        "closes": local(home, terms.closes),
    }


def selection(home: Home, viewer: Viewer, hw: str, now: datetime) -> Body:
    """The viewer's selection for the private board, what would count if it ended now, and whether it is locked."""
    from leaderboard import ranking, store

    _logged_in(viewer)
    competition = _find(home, viewer, hw)
    rules, versions = competition.rules, read_versions(home, competition)
    with home.database() as database:
        terms = _terms(home, database, competition, viewer, now)
        over = _over(database, competition, terms, now)
        acts = participant_of(database, competition, viewer)
        entries = [
            entry
            for entry in store.submissions(database, competition.key, acts)
            if entry.rejected is None and not entry.practice
        ]
        grades = store.public_grades(database, competition.key, *versions, acts)
        counting = ranking.what_counts(
            database,
            competition.key,
            *versions,
            selections=rules.selections,
            unselected=rules.unselected,
            unselected_count=rules.unselected_most,
            participant=acts,
        )
    numbers = counting[acts].submissions if acts in counting else ()
    return {
        "schema": 1,
        "homework": competition.name,
        "selections": rules.selections,
        "unselected": rules.unselected,
        "unselected_count": rules.unselected_most,
        "closes": local(home, terms.closes),
        "locked": over,
        "selected": [entry.id for entry in entries if entry.selected],
        "metric": competition.ranking.label,
        "digits": competition.ranking.digits,
        "counts": [
            {
                **_entry(home, competition, entry),
                "state": "graded" if entry.id in grades else "queued",
                "score": _cut(competition).score(grades[entry.id].public)
                if entry.id in grades and not competition.quiz
                else None,
            }
            for entry in entries
            if entry.id in numbers
        ],
    }


def unselected_words(selection: Body) -> str:
    """Which submissions count without a selection, in words."""
    most = selection["unselected_count"]
    words = {
        "best_public": f"the {most} with the best public scores count",
        "first": f"the first {most} count",
        "last": f"the last {most} count",
    }
    if most == 1:
        words = {
            "best_public": "the one with the best public score counts",
            "first": "the first one counts",
            "last": "the last one counts",
        }
    return words.get(selection["unselected"], "all count")


MOST_CHOSEN = 100
"""The most numbers in one selection request; how many can count is a rule of the homework."""


def chosen_numbers(texts: Sequence[str]) -> list[int]:
    """The submission numbers of a selection. Raises UserError for a text that is not such a number."""
    if len(texts) > MOST_CHOSEN:
        raise UserError(f"{len(texts)} submissions were named; at most {MOST_CHOSEN} are allowed. Nothing was changed.")
    for text in texts:
        if not re.fullmatch(r"[1-9][0-9]{0,18}", text, re.ASCII) or int(text) >= 2**63:
            shown = ascii(text) if len(text) <= 40 else f"{text[:30]!a} and {len(text) - 30:,} more characters"
            raise UserError(f"expected a submission number, like 12; got {shown}. Nothing was changed.")
    return [int(text) for text in texts]


def select(home: Home, viewer: Viewer, hw: str, ids: Sequence[int], now: datetime) -> Body:
    """Chooses which of the viewer's submissions count on the private board; an empty list clears the choice."""
    from leaderboard import store

    _may_write(viewer)
    competition = _find(home, viewer, hw)
    if competition.rules.selections == 0:
        raise UserError(f"nothing is selected in {competition.name}: {unselected_words(asdict(competition.rules))}.")
    with home.database() as database:
        closes = _terms(home, database, competition, viewer, now).closes
        most = competition.rules.selections
        acts = participant_of(database, competition, viewer)
        store.select(database, competition.key, acts, list(ids), most, now, closes)
    return selection(home, viewer, hw, now)


def draft(home: Home, viewer: Viewer, hw: str, now: datetime) -> Body:
    """The questions of a quiz with the viewer's saved answers, which the members of a team share."""
    from leaderboard import drafts

    _logged_in(viewer)
    competition, form = _find(home, viewer, hw), quiz(home, viewer, hw)
    with home.database() as database:
        found = drafts.find(database, competition.key, participant_of(database, competition, viewer))
    return _draft(home, competition, form, found)


def save_draft(
    home: Home, viewer: Viewer, hw: str, answers: Mapping[str, Sequence[str]], now: datetime, seen: int | None = None
) -> Body:
    """Saves the chosen options of some questions, while the quiz is open for the viewer.

    `seen` is the revision of the draft that the viewer saw. Where somebody saved other answers meanwhile, nothing is
    changed, and `conflict` names those questions. Raises UserError for what is no question or option, and E_CLOSED.
    """
    from leaderboard import drafts
    from submissions.quiz import checked

    _may_write(viewer)
    competition, form = _find(home, viewer, hw), quiz(home, viewer, hw)
    cells = checked(form, answers)
    with home.database() as database:
        terms = _terms(home, database, competition, viewer, now)
        if _over(database, competition, terms, now):
            text = f"{competition.name} closed at {local(home, terms.closes)}; these answers were not saved."
            raise UserError(text, code="E_CLOSED", exit_code=5)
        acts = participant_of(database, competition, viewer)
        found, other = drafts.save(database, competition.key, acts, cells, now, seen)
    return _draft(home, competition, form, found) | {"conflict": list(other)}


def quiz(home: Home, viewer: Viewer, hw: str) -> QuizFormat:
    """The questions of a quiz. Raises UserError for another competition."""
    competition = _find(home, viewer, hw)
    if not isinstance(competition.format, QuizFormat):
        raise _not_found(f"{competition.name} is no quiz")
    return competition.format


def _draft(home: Home, competition: Competition, form: QuizFormat, found: Draft) -> Body:
    return {
        "schema": 1,
        "homework": competition.name,
        "revision": found.revision,
        "saved_at": local(home, found.saved_at),
        "answers": {name: found.answers.get(name, "").split() for name in form.ids},
    }


def submit_limit(home: Home, viewer: Viewer, hw: str, now: datetime) -> int:
    """The size limit in bytes for a file of this homework. Raises the same errors as `submit_accept`."""
    _may_write(viewer)
    return _find(home, viewer, hw).format.max_bytes


def submit_accept(
    home: Home,
    viewer: Viewer,
    hw: str,
    *,
    sha256: str,
    size: int,
    filename: str,
    message: str,
    client_key: str,
    now: datetime,
    step: Callable[[str], None] = lambda name: None,
) -> Body:
    """Records a file whose bytes are stored; it is graded later. The same key and bytes give the same receipt."""
    from harness.grading import accept_file

    _may_write(viewer)
    check_message(message)
    competition = _find(home, viewer, hw)
    with home.database() as database:
        accepted = accept_file(
            home,
            database,
            competition,
            participant=participant_of(database, competition, viewer),
            person=None if viewer.at_home else viewer.key,
            sha256=sha256,
            size=size,
            filename=filename,
            message=message,
            client_key=client_key,
            now=now,
            step=step,
        )
        return _accepted(home, viewer, database, competition, accepted, now)


def submit(home: Home, viewer: Viewer, hw: str, path: Path, message: str, now: datetime) -> Body:
    """Records a file and grades it at once, which needs the answers: `submit` at home."""
    from harness.grading import submit as submit_file

    _may_write(viewer)
    check_message(message)
    with home.database() as database:
        acts = participant_of(database, _find(home, viewer, hw), viewer)
    done = submit_file(home, hw, path, participant=acts, now=now, message=message)
    with home.database() as database:
        body = _accepted(home, viewer, database, done.competition, done.accepted, now)
    return finished(body, submission(home, viewer, done.accepted.submission, now))


def _accepted(
    home: Home, viewer: Viewer, database: Database, competition: Competition, accepted: Accepted, now: datetime
) -> Body:
    """The answer to an accepted file: its number, queue position, remaining quota and receipt."""
    from leaderboard import roster, store

    versions = read_versions(home, competition, database)
    entry = store.submission(database, accepted.submission)
    grades = store.public_grades(database, competition.key, *versions, entry.participant)
    terms = _terms(home, database, competition, viewer, now)
    used = accepted.used
    if accepted.again:  # its receipt has the quota of the day it arrived
        used = _quota(home, database, competition, viewer, now)["used"]
    return {
        "schema": 1,
        "homework": competition.name,
        "edition": competition.edition,
        "submission": accepted.submission,
        "again": accepted.again,
        "participant": entry.participant,
        "name": roster.display_names(database).get(entry.participant, entry.participant),
        "practice": entry.practice,
        **_states(home, database, competition, [entry], grades, now)[entry.id],
        "quota": {
            "used": used,
            "left": max(0, terms.quota - used),
            "limit": terms.quota,
            "next_slot": local(home, terms.next_slot),
        },
        "receipt": json.loads(accepted.receipt),
    }


FINISHED = (
    "schema", "homework", "edition", "submission", "again", "participant", "name", "practice", "state", "position",
    "code", "scores", "private", "metrics", "notes", "bars", "has_bars", "rank", "best", "improved", "demo", "quota",
    "receipt",
)  # fmt: skip


def finished(accepted: Body, graded: Body) -> Body:
    """Merges the answer of `submit_accept` with a later one of `submission`."""
    both = accepted | graded
    return {key: both[key] for key in (*FINISHED, "matrix", "private_matrix", "model") if key in both}


def check_message(message: str) -> None:
    """Raises UserError for a message that is too long."""
    if len(message) > 500:
        raise UserError(f"a message can have at most 500 characters, got {len(message)}.")


def _find(home: Home, viewer: Viewer, hw: str, version: int | None = None) -> Competition:
    """The prepared competition, or an older version of it. In a class, an unprepared one is not found."""
    if not viewer.at_home and _canonical(hw) not in (there := prepared(home)):
        hint = did_you_mean(hw[:60], there) or " `lhy-grade tasks` lists the homeworks."
        raise UserError(f"there is no homework {hw[:60]!r} in this course.{hint}", code="E_NOT_FOUND")
    return find_competition(home, hw, version)


def _canonical(hw: str) -> str:
    """The canonical spelling of a name; empty if it is not a valid name."""
    from tasks.homeworks import canonical

    try:
        return canonical(hw)
    except UserError:
        return ""


def _own(home: Home, viewer: Viewer, database: Database, number: int) -> tuple[Submission, Competition]:
    """The viewer's submission of that number, and its competition as it was when the file arrived."""
    from leaderboard import roster, store
    from leaderboard.database import LeaderboardError

    _logged_in(viewer)
    try:
        entry = store.submission(database, number)
    except LeaderboardError:
        entry = None
    if entry is None or not (
        viewer.staff or entry.participant == roster.participant_of(database, entry.competition, viewer.key)
    ):
        raise _not_found(f"There is no submission {number}")
    name, _, version = entry.competition.rpartition("/")
    return entry, _find(home, viewer, name, int(version))


def _terms(home: Home, database: Database, competition: Competition, viewer: Viewer, now: datetime) -> Terms:
    from harness.rules import terms

    return terms(home, database, competition, participant_of(database, competition, viewer), now)


def _over(database: Database, competition: Competition, terms: Terms, now: datetime) -> bool:
    """Whether a file that arrives now is practice: after the deadline or the reveal."""
    from leaderboard import store

    return (terms.closes is not None and now > terms.closes) or store.revealed(database, competition.key) is not None


def _logged_in(viewer: Viewer) -> None:
    if viewer.role == "nobody":
        raise UserError("log in first: lhy-grade login URL", code="E_LOGIN", exit_code=6)


def _may_write(viewer: Viewer) -> None:
    _logged_in(viewer)
    if viewer.scope == "read":
        raise UserError("this token is read-only; ask for one that can submit.", code="E_SCOPE", exit_code=6)


def _not_found(text: str) -> UserError:
    return UserError(f"{text}.", code="E_NOT_FOUND")


@dataclass(frozen=True)
class AtHome:
    """A home folder with the interface of `harness.remote.Server`."""

    home: Home
    viewer: Viewer
    clock: Callable[[], datetime]

    @property
    def who(self) -> str:
        return self.viewer.key

    def names(self) -> list[str]:
        return prepared(self.home)

    def receipt_key(self) -> str | None:
        return _receipt_key(self.home)

    def homeworks(self) -> Body:
        return homeworks(self.home, self.viewer, self.clock())

    def homework(self, hw: str) -> Body:
        return homework(self.home, self.viewer, hw, self.clock())

    def sheet(self, hw: str) -> str:
        return sheet(self.home, self.viewer, hw)

    def files(self, hw: str) -> Body:
        return files(self.home, self.viewer, hw)

    def competition(self, hw: str, say: Callable[[str], None] = lambda text: None) -> Competition:
        return find_competition(self.home, hw)

    def board(self, hw: str, private: bool, unrevealed: bool, exact: bool = False, version: int | None = None) -> Body:
        return board(
            self.home, self.viewer, hw, private=private, unrevealed=unrevealed, exact=exact, version=version,
            now=self.clock(),
        )  # fmt: skip

    def submissions(self, hw: str | None, everyone: bool, exact: bool = False, version: int | None = None) -> Body:
        return submissions(
            self.home, self.viewer, hw, everyone=everyone, exact=exact, version=version, now=self.clock()
        )

    def submission(self, number: int) -> Body:
        return submission(self.home, self.viewer, number, self.clock())

    def receipt(self, number: int) -> Body:
        return receipt(self.home, self.viewer, number)

    def quota(self, hw: str) -> Body:
        return quota(self.home, self.viewer, hw, self.clock())

    def selection(self, hw: str) -> Body:
        return selection(self.home, self.viewer, hw, self.clock())

    def select(self, hw: str, ids: Sequence[int]) -> Body:
        return select(self.home, self.viewer, hw, ids, self.clock())

    def public(self, competition: Competition) -> Path | None:
        return self.home.public(competition.name)

    def refuse_stale(self, competition: Competition, file: Path) -> None:
        """Raises UserError E_STALE_DATA if the data next to the file are not the competition's current data."""
        from harness.held import refuse_stale

        public = self.home.public(competition.name)
        refuse_stale(file, competition, public_digest(public), f"The current data are in {public}.")

    def submit(self, hw: str, path: Path, message: str, wait: bool = True, tell: Tell = lambda body: None) -> Body:
        self.refuse_stale(self.competition(hw), path)
        return submit(self.home, self.viewer, hw, path, message, self.clock())
