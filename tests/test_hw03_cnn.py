"""HW3: the drawn dishes, the course's own pictures, and the parts of the baseline."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from baselines import hw03_cnn as baseline
from baselines.common import train_level
from baselines.pictures import moved, normalised
from harness.answers import read_secret
from harness.competition import find_competition
from harness.home import Home
from submissions.reader import read
from tasks.base import Answers, Made, UserError
from tasks.copies import same_groups
from tasks.hw03_cnn import CLASSES, LAYOUT_2021, LAYOUT_2022, TARGET, TASK, Layout, dishes, world
from tasks.hw03_cnn import official as importer
from tasks.leaks import find_leaks
from tasks.metrics import ACCURACY
from tasks.pictures import cells as cells_of
from tasks.split import split
from tasks.streams import fixed
from tests.conftest import FEW_DISHES, SHARED, needs
from tests.files import drawing, write

CIFAR, FACES = SHARED / "cifar10" / "cifar10-jpg-6000.zip", SHARED / "animefaces" / "animefaces-2000.zip"
BUILTIN = {"builtin": LAYOUT_2021, "builtin-2022": LAYOUT_2022}
LABELS = range(len(CLASSES))


@pytest.fixture(params=BUILTIN)
def prepared(request: pytest.FixtureRequest, homes: Callable[[str], Home]) -> tuple[str, Path, Answers]:
    """A world of few pictures of each year: its edition, its folder and its hidden classes."""
    home = homes(f"hw03{request.param.removeprefix('builtin')}")
    return request.param, home.public("hw03"), read_secret(home, find_competition(home, "hw03")).answers


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


# The world


def test_the_files_lie_and_are_named_as_the_course_has_them(prepared: tuple[str, Path, Answers]) -> None:
    edition, folder, answers = prepared
    training, validation, unlabelled, count, *_ = FEW_DISHES[BUILTIN[edition].year]
    if edition == "builtin":
        expected = [
            *(f"food-11/training/labeled/{k:02d}/{k}_{i}.jpg" for k in LABELS for i in range(training)),
            *(f"food-11/training/unlabeled/00/u_{i:04d}.jpg" for i in range(unlabelled)),
            *(f"food-11/validation/{k:02d}/{k}_{i}.jpg" for k in LABELS for i in range(validation)),
            *(f"food-11/testing/00/{i:04d}.jpg" for i in range(count)),
        ]
        assert answers.ids == range(count)
    else:
        expected = [
            *(f"food11/training/{k}_{i}.jpg" for k in LABELS for i in range(training)),
            *(f"food11/validation/{k}_{i}.jpg" for k in LABELS for i in range(validation)),
            *(f"food11/test/{i:04d}.jpg" for i in range(1, count + 1)),
        ]
        assert answers.ids == tuple(f"{i:04d}" for i in range(1, count + 1))
    assert names_below(folder) == sorted(expected)
    assert set(answers.columns[TARGET].tolist()) <= set(LABELS)


def test_every_picture_is_a_colour_jpeg_without_metadata(prepared: tuple[str, Path, Answers]) -> None:
    _, folder, _ = prepared
    for name in names_below(folder)[::7]:
        with Image.open(folder / name) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (40, 40))
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def kitchen(seed: int, recipes: int = 2) -> dishes.Kitchen:
    return dishes.draw_kitchen(fixed(seed).generator("kitchen"), len(CLASSES), recipes)


@pytest.mark.parametrize("recipes", [2, 4])
def test_a_bite_belongs_to_one_recipe_and_no_shape_or_mark_to_one_class(recipes: int) -> None:
    for seed in range(20):
        one = kitchen(seed, recipes)
        every = [bite for of_class in one.menu for bite in of_class]
        assert len(set(every)) == len(every) == recipes * len(CLASSES)
        for side, parts in enumerate((one.shapes, one.marks)):
            assert len(parts) == {2: 5, 4: 8}[recipes]
            assert all(len({bite[side] for bite in of_class}) == recipes for of_class in one.menu)
            counts = Counter(bite[side] for bite in every)
            assert set(counts) == set(range(len(parts)))
            assert max(counts.values()) - min(counts.values()) <= 2


def test_another_key_has_another_kitchen() -> None:
    kitchens = [kitchen(seed) for seed in range(6)]
    for number, one in enumerate(kitchens):
        for other in kitchens[:number]:
            assert one.menu != other.menu
            assert np.abs(one.palette - other.palette).max() > 20
            same = [a.shape == b.shape and np.allclose(a, b) for a, b in zip(one.shapes, other.shapes, strict=True)]
            assert not all(same)


def test_all_shapes_have_one_area_and_every_mark_lies_on_every_shape() -> None:
    def drawn(parts: tuple[NDArray[Any], ...]) -> NDArray[np.bool_]:
        image = Image.new("L", (400, 400))
        for part in parts:
            ImageDraw.Draw(image).polygon(list(map(tuple, (part * 100 + 200).tolist())), fill=1)
        return np.asarray(image).astype(bool)

    for seed in range(10):
        one = kitchen(seed)
        marks = [drawn(mark) for mark in one.marks]
        for outline in one.shapes:
            shape = drawn((outline,))
            assert abs(shape.mean() * 16 - dishes.AREA) < 0.1
            for mark in marks:
                assert (mark & ~shape).sum() < 0.25 * mark.sum()
        for number, mark in enumerate(marks):
            assert 0.01 < mark.mean() < 0.06
            for other in marks[:number]:
                assert (mark ^ other).sum() > 0.25 * mark.sum()


def features(seed: int, label: int, count: int) -> NDArray[Any]:
    """Counts and means of the colours of so many pictures of a class, of one kitchen."""
    rows = []
    for number in range(count):
        pixels = world.picture(kitchen(1), label, 40, np.random.default_rng([seed, label, number]))
        cells = (pixels // 64).reshape(-1, 3) @ np.array([16, 4, 1])
        means = [pixels.mean(axis=(0, 1)), pixels.std(axis=(0, 1)), pixels[10:30, 10:30].mean(axis=(0, 1))]
        rows.append(np.concatenate([np.bincount(cells, minlength=64) / 1600, *(part / 255 for part in means)]))
    return np.array(rows)


def test_colour_alone_says_nothing_of_the_classes() -> None:
    """A forest on counts and means of colours, from 60 pictures a class: at most 0.17, where chance gives 0.09."""
    from sklearn.ensemble import RandomForestClassifier

    x, x_test = (np.concatenate([features(seed, k, each) for k in LABELS]) for seed, each in ((1, 60), (2, 20)))
    forest = RandomForestClassifier(200, random_state=0).fit(x, np.repeat(LABELS, 60))
    assert float((forest.predict(x_test) == np.repeat(LABELS, 20)).mean()) <= 0.17


def test_the_full_world_has_the_courses_own_counts() -> None:
    counts = world.COUNTS["2021", "full"]
    assert (
        (counts.training * 11, counts.validation * 11) == (LAYOUT_2021.training, LAYOUT_2021.validation) == (3080, 660)
    )
    assert (counts.unlabelled, counts.test) == (6786, 3347)
    counts = world.COUNTS["2022", "full"]
    assert abs(counts.training * 11 - LAYOUT_2022.training) < 11 > abs(counts.validation * 11 - LAYOUT_2022.validation)


def marked(made: Made) -> Made:
    return replace(made, answers=split(made.answers, b"key", "hw03", 0.5))


# The course's pictures


def jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def thumbnail(data: bytes) -> NDArray[np.float64]:
    return cells_of(Image.open(io.BytesIO(data)))


def given(place: Path, layout: Layout, each: int = 8) -> Path:
    """A folder in the course's layout with `each` drawings of a class in training and half as many in validation."""
    seed, some = 0, partial(drawing, width=40, height=40, kind="JPEG", squares=4)
    for label in LABELS:
        for folder, count in ((layout.training_folder, each), (layout.validation_folder, each // 2)):
            for number in range(count):
                write(place / layout.labelled_name(folder, label, number), some(seed := seed + 1))
    if layout.folders:
        for number in range(20):
            write(place / layout.unlabelled_folder / f"{number}.jpg", some(seed := seed + 1))
    for number in range(5):
        write(place / layout.test_name(number), some(seed := seed + 1))
    write(place / layout.root / ".DS_Store", b"no picture")
    return place


def take(source: Path, public: Path, layout: Layout, seed: int = 0) -> Made:
    public.mkdir()
    return importer.make(layout, public, fixed(seed), "small", source)


def refused(source: Path, public: Path, layout: Layout) -> str:
    with pytest.raises(UserError) as error:
        take(source, public, layout)
    return str(error.value)


@pytest.mark.parametrize("layout", [LAYOUT_2021, LAYOUT_2022])
def test_a_quarter_of_every_class_becomes_hidden_and_every_file_is_a_file_of_the_source(
    tmp_path: Path, layout: Layout
) -> None:
    source = given(tmp_path / "source", layout)
    made = take(source, tmp_path / "public", layout, seed=4)
    public = names_below(tmp_path / "public")
    assert Counter(made.answers.columns[TARGET].tolist()) == dict.fromkeys(LABELS, 3)  # 2 of 8 and 1 of 4
    parts = Counter(name.split("/")[1] for name in public)
    assert parts["validation"] == 33
    assert parts["training"] == 66 + (20 if layout.folders else 0)
    assert parts["testing" if layout.folders else "test"] == 33
    of_class = {
        path.read_bytes(): (label, folder)
        for label in LABELS
        for folder in (layout.training_folder, layout.validation_folder)
        for path in (source / layout.labelled_name(folder, label, 0)).parent.glob("*.jpg")
        if int(path.name.partition("_")[0]) == label
    }
    for number, label in enumerate(made.answers.columns[TARGET].tolist()):
        assert of_class.pop((tmp_path / "public" / layout.test_name(number)).read_bytes())[0] == label
    for data, (label, folder) in of_class.items():  # the others are still there, in their class and part
        names = [layout.labelled_name(folder, label, number) for number in range(8)]
        assert data in [(tmp_path / "public" / n).read_bytes() for n in names if (tmp_path / "public" / n).exists()]


def test_two_copies_of_the_tree_are_refused_and_capital_letters_are_not(tmp_path: Path) -> None:
    source = given(tmp_path / "source", LAYOUT_2021)
    shutil.copytree(source / "food-11", tmp_path / "other" / "Food-11")
    labelled = tmp_path / "other" / "Food-11" / "training" / "labeled"
    labelled.rename(labelled.with_name("Labeled"))
    assert len(take(tmp_path / "other", tmp_path / "a", LAYOUT_2021).answers) == 33
    assert len(take(source / "food-11", tmp_path / "c", LAYOUT_2021).answers) == 33
    shutil.copytree(source / "food-11", source / "old" / "food-11")
    message = refused(source, tmp_path / "b", LAYOUT_2021)
    assert "expected one folder food-11; found source/food-11/, source/old/food-11/" in message


@pytest.mark.parametrize("side", [40, 128])
def test_copies_of_other_size_or_compression_never_straddle_and_other_pictures_stay_apart(side: int) -> None:
    rng = np.random.default_rng(side)
    pictures = [Image.fromarray(world.picture(kitchen(side), k % 11, side, rng)) for k in range(40)]
    whole = [thumbnail(jpeg(np.asarray(picture), 95)) for picture in pictures]
    for resized, quality in ((side, 75), (2 * side, 50), (side * 3 // 2, 75), (side * 4 // 5, 90)):
        copies = [picture.resize((resized, resized), Image.Resampling.BICUBIC) for picture in pictures]
        small = [thumbnail(jpeg(np.asarray(copy), quality)) for copy in copies]
        groups = same_groups(np.array(whole + small), importer.SAME)
        assert groups.tolist() == [*range(40), *range(40)]


def test_pictures_that_show_the_same_never_straddle(tmp_path: Path) -> None:
    source = given(tmp_path / "source", LAYOUT_2021)
    for label in LABELS:
        first = source / LAYOUT_2021.labelled_name(LAYOUT_2021.training_folder, label, 0)
        pixels = np.asarray(Image.open(first))
        copies = {1: first.read_bytes(), 2: jpeg(pixels, 80), 3: jpeg(pixels.repeat(2, axis=0).repeat(2, axis=1))}
        for number, data in copies.items():
            write(source / LAYOUT_2021.labelled_name(LAYOUT_2021.validation_folder, label, number), data)
        twin = LAYOUT_2021.labelled_name(LAYOUT_2021.training_folder, label, 7)
        shutil.copy(source / twin, source / LAYOUT_2021.unlabelled_folder / f"twin-{label}.jpg")
        fifth, sixth = (
            source / LAYOUT_2021.labelled_name(LAYOUT_2021.training_folder, kind, number)
            for kind, number in ((label, 5), ((label + 1) % 11, 6))
        )
        shutil.copy(fifth, sixth)  # one picture in two classes

    def cells(path: Path) -> NDArray[np.int64]:
        with Image.open(path) as picture:
            return np.asarray(picture.resize((4, 4), Image.Resampling.BOX), dtype=np.int64).ravel()

    for seed in range(3):
        public = tmp_path / str(seed)
        made = take(source, public, LAYOUT_2021, seed)
        names = names_below(public)
        hidden, others = (
            np.array([cells(public / name) for name in names if (LAYOUT_2021.test_folder in name) is side])
            for side in (True, False)
        )
        assert len(hidden) == len(made.answers) >= 22
        assert np.abs(hidden[:, None] - others).max(axis=2).min() > 30  # copies differ by less than 10
        assert find_leaks(public, marked(made)) == []


def test_a_missing_class_strange_classes_and_another_year_are_refused(tmp_path: Path) -> None:
    source = given(tmp_path / "source", LAYOUT_2021)
    assert "--edition 2021" in refused(source, tmp_path / "a", LAYOUT_2022)
    assert "expected the folder food11" in refused(tmp_path / "a", tmp_path / "b", LAYOUT_2022)
    shutil.copytree(source / "food-11/validation/03", source / "food-11/validation/11")
    assert "expected a folder 00 to 10; found '11'" in refused(source, tmp_path / "c", LAYOUT_2021)
    shutil.rmtree(source / "food-11/validation/11")
    shutil.rmtree(source / "food-11/validation/03")
    message = refused(source, tmp_path / "d", LAYOUT_2021)
    assert "at least 4 pictures of class 3 in validation; found 0" in message
    assert not names_below(tmp_path / "d")
    write(tmp_path / "other" / f"food11/training/{'1' * 200}_1.jpg", drawing(0, kind="JPEG"))
    assert "expected a name that begins with its class" in refused(tmp_path / "other", tmp_path / "e", LAYOUT_2022)


def test_numbers_are_the_courses_all_of_them_or_none(tmp_path: Path) -> None:
    whole = replace(LAYOUT_2021, training=88, validation=44, unlabelled=20, test=5)
    source = given(tmp_path / "source", whole)
    assert len(take(source, tmp_path / "a", whole).answers) == 33
    assert len(take(source, tmp_path / "b", LAYOUT_2021).answers) == 33
    (source / "food-11/training/labeled/06/6_3.jpg").unlink()
    message = refused(source, tmp_path / "c", whole)
    assert "expected 8 pictures of class 6 in training" in message
    assert "found 7" in message
    whole = replace(LAYOUT_2022, training=88, validation=44, test=5)
    source = given(tmp_path / "other", whole)
    (source / "food11/validation/0_1.jpg").rename(source / "food11/validation/0_9.jpeg")
    assert len(take(source, tmp_path / "d", whole).answers) == 33
    (source / "food11/test/0001.jpg").unlink()
    assert "expected 5 pictures in test" in refused(source, tmp_path / "e", whole)


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    source = given(tmp_path / "source", LAYOUT_2022)
    name = "food11/training/4_2.jpg"
    png = io.BytesIO()
    Image.new("RGB", (9, 9)).save(png, "PNG")
    data = (source / name).read_bytes()
    for number, bad in enumerate((data[: len(data) // 2], b"", b"<html>", png.getvalue())):
        (source / name).write_bytes(bad)
        message = refused(source, tmp_path / f"public-{number}", LAYOUT_2022)
        assert f"{name}: expected a whole JPEG picture" in message


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,320 real pictures of 32 pixels in the layout of 2021: CIFAR-10's ten classes, and drawn faces as another."""
    place = tmp_path_factory.mktemp("real")
    with zipfile.ZipFile(CIFAR) as cifar, zipfile.ZipFile(FACES) as faces:
        members = [name for name in cifar.namelist() if name.endswith(".jpg") and "train/" in name]
        kinds = sorted({name.split("/")[-2] for name in members})
        groups = [(cifar, sorted(name for name in members if f"/{kind}/" in f"/{name}")) for kind in kinds]
        groups.append((faces, sorted(name for name in faces.namelist() if name.endswith(".jpg"))))
        assert len(groups) == len(CLASSES)
        for label, (archive, names) in enumerate(groups):
            for number, name in enumerate(names[:120]):
                if number < 60:
                    target = f"food-11/training/labeled/{label:02d}/{number}.jpg"
                elif number < 80:
                    target = f"food-11/validation/{label:02d}/{number}.jpg"
                else:
                    target = f"food-11/training/unlabeled/00/{label}_{number}.jpg"
                picture = Image.open(io.BytesIO(archive.read(name))).convert("RGB").resize((32, 32))
                write(place / target, jpeg(np.asarray(picture)))
    return place


@needs("cifar10", "animefaces")
def test_real_pictures_in_the_courses_layout_import_train_and_score(real: Path, tmp_path: Path) -> None:
    made = take(real, tmp_path / "public", LAYOUT_2021, seed=1)
    assert len(made.answers) == 11 * (15 + 5)
    assert find_leaks(tmp_path / "public", marked(made)) == []
    (tmp_path / "public" / "manifest.json").write_text("{}")
    overrides = ["side=24", "epochs=4", "confidence=0.5", "channels=12,24,48", "turn=20"]
    path = train_level(
        "hw03", "strong", tmp_path / "public", tmp_path / "run", seed=0, device="cpu", overrides=overrides
    )
    form = TASK.edition("2021").format.fit(made.answers)
    answers = marked(made).answers
    columns = read(path.read_bytes(), form)
    rows = ACCURACY.rows(answers.columns, columns)
    assert answers.usage is not None
    for side in (1, 2):
        assert ACCURACY.value(rows, answers.usage == side) > 0.2  # one in eleven by chance


# The baseline


def test_the_pictures_are_read_with_their_classes_and_ids(prepared: tuple[str, Path, Answers]) -> None:
    edition, folder, answers = prepared
    root, layout = baseline.root_of(folder), BUILTIN[edition]
    _, validation, unlabelled, *_ = FEW_DISHES[layout.year]
    valid = baseline.labelled(root, "validation", 40)
    assert sorted(valid.labels.tolist()) == np.repeat(LABELS, validation).tolist()
    one = next(k for k, label in enumerate(valid.labels.tolist()) if label == 7)
    pixels = np.asarray(Image.open(folder / layout.labelled_name(layout.validation_folder, 7, 0)))
    assert np.array_equal(valid.pixels[one].permute(1, 2, 0).numpy(), pixels)
    ids, asked = baseline.test(root, 40)
    assert ids == [str(name) for name in answers.ids]
    pixels = np.asarray(Image.open(folder / layout.test_name(9)))
    assert np.array_equal(asked[9].permute(1, 2, 0).numpy(), pixels)
    assert len(baseline.unlabelled(root, 24)) == unlabelled
    with pytest.raises(UserError, match="expected pictures in the folder validation of food-11, food11, pictures"):
        baseline.root_of(folder / "nothing")


def test_augmentation_keeps_shapes_follows_its_draws_and_changes_nothing_at_their_middle() -> None:
    pixels = torch.randint(0, 256, (6, 3, 20, 20), generator=torch.Generator().manual_seed(0))
    x = normalised(pixels)
    draws = torch.rand(6, baseline.DRAWS, generator=torch.Generator().manual_seed(1))
    once, again = (baseline.augmented(x, draws, 180.0) for _ in range(2))
    assert once.shape == x.shape
    assert torch.equal(once, again)
    assert torch.isfinite(once).all()
    assert not torch.equal(once, baseline.augmented(x, draws.flip(0), 180.0))
    middle = torch.full((6, baseline.DRAWS), 0.5)
    torch.testing.assert_close(baseline.augmented(x, middle, 180.0), x, atol=1e-4, rtol=0)
    mirror = middle.clone()
    mirror[:, 3] = 0.2
    torch.testing.assert_close(moved(x, mirror, 180.0), x.flip(3), atol=1e-4, rtol=0)
    turned = middle.clone()
    turned[:, 0] = 0.75  # a quarter of the whole way round
    torch.testing.assert_close(moved(x, turned, 180.0).sum(), x.sum(), atol=0.5, rtol=0)
    torch.testing.assert_close(moved(x, turned, 180.0), x.rot90(1, (2, 3)), atol=1e-3, rtol=0)
    holes = middle.clone()
    holes[:, 13] = 0.0
    assert ((baseline.augmented(x, holes, 180.0) == 0).all(dim=1).float().mean(dim=(1, 2)) > 0.02).all()


def test_views_of_a_test_picture_are_the_same_whenever_and_with_whomever_it_is_asked() -> None:
    config = baseline.Config(side=24, channels=(4, 8, 8), hidden=(16,))
    network = baseline.new_network(config, len(CLASSES), 0, "cpu")
    pixels = torch.randint(0, 256, (5, 3, 24, 24), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    together = baseline.probabilities(config, network, pixels, 4, "cpu")
    torch.testing.assert_close(together.sum(dim=1), torch.ones(5))
    alone = baseline.probabilities(config, network, pixels[3:4], 4, "cpu")
    torch.testing.assert_close(together[3:4], alone)
    assert not torch.allclose(together, baseline.probabilities(config, network, pixels, 1, "cpu"), atol=1e-6)


def test_the_boss_learns_from_validation_pictures_but_not_from_those_it_holds_out(
    prepared: tuple[str, Path, Answers],
) -> None:
    edition, folder, _ = prepared
    training, validation, *_ = FEW_DISHES[BUILTIN[edition].year]
    known, held = baseline.split(replace(baseline.LEVELS["boss"], side=24), baseline.root_of(folder), 0)
    total = 11 * (training + validation)
    assert len(known.labels) + len(held.labels) == total
    assert len(held.labels) == -(-total // 10)
    sides = [{picture.numpy().tobytes() for picture in part.pixels} for part in (known, held)]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize(("edition", "weights"), [("builtin", 4_634_891), ("builtin-2022", 12_833_803)])
def test_simple_on_large_pictures_is_the_courses_sample_network(edition: str, weights: int, tmp_path: Path) -> None:
    layout = BUILTIN[edition]
    write(tmp_path / layout.labelled_name(layout.validation_folder, 0, 0), drawing(0, 128, 128, "JPEG"))
    config = baseline.settings("simple", tmp_path)
    network = baseline.new_network(config, len(CLASSES), 0, "cpu")
    assert sum(weight.numel() for weight in network.parameters()) == weights
    assert (config.side, config.lr, config.weight_decay, config.clip) == (128, 3e-4, 1e-5, 10.0)
    assert baseline.settings("boss", tmp_path).channels == (64, 128, 256, 512)
