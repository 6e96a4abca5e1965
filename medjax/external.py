"""A finished run on an external test set: images of another source, without those that the run has seen."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from typing import Any

import numpy as np

from medjax import config as configuration
from medjax.errors import UserError
from medjax.evaluation.audit_page import audit_page, page_image_ids
from medjax.evaluation.ensemble import calibration_of
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.report import report_image_ids, write_report
from medjax.evaluation.saved import calibration_entry, evaluate_split
from medjax.evaluation.settings import Settings
from medjax.external_images import SEEN, external_table, seen_table
from medjax.inference.finished_run import FinishedRun, open_finished_run
from medjax.inference.predictions import collect
from medjax.inference.predictor import Predictor, make_step
from medjax.json_file import write_json
from medjax.judge import to_predictions
from medjax.pipeline.audit import audit
from medjax.pipeline.categories import codes_of
from medjax.pipeline.duplicate_file import duplicates_of
from medjax.pipeline.feed import HostFeed
from medjax.pipeline.grouping import groups
from medjax.pipeline.leaks import Leaks, find_leaks
from medjax.pipeline.storage import disk_errors, write_text
from medjax.pipeline.table import ImageTable
from medjax.preparation import no_duplicates, thumbnails, unit_of_split
from medjax.sharding import make_mesh
from medjax.terminal import log, mark_demo

_NOT_AUDITED = (
    "leaks NOT audited: the images that the run was trained on were not found, so some of them may be among these"
)


def evaluate_external(
    workdir: pathlib.Path,
    data: pathlib.Path,
    *,
    name: str = "",
    training_data: pathlib.Path | None = None,
    cache: pathlib.Path = pathlib.Path("data/cache"),
    images: bool = True,
) -> tuple[dict[str, Any], pathlib.Path]:
    """Judge a finished run on images of another source.

    First the images are looked for among those of the run's train, val and calib splits: exact and near copies, and
    known patients, are left out and counted. Where the run's images are not found, the result says so.

    Args:
      workdir: the run's folder.
      data: folder, .zip or table of the external images; see external_images.py.
      name: of the result, letters and digits; "" takes the first digits of a hash of the images.
      training_data: where the run's own images are, if neither in the cache nor under data/.
      cache: folder of decoded images.
      images: show pictures in report and audit.

    Returns:
      What evaluation.json of the new folder holds, and that folder, `workdir`/external-NAME: predictions_test.csv,
      evaluation.json, calibration.json, audit.json, audit.html, report.html, config.json of the run.

    Raises:
      UserError: the run, the images or the name is wrong, or the run has seen all of the images.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]*", name):
        raise UserError(f"--name={name!r}: use letters, digits, - and _ only.")
    run = open_finished_run(workdir)
    mark_demo(run.synthetic)
    table = external_table(run, data, cache)
    leaks, seen = _leaks(run, table, training_data, cache)
    rows = np.flatnonzero(~leaks.any) if leaks else np.arange(len(table))
    if not len(rows):
        raise UserError(f"the run has seen all of the {len(table):,} external images: there is nothing to judge it by.")
    said = _said(leaks, len(table))
    folder = workdir / f"external-{name or table.content_hash[:8]}"
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
    external = {"audited": leaks is not None, "seen_images": seen, **(leaks.counts() if leaks else {})}
    grouped, unit = _audit(run, table, rows, folder, external, said, images)
    predictions = _predict(run, grouped, rows)
    evaluation = _judge(run, predictions, folder, grouped, unit, external)
    write_report(folder, thumbnails(table, report_image_ids(folder)) if images else {})
    return evaluation, folder


def _said(leaks: Leaks | None, count: int) -> str:
    """Return, and log, what was left out of so many images, or that this is not known."""
    if leaks is None:
        log.warning(f"external images: {_NOT_AUDITED}")
        return _NOT_AUDITED
    said = f"{int(leaks.any.sum()):,} of {count:,} images left out, which the run has seen"
    log.info(f"external images: {said}")
    return said


def _leaks(
    run: FinishedRun, table: ImageTable, training_data: pathlib.Path | None, cache: pathlib.Path
) -> tuple[Leaks | None, int]:
    """Return what of the table the run has seen, None where that cannot be told; and how many images it has seen."""
    found = seen_table(run, training_data, cache)
    if found is None:
        return None, 0
    seen, rows = found
    log.info(f"looking for the {len(table):,} external images among the {len(rows):,} of {', '.join(SEEN)}")
    return find_leaks(table, seen, rows), len(rows)


def _audit(
    run: FinishedRun,
    table: ImageTable,
    rows: np.ndarray,
    folder: pathlib.Path,
    external: dict[str, Any],
    said: str,
    images: bool,
) -> tuple[ImageTable, str]:
    """Write audit.json and audit.html; return the table with the groups that intervals go by, and its unit in words."""
    config = run.config
    found = duplicates_of(table) if config.split.near_copies else None
    grouped = dataclasses.replace(table, group_ids=groups(table, found)) if found else table
    unit = (
        f"an external test set; unit of its groups: {unit_of_split(table, 'clean', config.split.near_copies)}; {said}"
    )
    report = audit(table, {"test": rows}, found=found or no_duplicates(table), fractions={})
    report |= {"unit_of_split": unit, "external": external, "warnings": [said, *report["warnings"]]}
    write_json(folder / "audit.json", report)
    write_text(folder / "audit.html", audit_page(report, thumbnails(table, page_image_ids(report)) if images else None))
    return grouped, unit


def _predict(run: FinishedRun, table: ImageTable, rows: np.ndarray) -> Predictions:
    mesh = make_mesh()
    codes = codes_of(table, run.preprocessing["input_columns"])
    feed = HostFeed(table.images, table.labels, codes, mesh)
    logits = collect(make_step(run, mesh), feed, rows, Predictor([run]).batch_size, "predicting external images")
    return to_predictions(table, rows, logits)


def _judge(
    run: FinishedRun,
    predictions: Predictions,
    folder: pathlib.Path,
    table: ImageTable,
    unit: str,
    external: dict[str, Any],
) -> dict[str, Any]:
    """Write predictions, calibration, config and evaluation.json; return what the last one holds."""
    demo = run.synthetic or table.synthetic
    calibration = calibration_of([run.workdir])
    kept = configuration.plain(run.config)
    there = [column for column in kept["evaluation"]["subgroups"] if column in predictions.columns]
    kept["evaluation"]["subgroups"] = there
    settings = Settings.of(kept["evaluation"])
    calibrated = calibration.apply(predictions) if calibration else None
    evaluation = {
        "demo": demo,
        "dataset": table.name,
        "unit_of_split": unit,
        "classes": list(run.class_names),
        "ordered": table.ordered,
        "skipped_images": [list(skipped) for skipped in table.skipped],
        "primary": settings.primary,
        "external": external,
        "calibration": calibration_entry(calibration),
        "splits": {"test": evaluate_split("test", predictions, calibrated, ordered=table.ordered, settings=settings)},
    }
    write_csv(folder / "predictions_test.csv", predictions)
    if calibration:
        calibration.write(folder, demo=demo)
    write_json(folder / "config.json", kept)
    write_json(folder / "evaluation.json", evaluation)
    return evaluation
