"""HW10: each level against each of the six networks, and against the black box with and without its defence.

    python tests/bench/transfer.py --seeds 300-302

A column is the share of the 200 pictures, public and private, that a network still names rightly, mean ± standard
deviation over the seeds; the first row is before any attack. The proxies are attacked directly, the others by transfer.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines.common import train_level
from submissions.reader import read
from tasks.hw10_attack import EACH, PROXIES_FOLDER, networks, victims
from tests.bench.results import LEVELS
from tests.bench.tricks.frame import World, prepared

SAMPLE = "not attacked"
LABELS = np.repeat(np.arange(10), EACH)
EVERY = (*victims.PROXIES, *victims.HIDDEN)


def shares(world: World, data: bytes) -> dict[str, float]:
    """The share of pictures that each network, and the black box, names rightly."""
    proxies = {one.name: world.public / PROXIES_FOLDER / f"{one.name}.safetensors" for one in victims.PROXIES}
    files = victims.hidden_files(world.secret.folder) | {name: path.read_bytes() for name, path in proxies.items()}
    images = read(data, world.secret.competition.format)["image"]
    named = {}
    for one, said in zip(EVERY, victims.each(files, EVERY, images), strict=True):
        named[one.name] = said.argmax(axis=1)
        if one.defence != "none":
            named[f"{one.name}, no defence"] = victims.says(networks.loads(files[one.name]), images).argmax(1)
    named["black box, no defence"] = victims.black_box(files, images, defence=False)
    named["black box"] = victims.black_box(files, images)
    return {name: float((classes == LABELS).mean()) for name, classes in named.items()}


def spread(values: list[float]) -> str:
    """Mean ± standard deviation; the mean alone of one value."""
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", default="0-2", metavar="A-B", help="the first and the last seed")
    given = parser.parse_args()
    low, _, high = given.seeds.partition("-")
    found: dict[str, list[dict[str, float]]] = {level: [] for level in (SAMPLE, *LEVELS)}
    for seed in range(int(low), int(high) + 1):
        with tempfile.TemporaryDirectory() as folder:
            world = prepared(Path(folder) / "home", "hw10", "builtin", "small", seed)
            for level, rows in found.items():
                path = world.public / "sample_submission.tgz"
                if level != SAMPLE:
                    path = train_level("hw10", level, world.public, Path(folder) / level, seed=seed, device="cpu")
                rows.append(shares(world, path.read_bytes()))
                print(f"seed {seed} {level}: {rows[-1]}", file=sys.stderr, flush=True)
    names = list(found[SAMPLE][0])
    print(f"| level | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for level, rows in found.items():
        print(f"| {level} | {' | '.join(spread([row[name] for row in rows]) for name in names)} |")


if __name__ == "__main__":
    main()
