"""Judge a trained model: predictions of every split but train, evaluation.json and the report."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import numpy as np

from medjax.baselines import write_baselines
from medjax.evaluation.against_baselines import against_baselines
from medjax.evaluation.fitted import Calibration
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.report import report_image_ids, write_report
from medjax.evaluation.saved import calibration_entry, evaluate_splits, one_image_a_group
from medjax.evaluation.settings import Settings
from medjax.experiment import Experiment
from medjax.inference.heatmaps import heatmaps_for, lesion_hits
from medjax.inference.predictions import collect, log_probabilities
from medjax.inference.spikes import spike_statistics
from medjax.json_file import write_json
from medjax.pipeline.partition import ONE_PER_GROUP
from medjax.pipeline.table import ImageTable
from medjax.preparation import Prepared, thumbnails


def judge(
    experiment: Experiment,
    workdir: pathlib.Path,
    variables: Any,
    *,
    step: int,
    batch_size: int,
    settings: Settings,
    images: bool,
) -> dict[str, Any]:
    """Predict every image of val, calib and test once, with the whole model, and write what follows from it.

    Writes predictions_<split>.csv, preprocessing.json, evaluation.json and report.html; where there is a calib split,
    calibration.json too. That split is not judged: what is fitted on it would flatter it. Where whole groups of copies
    are judged, as in a publisher's test set, the figures of test are also given with one image a group.

    Args:
      experiment: the images, their splits and the compiled model.
      workdir: the run's folder.
      variables: of the best checkpoint.
      step: that checkpoint's.
      batch_size: images at a time.
      settings: of the evaluation.
      images: show pictures in the report.

    Returns:
      What evaluation.json holds.
    """
    prepared = experiment.prepared
    table = prepared.table
    predicted = _predict(experiment, workdir, variables, batch_size)
    without_image = _predict_by_prior(prepared, workdir)
    calibration = Calibration.fit(predicted["calib"], settings) if "calib" in predicted else None
    if calibration:
        calibration.write(workdir, demo=table.synthetic)
    write_baselines(workdir, table, prepared.splits)
    evaluation = {
        "demo": table.synthetic,
        "dataset": table.name,
        "unit_of_split": prepared.unit,
        "best_step": step,
        "best_epoch": step // experiment.steps_per_epoch,
        "classes": list(table.class_names),
        "ordered": table.ordered,
        "skipped_images": [list(skipped) for skipped in table.skipped],
        "primary": settings.primary,
        "views": (experiment.preprocessing["views"] or {"count": 1})["count"],
        "calibration": calibration_entry(calibration),
        "splits": _judge_splits(predicted, without_image, prepared, calibration, settings),
        "baselines": against_baselines(workdir, settings.primary, ordered=table.ordered),
        "targets_without_image": {split: len(table) for split, table in without_image.items()},
    }
    if experiment.spikes:
        spikes = functools.partial(experiment.spikes, variables)
        evaluation["spiking"] = spike_statistics(
            spikes, experiment.images, prepared.splits["test"], batch_size, table.class_names
        )
    maps = (experiment.heatmaps, variables, experiment.images, table, predicted["test"])
    hits = lesion_hits(*maps, batch_size)
    if hits:
        evaluation["saliency"] = hits
    write_json(workdir / "preprocessing.json", experiment.preprocessing)
    write_json(workdir / "evaluation.json", evaluation)
    shown = report_image_ids(workdir) if images else []
    write_report(workdir, thumbnails(table, shown), heatmaps_for(*maps, shown, batch_size))
    return evaluation


def _judge_splits(
    predicted: dict[str, Predictions],
    without_image: dict[str, Predictions],
    prepared: Prepared,
    calibration: Calibration | None,
    settings: Settings,
) -> dict[str, Any]:
    """Return the figures of every predicted split but calib, and of test with one image a group where asked."""
    judged = {split: predictions for split, predictions in predicted.items() if split != "calib"}
    if prepared.copies_in_test:
        judged[ONE_PER_GROUP] = one_image_a_group(predicted["test"])
    ordered = prepared.table.ordered
    return evaluate_splits(judged, calibration, ordered=ordered, settings=settings, without_image=without_image)


def _predict(experiment: Experiment, workdir: pathlib.Path, variables: Any, batch_size: int) -> dict[str, Predictions]:
    """Predict every split but train, and write predictions_<split>.csv."""
    predict = functools.partial(experiment.logits, variables)
    predicted = {}
    for split, indices in experiment.prepared.splits.items():
        if split == "train":
            continue
        logits = collect(predict, experiment.images, indices, batch_size, f"predicting {split}")
        predicted[split] = to_predictions(experiment.prepared.table, indices, logits)
        write_csv(workdir / f"predictions_{split}.csv", predicted[split])
    return predicted


def _predict_by_prior(prepared: Prepared, workdir: pathlib.Path) -> dict[str, Predictions]:
    """Give what has no picture the training split's class frequencies, in predictions_<split>_without_image.csv.

    Returns:
      The tables by split; splits that lack nothing are not named.
    """
    table = prepared.table
    counts = np.bincount(table.labels[prepared.splits["train"]], minlength=len(table.class_names))
    tables = {}
    for split, rows in prepared.without_image.items():
        if split == "train" or not rows:
            continue
        columns = {name: [str(row["columns"][name]) for row in rows] for name in rows[0]["columns"]}
        tables[split] = Predictions(
            image_ids=[row["image_id"] for row in rows],
            group_ids=[row["group_id"] for row in rows],
            labels=np.array([row["label"] for row in rows]),
            probabilities=np.tile(counts / counts.sum(), (len(rows), 1)),
            class_names=table.class_names,
            columns={name: values for name, values in columns.items() if not name.startswith("source_")},
        )
        write_csv(workdir / f"predictions_{split}_without_image.csv", tables[split])
    return tables


def to_predictions(table: ImageTable, indices: np.ndarray, logits: np.ndarray) -> Predictions:
    """Return the predictions of some rows of a table. Args: indices int [M]; logits float [M, K]."""
    return Predictions(
        image_ids=[table.image_ids[i] for i in indices],
        group_ids=[table.group_ids[i] for i in indices],
        labels=table.labels[indices],
        probabilities=np.exp(log_probabilities(logits)),
        class_names=table.class_names,
        columns={name: [str(v) for v in values[indices]] for name, values in table.kept_columns.items()},
    )
