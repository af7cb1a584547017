"""Run the cheap tricks of a homework against its bars, and print the table.

A trick gets what a student has, the public folder, and returns the bytes of a submission, which are read and scored as
those of `submit`. There are three kinds: (1) without learning, which must not clear the medium bar; (2) learning from
the competition's own public data by general means, which must not clear strong; (3) other data, from this package with
another key, which must not clear strong either, unless the trick says why it does. References are rows without a rule.
The tricks of a homework are `tests/bench/tricks/hwNN.py`; `--keep results/hwNN.jsonl` adds the runs to the results.

    python tests/bench/cheap.py hw1 --seeds 100-102 --keep results/hw01.jsonl
    python tests/bench/cheap.py hw1 --edition builtin-2022 --seeds 100-102 --only ridge
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from harness.grading.scoring import grade as graded
from harness.grading.scoring import grade_here
from tasks.base import Bar, Columns, Edition, SubmissionError
from tasks.homeworks import canonical, find_task
from tasks.metrics import Metric
from tasks.streams import fixed
from tests.bench import results
from tests.bench.tricks.frame import LIMITS, Given, Reference, Trick, World, prepared


def registered(name: str) -> tuple[tuple[Reference, ...], tuple[Trick, ...]]:
    """The references and the tricks of a homework."""
    module = importlib.import_module(f"tests.bench.tricks.{name}")
    return getattr(module, "REFERENCES", ()), module.TRICKS


def names_of(name: str) -> list[str]:
    references, tricks = registered(name)
    return [one.name for one in references] + [one.name for one in tricks]


def run(
    name: str,
    edition: str,
    size: str,
    seed: int,
    wanted: set[str] | None,
    source: Path | None,
    home: Path | None = None,
) -> Iterator[Any]:
    """The rows of one seed, with `wanted` names only (None: all), as they are done; `home` may hold the world already.

    A row has `scores` by metric, [public, private], or `refused` with the code for a file that was not scored.
    """
    references, tricks = registered(name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        world = prepared(home or root / "home", name, edition, size, seed, source)
        public = shutil.copytree(world.public, root / "given")  # beside no secret folder
        streams = fixed(seed).within(f"{name}/{edition}/0/world")
        every: tuple[Reference | Trick, ...] = (*references, *tricks)
        for number, one in enumerate(every):
            if wanted is not None and one.name not in wanted:
                continue
            begin = time.process_time()
            data: bytes | Columns
            if isinstance(one, Reference):
                data = one.make(world, streams, size)
            else:
                scratch = root / "tricks" / str(number)
                scratch.mkdir(parents=True)
                data = one.make(Given(name, public, edition, size, seed, scratch))
            seconds = time.process_time() - begin
            kind = 0 if isinstance(one, Reference) else one.kind
            row = {"edition": edition, "size": size, "trick": one.name, "kind": kind, "seed": seed}
            yield row | scored(world, data) | {"seconds": round(seconds, 1)}


def scored(world: World, data: bytes | Columns) -> dict[str, Any]:
    """What `submit` would make of a file: the scores and the remarks, or the code of the refusal."""
    try:
        if isinstance(data, dict):  # what a judge would make of a file that cannot be handed in
            grade = graded(replace(world.secret, judge=None), data)
        else:
            grade = grade_here(world.secret, data)
    except SubmissionError as error:
        return {"scores": {}, "refused": error.problems[0].code}
    scores = {score.metric: [score.public, score.private] for score in grade.scores}
    return {"scores": scores} | ({"notes": list(grade.notes)} if grade.notes else {})


def broken(row: results.Trick, bars: Sequence[Bar], metrics: Sequence[Metric]) -> str | None:
    """The rule of the trick's kind that its mean scores break on either board, or None.

    The course's own bars belong to the course's own test, and are no limit here.
    """
    limit = next((bar for bar in bars if bar.name == LIMITS[row.kind]), None)
    if limit is None or limit.source.startswith("official") or not row.scores:
        return None
    for board in (0, 1):
        if limit.name in results.cleared(row, bars, metrics, board):
            return f"{row.name}: clears {limit.name} on the {('public', 'private')[board]} board"
    return None


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that this and `ladder.py` have."""
    parser.add_argument("homework")
    parser.add_argument("--edition")
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--seeds", default="0-2", metavar="A-B", help="the first and the last seed")
    parser.add_argument("--size", default="small", choices=("small", "full"))
    parser.add_argument("--only", action="append", metavar="TEXT", help="tricks with this in their name")
    parser.add_argument("--keep", type=Path, default=None, help="a file of results, one JSON line each")


def read_options(parser: argparse.ArgumentParser, given: argparse.Namespace) -> tuple[Edition, str, range]:
    """The edition, the size as results name it, and the seeds; completes `homework` and `keep` of the options."""
    low, _, high = given.seeds.partition("-")
    if not (low.isdecimal() and high.isdecimal() and int(low) <= int(high)):
        parser.error(f"--seeds {given.seeds}: expected the first and the last seed, as in 0-2")
    given.homework = canonical(given.homework)
    task = find_task(given.homework)
    if task is None:
        parser.error(f"there is no homework {given.homework!r}")
    edition = task.edition(given.edition)
    given.keep = given.keep or Path(tempfile.mkdtemp()) / "results.jsonl"
    return edition, "course" if edition.official else given.size, range(int(low), int(high) + 1)


def measure(given: argparse.Namespace, edition: Edition, size: str, seeds: range) -> None:
    """Runs what `given.keep` lacks, adds it there, and prints the table with the rules that are broken."""
    name = given.homework
    wanted = {one for one in names_of(name) if not given.only or any(text in one for text in given.only)}
    lines = given.keep.read_text(encoding="utf-8").splitlines() if given.keep.exists() else []
    kept = [row for row in map(json.loads, lines) if "trick" in row]
    for seed in seeds:
        done = {
            row["trick"] for row in kept if (row["edition"], row["size"], row["seed"]) == (edition.name, size, seed)
        }
        if not wanted - done:
            continue
        for row in run(name, edition.name, given.size, seed, wanted - done, given.source):
            results.keep(given.keep, row | {"size": size, "source": results.source("cpu")})
            shown = {
                metric: [round(float(v), 4) for v in pair if v is not None] for metric, pair in row["scores"].items()
            }
            sys.stderr.write(f"seed {seed} {row['trick']}: {shown or row['refused']}, {row['seconds']:.1f} s\n")
    bars = edition.bars_at(None if edition.official else given.size)
    rows = [
        row
        for row in results.read_tricks(given.keep)
        if (row.edition, row.size) == (edition.name, size) and row.name in wanted
    ]
    if not rows:
        print(f"no tricks of {name}, {edition.name}, {size}")
        return
    print(f"{name}, {edition.name}, {size}, mean ± standard deviation over the seeds {rows[-1].seeds}\n")
    print(results.tricks_table(rows, bars, edition.metrics, {m.name: 4 for m in edition.metrics}))
    said = {trick.name: trick.said for trick in registered(name)[1]}
    for row in rows:
        rule = broken(row, bars, edition.metrics)
        if rule is not None:
            print(f"\n{rule}: {said[row.name] or 'not said anywhere'}", end="")
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_options(parser)
    given = parser.parse_args()
    measure(given, *read_options(parser, given))


if __name__ == "__main__":
    main()
