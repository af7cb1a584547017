"""Setting the bars of a homework to what its levels were measured to score on its data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from harness.answers import course_key
from harness.competition import Competition, bars_seal, hidden_bar_to_json
from harness.home import Home
from harness.sweep import Spread
from harness.versions import read_bars
from leaderboard import competitions, roster
from tasks.base import Bar, UserError

LEAST_SEEDS = 2
"""One training alone says nothing of the spread."""


def set_bars(
    home: Home, competition: Competition, found: Sequence[Spread], actor: str, reason: str, now: datetime
) -> None:
    """Sets the bars of the measured levels to their mean scores, in the database and with an event.

    Raises UserError for fewer seeds than `LEAST_SEEDS` and for levels that do not climb, and E_CLOSED if a file was
    handed in.
    """
    bars = [hidden_bar_to_json(bar) for bar in measured_bars(competition, read_bars(home, competition), found)]
    said = {"levels": sorted({one.level for one in found}), "reason": roster.checked_reason(reason)}
    key = course_key(home)

    def seal(event: int) -> str:
        return bars_seal(key, competition.key, bars, event)

    with home.database() as database, database.transaction():
        competitions.set_bars(database, competition.key, bars, seal, said, actor, now)


def measured_bars(competition: Competition, bars: Sequence[Bar], found: Sequence[Spread]) -> list[Bar]:
    """The bars with the measured ones in their places, and new levels behind them; points and metrics stay.

    A threshold is a mean, rounded to the digits that the metric is shown with, on each board that of the board.
    """
    means = {(one.level, one.metric): one for one in found}
    if any(one.seeds < LEAST_SEEDS for one in found):
        raise UserError(f"bars need the spread of at least {LEAST_SEEDS} seeds of each level: add --seeds 0-4.")
    levels = list(dict.fromkeys(one.level for one in found))
    ranking = competition.ranking
    for below, above in pairwise(levels):
        lower, higher = means[below, ranking.name], means[above, ranking.name]
        steps = [(lower.public, higher.public)]
        if lower.private is not None and higher.private is not None:
            steps.append((lower.private, higher.private))
        if any((one < other) != ranking.higher_is_better or one == other for one, other in steps):
            raise UserError(f"level {above} does not score better than {below} on both boards, so they cannot be bars.")
    known = {bar.name: bar for bar in bars}
    new = {level: _measured(competition, known.get(level), level, means) for level in levels}
    return [new.pop(bar.name, bar) for bar in bars] + list(new.values())


def _measured(competition: Competition, bar: Bar | None, level: str, means: dict[tuple[str, str], Spread]) -> Bar:
    ranking = competition.ranking
    digits = {metric.name: metric.digits for metric in competition.metrics}
    names = [ranking.name] if bar is None else [name for name, _ in bar.public if name in digits]
    found = [means[level, name] for name in names]
    private = [(one.metric, round(one.private, digits[one.metric])) for one in found if one.private is not None]
    first, shown = means[level, ranking.name], ranking.digits
    return replace(
        bar or Bar(level, (), ""),
        public=tuple((one.metric, round(one.public, digits[one.metric])) for one in found),
        private=tuple(private) or None,
        source=f"measured here: level {level}, {first.seeds} seeds, public {ranking.label} mean"
        f" {first.public:.{shown}f} ± {first.public_spread:.{shown}f} (standard deviation)",
        comparable=True,
        rounded=False,
        digits=max(5, *digits.values()),
        size=competition.size,
    )
