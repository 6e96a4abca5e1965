"""Judge a trained model: predictions of every split but train, evaluation.json and the report."""

from __future__ import annotations

import functools
import pathlib
from typing import Any

import numpy as np

from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.report import report_image_ids, write_report
from medjax.experiment import Experiment
from medjax.inference.predictions import collect, log_probabilities
from medjax.inference.spikes import spike_statistics
from medjax.pipeline.partition import ONE_PER_GROUP, one_per_group
from medjax.pipeline.table import ImageTable
from medjax.preparation import Prepared, thumbnails
from medjax.run_folder import write_json


def judge(
    experiment: Experiment,
    workdir: pathlib.Path,
    variables: Any,
    *,
    step: int,
    batch_size: int,
    images: bool,
) -> dict[str, Any]:
    """Predict every image of val, calib and test once, with the whole model, and write what follows from it.

    Writes predictions_<split>.csv, preprocessing.json, evaluation.json and report.html. Where whole groups of copies
    are judged, as in a publisher's test set, the figures of test are also given with one image a group.

    Args:
      experiment: the images, their splits and the compiled model.
      workdir: the run's folder.
      variables: of the best checkpoint.
      step: that checkpoint's.
      batch_size: images at a time.
      images: show pictures in the report.

    Returns:
      What evaluation.json holds.
    """
    prepared = experiment.prepared
    table = prepared.table
    results = _judge_splits(experiment, workdir, variables, batch_size)
    evaluation = {
        "demo": table.synthetic,
        "dataset": table.name,
        "unit_of_split": prepared.unit,
        "best_step": step,
        "best_epoch": step // experiment.steps_per_epoch,
        "classes": list(table.class_names),
        "ordered": table.ordered,
        "skipped_images": [list(skipped) for skipped in table.skipped],
        "splits": results,
        "targets_without_image": _predict_by_prior(prepared, workdir),
    }
    if experiment.spikes:
        spikes = functools.partial(experiment.spikes, variables)
        evaluation["spiking"] = spike_statistics(
            spikes, experiment.images, prepared.splits["test"], batch_size, table.class_names
        )
    write_json(workdir / "preprocessing.json", experiment.preprocessing)
    write_json(workdir / "evaluation.json", evaluation)
    write_report(workdir, thumbnails(table, report_image_ids(workdir)) if images else {})
    return evaluation


def _judge_splits(experiment: Experiment, workdir: pathlib.Path, variables: Any, batch_size: int) -> dict[str, Any]:
    """Write predictions_<split>.csv of every split but train, and return the figures of val and test."""
    prepared, results = experiment.prepared, {}
    predict = functools.partial(experiment.logits, variables)
    for split, indices in prepared.splits.items():
        if split == "train":
            continue
        logits = collect(predict, experiment.images, indices, batch_size, f"predicting {split}")
        predictions = to_predictions(prepared.table, indices, logits)
        write_csv(workdir / f"predictions_{split}.csv", predictions)
        if split != "calib":
            results[split] = evaluate(predictions, ordered=prepared.table.ordered)
        if split == "test" and prepared.copies_in_test:
            alone = one_per_group(indices, prepared.table.group_ids)
            kept = logits[np.searchsorted(indices, alone)]
            predictions = to_predictions(prepared.table, alone, kept)
            results[ONE_PER_GROUP] = evaluate(predictions, ordered=prepared.table.ordered)
    return results


def _predict_by_prior(prepared: Prepared, workdir: pathlib.Path) -> dict[str, int]:
    """Give what has no picture the training split's class frequencies, in predictions_<split>_without_image.csv.

    Returns:
      How many there are, by split; splits without any are not named.
    """
    table = prepared.table
    counts = np.bincount(table.labels[prepared.splits["train"]], minlength=len(table.class_names))
    numbers = {}
    for split, rows in prepared.without_image.items():
        if split == "train" or not rows:
            continue
        columns = {name: [str(row["columns"][name]) for row in rows] for name in rows[0]["columns"]}
        predictions = Predictions(
            image_ids=[row["image_id"] for row in rows],
            group_ids=[row["group_id"] for row in rows],
            labels=np.array([row["label"] for row in rows]),
            probabilities=np.tile(counts / counts.sum(), (len(rows), 1)),
            class_names=table.class_names,
            columns={name: values for name, values in columns.items() if not name.startswith("source_")},
        )
        write_csv(workdir / f"predictions_{split}_without_image.csv", predictions)
        numbers[split] = len(rows)
    return numbers


def to_predictions(table: ImageTable, indices: np.ndarray, logits: np.ndarray) -> Predictions:
    """Return the predictions of some rows of a table. Args: indices int [M]; logits float [M, K]."""
    return Predictions(
        image_ids=[table.image_ids[i] for i in indices],
        group_ids=[table.group_ids[i] for i in indices],
        labels=table.labels[indices],
        probabilities=np.exp(log_probabilities(logits)),
        class_names=table.class_names,
        columns={
            name: [str(v) for v in values[indices]]
            for name, values in table.columns.items()
            if not name.startswith("source_")
        },
    )
