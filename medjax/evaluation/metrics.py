"""Exact metrics of a prediction table, on the host in float64."""

import math
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.evaluation import calibration, recalibration, rsna
from medjax.evaluation.confusion import averages, confusion_matrix, of_classes
from medjax.evaluation.curves import decision_curves, ranking_curves
from medjax.evaluation.labelled import Labelled, number
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.ranking import average_precision, one_vs_rest_auroc
from medjax.evaluation.scores import LOG_LOSS_FLOOR, brier_score, log_loss
from medjax.evaluation.settings import DEFAULTS, Settings
from medjax.evaluation.subgroups import subgroup_tables
from medjax.evaluation.uncertainty import Uncertainty


def evaluate(
    predictions: Predictions,
    *,
    ordered: bool = False,
    settings: Settings = DEFAULTS,
    without_image: Predictions | None = None,
) -> dict[str, Any]:
    """Compute every metric over the images that have a label, with 95 % intervals.

    The predicted class is the one of the highest probability, the first of them when they tie. Averages over classes
    ("macro", balanced accuracy) are undefined when a class has no image, since leaving it out would make splits
    incomparable. Undefined values are NaN, written as None so that the result is valid JSON. Beside each
    of them stand <name>_interval ([low, high] or None) and <name>_interval_basis, its method or the reason
    why there is none.

    Args:
        ordered: the classes are degrees, lowest first: adds quadratic_kappa.
        settings: prevalence and subgroups add what they ask for.
        without_image: what is to be judged and has no image; only a challenge's score counts it (see rsna.py).

    Returns:
        images, images_without_label, groups (None: unknown), correct, accuracy, balanced_accuracy, macro_f1,
        weighted_f1, mcc, cohen_kappa, macro_auroc, macro_average_precision, log_loss (natural logarithm), brier_score,
        expected_calibration_error (debiased), calibration_intercept and calibration_slope (see recalibration.py),
        zero_probability_images, plain_calibration_error, reliability (points of the curve), confusion_matrix (counts
        [K][K], row = true class, column = predicted), classes, per_class {name: {support, groups (that hold the
        class), sensitivity, specificity, precision, npv, f1, auroc, average_precision, calibration_intercept,
        calibration_slope; prevalence, ppv_at_prevalence, npv_at_prevalence where it is stated}}, intervals (what all
        of them rest on), curves and decision_curves (see curves.py), subgroups (see subgroups.py), rsna_2024_score and
        rsna_2024 (see rsna.py) where the table is one of that challenge, warnings.

    Raises:
        UserError: the table has no rows, or the settings do not fit it.
    """
    if len(predictions) == 0:
        raise UserError("the prediction table has no rows; at least one image is needed")
    settings.check(predictions.class_names, predictions.columns, ordered=ordered)
    images = Labelled.of(predictions, ordered, settings.prevalence)
    matrix = confusion_matrix(images.labels, images.predicted, images.num_classes)
    of_class, headline = _metrics(images, matrix)
    uncertainty = Uncertainty(images)
    result: dict[str, Any] = {
        "images": len(images),
        "images_without_label": len(predictions) - len(images),
        "groups": _count_groups(predictions),
        "correct": int(np.trace(matrix)),
        **uncertainty.beside(headline),
        **(rsna.score(predictions, without_image) if rsna.applies(predictions) else {}),
        "zero_probability_images": int((images.probabilities[np.arange(len(images)), images.labels] == 0).sum()),
        "plain_calibration_error": calibration.calibration_error(images)[1],
        "reliability": calibration.reliability_curve(images),
        "confusion_matrix": matrix.tolist(),
        "classes": list(images.class_names),
        "per_class": {name: _of_class(images, uncertainty, of_class, k) for k, name in enumerate(images.class_names)},
        "intervals": uncertainty.describe(),
        "curves": ranking_curves(images, uncertainty),
        "decision_curves": decision_curves(images),
        "subgroups": subgroup_tables(predictions, images, settings),
    }
    result["warnings"] = _warnings(result)
    return without_nan(result)


def _metrics(images: Labelled, matrix: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Point estimates: of every class, float64 [K] each; and of all classes together."""
    labels, probabilities = images.labels, images.probabilities
    slopes = recalibration.of_classes(images)
    of_class = of_classes(matrix, images.prevalence) | {
        "auroc": one_vs_rest_auroc(labels, probabilities),
        "average_precision": average_precision(labels, probabilities),
        **{name.removeprefix("class_"): values for name, values in slopes.items()},
    }
    headline = averages(matrix, images.ordered) | {
        "macro_auroc": of_class["auroc"].mean(),
        "macro_average_precision": of_class["average_precision"].mean(),
        "log_loss": log_loss(labels, probabilities),
        "brier_score": brier_score(labels, probabilities),
        "expected_calibration_error": calibration.calibration_error(images)[0],
        **recalibration.headline(slopes),
    }
    return of_class, headline


def _of_class(images: Labelled, uncertainty: Uncertainty, of_class: dict[str, np.ndarray], k: int) -> dict[str, Any]:
    stated = {"prevalence": float(images.prevalence[k])} if images.prevalence else {}
    return {
        "support": int((images.labels == k).sum()),
        "groups": len(np.unique(images.groups[images.labels == k])),
        **stated,
        **uncertainty.beside({metric: values[k] for metric, values in of_class.items()}, k),
    }


def _count_groups(predictions: Predictions) -> int | None:
    """Count groups of labelled images; those without one each count as their own; None when no image has one."""
    group_ids = [group for group, label in zip(predictions.group_ids, predictions.labels, strict=True) if label >= 0]
    return len(np.unique(number(group_ids))) if any(group_ids) else None


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
    elif sum(map(any, zip(*result["confusion_matrix"], strict=True))) == 1:
        warnings.append("all images are predicted as one class: the MCC is undefined")
    if result["zero_probability_images"]:
        warnings.append(
            f"{result['zero_probability_images']} images give their true class the probability 0: the log "
            f"loss counts each as {LOG_LOSS_FLOOR:.1e}"
        )
    for column, table in result["subgroups"].items():
        for value, metrics in table.items():
            if metrics["absent"]:
                names = ", ".join(repr(name) for name in metrics["absent"])
                warnings.append(f"{column} {value!r}: no image of class {names}: averages over classes are undefined")
    return warnings + result.get("rsna_2024", {}).get("warnings", [])


def without_nan(value: Any) -> Any:
    """Replace every NaN in nested figures by None, since JSON has none."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
