"""Work over several processes: the same results in order, errors as they are, and a killed process is an error."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest

from tasks.errors import UserError
from tasks.processes import cores, mapped


def squared(offset: int, number: int) -> tuple[int, int]:
    return number * number + offset, os.getpid()


def refuse(number: int) -> int:
    if number == 2:
        raise UserError("two is too many")
    return number


def die(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_however_many_processes_there_are() -> None:
    seen = {count: mapped(partial(squared, 7), range(9), count) for count in (1, 3)}
    assert [value for value, _ in seen[1]] == [value for value, _ in seen[3]] == [n * n + 7 for n in range(9)]
    assert {pid for _, pid in seen[1]} == {os.getpid()}
    assert os.getpid() not in {pid for _, pid in seen[3]}
    assert mapped(refuse, [], 4) == []
    assert cores() >= 1


def test_an_error_of_a_part_is_raised_and_a_killed_process_is_an_error_and_no_hang() -> None:
    with pytest.raises(UserError, match="two is too many"):
        mapped(refuse, range(5), 2)
    with pytest.raises(UserError, match="one of 2 processes was ended from outside"):
        mapped(die, range(5), 2)
