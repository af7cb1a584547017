"""The notebook's submit, and what `train` shows: what is returned and raised shows itself."""

from __future__ import annotations

import io
import json
import shutil
import traceback
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from harness import notebook
from harness.cli import common, training
from tests.class_server import constant


@pytest.fixture
def home(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that the environment names, of one who is called ada."""
    shutil.copytree(course, tmp_path / "home")
    (tmp_path / "home" / "config.toml").write_text('name = "ada"\n')
    monkeypatch.setenv("LHY_GRADE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(common, "clock", lambda: datetime(2027, 3, 1, 12, tzinfo=UTC))
    return tmp_path / "home"


def table(home: Path, value: object) -> Path:
    from harness.home import open_home

    return constant(open_home(home), home, value)


def test_a_result_shows_score_rank_and_slots_and_has_them_as_values(home: Path) -> None:
    done = notebook.submit(table(home, 9.5), "hw1")
    assert (done.submission, done.rank, done.left) == (1, 1, 4)
    assert done.score == done["scores"][0]["public"]
    for shown in (repr(done), done._repr_html_()):
        assert "public RMSE" in shown
        assert "95 % interval" in shown
        assert "rank 1 on the public board" in shown
        assert "4 of 5 submissions left today" in shown
    assert notebook.submit(table(home, 9.5), "hw1").left == 4
    assert "no slot was used" in repr(notebook.submit(table(home, 9.5), "hw1"))
    worse = notebook.submit(table(home, 80), "hw1")
    assert worse.rank is None
    assert "not an improvement" in repr(worse)


def test_text_from_outside_does_nothing_in_a_result(home: Path) -> None:
    (home / "config.toml").write_text("name = '<img src=x onerror=alert(1)>'\n")
    done = notebook.submit(table(home, 9.5), "hw1")
    assert "<img" not in done._repr_html_()
    assert "&lt;img" in done._repr_html_()
    seen = replace(done.done.submission, notes=["\x1b[31m<script>"])
    evil = notebook.Result(replace(done.done, submission=seen))
    assert "<script>" not in evil._repr_html_()
    assert "\x1b" not in repr(evil) + evil._repr_html_()


@pytest.mark.parametrize(
    ("homework", "value", "code", "words"),
    [
        ("hw1", "nan", "E_NUMBER", "no slot was used"),
        ("hw16", 1, "E_NOT_FOUND", "there is no competition hw16"),
        ("../x", 1, "E_USAGE", "not a valid competition name"),
    ],
)
def test_what_is_wrong_is_one_exception_without_the_inside_of_the_grader(
    home: Path, homework: str, value: object, code: str, words: str
) -> None:
    with pytest.raises(notebook.GraderError) as caught:
        notebook.submit(table(home, value), homework)
    error = caught.value
    assert error.code == code
    assert words in str(error)
    assert error.__context__ is None
    assert error.__cause__ is None
    files = {Path(frame.filename).name for frame in traceback.extract_tb(error.__traceback__)}
    assert files == {"test_notebook.py", "notebook.py"}
    assert words in "\n".join(error._render_traceback_())
    assert "Traceback" not in "".join(error._render_traceback_())


def test_quota_a_file_that_is_not_there_and_a_mistake_of_ours_are_the_same_exception(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(5):
        notebook.submit(table(home, n), "hw1")
    with pytest.raises(notebook.GraderError) as caught:
        notebook.submit(table(home, 99), "hw1")
    assert caught.value.code == "E_QUOTA"
    with pytest.raises(notebook.GraderError) as caught:
        notebook.submit(home / "nothing.csv", "hw1")
    assert "nothing.csv" in str(caught.value)

    def broken(*_: object, **__: object) -> None:
        raise ValueError("secret 12.345")

    monkeypatch.setattr("harness.course.handing_in.submit", broken)
    with pytest.raises(notebook.GraderError) as caught:
        notebook.submit(table(home, 98), "hw1")
    assert caught.value.code == "E_INTERNAL"
    assert "12.345" not in "".join(traceback.format_exception(caught.value))


# Training.

VALUES = {
    "best_valid_error_of_all_the_networks": 123456.789, "discriminator_loss_of_the_first_network": 1.2345e-10,
    "valid_accuracy": 0.123456, "train_loss": 0.5,
}  # fmt: skip


@pytest.mark.parametrize("title", ["hw01 simple", "hw12 medium"])
@pytest.mark.parametrize("total", [1, 20_000])
@pytest.mark.parametrize("columns", [80, 100])
def test_the_progress_of_a_training_is_one_line_of_the_terminal(title: str, total: int, columns: int) -> None:
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None, legacy_windows=False)
    bar = training.training_bar(console)
    note = training.note_of(VALUES, columns - len(title) - 2 * len(str(total)) - training.BAR - 14)
    bar.add_task(title, total=total, completed=total // 2, note=note)
    lines = console.render_lines(bar.get_renderable(), pad=False)
    texts = ["".join(segment.text for segment in line) for line in lines]
    assert len(texts) == 1
    assert len(texts[0].rstrip()) <= columns
    assert f"{total // 2}/{total}" in texts[0]
    assert title in texts[0]
    assert "…" not in texts[0]
    assert ("valid_accuracy 0.1235" if columns == 80 else "best_valid_error") in texts[0]


def test_a_training_ends_with_its_validation_score_and_the_place_of_its_curves(tmp_path: Path) -> None:
    rows = [{"epoch": n, "train_loss": 1 / n, "valid_accuracy": n / 10} for n in (1, 2, 3)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert training.trained(tmp_path) == ["after 3 epochs: valid accuracy 0.3"]
    (tmp_path / "curves.png").write_bytes(b"x")
    assert training.trained(tmp_path)[1] == f"learning curves: {tmp_path / 'curves.png'}"
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 2, "return": -12.5}\n')
    assert training.trained(tmp_path)[0] == "after 2 epochs: return -12.5"
    (tmp_path / "metrics.jsonl").write_text("")
    assert len(training.trained(tmp_path)) == 1
