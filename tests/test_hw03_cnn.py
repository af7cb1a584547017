"""HW3: the drawn dishes, the course's own pictures, the formats of both years and the baseline."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace
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
from submissions.reader import read
from tasks.base import Answers, Made, SubmissionError, UserError
from tasks.copies import same_groups
from tasks.formats import TableFormat
from tasks.hw03_cnn import CLASSES, LAYOUT_2021, LAYOUT_2022, TARGET, TASK, Layout, dishes, world
from tasks.hw03_cnn import official as importer
from tasks.leaks import find_leaks
from tasks.metrics import ACCURACY
from tasks.split import split
from tasks.streams import fixed

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
CIFAR, FACES = SHARED / "cifar10" / "cifar10-jpg-6000.zip", SHARED / "animefaces" / "animefaces-2000.zip"
BUILTIN = {"builtin": LAYOUT_2021, "builtin-2022": LAYOUT_2022}
TINY = {"2021": world.Counts(8, 4, 30, 60, 40, 2), "2022": world.Counts(9, 4, 0, 60, 40, 2)}
SHORT = ["epochs=2", "side=24", "channels=4,8,8"]
LABELS = range(len(CLASSES))


def make(folder: Path, edition: str, seed: int) -> Made:
    """A world of a few pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "COUNTS", {(year, "small"): counts for year, counts in TINY.items()})
        return TASK.edition(edition).make(folder, fixed(seed), "small", None)


@pytest.fixture(scope="module", params=BUILTIN)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Made]:
    """A tiny world of each year: its edition, its folder and its hidden side."""
    folder = tmp_path_factory.mktemp(request.param)
    made = make(folder, request.param, 3)
    (folder / "manifest.json").write_text("{}")
    return request.param, folder, made


def names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


# The world


def test_the_files_lie_and_are_named_as_the_course_has_them(prepared: tuple[str, Path, Made]) -> None:
    edition, folder, made = prepared
    names = names_below(folder)
    counts = TINY[BUILTIN[edition].year]
    if edition == "builtin":
        expected = [
            *(f"food-11/training/labeled/{k:02d}/{k}_{i}.jpg" for k in LABELS for i in range(counts.training)),
            *(f"food-11/training/unlabeled/00/u_{i:04d}.jpg" for i in range(counts.unlabelled)),
            *(f"food-11/validation/{k:02d}/{k}_{i}.jpg" for k in LABELS for i in range(counts.validation)),
            *(f"food-11/testing/00/{i:04d}.jpg" for i in range(counts.test)),
        ]
        assert made.answers.ids == range(counts.test)
    else:
        expected = [
            *(f"food11/training/{k}_{i}.jpg" for k in LABELS for i in range(counts.training)),
            *(f"food11/validation/{k}_{i}.jpg" for k in LABELS for i in range(counts.validation)),
            *(f"food11/test/{i:04d}.jpg" for i in range(1, counts.test + 1)),
        ]
        assert made.answers.ids == tuple(f"{i:04d}" for i in range(1, counts.test + 1))
    assert names == sorted(expected)
    assert made.train is not None
    assert made.test is not None
    assert (len(made.train), len(made.test)) == (len(expected) - counts.test, counts.test)
    assert made.answers.columns[TARGET].dtype == np.int64
    assert set(made.answers.columns[TARGET].tolist()) <= set(LABELS)


def test_every_picture_is_a_colour_jpeg_without_metadata(prepared: tuple[str, Path, Made]) -> None:
    _, folder, _ = prepared
    for name in names_below(folder)[::7]:
        with Image.open(folder / name) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (40, 40))
            assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_the_same_key_gives_the_same_bytes_in_other_processes_and_another_key_other_pictures(tmp_path: Path) -> None:
    first, other = make(tmp_path / "a", "builtin", 2**62), make(tmp_path / "c", "builtin", 8)
    (tmp_path / "b").mkdir()
    code = (
        "from pathlib import Path; from tasks.hw03_cnn import LAYOUT_2021, world; from tasks.streams import fixed; "
        f"world.COUNTS = {{('2021', 'small'): world.{TINY['2021']!r}}}; world.BLOCK = 7; "
        f"world.make(LAYOUT_2021, Path({str(tmp_path / 'b')!r}), fixed({2**62}), 'small', processes=2)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
    assert names_below(tmp_path / "a") == names_below(tmp_path / "b")
    for name in names_below(tmp_path / "a"):
        data = (tmp_path / "a" / name).read_bytes()
        assert data == (tmp_path / "b" / name).read_bytes()
        assert data != (tmp_path / "c" / name).read_bytes()
    assert (first.answers.columns[TARGET] != other.answers.columns[TARGET]).mean() > 0.7


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


@pytest.mark.parametrize("size", ["huge", "tiny"])
def test_an_unknown_size_is_refused_with_the_known_ones(tmp_path: Path, size: str) -> None:
    with pytest.raises(UserError, match="small, full"):
        TASK.edition("builtin").make(tmp_path, fixed(0), size, None)


def test_the_full_world_has_the_courses_own_counts() -> None:
    counts = world.COUNTS["2021", "full"]
    assert (
        (counts.training * 11, counts.validation * 11) == (LAYOUT_2021.training, LAYOUT_2021.validation) == (3080, 660)
    )
    assert (counts.unlabelled, counts.test) == (6786, 3347)
    counts = world.COUNTS["2022", "full"]
    assert abs(counts.training * 11 - LAYOUT_2022.training) < 11 > abs(counts.validation * 11 - LAYOUT_2022.validation)


# Leaks


def marked(made: Made) -> Made:
    return replace(made, answers=split(made.answers, b"key", "hw03", 0.5))


def test_a_world_leaks_nothing(prepared: tuple[str, Path, Made]) -> None:
    _, folder, made = prepared
    assert find_leaks(folder, marked(made)) == []


def test_the_leak_checks_see_copies_of_pictures_and_what_files_tell(
    prepared: tuple[str, Path, Made], tmp_path: Path
) -> None:
    edition, folder, made = prepared
    assert made.train is not None
    assert made.test is not None
    copied = made.test.copy()
    copied[5] = made.train[7]
    assert {leak.code for leak in find_leaks(folder, marked(replace(made, test=copied)))} == {"E_LEAK_EQUAL_ROWS"}
    near = made.test.copy()
    near[:12] = made.train[20:32] + np.random.default_rng(0).normal(0, 0.01, near[:12].shape)
    assert {leak.code for leak in find_leaks(folder, marked(replace(made, test=near)))} == {"E_LEAK_NEAR_ROWS"}

    shutil.copytree(folder, tmp_path / "public")
    layout = BUILTIN[edition]
    for number, label in enumerate(made.answers.columns[TARGET].tolist()):
        os.utime(tmp_path / "public" / layout.test_name(number), (1e9 + label, 1e9 + label))
    assert "E_LEAK_FILE_TIME" in {leak.code for leak in find_leaks(tmp_path / "public", marked(made))}


# The editions


def test_the_formats_read_the_ids_of_their_year() -> None:
    assert TASK.edition("2021").format.ids == range(3347)
    assert TASK.edition("2022").format.ids == tuple(f"{i:04d}" for i in range(1, 3348))
    for edition in TASK.editions:
        assert isinstance(edition.format, TableFormat)
        assert edition.format.header == ("Id", "Category")


@pytest.mark.parametrize("year", ["2021", "2022"])
def test_real_submissions_are_read(year: str) -> None:
    paths = sorted((SHARED / "submissions" / f"hw03-{year}").glob("*.csv"))
    if not paths:
        pytest.skip("the real submissions are not in ../shared/data")
    other = {"2021": "2022", "2022": "2021"}[year]
    for path in paths:
        columns = read(path.read_bytes(), TASK.edition(year).format)
        lines = path.read_text().splitlines()
        assert columns[TARGET].tolist() == [int(line.split(",")[1]) for line in lines[1:]]
        with pytest.raises(SubmissionError) as error:
            read(path.read_bytes(), TASK.edition(other).format)
        assert [problem.code for problem in error.value.problems] == ["E_YEAR"]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("11", "E_RANGE"),
        ("-1", "E_RANGE"),
        ("3.0", "E_NUMBER"),
        ("bread", "E_NUMBER"),
        ("", "E_NUMBER"),
        ("nan", "E_NUMBER"),
    ],
)
def test_a_class_is_a_whole_number_from_0_to_10(cell: str, code: str) -> None:
    form = TASK.edition("2021").format.fit(Answers(range(3), {}))
    with pytest.raises(SubmissionError) as error:
        read(f"Id,Category\n0,1\n1,{cell}\n2,3\n".encode(), form)
    assert [(problem.code, problem.line) for problem in error.value.problems] == [(code, 3)]


def test_ids_that_lost_their_zeros_are_refused_in_the_layout_of_2022() -> None:
    form = TASK.edition("2022").format.fit(Answers(LAYOUT_2022.ids(3), {}))
    assert read(b"Id, Category\n0003,1\n0001,10\n0002,0\n", form)[TARGET].tolist() == [10, 0, 1]
    with pytest.raises(SubmissionError) as error:
        read(b"Id,Category\n1,1\n2,10\n3,0\n", form)
    assert {problem.code for problem in error.value.problems} == {"E_ID_ZEROS"}


def test_the_official_bars_are_the_courses_counts_of_hits() -> None:
    hits = {"2021": (1674, (751, 884, 1375), 1.0), "2022": (1004, (503, 735, 822, 888), 0.5)}
    for year, (rows, counts, points) in hits.items():
        edition = TASK.edition(year)
        assert len(edition.bars) == len(counts)
        for bar, count in zip(edition.bars, counts, strict=True):
            values = [{ACCURACY.name: (count - less) / rows} for less in (0, 1)]
            assert [bar.passed(v, {ACCURACY.name: True}, private=False) for v in values] == [True, False]
            assert bar.points == (points, points)
            assert bar.source == f"official {year}"
        ids = edition.format.ids
        labels = np.arange(len(ids)) % 11
        answers = split(Answers(ids, {TARGET: labels}), b"key", "hw03", edition.rules.public_share)
        assert answers.usage is not None
        assert int((answers.usage == 1).sum()) == rows


# The course's pictures


def jpeg(pixels: NDArray[np.uint8], quality: int = 90) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def drawing(seed: int, side: int = 40) -> bytes:
    """Some picture: coarse coloured squares, so that it stays the same after another compression."""
    cells = np.random.default_rng(seed).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    return jpeg(cells.repeat(side // 4, axis=0).repeat(side // 4, axis=1))


def write(place: Path, name: str, data: bytes) -> None:
    (place / name).parent.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(data)


def given(place: Path, layout: Layout, each: int = 8) -> Path:
    """A folder in the course's layout with `each` drawings of a class in training and half as many in validation."""
    seed = 0
    for label in LABELS:
        for folder, count in ((layout.training_folder, each), (layout.validation_folder, each // 2)):
            for number in range(count):
                write(place, layout.labelled_name(folder, label, number), drawing(seed := seed + 1))
    if layout.folders:
        for number in range(20):
            write(place, f"{layout.unlabelled_folder}/{number}.jpg", drawing(seed := seed + 1))
    for number in range(5):
        write(place, layout.test_name(number), drawing(seed := seed + 1))
    write(place, f"{layout.root}/.DS_Store", b"no picture")
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
    assert made.answers.groups is not None
    assert made.train_groups is not None
    assert not set(made.answers.groups) & set(made.train_groups)
    assert find_leaks(tmp_path / "public", marked(made)) == []


def test_the_seed_chooses_what_is_hidden_and_a_zip_gives_the_same_as_its_folder(tmp_path: Path) -> None:
    source = given(tmp_path / "source", LAYOUT_2021)
    with zipfile.ZipFile(tmp_path / "food-11.zip", "w") as archive:
        for path in sorted(source.rglob("*.jpg"), reverse=True):
            archive.write(path, path.relative_to(source).as_posix())
    with zipfile.ZipFile(tmp_path / "copy.zip", "w", zipfile.ZIP_LZMA) as archive:
        for path in source.rglob("*.jpg"):
            archive.write(path, path.relative_to(tmp_path).as_posix())  # the folder below another one
    (tmp_path / "zip").mkdir()
    shutil.copy(tmp_path / "food-11.zip", tmp_path / "zip")
    (tmp_path / "zip" / "._food-11.zip").write_bytes(b"of macOS")
    places = {"a": source, "b": tmp_path / "food-11.zip", "c": tmp_path / "copy.zip", "d": source / "food-11"}
    places |= {"e": tmp_path / "zip", "f": source}
    seeds = dict.fromkeys("abcde", 1) | {"f": 2}
    made = {name: take(places[name], tmp_path / name, LAYOUT_2021, seed) for name, seed in seeds.items()}
    files = {name: [(tmp_path / name / n).read_bytes() for n in names_below(tmp_path / name)] for name in seeds}
    assert files["a"] == files["b"] == files["c"] == files["d"] == files["e"] != files["f"]
    for name in "bcde":
        assert made["a"].answers.columns[TARGET].tolist() == made[name].answers.columns[TARGET].tolist()


@pytest.mark.parametrize("layout", [LAYOUT_2021, LAYOUT_2022])
def test_files_that_macos_and_notebooks_add_are_not_read(tmp_path: Path, layout: Layout) -> None:
    source = given(tmp_path / "source", layout)
    take(source, tmp_path / "a", layout)
    for name in names_below(source):
        folder, _, file = name.rpartition("/")
        write(source, f"__MACOSX/{folder}/._{file}", b"\0\5\x16\7")
        write(source, f"{folder}/._{file}", b"\0\5\x16\7")
        write(source, f"{folder}/.ipynb_checkpoints/{file}", (source / name).read_bytes())
    with zipfile.ZipFile(tmp_path / "food.zip", "w") as archive:
        for path in source.rglob("*.jpg"):
            archive.write(path, path.relative_to(source).as_posix())
    for name, place in (("b", source), ("c", tmp_path / "food.zip")):
        take(place, tmp_path / name, layout)
        assert [(tmp_path / name / n).read_bytes() for n in names_below(tmp_path / name)] == [
            (tmp_path / "a" / n).read_bytes() for n in names_below(tmp_path / "a")
        ]


def test_two_copies_of_the_tree_are_refused_and_capital_letters_are_not(tmp_path: Path) -> None:
    source = given(tmp_path / "source", LAYOUT_2021)
    shutil.copytree(source / "food-11", tmp_path / "other" / "Food-11")
    labelled = tmp_path / "other" / "Food-11" / "training" / "labeled"
    labelled.rename(labelled.with_name("Labeled"))
    assert len(take(tmp_path / "other", tmp_path / "a", LAYOUT_2021).answers) == 33
    shutil.copytree(source / "food-11", source / "old" / "food-11")
    message = refused(source, tmp_path / "b", LAYOUT_2021)
    assert "expected one folder food-11; found source/food-11/, source/old/food-11/" in message


@pytest.mark.parametrize("side", [40, 128])
def test_copies_of_other_size_or_compression_never_straddle_and_other_pictures_stay_apart(side: int) -> None:
    rng = np.random.default_rng(side)
    pictures = [Image.fromarray(world.picture(kitchen(side), k % 11, side, rng)) for k in range(40)]
    whole = [importer.thumbnail(jpeg(np.asarray(picture), 95), "") for picture in pictures]
    for resized, quality in ((side, 75), (2 * side, 50), (side * 3 // 2, 75), (side * 4 // 5, 90)):
        copies = [picture.resize((resized, resized), Image.Resampling.BICUBIC) for picture in pictures]
        small = [importer.thumbnail(jpeg(np.asarray(copy), quality), "") for copy in copies]
        groups = same_groups(np.array(whole + small), importer.SAME)
        assert groups.tolist() == [*range(40), *range(40)]


def test_pictures_that_show_the_same_never_straddle(tmp_path: Path) -> None:
    source = given(tmp_path / "source", LAYOUT_2021)
    for label in LABELS:
        first = source / LAYOUT_2021.labelled_name(LAYOUT_2021.training_folder, label, 0)
        pixels = np.asarray(Image.open(first))
        copies = {1: first.read_bytes(), 2: jpeg(pixels, 80), 3: jpeg(pixels.repeat(2, axis=0).repeat(2, axis=1))}
        for number, data in copies.items():
            write(source, LAYOUT_2021.labelled_name(LAYOUT_2021.validation_folder, label, number), data)
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


def test_a_missing_class_a_strange_class_and_another_year_are_refused(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("zipped", [False, True])
def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path, zipped: bool) -> None:
    source = given(tmp_path / "source", LAYOUT_2022)
    name = "food11/training/4_2.jpg"
    png = io.BytesIO()
    Image.new("RGB", (9, 9)).save(png, "PNG")
    data = (source / name).read_bytes()
    for number, bad in enumerate((data[: len(data) // 2], b"", b"<html>", png.getvalue())):
        (source / name).write_bytes(bad)
        place = source
        if zipped:
            place = tmp_path / f"{number}.zip"
            with zipfile.ZipFile(place, "w") as archive:
                for path in source.rglob("*.jpg"):
                    archive.write(path, path.relative_to(source).as_posix())
        message = refused(place, tmp_path / f"public-{number}", LAYOUT_2022)
        assert f"{name}: expected a whole JPEG picture" in message


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_or_encrypted_zip_a_missing_place_and_no_place_are_refused(tmp_path: Path, method: int) -> None:
    source = given(tmp_path / "source", LAYOUT_2022)
    with zipfile.ZipFile(tmp_path / "food.zip", "w", method) as archive:
        for path in source.rglob("*.jpg"):
            archive.write(path, path.relative_to(source).as_posix())
    data = (tmp_path / "food.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "food.zip") as archive:
        first = archive.infolist()[0]
    packed = 30 + len(first.filename)  # where the bytes of the first picture begin
    listed = data.index(b"PK\1\2")
    damaged = {
        "cut": data[:-30],
        "changed": data[: packed + 20] + bytes(40) + data[packed + 60 :],
        "encrypted": data[:6] + b"\1" + data[7 : listed + 8] + b"\1" + data[listed + 9 :],
        "unknown": data[: listed + 6] + b"\xff" + data[listed + 7 :],
        "text": b"text",
    }
    for name, bad in damaged.items():
        (tmp_path / f"{name}.zip").write_bytes(bad)
        assert "cannot be read" in refused(tmp_path / f"{name}.zip", tmp_path / name, LAYOUT_2022)
    assert "no such folder or archive" in refused(tmp_path / "gone", tmp_path / "b", LAYOUT_2022)


def test_a_class_of_hundreds_of_digits_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "food.zip", "w") as archive:
        archive.writestr(f"food11/training/{'1' * 900}_1.jpg", drawing(0))
    assert "expected a name that begins with its class" in refused(tmp_path / "food.zip", tmp_path / "a", LAYOUT_2022)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,320 real pictures of 32 pixels in the layout of 2021: CIFAR-10's ten classes, and drawn faces as another."""
    if not CIFAR.exists() or not FACES.exists():
        pytest.skip("the CIFAR-10 and face pictures are not in ../shared/data")
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
                write(place, target, jpeg(np.asarray(picture)))
    return place


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


@pytest.mark.parametrize("level", baseline.LEVELS)
def test_every_level_writes_a_file_that_the_reader_takes(
    prepared: tuple[str, Path, Made], level: str, tmp_path: Path
) -> None:
    edition, folder, made = prepared
    overrides = [*SHORT, "hidden=16"] + (["confidence=0.09"] if level in ("strong", "boss") else [])
    path = train_level("hw3", level, folder, tmp_path, seed=1, device="cpu", overrides=overrides)
    columns = read(path.read_bytes(), TASK.edition(edition).format.fit(made.answers))
    assert columns[TARGET].shape == (len(made.answers),)
    log = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(log) == 2 * baseline.settings(level, folder).rounds
    assert all(np.isfinite(list(row.values())).all() for row in log)
    assert (log[-1]["pseudo_labels"] > 0) == (level in ("strong", "boss") and edition == "builtin")


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [2, 3, 5])
def test_a_stopped_run_taken_up_again_ends_with_the_same_bytes(
    prepared: tuple[str, Path, Made], tmp_path: Path, stop_at: int
) -> None:
    """Epoch 3 is the last of the first round, which labels pictures for the second one."""
    _, folder, _ = prepared
    overrides = ["epochs=3", "side=24", "channels=4,8,8", "confidence=0.09", "views=2"]

    def stop(done: int, total: int, metrics: object) -> None:
        if done == stop_at:
            raise InterruptedError

    whole = train_level("hw03", "boss", folder, tmp_path / "whole", seed=2, device="cpu", overrides=overrides)
    with pytest.raises(InterruptedError):
        train_level("hw03", "boss", folder, tmp_path / "run", seed=2, device="cpu", overrides=overrides, progress=stop)
    epochs: list[int] = []
    again = train_level(
        "hw03", "boss", folder, tmp_path / "run", seed=2, device="cpu", overrides=overrides,
        progress=lambda done, total, metrics: epochs.append(done),
    )  # fmt: skip
    assert epochs == list(range(stop_at + 1, 3 * baseline.settings("boss", folder).rounds + 1))
    assert again.read_bytes() == whole.read_bytes()
    for name in ("metrics.jsonl", "checkpoint.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_pictures_are_read_with_their_classes_and_ids(prepared: tuple[str, Path, Made]) -> None:
    edition, folder, made = prepared
    root = baseline.root_of(folder)
    layout = BUILTIN[edition]
    counts = TINY[layout.year]
    valid = baseline.labelled(root, "validation", 40)
    assert sorted(valid.labels.tolist()) == np.repeat(LABELS, counts.validation).tolist()
    one = next(k for k, label in enumerate(valid.labels.tolist()) if label == 7)
    pixels = np.asarray(Image.open(folder / layout.labelled_name(layout.validation_folder, 7, 0)))
    assert np.array_equal(valid.pixels[one].permute(1, 2, 0).numpy(), pixels)
    ids, asked = baseline.test(root, 40)
    assert ids == [str(name) for name in made.answers.ids]
    pixels = np.asarray(Image.open(folder / layout.test_name(9)))
    assert np.array_equal(asked[9].permute(1, 2, 0).numpy(), pixels)
    assert len(baseline.unlabelled(root, 24)) == counts.unlabelled
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
    prepared: tuple[str, Path, Made],
) -> None:
    edition, folder, _ = prepared
    counts = TINY[BUILTIN[edition].year]
    known, held = baseline.split(replace(baseline.LEVELS["boss"], side=24), baseline.root_of(folder), 0)
    total = 11 * (counts.training + counts.validation)
    assert len(known.labels) + len(held.labels) == total
    assert len(held.labels) == -(-total // 10)
    sides = [{picture.numpy().tobytes() for picture in part.pixels} for part in (known, held)]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize(("edition", "weights"), [("builtin", 4_634_891), ("builtin-2022", 12_833_803)])
def test_simple_on_large_pictures_is_the_courses_sample_network(edition: str, weights: int, tmp_path: Path) -> None:
    layout = BUILTIN[edition]
    write(tmp_path, layout.labelled_name(layout.validation_folder, 0, 0), drawing(0, 128))
    config = baseline.settings("simple", tmp_path)
    network = baseline.new_network(config, len(CLASSES), 0, "cpu")
    assert sum(weight.numel() for weight in network.parameters()) == weights
    assert (config.side, config.lr, config.weight_decay, config.clip) == (128, 3e-4, 1e-5, 10.0)
    assert baseline.settings("boss", tmp_path).channels == (64, 128, 256, 512)
