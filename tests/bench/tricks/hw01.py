"""HW1: yesterday's value, what a line says, and what linear models and neighbours make of the same columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from baselines.hw01_regression import FILES, ILLNESS, Table, read
from tasks.hw01_regression import LAYOUT_2021, LAYOUT_2022
from tasks.hw01_regression.world import OUTINGS, floor
from tasks.streams import Streams
from tests.bench.tricks import general
from tests.bench.tricks.frame import NO_LEARNING, OTHER_DATA, PUBLIC_DATA, Given, Reference, Trick, World


def percent(given: Given, values: NDArray[np.float64] | NDArray[np.float32]) -> bytes:
    return general.table(given.form, np.clip(values.astype(np.float64), 0, 100))


def files(given: Given) -> tuple[Table, Table]:
    return read(given.public / FILES[0]), read(given.public / FILES[1])


def targets(table: Table) -> NDArray[np.float64]:
    return table.days[:, -1, -1].astype(np.float64)


def yesterday(given: Given) -> bytes:
    return percent(given, files(given)[1].days[:, -2, -1])


def trend(given: Given) -> bytes:
    """The straight line through the last two days."""
    days = files(given)[1].days
    return percent(given, 2 * days[:, -2, -1] - days[:, -3, -1])


def mean(given: Given) -> bytes:
    train, test = files(given)
    return percent(given, np.full(len(test.ids), targets(train).mean()))


def columns(table: Table) -> NDArray[np.float64]:
    """Every column of a row that is known, (n, d)."""
    return np.concatenate([table.states, table.days.reshape(len(table.ids), -1)[:, :-1]], axis=1).astype(np.float64)


def moves(table: Table) -> NDArray[np.float64]:
    """Every column, the differences of days, and the logarithmic moves of illness times yesterday's value, (n, d)."""
    n, base = len(table.ids), table.days[:, -2:-1, -1].astype(np.float64)
    survey = table.days[:, :, :-1].astype(np.float64)
    illness = np.log(np.maximum(survey[:, :, [table.names.index(name) for name in ILLNESS]], 0.05))
    relative = np.diff(illness, axis=1).reshape(n, -1)
    return np.concatenate([columns(table), np.diff(survey, axis=1).reshape(n, -1), relative, relative * base], axis=1)


def own_slopes(table: Table) -> NDArray[np.float64]:
    """Every column, the moves times the slope of the logistic curve at yesterday's value, and those for each state."""
    n, share = len(table.ids), table.days[:, -2, -1:].astype(np.float64) / 100
    change = np.diff(table.days[:, :, :-1], axis=1).reshape(n, -1) * (5 * share * (1 - share))
    return np.concatenate([columns(table), change, (table.states[:, :, None] * change[:, None]).reshape(n, -1)], axis=1)


def formula(given: Given) -> bytes:
    """The generator's own formula with what it needs estimated from the public data, by someone who has read it.

    Each state's days of delay by correlation, and ridge on the moves of that day times the slope of the logistic
    curve, those of going out also times how many wear masks.
    """
    train, test = files(given)
    names = train.names
    illness, going = [names.index(one) for one in ILLNESS], [names.index(o) for o in OUTINGS if o in names]

    def moves_of(table: Table, late: int) -> NDArray[np.float64]:
        days = table.days.astype(np.float64)
        days[:, :, illness] = np.log(days[:, :, illness] + 0.1)
        last = days.shape[1] - 1 - late
        share = days[:, -2, -1:] / 100
        move = (days[:, last] - days[:, last - 1])[:, [*illness, *going]] * share * (1 - share)
        masks = np.tanh((days[:, last, [names.index("wearing_mask")]] - 78) / 10)
        return np.concatenate([move, move[:, len(illness) :] * masks], axis=1)

    lags = range(train.days.shape[1] - 1)
    moved = [moves_of(train, late) for late in lags]
    change = targets(train) - train.days[:, -2, -1]
    late = []
    for state in range(train.states.shape[1]):
        rows = train.states[:, state] > 0
        fits = [np.linalg.lstsq(one[rows], change[rows], rcond=None)[0] for one in moved]
        errors = [((one[rows] @ fit - change[rows]) ** 2).sum() for one, fit in zip(moved, fits, strict=True)]
        late.append(int(np.argmin(errors)))

    def aligned(table: Table) -> NDArray[np.float64]:
        of_row = np.array(late)[table.states.argmax(axis=1)]
        every = np.stack([moves_of(table, one) for one in lags])
        known = np.diff(table.days[:, :-1, -1], axis=1)
        return np.concatenate([every[of_row, np.arange(len(of_row))], known], axis=1)

    return percent(given, test.days[:, -2, -1] + general.ridge(aligned(train), change, aligned(test)))


Features = Callable[[Table], NDArray[np.float64]]
Model = Callable[[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def learned(features: Features, model: Model, worlds: int = 0) -> Callable[[Given], bytes]:
    """A model of the change from yesterday; with `worlds`, from as many worlds of other keys and no public row."""

    def make(given: Given) -> bytes:
        train, test = files(given)
        tables = [read(given.other(number).public / FILES[0]) for number in range(worlds)] or [train]
        x = np.concatenate([features(table) for table in tables])
        change = np.concatenate([targets(table) - table.days[:, -2, -1] for table in tables])
        return percent(given, test.days[:, -2, -1] + model(x, change, features(test)))

    return make


neighbours: Model = partial(general.nearest, neighbours=20, classes=False)


TRICKS = (
    Trick("mean of the training targets", NO_LEARNING, mean),
    Trick("the same as yesterday", NO_LEARNING, yesterday),
    Trick("line through two days", NO_LEARNING, trend),
    Trick("20 nearest rows", PUBLIC_DATA, learned(columns, neighbours)),
    Trick("ridge on the change", PUBLIC_DATA, learned(columns, general.ridge)),
    Trick("ridge on the change, relative moves", PUBLIC_DATA, learned(moves, general.ridge)),
    Trick("ridge on the change, slopes of each state's own", PUBLIC_DATA, learned(own_slopes, general.plain_ridge)),
    Trick("boosted trees, relative moves", PUBLIC_DATA, learned(moves, general.boosted_trees)),
    Trick("five networks on the change", PUBLIC_DATA, learned(columns, general.networks)),
    Trick(
        "five networks on the change, relative moves",
        PUBLIC_DATA,
        learned(moves, general.networks),
        said="it is what the level strong does: networks on every day's moves",
    ),
    Trick("own generator, ridge, relative moves", OTHER_DATA, learned(moves, general.ridge, worlds=3)),
    Trick("own generator, boosted trees", OTHER_DATA, learned(moves, general.boosted_trees, worlds=3)),
    Trick(
        "the generator's formula, fitted",
        OTHER_DATA,
        formula,
        said="it was written after reading the generator, and finds in the public data what a key decides; the sheet "
        "forbids no method, and whoever finds the formula from the data alone has solved the task",
    ),
)


def generator(world: World, streams: Streams, size: str) -> bytes:
    """The expected value of the last day, from the generator's own knowledge."""
    layout = LAYOUT_2022 if world.secret.competition.edition.endswith("2022") else LAYOUT_2021
    return general.table(world.secret.competition.format, floor(layout, streams, size))


REFERENCES = (Reference("floor", generator),)
