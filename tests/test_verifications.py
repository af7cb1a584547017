"""Entries of editions that ask for a model beside the file: what is recorded, and what the log says of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.grading.audit import verify as audit
from harness.home import Home, open_home
from leaderboard import acceptance, events, verifications
from leaderboard.database import Database
from leaderboard.verifications import Verification
from tasks.base import Columns, Reproduction
from tasks.errors import UserError
from tasks.formats import Format
from tasks.homeworks import find_task
from tasks.models import dense
from tasks.tensor_formats import ModelFormat, Tensor
from tests import accepting

pytestmark = pytest.mark.slow_on_postgresql

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
FORMS = tuple(ModelFormat((Tensor("x", (side,)),), (Tensor("y", (1,)),), 20) for side in (8, 9))


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "clock", lambda: NOW)


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    return open_home(Path(shutil.copytree(course, tmp_path / "home")))


def call(home: Home, *words: str) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home.root), *words], env={"COLUMNS": "180"})


def told(home: Home, *words: str) -> Any:
    found = call(home, *words, "--format", "json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_other_homeworks_have_no_mark_and_nothing_to_verify(course: Path, tmp_path: Path) -> None:
    home = open_home(Path(shutil.copytree(course, tmp_path / "home")))
    sample = home.public("hw01") / "sample_submission.csv"
    body = told(home, "submit", "hw1", str(sample), "--as", "ann")
    assert "model" not in body
    assert "model" not in told(home, "leaderboard", "hw1")["board"][0]
    assert told(home, "gradebook", "hw1")["students"][0]["homeworks"]["hw01"]["model"] == ""
    assert "model" not in call(home, "gradebook", "hw1", "--format", "csv").stdout
    refused = call(home, "verify", "1", str(sample))
    assert refused.exit_code == 8
    assert "edition builtin of hw01 asks for no model" in refused.stderr


def test_an_entry_that_is_rejected_meanwhile_is_not_recorded(database: Database) -> None:
    number = accepted(database)
    acceptance.reject(database, number, "E_ROWS", NOW)
    with pytest.raises(UserError, match="was rejected and cannot be verified") as caught:
        verifications.verify(database, found(number))
    assert caught.value.code == "E_CONFLICT"
    assert verifications.verifications(database) == {}


def accepted(database: Database, who: str = "ann", competition: str = "hw13/1") -> int:
    return accepting.accepted(
        database,
        course="",
        competition=competition,
        participant=who,
        kind="person",
        sha256=f"{who:0>64}",
        size=1,
        filename="",
        message="",
        client_key=who,
        now=NOW,
        day="2027-03-01",
        next_slot=None,
        quota=None,
        rejections=None,
        closes=None,
        sign=lambda _: b"",
    ).submission


def found(number: int, model: str = "ab" * 32) -> Verification:
    return Verification(number, model, 1000, 44, 33, 33, "prof", NOW)


def test_verifications_are_recorded_once_and_listed_by_competition_and_participant(database: Database) -> None:
    first, second, third = accepted(database), accepted(database, "bob"), accepted(database, "ann", "hw13/2")
    kept: list[str] = []
    assert verifications.verify(database, found(first), lambda: kept.append("a"))
    assert not verifications.verify(database, found(first, "cd" * 32), lambda: kept.append("b"))
    assert verifications.verify(database, found(third), lambda: kept.append("c"))
    assert kept == ["a", "c"]
    assert verifications.verifications(database) == {first: found(first), third: found(third)}
    assert verifications.verifications(database, "hw13/1") == {first: found(first)}
    assert verifications.verifications(database, None, "ann").keys() == {first, third}
    assert verifications.verifications(database, "hw13/1", "bob") == {}
    with pytest.raises(UserError, match="There is no submission 99"):
        verifications.verify(database, found(99))
    assert second not in verifications.verifications(database)


# The log


CHANGES = {
    "parameters": "UPDATE verifications SET parameters = 4",
    "model": "UPDATE verifications SET model = 'cd'",
    "rows": "UPDATE verifications SET equal_rows = 1",
    "actor": "UPDATE verifications SET actor = 'eve'",
    "submission": "UPDATE verifications SET submission_id = 2",
    "missing": "DELETE FROM verifications",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_or_missing_verification_is_found(database: Database, change: str) -> None:
    first, _ = accepted(database), accepted(database, "bob")
    verifications.verify(database, found(first))
    assert [one.message for one in events.verify(database) if "verification" in one.message] == []
    with database.transaction():
        database.execute(CHANGES[change])
    (problem,) = [one.message for one in events.verify(database) if "verification" in one.message]
    assert problem.startswith("verification 1")


def test_an_invented_verification_is_found(database: Database) -> None:
    number = accepted(database)
    with database.transaction():
        database.execute(
            "INSERT INTO verifications (id, submission_id, model, size, parameters, equal_rows, all_rows, actor, at, "
            "event_seq) VALUES (1, :id, 'ab', 1, 1, 1, 1, 'prof', 1, 99)",
            id=number,
        )
    assert "verification 1 is not what the log says" in [one.message for one in events.verify(database)]


# HW1 as if it asked for a model


def model(side: int) -> bytes:
    rng = np.random.default_rng(side)
    weight, bias = rng.standard_normal((side, 1)).astype(np.float32), np.zeros(1, np.float32)
    return dense(FORMS[side - 8], [(weight, bias)])


@pytest.fixture
def asking(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A course in which HW1 asks for a model, whose rows are those of the sample submission."""

    def rows(form: ModelFormat, read: Columns, table: Format, public: Path) -> Columns:
        assert len(read["parameters"]) == 1
        lines = (public / "sample_submission.csv").read_text().splitlines()[1:]
        return {"tested_positive": np.array([float(line.partition(",")[2]) for line in lines])}

    task = find_task("hw01")
    assert task is not None
    editions = tuple(replace(one, reproduction=Reproduction(FORMS, rows)) for one in task.editions)
    monkeypatch.setattr("harness.competition.find_task", lambda name: replace(task, editions=editions))
    return home


def test_an_entry_loses_its_mark_by_a_model_that_gives_its_rows(asking: Home, tmp_path: Path) -> None:
    sample = asking.public("hw01") / "sample_submission.csv"
    header, first, *rest = sample.read_text().splitlines()
    (tmp_path / "other.csv").write_text("\n".join([header, *(f"{row.partition(',')[0]},3" for row in (first, *rest))]))
    (tmp_path / "near.csv").write_text("\n".join([header, f"{first.partition(',')[0]},7", *rest]))
    (tmp_path / "model.onnx").write_bytes(model(9))
    for number, path in enumerate((sample, tmp_path / "other.csv", tmp_path / "near.csv"), 1):
        assert told(asking, "submit", "hw1", str(path), "--as", "ann")["model"] == "size not verified"
        done = call(asking, "verify", str(number), str(tmp_path / "model.onnx"))
        if number == 2:
            assert (done.exit_code, "at least 99% must be equal" in done.stderr) == (3, True)
        else:  # one of hundreds of rows may differ
            assert f"submission {number} is verified: 10 parameters" in done.stdout, done.output
    assert [row["model"] for row in told(asking, "submissions", "hw1", "--as", "ann")["submissions"]] == [
        "verified, 10 parameters",
        "size not verified",
        "verified, 10 parameters",
    ]
    again = call(asking, "verify", "1", str(tmp_path / "nothing.onnx"))
    assert "submission 1 was already verified: 10 parameters" in again.stdout
    assert audit(asking)[0] == []


def test_a_model_of_another_input_or_too_many_numbers_is_refused(asking: Home, tmp_path: Path) -> None:
    assert told(asking, "submit", "hw1", str(asking.public("hw01") / "sample_submission.csv"), "--as", "ann")
    odd = ModelFormat((Tensor("x", (7,)),), (Tensor("y", (1,)),), 20)
    wide = [
        (np.ones((8, 4), np.float32), np.ones(4, np.float32)),
        (np.ones((4, 1), np.float32), np.ones(1, np.float32)),
    ]
    for data, words in (
        (
            dense(odd, [(np.ones((7, 1), np.float32), np.ones(1, np.float32))]),
            "Accepted inputs: float32 (n, 8); float32 (n, 9)",
        ),
        (dense(FORMS[0], wide), "the graph holds 41 numbers; at most 20 are accepted"),
        (b"PK\x03\x04", "torch.save"),
    ):
        (tmp_path / "model.onnx").write_bytes(data)
        done = call(asking, "verify", "1", str(tmp_path / "model.onnx"))
        assert (done.exit_code, words in done.stderr) == (3, True), done.output
    assert told(asking, "leaderboard", "hw1")["board"][0]["model"] == "size not verified"
