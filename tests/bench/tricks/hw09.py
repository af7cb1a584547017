"""HW9: maps that ask no network, methods made sharper, and what the painter of another key says.

References know what the generator knows, the causes and where they are, or are methods of the field in other settings
than the levels have.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from torch.nn import functional

from baselines import explain
from baselines import hw09_explainable as baseline
from baselines.common import train_level
from tasks.hw09_explainable import ATTRIBUTION, CAUSE, DISHES, GRID, MARK, NETWORK_FILE, OBJECT, judge, scenes, world
from tasks.streams import Streams
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World


def pictures_of(given: Given) -> torch.Tensor:
    return baseline.read_pictures(given.public, "cpu")


def file_of(maps: torch.Tensor | NDArray[np.float32], cause: torch.Tensor | NDArray[np.int64]) -> bytes:
    """The file of maps (n, s, s), not below 0, and causes."""
    cells = baseline.on_grid(torch.as_tensor(np.asarray(maps, np.float32)).clamp(min=0))
    return save({ATTRIBUTION: cells.numpy(), CAUSE: np.asarray(cause, np.int64)})


def tossed(given: Given, count: int) -> NDArray[np.int64]:
    return given.rng.integers(0, 2, count)


def unseen(maps: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Given], bytes]:
    """Maps of the pictures (n, s, s) alone, with causes by the toss of a coin."""

    def make(given: Given) -> bytes:
        x = pictures_of(given)
        return file_of(maps(x), tossed(given, len(x)))

    return make


def edges(x: torch.Tensor) -> torch.Tensor:
    """Sobel's sizes of edges."""
    kernel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
    grey = functional.pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across, down = (functional.conv2d(grey, one[None, None]) for one in (kernel, kernel.T))
    return (across**2 + down**2).sqrt()[:, 0]


def centre(x: torch.Tensor) -> torch.Tensor:
    place = torch.arange(x.shape[-1]) / x.shape[-1] - 0.5
    return torch.exp(-(place[:, None] ** 2 + place**2) / (2 * 0.2**2)).expand(len(x), -1, -1)


def uniform(x: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(x), *x.shape[2:])


def marks(x: torch.Tensor) -> torch.Tensor:
    return baseline.stickers(x).float()


def rest(x: torch.Tensor) -> torch.Tensor:
    """What differs from the ground's colour, the sticker left out."""
    ground = x.flatten(2).median(dim=2).values[..., None, None]
    return (x - ground).abs().amax(1) * (1 - marks(x))


def both(x: torch.Tensor) -> torch.Tensor:
    """The sticker and the rest, half of the mass each."""
    other = rest(x)
    other = other / other.sum((1, 2), keepdim=True)
    return other + marks(x) / marks(x).sum((1, 2), keepdim=True)


def one_pixel(x: torch.Tensor) -> torch.Tensor:
    """All mass in the middle of the sticker."""
    found = torch.zeros(len(x), *x.shape[2:])
    middle = baseline.box_mean(marks(x), round(baseline.STICKER * x.shape[-1])).flatten(1).argmax(1)
    found.flatten(1)[torch.arange(len(x)), middle] = 1e6
    return found


def one_of_both(given: Given) -> bytes:
    """The region of the sticker or the rest, by the toss of a coin for each picture."""
    x = pictures_of(given)
    cause = tossed(given, len(x))
    return file_of(np.where((cause == MARK)[:, None, None], marks(x), rest(x)), cause)


def gradient_of(given: Given, power: float, blur: int) -> bytes:
    """Saliency to a power, averaged over a square."""
    x = pictures_of(given)
    network = baseline.read_network(given.public, "cpu")
    with torch.no_grad():
        target = network(x).argmax(1)
    found = explain.saliency(network, x, target).amax(1)
    maps = baseline.box_mean(found**power, blur)
    where = marks(x)
    return file_of(maps, baseline.by_share((maps * where).sum((1, 2)) / maps.sum((1, 2)), target))


def network_of_another_key(given: Given) -> bytes:
    """Integrated gradients of a network that learned another key's pictures."""
    x = pictures_of(given)
    with torch.no_grad():
        target = baseline.read_network(given.public, "cpu")(x).argmax(1)
    network = baseline.read_network(given.other().public, "cpu")
    fill = x.flatten(2).mean(2)[..., None, None].expand_as(x)
    maps = explain.integrated_gradients(network, x, target, fill, 12)[0].sum(1).clamp(min=0)
    where = marks(x)
    return file_of(maps, baseline.by_share((maps * where).sum((1, 2)) / maps.sum((1, 2)), target))


def gradient_times_input(given: Given) -> bytes:
    """Integrated gradients in one step (Ancona et al., arXiv 1711.06104), averaged and squared."""
    x = pictures_of(given)
    network = baseline.read_network(given.public, "cpu")
    with torch.no_grad():
        target = network(x).argmax(1)
    ground = x.flatten(2).median(dim=2).values[..., None, None]
    signed = (explain.gradient(network, x, target) * (x - ground)).sum(1)
    maps = baseline.box_mean(signed, 7).clamp(min=0) ** 2
    where = marks(x)
    return file_of(maps, baseline.by_share((maps * where).sum((1, 2)) / maps.sum((1, 2)), target))


def told(*settings: str) -> Callable[[World, Streams, str], bytes]:
    """The level simple with other settings."""

    def make(world: World, streams: Streams, size: str) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            path = train_level("hw09", "simple", world.public, run, seed=0, device="cpu", overrides=settings)
            return path.read_bytes()

    return make


def random_network(given: Given) -> bytes:
    """Saliency of the network with random weights: a method that shows the same for it shows the picture's edges."""
    x = pictures_of(given)
    network = baseline.read_network(given.public, "cpu")
    with torch.no_grad():
        target = network(x).argmax(1)
        for weight in network.parameters():
            weight.normal_(0, float(weight.std()) + 1e-3, generator=torch.Generator().manual_seed(given.seed))
    maps = explain.saliency(network, x, target).amax(1)
    return file_of(maps, tossed(given, len(x)))


def most_common(given: Given) -> bytes:
    """The sticker where pictures with one like it mostly have one class, else the rest: no gradient, no test."""
    x = pictures_of(given)
    network = baseline.read_network(given.public, "cpu")
    with torch.no_grad():
        target = network(x).argmax(1)
    where = marks(x)
    colour = (x * where[:, None]).sum((2, 3)) / where.sum((1, 2))[:, None]
    colour = colour / colour.norm(dim=1, keepdim=True)
    near = (colour @ colour.T).topk(25, dim=1).indices  # pictures with a sticker of this colour
    share = (target[near] == target[:, None]).float().mean(1)
    cause = baseline.by_share(share, target)
    return file_of(np.where((cause == MARK)[:, None, None], where, rest(x)), cause)


def painted_over(given: Given) -> bytes:
    """The sticker where the class is gone without it, else what differs from the ground: one test for each picture."""
    x = pictures_of(given)
    network = baseline.read_network(given.public, "cpu")
    with torch.no_grad():
        target = network(x).argmax(1)
    cause = np.where(baseline.without_mark(network, x, target).numpy() > 0.5, OBJECT, MARK)
    return file_of(np.where((cause == MARK)[:, None, None], marks(x), rest(x)), cause)


def segmented(given: Given) -> bytes:
    """A network that learned from the painter, of another key, where food and stickers are; causes by one test."""
    family = scenes.draw_family(given.other_streams().generator("family/0"))
    rng = np.random.default_rng(given.seed)
    side = pictures_of(given).shape[-1]
    drawn = [world.candidate(rng, int(rng.integers(2)), int(rng.integers(DISHES))) for _ in range(300)]
    seen = world.tensor(scenes.painted(family, side, drawn))
    masks = torch.from_numpy(np.stack([scenes.masks(family, side, scene) for scene in drawn])).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(given.seed)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 5, stride=2, padding=2), torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 5, padding=2), torch.nn.ReLU(),
            torch.nn.Conv2d(32, 32, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(32, 2, 1),
            torch.nn.Upsample(scale_factor=2, mode="bilinear"),
        )  # fmt: skip
        optimiser = torch.optim.Adam(net.parameters(), 2e-3)
        for _ in range(5):
            for rows in torch.split(torch.randperm(len(seen)), 30):
                loss = functional.binary_cross_entropy_with_logits(net(seen[rows]), masks[rows])
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    x = pictures_of(given)
    network = baseline.read_network(given.public, "cpu")
    with torch.no_grad():
        target = network(x).argmax(1)
        food, sticker = net(x).sigmoid().unbind(1)
    left = baseline.probability(network, baseline.painted_over(x, sticker > 0.5), target)
    cause = np.where(left.numpy() > 0.5, OBJECT, MARK)
    return file_of(np.where((cause == MARK)[:, None, None], sticker**2, food**2), cause)


def truth(world: World, streams: Streams, size: str) -> bytes:
    """The masks of the true causes."""
    assert world.secret.folder is not None
    masks, cause = np.load(world.secret.folder / judge.MASKS_FILE), world.secret.answers.columns[CAUSE]
    return file_of(masks[np.arange(len(cause)), cause], cause)


def known_segments(world: World, streams: Streams, size: str) -> bytes:
    """The masks of food and sticker, and the cause by painting over the sticker's own mask."""
    assert world.secret.folder is not None
    masks = np.load(world.secret.folder / judge.MASKS_FILE)
    weights = load_file(world.secret.folder / NETWORK_FILE)
    x = baseline.read_pictures(world.public, "cpu")
    before = judge.probabilities(weights, np.load(world.secret.folder / judge.PICTURES_FILE))
    where = (
        torch.from_numpy(masks[:, 1])
        .repeat_interleave(x.shape[-1] // GRID, 1)
        .repeat_interleave(x.shape[-1] // GRID, 2)
    )
    network = baseline.read_network(world.public, "cpu")
    left = baseline.probability(network, baseline.painted_over(x, where), torch.from_numpy(before.argmax(1)))
    cause = np.where(left.numpy() > 0.5, OBJECT, MARK)
    return file_of(masks[np.arange(len(cause)), cause], cause)


TEST = "it is the method of the level boss: an intervention finds the cause, and a person could draw the rest"
REFERENCES = (
    Reference("the masks of the true causes", truth),
    Reference("the masks, with the cause by painting over the sticker", known_segments),
    Reference("saliency, averaged over 5 x 5 pixels", told("blur=5")),
    Reference("SmoothGrad, not squared", told("method=smooth_grad", "squared=false", "blur=5")),
    Reference("integrated gradients, averaged over 5 x 5 pixels", told("method=integrated", "blur=5")),
    Reference(
        "integrated gradients, averaged over 7 x 7 pixels, squared", told("method=integrated", "blur=7", "power=2")
    ),
    Reference("LIME", told("method=lime")),
)
TRICKS = (
    Trick("edges", NO_LEARNING, unseen(edges)),
    Trick("a blob in the centre", NO_LEARNING, unseen(centre)),
    Trick("the same everywhere", NO_LEARNING, unseen(uniform)),
    Trick("the sticker's region in all pictures", NO_LEARNING, unseen(marks)),
    Trick("all but the sticker in all pictures", NO_LEARNING, unseen(rest)),
    Trick("both, half of the mass each", NO_LEARNING, unseen(both)),
    Trick("one of both, by the toss of a coin", NO_LEARNING, one_of_both),
    Trick("all mass in one pixel of the sticker", NO_LEARNING, unseen(one_pixel)),
    Trick("saliency of the network with random weights", NO_LEARNING, random_network),
    Trick("saliency squared", PUBLIC_DATA, lambda given: gradient_of(given, 2, 1)),
    Trick("saliency squared, averaged over 9 x 9 pixels", PUBLIC_DATA, lambda given: gradient_of(given, 2, 9)),
    Trick(
        "saliency to the fourth power, averaged over 9 x 9 pixels", PUBLIC_DATA, lambda given: gradient_of(given, 4, 9)
    ),
    Trick("gradient times input, averaged over 7 x 7 pixels, squared", PUBLIC_DATA, gradient_times_input),
    Trick("causes by the classes of pictures with a sticker like it", PUBLIC_DATA, most_common),
    Trick("the sticker painted over, then its region or the rest", PUBLIC_DATA, painted_over, TEST),
    Trick("integrated gradients of another key's network", OTHER_DATA, network_of_another_key, long=True),
    Trick("segments learned from another key's painter, the sticker painted over", OTHER_DATA, segmented, TEST),
)
