"""Two models on the same test images: difference of a metric, its interval, and a test.

A test of two single models says nothing of the methods that made them; recipes.py compares those.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from medjax.evaluation import bootstrap, confusion, intervals, scores
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.significance import influence, mcnemar, permutation
from medjax.evaluation.significance.delong import auroc_influences
from medjax.evaluation.significance.matched import matched, not_estimable, single_images
from medjax.evaluation.uncertainty import resampled

POWER = 0.8  # of the smallest difference that could be shown


@dataclasses.dataclass(frozen=True)
class Paired:
    """The second model, or recipe, compared with the first.

    Attributes:
        metric: key as in evaluation.json; of log_loss and brier_score, less is better.
        difference: second minus first; NaN where the metric is undefined.
        interval: 95 % interval of the difference; None: not estimable.
        p_value: two-sided, of no difference; None: not estimable.
        test: its name; None without one.
        detectable: smallest difference that such a test set shows with 80 % power at the 5 % level, two-sided; None
            where it is not estimable or no image tells the models apart.
        images, groups: labelled ones; an image whose group is unknown is a group of its own.
        basis: method of the interval, or why there is none.
    """

    metric: str
    difference: float
    interval: tuple[float, float] | None
    p_value: float | None
    test: str | None
    detectable: float | None
    images: int
    groups: int
    basis: str


def compare_pair(a: Predictions, b: Predictions, metric: str, ordered: bool = False) -> Paired:
    """Compare model b with model a on the labelled images of one test set; the order of the rows does not matter.

    accuracy: McNemar's test where every group is one image. macro_auroc: DeLong's test, with the placements summed
    within larger groups. Otherwise: exchange of the two models within whole groups.

    Args:
        metric: one of `influence.METRICS`.
        ordered: the classes are degrees, lowest first.

    Raises:
        UserError: the tables are not of the same images, labels, groups and classes, or there is no such metric.
    """
    first, second = matched([a, b], ordered)
    return compare_images(first, second, metric)


def compare_images(first: Labelled, second: Labelled, metric: str) -> Paired:
    """Compare as `compare_pair` does, from the labelled images as `matched` returns them."""
    value_a, of_a = influence.influences(first, metric)
    value_b, of_b = influence.influences(second, metric)
    ranked = range(first.num_classes) if metric == "macro_auroc" else ()
    found = untested(metric, value_b - value_a, first, ranked)
    if found.basis:
        return found
    if metric == "macro_auroc":
        return _delong(found, of_b - of_a)
    test, p_value = _test(first, second, metric, found.difference)
    interval, basis = _interval(first, second, metric)
    detectable = smallest_detectable(_error(of_b - of_a), first.num_groups - 1)
    return dataclasses.replace(found, interval=interval, p_value=p_value, test=test, detectable=detectable, basis=basis)


def compare_classes(a: Predictions, b: Predictions) -> dict[str, Paired]:
    """Compare the one-vs-rest AUROC of each class: class name -> as of `compare_pair`, with the metric "auroc"."""
    first, second = matched([a, b], False)
    areas_a, of_a = auroc_influences(first)
    areas_b, of_b = auroc_influences(second)
    compared = {}
    for k, name in enumerate(first.class_names):
        found = untested("auroc", areas_b[k] - areas_a[k], first, [k])
        compared[name] = found if found.basis else _delong(found, of_b[:, k] - of_a[:, k])
    return compared


def untested(metric: str, difference: float, images: Labelled, ranked: Sequence[int]) -> Paired:
    """Return the bare difference; its basis says why there can be no more, or is "" where there can."""
    reason = not_estimable(images, difference, ranked) or ""
    return Paired(metric, float(difference), None, None, None, None, len(images), images.num_groups, reason)


def by_error(found: Paired, error: float, freedom: float, test: str, basis: str) -> Paired:
    """Test a difference that has a standard error, by Student's t (`freedom` infinite: normal)."""
    if error == 0:
        same = found.difference == 0
        basis = "not estimable: no group tells the models apart" if same else "not estimable: no variation"
        return dataclasses.replace(found, p_value=1.0 if same else None, test=test if same else None, basis=basis)
    half = float(stats.t.isf((1 - intervals.LEVEL) / 2, freedom)) * error
    return dataclasses.replace(
        found,
        interval=(found.difference - half, found.difference + half),
        p_value=float(2 * stats.t.sf(abs(found.difference) / error, freedom)),
        test=test,
        detectable=smallest_detectable(error, freedom),
        basis=basis,
    )


def smallest_detectable(error: float, freedom: float) -> float | None:
    """Difference that is found with 80 % power at the 5 % level, two-sided, from the standard error (Bloom 1995,
    doi:10.1177/0193841X9501900504); None where the error is undefined or 0."""
    if not error > 0:
        return None
    return float(stats.t.isf((1 - intervals.LEVEL) / 2, freedom) + stats.t.isf(1 - POWER, freedom)) * error


def _error(influences: np.ndarray) -> float:
    return float(np.sqrt((influences**2).sum()))


def _delong(found: Paired, influences: np.ndarray) -> Paired:
    error = _error(influences)
    if found.images == found.groups:
        return by_error(found, error, math.inf, "DeLong", "DeLong's covariance")
    test, basis = "DeLong, clustered", "covariance of placements summed within groups (Obuchowski)"
    return by_error(found, error, found.groups - 1, test, basis)


def _test(first: Labelled, second: Labelled, metric: str, difference: float) -> tuple[str, float]:
    """Return the name of the test and its p-value."""
    if metric == "accuracy" and single_images(first):
        only = _only_one_right(first, second)
        return f"McNemar, {'exact' if sum(only) < mcnemar.EXACT_BELOW else 'mid-p'}", mcnemar.mcnemar(*only)
    if metric in influence.MEANS:
        change = influence.image_values(second, metric) - influence.image_values(first, metric)
        of_groups = first.of_groups(change)[:, None]
        of_groups = of_groups[of_groups.any(axis=1)]
        p_value, every = permutation.exchange(
            len(of_groups), difference, lambda signs: (signs @ of_groups)[:, 0] / len(first)
        )
    else:
        p_value, every = _exchange_counts(first, second, metric, difference)
    return f"exchange within groups, {'all patterns' if every else f'{permutation.DRAWS:,} draws'}", p_value


def _exchange_counts(first: Labelled, second: Labelled, metric: str, difference: float) -> tuple[float, bool]:
    """Exchange the confusion matrices of groups: with sign s, each side is half of (both together ± s · change)."""
    of_first, of_second = influence.group_matrices(first), influence.group_matrices(second)
    together = np.asarray((of_first + of_second).sum(axis=0))
    change = of_second - of_first
    change = change[np.flatnonzero(abs(change).sum(axis=1))]

    def statistic(signs: np.ndarray) -> np.ndarray:
        moved = (change.T @ signs.T).T
        sides = [influence.count_metric((together + side * moved) / 2, metric) for side in (1, -1)]
        return sides[0] - sides[1]

    return permutation.exchange(change.shape[0], difference, statistic)


def _interval(first: Labelled, second: Labelled, metric: str) -> tuple[tuple[float, float] | None, str]:
    """Return the interval of the difference, or None, and its method, or why there is none."""
    if metric == "accuracy" and single_images(first):
        only = _only_one_right(first, second)
        return mcnemar.score_interval(*only, len(first), intervals.LEVEL), "Tango's score interval"
    family = scores if metric in ("log_loss", "brier_score") else confusion
    before, after = family.resampler(first), family.resampler(second)
    size = max(1, bootstrap.ELEMENTS // len(first))
    drawn = bootstrap.group_counts(first.num_groups, bootstrap.RESAMPLES, size)
    values = np.concatenate([after(counts)[metric] - before(counts)[metric] for counts in drawn])
    found = resampled(values, first.num_groups, "images" if single_images(first) else "groups")
    return found.bounds, f"paired {found.basis}" if found.bounds else found.basis


def _only_one_right(first: Labelled, second: Labelled) -> tuple[int, int]:
    """Count the images that only the first model gets right, and those that only the second does."""
    right, also = first.predicted == first.labels, second.predicted == second.labels
    return int((right & ~also).sum()), int((~right & also).sum())
