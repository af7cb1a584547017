"""Inception as HW6's judge has it: the reference's features on equal weights, and weights that are checked."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load

from tasks.base import UserError
from tasks.hw06_gan import inception, world


@pytest.fixture(scope="module")
def reference() -> Iterator[Any]:
    """torch-fidelity's network without its published weights: its module alone, past its package, which needs more."""
    found = importlib.util.find_spec("torch_fidelity")
    if found is None or found.origin is None:
        pytest.skip("torch-fidelity is not installed")
    before = {name: module for name, module in sys.modules.items() if name.startswith("torch_fidelity")}
    package = types.ModuleType("torch_fidelity")
    package.__path__ = [str(Path(found.origin).parent)]
    sys.modules["torch_fidelity"] = package
    try:
        yield importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError as error:
        pytest.skip(f"torch-fidelity cannot be imported: {error}")
    finally:
        for name in [name for name in sys.modules if name.startswith("torch_fidelity")]:
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture(scope="module")
def network(reference: Any) -> Any:
    """The reference's network with random weights, whose signal neither dies out nor grows over its 94 layers."""
    kind = reference.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "load_state_dict_from_url", lambda *arguments, **options: {})
        patch.setattr(kind, "load_state_dict", lambda self, state: None)
        built = kind("random", ["2048"], feature_extractor_internal_dtype="float32")
    generator = torch.Generator().manual_seed(0)
    for name, values in built.state_dict().items():
        if name.endswith("conv.weight"):
            fan = values[0].numel()
            values.copy_(torch.randn(values.shape, generator=generator) * (2 / fan) ** 0.5)
        elif name.endswith(("running_var", "bn.weight")):
            values.copy_(0.8 + 0.4 * torch.rand(values.shape, generator=generator))
        elif name.endswith(("running_mean", "bn.bias")):
            values.copy_(0.2 * torch.randn(values.shape, generator=generator))
    return built


def test_inception_gives_the_features_of_torch_fidelity_on_equal_weights(network: Any) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    images = np.concatenate([world.draw(np.random.default_rng(1), 2), noise])
    with torch.inference_mode():
        expected = network(torch.from_numpy(images).permute(0, 3, 1, 2))[0].numpy()
    features = inception.features(network.state_dict(), images)
    assert features.shape == (3, inception.FEATURES)
    assert features.dtype == np.float32
    assert expected.std() > 0.01
    assert np.abs(features - expected).max() <= 1e-6 * np.abs(expected).max()


def test_a_change_of_any_layer_changes_the_features(network: Any) -> None:
    """So that the comparison above sees every layer."""
    generator = np.random.default_rng(1)
    weights = dict(network.state_dict())
    images = generator.integers(0, 256, (1, 64, 64, 3), np.uint8)
    before = inception.features(weights, images)
    used = [name for name in weights if not name.startswith("fc.") and not name.endswith("num_batches_tracked")]
    assert len(used) == 94 * 5
    for name in generator.choice([name for name in used if name.endswith("conv.weight")], 4, replace=False):
        changed = inception.features(weights | {name: weights[name] * 1.5}, images)
        assert np.abs(changed - before).max() > 1e-4, name


def test_inceptions_features_do_not_depend_on_threads_batches_or_order(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, weights = world.draw(np.random.default_rng(2), 4), network.state_dict()
    before = torch.get_num_threads()
    expected = inception.features(weights, images)
    monkeypatch.setattr(inception, "BATCH", 2)
    try:
        torch.set_num_threads(2)
        assert np.array_equal(inception.features(weights, images[::-1].copy())[::-1], expected)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 96), (32, 48), (299, 299), (400, 300), (1, 1)])
def test_images_are_resized_as_torch_fidelity_does_it(reference: Any, height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(2)) * 255
    expected = reference.interpolate_bilinear_2d_like_tensorflow1x(x, size=(299, 299), align_corners=False)
    assert torch.equal(inception.resize(x), expected)


def saved(weights: object, *, new: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(weights, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


@pytest.mark.parametrize("new", [False, True])
def test_only_the_published_weights_are_taken(monkeypatch: pytest.MonkeyPatch, new: bool) -> None:
    data = saved(
        {"Conv2d_1a_3x3.conv.weight": torch.ones(2, 3), "fc.bias": torch.ones(3), "n": torch.tensor(1)}, new=new
    )
    with pytest.raises(UserError, match=r"a\.pth: expected the published weights, 95,628,359 bytes .*6726825d0af5f729"):
        inception.convert(data, "a.pth")
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(data).hexdigest())
    kept = load(inception.convert(data, "a.pth"))
    assert list(kept) == ["Conv2d_1a_3x3.conv.weight"]
    assert torch.equal(kept["Conv2d_1a_3x3.conv.weight"], torch.ones(2, 3))


def test_the_file_names_tell_the_first_digits_of_the_checksum() -> None:
    assert len(inception.SHA256) == 64
    assert all(name.endswith(f"-{inception.SHA256[:8]}.pth") for name in inception.NAMES)


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("harmed",)


def test_nothing_in_a_weights_file_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    data = saved({"weights": Harmful()})
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(data).hexdigest())
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        inception.convert(data, "a.pth")
    assert not (tmp_path / "harmed").exists()
