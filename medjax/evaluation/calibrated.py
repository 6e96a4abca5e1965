"""Figures of a judged split, seen through what was fitted on the calibration split."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from medjax.evaluation import calibration, scores
from medjax.evaluation.bootstrap import ELEMENTS, RESAMPLES, group_counts
from medjax.evaluation.fitted import Calibrated
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.metrics import without_nan
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.uncertainty import Uncertainty


@dataclasses.dataclass(frozen=True)
class _Ratio:
    """A weighted mean over images: of bool values, a share. Its figure's place: the keys that lead there, then its own.

    values: bool or float64 [N]; weights: float64 [N].
    """

    place: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray

    def estimate(self, uncertainty: Uncertainty, resamples: np.ndarray) -> dict[str, Any]:
        """Return the figure with its interval, as evaluation.json has them. Args: resamples float64 [R]."""
        name, total = self.place[-1], self.weights.sum()
        value = float((self.weights * self.values).sum() / total) if total else math.nan
        if self.values.dtype == bool:
            interval = uncertainty.proportion(self.values, self.weights, lambda: resamples)
        else:
            interval = uncertainty.mean(value, lambda: resamples)
        bounds = list(interval.bounds) if interval.bounds else None
        return {name: value, f"{name}_interval": bounds, f"{name}_interval_basis": interval.basis}


def figures(predictions: Predictions, calibrated: Calibrated) -> dict[str, Any]:
    """Compute what a calibration makes of the labelled images of a split, with 95 % intervals as in metrics.py.

    The predicted classes, and all that follows from them alone, stay as they are.

    Args:
      predictions: of the split.
      calibrated: the same images.

    Returns:
      after_temperature: log_loss, brier_score, expected_calibration_error, plain_calibration_error and reliability, as
        metrics.evaluate has them before it.
      at_thresholds: goal -> class name -> sensitivity and specificity of "the class is called" with the threshold that
        was set for the goal; a class without one is left out. Every image weighs the same.
      conformal_sets: method -> coverage, mean_set_size, empty_share, single_share, set_sizes (images whose set has 0,
        1, …, K classes) and per_class {coverage, mean_set_size}. Every group weighs the same, as in the guarantee.
    """
    images, seen = Labelled.of(predictions), calibrated.rows(predictions.labels >= 0)
    softer = dataclasses.replace(images, probabilities=seen.probabilities)
    uncertainty = Uncertainty(softer, (scores, calibration))
    found: dict[str, Any] = {"after_temperature": _after_temperature(softer, uncertainty)}
    ratios = _at_thresholds(images, seen) + _of_sets(images, seen)
    resamples = _replicates(images, ratios) if uncertainty.enough else np.zeros((0, len(ratios)))
    for ratio, values in zip(ratios, resamples.T, strict=True):
        place = found
        for key in ratio.place[:-1]:
            place = place.setdefault(key, {})
        place |= ratio.estimate(uncertainty, values)
    for method, sets in seen.sets.items():
        sizes = np.bincount(sets.sum(axis=1), minlength=images.num_classes + 1)
        found["conformal_sets"][method]["set_sizes"] = sizes.tolist()
    return without_nan(found)


def _after_temperature(images: Labelled, uncertainty: Uncertainty) -> dict[str, Any]:
    debiased, plain = calibration.calibration_error(images)
    values = {
        "log_loss": scores.log_loss(images.labels, images.probabilities),
        "brier_score": scores.brier_score(images.labels, images.probabilities),
        "expected_calibration_error": debiased,
    }
    return {
        **uncertainty.beside(values),
        "plain_calibration_error": plain,
        "reliability": calibration.reliability_curve(images),
    }


def _at_thresholds(images: Labelled, seen: Calibrated) -> list[_Ratio]:
    ratios = []
    for goal, called in seen.called.items():
        for k, name in enumerate(images.class_names):
            if np.isnan(called[:, k]).any():
                continue
            of_class, yes = images.labels == k, called[:, k] == 1
            place = ("at_thresholds", goal, name)
            ratios += [
                _Ratio((*place, "sensitivity"), yes, of_class.astype(np.float64)),
                _Ratio((*place, "specificity"), ~yes, (~of_class).astype(np.float64)),
            ]
    return ratios


def _of_sets(images: Labelled, seen: Calibrated) -> list[_Ratio]:
    ratios, weights = [], images.group_weights()
    for method, sets in seen.sets.items():
        held, sizes = sets[np.arange(len(images)), images.labels], sets.sum(axis=1)
        place = ("conformal_sets", method)
        ratios += [
            _Ratio((*place, "coverage"), held, weights),
            _Ratio((*place, "mean_set_size"), sizes.astype(np.float64), weights),
            _Ratio((*place, "empty_share"), sizes == 0, weights),
            _Ratio((*place, "single_share"), sizes == 1, weights),
        ]
        for k, name in enumerate(images.class_names):
            inside = weights * (images.labels == k)
            ratios += [
                _Ratio((*place, "per_class", name, "coverage"), held, inside),
                _Ratio((*place, "per_class", name, "mean_set_size"), sizes.astype(np.float64), inside),
            ]
    return ratios


def _replicates(images: Labelled, ratios: Sequence[_Ratio]) -> np.ndarray:
    """Compute all ratios on the resamples of the groups: float64 [R, M], NaN where one is undefined."""
    if not ratios:
        return np.zeros((0, 0))
    totals = images.of_groups(np.column_stack([ratio.weights for ratio in ratios]))
    sums = images.of_groups(np.column_stack([ratio.weights * ratio.values for ratio in ratios]))
    parts = []
    for counts in group_counts(images.num_groups, RESAMPLES, max(1, ELEMENTS // images.num_groups)):
        drawn = counts.astype(np.float64)  # once, for two products
        with np.errstate(invalid="ignore"):  # 0/0 is the NaN that is wanted
            parts.append((drawn @ sums) / (drawn @ totals))
    return np.concatenate(parts)
