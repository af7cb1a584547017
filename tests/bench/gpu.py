"""Train levels of homeworks on this machine's GPU (or CPU), as they are, compiled, and beside the straightforward loop.

For a machine that has torch, numpy and pillow and little else: what is missing (safetensors, matplotlib, sentencepiece,
scikit-learn) is printed with what it costs, and nothing is fetched. Data are made with all cores, in `--data` where it
is given, a new folder. Every training gets the same share of `--seconds`; one that would take longer gets fewer epochs,
which is printed, and what still takes too long is stopped without a score. The straightforward loop (that of
`training_hwNN.py`: a DataLoader over a Dataset of one item at a time) is stopped after a fifth of a share. A rate is of
optimiser steps after the first tenth, with the epochs' validation in between; a GAN's step counts twice.

    python tests/bench/gpu.py --size full
    python tests/bench/gpu.py hw8:simple --seconds 10
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines import checkpoint, require_training
from baselines.common import override, pick_device, train_level, tuned
from submissions.reader import read
from tasks.base import Edition, Judged, Made, UserError
from tasks.homeworks import canonical, find_task, module_of
from tasks.processes import cores
from tasks.streams import fixed

LENGTHS = ("epochs", "back_epochs", "iterations")
"""The settings that say how long a level trains."""


class Enough(Exception):
    """The time of a training is over."""


@dataclass
class Clock:
    """When each step of an optimiser was taken, and when to stop."""

    until: float = float("inf")
    times: list[float] = field(default_factory=list)

    def step(self, *_: Any) -> None:
        self.times.append(time.perf_counter())
        if self.times[-1] > self.until:
            raise Enough

    @property
    def rate(self) -> float:
        """Steps a second after the first tenth of them."""
        first = min(len(self.times) - 1, max(1, len(self.times) // 10))
        if len(self.times) < 3:
            return float("nan")
        return (len(self.times) - 1 - first) / (self.times[-1] - self.times[first])


def make_do() -> list[str]:
    """Stands in for packages that are missing, and says what is lost without them."""
    lost = []
    try:
        require_training()
    except UserError as error:
        lost.append(str(error).partition(";")[0] + ": no checkpoints and no curves here")
        for name in ("safetensors", "matplotlib"):
            if importlib.util.find_spec(name) is None:
                sys.modules.setdefault(name, type(sys)(name))
        checkpoint.write = lambda path, state: None
        checkpoint.read = lambda path: None
        importlib.import_module("baselines.run").draw_curves = lambda folder: None  # type: ignore[attr-defined]
        importlib.import_module("baselines.lines").draw_features = lambda *_: None  # type: ignore[attr-defined]
    return lost


def made_at(root: Path, name: str, size: str, seed: int) -> tuple[Edition, Path, Made]:
    """The built-in data of a homework; its public folder has the files that baselines read."""
    task = find_task(name)
    assert task is not None
    edition, public = task.edition("builtin"), root / name
    begin = time.perf_counter()
    secret = root / f"{name}.secret"
    for folder in (public, secret):
        folder.mkdir(parents=True)
    made = edition.make(public, fixed(seed), size, None, secret)
    values = {**(made.form or edition.format).to_json(), "edition": "builtin", "size": size}
    (public / "format.json").write_text(json.dumps(values), encoding="utf-8")
    (public / "manifest.json").write_text("{}", encoding="utf-8")
    print(f"{name}: data of size {size} made in {time.perf_counter() - begin:.1f} s", flush=True)
    return edition, public, made


def score_of(edition: Edition, public: Path, made: Made, submission: Path) -> str:
    """The values of a submission on all rows, public and private together."""
    form = (made.form or edition.format).fit(made.answers)
    predictions = read(submission.read_bytes(), form)
    judge = edition.judge
    secret = public.parent / f"{public.name}.secret"
    judged = Judged(predictions) if judge is None else judge.judged(form, predictions, secret)
    return ", ".join(
        f"{metric.label} {metric.value(metric.rows(made.answers.columns, judged.columns)):.{metric.digits}f}"
        for metric in edition.metrics
    )


def peak(device: str) -> str:
    """The most memory so far: of the GPU since it was last asked, or of this process."""
    if device == "cuda":
        return f"{torch.cuda.max_memory_allocated() / 2**30:.2f} GiB"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB of the process"


def timed(device: str, seconds: float, work: Callable[[], str]) -> str:
    """A row about a training: rate, peak memory, seconds and what `work` returns."""
    clock, begin = Clock(time.perf_counter() + seconds), time.perf_counter()
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    hook = register_optimizer_step_post_hook(clock.step)
    try:
        end = work()
    except Enough:
        end = "stopped"
    except (UserError, ModuleNotFoundError) as error:
        return f"not run: {error}"
    finally:
        hook.remove()
    if device == "cuda":
        torch.cuda.synchronize()
    spent = time.perf_counter() - begin
    return f"{clock.rate:10.1f} steps/s  {peak(device)}  {spent:7.1f} s  {end}"


def level_row(
    name: str,
    level: str,
    edition: Edition,
    public: Path,
    made: Made,
    given: argparse.Namespace,
    compile: bool,
    share: float,
) -> str:
    """Trains a level within its share of time, with fewer epochs where it takes longer, and scores it."""
    module = importlib.import_module(f"baselines.{module_of(name)}")
    config = override(module.settings(level, public), given.set)
    changed: list[str] = []
    begin, marks = time.perf_counter(), [0.0]

    def look(done: int, total: int, metrics: object) -> None:
        """After the second epoch: whether all of them fit."""
        marks.append(time.perf_counter() - begin)
        if len(marks) == 3 and not changed:
            fits = max(1, int((share - marks[2]) / max(1e-9, marks[2] - marks[1])))
            if fits < total:
                for key in LENGTHS:
                    if hasattr(config, key):
                        changed.append(f"{key}={max(1, int(getattr(config, key) * fits / total))}")
                raise Enough

    def train() -> str:
        with tempfile.TemporaryDirectory() as folder:
            options: dict[str, Any] = {"seed": given.seed, "device": given.device, "compile": compile}
            try:
                path = train_level(
                    name, level, public, Path(folder) / "whole", overrides=given.set, progress=look, **options
                )
            except Enough:
                if not changed:
                    raise
                path = train_level(
                    name,
                    level,
                    public,
                    Path(folder) / "cut",
                    overrides=[*given.set, *changed],
                    progress=look,
                    **options,
                )
            return score_of(edition, public, made, path) + "".join(f"  {setting}" for setting in changed)

    return timed(given.device, 2 * share, train)


def compiles(name: str) -> bool:
    """Whether a baseline gives a network to `Run.compiled`."""
    module = importlib.import_module(f"baselines.{module_of(name)}")
    return "run.compiled(" in Path(str(module.__file__)).read_text(encoding="utf-8")


def loop_row(name: str, level: str, public: Path, given: argparse.Namespace, share: float) -> str:
    """The straightforward loop of a homework on the same data and settings, until its time is over."""

    if importlib.util.find_spec(f"tests.bench.training_{name}") is None or (name, level) == ("hw02", "boss"):
        return "not run: there is no straightforward loop of this level"

    def loop() -> str:
        bench: Any = importlib.import_module(f"tests.bench.training_{name}")
        module: Any = importlib.import_module(f"baselines.{module_of(name)}")
        config, device, seed = override(module.settings(level, public), given.set), given.device, given.seed
        if name in ("hw02", "hw03", "hw04", "hw07", "hw11", "hw13", "hw14", "hw15"):
            if name == "hw03":
                theirs = bench.Theirs(config, module.root_of(public), seed, device, min(8, cores() - 1))
            else:
                theirs = bench.Theirs(config, public, seed, device)
            while True:
                theirs.epoch()
        elif name == "hw05":
            bench.plain_loop(config, public, device, seed)
        elif name == "hw06":
            bench.theirs(config, public, seed, device)
        else:
            bench.theirs(config, public / module.folder_of(public), device)
        return "ended"

    return timed(given.device, share / 5, loop)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "levels",
        nargs="*",
        metavar="HW:LEVEL",
        default=[
            "hw2:boss",
            "hw3:boss",
            "hw4:strong",
            "hw5:strong",
            "hw6:boss",
            "hw7:medium",
            "hw8:boss",
            "hw11:strong",
            "hw13:boss",
            "hw14:boss",
            "hw15:boss",
        ],
    )
    parser.add_argument("--size", default="small", choices=("small", "full"))
    parser.add_argument("--seconds", type=float, default=540.0, help="of all trainings together")
    parser.add_argument("--data", type=Path, help="a new folder for the data; default: one that is removed")
    parser.add_argument("--device", default="auto", help="auto, cuda or cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of all levels"
    )
    parser.add_argument("--no-compile", action="store_true", help="without the compiled trainings")
    given = parser.parse_args()
    if given.data is not None and given.data.exists():
        parser.error(f"{given.data} exists; give a new folder")
    given.device = pick_device(given.device)
    chosen = [(canonical(one.partition(":")[0]), one.partition(":")[2] or "boss") for one in given.levels]
    for name, _ in chosen:
        if name in ("hw01", "hw12"):
            parser.error(f"{name} trains on the CPU; choose another homework")
    card = torch.cuda.get_device_name() if given.device == "cuda" else "no GPU"
    print(f"{card}, {cores()} cores, load {os.getloadavg()[0]:.1f}, torch {torch.__version__}, seed {given.seed}")
    for line in make_do():
        print(line)
    share = given.seconds / len(chosen) / (1.2 if given.no_compile else 2.2)
    with tempfile.TemporaryDirectory() as folder:
        root = given.data or Path(folder)
        data = {}
        for name in dict.fromkeys(name for name, _ in chosen):
            try:
                data[name] = made_at(root, name, given.size, given.seed)
            except (UserError, ModuleNotFoundError) as error:
                print(f"{name}: no data here: {error}")
        for name, level in chosen:
            if name not in data:
                continue
            with tuned(given.device, 1):
                loop = loop_row(name, level, data[name][1], given, share)
            print(f"{name} {level:7} loop      {loop}", flush=True)
            for compiled in (False,) if given.no_compile else (False, True):
                if compiled and not compiles(name):
                    print(f"{name} {level:7} compiled  not run: this baseline compiles nothing")
                    continue
                row = level_row(name, level, *data[name], given, compiled, share)
                print(f"{name} {level:7} {'compiled' if compiled else 'baseline':9} {row}", flush=True)


if __name__ == "__main__":
    main()
