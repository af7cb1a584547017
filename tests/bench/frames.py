"""How fast a submission of HW2 is read, checked and scored, and how fast its rows are split, next to pandas and
scikit-learn.

    OMP_NUM_THREADS=1 python tests/bench/frames.py [--rows N] [--rounds N]

Both sides get the bytes of the file and the answers, and give the public and the private accuracy. The marks of the
split are made once for all files; scikit-learn's `GroupShuffleSplit` draws by chance, so what both must give is checked
in place of equality: no utterance on both sides, and here half of the rows to the row.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GroupShuffleSplit

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from submissions.reader import read  # noqa: E402
from tasks.base import PRIVATE, PUBLIC, Answers  # noqa: E402
from tasks.hw02_classification import LAYOUT_2022, TARGET, form_of  # noqa: E402
from tasks.metrics import ACCURACY  # noqa: E402
from tasks.split import split  # noqa: E402


def made(rows: int) -> tuple[bytes, Answers]:
    """A file, 60 % of it right, and the answers, in utterances of 200 to 1,000 frames."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, LAYOUT_2022.classes, rows)
    guess = np.where(rng.random(rows) < 0.6, truth, rng.integers(0, LAYOUT_2022.classes, rows))
    lines = "".join(f"{number},{kind}\n" for number, kind in enumerate(guess.tolist()))
    lengths = rng.integers(200, 1001, rows // 200 + 1)
    groups = np.char.add("u", np.repeat(np.arange(len(lengths)), lengths)[:rows].astype(str))
    return f"Id,Class\n{lines}".encode(), Answers(range(rows), {TARGET: truth}, groups=groups)


def ours(data: bytes, answers: Answers) -> tuple[float, float]:
    columns = read(data, replace(form_of(LAYOUT_2022), ids=answers.ids))
    found = ACCURACY.rows(answers.columns, columns)
    assert answers.usage is not None
    return float(ACCURACY.value(found, answers.usage == PUBLIC)), float(ACCURACY.value(found, answers.usage == PRIVATE))


def theirs(data: bytes, key: pd.DataFrame) -> tuple[float, float]:
    """The usual program: read, check the ids and the classes, merge, and score both parts."""
    table = pd.read_csv(io.BytesIO(data))
    assert list(table.columns) == ["Id", TARGET]
    assert not table.isna().any().any()
    assert table.Id.is_unique
    assert set(table.Id) == set(key.Id)
    assert table[TARGET].between(0, LAYOUT_2022.classes - 1).all()
    both = key.merge(table, on="Id", suffixes=("", "_guess"))
    parts = (both[both.usage == side] for side in (PUBLIC, PRIVATE))
    public, private = (float(accuracy_score(part[TARGET], part[f"{TARGET}_guess"])) for part in parts)
    return public, private


def seconds(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    spent: list[float] = []
    for _ in range(rounds):
        start = time.process_time()
        found = work()
        spent.append(time.process_time() - start)
    return statistics.median(spent), found


def main() -> None:
    parser = argparse.ArgumentParser(description="A submission of HW2 next to pandas and scikit-learn.")
    parser.add_argument("--rows", type=int, default=LAYOUT_2022.test_frames)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    data, plain = made(given.rows)
    marked, answers = seconds(lambda: split(plain, b"key", "hw02", 0.5), given.rounds)
    shuffle = GroupShuffleSplit(1, train_size=0.5, random_state=0)
    drawn, (train, _) = seconds(lambda: next(shuffle.split(plain.groups, groups=plain.groups)), given.rounds)
    usage: NDArray[Any] = answers.usage
    assert plain.groups is not None
    for public in (usage == PUBLIC, np.isin(np.arange(given.rows), train)):
        assert not np.isin(plain.groups[public], plain.groups[~public]).any()
    assert np.count_nonzero(usage == PUBLIC) == given.rows // 2
    key = pd.DataFrame({"Id": range(given.rows), TARGET: answers.columns[TARGET], "usage": usage})
    mine, found = seconds(lambda: ours(data, answers), given.rounds)
    usual, wanted = seconds(lambda: theirs(data, key), given.rounds)
    assert np.allclose(found, wanted, rtol=0, atol=1e-15), (found, wanted)
    print(f"{given.rows:,} rows, {len(data):,} bytes, {os.environ.get('OMP_NUM_THREADS', 'all')} threads")
    rows = (("read and score", mine, usual), ("split", marked, drawn), ("together", mine + marked, usual + drawn))
    for what, ours_, theirs_ in rows:
        print(f"{what}: {ours_ * 1000:.0f} ms; the usual program {theirs_ * 1000:.0f} ms; ratio {theirs_ / ours_:.1f}")


if __name__ == "__main__":
    main()
