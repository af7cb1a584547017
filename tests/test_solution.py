"""The solution of one's own competition: how it is read, what it gives, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.base import IGNORED, PRIVATE, PUBLIC, UserError
from tasks.formats import Column
from tasks.metrics import ACCURACY, RMSE
from tasks.solution import own_format, read_solution
from tests.conftest import Write

# The solution file ----------------------------------------------------------------------------------------------------


def test_kaggles_layout_gives_ids_answers_and_usage(write: Write) -> None:
    solution = read_solution(write("id,y,Usage\n3,0.5,Public\n1,1,private\n2,7,IGNORED\n"))
    assert solution.id == "id"
    assert solution.columns == (Column("y", "float"),)
    assert solution.answers.columns["y"].tolist() == [0.5, 1.0, 7.0]
    form, answers = own_format(solution)
    assert form.ids == range(1, 4)
    assert answers.columns["y"].tolist() == [1.0, 7.0, 0.5]
    assert answers.usage is not None
    assert answers.usage.tolist() == [PRIVATE, IGNORED, PUBLIC]


def test_without_usage_the_split_is_left_to_be_drawn(write: Write) -> None:
    assert read_solution(write("id,y\n0,1\n1,2\n")).answers.usage is None


def test_usage_may_be_the_first_column_and_the_id_any_other(write: Write) -> None:
    path = write("usage,y,name\nPublic,1,a\nPrivate,2,b\n")
    assert read_solution(path).id == "y"
    assert read_solution(path, "name").columns == (Column("y", "int"),)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["0", "-3", "12"], "int"),
        (["0", "0.5", "1e-3", "-.5", "+2"], "float"),
        (["0001", "0002", "3"], "text"),
        (["NA", "1", "2"], "text"),
        (["nan", "1", "2"], "text"),
        (["inf", "1", "2"], "text"),
        (["1_000", "1", "2"], "text"),
        (["0x10", "1", "2"], "text"),
        (["1e400", "1", "2"], "text"),
        (["١", "1", "2"], "text"),
        (["12345678901234567890", "1", "2"], "text"),
        (["True", "False", "True"], "text"),
        ([" 1", "2", "3"], "text"),
    ],
)
def test_only_plain_numbers_become_numbers(write: Write, cells: list[str], kind: str) -> None:
    solution = read_solution(write("id,y\n" + "".join(f"{row},{cell}\n" for row, cell in enumerate(cells))))
    assert solution.columns[0].kind == kind
    values = solution.answers.columns["y"].tolist()
    assert values == (cells if kind == "text" else [float(cell) for cell in cells])


def test_ids_with_leading_zeros_and_the_id_na_stay_text(write: Write) -> None:
    form, answers = own_format(read_solution(write("id,y\n0002,b\nNA,c\n0001,a\n")))
    assert form.ids == ("0001", "0002", "NA")
    assert answers.columns["y"].tolist() == ["a", "b", "c"]


def test_the_order_of_the_solution_does_not_reach_the_format(write: Write) -> None:
    form, answers = own_format(read_solution(write("id,y\nimg10,1\nimg9,0\nimg2,0\nimg1,1\n")))
    assert form.ids == ("img1", "img2", "img9", "img10")
    assert answers.columns["y"].tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["7", "8", "9"], range(7, 10)),
        (["9", "10", "8"], range(8, 11)),
        (["0", "2", "3"], ("0", "2", "3")),
        (["00", "01", "02"], ("00", "01", "02")),
        (["-1", "0", "1"], ("-1", "0", "1")),
        (["1" * 30, "2" * 30, "3"], ("3", "1" * 30, "2" * 30)),
    ],
)
def test_ids_are_a_range_only_where_they_count_up_by_one_in_plain_spelling(
    write: Write, ids: list[str], expected: range | tuple[str, ...]
) -> None:
    form, _ = own_format(read_solution(write("id,y\n" + "".join(f"{text},1.5\n" for text in ids))))
    assert form.ids == expected


@given(order=st.permutations(list(range(8))))
def test_any_order_of_the_solution_gives_the_same_competition(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    path = tmp_path_factory.mktemp("own") / "solution.csv"
    lines = [f"a{row},{row * row}.5,{'Public' if row % 2 else 'Private'}" for row in range(8)]
    path.write_text("\n".join(["id,y,Usage", *(lines[row] for row in order)]) + "\n")
    form, answers = own_format(read_solution(path))
    assert form.ids == tuple(f"a{row}" for row in range(8))
    assert answers.columns["y"].tolist() == [row * row + 0.5 for row in range(8)]
    assert answers.usage is not None
    assert answers.usage.tolist() == [PUBLIC if row % 2 else PRIVATE for row in range(8)]


def test_quoted_commas_and_line_breaks_bom_and_crlf_are_read(write: Write) -> None:
    solution = read_solution(write('\ufeffid,text\r\n1,"a, b"\r\n2,"two\r\nlines"\r\n3,c\r\n'))
    assert solution.answers.columns["text"].tolist() == ["a, b", "two\r\nlines", "c"]
    assert solution.lines == (2, 3, 5)


SECRET = "5318008"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a header line and at least one row"),
        ("id,y\n", r"at least one row"),
        ("id\n1\n", r"at least one answer column"),
        ("id,Usage\n1,Public\n", r"at least one answer column"),
        ("id,y,y\n1,2,3\n", r"line 1: .* must differ"),
        ("id,y, Y\n1,2,3\n", r"line 1: the columns 'y' and 'Y' differ in capitals alone; rename"),
        ("ID,id\n1,2\n", r"line 1: the columns 'ID' and 'id' differ in capitals alone"),
        ("id,straße,STRASSE\n1,2,3\n", r"differ in capitals alone"),
        (f"id,y\n1,{SECRET}\n2\n", r"line 3: expected 2 cells, got 1"),
        (f"id,y\n1,{SECRET}\n2,{SECRET},3\n", r"line 3: expected 2 cells, got 3"),
        (f"id,y\n1,{SECRET}\n2,{SECRET}\n1,{SECRET}\n", r"line 4: the id '1' is already on line 2"),
        (f"id,y\n1,{SECRET}\n,{SECRET}\n", r"line 3: the id is empty"),
        (f"id;y\n1;{SECRET},5\n", r"line 1: the cells are separated by semicolons; write commas"),
        (f"id\ty\n1\t{SECRET}\n", r"line 1: the cells are separated by tabs; write commas"),
        (f"id|y|Usage\n1|{SECRET}|Public\n", r"line 1: the cells are separated by bars; write commas"),
        (f"id\n1,{SECRET}\n", r"line 2: expected 1 cell, got 2"),
        (
            f"id,y\n1,{SECRET}\n2,{SECRET * 20_000}\n",
            r"line 3: a cell has more than 131,072 characters, .* shorter, or",
        ),
        (f'id,y\n1,{SECRET}\n2,"{(SECRET + chr(10)) * 20_000}', r"line 3: a cell has more than .* close the quote"),
        (f"id,y\n1,{SECRET}\n 2,{SECRET}\n", r"line 3: the id is empty, or has spaces"),
        (f"id,y\n1,{SECRET}\n2,\n", r"line 3: column 'y' is empty"),
        (f"id,y,Usage\n1,{SECRET},Public\n2,{SECRET},Hidden\n", r"line 3: Usage must be Public, Private or Ignored"),
        (f"id,y,Usage\n1,{SECRET},Public\n2,{SECRET},Ignored\n", r"no row has the Usage Private"),
        (f"id,y,Usage\n1,{SECRET},Private\n", r"no row has the Usage Public"),
        (f"id,y,Usage,usage\n1,{SECRET},Private,Private\n", r"more than one Usage"),
        (f'id,y\n1,{SECRET}\n2,"{SECRET}\n3,4\n', r"line 3: not a well-formed CSV row"),
        (b"id,y\n1,2\n2,\xff\n", r"line 3: not UTF-8"),
        ("id,y\n1,2\n".encode("utf-16"), r"line 1: not UTF-8"),
    ],
)
def test_a_broken_solution_is_refused_with_its_line_and_without_its_answers(
    write: Write, text: str | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read_solution(write(text))
    assert SECRET not in str(caught.value)


def test_a_missing_solution_and_an_unknown_id_column_are_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_solution(tmp_path / "nothing.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read_solution(tmp_path)
    with pytest.raises(UserError, match="expected an id column 'row'"):
        read_solution(write("id,y\n1,2\n"), "row")


def test_a_metric_of_numbers_refuses_text_with_its_line_and_not_its_value(write: Write) -> None:
    solution = read_solution(write('id,y\n1,2\n2,"3"\n3,sesame\n'))
    with pytest.raises(UserError, match=r"line 4: column 'y' is not a plain decimal number") as caught:
        own_format(solution, numeric=True)
    assert "sesame" not in str(caught.value)


def test_whole_numbered_answers_take_decimal_predictions_where_the_metric_measures_a_distance(write: Write) -> None:
    solution = read_solution(write("id,y\n0,1\n1,0\n2,1\n"))
    form, answers = own_format(solution, numeric=True)
    assert form.columns == (Column("y", "float"),)
    assert answers.columns["y"].dtype == np.float64
    assert own_format(solution)[0].columns == (Column("y", "int"),)
    form, answers = own_format(solution, whole=False)
    assert form.columns == (Column("y", "float"),)
    assert answers.columns["y"].dtype == np.int64


def test_the_answers_of_a_competition_of_ones_own_get_the_best_score(write: Write) -> None:
    solution = read_solution(write("id,y,z\nb,2,x\na,1,y\nc,3,x\n"))
    _, answers = own_format(solution)
    assert ACCURACY.value(ACCURACY.rows(answers.columns, answers.columns)) == 1.0
    _, answers = own_format(read_solution(write("id,y\nb,2\na,1\n")), numeric=True)
    assert RMSE.value(RMSE.rows(answers.columns, answers.columns)) == 0.0
