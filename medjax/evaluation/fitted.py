"""What is fitted on the calibration split after training, kept in calibration.json: temperature, thresholds, sets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.evaluation import conformal, temperature, thresholds
from medjax.evaluation.conformal import Conformal
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.settings import Settings
from medjax.evaluation.temperature import Temperature
from medjax.evaluation.thresholds import Threshold
from medjax.json_file import read_json, write_json

FILE = "calibration.json"


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """Predictions of N images, seen through a calibration.

    Attributes:
      probabilities: float64 [N, K], after temperature.
      called: goal ("sensitivity" or "specificity") -> float64 [N, K], 1 where a class reaches its threshold, else 0;
        NaN where it has none.
      sets: method -> bool [N, K], the classes in the conformal set; {} where there are none.
    """

    probabilities: np.ndarray
    called: dict[str, np.ndarray]
    sets: dict[str, np.ndarray]

    @classmethod
    def joined(cls, parts: Sequence[Calibrated]) -> Calibrated:
        """Put tables of the same classes one below the other, such as those of folds; sets only where all have them."""
        return cls(
            np.concatenate([part.probabilities for part in parts]),
            {goal: np.concatenate([part.called[goal] for part in parts]) for goal in thresholds.GOALS},
            {
                method: np.concatenate([part.sets[method] for part in parts])
                for method in conformal.METHODS
                if all(method in part.sets for part in parts)
            },
        )

    def rows(self, chosen: np.ndarray) -> Calibrated:
        """Take some of the images. Args: chosen bool [N] or int [M]."""
        return Calibrated(
            self.probabilities[chosen],
            {goal: values[chosen] for goal, values in self.called.items()},
            {method: values[chosen] for method, values in self.sets.items()},
        )


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What was fitted on the calibration split of a run.

    Attributes:
      class_names: K.
      images, groups: how many with a label it rests on.
      temperature: of all probabilities.
      thresholds: goal ("sensitivity" or "specificity") -> K of them.
      conformal: what makes sets of classes.
    """

    class_names: tuple[str, ...]
    images: int
    groups: int
    temperature: Temperature
    thresholds: dict[str, tuple[Threshold, ...]]
    conformal: Conformal

    @classmethod
    def fit(cls, predictions: Predictions, settings: Settings) -> Calibration:
        """Fit everything on the predictions of the calibration split; images without a label are left out."""
        images = Labelled.of(predictions)
        scaling = temperature.fit(images)
        softer = dataclasses.replace(images, probabilities=scaling.apply(images.probabilities))
        asked = {"sensitivity": settings.sensitivity, "specificity": settings.specificity}
        return cls(
            predictions.class_names,
            len(images),
            images.num_groups,
            scaling,
            {goal: thresholds.fit(softer, goal, share) for goal, share in asked.items()},
            conformal.fit(images, settings.coverage),
        )

    def probabilities(self, raw: np.ndarray) -> np.ndarray:
        """Return the probabilities after temperature: the network's own, float64 [N, K] -> float64 [N, K]."""
        return self.temperature.apply(raw)

    def sets(self, raw: np.ndarray, method: str = "adaptive") -> np.ndarray | None:
        """Return the conformal sets, bool [N, K], of the network's own probabilities; see `Conformal.sets`."""
        return self.conformal.sets(raw, method)

    def apply(self, predictions: Predictions) -> Calibrated:
        """See any predictions of the same network through this calibration.

        Raises:
          UserError: their classes are others.
        """
        if predictions.class_names != self.class_names:
            raise UserError(
                f"the calibration is of classes {list(self.class_names)}, the predictions are of "
                f"{list(predictions.class_names)}: use those of the same run."
            )
        softer = self.probabilities(predictions.probabilities)
        sets = {method: self.sets(predictions.probabilities, method) for method in conformal.METHODS}
        return Calibrated(
            softer,
            {goal: thresholds.called(softer, found) for goal, found in self.thresholds.items()},
            {method: held for method, held in sets.items() if held is not None},
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object, of which `from_json` makes the same calibration to the bit."""
        return {
            "classes": list(self.class_names),
            "images": self.images,
            "groups": self.groups,
            "temperature": dataclasses.asdict(self.temperature),
            "thresholds": {
                goal: {name: dataclasses.asdict(one) for name, one in zip(self.class_names, found, strict=True)}
                for goal, found in self.thresholds.items()
            },
            "conformal": {**dataclasses.asdict(self.conformal), "refused": self.conformal.refusal},
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Calibration:
        """Rebuild what `to_json` wrote.

        Raises:
          KeyError, TypeError or ValueError: it is something else.
        """
        names = tuple(saved["classes"])
        sets = {key: value for key, value in saved["conformal"].items() if key != "refused"}
        found = cls(
            names,
            saved["images"],
            saved["groups"],
            Temperature(**saved["temperature"]),
            {goal: tuple(Threshold(**saved["thresholds"][goal][name]) for name in names) for goal in thresholds.GOALS},
            Conformal(**sets),
        )
        if not 0 < found.temperature.value < math.inf:
            raise ValueError(f"temperature {found.temperature.value}")
        if found.to_json()["thresholds"] != saved["thresholds"]:
            raise ValueError(f"thresholds of other classes than {list(names)}")
        return found

    def write(self, workdir: Path, *, demo: bool) -> None:
        """Write calibration.json into a run's folder."""
        write_json(workdir / FILE, {"demo": demo, **self.to_json()})

    @classmethod
    def read(cls, workdir: Path) -> Calibration | None:
        """Read the calibration of a run; None where it has none.

        Raises:
          UserError: the file is damaged.
        """
        file = workdir / FILE
        if not file.exists():
            return None
        saved = read_json(file, "delete it and evaluate the run again")
        try:
            return cls.from_json(saved)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"{file} is damaged ({error}): delete it and evaluate the run again.") from error
