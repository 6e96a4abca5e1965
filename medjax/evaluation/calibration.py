"""Whether the confidence in the predicted class is the share of right predictions: reliability curve and its error."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf

from medjax.evaluation.labelled import Labelled

_BINS = 15
_IMAGES = 10  # a bin, at least


def reliability_bins(confidence: np.ndarray) -> np.ndarray:
    """Put images into 15 bins, or one for 10 images, of about as many each (Roelofs et al. 2022, arXiv:2012.08668).

    Args:
        confidence: float64 [N], the highest probability of each image; equal ones come into the same bin.

    Returns:
        int64 [N], 0..B-1 from the least confident; every bin has images.
    """
    count = max(1, min(_BINS, len(confidence) // _IMAGES))
    ordered = np.sort(confidence)
    edges = ordered[np.arange(1, count) * len(confidence) // count]
    return np.unique(np.searchsorted(edges, confidence, side="right"), return_inverse=True)[1]


def reliability_curve(images: Labelled) -> list[dict[str, Any]]:
    """Return the points of the curve: mean confidence, accuracy, images and groups of each bin."""
    confidence, right = _confidence(images)
    bins = reliability_bins(confidence)
    return [
        {
            "confidence": float(confidence[bins == b].mean()),
            "accuracy": float(right[bins == b].mean()),
            "images": int((bins == b).sum()),
            "groups": len(np.unique(images.groups[bins == b])),
        }
        for b in range(bins.max(initial=-1) + 1)
    ]


def calibration_error(images: Labelled) -> tuple[float, float]:
    """Expected calibration error over the bins of `reliability_curve`: debiased, and as it is plainly computed.

    The plain error Σ n_b/N |mean confidence − accuracy| is too high, since it takes chance for error. The debiased one
    subtracts the excess that a folded normal of each bin's standard error would show (Kumar et al. 2019,
    arXiv:1909.10155, §4, in closed form); the standard error allows for groups. It may be below 0. Where
    the network is calibrated, this takes away about two fifths of the plain error, not all of it.

    Returns:
        float64, float64; NaN where a bin holds fewer than two groups.
    """
    if len(images) == 0:
        return np.nan, np.nan
    result = resampler(images)(np.ones((1, images.num_groups), np.int64))
    return float(result["expected_calibration_error"][0]), float(result["plain_calibration_error"][0])


def resampler(images: Labelled) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Prepare both errors [R] for resamples, int [R, G] times that each group is drawn; the bins stay."""
    confidence, right = _confidence(images)
    bins = reliability_bins(confidence)
    inside = bins[:, None] == np.arange(bins.max(initial=-1) + 1)
    gaps = images.of_groups(inside * (confidence - right)[:, None])
    sizes = images.of_groups(inside)
    sums = (gaps, sizes, gaps**2, gaps * sizes, sizes**2, (sizes > 0).astype(np.float64))

    def estimate(counts: np.ndarray) -> dict[str, np.ndarray]:
        gap, drawn, *moments = (counts @ column for column in sums)
        return _errors(gap, drawn, moments)

    return estimate


def _confidence(images: Labelled) -> tuple[np.ndarray, np.ndarray]:
    return images.probabilities.max(axis=1), images.predicted == images.labels


def _errors(gap: np.ndarray, drawn: np.ndarray, moments: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Errors [R] from sums of the bins, [R, B] each; see `resampler`."""
    gap_squared, gap_by_size, size_squared, groups = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(drawn > 0, gap / drawn, 0)
        # cluster-robust variance of a ratio: Σ_groups (gap − mean · size)² / drawn² · G / (G − 1)
        squares = np.maximum(gap_squared - 2 * mean * gap_by_size + mean**2 * size_squared, 0)
        deviation = np.sqrt(squares / drawn**2 * groups / (groups - 1))
        folded = deviation * np.sqrt(2 / np.pi) * np.exp(-((mean / deviation) ** 2) / 2)
        folded += np.abs(mean) * erf(np.abs(mean) / (deviation * np.sqrt(2)))
        # an error of exactly 0 with no spread is 0 / 0 above
        folded = np.where((deviation == 0) & (mean == 0), 0, folded)
        share = drawn / drawn.sum(axis=1, keepdims=True)
    debiased = np.where(drawn > 0, 2 * np.abs(mean) - folded, 0)
    return {
        "expected_calibration_error": (share * debiased).sum(axis=1),
        "plain_calibration_error": (share * np.abs(mean)).sum(axis=1),
    }
