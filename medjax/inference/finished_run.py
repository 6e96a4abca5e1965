"""A finished run, opened to be asked again: its network, its weights, and how an image becomes their input."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from medjax.checkpoint import Checkpoints, check_whole, mode_of
from medjax.errors import UserError
from medjax.evaluation.damage import damage_as_error
from medjax.inputs import ImageInput
from medjax.json_file import read_json
from medjax.models import create_model
from medjax.models.classifier import Classifier
from medjax.pipeline.augment import Augmentation
from medjax.run_folder import check_format

_ADVICE = "give the run's training command again"
_CONFIG = {"dtype": str, "model": dict, "augment": dict, "evaluation": dict, "data": dict, "split": dict}
_EVALUATION = {"demo": bool, "classes": list, "ordered": bool}
_PREPROCESSING = {
    "image_size": int,
    "channels": int,
    "fit": str,
    "dtype": str,
    "mean": list,
    "std": list,
    "input_columns": dict,
    "prior_correction": object,
}


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What remains of a run, read from its folder alone: neither its images nor its dataset are needed.

    Attributes:
      workdir: the run's folder.
      config: the resolved one, without paths.
      evaluation: what evaluation.json holds.
      preprocessing: what preprocessing.json holds: image_size, channels, fit, dtype, mean, std, input_columns.
      model: in the computation's dtype.
      variables: of the best checkpoint, NumPy arrays.
      inputs: from decoded images to what the network takes.
      correction: float64 [K] that predictions add to the logits, or None; see `balance.Balance`.
    """

    workdir: pathlib.Path
    config: ConfigDict
    evaluation: dict[str, Any]
    preprocessing: dict[str, Any]
    model: Classifier
    variables: dict[str, Any]
    inputs: ImageInput
    correction: np.ndarray | None

    @property
    def class_names(self) -> tuple[str, ...]:
        """K of them."""
        return tuple(self.evaluation["classes"])

    @property
    def notes(self) -> dict[str, Any]:
        """What audit.json holds of how the images were read."""
        return read_json(self.workdir / "audit.json", _ADVICE, {"notes": dict})["notes"]

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on the DEMO's images."""
        return bool(self.evaluation["demo"])


def open_finished_run(workdir: pathlib.Path) -> FinishedRun:
    """Open a run that has ended.

    Raises:
      UserError: the folder is not that of a finished run, or a file in it is damaged.
    """
    if not (workdir / "evaluation.json").is_file():
        raise UserError(f"{workdir} is not the folder of a finished run: it holds no evaluation.json.")
    if not (workdir / "checkpoints").is_dir():
        raise UserError(
            f"{workdir} holds no network of its own, only figures: give the run's folder, of cross-validation that of "
            "a fold, of an ensemble those of its members with --runs=A,B,C."
        )
    check_format(workdir)
    with damage_as_error(workdir):
        return _opened(workdir)


def _opened(workdir: pathlib.Path) -> FinishedRun:
    config = ConfigDict(read_json(workdir / "config.json", _ADVICE, _CONFIG)).lock()
    evaluation = read_json(workdir / "evaluation.json", _ADVICE, _EVALUATION)
    preprocessing = read_json(workdir / "preprocessing.json", _ADVICE, _PREPROCESSING)
    dtype = jnp.dtype(config.dtype)
    prior = preprocessing["prior_correction"]
    return FinishedRun(
        workdir=workdir,
        config=config,
        evaluation=evaluation,
        preprocessing=preprocessing,
        model=create_model(num_classes=len(evaluation["classes"]), dtype=dtype, **config.model),
        variables=best_variables(workdir),
        inputs=ImageInput(
            mean=tuple(preprocessing["mean"]),
            std=tuple(preprocessing["std"]),
            augmentation=Augmentation(**config.augment),
            dtype=dtype,
            categories=tuple(len(values) for values in preprocessing["input_columns"].values()),
        ),
        correction=None if prior is None else np.array(prior["added_to_logits"]),
    )


def best_variables(workdir: pathlib.Path) -> dict[str, Any]:
    """Return parameters and batch statistics of a run's best checkpoint, as NumPy arrays.

    Raises:
      UserError: the folder is not a run's, or no epoch was finished yet.
    """
    advice = "give the folder of a run, or its training command again"
    mode = mode_of(read_json(workdir / "config.json", advice, {"early_stopping": dict})["early_stopping"].get("metric"))
    check_whole(workdir / "checkpoints")
    with Checkpoints(workdir / "checkpoints", mode) as checkpoints:
        best = checkpoints.best_step
        if best is None:
            raise UserError(f"{workdir} has no checkpoint of a whole epoch yet: go on with the run first.")
        return checkpoints.restore_variables(best)
