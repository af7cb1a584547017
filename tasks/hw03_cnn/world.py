"""The built-in world of HW3: pictures of eleven kinds of dish, drawn from a seed.

A class is recognised by the shapes of its food and their arrangement: three layouts for each, such as a loaf, slices
of toast or baguettes for bread (`tasks.hw03_cnn.dishes`). All classes share one palette, so colours say little.

The surroundings are drawn in the same way for all: a table with its pattern, a plate, bowl, board or nothing, a garnish
of any class, chopsticks, spoons or paper that hide a part. A picture is turned by any angle, scaled, stretched,
shifted, lit from one side, shaded, tinted by its camera, blurred, made noisy and saved as JPEG of any quality.

Every picture has its own random stream, named by its part and its number. Points are in the dish's own plane, where
the plate has radius 1, and are put on a canvas of twice the picture's size.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.base import Answers, Made, UserError
from tasks.hw03_cnn import CLASSES, TARGET, Layout
from tasks.hw03_cnn.dishes import DISHES, PALETTE, Brush, box, ink, oval, rotation, segment, tone, vary
from tasks.streams import Streams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import ImageDraw

    Points = NDArray[np.float64]
    Colour = NDArray[np.float64]
    Random = np.random.Generator


@dataclass(frozen=True)
class Counts:
    """Pictures per class (training, validation), in total (unlabelled, test), and their side in pixels."""

    training: int
    validation: int
    unlabelled: int
    test: int
    side: int


COUNTS = {
    ("2021", "small"): Counts(150, 20, 2200, 1000, 40),
    ("2022", "small"): Counts(200, 40, 0, 1000, 40),
    ("2021", "full"): Counts(280, 60, 6786, 3347, 128),
    ("2022", "full"): Counts(897, 312, 0, 3347, 128),  # a class; the course has 9866 and 3430 in all
}
THUMBNAIL = 8  # side of the small pictures that the leak checks compare


# Pictures


def table(draw: ImageDraw.ImageDraw, canvas: int, rng: Random) -> None:
    """A table with stripes, squares, boards or nothing on it, seen at any angle."""
    import numpy as np

    base = tone(rng, " ".join(PALETTE)) * rng.uniform(0.4, 1.1)
    other = vary(rng, base, 0.12)
    draw.rectangle((0, 0, canvas, canvas), fill=ink(base))
    kind, step = int(rng.integers(6)), canvas * rng.uniform(0.06, 0.25)
    brush = Brush(draw, rotation(rng.uniform(0, math.pi)), np.full(2, canvas / 2), rng)
    places = np.arange(-canvas, canvas, step)
    for i, at in enumerate(places):
        if kind == 1:
            brush.fill(box(at, 0, step / 2, 2 * canvas), other)
        elif kind == 2:
            brush.line(segment(at, -canvas, at, canvas), 1.5, other * 0.8)
        elif kind == 3:
            for j in range(i % 2, len(places), 2):
                brush.fill(box(at, places[j], step, step), other)


def support(b: Brush) -> None:
    """Draws what the food lies on: a plate, a bowl, a board, or the table itself."""
    kind = b.rng.random()
    colour = tone(b.rng, "white white white cream dark red green")
    if kind < 0.45:
        b.fill(oval(0.04, 0.06, 1.02, n=32), colour * 0.45)
        b.fill(oval(0, 0, 1.0, n=32), colour)
        b.fill(oval(0, 0, b.rng.uniform(0.7, 0.88), n=32), vary(b.rng, colour, 0.06) * 0.93)
    elif kind < 0.6:
        b.fill(oval(0, 0, 1.0, n=32), colour)
        b.fill(oval(0, 0, 0.9, n=32), colour * 0.6)
    elif kind < 0.85:
        b.fill(box(0, 0, b.rng.uniform(1.6, 2.1), b.rng.uniform(1.4, 1.9)), colour)


def cover(b: Brush) -> None:
    """Draws something over a part of the dish: chopsticks, a spoon, paper or the rim of another plate."""
    import numpy as np

    s = b.near(0, 0, 1.0)
    kind, colour = int(b.rng.integers(4)), tone(b.rng, " ".join(PALETTE))
    away = b.rng.uniform(0.3, 0.85)
    if kind == 0:
        for offset in (0.0, 0.13):
            s.line(segment(-1.6, away + offset, 1.6, away + offset * 2), 0.07, colour)
    elif kind == 1:
        s.line(segment(0.2, away, 1.8, away), 0.1, colour)
        s.fill(oval(0.1, away, 0.28, 0.18), colour)
        s.fill(oval(0.08, away, 0.2, 0.12), colour * 0.75)
    elif kind == 2:
        s.fill(np.array([[-2, away], [2, away + 0.2], [2, 3], [-2, 3]]), colour)
    else:
        s.fill(oval(0, away + 1.0, 1.0, n=28), colour)
        s.fill(oval(0, away + 1.0, 0.8, n=28), colour * 0.85)


def picture(label: int, side: int, rng: Random) -> NDArray[np.uint8]:
    """One picture of a class (side, side, 3)."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFilter

    canvas = 2 * side
    image = Image.new("RGB", (canvas, canvas))
    draw = ImageDraw.Draw(image)
    table(draw, canvas, rng)
    unit = canvas * rng.uniform(0.48, 0.64)
    stretch = np.diag([1.0, rng.uniform(0.8, 1.0)])  # the camera looks from the side
    turn = rotation(rng.uniform(0, 2 * math.pi)) @ stretch @ rotation(rng.uniform(0, 2 * math.pi)) * unit
    if rng.random() < 0.5:
        turn = np.diag([1.0, -1.0]) @ turn
    brush = Brush(draw, turn, canvas * (0.5 + rng.uniform(-0.07, 0.07, 2)), rng)
    for _ in range(int(rng.integers(0, 2))):  # other things on the table
        angle = rng.uniform(0, 2 * math.pi)
        far = brush.near(1.35 * math.cos(angle), 1.35 * math.sin(angle), rng.uniform(0.3, 0.5))
        support(far)
    support(brush)
    dishes = DISHES[label]
    dishes[int(rng.integers(len(dishes)))](brush)
    if rng.random() < 0.25:  # a garnish says nothing about the class
        angle = rng.uniform(0, 2 * math.pi)
        others = DISHES[int(rng.integers(len(DISHES)))]
        others[int(rng.integers(len(others)))](
            brush.near(0.75 * math.cos(angle), 0.75 * math.sin(angle), rng.uniform(0.2, 0.3))
        )
    if rng.random() < 0.25:
        cover(brush)
    image = image.resize((side, side), Image.Resampling.BOX)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.5) * side / 40))
    return photograph(np.asarray(image, dtype=np.float32), rng)


def photograph(scene: NDArray[np.float32], rng: Random) -> NDArray[np.uint8]:
    """The scene as a camera sees it: light from one side, a shadow, a tint, faded colours, noise."""
    import numpy as np

    side = len(scene)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    angle = rng.uniform(0, 2 * math.pi)
    along = (x * math.cos(angle) + y * math.sin(angle)).astype(np.float32)
    light = rng.uniform(0.75, 1.2) * (1 + rng.uniform(0, 0.5) * along)
    if rng.random() < 0.2:
        light = light * (1 - rng.uniform(0.2, 0.5) / (1 + np.exp(-(along - rng.uniform(-0.4, 0.4)) / 0.02)))
    seen = scene * light[..., None]
    strength = rng.uniform(0.6, 1.2)
    seen = seen.mean(axis=2, keepdims=True) * (1 - strength) + seen * strength
    seen = seen * np.exp(rng.normal(0, 0.08, 3)) + rng.normal(0, rng.uniform(2, 6), seen.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint(seen), 0, 255).astype(np.uint8)
    return pixels


def jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """The bytes of a JPEG file without any metadata."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=quality)
    return out.getvalue()


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Means over the cells of a coarse grid, (THUMBNAIL² x 3,)."""
    import numpy as np

    cell = len(pixels) // THUMBNAIL
    cells = pixels[: cell * THUMBNAIL, : cell * THUMBNAIL].reshape(THUMBNAIL, cell, THUMBNAIL, cell, 3)
    means: NDArray[np.float64] = cells.mean(axis=(1, 3), dtype=np.float64).ravel()
    return means


def draw_part(
    public: Path, names: Sequence[str], labels: Sequence[int], side: int, streams: Streams
) -> NDArray[np.float64]:
    """Write one picture for each name and return their thumbnails (n, d)."""
    import numpy as np

    rows = []
    for number, (name, label) in enumerate(zip(names, labels, strict=True)):
        rng = streams.generator(str(number))
        pixels = picture(label, side, rng)
        path = public / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(pixels, int(rng.integers(60, 95))))
        rows.append(thumbnail(pixels))
    return np.array(rows).reshape(len(rows), -1)


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None
) -> Made:
    """Write the pictures of a world into `public`."""
    import numpy as np

    if (layout.year, size) not in COUNTS:
        raise UserError(f"size {size!r}: expected one of: small, full.")
    counts = COUNTS[layout.year, size]
    kinds = range(len(CLASSES))
    hidden = streams.generator("test/labels").integers(0, len(CLASSES), counts.test)
    unlabelled = streams.generator("unlabelled/labels").integers(0, len(CLASSES), counts.unlabelled)
    parts = []
    for part, folder, each in (
        ("training", layout.training_folder, counts.training),
        ("validation", layout.validation_folder, counts.validation),
    ):
        names = [layout.labelled_name(folder, label, number) for label in kinds for number in range(each)]
        parts.append(draw_part(public, names, np.repeat(kinds, each).tolist(), counts.side, streams.within(part)))
    names = [layout.unlabelled_name(number) for number in range(counts.unlabelled)]
    if names:
        parts.append(draw_part(public, names, unlabelled.tolist(), counts.side, streams.within("unlabelled")))
    names = [layout.test_name(number) for number in range(counts.test)]
    test = draw_part(public, names, hidden.tolist(), counts.side, streams.within("test"))
    strata = np.array([CLASSES[label] for label in hidden])
    return Made(
        Answers(layout.ids(counts.test), {TARGET: hidden.astype(np.int64)}, strata=strata),
        train=np.concatenate(parts),
        test=test,
    )
