"""The folders of a competition, written whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.answers import KEPT, data_version_of, kept_digest, save_answers
from harness.competition import (
    SOLUTION,
    Competition,
    MetricCard,
    digest_of,
    digest_of_files,
    hidden_bar_to_json,
    seal_of,
)
from harness.extras import check_bars, scores_of
from harness.home import Home, write_file, write_json
from harness.plans import Plan, Step, fingerprint
from leaderboard.receipts import public_key
from tasks.apart import FORKS
from tasks.base import PRIVATE, PUBLIC, Answers, UserError
from tasks.formats import Format, TableFormat
from tasks.named import metric_id as metric_id_of
from tasks.split import split
from tasks.streams import Streams, derive, fixed_key


def build_folders(
    plan: Plan,
    new: Path,
    hidden: Path,
    version: int,
    seed: int | None,
    key: bytes,
    step: Step,
    sides: Mapping[str, int] | None = None,
) -> tuple[Competition, Answers, list[str]]:
    """Makes data, split and both folders; returns the description, the answers and the leaks found.

    With `sides`, the public and private rows by id, those of the same ids stay on their sides. Raises UserError E_SIDES
    where the data want another split.
    """
    from tasks.leaks import find_leaks
    from tasks.own import check_boards

    new.mkdir(parents=True)
    hidden.parent.mkdir(mode=0o700, exist_ok=True)
    hidden.mkdir(mode=0o700)
    step("folders made")
    root = key if seed is None else fixed_key(seed)
    purpose = f"{plan.name}/{plan.edition}/{version if seed is None else 0}"
    made = plan.make(new, Streams(root).within(f"{purpose}/world"), hidden)
    assert made.secret == (hidden if any(hidden.iterdir()) else None)
    answers = split(made.answers, root, f"{purpose}/split", plan.rules.public_share)
    if sides is not None and sides.keys() == {str(one) for one in answers.ids}:
        answers = _kept_sides(made.answers, answers, sides)
    check_boards(plan.name, plan.metric, answers)
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


def _kept_sides(given: Answers, answers: Answers, sides: Mapping[str, int]) -> Answers:
    """The answers with the sides of an earlier split. Raises UserError E_SIDES where the data name other ones."""
    import numpy as np

    usage = np.array([sides[str(one)] for one in answers.ids], dtype=np.int8)
    if given.usage is not None and (moved := int((given.usage != usage).sum())):
        raise UserError(
            f"{moved:,} rows would go from one board to the other, and people know something of the public ones: leave"
            " the split as it is, or begin an empty board with --new-data.",
            code="E_SIDES",
            exit_code=8,
        )
    return replace(answers, usage=usage)


def try_metric(plan: Plan, hidden: Path, form: Format, answers: Answers) -> tuple[str, ...]:
    """The scores a metric file gives the solution and the sample submission.

    Raises UserError if it cannot score them, and for a bar of an own competition that the sample clears or the solution
    does not.
    """
    from tasks import kaggle, tryout
    from tasks.samples import sample_rows
    from tasks.texts import refuse_slow

    file = plan.metric_file
    if plan.metric == "ter" and FORKS:
        refuse_slow(plan.metrics[0], answers.columns, kaggle.TRIAL)
    if file is None:
        if plan.metric is not None and plan.bars:
            known = plan.sample
            if known is None:
                assert isinstance(form, TableFormat)
                known = sample_rows(form)
            sides = (answers.usage == PUBLIC, answers.usage == PRIVATE)
            best, least = (
                scores_of(plan.metrics[0], answers.columns, rows, sides) for rows in (answers.columns, known)
            )
            check_bars(plan.bars, plan.metrics[0], least, best)
        return ()
    solution = hidden / SOLUTION
    kept = hidden / "metric.py"
    ready = replace(file, form=form, usage=answers.usage, solution=solution, limits=kaggle.TRIAL, kept=kept, trial=True)
    tried = tryout.try_out(ready, answers)
    check_bars(plan.bars, plan.metrics[0], tried.sample, tried.solution)
    scores = (("the solution", tried.solution), ("the sample submission", tried.sample))
    given = " and ".join(f"{what} {score[0]:g}" for what, score in scores if score is not None)
    found = f"on the public rows, {file.path.name} gives {given or 'no score'}"
    notes = [f"Warning: {tried.warning}"] if tried.warning else []
    missing = (
        (tried.solution, "the solution, which is no submission: check that somebody can reach it"),
        (tried.sample, "the sample submission, which the metric refuses: check that not everybody clears it"),
    )
    for bar in plan.bars:
        notes += [f"Note: bar {bar.name} was not compared with {why}." for score, why in missing if score is None]
    return (f"{found}.", *notes)


def _write_public(folder: Path, competition: Competition, sheet: str, sample: bytes | None) -> None:
    from tasks.samples import sample_submission

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
    for name, data in plan.kept:
        (folder / KEPT).mkdir(mode=0o700, exist_ok=True)
        write_file(folder / KEPT / name, data, mode=0o600)
    description = competition.to_json()
    write_json(folder / "format.json", description, mode=0o600)
    metric_id = "+".join(metric_id_of(metric, dict(plan.options)) for metric in plan.metrics)
    if plan.signature is not None:
        metric_id += f"|{plan.signature}"
    if plan.metric_file is not None:
        write_file(folder / "metric.py", plan.metric_file.source, mode=0o600)
        metric_id = plan.metric_file.identity
    values = {
        "name": plan.name,
        "edition": plan.edition,
        "metric": plan.metric,
        "metric_options": dict(plan.options),
        "metric_file": None if plan.metric_file is None else plan.metric_file.name,
        "metric_rows": plan.metric_file is not None and plan.metric_file.per_row,
        "metric_texts": plan.metric_file is not None and plan.metric_file.texts,
        "higher_is_better": plan.metrics[0].higher_is_better,
        "metric_id": metric_id,
        "judge": None if plan.judge is None else plan.judge.version(),
        "columns": list(answers.columns),
        "format": digest_of(description),
        "form_file": hashlib.sha256((folder / "format.json").read_bytes()).hexdigest(),
        "data_version": data_version_of(parts, digest_of(description)),
        "bars": [hidden_bar_to_json(bar) for bar in plan.bars],
        "kept": kept_digest(folder),
    }
    values = json.loads(json.dumps(values))  # as when read back
    write_json(folder / "competition.json", values | {"seal": seal_of(key, values)}, mode=0o600)


def write_provenance(folder: Path, plan: Plan, version: int, seed: int | None, now: datetime) -> None:
    values = {"prepared_at": now.isoformat(), "version": version} | fingerprint(plan, seed)
    write_json(folder / "provenance.json", values, mode=0o600)


def write_manifest(folder: Path, competition: Competition, now: datetime) -> None:
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
        files = listed_files(public)
    except (OSError, ValueError, KeyError):
        return ["manifest.json"]
    wrong = wrong_files(public, files)
    files_here = [p for p in public.rglob("*") if p.is_file() and p.parent.name != "__pycache__"]  # of HW12's craft
    found = {p.relative_to(public).as_posix() for p in files_here} - {"manifest.json"}
    missing = [name for name in wrong if name not in found]
    return [name for name in wrong if name in found] + sorted({*missing, *(found - set(files))})


def listed_files(public: Path) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = json.loads((public / "manifest.json").read_text(encoding="utf-8"))["files"]
    return files


def wrong_files(public: Path, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The sorted names of listed files that are missing or changed."""
    return sorted(
        name
        for name, entry in files.items()
        if not (public / name).is_file() or hashlib.sha256((public / name).read_bytes()).hexdigest() != entry["sha256"]
    )


def write_course(home: Home, key: bytes) -> None:
    path = home.root / "public" / "course.json"
    new = path.with_name(".course.json.new")
    write_json(new, {"schema": 1, "course": home.course, "receipt_key": public_key(derive(key, "receipts"))})
    new.replace(path)
