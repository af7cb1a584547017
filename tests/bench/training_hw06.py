"""How fast the baseline of HW6 trains, next to the straightforward loop, and the scores of both.

    python tests/bench/training_hw06.py [--epochs N] [--seed N] [--device auto|cpu|cuda]

Both sides train the networks and settings of the level "medium" on the same prepared faces from the same first weights,
on the same device in one process: ours is the baseline with its checkpoint after each epoch; theirs is the loop of the
course's notebook, a DataLoader over a Dataset that opens and converts a JPEG each time, batch by batch to the device,
with a new noise for the generator's step. The judge scores a thousand images of each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from baselines import hw06_gan  # noqa: E402
from baselines.common import pick_device, tuned  # noqa: E402
from baselines.run import Run  # noqa: E402
from submissions.images import read_images  # noqa: E402
from tasks.base import Columns  # noqa: E402
from tasks.formats import ImagesFormat  # noqa: E402
from tasks.frechet import FACE_RATE, FID  # noqa: E402
from tasks.hw06_gan import TASK, judge  # noqa: E402
from tasks.hw06_gan.world import archive  # noqa: E402
from tasks.streams import fixed  # noqa: E402


class Faces(Dataset[torch.Tensor]):
    """A face at a time, opened on request."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*.jpg"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        pixels = np.asarray(Image.open(self.paths[index]).convert("RGB"), np.float32)
        return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)


def ours(config: hw06_gan.Config, public: Path, seed: int, device: str) -> tuple[float, Any]:
    """Seconds of training, all but reading and writing the images; the images (1000, 64, 64, 3)."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        run = Run(
            Path(name), seed, device, ".tgz", progress=lambda done, total, metrics: ends.append(time.perf_counter())
        )
        start = time.perf_counter()
        hw06_gan.read(public)
        reading = time.perf_counter() - start
        start = time.perf_counter()
        hw06_gan.train(config, public, run)
        return ends[-1] - start - reading, read_images(run.submission.read_bytes(), ImagesFormat(1000))["image"]


def theirs(config: hw06_gan.Config, public: Path, seed: int, device: str) -> tuple[float, Any]:
    """The same for the straightforward loop."""
    generator, discriminator = (network.to(device) for network in hw06_gan.new_networks(config, seed))
    optimisers = [
        torch.optim.Adam(network.parameters(), lr=lr, betas=(config.beta1, 0.999))
        for network, lr in ((generator, config.lr), (discriminator, config.lr_discriminator))
    ]
    entropy = torch.nn.BCEWithLogitsLoss()
    torch.manual_seed(seed)
    loader = DataLoader(Faces(public / "faces"), batch_size=config.batch, shuffle=True, drop_last=True)
    start = time.perf_counter()
    history = []
    for _ in range(config.epochs):
        for batch in loader:
            real = batch.to(device)
            ones, zeros = torch.ones(len(real), 1, device=device), torch.zeros(len(real), 1, device=device)
            fake = generator(torch.randn(len(real), config.noise, device=device))
            loss = entropy(discriminator(real), ones) + entropy(discriminator(fake.detach()), zeros)
            discriminator.zero_grad()
            loss.backward()
            optimisers[1].step()
            fake = generator(torch.randn(len(real), config.noise, device=device))
            other = entropy(discriminator(fake), ones)
            generator.zero_grad()
            other.backward()
            optimisers[0].step()
            history.append((loss.item(), other.item()))
    seconds = time.perf_counter() - start
    generator.eval()
    with torch.no_grad():
        made = torch.cat([generator(torch.randn(250, config.noise, device=device)) for _ in range(4)])
    pixels = ((made + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    form = ImagesFormat(1000)
    return seconds, read_images(archive(np.ascontiguousarray(pixels), form.max_bytes), form)["image"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Training speed of HW6 next to the straightforward loop.")
    parser.add_argument("--epochs", type=int, help="default: those of the level")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto", help="auto, cuda or cpu")
    given = parser.parse_args()
    device = pick_device(given.device)
    config = hw06_gan.LEVELS["medium"]
    config = replace(config, epochs=given.epochs or config.epochs)
    edition = TASK.edition("builtin")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {device}, torch {torch.__version__}, one thread")
    with tempfile.TemporaryDirectory() as name:
        public, secret = Path(name) / "public", Path(name) / "secret"
        for folder in (public, secret):
            folder.mkdir()
        made = edition.make(public, fixed(given.seed), "small", None, secret)
        files = judge.files_of(secret)
        (public / "format.json").write_text(json.dumps(edition.format.to_json()), encoding="utf-8")
        steps = config.epochs * (len(list((public / "faces").iterdir())) // config.batch)
        speeds = {}
        for label, side in (("straightforward", theirs), ("baseline", ours)):
            with tuned(device, 1):
                seconds, images = side(config, public, given.seed, device)
            guess: Columns = {"features": judge.features(files, images), "face": judge.faces(files, images)}
            fid = FID.value(FID.rows(made.answers.columns, guess))
            rate = FACE_RATE.value(FACE_RATE.rows(made.answers.columns, guess))
            speeds[label] = steps / seconds
            print(f"{label:16} {steps} steps in {seconds:6.1f} s, {speeds[label]:6.2f} a second", end="  ")
            print(f"FID {fid:.2f}, face rate {rate:.3f}")
        print(f"ratio {speeds['baseline'] / speeds['straightforward']:.2f}")


if __name__ == "__main__":
    main()
