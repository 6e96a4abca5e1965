"""Per-example losses."""

import jax
import jax.numpy as jnp
import optax


def cross_entropy(
    logits: jax.Array, labels: jax.Array, label_smoothing: float = 0.0, class_weights: jax.Array | None = None
) -> jax.Array:
    """Cross-entropy of each example, averaged over the time steps of a network that has them.

    Args:
      logits: float [B, K], or [B, T, K] from a network that answers at every time step.
      labels: int [B], in [0, K); or float [B, K], each row a distribution over the classes.
      label_smoothing: share of the target spread evenly over all K classes, after any blending of labels.
      class_weights: float [K], multiplies each class's part of the target, the smoothed one; None is 1 for all.

    Returns:
      float32 (or float64 where the logits are) [B].
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    classes = logits.shape[-1]
    targets = labels.astype(logits.dtype) if labels.ndim == 2 else jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    targets = optax.smooth_labels(targets, label_smoothing)
    if class_weights is not None:
        targets = targets * class_weights
    if logits.ndim == 3:
        return optax.softmax_cross_entropy(logits, targets[:, None, :]).mean(axis=1)
    return optax.softmax_cross_entropy(logits, targets)


def time_mean(logits: jax.Array) -> jax.Array:
    """Mean over the time steps, if there are any: [B, T, K] or [B, K] -> [B, K]."""
    return logits.mean(axis=1) if logits.ndim == 3 else logits
