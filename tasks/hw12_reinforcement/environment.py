"""The craft of this competition: gymnasium's LunarLander-v3 with a steady fault, see `environment.json`.

The main engine also turns the craft: each frame in which it fires adds a torque, always the same one. The gravity is
that of another moon. Everything else is gymnasium's, and nothing of the fault is random. Students get this file beside
`environment.json`:

    from environment import make

    craft = make()  # as gymnasium.make("LunarLander-v3")
    state, _ = craft.reset(seed=7)
    state, reward, terminated, truncated, _ = craft.step(2)
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


def make(folder: Path | str = Path(__file__).parent, **options: Any) -> Any:
    """The environment of `environment.json` in a folder, with gymnasium's wrappers; it ends after 1,000 steps."""
    fault = json.loads((Path(folder) / "environment.json").read_text(encoding="utf-8"))
    if NAME not in gymnasium.registry:
        gymnasium.register(NAME, entry_point=FaultyLander, max_episode_steps=1000)
    return gymnasium.make(NAME, torque=fault["torque"], gravity=fault["gravity"], **options)
