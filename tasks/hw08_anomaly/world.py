"""The built-in world of HW8: drawn human faces as the normal images, and twelve kinds of anomalies.

A face is one point of a continuous family: skin, hair, face and jaw, eyes, brows, nose, mouth, beard, glasses, pose,
light, background and camera. Shapes are signed distances on the pixel grid with smooth edges. Everything but the
subject is shared: an anomaly has the backgrounds, light, focus and camera noise of a face, so these reveal nothing.

Drawings: a cartoon head, an animal's head, things, a landscape. Altered faces: features misplaced, one too many, some
missing, the halves of two people, the face or the head upside down, patches shuffled. Textures: a pattern, and plain
colours with or without a blank head. Landscapes, plain pictures and missing features are easier to rebuild than a
face: by the error of an autoencoder alone they look normal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import Answers, Made, UserError
from tasks.hw08_anomaly import SIDE, TEST_FILE, TRAIN_FILE, Layout
from tasks.streams import Streams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PIECE = 480  # images that are drawn and written at a time
BATCH = 24  # images whose planes stay in the processor's cache
COUNTS = {"small": (3000, 2000)}
"""Training and test images by size; "full" has the course's own counts."""

Person = dict[str, Any]
"""Name to values (b, 1, 1), colours (3, b, 1, 1), float32; lengths in half the width of the picture."""


@dataclass(frozen=True)
class Brush:
    """Pictures being painted, (3, b, 64, 64) in 0 to 1, and the place of each pixel, -1 to 1, x right and y down."""

    picture: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]

    def paint(self, cover: NDArray[np.float32], colour: Any) -> None:
        """Lay a colour (3, b, 1, 1) or (3, b, 64, 64) over the picture where `cover` is 1."""
        self.picture[...] += cover * (colour - self.picture)


def edge(distance: Any, soft: float = 0.035) -> Any:
    """How much of a pixel a shape covers, 0 to 1, by the signed distance to its edge (negative inside)."""
    import numpy as np

    return np.clip(0.5 - distance / np.float32(soft), 0, 1)


def ellipse(x: Any, y: Any, a: Any, b: Any) -> Any:
    """Nearly the signed distance to an ellipse of half axes `a` and `b` around 0."""
    import numpy as np

    return (np.sqrt((x / a) ** 2 + (y / b) ** 2) - 1) * np.minimum(a, b)


def box(x: Any, y: Any, a: Any, b: Any) -> Any:
    """Nearly the signed distance to a rectangle of half sides `a` and `b` around 0."""
    import numpy as np

    return np.maximum(np.abs(x) - a, np.abs(y) - b)


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

    def mix(self, amount: Any, *colours: tuple[float, float, float]) -> Any:
        """Between colours, `amount` running from 0 at the first to 1 at the last, (3, count, 1, 1)."""
        import numpy as np

        stops = np.linspace(0, 1, len(colours))
        return np.stack([np.interp(amount, stops, [c[i] for c in colours]) for i in range(3)]).astype("float32")


# Normal faces ---------------------------------------------------------------------------------------------------------


def people(rng: np.random.Generator, count: int) -> Person:
    """Random people: every value is continuous except what may be absent (glasses, beard)."""
    import numpy as np

    d = Draw(rng, count)
    grey, hair = d.between(0, 1) ** 5, d.between(0, 1)
    hair_colour = d.mix(hair**1.3, (0.07, 0.05, 0.05), (0.22, 0.13, 0.08), (0.45, 0.27, 0.14), (0.83, 0.66, 0.4))
    iris = d.mix(d.between(0, 1) ** 1.5, (0.2, 0.11, 0.06), (0.36, 0.24, 0.12), (0.3, 0.4, 0.25), (0.35, 0.5, 0.65))
    skin = d.mix(d.between(0, 1), (0.95, 0.79, 0.69), (0.85, 0.65, 0.5), (0.62, 0.43, 0.31), (0.36, 0.23, 0.17))
    eye, tilt = d.between(0.19, 0.235), d.around(0, 0.06)
    person: Person = {
        "cx": d.around(0, 0.03), "cy": d.around(0.06, 0.03), "scale": d.between(1.1, 1.32), "roll": d.around(0, 0.06),
        "yaw": d.around(0, 0.35), "pitch": d.around(0, 0.3), "turned": np.zeros_like(eye),
        "skin": np.clip(skin + d.around(0, 0.02) * np.array([1, -0.3, -0.6], np.float32)[:, None, None, None], 0, 1),
        "width": d.between(0.43, 0.53), "height": d.between(0.56, 0.66), "jaw": d.between(0.05, 0.4),
        "hair": hair_colour + grey * (d.between(0.55, 0.85) - hair_colour),
        "volume": d.between(0.03, 0.15), "length": d.between(-0.35, 1.0), "hairline": d.between(0.38, 0.72),
        "parting": d.around(0, 0.3), "fringe": d.between(-0.35, 0.7), "strands": d.between(12, 40),
        "curl": d.between(0, 4), "blush": d.between(0, 0.3), "relief": d.between(0.15, 0.45),
        "ear": d.between(0.07, 0.11), "neck": d.between(0.2, 0.3), "cloth": d.colour(), "collar": d.between(0.05, 0.3),
        "iris": iris, "eye_width": d.between(0.095, 0.125), "eye_height": d.between(0.035, 0.062),
        "gaze": d.around(0, 0.25),
        "lid": d.between(0.3, 0.9), "brow_gap": d.between(0.085, 0.14), "brow_thick": d.between(0.014, 0.034),
        "brow_slope": d.around(0, 0.12), "brow_dark": d.between(0.4, 0.95), "nose_width": d.between(0.055, 0.1),
        "nose_shade": d.between(0.15, 0.5), "mouth_width": d.between(0.14, 0.23), "smile": d.around(0.03, 0.03),
        "lips": d.between(0.022, 0.05), "open": np.maximum(d.around(-0.02, 0.045), 0), "lip_red": d.between(0.1, 0.75),
        "beard": d.chance(0.22) * d.between(0.15, 0.8), "glasses": d.chance(0.16), "rim": d.between(0.012, 0.026),
        "sun_x": d.around(0, 0.5), "sun_y": d.around(-0.25, 0.25),
        # Where features are and how large they are: x, y, size; what is not there has size 0.
        "eyes": [(-eye, -0.1 + tilt * 0.1, np.ones_like(eye)), (eye, -0.1 - tilt * 0.1, np.ones_like(eye))],
        "brows": [(-eye, -0.1 + tilt * 0.1, np.ones_like(eye)), (eye, -0.1 - tilt * 0.1, np.ones_like(eye))],
        "noses": [(np.zeros_like(eye), d.between(0.1, 0.16), np.ones_like(eye))],
        "mouths": [(np.zeros_like(eye), d.between(0.3, 0.37), np.ones_like(eye))],
    }  # fmt: skip
    return person


def background(d: Draw, brush: Brush) -> None:
    """A gradient, a slow wave of colour and up to two things out of focus."""
    import numpy as np

    x, y = brush.x, brush.y
    angle = d.between(0, 6.28)
    slope = 0.5 + 0.4 * (np.cos(angle) * x + np.sin(angle) * y)
    first, second = d.colour(), d.colour()
    brush.picture[...] = first + slope * d.between(0.2, 1) * (second - first)
    wave = np.sin(d.around(0, 4) * x + d.around(0, 4) * y + d.between(0, 6.28))
    brush.picture[...] += d.between(0, 0.4) ** 2 * wave * (d.colour() - 0.5) * 2
    for _ in range(2):
        there = d.chance(0.4) * d.between(0.2, 0.8)
        u, v, a, b = x - d.between(-1, 1), y - d.between(-1, 1), d.between(0.05, 0.5), d.between(0.05, 0.9)
        shape = np.where(d.chance(0.5) > 0, ellipse(u, v, a, a), box(u, v, a, b))
        brush.paint(edge(shape, 0.25) * there, d.colour())
    np.clip(brush.picture, 0, 1, out=brush.picture)


def portrait(p: Person, brush: Brush) -> None:
    """Paint a person over the background, from back to front: what is behind the head, the head, the face, the hair."""
    import numpy as np

    x, y = (brush.x - p["cx"]) / p["scale"], (brush.y - p["cy"]) / p["scale"]
    cos, sin = np.cos(p["roll"]), np.sin(p["roll"])
    u, v = cos * x + sin * y, cos * y - sin * x  # the head's own axes
    width, height, hair = p["width"], p["height"], p["hair"]
    strands = 1 + 0.07 * np.sin(p["strands"] * u + p["curl"] * np.sin(5 * v) + 2 * v)
    shine = strands * (1.08 - 0.35 * (v + 0.3))
    big = width + p["volume"]
    around_head = ellipse(u - 0.02 * p["yaw"], v + 0.07, big, height + p["volume"])
    falls = box(u, v - p["length"] / 2, big * 0.98, np.maximum(p["length"] / 2 + 0.15, 0.02))
    brush.paint(
        edge(np.where(v > -0.1, np.minimum(np.maximum(around_head, v - p["length"]), falls), around_head)),
        hair * 0.8 * shine,
    )
    shoulders = ellipse(x, y - 1.32, 0.95, 0.62)
    brush.paint(edge(box(u, v - 0.65, p["neck"], 0.4)), p["skin"] * 0.78)
    neckline = ellipse(x, y - 0.72, p["neck"] + p["collar"], 0.12 + p["collar"])
    brush.paint(edge(np.maximum(shoulders, -neckline)), p["cloth"] * (1 - 0.25 * x * p["sun_x"]))
    for side in (-1, 1):
        far = 1 + side * 0.5 * p["yaw"]
        brush.paint(edge(ellipse(u - side * width, v, p["ear"] * far, 0.13)), p["skin"] * 0.86)

    narrow = width * (1 - p["jaw"] * np.clip(v / height, 0, 1) ** 1.5)
    head = edge(ellipse(u, v, narrow, height))
    shade = 1 - p["relief"] * (0.55 * ((u / width) ** 2 + (v / height) ** 2) - p["sun_x"] * u - p["sun_y"] * v)
    brush.paint(head, p["skin"] * np.clip(shade, 0.3, 1.25))
    face(p, brush, u, v, head)
    if np.any(p["beard"]):
        jaw = edge(0.2 - v + 0.9 * u**2 - 0.35 * np.abs(u), 0.12) * edge(
            0.1 - ellipse(u - 0.1 * p["yaw"], v - 0.33, p["mouth_width"] * 0.9, 0.04), 0.06
        )
        brush.paint(head * jaw * p["beard"], hair * 0.75 * strands)
    line = -height * p["hairline"] + p["fringe"] * (u - p["parting"] * width) ** 2 * 1.5
    brush.paint(edge(np.maximum(around_head, v - line), 0.05), hair * shine)


def face(p: Person, brush: Brush, u: Any, v: Any, head: Any) -> None:
    """Paint eyes, brows, nose, mouth and glasses, on the face where `head` is 1."""
    import numpy as np

    flip = 1 - 2 * p["turned"]  # 1, or -1 for a face that is upside down inside the head
    u, v = u * flip, (v - 0.1) * flip + 0.1
    shift, lift = 0.13 * p["yaw"], 0.09 * p["pitch"]
    ink = p["skin"] * 0.25
    for side in (-1, 1):
        cheek = np.exp(-((u - side * 0.27 - shift) ** 2 + (v - 0.17) ** 2) * 45)
        brush.paint(head * cheek * p["blush"], p["skin"] * np.array([1.0, 0.72, 0.7], np.float32)[:, None, None, None])
    for cx, cy, size in p["noses"]:
        if not np.any(size):
            continue
        nu, nv = (u - cx - 1.5 * shift) / np.maximum(size, 0.01), (v - cy - 1.4 * lift) / np.maximum(size, 0.01)
        there = head * (size > 0)
        bridge = np.exp(-(((nu + 0.05 * np.sign(p["sun_x"])) / 0.035) ** 2)) * edge(np.abs(nv + 0.12) - 0.13, 0.08)
        brush.paint(there * bridge * p["nose_shade"] * 0.6, p["skin"] * 0.6)
        brush.paint(there * np.exp(-((nu / 0.05) ** 2) - (nv / 0.06) ** 2) * 0.35, np.minimum(p["skin"] * 1.3, 1))
        under = np.exp(-((nu / p["nose_width"]) ** 2) - ((nv - 0.055) / 0.022) ** 2)
        brush.paint(there * under * p["nose_shade"], p["skin"] * 0.5)
        for side in (-1, 1):
            brush.paint(there * edge(ellipse(nu - side * p["nose_width"] * 0.6, nv - 0.05, 0.024, 0.015)) * 0.8, ink)
    for cx, cy, size in p["mouths"]:
        if not np.any(size):
            continue
        mu, mv = (u - cx - 1.1 * shift) / np.maximum(size, 0.01), (v - cy - 0.8 * lift) / np.maximum(size, 0.01)
        there = head * (size > 0)
        across = mu / p["mouth_width"]
        bend = mv + p["smile"] * across**2 * 1.5 - p["smile"] * 0.7
        taper = np.clip(1 - across**2, 0, 1)
        lips = np.abs(bend) - (p["lips"] + p["open"]) * taper - 0.004
        red = p["skin"] + p["lip_red"] * (np.array([0.72, 0.25, 0.27], np.float32)[:, None, None, None] - p["skin"])
        ends = edge(np.abs(mu) - p["mouth_width"])
        brush.paint(there * ends * edge(lips), red * 0.92)
        brush.paint(there * ends * edge(np.abs(bend) - p["open"] * taper - 0.006, 0.03), p["skin"] * 0.22)
        teeth = edge(np.maximum(np.abs(bend + 0.35 * p["open"]) - 0.5 * p["open"] * taper, np.abs(across) - 0.75), 0.03)
        brush.paint(there * teeth * np.clip(p["open"] * 40 - 0.6, 0, 1), np.float32(0.9))
    for cx, cy, size in p["eyes"]:
        if not np.any(size):
            continue
        near = np.maximum(size, 0.01)
        eu, ev = (u - cx - shift) / near, (v - cy - lift) / near
        there = head * (size > 0)
        wide = p["eye_width"] * (1 + 0.35 * p["yaw"] * np.sign(cx))
        lens = np.abs(ev) - p["eye_height"] * np.clip(1 - (eu / wide) ** 2, 0, 1)
        inside = there * edge(lens) * edge(np.abs(eu) - wide)
        brush.paint(there * np.exp(-((eu / wide / 1.3) ** 2) - (ev / 0.085) ** 2) * 0.35, p["skin"] * 0.62)
        brush.paint(inside, np.float32(0.92))
        iris = ellipse(eu - p["gaze"] * 0.12, ev, p["eye_height"] * 1.0, p["eye_height"] * 1.0)
        brush.paint(inside * edge(iris), p["iris"])
        brush.paint(inside * edge(iris + p["eye_height"] * 0.5), np.float32(0.04))
        brush.paint(
            inside * edge(ellipse(eu - p["gaze"] * 0.12 + 0.018, ev + 0.018, 0.012, 0.012)) * 0.6, np.float32(1)
        )
        upper = np.abs(ev + p["eye_height"] * np.clip(1 - (eu / wide) ** 2, 0, 1)) - 0.008
        brush.paint(there * edge(upper, 0.03) * edge(np.abs(eu) - wide) * p["lid"], ink)
    for cx, cy, size in p["brows"]:
        if not np.any(size):
            continue
        bu, bv = u - cx - shift, v - cy - lift + p["brow_gap"]
        curve = np.abs(bv + p["brow_slope"] * bu * np.sign(cx) + bu**2 * 2 - 0.01) - p["brow_thick"] * (
            1 - 4 * np.abs(bu)
        )
        brush.paint(head * (size > 0) * edge(curve) * edge(np.abs(bu) - 0.13, 0.06) * p["brow_dark"], p["hair"] * 0.6)
    if np.any(p["glasses"]):
        left, right = (
            np.abs(ellipse(u - cx - shift, v - cy - lift, 0.16, 0.125)) - p["rim"] for cx, cy, _ in p["eyes"][:2]
        )
        bridge = np.maximum(np.abs(v + 0.12 - lift) - p["rim"], np.abs(u - shift) - 0.06)
        brush.paint(edge(np.minimum(np.minimum(left, right), bridge)) * p["glasses"], p["cloth"] * 0.35)


# Pictures without a face ----------------------------------------------------------------------------------------------


def cartoon(d: Draw, brush: Brush) -> None:
    """A head in flat colours with large eyes and hair of any colour."""
    import numpy as np

    p = people(d.rng, d.count)
    p |= {
        "hair": d.colour(0.1, 0.95), "skin": d.mix(d.between(0, 1), (1.0, 0.86, 0.76), (0.95, 0.76, 0.6)),
        "relief": d.between(0, 0.05), "eye_width": d.between(0.12, 0.17), "eye_height": d.between(0.1, 0.17),
        "iris": d.colour(0.2, 0.9), "jaw": d.between(0.4, 0.75), "mouth_width": d.between(0.05, 0.12),
        "nose_shade": d.between(0, 0.1), "nose_width": d.between(0.02, 0.04), "beard": np.zeros_like(p["beard"]),
        "fringe": d.between(0.4, 1.4), "volume": d.between(0.1, 0.22), "lips": d.between(0.005, 0.02),
        "strands": d.between(8, 14),
    }  # fmt: skip
    portrait(p, brush)


def animal(d: Draw, brush: Brush) -> None:
    """A furry head with ears on top, round eyes and a muzzle."""
    import numpy as np

    p = people(d.rng, d.count)
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
    brush.paint(
        head * edge(ellipse(u - shift, v - muzzle_y, d.between(0.18, 0.28), d.between(0.15, 0.22)), 0.08), patch
    )
    round_eye, gap = d.between(0.06, 0.11), d.between(0.18, 0.26)
    for side in (-1, 1):
        eye = ellipse(u - side * gap - shift, v + 0.08 - lift, round_eye, round_eye)
        brush.paint(head * edge(eye), d.mix(d.between(0, 1), (0.15, 0.08, 0.05), (0.7, 0.55, 0.15), (0.4, 0.6, 0.3)))
        brush.paint(
            head * edge(ellipse(u - side * gap - shift, v + 0.08 - lift, 0.03, round_eye * 0.8)), np.float32(0.03)
        )
        glint = ellipse(u - side * gap - shift + 0.02, v + 0.1 - lift, 0.014, 0.014)
        brush.paint(head * edge(glint) * 0.7, np.float32(1))
        for slope in (-0.25, 0.1):
            whisker = np.abs(v - muzzle_y + slope * (u - shift) * side) - 0.006
            brush.paint(edge(whisker, 0.03) * edge(np.abs(u - shift - side * 0.36) - 0.2) * 0.8, np.float32(0.95))
    nose = np.maximum(np.abs(u - shift) + (v - muzzle_y + 0.03) * 0.8 - 0.08, -(v - muzzle_y + 0.09))
    brush.paint(head * edge(nose), np.float32(0.08))
    brush.paint(
        head
        * edge(
            np.maximum(np.abs(np.abs(u - shift) - (v - muzzle_y) + 0.03) - 0.012, np.abs(v - muzzle_y - 0.1) - 0.06)
        ),
        fur * 0.2,
    )


def things(d: Draw, brush: Brush) -> None:
    """Four to seven discs, boxes, rings and wedges, shaded, on top of each other around the middle."""
    import numpy as np

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


def landscape(d: Draw, brush: Brush) -> None:
    """Sky, sometimes a sun, three ridges with some trees."""
    import numpy as np

    sky = d.mix(d.between(0, 1), (0.35, 0.6, 0.9), (0.8, 0.85, 0.9), (0.95, 0.6, 0.4), (0.1, 0.12, 0.3))
    horizon = d.between(-0.2, 0.5)
    brush.picture[...] = sky + 0.4 * (brush.y - horizon) * (d.between(0, 1) - sky)
    brush.paint(
        edge(ellipse(brush.x - d.between(-0.9, 0.9), brush.y - d.between(-0.9, 0), d.between(0.08, 0.3), 0.2))
        * d.chance(0.6),
        d.colour(0.7, 1),
    )
    for number in range(3):
        ridge = horizon + 0.25 * number + d.between(0.02, 0.22) * np.sin(d.between(1, 6) * brush.x + d.between(0, 6.28))
        ground = d.mix(d.between(0, 1), (0.2, 0.3, 0.2), (0.45, 0.5, 0.25), (0.6, 0.5, 0.35), (0.75, 0.75, 0.8))
        brush.paint(edge(ridge - brush.y), ground * (1.1 - 0.2 * number))
        for _ in range(2):
            tree = ellipse(
                brush.x - d.between(-0.9, 0.9), brush.y - horizon - 0.25 * number, d.between(0.02, 0.08), 0.15
            )
            brush.paint(edge(tree) * d.chance(0.5), ground * d.between(0.2, 0.7))
    np.clip(brush.picture, 0, 1, out=brush.picture)


def pattern(d: Draw, brush: Brush) -> None:
    """Stripes, checks, dots, plaid or cloth over the whole picture, at any angle, coarse to fine, faint to strong."""
    import numpy as np

    angle, pitch = d.between(0, 3.14), d.between(5, 24)
    u = (np.cos(angle) * brush.x + np.sin(angle) * brush.y) * pitch + d.between(0, 6.28)
    v = (np.cos(angle) * brush.y - np.sin(angle) * brush.x) * pitch * d.between(0.6, 1.4)
    u = u + d.between(0, 1) * np.sin(v * 0.5)
    one, two = np.sin(u), np.sin(v)
    ink = np.choose(
        d.rng.integers(0, 4, (d.count, 1, 1)), [one, one * two * 1.5, one + two, np.maximum(one, two) * 1.2]
    )
    ink = 0.5 + 0.5 * np.tanh(ink * 0.6 * d.between(1, 5) ** 2)
    brush.paint(ink * d.between(0.25, 1), d.colour())


def plain(d: Draw, brush: Brush) -> None:
    """Smooth colours, and in half of the pictures a blank head without a face."""
    import numpy as np

    soft = d.between(0.1, 0.6)
    for _ in range(2):
        shape = ellipse(
            brush.x - d.around(0, 0.5), brush.y - d.around(0, 0.5), d.between(0.2, 0.8), d.between(0.2, 0.8)
        )
        brush.paint(np.clip(0.5 - shape / soft, 0, 1) * d.between(0.2, 0.9), d.colour())
    p = people(d.rng, d.count)
    u, v = (brush.x - p["cx"]) / p["scale"], (brush.y - p["cy"]) / p["scale"]
    shade = 1 - p["relief"] * (
        0.55 * ((u / p["width"]) ** 2 + (v / p["height"]) ** 2) - p["sun_x"] * u - p["sun_y"] * v
    )
    head = np.minimum(ellipse(u, v, p["width"], p["height"]), ellipse(u, v - 1.32, 0.9, 0.6))
    brush.paint(edge(head) * d.chance(0.5), p["skin"] * np.clip(shade, 0.3, 1.25))


# Altered faces --------------------------------------------------------------------------------------------------------


def misplaced(d: Draw, brush: Brush) -> None:
    """Mouth and eyes are swapped, or one or both eyes, the nose or the mouth are elsewhere in the face."""
    import numpy as np

    p = people(d.rng, d.count)
    how = d.rng.integers(0, 4, (d.count, 1, 1))
    (left, right), (nose,), (mouth,) = p["eyes"], p["noses"], p["mouths"]
    move, down = d.choice(-1, 1) * d.between(0.12, 0.2), d.between(0.1, 0.3)
    swap, lone, both, low = (how == kind for kind in range(4))
    gap = mouth[1] - left[1]
    p["eyes"] = [
        (left[0], left[1] + swap * gap + both * down, left[2]),
        (right[0], right[1] + swap * gap + lone * down + both * down, right[2]),
    ]
    p["mouths"] = [(mouth[0] + low * move, mouth[1] - swap * gap - both * 0.45, mouth[2])]
    p["noses"] = [(nose[0] - low * move, nose[1] - low * d.between(0.0, 0.2), nose[2])]
    p["brows"] = [(x, y, size * np.where(swap, d.chance(0.5), 1)) for x, y, size in p["brows"]]
    portrait(p, brush)


def extra(d: Draw, brush: Brush) -> None:
    """A third eye, or a second mouth or nose."""
    import numpy as np

    p = people(d.rng, d.count)
    how = d.rng.integers(0, 4, (d.count, 1, 1))
    zero = np.zeros((d.count, 1, 1), np.float32)
    p["hairline"] = np.maximum(p["hairline"], 0.6)
    p["eyes"] += [(zero + d.around(0, 0.03), zero - d.between(0.25, 0.32), zero + (how < 2))]
    p["mouths"] += [(zero + d.around(0, 0.05), zero + d.between(0.45, 0.5) - (d.chance(0.4) * 0.72), zero + (how == 2))]
    p["noses"] += [(zero + d.choice(-0.2, 0.2), p["noses"][0][1] + d.around(0, 0.03), zero + (how == 3))]
    portrait(p, brush)


def missing(d: Draw, brush: Brush) -> None:
    """One eye, both eyes with their brows, the mouth, or mouth and nose are missing."""
    p = people(d.rng, d.count)
    how = d.rng.integers(0, 4, (d.count, 1, 1))
    p["glasses"] = p["glasses"] * 0
    for name, gone in (("eyes", ((how == 0) | (how == 1), how == 1)), ("brows", (how == 1, how == 1))):
        p[name] = [(x, y, size * (1 - out)) for (x, y, size), out in zip(p[name], gone, strict=True)]
    p["mouths"] = [(x, y, size * (how < 2)) for x, y, size in p["mouths"]]
    p["noses"] = [(x, y, size * (how != 3)) for x, y, size in p["noses"]]
    portrait(p, brush)


def halves(d: Draw, brush: Brush) -> None:
    """The left half of one person and the right half of another, in one pose."""
    import numpy as np

    p, other = people(d.rng, d.count), people(d.rng, d.count)
    pose = {name: p[name] for name in ("cx", "cy", "scale", "roll", "yaw", "pitch", "width", "height", "jaw")}
    second = Brush(brush.picture.copy(), brush.x, brush.y)
    portrait(p, brush)
    portrait(other | pose, second)
    seam = np.cos(p["roll"]) * (brush.x - p["cx"]) + np.sin(p["roll"]) * (brush.y - p["cy"])
    brush.paint(edge(-seam), second.picture)


def inverted(d: Draw, brush: Brush) -> None:
    """The face is upside down inside the head, or the whole picture is."""
    import numpy as np

    p = people(d.rng, d.count)
    whole = d.chance(0.5)
    p["turned"] = 1 - whole
    portrait(p, brush)
    brush.picture[...] = np.where(whole > 0, brush.picture[:, :, ::-1], brush.picture)


def shuffled(d: Draw, brush: Brush) -> None:
    """A face cut into four or sixteen squares, shuffled."""
    import numpy as np

    portrait(people(d.rng, d.count), brush)
    for at, cells in enumerate(d.rng.choice([2, 4], d.count)):
        side = SIDE // cells
        squares = brush.picture[:, at].reshape(3, cells, side, cells, side).transpose(1, 3, 0, 2, 4)
        order = d.rng.permutation(cells**2)
        order = np.roll(order, 1)[np.argsort(order)]  # one cycle: no square stays where it was
        squares = squares.reshape(cells**2, 3, side, side)[order].reshape(cells, cells, 3, side, side)
        brush.picture[:, at] = squares.transpose(2, 0, 3, 1, 4).reshape(3, SIDE, SIDE)


def normal(d: Draw, brush: Brush) -> None:
    """A face."""
    portrait(people(d.rng, d.count), brush)


KINDS: dict[str, Callable[[Draw, Brush], None]] = {
    "cartoon": cartoon, "animal": animal, "things": things, "landscape": landscape, "misplaced": misplaced,
    "extra": extra, "missing": missing, "halves": halves, "inverted": inverted, "shuffled": shuffled,
    "pattern": pattern, "plain": plain,
}  # fmt: skip
"""The kinds of anomalies, equally many of each."""


def camera(d: Draw, picture: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The camera's image (b, 64, 64, 3) of a picture (3, b, 64, 64): light, colour cast, focus and noise."""
    import numpy as np

    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    cast = 1 + d.around(0, 0.05) * np.array([1, 0.1, -1], np.float32)[:, None, None, None]
    light = d.around(0.92, 0.13) * (1 + d.around(0, 0.12) * across + d.around(0, 0.12) * across[:, None])
    picture = (0.5 + d.between(0.7, 1.05) * (picture * light - 0.5)) * cast
    blur = d.between(0, 0.5)
    for axis in (2, 3):
        near = np.roll(picture, 1, axis) + np.roll(picture, -1, axis)
        near[(slice(None),) * axis + ([0, -1],)] = 2 * picture[(slice(None),) * axis + ([0, -1],)]
        picture = picture + blur * (near / 2 - picture)
    picture = picture + d.between(0.004, 0.014) * d.rng.standard_normal(picture.shape, np.float32)
    return np.ascontiguousarray((picture.clip(0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 3, 0))


def pictures(kind: str, rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    """`count` images (count, 64, 64, 3) of faces ("normal") or of one kind of anomaly."""
    import numpy as np

    place = np.linspace(-1, 1, SIDE, dtype=np.float32)
    parts = []
    for start in range(0, count, BATCH):
        d = Draw(rng, min(BATCH, count - start))
        brush = Brush(np.empty((3, d.count, SIDE, SIDE), np.float32), place[None, None, :], place[None, :, None])
        background(d, brush)
        (KINDS[kind] if kind != "normal" else normal)(d, brush)
        parts.append(camera(d, brush.picture))
    return np.concatenate(parts)


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None
) -> Made:
    """Write the two arrays into the year's folder in `public`, a piece at a time."""
    import numpy as np
    from numpy.lib.format import open_memmap

    sizes = COUNTS | {"full": (layout.train_images, layout.test_images)}
    if size not in sizes:
        raise UserError(f"size {size!r}: expected one of: {', '.join(sizes)}.")
    train_count, test_count = sizes[size]
    odd = np.resize(np.array(list(KINDS)), test_count // 2)
    kinds = np.concatenate([np.full(test_count - len(odd), "normal"), odd])
    kinds = streams.generator("test/kinds").permutation(kinds)
    folder = public / layout.folder
    folder.mkdir()
    small = []
    for part, name, wanted in (
        ("training", TRAIN_FILE, np.full(train_count, "normal")), ("test", TEST_FILE, kinds),
    ):  # fmt: skip
        images = open_memmap(folder / name, mode="w+", dtype=np.uint8, shape=(len(wanted), SIDE, SIDE, 3))
        for start in range(0, len(wanted), PIECE):
            piece = images[start : start + PIECE]
            for kind in ("normal", *KINDS):
                places = np.flatnonzero(wanted[start : start + PIECE] == kind)
                if len(places):
                    # One stream for each kind: the faces of a piece reveal nothing about the anomalies among them.
                    rng = streams.generator(f"{part}/{start}/{kind}")
                    piece[places] = pictures(kind, rng, len(places))
        images.flush()
        small.append(thumbnails(images))
    return Made(
        Answers(range(test_count), {layout.column: (kinds != "normal").astype(np.int64)}, strata=kinds),
        train=small[0],
        test=small[1],
    )


def thumbnails(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The input of the leak checks: at most 20,000 of the images, as means over squares of 8 pixels, (n, 192)."""
    import numpy as np

    parts = []
    for start in range(0, min(len(images), 20_000), PIECE):
        piece = images[start : min(start + PIECE, 20_000)].astype(np.float64)
        parts.append(piece.reshape(len(piece), 8, 8, 8, 8, 3).mean(axis=(2, 4)).reshape(len(piece), -1))
    return np.concatenate(parts)
