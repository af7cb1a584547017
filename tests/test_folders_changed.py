"""A changed folder: the files of the board go on to the new data, and what ends it or cannot go on is said."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness import preview
from harness.cli import common
from harness.cli.main import cli
from harness.home import open_home
from harness.prepare import sides_of
from leaderboard import events, receipts, records, results, roster
from leaderboard.records import StoredSubmission
from tasks.streams import derive
from tests.test_folders import VALUES, N, call, write_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="graders are forked")

NOW = datetime(2027, 3, 1, 4, 0, tzinfo=UTC)
DEADLINE = "2027-03-05T00:00+00:00"
SIDES = ("Public", "Private")
TOML = f'metric = "mae"\ndeadline = "{DEADLINE}"\nquota = 3\n'
ROSTER = "id,name,email,team,role\na1,Ada,,Owls,\nb2,Bob,,,\nc3,Cy,,Owls,\n"


def solution(values: Sequence[float]) -> str:
    return "id,y,Usage\n" + "".join(f"{n},{y},{SIDES[n // 2 % 2]}\n" for n, y in enumerate(values))


@dataclass
class Class:
    """A home with a roster and a competition from a folder, at a settable time."""

    folder: Path
    patch: pytest.MonkeyPatch

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def call(self, *words: str, at: datetime = NOW) -> Result:
        self.patch.setattr(common, "clock", lambda: at)
        return CliRunner().invoke(cli, ["--home", str(self.home), *words])

    def hand_in(self, who: str, wrong: float, at: datetime = NOW, name: str = "a.csv") -> Result:
        rows = "".join(f"{n},{y + wrong * (n % 2)}\n" for n, y in enumerate(VALUES))
        (self.folder / name).write_text("id,y\n" + rows)
        return self.call("submit", "own", str(self.folder / name), "--as", who, "--message", f"{wrong:g}", at=at)

    def change(self, *words: str, at: datetime = NOW) -> Result:
        return self.call("new", "own", "--from", str(self.folder / "own"), *words, at=at)

    def files(self, version: int) -> list[StoredSubmission]:
        with open_home(self.home).database() as database:
            return records.submissions(database, f"own/{version}")

    def board(self, *words: str) -> list[tuple[int, str]]:
        shown = self.call("leaderboard", "own", "--format", "json", *words)
        assert shown.exit_code == 0, shown.output
        return [(row["rank"], row["name"]) for row in json.loads(shown.stdout)["board"]]


YES = ("--reason", "answers were wrong", "--yes")


@pytest.fixture
def course(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Class:
    made = Class(tmp_path, monkeypatch)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text(f'name = "prof"\ndatabase = "{database_url}"\n')
    write_folder(tmp_path / "own", competition_toml=TOML, solution_csv=solution(VALUES))
    (tmp_path / "roster.csv").write_text(ROSTER)
    assert made.change().exit_code == 0
    done = made.call("roster", "import", str(tmp_path / "roster.csv"), *YES)
    assert done.exit_code == 0, done.output
    return made


def test_files_go_on_with_their_times_teams_choices_and_quota(course: Class) -> None:
    for who, wrong, hours in (("a1", 1, 0), ("b2", 2, 1), ("c3", 4, 2), ("b2", 3, 3)):
        sent = course.hand_in(who, wrong, NOW + timedelta(hours=hours))
        assert sent.exit_code == 0, sent.output
    late = course.hand_in("c3", 5, NOW + timedelta(days=6))
    assert (late.exit_code, "practice" in late.output) == (0, True), late.output
    before = course.files(1)
    assert [one.participant for one in before] == ["Owls", "b2", "Owls", "b2", "Owls"]
    chosen = course.call("select", "own", str(before[2].id), "--as", "a1")
    assert chosen.exit_code == 0, chosen.output
    write_folder(course.folder / "own", solution_csv=solution([y + 2 * (n % 2) for n, y in enumerate(VALUES)]))
    assert course.board() == [(1, "Owls"), (2, "Bob")]
    done = course.change(*YES)
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())
    assert "4 public and 4 private scores of 5 files change, the public ones by -1." in said
    assert "b2: 1 (place 2) → 0 (place 1)" in said
    assert "5 of 5 files scored by the new data" in said
    assert course.board() == [(1, "Bob"), (2, "Owls")]
    assert course.board("--version", "1") == [(1, "Owls"), (2, "Bob")]

    after, kept = course.files(2), ("participant", "kind", "entry", "client_key", "sha256", "filename", "message")
    for old, new in zip(before, after, strict=True):
        for name in (*kept, "accepted_at", "quota_day", "practice"):
            assert getattr(old, name) == getattr(new, name), name
    assert [one.selected for one in after] == [False, False, True, False, False]
    assert not {one.id for one in before} & {one.id for one in after}
    found = open_home(course.home)
    key = receipts.public_key(derive(found.key(), "receipts"))
    with found.database() as database:
        assert {row.public for row in results.grade_rows(database, "own/2")} == {0.5, 0, 1, 1.5}
        for old, new in zip(before, after, strict=True):
            first, second = (receipts.verify(records.receipt(database, one.id), key) for one in (old, new))
            assert (second.competition, second.submission) == ("own/2", new.id)
            assert (second.accepted_at, second.quota_used) == (first.accepted_at, first.quota_used)
            assert second.practice == new.practice
        assert roster.participant_of(database, "own/2", "c3") == "Owls"
        assert events.verify(database, key) == []
    assert course.call("audit", "verify").exit_code == 0

    again = course.hand_in("b2", 3, NOW + timedelta(hours=4))
    assert (again.exit_code, len(course.files(2))) == (0, 5), again.output
    assert course.hand_in("b2", 9, NOW + timedelta(hours=4)).exit_code == 0
    full = course.hand_in("b2", 8, NOW + timedelta(hours=5))
    assert (full.exit_code, "All 3 submissions" in full.output) == (4, True), full.output


def test_files_that_the_new_data_refuse_stay_with_the_old_board(course: Class) -> None:
    assert course.hand_in("a1", 1).exit_code == course.hand_in("b2", 30).exit_code == 0
    toml = TOML.replace('"mae"', '"metric.py"') + "higher_is_better = false\n"
    metric = (
        "class ParticipantVisibleError(Exception):\n    pass\n\n\n"
        "def score(solution, submission, row_id_column_name):\n"
        "    if (submission['y'] > 40).any():\n        raise ParticipantVisibleError('too large')\n"
        "    return float((solution['y'] - submission['y']).abs().mean())\n"
    )
    write_folder(course.folder / "own", competition_toml=toml, metric_py=metric)
    done = course.change(*YES)
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())
    assert "No longer accepted, and left with the old board: b2 #1 (E_METRIC_REFUSED)." in said
    assert "b2: 15 (place 2) → no file with a score" in said
    assert course.board() == [(1, "Owls")]
    assert course.board("--version", "1") == [(1, "Owls"), (2, "Bob")]
    assert course.call("audit", "verify").exit_code == 0


def test_new_data_by_name_begin_with_an_empty_board(course: Class) -> None:
    assert course.hand_in("a1", 1).exit_code == 0
    write_folder(course.folder / "own", solution_csv=solution(VALUES[::-1]))
    done = course.change("--new-data", *YES)
    assert (done.exit_code, course.board(), course.files(2)) == (0, [], []), done.output


def test_after_the_reveal_nobody_goes_on(course: Class) -> None:
    assert course.hand_in("a1", 1).exit_code == 0
    assert course.call("reveal", "own", *YES).exit_code == 0
    write_folder(course.folder / "own", solution_csv=solution(VALUES[::-1]))
    for words in (YES, (*YES, "--after-deadline")):
        refused = course.change(*words)
        assert (refused.exit_code, "private board was revealed" in " ".join(refused.stderr.split())) == (5, True)
    assert course.files(2) == []
    assert course.change(*YES, "--new-data").exit_code == 0


def sides(course: Class) -> dict[str, int]:
    return sides_of(open_home(course.home), "own")


def test_a_split_that_was_drawn_stays_and_one_that_is_given_is_not_changed(course: Class) -> None:
    bare = "id,y\n" + "".join(f"{n},{y}\n" for n, y in enumerate(VALUES))
    write_folder(course.folder / "own", solution_csv=bare)
    assert course.change(*YES, "--new-data").exit_code == 0
    assert course.hand_in("a1", 1).exit_code == course.hand_in("b2", 2).exit_code == 0
    before, board = sides(course), course.board()
    for number in range(3):
        write_folder(course.folder / "own", sheet_md=f"# A page\n\nWith another word {number}.\n")
        done = course.change(*YES)
        assert done.exit_code == 0, done.output
        assert (sides(course), course.board()) == (before, board)
    write_folder(course.folder / "own", solution_csv=solution(VALUES))
    refused = course.change(*YES)
    assert (refused.exit_code, "would go from one board to the other" in refused.output) == (8, True), refused.output
    assert course.board() == board
    assert course.change(*YES, "--new-data").exit_code == 0


def test_refused_and_disqualified_files_neither_count_nor_come_back(course: Class) -> None:
    assert course.hand_in("b2", 1).exit_code == 0
    (course.folder / "bad.csv").write_text("id,y\n0,x\n")
    assert course.call("submit", "own", str(course.folder / "bad.csv"), "--as", "b2").exit_code == 3
    assert course.hand_in("b2", 2).exit_code == 0
    assert course.call("disqualify", str(course.files(1)[0].id), *YES).exit_code == 0
    rows = json.loads(course.call("leaderboard", "own", "--format", "json").stdout)["board"]
    write_folder(course.folder / "own", solution_csv=solution([y + 1 for y in VALUES]))
    assert course.change(*YES).exit_code == 0
    after = json.loads(course.call("leaderboard", "own", "--format", "json").stdout)["board"]
    assert [row["entries"] for row in after] == [1]
    assert rows[0]["entries"] >= 1
    again = course.hand_in("b2", 1)
    assert (again.exit_code, "was disqualified as submission" in again.output) == (8, True), again.output
    assert course.call("audit", "verify").exit_code == 0


def test_names_older_than_the_roster_go_on_without_a_finding(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Class(tmp_path, monkeypatch)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").write_text(f'name = "prof"\ndatabase = "{database_url}"\n')
    write_folder(tmp_path / "own", competition_toml=TOML, solution_csv=solution(VALUES))
    assert made.change().exit_code == 0
    assert made.hand_in("zed", 1).exit_code == 0
    (tmp_path / "roster.csv").write_text(ROSTER)
    assert made.call("roster", "import", str(tmp_path / "roster.csv"), *YES).exit_code == 0
    write_folder(tmp_path / "own", solution_csv=solution([y + 1 for y in VALUES]))
    assert made.change(*YES).exit_code == 0
    assert made.call("audit", "verify").exit_code == 0


def test_a_change_that_somebody_else_overtook_is_refused(course: Class, monkeypatch: pytest.MonkeyPatch) -> None:
    assert course.hand_in("a1", 1).exit_code == 0
    write_folder(course.folder / "own", solution_csv=solution([y + 1 for y in VALUES]))
    real = preview.preview
    busy: list[bool] = []

    def overtaken(*args: object) -> object:
        found = real(*args)  # type: ignore[arg-type]
        if not busy:
            busy.append(True)
            assert course.change(*YES).exit_code == 0
        return found

    monkeypatch.setattr("harness.cli.competitions.preview", overtaken)
    refused = course.change(*YES)
    assert (refused.exit_code, "was changed meanwhile" in refused.output) == (8, True), refused.output
    assert len(course.files(2)) == 1
    assert course.files(3) == []


@pytest.mark.parametrize("how", ["passed", "moved into the past"])
def test_a_competition_that_is_over_is_changed_on_demand_alone(course: Class, how: str) -> None:
    assert course.hand_in("a1", 1).exit_code == 0
    at = NOW + timedelta(days=9 if how == "passed" else 0)
    toml = TOML.replace("2027-03-05", "2027-02-05") if how == "moved into the past" else TOML
    write_folder(course.folder / "own", competition_toml=toml, solution_csv=solution(VALUES[::-1]))
    refused = course.change(*YES, at=at)
    said = " ".join(refused.stderr.split())
    assert (refused.exit_code, "add --after-deadline" in said) == (5, True), refused.output
    assert "has passed" in said
    assert course.files(2) == []
    assert course.change(*YES, "--after-deadline", at=at).exit_code == 0
    assert len(course.files(2)) == 1


def test_a_preview_that_was_killed_leaves_nothing_after_the_next(course: Class) -> None:
    assert course.hand_in("a1", 1).exit_code == 0
    write_folder(course.folder / "own", solution_csv=solution(VALUES[::-1]))
    child = os.fork()
    if child == 0:
        course.patch.setattr(preview, "try_metric", lambda *_: os._exit(7))
        course.change("--reason", "x")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    secret = course.home / "secret"
    (left,) = secret.glob(".preview-*")
    assert left.stat().st_mode & 0o077 == 0
    with preview._scratch(open_home(course.home)) as other:
        assert list(secret.glob(".preview-*")) == [other]
        with preview._scratch(open_home(course.home)):
            assert other.is_dir(), "its process is alive"
    assert list(secret.glob(".preview-*")) == []


DAMAGE: dict[str, Callable[[Path], object]] = {
    "changed": lambda source: (source / "competition.toml").write_text('metric = "mae"\n'),
    "missing": lambda source: (source / "solution.csv").unlink(),
    "new": lambda source: (source / "usage.csv").write_text("id,Usage\n"),
    "renamed": lambda source: (source / "solution.csv").rename(source / "solutions.csv"),
    "a link": lambda source: (source / "link").symlink_to("/etc/hostname"),
    "gone": shutil.rmtree,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_kept_for_an_export_is_under_the_seal_of_the_answers(tmp_path: Path, damage: str) -> None:
    text = "id,y\n" + "".join(f"{n},{y}\n" for n, y in enumerate(VALUES))
    folder = write_folder(tmp_path / "folder", competition_toml='metric = "rmse"\n', solution_csv=text)
    home = tmp_path / "home"
    assert call(home, "new", "own", "--from", str(folder)).exit_code == 0
    source = home / "secret" / "own" / "1" / "source"
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    DAMAGE[damage](source)
    verified = call(home, "audit", "verify")
    assert (verified.exit_code, "what own was made from was changed" in verified.output) == (8, True), verified.output
    refused = call(home, "export", "own", str(tmp_path / "out"))
    assert (refused.exit_code, (tmp_path / "out").exists()) == (10, False), refused.output
    (tmp_path / "a.csv").write_text("id,y\n" + "".join(f"{n},{n}\n" for n in range(N)))
    assert call(home, "submit", "own", str(tmp_path / "a.csv"), "--as", "ada").exit_code == 0, "it grades without it"
    again = call(home, "new", "own", "--from", str(folder))
    assert (again.exit_code, "restored: the answers" in again.stderr) == (0, True), again.output
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    assert call(home, "audit", "verify").exit_code == 0
    assert call(home, "export", "own", str(tmp_path / "out")).exit_code == 0
