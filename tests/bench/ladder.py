"""Train the four levels of a homework on several seeds and print its results table.

For every seed the competition is prepared again (another world and another split), every level is trained with that
seed, and its file is read and scored on both parts as `submit` does. A level climbs where the mean of its difference to
the level below, in the same competitions, is larger than the spread of that difference. Spreads are standard deviations
over the seeds. `--keep` names a file that each result is added to, so that a stopped measurement goes on; the
tables of the documentation come from `results/hwNN.jsonl`. Seconds are those of the processor on the CPU, and of the
clock on a GPU.

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

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines.common import train_level
from harness.competition import find_competition, read_secret
from harness.grading import grade
from harness.home import open_home
from harness.prepare import plan_homework, prepare
from submissions.reader import read
from tasks.homeworks import canonical, find_task
from tests.bench import results


def measure(given: argparse.Namespace, name: str, seed: int, levels: list[str], done: set[tuple[int, str]]) -> None:
    """Prepares one competition and measures the missing results; every result is a line of `given.keep`."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        home = open_home(root / "home")
        plan = plan_homework(name, given.edition, given.source, given.size)
        begin = time.perf_counter()
        prepare(home, plan, seed=seed, new_data=False, accept_leaks=False, now=datetime.now(UTC))
        sys.stderr.write(f"seed {seed}: prepared in {time.perf_counter() - begin:.1f} s\n")
        competition = find_competition(home, name)
        secret = read_secret(home, competition)
        public = home.public(name)
        for level in (results.SAMPLE, *levels):
            if (seed, level) in done:
                continue
            clock = time.process_time if given.device == "cpu" else time.perf_counter  # other load does not count
            begin = clock()
            if level == results.SAMPLE:
                path = public / f"sample_submission{competition.format.suffix}"
            else:
                path = train_level(
                    name, level, public, root / level, seed=seed, device=given.device, overrides=given.set
                )
            seconds = clock() - begin
            result = grade(secret, read(path.read_bytes(), competition.format))
            scores = {score.metric: [score.public, score.private] for score in result.scores}
            line = {"edition": competition.edition, "size": given.size, "level": level, "seed": seed, "scores": scores}
            results.keep(given.keep, line | {"seconds": seconds, "source": results.source(given.device)})
            shown = {metric: [round(v, 4) for v in pair if v is not None] for metric, pair in scores.items()}
            sys.stderr.write(f"seed {seed} {level}: {shown}, {seconds:.1f} s\n")


def show(path: Path, name: str, edition_name: str | None, size: str) -> None:
    """Prints the table in Markdown."""
    task = find_task(name)
    assert task is not None
    edition = task.edition(edition_name)
    rows = [row for row in results.read_rows(path) if (row.edition, row.size) == (edition.name, size)]
    print(f"{name}, {edition.name}, {size}, mean ± standard deviation over the seeds {rows[-1].seeds}\n")
    print(results.table(rows, {metric.name: (metric.label, 4, metric.higher_is_better) for metric in edition.metrics}))


def task_edition(name: str, edition: str | None) -> str:
    task = find_task(name)
    assert task is not None
    return task.edition(edition).name


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("homework")
    parser.add_argument("--edition")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seeds", default="0-2", metavar="A-B", help="the first and the last seed")
    parser.add_argument("--size", default="small", choices=("small", "full"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--levels", default=",".join(results.LEVELS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--keep", type=Path, default=None, help="a file of results, one JSON line each")
    given = parser.parse_args()
    low, _, high = given.seeds.partition("-")
    if not (low.isdecimal() and high.isdecimal() and int(low) <= int(high)):
        parser.error(f"--seeds {given.seeds}: expected the first and the last seed, as in 0-2")
    seeds, levels, name = range(int(low), int(high) + 1), given.levels.split(","), canonical(given.homework)
    if given.set and given.keep and given.keep.resolve().parent == results.FOLDER:
        parser.error("--set changes the levels; such runs do not belong into the results of the documentation")
    given.keep = given.keep or Path(tempfile.mkdtemp()) / "ladder.jsonl"

    edition = task_edition(name, given.edition)
    lines = given.keep.read_text(encoding="utf-8").splitlines() if given.keep.exists() else []
    done = {
        (row["seed"], row["level"])
        for row in map(json.loads, lines)
        if "seed" in row and "level" in row and (row["edition"], row["size"]) == (edition, given.size)
    }
    for seed in seeds:
        if any((seed, level) not in done for level in levels):
            measure(given, name, seed, levels, done)
    show(given.keep, name, given.edition, given.size)


if __name__ == "__main__":
    main()
