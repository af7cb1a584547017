"""Preparing a competition: data for students, hidden answers, the split, leak checks, and one atomic change of state.

Everything is built in folders beside the final ones. The secret side goes to a folder of its own version first; the
public folder is then exchanged by two renames, and a kill between them is mended by `harness.competition.recover`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.competition import (
    Competition,
    MetricCard,
    bar_to_json,
    course_key,
    data_version_of,
    digest_of,
    read_competition,
    recover,
    save_answers,
    seal_of,
)
from harness.home import CONFIG, Home, locked, making, sync_folder, write_file, write_json
from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Bar, Edition, Format, Judge, Made, Metric, Rules, UserError
from tasks.homeworks import canonical, find_task, module_of
from tasks.streams import Streams, fixed_key

Step = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """What `prepare` did: the public folder, how many rows are hidden, and the warnings for the instructor."""

    competition: Competition
    folder: Path
    n_public: int
    n_private: int
    n_ignored: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All that is known of a competition before its data are made."""

    name: str
    title: str
    edition: str
    source: str
    format: Format
    metrics: tuple[Metric, ...]
    bars: tuple[Bar, ...]
    rules: Rules
    sheet: str
    make: Callable[[Path, Streams], Made]
    metric: str | None = None
    metric_file: Path | None = None
    judge: Judge | None = None
    provenance: tuple[tuple[str, Any], ...] = ()


def plan_homework(name: str, edition_name: str | None, source: Path | None, size: str) -> Plan:
    """The plan of one of the course's homeworks. Raises UserError for an unknown homework, edition or missing files."""
    from importlib import resources

    name = canonical(name)
    task = find_task(name)
    if task is None:
        raise UserError(
            f"there is no homework {name} in this version; `lhy-grade tasks` lists what there is,"
            f" and `lhy-grade new {name} --solution FILE --metric METRIC` makes a competition of your own."
        )
    edition = task.edition(edition_name)
    if edition.official and source is None:
        raise UserError(
            f"edition {edition.name} is made from the course's own files: add --from FOLDER-OR-ZIP."
            f" Without files, use the built-in data: --edition {task.editions[0].name}."
        )
    if source is not None and not edition.official:
        official = ", ".join(e.name for e in task.editions if e.official)
        if not official:
            raise UserError(f"{name} is made without files of the course; leave --from away.")
        raise UserError(f"--from needs the edition that the files belong to: add --edition, one of {official}.")
    if source is not None and not source.exists():
        raise UserError(f"--from: there is nothing at {source}.")
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
        bars=edition.bars,
        rules=edition.rules,
        sheet=sheet,
        make=_maker(edition, size, source),
        judge=edition.judge,
        provenance=(
            ("size", size if not edition.official else None),
            ("files", None if source is None else _hashes(source)),
        ),
    )


def _maker(edition: Edition, size: str, source: Path | None) -> Callable[[Path, Streams], Made]:
    return lambda public, streams: edition.make(public, streams, size, source)


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
    """The plan of a competition of one's own, from a solution file in Kaggle's layout and a metric.

    `metric` is a name of `tasks.kaggle.OWN_METRICS` or the path of a Python file with Kaggle's
    `score(solution, submission, row_id_column_name)`, for which the direction must be given.
    Raises UserError for anything that does not fit.
    """
    from tasks.kaggle import OWN_METRICS, for_auc, named_metric, own_format, read_solution, score_file

    name = canonical(name)
    if find_task(name) is not None:
        raise UserError(f"{name} is a homework of the course; choose another name for a competition of your own.")
    if not 0 < public_share < 1:
        raise UserError(f"--public-share must lie between 0 and 1, got {public_share}.")
    metric_file = None
    if metric in OWN_METRICS:
        chosen = named_metric(metric)
        if higher_is_better is not None and higher_is_better != chosen.higher_is_better:
            raise UserError(f"{metric} has its own direction; leave --higher-is-better and --lower-is-better away.")
    elif metric.endswith(".py"):
        metric_file = Path(metric)
        if higher_is_better is None:
            raise UserError("a metric file does not say its direction: add --higher-is-better or --lower-is-better.")
        chosen = score_file(metric_file, higher_is_better=higher_is_better, name=metric_file.stem)
    else:
        raise UserError(
            f"--metric must be one of {', '.join(OWN_METRICS)} or a Python file that ends in .py; got {metric!r}."
        )
    if public is not None and not public.is_dir():
        raise UserError(f"--public must be a folder with what students get; there is none at {public}.")
    parsed = read_solution(solution)
    numeric = metric in ("rmse", "mse", "mae", "auc")
    form, answers = own_format(
        parsed, numeric=numeric, whole=metric_file is None, bounded=metric in ("rmse", "mse", "mae")
    )
    answers = for_auc(parsed, answers) if metric == "auc" else answers

    def make(folder: Path, streams: Streams) -> Made:
        if public is not None:
            shutil.copytree(public, folder, dirs_exist_ok=True, symlinks=False)
        return Made(answers)

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
        provenance=(("solution", hashlib.sha256(solution.read_bytes()).hexdigest()),),
    )


def prepare(
    home: Home,
    plan: Plan,
    *,
    seed: int | None,
    replace_old: bool,
    accept_leaks: bool,
    now: datetime,
    reason: str = "",
    step: Step = lambda name: None,
) -> Prepared:
    """Makes the competition of `plan` in `home`, or leaves what was there as it was.

    With `seed` the data and the split follow from that number alone, which anybody can repeat: for demos and tests.
    Raises UserError where submissions exist and `replace_old` is not given, or no reason where a class handed them in,
    and where a leak check fails.
    """
    with locked(home.root), making(home.root):
        recover(home, plan.name)
        final = home.public(plan.name)
        entries = _entries(home, plan.name)
        if entries and not replace_old:
            raise UserError(
                f"{plan.name} has {entries} submissions. To make it anew, which starts an empty board and keeps the old"
                " submissions and answers, add --replace.",
                code="E_EXISTS",
                exit_code=8,
            )
        reason = _reason(home, plan.name, entries, reason)
        key = _key(home)
        if not (home.root / "config.toml").exists():
            write_file(home.root / "config.toml", CONFIG.encode(), mode=0o600)
        version = _last_version(home, plan.name) + 1
        new, hidden = final.with_name(f".{plan.name}.new"), home.secret(plan.name, version)
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir(parents=True)
            hidden.parent.mkdir(mode=0o700, exist_ok=True)
            hidden.mkdir(mode=0o700)
            step("folders made")
            root = key if seed is None else fixed_key(seed)
            purpose = f"{plan.name}/{plan.edition}/{version if seed is None else 0}"
            competition, answers, leaks = _build(plan, new, hidden, version, root, purpose, key, seed is not None, step)
            if leaks and not accept_leaks:
                raise UserError(
                    "\n".join(["the data give answers away; nothing was changed.", *leaks]), code="E_LEAK", exit_code=8
                )
            _write_provenance(hidden, plan, version, seed, now)
            _write_manifest(new, now)
            _write_course(home, key)
            step("checked")
        except BaseException:
            for folder in (new, hidden):
                shutil.rmtree(folder, ignore_errors=True)
            raise

        old = final.with_name(f".{plan.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
            step("old moved away")
        new.rename(final)
        step("new in place")
        shutil.rmtree(old, ignore_errors=True)
        sync_folder(final.parent)

    _log(home, competition, seed, reason, now)
    usage = answers.usage
    assert usage is not None
    return Prepared(
        competition=competition,
        folder=final,
        n_public=int((usage == PUBLIC).sum()),
        n_private=int((usage == PRIVATE).sum()),
        n_ignored=int((usage == IGNORED).sum()),
        warnings=tuple(leaks),
    )


def _key(home: Home) -> bytes:
    """The secret key of the course, made where there is no course yet. Raises UserError E_KEY where it was lost."""
    if not (home.root / "public" / "course.json").exists():
        return home.key(create=True)
    if not (home.root / "secret" / "key").exists():
        raise UserError(
            f"{home.root / 'secret' / 'key'} is missing, and a new one would not fit this course; restore it from a"
            " backup.",
            code="E_KEY",
            exit_code=10,
        )
    return course_key(home)


def _build(
    plan: Plan, new: Path, hidden: Path, version: int, root: bytes, purpose: str, key: bytes, demo: bool, step: Step
) -> tuple[Competition, Answers, list[str]]:
    """Makes data, split and both folders; returns the description, the answers and what the leak checks found."""
    from tasks.kaggle import refuse_one_class
    from tasks.leaks import find_leaks
    from tasks.split import split

    made = plan.make(new, Streams(root).within(f"{purpose}/world"))
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
        demo=demo,
        two_boards=answers.usage is not None and PRIVATE in answers.usage.tolist(),
        judge=plan.judge.version() if plan.judge is not None and plan.judge.offline else None,
    )
    _write_public(new, competition, plan.sheet, made.sample)
    step("public written")
    _write_secret(hidden, plan, competition.format, answers, made.secret, key)
    step("secret written")
    leaks = find_leaks(new, replace(made, answers=answers))
    return competition, answers, [f"{leak.code}  {leak.message}" for leak in leaks]


def _write_public(folder: Path, competition: Competition, sheet: str, sample: bytes | None) -> None:
    from tasks.kaggle import sample_submission

    form = competition.format
    sample_file = f"sample_submission{form.suffix}"
    taken = [name for name in (sample_file, "sheet.md", "format.json", "manifest.json") if (folder / name).exists()]
    if taken:
        raise UserError(f"the public folder must not hold {', '.join(taken)}: lhy-grade writes these itself.")
    write_file(folder / sample_file, sample_submission(form) if sample is None else sample)
    write_file(folder / "sheet.md", sheet.encode())
    write_json(folder / "format.json", competition.to_json())


def _write_secret(
    folder: Path, plan: Plan, form: Format, answers: Answers, files: Mapping[str, bytes], key: bytes
) -> None:
    parts = save_answers(folder, answers, files)
    metric_id = "+".join(metric.name for metric in plan.metrics)
    if plan.metric_file is not None:
        code = plan.metric_file.read_bytes()
        write_file(folder / "metric.py", code, mode=0o600)
        metric_id = f"file:{hashlib.sha256(code).hexdigest()[:16]}"
    values = {
        "name": plan.name,
        "edition": plan.edition,
        "metric": plan.metric,
        "metric_file": None if plan.metric_file is None else plan.metric_file.stem,
        "higher_is_better": plan.metrics[0].higher_is_better,
        "metric_id": metric_id,
        "judge": None if plan.judge is None else plan.judge.version(),
        "columns": list(answers.columns),
        "format": digest_of(form),
        "data_version": data_version_of(parts, digest_of(form)),
        "bars": [bar_to_json(bar) | {"private": bar.private} for bar in plan.bars],
    }
    values = json.loads(json.dumps(values))  # as it is read again
    write_json(folder / "competition.json", values | {"seal": seal_of(key, values)}, mode=0o600)


def _write_provenance(folder: Path, plan: Plan, version: int, seed: int | None, now: datetime) -> None:
    values = {"prepared_at": now.isoformat(), "edition": plan.edition, "version": version, "fixed_seed": seed}
    write_json(folder / "provenance.json", values | dict(plan.provenance), mode=0o600)


def _write_manifest(folder: Path, now: datetime) -> None:
    """SHA-256 and size of every file, and one time stamp for all, so that none tells anything."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        files[path.relative_to(folder).as_posix()] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    write_json(folder / "manifest.json", {"schema": 1, "files": files})
    for path in folder.rglob("*"):
        os.utime(path, (now.timestamp(), now.timestamp()))
        if path.is_file():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())


def damaged_files(public: Path) -> list[str]:
    """The names of files that the manifest lists and that are missing or changed, and of those it does not list."""
    try:
        files = json.loads((public / "manifest.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return ["manifest.json"]
    found = {p.relative_to(public).as_posix() for p in public.rglob("*") if p.is_file()} - {"manifest.json"}
    wrong = [
        name
        for name, entry in files.items()
        if name in found and hashlib.sha256((public / name).read_bytes()).hexdigest() != entry["sha256"]
    ]
    return sorted(wrong) + sorted(found ^ set(files))


def _write_course(home: Home, key: bytes) -> None:
    from leaderboard.receipts import public_key
    from tasks.split import derive

    path = home.root / "public" / "course.json"
    new = path.with_name(".course.json.new")
    write_json(new, {"schema": 1, "course": home.course, "receipt_key": public_key(derive(key, "receipts"))})
    new.replace(path)


def _last_version(home: Home, name: str) -> int:
    """The highest version that was ever begun: an old one's answers are never written over."""
    return max([0, *_present(home, name), *_kept(home, name)])


def _present(home: Home, name: str) -> list[int]:
    """The version that students have; where its description is damaged, all that it can be."""
    if not home.public(name).exists():
        return []
    try:
        return [read_competition(home.public(name)).version]
    except UserError:
        return _kept(home, name)


def _kept(home: Home, name: str) -> list[int]:
    folder = home.root / "secret" / name
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []


def _entries(home: Home, name: str) -> int:
    from leaderboard import store

    versions = _present(home, name)
    if not versions:
        return 0
    with home.database() as database:
        return sum(store.count_submissions(database, f"{name}/{version}") for version in versions)


def _hashes(source: Path) -> dict[str, str]:
    if source.is_file():
        return {source.name: hashlib.sha256(source.read_bytes()).hexdigest()}
    paths = sorted(path for path in source.rglob("*") if path.is_file())
    return {path.relative_to(source).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def _reason(home: Home, name: str, entries: int, reason: str) -> str:
    """The reason as it is kept. Raises UserError where a class's board would be emptied without one."""
    from leaderboard import roster

    if reason:
        return roster.checked_reason(reason)
    if entries:
        with home.database() as database:
            if roster.people(database):
                raise UserError(
                    f"{name} has {entries} submissions of a class, whose board would be empty: add --reason TEXT, which"
                    " is kept in the log.",
                    code="E_REASON",
                )
    return reason


def _log(home: Home, competition: Competition, seed: int | None, reason: str, now: datetime) -> None:
    from leaderboard import store

    with home.database() as database:
        body = {"competition": competition.key, "edition": competition.edition, "fixed_seed": seed, "reason": reason}
        store.log_event(database, "prepared", "instructor", body, now)
