"""Parts of a board on the command line: the first places, those around one's own, and names with a text."""

from __future__ import annotations

import json

import pytest

from harness.home import Home
from tests import gradebooks
from tests.gradebooks import call, hand_in

home, _noon = gradebooks.home, gradebooks._noon


@pytest.fixture
def board(home: Home) -> Home:
    """Nine people with the scores 1 to 9, of which 1 is best."""
    with home.database() as db:
        for number in range(1, 10):
            hand_in(home, db, f"p{number}", float(number), 1.0)
    return home


def names(home: Home, *words: str) -> list[str]:
    done = call(home, "leaderboard", "hw1", "--as", "p5", *words, "--format", "json")
    assert done.exit_code == 0, done.stderr
    return [row["name"] for row in json.loads(done.stdout)["board"]]


def test_a_board_shows_the_first_places_those_around_ones_own_or_names_with_a_text(board: Home) -> None:
    every = [f"p{number}" for number in range(1, 10)]
    assert names(board) == every
    assert names(board, "--top", "3") == every[:3]
    assert names(board, "--around", "2") == ["p3", "p4", "p5", "p6", "p7"]
    assert names(board, "--around") == every
    assert names(board, "--find", "P7") == ["p7"]
    assert names(board, "--find", "x") == []
    shown = call(board, "leaderboard", "hw1", "--as", "p5", "--around", "1").stdout
    assert "→ p5" in shown
    assert "p3" not in shown
    ranks = [line.split()[0] for line in shown.splitlines() if " p" in line and "." in line]
    assert ranks == ["4", "5", "6"], "ranks are those of the whole board"


def test_who_has_no_place_and_who_asks_for_two_things_is_told(board: Home) -> None:
    none = call(board, "leaderboard", "hw1", "--as", "guest", "--around")
    assert none.exit_code == 2
    assert "you have no place on the board of hw01 yet" in none.stderr
    both = call(board, "leaderboard", "hw1", "--top", "3", "--around")
    assert both.exit_code == 2
    assert "choose one of" in both.stderr
