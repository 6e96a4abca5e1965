"""Calibration intercept and slope: the logistic regression of a class on the logit of its own probability.

Intercept 0 and slope 1 are calibrated. A slope below 1: probabilities too extreme; an intercept above 0: too low
(Cox 1958, doi:10.1093/biomet/45.3-4.562; Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7).
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, log_expit

from medjax.evaluation.labelled import Labelled
from medjax.evaluation.scores import LOG_LOSS_FLOOR

_STEPS = 100
_NAMES = ("calibration_intercept", "calibration_slope")


def logits(probabilities: np.ndarray, k: int) -> np.ndarray:
    """Log odds of class k against all others; probabilities of 0 count as `LOG_LOSS_FLOOR`: [N, K] -> float64 [N]."""
    others = np.delete(probabilities, k, axis=1).sum(axis=1)  # more exact than 1 − p where p is almost 1
    return np.log(np.maximum(probabilities[:, k], LOG_LOSS_FLOOR)) - np.log(np.maximum(others, LOG_LOSS_FLOOR))


def recalibrate(logit: np.ndarray, positive: np.ndarray) -> tuple[float, float, float]:
    """Fit by maximum likelihood.

    Args:
        logit: float64 [N]; positive: bool [N].

    Returns:
        Calibration in the large (the intercept where the slope is 1); then intercept and slope fitted together. All
        NaN without two classes; the last two also where the logits are constant or separate the classes, since no
        slope is then the best.
    """
    if len(logit) == 0 or positive.all() or not positive.any():
        return np.nan, np.nan, np.nan
    share = positive.mean()
    bound = np.abs(logit).max() + np.abs(np.log(share / (1 - share))) + 1
    large = brentq(lambda a: expit(logit + a).mean() - share, -bound, bound, xtol=1e-12)
    inside, outside = logit[positive], logit[~positive]
    if inside.min() >= outside.max() or outside.min() >= inside.max():
        return float(large), np.nan, np.nan
    middle, spread = logit.mean(), logit.std()
    design = np.stack([np.ones(len(logit)), (logit - middle) / spread], axis=1)
    intercept, slope = _fit(design, positive)
    return float(large), float(intercept - slope * middle / spread), float(slope / spread)


def _fit(design: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Newton's method with steps halved until the likelihood grows; converges, since it is concave."""
    sign = np.where(positive, 1.0, -1.0)
    beta, best = np.zeros(2), -np.inf
    step = np.zeros(2)
    for _ in range(_STEPS):
        probability = expit(design @ beta)
        gradient = design.T @ (positive - probability)
        information = (design.T * (probability * (1 - probability))) @ design
        best = log_expit(sign * (design @ beta)).sum()
        step = np.linalg.lstsq(information, gradient, rcond=None)[0]
        while np.abs(step).max() > 1e-12 and log_expit(sign * (design @ (beta + step))).sum() < best:
            step = step / 2
        beta = beta + step
        if np.abs(step).max() <= 1e-12:
            break
    return beta


def of_classes(images: Labelled) -> dict[str, np.ndarray]:
    """Intercept (in the large) and slope of every class: float64 [K]."""
    fits = [recalibrate(logits(images.probabilities, k), images.labels == k)[::2] for k in range(images.num_classes)]
    return {"class_" + name: values for name, values in zip(_NAMES, np.array(fits).T, strict=True)}


def headline(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sum the classes up, [..., K] -> [...]: of two classes the second, since the first mirrors it.

    Of more, the mean slope; their intercepts balance one another in a mean, so there is none for all (NaN).
    """
    intercept, slope = (values["class_" + name] for name in _NAMES)
    if slope.shape[-1] == 2:
        return {_NAMES[0]: intercept[..., 1], _NAMES[1]: slope[..., 1]}
    return {_NAMES[0]: np.full(slope.shape[:-1], np.nan), _NAMES[1]: slope.mean(axis=-1)}


def resampler(images: Labelled) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Prepare intercepts and slopes for resamples, int [R, G] times that each group is drawn.

    One Newton step from the fit to all images, which is what a resample's fit is to first order (Moulton & Zeger 1991,
    doi:10.1016/0167-9473(91)90052-4).
    """
    plans = [_sums(images, k) for k in range(images.num_classes)]

    def estimate(counts: np.ndarray) -> dict[str, np.ndarray]:
        steps = [_step(counts @ sums, large, slope) for sums, large, slope in plans]
        values = {
            "class_" + name: np.stack(parts, axis=1)
            for name, parts in zip(_NAMES, zip(*steps, strict=True), strict=True)
        }
        return values | headline(values)

    return estimate


def _sums(images: Labelled, k: int) -> tuple[np.ndarray, float, float]:
    """Of every group: images, images of class k, gradient and information of both fits, [G, 9]; and the fits."""
    logit, positive = logits(images.probabilities, k), images.labels == k
    large, intercept, slope = recalibrate(logit, positive)
    in_large, fitted = expit(logit + large), expit(intercept + slope * logit)
    weight = fitted * (1 - fitted)
    residual = positive - fitted
    columns = [np.ones(len(logit)), positive, positive - in_large, in_large * (1 - in_large)]
    columns += [residual, residual * logit, weight, weight * logit, weight * logit**2]
    return images.of_groups(np.stack(columns, axis=1)), large, slope


def _step(sums: np.ndarray, large: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    images, members, gradient, information, g0, g1, i00, i01, i11 = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        intercepts = large + gradient / information
        slopes = slope + (i00 * g1 - i01 * g0) / (i00 * i11 - i01**2)
    lacking = (members == 0) | (members == images)
    return np.where(lacking, np.nan, intercepts), np.where(lacking, np.nan, slopes)
