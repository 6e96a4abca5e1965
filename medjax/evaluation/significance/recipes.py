"""Two recipes, each trained with several seeds and judged on the same test images."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from medjax.evaluation.labelled import Labelled
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.significance.delong import auroc_influences
from medjax.evaluation.significance.influence import influences
from medjax.evaluation.significance.matched import matched
from medjax.evaluation.significance.paired import Paired, by_error, untested


def compare_recipes(a: Sequence[Predictions], b: Sequence[Predictions], metric: str, ordered: bool = False) -> Paired:
    """Compare the mean over the seeds of recipe b with that of recipe a, as to new seeds and new test images.

    Seeds are to a recipe what readers are to an imaging method when each reader works with one method only: the
    analysis of such studies (Obuchowski & Rockette 1995, doi:10.1080/03610919508813243; readers nested in methods:
    Hillis 2014, doi:10.1002/sim.5926). Variance of the difference = s²a / na + s²b / nb + c, where s² is the variance
    of the metric between the seeds of a recipe, n their number, and c, at least 0, is what the test images add: the
    mean covariance over test groups of two seeds of one recipe, summed over both recipes, less twice that of two seeds
    of different recipes. Student's t; the degrees of freedom are Satterthwaite's, n − 1 for each s² and groups − 1 for
    c. Other than by Hillis, the variance between seeds is not assumed equal in both recipes.

    With two or three seeds, variation between seeds is known badly and the interval is wide: it is honest, but has
    little power where seeds, not test images, dominate. More seeds are the remedy.

    Args:
        a, b: one table a seed; all of the same images, labels and groups.
        metric, ordered: as for `compare_pair`.

    Raises:
        UserError: as for `compare_pair`.
        ValueError: a recipe without a table.
    """
    if not a or not b:
        raise ValueError(f"each recipe needs the predictions of its seeds; got {len(a)} and {len(b)} tables")
    seeds = matched([*a, *b], ordered)
    return compare_seeds(seeds[: len(a)], seeds[len(a) :], metric)


def compare_seeds(first: Sequence[Labelled], second: Sequence[Labelled], metric: str) -> Paired:
    """Compare as `compare_recipes` does, from the labelled images as `matched` returns them."""
    values, of_groups = zip(*(influences(images, metric) for images in (*first, *second)), strict=True)
    ranked = range(first[0].num_classes) if metric == "macro_auroc" else ()
    return _compared(metric, first[0], ranked, np.array(values), np.stack(of_groups), len(first))


def compare_classes(a: Sequence[Predictions], b: Sequence[Predictions]) -> dict[str, Paired]:
    """Compare the one-vs-rest AUROC of each class: class name -> as of `compare_recipes`, with the metric "auroc"."""
    seeds = matched([*a, *b], False)
    areas, of_groups = zip(*map(auroc_influences, seeds), strict=True)
    return {
        name: _compared(
            "auroc", seeds[0], [k], np.array(areas)[:, k], np.stack([one[:, k] for one in of_groups]), len(a)
        )
        for k, name in enumerate(seeds[0].class_names)
    }


def _compared(
    metric: str, images: Labelled, ranked: Sequence[int], values: np.ndarray, of_groups: np.ndarray, first: int
) -> Paired:
    """Compare from the metric of every seed, float64 [S], and its influences, [S, G]; `first` seeds are of recipe a."""
    values_a, values_b = values[:first], values[first:]
    found = untested(metric, values_b.mean() - values_a.mean(), images, ranked)
    if found.basis:
        return found
    if min(len(values_a), len(values_b)) < 2:
        reason = "not estimable: a recipe of one seed does not show how much seeds vary; 2 are needed"
        return dataclasses.replace(found, basis=reason)
    parts = [
        (float(values_a.var(ddof=1)) / len(values_a), len(values_a) - 1),
        (float(values_b.var(ddof=1)) / len(values_b), len(values_b) - 1),
        (_of_images(of_groups, first), found.groups - 1),
    ]
    error, freedom = combined(parts)
    basis = f"variation between {len(values_a)} and {len(values_b)} seeds and between {found.groups:,} groups"
    return by_error(found, error, freedom, "Obuchowski–Rockette, seeds as readers", basis)


def _of_images(of_groups: np.ndarray, first: int) -> float:
    """Variance of the difference that comes from the test groups and is common to the seeds of a recipe.

    Args:
        of_groups: influences, float64 [seeds of both recipes, G], of which `first` are of recipe a.
    """
    covariances = of_groups @ of_groups.T
    within = [between_seeds(own) for own in (covariances[:first, :first], covariances[first:, first:])]
    return max(0.0, float(sum(within) - 2 * covariances[:first, first:].mean()))


def between_seeds(covariances: np.ndarray) -> float:
    """Return the mean covariance of two seeds of one recipe: float64 [S, S], S at least 2."""
    seeds = len(covariances)
    return (covariances.sum() - np.trace(covariances)) / (seeds * (seeds - 1))


def combined(parts: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """Return the root of the summed variances and Satterthwaite's degrees of freedom; parts: (variance, its own)."""
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / freedom for part, freedom in parts)
    return math.sqrt(variance), variance**2 / spread if spread > 0 else math.inf
