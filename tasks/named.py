"""The metrics that a competition of your own can name: what each takes, and the options it has.

A metric is made from its options and the number of answer columns. `tasks.own` makes the submission format that it
needs; this module is light, so that the command line can list the names.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from tasks.base import Place
from tasks.errors import UserError
from tasks.metrics import METRICS

if TYPE_CHECKING:
    from tasks.metrics import Metric

Value = float | int | str
LONGEST = 200
"""The most characters of an option that is a text."""
WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

Cells = Literal[
    "as written",
    "number",
    "size",
    "order",
    "probability",
    "gain",
    "binary",
    "label",
    "rating",
    "words",
    "runs",
    "sentence",
]
"""What the cells of the answers and of a submission are.

"as written" is the solution's own kind. "number" and "size" (not below 0) are bounded by the range of the answers;
"order" and "gain" (answers not below 0) take any number as a prediction; "probability" is from 0 to 1 for an answer of
0 or 1; "binary" takes any number for one. "label" is a whole number or text among the answers' own, "rating" a whole
number within them. "words" is text with blanks between its words; "runs" is a mask of `tasks.runs`.
"sentence" is any text, as long as a few of the longest answer.
"""


@dataclass(frozen=True)
class Option:
    """An option of a metric: a number from `low` to `high`, whole where `whole`, or one of `choices`, or any text."""

    name: str
    default: Value
    says: str
    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    choices: tuple[str, ...] = ()

    def read(self, metric: str, text: str) -> Value:
        """The value that a text gives. Raises UserError."""
        if isinstance(self.default, str):
            if (self.choices and text not in self.choices) or not text or len(text) > LONGEST or not text.isprintable():
                raise UserError(f"{metric}: {self.name} must be {self.accepted()}; got {text[:60]!r}.")
            return text
        plain = (WHOLE if self.whole else DECIMAL).fullmatch(text)
        value = math.nan if plain is None else int(text) if self.whole else float(text)
        if not self.low <= value <= self.high:
            raise UserError(f"{metric}: {self.name} must be {self.accepted()}; got {text[:60]!r}.")
        return value

    def accepted(self) -> str:
        """The values that the option may have, in words."""
        if isinstance(self.default, str):
            return f"one of {', '.join(self.choices)}" if self.choices else f"1 to {LONGEST} printable characters"
        return f"a {'whole ' if self.whole else ''}number from {self.low:.15g} to {self.high:.15g}"


@dataclass(frozen=True)
class Named:
    """A metric by name: `build(options, columns)` gives it for that many answer columns.

    `several` says what several answer columns mean; where it is empty there must be one. `varied` asks for at least
    two different answers in every column of each board, without which the value has no meaning. `signature(options)` is
    what another package says of how it computes the metric, its version included.
    """

    name: str
    says: str
    cells: Cells
    several: str
    build: Callable[..., Metric]
    options: tuple[Option, ...] = ()
    varied: bool = False
    signature: Callable[[Mapping[str, Value]], str] | None = None

    def metric(self, options: Mapping[str, Value], columns: int) -> Metric:
        """The metric with all its options given."""
        return self.build(options, columns)

    def read_options(self, given: Sequence[str]) -> dict[str, Value]:
        """All options with their values, from texts NAME=VALUE and the defaults. Raises UserError."""
        known = {option.name: option for option in self.options}
        values: dict[str, Value] = {option.name: option.default for option in self.options}
        seen: set[str] = set()
        for text in given:
            if any("\ud800" <= char <= "\udfff" for char in text):
                raise UserError(f"--metric-arg: {text[:60]!r} is not UTF-8 text.")
            name, equals, value = text.partition("=")
            if not equals:
                raise UserError(f"--metric-arg: expected NAME=VALUE, got {text[:60]!r}.")
            if name not in known:
                has = f"it has {', '.join(known)}" if known else "it has no options"
                raise UserError(f"--metric-arg: {self.name} has no option {name[:60]!r}; {has}.")
            if name in seen:
                raise UserError(f"--metric-arg: {name} is given twice.")
            seen.add(name)
            values[name] = known[name].read(self.name, value)
        return values


def _kept(name: str) -> Callable[..., Metric]:
    return lambda options, columns: METRICS[name]


_MEAN = "the mean of the columns' values"
_CLIP = Option("clip", 1e-15, "the smallest probability that counts as it is", 1e-15, 0.1)
_COLUMNS = Option("columns", "classes", "what several columns are", choices=("classes", "labels"))
_AVERAGE = Option(
    "average", "binary", "over labels; `binary` scores `positive` alone",
    choices=("binary", "macro", "micro", "weighted"),
)  # fmt: skip
_BETA = Option("beta", 1.0, "how much more recall weighs than precision", 0.01, 100.0)
_PIXELS = Option("pixels", 10**9, "the pixels of an image", 1, 10**9, whole=True)
_TOKENS = Option(
    "tokenize", "13a", "how words are found, by any of sacrebleu's tokenizers",
    choices=("13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab", "flores101", "flores200"),
)  # fmt: skip
_POSITIVE = Option("positive", "1", "the label that `binary` scores")

NAMED: dict[str, Named] = {
    one.name: one
    for one in (
        Named("rmse", "root mean squared error", "number", "errors of all columns together", _kept("rmse")),
        Named("mse", "mean squared error", "number", _MEAN, _kept("mse")),
        Named("mae", "mean absolute error", "number", _MEAN, _kept("mae")),
        Named(
            "rmsle",
            "root mean squared error of log(1 + y)",
            "size",
            "errors of all columns together",
            Place("tasks.regressions:rmsle"),
        ),
        Named("mcrmse", "RMSE of each column", "number", _MEAN, Place("tasks.regressions:mcrmse")),
        Named(
            "mape",
            "mean absolute error as a share of the answer, which is not 0",
            "number",
            _MEAN,
            Place("tasks.regressions:mape"),
        ),
        Named("r2", "R², the share of variance explained", "number", _MEAN, Place("tasks.regressions:r2"), varied=True),
        Named(
            "pinball",
            "pinball loss of a quantile",
            "number",
            _MEAN,
            Place("tasks.regressions:pinball"),
            (Option("quantile", 0.5, "the quantile that is predicted", 0.001, 0.999),),
        ),
        Named("pearson", "Pearson correlation", "order", _MEAN, Place("tasks.regressions:pearson"), varied=True),
        Named("spearman", "Spearman rank correlation", "order", _MEAN, Place("tasks.rankings:spearman"), varied=True),
        Named(
            "accuracy",
            "share of rows that are equal",
            "as written",
            "a row is right where all columns are",
            _kept("accuracy"),
        ),
        Named(
            "exact_match",
            "share of equal rows, without blanks around texts",
            "as written",
            "a row is right where all columns are",
            _kept("exact_match"),
        ),
        Named(
            "balanced_accuracy",
            "mean recall of the labels",
            "label",
            "",
            Place("tasks.labels:balanced_accuracy"),
            varied=True,
        ),
        Named(
            "f1",
            "F1 or Fβ of labels",
            "label",
            "columns of 0 and 1, each a label; `average` is not `binary`",
            Place("tasks.labels:f1"),
            (_AVERAGE, _BETA, _POSITIVE),
            varied=True,
        ),
        Named("mcc", "Matthews correlation of labels", "label", "", Place("tasks.labels:matthews"), varied=True),
        Named(
            "qwk",
            "quadratic weighted kappa of whole-number ratings",
            "rating",
            "",
            Place("tasks.labels:kappa"),
            varied=True,
        ),
        Named(
            "log_loss",
            "log loss of predicted probabilities",
            "probability",
            "the classes of a row, one of them 1, predictions divided by their sum; with `columns=labels` separate"
            " questions, and the mean of their losses",
            Place("tasks.labels:log_loss"),
            (_CLIP, _COLUMNS),
        ),
        Named("auc", "area under the ROC curve", "binary", _MEAN, Place("tasks.rankings:area"), varied=True),
        Named(
            "ndcg",
            "NDCG of relevances; the rows of a board are one ranking",
            "gain",
            "each row ranks its columns; the mean of the rows' values",
            Place("tasks.rankings:ndcg"),
            (Option("k", 0, "ranks that count; 0: all", 0, 1000, whole=True),),
        ),
        Named(
            "map_at_k",
            "mean average precision of the first k words, the best guess first",
            "words",
            "",
            Place("tasks.rankings:map_at_k"),
            (Option("k", 5, "words that count", 1, 100, whole=True),),
        ),
        Named(
            "bleu",
            "corpus BLEU by sacrebleu",
            "sentence",
            "",
            Place("tasks.texts:bleu"),
            (_TOKENS,),
            signature=Place("tasks.texts:signature", ("bleu",)),
        ),
        Named(
            "chrf",
            "corpus chrF by sacrebleu",
            "sentence",
            "",
            Place("tasks.texts:chrf"),
            (Option("words", 0, "the most words of an n-gram; 2 is chrF++", 0, 2, whole=True),),
            signature=Place("tasks.texts:signature", ("chrf",)),
        ),
        Named(
            "ter",
            "translation edit rate by sacrebleu",
            "sentence",
            "",
            Place("tasks.texts:ter"),
            (Option("text", "western", "how words are found", choices=("western", "asian")),),
            signature=Place("tasks.texts:signature", ("ter",)),
        ),
        Named("dice", "mean Dice of masks", "runs", _MEAN, Place("tasks.runs:dice"), (_PIXELS,)),
        Named("iou", "mean intersection over union of masks", "runs", _MEAN, Place("tasks.runs:iou"), (_PIXELS,)),
    )
}
"""The metrics by the names that `lhy-grade new --metric` accepts."""

CELLS: dict[Cells, tuple[str, str]] = {
    "as written": ("anything", "the same kind"),
    "number": ("numbers", "numbers within ten widths of the answers' range"),
    "size": ("numbers from 0", "numbers from 0, within ten widths of the answers' range"),
    "order": ("numbers", "any numbers"),
    "gain": ("numbers from 0", "any numbers"),
    "probability": ("0 or 1", "probabilities from 0 to 1"),
    "binary": ("0 or 1", "any numbers, higher for a 1"),
    "label": ("whole numbers or text", "the answers' labels; for whole numbers, those within their range"),
    "rating": ("whole numbers", "whole numbers within the answers' range"),
    "runs": ("run lengths: `start length` pairs from pixel 1, empty for an empty mask", "the same"),
    "words": ("words with blanks between them", "the same"),
    "sentence": ("texts", "texts, at most some four times as long as the longest answer"),
}
"""What the answers and what the predictions are, in words."""


def find_named(name: str) -> Named:
    """The metric of that name. Raises UserError that lists all."""
    if name in NAMED:
        return NAMED[name]
    near = difflib.get_close_matches(name.lower().replace("-", "_"), NAMED, 1)
    meant = f" Did you mean {near[0]}?" if near else ""
    each = [
        f"  {one.name}: {one.says}; answers: {CELLS[one.cells][0]}; predictions: {CELLS[one.cells][1]};"
        f" several columns: {one.several or 'no'}"
        for one in NAMED.values()
    ]
    raise UserError(
        "\n".join(
            [
                f"--metric must be one of {', '.join(NAMED)} or a Python file that ends in .py; got {name!r}.{meant}",
                *each,
                "Their options: docs/own-competition.md#metrics-by-name",
            ]
        )
    )


def metric_id(metric: Metric, options: Mapping[str, Value]) -> str:
    """What names a metric in a signature: its name, and all its options where it has any.

    >>> from tasks.metrics import RMSE
    >>> metric_id(RMSE, {}), metric_id(RMSE, {"k": 5, "beta": 0.5})
    ('root_mean_squared_error', 'root_mean_squared_error(k=5,beta=0.5)')
    """
    said = ",".join(f"{name}={quote(str(value), safe='')}" for name, value in options.items())
    return f"{metric.name}({said})" if said else metric.name
