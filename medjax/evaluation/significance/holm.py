"""Adjustment of p-values for several comparisons."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that all tests together err with at most their level (Holm 1979, Scand. J. Statist. 6:65–70).

    The i-th smallest of m is multiplied by m − i + 1, and none is less than one before it; at most 1. In the order
    given. A comparison without a p-value is no test: leave it out.

    Raises:
        ValueError: a p-value is not in [0, 1].
    """
    values = np.asarray(p_values, np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values must be in [0, 1]; got {values.tolist()}")
    order = np.argsort(values, kind="stable")
    adjusted = np.empty_like(values)
    factors = np.arange(len(values), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(values[order] * factors))
    return adjusted.tolist()
