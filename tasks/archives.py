"""The exceptions of the standard library for an archive that is damaged, encrypted or packed in an unknown way."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib

DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, RuntimeError, OSError, UnicodeError
)  # fmt: skip
