"""HW8, edition own: an instructor's folders become a competition that nothing but the pictures gives away."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.base import PUBLIC, Made, UserError
from tasks.hw08_anomaly import own
from tasks.split import split
from tests.files import drawing, keep, saved_again, write
from tests.test_hw08_anomaly import Images
from tests.test_hw08_anomaly import arrays as arrays_of
from tests.test_hw08_anomaly import make as make_edition


def picture(seed: int, side: int = 64) -> Image.Image:
    return Image.open(io.BytesIO(drawing(seed, side, side)))


def given(folder: Path, normal: int = 130, anomalous: int = 30) -> Path:
    """A folder of an instructor: some normal pictures in folders of five, anomalies of two kinds."""
    for number in range(normal):
        inside = f"normal/person {number // 5}" if number < 50 else "normal"
        write(folder / inside / f"{number}.png", drawing(number))
    for number in range(anomalous):
        write(folder / f"anomalous/{'scratch' if number % 3 else 'hole'}/{number}.png", drawing(5000 + number))
    return folder


def make(public: Path, place: Path) -> Made:
    return make_edition(public, "own", 1, place)


def arrays(public: Path) -> tuple[Images, Images]:
    return arrays_of(public, "own")


def seeds_of(images: Images, count: int = 130) -> list[int | None]:
    """The number of the normal picture that each image is, None for another."""
    known = {np.asarray(picture(number)).tobytes(): number for number in range(count)}
    return [known.get(image.tobytes()) for image in images]


def test_the_test_has_all_anomalies_and_as_many_normal_pictures_none_of_which_is_in_training(tmp_path: Path) -> None:
    made = make(tmp_path / "public", given(tmp_path / "given"))
    train, test = arrays(tmp_path / "public")
    labels, kinds = made.answers.columns["score"], made.answers.strata
    assert kinds is not None
    assert (len(train), len(test), int(labels.sum())) == (100, 60, 30)
    assert {kind: int((kinds == kind).sum()) for kind in np.unique(kinds)} == {
        "normal": 30,
        "anomalous/hole": 10,
        "anomalous/scratch": 20,
    }
    shown, hidden = seeds_of(train), seeds_of(test)
    assert None not in shown
    assert not set(shown) & set(hidden)
    assert [number is None for number in hidden] == (labels == 1).tolist()


def test_a_folder_of_normal_pictures_stays_on_one_side_and_kinds_are_shared_between_the_boards(tmp_path: Path) -> None:
    made = make(tmp_path / "public", given(tmp_path / "given"))
    train, test = arrays(tmp_path / "public")
    people = [{n // 5 for n in seeds_of(images) if n is not None and n < 50} for images in (train, test)]
    assert all(people)
    assert not people[0] & people[1]
    answers = split(made.answers, b"key", "hw08", 0.5)
    assert answers.groups is not None
    assert answers.strata is not None
    assert answers.usage is not None
    for group in np.unique(answers.groups):
        assert len(np.unique(answers.usage[answers.groups == group])) == 1
    for kind in ("anomalous/hole", "anomalous/scratch"):
        public = answers.usage[answers.strata == kind] == PUBLIC
        assert public.sum() == len(public) // 2


def test_of_near_copies_one_stays_and_an_anomaly_that_is_nearly_a_normal_picture_does_not(tmp_path: Path) -> None:
    folder = given(tmp_path / "given")
    for number in range(20):  # in another size: of normal pictures among themselves and as anomalies, and of anomalies
        for inside in ("normal", "anomalous"):
            picture(number).resize((96, 96)).save(folder / inside / f"copy {number}.png")
        picture(5000 + number).resize((96, 96)).save(folder / "anomalous" / f"twin {number}.png")
    made = make(tmp_path / "public", folder)
    train, test = arrays(tmp_path / "public")
    labels = made.answers.columns["score"] == 1
    shown = np.concatenate([train, test[~labels]]), test[labels]
    for images, first, count in zip(shown, (0, 5000), (130, 30), strict=True):
        wanted = np.stack([np.asarray(picture(first + number)) for number in range(count)]).astype(int)
        nearest = (
            np.abs(images[:, None, ::8, ::8].astype(int) - wanted[:, ::8, ::8]).mean(axis=(2, 3, 4)).argmin(axis=1)
        )
        assert sorted(nearest.tolist()) == list(range(count))


def test_more_pictures_than_a_competition_should_have_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "MOST", 129)
    with pytest.raises(UserError, match="at most 129 pictures in normal; found 130"):
        make(tmp_path / "public", given(tmp_path / "given"))


def test_large_pictures_are_turned_cropped_and_scaled(tmp_path: Path) -> None:
    folder = given(tmp_path / "given")
    upright = Image.new("RGB", (400, 200), "green")
    upright.paste(picture(0, 200), (100, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown a quarter clockwise
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / "normal" / "person 0" / "0.png", exif=exif)
    make(tmp_path / "public", folder)
    train, test = arrays(tmp_path / "public")
    wanted = np.asarray(picture(0)).astype(int)
    nearest = min(float(np.abs(image.astype(int) - wanted).mean()) for image in (*train, *test))
    assert nearest < 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: keep(folder, "normal/*.png"), "at least 100 different pictures in normal; found 50"),
        (lambda folder: keep(folder, "anomalous/*/*"), "expected a folder anomalous"),
        (lambda folder: keep(folder, "anomalous/scratch/*"), "at least 20 different pictures in anomalous; found 10"),
        (lambda folder: write(folder / "normal/129.png", b"no picture"), r"129\.png: expected a whole JPEG or PNG"),
        (lambda folder: write(folder / "normal/129.png", drawing(3, 40, 40)), "at least 64 x 64 pixels; found 40 x 40"),
        (lambda folder: saved_again(folder, "normal/**/*.png", (256, 256)), "the size of the files differs"),
        (lambda folder: saved_again(folder, "anomalous/**/*.png", kind="JPEG"), "the format of the files differs"),
    ],
)
def test_folders_that_make_no_fair_competition_are_refused(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = given(tmp_path / "given")
    change(folder)
    with pytest.raises(UserError, match=message) as error:
        make(tmp_path / "public", folder)
    assert error.value.code.startswith("E_SOURCE")
    assert not list((tmp_path / "public").iterdir())


def test_one_folder_of_all_normal_pictures_cannot_be_divided(tmp_path: Path) -> None:
    folder = given(tmp_path / "given")
    (folder / "normal").rename(folder / "person")
    (folder / "normal").mkdir()
    (folder / "person").rename(folder / "normal" / "person")
    for number, path in enumerate(sorted(folder.glob("normal/person/*/*"))):
        path.rename(folder / "normal" / "person" / f"again {number}.png")
    with pytest.raises(UserError, match="a folder inside normal stays whole"):
        make(tmp_path / "public", folder)
