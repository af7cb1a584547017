"""HW8 in four levels: a dense autoencoder, convolutional ones, a whitened distance, and a self-supervised classifier.

ROC AUC on the small built-in world, public and private, mean ± standard deviation over the seeds 300-302:

    simple  0.538 ± 0.032  0.544 ± 0.014   35 s
    medium  0.576 ± 0.020  0.574 ± 0.022   99 s
    strong  0.696 ± 0.006  0.709 ± 0.010    9 s
    boss    0.814 ± 0.022  0.812 ± 0.018  175 s

Seconds of an Intel Xeon core, torch 2.13, 29 November 2026; `python tests/bench/ladder.py hw8 --seeds 300-302`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from baselines.common import main, rate, table
from baselines.pictures import oriented_gradients
from baselines.run import Run
from tasks.base import UserError

FOLDERS = {"data-bin": ("Id", "Predicted"), "data": ("ID", "score")}  # the year's folder and header
FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"
SIDE = 64
FITTED = 20_000  # training images, at most, whose features the distance is fitted to


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's fully connected autoencoder."""

    dense: tuple[int, ...] = (128, 64, 12, 3)  # units of the dense autoencoder down to its code; empty for none
    kernels: tuple[int, ...] = ()  # one convolutional autoencoder for each: the width of its first kernel
    width: int = 12  # their channels after the first convolution; then twice, four times, four times as many
    code: int = 64  # size of their codes
    flip: bool = False  # whether training images are mirrored at random
    distance: float = 0.0  # weight of the whitened distance in the score
    classifier: int = 0  # channels of the first layer of the classifier of changed images; 0 for none
    epochs: int = 15
    batch: int = 64
    lr: float = 1e-3  # the largest one of Adam
    weight_decay: float = 0.0
    warmup: int = 0  # epochs; then cosine, else constant


LEVELS = {
    "simple": Config(),
    "medium": Config(dense=(), kernels=(3, 7), flip=True, epochs=10, batch=32, lr=2e-3, warmup=1),
    "strong": Config(dense=(), distance=1.0, epochs=0),
    "boss": Config(
        dense=(), distance=0.3, classifier=16, flip=True, epochs=14, batch=32, lr=3e-3, weight_decay=1e-2, warmup=1
    ),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level; with more than 20,000 training images the batches are eight times as large."""
    images = np.load(public / folder_of(public) / "trainingset.npy", mmap_mode="r", allow_pickle=False)
    config = LEVELS[level]
    return replace(config, batch=8 * config.batch) if len(images) > 20_000 else config


# Data


def folder_of(public: Path) -> str:
    """The folder of the arrays, which depends on the year. Raises UserError where there is none."""
    for name in FOLDERS:
        if (public / name / "trainingset.npy").is_file():
            return name
    raise UserError(f"{public}: expected trainingset.npy in one of the folders {', '.join(FOLDERS)}; found none.")


def load(path: Path, device: str) -> torch.Tensor:
    """The images of a file as uint8 (n, 3, 64, 64), on the device, in channels-last memory layout."""
    return torch.from_numpy(np.load(path, allow_pickle=False)).to(device).permute(0, 3, 1, 2)


def scaled(images: torch.Tensor) -> torch.Tensor:
    """Pixels from 0 to 255 as -1 to 1."""
    return images.float() / 127.5 - 1


# A distance from what is normal


def seen(images: torch.Tensor) -> torch.Tensor:
    """What the distance sees of images in -1 to 1: gradients, and the mean colours of 16 x 16 squares, (n, 2532)."""
    return torch.cat([oriented_gradients(images), F.avg_pool2d(images, 4).flatten(1)], dim=1)


def mahalanobis(train: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Distances (n,) of features (n, d) from one Gaussian, fitted to those of training images (Mahalanobis 1936).

    The covariance is shrunk as by Ledoit and Wolf (2004).
    """
    mean, spread = train.mean(0), train.std(0, correction=0).clamp(min=1e-4)
    train, x = (train - mean) / spread, (x - mean) / spread
    covariance, even = train.T @ train / len(train), torch.eye(train.shape[1], device=x.device)
    even = even * covariance.diagonal().mean()
    noise = (train.square().sum(1).square().mean() - covariance.square().sum()) / len(train)
    shrinkage = (noise / (covariance - even).square().sum()).clamp(0, 1)
    precision = torch.linalg.inv(torch.lerp(covariance, even, shrinkage).double()).float()
    return torch.sum(x @ precision * x, dim=1).clamp(min=0).sqrt()


# Anomalies of one's own


def cut_paste(images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Images with one or two pieces changed, and where, (n, 1, 64, 64) from 0 to 1 (CutPaste, Li et al. 2021).

    Soft edges tell nothing (as in NSA, Schlüter et al. 2022). In a piece is the same place of another image, or the
    image itself mirrored, upside down, turned by half, larger or smaller, shifted, in other colours, or smoothed.
    """

    def rand(low: float, high: float, channels: int = 1) -> torch.Tensor:
        out = torch.rand(len(images), channels, 1, 1, generator=generator, device=images.device)
        return out * (high - low) + low

    x = torch.linspace(-1, 1, SIDE, device=images.device).expand(SIDE, SIDE)
    y = x.T
    smooth = F.interpolate(F.avg_pool2d(images, 16), size=SIDE, mode="bilinear")
    changed = torch.zeros_like(images[:, :1])
    for number in range(2):
        kind, side = rand(0, 8).long(), torch.where(rand(0, 1) < 0.5, -1.0, 1.0)
        half = (rand(0, 1) < 0.25) & (kind < 2)  # a half of the image in place of a piece
        cx, cy = torch.where(half, rand(-0.15, 0.15), rand(-0.6, 0.6)), rand(-0.7, 0.8)
        a, b = rand(0.1, 0.45), rand(0.08, 0.4)
        square = torch.maximum((x - cx).abs() - a, (y - cy).abs() - b)
        disc = (torch.hypot((x - cx) / a, (y - cy) / b) - 1) * torch.minimum(a, b)
        beyond = torch.where(half, (cx - x) * side, torch.where(rand(0, 1) < 0.5, square, disc))  # the piece's edge
        mask = (0.5 - beyond / rand(0.03, 0.15)).clamp(0, 1) * (rand(0, 1) < (0.4 if number else 1.0))
        zoom = torch.where(kind == 4, 2 ** (rand(0.4, 0.9) * side), 1.0)
        across, down = (zoom * torch.where((kind == one) | (kind == 3), -1.0, 1.0) for one in (1, 2))
        left, up = (rand(-0.35, 0.35) * (kind == 5) for _ in range(2))
        places = torch.stack([cx + (x - cx) * across + left, cy + (y - cy) * down + up], dim=4)[:, 0]
        source = torch.where(kind == 0, images.roll(1 + number, 0), images)
        piece = F.grid_sample(source, places, padding_mode="reflection", align_corners=True)
        tinted = (piece * rand(0.6, 1.2) + rand(-0.5, 0.5, 3)).clamp(-1, 1)
        new = torch.lerp(images, torch.where(kind == 6, tinted, torch.where(kind == 7, smooth, piece)), mask)
        changed = torch.maximum(changed, mask * ((new - images).abs().amax(1, keepdim=True) > 0.05))
        images = new
    return images, changed


# Networks


def block(inside: int, outside: int, kernel: int = 3, stride: int = 2) -> list[nn.Module]:
    """A convolution that divides the sides by `stride`; -2 doubles them."""
    layer: nn.Module = nn.Conv2d(inside, outside, kernel, abs(stride), kernel // 2, bias=False)
    if stride < 0:
        layer = nn.ConvTranspose2d(inside, outside, 4, -stride, 1, bias=False)
    return [layer, nn.BatchNorm2d(outside), nn.ReLU()]


def dense(units: tuple[int, ...]) -> nn.Sequential:
    """A fully connected autoencoder."""
    sizes = [3 * SIDE * SIDE, *units, *units[-2::-1], 3 * SIDE * SIDE]
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *layers[:-1], nn.Tanh(), nn.Unflatten(1, (3, SIDE, SIDE)))


def convolutional(w: int, kernel: int, code: int) -> nn.Sequential:
    """A convolutional autoencoder: 64 x 64 pixels to a code by four halvings, and back."""
    return nn.Sequential(
        *block(3, w, kernel),
        *block(w, 2 * w),
        *block(2 * w, 4 * w),
        *block(4 * w, 4 * w),
        nn.Flatten(),
        nn.Linear(64 * w, code),
        nn.Linear(code, 64 * w),
        nn.ReLU(),
        nn.Unflatten(1, (4 * w, 4, 4)),
        *block(4 * w, 4 * w, stride=-2),
        *block(4 * w, 2 * w, stride=-2),
        *block(2 * w, w, stride=-2),
        nn.ConvTranspose2d(w, 3, 4, 2, 1),
        nn.Tanh(),
    )


class Classifier(nn.Module):
    """Says of an image whether it was changed, and of each of its 16 x 16 squares."""

    def __init__(self, w: int) -> None:
        super().__init__()
        self.local = nn.Sequential(*block(3, w), *block(w, w, 3, 1), *block(w, 2 * w), *block(2 * w, 2 * w, 3, 1))
        self.whole = nn.Sequential(*block(2 * w, 4 * w), *block(4 * w, 4 * w, 3, 1), *block(4 * w, 4 * w))
        self.image = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(64 * w, 64), nn.ReLU(), nn.Linear(64, 1))
        self.context = nn.Conv2d(4 * w, 2 * w, 1)
        self.squares = nn.Sequential(nn.ReLU(), nn.Conv2d(2 * w, 1, 3, 1, 1))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n,) and (n, 1, 16, 16) of images in -1 to 1."""
        local = self.local(images)  # (n, 2 w, 16, 16)
        whole = self.whole(local)  # (n, 4 w, 4, 4)
        both = local + F.interpolate(self.context(whole), size=local.shape[2:], mode="bilinear")
        return self.image(whole)[:, 0], self.squares(both)

    def strangeness(self, images: torch.Tensor) -> torch.Tensor:
        """The logit of the image and the mean of its ten largest squares, with those of the mirror image, (n, 2)."""
        views = (self(images), self(images.flip(3)))
        parts = [torch.stack([image, squares.flatten(1).topk(10).values.mean(1)], 1) for image, squares in views]
        return parts[0] + parts[1]


class Networks(nn.Module):
    """The autoencoders and the classifier of a level, as far as it has them."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        some = [dense(config.dense)] if config.dense else []
        self.autoencoders = nn.ModuleList(some + [convolutional(config.width, k, config.code) for k in config.kernels])
        self.classifier = Classifier(config.classifier) if config.classifier else None

    def losses(self, x: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The losses on normal images in -1 to 1, by name."""
        out = {}
        if len(self.autoencoders):
            out["rebuilding_mse"] = torch.stack([F.mse_loss(net(x).float(), x) for net in self.autoencoders]).sum()
        if self.classifier is not None:
            wrong, where = cut_paste(x, generator)
            images = torch.cat([x, wrong]).contiguous(memory_format=torch.channels_last)
            image, squares = (logits.float() for logits in self.classifier(images))
            wanted = F.adaptive_max_pool2d(torch.cat([torch.zeros_like(where), where]), 16)
            out["image_loss"] = F.binary_cross_entropy_with_logits(image, wanted.amax((1, 2, 3)).gt(0.5).float())
            out["squares_loss"] = F.binary_cross_entropy_with_logits(squares, wanted)
        return out


def train(config: Config, public: Path, run: Run) -> None:
    """Train the networks of a level for all its epochs and write the scores of the test images."""
    device, folder = run.device, folder_of(public)
    images = load(public / folder / "trainingset.npy", device)
    if len(images) < 2:
        raise UserError(f"{public / folder / 'trainingset.npy'}: expected at least two images; found {len(images)}.")
    torch.manual_seed(run.seed)  # the first weights
    generator = torch.Generator(device).manual_seed(run.seed)
    networks = Networks(config).to(device)
    weights = list(networks.parameters())
    optimiser = torch.optim.AdamW(weights or [torch.zeros(1)], lr=config.lr, weight_decay=config.weight_decay)
    batch = min(config.batch, len(images))
    steps = len(images) // batch
    total = config.epochs if weights else 0  # the distance alone has nothing to train
    for epoch in run.epochs(total, {"networks": networks, "optimiser": optimiser, "rng": generator}):
        networks.train()
        schedule = "cosine" if config.warmup else "constant"
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate(schedule, epoch, config.epochs, config.warmup)
        sums: dict[str, torch.Tensor] = {}
        order = torch.randperm(len(images), generator=generator, device=device)
        for chosen in torch.split(order, batch)[:steps]:
            x = scaled(images[chosen])
            if config.flip:
                turned = torch.rand(batch, 1, 1, 1, generator=generator, device=device) < 0.5
                x = torch.where(turned, x.flip(3), x)
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                losses = networks.losses(x, generator)
            optimiser.zero_grad()
            torch.autograd.backward(list(losses.values()))
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            sums = {name: sums.get(name, 0.0) + loss.detach() for name, loss in losses.items()}
        run.log({name: float(value) / steps for name, value in sums.items()})

    values = scores(config, networks, images, load(public / folder / "testingset.npy", device)).tolist()
    run.finish(table(FOLDERS[folder], [str(i) for i in range(len(values))], [f"{value:.7g}" for value in values]))


@torch.no_grad()
def scores(config: Config, networks: Networks, train: torch.Tensor, test: torch.Tensor) -> torch.Tensor:
    """The score of each test image (n,), higher for stranger ones: the parts' sum; the images are uint8."""
    networks.eval()

    def pieces(images: torch.Tensor) -> Iterator[torch.Tensor]:
        return (scaled(piece) for piece in torch.split(images, 250))

    parts = [
        torch.cat([(net(x) - x).square().sum((1, 2, 3)).sqrt() for x in pieces(test)]) for net in networks.autoencoders
    ]
    if config.distance:
        distance = mahalanobis(*(torch.cat([seen(x) for x in pieces(some)]) for some in (train[:FITTED], test)))
        parts.append(config.distance * distance / distance.std())
    if networks.classifier is not None:
        both = torch.cat([networks.classifier.strangeness(x) for x in pieces(test)])
        parts.append((both / both.std(0)).sum(1))
    return torch.stack(parts).sum(0)


if __name__ == "__main__":
    raise SystemExit(main("hw08"))
