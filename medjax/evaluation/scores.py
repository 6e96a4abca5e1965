"""Proper scores of probabilities: log loss and Brier score."""

import math
from collections.abc import Callable

import numpy as np

from medjax.evaluation.labelled import Labelled

# A true class given the probability 0 would make the log loss infinite, which JSON cannot hold. Only exact zeros are
# clipped, to the smallest normal float64 (a loss of 708.4); `zero_probability_images` counts them.
LOG_LOSS_FLOOR = float(np.finfo(np.float64).tiny)


def log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Negative natural logarithm of the true class's probability; exact zeros become `LOG_LOSS_FLOOR`.

    Args:
        labels: int [N]; probabilities: float64 [N, K].

    Returns:
        float64 [N].
    """
    chosen = probabilities[np.arange(len(labels)), labels]
    return -np.log(np.where(chosen == 0, LOG_LOSS_FLOOR, chosen))


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of `log_losses`; NaN without images.

    scikit-learn's log_loss clips everything below 2.2e-16, so it differs from this for such predictions only.
    """
    return float(log_losses(labels, probabilities).mean()) if len(labels) else math.nan


def brier_scores(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Squared distance from the true class (Brier 1950): 0 to 2; halved for two classes, as scikit-learn does: 0 to 1.

    Args:
        labels: int [N]; probabilities: float64 [N, K].

    Returns:
        float64 [N].
    """
    distance = ((probabilities - np.eye(probabilities.shape[1])[labels]) ** 2).sum(axis=1)
    return distance / 2 if probabilities.shape[1] == 2 else distance


def brier_score(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of `brier_scores`; NaN without images."""
    return float(brier_scores(labels, probabilities).mean()) if len(labels) else math.nan


def resampler(images: Labelled) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Prepare log_loss and brier_score [R] for resamples, int [R, G] times that each group is drawn."""
    losses = log_losses(images.labels, images.probabilities)
    columns = np.stack([np.ones(len(images)), losses, brier_scores(images.labels, images.probabilities)], axis=1)
    of_groups = images.of_groups(columns)

    def estimate(counts: np.ndarray) -> dict[str, np.ndarray]:
        drawn, loss, brier = (counts @ of_groups).T
        return {"log_loss": loss / drawn, "brier_score": brier / drawn}

    return estimate
