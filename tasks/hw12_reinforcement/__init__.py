"""HW12: reinforcement learning. Land a spacecraft on the moon; submit the policy, which is flown on hidden seeds.

The world is gymnasium's LunarLander-v3, in `builtin` with a steady fault of the craft. In the other editions, as in the
course, the actions of whole episodes are submitted and replayed. There students get the seeds of all episodes and can
replay a file as the judge does, so that no part of a score could be hidden: these editions have one board.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tasks.base import Bar, Columns, Edition, Judge, Place, Rules, Task, measured
from tasks.formats import EpisodesFormat
from tasks.metrics import Interval, Metric, estimate_mean, no_interval, student
from tasks.tensor_formats import ModelFormat, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tasks.base import Columns

EPISODES_FILE = "episodes.csv"
HEADER = ("episode", "step", "action")
MAX_STEPS = 1000
COURSE_SEED, COURSE_EPISODES = 543, 5
FAULT_FILE, SEEDS_FILE = "environment.json", "seeds.json"
EPISODES = {"small": 200, "full": 800}
"""How many hidden episodes a policy flies, half of them public."""
POLICY = ModelFormat((Tensor("state", (8,)),), (Tensor("action", (4,)),), 100_000)
ACTION_EPISODES = {"small": 100, "full": 400}
"""How many episodes of actions are submitted, all of them public."""
ACTIONS = EpisodesFormat(())
"""The format of `builtin-actions`, whose seeds are drawn when it is made."""
CHAIN = EpisodesFormat((COURSE_SEED,) * COURSE_EPISODES, chained=True)


def returns(answers: Columns, predictions: Columns) -> NDArray[Any]:
    """The total reward of each episode (n,)."""
    return predictions["return"]


def return_interval(rows: NDArray[Any], weight: NDArray[Any], groups: NDArray[Any] | None = None) -> Interval:
    """Student's interval of the mean, moved by its skewness; None for fewer than five episodes.

    It says how the same policy could do on other starts, and is rough where some episodes crash and most do not.
    Johnson, Modified t Tests and Confidence Intervals for Asymmetrical Populations, JASA 73 (1978).
    """
    found = estimate_mean(rows, weight, groups)
    if found.units < 5 or not math.isfinite(found.error):
        return None
    middle = found.mean + found.error * found.skewness / (6 * math.sqrt(found.units))
    half = student(found.units - 1) * found.error
    return middle - half, middle + half


REWARD = Metric("mean_return_score", "reward", True, math.inf, -math.inf, 2, returns, interval=return_interval)
"""The mean of the total rewards of episodes, which have no bounds.

>>> import numpy as np
>>> found = REWARD.rows({}, {"return": np.array([250.0, -40.0, 270.0, 260.0, 210.0])})
>>> REWARD.value(found), REWARD.value(found, np.array([1, 0, 1, 1, 0]))
(190.0, 260.0)
>>> low, high = REWARD.interval(found, np.ones(5, dtype=bool))
>>> f"{low:.1f} to {high:.1f}"
'21.9 to 346.0'
"""
CHAINED_REWARD = replace(REWARD, interval=no_interval)
"""The same of episodes that follow each other, which are no sample."""


def _official(year: str, *bands: tuple[str, float | None, float]) -> tuple[Bar, ...]:
    """The bars of a year, half-open: a mean reward in (99, 100), for which the slides have no row, gets the lower one.

    Any valid file passes a bar without a threshold.
    """
    return tuple(
        Bar(name, () if line is None else ((REWARD.name, line),), f"official {year}", points=(points, 0.0), digits=2)
        for name, line, points in bands
    )


def _one_board(bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
    """The bars with the points of both boards on the public one."""
    return tuple(replace(bar, points=(sum(bar.points), 0.0)) for bar in bars)


JUDGE = Judge(Place("tasks.hw12_reinforcement.judge:version"), check=Place("tasks.hw12_reinforcement.judge:check"))
POLICY_SOURCE = "gymnasium's LunarLander-v3 (MIT) with a steady fault of the craft, drawn from the key; hidden seeds"
ACTIONS_SOURCE = "gymnasium's LunarLander-v3 (MIT), each episode from its own seed"
CHAIN_SOURCE = (
    f"the course's rule of {{}}: seed {COURSE_SEED} is set once, {COURSE_EPISODES} episodes follow each other in one "
    "environment; gymnasium's LunarLander-v3 (MIT) instead of gym 0.18.3, whose random numbers are not available here: "
    "the episodes start differently, so scores are not comparable with the course's and its bars fit only roughly"
)


def _chain(year: str, *bands: tuple[str, float | None, float]) -> Edition:
    return Edition(
        year,
        CHAIN_SOURCE.format(year),
        CHAIN,
        (CHAINED_REWARD,),
        _official(year, *bands),
        Rules(quota_zone="Asia/Taipei", selections=1, public_share=1.0),
        Place("tasks.hw12_reinforcement.world:make_chain"),
        judge=JUDGE,
    )


TASK = Task(
    "hw12",
    "Reinforcement learning: LunarLander",
    (
        Edition(
            "builtin",
            POLICY_SOURCE,
            POLICY,
            (REWARD,),
            measured(
                REWARD, "ladder.py hw12 --seeds 300-304",
                ("simple", 120.60, 68.88), ("medium", 200.60, 47.05),
                ("strong", 251.11, 24.53), ("boss", 272.07, 2.89),
            ),
            Rules(),
            Place("tasks.hw12_reinforcement.world:make"),
            judge=Judge(
                Place("tasks.hw12_reinforcement.policy:version"),
                check=Place("tasks.models:check"),
                run=Place("tasks.hw12_reinforcement.policy:run"),
            ),
            formerly=("builtin-policy",),
        ),
        Edition(
            "builtin-actions",
            ACTIONS_SOURCE,
            ACTIONS,
            (REWARD,),
            _one_board(measured(
                REWARD, "ladder.py hw12 --seeds 106-108",
                ("simple", -63.27, 18.45), ("medium", 117.07, 15.15), ("strong", 215.42, 7.46), ("boss", 277.40, 4.89),
            )),
            Rules(selections=1, public_share=1.0),
            Place("tasks.hw12_reinforcement.world:make_actions"),
            judge=JUDGE,
            formerly=("builtin",),
        ),
        _chain(
            "2021",
            ("any valid file", None, 2.0),
            ("0", 0.0, 1.0), ("100", 100.0, 1.0), ("200", 200.0, 1.0), ("241", 241.0, 1.0),
        ),
        _chain("2022", ("0", 0.0, 1.0), ("100", 100.0, 1.0), ("170", 170.0, 1.0), ("over 269", 269.01, 1.0)),
    ),
)  # fmt: skip
