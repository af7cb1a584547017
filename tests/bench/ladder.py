"""Train the four levels of a homework on several seeds, run its cheap tricks, and print both tables.

For every seed the competition is prepared again (another world and another split), every level is trained with that
seed, and its file is read and scored on both parts as `submit` does; then the references and tricks of
`tests/bench/tricks/hwNN.py` do the same (see `cheap.py`, which runs them alone). A level climbs where the mean of its
difference to the level below, in the same competitions, is larger than the spread of that difference. Spreads are
standard deviations over the seeds. `--keep` names a file that each result is added to, so that a stopped measurement
goes on; the tables of the documentation come from `results/hwNN.jsonl`. Seconds are those of the processor on the CPU,
and of the clock on a GPU.

    python tests/bench/ladder.py hw3 --seeds 100-102 --keep results/hw03.jsonl
    python tests/bench/ladder.py hw3 --edition 2021 --from FOLDER --seeds 100-102 --device cuda --no-tricks
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines.common import train_level
from harness.grading.scoring import grade_here
from tasks.base import Edition
from tests.bench import cheap, results
from tests.bench.tricks.frame import prepared


def measure(given: argparse.Namespace, edition: Edition, size: str, seed: int, wanted: list[str]) -> None:
    """Prepares one competition and measures levels of it; every result is a line of `given.keep`."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        begin = time.perf_counter()
        world = prepared(root / "home", given.homework, edition.name, given.size, seed, given.source)
        sys.stderr.write(f"seed {seed}: prepared in {time.perf_counter() - begin:.1f} s\n")
        for level in wanted:
            clock = time.process_time if given.device == "cpu" else time.perf_counter  # other load does not count
            begin = clock()
            if level == results.SAMPLE:
                path = world.public / f"sample_submission{edition.format.suffix}"
            else:
                path = train_level(
                    given.homework, level, world.public, root / level, seed=seed, device=given.device,
                    overrides=given.set, shared=root / "shared",
                )  # fmt: skip
            seconds = clock() - begin
            found = grade_here(world.secret, path.read_bytes()).scores
            scores = {score.metric: [score.public, score.private] for score in found}
            intervals = {score.metric: [score.public_interval, score.private_interval] for score in found}
            line = {"edition": edition.name, "size": size, "level": level, "seed": seed, "scores": scores}
            line["intervals"] = intervals
            results.keep(given.keep, line | {"seconds": seconds, "source": results.source(given.device)})
            shown = {metric: [round(float(v), 4) for v in pair if v is not None] for metric, pair in scores.items()}
            sys.stderr.write(f"seed {seed} {level}: {shown}, {seconds:.1f} s\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    cheap.add_options(parser)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--levels", default=",".join(results.LEVELS))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--no-tricks", action="store_true", help="the levels alone")
    given = parser.parse_args()
    edition, size, seeds = cheap.read_options(parser, given)
    if given.set and given.keep.resolve().parent == results.FOLDER:
        parser.error("--set changes the levels; such runs do not belong into the results of the documentation")

    lines = given.keep.read_text(encoding="utf-8").splitlines() if given.keep.exists() else []
    kept = [row for row in map(json.loads, lines) if "seed" in row and "trick" not in row]
    done = {(row["seed"], row["level"]) for row in kept if (row["edition"], row["size"]) == (edition.name, size)}
    for seed in seeds:
        wanted = [one for one in (results.SAMPLE, *given.levels.split(",")) if (seed, one) not in done]
        if wanted and wanted != [results.SAMPLE]:
            measure(given, edition, size, seed, wanted)
    rows = [row for row in results.read_rows(given.keep) if (row.edition, row.size) == (edition.name, size)]
    labels = {metric.name: (metric.label, 4, metric.higher_is_better) for metric in edition.metrics}
    print(f"{given.homework}, {edition.name}, {size}, mean ± standard deviation over the seeds {rows[-1].seeds}\n")
    print(results.table(rows, labels))
    if not given.no_tricks:
        print()
        cheap.measure(given, edition, size, seeds)


if __name__ == "__main__":
    main()
