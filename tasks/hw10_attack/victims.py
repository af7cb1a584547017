"""The networks that `prepare` trains for HW10: three that students get, and three of the black box with its defence.

Training is deterministic by seed on one thread of a CPU. The black box is the mean of what its networks say, each of
which may see the pictures through a passive defence, as in Guo et al., Countering Adversarial Images Using Input
Transformations, arXiv 1711.00117.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch.nn import functional

from tasks.base import Columns, Judged
from tasks.formats import Format, ImagesFormat
from tasks.hw10_attack import EACH, PROXIES_FOLDER, networks
from tasks.nets import one_thread
from tasks.processes import mapped
from tasks.streams import Streams

Pictures = NDArray[np.uint8]
Labels = NDArray[np.int64]

BATCH, ROWS = 25, 50
"""Pictures of a step in training, and of every batch that is named."""
QUALITY = 75
"""Of the defence's JPEG."""
LITTLE = 20_000
"""Pictures in all epochs of all networks, from which on several processes train them."""


@dataclass(frozen=True)
class Victim:
    """A network, how it is trained, and through what it sees."""

    name: str
    kind: str
    widths: tuple[int, ...]
    noise: float = 0.0  # the strongest noise that is added in training
    defence: Literal["none", "jpeg", "blur"] = "none"


PROXIES = (
    Victim("1_plain", "plain", (16, 32, 64)),
    Victim("2_residual", "residual", (16, 32, 64)),
    Victim("3_smooth", "smooth", (16, 32, 64)),
)
HIDDEN = (
    Victim("4_plain", "plain", (24, 32, 48)),
    Victim("5_residual", "residual", (24, 32, 48), noise=0.06),
    Victim("6_smooth", "smooth", (24, 40, 48), defence="jpeg"),
)


@dataclass(frozen=True)
class Training:
    """What one network is trained on: pictures (n, s, s, 3) and labels (n,), for so many epochs, from a seed."""

    victim: Victim
    images: Pictures
    labels: Labels
    epochs: int
    seed: int
    wider: int = 1


def prepared(images: Pictures) -> torch.Tensor:
    """Pictures (n, s, s, 3) as numbers from 0 to 1, (n, 3, s, s), whose colours lie side by side in memory."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255


def train(job: Training) -> bytes:
    """The file of a network: Adam with weight decay and one cycle of the rate, on mirrored and moved pictures.

    A network behind a defence learns from what it will see.
    """
    victim, y = job.victim, torch.from_numpy(job.labels)
    images = defended(job.images, victim.defence)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(job.seed)
        widths = [width * job.wider for width in victim.widths]
        network = networks.Network(victim.kind, widths)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        total = job.epochs * (len(y) // BATCH)
        optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=total + 1)
        for _ in range(job.epochs):
            for rows in torch.split(torch.randperm(len(y)), BATCH):
                if len(rows) < BATCH:
                    continue
                x = prepared(images[rows.numpy()])
                x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
                x = x.roll(torch.randint(-3, 4, (2,)).tolist(), (2, 3))
                if victim.noise:
                    x = x + victim.noise * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x)
                x = x.contiguous(memory_format=torch.channels_last)
                loss = functional.cross_entropy(network(x), y[rows], label_smoothing=0.05)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        return networks.dump(network)


def trained(
    streams: Streams,
    images: dict[str, Pictures],
    labels: dict[str, Labels],
    epochs: int,
    wider: int = 1,
    processes: int | None = None,
) -> dict[str, bytes]:
    """The files of all networks by name: the proxies learn from the pictures "proxies", the others from "hidden"."""
    jobs = [
        Training(one, images[part], labels[part], epochs, streams.seed(f"{part}/{one.name}"), wider)
        for part, some in (("proxies", PROXIES), ("hidden", HIDDEN))
        for one in some
    ]
    if sum(len(job.labels) for job in jobs) * epochs < LITTLE:
        processes = 1
    return dict(zip([job.victim.name for job in jobs], mapped(train, jobs, processes), strict=True))


# What they say


def defended(images: Pictures, defence: str) -> Pictures:
    """Pictures as a network behind a passive defence sees them: through JPEG, or a little blurred."""
    if defence == "none":
        return images
    seen = np.empty_like(images)
    for place, image in enumerate(images):
        picture = Image.fromarray(image)
        if defence == "jpeg":
            stream = io.BytesIO()
            picture.save(stream, "JPEG", quality=QUALITY)
            picture = Image.open(stream)
        else:
            picture = picture.filter(ImageFilter.GaussianBlur(0.7))
        seen[place] = np.asarray(picture)
    return seen


def says(network: networks.Network, images: Pictures) -> NDArray[np.float32]:
    """What a network gives each class (n, 10), on one thread, in batches of one size."""
    found = np.empty((len(images), networks.CLASSES), np.float32)
    with one_thread(), torch.inference_mode():
        for at in range(0, len(images), ROWS):
            here = images[at : at + ROWS]
            x = np.zeros((ROWS, *images.shape[1:]), np.uint8)
            x[: len(here)] = here
            found[at : at + ROWS] = network(prepared(x)).softmax(1)[: len(here)].numpy()
    return found


def each(
    files: dict[str, bytes], some: Sequence[Victim], images: Pictures, defence: bool = True
) -> NDArray[np.float32]:
    """What each of some networks gives each class, (networks, n, 10), with or without their defences."""
    return np.stack(
        [says(networks.loads(files[one.name]), defended(images, one.defence if defence else "none")) for one in some]
    )


def black_box(files: dict[str, bytes], images: Pictures, defence: bool = True) -> NDArray[np.int64]:
    """The class that the black box names for each picture (n,)."""
    named: NDArray[np.int64] = each(files, HIDDEN, images, defence).mean(axis=0).argmax(axis=1)
    return named


def hidden_files(secret: Path) -> dict[str, bytes]:
    """The files of the hidden networks by name."""
    return {one.name: (secret / f"{one.name}.safetensors").read_bytes() for one in HIDDEN}


def write(files: dict[str, bytes], public: Path, secret: Path) -> None:
    """The proxies with the program that reads them for students, the others for the judge."""
    folder = public / PROXIES_FOLDER
    folder.mkdir()
    for one in PROXIES:
        (folder / f"{one.name}.safetensors").write_bytes(files[one.name])
    for one in HIDDEN:
        (secret / f"{one.name}.safetensors").write_bytes(files[one.name])


def votes_of(files: dict[str, bytes], images: Pictures, labels: Labels) -> NDArray[np.int64]:
    """By how many of the six networks each picture is named rightly (n,), and more where the black box does."""
    votes = each(files, (*PROXIES, *HIDDEN), images)
    right = (votes.argmax(axis=2) == labels).sum(axis=0)
    box = votes[len(PROXIES) :].mean(axis=0).argmax(axis=1) == labels
    found: NDArray[np.int64] = right + len(votes) * box
    return found


def chosen(files: dict[str, bytes], images: Pictures, labels: Labels) -> NDArray[np.int64]:
    """The places of the pictures to attack, by class: the first that all name rightly, else the black box and most."""
    votes = votes_of(files, images, labels)
    places = []
    for label in range(networks.CLASSES):
        own = np.flatnonzero(labels == label)
        places.append(own[np.argsort(-votes[own], kind="stable")[:EACH]])
    return np.concatenate(places)


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The column "right" (n,): whether the black box names the class that stands in each picture's name."""
    assert isinstance(form, ImagesFormat)
    folders = [name.partition("/")[0] for name in form.names]
    classes = list(dict.fromkeys(folders))
    labels = np.array([classes.index(folder) for folder in folders])
    return Judged({"right": black_box(hidden_files(secret), predictions["image"]) == labels})
