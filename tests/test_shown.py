"""What is shown of a score: never more digits than its metric has, nor than six, and never a rounded one."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.shown import Cut, interval_decimals, shown, shown_interval
from harness.words import interval, number
from tasks.base import truncate

FINITE = st.floats(allow_nan=False, allow_infinity=False)
DIGITS = st.integers(0, 8)


def significant(value: float) -> int:
    return len(Decimal(repr(value)).normalize().as_tuple().digits) if value else 0


@given(FINITE, DIGITS)
def test_a_shown_score_lies_toward_zero_by_less_than_its_last_digit_and_has_no_more_digits(
    value: float, digits: int
) -> None:
    cut = shown(value, digits)
    assert significant(cut) <= 6
    assert int(Decimal(repr(cut)).normalize().as_tuple().exponent) >= -digits or cut == 0
    unit = max(Decimal(1).scaleb(-digits), Decimal(1).scaleb(Decimal(value).adjusted() - 5) if value else Decimal(0))
    assert abs(Decimal(cut)) <= abs(Decimal(value)) * (1 + Decimal(2) ** -51)
    assert abs(Decimal(value)) - abs(Decimal(cut)) <= unit * (1 + Decimal(2) ** -40)
    assert math.copysign(1, cut) == 1 or cut < 0, "no negative zero"


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_a_share_of_hits_is_shown_as_kaggle_shows_it(hits: int, n: int) -> None:
    assert Decimal(repr(shown(hits / n, 5))) == truncate(hits / n, 5) or hits / n >= 10


@given(FINITE, FINITE, DIGITS)
def test_a_shown_interval_holds_the_exact_one_and_has_three_significant_digits(
    one: float, other: float, digits: int
) -> None:
    low, high = sorted((one, other))
    cut = shown_interval((low, high), digits)
    assert cut[0] <= low
    assert cut[1] >= high
    assert all(significant(end) <= 4 for end in cut), "10.00 from 9.999, cut outward"
    unit = Decimal(1).scaleb(-interval_decimals((low, high), digits))
    assert all(Decimal(repr(end)) % unit == 0 for end in cut if abs(end) < 1e15)


@given(st.floats(-1e12, 1e12), DIGITS)
def test_what_is_written_is_what_was_shown(value: float, digits: int) -> None:
    cut = shown(value, digits)
    assert Decimal(number(digits)(cut)) == Decimal(repr(cut))
    assert Decimal(number(digits)(value)) == Decimal(repr(value)), "printing never cuts"


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.9, 5, "0.90000"),
        (0.0, 5, "0.00000"),
        (21.11454321, 5, "21.1145"),
        (9.99999999, 5, "9.99999"),
        (10.0, 5, "10.0000"),
        (-123.4567, 2, "-123.45"),
        (62.888, 2, "62.88"),
        (2433 / 4000, 5, "0.60824"),
        (0.0000123, 5, "0.00001"),
        (-0.000001, 5, "0.00000"),
        (1234567.8, 5, "1234560"),
        (1.7976931348623157e308, 5, "1.79769e+308"),
    ],
)
def test_scores_as_people_read_them(value: float, digits: int, text: str) -> None:
    assert number(digits)(shown(value, digits)) == text


def test_intervals_as_people_read_them() -> None:
    for ends, digits, text in (
        ((0.72644, 0.99199), 5, "0.726 – 0.992"),
        ((0.72644, 1.07199), 5, "0.72 – 1.08"),
        ((18.79249, 23.43701), 5, "18.7 – 23.5"),
        ((1.0, 1.0), 5, "1.00 – 1.00"),
        ((-251.31, 297.96), 2, "-252 – 298"),
        ((-0.0001, 0.0), 5, "-0.001 – 0.000"),
    ):
        assert interval(digits)(shown_interval(ends, digits)) == text


def test_exact_numbers_are_left_alone_where_they_were_asked_for() -> None:
    score = {"metric": "accuracy_score", "value": 0.123456789, "interval": [0.1000001, 0.2000001]}
    cut, exact = Cut({"accuracy_score": 5}), Cut({"accuracy_score": 5}, exact=True)
    assert exact.recorded(score) == score
    assert cut.recorded(score) == {"metric": "accuracy_score", "value": 0.12345, "interval": [0.1, 0.201]}
    assert (cut.score(None), cut.score(0.123456789), exact.score(0.123456789)) == (None, 0.12345, 0.123456789)
    assert math.isnan(shown(math.nan, 5))


def test_no_exact_score_passes_the_projection_but_through_the_cut() -> None:
    """What in `harness.course` reads a score hands it to `Cut.score`, but for what only compares exact ones."""
    folder = Path(__file__).parents[1] / "harness" / "course"
    rooms = [folder / f"{name}.py" for name in ("access", "boards", "catalogue", "handing_in", "limits", "record")]
    comparing = {"_bars", "_improved"}
    loose = [
        f"{function.name}: {ast.unparse(node)}"
        for room in rooms
        for function in ast.walk(ast.parse(room.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef) and function.name not in comparing
        for node in outside_of_cuts(function)
        if isinstance(node, ast.Attribute) and node.attr in ("score", "public", "private", "public_interval")
        if ast.unparse(node.value) not in ("home", "self.home", "cut", "cut_of(competition)", "bar")
    ]
    assert loose == []


def outside_of_cuts(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes below a node, without the arguments of calls of `Cut.score`."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not (isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr == "score"):
            yield from outside_of_cuts(child)
