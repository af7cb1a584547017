"""Data have versions: answers that were changed grade nothing, and a home of the first release goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import Competition, bar_from_json, bar_to_json, find_competition
from harness.grading import audit, worker
from harness.grading.accept import accept_file
from harness.home import Home, open_home
from harness.versions import find_data, read_versions
from leaderboard import adjustments, competitions, events, receipts, records, results
from leaderboard import database as database_module
from leaderboard.acceptance import Upload
from leaderboard.database import open_database
from submissions.store import keep
from tasks.base import UserError
from tasks.formats import Column, EpisodesFormat, TableFormat
from tasks.homeworks import all_tasks
from tasks.split import derive
from tasks.tensor_formats import ModelFormat

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
FIRST_RELEASE = Path(__file__).parent / "data" / "first_release.tar.xz"
"""Made by the code of the first release: two competitions of one's own, three graded files, one board revealed."""
SECOND_RELEASE = FIRST_RELEASE.with_name("second_release.tar.xz")
"""Made by the code of commit 57b27f4: HW1 with few rows to train on, HW12 and one of one's own, which is revealed; a
team, seven graded files, one that waits. `said.json` is what that code showed of boards, points and receipts."""

METRIC = """\
def score(solution, submission, row_id_column_name):
    return float(abs(solution["weight"] - submission["weight"]).max())
"""


def call(home: Home, *words: str, exit_code: int | None = 0) -> Result:
    result = CliRunner().invoke(cli, ["--home", str(home.root), *words], env={"COLUMNS": "160"})
    assert exit_code is None or result.exit_code == exit_code, result.stdout + result.stderr
    return result


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    shutil.copytree(course, tmp_path / "home")
    return open_home(tmp_path / "home")


def sample(home: Home, name: str = "hw01") -> str:
    return str(home.public(name) / "sample_submission.csv")


def flip(path: Path, place: int) -> None:
    """Turns one bit of a file."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.fixture
def own(tmp_path: Path) -> Home:
    """A home with a competition of one's own, scored by a metric file."""
    home = open_home(tmp_path / "own")
    solution, metric = tmp_path / "solution.csv", tmp_path / "metric.py"
    solution.write_text("id,weight\n" + "".join(f"{number},{number**3 % 101}\n" for number in range(40)))
    metric.write_text(METRIC)
    call(home, "new", "worst", "--solution", str(solution), "--metric", str(metric), "--lower-is-better")
    return home


def test_one_flipped_bit_in_any_secret_file_stops_grading(home: Home, own: Home) -> None:
    for one, name in ((home, "hw01"), (own, "worst")):
        folder = one.secret(name, 1)
        files = {path.name for path in folder.iterdir()} - {"provenance.json"}
        assert {"column-0.npy", "usage.npy", "competition.json"} <= files
        for file in sorted(files):
            path = folder / file
            whole = path.read_bytes()
            for place in {0, len(whole) // 3, len(whole) // 2, len(whole) - 3}:
                flip(path, place)
                refused = call(one, "submit", name, sample(one, name), "--format", "json", exit_code=10)
                assert json.loads(refused.stdout)["error"]["code"] == "E_ANSWERS_CHANGED", (file, place)
                path.write_bytes(whole)
    with home.database() as database:
        assert records.submissions(database) == []
    call(home, "submit", "hw1", sample(home))


def test_every_bit_of_what_describes_the_answers_is_sealed(own: Home) -> None:
    path = own.secret("worst", 1) / "competition.json"
    whole, competition = path.read_bytes(), find_competition(own, "worst")
    for place in range(len(whole)):
        flip(path, place)
        if json_of(path.read_bytes()) != json.loads(whole):  # white space says nothing
            with pytest.raises(UserError) as caught:
                read_secret(own, competition)
            assert caught.value.code == "E_ANSWERS_CHANGED", place
        path.write_bytes(whole)
    values = json.loads(whole)
    del values["seal"]  # as if of an older release, with another bar
    path.write_text(json.dumps(values | {"metric_id": "other"}))
    with pytest.raises(UserError, match="were changed"):
        read_secret(own, competition)


def json_of(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


@pytest.mark.parametrize("change", ["removed", "added"])
def test_a_secret_file_removed_or_added_stops_grading(own: Home, change: str) -> None:
    folder = own.secret("worst", 1)
    if change == "removed":
        (folder / "usage.npy").unlink()
    else:
        (folder / "weights.bin").write_bytes(b"1")
    with pytest.raises(UserError) as caught:
        read_secret(own, find_competition(own, "worst"))
    assert caught.value.code == "E_ANSWERS_CHANGED"


def test_a_worker_leaves_files_waiting_whose_answers_were_changed(home: Home) -> None:
    flip(home.secret("hw01", 1) / "column-0.npy", -1)
    said: list[str] = []
    one = worker.new_worker(home, worker.Limits(), said.append)
    worker.refresh(one)
    assert one.answers == {}
    assert "restore the folder from a backup" in said[0]


def test_a_replaced_key_stops_grading_and_preparing(home: Home) -> None:
    path = home.root / "secret" / "key"
    whole = path.read_bytes()
    path.write_bytes(bytes(32))
    for words in (["submit", "hw1", sample(home)], ["prepare", "hw1"], ["audit", "verify"]):
        refused = call(home, *words, exit_code=10)
        assert "restored from the same backup" in refused.stderr
    path.unlink()
    assert "restore it from a backup" in call(home, "prepare", "hw1", exit_code=10).stderr
    assert not path.exists(), "no other key is made in its place"
    path.write_bytes(whole)
    call(home, "submit", "hw1", sample(home))


@pytest.fixture
def first(tmp_path: Path) -> Home:
    """A home as the first release left it."""
    with tarfile.open(FIRST_RELEASE) as archive:
        archive.extractall(tmp_path / "first", filter="data")
    return open_home(tmp_path / "first" / "home")


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


def again(home: Home, name: str) -> list[str]:
    """The command that prepares a competition of the second release again."""
    if name != "weights":
        return ["prepare", name]
    solution = home.root.parent / "solution.csv"
    solution.write_text("id,weight\n" + "".join(f"{number},{number**3 % 101}\n" for number in range(3, 80, 2)))
    return ["new", "weights", "--solution", str(solution), "--metric", "rmse", "--title", "Weights"]


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


# Which version counts


def boards(home: Home, name: str) -> list[str]:
    """Every board of a competition, in every format, as anybody gets them."""
    sides = [[], ["--private"]]
    return [
        call(home, "leaderboard", name, *side, "--format", format, exit_code=None).stdout
        for side in sides
        for format in ("table", "json", "csv")
    ]


def test_an_upgrade_that_changes_the_metrics_leaves_every_board_as_it_is(
    home: Home, first: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    call(home, "reveal", "hw1", "--reason", "the end", "--yes")
    data = Path(sample(home)).read_bytes() + b"\n"
    with home.database() as database:  # a file that waits
        accept_file(
            home, database, find_competition(home, "hw1"),
            Upload(keep(home.submissions, data), len(data), "b.csv", "", "b", NOW), participant="bob",
        )  # fmt: skip
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
            for row in ("(1, 'hw01/1', 'd', 'm1', FALSE)", "(2, 'hw01/1', 'd', 'm2', FALSE)",
                        "(3, 'hw01/2', 'e', 'm2', FALSE)", "(4, 'hw01/1', 'd', 'm3', FALSE)",
                        "(5, 'odd', 'd', 'm', FALSE)"):  # fmt: skip
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


# The same plan again, and other data


def everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Each file of a folder with its time."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(("leaderboard.db", ".lock"))
    }


@pytest.mark.parametrize("submitted", [False, True])
def test_preparing_again_changes_nothing_and_says_so(home: Home, submitted: bool) -> None:
    if submitted:
        call(home, "submit", "hw1", sample(home), "--as", "ada")
    before = everything(home.root)
    done = call(home, "prepare", "hw1", "--size", "small")
    assert "hw01 is already prepared: same data, version 1" in done.stdout
    after = everything(home.root)
    after.pop("public/hw01.png", None)  # the picture of the data, drawn where there was none
    assert after == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["covid.train.csv", "format.json", "manifest.json", "sheet.md", "all", "answers"])
def test_damaged_files_become_what_they_were(home: Home, damage: str) -> None:
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    public, secret = home.public("hw01"), home.secret("hw01", 1)
    before = everything(public), everything(secret)
    if damage == "all":
        shutil.rmtree(public)
    elif damage == "answers":
        flip(secret / "column-0.npy", -1)
    elif damage == "sheet.md":
        (public / damage).unlink()
    else:
        (public / damage).write_text("{")
    done = call(home, "prepare", "hw1")
    assert "same data, version 1" in done.stdout
    assert (
        f"restored: {'the answers' if damage == 'answers' else damage if damage != 'all' else 'covid.test.csv'}"
        in done.stderr
    )
    assert everything(public) == before[0]
    assert {name: data for name, (data, _) in everything(secret).items()} == {
        name: data for name, (data, _) in before[1].items()
    }
    again = json.loads(call(home, "submit", "hw1", sample(home), "--as", "bob", "--format", "json").stdout)
    assert again["rank"] == 2
    assert audit.verify(home)[0] == []


def test_what_is_in_the_folder_besides_is_left_alone(home: Home) -> None:
    (home.public("hw01") / "notes.txt").write_text("mine")
    call(home, "prepare", "hw1")
    assert (home.public("hw01") / "notes.txt").read_text() == "mine"


def test_files_that_would_come_out_otherwise_are_not_put_in_place(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness import plans

    real = plans.plan_homework

    def changed(*values: Any) -> Any:
        return replace(real(*values), sheet="# other\n")

    monkeypatch.setattr(plans, "plan_homework", changed)
    (home.public("hw01") / "covid.test.csv").unlink()
    (home.public("hw01") / "sheet.md").unlink()
    refused = call(home, "prepare", "hw1", exit_code=8)
    assert "--new-data" in refused.stderr
    assert not (home.public("hw01") / "covid.test.csv").exists()
    (home.public("hw01") / "sheet.md").write_text("lost")
    monkeypatch.undo()
    assert "restored: covid.test.csv" in call(home, "prepare", "hw1").stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--size", "full"], "another size"),
        (["--seed", "3"], "another fixed seed"),
        (["--edition", "builtin-2022"], "another edition"),
    ],
)
def test_another_plan_is_refused_also_where_nobody_has_handed_in(home: Home, words: list[str], why: str) -> None:
    before = everything(home.root)
    refused = call(home, "prepare", "hw1", *words, exit_code=8)
    assert why in refused.stderr
    assert "add --new-data" in refused.stderr
    assert everything(home.root) == before


def test_a_competition_of_ones_own_is_told_from_another_by_all_that_makes_it(own: Home, tmp_path: Path) -> None:
    solution, metric = tmp_path / "solution.csv", tmp_path / "metric.py"
    words = ["new", "worst", "--solution", str(solution), "--metric", str(metric), "--lower-is-better"]
    assert "same data, version 1" in call(own, *words).stdout
    for more, why in ((["--title", "x"], "title"), (["--public-share", "0.4"], "public share"),
                      (["--public", str(tmp_path / "own")], "public")):  # fmt: skip
        assert f"another {why}" in call(own, *words, *more, exit_code=8).stderr
    metric.write_text(METRIC + "\n")
    assert "another metric" in call(own, *words, exit_code=8).stderr
    metric.write_text(METRIC)
    solution.write_text(solution.read_text().replace("\n3,27", "\n3,28"))
    assert "another solution" in call(own, *words, exit_code=8).stderr


def test_a_competition_of_the_first_release_is_known_again(first: Home, tmp_path: Path) -> None:
    weights = (3.5, 1.25, 7, 2, 4.5, 9, 6.5, 0.5)
    rows = (f"{number},{one},{('Private', 'Public')[number % 2]}\n" for number, one in enumerate(weights, 1))
    (tmp_path / "solution.csv").write_text("id,weight,Usage\n" + "".join(rows))
    words = ["new", "weights", "--solution", str(tmp_path / "solution.csv")]
    assert "another metric" in call(first, *words, "--metric", "mae", exit_code=8).stderr
    assert "same data, version 1" in call(first, *words, "--metric", "rmse").stdout


def test_new_data_say_what_they_put_away_ask_and_leave_it_readable(home: Home) -> None:
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    call(home, "extend", "hw1", "--person", "ada", "--slots", "2", "--reason", "ill", "--yes")
    call(home, "reveal", "hw1", "--reason", "the end", "--yes")
    before = boards(home, "hw1")
    other = ("prepare", "hw1", "--new-data", "--reason", "a label was wrong", "--as", "prof")
    assert "add --reason" in call(home, "prepare", "hw1", "--new-data", "--yes", exit_code=2).stderr
    asked = call(home, *other, exit_code=1)  # nobody answers
    assert boards(home, "hw1") == before
    agreed = call(home, *other, "--yes")
    assert "version 2" in agreed.stdout
    for text in ("Version 1 has 1 submission from 1 person", "1 extension: copied to the new data", "stays revealed",
                 "lhy-grade leaderboard hw01 --version 1"):  # fmt: skip
        assert text in asked.stderr
        assert text in agreed.stderr, "--yes skips the question alone"
    with home.database() as database:
        told = [json.loads(event.body) | {"by": event.actor} for event in events.events(database)]
        assert [one.slots for one in adjustments.extensions(database, "hw01/2")] == [2]
        assert events.verify(database, receipts.public_key(derive(home.key(), "receipts"))) == []
    (made,) = [body for body in told if body.get("replaces")]
    assert (made["by"], made["reason"], made["replaces"]["revealed"]) == ("prof", "a label was wrong", True)
    assert json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"] == []
    assert call(home, "leaderboard", "hw1", "--private", exit_code=6).stdout == ""
    assert json.loads(call(home, "quota", "hw1", "--as", "ada", "--format", "json").stdout)["quota"][0]["limit"] == 7


def test_what_waits_of_older_data_is_still_graded(home: Home) -> None:
    data = Path(sample(home)).read_bytes()

    def accept(number: int) -> None:
        sent = data + b"\n" * number
        with home.database() as database:
            accept_file(
                home, database, find_competition(home, "hw1"),
                Upload(keep(home.submissions, sent), len(sent), "b.csv", "", "b", NOW), participant=f"p{number}",
            )  # fmt: skip

    for number in (1, 2, 3):
        accept(number)
    said: list[str] = []
    one = worker.new_worker(home, worker.Limits(), said.append)
    with home.database() as database:
        assert worker.work(one, database, lambda: NOW)
        call(home, "prepare", "hw1", "--new-data", "--yes", "--reason", "a label was wrong")
        assert worker.work(one, database, lambda: NOW), "by a worker that was running"
    assert "hw01: submission 3 graded" in call(home, "grade", "--pending").stdout
    accept(4)
    with home.database() as database:
        assert worker.work(one, database, lambda: NOW)
        graded = {row.submission: (row.competition, row.public) for row in results.grade_rows(database)}
    assert [where for where, _ in graded.values()] == ["hw01/1"] * 3 + ["hw01/2"]
    assert len({graded[number][1] for number in (1, 2, 3)}) == 1
    assert said == []
    assert audit.verify(home)[0] == []


def test_a_file_that_was_on_its_way_when_the_data_changed_is_told_so(home: Home) -> None:
    old = find_competition(home, "hw1")
    call(home, "prepare", "hw1", "--new-data", "--yes")
    data = Path(sample(home)).read_bytes()
    with home.database() as database, pytest.raises(UserError) as caught:
        accept_file(
            home, database, old, Upload(keep(home.submissions, data), len(data), "a.csv", "", "a", NOW),
            participant="ada",
        )  # fmt: skip
    assert (caught.value.code, caught.value.exit_code) == ("E_STALE_DATA", 3)
    with home.database() as database:
        assert records.submissions(database) == []


# Old data stay readable


def asked(home: Home, *words: str) -> Any:
    return json.loads(call(home, *words, "--format", "json").stdout)


def test_old_data_stay_readable_as_they_were(home: Home, tmp_path: Path) -> None:
    (home.root / "config.toml").write_text("[hw01]\nselections = 1\n")
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    header, *rows = Path(sample(home)).read_text().split()
    (tmp_path / "b.csv").write_text("\n".join([header, *(f"{row.split(',')[0]},5" for row in rows)]))
    call(home, "submit", "hw1", str(tmp_path / "b.csv"), "--as", "ada")
    call(home, "reveal", "hw1", "--reason", "the end", "--yes")
    commands: list[list[str]] = [
        ["leaderboard", "hw1"], ["leaderboard", "hw1", "--private"], ["submissions", "hw1", "--all"],
        ["gradebook", "hw1"],
    ]  # fmt: skip
    before = [asked(home, *words) for words in commands]
    status = asked(home, "status", "1")
    assert len(before[3]["students"][0]["homeworks"]["hw01"]["submissions"]) == 1, "the rules show in what counts"
    call(home, "prepare", "hw1", "--edition", "builtin-2022", "--new-data", "--yes", "--reason", "another year")
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    (home.root / "config.toml").write_text("[hw01]\nselections = 3\n")
    assert [asked(home, *words, "--version", "1") for words in commands] == before
    assert asked(home, "status", "1") == status
    assert status["scores"][0]["public"] is not None
    commands = [words for words in commands if "--private" not in words]
    now = [asked(home, *words) for words in commands]
    assert [row["submission"] for row in now[0]["board"]] == [3]
    assert [asked(home, *words, "--version", "2") for words in commands] == now
    assert "data version 1" in call(home, "leaderboard", "hw1", "--version", "1").stdout
    for command in ("leaderboard", "submissions", "gradebook"):
        missing = call(home, command, "hw1", "--version", "7", exit_code=2)
        assert "there are: 1, 2" in missing.stderr
        assert call(home, command, "--version", "1", exit_code=2).stdout == ""


def test_data_that_an_older_release_put_away_are_read_by_their_edition(home: Home) -> None:
    call(home, "submit", "hw1", sample(home), "--as", "ada")
    before = asked(home, "leaderboard", "hw1")
    call(home, "prepare", "hw1", "--edition", "builtin-2022", "--new-data", "--yes", "--reason", "another year")
    with home.database() as database, database.transaction():
        database.execute("UPDATE competitions SET description = NULL, digest = NULL WHERE number = :number", number=1)
    assert asked(home, "leaderboard", "hw1", "--version", "1") == before
    assert asked(home, "status", "1")["scores"][0]["metric"] == "root_mean_squared_error"


# Sizes and bars


@pytest.mark.slow
def test_bars_measured_at_one_size_are_not_given_to_another(home: Home, tmp_path: Path) -> None:
    small = asked(home, "leaderboard", "hw1")
    assert (small["size"], len(small["bars"])) == ("small", 4)
    assert "no measured bars" not in call(home, "leaderboard", "hw1").stderr
    call(home, "prepare", "hw1", "--size", "full", "--new-data", "--yes")
    full = asked(home, "leaderboard", "hw1")
    assert (full["size"], full["bars"]) == ("full", [])
    assert "no measured bars for size full" in call(home, "leaderboard", "hw1").stderr
    assert json.loads((home.public("hw01") / "format.json").read_text())["size"] == "full"
    done = asked(home, "submit", "hw1", sample(home), "--as", "ada")
    assert (done["bars"], done["has_bars"]) == ([], False)
    with home.database() as database:
        (grade,) = results.grade_rows(database)
    assert grade.passed_public == grade.passed_private == ()


def test_every_measured_bar_says_its_size_and_official_ones_hold_for_any() -> None:
    for task in all_tasks():
        for edition in task.editions:
            for bar in edition.bars:
                assert (bar.size is not None) == bar.source.startswith("measured"), (task.name, edition.name, bar.name)
                assert bar_from_json(bar_to_json(bar)).size == bar.size
            sizes = {bar.size for bar in edition.bars}
            assert not edition.official or sizes <= {None}
            assert all(bar.size in (None, "small") for bar in edition.bars_at("small"))


def test_a_competition_of_ones_own_has_no_size_and_says_nothing_of_bars(own: Home) -> None:
    body = asked(own, "leaderboard", "worst")
    assert (body["size"], body["bars"]) == (None, [])
    assert "no measured bars" not in call(own, "leaderboard", "worst").stderr


def test_the_audit_finds_a_board_that_was_turned_to_other_grades_in_the_database(home: Home) -> None:
    call(home, "prepare", "hw1", "--new-data", "--yes")
    assert audit.verify(home)[0] == []
    with home.database() as database, database.transaction():
        data = competitions.current(database, "hw01")
        assert data is not None
        for versions in ((data.data_version, "mean_absolute_error|v:1"), ("other", data.metric_version)):
            number = competitions.find_or_add_version(database, data.key, *versions, False)
            database.execute("UPDATE competitions SET version_id = :n WHERE key = :key", n=number, key="hw01/1")
    (problem,) = audit.verify(home)[0]
    assert problem == "hw01/1: the grades that count by the database are not those of its own answers"
    with home.database() as database, database.transaction():
        database.execute("UPDATE competitions SET version_id = :n WHERE key = :key", n=number - 1, key="hw01/2")
    assert len(audit.verify(home)[0]) == 2


def test_the_audit_finds_older_answers_that_were_changed_and_a_folder_of_other_data(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.public("hw01"), tmp_path / "v1")
    call(home, "prepare", "hw1", "--new-data", "--yes")
    assert audit.verify(home)[0] == []
    flip(home.secret("hw01", 1) / "usage.npy", -1)
    (problem,) = audit.verify(home)[0]
    assert problem.startswith("hw01/1: the answers of hw01 were changed")
    flip(home.secret("hw01", 1) / "usage.npy", -1)
    shutil.copytree(home.public("hw01"), tmp_path / "v2")
    (home.public("hw01") / "sheet.md").write_text("other")  # with a manifest that fits
    manifest = json.loads((home.public("hw01") / "manifest.json").read_text())
    manifest["files"]["sheet.md"] = {"sha256": hashlib.sha256(b"other").hexdigest(), "bytes": 5}
    (home.public("hw01") / "manifest.json").write_text(json.dumps(manifest))
    assert "does not contain the data that were prepared as hw01/2" in "".join(audit.verify(home)[0])
    shutil.rmtree(home.public("hw01"))
    shutil.copytree(tmp_path / "v1", home.public("hw01"))  # as from an older backup
    assert "has version 1, but version 2 was prepared" in "".join(audit.verify(home)[0])
    refused = call(home, "submit", "hw1", sample(home), "--as", "ada", exit_code=3)
    assert "replaced by new data, hw01/2" in refused.stderr
    call(home, "prepare", "hw1")
    assert audit.verify(home)[0] == []
    restored, wanted = everything(home.public("hw01")), everything(tmp_path / "v2")
    assert {name: data for name, (data, _) in restored.items()} == {name: data for name, (data, _) in wanted.items()}


# Files for other data


def test_a_file_beside_old_data_is_told_so_and_uses_no_slot(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old" / "hw01"
    shutil.copytree(home.public("hw01"), old)
    near = [old / "a.csv", old / "runs" / "b.csv", old / "runs" / "one" / "two" / "c.csv"]
    far = old / "runs" / "one" / "two" / "three" / "d.csv"
    far.parent.mkdir(parents=True)
    for path in (*near, far):
        shutil.copy(sample(home), path)
    for path in (*near, far):
        call(home, "check", "hw1", str(path))
    call(home, "prepare", "hw1", "--new-data", "--yes")
    for path in near:
        for words in (["check", "hw1", str(path)], ["submit", "hw1", str(path), "--as", "ada"]):
            told = json.loads(call(home, *words, "--format", "json", exit_code=3).stdout)["error"]
            assert told["code"] == "E_STALE_DATA"
            assert "of version 1, but the competition uses version 2" in told["message"]
            assert str(home.public("hw01")) in told["message"]
    assert asked(home, "quota", "hw1", "--as", "ada")["quota"][0]["used"] == 0
    call(home, "check", "hw1", str(far))
    monkeypatch.chdir(tmp_path / "old")  # where ./hw01 is old
    call(home, "check", "hw1", str(far), exit_code=3)
    shutil.rmtree(old)
    monkeypatch.chdir(tmp_path)
    call(home, "submit", "hw1", sample(home), "--as", "ada")


def test_the_nearest_data_of_that_competition_say_which_they_are(home: Home, own: Home, tmp_path: Path) -> None:
    outer, inner = tmp_path / "data", tmp_path / "data" / "new"
    shutil.copytree(home.public("hw01"), outer)
    call(home, "prepare", "hw1", "--new-data", "--yes")
    shutil.copytree(home.public("hw01"), inner)
    call(home, "check", "hw1", str(inner / "sample_submission.csv"))
    (inner / "manifest.json").write_text(json.dumps({"name": "hw02", "version": 7, "files": {}}))
    call(home, "check", "hw1", str(inner / "sample_submission.csv"), exit_code=3)
    for strange in ("{", "[]", '{"name": "hw01"}', '{"name": "hw01", "version": "2", "files": {}}', "[" * 100_000):
        (outer / "manifest.json").write_text(strange)
        call(home, "check", "hw1", str(inner / "sample_submission.csv"))


def test_data_of_the_same_version_of_another_course_are_not_the_competitions(home: Home, tmp_path: Path) -> None:
    other = open_home(tmp_path / "other")
    call(other, "prepare", "hw1")
    told = call(home, "check", "hw1", sample(other), exit_code=3)
    assert "are of another course" in told.stderr


def test_the_manifest_names_the_data(home: Home) -> None:
    manifest = json.loads((home.public("hw01") / "manifest.json").read_text())
    assert (manifest["name"], manifest["version"]) == ("hw01", 1)
    with home.database() as database:
        assert [data.digest for data in competitions.all_data(database)] == [manifest["digest"]]


def test_data_of_an_older_release_are_known_by_their_description(first: Home) -> None:
    call(first, "check", "weights", sample(first, "weights"))
    held = first.root / "held"
    shutil.copytree(first.public("weights"), held)
    path = held / "format.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 3}))
    call(first, "check", "weights", str(held / "sample_submission.csv"), exit_code=3)
