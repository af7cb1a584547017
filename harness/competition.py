"""What is prepared: the public description that students get and the secret side that scores them.

`public/hw01/format.json` describes a competition without any answer; `secret/hw01/VERSION/` holds the answers as numpy
arrays (`usage.npy`, `groups.npy`, and `column-0.npy` for the first column of the answers), the files of the judge, what
only the instructor may see of the description as `competition.json`, and `provenance.json`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.home import Home, making, write_file
from tasks.base import (
    METRICS_VERSION,
    Answers,
    Bar,
    Format,
    Judge,
    Metric,
    Rules,
    TableFormat,
    UserError,
    format_from_json,
)
from tasks.homeworks import canonical, find_task, module_of, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCHEMA = 1


@dataclass(frozen=True)
class MetricCard:
    """What a reader needs to know of a metric to show its numbers."""

    name: str
    label: str
    higher_is_better: bool
    digits: int


@dataclass(frozen=True)
class Competition:
    """The public description of a prepared competition. `metrics[0]` ranks; `demo` marks a fixed, guessable seed.

    Where not `two_boards`, all rows are public, as the course had it in some homeworks. `judge` is the version of a
    judge that needs nothing secret, so that `check` knows whether it is the course's.
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

    @property
    def ranking(self) -> MetricCard:
        return self.metrics[0]

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
            **self.format.to_json(),
        }


def bar_to_json(bar: Bar) -> dict[str, Any]:
    """A bar without its private thresholds, which are told when the board is revealed."""
    values = asdict(bar)
    del values["private"]
    return values


def bar_from_json(values: Mapping[str, Any]) -> Bar:
    """The inverse of `bar_to_json`; also reads a bar that has its private thresholds."""

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
    )


def read_competition(public: Path) -> Competition:
    """The competition described in the folder `public`, which is all that `check` needs.

    Raises UserError where nothing is prepared there or the description cannot be read.
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
            f"{path} is damaged; get it again, or prepare the homework anew: lhy-grade prepare {public.name} --replace"
        ) from None


@lru_cache(maxsize=64)
def _read_competition(path: Path, _: tuple[int, int, int]) -> Competition:
    """A description as it was at that time: a server asks for it with every request."""
    values = json.loads(path.read_text(encoding="utf-8"))
    if values["schema"] != SCHEMA:
        raise UserError(f"{path} was written by another version of lhy-grade; install the one that wrote it.")
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
    )


def find_competition(home: Home, name: str) -> Competition:
    """The prepared competition of that name, with the rules of config.toml applied."""
    from dataclasses import replace

    name = canonical(name)
    recover(home, name)
    competition = read_competition(home.public(name))
    return replace(competition, rules=home.rules(name, competition.rules))


def prepared(home: Home) -> list[str]:
    """The names of all prepared competitions, sorted."""
    folder = home.root / "public"
    if not folder.is_dir():
        return []
    return sorted(path.parent.name for path in folder.glob("[!.]*/format.json"))


def recover(home: Home, name: str) -> None:
    """Puts the old public folder back where `prepare` was killed between its two renames."""
    old = home.root / "public" / f".{name}.old"
    if old.is_dir() and not home.public(name).exists():
        with making(old.parent):
            old.rename(home.public(name))


def digest_of(form: Format) -> str:
    """The SHA-256 of a format, by which the secret side knows the public one that it belongs to."""
    import hashlib

    return hashlib.sha256(json.dumps(form.to_json()).encode()).hexdigest()


def save_answers(folder: Path, answers: Answers, files: Mapping[str, bytes]) -> str:
    """Writes answers with their usage as plain arrays, and the judge's files; returns the SHA-256 of all of it."""
    import hashlib
    import io

    import numpy as np

    arrays: dict[str, Any] = {f"column-{place}": values for place, values in enumerate(answers.columns.values())}
    arrays |= {"usage": answers.usage, "groups": answers.groups}
    contents = {}
    for name, array in arrays.items():
        if array is not None:
            stream = io.BytesIO()
            np.save(stream, array.astype(np.str_) if array.dtype == object else array, allow_pickle=False)
            contents[name] = (f"{name}.npy", stream.getvalue())
    assert not {name for name, _ in contents.values()} & set(files)
    digest = hashlib.sha256()
    for name, (file, data) in (contents | {name: (name, files[name]) for name in sorted(files)}).items():
        write_file(folder / file, data, mode=0o600)
        digest.update(name.encode() + data)
    return digest.hexdigest()


def load_answers(folder: Path, names: Sequence[str], competition: Competition) -> Answers:
    """The inverse of `save_answers`. Raises OSError or ValueError for a missing or damaged file."""
    import numpy as np

    def read(name: str) -> NDArray[Any]:
        array: NDArray[Any] = np.load(folder / f"{name}.npy", allow_pickle=False)
        return array

    usage = read("usage")
    form = competition.format
    return Answers(
        ids=form.ids if len(form.ids) == len(usage) else range(len(usage)),
        columns={name: read(f"column-{place}") for place, name in enumerate(names)},
        groups=read("groups") if (folder / "groups.npy").exists() else None,
        usage=usage,
    )


@dataclass(frozen=True)
class Secret:
    """The side that scores: metrics, answers, the judge with its folder, and the bars with private thresholds."""

    competition: Competition
    folder: Path
    judge: Judge | None
    metrics: tuple[Metric, ...]
    answers: Answers
    bars: tuple[Bar, ...]
    data_version: str
    metric_version: str


def read_secret(home: Home, competition: Competition) -> Secret:
    """Loads what grading needs. Raises UserError where it is missing, damaged or not the public folder's own."""
    folder = home.secret(competition.name, competition.version)
    try:
        values = json.loads((folder / "competition.json").read_text(encoding="utf-8"))
        names = values.get("columns") or [column.name for column in getattr(competition.format, "columns", ())]
        answers = load_answers(folder, names, competition)
    except FileNotFoundError:
        raise UserError(
            f"the answers of {competition.name} are not in this home, so it can check files but not score them;"
            f" prepare it here: lhy-grade prepare {competition.name}"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"the answers of {competition.name} cannot be read; restore {folder} from a backup.") from error
    here = digest_of(competition.format)
    if values.get("format", here) != here:
        raise UserError(f"the answers of {competition.name} do not belong to its public folder; prepare it again.")
    usage = answers.usage
    assert usage is not None
    return Secret(
        competition=competition,
        folder=folder,
        judge=judge_of(competition, values.get("judge")),
        metrics=find_metrics(folder, values, competition.format, usage),
        answers=answers,
        bars=tuple(bar_from_json(bar) for bar in values["bars"]),
        data_version=values["data_version"],
        metric_version=_metric_version(values),
    )


def _metric_version(values: Mapping[str, Any]) -> str:
    judge = values.get("judge")
    return f"{values['metric_id']}|v:{METRICS_VERSION}" + (f"|judge:{judge}" if judge else "")


def refuse_one_board(competition: Competition) -> None:
    """Raises UserError where there is no private board."""
    if not competition.two_boards:
        raise UserError(
            f"{competition.name} has one board, which is public: its edition {competition.edition} hides no private"
            " part. To end it, set a deadline in config.toml.",
            code="E_ONE_BOARD",
        )


def find_judge(competition: Competition) -> Judge | None:
    """The judge of a homework's edition, None where submissions are compared as they are read."""
    task = find_task(competition.name)
    return None if task is None else task.edition(competition.edition).judge


def other_judge(competition: Competition) -> str | None:
    """A remark where what is judged here may come out otherwise in the course; None where it is the same or not told.

    Raises UserError where the judge cannot run here.
    """
    judge = find_judge(competition)
    if competition.judge is None or judge is None or competition.judge == (here := judge.version()):
        return None
    return (
        f"{competition.name} is judged with {competition.judge}, and here is {here}: what is found here may not be what"
        " is found there."
    )


def judge_of(competition: Competition, version: str | None) -> Judge | None:
    """The judge, which must be of the version that the competition was prepared with: another gives other numbers."""
    judge = find_judge(competition)
    here = None if judge is None else judge.version()
    if here != version:
        raise UserError(
            f"{competition.name} was prepared to be judged with {version or 'nothing'},"
            f" and here is {here or 'nothing'}; install the same versions, or make it anew, which starts an empty"
            f" board: lhy-grade prepare {competition.name} --edition {competition.edition} --replace",
            code="E_JUDGE_VERSION",
            exit_code=8,
        )
    return judge


def check_judge(home: Home, competition: Competition) -> None:
    """Raises UserError where this machine cannot score, since it judges with something else than was prepared."""
    if home.secret(competition.name, competition.version).is_dir():
        judge_of(competition, _read_hidden(home, competition).get("judge"))


def read_bars(home: Home, competition: Competition) -> tuple[Bar, ...]:
    """The bars with their private thresholds. Raises UserError where they are not in this home."""
    return tuple(bar_from_json(bar) for bar in _read_hidden(home, competition)["bars"])


def read_versions(home: Home, competition: Competition) -> tuple[str, str]:
    """The data version and metric version under which the grades of a competition are ranked together."""
    values = _read_hidden(home, competition)
    return values["data_version"], _metric_version(values)


def all_versions(home: Home) -> dict[str, tuple[str, str]]:
    """The versions of every prepared competition whose answers are here, by its key."""
    found = {}
    for name in prepared(home):
        with contextlib.suppress(UserError):
            competition = read_competition(home.public(name))
            found[competition.key] = read_versions(home, competition)
    return found


def _read_hidden(home: Home, competition: Competition) -> Any:
    folder = home.secret(competition.name, competition.version)
    try:
        return json.loads((folder / "competition.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UserError(f"{folder} is missing or damaged; the board of {competition.name} needs it.") from None


def changed_answers(home: Home, competition: Competition) -> bool:
    """Whether the hidden files are not those that `save_answers` wrote. Raises UserError where one is missing."""
    import hashlib

    values = _read_hidden(home, competition)
    folder = home.secret(competition.name, competition.version)
    try:
        arrays = [f"column-{place}" for place in range(len(values["columns"]))] + ["usage", "groups"]
        arrays = [name for name in arrays if name != "groups" or (folder / "groups.npy").exists()]
        known = {f"{name}.npy" for name in arrays} | {"competition.json", "provenance.json", "metric.py"}
        files = sorted(path.name for path in folder.iterdir() if path.name not in known)
        digest = hashlib.sha256()
        for name, file in [(name, f"{name}.npy") for name in arrays] + [(name, name) for name in files]:
            digest.update(name.encode() + (folder / file).read_bytes())
        parts = digest.hexdigest() + str(values["format"])
        return bool(hashlib.sha256(parts.encode()).hexdigest()[:16] != values["data_version"])
    except (OSError, KeyError, TypeError):
        raise UserError(f"the answers of {competition.name} cannot be read; restore {folder} from a backup.") from None


def find_metrics(folder: Path, values: Mapping[str, Any], form: Format, usage: NDArray[np.int8]) -> tuple[Metric, ...]:
    """The metrics that `competition.json` names: a metric file, a short name, or those of the homework's edition."""
    if values["metric_file"] is not None:
        from tasks.kaggle import score_file

        assert isinstance(form, TableFormat)
        higher, name = values["higher_is_better"], values["metric_file"]
        return (score_file(folder / "metric.py", higher_is_better=higher, name=name, form=form, usage=usage),)
    if values["metric"] is not None:
        from tasks.kaggle import named_metric

        return (named_metric(values["metric"]),)
    task = find_task(values["name"])
    assert task is not None
    return task.edition(values["edition"]).metrics
