"""Conformal sets of classes: an image of a new group has its true class in its set with a stated probability.

Split-conformal, with groups for what is exchangeable. The images of a group share its weight of 1, and the new group
has a weight of 1 at infinity (Lee, Barber & Willett 2023, arXiv:2306.06342, hierarchical conformal prediction; Dunn,
Wasserman & Ramdas 2023, arXiv:1809.07441, compare it with other ways). Where every group is one image, that is the
⌈coverage · (G + 1)⌉-th smallest score of G. The probability is over calibration splits and images together, an image
being drawn at random from a group drawn at random; it holds for no class by itself, and not where the new groups
come from elsewhere.

The scores are of the network's own probabilities: a temperature that was fitted to the same images would cost the
guarantee. Nothing is drawn at random, so the same image always has the same set; ties then make sets larger, never too
small.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from medjax.counted import counted
from medjax.evaluation.labelled import Labelled

METHODS = ("adaptive", "least_ambiguous")
_ROUNDING = 1e-9  # of a group's weight: what sums of 1/|group| lose


@dataclasses.dataclass(frozen=True)
class Conformal:
    """What makes a set of classes of each image's probabilities.

    Attributes:
      coverage: asked for, in (0, 1).
      groups: G, of the calibration split.
      needed: the smallest G that allows it, ⌈coverage · (G + 1)⌉ ≤ G.
      quantiles: method -> highest score of a class in the set; {} where the groups are too few.
    """

    coverage: float
    groups: int
    needed: int
    quantiles: dict[str, float]

    @property
    def refusal(self) -> str | None:
        """Why there are no sets."""
        if self.groups >= self.needed:
            return None
        return (
            f"no conformal sets: a coverage of {self.coverage:g} needs a calibration split of at least "
            f"{counted(self.needed, 'group')}; it has {self.groups:,}"
        )

    def sets(self, probabilities: np.ndarray, method: str = "adaptive") -> np.ndarray | None:
        """Return which classes are in the set of each image.

        Args:
          probabilities: the network's own, float64 [N, K].
          method: one of METHODS.

        Returns:
          bool [N, K], None where the groups were too few. An adaptive set always holds the likeliest class; a least
          ambiguous one can be empty.
        """
        return scores(probabilities, method) <= self.quantiles[method] if self.quantiles else None


def fit(images: Labelled, coverage: float) -> Conformal:
    """Find the quantiles of both scores on the calibration split."""
    needed = math.ceil(coverage / (1 - coverage) - _ROUNDING)
    if images.num_groups < needed:
        return Conformal(coverage, images.num_groups, needed, {})
    rows, weights = np.arange(len(images)), images.group_weights()
    found = {
        method: quantile(scores(images.probabilities, method)[rows, images.labels], weights, coverage)
        for method in METHODS
    }
    return Conformal(coverage, images.num_groups, needed, found)


def quantile(values: np.ndarray, weights: np.ndarray, coverage: float) -> float:
    """Return the smallest value at which the weight reaches coverage · (Σ weights + 1); infinite where none does.

    Args:
      values: float64 [N]; weights: float64 [N], each group's sum to 1.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= coverage * (weights.sum() + 1) - _ROUNDING
    return float(values[order[reached.argmax()]]) if reached.any() else math.inf


def scores(probabilities: np.ndarray, method: str) -> np.ndarray:
    """Return how little each class conforms to an image.

    Args:
      probabilities: float64 [N, K].
      method: "least_ambiguous": 1 − the class's probability (Sadinle, Lei & Wasserman 2019,
        doi:10.1080/01621459.2017.1395341), the smallest sets on average; "adaptive": the sum over all likelier classes
        (Romano, Sesia & Candès 2020, arXiv:2006.02544, without their random part), sets that grow with uncertainty.

    Returns:
      float64 [N, K].
    """
    if method == "least_ambiguous":
        return 1 - probabilities
    order = np.argsort(-probabilities, axis=1, kind="stable")
    falling = np.take_along_axis(probabilities, order, axis=1)
    above = np.cumsum(falling, axis=1)[:, :-1]
    tied = falling[:, 1:] == falling[:, :-1]  # equal probabilities have the same score
    start = np.zeros((len(falling), 1))
    above = np.maximum.accumulate(np.concatenate([start, np.where(tied, 0, above)], axis=1), axis=1)
    return np.take_along_axis(above, np.argsort(order, axis=1), axis=1)
