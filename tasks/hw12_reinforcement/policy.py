"""The judge of the policies of HW12: flies hidden seeds in the competition's environment, and gives the total rewards.

A policy is run by `tasks.models` and takes the action with the largest value. Batches always have the same number of
rows, so an episode does not depend on the others, and the same policy gets the same returns bit for bit on one machine.
One that fails during the flights is not refused: that would cost no slot, and tell something of the hidden seeds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Judged, SubmissionError
from tasks.formats import Format
from tasks.hw12_reinforcement import FAULT_FILE, MAX_STEPS, SEEDS_FILE
from tasks.hw12_reinforcement.judge import faulty_environment
from tasks.hw12_reinforcement.judge import version as environment_version
from tasks.models import Model
from tasks.models import version as runtime_version
from tasks.tensor_formats import ModelFormat

Policy = Callable[[NDArray[np.float32]], NDArray[np.float32]]

SLOTS = 32
"""Episodes that are flown side by side, and the rows of every batch."""
FAILED = (
    "in some frame the policy failed, gave a number that is not finite, or took too much time or memory; so it counts"
    " as one that never fires an engine"
)


def version() -> str:
    """Everything known to change a return."""
    return f"{environment_version()} {runtime_version()}"


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The column "return" (n,), of one episode from each hidden seed. Raises SubmissionError.

    A policy that fails in any frame gets the returns of one that never fires an engine, in all episodes: its failure
    says nothing of the one in which it failed.
    """
    assert isinstance(form, ModelFormat)
    fault = json.loads((secret / FAULT_FILE).read_text(encoding="utf-8"))
    seeds = json.loads((secret / SEEDS_FILE).read_text(encoding="utf-8"))
    with Model(form, predictions) as model:
        try:
            return Judged({"return": fly(lambda states: model(states)[0], fault, seeds)})
        except SubmissionError:
            idle = np.zeros((SLOTS, 4), np.float32)
            return Judged({"return": fly(lambda _: idle, fault, seeds)}, (FAILED,))


def fly(policy: Policy, fault: dict[str, float], seeds: Sequence[int]) -> NDArray[np.float64]:
    """The total reward (n,) of one episode from each seed.

    `policy` gives values (SLOTS, 4) for states (SLOTS, 8); the largest one is the action, the first of equal ones.
    """
    totals, lengths = np.zeros(len(seeds)), np.zeros(len(seeds), dtype=np.int64)
    waiting = iter(range(len(seeds)))
    slots: list[tuple[Any, int] | None] = [None] * SLOTS
    states = np.zeros((SLOTS, 8), dtype=np.float32)
    for slot, episode in zip(range(SLOTS), waiting, strict=False):
        environment = faulty_environment(fault)
        slots[slot] = (environment, episode)
        states[slot] = environment.reset(seed=seeds[episode])[0]
    while any(slots):
        actions = policy(states).argmax(axis=1).tolist()
        for slot, flown in enumerate(slots):
            if flown is None:
                continue
            environment, episode = flown
            states[slot], reward, over, _, _ = environment.step(actions[slot])
            totals[episode] += float(reward)
            lengths[episode] += 1
            if over or lengths[episode] == MAX_STEPS:
                after = next(waiting, None)
                slots[slot] = None if after is None else (environment, after)
                states[slot] = 0 if after is None else environment.reset(seed=seeds[after])[0]
    return totals
