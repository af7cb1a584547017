"""The built-in world of HW1: daily survey panels of states in an epidemic, from a seed.

Each state has its own epidemic: waves from waning immunity, season and import from its neighbours, and a policy that
responds late to reported cases and fatigues; people's behaviour follows both. Every day a panel is surveyed. Who
happens to answer moves illness and positive tests of that day together, and fewer answers mean more noise. The
published values are pooled means of seven days, as in real surveys; some states report tests up to three days late.
Moods, errands and transport follow season, weekdays and drifts of their own: some columns are useless, some mislead by
tracking the epidemic for a while.

A year alternates between test and training periods of the whole country, a week apart. In a training period each state
gives all sliding windows, in a test period windows that are a week apart: neither a target nor a raw answer behind it
is in any other row. One state in one period is one group.

What decides the targets of the test periods (luck of the epidemic, who answers, tests) comes from separate random
streams, which nothing that students get depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.base import Answers, Made, UserError
from tasks.hw01_regression import TARGET, TEST_FILE, TRAIN_FILE, Layout
from tasks.streams import Streams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

YEARS = {"small": 1, "full": 10}
POOL = 7  # days behind a published value, and days free between two periods and between two test windows
PERIODS = "TLTLTLT"  # of a year: T for test, L for learning
BURN_IN = 150  # days before the first period, until the epidemics are out of step


@dataclass(frozen=True)
class Panel:
    """`published` (states, days, columns), the target last; `expected` (states, days) is the target that would be
    published if chance had no part in the last day's own test answers. Per cent."""

    published: NDArray[np.float64]
    expected: NDArray[np.float64]


@dataclass(frozen=True)
class Window:
    """The state, the first day and the group of one row."""

    state: int
    day: int
    group: str


def plan(layout: Layout, streams: Streams, size: str) -> tuple[list[Window], list[Window], NDArray[np.bool_]]:
    """The training windows, the test windows in random order, and which of the world's days (days,) are test days."""
    import numpy as np

    if size not in YEARS:
        raise UserError(f"size {size!r}: expected one of: {', '.join(YEARS)}.")
    rng = streams.generator("dates")
    periods = PERIODS * YEARS[size]
    shape = {"T": (layout.test_rows, periods.count("T")), "L": (layout.train_rows, periods.count("L"))}
    left = {
        kind: iter(_shares(rows * YEARS[size], count, len(layout.states), rng)) for kind, (rows, count) in shape.items()
    }
    windows: dict[str, list[Window]] = {"T": [], "L": []}
    hidden: list[slice] = []
    day = BURN_IN
    for kind in periods:
        counts = next(left[kind])
        step = layout.days + POOL if kind == "T" else 1
        late = rng.integers(0, step, size=len(counts))
        length = int(max(late + (counts - 1) * step)) + layout.days
        for state, name in enumerate(layout.states):
            group = f"{name} days {day - BURN_IN}-{day - BURN_IN + length - 1}"
            starts = day + late[state] + step * np.arange(counts[state])
            windows[kind] += [Window(state, int(start), group) for start in starts]
        if kind == "T":  # with the days before it whose answers are in its first published values
            hidden.append(slice(day - POOL, day + length))
        day += length + POOL
    train, test = windows["L"], windows["T"]
    if layout.missing_id is None:  # the course sorted its rows of 2021 by state and day, and shuffled those of 2022
        train.sort(key=lambda window: (window.state, window.day))
    else:
        train = [train[i] for i in streams.generator("training order").permutation(len(train))]
    test = [test[i] for i in streams.generator("test order").permutation(len(test))]
    for_tests = np.zeros(day, dtype=bool)
    for days in hidden:
        for_tests[days] = True
    return train, test, for_tests


def _shares(rows: int, periods: int, states: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`rows` divided as evenly as possible over (periods, states), the larger shares at random places."""
    import numpy as np

    cells = np.full(periods * states, rows // (periods * states))
    cells[rng.permutation(len(cells))[: rows - int(cells.sum())]] += 1
    return cells.reshape(periods, states)


Draws = Callable[["np.random.Generator", "NDArray[np.bool_]"], "NDArray[Any]"]


def daily(streams: Streams, name: str, hidden: NDArray[np.bool_], draw: Draws) -> NDArray[Any]:
    """The result of `draw(rng, days)` for all days, (days, states), with a separate stream for the hidden days."""
    import numpy as np

    shown = draw(streams.generator(f"{name}/shown days"), ~hidden)
    values = np.empty((len(hidden), *shown.shape[1:]), shown.dtype)
    values[~hidden], values[hidden] = shown, draw(streams.generator(f"{name}/hidden days"), hidden)
    return values


def epidemic(chances: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of people who are ill, and how cautious they are (0 to 1), each (days, states).

    `chances` (days, states) are normal numbers, the luck of each day; the rest of each state comes from `rng`.
    """
    import numpy as np

    days, states = chances.shape
    place = rng.uniform(size=(states, 2))
    near = np.exp(-np.linalg.norm(place[:, None] - place[None], axis=2) / 0.15)
    np.fill_diagonal(near, 0.0)
    near /= near.sum(axis=1, keepdims=True)
    strength, season = rng.uniform(2.2, 3.2, states), rng.normal(0.0, 25.0, states)
    strict, delay = rng.uniform(0.4, 0.8, states), rng.integers(7, 15, states)
    well, ill = rng.uniform(0.6, 0.9, states), rng.uniform(0.002, 0.02, states)
    caution, tired, luck = np.full(states, 0.3), np.zeros(states), np.zeros(states)
    every_ill, every_caution = np.empty((days, states)), np.empty((days, states))
    for day in range(days):
        seen = every_ill[np.maximum(day - delay, 0), np.arange(states)] if day else ill
        tired += (caution - 0.3) / 120 - tired / 200
        caution += (np.clip(seen / (seen + 0.012) - 0.5 * tired, 0, 1) - caution) / 10
        luck += -luck / 8 + 0.05 * chances[day]
        contact = strength * (1 + 0.15 * np.cos(2 * np.pi * (day - season) / 365)) * (1 - strict * caution)
        new = np.minimum(contact * np.exp(luck) / 7 * well * (0.97 * ill + 0.03 * near @ ill + 1e-5), 0.5 * well)
        well = well - new + (1 - well - ill) / 150
        ill = ill + new - ill / 7
        every_ill[day], every_caution[day] = ill, caution
    return every_ill, every_caution


def drift(days: int, states: int, memory: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A slow random drift of deviation 1 for each state, half of it shared by all, (days, states)."""
    import numpy as np

    steps = np.sqrt(0.5) * (rng.normal(size=(days, states)) + rng.normal(size=(days, 1)))
    keep = np.exp(-1 / memory)
    out = np.empty((days, states))
    now = steps[0]
    for day in range(days):
        now = keep * now + np.sqrt(1 - keep**2) * steps[day]
        out[day] = now
    return out


def pooled(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sums over the last `POOL` days, or fewer at the beginning, (days, states)."""
    import numpy as np

    total = np.cumsum(values, axis=0)
    total[POOL:] -= total[:-POOL].copy()
    return total


def simulate(layout: Layout, streams: Streams, hidden: NDArray[np.bool_]) -> Panel:
    """The world's panel; `hidden` (days,) marks the days of the test periods."""
    import numpy as np

    days, states = len(hidden), len(layout.states)
    luck = daily(streams, "luck", hidden, lambda rng, days: rng.normal(size=(days.sum(), states)))
    ill, caution = epidemic(luck, streams.generator("states"))
    rng = streams.generator("survey")
    weekday = np.arange(days)[:, None] % 7
    weekend = (weekday >= 5).astype(np.float64)
    asked = rng.poisson(np.exp(rng.normal(7.6, 0.7, states)) * (1 - 0.25 * weekend) * rng.uniform(0.9, 1.1, (days, 1)))
    asked = np.maximum(asked, 60)
    # Who happens to answer, in logs of illness.
    mix = daily(streams, "answering", hidden, lambda rng, days: rng.normal(0.0, 0.25, (days.sum(), states)))

    def per_cent(name: str, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The published value of a yes/no question with these true shares."""
        share = np.clip(share, 0.0005, 0.9995)
        yes = daily(streams, f"survey/{name}", hidden, lambda rng, days: rng.binomial(asked[days], share[days]))
        return 100 * pooled(yes) / pooled(asked)

    columns: dict[str, NDArray[np.float64]] = {}
    fever = np.exp(rng.normal(0.0, 0.4, states))
    symptoms = (0.002 + 0.35 * ill * fever) * np.exp(mix)
    columns["cli"] = per_cent("cli", symptoms)
    columns["ili"] = per_cent("ili", symptoms * np.exp(0.1 * drift(days, states, 20, rng)) * 1.03)
    known = np.exp(rng.normal(0.0, 0.3, states))
    spread = np.cumsum(np.pad(ill, ((3, 0), (0, 0)), mode="edge"), axis=0)
    nearby = 1 - np.exp(-14 * known * 0.9 * (spread[3:] - spread[:-3]) / 3)
    columns["hh_cmnty_cli"] = per_cent("hh_cmnty_cli", 0.05 + 0.8 * nearby * np.exp(0.2 * mix))
    columns["nohh_cmnty_cli"] = per_cent("nohh_cmnty_cli", 0.03 + 0.7 * nearby * np.exp(0.14 * mix))

    warm = np.cos(2 * np.pi * (np.arange(days)[:, None] - 200) / 365)
    # Name: usual share, its spread between states, and what caution, weekend, summer and a drift add to it.
    habits = {
        "wearing_mask": (0.72, 0.06, 0.22, 0.0, -0.02, 0.03),
        "travel_outside_state": (0.13, 0.03, -0.08, 0.02, 0.02, 0.012),
        "work_outside_home": (0.36, 0.04, -0.07, -0.06, 0.0, 0.012),
        "shop": (0.62, 0.03, -0.1, 0.03, 0.01, 0.015),
        "restaurant": (0.24, 0.05, -0.13, 0.04, 0.02, 0.015),
        "spent_time": (0.45, 0.05, -0.16, 0.05, 0.03, 0.02),
        "large_event": (0.15, 0.04, -0.1, 0.03, 0.03, 0.015),
        "public_transit": (0.024, 0.008, -0.008, -0.004, 0.0, 0.002),
        "anxious": (0.18, 0.02, 0.02, 0.0, -0.01, 0.015),
        "depressed": (0.13, 0.015, 0.0, 0.0, -0.012, 0.012),
        "felt_isolated": (0.18, 0.02, 0.04, 0.005, -0.01, 0.012),
        "worried_become_ill": (0.55, 0.05, 0.2, 0.0, 0.0, 0.02),
        "worried_finances": (0.44, 0.05, 0.0, 0.0, 0.0, 0.03),
    }
    for name, (usual, between, by_caution, by_weekend, by_summer, by_drift) in habits.items():
        own = usual + between * rng.normal(size=states)
        share = own + by_caution * caution + by_weekend * weekend + by_summer * warm
        columns[name] = per_cent(name, share + by_drift * drift(days, states, 45, rng))

    lag = rng.integers(0, 4, states)
    tested_ill = ill[np.maximum(np.arange(days)[:, None] - lag, 0), np.arange(states)]
    effort = 0.045 * np.exp(rng.normal(0.0, 0.7, states))
    positive = np.clip(0.02 + 0.5 * tested_ill / (tested_ill + effort), 0, 0.95)
    positive = np.clip(positive * np.exp(0.8 * mix), 0.002, 0.95)
    tests = daily(streams, "tests", hidden, lambda rng, days: np.maximum(rng.binomial(asked[days], 0.075), 4))
    yes = daily(streams, "positive", hidden, lambda rng, days: rng.binomial(tests[days], positive[days]))
    all_tests = pooled(tests)
    columns[TARGET] = 100 * pooled(yes) / all_tests
    expected = columns[TARGET] + 100 * (tests * positive - yes) / all_tests

    published = np.stack([columns[name] for name in layout.day], axis=2).transpose(1, 0, 2)
    return Panel(np.round(published, 7), expected.T)


def floor(layout: Layout, streams: Streams, size: str) -> NDArray[np.float64]:
    """For each test row, in the order of the answers, the best prediction from the generator's own knowledge.

    That is the published target with the expected number of positives on the last day in place of the drawn one: all
    earlier answers, the epidemic and who happened to answer are known, only the last draw is not.
    """
    import numpy as np

    _, test, hidden = plan(layout, streams, size)
    expected = simulate(layout, streams, hidden).expected
    return np.array([expected[window.state, window.day + layout.days - 1] for window in test])


def make(layout: Layout, public: Path, streams: Streams, size: str, source: Path | None = None) -> Made:
    """Write the two files of a world into `public`."""
    import numpy as np

    train, test, for_tests = plan(layout, streams, size)
    published = simulate(layout, streams, for_tests).published
    texts: dict[tuple[int, int], str] = {}

    def text(state: int, day: int) -> str:
        if (state, day) not in texts:
            texts[state, day] = ",".join(map(repr, published[state, day].tolist()))
        return texts[state, day]

    marks = [",".join("1.0" if i == j else "0.0" for j in range(len(layout.states))) for i in range(len(layout.states))]

    def write(path: Path, header: tuple[str, ...], windows: list[Window], labelled: bool) -> None:
        lines = [",".join(header)]
        for number, window in enumerate(windows):
            cells = [text(window.state, window.day + d) for d in range(layout.days)]
            if not labelled:
                cells[-1] = cells[-1].rpartition(",")[0]
            lines.append(f"{number},{marks[window.state]},{','.join(cells)}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")

    def numbers(windows: list[Window]) -> NDArray[np.float64]:
        state, day = np.array([w.state for w in windows]), np.array([w.day for w in windows])
        cells = published[state[:, None], day[:, None] + np.arange(layout.days)].reshape(len(windows), -1)
        return np.concatenate([np.eye(len(layout.states))[state], cells], axis=1)

    write(public / TRAIN_FILE, layout.train_header, train, labelled=True)
    write(public / TEST_FILE, layout.test_header, test, labelled=False)
    hidden = numbers(test)
    return Made(
        Answers(range(len(test)), {TARGET: hidden[:, -1]}, groups=np.array([window.group for window in test])),
        train=numbers(train)[:, :-1],
        test=hidden[:, :-1],
        train_groups=np.array([window.group for window in train]),
    )
