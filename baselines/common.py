"""What all baselines share: settings, device, learning rate, tables, and the start of a level.

A baseline is a module with `FILES` (the public files it reads, whose hashes are part of the run's settings), `LEVELS`,
`SUFFIX` of its submission (or `suffix(public)`), `THREADS` for torch on the CPU, `AUTO` (the device of `--device auto`
where there are both), `settings(level, public)` and `train(config, public, run)`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from baselines import require_training
from baselines.run import SAVE_SECONDS, Progress, Run, write_file
from tasks.base import UserError
from tasks.homeworks import canonical, module_of, packages_of

C = TypeVar("C")


def size_of(public: Path) -> str | None:
    """The size of the data, "small" or "full", by their `format.json`; None for the course's own files.

    Built-in data of older releases do not say it, nor do files without a `format.json`: they count as small.
    """
    try:
        values = json.loads((public / "format.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "small"
    builtin = str(values.get("edition", "builtin")).startswith("builtin")
    size: str | None = values.get("size", "small" if builtin else None)
    return size


def override(config: C, settings: Sequence[str]) -> C:
    """The config changed by `key=value` settings, each parsed as the type of its field; a tuple is 64,32.

    Raises UserError for an unknown key and for an invalid value.
    """
    types = typing.get_type_hints(type(config))
    known = {field.name: types[field.name] for field in fields(config)}  # type: ignore[arg-type]
    changed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals or key not in known:
            raise UserError(f"--set {setting}: expected key=value with one of the keys {', '.join(known)}.")
        changed[key] = _read(text.strip(), known[key], setting)
    return replace(config, **changed)  # type: ignore[type-var]


def _read(text: str, kind: Any, setting: str) -> Any:
    if typing.get_origin(kind) is typing.Literal:
        if text in typing.get_args(kind):
            return text
        raise UserError(f"--set {setting}: expected one of {', '.join(typing.get_args(kind))}; found {text!r}.")
    if typing.get_origin(kind) is tuple:
        return tuple(_read(part.strip(), typing.get_args(kind)[0], setting) for part in text.split(",") if part.strip())
    if kind is bool:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise UserError(f"--set {setting}: expected true or false; found {text!r}.")
    try:
        value = kind(text)
    except ValueError:
        word = {"int": "a whole number", "float": "a number"}.get(kind.__name__, kind.__name__)
        raise UserError(f"--set {setting}: expected {word}; found {text!r}.") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--set {setting}: expected a finite number; found {text!r}.")
    return value


def pick_device(name: str, auto: str = "cuda") -> str:
    """The device, "cuda" or "cpu", for auto, cuda or cpu; for auto it is the homework's own choice, where it is there.

    Raises UserError for "cuda" without a CUDA device.
    """
    if name not in ("auto", "cuda", "cpu"):
        raise UserError(f"--device {name}: expected auto, cuda or cpu.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("--device cuda: torch finds no CUDA device; use --device cpu or auto.")
    return "cuda" if there and (auto if name == "auto" else name) == "cuda" else "cpu"


@contextmanager
def tuned(device: str, threads: int) -> Iterator[None]:
    """Sets what torch computes with, and back again.

    On the CPU a fixed number of threads, so that sums are the same on every machine; on CUDA TF32 for products of
    float32, and the convolutions that are fastest for the shapes at hand.
    """
    cudnn = torch.backends.cudnn
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), cudnn.benchmark
    torch.set_num_threads(threads)
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
        cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
        cudnn.benchmark = before[2]


def rate(schedule: str, epoch: int, epochs: int, warmup: int = 0) -> float:
    """The factor of the learning rate in `epoch` (from 0): "constant", or "cosine" to 0, after a linear warm-up."""
    if epoch < warmup:
        return (epoch + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * (epoch - warmup) / max(1, epochs - warmup)))


def table(header: Sequence[str], ids: Sequence[str], values: Sequence[str]) -> bytes:
    """The bytes of a table with an id and one value per row."""
    lines = [",".join(header), *(f"{i},{value}" for i, value in zip(ids, values, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def train_level(
    name: str,
    level: str,
    public: Path,
    run: Path,
    *,
    seed: int,
    device: str = "auto",
    overrides: Sequence[str] = (),
    shared: Path | None = None,
    compile: bool = False,
    save_seconds: float = SAVE_SECONDS,
    progress: Progress = lambda done, total, metrics: None,
) -> Path:
    """Train one level of a homework on the public folder and return the submission file in `run`.

    `shared` is the folder for what several runs use, by default one in `run`.
    An unfinished run with the same settings is resumed, a finished one is returned as it is. Raises UserError where
    `run` holds a run with other settings or other data.
    """
    require_training()
    packages = packages_of(canonical(name))
    if packages is None:
        raise UserError(f"there is no baseline for {name!r}.")
    module, module_name = importlib.import_module(packages[1]), packages[0].removeprefix("tasks.")
    if level not in module.LEVELS:
        raise UserError(f"{name} has no level {level!r}; choose one of: {', '.join(module.LEVELS)}.")
    place = pick_device(device, module.AUTO)
    data = {file: hashlib.sha256(_public_bytes(public / file)).hexdigest() for file in module.FILES}
    config = override(module.settings(level, public), overrides)
    settings = {
        "homework": module_name,
        "level": level,
        "seed": seed,
        "device": place,
        "config": asdict(config),
        "data": data,
    } | ({"compile": True} if compile else {})
    _same_settings(run, json.loads(json.dumps(settings)))
    suffix = module.suffix(public) if hasattr(module, "suffix") else module.SUFFIX
    code = hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()
    identity = f"{json.dumps(data)} {code}"
    state = Run(run, seed, place, suffix, identity, shared, compile, save_seconds, progress)
    if not state.submission.exists():
        with tuned(place, module.THREADS):
            module.train(config, public, state)
    return state.submission


def _public_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise UserError(f"{path}: expected a file of the prepared competition; it cannot be read.") from None


def _same_settings(run: Path, settings: Mapping[str, Any]) -> None:
    """Write `config.json`, or raise UserError if the folder has one with other settings."""
    path = run / "config.json"
    run.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        write_file(path, f"{json.dumps(settings, indent=2)}\n".encode())
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    if before != settings:
        old, new = ({**{k: v for k, v in s.items() if k != "config"}, **s["config"]} for s in (before, settings))
        names = ", ".join(key for key in {**old, **new} if old.get(key) != new.get(key))
        raise UserError(f"{run} holds a run that differs in: {names}; choose another folder for the run.")


def main(name: str, arguments: Sequence[str] | None = None) -> int:
    """The command line of one baseline, `python -m baselines.hw01_regression`, and its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m baselines.{module_of(canonical(name))}")
    parser.add_argument("--level", required=True, help="simple, medium, strong or boss")
    parser.add_argument("--public", required=True, type=Path, help="the folder that students get")
    parser.add_argument("--run", required=True, type=Path, help="the folder of this run; an unfinished run is resumed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cuda or cpu")
    parser.add_argument("--shared", type=Path, help="a folder for what several runs use; default: in --run")
    parser.add_argument("--compile", action="store_true", help="with torch.compile, where the baseline has it")
    parser.add_argument("--save-seconds", type=float, default=SAVE_SECONDS, help="between two checkpoints")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting")
    given = parser.parse_args(arguments)
    try:
        path = train_level(
            name, given.level, given.public, given.run, seed=given.seed, device=given.device, overrides=given.set,
            shared=given.shared, compile=given.compile, save_seconds=given.save_seconds,
        )  # fmt: skip
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{path}\n")
    return 0
