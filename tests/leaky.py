"""Competitions without a leak, of each kind of answer, for tests to plant one in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Answers, Made
from tasks.leaks.chance import Leak
from tasks.split import split

N = 600


def codes(leaks: list[Leak]) -> set[str]:
    return {leak.code for leak in leaks}


def regression(generator: np.random.Generator, n: int = N, features: int = 8) -> Made:
    train = generator.normal(size=(3 * n, features))
    test = generator.normal(size=(n, features))
    y = test @ generator.normal(size=features) + generator.normal(size=n)
    answers = split(Answers(tuple(f"row{place}" for place in range(n)), {"y": y}), b"key", "hw01", 0.5)
    return Made(answers, train, test)


def classes(generator: np.random.Generator, kinds: tuple[str, ...] = ("cat", "dog", "owl", "bee")) -> Made:
    made = regression(generator)
    labels = np.array(kinds)[generator.integers(0, len(kinds), N)]
    return replace(made, answers=replace(made.answers, columns={"label": labels}))


def series(generator: np.random.Generator) -> Made:
    """Windows of three days of smooth series, neighbouring days in train and test, groups apart, rows shuffled."""
    days, states = 240, 12
    walk = np.cumsum(np.cumsum(generator.normal(size=(states, days, 6)), axis=1), axis=1) / 50
    windows, groups, labels = [], [], []
    for state in range(states):
        for day in range(0, days - 3, 4):
            windows.append(np.concatenate([np.eye(states)[state], walk[state, day : day + 3].ravel()[:-1]]))
            labels.append(walk[state, day + 2, -1])
            groups.append(f"{state}/{day // 24}")
    order = generator.permutation(len(windows))
    rows, words, y = np.array(windows)[order], np.array(groups)[order], np.array(labels)[order]
    test = np.isin(np.array([word[-1] for word in words]), ["2", "5", "8"])
    answers = Answers(range(int(test.sum())), {"y": y[test]}, groups=words[test])
    return Made(split(answers, b"key", "hw01", 0.5), rows[~test], rows[test], words[~test])


def discrete(generator: np.random.Generator) -> Made:
    """Features of few values, so that equal rows are natural, and answers that are small whole numbers."""
    train, test = (generator.integers(0, 2, (rows, 6)).astype(float) for rows in (2000, N))
    answers = Answers(range(N), {"y": generator.integers(0, 30, N), "z": generator.integers(0, 2, N)})
    return Made(split(answers, b"key", "hw01", 0.5), train, test)


def speakers(generator: np.random.Generator) -> Made:
    """Clips lie in groups one after another, and the answer is the same in a group."""
    groups = np.repeat([f"g{group:03d}" for group in range(N // 4)], 4)
    label = np.repeat(np.array([f"id{kind:05d}" for kind in range(40)])[generator.integers(0, 40, N // 4)], 4)
    answers = Answers(tuple(f"clip_{place:05d}" for place in range(N)), {"speaker": label}, groups=groups)
    return Made(split(answers, b"key", "hw04", 0.5))


def shares(generator: np.random.Generator) -> Made:
    """Features and answers are shares of a few hundred people, so that many agree to the last digit by chance."""
    people = generator.integers(400, 600, (3000, 1))
    rows = generator.binomial(people, generator.uniform(0.1, 0.5, (3000, 1)), (3000, 5)) / people * 100
    return Made(split(Answers(range(N), {"y": rows[:N, 4]}), b"key", "hw01", 0.5), rows[N:, :4], rows[:N, :4])


WORLDS: dict[str, Callable[[np.random.Generator], Made]] = {
    "regression": regression, "classes": classes, "series": series, "discrete": discrete, "speakers": speakers,
    "shares": shares,
}  # fmt: skip


def ordered(values: NDArray[Any], **more: Any) -> Answers:
    return Answers(range(len(values)), {"y": values}, **more)


def csv_of(header: str, *columns: Any) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n"
