"""The built-in world of HW1: daily survey panels of states in an epidemic, from a seed.

Each state has its own epidemic: waves from waning immunity, season and import from its neighbours, and a policy that
responds late to reported cases and fatigues; people's behaviour follows both. Every day a panel is surveyed. Who
happens to answer moves illness and positive tests of a day together, and so does how many people go out: where a
policy is in force (masks are worn then), those who go out have to be tested, which lowers the share of positive tests;
where none is, going out raises it. A state reports its tests on the same day or late, always by as many days. The
published values are pooled means of seven days, as in real surveys.

The **family** of a country is drawn from its key: which columns of illness and of going out follow the luck of a day
and which have luck of their own, how many days late states report and which, and how strong all of it is. Moods and
transport follow season, weekdays and drifts: they are useless, or mislead by tracking the epidemic for a while.

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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import Answers, Made
from tasks.hw01_regression import TARGET, TEST_FILE, TRAIN_FILE, Layout
from tasks.streams import Streams

YEARS = {"small": 1, "full": 10}
POOL = 7  # days behind a published value; as many and those of a late report lie between two periods or test windows
PERIODS = "TLTLTLT"  # of a year: T for test, L for learning
BURN_IN = 150  # days before the first period, until the epidemics are out of step


@dataclass(frozen=True)
class Window:
    """The state, the first day and the group of one row."""

    state: int
    day: int
    group: str


def plan(layout: Layout, streams: Streams, size: str) -> tuple[list[Window], list[Window], NDArray[np.bool_]]:
    """The training windows, the test windows in random order, and which of the world's days (days,) are test days."""
    rng = streams.generator("dates")
    periods = PERIODS * YEARS[size]
    shape = {"T": (layout.test_rows, periods.count("T")), "L": (layout.train_rows, periods.count("L"))}
    left = {
        kind: iter(_shares(rows * YEARS[size], count, len(layout.states), rng)) for kind, (rows, count) in shape.items()
    }
    windows: dict[str, list[Window]] = {"T": [], "L": []}
    hidden: list[slice] = []
    day = BURN_IN
    free = POOL + layout.days - 2  # days behind a published value that is reported as late as may be
    for kind in periods:
        counts = next(left[kind])
        step = layout.days + free if kind == "T" else 1
        late = rng.integers(0, step, size=len(counts))
        length = int(max(late + (counts - 1) * step)) + layout.days
        for state, name in enumerate(layout.states):
            group = f"{name} days {day - BURN_IN}-{day - BURN_IN + length - 1}"
            starts = day + late[state] + step * np.arange(counts[state])
            windows[kind] += [Window(state, int(start), group) for start in starts]
        if kind == "T":  # with the days before it whose answers are in its first published values
            hidden.append(slice(day - free, day + length))
        day += length + free
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
    cells = np.full(periods * states, rows // (periods * states))
    cells[rng.permutation(len(cells))[: rows - int(cells.sum())]] += 1
    return cells.reshape(periods, states)


Draws = Callable[["np.random.Generator", "NDArray[np.bool_]"], "NDArray[Any]"]


def daily(streams: Streams, name: str, hidden: NDArray[np.bool_], draw: Draws) -> NDArray[Any]:
    """The result of `draw(rng, days)` for all days, (days, states), with a separate stream for the hidden days."""
    shown = draw(streams.generator(f"{name}/shown days"), ~hidden)
    values = np.empty((len(hidden), *shown.shape[1:]), shown.dtype)
    values[~hidden], values[hidden] = shown, draw(streams.generator(f"{name}/hidden days"), hidden)
    return values


def epidemic(chances: NDArray[np.float64], rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share of people who are ill, and how cautious they are (0 to 1), each (days, states).

    `chances` (days, states) are normal numbers, the luck of each day; the rest of each state comes from `rng`.
    """
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
    total = np.cumsum(values, axis=0)
    total[POOL:] -= total[:-POOL].copy()
    return total


@dataclass(frozen=True)
class Family:
    """What a key decides about its country: which columns help, and how states test and report.

    `illness` and `outings` say how far each of these columns follows the luck of a day, 0 for one that is of no use;
    `lag` (states,) is the number of days after which a state reports a test; `exposure` is what a day of many outings
    adds to the log-odds of a positive test where no policy is in force, `screening` what it takes from them where those
    who go out have to be tested; `slope` is that of the illness of those who answer.
    """

    illness: dict[str, float]
    outings: dict[str, float]
    lag: NDArray[np.int64]
    exposure: float
    screening: float
    slope: float


ILLNESS = ("cli", "ili", "hh_cmnty_cli", "nohh_cmnty_cli")
OUTINGS = ("travel_outside_state", "work_outside_home", "shop", "restaurant", "spent_time", "large_event")


def family(layout: Layout, rng: np.random.Generator) -> Family:
    """The family of a key: two or three of four columns of illness help, three of six of outings."""

    helpful = rng.permutation(len(ILLNESS))[: rng.integers(2, 4)]
    if not set(helpful) & {2, 3}:  # rare symptoms alone are too noisy
        helpful[0] = 2
    weights = rng.uniform(0.8, 1.0, len(ILLNESS))
    going = rng.permutation(len(OUTINGS))[:3]
    reach = rng.uniform(0.8, 1.0, len(OUTINGS))
    lags = rng.choice(layout.days - 1, 2, replace=False)  # so that the move of the day that counts is in the row
    return Family(
        {name: float(weights[i]) if i in helpful else 0.0 for i, name in enumerate(ILLNESS)},
        {name: float(reach[i]) if i in going else 0.0 for i, name in enumerate(OUTINGS)},
        lags[rng.permutation(len(layout.states)) % 2],
        *map(float, rng.uniform((0.3, 0.3, 0.9), (0.38, 0.38, 1.1))),
    )


def short_memory(chances: NDArray[np.float64], hidden: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Normal numbers (days, states) of deviation 1 in which a day keeps half of the day before.

    Nothing is kept where hidden days begin or end, so that no shown day follows from the luck of a hidden one.
    """
    out = chances.copy()
    for day in range(1, len(out)):
        if hidden[day] == hidden[day - 1]:
            out[day] = 0.5 * out[day - 1] + np.sqrt(0.75) * chances[day]
    return out


def in_force(caution: NDArray[np.float64], usual: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a state's policy is in force, (days, states): from high caution on, until caution is low again.

    High and low are the outer quarters of the days `usual`.
    """
    low, high = np.quantile(caution[usual], (0.25, 0.75), axis=0)
    out = np.empty(caution.shape, dtype=bool)
    now = caution[0] > (low + high) / 2
    for day, today in enumerate(caution):
        now = np.where(now, today > low, today > high)
        out[day] = now
    return out


def simulate(
    layout: Layout, streams: Streams, hidden: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is published (states, days, columns), the target last; `hidden` (days,) marks the days of the test periods.

    And the target (states, days) that would be published if chance had no part in the last day's own test answers.
    """
    days, states = len(hidden), len(layout.states)

    def lucky(name: str) -> NDArray[np.float64]:
        return daily(streams, name, hidden, lambda rng, days: rng.normal(size=(days.sum(), states)))

    kin = family(layout, streams.generator("family"))
    ill, caution = epidemic(lucky("luck"), streams.generator("states"))
    rng = streams.generator("survey")
    weekday = np.arange(days)[:, None] % 7
    weekend = (weekday >= 5).astype(np.float64)
    asked = rng.poisson(np.exp(rng.normal(8.2, 0.3, states)) * (1 - 0.25 * weekend) * rng.uniform(0.9, 1.1, (days, 1)))
    # Who happens to answer, in logs of illness, and how many happen to go out, in deviations.
    mix = 0.35 * short_memory(lucky("answering"), hidden)
    outing = short_memory(lucky("outings"), hidden)
    policy = in_force(caution, ~hidden)

    def per_cent(name: str, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The published value of a yes/no question with these true shares."""
        share = np.clip(share, 0.0005, 0.9995)
        yes = daily(streams, f"survey/{name}", hidden, lambda rng, days: rng.binomial(asked[days], share[days]))
        return 100 * pooled(yes) / pooled(asked)

    def own(name: str, size: float) -> NDArray[np.float64]:
        """The luck of a column of illness: that of the day as far as it helps, else its own."""
        return size * (kin.illness[name] * mix + (1 - kin.illness[name]) * 0.35 * drift(days, states, 2, rng))

    columns: dict[str, NDArray[np.float64]] = {}
    fever = np.exp(rng.normal(0.0, 0.4, states))
    symptoms = 0.002 + 0.35 * ill * fever
    columns["cli"] = per_cent("cli", symptoms * np.exp(own("cli", 1.0)))
    columns["ili"] = per_cent("ili", symptoms * np.exp(own("ili", 1.0) + 0.1 * drift(days, states, 20, rng)) * 1.03)
    known = np.exp(rng.normal(0.0, 0.3, states))
    spread = np.cumsum(np.pad(ill, ((3, 0), (0, 0)), mode="edge"), axis=0)
    nearby = 1 - np.exp(-14 * known * 0.9 * (spread[3:] - spread[:-3]) / 3)
    for name, usual, reach in (("hh_cmnty_cli", 0.1, 0.7), ("nohh_cmnty_cli", 0.07, 0.6)):
        columns[name] = per_cent(name, (usual + reach * nearby) * np.exp(own(name, 0.6)))

    warm = np.cos(2 * np.pi * (np.arange(days)[:, None] - 200) / 365)
    # Name: usual share, its spread between states, and what caution, weekend, summer, a drift and outings add to it.
    habits = {
        "wearing_mask": (0.62, 0.04, 0.1, 0.0, -0.02, 0.02, 0.0),
        "travel_outside_state": (0.13, 0.03, -0.08, 0.02, 0.02, 0.012, 0.04),
        "work_outside_home": (0.36, 0.04, -0.07, -0.06, 0.0, 0.012, 0.05),
        "shop": (0.62, 0.03, -0.1, 0.03, 0.01, 0.015, 0.06),
        "restaurant": (0.24, 0.05, -0.13, 0.04, 0.02, 0.015, 0.06),
        "spent_time": (0.45, 0.05, -0.16, 0.05, 0.03, 0.02, 0.06),
        "large_event": (0.15, 0.04, -0.1, 0.03, 0.03, 0.015, 0.05),
        "public_transit": (0.024, 0.008, -0.008, -0.004, 0.0, 0.002, 0.0),
        "anxious": (0.18, 0.02, 0.02, 0.0, -0.01, 0.015, 0.0),
        "depressed": (0.13, 0.015, 0.0, 0.0, -0.012, 0.012, 0.0),
        "felt_isolated": (0.18, 0.02, 0.04, 0.005, -0.01, 0.012, 0.0),
        "worried_become_ill": (0.55, 0.05, 0.2, 0.0, 0.0, 0.02, 0.0),
        "worried_finances": (0.44, 0.05, 0.0, 0.0, 0.0, 0.03, 0.0),
    }
    for name, (usual, between, by_caution, by_weekend, by_summer, by_drift, by_outing) in habits.items():
        share = usual + between * rng.normal(size=states) + by_caution * caution + by_weekend * weekend
        share = share + by_summer * warm + by_drift * drift(days, states, 45, rng)
        if name == "wearing_mask":
            share = share + 0.2 * policy  # which asks for masks
        if name in kin.outings:
            luck = kin.outings[name] * outing + (1 - kin.outings[name]) * drift(days, states, 2, rng)
            share = share + by_outing * luck
        columns[name] = per_cent(name, share)

    log_ill = np.log(ill + 1e-4)
    odds = rng.normal(-1.9, 0.3, states) + 0.7 * (log_ill - log_ill[~hidden].mean())
    odds = odds + kin.slope * mix + outing * np.where(policy, -kin.screening, kin.exposure)
    reported = odds[np.maximum(np.arange(days)[:, None] - kin.lag, 0), np.arange(states)]
    positive = np.clip(1 / (1 + np.exp(-reported)), 0.002, 0.95)
    tests = daily(streams, "tests", hidden, lambda rng, days: np.maximum(rng.binomial(asked[days], 0.2), 4))
    told = hidden.copy()  # days on which a hidden day may be reported; their number of draws follows from it
    for lag in range(1, layout.days - 1):
        told[lag:] |= hidden[:-lag]
    yes = daily(streams, "positive", told, lambda rng, days: rng.binomial(tests[days], positive[days]))
    all_tests = pooled(tests)
    columns[TARGET] = 100 * pooled(yes) / all_tests
    expected = columns[TARGET] + 100 * (tests * positive - yes) / all_tests

    published = np.stack([columns[name] for name in layout.day], axis=2).transpose(1, 0, 2)
    return np.round(published, 7), expected.T


def floor(layout: Layout, streams: Streams, size: str) -> NDArray[np.float64]:
    """For each test row, in the order of the answers, the best prediction from the generator's own knowledge.

    That is the published target with the expected number of positives on the last day in place of the drawn one: all
    earlier answers, the epidemic and who happened to answer are known, only the last draw is not.
    """
    _, test, hidden = plan(layout, streams, size)
    _, expected = simulate(layout, streams, hidden)
    return np.array([expected[window.state, window.day + layout.days - 1] for window in test])


def make(
    layout: Layout, public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None
) -> Made:
    """Write the two files of a world into `public`."""
    train, test, for_tests = plan(layout, streams, size)
    published, _ = simulate(layout, streams, for_tests)
    texts = [[",".join(map(repr, cells)) for cells in days] for days in published.tolist()]
    marks = [",".join("1.0" if i == j else "0.0" for j in range(len(layout.states))) for i in range(len(layout.states))]

    def write(path: Path, header: tuple[str, ...], windows: list[Window], labelled: bool) -> None:
        lines = [",".join(header)]
        for number, window in enumerate(windows):
            cells = texts[window.state][window.day : window.day + layout.days]
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
