"""Shared code of the baselines: settings, seeds, device, the run folder, exact resume, the command line.

A run folder holds `config.json`, `metrics.jsonl` (a line per epoch), `checkpoint.safetensors` (the whole state after
the last epoch), and at the end `curves.png` and `submission.csv`, `.txt` or `.tgz`, which is written last: if it
exists, the run is finished.

A baseline is a module with `FILES` (the public files it reads, whose hashes are part of the run's settings), `LEVELS`,
`SUFFIX` of its submission, `THREADS` for torch on the CPU, `settings(level, public)` and `train(config, public, run,
progress)`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import math
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.base import UserError
from tasks.homeworks import canonical, module_of

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int, Mapping[str, float]], None]
C = TypeVar("C")


def require_training() -> None:
    """Raises UserError with the command to install where a package that training needs is missing."""
    for package in ("torch", "safetensors", "matplotlib", "numpy"):
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise
            raise UserError(
                f'training needs {package}, which is not installed; install it with: pip install "lhy-grade[train]"'
            ) from None


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


def pick_device(name: str) -> str:
    """The device, "cuda" or "cpu", for auto, cuda or cpu. Raises UserError for "cuda" without a CUDA device."""
    import torch

    if name not in ("auto", "cuda", "cpu"):
        raise UserError(f"--device {name}: expected auto, cuda or cpu.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise UserError("--device cuda: torch finds no CUDA device; use --device cpu or auto.")
    return "cuda" if there and name != "cpu" else "cpu"


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Sets torch's number of CPU threads, so that sums are the same on every machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rate(schedule: str, epoch: int, epochs: int, warmup: int = 0) -> float:
    """The factor of the learning rate in `epoch` (from 0): "constant", or "cosine" to 0, after a linear warm-up."""
    if epoch < warmup:
        return (epoch + 1) / warmup
    if schedule == "constant":
        return 1.0
    return 0.5 * (1.0 + math.cos(math.pi * (epoch - warmup) / max(1, epochs - warmup)))


@dataclass(frozen=True)
class Run:
    """The folder of one training run, with the settings that must be the same when it is resumed."""

    folder: Path
    seed: int
    device: str
    suffix: str = ".csv"

    @property
    def submission(self) -> Path:
        return self.folder / f"submission{self.suffix}"

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Append the metrics of one epoch (from 1) to `metrics.jsonl`."""
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"epoch": epoch, **metrics}) + "\n")

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the whole state of the run, nested dicts and lists of tensors and plain values, in one step."""
        from safetensors.torch import save_file

        tensors: dict[str, torch.Tensor] = {}
        plain = json.dumps(_flatten(state, "state", tensors))
        new = self.folder / "checkpoint.new"
        save_file(tensors, new, metadata={"state": plain})
        new.replace(self.folder / "checkpoint.safetensors")

    def load(self) -> dict[str, Any] | None:
        """The state of the last `save`, on the run's device, with `metrics.jsonl` cut back to its epoch.

        None where there is none, or where a power cut left an unreadable one: training then starts again and ends with
        the same file, only later.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.folder / "checkpoint.safetensors", framework="pt") as file:
                plain = json.loads(file.metadata()["state"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        except (FileNotFoundError, SafetensorError):
            (self.folder / "metrics.jsonl").write_text("", encoding="utf-8")
            return None
        state: dict[str, Any] = _unflatten(plain, tensors, self.device)
        log = self.folder / "metrics.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)[: state["epoch"]]
        log.write_text("".join(lines), encoding="utf-8")
        return state

    def finish(self, submission: bytes) -> None:
        """Draw the learning curves and write the submission, which marks the run as finished."""
        draw_curves(self.folder)
        write_file(self.submission, submission)


def table(header: Sequence[str], ids: Sequence[str], values: Sequence[str]) -> bytes:
    """The bytes of a table with an id and one value per row."""
    lines = [",".join(header), *(f"{i},{value}" for i, value in zip(ids, values, strict=True))]
    return ("\n".join(lines) + "\n").encode()


def write_file(path: Path, data: bytes) -> None:
    """Write a file in one step: a reader sees the old one or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)


def _flatten(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The value with every tensor moved into `tensors`, in a form that JSON preserves: dicts become pairs."""
    import torch

    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().contiguous().clone()
        last = value.ndim == 4 and not value.is_contiguous()
        return {"tensor": name, "channels_last": last and value.is_contiguous(memory_format=torch.channels_last)}
    if isinstance(value, Mapping):
        return {"pairs": [[key, _flatten(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_flatten(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
    return value


def _unflatten(value: Any, tensors: Mapping[str, torch.Tensor], device: str) -> Any:
    if isinstance(value, list):
        return [_unflatten(item, tensors, device) for item in value]
    if not isinstance(value, dict):
        return value
    import torch

    if "pairs" in value:
        return {key: _unflatten(item, tensors, device) for key, item in value["pairs"]}
    name = value["tensor"]
    # A copy, since tensors from the file are unaligned, and a product of these can differ in its last bit.
    tensor = tensors[name].clone()
    if value["channels_last"]:  # fused optimisers go by address: a moment needs the memory layout of its weight
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor if ".rng" in name else tensor.to(device)


def draw_curves(folder: Path) -> None:
    """`curves.png`: every series of `metrics.jsonl` over the epochs, on a logarithmic axis where all are above 0."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name in [key for key in rows[0] if key != "epoch"] if rows else []:
        axes.plot([row["epoch"] for row in rows], [row[name] for row in rows], label=name)
    if rows:
        positive = all(value > 0 for row in rows for key, value in row.items() if key != "epoch")
        axes.set_yscale("log" if positive else "linear")
        axes.legend()
    axes.set_xlabel("epoch")
    figure.savefig(folder / "curves.png", dpi=120, metadata={"Software": None})


def train_level(
    name: str,
    level: str,
    public: Path,
    run: Path,
    *,
    seed: int,
    device: str = "auto",
    overrides: Sequence[str] = (),
    progress: Progress | None = None,
) -> Path:
    """Train one level of a homework on the public folder and return the submission file in `run`.

    An unfinished run with the same settings is resumed, a finished one is returned as it is. Raises UserError where
    `run` holds a run with other settings or other data.
    """
    require_training()
    module_name = module_of(canonical(name))
    if module_name is None:
        raise UserError(f"there is no baseline for {name!r}.")
    module = importlib.import_module(f"baselines.{module_name}")
    if level not in module.LEVELS:
        raise UserError(f"{name} has no level {level!r}; choose one of: {', '.join(module.LEVELS)}.")
    place = pick_device(device)
    data = {file: hashlib.sha256(_public_bytes(public / file)).hexdigest() for file in module.FILES}
    config = override(module.settings(level, public), overrides)
    settings = {
        "homework": module_name, "level": level, "seed": seed, "device": place, "config": asdict(config), "data": data
    }  # fmt: skip
    _same_settings(run, json.loads(json.dumps(settings)))
    state = Run(run, seed, place, module.SUFFIX)
    if not state.submission.exists():
        with threads(module.THREADS):
            module.train(config, public, state, progress or (lambda done, total, metrics: None))
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
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting")
    given = parser.parse_args(arguments)
    try:
        path = train_level(
            name, given.level, given.public, given.run, seed=given.seed, device=given.device, overrides=given.set,
        )  # fmt: skip
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(f"{path}\n")
    return 0
