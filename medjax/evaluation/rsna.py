"""The score of the RSNA 2024 lumbar spine challenge, of a prediction table.

It is the mean of four weighted log losses, each Σ w ℓ / Σ w with the weight 1, 2 or 4 of a target that is normal or
mild, moderate, or severe: of the three conditions, and of whether any level of a study's spinal canal is severe.
A study's probability of the latter is the highest of its levels', its weight the largest of theirs. Targets without
a label are not scored; all others are, whether they have an image or not.
"""

from typing import Any

import numpy as np

from medjax.datasets.rsna_tables import CONDITIONS, SEVERITIES
from medjax.evaluation import bootstrap
from medjax.evaluation.labelled import number
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.uncertainty import MIN_GROUPS, Interval, resampled

_WEIGHTS = np.array([1.0, 2.0, 4.0])  # of SEVERITIES
_SEVERE = SEVERITIES.index("Severe")
_SPINAL = "spinal_canal_stenosis"
_ANY_SEVERE = "any_severe_spinal"
_FLOOR = float(np.finfo(np.float64).eps)  # the challenge's code keeps probabilities this far from 0 and 1


def applies(predictions: Predictions) -> bool:
    """Return whether a table holds the challenge's targets: its grades, its conditions, and ids "study/target"."""
    return (
        predictions.class_names == SEVERITIES
        and {"condition", "level", "side"} <= set(predictions.columns)
        and set(predictions.columns["condition"]) <= set(CONDITIONS)
        and all("/" in image_id for image_id in predictions.image_ids)
    )


def score(predictions: Predictions, without_image: Predictions | None = None) -> dict[str, Any]:
    """Compute the challenge's score; lower is better.

    Args:
        predictions: see `applies`; one row a target that has an image.
        without_image: the other targets of the same studies, predicted by other means.

    Returns:
        rsna_2024_score (NaN where one of the four losses has no target) with its interval and basis, by a bootstrap
        over groups; rsna_2024 {losses (the four, by name), targets, targets_without_image, targets_without_label,
        warnings}.
    """
    tables = [predictions] if without_image is None else [predictions, without_image]
    labels, probabilities = (np.concatenate([getattr(t, name) for t in tables]) for name in ("labels", "probabilities"))
    condition = np.array([name for table in tables for name in table.columns["condition"]])
    studies = np.array([image_id.split("/")[0] for table in tables for image_id in table.image_ids])
    groups = np.array([group for table in tables for group in table.group_ids])
    scored = labels >= 0
    sums = _sums(labels[scored], probabilities[scored], condition[scored], studies[scored], groups[scored])
    losses = _losses(np.ones((1, len(next(iter(sums.values())))), np.int64), sums)
    value = float(np.mean([loss[0] for loss in losses.values()]))
    interval = _interval(value, sums)
    missing = [name for name, loss in losses.items() if np.isnan(loss[0])]
    warnings = [f"no target of {name} has a label: the RSNA 2024 score is undefined" for name in missing]
    return {
        "rsna_2024_score": value,
        "rsna_2024_score_interval": list(interval.bounds) if interval.bounds else None,
        "rsna_2024_score_interval_basis": interval.basis,
        "rsna_2024": {
            "losses": {name: float(loss[0]) for name, loss in losses.items()},
            "targets": int(scored.sum()),
            "targets_without_image": int(scored[len(predictions) :].sum()),
            "targets_without_label": int((~scored).sum()),
            "warnings": warnings,
        },
    }


def _sums(
    labels: np.ndarray, probabilities: np.ndarray, condition: np.ndarray, studies: np.ndarray, groups: np.ndarray
) -> dict[str, np.ndarray]:
    """Return Σ w ℓ and Σ w of every group, float64 [G, 2], for each of the four losses."""
    numbers = number(groups.tolist())
    size = int(numbers.max(initial=-1)) + 1
    loss, weight = _loss(probabilities[np.arange(len(labels)), labels]), _WEIGHTS[labels]
    sums = {name: _of_groups(condition == name, loss, weight, numbers, size) for name in CONDITIONS}
    spinal = np.flatnonzero(condition == _SPINAL)
    _, first, study = np.unique(studies[spinal], return_index=True, return_inverse=True)
    worst, called, heaviest = (np.zeros(len(first)) for _ in range(3))
    np.maximum.at(worst, study, labels[spinal] == _SEVERE)
    np.maximum.at(called, study, probabilities[spinal, _SEVERE])
    np.maximum.at(heaviest, study, weight[spinal])
    any_severe = _loss(np.where(worst == 1, called, 1 - called))
    every = np.ones(len(first), bool)
    return sums | {_ANY_SEVERE: _of_groups(every, any_severe, heaviest, numbers[spinal][first], size)}


def _loss(probability: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(probability, _FLOOR, 1 - _FLOOR))


def _of_groups(chosen: np.ndarray, loss: np.ndarray, weight: np.ndarray, groups: np.ndarray, size: int) -> np.ndarray:
    columns = (weight * loss, weight)
    return np.stack([np.bincount(groups[chosen], column[chosen], size) for column in columns], axis=1)


def _losses(counts: np.ndarray, sums: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the four losses [R] of resamples, int [R, G] times that each group is drawn."""
    losses = {}
    for name, of_groups in sums.items():
        total, weight = (counts @ of_groups).T
        losses[name] = np.divide(total, weight, out=np.full(len(total), np.nan), where=weight > 0)
    return losses


def _interval(value: float, sums: dict[str, np.ndarray]) -> Interval:
    groups = len(sums[_SPINAL])
    if np.isnan(value):
        return Interval(None, "not estimable: the value itself is undefined")
    if groups < MIN_GROUPS:
        return Interval(None, f"not estimable: {groups} groups; {MIN_GROUPS} are needed")
    draws = bootstrap.group_counts(groups, bootstrap.RESAMPLES, max(1, bootstrap.ELEMENTS // groups))
    losses = [_losses(counts, sums) for counts in draws]
    return resampled(np.concatenate([np.mean(list(part.values()), axis=0) for part in losses]), groups, "groups")
