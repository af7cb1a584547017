"""HW10's files of the course."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from submissions.reader import read
from tasks.base import SubmissionError
from tasks.formats import ImagesFormat
from tasks.hw10_attack import (
    ATTACKED,
    CIFAR,
    EPSILON,
    PICTURES_FILE,
    TASK,
    form_of,
    judge,
    official,
)
from tasks.hw10_attack.pack import packed
from tests.conftest import SHARED, few, made_in, needs
from tests.hw10_given import given, given_pictures


def imported(kind: str, place: Path, folder: Path) -> Path:
    """What `make` writes, in tiny networks."""
    made_in(folder, partial(official.make, kind, processes=1), source=place)
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)
    monkeypatch.setattr(official, "EPOCHS", (1, 1))


def test_the_courses_pictures_are_found_by_name_and_two_before_ten(quick: None, tmp_path: Path) -> None:
    place = given(tmp_path / "course")
    public = imported("course", place, tmp_path / "public")
    form = form_of(CIFAR)
    pictures = given_pictures(public)
    for at in (0, 1, 9, 10, 199):
        assert np.array_equal(pictures[at], np.asarray(Image.open(place / "data" / form.names[at])))
    assert form.names[1] == "airplane/airplane2.png"
    assert len(np.load(public / "training_labels.npy")) == 120


def test_pictures_of_ones_own_of_cifar10_are_chosen_from_its_test_part(quick: None, tmp_path: Path) -> None:
    place = given(tmp_path / "cifar", "cifar10")
    pictures = given_pictures(imported("cifar10", place, tmp_path / "public"))
    test = {np.asarray(Image.open(path)).tobytes(): path.parent.name for path in place.rglob("test/*/*.png")}
    folders = [name.partition("/")[0] for name in form_of(CIFAR).names]
    assert [test[picture.tobytes()] for picture in pictures] == folders


def test_nothing_clears_a_threshold_of_the_course() -> None:
    for year in ("2021", "2022", "2023"):
        for bar in TASK.edition(year).bars:
            assert not bar.passed({ATTACKED.name: 0.0}, {ATTACKED.name: False}, private=False)


@needs("hw10-images")
@needs("submissions")
def test_the_students_archives_are_taken_against_the_courses_pictures(tmp_path: Path) -> None:
    from tasks.sources import opened

    with opened(SHARED / "hw10-images", r".+\.png") as files:
        pictures = official.read_course(files)
    np.save(tmp_path / PICTURES_FILE, pictures)
    form = form_of(CIFAR)
    paths = sorted((SHARED / "submissions/hw10-2022").glob("*.tgz"))
    assert paths
    for path in paths:
        columns = read(path.read_bytes(), form)
        assert judge.check(form, columns, tmp_path).notes == ()
        far = np.abs(columns["image"].astype(int) - pictures).reshape(200, -1).max(axis=1)
        assert far.max() == EPSILON
        wrong = columns["image"].copy()
        wrong[3, 4, 5, 1] = (int(pictures[3, 4, 5, 1]) + 9) if pictures[3, 4, 5, 1] < 128 else pictures[3, 4, 5, 1] - 9
        with pytest.raises(SubmissionError, match=r"airplane/airplane4\.png.*row 4, column 5, green"):
            judge.check(form, {"image": wrong}, tmp_path)


@needs("cifar10")
@needs("hw10-images")
@pytest.mark.slow
def test_the_courses_pictures_and_real_training_pictures_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    monkeypatch.setattr(official, "EPOCHS", (1, 1))
    place = tmp_path / "given"
    place.mkdir()
    for one in (SHARED / "hw10-images/hw10-200-reconstructed.zip", SHARED / "cifar10/cifar10-jpg-6000.zip"):
        (place / one.name).symlink_to(one)
        shutil.copyfile(one, place / f"copy-{one.name}")
        (place / one.name).unlink()
    public = imported("course", place, tmp_path / "public")
    assert len(np.load(public / "training_labels.npy")) == 2500
    assert isinstance(TASK.edition("2022").format, ImagesFormat)
    data = (SHARED / "submissions/hw10-2022/shihyu-014.tgz").read_bytes()
    columns = judge.check(form_of(CIFAR), read(data, form_of(CIFAR)), tmp_path / "public.secret").columns
    right = judge.run(form_of(CIFAR), columns, tmp_path / "public.secret").columns["right"]
    assert right.shape == (200,)
    assert packed(columns["image"], form_of(CIFAR)) == packed(columns["image"], form_of(CIFAR))
