"""The store keeps whole files or none, whatever happens while it writes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from submissions import store
from tasks.base import UserError

DATA = b"id,tested_positive\n0,1.5\n" * 1000
NAME = hashlib.sha256(DATA).hexdigest()
ROOT = Path(__file__).parents[1]


def kept_files(root: Path) -> list[Path]:
    """What `fetch` could find below a root: all but the temporary files."""
    return [path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".part")]


def test_kept_bytes_are_fetched_by_their_hash(tmp_path: Path) -> None:
    assert store.keep(tmp_path, DATA) == NAME
    assert store.fetch(tmp_path, NAME) == DATA
    assert kept_files(tmp_path) == [tmp_path / NAME[:2] / NAME[2:]]


def test_only_the_owner_can_read_what_is_kept(tmp_path: Path) -> None:
    store.keep(tmp_path / "submissions", DATA)
    path = tmp_path / "submissions" / NAME[:2] / NAME[2:]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_the_steps_come_in_the_order_that_is_documented(tmp_path: Path) -> None:
    steps: list[str] = []
    store.keep(tmp_path, DATA, steps.append)
    assert tuple(steps) == store.STEPS


def test_bytes_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    store.keep(tmp_path, DATA)
    path = tmp_path / NAME[:2] / NAME[2:]
    before = path.stat()
    steps: list[str] = []
    assert store.keep(tmp_path, DATA, steps.append) == NAME
    assert steps == ["folder", "kept"]
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("damage", [DATA[:-1], b"", DATA[:-1] + b"x"], ids=["cut", "empty", "one byte"])
def test_a_damaged_file_is_refused_by_fetch_and_replaced_by_keep(tmp_path: Path, damage: bytes) -> None:
    store.keep(tmp_path, DATA)
    (tmp_path / NAME[:2] / NAME[2:]).write_bytes(damage)
    with pytest.raises(UserError, match="damaged") as caught:
        store.fetch(tmp_path, NAME)
    assert caught.value.code == "E_STORE"
    store.keep(tmp_path, DATA)
    assert store.fetch(tmp_path, NAME) == DATA


@pytest.mark.parametrize(
    "name", ["", "../secret/key", NAME.upper(), NAME[:-1], NAME + "\n", "/" * 64, "ab/" + "c" * 61]
)
def test_only_a_hash_can_be_fetched(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="64 hexadecimal digits") as caught:
        store.fetch(tmp_path, name)
    assert caught.value.code == "E_STORE"


def test_a_hash_that_was_never_kept_is_said_not_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not in the store") as caught:
        store.fetch(tmp_path, NAME)
    assert caught.value.code == "E_STORE"


RACING = """
import sys
from pathlib import Path
from submissions import store

data = b"id,tested_positive\\n0,1.5\\n" * 1000
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    assert store.fetch(Path(sys.argv[1]), store.keep(Path(sys.argv[1]), data)) == data
"""


def test_processes_that_keep_the_same_bytes_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACING, str(tmp_path / "root")]
    racers = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    for racer in racers:
        racer.communicate(timeout=20)
    assert [racer.returncode for racer in racers] == [0] * 8
    assert [path.read_bytes() for path in (tmp_path / "root").rglob("*") if path.is_file()] == [DATA]


KILLED = """
import os, signal, sys
from pathlib import Path
from submissions import store

data = b"id,tested_positive\\n0,1.5\\n" * 1000

def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

store.keep(Path(sys.argv[1]), data, step)
"""


@pytest.mark.parametrize("step", store.STEPS)
def test_a_process_killed_at_any_step_leaves_the_whole_file_or_none(tmp_path: Path, step: str) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path), step]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    renamed = store.STEPS.index(step) >= store.STEPS.index("renamed")
    assert [path.read_bytes() for path in kept_files(tmp_path)] == ([DATA] if renamed else [])
    assert store.keep(tmp_path, DATA) == NAME
    assert store.fetch(tmp_path, NAME) == DATA


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "grader's disk is full"), (errno.EROFS, "cannot write"), (errno.EIO, "could not be stored")],
)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_refuses_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str, call: str
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(UserError, match=words) as caught:
        store.keep(tmp_path, DATA)
    assert caught.value.code == "E_STORE"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    assert store.keep(tmp_path, DATA) == NAME


def test_a_disk_that_fills_up_in_the_middle_of_the_file_leaves_nothing_behind(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(DATA) // 2, hard))
    try:
        with pytest.raises(UserError, match="grader's disk is full"):
            store.keep(tmp_path, DATA)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_root_that_is_no_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    with pytest.raises(UserError, match="could not be stored") as caught:
        store.keep(tmp_path / "root", DATA)
    assert caught.value.code == "E_STORE"


def test_a_root_that_may_not_be_written_is_a_clear_error(tmp_path: Path) -> None:
    # The root user may write to a folder of any mode, so a folder that takes no files even from root stands in there.
    if os.geteuid() == 0:
        root = Path("/proc/self")
    else:
        root = tmp_path
        root.chmod(0o500)
    try:
        with pytest.raises(UserError, match="could not be stored") as caught:
            store.keep(root, DATA)
    finally:
        tmp_path.chmod(0o700)
    assert caught.value.code == "E_STORE"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:1000]))
    store.keep(tmp_path, DATA)
    assert store.fetch(tmp_path, NAME) == DATA


def arrive(root: Path, chunks: list[bytes], cap: int = 10**6, steps: list[str] | None = None) -> str:
    with store.receiving(root, cap, None if steps is None else steps.append) as arriving:
        for chunk in chunks:
            arriving.write(chunk)
        name = arriving.sync()
        arriving.keep()
    return name


def test_a_file_that_arrives_in_pieces_is_kept_like_one_that_came_whole(tmp_path: Path) -> None:
    steps: list[str] = []
    assert arrive(tmp_path, [DATA[:1], DATA[1:7000], b"", DATA[7000:]], len(DATA), steps) == NAME
    assert tuple(steps) == store.ARRIVING_STEPS
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / NAME[:2] / NAME[2:]]
    assert stat.S_IMODE((tmp_path / NAME[:2] / NAME[2:]).stat().st_mode) == 0o600
    assert store.fetch(tmp_path, NAME) == DATA
    again: list[str] = []
    assert arrive(tmp_path, [DATA], steps=again) == NAME
    assert "renamed" not in again
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / NAME[:2] / NAME[2:]]


def test_a_damaged_file_is_replaced_by_what_arrives(tmp_path: Path) -> None:
    arrive(tmp_path, [DATA])
    (tmp_path / NAME[:2] / NAME[2:]).write_bytes(DATA[:-1])
    arrive(tmp_path, [DATA])
    assert store.fetch(tmp_path, NAME) == DATA


def test_what_is_beyond_the_cap_or_broken_off_or_not_kept_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        arrive(tmp_path, [DATA[:-1], b"xy"], len(DATA))
    assert caught.value.code == "E_SIZE"
    with contextlib.suppress(ConnectionError), store.receiving(tmp_path, 100) as arriving:
        arriving.write(b"abc")
        raise ConnectionError
    with store.receiving(tmp_path, 100) as arriving:
        arriving.write(b"abc")
        arriving.sync()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_is_full_while_a_file_arrives_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path if call == "replace" else os, call, full)
    with pytest.raises(UserError, match="grader's disk is full") as caught:
        arrive(tmp_path, [DATA])
    monkeypatch.undo()
    assert (caught.value.code, caught.value.exit_code) == ("E_STORE", 10)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_kill_while_a_file_arrives_leaves_the_whole_file_or_only_what_is_swept_away(tmp_path: Path) -> None:
    script = """
import os, signal, sys
from pathlib import Path
from submissions import store
def step(name):
    if name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
with store.receiving(Path(sys.argv[1]), 10**6, step) as arriving:
    arriving.write(bytes(100))
    arriving.sync()
    arriving.keep()
"""
    name = hashlib.sha256(bytes(100)).hexdigest()
    for place, step in enumerate(store.ARRIVING_STEPS):
        root = tmp_path / step
        done = subprocess.run([sys.executable, "-c", script, str(root), step], cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL
        kept = place >= store.ARRIVING_STEPS.index("renamed")
        assert [path.name for path in kept_files(root)] == ([name[2:]] if kept else [])
        (root / "ab").mkdir(exist_ok=True)
        (root / "ab" / ".old.part").write_bytes(b"")
        assert store.sweep(root, 0.0) == 0, "what is younger stays"
        assert store.sweep(root, 2.0**40) == 2 - kept
        assert list(root.rglob("*.part")) == []
        assert len(kept_files(root)) == kept
