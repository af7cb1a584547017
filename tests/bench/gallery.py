"""Make the README's gallery of the homeworks' pictures: `python tests/bench/gallery.py`.

It shows `docs/homeworks/hwNN.png` of every homework, for HW11 the pairs of `tests/bench/looks.py` and for HW14
the matrices of `tests/bench/matrix.py`, and holds the SHA-256 of each, by which `tests/test_docs.py` sees that
it is up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

sys.path.insert(0, str(Path(__file__).parents[2]))

from tasks.homeworks import all_tasks

DOCS = Path(__file__).parents[2] / "docs"
GALLERY, FOLDER = DOCS / "img" / "gallery.png", DOCS / "homeworks"
OTHERS = {"hw11": "hw11-pairs.png", "hw14": "hw14-matrix.png"}
"""Where another picture than that of the data says more."""
COLUMNS, WIDE, HIGH, WORDS, GAP = 3, 330, 170, 22, 12
"""In pixels but for the columns: the room of a picture, the line below it, the space between two."""


def shown() -> dict[str, Path]:
    """The picture of each homework."""
    return {task.name: FOLDER / OTHERS.get(task.name, f"{task.name}.png") for task in all_tasks()}


def marks() -> dict[str, str]:
    """The SHA-256 of each picture."""
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in shown().items()}


def sheet() -> Image.Image:
    titles = {task.name: task.title for task in all_tasks()}
    rows = -(-len(titles) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * (WIDE + GAP) + GAP, rows * (HIGH + WORDS + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=12)
    for place, (name, path) in enumerate(shown().items()):
        row, column = divmod(place, COLUMNS)
        left, top = GAP + column * (WIDE + GAP), GAP + row * (HIGH + WORDS + GAP)
        with Image.open(path) as opened:
            picture = ImageOps.contain(opened.convert("RGB"), (WIDE, HIGH), Image.Resampling.LANCZOS)
        page.paste(picture, (left + (WIDE - picture.width) // 2, top + (HIGH - picture.height) // 2))
        caption = f"HW{int(name[2:])} · {titles[name]}"
        draw.text((left + WIDE // 2, top + HIGH + 4), caption, fill="black", font=font, anchor="ma")
    return page


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    note = PngInfo()
    note.add_text("pictures", json.dumps(marks()))
    few = sheet().quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    few.save(GALLERY, optimize=True, pnginfo=note)
    print(f"{GALLERY}: {GALLERY.stat().st_size:,} bytes, {few.width} x {few.height}")


if __name__ == "__main__":
    main()
