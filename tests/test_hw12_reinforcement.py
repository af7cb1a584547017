"""HW12's four levels."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baselines import hw12_reinforcement as baseline
from baselines.common import tuned
from baselines.hw12_reinforcement import LEVELS, Config, Rollout, discounted_returns, gae, play
from baselines.run import Run
from submissions.reader import read
from tasks.base import UserError
from tasks.formats import EpisodesFormat
from tasks.hw12_reinforcement import EPISODES_FILE
from tasks.hw12_reinforcement.judge import check, new_environment, replays
from tests.flights import columns, make, small_public


def test_returns_are_discounted_sums_and_advantages_those_of_generalised_estimation() -> None:
    rewards, values = np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, 2.0])
    assert discounted_returns(rewards, 0.5).tolist() == [1 + 1 + 1, 2 + 2, 4]
    last, middle = 4 - 2.0, 2 + 0.5 * 2 - 1.0
    wanted = [1 + 0.5 * 1 - 0.5 + 0.25 * (middle + 0.25 * last), middle + 0.25 * last, last]
    assert gae(rewards, values, 0.5, 0.5).tolist() == wanted
    assert gae(rewards, values, 0.5, 0.0).tolist() == [1.0, middle, last]  # temporal differences


def test_the_surrogate_gains_nothing_by_moving_far_from_the_policy_that_flew() -> None:
    ratio = torch.tensor([0.5, 1.0, 1.5, 0.5, 1.5], requires_grad=True)
    gains = baseline.clipped_surrogate(ratio, torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0]), 0.2)
    assert gains.tolist() == pytest.approx([0.5, 1.0, 1.2, -0.8, -1.5])
    torch.autograd.backward(gains.sum())
    assert ratio.grad is not None
    assert ratio.grad.tolist() == [1.0, 1.0, 0.0, 0.0, -1.0]


def test_many_environments_in_turn_play_what_one_alone_plays() -> None:
    torch.manual_seed(1)
    layers = baseline.in_numpy(baseline.mlp([8, 16, 4], 1.0))
    seeds = list(range(7))
    alone, together = (play([new_environment() for _ in range(count)], layers, seeds, None) for count in (1, 3))
    for name in ("states", "actions", "rewards", "lengths"):
        assert np.array_equal(getattr(alone, name), getattr(together, name))
    starts = [states[0] for states in alone.episodes(alone.states)]
    assert np.array_equal(starts, [new_environment().reset(seed=seed)[0] for seed in seeds])
    form = EpisodesFormat(tuple(seeds))
    flown = replays(form, columns([actions.tolist() for actions in alone.episodes(alone.actions)], form))
    assert [flight.over for flight in flown] == alone.lengths
    assert [flight.total for flight in flown] == [sum(part.tolist()) for part in alone.episodes(alone.rewards)]


def test_actions_are_drawn_as_often_as_the_policy_says() -> None:
    logits = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    layers = [(np.zeros((8, 4), np.float32), logits)]
    drawn = play([new_environment() for _ in range(8)], layers, range(60), np.random.default_rng(0)).actions
    assert np.bincount(drawn) / len(drawn) == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.02)


def test_an_action_is_held_for_its_frames_and_the_rewards_are_summed() -> None:
    torch.manual_seed(1)
    layers = baseline.in_numpy(baseline.mlp([8, 16, 4], 1.0))
    held = play([new_environment() for _ in range(2)], layers, [5, 6, 7], None, 42, 4)
    assert held.lengths == [11, 11, 11]  # whole actions
    columns_of = (held.episodes(part) for part in (held.actions, held.rewards, held.states))
    for seed, actions, rewards, states in zip((5, 6, 7), *columns_of, strict=True):
        environment = new_environment()
        state, _ = environment.reset(seed=seed)
        for action, reward, seen in zip(actions.tolist(), rewards, states, strict=True):
            assert np.array_equal(state, seen)
            total = 0.0
            for _ in range(4):
                state, gained, _, _, _ = environment.step(action)
                total += float(gained)
            assert reward == total
    whole = play([new_environment()], layers, [5], None, repeat=4)
    flown = replays(form := EpisodesFormat((5,)), columns([np.repeat(whole.actions, 4).tolist()], form))
    over = flown[0].over
    assert over is not None
    assert -(-over // 4) == whole.lengths[0], "an episode that ends while an action is held is over"


def test_a_sharper_policy_draws_its_likeliest_action_more_often_and_flies_the_same() -> None:
    torch.manual_seed(1)
    network = baseline.ActorCritic((16,))
    states = torch.randn(40, 8)
    soft, sharp = (baseline.forward(baseline.in_numpy(network.actor, most), states.numpy()) for most in (1.0, 8.0))
    assert np.array_equal(soft.argmax(axis=1), sharp.argmax(axis=1))
    for logits, most in ((soft, 1.0), (sharp, 8.0)):
        logprobs = network.logprobs(states, most).detach().numpy()
        wanted = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        assert logprobs == pytest.approx(wanted, abs=1e-5)
    assert bool((network.logprobs(states, 8.0).amax(1) > network.logprobs(states, 1.0).amax(1)).all())


def test_the_policy_that_is_kept_is_the_one_that_flew_best_in_practice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[float, Any]] = []

    def spy(environments: Any, layers: Any, seeds: Any, rng: Any, *others: Any) -> Rollout:
        rollout = play(environments, layers, seeds, rng, *others)
        if seeds == baseline.PRACTICE:
            tried.append((float(rollout.rewards.sum()), copy.deepcopy(layers)))  # which share the biases
        return rollout

    monkeypatch.setattr(baseline, "play", spy)
    config = replace(cut("simple", 21), lr=0.1)
    trained(config, small_public(tmp_path, (3,)), tmp_path / "run")
    (*tries, (_, kept)) = tried
    assert len(tries) == 3
    _, best = max(tries, key=lambda one: one[0])
    for mine, other in zip(kept, best, strict=True):
        assert all(map(np.array_equal, mine, other))


def trained(config: Config, public: Path, folder: Path, progress: Any = None, seed: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    state = Run(folder, seed, "cpu", progress=progress or (lambda done, total, metrics: None))
    with tuned("cpu", 1):
        baseline.train(config, public, state)
    return state.submission


def cut(level: str, iterations: int) -> Config:
    return replace(LEVELS[level], iterations=iterations, episodes=4, n_envs=3)


def test_a_level_flies_the_courses_chain_as_a_chain(tmp_path: Path) -> None:
    _, form = make(tmp_path, "2021")
    path = trained(cut("simple", 1), tmp_path, tmp_path / "run")
    check(form, read(path.read_bytes(), form))


def test_training_never_plays_an_episode_of_the_competition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flown: list[list[int]] = []

    def spy(environments: Any, layers: Any, seeds: list[int], *others: Any) -> Rollout:
        flown.append(list(seeds))
        return play(environments, layers, seeds, *others)

    monkeypatch.setattr(baseline, "play", spy)
    trained(cut("strong", 3), small_public(tmp_path, (3, 4)), tmp_path / "run")
    assert flown[-1] == [3, 4]
    assert min(min(seeds) for seeds in flown[:-1]) >= 2**31
    assert all(set(one) != set(other) for one, other in pairwise(flown))


def test_a_level_learns(tmp_path: Path) -> None:
    config = replace(LEVELS["boss"], iterations=20, lr=2e-3)
    path = trained(config, small_public(tmp_path, (3,)), tmp_path / "run", seed=0)
    log = (path.parent / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    returns = [json.loads(line)["return"] for line in log]
    assert np.mean(returns[-3:]) > np.mean(returns[:3]) + 50


def test_a_list_of_episodes_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / EPISODES_FILE).write_text("id,seed\n0,1\n", encoding="utf-8")
    with pytest.raises(UserError, match="expected the columns episode,seed"):
        baseline.read_seeds(tmp_path / EPISODES_FILE)
