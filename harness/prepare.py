"""Preparing a competition: data for students, hidden answers, the split, leak checks, and one atomic switch.

Everything is built in folders next to the final ones. One database transaction then makes the new data current; two
renames after it exchange the public folder, and `harness.competition.finish_change` completes or undoes an interrupted
change. The same plan makes the same data again, so preparing twice only restores damaged files.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.answers import course_key, load_answers, read_hidden, receipts_key, refuse_changed_source
from harness.archive import make_archive
from harness.build import (
    build_folders,
    listed_files,
    try_metric,
    write_course,
    write_manifest,
    write_provenance,
    wrong_files,
)
from harness.competition import (
    Competition,
    described,
    finish_change,
    hidden_bar_to_json,
    public_digest,
    read_competition,
)
from harness.home import CONFIG, Home, keep_keys, locked, making, sync_folder, write_file
from harness.plans import Plan, Step, fingerprint
from harness.versions import find_data, written_versions
from leaderboard import adjustments, attachments, carried, competitions, events, receipts, records, results, roster
from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Rules, UserError

if TYPE_CHECKING:
    from leaderboard.competitions import Data


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


def prepare(
    home: Home,
    plan: Plan,
    *,
    seed: int | None,
    accept_leaks: bool,
    now: datetime,
    new_data: bool = False,
    reason: str = "",
    without: Collection[int] | None = None,
    expected: str | None = None,
    actor: str = "instructor",
    step: Step = lambda name: None,
) -> Prepared:
    """Makes the competition of `plan` in `home`, or changes nothing.

    If the same plan was prepared before, only damaged files are restored. With `new_data`, new data replace the old:
    the old board stays readable, extensions carry over, and waiting submissions are still graded. The new board begins
    empty or, where `without` is given, with all submissions but these, which then wait for their grades, and rows stay
    on their board. With `seed`, data and split depend only on that number, so that anyone can reproduce them: for demos
    and tests. `expected` is the key of the data that the caller knows of.

    Raises UserError E_EXISTS for a different plan, or one that now makes different data, without `new_data`;
    E_REASON if a reason is needed; E_LEAK if a leak check fails; E_CHANGED if other data were made meanwhile; and
    E_SIDES as `build_folders` does.
    """
    with locked(home.root), making(home.root):
        key = _key(home)
        keep_keys(home, key)
        finish_change(home, plan.name)
        old = _current(home, plan.name)
        if old is not None and not new_data:
            return _again(home, plan, old, seed, key, now)
        if expected is not None and (old is None or old.key != expected):
            raise UserError(f"{plan.name} was changed meanwhile; look at it again.", code="E_CHANGED", exit_code=8)
        hides = hidden_by_new_data(home, plan.name, reason)
        goes_on = without is not None and hides is not None and hides.submissions
        sides = sides_of(home, plan.name) if goes_on else None
        if not (home.root / "config.toml").exists():
            write_file(home.root / "config.toml", CONFIG.encode(), mode=0o600)
        version = following_version(home, plan.name, old)
        final = home.public(plan.name)
        new, hidden = final.with_name(f".{plan.name}.new"), home.secret(plan.name, version)
        shutil.rmtree(new, ignore_errors=True)
        try:
            competition, answers, leaks = build_folders(plan, new, hidden, version, seed, key, step, sides)
            notes = try_metric(plan, hidden, competition.format, answers)
            if leaks and not accept_leaks:
                raise UserError(
                    "\n".join(["the data give away answers; nothing was changed.", *leaks]), code="E_LEAK", exit_code=8
                )
            write_provenance(hidden, plan, version, seed, now)
            write_manifest(new, competition, now)
            make_archive(home, competition, new)
            write_course(home, key)
            if old is not None:
                _keep_form(home, old)
            step("checked")
            new.rename(final.with_name(f".{plan.name}.next"))
            step("next to come")
        except BaseException:
            _remove(new, hidden)
            raise
        _take(home, plan, competition, old, hides, without, seed, actor, reason, now)
        step("in the database")
        finish_change(home, plan.name, step)
    return replace(_prepared(home, competition, answers, tuple(leaks)), notes=notes)


def _remove(new: Path, hidden: Path) -> None:
    """Removes folders that were begun, and the one of all hidden folders of the competition where it is empty."""
    for folder in (new, hidden):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):  # it is not empty
        hidden.parent.rmdir()


def sides_of(home: Home, name: str) -> dict[str, int]:
    """The public and private rows of the current data of a competition, by id."""
    competition = read_competition(home.public(name))
    answers = load_answers(read_hidden(home, competition), competition.format)
    assert answers.usage is not None, "it was split"
    return dict(zip(map(str, answers.ids), answers.usage.tolist(), strict=True))


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
        board = f"Version {version} has {counted(self.submissions, 'submission')} from {counted(self.people, 'person')}"
        lines = [f"{board}; its board is archived and stays readable: lhy-grade leaderboard {name} --version {version}"]
        if self.waiting:
            lines.append(f"{counted(self.waiting, 'submission')} without a score yet: still graded, for that board.")
        if self.extensions:
            lines.append(f"{counted(self.extensions, 'extension')}: copied to the new data.")
        if self.revealed:
            lines.append("Its private board stays revealed; that of the new data is hidden.")
        return lines


def counted(number: int, what: str) -> str:
    """A number and what it counts.

    >>> counted(1, "person"), counted(2, "person"), counted(1000, "file")
    ('1 person', '2 people', '1,000 files')
    """
    return f"{number:,} {what if number == 1 else {'person': 'people'}.get(what, what + 's')}"


def hidden_by_new_data(home: Home, name: str, reason: str) -> Hides | None:
    """The board that new data would replace, or None without data.

    Raises UserError E_REASON if there are submissions or a class and no reason is given.
    """
    old = _current(home, name)
    if old is None:
        return None
    with home.database() as database:
        people = {one.name for one in records.participants(database, old.key) if one.kind == "person"}
        found = Hides(
            old.key,
            len(people),
            records.count_submissions(database, old.key),
            len(results.pending(database, {old.key: old.versions})),
            len(adjustments.extensions(database, old.key)),
            records.revealed(database, old.key) is not None,
        )
        of_a_class = not roster.is_empty(database)
    if reason:
        roster.checked_reason(reason)
    elif found.submissions or of_a_class:
        whose = counted(found.submissions, "submission") if found.submissions else "a class"
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
    without: Collection[int] | None,
    seed: int | None,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    """Makes the new data current in the database, in one transaction."""
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
            rules = home.rules(plan.name, Rules(**old.description["rules"]), database)
            frozen = {**old.description, "rules": asdict(rules)}
            competitions.describe(database, replace(old, description=frozen))
        competitions.add(database, data, competition.ranking.higher_is_better)
        events.append(database, "prepared", actor, body, now)
        if old is not None:
            adjustments.carry_extensions(database, old.key, data.key, actor, now)
        if old is not None and without is not None:
            sign = receipts.signer(receipts_key(home))
            carried.carry_submissions(database, old.key, data.key, without, sign=sign, actor=actor, now=now)
        if old is not None:
            attachments.carry_members(database, old.key, data.key, actor, now)


def _keep_form(home: Home, old: Data) -> None:
    """Keeps the format of data prepared by an older release next to their answers, to read waiting submissions."""
    kept, public = home.secret(old.name, old.number) / "format.json", home.public(old.name)
    with contextlib.suppress(UserError, OSError):
        if not kept.exists() and read_competition(public).version == old.number:
            write_file(kept, (public / "format.json").read_bytes(), mode=0o600)


def _again(home: Home, plan: Plan, old: Data, seed: int | None, key: bytes, now: datetime) -> Prepared:
    """Confirms that the data of this plan exist, and restores damaged files, which must come out identical."""
    public, folder = home.public(plan.name), home.secret(plan.name, old.number)
    said, wanted = _said(folder, old), fingerprint(plan, seed)
    other = [name for name, value in wanted.items() if name in said and said[name] != value]
    if other:
        raise _exists(old, f"they were prepared with another {' and another '.join(other)}".replace("_", " "))
    whole = _whole(home, old)
    if whole is not None and all(name in said or value is None for name, value in wanted.items()):
        return replace(_prepared(home, *whole, ()), already=True)
    new, hidden = public.with_name(f".{plan.name}.new"), folder.with_name(f".{old.number}.new")
    _remove(new, hidden)
    try:
        competition, answers, _ = build_folders(plan, new, hidden, old.number, seed, key, lambda name: None)
        made_at = old.prepared_at or now
        write_provenance(hidden, plan, old.number, seed, made_at)
        write_manifest(new, competition, made_at)
        restored = _restore(home, old, new, hidden)
    except UserError:
        if whole is not None and "usage" in wanted and "usage" not in said:
            raise _exists(old, "they were prepared with another usage") from None
        raise
    finally:
        _remove(new, hidden)
    return replace(_prepared(home, competition, answers, ()), already=True, restored=tuple(restored))


def _exists(old: Data, why: str) -> UserError:
    return UserError(
        f"{old.name} already has data (version {old.number}), and {why}. To make other data, which archives its board,"
        " add --new-data.",
        code="E_EXISTS",
        exit_code=8,
    )


def _said(folder: Path, old: Data) -> dict[str, Any]:
    """The recorded fingerprint of data, as far as known for those prepared by an older release."""
    said: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        said = dict(json.loads((folder / "provenance.json").read_bytes()))
        if said.get("usage") is None:  # it was drawn, perhaps as a file says that was exported since
            said.pop("usage", None)
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
        if (
            competition.version != old.number
            or public_digest(public) != old.digest
            or wrong_files(public, listed_files(public))
        ):
            return None
        hidden = read_hidden(home, competition)
        refuse_changed_source(competition, hidden)
        return competition, load_answers(hidden, competition.format)
    except UserError:
        return None


def _restore(home: Home, old: Data, new: Path, hidden: Path) -> list[str]:
    """Replaces damaged files with newly made ones and returns their names.

    Raises UserError, and changes nothing, if the new files differ from the original ones.
    """
    public, folder = home.public(old.name), home.secret(old.name, old.number)
    otherwise = _exists(
        old, "this lhy-grade makes other data from the same plan; damaged files can only be restored from a backup"
    )
    made = json.loads((hidden / "competition.json").read_bytes())
    if made["data_version"] != old.data_version:
        raise otherwise
    if old.digest not in (None, public_digest(new)):
        raise otherwise
    damaged = wrong_files(public, listed_files(new))
    if public_digest(public) != public_digest(new):
        damaged.append("manifest.json")
    for name in damaged:
        (public / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).replace(public / name)
        sync_folder((public / name).parent)
    try:
        refuse_changed_source(read_competition(public), read_hidden(home, read_competition(public)))
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


def following_version(home: Home, name: str, old: Data | None) -> int:
    """The version of the next data."""
    return max(_last_version(home, name), old.number if old else 0) + 1


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
