"""Which interval each metric gets, and why some get none."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from medjax.counted import counted
from medjax.evaluation import bootstrap, calibration, intervals
from medjax.evaluation.labelled import Labelled

MIN_GROUPS = 20
MAX_UNDEFINED = 0.05  # of the resamples
DECIMALS = 6  # far below the chance of 2,000 resamples, and above what the order of a sum changes
_PROPORTIONS = ("accuracy", "sensitivity", "specificity")
_AUROC = ("auroc", "macro_auroc")
_SHARES = (  # other than the proportions: between 0 and 1, and thus given on the logit scale
    *_AUROC,
    "balanced_accuracy",
    "precision",
    "npv",
    "ppv_at_prevalence",
    "npv_at_prevalence",
    "f1",
    "macro_f1",
    "weighted_f1",
    "average_precision",
    "macro_average_precision",
)


@dataclasses.dataclass(frozen=True)
class Interval:
    """Attributes: bounds (None: no interval) and basis, the method in words or the reason why there is none."""

    bounds: tuple[float, float] | None
    basis: str


class Uncertainty:
    """Intervals of the metrics of some images; the resamples are drawn once, when made.

    Args:
        families: see bootstrap.replicates.
    """

    def __init__(self, images: Labelled, families: Sequence[ModuleType] = bootstrap.FAMILIES):
        self.images = images
        self.sizes = images.of_groups(np.ones(len(images)))
        self.enough = images.num_groups >= MIN_GROUPS
        self.replicates = bootstrap.replicates(images, families) if self.enough else {}

    def describe(self) -> dict[str, Any]:
        """Return what stands beside the intervals in evaluation.json."""
        support = self.replicates.get("support", np.zeros((0, self.images.num_classes)))
        lacking = (support == 0).sum(axis=0)
        return {
            "level": intervals.LEVEL,
            "groups": self.images.num_groups,
            "largest_group": int(self.sizes.max(initial=0)),
            "resamples": len(support),
            "seed": bootstrap.SEED,
            "resamples_lacking_a_class": dict(zip(self.images.class_names, lacking.tolist(), strict=True)),
        }

    def beside(self, values: Mapping[str, Any], k: int | None = None) -> dict[str, Any]:
        """Put <name>_interval and <name>_interval_basis beside each metric's value, of class k or of all images."""
        result: dict[str, Any] = {}
        for name, value in values.items():
            key = f"class_{name}" if k is not None and name.startswith("calibration") else name
            interval = self.interval(key, float(value), k)
            # the estimate corrects a bias, which may take more away than there is
            result[name] = max(float(value), 0.0) if name == "expected_calibration_error" else float(value)
            result[f"{name}_interval"] = list(interval.bounds) if interval.bounds else None
            result[f"{name}_interval_basis"] = interval.basis
        return result

    def interval(self, name: str, value: float, k: int | None = None) -> Interval:
        """Return the interval of a metric, of class number k or of all images. Args: value is the point estimate."""
        if name in _PROPORTIONS:
            return self.proportion(*self._judged(name, k), lambda: self._values(name, k))
        return self._refusal(value) or self._resampled(name, value, k)

    def proportion(self, right: np.ndarray, weights: np.ndarray, values: Callable[[], np.ndarray]) -> Interval:
        """Return the interval of a share of the images, by Wilson's method wherever it applies.

        Args:
            right: bool [N].
            weights: float64 [N], 0 for the images that it is no share of; 0 or 1 where every group is one image.
            values: gives the share in each resample, float64 [R]; asked only where it is needed.
        """
        sizes, hits, trials = self.images.of_groups(weights), float((weights * right).sum()), float(weights.sum())
        refusal = self._refusal(hits / trials if trials else np.nan)
        if refusal:
            return refusal
        holding = int((sizes > 0).sum())
        if self.sizes.max() == 1:
            return _rounded(intervals.wilson(hits, trials), f"Wilson, {counted(int(trials), 'image')}")
        if holding < MIN_GROUPS:
            return Interval(None, f"not estimable: {counted(holding, 'group')} of it; {MIN_GROUPS} are needed")
        if hits in (0, trials):
            worth = intervals.effective_trials(sizes[sizes > 0])
            text = f"Wilson, {holding:,} groups worth {worth:.1f} images"
            return _rounded(intervals.wilson(hits / trials * worth, worth), text)
        return self.mean(hits / trials, values, share=True)

    def mean(self, value: float, values: Callable[[], np.ndarray], share: bool = False) -> Interval:
        """Return the interval of what was computed apart, value and values as for `proportion`; share: of a share."""
        unit = "groups" if self.sizes.max(initial=0) > 1 else "images"
        return self._refusal(value) or resampled(values(), self.images.num_groups, unit, value if share else None)

    def _refusal(self, value: float) -> Interval | None:
        """Say why nothing of these images has an interval, or why this value has none."""
        if len(self.images) == 0 or np.isnan(value):
            return Interval(None, "not estimable: the value itself is undefined")
        if not self.enough:
            groups = counted(self.images.num_groups, "group")
            return Interval(None, f"not estimable: {groups}; {MIN_GROUPS} are needed")
        return None

    def band(self, name: str, k: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the ends of the intervals, float64 [P] each, of the points of a curve of class k; None: not estimable.

        The points are taken one by one: that all of them hold at once is less certain than 95 %.
        """
        if not self.enough:
            return None
        values = self.replicates[name][:, k].astype(np.float64)
        if undefined(values) > MAX_UNDEFINED:
            return None
        return intervals.percentiles(values[~np.isnan(values).any(axis=1)], self.images.num_groups)

    def _judged(self, name: str, k: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Which images are right, bool [N], and which count, float64 [N], for accuracy, sensitivity or specificity."""
        labels, predicted = self.images.labels, self.images.predicted
        if k is None:
            return predicted == labels, np.ones(len(labels))
        of_class = name == "sensitivity"
        return (predicted == k) == of_class, ((labels == k) == of_class).astype(np.float64)

    def _values(self, name: str, k: int | None) -> np.ndarray:
        return self.replicates[name] if k is None else self.replicates[name][:, k]

    def _resampled(self, name: str, value: float, k: int | None) -> Interval:
        values = self._values(name, k)
        if name in _AUROC and value in (0, 1) and undefined(values) <= MAX_UNDEFINED:
            return self._perfect(value, k)
        found = self.mean(value, lambda: values, share=name in _SHARES)
        if name != "expected_calibration_error" or not found.bounds:
            return found
        # The estimator corrects a bias, and the error of the images themselves, which is what the resamples
        # estimate, is the plain one: the basic interval (Davison & Hinkley 1997, §5.2) compares the two.
        _, plain = calibration.calibration_error(self.images)
        low, high = found.bounds
        low, high = max(0.0, value - (high - plain)), max(0.0, value - (low - plain))
        return _rounded((low, high), f"basic {found.basis}")

    def _perfect(self, value: float, k: int | None) -> Interval:
        """Exact bound of an AUROC of 1 or 0; of the mean of K classes by Bonferroni, of two classes they are one."""
        classes = self.images.num_classes
        chosen = [k] if k is not None else [1] if classes == 2 else list(range(classes))
        bounds, pairs = [], []
        for one in chosen:
            of_class = self.images.labels == one
            held = [self.images.of_groups(side) > 0 for side in (of_class, ~of_class)]
            pairs.append(intervals.disjoint_pairs(held[0], held[1]))
            bounds.append(intervals.all_in_order(pairs[-1], (1 - intervals.LEVEL) / 2 / len(chosen)))
        bound = float(np.mean(bounds))
        text = f"exact, {counted(min(pairs), 'disjoint pair')} of groups"
        return _rounded((bound, 1.0) if value == 1 else (0.0, 1 - bound), text)


def resampled(values: np.ndarray, groups: int, unit: str, share: float | None = None) -> Interval:
    """Return the interval of a metric from resamples, float64 [R], NaN where it is undefined in one.

    Args:
        groups: how many were drawn from, at least 20.
        unit: what they are, "groups" or "images".
        share: the metric itself, if it is one that lies between 0 and 1: the interval is formed on the logit scale, not
            by percentiles.
    """
    lacking = undefined(values)
    if lacking > MAX_UNDEFINED:
        return Interval(None, f"not estimable: undefined in {lacking:.1%} of the resamples, which lack images it needs")
    low, high = map(float, intervals.percentiles(values, groups))
    if low == high:
        return Interval(None, "not estimable: all resamples give the same value")
    basis = f"bootstrap over {groups:,} {unit}"
    if share is not None and 0 < share < 1:
        return _rounded(intervals.on_logit_scale(share, values, groups), f"{basis}, logit scale")
    return _rounded((low, high), basis)


def undefined(values: np.ndarray) -> float:
    """Return the share of the resamples in which a metric is NaN."""
    return float(np.isnan(values).mean())


def _rounded(bounds: tuple[float, float], basis: str) -> Interval:
    low, high = (round(float(bound), DECIMALS) for bound in bounds)
    return Interval((low, high), basis)
