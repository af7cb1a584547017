"""Small competitions of HW12, and the columns of flights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from submissions.reader import read
from tasks.base import Columns, Edition, Made
from tasks.formats import EpisodesFormat
from tasks.hw12_reinforcement import EPISODES_FILE, TASK
from tasks.hw12_reinforcement.world import to_csv
from tasks.streams import fixed


def columns(episodes: Sequence[Sequence[int]], form: EpisodesFormat) -> Columns:
    return read(to_csv(episodes), form)


def make(
    folder: Path, edition: str = "builtin-actions", seed: int = 0, size: str = "small"
) -> tuple[Made, EpisodesFormat]:
    folder.mkdir(parents=True, exist_ok=True)
    chosen: Edition = TASK.edition(edition)
    made = chosen.make(folder, fixed(seed), size, None)
    form = made.form
    assert isinstance(form, EpisodesFormat)
    return made, form


def small_public(folder: Path, seeds: Sequence[int]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["episode,seed", *(f"{episode},{seed}" for episode, seed in enumerate(seeds))]
    (folder / EPISODES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
