"""HW13 in four levels: the sample's student with labels, distillation, a separable student, stage-wise distillation.

Accuracy on 1,000 public and 1,000 private pictures of the built-in world, mean ± standard deviation over the seeds
300-302, and seconds of a core (Intel Xeon, November 2026): simple 0.215 ± 0.042, 0.218 ± 0.042, 30 s; medium 0.741 ±
0.031, 0.742 ± 0.041, 94 s; strong 0.958 ± 0.015, 0.957 ± 0.023, 158 s; boss 0.979 ± 0.013, 0.978 ± 0.007, 238 s
(`python tests/bench/ladder.py hw13 --seeds 300-302 --no-tricks`).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.common import main, rate
from baselines.pictures import moved, read_pictures
from baselines.run import Run
from baselines.students import form_of, layout_of, student_of, teacher_of, written
from tasks.base import UserError
from tasks.hw13_compression.networks import convolution, load
from tasks.tensor_formats import ModelFormat

FILES = ("manifest.json",)
THREADS, AUTO = 1, "cuda"
RATIOS = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
"""Shares of the teacher's weights that are pruned for the plot in the run's folder."""


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample student, trained with the labels alone."""

    network: Literal["plain", "separable"] = "plain"
    channels: tuple[int, ...] = (32, 32, 64, 100)  # of the plain student's convolutions, or of the separable stages
    depth: int = 4  # separable blocks of a stage
    soft: float = 0.0  # weight of the teacher's word in `distillation`, the course's α
    temperature: float = 4.0
    unlabelled: bool = False  # learn from the pictures without labels too, from the teacher alone
    hint: float = 0.0  # weight of `hints`
    turns: Literal["none", "quarters", "any"] = "none"  # of whole batches (`turned`), or of each picture (`moved`)
    epochs: int = 60
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.02
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: int = 0  # epochs in which the learning rate rises
    clip: float = 10.0  # largest norm of the gradient


DISTILLED = Config(turns="quarters", soft=0.9, unlabelled=True, epochs=8, schedule="cosine", warmup=1)
SEPARABLE = replace(DISTILLED, network="separable", channels=(32, 64, 128), lr=4e-3, epochs=24, warmup=2)
LEVELS = {
    "simple": Config(),
    "medium": DISTILLED,
    "strong": SEPARABLE,
    "boss": replace(SEPARABLE, soft=1.0, hint=10.0, turns="any", epochs=30),
}


def settings(level: str, public: Path) -> Config:
    """The settings of a level."""
    return LEVELS[level]


def suffix(public: Path) -> str:
    return form_of(public).suffix


# Data


@dataclass(frozen=True)
class Pictures:
    """Pictures, uint8 (n, 3, side, side), and their classes (n,), -1 where they have no label."""

    pixels: Tensor
    labels: Tensor


def pictures(public: Path, side: int, *folders: str, device: str = "cpu") -> Pictures:
    """The pictures of some folders. The class stands before each name, but for those without labels."""
    paths = [path for folder in folders for path in sorted((public / folder).rglob("*.jpg"))]
    if not paths:
        raise UserError(f"{public / folders[0]}: expected pictures; found none.")
    names = [path.name.partition("_")[0] for path in paths]
    labels = torch.tensor([int(name) if name.isdigit() else -1 for name in names])
    return Pictures(read_pictures(paths, side).to(device), labels.to(device))


def turned(x: Tensor, generator: torch.Generator) -> Tensor:
    """A batch mirrored or not and turned by quarters, all of it alike: a dish has no upper side."""
    quarters, mirror = divmod(int(torch.randint(8, (), generator=generator)), 2)
    return torch.rot90(x.flip(3) if mirror else x, quarters, (2, 3))


# Students


class Separable(nn.Module):
    """A convolution of 3 x 3 for each channel, then one of 1 x 1 across them (MobileNets, Howard et al., arXiv
    1704.04861), beside a connection that skips both where the shapes allow it."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.skips = before == after and stride == 1
        self.body = nn.Sequential(
            nn.Conv2d(before, before, 3, stride, 1, groups=before, bias=False), nn.BatchNorm2d(before), nn.ReLU(),
            nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return torch.relu(x + y if self.skips else y)


def plain(channels: Sequence[int]) -> list[nn.Module]:
    """The course's sample student, one stage: convolutions without padding, pooled after all but the first."""
    layers: list[nn.Module] = []
    for before, after in pairwise((3, *channels)):
        layers += [nn.Conv2d(before, after, 3), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if before != 3 else []  # (n, after, 38, 38), then 18, 8 and 3
    return [nn.Sequential(*layers)]


def separable(channels: Sequence[int], depth: int) -> list[nn.Module]:
    """As many stages as the teacher has, with maps of the same sides: a convolution, then blocks of `Separable`."""
    stages: list[nn.Module] = [nn.Sequential(convolution(3, channels[0], 5, 2), nn.ReLU())]
    for before, after in pairwise(channels):  # (n, after, side / 4, side / 4), …
        stages.append(
            nn.Sequential(Separable(before, after, 2), *(Separable(after, after, 1) for _ in range(1, depth)))
        )
    return stages


class Student(nn.Module):
    """Stages of layers, the mean of the last map, and a linear layer: pixels (n, 3, s, s) from 0 to 1 to logits."""

    def __init__(self, config: Config, classes: int) -> None:
        super().__init__()
        channels = config.channels
        self.body = nn.ModuleList(plain(channels) if config.network == "plain" else separable(channels, config.depth))
        self.head = nn.Linear(channels[-1], classes)

    def stages(self, pixels: Tensor) -> list[Tensor]:
        x, maps = 4 * pixels - 2, []
        for stage in self.body:
            maps.append(x := stage(x))
        return maps

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.stages(pixels)[-1].mean((2, 3)))
        return out


# What they learn from the teacher


def distillation(logits: Tensor, told: Tensor, labels: Tensor, soft: float, temperature: float) -> Tensor:
    """Distillation, Hinton et al., arXiv 1503.02531: α T² KL(teacher at T, student at T) + (1 - α) cross-entropy.

    `logits` and the teacher's `told` are (n, classes). Of a picture whose label (n,) is -1 there is no cross-entropy.
    """
    known = functional.cross_entropy(logits, labels, ignore_index=-1, reduction="sum") / len(labels)
    if not soft:
        return known
    word, wanted = functional.log_softmax(logits / temperature, 1), functional.log_softmax(told / temperature, 1)
    apart = functional.kl_div(word, wanted, reduction="batchmean", log_target=True)
    return soft * temperature**2 * apart + (1 - soft) * known


def hints(maps: list[Tensor], wanted: list[Tensor], regressors: nn.ModuleList) -> Tensor:
    """Hints, Romero et al., FitNets, arXiv 1412.6550, at every stage at once, beside the distillation.

    The mean squared distance of the teacher's maps to the student's behind a convolution of 1 x 1, summed over stages.
    """
    pairs = zip(regressors, maps, wanted, strict=True)
    return torch.stack([functional.mse_loss(regress(mine), theirs) for regress, mine, theirs in pairs]).sum()


def pruned(network: nn.Module, ratio: float) -> nn.Module:
    """The network without the smallest of all weights of convolutions and linear layers (Han et al., arXiv 1506.02626).

    A `ratio` of them is set to 0, in place, whatever their layer; biases and normalisations stay.
    """
    weights = [layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights])
    count = round(ratio * len(sizes))
    if count:
        least = sizes.kthvalue(count).values
        with torch.no_grad():
            for weight in weights:
                weight.masked_fill_(weight.abs() <= least, 0.0)
    return network


def accuracy(network: nn.Module, held: Pictures) -> float:
    """The share of pictures that a network names rightly."""
    network.eval()
    with torch.inference_mode():
        parts = zip(torch.split(held.pixels, 256), torch.split(held.labels, 256), strict=True)
        right = sum(int((network(x / 255).argmax(1) == y).sum()) for x, y in parts)
    network.train()
    return right / len(held.labels)


def draw_pruning(path: Path, teacher: Path, held: Pictures, device: str) -> dict[float, float]:
    """The accuracy of the teacher with ever more of its weights pruned, drawn over their share, and as numbers."""
    from matplotlib.figure import Figure

    found = {ratio: accuracy(pruned(load(teacher).to(device), ratio), held) for ratio in RATIOS}
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="share of the weights that is pruned", ylabel="accuracy on validation pictures")
    axes.plot(list(found), list(found.values()), marker="o")
    axes.set(title="the teacher, pruned by magnitude", ylim=(0, 1))
    figure.savefig(path, dpi=100, metadata={"Software": None})
    return found


def exported(student: nn.Module, form: ModelFormat) -> bytes:
    """The student as an ONNX graph of a format, its batch normalisations folded into the convolutions before them."""
    file: Any = io.BytesIO()
    (given,), (wanted,) = form.inputs, form.outputs
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that this exporter is the older one
        torch.onnx.export(
            student.eval(),
            (torch.zeros(2, *given.shape),),
            file,
            input_names=[given.name],
            output_names=[wanted.name],
            dynamic_axes={given.name: {0: "n"}, wanted.name: {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
    return bytes(file.getvalue())


# Training


def train(config: Config, public: Path, run: Run) -> None:
    """Train a student, and write it as a graph, with the plot of the pruned teacher beside it."""
    form, layout = student_of(form_of(public)), layout_of(public)
    side, classes, device = form.inputs[0].shape[1], form.outputs[0].shape[0], run.device
    folders = [layout.training_folder, *([layout.unlabelled_folder] if config.unlabelled and layout.unlabelled else [])]
    known = pictures(public, side, *folders, device=device)
    held = pictures(public, side, layout.validation_folder, device=device)
    file = teacher_of(public, run, known.pixels, known.labels)
    teacher = load(file)
    torch.manual_seed(run.seed)
    student = Student(config, classes)  # with weights drawn on the CPU
    pairs = zip(config.channels, teacher.widths, strict=True) if config.hint else ()
    regressors = nn.ModuleList(nn.Conv2d(mine, theirs, 1) for mine, theirs in pairs).to(device)
    for network in (teacher, student):
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for stage in student.body:
        run.compiled(stage)
    weights = [*student.parameters(), *regressors.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=config.lr, weight_decay=config.weight_decay, fused=True)
    generator = torch.Generator().manual_seed(run.seed)
    steps = -(-len(known.labels) // config.batch)
    parts = {"student": student, "regressors": regressors, "optimiser": optimiser, "rng": generator}
    for epoch in run.epochs(config.epochs, parts):
        order = torch.randperm(len(known.labels), generator=generator).to(device)
        draws = torch.rand(len(order), 6, generator=generator).to(device)
        total = torch.zeros((), device=device)
        for step, rows in enumerate(torch.split(order, config.batch), epoch * steps):
            if len(rows) == 1:
                continue  # one picture has no spread to normalise by
            factor = rate(config.schedule, step, config.epochs * steps, config.warmup * steps)
            optimiser.param_groups[0]["lr"] = config.lr * factor
            x = known.pixels[rows] / 255  # (batch, 3, side, side)
            if config.turns != "none":
                x = moved(x, draws[rows], 180.0) if config.turns == "any" else turned(x, generator)
            x = x.contiguous(memory_format=torch.channels_last)
            with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                wanted = teacher.stages(x) if config.soft else []
                told = teacher.head(wanted[-1].mean((2, 3))) if config.soft else x
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                maps = student.stages(x)
                logits = student.head(maps[-1].mean((2, 3)))
                loss = distillation(logits, told, known.labels[rows], config.soft, config.temperature)
                loss = loss + config.hint * hints(maps, wanted, regressors) if config.hint else loss
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(weights, config.clip)
            optimiser.step()
            total += loss.detach() * len(rows)
        run.log({"train_loss": float(total) / len(known.labels), "valid_accuracy": accuracy(student, held)})
    draw_pruning(run.folder / "pruning.png", file, held, device)
    finished = Student(config, classes)  # that nothing has compiled, on the CPU
    finished.load_state_dict(student.state_dict())
    run.finish(written(finished, exported(finished, form), public, run))


if __name__ == "__main__":
    raise SystemExit(main("hw13"))
