"""Results of training: lines of `results/hwNN.jsonl`, and the tables of `docs/homeworks/hwNN.md` made from them.

A line is a run of one seed, as `ladder.py --keep` writes it, or a summary over seeds where
only mean and spread were kept. A step is the difference to the level below in the same competitions, so that a summary
has to give it; it lies within the spread where its mean is not larger than its standard deviation.
"""

from __future__ import annotations

import json
import math
import platform
import shlex
import statistics
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.base import Bar
from tasks.metrics import Metric

FOLDER = Path(__file__).parents[2] / "results"
SAMPLE = "sample submission"
ORDER = (SAMPLE, "naive", "simple", "medium", "strong", "boss")
"""The rows of a table. Those that are not levels of a baseline have no step."""
LEVELS = ORDER[2:]

Spread = tuple[float, float]
"""Mean and standard deviation over seeds; the deviation of one run is NaN."""


@dataclass(frozen=True)
class Row:
    """One row of a table: a level of an edition in one size. `scores` and `step` are (public, private) by metric.

    `widths` are half the widths of the 95 % intervals of the first metric, means over the seeds; None where one of the
    runs was kept without.
    """

    edition: str
    size: str
    level: str
    seeds: tuple[int, ...]
    scores: dict[str, tuple[Spread, Spread | None]]
    step: tuple[Spread, Spread | None] | None
    seconds: float | None
    test: str
    sources: tuple[str, ...]
    widths: tuple[float, float] | None = None


def read_rows(path: Path) -> list[Row]:
    """The rows of a file, with runs of several seeds summarised; runs replace a summary of the same level."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    runs = [line for line in lines if "seed" in line and "trick" not in line]
    rows = summarised(runs)
    measured = {(row.edition, row.size, row.level) for row in rows}
    rows += [
        row
        for row in map(_summary, (line for line in lines if "seeds" in line))
        if (row.edition, row.size, row.level) not in measured
    ]
    return sorted(rows, key=lambda row: (row.edition, row.size, ORDER.index(row.level)))


@dataclass(frozen=True)
class Trick:
    """One row of a table of cheap tricks: mean and spread (public, private) by metric, of the seeds that were scored.

    `kind` is that of `tests/bench/tricks/frame.py`, 0 for a reference; `refused` counts the codes of files refused.
    """

    edition: str
    size: str
    name: str
    kind: int
    seeds: tuple[int, ...]
    scores: dict[str, tuple[Spread, Spread | None]]
    refused: dict[str, int]
    seconds: float
    sources: tuple[str, ...]


def read_tricks(path: Path) -> list[Trick]:
    """The tricks of a file, references first, then by kind, in the order in which they were measured.

    A later run of the same trick and seed replaces an earlier one.
    """
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    groups: dict[tuple[str, str, str], dict[int, dict[str, Any]]] = {}
    for line in lines:
        if "trick" in line:
            groups.setdefault((line["edition"], line["size"], line["trick"]), {})[line["seed"]] = line
    rows = []
    for (edition, size, name), by_seed in groups.items():
        scored = [line["scores"] for line in by_seed.values() if line["scores"]]
        scores = {metric: _spreads([each[metric] for each in scored]) for metric in (scored[0] if scored else ())}
        last = list(by_seed.values())[-1]
        refused = Counter(line["refused"] for line in by_seed.values() if "refused" in line)
        seconds = statistics.fmean(line["seconds"] for line in by_seed.values())
        rows.append(
            Trick(
                edition,
                size,
                name,
                last["kind"],
                tuple(sorted(by_seed)),
                scores,
                dict(refused),
                seconds,
                _sources(by_seed.values()),
            )
        )
    return sorted(rows, key=lambda row: (row.edition, row.size, row.kind))


def cleared(row: Trick, bars: Sequence[Bar], metrics: Sequence[Metric], board: int) -> tuple[str, ...]:
    """The names of the bars that a trick's mean scores clear on the public (0) or the private board (1)."""
    values = {}
    for metric, pair in row.scores.items():
        spread = pair[board]
        if spread is None:
            return ()
        values[metric] = spread[0]
    higher = {metric.name: metric.higher_is_better for metric in metrics}
    return tuple(bar.name for bar in bars if values and bar.passed(values, higher, private=board == 1))


def tricks_table(
    rows: Sequence[Trick],
    bars: Sequence[Bar],
    metrics: Sequence[Metric],
    digits: Mapping[str, int],
    one_board: Sequence[str] = (),
) -> str:
    """A Markdown table of tricks with the highest bar that each clears, in the mean over its seeds, on each board."""
    heads = ["trick", "kind"]
    for metric in metrics:
        heads += [metric.label] if metric.name in one_board else [f"{metric.label}, public", f"{metric.label}, private"]
    text = [
        f"| {' | '.join([*heads, 'clears, public', 'clears, private', 'seconds'])} |",
        "|---" * (len(heads) + 3) + "|",
    ]
    for row in rows:
        cells = [row.name, str(row.kind) if row.kind else "reference"]
        for metric in metrics:
            pair = row.scores.get(metric.name, (None, None))
            for spread in pair[: 1 if metric.name in one_board else 2]:
                n = digits.get(metric.name, metric.digits)
                wide = "" if spread is None or math.isnan(spread[1]) else f" ± {spread[1]:.{n}f}"
                cells.append("" if spread is None else f"{spread[0]:.{n}f}{wide}")
        refused = ", ".join(f"{code} for {n} of {len(row.seeds)}" for code, n in row.refused.items())
        for board in (0, 1):
            best = cleared(row, bars, metrics, board)
            cells.append("; ".join(filter(None, (best[-1] if best else "", refused and f"refused: {refused}"))))
        cells.append(f"{row.seconds:.{1 if row.seconds < 10 else 0}f}")
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)


def _summary(line: dict[str, Any]) -> Row:
    def pair(values: list[list[float]]) -> tuple[Spread, Spread | None]:
        (public, public_spread), (private, private_spread) = values
        return (public, public_spread), (private, private_spread)

    scores = {metric: pair(values) for metric, values in line["scores"].items()}
    step = None if line.get("step") is None else pair(line["step"])
    low, _, high = line["seeds"].partition("-")
    seeds = tuple(range(int(low), int(high or low) + 1))
    assert line["n"] == len(seeds), line
    edition, size, level = line["edition"], line["size"], line["level"]
    return Row(edition, size, level, seeds, scores, step, line.get("seconds"), line.get("test", ""), (line["source"],))


def summarised(runs: Iterable[dict[str, Any]]) -> list[Row]:
    """Rows of runs of one seed each."""
    groups: dict[tuple[str, str, str], dict[int, dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["edition"], run["size"], run["level"]), {})[run["seed"]] = run
    rows = []
    for (edition, size, level), by_seed in groups.items():
        seeds = tuple(sorted(by_seed))
        scores = {
            metric: _spreads([by_seed[seed]["scores"][metric] for seed in seeds])
            for metric in by_seed[seeds[0]]["scores"]
        }
        step = None
        at = LEVELS.index(level) if level in LEVELS else 0
        below = groups.get((edition, size, LEVELS[at - 1])) if at else None
        if below is not None and set(below) == set(seeds):
            first = next(iter(scores))
            step = _spreads(
                [
                    [
                        None if high is None or low is None else high - low
                        for high, low in zip(by_seed[seed]["scores"][first], below[seed]["scores"][first], strict=True)
                    ]
                    for seed in seeds
                ]
            )
        seconds = [run["seconds"] for run in by_seed.values() if run.get("seconds") is not None]
        rows.append(
            Row(
                edition,
                size,
                level,
                seeds,
                scores,
                step,
                statistics.fmean(seconds) if seconds and level in LEVELS else None,
                by_seed[seeds[0]].get("test", ""),
                _sources(by_seed.values()),
                _widths(by_seed.values()),
            )
        )
    return rows


def _widths(runs: Collection[dict[str, Any]]) -> tuple[float, float] | None:
    """Half the widths of the intervals of the first metric, public and private, means over the runs."""
    pairs = [run["intervals"][next(iter(run["scores"]))] for run in runs if "intervals" in run]
    if len(pairs) < len(runs) or any(ends is None for pair in pairs for ends in pair):
        return None
    public, private = (statistics.fmean((pair[side][1] - pair[side][0]) / 2 for pair in pairs) for side in (0, 1))
    return public, private


def _sources(runs: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Where the runs come from, each once."""
    return tuple(sorted({run.get("source", "") for run in runs}))


def _spreads(pairs: Sequence[Sequence[float | None]]) -> tuple[Spread, Spread | None]:
    def spread(values: list[float]) -> Spread:
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else float("nan")

    public = spread([float(pair[0]) for pair in pairs if pair[0] is not None])
    private = [float(pair[1]) for pair in pairs if pair[1] is not None]
    return public, spread(private) if len(private) == len(pairs) else None


def table(rows: Sequence[Row], labels: dict[str, tuple[str, int, bool]], *, one_board: Sequence[str] = ()) -> str:
    """A Markdown table of the rows of one edition. `labels` gives metric to (label, digits, higher is better), in
    order; the metrics of `one_board` have one number for both boards. Where every run was kept with its intervals, half
    their widths are columns too.
    """
    heads = ["level"]
    for metric, (label, _, _) in labels.items():
        heads += [label] if metric in one_board else [f"{label}, public", f"{label}, private"]
    heads += ["step, public", "step, private"]
    with_widths = all(row.widths for row in rows)
    heads += ["interval, public", "interval, private"] if with_widths else []
    heads += ["seconds"]
    text = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    first_digits, higher = next((digits, higher) for _, digits, higher in labels.values())
    for row in rows:
        cells = [row.level]
        for metric, (_, digits, _) in labels.items():
            for spread in row.scores[metric][: 1 if metric in one_board else 2]:
                wide = "" if spread is None or math.isnan(spread[1]) else f" ± {spread[1]:.{digits}f}"
                cells.append("" if spread is None else f"{spread[0]:.{digits}f}{wide}")
        for spread in row.step or (None, None):
            cells.append("" if spread is None else shown_step(spread, first_digits, higher))
        cells += [f"± {width:.{first_digits}f}" for width in row.widths or ()] if with_widths else []
        cells.append("" if row.seconds is None else f"{row.seconds:.{1 if row.seconds < 10 else 0}f}")
        text.append(f"| {' | '.join(cells)} |")
    return "\n".join(text)


def shown_step(step: Spread, digits: int, higher_is_better: bool) -> str:
    """A step as text, with a note if it is not larger than its spread."""
    mean, spread = step
    if math.isnan(spread):  # of one run
        return f"{mean:+.{digits}f}"
    clear = (mean if higher_is_better else -mean) > spread
    return f"{mean:+.{digits}f} ± {spread:.{digits}f}{'' if clear else ' **(within the spread)**'}"


def source(device: str) -> str:
    """The command, and where and when it ran, for `source` of a line."""
    words = shlex.join(["python", f"tests/bench/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text(encoding="utf-8").splitlines() if cpus.exists() else []
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    machine = ", ".join(sorted(models)) or platform.processor() or platform.machine()
    return f"{words}; {machine}, torch {version('torch')} on {device}, {datetime.now(UTC):%Y-%m-%d}"


def keep(path: Path, line: dict[str, Any]) -> None:
    """Adds one run to a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
