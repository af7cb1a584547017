"""The formats of submissions: what format.json has of each, and what it is read back as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.competition import digest_of
from harness.grading.decode import _packed, received
from harness.grading.scoring import read_predictions
from submissions.reader import read
from tasks.apart import Died
from tasks.base import SubmissionError, UserError
from tasks.formats import (
    Column,
    EpisodesFormat,
    Format,
    ImagesFormat,
    LinesFormat,
    Question,
    QuizFormat,
    TableFormat,
    format_from_json,
)
from tasks.kaggle import cells_of
from tasks.samples import sample_submission
from tasks.tensor_formats import Array, ArraysFormat

SHARED = Path(__file__).parents[1].parent / "shared" / "data"

NAMES = ("id00464", "id00559", "王 x")
SPEAKERS = TableFormat("Id", (Column("Category", "text", choices=NAMES), Column("y")), ("uttr-a.pt", "uttr-b.pt"))

# Homes that were prepared before hold the SHA-256 of these texts.
WRITTEN: list[tuple[Format, str]] = [
    (
        TableFormat("id", (Column("y"), Column("n", "int", 0, 10)), range(3)),
        '{"kind": "table", "id": "id", "columns": [{"name": "y", "kind": "float", "minimum": -1e+100, "maximum": '
        '1e+100}, {"name": "n", "kind": "int", "minimum": 0, "maximum": 10}], "ids": {"first": 0, "count": 3}, '
        '"max_bytes": 131351, "years": []}',
    ),
    (
        TableFormat("Id", (Column("c", "text"),), ("a", "b")),
        '{"kind": "table", "id": "Id", "columns": [{"name": "c", "kind": "text", "minimum": -1e+100, "maximum": 1e+100'
        ', "room": 4096}], "ids": ["a", "b"], "max_bytes": 139284, "years": []}',
    ),
    (LinesFormat("y", range(1, 4), 134072), '{"kind": "lines", "column": "y", "lines": 3, "max_bytes": 134072}'),
    (
        ImagesFormat(1000),
        '{"kind": "images", "count": 1000, "width": 64, "height": 64, "max_bytes": 2000000}',
    ),
    (
        EpisodesFormat((5, 7)),
        '{"kind": "episodes", "seeds": [5, 7], "chained": false, "actions": 4, "max_steps": 1000, "max_bytes": 149072}',
    ),
    (
        ArraysFormat((Array("a", (2, 3)), Array("b", (4,), "uint8", 0, 9))),
        '{"kind": "arrays", "arrays": [{"name": "a", "shape": [2, 3], "dtype": "float32", "minimum": -1e+100, '
        '"maximum": 1e+100}, {"name": "b", "shape": [4], "dtype": "uint8", "minimum": 0, "maximum": 9}], '
        '"max_bytes": 65924}',
    ),
    (
        QuizFormat((Question("q1", (("A", "x"), ("B", "")), 0.4, "What?", one=True),)),
        '{"kind": "quiz", "questions": [{"name": "q1", "options": [["A", "x"], ["B", ""]], "points": 0.4, "text": '
        '"What?", "one": true, "credit": "all"}], "max_bytes": 131089}',
    ),
]  # fmt: skip
FORMS: list[Format] = [
    *(form for form, _ in WRITTEN),
    SPEAKERS,
    ImagesFormat(2, 32, 32, 1000, "png", ("a/1.png", "b.png")),
    ImagesFormat(2, encoding="png"),
    ArraysFormat((Array("a", (2, 3), "float64", -1e5, 0.1), Array("文", (2**40,), "int8"))),
]


@pytest.mark.parametrize(("form", "text"), WRITTEN, ids=[type(form).__name__ for form, _ in WRITTEN])
def test_what_format_json_had_before_is_what_it_has(form: Format, text: str) -> None:
    assert json.dumps(form.to_json()) == text


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_format_is_read_back_and_written_again_as_it_was(form: Format) -> None:
    written: dict[str, Any] = json.loads(json.dumps(form.to_json()))
    again = format_from_json(written)
    assert again == form
    assert json.dumps(again.to_json()) == json.dumps(written)
    assert digest_of(again.to_json()) == digest_of(written)


def test_a_kind_of_a_later_release_is_named_and_the_upgrade_too() -> None:
    with pytest.raises(UserError, match="submissions of the kind 'hologram' need a newer lhy-grade: pipx upgrade"):
        format_from_json({"kind": "hologram"})


# Columns of given names


def table(*speakers: str) -> bytes:
    rows = [f"{name},{speaker},1\n" for name, speaker in zip(SPEAKERS.ids, speakers, strict=True)]
    return ("Id,Category,y\n" + "".join(rows)).encode()


def test_given_names_are_read_letter_by_letter() -> None:
    assert read(table("王 x", "id00464"), SPEAKERS)["Category"].tolist() == ["王 x", "id00464"]
    assert read(table("王 x", '"id00464"'), SPEAKERS)["Category"].tolist() == ["王 x", "id00464"]


def test_unknown_names_stand_beside_every_other_problem_and_are_counted() -> None:
    ids = tuple(f"u{number}" for number in range(1000))
    form = TableFormat("Id", (Column("Category", "text", choices=NAMES), Column("y")), ids)
    rows = "".join(f"{name},{'z' * 50},{number if number > 1 else 'NA'}\n" for number, name in enumerate(ids[:-1]))
    with pytest.raises(SubmissionError) as caught:
        read(f"Id,Category,y\n{rows}".encode(), form)
    found = [problem.code for problem in caught.value.problems]
    assert {code: found.count(code) for code in found} == {"E_ID_MISSING": 1, "E_CHOICE": 5, "E_NUMBER": 2}
    assert caught.value.total == 999 + 2 + 1
    assert len(str(caught.value)) < 3000


def test_names_longer_than_numbers_have_room() -> None:
    names = tuple(letter * 300 for letter in "ab")
    form = TableFormat("Id", (Column("c", "text", choices=names),), range(2000))
    data = ("Id,c\n" + "".join(f'{number},"{names[1]}"\r\n' for number in range(2000))).encode()
    assert len(data) < form.max_bytes < 2 * len(data)
    assert set(read(data, form)["c"].tolist()) == {names[1]}


def test_a_column_of_names_needs_text_and_each_name_once() -> None:
    for kind, choices in (("int", ("1", "2")), ("text", ("a", "a"))):
        with pytest.raises(ValueError, match="choices"):
            Column("c", kind, choices=choices)  # type: ignore[arg-type]


def test_the_sample_submission_of_names_is_valid_and_the_same_in_every_row() -> None:
    assert set(read(sample_submission(SPEAKERS), SPEAKERS)["Category"].tolist()) == {NAMES[0]}


def test_a_metric_file_gets_the_names_as_written() -> None:
    assert cells_of(SPEAKERS).columns[0].choices == ()
    assert read_predictions(table("王 x", "id00464"), SPEAKERS, True)["Category"].tolist() == ["王 x", "id00464"]
    with pytest.raises(SubmissionError, match="E_CHOICE"):
        read_predictions(table("王 x", "id"), SPEAKERS, True)


@pytest.mark.parametrize("cells", [False, True])
def test_a_name_that_no_reader_gives_is_not_taken_from_the_reading_process(cells: bool) -> None:
    good = read_predictions(table("王 x", "id00464"), SPEAKERS, cells)
    assert received(_packed(good), SPEAKERS, cells)["Category"].tolist() == ["王 x", "id00464"]
    with pytest.raises(Died):
        received(_packed({**good, "Category": good["y"].astype(str)}), SPEAKERS, cells)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real submissions are not in ../shared/data")
def test_a_real_submission_of_speakers_is_read_against_the_courses_names() -> None:
    speakers = tuple(json.loads((SHARED / "hw4-meta" / "mapping.json").read_text())["speaker2id"])
    data = (SHARED / "submissions" / "hw04-2021" / "chris.csv").read_bytes()
    rows = [line.split(",") for line in data.decode().splitlines()[1:]]
    form = TableFormat("Id", (Column("Category", "text", choices=speakers),), tuple(row[0] for row in rows))
    assert read(data, form)["Category"].tolist() == [row[1] for row in rows]
    other = (SHARED / "submissions" / "hw04-2022" / "wsbao-536b9fc.csv").read_bytes()  # other speakers and utterances
    with pytest.raises(SubmissionError, match="E_CHOICE"):
        read(other, form)
    with pytest.raises(SubmissionError, match='"id99999": expected one of 600 names, such as id10001'):
        read(data.replace(rows[7][1].encode(), b"id99999"), form)
