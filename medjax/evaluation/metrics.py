"""Exact metrics of a prediction table, on the host in float64."""

import logging
import math
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from medjax.errors import UserError
from medjax.evaluation.predictions import Predictions

# A true class given the probability 0 would make the log loss infinite, which JSON cannot hold. Only exact zeros are
# clipped, to the smallest normal float64 (a loss of 708.4); `zero_probability_images` counts them.
LOG_LOSS_FLOOR = float(np.finfo(np.float64).tiny)

log = logging.getLogger(__name__)


def evaluate(predictions: Predictions) -> dict[str, Any]:
    """Compute every metric over the images that have a label.

    The predicted class is the one of the highest probability, the first of them when they tie. Averages over classes
    ("macro", balanced accuracy) are undefined when a class has no image, since leaving it out would make splits
    incomparable. Undefined values are NaN, written as None so that the result is valid JSON.

    Returns:
        images, images_without_label, groups (None: unknown), correct, accuracy, balanced_accuracy, macro_f1,
        macro_auroc, log_loss (natural logarithm, mean over images), zero_probability_images, confusion_matrix (counts
        [K][K], row = true class, column = predicted), classes, per_class {name: {support, sensitivity, specificity,
        precision, f1, auroc}}, warnings.

    Raises:
        UserError: the table has no rows.
    """
    if len(predictions) == 0:
        raise UserError("the prediction table has no rows; at least one image is needed")
    labelled = predictions.labels >= 0
    labels, probabilities = predictions.labels[labelled], predictions.probabilities[labelled]
    matrix = confusion_matrix(labels, probabilities.argmax(axis=1), len(predictions.class_names))
    rates = class_rates(matrix) | {"auroc": one_vs_rest_auroc(labels, probabilities)}
    result = {
        "images": len(labels),
        "images_without_label": int((~labelled).sum()),
        "groups": _count_groups([g for g, kept in zip(predictions.group_ids, labelled, strict=True) if kept]),
        "correct": int(np.trace(matrix)),
        "accuracy": float(np.trace(matrix) / len(labels)) if len(labels) else math.nan,
        "balanced_accuracy": float(rates["sensitivity"].mean()),
        "macro_f1": float(rates["f1"].mean()),
        "macro_auroc": float(rates["auroc"].mean()),
        "log_loss": log_loss(labels, probabilities),
        "zero_probability_images": int((probabilities[np.arange(len(labels)), labels] == 0).sum()),
        "confusion_matrix": matrix.tolist(),
        "classes": list(predictions.class_names),
        "per_class": {
            name: {"support": int(support)} | {metric: float(values[k]) for metric, values in rates.items()}
            for k, (name, support) in enumerate(zip(predictions.class_names, matrix.sum(axis=1), strict=True))
        },
    }
    result["warnings"] = _warnings(result)
    for warning in result["warnings"]:
        log.warning("%s", warning)
    return _without_nan(result)


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Count images by true (row) and predicted (column) class: ints [N], [N] in 0..K-1 -> int64 [K, K]."""
    return np.bincount(labels * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def class_rates(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Compute one-vs-rest rates of every class.

    Args:
        matrix: int [K, K] from `confusion_matrix`.

    Returns:
        sensitivity, specificity, precision (positive predictive value), f1: float64 [K]. NaN where the denominator is
        0; for a class without images also precision and F1, which would be 0 whatever the network does.
    """
    true_positive = np.diag(matrix).astype(np.float64)
    support, called = matrix.sum(axis=1), matrix.sum(axis=0)
    others = matrix.sum() - support
    absent = support == 0
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN that is wanted
        rates = {
            "sensitivity": true_positive / support,
            "specificity": (others - called + true_positive) / others,
            "precision": np.where(absent, np.nan, true_positive / called),
            "f1": np.where(absent, np.nan, 2 * true_positive / (support + called)),
        }
    return rates


def one_vs_rest_auroc(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of each class against all others; tied scores count one half.

    Args:
        labels: int [N]; probabilities: float64 [N, K].

    Returns:
        float64 [K]; NaN for a class that none or all of the images belong to.
    """
    areas = np.full(probabilities.shape[1], np.nan)
    for k in range(len(areas)):
        positive = labels == k
        if positive.any() and not positive.all():
            areas[k] = roc_auc_score(positive, probabilities[:, k])
    return areas


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean negative natural logarithm of the true class's probability; exact zeros become `LOG_LOSS_FLOOR`.

    scikit-learn's log_loss clips everything below 2.2e-16, so it differs from this for such predictions only.
    """
    if len(labels) == 0:
        return math.nan
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.where(chosen == 0, LOG_LOSS_FLOOR, chosen)).mean())


def _count_groups(group_ids: list[str]) -> int | None:
    """Count distinct groups; images without one each count as their own; None when no image has one."""
    known = {group for group in group_ids if group}
    return len(known) + group_ids.count("") if known else None


def _warnings(result: dict[str, Any]) -> list[str]:
    warnings = []
    absent = [name for name, rates in result["per_class"].items() if rates["support"] == 0]
    if result["images"] == 0:
        return ["no image has a label: nothing can be measured"]
    if absent:
        names = ", ".join(repr(name) for name in absent)
        warnings.append(f"no image of class {names}: its rates and all averages over classes are undefined")
    if len(result["per_class"]) - len(absent) == 1:
        warnings.append("all images are of one class: specificity and AUROC are undefined")
    if result["zero_probability_images"]:
        warnings.append(
            f"{result['zero_probability_images']} images give their true class the probability 0: the log "
            f"loss counts each as {LOG_LOSS_FLOOR:.1e}"
        )
    return warnings


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
