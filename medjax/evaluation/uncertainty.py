"""Which interval each metric gets, and why some get none."""

import dataclasses
from typing import Any

import numpy as np

from medjax.evaluation import bootstrap, calibration, intervals
from medjax.evaluation.labelled import Labelled

MIN_GROUPS = 20
MAX_UNDEFINED = 0.05  # of the resamples
_DECIMALS = 6  # far below the chance of 2,000 resamples, and above what the order of a sum changes
_PROPORTIONS = ("accuracy", "sensitivity", "specificity")
_AUROC = ("auroc", "macro_auroc")


@dataclasses.dataclass(frozen=True)
class Interval:
    """Attributes: bounds (None: no interval) and basis, the method in words or the reason why there is none."""

    bounds: tuple[float, float] | None
    basis: str


class Uncertainty:
    """Intervals of the metrics of some images; the resamples are drawn once, when made."""

    def __init__(self, images: Labelled):
        self.images = images
        self.sizes = images.of_groups(np.ones(len(images)))
        self.enough = images.num_groups >= MIN_GROUPS
        self.replicates = bootstrap.replicates(images) if self.enough else {}

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

    def interval(self, name: str, value: float, k: int | None = None) -> Interval:
        """Return the interval of a metric, of class number k or of all images. Args: value is the point estimate."""
        groups = self.images.num_groups
        if len(self.images) == 0 or np.isnan(value):
            return Interval(None, "not estimable: the value itself is undefined")
        if not self.enough:
            return Interval(None, f"not estimable: {_count(groups, 'group')}; {MIN_GROUPS} are needed")
        if name in _PROPORTIONS:
            return self._proportion(name, k)
        return self._resampled(name, value, k)

    def _proportion(self, name: str, k: int | None) -> Interval:
        images = self.images
        right, among = images.predicted == images.labels, np.ones(len(images), bool)
        if k is not None:
            among = images.labels == k if name == "sensitivity" else images.labels != k
            right = (images.predicted == k) if name == "sensitivity" else (images.predicted != k)
        sizes = images.of_groups(among)
        hits, trials = float((right & among).sum()), float(sizes.sum())
        holding = int((sizes > 0).sum())
        if self.sizes.max() == 1:
            return _rounded(intervals.wilson(hits, trials), f"Wilson, {_count(int(trials), 'image')}")
        if holding < MIN_GROUPS:
            return Interval(None, f"not estimable: {_count(holding, 'group')} of it; {MIN_GROUPS} are needed")
        if hits in (0, trials):
            worth = intervals.effective_trials(sizes[sizes > 0])
            text = f"Wilson, {holding:,} groups worth {worth:.1f} images"
            return _rounded(intervals.wilson(hits / trials * worth, worth), text)
        return self._resampled(name, hits / trials, k)

    def _resampled(self, name: str, value: float, k: int | None) -> Interval:
        values = self.replicates[name] if k is None else self.replicates[name][:, k]
        undefined = float(np.isnan(values).mean())
        if undefined > MAX_UNDEFINED:
            text = f"not estimable: undefined in {undefined:.1%} of the resamples, which lack images it needs"
            return Interval(None, text)
        if name in _AUROC and value in (0, 1):
            return self._perfect(value, k)
        low, high = intervals.percentiles(values, self.images.num_groups)
        if low == high:
            return Interval(None, "not estimable: all resamples give the same value")
        unit = "groups" if self.sizes.max() > 1 else "images"
        basis = f"bootstrap over {self.images.num_groups:,} {unit}"
        if name == "expected_calibration_error":
            # The estimator corrects a bias, and the error of the images themselves, which is what the resamples
            # estimate, is the plain one: the basic interval (Davison & Hinkley 1997, §5.2) compares the two.
            _, plain = calibration.calibration_error(self.images)
            low, high = max(0.0, value - (high - plain)), max(0.0, value - (low - plain))
            basis = f"basic {basis}"
        return _rounded((low, high), basis)

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
        text = f"exact, {_count(min(pairs), 'disjoint pair')} of groups"
        return _rounded((bound, 1.0) if value == 1 else (0.0, 1 - bound), text)


def _rounded(bounds: tuple[float, float], basis: str) -> Interval:
    low, high = (round(float(bound), _DECIMALS) for bound in bounds)
    return Interval((low, high), basis)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
