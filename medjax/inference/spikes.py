"""How a spiking network fires: mean rates by layer, and output neurons that never do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from medjax.inference.predictions import collect
from medjax.models.spiking import dead_outputs
from medjax.pipeline.feed import Batch, Feed
from medjax.terminal import log


def spike_statistics(
    step: Callable[[Batch], jax.Array],
    feed: Feed,
    indices: np.ndarray,
    batch_size: int,
    class_names: tuple[str, ...],
) -> dict[str, Any]:
    """Return {"mean_spike_rate": {layer: spikes a step and neuron}, "dead_outputs": [class, …]} and warn of the latter.

    Args:
      step: batch -> float32 [B, 3 + K], compiled by `steps.make_spike_step`.
      feed: of the images.
      indices: int [N], the images to look at.
      batch_size: B.
      class_names: K of them.
    """
    rows = collect(step, feed, indices, batch_size).astype(np.float64)
    layers = rows.shape[1] - len(class_names)
    dead = dead_outputs(rows[:, layers:], class_names)
    if dead:
        log.warning(
            f"the output neuron of {', '.join(dead)} never fired on {len(indices):,} images, so that class is never "
            "predicted: train again with another config.seed or a lower config.optimizer.learning_rate"
        )
    rates = {f"lif{layer + 1}": float(rate) for layer, rate in enumerate(rows[:, :layers].mean(axis=0))}
    return {"mean_spike_rate": rates, "dead_outputs": dead}
