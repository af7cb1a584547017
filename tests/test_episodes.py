"""The reader of episodes: the three ways to write them, and what is refused with which code."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from submissions.episodes import CODES, CONVERT, read_episodes
from submissions.reader import read
from tasks.base import Columns, SubmissionError
from tasks.formats import EpisodesFormat, format_from_json
from tasks.hw12_reinforcement.world import to_csv

FORM = EpisodesFormat((11, 12, 13), max_steps=10)
HEADER = b"episode,step,action\n"
GOOD = HEADER + b"0,0,1\n1,0,2\n2,0,0\n2,1,3\n"


def npy(values: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def pickled_npy(episodes: list[list[int]]) -> bytes:
    """What the course's sample code writes for lists of different lengths."""
    values = np.empty(len(episodes), dtype=object)
    values[:] = episodes
    return npy(values)


def lists(columns: Columns) -> list[list[int]]:
    return [row[:length].tolist() for row, length in zip(columns["actions"], columns["length"], strict=True)]


def codes(data: bytes, form: EpisodesFormat = FORM) -> list[str]:
    with pytest.raises(SubmissionError) as error:
        read_episodes(data, form)
    assert all(problem.code in CODES for problem in error.value.problems)
    return [problem.code for problem in error.value.problems]


def message(data: bytes, form: EpisodesFormat = FORM) -> str:
    with pytest.raises(SubmissionError) as error:
        read_episodes(data, form)
    return str(error.value)


EPISODES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=10), min_size=3, max_size=3)


@given(EPISODES, st.randoms(use_true_random=False))
def test_whatever_was_played_comes_back_from_csv_in_any_order_and_from_json(
    episodes: list[list[int]], random: Any
) -> None:
    header, *rows = to_csv(episodes).decode().splitlines()
    random.shuffle(rows)
    files = ["\n".join([header, *rows]).encode(), to_csv(episodes), json.dumps(episodes).encode()]
    for data in files:
        columns = read_episodes(data, FORM)
        assert lists(columns) == episodes
        assert columns["actions"].shape == (3, 10)
        assert [str(column.dtype) for column in columns.values()] == ["int8", "int64"]
        assert all((row[length:] == -1).all() for row, length in zip(*columns.values(), strict=True))


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") + b"\r\n\r\n",
        GOOD.rstrip(b"\n"),
        b'"action","episode","step"\n1,"0",0\n2,1,0\n0,2,0\n3,2,1\n',
        b" episode , step , action\n0, 0, 1\n1,0,2\n2,0,0\n2,1 ,3\n",
        b" [[1],\n [2],\n [0, 3]]\n",
        b"\xef\xbb\xbf[[1],[2],[0,3]]",
    ],
)
def test_marks_line_ends_quotes_blanks_and_the_order_of_columns_do_not_matter(data: bytes) -> None:
    assert lists(read_episodes(data, FORM)) == [[1], [2], [0, 3]]


@pytest.mark.parametrize("kind", ["int64", "int8", "uint8", ">i4", "uint64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_the_courses_array_of_equal_lengths_is_taken_with_any_whole_numbers(kind: str, order: Any) -> None:
    episodes = [[0, 1, 2], [3, 3, 3], [2, 0, 0]]
    assert lists(read_episodes(npy(np.array(episodes, dtype=kind, order=order)), FORM)) == episodes


def test_the_one_door_reads_episodes_and_the_format_survives_json() -> None:
    again = format_from_json(json.loads(json.dumps(FORM.to_json())))
    assert again == FORM
    assert lists(read(GOOD, again)) == [[1], [2], [0, 3]]


def test_a_pickle_is_refused_unread_and_the_command_shown_turns_it_into_json(tmp_path: Path) -> None:
    episodes = [[1], [2, 2], [0, 3, 1]]
    data = pickled_npy(episodes)
    assert codes(data) == ["E_PICKLE"]
    assert CONVERT in message(data)
    (tmp_path / "Action_List.npy").write_bytes(data)
    program = re.fullmatch(r'python -c "([^"]*)"', CONVERT)
    assert program is not None
    subprocess.run([sys.executable, "-c", program[1]], cwd=tmp_path, check=True)
    assert lists(read_episodes((tmp_path / "actions.json").read_bytes(), FORM)) == episodes


def test_a_pickle_is_never_run() -> None:
    bomb = b"\x80\x04cbuiltins\nexit\n(tR."  # ends the program of whoever loads it
    array = pickled_npy([[1], [2, 2], [3]])
    head = array[: array.index(b"\n") + 1]
    for data in (bomb, head + bomb, b"cbuiltins\nexit\n(tR."):
        assert codes(data) in (["E_PICKLE"], ["E_COLUMNS"])


NO_CSV = {
    "an episode is missing": (HEADER + b"0,0,1\n2,0,1\n", ["E_ID_MISSING"]),
    "an unknown episode": (GOOD + b"3,0,1\n", ["E_ID_UNKNOWN"]),
    "a negative episode": (GOOD + b"-1,0,1\n", ["E_ID_UNKNOWN"]),
    "an episode with a zero before it": (GOOD + b"01,1,1\n", ["E_ID_UNKNOWN"]),
    "an episode as a decimal number": (GOOD + b"1.0,1,1\n", ["E_ID_UNKNOWN"]),
    "a step twice": (GOOD + b"2,1,3\n", ["E_STEP_TWICE"]),
    "a gap": (GOOD + b"2,3,3\n", ["E_STEP_MISSING"]),
    "steps from one": (HEADER + b"0,1,1\n1,1,2\n2,1,0\n", ["E_STEP_MISSING"] * 3),
    "a step beyond the limit": (GOOD + b"2,10,3\n", ["E_STEP"]),
    "a negative step": (GOOD + b"2,-1,3\n", ["E_STEP"]),
    "a step as a decimal number": (GOOD + b"2,2.0,3\n", ["E_STEP"]),
    "an action beyond the last": (GOOD + b"2,2,4\n", ["E_ACTION"]),
    "a negative action": (GOOD + b"2,2,-1\n", ["E_ACTION"]),
    "an action as a decimal number": (GOOD + b"2,2,1.0\n", ["E_ACTION"]),
    "no number": (GOOD + b"2,2,nan\n", ["E_ACTION"]),
    "an empty cell": (GOOD + b"2,2,\n", ["E_ACTION"]),
    "a digit of another script": (GOOD + "2,2,１\n".encode(), ["E_ACTION"]),
    "too few cells": (GOOD + b"2,2\n", ["E_CELLS"]),
    "too many cells": (GOOD + b"2,2,1,\n", ["E_CELLS"]),
    "an unclosed quote": (GOOD + b'2,2,"1\n', ["E_ACTION"]),
    "a long line": (GOOD + b"2,2,1" + b" " * 300 + b"\n", ["E_LINE_LONG"]),
    "a blank line inside": (HEADER + b"\n" + GOOD[len(HEADER) :], ["E_BLANK"]),
    "a blank line before the header": (b"\n" + GOOD, ["E_BLANK"]),
    "no header": (GOOD[len(HEADER) :], ["E_COLUMNS"]),
    "another header": (GOOD.replace(b"step", b"time"), ["E_COLUMNS"]),
    "a column twice": (GOOD.replace(b"step", b"episode"), ["E_COLUMNS"]),
    "a header alone": (HEADER, ["E_ROWS"]),
    "nothing": (b"", ["E_EMPTY"]),
    "blanks": (b" \n\n", ["E_EMPTY"]),
    "too many rows": (GOOD + b"2,1,3\n" * 1100, ["E_ROWS"]),
    "UTF-16": (GOOD.decode().encode("utf-16"), ["E_ENCODING"]),
    "Latin-1": (GOOD + b"\xe9,0,1\n", ["E_ENCODING"]),
    "a NUL": (GOOD + b"2,2,\x00\n", ["E_BINARY"]),
    "a zip": (b"PK\x03\x04" + GOOD, ["E_BINARY"]),
    "an npz": (b"PK\x03\x04" + npy(np.zeros((3, 4), int)), ["E_BINARY"]),
}
NO_JSON = {
    "an episode missing": (b"[[1],[2]]", ["E_JSON"]),
    "an episode too many": (b"[[1],[2],[3],[0]]", ["E_JSON"]),
    "one flat list": (b"[1,2,3]", ["E_JSON"]),
    "a list and two numbers": (b"[[1],2,3]", ["E_JSON"]),
    "an empty list": (b"[]", ["E_JSON"]),
    "an empty episode": (b"[[1],[],[2]]", ["E_ID_MISSING"]),
    "an object": (b'{"0": [1], "0": [2]}', ["E_JSON"]),
    "objects inside": (b'[[1],[2],[{"a":1}]]', ["E_JSON"]),
    "text": (b'[[1],[2],["3"]]', ["E_JSON"]),
    "an action beyond the last": (b"[[1],[2],[4]]", ["E_ACTION"]),
    "a negative action": (b"[[1],[2],[-1]]", ["E_ACTION"]),
    "minus nought": (b"[[1],[2],[-0]]", ["E_ACTION"]),
    "a decimal number": (b"[[1],[2],[1.0]]", ["E_ACTION"]),
    "an exponent": (b"[[1],[2],[1e0]]", ["E_ACTION"]),
    "no number": (b"[[1],[2],[NaN]]", ["E_ACTION"]),
    "infinity": (b"[[1],[2],[-Infinity]]", ["E_ACTION"]),
    "a truth": (b"[[1],[2],[true]]", ["E_ACTION"]),
    "null": (b"[[1],[2],[null]]", ["E_ACTION"]),
    "a list too deep": (b"[[1],[2],[[3]]]", ["E_ACTION"]),
    "a huge number": (b"[[1],[2],[" + b"9" * 100_000 + b"]]", ["E_ACTION"]),
    "many lists": (b"[" * 100_000, ["E_JSON"]),
    "deep lists": (b"[" * 1003 + b"]" * 1003, ["E_JSON"]),
    "a list that is too long": (b"[[1],[2],[" + b"0," * 10 + b"0]]", ["E_STEPS"]),
    "cut off": (b"[[1],[2],[3]", ["E_JSON"]),
    "something after the end": (b"[[1],[2],[3]] [", ["E_JSON"]),
    "a comma at the end": (b"[[1],[2],[3],]", ["E_JSON"]),
    "a zero before a number": (b"[[1],[2],[03]]", ["E_JSON"]),
}
ARRAY = npy(np.zeros((3, 4), dtype=np.int64))
NO_ARRAY = {
    "decimal numbers": (npy(np.zeros((3, 4))), ["E_ARRAY"]),
    "truth values": (npy(np.zeros((3, 4), dtype=bool)), ["E_ARRAY"]),
    "text": (npy(np.full((3, 4), "1")), ["E_ARRAY"]),
    "a record": (npy(np.zeros((3, 4), dtype=[("a", "<i4")])), ["E_ARRAY"]),
    "one axis": (npy(np.zeros(3, dtype=int)), ["E_ARRAY"]),
    "no axis": (npy(np.array(3)), ["E_ARRAY"]),
    "three axes": (npy(np.zeros((3, 4, 1), dtype=int)), ["E_ARRAY"]),
    "an episode missing": (npy(np.zeros((2, 4), dtype=int)), ["E_ARRAY"]),
    "no steps": (npy(np.zeros((3, 0), dtype=int)), ["E_ARRAY"]),
    "too many steps": (npy(np.zeros((3, 11), dtype=int)), ["E_ARRAY"]),
    "an action beyond the last": (npy(np.full((3, 4), 4)), ["E_ACTION"]),
    "a negative action": (npy(np.full((3, 4), -1)), ["E_ACTION"]),
    "an action that wraps": (npy(np.full((3, 4), 256)), ["E_ACTION"]),
    "cut off": (ARRAY[:-1], ["E_ARRAY"]),
    "bytes after the end": (ARRAY + b"0", ["E_ARRAY"]),
    "the magic alone": (ARRAY[:6], ["E_ARRAY"]),
    "a cut header": (ARRAY[:40], ["E_ARRAY"]),
    "an unknown version": (ARRAY[:6] + b"\x09" + ARRAY[7:], ["E_ARRAY"]),
    "a huge shape": (ARRAY.replace(b"(3, 4)", b"(3, 9)"), ["E_ARRAY"]),
    "a shape of many digits": (ARRAY.replace(b"(3, 4), }", b"(" + b"1" * 60 + b"x"), ["E_ARRAY"]),
    "a shape without a comma": (ARRAY.replace(b"(3, 4)", b"(3  4)"), ["E_ARRAY"]),
    "a header that computes": (ARRAY.replace(b"(3, 4), ", b"(3*1,4),"), ["E_ARRAY"]),
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(*case, id=f"{kind}: {name}")
        for kind, cases in (("csv", NO_CSV), ("json", NO_JSON), ("npy", NO_ARRAY))
        for name, case in cases.items()
    ],
)
def test_what_cannot_be_replayed_is_refused_with_its_code(data: bytes, expected: list[str]) -> None:
    assert codes(data) == expected


def test_a_file_over_the_cap_is_refused_before_it_is_read() -> None:
    blanks = b"\n" * (FORM.max_bytes - len(GOOD))
    assert codes(GOOD + blanks) == ["E_ROWS"]
    for data in (GOOD + blanks + b"\n", b"[" * (FORM.max_bytes + 1), ARRAY + bytes(FORM.max_bytes)):
        assert codes(data) == ["E_SIZE"]


def test_all_problems_are_listed_at_once_with_their_lines_up_to_a_cap() -> None:
    data = HEADER + b"0,0,7\n9,0,1\n1,0,x\n1,0,1\n2,2,1\nrow\n"
    with pytest.raises(SubmissionError) as error:
        read_episodes(data, FORM)
    found = {(problem.code, problem.line) for problem in error.value.problems}
    assert found == {
        ("E_ACTION", 2),
        ("E_ID_UNKNOWN", 3),
        ("E_ACTION", 4),
        ("E_STEP_TWICE", 5),
        ("E_STEP_MISSING", None),
        ("E_CELLS", 7),
    }
    many = EpisodesFormat(tuple(range(300)), max_steps=10)
    with pytest.raises(SubmissionError) as error:
        read_episodes(HEADER + b"".join(b"%d,1,%d\n" % (i, i) for i in range(300)), many)
    assert error.value.total == 300 + 296
    assert len(error.value.problems) == 10
    with pytest.raises(SubmissionError) as error:
        read_episodes(json.dumps([[9]] * 300).encode(), many)
    assert (error.value.total, len(error.value.problems)) == (300, 5)


def test_a_row_that_cannot_be_read_does_not_make_its_episode_missing_or_broken_as_well() -> None:
    assert codes(HEADER + b"0,0,1\n1,0,9\n2,0,0\n2,x,3\n2,2,1\n") == ["E_ACTION", "E_STEP"]
    assert codes(HEADER + b"0,0,1\n1\n2,0,0\n2,1\n2,2,1\n") == ["E_CELLS", "E_CELLS"]


def test_messages_say_what_to_do_and_print_inert() -> None:
    assert "astype(int)" in message(GOOD + b"2,2,1.0\n")
    assert "steps count from 0" in message(HEADER + b"0,1,1\n1,0,2\n2,0,0\n")
    assert "\x1b" not in message(GOOD + b"2,2,\x1b[31m\n\x1b[31m,0,1\n")
    assert "\x1b" not in message(b"\x1b[31m,step\n" + GOOD)
    assert "found -0." in message(b"[[1],[2],[-0]]")


@given(st.binary(max_size=60), st.sampled_from([b"", HEADER, b"[[", b"[[1],[2],", ARRAY[:8], ARRAY[:10], ARRAY[:70]]))
def test_no_bytes_make_the_reader_fail_in_another_way(tail: bytes, head: bytes) -> None:
    found: set[str] = set()
    try:
        read_episodes(head + tail, FORM)
    except SubmissionError as error:
        found = {problem.code for problem in error.problems}
    assert found <= set(CODES)


def test_a_line_or_list_as_large_as_the_cap_is_refused_without_being_spread_out() -> None:
    large = EpisodesFormat(tuple(range(200)))
    assert large.max_bytes > 2_000_000
    assert codes(GOOD + b"," * 1_900_000 + b"\n", large)[-1] == "E_LINE_LONG"
    assert codes(b"," * 1_900_000 + b"\n", large) == ["E_COLUMNS"]
    assert codes(b"[[1],[2],[" + b"9," * 900_000 + b"9]]", large) == ["E_STEPS"]


@pytest.mark.parametrize("episodes", [5, 100, 400])
def test_every_form_of_a_file_with_all_steps_is_taken(episodes: int) -> None:
    form = EpisodesFormat(tuple(range(episodes)))
    actions = np.full((episodes, form.max_steps), 3)
    rows = (f"{episode},{step},3\r\n" for episode in range(episodes) for step in range(form.max_steps))
    table = "\ufeffepisode,step,action\r\n" + "".join(rows)
    for data in (table.encode(), npy(actions), json.dumps(actions.tolist(), indent=1).encode()):
        assert (read_episodes(data, form)["length"] == form.max_steps).all()
