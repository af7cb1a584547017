"""Work in a child process with limits of wall time, address space and files, whose answer comes back as JSON.

The child inherits what this process has in memory, dies with it, and leaves none of its own children behind. `confine`
gives up rights for good; what a system offers differs, and `confinement` says what holds here: Linux has the most,
macOS has no limit of memory, and Windows cannot fork, so that work there runs in this process and without limits.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

FORKS = os.name == "posix"

MOST_ANSWER = 2**20
"""The most bytes that a child hands back."""

GRACE_SECONDS = 5.0
"""How much longer a child may live than its parent waits, where the parent is gone."""

DENIED = (
    "socket", "socketpair", "connect", "bind", "sendto", "sendmsg", "execve", "execveat", "fork", "vfork", "ptrace",
    "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "kill", "tkill", "tgkill", "prlimit64",
    "setrlimit", "open", "openat", "openat2", "creat", "open_by_handle_at", "io_uring_setup", "memfd_create", "mount",
    "unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key",
)  # fmt: skip
"""The system calls that a process which only computes has no use for."""


CLONE_THREAD = 0x10000


@dataclass(frozen=True)
class Limits:
    """What one submission may use: wall time in seconds, and address space in bytes."""

    seconds: float = 120.0
    memory: int = 4 * 2**30


class Died(Exception):
    """A child that gave no whole answer; the text says how it ended and holds no data."""


class Late(Died):
    """A child that did not answer in time."""


def apart(
    work: Callable[[], dict[str, Any]],
    limits: Limits,
    stopped: Callable[[], bool] = lambda: False,
    begun: Callable[[], None] = lambda: None,
) -> Any:
    """What `work` returns, as JSON has it, from a child process; None where `stopped` came true.

    Raises Died. However the child ends, neither it nor a child of its process group stays behind.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            bind(limits, parent)
            send(writing, json.dumps(work(), allow_nan=False).encode() + b"\n")
            code = 0
        finally:
            os._exit(code)  # nothing of the parent's is flushed, closed or run by the child
    os.close(writing)
    status: int | None = None
    try:
        begun()
        text, status = _receive(reading, child, limits.seconds, stopped)
    finally:
        os.close(reading)
        end(child, reaped=status is not None)
    if text is None:
        if stopped():
            return None
        raise Late(f"it took longer than {limits.seconds:g} s")
    if not text.endswith(b"\n"):
        signaled = status is not None and status < 0 and text == b""
        raise Died(
            "its process " + (f"was ended by signal {-(status or 0)}" if signaled else "ended without an answer")
        )
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Died("its process gave an answer that cannot be read") from None


def end(child: int, *, reaped: bool) -> None:
    """Kills a child and its process group, and waits for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    if not reaped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def bind(limits: Limits, parent: int) -> None:
    """Binds this process for good: it ends by itself even where nobody is left to end it."""
    import resource

    os.setpgid(0, 0)
    die_with(parent)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT):  # which go to all processes at once; the parent decides
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # what a library says of a submission is for no log
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + GRACE_SECONDS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the answers
    if sys.platform != "darwin":  # which cannot limit it
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))


def die_with(parent: int) -> None:
    """On Linux, this process is killed when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it ended before
            os._exit(1)


def confine(*, reading: bool) -> None:
    """Gives up for good, as far as the system can, to write files, to use TCP and to signal other processes.

    Without `reading`, also to open any file, socket or process: no module can be imported any more.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    calls = None if reading else _filter()
    if _supports("landlockpy"):
        from landlockpy import AccessFS, Ruleset, Scope

        with Ruleset(scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET) as rules:
            if reading:
                rules.allow_path("/", AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE)
                rules.allow_path(os.devnull, AccessFS.WRITE_FILE)
            rules.restrict()
    if calls is not None:
        calls.load()
    elif not reading and "polars" not in sys.modules:  # which waits for its threads with descriptors
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


@lru_cache(maxsize=1)
def _filter() -> Any:
    """The filter of system calls of a process that only computes; None where the system has none."""
    if not _supports("seccompy"):
        return None
    from seccompy import ArgCmp, CmpOp, Filter

    calls = Filter()
    for name in DENIED:
        with contextlib.suppress(ValueError):  # another architecture has no such call
            calls.errno(name, errno.EPERM)
    calls.errno("clone", errno.EPERM, args=[ArgCmp(0, CmpOp.MASKED_EQ, 0, mask=CLONE_THREAD)])
    calls.errno("clone3", errno.ENOSYS)  # whose flags no filter can see; threads are made with clone then
    return calls


@lru_cache(maxsize=4)
def _supports(package: str) -> bool:
    """Whether the system has what the package asks of it."""
    if sys.platform != "linux":
        return False
    import importlib

    try:
        return bool(importlib.import_module(package).supported())
    except (ImportError, OSError):
        return False


def confinement() -> tuple[str, ...]:
    """What is missing here of the ways to keep a process that reads a submission apart; nothing where all hold."""
    if not FORKS:
        return ("no process of its own, no limits: this system cannot fork",)
    missing = [] if sys.platform != "darwin" else ["no limit of memory"]
    if not _supports("landlockpy"):
        missing.append("no Landlock (Linux 5.13 or newer, and the package landlockpy)")
    if not _supports("seccompy"):
        missing.append("no seccomp (Linux on x86-64 or ARM, and the package seccompy)")
    return tuple(missing)


def send(descriptor: int, text: bytes) -> None:
    """Writes all of it."""
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _receive(
    descriptor: int, child: int, seconds: float, stopped: Callable[[], bool]
) -> tuple[bytes | None, int | None]:
    """The child's line and its status where it has ended; None for the line where it takes too long or is stopped."""
    until = time.monotonic() + seconds
    text, status = b"", None
    while (left := until - time.monotonic()) > 0 and not stopped():
        if select.select([descriptor], [], [], 0 if status is not None else min(left, 0.1))[0]:
            chunk = os.read(descriptor, 2**16)
            text += chunk
            if not chunk or text.endswith(b"\n") or len(text) > MOST_ANSWER:
                return text, status if chunk or status is not None else _status(child, until)
        elif status is not None:
            return text, status  # its own children hold the pipe open
        else:
            status = _status(child, 0.0)
    return None, status


def _status(child: int, until: float) -> int | None:
    """How the child has ended, for which this waits until an instant of the monotonic clock."""
    while True:
        ended, raw = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(raw)
        if time.monotonic() >= until:
            return None
        time.sleep(0.001)
