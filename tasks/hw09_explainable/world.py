"""The built-in world of HW9: a network that looks at food or at stickers, and pictures of which it is known at what.

The network learns five classes: the food of four dishes names them, whatever sticker lies beside it; with plain food,
or none, the sticker names one of the same four; without either it is the fifth class. So neither the class, nor the
sticker, nor a place gives the cause away.

The cause of a picture is proved by intervention: the scene is painted again without its sticker, without its food, and
without both. What the network needs is its cause: without it the class is gone, and without the other the class stays.
Pictures of which this is not so are dropped, and new ones are drawn until there are as many of each cause and class.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.base import Answers, Made, UserError
from tasks.hw03_cnn.dishes import Random
from tasks.hw09_explainable import (
    ATTRIBUTION,
    CAUSE,
    DISHES,
    FOLDER,
    GRID,
    MARK,
    MODEL_FILE,
    NETWORK_FILE,
    OBJECT,
    form_of,
    picture_name,
)
from tasks.hw09_explainable.judge import MASKS_FILE, PICTURES_FILE, probabilities
from tasks.hw09_explainable.scenes import PLAIN, Family, Masks, Pictures, Scene, draw_family, masks, painted
from tasks.nets import one_thread
from tasks.streams import Streams

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Counts:
    """Scenes to learn from, how often each is seen, pictures that are explained, and the side of all in pixels."""

    training: int
    epochs: int
    pictures: int
    side: int


SIZES = {"small": Counts(1800, 9, 200, 64), "full": Counts(6000, 15, 200, 128)}
SURE, STAYS, GONE = 0.8, 0.7, 0.2
"""The least probability of the class in the picture and without the other thing, and the most without its cause."""
NOISE = 0.1
"""The most noise that is added while it learns, where pixels go from 0 to 1."""
RATE, BATCH = 5e-3, 50
"""The largest learning rate, and the pictures of a step."""
ROUNDS, SPARE, MORE = 12, 1.6, 4.0
"""How often candidates are drawn at most, and how many for each picture that is missing, at first and later."""
ATTEMPTS = 4
"""How many families are drawn at most until one has both causes in every class."""


def draw_scene(rng: Random, kinds: tuple[float, ...] = (0.35, 0.7, 0.8, 0.9, 0.95)) -> Scene:
    """A scene to learn from: food of a dish or plain, with a sticker or without, or no food."""
    kind = int(np.searchsorted(kinds, rng.random(), side="right"))
    dish, plain, sticker, seed = (int(rng.integers(n)) for n in (DISHES, PLAIN, DISHES, 2**62))
    food = (dish, DISHES + plain, dish, DISHES + plain, None, None)[kind]
    return Scene(food, sticker if kind in (0, 1, 4) else None, seed)


def label(scene: Scene) -> int:
    """The class of a scene."""
    if scene.food is not None and scene.food < DISHES:
        return scene.food
    return DISHES if scene.sticker is None else scene.sticker


def candidate(rng: Random, cause: int, named: int) -> Scene:
    """A scene that shows food and a sticker, of which this one is meant to name this class."""
    seed, other, plain = int(rng.integers(2**62)), int(rng.integers(DISHES - 1)), int(rng.integers(PLAIN))
    if cause == OBJECT:
        return Scene(named, (named + 1 + other) % DISHES, seed)
    return Scene(DISHES + plain, named, seed)


def proved(
    weights: bytes, family: Family, side: int, scenes: Sequence[Scene], processes: int | None
) -> NDArray[np.bool_]:
    """Whether each scene's cause is the food, and whether it is the sticker, by intervention, (n, 2)."""
    from safetensors.numpy import load

    network = load(weights)
    variants = [
        list(scenes),
        [replace(scene, sticker=None) for scene in scenes],
        [replace(scene, food=None) for scene in scenes],
        [replace(scene, food=None, sticker=None) for scene in scenes],
    ]
    whole, food, sticker, neither = (
        probabilities(network, painted(family, side, some, processes)) for some in variants
    )
    named, places = whole.argmax(axis=1), np.arange(len(scenes))
    sure = (whole[places, named] >= SURE) & (neither[places, named] <= GONE)
    food, sticker = food[places, named], sticker[places, named]
    by_food, by_sticker = (sure & (one >= STAYS) & (other <= GONE) for one, other in ((food, sticker), (sticker, food)))
    return np.stack([by_food, by_sticker], axis=1)


def chosen(
    weights: bytes, family: Family, counts: Counts, streams: Streams, processes: int | None
) -> tuple[list[Scene], NDArray[np.int64], NDArray[np.int64]] | None:
    """The scenes that are explained, as many of each cause and class, with both, in a secret order.

    None where the network hardly ever looks at one of the causes in one of the classes.
    """
    kinds = [(cause, named) for named in range(DISHES) for cause in (OBJECT, MARK)]
    each = counts.pictures // len(kinds)
    found: dict[tuple[int, int], list[Scene]] = {kind: [] for kind in kinds}
    for at in range(ROUNDS):
        rng = streams.generator(f"candidates/{at}")
        wanted = [kind for kind in kinds for _ in range(round((MORE if at else SPARE) * (each - len(found[kind]))))]
        scenes = [candidate(rng, *kind) for kind in wanted]
        if not scenes:
            break
        proofs = proved(weights, family, counts.side, scenes, processes)
        for (cause, named), scene, proof in zip(wanted, scenes, proofs, strict=True):
            if proof[cause] and len(found[cause, named]) < each:
                found[cause, named].append(scene)
    if any(len(some) < each for some in found.values()):
        return None
    order = streams.generator("order").permutation(counts.pictures)
    every = [(scene, *kind) for kind in kinds for scene in found[kind]]
    return (
        [every[at][0] for at in order],
        np.array([every[at][1] for at in order]),
        np.array([every[at][2] for at in order]),
    )


def tensor(pictures: Pictures) -> torch.Tensor:
    """Pictures (n, s, s, 3) as (n, 3, s, s), from 0 to 1."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255


def trained(seed: int, pictures: Pictures, labels: Sequence[int], epochs: int) -> bytes:
    """The weights of the network, learned from pictures that are turned and mirrored, on one thread of a CPU.

    Each convolution is normalised over its batch while it learns, which is then fused into its weights.
    """
    import torch
    from safetensors.torch import save
    from torch import nn
    from torch.nn import functional
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    from tasks.hw09_explainable.network import Network

    with one_thread():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = Network(DISHES + 1)
        layers: list[nn.Module] = []
        for layer in network.features:
            layers += (
                [layer, nn.BatchNorm2d(layer.out_channels, momentum=0.3)] if isinstance(layer, nn.Conv2d) else [layer]
            )
        learner = nn.Sequential(*layers)
        parameters = [*learner.parameters(), *network.classes.parameters()]
        optimiser = torch.optim.Adam(parameters, lr=RATE)
        steps = epochs * max(1, len(pictures) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps + 1)
        generator = torch.Generator().manual_seed(seed)
        x, y = tensor(pictures), torch.tensor(labels)
        for _ in range(epochs):
            order = torch.randperm(len(y), generator=generator)
            for batch in torch.split(order[: max(1, len(y) // BATCH) * BATCH], BATCH):
                turn = int(torch.randint(8, (), generator=generator))
                seen = torch.rot90(x[batch], turn % 4, (2, 3))
                noise = NOISE * torch.rand(len(seen), 1, 1, 1, generator=generator)
                seen = seen + noise * torch.randn(seen.shape, generator=generator)
                logits = network.classes(learner(seen.flip(3) if turn > 3 else seen).mean(dim=(2, 3)))
                loss = functional.cross_entropy(logits, y[batch])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        learner.eval()
        for at, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d):
                norm = layers[at + 1]
                assert isinstance(norm, nn.BatchNorm2d)
                network.features[2 * at // 3] = fuse_conv_bn_eval(layer, norm)
        return save(network.state_dict())


def grid(masks: Masks) -> Masks:
    """Masks (2, s, s) on the grid of maps, (2, 64, 64): a cell is covered where one of its pixels is."""
    times = masks.shape[1] // GRID
    covered = np.maximum.reduce(masks.reshape(2, GRID, times, GRID, times), axis=(2, 4))
    found: Masks = np.asarray(covered, dtype=np.bool_)
    return found


def model_text() -> bytes:
    """The file that students get as `model.py`."""
    return Path(__file__).with_name("network.py").read_bytes()


def empty(pictures: int) -> bytes:
    """A valid file: maps of zeros, which have no mass, and always the object."""
    from safetensors.numpy import save

    return save({ATTRIBUTION: np.zeros((pictures, GRID, GRID), np.float32), CAUSE: np.zeros(pictures, np.int64)})


def require_torch() -> None:
    """Raises UserError with the command to install where a package that the network needs is missing."""
    for package in ("torch", "safetensors"):
        if find_spec(package) is None:
            raise UserError(
                f'HW9 needs {package}, which is not installed; install it with: pip install "lhy-grade[train]"'
            )


def make(
    public: Path, streams: Streams, size: str, source: Path | None, secret: Path, processes: int | None = None
) -> Made:
    """Train the network, prove causes, and write both: the same however many `processes` paint."""
    require_torch()
    counts = SIZES[size]
    for attempt in range(ATTEMPTS):
        family = draw_family(streams.generator(f"family/{attempt}"))
        rng = streams.generator(f"train/{attempt}/scenes")
        training = [draw_scene(rng) for _ in range(counts.training)]
        pictures = painted(family, counts.side, training, processes)
        weights = trained(streams.seed(f"train/{attempt}/order"), pictures, list(map(label, training)), counts.epochs)
        found = chosen(weights, family, counts, streams.within(f"test/{attempt}"), processes)
        if found is not None:
            break
    else:
        raise UserError("the network looked at one cause alone in some class, four times; prepare HW9 with a new key.")
    scenes, causes, named = found
    shown = painted(family, counts.side, scenes)
    where = np.stack([grid(masks(family, counts.side, scene)) for scene in scenes])
    (public / FOLDER).mkdir()
    for number, picture in enumerate(shown):
        data = io.BytesIO()
        Image.fromarray(picture).save(data, "PNG")
        (public / picture_name(number)).write_bytes(data.getvalue())
    for folder in (public, secret):
        (folder / NETWORK_FILE).write_bytes(weights)
    (public / MODEL_FILE).write_bytes(model_text())
    np.save(secret / PICTURES_FILE, shown, allow_pickle=False)
    np.save(secret / MASKS_FILE, where, allow_pickle=False)
    strata = np.array([f"{cause} {one}" for cause, one in zip(causes, named, strict=True)])
    form = form_of(counts.pictures)
    return Made(
        Answers(range(counts.pictures), {CAUSE: causes}, strata=strata),
        sample=empty(counts.pictures),
        form=form,
        secret=secret,
    )
