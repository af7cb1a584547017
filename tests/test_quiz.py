"""Quizzes: the key, the reader, and points against a count by hand."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.quiz import read_quiz, remarks
from tasks.base import SubmissionError, UserError
from tasks.formats import Question, QuizFormat
from tasks.quiz import POINTS, gained, read_key, sample
from tests import quiz_key
from tests.quiz_key import KEY

write = quiz_key.write


# The key.


def test_a_key_is_read_with_a_byte_order_mark_windows_lines_and_quotes(write: Callable[..., Path]) -> None:
    plain = read_key(write(KEY))
    assert [(one.name, one.names, one.points, one.one, one.credit) for one in plain.form.questions] == [
        ("q1", ("A", "B", "C"), 0.4, True, "all"),
        ("q2", ("A", "B", "C", "D"), 0.4, False, "share"),
        ("q3", ("yes", "no"), 1.2, False, "all"),
    ]
    assert plain.right == (("B",), ("A", "C"), ("no",))
    assert plain.form.points == 2.0
    assert read_key(write(b"\xef\xbb\xbf" + KEY.replace(",A C,", ',"C, A",').encode())) == plain
    windows = read_key(write(KEY.replace("\n", "\r\n")))
    assert (windows.right, windows.form.ids) == (plain.right, plain.form.ids)


HEAD = "question,options,answer,points\n"
LONG = "|".join(f"{'選' * n}0" for n in range(1, 39))
BAD = {
    "question,options,answer\nq1,A|B,A\n": ["missing points"],
    HEAD.replace("points", "points,weight") + "q1,A|B,A,1,2\n": ["unexpected 'weight'"],
    HEAD: ["at least one row"],
    HEAD + "q1,A|B,A,1\nq1,A|B,B,1\n": ["line 3", "'q1' is already on line 2"],
    HEAD + "q1,A|B,X,1\n": ["line 2", "1 of the options in the answer are not options"],
    HEAD + "q1,A|B,,1\n": ["the answer is empty"],
    HEAD + "q1,A|B,A A,1\n": ["names an option twice"],
    HEAD + "q1,A|B|A,A,1\n": ["the option 'A' is there twice"],
    HEAD + "q1,A,A,1\n": ["expected 2 to 40 options"],
    HEAD + f"q1,{'|'.join(map(str, range(41)))},1,1\n": ["expected 2 to 40 options", "got 41"],
    HEAD + "q1,A|B,A,-1\n": ["points must be a number from 0"],
    HEAD + "q1,A|B,A,nan\n": ["points must be"],
    HEAD + "q1,A|B,A,1e3\n": ["points must be"],
    HEAD + "q1,A|B,A,１\n": ["points must be"],
    HEAD + "q1,A|B,A,0\n": ["no question has points"],
    HEAD + "=1+1,A|B,A,1\n": ["'=1+1' is no name of a question"],
    HEAD + "q1,@A|B,B,1\n": ["'@A' is no name of an option"],
    HEAD + f"q1,A: {'x' * 5001}|B,B,1\n": ["more than 5,000 characters"],
    HEAD.replace("points", "points,choose") + "q1,A|B,A B,1,one\n": ["one option may be chosen"],
    HEAD.replace("points", "points,choose") + "q1,A|B,A,1,two\n": ["choose must be one or any"],
    HEAD.replace("points", "points,credit") + "q1,A|B,A,1,some\n": ["credit must be all or share"],
    HEAD + "".join(f"q{n},A|B,A,1\n" for n in range(10_000)): ["10,000 questions; a quiz has at most 200"],
    HEAD + "".join(f"q{n},{LONG},選0,1\n" for n in range(200)): ["names of the options are too long"],
    HEAD + 'q1,"A|B,A,1\n': ["not a well-formed CSV row"],
    HEAD + "q1,A|B,A\n": ["expected 4 cells, got 3"],
}


@pytest.mark.parametrize("text", BAD, ids=[words[-1][:40] for words in BAD.values()])
def test_a_bad_key_is_refused_with_its_line(text: str, write: Callable[..., Path]) -> None:
    with pytest.raises(UserError) as error:
        read_key(write(text))
    for words in BAD[text]:
        assert words in str(error.value)


def test_all_problems_of_a_key_are_said_at_once(write: Callable[..., Path]) -> None:
    with pytest.raises(UserError) as error:
        read_key(write(HEAD + "q1,A|B,secret,1\nq1,A|B,,-1\n" + "?,A,A,1\n" * 30))
    text = str(error.value)
    assert text.count("\n") == 20
    assert "more" in text.splitlines()[-1]
    assert "secret" not in text
    assert all(words in text for words in ("not options", "already on line 2", "answer is empty", "points must be"))


# The reader.


FORM = QuizFormat(
    (
        Question("q1", (("A", ""), ("B", ""), ("C", "")), 0.4, one=True),
        Question("q2", tuple((name, "") for name in "ABCD"), 0.4),
        Question("是", (("yes", ""), ("No", "")), 1.2),
    )
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("question,answer\nq1,B\nq2,A C\n是,No\n", ["B", "A C", "No"]),
        ("answer,question\nNo yes,是\nD;A,q2\n C ,q1", ["C", "A D", "yes No"]),
        ('\ufeffquestion,answer\r\nq2,"C, B"\r\nq1,\r\n是, \r\n', ["", "B C", ""]),
    ],
)
def test_an_answer_is_a_set_of_options_in_any_order(text: str, found: list[str]) -> None:
    assert read_quiz(text.encode(), FORM)["answer"].tolist() == found


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("question,answer\nq1,X\nq2,AC\n是,no\n", [("E_OPTION", 2), ("E_OPTION", 3), ("E_OPTION", 4)]),
        ("question,answer\n是,\nq2,A A\nq1,A B\n", [("E_OPTION_TWICE", 3), ("E_OPTIONS", 4)]),
        ("question,answer\nq1,A\nq2,A\n", [("E_ID_MISSING", None)]),
        ("question,answer\nq1,A\nq1,B\nq2,A\n是,No\n", [("E_ID_TWICE", 3)]),
        ("question,answer\nq1,A\nq9,B\nq2,X\n是,No\n", [("E_ID_UNKNOWN", 3), ("E_OPTION", 4)]),
        (f"question,answer\nq1,\nq2,{' '.join(f'X{n}' for n in range(1000))}\n是,\n", [("E_OPTION", 3)]),
        (f"question,answer\nq1,\nq2,{' '.join('ABCD' * 250)}\n是,\n", [("E_OPTION_TWICE", 3)]),
        ("question,answer\nq1,A\rB\nq2,X\n", [("E_ID_MISSING", None), ("E_LINE_END", 2), ("E_OPTION", 3)]),
        ("q,a\nq1,A\n", [("E_COLUMNS", 1), ("E_COLUMNS", 1)]),
        ("", [("E_EMPTY", None)]),
    ],
)
def test_what_is_no_answer_is_refused_with_code_and_line(text: str, problems: list[tuple[str, int | None]]) -> None:
    with pytest.raises(SubmissionError) as error:
        read_quiz(text.encode(), FORM)
    assert [(one.code, one.line) for one in error.value.problems] == problems


def test_blanks_are_remarked_and_the_sample_is_all_blank() -> None:
    columns = read_quiz(sample(FORM), FORM)
    assert remarks(FORM, columns) == ("left blank: q1, q2, 是 (3 of 3 questions)",)
    assert remarks(FORM, read_quiz("question,answer\nq1,B\nq2,A\n是,No\n".encode(), FORM)) == ()


# Points.


def by_hand(points: str, options: str, right: str, chosen: str, share: bool) -> Fraction:
    """The points of an answer, counted option by option."""
    if not share:
        return Fraction(points) if all((o in right) == (o in chosen) for o in options) else Fraction(0)
    gain = Fraction(0)
    for option in options:
        if option in chosen:
            gain += Fraction(1, len(right)) if option in right else -Fraction(1, len(options) - len(right))
    return Fraction(points) * max(gain, Fraction(0))


@pytest.mark.parametrize("share", [False, True])
def test_points_are_those_counted_by_hand_for_every_answer_to_every_key_of_up_to_five_options(share: bool) -> None:
    count = 0
    for n in range(2, 6):
        options = "ABCDE"[:n]
        sets = ["".join(some) for k in range(n + 1) for some in itertools.combinations(options, k)]
        for right, chosen in itertools.product(sets[1:], sets):
            found = gained(0.3, n, share, set(right), set(chosen))
            assert found == pytest.approx(float(by_hand("0.3", options, right, chosen, share)), abs=1e-12)
            assert 0 <= found <= 0.3
            count += 1
    assert count > 1000


def test_the_right_answers_get_all_points_to_the_last_digit_and_no_order_matters() -> None:
    rng = random.Random(1)
    for n, worth in ((20, "0.4"), (25, "0.3"), (25, "0.4"), (30, "0.333333"), (200, "0.1")):
        questions = tuple(Question(f"q{k}", tuple((name, "") for name in "ABCD"), float(worth)) for k in range(n))
        form = QuizFormat(questions)
        right = np.array([" ".join(sorted(rng.sample("ABCD", rng.randint(1, 4)))) for _ in range(n)])
        answers = {"answer": right, "worth": np.array([(float(worth), 4, k % 2) for k in range(n)])}
        rows = POINTS.rows(answers, {"answer": right})
        assert POINTS.value(rows) == form.points == float(n * Fraction(worth))
        lines = [f'{one.name},"{cell}"' for one, cell in zip(questions, right.tolist(), strict=True)]
        rng.shuffle(lines)
        read = read_quiz("\n".join(["question,answer", *lines]).encode(), form)
        assert POINTS.value(POINTS.rows(answers, read)) == form.points


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), min_size=1, max_size=30))
def test_points_weigh_like_repeated_rows(rows: list[tuple[int, int]]) -> None:
    values, weight = np.array([points / 40 for points, _ in rows]), np.array([count for _, count in rows])
    assert POINTS.value(values, weight) == POINTS.value(np.repeat(values, weight))
    both = POINTS.value(values, np.stack([weight, weight + 1]))
    assert both == pytest.approx([POINTS.value(values, weight), POINTS.value(np.repeat(values, weight + 1))])
