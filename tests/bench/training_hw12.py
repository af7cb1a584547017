"""HW12's boss trained as the baseline does, against the straightforward loop, on the CPU, in one run.

    python tests/bench/training_hw12.py [--iterations N] [--seed N]

Ours steps 32 environments in turn and runs the network once for all of them, in numpy. The other plays as the course's
sample code does: one environment from `gymnasium.make`, with its checks, and for each step one call of a torch network
and a draw from `torch.distributions`. Everything else, the updates too, is the same code. The rates are environment
steps per second of the whole training; the scores are the mean returns of the two policies on the same 50 episodes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw12_reinforcement as baseline  # noqa: E402
from baselines.common import tuned  # noqa: E402
from baselines.run import Run  # noqa: E402
from submissions.reader import read  # noqa: E402
from tasks.hw12_reinforcement import FAULT_FILE, MAX_STEPS, POLICY  # noqa: E402
from tasks.hw12_reinforcement.policy import fly  # noqa: E402
from tasks.models import Model  # noqa: E402

SEEDS = tuple(range(50))
FAULT = {"torque": 2.0, "gravity": -10.0}
ours = baseline.play


def theirs(
    environments: Sequence[Any],
    layers: baseline.Layers,
    seeds: Sequence[int | None],
    rng: np.random.Generator | None,
    max_steps: int = MAX_STEPS,
    repeat: int = 1,
) -> baseline.Rollout:
    """One episode after the other in one environment, with a torch call for each step; no action is held."""
    from tasks.hw12_reinforcement.environment import NAME

    environment = gymnasium.make(NAME)
    parts: list[torch.nn.Module] = []
    for weight, bias in layers:
        linear = torch.nn.Linear(*weight.shape)
        linear.load_state_dict({"weight": torch.from_numpy(weight.T), "bias": torch.from_numpy(bias)})
        parts += [linear, torch.nn.Tanh()]
    network = torch.nn.Sequential(*parts[:-1])
    if rng is not None:
        torch.manual_seed(int(rng.integers(2**31)))
    states: list[Any] = []
    actions: list[int] = []
    rewards: list[float] = []
    lengths: list[int] = []
    for seed in seeds:
        (state, _), over, length = environment.reset(seed=seed), False, 0
        while not over and length < max_steps:
            with torch.no_grad():
                logits = network(torch.from_numpy(state))
            if rng is None:
                action = int(logits.argmax())
            else:
                action = int(torch.distributions.Categorical(logits=logits).sample())  # type: ignore[no-untyped-call]
            states.append(state)
            state, reward, terminated, truncated, _ = environment.step(action)
            actions.append(action)
            rewards.append(float(reward))
            over, length = terminated or truncated, length + 1
        lengths.append(length)
    return baseline.Rollout(np.array(states), np.array(actions), np.array(rewards), lengths)


def train(play: Any, config: baseline.Config, seed: int) -> tuple[float, int, float]:
    """Seconds and environment steps of the training, and the mean return of its submission."""
    from tasks.hw12_reinforcement.environment import register  # here, since it loads Box2D

    steps = 0
    begun = trained = time.perf_counter()

    def count(done: int, total: int, metrics: Any) -> None:
        nonlocal steps, trained
        steps += round(metrics["length"] * config.episodes)
        trained = time.perf_counter()

    with tempfile.TemporaryDirectory() as name, tuned("cpu", 1):
        folder = Path(name)
        (folder / FAULT_FILE).write_text(json.dumps(FAULT), encoding="utf-8")
        register(folder)
        state = Run(folder, seed, "cpu", POLICY.suffix, progress=count)
        baseline.play = play
        try:
            baseline.train(config, folder, state)
        finally:
            baseline.play = ours
        with Model(POLICY, read(state.submission.read_bytes(), POLICY)) as model:
            returns = fly(lambda states: model(states)[0], FAULT, SEEDS)
    return trained - begun, steps, float(returns.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, help="default: those of the level")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    config = baseline.LEVELS["boss"]
    config = replace(config, iterations=given.iterations or config.iterations)
    print(
        f"boss, {config.iterations} iterations of {config.episodes} episodes, seed {given.seed}, one thread", end=", "
    )
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}")
    rates = {}
    for name, play in (("straightforward", theirs), ("ours", ours)):
        seconds, steps, score = train(play, config, given.seed)
        rates[name] = steps / seconds
        print(f"{name:16} {steps:9,} steps {seconds:7.1f} s {rates[name]:8,.0f} steps/s   mean return {score:8.2f}")
    print(f"ratio {rates['ours'] / rates['straightforward']:.2f}")


if __name__ == "__main__":
    main()
