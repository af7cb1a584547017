"""The board: participants ranked by exact scores, with the bars between them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from harness import options
from tasks.errors import UserError

if TYPE_CHECKING:
    from tasks.base import Bar


def board_rows(home: Any, competition: Any, private: bool = False) -> list[Any]:
    """The ranked rows of a competition, of the present answers and metric."""
    from harness.competition import read_versions
    from leaderboard import ranking

    data_version, metric_version = read_versions(home, competition)
    with home.database() as database:
        return list(
            ranking.board(
                database,
                competition.key,
                data_version,
                metric_version,
                competition.ranking.higher_is_better,
                private=private,
                selections=competition.rules.selections,
                unselected=competition.rules.unselected,
            )
        )


def rank_of(home: Any, competition: Any, participant: str) -> int | None:
    """The participant's place on the public board."""
    return next((row.rank for row in board_rows(home, competition) if row.participant == participant), None)


def shown_rows(home: Any, competition: Any, me: str | None, private: bool) -> list[dict[str, Any]]:
    """The rows of the board as plain values; of the private side only where `private` is asked for."""
    import json

    public_rank = {row.participant: row.rank for row in board_rows(home, competition)} if private else {}
    rows = []
    for row in board_rows(home, competition, private):
        scores = json.loads(row.details).get("scores", [])
        shown = {
            "rank": row.rank,
            "name": row.participant,
            "kind": row.kind,
            "score": row.score,
            "interval": scores[0]["interval"] if scores else None,
            "bars": list(row.passed),
            "entries": row.entries,
            "last": options.local(home, row.last),
            "submission": row.submission,
            "mark": row.participant == me,
        }
        shown |= {score["metric"]: score["value"] for score in scores[1:]}
        if private:
            shown["public_rank"] = public_rank.get(row.participant)
            shown["move"] = None if shown["public_rank"] is None else shown["public_rank"] - row.rank
        rows.append(shown)
    return rows


def with_bars(rows: list[dict[str, Any]], bars: tuple[Bar, ...], metric: Any, private: bool) -> list[dict[str, Any]]:
    """The participants with a line for each comparable bar, above the first not to reach its ranking threshold."""
    lines = []
    for bar in bars:
        conditions = dict(bar.private if private and bar.private is not None else bar.public)
        if metric.name in conditions and bar.comparable:
            lines.append((bar, conditions[metric.name]))
    sign = 1 if metric.higher_is_better else -1
    lines.sort(key=lambda line: -sign * line[1])
    out: list[dict[str, Any]] = []
    for row in rows:
        while lines and not _reaches(row["score"], *lines[0], metric.higher_is_better):
            out.append(_bar_row(*lines.pop(0)))
        out.append(row)
    return out + [_bar_row(*line) for line in lines]


def _reaches(score: float | None, bar: Bar, threshold: float, higher_is_better: bool) -> bool:
    from tasks.base import clears

    return score is not None and clears(score, threshold, bar.digits, higher_is_better, bar.rounded)


def _bar_row(bar: Bar, threshold: float) -> dict[str, Any]:
    from tasks.base import as_written

    source = bar.source.partition(":")[0]
    return {
        "rank": None,
        "name": f"── {bar.name} bar ({source})",
        "score": as_written(threshold, bar.digits),
        "rule": True,
    }


@click.command()
@click.argument("homework", metavar="[HW]", required=False)
@click.option("--private", is_flag=True, help="The private board; after `reveal`, or with --unrevealed.")
@click.option("--unrevealed", is_flag=True, help="Look at the private board before its reveal; this is logged.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Only the first N places.")
@options.NAME
@options.FORMAT
@options.command
def leaderboard(
    homework: str | None, private: bool, unrevealed: bool, top: int | None, name: str | None, format: Any
) -> None:
    """Show the board of a homework, or of each that is prepared."""
    from harness.competition import find_competition, prepared

    home = options.find_home()
    names = [homework] if homework else prepared(home)
    if not names:
        raise UserError("nothing is prepared yet; begin with: lhy-grade prepare hw1")
    if len(names) > 1 and format != "table":
        raise UserError(f"name one homework for --format {format}: {', '.join(names)}.")
    me = options.who(home, name)
    for each in names:
        competition = find_competition(home, each)
        if private:
            _allow_private(home, competition, unrevealed, me)
        _show(home, competition, me, private, top, format)


def _allow_private(home: Any, competition: Any, unrevealed: bool, me: str) -> None:
    """Lets the private board be seen after its reveal; before, only with a flag that leaves an event in the log."""
    from harness.competition import refuse_one_board
    from leaderboard import store

    refuse_one_board(competition)
    with home.database() as database:
        if store.revealed(database, competition.key) is not None:
            return
        if not unrevealed:
            raise UserError(
                f"the private board of {competition.name} is not revealed. An instructor reveals it with"
                f" `lhy-grade reveal {competition.name}`, or looks at it alone with --unrevealed, which is logged.",
                code="E_NOT_REVEALED",
                exit_code=6,
            )
        store.log_event(database, "private board seen", me, {"competition": competition.key}, options.clock())


def _show(home: Any, competition: Any, me: str, private: bool, top: int | None, format: Any) -> None:
    from harness.competition import read_bars
    from harness.render import Field, emit, interval, number, say, short_time, words

    metric = competition.ranking
    rows = shown_rows(home, competition, me, private)[:top]
    side = "private" if private else "public"
    fields = [
        Field("rank", "#", right=True),
        Field("name", "name"),
        Field("score", metric.label, number(metric.digits), right=True),
        *(Field(other.name, other.label, number(other.digits), right=True) for other in competition.metrics[1:]),
        Field("interval", "95 % interval", interval(metric.digits), rank=3),
        *([Field("public_rank", "public #", right=True), Field("move", "move", lambda n: f"{n:+d}", right=True)]
          if private else []),
        Field("bars", "bars passed", words, rank=2),
        Field("entries", "entries", right=True, rank=1),
        Field("last", "last", short_time, rank=4),
    ]  # fmt: skip
    if format != "table":
        rows = [{key: value for key, value in row.items() if key != "mark"} for row in rows]
        if format == "csv":
            fields = [*fields, Field("kind", "kind"), Field("submission", "submission")]
        bars = [{"name": bar.name, "source": bar.source} for bar in competition.bars]
        head = {"homework": competition.name, "edition": competition.edition, "metric": metric.name}
        emit(format, "board", rows, fields, **head, higher_is_better=metric.higher_is_better, side=side, bars=bars)
        return
    if all(row["interval"] is None for row in rows):
        fields = [field for field in fields if field.key != "interval"]
    for row in rows:
        row["name"] = f"→ {row['name']}" if row["mark"] else row["name"]
    better = "higher" if metric.higher_is_better else "lower"
    title = f"{competition.name} · {competition.title} · {side} board ({metric.label}, {better} is better)"
    lines = read_bars(home, competition) if private else competition.bars
    emit(format, "board", with_bars(rows, lines, metric, private) if top is None else rows, fields, title=title)
    if not rows:
        say(f"Nobody has handed in yet. Be the first: lhy-grade submit {competition.name} FILE")
    if competition.demo and sys.stdout.isatty():
        say("Fixed seed: anybody can rebuild the answers; good for practice only.")
