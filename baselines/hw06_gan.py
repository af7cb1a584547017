"""HW6 in four levels: few steps of a DCGAN, a trained one, a gradient penalty, and averaged weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from baselines.common import Progress, Run, main, size_of
from tasks.base import UserError
from tasks.formats import ImagesFormat
from tasks.hw06_gan.world import archive

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

FILES = ("manifest.json",)
SUFFIX = ".tgz"
THREADS = 1
SIDE = 64
PROBES = 256  # images of the proxy that is logged


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's DCGAN, narrower, so that it trains on one core."""

    penalty: float = 0.0  # for steep scores at real images, R1 of Mescheder et al., arXiv 1801.04406; 0: none
    every: int = 8  # steps of which one has the penalty, times as much: Karras et al., arXiv 1912.04958
    augment: tuple[str, ...] = ()  # of colour, translation, cutout: Zhao et al., arXiv 2006.10738; for few images
    average: float = 0.0  # of the generator's weights, the decay of a step; 0: none
    noise: int = 100  # numbers that an image is made from
    width: int = 16  # channels of the layer next to the image, doubled at every halving of the side; the course: 64
    batch: int = 32  # the course: 64
    epochs: int = 3
    lr: float = 2e-4  # of the generator
    lr_discriminator: float = 2e-4
    slow: bool = False  # the rates fall to 0 in the second half, so that the last weights are not those of a swing
    beta: float = 0.5  # decay of Adam's mean gradient


LEVELS = {
    "simple": Config(),
    "medium": Config(epochs=14),
    "strong": Config(penalty=0.5, batch=16, epochs=18, slow=True),
    "boss": Config(penalty=0.5, batch=16, epochs=26, slow=True, average=0.99),
}
FULL = {"simple": 1, "medium": 10, "strong": 20, "boss": 60}
"""Epochs on the course's 71,314 images, with its width and batch."""


def settings(level: str, public: Path) -> Config:
    """The settings of a level: wider and with other epochs except for the small built-in data."""
    if size_of(public) == "small":
        return LEVELS[level]
    return replace(LEVELS[level], width=64, batch=64, epochs=FULL[level])


# Data


def read(public: Path) -> NDArray[np.uint8]:
    """The faces (n, 64, 64, 3) in the order of their numbers. Raises UserError where there are none."""
    import numpy as np
    from PIL import Image

    paths = sorted((public / "faces").glob("*.jpg"), key=lambda path: (len(path.name), path.name))
    if not paths:
        raise UserError(f"{public / 'faces'}: expected the training images 0.jpg, 1.jpg, …; found none.")
    images = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    for place, path in enumerate(paths):
        with Image.open(path) as image:
            images[place] = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return images


# Models


def generator_network(config: Config) -> torch.nn.Sequential:
    """Noise (n, noise) to images (n, 3, 64, 64) in -1..1: Radford et al., arXiv 1511.06434."""
    from torch import nn

    def normed(channels: int) -> nn.Module:
        # By the statistics of the batch, in use too: running ones would not be those of averaged weights.
        return nn.BatchNorm2d(channels, track_running_stats=False)

    sizes = [8 * config.width, 4 * config.width, 2 * config.width, config.width]
    layers: list[nn.Module] = [nn.Unflatten(1, (config.noise, 1, 1))]
    layers += [nn.ConvTranspose2d(config.noise, sizes[0], 4, bias=False), normed(sizes[0]), nn.ReLU()]
    for before, after in pairwise(sizes):
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), normed(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(sizes[-1], 3, 4, 2, 1), nn.Tanh())


def discriminator_network(config: Config) -> torch.nn.Sequential:
    """Images (n, 3, 64, 64) to a score (n, 1), high for real ones."""
    from torch import nn

    sizes = [config.width, 2 * config.width, 4 * config.width, 8 * config.width]
    layers: list[nn.Module] = [nn.Conv2d(3, sizes[0], 4, 2, 1), nn.LeakyReLU(0.2)]
    for before, after in pairwise(sizes):
        layers += [nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(sizes[-1], 1, 4), nn.Flatten())


def new_networks(config: Config, seed: int) -> tuple[torch.nn.Sequential, torch.nn.Sequential]:
    """Generator and discriminator, their weights drawn by the seed as DCGAN does, on the CPU."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = generator_network(config), discriminator_network(config)
        for network in networks:
            for name, weight in network.named_parameters():
                if weight.ndim == 4:
                    torch.nn.init.normal_(weight, 0.0, 0.02)
                elif weight.ndim == 1 and name.endswith("bias"):
                    torch.nn.init.zeros_(weight)
    return networks


# Augmentation that gradients pass through


def augment(images: torch.Tensor, kinds: tuple[str, ...], rng: torch.Generator) -> torch.Tensor:
    """Images (n, 3, s, s) in -1..1, each changed at random; real and generated ones go through the same changes.

    colour: brightness, saturation and contrast; translation: by up to an eighth, 0 beyond the border; cutout: a square
    of half the side is 0.
    """
    import torch

    n, _, side, _ = images.shape
    chance = torch.rand((7, n, 1, 1, 1), generator=rng, device=images.device)
    place = torch.arange(side, device=images.device)
    if "colour" in kinds:
        images = images + chance[0] - 0.5
        grey = images.mean(dim=1, keepdim=True)
        images = grey + (images - grey) * (2 * chance[1])
        grey = images.mean(dim=(1, 2, 3), keepdim=True)
        images = grey + (images - grey) * (0.5 + chance[2])
    if "translation" in kinds:  # a product with shifted unit matrices: exact, and its gradient is one too
        shift = ((2 * chance[3:5] - 1) * (side // 8)).round().long()
        down, right = (place[:, None] + move == place for move in shift)
        images = down.to(images.dtype) @ images @ right.transpose(-1, -2).to(images.dtype)
    if "cutout" in kinds:
        middle = (chance[5:7] * side).floor().long()
        row, column = ((place - spot).abs() < side // 4 for spot in middle)
        images = images * ~(row.transpose(-1, -2) & column)
    return images


# Training


def losses(scores: torch.Tensor, real: bool) -> torch.Tensor:
    """The cross entropy of scores (n, 1) of images that are all real, or all generated."""
    import torch

    return torch.nn.functional.softplus(-scores if real else scores).mean()


def steepness(scores: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """The mean squared norm of the gradient of the scores by each image; it is differentiable itself."""
    import torch

    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean()


def pooled(images: torch.Tensor) -> torch.Tensor:
    """The means of 8 × 8 fields (n, 192), float64 on the CPU."""
    import torch

    return torch.nn.functional.avg_pool2d(images.float(), 8).flatten(1).double().cpu()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """The Fréchet distance of two samples (n, d), by the singular values of the product of their centred roots."""
    import torch

    centred = [(x - x.mean(dim=0)) / (len(x) - 1) ** 0.5 for x in (one, other)]
    common = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    spread = sum(x.square().sum() for x in centred)
    return float((one.mean(dim=0) - other.mean(dim=0)).square().sum() + spread - 2 * common)


def train(config: Config, public: Path, run: Run, progress: Progress) -> None:
    """Train the two networks against each other and write an archive of generated images."""
    import numpy as np
    import torch

    form = ImagesFormat.from_json(json.loads((public / "format.json").read_text(encoding="utf-8")))
    device, bf16 = torch.device(run.device), run.device == "cuda"
    networks = new_networks(config, run.seed)
    generator, discriminator = (n.to(device, memory_format=torch.channels_last) for n in networks)  # type: ignore[call-overload]
    mean = new_networks(config, run.seed)[0].to(device).requires_grad_(False)  # of the generator's weights, if averaged
    rng = torch.Generator(device).manual_seed(run.seed)
    optimisers = [
        torch.optim.Adam(network.parameters(), lr=lr, betas=(config.beta, 0.999), fused=True)
        for network, lr in ((generator, config.lr), (discriminator, config.lr_discriminator))
    ]
    data = torch.from_numpy(read(public)).to(device).permute(0, 3, 1, 2)
    probe = torch.randn((PROBES, config.noise), generator=rng, device=device)
    real_probe = pooled(data[:PROBES] / 127.5 - 1)

    def images_of(noise: torch.Tensor) -> torch.Tensor:
        """Generated images (n, 3, 64, 64) in -1..1, of the averaged weights where there are any."""
        network = mean if config.average else generator
        with torch.no_grad():
            return torch.cat([network(part).float() for part in torch.split(noise, 250)])

    done = 0
    saved = run.load()
    if saved is not None:
        done = saved["epoch"]
        for network, state in zip((generator, discriminator, mean), saved["networks"], strict=True):
            network.load_state_dict(state)
        for optimiser, state in zip(optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(state)
        rng.set_state(saved["rng"])

    for epoch in range(done, config.epochs):
        for optimiser, lr in zip(optimisers, (config.lr, config.lr_discriminator), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = lr * (min(1.0, 2 - 2 * epoch / config.epochs) if config.slow else 1.0)
        sums = torch.zeros(2, device=device)
        order = torch.randperm(len(data), generator=rng, device=device)
        steps = max(1, len(data) // config.batch)
        for step, rows in enumerate(torch.split(order[: steps * config.batch], config.batch)):
            penalised = config.penalty > 0 and step % config.every == 0
            real = data[rows].to(torch.float32, memory_format=torch.channels_last) / 127.5 - 1
            real.requires_grad_(penalised)
            noise = torch.randn((len(rows), config.noise), generator=rng, device=device)
            with torch.autocast(run.device, torch.bfloat16, enabled=bf16):
                fake = generator(noise)

            def scores(images: torch.Tensor) -> torch.Tensor:
                if config.augment:
                    images = augment(images.float(), config.augment, rng)
                with torch.autocast(run.device, torch.bfloat16, enabled=bf16):
                    out: torch.Tensor = discriminator(images)
                return out.float()

            discriminator.requires_grad_(True)
            given = scores(real)
            bad = losses(given, True) + losses(scores(fake.detach()), False)
            steep = config.every * config.penalty / 2 * steepness(given, real) if penalised else 0.0
            torch.autograd.backward(bad + steep)
            optimisers[1].step()
            optimisers[1].zero_grad()

            discriminator.requires_grad_(False)
            judged = scores(fake)
            torch.autograd.backward(losses(judged, True))
            optimisers[0].step()
            optimisers[0].zero_grad()
            if config.average:
                with torch.no_grad():
                    for kept, new in zip(mean.parameters(), generator.parameters(), strict=True):
                        kept.lerp_(new, 1 - config.average)
            sums += torch.stack([bad.detach(), judged.detach().sigmoid().mean()])

        loss, fooled = (sums / steps).tolist()
        metrics = {
            "discriminator_loss": loss,
            "fooled": fooled,
            "pixel_distance": distance(pooled(images_of(probe)), real_probe),
        }
        run.log(epoch + 1, metrics)
        run.save(
            {
                "epoch": epoch + 1,
                "networks": [network.state_dict() for network in (generator, discriminator, mean)],
                "optimisers": [optimiser.state_dict() for optimiser in optimisers],
                "rng": rng.get_state(),
            }
        )
        progress(epoch + 1, config.epochs, metrics)

    made = images_of(torch.randn((form.count, config.noise), generator=rng, device=device))
    pixels = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    run.finish(archive(np.ascontiguousarray(pixels), form.max_bytes))


if __name__ == "__main__":
    raise SystemExit(main("hw06"))
