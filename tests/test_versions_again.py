"""The same plan again changes nothing, and other data put away what they replace, which stays readable."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.competition import find_competition
from harness.grading import audit, worker
from harness.grading.accept import accept_file
from harness.home import Home, open_home
from leaderboard import adjustments, competitions, events, receipts, records, results
from leaderboard.acceptance import Upload
from submissions.store import keep
from tasks.base import UserError
from tasks.split import derive
from tests import releases
from tests.releases import METRIC, NOW, asked, boards, call, everything, flip, sample

home, own, first = releases.home, releases.own, releases.first


# The same plan again, and other data


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
    for more, why in (
        (["--title", "x"], "title"),
        (["--public-share", "0.4"], "public share"),
        (["--public", str(tmp_path / "own")], "public"),
    ):
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
    for text in (
        "Version 1 has 1 submission from 1 person",
        "1 extension: copied to the new data",
        "stays revealed",
        "lhy-grade leaderboard hw01 --version 1",
    ):
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
                home,
                database,
                find_competition(home, "hw1"),
                Upload(keep(home.submissions, sent), len(sent), "b.csv", "", "b", NOW),
                participant=f"p{number}",
            )

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
            home,
            database,
            old,
            Upload(keep(home.submissions, data), len(data), "a.csv", "", "a", NOW),
            participant="ada",
        )
    assert (caught.value.code, caught.value.exit_code) == ("E_STALE_DATA", 3)
    with home.database() as database:
        assert records.submissions(database) == []


# Old data stay readable


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
