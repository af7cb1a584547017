"""How fast the BLEU of all, of the public and of the private sentences is, next to three plain calls of sacrebleu.

    python tests/bench/bleu.py [--sentences N ...] [--rounds N]

All run in one process, in turns, on the same made-up text (about 26 Chinese characters a sentence with Zipf's law, a
fifth of the lines with Latin words, numbers or quotes). Ours is the metric's rows, three values and the two 95 %
intervals; theirs is three times `sacrebleu.corpus_bleu` without any interval. Ours is shown with what it keeps of the
references and the draws from an earlier submission, as a grader that goes through a class has it; without, as the first
submission of a process has it; and with the punctuation of the course's server, against sacrebleu on texts that were
normalised beforehand. All values are equal to the last bit. Ratios are of wall time and of CPU time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sacrebleu

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from tasks import bleu, metrics  # noqa: E402
from tasks.bleu import BLEU, SIGNATURE, normalised, sentences  # noqa: E402
from tasks.metrics import Metric  # noqa: E402

Texts = tuple[list[str], list[str]]  # references and hypotheses
PLAIN = replace(BLEU, rows=partial(sentences, normalise=False))
OTHER_WORDS = ("OK", "TED", "2021", "3.14", "1,000", "DNA", "“你好”", "30%", "I'm", "COVID-19", "《書》", "...")
KEPT, FIRST, SERVER = "kept", "first", "server"


def draw(n: int) -> Texts:
    """References, and hypotheses in which a fifth of the characters is another."""
    generator = np.random.default_rng(0)
    characters = np.array([chr(0x4E00 + place) for place in range(4000)])
    shares = 1 / np.arange(1, len(characters) + 1)
    shares /= shares.sum()
    references, hypotheses = [], []
    for length in generator.integers(10, 40, n).tolist():
        sentence = [*generator.choice(characters, length, p=shares), "，", *generator.choice(characters, 3), "。"]
        if generator.random() < 0.2:
            sentence.insert(int(generator.integers(length)), str(generator.choice(OTHER_WORDS)))
        references.append("".join(sentence))
        wrong = generator.random(len(sentence)) < 0.2
        others = generator.choice(characters[:100], len(sentence))
        hypotheses.append("".join(np.where(wrong, others, np.array(sentence))))
    return references, hypotheses


def public_of(n: int) -> Any:
    return np.random.default_rng(1).permutation(np.arange(n) % 2 == 0)


def ours(texts: Texts, metric: Metric) -> tuple[float, ...]:
    """The three values; the intervals are computed and left."""
    answers, predictions = ({"zh": np.array(side, dtype=object)} for side in texts)
    rows = metric.rows(answers, predictions)
    public = public_of(len(rows))
    assert metric.interval(rows, public) is not None
    assert metric.interval(rows, ~public) is not None
    return metric.value(rows), metric.value(rows, public), metric.value(rows, ~public)


def ours_first(texts: Texts) -> tuple[float, ...]:
    bleu._references.cache_clear()
    metrics._kept_counts.cache_clear()
    return ours(texts, PLAIN)


def theirs(texts: Texts) -> tuple[float, ...]:
    public = public_of(len(texts[0]))
    scores = []
    for mask in (np.ones(len(public), dtype=bool), public, ~public):
        references, hypotheses = ([line for line, inside in zip(side, mask, strict=True) if inside] for side in texts)
        scores.append(sacrebleu.corpus_bleu(hypotheses, [references], tokenize="zh", force=True).score)
    return tuple(scores)


def milliseconds(function: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU time."""
    start, start_cpu = time.perf_counter(), time.process_time()
    function()
    return (time.perf_counter() - start) * 1e3, (time.process_time() - start_cpu) * 1e3


def compare(n: int, rounds: int, goal: float) -> None:
    """Asserts equal values, runs all in turns, prints medians and ratios."""
    texts = draw(n)
    both = normalised(texts[0]), normalised(texts[1])
    expected = theirs(texts)
    assert ours(texts, PLAIN) == ours_first(texts) == expected, "values differ from sacrebleu's"
    assert ours(texts, BLEU) == theirs(both), "values differ from sacrebleu's on normalised text"
    sides: dict[str, Callable[[], Any]] = {
        "theirs": lambda: theirs(texts),
        FIRST: lambda: ours_first(texts),
        KEPT: lambda: ours(texts, PLAIN),
        SERVER: lambda: ours(texts, BLEU),
    }
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(milliseconds(side))
            if name == FIRST:
                ours(texts, BLEU)  # not timed: keeps again what that threw away
    slow = statistics.median(wall for wall, _ in times["theirs"])
    for name in (KEPT, FIRST, SERVER):
        pairs = list(zip(times["theirs"], times[name], strict=True))
        ratios = sorted(a[0] / b[0] for a, b in pairs)
        ratio = statistics.median(ratios)
        cpu = statistics.median(a[1] / b[1] for a, b in pairs)
        fast = statistics.median(b[0] for _, b in pairs)
        print(f"BLEU, {n:6,} sentences, {name:6}  sacrebleu x3 {slow:8.0f} ms  ours {fast:6.1f} ms", end="  ")
        print(
            f"ratio {ratio:5.1f} (from {ratios[0]:.1f} to {ratios[-1]:.1f}, {rounds} rounds; CPU {cpu:.1f})", end="  "
        )
        print(f"goal {goal:g}: {'reached' if ratio >= goal else 'MISSED'}")
    scores = "  ".join(f"{value!r}" for value in expected)
    print(f"{'':24} all, public, private: {scores}, equal to sacrebleu to the last bit")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of BLEU next to sacrebleu.")
    parser.add_argument("--sentences", type=int, nargs="+", default=[5_000, 50_000])
    parser.add_argument("--rounds", type=int, help="runs of each side; default 7 of 5,000 sentences, 3 of 50,000")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}", end=", ")
    print(f"numpy {np.__version__}, sacrebleu {sacrebleu.__version__}, {SIGNATURE}")
    for n in options.sentences:
        compare(n, options.rounds or (7 if n < 20_000 else 3), 4)


if __name__ == "__main__":
    main()
