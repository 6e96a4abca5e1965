"""Judge saved predictions again: those of a finished run, or a CSV that any tool wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medjax.evaluation.against_baselines import against_baselines
from medjax.evaluation.calibrated import figures
from medjax.evaluation.damage import damage_as_error
from medjax.evaluation.fitted import Calibrated, Calibration
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, read_csv
from medjax.evaluation.record import fold_folders
from medjax.evaluation.settings import DEFAULTS, Settings
from medjax.json_file import read_json, read_json_if_there
from medjax.pipeline.partition import ALL_FOLDS, ONE_PER_GROUP, one_per_group

_ADVICE = "give the folder of a finished run, or run the experiment again"
_NEEDED = {"ordered": bool, "splits": dict}
_NONE = "no calibration split: probabilities are the network's own"
_FOLDS = "each fold has a calibration of its own, in its folder"


def evaluate_csv(file: Path, *, ordered: bool = False, settings: Settings = DEFAULTS) -> dict[str, Any]:
    """Judge a prediction table (see predictions.py) as one split, named after the file.

    Args:
      file: CSV.
      ordered: the classes are degrees, in the order of the columns, lowest first.
      settings: primary metric, prevalence and subgroups.

    Returns:
      As evaluation.json, without what only a run knows.

    Raises:
      UserError: the table is wrong (the row and the image_id are named), or the settings do not fit it.
    """
    predictions = read_csv(file)
    return {
        "demo": False,
        "unit_of_split": "group, where group_id is given" if any(predictions.group_ids) else "image (groups unknown)",
        "classes": list(predictions.class_names),
        "ordered": ordered,
        "primary": settings.primary,
        "calibration": calibration_entry(None),
        "splits": {file.stem: evaluate(predictions, ordered=ordered, settings=settings)},
    }


def evaluate_run(workdir: Path) -> tuple[dict[str, Any], bool]:
    """Judge the predictions of a finished run again.

    What was fitted on the calibration split stays as calibration.json has it; where a run has the predictions of that
    split and no such file, as those of older versions, it is fitted now and written.

    Returns:
      What evaluation.json should hold, and whether that is what it holds.

    Raises:
      UserError: the folder is not that of a finished run, or a file in it is damaged.
    """
    held = read_json(workdir / "evaluation.json", _ADVICE, _NEEDED)
    with damage_as_error(workdir):
        return _judged_again(workdir, held)


def _judged_again(workdir: Path, held: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    ordered, splits, demo = held["ordered"], list(held["splits"]), bool(held.get("demo"))
    folds = fold_folders(workdir, held)
    settings = Settings.of((read_json_if_there(workdir / "config.json", _ADVICE) or {}).get("evaluation", {}))
    calibration = None if folds else _calibration(workdir, settings, demo)
    seen_by_folds = calibrated_folds(folds) if folds else None
    again = {**held, "calibration": calibration_entry(calibration, seen_by_folds), "splits": {}}
    for name in splits:
        predictions, file = _table(workdir, name), workdir / f"predictions_{name}_without_image.csv"
        again["splits"][name] = evaluate_split(
            name,
            predictions,
            calibration.apply(predictions) if calibration else seen_by_folds,
            ordered=ordered,
            settings=settings,
            without_image=read_csv(file) if file.exists() else None,
        )
    if "baselines" in held:
        again["baselines"] = against_baselines(workdir, settings.primary, ordered=ordered)
    return again, again == held


def calibration_entry(calibration: Calibration | None, seen_by_folds: Calibrated | None = None) -> dict[str, Any]:
    """Return what evaluation.json holds of a run's calibration; under "none" the reason why it holds none."""
    if calibration:
        return calibration.to_json()
    return {"none": _FOLDS if seen_by_folds else _NONE}


def evaluate_split(
    split: str,
    predictions: Predictions,
    calibrated: Calibrated | None,
    *,
    ordered: bool,
    settings: Settings,
    without_image: Predictions | None = None,
) -> dict[str, Any]:
    """Return the figures of a split, of metrics.evaluate and, where it was calibrated, of calibrated.figures.

    Those of val stay without the latter: its images chose the epoch.
    """
    result = evaluate(predictions, ordered=ordered, settings=settings, without_image=without_image)
    return result if calibrated is None or split == "val" else result | figures(predictions, calibrated)


def evaluate_splits(
    judged: Mapping[str, Predictions],
    calibration: Calibration | None,
    *,
    ordered: bool,
    settings: Settings,
    without_image: Mapping[str, Predictions],
) -> dict[str, Any]:
    """Return the figures of several splits that one calibration is for, by name; see `evaluate_split`."""
    return {
        split: evaluate_split(
            split,
            predictions,
            calibration.apply(predictions) if calibration else None,
            ordered=ordered,
            settings=settings,
            without_image=without_image.get(split),
        )
        for split, predictions in judged.items()
    }


def _calibration(workdir: Path, settings: Settings, demo: bool) -> Calibration | None:
    """Return what calibration.json holds, fitted where the run only has the predictions for it."""
    found = Calibration.read(workdir)
    file = workdir / "predictions_calib.csv"
    if found is None and file.exists():
        found = Calibration.fit(read_csv(file), settings)
        found.write(workdir, demo=demo)
    return found


def calibrated_folds(folders: Sequence[Path]) -> Calibrated | None:
    """See the test images of all folds, one fold after the other, each through its own calibration; None without."""
    parts = []
    for folder in folders:
        calibration = Calibration.read(folder)
        if calibration is None:
            return None
        parts.append(calibration.apply(read_csv(folder / "predictions_test.csv")))
    return Calibrated.joined(parts)


def _table(workdir: Path, split: str) -> Predictions:
    """Return the predictions that the figures of a split rest on."""
    if split == ONE_PER_GROUP:
        return one_image_a_group(_table(workdir, "test"))
    return read_csv(workdir / f"predictions_{'test' if split == ALL_FOLDS else split}.csv")


def one_image_a_group(table: Predictions) -> Predictions:
    """Return the rows of one image of each group; see partition.one_per_group."""
    return table.part(one_per_group(np.arange(len(table)), np.array(table.group_ids)))
