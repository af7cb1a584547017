"""The command line of who runs a course: audits, rules, competitions of one's own, and PostgreSQL."""

from __future__ import annotations

import getpass
import json
import random
from pathlib import Path

import pytest

from tests import command_line
from tests.command_line import call, fill, sample
from tests.postgres import Server

home = command_line.home


SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "submissions"


def test_audit_finds_a_changed_score_a_changed_file_and_a_changed_data_file(home: Path) -> None:
    import sqlite3

    fill(home)
    assert call(home, "audit", "verify").exit_code == 0
    kept = next(path for path in (home / "submissions").rglob("*") if path.is_file())
    data = kept.read_bytes()
    kept.chmod(0o600)
    kept.write_bytes(data[:-1] + b"7")
    assert call(home, "audit", "verify").exit_code == 8
    kept.write_bytes(data)
    assert call(home, "audit", "verify").exit_code == 0
    with sqlite3.connect(home / "leaderboard.db") as database:
        database.execute("update grades set public = public / 2 where submission_id = 2")
    database.close()
    done = call(home, "audit", "verify")
    assert done.exit_code == 8
    assert "submission 2" in done.stderr
    (home / "public" / "hw01" / "sheet.md").write_text("changed")
    assert "sheet.md" in call(home, "audit", "verify").stderr


def test_audit_names_the_event_in_which_a_byte_was_changed(home: Path) -> None:
    import sqlite3

    fill(home)
    with sqlite3.connect(home / "leaderboard.db") as database:
        (seq,) = database.execute("select max(seq) from events where kind = 'accepted'").fetchone()
        change = "update events set body = replace(body, '\"entry\":1', '\"entry\":2') where seq = ?"
        assert database.execute(change, (seq,)).rowcount == 1
    database.close()
    done = call(home, "audit", "verify")
    assert done.exit_code == 8
    assert f"event {seq} was changed" in done.stderr


def test_the_log_names_who_made_a_competition_or_prepared_a_homework(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(1)
    (tmp_path / "solution.csv").write_text("id,y\n" + "".join(f"{n},{draw.random()}\n" for n in range(99)))
    home, solution = tmp_path / "home", ("--solution", str(tmp_path / "solution.csv"), "--metric", "mae")
    monkeypatch.setattr(getpass, "getuser", lambda: "lee")
    assert call(home, "new", "one", *solution, "--as", "ian").exit_code == 0
    assert call(home, "new", "two", *solution).exit_code == 0
    assert call(home, "prepare", "hw1", "--as", "amy").exit_code == 0

    def nameless() -> str:
        raise OSError

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert call(home, "new", "three", *solution).exit_code == 0
    assert call(home, "new", "three", *solution, "--new-data", "--yes").exit_code == 2, "a name is needed"
    monkeypatch.setattr(getpass, "getuser", lambda: "lee")
    found = json.loads(call(home, "audit", "log", "--kind", "prepared", "--format", "json", "--last", "9").stdout)
    assert [row["who"] for row in found["events"]] == ["ian", "lee", "amy", "instructor"]


def test_rules_in_config_are_checked_when_they_are_read(home: Path) -> None:
    for text, word in (
        ("[hw01]\nqota = 3\n", "qota"),
        ("[hw01]\nquota = 'five'\n", "quota"),
        ("[hw01]\nquota = -1\n", "quota"),
        ("[hw01]\ndeadline = '2027-03-26'\n", "offset"),
        ("zone = 'Taipei'\n", "Asia/Taipei"),
        ("[hw01", "config.toml"),
    ):
        (home / "config.toml").write_text(text)
        done = call(home, "quota", "hw1")
        assert done.exit_code == 2, text
        assert word in done.stderr


def test_real_files_of_students_are_read_with_their_own_year_and_refused_with_the_other(tmp_path: Path) -> None:
    if not SHARED.is_dir():
        pytest.skip("the real student files of ../shared are not here")
    for year, other, count in (("2021", "2022", 12), ("2022", "2021", 8)):
        files = sorted((SHARED / f"hw01-{year}").glob("*.csv"))
        assert len(files) == count
        for file in files:
            assert call(tmp_path, "check", "hw1", str(file), "--edition", year).exit_code == 0
            refused = call(tmp_path, "check", "hw1", str(file), "--edition", other)
            assert refused.exit_code == 3
            assert f"test set of {year}" in refused.stderr


def test_a_competition_of_ones_own_goes_through_the_same_commands(tmp_path: Path) -> None:
    home, solution = tmp_path / "home", tmp_path / "solution.csv"
    solution.write_text(
        "id,price,Usage\n"
        + "".join(f"{n:03d},{n * 1.5},{('Public', 'Private', 'Ignored')[n % 3]}\n" for n in range(30))
    )
    assert call(home, "new", "hw16", "--solution", str(solution), "--metric", "rmse").exit_code == 0
    sample = home / "public" / "hw16" / "sample_submission.csv"
    assert call(home, "submit", "hw16", str(sample), "--as", "ada").exit_code == 0
    right = tmp_path / "right.csv"
    right.write_text("id,price\n" + "".join(f"{n:03d},{n * 1.5}\n" for n in range(30)))
    done = json.loads(call(home, "submit", "hw16", str(right), "--as", "bob", "--format", "json").stdout)
    assert done["scores"][0]["public"] == 0
    assert done["rank"] == 1
    assert "Usage" not in "".join(path.read_text() for path in (home / "public" / "hw16").iterdir())
    for words in (
        ["new", "hw1", "--solution", str(solution), "--metric", "rmse"],
        ["new", "mine", "--solution", str(solution), "--metric", "f9"],
        ["new", "../x", "--solution", str(solution), "--metric", "rmse"],
        ["new", "mine", "--solution", str(tmp_path / "none.csv"), "--metric", "rmse"],
    ):
        assert call(home, *words).exit_code == 2


@pytest.mark.parametrize("one", [("2022", 5), ("builtin-actions", 100)], ids=lambda one: one[0])
def test_an_edition_without_a_private_part_has_one_board(tmp_path: Path, one: tuple[str, int]) -> None:
    home = tmp_path / "home"
    edition, rows = one
    assert f"{rows} rows, all on the single public board" in call(home, "prepare", "hw12", "--edition", edition).stdout
    sample = home / "public" / "hw12" / "sample_submission.csv"
    done = call(home, "submit", "hw12", str(sample), "--as", "ada")
    assert done.exit_code == 0
    assert ("not comparable" in done.stderr) == (edition == "2022")
    for words in (
        ["leaderboard", "hw12", "--private", "--unrevealed"],
        ["reveal", "hw12", "--reason", "x", "--yes"],
    ):
        refused = call(home, *words)
        assert refused.exit_code == 2
        assert "has only a public board" in refused.stderr
    assert call(home, "leaderboard", "hw12").exit_code == 0


def test_auc_gets_both_classes_on_both_sides_and_hints_at_a_turned_sign(tmp_path: Path) -> None:
    home, solution, file = tmp_path / "home", tmp_path / "solution.csv", tmp_path / "turned.csv"
    solution.write_text("id,label\n" + "".join(f"{n},{int(n % 10 == 0)}\n" for n in range(40)))
    assert call(home, "new", "odd", "--solution", str(solution), "--metric", "auc").exit_code == 0
    file.write_text("id,label\n" + "".join(f"{n},{-0.5 * (n % 10 == 0)}\n" for n in range(40)))
    done = call(home, "submit", "odd", str(file), "--as", "ada")
    assert done.exit_code == 0
    assert "public AUC 0.00000" in done.stdout
    assert "flip the sign" in done.stderr
    body = json.loads(call(home, "submit", "odd", str(file), "--as", "ada", "--format", "json").stdout)
    assert ["flip the sign" in note for note in body["notes"]] == [True]
    listed = json.loads(call(home, "submissions", "odd", "--as", "ada", "--format", "json").stdout)
    assert listed["submissions"][0]["notes"] == body["notes"]
    rare = "".join(f"{n},{int(n < 2)}\n" for n in range(40))
    for rows, share in (
        ("".join(f"{n},{n}\n" for n in range(40)), "0.5"),
        ("".join(f"{n},1\n" for n in range(40)), "0.5"),
        (rare, "0.1"),
    ):
        solution.write_text("id,label\n" + rows)
        words = ["new", "odd2", "--solution", str(solution), "--metric", "auc", "--public-share", share]
        refused = call(home, *words)
        assert refused.exit_code == 2
        assert "auc" in refused.stderr
        assert not (home / "public" / "odd2").exists()
    assert call(home, *words[:-1], "0.5").exit_code == 0


def test_a_metric_file_with_kaggles_signature_scores_a_competition(tmp_path: Path) -> None:
    home, solution, metric = tmp_path / "home", tmp_path / "solution.csv", tmp_path / "metric.py"
    chance = random.Random(0)
    solution.write_text("id,label\n" + "".join(f"{n},{chance.randrange(4)}\n" for n in range(40)))
    metric.write_text(
        "import pandas as pd\n"
        "class ParticipantVisibleError(Exception):\n    pass\n"
        "def score(solution: pd.DataFrame, submission: pd.DataFrame, row_id_column_name: str) -> float:\n"
        "    if (submission['label'] < 0).any():\n"
        "        raise ParticipantVisibleError('labels must not be negative')\n"
        "    if (submission['label'] > 90).any():\n"
        "        raise ValueError(f'solution was {solution.label.tolist()}')\n"
        "    return float((solution['label'] == submission['label']).mean())\n"
    )
    words = ["new", "own", "--solution", str(solution), "--metric", str(metric)]
    assert call(home, *words).exit_code == 2  # no direction
    assert call(home, *words, "--higher-is-better").exit_code == 0
    for value, code, text in ((1, 0, "rank 1"), (-1, 3, "labels must not be negative"), (99, 10, "could not score")):
        file = tmp_path / f"{value}.csv"
        file.write_text("id,label\n" + "".join(f"{n},{value}\n" for n in range(40)))
        done = call(home, "submit", "own", str(file), "--as", "ada")
        assert done.exit_code == code
        assert text in done.stdout + done.stderr
        assert "solution was" not in done.stdout + done.stderr


def test_what_is_damaged_is_prepared_anew_as_the_message_says(home: Path) -> None:
    assert call(home, "submit", "hw1", str(sample(home)), "--as", "ada").exit_code == 0
    (home / "public" / "hw01" / "format.json").write_text("{")
    damaged = call(home, "quota", "hw1")
    assert "lhy-grade prepare hw01" in damaged.stderr
    again = call(home, "prepare", "hw01")
    assert (again.exit_code, "same data, version 1" in again.stdout) == (0, True)
    assert call(home, "quota", "hw1").exit_code == 0


def test_doctor_and_files_tell_the_state(home: Path) -> None:
    assert call(home, "doctor").exit_code == 0
    (home / "secret").chmod(0o755)
    assert call(home, "doctor").exit_code == 10
    assert call(home, "files", "hw1").exit_code == 0
    (home / "public" / "hw01" / "sheet.md").write_text("other")
    assert call(home, "files", "hw1").exit_code == 8


def test_the_same_course_on_postgresql_gives_the_same_board(home: Path, postgresql: Server) -> None:
    fill(home)
    url = postgresql.new_database()
    (home / "config.toml").write_text(f'database = "{url}"\n')
    fill(home)
    boards = []
    for config in (f'database = "{url}"\n', ""):
        (home / "config.toml").write_text(config)
        board = json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"]
        boards.append([{key: value for key, value in row.items() if key != "last"} for row in board])
        assert call(home, "audit", "verify").exit_code == 0
    assert boards[0] == boards[1]
    assert len(boards[0]) == 3
    postgresql.drop(url)
    (home / "config.toml").write_text(f'database = "{url}"\n')
    refused = call(home, "leaderboard", "hw1")
    assert refused.exit_code != 0
    assert "correct-horse" not in refused.stdout + refused.stderr
