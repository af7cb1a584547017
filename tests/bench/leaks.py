"""How long the leak checks take on frames of speech as HW2 has them, next to pandas, scipy and scikit-learn.

    OMP_NUM_THREADS=1 python tests/bench/leaks.py [--rows N] [--width N] [--rounds N]

Training and test have so many rows each, in utterances of some 300 frames; 1 in 2,000 test rows is a training row with
a little noise, which both sides must find, and nothing else. Ours are all leak checks; the usual program has those that
are a call each: equal rows, nearest rows of 20,000 test rows, columns that correlate with the answers or contain them,
order, and files in the folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.neighbors import NearestNeighbors

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tasks.base import Answers, Made  # noqa: E402
from tasks.leaks import find_leaks  # noqa: E402
from tasks.split import split  # noqa: E402

PHONEMES = 41


def frames(rng: np.random.Generator, rows: int, width: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Features, phonemes and utterances: a phoneme lasts some frames, a voice an utterance, and noise is smooth."""
    centres = np.random.default_rng(9).normal(size=(PHONEMES, width))
    utterance = np.arange(rows) // 300
    phoneme = np.repeat(rng.integers(0, PHONEMES, rows), rng.integers(3, 15, rows))[:rows]
    voice = rng.normal(size=(rows // 300 + 1, width)) / 2
    noise = rng.normal(size=(rows + 1, width))
    features = centres[phoneme] + voice[utterance] + 0.7 * (noise[1:] + noise[:-1])
    return features.astype(np.float32).astype(np.float64), phoneme, np.char.add("u", utterance.astype(str))


def prepared(folder: Path, rows: int, width: int) -> Made:
    """The competition, its files in the folder."""
    rng = np.random.default_rng(0)
    train, train_phoneme, train_utterance = frames(rng, rows, width)
    test, phoneme, utterance = frames(rng, rows, width)
    copied = test[::2000]
    copied[:] = train[::2000] + 1e-4 * rng.normal(size=copied.shape)
    np.save(folder / "train.npy", train.astype(np.float32))
    np.save(folder / "train_labels.npy", train_phoneme)
    np.save(folder / "test.npy", test.astype(np.float32))
    pd.DataFrame({"Id": range(rows), "Class": 0}).to_csv(folder / "sample_submission.csv", index=False)
    answers = split(Answers(range(rows), {"Class": phoneme}, groups=utterance), b"key", "hw02", 0.5)
    return Made(answers, train, test, np.char.add("t", train_utterance))


def ours(folder: Path, made: Made) -> set[str]:
    return {leak.code for leak in find_leaks(folder, made)}


def theirs(folder: Path, made: Made) -> set[str]:
    """The codes of what the usual calls find."""
    assert made.train is not None
    assert made.test is not None
    assert made.train_groups is not None
    assert made.answers.groups is not None
    found = set()
    train, test = pd.DataFrame(made.train), pd.DataFrame(made.test)
    answers = pd.Series(made.answers.columns["Class"])
    if len(test.merge(train.drop_duplicates(), how="inner")):
        found.add("E_LEAK_EQUAL_ROWS")
    if set(made.train_groups) & set(made.answers.groups):
        found.add("E_LEAK_SHARED_GROUP")
    spread = train.std()
    some = np.linspace(0, len(test) - 1, min(len(test), 20_000)).astype(int)
    nearest = NearestNeighbors(n_neighbors=1).fit(train / spread)
    distances = nearest.kneighbors(test.iloc[some] / spread)[0]
    if (distances < np.median(distances) / 100).any():
        found.add("E_LEAK_NEAR_ROWS")
    for at in test.columns:
        if np.isclose(test[at], answers).mean() > 0.9 or abs(test[at].corr(answers)) > 1 - 1e-6:
            found.add("E_LEAK_FEATURE")
        if answers.isin(train[at]).mean() > 0.5 or answers.isin(test[at]).mean() > 0.5:
            found.add("E_LEAK_OTHER_ROW")
    if spearmanr(np.arange(len(answers)), answers).pvalue < 1e-6:
        found.add("E_LEAK_ORDER")
    for path in folder.iterdir():
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.DataFrame(np.load(path, allow_pickle=False))
        if len(table) == len(answers) and any((table[name] == answers).mean() > 0.95 for name in table):
            found.add("E_LEAK_FILE")
    return found


def seconds(side: Callable[[Path, Made], set[str]], folder: Path, made: Made) -> tuple[float, float]:
    """Wall and CPU time, after which the near rows must have been found, and nothing else."""
    start, start_cpu = time.perf_counter(), time.process_time()
    found = side(folder, made)
    taken = time.perf_counter() - start, time.process_time() - start_cpu
    assert found == {"E_LEAK_NEAR_ROWS"}, found
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the leak checks next to pandas and scikit-learn.")
    parser.add_argument("--rows", type=int, default=650_000, help="of training and of test each")
    parser.add_argument("--width", type=int, default=39, help="features of a row")
    parser.add_argument("--rounds", type=int, default=1, help="pairs of runs")
    options = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, OMP_NUM_THREADS {os.getenv('OMP_NUM_THREADS')}", end=""
    )
    print(f", numpy {np.__version__}, pandas {pd.__version__}, scikit-learn {sklearn.__version__}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = prepared(folder, options.rows, options.width)
        pairs = [(seconds(theirs, folder, made), seconds(ours, folder, made)) for _ in range(options.rounds)]
    for place, what in enumerate(("wall", "CPU")):
        slow, fast = (statistics.median(side[place] for side in column) for column in zip(*pairs, strict=True))
        print(f"{options.rows:,} × {options.width} in training and in test, {what:4} usual {slow:6.1f} s", end="  ")
        print(f"ours {fast:5.1f} s  ratio {slow / fast:.1f}")


if __name__ == "__main__":
    main()
