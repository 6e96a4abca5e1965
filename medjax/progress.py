"""How far a run is, besides its TrainState: what the loop must know to go on as if it had never stopped."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax

from medjax.early_stopping import Patience


@dataclasses.dataclass
class Progress:
    """The loop's own state, saved with every checkpoint.

    Attributes:
      step: optimizer steps taken.
      stopping: early stopping on the watched metric.
      plateau: for the "plateau" schedule.
      sums: "loss", "correct", "count" and "skipped" over the epoch so far.
    """

    step: int
    stopping: Patience
    plateau: Patience
    sums: dict[str, float]

    def add(self, sums: dict[str, jax.Array] | None) -> None:
        """Add a step's sums; reading them waits for that step."""
        for name, value in (sums or {}).items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)

    def means(self) -> dict[str, float]:
        """Loss and accuracy over the epoch so far; NaN where every update was skipped."""
        count = self.sums["count"] or math.nan
        return {"loss": self.sums["loss"] / count, "accuracy": self.sums["correct"] / count}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; floats survive exactly."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Progress:
        """Rebuild what `to_json` wrote."""
        return cls(saved["step"], Patience(**saved["stopping"]), Patience(**saved["plateau"]), saved["sums"])
