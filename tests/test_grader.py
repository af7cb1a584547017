"""One process scores many files: as if each were alone, with nothing of its parent open; a fault replaces it."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.answers import Secret, read_secret
from harness.competition import find_competition
from harness.grading import grader, scoring
from harness.home import Home, open_home
from tasks.apart import Limits, apart

ROOT = Path(__file__).parents[1]
LIMITS = Limits(20.0)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files are scored in a process of their own")


@pytest.fixture
def home(course: Path, tmp_path: Path) -> Home:
    return open_home(shutil.copytree(course, tmp_path / "home"))


@pytest.fixture
def secret(home: Home) -> Secret:
    return read_secret(home, find_competition(home, "hw1"))


@pytest.fixture
def one() -> Iterator[grader.Grader]:
    made = grader.Grader()
    yield made
    made.close()


def file(secret: Secret, value: float) -> bytes:
    rows = [f"{id},{value + int(id) % 7}" for id in secret.competition.format.ids]
    return "\n".join(["id,tested_positive", *rows, ""]).encode()


def scored(one: grader.Grader, secret: Secret, data: bytes, limits: Limits = LIMITS) -> grader.Answer:
    answer = one.answer(secret, data, limits)
    assert answer is not None
    return answer


def number(one: grader.Grader) -> int:
    assert one.scorer.process is not None
    return one.scorer.process[0]


def test_many_files_are_scored_by_one_process_and_each_as_if_it_were_alone(one: grader.Grader, secret: Secret) -> None:
    files = [file(secret, value) for value in (1.0, 2.5, 90.0, 1.0, 0.25)]
    found = [scored(one, secret, data).grade for data in files]
    first = number(one)
    refused = scored(one, secret, b"id,tested_positive\n0,nan\n").refused
    assert refused is not None
    assert refused.problems[0].code == "E_ID_MISSING"
    again = [scored(one, secret, data).grade for data in reversed(files)]
    assert number(one) == first
    expected = [scoring.grade_here(secret, data) for data in files]
    assert found == expected
    assert again == expected[::-1]


def test_answers_that_were_read_again_are_those_of_the_next_score(
    one: grader.Grader, home: Home, secret: Secret
) -> None:
    scored(one, secret, file(secret, 1.0))
    first, other = number(one), read_secret(home, find_competition(home, "hw1"))
    other.answers.columns["tested_positive"] = other.answers.columns["tested_positive"] + 1.0
    grade = scored(one, other, file(secret, 1.0)).grade
    assert number(one) != first
    assert grade == scoring.grade_here(other, file(secret, 1.0)) != scoring.grade_here(secret, file(secret, 1.0))
    assert scored(one, secret, file(secret, 1.0)).grade == scoring.grade_here(secret, file(secret, 1.0))


def test_a_metric_that_would_write_into_the_answers_fails_and_the_next_score_is_right(
    one: grader.Grader, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = scoring.grade

    def writing(secret: Any, predictions: Any) -> Any:
        if predictions["tested_positive"][0] == 13.0:
            secret.answers.columns["tested_positive"][:] = 0.0
        return real(secret, predictions)

    expected = scoring.grade_here(secret, file(secret, 1.0))
    monkeypatch.setattr(scoring, "grade", writing)
    assert "ValueError" in scored(one, secret, file(secret, 13.0 - int(secret.competition.format.ids[0]) % 7)).failure
    assert scored(one, secret, file(secret, 1.0)).grade == expected
    arrays = [*secret.answers.columns.values(), secret.answers.usage, secret.answers.groups]
    assert not any(array.flags.writeable for array in arrays if array is not None)


FAULTS: dict[str, tuple[Callable[..., Any], str]] = {
    "hang": (lambda *_: time.sleep(60), "longer than 1 s"),
    "die": (lambda *_: os.kill(os.getpid(), signal.SIGKILL), "ended by signal 9"),
    "leave": (lambda *_: os._exit(0), "without an answer"),
    "err": (lambda *_: 1 / 0, "ZeroDivisionError"),
    "eat": (lambda *_: bytearray(2**33), "memory"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_with_one_file_is_told_and_the_next_file_gets_another_process(
    one: grader.Grader, secret: Secret, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fault, said = FAULTS[name]
    real, strange = scoring.grade, file(secret, 13.0)

    def picky(secret: Any, predictions: Any) -> Any:
        return fault() if predictions["tested_positive"][0] == 13.0 else real(secret, predictions)

    monkeypatch.setattr(scoring, "grade", picky)
    assert scored(one, secret, file(secret, 1.0)).grade is not None
    first = number(one)
    answer = scored(one, secret, strange, Limits(1.0 if name == "hang" else 20.0))
    assert said in answer.failure
    assert one.scorer.process is None, "it is not used again"
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    assert scored(one, secret, file(secret, 1.0)).grade == scoring.grade_here(secret, file(secret, 1.0))


def test_a_process_that_died_between_two_files_costs_neither_of_them(one: grader.Grader, secret: Secret) -> None:
    for _ in range(2):
        assert scored(one, secret, file(secret, 1.0)).grade is not None
        os.kill(number(one), signal.SIGKILL)
        os.waitid(os.P_PID, number(one), os.WEXITED | os.WNOWAIT)
    assert scored(one, secret, file(secret, 1.0)).grade is not None


def test_a_stop_ends_what_is_being_scored(one: grader.Grader, secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "grade", FAULTS["hang"][0])
    begun: list[float] = []
    stopped = lambda: bool(begun) and time.monotonic() - begun[0] > 0.3  # noqa: E731
    assert one.answer(secret, file(secret, 1.0), LIMITS, stopped, lambda _: begun.append(time.monotonic())) is None
    assert one.scorer.process is None


@pytest.mark.skipif(sys.platform != "linux", reason="what a process has open is told on Linux alone")
def test_nothing_that_its_parent_had_open_is_open_in_it(
    one: grader.Grader, secret: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*_: Any) -> Any:
        found = []
        for link in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # that of the folder itself
                found.append(str(link.readlink()))
        raise ValueError(" ".join(found))

    monkeypatch.setattr(grader, "internal", lambda error: f"{error}")
    monkeypatch.setattr(scoring, "grade", told)
    with (ROOT / "pyproject.toml").open():
        kept = scored(one, secret, file(secret, 1.0)).failure.split()
    assert sorted({place.partition(":")[0] for place in kept} - {"/proc/self/fd"}) == ["/dev/null", "socket"]
    assert len([place for place in kept if place.startswith("socket")]) == 2, "its control and the file's connection"


@pytest.mark.skipif(sys.platform != "linux", reason="a child dies with its parent on Linux alone")
def test_it_ends_with_its_parent(home: Home) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from harness.answers import read_secret
from harness.competition import find_competition
from harness.grading.grader import Grader
from harness.home import open_home
from tasks.apart import Limits, apart
home = open_home(Path(sys.argv[1]))
secret = read_secret(home, find_competition(home, "hw1"))
one = Grader()
assert one.answer(secret, (home.public("hw01") / "sample_submission.csv").read_bytes(), Limits()).grade
print(one.scorer.process[0], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(home.root)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    child, until = int(done.stdout), time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < until
        time.sleep(0.01)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="the address space is limited on Linux only")
def test_a_child_may_add_the_same_memory_however_much_its_parent_has() -> None:
    def work(size: int) -> dict[str, Any]:
        thread = threading.Thread(target=lambda: None)  # needs a stack
        thread.start()
        thread.join()
        try:
            return {"bytes": len(bytearray(size))}
        except MemoryError:
            return {"bytes": 0}

    limits = Limits(20.0, 2**30)
    unreserved = 0x4000  # of mmap: it has addresses and no memory
    with mmap.mmap(-1, 2**33, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | unreserved):
        assert apart(lambda: work(2**29), limits) == {"bytes": 2**29}
        assert apart(lambda: work(5 * 2**28), limits) == {"bytes": 0}
        inner = apart(lambda: apart(lambda: work(5 * 2**28), Limits(20.0, 2**34)), limits)
    assert inner == {"bytes": 0}  # a child of a child has no more than that one


def test_only_the_child_itself_answers_and_not_what_it_forked_off() -> None:
    def work() -> dict[str, Any]:
        return {"first": os.fork() > 0}

    for _ in range(20):
        assert apart(work, LIMITS) == {"first": True}
