"""Resamples of groups, drawn with replacement (groups: Davison & Hinkley 1997, §3.8)."""

from collections.abc import Iterator, Sequence
from types import ModuleType

import numpy as np

from medjax.evaluation import calibration, confusion, ranking, recalibration, scores
from medjax.evaluation.labelled import Labelled

RESAMPLES = 2000
SEED = 0
FAMILIES = (confusion, ranking, scores, calibration, recalibration)
ELEMENTS = 1 << 20  # images × resamples at a time: bounds the memory


def replicates(
    images: Labelled, families: Sequence[ModuleType] = FAMILIES, resamples: int = RESAMPLES
) -> dict[str, np.ndarray]:
    """Compute every metric on resamples of the groups.

    Args:
        families: modules whose `resampler` computes the metrics that are wanted.

    Returns:
        name -> float64 [R] or [R, K], NaN where undefined in that resample; "support" holds the images a class; roc
        and precision_recall are float32 [R, K, 101].
    """
    estimators = [family.resampler(images) for family in families]
    size = max(1, ELEMENTS // max(len(images), 1))
    parts: list[dict[str, np.ndarray]] = []
    for counts in group_counts(images.num_groups, resamples, size):
        parts.append({})
        for estimate in estimators:
            parts[-1] |= estimate(counts)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def group_counts(groups: int, resamples: int, size: int) -> Iterator[np.ndarray]:
    """Draw `groups` groups with replacement for each resample; yields how often each was drawn, int64 [≤ size, groups].

    One raw PCG64 stream in the order of the resamples, so that the draws depend neither on `size` nor on the version
    of NumPy.
    """
    stream = np.random.PCG64(SEED)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        # the upper 32 bits, scaled: uniform but for a bias below groups / 2³²
        upper = stream.random_raw(rows * groups) >> np.uint64(32)
        drawn = ((upper * np.uint64(groups)) >> np.uint64(32)).astype(np.int64).reshape(rows, groups)
        drawn += np.arange(rows)[:, None] * groups
        yield np.bincount(drawn.ravel(), minlength=rows * groups).reshape(rows, groups)
