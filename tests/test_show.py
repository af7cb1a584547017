"""The picture of the data: from a student's folder alone, beside it, and small."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from harness import show
from harness.cli import cli
from harness.prepare import damaged_files
from tasks.base import UserError
from tasks.homeworks import all_tasks

DOCS = Path(__file__).parents[1] / "docs" / "homeworks"


def pictures(folder: Path, names: list[str]) -> None:
    rng = np.random.default_rng(1)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)


def dishes(folder: Path) -> None:
    pictures(folder, [f"food-11/training/labeled/{label:02d}/{label}_{n}.jpg" for label in range(11) for n in range(4)])


def dishes_2022(folder: Path) -> None:
    pictures(folder, [f"food11/training/{label}_{number}.jpg" for label in range(11) for number in range(4)])


def talks(folder: Path) -> None:
    for name in ("ted2020/raw.en", "ted2020/raw.zh", "test/test.en"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("$cost_{x} %\n" * 500, encoding="utf-8")


def strangers(folder: Path) -> None:
    (folder / "data").mkdir()
    for name in ("trainingset.npy", "testingset.npy"):
        np.save(folder / "data" / name, np.zeros((40, 64, 64, 3), dtype=np.uint8))


MADE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "HW3": ("hw03", dishes),
    "HW3 of 2022": ("hw03", dishes_2022),
    "HW5": ("hw05", talks),
    "HW6": ("hw06", lambda folder: pictures(folder, [f"faces/{number}.jpg" for number in range(50)])),
    "HW8": ("hw08", strangers),
    "HW12": ("hw12", lambda folder: (folder / "episodes.csv").write_text("episode,seed\n0,5\n1,6\n")),
}


@pytest.mark.parametrize("name", MADE)
def test_a_picture_stands_beside_the_data(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homework, make = MADE[name]
    monkeypatch.setattr(show, "FONTS", ("DejaVu Sans",))  # which every machine with matplotlib has
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"name": homework}))
    make(folder)
    path = show.show(folder)
    assert path == tmp_path / "mine.png"
    with Image.open(path) as image:
        assert image.width >= 600
        assert len(image.convert("RGB").getcolors(2**20) or []) > 2
    for file in [each for each in folder.rglob("*") if each.is_file() and each.name != "manifest.json"]:
        file.unlink()
    with pytest.raises(UserError, match="are damaged or incomplete"):
        show.show(folder)


def test_a_home_and_a_downloaded_folder_have_the_same_picture_and_no_damage(course: Path, tmp_path: Path) -> None:
    home, mine = tmp_path / "home", tmp_path / "mine"
    shutil.copytree(course, home)
    shutil.copytree(course / "public" / "hw01", mine)
    run = CliRunner().invoke(cli, ["--home", str(home), "tasks", "hw1", "--show"])
    assert (run.exit_code, run.output.strip()) == (0, str(home / "public" / "hw01.png"))
    other = CliRunner().invoke(cli, ["tasks", "--show", "--from", str(mine)])
    assert (other.exit_code, other.output.strip()) == (0, str(tmp_path / "mine.png"))
    assert (tmp_path / "mine.png").read_bytes() == (home / "public" / "hw01.png").read_bytes()
    assert damaged_files(home / "public" / "hw01") == []


def test_what_cannot_be_shown_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in (None, "", "[]", '{"name": "my-contest"}', '{"name": ["hw01"]}', '{"name": "../hw01"}'):
        if text is not None:
            (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(UserError, match="no homework data") as caught:
            show.show(tmp_path)
        assert caught.value.code == "E_SHOW"
    monkeypatch.setattr(show, "FONTS", ("No Such Font",))
    talks(tmp_path)
    (tmp_path / "manifest.json").write_text('{"name": "hw05"}')
    with pytest.raises(UserError, match="Noto Sans CJK"):
        show.show(tmp_path)


def test_every_homework_has_a_picture_in_the_documentation() -> None:
    assert set(show.DRAWN) == {task.name for task in all_tasks()}
    for name in show.DRAWN:
        assert (DOCS / f"{name}.png").stat().st_size < 150_000
