"""One training run: its folder, its epochs with exact resume, and what it shares with other runs.

A run folder holds `config.json`, `metrics.jsonl` (a line per epoch), `checkpoint.safetensors` (the whole state after an
epoch, written every 20 seconds and at the end), and at the end `curves.png` and `submission.csv`, `.txt` or `.tgz`,
which is written last: if it exists, the run is finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from baselines import checkpoint
from tasks.locks import locked

Progress = Callable[[int, int, Mapping[str, float]], None]
"""Called after each epoch with its number (from 1), how many there are, and its metrics."""
SAVE_SECONDS = 20.0


@dataclass(frozen=True)
class Run:
    """The folder of one training run, and how it trains.

    `identity` stands for the data and the code, and is part of the name of what `shared` makes.
    """

    folder: Path
    seed: int
    device: str
    suffix: str = ".csv"
    identity: str = ""
    shared_folder: Path | None = None  # default: `shared` in the run's own folder
    compile: bool = False
    save_seconds: float = SAVE_SECONDS
    progress: Progress = lambda done, total, metrics: None
    _metrics: dict[str, float] = field(default_factory=dict, init=False)

    @property
    def submission(self) -> Path:
        return self.folder / f"submission{self.suffix}"

    def epochs(self, total: int, parts: checkpoint.Parts) -> Iterator[int]:
        """The epochs (from 0) that are still to be trained.

        Before the first one, `parts` (networks, optimisers, generators, tensors, and dicts and lists of them: all that
        the loop changes) are brought back in place to the last checkpoint. After each one, what the loop gave to `log`
        becomes a line of `metrics.jsonl`, and `parts` are saved if the last time was `save_seconds` ago. torch's own
        generator is seeded before each epoch, so that dropout needs no state either.
        """
        path, log = self.folder / "checkpoint.safetensors", self.folder / "metrics.jsonl"
        saved = checkpoint.read(path)
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True) if log.exists() else []
        if saved is None or "parts" not in saved or len(lines) < saved["epoch"]:
            # Nothing yet, or a power cut or another version left what cannot be used: start again, to the same end.
            saved = {"epoch": 0}
        else:
            checkpoint.restore(parts, saved["parts"])
        begin: int = saved["epoch"]
        log.write_text("".join(lines[:begin]), encoding="utf-8")
        last = time.monotonic()
        for epoch in range(begin, total):
            torch.manual_seed(self.seed * 100_003 + epoch)
            self._metrics.clear()
            yield epoch
            metrics = dict(self._metrics)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"epoch": epoch + 1, **metrics}) + "\n")
            stopped = True  # by `progress`, or it goes on
            try:
                self.progress(epoch + 1, total, metrics)
                stopped = False
            finally:
                if stopped or epoch + 1 == total or time.monotonic() - last >= self.save_seconds:
                    checkpoint.write(path, {"epoch": epoch + 1, "parts": checkpoint.captured(parts)})
                    last = time.monotonic()

    def log(self, metrics: Mapping[str, float]) -> None:
        """Adds to the line of the current epoch in `metrics.jsonl`."""
        self._metrics.update(metrics)

    def shared(self, name: str, settings: Mapping[str, Any], make: Callable[[Run], None]) -> Path:
        """The folder of an artefact that several levels use, made once: a tokenizer, features, a teacher.

        It is known by its name, `settings` (all that it depends on beside the data, the code, the seed and the device)
        and these. `make` writes files into the folder of the run that it is given, whose `epochs` resume as any others.
        The folder appears whole or not at all; of two runs that need it at once, one makes it and the other waits.
        """
        root = self.shared_folder or self.folder / "shared"
        root.mkdir(parents=True, exist_ok=True)
        known = json.dumps([settings, self.identity, self.seed, self.device], sort_keys=True)
        folder = root / f"{name}-{hashlib.sha256(known.encode()).hexdigest()[:16]}"
        if folder.is_dir():
            return folder
        with locked(folder.with_suffix(".lock")):
            if not folder.is_dir():
                work = folder.with_suffix(".new")
                work.mkdir(exist_ok=True)
                make(replace(self, folder=work))
                for path in work.iterdir():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
                work.replace(folder)
        return folder

    def compiled(self, network: torch.nn.Module) -> None:
        """Compiles the network's `forward` in place if the run is to (`--compile`)."""
        if self.compile:
            network.compile()

    def finish(self, submission: bytes) -> None:
        """Draw the learning curves and write the submission, which marks the run as finished."""
        draw_curves(self.folder)
        write_file(self.submission, submission)


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


def write_file(path: Path, data: bytes) -> None:
    """Write a file in one step: a reader sees the old one or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)
