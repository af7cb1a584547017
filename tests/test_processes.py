"""Work over several processes: the same results in order, errors as they are, and a killed process is an error."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tasks import processes as pools
from tasks.base import Made
from tasks.errors import UserError
from tasks.hw02_classification import world as sound_world
from tasks.hw03_cnn import LAYOUT_2021 as DISHES
from tasks.hw03_cnn import world as dish_world
from tasks.hw04_self_attention import world as voice_world
from tasks.hw05_transformer import SIZES as TEXT_SIZES
from tasks.hw05_transformer import world as text_world
from tasks.hw06_gan import world as face_world
from tasks.hw07_bert import world as story_world
from tasks.hw08_anomaly import LAYOUT_2021 as STRANGE
from tasks.hw08_anomaly import world as strange_world
from tasks.hw11_adaptation import world as thing_world
from tasks.hw13_compression import world as student_world
from tasks.hw14_lifelong import world as digit_world
from tasks.hw15_meta import world as alphabet_world
from tasks.processes import cores, mapped
from tasks.streams import fixed
from tests.conftest import few, made_in
from tests.test_hw04_self_attention import FEW


def squared(offset: int, number: int) -> tuple[int, int]:
    return number * number + offset, os.getpid()


def refuse(number: int) -> int:
    if number == 2:
        raise UserError("two is too many")
    return number


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_however_many_processes_there_are() -> None:
    seen = {count: mapped(partial(squared, 7), range(9), count) for count in (1, 3)}
    assert [value for value, _ in seen[1]] == [value for value, _ in seen[3]] == [n * n + 7 for n in range(9)]
    assert {pid for _, pid in seen[1]} == {os.getpid()}
    assert os.getpid() not in {pid for _, pid in seen[3]}
    assert mapped(refuse, [], 4) == []
    assert cores() >= 1


def test_an_error_of_a_part_is_raised_and_a_killed_process_is_an_error_and_no_hang() -> None:
    with pytest.raises(UserError, match="two is too many"):
        mapped(refuse, range(5), 2)
    with pytest.raises(UserError, match="one of 2 processes was ended from outside"):
        mapped(die, range(5), 2)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_worlds_are_the_same_bytes_however_many_processes_make_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_world, "BLOCK", 60)
    monkeypatch.setitem(TEXT_SIZES, "tiny", (150, 10, 130))
    monkeypatch.setitem(text_world.WORDS, "tiny", (0.4, 30))
    monkeypatch.setattr(face_world, "PART", 3)
    monkeypatch.setitem(face_world.SIZES, "tiny", (7, 4))
    monkeypatch.setattr(dish_world, "BLOCK", 7)
    monkeypatch.setitem(dish_world.COUNTS, ("2021", "tiny"), dish_world.Counts(1, 1, 9, 8, 40, 2))
    monkeypatch.setattr(strange_world, "PIECE", 20)
    monkeypatch.setitem(strange_world.COUNTS, "tiny", (30, 24))
    hidden = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        for name in ("text", "faces", "dishes", "strange"):
            (folder / name).mkdir(parents=True)
        text = text_world.make(folder / "text", fixed(3), "tiny", processes=processes)
        dishes = dish_world.make(DISHES, folder / "dishes", fixed(3), "tiny", processes=processes)
        strange = strange_world.make(STRANGE, folder / "strange", fixed(3), "tiny", processes=processes)
        images = face_world.make_images(folder / "faces", fixed(3), "tiny", processes)
        columns = [values.tolist() for made in (text, dishes, strange) for values in made.answers.columns.values()]
        hidden[processes] = columns, images.tobytes()
    assert hidden[1] == hidden[2]
    one, other = (files_of(tmp_path / str(processes)) for processes in (1, 2))
    assert one == other
    assert len(one["text/ted2020/raw.en"].splitlines()) == 150
    seen = {world: [data for name, data in one.items() if name.startswith(world)] for world in ("faces/", "dishes/")}
    assert [len(images) for images in seen.values()] == [7, 39]
    assert [len(set(images)) for images in seen.values()] == [7, 39]  # no part is another's
    lines = one["text/ted2020/raw.zh"].decode().splitlines()
    blocks = [lines[start : start + 60] for start in range(0, 150, 60)]
    assert blocks[0] != blocks[1]


WORLDS: dict[str, tuple[Callable[..., Made], Any, str, int]] = {
    "hw02": (sound_world.make, sound_world, "PIECE", 6),
    "hw04": (voice_world.make, voice_world, "BLOCK", 2),
    "hw07": (story_world.make, story_world, "BLOCK", 10),
    "hw11": (thing_world.make, thing_world, "BLOCK", 80),
    "hw13": (student_world.make, student_world, "BLOCK", 50),
    "hw14": (partial(digit_world.make, "turned"), digit_world, "JOB", 100),
    "hw14-permuted": (partial(digit_world.make, "permuted"), digit_world, "JOB", 100),
    "hw15": (alphabet_world.make, alphabet_world, "BLOCK", 12),
}
"""How a world is made, and the name of what one process does at a time, with as little of it as needs two."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "hw13" else name for name in WORLDS]
)  # whose processes import torch
def test_two_processes_with_other_blocks_make_the_same_world_and_another_key_another(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    monkeypatch.setitem(voice_world.COUNTS, "small", FEW)
    monkeypatch.setattr(student_world, "picture", dish_world.picture)  # which the other processes paint too
    make, module, block, size = WORLDS[name]
    one, other = (made_in(tmp_path / str(seed), partial(make, processes=1), seed) for seed in (1, 2))
    used: list[int] = []

    def pool(count: int, **options: Any) -> Any:
        used.append(count)
        return ProcessPoolExecutor(count, **options)

    monkeypatch.setattr(module, block, size)
    monkeypatch.setattr(pools, "ProcessPoolExecutor", pool)
    two = made_in(tmp_path / "two", partial(make, processes=2))
    assert set(used) == {2}
    files = [files_of(tmp_path / part) | files_of(tmp_path / f"{part}.secret") for part in ("1", "two", "2")]
    columns = [{key: value.tolist() for key, value in made.answers.columns.items()} for made in (one, two, other)]
    assert (files[0], columns[0]) == (files[1], columns[1])
    assert columns[0] != columns[2]
    assert isinstance(one.answers.ids, range) or not set(one.answers.ids) & set(other.answers.ids)
    if one.train_groups is not None:
        assert one.answers.groups is not None
        assert not set(one.train_groups.tolist()) & set(one.answers.groups.tolist())
    data = {name: value for name, value in files[0].items() if len(value) > 100 and not name.endswith(".py")}
    assert set(data.values()).isdisjoint(files[2].values())
