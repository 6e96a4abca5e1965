"""Curves of every class against all others: ROC and precision-recall with bands, net benefit."""

from typing import Any

import numpy as np

from medjax.evaluation import ranking
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.uncertainty import DECIMALS, Uncertainty

THRESHOLDS = np.arange(1, 100) / 100  # probabilities from which on one would act


def ranking_curves(images: Labelled, uncertainty: Uncertainty) -> dict[str, dict[str, Any]]:
    """Return the points of the ROC and the precision-recall curve of each class; see ranking.py.

    Returns:
        class name -> {"roc": {fpr, tpr, low, high}, "pr": {recall, precision, low, high}}, lists of 101. low and high
        are 95 % intervals of each point by itself, None where they are not estimable. A class that none or all of the
        images belong to has no curve.
    """
    if len(images) == 0:
        return {}
    points = ranking.resampler(images)(np.ones((1, images.num_groups), np.int64))
    grid = (ranking.PERCENT / 100).tolist()
    curves = {}
    for k in _with_others(images):
        roc, pr = ({"low": None, "high": None} | _band(uncertainty, name, k) for name in ("roc", "precision_recall"))
        curves[images.class_names[k]] = {
            "roc": {"fpr": grid, "tpr": _listed(points["roc"][0, k]), **roc},
            "pr": {"recall": grid, "precision": _listed(points["precision_recall"][0, k]), **pr},
        }
    return curves


def _band(uncertainty: Uncertainty, name: str, k: int) -> dict[str, list[float]]:
    band = uncertainty.band(name, k)
    return {} if band is None else {"low": _listed(band[0]), "high": _listed(band[1])}


def decision_curves(images: Labelled) -> dict[str, dict[str, list[float]]]:
    """Return the net benefit of acting on images whose probability reaches a threshold.

    Net benefit = TP / N − FP / N · t / (1 − t): the share of images acted on rightly, less those acted on wrongly at
    the rate of exchange that the threshold t implies (Vickers & Elkin 2006, doi:10.1177/0272989X06295361). Acting on
    none has 0. The probabilities are taken as they are, so a network that is not calibrated loses by it.

    Returns:
        class name -> {threshold, model, all}, lists of 99: of acting by the model, and on all images. Of two classes
        only the second; a class that none or all of the images belong to has no curve.
    """
    odds = THRESHOLDS / (1 - THRESHOLDS)
    curves = {}
    for k in _with_others(images):
        if images.num_classes == 2 and k == 0:
            continue
        scores, positive = images.probabilities[:, k], images.labels == k
        rightly, wrongly = (_reaching(scores[side]) / len(images) for side in (positive, ~positive))
        share = float(positive.mean())
        curves[images.class_names[k]] = {
            "threshold": THRESHOLDS.tolist(),
            "model": _listed(rightly - wrongly * odds),
            "all": _listed(share - (1 - share) * odds),
        }
    return curves


def _reaching(scores: np.ndarray) -> np.ndarray:
    """Count the scores that reach each of the thresholds: float64 [N] -> int64 [99]."""
    return len(scores) - np.searchsorted(np.sort(scores), THRESHOLDS)


def _with_others(images: Labelled) -> list[int]:
    """Return the classes that some, but not all, of the images belong to."""
    support = np.bincount(images.labels, minlength=images.num_classes)
    return np.flatnonzero((support > 0) & (support < len(images))).tolist()


def _listed(values: np.ndarray) -> list[float]:
    return (np.round(values.astype(np.float64), DECIMALS) + 0.0).tolist()  # + 0.0: no −0
