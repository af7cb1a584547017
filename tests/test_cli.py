"""The command line as a person meets it: what is printed, where, and with which exit code."""

from __future__ import annotations

import csv
import json
import random
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import common
from harness.cli.main import cli
from harness.words import number
from tests.conftest import Server

SHARED = Path(__file__).parents[1].parent / "shared" / "data" / "submissions"


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Path:
    """A home of one's own with HW1 prepared."""
    shutil.copytree(course, tmp_path / "home")
    return tmp_path / "home"


def call(home: Path, *words: str, columns: int = 160, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words], env={"COLUMNS": str(columns)}, input=input)


def sample(home: Path) -> Path:
    return home / "public" / "hw01" / "sample_submission.csv"


def constant(home: Path, value: str, name: str) -> Path:
    """A valid file that predicts one value."""
    header, *rows = sample(home).read_text().splitlines()
    path = home / name
    path.write_text("\n".join([header, *(row.split(",")[0] + "," + value for row in rows)]) + "\n")
    return path


def fill(home: Path) -> None:
    for value, name in (("9.5", "ada"), ("12.25", "bob"), ("9.5", "eve")):
        done = call(home, "submit", "hw1", str(constant(home, value, f"{name}.csv")), "--as", name)
        assert done.exit_code == 0, done.stderr


def test_submit_prints_the_score_on_stdout_and_what_to_do_next_on_stderr(home: Path) -> None:
    done = call(home, "submit", "hw1", str(sample(home)), "--as", "ada", "-m", "zeros")
    assert done.exit_code == 0
    assert "public RMSE" in done.stdout
    assert "95 % interval" in done.stdout
    assert "rank 1 on the public board" in done.stdout
    assert "4 of 5 submissions left today" in done.stderr
    assert "receipt" in done.stderr


def test_submit_as_json_gives_exact_numbers_and_a_receipt_that_verifies_offline(home: Path, tmp_path: Path) -> None:
    done = call(home, "submit", "hw1", str(sample(home)), "--as", "ada", "--format", "json")
    body = json.loads(done.stdout)
    assert body["schema"] == 1
    assert isinstance(body["scores"][0]["public"], float)
    saved = tmp_path / "receipt.json"
    saved.write_text(json.dumps(body["receipt"]))
    other = tmp_path / "elsewhere"
    (other / "public").mkdir(parents=True)
    shutil.copy(home / "public" / "course.json", other / "public" / "course.json")
    assert call(other, "receipt", "--verify", str(saved)).exit_code == 0
    assert not (other / "leaderboard.db").exists()
    saved.write_text(json.dumps(body["receipt"] | {"participant": "bob"}))
    assert call(other, "receipt", "--verify", str(saved)).exit_code != 0


def test_submit_and_check_as_csv_give_one_row_with_exact_numbers(home: Path) -> None:
    done = call(home, "submit", "hw1", str(sample(home)), "--as", "ada", "--format", "csv")
    header, row = csv.reader(done.stdout.splitlines())
    values = dict(zip(header, row, strict=True))
    board = json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"]
    assert float(values["public"]) == board[0]["score"]
    assert [float(values["low"]), float(values["high"])] == board[0]["interval"]
    checked = call(home, "check", "hw1", str(sample(home)), "--format", "csv").stdout.splitlines()
    assert checked[0] == "valid,homework,edition,rows"


def test_the_same_bytes_again_are_the_same_submission_and_use_no_slot(home: Path) -> None:
    first = json.loads(call(home, "submit", "hw1", str(sample(home)), "--as", "ada", "--format", "json").stdout)
    second = json.loads(call(home, "submit", "hw1", str(sample(home)), "--as", "ada", "--format", "json").stdout)
    assert second["receipt"] == first["receipt"]
    assert second["again"]
    assert second["quota"]["used"] == 1


def test_the_same_bytes_again_tell_what_is_left_now_and_not_what_was_left_then(home: Path) -> None:
    for name in ("a", "b", "c", "a"):
        done = call(home, "submit", "hw1", str(constant(home, str(ord(name)), f"{name}.csv")), "--as", "ada")
        assert done.exit_code == 0
    assert "2 of 5 submissions left today" in done.stderr


@pytest.mark.parametrize("spelling", ["hw1", "hw01", "HW1", "1"])
def test_a_homework_has_several_spellings(home: Path, spelling: str) -> None:
    assert call(home, "check", spelling, str(sample(home))).stdout.startswith("valid: ")


def test_check_and_submit_give_the_same_verdict_byte_for_byte(home: Path) -> None:
    lines = sample(home).read_text().splitlines()
    damaged = {
        "nan": [*lines[:3], lines[3].split(",")[0] + ",NaN", *lines[4:]],
        "twice": [*lines[:3], lines[2], *lines[4:]],
        "short": lines[:-5],
        "header": ["Id,value", *lines[1:]],
        "empty": [],
    }
    for name, content in damaged.items():
        path = home / f"{name}.csv"
        path.write_text("\n".join(content))
        for format in ("table", "json"):
            checked = call(home, "check", "hw1", str(path), "--format", format)
            handed = call(home, "submit", "hw1", str(path), "--as", "ada", "--format", format)
            assert checked.exit_code == handed.exit_code == 3, name
            no_slot = "The file was refused; no slot was used.\n" if format == "table" else ""
            assert (checked.stdout, checked.stderr + no_slot) == (handed.stdout, handed.stderr)
    valid = call(home, "check", "hw1", str(sample(home))).stdout
    assert call(home, "submit", "hw1", str(sample(home)), "--as", "ada").stdout.startswith(valid)
    assert json.loads(call(home, "quota", "hw1", "--as", "ada", "--format", "json").stdout)["quota"][0]["used"] == 1


def test_check_needs_the_public_folder_alone(home: Path) -> None:
    shutil.rmtree(home / "secret")
    (home / "leaderboard.db").unlink()
    assert call(home, "check", "hw1", str(sample(home))).exit_code == 0
    refused = call(home, "submit", "hw1", str(sample(home)), "--as", "ada")
    assert refused.exit_code == 2
    assert "not in this home" in refused.stderr


def test_the_quota_is_enforced_and_the_next_slot_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [datetime(2027, 3, 1, 23, 59, 58, tzinfo=UTC)]
    monkeypatch.setattr(common, "clock", lambda: now[0])
    for n in range(5):
        assert call(home, "submit", "hw1", str(constant(home, str(n), f"{n}.csv")), "--as", "ada").exit_code == 0
    refused = call(home, "submit", "hw1", str(constant(home, "77", "77.csv")), "--as", "ada", "--format", "json")
    assert refused.exit_code == 4
    assert json.loads(refused.stdout)["error"]["code"] == "E_QUOTA"
    assert "2027-03-02T08:00:00+08:00" in json.loads(refused.stdout)["error"]["message"]
    now[0] += timedelta(seconds=1)
    assert call(home, "submit", "hw1", str(constant(home, "77", "77.csv")), "--as", "ada").exit_code == 4
    now[0] += timedelta(seconds=1)
    assert call(home, "submit", "hw1", str(constant(home, "77", "77.csv")), "--as", "ada").exit_code == 0


def test_after_the_last_second_of_the_deadline_a_file_is_practice_and_the_selection_is_locked(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config.toml").write_text('[hw01]\ndeadline = "2027-03-26T23:59:59+08:00"\nquota = 9\n')
    now = [datetime(2027, 3, 26, 15, 59, 59, tzinfo=UTC)]
    monkeypatch.setattr(common, "clock", lambda: now[0])
    assert call(home, "submit", "hw1", str(sample(home)), "--as", "ada").exit_code == 0
    board = json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"]
    now[0] += timedelta(seconds=1)
    late = call(home, "submit", "hw1", str(constant(home, "9", "late.csv")), "--as", "ada")
    assert late.exit_code == 0
    assert "late: scored for practice, not ranked" in late.stdout
    assert "rank " not in late.stdout, "it shows no rank"
    assert json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"] == board
    listed = json.loads(call(home, "submissions", "hw1", "--as", "ada", "--format", "json").stdout)["submissions"]
    assert [row["practice"] for row in listed] == [False, True]
    assert call(home, "select", "hw1", "1", "--as", "ada").exit_code == 5
    assert "2027-03-26T23:59:59+08:00" in call(home, "quota", "hw1", "--as", "ada", "--format", "json").stdout


def test_equal_scores_rank_by_arrival_and_the_order_is_that_of_exact_scores(home: Path) -> None:
    fill(home)
    board = json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)
    rows = board["board"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [row["score"] for row in rows] == sorted(row["score"] for row in rows)
    names = [row["name"] for row in rows]
    assert names.index("ada") < names.index("eve")
    assert all(row["interval"][0] < row["score"] < row["interval"][1] for row in rows)


def test_the_board_marks_ones_own_row_and_shows_the_bars_between_the_participants(home: Path) -> None:
    fill(home)
    shown = call(home, "leaderboard", "hw1", "--as", "bob").stdout
    assert "→ bob" in shown
    assert "→ ada" not in shown
    assert "simple bar" in shown
    assert shown.index("boss bar") < shown.index("ada")


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_the_board_fits_the_terminal_and_keeps_rank_name_and_score(home: Path, columns: int) -> None:
    fill(home)
    shown = call(home, "leaderboard", "hw1", "--as", "ada", columns=columns).stdout
    assert max(len(line.rstrip()) for line in shown.splitlines()[1:]) <= columns
    score = json.loads(call(home, "leaderboard", "hw1", "--format", "json").stdout)["board"][0]["score"]
    assert number(5)(score) in shown
    assert "ada" in shown


def test_names_and_messages_from_outside_are_inert_everywhere(home: Path) -> None:
    name = "=[red]cmd|' /C calc'!A0\u2066[/red]"
    assert call(home, "submit", "hw1", str(sample(home)), "--as", name).exit_code == 2  # not printable
    name = "=[red]1+1[/red]"
    file = home / "\x1b[31mfile.csv"
    shutil.copy(sample(home), file)
    assert call(home, "submit", "hw1", str(file), "--as", name, "-m", "\x1b]0;title\x07[bold]").exit_code == 0
    for words in (["leaderboard", "hw1"], ["submissions", "hw1", "--as", name]):
        for format in ("table", "json", "csv"):
            shown = call(home, *words, "--format", format)
            assert shown.exit_code == 0
            assert not any(ord(c) < 32 and c != "\n" for c in shown.stdout)
    assert "[red]1+1[/red]" in call(home, "leaderboard", "hw1").stdout
    assert "'=[red]" in call(home, "leaderboard", "hw1", "--format", "csv").stdout


def test_the_private_board_waits_for_the_reveal_and_an_early_look_is_logged(home: Path) -> None:
    fill(home)
    refused = call(home, "leaderboard", "hw1", "--private")
    assert refused.exit_code == 6
    assert "private" not in call(home, "submissions", "hw1", "--as", "ada").stdout
    assert "not revealed" in refused.stderr
    early = call(home, "leaderboard", "hw1", "--private", "--unrevealed", "--format", "json")
    assert early.exit_code == 0
    from harness.home import open_home
    from leaderboard import events

    with open_home(home).database() as database:
        assert "private board seen" in [event.kind for event in events.events(database)]
    assert call(home, "reveal", "hw1", "--reason", "end of term", input="n\n").exit_code == 1
    assert call(home, "leaderboard", "hw1", "--private").exit_code == 6
    assert call(home, "reveal", "hw1", "--reason", "end of term", "--yes").exit_code == 0
    shown = json.loads(call(home, "leaderboard", "hw1", "--private", "--format", "json").stdout)
    assert shown["side"] == "private"
    assert {row["name"] for row in shown["board"]} == {"ada", "bob", "eve"}
    own = call(home, "submissions", "hw1", "--as", "ada")
    assert "private score" in own.stdout
    number = json.loads(call(home, "submissions", "hw1", "--as", "ada", "--format", "json").stdout)["submissions"][0][
        "id"
    ]
    assert "private RMSE" in call(home, "status", str(number)).stdout
    late = call(home, "submit", "hw1", str(constant(home, "3", "late.csv")), "--as", "ada")
    assert late.exit_code == 0
    assert "practice" in late.stdout
    assert json.loads(call(home, "leaderboard", "hw1", "--private", "--format", "json").stdout) == shown


def test_selected_submissions_count_on_the_private_board(home: Path) -> None:
    for value in ("9.5", "50", "100"):
        call(home, "submit", "hw1", str(constant(home, value, f"{value}.csv")), "--as", "ada")
    ids = {row["file"]: row["id"] for row in json.loads(
        call(home, "submissions", "hw1", "--as", "ada", "--format", "json").stdout)["submissions"]}  # fmt: skip
    assert call(home, "select", "hw1", str(ids["50.csv"]), str(ids["100.csv"]), "--as", "ada").exit_code == 0
    assert call(home, "select", "hw1", *(str(i) for i in ids.values()), "--as", "ada").exit_code != 0
    assert call(home, "select", "hw1", str(ids["50.csv"]), "--as", "bob").exit_code != 0
    board = call(home, "leaderboard", "hw1", "--private", "--unrevealed", "--format", "json")
    assert json.loads(board.stdout)["board"][0]["submission"] == ids["50.csv"]


def test_the_preview_says_what_would_count_and_why(home: Path) -> None:
    for value in ("9.5", "50", "100"):
        call(home, "submit", "hw1", str(constant(home, value, f"{value}.csv")), "--as", "ada")
    preview = call(home, "select", "hw1", "--preview", "--as", "ada")
    assert preview.exit_code == 0
    assert "9.5.csv" in preview.stdout
    assert "100.csv" not in preview.stdout
    assert "2 with the best public scores count" in preview.stderr
    assert call(home, "select", "hw1", "3", "--as", "ada").exit_code == 0
    preview = call(home, "select", "hw1", "--preview", "--as", "ada", "--format", "json")
    assert [row["id"] for row in json.loads(preview.stdout)["counts"]] == [3]
    for words in ([], ["1", "--preview"]):
        assert call(home, "select", "hw1", *words, "--as", "ada").exit_code == 2


def test_status_shows_a_score_or_what_was_wrong_with_a_file(home: Path) -> None:
    assert call(home, "submit", "hw1", str(sample(home)), "--as", "ada").exit_code == 0
    bad = call(home, "submit", "hw1", str(constant(home, "nan", "bad.csv")), "--as", "ada")
    assert "rank 1" in call(home, "status", "1").stdout
    refused = call(home, "status", "2")
    assert "refused" in refused.stdout
    assert refused.stderr + "The file was refused; no slot was used.\n" == bad.stderr
    assert len(refused.stderr.splitlines()) > 1
    assert call(home, "status", "3").exit_code == 2
    there = call(home, "files", "hw1", "--download")
    assert there.exit_code == 2
    assert str(home / "public" / "hw01") in there.stderr


def test_a_file_that_is_no_file_is_refused_kindly(home: Path) -> None:
    for path in (home, home / "nothing.csv"):
        for command in ("check", "submit"):
            done = call(home, command, "hw1", str(path))
            assert done.exit_code in (2, 3)
            assert "Traceback" not in done.stderr
            assert str(path.name) in done.stderr


def test_an_unknown_homework_is_told_with_the_way_out(home: Path) -> None:
    done = call(home, "submit", "hw99", str(sample(home)))
    assert done.exit_code == 2
    assert "lhy-grade tasks" in done.stderr
    assert call(home, "leaderboard", "../../etc").exit_code == 2


def test_a_mistake_of_ours_shows_its_place_but_no_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("secret 12.345")

    monkeypatch.setattr("harness.grading.accept.grade", broken)
    done = call(home, "submit", "hw1", str(sample(home)), "--as", "ada")
    assert done.exit_code == 10
    assert "12.345" not in done.stdout + done.stderr
    assert "ValueError" in done.stderr
    monkeypatch.undo()
    assert "submission 1 graded" in call(home, "grade", "--pending").stdout


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
    solution.write_text("id,price,Usage\n" + "".join(
        f"{n:03d},{n * 1.5},{('Public', 'Private', 'Ignored')[n % 3]}\n" for n in range(30)))  # fmt: skip
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
        ["new", "mine", "--solution", str(solution), "--metric", "f1"],
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


def test_a_worse_file_names_the_best_one_and_the_quota_after_the_reveal_is_one_of_practice(
    home: Path, tmp_path: Path
) -> None:
    header, *rows = sample(home).read_text().splitlines()
    for value in (60, 80):  # far above the answers: the farther, the worse
        lines = [f"{row.split(',')[0]},{value}" for row in rows]
        (tmp_path / f"{value}.csv").write_text("\n".join([header, *lines]) + "\n")
    best = json.loads(call(home, "submit", "hw1", str(tmp_path / "60.csv"), "--as", "ada", "--format", "json").stdout)
    assert (best["rank"], best["improved"], best["best"]["submission"]) == (1, True, 1)
    worse = call(home, "submit", "hw1", str(tmp_path / "80.csv"), "--as", "ada")
    assert (
        f"not an improvement: your best is still submission 1 ({number(5)(best['scores'][0]['public'])}, rank 1)"
        in (worse.stdout)
    )
    again = json.loads(call(home, "status", "2", "--format", "json").stdout)
    assert (again["rank"], again["improved"], again["best"]["rank"]) == (None, False, 1)
    assert "practice" not in (before := call(home, "quota", "hw1", "--as", "ada")).stdout + before.stderr
    assert call(home, "reveal", "hw1", "--yes", "--reason", "the end").exit_code == 0
    after = call(home, "quota", "hw1", "--as", "ada")
    assert "practice today" in after.stdout
    assert "hw01 is over (revealed " in after.stderr
    assert "what you submit now is scored for practice" in after.stderr
