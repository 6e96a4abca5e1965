"""A run's model against its baselines, on the same test images."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from medjax.counted import listed
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.predictions import Predictions, read_csv
from medjax.evaluation.significance.influence import influences
from medjax.evaluation.significance.paired import Paired, compare_pair
from medjax.evaluation.wording import better, distinguishable, sentence, shortly
from medjax.pipeline.partition import ALL_FOLDS

FOLDER = "baselines"
NAMES = {
    "class_prior": "the class prior",
    "thumbnails": "logistic regression on 8×8 thumbnails",
    "shuffled_labels": "the same regression with shuffled labels",
}
SHOWN = ("accuracy", "macro_auroc", "log_loss", "brier_score")


def against_baselines(workdir: Path, metric: str, *, ordered: bool) -> dict[str, Any]:
    """Compare the predictions of a run's test images with those of its baselines.

    Args:
      workdir: holds predictions_test.csv and baselines/<name>.csv.
      metric: the primary one.
      ordered: the classes are degrees, lowest first.

    Returns:
      {name: {"figures": the baseline's own (metric: value, None where undefined), "beaten": the test shows the model to
      be better, "difference": as `Paired`, model minus baseline}}; {} for a run without baselines.

    Raises:
      UserError: a table is missing or damaged, or not of the same images.
    """
    if not (workdir / FOLDER).is_dir():
        return {}
    model = read_csv(workdir / "predictions_test.csv")
    result = {}
    for name in NAMES:
        baseline = read_csv(workdir / FOLDER / f"{name}.csv")
        found = compare_pair(baseline, model, metric, ordered)
        result[name] = {
            "figures": _figures(baseline, dict.fromkeys((metric, *SHOWN)), ordered),
            "beaten": better(found) and distinguishable(found, found.p_value),
            "difference": _to_json(found),
        }
    return result


def verdict(against: dict[str, Any], model: str) -> list[str]:
    """Say in a sentence or two what a model has beaten, and what not.

    Args:
      against: as of `against_baselines`, by way of JSON or not.
      model: its name.
    """
    beaten = [NAMES[name] for name, entry in against.items() if entry["beaten"]]
    sentences = [f"{model} beats {listed(beaten)}."] if beaten else []
    for name, entry in against.items():
        if not entry["beaten"]:
            found = difference(entry)
            sentences.append(f"{model} is not shown to beat {NAMES[name]}: {shortly(found)}.")
    return [_capital(text) for text in sentences]


def tests(against: dict[str, Any], model: str) -> list[str]:
    """Say how each baseline that is not beaten was tested against the model. Args: see `verdict`."""
    found = {name: difference(entry) for name, entry in against.items() if not entry["beaten"]}
    return [_capital(sentence(NAMES[name], model, one, one.p_value)) for name, one in found.items()]


def _capital(text: str) -> str:
    """Begin with a capital where the text begins with an article, and not with a name."""
    return f"The{text.removeprefix('the')}" if text.startswith("the ") else text


def test_figures(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of all test images of a run, or of all its folds. Args: the content of evaluation.json."""
    splits = evaluation["splits"]
    return splits["test"] if "test" in splits else splits[ALL_FOLDS]


def difference(entry: dict[str, Any]) -> Paired:
    """Return the comparison that an entry of `against_baselines` holds."""
    held = entry["difference"]
    interval = tuple(held["interval"]) if held["interval"] else None
    return Paired(**{**held, "interval": interval, "difference": _number(held["difference"])})


def _figures(predictions: Predictions, metrics: Any, ordered: bool) -> dict[str, float | None]:
    images = Labelled.of(predictions, ordered)
    values = {metric: influences(images, metric)[0] for metric in metrics}
    return {metric: None if math.isnan(value) else float(value) for metric, value in values.items()}


def _to_json(found: Paired) -> dict[str, Any]:
    held = dataclasses.asdict(found)
    held["interval"] = list(found.interval) if found.interval else None
    held["difference"] = None if math.isnan(found.difference) else found.difference
    return held


def _number(value: float | None) -> float:
    return math.nan if value is None else value
