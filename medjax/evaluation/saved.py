"""Judge saved predictions again: those of a finished run, or a CSV that any tool wrote."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, read_csv
from medjax.pipeline.partition import ALL_FOLDS, ONE_PER_GROUP, one_per_group


def evaluate_csv(file: Path, *, ordered: bool = False) -> dict[str, Any]:
    """Judge a prediction table (see predictions.py) as one split, named after the file.

    Args:
      file: CSV.
      ordered: the classes are degrees, in the order of the columns, lowest first.

    Returns:
      As evaluation.json, without what only a run knows.

    Raises:
      UserError: the table is wrong; the row and the image_id are named.
    """
    predictions = read_csv(file)
    return {
        "demo": False,
        "unit_of_split": "group, where group_id is given" if any(predictions.group_ids) else "image (groups unknown)",
        "classes": list(predictions.class_names),
        "ordered": ordered,
        "splits": {file.stem: evaluate(predictions, ordered=ordered)},
    }


def evaluate_run(workdir: Path) -> tuple[dict[str, Any], bool]:
    """Judge the predictions of a finished run again.

    Returns:
      What evaluation.json should hold, and whether that is what it holds.

    Raises:
      UserError: the folder is not that of a finished run, or a table in it is damaged.
    """
    held = _read(workdir / "evaluation.json")
    try:
        ordered, splits = bool(held["ordered"]), list(held["splits"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{workdir / 'evaluation.json'} lacks {error}; run the experiment again") from error
    again = {**held, "splits": {name: evaluate(_table(workdir, name), ordered=ordered) for name in splits}}
    return again, again == held


def _table(workdir: Path, split: str) -> Predictions:
    """Return the predictions that the figures of a split rest on."""
    if split == ONE_PER_GROUP:
        predictions = _table(workdir, "test")
        return _rows(predictions, one_per_group(np.arange(len(predictions)), np.array(predictions.group_ids)))
    return read_csv(workdir / f"predictions_{'test' if split == ALL_FOLDS else split}.csv")


def _rows(table: Predictions, rows: np.ndarray) -> Predictions:
    return dataclasses.replace(
        table,
        image_ids=[table.image_ids[row] for row in rows],
        group_ids=[table.group_ids[row] for row in rows],
        labels=table.labels[rows],
        probabilities=table.probabilities[rows],
        columns={name: [values[row] for row in rows] for name, values in table.columns.items()},
    )


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}; give the folder of a finished run") from error
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}); run the experiment again, it goes on where it ended") from error
