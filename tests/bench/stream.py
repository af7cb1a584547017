"""The methods of HW14 on the course's stream: MNIST turned by 0 to 80 degrees, beside the course's own numbers.

The course trains 784-1024-512-256-10 on all 60,000 pictures of each task, ten epochs each; here fewer of them, fewer
epochs and the smaller network, so that the order of methods can be compared, not the numbers. Strengths are those of
the rows of `results/hw14.jsonl`, for importances that are exact for every picture, not those of the course. With
`--batches` importances are those of the course's code, from the gradients of whole batches, and so are the strengths.

    python tests/bench/stream.py --from ../shared/data/mnist --seeds 0-4
    python tests/bench/stream.py --from ../shared/data/mnist --seeds 0-4 --batches --only ewc --only mas
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from torch.nn.utils import parameters_to_vector

sys.path.insert(0, str(Path(__file__).parents[2]))

from baselines import hw14_lifelong
from baselines.hw14_lifelong import Config, Method, Network, Part, train
from baselines.run import Run
from submissions.reader import read
from tasks.hw14_lifelong import (
    CLASSES,
    LAYERS,
    average_accuracy,
    backward_transfer,
    form_of,
    hits,
    judge,
    official,
    task_folder,
)
from tasks.sources import opened

Value = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
COURSE: dict[Method, tuple[float, float]] = {
    "none": (70.59, -34.53), "ewc": (71.66, -33.14), "si": (71.98, -32.41), "scp": (77.20, -25.80),
    "rwalk": (78.37, -21.67), "mas": (83.06, -13.97),
}  # fmt: skip
"""Final average accuracy and backward transfer of 2022, in per cent: one run of somebody with the course's code."""
STRENGTH: dict[Method, float] = {"none": 0, "ewc": 200, "mas": 0.02, "si": 10, "rwalk": 0.5, "scp": 10}
COURSE_STRENGTH: dict[Method, float] = {"none": 0, "ewc": 100, "mas": 0.1, "si": 1, "rwalk": 100, "scp": 100}
BATCH, SLICES = 128, 100


def of_batches(network: Network, part: Part, value: Value, power: int) -> torch.Tensor:
    """The mean over batches of |d value / d weight|^power, of which `value` is the mean over a batch."""
    weights, parts = (
        list(network.parameters()),
        list(zip(torch.split(part.x, BATCH), torch.split(part.y, BATCH), strict=True)),
    )
    found = torch.zeros(sum(weight.numel() for weight in weights))
    for x, y in parts:
        slopes = torch.autograd.grad(value(network(x), y), weights)
        found += parameters_to_vector(slopes).abs() ** power / len(parts)
    return found


def course_ewc(network: Network, part: Part) -> torch.Tensor:
    return of_batches(network, part, functional.cross_entropy, 2)


def course_mas(network: Network, part: Part) -> torch.Tensor:
    return of_batches(network, part, lambda logits, y: (logits**2).sum(1).mean(), 1)


def course_scp(network: Network, part: Part, generator: torch.Generator) -> torch.Tensor:
    """The projections are averaged before the gradient is taken, so that most of them cancel."""
    ways = functional.normalize(torch.randn(CLASSES, SLICES, generator=generator), dim=0)
    return of_batches(network, part, lambda logits, y: (logits.mean(0) @ ways).mean(), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--from", dest="source", type=Path, required=True)
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--pictures", type=int, default=3000, help="training pictures of each task, and hidden ones")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--batches", action="store_true", help="importances and strengths as the course's code has them"
    )
    parser.add_argument("--strength", type=float, help="of all methods")
    parser.add_argument("--only", action="append", choices=list(COURSE), help="these methods alone")
    given = parser.parse_args()
    methods: list[Method] = given.only or list(COURSE)
    strength = dict.fromkeys(COURSE, given.strength) if given.strength is not None else STRENGTH
    if given.batches:
        strength = strength if given.strength is not None else COURSE_STRENGTH
        vars(hw14_lifelong).update(ewc=course_ewc, mas=course_mas, scp=course_scp)
    low, high = map(int, given.seeds.split("-"))
    torch.set_num_threads(1)
    with opened(given.source, official.WANTED) as files:
        (x, y), (x_test, y_test) = (official.read_part(files, part) for part in ("train", "test"))
    x_test, y_test = x_test[: given.pictures], y_test[: given.pictures]
    every = official.changes("2022")
    answers = {"label": np.tile(y_test, len(every)), "task": np.repeat(np.arange(len(every)), len(y_test))}
    hidden = np.concatenate([official.changed(x_test, places) for places in every])
    found: dict[Method, list[tuple[float, float]]] = {method: [] for method in methods}
    for seed in range(low, high + 1):
        chosen = np.random.default_rng(seed).permutation(len(y))[: given.pictures]
        with tempfile.TemporaryDirectory() as folder:
            public = Path(folder)
            for task, places in enumerate(every, 1):
                (place := public / task_folder(task)).mkdir()
                np.save(place / "images.npy", official.changed(x[chosen], places), allow_pickle=False)
                np.save(place / "labels.npy", y[chosen], allow_pickle=False)
            for method in methods:
                begin = time.process_time()
                config = replace(Config(epochs=given.epochs), method=method, strength=strength[method])
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
