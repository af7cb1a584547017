"""The bytes of submissions, kept by their SHA-256.

A file lies at `root/ab/cdef…`, where `abcdef…` is its hash. It is written under a temporary name in the same folder,
synced, renamed and made lasting by a sync of the folder, so that after a crash or a power cut there is the whole file
or none. Temporary files that a killed process left begin with a dot and end in `.part`; nothing reads them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

from tasks.base import UserError

STEPS = ("folder", "created", "written", "synced", "renamed", "kept")
"""The names with which `keep` calls `step`, in order; bytes that are there already go from "folder" to "kept"."""


def keep(root: Path, data: bytes, step: Callable[[str], None] | None = None) -> str:
    """Keeps the bytes below `root` and returns their SHA-256; when it returns, they survive a power cut.

    Bytes that are there already are left, unless the file is damaged: then it is replaced. `step` is called after each
    of `STEPS`. Raises UserError (E_STORE) where the disk is full or not writable; no part of the file is then left.
    """
    done = step or (lambda _: None)
    name = hashlib.sha256(data).hexdigest()
    path = _path(root, name)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        done("folder")
        if not _holds(path, data):
            _write(path, data, done)
        # Also where the names were there: the process that made them may not have come this far.
        for folder in (path.parent, root, root.parent):
            _sync_folder(folder)
    except OSError as error:
        raise _cannot_keep(error) from error
    done("kept")
    return name


def fetch(root: Path, sha256: str) -> bytes:
    """The bytes of that SHA-256 (64 small hexadecimal digits).

    Raises UserError (E_STORE) where they are not there, cannot be read or do not have that hash any more.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise _fault("A file is asked for by the 64 hexadecimal digits of its SHA-256.")
    try:
        data = _path(root, sha256).read_bytes()
    except FileNotFoundError:
        raise _fault(f"The file {sha256} is not in the store; bring it back from a backup.") from None
    except OSError as error:
        raise _fault(f"The file {sha256} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _fault(f"The file {sha256} in the store is damaged; bring it back from a backup.")
    return data


def _path(root: Path, sha256: str) -> Path:
    return root / sha256[:2] / sha256[2:]


def _holds(path: Path, data: bytes) -> bool:
    """Whether the file is there and whole."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _write(path: Path, data: bytes, done: Callable[[str], None]) -> None:
    file, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)  # with mode 0600
    try:
        try:
            done("created")
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
            done("written")
            os.fsync(file)
            done("synced")
        finally:
            os.close(file)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    done("renamed")


def _sync_folder(folder: Path) -> None:
    """Makes names in a folder lasting; Windows cannot open a folder and needs no such call."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_keep(error: OSError) -> UserError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _fault(
            "The submission could not be kept: the disk of the grader is full. Nothing was stored; try later."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return _fault("The submission could not be kept: the grader may not write to its folder. Nothing was stored.")
    return _fault(f"The submission could not be kept: {error.strerror or error}. Nothing was stored.")


def _fault(message: str) -> UserError:
    return UserError(message, code="E_STORE", exit_code=10)
