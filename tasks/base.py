"""The types that every part of the grader shares.

Importing this module loads the standard library only, so that a homework can be described without numpy or torch.
Arrays in the annotations are numpy arrays; the functions that need numpy import it themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, localcontext
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from tasks.errors import Problem as Problem
from tasks.errors import SubmissionError as SubmissionError
from tasks.errors import UserError as UserError
from tasks.formats import Format
from tasks.tensor_formats import ModelFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.metrics import Metric
    from tasks.streams import Streams

IGNORED, PUBLIC, PRIVATE = 0, 1, 2
"""The codes of `Answers.usage`, in the order of Kaggle's words Ignored, Public, Private."""

METRICS_VERSION = "1"
"""Part of every grade's key; raise it when a code change changes the value of any metric."""

Columns = dict[str, "NDArray[Any]"]
"""Column name to values, the first axis being the row: float64 for numbers, int64 for whole numbers, str for text.

Arrays of a submission have the types and shapes of their format instead.
"""


@dataclass(frozen=True)
class Answers:
    """The hidden side of a competition, one row for each id, in the order of the submission format where it has rows.

    `columns` hold the true values, or whatever a submission is compared with. `groups` `(n,)` text names what must
    stay on one side of the split and is resampled whole; `strata` `(n,)` text asks for the same public share in each
    stratum (a group is in one stratum); `usage` `(n,)` int8 is IGNORED, PUBLIC or PRIVATE and is added by
    `tasks.split.split`, unless the source gives it.
    """

    ids: range | tuple[str, ...]
    columns: Columns
    groups: NDArray[np.str_] | None = None
    strata: NDArray[np.str_] | None = None
    usage: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Bar:
    """A bar to clear: every (metric name, threshold) must be reached, inclusive, after truncation to `digits`.

    Where `rounded`, scores are rounded to `digits`, as on the course's own server, instead of truncated, as on Kaggle.

    `private` holds the thresholds of the private board where they differ. `source` says where the numbers come from:
    "official 2021", or "measured: …" with runs, seeds, mean and spread. A bar that is not `comparable` was set on
    a different scale than the metric's here: it is shown, but nobody clears it. `size` is that of the built-in data
    where it was measured, None where it applies to any.
    """

    name: str
    public: tuple[tuple[str, float], ...]
    source: str
    private: tuple[tuple[str, float], ...] | None = None
    points: tuple[float, float] = (1.0, 1.0)
    digits: int = 5
    comparable: bool = True
    rounded: bool = False
    size: str | None = None

    def passed(self, values: Mapping[str, float], higher_is_better: Mapping[str, bool], *, private: bool) -> bool:
        """Whether the exact values, by metric name, clear the bar."""
        conditions = self.private if private and self.private is not None else self.public
        return self.comparable and all(
            clears(values[name], threshold, self.digits, higher_is_better[name], self.rounded)
            for name, threshold in conditions
        )


def measured(metric: Metric, command: str, *levels: tuple[str, float, float], size: str = "small") -> tuple[Bar, ...]:
    """Bars at the mean public score of each (level, mean, standard deviation), measured by the command at this size."""
    return tuple(
        Bar(
            name,
            ((metric.name, mean),),
            f"measured: level {name}, public {metric.label} mean {mean:.4f} ± {spread:.4f} (standard deviation over "
            f"worlds, splits and trainings), python tests/bench/{command}",
            size=size,
        )
        for name, mean, spread in levels
    )


def official_bars(
    metric: Metric,
    year: str,
    points: float,
    *levels: tuple[str, float],
    private: tuple[float, ...] = (),
    digits: int = 5,
    rounded: bool = False,
) -> tuple[Bar, ...]:
    """The course's own bars of a year, all worth as much: (level, threshold), and those of the private board."""
    return tuple(
        Bar(
            name,
            ((metric.name, threshold),),
            f"official {year}",
            private=((metric.name, private[at]),) if private else None,
            points=(points, points),
            digits=digits,
            rounded=rounded,
        )
        for at, (name, threshold) in enumerate(levels)
    )


@dataclass(frozen=True)
class Rules:
    """The rules of a competition. Zones are IANA names; a deadline is an RFC 3339 instant, or None for no deadline.

    `selections` is how many submissions may count on the private board; `unselected` says what counts when none is
    chosen, and `unselected_count` how many then, 0 for as many as may be chosen. `rejections` is a separate daily
    limit for malformed files. `attachment` names the kinds of a second file that is asked for, "pdf", "zip" or
    "pdf,zip", empty for none; it has at most `attachment_mb` megabytes, and without its own deadline the homework's.
    """

    quota: int = 5
    quota_zone: str = "UTC"
    deadline: str | None = None
    deadline_zone: str = "Asia/Taipei"
    selections: int = 2
    unselected: Literal["best_public", "first", "last", "all"] = "best_public"
    rejections: int = 50
    public_share: float = 0.5
    unselected_count: int = 0
    attachment: str = ""
    attachment_mb: int = 20
    attachment_deadline: str | None = None

    @property
    def attachment_kinds(self) -> tuple[str, ...]:
        """The kinds of a second file, none where none is asked for."""
        return tuple(kind.strip() for kind in self.attachment.split(",") if kind.strip())

    @property
    def attachment_bytes(self) -> int:
        return self.attachment_mb * 10**6

    @property
    def unselected_most(self) -> int:
        """The most submissions that count when none is chosen and not all do."""
        return self.unselected_count or self.selections


@dataclass(frozen=True)
class Made:
    """The result of `Edition.make`: the answers, and what the leak checks compare them with.

    `train` `(n, d)` and `test` `(m, d)` are the numeric features that students get, `test` in the order of the answers;
    `train_groups` names the group of each training row in the same words as `Answers.groups`. `sample` is the sample
    submission where the format alone does not give one; `form` is the submission format where more of it than the ids
    was drawn. `secret` is the folder into which files for the judge were written, None where there are none. `inputs`
    (n, …) are those that submitted models are run on, by name, of which students must get none.
    """

    answers: Answers
    train: NDArray[np.float64] | None = None
    test: NDArray[np.float64] | None = None
    train_groups: NDArray[np.str_] | None = None
    sample: bytes | None = None
    form: Format | None = None
    secret: Path | None = None
    inputs: Mapping[str, NDArray[Any]] | None = None


@dataclass(frozen=True)
class Judged:
    """What the metrics compare with the answers, and remarks for the participant and the instructor."""

    columns: Columns
    notes: tuple[str, ...] = ()


def _unchecked(form: Format, predictions: Columns, public: Path | None) -> Judged:
    return Judged(predictions)


@dataclass(frozen=True)
class Judge:
    """Turns a parsed file into what metrics compare, such as the returns of a replay or the features of images.

    `check(form, predictions, folder)` is what `check` and `submit` both do; it raises SubmissionError for what cannot
    be scored. `folder` is the public one on the machine of a participant, None where the data are not at hand. In
    grading it is the secret one, since the public one may have newer data by then; so `make` writes what is named in
    `needs` into both. Where one of those names is missing, `check` is not called. `run(form, predictions, secret)` gets
    what `check` gave and gives what the metrics compare; None where that is the same. `version()` names everything
    outside the folders that can change the numbers.
    """

    version: Callable[[], str]
    check: Callable[[Format, Columns, Path | None], Judged] = _unchecked
    run: Callable[[Format, Columns, Path], Judged] | None = None
    needs: tuple[str, ...] = ()

    @property
    def offline(self) -> bool:
        """Whether `check` does anything, so that its version matters on the machine of a participant."""
        return self.check is not _unchecked

    def judged(self, form: Format, predictions: Columns, secret: Path) -> Judged:
        """What the metrics compare: what `check` gives, then `run`, with the notes of both."""
        assert not self.lacks(secret), "make writes what a check needs into the secret folder too"
        checked = self.check(form, predictions, secret)
        if self.run is None:
            return checked
        found = self.run(form, checked.columns, secret)
        return Judged(found.columns, (*checked.notes, *found.notes))

    def lacks(self, folder: Path | None) -> tuple[str, ...]:
        """The names that `check` needs and that are not in the folder."""
        return tuple(name for name in self.needs if folder is None or not (folder / name).exists())


@dataclass(frozen=True)
class Reproduction:
    """The rule by which a file of predictions is shown to come from a small model: the model gives its rows again.

    `forms` are the models that are accepted, which differ in the shapes of their inputs. `run(form, model, table,
    folder)` gives the rows of the format `table` that a model gives for the inputs in the public folder; a `share` of
    the rows must be those of the file.
    """

    forms: tuple[ModelFormat, ...]
    run: Callable[[ModelFormat, Columns, Format, Path], Columns]
    share: float = 0.99


@dataclass(frozen=True)
class Place:
    """The function at "module:name", imported when it is first called; `first` are its leading arguments.

    So a homework can be described without what its functions need.
    """

    path: str
    first: tuple[Any, ...] = ()

    def __call__(self, *arguments: Any) -> Any:
        module, _, name = self.path.partition(":")
        return getattr(import_module(module), name)(*self.first, *arguments)


class Make(Protocol):
    """Writes what students get into `public`, and what only the judge reads into `secret`; returns the hidden side.

    Everything is drawn from `streams`, those of the course's key. `source` is the folder or archive of the course's
    files where the edition is official, else None. `secret` is an empty folder, left out where nothing goes into it.
    """

    def __call__(
        self, public: Path, streams: Streams, size: str, source: Path | None = None, secret: Path | None = None, /
    ) -> Made: ...


@dataclass(frozen=True)
class Edition:
    """One year of a homework, or its built-in world. The year is part of the key: header, metric and bars depend on it.

    `format` is the course's own, with the course's ids; a prepared competition replaces the ids by its own.
    `metrics[0]` ranks. `make` is named by its `Place`. `formerly` are its names in older releases. With a
    `reproduction`, an entry is marked until a model has given its rows again. `unsure` names what the course's sources
    do not tell, tell in two ways, or tell only once, each with what they say; sheet and page show it.
    """

    name: str
    source: str
    format: Format
    metrics: tuple[Metric, ...]
    bars: tuple[Bar, ...]
    rules: Rules
    make: Make
    official: bool = False
    judge: Judge | None = None
    reproduction: Reproduction | None = None
    formerly: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    def bars_at(self, size: str | None) -> tuple[Bar, ...]:
        """The bars that apply to data of this size (None: the course's own), without those measured at another size."""
        return tuple(bar for bar in self.bars if bar.size in (None, size))


@dataclass(frozen=True)
class Task:
    """One homework: `name` is "hw01", `editions[0]` is the default."""

    name: str
    title: str
    editions: tuple[Edition, ...]

    def edition(self, name: str | None) -> Edition:
        """The edition of a name, now or formerly; the default one for None. Raises UserError for an unknown name."""
        if name is None:
            return self.editions[0]
        now = [edition for edition in self.editions if edition.name == name]
        if found := now or [edition for edition in self.editions if name in edition.formerly]:
            return found[0]
        known = ", ".join(edition.name for edition in self.editions)
        raise UserError(f"{self.name} has no edition {name!r}; choose one of: {known}.")

    def edition_of(self, name: str, form: Format) -> Edition:
        """The edition that a prepared competition is of: an older release may have given its name to another format."""
        named = (each for each in self.editions if name in (each.name, *each.formerly))
        return next((each for each in named if type(each.format) is type(form)), self.edition(name))


@dataclass(frozen=True)
class Score:
    """Exact values of one metric. Intervals are 95 %, None where no reliable one exists."""

    metric: str
    public: float
    private: float | None
    public_interval: tuple[float, float] | None = None
    private_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Grade:
    """The result of one submission. `scores[0]` ranks; scores of different signatures are never ranked together.

    `notes` are remarks of the judge and hints of the metrics; nothing in them depends on a private answer. `matrix` are
    the shares behind the first score, of the public rows, where its metric has them; `private_matrix` of the private.
    """

    scores: tuple[Score, ...]
    n_public: int
    n_private: int
    signature: str
    notes: tuple[str, ...] = ()
    matrix: tuple[tuple[float, ...], ...] = ()
    private_matrix: tuple[tuple[float, ...], ...] = ()


def clears(value: float, threshold: float, digits: int, higher_is_better: bool, rounded: bool = False) -> bool:
    """Whether a value reaches a threshold, either exactly or as shown: cut or rounded to `digits`.

    >>> clears(0.8616149, 0.86161, 5, higher_is_better=False), clears(0.86162, 0.86161, 5, higher_is_better=False)
    (True, False)
    >>> [clears(24.036, 24.04, 2, higher_is_better=True, rounded=rounded) for rounded in (False, True)]
    [False, True]
    """
    shown = Decimal(f"{value:.{digits}f}") if rounded else truncate(value, digits)
    line = as_written(threshold, digits)
    if higher_is_better:
        return value >= threshold or shown >= line
    return value <= threshold or shown <= line


def as_written(threshold: float, digits: int) -> Decimal:
    """A threshold as the decimal number that was written, cut to `digits` decimals.

    >>> as_written(0.60825, 5), truncate(0.60825, 5)
    (Decimal('0.60825'), Decimal('0.60824'))
    """
    with localcontext(prec=400):  # enough for every double
        return Decimal(repr(float(threshold))).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_DOWN)


def truncate(value: float, digits: int) -> Decimal:
    """A double cut, not rounded, to `digits` decimals, as Kaggle shows scores.

    Of all ways to cut, only the whole part of the product of two doubles gives every threshold of the course that is a
    count of hits: 2433/4000 = 0.60825 is shown as 0.60824, and 2815/4000 = 0.70375 as itself, although both doubles lie
    below the decimal number.

    >>> truncate(2433 / 4000, 5), truncate(2815 / 4000, 5)
    (Decimal('0.60824'), Decimal('0.70375'))
    """
    with localcontext(prec=400):
        return Decimal(math.trunc(value * 10.0**digits)).scaleb(-digits)
