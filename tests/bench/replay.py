"""Replays of HW12 over two processes against one: `python tests/bench/replay.py [--episodes N] [--rounds N]`.

One file of episodes, flown by a pilot by hand, is replayed in this process and over two, in turns; starting the
processes is part of the time. The returns of both must be equal bit for bit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tasks.base import Columns  # noqa: E402
from tasks.formats import EpisodesFormat  # noqa: E402
from tasks.hw12_reinforcement import MAX_STEPS  # noqa: E402
from tasks.hw12_reinforcement.judge import new_environment, replays, version  # noqa: E402


def pilot(state: Any) -> int:
    """Leans towards the pad, and fires the engine when falling too fast."""
    x, y, speed_x, speed_y, angle, turning, left, right = (float(value) for value in state)
    turn = 0.5 * (min(0.4, max(-0.4, 0.5 * x + speed_x)) - angle) - turning
    lift = 0.5 * (0.55 * abs(x) - y) - 0.5 * speed_y
    if left or right:
        turn, lift = 0.0, -0.5 * speed_y
    if lift > abs(turn) and lift > 0.05:
        return 2
    return 3 if turn < -0.05 else 1 if turn > 0.05 else 0


def fly(form: EpisodesFormat) -> Columns:
    """The pilot's episodes as the reader returns them."""
    environment = new_environment()
    actions = np.full((len(form), MAX_STEPS), -1, dtype=np.int8)
    length = np.zeros(len(form), dtype=np.int64)
    for episode, seed in enumerate(form.seeds):
        state, over, step = environment.reset(seed=seed)[0], False, 0
        while not over and step < MAX_STEPS:
            actions[episode, step] = pilot(state)
            state, _, over, _, _ = environment.step(int(actions[episode, step]))
            step += 1
        length[episode] = step
    return {"actions": actions, "length": length}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    form = EpisodesFormat(tuple(range(given.episodes)))
    read = fly(form)
    steps = int(read["length"].sum())
    print(f"{version()}, {len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}")
    times: dict[int, list[float]] = {1: [], 2: []}
    returns = {}
    for _ in range(given.rounds):
        for processes, taken in times.items():
            start = time.perf_counter()
            flights = replays(form, read, processes)
            taken.append(time.perf_counter() - start)
            assert all(flight.over == length for flight, length in zip(flights, read["length"], strict=True))
            returns[processes] = np.array([flight.total for flight in flights])
    assert returns[1].tobytes() == returns[2].tobytes()
    one, two = (statistics.median(taken) for taken in times.values())
    ratios = sorted(a / b for a, b in zip(times[1], times[2], strict=True))
    print(f"{given.episodes} episodes, {steps:,} steps, mean return {returns[1].mean():.2f}, equal bit for bit")
    print(
        f"one process {one:.2f} s ({steps / one:,.0f} steps/s)   two {two:.2f} s ({steps / two:,.0f} steps/s)",
        end="   ",
    )
    print(f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} – {ratios[-1]:.2f}, {given.rounds} rounds)")


if __name__ == "__main__":
    main()
