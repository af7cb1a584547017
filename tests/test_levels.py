"""Every level of every homework on its built-in data: what it writes, what it logs, and where it stops and resumes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baselines.common import train_level
from harness.answers import find_judge
from harness.competition import find_competition
from harness.grading.scoring import check
from harness.home import Home
from submissions.reader import read
from tasks.tensor_formats import ModelFormat
from tests.conftest import SHORT
from tests.test_homeworks import BUILTIN, CASES, LEVELS

ONLY = {
    ("hw03", "pseudo_labels"): ("strong", "boss"), ("hw03-2022", "pseudo_labels"): (), ("hw08", "image_loss"): ("boss",)
}  # fmt: skip
"""What is logged above 0 by these levels alone, by edition."""
PICTURES = {
    "hw11": {"curves.png", "features.png"},
    "hw12": {"curves.png", "flights.png"},
    "hw13": {"curves.png", "pruning.png"},
}


class Training:
    """A level that is trained on a built-in edition of few rows, with the calls of its progress."""

    def __init__(self, home: Home, world: str, level: str) -> None:
        self.name, self.level = world[:4], level
        self.competition = find_competition(home, self.name)
        self.public = home.public(self.name)
        self.seen: list[tuple[int, int]] = []
        self.short = SHORT[self.name]

    def run(self, folder: Path, seed: int = 1, stop_at: int | None = None) -> Path:
        def progress(done: int, total: int, metrics: object) -> None:
            self.seen.append((done, total))
            if len(self.seen) == stop_at:
                raise InterruptedError

        self.seen.clear()
        return train_level(
            self.name, self.level, self.public, folder, seed=seed, device="cpu", overrides=self.short, progress=progress
        )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "world", [pytest.param(world, marks=pytest.mark.slow) if "-" in world else world for world in BUILTIN]
)
def test_every_level_writes_a_file_that_is_taken_and_a_log_of_its_epochs(
    world: str, level: str, homes: Callable[[str], Home], tmp_path: Path
) -> None:
    training = Training(homes(world), world, level)
    path = training.run(tmp_path)
    competition, form = training.competition, training.competition.format
    assert path == tmp_path / f"submission{form.suffix}"
    check(path, form, find_judge(competition), training.public)
    (values, *_) = read(path.read_bytes(), form).values()
    rows = {value.tobytes() if isinstance(value, np.ndarray) else value for value in values}
    assert isinstance(form, ModelFormat) or len(rows) >= CASES[training.name].different
    log = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert training.seen[-len(log) :] == [(row["epoch"], len(log)) for row in log]
    assert [row["epoch"] for row in log] == list(range(1, len(log) + 1))
    assert len(log) % 2 == 0
    assert log or (training.name, level) == ("hw08", "strong")  # which is fitted at once
    assert all(np.isfinite(list(row.values())).all() for row in log)
    for (where, key), levels in ONLY.items():
        assert where != world or (bool(log) and log[-1].get(key, 0) > 0) == (level in levels)
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}
    assert set(drawn) == PICTURES.get(training.name, {"curves.png"})
    assert all(data.startswith(b"\x89PNG") for data in drawn.values())
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["level"] == level


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "world", ["hw01", *(pytest.param(world, marks=pytest.mark.slow) for world in BUILTIN if world[:4] != "hw01")]
)
def test_a_run_stopped_after_any_epoch_ends_with_the_same_bytes_and_another_seed_with_others(
    world: str, level: str, homes: Callable[[str], Home], tmp_path: Path
) -> None:
    training = Training(homes(world), world, level)
    whole = training.run(tmp_path / "whole")
    every = [*training.seen]
    for at in range(1, len(every)):
        run = tmp_path / str(at)
        with pytest.raises(InterruptedError):
            training.run(run, stop_at=at)
        assert not (run / whole.name).exists()
        training.run(run)
        assert training.seen == every[at:]
        for path in whole.parent.iterdir():
            assert path.is_dir() or (run / path.name).read_bytes() == path.read_bytes(), path
    other = training.run(tmp_path / "other", seed=2)
    logs = [(path.parent / "metrics.jsonl").read_bytes() for path in (whole, other)]
    assert logs[0] != logs[1] or not every
