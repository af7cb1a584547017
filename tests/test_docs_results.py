"""The numbers of bars, results and docstrings agree, and say how they were measured."""

from __future__ import annotations

import ast
import re
from typing import Any

from tasks.base import Task
from tasks.homeworks import MODULES, all_tasks
from tests.bench import results
from tests.generated import DIGITS, ROOT, read, rows_of


def test_bars_that_were_measured_are_the_means_in_the_results() -> None:
    compared = 0
    for task in all_tasks():
        means = {
            (row.edition, row.level, metric): pair[0][0]
            for row in rows_of(task)
            if row.size == "small"
            for metric, pair in row.scores.items()
        }
        for edition in task.editions:
            for bar in edition.bars:
                if not bar.source.startswith("measured"):
                    continue
                metric, threshold = bar.public[0]
                source = re.search(r"edition ([\w-]+)", bar.source)
                measured_on = source[1] if source else edition.name
                place = (measured_on if (measured_on, bar.name, metric) in means else "builtin", bar.name, metric)
                half = 0.51 * 10.0 ** -DIGITS[task.name]  # of the last digit that the results give
                assert abs(threshold - means[place]) <= half, (task.name, edition.name, bar.name)
                compared += 1
    assert compared >= 36


def test_every_result_says_how_it_was_measured() -> None:
    for task in all_tasks():
        measured = [row.sources for row in rows_of(task)]
        measured += [trick.sources for trick in results.read_tricks(results.FOLDER / f"{task.name}.jsonl")]
        for row in (source for sources in measured for source in sources):
            command, _, where = row.partition("; ")
            assert re.fullmatch(r"python tests/bench/\w+\.py .*--seeds \d+-\d+.*", command), row
            assert "torch" in where, row
            assert "/tmp" not in command, row
            assert re.search(r"20\d\d", where), row


IN_DOCSTRINGS = {
    "hw01": ("builtin", "builtin-2022"), "hw05": ("builtin",), "hw06": ("builtin",), "hw08": ("builtin",),
}  # fmt: skip
"""The editions whose scores stand in a table of the baseline's docstring, from left to right."""


def docstring_of(task: Task) -> str:
    module = next(name for name in MODULES if name.startswith(task.name))
    return ast.get_docstring(ast.parse(read(ROOT / "baselines" / f"{module}.py"))) or ""


def test_the_numbers_of_baseline_docstrings_are_those_of_the_results() -> None:
    spread = r"[+-]?\d+\.\d+ ± \d+\.\d+"
    for task in all_tasks():
        table = re.findall(rf"^ +(\w+)((?: +{spread})+)", docstring_of(task), flags=re.MULTILINE)
        assert bool(table) == (task.name in IN_DOCSTRINGS), task.name
        rows = {(row.edition, row.level): row for row in rows_of(task) if row.size in ("small", "course")}
        for level, cells in table:
            wanted = [pair for edition in IN_DOCSTRINGS[task.name] for pair in only_scores(rows[edition, level])]
            shown = [numbers(text) for text in re.findall(spread, cells)]
            assert len(shown) == len(wanted)
            assert all(same(*pair) for pair in zip(shown, wanted, strict=True)), (task.name, level)
        steps = [pair for row in rows.values() for pair in row.step or () if pair]
        for text in re.findall(rf"\(({spread})\)", docstring_of(task)):
            assert any(same(numbers(text), step) for step in steps), (task.name, text)


def numbers(text: str) -> results.Spread:
    mean, _, deviation = text.partition(" ± ")
    return float(mean), float(deviation)


def same(shown: results.Spread, exact: results.Spread) -> bool:
    """Whether both numbers agree to three decimals, where the exact ones are rounded to four."""
    return all(abs(a - b) <= 0.00056 for a, b in zip(shown, exact, strict=True))


def only_scores(row: results.Row) -> list[results.Spread]:
    public, private = next(iter(row.scores.values()))
    assert private is not None
    return [public, private]


def test_runs_of_one_seed_are_summarised() -> None:
    def run(level: str, seed: int, public: float, private: float) -> dict[str, Any]:
        scores = {"m": [public, private]}
        return {"edition": "e", "size": "small", "level": level, "seed": seed, "scores": scores, "seconds": 2.0}

    runs = [run("simple", 1, 4, 5), run("simple", 2, 6, 5), run("medium", 1, 1, 2), run("medium", 2, 2, 2)]
    rows = results.summarised(runs)
    simple, medium = sorted(rows, key=lambda row: results.ORDER.index(row.level))
    assert simple.scores == {"m": ((5.0, 2**0.5), (5.0, 0.0))}
    assert simple.step is None
    assert medium.step == ((-3.5, 0.5**0.5), (-3.0, 0.0))
    shown = results.table([simple, medium], {"m": ("M", 2, False)})
    assert shown.splitlines()[-1] == "| medium | 1.50 ± 0.71 | 2.00 ± 0.00 | -3.50 ± 0.71 | -3.00 ± 0.00 | 2.0 |"
    assert results.shown_step((0.1, 0.2), 1, True) == "+0.1 ± 0.2 **(within the spread)**"
    assert results.shown_step((0.1, 0.05), 1, False).endswith("**(within the spread)**")
