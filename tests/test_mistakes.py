"""What a person is told who mistypes, is about to do harm, or closes the output."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import common, demo
from harness.cli.main import cli
from harness.home import open_home
from leaderboard import events, records, results
from tasks.base import UserError

ROOT = Path(__file__).parents[1]
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of one's own with HW1 prepared."""
    monkeypatch.setattr(common, "clock", lambda: NOW)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(course, tmp_path / "home")
    return tmp_path / "home"


def call(home: Path, *words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["--home", str(home), *words], env={"COLUMNS": "160"}, input=input)


def sample(home: Path) -> Path:
    return home / "public" / "hw01" / "sample_submission.csv"


def kinds(home: Path) -> list[str]:
    with open_home(home).database() as database:
        return [event.kind for event in events.events(database)]


# Names.


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("sumbit hw1 x.csv", "submit"),
        ("leaderbord", "leaderboard"),
        ("Submit", "submit"),
        ("roster improt", "import"),
        ("audit verfy", "verify"),
    ],
)
def test_a_mistyped_command_is_answered_with_the_one_that_was_meant(home: Path, typed: str, meant: str) -> None:
    done = call(home, *typed.split())
    assert done.exit_code == 2
    assert f"Did you mean {meant}" in done.stderr


def test_a_command_like_no_other_is_answered_with_where_the_list_is(home: Path) -> None:
    done = call(home, "xyzzy")
    assert (done.exit_code, "--help" in done.stderr, "Did you mean" in done.stderr) == (2, True, False)


NAMING = (
    "tasks {}", "prepare {}", "check {} x.csv", "check {} x.csv --edition 2021", "submit {} x.csv", "quota {}",
    "train {} --level simple", "leaderboard {}", "files {}", "submissions {}", "select {} 1",
    "reveal {} --reason x --yes", "extend {} --all --hours 1 --reason x --yes", "rules {}",
)  # fmt: skip


@pytest.mark.parametrize("command", NAMING)
def test_a_homework_that_is_only_not_prepared_is_answered_with_the_command_that_prepares_it(
    home: Path, command: str
) -> None:
    if command.startswith("prepare") or "--edition" in command:
        return
    done = call(home, *command.format("hw3").split())
    assert done.exit_code == 2
    assert "lhy-grade prepare hw03" in done.stderr


@pytest.mark.parametrize(("typed", "meant"), [("regresion", "hw01"), ("hw_1", "hw01"), ("mine", "minee")])
def test_a_mistyped_competition_is_answered_with_the_nearest_one(home: Path, typed: str, meant: str) -> None:
    solution = home.parent / "solution.csv"
    solution.write_text("id,y\n" + "".join(f"{n},{n * 7 % 5}\n" for n in range(20)))
    assert call(home, "new", "minee", "--solution", str(solution), "--metric", "rmse").exit_code == 0
    done = call(home, "quota", typed)
    assert (done.exit_code, f"Did you mean {meant}?" in done.stderr) == (2, True)


def test_the_points_of_a_competition_that_does_not_exist_are_an_error(home: Path) -> None:
    refused = call(home, "gradebook", "hw99")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "there is no competition hw99 here." in refused.stderr
    assert call(home, "gradebook", "hw1").exit_code == 0


def test_a_message_names_a_competition_as_people_do(home: Path) -> None:
    call(home, "submit", "hw1", str(sample(home)), "--as", "ada")
    refused = call(home, "select", "hw1", "77", "--as", "ada")
    assert "77: not a valid submission of ada in hw01." in refused.stderr
    call(home, "reveal", "hw1", "--reason", "the end", "--yes")
    for words in (["select", "hw1", "1", "--as", "ada"], ["extend", "hw1", "--all", "--hours", "2", "--reason", "x"]):
        refused = call(home, *words)
        assert refused.exit_code != 0
        assert "hw01/1" not in refused.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("127.0.0.1:8600", "http://127.0.0.1:8600"),
        ("localhost:8600/ml", "http://localhost:8600/ml"),
        ("ml.example.org", "https://ml.example.org"),
        ("ftp://ml.example.org", ""),
        ("not a host", ""),
    ],
)
def test_an_address_without_its_scheme_is_answered_with_the_whole_one(home: Path, typed: str, meant: str) -> None:
    refused = call(home, "login", typed, input="token\n")
    assert refused.exit_code == 2
    assert "is not a valid server address" in refused.stderr
    assert refused.stderr.strip().endswith(f"Did you mean {meant}?" if meant else "https://HOST/PATH.")


def test_a_competition_of_ones_own_may_have_a_number_that_no_homework_has(home: Path) -> None:
    solution = home.parent / "solution.csv"
    solution.write_text("id,y\n" + "".join(f"{n},{n * 7 % 5}\n" for n in range(20)))
    assert call(home, "new", "hw16", "--solution", str(solution), "--metric", "rmse").exit_code == 0
    assert call(home, "leaderboard", "hw16").exit_code == 0


@pytest.mark.parametrize("command", ["submit", "check"])
@pytest.mark.parametrize("name", ["preds.csv", "my preds.csv", "preds"])
def test_swapped_arguments_are_answered_with_the_right_order(home: Path, command: str, name: str) -> None:
    shutil.copy(sample(home), home.parent / name)
    done = call(home, command, name, "hw1")
    assert done.exit_code == 2
    shown = f"'{name}'" if " " in name else name
    assert f"Did you mean: lhy-grade {command} hw1 {shown}" in done.stderr


def test_a_file_with_the_name_of_a_homework_can_be_handed_in(home: Path) -> None:
    shutil.copy(sample(home), home.parent / "hw1")
    shutil.copy(sample(home), home.parent / "hw01")
    assert call(home, "check", "hw1", "hw1").exit_code == 0
    assert call(home, "submit", "hw1", "hw01", "--as", "ada").exit_code == 0


# Refusals and questions.


def test_a_refusal_says_that_no_slot_was_used_and_none_was(home: Path) -> None:
    (home.parent / "bad.csv").write_text("id,y\n1,2\n")
    done = call(home, "submit", "hw1", "bad.csv", "--as", "ada")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1] == "The file was refused; no slot was used."
    quota = json.loads(call(home, "quota", "hw1", "--as", "ada", "--format", "json").stdout)["quota"][0]
    assert (quota["used"], quota["refused"]) == (0, 1)
    body = json.loads(call(home, "submit", "hw1", "bad.csv", "--as", "ada", "--format", "json").stdout)
    assert body["error"]["details"]


def test_a_reveal_long_before_the_deadline_says_how_long_and_asks(home: Path) -> None:
    (home / "config.toml").write_text('[hw01]\ndeadline = "2027-03-13T15:30:00+00:00"\n')
    assert call(home, "submit", "hw1", str(sample(home)), "--as", "ada").exit_code == 0
    asked = call(home, "reveal", "hw1", "--reason", "end", input="n\n")
    assert asked.exit_code == 1
    assert "12 days 3 hours" in asked.stderr
    assert "12 days 3 hours before the deadline?" in asked.stderr
    alone = call(home, "reveal", "hw1", "--reason", "end", input="")
    assert (alone.exit_code, "--yes" in alone.stderr) == (1, True)
    assert "revealed" not in kinds(home)
    done = call(home, "reveal", "hw1", "--reason", "end", "--yes")
    assert done.exit_code == 0
    assert "12 days 3 hours" in done.stderr, "--yes skips the question alone"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("quota=0", "nobody can submit"),
        ("quota=00", "nobody can submit"),
        ("deadline=2027-03-01T10:30:00+00:00", "passed 1 hour 29 minutes ago"),
        ("deadline=2027-02-01T10:30:00+08:00", "passed 28 days 9 hours ago"),
    ],
)
def test_rules_that_stop_everything_at_once_say_so_and_ask(home: Path, change: str, words: str) -> None:
    before = call(home, "rules", "hw1").stdout
    asked = call(home, "rules", "hw1", change, "--reason", "x", input="n\n")
    assert (asked.exit_code, words in asked.stderr) == (1, True), asked.stderr
    alone = call(home, "rules", "hw1", change, "--reason", "x", input="")
    assert (alone.exit_code, words in alone.stderr, "--yes" in alone.stderr) == (1, True, True)
    assert call(home, "rules", "hw1").stdout == before
    assert "rules changed" not in kinds(home)
    done = call(home, "rules", "hw1", change, "--reason", "x", "--yes")
    assert (done.exit_code, words in done.stderr) == (0, True)


def test_harmless_rules_say_nothing_of_the_kind(home: Path) -> None:
    for change in ("quota=3", "deadline=2027-03-01T12:00+00:00", "deadline="):
        done = call(home, "rules", "hw1", change, "--reason", "x", "--yes")
        assert (done.exit_code, done.stderr) == (0, ""), done.output


def test_a_rule_without_a_value_is_not_taken_for_its_removal(home: Path) -> None:
    assert call(home, "rules", "hw1", "quota=3", "--reason", "x", "--yes").exit_code == 0
    done = call(home, "rules", "hw1", "quota", "--reason", "x", "--yes")
    assert (done.exit_code, "RULE=VALUE" in done.stderr) == (2, True)
    assert "quota,3\n" in call(home, "rules", "hw1", "--format", "csv").stdout


def test_a_rule_that_does_not_exist_is_refused_before_anything_is_asked(home: Path) -> None:
    done = call(home, "rules", "hw1", "qouta=3", "--reason", "x", input="y\n")
    assert (done.exit_code, "[y/N]" in done.stderr, "quota, quota_zone" in done.stderr) == (2, False, True)


# A reader that is gone.


def run_unread(*words: str, cwd: Path, closed: str = "stdout", **env: str) -> tuple[int, str]:
    """The exit code of the command line with a pipe whose reader is gone, and what the other stream got."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", *words]
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", **env},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=writing if closed == "stdout" else subprocess.PIPE,
            stderr=writing if closed == "stderr" else subprocess.PIPE,
        )
    finally:
        os.close(writing)
    return done.returncode, ((done.stderr if closed == "stdout" else done.stdout) or b"").decode()


READING = ("--help", "tasks", "tasks hw1", "files hw1", "leaderboard hw1", "leaderboard --format json", "doctor",
           "submissions", "submissions --format csv", "rules hw1", "quota hw1", "status 1", "receipt 1", "gradebook",
           "audit verify", "roster list --format json", "submit --help", "check hw1 {sample}")  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes of Windows have no signal")
@pytest.mark.parametrize("words", READING)
def test_a_command_whose_output_nobody_reads_ends_quietly(home: Path, words: str) -> None:
    assert call(home, "submit", "hw1", str(sample(home))).exit_code == 0
    given = ["--home", str(home), *words.format(sample=sample(home)).split()]
    code, said = run_unread(*given, cwd=home.parent)
    assert code == 141, said
    assert "internal" not in said
    assert "Traceback" not in said
    assert "Broken" not in said
    assert run_unread(*given, cwd=home.parent, PYTHONUNBUFFERED="1")[0] == 141


@pytest.mark.skipif(os.name != "posix", reason="pipes of Windows have no signal")
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.parametrize("format", ["table", "json"])
def test_what_was_accepted_is_kept_where_nobody_reads_the_answer(home: Path, closed: str, format: str) -> None:
    words = ("--home", str(home), "submit", "hw1", str(sample(home)), "--as", "ada", "--format", format)
    code, said = run_unread(*words, cwd=home.parent, closed=closed)
    assert code == (0 if (closed, format) == ("stderr", "json") else 141)
    assert "internal" not in said
    with open_home(home).database() as database:
        assert [entry.participant for entry in records.submissions(database)] == ["ada"]
        assert len(list(results.grade_rows(database))) == 1
    assert call(home, "audit", "verify").exit_code == 0


def test_another_broken_pipe_is_a_mistake_of_ours_as_before(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "a child is gone")

    monkeypatch.setattr("harness.grading.accept.grade", broken)
    done = call(home, "submit", "hw1", str(sample(home)), "--as", "ada")
    assert done.exit_code == 10
    assert "BrokenPipeError" in done.stderr


# The demo.


def test_the_demo_uses_the_home_that_is_named_and_keeps_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Path] = []
    monkeypatch.setattr(demo, "_show", lambda folder, seed: used.append(folder))
    done = call(tmp_path / "a new one", "demo")
    assert done.exit_code == 0
    assert used == [tmp_path / "a new one"]
    assert f"--home '{tmp_path}/a new one'" in done.stderr
    refused = call(home, "demo")
    assert (refused.exit_code, len(used)) == (8, 1), "a course in use is left alone"


def test_the_demo_leaves_nothing_behind_and_never_takes_the_course_of_the_environment(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Path] = []

    def show(folder: Path, seed: int | None) -> None:
        (folder / "public").mkdir(parents=True)
        used.append(folder)
        if seed == 13:
            raise UserError("a step failed.")

    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("LHY_GRADE_HOME", str(home))
    monkeypatch.setattr(demo, "_show", show)
    for words, code in ((["demo"], 0), (["demo", "--seed", "13"], 2)):
        assert CliRunner().invoke(cli, words).exit_code == code
        assert used[-1].is_relative_to(tmp_path / "temporary")
        assert list((tmp_path / "temporary").iterdir()) == []
