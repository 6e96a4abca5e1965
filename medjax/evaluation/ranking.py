"""How well the probabilities rank the images: ROC and precision-recall curves, and the areas under them."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from medjax.evaluation.labelled import Labelled

PERCENT = np.arange(101)  # of the false positive rate and of the recall: where the curves are given


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
    """Prepare areas and curves for resamples, int [R, G] times that each group is drawn.

    The images are sorted once; a resample only changes how often each counts.

    Returns:
        A function of the resamples that gives auroc and average_precision [R, K], their means macro_auroc and
        macro_average_precision [R], roc and precision_recall, float32 [R, K, 101], as of `roc` and `precision_recall`.
    """
    plans = [_sort(images, k) for k in range(images.num_classes)]

    def estimate(counts: np.ndarray) -> dict[str, np.ndarray]:
        of_classes = [_rank(counts, *plan) for plan in plans]
        found = {name: np.stack([values[name] for values in of_classes], axis=1) for name in of_classes[0]}
        return found | {"macro_" + name: found[name].mean(axis=1) for name in ("auroc", "average_precision")}

    return estimate


def _sort(images: Labelled, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups and membership in class k from the highest score down, and where each run of equal scores begins."""
    scores = images.probabilities[:, k]
    order = np.argsort(-scores, kind="stable")
    begins = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    return images.groups[order], (images.labels[order] == k).astype(np.float64), begins


def _rank(counts: np.ndarray, groups: np.ndarray, positive: np.ndarray, begins: np.ndarray) -> dict[str, np.ndarray]:
    """Areas [R] and curves [R, 101] of resamples; NaN where the class or all others are lacking."""
    every = counts[:, groups].astype(np.float64)
    members = every * positive
    if len(begins) < len(groups):
        every, members = np.add.reduceat(every, begins, axis=1), np.add.reduceat(members, begins, axis=1)
    found, called = np.cumsum(members, axis=1), np.cumsum(every, axis=1)  # at each threshold
    curves = {"roc": roc(found, called - found), "precision_recall": precision_recall(found, called)}
    total = found[:, -1].copy()
    others = called[:, -1] - total
    np.maximum(called, 1, out=called)  # thresholds above all drawn images add nothing
    # Σ over the others: members above + half of those that tie; integers and halves, thus exact
    in_order = _dot(every, found) - _dot(members, found) - _dot(every, members) / 2 + _dot(members, members) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        area = in_order / (total * others)
        precision = np.where(others > 0, _dot(members, np.divide(found, called, out=found)) / total, np.nan)
    return {"auroc": area, "average_precision": precision, **curves}


def roc(found: np.ndarray, alarms: np.ndarray) -> np.ndarray:
    """True positive rate at false positive rates of 0, 1, …, 100 %: where several have one, the highest of them.

    Between thresholds the curve is a line, so that tied scores count one half, as in its area.

    Args:
        found: float64 [R, T], images of the class called at each threshold, from the highest down.
        alarms: float64 [R, T], the same of all others.

    Returns:
        float32 [R, 101]; NaN where the class or all others are lacking.
    """
    values = np.full((len(found), len(PERCENT)), np.nan, np.float32)
    for row in np.flatnonzero((found[:, -1] > 0) & (alarms[:, -1] > 0)):
        up, along = np.append(0, found[row]), np.append(0, alarms[row])
        wanted = PERCENT * along[-1] / 100
        before = np.searchsorted(along, wanted, side="right") - 1
        after = np.minimum(before + 1, len(along) - 1)
        share = (wanted - along[before]) / np.maximum(along[after] - along[before], 1)
        values[row] = (up[before] + share * (up[after] - up[before])) / up[-1]
    return values


def precision_recall(found: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Precision at the highest threshold that reaches a recall above 0, and of 1, 2, …, 100 %.

    A curve of steps, as in the average precision: a line between two thresholds would promise too much (Davis &
    Goadrich 2006, doi:10.1145/1143844.1143874).

    Args:
        found: float64 [R, T], images of the class called at each threshold, from the highest down; called: all.

    Returns:
        float32 [R, 101]; NaN where the class or all others are lacking.
    """
    values = np.full((len(found), len(PERCENT)), np.nan, np.float32)
    for row in np.flatnonzero((found[:, -1] > 0) & (called[:, -1] > found[:, -1])):
        wanted = np.maximum(PERCENT * found[row, -1] / 100, 1)
        reached = np.searchsorted(found[row], wanted)
        values[row] = found[row, reached] / called[row, reached]
    return values


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("rn,rn->r", a, b)
