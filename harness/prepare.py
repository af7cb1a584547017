"""Preparing a competition: data for students, hidden answers, the split, leak checks, and one atomic switch.

Everything is built in folders next to the final ones. One database transaction then makes the new data current; two
renames after it exchange the public folder, and `harness.competition.finish_change` completes or undoes an interrupted
change. The same plan makes the same data again, so preparing twice only restores damaged files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.archive import make_archive
from harness.competition import (
    SOLUTION,
    Competition,
    MetricCard,
    course_key,
    data_version_of,
    described,
    digest_of,
    digest_of_files,
    find_data,
    finish_change,
    hidden_bar_to_json,
    load_answers,
    public_digest,
    read_competition,
    read_hidden,
    save_answers,
    seal_of,
    written_versions,
)
from harness.home import CONFIG, Home, check_free, keep_keys, locked, making, sync_folder, write_file, write_json
from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Bar, Edition, Judge, Made, Rules, UserError
from tasks.formats import Format, TableFormat
from tasks.homeworks import canonical, find_task, module_of, unknown
from tasks.streams import Streams, fixed_key

if TYPE_CHECKING:
    from leaderboard.competitions import Data
    from tasks.kaggle import ScoreFile
    from tasks.metrics import Metric

Step = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """The result of `prepare`: the public folder, the number of rows of each kind, and warnings for the instructor.

    `notes` are the scores that a metric file gives the solution and the sample submission. `already` means that these
    data were already prepared; `restored` names the damaged files that were restored.
    """

    competition: Competition
    folder: Path
    n_public: int
    n_private: int
    n_ignored: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    already: bool = False
    restored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Everything known about a competition before its data are made."""

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
    judge: Judge | None = None
    provenance: tuple[tuple[str, Any], ...] = ()
    size: str | None = None


def plan_homework(name: str, edition_name: str | None, source: Path | None, size: str) -> Plan:
    """The plan of a homework of the course. Raises UserError for an unknown homework or edition, or missing files."""
    from importlib import resources

    name = canonical(name)
    task = find_task(name)
    if task is None:
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
    sheet = resources.files(f"tasks.{module_of(name)}").joinpath("sheet.md").read_text(encoding="utf-8")
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
            ("files", None if source is None else _hashes(source)),
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
    title: str | None,
    public: Path | None,
    higher_is_better: bool | None,
    public_share: float,
) -> Plan:
    """The plan of your own competition, from a solution file in Kaggle's layout and a metric.

    `metric` is a name of `tasks.kaggle.OWN_METRICS` or the path of a Python file with Kaggle's
    `score(solution, submission, row_id_column_name)`, which needs `higher_is_better`.
    Raises UserError for invalid arguments or files.
    """
    from tasks.kaggle import OWN_METRICS, for_auc, named_metric, own_format, read_solution, score_file

    name = canonical(name)
    if find_task(name) is not None:
        raise UserError(f"{name} is a homework of the course; choose another name for your own competition.")
    check_free(name)
    if not 0 < public_share < 1:
        raise UserError(f"--public-share must be between 0 and 1, got {public_share}.")
    metric_file = None
    if metric in OWN_METRICS:
        chosen = named_metric(metric)
        if higher_is_better is not None and higher_is_better != chosen.higher_is_better:
            raise UserError(f"{metric} has a fixed direction; leave out --higher-is-better and --lower-is-better.")
    elif metric.endswith(".py"):
        if higher_is_better is None:
            raise UserError("a metric file needs a direction: add --higher-is-better or --lower-is-better.")
        metric_file = score_file(Path(metric), higher_is_better=higher_is_better, name=Path(metric).stem)
        chosen = metric_file.metric
    else:
        raise UserError(
            f"--metric must be one of {', '.join(OWN_METRICS)} or a Python file that ends in .py; got {metric!r}."
        )
    if public is not None and not public.is_dir():
        raise UserError(f"--public must be the folder of files for students; {public} is not a folder.")
    parsed = read_solution(solution)
    data = solution.read_bytes()
    numeric = metric in ("rmse", "mse", "mae", "auc")
    form, answers = own_format(
        parsed, numeric=numeric, whole=metric_file is None, bounded=metric in ("rmse", "mse", "mae")
    )
    answers = for_auc(parsed, answers) if metric == "auc" else answers

    def make(folder: Path, streams: Streams, secret: Path) -> Made:
        if public is not None:
            shutil.copytree(public, folder, dirs_exist_ok=True, symlinks=False)
        if metric_file is None:
            return Made(answers)
        (secret / SOLUTION).write_bytes(data)
        return Made(answers, secret=secret)

    return Plan(
        name=name,
        title=title or name,
        edition="own",
        source="made by the instructor of this course",
        format=form,
        metrics=(chosen,),
        bars=(),
        rules=Rules(public_share=public_share),
        sheet=f"# {title or name}\n\nHand in a CSV with the header `{','.join(form.header)}` and one row for each id of"
        f" `sample_submission.csv`.\nIt is scored by {chosen.label}, where "
        f"{'higher' if chosen.higher_is_better else 'lower'} is better.\n",
        make=make,
        metric=metric if metric_file is None else None,
        metric_file=metric_file,
        provenance=(
            ("solution", hashlib.sha256(data).hexdigest()),
            ("title", title or name),
            ("public_share", public_share),
            ("higher_is_better", chosen.higher_is_better),
            ("public", None if public is None else _hashes(public)),
        ),
    )


def prepare(
    home: Home,
    plan: Plan,
    *,
    seed: int | None,
    accept_leaks: bool,
    now: datetime,
    new_data: bool = False,
    reason: str = "",
    actor: str = "instructor",
    step: Step = lambda name: None,
) -> Prepared:
    """Makes the competition of `plan` in `home`, or changes nothing.

    If the same plan was prepared before, only damaged files are restored. With `new_data`, new data replace the old:
    the old board stays readable, extensions carry over, and waiting submissions are still graded. With `seed`, data
    and split depend only on that number, so that anyone can reproduce them: for demos and tests.

    Raises UserError E_EXISTS for a different plan, or one that now makes different data, without `new_data`;
    E_REASON if a reason is needed; and E_LEAK if a leak check fails.
    """
    with locked(home.root), making(home.root):
        key = _key(home)
        keep_keys(home, key)
        finish_change(home, plan.name)
        old = _current(home, plan.name)
        if old is not None and not new_data:
            return _again(home, plan, old, seed, key, now)
        hides = hidden_by_new_data(home, plan.name, reason)
        if not (home.root / "config.toml").exists():
            write_file(home.root / "config.toml", CONFIG.encode(), mode=0o600)
        version = max(_last_version(home, plan.name), old.number if old else 0) + 1
        final = home.public(plan.name)
        new, hidden = final.with_name(f".{plan.name}.new"), home.secret(plan.name, version)
        shutil.rmtree(new, ignore_errors=True)
        try:
            competition, answers, leaks = _build(plan, new, hidden, version, seed, key, step)
            notes = _try_metric(plan, hidden, competition.format, answers)
            if leaks and not accept_leaks:
                raise UserError(
                    "\n".join(["the data give away answers; nothing was changed.", *leaks]), code="E_LEAK", exit_code=8
                )
            _write_provenance(hidden, plan, version, seed, now)
            _write_manifest(new, competition, now)
            make_archive(home, competition, new)
            _write_course(home, key)
            if old is not None:
                _keep_form(home, old)
            step("checked")
            new.rename(final.with_name(f".{plan.name}.next"))
            step("next to come")
        except BaseException:
            for folder in (new, hidden):
                shutil.rmtree(folder, ignore_errors=True)
            raise
        _take(home, plan, competition, old, hides, seed, actor, reason, now)
        step("in the database")
        finish_change(home, plan.name, step)
    return replace(_prepared(home, competition, answers, tuple(leaks)), notes=notes)


def _prepared(home: Home, competition: Competition, answers: Answers, warnings: tuple[str, ...]) -> Prepared:
    usage = answers.usage
    assert usage is not None
    return Prepared(
        competition=competition,
        folder=home.public(competition.name),
        n_public=int((usage == PUBLIC).sum()),
        n_private=int((usage == PRIVATE).sum()),
        n_ignored=int((usage == IGNORED).sum()),
        warnings=warnings,
    )


def _current(home: Home, name: str) -> Data | None:
    """The current data of a competition in the database, or None."""
    from leaderboard import competitions

    with contextlib.suppress(UserError):  # adds data that an older release prepared
        find_data(home, read_competition(home.public(name)))
    with home.database() as database:
        return competitions.current(database, name)


@dataclass(frozen=True)
class Hides:
    """The board that new data replace: its people, submissions and extensions."""

    key: str
    people: int
    submissions: int
    waiting: int
    extensions: int
    revealed: bool

    def lines(self) -> list[str]:
        """The consequences to show before asking for confirmation."""
        name, _, version = self.key.partition("/")
        board = f"Version {version} has {_count(self.submissions, 'submission')} from {_count(self.people, 'person')}"
        lines = [f"{board}; its board is archived and stays readable: lhy-grade leaderboard {name} --version {version}"]
        if self.waiting:
            lines.append(f"{_count(self.waiting, 'submission')} without a score yet: still graded, for that board.")
        if self.extensions:
            lines.append(f"{_count(self.extensions, 'extension')}: copied to the new data.")
        if self.revealed:
            lines.append("Its private board stays revealed; that of the new data is hidden.")
        return lines


def _count(number: int, what: str) -> str:
    return f"{number:,} {what if number == 1 else {'person': 'people'}.get(what, what + 's')}"


def hidden_by_new_data(home: Home, name: str, reason: str) -> Hides | None:
    """The board that new data would replace, or None without data.

    Raises UserError E_REASON if there are submissions or a class and no reason is given.
    """
    from leaderboard import roster, store

    old = _current(home, name)
    if old is None:
        return None
    with home.database() as database:
        people = {one.name for one in store.participants(database, old.key) if one.kind == "person"}
        found = Hides(
            old.key,
            len(people),
            store.count_submissions(database, old.key),
            len(store.pending(database, {old.key: old.versions})),
            len(roster.extensions(database, old.key)),
            store.revealed(database, old.key) is not None,
        )
        of_a_class = not roster.is_empty(database)
    if reason:
        roster.checked_reason(reason)
    elif found.submissions or of_a_class:
        whose = f"{found.submissions} submissions" if found.submissions else "a class"
        raise UserError(
            f"{name} has {whose}, and its board would be archived: add --reason TEXT, which is kept in the log.",
            code="E_REASON",
        )
    return found


def _take(
    home: Home,
    plan: Plan,
    competition: Competition,
    old: Data | None,
    hides: Hides | None,
    seed: int | None,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Makes the new data current in the database, in one transaction."""
    from leaderboard import competitions, events, roster

    following = home.public(plan.name).with_name(f".{plan.name}.next")
    versions, hidden_bars = written_versions(home, competition), [hidden_bar_to_json(bar) for bar in plan.bars]
    data = competitions.Data(
        competition.key, competition.name, competition.version, *versions, now, described(competition, hidden_bars),
        public_digest(following),
    )  # fmt: skip
    body: dict[str, Any] = {
        "competition": competition.key,
        "edition": competition.edition,
        "fixed_seed": seed,
        "reason": reason,
    }
    if hides is not None:
        body["replaces"] = {key: value for key, value in asdict(hides).items() if key != "people"}
    with home.database() as database, database.transaction():
        if old is not None and old.description is not None:  # freeze its present rules
            rules = home.rules(plan.name, Rules(**old.description["rules"]))
            frozen = {**old.description, "rules": asdict(rules)}
            competitions.describe(database, replace(old, description=frozen))
        competitions.add(database, data, competition.ranking.higher_is_better)
        events.append(database, "prepared", actor, body, now)
        if old is not None:
            roster.carry_extensions(database, old.key, data.key, actor, now)


def _keep_form(home: Home, old: Data) -> None:
    """Keeps the format of data prepared by an older release next to their answers, to read waiting submissions."""
    kept, public = home.secret(old.name, old.number) / "format.json", home.public(old.name)
    with contextlib.suppress(UserError, OSError):
        if not kept.exists() and read_competition(public).version == old.number:
            write_file(kept, (public / "format.json").read_bytes(), mode=0o600)


# The same plan again


def _again(home: Home, plan: Plan, old: Data, seed: int | None, key: bytes, now: datetime) -> Prepared:
    """Confirms that the data of this plan exist, and restores damaged files, which must come out identical."""
    public, folder = home.public(plan.name), home.secret(plan.name, old.number)
    said, wanted = _said(folder, old), _fingerprint(plan, seed)
    other = [name for name, value in wanted.items() if name in said and said[name] != value]
    if other:
        raise _exists(old, f"they were prepared with another {' and another '.join(other)}".replace("_", " "))
    whole = _whole(home, old)
    if whole is not None and all(name in said or value is None for name, value in wanted.items()):
        return replace(_prepared(home, *whole, ()), already=True)
    new, hidden = public.with_name(f".{plan.name}.new"), folder.with_name(f".{old.number}.new")
    for left in (new, hidden):
        shutil.rmtree(left, ignore_errors=True)
    try:
        competition, answers, _ = _build(plan, new, hidden, old.number, seed, key, lambda name: None)
        made_at = old.prepared_at or now
        _write_provenance(hidden, plan, old.number, seed, made_at)
        _write_manifest(new, competition, made_at)
        restored = _restore(home, old, new, hidden)
    finally:
        for left in (new, hidden):
            shutil.rmtree(left, ignore_errors=True)
    return replace(_prepared(home, competition, answers, ()), already=True, restored=tuple(restored))


def _exists(old: Data, why: str) -> UserError:
    return UserError(
        f"{old.name} already has data (version {old.number}), and {why}. To make other data, which archives its board,"
        " add --new-data.",
        code="E_EXISTS",
        exit_code=8,
    )


def _fingerprint(plan: Plan, seed: int | None) -> dict[str, Any]:
    """Everything that determines the data except the code and the key, as plain values."""
    metric = plan.metric
    if plan.metric_file is not None:
        metric = f"file:{plan.metric_file.digest}"
    values: dict[str, Any] = {"edition": plan.edition, "fixed_seed": seed, "metric": metric, **dict(plan.provenance)}
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _said(folder: Path, old: Data) -> dict[str, Any]:
    """The recorded fingerprint of data, as far as known for those prepared by an older release."""
    said: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        said = dict(json.loads((folder / "provenance.json").read_bytes()))
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        values = json.loads((folder / "competition.json").read_bytes())
        if values["metric_file"] is None:
            said.setdefault("metric", values["metric"])
    if old.description is not None and "solution" in said:
        said.setdefault("title", old.description["title"])
        said.setdefault("public_share", old.description["rules"]["public_share"])
        said.setdefault("higher_is_better", old.description["metrics"][0]["higher_is_better"])
    return said


def _whole(home: Home, old: Data) -> tuple[Competition, Answers] | None:
    """The data in the home, or None if any of their files is damaged or missing."""
    public = home.public(old.name)
    try:
        competition = read_competition(public)
        if competition.version != old.number or public_digest(public) != old.digest or _wrong(public, _listed(public)):
            return None
        return competition, load_answers(read_hidden(home, competition), competition.format)
    except UserError:
        return None


def _restore(home: Home, old: Data, new: Path, hidden: Path) -> list[str]:
    """Replaces damaged files with newly made ones and returns their names.

    Raises UserError, and changes nothing, if the new files differ from the original ones.
    """
    public, folder = home.public(old.name), home.secret(old.name, old.number)
    otherwise = _exists(old, "this lhy-grade makes other data from the same plan; damaged files can only be restored"
                             " from a backup")  # fmt: skip
    made = json.loads((hidden / "competition.json").read_bytes())
    if made["data_version"] != old.data_version:
        raise otherwise
    if public_digest(public) == old.digest is not None:
        listed = _listed(public)
    elif old.digest in (None, public_digest(new)):
        listed = _listed(new)
    else:
        raise otherwise
    damaged = _wrong(public, listed)
    if _wrong(new, {name: listed[name] for name in damaged}):
        raise otherwise
    if public_digest(public) != public_digest(new):
        damaged.append("manifest.json")
    for name in damaged:
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).replace(public / name)
        sync_folder((public / name).parent)
    try:
        read_hidden(home, read_competition(public))
    except UserError:
        aside = folder.with_name(f"{old.number}.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        if folder.exists():
            folder.rename(aside)
        hidden.rename(folder)
        sync_folder(folder.parent)
        damaged.append(f"the answers (the damaged ones are in {aside})")
    return damaged


def _key(home: Home) -> bytes:
    """The secret key of the course, created for a new course. Raises UserError E_KEY if it is lost."""
    if not (home.root / "public" / "course.json").exists():
        return home.key(create=True)
    if not (home.root / "secret" / "key").exists():
        raise UserError(
            f"{home.root / 'secret' / 'key'} is missing, and a new one would not match this course; restore it from a"
            " backup.",
            code="E_KEY",
            exit_code=10,
        )
    return course_key(home)


def _build(
    plan: Plan, new: Path, hidden: Path, version: int, seed: int | None, key: bytes, step: Step
) -> tuple[Competition, Answers, list[str]]:
    """Makes data, split and both folders; returns the description, the answers and the leaks found."""
    from tasks.kaggle import refuse_one_class
    from tasks.leaks import find_leaks
    from tasks.split import split

    new.mkdir(parents=True)
    hidden.parent.mkdir(mode=0o700, exist_ok=True)
    hidden.mkdir(mode=0o700)
    step("folders made")
    root = key if seed is None else fixed_key(seed)
    purpose = f"{plan.name}/{plan.edition}/{version if seed is None else 0}"
    made = plan.make(new, Streams(root).within(f"{purpose}/world"), hidden)
    assert made.secret == (hidden if any(hidden.iterdir()) else None)
    answers = split(made.answers, root, f"{purpose}/split", plan.rules.public_share)
    if plan.metric == "auc":
        refuse_one_class(plan.name, answers)
    competition = Competition(
        name=plan.name,
        title=plan.title,
        edition=plan.edition,
        version=version,
        source=plan.source,
        metrics=tuple(MetricCard(m.name, m.label, m.higher_is_better, m.digits) for m in plan.metrics),
        bars=plan.bars,
        rules=plan.rules,
        format=(made.form or plan.format).fit(answers),
        demo=seed is not None,
        two_boards=answers.usage is not None and PRIVATE in answers.usage.tolist(),
        judge=plan.judge.version() if plan.judge is not None and plan.judge.offline else None,
        size=plan.size,
    )
    _write_public(new, competition, plan.sheet, made.sample)
    step("public written")
    _write_secret(hidden, plan, competition, answers, key)
    assert plan.judge is None or not (*plan.judge.lacks(new), *plan.judge.lacks(hidden)), "make writes what check needs"
    step("secret written")
    leaks = find_leaks(new, replace(made, answers=answers))
    return competition, answers, [f"{leak.code}  {leak.message}" for leak in leaks]


def _try_metric(plan: Plan, hidden: Path, form: Format, answers: Answers) -> tuple[str, ...]:
    """The scores a metric file gives the solution and the sample submission. Raises UserError if it cannot."""
    from tasks import kaggle

    file = plan.metric_file
    if file is None:
        return ()
    assert isinstance(form, TableFormat)
    solution = hidden / SOLUTION
    ready = replace(file, form=form, usage=answers.usage, solution=solution, limits=kaggle.TRIAL)
    best, sample, warning = kaggle.try_out(ready, answers)
    found = f"on the public rows, {file.path.name} gives the solution {best:g}"
    if not math.isnan(sample):
        found += f" and the sample submission {sample:g}"
    return (f"{found}.", *([f"Warning: {warning}"] if warning else []))


def _write_public(folder: Path, competition: Competition, sheet: str, sample: bytes | None) -> None:
    from tasks.kaggle import sample_submission

    form = competition.format
    sample_file = f"sample_submission{form.suffix}"
    taken = [name for name in (sample_file, "sheet.md", "format.json", "manifest.json") if (folder / name).exists()]
    if taken:
        raise UserError(f"the public folder must not contain {', '.join(taken)}: lhy-grade writes these itself.")
    write_file(folder / sample_file, sample_submission(form) if sample is None else sample)
    write_file(folder / "sheet.md", sheet.encode())
    write_json(folder / "format.json", competition.to_json())


def _write_secret(folder: Path, plan: Plan, competition: Competition, answers: Answers, key: bytes) -> None:
    parts = save_answers(folder, answers)
    description = competition.to_json()
    write_json(folder / "format.json", description, mode=0o600)
    metric_id = "+".join(metric.name for metric in plan.metrics)
    if plan.metric_file is not None:
        write_file(folder / "metric.py", plan.metric_file.source, mode=0o600)
        metric_id = f"file:{plan.metric_file.digest[:16]}"
    values = {
        "name": plan.name,
        "edition": plan.edition,
        "metric": plan.metric,
        "metric_file": None if plan.metric_file is None else plan.metric_file.name,
        "higher_is_better": plan.metrics[0].higher_is_better,
        "metric_id": metric_id,
        "judge": None if plan.judge is None else plan.judge.version(),
        "columns": list(answers.columns),
        "format": digest_of(description),
        "form_file": hashlib.sha256((folder / "format.json").read_bytes()).hexdigest(),
        "data_version": data_version_of(parts, digest_of(description)),
        "bars": [hidden_bar_to_json(bar) for bar in plan.bars],
    }
    values = json.loads(json.dumps(values))  # as when read back
    write_json(folder / "competition.json", values | {"seal": seal_of(key, values)}, mode=0o600)


def _write_provenance(folder: Path, plan: Plan, version: int, seed: int | None, now: datetime) -> None:
    values = {"prepared_at": now.isoformat(), "version": version} | _fingerprint(plan, seed)
    write_json(folder / "provenance.json", values, mode=0o600)


def _write_manifest(folder: Path, competition: Competition, now: datetime) -> None:
    """Writes manifest.json (SHA-256 and size of every file), and one time stamp for all, which reveals nothing."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        files[path.relative_to(folder).as_posix()] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    about = {"schema": 1, "name": competition.name, "version": competition.version, "digest": digest_of_files(files)}
    write_json(folder / "manifest.json", about | {"files": files})
    for path in folder.rglob("*"):
        os.utime(path, (now.timestamp(), now.timestamp()))
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def damaged_files(public: Path) -> list[str]:
    """The names of changed files, then of missing and unlisted ones, compared to the manifest."""
    try:
        files = _listed(public)
    except (OSError, ValueError, KeyError):
        return ["manifest.json"]
    wrong = _wrong(public, files)
    files_here = [p for p in public.rglob("*") if p.is_file() and p.parent.name != "__pycache__"]  # of HW12's craft
    found = {p.relative_to(public).as_posix() for p in files_here} - {"manifest.json"}
    missing = [name for name in wrong if name not in found]
    return [name for name in wrong if name in found] + sorted({*missing, *(found - set(files))})


def _listed(public: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = json.loads((public / "manifest.json").read_text(encoding="utf-8"))["files"]
    return files


def _wrong(public: Path, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The sorted names of listed files that are missing or changed."""
    return sorted(
        name
        for name, entry in files.items()
        if not (public / name).is_file() or hashlib.sha256((public / name).read_bytes()).hexdigest() != entry["sha256"]
    )


def _write_course(home: Home, key: bytes) -> None:
    from leaderboard.receipts import public_key
    from tasks.split import derive

    path = home.root / "public" / "course.json"
    new = path.with_name(".course.json.new")
    write_json(new, {"schema": 1, "course": home.course, "receipt_key": public_key(derive(key, "receipts"))})
    new.replace(path)


def _last_version(home: Home, name: str) -> int:
    """The highest version ever started: old answers are never overwritten."""
    return max([0, *_present(home, name), *_kept(home, name)])


def _present(home: Home, name: str) -> list[int]:
    """The version that students have; if its description is damaged, all candidates."""
    if not home.public(name).exists():
        return []
    try:
        return [read_competition(home.public(name)).version]
    except UserError:
        return _kept(home, name)


def _kept(home: Home, name: str) -> list[int]:
    folder = home.root / "secret" / name
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []


def _hashes(source: Path) -> dict[str, str]:
    if source.is_file():
        return {source.name: _hash(source)}
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    return {path.relative_to(source).as_posix(): _hash(path) for path in paths}


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
