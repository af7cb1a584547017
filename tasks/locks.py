"""A lock file: one process at a time, others wait, and a process that dies gives it back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock of a file, which is made where it is missing and left there."""
    with path.open("a+b") as stream:
        try:
            import fcntl
        except ImportError:  # Windows has no flock: lock a byte of the file
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
        else:
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
