"""What an instructor says of an own competition when it is made: its page, bars, deadline, quota and the metric's name.

All of it is checked before anything of the competition is in place.
"""

from __future__ import annotations

import hashlib
import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.clocks import last_instant
from tasks.base import Bar, Rules, UserError, clears
from tasks.metrics import Metric

MOST_SHEET = 500_000
MOST_BARS = 20
MOST_POINTS = 1000.0
LONGEST_NAME = 40

_BAR = re.compile(
    r"(?P<name>[^=]+)=(?P<public>[^/:]+)(?:/(?P<private>[^/:]+))?(?::(?P<points>[^/:]+)(?:/(?P<more>[^/:]+))?)?"
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_CODE = re.compile(
    r"^(?P<fence>```+|~~~+)[^\n]*\n.*?^(?P=fence)[^\n]*$|(?P<tick>`+)[^`\n]+(?P=tick)", re.DOTALL | re.MULTILINE
)
_ACTIVE = re.compile(r"<\s*/?\s*script|</?[a-z][a-z0-9-]*(?:[\s/][^<>]*)?>|<!--", re.IGNORECASE)
_SCHEME = re.compile(r"(?:\]\(|\]:|<)\s*<?(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
_LINK = re.compile(r"<(?:https?://|mailto:)[^\s<>]*>|<[^\s<>@]+@[^\s<>@]+>", re.IGNORECASE)


@dataclass(frozen=True)
class Extras:
    """The options of `lhy-grade new` beside data and metric; None and () where they are left out.

    `bars` are texts NAME=PUBLIC[/PRIVATE][:POINTS[/PRIVATE POINTS]]. Without a private threshold the public one holds
    on both boards, and without points a bar is worth 1 on each. `group`, `strata` and `by_time` name columns of the
    solution by which its split is drawn, `most_rows` the rows of an id, `usage` a file with
    the split of each id. `inputs` are the hidden inputs of models, which have at most `most_parameters`.
    """

    sheet: Path | None = None
    bars: tuple[str, ...] = ()
    deadline: str | None = None
    quota: int | None = None
    metric_name: str | None = None
    sample: Path | None = None
    group: str | None = None
    strata: str | None = None
    by_time: str | None = None
    most_rows: int = 1
    usage: Path | None = None
    inputs: Path | None = None
    most_parameters: int | None = None

    def rules(self, public_share: float) -> Rules:
        """The rules of the competition. Raises UserError for a deadline that cannot be read and an odd quota."""
        rules = Rules(public_share=public_share)
        if self.deadline is not None:
            last_instant(self.deadline, "--deadline")
            rules = replace(rules, deadline=self.deadline)
        if self.quota is not None:
            rules = replace(rules, quota=self.quota)
        return rules

    def provenance(self) -> tuple[tuple[str, Any], ...]:
        """What was given, as plain values: made again with others, it is another competition."""
        sheet = None if self.sheet is None else hashlib.sha256(read_sheet(self.sheet).encode()).hexdigest()
        values = {
            "sheet": sheet,
            "bar": list(self.bars) or None,
            "deadline": self.deadline,
            "quota": self.quota,
            "metric_name": self.metric_name,
            "sample": None if self.sample is None else hashlib.sha256(self.sample.read_bytes()).hexdigest(),
            "group": self.group,
            "strata": self.strata,
            "by_time": self.by_time,
            "rows_per_id": None if self.most_rows == 1 else self.most_rows,
            "usage": None if self.usage is None else hashlib.sha256(self.usage.read_bytes()).hexdigest(),
            "inputs": None if self.inputs is None else hashlib.sha256(self.inputs.read_bytes()).hexdigest(),
            "most_parameters": self.most_parameters,
        }
        return tuple(values.items())


NO_EXTRAS = Extras()


def refuse_passed(deadline: str | None, now: datetime) -> None:
    """Raises UserError for a deadline that has passed."""
    if deadline is not None and last_instant(deadline, "--deadline") <= now:
        raise UserError(f"--deadline {deadline} has passed; every submission would be practice. Give a later one.")


def named_as(metric: Metric, name: str | None) -> Metric:
    """The metric under the name that students see. Raises UserError for a name that cannot be shown."""
    return metric if name is None else replace(metric, label=_shown(name, "--metric-name"))


def checked_title(title: str | None, name: str) -> str:
    """The title, by default the competition's name. Raises UserError for one that cannot be shown."""
    return name if title is None else _shown(title, "--title", 200)


def _shown(text: str, option: str, longest: int = LONGEST_NAME) -> str:
    if not text.strip() or not text.isprintable() or len(text) > longest:
        raise UserError(f"{option} must have 1 to {longest} printable characters; got {text[:60]!r}.")
    return text.strip()


def read_sheet(path: Path) -> str:
    """The page of a competition, in Markdown.

    Raises UserError with the line for HTML and for links that run something, which pages never do: they show HTML as
    text. Between backquotes, as code, everything is allowed.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"--sheet: {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise UserError(f"--sheet: {path.name} is not UTF-8 text; save it as Markdown in UTF-8.") from None
    text = text.replace("\r\n", "\n")
    if not text.strip() or len(data) > MOST_SHEET:
        raise UserError(f"--sheet: {path.name} must have 1 to {MOST_SHEET:,} bytes of text; it has {len(data):,}.")
    for line, row in enumerate(text.split("\n"), start=1):
        if not row.replace("\t", " ").isprintable():
            raise UserError(f"--sheet: {path.name}, line {line}: a control character; remove it.")
    blank = _CODE.sub(lambda found: "\n" * found[0].count("\n"), text)
    blank = _LINK.sub("", blank)
    plain = "\n".join(html.unescape(row).replace("\t", "").replace("\n", "") for row in blank.split("\n"))
    for pattern, where in ((_ACTIVE, blank), (_SCHEME, plain)):
        if (found := pattern.search(where)) is None:
            continue
        line = where.count("\n", 0, found.start()) + 1
        raise UserError(
            f"--sheet: {path.name}, line {line}: {found[0][:40]!r} is HTML or a link that runs something, and a page"
            " runs neither. Write it in Markdown, or put it between backquotes to show it as code."
        )
    return text if text.endswith("\n") else text + "\n"


def read_bars(texts: Sequence[str], metric: Metric) -> tuple[Bar, ...]:
    """The bars of NAME=PUBLIC[/PRIVATE][:POINTS[/PRIVATE POINTS]].

    Raises UserError for what cannot be read, for a name that is there twice, and for a threshold beyond the metric's
    best value.
    """
    bars: list[Bar] = []
    if len(texts) > MOST_BARS:
        raise UserError(f"--bar: at most {MOST_BARS} bars; got {len(texts)}.")
    for text in texts:
        found = _BAR.fullmatch(text.strip())
        if found is None:
            raise UserError(
                f"--bar: expected NAME=PUBLIC[/PRIVATE][:POINTS[/POINTS]], such as simple=0.8 or strong=0.9/0.88:1/2;"
                f" got {text!r}."
            )
        name = _shown(found["name"], "--bar: a name")
        if name in {bar.name for bar in bars}:
            raise UserError(f"--bar: {name} is there twice.")
        public = _number(found["public"], name)
        private = public if found["private"] is None else _number(found["private"], name)
        points = 1.0 if found["points"] is None else _number(found["points"], name)
        more = points if found["more"] is None else _number(found["more"], name)
        for worth in (points, more):
            if not 0 <= worth <= MOST_POINTS:
                raise UserError(f"--bar {name}: points go from 0 to {MOST_POINTS:g}; got {worth:g}.")
        for value in (public, private):
            if (value > metric.best) if metric.higher_is_better else (value < metric.best):
                raise UserError(
                    f"--bar {name}: nobody can reach {value:g}, since the best {metric.label} is {metric.best:g}; set"
                    " a bar that can be reached."
                )
        bars.append(
            Bar(
                name,
                ((metric.name, public),),
                "set by the instructor",
                private=((metric.name, private),),
                points=(points, more),
                digits=metric.digits,
            )
        )
    return tuple(bars)


def _number(text: str, name: str) -> float:
    value = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not math.isfinite(value):
        raise UserError(f"--bar {name}: expected a decimal number, got {text!r}.")
    return value


def check_bars(
    bars: Sequence[Bar],
    metric: Metric,
    sample: tuple[float, float] | None,
    solution: tuple[float, float] | None,
) -> None:
    """Raises UserError for a bar that the sample submission clears, and for one beyond the solution's own score.

    `sample` and `solution` are the exact scores of the public and the private rows, None where there is none.
    """
    for bar in bars:
        for private, board in ((0, "public"), (1, "private")):
            ((_, threshold),) = bar.private if private and bar.private is not None else bar.public
            up = metric.higher_is_better
            if sample is not None and clears(sample[private], threshold, bar.digits, up):
                raise UserError(
                    f"--bar {bar.name}: the sample submission, which knows nothing, clears {threshold:g} on the"
                    f" {board} board with {sample[private]:.6g}; set a {'higher' if up else 'lower'} bar."
                    " No competition was made."
                )
            if solution is not None and not clears(solution[private], threshold, bar.digits, up):
                raise UserError(
                    f"--bar {bar.name}: the solution itself gets {solution[private]:.6g} on the {board} board and does"
                    f" not clear {threshold:g}; set a bar that can be reached. No competition was made."
                )


def scores_of(metric: Metric, answers: Mapping[str, Any], predictions: Mapping[str, Any], sides: Sequence[Any]) -> Any:
    """The exact public and private scores of predictions, `sides` being the masks of the rows."""
    rows = metric.rows(dict(answers), dict(predictions))
    return tuple(metric.value(rows, side) for side in sides)
