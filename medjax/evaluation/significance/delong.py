"""Variance of AUROCs from placement values, alone or summed within groups."""

import numpy as np
from scipy import stats

from medjax.evaluation.labelled import Labelled


def auroc_influences(images: Labelled) -> tuple[np.ndarray, np.ndarray]:
    """One-vs-rest AUROC of each class, and what each group contributes to its deviation from the truth.

    The placement of an image is the share of images of the other side that it outranks, ties counting one half; the
    AUROC is their mean. DeLong, DeLong & Clarke-Pearson 1988 (doi:10.2307/2531595) take the covariance of AUROCs from
    the deviations of the placements, over the images of the class and over all others; Obuchowski 1997
    (doi:10.2307/2533958) first sums them within groups, which may hold images of both sides. With groups of one image
    both are the same. In the cross term of groups that hold both sides, Obuchowski's I / (I − 1) over all groups is
    here the geometric mean of the factors of the two sides. Ranks as in Sun & Xu 2014 (doi:10.1109/LSP.2014.2337313).

    Returns:
        float64 [K], NaN for a class that none or all images belong to; and float64 [G, K]: the covariance of two
        AUROCs, of the same or of two models on the same images, is the sum of products over the groups.
    """
    columns = [_one_class(images, k) for k in range(images.num_classes)]
    return np.array([area for area, _ in columns]), np.stack([of_groups for _, of_groups in columns], axis=1)


def _one_class(images: Labelled, k: int) -> tuple[float, np.ndarray]:
    positive = images.labels == k
    if not positive.any() or positive.all():
        return np.nan, np.full(images.num_groups, np.nan)
    scores = images.probabilities[:, k]
    placements, ranks = np.empty(len(images)), stats.rankdata(scores)
    for side in (positive, ~positive):
        placements[side] = (ranks[side] - stats.rankdata(scores[side])) / (~side).sum()
    placements[~positive] = 1 - placements[~positive]
    area = placements[positive].mean()
    total = np.zeros(images.num_groups)
    for side in (positive, ~positive):
        holding = (images.of_groups(side) > 0).sum()
        correction = np.sqrt(holding / (holding - 1)) if holding > 1 else np.nan
        total += correction * images.of_groups(np.where(side, placements - area, 0.0)) / side.sum()
    return float(area), total
