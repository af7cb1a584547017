"""HW4 in four levels: a Transformer layer, a tuned one, a Conformer, attentive pooling with AM-softmax.

On `builtin`, small, the mean of three seeds: accuracy .202, .413, .557 and .658 on the public board in 27, 20, 61 and
77 seconds of one core beside other work (December 2026; docs/homeworks/hw04.md has spreads, both boards and tricks).

The network reads a part of an utterance in training and the whole of it in the test, and is a classifier of the known
speakers. From medium on, the mean of each band is taken away, since a microphone adds to it (cepstral mean
normalisation, Furui 1981), and each training part is heard through another microphone and in other noise
(`through_another_channel`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from baselines.common import main, rate, size_of, table
from baselines.conformer import ConformerBlock
from baselines.run import Run
from tasks.hw04_self_attention import N_MELS

FILES = ("manifest.json",)
SUFFIX, THREADS, AUTO = ".csv", 1, "cuda"


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample code, which trains for more steps."""

    block: Literal["transformer", "conformer"] = "transformer"
    layers: int = 1
    dim: int = 80
    heads: int = 2
    ffn: int = 256  # units in the middle of a feed-forward layer
    kernel: int = 15  # frames of the Conformer's depthwise convolution
    stride: int = 1  # frames that the first layer makes one of
    dropout: float = 0.1
    pooling: Literal["mean", "attention"] = "mean"
    margin: float = 0.0  # by which the right speaker's cosine must exceed the others'; 0: plain softmax
    scale: float = 20.0  # of the cosines, where there is a margin
    normalise: bool = False  # take the mean of each band away
    augment: bool = False  # see `through_another_channel`
    frames: int = 128  # of a training part
    valid: float = 0.1  # share of the utterances that are held out for validation
    epochs: int = 8
    batch: int = 32
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 1  # epochs in which the learning rate rises


TUNED = Config(
    dim=64, ffn=128, stride=3, normalise=True, augment=True, epochs=24, batch=64, lr=2e-3, weight_decay=0.05, warmup=4
)
CONFORMER = replace(TUNED, block="conformer", epochs=40, batch=32)
LEVELS = {
    "simple": Config(),
    "medium": TUNED,
    "strong": CONFORMER,
    "boss": replace(CONFORMER, pooling="attention", margin=0.2, epochs=50),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level for the data in `public`: for the course's numbers of utterances, larger networks."""
    config = LEVELS[level]
    if size_of(public) == "small":
        return config
    config = replace(config, epochs=2 * config.epochs, batch=128)
    return config if level == "simple" else replace(config, dim=256, heads=4, ffn=1024, layers=3, lr=1e-3)


# Data


@dataclass(frozen=True)
class Utterances:
    """Where utterances are in the array of all frames, (n,) each, and their speakers' numbers."""

    starts: torch.Tensor
    lengths: torch.Tensor
    speakers: torch.Tensor

    def __getitem__(self, rows: torch.Tensor) -> Utterances:
        return Utterances(self.starts[rows], self.lengths[rows], self.speakers[rows])


@dataclass(frozen=True)
class Speech:
    """All frames, float16 (total, 40), the labelled and the asked utterances, the ids of these, and the speakers."""

    frames: torch.Tensor
    known: Utterances
    asked: Utterances
    ids: list[str]
    speakers: list[str]


def read(public: Path, device: str) -> Speech:
    metadata, testdata, mapping = (
        json.loads((public / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("metadata", "testdata", "mapping")
    )
    numbers: dict[str, int] = mapping["speaker2id"]
    labelled = [(entry, numbers[who]) for who, entries in metadata["speakers"].items() for entry in entries]
    known, asked = (
        Utterances(*torch.tensor([[entry["offset"], entry["mel_len"], number] for entry, number in some]).T)
        for some in (labelled, [(entry, 0) for entry in testdata["utterances"]])
    )
    frames = torch.from_numpy(np.load(public / "features.npy", allow_pickle=False)).to(device)
    ids = [entry["feature_path"] for entry in testdata["utterances"]]
    return Speech(frames, known, asked, ids, sorted(numbers, key=numbers.__getitem__))


def parts_of(speech: Speech, some: Utterances, frames: int, draws: torch.Tensor) -> torch.Tensor:
    """A part (n, frames, 40) of each utterance that begins at a share `draws` (n,) of its rest; a short one repeats."""
    begin = (draws * (some.lengths - frames + 1).clamp(min=1)).long()
    places = (begin[:, None] + torch.arange(frames)) % some.lengths[:, None]
    return speech.frames[(some.starts[:, None] + places).to(speech.frames.device)].float()


def through_another_channel(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Parts (n, frames, 40) as another microphone hears them in more noise, some bands and frames of them masked.

    A microphone adds a smooth curve to the logarithm, noise adds to the energy; the masks are those of SpecAugment
    (Park et al., arXiv 1904.08779).
    """
    n, frames, bands = x.shape

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=rng).to(x.device)

    place = torch.linspace(0, math.pi, bands, device=x.device)
    waves = torch.cos(torch.arange(5, device=x.device)[:, None] * place)  # (5, bands)
    x = x + ((2 * uniform(n, 5) - 1) @ waves * 1.2)[:, None]
    noise = (2 * uniform(n, 5) - 1) @ waves * 0.7 + x.mean(dim=(1, 2))[:, None] + 4 * uniform(n, 1) - 4
    x = torch.logaddexp(x, noise[:, None] + torch.log(-torch.log(uniform(n, frames, bands).clamp(1e-6, 1 - 1e-6))) / 3)
    for axis, most in ((1, frames // 6), (2, bands // 6)):
        width, length = uniform(n, 1) * most, x.shape[axis]
        begin = uniform(n, 1) * (length - width)
        along = torch.arange(length, device=x.device)
        mask = (along >= begin) & (along < begin + width)
        x = torch.where(mask.unsqueeze(3 - axis), x.mean(dim=1, keepdim=True), x)
    return x


# Model


class Subsampling(nn.Conv1d):
    """Makes one frame of `stride` and their neighbours."""

    def __init__(self, config: Config) -> None:
        super().__init__(N_MELS, config.dim, 2 * config.stride + 1, config.stride, config.stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (n, frames, 40) -> (n, frames / stride, dim)
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class TransformerBlock(nn.TransformerEncoderLayer):
    def __init__(self, config: Config) -> None:
        super().__init__(config.dim, config.heads, config.ffn, config.dropout, batch_first=True)


class Network(nn.Module):
    """The score of each speaker (n, speakers), for log-mel spectrograms (n, frames, 40)."""

    def __init__(self, config: Config, speakers: int) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        self.first = nn.Linear(N_MELS, dim) if config.stride == 1 else Subsampling(config)
        sizes = (dim, config.heads, config.ffn, config.kernel, config.dropout)
        conformer = config.block == "conformer"
        blocks = (ConformerBlock(*sizes) if conformer else TransformerBlock(config) for _ in range(config.layers))
        self.encoder = nn.Sequential(*blocks)
        self.attention = nn.Linear(dim, 1) if config.pooling == "attention" else None
        self.hidden = nn.Sequential(nn.Linear(dim, dim), nn.Identity() if config.margin else nn.ReLU())
        self.out = nn.Linear(dim, speakers, bias=not config.margin)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.config.normalise:
            x = x - x.mean(dim=1, keepdim=True)
        x = self.encoder(self.first(x))  # (n, t, dim)
        x = self.hidden(self.pooled(x))  # (n, dim)
        if self.config.margin:  # the cosines between an utterance and each speaker
            return functional.linear(functional.normalize(x), functional.normalize(self.out.weight))
        return self.out(x)  # type: ignore[no-any-return]

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        """The mean over time (n, t, dim) -> (n, dim), weighted by self-attention (Safari et al., arXiv 2008.01077)."""
        if self.attention is None:
            return x.mean(dim=1)
        weight = torch.softmax(self.attention(x), dim=1)  # (n, t, 1)
        return (weight * x).sum(dim=1)


def am_softmax(cosines: torch.Tensor, speakers: torch.Tensor, margin: float, scale: float) -> torch.Tensor:
    """The loss that wants the right cosine larger than the others by a margin (Wang et al., arXiv 1801.05599)."""
    right = functional.one_hot(speakers, cosines.shape[1])
    return functional.cross_entropy(scale * (cosines - margin * right), speakers)


def new_network(config: Config, speakers: int, seed: int, device: str) -> Network:
    """A network with weights drawn by the seed on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Network(config, speakers).to(device)


# Training


def guesses(network: Network, speech: Speech, some: Utterances, most: int = 20_000) -> torch.Tensor:
    """The number of the speaker of each whole utterance (n,); those of one length at once, at most so many frames."""
    device = speech.frames.device.type
    out = torch.zeros(len(some.starts), dtype=torch.long)
    network.eval()
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        for length in sorted(set(some.lengths.tolist())):
            for rows in torch.split((some.lengths == length).nonzero()[:, 0], max(1, most // length)):
                x = parts_of(speech, some[rows], length, torch.zeros(len(rows)))
                out[rows] = network(x).argmax(dim=1).cpu()
    network.train()
    return out


def learn(
    config: Config, network: Network, optimiser: torch.optim.Optimizer, speech: Speech, rng: torch.Generator, epoch: int
) -> float:
    """One epoch over the known utterances in whole batches; the mean loss."""
    device, known = speech.frames.device.type, speech.known
    count = len(known.starts)
    batch = min(config.batch, count)
    steps, total = count // batch, torch.zeros((), device=device)
    order = torch.randperm(count, generator=rng)[: steps * batch]
    for step, rows in enumerate(torch.split(order, batch), start=epoch * steps):
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate("cosine", step, config.epochs * steps, config.warmup * steps)
        x = parts_of(speech, known[rows], config.frames, torch.rand(batch, generator=rng))
        x = through_another_channel(x, rng) if config.augment else x
        speakers = known.speakers[rows].to(device)
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            scores = network(x).float()
        if config.margin:
            loss = am_softmax(scores, speakers, config.margin, config.scale)
        else:
            loss = functional.cross_entropy(scores, speakers)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        total += loss.detach()
    return float(total) / steps


def train(config: Config, public: Path, run: Run) -> None:
    """Train a level, and write the speaker of the highest score for each asked utterance."""
    speech = read(public, run.device)
    rng = torch.Generator().manual_seed(run.seed)
    order = torch.randperm(len(speech.known.starts), generator=rng)
    held, known = (speech.known[rows] for rows in order.tensor_split([round(config.valid * len(order))]))
    network = new_network(config, len(speech.speakers), run.seed, run.device)
    run.compiled(network)
    optimiser = torch.optim.AdamW(network.parameters(), config.lr, weight_decay=config.weight_decay, fused=True)
    for epoch in run.epochs(config.epochs, {"network": network, "optimiser": optimiser, "rng": rng}):
        loss = learn(config, network, optimiser, replace(speech, known=known), rng, epoch)
        accuracy = float((guesses(network, speech, held) == held.speakers).float().mean())
        run.log({"train_loss": loss, "valid_accuracy": accuracy})
    said = guesses(network, speech, speech.asked).tolist()
    run.finish(table(("Id", "Category"), speech.ids, [speech.speakers[number] for number in said]))


if __name__ == "__main__":
    raise SystemExit(main("hw04"))
