"""The Inception-v3 network of the FID, as in the reference packages; the published weights are given as a file.

The weights are those of TensorFlow's `inception-2015-12-05.tgz`, ported by pytorch-fid and used unchanged by
torch-fidelity: one file of two names, known by its SHA-256. The network differs from the one of Szegedy et al.
(arXiv:1512.00567) as the ported graph does: averages leave the padding out, and the last block takes a maximum. Images
are enlarged to 299 × 299 pixels as TensorFlow 1 does it (no half-pixel centres) and mapped to (x - 128) / 128, as in
torch-fidelity; the features are the 2,048 numbers before the classifier.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tasks.base import UserError
from tasks.nets import one_thread

if TYPE_CHECKING:
    import torch

    Weights = Mapping[str, torch.Tensor]

NAMES = ("pt_inception-2015-12-05-6726825d.pth", "weights-inception-2015-12-05-6726825d.pth")
"""The published file, as pytorch-fid and as torch-fidelity name it."""
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
BYTES = 95_628_359
FILE = "inception.safetensors"

SIDE = 299
FEATURES = 2048
BATCH, WORKERS = 8, 16  # images at a time, and batches side by side: each takes about 150 MB

Steps = tuple[str | tuple[str, ...], ...]
"""Convolutions one after the other; "/2" marks stride 2 without padding, a tuple those whose results are concatenated.
"average" and "maximum" are pools of 3 × 3 pixels."""

_FIVE: tuple[Steps, ...] = (
    ("branch1x1",),
    ("branch5x5_1", "branch5x5_2"),
    ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
    ("average", "branch_pool"),
)
_SIX: tuple[Steps, ...] = (
    ("branch1x1",),
    ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
    ("branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"),
    ("average", "branch_pool"),
)
_SEVEN: tuple[Steps, ...] = (
    ("branch1x1",),
    ("branch3x3_1", ("branch3x3_2a", "branch3x3_2b")),
    ("branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")),
)
BLOCKS: dict[str, tuple[Steps, ...]] = {
    "Mixed_5b": _FIVE,
    "Mixed_5c": _FIVE,
    "Mixed_5d": _FIVE,
    "Mixed_6a": (("branch3x3/2",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3/2"), ("maximum/2",)),
    "Mixed_6b": _SIX,
    "Mixed_6c": _SIX,
    "Mixed_6d": _SIX,
    "Mixed_6e": _SIX,
    "Mixed_7a": (
        ("branch3x3_1", "branch3x3_2/2"),
        ("branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4/2"),
        ("maximum/2",),
    ),
    "Mixed_7b": (*_SEVEN, ("average", "branch_pool")),
    "Mixed_7c": (*_SEVEN, ("maximum", "branch_pool")),
}


def convert(data: bytes, name: str) -> bytes:
    """The published weights as a safetensors file.

    Raises UserError for any other file; the bytes are parsed only if their SHA-256 is the published one.
    """
    import torch
    from safetensors.torch import save

    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise UserError(
            f"{name}: expected the published weights, {BYTES:,} bytes with the SHA-256 {SHA256}; "
            f"found {len(data):,} bytes with {found}. Download the file of pytorch-fid's release “fid_weights” again."
        )
    weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    # The classifier and the counters of batches are not used.
    return save({key: w.contiguous() for key, w in weights.items() if w.is_floating_point() and key[:3] != "fc."})


def features(weights: Weights, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The features (n, 2048) of images (n, height, width, 3).

    Batches run in parallel, each on one thread, since the sums of a convolution depend on how many threads share it.
    """
    import torch

    def piece(start: int) -> torch.Tensor:
        with torch.inference_mode():
            x = torch.from_numpy(images[start : start + BATCH]).permute(0, 3, 1, 2).float()
            return forward(weights, (resize(x) - 128) / 128)

    with ThreadPoolExecutor(min(WORKERS, torch.get_num_threads())) as pool, one_thread():
        out: NDArray[np.float32] = torch.cat(list(pool.map(piece, range(0, len(images), BATCH)))).numpy()
    return out


def resize(x: torch.Tensor) -> torch.Tensor:
    """Images (n, 3, height, width) at 299 × 299 pixels: linear between the pixels at `place * size / 299`."""
    import torch

    for axis in (3, 2):
        size = x.shape[axis]
        place = torch.arange(SIDE, dtype=x.dtype) * torch.tensor(size / SIDE, dtype=torch.float32)
        low = place.long()
        share = (place - low).reshape(-1, *[1] * (3 - axis))
        first, second = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp_max(size - 1))
        x = first + (second - first) * share
    return x


def forward(weights: Weights, x: torch.Tensor) -> torch.Tensor:
    """The features (n, 2048) of prepared images (n, 3, 299, 299)."""
    import torch
    from torch.nn import functional

    x = _convolved(weights, "Conv2d_1a_3x3/2", x)
    x = _convolved(weights, "Conv2d_2a_3x3", x, padded=False)
    x = _convolved(weights, "Conv2d_2b_3x3", x)
    x = functional.max_pool2d(x, 3, 2)
    x = _convolved(weights, "Conv2d_3b_1x1", x)
    x = _convolved(weights, "Conv2d_4a_3x3", x, padded=False)
    x = functional.max_pool2d(x, 3, 2)
    for block, paths in BLOCKS.items():
        results = []
        for path in paths:
            y = x
            for step in path:
                if isinstance(step, tuple):
                    y = torch.cat([_convolved(weights, f"{block}.{name}", y) for name in step], dim=1)
                elif step == "average":
                    y = functional.avg_pool2d(y, 3, 1, padding=1, count_include_pad=False)
                elif step == "maximum":
                    y = functional.max_pool2d(y, 3, 1, padding=1)
                elif step == "maximum/2":
                    y = functional.max_pool2d(y, 3, 2)
                else:
                    y = _convolved(weights, f"{block}.{step}", y)
            results.append(y)
        x = torch.cat(results, dim=1)
    return functional.adaptive_avg_pool2d(x, 1).flatten(1)


def _convolved(weights: Weights, name: str, x: torch.Tensor, *, padded: bool = True) -> torch.Tensor:
    """A convolution without bias, batch normalisation and ReLU; padding keeps the size where the stride is 1."""
    from torch.nn import functional

    name, _, stride = name.partition("/")
    kernel = weights[f"{name}.conv.weight"]
    padding = (kernel.shape[2] // 2, kernel.shape[3] // 2) if padded and not stride else (0, 0)
    x = functional.conv2d(x, kernel, stride=int(stride or 1), padding=padding)
    mean, variance = weights[f"{name}.bn.running_mean"], weights[f"{name}.bn.running_var"]
    x = functional.batch_norm(x, mean, variance, weights[f"{name}.bn.weight"], weights[f"{name}.bn.bias"], eps=1e-3)
    return functional.relu(x)
