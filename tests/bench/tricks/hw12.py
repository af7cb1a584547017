"""HW12: policies without learning, pilots by hand, and a policy for another craft; for actions, what they would do."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime import InferenceSession

from baselines.common import train_level
from tasks import models
from tasks.formats import EpisodesFormat, Format
from tasks.hw12_reinforcement import FAULT_FILE, MAX_STEPS, POLICY
from tasks.hw12_reinforcement.judge import new_environment
from tasks.hw12_reinforcement.policy import SLOTS, fly
from tasks.hw12_reinforcement.world import to_csv
from tasks.models import Node, dense
from tasks.streams import Streams
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, Given, Reference, Trick, World


class Gains(NamedTuple):
    """What a pilot does with the state: how far it leans by place and speed, how it turns, when it lifts."""

    by_place: float
    by_speed: float
    by_lean: float
    by_turning: float
    by_height: float
    by_fall: float
    least: float
    widest: float


HEURISTIC = Gains(0.5, 1.0, 0.5, 1.0, 0.5, 0.5, 0.05, 0.4)
"""gymnasium's own controller of LunarLander."""
PILOT = Gains(0.625, 0.977, 0.847, 1.1, 0.31, 0.43, 0.058, 0.445)
"""The same with gains that were found for the craft without a fault."""


def steer(gains: Gains, states: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values (n, 4) of the actions for states (n, 8)."""
    x, y, speed_x, speed_y, angle, turning, left, right = states.T
    lean = np.clip(gains.by_place * x + gains.by_speed * speed_x, -gains.widest, gains.widest)
    flying = 1 - np.maximum(left, right)
    turn = (gains.by_lean * (lean - angle) - gains.by_turning * turning) * flying
    lift = flying * (gains.by_height * (0.55 * np.abs(x) - y) - gains.by_fall * speed_y) - (1 - flying) * 0.5 * speed_y
    main = lift > np.maximum(np.abs(turn), 0.05)
    columns = (np.full(len(x), 0.5), turn > gains.least, 3 * main, 2 * (turn < -gains.least))
    return np.stack(columns, axis=1).astype(np.float32)


def graph(gains: Gains) -> bytes:
    """The pilot as an ONNX graph."""
    nodes: list[Node] = []
    constants: dict[str, NDArray[np.float32]] = {}

    def given(values: Any) -> str:
        constants[name := f"c{len(constants)}"] = np.array(values, dtype=np.float32)
        return name

    def node(kind: str, *inputs: str, **attributes: Any) -> str:
        nodes.append((kind, inputs, f"v{len(nodes)}", attributes))
        return nodes[-1][2]

    def line(**weights: float) -> str:
        names = ("x", "y", "speed_x", "speed_y", "angle", "turning", "left", "right")
        return node("Gemm", "state", given([[weights.get(name, 0.0)] for name in names]))

    bound, half = given(gains.widest), given(0.55 * gains.by_height)
    lean = node("Clip", line(x=gains.by_place, speed_x=gains.by_speed), given(-gains.widest), bound)
    own = line(angle=-gains.by_lean, turning=-gains.by_turning)
    landed = node("Max", line(left=1.0), line(right=1.0))
    flying = node("Sub", given(1.0), landed)
    turn = node("Mul", node("Add", node("Mul", lean, given(gains.by_lean)), own), flying)
    high = node("Add", node("Mul", node("Abs", line(x=1.0)), half), line(y=-gains.by_height, speed_y=-gains.by_fall))
    lift = node("Add", node("Mul", high, flying), node("Mul", line(speed_y=-0.5), landed))
    main = node("Greater", lift, node("Max", node("Abs", turn), given(0.05)))
    left = node("Greater", turn, given(gains.least))
    right = node("Less", turn, given(-gains.least))
    rest = node("Mul", line(x=0.0), given(0.0))
    columns = [rest, *(node("Cast", one, to=TensorProto.FLOAT) for one in (left, main, right))]
    worth = node("Mul", node("Concat", *columns, axis=1), given([1.0, 1.0, 3.0, 2.0]))
    nodes.append(("Add", [worth, given([0.5, 0.0, 0.0, 0.0])], "action", {}))
    return models.graph(POLICY, "pilot", nodes, constants)


def constant(action: int) -> bytes:
    """A policy that always does the same."""
    return dense(POLICY, [(np.zeros((8, 4), np.float32), np.eye(4, dtype=np.float32)[action])])


def dice(rng: np.random.Generator) -> bytes:
    """A policy whose action is another one after the smallest change of the state, so that it looks drawn."""
    shapes = ((8, 64), (64, 4))
    return dense(
        POLICY,
        [
            ((1000 * rng.standard_normal(shape)).astype(np.float32), rng.standard_normal(shape[1]).astype(np.float32))
            for shape in shapes
        ],
    )


def handed_in(policy: bytes, form: Format) -> bytes:
    """The submission of a policy: itself, or the actions that it takes in the episodes of a format."""
    if not isinstance(form, EpisodesFormat):
        return policy
    session, environment, episodes = InferenceSession(policy), new_environment(), []
    for place, seed in enumerate(form.seeds):
        state, over, actions = environment.reset(seed=None if form.chained and place else seed)[0], False, list[int]()
        while not over and len(actions) < MAX_STEPS:
            actions.append(int(session.run(None, {"state": state[None]})[0][0].argmax()))
            state, _, over, _, _ = environment.step(actions[-1])
        episodes.append(actions)
    return to_csv(episodes)


def searched(fault: dict[str, float], rng: np.random.Generator, rounds: int = 12, tried: int = 12) -> Gains:
    """The gains that fly best in the competition's own environment: a search with ever smaller steps."""
    best, step = PILOT, 0.5
    for _ in range(rounds):
        seeds = rng.integers(2**31, 2**32, size=SLOTS).tolist()
        gains = [best, *(Gains(*(best * np.exp(rng.normal(0.0, step, len(best))))) for _ in range(tried))]
        scores = [float(fly(lambda states, g=one: steer(g, states), fault, seeds).mean()) for one in gains]  # type: ignore[misc]
        best, step = gains[scores.index(max(scores))], 0.8 * step
    return best


def search(world: World, streams: Streams, size: str) -> bytes:
    """The pilot with searched gains, in the craft without a fault where the actions are asked for."""
    path, form = world.public / FAULT_FILE, world.secret.competition.format
    fault = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"torque": 0.0, "gravity": -10.0}
    return handed_in(graph(searched(fault, np.random.default_rng(0))), form)


def trained_elsewhere(given: Given) -> bytes:
    """What strong learns in the craft of another key."""
    public = given.other().public
    return train_level(given.name, "strong", public, given.scratch / "run", seed=given.seed, device="cpu").read_bytes()


SAID = "where actions are handed in, the craft has no fault, and any controller that is known for it lands"
ELSEWHERE = (
    "the numbers of the fault are public, so that training with those of another key gains nothing; where both faults "
    "turn the craft to the same side, it may lose little"
)

REFERENCES = (Reference("pilot with searched gains", search),)
TRICKS = (
    Trick("no engine", NO_LEARNING, lambda given: handed_in(constant(0), given.form)),
    Trick("main engine always", NO_LEARNING, lambda given: handed_in(constant(2), given.form)),
    Trick("random actions", NO_LEARNING, lambda given: handed_in(dice(given.rng), given.form)),
    Trick("gymnasium's heuristic", NO_LEARNING, lambda given: handed_in(graph(HEURISTIC), given.form), SAID),
    Trick("pilot with fixed gains", NO_LEARNING, lambda given: handed_in(graph(PILOT), given.form), SAID),
    Trick("strong, trained on another key's craft", OTHER_DATA, trained_elsewhere, ELSEWHERE),
)
