"""The process that reads files: it gives what the readers give, knows no answers, and can open nothing."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.grading.decode import Decoder, _packed, received
from harness.grading.scoring import read_predictions
from tasks.apart import Died, Limits, confinement
from tasks.base import Columns, SubmissionError
from tasks.formats import Column, EpisodesFormat, Format, ImagesFormat, LinesFormat, TableFormat

pytestmark = pytest.mark.skipif(os.name != "posix", reason="files are read in a process of their own")

ROOT = Path(__file__).parents[1]
LIMITS = Limits(30.0)
MIXED = TableFormat("id", (Column("y", "float", -5, 5), Column("n", "int", 0, 9), Column("t", "text")), ("a", "b"))
PLAIN = TableFormat("id", (Column("y"),), range(3))
LARGE = TableFormat("id", (Column("y"),), range(120_000))
LINES = LinesFormat("text", range(1, 4), 1000)
IMAGES = ImagesFormat(2, 8, 8)
PNGS = ImagesFormat(2, 8, 8, encoding="png", names=("a/b.png", "c.png"))
NAMED = TableFormat("id", (Column("t", "text", choices=("x", "中文")),), ("a", "b"))
EPISODES = EpisodesFormat((1, 2), max_steps=5)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder()
    yield made
    made.close()


def archive(form: ImagesFormat, count: int) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for number, name in enumerate(form.files[:count]):
            picture = io.BytesIO()
            Image.new("RGB", (8, 8), (number * 40, 10, 200)).save(picture, form.encoding)
            entry = tarfile.TarInfo(name)
            entry.size = len(picture.getvalue())
            tar.addfile(entry, io.BytesIO(picture.getvalue()))
    return out.getvalue()


def array_file() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([[0, 1, 2], [3, 0, 1]]))
    return out.getvalue()


FILES: list[tuple[Format, bool, bytes]] = [
    (PLAIN, False, b"id,y\n0,1\n1,2.5\n2,-1e-3\n"),
    (PLAIN, False, b"id,y\r\n2,1\r\n1,2.5\r\n0,7\r\n"),
    (PLAIN, True, b"id,y\n2, 1\n1,2.50\n0,007\n"),
    (MIXED, False, "id,n,t,y\nb,3,你好,1\na,9,\"x, y\",2\n".encode()),
    (MIXED, True, b"id,y,n,t\na,1.0,3,\nb,2,4,zz\n"),
    (LARGE, False, ("id,y\n" + "".join(f"{n},{n / 7}\n" for n in range(120_000))).encode()),
    (LINES, False, "一\ntwo\nthree 3\n".encode()),
    (NAMED, False, "id,t\nb,x\na,中文\n".encode()),
    (NAMED, True, "id,t\nb,x\na,中文\n".encode()),
    (IMAGES, False, archive(IMAGES, 2)),
    (PNGS, False, archive(PNGS, 2)),
    (EPISODES, False, b"[[0,1,2],[3]]"),
    (EPISODES, False, b"episode,step,action\n0,0,1\n1,0,3\n1,1,2\n"),
    (EPISODES, False, array_file()),
]  # fmt: skip


@pytest.mark.parametrize("place", range(len(FILES)))
def test_what_is_read_apart_is_what_the_reader_gives(decoder: Decoder, place: int) -> None:
    form, cells, data = FILES[place]
    whole = decoder.decode(data, form, cells, LIMITS)
    assert whole is not None
    mine, other = received(whole, form, cells), read_predictions(data, form, cells)
    assert list(mine) == list(other)
    for name, values in other.items():
        assert mine[name].dtype == values.dtype
        assert np.array_equal(mine[name], values)
        assert mine[name].flags.writeable


BROKEN = (
    b"", b"\xff\xfe\x00", b"id,y\n0,1\n", b"id,y\n0,x\n1,nan\n2,1e999\n", b"id;y\n0;1\n", b"\x80\x04pickle",
    b"[[0,9],[1]]", b"\x1f\x8bbroken", archive(IMAGES, 1), "id,y\n０,1\n".encode("utf-16"), b"a\n\nb\n\n\n\n\n",
    archive(PNGS, 1), b"\x93NUMPY\x01\x00v\x00", b"PK\x03\x04", "id,y\n0,é\n".encode("latin-1"), b"[" * 5000,
    b"0,1\n1,2\n2,3\n", b"id,y\n" + b"0,1\n" * 5000, b'id,y\n"0,1\n',
)  # fmt: skip


def refused(read: Callable[[], Columns]) -> tuple[Any, int] | None:
    try:
        read()
    except SubmissionError as error:
        return error.problems, error.total
    return None


@pytest.mark.parametrize("form", [PLAIN, MIXED, NAMED, LINES, IMAGES, PNGS, EPISODES])
def test_a_broken_file_is_refused_apart_as_the_reader_refuses_it(decoder: Decoder, form: Format) -> None:
    refusals = 0
    for data in BROKEN:
        here = refused(lambda data=data: read_predictions(data, form, False))  # type: ignore[misc]
        if here is not None:
            whole = decoder.decode(data, form, False, LIMITS)
            assert whole is not None
            assert refused(lambda whole=whole: received(whole, form, False)) == here  # type: ignore[misc]
            refusals += 1
    assert refusals > 10


# What comes back is checked -------------------------------------------------------------------------------------------


def test_only_what_a_reader_of_the_format_can_give_is_taken() -> None:
    good: Columns = {"y": np.array([1.0, 2.0]), "n": np.array([3, 4]), "t": np.array(["a", "bc"])}
    whole = _packed(good)
    assert received(whole, MIXED, False)["t"].tolist() == ["a", "bc"]
    head, _, body = whole.partition(b"\n")
    other = [
        b"", b"\n", head, head + b"\n", whole[:-1], whole + b"x", b"[]\n", b"{}\n", b"7\n", b"null\n" + body,
        b"[" * 100_000 + b"\n", b" " * 2**21 + whole, head.replace(b"<f8", b"|O8") + b"\n" + body,
        head.replace(b"<f8", b">f8") + b"\n" + body, head.replace(b"[2]", b"[1]", 1) + b"\n" + body,
        head.replace(b'"n"', b'"m"') + b"\n" + body, head.replace(b"16", b"-16", 1) + b"\n" + body,
        head.replace(b"16", b"17", 1) + b"\n" + body, head.replace(b"16", b"1e1", 1) + b"\n" + body,
        b'{"problems": [], "total": 0}\n', b'{"problems": [{"code": "x", "message": "m"}], "total": 1}\n',
        b'{"problems": [{"code": "E_X", "message": 7}], "total": 1}\n',
        b'{"problems": [{"code": "E_X", "message": "m", "line": "1"}], "total": 1}\n',
        b'{"problems": [{"code": "E_X", "message": "m", "extra": 1}], "total": 1}\n',
        b'{"problems": [{"code": "E_X", "message": "m"}], "total": "many"}\n',
        json.dumps({"problems": [{"code": "E_X", "message": "m" * 10**5}], "total": 1}).encode() + b"\n",
        b'{"failure": "internal error"}\n',
    ]  # fmt: skip
    bad: list[Columns] = [
        good | {"y": np.array([np.nan, 1])}, good | {"y": np.array([np.inf, 1])}, good | {"y": np.array([6.0, 1])},
        good | {"n": np.array([10, 1])}, good | {"n": np.array([-1, 1])}, {"y": good["y"]}, good | {"z": good["y"]},
        {"n": good["n"], "y": good["y"], "t": good["t"]}, good | {"t": np.array([1.0, 2.0])},
    ]  # fmt: skip
    for text in other + [_packed(columns) for columns in bad]:
        with pytest.raises(Died):
            received(text, MIXED, False)
    swapped = bytearray(whole)
    at = len(whole) - 3 - 16
    swapped[at : at + 8] = (9).to_bytes(8, "little")
    with pytest.raises(Died):
        received(bytes(swapped), MIXED, False)
    actions = np.array([[0, 1, -1, -1, -1], [2, -1, -1, -1, -1]], dtype=np.int8)
    length = np.array([2, 1])
    assert received(_packed({"actions": actions, "length": length}), EPISODES, False)
    for wrong in (
        {"actions": actions, "length": length + 1},
        {"actions": actions + 1, "length": length},
        {"actions": actions, "length": np.array([0, 6])},
    ):
        with pytest.raises(Died):
            received(_packed(wrong), EPISODES, False)


# What it knows and may do ---------------------------------------------------------------------------------------------

MARK = 0x5EC2E7A11  # as an answer, and in texts
EXPLORE = '''
import ctypes, gc, json, os, resource, socket, subprocess, sys
import numpy
import submissions.reader as reader
from tasks.base import Problem, SubmissionError

libc = ctypes.CDLL(None, use_errno=True)
ALLOWED = resource.RLIM_INFINITY


def explore(data, form):
    """What a program inside the reader finds and can do, as the text of a refusal."""
    _, mark, paths, worker = json.loads(data)
    found, done = [], []
    for thing in gc.get_objects():
        if isinstance(thing, dict):
            things = list(thing.values())
        elif isinstance(thing, (list, tuple)):
            things = list(thing)
        else:
            things = [thing]
        for one in things:
            if isinstance(one, numpy.ndarray) and one.dtype.kind in "if" and (one == mark).any():
                found.append("array")
            if isinstance(one, str) and f"secret {mark}" in one:
                found.append("text")
    if any(str(mark) in value for value in os.environ.values()):
        found.append("environment")

    def attempt(name, call):
        try:
            call()
        except BaseException:
            return
        done.append(name)

    attempt("raise the limits", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000)))
    for path in paths:
        attempt(f"open {path}", lambda: open(path, "rb"))
        attempt(f"os.open {path}", lambda: os.open(path, os.O_RDONLY))
    others = [f"/proc/{pid}/mem" for pid in ("self", os.getppid(), worker)]
    for path in (*others, "/proc/self/environ", "/etc/passwd"):
        attempt(f"open {path}", lambda: open(path, "rb"))
    attempt("list descriptors", lambda: os.listdir("/proc/self/fd"))
    attempt("list the folder", lambda: os.listdir(os.path.dirname(paths[0])))
    attempt("write", lambda: open(os.path.join(os.path.dirname(paths[0]), "new"), "wb"))
    attempt("make a folder", lambda: os.mkdir(os.path.join(os.path.dirname(paths[0]), "folder")))
    attempt("remove", lambda: os.unlink(paths[0]))
    attempt("rename", lambda: os.rename(paths[0], paths[0] + "x"))
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            attempt(f"socket {family} {kind}", lambda: socket.socket(family, kind))
    attempt("fork", lambda: os.fork() or os._exit(0))
    attempt("run", lambda: subprocess.run(["/bin/true"], check=False))
    for pid in (os.getppid(), worker):
        attempt(f"signal {pid}", lambda: os.kill(pid, 0))
        if libc.ptrace(0x4206, pid, 0, 0) == 0:
            done.append(f"attach {pid}")
    kinds = []
    for descriptor in range(256):
        try:
            os.fstat(descriptor)
            kinds.append(descriptor)
        except OSError:
            pass
    told = {"found": sorted(set(found)), "done": done, "descriptors": kinds, "pid": os.getpid()}
    raise SubmissionError([Problem("E_EXPLORED", json.dumps(told))])


READ = reader.read


def read(data, form):
    return explore(data, form) if data.startswith(b"[7") else READ(data, form)
'''


def reader_that(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes processes that are started from now on begin with this program."""
    (folder / "sitecustomize.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.skipif(confinement() != (), reason=f"this system cannot: {', '.join(confinement())}")
def test_a_reader_that_is_taken_over_finds_no_answers_and_can_open_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = np.array([1, MARK, 3])
    secret: dict[str, Any] = {"text": f"secret {MARK}", "array": answers, "seen by gc": []}
    paths = [tmp_path / "column-0.npy", tmp_path / "key"]
    np.save(paths[0], answers)
    paths[1].write_text(secret["text"])
    monkeypatch.setenv("LHY_TOKEN", f"secret {MARK}")
    data = json.dumps([7, MARK, [str(path) for path in paths], os.getpid()]).encode()

    control = EXPLORE + (  # it finds what is there to be found
        f"answers = numpy.load({str(paths[0])!r})\ntext = 'secret {MARK}'\nkept = [answers, text]\n"
        "try:\n    explore(sys.stdin.buffer.read(), None)\n"
        "except SubmissionError as error:\n    print(error.problems[0].message)\n"
    )
    ended = subprocess.run([sys.executable, "-c", control], input=data, capture_output=True, timeout=60, check=True)
    here = json.loads(ended.stdout)
    assert set(here["found"]) >= {"array", "text", "environment"}
    assert len(here["done"]) > 12
    for path in (tmp_path / "new", tmp_path / f"{paths[0].name}x"):
        path.unlink(missing_ok=True)
    np.save(paths[0], answers)
    (tmp_path / "folder").rmdir()

    hook = tmp_path / "hook"
    hook.mkdir()
    reader_that(EXPLORE + "reader.read = read\n", hook, monkeypatch)
    one = Decoder()
    try:
        whole = one.decode(data, PLAIN, False, LIMITS)
        assert whole is not None
        with pytest.raises(SubmissionError) as caught:
            received(whole, PLAIN, False)
    finally:
        one.close()
    told = json.loads(caught.value.problems[0].message)
    assert told["found"] == []
    assert told["done"] == []
    assert len(told["descriptors"]) == 4, "three that lead nowhere, and the one to answer on"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["column-0.npy", "hook", "key"]
    assert secret["array"] is answers


FAULTS: dict[str, tuple[str, str]] = {
    "hangs": ("while True: pass", "longer than"),
    "sleeps": ("import time; time.sleep(600)", "longer than"),
    "eats": ("[bytes(2**26) for _ in range(2**10)]", "memory"),
    "leaves": ("import os; os._exit(0)", "without a reply"),
    "raises": ("raise ValueError('42')", "internal error: ValueError"),
    "says too much": ("import os; [os.write(4, b'x' * 2**20) for _ in range(64)]", "too much"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_reader_that_fails_says_how_and_the_next_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    program, said = FAULTS[name]
    source = (
        "import submissions.reader as reader\nREAD = reader.read\ndef read(data, form):\n    if data == b'bad':\n"
        f"        {program}\n    return READ(data, form)\nreader.read = read\n"
    )
    reader_that(source, tmp_path, monkeypatch)
    one = Decoder()
    try:
        limits = Limits(1.5 if name in ("hangs", "sleeps") else 30.0, 2**31)
        with pytest.raises(Died) as caught:
            received(one.decode(b"bad", PLAIN, False, limits) or b"", PLAIN, False)
        assert said in str(caught.value)
        assert "42" not in str(caught.value)
        whole = one.decode(FILES[0][2], PLAIN, False, LIMITS)
        assert whole is not None
        assert received(whole, PLAIN, False)["y"].tolist() == [1.0, 2.5, -0.001]
    finally:
        one.close()


def test_a_stop_ends_what_is_being_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader_that(
        "import submissions.reader as r\nr.read = lambda *_: __import__('time').sleep(600)\n", tmp_path, monkeypatch
    )
    monkeypatch.setattr("harness.grading.decode._warm", lambda: None)
    asked: list[int] = []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 3

    one = Decoder()
    assert one.decode(b"x", PLAIN, False, LIMITS, stopped) is None
    assert one.process is None


def test_a_process_that_was_killed_is_started_anew(decoder: Decoder) -> None:
    one = Decoder()
    try:
        for _ in range(2):
            assert one.decode(FILES[0][2], PLAIN, False, LIMITS)
            assert one.process is not None
            os.kill(one.process[0], 9)
            os.waitid(os.P_PID, one.process[0], os.WEXITED | os.WNOWAIT)  # ended, and not yet waited for
        assert one.decode(FILES[0][2], PLAIN, False, LIMITS)
    finally:
        one.close()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc")
def test_no_process_outlives_its_owner(decoder: Decoder) -> None:
    program = (
        "import os, sys\nfrom harness.grading.decode import Decoder\nfrom tests.test_decode import FILES, LIMITS\n"
        "one = Decoder()\none.decode(FILES[0][2], FILES[0][0], False, LIMITS)\nprint(one.process[0], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    path = Path(f"/proc/{int(done.stdout)}/stat")
    for _ in range(100):
        if not path.exists() or path.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("it is still there")
