"""The integrity of all records: event log, receipts, seals of grades, stored files and data."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.answers import Hidden, course_key, read_hidden, refuse_changed_source
from harness.build import damaged_files
from harness.competition import HIDDEN_BARS, Competition, bars_seal, find_competition, prepared, public_digest
from harness.grading.recount import recount
from harness.grading.settle import grade_mac
from harness.home import Home, wrong_keys
from leaderboard import acceptance, attachments, competitions, events, receipts, records, results, verifications
from submissions.store import fetch
from tasks.base import UserError
from tasks.streams import derive

if TYPE_CHECKING:
    from leaderboard.database import Database
    from leaderboard.results import GradeRow


def verify(home: Home) -> tuple[list[str], dict[str, int]]:
    """All problems found, and the number of records checked. Nothing is changed."""
    key = course_key(home)
    problems: list[str] = []
    counts = {"events": 0, "submissions": 0, "grades": 0, "competitions": 0}
    with home.database() as database:
        problems += [
            finding.message for finding in events.verify(database, receipts.public_key(derive(key, "receipts")))
        ]
        told = set()  # the refused submissions whose bytes are not kept, by the log
        for event in events.events(database):
            counts["events"] += 1
            if event.kind == "rejected" and (body := json.loads(event.body)).get("kept") is False:
                told.add(body["submission"])
        for number, verified in verifications.verifications(database).items():
            try:
                fetch(home.submissions, verified.model)
            except UserError as error:
                problems.append(f"the model of submission {number}: {error}")
        for attached in attachments.attachments(database):
            counts["second files"] = counts.get("second files", 0) + 1
            try:
                fetch(home.submissions, attached.sha256)
            except UserError as error:
                problems.append(f"attachment {attached.id}: {error}")
        dropped = acceptance.dropped(database)
        problems += [
            f"submission {number}: database and log disagree on whether its bytes are kept"
            for number in sorted(told ^ set(dropped))
        ]
        for entry in records.submissions(database):
            counts["submissions"] += 1
            if entry.id in dropped and entry.id in told and entry.rejected is not None:
                continue
            try:
                fetch(home.submissions, entry.sha256)
            except UserError as error:
                problems.append(f"submission {entry.id}: {error}")
        graded: dict[str, list[GradeRow]] = {}
        for row in results.grade_rows(database):
            counts["grades"] += 1
            if _sealed(key, row):
                graded.setdefault(row.competition, []).append(row)
            else:
                problems.append(f"the grade of submission {row.submission} was changed after it was recorded")
        problems += [
            f"{row['key']}: the bars in the database are not those that were set"
            for row in competitions.bar_rows(database)
            if bars_seal(key, row["key"], row["bars"], row["event_seq"]) != row["mac"]
        ]
        found = {}
        used = {one.competition.rpartition("/")[0] for one in records.participants(database)}
        for name in sorted({*prepared(home), *used}):
            counts["competitions"] += 1
            problems += [f"{home.public(name) / file} was changed, removed or added" for file in _damaged(home, name)]
            try:
                found[name] = find_competition(home, name)
                hidden = read_hidden(home, found[name])
                problems += _other_bars(database, found[name], hidden)
                refuse_changed_source(found[name], hidden)
                wrong, recounted = recount(home, found[name], graded.get(found[name].key, ()))
                problems += wrong
                if recounted:
                    counts["grades recounted by sacrebleu"] = recounted
            except UserError as error:  # the others are still checked
                problems.append(f"{name}: {error}")
            else:
                problems += _other_data(home, database, found[name])
        problems += [f"{path} does not follow from the secret key" for path in wrong_keys(home, key)]
    return problems, counts


def _other_data(home: Home, database: Database, competition: Competition) -> list[str]:
    """Further problems of a competition's data: not those in the database, or older answers that were changed."""
    problems, public = [], home.public(competition.name)
    for data in competitions.all_data(database, competition.name):
        if data.number == competition.version:
            if data.digest not in (None, public_digest(public)):
                problems.append(f"{public} does not contain the data that were prepared as {data.key}")
        elif data.number > competition.version:
            problems.append(f"{public} has version {competition.version}, but version {data.number} was prepared")
        elif home.secret(data.name, data.number).is_dir():
            try:
                older = replace(competition, version=data.number)
                hidden = read_hidden(home, older)
                problems += _other_bars(database, older, hidden)
                refuse_changed_source(older, hidden)
            except UserError as error:
                problems.append(f"{data.key}: {error}")
    return problems


def _other_bars(database: Database, competition: Competition, hidden: Hidden) -> list[str]:
    """Whether the database has the bars that were sealed, and counts the grades of these answers."""
    data, problems = competitions.find(database, competition.key), []
    if data is None:
        return []
    bars, sealed = hidden.values["bars"], (hidden.values["data_version"], hidden.values["metric_id"])
    if data.description is not None and data.description.get(HIDDEN_BARS, bars) != bars:
        problems.append(f"{competition.key}: the private bars in the database are not those that were prepared")
    if (data.data_version, data.metric_version.rpartition("|v:")[0]) != sealed:  # the release behind it may be older
        problems.append(f"{competition.key}: the grades that count by the database are not those of its own answers")
    return problems


def _sealed(key: bytes, row: GradeRow) -> bool:
    try:
        return hmac.compare_digest(grade_mac(key, row.submission, vars(row)), row.mac)
    except (TypeError, ValueError):  # values of an unexpected type, or not finite
        return False


def _damaged(home: Home, name: str) -> list[str]:
    try:
        return damaged_files(home.public(name))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ["manifest.json"]
