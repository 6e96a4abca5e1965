"""Carries a torch module's parameters, statistics or gradients over to Flax variables of the same submodule names."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from flax.traverse_util import unflatten_dict
from torch import nn

# A dense layer that follows a flattened map: its name -> the map's (channels, height, width).
FlattenedMaps = Mapping[str, tuple[int, int, int]]


def to_flax(
    model: nn.Module, flattened: FlattenedMaps | None = None, pick: Callable[[torch.Tensor], Any] = torch.Tensor.detach
) -> dict[str, Any]:
    """Return {"params", "batch_stats"} with what `pick` takes of each parameter: itself, or its gradient."""
    flat: dict[tuple[str, ...], np.ndarray] = {}
    for name, module in model.named_modules():
        path = name.split(".")
        for key, array in _leaves(module, (flattened or {}).get(name), pick).items():
            collection = "batch_stats" if key in ("mean", "var") else "params"
            flat[(collection, *path, key)] = array
    return unflatten_dict(flat)


def _leaves(module: nn.Module, flattened_map: tuple[int, int, int] | None, pick: Callable) -> dict[str, np.ndarray]:
    if isinstance(module, nn.BatchNorm2d):
        statistics = {"mean": module.running_mean.numpy(), "var": module.running_var.numpy()}
        return {"scale": pick(module.weight).numpy(), "bias": pick(module.bias).numpy(), **statistics}
    if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        return {}
    weight = pick(module.weight).numpy()
    bias = {} if module.bias is None else {"bias": pick(module.bias).numpy()}
    return {"kernel": _kernel(weight, isinstance(module, nn.ConvTranspose2d), flattened_map), **bias}


def _kernel(weight: np.ndarray, transposed: bool, flattened_map: tuple[int, int, int] | None) -> np.ndarray:
    """Turn [O, I, h, w], transposed [I, O, h, w], into [h, w, I, O]; dense [O, I] into [I, O].

    PyTorch flattens a map channel by channel, we flatten it pixel by pixel: the rows of such a kernel change order.
    """
    if weight.ndim == 4:
        return weight.transpose((2, 3, 0, 1) if transposed else (2, 3, 1, 0))
    if flattened_map:
        weight = weight.reshape(len(weight), *flattened_map).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return weight.T
