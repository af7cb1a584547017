"""HW9: the world and its proofs, the format, the judge's mass and deletion, the metrics, and the methods."""

from __future__ import annotations

import importlib
import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load, save

from baselines import explain
from baselines import hw09_explainable as baseline
from harness.answers import Secret, read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.scoring import grade_here
from harness.home import Home, open_home
from tasks.hw09_explainable import (
    ATTRIBUTION,
    CAUSE,
    CUT,
    GRID,
    METRICS,
    RELEVANCE,
    judge,
    picture_name,
    relevance,
    scenes,
    world,
)
from tasks.hw09_explainable.network import Network
from tasks.streams import fixed
from tests.conftest import few, made_in
from tests.files import Arrays, changed, put


def winner(home: Home, secret: Secret) -> bytes:
    """The true causes, and where they are."""
    assert secret.folder is not None
    masks, cause = np.load(secret.folder / judge.MASKS_FILE), secret.answers.columns[CAUSE]
    return save({ATTRIBUTION: masks[np.arange(len(cause)), cause].astype(np.float32), CAUSE: cause.astype(np.int64)})


def overlapping(data: bytes) -> bytes:
    """Both arrays begin at the first byte of the numbers."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for name in (ATTRIBUTION, CAUSE):
        begin, end = header[name]["data_offsets"]
        header[name]["data_offsets"] = [0, end - begin]
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data[8 + length :]


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "no causes": changed(lambda a: a.pop(CAUSE)),
    "a third array": changed(lambda a: a.update(maps=a[ATTRIBUTION])),
    "a picture too few": changed(lambda a: a.update({ATTRIBUTION: a[ATTRIBUTION][1:]})),
    "maps of three colours": changed(lambda a: a.update({ATTRIBUTION: np.stack([a[ATTRIBUTION]] * 3, axis=1)})),
    "half precision": changed(lambda a: a.update({ATTRIBUTION: a[ATTRIBUTION].astype(np.float16)})),
    "causes as numbers with a point": changed(lambda a: a.update({CAUSE: a[CAUSE].astype(np.float32)})),
    "not a number": changed(put(ATTRIBUTION, np.nan)),
    "infinity": changed(put(ATTRIBUTION, np.inf)),
    "below zero": changed(put(ATTRIBUTION, -1e-6)),
    "too large a number": changed(put(ATTRIBUTION, 2e6)),
    "a third cause": changed(put(CAUSE, 2)),
    "a pickle": lambda data: b"\x80\x04" + data,
    "overlapping arrays": overlapping,
    "a header of 100 MB": lambda data: struct.pack("<Q", 100_000_000) + data[8:],
}


TOLD = {
    "not a number": ("E_ARRAY_FINITE", ATTRIBUTION),
    "below zero": ("E_ARRAY_RANGE", ATTRIBUTION),
    "half precision": ("E_ARRAY_TYPE", ATTRIBUTION),
    "a third cause": ("E_ARRAY_RANGE", CAUSE),
    "overlapping arrays": ("E_ARRAYS_BYTES", ATTRIBUTION),
    "a header of 100 MB": ("E_ARRAYS_HEADER", ""),
}
"""The code and the place that a refusal names."""


# The world


@pytest.fixture(scope="module")
def family() -> scenes.Family:
    return scenes.draw_family(fixed(0).generator("family"))


def test_leaving_something_out_changes_only_the_pixels_that_it_covers(family: scenes.Family) -> None:
    for seed in range(4):
        scene = scenes.Scene(seed, 3 - seed, seed)
        whole = scenes.paint(family, 64, scene).astype(int)
        food, sticker = scenes.masks(family, 64, scene)
        assert 0.08 < food.mean() < 0.25
        assert 0.06 < sticker.mean() < 0.1
        assert not (food & sticker).any()
        for other, where in ((replace(scene, food=None), food | sticker), (replace(scene, sticker=None), sticker)):
            differs = (scenes.paint(family, 64, other) != whole).any(axis=2)
            assert not (differs & ~where).any()
            assert differs.mean() > 0.05


def test_what_a_scene_shows_says_nothing_of_where_it_is(family: scenes.Family) -> None:
    """Food and sticker lie at the same places and have the same light, whatever they are."""
    plain, dish = scenes.Scene(5, 2, 3), scenes.Scene(1, 2, 3)
    assert np.array_equal(scenes.masks(family, 64, plain)[1], scenes.masks(family, 64, dish)[1])
    differs = (scenes.paint(family, 64, plain) != scenes.paint(family, 64, dish)).any(axis=2)
    both = scenes.masks(family, 64, plain)[0] | scenes.masks(family, 64, dish)[0]
    assert not (differs & ~both).any()


def test_the_class_is_the_dishs_or_else_the_stickers() -> None:
    scene = scenes.Scene
    seen = [
        scene(2, 1, 0),
        scene(2, None, 0),
        scene(6, 1, 0),
        scene(None, 1, 0),
        scene(6, None, 0),
        scene(None, None, 0),
    ]
    assert [world.label(one) for one in seen] == [2, 2, 1, 1, 4, 4]
    rng = np.random.default_rng(0)
    for cause in (0, 1):
        for named in range(4):
            one = world.candidate(rng, cause, named)
            assert world.label(one) == named
            assert (one.food == named) == (cause == 0)
            assert (one.sticker == named) == (cause == 1)


def hand_made(monkeypatch: pytest.MonkeyPatch, says: dict[tuple[bool, bool], float]) -> list[bool]:
    """Whether food and sticker are proved as causes by a network that gives the class these probabilities."""
    shown: list[tuple[bool, bool]] = []

    def painted(family: object, side: int, some: list[scenes.Scene], processes: object = None) -> NDArray[np.uint8]:
        shown[:] = [(one.food is not None, one.sticker is not None) for one in some]
        return np.zeros((len(some), 64, 64, 3), np.uint8)

    def probabilities(weights: object, pictures: object) -> NDArray[np.float64]:
        return np.array([[says[one], 1 - says[one]] for one in shown])

    monkeypatch.setattr(world, "painted", painted)
    monkeypatch.setattr(world, "probabilities", probabilities)
    found: list[bool] = world.proved(save({}), None, 64, [scenes.Scene(0, 1, 0)], 1)[0].tolist()  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("says", "proof"),
    [  # with both, with food alone, with the sticker alone, with neither
        ((0.99, 0.95, 0.05, 0.05), [True, False]),
        ((0.99, 0.05, 0.95, 0.05), [False, True]),
        ((0.99, 0.95, 0.95, 0.05), [False, False]),  # either is enough
        ((0.99, 0.05, 0.05, 0.05), [False, False]),  # both are needed
        ((0.99, 0.95, 0.05, 0.90), [False, False]),  # the ground does it
        ((0.75, 0.95, 0.05, 0.05), [False, False]),  # it is not sure of the picture
        ((0.99, 0.95, 0.50, 0.05), [False, False]),  # it is not gone without the food
    ],
)
def test_a_cause_is_what_is_needed_and_enough(
    says: tuple[float, float, float, float], proof: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ((True, True), (True, False), (False, True), (False, False))
    assert hand_made(monkeypatch, dict(zip(order, says, strict=True))) == proof


def test_students_get_pictures_network_and_model_and_causes_are_even(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few(monkeypatch)
    result, _ = (made_in(tmp_path / name, partial(world.make, processes=1), 3) for name in ("a", "b"))
    names = sorted(path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*.*"))
    assert names == ["model.py", "network.safetensors", *(picture_name(number) for number in range(48))]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert result.answers.strata is not None
    kinds, counts = np.unique(result.answers.strata, return_counts=True)
    assert (len(kinds), set(counts.tolist())) == (8, {6}), "as many of each cause in each class"
    shown, masks = (np.load(tmp_path / "a.secret" / name) for name in (judge.PICTURES_FILE, judge.MASKS_FILE))
    assert (shown.shape, masks.shape) == ((48, 64, 64, 3), (48, 2, 64, 64))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a" / picture_name(7))), shown[7])
    heads = {(tmp_path / "a" / picture_name(number)).read_bytes()[:33] for number in range(48)}
    assert len(heads) == 1, "the same kind of file for all pictures"
    network = baseline.read_network(tmp_path / "a", "cpu")
    with torch.no_grad():
        theirs = network(baseline.read_pictures(tmp_path / "a", "cpu")).softmax(1).numpy()
    ours = judge.probabilities(load((tmp_path / "a.secret" / "network.safetensors").read_bytes()), shown)
    assert np.abs(ours - theirs).max() < 1e-5
    assert len((tmp_path / "a" / "model.py").read_text().splitlines()) < 40


# The judge and the metrics


def mass_by_hand(one: NDArray[np.float32], mask: NDArray[np.bool_]) -> float:
    """The share of a map's mass in a mask, by a loop over its cells."""
    cells = sorted((float(value) for value in one.ravel()), reverse=True)
    most = cells[CUT - 1]
    total = sum(min(value, most) for value in cells)
    if not total:
        return 0.0
    rows, columns = np.nonzero(mask)
    return sum(min(float(one[y, x]), most) for y, x in zip(rows, columns, strict=True)) / total


def some(rng: np.random.Generator, n: int = 12) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    maps = rng.gamma(0.3, 1, (n, GRID, GRID)).astype(np.float32)
    kinds = rng.integers(0, 3, (n, GRID, GRID))
    return maps, np.stack([kinds == 0, kinds == 1], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_mass_and_relevance_are_those_of_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps, masks = some(rng)
    maps[0], maps[1, :, :60] = 0, 0
    found = judge.mass(maps, masks)
    by_hand = np.array([[mass_by_hand(one, mask) for mask in both] for one, both in zip(maps, masks, strict=True)])
    assert found == pytest.approx(by_hand, abs=1e-12)
    cause = np.arange(len(maps)) % 2
    rows = RELEVANCE.rows({CAUSE: cause}, {"mass": found})
    sides = [[one[0] - one[1] for one in by_hand[cause == 0]], [one[1] - one[0] for one in by_hand[cause == 1]]]
    assert RELEVANCE.value(rows) == pytest.approx(min(sum(side) / len(side) for side in sides))
    weights = rng.integers(0, 4, (5, len(rows)))
    weights[0, cause == 1] = 0  # one board without a cause: the other counts
    for weight, value in zip(weights, relevance(rows, weights), strict=True):
        assert RELEVANCE.value(np.repeat(rows, weight, axis=0)) == pytest.approx(value)
    low, high = RELEVANCE.interval(rows, np.ones(len(rows), bool)) or (1, 0)
    assert low <= RELEVANCE.value(rows) <= high


def test_size_means_nothing_and_a_few_cells_hold_nothing() -> None:
    rng = np.random.default_rng(0)
    maps, masks = some(rng)
    found = judge.mass(maps, masks)
    for factor in (1e-30, 1e-3, 1e4):
        assert judge.mass((maps * np.float32(factor)).clip(max=1e6), masks) == pytest.approx(found, abs=1e-4)
    one = np.zeros_like(maps)
    one[:, 5, 5] = 1e6
    assert not judge.mass(one, masks).any(), "all mass in one cell is no mass"
    one[:] = 0
    one.reshape(len(one), -1)[:, : CUT - 1] = 1
    assert not judge.mass(one, masks).any()
    huge = maps.copy()
    huge.reshape(len(maps), -1)[:, 17] = 1e6
    assert np.abs(judge.mass(huge, masks) - found).max() < 0.01, "one huge cell counts as its 200th"
    assert judge.mass(np.full_like(maps, 1e-38), masks) == pytest.approx(masks.mean(axis=(2, 3)))
    assert np.isfinite(judge.mass(np.full_like(maps, 1e-45), masks)).all()


def test_half_of_the_truth_is_worth_nothing() -> None:
    """The worse of the two kinds counts, so that pointing at all stickers is worth -1."""
    rng = np.random.default_rng(1)
    masks = some(rng)[1]
    answers = {CAUSE: np.arange(len(masks)) % 2}

    def value(maps: NDArray[Any]) -> float:
        return float(RELEVANCE.value(RELEVANCE.rows(answers, {"mass": judge.mass(maps.astype(np.float32), masks)})))

    assert value(masks[:, 1]) == value(masks[:, 0]) == -1
    assert abs(value(masks[:, 0] | masks[:, 1])) < 0.05
    assert abs(value(np.ones((len(masks), GRID, GRID)))) < 0.05
    assert value(np.zeros((len(masks), GRID, GRID))) == 0
    assert value(masks[np.arange(len(masks)), answers[CAUSE]]) == 1


@pytest.fixture
def weights() -> Arrays:
    torch.manual_seed(0)
    return {name: value.numpy() for name, value in Network().state_dict().items()}


def test_the_judges_network_is_torchs_whatever_the_batch(weights: Arrays) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (23, 64, 64, 3)).astype(np.uint8)
    network = Network().double()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    with torch.no_grad():
        theirs = network(torch.from_numpy(pictures).permute(0, 3, 1, 2).double() / 255).softmax(1).numpy()
    ours = judge.probabilities(weights, pictures)
    assert np.abs(ours - theirs).max() < 1e-6
    assert np.array_equal(judge.probabilities(weights, pictures[21:]), ours[21:])
    large = pictures[:2].repeat(2, axis=1).repeat(2, axis=2)
    with torch.no_grad():
        theirs = network(torch.from_numpy(large).permute(0, 3, 1, 2).double() / 255).softmax(1).numpy()
    assert np.abs(judge.probabilities(weights, large) - theirs).max() < 1e-6


def test_deletion_is_what_a_loop_over_pictures_says(weights: Arrays) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    maps = rng.random((3, GRID, GRID)).astype(np.float32)
    maps[2] = 1  # of equal cells the first ones go
    wanted = []
    for picture, one in zip(pictures, maps, strict=True):
        before = judge.probabilities(weights, picture[None])[0]
        lost = []
        for share in (0.05, 0.1, 0.2):
            cells = sorted(range(GRID**2), key=lambda at: (-one.ravel()[at], at))[: round(share * GRID**2)]
            copy = picture.copy().reshape(-1, 3)
            copy[cells] = np.rint(picture.reshape(-1, 3).mean(axis=0))
            after = judge.probabilities(weights, copy.reshape(1, 64, 64, 3))[0]
            lost.append(1 - min(1.0, after[before.argmax()] / before.max()))
        wanted.append(sum(lost) / 3)
    assert judge.deletion(maps, pictures, weights) == pytest.approx(wanted, abs=1e-9)


def test_the_sample_submission_says_nothing(homes: Callable[[str], Home]) -> None:
    home = homes("hw09")
    secret = read_secret(home, find_competition(home, "hw09"))
    grade = grade_here(secret, (home.public("hw09") / "sample_submission.safetensors").read_bytes())
    assert [score.public for score in grade.scores[:2]] == [0.0, 0.5]
    assert grade.scores[0].metric == METRICS[0].name
    assert (grade.n_public, grade.n_private) == (24, 24)


def test_the_page_of_causes_waits_for_the_reveal_or_is_logged(homes: Callable[[str], Home], tmp_path: Path) -> None:
    home = open_home(Path(shutil.copytree(homes("hw09").root, tmp_path / "home")))
    secret = read_secret(home, find_competition(home, "hw09"))
    file, out = tmp_path / "mine.safetensors", tmp_path / "causes.html"
    file.write_bytes(winner(home, secret))

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli, ["--home", str(home.root), *words])

    refused = call("causes", "hw9", "--out", str(out))
    assert (refused.exit_code, out.exists()) == (6, False)
    assert call("causes", "hw9", "--out", str(out), "--unrevealed").exit_code == 0
    assert out.read_text().count("<img") == 2 * 48
    with home.database() as database:
        assert database.fetch("SELECT 1 FROM events WHERE kind = 'private board seen'")
    assert call("reveal", "hw9", "--reason", "the end", "--yes").exit_code == 0
    done = call("causes", "hw9", "--out", str(out), "--file", str(file))
    assert done.exit_code == 0, done.output
    assert out.read_text().count("margin +1.00") == 48
    assert out.read_text().count("<b>mark</b><br>said mark") == 24
    file.write_bytes(b"")
    assert call("causes", "hw9", "--out", str(out), "--file", str(file)).exit_code == 3


# The methods


@pytest.fixture
def network() -> Network:
    torch.manual_seed(1)
    return Network().eval().requires_grad_(False)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


TARGET = torch.tensor([3, 1])


def test_saliency_and_smooth_grad_are_captums(network: Network, x: torch.Tensor) -> None:
    attr: Any = importlib.import_module("captum.attr")
    ours = explain.saliency(network, x, TARGET)
    assert torch.allclose(ours, attr.Saliency(network).attribute(x.clone().requires_grad_(), target=TARGET), atol=1e-9)
    for kind, squared in (("smoothgrad", False), ("smoothgrad_sq", True)):
        torch.manual_seed(5)
        theirs = attr.NoiseTunnel(attr.Saliency(network)).attribute(
            x[:1].clone().requires_grad_(), nt_type=kind, nt_samples=6, stdevs=0.2, target=3
        )
        generator = torch.Generator().manual_seed(5)
        ours = explain.smooth_grad(network, x[:1], TARGET[:1], 6, 0.2, generator, squared)
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-9)


def test_integrated_gradients_are_captums_and_complete(network: Network, x: torch.Tensor) -> None:
    baseline_ = torch.full_like(x, 0.5)
    maps, gap = explain.integrated_gradients(network, x, TARGET, baseline_, 40)
    assert gap.abs().max() < 2e-3
    attr: Any = importlib.import_module("captum.attr")
    theirs, delta = attr.IntegratedGradients(network).attribute(
        x, baseline_, target=TARGET, n_steps=40, return_convergence_delta=True
    )
    assert torch.allclose(maps, theirs.float(), atol=1e-6)
    assert torch.allclose(gap, delta.float(), atol=1e-5)


@pytest.mark.parametrize(("window", "stride"), [(7, 5), (32, 8)])
def test_occlusion_is_captums(window: int, stride: int, network: Network, x: torch.Tensor) -> None:
    attr: Any = importlib.import_module("captum.attr")
    fill = torch.tensor([0.2, 0.5, 0.7])[None, :, None, None]
    theirs = attr.Occlusion(network).attribute(
        x, sliding_window_shapes=(3, window, window), strides=(3, stride, stride), target=TARGET,
        baselines=fill.expand_as(x),
    )  # fmt: skip
    ours = explain.occlusion(network, x, TARGET, fill, window, stride)
    assert torch.allclose(ours, theirs[:, 0].float(), atol=1e-6)


SEGMENTS = torch.arange(32)[:, None] // 8 * 4 + torch.arange(32) // 8


def test_lime_is_captums(network: Network, x: torch.Tensor) -> None:
    attr: Any = importlib.import_module("captum.attr")
    models: Any = importlib.import_module("captum._utils.models.linear_model")
    kept = torch.rand(60, 16, generator=torch.Generator().manual_seed(2)) < 0.5
    rows = iter(kept.long())
    method = attr.Lime(
        network,
        interpretable_model=models.SkLearnLinearRegression(),
        perturb_func=lambda original, **_: next(rows)[None],
        similarity_func=lambda original, perturbed, row, **_: torch.exp(-(((1 - row.double().mean()) / 0.25) ** 2)),
    )
    theirs = method.attribute(x[:1], target=3, feature_mask=SEGMENTS.expand(1, 3, 32, 32), baselines=0.5, n_samples=60)
    fill = torch.full((1, 3, 1, 1), 0.5)
    ours = explain.lime(network, x[:1], TARGET[:1], fill, SEGMENTS, kept, penalty=1e-9)
    assert torch.allclose(ours[0], theirs[0, 0].float(), atol=1e-4)


def test_lime_finds_a_linear_model(x: torch.Tensor) -> None:
    weight = torch.randn(16, generator=torch.Generator().manual_seed(3))

    def linear(pictures: torch.Tensor) -> torch.Tensor:
        lit = torch.nn.functional.avg_pool2d(pictures.mean(1), 8).flatten(1)
        return torch.stack([lit @ weight, -lit @ weight], dim=1)

    kept = torch.rand(80, 16, generator=torch.Generator().manual_seed(2)) < 0.5
    found = explain.lime(linear, x, torch.tensor([0, 1]), torch.zeros(2, 3, 1, 1), SEGMENTS, kept, penalty=1e-9)
    lit = torch.nn.functional.avg_pool2d(x.mean(1), 8).flatten(1)
    wanted = torch.stack([lit[0] * weight, -lit[1] * weight])[:, SEGMENTS]
    assert torch.allclose(found, wanted, atol=1e-4)


def test_the_sticker_is_found_and_painted_over(family: scenes.Family) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(12):
        scene = world.candidate(rng, int(rng.integers(2)), int(rng.integers(4)))
        x = world.tensor(scenes.paint(family, 64, scene)[None])
        where, mask = baseline.stickers(x)[0].numpy(), scenes.masks(family, 64, scene)[1]
        found.append((where & mask).sum() / mask.sum() > 0.8)
        over = baseline.painted_over(x, baseline.stickers(x))
        assert torch.equal(over[0][:, ~where], x[0][:, ~where])
        assert len(torch.unique(over[0][:, where], dim=1)[0]) == 1
    assert sum(found) >= 10


def test_half_of_each_class_is_given_the_mark() -> None:
    share, target = torch.tensor([0.1, 0.9, 0.5, 0.6, 0.2, 0.3]), torch.tensor([0, 0, 1, 1, 1, 1])
    assert baseline.by_share(share, target).tolist() == [0, 1, 1, 1, 0, 0]
