"""Judge a trained model: predictions of val and test, evaluation.json and the report."""

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
from medjax.pipeline.table import ImageTable
from medjax.run_folder import write_json


def judge(
    experiment: Experiment, workdir: pathlib.Path, variables: Any, *, step: int, batch_size: int, demo: bool
) -> dict[str, Any]:
    """Predict every image of val and test once, with the whole model, and write what follows from it.

    Writes predictions_val.csv, predictions_test.csv, preprocessing.json, evaluation.json and report.html.

    Args:
      experiment: the table, its splits and the compiled model.
      workdir: the run's folder.
      variables: of the best checkpoint.
      step: that checkpoint's.
      batch_size: images at a time.
      demo: the images are synthetic.

    Returns:
      What evaluation.json holds.
    """
    table, results = experiment.table, {}
    for split in ("val", "test"):
        indices = experiment.splits[split]
        predict = functools.partial(experiment.logits, variables)
        logits = collect(predict, experiment.images, indices, batch_size, f"predicting {split}")
        predictions = to_predictions(table, indices, logits)
        write_csv(workdir / f"predictions_{split}.csv", predictions)
        results[split] = evaluate(predictions)
    evaluation = {
        "demo": demo,
        "dataset": table.name,
        "unit_of_split": "group" if any(table.group_ids) else "image (patient overlap unknown)",
        "best_step": step,
        "best_epoch": step // experiment.steps_per_epoch,
        "classes": list(table.class_names),
        "skipped_images": [list(skipped) for skipped in table.skipped],
        "splits": results,
    }
    if experiment.spikes:
        spikes = functools.partial(experiment.spikes, variables)
        evaluation["spiking"] = spike_statistics(
            spikes, experiment.images, experiment.splits["test"], batch_size, table.class_names
        )
    write_json(workdir / "preprocessing.json", experiment.preprocessing)
    write_json(workdir / "evaluation.json", evaluation)
    rows = {str(name): row for row, name in enumerate(table.image_ids)}
    write_report(workdir, {name: table.images[rows[name]] for name in report_image_ids(workdir)})
    return evaluation


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
