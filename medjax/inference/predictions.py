"""Predictions of a split: every row once, in order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import jax
import numpy as np
from scipy.special import log_softmax

from medjax.pipeline.feed import Batch, Feed
from medjax.terminal import progress_bar


def batches(indices: np.ndarray, batch_size: int):
    """Yield (padded indices int32 [B], number of real ones) until every index was given once."""
    for start in range(0, len(indices), batch_size):
        part = indices[start : start + batch_size]
        yield np.pad(part, (0, batch_size - len(part)), mode="edge").astype(np.int32), len(part)


def collect(
    step: Callable[[Batch], jax.Array], feed: Feed, indices: np.ndarray, batch_size: int, bar: str = ""
) -> np.ndarray:
    """Run a compiled step over some examples and return its rows for each of them, in order.

    Args:
      step: batch -> rows [B, …].
      feed: of the examples.
      indices: int [N].
      batch_size: B; the last batch is padded and the padding dropped.
      bar: description of a progress bar; "" shows none.

    Returns:
      [N, …].
    """
    rows = []
    parts = list(batches(indices, batch_size))
    with (
        progress_bar(len(indices), 0, bar, " images") as shown,
        contextlib.closing(feed.ahead(padded for padded, _ in parts)) as fed,
    ):
        for batch, (_, real) in zip(fed, parts, strict=True):
            rows.append(np.asarray(step(batch))[:real])
            if bar:
                shown.update(real)
    return np.concatenate(rows)


def log_probabilities(logits: np.ndarray) -> np.ndarray:
    """Logits float [N, K] -> log-probabilities float64 [N, K]."""
    return log_softmax(np.asarray(logits, np.float64), axis=-1)


def loss_and_accuracy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Mean cross-entropy and accuracy, exact in float64. Args: logits float [N, K]; labels int [N]."""
    scores = log_probabilities(logits)
    loss = -scores[np.arange(len(labels)), labels].mean()
    return float(loss), float((logits.argmax(axis=-1) == labels).mean())
