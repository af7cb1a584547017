"""HW2 in four levels: one frame, eleven frames, a deeper network on more and normalised frames, a recurrent network.

On `builtin`, small, the mean of three seeds: accuracy .553, .639, .704 and .774 on the public board in 5, 9, 19 and 27
seconds of one core (November 2026; docs/homeworks/hw02.md has spreads, both boards and known tricks).

The first three decide each frame on its own from the frames around it; the last reads the whole utterance in both
directions (bidirectional LSTM, Graves and Schmidhuber, Neural Networks 18, 2005).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from baselines.common import main, rate, size_of, table
from baselines.run import Run

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"
WIDTH = 39  # numbers of a frame


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample code with one frame."""

    network: Literal["mlp", "lstm"] = "mlp"
    context: int = 0  # frames on each side of the one that is decided
    cmvn: bool = False  # normalise the features of each utterance
    hidden: tuple[int, ...] = (256, 256)  # units of the hidden layers, of each direction of an LSTM
    batch_norm: bool = False  # after each hidden layer
    dropout: float = 0.0  # after each hidden layer
    noise: float = 0.0  # standard deviation of what is added to normalised features in training
    piece: int = 128  # frames of the pieces of utterances that an LSTM is trained on
    epochs: int = 4
    batch: int = 256  # frames, or pieces
    lr: float = 1e-3
    weight_decay: float = 0.01
    schedule: Literal["constant", "cosine"] = "constant"
    clip: float = 1.0  # largest norm of the gradient


LEVELS = {
    "simple": Config(),
    "medium": Config(context=5, batch_norm=True, dropout=0.25),
    "strong": Config(
        context=12, cmvn=True, hidden=(320, 320, 320), batch_norm=True, dropout=0.3, epochs=4, schedule="cosine",
    ),
    "boss": Config(
        network="lstm", cmvn=True, hidden=(112, 112), dropout=0.3, noise=0.2, epochs=8, batch=16, lr=4e-3,
        schedule="cosine",
    ),
}  # fmt: skip


def settings(level: str, public: Path) -> Config:
    """The settings of a level for the data in `public`: wider networks for the course's sizes."""
    config = LEVELS[level]
    if size_of(public) == "small" or level == "simple":
        return config
    if config.network == "lstm":
        return replace(config, hidden=(512, 512, 512), epochs=30, batch=64, lr=1e-3)
    return replace(config, hidden=(1024,) * (2 if level == "medium" else 5), epochs=2 * config.epochs, batch=512)


@dataclass(frozen=True)
class Speech:
    """Frames (n, 39) of utterances one after another, their labels (n,), and where each utterance begins and ends."""

    frames: torch.Tensor
    labels: torch.Tensor
    bounds: torch.Tensor  # (utterances, 2)

    def to(self, device: str) -> Speech:
        return Speech(self.frames.to(device), self.labels.to(device), self.bounds.to(device))

    def taken(self, numbers: torch.Tensor) -> Speech:
        """Some of the utterances."""
        bounds = self.bounds[numbers]
        places = torch.cat([torch.arange(low, high) for low, high in bounds.tolist()])
        ends = (bounds[:, 1] - bounds[:, 0]).cumsum(0)
        starts = ends - (bounds[:, 1] - bounds[:, 0])
        return Speech(self.frames[places], self.labels[places], torch.stack([starts, ends], dim=1))


def read(folder: Path, normalise: bool) -> Speech:
    """A part of the data; the labels of the test are 0."""
    frames = torch.from_numpy(np.load(folder / "features.npy", allow_pickle=False)).float()
    with (folder / "utterances.csv").open(encoding="utf-8", newline="") as file:
        rows = [(int(row["offset"]), int(row["length"])) for row in csv.DictReader(file)]
    bounds = torch.tensor([(offset, offset + length) for offset, length in rows])
    path = folder / "labels.npy"
    labels = torch.from_numpy(np.load(path, allow_pickle=False)) if path.exists() else torch.zeros(len(frames))
    return Speech(cmvn(frames, bounds) if normalise else frames, labels.long(), bounds)


def cmvn(frames: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
    """Cepstral mean and variance normalisation: mean 0 and spread 1 of every feature within each utterance.

    A microphone multiplies the spectrum, so it adds a constant to the cepstrum (Viikki and Laurila, Speech
    Communication 25, 1998).
    """
    parts = [frames[low:high] for low, high in bounds.tolist()]
    return torch.cat([(part - part.mean(0)) / part.std(0, correction=0).clamp(min=1e-3) for part in parts])


class Windows:
    """The places of the frames that a network sees at once, never beyond an utterance: its ends are repeated."""

    def __init__(self, config: Config, bounds: torch.Tensor) -> None:
        self.config, self.bounds = config, bounds
        self.ends = bounds.repeat_interleave(bounds[:, 1] - bounds[:, 0], dim=0)  # (n, 2): the utterance of each frame
        self.around = torch.arange(-config.context, config.context + 1, device=bounds.device)

    def near(self, rows: torch.Tensor) -> torch.Tensor:
        """The frames around some frames (b, 2 * context + 1)."""
        low, high = self.ends[rows].T[:, :, None]
        return torch.minimum(torch.maximum(rows[:, None] + self.around, low), high - 1)

    def pieces(self, generator: torch.Generator) -> torch.Tensor:
        """All utterances cut into pieces of one length at random places (m, piece); the last one overlaps another.

        Equal lengths, since an LSTM on a CPU learns from utterances of different lengths twenty times more slowly.
        """
        rows, length = [], self.config.piece
        shifts = torch.randint(length, (len(self.bounds),), generator=generator).tolist()
        for (low, high), shift in zip(self.bounds.tolist(), shifts, strict=True):
            starts = torch.arange(low - shift, high, length).clamp(max=high - length).clamp(min=low)
            starts = torch.from_numpy(np.unique(starts.numpy()))
            rows.append((starts[:, None] + torch.arange(length)).clamp(max=high - 1))
        return torch.cat(rows).to(self.bounds.device)


class Perceptron(nn.Sequential):
    """Linear layers over a window of frames, with batch normalisation and dropout where the level has them."""

    def __init__(self, config: Config, classes: int) -> None:
        layers: list[nn.Module] = [nn.Flatten()]  # (b, 2 * context + 1, 39) to (b, width)
        width = WIDTH * (2 * config.context + 1)
        for units in config.hidden:
            layers += [nn.Linear(width, units), *([nn.BatchNorm1d(units)] if config.batch_norm else []), nn.ReLU()]
            layers += [nn.Dropout(config.dropout)] if config.dropout else []
            width = units
        super().__init__(*layers, nn.Linear(width, classes))


class Recurrent(nn.Module):
    """A bidirectional LSTM over utterances, or pieces of them, of one length."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(config.dropout)
        widths = (WIDTH, *(2 * units for units in config.hidden))
        self.layers = nn.ModuleList(
            nn.LSTM(width, units, batch_first=True, bidirectional=True)
            for width, units in zip(widths, config.hidden, strict=False)
        )
        self.last = nn.Linear(widths[-1], classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, t, 39) to (b, t, classes)."""
        for layer in self.layers:
            x = self.dropout(layer(x)[0])  # (b, t, 2 * units)
        out: torch.Tensor = self.last(x)
        return out


def new_network(config: Config, classes: int, seed: int, device: str) -> nn.Module:
    """A network with weights drawn by the seed on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Perceptron(config, classes) if config.network == "mlp" else Recurrent(config, classes)
    return network.to(device)


def guess(config: Config, network: nn.Module, speech: Speech) -> torch.Tensor:
    """The class of every frame (n,); an LSTM reads one whole utterance after the other."""
    network.eval()
    with torch.inference_mode():
        if config.network == "mlp":
            windows = Windows(config, speech.bounds)
            rows = torch.arange(len(speech.frames), device=speech.frames.device)
            found = [network(speech.frames[windows.near(part)]).argmax(dim=1) for part in torch.split(rows, 4096)]
        else:
            whole = (speech.frames[low:high] for low, high in speech.bounds.tolist())
            found = [network(utterance[None]).argmax(dim=2)[0] for utterance in whole]
    network.train()
    return torch.cat(found)


def train(config: Config, public: Path, run: Run) -> None:
    """Train a level on nine tenths of the utterances, and write the class of every test frame."""
    device, mlp = run.device, config.network == "mlp"
    every, asked = read(public / "train", config.cmvn), read(public / "test", config.cmvn).to(device)
    held_out = torch.randperm(len(every.bounds), generator=torch.Generator().manual_seed(run.seed)) % 10 == 0
    known, held = (every.taken(part.nonzero()[:, 0]).to(device) for part in (~held_out, held_out))
    network = new_network(config, int(every.labels.max()) + 1, run.seed, device)
    run.compiled(network)
    weights = list(network.parameters())
    optimiser = torch.optim.AdamW(weights, lr=config.lr, weight_decay=config.weight_decay)
    generator = torch.Generator().manual_seed(run.seed)
    windows = Windows(config, known.bounds)
    for epoch in run.epochs(config.epochs, {"network": network, "optimiser": optimiser, "rng": generator}):
        pieces = windows.pieces(generator)[: 0 if mlp else None]
        order = torch.randperm(len(known.frames) if mlp else len(pieces), generator=generator).to(device)
        batches = [
            rows for rows in torch.split(order, config.batch) if len(rows) > 1
        ]  # one has no spread to normalise by
        total = torch.zeros((), device=device)
        for step, rows in enumerate(batches, epoch * len(batches)):
            for group in optimiser.param_groups:
                group["lr"] = config.lr * rate(config.schedule, step, config.epochs * len(batches))
            places = windows.near(rows) if mlp else pieces[rows]
            labels = known.labels[rows if mlp else places]
            x = known.frames[places]  # (b, t, 39)
            x = x + config.noise * torch.randn_like(x) if config.noise else x
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                out = network(x).float()  # (b, classes), or (b, t, classes)
            loss = functional.cross_entropy(out.flatten(0, -2), labels.flatten())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, config.clip)
            optimiser.step()
            total += loss.detach()
        accuracy = float((guess(config, network, held) == held.labels).float().mean())
        run.log({"train_loss": float(total) / max(1, len(batches)), "valid_accuracy": accuracy})
    classes = guess(config, network, asked).tolist()
    run.finish(table(("Id", "Class"), [str(number) for number in range(len(classes))], list(map(str, classes))))


if __name__ == "__main__":
    raise SystemExit(main("hw02"))
