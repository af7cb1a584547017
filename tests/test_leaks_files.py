"""Leak checks of files: each finds the leak that is planted for it, and none alarms on clean data."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.base import PUBLIC, Answers, Made
from tasks.leaks import files
from tasks.leaks.files import answers_in_file_facts, answers_in_files, answers_of_repeated_ids
from tests.leaky import WORLDS, N, classes, codes, csv_of, discrete, ordered, regression


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
        "copy.dat": lambda path: path.write_text(csv_of(f"id,{name}", ids, values)),
        "copy": lambda path: path.write_text(csv_of(f"id,{name}", ids, values)),
    }
    packed = {
        "all.zip": lambda path: shutil.make_archive(str(path.with_suffix("")), "zip", path.parents[2] / "plain"),
        "all.tgz": lambda path: Path(
            shutil.make_archive(str(path.with_suffix("")), "gztar", path.parents[2] / "plain")
        ).rename(path),
        "solution.csv.gz": lambda path: path.write_bytes(gzip.compress(csv_of(f"id,{name}", ids, values).encode())),
        "solution.csv.xz": lambda path: path.write_bytes(lzma.compress(csv_of(f"id,{name}", ids, values).encode())),
    }
    (tmp_path / "plain" / "in").mkdir(parents=True)
    (tmp_path / "plain" / "in" / "picture.png").write_bytes(b"x")
    (tmp_path / "plain" / "in" / "labels.bak").write_text(csv_of(f"id,{name}", ids, values))
    forms |= packed
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
        for ending in ("zip", "tar", "tgz", "gz", "bz2", "xz"):
            (tmp_path / f"a.{ending}").write_bytes(b"PK\x03\x04")
            (tmp_path / f"b.{ending}").write_bytes(gzip.compress(text.encode())[:-20])
    else:
        (tmp_path / "a.csv").write_text(text)
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(text.encode()))
        (tmp_path / "LICENSE").write_text(text)
    assert answers_in_files(tmp_path, made.answers) == []


def test_a_rare_class_is_not_taken_for_a_constant_sample_submission(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    answers = ordered((generator.random(N) < 0.02).astype(np.int64))
    (tmp_path / "sample_submission.csv").write_text(csv_of("id,y", range(N), np.zeros(N, dtype=int)))
    assert answers_in_files(tmp_path, answers) == []


def test_a_competition_without_plain_answers_has_none_in_its_files(tmp_path: Path) -> None:
    assert answers_of_repeated_ids(tmp_path, Answers(range(5), {})) == []
    assert answers_of_repeated_ids(tmp_path, Answers(range(5), {"y": np.zeros(5)})) == []
