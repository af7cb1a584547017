"""The fault of HW12's craft, the seeds of its episodes, and a sample submission that does nothing.

Built-in data have one seed for each episode, so that it can be flown alone and in any order. The course's chain has one
seed for five episodes: every step draws random numbers, so the start of an episode depends on the steps of those before
it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tasks.base import PUBLIC, Answers, Made
from tasks.formats import EpisodesFormat
from tasks.hw12_reinforcement import (
    ACTION_EPISODES,
    ACTIONS,
    CHAIN,
    EPISODES,
    EPISODES_FILE,
    FAULT_FILE,
    HEADER,
    MAX_STEPS,
    POLICY,
    SEEDS_FILE,
)
from tasks.hw12_reinforcement.judge import new_environment
from tasks.models import dense
from tasks.streams import Streams


def make(public: Path, streams: Streams, size: str, source: Path | None, secret: Path) -> Made:
    """Write the numbers of the fault and the environment that has it; the seeds that are flown stay hidden."""
    rng = streams.generator("fault")
    torque = float(rng.choice([-1.0, 1.0]) * rng.uniform(2.0, 2.5))
    fault = {"torque": round(torque, 3), "gravity": round(float(rng.uniform(-10.5, -9.5)), 3)}
    text = json.dumps(fault, indent=1) + "\n"
    for folder in (public, secret):
        (folder / FAULT_FILE).write_text(text, encoding="utf-8", newline="\n")
    code = Path(__file__).with_name("environment.py").read_text(encoding="utf-8")
    (public / "environment.py").write_text(code, encoding="utf-8", newline="\n")
    seeds = streams.generator("flights").choice(2**31, size=EPISODES[size], replace=False).tolist()
    answers = Answers(range(len(seeds)), {})
    (secret / SEEDS_FILE).write_text(json.dumps(seeds), encoding="utf-8")
    return Made(answers, sample=idle(), secret=secret)


def make_actions(
    public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None
) -> Made:
    """Write the list of episodes into `public`: seeds below 2³¹, all different."""
    rng = streams.generator("episodes")
    seeds: list[int] = []
    while len(seeds) < ACTION_EPISODES[size]:
        drawn = int(rng.integers(2**31))
        if drawn not in seeds:
            seeds.append(drawn)
    return _made(public, replace(ACTIONS, seeds=tuple(seeds)))


def make_chain(
    public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None
) -> Made:
    """Write the course's list of episodes into `public`."""
    return _made(public, CHAIN)


def idle() -> bytes:
    """A policy that never fires an engine."""
    return dense(POLICY, [(np.zeros((8, 4), np.float32), np.array([1, 0, 0, 0], np.float32))])


def _made(public: Path, form: EpisodesFormat) -> Made:
    """All episodes are public: anyone with the seeds can replay a file, and so compute any private score."""
    lines = ["episode,seed", *(f"{episode},{seed}" for episode, seed in enumerate(form.seeds))]
    (public / EPISODES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    sample = to_csv(do_nothing(form.seeds, chained=form.chained))
    usage = np.full(len(form), PUBLIC, dtype=np.int8)
    return Made(Answers(form.ids, {}, usage=usage), sample=sample, form=form)


def do_nothing(seeds: Sequence[int], *, chained: bool) -> list[list[int]]:
    """Episodes that never fire an engine, each up to its end; most crash."""
    environment = new_environment()
    episodes = []
    for place, seed in enumerate(seeds):
        environment.reset(seed=None if chained and place else seed)
        length = 0
        over = False
        while not over and length < MAX_STEPS:
            over = environment.step(0)[2]
            length += 1
        episodes.append([0] * length)
    return episodes


def to_csv(episodes: Sequence[Sequence[int]]) -> bytes:
    """The actions of the episodes 0, 1, … as a submission.

    >>> to_csv([[0, 2], [3]])
    b'episode,step,action\\n0,0,0\\n0,1,2\\n1,0,3\\n'
    """
    lines = [",".join(HEADER)]
    for episode, actions in enumerate(episodes):
        lines += [f"{episode},{step},{action}" for step, action in enumerate(actions)]
    return ("\n".join(lines) + "\n").encode()
