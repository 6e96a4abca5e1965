"""Thresholds on the probability of a class, set on the calibration split to reach a sensitivity or a specificity."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from medjax.counted import counted
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.uncertainty import MIN_GROUPS

GOALS = ("sensitivity", "specificity")
_ROUNDING = 1e-9  # 0.07 · 100 is 7.000000000000001, which asks for 7 images and not for 8


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A class is called where its probability is at least this.

    Attributes:
      asked: the sensitivity or specificity it is to reach, in (0, 1).
      value: None where there is none; above 1 where the class is never to be called.
      reached: what the calibration split reaches with it; None where there is none.
      basis: the images it rests on, or why there is none.
    """

    asked: float
    value: float | None
    reached: float | None
    basis: str


def fit(images: Labelled, goal: str, asked: float) -> tuple[Threshold, ...]:
    """Set the threshold of each class against all others.

    Args:
      images: of the calibration split, their probabilities after temperature.
      goal: "sensitivity": the highest threshold that reaches it, so that the specificity is as high as can be; or
        "specificity": the lowest one that reaches it.
      asked: in (0, 1).

    Returns:
      K thresholds; none for a class that fewer than 20 groups hold (or, for specificity, the others).
    """
    return tuple(_of_class(images, k, goal, asked) for k in range(images.num_classes))


def _of_class(images: Labelled, k: int, goal: str, asked: float) -> Threshold:
    judged = images.labels == k if goal == "sensitivity" else images.labels != k
    groups = len(np.unique(images.groups[judged]))
    whose = "the class" if goal == "sensitivity" else "the other classes"
    if groups < MIN_GROUPS:
        return Threshold(asked, None, None, f"none: {counted(groups, 'group')} of {whose}; {MIN_GROUPS} are needed")
    scores = np.sort(images.probabilities[judged, k])
    wanted = math.ceil(asked * len(scores) - _ROUNDING)  # images on the right side
    if goal == "sensitivity":
        value = float(scores[-wanted])
        reached = float((scores >= value).mean())
    else:
        value = float(np.nextafter(scores[wanted - 1], np.inf))
        reached = float((scores < value).mean())
    return Threshold(asked, value, reached, f"{counted(len(scores), 'image')} of {counted(groups, 'group')} of {whose}")


def called(probabilities: np.ndarray, thresholds: tuple[Threshold, ...]) -> np.ndarray:
    """Return which classes are called: float64 [N, K] -> float64 [N, K], 1 or 0; NaN where there is no threshold."""
    values = np.array([math.nan if one.value is None else one.value for one in thresholds])
    return np.where(np.isnan(values), np.nan, probabilities >= values)
