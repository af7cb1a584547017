"""HW12 in four levels: policy gradient, discounted returns, actor and critic, proximal policy optimisation.

The policy sees the seeds of the competition only after its training. All but boss then draw their actions, as in the
course's code: where a policy is still undecided, its likeliest actions can hover to the end.

The scores are those of `python tests/bench/ladder.py hw12 --seeds 106-108`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from baselines.common import main, rate
from baselines.run import Run
from tasks.base import UserError
from tasks.hw12_reinforcement import EPISODES_FILE, FAULT_FILE, MAX_STEPS, POLICY
from tasks.hw12_reinforcement.judge import faulty_environment, new_environment, replay
from tasks.hw12_reinforcement.world import to_csv
from tasks.models import dense

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cpu"  # the environments run on the CPU, and the networks are small
PRACTICE = tuple(range(2**32, 2**32 + 20))  # seeds that no competition has
UNIT = 100.0  # the critic's unit of reward


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample code."""

    credit: Literal["immediate", "discounted", "advantages"] = "immediate"  # what weighs an action, see `credits`
    repeat: int = (
        1  # steps for which an action is held, as in Mnih et al., Nature 518; the settings below count actions
    )
    gamma: float = 0.99  # discount of an action
    trace: float = 0.95  # λ of generalised advantage estimation, Schulman et al., arXiv 1506.02438
    episodes: int = 5  # whole episodes played in an iteration
    iterations: int = 400
    hidden: tuple[int, ...] = (16, 16)  # units of the hidden layers, tanh; the critic has the same
    optimiser: Literal["sgd", "adam"] = "sgd"
    lr: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    loss: Literal["sum", "mean"] = "sum"  # over the steps of a batch; the course's code sums
    passes: int = 1  # over the steps of an iteration
    batch: int = 0  # steps of one update; 0: all
    clip: float = 0.0  # ε of proximal policy optimisation, Schulman et al., arXiv 1707.06347; 0: plain gradient
    entropy: float = 0.0  # weight of the entropy, which keeps the policy from settling early
    norm: float = 0.0  # largest norm of the gradient; 0: no limit
    flight: Literal["drawn", "likeliest"] = "drawn"  # the actions that are submitted; the course draws them
    slots: int = 32  # environments stepped in turn, so that the network sees them as one batch


LEVELS = {
    "simple": Config(),
    "medium": Config(  # not the sum, with which an iteration that hovers, with its many steps, makes the largest update
        credit="discounted", iterations=300, optimiser="adam", lr=1e-2, schedule="cosine", loss="mean",
    ),
    # Few updates per iteration: without the clip of boss, steps of an older policy soon mislead. Actions are held: if
    # drawn at every step, they hardly ever leave a landed craft alone for long enough to come to rest.
    "strong": Config(
        credit="advantages", repeat=4, episodes=4, iterations=1100, hidden=(64, 64), optimiser="adam",
        schedule="cosine", loss="mean", batch=256, entropy=0.003, norm=0.5,
    ),
    "boss": Config(
        credit="advantages", gamma=0.999, trace=0.98, episodes=16, iterations=250, hidden=(64, 64), optimiser="adam",
        lr=5e-4, schedule="cosine", loss="mean", passes=4, batch=256, clip=0.2, entropy=0.01, norm=0.5,
        flight="likeliest",
    ),
}  # fmt: skip


def settings(level: str, public: Path) -> Config:
    """The settings of a level."""
    return LEVELS[level]


def suffix(public: Path) -> str:
    """The ending of the submission: a policy where the craft has a fault, else actions."""
    return POLICY.suffix if (public / FAULT_FILE).exists() else SUFFIX


def craft(public: Path) -> Any:
    """The environment of the competition."""
    if (public / FAULT_FILE).exists():
        return faulty_environment(json.loads((public / FAULT_FILE).read_text(encoding="utf-8")))
    return new_environment()


# Playing


@dataclass(frozen=True)
class Played:
    """Whole episodes, padded to the longest one: states (n, steps, 8), actions and rewards (n, steps), lengths (n,).

    Steps are the policy's; `flights` has the action of each step of the environment, which may be more.
    """

    states: NDArray[np.float32]
    actions: NDArray[np.int64]
    rewards: NDArray[np.float64]
    lengths: NDArray[np.int64]
    flights: list[list[int]]

    @property
    def steps(self) -> NDArray[np.bool_]:
        """Which places (n, steps) hold a step."""
        import numpy as np

        mask: NDArray[np.bool_] = np.arange(self.actions.shape[1]) < self.lengths[:, None]
        return mask

    @property
    def returns(self) -> NDArray[np.float64]:
        """The total reward of each episode (n,)."""
        total: NDArray[np.float64] = self.rewards.sum(axis=1)
        return total


Layers = list[tuple["NDArray[np.float32]", "NDArray[np.float32]"]]


def play(
    environments: Sequence[Any],
    layers: Layers,
    seeds: Sequence[int | None],
    rng: np.random.Generator | None,
    repeat: int = 1,
) -> Played:
    """Plays one whole episode for each seed, drawing actions from the policy, or the likeliest where `rng` is None.

    The environments are stepped in turn; one that is done takes the next seed. The network runs in numpy, which for a
    batch of this size costs a fraction of a call to torch.
    """
    import numpy as np

    states: list[list[Any]] = [[] for _ in seeds]
    actions: list[list[int]] = [[] for _ in seeds]
    rewards: list[list[float]] = [[] for _ in seeds]
    flights: list[list[int]] = [[] for _ in seeds]
    waiting = iter(range(len(seeds)))
    slots = [(environment, episode) for environment, episode in zip(environments, waiting, strict=False)]
    now = [environment.reset(seed=seeds[episode])[0] for environment, episode in slots]
    while slots:
        x = np.array(now)
        for weight, bias in layers[:-1]:
            x = np.tanh(x @ weight + bias)
        scores = x @ layers[-1][0] + layers[-1][1]
        if rng is not None:  # the largest score plus Gumbel noise is a draw from the softmax
            scores = scores - np.log(rng.standard_exponential(scores.shape, dtype=np.float32) + 1e-30)
        for slot in range(len(slots) - 1, -1, -1):
            environment, episode = slots[slot]
            action = int(scores[slot].argmax())
            states[episode].append(now[slot])
            actions[episode].append(action)
            rewards[episode].append(0.0)
            for _ in range(repeat):
                now[slot], reward, over, _, _ = environment.step(action)
                flights[episode].append(action)
                rewards[episode][-1] += float(reward)
                over = over or len(flights[episode]) == MAX_STEPS
                if over:
                    break
            if over:
                after = next(waiting, None)
                if after is None:
                    del slots[slot], now[slot]
                else:
                    slots[slot] = (environment, after)
                    now[slot] = environment.reset(seed=seeds[after])[0]
    lengths = np.array([len(episode) for episode in actions])
    shape = (len(seeds), int(lengths.max()))
    played = Played(np.zeros((*shape, 8), np.float32), np.zeros(shape, np.int64), np.zeros(shape), lengths, flights)
    for episode, length in enumerate(lengths):
        played.states[episode, :length] = states[episode]
        played.actions[episode, :length] = actions[episode]
        played.rewards[episode, :length] = rewards[episode]
    return played


# Learning


def new_network(sizes: Sequence[int], last_gain: float, generator: torch.Generator) -> list[torch.Tensor]:
    """Weights (in, out) and biases (out,) of each layer: orthogonal weights, no bias."""
    import torch

    layers = []
    for index, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weight = torch.empty(fan_in, fan_out)
        torch.nn.init.orthogonal_(weight, last_gain if index == len(sizes) - 2 else 2**0.5, generator=generator)
        layers += [weight, torch.zeros(fan_out)]
    return layers


def outputs(layers: list[torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network's outputs (…, out), tanh between the layers."""
    import torch

    for index in range(0, len(layers), 2):
        x = torch.addmm(layers[index + 1], x, layers[index])
        if index < len(layers) - 2:
            x = torch.tanh(x)
    return x


def credits(config: Config, played: Played, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weight of each step (n, steps) in the gradient, before it is standardised over the batch.

    "immediate": its own reward. "discounted": the discounted sum of the rewards from it on. "advantages": generalised
    advantage estimation with the critic's `values` (n, steps). The step limit counts as an end like any other: if the
    value of the last state stood in for the future, a policy would learn to hover and never to land.
    """
    import numpy as np

    if config.credit == "immediate":
        return played.rewards
    critic = config.credit == "advantages"
    decay = config.gamma * config.trace if critic else config.gamma
    result = np.zeros_like(played.rewards)
    ahead = np.zeros(len(result))
    mask = played.steps
    last = result.shape[1] - 1
    for step in range(last, -1, -1):
        gain = played.rewards[:, step]
        if critic:
            after = np.where(step == played.lengths - 1, 0.0, values[:, min(step + 1, last)])
            gain = gain + config.gamma * after - values[:, step]
        ahead = np.where(mask[:, step], gain + decay * ahead, 0.0)
        result[:, step] = ahead
    return result


def train(config: Config, public: Path, run: Run) -> None:
    """Train the policy of a level on episodes from its own seeds, then play those of `public`.

    An iteration plays whole episodes from fresh starts that follow from the run's seed and the iteration's number, so
    no state of an environment has to be saved for a resumed run.
    """
    import numpy as np
    import torch

    flies = suffix(public) == POLICY.suffix
    seeds = list(PRACTICE) if flies else read(public / EPISODES_FILE)
    environments = [craft(public) for _ in range(config.slots)]
    generator = torch.Generator().manual_seed(run.seed)
    policy = new_network([8, *config.hidden, 4], 0.01, generator)
    critic = new_network([8, *config.hidden, 1], 1.0, generator)
    policy, critic = ([layer.to(run.device).requires_grad_() for layer in layers] for layers in (policy, critic))
    layers = [*policy, *critic] if config.credit == "advantages" else policy
    optimiser: torch.optim.Optimizer = torch.optim.SGD(layers, lr=config.lr)
    if config.optimiser == "adam":
        optimiser = torch.optim.Adam(layers, lr=config.lr, eps=1e-5, fused=True)
    for iteration in run.epochs(config.iterations, {"layers": layers, "optimiser": optimiser}):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate(config.schedule, iteration, config.iterations)
        rng = np.random.default_rng([run.seed, iteration])
        starts = rng.integers(2**31, 2**32, size=config.episodes).tolist()  # the seeds of `public` are below
        played = play(environments, in_numpy(policy), starts, rng, config.repeat)
        mask = played.steps
        x, actions = (torch.from_numpy(part).to(run.device) for part in (played.states[mask], played.actions[mask]))
        values = np.zeros_like(played.rewards)
        with torch.no_grad():
            if config.credit == "advantages":
                every = torch.from_numpy(played.states.reshape(-1, 8)).to(run.device)
                values = UNIT * outputs(critic, every).cpu().numpy().reshape(values.shape).astype(np.float64)
            before = chosen(outputs(policy, x).log_softmax(dim=1), actions)
        weights = credits(config, played, values)[mask]
        goals = torch.from_numpy(((weights + values[mask]) / UNIT).astype(np.float32)).to(run.device)
        weights = (weights - weights.mean()) / (weights.std() + 1e-9)
        weight = torch.from_numpy(weights.astype(np.float32)).to(run.device)
        for _ in range(config.passes):
            order = torch.from_numpy(rng.permutation(len(weights))).to(run.device)
            for rows in torch.split(order, config.batch or len(weights)):
                scores = outputs(policy, x[rows]).log_softmax(dim=1)
                likely = chosen(scores, actions[rows])
                gains = likely * weight[rows]
                if config.clip:
                    ratio = (likely - before[rows]).exp()
                    cut = ratio.clamp(1 - config.clip, 1 + config.clip)
                    gains = torch.minimum(ratio * weight[rows], cut * weight[rows])
                loss = -(gains.sum() if config.loss == "sum" else gains.mean())
                if config.entropy:
                    loss = loss + config.entropy * (scores.exp() * scores).sum(dim=1).mean()
                if config.credit == "advantages":
                    loss = loss + 0.5 * (outputs(critic, x[rows])[:, 0] - goals[rows]).square().mean()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                if config.norm:
                    torch.nn.utils.clip_grad_norm_(layers, config.norm)
                optimiser.step()
        run.log({
            "return": float(played.returns.mean()),
            "length": float(np.mean([len(flight) for flight in played.flights])),
        })  # fmt: skip

    if flies:
        played = play(environments, in_numpy(policy), seeds, None)
        best = int(played.returns.argmax())
        draw_flight(run.folder / "best_episode.png", environments[0], seeds[best], played.flights[best])
        run.finish(dense(POLICY, in_numpy(policy)))
        return
    rng = np.random.default_rng([run.seed, config.iterations])
    draws = rng if config.flight == "drawn" else None
    chained = len(set(seeds)) < len(seeds)  # the course's chain: one seed, episodes in order in one environment
    flown: list[int | None] = [seed if not chained or place == 0 else None for place, seed in enumerate(seeds)]
    played = play(environments[: 1 if chained else None], in_numpy(policy), flown, draws, config.repeat)
    best = int(played.returns.argmax())
    environment = environments[0]
    for earlier in range(best) if chained else ():
        replay(environment, None if earlier else seeds[0], bytes(played.flights[earlier]), MAX_STEPS)
    first = None if chained and best else seeds[best]
    draw_flight(run.folder / "best_episode.png", environment, first, played.flights[best])
    run.finish(to_csv(played.flights))


def read(path: Path) -> list[int]:
    """The seeds of the episodes 0, 1, …"""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if len(rows) < 2 or rows[0] != ["episode", "seed"]:
        raise UserError(f"{path}: expected the columns episode,seed and at least one row.")
    return [int(seed) for _, seed in rows[1:]]


def in_numpy(layers: list[torch.Tensor]) -> Layers:
    """The network as pairs of arrays, for `play`."""
    arrays = [layer.detach().cpu().numpy() for layer in layers]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def chosen(scores: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """The log-probabilities (n,) of the actions taken (n,) among those of all (n, 4)."""
    return scores.gather(1, actions[:, None])[:, 0]


def draw_flight(path: Path, environment: Any, seed: int | None, actions: Sequence[int]) -> None:
    """Six moments of one episode side by side, from its start to its end."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    environment.reset(seed=seed)
    moments = np.linspace(1, len(actions), 6).astype(int).tolist()
    figure = Figure(figsize=(15, 2.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = iter(figure.subplots(1, 6))
    ground = [environment.sky_polys[0][0], *(sky[1] for sky in environment.sky_polys)]
    total = 0.0
    for step, action in enumerate(actions, start=1):
        total += float(environment.step(action)[1])
        if step not in moments:
            continue
        axes = next(panels)
        axes.fill_between([x for x, _ in ground], [y for _, y in ground], color="0.75")
        axes.plot([environment.helipad_x1, environment.helipad_x2], [environment.helipad_y] * 2, "k", linewidth=3)
        for body in environment.drawlist:
            corners = [body.transform * corner for corner in body.fixtures[0].shape.vertices]
            axes.fill([x for x, _ in corners], [y for _, y in corners], color="tab:purple")
        if action:
            place = environment.lander.transform * {1: (1.0, 0.4), 2: (0.0, -0.8), 3: (-1.0, 0.4)}[action]
            axes.plot(*place, marker="o", color="tab:orange")
        axes.set(xlim=(0, 20), ylim=(0, 14), xticks=[], yticks=[], aspect="equal", title=f"{step}: {total:.0f}")
    figure.savefig(path, dpi=100, metadata={"Software": None})


if __name__ == "__main__":
    raise SystemExit(main("hw12"))
