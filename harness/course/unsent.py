"""Copies of files that could not be sent, until they have arrived."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from harness.home import write_file
from tasks.errors import inert


def _unsent(data: bytes) -> Path:
    import platformdirs

    return platformdirs.user_state_path("lhy-grade") / "unsent" / hashlib.sha256(data).hexdigest()[:16]


def keep_unsent(path: Path, data: bytes) -> Path:
    """Keeps a copy of a file that could not be sent; if that fails, returns the path of the file itself.

    The copy's name has no unprintable characters, since people copy it from the terminal.
    """
    kept = _unsent(data) / "".join(letter if inert(letter) == letter else "_" for letter in path.name)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not kept.exists() or kept.read_bytes() != data:
            write_file(kept, data, mode=0o600)
    except OSError:
        return path.absolute()
    return kept


def forget_unsent(data: bytes) -> None:
    """Removes the copy of a file that has arrived."""
    folder = _unsent(data)
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
