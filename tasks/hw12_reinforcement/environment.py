"""The craft of this competition: gymnasium's LunarLander-v3 with a steady fault, see `environment.json`.

The main engine also turns the craft: each frame in which it fires adds a torque, always the same one. The gravity is
that of another moon. Everything else is gymnasium's, and nothing of the fault is random. Students get this file beside
`environment.json`:

    from environment import make

    environment = make()  # as gymnasium.make("LunarLander-v3")
    state, _ = environment.reset(seed=7)
    state, reward, terminated, truncated, _ = environment.step(2)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.envs.box2d.lunar_lander import LunarLander

MAIN_ENGINE = 2
NAME = "FaultyLander-v0"


class FaultyLander(LunarLander):
    """LunarLander whose main engine adds `torque` to the craft, in Box2D's units; positive is to the left."""

    def __init__(self, torque: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.torque = torque

    def step(self, action: Any) -> Any:
        lander: Any = self.lander
        if action == MAIN_ENGINE:
            lander.ApplyTorque(self.torque, True)
        return super().step(action)  # type: ignore[no-untyped-call]


def register(folder: Path | str = Path(__file__).parent) -> str:
    """Registers the craft of `environment.json` in a folder with gymnasium, and returns its name there."""
    fault = json.loads((Path(folder) / "environment.json").read_text(encoding="utf-8"))
    gymnasium.registry.pop(NAME, None)
    gymnasium.register(NAME, entry_point=FaultyLander, max_episode_steps=1000, kwargs=fault)
    return NAME


def make(folder: Path | str = Path(__file__).parent, **options: Any) -> Any:
    """The environment of `environment.json` in a folder, with gymnasium's wrappers; it ends after 1,000 steps."""
    return gymnasium.make(register(folder), **options)
