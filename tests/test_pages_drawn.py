"""What the web pages draw: histories of scores, and colours that stand out."""

from __future__ import annotations

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from harness.competition import MetricCard
from harness.course.types import BarCard
from harness.server import chart, rendering
from tests.web import entry

finite = st.floats(-1e9, 1e9)


def metric(higher: bool) -> MetricCard:
    return MetricCard("rmse", "RMSE", higher, 5)


def bar_card(name: str, threshold: float) -> BarCard:
    return BarCard(name, (("rmse", threshold),), "measured", (1.0, 1.0), 5)


@given(st.lists(st.tuples(finite, st.booleans()), min_size=1, max_size=30), st.booleans(), finite)
def test_a_history_is_drawn_inside_its_frame_and_its_line_only_gets_better(
    history: list[tuple[float, bool]], higher: bool, threshold: float
) -> None:
    rows = [entry(n, score, practice) for n, (score, practice) in enumerate(history, 1)]
    drawn = chart.chart(metric(higher), [bar_card("boss", threshold)], [entry(0, None), *rows])
    assert drawn is not None
    assert len(drawn.points) == len(rows)
    for line in (*drawn.best, *drawn.bars, *drawn.ticks):
        assert all(math.isfinite(n) for n in (line.y, line.up, line.x, line.to))
        assert 0 < line.y < drawn.height
        assert 0 <= line.x <= line.to <= 100
    assert all(0 < point.y < drawn.height and 0 < point.x < 100 for point in drawn.points)
    heights = [line.y for line in drawn.best]
    assert heights == sorted(heights, reverse=higher)
    assert bool(drawn.best) == any(not practice for _, practice in history)
    within = {point.y for point in drawn.points if not point.beyond}
    assert within or len({score for score, _ in history}) > 1


def test_a_history_has_round_levels_and_the_next_bar_and_one_bad_file_does_not_flatten_it() -> None:
    bars = [bar_card("simple", 2.0), bar_card("medium", 1.1), bar_card("strong", 0.9)]

    def drawn(*scores: float) -> chart.Chart:
        made = chart.chart(metric(higher=False), bars, [entry(1, score) for score in scores])
        assert made is not None
        return made

    first = drawn(14.26, 6.44)
    assert not any(point.beyond for point in first.points), "two files far above the bars are no outliers of each other"
    assert first.points[1].y - first.points[0].y > 60
    far = drawn(1.203, 22.8)
    assert [point.beyond for point in far.points] == [False, True]
    assert [line.text for line in far.ticks] == ["1.2", "1.4", "1.6", "1.8", "2.0"]
    assert len(far.bars) == 2
    near = drawn(1.203, 1.212)
    assert not any(point.beyond for point in near.points)
    assert {line.text for line in near.bars} == {"simple 2.00000", "medium 1.10000"}


def test_no_history_is_no_chart() -> None:
    assert chart.chart(metric(higher=False), [], []) is None


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_from_what_it_is_on_in_light_and_dark() -> None:
    assert round(contrast("#000000", "#ffffff"), 3) == 21
    css = (rendering.HERE / "static" / "style.css").read_text()
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in css.split("@media")[:2])
    assert set(dark) == set(light)
    on = {
        "text": ("page", "panel", "own", "note", "bad-panel"), "muted": ("page", "panel", "note"),
        "link": ("page", "panel", "own", "note"), "on-button": ("button",), "bar-text": ("bar", "page"),
        "good": ("page", "panel", "own"), "bad": ("page", "panel", "own"),
    }  # fmt: skip
    for theme in (light, dark):
        low = {(t, b): contrast(theme[t], theme[b]) for t, grounds in on.items() for b in grounds}
        assert {pair: value for pair, value in low.items() if value < 4.5} == {}
