"""Answers that were changed grade nothing and are found, and bars hold for the size they were measured at."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from harness.answers import KEPT, read_secret
from harness.competition import bar_from_json, bar_to_json, find_competition
from harness.grading import audit, worker
from harness.home import Home
from leaderboard import competitions, records, results
from tasks.base import UserError
from tasks.homeworks import all_tasks
from tests import releases
from tests.releases import asked, call, everything, flip, sample

home, own = releases.home, releases.own


def test_one_flipped_bit_in_any_secret_file_stops_grading(home: Home, own: Home) -> None:
    for one, name in ((home, "hw01"), (own, "worst")):
        folder = one.secret(name, 1)
        files = {path.name for path in folder.iterdir() if path.name != KEPT} - {
            "provenance.json"
        }  # it is not graded by
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
