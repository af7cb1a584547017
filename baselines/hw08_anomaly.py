"""HW8 in four levels: a dense autoencoder, a convolutional one, several encoders, and a classifier against noise.

Of the several encoders of strong and boss one is linear (principal components), the others are convolutional, with
small and with wide kernels and batch normalisation. The score of an image is the root of its summed squared
reconstruction errors (as in the course); in boss it is the output of a classifier that sees the image and its
reconstruction error, and that is trained to separate faces from the same faces with noise, strange pieces or holes.

ROC AUC on the small built-in world, public and private, mean ± standard deviation over the seeds 100-102:

    simple  0.626 ± 0.005  0.621 ± 0.015   20 s
    medium  0.668 ± 0.005  0.660 ± 0.012   41 s
    strong  0.776 ± 0.008  0.774 ± 0.005   54 s
    boss    0.947 ± 0.008  0.944 ± 0.006  168 s

Seconds of one AMD EPYC core, torch 2.13, 21 November 2026; `python tests/bench/ladder.py hw8 --seeds 100-102`.

On the small world the gain of strong comes from the linear encoder: on seed 0 the AUC of 128 components alone is 0.788,
and so is that of strong after 6, 12 and 18 epochs; the convolutional encoders alone stay at 0.68 in 20 epochs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from baselines.common import main, rate, table
from baselines.run import Run
from tasks.base import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDERS = {"data-bin": ("Id", "Predicted"), "data": ("ID", "score")}  # the year's folder and header
FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"
SIDE = 64


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's fully connected autoencoder."""

    dense: tuple[int, ...] = (128, 64, 12, 3)  # units down to the code; empty for convolutions
    kernels: tuple[int, ...] = ()  # one convolutional encoder for each: the width of its first kernel
    width: int = 12  # channels after the first convolution; twice, four times, four times as many after the next
    principal: int = 0  # principal components of one more, fixed encoder; 0 for none
    code: int = 64  # size of the code of each convolutional encoder
    batch_norm: bool = False
    flip: bool = False  # whether training images are mirrored at random
    classifier: int = 0  # channels of the classifier's first layer; 0 for none
    epochs: int = 15
    batch: int = 64
    lr: float = 1e-3  # of Adam
    warmup: int = 0  # epochs; then cosine, else constant
    clip: float = 1.0  # the largest norm of the gradient


STRONG = Config(
    dense=(), kernels=(3, 7), principal=128, batch_norm=True, flip=True, epochs=10, batch=32, lr=2e-3, warmup=1
)
LEVELS = {
    "simple": Config(),
    "medium": Config(dense=(), kernels=(3,), batch=32),
    "strong": STRONG,
    "boss": replace(STRONG, classifier=12, epochs=14),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level; with more than 20,000 training images the batches are eight times as large."""
    import numpy as np

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
    import numpy as np

    images: NDArray[np.uint8] = np.load(path, allow_pickle=False)
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2)


def scaled(images: torch.Tensor) -> torch.Tensor:
    """Pixels from 0 to 255 as -1 to 1."""
    return images.float() / 127.5 - 1


def mirrored(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The images, half of them mirrored left to right."""
    turn = torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device) < 0.5
    return torch.where(turn, images.flip(3), images)


def perturbed(images: torch.Tensor, step: int, generator: torch.Generator) -> torch.Tensor:
    """Synthetic anomalies: each image with one or two rectangles of something else, or noise all over.

    The rectangles are noise, coarser or finer by the step, a piece of another image or of another place, the same piece
    upside down, or one colour; so the classifier learns how the parts of a face belong together.
    """
    device, n = images.device, len(images)

    def rand(*shape: int) -> torch.Tensor:
        return torch.rand(n, *shape, generator=generator, device=device)

    coarse = 2 ** (1 + step % 6)
    noise = torch.randn(n, 3, coarse, coarse, generator=generator, device=device) * rand(1, 1, 1) * 0.7
    noise = noise + (rand(3, 1, 1) * 2 - 1) * rand(1, 1, 1)
    noise = F.interpolate(noise, size=SIDE, mode="bilinear" if step % 2 else "nearest").clamp(-1, 1)
    kind = (rand(1, 1, 1) * 6).long()
    grid, every = torch.arange(SIDE, device=device), torch.arange(n, device=device)
    out = images
    for number in range(2):
        low, size = rand(2), 0.1 + 0.4 * rand(2)
        start = (low * (1 - size) * SIDE).long()
        end = start + (size * SIDE).long()
        inside = (grid >= start[:, :, None]) & (grid < end[:, :, None])  # (n, 2, 64)
        mask = inside[:, 0, None, :, None] & inside[:, 1, None, None, :]
        moved = ((grid + (rand(2, 1) * SIDE).long()) % SIDE).expand(n, 2, SIDE)
        turned = (start + end - 1)[:, :, None] - grid
        rows = torch.where(kind[:, 0, 0] == 4, turned[:, 0], moved[:, 0]) % SIDE
        columns = torch.where(kind[:, 0, 0] == 4, grid.expand(n, SIDE), moved[:, 1])
        source = torch.where(kind[:, 0, 0, 0] == 2, every.roll(1 + number), every)
        piece = images[source[:, None, None], :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        mean = (images * mask).sum((2, 3), keepdim=True) / mask.sum((2, 3), keepdim=True)
        piece = torch.where(kind == 1, noise, torch.where(kind == 5, mean, piece))
        there = mask if number == 0 else mask & (rand(1, 1, 1) < 0.5)
        out = torch.where(there, piece, out)
    return torch.where(kind == 0, noise, out)


# Models


def down(inside: int, outside: int, kernel: int, norm: bool) -> list[nn.Module]:
    """A convolution that halves the sides."""
    layer = nn.Conv2d(inside, outside, kernel, 2, kernel // 2, bias=not norm)
    return [layer, *([nn.BatchNorm2d(outside)] if norm else []), nn.ReLU()]


def up(inside: int, outside: int, norm: bool) -> list[nn.Module]:
    """A convolution that doubles the sides."""
    layer = nn.ConvTranspose2d(inside, outside, 4, 2, 1, bias=not norm)
    return [layer, *([nn.BatchNorm2d(outside)] if norm else []), nn.ReLU()]


def encoder(width: int, kernel: int, code: int, norm: bool, channels: int = 3) -> nn.Sequential:
    """64 x 64 pixels to a code, by four halvings."""
    parts = [*down(channels, width, kernel, norm), *down(width, 2 * width, 3, norm)]
    parts += [*down(2 * width, 4 * width, 3, norm), *down(4 * width, 4 * width, 3, norm)]
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(64 * width, code))


class Dense(nn.Module):
    """A fully connected autoencoder."""

    def __init__(self, units: tuple[int, ...]) -> None:
        super().__init__()
        sizes = [3 * SIDE * SIDE, *units]
        sizes += sizes[-2::-1]
        layers: list[nn.Module] = []
        for inside, outside in pairwise(sizes):
            layers += [nn.Linear(inside, outside), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1], nn.Tanh())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.layers(images.flatten(1))
        return out.view(images.shape)


class Principal(nn.Module):
    """The optimal linear autoencoder: principal components, fitted once and then fixed."""

    mean: torch.Tensor
    axes: torch.Tensor
    spread: torch.Tensor

    def __init__(self, code: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(3 * SIDE * SIDE))
        self.register_buffer("axes", torch.zeros(code, 3 * SIDE * SIDE))
        self.register_buffer("spread", torch.ones(code))

    def fit(self, images: torch.Tensor) -> None:
        """Find the components of images (n, 3, 64, 64) from their products, which are fewer than those of pixels."""
        x = images.flatten(1)
        self.mean.copy_(x.mean(0))
        x = x - self.mean
        strength, weights = torch.linalg.eigh((x @ x.T).double())
        kept = min(len(self.axes), len(x) - 1)
        strength, weights = strength.flip(0)[:kept], weights.flip(1)[:, :kept]
        self.spread[:kept] = (strength / len(x)).clamp(min=1e-6).sqrt().float()
        self.axes[:kept] = ((weights / strength.clamp(min=1e-6).sqrt()).T @ x.double()).float()

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return (images.flatten(1) - self.mean) @ self.axes.T / self.spread

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        return (code * self.spread @ self.axes + self.mean).view(-1, 3, SIDE, SIDE)


class Several(nn.Module):
    """One or several encoders, whose concatenated codes go to one decoder.

    Where one of them is linear, the decoder adds what is missing to its reconstruction.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        width, norm = config.width, config.batch_norm
        self.principal = Principal(config.principal) if config.principal else None
        code = config.code * len(config.kernels) + config.principal
        self.encoders = nn.ModuleList([encoder(width, kernel, config.code, norm) for kernel in config.kernels])
        self.decoder = nn.Sequential(
            nn.Linear(code, 64 * width), nn.ReLU(), nn.Unflatten(1, (4 * width, 4, 4)),
            *up(4 * width, 4 * width, norm), *up(4 * width, 2 * width, norm), *up(2 * width, width, norm),
            nn.ConvTranspose2d(width, 3, 4, 2, 1),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        codes = [encode(images) for encode in self.encoders]
        if self.principal is None:
            return torch.tanh(self.decoder(torch.cat(codes, dim=1)))
        linear = self.principal.encode(images)
        missing: torch.Tensor = self.decoder(torch.cat([*codes, linear], dim=1))
        return missing + self.principal.decode(linear)


class Networks(nn.Module):
    """The autoencoder of a level and its classifier, if it has one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.autoencoder = Dense(config.dense) if config.dense else Several(config)
        self.classifier: nn.Sequential | None = None
        if config.classifier:
            trunk = encoder(config.classifier, 3, 64, norm=True, channels=6)
            self.classifier = nn.Sequential(trunk, nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 1))

    def judged(self, images: torch.Tensor, rebuilt: torch.Tensor) -> torch.Tensor:
        """The classifier's output (n,) for images and their reconstructions."""
        assert self.classifier is not None
        seen = torch.cat([images, (images - rebuilt).abs()], dim=1)
        out: torch.Tensor = self.classifier(seen.contiguous(memory_format=torch.channels_last))
        return out[:, 0].float()


def train(config: Config, public: Path, run: Run) -> None:
    """Train the networks of a level for all its epochs and write the scores of the test images."""
    device = run.device
    folder = folder_of(public)
    images = load(public / folder / "trainingset.npy", device)
    if len(images) < 2:
        raise UserError(f"{public / folder / 'trainingset.npy'}: expected at least two images; found {len(images)}.")
    torch.manual_seed(run.seed)  # the first weights, and dropout
    generator = torch.Generator(device).manual_seed(run.seed)
    networks = Networks(config).to(device)
    if isinstance(networks.autoencoder, Several) and networks.autoencoder.principal is not None:
        networks.autoencoder.principal.fit(scaled(images[:2000]))
    optimiser = torch.optim.Adam(networks.parameters(), lr=config.lr, fused=True)
    batch = min(config.batch, len(images))
    for epoch in run.epochs(config.epochs, {"networks": networks, "optimiser": optimiser, "rng": generator}):
        torch.manual_seed(run.seed + epoch)  # dropout
        networks.train()
        schedule = "cosine" if config.warmup else "constant"
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate(schedule, epoch, config.epochs, config.warmup)
        totals = torch.zeros(2, device=device)
        order = torch.randperm(len(images), generator=generator, device=device)
        steps = len(images) // batch
        for step in range(steps):
            x = scaled(images[order[step * batch : (step + 1) * batch]])
            if config.flip:
                x = mirrored(x, generator)
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                losses = [F.mse_loss(networks.autoencoder(x).float(), x)]
                if networks.classifier is not None:
                    both = torch.cat([x, perturbed(x, epoch * steps + step, generator)])
                    networks.autoencoder.eval()  # so that it reconstructs as it does after training
                    with torch.no_grad():
                        rebuilt = networks.autoencoder(both).float()
                    networks.autoencoder.train()
                    output = networks.judged(both, rebuilt)
                    wanted = (torch.arange(2 * batch, device=device) >= batch).float()
                    losses.append(F.binary_cross_entropy_with_logits(output, wanted))
            optimiser.zero_grad()
            torch.autograd.backward(losses)
            nn.utils.clip_grad_norm_(networks.parameters(), config.clip)
            optimiser.step()
            totals[: len(losses)] += torch.stack(losses).detach()
        names = ("rebuilding_mse", "classifier_loss")[: len(losses)]
        run.log(dict(zip(names, (totals / steps).tolist(), strict=False)))

    values = scores(networks, load(public / folder / "testingset.npy", device)).tolist()
    header = FOLDERS[folder]
    run.finish(table(header, [str(i) for i in range(len(values))], [f"{value:.7g}" for value in values]))


@torch.no_grad()
def scores(networks: Networks, images: torch.Tensor) -> torch.Tensor:
    """The anomaly score of each image (n,), higher for stranger ones."""
    networks.eval()
    values = []
    for piece in torch.split(images, 250):
        x = scaled(piece)
        rebuilt = networks.autoencoder(x)
        if networks.classifier is not None:
            values.append(networks.judged(x, rebuilt))
        else:
            values.append((rebuilt - x).square().flatten(1).sum(1).sqrt())
    return torch.cat(values)


if __name__ == "__main__":
    raise SystemExit(main("hw08"))
