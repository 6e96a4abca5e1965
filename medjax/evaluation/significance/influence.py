"""How much each group of a test set moves a metric: what its variance, and covariances between models, come from."""

import math

import numpy as np
import scipy.sparse

from medjax.errors import UserError
from medjax.evaluation import confusion
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.scores import brier_scores, log_losses
from medjax.evaluation.significance.delong import auroc_influences

MEANS = ("accuracy", "log_loss", "brier_score")  # of a number of each image
COUNTS = ("balanced_accuracy", "macro_f1", "mcc", "quadratic_kappa")  # of a confusion matrix
METRICS = (*MEANS, *COUNTS, "macro_auroc")


def influences(images: Labelled, metric: str) -> tuple[float, np.ndarray]:
    """Return a metric and the influence of each group on it, float64 [G].

    The sum of squares of the influences estimates the variance of the metric over test sets of as many groups; the sum
    of products of two models' influences estimates the covariance of their metrics. Means over images: linearised
    (ratio estimator, Cochran 1977, Sampling Techniques, §2.11); AUROC: see delong.py; others: leaving out one group
    at a time (jackknife, Davison & Hinkley 1997, §2.7.3), NaN where the metric is undefined without some group.

    Args:
        metric: one of `METRICS`.

    Raises:
        UserError: the metric is none of them, or is of ordered classes and these are not.
    """
    if metric not in METRICS:
        raise UserError(f"no test for the metric {metric!r}; choose one of {', '.join(METRICS)}")
    if metric == "macro_auroc":
        areas, of_groups = auroc_influences(images)
        return float(areas.mean()), of_groups.mean(axis=1)
    if metric in MEANS:
        return _of_mean(images, image_values(images, metric))
    if metric == "quadratic_kappa" and not images.ordered:
        raise UserError("quadratic_kappa is of classes that are steps of a scale; these are not said to be ordered")
    return _leave_one_out(images, metric)


def image_values(images: Labelled, metric: str) -> np.ndarray:
    """Return the number of each image whose mean the metric is, one of `MEANS`: float64 [N]."""
    if metric == "accuracy":
        return (images.predicted == images.labels).astype(np.float64)
    return (log_losses if metric == "log_loss" else brier_scores)(images.labels, images.probabilities)


def group_matrices(images: Labelled) -> scipy.sparse.csr_matrix:
    """Count the cells of the confusion matrix in each group: float64 [G, K²], cell = label · K + predicted."""
    cells = images.labels * images.num_classes + images.predicted
    shape = (images.num_groups, images.num_classes**2)
    return scipy.sparse.csr_matrix((np.ones(len(images)), (images.groups, cells)), shape)


def count_metric(counts: np.ndarray, metric: str) -> np.ndarray:
    """Compute one of `COUNTS` of flat confusion matrices, float64 [R, K²] -> [R]."""
    classes = math.isqrt(counts.shape[1])
    return confusion.averages(counts.reshape(-1, classes, classes), ordered=True)[metric]


def _of_mean(images: Labelled, values: np.ndarray) -> tuple[float, np.ndarray]:
    if len(images) == 0:
        return math.nan, np.zeros(0)
    mean, groups = float(values.mean()), images.num_groups
    correction = math.sqrt(groups / (groups - 1)) if groups > 1 else math.nan
    return mean, correction * images.of_groups(values - mean) / len(images)


def _leave_one_out(images: Labelled, metric: str) -> tuple[float, np.ndarray]:
    of_groups = group_matrices(images)
    total = np.asarray(of_groups.sum(axis=0)).reshape(1, -1)
    left_out = count_metric(total - of_groups.toarray(), metric)
    groups = max(len(left_out), 1)
    correction = math.sqrt((groups - 1) / groups)
    return float(count_metric(total, metric)[0]), correction * (left_out.mean() - left_out)
