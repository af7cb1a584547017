"""HW14: the world, the format, the judge's matrix, its metrics and notes, the course's stream, and the methods."""

from __future__ import annotations

import gzip
import shutil
import struct
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save
from scipy.ndimage import rotate
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from baselines import hw14_lifelong as baseline
from harness.answers import Secret, read_secret
from harness.competition import find_competition
from harness.grading.scoring import grade_here
from harness.home import Home
from submissions.reader import read
from tasks.base import PUBLIC, Columns, Judged, Made
from tasks.hw14_lifelong import (
    AVERAGE,
    COURSE_LAYERS,
    LAYERS,
    METRICS,
    TASK,
    TASKS,
    form_of,
    hits,
    judge,
    official,
    world,
)
from tests.bench.tricks import hw14 as tricks
from tests.bench.tricks.frame import Given, prepared
from tests.conftest import SHARED, few, made_in, needs
from tests.files import Arrays, changed, put

FORM = form_of(LAYERS)
PLACE = "after_3/2.weight"


def taught(pictures: NDArray[np.uint8], labels: NDArray[np.int64]) -> Arrays:
    """A network that knows these pictures, fewer than pixels, by least squares; by torch's names."""
    x, y = tricks.flat(pictures), 2 * np.eye(10)[labels] - 1
    weight = x.T @ np.linalg.solve(x @ x.T + 1e-3 * np.eye(len(x)), y)
    layers = tricks.linear(weight, np.zeros(10))
    arrays: Arrays = {}
    for at, (w, b) in enumerate(layers):
        arrays |= {f"{2 * at}.weight": w.T.astype(np.float32), f"{2 * at}.bias": b.astype(np.float32)}
    return arrays


def file_of(*networks: Arrays) -> bytes:
    """A submission of the networks after each task; one stands for all."""
    every = networks * TASKS if len(networks) == 1 else networks
    named = {f"after_{task}/{name}": value for task, one in enumerate(every, 1) for name, value in one.items()}
    return save({name: np.ascontiguousarray(value) for name, value in named.items()})


def winner(home: Home, secret: Secret) -> bytes:
    """Networks that were taught the hidden pictures."""
    assert secret.folder is not None
    return file_of(taught(np.load(secret.folder / judge.HIDDEN_FILE), secret.answers.columns["label"]))


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "no network after task 5": changed(lambda a: [a.pop(name) for name in list(a) if name.startswith("after_5")]),
    "an array too few": changed(lambda a: a.pop("after_2/0.bias")),
    "an array too many": changed(lambda a: a.update({"after_6/0.bias": a["after_5/0.bias"]})),
    "inputs before outputs": changed(lambda a: a.update({"after_1/0.weight": a["after_1/0.weight"].T.copy()})),
    "the course's larger network": lambda data: world.empty(form_of(COURSE_LAYERS)),
    "half precision": changed(lambda a: a.update({name: value.astype(np.float16) for name, value in a.items()})),
    "not a number": changed(put(PLACE, np.nan)),
    "infinity": changed(put(PLACE, -np.inf)),
    "too large a number": changed(put(PLACE, 1e4)),
    "a pickle": lambda data: b"\x80\x04" + data,
    "bytes at the end": lambda data: data + b"0",
}


# The world


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)


def test_students_get_the_training_pictures_of_each_task_and_nothing_else(small: None, tmp_path: Path) -> None:
    result = made_in(tmp_path / "public", partial(world.make, "turned", processes=1))
    files = sorted(path.relative_to(tmp_path / "public").as_posix() for path in (tmp_path / "public").rglob("*.*"))
    assert files == [f"task_{task}/{name}.npy" for task in range(1, 6) for name in ("images", "labels")]
    every = []
    for task in range(1, 6):
        pictures, labels = (np.load(tmp_path / "public" / f"task_{task}" / f"{n}.npy") for n in ("images", "labels"))
        assert (pictures.dtype, pictures.shape, labels.dtype) == (np.uint8, (60, 28, 28), np.int64)
        assert np.bincount(labels).tolist() == [6] * 10
        assert 10 < pictures.mean() < 80
        every.append(pictures)
    hidden = np.load(tmp_path / "public.secret" / judge.HIDDEN_FILE)
    assert hidden.shape == (200, 28, 28)
    flat = np.concatenate([*every, hidden]).reshape(-1, 784)
    assert len(np.unique(flat, axis=0)) == len(flat), "no picture is there twice"
    counts = np.unique(np.stack([*result.answers.columns.values()]), axis=1, return_counts=True)[1]
    assert counts.tolist() == [4] * 50


def test_a_turn_is_scipys_and_a_move_goes_right_and_down() -> None:
    picture = np.zeros((28, 28), np.float32)
    picture[8:20, 10:15] = 1
    picture[8:11, 10:22] = 1
    for degrees in (0.0, 36.0, -72.0, 144.0):
        ours = (picture.ravel() @ world.Change(degrees).matrix()).reshape(28, 28)
        theirs = rotate(picture, degrees, reshape=False, order=1)
        assert np.abs(ours - theirs).max() < 1e-4
    moved = (picture.ravel() @ world.Change(0.0, (2.0, 1.0)).matrix()).reshape(28, 28)
    assert np.array_equal(moved, np.roll(picture, (1, 2), (0, 1)))


def test_a_key_draws_how_tasks_differ_and_a_permuted_task_is_an_order_of_pixels() -> None:
    turns = [world.draw_changes(np.random.default_rng(seed), "turned") for seed in range(20)]
    steps = {round(after.degrees - before.degrees, 6) for one in turns for before, after in pairwise(one)}
    assert steps == {36.0, -36.0}
    assert len({one[0].degrees for one in turns}) == 20
    orders = world.draw_changes(np.random.default_rng(0), "permuted")
    assert np.array_equal(orders[0].matrix(), np.eye(784))
    assert len({one.order for one in orders}) == 5
    assert sorted(orders[3].order) == list(range(784))


# The metrics


def answers_of(rng: np.random.Generator, n: int = 300) -> tuple[Columns, Columns]:
    """Classes of five networks, right more often for later tasks."""
    labels, tasks = rng.integers(10, size=n), np.arange(n) % TASKS
    right = rng.random((n, TASKS)) < 0.3 + 0.1 * tasks[:, None]
    wrong = (labels[:, None] + rng.integers(1, 10, (n, TASKS))) % 10
    return {"label": labels, "task": tasks}, {"classes": np.where(right, labels[:, None], wrong).astype(np.int8)}


def by_hand(answers: Columns, predictions: Columns) -> list[float]:
    """The three scores by loops over the published formulas."""
    tasks = sorted({int(task) for task in answers["task"]})
    found = {
        (network, task): sum(
            bool(guess[network] == label)
            for guess, label, own in zip(predictions["classes"], answers["label"], answers["task"], strict=True)
            if own == task
        )
        / sum(own == task for own in answers["task"])
        for network in range(TASKS)
        for task in tasks
    }
    early = [task for task in tasks if task < TASKS - 1]
    average = sum(found[TASKS - 1, task] for task in tasks) / len(tasks)
    gain = sum(found[TASKS - 1, task] - found[task, task] for task in early) / len(early)
    lost = sum(max(found[k, task] for k in range(TASKS - 1)) - found[TASKS - 1, task] for task in early) / len(early)
    return [average, gain, lost]


@pytest.mark.parametrize("seed", range(5))
def test_the_metrics_are_the_published_formulas_and_weights_are_repeated_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    answers, predictions = answers_of(rng)
    rows = hits(answers, predictions)
    assert [metric.value(rows) for metric in METRICS] == pytest.approx(by_hand(answers, predictions))
    weights = rng.integers(0, 4, (2, len(rows)))
    weights[0, answers["task"] == 2] = 0  # a task that has no rows
    for metric in METRICS:
        for weight, value in zip(weights, metric.value(rows, weights), strict=True):
            again = np.repeat(np.arange(len(rows)), weight)
            assert metric.value(rows[again]) == pytest.approx(value)
            assert metric.value(rows, weight.astype(np.uint16)) == pytest.approx(value)


def test_an_interval_has_the_width_of_the_binomial_and_takes_whole_groups() -> None:
    rows = hits(*answers_of(np.random.default_rng(0), 500))
    low, high = AVERAGE.interval(rows, np.arange(500) % 2 == 0) or (1.0, 0.0)
    assert 0.1 < high - low < 0.2  # 1.96 * sqrt(0.25 / 250) on each side
    ten = np.repeat(np.arange(50), 10).astype(np.str_)
    grouped = np.repeat(rows[:50], 10, axis=0)
    one, same = (AVERAGE.interval(grouped, np.ones(500, bool), groups) for groups in (None, ten))
    assert one is not None
    assert same is not None
    assert same[1] - same[0] > 2 * (one[1] - one[0])


# The judge


@pytest.fixture
def public(homes: Callable[[str], Home]) -> Path:
    return homes("hw14").public("hw14")


@pytest.fixture
def secret(homes: Callable[[str], Home]) -> Path:
    return homes("hw14").secret("hw14", 1)


def random_networks(seed: int = 0) -> Columns:
    rng = np.random.default_rng(seed)
    return {one.name: rng.normal(0, 0.1, one.shape).astype(np.float32) for one in FORM.arrays}


def test_the_judge_says_what_torch_says_whatever_the_threads_and_the_other_pictures(secret: Path) -> None:
    columns = random_networks()
    with threadpool_limits(1):
        first = judge.run(FORM, columns, secret).columns["classes"]
    with threadpool_limits(2):
        assert np.array_equal(judge.run(FORM, columns, secret).columns["classes"], first)
    pictures = np.load(secret / judge.HIDDEN_FILE)
    for task in range(TASKS):
        network = baseline.Network(LAYERS[1:-1]).double()
        prefix = f"after_{task + 1}/"
        state = {name.removeprefix(prefix): torch.from_numpy(v) for name, v in columns.items() if prefix in name}
        network.load_state_dict(state)
        with torch.no_grad():
            theirs = network(torch.from_numpy(pictures).flatten(1).double() / 255).argmax(1).numpy()
        assert np.array_equal(first[:, task], theirs)
        layers = judge.networks(FORM, columns)[task]
        alone = np.concatenate([judge.classes(layers, pictures[at : at + 1]) for at in range(7)])
        assert np.array_equal(alone, theirs[:7])


def test_equal_outputs_are_the_first_class_and_the_largest_numbers_stay_finite() -> None:
    largest = [(np.full((n, m), 1000.0), np.full(m, 1000.0)) for n, m in pairwise(LAYERS)]
    with np.errstate(all="raise"):
        assert judge.classes(largest, np.full((3, 28, 28), 255, np.uint8)).tolist() == [0, 0, 0]


def judged(secret: Path, *networks: Arrays) -> Judged:
    return judge.run(FORM, read(file_of(*networks), FORM), secret)


def test_notes_name_what_cannot_have_been_and_follow_from_training_pictures_alone(
    secret: Path, public: Path, tmp_path: Path
) -> None:
    known, labels = np.load(secret / judge.KNOWN_FILE), np.load(secret / judge.KNOWN_LABELS_FILE)
    assert np.array_equal(known[1], np.load(public / "task_2" / "images.npy")[: len(known[1])])
    one_by_one = [taught(pictures, own) for pictures, own in zip(known, labels, strict=True)]
    assert judged(secret, *one_by_one).notes == (), "what learns one task after another is not noted"
    joint = taught(known.reshape(-1, 28, 28), labels.ravel())
    found = judged(secret, joint)
    assert sum("are equal" in note for note in found.notes) == 4
    assert sum("already names" in note for note in found.notes) == 4
    late = judged(secret, *one_by_one[:4], joint)
    assert len(late.notes) <= 1, "a last network that saw everything at once shows in its backward transfer at most"
    poor = taught(known[0][::2], labels[0][::2])
    better = judged(secret, poor, *one_by_one[1:4], joint)
    assert any("better than when they were learned" in note for note in better.notes)
    shutil.copytree(secret, tmp_path / "other")
    np.save(tmp_path / "other" / judge.HIDDEN_FILE, np.load(secret / judge.HIDDEN_FILE)[::-1])
    assert judged(tmp_path / "other", joint).notes == found.notes


# The course's stream


def idx(values: NDArray[np.uint8]) -> bytes:
    magic = {3: 2051, 1: 2049}[values.ndim]
    return struct.pack(f">{values.ndim + 1}I", magic, *values.shape) + values.tobytes()


def given(place: Path, count: int = 200) -> Path:
    """Files as MNIST has them, of random pictures."""
    rng = np.random.default_rng(0)
    place.mkdir()
    for part in ("train", "t10k"):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pictures = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        (place / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pictures), mtime=0))
        (place / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels), mtime=0))
    return place


def course(place: Path, folder: Path, year: str = "2022") -> Made:
    return made_in(folder, TASK.edition(year).make, source=place)


def test_a_picture_is_in_all_five_tasks_and_never_on_both_boards(tmp_path: Path) -> None:
    result = course(given(tmp_path / "mnist"), tmp_path / "public")
    answers = result.answers
    assert answers.groups is not None
    names, counts = np.unique(answers.groups, return_counts=True)
    assert (len(names), set(counts.tolist())) == (200, {5})
    upright = [np.load(tmp_path / "public" / f"task_{task}" / "images.npy") for task in range(1, 6)]
    order = {np.load(tmp_path / "public" / f"task_{task}" / "labels.npy").tobytes() for task in range(1, 6)}
    assert len(order) == 1
    assert np.array_equal(
        upright[4][:, 13:15, 13:15], official.changed(upright[0], official.changes("2022")[4])[:, 13:15, 13:15]
    )


def test_the_courses_orders_and_turns_are_numpys_and_pillows() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 28, 28)).astype(np.uint8)
    for year in ("2021", "2022", "2023"):
        for task, places in enumerate(official.changes(year)):
            assert np.array_equal(official.changed(picture, places)[0], seen_in(year, picture[0], task))


def damaged(name: str, change: Callable[[bytes], bytes], kept: bool) -> Callable[[Path], object]:
    """Changes the bytes of a file, which stays gzipped or does not."""

    def damage(place: Path) -> None:
        path = place / f"{name}.gz"
        data = change(gzip.decompress(path.read_bytes()))
        path.unlink()
        (place / f"{name}{'.gz' * kept}").write_bytes(gzip.compress(data) if kept else data)

    return damage


IMAGES, LABELS = ("-images-idx3-ubyte", "-labels-idx1-ubyte")
DAMAGED: list[tuple[Callable[[Path], object], str]] = [
    *(
        (damaged(name, change, kept), words)
        for kept in (False, True)
        for name, change, words in (
            (f"train{IMAGES}", lambda data: data[:-1], "says 200 images"),
            (f"train{IMAGES}", lambda data: b"\0\0\0\0" + data[4:], "in the idx format"),
            (f"t10k{IMAGES}", lambda data: data[:8] + struct.pack(">2I", 14, 56) + data[16:], "in the idx format"),
            (f"t10k{LABELS}", lambda data: data[:-1] + b"\x0a", "labels from 0 to 9; found 10"),
            (f"t10k{LABELS}", lambda data: struct.pack(">2I", 2049, 150) + data[8:158], "150 labels"),
            (f"train{LABELS}", lambda data: b"", "in the idx format"),
        )
    ),
    *(
        (lambda place, data=data: (place / f"train{IMAGES}.gz").write_bytes(data), "whole gzip file")
        for data in (gzip.compress(bytes(1000))[:-9], gzip.compress(b"\0" * (official.MOST_BYTES + 1)))
    ),
]
"""What is damaged of MNIST's files, and what the refusal says."""


def seen_in(year: str, picture: NDArray[np.uint8], task: int) -> NDArray[np.uint8]:
    """A picture of MNIST as a task of a year shows it."""
    rng = np.random.RandomState(0)
    orders = [np.arange(784), *(rng.permutation(784) for _ in range(4))]
    turned = np.asarray(Image.fromarray(picture).rotate(20 * task))
    return turned if year != "2021" else picture.ravel()[orders[task]].reshape(28, 28)


@needs("mnist")
@pytest.mark.slow
@pytest.mark.parametrize("year", ["2021", "2022"])
def test_on_mnist_the_matrix_of_a_submission_is_counted_again_from_the_files(year: str, tmp_path: Path) -> None:
    """What is handed in says of a picture which class has the nearest mean, over the tasks so far."""
    made = prepared(tmp_path / "home", "hw14", year, "small", 1, SHARED / "mnist")
    data = tricks.class_means(Given("hw14", made.public, year, "small", 1, tmp_path))
    grade = grade_here(made.secret, data)
    pictures, labels = (
        np.frombuffer(gzip.decompress((SHARED / "mnist" / f"t10k-{name}-ubyte.gz").read_bytes()), np.uint8, offset=head)
        for name, head in (("images-idx3", 16), ("labels-idx1", 8))
    )
    answers = made.secret.answers
    assert answers.groups is not None
    assert len(answers) == 5 * official.HIDDEN
    numbers = [int(name.removeprefix("picture ")) for name in answers.groups.tolist()]
    tasks = answers.columns["task"]
    assert np.array_equal(answers.columns["label"], labels[numbers])
    hidden = [seen_in(year, pictures.reshape(-1, 28, 28)[n], task) for n, task in zip(numbers, tasks, strict=True)]
    sums = np.zeros((10, 784))
    counted: list[list[float]] = []
    for known, own in tricks.tasks_of(made.public):
        assert known.shape == (60_000, 28, 28)
        sums += np.stack([known[own == label].reshape(-1, 784).mean(axis=0, dtype=np.float64) for label in range(10)])
        means = sums / (len(counted) + 1) / 255  # each task has the same pictures
        said = cdist(tricks.flat(np.stack(hidden)), means).argmin(axis=1)
        public = answers.usage == PUBLIC
        right = said == answers.columns["label"]
        counted.append([float(right[public & (tasks == task)].mean()) for task in range(TASKS)])
    assert np.allclose(grade.matrix, counted, atol=0.0021), "two of a thousand, by what single precision rounds"
    assert grade.scores[0].public == pytest.approx(np.mean(grade.matrix[-1]))
    assert counted[0][0] > 0.75


@pytest.mark.parametrize("name", ["hw14", "hw14-permuted"])
def test_the_sample_submission_says_zero_to_everything(name: str, homes: Callable[[str], Home]) -> None:
    home = homes(name)
    secret = read_secret(home, find_competition(home, "hw14"))
    grade = grade_here(secret, (home.public("hw14") / "sample_submission.safetensors").read_bytes())
    assert [score.public for score in grade.scores] == pytest.approx([0.1, 0.0, 0.0])
    assert secret.answers.usage is not None
    assert (secret.answers.usage == PUBLIC).sum() == 100
