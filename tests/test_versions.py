"""Data have versions: answers that were changed grade nothing, and a home of the first release goes on."""

from __future__ import annotations

import json
import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import audit, worker
from harness.cli import cli
from harness.competition import find_competition, read_secret
from harness.home import Home, open_home
from leaderboard import store
from tasks.base import UserError

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
FIRST_RELEASE = Path(__file__).parent / "data" / "first_release.tar.xz"
"""Made by the code of the first release: two competitions of one's own, three graded files, one board revealed."""

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
        assert store.submissions(database) == []
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
        archive.extractall(tmp_path, filter="data")
    return open_home(tmp_path / "home")


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
