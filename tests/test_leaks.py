"""Every leak check finds the leak that is planted for it, and none alarms on clean data."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tasks.base import IGNORED, PRIVATE, PUBLIC, Answers, Made
from tasks.leaks import files, find_leaks, rows
from tasks.leaks.cells import (
    answers_in_features,
    answers_in_ids,
    answers_in_order,
    answers_in_other_rows,
    constant_answers,
)
from tasks.leaks.chance import Leak
from tasks.leaks.files import answers_in_file_facts, answers_in_files
from tasks.leaks.rows import equal_rows, near_rows, shared_groups, split_groups
from tasks.split import split

N = 600
Plant = Callable[[np.random.Generator, Path], Made]


def codes(leaks: list[Leak]) -> set[str]:
    return {leak.code for leak in leaks}


def regression(generator: np.random.Generator, n: int = N, features: int = 8) -> Made:
    train = generator.normal(size=(3 * n, features))
    test = generator.normal(size=(n, features))
    y = test @ generator.normal(size=features) + generator.normal(size=n)
    answers = split(Answers(tuple(f"row{place}" for place in range(n)), {"y": y}), b"key", "hw01", 0.5)
    return Made(answers, train, test)


def classes(generator: np.random.Generator, kinds: tuple[str, ...] = ("cat", "dog", "owl", "bee")) -> Made:
    made = regression(generator)
    labels = np.array(kinds)[generator.integers(0, len(kinds), N)]
    return replace(made, answers=replace(made.answers, columns={"label": labels}))


def series(generator: np.random.Generator) -> Made:
    """Windows of three days of smooth series, neighbouring days in train and test, groups apart, rows shuffled."""
    days, states = 240, 12
    walk = np.cumsum(np.cumsum(generator.normal(size=(states, days, 6)), axis=1), axis=1) / 50
    windows, groups, labels = [], [], []
    for state in range(states):
        for day in range(0, days - 3, 4):
            windows.append(np.concatenate([np.eye(states)[state], walk[state, day : day + 3].ravel()[:-1]]))
            labels.append(walk[state, day + 2, -1])
            groups.append(f"{state}/{day // 24}")
    order = generator.permutation(len(windows))
    rows, words, y = np.array(windows)[order], np.array(groups)[order], np.array(labels)[order]
    test = np.isin(np.array([word[-1] for word in words]), ["2", "5", "8"])
    answers = Answers(range(int(test.sum())), {"y": y[test]}, groups=words[test])
    return Made(split(answers, b"key", "hw01", 0.5), rows[~test], rows[test], words[~test])


def discrete(generator: np.random.Generator) -> Made:
    """Features of few values, so that equal rows are natural, and answers that are small whole numbers."""
    train, test = (generator.integers(0, 2, (rows, 6)).astype(float) for rows in (2000, N))
    answers = Answers(range(N), {"y": generator.integers(0, 30, N), "z": generator.integers(0, 2, N)})
    return Made(split(answers, b"key", "hw01", 0.5), train, test)


def speakers(generator: np.random.Generator) -> Made:
    """Clips lie in groups one after another, and the answer is the same in a group."""
    groups = np.repeat([f"g{group:03d}" for group in range(N // 4)], 4)
    label = np.repeat(np.array([f"id{kind:05d}" for kind in range(40)])[generator.integers(0, 40, N // 4)], 4)
    answers = Answers(tuple(f"clip_{place:05d}" for place in range(N)), {"speaker": label}, groups=groups)
    return Made(split(answers, b"key", "hw04", 0.5))


def shares(generator: np.random.Generator) -> Made:
    """Features and answers are shares of a few hundred people, so that many agree to the last digit by chance."""
    people = generator.integers(400, 600, (3000, 1))
    rows = generator.binomial(people, generator.uniform(0.1, 0.5, (3000, 1)), (3000, 5)) / people * 100
    return Made(split(Answers(range(N), {"y": rows[:N, 4]}), b"key", "hw01", 0.5), rows[N:, :4], rows[:N, :4])


WORLDS: dict[str, Callable[[np.random.Generator], Made]] = {
    "regression": regression, "classes": classes, "series": series, "discrete": discrete, "speakers": speakers,
    "shares": shares,
}  # fmt: skip


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


def ordered(values: NDArray[Any], **more: Any) -> Answers:
    return Answers(range(len(values)), {"y": values}, **more)


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


# Files ----------------------------------------------------------------------------------------------------------------


def pictures(folder: Path, made: Made, name: Callable[[int], str], size: Callable[[int], int]) -> None:
    """One file for each id, all of one time."""
    for row in range(len(made.answers)):
        path = folder / name(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size(row)))
        os.utime(path, (1_700_000_000, 1_700_000_000))


def test_sizes_times_and_folders_of_files_that_tell_nothing_raise_no_alarm(tmp_path: Path) -> None:
    made = classes(np.random.default_rng(0))
    label = made.answers.columns["label"]
    sizes = np.random.default_rng(1).integers(500, 900, N) + 40 * (label == "cat")  # busy pictures are a little larger
    pictures(tmp_path, made, lambda row: f"images/row{row}.png", lambda row: int(sizes[row]))
    assert answers_in_file_facts(tmp_path, made.answers) == []


def test_file_sizes_that_tell_the_answer_are_found(tmp_path: Path) -> None:
    made = classes(np.random.default_rng(0))
    label = made.answers.columns["label"]
    pictures(tmp_path, made, lambda row: f"images/row{row}.png", lambda row: 100 + 7 * ord(label[row][0]))
    assert codes(answers_in_file_facts(tmp_path, made.answers)) == {"E_LEAK_FILE_SIZE"}


def test_file_times_that_go_with_the_answer_are_found_even_where_they_differ_by_nanoseconds(tmp_path: Path) -> None:
    made = regression(np.random.default_rng(0))
    pictures(tmp_path, made, lambda row: f"row{row}.png", lambda row: 10)
    for place, row in enumerate(np.argsort(made.answers.columns["y"])):
        os.utime(tmp_path / f"row{row}.png", ns=(10**18, 10**18 + place))
    assert codes(answers_in_file_facts(tmp_path, made.answers)) == {"E_LEAK_FILE_TIME"}


@pytest.mark.parametrize("pattern", ["test/{}/row{}.png", "{}/row{}.png", "test/row{1}.{0}"])
def test_folders_and_endings_that_tell_the_class_are_found(tmp_path: Path, pattern: str) -> None:
    made = classes(np.random.default_rng(0))
    label = made.answers.columns["label"]
    (tmp_path / "train").mkdir()
    for row in range(N):  # training pictures of the same names must not be taken for those of the test
        (tmp_path / "train" / f"row{row}.png").write_bytes(b"x")
    pictures(tmp_path, made, lambda row: pattern.format(label[row], row), lambda row: 10)
    if pattern.startswith("{}"):
        (tmp_path / "train").rename(tmp_path.with_name(tmp_path.name + "-train"))
    found = codes(answers_in_file_facts(tmp_path, made.answers))
    assert "E_LEAK_FILE_NAME" in found


def csv_of(header: str, *columns: Any) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n"


@pytest.fixture(params=[files.FIRST, 40], ids=["all rows", "some rows first"])
def first(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are compared as those of few rows are, and as those of many."""
    monkeypatch.setattr(files, "FIRST", request.param)


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("world", ["regression", "classes", "discrete"])
def test_a_file_with_the_answers_is_found_in_any_form(world: str, tmp_path: Path) -> None:
    made = WORLDS[world](np.random.default_rng(0))
    answers = made.answers
    ids = [str(text) for text in answers.ids]
    name, values = next(iter(answers.columns.items()))
    order = np.random.default_rng(1).permutation(N)
    other = np.arange(N) * 0.5
    forms: dict[str, Callable[[Path], object]] = {
        "solution.csv": lambda path: path.write_text(csv_of(f"id,{name}", ids, values)),
        "shuffled.csv": lambda path: path.write_text(
            csv_of("a,id,x", other, [ids[row] for row in order], values[order])
        ),
        "semicolons.csv": lambda path: path.write_text(csv_of(f"id,{name}", ids, values).replace(",", ";")),
        "tabs.tsv": lambda path: path.write_text(csv_of(f"id,{name}", ids, values).replace(",", "\t")),
        "bare.txt": lambda path: path.write_text("\n".join(map(str, values)) + "\n"),
        "records.json": lambda path: path.write_text(
            json.dumps([{"id": i, "v": v} for i, v in zip(ids, values.tolist(), strict=True)])
        ),
        "map.json": lambda path: path.write_text(
            json.dumps({"answers": dict(zip(ids, values.tolist(), strict=True)), "note": 1})
        ),
        "lists.json": lambda path: path.write_text(json.dumps({"ids": ids, "y": values.tolist()})),
        "lines.jsonl": lambda path: path.write_text(
            "".join(json.dumps({"id": i, "v": v}) + "\n" for i, v in zip(ids, values.tolist(), strict=True))
        ),
        "plain.npy": lambda path: np.save(path, values),
        "many.npz": lambda path: np.savez(path, x=other, y=values),
    }
    for form, write in forms.items():
        folder = tmp_path / form.replace(".", "-")
        (folder / "deep").mkdir(parents=True)
        write(folder / "deep" / form)
        found = answers_in_files(folder, answers)
        assert codes(found) == {"E_LEAK_FILE"}, form
        assert f"deep/{form}" in found[0].message


def test_answers_in_a_parquet_file_are_found(tmp_path: Path) -> None:
    import polars

    made = regression(np.random.default_rng(0))
    polars.DataFrame({"id": list(made.answers.ids), "y": made.answers.columns["y"]}).write_parquet(
        tmp_path / "a.parquet"
    )
    assert codes(answers_in_files(tmp_path, made.answers)) == {"E_LEAK_FILE"}


def test_a_file_that_tells_public_from_private_is_found(tmp_path: Path) -> None:
    made = regression(np.random.default_rng(0))
    assert made.answers.usage is not None
    words = ["Public" if usage == PUBLIC else "Private" for usage in made.answers.usage]
    (tmp_path / "usage.csv").write_text(csv_of("id,Usage", made.answers.ids, words))
    found = answers_in_files(tmp_path, made.answers)
    assert codes(found) == {"E_LEAK_FILE"}
    assert "public and private marks" in found[0].message


@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("kind", ["constant", "random", "yesterday", "binary guess", "broken"])
def test_files_that_hold_no_answers_raise_no_alarm(kind: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    made = discrete(generator) if kind == "binary guess" else regression(generator)
    y = made.answers.columns["y"]
    column = {
        "constant": np.zeros(N),
        "random": generator.permutation(y),
        "yesterday": y + 1e-3 * generator.normal(size=N),
        "binary guess": generator.integers(0, 2, N),
        "broken": y,
    }[kind]
    text = csv_of("id,y", made.answers.ids, column)
    if kind == "broken":
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{")
        (tmp_path / "a.json").write_text("{")
        (tmp_path / "a.parquet").write_bytes(b"PAR1")
        (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00")
    else:
        (tmp_path / "a.csv").write_text(text)
    assert answers_in_files(tmp_path, made.answers) == []


def test_a_rare_class_is_not_taken_for_a_constant_sample_submission(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    answers = ordered((generator.random(N) < 0.02).astype(np.int64))
    (tmp_path / "sample_submission.csv").write_text(csv_of("id,y", range(N), np.zeros(N, dtype=int)))
    assert answers_in_files(tmp_path, answers) == []


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
        "E_LEAK_CONSTANT", "E_LEAK_ORDER", "E_LEAK_ID", "E_LEAK_FILE_SIZE", "E_LEAK_FILE_TIME", "E_LEAK_FILE",
        "E_LEAK_SPLIT_GROUP", "E_LEAK_SHARED_GROUP", "E_LEAK_FEATURE", "E_LEAK_OTHER_ROW", "E_LEAK_EQUAL_ROWS",
    }  # fmt: skip
    told = "\n".join(leak.message for leak in found)
    assert not any(repr(value) in told for value in y.tolist())


def test_a_competition_of_few_rows_raises_no_false_alarm(tmp_path: Path) -> None:
    for n in (2, 3, 8, 12):
        answers = Answers(range(n), {"y": np.arange(n) % 2, "z": np.arange(n) * 1.5})
        write_public(tmp_path, Made(answers))
        assert find_leaks(tmp_path, Made(answers, np.eye(n), 2 * np.eye(n))) == []
