"""The feature maps inside a network: which there are, and how a score changes with one of them.

Flax calls every submodule through a hook, so no network has to know that it is looked into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.traverse_util import flatten_dict

from medjax.errors import UserError

_LEAST_SIDE = 4  # of the default map; a ResNet's last stage has 7 at 224 pixels and 2 at 64


def feature_maps(model: nn.Module, variables: Any, x: Any) -> dict[str, tuple[int, ...]]:
    """Return the shape of every feature map by the path of its submodule, "backbone/layer4_1", in the order of calls.

    A map is [B, H, W, C], or [B, T, H, W, C] in a network with time steps. Submodules that run several times, such as
    those inside a scan, have no single map and are not named.

    Args:
      model: any Linen module.
      variables: of the model; shapes are enough.
      x: what it takes, [B, …]; the shape is enough.
    """
    order: list[str] = []

    def note(next_function, args, kwargs, context):
        order.append("/".join(context.module.path))
        return next_function(*args, **kwargs)

    def capture(variables, x):
        with nn.intercept_methods(note):
            _, found = model.apply(variables, x, mutable=["intermediates"], capture_intermediates=True)
        outputs = {path[:-1]: values for path, values in flatten_dict(found["intermediates"]).items()}
        return {"/".join(path): values[0] for path, values in outputs.items() if _is_map(path, values)}

    shapes = jax.eval_shape(capture, variables, x)
    return {path: shapes[path].shape for path in dict.fromkeys(order) if path in shapes}


def _is_map(path: tuple[str, ...], values: tuple[Any, ...]) -> bool:
    return bool(path) and len(values) == 1 and isinstance(values[0], jax.Array) and values[0].ndim in (4, 5)


def default_layer(maps: dict[str, tuple[int, ...]]) -> str:
    """Return the deepest map that still tells places apart: the last of at least 4×4 pixels, else the last largest.

    Only whole stages of the network are considered, no layers inside of them.

    Args:
      maps: of `feature_maps`.
    """
    stages = _stages(maps)
    wanted = min(_LEAST_SIDE, max(_side(maps[path]) for path in stages))
    return next(path for path in reversed(stages) if _side(maps[path]) >= wanted)


def check_layer(maps: dict[str, tuple[int, ...]], layer: str) -> None:
    """Raise UserError, naming those that exist, unless `layer` is one of the `maps`."""
    if layer not in maps:
        stages = ", ".join(_stages(maps))
        inside = "" if len(_stages(maps)) == len(maps) else ", or one inside of them, such as " + _inner(maps)
        raise UserError(f"layer {layer!r} has no feature map; choose from {stages}{inside}.")


def change_of_score(
    model: nn.Module, variables: Any, x: jax.Array, layer: str, score: Callable[[jax.Array], jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Return a feature map and the gradient of a score with respect to it, each of the map's shape.

    Args:
      model, variables, x: see `feature_maps`.
      layer: one of `feature_maps`.
      score: from the model's output to a scalar.
    """
    shape = feature_maps(model, variables, x)[layer]

    def perturbed(change):
        seen = []

        def add(next_function, args, kwargs, context):
            output = next_function(*args, **kwargs)
            if "/".join(context.module.path) != layer or context.method_name != "__call__":
                return output
            seen.append(output)
            return output + change.astype(output.dtype)

        with nn.intercept_methods(add):
            output: Any = model.apply(variables, x)
        return score(output), seen[0]

    gradient, found = jax.grad(perturbed, has_aux=True)(jnp.zeros(shape))
    return found, gradient


def _stages(maps: dict[str, tuple[int, ...]]) -> list[str]:
    """The paths that lie in no other map."""
    return [path for path in maps if not any(path.startswith(other + "/") for other in maps)]


def _inner(maps: dict[str, tuple[int, ...]]) -> str:
    return next(path for path in maps if path not in _stages(maps))


def _side(shape: tuple[int, ...]) -> int:
    return min(shape[-3:-1])
