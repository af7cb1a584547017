"""The command line as a person meets it: what is printed, where, and with which exit code."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.cli import common
from harness.words import number
from tests import command_line
from tests.command_line import call, constant, fill, sample

home = command_line.home


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
    ids = {
        row["file"]: row["id"]
        for row in json.loads(call(home, "submissions", "hw1", "--as", "ada", "--format", "json").stdout)["submissions"]
    }
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
