"""HW6: the drawn faces are a continuous family, nothing hidden is in the students' files, and the baseline is exact."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from PIL import Image

from baselines.common import override, train_level
from baselines.hw06_gan import (
    LEVELS,
    adversarial_loss,
    frechet,
    new_networks,
    r1_penalty,
    read,
    settings,
)
from submissions.images import read_images
from tasks.base import UserError
from tasks.formats import ImagesFormat
from tasks.hw06_gan import world
from tasks.hw06_gan.clutter import draw_clutter
from tasks.streams import fixed

COUNT = 12
TINY = ["width=4", "noise=4", "batch=8", "epochs=3", "lr=0.03", "lr_discriminator=0.01"]


@pytest.fixture(scope="module")
def faces() -> world.Images:
    return world.draw(default_rng(3), 400)


@pytest.fixture(scope="module")
def public(faces: world.Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of few faces."""
    folder = tmp_path_factory.mktemp("public")
    (folder / "faces").mkdir()
    for index, image in enumerate(faces[:40]):
        (folder / "faces" / f"{index}.jpg").write_bytes(world.encode(image))
    (folder / "format.json").write_text(json.dumps(ImagesFormat(COUNT).to_json()))
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, world.Images]:
    """The small world of one seed: the students' folder and the hidden images."""
    folder = tmp_path_factory.mktemp("small")
    return folder, world.make_images(folder, fixed(1), "small")


def small(images: world.Images) -> np.ndarray:
    """Means of 4 × 4 pixels (n, 768), which a shift of the compression hardly moves."""
    n = len(images)
    out: np.ndarray = images.reshape(n, 16, 4, 16, 4, 3).astype(np.float32).mean(axis=(2, 4)).reshape(n, -1)
    return out


def nearest(images: world.Images, others: world.Images | None = None) -> np.ndarray:
    """The root mean squared distance of each image to the nearest of the others, or of its own set, in grey levels."""
    a = small(images)
    b = a if others is None else small(others)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    if others is None:
        np.fill_diagonal(squares, np.inf)
    out: np.ndarray = np.sqrt(np.maximum(squares.min(axis=1), 0) / a.shape[1])
    return out


# The world


@pytest.mark.parametrize("window", [None, world.windows(fixed(1))], ids=["whole", "window"])
def test_attributes_are_standardised_places_of_the_faces_that_they_come_with(window: world.Window | None) -> None:
    images, values = world.attributes(default_rng(3), 800, window)
    few = world.draw(default_rng(3), 21, window)  # the first faces do not depend on how many are drawn
    assert images.shape == (800, 64, 64, 3)
    assert np.abs(images[:21].astype(int) - few).max() <= 1
    marks, turns = len(world.CHANCES), len(world.TURNS) if window is None else 0  # two columns for a whole circle
    assert values.dtype == np.float32
    assert values.shape == (800, len(world.RANGES) + turns + marks)
    assert np.abs(values[:, :-marks]).max() <= 3**0.5
    assert np.abs(values[:, :-marks].mean(axis=0)).max() < 0.2
    assert np.abs(values[:, :-marks].std(axis=0) - 1).max() < 0.1
    assert set(np.unique(values[:, -marks:])) == {0.0, 1.0}
    shares = np.array(list(world.CHANCES.values()))
    assert np.abs(values[:, -marks:].mean(axis=0) - shares).max() < 0.05


def test_a_small_change_of_any_parameter_is_a_small_change_of_the_image() -> None:
    numbers = world.uniforms(default_rng(0), 16)
    continuous = numbers[:, : len(world.RANGES)]
    continuous[:] = np.clip(continuous, 0.01, 0.99)
    before = world.render(numbers).astype(np.float32)
    for index, name in enumerate(world.RANGES):
        moved = numbers.copy()
        moved[:, index] += 0.004
        change = np.abs(world.render(moved) - before)
        assert change.mean() < 1.0, name
        assert change.max() < 64, name


def test_every_parameter_and_every_mark_shows() -> None:
    numbers = world.uniforms(default_rng(1), 16)
    numbers[::2, -len(world.CHANCES) :] = 0.01  # every second face has everything, so that each length matters
    before = world.render(numbers).astype(np.float32)
    for index, name in enumerate([*world.RANGES, *world.CHANCES]):
        moved = numbers.copy()
        moved[:, index] = (moved[:, index] + 0.5) % 1 if name in world.RANGES else 1 - moved[:, index].round()
        change = np.abs(world.render(moved) - before).mean(axis=(1, 2, 3))
        assert (change > 0.02).mean() > 0.2, name


def test_a_key_has_windows_of_half_the_range_of_many_parameters() -> None:
    names = list(world.RANGES)
    chosen = [names.index(name) for name in world.FAMILY]
    assert len(set(chosen)) >= 32
    assert {"shift_x", "shift_y", "scale", "tilt", "hair_hue", "back_hue", "light_angle"} <= set(world.FAMILY)
    window = world.windows(fixed(1))
    assert np.array_equal(window, world.windows(fixed(1)))
    numbers = world.uniforms(default_rng(4), 2000, window)
    whole = world.uniforms(default_rng(4), 2000)
    others = [place for place in range(whole.shape[1]) if place not in chosen]
    assert np.array_equal(numbers[:, others], whole[:, others])
    low, high = numbers[:, chosen].min(axis=0), numbers[:, chosen].max(axis=0)
    assert np.allclose(high - low, 0.5, atol=0.01)
    on_circle = np.array([name in world.TURNS for name in world.FAMILY])
    assert low.min() >= 0
    assert high[~on_circle].max() <= 1
    assert high[on_circle].max() > 1.2  # a window may lie across the seam


def test_faces_of_another_key_are_further_off_than_those_of_the_same() -> None:
    window, other = (world.windows(fixed(seed)) for seed in (1, 2))
    assert np.abs(window - other).mean() > 0.1
    every = (world.draw(default_rng(seed), 500, one) for seed, one in ((1, window), (2, window), (3, other)))
    first, same, different = (torch.from_numpy(small(images) / 64).double() for images in every)
    assert frechet(first, different) > 2 * frechet(first, same)


def test_a_place_on_a_circle_has_no_seam() -> None:
    numbers = world.uniforms(default_rng(2), 16)
    names = list(world.RANGES)
    for name in world.TURNS:
        first, last = numbers.copy(), numbers.copy()
        first[:, names.index(name)], last[:, names.index(name)] = 0.0, 1.0
        assert np.abs(world.render(first).astype(int) - world.render(last)).max() <= 3, name


def test_no_two_faces_are_near_copies_neither_within_public_nor_between_public_and_hidden(
    made: tuple[Path, world.Images],
) -> None:
    folder, hidden = made
    shown = read(folder)
    assert nearest(hidden, shown).min() > 12
    assert nearest(shown).min() > 12
    # The measure sees what it is to see: a copy that was compressed again, or made a little darker.
    copies = np.stack([world.decode(world.encode(image, 60)) for image in shown[:20]])
    assert nearest(copies, shown).max() < 7
    assert nearest((shown[:20] * 0.98).astype(np.uint8), shown).max() < 7


def test_the_files_are_numbered_jpegs_of_64_pixels_without_metadata(made: tuple[Path, world.Images]) -> None:
    folder, hidden = made
    shown, count = world.SIZES["small"]
    assert sorted(path.name for path in folder.iterdir()) == ["faces"]
    paths = [folder / "faces" / f"{index}.jpg" for index in range(shown)]
    assert sorted((folder / "faces").iterdir()) == sorted(paths)
    assert world.SIZES["full"][0] == 71_314
    for path in paths[::100]:
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (64, 64), "RGB")
            assert not image.getexif()
            assert set(image.info) == {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert hidden.shape == (count, 64, 64, 3)
    assert hidden.dtype == np.uint8


def test_public_and_hidden_faces_are_of_one_distribution(made: tuple[Path, world.Images]) -> None:
    folder, hidden = made
    shown = read(folder)
    a, b = (torch.from_numpy(small(images[:600]) / 64).double() for images in (shown, hidden))
    halves = frechet(a[:300], a[300:])
    assert frechet(a, b) < halves
    darker = torch.from_numpy(small((hidden[:600] * 0.8).astype(np.uint8)) / 64).double()
    assert frechet(a, darker) > 1.5 * frechet(a, b)


def test_clutter_differs_from_faces_for_a_classifier_of_few_numbers() -> None:
    """A linear classifier of the spread within parts of the image separates them, so a small network can.

    The draws with the mean and the covariance of faces are left out.
    """
    clutter = draw_clutter(default_rng(8), 495)[np.arange(495) % 11 < 9]
    images = np.concatenate([world.draw(default_rng(8), 400), clutter[:400]])
    assert nearest(clutter[:40], images[:400]).min() > 5
    parts = images.reshape(-1, 8, 8, 8, 8, 3).astype(np.float64)
    x = np.concatenate([parts.mean(axis=(2, 4)).reshape(800, -1), parts.std(axis=(2, 4)).reshape(800, -1)], axis=1)
    x = np.c_[(x - x.mean(axis=0)) / x.std(axis=0), np.ones(800)]
    y = np.repeat([1.0, -1.0], 400)
    fit = np.arange(800) % 2 == 0
    weight = np.linalg.solve(x[fit].T @ x[fit] + 30 * np.eye(x.shape[1]), x[fit].T @ y[fit])
    assert ((x[~fit] @ weight > 0) == (y[~fit] > 0)).mean() > 0.85


def test_heads_of_clutter_have_no_eyes() -> None:
    numbers = world.uniforms(default_rng(6), 32)
    whole, blank = world.render(numbers).astype(int), world.render(numbers, features=False)
    change = np.abs(whole - blank).max(axis=3) > 8
    assert 0.03 < change.mean() < 0.2
    assert not change[:, :16].any()  # the hair and what is on it stay


# The archive


def test_an_archive_is_accepted_by_the_reader_and_gives_the_images_back(faces: world.Images) -> None:
    data = world.archive(faces[:COUNT], 2_000_000)
    given = read_images(data, ImagesFormat(COUNT))["image"]
    assert np.abs(given.astype(int) - faces[:COUNT]).mean() < 4
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [f"{number}.jpg" for number in range(1, COUNT + 1)]
    assert {(member.mtime, member.uname, member.gname, member.uid) for member in members} == {(0, "", "", 0)}


def test_the_same_images_give_the_same_archive_and_fewer_bytes_lower_the_quality(faces: world.Images) -> None:
    data = world.archive(faces[:COUNT], 2_000_000)
    assert world.archive(faces[:COUNT], 2_000_000) == data
    less = world.archive(faces[:COUNT], len(data))
    assert len(less) < len(data)
    read_images(less, ImagesFormat(COUNT, max_bytes=len(data)))
    with pytest.raises(UserError, match="do not fit into 100 bytes"):
        world.archive(faces[:COUNT], 100)


def test_a_thousand_images_fit_under_the_courses_cap(faces: world.Images) -> None:
    assert len(world.archive(np.tile(faces, (3, 1, 1, 1))[:1000], 2_000_000)) < 2_000_000


# The baseline


def test_the_losses_are_cross_entropies() -> None:
    scores = torch.tensor([[0.3], [-2.0]])
    entropy = torch.nn.functional.binary_cross_entropy_with_logits
    assert float(adversarial_loss(scores, True)) == pytest.approx(float(entropy(scores, torch.ones(2, 1))))
    assert float(adversarial_loss(scores, False)) == pytest.approx(float(entropy(scores, torch.zeros(2, 1))))


def test_the_r1_penalty_is_half_the_squared_length_of_the_slope_and_has_a_gradient() -> None:
    images = torch.rand(4, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(3, 8, 8, dtype=torch.float64, requires_grad=True)
    steep = r1_penalty((images * slope).sum(dim=(1, 2, 3))[:, None] + 5, images)
    assert float(steep.detach()) == pytest.approx(float(slope.detach().square().sum()) / 2)
    torch.autograd.backward(steep)
    assert slope.grad is not None
    assert torch.allclose(slope.grad, slope)


def test_the_penalty_is_for_real_images_of_every_second_step_and_makes_the_scores_flatter(
    public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, float]] = []

    def watched(scores: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        steep = r1_penalty(scores, images)
        seen.append((images.detach().clone(), float(steep.detach())))
        return steep

    monkeypatch.setattr("baselines.hw06_gan.r1_penalty", watched)
    real = torch.from_numpy(read(public)).permute(0, 3, 1, 2) / 127.5 - 1
    last = []
    for penalty in ("0.000001", "5"):
        seen.clear()
        chosen = [*TINY, f"r1_gamma={penalty}", "r1_every=2"]
        train_level("hw06", "strong", public, tmp_path / penalty, seed=0, device="cpu", overrides=chosen)
        assert len(seen) == 3 * 3  # of the five steps of an epoch: 0, 2, 4
        for images, _ in seen:
            assert all(torch.isclose(real, image, atol=1e-6).flatten(1).all(dim=1).any() for image in images)
        last.append(seen[-1][1])
    assert last[1] < 0.5 * last[0]
    seen.clear()
    train_level("hw06", "medium", public, tmp_path / "none", seed=0, device="cpu", overrides=TINY)
    assert not seen


def test_the_rates_go_down_in_the_second_half_and_only_where_they_are_to(
    public: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    before = torch.optim.Adam.step

    def watched(self: torch.optim.Adam) -> None:
        seen.extend(group["lr"] for group in self.param_groups)
        before(self)

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    for slow, factors in (("false", [1, 1, 1, 1]), ("true", [1, 1, 1, 0.5])):
        seen.clear()
        chosen = [*TINY, "epochs=4", f"lr_decay={slow}"]
        train_level("hw06", "strong", public, tmp_path / slow, seed=0, device="cpu", overrides=chosen)
        assert seen == [rate * factor for factor in factors for _ in range(5) for rate in (0.01, 0.03)]


def test_averaged_weights_follow_the_generators(public: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    states = {}
    for decay in ("0.0", "0.5", "0.999"):
        settings_of = [*TINY, "epochs=1", f"ema={decay}"]
        train_level("hw06", "boss", public, tmp_path / decay, seed=0, device="cpu", overrides=settings_of)
        states[decay] = load_file(tmp_path / decay / "checkpoint.safetensors")
    first = new_networks(override(LEVELS["boss"], TINY), 0)[0].state_dict()
    last = next(name for name in first if name.endswith("weight") and first[name].ndim == 4)
    start = first[last]
    ends = {decay: state[f"state.parts.networks.0.{last}"] for decay, state in states.items()}
    means = {decay: state[f"state.parts.networks.2.{last}"] for decay, state in states.items()}
    assert torch.equal(ends["0.0"], ends["0.999"])  # the average changes nothing in training
    assert torch.equal(means["0.0"], start)
    far = (means["0.5"] - start).norm(), (means["0.999"] - start).norm()
    assert 0 < float(far[1]) < 0.1 * float(far[0])
    assert float((means["0.5"] - ends["0.5"]).norm()) < float((start - ends["0.5"]).norm())


def test_the_settings_are_wider_where_the_data_are_the_courses(public: Path, tmp_path: Path) -> None:
    assert settings("boss", public) == LEVELS["boss"]
    for size, width in (("small", LEVELS["boss"].width), ("full", 64), (None, 64)):
        (tmp_path / "format.json").write_text(json.dumps({"size": size}))
        assert settings("boss", tmp_path).width == width
    with pytest.raises(UserError, match="expected the training images"):
        read(tmp_path / "nowhere")


def test_larger_images_are_read_at_64_pixels_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    for index in (0, 2, 10):
        grey = np.full((96, 96, 3), 20 * index, np.uint8)
        (tmp_path / "faces" / f"{index}.jpg").write_bytes(world.encode(grey))
    images = read(tmp_path)
    assert images.shape == (3, 64, 64, 3)
    assert [int(image.mean()) for image in images] == [0, 40, 200]
