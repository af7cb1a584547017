"""The bytes of submissions, kept by their SHA-256.

A file lies at `root/ab/cdef…`, where `abcdef…` is its hash. It is written under a temporary name in the same folder,
synced, renamed and made durable by a sync of the folder, so that a crash or a power cut leaves the whole file or none.
An upload is written the same way as it arrives, but in the root folder, since its hash is not known yet. Temporary
files left by a killed process begin with a dot and end in `.part`; nothing reads them, and `sweep` removes them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from submissions.text import too_large
from tasks.base import UserError

CODES: dict[str, str] = {
    "E_STORE": "The grader could not store the file. Nothing was recorded; free some space or correct the permissions.",
}

STEPS = ("folder", "created", "written", "synced", "renamed", "kept")
"""The names that `keep` passes to `step`, in order; bytes already stored skip from "folder" to "kept"."""


def keep(root: Path, data: bytes, step: Callable[[str], None] | None = None) -> str:
    """Stores the bytes below `root` and returns their SHA-256; on return they survive a power cut.

    Bytes already stored are left alone; a damaged file is replaced. `step` is called after each of `STEPS`. Raises
    UserError (E_STORE) if the disk is full or not writable; no part of the file is left then.
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
        # Also for existing names: the process that made them may have been killed before this.
        for folder in (path.parent, root, root.parent):
            _sync_folder(folder)
    except OSError as error:
        raise _cannot_keep(error) from error
    done("kept")
    return name


class Arriving:
    """A file that arrives in pieces, made by `receiving`; it is hashed as it is written."""

    def __init__(self, root: Path, max_bytes: int, file: int, temporary: Path, done: Callable[[str], None]) -> None:
        self.size = 0
        self._root, self._max_bytes, self._file, self._temporary, self._done = root, max_bytes, file, temporary, done
        self._hash = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        """Adds the next piece.

        Raises SubmissionError (E_SIZE) beyond the limit, before any of the piece is written, and UserError (E_STORE)
        if the disk is full.
        """
        if self.size + len(chunk) > self._max_bytes:
            raise too_large(None, self._max_bytes)
        try:
            _write_all(self._file, chunk)
        except OSError as error:
            raise _cannot_keep(error) from error
        self._hash.update(chunk)
        self.size += len(chunk)

    def sync(self) -> str:
        """Syncs the file and returns its SHA-256; the bytes, but not yet the name, then survive a power cut."""
        try:
            self._done("written")
            os.fsync(self._file)
        except OSError as error:
            raise _cannot_keep(error) from error
        self._done("synced")
        return self._hash.hexdigest()

    def keep(self) -> None:
        """Gives the synced file its name in the store, durably; an intact file with that hash stays."""
        path = _path(self._root, self._hash.hexdigest())
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if not _is_whole(path):
                self._temporary.replace(path)
                self._done("renamed")
            for folder in (path.parent, self._root, self._root.parent):
                _sync_folder(folder)
        except OSError as error:
            raise _cannot_keep(error) from error
        self._done("kept")


ARRIVING_STEPS = ("created", "written", "synced", "renamed", "kept")
"""The names that `receiving` passes to `step`, in order."""


@contextlib.contextmanager
def receiving(root: Path, max_bytes: int, step: Callable[[str], None] | None = None) -> Iterator[Arriving]:
    """A new file of at most `max_bytes`; unless it is kept within the block, it is removed.

    Raises UserError (E_STORE) if it cannot be created.
    """
    done = step or (lambda _: None)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=root)  # with mode 0600
    except OSError as error:
        raise _cannot_keep(error) from error
    try:
        done("created")
        yield Arriving(root, max_bytes, file, Path(name), done)
    finally:
        os.close(file)
        Path(name).unlink(missing_ok=True)


def sweep(root: Path, before: float) -> int:
    """Removes temporary files last written before that time (seconds since 1970), and returns their number."""
    removed = 0
    for pattern in (".*.part", "*/.*.part"):
        for path in root.glob(pattern):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
    return removed


def fetch(root: Path, sha256: str) -> bytes:
    """The bytes with that SHA-256 (64 lower-case hexadecimal digits).

    Raises UserError (E_STORE) if they are missing, cannot be read or no longer have that hash.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise _fault("Expected the 64 hexadecimal digits of a SHA-256.")
    try:
        data = _path(root, sha256).read_bytes()
    except FileNotFoundError:
        raise _fault(f"The file {sha256} is not in the store; restore it from a backup.") from None
    except OSError as error:
        raise _fault(f"The file {sha256} cannot be read: {error.strerror}.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _fault(f"The file {sha256} in the store is damaged; restore it from a backup.")
    return data


def path_of(root: Path, sha256: str) -> Path:
    """Where the bytes with that SHA-256 lie, or would."""
    return _path(root, sha256)


def has(root: Path, sha256: str) -> bool:
    """Whether there is a file for that SHA-256, intact or not."""
    return _path(root, sha256).exists()


def remove(root: Path, sha256: str) -> None:
    """Removes the bytes with that SHA-256, if present."""
    _path(root, sha256).unlink(missing_ok=True)


def _path(root: Path, sha256: str) -> Path:
    return root / sha256[:2] / sha256[2:]


def _holds(path: Path, data: bytes) -> bool:
    """Whether the file exists with exactly these bytes."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _is_whole(path: Path) -> bool:
    """Whether the file exists and its hash matches its name."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == path.parent.name + path.name
    except FileNotFoundError:
        return False


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _write(path: Path, data: bytes, done: Callable[[str], None]) -> None:
    file, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)  # with mode 0600
    try:
        try:
            done("created")
            _write_all(file, data)
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
    """Makes names in a folder durable; Windows cannot open a folder and does not need it."""
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
            "The submission could not be stored: the grader's disk is full. Nothing was stored; try again later."
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return _fault("The submission could not be stored: the grader cannot write to its folder. Nothing was stored.")
    return _fault(f"The submission could not be stored: {error.strerror or error}. Nothing was stored.")


def _fault(message: str) -> UserError:
    return UserError(message, code="E_STORE", exit_code=10)
