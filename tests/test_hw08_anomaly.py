"""HW8: the drawn world gives nothing away, and the course's files are carved without a leak."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from baselines.common import train_level
from baselines.hw08_anomaly import cut_paste, mahalanobis, scaled, seen
from baselines.pictures import oriented_gradients
from harness.answers import read_secret
from harness.competition import find_competition
from harness.home import Home
from submissions.reader import read
from tasks.auc import AUC
from tasks.base import PUBLIC, Made, UserError
from tasks.hw08_anomaly import LAYOUT_2021, LAYOUT_2022, TASK, TEST_FILE, TRAIN_FILE, world
from tasks.hw08_anomaly.faces import QUIRKS, RANGES, SCENE, Brush, Draw, Manner
from tasks.hw08_anomaly.official import ALTERED, DRAWN, alter
from tasks.pictures import tiles
from tasks.split import split
from tasks.streams import fixed
from tests.bench.tricks import general
from tests.conftest import SHARED, needs

LAYOUTS = {"builtin": LAYOUT_2021, "builtin-2022": LAYOUT_2022, "2021": LAYOUT_2021, "2022": LAYOUT_2022}
LAYOUTS["own"] = LAYOUT_2022
Images = NDArray[np.uint8]


def make(public: Path, edition: str, seed: int, source: Path | None = None) -> Made:
    public.mkdir(parents=True, exist_ok=True)
    return TASK.edition(edition).make(public, fixed(seed), "small", source)


def arrays(public: Path, edition: str) -> tuple[Images, Images]:
    folder = public / LAYOUTS[edition].folder
    return np.load(folder / TRAIN_FILE, allow_pickle=False), np.load(folder / TEST_FILE, allow_pickle=False)


def labels_of(made: Made) -> NDArray[np.int64]:
    (values,) = made.answers.columns.values()
    return values


def kinds_of(made: Made) -> NDArray[np.str_]:
    assert made.answers.strata is not None
    return made.answers.strata


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    """A built-in world of enough test images for a statistic."""
    public = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.COUNTS, "small", (240, 1200))
        return public, make(public, "builtin", 3)


# The built-in world


@pytest.mark.parametrize(("edition", "folder"), [("builtin", "data-bin"), ("builtin-2022", "data")])
def test_the_arrays_lie_in_the_folder_of_the_year_and_have_its_shape(
    edition: str, folder: str, homes: Callable[[str], Home]
) -> None:
    home = homes(f"hw08{edition.removeprefix('builtin')}")
    public, answers = home.public("hw08"), read_secret(home, find_competition(home, "hw08")).answers
    train, test = arrays(public, edition)
    assert sorted(path.name for path in (public / folder).iterdir()) == [TEST_FILE, TRAIN_FILE]
    assert (train.shape, test.shape) == ((72, 64, 64, 3), (96, 64, 64, 3))
    assert train.dtype == test.dtype == np.uint8
    assert answers.ids == range(96)
    ((column, labels),) = answers.columns.items()
    assert column == ("Predicted" if edition == "builtin" else "score")
    assert labels.sum() == 48
    assert tiles(train).shape == (72, 192)
    assert np.allclose(tiles(test).mean(axis=1), test.mean(axis=(1, 2, 3)))


def test_the_full_world_has_the_courses_counts(tmp_path: Path) -> None:
    layout = replace(LAYOUT_2021, train_images=51, test_images=27)  # as large as the layout says
    made = world.make(layout, tmp_path, fixed(0), "full", processes=1)
    train, test = arrays(tmp_path, "builtin")
    assert (len(train), len(test), int(labels_of(made).sum())) == (51, 27, 13)
    assert (LAYOUT_2021.train_images, LAYOUT_2021.test_images) == (140_001, 19_999)
    assert (LAYOUT_2022.train_images, LAYOUT_2022.test_images) == (100_000, 19_636)


def test_half_of_the_test_is_normal_and_every_kind_has_the_same_share_on_both_boards(small: tuple[Path, Made]) -> None:
    _, made = small
    kinds, counts = np.unique(kinds_of(made), return_counts=True)
    each = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
    assert each.pop("normal") == len(made.answers) // 2
    shares = world.family(fixed(3)).kinds
    assert each == {kind: pytest.approx(600 * share, abs=1) for kind, share in shares.items()}
    assert np.array_equal(labels_of(made) == 1, kinds_of(made) != "normal")
    usage = split(made.answers, b"key", "hw08", 0.5).usage
    assert usage is not None
    for kind in kinds:
        public = usage[kinds_of(made) == kind] == PUBLIC
        assert abs(public.sum() - len(public) / 2) <= 1


def trivial(images: Images) -> dict[str, NDArray[Any]]:
    """What can be said of images (n, 64, 64, 3) without knowing a face."""
    values = images.astype(np.float32)
    flat = values.reshape(len(values), -1)
    bent = (
        4 * values[:, 1:-1, 1:-1]
        - values[:, 2:, 1:-1]
        - values[:, :-2, 1:-1]
        - values[:, 1:-1, 2:]
        - values[:, 1:-1, :-2]
    )
    corner = values[:, :6, :6].reshape(len(values), -1)
    return {
        "order": np.arange(len(values)),
        "mean": flat.mean(axis=1),
        "variance": flat.var(axis=1),
        "darkest": flat.min(axis=1),
        "lightest": flat.max(axis=1),
        "colour": np.ptp(values, axis=3).mean(axis=(1, 2)),
        "contours": np.abs(np.diff(values, axis=1)).mean(axis=(1, 2, 3)),
        "noise": np.median(np.abs(bent), axis=(1, 2, 3)),
        "background": corner.mean(axis=1),
        "background noise": np.diff(corner, axis=1).std(axis=1),
        "equal pixels": (np.diff(flat, axis=1) == 0).mean(axis=1),
        "clipped pixels": ((flat == 0) | (flat == 255)).mean(axis=1),
    }


def test_order_light_colour_contours_and_noise_do_not_tell_an_anomaly(small: tuple[Path, Made]) -> None:
    public, made = small
    labels = labels_of(made)
    for name, values in trivial(arrays(public, "builtin")[1]).items():
        auc = roc_auc_score(labels, values)
        assert abs(auc - 0.5) < (0.045 if name == "order" else 0.09), f"{name}: {auc:.3f}"


def test_a_change_of_the_anomalies_light_or_noise_would_be_seen(small: tuple[Path, Made]) -> None:
    public, made = small
    labels, test = labels_of(made), arrays(public, "builtin")[1].astype(np.int16)
    lighter = np.clip(test + 25 * labels[:, None, None, None], 0, 255).astype(np.uint8)
    noise = np.random.default_rng(0).normal(0, 4, test.shape) * labels[:, None, None, None]
    noisier = np.clip(test + noise, 0, 255).astype(np.uint8)
    assert roc_auc_score(labels, trivial(lighter)["mean"]) > 0.6
    assert roc_auc_score(labels, trivial(noisier)["noise"]) > 0.6


def test_no_image_is_there_twice(small: tuple[Path, Made]) -> None:
    train, test = arrays(small[0], "builtin")
    images = [image.tobytes() for part in (train, test) for image in part]
    assert len(set(images)) == len(images)


def test_a_key_decides_what_is_normal_and_which_kinds_there_are() -> None:
    families = [world.family(fixed(seed)) for seed in range(16)]
    for family in families:
        kinds, quirks = set(family.kinds), set(family.manner.quirks)
        assert sum(family.kinds.values()) == pytest.approx(1)
        assert quirks | kinds >= set(QUIRKS)
        assert not quirks & kinds
        assert len(quirks) == len(QUIRKS) // 2
        assert sum(family.kinds[kind] for kind in kinds & set(world.ELSE)) == pytest.approx(0.08)
        for name, (low, high) in (RANGES | SCENE).items():
            mine = family.manner.ranges[name]
            assert low <= mine[0] < mine[1] <= high
    for quirk in QUIRKS:
        assert len({quirk in family.manner.quirks for family in families}) == 2, f"{quirk} is always one or the other"
    assert world.family(fixed(3)) == families[3]


def painted(kind: str, count: int = 24) -> NDArray[np.float32]:
    """Pictures (3, count, 64, 64) before the camera, whose people are the same for every kind."""
    place = np.linspace(-1, 1, 64, dtype=np.float32)
    brush = Brush(np.zeros((3, count, 64, 64), np.float32), place[None, None, :], place[None, :, None])
    d = Draw(np.random.default_rng(5), count)
    (world.KINDS[kind] if kind != "normal" else world.normal)(d, brush, Manner())
    return brush.picture


@pytest.mark.parametrize("kind", [*world.WRONG, *QUIRKS])
def test_an_anomaly_is_a_face_but_for_what_is_wrong_with_it(kind: str) -> None:
    change = np.abs(painted(kind) - painted("normal")).max(axis=0)  # (24, 64, 64)
    pixels = (change > 0.08).sum(axis=(1, 2))
    assert np.median(pixels) > 8
    assert (pixels > 3).mean() > 0.9
    large = ("halves", "mirrored", "inverted", "two suns", "two-tone hair", "unlike age", "other beard")
    if kind not in large:
        assert (change > 0.02).mean(axis=(1, 2)).max() < 0.4


# The course's files


def faces(count: int, seed: int = 0) -> Images:
    return np.random.default_rng(seed).integers(0, 256, (count, 64, 64, 3)).astype(np.uint8)


def course_folder(folder: Path, images: Any, inside: str = "") -> Path:
    (folder / inside).mkdir(parents=True, exist_ok=True)
    np.save(folder / inside / TRAIN_FILE, images)
    return folder


@needs("olivetti", "cifar10")
def test_olivetti_faces_against_pictures_of_things_are_imported_trained_and_scored(tmp_path: Path) -> None:
    grey = np.load(SHARED / "olivetti" / "olivetti_faces.npy", allow_pickle=False)
    source = course_folder(tmp_path / "given", np.repeat(grey[..., None], 3, axis=3), "data-bin")
    (source / "anomalies").mkdir()
    with zipfile.ZipFile(SHARED / "cifar10" / "cifar10-jpg-6000.zip") as archive:
        for number, name in enumerate(sorted(archive.namelist())[:6000:120]):
            (source / "anomalies" / f"{number}.jpg").write_bytes(archive.read(name))
    made = make(tmp_path / "public", "2021", 4, source)
    train, test = arrays(tmp_path / "public", "2021")
    kinds = kinds_of(made)
    assert {kind: int((kinds == kind).sum()) for kind in ("normal", "given")} == {"normal": 80, "given": 40}
    assert set(kinds) == {"normal", "given", *ALTERED}
    assert len(train) == 400 - 80 - 40

    real = {np.repeat(image[..., None], 3, axis=2).tobytes() for image in grey}
    learnt, hidden = {image.tobytes() for image in train}, [image.tobytes() for image in test]
    assert learnt < real
    assert not learnt & set(hidden)
    assert len(set(hidden)) == len(hidden)
    assert [image in real for image in hidden] == (kinds == "normal").tolist()

    (tmp_path / "public" / "manifest.json").write_text("{}")
    path = train_level(
        "hw08", "medium", tmp_path / "public", tmp_path / "run", seed=0, device="cpu",
        overrides=["epochs=12", "width=8"],
    )  # fmt: skip
    predictions = read(path.read_bytes(), TASK.edition("2021").format.fit(made.answers))
    value = AUC.value(AUC.rows(made.answers.columns, predictions))
    assert value == pytest.approx(roc_auc_score(labels_of(made), predictions["Predicted"]), abs=1e-12)
    assert value > 0.7


@needs("olivetti", "animefaces")
def test_anime_faces_in_one_array_are_the_other_pictures_of_2022(tmp_path: Path) -> None:
    grey = np.load(SHARED / "olivetti" / "olivetti_faces.npy", allow_pickle=False)
    source = course_folder(tmp_path / "given", np.repeat(grey[..., None], 3, axis=3))
    with zipfile.ZipFile(SHARED / "animefaces" / "animefaces-2000.zip") as archive:
        files = [archive.read(name) for name in sorted(archive.namelist())[:30]]
    drawn = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((64, 64))) for data in files]
    np.save(source / "anomalies.npy", np.stack(drawn))
    made = make(tmp_path / "public", "2022", 4, source)
    _, test = arrays(tmp_path / "public", "2022")
    kinds = kinds_of(made)
    assert {image.tobytes() for image in test[kinds == "given"]} == {image.tobytes() for image in drawn}
    assert int((kinds == "normal").sum()) == int((kinds != "normal").sum()) == 80


def test_without_other_pictures_the_worlds_drawings_stand_in_and_equal_faces_are_dropped(tmp_path: Path) -> None:
    images = faces(200)
    images[150:] = images[:50]
    source = course_folder(tmp_path / "given", images.astype(np.float32), "below/data-bin")
    made = make(tmp_path / "public", "2021", 1, source)
    train, test = arrays(tmp_path / "public", "2021")
    assert set(kinds_of(made)) == {"normal", *ALTERED, *DRAWN}
    assert (len(train), len(test)) == (150 - 30 - 15, 60)
    learnt, given = ({image.tobytes() for image in some} for some in (train, images))
    assert learnt < given
    assert not learnt & {image.tobytes() for image in test}
    assert len(learnt) == len(train)


def test_faces_that_are_nearly_equal_are_never_both_kept(tmp_path: Path) -> None:
    some = world.pictures("normal", np.random.default_rng(0), 130)
    copies = []
    for number, face in enumerate(some[:60]):
        stream = io.BytesIO()
        size = (64, 64) if number % 2 else (48, 48)
        Image.fromarray(face).resize(size).save(stream, "JPEG", quality=75)
        copies.append(np.asarray(Image.open(stream).resize((64, 64))))
    source = course_folder(tmp_path / "given", np.concatenate([some, np.stack(copies)]))
    given = np.concatenate([some[:10], np.stack(copies[10:20]), faces(3), faces(3)])
    np.save(source / "anomalies.npy", given)
    made = make(tmp_path / "public", "2021", 1, source)
    train, test = arrays(tmp_path / "public", "2021")
    kinds = kinds_of(made)
    normal = test[kinds == "normal"]
    assert {image.tobytes() for image in (*train, *normal)} < {image.tobytes() for image in some}
    assert {image.tobytes() for image in test[kinds == "given"]} <= {image.tobytes() for image in faces(3)}
    assert int((kinds == "given").sum()) <= 3
    assert len(test) == 2 * len(normal) == 2 * (130 // 5)


def test_no_two_test_images_share_a_piece_of_a_face(tmp_path: Path) -> None:
    images = faces(300)  # noise: equal squares of 8 pixels are of one face
    made = make(tmp_path / "public", "2021", 1, course_folder(tmp_path / "given", images))
    train, test = arrays(tmp_path / "public", "2021")
    kinds = kinds_of(made)
    of_faces = test[np.isin(kinds, ["normal", "halves", "shuffled", "exchanged"])]
    seen: dict[bytes, int] = {}
    for number, image in enumerate((*train, *of_faces)):
        squares = image.reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(64, -1)
        assert all(seen.setdefault(square.tobytes(), number) == number for square in squares)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (faces(99), "expected at least 100 faces; found 99"),
        (faces(0), r"found uint8 \(0, 64, 64, 3\)"),
        (np.tile(faces(90), (2, 1, 1, 1)), "expected at least 100 different faces; found 90"),
        (faces(120)[:, :32], r"found uint8 \(120, 32, 64, 3\)"),
        (faces(120)[..., 0], r"found uint8 \(120, 64, 64\)"),
        (faces(120) / 255, "whole numbers from 0 to 255"),
        (faces(120).astype(np.int16) - 1, "whole numbers from 0 to 255"),
        (np.asfortranarray(faces(120)), "Fortran order"),
        (np.array([b"a", 1], dtype=object), "found object"),
    ],
)
def test_an_array_that_is_not_the_courses_is_refused(tmp_path: Path, images: Any, message: str) -> None:
    source = course_folder(tmp_path / "given", images)
    with pytest.raises(UserError, match=message):
        make(tmp_path / "public", "2021", 0, source)
    assert not list((tmp_path / "public").iterdir())


def test_arrays_that_are_cut_off_or_none_are_refused_with_what_to_do(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / TRAIN_FILE).write_bytes(b"not an array")
    with pytest.raises(UserError, match="cannot be read"):
        make(tmp_path / "public", "2021", 0, given)
    stream = io.BytesIO()
    np.save(stream, faces(600))
    (given / TRAIN_FILE).write_bytes(stream.getvalue()[:-1])
    with pytest.raises(UserError, match="expected 600 images; the file is cut off after 500"):
        make(tmp_path / "public", "2021", 0, given)
    (given / TRAIN_FILE).write_bytes(stream.getvalue().replace(b"(600, 64", b"(((((64"))
    with pytest.raises(UserError, match="cannot be read"):
        make(tmp_path / "public", "2021", 0, given)


def test_other_pictures_are_found_beside_the_faces_and_must_be_pictures_of_something_else(tmp_path: Path) -> None:
    source = course_folder(tmp_path / "given", faces(120), "data-bin")
    folder = source / "data-bin" / "anomalies"
    folder.mkdir()
    Image.fromarray(faces(1, 5)[0]).save(folder / "1.png")
    (folder / "._1.png").write_bytes(b"of macOS")
    (source / "__MACOSX" / "anomalies").mkdir(parents=True)
    assert set(kinds_of(make(tmp_path / "a", "2021", 0, source))) == {"normal", "given", *ALTERED}
    (folder / "2.png").write_bytes((folder / "1.png").read_bytes()[:-30])
    with pytest.raises(UserError, match=r"2\.png: expected a whole JPEG or PNG picture"):
        make(tmp_path / "b", "2021", 0, source)
    (source / "anomalies").mkdir()
    (source / "anomalies" / "notes.txt").write_text("no picture")
    with pytest.raises(UserError, match="expected one folder anomalies; found anomalies, data-bin/anomalies"):
        make(tmp_path / "c", "2021", 0, source)
    shutil.rmtree(folder)
    with pytest.raises(UserError, match="anomalies: expected JPEG or PNG files; found none"):
        make(tmp_path / "d", "2021", 0, source)
    np.save(source / "anomalies.npy", faces(120))
    with pytest.raises(UserError, match="all of them are among the faces"):
        make(tmp_path / "e", "2021", 0, source)


@pytest.mark.parametrize(("asked", "given", "count"), [("2021", "2022", 100_000), ("2022", "2021", 140_001)])
def test_the_file_of_the_other_year_is_told(tmp_path: Path, asked: str, given: str, count: int) -> None:
    source = course_folder(tmp_path / "given", faces(500))
    path = source / TRAIN_FILE
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 64, 64, 3), }}".encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + faces(500).tobytes())
    with pytest.raises(UserError, match=f"those of {given}, not of {asked}; use --edition {given}"):
        make(tmp_path / "public", asked, 0, source)


@pytest.mark.parametrize("kind", ALTERED)
def test_every_alteration_changes_a_photograph_and_keeps_its_shape(kind: str) -> None:
    face, other = faces(2, seed=3)
    for seed in range(5):
        changed = alter(kind, face, other, np.random.default_rng(seed))
        assert changed.shape == (64, 64, 3)
        assert changed.dtype == np.uint8
        assert (changed != face).any(axis=2).mean() > 0.08


# The baselines


def test_a_folder_without_the_arrays_is_refused(tmp_path: Path) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"expected trainingset\.npy in one of the folders data-bin, data"):
        train_level("hw08", "simple", tmp_path / "public", tmp_path / "run", seed=0, device="cpu")


def test_cut_and_pasted_images_differ_where_it_is_said_and_keep_to_the_range() -> None:
    images = scaled(torch.from_numpy(world.pictures("normal", np.random.default_rng(0), 64)).permute(0, 3, 1, 2))
    wrong, where = cut_paste(images, torch.Generator().manual_seed(1))
    again, _ = cut_paste(images, torch.Generator().manual_seed(1))
    assert torch.equal(wrong, again)
    assert wrong.shape == images.shape
    assert where.shape == (64, 1, 64, 64)
    assert float(wrong.abs().max()) <= 1
    change = (wrong - images).abs().amax(1, keepdim=True)
    assert float(change[where == 0].max()) < 0.11  # two pieces may each change a pixel by 0.05
    assert (where.flatten(1).amax(1) > 0.5).float().mean() > 0.9


def test_the_gradients_are_those_of_the_bench_and_the_distance_is_that_of_ledoit_and_wolf() -> None:
    images = world.pictures("normal", np.random.default_rng(1), 90)
    tensor = scaled(torch.from_numpy(images).permute(0, 3, 1, 2))
    features = oriented_gradients(tensor)
    ours = np.sort(features.numpy(), axis=1)  # the order of the features is another one
    assert np.abs(ours - np.sort(general.hog(images), axis=1)).max() < 2e-3
    x = seen(tensor)[:, ::8]  # of all 2,532, scikit-learn would invert the covariance for half a minute
    mean, spread = x[:70].mean(0), x[:70].std(0, correction=0).clamp(min=1e-4)
    y = ((x - mean) / spread).double().numpy()
    theirs = LedoitWolf(assume_centered=True).fit(y[:70]).mahalanobis(y)
    assert mahalanobis(x[:70], x).square().numpy() == pytest.approx(theirs, rel=2e-3)
