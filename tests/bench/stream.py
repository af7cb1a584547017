"""The methods of HW14 on the course's stream: MNIST turned by 0 to 80 degrees, beside the course's own numbers.

The course trains 784-1024-512-256-10 on all 60,000 pictures of each task, ten epochs each; here fewer of them, fewer
epochs and the smaller network, so that the order of methods can be compared, not the numbers. Strengths are those of
the rows of `results/hw14.jsonl`, for importances that are exact for every picture, not those of the course.

    python tests/bench/stream.py --from ../shared/data/mnist --seeds 0-4
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines.hw14_lifelong import Config, Method, train
from baselines.run import Run
from submissions.reader import read
from tasks.hw14_lifelong import LAYERS, average_accuracy, backward_transfer, form_of, hits, judge, official, task_folder
from tasks.sources import opened

COURSE: dict[Method, tuple[float, float]] = {
    "none": (70.59, -34.53), "ewc": (71.66, -33.14), "si": (71.98, -32.41), "scp": (77.20, -25.80),
    "rwalk": (78.37, -21.67), "mas": (83.06, -13.97),
}  # fmt: skip
"""Final average accuracy and backward transfer of 2022, in per cent: one run of somebody with the course's code."""
STRENGTH: dict[Method, float] = {"none": 0, "ewc": 200, "mas": 0.02, "si": 10, "rwalk": 0.5, "scp": 10}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--pictures", type=int, default=3000, help="training pictures of each task, and hidden ones")
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args()
    low, high = map(int, given.seeds.split("-"))
    torch.set_num_threads(1)
    with opened(given.source, official.WANTED) as files:
        (x, y), (x_test, y_test) = (official.read_part(files, part) for part in ("train", "test"))
    x_test, y_test = x_test[: given.pictures], y_test[: given.pictures]
    every = official.changes("2022")
    answers = {"label": np.tile(y_test, len(every)), "task": np.repeat(np.arange(len(every)), len(y_test))}
    hidden = np.concatenate([official.changed(x_test, places) for places in every])
    found: dict[Method, list[tuple[float, float]]] = {method: [] for method in COURSE}
    for seed in range(low, high + 1):
        chosen = np.random.default_rng(seed).permutation(len(y))[: given.pictures]
        with tempfile.TemporaryDirectory() as folder:
            public = Path(folder)
            for task, places in enumerate(every, 1):
                (place := public / task_folder(task)).mkdir()
                np.save(place / "images.npy", official.changed(x[chosen], places), allow_pickle=False)
                np.save(place / "labels.npy", y[chosen], allow_pickle=False)
            for method in COURSE:
                begin = time.process_time()
                config = replace(Config(epochs=given.epochs), method=method, strength=STRENGTH[method])
                (run := public / method).mkdir()
                train(config, public, state := Run(run, seed, "cpu", ".safetensors"))
                layers = judge.networks(form_of(LAYERS), read(state.submission.read_bytes(), form_of(LAYERS)))
                rows = hits(answers, {"classes": np.stack([judge.classes(each, hidden) for each in layers], axis=1)})
                found[method].append((100 * average_accuracy(rows), 100 * backward_transfer(rows)))
                average, gain = found[method][-1]
                seconds = time.process_time() - begin
                print(f"seed {seed} {method}: {average:.2f} {gain:+.2f}, {seconds:.1f} s", file=sys.stderr, flush=True)
    print("| method | average, here | backward transfer, here | average, course | backward transfer, course |")
    print("|---|---|---|---|---|")
    for method, pairs in found.items():
        cells = [f"{statistics.fmean(one):.2f} ± {statistics.stdev(one):.2f}" for one in zip(*pairs, strict=True)]
        print(f"| {method} | {' | '.join(cells)} | {COURSE[method][0]:.2f} | {COURSE[method][1]:.2f} |")


if __name__ == "__main__":
    main()
