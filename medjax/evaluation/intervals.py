"""95 % intervals of single numbers."""

import math

import numpy as np
from scipy import stats

LEVEL = 0.95
_TAIL = (1 - LEVEL) / 2


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Interval of a proportion (Wilson 1927, doi:10.1080/01621459.1927.10502953); never empty, even at 0 or 1."""
    z2 = stats.norm.isf(_TAIL) ** 2
    rate = successes / trials
    middle = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (rate * (1 - rate) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    # the ends at 0 and 1 are exact; rounding would leave 1e-17
    return (0.0 if successes == 0 else middle - half, 1.0 if successes == trials else middle + half)


def effective_trials(sizes: np.ndarray) -> float:
    """Independent images that groups of these sizes are worth if the images of a group are always alike.

    At 0 or 100 % the correlation within groups cannot be estimated; the largest one, 1, is taken: (Σ m)² / Σ m² (Kish
    1965, Survey Sampling, §8.2). With groups of one image it is their number.
    """
    sizes = np.asarray(sizes, np.float64)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def percentiles(values: np.ndarray, groups: int) -> tuple[float, float]:
    """Percentile interval of a bootstrap, expanded for few groups.

    The plain percentiles are too narrow by about √((G−1)/G) and by Student's t against the normal distribution; the
    tails are made smaller accordingly (Hesterberg 2015, doi:10.1080/00031305.2015.1089789, §5.3).

    Args:
        values: float64 [R], of which NaN are left out.
        groups: G, at least 2.
    """
    tail = stats.norm.sf(math.sqrt(groups / (groups - 1)) * stats.t.isf(_TAIL, groups - 1))
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def disjoint_pairs(positive: np.ndarray, negative: np.ndarray) -> int:
    """How many pairs of two groups can be formed, one with a positive and one with a negative image, no group twice.

    Args:
        positive, negative: bool [G], whether a group holds such an image.
    """
    either = int((positive | negative).sum())
    return min(int(positive.sum()), int(negative.sum()), either // 2)


def all_in_order(pairs: int, tail: float = _TAIL) -> float:
    """Lower bound of an AUROC that was 1, which a bootstrap cannot give: all its resamples are 1 too.

    `pairs` independent pairs were all in the right order, each with the AUROC as its probability; the exact bound of
    that probability is tail^(1/pairs) (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404). Without any assumption on
    the scores, and wide: only disjoint pairs are counted.
    """
    return tail ** (1 / pairs)
