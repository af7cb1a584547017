"""The state of a training, in and out of memory, and in a file that holds tensors and plain values but no code."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import torch

Parts = Mapping[str, Any]
"""What a training changes: networks, optimisers, generators and tensors, in lists and dicts as needed; a dict may hold
plain values as well."""


def captured(part: Any) -> Any:
    """The state of a part: nested dicts and lists of tensors and plain values, not copied."""
    if isinstance(part, torch.Generator):
        return part.get_state()
    if hasattr(part, "state_dict"):
        return part.state_dict()
    if isinstance(part, Mapping):
        return {key: captured(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [captured(value) for value in part]
    return part


def restore(part: Any, state: Any) -> None:
    """Brings a part back to a captured state, in place: each tensor keeps its device and its layout in memory."""
    if isinstance(part, torch.Generator):
        part.set_state(state)
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(state)
    elif isinstance(part, torch.Tensor):
        with torch.no_grad():
            part.copy_(state)
    elif isinstance(part, MutableMapping):
        for key in part:
            if part[key] is None or isinstance(part[key], bool | int | float | str):
                part[key] = state[key]
            else:
                restore(part[key], state[key])
    else:
        for value, saved in zip(part, state, strict=True):
            restore(value, saved)


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a state in one step: a reader sees the old file or the new one."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    plain = json.dumps(_flatten(state, "state", tensors))
    new = path.with_name(path.name + ".new")
    save_file(tensors, new, metadata={"state": plain})
    new.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """The state in a file, on the CPU; None where there is no file, or one that a power cut left unreadable."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads(file.metadata()["state"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, SafetensorError):
        return None
    state: dict[str, Any] = _unflatten(plain, tensors)
    return state


def _flatten(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """The value with every tensor moved into `tensors`, in a form that JSON preserves: dicts become pairs."""
    if isinstance(value, torch.Tensor):
        tensors[name] = value.detach().contiguous().clone()
        last = value.ndim == 4 and not value.is_contiguous()
        return {"tensor": name, "channels_last": last and value.is_contiguous(memory_format=torch.channels_last)}
    if isinstance(value, Mapping):
        return {"pairs": [[key, _flatten(item, f"{name}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_flatten(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
    return value


def _unflatten(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if isinstance(value, list):
        return [_unflatten(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "pairs" in value:
        return {key: _unflatten(item, tensors) for key, item in value["pairs"]}
    # A copy, since tensors from the file are unaligned, and a product of these can differ in its last bit.
    tensor = tensors[value["tensor"]].clone()
    if value["channels_last"]:  # fused optimisers go by address: a moment needs the memory layout of its weight
        tensor = tensor.contiguous(memory_format=torch.channels_last)
    return tensor
