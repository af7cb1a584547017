"""How fast the networks of HW8 are trained, next to the straightforward loop.

    python tests/bench/training_hw08.py [--level medium] [--images N] [--epochs N] [--device cpu]

Both sides train the same networks with the same settings for the same epochs on the same built-in world, in one run on
one device with one thread. Ours is `train_level`, with the images on the device as bytes, batches by index and a
checkpoint every epoch; theirs is the loop of a tutorial: a Dataset that scales one image at a time, a DataLoader, and a
step that reads its loss. The order of the batches differs, so the scores agree but for chance.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from baselines.common import override, train_level
from baselines.hw08_anomaly import LEVELS, Networks, load, scores
from tasks.hw08_anomaly import LAYOUT_2021, TEST_FILE, TRAIN_FILE, world
from tasks.streams import fixed


class Faces(Dataset[torch.Tensor]):
    """One image at a time, scaled on request."""

    def __init__(self, path: Path) -> None:
        self.images = np.load(path, allow_pickle=False)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(self.images[index]).permute(2, 0, 1).float() / 127.5 - 1


def theirs(config: Any, folder: Path, device: str) -> torch.Tensor:
    """The scores of the test images after the straightforward loop."""
    torch.manual_seed(0)
    generator = torch.Generator(device).manual_seed(0)
    networks = Networks(config).to(device)
    weights = list(networks.parameters())
    optimiser = torch.optim.AdamW(weights or [torch.zeros(1)], lr=config.lr, weight_decay=config.weight_decay)
    loader = DataLoader(Faces(folder / TRAIN_FILE), batch_size=config.batch, shuffle=True, drop_last=True)
    for _ in range(config.epochs if weights else 0):
        networks.train()
        total = 0.0
        for batch in loader:
            loss = torch.stack(list(networks.losses(batch.to(device), generator).values())).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            total += loss.item()
    return scores(config, networks, *(load(folder / name, device) for name in (TRAIN_FILE, TEST_FILE)))


def main() -> None:
    from sklearn.metrics import roc_auc_score  # not needed where only the loop is asked for

    parser = argparse.ArgumentParser(description="Training speed of HW8 next to the straightforward loop.")
    parser.add_argument("--level", default="medium", choices=["simple", "medium", "boss"])
    parser.add_argument("--images", type=int, default=world.COUNTS["small"][0])
    parser.add_argument("--epochs", type=int, help="default: those of the level")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = LEVELS[given.level]
    config = override(config, [f"epochs={given.epochs or config.epochs}"])
    world.COUNTS["small"] = (given.images, world.COUNTS["small"][1])
    with tempfile.TemporaryDirectory() as name:
        public = Path(name) / "public"
        public.mkdir()
        labels = world.make(LAYOUT_2021, public, fixed(0), "small").answers.columns[LAYOUT_2021.column]
        (public / "manifest.json").write_text("{}")
        start = time.perf_counter()
        plain = roc_auc_score(labels, theirs(config, public / LAYOUT_2021.folder, given.device).cpu().numpy())
        middle = time.perf_counter()
        path = train_level(
            "hw08", given.level, public, Path(name) / "run", seed=0, device=given.device,
            overrides=[f"epochs={config.epochs}"],
        )  # fmt: skip
        end = time.perf_counter()
        own = roc_auc_score(labels, np.loadtxt(path, delimiter=",", skiprows=1)[:, 1])
    steps = given.images // config.batch * config.epochs
    slow, fast = steps / (middle - start), steps / (end - middle)
    print(f"{given.level} on {given.device}, {given.images} images, {config.epochs} epochs, torch {torch.__version__}")
    print(f"straightforward loop {slow:7.1f} steps/s   AUC {plain:.4f}")
    print(f"baseline             {fast:7.1f} steps/s   AUC {own:.4f}   ratio {fast / slow:.2f}")


if __name__ == "__main__":
    main()
