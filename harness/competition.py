"""Prepared competitions: the public description for students and the secret data for scoring.

`public/hw01/format.json` describes a competition without any answer; `secret/hw01/VERSION/` holds the answers as numpy
arrays (`usage.npy`, `groups.npy`, and `column-0.npy` for the first column of the answers), the files of the judge, the
instructor's part of the description as `competition.json`, and `provenance.json`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.home import ATTACHMENT, Home, locked, making, sync_folder
from tasks.base import METRICS_VERSION, Bar, Reproduction, Rules, UserError
from tasks.formats import Format, QuizFormat, format_from_json
from tasks.homeworks import canonical, find_task, packages_of, unknown

if TYPE_CHECKING:
    from leaderboard.competitions import Changed

SCHEMA = 1

HIDDEN_BARS = "hidden_bars"
"""Where a description in the database has the bars with their private thresholds."""

SOLUTION = "solution.csv"
"""The solution file of a competition with a metric file; missing in data of the first release."""


@dataclass(frozen=True)
class MetricCard:
    """The properties of a metric needed to show its scores."""

    name: str
    label: str
    higher_is_better: bool
    digits: int


@dataclass(frozen=True)
class Competition:
    """The public description of a prepared competition. `metrics[0]` ranks; `demo` marks a fixed, guessable seed.

    Without `two_boards` all rows are public, as in some homeworks of the course. `judge` is the version of a judge that
    needs nothing secret, so that `check` can compare it with the course's. `size` is that of built-in data.
    `written` is the digest of the format as its format.json has it, which an older release may have written.
    """

    name: str
    title: str
    edition: str
    version: int
    source: str
    metrics: tuple[MetricCard, ...]
    bars: tuple[Bar, ...]
    rules: Rules
    format: Format
    demo: bool
    two_boards: bool = True
    judge: str | None = None
    size: str | None = None
    written: str | None = field(default=None, compare=False)

    @property
    def ranking(self) -> MetricCard:
        return self.metrics[0]

    @property
    def quiz(self) -> bool:
        """Whether it has no public score and no board, and its points open by themselves after the deadline."""
        return isinstance(self.format, QuizFormat)

    @property
    def higher_is_better(self) -> dict[str, bool]:
        return {metric.name: metric.higher_is_better for metric in self.metrics}

    @property
    def key(self) -> str:
        """The competition's name in the database and on receipts: a new version starts an empty board."""
        return f"{self.name}/{self.version}"

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "name": self.name,
            "title": self.title,
            "edition": self.edition,
            "version": self.version,
            "source": self.source,
            "metrics": [asdict(metric) for metric in self.metrics],
            "bars": [bar_to_json(bar) for bar in self.bars],
            "rules": rules_to_json(self.rules),
            "demo": self.demo,
            "two_boards": self.two_boards,
            "judge": self.judge,
            "size": self.size,
            **self.format.to_json(),
        }


def rules_to_json(rules: Rules) -> dict[str, Any]:
    """The rules; those of a second file are left out while they are the defaults, as older releases have none."""
    return {
        name: value
        for name, value in asdict(rules).items()
        if name not in ATTACHMENT or value != getattr(Rules(), name)
    }


def bar_to_json(bar: Bar) -> dict[str, Any]:
    """A bar without its private thresholds, which are shown once the board is revealed."""
    values = asdict(bar)
    del values["private"]
    return values


def hidden_bar_to_json(bar: Bar) -> dict[str, Any]:
    """A bar with its private thresholds."""
    return bar_to_json(bar) | {"private": bar.private}


def bar_from_json(values: Mapping[str, Any]) -> Bar:
    """The inverse of `bar_to_json`; also reads private thresholds."""

    def conditions(rows: list[list[Any]]) -> tuple[tuple[str, float], ...]:
        return tuple((name, threshold) for name, threshold in rows)

    private = values.get("private")
    return Bar(
        name=values["name"],
        public=conditions(values["public"]),
        source=values["source"],
        private=None if private is None else conditions(private),
        points=(values["points"][0], values["points"][1]),
        digits=values["digits"],
        comparable=values.get("comparable", True),
        rounded=values.get("rounded", False),
        size=values.get("size"),
    )


def read_competition(public: Path) -> Competition:
    """The competition described in the folder `public`, which is all `check` needs.

    Raises UserError if nothing is prepared there or the description cannot be read.
    """
    path = public / "format.json"
    try:
        now = path.stat()
        return _read_competition(path, (now.st_mtime_ns, now.st_ino, now.st_size))
    except FileNotFoundError:
        if packages_of(public.name) is None:
            raise unknown(public.name, (one.name for one in public.parent.glob("[!.]*/"))) from None
        raise UserError(
            f"{public.name} is not prepared in this home; prepare it first: lhy-grade prepare {public.name}."
            " In a class, log in to the course's server: lhy-grade login URL"
        ) from None
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path} is damaged; get it again, or restore it with the command that made it, such as: lhy-grade prepare"
            f" {public.name}"
        ) from None


@lru_cache(maxsize=64)
def _read_competition(path: Path, _: tuple[int, int, int]) -> Competition:
    """A description, cached by modification time: a server reads it for every request."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if values["schema"] != SCHEMA:
        raise UserError(f"{path} was written by another version of lhy-grade; install the one that wrote it.")
    return competition_from_json(values)


def competition_from_json(values: Mapping[str, Any]) -> Competition:
    """The inverse of `Competition.to_json`."""
    return Competition(
        name=values["name"],
        title=values["title"],
        edition=values["edition"],
        version=values["version"],
        source=values["source"],
        metrics=tuple(MetricCard(**metric) for metric in values["metrics"]),
        bars=tuple(bar_from_json(bar) for bar in values["bars"]),
        rules=Rules(**values["rules"]),
        format=format_from_json(values),
        demo=values["demo"],
        two_boards=values.get("two_boards", True),
        judge=values.get("judge"),
        size=values.get("size"),
        written=digest_of(values),
    )


def find_competition(home: Home, name: str, version: int | None = None) -> Competition:
    """The prepared competition of that name, with its present rules and bars.

    `version` selects older data, which have their last rules, and placeholders for their ids.
    """
    from dataclasses import replace

    name = canonical(name)
    recover(home, name)
    if version is not None:
        return _of_version(home, name, version)
    competition, changed = read_competition(home.public(name)), home.changed(name)
    competition = replace(competition, rules=home.in_force(name, competition.rules, changed))
    refuse_best(competition)
    return _with_bars(competition, changed)


def _with_bars(competition: Competition, changed: Changed) -> Competition:
    """The competition with the public thresholds of the bars that were set on its data."""
    from dataclasses import replace

    bars = changed.bars.get(competition.key)
    if bars is None:
        return competition
    return replace(competition, bars=tuple(replace(bar_from_json(bar), private=None) for bar in bars))


def refuse_best(competition: Competition) -> None:
    """Raises UserError for a quiz of which the best public score would count: it has none."""
    if competition.quiz and competition.rules.unselected == "best_public":
        raise UserError(f"{competition.name}: the rule `unselected` must be first, last or all: it is a quiz.")


def _of_version(home: Home, name: str, version: int) -> Competition:
    from dataclasses import replace

    from leaderboard import competitions

    current = find_competition(home, name)
    if current.version == version:
        return current
    with home.database() as database:
        known = {data.number: data for data in competitions.all_data(database, name)}
    data = known.get(version)
    if data is None:
        numbers = ", ".join(str(number) for number in known)
        raise UserError(f"{name} has no data version {version}; there are: {numbers or 'none'}.", code="E_NOT_FOUND")
    if data.description is not None:
        return _with_bars(competition_from_json(data.description), home.changed(name))
    # Archived by an older release, which kept no description: edition and bars are enough for the board.
    old = replace(current, version=version)
    values = read_sealed(home, old)
    task = find_task(name)
    if task is not None and values["edition"] != current.edition:
        edition = task.edition(values["edition"])
        cards = tuple(MetricCard(m.name, m.label, m.higher_is_better, m.digits) for m in edition.metrics)
        rules = home.rules(name, edition.rules)
        old = replace(old, edition=edition.name, source=edition.source, metrics=cards, rules=rules)
    return replace(old, bars=tuple(bar_from_json(bar) for bar in values["bars"]))


def described(competition: Competition, hidden_bars: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """The description kept in the database, without a list of ids, to show boards without the home's folders.

    `hidden_bars` are those with private thresholds, as `hidden_bar_to_json` has them.
    """
    values = competition.to_json() | ({} if hidden_bars is None else {HIDDEN_BARS: list(hidden_bars)})
    if isinstance(values.get("ids"), list):
        values["ids"] = {"first": 1, "count": len(competition.format)}
    return values


def prepared(home: Home) -> list[str]:
    """The names of all prepared competitions, sorted."""
    folder = home.root / "public"
    if not folder.is_dir():
        return []
    return sorted(path.parent.name for path in folder.glob("[!.]*/format.json"))


def recover(home: Home, name: str) -> None:
    """Completes or undoes a change of data in which `prepare` was killed, according to the database."""
    public = home.root / "public"
    if (public / f".{name}.next").is_dir() or ((public / f".{name}.old").is_dir() and not home.public(name).exists()):
        with locked(home.root), making(public):
            finish_change(home, name)


def finish_change(home: Home, name: str, step: Callable[[str], None] = lambda name: None) -> None:
    """Moves the next public folder into place if the database has its data, else removes it; under the home's lock.

    A web process does not remove the answers: nothing reads them, and their version is not used again.
    """
    import shutil

    from leaderboard import competitions

    final = home.public(name)
    following, old = final.with_name(f".{name}.next"), final.with_name(f".{name}.old")
    if not following.is_dir() and not old.is_dir():
        return
    if following.is_dir():
        version = read_competition(following).version
        with home.database() as database:
            known = competitions.find(database, f"{name}/{version}")
        if known is None:
            shutil.rmtree(following)
            if not home.served:
                shutil.rmtree(home.secret(name, version), ignore_errors=True)
        else:
            if final.exists():
                shutil.rmtree(old, ignore_errors=True)
                final.rename(old)
                step("old moved away")
            following.rename(final)
            step("new in place")
    if old.is_dir() and not final.exists():
        old.rename(final)
    shutil.rmtree(old, ignore_errors=True)
    sync_folder(final.parent)


def digest_of(description: Mapping[str, Any]) -> str:
    """The SHA-256 of the format in a description, which ties secret data to their public folder.

    It is of the text as it was written, from `kind` on: a format that is read and written again by a later release may
    have other fields.
    """
    names = list(description)
    form = {name: description[name] for name in names[names.index("kind") :]}
    return hashlib.sha256(json.dumps(form).encode()).hexdigest()


UNSEALED = frozenset(
    ("name", "edition", "metric", "metric_file", "higher_is_better", "metric_id", "data_version", "bars")
)
"""The fields of a competition.json of the first release; later ones without a seal had `LATER` too."""
LATER = frozenset(("judge", "columns", "format"))


def seal_of(key: bytes, values: Mapping[str, Any]) -> str:
    """The seal of a competition.json, which reveals a change of any field."""
    text = json.dumps({name: value for name, value in values.items() if name != "seal"}, sort_keys=True)
    return hmac.new(key, b"competition\0" + text.encode(), "sha256").hexdigest()


def bars_seal(key: bytes, competition: str, bars: Sequence[Mapping[str, Any]], event: int) -> str:
    """The seal of the bars that were set by the event of that number."""
    return seal_of(key, {"competition": competition, "bars": list(bars), "event": event})


def changed_answers(competition: Competition, folder: Path) -> UserError:
    """The error for changed hidden files."""
    return UserError(
        f"the answers of {competition.name} were changed after they were made: in {folder} a file is damaged, missing"
        " or new. They are not used for grading; restore the folder from a backup.",
        code="E_ANSWERS_CHANGED",
        exit_code=10,
    )


def read_sealed(home: Home, competition: Competition) -> dict[str, Any]:
    """The competition.json of the secret folder, verified by its seal, with defaults for the first release."""
    folder, key = home.secret(competition.name, competition.version), home.key()
    try:
        values: dict[str, Any] = json.loads((folder / "competition.json").read_bytes())
        sealed = "seal" in values and hmac.compare_digest(values["seal"], seal_of(key, values))
        if not sealed and values.keys() | LATER != UNSEALED | LATER:
            raise ValueError
        columns = [column.name for column in getattr(competition.format, "columns", ())]
        return {"judge": None, "columns": columns, "format": None, "form_file": None, **values}
    except FileNotFoundError:
        raise UserError(
            f"the answers of {competition.name} are not in this home, so files can be checked but not scored;"
            f" prepare it here: lhy-grade prepare {competition.name}",
            code="E_NO_ANSWERS",
        ) from None
    except (OSError, ValueError, TypeError, AttributeError):
        raise changed_answers(competition, folder) from None


def metric_version_of(values: Mapping[str, Any]) -> str:
    judge = values.get("judge")
    return f"{values['metric_id']}|v:{METRICS_VERSION}" + (f"|judge:{judge}" if judge else "")


def refuse_one_board(competition: Competition) -> None:
    """Raises UserError if there is no private board, or none that somebody opens."""
    if competition.quiz:
        raise UserError(
            f"{competition.name} is a quiz: its points open by themselves after its deadline, extensions included.",
            code="E_NO_BOARD",
        )
    if not competition.two_boards:
        raise UserError(
            f"{competition.name} has only a public board: its edition {competition.edition} has no private"
            f" part. To end it, set a deadline: lhy-grade rules {competition.name} deadline=TIME",
            code="E_ONE_BOARD",
        )


def find_reproduction(competition: Competition) -> Reproduction | None:
    """The rule by which a model has to give an entry's rows again, where the homework's edition has one."""
    task = find_task(competition.name)
    return None if task is None else task.edition_of(competition.edition, competition.format).reproduction


def public_digest(public: Path) -> str | None:
    """The digest of a public folder's files by its manifest, or None if that cannot be read."""
    try:
        return digest_of_files(json.loads((public / "manifest.json").read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def digest_of_files(files: Mapping[str, Mapping[str, Any]]) -> str:
    """One SHA-256 for the files of a manifest: of the lines that sha256sum would print."""
    lines = (f"{entry['sha256']}  {name}\n" for name, entry in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()
