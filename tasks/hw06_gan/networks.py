"""The default judge of HW6: a small feature network and a small face detector, trained on drawn faces by `prepare`.

The feature network learns what was drawn in a face (`world.attributes`) and how far the image was blurred and made
noisy; its features are the 96 numbers before the last layer, scaled so that their variances over drawn faces sum to
100, which makes distances of different seeds comparable. The detector separates faces from images without a face
(`draw_clutter`). Training is deterministic by seed on one thread of a CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.base import UserError
from tasks.hw06_gan import world
from tasks.hw06_gan.clutter import draw_clutter
from tasks.nets import one_thread
from tasks.streams import Streams

if TYPE_CHECKING:
    import torch

Images = NDArray[np.uint8]

FEATURES_FILE, DETECTOR_FILE = "features.safetensors", "detector.safetensors"
FEATURES = 96
FACES, CLUTTER = {"small": 1500, "full": 20_000}, {"small": 1500, "full": 10_000}
"""Faces, and images without a face, that are drawn for training."""
EPOCHS, DETECTOR_EPOCHS = {"small": 6, "full": 10}, {"small": 12, "full": 3}
"""How often each face is seen by the feature network and by the detector."""
BATCH = 50
WEIGHT = 5.0  # of blur and noise, which are two among many attributes and must count


def train(
    streams: Streams, size: str, window: NDArray[np.float64] | None = None, *, detector: bool = True
) -> dict[str, bytes]:
    """The networks as safetensors files by name, trained on drawn faces of a key's windows or of the whole ranges."""
    judge = streams.within("judge")
    images, attributes = world.attributes(judge.generator("faces"), FACES[size], window)
    files = {FEATURES_FILE: train_features(judge.seed("features"), images, attributes, EPOCHS[size])}
    if detector:
        clutter = draw_clutter(judge.generator("clutter"), CLUTTER[size], window)
        files[DETECTOR_FILE] = train_detector(judge.seed("detector"), images, clutter, DETECTOR_EPOCHS[size])
    return files


def train_features(seed: int, images: Images, attributes: NDArray[np.float32], epochs: int) -> bytes:
    """The feature network, trained by squared error on attributes (n, k) and on the strengths of blur and noise."""
    import torch
    from torch.nn import functional

    targets = torch.from_numpy(attributes)
    with _training(seed):
        network = _network(FEATURES, attributes.shape[1] + 2)
        generator = torch.Generator().manual_seed(seed)
        for batch, step in _steps(network, len(images), epochs, 3e-3, generator):
            x, strengths = _degraded(_prepared(images[batch.numpy()]), generator)
            loss = functional.mse_loss(network(x), torch.cat([targets[batch], WEIGHT * strengths], dim=1))
            step(loss)
        weights = _fused(network)
        spread = _forward(weights, images, features=True).var(dim=0).sum().item()
        weights["scale"] = torch.tensor(10.0 / max(spread, 1e-12) ** 0.5)
    return _bytes(weights)


def train_detector(seed: int, faces: Images, clutter: Images, epochs: int) -> bytes:
    """The face detector: faces, a little blurred and noisy, against as many images without a face."""
    import torch
    from torch.nn import functional

    with _training(seed):
        network = _network(32, 1)
        generator = torch.Generator().manual_seed(seed)
        for batch, step in _steps(network, len(faces), epochs, 2e-3, generator):
            others = clutter[torch.randint(len(clutter), (len(batch),), generator=generator).numpy()]
            x = _prepared(np.concatenate([faces[batch.numpy()], others]))
            flip = torch.rand(len(x), 1, 1, 1, generator=generator) < 0.5
            x = torch.where(flip, x.flip(3), x)
            x[: len(batch)] = _degraded(x[: len(batch)], generator, 0.4)[0]
            is_face = (torch.arange(len(x)) < len(batch)).float()
            step(functional.binary_cross_entropy_with_logits(network(x)[:, 0], is_face))
        weights = _fused(network)
    return _bytes(weights)


def features(network: bytes, images: Images) -> NDArray[np.float32]:
    """The features (n, 96) of images (n, 64, 64, 3)."""
    weights = _load(network)
    out: NDArray[np.float32] = (_forward(weights, images, features=True) * weights["scale"]).numpy()
    return out


def faces(network: bytes, images: Images) -> NDArray[np.bool_]:
    """Whether a face is found, (n,): the detector's probability is over a half."""
    out: NDArray[np.bool_] = (_forward(_load(network), images, features=False)[:, 0] > 0).numpy()
    return out


def require_torch() -> None:
    """Raises UserError with the command to install where a package that the judge needs is missing."""
    from importlib.util import find_spec

    for package in ("torch", "safetensors", "PIL"):
        if find_spec(package) is None:
            raise UserError(
                f'HW6 needs {package}, which is not installed; install it with: pip install "lhy-grade[train]"'
            )


# A network is four convolutions of stride 2 or 4, each with batch normalisation, and two linear layers.

_LAYERS = ((32, 8, 4), (64, 3, 2), (96, 3, 2))  # channels, width of the kernel, stride: 64 -> 16 -> 8 -> 4 pixels


def _network(hidden: int, outputs: int) -> torch.nn.Sequential:
    from torch import nn

    layers: list[nn.Module] = []
    channels = 3
    for wide, kernel, stride in _LAYERS:
        layers += [nn.Conv2d(channels, wide, kernel, stride, (kernel - stride + 1) // 2, bias=False)]
        layers += [nn.BatchNorm2d(wide, momentum=0.3), nn.ReLU()]
        channels = wide
    layers += [nn.Flatten(), nn.Linear(channels * 16, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
    return nn.Sequential(*layers)


def _fused(network: torch.nn.Sequential) -> dict[str, torch.Tensor]:
    """The weights for inference, each batch normalisation fused into the convolution before it."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_weights

    weights: dict[str, torch.Tensor] = {}
    layers = list(network)
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Conv2d):
            norm: Any = layers[index + 1]
            fused = fuse_conv_bn_weights(
                layer.weight, None, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
            )
            number = index // 3
            weights[f"conv{number}.weight"], weights[f"conv{number}.bias"] = (part.detach() for part in fused)
        elif isinstance(layer, nn.Linear):
            name = "outputs" if index == len(layers) - 1 else "features"
            weights[f"{name}.weight"], weights[f"{name}.bias"] = layer.weight.detach(), layer.bias.detach()
    return weights


def _forward(weights: Mapping[str, torch.Tensor], images: Images, *, features: bool) -> torch.Tensor:
    """The features before their ReLU, or the outputs, of images (n, 64, 64, 3), on one thread."""
    import torch
    from torch.nn import functional

    parts = []
    with one_thread(), torch.inference_mode():
        for start in range(0, len(images), 200):
            x = _prepared(images[start : start + 200])
            for number, (_, kernel, stride) in enumerate(_LAYERS):
                weight, bias = weights[f"conv{number}.weight"], weights[f"conv{number}.bias"]
                x = functional.relu(functional.conv2d(x, weight, bias, stride, (kernel - stride + 1) // 2))
            x = functional.linear(x.flatten(1), weights["features.weight"], weights["features.bias"])
            if not features:
                x = functional.linear(functional.relu(x), weights["outputs.weight"], weights["outputs.bias"])
            parts.append(x)
    return torch.cat(parts).clone()


def _prepared(images: Images) -> torch.Tensor:
    """Images (n, 64, 64, 3) as numbers from -1 to 1, (n, 3, 64, 64)."""
    import torch

    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1.0)


def _degraded(x: torch.Tensor, generator: torch.Generator, most: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, two thirds of them blurred or noisy, and the strengths (n, 2), from 0 to `most`."""
    import torch
    from torch.nn import functional

    strengths = torch.rand(len(x), 2, generator=generator) * most
    strengths *= torch.rand(len(x), 2, generator=generator) < 0.4
    blur, noise = strengths[:, 0, None, None, None], strengths[:, 1, None, None, None]
    soft = functional.interpolate(functional.avg_pool2d(x, 4), scale_factor=4, mode="bilinear")
    x = x.lerp(soft, blur)
    return x.addcmul(0.3 * noise, torch.randn(x.shape, generator=generator)), strengths


def _steps(
    network: torch.nn.Module, count: int, epochs: int, rate: float, generator: torch.Generator
) -> Iterator[tuple[torch.Tensor, Any]]:
    """Batches of indices, each with the function that takes a step of Adam down a loss; one cycle of the rate."""
    import torch

    total = epochs * (count // BATCH)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=total + 1)

    def step(loss: torch.Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()

    for _ in range(epochs):
        for batch in torch.split(torch.randperm(count, generator=generator), BATCH):
            if len(batch) == BATCH:
                yield batch, step


@contextmanager
def _training(seed: int) -> Iterator[None]:
    """One thread, and first weights that follow from the seed alone; torch's own generator stays as it was."""
    import torch

    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _bytes(weights: Mapping[str, torch.Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: weight.contiguous() for name, weight in weights.items()})


def _load(network: bytes) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    return load(network)
