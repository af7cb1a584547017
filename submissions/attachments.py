"""Second files, such as reports and code: only their size and first bytes are looked at, and they are never opened."""

from __future__ import annotations

from collections.abc import Sequence

from submissions.store import Arriving
from tasks.errors import UserError

CODES: dict[str, str] = {
    "E_ATTACHMENT_EMPTY": "The second file is empty. Check that it was saved, and hand it in again.",
    "E_ATTACHMENT_KIND": (
        "The second file does not begin like one of the kinds that are asked for, whatever its name. Export a PDF, or "
        "make a zip archive, and hand that in."
    ),
}

FIRST = {"pdf": b"%PDF-", "zip": b"PK\x03\x04"}
"""The first bytes of each kind; an archive without any file begins otherwise."""

LONGEST = max(map(len, FIRST.values()))


class Checked:
    """A second file on its way into the store, of at most `most` bytes; bytes of another kind are not written."""

    def __init__(self, arriving: Arriving, kinds: Sequence[str], most: int) -> None:
        self._arriving, self._kinds, self._most = arriving, kinds, most
        self._begin = b""

    def write(self, chunk: bytes) -> None:
        """Adds the next piece. Raises UserError: E_TOO_LARGE, and E_STORE if the disk is full."""
        if self._arriving.size + len(chunk) > self._most:
            raise oversized(self._most)
        self._begin += chunk[: LONGEST - len(self._begin)]
        if not self.refused:
            self._arriving.write(chunk)

    @property
    def refused(self) -> bool:
        """Whether its beginning shows that `end` will refuse it."""
        return len(self._begin) == LONGEST and _kind(self._begin, self._kinds) is None

    def end(self) -> str:
        """The kind of the whole file. Raises UserError as `kind_of` does."""
        return kind_of(self._begin, self._kinds)


def kind_of(begin: bytes, kinds: Sequence[str]) -> str:
    """The kind of a file by its first `LONGEST` bytes.

    Raises UserError: E_ATTACHMENT_EMPTY, and E_ATTACHMENT_KIND for none of these kinds.
    """
    if not begin:
        raise UserError("the second file is empty; nothing was recorded.", code="E_ATTACHMENT_EMPTY", exit_code=3)
    kind = _kind(begin, kinds)
    if kind is None:
        raise UserError(
            f"the second file must be {' or '.join(kinds)}, and this one does not begin like that; nothing was"
            " recorded.",
            code="E_ATTACHMENT_KIND",
            exit_code=3,
        )
    return kind


def _kind(begin: bytes, kinds: Sequence[str]) -> str | None:
    return next((kind for kind in kinds if begin.startswith(FIRST[kind])), None)


def oversized(most: int, size: int | None = None) -> UserError:
    """The error for a second file of more than `most` bytes."""
    have = f"more than {most:,}" if size is None else f"{size:,}"
    return UserError(
        f"the second file has {have} bytes, at most {most:,} are accepted; nothing was recorded.",
        code="E_TOO_LARGE",
        exit_code=3,
    )
