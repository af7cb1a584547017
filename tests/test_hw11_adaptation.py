"""HW11: things, the built-in world, the importer of the course's files, bad submissions, the baseline, real files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import accuracy_score

from baselines import hw11_adaptation as baseline
from baselines.common import train_level
from baselines.lines import canny, moved, orientations
from harness.home import Home
from submissions.reader import read
from tasks.base import Answers, Made, SubmissionError, UserError
from tasks.figures import DIALS, KINDS, NAMES, Dials, Part
from tasks.formats import Format
from tasks.groups import carve
from tasks.hw11_adaptation import CLASSES, ROOT, TARGET, TASK, official, world
from tasks.metrics import ACCURACY
from tasks.streams import fixed
from tasks.things import draw_maker, draw_thing, drawing, inside, outlines, painting
from tests.conftest import SHARED, needs

PHOTOGRAPHS = "cifar10/cifar10-jpg-6000.zip"


# Things


@pytest.mark.parametrize("kind", range(CLASSES), ids=NAMES)
def test_a_thing_has_parts_in_its_plane_whatever_its_dials(kind: int) -> None:
    rng = np.random.default_rng(kind)
    for values in (np.zeros(DIALS), np.ones(DIALS), *rng.uniform(0, 1, (20, DIALS))):
        parts = KINDS[kind](Dials(values))
        assert 3 <= len(parts) <= 40
        for part in parts:
            assert np.abs(part.points).max() < 1.4
            assert 1 <= part.colour <= 4
        assert sum(not part.spare for part in parts) >= 2


def test_pictures_follow_from_their_stream_and_makers_differ() -> None:
    makers = [draw_maker(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    for kind in range(CLASSES):
        for picture, shape in ((painting, (32, 32, 3)), (drawing, (28, 28))):
            one, same, other = (picture(maker, kind, np.random.default_rng(5)) for maker in makers)
            assert one.shape == shape
            assert one.dtype == np.uint8
            assert np.array_equal(one, same)
            assert not np.array_equal(one, other)
        assert 0.05 < (one > 0).mean() < 0.75  # ink of a drawing


def test_what_lies_behind_another_part_is_not_drawn() -> None:
    back = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    front = back + np.array([0.5, 0.0])
    lines = outlines([Part(back), Part(front)])
    assert [closed for _, closed in lines] == [False] * (len(lines) - 1) + [True]
    for points, _ in lines[:-1]:
        assert not inside(points, front).any()
    assert inside(np.array([[0.0, 0.0], [0.6, 0.0], [0.0, -0.6]]), back).tolist() == [True, False, False]


def test_things_look_to_both_sides_and_a_maker_has_breeds_of_its_own() -> None:
    maker, rng = draw_maker(np.random.default_rng(3)), np.random.default_rng(4)
    sides = [draw_thing(maker, 0, True, rng)[0].points[0, 0] > 0 for _ in range(40)]  # a horse's tail
    assert 5 < sum(sides) < 35
    other = draw_maker(np.random.default_rng(5))
    assert np.abs(maker.breeds - other.breeds).mean() > 0.2


# The world


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    public = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.COUNTS, "small", (4, 150))
        return public, world.make(public, fixed(1), "small")


def test_the_files_are_named_as_the_courses_and_say_nothing_of_a_drawing(small: tuple[Path, Made]) -> None:
    public, made = small
    for label in range(CLASSES):
        names = {path.name for path in (public / ROOT / "train_data" / str(label)).iterdir()}
        assert names == {f"{label * 4 + number}.bmp" for number in range(4)}
    paths = sorted((public / ROOT / "test_data" / "0").iterdir())
    assert [path.name for path in paths] == [f"{number:05d}.bmp" for number in range(150)]
    assert len({path.stat().st_size for path in paths}) == 1
    for path, mode, side in ((public / ROOT / "train_data/3/12.bmp", "RGB", 32), (paths[0], "L", 28)):
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("BMP", mode, (side, side))
    assert made.train is not None
    assert made.test is not None
    assert (made.train.shape, made.test.shape) == ((40, 48), (150, 48))


def test_classes_are_drawn_unequally_and_another_key_draws_other_shares(small: tuple[Path, Made]) -> None:
    hidden = small[1].answers.columns[TARGET]
    assert set(hidden.tolist()) == set(range(CLASSES))
    shares = [world.draw_shares(fixed(seed).generator("test/shares")) for seed in range(20)]
    for one in shares:
        assert one.sum() == pytest.approx(1)
        assert one.min() >= world.LEAST
        assert one.max() / one.min() > 1.5
    assert len({one.argmax() for one in shares}) > 3


# The course's files


def photographs(count: int = 10, seed: int = 0) -> list[tuple[int, NDArray[np.uint8]]]:
    """Pictures (32, 32, 3) with a bright square whose place is that of the class."""
    rng = np.random.default_rng(seed)
    made = []
    for label in range(CLASSES):
        for _ in range(count):
            pixels = rng.integers(0, 90, (32, 32, 3))
            y, x = 4 + 5 * (label // 4), 2 + 7 * (label % 4)
            pixels[y : y + 12, x : x + 8] += rng.integers(60, 165, 3)
            made.append((label, pixels.astype(np.uint8)))
    return made


def given(place: Path) -> Path:
    """The course's layout, with a drawing as they are there."""
    for number, (label, pixels) in enumerate(photographs()):
        world.write_picture(place / ROOT / "train_data" / str(label) / f"{number}.bmp", pixels)
    world.write_picture(place / ROOT / "test_data" / "0" / "00000.bmp", np.zeros((28, 28), np.uint8))
    return place


def take(source: Path, public: Path, seed: int = 0) -> Made:
    public.mkdir()
    return official.make(public, fixed(seed), "small", source)


def refused(source: Path, public: Path) -> str:
    with pytest.raises(UserError) as error:
        take(source, public)
    assert not list(public.iterdir())
    return str(error.value)


def test_a_fifth_of_the_photographs_becomes_hidden_lines(tmp_path: Path) -> None:
    made = take(given(tmp_path / "source"), tmp_path / "public")
    assert np.bincount(made.answers.columns[TARGET]).tolist() == [2] * CLASSES
    known = {pixels.tobytes(): label for label, pixels in photographs()}
    paths = list((tmp_path / "public" / ROOT / "train_data").glob("*/*.bmp"))
    assert len(paths) == 80
    for path in paths:
        with Image.open(path) as picture:
            assert known[np.asarray(picture).tobytes()] == int(path.parent.name)
    drawn = sorted((tmp_path / "public" / ROOT / "test_data" / "0").iterdir())
    assert [path.name for path in drawn] == [f"{number:05d}.bmp" for number in range(20)]
    with Image.open(drawn[0]) as picture:
        assert (picture.mode, picture.size) == ("L", (28, 28))
    assert made.answers.groups is not None
    assert made.train_groups is not None
    assert not set(made.answers.groups) & set(made.train_groups)


def test_what_is_not_the_courses_is_refused_with_its_path_and_nothing_is_written(tmp_path: Path) -> None:
    def changed(name: str, change: Callable[[Path], object]) -> str:
        source = given(tmp_path / name)
        change(source / ROOT / "train_data")
        return refused(source, tmp_path / f"{name} public")

    assert "train_data/x/1.bmp: expected a folder 0 to 9; found 'x'" in changed(
        "folder", lambda root: world.write_picture(root / "x" / "1.bmp", np.zeros((32, 32, 3), np.uint8))
    )
    assert "0.bmp: expected 32 x 32 pixels; found 28 x 28" in changed(
        "size", lambda root: world.write_picture(root / "0" / "0.bmp", np.zeros((28, 28, 3), np.uint8))
    )
    assert "0.bmp: expected a whole BMP picture" in changed(
        "cut", lambda root: (root / "0" / "0.bmp").write_bytes((root / "0" / "0.bmp").read_bytes()[:99])
    )
    assert "train_data/4; found 9" in changed("few", lambda root: (root / "4" / "40.bmp").unlink())

    def same(root: Path) -> None:
        for path in (root / "7").iterdir():
            world.write_picture(path, np.full((32, 32, 3), 99, np.uint8))

    assert "almost all of some class are the same" in changed("same", same)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(official, "COURSE", (11, 1))
        assert "expected 11 pictures in train_data/0; found 10" in changed(
            "counts", lambda root: world.write_picture(root / "5" / "x.bmp", np.zeros((32, 32, 3), np.uint8))
        )
    (two := tmp_path / "two").mkdir()
    given(two / "a")
    given(two / "b")
    assert "found one in a/" in refused(two, tmp_path / "two public")


def test_copies_of_a_photograph_stay_on_one_side() -> None:
    labels = np.repeat(np.arange(CLASSES), 20)
    groups = np.arange(200) // 2  # all of them in pairs
    groups[39] = groups[40]  # and three in one of two classes
    hidden = carve(groups.tolist(), labels.tolist(), official.SHARE, np.random.default_rng(0))
    assert all(len(set(hidden[groups == group].tolist())) == 1 for group in groups)
    assert np.bincount(labels[hidden]).tolist() == [4] * CLASSES
    assert not hidden[39:41].any()


# What is handed in


def form_of(count: int) -> Format:
    """The format of an edition with so many drawings."""
    return TASK.edition("builtin").format.fit(Answers(range(count), {TARGET: np.zeros(count, np.int64)}))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("\n299,3\n", "\n"), "E_ID_MISSING"),
        (("\n7,3\n", "\n7,10\n"), "E_RANGE"),
        (("\n7,3\n", "\n7,3.0\n"), "E_NUMBER"),
        (("\n7,3\n", "\n7,horse\n"), "E_NUMBER"),
        (("\n7,3\n", "\n8,3\n"), "E_ID_TWICE"),
        (("\n7,3\n", "\n00007,3\n"), "E_ID_ZEROS"),
        (("id,label", "id, label,x"), "E_COLUMNS"),
    ],
)
def test_bad_submissions_are_refused_with_what_is_wrong(change: tuple[str, str], code: str) -> None:
    data = "id,label\n" + "".join(f"{number},3\n" for number in range(300))
    with pytest.raises(SubmissionError) as error:
        read(data.replace(*change, 1).encode(), form_of(300))
    assert code in [problem.code for problem in error.value.problems]


def test_a_file_of_the_course_is_named_where_the_built_in_world_is_asked() -> None:
    data = "id,label\n" + "".join(f"{number},3\n" for number in range(100_000))
    with pytest.raises(SubmissionError) as error:
        read(data.encode(), form_of(50))
    assert error.value.problems[0].code == "E_YEAR"


@pytest.mark.parametrize("year", ["2021", "2022", "2023"])
@needs("submissions/hw11")
def test_every_real_file_is_taken_by_every_year(year: str) -> None:
    paths = sorted((SHARED / "submissions" / "hw11").iterdir())
    assert paths
    for path in paths:
        labels = read(path.read_bytes(), TASK.edition(year).format)[TARGET]
        assert len(labels) == 100_000
        assert labels.dtype == np.int64


@needs("submissions/hw11")
def test_the_accuracy_of_one_real_file_by_another_is_scikit_learns() -> None:
    form = TASK.edition("2022").format
    one, other = (read(path.read_bytes(), form) for path in sorted((SHARED / "submissions" / "hw11").iterdir()))
    ours = ACCURACY.value(ACCURACY.rows(one, other))
    assert ours == accuracy_score(one[TARGET], other[TARGET])
    assert 0.1 < ours < 1


# The baseline


def test_edges_are_those_of_opencv() -> None:
    import cv2

    maker, rng = draw_maker(np.random.default_rng(0)), np.random.default_rng(1)
    pictures = [painting(maker, number % CLASSES, rng) for number in range(60)]
    pictures += [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(20)]
    grey = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pictures])
    edges = canny(torch.from_numpy(grey), 170, 300)[:, 0]
    assert np.array_equal(edges.numpy() > 0, np.stack([cv2.Canny(one, 170, 300) > 0 for one in grey]))
    assert 0.02 < float(edges.mean()) < 0.3


def test_the_gradient_is_turned_round_and_the_weight_rises_from_nothing() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    out = baseline.Reversal.apply(x, 0.5)  # type: ignore[no-untyped-call]
    assert torch.equal(out, x)
    (2 * out).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full((3, 4), -1.0))
    config = baseline.Config(domain_weight=0.3, domain_schedule="rising")
    weights = [baseline.reversal_weight(config, progress) for progress in (0.0, 0.1, 0.5, 1.0)]
    assert weights[0] == 0
    assert weights == sorted(weights)
    assert weights[-1] == pytest.approx(0.3, rel=1e-3)
    assert baseline.reversal_weight(baseline.Config(domain_weight=0.3), 0.0) == 0.3


def test_each_domain_has_statistics_of_its_own() -> None:
    norm = baseline.DomainNorm(2, 2)
    both = baseline.DomainNorm(2, 1)
    source, target = torch.randn(500, 2, 3, 3), 5 + 3 * torch.randn(500, 2, 3, 3)
    for x, domain in ((source, baseline.SOURCE), (target, baseline.TARGET)):
        out = norm(x, domain)
        assert abs(float(out.detach().mean())) < 1e-3
        both(x, domain)
    means = [float(one.running_mean.mean()) for one in norm.norms]  # type: ignore[operator]
    assert means[1] > means[0] + 0.3


def test_orientations_do_not_depend_on_how_dark_a_line_is_and_follow_its_direction() -> None:
    x = torch.zeros(2, 1, 32, 32)
    x[0, 0, :, 15:17] = 1.0
    x[1, 0, 15:17, :] = 0.5
    found = orientations(x)
    assert found.shape == (2, 9, 8, 8)
    torch.testing.assert_close(orientations(x / 2), found, atol=0.05, rtol=0)
    strongest = found.sum(dim=(2, 3)).argmax(dim=1).tolist()
    assert strongest[0] == 0  # the brightness changes from left to right
    assert strongest[1] in (4, 5)


def test_pictures_that_are_moved_by_nothing_stay_and_a_mirror_turns_them() -> None:
    x = torch.rand(2, 1, 32, 32)
    draws = torch.full((2, baseline.DRAWS), 0.5)
    torch.testing.assert_close(moved(x, draws, baseline.MOVES["wide"]), x, atol=1e-5, rtol=0)
    draws[:, 4] = 0.1
    torch.testing.assert_close(moved(x, draws, baseline.MOVES["course"]), x.flip(3), atol=1e-5, rtol=0)


def test_a_teacher_that_is_not_sure_teaches_nothing_and_it_follows_its_student() -> None:
    config = baseline.Config(maps="orientations", channels=(4, 4))
    networks = baseline.Networks(config, 0)
    x = torch.rand(8, 1, 32, 32)
    out = networks.network(x, baseline.TARGET)
    assert float(baseline.teacher_loss(networks.teacher, x, out, 1.1).detach()) == 0
    assert float(baseline.teacher_loss(networks.teacher, x, out, 0.0).detach()) > 0
    with torch.no_grad():
        networks.network.head.weight.add_(1.0)
    before = networks.teacher.head.weight.clone()
    baseline.follow(networks.teacher, networks.network, 0.75)
    torch.testing.assert_close(networks.teacher.head.weight, before + 0.25)


def run(public: Path, folder: Path, level: str, *overrides: str) -> Path:
    return train_level("hw11", level, public, folder, seed=0, device="cpu", overrides=overrides)


def test_the_source_is_learnt_and_features_are_drawn(homes: Callable[[str], Home], tmp_path: Path) -> None:
    public = homes("hw11").public("hw11")
    log = (run(public, tmp_path, "strong", "epochs=4", "steps=10", "batch=24").parent / "metrics.jsonl").read_text()
    losses = [float(line.split('"train_loss": ')[1].split(",")[0]) for line in log.splitlines()]
    assert losses[-1] < losses[0] < 3
    with Image.open(tmp_path / "features.png") as picture:
        assert picture.width > 600
        assert len(picture.convert("RGB").getcolors(2**20) or []) > 10


# Real photographs


@needs(PHOTOGRAPHS)
def test_real_photographs_in_the_courses_layout_import_train_and_score(tmp_path: Path) -> None:
    """CIFAR-10's first pictures, as JPEG copies, written as the course's files."""
    with zipfile.ZipFile(SHARED / PHOTOGRAPHS) as archive:
        names = sorted(name for name in archive.namelist() if "train/" in name and name.endswith(".jpg"))
        kinds = sorted({name.split("/")[-2] for name in names})
        for number, name in enumerate(name for kind in kinds for name in names if f"/{kind}/" in name):
            if number % 500 >= 30:
                continue
            with Image.open(io.BytesIO(archive.read(name))) as picture:
                label = kinds.index(name.split("/")[-2])
                world.write_picture(
                    tmp_path / "given" / ROOT / "train_data" / str(label) / f"{number}.bmp",
                    np.asarray(picture.convert("RGB")),
                )
    made = take(tmp_path / "given", tmp_path / "public")
    assert np.bincount(made.answers.columns[TARGET]).tolist() == [6] * CLASSES
    (tmp_path / "public" / "manifest.json").write_text("{}")
    path = run(tmp_path / "public", tmp_path / "run", "strong", "epochs=4")
    columns = read(path.read_bytes(), TASK.edition("2022").format.fit(made.answers))
    assert ACCURACY.value(ACCURACY.rows(made.answers.columns, columns)) > 0.12
