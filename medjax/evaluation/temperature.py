"""Temperature scaling: one number that makes all probabilities of a network softer or sharper."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

from medjax.counted import counted
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.scores import LOG_LOSS_FLOOR
from medjax.evaluation.uncertainty import MIN_GROUPS

_LIMIT = 10.0  # the temperature is looked for between 1/10 and 10


@dataclasses.dataclass(frozen=True)
class Temperature:
    """Attributes: value, above 0, 1 where none could be fitted; basis, the method in words or why there is none."""

    value: float
    basis: str

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Divide the log-probabilities by the temperature and normalise again: float64 [N, K] -> float64 [N, K].

        The order of the classes stays. At 1 the probabilities come back as they are. One of exactly 0 counts as
        `LOG_LOSS_FLOOR`.
        """
        if self.value == 1:
            return probabilities
        return softmax(_logarithms(probabilities) / self.value, axis=1)


def fit(images: Labelled) -> Temperature:
    """Fit the temperature to the labels by maximum likelihood (Guo et al. 2017, arXiv:1706.04599, §4.2).

    Every group weighs the same: an image counts 1/|its group|. The log-likelihood is concave in 1/T, so its maximum is
    where its derivative, the weighted mean of (log-probability of the true class − its expectation), is 0. There is
    none when every image is predicted right, since sharper is then always better; nor when the true class is on average
    less likely than chance.
    """
    if images.num_groups < MIN_GROUPS:
        return Temperature(1.0, f"not fitted: {counted(images.num_groups, 'group')}; {MIN_GROUPS} are needed")
    logarithms, weights = _logarithms(images.probabilities), images.group_weights()
    own = logarithms[np.arange(len(images)), images.labels]

    def slope(log_temperature: float) -> float:
        expected = softmax(logarithms / np.exp(log_temperature), axis=1) * logarithms
        return float(weights @ (own - expected.sum(axis=1)))

    limit = np.log(_LIMIT)
    if slope(-limit) >= 0 or slope(limit) <= 0:
        why = "every image is predicted right" if (images.predicted == images.labels).all() else "no maximum"
        return Temperature(1.0, f"not fitted: no temperature from {1 / _LIMIT:g} to {_LIMIT:g} is the best ({why})")
    value = float(np.exp(brentq(slope, -limit, limit, xtol=1e-12)))
    unit = f"{counted(len(images), 'image')} of {counted(images.num_groups, 'group')}"
    return Temperature(value, f"maximum likelihood, {unit}, each group of the same weight")


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, LOG_LOSS_FLOOR))
