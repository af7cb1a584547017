"""A competition of one's own as a folder that can be kept in git: what `new --from` reads and `export` writes.

`competition.toml` has what `new` takes as options; beside it are `solution.csv`, `sample_submission.csv` (for a metric
file), `sheet.md`, the metric file with the modules that it imports, `public/`, `inputs.npz` (for models), and
`usage.csv` with the split as it was drawn.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.answers import KEPT
from harness.extras import NO_EXTRAS, Extras
from harness.home import Home
from harness.model_submissions import MOST_PARAMETERS
from harness.other_formats import ENDINGS
from tasks.base import UserError
from tasks.formats import TableFormat
from tasks.metric_code import PREFIX
from tasks.repeats import MOST_ROWS

if TYPE_CHECKING:
    from harness.competition import Competition
    from tasks.base import Answers

TOML, SOLUTION, SAMPLE, SHEET, METRIC, USAGE, PUBLIC, INPUTS = (
    "competition.toml", "solution.csv", "sample_submission.csv", "sheet.md", "metric.py", "usage.csv", "public",
    "inputs.npz",
)  # fmt: skip
SAMPLES = tuple(f"sample_submission{ending}" for ending in ENDINGS)
WRITTEN = (*SAMPLES, SHEET, "format.json", "manifest.json")
"""The files of a public folder that lhy-grade writes itself."""

FIELDS: dict[str, tuple[type, ...]] = {
    "title": (str,), "metric": (str,), "metric_args": (list,), "higher_is_better": (bool,), "metric_name": (str,),
    "bars": (list,), "deadline": (str,), "quota": (int,), "public_share": (float,), "group": (str,), "strata": (str,),
    "by_time": (str,), "rows_per_id": (int,), "most_parameters": (int,),
}  # fmt: skip


@dataclass(frozen=True)
class Own:
    """What an own competition is made from; `metric` is a name or the path of a metric file."""

    solution: Path
    metric: str
    title: str | None = None
    metric_args: tuple[str, ...] = ()
    public: Path | None = None
    higher_is_better: bool | None = None
    public_share: float = 0.5
    extras: Extras = NO_EXTRAS

    @property
    def toml(self) -> str:
        """The text of competition.toml."""
        more = self.extras
        values: dict[str, Any] = {
            "title": self.title,
            "metric": METRIC if self.metric.endswith(".py") else self.metric,
            "metric_args": list(self.metric_args) or None,
            "higher_is_better": self.higher_is_better,
            "metric_name": more.metric_name,
            "bars": list(more.bars) or None,
            "deadline": more.deadline,
            "quota": more.quota,
            "public_share": self.public_share,
            "group": more.group,
            "strata": more.strata,
            "by_time": more.by_time,
            "rows_per_id": more.most_rows if more.most_rows > 1 else None,
            "most_parameters": more.most_parameters,
        }
        lines = (f"{name} = {_written(value)}\n" for name, value in values.items() if value is not None)
        return "".join(lines)

    def kept(self) -> tuple[tuple[str, bytes], ...]:
        """The files that an export writes, beside the metric file and the public folder, by name."""
        sample = self.extras.sample
        own = SAMPLE if sample is None else f"sample_submission{sample.suffix}"
        files = {SOLUTION: self.solution, own: sample, SHEET: self.extras.sheet, INPUTS: self.extras.inputs}
        found = [(name, path.read_bytes()) for name, path in files.items() if path is not None]
        return ((TOML, self.toml.encode()), *found)


def _written(value: Any) -> str:
    """A value in TOML, whose texts are those of JSON but for the character DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_folder(folder: Path) -> Own:
    """The competition in a folder.

    Raises UserError for what is missing, unknown or of another type, and for links, which would give students files of
    this machine.
    """
    path = folder / TOML
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"--from: {path} cannot be read: {error}; `lhy-grade export NAME` writes such a folder."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"--from: {path} is not valid TOML: {error}.") from None
    for one in (folder, *sorted(folder.rglob("*"))):
        if one.is_symlink():
            raise UserError(f"--from: {one} is a link; put the file itself there.")
    if unknown := sorted(set(values) - set(FIELDS)):
        raise UserError(f"--from: {TOML} has an unknown field {unknown[0]!r}; it may have {', '.join(FIELDS)}.")
    for name, value in values.items():
        number = float in FIELDS[name] and type(value) is int
        if type(value) not in FIELDS[name] and not number:
            raise UserError(f"--from: {TOML}: {name} must be {_kind(FIELDS[name])}; got {value!r:.60}.")
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise UserError(f"--from: {TOML}: {name} must be a list of texts, such as {_EXAMPLES[name]}.")
    for name, most in (("quota", 10_000), ("rows_per_id", MOST_ROWS), ("most_parameters", MOST_PARAMETERS)):
        if not 1 <= values.get(name, 1) <= most:
            raise UserError(f"--from: {TOML}: {name} must be from 1 to {most:,}; got {values[name]}.")
    if "metric" not in values or not (folder / SOLUTION).is_file():
        raise UserError(f"--from: {folder} needs a metric in {TOML} and a file {SOLUTION}.")
    metric = values["metric"]
    if metric.endswith(".py") and metric != Path(metric).name:
        raise UserError(f"--from: {TOML}: the metric file must be in the folder itself; got {metric!r:.60}.")
    return Own(
        folder / SOLUTION,
        str(folder / metric) if metric.endswith(".py") else metric,
        values.get("title"),
        tuple(values.get("metric_args", ())),
        _there(folder / PUBLIC),
        values.get("higher_is_better"),
        float(values.get("public_share", 0.5)),
        Extras(
            _there(folder / SHEET),
            tuple(values.get("bars", ())),
            values.get("deadline"),
            values.get("quota"),
            values.get("metric_name"),
            _sample(folder),
            values.get("group"),
            values.get("strata"),
            values.get("by_time"),
            values.get("rows_per_id", 1),
            _there(folder / USAGE),
            _there(folder / INPUTS),
            values.get("most_parameters"),
        ),
    )


_EXAMPLES = {"metric_args": '["k=3"]', "bars": '["simple=0.8", "strong=0.9/0.88:1/2"]'}


def _kind(types: Sequence[type]) -> str:
    names: Mapping[type, str] = {
        str: "a text",
        list: "a list",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
    }
    return names[types[0]]


def _sample(folder: Path) -> Path | None:
    found = [folder / name for name in SAMPLES if (folder / name).exists()]
    if len(found) > 1:
        raise UserError(f"--from: {found[0].name} and {found[1].name}: a competition has one sample submission.")
    return found[0] if found else None


def _there(path: Path) -> Path | None:
    return path if path.exists() else None


def export(home: Home, competition: Competition, answers: Answers, folder: Path) -> list[str]:
    """Writes a competition as a folder that `new --from` makes again, with the same split; returns the files' names.

    The folder holds the answers. Raises UserError where it exists or cannot be written, in the folders of the home that
    hold data, and for a competition that was not made by `new` of this release or a later one.
    """
    hidden = home.secret(competition.name, competition.version)
    if not (hidden / KEPT / TOML).is_file():
        raise UserError(
            f"{competition.name} is a homework, a quiz, or was made by an older release, which kept no files to export;"
            " keep those that it was made from."
        )
    try:
        place = folder.absolute().parent.resolve()
        if any(place.is_relative_to((home.root / name).resolve()) for name in ("public", "secret")):
            raise UserError(f"{folder} is inside the data of the course; name a folder elsewhere.")
        if folder.is_symlink() or folder.exists():
            raise UserError(f"{folder} exists; name a folder that does not.")
        new = Path(tempfile.mkdtemp(prefix=".lhy-grade-", dir=place))  # for its owner alone: it holds the answers
        try:
            _fill(new, hidden, home.public(competition.name), competition, answers)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or type(error).__name__}; name a new folder in one that"
            " exists, with room for it."
        ) from error
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _fill(new: Path, hidden: Path, public: Path, competition: Competition, answers: Answers) -> None:
    """Writes the files of an export."""
    from tasks.solution import read_csv

    shutil.copytree(hidden / KEPT, new, dirs_exist_ok=True)
    new.chmod(0o700)
    for path in hidden.glob(f"{PREFIX}*.py"):
        shutil.copyfile(path, new / path.name.removeprefix(PREFIX))
    if (hidden / METRIC).exists():
        stem = json.loads((hidden / "competition.json").read_bytes())["metric_file"]
        own, toml = f"metric = {_written(f'{stem}.py')}", (new / TOML).read_text(encoding="utf-8")
        (new / TOML).write_text(re.sub(r'^metric = ".*"$', lambda _: own, toml, flags=re.MULTILINE), encoding="utf-8")
        shutil.copyfile(hidden / METRIC, new / f"{stem}.py")
    if "usage" not in (name.lower() for name in read_csv(new / SOLUTION, "a solution CSV")[0]):
        (new / USAGE).write_text(_usage(_ids(new / SOLUTION, competition), answers), encoding="utf-8")
    for path in public.rglob("*"):
        if path.is_file() and path.relative_to(public).as_posix() not in WRITTEN:
            place = new / PUBLIC / path.relative_to(public)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _ids(solution: Path, competition: Competition) -> Sequence[Any]:
    """The ids of the solution, in the order of the answers; arrays and images have others."""
    if isinstance(competition.format, TableFormat):
        return competition.format.ids
    from tasks.solution import ids_of

    return ids_of(solution)[1]


def _usage(ids: Sequence[Any], answers: Answers) -> str:
    import csv
    import io

    words = ("Ignored", "Public", "Private")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "Usage"))
    assert answers.usage is not None
    writer.writerows((one, words[side]) for one, side in zip(ids, answers.usage.tolist(), strict=True))
    return out.getvalue()
