"""HW15: alphabets and hands, the tasks, the importer of Omniglot, bad submissions, the baseline, and real files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import accuracy_score
from torch.func import functional_call

from baselines import hw15_meta as baseline
from baselines.characters import Characters, read_characters, read_tasks
from baselines.common import train_level
from harness.competition import read_competition
from harness.grading.scoring import grade_here
from harness.home import Home
from submissions.reader import read
from tasks.base import Made, SubmissionError, UserError
from tasks.hw15_meta import FORM, HANDS, QUERIES, SIDE, TARGET, TASK, TEST, TRAINING, WAYS, official, world
from tasks.hw15_meta.alphabets import LEAST, THIN, alphabet, character, difference, draw_family, draw_style
from tasks.metrics import ACCURACY
from tasks.pen import curve, ink
from tasks.split import split
from tasks.streams import fixed
from tests.bench.tricks.frame import prepared
from tests.conftest import SHARED, needs

SMALL = world.Counts(3, 16, 20)


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "L", (SIDE, SIDE))
        assert not image.info
        return np.asarray(image)


# The world


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    public = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(world.SIZES, "small", SMALL)
        return public, world.make(public, fixed(1), "small", None, None, 1)


def test_another_key_has_other_alphabets() -> None:
    one, other = (set(world.names(3, fixed(seed).generator("train/names"))) for seed in (1, 2))
    assert len(one) == 3
    assert one != other


def test_files_are_laid_out_as_in_the_course(small: tuple[Path, Made]) -> None:
    public, made = small
    characters = sorted((public / TRAINING).glob("*/*"))
    assert len(characters) == SMALL.characters
    assert len({folder.parent for folder in characters}) == SMALL.alphabets
    numbers = []
    for folder in characters:
        assert folder.name[:9] == "character"
        names = [path.stem.split("_") for path in sorted(folder.iterdir())]
        assert [hand for _, hand in names] == [f"{hand:02d}" for hand in range(1, HANDS + 1)]
        numbers.append({number for number, _ in names})
        assert len({pixels(path).tobytes() for path in folder.iterdir()}) == HANDS
    assert sorted(set.union(*numbers)) == [f"{number:04d}" for number in range(1, SMALL.characters + 1)]
    for part in ("support", "query"):
        folders = sorted((public / TEST / part).iterdir())
        assert [folder.name for folder in folders] == [f"{task:04d}" for task in range(SMALL.tasks)]
        assert all(sorted(p.name for p in f.iterdir()) == [f"image_{n}.png" for n in range(5)] for f in folders)
    assert len(made.answers) == QUERIES * SMALL.tasks


def test_a_task_is_a_group_and_its_queries_are_drawn_with_replacement(small: tuple[Path, Made]) -> None:
    _, made = small
    groups = made.answers.groups
    assert groups is not None
    assert [len(set(part)) for part in groups.reshape(-1, QUERIES).tolist()] == [1] * SMALL.tasks
    drawn = [
        fixed(3).within("test").generator(f"{task}/queries").integers(0, WAYS, QUERIES).tolist() for task in range(640)
    ]
    different = Counter(len(set(some)) for some in drawn)
    expected = {5: 0.0384, 4: 0.384, 3: 0.48, 2: 0.096, 1: 0.0016}  # Stirling numbers of the second kind
    assert all(abs(different[count] / 640 - share) < 0.06 for count, share in expected.items())
    usage = split(made.answers, b"key", "hw15", 0.5).usage
    assert usage is not None
    assert all(len(set(part)) == 1 for part in usage.reshape(-1, QUERIES).tolist())


def test_assigning_each_class_once_gains_nothing() -> None:
    """Of queries drawn as the world draws them, seen with noise; it would gain much if each class were asked once."""
    rng = np.random.default_rng(0)
    gains = []
    for asked_once in (False, True):
        alone = assigned = 0
        for task in range(640):
            stream = fixed(3).within("test").generator(f"{task}/queries")
            classes = rng.permutation(WAYS) if asked_once else stream.integers(0, WAYS, QUERIES)
            likeness = rng.normal(0, 1, (QUERIES, WAYS)) + 1.5 * np.eye(WAYS)[classes]
            alone += int((likeness.argmax(1) == classes).sum())
            assigned += int((linear_sum_assignment(-likeness)[1] == classes).sum())
        gains.append((assigned - alone) / (640 * QUERIES))
    assert gains[0] < -0.05
    assert gains[1] > 0.05


def test_the_queries_of_a_class_are_more_like_its_support_than_like_others(small: tuple[Path, Made]) -> None:
    """Where the answers were shifted by a row, no distance would find them."""
    public, made = small
    tasks = read_tasks(public / TEST)
    blurred = torch.nn.functional.avg_pool2d(tasks.flatten(0, 1)[:, None], 4).reshape(*tasks.shape[:2], -1)
    near = torch.cdist(blurred[:, WAYS:], blurred[:, :WAYS]).argmin(2).flatten().numpy()
    assert (near == made.answers.columns[TARGET]).mean() > 0.3


@pytest.fixture(scope="module")
def alphabets() -> list[list[list[NDArray[np.float64]]]]:
    family = draw_family(np.random.default_rng(1))
    return [alphabet(family, 12, np.random.default_rng([1, number])) for number in range(6)]


def test_characters_lie_in_the_square_and_differ_from_each_other(
    alphabets: list[list[list[NDArray[np.float64]]]],
) -> None:
    for characters in alphabets:
        for strokes in characters:
            points = np.concatenate(strokes)
            assert points.min() > 0
            assert points.max() < 1
            sides = np.ptp(points, axis=0)
            assert sides.min() > THIN * sides.max()
            assert all(len(stroke) <= 7 for stroke in strokes)
        shapes = [ink([curve(stroke, 3) for stroke in strokes], 14, 2.0) for strokes in characters]
        assert all(difference(one, other) > LEAST for at, one in enumerate(shapes) for other in shapes[:at])


def test_characters_of_an_alphabet_are_more_alike_than_those_of_others() -> None:
    """By the number of strokes and of their points, which a style decides."""
    family = draw_family(np.random.default_rng(2))
    numbers = []
    for number in range(20):
        rng = np.random.default_rng([2, number])
        style = draw_style(family, rng)
        numbers.append([sum(map(len, character(style, rng))) for _ in range(20)])
    values = np.array(numbers, dtype=float)
    within, between = values.var(axis=1).mean(), values.mean(axis=1).var()
    assert between > 2 * within / 20


# The course's files


def given(place: Path, alphabets: int = 5, turn: str = ".0") -> Path:
    rng = np.random.default_rng(0)
    number = 0
    for name in range(alphabets):
        for place_in in range(1, 8):
            number += 1
            folder = place / f"Omniglot/images_background/Alphabet_{name}{turn}/character{place_in:02d}"
            folder.mkdir(parents=True)
            for hand in range(1, HANDS + 1):
                shape = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
                Image.fromarray(shape).save(folder / f"{number:04d}_{hand:02d}.png")
    return place


def take(source: Path, public: Path, seed: int = 0) -> Made:
    public.mkdir()
    return official.make(public, fixed(seed), "small", source)


def refused(source: Path, public: Path) -> str:
    with pytest.raises(UserError) as error:
        take(source, public)
    assert not list(public.iterdir())
    return str(error.value)


def every(folder: Path) -> Iterator[bytes]:
    return (pixels(path).tobytes() for path in sorted(folder.rglob("*.png")))


def test_alphabets_become_hidden_and_each_picture_is_in_one_task(tmp_path: Path) -> None:
    source = given(tmp_path / "source")
    made = take(source, tmp_path / "public", seed=3)
    of = {pixels(path).tobytes(): path.parts[-3:-1] for path in source.rglob("*.png")}
    known, hidden = list(every(tmp_path / "public" / TRAINING)), list(every(tmp_path / "public" / TEST))
    assert len(set(known)) == len(known) == 3 * 7 * HANDS
    assert len(set(hidden)) == len(hidden) == 10 * len(made.answers) // QUERIES
    assert len({of[picture][0] for picture in known}) == 3
    assert not {of[picture][0] for picture in known} & {of[picture][0] for picture in hidden}
    support, query = (list(every(tmp_path / "public" / TEST / part)) for part in ("support", "query"))
    for row, (picture, label) in enumerate(zip(query, made.answers.columns[TARGET].tolist(), strict=True)):
        assert of[picture] == of[support[row // QUERIES * WAYS + label]]


def test_turned_copies_are_left_out_and_pictures_of_omniglots_own_size_are_made_small(tmp_path: Path) -> None:
    source = given(tmp_path / "source")
    given(source / "turned", turn=".90")
    for path in (source / "Omniglot").rglob("*.png"):
        with Image.open(path) as image:
            image.convert("1").resize((105, 105)).save(path)
    take(source, tmp_path / "a")
    assert sum(1 for _ in every(tmp_path / "a" / TRAINING)) == 3 * 7 * HANDS


def test_what_is_incomplete_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = given(tmp_path / "source")
    one = next(iter(sorted(source.rglob("*.png"))))
    data = one.read_bytes()
    one.unlink()
    assert "Alphabet_0/character01 (19)" in refused(source, tmp_path / "a")
    one.write_bytes(data[: len(data) // 2])
    assert "expected a whole PNG picture" in refused(source, tmp_path / "b")
    one.write_bytes(data)
    one.with_name("x_01.png").write_bytes(data)
    assert "expected one picture of hand 1" in refused(source, tmp_path / "c")
    assert "at least 3 alphabets" in refused(given(tmp_path / "few", 2), tmp_path / "d")
    (tmp_path / "none").mkdir()
    assert "images_background" in refused(tmp_path / "none", tmp_path / "e")


def test_tasks_are_drawn_until_pictures_are_short() -> None:
    tasks = official.draw_tasks([20] * 40, np.random.default_rng(0))
    used: Counter[int] = Counter()
    for chosen, asked in tasks:
        assert len(set(chosen)) == WAYS
        used.update(chosen)
        used.update(chosen[label] for label in asked)
    assert max(used.values()) <= 20
    assert sum(used.values()) > 0.7 * 800
    assert len(official.draw_tasks([20] * 4000, np.random.default_rng(0))) == 640


# What is handed in


def rows(count: int, kind: str = "3") -> bytes:
    return ("id,class\n" + "".join(f"{number},{kind}\n" for number in range(count))).encode()


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (rows(3200).replace(b"\n47,3\n", b"\n"), "E_ID_MISSING", "47"),
        (rows(3200).replace(b"\n47,3\n", b"\n47,5\n"), "E_RANGE", "5"),
        (rows(3200) + b"45,3\n46,3\n47,3\n48,3\n49,3\n", "E_ID_TWICE", "45"),
        (rows(3200).replace(b"\n47,3\n", b"\n47,3.0\n"), "E_NUMBER", "3.0"),
        (rows(640), "E_ID_MISSING", "2,560"),
        (rows(3200).replace(b"id,class", b"Id,Class"), "E_COLUMNS", "id"),
    ],
    ids=["a task of four rows", "class 5", "a task twice", "a float", "a row a task", "another header"],
)
def test_bad_submissions_are_refused_with_what_is_wrong(data: bytes, code: str, words: str) -> None:
    with pytest.raises(SubmissionError) as error:
        read(data, FORM)
    assert {problem.code for problem in error.value.problems} == {code}
    assert words in str(error.value)


# The baseline


def network() -> baseline.Network:
    torch.manual_seed(0)
    return baseline.Network("quick", 8, WAYS)


def task(seed: int = 0) -> torch.Tensor:
    return torch.rand(10, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def test_adapting_is_gradient_descent_on_the_supports() -> None:
    net, config = network(), baseline.Config(inner_lr=0.3)
    net.normalised_by(WAYS)
    weights: baseline.Weights = dict(net.named_parameters())
    x = task()[:WAYS, None]
    found = baseline.adapt(net, config, 1, weights, x)
    loss = torch.nn.functional.cross_entropy(functional_call(net, weights, (x,)), torch.arange(WAYS))
    slopes = torch.autograd.grad(loss, list(weights.values()))
    for (name, weight), slope in zip(weights.items(), slopes, strict=True):
        torch.testing.assert_close(found[name], weight - 0.3 * slope)


def test_anil_adapts_the_head_alone() -> None:
    net, config = network(), baseline.Config(head_only=True, inner_lr=0.3)
    net.normalised_by(WAYS)
    found = baseline.after_adapting(net, config, 2, dict(net.named_parameters()), task())
    features = net.body(task()[:, None]).detach()
    head = torch.nn.Linear(features.shape[1], WAYS)
    head.load_state_dict(net.head.state_dict())
    descent = torch.optim.SGD(head.parameters(), 0.3)
    for _ in range(2):
        descent.zero_grad()
        torch.nn.functional.cross_entropy(head(features[:WAYS]), torch.arange(WAYS)).backward()  # type: ignore[no-untyped-call]
        descent.step()
    torch.testing.assert_close(found, head(features[WAYS:]))


def meta_gradient(config: baseline.Config, net: baseline.Network, weights: baseline.Weights) -> list[torch.Tensor]:
    out = baseline.after_adapting(net, config, 2, weights, task())
    loss = torch.nn.functional.cross_entropy(out, torch.tensor([0, 1, 1, 4, 2]))
    return list(torch.autograd.grad(loss, list(weights.values())))


def test_maml_goes_through_the_inner_steps_and_first_order_maml_does_not() -> None:
    net = network().double()
    torch.set_default_dtype(torch.float64)
    try:
        net.normalised_by(WAYS)
        weights = {name: weight.detach().requires_grad_() for name, weight in net.named_parameters()}
        second, first = (meta_gradient(baseline.Config(first_order=way), net, weights) for way in (False, True))
        rng = torch.Generator().manual_seed(1)
        ways = [torch.randn(weight.shape, generator=rng) for weight in weights.values()]

        def loss(step: float) -> float:
            moved = {n: w.detach() + step * v for (n, w), v in zip(weights.items(), ways, strict=True)}
            out = baseline.after_adapting(net, baseline.Config(), 2, moved, task().double())
            return float(torch.nn.functional.cross_entropy(out, torch.tensor([0, 1, 1, 4, 2])))

        measured = (loss(1e-9) - loss(-1e-9)) / 2e-9  # nearer than the next kink of a ReLU
        along = [sum(float((slope * way).sum()) for slope, way in zip(s, ways, strict=True)) for s in (second, first)]
        assert along[0] == pytest.approx(measured, rel=1e-3)
        assert along[1] != pytest.approx(measured, rel=1e-2)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("method", ["transfer", "classifier", "prototypes", "maml"])
def test_the_class_of_a_query_does_not_depend_on_other_queries_or_tasks(method: str) -> None:
    config = baseline.Config(method, test_steps=2)  # type: ignore[arg-type]
    net = network()
    tasks = torch.stack([task(seed) for seed in range(6)])
    whole = baseline.guess(config, net, tasks)
    assert whole.shape == (6, 5)
    assert torch.equal(baseline.guess(config, net, tasks[2:4]), whole[2:4])
    alone = tasks[:, [0, 1, 2, 3, 4, 7]]
    assert torch.equal(baseline.guess(config, net, alone)[:, 0], whole[:, 2])


def test_all_tasks_at_once_and_one_by_one_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net, config = network(), baseline.Config()
    net.normalised_by(WAYS)
    weights = {name: weight.detach() for name, weight in net.named_parameters()}
    tasks = torch.stack([task(seed) for seed in range(3)])

    def work(weights: baseline.Weights, one: torch.Tensor) -> torch.Tensor:
        return baseline.after_adapting(net, config, 1, weights, one)

    torch.testing.assert_close(
        baseline.each(work, weights, tasks), torch.func.vmap(work, in_dims=(None, 0))(weights, tasks)
    )


def test_turned_characters_are_others_and_episodes_show_each_hand_once() -> None:
    ink = torch.rand(7, HANDS, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    known = Characters(ink, torch.zeros(7, dtype=torch.int64))
    turned = known.in_turns()
    assert turned.ink.shape == (28, HANDS, SIDE, SIDE)
    assert torch.equal(turned.ink[7 + 3], torch.rot90(ink[3], 1, (1, 2)))
    episode = turned.episode(6, 5, torch.Generator().manual_seed(0))
    assert episode.shape == (5, 6, SIDE, SIDE)
    of = {picture.numpy().tobytes(): at for at, picture in enumerate(turned.ink.flatten(0, 1))}
    found = np.array([[of[picture.numpy().tobytes()] for picture in row] for row in episode])
    assert len(set(found.ravel().tolist())) == 30
    assert all(len(set((column // HANDS).tolist())) == 1 for column in found.T)


def test_the_courses_network_and_levels_are_taken_for_many_characters(tmp_path: Path) -> None:
    net = baseline.Network("course", 64, 5)
    assert sum(weight.numel() for weight in net.parameters()) == 112_261
    assert baseline.settings("medium", tmp_path).method == "prototypes"
    for number in range(baseline.MANY):
        (tmp_path / "Omniglot/images_background/A" / f"character{number}").mkdir(parents=True)
    assert baseline.settings("medium", tmp_path).first_order
    assert baseline.settings("boss", tmp_path).turned


@pytest.mark.parametrize("change", [(), ("first_order=true",), ("head_only=true",), ("pretrained=true",)], ids=str)
def test_maml_trains_and_writes_a_class_for_every_query(
    change: tuple[str, ...], homes: Callable[[str], Home], tmp_path: Path
) -> None:
    public = homes("hw15").public("hw15")
    sets = ("method=maml", "channels=8", "batch=2", "queries=1", "epochs=2", "steps=2", "test_steps=1", *change)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baseline, "CLASSIFIER", baseline.Config("classifier", epochs=1, steps=2, batch=8))
        path = train_level("hw15", "simple", public, tmp_path, seed=0, device="cpu", overrides=sets)
    form = read_competition(public).format
    assert len(read(path.read_bytes(), form)[TARGET]) == len(form)


def test_prototypes_are_the_published_loss_query_by_query(small: tuple[Path, Made]) -> None:
    known = read_characters(small[0] / TRAINING)
    config = baseline.Config("prototypes", ways=3, queries=2, temperature=2.0)
    network = baseline.Network("quick", 8, len(known.ink)).eval()
    with torch.no_grad():
        ours = float(baseline.episode_loss(config, network, known, torch.Generator().manual_seed(4)))
        supports, *queries = known.episode(3, 3, torch.Generator().manual_seed(4))
        means, total = network.embed(supports), 0.0
        for query in queries:
            for way, feature in enumerate(network.embed(query)):
                near = [float(torch.exp(-((feature - mean) ** 2).sum() / 2.0)) for mean in means]
                total -= float(np.log(near[way] / sum(near))) / 6
    assert ours == pytest.approx(total, rel=1e-4)


# Real files


@needs("submissions/hw15-2022")
def test_real_submissions_of_students_are_accepted() -> None:
    files = sorted((SHARED / "submissions" / "hw15-2022").glob("*.csv"))
    assert len(files) >= 4
    for path in files:
        for year in ("2022", "2023"):
            columns = read(path.read_bytes(), TASK.edition(year).format)
            assert set(columns[TARGET].tolist()) == set(range(WAYS))


@needs("submissions/hw15-2022")
def test_the_accuracy_of_one_real_file_by_another_is_scikit_learns() -> None:
    form = TASK.edition("2022").format
    files = sorted((SHARED / "submissions" / "hw15-2022").glob("*.csv"))
    every = [read(path.read_bytes(), form) for path in files]
    for one, other in pairwise(every):
        ours = ACCURACY.value(ACCURACY.rows(one, other))
        assert ours == accuracy_score(one[TARGET], other[TARGET])
        assert 0.2 < ours < 1


@pytest.mark.slow
@needs("omniglot/images_background_small1.zip")
def test_five_alphabets_of_omniglot_are_imported_learned_from_and_scored(tmp_path: Path) -> None:
    archive = SHARED / "omniglot/images_background_small1.zip"
    made = prepared(tmp_path / "home", "hw15", "2022", "small", 0, archive)
    assert len(list((made.public / TRAINING).iterdir())) == 3
    assert len(made.secret.competition.format) >= 70 * QUERIES
    path = train_level("hw15", "strong", made.public, tmp_path / "run", seed=0, device="cpu", overrides=("epochs=2",))
    (learned,), (guessed,) = (
        grade_here(made.secret, file.read_bytes()).scores for file in (path, made.public / "sample_submission.csv")
    )
    for board in ("public", "private"):
        assert getattr(guessed, board) < 0.3
        assert getattr(learned, board) > 0.6
