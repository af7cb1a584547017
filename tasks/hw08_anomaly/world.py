"""The built-in world of HW8: drawn human faces as the normal images, and three sorts of anomalies.

Pictures of something else (a cartoon, an animal, things, …) are few, since any distance from faces finds them. Wrong
faces have a feature too many, too few, misplaced, of the wrong size or upside down, two left eyes, the halves of two
people, one half mirrored, or light from two sides. Quirks (`faces.QUIRKS`) are no errors in themselves: the key decides
which of them some normal people have, and which nobody has. So what is an anomaly in one world is normal in another,
and only the training faces say which.

The key also decides which of the other kinds there are, how many of each, and the ranges of all that people, their
surroundings and the camera have (`family`). Everything but the subject is shared: an anomaly has the people,
backgrounds, light, focus and camera noise of a face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from tasks.base import Answers, Made
from tasks.hw08_anomaly import SIDE, TEST_FILE, TRAIN_FILE, Layout
from tasks.hw08_anomaly.faces import (
    QUIRKS,
    RANGES,
    SCENE,
    Brush,
    Draw,
    Manner,
    Person,
    box,
    edge,
    ellipse,
    people,
    portrait,
)
from tasks.pictures import jigsaw, tiles
from tasks.processes import mapped
from tasks.streams import Streams

PIECE = 480  # images that are drawn and written at a time
CHECKED = 20_000  # images that the leak checks look at
BATCH = 24  # images whose planes stay in the processor's cache
COUNTS = {"small": (3000, 2000)}
"""Training and test images by size; "full" has the course's own counts."""


Kind = Callable[[Draw, Brush, Manner], None]
"""What is painted over the background."""


def background(d: Draw, brush: Brush, manner: Manner) -> None:
    """A gradient, a slow wave of colour and up to two things out of focus."""
    x, y, tones = brush.x, brush.y, manner.ranges["backdrop"]
    angle = d.between(0, 6.28)
    slope = 0.5 + 0.4 * (np.cos(angle) * x + np.sin(angle) * y)
    first, second = d.colour(*tones), d.colour(*tones)
    brush.picture[...] = first + slope * d.between(0.2, 1) * (second - first)
    wave = np.sin(d.around(0, 4) * x + d.around(0, 4) * y + d.between(0, 6.28))
    brush.picture[...] += d.between(0, 0.4) ** 2 * wave * (d.colour(*tones) - 0.5) * 2
    for _ in range(2):
        there = d.chance(0.4) * d.between(0.2, 0.8)
        u, v, a, b = x - d.between(-1, 1), y - d.between(-1, 1), d.between(0.05, 0.5), d.between(0.05, 0.9)
        shape = np.where(d.chance(0.5) > 0, ellipse(u, v, a, a), box(u, v, a, b))
        brush.paint(edge(shape, 0.25) * there, d.colour(*tones))
    np.clip(brush.picture, 0, 1, out=brush.picture)


def normal(d: Draw, brush: Brush, manner: Manner) -> None:
    portrait(people(d, manner), brush)


# Something else -------------------------------------------------------------------------------------------------------


def cartoon(d: Draw, brush: Brush, manner: Manner) -> None:
    """A head in flat colours with large eyes and hair of any colour."""
    p = people(d, manner)
    hair, iris = d.colour(0.1, 0.95), d.colour(0.2, 0.9)
    p |= {
        "hair": hair,
        "other_hair": hair,
        "eyes": [eye | {"iris": iris} for eye in p["eyes"]],
        "skin": d.mix(d.between(0, 1), (1.0, 0.86, 0.76), (0.95, 0.76, 0.6)),
        "relief": d.between(0, 0.05),
        "eye_width": d.between(0.12, 0.17),
        "eye_height": d.between(0.1, 0.17),
        "jaw": d.between(0.4, 0.75),
        "mouth_width": d.between(0.05, 0.12),
        "nose_shade": d.between(0, 0.1),
        "nose_width": d.between(0.02, 0.04),
        "beard": np.zeros_like(p["beard"]),
        "fringe": d.between(0.4, 1.4),
        "volume": d.between(0.1, 0.22),
        "lips": d.between(0.005, 0.02),
        "strands": d.between(8, 14),
    }
    portrait(p, brush)


def animal(d: Draw, brush: Brush, manner: Manner) -> None:
    """A furry head with ears on top, round eyes and a muzzle."""
    p = people(d, manner)
    u, v = (brush.x - p["cx"]) / p["scale"], (brush.y - p["cy"]) / p["scale"]
    fur = d.mix(d.between(0, 1), (0.12, 0.1, 0.09), (0.5, 0.33, 0.2), (0.75, 0.6, 0.42), (0.92, 0.9, 0.86))
    patch = fur + d.between(0, 0.7) * (d.mix(d.between(0, 1), (0.15, 0.1, 0.08), (0.95, 0.92, 0.88)) - fur)
    texture = 1 + 0.12 * np.sin(p["strands"] * (u + 0.4 * v) + 3 * np.sin(7 * v))
    brush.paint(edge(ellipse(u, v - 1.2, 0.7, 0.6)), fur * texture * 0.85)
    pointed, spread, tall = d.chance(0.5), d.between(0.3, 0.45), d.between(0.2, 0.45)
    for side in (-1, 1):
        eu, ev = u - side * spread, v + 0.5
        triangle = np.maximum(np.abs(eu) * 1.6 - 0.5 * (ev + tall), ev - 0.25)
        ear = np.where(pointed > 0, triangle, ellipse(eu - side * 0.08, ev, 0.17, tall * 0.7))
        brush.paint(edge(ear), fur * texture * 0.9)
        brush.paint(edge(ear + 0.09), patch * 0.8)
    head = edge(ellipse(u, v, d.between(0.48, 0.62), d.between(0.45, 0.58)))
    shade = 1 - p["relief"] * (0.5 * (u**2 + v**2) / 0.3 - p["sun_x"] * u - p["sun_y"] * v)
    brush.paint(head, fur * texture * np.clip(shade, 0.4, 1.25))
    shift, lift = 0.12 * p["yaw"], 0.08 * p["pitch"]
    muzzle_y = d.between(0.18, 0.28)
    muzzle = ellipse(u - shift, v - muzzle_y, d.between(0.18, 0.28), d.between(0.15, 0.22))
    brush.paint(head * edge(muzzle, 0.08), patch)
    round_eye, gap = d.between(0.06, 0.11), d.between(0.18, 0.26)
    for side in (-1, 1):
        eye_u, eye_v = u - side * gap - shift, v + 0.08 - lift
        iris = d.mix(d.between(0, 1), (0.15, 0.08, 0.05), (0.7, 0.55, 0.15), (0.4, 0.6, 0.3))
        brush.paint(head * edge(ellipse(eye_u, eye_v, round_eye, round_eye)), iris)
        brush.paint(head * edge(ellipse(eye_u, eye_v, 0.03, round_eye * 0.8)), np.float32(0.03))
        glint = ellipse(u - side * gap - shift + 0.02, v + 0.1 - lift, 0.014, 0.014)
        brush.paint(head * edge(glint) * 0.7, np.float32(1))
        for slope in (-0.25, 0.1):
            whisker = np.abs(v - muzzle_y + slope * (u - shift) * side) - 0.006
            brush.paint(edge(whisker, 0.03) * edge(np.abs(u - shift - side * 0.36) - 0.2) * 0.8, np.float32(0.95))
    nose = np.maximum(np.abs(u - shift) + (v - muzzle_y + 0.03) * 0.8 - 0.08, -(v - muzzle_y + 0.09))
    brush.paint(head * edge(nose), np.float32(0.08))
    lips = np.abs(np.abs(u - shift) - (v - muzzle_y) + 0.03) - 0.012
    brush.paint(head * edge(np.maximum(lips, np.abs(v - muzzle_y - 0.1) - 0.06)), fur * 0.2)


def things(d: Draw, brush: Brush, manner: Manner) -> None:
    """Four to seven discs, boxes, rings and wedges, shaded, on top of each other around the middle."""
    for number in range(7):
        there = 1.0 if number < 4 else d.chance(0.5)
        angle, cx, cy = d.between(0, 3.14), d.around(0, 0.28), d.around(0.1, 0.3)
        x, y = brush.x - cx, brush.y - cy
        u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
        size = 1.1 - 0.12 * number
        a, b = d.between(0.12, 0.5) * size, d.between(0.12, 0.5) * size
        kind = d.rng.integers(0, 4, (d.count, 1, 1))
        wedge = np.maximum(np.abs(u) - a * (v + b) / (2 * b), np.abs(v) - b)
        shape = np.choose(kind, [ellipse(u, v, a, b), box(u, v, a, b), np.abs(ellipse(u, v, a, a)) - 0.05, wedge])
        brush.paint(edge(shape) * there, d.colour() * np.clip(1 - d.between(0, 0.5) * (x + y), 0.4, 1.2))


def landscape(d: Draw, brush: Brush, manner: Manner) -> None:
    """Sky, sometimes a sun, three ridges with some trees."""
    sky = d.mix(d.between(0, 1), (0.35, 0.6, 0.9), (0.8, 0.85, 0.9), (0.95, 0.6, 0.4), (0.1, 0.12, 0.3))
    horizon = d.between(-0.2, 0.5)
    brush.picture[...] = sky + 0.4 * (brush.y - horizon) * (d.between(0, 1) - sky)
    sun = ellipse(brush.x - d.between(-0.9, 0.9), brush.y - d.between(-0.9, 0), d.between(0.08, 0.3), 0.2)
    brush.paint(edge(sun) * d.chance(0.6), d.colour(0.7, 1))
    for number in range(3):
        ridge = horizon + 0.25 * number + d.between(0.02, 0.22) * np.sin(d.between(1, 6) * brush.x + d.between(0, 6.28))
        ground = d.mix(d.between(0, 1), (0.2, 0.3, 0.2), (0.45, 0.5, 0.25), (0.6, 0.5, 0.35), (0.75, 0.75, 0.8))
        brush.paint(edge(ridge - brush.y), ground * (1.1 - 0.2 * number))
        for _ in range(2):
            x, y = brush.x - d.between(-0.9, 0.9), brush.y - horizon - 0.25 * number
            tree = ellipse(x, y, d.between(0.02, 0.08), 0.15)
            brush.paint(edge(tree) * d.chance(0.5), ground * d.between(0.2, 0.7))
    np.clip(brush.picture, 0, 1, out=brush.picture)


def pattern(d: Draw, brush: Brush, manner: Manner) -> None:
    """Stripes, checks, dots, plaid or cloth over the whole picture, at any angle, coarse to fine, faint to strong."""
    angle, pitch = d.between(0, 3.14), d.between(5, 24)
    u = (np.cos(angle) * brush.x + np.sin(angle) * brush.y) * pitch + d.between(0, 6.28)
    v = (np.cos(angle) * brush.y - np.sin(angle) * brush.x) * pitch * d.between(0.6, 1.4)
    u = u + d.between(0, 1) * np.sin(v * 0.5)
    one, two = np.sin(u), np.sin(v)
    weaves = [one, one * two * 1.5, one + two, np.maximum(one, two) * 1.2]
    ink = np.choose(d.rng.integers(0, 4, (d.count, 1, 1)), weaves)
    ink = 0.5 + 0.5 * np.tanh(ink * 0.6 * d.between(1, 5) ** 2)
    brush.paint(ink * d.between(0.25, 1), d.colour())


def plain(d: Draw, brush: Brush, manner: Manner) -> None:
    """Smooth colours, and in half of the pictures a blank head without a face."""
    soft = d.between(0.1, 0.6)
    for _ in range(2):
        x, y = brush.x - d.around(0, 0.5), brush.y - d.around(0, 0.5)
        shape = ellipse(x, y, d.between(0.2, 0.8), d.between(0.2, 0.8))
        brush.paint(np.clip(0.5 - shape / soft, 0, 1) * d.between(0.2, 0.9), d.colour())
    p = people(d, manner)
    u, v = (brush.x - p["cx"]) / p["scale"], (brush.y - p["cy"]) / p["scale"]
    bulge = 0.55 * ((u / p["width"]) ** 2 + (v / p["height"]) ** 2)
    shade = 1 - p["relief"] * (bulge - p["sun_x"] * u - p["sun_y"] * v)
    head = np.minimum(ellipse(u, v, p["width"], p["height"]), ellipse(u, v - 1.32, 0.9, 0.6))
    brush.paint(edge(head) * d.chance(0.5), p["skin"] * np.clip(shade, 0.3, 1.25))


def shuffled(d: Draw, brush: Brush, manner: Manner) -> None:
    """A face cut into four or sixteen squares, shuffled."""
    portrait(people(d, manner), brush)
    for at, cells in enumerate(d.rng.choice([2, 4], d.count)):
        image = brush.picture[:, at].transpose(1, 2, 0)
        brush.picture[:, at] = jigsaw(image, int(cells), d.rng).transpose(2, 0, 1)


def upside_down(d: Draw, brush: Brush, manner: Manner) -> None:
    """A face, the whole picture upside down."""
    portrait(people(d, manner), brush)
    brush.picture[...] = brush.picture[:, :, ::-1].copy()


# Wrong faces: each changes the people before they are painted, but for halves -----------------------------------------


def changed(change: Callable[[Person, Draw, Manner], None], *, bare: bool = False) -> Kind:
    """A changed face; `bare`: without what may hide the eyes, the patch is off and both eyes are open."""

    def paint(d: Draw, brush: Brush, manner: Manner) -> None:
        p = people(d, manner)
        if bare:
            p["patch"] = np.zeros_like(p["patch"])
            for eye in p["eyes"]:
                eye["wide"] = np.ones_like(eye["wide"])
        change(p, d, manner)
        portrait(p, brush)

    return paint


def quirk(name: str) -> Kind:
    return changed(
        lambda p, d, manner: QUIRKS[name](p, d, 1 + 0 * p["scale"]), bare=name in ("odd eyes", "squint", "wink")
    )


def extreme(d: Draw, manner: Manner, name: str) -> Any:
    """A value from the outer quarter of a range, at its end further from 0."""
    low, high = manner.ranges[name]
    if -low > high:
        low, high = high, low
    return d.between(*sorted((low + 0.75 * (high - low), high)))


def misplaced(p: Person, d: Draw, manner: Manner) -> None:
    """Mouth and eyes are swapped, or one or both eyes, the nose or the mouth are elsewhere in the face."""
    how = d.rng.integers(0, 4, (d.count, 1, 1))
    (left, right), (nose,), (mouth,) = p["eyes"], p["noses"], p["mouths"]
    move, down = d.choice(-1, 1) * d.between(0.1, 0.18), d.between(0.08, 0.2)
    swap, lone, both, low = (how == kind for kind in range(4))
    gap = mouth["y"] - left["y"]
    left["y"] = left["y"] + swap * gap + both * down
    right["y"] = right["y"] + swap * gap + lone * down + both * down
    mouth["x"], mouth["y"] = mouth["x"] + low * move, mouth["y"] - swap * gap - both * 0.45
    nose["x"], nose["y"] = nose["x"] - low * move, nose["y"] - low * d.between(0.0, 0.2)
    shown = np.where(swap, d.chance(0.5), 1)
    p["brows"] = [brow | {"size": brow["size"] * shown} for brow in p["brows"]]


def extra(p: Person, d: Draw, manner: Manner) -> None:
    """A third eye, or a second mouth or nose."""
    how = d.rng.integers(0, 4, (d.count, 1, 1))
    zero = 0 * p["scale"]
    p["hairline"], p["band"] = p["hairline"].clip(0.6), zero
    p["eyes"] += [p["eyes"][0] | {"x": d.around(0, 0.03), "y": -d.between(0.25, 0.32), "size": zero + (how < 2)}]
    low = d.between(0.45, 0.5) - d.chance(0.4) * 0.72
    p["mouths"] += [p["mouths"][0] | {"x": d.around(0, 0.05), "y": low, "size": zero + (how == 2)}]
    p["noses"] += [p["noses"][0] | {"x": d.choice(-0.2, 0.2), "size": zero + (how == 3)}]


def missing(p: Person, d: Draw, manner: Manner) -> None:
    """One eye, both eyes with their brows, the mouth, or mouth and nose are missing."""
    how = d.rng.integers(0, 4, (d.count, 1, 1))
    p["glasses"], p["moustache"] = p["glasses"] * 0, p["moustache"] * 0
    gone = {"eyes": (how < 2, how == 1), "brows": (how == 1, how == 1), "mouths": (how > 1,), "noses": (how == 3,)}
    for name, out in gone.items():
        p[name] = [part | {"size": part["size"] * (1 - one)} for part, one in zip(p[name], out, strict=True)]


def halves(d: Draw, brush: Brush, manner: Manner) -> None:
    """The left half of one person and the right half of another, in one pose and one light."""
    p, other = people(d, manner), people(d, manner)
    same = (
        "cx", "cy", "scale", "roll", "yaw", "pitch", "width", "height", "jaw", "sun_x", "head_sun", "sun_y", "relief",
    )  # fmt: skip
    second = Brush(brush.picture.copy(), brush.x, brush.y)
    portrait(p, brush)
    portrait(other | {name: p[name] for name in same}, second)
    seam = np.cos(p["roll"]) * (brush.x - p["cx"]) + np.sin(p["roll"]) * (brush.y - p["cy"])
    brush.paint(edge(-seam), second.picture)


def mirrored(p: Person, d: Draw, manner: Manner) -> None:
    """A turned head whose one half is the mirror image of the other."""
    p["yaw"], p["fold"] = extreme(d, manner, "yaw"), d.choice(-1, 1)


def one_sided(p: Person, d: Draw, manner: Manner) -> None:
    """Two left eyes, or two right ones, with their brows."""
    side = d.choice(-1, 1)
    p["slant"], p["brow_slope"] = extreme(d, manner, "slant"), extreme(d, manner, "brow_slope")
    for part in (*p["eyes"], *p["brows"]):
        part["side"] = side


def thatcher(p: Person, d: Draw, manner: Manner) -> None:
    """Eyes and mouth are upside down where they are (Thompson 1980, "Margaret Thatcher: a new illusion")."""
    p["smile"], p["open"] = extreme(d, manner, "smile"), p["open"].clip(0.03)
    for part in (*p["eyes"], *p["mouths"]):
        part["turn"] = -part["turn"]


def inverted(p: Person, d: Draw, manner: Manner) -> None:
    """The face is upside down inside the head."""
    p["turned"] = 1 + p["turned"]


def sizes(p: Person, d: Draw, manner: Manner) -> None:
    """One eye is much larger or smaller than the other."""
    which, size = d.chance(0.5), d.choice(0.55, 1.5) * d.between(0.93, 1.07)
    for eye, this in zip(p["eyes"], (which, 1 - which), strict=True):
        eye["size"] = eye["size"] * (1 + this * (size - 1))


def two_suns(p: Person, d: Draw, manner: Manner) -> None:
    """The head is lit from one side; nose, eyes, hair, neck and clothes from the other."""
    p["sun_x"], p["relief"] = extreme(d, manner, "sun_x"), extreme(d, manner, "relief")
    p["head_sun"] = -p["sun_x"]


ELSE: dict[str, Kind] = {
    "cartoon": cartoon, "animal": animal, "things": things, "landscape": landscape, "pattern": pattern, "plain": plain,
    "shuffled": shuffled, "upside down": upside_down,
}  # fmt: skip
WRONG: dict[str, Kind] = {
    "misplaced": changed(misplaced, bare=True), "missing": changed(missing, bare=True), "extra": changed(extra),
    "thatcher": changed(thatcher, bare=True), "mirrored": changed(mirrored), "inverted": changed(inverted),
    "one-sided eyes": changed(one_sided, bare=True), "sizes": changed(sizes, bare=True), "halves": halves,
    "two suns": changed(two_suns),
}  # fmt: skip
KINDS: dict[str, Kind] = ELSE | WRONG | {name: quirk(name) for name in QUIRKS}
"""All kinds of anomalies; a world has some of them."""


# The world ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """What the key decides: what is normal, and the share of each kind among the anomalies."""

    manner: Manner
    kinds: Mapping[str, float]


SHARES = (0.08, 0.36, 0.56)
"""Of the anomalies: pictures of something else, wrong faces, quirks."""


def family(streams: Streams) -> Family:
    """The family of a key: three kinds of something else, and one of each pair of wrong faces and of quirks."""
    ranges, quirks, kinds = (streams.generator(f"family/{name}") for name in ("ranges", "quirks", "kinds"))
    narrowed = {}
    for name, (low, high) in (RANGES | SCENE).items():
        width = (high - low) * ranges.uniform(0.6, 0.85)
        start = ranges.uniform(low, high - width)
        narrowed[name] = (float(start), float(start + width))
    common, odd = one_of_each(QUIRKS, quirks)
    shown = {name: float(quirks.uniform(0.12, 0.3)) for name in common}
    manner = Manner(narrowed, shown, float(ranges.uniform(0.1, 0.35)), float(ranges.uniform(0.08, 0.25)))
    sorts = ([str(name) for name in kinds.permutation(list(ELSE))[:3]], one_of_each(WRONG, kinds)[0], odd)
    shares: dict[str, float] = {}
    for names, share in zip(sorts, SHARES, strict=True):
        weights = kinds.uniform(0.7, 1.3, len(names))
        shares |= {name: float(share * w / weights.sum()) for name, w in zip(names, weights, strict=True)}
    return Family(manner, shares)


def one_of_each(names: Mapping[str, object], rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """One of each pair of neighbours, and the others."""
    pairs = zip(list(names)[::2], list(names)[1::2], strict=True)
    turned = [pair[:: rng.choice((1, -1))] for pair in pairs]
    return [first for first, _ in turned], [second for _, second in turned]


def camera(d: Draw, picture: NDArray[np.float32], manner: Manner) -> NDArray[np.uint8]:
    """The camera's image (b, 64, 64, 3) of a picture (3, b, 64, 64): light, colour cast, focus and noise."""
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    cast = 1 + d.around(0, 0.05) * np.array([1, 0.1, -1], np.float32)[:, None, None, None]
    light = d.around(0.92, 0.13) * (1 + d.around(0, 0.12) * across + d.around(0, 0.12) * across[:, None])
    picture = (0.5 + manner.draw(d, "contrast") * (picture * light - 0.5)) * cast
    blur = manner.draw(d, "blur")
    for axis in (2, 3):
        near = np.roll(picture, 1, axis) + np.roll(picture, -1, axis)
        near[(slice(None),) * axis + ([0, -1],)] = 2 * picture[(slice(None),) * axis + ([0, -1],)]
        picture = picture + blur * (near / 2 - picture)
    picture = picture + manner.draw(d, "noise") * d.rng.standard_normal(picture.shape, np.float32)
    return np.ascontiguousarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 3, 0))


def pictures(kind: str, rng: np.random.Generator, count: int, manner: Manner | None = None) -> NDArray[np.uint8]:
    """`count` images (count, 64, 64, 3) of faces ("normal") or of one kind of anomaly; by default widest ranges."""
    manner = manner or Manner()
    place = np.linspace(-1, 1, SIDE, dtype=np.float32)
    parts = []
    for start in range(0, count, BATCH):
        d = Draw(rng, min(BATCH, count - start))
        brush = Brush(np.empty((3, d.count, SIDE, SIDE), np.float32), place[None, None, :], place[None, :, None])
        background(d, brush, manner)
        (KINDS[kind] if kind != "normal" else normal)(d, brush, manner)
        parts.append(camera(d, brush.picture, manner))
    return np.concatenate(parts)


def write_piece(streams: Streams, manner: Manner, part: str, path: Path, piece: tuple[int, NDArray[np.str_]]) -> None:
    """Draw the images of these kinds into the array file, from a place on."""
    start, kinds = piece
    images = np.load(path, mmap_mode="r+", allow_pickle=False)
    for kind in np.unique(kinds).tolist():
        # One stream for each kind: the faces of a piece reveal nothing about the anomalies among them.
        places = np.flatnonzero(kinds == kind)
        rng = streams.generator(f"{part}/{start}/{kind}")
        images[start + places] = pictures(kind, rng, len(places), manner)
    images.flush()


def make(
    layout: Layout,
    public: Path,
    streams: Streams,
    size: str,
    source: Path | None = None,
    secret: Path | None = None,
    processes: int | None = None,
) -> Made:
    """Write the two arrays into the year's folder in `public`, by several processes."""
    counts = COUNTS | {"full": (layout.train_images, layout.test_images)}
    train_count, test_count = counts[size]
    mine = family(streams)
    odd = test_count // 2
    exact = odd * np.array(list(mine.kinds.values()))
    each = np.floor(exact).astype(int)
    each[np.argsort(each - exact, kind="stable")[: odd - each.sum()]] += 1  # the largest remainders
    kinds = np.repeat(["normal", *mine.kinds], [test_count - odd, *each])
    kinds = streams.generator("test/kinds").permutation(kinds)
    folder = public / layout.folder
    folder.mkdir()
    small = []
    for part, name, wanted in (
        ("training", TRAIN_FILE, np.full(train_count, "normal")),
        ("test", TEST_FILE, kinds),
    ):
        open_memmap(folder / name, mode="w+", dtype=np.uint8, shape=(len(wanted), SIDE, SIDE, 3)).flush()
        pieces = [(start, wanted[start : start + PIECE]) for start in range(0, len(wanted), PIECE)]
        mapped(partial(write_piece, streams, mine.manner, part, folder / name), pieces, processes)
        small.append(tiles(np.load(folder / name, mmap_mode="r", allow_pickle=False)[:CHECKED]))
    return Made(
        Answers(range(test_count), {layout.column: (kinds != "normal").astype(np.int64)}, strata=kinds),
        train=small[0],
        test=small[1],
    )
