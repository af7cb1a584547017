"""HW1 in four levels: the course's sample network, the right columns, moves of the answers, and lags of the states.

Public and private score, mean ± standard deviation over the seeds (of the data, the split and the training) 100-108 of
`builtin` (RMSE) and 100-102 of `builtin-2022` (MSE):

            builtin                           builtin-2022
    simple  1.580 ± 0.233  1.555 ± 0.173    1.987 ± 0.325  1.884 ± 0.126
    medium  1.051 ± 0.061  1.088 ± 0.091    1.154 ± 0.143  1.139 ± 0.165
    strong  0.709 ± 0.046  0.734 ± 0.058    0.667 ± 0.161  0.657 ± 0.118
    boss    0.537 ± 0.037  0.560 ± 0.045    0.337 ± 0.065  0.362 ± 0.049

Each level beats the one below by more than the spread of that difference. 21, 1, 2 and 8 seconds of a core (AMD EPYC
and Intel Xeon), torch 2.13, November 2026; `python tests/bench/ladder.py hw1 --edition E --seeds 100-108`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from baselines.checkpoint import restore
from baselines.common import main, rate, table
from baselines.run import Run
from tasks.base import UserError

FILES = ("covid.train.csv", "covid.test.csv")
SUFFIX, THREADS, AUTO = ".csv", 1, "cpu"  # too small for a GPU to help
TARGET = "tested_positive"
ILLNESS = ("cli", "ili", "hh_cmnty_cli", "nohh_cmnty_cli")
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Config:
    """The settings of a level; the defaults are the course's sample code of 2021."""

    inputs: Literal["all+id", "all", "right", "moves"] = "all"  # see `features`
    model: Literal["mlp", "lags"] = "mlp"  # "lags": each state looks at the days that count for it, see `LagAttention`
    scaling: Literal["none", "own", "train"] = "own"  # "own": each part of the data by its own mean
    target: Literal["raw", "change", "odds"] = "raw"  # see `goals`
    validation: Literal["rows", "stretches"] = "rows"  # every tenth row (windows overlap), or stretches
    folds: int = 1  # networks, each with another part held out
    parts: int = 10  # into which the rows or the stretches are divided
    repeats: int = 1  # networks per fold
    hidden: tuple[int, ...] = (64,)  # units of the hidden layers, ReLU
    optimiser: Literal["sgd", "adamw"] = "sgd"
    lr: float = 1e-3
    momentum: float = 0.9  # of SGD
    weight_decay: float = 0.0  # decoupled for AdamW
    schedule: Literal["constant", "cosine"] = "constant"
    batch: int = 270
    epochs: int = 1500  # the course: 3000 at most; cut, so that it takes some 10 s on one core
    patience: int = 200  # epochs without a better validation loss


SOUND = Config(scaling="train", validation="stretches", parts=5, optimiser="adamw")
STRONG = replace(
    SOUND, inputs="moves", target="odds", folds=5, hidden=(32,), lr=2e-3, weight_decay=1.0, schedule="cosine",
    batch=128, epochs=60, patience=30,
)  # fmt: skip
LEVELS = {
    "simple": Config(),
    "medium": replace(SOUND, inputs="right", target="change", lr=3e-3, weight_decay=0.01, epochs=100, patience=30),
    "strong": STRONG,
    "boss": replace(STRONG, model="lags", repeats=2, lr=3e-3, weight_decay=0.5, epochs=100, patience=50),
}
SAMPLE_2022 = Config(inputs="all+id", scaling="none", parts=5, hidden=(16, 8), lr=1e-5, batch=256, patience=400)


def settings(level: str, public: Path) -> Config:
    """The settings of a level for the files in `public`; simple follows the course's sample code of the year."""
    five_days = read(public / FILES[1]).days.shape[1] == 5
    return SAMPLE_2022 if level == "simple" and five_days else LEVELS[level]


@dataclass(frozen=True)
class Table:
    """One of the two files: the marks of the states (n, s), the days (n, d, c), with 0 for the hidden target."""

    ids: tuple[str, ...]
    states: Floats
    days: Floats
    names: tuple[str, ...]


def read(path: Path) -> Table:
    """Parses a file in the course's layout of any year: id, marks of states, then the columns of each day."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    first = next((i for i, name in enumerate(header) if i and header.count(name) > 1), 0)  # column of the first day
    if not first or TARGET not in header or not rows:
        raise UserError(f"{path}: expected the columns of HW1 and at least one row.")
    names = tuple(header[first : header.index(TARGET) + 1])
    ids, cells = tuple(row[0] for row in rows), np.array([row[1:] for row in rows], dtype=np.float32)
    hidden = np.zeros((len(rows), -(len(header) - first) % len(names)), np.float32)  # the last target, of a test file
    days = np.concatenate([cells[:, first - 1 :], hidden], axis=1).reshape(len(rows), -1, len(names))
    return Table(ids, cells[:, : first - 1], days, names)


def features(table: Table, inputs: str) -> Floats:
    """The inputs (n, f) of a level before scaling; the marks of the states come first.

    "all": every column; "all+id": the row's number too; "right": the states, the earlier targets and their moves;
    "moves": for each day but the first its answers and how they moved, those about illness relatively.
    """
    n, earlier, survey = len(table.ids), table.days[:, :-1, -1], table.days[:, :, :-1].copy()
    if inputs == "right":
        parts = [earlier, np.diff(earlier, axis=1)]
    elif inputs == "moves":
        ill = [table.names.index(name) for name in ILLNESS]
        survey[:, :, ill] = np.log(np.maximum(survey[:, :, ill], 0.05))
        by_day = np.concatenate([survey[:, 1:], np.diff(survey, axis=1)], axis=2)  # (n, d - 1, 2c)
        parts = [by_day.reshape(n, -1), earlier[:, -1:], np.diff(earlier, axis=1)]
    else:
        number = [np.array(table.ids, dtype=np.float32)[:, None]] if inputs == "all+id" else []
        parts = [table.days.reshape(n, -1)[:, :-1], *number]
    return np.concatenate([table.states, *parts], axis=1)


def stretches(table: Table) -> NDArray[np.intp]:
    """The order (n,) of rows in which each follows the one whose days are its own, one day back, by state."""
    begins = {row[:-1, :-1].tobytes(): index for index, row in enumerate(table.days)}
    following = [begins.get(row[1:, :-1].tobytes(), -1) for row in table.days]
    order: list[int] = []
    for first in sorted(set(range(len(following))) - set(following), key=lambda i: (table.states[i].argmax(), i)):
        index = first
        while index >= 0:
            order.append(index)
            following[index], index = -1, following[index]  # the same days twice end a run
    return np.array(order)


def held_out(config: Config, train: Table) -> NDArray[np.bool_]:
    """Which rows each network holds out for validation, (networks, n)."""
    part = np.arange(len(train.ids)) % config.parts
    if config.validation == "stretches":
        order = stretches(train)
        part[order] = np.arange(len(order)) // 8 % config.parts  # eight windows in a row
    return np.repeat(part == np.arange(config.folds)[:, None], config.repeats, axis=0)


def scaled(values: Floats, like: Floats) -> Floats:
    """The columns brought to mean 0 and deviation 1 of `like`."""
    spread = like.std(axis=0)
    out: Floats = (values - like.mean(axis=0)) / (spread + (spread == 0))
    return out


@dataclass(frozen=True)
class Prepared:
    """Scaled inputs (n, f), base and unit (2, n) of the targets `base + unit · output`, rows held out (networks, n)."""

    train: Table
    test: Table
    x: Floats
    x_test: Floats
    goal: Floats
    goal_test: Floats
    held: NDArray[np.bool_]


def prepare(config: Config, public: Path) -> Prepared:
    """The two files as a level's inputs and goals."""
    train, test = read(public / FILES[0]), read(public / FILES[1])
    x, x_test = features(train, config.inputs), features(test, config.inputs)
    held, states = held_out(config, train), train.states.shape[1]
    values, values_test = x[:, states:], x_test[:, states:]  # the marks of the states stay 0 and 1
    if config.scaling == "own":
        for part in (held[0], ~held[0]):
            values[part] = scaled(values[part], values[part])
        values_test[:] = scaled(values_test, values_test)
    elif config.scaling == "train":
        values_test[:], values[:] = scaled(values_test, values), scaled(values, values)
    return Prepared(train, test, x, x_test, goals(train, config.target), goals(test, config.target), held)


def goals(table: Table, target: str) -> Floats:
    """What an output of 0 means, and by how much an output of 1 differs from it, (2, n).

    "raw": 0 and 1 per cent; "change": yesterday's value and 1; "odds": yesterday's value and the slope of the logistic
    curve there, since a share of 5 % moves less than one of 50 % for the same change in the odds.
    """
    yesterday = table.days[:, -2, -1]
    if target == "odds":
        share = np.clip(yesterday / 100, 0.01, 0.99)
        return np.stack([yesterday, 10 * share * (1 - share)])
    return np.stack([yesterday if target == "change" else 0 * yesterday, np.ones_like(yesterday)])


class Mlp(nn.Module):
    """`count` perceptrons at once, each layer as one batched product: inputs (count, n, f), outputs (count, n)."""

    def __init__(self, count: int, sizes: list[int], generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.ParameterList()
        for fan_in, fan_out in pairwise(sizes):
            for rows in (fan_in, 1):
                uniform = torch.rand(count, rows, fan_out, generator=generator) * 2 - 1
                self.layers.append(nn.Parameter(uniform * fan_in**-0.5))  # within ±1/sqrt(in), as nn.Linear

    def forward(self, x: Tensor) -> Tensor:
        for index in range(0, len(self.layers), 2):
            x = torch.relu(x) if index else x
            x = torch.baddbmm(self.layers[index + 1], x, self.layers[index])  # (count, n, out)
        return x[..., 0]


class LagAttention(nn.Module):
    """For each state a softmax over the days, which weighs their answers before the perceptron sees them.

    A distributed lag (Almon 1965) of a state's own, learnt as attention with the state as the query.
    """

    def __init__(
        self,
        count: int,
        states: int,
        days: int,
        width: int,
        rest: int,
        hidden: tuple[int, ...],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape, self.states = (days, width), states
        self.scores = nn.Parameter(torch.zeros(count, states, days))
        self.network = Mlp(count, [width + rest, *hidden, 1], generator)

    def forward(self, x: Tensor) -> Tensor:
        days, width = self.shape
        which, moves, rest = torch.tensor_split(x, (self.states, self.states + days * width), dim=2)
        weights = torch.softmax(3 * torch.bmm(which, self.scores), dim=2)  # (count, n, days)
        seen = (weights[..., None] * moves.reshape(*moves.shape[:2], days, width)).sum(dim=2)  # (count, n, width)
        out: Tensor = self.network(torch.cat([seen, rest], dim=2))
        return out


def new_model(config: Config, count: int, data: Prepared, generator: torch.Generator) -> nn.Module:
    """The networks of a level, `count` side by side."""
    if config.model == "mlp":
        return Mlp(count, [data.x.shape[1], *config.hidden, 1], generator)
    days, width = data.train.days.shape[1] - 1, 2 * (len(data.train.names) - 1)  # answers and moves of a day
    states = data.train.states.shape[1]
    rest = data.x.shape[1] - states - days * width
    return LagAttention(count, states, days, width, rest, config.hidden, generator)


def train(config: Config, public: Path, run: Run) -> None:
    """Train the networks of a level, each up to its best epoch on its validation rows, and write their mean."""
    data = prepare(config, public)
    generator = torch.Generator().manual_seed(run.seed)
    count = len(data.held)
    model = new_model(config, count, data, generator).to(run.device)
    arrays = (data.x, data.train.days[:, -1, -1], *data.goal, data.held)
    inputs, y, base, unit, mask = (torch.from_numpy(array).to(run.device) for array in arrays)
    each = int((~data.held).sum(axis=1).min())
    weights = list(model.parameters())
    optimiser: torch.optim.Optimizer = torch.optim.AdamW(weights, weight_decay=config.weight_decay, fused=True)
    if config.optimiser == "sgd":
        optimiser = torch.optim.SGD(weights, momentum=config.momentum, weight_decay=config.weight_decay)
    best = [weight.detach().clone() for weight in weights]
    best_loss, stale = torch.full((count,), torch.inf, device=run.device), torch.zeros(count, device=run.device)
    state = {"best": best, "best_loss": best_loss, "stale": stale}
    parts = {"weights": weights, "optimiser": optimiser, "rng": generator, "state": state}
    for epoch in run.epochs(config.epochs, parts):
        if bool((stale > config.patience).all()):
            break
        for group in optimiser.param_groups:
            group["lr"] = config.lr * rate(config.schedule, epoch, config.epochs)
        shuffle = torch.rand(data.held.shape, generator=generator).to(run.device) + mask
        order = shuffle.argsort(dim=1)[:, :each]
        losses = torch.zeros(count, device=run.device)
        for batch in torch.split(order, config.batch, dim=1):
            loss = (base[batch] + unit[batch] * model(inputs[batch]) - y[batch]).square().mean(dim=1)
            optimiser.zero_grad()
            torch.autograd.backward(loss.sum())
            optimiser.step()
            losses += loss.detach() * batch.shape[1]
        with torch.no_grad():
            error = (base + unit * model(inputs.expand(count, -1, -1)) - y).square()
            valid = (error * mask).sum(dim=1) / mask.sum(dim=1)
            better = (valid < best_loss) & (stale <= config.patience)
            best_loss.copy_(torch.where(better, valid, best_loss))
            stale.copy_(torch.where(better, 0, stale + 1))
            for kept, weight in zip(best, weights, strict=True):
                kept.copy_(torch.where(better[:, None, None], weight, kept))
        found = {"train_mse": losses.mean() / each, "valid_mse": valid.mean(), "best_valid_mse": best_loss.mean()}
        run.log({name: float(value) for name, value in found.items()})

    restore(weights, best)
    with torch.no_grad():
        answer = model(torch.from_numpy(data.x_test).to(run.device).expand(count, -1, -1)).mean(dim=0)
    base_test, unit_test = data.goal_test
    values = np.clip(base_test + unit_test * answer.cpu().numpy().astype(np.float64), 0, 100)
    run.finish(table(("id", TARGET), data.test.ids, [repr(float(value)) for value in values]))


if __name__ == "__main__":
    raise SystemExit(main("hw01"))
