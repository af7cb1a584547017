"""Make the picture of docs/homeworks/hw14.md: what each network of the four levels knows of each task.

    python tests/bench/matrix.py --seed 300

Each level is trained on the built-in data of that seed and graded as `submit` does; shown are the accuracies on the
public side, cut to two decimals as for participants.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines.common import train_level
from harness.grading.scoring import grade_here
from tests.bench.results import LEVELS
from tests.bench.tricks.frame import prepared

PICTURE = Path(__file__).parents[2] / "docs" / "homeworks" / "hw14-matrix.png"
Matrix = tuple[tuple[float, ...], ...]


def matrices(seed: int) -> dict[str, Matrix]:
    """The public matrix of each level."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        world = prepared(Path(folder) / "home", "hw14", "builtin", "small", seed)
        for level in LEVELS:
            path = train_level("hw14", level, world.public, Path(folder) / level, seed=seed, device="cpu")
            found[level] = grade_here(world.secret, path.read_bytes()).matrix
    return found


def draw(found: dict[str, Matrix], path: Path) -> None:
    figure = Figure(figsize=(9.6, 2.9), dpi=120, layout="constrained")
    for axes, (level, matrix) in zip(figure.subplots(1, len(found)), found.items(), strict=True):
        axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
        axes.set_title(level)
        tasks = range(len(matrix))
        axes.set_xticks(tasks, [str(task + 1) for task in tasks])
        axes.set_yticks(tasks, [str(task + 1) for task in tasks])
        axes.set_xlabel("on task")
        for row, shares in enumerate(matrix):
            for column, share in enumerate(shares):
                colour = "white" if share > 0.6 else "black"
                text = f"{math.floor(share * 100 + 1e-9) / 100:.2f}"
                axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    figure.axes[0].set_ylabel("after task")
    drawn = io.BytesIO()
    figure.savefig(drawn)
    with Image.open(drawn) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=300)
    parser.add_argument("--out", type=Path, default=PICTURE)
    given = parser.parse_args()
    found = matrices(given.seed)
    draw(found, given.out)
    for level, matrix in found.items():
        print(level, *(" ".join(f"{share:.3f}" for share in row) for row in matrix), sep="\n  ")
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
