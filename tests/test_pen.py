"""The pen: its lines go through their points, and its ink is that of a finely drawn picture made small."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy.interpolate import CubicHermiteSpline

from tasks.pen import Hand, Hands, arc, curve, draw_hand, fitted, handwritten, ink, prolonged, written

POINTS = np.random.default_rng(0).uniform(0.2, 0.8, (6, 2))


def test_a_curve_is_the_cubic_spline_with_the_slopes_of_catmull_and_rom() -> None:
    places = np.arange(6)
    padded = np.concatenate([[2 * POINTS[0] - POINTS[1]], POINTS, [2 * POINTS[-1] - POINTS[-2]]])
    spline = CubicHermiteSpline(places, POINTS, (padded[2:] - padded[:-2]) / 2)
    np.testing.assert_allclose(curve(POINTS, 8), spline(np.linspace(0, 5, 41)), atol=1e-12)


@pytest.mark.parametrize("width", [1.2, 2.0, 3.5])
def test_ink_is_near_that_of_a_line_drawn_sixteen_times_as_large(width: float) -> None:
    lines = [curve(POINTS), arc((0.5, 0.5), (0.3, 0.2), 0.0, 3.0)]
    side, fine = 28, 16
    large = Image.new("L", (side * fine, side * fine))
    pen = ImageDraw.Draw(large)
    for line in lines:
        pen.line([tuple(point) for point in line * side * fine], fill=255, width=round(width * fine), joint="curve")
        for x, y in line * side * fine:  # round ends and joints
            radius = width * fine / 2
            pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    small = np.asarray(large).reshape(side, fine, side, fine).mean(axis=(1, 3)) / 255
    found = ink(lines, side, width)
    assert found.shape == (side, side)
    assert np.abs(found - small).mean() < 0.01
    assert np.quantile(np.abs(found - small), 0.99) < 0.2  # where lines cross, soft edges do not add up


def test_a_dot_and_a_stroke_without_length_are_round() -> None:
    for line in (np.array([[0.5, 0.5]]), np.array([[0.5, 0.5], [0.5, 0.5]])):
        dot = ink([line], 11, 4.0)
        assert dot.max() == 1
        assert np.array_equal(dot, dot.T)
        assert np.array_equal(dot, dot[::-1])
        assert dot.sum() == pytest.approx(np.pi * 4, rel=0.1)


def test_a_hand_turns_clockwise_slants_to_the_right_and_overshoots() -> None:
    rng = np.random.default_rng(0)
    up = np.array([[0.5, 0.5], [0.5, 0.1]])
    (turned,) = handwritten([up], Hand(turn=np.pi / 2), rng)
    np.testing.assert_allclose(turned[-1], [0.9, 0.5])
    (slanted,) = handwritten([up], Hand(slant=0.5), rng)
    np.testing.assert_allclose(slanted[-1], [0.7, 0.1])
    np.testing.assert_allclose(prolonged(up, 0.1), [[0.5, 0.6], [0.5, 0.0]])
    assert len(prolonged(up[:1], 0.1)) == 1


def test_lines_are_fitted_into_the_middle() -> None:
    every = np.concatenate(fitted([POINTS, POINTS[:2] + 0.4], 0.6))
    low, high = every.min(axis=0), every.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, 0.5)
    assert (high - low).max() == pytest.approx(0.6)


def test_the_same_stream_writes_the_same_picture_and_another_hand_another() -> None:
    def once(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        return written([POINTS], draw_hand(rng, Hands()), rng).tobytes()

    assert once(1) == once(1) != once(2)
