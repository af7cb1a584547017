"""The judge of the generators of HW6: draws images from hidden noise and judges them as images that are handed in.

A generator is run by `tasks.models`, in batches of one size, so the same generator gives the same images bit for bit on
one machine. They are compressed as the hidden images are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.base import Columns, Judged, Made
from tasks.formats import Format
from tasks.hw06_gan import GENERATOR, NOISE, SUBMITTED, judge, world
from tasks.models import Model, Node, graph
from tasks.models import version as runtime_version
from tasks.streams import Streams
from tasks.tensor_formats import ModelFormat

Images = NDArray[np.uint8]

NOISE_FILE = "noise.safetensors"
CHECKED = 200
"""Images that `check` draws, from noise that is the same for everybody."""
BATCH = 50


def version() -> str:
    """Everything known to change a score."""
    return f"{judge.version('torch', 'pillow')} {runtime_version()}"


def check(form: Format, predictions: Columns, folder: Path | None) -> Judged:
    """The predictions, once the generator has drawn images that are no copies. Raises SubmissionError."""
    assert isinstance(form, ModelFormat)
    count = f"{int(predictions['parameters'][0]):,} of at most {form.most_parameters:,} parameters"
    images = drawn(form, predictions, np.random.default_rng(0).standard_normal((CHECKED, NOISE), np.float32))
    return Judged(predictions, (count, *judge.check(form, {"image": images}, folder).notes))


def run(form: Format, predictions: Columns, secret: Path) -> Judged:
    """The features (n, d) and found faces (n,) of images from the hidden noise. Raises SubmissionError for copies."""
    from safetensors.numpy import load

    assert isinstance(form, ModelFormat)
    images = drawn(form, predictions, load((secret / NOISE_FILE).read_bytes())["noise"])
    judge.check(form, {"image": images}, secret)
    return judge.judged(judge.files_of(secret), images)


def drawn(form: ModelFormat, predictions: Columns, noise: NDArray[np.float32]) -> Images:
    """The images (n, 64, 64, 3) of noise (n, 100)."""
    with Model(form, predictions) as model:
        made = np.concatenate([model(noise[at : at + BATCH])[0] for at in range(0, len(noise), BATCH)])
    pixels = np.rint(np.clip((made + 1) * 127.5, 0, 255)).astype(np.uint8).transpose(0, 2, 3, 1)
    return np.stack([world.decode(world.encode(np.ascontiguousarray(image))) for image in pixels])


def make(public: Path, streams: Streams, size: str, source: Path | None, secret: Path) -> Made:
    """The built-in world, with the hidden noise beside the judge's files."""
    from safetensors.numpy import save

    made = judge.make(public, streams, size, source, secret)
    noise = streams.generator("noise").standard_normal((SUBMITTED, NOISE), np.float32)
    (secret / NOISE_FILE).write_bytes(save({"noise": noise}))
    return replace(made, sample=plain())


def plain() -> bytes:
    """A generator of plain colours."""
    weight = np.zeros((NOISE, 3), np.float32)
    weight[:3] = np.eye(3)
    constants = {
        "weight": weight, "shape": np.array([-1, 3, 1, 1]), "scales": np.array([1, 1, 64, 64], np.float32),
    }  # fmt: skip
    nodes: list[Node] = [
        ("Gemm", ["noise", "weight"], "colour", {}),
        ("Reshape", ["colour", "shape"], "pixel", {}),
        ("Resize", ["pixel", "", "scales"], "wide", {}),
        ("Tanh", ["wide"], "image", {}),
    ]
    return graph(GENERATOR, "plain", nodes, constants)
