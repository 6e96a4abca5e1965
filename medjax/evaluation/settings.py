"""What a study fixed before it saw its results: the settings that evaluation takes from the config."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medjax.errors import UserError

PRIMARY = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "quadratic_kappa",
    "macro_auroc",
    "log_loss",
    "brier_score",
)
MAX_SUBGROUPS = 20  # values of a column
_SUM_TOLERANCE = 1e-6


@dataclasses.dataclass(frozen=True)
class Settings:
    """Fields of config.evaluation; what they default to is for a prediction table that no run wrote.

    Attributes:
      primary: the metric that leads every table.
      coverage: share of images whose conformal set of classes is to hold the true one, in (0, 1).
      sensitivity: of each class against all others, that its threshold is to reach on the calibration split, in (0, 1).
      specificity: the same of another threshold.
      prevalence: share of each class where the model is to be used, for predictive values; () is none.
      subgroups: kept columns by whose values the results are given too.

    Raises:
      UserError: a value that cannot be, whatever the images are.
    """

    primary: str = "accuracy"
    coverage: float = 0.9
    sensitivity: float = 0.95
    specificity: float = 0.95
    prevalence: tuple[float, ...] = ()
    subgroups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.primary not in PRIMARY:
            raise UserError(f"evaluation.primary={self.primary!r}: must be one of {', '.join(PRIMARY)}.")
        for name in ("coverage", "sensitivity", "specificity"):
            if not 0 < getattr(self, name) < 1:
                raise UserError(f"evaluation.{name}={getattr(self, name)!r}: must be in (0, 1).")
        shares = self.prevalence
        numbers = all(isinstance(share, int | float) and 0 <= share <= 1 for share in shares)  # not even NaN
        if shares and (not numbers or not math.isclose(math.fsum(shares), 1, abs_tol=_SUM_TOLERANCE)):
            raise UserError(f"evaluation.prevalence={shares!r}: give a share in [0, 1] for every class, 1 in sum.")
        if len(set(self.subgroups)) < len(self.subgroups) or not all(isinstance(name, str) for name in self.subgroups):
            raise UserError(f"evaluation.subgroups={self.subgroups!r}: give the names of columns, each once.")

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Settings:
        """Take config.evaluation, a ConfigDict or as config.json holds it.

        Fields that a run of an older version lacks have their default; those that are not evaluation's are passed over.
        """
        known: dict[str, Any] = {}
        for name in (field.name for field in dataclasses.fields(cls) if field.name in fields):
            value = fields[name]
            known[name] = tuple(value) if isinstance(value, list | tuple) else value
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object, of which `of` makes the same settings."""
        return {**dataclasses.asdict(self), "prevalence": list(self.prevalence), "subgroups": list(self.subgroups)}

    def check(self, class_names: Sequence[str], columns: Mapping[str, Iterable[Any]], *, ordered: bool) -> None:
        """Refuse what does not fit the images; called as soon as their classes and columns are known.

        Args:
          class_names: K.
          columns: those that prediction tables keep, by name.
          ordered: the classes are degrees, lowest first.

        Raises:
          UserError: names the setting, its value, and what there is.
        """
        if self.prevalence and len(self.prevalence) != len(class_names):
            raise UserError(
                f"evaluation.prevalence={self.prevalence!r}: {len(class_names)} classes need a share each, in this "
                f"order: {', '.join(class_names)}."
            )
        if self.primary == "quadratic_kappa" and not ordered:
            raise UserError("evaluation.primary='quadratic_kappa' needs classes that are degrees; these have no order.")
        for name in self.subgroups:
            if name not in columns:
                there = ", ".join(columns) or "none"
                raise UserError(f"evaluation.subgroups: there is no column {name!r}; columns of the images: {there}.")
            values = len({str(value) for value in columns[name]})
            if values > MAX_SUBGROUPS:
                raise UserError(
                    f"evaluation.subgroups: column {name!r} has {values:,} values; at most {MAX_SUBGROUPS} make a "
                    "table. Put them into ranges, in a column of its own."
                )


DEFAULTS = Settings()
