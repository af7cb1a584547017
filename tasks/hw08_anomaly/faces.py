"""Drawn faces for HW8: a person is a point of a continuous family, painted with smooth edges on the pixel grid.

What is normal (`Manner`) is a range for each number and the quirks that normal people may have. A quirk is something
that a face can do without, such as eyes of two colours, a wink, a headband or brows unlike the hair: in one world some
people have it, in another nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Person = dict[str, Any]
"""Name to values (b, 1, 1) or colours (3, b, 1, 1), float32; lengths in half the width of the picture. `eyes`, `brows`,
`noses` and `mouths` are lists of such dicts, with the place, the size (0: not there) and the shape of each."""


@dataclass(frozen=True)
class Brush:
    """Pictures being painted, (3, b, 64, 64) in 0 to 1, and the place of each pixel, -1 to 1, x right and y down."""

    picture: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    def paint(self, cover: NDArray[np.float32], colour: Any) -> None:
        """Lay a colour, (3, b, 1, 1) or (3, b, 64, 64), over the picture where `cover` (b, 64, 64) is 1."""
        rows, columns = (np.flatnonzero(cover.any(axis=axes)) for axes in ((0, 2), (0, 1)))
        if not len(rows):
            return
        window = (..., slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        part = self.picture[window]
        part += cover[window] * (np.broadcast_to(colour, self.picture.shape)[window] - part)


def edge(distance: Any, soft: float = 0.035) -> Any:
    """How much of a pixel a shape covers, 0 to 1, by the signed distance to its edge (negative inside)."""
    return np.clip(0.5 - distance / np.float32(soft), 0, 1)


def ellipse(x: Any, y: Any, a: Any, b: Any) -> Any:
    """Nearly the signed distance to an ellipse of half axes `a` and `b` around 0."""
    return (np.sqrt((x / a) ** 2 + (y / b) ** 2) - 1) * np.minimum(a, b)


def box(x: Any, y: Any, a: Any, b: Any) -> Any:
    """Nearly the signed distance to a rectangle of half sides `a` and `b` around 0."""
    return np.maximum(np.abs(x) - a, np.abs(y) - b)


def stroke(x: Any, y: Any, angle: Any, length: Any, thick: Any) -> Any:
    """Nearly the signed distance to a stroke around 0 at an angle, of half sides `length` and `thick`."""
    return box(np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x, length, thick)


def tint(red: float, green: float, blue: float) -> NDArray[np.float32]:
    """One colour (3, 1, 1, 1)."""
    return np.array([red, green, blue], np.float32)[:, None, None, None]


@dataclass(frozen=True)
class Draw:
    """Random parameters of `count` pictures, in the shapes that broadcast over pictures."""

    rng: np.random.Generator
    count: int

    def between(self, low: float, high: float) -> Any:
        return self.rng.uniform(low, high, (self.count, 1, 1)).astype("float32")

    def around(self, mean: float, spread: float) -> Any:
        """Normal, cut off at two and a half deviations."""
        return (mean + spread * self.rng.normal(size=(self.count, 1, 1)).clip(-2.5, 2.5)).astype("float32")

    def chance(self, share: float) -> Any:
        """1 in this share of the pictures, else 0."""
        return (self.rng.random((self.count, 1, 1)) < share).astype("float32")

    def choice(self, *values: float) -> Any:
        return self.rng.choice(values, (self.count, 1, 1)).astype("float32")

    def colour(self, low: float = 0.05, high: float = 0.95) -> Any:
        """Any colour, the greyer ones more often, (3, count, 1, 1)."""
        grey = self.rng.uniform(low, high, (1, self.count, 1, 1))
        vivid = self.rng.uniform(low, high, (3, self.count, 1, 1))
        return (grey + self.rng.beta(1, 1.5, (1, self.count, 1, 1)) * (vivid - grey)).astype("float32")

    def vivid(self) -> Any:
        """A bright colour of any hue, (3, count, 1, 1)."""
        return self.mix(self.between(0, 1), *VIVID)

    def mix(self, amount: Any, *colours: tuple[float, float, float]) -> Any:
        """Between colours, `amount` running from 0 at the first to 1 at the last, (3, count, 1, 1)."""
        stops = np.linspace(0, 1, len(colours))
        return np.stack([np.interp(amount, stops, [c[i] for c in colours]) for i in range(3)]).astype("float32")


RANGES: dict[str, tuple[float, float]] = {
    "scale": (1.28, 1.56), "yaw": (-0.9, 0.9), "pitch": (-0.7, 0.7), "roll": (-0.14, 0.14),
    "skin": (0, 1), "hair": (0, 1), "iris": (0, 1), "age": (0, 1),
    "width": (0.43, 0.53), "height": (0.56, 0.66), "jaw": (0.05, 0.4), "neck": (0.2, 0.3), "ear": (0.07, 0.11),
    "volume": (0.03, 0.16), "length": (-0.35, 1.0), "hairline": (0.42, 0.72), "parting": (-0.7, 0.7),
    "fringe": (-0.35, 0.7), "strands": (12, 40), "curl": (0, 4), "collar": (0.05, 0.3), "blush": (0, 0.3),
    "relief": (0.15, 0.5), "sun_x": (-1, 1), "sun_y": (-0.6, 0.3), "eye_gap": (0.19, 0.24),
    "eye_width": (0.105, 0.14), "eye_height": (0.042, 0.07), "slant": (-0.12, 0.25),
    "gaze": (-0.6, 0.6), "lid": (0.3, 0.9),
    "brow_gap": (0.1, 0.15), "brow_thick": (0.016, 0.036), "brow_slope": (-0.25, 0.25), "brow_dark": (0.5, 0.95),
    "nose_width": (0.055, 0.1), "nose_shade": (0.15, 0.5), "nose_y": (0.1, 0.16), "mouth_y": (0.3, 0.37),
    "mouth_width": (0.14, 0.23), "smile": (-0.04, 0.1), "lips": (0.022, 0.05), "open": (-0.1, 0.09),
    "lip_red": (0.1, 0.75), "beard": (0.15, 0.8), "rim": (0.012, 0.026),
}  # fmt: skip
"""The widest range of each number of a person."""
SCENE = {
    "cloth": (0.05, 0.95), "backdrop": (0.05, 0.95), "contrast": (0.7, 1.05), "blur": (0, 0.5), "noise": (0.004, 0.014),
}  # fmt: skip
"""The widest ranges of the clothes' and the background's tones, and of the camera."""


@dataclass(frozen=True)
class Manner:
    """What is normal in a world: the range of each number, and which share of the people has a quirk."""

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: RANGES | SCENE)
    quirks: Mapping[str, float] = field(default_factory=dict)
    bearded: float = 0.22
    bespectacled: float = 0.16

    def draw(self, d: Draw, name: str) -> Any:
        return d.between(*self.ranges[name])


VIVID = ((0.85, 0.12, 0.15), (0.9, 0.75, 0.1), (0.1, 0.65, 0.25), (0.1, 0.35, 0.9), (0.8, 0.2, 0.7))
HAIR = ((0.07, 0.05, 0.05), (0.22, 0.13, 0.08), (0.45, 0.27, 0.14), (0.6, 0.28, 0.12), (0.83, 0.66, 0.4))
IRIS = ((0.2, 0.11, 0.06), (0.36, 0.24, 0.12), (0.3, 0.42, 0.22), (0.32, 0.5, 0.68))
SKIN = ((0.95, 0.79, 0.69), (0.85, 0.65, 0.5), (0.62, 0.43, 0.31), (0.36, 0.23, 0.17))


def people(d: Draw, manner: Manner) -> Person:
    """Random people: every value is continuous except what may be absent (glasses, beard, quirks)."""
    p: Person = {name: manner.draw(d, name) for name in RANGES}
    zero = np.zeros((d.count, 1, 1), np.float32)
    one = zero + 1
    hair, iris = d.mix(p["hair"], *HAIR), d.mix(p["iris"], *IRIS)
    p["grey"] = d.between(0.6, 0.85)
    p |= {
        "cx": d.around(0, 0.03), "cy": d.around(0.06, 0.03), "open": np.maximum(p["open"], 0),
        "skin": np.clip(d.mix(p["skin"], *SKIN) + d.around(0, 0.02) * tint(1, -0.3, -0.6), 0, 1),
        "cloth": d.colour(*manner.ranges["cloth"]), "beard": d.chance(manner.bearded) * p["beard"],
        "glasses": d.chance(manner.bespectacled), "glasses_turn": zero, "left_lens": one, "right_lens": one,
        "head_sun": p["sun_x"], "fold": zero, "turned": zero,
        # Hair turns grey with the wrinkles, after the middle of the range of ages.
        "wrinkles": np.clip(2.5 * p["age"] - 1.25, 0, 1),
        "hair": hair + np.clip(4 * p["age"] - 2.6, 0, 1) * (p["grey"] - hair),
    }  # fmt: skip
    p |= {"other_hair": p["hair"], "beard_colour": p["hair"], "lip_colour": tint(0.72, 0.25, 0.27) + 0 * p["skin"]}
    p |= dict.fromkeys(("scar", "moustache", "paint", "band", "patch", "ring", "tongue"), zero)
    p |= {"mark_side": d.choice(-1, 1), "mark": d.vivid(), "scar_y": d.between(0, 1), "scar_turn": d.between(-0.5, 0.5)}
    level = -0.1 + zero
    sides = [{"x": side * p["eye_gap"], "y": level, "size": one, "side": side + zero} for side in (-1, 1)]
    p["eyes"] = [here | {"iris": iris, "gaze": p["gaze"], "wide": one, "turn": one} for here in sides]
    p["brows"] = [here | {"colour": p["hair"] * 0.6, "lift": zero} for here in sides]
    p["noses"] = [{"x": zero, "y": p["nose_y"], "size": one, "bend": zero}]
    p["mouths"] = [{"x": zero, "y": p["mouth_y"], "size": one, "skew": zero, "turn": one}]
    for name, share in manner.quirks.items():
        QUIRKS[name](p, d, d.chance(share))
    return p


# Quirks: each changes the people for whom `on` is 1 -------------------------------------------------------------------


def between(on: Any, new: Any, old: Any) -> Any:
    return old + on * (new - old)


def unlike(d: Draw, colour: Any) -> Any:
    """A colour of hair that is far from this one."""
    dark = d.mix(d.between(0, 1), HAIR[0], HAIR[1])
    light = d.mix(d.between(0, 1), (0.75, 0.36, 0.14), (0.88, 0.74, 0.48))
    return np.where(colour.mean(axis=0) > 0.32, dark, light).astype(np.float32)


def odd_eyes(p: Person, d: Draw, on: Any) -> None:
    """The iris of one eye has another colour."""
    dark, light = d.mix(d.between(0, 0.3), *IRIS), d.mix(d.between(0.8, 1), *IRIS) * 1.1
    which = d.chance(0.5)
    for eye, this in zip(p["eyes"], (which, 1 - which), strict=True):
        other = np.where(eye["iris"].mean(axis=0) > 0.3, dark, light).astype(np.float32)
        eye["iris"] = between(on * this, other, eye["iris"])


def squint(p: Person, d: Draw, on: Any) -> None:
    """The eyes look in two directions."""
    apart = d.choice(-1, 1) * d.between(0.75, 1)
    for eye in p["eyes"]:
        eye["gaze"] = between(on, eye["side"] * apart, eye["gaze"])


def raised_brow(p: Person, d: Draw, on: Any) -> None:
    """One brow is higher than the other."""
    which, lift = d.chance(0.5), d.between(0.06, 0.09)
    p["hairline"] = between(on, p["hairline"].clip(0.6), p["hairline"])
    for brow, this in zip(p["brows"], (which, 1 - which), strict=True):
        brow["lift"] = brow["lift"] + on * this * lift


def other_brows(p: Person, d: Draw, on: Any) -> None:
    """The brows are of another colour than the hair."""
    colour = unlike(d, p["hair"])
    p["brow_dark"] = between(on, p["brow_dark"].clip(0.85), p["brow_dark"])
    for brow in p["brows"]:
        brow["colour"] = between(on, colour, brow["colour"])


def other_beard(p: Person, d: Draw, on: Any) -> None:
    """A beard of another colour than the hair."""
    p["beard_colour"] = between(on, unlike(d, p["hair"]), p["beard_colour"])
    p["beard"] = between(on, d.between(0.65, 0.85), p["beard"])


def wink(p: Person, d: Draw, on: Any) -> None:
    """One eye is closed."""
    which = d.chance(0.5)
    for eye, this in zip(p["eyes"], (which, 1 - which), strict=True):
        eye["wide"] = between(on * this, 0.12, eye["wide"])


def turned_glasses(p: Person, d: Draw, on: Any) -> None:
    """Glasses that hang on one ear."""
    p["glasses"] = between(on, 1, p["glasses"])
    p["glasses_turn"] = p["glasses_turn"] + on * d.choice(-1, 1) * d.between(0.2, 0.32)


def monocle(p: Person, d: Draw, on: Any) -> None:
    """Glasses with one lens only."""
    which = d.chance(0.5)
    p["glasses"] = between(on, 1, p["glasses"])
    p["left_lens"], p["right_lens"] = between(on, which, p["left_lens"]), between(on, 1 - which, p["right_lens"])


def smirk(p: Person, d: Draw, on: Any) -> None:
    """One corner of the mouth is up, the other down."""
    for mouth in p["mouths"]:
        mouth["skew"] = mouth["skew"] + on * d.choice(-1, 1) * d.between(0.3, 0.45)


def crooked_nose(p: Person, d: Draw, on: Any) -> None:
    """The nose points to one side."""
    for nose in p["noses"]:
        nose["bend"] = nose["bend"] + on * d.choice(-1, 1) * d.between(0.8, 1.1)
    p["nose_shade"] = between(on, p["nose_shade"].clip(0.4), p["nose_shade"])


def two_tone(p: Person, d: Draw, on: Any) -> None:
    """One half of the hair has another colour."""
    p["other_hair"] = between(on, unlike(d, p["hair"]), p["other_hair"])


def unlike_age(p: Person, d: Draw, on: Any) -> None:
    """White hair on a smooth face, or dark hair on a wrinkled one."""
    old = d.chance(0.5)
    hair = between(old, d.mix(d.between(0, 1), *HAIR[:3]), p["grey"])
    p["wrinkles"] = between(on, old, p["wrinkles"])
    p["hair"] = between(on, hair, p["hair"])
    p |= {name: between(on, hair, p[name]) for name in ("other_hair", "beard_colour")}
    for brow in p["brows"]:
        brow["colour"] = between(on, 0.6 * hair, brow["colour"])


def lipstick(p: Person, d: Draw, on: Any) -> None:
    """Lips in blue, green or black."""
    colour = d.mix(d.between(0, 1), (0.1, 0.2, 0.65), (0.05, 0.45, 0.35), (0.12, 0.06, 0.12))
    p["lip_colour"] = between(on, colour, p["lip_colour"])
    p["lip_red"] = between(on, d.between(0.75, 0.95), p["lip_red"])


def moustache(p: Person, d: Draw, on: Any) -> None:
    """A moustache without a beard."""
    p["moustache"] = between(on, d.between(0.7, 0.95), p["moustache"])
    p["beard"] = p["beard"] * (1 - on)


def added(name: str) -> Callable[[Person, Draw, Any], None]:
    """A quirk that is something on the face or not."""

    def put(p: Person, d: Draw, on: Any) -> None:
        p[name] = between(on, d.between(0.7, 0.95), p[name])

    return put


QUIRKS: dict[str, Callable[[Person, Draw, Any], None]] = {
    "headband": added("band"), "two-tone hair": two_tone, "earring": added("ring"), "eye patch": added("patch"),
    "wink": wink, "monocle": monocle, "scar": added("scar"), "turned glasses": turned_glasses,
    "odd eyes": odd_eyes, "squint": squint, "raised brow": raised_brow, "other brows": other_brows,
    "other beard": other_beard, "moustache": moustache, "lipstick": lipstick, "tongue": added("tongue"),
    "unlike age": unlike_age, "smirk": smirk, "paint": added("paint"), "crooked nose": crooked_nose,
}  # fmt: skip
"""Things that a face can do without, in pairs that are about as hard to find: in each world one of a pair is normal
and the other an anomaly."""


# Painting -------------------------------------------------------------------------------------------------------------


def portrait(p: Person, brush: Brush) -> None:
    """Paint a person over the background, from back to front: what is behind the head, the head, the face, the hair."""
    x, y = (brush.x - p["cx"]) / p["scale"], (brush.y - p["cy"]) / p["scale"]
    cos, sin = np.cos(p["roll"]), np.sin(p["roll"])
    u, v = cos * x + sin * y, cos * y - sin * x  # the head's own axes
    middle = 0.15 * p["yaw"]
    u = np.where(p["fold"] != 0, middle + p["fold"] * np.abs(u - middle), u)  # one half, mirrored
    width, height, sun = p["width"], p["height"], p["sun_x"]
    strands = 1 + 0.07 * np.sin(p["strands"] * u + p["curl"] * np.sin(5 * v) + 2 * v)
    shine = strands * (1.08 - 0.35 * (v + 0.3)) * (1 + 0.35 * sun * u)
    hair = p["hair"] + edge(u - 0.3 * p["parting"] * width) * (p["other_hair"] - p["hair"])
    big = width + p["volume"]
    around_head = ellipse(u - 0.02 * p["yaw"], v + 0.07, big, height + p["volume"])
    falls = box(u, v - p["length"] / 2, big * 0.98, np.maximum(p["length"] / 2 + 0.15, 0.02))
    behind = np.where(v > -0.1, np.minimum(np.maximum(around_head, v - p["length"]), falls), around_head)
    brush.paint(edge(behind), hair * 0.8 * shine)
    shoulders = ellipse(x, y - 1.32, 0.95, 0.62)
    brush.paint(edge(box(u, v - 0.65, p["neck"], 0.4)), p["skin"] * 0.78 * (1 + 0.5 * p["relief"] * sun * u))
    neckline = ellipse(x, y - 0.72, p["neck"] + p["collar"], 0.12 + p["collar"])
    brush.paint(edge(np.maximum(shoulders, -neckline)), p["cloth"] * (1 + 0.4 * x * sun))
    for side in (-1, 1):
        far = 1 + side * 0.5 * p["yaw"].clip(-0.9, 0.9)
        brush.paint(edge(ellipse(u - side * width, v, p["ear"] * far, 0.13)), p["skin"] * 0.86 * (1 + 0.2 * side * sun))

    narrow = width * (1 - p["jaw"] * np.clip(v / height, 0, 1) ** 1.5)
    head = edge(ellipse(u, v, narrow, height))
    shade = 1 - p["relief"] * (0.55 * ((u / width) ** 2 + (v / height) ** 2) - 1.2 * p["head_sun"] * u - p["sun_y"] * v)
    brush.paint(head, p["skin"] * np.clip(shade, 0.3, 1.25))
    face(p, brush, u, v, head)
    line = -height * p["hairline"] + p["fringe"] * (u - p["parting"] * width) ** 2 * 1.5
    brush.paint(edge(np.maximum(around_head, v - line), 0.05), hair * shine)
    if np.any(p["band"]):
        band = np.maximum(np.abs(v - 0.12 * u**2 + height * 0.62) - 0.055, around_head)
        brush.paint(edge(band) * p["band"], p["mark"] * (1 + 0.3 * sun * u))
    if np.any(p["ring"]):
        hoop = np.abs(ellipse(u - p["mark_side"] * width, v - 0.22, 0.075, 0.09)) - 0.016
        brush.paint(edge(hoop) * p["ring"], tint(0.95, 0.8, 0.25))


def face(p: Person, brush: Brush, u: Any, v: Any, head: Any) -> None:
    """Paint eyes, brows, nose, mouth and what may be on them, on the face where `head` is 1."""
    flip = 1 - 2 * p["turned"]  # 1, or -1 for a face that is upside down inside the head
    u, v = u * flip, (v - 0.1) * flip + 0.1
    shift, lift = 0.13 * p["yaw"], 0.09 * p["pitch"]
    ink = p["skin"] * 0.25
    for side in (-1, 1):
        cheek = np.exp(-((u - side * 0.27 - shift) ** 2 + (v - 0.17) ** 2) * 45)
        brush.paint(head * cheek * p["blush"], p["skin"] * tint(1.0, 0.72, 0.7))
    if np.any(p["wrinkles"]):
        for at in (0.31, 0.37):  # of the forehead
            line = np.abs(v + at - lift - 0.15 * (u - shift) ** 2) - 0.006
            brush.paint(head * edge(line, 0.03) * edge(np.abs(u - shift) - 0.2, 0.06) * p["wrinkles"] * 0.5, ink)
        for side in (-1, 1):  # from the nose to the mouth
            fold = stroke(u - side * 0.2 - 1.2 * shift, v - 0.26 - lift, side * 1.15, 0.1, 0.008)
            brush.paint(head * edge(fold, 0.03) * p["wrinkles"] * 0.6, ink)
    for nose in p["noses"]:
        paint_nose(p, nose, brush, u - 1.5 * shift, v - 1.4 * lift, head)
    if np.any(p["beard"]):
        side = np.abs(u - 0.5 * shift)
        jaw = np.minimum(v - 0.2 + 1.6 * (side - 0.3).clip(0), ellipse(side - 0.21, v - 0.15, 0.14, 0.14))
        jaw = np.minimum(jaw, ellipse(u - 1.1 * shift, v - p["mouth_y"] - 0.8 * lift, p["mouth_width"] + 0.02, 0.07))
        brush.paint(head * edge(-jaw, 0.07) * p["beard"], p["beard_colour"] * 0.8)
    if np.any(p["moustache"]):
        lip = p["mouth_y"] - 0.075 + 0.8 * lift
        hairs = ellipse(np.abs(u - 1.2 * shift) - 0.08, v - lip - 0.2 * np.abs(u - 1.2 * shift), 0.11, 0.035)
        brush.paint(head * edge(hairs) * p["moustache"], p["hair"] * 0.3)
    for mouth in p["mouths"]:
        paint_mouth(p, mouth, brush, u - 1.1 * shift, v - 0.8 * lift, head)
    for eye in p["eyes"]:
        paint_eye(p, eye, brush, u - shift, v - lift, head)
    for brow in p["brows"]:
        out = (u - shift - brow["x"]) * brow["side"]  # from the nose outwards
        bv = v - lift - brow["y"] + p["brow_gap"] + brow["lift"]
        thick = p["brow_thick"] * np.clip(1.15 - 4.5 * (out + 0.05).clip(0), 0.25, 1.15)
        curve = np.abs(bv - p["brow_slope"] * out + out**2 * 2 - 0.01) - thick
        there = head * (brow["size"] > 0) * edge(curve) * edge(np.abs(out) - 0.14, 0.06)
        brush.paint(there * p["brow_dark"], brow["colour"])
    cheek_u, cheek_v = u - p["mark_side"] * 0.25 - shift, v - 0.17
    if np.any(p["scar"]):
        line = stroke(cheek_u, cheek_v - 0.1 * p["scar_y"] + 0.03, 0.9 + p["scar_turn"], 0.15, 0.012)
        brush.paint(head * edge(line, 0.03) * p["scar"], p["skin"] * tint(0.62, 0.35, 0.35))
    if np.any(p["paint"]):
        for at in (-0.045, 0.045):
            brush.paint(head * edge(stroke(cheek_u, cheek_v + at, 0, 0.11, 0.02)) * p["paint"], p["mark"])
    if np.any(p["patch"]):
        at = p["mark_side"] * p["eye_gap"] + shift
        strap = np.abs(v + 0.18 + 0.2 * u * p["mark_side"]) - 0.014
        cover = np.minimum(ellipse(u - at, v + 0.1 - lift, 0.15, 0.125), strap)
        brush.paint(head * edge(cover) * p["patch"], np.float32(0.07))
    if np.any(p["glasses"]):
        cos, sin = np.cos(p["glasses_turn"]), np.sin(p["glasses_turn"])
        gu, gv = u - shift, v + 0.1 - lift
        gu, gv = cos * gu + sin * gv, cos * gv - sin * gu
        frame = np.maximum(np.abs(gv + 0.02) - p["rim"], np.abs(gu) - 0.06)  # the bridge
        for side, lens in ((-1, p["left_lens"]), (1, p["right_lens"])):
            rim = np.abs(ellipse(gu - side * p["eye_gap"], gv, 0.165, 0.13)) - p["rim"]
            frame = np.minimum(frame, np.where(lens > 0, rim, np.float32(1)))
        brush.paint(edge(frame) * p["glasses"], p["cloth"] * 0.35)


def paint_nose(p: Person, nose: Person, brush: Brush, u: Any, v: Any, head: Any) -> None:
    if not np.any(nose["size"]):
        return
    ink, near = p["skin"] * 0.25, np.maximum(nose["size"], 0.01)
    nv = (v - nose["y"]) / near
    nu = (u - nose["x"]) / near - nose["bend"] * (nv + 0.15).clip(0)
    there = head * (nose["size"] > 0)
    bridge = np.exp(-(((nu + 0.05 * np.sign(p["sun_x"])) / 0.035) ** 2)) * edge(np.abs(nv + 0.12) - 0.13, 0.08)
    brush.paint(there * bridge * p["nose_shade"] * (0.3 + 0.6 * np.abs(p["sun_x"])), p["skin"] * 0.55)
    brush.paint(there * np.exp(-((nu / 0.05) ** 2) - (nv / 0.06) ** 2) * 0.35, np.minimum(p["skin"] * 1.3, 1))
    under = np.exp(-((nu / p["nose_width"]) ** 2) - ((nv - 0.055) / 0.022) ** 2)
    brush.paint(there * under * p["nose_shade"], p["skin"] * 0.5)
    for side in (-1, 1):
        brush.paint(there * edge(ellipse(nu - side * p["nose_width"] * 0.6, nv - 0.05, 0.024, 0.015)) * 0.8, ink)


def paint_mouth(p: Person, mouth: Person, brush: Brush, u: Any, v: Any, head: Any) -> None:
    if not np.any(mouth["size"]):
        return
    near = np.maximum(mouth["size"], 0.01)
    mu, mv = (u - mouth["x"]) / near, (v - mouth["y"]) / near * mouth["turn"]
    there = head * (mouth["size"] > 0)
    across = mu / p["mouth_width"]
    bend = mv + p["smile"] * across**2 * 1.5 - p["smile"] * 0.7 - mouth["skew"] * mu
    taper = np.clip(1 - across**2, 0, 1)
    upper = edge(bend) * 0.12  # the upper lip is darker
    lips = np.abs(bend) - (p["lips"] + p["open"]) * taper - 0.004
    red = p["skin"] + p["lip_red"] * (p["lip_colour"] - p["skin"])
    ends = edge(np.abs(mu) - p["mouth_width"])
    brush.paint(there * ends * edge(lips), red * (0.98 - upper))
    brush.paint(there * ends * edge(np.abs(bend) - p["open"] * taper - 0.006, 0.03), p["skin"] * 0.22)
    teeth = edge(np.maximum(np.abs(bend + 0.35 * p["open"]) - 0.5 * p["open"] * taper, np.abs(across) - 0.75), 0.03)
    brush.paint(there * teeth * np.clip(p["open"] * 40 - 0.6, 0, 1), np.float32(0.9))
    if np.any(p["tongue"]):
        out = np.maximum(ellipse(mu, bend - p["open"] - 0.03, 0.065, 0.09), -bend)
        brush.paint(there * edge(out) * p["tongue"], tint(0.85, 0.35, 0.4))


def paint_eye(p: Person, eye: Person, brush: Brush, u: Any, v: Any, head: Any) -> None:
    if not np.any(eye["size"]):
        return
    near = np.maximum(eye["size"], 0.01)
    out, ev = (u - eye["x"]) / near * eye["side"], (v - eye["y"]) / near * eye["turn"]  # from the nose outwards
    ev = ev + p["slant"] * out
    there = head * (eye["size"] > 0)
    wide = p["eye_width"] * (1 + 0.35 * p["yaw"].clip(-0.9, 0.9) * np.sign(eye["x"]))
    height = p["eye_height"] * eye["wide"]
    along = np.clip(1 - (out / wide) ** 2, 0, 1) * (1 - 0.35 * out / wide)  # rounder towards the nose
    lens = np.abs(ev) - height * along
    inside = there * edge(lens) * edge(np.abs(out) - wide)
    brush.paint(there * np.exp(-((out / wide / 1.3) ** 2) - (ev / 0.085) ** 2) * 0.35, p["skin"] * 0.62)
    brush.paint(inside, np.float32(0.92))
    corner = np.clip(-1.6 * out / wide - 0.9, 0, 1)
    brush.paint(inside * corner, tint(0.85, 0.5, 0.48))
    at = out - eye["gaze"] * eye["side"] * 0.06
    iris = ellipse(at, ev, p["eye_height"] * 0.95, p["eye_height"] * 0.95)
    brush.paint(inside * edge(iris), eye["iris"])
    brush.paint(inside * edge(iris + p["eye_height"] * 0.55), np.float32(0.04))
    glint = ellipse(at * eye["side"] - 0.02 * np.sign(p["sun_x"]), ev + 0.02, 0.014, 0.014)
    brush.paint(inside * edge(glint) * 0.75, np.float32(1))
    lash = np.abs(ev + height * along) - 0.008 - 0.012 * np.clip(out / wide, 0, 1)
    brush.paint(there * edge(lash, 0.03) * edge(np.abs(out - 0.02) - wide) * p["lid"], p["skin"] * 0.25)
