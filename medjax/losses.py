"""Per-example losses."""

import jax
import jax.numpy as jnp
import optax


def cross_entropy(logits: jax.Array, labels: jax.Array, label_smoothing: float = 0.0) -> jax.Array:
    """Cross-entropy of each example, averaged over the time steps of a network that has them.

    Args:
      logits: float [B, K], or [B, T, K] from a network that answers at every time step.
      labels: int [B], in [0, K).
      label_smoothing: share of the target spread evenly over all K classes.

    Returns:
      float32 (or float64 where the logits are) [B].
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    classes = logits.shape[-1]
    targets = optax.smooth_labels(jax.nn.one_hot(labels, classes, dtype=logits.dtype), label_smoothing)
    if logits.ndim == 3:
        return optax.softmax_cross_entropy(logits, targets[:, None, :]).mean(axis=1)
    return optax.softmax_cross_entropy(logits, targets)


def time_mean(logits: jax.Array) -> jax.Array:
    """Mean over the time steps, if there are any: [B, T, K] or [B, K] -> [B, K]."""
    return logits.mean(axis=1) if logits.ndim == 3 else logits
