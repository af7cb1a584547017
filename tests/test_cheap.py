"""Cheap tricks against the bars: each kind has a bar that it must not clear."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.base import Bar
from tasks.homeworks import find_task
from tasks.metrics import MSE, RMSE
from tests.bench import cheap, results

TRICKS = Path(__file__).parent / "bench" / "tricks"
HOMEWORKS = sorted(path.stem for path in TRICKS.glob("hw*.py"))
SEED = 100


@pytest.mark.slow
@pytest.mark.parametrize("name", HOMEWORKS)
def test_no_cheap_trick_clears_a_bar_that_its_kind_must_not_unless_the_trick_says_why(
    name: str, fixed_home: Callable[[str], Path], tmp_path: Path
) -> None:
    task = find_task(name)
    assert task is not None
    edition = task.editions[0]
    kept = tmp_path / "rows.jsonl"
    bound = {trick.name for trick in cheap.registered(name)[1] if not (trick.long or trick.said)}
    for row in cheap.run(name, edition.name, "small", SEED, bound, None, fixed_home(name)):  # references have no rule
        results.keep(kept, row)
    rules = {
        row.name: cheap.broken(row, edition.bars_at("small"), edition.metrics) for row in results.read_tricks(kept)
    }
    assert set(rules) == bound
    assert [rule for rule in rules.values() if rule] == []


@pytest.mark.parametrize("name", HOMEWORKS)
def test_tricks_have_names_of_their_own_and_results_hold_no_other(name: str) -> None:
    names = cheap.names_of(name)
    assert len(names) == len(set(names))
    assert {trick.kind for trick in cheap.registered(name)[1]} <= {1, 2, 3}
    measured = {row.name for row in results.read_tricks(results.FOLDER / f"{name}.jsonl")}
    assert measured <= set(names), "a trick that is gone still has rows"


def row(kind: int, **scores: list[float]) -> dict[str, object]:
    return {"edition": "e", "size": "small", "trick": "t", "kind": kind, "seed": 0, "scores": scores, "seconds": 1.0}


def tricks(folder: Path, *lines: dict[str, object]) -> list[results.Trick]:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return results.read_tricks(path)


BARS = tuple(Bar(n, ((RMSE.name, v),), "measured") for n, v in (("simple", 4.0), ("medium", 3.0), ("strong", 2.0)))


@pytest.mark.parametrize(
    ("kind", "public", "private", "rule"),
    [
        (1, 3.1, 3.1, None),
        (1, 3.1, 2.9, "t: clears medium on the private board"),
        (2, 2.9, 2.1, None),
        (2, 1.9, 2.1, "t: clears strong on the public board"),
        (3, 1.9, 1.9, "t: clears strong on the public board"),
        (0, 1.0, 1.0, None),
    ],
)
def test_a_trick_breaks_its_rule_on_either_board(
    tmp_path: Path, kind: int, public: float, private: float, rule: str | None
) -> None:
    (one,) = tricks(tmp_path, row(kind, **{RMSE.name: [public, private]}))
    assert cheap.broken(one, BARS, (RMSE,)) == rule


def test_rows_are_means_over_seeds_and_a_later_run_replaces_an_earlier_one(tmp_path: Path) -> None:
    scores = [{MSE.name: [1.0, 9.0]}, {MSE.name: [1.0, 2.0]}, {MSE.name: [3.0, 6.0]}]
    lines = [row(2) | {"seed": seed, "scores": each} for seed, each in zip((0, 0, 1), scores, strict=True)]
    refused = row(2) | {"seed": 2, "refused": "E_COPIES"}
    (one,) = tricks(tmp_path, *lines, refused)
    assert one.scores == {MSE.name: ((2.0, 2**0.5), (4.0, 8**0.5))}
    assert (one.seeds, one.refused) == ((0, 1, 2), {"E_COPIES": 1})
    shown = results.tricks_table([one], (), (MSE,), {MSE.name: 1})
    assert shown.splitlines()[-1].startswith("| t | 2 | 2.0 ± 1.4 | 4.0 ± 2.8 | refused: E_COPIES for 1 of 3 |")
