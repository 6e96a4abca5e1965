"""Recipes compared on one test set: figures side by side, and a test of every pair."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from medjax.counted import listed
from medjax.errors import UserError
from medjax.evaluation import intervals
from medjax.evaluation.against_baselines import NAMES, SHOWN, verdict
from medjax.evaluation.compared_runs import Recipe, mean_costs
from medjax.evaluation.significance import paired
from medjax.evaluation.significance import recipes as seeds
from medjax.evaluation.significance.holm import holm
from medjax.evaluation.significance.influence import influences
from medjax.evaluation.significance.matched import matched, not_estimable
from medjax.evaluation.significance.paired import Paired
from medjax.evaluation.wording import METRICS, sentence

_BOUNDS = {"mcc": (-1.0, 1.0), "quadratic_kappa": (-1.0, 1.0), "log_loss": (0.0, math.inf), "brier_score": (0.0, 2.0)}


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two recipes compared.

    Attributes:
      first, second: their labels.
      found: in the primary metric, second minus first.
      p_value: Holm's; None without a test.
      sentence: what can be said.
      classes: in the one-vs-rest AUROC of each class, by its name; beside the test, so no p-value is adjusted for it.
    """

    first: str
    second: str
    found: Paired
    p_value: float | None
    sentence: str
    classes: dict[str, Paired]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """All that a comparison says.

    Attributes:
      demo: nothing of it is a result.
      metric: the primary one, which is tested.
      recipes: in the order given.
      figures: of each recipe by metric, the primary one first; keys as in evaluation.json, with <name>_interval.
      costs: of each recipe, as in costs.json; means over its runs.
      pairs: every two recipes; none where there is one recipe.
      baselines: of each recipe, what it has beaten and what not.
      images, groups: of the test set.
    """

    demo: bool
    metric: str
    recipes: list[Recipe]
    figures: list[dict[str, Any]]
    costs: list[dict[str, Any]]
    pairs: list[Pair]
    baselines: list[str]
    images: int
    groups: int


def compare(recipes: Sequence[Recipe], metric: str | None = None) -> Comparison:
    """Compare recipes that were judged on the same test images.

    Args:
      recipes: each of one run or of several seeds.
      metric: the primary one; None for that of the runs.

    Raises:
      UserError: the runs name different primary metrics, were judged on different images, or the metric is not theirs.
    """
    metric = metric or _agreed_metric(recipes)
    if metric not in METRICS:
        raise UserError(f"--primary={metric} is none of the metrics that are tested: {', '.join(METRICS)}.")
    ordered = bool(recipes[0].runs[0].evaluation["ordered"])
    _check_same_images(recipes, ordered)
    images = matched([recipes[0].tables[0]], ordered)[0]
    names = list(dict.fromkeys((metric, *SHOWN)))
    return Comparison(
        demo=bool(recipes[0].runs[0].evaluation["demo"]),
        metric=metric,
        recipes=list(recipes),
        figures=[_figures(recipe, names, ordered) for recipe in recipes],
        costs=[mean_costs([run.costs for run in recipe.runs]) for recipe in recipes],
        pairs=_pairs(recipes, metric, ordered),
        baselines=[text for recipe in recipes for text in _verdict(recipe)],
        images=len(images),
        groups=images.num_groups,
    )


def _agreed_metric(recipes: Sequence[Recipe]) -> str:
    named = {run.primary for recipe in recipes for run in recipe.runs}
    if len(named) > 1:
        raise UserError(f"the runs' primary metrics differ ({', '.join(sorted(named))}): choose one with --primary=….")
    return named.pop()


def _check_same_images(recipes: Sequence[Recipe], ordered: bool) -> None:
    """Raise UserError where two test sets differ: it counts the images, and says by what splits they were drawn."""
    first, *others = [(recipe.label, run) for recipe in recipes for run in recipe.runs]
    for label, run in others:
        try:
            matched([first[1].predictions, run.predictions], ordered)
        except UserError as error:
            hashes = f"{first[1].splits_hash[:12] or 'none'} and {run.splits_hash[:12] or 'none'}"
            raise UserError(
                f"{first[0]} and {label}: {error}. Their splits.json have the SHA-256 {hashes}: train both on "
                "one split, with --config.split.file=…"
            ) from error


def _pairs(recipes: Sequence[Recipe], metric: str, ordered: bool) -> list[Pair]:
    couples = list(itertools.combinations(recipes, 2))
    found = [_compare(a, b, metric, ordered) for a, b in couples]
    adjusted = iter(holm([one.p_value for one in found if one.p_value is not None]))
    p_values = [None if one.p_value is None else next(adjusted) for one in found]
    return [
        Pair(
            a.label,
            b.label,
            one,
            p_value,
            f"{_scope(a, b)}: {sentence(a.label, b.label, one, p_value, len(found) > 1)}",
            _compare_classes(a, b),
        )
        for (a, b), one, p_value in zip(couples, found, p_values, strict=True)
    ]


def _compare(a: Recipe, b: Recipe, metric: str, ordered: bool) -> Paired:
    if _single(a, b):
        return paired.compare_pair(a.tables[0], b.tables[0], metric, ordered)
    return seeds.compare_recipes(a.tables, b.tables, metric, ordered)


def _compare_classes(a: Recipe, b: Recipe) -> dict[str, Paired]:
    if _single(a, b):
        return paired.compare_classes(a.tables[0], b.tables[0])
    return seeds.compare_classes(a.tables, b.tables)


def _single(a: Recipe, b: Recipe) -> bool:
    return len(a.runs) == len(b.runs) == 1


def _scope(a: Recipe, b: Recipe) -> str:
    """What a sentence is about: a test of two single runs says nothing of the methods that made them."""
    if _single(a, b):
        return "These models, one run each"
    return f"These methods, {len(a.runs)} and {len(b.runs)} seeds"


def _figures(recipe: Recipe, names: Sequence[str], ordered: bool) -> dict[str, Any]:
    if len(recipe.runs) == 1:
        held = recipe.runs[0].figures
        return {key: held.get(key) for name in names for key in (name, f"{name}_interval")}
    figures: dict[str, Any] = {}
    for name in names:
        figures[name], figures[f"{name}_interval"] = mean_of_seeds(recipe, name, ordered)
    return figures


def mean_of_seeds(recipe: Recipe, metric: str, ordered: bool) -> tuple[float | None, list[float] | None]:
    """Return the mean of a metric over the seeds of a recipe, and its 95 % interval as to new seeds and test images.

    As in `compare_recipes` with one recipe: variance = s² / n + c, where s² is the variance between the n seeds and c
    the mean covariance over test groups of two seeds; Student's t with Satterthwaite's degrees of freedom.
    """
    tables = matched(recipe.tables, ordered)
    values, of_groups = zip(*(influences(table, metric) for table in tables), strict=True)
    mean, count = float(np.mean(values)), len(values)
    if math.isnan(mean):
        return None, None
    ranked = range(tables[0].num_classes) if metric == "macro_auroc" else ()
    if not_estimable(tables[0], mean, ranked):
        return mean, None
    shared = max(0.0, float(seeds.between_seeds(np.stack(of_groups) @ np.stack(of_groups).T)))
    between = float(np.var(values, ddof=1)) / count
    error, freedom = seeds.combined([(between, count - 1), (shared, tables[0].num_groups - 1)])
    if not error > 0:
        return mean, None
    half = float(stats.t.isf((1 - intervals.LEVEL) / 2, freedom)) * error
    low, high = _BOUNDS.get(metric, (0.0, 1.0))
    return mean, [max(low, mean - half), min(high, mean + half)]


def _verdict(recipe: Recipe) -> list[str]:
    """Say what a recipe's models have beaten of their baselines."""
    against = [run.evaluation.get("baselines") or {} for run in recipe.runs]
    if not all(against):
        return [f"{recipe.label}: no baselines were kept, so nothing can be said of them."]
    if len(against) == 1:
        return verdict(against[0], recipe.label)
    beaten = {name: sum(one[name]["beaten"] for one in against) for name in against[0]}
    return [
        f"{recipe.label}: "
        + listed([f"{count} of {len(against)} seeds beat {NAMES[name]}" for name, count in beaten.items()])
        + "."
    ]
