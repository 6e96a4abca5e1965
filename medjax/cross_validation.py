"""All folds of an experiment, judged as one: each image is predicted by the run that never saw it."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from medjax import config as configuration
from medjax import processes, terminal
from medjax.evaluation.against_baselines import FOLDER, NAMES, against_baselines
from medjax.evaluation.predictions import Predictions, read_csv, write_csv
from medjax.evaluation.report import report_image_ids, write_report
from medjax.evaluation.saved import calibrated_folds, calibration_entry, evaluate_split
from medjax.evaluation.settings import Settings
from medjax.evaluation.summary import summary_table
from medjax.json_file import write_json
from medjax.pipeline.partition import ALL_FOLDS
from medjax.pipeline.storage import disk_errors
from medjax.preparation import each_fold, load_table, thumbnails
from medjax.run_folder import entered
from medjax.terminal import log
from medjax.train import train_and_evaluate


def cross_validate(config: ConfigDict, workdir: pathlib.Path, *, images: bool = True) -> dict[str, Any]:
    """Run every fold of a resolved config in `workdir`/fold0, fold1, …, then pool what they say of their test images.

    A fold that was finished before is only evaluated again. Writes predictions_test.csv, evaluation.json, report.html.

    Returns:
      What evaluation.json holds: the pooled figures, and under "folds" those of each fold; {} where another process
      leads.

    Raises:
      UserError: see train_and_evaluate.
    """
    terminal.mark_demo(config.data.name == "phantom")
    with entered(workdir, configuration.settings(config)):
        return _run_folds(config, workdir, images)


def _run_folds(config: ConfigDict, workdir: pathlib.Path, images: bool) -> dict[str, Any]:
    folds, folders = [], []
    for one, folder in each_fold(config, workdir):
        log.info(f"fold {one.fold + 1} of {config.folds}")
        folds.append(train_and_evaluate(one, folder, images=images))
        folders.append(folder)
    if not processes.leads():
        return {}  # the folds' predictions are in the run's folder, the leader's
    pooled = pool([read_csv(folder / "predictions_test.csv") for folder in folders])
    calibrated = calibrated_folds(folders)
    _pool_baselines(workdir, folders)
    write_csv(workdir / "predictions_test.csv", pooled)
    evaluation = {
        key: folds[0][key]
        for key in ("demo", "dataset", "unit_of_split", "classes", "ordered", "skipped_images", "primary", "views")
    }
    evaluation |= {
        "calibration": calibration_entry(None, calibrated),
        "splits": {
            ALL_FOLDS: evaluate_split(
                ALL_FOLDS,
                pooled,
                calibrated,
                ordered=evaluation["ordered"],
                settings=Settings.of(config.evaluation),
            )
        },
        "folds": [fold["splits"]["test"] for fold in folds],
        "baselines": against_baselines(workdir, config.evaluation.primary, ordered=evaluation["ordered"]),
    }
    write_json(workdir / "evaluation.json", evaluation)
    shown = thumbnails(load_table(config), report_image_ids(workdir)) if images else {}
    report = write_report(workdir, shown)
    print(summary_table(evaluation))
    print(f"report: {report}")
    return evaluation


def _pool_baselines(workdir: pathlib.Path, folders: list[pathlib.Path]) -> None:
    """Write baselines/<name>.csv of all folds: each image is predicted by what was fitted without it."""
    with disk_errors(workdir):
        (workdir / FOLDER).mkdir(exist_ok=True)
    for name in NAMES:
        tables = [read_csv(folder / FOLDER / f"{name}.csv") for folder in folders]
        write_csv(workdir / FOLDER / f"{name}.csv", pool(tables))


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
