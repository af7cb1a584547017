"""HW14: what holds the weights, and what is kept of finished tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from baselines import hw14_lifelong as baseline
from baselines.run import Run
from harness.home import Home
from tasks.base import UserError
from tasks.hw14_lifelong import BUFFER, world


@pytest.fixture
def public(homes: Callable[[str], Home]) -> Path:
    return homes("hw14").public("hw14")


def tiny() -> tuple[baseline.Network, baseline.Part]:
    torch.manual_seed(0)
    network = baseline.Network((6, 5), pixels=12)
    return network, baseline.Part(torch.rand(8, 12), torch.arange(8) % 10)


@pytest.mark.parametrize("power", [1, 2])
def test_the_sensitivity_of_every_weight_is_that_of_a_loop_over_pictures(power: int) -> None:
    network, part = tiny()
    ours = baseline.sensitivity(network, part.x, lambda z: (z**2).sum(1), power)
    total = torch.zeros_like(ours)
    for x in part.x:
        slopes = torch.autograd.grad((network(x[None]) ** 2).sum(), list(network.parameters()))
        total += torch.cat([slope.flatten() for slope in slopes]).abs() ** power
    assert torch.allclose(ours, total / len(part.x), atol=1e-6)


def test_importances_are_not_negative_and_mas_needs_no_labels() -> None:
    network, part = tiny()
    p = sum(weight.numel() for weight in network.parameters())
    other = replace(part, y=part.y.flip(0))
    assert torch.equal(baseline.mas(network, part), baseline.mas(network, other))
    assert not torch.equal(baseline.ewc(network, part), baseline.ewc(network, other))
    generator = torch.Generator().manual_seed(0)
    path, moved = torch.randn(p), torch.randn(p)
    for found in (
        baseline.ewc(network, part),
        baseline.mas(network, part),
        baseline.scp(network, part, generator),
        baseline.si(path, moved),
        baseline.rwalk(path, moved, baseline.ewc(network, part)),
    ):
        assert found.shape == (p,)
        assert torch.isfinite(found).all()
        assert (found >= 0).all()
        assert found.max() > 0


def test_si_rwalk_and_scp_are_the_published_formulas_weight_by_weight() -> None:
    network, part = tiny()
    path, moved, fisher = (values.numpy() for values in torch.randn(3, 40, generator=torch.Generator().manual_seed(1)))
    fisher = np.abs(fisher)
    omega = [max(0.0, float(p / (m * m + 0.1))) for p, m in zip(path, moved, strict=True)]
    ours = baseline.si(torch.from_numpy(path), torch.from_numpy(moved))
    assert ours.numpy() == pytest.approx(omega, rel=1e-4)
    score = [max(0.0, float(p / (0.5 * f * m * m + 1e-3))) for p, m, f in zip(path, moved, fisher, strict=True)]
    wanted = [f / max(fisher) + s / max(score) for f, s in zip(fisher, score, strict=True)]
    ours = baseline.rwalk(*(torch.from_numpy(values) for values in (path, moved, fisher)))
    assert ours.numpy() == pytest.approx(wanted, rel=1e-4)
    generator = torch.Generator().manual_seed(2)
    ours = baseline.scp(network, part, generator, slices=3)
    generator = torch.Generator().manual_seed(2)
    total = torch.zeros_like(ours)
    for _ in range(3):
        way = torch.randn(10, generator=generator)
        for x in part.x:  # the squared slope of each picture's projected output
            slopes = torch.autograd.grad(network(x[None])[0] @ (way / way.norm()), list(network.parameters()))
            total += torch.cat([slope.flatten() for slope in slopes]) ** 2
    assert torch.allclose(ours, total / (3 * len(part.x)), rtol=1e-4, atol=1e-7)


def test_a_buffer_keeps_as_many_of_each_class_as_can_be_and_what_was_said_of_them() -> None:
    network, _ = tiny()
    x, y = torch.rand(100, 12), torch.arange(100) % 10
    buffer = baseline.Buffer(baseline.Config(buffer=23), x)
    generator = torch.Generator().manual_seed(0)
    for task in range(2):
        buffer.keep(task, network, baseline.Part(x, y), generator)
    kept = buffer.parts["y"][23:46]
    assert sorted(kept.bincount(minlength=10).tolist()) == [2] * 7 + [3] * 3
    assert torch.allclose(network(buffer.parts["x"][:46]), buffer.parts["logits"][:46])
    assert len(torch.unique(buffer.parts["x"][23:46], dim=0)) == 23
    assert torch.equal(
        y[(x[:, None] == buffer.parts["x"][None, 23:46]).all(2).nonzero()[:, 0].sort()[0]].sort()[0], kept.sort()[0]
    )


@pytest.mark.parametrize("method", ["ewc", "mas", "si", "rwalk", "scp"])
def test_each_method_holds_the_weights_of_the_first_task(method: baseline.Method, public: Path, tmp_path: Path) -> None:
    moved = []
    for strength in (0.0, 1e3):
        config = baseline.Config(method=method, strength=strength, epochs=2, batch=20, samples=20)
        run = Run(tmp_path / f"run{strength}", 0, "cpu", ".safetensors")
        run.folder.mkdir()
        baseline.train(config, public, run)
        weights = load(run.submission.read_bytes())
        moved.append(float(np.abs(weights["after_5/0.weight"] - weights["after_1/0.weight"]).sum()))
    assert moved[1] < moved[0]


def test_a_larger_buffer_than_the_rule_allows_is_refused_and_the_sheet_has_its_size(
    public: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="at most 200 pictures of each task, got 201"):
        baseline.train(baseline.Config(buffer=201), public, Run(tmp_path, 0, "cpu", ".safetensors"))
    sheet = (Path(world.__file__).parent / "sheet.md").read_text(encoding="utf-8")
    assert f"at most **{BUFFER} pictures**" in sheet
