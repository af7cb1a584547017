"""HW6: copies of training images among those that are handed in."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from tasks import copies
from tasks.base import SubmissionError
from tasks.hw06_gan import FORMAT, judge, world
from tests.files import write
from tests.hw06_given import Images, compressed


@pytest.fixture(scope="module")
def drawn() -> tuple[Images, copies.Arrays]:
    images = world.draw(np.random.default_rng(7), 600)
    return images, copies.keep(images)


def ramp(images: Images) -> Images:
    """The images, lighter towards a corner."""
    slope = np.linspace(-0.2, 0.2, 64)
    return np.clip(images * (1 + slope[:, None, None] + slope[:, None]), 0, 255).astype(np.uint8)


def parts(images: Images, others: Images, rows: int, columns: int) -> Images:
    """The upper left part of each image on another one."""
    mixed = others.copy()
    mixed[:, :rows, :columns] = images[:, :rows, :columns]
    return mixed


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda images: images, 1.0),
        (lambda images: compressed(images, 50), 1.0),
        (lambda images: compressed(images[:, :, ::-1].copy()), 1.0),
        (lambda images: compressed(np.roll(images, (2, -3), axis=(1, 2))), 0.95),
        (lambda images: compressed(np.roll(images[:, :, ::-1], (-1, 2), axis=(1, 2))), 0.95),
        (lambda images: np.clip(images * 0.6 + 60, 0, 255).astype(np.uint8), 0.95),
        (lambda images: images[:, :, :, [1, 2, 0]].copy(), 0.9),
        (ramp, 0.95),
        (lambda images: parts(images, np.roll(images, 1, axis=0), 32, 64), 0.95),
        (lambda images: parts(images, np.roll(images, 1, axis=0), 20, 64), 0.95),
        (lambda images: parts(images, np.roll(images[:, :, ::-1], 1, axis=0), 64, 28), 0.95),
        (lambda images: parts(np.roll(images, 1, axis=0), np.roll(ramp(images), 2, axis=0), 32, 32), 0.9),
        (lambda images: ((images + np.roll(images, 1, axis=0).astype(int)) // 2).astype(np.uint8), 0.4),
    ],
    ids=[
        "as they are",
        "compressed",
        "mirrored",
        "shifted",
        "mirrored and shifted",
        "paler",
        "other colours",
        "a gradient",
        "halves",
        "two thirds",
        "mirrored halves",
        "quarters",
        "means of two",
    ],
)
def test_copies_of_images_and_of_their_parts_are_found(
    drawn: tuple[Images, copies.Arrays], change: Callable[[Images], Images], least: float
) -> None:
    assert copies.copies(drawn[1], change(drawn[0][:60])).mean() >= least


def test_new_faces_are_no_copies_but_for_few_by_chance(drawn: tuple[Images, copies.Arrays]) -> None:
    fresh = world.draw(np.random.default_rng(8), 300)
    assert copies.copies(drawn[1], fresh).mean() < 0.08
    assert not copies.copies(drawn[1], np.full_like(fresh, 128)).any()
    mixed = fresh.copy()
    mixed[[4, 9]] = drawn[0][[0, 599]]
    assert copies.copies(drawn[1], mixed)[[4, 9]].all()


def test_copies_are_found_where_training_images_are_near_copies_of_each_other(
    drawn: tuple[Images, copies.Arrays],
) -> None:
    images = drawn[0]
    kept = copies.keep(np.concatenate([images, compressed(images[:100], 90)]))
    assert copies.copies(kept, images[:60]).all()


def test_among_very_many_training_images_some_of_the_images_stand_for_all(
    drawn: tuple[Images, copies.Arrays], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "PAIRS", 600 * 40)
    mixed = np.concatenate([drawn[0][:100], world.draw(np.random.default_rng(8), 100)])
    found = copies.copies(drawn[1], mixed)
    assert len(found) == 40
    assert 0.25 < found.mean() < 0.75
    assert np.array_equal(copies.copies(drawn[1], mixed), found)


def test_a_file_of_copies_is_refused_with_their_number_offline_and_in_grading(
    drawn: tuple[Images, copies.Arrays], tmp_path: Path
) -> None:
    images, form = drawn[0], replace(FORMAT, count=50)
    for index, image in enumerate(images[:200]):
        write(tmp_path / "public" / "faces" / f"{index}.jpg", world.encode(image))
    write(tmp_path / "secret" / judge.COPIES_FILE, save(drawn[1]))
    fresh = world.draw(np.random.default_rng(9), 50)
    few, many = (np.concatenate([images[:count], fresh[count:]]) for count in (3, 15))
    for folder in (tmp_path / "public", tmp_path / "secret"):
        assert not judge.check(form, {"image": few}, folder).notes
        with pytest.raises(SubmissionError) as caught:
            judge.check(form, {"image": many}, folder)
        (problem,) = caught.value.problems
        assert problem.code == "E_COPIES"
        assert re.match(r"3\d% of the images that were compared \(50\)", problem.message)
    for nowhere in (None, tmp_path):
        assert "not compared" in judge.check(form, {"image": many}, nowhere).notes[0]


@pytest.mark.parametrize(("zoom", "turn"), copies.MOVES)
def test_images_that_are_all_resized_or_turned_alike_are_refused(
    drawn: tuple[Images, copies.Arrays], zoom: float, turn: float
) -> None:
    moved = copies.moved(drawn[0][:40], zoom, turn)
    assert copies.moved_copies(drawn[1], moved) > 2 * copies.copies(drawn[1], moved).mean()
    with pytest.raises(SubmissionError, match="of a training image"):
        judge.refuse_copies(drawn[1], moved)
