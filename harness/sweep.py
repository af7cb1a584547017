"""Levels and seeds of a homework trained side by side, on this machine or on a Ray cluster, and what they score."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from harness.answers import read_secret
from harness.competition import Competition
from harness.grading.scoring import grade_here
from harness.home import Home
from tasks import plugins
from tasks.errors import UserError
from tasks.homeworks import packages_of


@dataclass(frozen=True)
class Trained:
    """One training that has ended: its submission file, or the error that stopped it."""

    level: str
    seed: int
    file: Path | None
    error: str = ""


@dataclass(frozen=True)
class Spread:
    """Scores of one level in one metric over the seeds: means and standard deviations (0 for one seed)."""

    level: str
    metric: str
    seeds: int
    public: float
    public_spread: float
    private: float | None
    private_spread: float | None


def run_folder(home: Home, competition: Competition, level: str, seed: int, marks: str = "") -> Path:
    """The folder of a training; `marks` tell changed settings apart."""
    parts = (level, competition.edition, f"v{competition.version}", f"seed{seed}", marks)
    return home.runs / competition.name / "-".join(part for part in parts if part)


def sweep(
    home: Home,
    competition: Competition,
    levels: Sequence[str],
    seeds: Sequence[int],
    device: str,
    jobs: int,
    cluster: bool,
) -> Iterator[Trained]:
    """Trains each level with each seed, `jobs` at a time here (0: as many as fit) or on the cluster that was joined.

    Finished runs are taken as they are and interrupted ones resumed, as `train` does. A failed one stops no other.
    """
    from baselines.common import pick_device

    every = [(level, seed) for seed in seeds for level in levels]
    work: list[Mapping[str, Any]] = [
        {
            "name": competition.name,
            "level": level,
            "public": home.public(competition.name),
            "run": (run := run_folder(home, competition, level, seed)),
            "seed": seed,
            "device": device,
            "shared": run.parent / "shared",
            "plugins": plugins.added(),
        }
        for level, seed in every
    ]
    packages = packages_of(competition.name)
    assert packages is not None, "it has a baseline"
    baseline = import_module(packages[1])
    cuda = pick_device(device, baseline.AUTO) == "cuda"
    if cluster:
        from harness.grading.cluster import each

        found = each(train_one, work, 1 if device != "cpu" and baseline.AUTO == "cuda" else 0)
    else:
        threads = baseline.THREADS or 1
        found = _here(work, jobs or (1 if cuda else max(1, (os.cpu_count() or 1) // threads)))
    for number, result in found:
        error = "" if isinstance(result, Path) else str(result) or type(result).__name__
        yield Trained(*every[number], result if isinstance(result, Path) else None, error)


def train_one(**job: Any) -> Path:
    """One training, in a process of its own."""
    from baselines.common import train_level

    for folder in job.pop("plugins"):
        plugins.add(folder)
    return train_level(job.pop("name"), job.pop("level"), job.pop("public"), job.pop("run"), **job)


def _here(work: Sequence[Mapping[str, Any]], jobs: int) -> Iterator[tuple[int, Any]]:
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        running = {pool.submit(train_one, **job): number for number, job in enumerate(work)}
        try:
            for done in as_completed(running):
                yield running[done], done.exception() or done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def spreads(home: Home, competition: Competition, trained: Sequence[Trained], levels: Sequence[str]) -> list[Spread]:
    """The exact scores of trained files against the hidden answers, by level and metric. Nothing is recorded.

    Raises UserError if a level has no file.
    """
    secret = read_secret(home, competition)
    found: dict[tuple[str, str], list[tuple[float, float | None]]] = {}
    for one in trained:
        if one.file is not None:
            for score in grade_here(secret, one.file.read_bytes()).scores:
                found.setdefault((one.level, score.metric), []).append((score.public, score.private))
    if lacking := [level for level in levels if (level, competition.ranking.name) not in found]:
        raise UserError(f"no training of {', '.join(lacking)} has ended; see the errors above.")
    return [_spread(*place, found[place]) for place in sorted(found, key=lambda one: (levels.index(one[0]), one[1]))]


def _spread(level: str, metric: str, scores: Sequence[tuple[float, float | None]]) -> Spread:
    public, private = [one for one, _ in scores], [one for _, one in scores if one is not None]

    def deviation(values: Sequence[float]) -> float:
        return statistics.stdev(values) if len(values) > 1 else 0.0

    hidden = (statistics.fmean(private), deviation(private)) if private else (None, None)
    return Spread(level, metric, len(scores), statistics.fmean(public), deviation(public), *hidden)


def rows(found: Sequence[Spread]) -> list[dict[str, Any]]:
    return [asdict(one) for one in found]
