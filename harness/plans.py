"""What is to be prepared: a homework, or a competition of one's own."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.answerable import refuse_unanswerable
from harness.clocks import last_instant
from harness.competition import (
    SOLUTION,
)
from harness.extras import NO_EXTRAS, Extras, checked_title, named_as, read_bars, read_sheet
from harness.folders import Own
from harness.home import Home, check_free, local
from harness.model_submissions import Models, read_models
from harness.other_formats import read_other
from tasks.base import Bar, Columns, Edition, Judge, Made, Rules, UserError
from tasks.formats import Format, ImagesFormat, LinesFormat, TableFormat
from tasks.homeworks import canonical, find_task, packages_of, unknown
from tasks.metric_code import PREFIX, read_arguments
from tasks.named import find_named
from tasks.own_model import JUDGE
from tasks.quiz import POINTS, read_key, sample, sheet
from tasks.streams import Streams

if TYPE_CHECKING:
    from tasks.kaggle import ScoreFile
    from tasks.metrics import Metric

Step = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Everything known about a competition before its data are made.

    `signature` is that of the package that computes the metric, where it has one; `kept` are the files of an own
    competition that can be exported, by name. `sample` are the predictions of the sample submission for a metric by
    name, where the format alone does not give them.
    """

    name: str
    title: str
    edition: str
    source: str
    format: Format
    metrics: tuple[Metric, ...]
    bars: tuple[Bar, ...]
    rules: Rules
    sheet: str
    make: Callable[[Path, Streams, Path], Made]
    metric: str | None = None
    metric_file: ScoreFile | None = None
    options: tuple[tuple[str, Any], ...] = ()
    signature: str | None = None
    kept: tuple[tuple[str, bytes], ...] = ()
    sample: Columns | None = None
    judge: Judge | None = None
    provenance: tuple[tuple[str, Any], ...] = ()
    size: str | None = None


def plan_homework(name: str, edition_name: str | None, source: Path | None, size: str) -> Plan:
    """The plan of a homework of the course. Raises UserError for an unknown homework or edition, or missing files."""
    from importlib import resources

    name = canonical(name)
    task, packages = find_task(name), packages_of(name)
    if task is None or packages is None:
        own = f" To make your own competition: lhy-grade new {name} --solution FILE --metric METRIC"
        raise UserError(f"{unknown(name)}{own}", code="E_NOT_FOUND")
    edition = task.edition(edition_name)
    if edition.official and source is None:
        whose = "your" if edition.name == "own" else "the course's"
        raise UserError(
            f"edition {edition.name} is made from {whose} own files: add --from FOLDER-OR-ARCHIVE."
            f" Without files, use the built-in data: --edition {task.editions[0].name}."
        )
    if source is not None and not edition.official:
        official = ", ".join(e.name for e in task.editions if e.official)
        if not official:
            raise UserError(f"{name} needs no files of the course; leave out --from.")
        raise UserError(f"--from needs the edition of the files: add --edition, one of {official}.")
    if source is not None and not source.exists():
        raise UserError(f"--from: {source} does not exist.")
    if size not in ("small", "full"):
        raise UserError(f"--size must be small or full, got {size!r}.")
    sheet = resources.files(packages[0]).joinpath("sheet.md").read_text(encoding="utf-8")
    return Plan(
        name=name,
        title=task.title,
        edition=edition.name,
        source=edition.source,
        format=edition.format,
        metrics=edition.metrics,
        bars=edition.bars_at(None if edition.official else size),
        rules=edition.rules,
        sheet=sheet,
        make=_maker(edition, size, source),
        judge=edition.judge,
        provenance=(
            ("size", size if not edition.official else None),
            ("files", None if source is None else hashes_of(source)),
        ),
        size=None if edition.official else size,
    )


def _maker(edition: Edition, size: str, source: Path | None) -> Callable[[Path, Streams, Path], Made]:
    return lambda public, streams, secret: edition.make(public, streams, size, source, secret)


def plan_own(
    name: str,
    solution: Path,
    metric: str,
    *,
    public: Path | None,
    higher_is_better: bool | None,
    public_share: float,
    title: str | None = None,
    metric_args: Sequence[str] = (),
    extras: Extras = NO_EXTRAS,
) -> Plan:
    """The plan of your own competition, from a solution file in Kaggle's layout and a metric.

    `metric` is a name of `tasks.named.NAMED`, with options NAME=VALUE in `metric_args`, or the path of a Python file
    with Kaggle's `score(solution, submission, row_id_column_name)`, which needs `higher_is_better`.
    Raises UserError for invalid arguments or files.
    """
    from tasks.kaggle import score_file
    from tasks.own import fitted
    from tasks.samples import table_of
    from tasks.solution import own_format, read_sample, read_solution
    from tasks.split_columns import SplitColumns

    name = canonical(name)
    if find_task(name) is not None:
        raise UserError(f"{name} is a homework of the course; choose another name for your own competition.")
    check_free(name)
    if not 0 < public_share < 1:
        raise UserError(f"--public-share must be between 0 and 1, got {public_share}.")
    if public is not None and not public.is_dir():
        raise UserError(f"--public must be the folder of files for students; {public} is not a folder.")
    for one in [] if public is None else [public, *sorted(public.rglob("*"))]:
        if one.is_symlink():
            raise UserError(f"--public: {one} is a link; put the file itself there.")
    split = SplitColumns(extras.group, extras.strata, extras.by_time, public_share, extras.usage)
    metric_file, options, given, signature = None, {}, None, None
    form: Format
    models: Models | None = None
    of_models = extras.sample is not None and extras.sample.suffix == ".onnx"
    if not of_models and (extras.inputs is not None or extras.most_parameters is not None):
        raise UserError("--inputs and --most-parameters are for models; add --sample FILE.onnx, or leave them out.")
    if metric.endswith(".py"):
        if higher_is_better is None:
            raise UserError("a metric file needs a direction: add --higher-is-better or --lower-is-better.")
        options = dict(read_arguments(metric_args))
        lines = extras.sample is not None and extras.sample.suffix == ".txt"
        metric_file = score_file(
            Path(metric), higher_is_better=higher_is_better, name=Path(metric).stem, arguments=options, texts=lines
        )
        chosen = metric_file.metric
        most = extras.most_rows
        found = read_solution(solution, empty=True, as_text=lines, split=split, most_rows=most)
        form, answers = own_format(found, whole=False, most_rows=most)
        if most > 1 and extras.sample is None:
            raise UserError("--rows-per-id needs a sample submission that shows students the rows: add --sample FILE.")
        if extras.sample is not None and extras.sample.suffix != ".csv" and most > 1:
            raise UserError("--rows-per-id is for tables; leave it out.")
        if extras.sample is None:
            pass
        elif of_models:
            models = read_models(extras.sample, extras.inputs, extras.most_parameters, form, answers, None)
            form, given = models.form, models.sample
            metric_file = replace(metric_file, sample=tuple(models.columns.items()))
        elif extras.sample.suffix != ".csv":
            form, parts, given = read_other(extras.sample, form, answers)
            metric_file = replace(metric_file, sample=tuple(parts.items()))
        else:
            form, cells = read_sample(extras.sample, solution, form)
            metric_file = replace(metric_file, sample=tuple(cells.items()))
            given = table_of(form, cells)
    elif extras.sample is not None and not of_models:
        raise UserError("--sample is for a metric file; a metric by name makes its own from the solution.")
    elif extras.most_rows > 1:
        raise UserError("--rows-per-id is for a metric file; a metric by name compares one row of each id.")
    else:
        named = find_named(metric)
        options = named.read_options(metric_args)
        form, answers, chosen = fitted(solution, named, options, split)
        signature = None if named.signature is None else named.signature(options)
        if higher_is_better is not None and higher_is_better != chosen.higher_is_better:
            raise UserError(f"{metric} has a fixed direction; leave out --higher-is-better and --lower-is-better.")
        if extras.sample is not None:
            assert isinstance(form, TableFormat)
            models = read_models(extras.sample, extras.inputs, extras.most_parameters, form, answers, named)
            form, given = models.form, models.sample
    if extras.sample is None or isinstance(form, LinesFormat):
        refuse_unanswerable(solution, form, answers)
    chosen, title = named_as(chosen, extras.metric_name), checked_title(title, name)
    data = solution.read_bytes()

    def make(folder: Path, streams: Streams, secret: Path) -> Made:
        if public is not None:
            shutil.copytree(public, folder, dirs_exist_ok=True, symlinks=False)
        if models is not None:
            models.write(secret)
        if metric_file is None:
            return Made(answers, sample=given, secret=None if models is None else secret, inputs=_inputs_of(models))
        (secret / SOLUTION).write_bytes(data)
        for module, text in metric_file.modules:
            (secret / f"{PREFIX}{module}.py").write_bytes(text)
        return Made(answers, sample=given, secret=secret, inputs=_inputs_of(models))

    about = "" if models is None else f"\n{models.sheet}"
    return Plan(
        name=name,
        title=title,
        edition="own",
        source="made by the instructor of this course",
        format=form,
        metrics=(chosen,),
        bars=read_bars(extras.bars, chosen),
        rules=extras.rules(public_share),
        sheet=own_sheet(title, form, chosen, signature) + about if extras.sheet is None else read_sheet(extras.sheet),
        make=make,
        metric=metric if metric_file is None else None,
        metric_file=metric_file,
        options=tuple(options.items()),
        signature=signature,
        sample=models.columns if models is not None and metric_file is None else None,
        judge=None if models is None else JUDGE,
        kept=Own(solution, metric, title, tuple(metric_args), public, higher_is_better, public_share, extras).kept(),
        provenance=(
            ("solution", hashlib.sha256(data).hexdigest()),
            ("title", title),
            ("public_share", public_share),
            ("higher_is_better", chosen.higher_is_better),
            ("public", None if public is None else hashes_of(public)),
            *([("metric_option", options)] if options else []),
            *extras.provenance(),
        ),
    )


def _inputs_of(models: Models | None) -> Mapping[str, Any] | None:
    return None if models is None else models.inputs


def own_sheet(title: str, form: Format, metric: Metric, signature: str | None = None) -> str:
    """The page of an own competition for which none was given."""
    asked = f"a file like `sample_submission{form.suffix}`, with "
    if isinstance(form, LinesFormat):
        asked += f"one line of text for each of its {len(form):,} lines, in their order"
    else:
        asked += "images of the same names and size" if isinstance(form, ImagesFormat) else "the same names and shapes"
    if isinstance(form, TableFormat):
        rows = "one row" if form.most_rows == 1 else f"at most {form.most_rows:,} rows"
        header = io.StringIO()
        csv.writer(header, lineterminator="").writerow(form.header)
        asked = f"a CSV with the header `{header.getvalue()}` and {rows} for each id of `sample_submission.csv`"
    return (
        f"# {title}\n\nHand in {asked}.\nIt is scored by {metric.label}, where"
        f" {'higher' if metric.higher_is_better else 'lower'} is better.\n"
        + (f"It is computed by sacrebleu: `{signature}`.\n" if signature else "")
    )


def fingerprint(plan: Plan, seed: int | None) -> dict[str, Any]:
    """Everything that determines the data except the code and the key, as plain values."""
    metric = plan.metric
    if plan.metric_file is not None:
        metric = f"file:{plan.metric_file.digest}{plan.metric_file.identity[len('file:') + 16 :]}"
    values: dict[str, Any] = {"edition": plan.edition, "fixed_seed": seed, "metric": metric, **dict(plan.provenance)}
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def hashes_of(source: Path) -> dict[str, str]:
    if source.is_file():
        return {source.name: _hash(source)}
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    return {path.relative_to(source).as_posix(): _hash(path) for path in paths}


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


QUIZ_RULES = Rules(quota=10, selections=0, unselected="last", unselected_count=1)
"""The rules of a quiz: the last file handed in counts, and none can be chosen."""


def plan_quiz(home: Home, name: str, key: Path, *, title: str | None, deadline: str | None, now: datetime) -> Plan:
    """The plan of a quiz from its key. Raises UserError for an invalid key, and for no deadline or one that passed."""
    name = canonical(name)
    if find_task(name) is not None:
        raise UserError(f"{name} is a homework of the course; choose another name for your quiz.")
    check_free(name)
    if deadline is None:
        raise UserError("a quiz needs a deadline, after which its points open: add --deadline 2027-03-26T23:59+08:00")
    end = last_instant(deadline, "--deadline")
    if end <= now and not home.public(name).exists():
        raise UserError(f"--deadline {local(home, end)} has passed: the points of the quiz would be open at once.")
    found, title = read_key(key), title or name

    def make(public: Path, streams: object, secret: Path) -> Made:
        return Made(found.answers, sample=sample(found.form))

    return Plan(
        name=name,
        title=title,
        edition="own",
        source="made by the instructor of this course",
        format=found.form,
        metrics=(POINTS,),
        bars=(),
        rules=replace(QUIZ_RULES, deadline=deadline),
        sheet=sheet(title, found.form),
        make=make,
        metric="points",
        provenance=(
            ("key", hashlib.sha256(key.read_bytes()).hexdigest()),
            ("title", title),
            ("deadline", deadline),
        ),
    )
