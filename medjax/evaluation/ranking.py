"""How well the probabilities rank the images: area under the ROC curve, average precision."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from medjax.evaluation.labelled import Labelled


def one_vs_rest_auroc(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each class against all others; tied scores count one half.

    Args:
        labels: int [N]; probabilities: float64 [N, K].

    Returns:
        float64 [K]; NaN for a class that none or all of the images belong to.
    """
    return _each_class(roc_auc_score, labels, probabilities)


def average_precision(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Precision at each distinct score, weighted by the sensitivity it adds; arguments and NaN as for the AUROC."""
    return _each_class(average_precision_score, labels, probabilities)


def _each_class(metric: Callable[..., float], labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    values = np.full(probabilities.shape[1], np.nan)
    for k in range(len(values)):
        positive = labels == k
        if positive.any() and not positive.all():
            values[k] = metric(positive, probabilities[:, k])
    return values


def resampler(images: Labelled) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Prepare auroc, average_precision [R, K] and their means for resamples, int [R, G] times a group is drawn.

    The images are sorted once; a resample only changes how often each counts.
    """
    plans = [_sort(images, k) for k in range(images.num_classes)]

    def estimate(counts: np.ndarray) -> dict[str, np.ndarray]:
        areas, precisions = zip(*(_rank(counts, *plan) for plan in plans), strict=True)
        auroc, precision = np.stack(areas, axis=1), np.stack(precisions, axis=1)
        return {
            "auroc": auroc,
            "average_precision": precision,
            "macro_auroc": auroc.mean(axis=1),
            "macro_average_precision": precision.mean(axis=1),
        }

    return estimate


def _sort(images: Labelled, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups and membership in class k from the highest score down, and where each run of equal scores begins."""
    scores = images.probabilities[:, k]
    order = np.argsort(-scores, kind="stable")
    begins = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    return images.groups[order], (images.labels[order] == k).astype(np.float64), begins


def _rank(
    counts: np.ndarray, groups: np.ndarray, positive: np.ndarray, begins: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and average precision [R] of resamples; NaN where the class or all others are lacking."""
    every = counts[:, groups].astype(np.float64)
    members = every * positive
    if len(begins) < len(groups):
        every, members = np.add.reduceat(every, begins, axis=1), np.add.reduceat(members, begins, axis=1)
    found, called = np.cumsum(members, axis=1), np.cumsum(every, axis=1)  # at each threshold
    total = found[:, -1].copy()
    others = called[:, -1] - total
    np.maximum(called, 1, out=called)  # thresholds above all drawn images add nothing
    # Σ over the others: members above + half of those that tie; integers and halves, thus exact
    in_order = _dot(every, found) - _dot(members, found) - _dot(every, members) / 2 + _dot(members, members) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        area = in_order / (total * others)
        precision = np.where(others > 0, _dot(members, np.divide(found, called, out=found)) / total, np.nan)
    return area, precision


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("rn,rn->r", a, b)
