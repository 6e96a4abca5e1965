"""Patience: how long a watched metric may fail to improve."""

from __future__ import annotations

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class Patience:
    """Counts updates without improvement. Early stopping and reduce-on-plateau are both read off it.

    Attributes:
      mode: "min" or "max".
      patience: updates without improvement after which `exhausted` holds; 0 turns it off.
      min_delta: an improvement must be larger than this, in the metric's unit.
      best: best value so far; None before the first update.
      bad_updates: updates since the best one.
    """

    mode: str
    patience: int
    min_delta: float = 0.0
    best: float | None = None
    bad_updates: int = 0

    def update(self, metric: float) -> Patience:
        """Return the state after one more value of the metric.

        Raises:
          ValueError: the metric is NaN or infinite: nothing can be better or worse than it.
        """
        if not math.isfinite(metric):
            raise ValueError(f"the watched metric is {metric}: it must be finite to be compared.")
        if self.is_improvement(metric):
            return dataclasses.replace(self, best=float(metric), bad_updates=0)
        return dataclasses.replace(self, bad_updates=self.bad_updates + 1)

    def is_improvement(self, metric: float) -> bool:
        """Whether `metric` beats the best value by more than `min_delta`; a tie does not."""
        if self.best is None:
            return True
        gain = self.best - metric if self.mode == "min" else metric - self.best
        return gain > self.min_delta

    @property
    def exhausted(self) -> bool:
        """Whether the last `patience` updates brought no improvement."""
        return 0 < self.patience <= self.bad_updates

    def renewed(self) -> Patience:
        """Return the state with the counter at zero and the best value kept."""
        return dataclasses.replace(self, bad_updates=0)

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object; floats survive the round trip exactly."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Patience:
        """Rebuild the state that `to_json` wrote."""
        return cls(**state)
