"""HW3 in four levels: a plain network, augmentation, a residual network with pseudo-labels, an ensemble over views.

On `builtin`, small, the mean of three seeds: accuracy .481, .729, .890 and .971 on the public board in 38, 105, 133 and
328 seconds of one core (November 2026; docs/homeworks/hw03.md has spreads, both boards and known tricks).

Training runs in rounds; in each the learning rate falls to zero. From the second round on, the network learns from the
unlabelled pictures that it is sure of as well (`pseudo_labels`). In boss, the networks at the ends of the last rounds
vote (snapshot ensembles, Huang et al., arXiv 1704.00109). Where everything is labelled, a round adds no pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from baselines.common import main, rate, table
from baselines.pictures import moved, normalised, read_pictures
from baselines.run import Run
from tasks.base import UserError

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"
DRAWS = 16  # random numbers that one augmented picture takes


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample code, narrower, so that it trains on one core."""

    side: int = 40  # pixels of a picture's side
    network: Literal["plain", "residual"] = "plain"
    channels: tuple[int, ...] = (24, 48, 96)  # of the blocks
    pools: tuple[int, ...] = (2, 2, 4)  # by which each block of the plain network shrinks its map
    hidden: tuple[int, ...] = (128, 128)  # units of its linear layers before the last
    augment: bool = False  # see `augmented`
    turn: float = 180.0  # largest rotation of a picture in degrees
    rounds: int = 1  # of training; from the second on with the unlabelled pictures that the network is sure of
    confidence: float = 0.8  # the mean probability from which an unlabelled picture counts as labelled
    ensemble: int = 1  # how many of the last rounds vote, each with its network at the end
    resplit: bool = False  # hold out a tenth of training and validation pictures together, and learn from the rest
    views: int = 1  # of each test picture; all but the first are turned, flipped and zoomed
    epochs: int = 15  # of each round
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 1e-5
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0  # epochs in which the learning rate rises
    clip: float = 10.0  # largest norm of the gradient


RESIDUAL = Config(network="residual", augment=True, rounds=2, epochs=24, weight_decay=0.05, schedule="cosine", warmup=2)
LEVELS = {
    "simple": Config(),
    "medium": Config(augment=True, epochs=40, schedule="cosine"),
    "strong": RESIDUAL,
    "boss": replace(RESIDUAL, rounds=3, ensemble=2, epochs=32, resplit=True, views=8),
}
TEACHER_VIEWS = 8  # of each unlabelled picture, so that a network is sure only of what it sees in all of them
SAMPLE_2021 = ((64, 128, 256), (2, 2, 4), (256, 256))
SAMPLE_2022 = ((64, 128, 256, 512, 512), (2, 2, 2, 2, 2), (1024, 512))
"""Channels, pools and hidden units of the course's sample code: 4,634,891 and 12,833,803 weights for eleven classes."""
ROOTS = ("food-11", "food11", "pictures")  # of 2021, 2022, and the instructor's own pictures


def settings(level: str, public: Path) -> Config:
    """The settings of a level for the pictures in `public`: for large ones, the course's own or wider networks."""
    from PIL import Image

    root = root_of(public)
    with Image.open(min((root / "validation").rglob("*.jpg"))) as picture:
        large = min(picture.size) >= 96
    config = LEVELS[level]
    if not large:
        return config
    config = replace(config, side=128, batch=128)
    if config.network == "plain":
        channels, pools, hidden = SAMPLE_2021 if in_folders(root) else SAMPLE_2022
        config = replace(config, channels=channels, pools=pools, hidden=hidden)
        return replace(config, lr=3e-4, epochs=80 if level == "simple" else 160)
    return replace(config, channels=(64, 128, 256, 512), lr=1e-3, epochs=5 * config.epochs)


@dataclass(frozen=True)
class Pictures:
    """Pictures, uint8 (n, 3, side, side), and their classes (n,)."""

    pixels: torch.Tensor
    labels: torch.Tensor

    def to(self, device: str) -> Pictures:
        return Pictures(self.pixels.to(device), self.labels.to(device))


def root_of(public: Path) -> Path:
    """The folder of the pictures, in the course's layout of 2021 or of 2022."""
    for name in ROOTS:
        if any((public / name / "validation").rglob("*.jpg")):
            return public / name
    raise UserError(f"{public}: expected pictures in the folder validation of {', '.join(ROOTS)}; found none.")


def in_folders(root: Path) -> bool:
    """Whether each class has its own folder, as in 2021; in 2022 the file names begin with the class."""
    return root.name != "food11"


def labelled(root: Path, folder: str, side: int) -> Pictures:
    """A labelled part in either layout: the class is the name of the folder, or the first part of the file name."""
    paths = sorted((root / folder).rglob("*.jpg"))
    names = [path.parent.name if in_folders(root) else path.name.partition("_")[0] for path in paths]
    return Pictures(read_pictures(paths, side), torch.tensor([int(name) for name in names]))


def unlabelled(root: Path, side: int) -> torch.Tensor:
    return read_pictures(sorted((root / "training" / "unlabeled").rglob("*.jpg")), side)


def test(root: Path, side: int) -> tuple[list[str], torch.Tensor]:
    """The ids and the test pictures: 2021 counts without zeros, 2022 takes the file name as it is."""
    paths = sorted((root / ("testing" if in_folders(root) else "test")).rglob("*.jpg"))
    return [str(int(path.stem)) if in_folders(root) else path.stem for path in paths], read_pictures(paths, side)


def augmented(x: torch.Tensor, draws: torch.Tensor, turn: float) -> torch.Tensor:
    """Pictures moved, with changed light and colours, half of them with a rectangle erased."""
    side = x.shape[-1]
    x = moved(x, draws, turn)
    spread = (2 * draws - 1)[:, :, None, None, None]
    grey = x.mean(dim=1, keepdim=True)
    x = grey + (x - grey) * torch.exp(spread[:, 6] * 0.3)  # fainter or stronger colours
    x = (x + 2) * torch.exp(torch.stack([spread[:, k, 0] for k in (7, 8, 9)], dim=1) * 0.1) - 2  # a tint
    x = (x + 2) * torch.exp(spread[:, 10] * 0.2) - 2  # light
    place = torch.arange(side, device=x.device) / side
    half = (0.05 + 0.1 * draws[:, 11:13]) * (draws[:, 13:14] < 0.5)
    inside = [(place - draws[:, 14 + axis, None]).abs() < half[:, axis, None] for axis in (0, 1)]
    erased = inside[0][:, None, :, None] & inside[1][:, None, None, :]
    return x.masked_fill(erased, 0.0).contiguous(memory_format=torch.channels_last)


class Residual(nn.Module):
    """Two convolutions beside a connection that skips them (He et al., arXiv 1512.03385); it begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.BatchNorm2d(channels)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), last,
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (n, channels, s, s), and the same out
        return torch.relu(x + self.body(x))


class Network(nn.Sequential):
    """Blocks of convolution, normalisation and ReLU, then linear layers.

    The plain one is the course's sample code. In the residual one each block halves its map by its step, all but the
    first have a `Residual` behind them, and the mean of the last map is read.
    """

    def __init__(self, config: Config, classes: int) -> None:
        layers: list[nn.Module] = []
        before, side = 3, config.side
        if config.network == "plain":
            for channels, pool in zip(config.channels, config.pools, strict=True):
                block = [nn.Conv2d(before, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU()]
                layers += [*block, nn.MaxPool2d(pool)]
                before, side = channels, side // pool  # (n, channels, side, side)
            layers.append(nn.Flatten())
            before *= side * side
            for units in config.hidden:
                layers += [nn.Linear(before, units), nn.ReLU()]
                before = units
        else:
            for channels in config.channels:
                size = 5 if before == 3 else 3
                layers += [nn.Conv2d(before, channels, size, 2, size // 2), nn.BatchNorm2d(channels), nn.ReLU()]
                layers += [Residual(channels)] if before != 3 else []
                before = channels  # (n, channels, side / 2, side / 2), side / 4, …
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # (n, channels)
        super().__init__(*layers, nn.Linear(before, classes))
        self.classes: int = classes


def new_network(config: Config, classes: int, seed: int, device: str) -> Network:
    """A network with weights drawn by the seed on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(config, classes)
    return network.to(device)


def probabilities(config: Config, network: Network, pixels: torch.Tensor, views: int, device: str) -> torch.Tensor:
    """The mean probability of each class (n, classes) over the views of each picture: test-time augmentation."""
    network.eval()
    fixed = torch.Generator().manual_seed(0)  # the same views of every picture on every call
    total = torch.zeros(len(pixels), network.classes, device=device)
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        for view in range(views):
            draws = torch.rand(1, DRAWS, generator=fixed).to(device)
            for start in range(0, len(pixels), 256):
                x = normalised(pixels[start : start + 256])
                x = x if view == 0 else moved(x, draws.expand(len(x), -1), config.turn)
                total[start : start + 256] += torch.softmax(network(x).float(), dim=1)
    network.train()
    return total / views


# Training


def split(config: Config, root: Path, seed: int) -> tuple[Pictures, Pictures]:
    """Training and validation pictures; with `resplit` a tenth of all of them, drawn by the seed, validates."""
    train = labelled(root, "training/labeled" if in_folders(root) else "training", config.side)
    valid = labelled(root, "validation", config.side)
    if not config.resplit:
        return train, valid
    pixels, labels = torch.cat([train.pixels, valid.pixels]), torch.cat([train.labels, valid.labels])
    held = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)) % 10 == 0
    return Pictures(pixels[~held], labels[~held]), Pictures(pixels[held], labels[held])


def pseudo_labels(known: Pictures, more: torch.Tensor, teacher: torch.Tensor, confidence: float) -> Pictures:
    """The labelled pictures, and the unlabelled ones of which the teacher is sure as if its class were the label.

    `teacher` (n, classes) has its probabilities for `more` (Lee, ICML workshop 2013).
    """
    sure, kind = teacher.max(dim=1)
    taken = sure >= confidence
    return Pictures(torch.cat([known.pixels, more[taken]]), torch.cat([known.labels, kind[taken]]))


def train(config: Config, public: Path, run: Run) -> None:
    """Train a level in its rounds, and write the class of the highest mean probability of each test picture.

    Of classes with the same probability the lowest is taken.
    """
    device, root = run.device, root_of(public)
    ids, asked = test(root, config.side)
    asked, more = asked.to(device), unlabelled(root, config.side)[: None if config.rounds > 1 else 0].to(device)
    known, held = (part.to(device) for part in split(config, root, run.seed))
    classes = int(known.labels.max()) + 1

    generator = torch.Generator().manual_seed(run.seed)
    # Probabilities so far of the test pictures, and the previous round's of those without a label.
    votes, teacher = (torch.zeros(len(pixels), classes, device=device) for pixels in (asked, more))
    network = new_network(config, classes, run.seed, device)
    run.compiled(network)
    weights = list(network.parameters())
    optimiser = torch.optim.AdamW(weights, lr=config.lr, weight_decay=config.weight_decay, fused=True)
    pictures = None
    state = {"votes": votes, "teacher": teacher}
    parts = {"network": network, "optimiser": optimiser, "rng": generator, "state": state}
    for epoch in run.epochs(config.rounds * config.epochs, parts):
        number, own = divmod(epoch, config.epochs)
        if own == 0:
            optimiser.state.clear()
        if own == 0 or pictures is None:  # a new round, or a resumed one
            pictures = pseudo_labels(known, more, teacher, config.confidence)
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate(config.schedule, own, config.epochs, config.warmup)
        order = torch.randperm(len(pictures.labels), generator=generator).to(device)
        draws = torch.rand(len(pictures.labels), DRAWS, generator=generator).to(device)
        total = torch.zeros((), device=device)
        for rows in torch.split(order, config.batch):
            if len(rows) == 1:
                continue  # one picture has no spread to normalise by
            x = normalised(pictures.pixels[rows])  # (batch, 3, side, side)
            x = augmented(x, draws[rows], config.turn) if config.augment else x
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                loss = functional.cross_entropy(network(x), pictures.labels[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, config.clip)
            optimiser.step()
            total += loss.detach() * len(rows)

        guess = probabilities(config, network, held.pixels, 1, device).argmax(dim=1)
        accuracy = float((guess == held.labels).float().mean())
        added = float(len(pictures.labels) - len(known.labels))
        run.log({"train_loss": float(total) / len(pictures.labels), "valid_accuracy": accuracy, "pseudo_labels": added})
        if own == config.epochs - 1:
            teacher.copy_(probabilities(config, network, more, TEACHER_VIEWS, device))
            if number >= config.rounds - config.ensemble:
                votes += probabilities(config, network, asked, config.views, device)

    run.finish(table(("Id", "Category"), ids, [str(kind) for kind in votes.argmax(dim=1).tolist()]))


if __name__ == "__main__":
    raise SystemExit(main("hw03"))
