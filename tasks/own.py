"""What a metric by name needs of a solution, and the format and answers that it gets from one.

Column bounds follow from what the quantity can be, so that no cell of a submission moves a score far. Where a metric
compares labels, the format lists them: they are as public as the ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import PRIVATE, PUBLIC, Answers, UserError
from tasks.formats import Column, TableFormat, longest_text
from tasks.metrics import Metric
from tasks.named import NAMED, Named, Value
from tasks.quiz import POINTS
from tasks.runs import is_mask
from tasks.solution import Solution, own_format, prediction_bound, read_solution
from tasks.split_columns import NO_COLUMNS, SplitColumns

MOST_LABELS = 1000
NUMERIC = ("number", "size", "order", "gain", "binary", "probability")
NARROWEST = 1e-9
"""The least spread of the answers, over the bound of the predictions, that R² and MAPE can divide by."""


def named_metric(name: str, options: Mapping[str, Value] | None = None, columns: int = 1) -> Metric:
    """The metric of a name of `NAMED` with these options, else its defaults; or "points" of a quiz."""
    if name == "points":
        return POINTS
    named = NAMED[name]
    return named.metric(named.read_options(()) | dict(options or {}), columns)


def fitted(
    path: Path, named: Named, options: Mapping[str, Value], split: SplitColumns = NO_COLUMNS
) -> tuple[TableFormat, Answers, Metric]:
    """Format, answers and metric of a competition with a metric by name, from its solution file.

    The split of labels keeps the public share of each, unless other strata are named or groups mix labels. Raises
    UserError for a solution that the metric cannot score, with the column and line and what to do, never with the value
    of an answer.
    """
    solution = read_solution(
        path, as_text=named.cells in ("words", "runs", "sentence"), empty=named.cells == "runs", split=split
    )
    form, answers = own_format(
        solution,
        numeric=named.cells in NUMERIC,
        bounded=named.cells in ("number", "size"),
        whole=named.cells != "probability",
    )
    if len(form.columns) > 1 and not named.several:
        names = ", ".join(answers.columns)
        raise UserError(f"{path.name}: {named.name} needs one answer column; got {names}.")
    _fits_a_cell(solution)
    _check(solution, named, options)
    columns = tuple(_column(column, answers.columns[column.name], named, options) for column in form.columns)
    form = replace(form, columns=columns)
    if named.cells in ("binary", "probability", "label", "rating") and answers.strata is None:
        answers = replace(answers, strata=_strata(answers))
    return form, answers, named.metric(options, len(columns))


def check_boards(name: str, metric: str | None, answers: Answers) -> None:
    """Raises UserError where the answers of a board, drawn or given, are too alike for the metric to have a meaning."""
    alone = metric == "ndcg" and len(answers.columns) == 1
    if metric not in NAMED or not (NAMED[metric].varied or alone):
        return
    for column, values in answers.columns.items():
        if any(len(np.unique(values[answers.usage == side])) < 2 for side in (PUBLIC, PRIVATE)):
            raise UserError(
                f"{name}: {metric} needs different answers in column {column!r}, such as both classes, on the public"
                " and on the private side; give more rows of the rarer ones, a share nearer to 0.5, or a Usage column."
            )


def _column(column: Column, values: NDArray[Any], named: Named, options: Mapping[str, Value]) -> Column:
    """The column of a submission, with the bounds or choices that its cells have."""
    if named.cells in ("probability", "size"):
        top = 1.0 if named.cells == "probability" else prediction_bound(values)
        return replace(column, kind="float", minimum=0.0, maximum=top)
    if named.cells in ("label", "rating"):
        if column.kind == "text":
            return replace(column, choices=tuple(sorted(set(values.tolist()))))
        return replace(column, minimum=int(values.min()), maximum=int(values.max()))
    if named.cells == "sentence":
        longest = 4 * int(np.char.str_len(values).max())
        return replace(column, maximum=max(256, 1 << (longest - 1).bit_length()))
    if named.cells == "runs":
        return replace(column, runs=True, minimum=1, maximum=int(options["pixels"]))
    return column


def _fits_a_cell(solution: Solution) -> None:
    """Raises UserError for an answer that is longer than a cell of a submission may be."""
    most = longest_text(len(solution.answers))
    for name, values in solution.answers.columns.items():
        if values.dtype.kind == "U" and (long := np.char.str_len(values) > most).any():
            line = solution.lines[int(long.argmax())]
            raise UserError(
                f"{solution.path.name}, line {line}: the answer in column {name!r} is longer than {most:,} characters,"
                f" the most of a cell in {len(values):,} rows; make it shorter, such as a mask of fewer pixels."
            )


def _strata(answers: Answers) -> NDArray[np.str_] | None:
    """The combination of labels of each row; None where there are about as many as rows, or groups with several."""
    rows = ["\0".join(map(str, row)) for row in zip(*(side.tolist() for side in answers.columns.values()), strict=True)]
    one = len(answers.columns) == 1
    rows = [text.removesuffix(".0") for text in rows] if one else rows
    if answers.groups is not None and len(set(zip(answers.groups.tolist(), rows, strict=True))) > len(
        set(answers.groups.tolist())
    ):
        return None
    return np.array(rows) if one or 4 * len(set(rows)) <= len(rows) else None


def _check(solution: Solution, named: Named, options: Mapping[str, Value]) -> None:
    """Raises UserError for answers that the metric cannot use."""
    cells, several = named.cells, len(solution.columns) > 1
    if cells in ("probability", "binary") or (named.name == "f1" and several):
        _each(solution, named, lambda values: ~np.isin(values, (0, 1)), "is not 0 or 1")
    if cells in ("size", "gain"):
        _each(solution, named, lambda values: values < 0, "is below 0")
    if cells == "runs":
        for name, values in solution.answers.columns.items():
            for line, cell in zip(solution.lines, values.tolist(), strict=True):
                if not is_mask(cell, int(options["pixels"])):
                    raise UserError(
                        f"{solution.path.name}, line {line}: column {name!r} is not a mask of run lengths:"
                        " `start length` pairs in ascending order without overlap, pixels counted from 1 up"
                        f" to {options['pixels']:,}."
                    )
    if cells == "rating":
        _kinds(solution, named, ("int",), "a whole number; number the ratings, such as 0 to 4")
    if cells == "label":
        _kinds(solution, named, ("int", "text"), "a whole number or text, as labels are")
        _labels(solution, named)
    rules = {"mape": _mape, "r2": _r2, "log_loss": _log_loss, "f1": _f1, "ndcg": _ndcg, "map_at_k": _words}
    if named.name in rules:
        rules[named.name](solution, named, options)


def _each(solution: Solution, named: Named, wrong: Callable[[NDArray[Any]], NDArray[np.bool_]], why: str) -> None:
    """Raises UserError for the first answer that is wrong."""
    for name, values in solution.answers.columns.items():
        odd = wrong(values)
        if odd.any():
            line = solution.lines[int(odd.argmax())]
            raise UserError(
                f"{solution.path.name}, line {line}: the answer in column {name!r} {why}, which"
                f" {named.name} does not accept."
            )


def _kinds(solution: Solution, named: Named, kinds: tuple[str, ...], expected: str) -> None:
    for column in solution.columns:
        if column.kind not in kinds:
            raise UserError(
                f"{solution.path.name}: {named.name} needs every answer of column {column.name!r} to be {expected}."
            )


def _labels(solution: Solution, named: Named) -> None:
    """Labels are listed for students, so there must be few of them, as there are of classes and not of free answers."""
    for name, values in solution.answers.columns.items():
        many = len(np.unique(values))
        if many > MOST_LABELS or many > max(2, len(values) // 2):
            raise UserError(
                f"{solution.path.name}: column {name!r} has {many:,} different answers in {len(values):,} rows, too"
                f" many for labels, which {named.name} compares and students are shown. Use accuracy or exact_match,"
                " or give more rows."
            )


def _mape(solution: Solution, named: Named, options: Mapping[str, Value]) -> None:
    _each(solution, named, lambda values: values == 0, "is 0, by which no error can be divided")
    _each(
        solution,
        named,
        lambda values: np.abs(values) < NARROWEST * prediction_bound(values.astype(np.float64)),
        "is over a billion times smaller than the bound of the predictions",
    )


def _r2(solution: Solution, named: Named, options: Mapping[str, Value]) -> None:
    for name, values in solution.answers.columns.items():
        spread = float(values.max()) - float(values.min())
        if 0 < spread < NARROWEST * prediction_bound(values.astype(np.float64)):
            raise UserError(
                f"{solution.path.name}: the answers of column {name!r} differ by under a billionth of the"
                " range of the predictions; subtract a constant from them or rescale them."
            )


def _log_loss(solution: Solution, named: Named, options: Mapping[str, Value]) -> None:
    if len(solution.columns) == 1 or options["columns"] == "labels":
        return
    ones = np.sum(list(solution.answers.columns.values()), axis=0)
    if (ones != 1).any():
        line = solution.lines[int((ones != 1).argmax())]
        raise UserError(
            f"{solution.path.name}, line {line}: log_loss needs exactly one 1 among the columns of classes;"
            " for separate questions, add --metric-arg columns=labels"
        )


def _f1(solution: Solution, named: Named, options: Mapping[str, Value]) -> None:
    columns, binary = solution.answers.columns, options["average"] == "binary"
    if len(columns) > 1:
        if binary:
            raise UserError(
                "f1 of several columns averages over them: add --metric-arg average=macro, micro or weighted."
            )
        for name, values in columns.items():
            if not values.any():
                raise UserError(
                    f"{solution.path.name}: column {name!r} has no 1, so its F1 has no meaning; leave it out."
                )
        return
    ((name, values),) = columns.items()
    labels = set(np.unique(values).astype(np.str_).tolist())
    if binary and (len(labels) != 2 or options["positive"] not in labels):
        raise UserError(
            f"{solution.path.name}: f1 with average=binary needs two labels in column {name!r}, one of them"
            f" {options['positive']}; name the one to score with --metric-arg positive=LABEL, or for more labels add"
            " --metric-arg average=macro, micro or weighted."
        )


def _ndcg(solution: Solution, named: Named, options: Mapping[str, Value]) -> None:
    found = np.stack(list(solution.answers.columns.values()), axis=1)
    if (found > 1e6).any():
        raise UserError(f"{solution.path.name}: relevances of ndcg go from 0 to 1,000,000.")
    empty = ~found.any(axis=1)
    if len(solution.columns) > 1 and empty.any():
        line = solution.lines[int(empty.argmax())]
        raise UserError(
            f"{solution.path.name}, line {line}: no column is relevant; ndcg needs one above 0 in each row."
        )


def _words(solution: Solution, named: Named, options: Mapping[str, Value]) -> None:
    _each(
        solution,
        named,
        lambda values: np.array([len(set(text.split())) < len(text.split()) for text in values]),
        "has a word twice",
    )
