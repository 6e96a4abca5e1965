"""Metrics of a confusion matrix. All take any leading axes, so that thousands of resamples are one call."""

from collections.abc import Callable, Sequence

import numpy as np
import scipy.sparse

from medjax.evaluation.labelled import Labelled


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Count images by true (row) and predicted (column) class: ints [N], [N] in 0..K-1 -> int64 [K, K]."""
    return np.bincount(labels * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_rates(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Compute one-vs-rest rates of every class.

    Args:
        matrix: counts [..., K, K] as of `confusion_matrix`.

    Returns:
        sensitivity, specificity, precision (positive predictive value), npv (negative predictive value), f1: float64
        [..., K]. NaN where the denominator is 0; for a class without images also precision, NPV and F1, which would
        be 0 or 1 whatever the network does.
    """
    true_positive = np.diagonal(matrix, axis1=-2, axis2=-1).astype(np.float64)
    support, called = matrix.sum(axis=-1), matrix.sum(axis=-2)
    total = support.sum(axis=-1, keepdims=True)
    others = total - support
    true_negative = others - called + true_positive
    absent = support == 0
    with np.errstate(invalid="ignore", divide="ignore"):  # 0/0 is the NaN that is wanted
        rates = {
            "sensitivity": true_positive / support,
            "specificity": true_negative / others,
            "precision": np.where(absent, np.nan, true_positive / called),
            "npv": np.where(absent, np.nan, true_negative / (total - called)),
            "f1": np.where(absent, np.nan, 2 * true_positive / (support + called)),
        }
    return rates


def averages(matrix: np.ndarray, ordered: bool = False) -> dict[str, np.ndarray]:
    """Compute what a confusion matrix says of all classes together.

    Args:
        matrix: counts [..., K, K] as of `confusion_matrix`.
        ordered: give the quadratic-weighted kappa too.

    Returns:
        accuracy; balanced_accuracy and macro_f1, means over classes, NaN when a class has no image; weighted_f1, mean
        over the classes that have images, weighted by them; mcc (Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006)
        and cohen_kappa, NaN where their denominator is 0, as when all images are predicted as one class (MCC):
        float64 [...].
    """
    rates = class_rates(matrix)
    support, called = matrix.sum(axis=-1).astype(np.float64), matrix.sum(axis=-2).astype(np.float64)
    total = support.sum(axis=-1)
    right = np.trace(matrix, axis1=-2, axis2=-1)
    unequal = 1 - np.eye(matrix.shape[-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = (total**2 - (support**2).sum(axis=-1)) * (total**2 - (called**2).sum(axis=-1))
        result = {
            "accuracy": right / total,
            "balanced_accuracy": rates["sensitivity"].mean(axis=-1),
            "macro_f1": rates["f1"].mean(axis=-1),
            "weighted_f1": np.where(support > 0, support * rates["f1"], 0).sum(axis=-1) / total,
            "mcc": (right * total - (support * called).sum(axis=-1)) / np.sqrt(spread),
            "cohen_kappa": _kappa(matrix, unequal),
        }
    if ordered:
        steps = np.arange(matrix.shape[-1])
        result["quadratic_kappa"] = _kappa(matrix, (steps[:, None] - steps) ** 2)
    return result


def _kappa(matrix: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """1 − observed cost / cost expected of independent raters (Cohen 1968, doi:10.1037/h0026256)."""
    observed = (matrix * cost).sum(axis=(-2, -1))
    support, called = matrix.sum(axis=-1), matrix.sum(axis=-2)
    expected = ((support @ cost) * called).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - observed * support.sum(axis=-1) / expected, np.nan)


def predictive_values(matrix: np.ndarray, prevalence: Sequence[float]) -> dict[str, np.ndarray]:
    """Positive and negative predictive value of each class where the classes have other shares, by Bayes' rule.

    Right where the images of a class are alike here and there. Of two classes this is the rule of sensitivity and
    specificity; of more, the specificity changes with the mixture of the other classes, and this allows for it.

    Args:
        matrix: counts [..., K, K] as of `confusion_matrix`.
        prevalence: K shares that sum to 1.

    Returns:
        ppv_at_prevalence and npv_at_prevalence, float64 [..., K]; NaN where no image is called so, and all of them
        where a class that has a share has no image.
    """
    share, others = np.asarray(prevalence, np.float64)[:, None], ~np.eye(len(prevalence), dtype=bool)
    support = matrix.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0/0 is the NaN that is wanted
        called, cleared = (np.where(share > 0, share * part / support, 0) for part in (matrix, support - matrix))
        return {
            "ppv_at_prevalence": np.diagonal(called, axis1=-2, axis2=-1) / called.sum(axis=-2),
            "npv_at_prevalence": (cleared * others).sum(axis=-2) / cleared.sum(axis=-2),
        }


def of_classes(matrix: np.ndarray, prevalence: Sequence[float]) -> dict[str, np.ndarray]:
    """Return `class_rates`, with `predictive_values` where a prevalence is stated: counts [..., K, K] -> [..., K]."""
    return class_rates(matrix) | (predictive_values(matrix, prevalence) if prevalence else {})


def resampler(images: Labelled) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Prepare `of_classes`, `averages` and "support" for resamples, int [R, G] times that each group is drawn."""
    classes = images.num_classes
    cells = images.labels * classes + images.predicted
    shape = (classes**2, images.num_groups)
    # sparse: a group fills few of the K² cells; entries of the same cell and group are summed
    of_groups = scipy.sparse.csr_matrix((np.ones(len(cells)), (cells, images.groups)), shape)

    def estimate(counts: np.ndarray) -> dict[str, np.ndarray]:
        matrices = (of_groups @ counts.T).T.reshape(-1, classes, classes)
        return (
            of_classes(matrices, images.prevalence)
            | averages(matrices, images.ordered)
            | {"support": matrices.sum(axis=-1)}
        )

    return estimate
