"""HW6's generators: exported, checked and scored, the same images each time, and no memory of the training images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from numpy.typing import NDArray

from baselines.common import train_level
from baselines.hw06_gan import Generator, exported, fix_statistics, read, suffix
from harness.answers import read_secret
from harness.competition import find_competition
from harness.home import Home
from submissions.reader import read as read_file
from tasks import copies
from tasks.base import SubmissionError
from tasks.hw06_gan import GENERATOR, NOISE, TASK, generator, world
from tasks.models import Node, graph
from tasks.streams import fixed

Images = NDArray[np.uint8]
EDITION = TASK.edition("builtin-model")


@pytest.fixture
def home(homes: Callable[[str], Home], monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(copies, "PAIRS", 300 * 100)
    return homes("hw06-model")


def memory(images: Images, sharpness: float = 50.0) -> bytes:
    """A generator that picks one of the images, or with little sharpness mixes them."""
    rows = (images.transpose(0, 3, 1, 2).reshape(len(images), -1) / 127.5 - 1).astype(np.float32)
    places = default_rng(0).standard_normal((NOISE, len(images))).astype(np.float32)
    nodes: list[Node] = [
        ("MatMul", ["noise", "places"], "scores", {}),
        ("Softmax", ["scores"], "choice", {"axis": 1}),
        ("MatMul", ["choice", "rows"], "flat", {}),
        ("Reshape", ["flat", "shape"], "image", {}),
    ]
    constants = {"places": places * sharpness, "rows": rows, "shape": np.array([-1, 3, 64, 64])}
    return graph(GENERATOR, "memory", nodes, constants)


def score(home: Home, data: bytes) -> tuple[float, float]:
    """FID and face rate on all hidden images. Raises SubmissionError."""
    judge, predictions = EDITION.judge, read_file(data, GENERATOR)
    assert judge is not None
    judge.check(GENERATOR, predictions, home.public("hw06"))
    columns = judge.judged(GENERATOR, predictions, home.secret("hw06", 1)).columns
    answers = read_secret(home, find_competition(home, "hw06")).answers.columns
    distance, rate = (metric.value(metric.rows(answers, columns)) for metric in EDITION.metrics)
    return distance, rate


def test_an_exported_generator_draws_in_the_judge_what_it_draws_in_torch() -> None:
    torch.manual_seed(1)
    network, noise = Generator(NOISE, 4), torch.randn(60, NOISE)
    fix_statistics(network, torch.randn(500, NOISE))
    with torch.no_grad():
        pixels = ((network(noise) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    data = exported(network, noise)
    assert b"hw06_gan" not in data  # no path of the machine
    predictions = read_file(data, GENERATOR)
    images = generator.drawn(GENERATOR, predictions, noise.numpy())
    wanted = np.stack([world.decode(world.encode(image)) for image in pixels])
    assert np.abs(images.astype(int) - wanted).mean() < 0.5
    assert np.array_equal(generator.drawn(GENERATOR, predictions, noise.numpy()), images)


def test_a_level_hands_in_its_generator_and_the_judge_scores_it(home: Home, tmp_path: Path) -> None:
    public = home.public("hw06")
    assert suffix(public) == ".onnx"
    settings = ["width=4", "batch=16", "epochs=2"]
    path = train_level("hw06", "strong", public, tmp_path, seed=1, device="cpu", overrides=settings)
    assert path.suffix == ".onnx"
    first, again = (score(home, path.read_bytes()) for _ in range(2))
    assert first == again


def test_a_generator_that_draws_as_the_world_does_beats_one_of_plain_colours(home: Home) -> None:
    fresh = world.draw(default_rng(8), 300, world.windows(fixed(5).within("hw06/builtin-model/0/world")))
    (good, many), (plain, few) = (score(home, data) for data in (memory(fresh), generator.plain()))
    assert good < plain / 4
    assert many > 0.8
    assert few < 0.2


def test_a_generator_that_holds_training_images_is_refused_and_so_is_one_that_holds_too_many(home: Home) -> None:
    images = read(home.public("hw06"))
    assert GENERATOR.most_parameters // images[0].size == 325  # images of full size that a generator can hold
    for held in (images[:100], np.concatenate([images[:50, :, ::-1], images[50:100] // 2 + 60])):
        with pytest.raises(SubmissionError) as caught:
            score(home, memory(held))
        assert [problem.code for problem in caught.value.problems] == ["E_COPIES"]
    small = images.reshape(-1, 32, 2, 32, 2, 3).mean(axis=(2, 4)).astype(np.uint8)  # four times as many
    with pytest.raises(SubmissionError, match="like one of a training image"):
        score(home, memory(small.repeat(2, axis=1).repeat(2, axis=2)[:100]))
    with pytest.raises(SubmissionError, match="numbers; at most"):
        read_file(memory(np.tile(images, (2, 1, 1, 1))[:330]), GENERATOR)


def test_the_hidden_noise_follows_from_the_key_and_is_not_public(home: Home) -> None:
    assert (home.secret("hw06", 1) / generator.NOISE_FILE).exists()
    assert not list(home.public("hw06").rglob("*noise*"))
    one, same, other = (fixed(seed).generator("noise").standard_normal(8, np.float32) for seed in (5, 5, 6))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_operators_of_drawing_programs_are_refused() -> None:
    with pytest.raises(SubmissionError) as caught:
        read_file(graph(GENERATOR, "wave", [("Sin", ["noise"], "image", {})], {}), GENERATOR)
    assert "E_MODEL_OPERATOR" in {problem.code for problem in caught.value.problems}
