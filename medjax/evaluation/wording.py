"""Differences between models in words, with their interval and what was tested."""

from __future__ import annotations

import dataclasses
import math

from medjax.counted import counted
from medjax.evaluation.significance.paired import Paired

LEVEL = 0.05  # of a test, two-sided


@dataclasses.dataclass(frozen=True)
class Metric:
    """How to speak of a metric.

    Attributes:
      name: with a capital.
      more: what the better of two models is, as "more accurate"; "" where the metric has no such word.
      points: differences are given in points of 100.
      less_is_better: as of a loss.
    """

    name: str
    more: str = ""
    points: bool = False
    less_is_better: bool = False

    @property
    def noun(self) -> str:
        """The name within a sentence."""
        return self.name if self.name[1].isupper() else self.name[0].lower() + self.name[1:]

    def amount(self, value: float) -> str:
        """Write a difference, "3.1 points" or "0.012"; never 0 by rounding."""
        text = self.number(value)
        return f"{text} points" if self.points else text

    def number(self, value: float) -> str:
        """Write a difference without its unit."""
        scaled, decimals = (100 * value, 1) if self.points else (value, 3)
        smallest = 10.0**-decimals
        if 0 < abs(scaled) < smallest / 2:
            return f"{'−' if value < 0 else ''}<{smallest:.{decimals}f}"
        return f"{scaled:.{decimals}f}".replace("-", "−")


METRICS = {
    "accuracy": Metric("Accuracy", "more accurate", points=True),
    "balanced_accuracy": Metric("Balanced accuracy", points=True),
    "macro_f1": Metric("Macro F1"),
    "mcc": Metric("MCC"),
    "quadratic_kappa": Metric("Quadratic-weighted kappa"),
    "macro_auroc": Metric("Macro AUROC"),
    "log_loss": Metric("Log loss", less_is_better=True),
    "brier_score": Metric("Brier score", less_is_better=True),
}


def better(found: Paired) -> bool:
    """Return whether the second model is better than the first, chance or not."""
    return found.difference < 0 if METRICS[found.metric].less_is_better else found.difference > 0


def distinguishable(found: Paired, p_value: float | None) -> bool:
    """Return whether the test, with this p-value, tells the two models apart."""
    return p_value is not None and p_value < LEVEL


def sentence(first: str, second: str, found: Paired, p_value: float | None, adjusted: bool = False) -> str:
    """Say which of two models is better, by how much and how surely; or that nothing can be said.

    Args:
      first, second: names, as they were compared.
      found: second minus first.
      p_value: of the test, or what an adjustment made of it.
      adjusted: say that it is Holm's.
    """
    metric, where = METRICS[found.metric], tested_on(found)
    amount = "undefined" if math.isnan(found.difference) else metric.amount(found.difference)
    signed = f"{second} less {first}: {amount}"
    if p_value is None:
        return f"{first} and {second} are not tested in {metric.noun} on {where} ({signed}): {_reason(found)}."
    p_name = "Holm-adjusted p" if adjusted else "p"
    tested = f"{found.test} over {counted(found.groups, _unit(found))}, {p_name} {format_p(p_value)}"
    if not distinguishable(found, p_value):
        text = f"{first} and {second} are not distinguishable in {metric.noun} on {where}"
        text += f" ({signed}{_interval(found, 1)}; {tested})"
        if found.detectable is not None:
            text += f"; the smallest difference this test set could show is {metric.amount(found.detectable)}"
        return text + "."
    winner, loser, sign = (second, first, 1) if better(found) else (first, second, -1)
    amount = metric.amount(abs(found.difference))
    if metric.more:
        claim = f"{winner} is {amount} {metric.more} than {loser}"
    else:
        direction = "lower" if metric.less_is_better else "higher"
        claim = f"{winner}'s {metric.noun} is {amount} {direction} than {loser}'s"
    if metric.less_is_better:
        sign = -sign
    interval = _interval(found, sign).removeprefix(", ")
    return f"{claim} ({interval}; {tested})." if interval else f"{claim} ({tested})."


def difference_text(found: Paired, manner: str | None = None) -> str:
    """Write a difference with its interval for a table, "3.1 points (1.2 to 5.0)".

    Args:
      found: second minus first.
      manner: the metric of `METRICS` as which it is written; None: its own.
    """
    if math.isnan(found.difference):
        return "–"
    metric = METRICS[manner or found.metric]
    bounds = " to ".join(map(metric.number, found.interval)) if found.interval else "–"
    return f"{metric.amount(found.difference)} ({bounds})"


def shortly(found: Paired) -> str:
    """Write a difference with its interval and p-value, or why there is none: what fits a line."""
    metric = METRICS[found.metric]
    if found.p_value is None:
        return f"not tested in {metric.noun}, {_reason(found)}"
    return f"{difference_text(found)} in {metric.noun}, p {format_p(found.p_value)}"


def tested_on(found: Paired) -> str:
    """Write what was tested on: "606 images of 580 groups"."""
    images = counted(found.images, "image")
    return images if found.images == found.groups else f"{images} of {counted(found.groups, 'group')}"


def format_p(p_value: float) -> str:
    """Write a p-value with three decimals; never 0."""
    return "<0.001" if p_value < 0.0005 else f"{p_value:.3f}"


def _reason(found: Paired) -> str:
    return found.basis.removeprefix("not estimable: ")


def _unit(found: Paired) -> str:
    return "image" if found.images == found.groups else "group"


def _interval(found: Paired, sign: int) -> str:
    """Write the interval of the difference times `sign`; nothing where there is none."""
    if found.interval is None:
        return ""
    low, high = sorted(sign * bound for bound in found.interval)
    metric = METRICS[found.metric]
    return f", 95 % interval {metric.number(low)} to {metric.number(high)}"
