"""The built-in world of HW1: the course's shapes, nothing that gives a target away, a ladder to climb."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from baselines.hw01_regression import read
from tasks.hw01_regression import LAYOUT_2021, LAYOUT_2022, TARGET, TASK, TEST_FILE, TRAIN_FILE, Layout
from tasks.hw01_regression.world import PERIODS, POOL, YEARS, family, floor, plan
from tasks.streams import fixed
from tests.test_hw01_official import EDITIONS as OFFICIAL
from tests.test_hw01_official import make, needs_data, rows_of

BUILTIN = {"builtin": LAYOUT_2021, "builtin-2022": LAYOUT_2022}


def day_texts(layout: Layout, row: list[str], labelled: bool) -> list[tuple[str, ...]]:
    """The cells of each day of a row; the last day of a test row has no target."""
    width, first = len(layout.day), 1 + len(layout.states)
    days = [tuple(row[first + width * d : first + width * (d + 1)]) for d in range(layout.days)]
    assert all(len(day) == width for day in days[:-1])
    assert len(days[-1]) == (width if labelled else width - 1)
    return days


@pytest.mark.parametrize("edition", BUILTIN)
def test_the_files_have_the_columns_and_counts_of_the_course(tmp_path: Path, edition: str) -> None:
    layout = BUILTIN[edition]
    made = make(tmp_path, edition, 3)
    train, test = rows_of(tmp_path / TRAIN_FILE), rows_of(tmp_path / TEST_FILE)
    assert sorted(path.name for path in tmp_path.iterdir()) == [TEST_FILE, TRAIN_FILE]
    assert tuple(train[0]) == layout.train_header
    assert tuple(test[0]) == layout.train_header[:-1]
    assert (len(train[0]), len(test[0])) == ((95, 94) if layout.days == 3 else (118, 117))
    assert (len(train) - 1, len(test) - 1) == ((2700, 893) if layout.days == 3 else (2699, 1078))
    assert [row[0] for row in test[1:]] == [str(i) for i in range(len(test) - 1)]
    assert made.answers.ids == range(len(test) - 1) == TASK.edition(edition).format.ids
    assert made.train is not None
    assert made.test is not None
    assert np.array_equal(made.train, np.array([row[1:-1] for row in train[1:]], dtype=np.float64))
    assert np.array_equal(made.test, np.array([row[1:] for row in test[1:]], dtype=np.float64))
    assert np.isfinite(made.train).all()
    assert np.isfinite(made.test).all()
    assert made.train[:, len(layout.states) :].min() >= 0
    assert made.train[:, len(layout.states) :].max() <= 100


@pytest.mark.parametrize("edition", [*BUILTIN, *(pytest.param(year, marks=needs_data) for year in OFFICIAL)])
@pytest.mark.parametrize("seed", [0, 2**62])
def test_no_day_of_a_test_window_is_in_any_other_row(tmp_path: Path, edition: str, seed: int) -> None:
    layout = (BUILTIN | OFFICIAL)[edition]
    made = make(tmp_path, edition, seed)
    test = rows_of(tmp_path / TEST_FILE)[1:]
    assert len(test) == len(made.answers)
    seen: set[tuple[str, ...]] = set()
    for row in rows_of(tmp_path / TRAIN_FILE)[1:]:
        seen.update(day[:-1] for day in day_texts(layout, row, labelled=True))
    for row in test:
        for day in day_texts(layout, row, labelled=False):
            # A target that is the same to seven decimals on two days of a state (both are pooled counts) is no leak:
            # the day is told by its survey, and it is in no other row.
            assert day[: len(layout.survey)] not in seen
            seen.add(day[: len(layout.survey)])


@pytest.mark.parametrize("size", YEARS)
@pytest.mark.parametrize("layout", [LAYOUT_2021, LAYOUT_2022])
def test_no_test_target_is_in_another_row_and_test_windows_lie_a_week_from_everything_else(
    layout: Layout, size: str
) -> None:
    train, test, hidden = plan(layout, fixed(5), size)
    targets = [(window.state, window.day + layout.days - 1) for window in test]
    visible = {(window.state, window.day + d) for window in train for d in range(layout.days)}
    visible |= {(window.state, window.day + d) for window in test for d in range(layout.days - 1)}
    assert len(set(targets)) == len(targets)
    assert not visible & set(targets)
    assert (len(train), len(test)) == (layout.train_rows * YEARS[size], layout.test_rows * YEARS[size])
    assert max(window.day for window in (*train, *test)) + layout.days <= len(hidden)
    learnt = {window.day + d for window in train for d in range(layout.days)}
    for window in test:  # in no state is a day of a test period learnt from
        assert not learnt & set(range(window.day - POOL, window.day + layout.days + POOL))
        assert hidden[window.day + layout.days - POOL : window.day + layout.days].all()  # all behind its target
    for day in learnt:
        assert not hidden[day - POOL + 1 : day + 1].any()
    for state in range(len(layout.states)):
        starts = sorted(window.day for window in test if window.state == state)
        assert all(b - a >= layout.days + POOL for a, b in pairwise(starts))


@pytest.mark.parametrize("edition", BUILTIN)
def test_a_group_is_a_state_in_one_period_and_lies_on_one_side(tmp_path: Path, edition: str) -> None:
    layout = BUILTIN[edition]
    made = make(tmp_path, edition, 2)
    assert made.train is not None
    assert made.test is not None
    assert made.train_groups is not None
    assert made.answers.groups is not None
    assert not set(made.train_groups) & set(made.answers.groups)
    names, counts = np.unique(made.answers.groups, return_counts=True)
    assert len(names) == PERIODS.count("T") * len(layout.states)
    assert counts.min() >= 5
    for features, groups in ((made.train, made.train_groups), (made.test, made.answers.groups)):
        for row, group in zip(features, groups, strict=True):
            assert group.startswith(layout.states[row[: len(layout.states)].argmax()] + " days ")


@pytest.mark.parametrize("edition", BUILTIN)
def test_the_last_days_own_draw_is_what_nobody_can_know_and_yesterday_is_far_from_it(
    tmp_path: Path, edition: str
) -> None:
    layout = BUILTIN[edition]
    made = make(tmp_path, edition, 4)
    assert made.test is not None
    truth = made.answers.columns[TARGET]
    last = floor(layout, fixed(4), "small") - truth
    yesterday = made.test[:, -len(layout.day)] - truth
    assert abs(last.mean()) < 0.1  # the floor is an expectation
    assert 0.1 < np.sqrt(np.mean(last**2)) < 0.3
    assert 4 < np.sqrt(np.mean(yesterday**2) / np.mean(last**2)) < 10
    assert 0.05 < np.sqrt(np.mean(yesterday**2)) / truth.std() < 0.3  # 0.13 in the course's files of 2021


def test_the_measured_boss_bar_is_worse_than_the_floor_and_the_bars_climb(tmp_path: Path) -> None:
    for name, layout in BUILTIN.items():
        edition = TASK.edition(name)
        bars = [bar.public[0][1] for bar in edition.bars]
        assert [bar.name for bar in edition.bars] == ["simple", "medium", "strong", "boss"]
        assert bars == sorted(bars, reverse=True)
        assert all(bar.source.startswith("measured: ") for bar in edition.bars)
        truth = make(tmp_path / name, name, 0).answers.columns[TARGET]
        metric = edition.metrics[0]
        best = float(metric.value(metric.rows({TARGET: truth}, {TARGET: floor(layout, fixed(0), "small")})))
        assert bars[-1] > 1.2 * best


@pytest.mark.parametrize(("edition", "layout"), BUILTIN.items())
def test_the_moves_of_helpful_columns_tell_the_change_on_the_day_that_the_state_reports(
    edition: str, layout: Layout, tmp_path: Path
) -> None:
    made = make(tmp_path, edition, 6)
    kin = family(layout, fixed(6).generator("family"))
    table = read(tmp_path / TRAIN_FILE)
    n, late = np.arange(len(table.ids)), kin.lag[table.states.argmax(axis=1)]
    assert made.train is not None
    share = table.days[:, -2, -1] / 100
    change = (table.days[:, -1, -1] - table.days[:, -2, -1]) / (share * (1 - share))
    policy = table.days[:, -1, table.names.index("wearing_mask")] > 78

    def correlation(name: str, lag: NDArray[np.int64], rows: NDArray[np.bool_]) -> float:
        column = table.days[:, :, table.names.index(name)]
        last = layout.days - 1 - lag
        move = column[n, last] - column[n, np.maximum(last - 1, 0)]
        return float(np.corrcoef(move[rows] / np.maximum(column[n, last][rows], 1), change[rows])[0, 1])

    other = np.where(late == kin.lag.min(), kin.lag.max(), kin.lag.min())
    every = np.ones(len(n), dtype=bool)
    for name, reach in kin.illness.items():
        assert (correlation(name, late, every) > 0.25) == (reach > 0), name
        assert correlation(name, other, every) < 0.6 * max(correlation(name, late, every), 0.4)
    for name, reach in kin.outings.items():
        if name in layout.day:
            assert (correlation(name, late, policy) < -0.25) == (reach > 0), name
            assert (correlation(name, late, ~policy) > 0.25) == (reach > 0), name


def test_the_family_is_the_keys_own() -> None:
    kin = [family(LAYOUT_2022, fixed(seed).generator("family")) for seed in range(12)]
    assert len({tuple(name for name, reach in one.illness.items() if reach) for one in kin}) > 3
    assert len({tuple(name for name, reach in one.outings.items() if reach) for one in kin}) > 6
    assert len({tuple(sorted(set(one.lag.tolist()))) for one in kin}) > 2
    assert len({tuple(one.lag.tolist()) for one in kin}) == len(kin)
    assert all(0 <= one.lag.min() < one.lag.max() <= LAYOUT_2022.days - 2 for one in kin)


def test_the_full_world_has_ten_times_the_rows(tmp_path: Path) -> None:
    made = TASK.edition("builtin").make(tmp_path, fixed(0), "full", None)
    assert made.train is not None
    assert made.train.shape == (27000, 93)
    assert len(made.answers) == 8930
