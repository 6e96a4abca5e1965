"""Where in an image a network's answer comes from: Grad-CAM, integrated gradients, occlusion.

All three explain the same score, the logit of one class (of a spiking network the mean over the time steps of what its
output neuron fires), and all are pure functions on batches, to be compiled by the caller. None of them shows that the
network looked at what a reader would look at; see `randomization.py` and `pointing.py` for what can be tested.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from medjax.inference.feature_maps import change_of_score
from medjax.losses import time_mean


def class_score(model: nn.Module, variables: Any, x: jax.Array, targets: jax.Array) -> jax.Array:
    """Return the score that is explained, float32 [B]: the logit of class targets[b] for example b."""
    output: Any = model.apply(variables, x)
    return _scores(output, targets)


def grad_cam(model: nn.Module, variables: Any, x: jax.Array, targets: jax.Array, layer: str) -> jax.Array:
    """Weigh the channels of a feature map by the score's mean gradient, sum them and keep what is positive.

    Selvaraju et al., "Grad-CAM", ICCV 2017, equations 1 and 2. Of a map [B, T, H, W, C] of spikes, the firing rate (the
    mean over time) is weighed, by the gradient for a change that is the same at every step; that gradient is the
    surrogate's where neurons fire, so the map tells what training would change, not what one spike more would do.

    Args:
      model: takes x and returns logits [B, K] or [B, T, K].
      variables: of the model.
      x: float [B, H, W, C].
      targets: int [B], the class to explain.
      layer: path of a submodule; see `feature_maps`.

    Returns:
      float32 [B, h, w], at least 0, of the size of the feature map; the pixel (i, j) stands for that part of the image.
    """
    found, gradient = change_of_score(model, variables, x, layer, lambda output: _scores(output, targets).sum())
    found = found.astype(jnp.float32)
    if found.ndim == 5:
        found, gradient = found.mean(axis=1), gradient.sum(axis=1)
    weights = gradient.astype(jnp.float32).mean(axis=(1, 2))
    return nn.relu(jnp.einsum("bhwc,bc->bhw", found, weights))


def integrated_gradients(
    model: nn.Module, variables: Any, x: jax.Array, targets: jax.Array, baseline: jax.Array, steps: int
) -> jax.Array:
    """Add up the score's gradient on the straight way from a baseline to x, times the way, over the channels.

    Sundararajan et al., ICML 2017, equation 1, by the midpoint rule. The map's sum is score(x) − score(baseline), up to
    the error of the rule; not so where gradients are a surrogate's, as in a spiking network. Channels that x and the
    baseline have in common, such as the planes of input columns, get nothing.

    Args:
      model, variables, x, targets: see `grad_cam`.
      baseline: float [B, H, W, C] or what broadcasts to it.
      steps: points on the way, at least 1.

    Returns:
      float32 [B, H, W]; negative where a pixel speaks against the class.
    """
    way = x - baseline
    gradient = jax.grad(lambda point: class_score(model, variables, point, targets).sum())

    def add(total, share):
        return total + gradient((baseline + share * way).astype(x.dtype)).astype(jnp.float32), None

    shares = (jnp.arange(steps) + 0.5) / steps
    total, _ = jax.lax.scan(add, jnp.zeros(x.shape), shares)
    return (total / steps * way.astype(jnp.float32)).sum(axis=-1)


def occlusion(
    model: nn.Module,
    variables: Any,
    x: jax.Array,
    targets: jax.Array,
    baseline: jax.Array,
    patch: int,
    stride: int,
) -> jax.Array:
    """Cover one square after the other by the baseline; each pixel gets the mean fall of the score over its squares.

    Zeiler and Fergus, ECCV 2014, §4.2. It needs no gradient.

    Args:
      model, variables, x, targets: see `grad_cam`.
      baseline: float [B, H, W, C] or what broadcasts to it.
      patch: side of the square in pixels, from 1 to the image's sides.
      stride: pixels from one square to the next, from 1 to `patch`, so that every pixel is covered.

    Returns:
      float32 [B, H, W]; negative where the score rises when a pixel is covered.
    """
    rows, columns = _starts(x.shape[1], patch, stride), _starts(x.shape[2], patch, stride)
    corners = jnp.array([(row, column) for row in rows for column in columns])
    before = class_score(model, variables, x, targets)
    down, right = jnp.arange(x.shape[1])[:, None], jnp.arange(x.shape[2])[None, :]

    def cover(sums, corner):
        row, column = corner
        covered = (down >= row) & (down < row + patch) & (right >= column) & (right < column + patch)
        hidden = jnp.where(covered[None, :, :, None], baseline, x)
        fall = before - class_score(model, variables, hidden, targets)
        return (sums[0] + fall[:, None, None] * covered, sums[1] + covered), None

    (falls, times), _ = jax.lax.scan(cover, (jnp.zeros(x.shape[:3]), jnp.zeros(x.shape[1:3])), corners)
    return falls / times


def resized(maps: jax.Array, size: tuple[int, int]) -> jax.Array:
    """Resize maps [B, h, w] bilinearly to [B, *size], each pixel of a smaller map becoming a part of the image."""
    return jax.image.resize(maps, (len(maps), *size), "linear")


def in_unit_range(maps: np.ndarray) -> np.ndarray:
    """Scale each map [B, H, W] to [0, 1] by its highest value; what is negative becomes 0."""
    positive = np.maximum(np.asarray(maps, np.float32), 0)
    highest = positive.max(axis=(1, 2), keepdims=True)
    return np.divide(positive, highest, out=np.zeros_like(positive), where=highest > 0)


def _scores(output: jax.Array, targets: jax.Array) -> jax.Array:
    logits = time_mean(output).astype(jnp.float32)
    return jnp.take_along_axis(logits, targets[:, None], axis=1)[:, 0]


def _starts(length: int, patch: int, stride: int) -> list[int]:
    """First pixels of the squares along a side; the last square ends with the side."""
    return sorted({*range(0, length - patch, stride), length - patch})
