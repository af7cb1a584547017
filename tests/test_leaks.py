"""Leak checks of rows, order, features and groups: each finds the leak that is planted, none alarms on clean data."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Made
from tasks.leaks import find_leaks, rows
from tasks.leaks.cells import (
    answers_in_features,
    answers_in_ids,
    answers_in_order,
    answers_in_other_rows,
    constant_answers,
)
from tasks.leaks.rows import equal_rows, near_rows, shared_groups, split_groups
from tests.leaky import WORLDS, N, classes, codes, csv_of, ordered, regression


def write_public(folder: Path, made: Made) -> None:
    """What students get of any competition: features with ids, a constant sample submission, a description."""
    ids = [str(text) for text in made.answers.ids]
    if made.test is not None:
        rows = [",".join([text, *map(repr, row)]) for text, row in zip(ids, made.test.tolist(), strict=True)]
        (folder / "test.csv").write_text("\n".join(["id," + ",".join("abcdef"), *rows]) + "\n")
    (folder / "sample_submission.csv").write_text("id,y\n" + "".join(f"{text},0\n" for text in ids))
    (folder / "format.json").write_text(json.dumps({"id": "id", "ids": ids, "columns": [{"name": "y"}]}))
    (folder / "notes.md").write_text("nothing\n")
    (folder / "photo.bin").write_bytes(bytes(range(256)))


@pytest.mark.parametrize("world", WORLDS)
def test_clean_data_raise_no_alarm(world: str, tmp_path: Path) -> None:
    for number in range(8):
        made = WORLDS[world](np.random.default_rng(number))
        write_public(tmp_path, made)
        assert find_leaks(tmp_path, made) == [], f"seed {number}"


# Rows -----------------------------------------------------------------------------------------------------------------


def rows_of(made: Made) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    assert made.train is not None
    assert made.test is not None
    return made.train, made.test


@pytest.mark.parametrize("copies", [1, 30])
def test_equal_rows_in_train_and_test_are_found(copies: int) -> None:
    train, test = rows_of(regression(np.random.default_rng(0)))
    test[5 : 5 + copies] = train[100 : 100 + copies]
    assert codes(equal_rows(train, test)) == {"E_LEAK_EQUAL_ROWS"}


def test_a_zero_with_a_sign_does_not_hide_an_equal_row() -> None:
    train, test = rows_of(regression(np.random.default_rng(0)))
    train[3, 2], test[4] = 0.0, train[3]
    test[4, 2] = -0.0
    assert equal_rows(train, test)


def test_equal_rows_beyond_the_natural_ones_are_found_in_features_of_few_values() -> None:
    generator = np.random.default_rng(0)
    train, test = (generator.integers(0, 3, (rows, 9)).astype(float) for rows in (500, N))
    assert equal_rows(train, test) == []
    test[:300] = train[:300]
    assert codes(equal_rows(train, test)) == {"E_LEAK_EQUAL_ROWS"}


@pytest.mark.parametrize(
    ("world", "copies"), [("regression", 1), ("regression", 40), ("regression", N), ("series", 3), ("series", N)]
)
def test_copies_with_noise_of_a_ten_thousandth_are_found(world: str, copies: int) -> None:
    generator = np.random.default_rng(3)
    train, test = rows_of(WORLDS[world](generator))
    copies = min(copies, len(test))
    test[:copies] = train[:copies] + 1e-4 * train.std(axis=0) * generator.normal(size=(copies, train.shape[1]))
    assert equal_rows(train, test) == []
    assert codes(near_rows(train, test)) == {"E_LEAK_NEAR_ROWS"}


def test_near_copies_of_wide_rows_are_found_after_a_projection() -> None:
    generator = np.random.default_rng(4)
    train, test = rows_of(regression(generator, 200, 1000))
    assert near_rows(train, test) == []
    test[7] = train[70] + 1e-4 * generator.normal(size=1000)
    assert codes(near_rows(train, test)) == {"E_LEAK_NEAR_ROWS"}


def test_a_missing_cell_and_a_constant_column_do_not_hide_a_near_copy() -> None:
    generator = np.random.default_rng(5)
    train, test = rows_of(regression(generator))
    train[:, 0], test[:, 0] = 7.0, 7.0
    test[9] = train[9] + 1e-4 * generator.normal(size=8)
    train[50, 3] = np.nan
    assert near_rows(train, test)


@pytest.mark.parametrize("spread", [1.0, 0.05])
def test_the_nearest_row_within_a_radius_is_that_of_all_distances(spread: float) -> None:
    generator = np.random.default_rng(6)
    train = generator.normal(size=(6000, 7)) @ np.diag([4.0, 2, 1, 1, 1, 0.5, spread])
    test = train[:900] + 0.2 * generator.normal(size=(900, 7))
    brute = np.sqrt(((test[:, None] - train[None]) ** 2).sum(axis=2)).min(axis=1)
    assert np.allclose(rows._nearest(test, train), brute)
    for radius in (0.2, 0.5, 2.0):
        expected = np.where(brute <= radius, brute, np.inf)
        assert np.allclose(rows._nearest_within(radius, test, train), expected)
        assert np.isfinite(expected).any()


# Order and ids --------------------------------------------------------------------------------------------------------


def test_constant_answers_are_found_among_scored_rows() -> None:
    assert codes(constant_answers(ordered(np.zeros(9)))) == {"E_LEAK_CONSTANT"}
    usage = np.array([PUBLIC] * 4 + [PRIVATE] * 4 + [IGNORED], dtype=np.int8)
    values = np.array([1.0] * 8 + [2.0])
    assert constant_answers(ordered(values)) == []
    assert codes(constant_answers(ordered(values, usage=usage))) == {"E_LEAK_CONSTANT"}


def order_leaks() -> dict[str, NDArray[Any]]:
    generator = np.random.default_rng(0)
    noise = generator.normal(size=N)
    words = np.array(["cat", "dog", "owl"])
    return {
        "sorted numbers": np.sort(noise),
        "falling numbers": np.sort(noise)[::-1],
        "a trend under noise": np.linspace(0, 1, N) + noise,
        "a slow wave": np.sin(np.arange(N) / 9) + 0.5 * noise,
        "sorted classes": np.sort(words[generator.integers(0, 3, N)]),
        "runs of classes": np.repeat(words[generator.integers(0, 3, N // 5)], 5),
        "classes in turn": np.tile(words, N // 3),
        "a period of seven": np.tile(generator.normal(size=7), N // 7 + 1)[:N],
        "codes sorted": np.sort(generator.integers(0, 5, N)),
    }


@pytest.mark.parametrize("kind", order_leaks())
def test_answers_that_can_be_read_from_the_row_order_are_found(kind: str) -> None:
    values = order_leaks()[kind]
    assert codes(answers_in_order(ordered(values))) == {"E_LEAK_ORDER"}
    shuffled = np.random.default_rng(1).permutation(values)
    assert answers_in_order(ordered(shuffled)) == []


def test_sorted_answers_are_found_although_there_are_groups() -> None:
    generator = np.random.default_rng(2)
    values = np.sort(generator.normal(size=N))
    groups = np.repeat(np.arange(N // 6).astype(str), 6)
    assert answers_in_order(ordered(values, groups=groups))


def id_leaks() -> dict[str, tuple[tuple[str, ...], NDArray[Any]]]:
    generator = np.random.default_rng(0)
    numbers = generator.permutation(10 * N)[:N]
    words = np.array(["cat", "dog", "owl"])
    labels = words[generator.integers(0, 3, N)]
    codes = generator.integers(0, 3, N)
    letter = {"cat": "x", "dog": "q", "owl": "k"}
    return {
        "a number that rises with the answer": (
            tuple(f"p{number:06d}" for number in numbers),
            numbers + generator.normal(size=N) * N,
        ),
        "a number that tells the class": (tuple(f"p{number}" for number in numbers), words[numbers * 3 // (10 * N)]),
        "a remainder that tells the class": (tuple(f"p{number}" for number in numbers), words[numbers % 3]),
        "the answer as a word": (tuple(f"{word}-{at}" for at, word in enumerate(labels)), labels),
        "the answer in capitals": (tuple(f"{at}_{word.upper()}" for at, word in enumerate(labels)), labels),
        "a letter for the class": (tuple(f"{at}{letter[word]}" for at, word in enumerate(labels)), labels),
        "a whole number at the end": (tuple(f"a{at}.{code}" for at, code in enumerate(codes)), codes),
    }


@pytest.mark.parametrize("kind", id_leaks())
def test_answers_that_can_be_read_from_the_ids_are_found(kind: str) -> None:
    ids, values = id_leaks()[kind]
    assert codes(answers_in_ids(Answers(ids, {"y": values}))) == {"E_LEAK_ID"}
    shuffled = np.random.default_rng(1).permutation(values)
    assert answers_in_ids(Answers(ids, {"y": shuffled})) == []


# Features and groups --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["equal", "linear", "mostly"])
def test_a_number_that_stands_in_its_own_features_is_found(change: str) -> None:
    made = regression(np.random.default_rng(0))
    assert made.test is not None
    y = made.answers.columns["y"]
    made.test[:, 3] = -4 * y + 7 if change == "linear" else y
    if change == "mostly":
        made.test[:30, 3] = 99.0
    found = answers_in_features(made.test, made.answers)
    assert codes(found) == {"E_LEAK_FEATURE"}
    assert "column 4" in found[0].message


def test_a_class_that_a_feature_codes_is_found() -> None:
    made = classes(np.random.default_rng(0))
    assert made.test is not None
    made.test[:, 1] = [{"cat": 5.0, "dog": 1.0, "owl": 0.5, "bee": 2.0}[word] for word in made.answers.columns["label"]]
    assert codes(answers_in_features(made.test, made.answers)) == {"E_LEAK_FEATURE"}


@pytest.mark.parametrize("digits", [2, 6, 17])
def test_answers_that_stand_in_overlapping_windows_of_other_rows_are_found(digits: int) -> None:
    generator = np.random.default_rng(0)
    days = np.round(generator.normal(20, 5, 1200), digits)
    windows = np.lib.stride_tricks.sliding_window_view(days, 3)
    features, y = windows[:, :2].copy(), windows[:, 2].copy()
    order = generator.permutation(len(y))
    train, test = order[:800], order[800:]
    answers = ordered(y[test])
    found = answers_in_other_rows(features[train], answers, own_rows=False)
    if digits > 2:  # of 800 values with two decimals many agree by chance, and a hit tells less
        assert codes(found) == {"E_LEAK_OTHER_ROW"}
        assert "training features" in found[0].message
        assert codes(answers_in_other_rows(features[test], answers, own_rows=True)) == {"E_LEAK_OTHER_ROW"}
    fresh = np.round(generator.normal(20, 5, (800, 2)), digits)
    assert answers_in_other_rows(fresh, answers, own_rows=False) == []


def test_a_group_in_train_and_test_is_found() -> None:
    answers = ordered(np.arange(4.0), groups=np.array(["a", "a", "b", "c"]))
    assert shared_groups(np.array(["d", "e"]), answers) == []
    found = shared_groups(np.array(["d", "b"]), answers)
    assert codes(found) == {"E_LEAK_SHARED_GROUP"}
    assert "'b'" in found[0].message


def test_a_group_on_both_boards_is_found() -> None:
    groups = np.array(["a", "a", "b", "b"])
    apart = np.array([PUBLIC, PUBLIC, PRIVATE, IGNORED], dtype=np.int8)
    across = np.array([PUBLIC, PRIVATE, PRIVATE, PRIVATE], dtype=np.int8)
    assert split_groups(ordered(np.arange(4.0), groups=groups, usage=apart)) == []
    assert codes(split_groups(ordered(np.arange(4.0), groups=groups, usage=across))) == {"E_LEAK_SPLIT_GROUP"}


# All of it ------------------------------------------------------------------------------------------------------------


def test_find_leaks_runs_every_check_and_tells_no_answer(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    y = np.sort(np.round(generator.normal(50, 9, N), 9))
    ids = tuple(f"p{place:05d}" for place in range(N))
    train, test = generator.normal(size=(N, 5)), generator.normal(size=(N, 5))
    train[:, 3] = y
    test[20] = train[20]
    test[30:, 2] = y[30:]
    groups = np.repeat(np.arange(N // 2).astype(str), 2)
    usage = np.tile(np.array([PUBLIC, PRIVATE], dtype=np.int8), N // 2)
    answers = Answers(ids, {"y": y, "z": np.zeros(N)}, groups=groups, usage=usage)
    (tmp_path / "answers.csv").write_text(csv_of("id,y", ids, y))
    for row, text in enumerate(ids):
        path = tmp_path / "images" / f"{text}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(row))
        os.utime(path, (row, row))
    found = find_leaks(tmp_path, Made(answers, train, test, groups))
    assert codes(found) == {
        "E_LEAK_CONSTANT",
        "E_LEAK_ORDER",
        "E_LEAK_ID",
        "E_LEAK_FILE_SIZE",
        "E_LEAK_FILE_TIME",
        "E_LEAK_FILE",
        "E_LEAK_SPLIT_GROUP",
        "E_LEAK_SHARED_GROUP",
        "E_LEAK_FEATURE",
        "E_LEAK_OTHER_ROW",
        "E_LEAK_EQUAL_ROWS",
    }
    told = "\n".join(leak.message for leak in found)
    assert not any(repr(value) in told for value in y.tolist())


def test_a_competition_of_few_rows_raises_no_false_alarm(tmp_path: Path) -> None:
    for n in (2, 3, 8, 12):
        answers = Answers(range(n), {"y": np.arange(n) % 2, "z": np.arange(n) * 1.5})
        write_public(tmp_path, Made(answers))
        assert find_leaks(tmp_path, Made(answers, np.eye(n), 2 * np.eye(n))) == []
