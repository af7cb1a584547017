"""How fast an archive of 1,000 images is read and checked, next to the plain loop.

    python tests/bench/images.py [FILE.tgz] [--rounds N]

The plain loop unpacks the archive into a folder with `tarfile`, opens every file with Pillow and stacks the arrays; it
checks nothing. Ours reads the bytes in memory and checks all that `submissions.images` checks. Both run in one process,
in turns, on the same bytes, which are drawn faces where no file is given; their pixels must be equal. A second line
leaves the folder out: what is left is mostly Pillow's own time.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from submissions.images import read_images  # noqa: E402
from tasks.formats import ImagesFormat  # noqa: E402
from tasks.hw06_gan.world import archive, draw  # noqa: E402

FORM = ImagesFormat(1000)
Images = NDArray[np.uint8]


def ours(data: bytes) -> Images:
    images: Images = read_images(data, FORM)["image"]
    return images


def plain(data: bytes) -> Images:
    with tempfile.TemporaryDirectory() as name, tarfile.open(fileobj=io.BytesIO(data)) as packed:
        packed.extractall(name, filter="data")
        return np.stack([np.asarray(Image.open(Path(name) / f"{number}.jpg")) for number in FORM.ids])


def in_memory(data: bytes) -> Images:
    """The plain loop without the folder."""
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        files = {member.name: packed.extractfile(member) for member in packed}
        return np.stack([np.asarray(Image.open(cast(IO[bytes], files[f"{number}.jpg"]))) for number in FORM.ids])


def milliseconds(function: Callable[[bytes], Images], data: bytes) -> tuple[float, float]:
    """Wall and CPU time."""
    start, start_cpu = time.perf_counter(), time.process_time()
    function(data)
    return (time.perf_counter() - start) * 1e3, (time.process_time() - start_cpu) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="Reading an archive of images next to the plain loop.")
    parser.add_argument("file", nargs="?", type=Path, help="a submission of 1,000 images of 64 × 64 pixels")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    data = given.file.read_bytes() if given.file else archive(draw(np.random.default_rng(0), len(FORM)), FORM.max_bytes)
    assert np.array_equal(ours(data), plain(data))
    assert np.array_equal(ours(data), in_memory(data))
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, ", end="")
    print(f"Pillow {PIL.__version__}; {len(data):,} bytes, {len(FORM):,} images, pixels equal")
    for name, other in (("plain loop", plain), ("plain loop in memory", in_memory)):
        pairs = [(milliseconds(other, data), milliseconds(ours, data)) for _ in range(given.rounds)]
        slow, fast = (statistics.median(side[0] for side in sides) for sides in zip(*pairs, strict=True))
        ratio = statistics.median(a[0] / b[0] for a, b in pairs)
        cpu = statistics.median(a[1] / b[1] for a, b in pairs)
        print(f"{name} {slow:.1f} ms, ours {fast:.1f} ms: ratio {ratio:.2f} ({given.rounds} pairs; CPU {cpu:.2f})")


if __name__ == "__main__":
    main()
