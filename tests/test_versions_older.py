"""A home of an earlier release shows the same and goes on, and an upgrade leaves every board as it is."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.answers import read_secret
from harness.competition import Competition, find_competition
from harness.grading import audit, worker
from harness.grading.accept import accept_file
from harness.home import Home, open_home
from harness.versions import find_data, read_versions
from leaderboard import competitions, receipts, results
from leaderboard import database as database_module
from leaderboard.acceptance import Upload
from leaderboard.database import open_database
from submissions.store import keep
from tasks.base import UserError
from tasks.formats import Column, EpisodesFormat, TableFormat
from tasks.tensor_formats import ModelFormat
from tests import releases
from tests.releases import FIRST_RELEASE, NOW, again, boards, call, flip, sample

home, own, first = releases.home, releases.own, releases.first


SECOND_RELEASE = FIRST_RELEASE.with_name("second_release.tar.xz")
"""Made by the code of commit 57b27f4: HW1 with few rows to train on, HW12 and one of one's own, which is revealed; a
team, seven graded files, one that waits. `said.json` is what that code showed of boards, points and receipts."""


def test_a_home_of_the_first_release_verifies_and_goes_on(first: Home) -> None:
    assert audit.verify(first) == ([], {"events": 9, "submissions": 3, "grades": 3, "competitions": 2})
    body = json.loads(call(first, "leaderboard", "weights", "--private", "--format", "json").stdout)
    assert [row["name"] for row in body["board"]] == ["bob", "ada"]
    done = json.loads(call(first, "submit", "worst", sample(first, "worst"), "--as", "cyd", "--format", "json").stdout)
    assert (done["state"], done["rank"]) == ("graded", 2)
    assert audit.verify(first)[0] == []


@pytest.mark.parametrize(
    ("name", "file"), [("weights", "column-0.npy"), ("weights", "usage.npy"), ("worst", "metric.py")]
)
def test_changed_answers_of_the_first_release_are_found(first: Home, name: str, file: str) -> None:
    flip(first.secret(name, 1) / file, -2)
    assert "were changed" in "".join(audit.verify(first)[0])


@pytest.fixture
def second(tmp_path: Path) -> Home:
    """A home as the second release left it, beside what that showed of it, `said.json`."""
    with tarfile.open(SECOND_RELEASE) as archive:
        archive.extractall(tmp_path / "second", filter="data")
    return open_home(tmp_path / "second" / "home")


def test_a_home_of_the_second_release_shows_the_same_and_goes_on(second: Home) -> None:
    said = json.loads((second.root.parent / "said.json").read_bytes())

    def shown() -> dict[str, list[list[object]]]:
        bodies = {words: call(second, "leaderboard", *words.split(), "--format", "json") for words in said["boards"]}
        return {
            words: [[row["rank"], row["name"], row["score"]] for row in json.loads(body.stdout)["board"]]
            for words, body in bodies.items()
        }

    assert audit.verify(second)[0] == []
    assert {words: [row[:2] for row in rows] for words, rows in shown().items()} == {
        words: [row[:2] for row in rows] for words, rows in said["boards"].items()
    }
    scores = [row[2] for rows in said["boards"].values() for row in rows]
    with second.database() as database:
        assert set(scores) <= {side for row in results.grade_rows(database) for side in (row.public, row.private)}
    assert [row[2] for rows in shown().values() for row in rows] == pytest.approx(scores, rel=1e-4)  # cut when shown
    assert call(second, "gradebook", "--format", "csv").stdout == said["gradebook"]
    key = json.loads((second.root / "public" / "course.json").read_bytes())["receipt_key"]
    for number, before in said["receipts"].items():
        assert json.loads(call(second, "receipt", number).stdout) == before
        receipts.verify(json.dumps(before), key)
    for name in ("hw01", "hw12", "weights"):
        assert "same data, version 1" in call(second, *again(second, name)).stdout
        call(second, "check", name, sample(second, name))
    assert audit.verify(second)[0] == []


def test_a_home_of_the_second_release_grades_what_waits_and_what_is_new(second: Home) -> None:
    one = worker.new_worker(second, worker.Limits(), pytest.fail)
    with second.database() as database:
        assert worker.work(one, database, lambda: NOW)
        assert 8 in {row.submission for row in results.grade_rows(database)}
    for name, who in (("hw01", "cyd"), ("hw12", "red")):
        done = call(second, "submit", name, sample(second, name), "--as", who, "--format", "json").stdout
        assert json.loads(done)["state"] == "graded"
    late = call(second, "submit", "weights", sample(second, "weights"), "--as", "cyd", "--format", "json").stdout
    assert json.loads(late)["practice"]
    assert audit.verify(second)[0] == []


def test_hw12_of_the_second_release_keeps_its_actions_and_moves_to_policies_where_new_data_are_asked_for(
    second: Home,
) -> None:
    words = ("leaderboard", "hw12", "--version", "1", "--format", "json")
    old = call(second, "leaderboard", "hw12", "--format", "json").stdout
    assert isinstance(find_competition(second, "hw12").format, EpisodesFormat)
    call(second, "grade", "--pending")
    new = ("prepare", "hw12", "--new-data", "--yes", "--reason", "policies are flown now")
    assert "edition builtin," in call(second, *new).stdout
    assert isinstance(find_competition(second, "hw12").format, ModelFormat)
    assert json.loads(call(second, *words).stdout)["board"] == json.loads(old)["board"]
    policy = str(second.public("hw12") / "sample_submission.onnx")
    done = json.loads(call(second, "submit", "hw12", policy, "--as", "red", "--format", "json").stdout)
    assert done["state"] == "graded"
    assert audit.verify(second)[0] == []


@pytest.mark.parametrize("change", ["another format", "answers"])
def test_what_was_changed_in_a_home_of_the_second_release_is_found(second: Home, change: str) -> None:
    if change == "answers":
        flip(second.secret("hw01", 1) / "column-0.npy", -2)
    else:
        path = second.public("hw01") / "format.json"
        values = json.loads(path.read_bytes())
        values["ids"]["first"] += 1
        path.write_text(json.dumps(values))
    assert audit.verify(second)[0]
    with pytest.raises(UserError):
        read_secret(second, find_competition(second, "hw01"))


def test_a_release_that_writes_more_fields_verifies_what_was_written_before(
    home: Home, own: Home, second: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(home, "submit", "hw1", sample(home))
    cases = ((home, "hw01"), (own, "worst"), (second, "hw01"), (second, "hw12"), (second, "weights"))
    before = [find_data(one, find_competition(one, name)) for one, name in cases]
    for kind in (TableFormat, EpisodesFormat, Column, Competition):
        monkeypatch.setattr(kind, "to_json", with_later_field(kind.to_json))
    assert TableFormat.to_json(TableFormat("id", (Column("a"),), range(1)))["columns"][0]["later"] == "field"
    for (one, name), data in zip(cases, before, strict=True):
        found = find_competition(one, name)
        read_secret(one, found)
        assert replace(find_data(one, found), description=None) == replace(data, description=None)
        call(one, "submit", name, sample(one, name), *(["--as", "cyd"] if one is second else []))
    for one in (home, own, second):
        assert audit.verify(one)[0] == []
    assert "same data" in call(home, "prepare", "hw1").stdout


def with_later_field(to_json: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda self: to_json(self) | {"later": "field"}


def test_an_upgrade_that_changes_the_metrics_leaves_every_board_as_it_is(
    home: Home, first: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    call(home, "reveal", "hw1", "--reason", "the end", "--yes")
    data = Path(sample(home)).read_bytes() + b"\n"
    with home.database() as database:  # a file that waits
        accept_file(
            home,
            database,
            find_competition(home, "hw1"),
            Upload(keep(home.submissions, data), len(data), "b.csv", "", "b", NOW),
            participant="bob",
        )
    cases = ((home, "hw01"), (first, "weights"), (first, "worst"))
    before = [boards(one, name) for one, name in cases]
    assert len(set(before[0])) > 3
    with home.database() as database:
        grades = list(results.grade_rows(database))
    for module in ("harness.competition", "harness.grading.settle"):
        monkeypatch.setattr(f"{module}.METRICS_VERSION", "1000")
    said: list[str] = []
    one = worker.new_worker(home, worker.Limits(), said.append)
    with home.database() as database:
        assert not worker.work(one, database, lambda: NOW)
    assert said[0].startswith("hw01 is not graded: hw01 is graded by root_mean_squared_error|v:")
    assert "still waiting: hw01 is graded by" in call(home, "grade", "--pending").stdout
    told = call(home, "doctor", "--format", "json", exit_code=10).stdout
    assert any(
        "Install the lhy-grade that graded it" in row["detail"]
        for row in json.loads(told[: told.rindex("}\n{") + 2])["checks"]
    )
    assert [boards(one, name) for one, name in cases] == before
    with home.database() as database:
        assert list(results.grade_rows(database)) == grades
    monkeypatch.undo()
    assert call(home, "grade", "--pending").stdout == "hw01: submission 2 graded\n"


def test_a_version_counts_until_the_database_says_otherwise(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    versions = read_versions(home, find_competition(home, "hw1"))
    shutil.rmtree(home.root / "secret" / "hw01")
    assert read_versions(home, find_competition(home, "hw1")) == versions, "it is not read from the secret folder"
    assert json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"]


def test_of_several_versions_of_an_older_release_the_one_with_the_newest_grade_counts(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alembic import command

    newest = command.upgrade
    with monkeypatch.context() as old:
        old.setattr(command, "upgrade", lambda config, _: newest(config, "0003"))
        old.setattr(database_module, "VERSIONS", ("0001", "0002", "0003"))
        with open_database(database_url) as db:
            for row in (
                "(1, 'hw01/1', 'd', 'm1', FALSE)",
                "(2, 'hw01/1', 'd', 'm2', FALSE)",
                "(3, 'hw01/2', 'e', 'm2', FALSE)",
                "(4, 'hw01/1', 'd', 'm3', FALSE)",
                "(5, 'odd', 'd', 'm', FALSE)",
            ):
                db.connection.execute(
                    "INSERT INTO versions (id, competition, data_version, metric_version, higher_is_better) "
                    f"VALUES {row}"
                )
            db.connection.execute(
                "INSERT INTO participants (id, competition, name, kind, created_at) "
                "VALUES (1, 'hw01/1', 'Ann', 'person', 5)"
            )
            db.connection.execute(
                "INSERT INTO submissions (id, participant_id, entry, client_key, sha256, size, filename, message, "
                "accepted_at, quota_day, event_seq, receipt) VALUES (1, 1, 1, 'k', 's', 7, 'x', 'm', 5, 'd', 1, '{}')"
            )
            for number, version in ((1, 1), (2, 2)):
                db.connection.execute(
                    "INSERT INTO grades (id, submission_id, participant_id, version_id, public, public_key, private, "
                    "details, private_details, passed_public, passed_private, mac, graded_at, event_seq) VALUES "
                    f"({number}, 1, 1, {version}, 0.1, -0.1, 0.2, '{{}}', '{{}}', '[]', '[]', 'x', 6, {number + 1})"
                )
    with open_database(database_url) as db:
        found = {data.key: data.versions for data in competitions.all_data(db)}
    assert found == {"hw01/1": ("d", "m2"), "hw01/2": ("e", "m2")}
