"""All folds of an experiment, judged as one: each image is predicted by the run that never saw it."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from medjax import config as configuration
from medjax import terminal
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, read_csv, write_csv
from medjax.evaluation.report import report_image_ids, write_report
from medjax.evaluation.summary import summary_table
from medjax.pipeline.partition import ALL_FOLDS
from medjax.preparation import each_fold, load_table, thumbnails
from medjax.run_folder import open_run, write_json
from medjax.terminal import log
from medjax.train import train_and_evaluate


def cross_validate(config: ConfigDict, workdir: pathlib.Path, *, images: bool = True) -> dict[str, Any]:
    """Run every fold of a resolved config in `workdir`/fold0, fold1, …, then pool what they say of their test images.

    A fold that was finished before is only evaluated again. Writes predictions_test.csv, evaluation.json, report.html.

    Returns:
      What evaluation.json holds: the pooled figures, and under "folds" those of each fold.

    Raises:
      UserError: see train_and_evaluate.
    """
    terminal.mark_demo(config.data.name == "phantom")
    open_run(workdir, configuration.settings(config))
    folds = []
    for one, folder in each_fold(config, workdir):
        log.info(f"fold {one.fold + 1} of {config.folds}")
        folds.append(train_and_evaluate(one, folder, images=images))
    pooled = pool([read_csv(workdir / f"fold{fold}" / "predictions_test.csv") for fold in range(config.folds)])
    write_csv(workdir / "predictions_test.csv", pooled)
    evaluation = {
        key: folds[0][key] for key in ("demo", "dataset", "unit_of_split", "classes", "ordered", "skipped_images")
    }
    evaluation |= {
        "splits": {ALL_FOLDS: evaluate(pooled, ordered=evaluation["ordered"])},
        "folds": [fold["splits"]["test"] for fold in folds],
    }
    write_json(workdir / "evaluation.json", evaluation)
    shown = thumbnails(load_table(config), report_image_ids(workdir)) if images else {}
    report = write_report(workdir, shown)
    print(summary_table(evaluation))
    print(f"report: {report}")
    return evaluation


def pool(tables: list[Predictions]) -> Predictions:
    """Return one table of the rows of all; they have the same classes and columns, and no image in common."""
    return Predictions(
        image_ids=[name for table in tables for name in table.image_ids],
        group_ids=[name for table in tables for name in table.group_ids],
        labels=np.concatenate([table.labels for table in tables]),
        probabilities=np.concatenate([table.probabilities for table in tables]),
        class_names=tables[0].class_names,
        columns={key: [v for table in tables for v in table.columns[key]] for key in tables[0].columns},
    )
