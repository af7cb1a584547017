"""HW10: noise, shifts, blur and other pictures within the ball; attacks on one's own networks and on another key's.

The references know the black box: they are what no student has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from baselines import hw10_attack as baseline
from tasks.formats import ImagesFormat
from tasks.hw10_attack import EACH, EPSILON, LABELS_FILE, PICTURES_FILE, TRAINING_FILE, networks, victims
from tasks.hw10_attack.pack import packed
from tasks.hw10_attack.victims import Pictures, Training, Victim
from tasks.nets import one_thread
from tasks.streams import Streams
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World

Floats = NDArray[np.float64]
LABELS = np.repeat(np.arange(10), EACH)


def pictures(public: Path) -> Pictures:
    return np.asarray(np.load(public / PICTURES_FILE, allow_pickle=False))


def within(given: Pictures, wanted: Floats | Pictures) -> Pictures:
    """The pictures of the ball that are nearest to wanted ones."""
    x = given.astype(np.int16)
    near = np.rint(wanted).clip(x - EPSILON, x + EPSILON).clip(0, 255)
    return near.astype(np.uint8)


def handed_in(given: Given, wanted: Floats | Pictures) -> bytes:
    assert isinstance(given.form, ImagesFormat)
    return packed(within(pictures(given.public), wanted), given.form)


# Without learning


def as_they_are(given: Given) -> bytes:
    return handed_in(given, pictures(given.public))


def uniform(given: Given) -> bytes:
    x = pictures(given.public)
    return handed_in(given, x + given.rng.uniform(-EPSILON - 0.49, EPSILON + 0.49, x.shape))


def signs(given: Given) -> bytes:
    x = pictures(given.public)
    return handed_in(given, x + EPSILON * given.rng.choice([-1.0, 1.0], x.shape))


def blocks(given: Given) -> bytes:
    """One sign for each 4 x 4 pixels, which JPEG and pooling keep."""
    x = pictures(given.public)
    noise = given.rng.choice([-1.0, 1.0], (len(x), x.shape[1] // 4, x.shape[2] // 4, 3))
    return handed_in(given, x + EPSILON * noise.repeat(4, axis=1).repeat(4, axis=2))


def stripes(given: Given) -> bytes:
    x = pictures(given.public)
    wave = np.where(np.arange(x.shape[2]) // 2 % 2, 1.0, -1.0)
    return handed_in(given, x + EPSILON * wave[None, None, :, None])


def colour_shift(given: Given) -> bytes:
    x = pictures(given.public)
    return handed_in(given, x + EPSILON * given.rng.choice([-1.0, 1.0], (len(x), 1, 1, 3)))


def filtered(given: Given, *filters: ImageFilter.Filter) -> bytes:
    x = pictures(given.public)
    made = []
    for one in x:
        picture = Image.fromarray(one)
        for each in filters:
            picture = picture.filter(each)
        made.append(np.asarray(picture))
    return handed_in(given, np.stack(made))


def blur(given: Given) -> bytes:
    return filtered(given, ImageFilter.GaussianBlur(1.5))


def sharpened(given: Given) -> bytes:
    return filtered(given, ImageFilter.UnsharpMask(radius=2, percent=300, threshold=0))


def shifted(given: Given) -> bytes:
    """Towards the same picture moved by two pixels."""
    return handed_in(given, np.roll(pictures(given.public), (2, 2), (1, 2)))


def flattened(given: Given) -> bytes:
    """Towards the mean colour of the picture: less contrast."""
    x = pictures(given.public)
    return handed_in(given, np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape))


def other_class(given: Given) -> bytes:
    """Towards the picture of another class that is nearest in its pixels."""
    x = pictures(given.public).astype(np.float64)
    flat = x.reshape(len(x), -1)
    far = (flat**2).sum(1)[:, None] + (flat**2).sum(1) - 2 * flat @ flat.T
    far[LABELS[:, None] == LABELS] = np.inf
    return handed_in(given, x[far.argmin(axis=1)])


def training_of_other_class(given: Given) -> bytes:
    """Towards the nearest training picture of another class."""
    x = pictures(given.public).astype(np.float64).reshape(len(LABELS), -1)
    known, labels = (np.load(given.public / name, allow_pickle=False) for name in (TRAINING_FILE, LABELS_FILE))
    flat = known.reshape(len(known), -1).astype(np.float64)
    far = (x**2).sum(1)[:, None] + (flat**2).sum(1) - 2 * x @ flat.T
    far[LABELS[:, None] == labels] = np.inf
    return handed_in(given, known[far.argmin(axis=1)])


# With networks


def attacked(x: Pictures, proxies: Sequence[networks.Network], config: baseline.Config, seed: int = 0) -> Pictures:
    """The pictures after the baseline's attack on some networks."""
    given = victims.prepared(x)
    y, generator = torch.from_numpy(LABELS), torch.Generator().manual_seed(seed)
    moved, velocity = given.clone(), torch.zeros_like(given)
    with one_thread():
        for _ in range(config.epochs):
            fresh = baseline.diverse_gradient(proxies, moved, y, config, generator)
            velocity = baseline.momentum(velocity, fresh, config.momentum)
            moved = baseline.sign_step(moved, velocity, given, config.step / 255)
    return baseline.saved(moved)


def proxies_of(public: Path) -> list[networks.Network]:
    return baseline.read_proxies(public, "cpu")


@lru_cache(maxsize=2)
def own_network(public: Path, seed: int, epochs: int = 5) -> networks.Network:
    """A network of one's own, trained from the given pictures."""
    images, labels = (np.load(public / name, allow_pickle=False) for name in (TRAINING_FILE, LABELS_FILE))
    one = Victim("own", "residual", (16, 32, 64))
    return networks.loads(victims.train(Training(one, images, labels, epochs, seed)))


def by_own(level: str) -> Callable[[Given], bytes]:
    def make(given: Given) -> bytes:
        network = own_network(given.public, given.seed)
        found = attacked(pictures(given.public), [network], baseline.LEVELS[level], given.seed)
        return handed_in(given, found)

    return make


def one_proxy(given: Given) -> bytes:
    """The boss level's attack on the first proxy alone."""
    found = attacked(pictures(given.public), proxies_of(given.public)[:1], baseline.LEVELS["boss"], given.seed)
    return handed_in(given, found)


def universal(given: Given) -> bytes:
    """One pattern for all pictures of a class: the sign of their mean gradient (Moosavi-Dezfooli, arXiv 1610.08401)."""
    x = pictures(given.public)
    proxies, y, unused = proxies_of(given.public), torch.from_numpy(LABELS), torch.Generator()
    start = victims.prepared(x)
    pattern = torch.zeros(10, *start.shape[1:])
    with one_thread():
        for _ in range(20):
            way = baseline.diverse_gradient(proxies, (start + pattern[y]).clamp(0, 1), y, baseline.Config(), unused)
            mean = torch.stack([way[y == label].mean(0) for label in range(10)])
            pattern = (pattern + 1 / 255 * mean.sign()).clamp(-baseline.EPSILON, baseline.EPSILON)
    return handed_in(given, baseline.saved((start + pattern[y]).clamp(0, 1)))


# Other data


def other_black_box(given: Given) -> bytes:
    """The boss level's attack on the six networks of another key."""
    other = given.other()
    files = victims.hidden_files(other.secret.folder)
    known = [networks.loads(data) for data in files.values()]
    found = attacked(pictures(given.public), [*proxies_of(other.public), *known], baseline.LEVELS["boss"], given.seed)
    return handed_in(given, found)


def with_other_black_box(given: Given) -> bytes:
    """The boss level's attack on the given proxies and the black box of another key."""
    files = victims.hidden_files(given.other().secret.folder)
    known = [*proxies_of(given.public), *(networks.loads(data) for data in files.values())]
    return handed_in(given, attacked(pictures(given.public), known, baseline.LEVELS["boss"], given.seed))


# What no student has


def white_box(world: World, streams: Streams, size: str) -> bytes:
    """Forty steps on the black box itself; the defence is passed straight through (BPDA, arXiv 1802.00420)."""
    x = pictures(world.public)
    known = [networks.loads(data) for data in victims.hidden_files(world.secret.folder).values()]
    found = attacked(x, known, baseline.Config(epochs=40, step=0.8, momentum=1.0))
    form = world.secret.competition.format
    assert isinstance(form, ImagesFormat)
    return packed(within(x, found), form)


def method(**changes: float) -> Callable[[World, Streams, str], bytes]:
    """The level strong with other settings: what each part of it adds."""

    def make(world: World, streams: Streams, size: str) -> bytes:
        config = replace(baseline.LEVELS["strong"], **changes)  # type: ignore[arg-type]
        x, form = pictures(world.public), world.secret.competition.format
        assert isinstance(form, ImagesFormat)
        return packed(within(x, attacked(x, proxies_of(world.public), config)), form)

    return make


OWN = "networks of one's own are a sound method of the field, and allowed"
MORE = (
    "it is the level boss on six networks in place of three: more networks carry an attack further, also those of"
    " another key. The sheet forbids them; nothing in the file shows them"
)
REFERENCES = (
    Reference("white box: gradients of the hidden networks", white_box),
    Reference("MI-FGSM without copies", method(moves=0)),
    Reference("MI-FGSM with resized copies as published (DI-FGSM)", method(moves=0, diversity=0.7)),
    Reference("strong without momentum", method(momentum=0.0)),
)
TRICKS = (
    Trick("the pictures as they are", NO_LEARNING, as_they_are),
    Trick("uniform noise", NO_LEARNING, uniform),
    Trick("noise of plus and minus 8", NO_LEARNING, signs),
    Trick("plus and minus 8 in blocks of 4 x 4", NO_LEARNING, blocks),
    Trick("stripes of plus and minus 8", NO_LEARNING, stripes),
    Trick("a shift of the colours", NO_LEARNING, colour_shift),
    Trick("blur within the ball", NO_LEARNING, blur),
    Trick("sharpening within the ball", NO_LEARNING, sharpened),
    Trick("towards the picture moved by two pixels", NO_LEARNING, shifted),
    Trick("less contrast", NO_LEARNING, flattened),
    Trick("towards the nearest picture of another class", NO_LEARNING, other_class),
    Trick("towards the nearest training picture of another class", PUBLIC_DATA, training_of_other_class),
    Trick("FGSM on a network of one's own", PUBLIC_DATA, by_own("simple")),
    Trick("momentum and diversity on a network of one's own", PUBLIC_DATA, by_own("strong"), OWN),
    Trick("boss on the first proxy alone", PUBLIC_DATA, one_proxy),
    Trick("one pattern for each class", PUBLIC_DATA, universal),
    Trick("boss on the six networks of another key", OTHER_DATA, other_black_box, long=True),
    Trick("boss on the proxies and another key's black box", OTHER_DATA, with_other_black_box, MORE, long=True),
)
