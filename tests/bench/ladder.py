"""Train the four levels of a homework on several seeds and print its results table.

For every seed the competition is prepared anew (another world and another split), every level is trained with that
seed, and its file is read and scored on both parts as `submit` does. A level climbs where the mean of its difference to
the level below, in the same competitions, is larger than the spread of that difference. Spreads are standard deviations
over the seeds. `--keep` names a file that each result is added to, so that a stopped measurement goes on. Seconds are
those of the processor on the CPU, and of the clock on a GPU.

    python tests/bench/ladder.py hw3 --seeds 100-102
    python tests/bench/ladder.py hw3 --edition 2021 --from FOLDER --seeds 100-102 --size full --device cuda
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from baselines.common import train_level
from harness.competition import find_competition, read_secret
from harness.grading import grade
from harness.home import open_home
from harness.prepare import plan_homework, prepare
from submissions.reader import read
from tasks.homeworks import canonical, find_task

LEVELS = ("simple", "medium", "strong", "boss")
SAMPLE = "sample submission"


def measure(given: argparse.Namespace, name: str, seed: int, levels: list[str], done: set[tuple[int, str]]) -> None:
    """Prepares one competition and measures what is not measured yet; every result is a line of `given.keep`."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        home = open_home(root / "home")
        plan = plan_homework(name, given.edition, given.source, given.size)
        begin = time.perf_counter()
        prepare(home, plan, seed=seed, replace_old=False, accept_leaks=False, now=datetime.now(UTC))
        sys.stderr.write(f"seed {seed}: prepared in {time.perf_counter() - begin:.1f} s\n")
        competition = find_competition(home, name)
        secret = read_secret(home, competition)
        public = home.public(name)
        for level in (SAMPLE, *levels):
            if (seed, level) in done:
                continue
            clock = time.process_time if given.device == "cpu" else time.perf_counter  # other load does not count
            begin = clock()
            if level == SAMPLE:
                path = public / f"sample_submission{competition.format.suffix}"
            else:
                path = train_level(
                    name, level, public, root / level, seed=seed, device=given.device, overrides=given.set
                )
            seconds = clock() - begin
            result = grade(secret, read(path.read_bytes(), competition.format))
            scores = {score.metric: [score.public, score.private] for score in result.scores}
            line = {"seed": seed, "level": level, "seconds": seconds, "scores": scores}
            with given.keep.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            shown = {metric: [round(v, 4) for v in pair if v is not None] for metric, pair in scores.items()}
            sys.stderr.write(f"seed {seed} {level}: {shown}, {seconds:.1f} s\n")


def show(rows: list[dict[str, Any]], name: str, edition_name: str | None, levels: list[str], seeds: range) -> None:
    """Prints the table in Markdown."""
    task = find_task(name)
    assert task is not None
    edition = task.edition(edition_name)
    sign = 1 if edition.metrics[0].higher_is_better else -1
    print(f"{name}, {edition.name}, mean ± standard deviation over seeds {seeds.start}-{seeds.stop - 1}\n")
    labels = [f"{metric.label}, {side}" for metric in edition.metrics for side in ("public", "private")]
    print("| level | " + " | ".join(labels) + " | step, public | step, private | seconds |")
    print("|---" * (len(labels) + 4) + "|")
    below = None
    for level in (SAMPLE, *levels):
        here = [row for seed in seeds for row in rows if row["seed"] == seed and row["level"] == level]
        if not here:
            continue
        cells = []
        for metric in edition.metrics:
            values = np.array([row["scores"][metric.name] for row in here], dtype=np.float64)
            spread = values.std(axis=0, ddof=1) if len(here) > 1 else values[0] * np.nan
            cells += [f"{m:.4f} ± {s:.4f}" for m, s in zip(values.mean(axis=0), spread, strict=True)]
        first = np.array([row["scores"][edition.metrics[0].name] for row in here], dtype=np.float64)
        if level != SAMPLE and below is not None and len(below) == len(first) > 1:
            step = first - below
            for m, s in zip(step.mean(axis=0), step.std(axis=0, ddof=1), strict=True):
                cells.append(f"{m:+.4f} ± {s:.4f}{'' if sign * m > s else ' (not more than the spread)'}")
        else:
            cells += ["", ""]
        cells.append("" if level == SAMPLE else f"{np.mean([row['seconds'] for row in here]):.0f}")
        print(f"| {level} | {' | '.join(cells)} |")
        below = None if level == SAMPLE else first


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("homework")
    parser.add_argument("--edition")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seeds", default="0-2", metavar="A-B", help="the first and the last seed")
    parser.add_argument("--size", default="small", choices=("small", "full"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--levels", default=",".join(LEVELS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, default=None, help="a file of results, one JSON line each")
    given = parser.parse_args()
    low, _, high = given.seeds.partition("-")
    if not (low.isdecimal() and high.isdecimal() and int(low) <= int(high)):
        parser.error(f"--seeds {given.seeds}: expected the first and the last seed, as in 0-2")
    seeds, levels, name = range(int(low), int(high) + 1), given.levels.split(","), canonical(given.homework)
    given.keep = given.keep or Path(tempfile.mkdtemp()) / "ladder.jsonl"

    def rows() -> list[dict[str, Any]]:
        lines = given.keep.read_text(encoding="utf-8").splitlines() if given.keep.exists() else []
        return [json.loads(line) for line in lines]

    done = {(row["seed"], row["level"]) for row in rows()}
    for seed in seeds:
        if any((seed, level) not in done for level in levels):
            measure(given, name, seed, levels, done)
    show(rows(), name, given.edition, levels, seeds)


if __name__ == "__main__":
    main()
