"""How often each value occurs in a series, slice after slice, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_TABLE_LEVELS = 2**20


class VoxelHistogram:
    """Counts of values. Exact up to `limit` distinct ones, then neighbouring ones are merged."""

    def __init__(self, limit: int = 2**18):
        self._limit = limit
        self._values = np.empty(0)
        self._counts = np.empty(0, np.int64)

    def add(self, stored: np.ndarray, to_value: Callable[[np.ndarray], np.ndarray]) -> None:
        """Count integers of any shape by their values, which `to_value` gives (any order, float64)."""
        if not stored.size:
            return
        low, high = int(stored.min()), int(stored.max())
        if high - low < _TABLE_LEVELS:
            counts = np.bincount(stored.ravel().astype(np.int64) - low)
            levels = low + np.flatnonzero(counts)
            counts = counts[counts > 0]
        else:
            levels, counts = np.unique(stored, return_counts=True)
        values, where = np.unique(np.concatenate([self._values, to_value(levels)]), return_inverse=True)
        together = np.concatenate([self._counts, counts])
        summed = np.zeros(len(values), np.int64)
        np.add.at(summed, where, together)
        if len(values) > self._limit:
            values, summed = _merged(values, summed, self._limit // 2)
        self._values, self._counts = values, summed

    def percentiles(self, *shares: float) -> list[float]:
        """Return for each share (percent) the lowest value that it does not exceed; 0 for all when nothing is counted.

        This is NumPy's percentile of the method "inverted_cdf".
        """
        if not len(self._values):
            return [0.0 for _ in shares]
        below = np.cumsum(self._counts)
        ranks = np.ceil(np.array(shares) / 100 * below[-1]).clip(1)
        return [float(value) for value in self._values[np.searchsorted(below, ranks)]]


def _merged(values: np.ndarray, counts: np.ndarray, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Merge neighbouring values into at most `parts` of about the same count, which bounds the shift of a rank."""
    below = np.cumsum(counts) - counts
    part = below * parts // counts.sum()
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    ends = np.append(starts[1:], len(values))
    return values[(starts + ends) // 2], np.add.reduceat(counts, starts)
