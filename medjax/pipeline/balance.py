"""Classes of unequal size: weights in the loss, and the way back from the mixture trained on to the natural one.

A network trained on another mixture of classes than nature's answers for that mixture. With equal densities within each
class, its log-odds differ by the change of the prior alone, so adding log(natural) − log(trained) to the logits makes
them those of a network trained on the natural mixture.

Source: Saerens, Latinne & Decaestecker, Adjusting the Outputs of a Classifier to New a Priori Probabilities, Neural
Computation 14 (2002), section 2.2; Menon et al., Long-tail Learning via Logit Adjustment, ICLR 2021.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

CLASS_WEIGHTS = ("none", "balanced")
SAMPLINGS = ("shuffle", "balanced")


@dataclasses.dataclass(frozen=True)
class Balance:
    """What training does about unequal classes, as numbers of the training split.

    Attributes:
      natural: float64 [K], share of each class.
      weights: float64 [K] for the loss, mean 1 over the training images; None where all are 1.
      trained: float64 [K], share of each class in what is trained on: in the draws, times its weight.
    """

    natural: np.ndarray
    weights: np.ndarray | None
    trained: np.ndarray

    @property
    def correction(self) -> np.ndarray | None:
        """What predictions add to the logits, float64 [K]; None where the mixture is the natural one.

        A class without training images keeps its logit: nothing is known of it.
        """
        if np.array_equal(self.natural, self.trained):
            return None
        known = self.natural > 0
        ratio = np.divide(self.natural, self.trained, out=np.ones_like(self.natural), where=known)
        return np.log(ratio)

    def to_json(self) -> dict[str, Any] | None:
        """Return what preprocessing.json keeps; None where nothing is corrected."""
        if self.correction is None:
            return None
        return {
            "natural_prior": self.natural.tolist(),
            "trained_prior": self.trained.tolist(),
            "added_to_logits": self.correction.tolist(),
        }


def balance(labels: np.ndarray, num_classes: int, *, class_weights: str, sampling: str) -> Balance:
    """Work out weights and priors.

    Args:
      labels: int [M] of the training split, in [0, K); what is missing (−1) does not count.
      num_classes: K.
      class_weights: "none"; or "balanced", a class of n of the M images weighs M / (classes there are × n).
      sampling: "shuffle"; or "balanced", every class is drawn as often as any other.
    """
    counts = np.bincount(labels[labels >= 0], minlength=num_classes).astype(np.float64)
    present = counts > 0
    natural = counts / counts.sum()
    even = present / present.sum()
    weights = None
    if class_weights == "balanced":
        weights = np.divide(even, natural, out=np.zeros_like(natural), where=present)
    trained = even if sampling == "balanced" else natural
    if weights is not None:
        trained = trained * weights / (trained * weights).sum()
    return Balance(natural, weights, trained)
