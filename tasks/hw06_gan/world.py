"""The built-in world of HW6: drawn faces of 64 × 64 pixels from a family of some seventy continuous parameters.

A face is a row of uniform numbers. They set pose, shape, colours, hair, eyes, mouth, accessories, clothes, background
and light; shapes are distances in pixels, turned into coverage, so that a small change of a parameter is a small change
of the image. Of many parameters a key has half the range only (`windows`). `draw` gives faces, `attributes` faces with
their parameters (to train a feature network), `make_images` the students' files and the hidden real images.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import UserError
from tasks.processes import mapped
from tasks.streams import Streams

Images = NDArray[np.uint8]
Field = NDArray[np.float32]
Window = NDArray[np.float64]

SIDE = 64
SIZES = {"small": (2000, 1000), "full": (71314, 10000)}
"""Faces that students get (the course's own number in "full") and hidden ones."""
PART = 1024
"""Faces that are drawn at once, by one process."""
QUALITY = 92
"""The quality of the JPEG files; the hidden images are compressed in the same way."""

RANGES = {
    "shift_x": (-9.0, 9.0), "shift_y": (-6.0, 6.0), "scale": (0.76, 1.4), "tilt": (-0.5, 0.5), "yaw": (-1.0, 1.0),
    "pitch": (-1.0, 1.0),
    "face_width": (14.5, 17.5), "face_height": (16.0, 19.0), "chin": (0.2, 0.65), "skin": (0.0, 1.0),
    "skin_red": (-0.03, 0.03), "blush": (0.0, 0.55),
    "hair_hue": (0.0, 1.0), "hair_saturation": (0.1, 0.75), "hair_value": (0.25, 0.95), "hair_volume": (2.0, 5.0),
    "hair_gloss": (0.0, 0.4), "hair_tip": (-0.25, 0.25), "strands": (0.0, 0.16),
    "fringe_height": (-8.0, 0.0), "fringe_depth": (1.0, 5.5), "fringe_width": (4.5, 9.0), "fringe_phase": (0.0, 1.0),
    "fringe_part": (-9.0, 9.0), "fringe_gap": (0.0, 7.0), "fringe_curve": (-0.02, 0.03),
    "lock_left": (0.0, 20.0), "lock_right": (0.0, 20.0), "lock_width": (1.8, 4.2),
    "back_length": (2.0, 34.0), "back_width": (-2.0, 5.0), "back_wave": (0.0, 2.2), "tail_size": (3.5, 7.0),
    "tail_height": (-14.0, 2.0), "tail_swing": (-4.0, 6.0),
    "eye_hue": (0.0, 1.0), "eye_saturation": (0.3, 0.95), "eye_value": (0.45, 1.0), "eye_width": (3.5, 4.7),
    "eye_height": (3.4, 5.3), "eye_open": (0.55, 1.0), "eye_slant": (-0.25, 0.25), "eye_gap": (7.2, 8.8),
    "eye_level": (1.5, 4.0), "iris": (0.62, 0.86), "pupil": (0.3, 0.55), "look_x": (-1.1, 1.1), "look_y": (-0.7, 0.7),
    "glint": (0.8, 1.5), "lash": (0.7, 1.4),
    "brow_level": (3.0, 5.5), "brow_slope": (-0.3, 0.3), "brow_curve": (0.0, 0.08), "brow_width": (0.4, 0.9),
    "mouth_width": (1.8, 4.0), "mouth_curve": (-0.06, 0.16), "mouth_open": (-1.2, 2.6), "mouth_level": (9.5, 11.5),
    "dress_hue": (0.0, 1.0), "dress_saturation": (0.0, 0.8), "dress_value": (0.2, 1.0), "collar": (3.0, 9.0),
    "extra_hue": (0.0, 1.0), "extra_value": (0.5, 1.0), "extra_place": (-0.9, 0.9), "extra_size": (0.8, 1.3),
    "back_hue": (0.0, 1.0), "back_saturation": (0.0, 0.5), "back_value": (0.45, 1.0), "back_shift": (-0.2, 0.2),
    "back_angle": (0.0, 1.0), "back_fade": (0.0, 0.5), "spot_x": (-24.0, 24.0), "spot_y": (-26.0, 10.0),
    "spot": (0.0, 0.4),
    "light_angle": (0.0, 1.0), "light": (0.02, 0.3), "warmth": (-0.08, 0.08), "exposure": (0.85, 1.08),
}  # fmt: skip
"""Every continuous parameter with the ends of its uniform range; lengths in pixels, angles in radians or turns."""
FAMILY = (
    "shift_x", "shift_y", "scale", "tilt", "yaw", "pitch",
    "skin", "skin_red", "blush",
    "hair_hue", "hair_saturation", "hair_value", "hair_volume", "hair_gloss", "hair_tip", "strands",
    "fringe_height", "fringe_depth", "fringe_width", "fringe_phase", "fringe_part", "fringe_curve",
    "back_length", "back_width", "back_wave",
    "eye_hue", "eye_saturation", "eye_value", "dress_hue", "dress_saturation", "dress_value", "extra_hue",
    "back_hue", "back_saturation", "back_value", "back_shift", "back_angle", "back_fade", "spot_x", "spot_y", "spot",
    "light_angle", "light", "warmth", "exposure",
)  # fmt: skip
"""The parameters of which a world has half the range only, a window that its key draws."""
TURNS = ("hair_hue", "eye_hue", "dress_hue", "extra_hue", "back_hue", "fringe_phase", "back_angle", "light_angle")
"""The parameters that are a position on a circle: 0 and 1 are the same."""
CHANCES = {
    "tails": 0.25, "glasses": 0.18, "ears": 0.18, "bow": 0.22, "pin": 0.2, "band": 0.15, "smile": 0.1, "fang": 0.1,
}  # fmt: skip
"""The features that a face may have, with their probabilities. "smile": the eyes are closed to arcs."""

_FAMILY = [list(RANGES).index(name) for name in FAMILY]
_CHUNK = 16  # faces drawn at a time: their fields stay in the cache

Face = dict[str, NDArray[Any]]


def windows(streams: Streams) -> Window:
    """Where the windows of a key begin, in the order of `FAMILY`, as a share of the range.

    A window on a circle begins anywhere.
    """
    starts = streams.generator("windows").random(len(FAMILY))
    return np.where([name in TURNS for name in FAMILY], starts, starts / 2)


def uniforms(rng: np.random.Generator, count: int, window: Window | None = None) -> NDArray[np.float64]:
    """The uniform numbers (n, parameters) of faces, continuous ones first; the first faces do not depend on `count`.

    Those of `FAMILY` lie in a key's windows, from `start` to `start` + ½, or in 0..1 without.
    """
    numbers = rng.random((count, len(RANGES) + len(CHANCES)))
    if window is not None:
        numbers[:, _FAMILY] = window + numbers[:, _FAMILY] / 2
    return numbers


def parameters(numbers: NDArray[np.float64]) -> Face:
    """The parameters by name, each (n,), of uniform numbers (n, parameters)."""
    face: Face = {}
    for index, (name, (low, high)) in enumerate(RANGES.items()):
        face[name] = (low + (high - low) * numbers[:, index]).astype(np.float32)
    for index, (name, chance) in enumerate(CHANCES.items(), start=len(RANGES)):
        face[name] = (numbers[:, index] < chance).astype(np.float32)
    return face


def draw(rng: np.random.Generator, count: int, window: Window | None = None) -> Images:
    """Faces, uint8 (n, 64, 64, 3), of a key's windows or of the whole ranges."""
    return render(uniforms(rng, count, window))


def attributes(rng: np.random.Generator, count: int, window: Window | None = None) -> tuple[Images, Field]:
    """Faces and their parameters, float32 (n, k).

    First the continuous parameters, with mean 0 and deviation 1, and two columns, cosine and sine, for a place on a
    whole circle; then the marks 0 and 1, one column for each of `CHANCES`, in that order.
    """
    numbers = uniforms(rng, count, window)
    places = numbers.copy()  # within the windows
    if window is not None:
        places[:, _FAMILY] = 2 * (numbers[:, _FAMILY] - window)
    columns = []
    for index, name in enumerate(RANGES):
        if name in TURNS and window is None:
            angle = 2 * np.pi * numbers[:, index]
            columns += [np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)]
        else:
            columns.append((places[:, index] - 0.5) * np.sqrt(12))
    face = parameters(numbers)
    columns += [face[name] for name in CHANCES]
    return render(numbers), np.stack(columns, axis=1).astype(np.float32)


def render(numbers: NDArray[np.float64], *, features: bool = True) -> Images:
    """The images of uniform numbers (n, parameters); without `features`, heads without eyes, brows and mouth."""
    images = np.empty((len(numbers), SIDE, SIDE, 3), np.uint8)
    for start in range(0, len(numbers), _CHUNK):
        face = parameters(numbers[start : start + _CHUNK])
        canvas = _paint_all(face, features)
        images[start : start + _CHUNK] = np.rint(np.clip(canvas, 0, 1) * 255).transpose(1, 2, 3, 0).astype(np.uint8)
    return images


# Drawing


def _rgb(hue: Any, saturation: Any, value: Any) -> Field:
    """The colour (3, n), each in 0..1, of hue (in turns), saturation and value."""
    sector = (np.asarray(hue)[None] * 6 + np.array([5.0, 3.0, 1.0])[:, None]) % 6
    out: Field = (value - value * saturation * np.clip(np.minimum(sector, 4 - sector), 0, 1)).astype(np.float32)
    return out


def _cover(distance: Any, blur: float = 1.0) -> Field:
    """The share of each pixel within a shape, by the distance to its border (negative inside), soft over `blur`."""
    out: Field = np.clip(np.float32(0.5) - distance * np.float32(1 / blur), 0, 1)
    return out


def _oval(x: Field, y: Field, width: Any, height: Any) -> Field:
    """About the distance to an ellipse of half axes `width` and `height` (numbers or (n, 1, 1))."""
    out: Field = (np.sqrt(np.square(x / width) + np.square(y / height)) - np.float32(1)) * np.minimum(width, height)
    return out


def _paint(canvas: Field, mask: Field, colour: Any) -> None:
    """Lay a colour, (3, n) or (3, n, h, w), over the canvas (3, n, h, w) where the mask (n, h, w) covers it."""
    for band, tone in enumerate(colour):
        layer = (tone[:, None, None] if tone.ndim == 1 else tone) - canvas[band]
        layer *= mask
        canvas[band] += layer


def _paint_all(face: Face, features: bool) -> Field:
    """The canvas (3, n, 64, 64)."""
    p = {name: value[:, None, None] for name, value in face.items()}
    n = len(face["yaw"])
    grid = np.arange(SIDE, dtype=np.float32) + np.float32(0.5 - SIDE / 2)
    x, y = np.broadcast_to(grid, (n, SIDE, SIDE)), np.broadcast_to(grid[:, None], (n, SIDE, SIDE))
    two_pi = np.float32(2 * np.pi)
    light_x, light_y = np.cos(two_pi * p["light_angle"]), np.sin(two_pi * p["light_angle"])

    # Background: two colours along a direction, and a soft disc.
    near = _rgb(face["back_hue"], face["back_saturation"], face["back_value"])
    far = _rgb(
        face["back_hue"] + face["back_shift"], face["back_saturation"], face["back_value"] * (1 - face["back_fade"])
    )
    along = 0.5 + (x * np.cos(two_pi * p["back_angle"]) + y * np.sin(two_pi * p["back_angle"])) / np.float32(90)
    canvas: Field = near[:, :, None, None] + (far - near)[:, :, None, None] * along[None]
    spot = _cover(np.sqrt(np.square(x - p["spot_x"]) + np.square(y - p["spot_y"])) - 12, 12.0) * p["spot"]
    _paint(canvas, spot, np.ones((3, n), np.float32))

    # The head's own axes: u to the right, v down, 0 between the eyes' level and the nose.
    cos, sin = np.cos(p["tilt"]) / p["scale"], np.sin(p["tilt"]) / p["scale"]
    dx, dy = x - p["shift_x"], y - (p["shift_y"] + 4)
    u, v = dx * cos + dy * sin, dy * cos - dx * sin

    hair = _rgb(face["hair_hue"], face["hair_saturation"], face["hair_value"])
    tip = _rgb(face["hair_hue"] + face["hair_tip"], face["hair_saturation"], face["hair_value"])
    dark = np.float32(0.62) * hair
    fair = np.stack([1.0 - 0.13 * face["skin"], 0.9 - 0.27 * face["skin"], 0.83 - 0.36 * face["skin"]])
    skin = (fair + np.stack([face["skin_red"] * 0, -face["skin_red"], face["skin_red"]])).astype(np.float32)
    shade = skin * np.array([0.86, 0.74, 0.74], np.float32)[:, None]
    lit = p["light"] * (light_x * u + light_y * v) / np.float32(18)  # what the light adds, about -0.3 to 0.3

    def shaded(colour: Field, to: Field | None = None, down: Field | None = None) -> Field:
        """A colour (3, n, 64, 64) that follows the light, and fades into another one downwards."""
        base: Any = colour[:, :, None, None]
        if to is not None and down is not None:
            base = base + (to - colour)[:, :, None, None] * down
        out: Field = base * (1 + lit)
        return out

    # Hair behind the head.
    width, height = p["face_width"], p["face_height"]
    turn = p["yaw"] * 3
    ub = u + turn * 0.4
    wave = p["back_wave"] * np.sin(v * np.float32(0.45) + two_pi * p["fringe_phase"])
    down = np.clip((v + 4) / 30, 0, 1)
    around = width + p["hair_volume"]
    cap = _oval(ub, v + 4, around, height + p["hair_volume"] + 1)
    side = np.abs(ub + wave * 0.5) - (around - 1 + p["back_width"] * down + wave * 0.4)
    fall = np.maximum(np.maximum(side, v - p["back_length"] - np.square(ub) * np.float32(-0.02)), -4 - v)
    behind = np.minimum(cap, fall)
    swing = np.clip((v - p["tail_height"]) / 32, 0, 1)
    size = p["tail_size"] * (2.6 - 1.2 * swing) * np.sqrt(swing * (1 - swing)) - 0.8
    tail = np.abs(np.abs(ub) - (around + 2 + p["tail_swing"] * swing + wave * 0.5)) - size
    behind = np.where(p["tails"] > 0, np.minimum(behind, tail), behind)
    _paint(canvas, _cover(behind), shaded(dark, tip * np.float32(0.62), down))
    _paint(canvas, _cover(behind + 1.1), shaded(np.float32(0.78) * hair, tip * np.float32(0.78), down))

    # Neck and clothes.
    low = slice(32, SIDE)
    ul, vl, part = u[:, low], v[:, low], canvas[:, :, low]
    _paint(part, _cover(np.maximum(np.abs(ul + turn[:] * 0.3) - 4.6, 10 - vl)), shade)
    body = _oval(ul + turn * 0.3, vl - 37, np.float32(23), np.float32(15.5))
    dress = _rgb(face["dress_hue"], face["dress_saturation"], face["dress_value"])
    _paint(part, _cover(body), dress * np.float32(0.7))
    _paint(part, _cover(body + 1.0), shaded(dress)[:, :, low])
    neck = np.abs(ul + turn * 0.3) * np.float32(1.25) + (vl - 20.5) - p["collar"]
    _paint(part, _cover(np.maximum(neck, body)), skin * np.float32(0.94))
    _paint(part, _cover(np.abs(np.maximum(neck, body - 1)) - 0.7), dress * np.float32(0.55) + np.float32(0.3))

    # Ears of the head, and the face: an oval that narrows to the chin.
    turned = u - turn * 0.25
    ears = _oval(np.abs(turned) - width + 0.3, v - 3, np.float32(2.2), np.float32(3.6))
    _paint(canvas, _cover(ears), shade)
    narrow = turned * (1 + p["chin"] * np.square(np.maximum(v, 0) / height))
    head = _oval(narrow, v, width, height)
    _paint(canvas, _cover(head), shade * np.float32(0.8))
    inside = _cover(head + 0.9)
    _paint(canvas, inside, shaded(skin))

    # What is on the face, turned with the head.
    uf, vf = u - turn, v - p["pitch"] * 1.2
    middle = slice(8, SIDE)
    um, vm, part, clip = uf[:, middle], vf[:, middle], canvas[:, :, middle], inside[:, middle]
    cheek = _cover(_oval(np.abs(um) - 9.5, vm - 8, np.float32(3.6), np.float32(2.2)), 2.5) * p["blush"] * clip
    _paint(part, cheek, skin * np.array([1.0, 0.62, 0.62], np.float32)[:, None])
    if features:
        _features(part, face, p, um, vm, clip, skin, hair)

    # Hair in front: a fringe of tufts with a parting, and locks at both sides.
    ut, vt = u - turn * 0.6, v
    crown = _oval(u - turn * 0.1, v + 4, around, height + p["hair_volume"] + 1)
    ramp = np.square(1.1 * np.abs((ut / p["fringe_width"] + p["fringe_phase"]) % 1 - 0.5) * 2 - 0.1)
    apart = np.maximum(p["fringe_gap"] - np.abs(ut - p["fringe_part"]), 0)
    edge = p["fringe_height"] + p["fringe_depth"] * (ramp - 0.4) + np.square(ut) * p["fringe_curve"] - apart * 1.3
    fringe = np.maximum(crown, (vt - edge) * np.float32(0.7))
    reach = np.where(u < 0, p["lock_left"], p["lock_right"])
    taper = p["lock_width"] * (1 - 0.8 * np.clip((v + 4) / (reach + 4), 0, 1))
    lock = np.maximum(np.abs(np.abs(u - turn * 0.3) - (width - 0.8) - wave * 0.25) - taper, v - reach)
    front = np.minimum(fringe, np.maximum(lock, -6 - v))
    _paint(canvas, _cover(front - 1.6, 2.0) * inside * np.float32(0.6), shade * np.float32(0.85))
    strand = 1 + p["strands"] * np.sin(
        55 * (ut - 0.3 * p["fringe_part"]) / np.maximum(v + 42, 1) + two_pi * p["fringe_phase"]
    )
    _paint(canvas, _cover(front), dark * np.float32(0.8))
    _paint(canvas, _cover(front + 0.8), shaded(hair, tip, down) * strand)
    ring = np.abs(v + 13.5 - np.square(ut) * np.float32(0.022) - ramp) - 1.3
    _paint(canvas, _cover(np.maximum(ring, front + 1.5), 1.6) * p["hair_gloss"] * 1.6, np.ones((3, n), np.float32))

    _extras(canvas, face, p, u, v, turn, around, hair, skin)

    tint = np.stack([1 + face["warmth"], np.ones(n, np.float32), 1 - face["warmth"]]) * face["exposure"]
    canvas *= tint.astype(np.float32)[:, :, None, None]
    return canvas


def _features(canvas: Field, face: Face, p: Face, u: Field, v: Field, clip: Field, skin: Field, hair: Field) -> None:
    """Eyes, brows, nose, mouth and glasses on the middle rows of the canvas."""
    n = len(face["yaw"])
    white, black = np.full((3, n), 0.98, np.float32), np.full((3, n), 0.12, np.float32)
    line = np.float32(0.25) * hair + np.float32(0.08)
    glass = _rgb(face["extra_hue"], np.float32(0.5), np.float32(0.35) * face["extra_value"])
    iris = _rgb(face["eye_hue"], face["eye_saturation"], face["eye_value"])
    for sign in (-1, 1):
        far = 1 - 0.16 * np.maximum(sign * p["yaw"], 0)  # the eye that is turned away is narrower
        s = (u - sign * p["eye_gap"]) / far
        t = v - p["eye_level"]
        t = t - sign * s * p["eye_slant"]
        wide, tall = p["eye_width"], p["eye_height"] * p["eye_open"]
        shape = _oval(s, t, wide, tall)
        opened = np.where(p["smile"] > 0, np.float32(0), clip)
        _paint(canvas, _cover(shape) * opened, white)
        look_s, look_t = s - p["look_x"], t - p["look_y"]
        ball = np.maximum(_oval(look_s, look_t, p["iris"] * wide, p["iris"] * p["eye_height"] * 1.08), shape)
        rise = np.clip(0.55 + look_t / (2.2 * p["eye_height"]), 0, 1)
        _paint(canvas, _cover(ball) * opened, iris * np.float32(0.45))
        _paint(canvas, _cover(ball + 0.7) * opened, iris[:, :, None, None] * (0.45 + 0.8 * rise))
        black_spot = _oval(look_s, look_t, p["pupil"] * p["iris"] * wide, p["pupil"] * p["iris"] * p["eye_height"])
        _paint(canvas, _cover(np.maximum(black_spot, shape)) * opened, iris * np.float32(0.2))
        shadow = np.maximum(shape, t + tall * np.float32(0.45))
        _paint(canvas, _cover(shadow, 1.5) * opened * np.float32(0.35), black)
        glint = _oval(look_s + 1.2, look_t + 1.5, p["glint"], p["glint"] * 1.1)
        small = _oval(look_s - 1.3, look_t - 1.6, p["glint"] * 0.6, p["glint"] * 0.6)
        _paint(canvas, _cover(np.maximum(np.minimum(glint, small), shape + 0.3)) * opened, white)
        lid = np.maximum(np.abs(shape) - p["lash"] * (0.75 - 0.12 * t / tall), t + tall * np.float32(0.12))
        lower = np.maximum(np.abs(shape) - 0.35, tall * np.float32(0.7) - t)
        arc = np.abs(t - 1 + 2.4 * (1 - np.square(s / wide))) - 0.75
        arc = np.maximum(arc, np.abs(s) - wide - 0.3)
        _paint(canvas, _cover(np.where(p["smile"] > 0, arc, np.minimum(lid, lower))) * clip, line)
        rise_b = p["brow_slope"] * sign * s + p["brow_curve"] * np.square(s)
        brow = np.abs(v - p["eye_level"] + p["eye_height"] + p["brow_level"] - 2 - rise_b)
        brow = np.maximum(brow - p["brow_width"], np.abs(s) - 4.2)
        _paint(canvas, _cover(brow) * clip * np.float32(0.9), line * np.float32(0.8) + np.float32(0.2) * hair)
        rim = np.abs(_oval(s, t, np.float32(5.8), np.float32(5.4))) - 0.5
        _paint(canvas, _cover(rim) * p["glasses"], glass)
    bridge = np.maximum(np.abs(v - p["eye_level"]) - 0.45, np.abs(u) - p["eye_gap"] + 5.6)
    _paint(canvas, _cover(bridge) * p["glasses"], glass)
    nose = _oval(u - 0.3, v - p["mouth_level"] + 3.6, np.float32(0.7), np.float32(0.55))
    _paint(canvas, _cover(nose) * np.float32(0.75), skin * np.float32(0.62))

    m = v - p["mouth_level"]
    bend = p["mouth_curve"] * np.square(u)
    gap = np.maximum(p["mouth_open"], 0) * (1 - np.square(u / p["mouth_width"]))
    upper, below = m + bend, m + bend - gap
    ends = np.abs(u) - p["mouth_width"]
    hole = np.maximum(np.maximum(-upper, below), ends)
    lips = np.stack([face["skin_red"] * 0 + 0.62, face["skin_red"] * 0 + 0.22, face["skin_red"] * 0 + 0.24])
    _paint(canvas, _cover(hole - 0.35) * clip, lips.astype(np.float32))
    tooth = np.maximum(hole, np.abs(u - 1.1) - 0.8 + np.maximum(upper, 0) * np.float32(0.6))
    _paint(canvas, _cover(tooth) * clip * p["fang"], white)
    _paint(canvas, _cover(np.maximum(np.abs(upper) - 0.42, ends - 0.3)) * clip, skin * np.float32(0.42))


def _extras(
    canvas: Field, face: Face, p: Face, u: Field, v: Field, turn: Field, around: Field, hair: Field, skin: Field
) -> None:
    """Ears of an animal, a hair band, a bow and a pin on the upper rows of the canvas."""
    top = slice(0, 52)
    u, v, canvas = u[:, top], v[:, top], canvas[:, :, top]
    extra = _rgb(face["extra_hue"], np.float32(0.65), face["extra_value"])
    big = p["extra_size"]
    s, t = np.abs(u) - around * np.float32(0.62), v + 27 - 3 * (2 - big)
    point = np.maximum(np.abs(s - t * np.float32(0.18)) * np.float32(1.15) - (t + 8 * big) * np.float32(0.52), t - 7)
    _paint(canvas, _cover(point) * p["ears"], hair * np.float32(0.55))
    _paint(canvas, _cover(point + 1.1) * p["ears"], hair)
    _paint(canvas, _cover(point + 2.6) * p["ears"], skin * np.array([1.0, 0.75, 0.75], np.float32)[:, None])
    band = np.abs(_oval(u - turn * 0.3, v - 2, around - 0.5, np.float32(21))) - 1.3 * big
    _paint(canvas, _cover(np.maximum(band, v + 6)) * p["band"], extra * np.float32(0.95))
    angle = p["extra_place"]
    s, t = u - around * np.sin(angle) * np.float32(0.95), v + 4 + (around + 2) * np.cos(angle)
    s, t = (s * np.cos(angle) + t * np.sin(angle)) / big, (t * np.cos(angle) - s * np.sin(angle)) / big
    wings = np.maximum(np.abs(t) - 1.2 - np.abs(s) * np.float32(0.5), np.abs(s) - 6.2)
    _paint(canvas, _cover(wings) * p["bow"], extra * np.float32(0.6))
    _paint(canvas, _cover(wings + 0.9) * p["bow"], extra)
    _paint(canvas, _cover(_oval(s, t, np.float32(1.7), np.float32(2.0))) * p["bow"], extra * np.float32(0.7))
    s, t = u + 14 * angle, v + 8.5
    bar = np.maximum(np.abs(s * np.float32(0.5) + t) - 1.1 * big, np.abs(s - t * np.float32(0.5)) - 3.2 * big)
    _paint(canvas, _cover(bar) * p["pin"], extra * np.float32(0.55) + np.float32(0.45))


# Files


def encode(image: Images, quality: int = QUALITY) -> bytes:
    """A JPEG file of an image (h, w, 3), without metadata."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def decode(data: bytes) -> Images:
    """The pixels (h, w, 3) of a JPEG file."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def archive(images: Images, max_bytes: int) -> bytes:
    """A .tgz file of `1.jpg` … from images (n, h, w, 3), at the best quality that keeps it under `max_bytes`.

    The same images give the same bytes: no times, no owner names. Raises UserError where no quality is low enough.
    """
    import gzip
    import tarfile

    for quality in (92, 88, 84, 80, 75, 70, 60, 50, 40, 30):
        file = io.BytesIO()
        with gzip.GzipFile("", "wb", 9, file, mtime=0) as packed, tarfile.open(mode="w", fileobj=packed) as tar:
            for number, image in enumerate(images, start=1):
                data = encode(image, quality)
                member = tarfile.TarInfo(f"{number}.jpg")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        if file.tell() < max_bytes:
            return file.getvalue()
    raise UserError(f"{len(images)} images do not fit into {max_bytes:,} bytes at any quality.")


def make_images(public: Path, streams: Streams, size: str, processes: int | None = None) -> Images:
    """Write `faces/0.jpg` … into `public` and return hidden real images (m, 64, 64, 3), compressed like those.

    Files and images are the same however many `processes` draw them; default: one for each core in `full`.
    """
    shown, hidden = SIZES[size]
    folder = public / "faces"
    folder.mkdir()
    count = processes or (None if size == "full" else 1)
    window = windows(streams)
    numbers = uniforms(streams.generator("shown faces"), shown, window)
    mapped(partial(_write_faces, folder), [(at, numbers[at : at + PART]) for at in range(0, shown, PART)], count)
    numbers = uniforms(streams.generator("hidden faces"), hidden, window)
    return np.concatenate(mapped(_compressed, [numbers[at : at + PART] for at in range(0, hidden, PART)], count))


def _write_faces(folder: Path, part: tuple[int, NDArray[np.float64]]) -> None:
    """Write the faces of some rows of numbers, the first of which has the number `part[0]`."""
    for index, image in enumerate(render(part[1]), start=part[0]):
        (folder / f"{index}.jpg").write_bytes(encode(image))


def _compressed(numbers: NDArray[np.float64]) -> Images:
    return np.stack([decode(encode(image)) for image in render(numbers)])
