"""Whether a saliency map depends on what the network has learnt: weights made random, from the head down.

The cascading randomisation of Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, §3.1: a map that stays
the same when the weights are lost is an edge detector, not an explanation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from scipy import stats

DEPENDS_BELOW = 0.5  # mean rank correlation with all weights random: half of the order or less has stayed


def layers_from_head(model: nn.Module, variables: Any, x: Any) -> list[str]:
    """Return the submodules of the model's parts that hold parameters, "backbone/layer4_1", the last that runs first.

    Args: see `feature_maps.feature_maps`.
    """
    order: list[tuple[str, ...]] = []

    def note(next_function, args, kwargs, context):
        order.append(context.module.path[:2])
        return next_function(*args, **kwargs)

    def run(variables, x):
        with nn.intercept_methods(note):
            return model.apply(variables, x)

    jax.eval_shape(run, variables, x)
    holding = {path[:-1][:2] for path in flatten_dict(variables["params"])}
    return ["/".join(path) for path in reversed(list(dict.fromkeys(order))) if path in holding]


def cascade(model: nn.Module, variables: Any, x: Any, key: jax.Array) -> Iterator[tuple[str, Any]]:
    """Yield (layer, variables) with that layer's and all later layers' variables newly drawn, until all are.

    Args:
      model, variables, x: see `feature_maps.feature_maps`.
      key: of the new variables.
    """
    fresh = flatten_dict(jax.jit(model.init)(key, x))
    mixed = flatten_dict(variables)
    for layer in layers_from_head(model, variables, x):
        path = tuple(layer.split("/"))
        mixed = {name: fresh[name] if name[1 : len(path) + 1] == path else leaf for name, leaf in mixed.items()}
        yield layer, unflatten_dict(mixed)


def similarities(maps: np.ndarray, others: np.ndarray) -> list[float | None]:
    """Return Spearman's rank correlation of the absolute values of each map with its other, both float [N, h, w].

    None where one of the two is the same everywhere, as a Grad-CAM map without positive evidence is.
    """
    found: list[float | None] = []
    for one, other in zip(np.abs(maps), np.abs(others), strict=True):
        constant = np.ptp(one) == 0 or np.ptp(other) == 0
        found.append(None if constant else float(stats.spearmanr(one, other, axis=None).statistic))
    return found


def check(explain: Callable[[Any], np.ndarray], model: nn.Module, variables: Any, x: Any, key: jax.Array) -> dict:
    """Explain the same images through the trained network and through each step of the cascade.

    Args:
      explain: variables -> maps, float [N, h, w], of the same images and classes each time.
      model, variables, x, key: see `cascade`.

    Returns:
      "maps": float32 [1 + L, N, h, w], those of the trained network first; "stages": of each of the L layers "layer",
      "similarities" (N of them, see `similarities`), "mean" over those that are not None, or None; "verdict", in words.
    """
    maps, stages, mean = [np.asarray(explain(variables))], [], None
    for layer, mixed in cascade(model, variables, x, key):
        maps.append(np.asarray(explain(mixed)))
        found = similarities(maps[0], maps[-1])
        known = [value for value in found if value is not None]
        mean = float(np.mean(known)) if known else None
        stages.append({"layer": layer, "similarities": found, "mean": mean})
    return {"maps": np.stack(maps), "stages": stages, "verdict": verdict(mean)}


def verdict(mean: float | None) -> str:
    """Say what the mean similarity with all weights random means; None: no map was left to compare."""
    if mean is None:
        return "With random weights no map is left: the maps depend on what the network has learnt."
    said = f"With all weights random, the maps' mean rank correlation with those of the trained network is {mean:.2f}"
    if abs(mean) < DEPENDS_BELOW:
        return f"{said}, below {DEPENDS_BELOW}: the maps depend on what the network has learnt."
    return f"{said}, {DEPENDS_BELOW} or more: the maps follow the image more than the network; do not read them."
