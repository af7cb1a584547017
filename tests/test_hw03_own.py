"""HW3, edition `own`: an instructor's folders of classes become a competition."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from submissions.reader import read
from tasks.base import Made, SubmissionError, UserError
from tasks.hw03_cnn import LAYOUT_OWN, TARGET, TASK, own
from tasks.leaks import find_leaks
from tasks.streams import fixed
from tests.files import drawing, keep, saved_again, write
from tests.test_hw03_cnn import marked

NAMES = ("Boletus", "amanita", "chanterelle")
EDITION = TASK.edition("own")


def given(place: Path, each: int = 20, unlabelled: int = 9) -> Path:
    """Folders of three classes, with pictures of three sizes and formats in each."""
    for label, name in enumerate(NAMES):
        for number in range(each):
            kind = ("JPEG", "PNG", "WEBP")[number % 3]
            data = drawing(1000 * label + number, 70 + 30 * (number % 3), 90, kind, 6)
            write(place / name / f"{name} {number}.{kind.lower()}", data)
    for number in range(unlabelled):
        write(place / "Unlabelled" / f"{number}.jpg", drawing(10_000 + number, 70, 90, "JPEG", 6))
    return place


def take(source: Path, public: Path, seed: int = 0) -> Made:
    public.mkdir(parents=True, exist_ok=True)
    made: Made = EDITION.make(public, fixed(seed), "small", source)
    return made


def refused(source: Path, public: Path) -> str:
    with pytest.raises(UserError) as error:
        take(source, public)
    assert not list(public.rglob("*.jpg"))
    return str(error.value)


def test_folders_become_classes_with_a_hidden_quarter_and_a_validation_part(tmp_path: Path) -> None:
    made = take(given(tmp_path / "source"), tmp_path / "public")
    root = tmp_path / "public" / "pictures"
    with (root / "classes.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["number", "name"], ["0", "Boletus"], ["1", "amanita"], ["2", "chanterelle"]]
    assert Counter(made.answers.columns[TARGET].tolist()) == {0: 5, 1: 5, 2: 5}
    for label in range(3):
        assert len(list((root / "training" / "labeled" / f"{label:02d}").glob("*.jpg"))) == 12
        assert len(list((root / "validation" / f"{label:02d}").glob("*.jpg"))) == 3
    assert len(list((root / "training" / "unlabeled").rglob("*.jpg"))) == 9
    assert [path.name for path in sorted((root / "testing").rglob("*.jpg"))] == [f"{n:04d}.jpg" for n in range(15)]


def test_every_hidden_picture_is_one_of_its_class_and_nowhere_else(tmp_path: Path) -> None:
    source = given(tmp_path / "source")
    made = take(source, tmp_path / "public", seed=5)

    def cells(path: Path) -> tuple[int, ...]:
        with Image.open(path) as picture:
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            small = (
                picture.convert("RGB").crop((left, top, left + side, top + side)).resize((6, 6), Image.Resampling.BOX)
            )
            return tuple((np.asarray(small, dtype=np.int64).ravel() + 16) // 32)

    def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return bool(np.abs(np.subtract(one, other)).max() <= 1)

    originals = [(cells(path), NAMES.index(path.parent.name)) for name in NAMES for path in (source / name).iterdir()]
    public = tmp_path / "public"
    shown = [cells(path) for path in (public / "pictures").rglob("*.jpg") if "testing" not in path.parts]
    for number, label in enumerate(made.answers.columns[TARGET].tolist()):
        hidden = cells(public / LAYOUT_OWN.test_name(number))
        assert [kind for one, kind in originals if near(one, hidden)] == [label]
        assert not any(near(one, hidden) for one in shown)


def test_size_format_and_what_a_camera_wrote_say_nothing_of_the_class(tmp_path: Path) -> None:
    source = given(tmp_path / "source")
    exif = Image.Exif()
    exif[0x010E] = "a boletus"  # ImageDescription
    exif[0x0112] = 6  # to be turned
    for path in (source / "Boletus").glob("*.jpeg"):
        with Image.open(path) as picture:
            picture.load()
            picture.save(path, "JPEG", exif=exif, comment=b"boletus")
    take(source, tmp_path / "public")
    for path in (tmp_path / "public" / "pictures").rglob("*.jpg"):
        assert b"boletus" not in path.read_bytes()
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (64, 64))  # the smallest has 70
            assert not picture.getexif()


def test_copies_stay_on_one_side_and_a_picture_in_two_classes_is_not_hidden(tmp_path: Path) -> None:
    source = given(tmp_path / "source", each=16)
    for number in range(6):  # every third picture of a class twice, once in another size; one picture in two classes
        with Image.open(next((source / "amanita").glob(f"amanita {number}.*"))) as picture:
            picture.convert("RGB").resize((200, 180)).save(source / "amanita" / f"again {number}.jpg", quality=80)
    twin = (source / "Boletus" / "Boletus 3.jpeg").read_bytes()
    write(source / "chanterelle" / "twin.jpg", twin)
    for seed in range(3):
        made = take(source, tmp_path / str(seed), seed)
        assert made.answers.groups is not None
        assert made.train_groups is not None
        assert not set(made.answers.groups) & set(made.train_groups)
        assert find_leaks(tmp_path / str(seed), marked(made)) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: write(s / "cover.jpg", drawing(1)), "cover.jpg: expected every picture in the folder of its class"),
        (lambda s: keep(s, "amanita/*", 10), "amanita: expected at least 12 pictures; found 10"),
        (lambda s: keep(s, "[ac]*/*"), "at least two folders of pictures"),
        (lambda s: write(s / "amanita/x.png", b"<html>"), "amanita/x.png: expected a whole JPEG, PNG"),
        (lambda s: write(s / "amanita/x.jpg", drawing(1)[:300]), "amanita/x.jpg: expected a whole JPEG, PNG"),
        (lambda s: write(s / "amanita/x.jpg", drawing(1, 30, 90)), "at least 40 x 40 pixels; found 30 x 90"),
        (lambda s: saved_again(s, "amanita/*", kind="PNG"), "the format of the files differs from class to class"),
        (lambda s: saved_again(s, "amanita/*", (40, 90)), "the size of the files differs from class to class"),
        (lambda s: saved_again(s, "Boletus/*", seed=0), "Boletus: expected pictures that differ"),
    ],
)
def test_folders_that_make_no_competition_are_refused(tmp_path: Path, change: object, message: str) -> None:
    source = given(tmp_path / "source")
    assert callable(change)
    change(source)
    assert message in refused(source, tmp_path / "public")


def test_the_format_knows_the_number_of_classes(tmp_path: Path) -> None:
    made = take(given(tmp_path / "source"), tmp_path / "public")
    assert made.form is not None
    form = made.form.fit(made.answers)
    assert read(b"Id,Category\n" + b"".join(b"%d,2\n" % n for n in range(15)), form)[TARGET].tolist() == [2] * 15
    with pytest.raises(SubmissionError) as error:
        read(b"Id,Category\n" + b"".join(b"%d,3\n" % n for n in range(15)), form)
    assert {problem.code for problem in error.value.problems} == {"E_RANGE"}


def test_more_classes_than_a_table_of_names_should_have_are_refused(tmp_path: Path) -> None:
    for number in range(own.MOST_CLASSES + 1):
        write(tmp_path / "source" / str(number) / "a.jpg", b"")
    assert f"at most {own.MOST_CLASSES} folders of classes" in refused(tmp_path / "source", tmp_path / "public")
