"""Finished runs as a comparison reads them, and the recipes they are seeds of."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medjax import config as configuration
from medjax.errors import UserError
from medjax.evaluation.against_baselines import test_figures, verdict
from medjax.evaluation.damage import damage_as_error
from medjax.evaluation.estimates import format_estimate
from medjax.evaluation.predictions import Predictions, read_csv
from medjax.evaluation.record import fold_folders, hash_of_splits
from medjax.evaluation.settings import Settings
from medjax.evaluation.wording import METRICS
from medjax.json_file import read_json, read_json_if_there

_ADVICE = "give the run's training command again"
_NEEDED = {"demo": bool, "ordered": bool, "splits": dict}


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, or all folds of one.

    Attributes:
      config: as in config.json, with "demo".
      evaluation: as in evaluation.json.
      predictions: of its test images.
      costs: as in costs.json, of folds the means; {} for a run of an older version.
      splits_hash: SHA-256 of splits.json, of a fold's the first's; hex, "" without one.
    """

    config: dict[str, Any]
    evaluation: dict[str, Any]
    predictions: Predictions
    costs: dict[str, Any]
    splits_hash: str

    @property
    def figures(self) -> dict[str, Any]:
        """The metrics of its test images, with intervals."""
        return test_figures(self.evaluation)

    @property
    def primary(self) -> str:
        """The metric that its config names first."""
        return Settings.of(self.config.get("evaluation", {})).primary

    @property
    def recipe(self) -> dict[str, Any]:
        """All of its config but the seed, and what only watches the training."""
        return {key: value for key, value in self.config.items() if key not in ("seed", "profile_steps")}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Runs whose configs are equal but for the seed. Attributes: label, by which it is told from the others; runs."""

    label: str
    runs: tuple[Run, ...]

    @property
    def tables(self) -> list[Predictions]:
        """The predictions of each run."""
        return [run.predictions for run in self.runs]


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Raises:
      UserError: the folder is not that of a finished run, or its files do not fit one another.
    """
    if not (folder / "evaluation.json").exists() or not (folder / "predictions_test.csv").exists():
        what = "is not finished: the same command goes on with it" if (folder / "config.json").exists() else "is no run"
        raise UserError(f"{folder} {what}. Only finished runs can be compared.")
    evaluation = read_json(folder / "evaluation.json", _ADVICE, _NEEDED)
    predictions = read_csv(folder / "predictions_test.csv")
    with damage_as_error(folder):
        return _run(folder, evaluation, predictions)


def _run(folder: Path, evaluation: dict[str, Any], predictions: Predictions) -> Run:
    right = test_figures(evaluation)["correct"]
    if right != int((predictions.probabilities.argmax(axis=1) == predictions.labels).sum()):
        raise UserError(
            f"{folder}: evaluation.json does not fit predictions_test.csv: medjax.evaluate --workdir=… writes it again."
        )
    folds = fold_folders(folder, evaluation)
    run = Run(
        config=read_json(folder / "config.json", _ADVICE),
        evaluation=evaluation,
        predictions=predictions,
        costs=mean_costs([_costs(one) for one in folds or [folder]]),
        splits_hash=hash_of_splits(folds[0] if folds else folder),
    )
    _try_out(run)
    return run


def _try_out(run: Run) -> None:
    """Write in words what a comparison shows of a run: what cannot be, is damaged, and here its folder is known."""
    for metric in METRICS:
        format_estimate(run.figures, metric)
    verdict(run.evaluation.get("baselines") or {}, "")
    configuration.differences(run.recipe, run.recipe)
    Settings.of(run.config.get("evaluation", {}))


def _costs(folder: Path) -> dict[str, Any]:
    costs = read_json_if_there(folder / "costs.json", _ADVICE) or {}
    return {name: None if value is None else float(value) for name, value in costs.items()}


def mean_costs(costs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average the costs of several trainings, but of the memory take the largest; what one of them lacks is out."""
    shared = [name for name in costs[0] if all(one.get(name) is not None for one in costs)]
    return {
        name: max(one[name] for one in costs)
        if name == "peak_memory_bytes"
        else float(np.mean([one[name] for one in costs]))
        for name in shared
    }


def recipes(runs: Sequence[Run]) -> list[Recipe]:
    """Group runs by their config but for the seed, in the order given.

    A recipe is called what its config is called; where two have one name, what differs is added.

    Raises:
      UserError: a run is given twice, or real runs and demo runs together.
    """
    if len({bool(run.evaluation["demo"]) for run in runs}) > 1:
        raise UserError("some runs are DEMO, on synthetic images, and some are not: they cannot be compared.")
    grouped: list[list[Run]] = []
    for run in runs:
        for group in grouped:
            if group[0].recipe == run.recipe:
                group.append(run)
                break
        else:
            grouped.append([run])
    for group in grouped:
        seeds = [run.config.get("seed") for run in group]
        if len(set(seeds)) < len(seeds):
            name, twice = group[0].config.get("name"), max(seeds, key=seeds.count)
            raise UserError(f"{name!r} with seed {twice} is given twice: give each run once.")
    return [Recipe(_label(group[0], [one[0] for one in grouped]), tuple(group)) for group in grouped]


def _label(run: Run, others: Sequence[Run]) -> str:
    name = str(run.config.get("name", "run"))
    namesakes = [other for other in others if other is not run and str(other.config.get("name", "run")) == name]
    fields = {
        found.partition(":")[0] for other in namesakes for found in configuration.differences(run.recipe, other.recipe)
    }
    if not fields:
        return name
    return f"{name} ({', '.join(f'{field}={_value(run.config, field)}' for field in sorted(fields))})"


def _value(config: dict[str, Any], field: str) -> Any:
    value: Any = config
    for part in field.split("."):
        value = value.get(part, "–") if isinstance(value, dict) else "–"
    return value
