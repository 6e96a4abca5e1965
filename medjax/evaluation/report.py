"""report.html: one self-contained page on a finished run, light and printable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from medjax.evaluation import (
    baselines_page,
    calibration_page,
    checklist,
    methods,
    results_page,
    run_page,
    saliency_page,
    samples,
    samples_page,
)
from medjax.evaluation.damage import damage_as_error
from medjax.evaluation.page import page
from medjax.evaluation.plot import Plot, figure_sections, write_files
from medjax.evaluation.plots import draw
from medjax.evaluation.record import Record, read_record, read_test_predictions
from medjax.pipeline.storage import write_bytes


def write_report(
    workdir: str | os.PathLike[str],
    thumbnails: Mapping[str, np.ndarray] | None = None,
    heatmaps: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """Write report.html, and the figures/ beside it, from the files of a run's folder.

    Args:
        workdir: holds evaluation.json; the other JSON files of a run, metrics.jsonl and predictions_test.csv are used
            where they are there.
        thumbnails: image_id -> uint8 or uint16 [H, W] or [H, W, C]; `report_image_ids` lists those that are shown.
        heatmaps: image_id -> float32 [h, w] in [0, 1], what spoke for the predicted class; of any of these images.

    Returns:
        Path of the report.

    Raises:
        UserError: evaluation.json is missing, a file is damaged, or the folder cannot be written.
    """
    record = read_record(workdir, heatmaps=len(heatmaps or {}))
    with damage_as_error(workdir):
        drawn = draw(record)
        html = _page(record, drawn, thumbnails or {}, heatmaps or {})
    write_files(Path(workdir) / "figures", drawn, demo=record.demo)
    report = Path(workdir) / "report.html"
    # a file name that is no UTF-8 is shown with a mark in its place
    write_bytes(report, html.encode("utf-8", "replace"))
    return report


def report_image_ids(workdir: str | os.PathLike[str]) -> list[str]:
    """Return the image_ids whose thumbnails `write_report` shows; [] when there is no predictions_test.csv."""
    predictions = read_test_predictions(workdir)
    return samples.sample_ids(predictions, samples_page.SAMPLES) if predictions else []


def _page(
    record: Record,
    drawn: list[Plot],
    thumbnails: Mapping[str, np.ndarray],
    heatmaps: Mapping[str, np.ndarray],
) -> str:
    evaluation = record.evaluation
    sections = [
        results_page.results(evaluation),
        baselines_page.baselines(evaluation),
        *figure_sections(drawn),
        calibration_page.section(evaluation),
        samples_page.section(record.predictions, thumbnails, heatmaps),
        saliency_page.section(evaluation.get("saliency") or {}),
        run_page.data(record.audit),
        run_page.spikes(evaluation.get("spiking") or {}),
        run_page.skipped(evaluation.get("skipped_images") or []),
        methods.section(record),
        checklist.section(record),
        run_page.configuration(record.config),
        run_page.provenance(record),
    ]
    lead = f"Unit of the split: {evaluation['unit_of_split']}."
    return page(record.name, lead, run_page.facts(record), sections, demo=record.demo)
