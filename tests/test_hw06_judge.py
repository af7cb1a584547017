"""The judge of HW6: networks from drawn faces, the cascade, and both sources."""

from __future__ import annotations

import sys
import types
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.home import Home
from submissions.images import read_images
from tasks.base import PUBLIC, Made, SubmissionError, UserError
from tasks.frechet import FACE_RATE, FID
from tasks.hw06_gan import FORMAT, TASK, inception, judge, networks, world
from tasks.hw06_gan.clutter import draw_clutter
from tasks.hw06_gan.official import distinct, find, resized
from tasks.streams import fixed
from tests.conftest import SHARED
from tests.files import keep, write
from tests.hw06_given import HAS_CASCADES, NO_CASCADES, Images, compressed, given

FACES, REAL = SHARED / "animefaces", SHARED / "submissions" / "hw06-2022"
needs_faces = pytest.mark.skipif(not FACES.is_dir(), reason="the real faces are not in ../shared/data")
needs_cascade = pytest.mark.skipif(not HAS_CASCADES, reason=NO_CASCADES)


# The default networks.


@pytest.fixture(scope="module")
def trained(homes: Callable[[str], Home]) -> dict[str, bytes]:
    """Both networks, trained on few faces."""
    return judge.files_of(homes("hw06").secret("hw06", 1))


def fid(weights: dict[str, bytes], real: Images, made: Images) -> float:
    both = ({"features": judge.features(weights, images)} for images in (real, made))
    return float(FID.value(FID.rows(*both)))


@pytest.mark.slow
def test_worse_images_lie_further_and_show_fewer_faces_and_real_ones_clear_every_bar() -> None:
    trained = networks.train(fixed(1), "small")  # with fewer faces one seed in six tells little of blur
    window = world.windows(fixed(1).within("hw06/builtin/0/world"))  # real faces are those of one key
    real, fresh = (world.draw(np.random.default_rng(seed), count, window) for seed, count in ((2, 400), (3, 300)))
    generator = np.random.default_rng(0)
    noisy = np.clip(fresh + generator.normal(0, 40, fresh.shape), 0, 255).astype(np.uint8)
    soft = fresh.reshape(300, 16, 4, 16, 4, 3).mean(axis=(2, 4)).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    noise = generator.integers(0, 256, fresh.shape, np.uint8)
    clutter = draw_clutter(np.random.default_rng(4), 300)
    near = fid(trained, real, fresh)
    for worse in (noisy, soft, noise, clutter, fresh[:5].repeat(60, axis=0)):
        assert fid(trained, real, worse) > 3 * near
    found = float(judge.faces(trained, fresh).mean())
    assert found > 0.85
    for none in (noise, clutter, np.full_like(fresh, 128)):
        assert judge.faces(trained, none).mean() < 0.25
    bars = TASK.edition("builtin").bars
    assert len(bars) == 4
    score = {FID.name: near, FACE_RATE.name: found}
    assert all(bar.passed(score, {FID.name: False, FACE_RATE.name: True}, private=False) for bar in bars)


def test_the_features_have_a_scale_of_their_own(trained: dict[str, bytes]) -> None:
    window = world.windows(fixed(5).within("hw06/builtin/0/world"))
    features = judge.features(trained, world.draw(np.random.default_rng(5), 400, window))
    assert features.shape == (400, networks.FEATURES)
    assert features.var(axis=0).sum() == pytest.approx(100, rel=0.2)


def test_training_follows_from_the_seed_alone_and_leaves_torch_as_it_was() -> None:
    images, attributes = world.attributes(np.random.default_rng(1), 100)
    torch.manual_seed(5)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first = networks.train_features(3, images, attributes, 1)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    torch.manual_seed(6)
    assert networks.train_features(3, images, attributes, 1) == first
    assert networks.train_features(4, images, attributes, 1) != first
    detector = networks.train_detector(3, images, images[::-1].copy(), 1)
    assert networks.train_detector(3, images, images[::-1].copy(), 1) == detector


def test_an_image_has_the_same_features_in_any_company(trained: dict[str, bytes]) -> None:
    images = world.draw(np.random.default_rng(6), 250)
    together = judge.features(trained, images)
    assert np.abs(together[200:] - judge.features(trained, images[200:])).max() < 1e-5
    assert np.array_equal(together, judge.features(trained, images))


# The cascade.


@needs_faces
@needs_cascade
def test_the_cascade_finds_real_faces_and_none_in_noise() -> None:
    xml = (FACES / judge.CASCADE_FILE).read_bytes()
    faces = np.stack([resized(data, "") for data in list(find(FACES).faces.values())[:150]])
    assert judge.cascade_faces(xml, faces).mean() > 0.7
    noise = np.random.default_rng(0).integers(0, 256, faces.shape, np.uint8)
    assert judge.cascade_faces(xml, noise).mean() < 0.1


@needs_cascade
@pytest.mark.parametrize("xml", [b"", b"hello", b"<?xml version='1.0'?>\n<opencv_storage></opencv_storage>", b"\xff"])
def test_a_file_that_is_no_cascade_is_refused(xml: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match=r"lbpcascade_animeface\.xml: expected an OpenCV cascade"):
        judge.cascade_faces(xml, np.zeros((1, 64, 64, 3), np.uint8))


@pytest.mark.parametrize("module", [None, types.SimpleNamespace(__version__="5.0.0")])
def test_an_opencv_without_cascades_is_told(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    monkeypatch.setitem(sys.modules, "cv2", module)
    with pytest.raises(UserError, match=r"needs OpenCV 4; .*opencv-python-headless>=4\.5,<5"):
        judge.cascade_faces(b"", np.zeros((1, 64, 64, 3), np.uint8))


# Copies of training images.
# The built-in world.


@pytest.fixture(scope="module")
def small_world() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(networks.FACES, "small", 400)
        patch.setitem(networks.CLUTTER, "small", 400)
        patch.setitem(world.SIZES, "small", (150, 100))
        yield


def make(folder: Path, edition: str, seed: int, source: Path | None = None) -> Made:
    """A competition in `folder`/public and `folder`/secret."""
    for name in ("public", "secret"):
        (folder / name).mkdir(parents=True)
    return TASK.edition(edition).make(folder / "public", fixed(seed), "small", source, folder / "secret")


def secrets(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "secret").iterdir()}


def score(folder: Path, made: Made, given: bytes | Images) -> tuple[float, float, tuple[str, ...]]:
    """FID, face rate and notes of a submission, or of as many images as there are."""
    data = given if isinstance(given, bytes) else world.archive(given, FORMAT.max_bytes)
    form = FORMAT if isinstance(given, bytes) else replace(FORMAT, count=len(given))
    edition = TASK.edition("builtin")
    assert edition.judge is not None
    assert edition.judge.run is not None
    judged = edition.judge.run(form, read_images(data, form), folder / "secret")
    answers, columns = made.answers.columns, judged.columns
    distance, rate = FID.value(FID.rows(answers, columns)), FACE_RATE.value(FACE_RATE.rows(answers, columns))
    return distance, rate, judged.notes


@pytest.mark.slow
@pytest.mark.usefixtures("small_world")
def test_the_built_in_competition_ranks_and_notes(tmp_path: Path) -> None:
    made = make(tmp_path, "builtin", 5)
    names = {networks.FEATURES_FILE, networks.DETECTOR_FILE, judge.COPIES_FILE, judge.REAL_FILE}
    assert set(secrets(tmp_path)) == names
    assert made.answers.columns["features"].shape == (100, networks.FEATURES)
    assert made.answers.usage is None
    assert made.sample is not None
    assert len(made.sample) < FORMAT.max_bytes
    files = sorted((tmp_path / "public").rglob("*.jpg"))
    shown = np.stack([world.decode(file.read_bytes()) for file in files])
    copied = score(tmp_path, made, shown)
    blurred = score(
        tmp_path, made, shown.reshape(-1, 16, 4, 16, 4, 3).mean((2, 4)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    )
    fresh = score(tmp_path, made, world.draw(np.random.default_rng(6), 300, world.windows(fixed(5))))
    plain = score(tmp_path, made, made.sample)
    assert fresh[0] < plain[0] / 3
    assert fresh[1] > 0.7
    assert plain[1] < 0.2
    assert plain[2] == blurred[2] == ()
    assert "as near to the training images as real images are" in copied[2][0]


def test_the_same_seed_gives_the_same_competition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(networks.FACES, "small", 60)
    monkeypatch.setitem(networks.CLUTTER, "small", 60)
    monkeypatch.setitem(world.SIZES, "small", (60, 40))
    one, other, another = (make(tmp_path / name, "builtin", seed) for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    files, again, others = (secrets(tmp_path / name) for name in "abc")
    assert files == again
    assert one.sample == other.sample == another.sample
    assert np.array_equal(one.answers.columns["features"], other.answers.columns["features"])
    assert all(files[name] != others[name] for name in files)


def test_the_judge_names_what_can_change_its_numbers() -> None:
    for edition in TASK.editions:
        assert edition.judge is not None
        assert edition.judge.offline
        version = edition.judge.version()
        assert f"torch {torch.__version__.split('+')[0]}" in version
        assert "pillow" in version
        assert ("opencv" in version) == edition.official


# The course's editions.


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory, small_world: None) -> tuple[Path, Made]:
    folder = tmp_path_factory.mktemp("course")
    return folder, make(folder, "2022", 1, FACES)


@pytest.mark.slow
@needs_faces
@needs_cascade
def test_real_faces_are_split_and_real_submissions_lie_between_them_and_noise(course: tuple[Path, Made]) -> None:
    folder, made = course
    names = {judge.CASCADE_FILE, networks.FEATURES_FILE, judge.COPIES_FILE, judge.REAL_FILE}
    assert set(secrets(folder)) == names
    assert made.answers.usage is not None
    assert (made.answers.usage == PUBLIC).all()
    files = list((folder / "public" / "faces").iterdir())
    assert len(files) + len(made.answers) == 2000
    shown = np.stack([world.decode((folder / "public/faces" / f"{number}.jpg").read_bytes()) for number in range(300)])
    noise = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), np.uint8).repeat(4, axis=1).repeat(4, axis=2)
    mixture = np.where(np.arange(300)[:, None, None, None] % 2 == 0, shown, noise)
    best = score(folder, made, shown)
    real = [score(folder, made, path.read_bytes()) for path in sorted(REAL.glob("*.tgz"))]
    worst = score(folder, made, mixture)
    assert len(real) == 2
    for distance, rate, notes in real:
        assert best[0] < distance < worst[0]
        assert 0.3 < rate < best[1]
        assert len(notes) == 1
        assert "not given" in notes[0]
    assert worst[1] < best[1]
    kept = judge.kept_of(folder / "secret")
    assert kept is not None
    with pytest.raises(SubmissionError, match=r"(9[7-9]|100)% of the images that were compared \(300\)"):
        judge.refuse_copies(kept, shown)
    kept = judge.kept_of(folder / "secret")
    assert kept is not None
    for path in REAL.glob("*.tgz"):
        judge.refuse_copies(kept, read_images(path.read_bytes(), FORMAT)["image"])


@pytest.mark.slow
@needs_faces
@needs_cascade
def test_hidden_faces_are_not_among_those_that_students_get(course: tuple[Path, Made]) -> None:
    folder, made = course
    faces = distinct(np.stack([resized(data, "") for data in find(FACES).faces.values()]))
    files = {path.read_bytes() for path in (folder / "public" / "faces").iterdir()}
    hidden = [image for image in faces if world.encode(image) not in files]
    assert len(hidden) == len(made.answers)
    features = judge.features(secrets(folder), compressed(np.stack(hidden), world.QUALITY))
    order, other = (np.lexsort(np.round(values, 3).T) for values in (features, made.answers.columns["features"]))
    assert np.allclose(features[order], made.answers.columns["features"][other], atol=1e-3)
    # Who hands in hidden ones, which can be had from the internet, is found out too.
    with pytest.raises(SubmissionError, match=r"100% of the images that were compared \(50\)"):
        judge.check(FORMAT, {"image": compressed(np.stack(hidden[:50]))}, folder / "secret")


def another_seven(place: Path) -> None:
    with zipfile.ZipFile(place / "more.zip", "w") as archive:
        archive.writestr("others/007.JPEG", b"another")


def of_one_kind(place: Path) -> None:
    for path in (place / "faces").iterdir():
        path.write_bytes((place / "faces" / "1.jpg").read_bytes())


@needs_cascade
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda place: keep(place, "faces/*", 99), r"at least 100\); found 99"),
        (of_one_kind, "at least 100 different faces; found 1"),
        (lambda place: keep(place, judge.CASCADE_FILE), f"expected the cascade {judge.CASCADE_FILE}"),
        (another_seven, r"one face of each number; .* is another 7\.jpg"),
        (lambda place: write(place / inception.NAMES[0], b"other weights"), "expected the published weights"),
        (lambda place: write(place / "faces" / "3.jpg", b"no image"), r"3\.jpg: expected a whole JPEG or PNG picture"),
    ],
)
def test_files_that_are_not_the_courses_are_refused_with_what_was_expected(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    change(given(tmp_path / "given"))
    with pytest.raises(UserError, match=message):
        make(tmp_path, "2021", 0, tmp_path / "given")
    assert not list((tmp_path / "public").iterdir())


def test_repeated_faces_are_left_out() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    assert np.array_equal(distinct(np.concatenate([images, images[1:3]])), images)


# The description.


def test_the_bars_of_the_course_are_those_that_were_told() -> None:
    lines = {
        "2021": [(30000, 0.0, 2), (11800, 0.43, 2), (9300, 0.53, 1), (8200, 0.68, 1)],
        "2022": [(30000, 0.0, 1), (12000, 0.4, 1), (10000, 0.5, 1), (9000, 0.6, 1)],
    }
    for year, expected in lines.items():
        bars = TASK.edition(year).bars
        assert [(bar.public[0][1], bar.public[1][1], bar.points[0]) for bar in bars] == expected
        assert all(bar.private is None and bar.points[1] == 0 and "not comparable" in bar.source for bar in bars)
        assert [bar.name for bar in bars] == ["simple", "medium", "strong", "boss"]
    assert TASK.edition("2022").rules.selections == 1
    assert TASK.edition("2022").rules.unselected == "first"
    assert not any(bar.comparable for year in lines for bar in TASK.edition(year).bars)
    boss = replace(TASK.edition("2021").bars[3], comparable=True)
    higher = {FID.name: False, FACE_RATE.name: True}
    assert boss.passed({FID.name: 8200.0, FACE_RATE.name: 0.68}, higher, private=False)
    assert not boss.passed({FID.name: 8200.1, FACE_RATE.name: 0.68}, higher, private=False)
    assert not boss.passed({FID.name: 8200.0, FACE_RATE.name: 0.67}, higher, private=False)
