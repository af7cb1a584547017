"""HW6 in four levels: few steps of a DCGAN, a trained one, a gradient penalty, and averaged weights.

FID on the small built-in world, public and private, mean ± standard deviation, share of images with a face, and seconds
of a core that others share (torch 2.13, 29 November 2026, `python tests/bench/ladder.py hw6 --seeds 300-302`):

    simple   58.8816 ± 0.9454   60.2161 ± 0.4563  0.017    28 s
    medium   47.7979 ± 1.2856   47.6808 ± 0.2690  0.365    80 s
    strong   15.7454 ± 1.0589   15.0522 ± 0.7856  0.931   119 s
    boss     10.2008 ± 0.9123   10.1476 ± 1.2618  0.967   175 s
"""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import update_bn

from baselines.common import main, size_of
from baselines.run import Run
from tasks.base import UserError
from tasks.formats import Format, ImagesFormat, format_from_json
from tasks.hw06_gan.world import archive

FILES = ("manifest.json",)
THREADS, AUTO = 1, "cuda"
SIDE = 64
PROBES = 256  # images of the proxy that is logged
STATISTICS = 2000  # images whose statistics the generator keeps


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's DCGAN, narrower, so that it trains on one core."""

    r1_gamma: float = 0.0  # weight of `r1_penalty`; 0: none
    r1_every: int = 8  # steps of which one has the penalty, times as much: Karras et al., arXiv 1912.04958
    ema: float = 0.0  # decay of the moving average of the generator's weights, which then makes the images; 0: none
    noise: int = 100  # numbers that an image is made from
    width: int = 16  # channels of the layer next to the image, doubled at every halving of the side; the course: 64
    batch: int = 32  # the course: 64
    epochs: int = 3
    lr: float = 2e-4  # of the generator
    lr_discriminator: float = 2e-4
    lr_decay: bool = False  # to 0 over the second half, so that the last weights are not those of a swing
    beta1: float = 0.5  # of Adam


LEVELS = {
    "simple": Config(batch=16, epochs=4),  # 500 steps: after 190 some seeds show no face
    "medium": Config(epochs=14),
    "strong": Config(r1_gamma=0.5, batch=16, epochs=18, lr_decay=True),
    "boss": Config(r1_gamma=0.5, batch=16, epochs=26, lr_decay=True, ema=0.99),
}
FULL = {"simple": 1, "medium": 10, "strong": 20, "boss": 60}
"""Epochs on the course's 71,314 images, with its width and batch."""


def settings(level: str, public: Path) -> Config:
    """The settings of a level: wider and with other epochs except for the small built-in data."""
    if size_of(public) == "small":
        return LEVELS[level]
    return replace(LEVELS[level], width=64, batch=64, epochs=FULL[level])


def read_format(public: Path) -> Format:
    """What is handed in: images, or the generator itself in the edition builtin-model."""
    return format_from_json(json.loads((public / "format.json").read_text(encoding="utf-8")))


def suffix(public: Path) -> str:
    return read_format(public).suffix


def read(public: Path) -> NDArray[np.uint8]:
    """The faces (n, 64, 64, 3) in the order of their numbers. Raises UserError where there are none."""
    from PIL import Image

    paths = sorted((public / "faces").glob("*.jpg"), key=lambda path: (len(path.name), path.name))
    if not paths:
        raise UserError(f"{public / 'faces'}: expected the training images 0.jpg, 1.jpg, …; found none.")
    images = np.empty((len(paths), SIDE, SIDE, 3), np.uint8)
    for place, path in enumerate(paths):
        with Image.open(path) as image:
            images[place] = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return images


class Generator(nn.Module):
    """Noise (n, noise) to images (n, 3, 64, 64) in -1..1: Radford et al., arXiv 1511.06434."""

    def __init__(self, noise: int, width: int) -> None:
        super().__init__()
        sizes = [8 * width, 4 * width, 2 * width, width]
        layers = self.up(noise, sizes[0], 1, 0)  # 4 × 4
        for before, after in pairwise(sizes):
            layers += self.up(before, after, 2, 1)  # 8, 16, 32
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh())  # 64 × 64

    @staticmethod
    def up(before: int, after: int, stride: int, padding: int) -> list[nn.Module]:
        layer = nn.ConvTranspose2d(before, after, 4, stride, padding, bias=False)
        return [layer, nn.BatchNorm2d(after), nn.ReLU()]

    def forward(self, noise: Tensor) -> Tensor:
        out: Tensor = self.layers(noise[:, :, None, None])
        return out


class Discriminator(nn.Module):
    """Images (n, 3, 64, 64) to a score (n, 1), high for real ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [width, 2 * width, 4 * width, 8 * width]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]  # 32 × 32
        for before, after in pairwise(sizes):
            layers += [nn.Conv2d(before, after, 4, 2, 1), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]  # 16, 8, 4
        self.layers = nn.Sequential(*layers, nn.Conv2d(sizes[-1], 1, 4), nn.Flatten())

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.layers(images)
        return out


def new_networks(config: Config, seed: int) -> tuple[Generator, Discriminator]:
    """Generator and discriminator, their weights drawn by the seed as DCGAN does, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = Generator(config.noise, config.width), Discriminator(config.width)
        for network in networks:
            for name, weight in network.named_parameters():
                if weight.ndim == 4:
                    nn.init.normal_(weight, 0.0, 0.02)
                elif weight.ndim == 1 and name.endswith("bias"):
                    nn.init.zeros_(weight)
    return networks


# Techniques


def adversarial_loss(scores: Tensor, real: bool) -> Tensor:
    """The cross entropy of scores (n, 1) of images that are all real, or all generated."""
    return F.softplus(-scores if real else scores).mean()


def r1_penalty(scores: Tensor, images: Tensor) -> Tensor:
    """Half the mean squared norm of the gradient of the scores by each real image: Mescheder et al., arXiv 1801.04406.

    It is differentiable itself.
    """
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2


@torch.no_grad()
def update_ema(mean: nn.Module, network: nn.Module, decay: float) -> None:
    """Move averaged weights towards those of the network: Yazıcı et al., arXiv 1806.04498."""
    for kept, new in zip(mean.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


# Training


def pooled(images: Tensor) -> Tensor:
    """The means of 8 × 8 fields (n, 192), float64 on the CPU."""
    return F.avg_pool2d(images.float(), 8).flatten(1).double().cpu()


def frechet(one: Tensor, other: Tensor) -> float:
    """The Fréchet distance of two samples (n, d), by the singular values of the product of their centred roots."""
    centred = [(x - x.mean(dim=0)) / (len(x) - 1) ** 0.5 for x in (one, other)]
    common = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    spread = sum(x.square().sum() for x in centred)
    return float((one.mean(dim=0) - other.mean(dim=0)).square().sum() + spread - 2 * common)


@torch.no_grad()
def generated(generator: Generator, noise: Tensor) -> Tensor:
    """Images (n, 3, 64, 64) in -1..1."""
    return torch.cat([generator(part).float() for part in torch.split(noise, 250)])


@torch.no_grad()
def fix_statistics(generator: Generator, noise: Tensor) -> None:
    """Normalise every image alike, by the statistics of many: Wu and Johnson, Rethinking "Batch", arXiv 2105.07576.

    The running ones of the training are those of other weights, and averaged weights have none.
    """
    update_bn(torch.split(noise, 250), generator)
    generator.eval()


def exported(generator: Generator, noise: Tensor) -> bytes:
    """The generator as an ONNX graph."""
    file, axes = io.BytesIO(), {"noise": {0: "n"}, "image": {0: "n"}}
    with warnings.catch_warnings(action="ignore"):  # the newer exporter needs another package
        torch.onnx.export(
            generator.cpu(),
            (noise,),
            file,  # type: ignore[arg-type]
            input_names=["noise"],
            output_names=["image"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    return file.getvalue()


def archived(images: Tensor, max_bytes: int) -> bytes:
    """An archive of images (n, 3, 64, 64) in -1..1."""
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return archive(np.ascontiguousarray(pixels), max_bytes)


def train(config: Config, public: Path, run: Run) -> None:
    """Train the two networks against each other and write generated images, or the generator."""
    form = read_format(public)
    device = torch.device(run.device)
    autocast = torch.autocast(run.device, torch.bfloat16, enabled=run.device == "cuda")
    networks = new_networks(config, run.seed)
    generator, discriminator = (n.to(device, memory_format=torch.channels_last) for n in networks)  # type: ignore[call-overload]
    mean = new_networks(config, run.seed)[0].to(device).requires_grad_(False)  # of the generator's weights
    rng = torch.Generator(device).manual_seed(run.seed)
    rates = (config.lr, config.lr_discriminator)
    optimisers = [
        torch.optim.Adam(network.parameters(), lr=lr, betas=(config.beta1, 0.999), fused=True)
        for network, lr in zip((generator, discriminator), rates, strict=True)
    ]
    data = torch.from_numpy(read(public)).to(device).permute(0, 3, 1, 2)  # (n, 3, 64, 64), channels last
    probe = torch.randn((PROBES, config.noise), generator=rng, device=device)
    real_probe = pooled(data[:PROBES] / 127.5 - 1)
    maker = mean if config.ema else generator  # of the images that are logged and handed in
    run.compiled(generator)
    run.compiled(discriminator)

    def score(images: Tensor) -> Tensor:
        """The discriminator's scores (n, 1)."""
        with autocast:
            out: Tensor = discriminator(images)
        return out.float()

    parts = {"networks": [generator, discriminator, mean], "optimisers": optimisers, "rng": rng}
    for epoch in run.epochs(config.epochs, parts):
        for optimiser, lr in zip(optimisers, rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = lr * (min(1.0, 2 - 2 * epoch / config.epochs) if config.lr_decay else 1.0)
        sums = torch.zeros(2, device=device)
        steps = max(1, len(data) // config.batch)  # only whole batches: the shapes stay the same
        order = torch.randperm(len(data), generator=rng, device=device)[: steps * config.batch]
        for step, rows in enumerate(torch.split(order, config.batch)):
            penalised = config.r1_gamma > 0 and step % config.r1_every == 0
            real = data[rows].to(torch.float32, memory_format=torch.channels_last) / 127.5 - 1
            real.requires_grad_(penalised)
            noise = torch.randn((len(rows), config.noise), generator=rng, device=device)
            with autocast:
                fake = generator(noise)

            discriminator.requires_grad_(True)
            real_scores = score(real)
            loss = adversarial_loss(real_scores, True) + adversarial_loss(score(fake.detach()), False)
            penalty = config.r1_every * config.r1_gamma * r1_penalty(real_scores, real) if penalised else 0.0
            torch.autograd.backward(loss + penalty)
            optimisers[1].step()
            optimisers[1].zero_grad()

            discriminator.requires_grad_(False)
            fake_scores = score(fake)
            torch.autograd.backward(adversarial_loss(fake_scores, True))
            optimisers[0].step()
            optimisers[0].zero_grad()
            if config.ema:
                update_ema(mean, generator, config.ema)
            sums += torch.stack([loss.detach(), fake_scores.detach().sigmoid().mean()])

        both, fooled = (sums / steps).tolist()
        distance = frechet(pooled(generated(maker, probe)), real_probe)
        run.log({"discriminator_loss": both, "fooled": fooled, "pixel_distance": distance})

    fix_statistics(maker, torch.randn((STATISTICS, config.noise), generator=rng, device=device))
    if isinstance(form, ImagesFormat):
        noise = torch.randn((form.count, config.noise), generator=rng, device=device)
        run.finish(archived(generated(maker, noise), form.max_bytes))
    else:
        run.finish(exported(maker, torch.randn((2, config.noise))))


if __name__ == "__main__":
    raise SystemExit(main("hw06"))
