"""How fast HW13 trains, next to a straightforward loop: a DataLoader over picture files, one at a time.

    python tests/bench/training_hw13.py [--level strong] [--epochs N] [--device cpu]

Both sides train the same student for the same steps, with the settings of one level and the same teacher. Ours is the
baseline itself, which reads every file once and turns a batch at once. Theirs opens a file and turns it whenever it is
asked for. They take turns epoch by epoch; the first is not counted. The score is that of the hidden pictures.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw13_compression as baseline  # noqa: E402
from baselines.common import rate  # noqa: E402
from baselines.pictures import moved  # noqa: E402
from submissions.models import read_model  # noqa: E402
from tasks.hw13_compression import CLASSES, LAYOUT, STUDENT, TARGET, TASK, TEACHER_FILE  # noqa: E402
from tasks.hw13_compression.judge import run  # noqa: E402
from tasks.hw13_compression.networks import load  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402


class Files(Dataset[tuple[torch.Tensor, int]]):
    """Pictures from their files, each turned by itself, and the class that stands in the name, or -1."""

    def __init__(self, config: baseline.Config, paths: list[Path], turn: bool) -> None:
        self.config, self.paths, self.turn = config, paths, turn

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        path = self.paths[row]
        x = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).float() / 255
        if self.turn and self.config.turns == "any":
            x = moved(x[None], torch.rand(1, 6), 180.0)[0]
        elif self.turn and self.config.turns == "quarters":
            x = torch.rot90(x, int(torch.randint(4, ())), (1, 2))
            x = x.flip(2) if torch.rand(()) < 0.5 else x
        name = path.name.partition("_")[0]
        return x, int(name) if name.isdigit() else -1


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, public: Path, seed: int, device: str) -> None:
        torch.manual_seed(seed)
        self.config, self.device, self.done = config, device, 0
        folders = [LAYOUT.training_folder, *([LAYOUT.unlabelled_folder] if config.unlabelled else [])]
        paths = [path for folder in folders for path in sorted((public / folder).rglob("*.jpg"))]
        held = sorted((public / LAYOUT.validation_folder).rglob("*.jpg"))
        self.known = DataLoader(Files(config, paths, True), config.batch, shuffle=True)
        self.held = DataLoader(Files(config, held, False), 100)
        self.teacher = load(public / TEACHER_FILE).to(device)
        self.student = baseline.Student(config, len(CLASSES)).to(device)
        pairs = zip(config.channels, self.teacher.widths, strict=True) if config.hint else ()
        self.regressors = torch.nn.ModuleList(torch.nn.Conv2d(*pair, 1) for pair in pairs).to(device)
        self.weights = [*self.student.parameters(), *self.regressors.parameters()]
        self.optimiser = torch.optim.AdamW(self.weights, lr=config.lr, weight_decay=config.weight_decay)

    def epoch(self) -> int:
        """Train for an epoch, look at the validation pictures, and return the number of steps."""
        config, device, steps = self.config, self.device, len(self.known)
        for step, (pixels, known) in enumerate(self.known, self.done * steps):
            if len(pixels) == 1:
                continue
            for group in self.optimiser.param_groups:
                group["lr"] = config.lr * rate(config.schedule, step, config.epochs * steps, config.warmup * steps)
            x, labels = pixels.to(device), known.to(device)
            seen = self.student.stages(x)
            logits = self.student.head(seen[-1].mean((2, 3)))
            loss = (1 - config.soft) * functional.cross_entropy(
                logits, labels, ignore_index=-1, reduction="sum"
            ) / len(labels)  # fmt: skip
            if config.soft:
                with torch.no_grad():
                    maps = self.teacher.stages(x)
                    told = self.teacher.head(maps[-1].mean((2, 3)))
                t = config.temperature
                word, wanted = functional.log_softmax(logits / t, 1), functional.softmax(told / t, 1)
                loss = loss + config.soft * t**2 * functional.kl_div(word, wanted, reduction="batchmean")
            if config.hint:
                loss = loss + config.hint * baseline.hints(seen, maps, self.regressors)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.weights, config.clip)
            self.optimiser.step()
            loss.item()
        self.done += 1
        self.student.eval()
        with torch.no_grad():
            for x, _ in self.held:
                self.student(x.to(device))
        self.student.train()
        return steps


def main() -> None:
    given = options(__doc__, baseline.LEVELS, "strong").parse_args()
    with bench(given, TASK, baseline) as here:
        (here.public / "format.json").write_text(json.dumps(here.form.to_json()), encoding="utf-8")
        theirs = Theirs(here.config, here.public, here.seed, here.device)
        turns = here.in_turns(theirs.epoch, STUDENT.suffix)
        files = (baseline.exported(theirs.student.cpu(), STUDENT), turns.run.submission.read_bytes())
        said = [run(STUDENT, read_model(file, STUDENT), here.secret).columns[TARGET] for file in files]
        here.show(turns, "accuracy", [here.accuracy(one, TARGET) for one in said])


if __name__ == "__main__":
    main()
