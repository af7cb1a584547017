"""The chart of a participant's scores, as numbers for a drawing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.competition import MetricCard
from harness.course.entries import SubmissionRow
from harness.course.types import BarCard
from harness.server.rendering import score_text
from harness.words import short_time
from tasks.base import as_written


@dataclass(frozen=True)
class Point:
    """A submission in the chart: x in percent, y in pixels from the top; `beyond` means off the scale."""

    x: float
    y: float
    text: str
    kind: Literal["counted", "practice"]
    beyond: bool


@dataclass(frozen=True)
class ChartLine:
    """A horizontal line of the chart, or a step of the best score so far."""

    y: float
    text: str = ""
    x: float = 0.0
    to: float = 100.0
    up: float = 0.0


@dataclass(frozen=True)
class Chart:
    """The history of scores, ready to draw."""

    points: Sequence[Point]
    best: Sequence[ChartLine]
    bars: Sequence[ChartLine]
    ticks: Sequence[ChartLine]
    label: str
    summary: str
    dates: Sequence[Point] = ()
    height: int = 224


TOP, BOTTOM = 22.0, 198.0
DAY = 27.0
"""The room that a day needs, in percent of the narrowest chart."""


def chart(metric: MetricCard, cards: Sequence[BarCard], rows: Sequence[SubmissionRow]) -> Chart | None:
    """The chart of a participant's scores; None without scores. A score far from the others is drawn at the edge."""
    graded = [(row, row.score) for row in rows if row.score is not None]
    if not graded:
        return None
    up = metric.higher_is_better
    lines = [(bar, value) for bar in cards for name, value in bar.public if bar.comparable and name == metric.name]
    levels = [value for _, value in lines]
    scores = sorted((score for _, score in graded), reverse=up)
    typical = abs(scores[(len(scores) - 1) // 2] - scores[0])
    way = [*levels, scores[0]]  # from the bars to the best score
    reach = max(3 * typical, 2 * (max(way) - min(way))) or math.inf
    near = [score for score in scores if abs(score - scores[0]) <= reach]
    span = max(near) - min(near)
    beside = [
        max((v for v in levels if v <= scores[0]), default=None),
        min((v for v in levels if v >= scores[0]), default=None),
    ]
    lines = [(bar, v) for bar, v in lines if v in beside or min(near) - span <= v <= max(near) + span]
    low, high = min([*near, *(v for _, v in lines)]), max([*near, *(v for _, v in lines)])
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    low, high = low - margin, high + margin

    def y(value: float) -> float:
        share: float = (value - low) / (high - low)
        return round(BOTTOM - (BOTTOM - TOP) * min(1.0, max(0.0, share)), 1)

    points: list[Point] = []
    best: list[ChartLine] = []
    record: float | None = None
    for place, (row, score) in enumerate(graded):
        x = round(14 + 80 * (place / (len(graded) - 1) if len(graded) > 1 else 0.5), 2)
        kind: Literal["counted", "practice"] = "practice" if row.practice else "counted"
        text = f"submission {row.id}: {score_text(score, metric.digits)}, {short_time(row.at)}"
        points.append(Point(x, y(score), text, kind, not low <= score <= high))
        better = record is None or (score > record if up else score < record)
        if kind == "counted" and better:
            if best:
                best[-1] = ChartLine(best[-1].y, x=best[-1].x, to=x, up=y(score))
            record = score
            best.append(ChartLine(y(score), x=x, to=96.0, up=y(score)))
    bars: list[ChartLine] = []
    for bar, value in lines:
        place_y = y(value)
        free = all(abs(place_y - line.y) > 16 for line in bars if line.text)
        bars.append(ChartLine(place_y, f"{bar.name} {as_written(value, bar.digits)}" if free else ""))
    ticks = [ChartLine(y(value), text) for value, text in _ticks(low, high)]
    scored = [score for row, score in graded if not row.practice]
    top = (max if up else min)(scored) if scored else None
    summary = f"{len(graded)} graded submissions" + (
        f", best {score_text(top, metric.digits)}." if top is not None else "."
    )
    better_is = "higher" if up else "lower"
    return Chart(points, best, bars, ticks, f"{metric.label} ({better_is} is better)", summary, _dates(points, graded))


def _dates(points: Sequence[Point], graded: Sequence[tuple[SubmissionRow, float]]) -> list[Point]:
    """The days below the points: each where it begins, as far as there is room."""
    found: list[Point] = []
    for point, (row, _) in zip(points, graded, strict=True):
        day = row.at[:10]
        if not found or (day != found[-1].text and point.x - found[-1].x >= DAY):
            found.append(Point(point.x, BOTTOM + 20, day, point.kind, False))
    return found


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Two to six round numbers from low to high, with their labels.

    >>> [text for _, text in _ticks(0.83, 1.27)]
    ['0.9', '1.0', '1.1', '1.2']
    """
    power = math.floor(math.log10((high - low) / 5))
    step = next(n * 10.0**power for n in (1, 2, 5, 10) if n * 10.0**power >= (high - low) / 5)
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [(n * step, f"{n * step:,.{places}f}") for n in range(first, last + 1)]
