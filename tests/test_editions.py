"""Every edition of every homework: its files, its bars and where they were measured, and the course's own bars."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from harness.plans import plan_homework
from tasks.base import UserError
from tasks.homeworks import module_of
from tests.bench import results
from tests.test_homeworks import CASES, LEVELS, task_of


@pytest.fixture(params=list(CASES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_edition_of_files_needs_them_and_a_built_in_one_takes_none(name: str, tmp_path: Path) -> None:
    task = task_of(name)
    for edition in task.editions:
        given, message = (None, "add --from") if edition.official else (tmp_path, "--from|needs no files")
        with pytest.raises(UserError, match=message):
            plan_homework(name, edition.name, given, "small")
    with pytest.raises(UserError, match="--size must be small or full"):
        plan_homework(name, None, None, "huge")


def test_every_edition_has_bars_with_a_source_and_a_format_of_its_own_kind(name: str) -> None:
    task = task_of(name)
    names = [edition.name for edition in task.editions]
    assert names[0] == "builtin"
    assert {"2021", "2022"} <= set(names) | QUIZZES.get(name, set())
    for edition in task.editions:
        metrics = {metric.name for metric in edition.metrics}
        for bar in edition.bars:
            assert bar.source.startswith("measured: " if edition.name.startswith("builtin") else "official 20")
            assert {metric for metric, _ in (*bar.public, *(bar.private or ()))} <= metrics


def test_each_bar_asks_for_more_than_the_one_below_on_every_score_and_both_boards(name: str) -> None:
    for edition in task_of(name).editions:
        signs = {metric.name: 1 if metric.higher_is_better else -1 for metric in edition.metrics}
        for size in ("small", "full", None):
            bars = [bar for bar in edition.bars_at(size) if bar.public]  # all but a point for any file
            assert len({bar.name for bar in bars}) == len(bars)
            for low, high in pairwise(bars):
                for board in ("public", "private"):
                    below, above = (dict(getattr(bar, board) or bar.public) for bar in (low, high))
                    steps = {metric: signs[metric] * (above[metric] - below[metric]) for metric in below}
                    assert steps[edition.metrics[0].name] > 0, (edition.name, board, high.name)
                    assert min(steps.values()) >= 0, (edition.name, board, high.name)
    assert [bar.name for bar in task_of(name).editions[0].bars_at("small")] == list(LEVELS)


def test_every_level_and_its_tricks_were_measured_on_the_built_in_data(name: str) -> None:
    path, edition = results.FOLDER / f"{name}.jsonl", task_of(name).editions[0].name
    rows = {row.level: row for row in results.read_rows(path) if (row.edition, row.size) == (edition, "small")}
    assert rows.keys() >= {results.SAMPLE, *LEVELS}
    assert all(len(rows[level].seeds) >= 3 for level in LEVELS)
    tricks = {row.kind for row in results.read_tricks(path) if (row.edition, row.size) == (edition, "small")}
    assert tricks >= {1, 2, 3} - ({2} if name == "hw12" else set())  # which has no data, but a craft to fly


@pytest.mark.parametrize("name", ["hw02", "hw04", "hw07", "hw10", "hw11", "hw14", "hw15"])
def test_what_the_sources_of_a_year_leave_open_is_marked_and_stands_on_the_sheet(name: str) -> None:
    task = task_of(name)
    path = Path(__file__).parents[1] / "tasks" / str(module_of(name)) / "sheet.md"
    sheet = " ".join(path.read_text(encoding="utf-8").split())
    for edition in task.editions:
        open_years = {"hw10": {"2021"}, "hw14": {"2023"}}.get(name)
        marked = edition.official if open_years is None else edition.name in open_years
        assert bool(edition.unsure) == marked, edition.name
        for fact in edition.unsure:
            assert re.search(rf"`{edition.name}`[`, 0-9]*: {re.escape(fact)}", sheet), fact


QUIZZES = {"hw09": {"2021", "2022"}, "hw15": {"2021"}}
"""The years in which a homework was a quiz."""
COURSE: dict[tuple[str, str], tuple[float, list[float], list[float] | None, list[float]]] = {
    ("hw01", "2021"): (0.5, [2.03004, 1.28359, 0.88017], None, [1, 1, 1]),
    ("hw01", "2022"): (0.5, [2.28371, 1.49430, 1.05728, 0.86161], None, [1, 1, 1, 1]),
    ("hw02", "2021"): (0.5, [0.68334, 0.76023], None, [1, 1]),
    ("hw02", "2022"): (0.5, [0.45797, 0.69747, 0.75028, 0.82324], None, [0.5] * 4),
    ("hw02", "2023"): (0.5, [0.49798, 0.66440, 0.74944, 0.83017], None, [0.5] * 4),
    ("hw03", "2021"): (0.5, [0.44862, 0.52807, 0.82138], None, [1, 1, 1]),
    ("hw03", "2022"): (0.3, [0.50099, 0.73207, 0.81872, 0.88446], None, [0.5] * 4),
    ("hw04", "2021"): (0.7, [0.82523, 0.90547, 0.95404], None, [1, 1, 1]),
    ("hw04", "2022"): (0.5, [0.60824, 0.70375, 0.77750, 0.86500], None, [0.5] * 4),
    ("hw04", "2023"): (0.5, [0.66025, 0.81750, 0.88500], None, [0.5] * 3),
    ("hw05", "2021"): (0.5, [18.43, 24.04, 29.32], [17.61, 23.43, 28.27], [1, 1, 1]),
    ("hw05", "2022"): (0.5, [14.58, 18.04, 25.20, 29.13], None, [0.5] * 4),
    ("hw07", "2021"): (0.5, [0.44622, 0.68421, 0.79290, 0.84897], None, [1, 1, 0.5, 0.5]),
    ("hw07", "2022"): (0.5, [0.45139, 0.65792, 0.78136, 0.84388], None, [0.5] * 4),
    ("hw07", "2023"): (0.5, [0.46481, 0.67139, 0.75936, 0.84108], None, [0.5] * 4),
    ("hw08", "2021"): (0.5, [0.64046, 0.75719, 0.81304, 0.86590], None, [1, 1, 0.5, 0.5]),
    ("hw08", "2022"): (0.5, [], None, []),
    ("hw10", "2021"): (0.5, [0.65, 0.38, 0.18, 0.05], None, [1, 1, 0.5, 0.5]),
    ("hw10", "2022"): (0.5, [0.7, 0.5, 0.3, 0.15], None, [0.5] * 4),
    ("hw10", "2023"): (0.5, [0.7, 0.5, 0.25, 0.1], None, [0.5] * 4),
    ("hw11", "2021"): (0.5, [0.41962, 0.59980, 0.71874, 0.77956], None, [1, 1, 0.75, 0.25]),
    ("hw11", "2022"): (0.5, [0.44616, 0.64576, 0.75840, 0.80640], None, [0.5] * 4),
    ("hw11", "2023"): (0.5, [0.44280, 0.65994, 0.75342, 0.81072], None, [0.5] * 4),
    ("hw13", "2021"): (0.5, [0.59856, 0.65412, 0.72819, 0.81003], None, [1, 1, 0.75, 0.25]),
    ("hw13", "2022"): (0.3, [0.44820, 0.64840, 0.82370, 0.85159], None, [0.5] * 4),
    ("hw14", "2021"): (0.5, [], None, []),
    ("hw14", "2022"): (0.5, [], None, []),
    ("hw14", "2023"): (0.5, [], None, []),
    ("hw15", "2022"): (0.5, [0.6, 0.7, 0.9, 0.95], None, [0.5] * 4),
    ("hw15", "2023"): (0.5, [0.6, 0.7, 0.9, 0.95], None, [0.5] * 4),
}
"""The public share, the thresholds of both boards, one where they are the same, and the points on each of them."""


@pytest.mark.parametrize(("name", "year"), COURSE)
def test_the_official_bars_are_the_courses(name: str, year: str) -> None:
    edition = task_of(name).edition(year)
    share, public, private, points = COURSE[name, year]
    metric = edition.metrics[0].name
    wanted = [((metric, line),) for line in public]
    assert edition.rules.public_share == share
    levels = ("simple", "strong") if len(public) == 2 else LEVELS[: len(public)]  # HW2 of 2021 has two
    assert [bar.name for bar in edition.bars] == list(levels)
    assert [bar.public for bar in edition.bars] == wanted
    assert [bar.private for bar in edition.bars] == (
        [None] * len(public) if private is None else [((metric, line),) for line in private]
    )
    assert [bar.points for bar in edition.bars] == [(each, each) for each in points]
    assert {bar.source.partition(", not comparable")[0] for bar in edition.bars} <= {f"official {year}"}


KAGGLE = (5, "UTC", 2, "best_public", 0)
"""Submissions a day, the zone of that day, how many count, and what counts where none is chosen and how many then."""
SERVER = (5, "Asia/Taipei", 2, "best_public", 0)
CLOCKS: dict[tuple[str, str], tuple[int, str, int, str, int]] = {
    ("hw05", "2021"): (5, "Asia/Taipei", 2, "first", 1),
    ("hw05", "2022"): (5, "Asia/Taipei", 2, "best_public", 1),
    ("hw06", "2021"): SERVER,
    ("hw06", "2022"): (5, "Asia/Taipei", 1, "first", 0),
    ("hw10", "2021"): SERVER,
    ("hw10", "2022"): SERVER,
    ("hw10", "2023"): SERVER,
    ("hw12", "2021"): (5, "Asia/Taipei", 1, "best_public", 0),
    ("hw12", "2022"): (5, "Asia/Taipei", 1, "best_public", 0),
    ("hw14", "2021"): (2, "Asia/Taipei", 2, "best_public", 0),
    ("hw14", "2022"): (2, "Asia/Taipei", 2, "best_public", 0),
    ("hw14", "2023"): (2, "Asia/Taipei", 2, "best_public", 0),
}
"""The homeworks of the course's own server, whose day ended at midnight there; all others were on Kaggle."""


def test_the_official_quotas_clocks_and_selections_are_the_courses(name: str) -> None:
    for edition in task_of(name).editions:
        if edition.official and edition.name != "own":
            rules = edition.rules
            found = (rules.quota, rules.quota_zone, rules.selections, rules.unselected, rules.unselected_count)
            assert found == CLOCKS.get((name, edition.name), KAGGLE), edition.name
            assert (rules.deadline, rules.deadline_zone) == (None, "Asia/Taipei")
