"""How fast HW3 trains, next to the loop of the course's sample code: a DataLoader over a dataset of files.

    python tests/bench/training_hw03.py [--size small] [--level medium] [--epochs N] [--workers 0] [--device cpu]

Both sides train the same network on the same pictures for the same steps, with the settings of one level, and change
each picture afresh in the same ways. Ours is the baseline itself: pictures decoded once, kept on the device and changed
a whole batch at a time. Theirs opens each file every time, changes it with Pillow, one after the other, and stacks the
batch. They take turns epoch by epoch, so that both meet the same load of the machine; the first epoch is not counted.
Steps a second are those of whole epochs with their validation (and our checkpoint); the time to read the files once is
printed separately. The score is that of the hidden test.
"""

from __future__ import annotations

import math
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw03_cnn as baseline  # noqa: E402
from baselines.common import rate  # noqa: E402
from tasks.hw03_cnn import TARGET, TASK  # noqa: E402
from tests.bench.turns import bench, options  # noqa: E402


class Files(Dataset[tuple[torch.Tensor, int]]):
    """One picture at a time: open, resize, change, make a tensor."""

    def __init__(self, paths: list[Path], side: int, change: bool) -> None:
        self.paths, self.side, self.change = paths, side, change

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        path = self.paths[place]
        with Image.open(path) as opened:
            picture = opened.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR)
        if self.change:
            picture = changed(picture, self.side)
        x = (torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() - 128) / 64
        if self.change and random.random() < 0.5:
            high, wide = (round(self.side * random.uniform(0.1, 0.3)) for _ in range(2))
            top, left = random.randrange(self.side - high), random.randrange(self.side - wide)
            x[:, top : top + high, left : left + wide] = 0
        return x, int(path.parent.name) if path.parent.name.isdigit() else -1


def changed(picture: Image.Image, side: int) -> Image.Image:
    """Turned, flipped, zoomed, stretched, shifted, mirrored at the edges, in other light and colours."""
    angle, zoom = random.uniform(0, 2 * math.pi), math.exp(random.uniform(-0.2, 0.2))
    stretch, flip = math.exp(random.uniform(-0.1, 0.1)), random.choice((-1, 1))
    a, b = math.cos(angle) * zoom, math.sin(angle) * zoom
    rows = (a * stretch * flip, -b / stretch, b * stretch * flip, a / stretch)
    half = side // 2
    picture = Image.fromarray(np.pad(np.asarray(picture), ((half, half), (half, half), (0, 0)), "symmetric"))
    middle, (x, y) = side / 2, (half + random.uniform(-0.05, 0.05) * side for _ in range(2))
    affine = (
        rows[0], rows[1], middle + x - (rows[0] + rows[1]) * middle,
        rows[2], rows[3], middle + y - (rows[2] + rows[3]) * middle,
    )  # fmt: skip
    picture = picture.transform((side, side), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
    picture = ImageEnhance.Color(picture).enhance(math.exp(random.uniform(-0.3, 0.3)))
    picture = ImageEnhance.Brightness(picture).enhance(math.exp(random.uniform(-0.2, 0.2)))
    gains = [math.exp(random.uniform(-0.1, 0.1)) for _ in range(3)]
    bands = [
        band.point([min(255, int(v * gain)) for v in range(256)])
        for band, gain in zip(picture.split(), gains, strict=True)
    ]
    return Image.merge("RGB", bands)


class Theirs:
    """The straightforward loop, an epoch a call."""

    def __init__(self, config: baseline.Config, root: Path, seed: int, device: str, workers: int) -> None:
        random.seed(seed)
        torch.manual_seed(seed)
        self.device = device
        self.network = baseline.new_network(config, 11, 1000 * seed, device)
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        self.config, self.done = config, 0

        def loader(folder: str, change: bool) -> DataLoader[tuple[torch.Tensor, int]]:
            paths = sorted((root / folder).rglob("*.jpg"))
            files = Files(paths, config.side, change)
            return DataLoader(files, config.batch, shuffle=change, num_workers=workers)

        self.training = loader("training/labeled", config.augment)
        self.validation, self.test = loader("validation", False), loader("testing", False)

    def epoch(self) -> int:
        """Train for an epoch, look at the validation pictures, and return the number of steps."""
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.config.lr * rate(self.config.schedule, self.done, self.config.epochs, self.config.warmup)
        self.done += 1
        for x, y in self.training:
            loss = torch.nn.functional.cross_entropy(self.network(x.to(self.device)), y.to(self.device))
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
            self.optimiser.step()
            loss.item()
        self.classes(self.validation)
        return len(self.training)

    def classes(self, files: Any) -> list[int]:
        self.network.eval()
        with torch.no_grad():
            return [k for x, _ in files for k in self.network(x.to(self.device)).argmax(dim=1).tolist()]


def main() -> None:
    parser = options(__doc__, ("simple", "medium"), "medium")
    parser.add_argument("--size", default="small", choices=("small", "full"))
    parser.add_argument("--workers", type=int, default=0, help="processes of the DataLoader")
    parser.add_argument("--threads", type=int, default=1, help="of torch on the CPU, for both sides")
    given = parser.parse_args()
    with bench(given, TASK, baseline, given.size, given.threads) as at:
        root = baseline.root_of(at.public)
        begin = time.perf_counter()
        for folder in ("training/labeled", "validation"):
            baseline.labelled(root, folder, at.config.side)
        baseline.test(root, at.config.side)
        reading = time.perf_counter() - begin
        theirs = Theirs(at.config, root, at.seed, at.device, given.workers)
        turns = at.in_turns(theirs.epoch, wall=True)
        both = theirs.classes(theirs.test), at.said(turns.run.submission.read_bytes())[TARGET]
    at.show(
        turns,
        "accuracy",
        [at.accuracy(said, TARGET) for said in both],
        size=f"{given.size}, ",
        more=f", {given.workers} workers, {given.threads} threads",
    )
    print(f"reading all pictures once: {reading:.1f} s")


if __name__ == "__main__":
    main()
