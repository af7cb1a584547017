"""What in a picture makes a network name a class: five ways to say it, each by its paper.

A `network` gives logits (n, classes) for pictures (n, 3, s, s); `target` (n,) is the class of each picture whose logit
is explained. Maps have the shape of the pictures, or are (n, s, s) where all colours of a pixel are changed together.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

Network = Callable[[torch.Tensor], torch.Tensor]


def logit(network: Network, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The logit of its target for each picture, (n,)."""
    return network(x)[torch.arange(len(x), device=x.device), target]


def gradient(network: Network, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The gradient of each target's logit by the picture."""
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(logit(network, x, target).sum(), x)[0]


def saliency(network: Network, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The size of the gradient (Simonyan et al., arXiv 1312.6034)."""
    return gradient(network, x, target).abs()


def smooth_grad(
    network: Network,
    x: torch.Tensor,
    target: torch.Tensor,
    samples: int,
    sigma: float,
    generator: torch.Generator,
    squared: bool = False,
) -> torch.Tensor:
    """The mean size of the gradient of noisy copies (Smilkov et al., arXiv 1706.03825).

    `sigma` is the noise's standard deviation in the units of x. `squared` takes the mean of the squares in place of
    the sizes (Hooker et al., arXiv 1806.10758).
    """
    total = torch.zeros_like(x)
    for _ in range(samples):
        noise = sigma * torch.randn(x.shape, generator=generator)
        found = gradient(network, x + noise.to(x.device), target)
        total += found**2 if squared else found.abs()
    return total / samples


def integrated_gradients(
    network: Network, x: torch.Tensor, target: torch.Tensor, baseline: torch.Tensor, steps: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The gradient along the straight path from a baseline, times the difference (Sundararajan et al., 1703.01365).

    Complete: the sum of a map is the logit's difference between picture and baseline, but for the error of the
    Gauss-Legendre rule, which is returned beside the maps, (n,).
    """
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(x)
    for place, weight in zip(((1 + places) / 2).tolist(), (weights / 2).tolist(), strict=True):
        total += weight * gradient(network, baseline + place * (x - baseline), target)
    maps = total * (x - baseline)
    with torch.no_grad():
        difference = logit(network, x, target) - logit(network, baseline, target)
    return maps, maps.flatten(1).sum(1) - difference


def occlusion(
    network: Network,
    x: torch.Tensor,
    target: torch.Tensor,
    fill: torch.Tensor,
    window: int,
    stride: int,
    value: Callable[[Network, torch.Tensor, torch.Tensor], torch.Tensor] = logit,
) -> torch.Tensor:
    """What is lost when a square takes the colour `fill`, the mean over all squares on a pixel (arXiv 1311.2901).

    `fill` has a shape that x can be compared with, as (n, 3, 1, 1); the map is (n, s, s).
    """
    side = x.shape[-1]
    total, count = x.new_zeros(len(x), side, side), x.new_zeros(side, side)
    starts = [stride * at for at in range(math.ceil((side - window) / stride) + 1)]
    with torch.no_grad():
        before = value(network, x, target)
        for top in starts:
            for left in starts:
                here = (..., slice(top, top + window), slice(left, left + window))
                hidden = x.clone()
                hidden[here] = fill.expand_as(x)[here]
                total[here] += (before - value(network, hidden, target))[:, None, None]
                count[here] += 1
    return total / count.clamp(min=1)


def lime(
    network: Network,
    x: torch.Tensor,
    target: torch.Tensor,
    fill: torch.Tensor,
    segments: torch.Tensor,
    kept: torch.Tensor,
    width: float = 0.25,
    penalty: float = 1e-3,
) -> torch.Tensor:
    """The weights of a linear model of the logit by which segments are kept (Ribeiro et al., arXiv 1602.04938).

    `segments` (s, s) numbers the segment of each pixel, the same for all pictures; `kept` (m, k) says which of the k
    segments each of m samples keeps, while the others take the colour `fill`. A sample counts by
    exp(-d² / width²), where d is the share of segments that it lacks. The map is (n, s, s).
    """
    on = kept.to(x.dtype)
    outputs = []
    with torch.no_grad():
        for row in kept:
            mask = row[segments]
            outputs.append(logit(network, torch.where(mask, x, fill), target))
    y = torch.stack(outputs).double()  # (m, n)
    nearness = torch.exp(-(((1 - on.mean(dim=1)) / width) ** 2)).double()[:, None]
    design = torch.cat([on, on.new_ones(len(on), 1)], dim=1).double()
    normal = design.T @ (nearness * design)
    keep = penalty * torch.eye(len(normal), dtype=torch.float64, device=x.device)
    keep[-1, -1] = 0  # the constant is not held back
    found = torch.linalg.solve(normal + keep, design.T @ (nearness * y))  # (k + 1, n)
    maps: torch.Tensor = found[:-1].T[:, segments].to(x.dtype)
    return maps
