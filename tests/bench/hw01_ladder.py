"""Measure the four levels of HW1 on one edition and print the ladder as Markdown tables.

For every seed the competition is prepared again (another world, or other stretches of the official file, and another
split), every level is trained with that seed on one core of the CPU, and its file is scored on both parts. "naive" says
the same as yesterday, "floor" is the best that could be said with the world's own knowledge. A level climbs where the
mean of its difference to the level below, in the same competitions, is larger than the spread of that difference.

    python tests/bench/hw01_ladder.py --edition builtin --seeds 100-104
    python tests/bench/hw01_ladder.py --edition 2021 --from ../shared/data/covid-2021 --seeds 100-104
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
from numpy.typing import NDArray

from baselines.common import train_level
from baselines.hw01_regression import LEVELS, read
from tasks.base import PRIVATE, PUBLIC, Answers, Columns
from tasks.hw01_regression import LAYOUT_2021, LAYOUT_2022, TARGET, TASK, TEST_FILE
from tasks.hw01_regression.world import floor
from tasks.metrics import Metric
from tasks.split import split
from tasks.streams import fixed
from tests.bench import results


def both(metric: Metric, answers: Answers, values: NDArray[np.float64]) -> tuple[float, float]:
    """The public and the private value of predictions in the order of the answers."""
    assert answers.usage is not None
    rows = metric.rows(answers.columns, {TARGET: values})
    return float(metric.value(rows, answers.usage == PUBLIC)), float(metric.value(rows, answers.usage == PRIVATE))


def read_submission(path: Path, answers: Answers) -> Columns:
    cells = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float64)
    assert np.array_equal(cells[:, 0], np.arange(len(answers)))
    return {TARGET: cells[:, 1]}


def measure(
    edition_name: str, source: Path | None, seeds: range, levels: list[str], overrides: list[str], kept: Path | None
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, list[float]], list[int]]:
    edition = TASK.edition(edition_name)
    metric = edition.metrics[0]
    scores: dict[str, list[tuple[float, float]]] = {name: [] for name in ("naive", *levels, "floor")}
    seconds: dict[str, list[float]] = {name: [] for name in levels}
    counts: list[int] = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            public = Path(folder) / "public"
            public.mkdir()
            made = edition.make(public, fixed(seed), "small", source)
            key = hashlib.sha256(f"ladder {seed}".encode()).digest()
            answers = split(made.answers, key, "hw01", edition.rules.public_share)
            counts.append(len(answers))
            naive = read(public / TEST_FILE).days[:, -2, -1].astype(np.float64)
            scores["naive"].append(both(metric, answers, naive))
            if not edition.official:
                layout = LAYOUT_2022 if edition_name.endswith("2022") else LAYOUT_2021
                scores["floor"].append(both(metric, answers, floor(layout, fixed(seed), "small")))
            for level in levels:
                begin = time.perf_counter()
                path = train_level(
                    "hw01", level, public, Path(folder) / level, seed=seed, device="cpu", overrides=overrides
                )
                seconds[level].append(time.perf_counter() - begin)
                scores[level].append(both(metric, answers, read_submission(path, answers)[TARGET]))
                sys.stderr.write(
                    f"seed {seed} {level}: public {scores[level][-1][0]:.4f} private {scores[level][-1][1]:.4f} "
                    f"{seconds[level][-1]:.1f} s\n"
                )
            for name, values in scores.items():
                if kept is not None and values:
                    line: dict[str, Any] = {"edition": edition_name, "size": "course" if edition.official else "small"}
                    line |= {"level": name, "seed": seed, "scores": {metric.name: list(values[-1])}}
                    line |= {"seconds": seconds[name][-1] if name in levels else None}
                    results.keep(kept, line | {"source": results.source("cpu")})
    return scores, seconds, counts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--edition", default="builtin")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seeds", default="0-4", metavar="A-B", help="the first and the last seed, at least two")
    parser.add_argument("--levels", default=",".join(LEVELS))
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--keep", type=Path, help="a file that every run is added to, such as results/hw01.jsonl")
    given = parser.parse_args()
    levels = given.levels.split(",")
    low, _, high = given.seeds.partition("-")
    if not (low.isdecimal() and high.isdecimal() and int(low) < int(high)):
        parser.error(f"--seeds {given.seeds}: expected the first and the last seed, as in 0-4")
    scores, seconds, counts = measure(given.edition, given.source, range(int(low), int(high) + 1), levels, given.set,
                                      given.keep)  # fmt: skip
    label = TASK.edition(given.edition).metrics[0].label
    print(f"{given.edition}, {label}, mean ± standard deviation over seeds {given.seeds}, test rows {counts}\n")
    print("| level | public | private | public, against the level below | private, against the level below | seconds |")
    print("|---|---|---|---|---|---|")
    below: NDArray[np.float64] | None = None
    for name in scores:
        if not scores[name]:
            continue
        values = np.array(scores[name])
        cells = [f"{m:.4f} ± {s:.4f}" for m, s in zip(values.mean(axis=0), values.std(axis=0, ddof=1), strict=True)]
        if name in levels and below is not None:
            change = values - below
            for m, s in zip(change.mean(axis=0), change.std(axis=0, ddof=1), strict=True):
                cells.append(f"{m:+.4f} ± {s:.4f}{'' if m < -s else ' (not more than the spread)'}")
        else:
            cells += ["", ""]
        cells.append(f"{np.mean(seconds[name]):.1f}" if name in levels else "")
        print(f"| {name} | {' | '.join(cells)} |")
        below = values if name in levels else None


if __name__ == "__main__":
    main()
