"""HW13: constants, lines on hand-made and learned features, the teacher cut down, and pictures of another key.

Every one is a graph that is handed in. Lines are fitted to the teacher's logits for all given pictures.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.common import train_level
from baselines.hw13_compression import Config, Student, exported, pictures
from tasks import models
from tasks.base import Columns
from tasks.hw03_cnn.dishes import draw_kitchen
from tasks.hw13_compression import CLASSES, LAYOUT, PICTURES_FILE, SIDE, STUDENT, TARGET, TEACHER_FILE, world
from tasks.hw13_compression.networks import Teacher, load
from tasks.models import Node
from tasks.streams import Streams
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

Numbers = NDArray[np.float32]
FOLDERS = (LAYOUT.training_folder, LAYOUT.validation_folder, LAYOUT.unlabelled_folder)
RIDGE = 1e-2
"""Of the fitted lines, beside features of variance 1."""
PATCHES, FILTERS, SEEN = 6, 160, 40_000
"""Side of a patch, how many kinds of them are learned, and from how many."""
OTHERS = 12_000
"""Pictures of another key."""


def batches(network: nn.Module, x: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network(part.float() / 255) for part in torch.split(x, 256)])


def taught(given: Given) -> tuple[Tensor, Tensor]:
    """All given pictures, uint8, and the teacher's logits for them."""
    pixels = pictures(given.public, SIDE, *FOLDERS).pixels
    return pixels, batches(load(given.public / TEACHER_FILE), pixels)


def line(features: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Weights (d, classes) and bias of the ridge regression from features to the teacher's centred logits."""
    x, y = features.double(), (wanted - wanted.mean(1, keepdim=True)).double()
    middle, spread = x.mean(0), x.std(0) + 1e-6
    z = (x - middle) / spread
    weights = torch.linalg.solve(z.T @ z / len(z) + RIDGE * torch.eye(z.shape[1]).double(), z.T @ y / len(z))
    weights = weights / spread[:, None]
    return weights.float(), (y.mean(0) - middle @ weights).float()


# Features as graphs


def run(nodes: Sequence[Node], constants: dict[str, Any], pixels: Tensor) -> Tensor:
    """What nodes that end in "seen" make of the pictures, (n, d)."""
    from onnx import helper, load_from_string
    from onnxruntime import InferenceSession

    model = load_from_string(models.graph(STUDENT, "features", nodes, constants))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("seen", 1, None))
    session = InferenceSession(model.SerializeToString())
    parts = [session.run(["seen"], {"pixels": (part.float() / 255).numpy()})[0] for part in torch.split(pixels, 100)]
    return torch.from_numpy(np.concatenate(parts)).flatten(1)


def with_line(given: Given, nodes: list[Node], constants: dict[str, Any]) -> bytes:
    """The graph of features that end in "seen", with a line on top."""
    pixels, wanted = taught(given)
    weights, bias = line(run(nodes, constants, pixels), wanted)
    top: list[Node] = [("Flatten", ["seen"], "flat", {}), ("Gemm", ["flat", "weights", "bias"], "logits", {})]
    return models.graph(STUDENT, "line", [*nodes, *top], constants | {"weights": weights.numpy(), "bias": bias.numpy()})


def thumbnails(given: Given) -> bytes:
    """The mean colours of 8 x 8 tiles."""
    return with_line(given, [("AveragePool", ["pixels"], "seen", {"kernel_shape": [5, 5], "strides": [5, 5]})], {})


def neighbours() -> Numbers:
    """Kernels (8, 3, 3, 3): the light of each neighbour less that of the middle."""
    kernels = np.zeros((8, 3, 3, 3), np.float32)
    kernels[:, :, 1, 1] = -1 / 3
    for place, (row, column) in enumerate(((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))):
        kernels[place, :, row, column] += 1 / 3
    return kernels


def binary_patterns(given: Given) -> bytes:
    """The histogram of local binary patterns (LBP, Ojala et al., 2002), of all 256."""
    nodes: list[Node] = [
        ("Conv", ["pixels", "neighbours"], "differences", {}),
        ("Greater", ["differences", "nothing"], "higher", {}),
        ("Cast", ["higher"], "bits", {"to": 1}),
        ("Conv", ["bits", "powers"], "pattern", {}),
        ("Equal", ["pattern", "patterns"], "same", {}),
        ("Cast", ["same"], "counted", {"to": 1}),
        ("GlobalAveragePool", ["counted"], "seen", {}),
    ]
    constants = {
        "neighbours": neighbours(), "nothing": np.float32(0.01),
        "powers": (2.0 ** np.arange(8)).astype(np.float32).reshape(1, 8, 1, 1),
        "patterns": np.arange(256, dtype=np.float32).reshape(1, 256, 1, 1),
    }  # fmt: skip
    return with_line(given, nodes, constants)


def gradients(given: Given) -> bytes:
    """Oriented gradients in 5 x 5 cells (as HOG, Dalal and Triggs, 2005): sixteen directions, each cut at 0."""
    angles = np.arange(16) * (2 * np.pi / 16)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32) / 8
    turned = np.cos(angles)[:, None, None] * sobel + np.sin(angles)[:, None, None] * sobel.T
    kernels = np.repeat(turned[:, None], 3, axis=1).astype(np.float32) / 3
    nodes: list[Node] = [
        ("Conv", ["pixels", "kernels"], "along", {"pads": [1, 1, 1, 1]}),
        ("Relu", ["along"], "edges", {}),
        ("AveragePool", ["edges"], "seen", {"kernel_shape": [8, 8], "strides": [8, 8]}),
    ]
    return with_line(given, nodes, {"kernels": kernels})


def patches(given: Given) -> bytes:
    """Patches by k-means (Coates et al., AISTATS 2011): whitened, cut at a threshold, summed over quarters."""
    from sklearn.cluster import MiniBatchKMeans

    pixels = pictures(given.public, SIDE, *FOLDERS).pixels.float() / 255
    which, rows, columns = (given.rng.integers(0, most, SEEN) for most in (len(pixels), *[SIDE - PATCHES] * 2))
    cut = np.stack(
        [
            pixels[i, :, r : r + PATCHES, c : c + PATCHES].numpy().ravel()
            for i, r, c in zip(which, rows, columns, strict=True)
        ]
    )
    scale = np.sqrt(cut.var(axis=1, keepdims=True) + 0.01)
    cut = (cut - cut.mean(axis=1, keepdims=True)) / scale
    values, vectors = np.linalg.eigh(np.cov(cut.T))
    whiten = vectors @ np.diag(1 / np.sqrt(np.maximum(values, 0) + 0.1)) @ vectors.T
    found = MiniBatchKMeans(FILTERS, random_state=0, n_init=1, batch_size=2048).fit(cut @ whiten).cluster_centers_
    kernels = found / np.linalg.norm(found, axis=1, keepdims=True) @ whiten
    kernels -= kernels.mean(axis=1, keepdims=True)
    nodes: list[Node] = [
        ("Conv", ["pixels", "kernels"], "alike", {}),
        ("Sub", ["alike", "least"], "over", {}),
        ("Relu", ["over"], "kinds", {}),
        ("AveragePool", ["kinds"], "seen", {"kernel_shape": [17, 17], "strides": [17, 17]}),
    ]
    shaped = (kernels * 4).astype(np.float32).reshape(-1, 3, PATCHES, PATCHES)
    return with_line(given, nodes, {"kernels": shaped, "least": np.float32(0.5)})


# The teacher cut down


class Headed(nn.Module):
    """Some layers for pixels, the mean and the maximum of their map, and a line."""

    def __init__(self, body: nn.Module, pixels: Tensor, wanted: Tensor) -> None:
        super().__init__()
        self.body = body.eval()
        weights, bias = line(batches(nn.Sequential(self.body), pixels), wanted)
        self.head = nn.Linear(*weights.shape)
        with torch.no_grad():
            self.head.weight.copy_(weights.T)
            self.head.bias.copy_(bias)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(pixels))
        return out


class Body(nn.Module):
    """The first stages of a teacher: the means of what the last of them sees, and its maxima where `most`."""

    def __init__(self, teacher: Teacher, stages: int, most: bool) -> None:
        super().__init__()
        self.stages, self.most = nn.Sequential(*list(teacher.body)[:stages]), most

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.stages(4 * pixels - 2)
        return torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1) if self.most else x.mean((2, 3))


def two_stages(given: Given) -> bytes:
    """The teacher without its last stage."""
    body = Body(load(given.public / TEACHER_FILE), 2, most=True)
    return exported(Headed(body, *taught(given)), STUDENT)


def settled(network: nn.Module, pixels: Tensor) -> nn.Module:
    """The network with means and variances of its normalisations found anew."""
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # the mean over all batches
    network.train()
    batches(network, pixels)
    return network.eval()


def narrowed(given: Given) -> bytes:
    """The channels with the largest weights (Li et al., arXiv 1608.08710), without training, normalised anew."""
    pixels, wanted = taught(given)
    large, small = load(given.public / TEACHER_FILE), Teacher(widths := (16, 28, 56))
    before: Tensor = torch.arange(3)
    for stage, copy, width in zip(large.body, small.body, widths, strict=True):
        convs = [one for one in stage.modules() if isinstance(one, nn.Conv2d)]
        shared = [convs[0], *convs[2:]]  # what is added up has the same channels
        size = torch.stack([one.weight.abs().mean((1, 2, 3)) for one in shared]).sum(0)
        kept = size.topk(width).indices.sort().values
        inner = convs[1].weight.abs().mean((1, 2, 3)).topk(width).indices.sort().values if convs[1:] else kept
        places = [(kept, before), (inner, kept), (kept, inner)][: len(convs)]
        pairs = (
            [one for one in network.modules() if isinstance(one, nn.Conv2d | nn.BatchNorm2d)]
            for network in (stage, copy)
        )
        with torch.no_grad():
            for number, (theirs, mine) in enumerate(zip(*pairs, strict=True)):
                out, into = places[number // 2]
                if isinstance(theirs, nn.Conv2d):
                    mine.weight.copy_(theirs.weight[out][:, into])
                else:
                    mine.weight.copy_(theirs.weight[out])
                    mine.bias.copy_(theirs.bias[out])
        before = kept
    body = settled(Body(small, 3, most=False), pixels)
    return exported(Headed(body, pixels, wanted), STUDENT)


RANKS = {(32, 64): 10, (64, 64): 12, (64, 128): 16, (128, 128): 24}


def low_rank(given: Given) -> bytes:
    """Each convolution as two of low rank (Denton et al., arXiv 1404.0736), without training, normalised anew."""
    pixels, wanted = taught(given)
    teacher = load(given.public / TEACHER_FILE)
    for holder in [one for one in teacher.modules() if isinstance(one, nn.Sequential)]:
        conv = holder[0]
        if not isinstance(conv, nn.Conv2d) or (rank := RANKS.get((conv.in_channels, conv.out_channels))) is None:
            continue
        u, s, v = torch.linalg.svd(conv.weight.flatten(1), full_matrices=False)
        first = nn.Conv2d(conv.in_channels, rank, 3, conv.stride, 1, bias=False)  # type: ignore[arg-type]
        second = nn.Conv2d(rank, conv.out_channels, 1, bias=False)
        with torch.no_grad():
            first.weight.copy_((s[:rank, None] * v[:rank]).reshape(first.weight.shape))
            second.weight.copy_(u[:, :rank, None, None])
        holder[0] = nn.Sequential(first, second)
    body = settled(Body(teacher, 3, most=False), pixels)
    return exported(Headed(body, pixels, wanted), STUDENT)


def whole(given: Given) -> bytes:
    return exported(load(given.public / TEACHER_FILE), STUDENT)


def untrained(given: Given) -> bytes:
    torch.manual_seed(given.seed)
    return exported(Student(Config("separable", (32, 64, 128)), len(CLASSES)), STUDENT)


def all_labels(given: Given) -> bytes:
    """The sample's student from all labels, those of validation too, turned, for as long as medium learns."""
    folder = given.scratch / "public"
    shutil.copytree(given.public, folder)
    for path in (folder / LAYOUT.validation_folder).rglob("*.jpg"):
        shutil.copy(path, folder / LAYOUT.training_folder / path.parent.name / f"{path.stem}v.jpg")
    return trained_on(folder, given, "simple", "turns=quarters", "schedule=cosine", "epochs=240")


# Other data, and what no student has


def of_another_key(given: Given) -> bytes:
    """Strong, with as many steps, among pictures of another key that the teacher names."""
    folder = given.scratch / "public"
    shutil.copytree(given.public, folder)
    streams, kinds = given.other_streams(), len(CLASSES)
    kitchen = draw_kitchen(streams.generator("kitchen"), kinds, world.RECIPES)
    drawn = world.draw_part(kitchen, streams.within("unlabelled"), np.arange(OTHERS) % kinds, None)
    for number, data in enumerate(drawn):
        (folder / LAYOUT.unlabelled_folder / f"v_{number:05d}.jpg").write_bytes(data)
    return trained_on(folder, given, "strong", "epochs=7", "warmup=1")


def trained_on(public: Path, given: Given, level: str, *overrides: str) -> bytes:
    run = given.scratch / "run"
    return train_level(given.name, level, public, run, seed=given.seed, device="cpu", overrides=overrides).read_bytes()


def the_teacher(given: World, streams: Streams, size: str) -> Columns:
    """What the teacher names, which is too large to be handed in."""
    images = torch.from_numpy(np.load(given.secret.folder / PICTURES_FILE)).permute(0, 3, 1, 2)
    return {TARGET: batches(load(given.public / TEACHER_FILE), images).argmax(1).numpy()}


REFERENCES = (Reference("the teacher itself, whatever its size", the_teacher),)
TRICKS = (
    Trick("class 0 always", NO_LEARNING, lambda given: world.brightness()),
    Trick("a student without training", NO_LEARNING, untrained),
    Trick("the teacher itself", NO_LEARNING, whole),
    Trick("all labels, turned", PUBLIC_DATA, all_labels, long=True),
    Trick("a line on thumbnails", PUBLIC_DATA, thumbnails),
    Trick("a line on local binary patterns", PUBLIC_DATA, binary_patterns),
    Trick("a line on oriented gradients", PUBLIC_DATA, gradients),
    Trick("a line on k-means patches", PUBLIC_DATA, patches),
    Trick("the teacher without its last stage, and a line", PUBLIC_DATA, two_stages),
    Trick("the teacher with fewer channels, and a line", PUBLIC_DATA, narrowed),
    Trick("the teacher in low rank, and a line", PUBLIC_DATA, low_rank),
    Trick("strong with pictures of another key", OTHER_DATA, of_another_key, long=True),
)
