"""HW12's policies: what is flown, what follows from the key, and what students have to train in the same craft."""

from __future__ import annotations

import importlib.util
import json
import sys
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

from harness.answers import read_secret
from harness.cli.main import cli
from harness.competition import find_competition
from harness.grading.scoring import grade_here
from harness.home import open_home
from harness.plans import plan_homework
from harness.prepare import prepare
from submissions.reader import read
from tasks.base import Made, SubmissionError, UserError
from tasks.formats import EpisodesFormat
from tasks.hw12_reinforcement import FAULT_FILE, MAX_STEPS, POLICY, SEEDS_FILE, TASK
from tasks.hw12_reinforcement.judge import faulty_environment, new_environment, replays
from tasks.hw12_reinforcement.policy import FAILED, SLOTS, fly, run
from tasks.hw12_reinforcement.world import idle, make
from tasks.models import Model, Node, check, dense, graph
from tasks.streams import fixed
from tests.bench.tricks import hw12 as tricks
from tests.bench.tricks.frame import NO_LEARNING, Given

new_environment()  # loads Box2D with its warnings, which are errors here, put off
NOW = datetime(2027, 2, 1, tzinfo=UTC)
FAULT = {"torque": 2.0, "gravity": -10.2}


def made(folder: Path, seed: int) -> Made:
    """The world in `folder`, with the secret files in a folder beside it."""
    secret = folder.with_name(f"{folder.name}.secret")
    secret.mkdir(exist_ok=True)
    return make(folder, fixed(seed).within("hw12/builtin/0/world"), "small", None, secret)


def secrets(made: Made) -> dict[str, Any]:
    assert made.secret is not None
    return {path.name: json.loads(path.read_text()) for path in made.secret.iterdir()}


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("public")
    made(folder, 1)
    return folder


def states(count: int = SLOTS) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((count, 8)) * [0.5, 0.8, 0.5, 0.5, 0.3, 0.3, 0, 0]
    drawn[:, 6:] = rng.integers(2, size=(count, 2))
    return drawn.astype(np.float32)


def random_layers(seed: int = 0) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    rng = np.random.default_rng(seed)
    return [
        (rng.standard_normal(shape).astype(np.float32), rng.standard_normal(shape[1]).astype(np.float32))
        for shape in ((8, 16), (16, 4))
    ]


# The world


def test_the_fault_and_the_hidden_seeds_follow_from_the_key_and_the_seeds_are_not_public(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    results = []
    for folder, seed in zip(folders, (3, 3, 4), strict=True):
        folder.mkdir()
        results.append(made(folder, seed))
    faults = [json.loads((folder / FAULT_FILE).read_text()) for folder in folders]
    assert faults[0] == faults[1] != faults[2]
    assert secrets(results[0]) == secrets(results[1]) != secrets(results[2])
    for fault in faults:
        assert 2.0 <= abs(fault["torque"]) <= 2.5
        assert -10.5 <= fault["gravity"] <= -9.5
    seeds = secrets(results[0])[SEEDS_FILE]
    assert len(set(seeds)) == len(seeds) == len(results[0].answers) == 200
    text = "".join(path.read_text() for path in folders[0].iterdir())
    assert not any(str(seed) in text for seed in seeds)
    torques = [secrets(made(folders[0], seed))[FAULT_FILE]["torque"] for seed in range(20)]
    assert {value > 0 for value in torques} == {True, False}


def test_without_a_torque_the_craft_is_gymnasiums_and_with_one_the_main_engine_turns_it() -> None:
    def flown(environment: Any, action: int) -> list[Any]:
        environment.reset(seed=7)
        return [environment.step(action)[0] for _ in range(25)]

    calm = flown(new_environment(), 2)
    assert np.array_equal(calm, flown(faulty_environment({"torque": 0.0, "gravity": -10.0}), 2))
    for torque in (-2.0, 2.0):
        turned = flown(faulty_environment({"torque": torque, "gravity": -10.0}), 2)
        assert np.sign(turned[-1][4] - calm[-1][4]) == np.sign(torque)
    other = flown(faulty_environment({"torque": 2.0, "gravity": -10.0}), 1)
    assert np.array_equal(flown(new_environment(), 1), other)  # the side engines are as they were


def test_the_environment_that_students_get_is_the_one_that_is_flown(public: Path) -> None:
    spec = importlib.util.spec_from_file_location("environment_of_the_students", public / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    craft = module.make(disable_env_checker=True)
    layers = random_layers()

    def policy(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        values: NDArray[np.float32] = np.tanh(rows @ layers[0][0] + layers[0][1]) @ layers[1][0] + layers[1][1]
        return values

    (state, _), total, over = craft.reset(seed=11), 0.0, False
    while not over:
        state, reward, terminated, truncated, _ = craft.step(int(policy(state[None])[0].argmax()))
        total, over = total + float(reward), terminated or truncated
    fault = json.loads((public / FAULT_FILE).read_text())
    assert fly(policy, fault, [11]).tolist() == [total]


# The judge


def test_an_episode_does_not_depend_on_the_others_nor_on_their_order() -> None:
    predictions = read(dense(POLICY, random_layers()), POLICY)
    seeds = list(range(40))
    with Model(POLICY, predictions) as model:
        whole = fly(lambda rows: model(rows)[0], FAULT, seeds)
        turned = fly(lambda rows: model(rows)[0], FAULT, seeds[::-1])
    with Model(POLICY, predictions) as model:
        alone = fly(lambda rows: model(rows)[0], FAULT, [3])
    assert np.array_equal(whole, turned[::-1])
    assert alone[0] == whole[3]
    assert len(set(whole.tolist())) == 40


def test_an_episode_ends_after_its_steps_even_if_the_craft_still_flies() -> None:
    steps = 0

    def hover(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        nonlocal steps
        steps += 1
        lift = (rows[:, 3] < 0.02).astype(np.float32)
        values: NDArray[np.float32] = np.stack([lift * 0 + 0.5, lift * 0, lift, lift * 0], axis=1)
        return values

    totals = fly(hover, {"torque": 0.0, "gravity": -10.0}, range(64))
    assert steps <= 2 * MAX_STEPS
    assert np.isfinite(totals).all()


def test_the_judge_scores_the_sample_and_check_runs_it_without_the_seeds(tmp_path: Path, public: Path) -> None:
    predictions = read(idle(), POLICY)
    checked = check(POLICY, predictions, None)
    assert (checked.columns, checked.notes) == (predictions, ("36 of at most 100,000 parameters",))
    seeds = [5, 6, 7]
    (tmp_path / SEEDS_FILE).write_text(json.dumps(seeds))
    (tmp_path / FAULT_FILE).write_text(json.dumps(FAULT))
    judged = run(POLICY, predictions, tmp_path)
    by_hand = []
    for seed in seeds:
        environment = faulty_environment(FAULT)
        environment.reset(seed=seed)
        total, over = 0.0, False
        while not over:
            _, reward, over, _, _ = environment.step(0)
            total += float(reward)
        by_hand.append(total)
    assert judged.columns["return"].tolist() == by_hand
    edition = TASK.edition("builtin")
    assert edition.judge is not None
    assert "onnxruntime" in edition.judge.version()


def landing(divisor: float) -> bytes:
    """A policy that fires, and divides by 0 with the leg on the ground (divisor 1), or while it is not (0)."""
    name, weight = POLICY.inputs[0].name, np.zeros((8, 4), np.float32)
    weight[6, 2] = 1e-3
    nodes: list[Node] = [
        ("Sub", [name, "ground"], "off", {}), ("Div", ["one", "off"], "large", {}),
        ("Clip", ["large", "low", "high"], "held", {}), ("Mul", ["large", "none"], "gone", {}),
        ("Add", ["held", "gone"], "both", {}), ("Gemm", ["both", "weight", "bias"], POLICY.outputs[0].name, {}),
    ]  # fmt: skip
    ground = np.full(8, 77, np.float32)
    ground[6] = divisor
    constants: dict[str, NDArray[Any]] = {
        "ground": ground, "one": np.ones(8, np.float32), "low": np.array(-9, np.float32),
        "high": np.array(9, np.float32), "none": np.zeros(8, np.float32), "weight": weight,
        "bias": np.array([0, 0, 1, 0], np.float32),
    }  # fmt: skip
    return graph(POLICY, "landing", nodes, constants)


@pytest.mark.parametrize("divisor", [1.0, 0.0])
def test_a_policy_that_fails_in_flight_is_scored_as_one_that_never_fires_and_not_refused(
    tmp_path: Path, divisor: float
) -> None:
    (tmp_path / SEEDS_FILE).write_text(json.dumps(list(range(SLOTS + 5))))
    (tmp_path / FAULT_FILE).write_text(json.dumps(FAULT))
    predictions = read(landing(divisor), POLICY)
    assert check(POLICY, predictions, None).notes
    judged = run(POLICY, predictions, tmp_path)
    assert judged.notes == (FAILED,)
    assert np.array_equal(judged.columns["return"], run(POLICY, read(idle(), POLICY), tmp_path).columns["return"])
    flies = run(POLICY, read(landing(50.0), POLICY), tmp_path)
    assert flies.notes == ()
    assert not np.array_equal(flies.columns["return"], judged.columns["return"])


def test_a_policy_of_another_shape_or_with_too_many_numbers_is_refused() -> None:
    shapes = ((8, 9000), (9000, 4))
    wide = [(np.ones(shape, np.float32), np.ones(shape[1], np.float32)) for shape in shapes]
    for layers, form, code in (
        (wide, POLICY, "E_PARAMETERS"),
        (random_layers(), replace(POLICY, outputs=POLICY.inputs), "E_MODEL_OUTPUTS"),
    ):
        data = dense(form, layers)
        with pytest.raises(SubmissionError) as caught:
            read(data, replace(POLICY, max_bytes=10**7))
        assert code in {problem.code for problem in caught.value.problems}


# Pilots and levels


@pytest.mark.parametrize("gains", [tricks.HEURISTIC, tricks.PILOT])
def test_a_pilot_as_a_graph_does_what_it_does_in_numpy(gains: tricks.Gains) -> None:
    with Model(POLICY, read(tricks.graph(gains), POLICY)) as model:
        values = model(states(200))[0]
    wanted = tricks.steer(gains, states(200))
    assert np.array_equal(values.argmax(axis=1), wanted.argmax(axis=1))
    assert len(set(wanted.argmax(axis=1).tolist())) == 4


def test_gymnasiums_heuristic_is_gymnasiums() -> None:
    from gymnasium.envs.box2d import lunar_lander

    own: Any = lunar_lander.heuristic
    environment = new_environment()
    rows = states(200)
    mine = tricks.steer(tricks.HEURISTIC, rows).argmax(axis=1)
    assert mine.tolist() == [own(environment, row) for row in rows]


@pytest.mark.parametrize("name", [trick.name for trick in tricks.TRICKS if trick.kind == NO_LEARNING])
def test_a_trick_is_a_policy_that_is_read_and_flown_or_the_actions_that_it_takes(name: str, public: Path) -> None:
    trick = next(one for one in tricks.TRICKS if one.name == name)
    given = Given("hw12", public, "builtin", "small", 1, public)
    given.__dict__["form"] = POLICY
    policy = trick.make(given)
    with Model(POLICY, read(policy, POLICY)) as model:
        flown = fly(lambda rows: model(rows)[0], {"torque": 0.0, "gravity": -10.0}, [3, 4])
    form = EpisodesFormat((3, 4))
    replayed = replays(form, read(tricks.handed_in(policy, form), form))
    assert [flight.total for flight in replayed] == flown.tolist()
    assert all(flight.over for flight in replayed)


def test_the_lines_of_the_sheet_bring_a_policy_of_pytorch_to_a_place_on_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = (Path(__file__).parents[1] / "tasks/hw12_reinforcement/sheet.md").read_text(encoding="utf-8")
    blocks = [part.partition("\n```")[0] for part in sheet.split("```")[1::2]]
    environment, export = (next(part for part in blocks if word in part) for word in ("make()", "torch.onnx.export"))
    commands = [line for part in blocks for line in part.splitlines() if line.startswith("lhy-grade ")]
    assert len(export.splitlines()) + len(commands) <= 12
    home = open_home(tmp_path / "home")
    prepare(home, plan_homework("hw12", None, None, "small"), seed=1, new_data=False, accept_leaks=False, now=NOW)
    monkeypatch.chdir(home.public("hw12"))
    monkeypatch.syspath_prepend(str(home.public("hw12")))
    monkeypatch.delitem(sys.modules, "environment", raising=False)
    for program in (
        environment,
        "import environment, gymnasium\ngymnasium.make_vec(environment.register(), num_envs=2)",
    ):
        exec(program.removeprefix("python\n"), {})
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    policy = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch.onnx, for its older exporter
        exec(export.removeprefix("python\n"), {"policy": policy})
    told = [CliRunner().invoke(cli, ["--home", str(home.root), *line.split()[1:]]) for line in commands]
    assert [one.exit_code for one in told] == [0, 0, 0], [one.output for one in told]
    assert "212 of at most 100,000 parameters" in told[0].output
    again = home.root.parent / "again.onnx"
    again.write_bytes((tmp_path / "policy.onnx").read_bytes())
    secret = read_secret(home, find_competition(home, "hw12"))
    scores = [grade_here(secret, again.read_bytes()).scores[0] for _ in range(2)]
    assert scores[0] == scores[1]
    assert scores[0].private_interval is not None
    shown = json.loads(
        CliRunner().invoke(cli, ["--home", str(home.root), "leaderboard", "hw12", "--format", "json"]).stdout
    )
    assert [row["rank"] for row in shown["board"]] == [1]
    assert shown["board"][0]["score"] == pytest.approx(scores[0].public, abs=0.01)


def test_an_edition_that_had_another_name_in_an_older_release_is_found_by_it_and_by_its_format() -> None:
    assert TASK.edition(None).name == TASK.edition("builtin").name == TASK.edition("builtin-policy").name == "builtin"
    assert TASK.edition_of("builtin", POLICY).name == TASK.edition_of("builtin-policy", POLICY).name == "builtin"
    assert TASK.edition_of("builtin", EpisodesFormat((1, 2))).name == "builtin-actions"
    assert TASK.edition_of("2022", TASK.edition("2022").format).name == "2022"
    with pytest.raises(UserError, match="no edition 'other'; choose one of: builtin, builtin-actions, 2021, 2022"):
        TASK.edition_of("other", POLICY)
