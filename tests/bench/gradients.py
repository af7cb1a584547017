"""How fast HW9 explains and HW10 attacks, next to the usual way: one picture after another.

    python tests/bench/gradients.py [--pictures N] [--rounds N]

No network learns here: those of both homeworks have random weights and the pictures are random, which costs the same.
Ours are the functions of the baselines, with the settings of their levels; theirs are captum's (saliency, the mean of
squares of SmoothGrad, integrated gradients, occlusion) and a loop of gradient steps (I-FGSM on the mean of the logits
of three networks). Maps are equal within 1e-6, but SmoothGrad's, whose noise differs. Signs of gradients near 0 depend
on rounding, so attacked pictures are compared in double precision, ten of them, and are equal there.
"""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines import explain, hw09_explainable, hw10_attack
from tasks.hw09_explainable.network import Network as Explained
from tasks.hw10_attack import networks

BATCH = hw09_explainable.Config().batch
Pair = tuple[Callable[[], torch.Tensor], Callable[[], torch.Tensor]]


def explanations(x: torch.Tensor) -> dict[str, Pair]:
    """Ours and theirs of each method, for pictures (n, 3, 64, 64)."""
    attr: Any = importlib.import_module("captum.attr")
    network = Explained().eval().requires_grad_(False)
    with torch.no_grad():
        target = network(x).argmax(1)
    config, generator = hw09_explainable.Config(), torch.Generator().manual_seed(0)
    size, stride = config.window, config.stride
    ground, mean = x.flatten(2).median(2).values[..., None, None], x.flatten(2).mean(2)[..., None, None]

    def batched(method: Callable[[slice], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return lambda: torch.cat([method(slice(at, at + BATCH)) for at in range(0, len(x), BATCH)])

    def single(method: Callable[[slice], torch.Tensor]) -> Callable[[], torch.Tensor]:
        return lambda: torch.cat([method(slice(at, at + 1)).float() for at in range(len(x))])

    plain, path, hiding = attr.Saliency(network), attr.IntegratedGradients(network), attr.Occlusion(network)
    noisy = attr.NoiseTunnel(plain)
    return {
        "saliency": (
            batched(lambda here: explain.saliency(network, x[here], target[here])),
            single(lambda here: plain.attribute(x[here].clone().requires_grad_(), target=target[here])),
        ),
        f"SmoothGrad of {config.samples}": (
            batched(
                lambda here: explain.smooth_grad(
                    network, x[here], target[here], config.samples, config.sigma, generator, squared=True
                )
            ),
            single(
                lambda here: noisy.attribute(
                    x[here].clone().requires_grad_(),
                    nt_type="smoothgrad_sq",
                    nt_samples=config.samples,
                    stdevs=config.sigma,
                    target=target[here],
                )
            ),
        ),
        f"integrated gradients of {config.steps} steps": (
            batched(
                lambda here: explain.integrated_gradients(
                    network, x[here], target[here], ground[here].expand_as(x[here]), config.steps
                )[0]
            ),
            single(
                lambda here: path.attribute(
                    x[here], ground[here].expand_as(x[here]), target=target[here], n_steps=config.steps
                )
            ),
        ),
        "occlusion": (
            batched(lambda here: explain.occlusion(network, x[here], target[here], mean[here], size, stride)),
            single(
                lambda here: hiding.attribute(
                    x[here],
                    sliding_window_shapes=(3, size, size),
                    strides=(3, stride, stride),
                    target=target[here],
                    baselines=mean[here].expand_as(x[here]),
                )[:, 0]
            ),
        ),
    }


def attacks(x: torch.Tensor) -> Pair:
    """I-FGSM on pictures (n, 3, 32, 32), all at once and one after another, in the precision of the pictures."""
    kinds = zip(networks.KINDS, ((16, 32, 64),) * 3, strict=True)
    proxies = [networks.Network(kind, widths).eval().requires_grad_(False).to(x.dtype) for kind, widths in kinds]
    y = torch.arange(len(x)) % networks.CLASSES
    config, generator = hw10_attack.LEVELS["medium"], torch.Generator()

    def ours() -> torch.Tensor:
        now = x.clone()
        for _ in range(config.epochs):
            way = hw10_attack.diverse_gradient(proxies, now, y, config, generator)
            now = hw10_attack.sign_step(now, way, x, config.step / 255)
        return now

    def theirs() -> torch.Tensor:
        done = []
        for given, label in zip(x, y, strict=True):
            now = given[None].clone()
            for _ in range(config.epochs):
                now.requires_grad_()
                logits = sum(network(now) for network in proxies) / len(proxies)
                torch.nn.functional.cross_entropy(logits, label[None]).backward()  # type: ignore[no-untyped-call]
                assert now.grad is not None
                moved = now.detach() + config.step / 255 * now.grad.sign()
                now = (given + (moved - given).clamp(-hw10_attack.EPSILON, hw10_attack.EPSILON)).clamp(0, 1)
            done.append(now)
        return torch.cat(done)

    return ours, theirs


def seconds(function: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    """Those of the processor, and what the function gives."""
    start = time.process_time()
    found = function()
    return time.process_time() - start, found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, one thread, ", end="")
    print(f"{given.pictures} pictures, {given.rounds} rounds")
    pairs = {f"HW9 {name}": pair for name, pair in explanations(torch.rand(given.pictures, 3, 64, 64)).items()}
    x = torch.rand(given.pictures, 3, 32, 32)
    ours, theirs = attacks(x[:10].double())
    assert torch.allclose(ours(), theirs(), rtol=0, atol=1e-9), "the attacked pictures differ"
    pairs["HW10 I-FGSM of 20 steps"] = attacks(x)
    for name, (ours, theirs) in pairs.items():
        taken = []
        for _ in range(given.rounds):
            (slow, expected), (fast, found) = seconds(theirs), seconds(ours)
            taken.append((slow, fast))
            if not name.startswith(("HW9 SmoothGrad", "HW10")):
                assert torch.allclose(found, expected, rtol=0, atol=1e-6), f"{name}: the maps differ"
        ratios = sorted(slow / fast for slow, fast in taken)
        slow, fast = (statistics.median(pair[side] for pair in taken) for side in (0, 1))
        print(f"{name}: one by one {slow:.2f} s, ours {fast:.2f} s, ratio {statistics.median(ratios):.1f} ", end="")
        print(f"(from {ratios[0]:.1f} to {ratios[-1]:.1f})")


if __name__ == "__main__":
    main()
