"""HW8: the drawn world gives nothing away, the course's files are carved without a leak, every level resumes."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from baselines.common import train_level
from baselines.hw08_anomaly import LEVELS, cut_paste, mahalanobis, scaled, seen
from baselines.pictures import oriented_gradients
from submissions.reader import read
from tasks.auc import AUC
from tasks.base import PUBLIC, Made, SubmissionError, UserError
from tasks.formats import TableFormat
from tasks.hw08_anomaly import LAYOUT_2021, LAYOUT_2022, TASK, TEST_FILE, TRAIN_FILE, world
from tasks.hw08_anomaly.faces import QUIRKS, RANGES, SCENE, Brush, Draw, Manner
from tasks.hw08_anomaly.official import ALTERED, DRAWN, alter
from tasks.split import split
from tasks.streams import fixed
from tests.bench.tricks import general

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"
LAYOUTS = {"builtin": LAYOUT_2021, "builtin-2022": LAYOUT_2022, "2021": LAYOUT_2021, "2022": LAYOUT_2022}
Images = NDArray[np.uint8]


def needs(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not all((SHARED / name).exists() for name in names), reason=f"not in ../shared/data: {', '.join(names)}"
    )


def make(public: Path, edition: str, seed: int, source: Path | None = None) -> Made:
    public.mkdir(parents=True, exist_ok=True)
    return TASK.edition(edition).make(public, fixed(seed), "small", source)


def listed(public: Path) -> Path:
    """The folder with the manifest that `prepare` adds, which tells a run of other data."""
    facts = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(public.rglob("*")) if path.is_file()
    }
    (public / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
    return public


def arrays(public: Path, edition: str) -> tuple[Images, Images]:
    folder = public / LAYOUTS[edition].folder
    return np.load(folder / TRAIN_FILE, allow_pickle=False), np.load(folder / TEST_FILE, allow_pickle=False)


def format_of(edition: str, ids: range | tuple[str, ...]) -> TableFormat:
    """The format of an edition, for these ids."""
    form = TASK.edition(edition).format
    assert isinstance(form, TableFormat)
    return replace(form, ids=ids)


def labels_of(made: Made) -> NDArray[np.int64]:
    (values,) = made.answers.columns.values()
    return values


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(world.COUNTS, "small", (72, 48))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    """A built-in world of enough test images for a statistic."""
    public = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.COUNTS, "small", (240, 1200))
        return public, make(public, "builtin", 3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built-in world of a few images, for the baselines."""
    public = tmp_path_factory.mktemp("tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.COUNTS, "small", (72, 48))
        make(public, "builtin", 0)
    return listed(public)


# The built-in world


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("edition", ["builtin", "builtin-2022"])
def test_the_arrays_lie_in_the_folder_of_the_year_and_have_its_shape(tmp_path: Path, edition: str) -> None:
    made = make(tmp_path, edition, 1)
    train, test = arrays(tmp_path, edition)
    folder = "data-bin" if edition == "builtin" else "data"
    assert sorted(path.name for path in (tmp_path / folder).iterdir()) == [TEST_FILE, TRAIN_FILE]
    assert [path.name for path in tmp_path.iterdir()] == [folder]
    assert (train.shape, test.shape) == ((72, 64, 64, 3), (48, 64, 64, 3))
    assert train.dtype == test.dtype == np.uint8
    assert made.answers.ids == range(48)
    assert list(made.answers.columns) == (["Predicted"] if edition == "builtin" else ["score"])
    assert labels_of(made).sum() == 24
    assert made.train is not None
    assert made.test is not None
    assert made.train.shape == (72, 192)
    assert np.allclose(made.test.mean(axis=1), test.mean(axis=(1, 2, 3)))


def test_the_full_world_has_the_courses_counts(tmp_path: Path) -> None:
    layout = replace(LAYOUT_2021, train_images=51, test_images=27)  # as large as the layout says
    made = world.make(layout, tmp_path, fixed(0), "full", processes=1)
    train, test = arrays(tmp_path, "builtin")
    assert (len(train), len(test), int(labels_of(made).sum())) == (51, 27, 13)
    assert (LAYOUT_2021.train_images, LAYOUT_2021.test_images) == (140_001, 19_999)
    assert (LAYOUT_2022.train_images, LAYOUT_2022.test_images) == (100_000, 19_636)


def test_an_unknown_size_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="small, full"):
        TASK.edition("builtin").make(tmp_path, fixed(0), "huge", None)


@pytest.mark.usefixtures("few")
def test_the_same_seed_gives_the_same_bytes_in_another_process_and_another_seed_other_images(tmp_path: Path) -> None:
    first, other = make(tmp_path / "a", "builtin", 7), make(tmp_path / "c", "builtin", 8)
    (tmp_path / "b").mkdir()
    code = (
        "from pathlib import Path; from tasks.hw08_anomaly import LAYOUT_2021, world; from tasks.streams import fixed; "
        "world.COUNTS['small'] = (72, 48); "
        f"world.make(LAYOUT_2021, Path({str(tmp_path / 'b')!r}), fixed(7), 'small')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=60)
    for name in (TRAIN_FILE, TEST_FILE):
        bytes_of = {run: (tmp_path / run / "data-bin" / name).read_bytes() for run in "abc"}
        assert bytes_of["a"] == bytes_of["b"] != bytes_of["c"]
    assert not np.array_equal(labels_of(first), labels_of(other))


def test_half_of_the_test_is_normal_and_every_kind_has_the_same_share_on_both_boards(small: tuple[Path, Made]) -> None:
    _, made = small
    assert made.answers.strata is not None
    kinds, counts = np.unique(made.answers.strata, return_counts=True)
    each = dict(zip(kinds.tolist(), counts.tolist(), strict=True))
    assert each.pop("normal") == len(made.answers) // 2
    shares = world.family(fixed(3)).kinds
    assert each == {kind: pytest.approx(600 * share, abs=1) for kind, share in shares.items()}
    assert np.array_equal(labels_of(made) == 1, made.answers.strata != "normal")
    usage = split(made.answers, b"key", "hw08", 0.5).usage
    assert usage is not None
    for kind in kinds:
        public = usage[made.answers.strata == kind] == PUBLIC
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


def test_several_processes_make_the_same_images(tmp_path: Path) -> None:
    layout = replace(LAYOUT_2021, train_images=600, test_images=40)
    for count in (1, 2):
        (tmp_path / str(count)).mkdir()
        world.make(layout, tmp_path / str(count), fixed(0), "full", processes=count)
    first, second = ([part.tobytes() for part in arrays(tmp_path / name, "builtin")] for name in "12")
    assert first == second


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


# The formats and the metric


@needs("submissions")
@pytest.mark.parametrize("edition", ["2021", "2022"])
def test_real_submissions_of_the_course_are_read_and_those_of_the_other_year_refused(edition: str) -> None:
    form = TASK.edition(edition).format
    assert isinstance(form, TableFormat)
    other = "2022" if edition == "2021" else "2021"
    files = {year: sorted((SHARED / "submissions" / f"hw08-{year}").iterdir()) for year in (edition, other)}
    assert files[edition]
    for file in files[edition]:
        (values,) = read(file.read_bytes(), form).values()
        assert values.shape == (19_999 if edition == "2021" else 19_636,)
        assert values.std() > 0
    with pytest.raises(SubmissionError) as error:
        read(files[other][0].read_bytes(), form)
    assert other in str(error.value)


def test_the_bars_of_2021_are_the_courses_and_2022_has_none() -> None:
    bars = {bar.name: bar for bar in TASK.edition("2021").bars}
    assert {name: bar.public[0] for name, bar in bars.items()} == {
        "simple": ("roc_auc_score", 0.64046), "medium": ("roc_auc_score", 0.75719),
        "strong": ("roc_auc_score", 0.81304), "boss": ("roc_auc_score", 0.86590),
    }  # fmt: skip
    assert {name: bar.points for name, bar in bars.items()} == {
        "simple": (1.0, 1.0), "medium": (1.0, 1.0), "strong": (0.5, 0.5), "boss": (0.5, 0.5)
    }  # fmt: skip
    assert TASK.edition("2022").bars == ()
    assert [TASK.edition(name).metrics[0].name for name in LAYOUTS] == ["roc_auc_score"] * 4


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
    kinds = made.answers.strata
    assert kinds is not None
    assert {kind: int((kinds == kind).sum()) for kind in ("normal", "given")} == {"normal": 80, "given": 40}
    assert set(kinds) == {"normal", "given", *ALTERED}
    assert len(train) == 400 - 80 - 40

    real = {np.repeat(image[..., None], 3, axis=2).tobytes() for image in grey}
    learnt, hidden = {image.tobytes() for image in train}, [image.tobytes() for image in test]
    assert learnt < real
    assert not learnt & set(hidden)
    assert len(set(hidden)) == len(hidden)
    assert [image in real for image in hidden] == (kinds == "normal").tolist()

    path = train_level(
        "hw08",
        "medium",
        listed(tmp_path / "public"),
        tmp_path / "run",
        seed=0,
        device="cpu",
        overrides=["epochs=12", "width=8"],
    )
    form = format_of("2021", made.answers.ids)
    predictions = read(path.read_bytes(), form)
    value = AUC.value(AUC.rows(made.answers.columns, predictions))
    assert value == pytest.approx(roc_auc_score(labels_of(made), predictions["Predicted"]), abs=1e-12)
    assert value > 0.7


@needs("olivetti", "animefaces")
def test_anime_faces_in_one_array_are_the_other_pictures_of_2022(tmp_path: Path) -> None:
    from PIL import Image

    grey = np.load(SHARED / "olivetti" / "olivetti_faces.npy", allow_pickle=False)
    source = course_folder(tmp_path / "given", np.repeat(grey[..., None], 3, axis=3))
    with zipfile.ZipFile(SHARED / "animefaces" / "animefaces-2000.zip") as archive:
        files = [archive.read(name) for name in sorted(archive.namelist())[:30]]
    drawn = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB").resize((64, 64))) for data in files]
    np.save(source / "anomalies.npy", np.stack(drawn))
    made = make(tmp_path / "public", "2022", 4, source)
    _, test = arrays(tmp_path / "public", "2022")
    kinds = made.answers.strata
    assert kinds is not None
    assert {image.tobytes() for image in test[kinds == "given"]} == {image.tobytes() for image in drawn}
    assert int((kinds == "normal").sum()) == int((kinds != "normal").sum()) == 80


def test_without_other_pictures_the_worlds_drawings_stand_in_and_equal_faces_are_dropped(tmp_path: Path) -> None:
    images = faces(200)
    images[150:] = images[:50]
    source = course_folder(tmp_path / "given", images)
    made = make(tmp_path / "public", "2021", 1, source)
    train, test = arrays(tmp_path / "public", "2021")
    assert set(made.answers.strata.tolist()) == {"normal", *ALTERED, *DRAWN}  # type: ignore[union-attr]
    assert (len(train), len(test)) == (150 - 30 - 15, 60)
    assert not {image.tobytes() for image in train} & {image.tobytes() for image in test}
    assert len({image.tobytes() for image in train}) == len(train)


def test_faces_that_are_nearly_equal_are_never_both_kept(tmp_path: Path) -> None:
    from PIL import Image

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
    kinds = made.answers.strata
    assert kinds is not None
    normal = test[kinds == "normal"]
    assert {image.tobytes() for image in (*train, *normal)} < {image.tobytes() for image in some}
    assert {image.tobytes() for image in test[kinds == "given"]} <= {image.tobytes() for image in faces(3)}
    assert int((kinds == "given").sum()) <= 3
    assert len(test) == 2 * len(normal) == 2 * (130 // 5)


def test_no_two_test_images_share_a_piece_of_a_face(tmp_path: Path) -> None:
    images = faces(300)  # noise: equal squares of 8 pixels are of one face
    made = make(tmp_path / "public", "2021", 1, course_folder(tmp_path / "given", images))
    train, test = arrays(tmp_path / "public", "2021")
    kinds = made.answers.strata
    assert kinds is not None
    of_faces = test[np.isin(kinds, ["normal", "halves", "shuffled", "exchanged"])]
    seen: dict[bytes, int] = {}
    for number, image in enumerate((*train, *of_faces)):
        squares = image.reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(64, -1)
        assert all(seen.setdefault(square.tobytes(), number) == number for square in squares)


def test_a_folder_a_zip_a_tar_and_floats_of_whole_numbers_give_the_same_competition(tmp_path: Path) -> None:
    plain = course_folder(tmp_path / "plain", faces(120))
    (plain / "._data.zip").write_bytes(b"of macOS")
    course_folder(tmp_path / "floats", faces(120).astype(np.float32), "below/data-bin")
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain / TRAIN_FILE, f"data/{TRAIN_FILE}")
        archive.writestr(f"__MACOSX/data/._{TRAIN_FILE}", b"of macOS")
    (tmp_path / "tar").mkdir()
    with tarfile.open(tmp_path / "tar" / "data-bin.tar.gz", "w:gz") as tar:
        tar.add(plain / TRAIN_FILE, f"data-bin/{TRAIN_FILE}")
    (tmp_path / "tar" / "._data-bin.tar.gz").write_bytes(b"of macOS")
    results = []
    for number, source in enumerate((plain, tmp_path / "floats", tmp_path / "data.zip", tmp_path / "tar")):
        public = tmp_path / f"public{number}"
        made = make(public, "2021", 2, source)
        results.append([*(part.tobytes() for part in arrays(public, "2021")), labels_of(made).tobytes()])
    assert all(result == results[0] for result in results)
    make(tmp_path / "other", "2021", 3, plain)
    assert arrays(tmp_path / "other", "2021")[1].tobytes() != results[0][1]


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


def test_missing_cut_off_and_wrong_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder or archive"):
        make(tmp_path / "public", "2021", 0, tmp_path / "nowhere")
    given = tmp_path / "given"
    given.mkdir()
    with pytest.raises(UserError, match=r"expected the file trainingset\.npy of the 2021 edition"):
        make(tmp_path / "public", "2021", 0, given)
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
    course_folder(given, faces(120), "data-bin")
    with pytest.raises(UserError, match=r"expected one trainingset\.npy; found"):
        make(tmp_path / "public", "2021", 0, given)


def packed(kind: str, images: Images) -> bytes:
    stream, out = io.BytesIO(), io.BytesIO()
    np.save(stream, images)
    if kind.startswith("tar"):
        entry = tarfile.TarInfo(f"data-bin/{TRAIN_FILE}")
        entry.size = len(stream.getvalue())
        with tarfile.open(fileobj=out, mode=f"w:{kind[4:]}") as tar:  # type: ignore[call-overload]
            tar.addfile(entry, io.BytesIO(stream.getvalue()))
    else:
        with zipfile.ZipFile(out, "w", getattr(zipfile, kind)) as archive:
            archive.writestr(f"data-bin/{TRAIN_FILE}", stream.getvalue())
    return out.getvalue()


@pytest.mark.parametrize("kind", ["ZIP_STORED", "ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA", "tar.gz", "tar.bz2", "tar.xz"])
def test_a_damaged_archive_is_refused(tmp_path: Path, kind: str) -> None:
    """A changed byte is found by the archive's check sum, wherever in the images it lies."""
    data = packed(kind, faces(120))
    place = tmp_path / "data"
    place.write_bytes(data)
    make(tmp_path / "public", "2021", 0, place)
    for number, at in enumerate((100, len(data) // 2, len(data) // 2 + 7777)):
        place.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
        with pytest.raises(UserError, match="cannot be read"):
            make(tmp_path / f"public{number}", "2021", 0, place)
    place.write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="cannot be read"):
        make(tmp_path / "cut", "2021", 0, place)


def test_an_encrypted_zip_and_one_with_two_arrays_are_refused(tmp_path: Path) -> None:
    data, place = bytearray(packed("ZIP_STORED", faces(120))), tmp_path / "data.zip"
    data[6] = data[data.index(b"PK\1\2") + 8] = 1
    place.write_bytes(data)
    with pytest.raises(UserError, match="encrypted"):
        make(tmp_path / "public", "2021", 0, place)
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr(f"a/{TRAIN_FILE}", b"")
        archive.writestr(f"b/{TRAIN_FILE}", b"x")
    with pytest.raises(UserError, match=r"expected one trainingset\.npy; found a/trainingset\.npy and b/"):
        make(tmp_path / "public", "2021", 0, place)


def test_other_pictures_are_found_beside_the_faces_and_must_be_pictures_of_something_else(tmp_path: Path) -> None:
    from PIL import Image

    source = course_folder(tmp_path / "given", faces(120), "data-bin")
    folder = source / "data-bin" / "anomalies"
    folder.mkdir()
    Image.fromarray(faces(1, 5)[0]).save(folder / "1.png")
    (folder / "._1.png").write_bytes(b"of macOS")
    (source / "__MACOSX" / "anomalies").mkdir(parents=True)
    kinds = make(tmp_path / "a", "2021", 0, source).answers.strata
    assert kinds is not None
    assert set(kinds) == {"normal", "given", *ALTERED}
    (folder / "2.png").write_bytes((folder / "1.png").read_bytes()[:-30])
    with pytest.raises(UserError, match=r"2\.png: expected a whole JPEG or PNG picture"):
        make(tmp_path / "b", "2021", 0, source)
    np.save(source / "anomalies.npy", faces(120))
    with pytest.raises(UserError, match="all of them are among the faces"):
        make(tmp_path / "c", "2021", 0, source)


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


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_writes_a_submission_in_the_editions_format(tiny: Path, tmp_path: Path, level: str) -> None:
    path = train_level("hw8", level, tiny, tmp_path, seed=1, device="cpu", overrides=["epochs=2"])
    form = format_of("builtin", range(48))
    values = read(path.read_bytes(), form)["Predicted"]
    assert np.isfinite(values).all()
    assert len(np.unique(values)) > 40
    log = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["epoch"] for row in log] == ([] if level == "strong" else [1, 2])
    assert all(("image_loss" in row) == (level == "boss") for row in log)
    assert all(np.isfinite(list(row.values())).all() for row in log)


@pytest.mark.usefixtures("few")
def test_the_layout_of_2022_gets_its_own_header(tmp_path: Path) -> None:
    make(tmp_path / "public", "builtin-2022", 0)
    path = train_level(
        "hw08", "simple", listed(tmp_path / "public"), tmp_path / "run", seed=1, device="cpu", overrides=["epochs=1"]
    )
    assert path.read_text(encoding="utf-8").startswith("ID,score\n0,")


@pytest.mark.slow
@pytest.mark.parametrize("level", ["simple", "boss"])
def test_a_run_that_stopped_and_is_taken_up_again_ends_with_the_same_bytes(
    tiny: Path, tmp_path: Path, level: str
) -> None:
    def stop(done: int, total: int, metrics: object) -> None:
        if done == 2:
            raise InterruptedError

    def trained(name: str, seed: int = 3, **options: Any) -> bytes:
        return train_level(
            "hw08", level, tiny, tmp_path / name, seed=seed, device="cpu", overrides=["epochs=4"], **options
        ).read_bytes()

    whole = trained("whole")
    with pytest.raises(InterruptedError):
        trained("stopped", progress=stop)
    epochs: list[int] = []
    assert trained("stopped", progress=lambda done, total, metrics: epochs.append(done)) == whole
    assert epochs == [3, 4]
    assert (tmp_path / "stopped" / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert trained("other", seed=4) != whole


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
    x = seen(tensor)
    mean, spread = x[:70].mean(0), x[:70].std(0, correction=0).clamp(min=1e-4)
    y = ((x - mean) / spread).double().numpy()
    theirs = LedoitWolf(assume_centered=True).fit(y[:70]).mahalanobis(y)
    assert mahalanobis(x[:70], x).square().numpy() == pytest.approx(theirs, rel=2e-3)
