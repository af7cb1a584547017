"""Draw HW13's accuracy over the number of parameters: `python tests/bench/parameters.py`.

Accuracies are the means over seeds and both boards of the rows of `results/hw13.jsonl`. Parameters are what the reader
counts: of a level in its student without training, of a trick in the remarks of its rows. The teacher, which cannot be
handed in, has its own; it is drawn at the end of the axis.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw13_compression as baseline  # noqa: E402
from submissions.models import read_model  # noqa: E402
from tasks.hw13_compression import CLASSES, STUDENT, world  # noqa: E402
from tasks.hw13_compression.networks import Teacher  # noqa: E402
from tests.bench import results  # noqa: E402

PICTURE = ROOT / "docs" / "homeworks" / "hw13-parameters.png"
TEACHER = "the teacher itself, whatever its size"
Point = tuple[str, int, float]
"""A name, its parameters and its accuracy."""


def counted(config: baseline.Config) -> int:
    """The parameters of a level's student, as the reader counts them."""
    student = baseline.Student(config, len(CLASSES))
    for values in (*student.parameters(), *student.buffers()):
        if values.is_floating_point():
            values.data.uniform_(0.1, 1.0)  # the exporter writes equal ones once
    data = baseline.exported(student, STUDENT)
    return int(read_model(data, STUDENT)["parameters"][0])


def points(path: Path) -> tuple[list[Point], list[Point]]:
    """The levels, in order, and the tricks that were scored, the teacher among them."""
    found: dict[str, list[float]] = {}
    sizes: dict[str, int] = {name: counted(config) for name, config in baseline.LEVELS.items()}
    sizes[TEACHER] = sum(one.numel() for one in Teacher(world.SIZES["small"].widths).parameters())
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name = row.get("trick") or row.get("level")
        if row["edition"] != "builtin" or row["size"] != "small" or not row["scores"] or name is None:
            continue
        found.setdefault(name, []).append(float(np.mean(row["scores"]["accuracy_score"])))
        if told := re.match(r"([\d,]+) of at most", "".join(row.get("notes", ()))):
            sizes[name] = int(told[1].replace(",", ""))
    every = [(name, sizes[name], float(np.mean(values))) for name, values in found.items() if name in sizes]
    levels = [one for name in baseline.LEVELS for one in every if one[0] == name]
    return levels, [one for one in every if one not in levels]


def draw(levels: list[Point], tricks: list[Point], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="parameters, as the reader counts them", ylabel="accuracy", xscale="log")
    axes.axvline(STUDENT.most_parameters, color="#c0392b", linewidth=1)
    axes.annotate(" at most", (STUDENT.most_parameters, 0.02), color="#c0392b", fontsize=8)
    for some, colour, mark in ((levels, "#2c6fbb", "o"), (tricks, "#888888", "x")):
        for name, size, share in some:
            axes.plot(size, share, mark, color=colour)
            left = mark == "x" and (2000 < size < 4000 or 10_000 < size < 200_000)
            axes.annotate(
                name.partition(",")[0] if name == TEACHER else name,
                (size, share),
                (-6 if left else 6, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=7,
                color=colour,
            )
    axes.set(ylim=(0, 1.04), xlim=(20, 3e6))
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--to", type=Path, default=PICTURE, help="the file of the picture")
    given = parser.parse_args()
    levels, tricks = points(results.FOLDER / "hw13.jsonl")
    for name, size, share in (*levels, *tricks):
        print(f"{name:50} {size:9,} parameters   accuracy {share:.4f}")
    draw(levels, tricks, given.to)


if __name__ == "__main__":
    main()
