"""Permutation tests that exchange two models within whole groups."""

from collections.abc import Callable, Iterator

import numpy as np

from medjax.evaluation import bootstrap

DRAWS = 10_000
MOST_ENUMERATED = 14  # groups; 2¹⁴ patterns


def exchange(groups: int, observed: float, statistic: Callable[[np.ndarray], np.ndarray]) -> tuple[float, bool]:
    """Two-sided p-value of a difference of two models, under which exchanging them in any group changes nothing.

    Images of a group are not independent, so a group is exchanged as a whole. All patterns are tried where that is
    possible; else 10,000 are drawn and the observed one is counted among them, so that p is never 0 (Phipson & Smyth
    2010, doi:10.2202/1544-6115.1585).

    Args:
        groups: G in which the models differ; the others change nothing.
        observed: difference as it was found.
        statistic: float64 [R, G] of 1 (as found) and −1 (exchanged) -> difference, float64 [R]; where it is undefined
            (NaN) it counts as extreme.

    Returns:
        p-value, and whether all patterns were tried.
    """
    least = abs(observed) * (1 - 1e-9)  # equal ones may differ by rounding
    extreme = tried = 0
    for signs in _patterns(groups):
        extreme += int((~(np.abs(statistic(signs)) < least)).sum())
        tried += len(signs)
    if groups <= MOST_ENUMERATED:
        return extreme / tried, True
    return (extreme + 1) / (tried + 1), False


def _patterns(groups: int) -> Iterator[np.ndarray]:
    if groups <= MOST_ENUMERATED:
        bits = np.arange(1 << groups)[:, None] >> np.arange(groups)
        yield 1.0 - 2.0 * (bits & 1)
        return
    stream, words = np.random.PCG64(bootstrap.SEED), -(-groups // 64)
    size = max(1, bootstrap.ELEMENTS // groups)
    for start in range(0, DRAWS, size):
        rows = min(size, DRAWS - start)
        drawn = stream.random_raw(rows * words).astype("<u8").view(np.uint8).reshape(rows, words * 8)
        yield 1.0 - 2.0 * np.unpackbits(drawn, axis=1, count=groups)
