"""Shared by all readers of submissions: the bytes of a file, UTF-8 text, and the report of all problems."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path

from submissions.plain import BOM
from tasks.base import Problem, SubmissionError, UserError
from tasks.errors import inert

CODES: dict[str, str] = {
    "E_FILE_MISSING": "The file does not exist. Check the spelling and the folder.",
    "E_FILE_DIRECTORY": "The path is a folder. Give the file itself.",
    "E_FILE_UNREADABLE": (
        "The file cannot be opened or read. Check its permissions, and that no other program is writing it."
    ),
    "E_EMPTY": "The file is empty or blank. Check that your program finished writing it.",
    "E_SIZE": "The file is larger than this competition accepts. Check that it is the submission and not the data set.",
    "E_BINARY": (
        "The file is not text: a spreadsheet, an archive, an image, or text with NUL bytes. Save it as plain text."
    ),
    "E_ENCODING": "The text is not UTF-8. Save it as UTF-8.",
}
"""The error codes for any kind of file. Codes are stable: scripts may rely on them."""

SHOWN = 20
SHOWN_PER_CODE = 5

MAGIC = (
    (b"\xd0\xcf\x11\xe0", "an Excel file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "a numpy array"),
    (b"PAR1", "a parquet file"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7-zip archive"),
)


def load(path: Path, max_bytes: int) -> bytes:
    """Reads a submitted file of at most `max_bytes`, checking the size before and during reading.

    Raises UserError if the file cannot be read, and SubmissionError if it is empty or too large.
    """
    name = clip(path.name or str(path), 80)
    try:
        with path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > max_bytes:
                raise too_large(status.st_size, max_bytes)
            # A regular file takes one read; pipes and devices are read until they end or pass the limit.
            chunks, total = [], 0
            while chunk := file.read(min(max_bytes - total, max(status.st_size, 2**16)) + 1):
                chunks.append(chunk)
                total += len(chunk)
                if total > max_bytes:
                    raise too_large(None, max_bytes)
    except FileNotFoundError:
        raise UserError(f"{name} does not exist; check the name and the folder.", code="E_FILE_MISSING") from None
    except IsADirectoryError:
        raise UserError(f"{name} is a folder; name the file in it.", code="E_FILE_DIRECTORY") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"{name} cannot be read: {reason}.", code="E_FILE_UNREADABLE") from None
    if not chunks:
        raise empty()
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def clip(text: str, width: int = 40) -> str:
    """Untrusted text cut to `width` characters, and inert.

    >>> clip("a\\x1b[31mb\\u202ec"), clip("x" * 50, 5)
    ('a\\\\x1b[31mb\\\\u202ec', 'xxxx…')
    """
    return inert(text if len(text) <= width else text[: width - 1] + "…")


class Report:
    """The problems found so far: those of the whole file, and the first few of each code for single lines."""

    def __init__(self) -> None:
        self.of_file: list[Problem] = []
        self.of_lines: list[Problem] = []
        self.counts: Counter[str] = Counter()

    def file(
        self, code: str, message: str, line: int | None = None, found: str | None = None, expected: str | None = None
    ) -> None:
        self.counts[code] += 1
        self.of_file.append(Problem(code, message, line, None, found if found is None else clip(found), expected))

    def line(
        self, code: str, message: str, line: int, found: str, expected: str | None = None, column: str | None = None
    ) -> None:
        self.counts[code] += 1
        if self.counts[code] <= SHOWN_PER_CODE:
            where = f"line {line:,}" if column is None else f"line {line:,}, column {column}"
            self.of_lines.append(Problem(code, f"{where}: {message}", line, column, clip(found), expected))

    def end(self) -> None:
        if self.counts:
            problems = self.of_file + sorted(self.of_lines, key=lambda problem: problem.line or 0)
            raise SubmissionError(problems[:SHOWN], self.counts.total())


def text_of(data: bytes, wanted: str = "the CSV text itself") -> str:
    """The text of a file. Raises SubmissionError if it is empty, binary or not UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or _every_other_is_nul(data[:16]):
        raise refusal(
            "E_ENCODING",
            "The text is UTF-16 (Excel's “Unicode text”, or > in PowerShell); save it as plain UTF-8 text.",
        )
    if data.startswith(b"PK\x03\x04"):
        excel = b"[Content_Types]" in data[:4096] or b"xl/" in data[:4096]
        raise _binary("an Excel file" if excel else "a zip archive", wanted)
    for magic, what in MAGIC:
        if data.startswith(magic):
            raise _binary(what, wanted)
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise refusal("E_BINARY", f"line {line:,}: a NUL byte; the file is binary or damaged, write it again.", line)
    try:
        text = data.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        begin = error.start + (len(BOM) if data.startswith(BOM) else 0)
        line = data.count(b"\n", 0, begin) + 1
        found = f"\\x{data[begin]:02x}"
        message = f"line {line:,}: the byte {found} is not UTF-8; save the file as UTF-8."
        raise refusal("E_ENCODING", message, line, found) from None
    if not text or text.isspace():
        raise empty()
    return text


def _binary(what: str, wanted: str) -> SubmissionError:
    """The error for a binary file, with how to convert it."""
    how = ""
    if "Excel" in what:
        how = ': in Excel, File, Save As, "CSV UTF-8 (comma delimited)"; renaming the file is not enough'
    elif "archive" in what:
        how = ": unpack it and submit the file inside"
    elif what in ("a numpy array", "a parquet file"):
        how = ": in pandas, to_csv(path, index=False)"
    return refusal("E_BINARY", f"This looks like {what}; submit {wanted}{how}.")


def _every_other_is_nul(start: bytes) -> bool:
    """Whether these bytes look like ASCII text in UTF-16."""
    return len(start) > 3 and any(start[::2]) != any(start[1::2])


def without_end(line: str) -> str:
    return line.removesuffix("\r").removesuffix("\r")


def empty() -> SubmissionError:
    return refusal("E_EMPTY", "The file is empty; check that your program closed it after writing.")


def too_large(size: int | None, most: int) -> SubmissionError:
    have = f"has more than {most:,} bytes" if size is None else f"has {size:,} bytes, at most {most:,} are accepted"
    return refusal("E_SIZE", f"The file {have}; submit only the predictions.")


def refusal(
    code: str, message: str, line: int | None = None, found: str | None = None, expected: str | None = None
) -> SubmissionError:
    return SubmissionError([Problem(code, message, line, None, found, expected)])
