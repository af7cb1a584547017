"""HW13: the teacher and its pictures, the course's, what the judge makes of a network, and the parts of the levels."""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torch.nn import functional

from baselines import hw13_compression as baseline
from baselines.hw13_compression import Config, Separable, Student, distillation, exported, hints, pruned
from harness.answers import Secret, read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.home import Home
from submissions.models import read_model
from tasks.base import Judged, Problem, SubmissionError, UserError
from tasks.hw03_cnn import LAYOUT_2022, Layout
from tasks.hw13_compression import (
    LAYOUTS,
    MODEL_FILE,
    PICTURES_FILE,
    SIDE,
    STUDENT,
    TARGET,
    TASK,
    TEACHER_FILE,
    judge,
    networks,
    official,
)
from tasks.hw13_compression.judge import NONE, run
from tasks.hw13_compression.world import Counts, brightness, train_teacher
from tasks.models import Node, check
from tasks.streams import fixed
from tests import test_hw03_cnn as hw03
from tests.files import drawing
from tests.hw13_given import LIMIT, fitted, linear, winner


@pytest.fixture
def home(homes: Callable[[str], Home]) -> Home:
    return homes("hw13")


@pytest.fixture
def public(home: Home) -> Path:
    return home.public("hw13")


@pytest.fixture
def secret(home: Home) -> Secret:
    return read_secret(home, find_competition(home, "hw13"))


# The world


def test_students_get_labels_of_few_pictures_a_teacher_and_no_hidden_picture(public: Path, secret: Secret) -> None:
    root = public / "food-11"
    counts = {part: len(list((root / part).rglob("*.jpg"))) for part in ("training/labeled", "validation")}
    assert counts == {"training/labeled": 66, "validation": 33}
    names = [path.name for path in (root / "training" / "unlabeled").rglob("*.jpg")]
    assert len(names) == 60
    assert all(re.fullmatch(r"u_[0-9]{4}\.jpg", name) for name in names)
    assert {path.name for path in public.iterdir()} == {
        "food-11",
        "format.json",
        "manifest.json",
        "sheet.md",
        "sample_submission.onnx",
        TEACHER_FILE,
        MODEL_FILE,
    }
    assert set(secret.answers.columns) == {TARGET}


def test_the_teacher_learns_and_is_the_same_on_any_number_of_threads() -> None:
    rng, labels = np.random.default_rng(0), np.arange(132) % 11
    images = (rng.normal(128, 10, (132, SIDE, SIDE, 3)) + 12 * (labels[:, None, None, None] - 5)).astype(np.uint8)
    counts = Counts(1, 1, 1, 1, 132, 8, (8, 16, 16))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(train_teacher(images, labels, counts, seed=3))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
    assert train_teacher(images, labels, counts, seed=4) != found[0]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    assert float((networks.loads(found[0])(pixels).argmax(1) == torch.from_numpy(labels)).float().mean()) > 0.3


# The course's pictures


@pytest.mark.parametrize("layout", LAYOUTS, ids=[one.year for one in LAYOUTS])
def test_a_quarter_of_every_class_becomes_hidden_in_the_courses_folders(tmp_path: Path, layout: Layout) -> None:
    source = hw03.given(tmp_path / "source", layout)
    (source / layout.root / "resnet18_teacher.ckpt").write_bytes(b"\x80\x02not to be loaded")
    (tmp_path / "public").mkdir()
    made = TASK.edition(layout.year).make(tmp_path / "public", fixed(4), "small", source)
    assert Counter(made.answers.columns[TARGET].tolist()) == dict.fromkeys(hw03.LABELS, 3)
    names = hw03.names_below(tmp_path / "public")
    if layout.year == "2022":
        assert made.answers.ids == tuple(f"{number:04d}" for number in range(33))
        assert [name for name in names if "evaluation" in name] == [
            f"food11-hw13/evaluation/{number:04d}.jpg" for number in range(33)
        ]
    else:
        assert made.answers.ids == range(33)
    assert sum("validation" in name for name in names) == 33
    assert not [path for path in (tmp_path / "public").rglob("*") if path.is_file() and path.suffix != ".jpg"]


def test_another_layout_is_named(tmp_path: Path) -> None:
    for number, (given, asked, word) in enumerate(
        (
            (LAYOUTS[1], "2021", "food11-hw13 is the layout of 2022, not of 2021; use --edition 2022"),
            (LAYOUTS[0], "2022", "food-11 is the layout of 2021, not of 2022; use --edition 2021"),
            (LAYOUT_2022, "2022", "expected the folder food11-hw13 with training and validation pictures"),
        )
    ):
        source, public = hw03.given(tmp_path / f"given-{number}", given, 4), tmp_path / f"public-{number}"
        public.mkdir()
        with pytest.raises(UserError, match=word):
            TASK.edition(asked).make(public, fixed(4), "small", source)


def test_a_picture_is_resized_by_a_bilinear_filter_over_all_of_it(tmp_path: Path) -> None:
    """As PyTorch's own antialiased resizing does it, up to the rounding of each of the two directions."""
    (tmp_path / "0000.jpg").write_bytes(drawing(3, 60, 90, "JPEG"))
    whole = torch.from_numpy(np.array(Image.open(tmp_path / "0000.jpg"))).permute(2, 0, 1)[None].float()
    for side in (32, 64, 128):
        theirs = torch.nn.functional.interpolate(whole, (side, side), mode="bilinear", antialias=True)[0]
        mine = official.resized(tmp_path / "0000.jpg", side)
        assert np.abs(mine - theirs.permute(1, 2, 0).numpy()).max() <= 1.01


# What the judge makes of a network


def judged(home: Home, data: bytes) -> Judged:
    return run(STUDENT, read_model(data, STUDENT), home.root / "secret" / "hw13" / "1")


def test_the_judge_names_what_pytorch_names_and_twice_the_same(home: Home) -> None:
    torch.manual_seed(0)
    student = Student(Config("separable", (16, 32, 64), 2), 11)
    for layer in student.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            layer.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    images = np.load(home.root / "secret" / "hw13" / "1" / PICTURES_FILE)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        student.eval().head.bias.sub_(student(pixels).mean(0))  # or it would name one class always
        named = student(pixels).argmax(1).numpy()
    data = exported(student, STUDENT)
    assert data == exported(student, STUDENT)
    found = judged(home, data).columns[TARGET]
    assert len(set(named.tolist())) > 1
    assert np.array_equal(found, named)
    assert np.array_equal(judged(home, data).columns[TARGET], found)


def test_a_picture_without_a_finite_answer_or_for_which_the_graph_fails_is_wrong_and_the_others_count(
    home: Home, secret: Secret
) -> None:
    """NaN only for pictures with much red, or an index out of bounds for them: no refusal tells that there are some."""
    data = winner(home, secret)
    right = judged(home, data).columns[TARGET]
    images = np.load(home.root / "secret" / "hw13" / "1" / PICTURES_FILE)
    red = images[..., 0].mean(axis=(1, 2)) / 255
    line = 0.56  # more than in the noise of the trial
    assert check(STUDENT, read_model(data, STUDENT), None).notes == ("44 of at most 100,000 parameters",)
    gate: list[Node] = [
        ("Gather", ["flat", "first"], "red", {"axis": 1}), ("Greater", ["red", "line"], "much", {}),
        ("ReduceMin", ["pixels"], "least", {"keepdims": 0}), ("GreaterOrEqual", ["least", "zero"], "picture", {}),
        ("And", ["much", "picture"], "gate", {}), ("Cast", ["gate"], "number", {"to": 1}),
    ]  # fmt: skip
    nan: list[Node] = [
        ("Sub", ["one", "number"], "off", {}), ("Log", ["off"], "low", {}),  # minus infinity
        ("Add", ["clean", "low"], "logits", {}),
    ]  # fmt: skip
    index: list[Node] = [
        ("Mul", ["number", "far"], "jump", {}), ("Cast", ["jump"], "place", {"to": 7}),
        ("Gather", ["table", "place"], "found", {}), ("Add", ["clean", "found"], "logits", {}),
    ]  # fmt: skip
    constants: dict[str, NDArray[Any]] = {
        "first": np.array([0], np.int64), "line": np.array(line, np.float32), "zero": np.array(0, np.float32),
    }  # fmt: skip
    for trick, more in (
        (nan, {"one": np.array(1, np.float32)}),
        (index, {"far": np.array(99, np.float32), "table": np.zeros(2, np.float32)}),
    ):
        made = linear(*fitted(home, secret), after=[*gate, *trick], constants=constants | more)
        found = judged(home, made).columns[TARGET]
        assert 0 < (found == NONE).mean() < 1
        assert np.array_equal(found == NONE, red > line)
        assert np.array_equal(found[found != NONE], right[found != NONE])


def test_a_network_that_ends_its_process_on_a_picture_is_scored_and_not_refused(
    home: Home, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = winner(home, secret)
    right, real, calls = judged(home, data).columns[TARGET], judge.named, iter(range(10**6))

    def ends(model: Any, image: Any) -> int:
        if next(calls) == 5:
            raise SubmissionError([Problem("E_MODEL_MEMORY", "it takes too much memory")])
        return real(model, image)

    monkeypatch.setattr(judge, "named", ends)
    found = judged(home, data)
    assert np.array_equal(found.columns[TARGET][:5], right[:5])
    assert (found.columns[TARGET][5:] == NONE).all()
    assert "count as wrong" in found.notes[0]


def test_a_network_that_looks_at_other_pictures_only_when_they_are_pictures_finds_none(home: Home) -> None:
    """It treats rows alone on the noise of the trial, which is below 0 or grey, and else takes the batch's mean."""
    weight, bias = np.zeros((3, 11), np.float32), np.zeros(11, np.float32)
    weight[:, 1:4] = np.eye(3)
    nodes: list[Node] = [
        ("ReduceMean", ["clean"], "all", {"axes": [0], "keepdims": 1}),
        ("ReduceMin", ["pixels"], "least", {"keepdims": 0}), ("GreaterOrEqual", ["least", "zero"], "bounded", {}),
        ("Sub", ["seen", "grey"], "lean", {}), ("Abs", ["lean"], "far", {}),
        ("ReduceMax", ["far"], "farthest", {"keepdims": 0}), ("Greater", ["farthest", "little"], "coloured", {}),
        ("And", ["bounded", "coloured"], "picture", {}), ("Sub", ["clean", "all"], "centred", {}),
        ("Where", ["picture", "centred", "clean"], "logits", {}),
    ]  # fmt: skip
    constants = {
        name: np.array(number, np.float32) for name, number in (("zero", 0.0), ("grey", 0.5), ("little", 0.05))
    }
    found = judged(home, linear(weight, bias, after=nodes, constants=constants)).columns[TARGET]
    assert set(found.tolist()) == {0}  # of one picture the mean is itself, and all classes are equal
    assert len(set(judged(home, linear(weight, bias)).columns[TARGET].tolist())) > 1


def test_the_limit_is_inclusive(home: Home, public: Path, tmp_path: Path) -> None:
    def handed_in(weights: int) -> Any:
        spare = {"spare": np.zeros(weights, np.float32)}
        bias = np.zeros(11, np.float32)
        (tmp_path / "student.onnx").write_bytes(linear(np.ones((3, 11), np.float32), bias, constants=spare))
        return CliRunner().invoke(cli, ["--home", str(home.root), "check", "hw13", str(tmp_path / "student.onnx")])

    assert "100,000 of at most 100,000 parameters" in handed_in(LIMIT - 44).stderr
    refused = handed_in(LIMIT - 43)
    assert refused.exit_code == 3
    assert "E_PARAMETERS" in refused.stderr


# The path from PyTorch to the board


def test_the_lines_of_the_sheet_lead_to_a_place_on_the_board(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = (Path(__file__).parents[1] / "tasks/hw13_compression/sheet.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", sheet, re.DOTALL)
    assert len(blocks) == 2
    assert len(blocks[1].splitlines()) <= 10
    for path in home.public("hw13").glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.manual_seed(1)
    told: dict[str, Any] = {"pixels": torch.rand(4, 3, SIDE, SIDE)}
    exec(blocks[0], told)
    assert told["logits"].shape == (4, 11)
    assert [tuple(one.shape[1:]) for one in told["maps"]] == [(8, 20, 20), (16, 10, 10), (16, 5, 5)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(
            blocks[1],
            {
                "student": nn.Sequential(
                    nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 11)
                )
            },
        )
    for words in re.findall(r"^lhy-grade (.*hw13.*)$", sheet, re.MULTILINE):
        if words.startswith(("check", "submit", "leaderboard")):
            done = CliRunner().invoke(cli, ["--home", str(home.root), *words.split()])
            assert done.exit_code == 0, done.output
    board = CliRunner().invoke(cli, ["--home", str(home.root), "leaderboard", "hw13", "--format", "json"])
    assert len(json.loads(board.stdout)["board"]) == 1


# What the levels are built from


def test_the_samples_student_has_the_courses_parameters_and_the_separable_one_fewer_a_layer() -> None:
    plain = Student(Config(), 11)
    assert sum(one.numel() for one in plain.parameters()) == 87_907
    block = Separable(64, 128, 2)
    weights = sum(one.numel() for one in block.body.parameters() if one.ndim == 4)
    assert weights == 64 * 9 + 64 * 128
    assert block(torch.rand(2, 64, 10, 10)).shape == (2, 128, 5, 5)
    for level in baseline.LEVELS.values():
        student = Student(level, 11)
        assert int(read_model(exported(student, STUDENT), STUDENT)["parameters"][0]) <= LIMIT


def test_distillation_is_hintons_loss_and_pictures_without_labels_have_the_teachers_part_alone() -> None:
    torch.manual_seed(0)
    logits, told, labels = torch.randn(6, 11), torch.randn(6, 11), torch.tensor([0, 5, -1, 10, -1, 3])
    p, q = functional.softmax(told / 4, 1), functional.softmax(logits / 4, 1)
    divergence = (p * (p / q).log()).sum(1).mean()
    known = -functional.log_softmax(logits, 1)[torch.arange(6), labels.clamp(min=0)][labels >= 0].sum() / 6
    assert torch.allclose(distillation(logits, told, labels, 0.7, 4.0), 0.7 * 16 * divergence + 0.3 * known)
    assert torch.allclose(distillation(logits, told, labels, 0.0, 4.0), known)
    none = torch.full((6,), -1)
    assert torch.allclose(distillation(logits, told, none, 1.0, 4.0), 16 * divergence)
    assert float(distillation(told, told, none, 1.0, 4.0)) == pytest.approx(0, abs=1e-6)


def test_with_a_high_temperature_the_gradient_is_that_of_matching_logits() -> None:
    """Hinton et al., section 2.1: for T much larger than centred logits, T² times the gradient tends to (z - v) / N."""
    torch.manual_seed(0)
    logits, told = torch.randn(4, 11), torch.randn(4, 11)
    logits, told = logits - logits.mean(1, keepdim=True), told - told.mean(1, keepdim=True)
    leaf = logits.clone().double().requires_grad_()
    distillation(leaf, told.double(), torch.full((4,), -1), 1.0, 1000.0).backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert torch.allclose(leaf.grad, (logits - told).double() / 11 / 4, rtol=1e-2, atol=1e-4)


def test_hints_vanish_where_the_students_maps_are_the_teachers() -> None:
    torch.manual_seed(0)
    maps = [torch.rand(2, width, 4, 4) for width in (8, 16)]
    same = nn.ModuleList(nn.Conv2d(width, width, 1) for width in (8, 16))
    for regress, width in zip(same, (8, 16), strict=True):
        nn.init.dirac_(regress.weight)  # type: ignore[arg-type]
        nn.init.zeros_(regress.bias)  # type: ignore[arg-type]
        assert regress.weight.shape == (width, width, 1, 1)
    same.requires_grad_(False)
    assert float(hints(maps, maps, same)) == 0
    moved = [maps[0] + 2, maps[1]]
    assert float(hints(maps, moved, same)) == pytest.approx(4)


def test_the_separable_student_has_maps_of_the_same_sides_as_the_teacher(public: Path) -> None:
    teacher = networks.load(public / TEACHER_FILE)
    student = Student(baseline.LEVELS["boss"], 11)
    pixels = torch.rand(2, 3, SIDE, SIDE)
    sides = [[one.shape[2:] for one in network.stages(pixels)] for network in (teacher, student)]
    assert sides[0] == sides[1]


@pytest.mark.parametrize("ratio", [0.0, 0.25, 0.5, 0.99])
def test_pruning_takes_the_smallest_weights_of_all_layers_and_nothing_else(ratio: float) -> None:
    torch.manual_seed(0)
    network = networks.Teacher((8, 16, 16))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pruned(network, ratio)
    weights = [f"{name}.weight" for name, one in network.named_modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    kept, gone = [], []
    for name, value in network.state_dict().items():
        if name not in weights:
            assert torch.equal(value, before[name])
            continue
        zero = value == 0
        assert torch.equal(value[~zero], before[name][~zero])
        kept.append(before[name][~zero].abs())
        gone.append(before[name][zero].abs())
    total = sum(before[name].numel() for name in weights)
    assert sum(map(len, gone)) == round(ratio * total)
    if ratio:
        assert torch.cat(gone).max() <= torch.cat(kept).min()


def test_a_level_draws_the_accuracy_of_the_pruned_teacher(public: Path, tmp_path: Path) -> None:
    held = baseline.pictures(public, SIDE, "food-11/validation")
    assert held.labels.bincount().tolist() == [3] * 11
    found = baseline.draw_pruning(tmp_path / "pruning.png", public / TEACHER_FILE, held, "cpu")
    teacher = networks.load(public / TEACHER_FILE)
    assert found[0.0] == baseline.accuracy(teacher, held)
    assert list(found) == list(baseline.RATIOS)
    assert (tmp_path / "pruning.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_without_labels_are_read_as_such(public: Path) -> None:
    some = baseline.pictures(public, SIDE, "food-11/training/labeled", "food-11/training/unlabeled/00")
    assert some.pixels.shape == (126, 3, SIDE, SIDE)
    assert some.labels[:66].tolist() == [label for label in range(11) for _ in range(6)]
    assert set(some.labels[66:].tolist()) == {-1}


def test_the_sample_always_says_the_first_class(home: Home) -> None:
    assert set(judged(home, brightness()).columns[TARGET].tolist()) == {0}


def test_the_edition_asks_for_pictures_of_one_side_and_at_most_a_hundred_thousand_numbers() -> None:
    edition = TASK.edition("builtin")
    assert edition.format == STUDENT
    assert str(STUDENT.inputs[0]) == f"float32 (n, 3, {SIDE}, {SIDE})"
    assert LIMIT == 100_000
