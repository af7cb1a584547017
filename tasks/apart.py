"""Runs work in a child process with limits on wall time, address space and files, and returns its answer as JSON.

The child inherits what this process has in memory, dies with it, and leaves none of its own children behind. `confine`
drops rights permanently. Systems differ, and `confinement` says what is missing on this one: Linux has the most, macOS
has no memory limit, and Windows cannot fork, so that work there runs in this process and without limits.
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
from pathlib import Path
from typing import Any

FORKS = os.name == "posix"

MOST_ANSWER = 2**20
"""The maximum size of a child's answer in bytes."""

GRACE_SECONDS = 5.0
"""Seconds that a child may live beyond its time limit if its parent is gone."""

DENIED = (
    "socket", "socketpair", "connect", "bind", "sendto", "sendmsg", "execve", "execveat", "fork", "vfork", "ptrace",
    "process_vm_readv", "process_vm_writev", "pidfd_open", "pidfd_getfd", "kill", "tkill", "tgkill", "prlimit64",
    "setrlimit", "open", "openat", "openat2", "creat", "open_by_handle_at", "io_uring_setup", "memfd_create", "mount",
    "unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key",
)  # fmt: skip
"""System calls that a process which only computes does not need."""

DENIED_READER = (
    "setsid", "setpgid", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime",
    "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "ptrace", "process_vm_readv",
    "process_vm_writev", "pidfd_getfd", "io_uring_setup", "bpf", "mount", "unshare", "setns",
)  # fmt: skip
"""Those with which a process that may read files would outlive its parent, or change files that it may only read."""

INET = (2, 10)
"""The families of sockets of the internet, IPv4 and IPv6."""

CLONE_THREAD = 0x10000


@dataclass(frozen=True)
class Limits:
    """The limits of one submission: wall time in seconds, and bytes of address space that its process may add."""

    seconds: float = 120.0
    memory: int = 4 * 2**30


class Died(Exception):
    """A child that gave no complete answer; the text says how it ended and contains no data."""


class Late(Died):
    """A child that did not answer in time."""


def apart(
    work: Callable[[], dict[str, Any]],
    limits: Limits,
    stopped: Callable[[], bool] = lambda: False,
    begun: Callable[[], None] = lambda: None,
    most: int = MOST_ANSWER,
) -> Any:
    """Runs `work` in a child process and returns its result as JSON; None once `stopped` is true.

    The result has at most `most` bytes. Raises Died. However the child ends, neither it nor a child of its process
    group stays behind.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            bind(limits, parent)
            own, answer = os.getpid(), json.dumps(work(), allow_nan=False).encode() + b"\n"
            if os.getpid() == own:  # a process that the work forked off, and that came back too, has no say
                send(writing, answer)
            code = 0
        finally:
            os._exit(code)  # the child must not flush, close or run anything of the parent's
    os.close(writing)
    status: int | None = None
    try:
        begun()
        text, status = _receive(reading, child, limits.seconds, stopped, most)
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
    """Limits this process permanently: it ends by itself even if nobody is left to end it."""
    import resource

    os.setpgid(0, 0)
    die_with(parent)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for number in (signal.SIGTERM, signal.SIGINT):  # sent to all processes at once; the parent decides
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # output of a library about a submission must not get into a log
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds + GRACE_SECONDS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the answers
    if sys.platform != "darwin":  # macOS cannot limit it
        most, allowed = _mapped() + limits.memory, resource.getrlimit(resource.RLIMIT_AS)[1]
        if allowed != resource.RLIM_INFINITY:
            most = min(most, allowed)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _mapped() -> int:
    """The bytes of address space that this process has, those of its parent included; 0 where the system hides it."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def die_with(parent: int) -> None:
    """On Linux, this process is killed when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it has already ended
            os._exit(1)


def confine(*, reading: bool) -> None:
    """Permanently drops, as far as the system can, the rights to write files, use the network and signal others.

    Without `reading`, also the right to open any file, socket or process: modules can no longer be imported.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    calls = _filter(reading=reading)
    if _supports("landlockpy"):
        from landlockpy import AccessFS, Ruleset, Scope

        with Ruleset(scoped=Scope.SIGNAL | Scope.ABSTRACT_UNIX_SOCKET) as rules:
            if reading:
                rules.allow_path("/", AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE)
                rules.allow_path(os.devnull, AccessFS.WRITE_FILE)
            rules.restrict()
    if calls is not None:
        calls.load()
    elif not reading and "polars" not in sys.modules:  # polars needs descriptors to wait for its threads
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


@lru_cache(maxsize=2)
def _filter(*, reading: bool) -> Any:
    """The system call filter of a process that only computes, or reads too; None where the system supports none."""
    if not _supports("seccompy"):
        return None
    from seccompy import ArgCmp, CmpOp, Filter

    calls = Filter()
    for name in DENIED_READER if reading else DENIED:
        with contextlib.suppress(ValueError):  # another architecture has no such call
            calls.errno(name, errno.EPERM)
    if reading:
        for family in INET:
            calls.errno("socket", errno.EPERM, args=[ArgCmp(0, CmpOp.EQ, family)])
        return calls
    calls.errno("clone", errno.EPERM, args=[ArgCmp(0, CmpOp.MASKED_EQ, 0, mask=CLONE_THREAD)])
    calls.errno("clone3", errno.ENOSYS)  # a filter cannot see its flags; threads are then made with clone
    return calls


@lru_cache(maxsize=4)
def _supports(package: str) -> bool:
    if sys.platform != "linux":
        return False
    import importlib

    try:
        return bool(importlib.import_module(package).supported())
    except (ImportError, OSError):
        return False


def confinement() -> tuple[str, ...]:
    """The isolation measures that are missing here for a process that reads a submission; empty if none is."""
    if not FORKS:
        return ("no separate process, no limits: this system cannot fork",)
    missing = [] if sys.platform != "darwin" else ["no memory limit"]
    if not _supports("landlockpy"):
        missing.append("no Landlock (Linux 5.13 or newer, and the package landlockpy)")
    if not _supports("seccompy"):
        missing.append("no seccomp (Linux on x86-64 or ARM, and the package seccompy)")
    return tuple(missing)


def send(descriptor: int, text: bytes) -> None:
    rest = memoryview(text)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _receive(
    descriptor: int, child: int, seconds: float, stopped: Callable[[], bool], most: int
) -> tuple[bytes | None, int | None]:
    """The child's line, or None if it takes too long or is stopped; and its status once it has ended."""
    until = time.monotonic() + seconds
    text, status = b"", None
    while (left := until - time.monotonic()) > 0 and not stopped():
        if select.select([descriptor], [], [], 0 if status is not None else min(left, 0.1))[0]:
            chunk = os.read(descriptor, 2**16)
            text += chunk
            if not chunk or text.endswith(b"\n") or len(text) > most:
                return text, status if chunk or status is not None else _status(child, until)
        elif status is not None:
            return text, status  # its own children hold the pipe open
        else:
            status = _status(child, 0.0)
    return None, status


def _status(child: int, until: float) -> int | None:
    """The child's exit status, waiting for it until an instant of the monotonic clock."""
    while True:
        ended, raw = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(raw)
        if time.monotonic() >= until:
            return None
        time.sleep(0.001)
