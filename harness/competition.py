"""Prepared competitions: the public description for students and the secret data for scoring.

`public/hw01/format.json` describes a competition without any answer; `secret/hw01/VERSION/` holds the answers as numpy
arrays (`usage.npy`, `groups.npy`, and `column-0.npy` for the first column of the answers), the files of the judge, the
instructor's part of the description as `competition.json`, and `provenance.json`.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.home import Home, keep_file, locked, making, sync_folder, write_file
from tasks.base import METRICS_VERSION, Answers, Bar, Judge, Reproduction, Rules, UserError
from tasks.formats import Format, QuizFormat, TableFormat, format_from_json
from tasks.homeworks import canonical, find_task, module_of, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from leaderboard.competitions import Data
    from leaderboard.database import Database
    from tasks.kaggle import ScoreFile
    from tasks.metrics import Metric

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
            "rules": asdict(self.rules),
            "demo": self.demo,
            "two_boards": self.two_boards,
            "judge": self.judge,
            "size": self.size,
            **self.format.to_json(),
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
        if module_of(public.name) is None:
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
    """The prepared competition of that name, with the rules of config.toml applied.

    `version` selects older data, which have their last rules, and placeholders for their ids.
    """
    from dataclasses import replace

    name = canonical(name)
    recover(home, name)
    if version is not None:
        return _of_version(home, name, version)
    competition = read_competition(home.public(name))
    competition = replace(competition, rules=home.rules(name, competition.rules))
    refuse_best(competition)
    return competition


def refuse_best(competition: Competition) -> None:
    """Raises UserError for a quiz of which the best public score would count: it has none."""
    if competition.quiz and competition.rules.unselected == "best_public":
        raise UserError(f"config.toml: [{competition.name}] unselected must be first, last or all: it is a quiz.")


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
        return competition_from_json(data.description)
    # Archived by an older release, which kept no description: edition and bars are enough for the board.
    old = replace(current, version=version)
    values = _read_described(home, old)
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


def competitions_to_grade(home: Home, name: str) -> list[Competition]:
    """The current data of a competition, and older data with submissions that still wait for a grade.

    Raises UserError if the current data cannot be read.
    """
    from leaderboard import competitions, store

    found = [find_competition(home, name)]
    with home.database() as database:
        for data in competitions.all_data(database, found[0].name):
            if data.number != found[0].version and store.pending(database, {data.key: data.versions}):
                with contextlib.suppress(OSError, ValueError, KeyError, TypeError, UserError):
                    text = (home.secret(data.name, data.number) / "format.json").read_bytes()
                    found.append(competition_from_json(json.loads(text)))
    return found


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


def save_answers(folder: Path, answers: Answers) -> str:
    """Writes answers with their usage as plain arrays beside the judge's files; returns the SHA-256 of it all."""
    import io

    import numpy as np

    arrays: dict[str, Any] = {f"column-{place}": values for place, values in enumerate(answers.columns.values())}
    arrays |= {"usage": answers.usage, "groups": answers.groups}
    contents: dict[str, bytes] = {}
    for name, array in arrays.items():
        if array is not None:
            stream = io.BytesIO()
            np.save(stream, array.astype(np.str_) if array.dtype == object else array, allow_pickle=False)
            contents[name] = stream.getvalue()
    files = sorted(path.name for path in folder.iterdir())
    taken = {f"{name}.npy" for name in contents} | NOT_DATA
    assert all((folder / name).is_file() and name not in taken for name in files), "plain files of names of their own"
    digest = hashlib.sha256()
    for name, data in contents.items():
        write_file(folder / f"{name}.npy", data, mode=0o600)
        digest.update(name.encode() + data)
    for name in files:
        keep_file(folder / name, mode=0o600)
        add_file(digest, folder / name)
    return digest.hexdigest()


NOT_DATA = frozenset(("competition.json", "provenance.json", "format.json", "metric.py"))
"""The files of a secret folder that `data_version` does not come from."""


def add_file(digest: hashlib._Hash, path: Path) -> None:
    """Takes the name and the bytes of a file into a digest, a piece at a time."""
    digest.update(path.name.encode())
    with path.open("rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)


@dataclass(frozen=True)
class Hidden:
    """The verified secret folder of one version: the values of its competition.json, and the arrays as bytes."""

    folder: Path
    values: Mapping[str, Any]
    arrays: Mapping[str, bytes]

    @property
    def columns(self) -> tuple[str, ...]:
        names: tuple[str, ...] = tuple(self.values["columns"])
        return names


UNSEALED = frozenset(
    ("name", "edition", "metric", "metric_file", "higher_is_better", "metric_id", "data_version", "bars")
)
"""The fields of a competition.json of the first release; later ones without a seal had `LATER` too."""
LATER = frozenset(("judge", "columns", "format"))


def seal_of(key: bytes, values: Mapping[str, Any]) -> str:
    """The seal of a competition.json, which reveals a change of any field."""
    text = json.dumps({name: value for name, value in values.items() if name != "seal"}, sort_keys=True)
    return hmac.new(key, b"competition\0" + text.encode(), "sha256").hexdigest()


def data_version_of(parts: str, form: str | None) -> str:
    """The data version, from the digests of the hidden files and of the format, which includes seeds of episodes."""
    return (parts if form is None else hashlib.sha256((parts + form).encode()).hexdigest())[:16]


def hidden_parts(folder: Path, columns: int) -> tuple[dict[str, bytes], str]:
    """The arrays of a secret folder as bytes, by name, and the SHA-256 of all its hidden files. Raises OSError."""
    names = [f"column-{place}" for place in range(columns)] + ["usage"]
    names += ["groups"] if (folder / "groups.npy").exists() else []
    arrays = {name: (folder / f"{name}.npy").read_bytes() for name in names}
    known = {f"{name}.npy" for name in names} | NOT_DATA
    files = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in known)
    digest = hashlib.sha256()
    for name, data in arrays.items():
        digest.update(name.encode() + data)
    for name in files:
        add_file(digest, folder / name)
    return arrays, digest.hexdigest()


def read_hidden(home: Home, competition: Competition) -> Hidden:
    """Reads the secret folder and verifies everything in it that can change a score.

    Raises UserError if the answers are not in this home, E_ANSWERS_CHANGED if a file was changed, and E_KEY if the
    home's secret key is not the course's.
    """
    course_key(home)
    values = _read_described(home, competition)
    folder = home.secret(competition.name, competition.version)
    try:
        arrays, digest = hidden_parts(folder, len(values["columns"]))
        same = data_version_of(digest, values["format"]) == values["data_version"]
        if values["form_file"] is not None:
            form = hashlib.sha256((folder / "format.json").read_bytes()).hexdigest()
            same = same and values["form_file"] == form
        if values["metric_file"] is not None:
            code = hashlib.sha256((folder / "metric.py").read_bytes()).hexdigest()
            same = same and values["metric_id"] == f"file:{code[:16]}"
    except OSError:
        same = False
    if not same:
        raise changed_answers(competition, folder)
    return Hidden(folder, values, arrays)


def changed_answers(competition: Competition, folder: Path) -> UserError:
    """The error for changed hidden files."""
    return UserError(
        f"the answers of {competition.name} were changed after they were made: in {folder} a file is damaged, missing"
        " or new. They are not used for grading; restore the folder from a backup.",
        code="E_ANSWERS_CHANGED",
        exit_code=10,
    )


def _read_described(home: Home, competition: Competition) -> dict[str, Any]:
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


def course_key(home: Home) -> bytes:
    """The secret key of the home, checked against public/course.json.

    Raises UserError E_KEY for a different key: it would sign receipts that nobody can verify, and draw other data.
    """
    from tasks.split import derive

    key = home.key()
    _refuse_other_course(home, derive(key, "receipts"), home.root / "secret" / "key")
    return key


def receipts_key(home: Home) -> bytes:
    """The key that signs receipts, also in a web process, which must be the one that public/course.json verifies.

    Raises UserError E_KEY for another one.
    """
    key = home.derived("receipts")
    _refuse_other_course(home, key, home.root / ("keys/receipts" if home.served else "secret/key"))
    return key


def _refuse_other_course(home: Home, key: bytes, path: Path) -> None:
    from leaderboard.receipts import public_key

    course = home.root / "public" / "course.json"
    try:
        known = json.loads(course.read_bytes())["receipt_key"]
    except FileNotFoundError:  # nothing was prepared yet
        return
    except (OSError, ValueError, KeyError, TypeError):
        known = None
    if known != public_key(key):
        raise UserError(
            f"{path} and {course} do not match: one of them was replaced or damaged."
            " Nothing is prepared or graded until both are restored from the same backup.",
            code="E_KEY",
            exit_code=10,
        )


def load_answers(hidden: Hidden, form: Format) -> Answers:
    """The inverse of `save_answers`."""
    import io

    import numpy as np

    arrays = {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in hidden.arrays.items()}
    usage = arrays["usage"]
    return Answers(
        ids=form.ids if len(form.ids) == len(usage) else range(len(usage)),
        columns={name: arrays[f"column-{place}"] for place, name in enumerate(hidden.columns)},
        groups=arrays.get("groups"),
        usage=usage,
    )


@dataclass(frozen=True)
class Secret:
    """Everything secret for scoring: metrics, answers, the judge and its folder, bars with private thresholds."""

    competition: Competition
    folder: Path
    judge: Judge | None
    metrics: tuple[Metric, ...]
    answers: Answers
    bars: tuple[Bar, ...]
    data_version: str
    metric_version: str
    score_file: ScoreFile | None = None

    @property
    def metric_file(self) -> bool:
        """Whether the instructor's own metric file scores, which needs the unchanged cells of a table."""
        return self.score_file is not None


def read_secret(home: Home, competition: Competition) -> Secret:
    """Loads everything for grading. Raises UserError like `read_hidden`, and for a public folder of other data."""
    hidden = read_hidden(home, competition)
    values, answers = hidden.values, load_answers(hidden, competition.format)
    usage = answers.usage
    assert usage is not None
    other = values["format"] not in (None, competition.written)
    if other or (values["format"] is None and len(usage) != len(competition.format)):
        raise UserError(f"the answers of {competition.name} do not belong to its public folder; prepare it again.")
    judge = judge_of(competition, values["judge"])
    refuse_other_version(home, competition, values)
    file = find_score_file(hidden.folder, values, competition.format, usage)
    return Secret(
        competition=competition,
        folder=hidden.folder,
        judge=judge,
        metrics=find_metrics(values) if file is None else (file.metric,),
        answers=answers,
        bars=tuple(bar_from_json(bar) for bar in values["bars"]),
        data_version=values["data_version"],
        metric_version=_metric_version(values),
        score_file=file,
    )


def _metric_version(values: Mapping[str, Any]) -> str:
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
            " part. To end it, set a deadline in config.toml.",
            code="E_ONE_BOARD",
        )


def find_judge(competition: Competition) -> Judge | None:
    """The judge of a homework's edition, or None if submissions are scored directly."""
    task = find_task(competition.name)
    return None if task is None else task.edition_of(competition.edition, competition.format).judge


def find_reproduction(competition: Competition) -> Reproduction | None:
    """The rule by which a model has to give an entry's rows again, where the homework's edition has one."""
    task = find_task(competition.name)
    return None if task is None else task.edition_of(competition.edition, competition.format).reproduction


def other_judge(competition: Competition) -> str | None:
    """A note if the judge here differs from the course's; None if it is the same or unknown.

    Raises UserError if the judge cannot run here.
    """
    judge = find_judge(competition)
    if competition.judge is None or judge is None or competition.judge == (here := judge.version()):
        return None
    return (
        f"{competition.name} is judged with {competition.judge}, but this machine has {here}: results may"
        " differ from the course's."
    )


def judge_of(competition: Competition, version: str | None) -> Judge | None:
    """The judge, in the version that the competition was prepared with: other versions give other scores."""
    judge = find_judge(competition)
    here = None if judge is None else judge.version()
    if here != version:
        raise UserError(
            f"{competition.name} was prepared to be judged with {version or 'nothing'},"
            f" but this machine has {here or 'nothing'}; install the same versions, or prepare it again with an empty"
            f" board: lhy-grade prepare {competition.name} --edition {competition.edition} --new-data",
            code="E_JUDGE_VERSION",
            exit_code=8,
        )
    return judge


def check_grading(home: Home, competition: Competition) -> None:
    """Raises UserError with the reason if this machine has the answers but cannot grade with them."""
    if home.secret(competition.name, competition.version).is_dir():
        values = read_hidden(home, competition).values
        judge_of(competition, values["judge"])
        refuse_other_version(home, competition, values)


def refuse_other_version(home: Home, competition: Competition, values: Mapping[str, Any]) -> None:
    """Raises UserError if a grade made here would not count on the board: nothing is regraded automatically."""
    data_version, metric_version = read_versions(home, competition)
    if values["data_version"] != data_version:
        raise changed_answers(competition, home.secret(competition.name, competition.version))
    if (here := _metric_version(values)) != metric_version:
        raise UserError(
            f"{competition.name} is graded by {metric_version}, but this lhy-grade would grade by {here}. Its boards"
            " are kept, and new submissions wait. Install the lhy-grade that graded it, or make new data,"
            f" which starts an empty board: lhy-grade prepare {competition.name} --new-data",
            code="E_METRIC_VERSION",
            exit_code=8,
        )


def read_bars(home: Home, competition: Competition) -> tuple[Bar, ...]:
    """The bars with their private thresholds, as the database has them.

    Raises UserError where it has none and they are not in this home either.
    """
    bars = (find_data(home, competition).description or {}).get(HIDDEN_BARS)
    return tuple(bar_from_json(bar) for bar in (_read_described(home, competition)["bars"] if bars is None else bars))


def complete_data(home: Home) -> None:
    """Puts into the database what boards need of all data, and what an older release left in the secret folders."""
    from dataclasses import replace

    from leaderboard import competitions

    for name in prepared(home):
        with contextlib.suppress(UserError):  # its board says what is wrong
            find_data(home, find_competition(home, name))
    with home.database() as database:
        known = competitions.all_data(database)
    for data in known:
        if data.description is None or HIDDEN_BARS not in data.description:
            with contextlib.suppress(UserError):
                competition = find_competition(home, data.name, data.number)
                bars = _read_described(home, competition)["bars"]
                description = {**(data.description or described(competition)), HIDDEN_BARS: bars}
                with home.database() as database, database.transaction():
                    competitions.describe(database, replace(data, description=description))


def read_versions(home: Home, competition: Competition, database: Database | None = None) -> tuple[str, str]:
    """The data and metric version whose grades count on a competition's board, from the database."""
    return find_data(home, competition, database).versions


def find_data(home: Home, competition: Competition, opened: Database | None = None) -> Data:
    """A competition's data in the database; data prepared by an older release are added."""
    from leaderboard import competitions

    with home.database() if opened is None else contextlib.nullcontext(opened) as database:
        data = competitions.find(database, competition.key)
        if data is not None and data.description is not None:
            return data
        return _adopt(home, database, competition, data)


def _adopt(home: Home, database: Database, competition: Competition, data: Data | None) -> Data:
    """Adds data of an older release to the database; their grades still count under their version."""
    from dataclasses import replace

    from leaderboard import competitions

    name, number, before = competition.name, competition.version, data
    newest = competitions.current(database, name)
    if data is None and newest is not None and newest.number > number:
        raise UserError(
            f"the public folder of {name} has version {number}, but the course has version {newest.number}; the"
            " instructor must restore it from a backup.",
            code="E_STALE_DATA",
        )
    if data is None:
        data = competitions.Data(competition.key, name, number, *written_versions(home, competition), None, None, None)
    with contextlib.suppress(UserError):
        public = read_competition(home.public(name))
        if public.version == number:
            bars = None if home.served else _read_described(home, public)["bars"]
            data = replace(data, description=described(public, bars), digest=public_digest(home.public(name)))
    with contextlib.suppress(UserError, OSError, ValueError, KeyError, TypeError):
        provenance = json.loads((home.secret(name, number) / "provenance.json").read_bytes())
        data = replace(data, prepared_at=datetime.fromisoformat(provenance["prepared_at"]))
    if data != before:
        with database.transaction():
            competitions.add(database, data, competition.ranking.higher_is_better)
            competitions.describe(database, data)
    return data


def written_versions(home: Home, competition: Competition) -> tuple[str, str]:
    """The data and metric version with which this lhy-grade grades, from the answers in the home."""
    values = _read_described(home, competition)
    return values["data_version"], _metric_version(values)


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


def all_versions(home: Home, opened: Database | None = None) -> dict[str, tuple[str, str]]:
    """The current versions of all data with answers in this home, by key; they determine what is waiting.

    A web process cannot tell which answers are in the home, and takes all data.
    """
    from leaderboard import competitions

    with home.database() if opened is None else contextlib.nullcontext(opened) as database:
        known = competitions.all_data(database)
    found = {
        data.key: data.versions
        for data in known
        if home.served or (home.secret(data.name, data.number) / "competition.json").exists()
    }
    for name in prepared(home):
        with contextlib.suppress(UserError):
            competition = read_competition(home.public(name))
            if competition.key not in {data.key for data in known}:
                found[competition.key] = read_versions(home, competition, opened)
    return found


def find_score_file(folder: Path, values: Mapping[str, Any], form: Format, usage: NDArray[np.int8]) -> ScoreFile | None:
    """The metric file that `competition.json` names, or None."""
    if values["metric_file"] is None:
        return None
    from tasks.kaggle import score_file

    assert isinstance(form, TableFormat)
    solution = folder / SOLUTION if (folder / SOLUTION).exists() else None
    return score_file(
        folder / "metric.py", higher_is_better=values["higher_is_better"], name=values["metric_file"], form=form,
        usage=usage, solution=solution,
    )  # fmt: skip


def find_metrics(values: Mapping[str, Any]) -> tuple[Metric, ...]:
    """The metrics that `competition.json` names: a short name, or those of the homework's edition."""
    if values["metric"] is not None:
        from tasks.kaggle import named_metric

        return (named_metric(values["metric"]),)
    task = find_task(values["name"])
    assert task is not None
    return task.edition(values["edition"]).metrics
