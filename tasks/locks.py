"""A lock file: one process at a time, others wait, and a process that dies gives it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Holds the lock of a file, which is made where it is missing and left there.

    Raises OSError where another process has it, and it does not `wait`.
    """
    with path.open("a+b") as stream:
        try:
            import fcntl
        except ImportError:  # Windows has no flock: lock a byte of the file
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
