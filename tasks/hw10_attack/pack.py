"""Writing attacked pictures as they are handed in: PNG files in folders, in a gzipped tar archive."""

from __future__ import annotations

import gzip
import io
import tarfile

import numpy as np
from numpy.typing import NDArray

from tasks.formats import ImagesFormat


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture (s, s, 3) as a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def packed(pictures: NDArray[np.uint8], form: ImagesFormat) -> bytes:
    """The archive of pictures (n, s, s, 3) in the order of the format's names; the same bytes for the same pictures."""
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as archive:
        for name, picture in zip(form.names, pictures, strict=True):
            data = png(picture)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
