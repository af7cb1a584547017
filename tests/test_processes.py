"""Work over several processes: the same results in order, errors as they are, and a killed process is an error."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.hw05_transformer import SIZES as TEXT_SIZES
from tasks.hw05_transformer import world as text_world
from tasks.hw06_gan import world as face_world
from tasks.processes import cores, mapped
from tasks.streams import fixed


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
    hidden = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        for name in ("text", "faces"):
            (folder / name).mkdir(parents=True)
        made = text_world.make(folder / "text", fixed(3), "tiny", processes=processes)
        images = face_world.make_images(folder / "faces", fixed(3), "tiny", processes)
        hidden[processes] = made.answers.columns["translation"].tolist(), images.tobytes()
    assert hidden[1] == hidden[2]
    one, other = (files_of(tmp_path / str(processes)) for processes in (1, 2))
    assert one == other
    assert len(one["text/ted2020/raw.en"].splitlines()) == 150
    assert len([name for name in one if name.startswith("faces/")]) == 7
    images_seen = {data for name, data in one.items() if name.startswith("faces/")}
    assert len(images_seen) == 7  # no part is another's
    lines = one["text/ted2020/raw.zh"].decode().splitlines()
    blocks = [lines[start : start + 60] for start in range(0, 150, 60)]
    assert blocks[0] != blocks[1]
