"""The hidden side of a prepared competition: answers, metrics and judge, sealed by the course's key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.competition import SOLUTION, Competition, bar_from_json, changed_answers, metric_version_of, read_sealed
from harness.home import Home, keep_file, write_file
from harness.versions import read_versions
from tasks.base import Answers, Bar, Judge, UserError
from tasks.formats import Format
from tasks.homeworks import find_task
from tasks.named import NAMED
from tasks.own_model import JUDGE
from tasks.streams import derive
from tasks.tensor_formats import ModelFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tasks.kaggle import ScoreFile
    from tasks.metrics import Metric


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


KEPT = "source"
"""The folder in the hidden one with what an own competition was made from, so that it can be exported."""


def kept_digest(folder: Path) -> str | None:
    """The SHA-256 of the names and bytes of what a hidden folder keeps for an export; None where it keeps nothing."""
    files = sorted((folder / KEPT).rglob("*"))
    if not files:
        return None
    digest = hashlib.sha256()
    for path in files:
        data = path.read_bytes() if path.is_file() and not path.is_symlink() else b"no file"
        name = path.relative_to(folder).as_posix().encode()
        digest.update(f"{len(name)} {len(data)} ".encode() + name + data)
    return digest.hexdigest()


def refuse_changed_source(competition: Competition, hidden: Hidden) -> None:
    """Raises UserError E_ANSWERS_CHANGED where what is kept for an export is not what the seal names.

    Grading does without it. Data of releases that did not seal it are passed.
    """
    try:
        same = "kept" not in hidden.values or hidden.values["kept"] == kept_digest(hidden.folder)
    except OSError:
        same = False
    if not same:
        raise UserError(
            f"what {competition.name} was made from was changed: in {hidden.folder / KEPT} a file is damaged, missing"
            " or new. It is not exported; restore the folder from a backup, or run the same `lhy-grade new` again.",
            code="E_ANSWERS_CHANGED",
            exit_code=10,
        )


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
    values = read_sealed(home, competition)
    folder = home.secret(competition.name, competition.version)
    try:
        arrays, digest = hidden_parts(folder, len(values["columns"]))
        same = data_version_of(digest, values["format"]) == values["data_version"]
        if values["form_file"] is not None:
            form = hashlib.sha256((folder / "format.json").read_bytes()).hexdigest()
            same = same and values["form_file"] == form
        if values["metric_file"] is not None:
            code = hashlib.sha256((folder / "metric.py").read_bytes()).hexdigest()
            same = same and values["metric_id"].partition("+")[0].partition("(")[0] == f"file:{code[:16]}"
    except OSError:
        same = False
    if not same:
        raise changed_answers(competition, folder)
    return Hidden(folder, values, arrays)


def course_key(home: Home) -> bytes:
    """The secret key of the home, checked against public/course.json.

    Raises UserError E_KEY for a different key: it would sign receipts that nobody can verify, and draw other data.
    """
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
    """The inverse of `save_answers`. The arrays cannot be written: a process scores many files with them."""
    import io

    import numpy as np

    arrays = {name: np.load(io.BytesIO(data), allow_pickle=False) for name, data in hidden.arrays.items()}
    for array in arrays.values():
        array.flags.writeable = False
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
    """Loads everything for grading, of the versions that count on the board.

    Raises UserError like `load_secret` and `refuse_other_version`.
    """
    secret = load_secret(home, competition)
    refuse_other_version(home, competition, secret.data_version, secret.metric_version)
    return secret


def load_secret(home: Home, competition: Competition) -> Secret:
    """Everything for grading, from the home's files alone.

    Raises UserError like `read_hidden`, and for a public folder of other data.
    """
    hidden = read_hidden(home, competition)
    values, answers = hidden.values, load_answers(hidden, competition.format)
    usage = answers.usage
    assert usage is not None
    other = values["format"] not in (None, competition.written)
    if other or (values["format"] is None and len(usage) != len(competition.format)):
        raise UserError(f"the answers of {competition.name} do not belong to its public folder; prepare it again.")
    judge = judge_of(competition, values["judge"])
    file = find_score_file(hidden.folder, values, competition.format, usage)
    return Secret(
        competition=competition,
        folder=hidden.folder,
        judge=judge,
        metrics=find_metrics(values) if file is None else (file.metric,),
        answers=answers,
        bars=tuple(bar_from_json(bar) for bar in values["bars"]),
        data_version=values["data_version"],
        metric_version=metric_version_of(values),
        score_file=file,
    )


def find_judge(competition: Competition) -> Judge | None:
    """The judge of a homework's edition or of an own competition of models; None if submissions are scored directly."""
    task = find_task(competition.name)
    if task is None:
        return JUDGE if competition.edition == "own" and isinstance(competition.format, ModelFormat) else None
    return task.edition_of(competition.edition, competition.format).judge


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
    if here != version and judge is None and find_task(competition.name) is None:
        raise _no_plugin(competition.name)
    if here != version:
        again = f"prepare {competition.name} --edition {competition.edition}"
        if find_task(competition.name) is None:
            again = f"new {competition.name} --from FOLDER"
        raise UserError(
            f"{competition.name} was prepared to be judged with {version or 'nothing'},"
            f" but this machine has {here or 'nothing'}; install the same versions, or prepare it again with an empty"
            f" board: lhy-grade {again} --new-data",
            code="E_JUDGE_VERSION",
            exit_code=8,
        )
    return judge


def check_grading(home: Home, competition: Competition) -> None:
    """Raises UserError with the reason if this machine has the answers but cannot grade with them."""
    if home.secret(competition.name, competition.version).is_dir():
        values = read_hidden(home, competition).values
        judge_of(competition, values["judge"])
        if values["metric_file"] is None:
            find_metrics(values)
        refuse_other_version(home, competition, values["data_version"], metric_version_of(values))


def refuse_other_version(home: Home, competition: Competition, data_version: str, metric_version: str) -> None:
    """Raises UserError if a grade by these versions would not count on the board: nothing is regraded automatically."""
    data, metric = read_versions(home, competition)
    if data_version != data:
        raise changed_answers(competition, home.secret(competition.name, competition.version))
    if metric_version != metric:
        raise UserError(
            f"{competition.name} is graded by {metric}, but this lhy-grade would grade by {metric_version}. Its boards"
            " are kept, and new submissions wait. Install the lhy-grade that graded it, or make new data,"
            f" which starts an empty board: lhy-grade prepare {competition.name} --new-data",
            code="E_METRIC_VERSION",
            exit_code=8,
        )


def find_score_file(folder: Path, values: Mapping[str, Any], form: Format, usage: NDArray[np.int8]) -> ScoreFile | None:
    """The metric file that `competition.json` names, or None."""
    if values["metric_file"] is None:
        return None
    from tasks.kaggle import score_file
    from tasks.metric_code import kept_modules

    solution = folder / SOLUTION if (folder / SOLUTION).exists() else None
    return score_file(
        folder / "metric.py",
        higher_is_better=values["higher_is_better"],
        name=values["metric_file"],
        form=form,
        usage=usage,
        solution=solution,
        modules=kept_modules(folder),
        arguments=values.get("metric_options"),
        per_row=values.get("metric_rows", False),
        texts=values.get("metric_texts", False),
    )


def find_metrics(values: Mapping[str, Any]) -> tuple[Metric, ...]:
    """The metrics that `competition.json` names: a short name, or those of the homework's edition.

    Raises UserError where the homework is of a plugin that is not loaded.
    """
    if values["metric"] is not None:
        from tasks.own import named_metric

        _refuse_other_package(values)
        return (named_metric(values["metric"], values.get("metric_options"), len(values["columns"])),)
    task = find_task(values["name"])
    if task is None:
        raise _no_plugin(values["name"])
    return task.edition(values["edition"]).metrics


def _no_plugin(name: str) -> UserError:
    return UserError(
        f"{name} is the homework of a plugin that is not loaded here: nothing is graded in it. Start lhy-grade again"
        " with --plugin FOLDER, or set LHY_GRADE_PLUGIN to the folder of the plugin."
    )


def _refuse_other_package(values: Mapping[str, Any]) -> None:
    """Raises UserError where the package that computes a metric is not the one that the competition was made with."""
    named = NAMED.get(values["metric"])
    if named is None or named.signature is None:
        return
    here, made = named.signature(values["metric_options"]), values["metric_id"].partition("|")[2]
    if here != made:
        raise UserError(
            f"{values['name']} is graded by sacrebleu with {made}, but this machine would grade with {here}. Install"
            " the version that it names: pip install sacrebleu==VERSION",
            code="E_METRIC_VERSION",
            exit_code=8,
        )
