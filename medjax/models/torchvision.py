"""Carries ResNet weights between torchvision's state_dict and Flax variables, by rule.

| torchvision | Flax, under "backbone" |
|---|---|
| conv1, bn1 | stem/conv, stem/norm |
| layer3.0.conv2, layer3.0.bn2 | layer3_0/conv2/conv, layer3_0/conv2/norm |
| layer3.0.downsample.0, .1 | layer3_0/downsample/conv, layer3_0/downsample/norm |

The head is `fc`, or, with hidden layers, what torch.nn.Sequential(Linear, ReLU, Dropout, Linear, …) calls them:
fc.0, fc.3, …
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import logging
from flax.traverse_util import flatten_dict, unflatten_dict

from medjax.errors import UserError

# What torchvision's ImageNet weights were trained with, on RGB in [0, 1] (torchvision/transforms/_presets.py).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel and torch.compile
_COUNTER = "num_batches_tracked"  # torch's batch norms count steps; with a fixed momentum nothing reads it

Path = tuple[str, ...]
Variables = Mapping[str, Any]


def imagenet_normalization(channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return ImageNet's mean and standard deviation for images in [0, 1]; for other than 3 channels their averages."""
    if channels == 3:
        return IMAGENET_MEAN, IMAGENET_STD
    return (sum(IMAGENET_MEAN) / 3,) * channels, (sum(IMAGENET_STD) / 3,) * channels


def from_state_dict(state: Mapping[str, np.ndarray], variables: Variables, planes: int = 0) -> dict[str, Any]:
    """Replace a ResNet's variables by those of a state_dict.

    Args:
      state: name -> array of any float dtype. Prefixes that all names share ("module.") are dropped.
      variables: of a ResNet classifier as `init` returns them: {"params", "batch_stats"}.
      planes: how many of the model's last input channels are no image.

    Returns:
      variables with the same shapes and dtypes. The head is that of `state` where all its shapes agree, else the one of
      `variables`. A first convolution for RGB is fitted to the model's image channels; the planes begin without any
      influence, unless `state` knows them already.

    Raises:
      UserError: no ResNet; or missing, extra or mis-shaped names, all counted and the first few given.
    """
    if not is_resnet(variables):
        raise UserError("pretrained weights exist for ResNets only; train this network with --config.weights=none.")
    flat = flatten_dict(variables)
    state = {name: array for name, array in _without_prefix(state).items() if not name.endswith(_COUNTER)}
    paths = _torch_names(flat)
    head = {name: path for name, path in paths.items() if path[1] == "head"}
    if not all(name in state and _to_flax(state[name], path).shape == flat[path].shape for name, path in head.items()):
        logging.info("The weights' head does not fit this model's: the head starts afresh.")
        state = {name: array for name, array in state.items() if not name.startswith("fc.")}
        paths = {name: path for name, path in paths.items() if name not in head}
    arrays = {name: _to_flax(state[name], path) for name, path in paths.items() if name in state}
    if "conv1.weight" in arrays:
        arrays["conv1.weight"] = _fit_input(arrays["conv1.weight"], flat[paths["conv1.weight"]].shape[2], planes)
    _check(state, arrays, {name: flat[path].shape for name, path in paths.items()})
    # jnp.array copies: a donated state must not share memory with what was read.
    return unflatten_dict(flat | {paths[name]: jnp.array(a, flat[paths[name]].dtype) for name, a in arrays.items()})


def to_state_dict(variables: Variables) -> dict[str, np.ndarray]:
    """Return a ResNet's variables under torchvision's names and layout; `load_state_dict(strict=True)` takes them."""
    flat = flatten_dict(variables)
    state = {name: _to_torch(flat[path], path) for name, path in _torch_names(flat).items()}
    counters = [name.removesuffix("running_mean") + _COUNTER for name in state if name.endswith("running_mean")]
    return state | {name: np.zeros((), np.int64) for name in counters}


def is_resnet(variables: Variables) -> bool:
    """Tell a ResNet's variables from those of other networks."""
    return {"stem", "layer4_0"} <= set(variables["params"].get("backbone", ()))


def fit_channels(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Fit a convolution for RGB to another channel count, so that grey copied into all channels gives the same output.

    One channel: the sum over RGB. More: RGB repeated in turn and scaled by 3/channels (timm, models/_manipulate.py,
    adapt_input_conv).

    Args:
      kernel: [h, w, 3, O]; any other input count is returned as it is.
      channels: the model's input channels.
    """
    if kernel.ndim != 4 or kernel.shape[2] != 3 or channels == 3:
        return kernel
    kernel = kernel.astype(np.promote_types(kernel.dtype, np.float32))
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel[:, :, np.arange(channels) % 3] * (3 / channels)


def _fit_input(kernel: np.ndarray, channels: int, planes: int) -> np.ndarray:
    """Fit the first convolution [h, w, C, O] to the model's channels, the last of which are planes.

    Three channels are taken for RGB, since that is what published weights have.
    """
    if not planes or kernel.ndim != 4 or kernel.shape[2] == channels != 3:
        return fit_channels(kernel, channels)
    return np.pad(fit_channels(kernel, channels - planes), ((0, 0), (0, 0), (0, planes), (0, 0)))


def _without_prefix(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    result = dict(state)
    while prefix := next((p for p in _WRAPPER_PREFIXES if result and all(name.startswith(p) for name in result)), ""):
        result = {name.removeprefix(prefix): array for name, array in result.items()}
    return result


def _torch_names(flat: Mapping[Path, Any]) -> dict[str, Path]:
    """Return torchvision's name -> path of each variable."""
    hidden = len({path[2] for path in flat if path[1] == "head" and path[2].startswith("hidden")})
    return {_torch_name(path, hidden): path for path in flat}


def _torch_name(path: Path, hidden: int) -> str:
    _, part, *modules, leaf = path
    if part == "head":
        index = hidden if modules[0] == "fc" else int(modules[0].removeprefix("hidden"))
        module = f"fc.{3 * index}" if hidden else "fc"
    elif modules[0] == "stem":
        module = {"conv": "conv1", "norm": "bn1"}[modules[1]]
    else:
        block, unit, kind = modules
        if unit == "downsample":
            inner = {"conv": "downsample.0", "norm": "downsample.1"}[kind]
        else:
            inner = unit if kind == "conv" else unit.replace("conv", "bn")
        module = f"{block.replace('_', '.')}.{inner}"
    return f"{module}.{_LEAVES[leaf]}"


def _to_flax(array: np.ndarray, path: Path) -> np.ndarray:
    if path[-1] != "kernel" or array.ndim not in (2, 4):
        return array
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T


def _to_torch(leaf: Any, path: Path) -> np.ndarray:
    array = np.asarray(leaf)
    if path[-1] == "kernel":
        array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    return np.array(array, order="C")


def _check(state: Mapping[str, Any], arrays: Mapping[str, np.ndarray], shapes: Mapping[str, Path]) -> None:
    missing = [name for name in shapes if name not in state]
    extra = [name for name in state if name not in shapes]
    wrong = [f"{name} {tuple(state[name].shape)}" for name, array in arrays.items() if array.shape != shapes[name]]
    faults = {"missing": missing, "extra": extra, "of another shape": wrong}
    if any(faults.values()):
        listed = "; ".join(
            f"{len(names)} {fault}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
            for fault, names in faults.items()
            if names
        )
        raise UserError(f"the weights do not fit this model ({listed}); use those of the same ResNet depth.")
