"""HW12 in four levels: REINFORCE, and proximal policy optimisation (PPO) with actions held, with free ones, and longer.

Mean reward of 100 public and 100 private flights in the built-in world, mean ± standard deviation over the seeds
300-304, and seconds of a core (AMD EPYC; strong and boss of 300-301 Intel Xeon): simple 120.6 ± 68.9, 115.4 ± 71.7,
24 s; medium 200.6 ± 47.0, 210.6 ± 40.2, 29 s; strong 251.1 ± 24.5, 248.4 ± 22.6, 134 s; boss 272.1 ± 2.9, 271.5 ± 3.3,
239 s (`python tests/bench/ladder.py hw12 --seeds 300-304`).
"""

from __future__ import annotations

import copy
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from baselines.common import main, rate
from baselines.run import Run
from tasks.base import UserError
from tasks.hw12_reinforcement import EPISODES_FILE, FAULT_FILE, MAX_STEPS, POLICY
from tasks.hw12_reinforcement.judge import faulty_environment, new_environment
from tasks.hw12_reinforcement.world import to_csv
from tasks.models import dense

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cpu"  # the environments run on the CPU, and the networks are small
PRACTICE = tuple(range(2**32, 2**32 + 20))  # seeds that no competition has and no iteration draws
UNIT = 100.0  # the critic's unit of reward

Array = NDArray[np.float64]
Layers = list[tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are those of strong."""

    critic: bool = True  # actions are weighed by `gae`, else by `discounted_returns`
    repeat: int = 1  # frames for which a drawn action is held, as in Mnih et al., Nature 518 (2015)
    sharpening: float = 1.0  # of the logits, little by little: a falling temperature, Kaelbling et al., JAIR 4 (1996)
    gamma: float = 0.999  # discount of an action; one of 0.99 a frame makes a policy hover: landing is far away
    gae_lambda: float = 0.98
    episodes: int = 16  # whole episodes flown in an iteration
    max_steps: int = 400  # frames of an episode in training: hovering longer costs time and teaches nothing
    iterations: int = 300
    hidden: tuple[int, ...] = (64, 64)  # units of the hidden layers, tanh; the critic has the same
    lr: float = 1e-3  # of Adam, on a cosine down to 0
    n_epochs: int = 6  # passes over the steps of an iteration
    batch_size: int = 512  # steps of an update
    clip_range: float = 0.2  # of `clipped_surrogate`; 0: plain policy gradient
    entropy_coef: float = 0.01  # keeps the policy from settling early
    max_grad_norm: float = 0.5
    keep_best: bool = False  # the policy that flew `PRACTICE` best, tried every ten iterations, and not the last one
    n_envs: int = 32  # environments stepped in turn, so that the network sees them as one batch


HELD = Config(repeat=4, sharpening=10.0, keep_best=True, iterations=100, batch_size=256, entropy_coef=0.0)
LEVELS = {
    "simple": replace(HELD, critic=False, gamma=0.96, lr=3e-3, n_epochs=1, clip_range=0.0),
    "medium": replace(HELD, gamma=0.98, gae_lambda=0.95),
    "strong": Config(),
    "boss": Config(iterations=600),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level."""
    return LEVELS[level]


def suffix(public: Path) -> str:
    """The ending of the submission: a policy where the craft has a fault, else actions."""
    return POLICY.suffix if (public / FAULT_FILE).exists() else SUFFIX


def craft(public: Path) -> Any:
    """The environment of the competition."""
    path = public / FAULT_FILE
    return faulty_environment(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else new_environment()


def read_seeds(path: Path) -> list[int]:
    """The seeds of the episodes 0, 1, …"""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if len(rows) < 2 or rows[0] != ["episode", "seed"]:
        raise UserError(f"{path}: expected the columns episode,seed and at least one row.")
    return [int(seed) for _, seed in rows[1:]]


@dataclass(frozen=True)
class Rollout:
    """Whole episodes, one after the other: states (n, 8), actions and rewards (n,), and the length of each."""

    states: NDArray[np.float32]
    actions: NDArray[np.int64]
    rewards: Array
    lengths: list[int]

    def episodes(self, column: NDArray[Any]) -> list[NDArray[Any]]:
        """A column (n, …) cut into its episodes."""
        return np.split(column, np.cumsum(self.lengths)[:-1])


def play(
    environments: Sequence[Any],
    layers: Layers,
    seeds: Sequence[int | None],
    rng: np.random.Generator | None,
    max_steps: int = MAX_STEPS,
    repeat: int = 1,
) -> Rollout:
    """Plays one whole episode for each seed, drawing actions from the policy, or the likeliest where `rng` is None.

    The environments are stepped in turn, `repeat` frames with each action, whose rewards are summed; one that is done
    takes the next seed. The network runs in numpy, which for a batch of this size costs a fraction of a call to torch.
    """
    states, actions, rewards = ([list[Any]() for _ in seeds] for _ in range(3))
    waiting = iter(range(len(seeds)))
    slots = [(environment, episode) for environment, episode in zip(environments, waiting, strict=False)]
    now = [environment.reset(seed=seeds[episode])[0] for environment, episode in slots]
    while slots:
        logits = forward(layers, np.array(now))
        if rng is not None:  # the largest logit plus Gumbel noise is a draw from the softmax
            logits -= np.log(rng.standard_exponential(logits.shape, dtype=np.float32) + 1e-30)
        chosen = logits.argmax(axis=1).tolist()
        for slot in range(len(slots) - 1, -1, -1):
            environment, episode = slots[slot]
            states[episode].append(now[slot])
            actions[episode].append(chosen[slot])
            gained, over, frames = 0.0, False, 0
            while not over and frames < repeat:
                now[slot], reward, over, _, _ = environment.step(chosen[slot])
                gained, frames = gained + float(reward), frames + 1
            rewards[episode].append(gained)
            if over or len(actions[episode]) * repeat >= max_steps:
                after = next(waiting, None)
                if after is None:
                    del slots[slot], now[slot]
                else:
                    slots[slot] = (environment, after)
                    now[slot] = environment.reset(seed=seeds[after])[0]
    lengths = [len(episode) for episode in actions]
    return Rollout(np.concatenate(states), np.concatenate(actions), np.concatenate(rewards), lengths)


def forward(layers: Layers, states: NDArray[np.float32]) -> NDArray[np.float32]:
    """The logits (n, 4) of the policy for states (n, 8)."""
    for weight, bias in layers[:-1]:
        states = np.tanh(states @ weight + bias)
    logits: NDArray[np.float32] = states @ layers[-1][0] + layers[-1][1]
    return logits


def mlp(sizes: Sequence[int], last_gain: float) -> nn.Sequential:
    """Linear layers with tanh between them: orthogonal weights, no bias."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.orthogonal_(linear.weight, 2**0.5)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh()]
    nn.init.orthogonal_(layers[-2].weight, last_gain)  # type: ignore[arg-type]
    return nn.Sequential(*layers[:-1])


class ActorCritic(nn.Module):
    """The policy and the values of states, two networks."""

    def __init__(self, hidden: Sequence[int]) -> None:
        super().__init__()
        self.actor = mlp([8, *hidden, 4], last_gain=0.01)
        self.critic = mlp([8, *hidden, 1], last_gain=1.0)

    def logprobs(self, states: torch.Tensor, sharp: float) -> torch.Tensor:
        """The log-probabilities (n, 4) of the actions for states (n, 8), with logits `sharp` times as large."""
        return torch.log_softmax(sharp * self.actor(states), dim=1)

    def values(self, states: torch.Tensor) -> torch.Tensor:
        """The values (n,), in hundreds of reward, of states (n, 8)."""
        return torch.squeeze(self.critic(states), dim=1)


def in_numpy(network: nn.Module, sharp: float = 1.0) -> Layers:
    """The weights (in, out) and biases (out,) of an `mlp` with outputs `sharp` times as large."""
    linears = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    pairs = [(layer.weight.detach().cpu().numpy().T.copy(), layer.bias.detach().cpu().numpy()) for layer in linears]
    return [*pairs[:-1], (sharp * pairs[-1][0], sharp * pairs[-1][1])]


def discounted_returns(rewards: Array, gamma: float) -> Array:
    """The discounted sum (t,) of the rewards (t,) of an episode from each step on; REINFORCE, Williams (1992)."""
    returns, later = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        returns[t] = later = rewards[t] + gamma * later
    return returns


def gae(rewards: Array, values: Array, gamma: float, gae_lambda: float) -> Array:
    """Generalised advantages (t,), Schulman et al., arXiv 1506.02438, for the critic's values (t,) in an episode.

    The step limit counts as an end like any other: if the value of the last state stood in for the future, a policy
    would learn to hover and never to land.
    """
    errors = rewards + gamma * np.append(values[1:], 0.0) - values
    return discounted_returns(errors, gamma * gae_lambda)


def clipped_surrogate(ratio: torch.Tensor, advantages: torch.Tensor, clip_range: float) -> torch.Tensor:
    """The gain (n,) of PPO, Schulman et al., arXiv 1707.06347: none for moving far from the policy that flew.

    `ratio` (n,) is the probability of an action over that at which it was drawn.
    """
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages)


def train(config: Config, public: Path, run: Run) -> None:
    """Train the policy of a level, and write it, or the actions that it takes in the episodes of `public`.

    An iteration flies whole episodes from fresh starts that follow from the run's seed and the iteration's number, so
    no state of an environment has to be saved for a resumed run.
    """
    environments = [craft(public) for _ in range(config.n_envs)]
    torch.manual_seed(run.seed)
    network = ActorCritic(config.hidden).to(run.device)
    optimizer = torch.optim.Adam(network.parameters(), config.lr, eps=1e-5, fused=True)
    best, most = copy.deepcopy(network), torch.tensor(-torch.inf)  # the policy that flew best, and its mean return
    parts = {"network": network, "optimizer": optimizer, "best": best, "most": most}
    for iteration in run.epochs(config.iterations, parts):
        optimizer.param_groups[0]["lr"] = config.lr * rate("cosine", iteration, config.iterations)
        rng = np.random.default_rng([run.seed, iteration])
        seeds = rng.integers(2**31, 2**32, size=config.episodes).tolist()  # those of competitions are below
        sharp = config.sharpening ** (iteration / max(1, config.iterations - 1))
        rollout = play(environments, in_numpy(network.actor, sharp), seeds, rng, config.max_steps, config.repeat)
        states, actions = (torch.from_numpy(part).to(run.device) for part in (rollout.states, rollout.actions))
        with torch.no_grad():
            old_logprobs = network.logprobs(states, sharp).gather(1, actions[:, None])  # (n, 1)
            values = UNIT * network.values(states).cpu().numpy().astype(np.float64)
        credit = np.concatenate(
            [
                gae(r, v, config.gamma, config.gae_lambda) if config.critic else discounted_returns(r, config.gamma)
                for r, v in zip(rollout.episodes(rollout.rewards), rollout.episodes(values), strict=True)
            ]
        )
        targets = torch.from_numpy((credit + values) / UNIT).float().to(run.device)  # of the critic
        weights = torch.from_numpy((credit - credit.mean()) / (credit.std() + 1e-9)).float().to(run.device)
        for _ in range(config.n_epochs):
            for rows in torch.split(torch.from_numpy(rng.permutation(len(credit))), config.batch_size):
                logprobs = network.logprobs(states[rows], sharp)
                taken = logprobs.gather(1, actions[rows, None])
                ratio = (taken - old_logprobs[rows]).exp()[:, 0]
                gains = clipped_surrogate(ratio, weights[rows], config.clip_range)
                loss = -(gains if config.clip_range else taken[:, 0] * weights[rows]).mean()
                loss = loss + config.entropy_coef * (logprobs.exp() * logprobs).sum(dim=1).mean()
                if config.critic:
                    loss = loss + 0.5 * (network.values(states[rows]) - targets[rows]).square().mean()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
                optimizer.step()
        if config.keep_best and (iteration % 10 == 9 or iteration == config.iterations - 1):
            tried = play(environments, in_numpy(network.actor), PRACTICE, None).rewards.sum() / len(PRACTICE)
            if tried > most:
                most.fill_(tried)
                best.load_state_dict(network.state_dict())
        run.log({"return": rollout.rewards.sum() / config.episodes, "length": len(credit) / config.episodes})
    layers = in_numpy((best if config.keep_best else network).actor)
    draw_flights(run.folder / "flights.png", play(environments, layers, PRACTICE, None))
    if suffix(public) == POLICY.suffix:
        run.finish(dense(POLICY, layers))
        return
    seeds = read_seeds(public / EPISODES_FILE)
    chained = len(set(seeds)) < len(seeds)  # the course's chain: one seed, episodes in order in one environment
    starts = [seed if not chained or place == 0 else None for place, seed in enumerate(seeds)]
    flown = play(environments[: 1 if chained else None], layers, starts, None)
    run.finish(to_csv([actions.tolist() for actions in flown.episodes(flown.actions)]))


def draw_flights(path: Path, rollout: Rollout) -> None:
    """The paths of whole episodes to the landing pad, each with its total reward at its end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot(xlabel="x", ylabel="height", title="flights of the policy on practice seeds")
    for states, rewards in zip(rollout.episodes(rollout.states), rollout.episodes(rollout.rewards), strict=True):
        axes.plot(states[:, 0], states[:, 1], linewidth=1)
        axes.annotate(f"{rewards.sum():.0f}", (float(states[-1, 0]), float(states[-1, 1])), fontsize=7)
    axes.plot([-0.2, 0.2], [0, 0], "k", linewidth=3)
    figure.savefig(path, dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    raise SystemExit(main("hw12"))
