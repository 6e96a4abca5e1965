"""Every figure that is drawn of a run, with its words and the numbers behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from medjax.evaluation import curve_figures, figures
from medjax.evaluation.curve_figures import Panel
from medjax.evaluation.estimates import format_estimate
from medjax.evaluation.plot import Plot
from medjax.evaluation.record import Record

_CURVES = (
    ("Loss", {"train_loss": "training", "val_loss": "validation"}),
    ("Accuracy", {"train_accuracy": "training", "val_accuracy": "validation"}),
    ("Learning rate", {"learning_rate": "learning rate"}),
)


def draw(record: Record) -> list[Plot]:
    """Draw every figure whose numbers the run holds, in the order of the page."""
    plots = [*_confusion(record), *_roc(record), *_precision_recall(record), *_reliability(record), *_decision(record)]
    plots += _learning(record)
    if record.demo:
        for plot in plots:
            figures.mark_demo(plot.figure)
    return plots


def _learning(record: Record) -> Iterator[Plot]:
    best_epoch = record.evaluation.get("best_epoch")
    chosen = f" Dotted line: chosen epoch {best_epoch}." if best_epoch is not None else ""
    for label, lines in _CURVES:
        figure = figures.learning_curve(record.rows, lines, label, best_epoch)
        if figure is not None:
            ends = "; ".join(_ends(record.rows, metric, name) for metric, name in lines.items())
            yield Plot(
                name=_file_name(label),
                heading="Learning curves",
                figure=figure,
                alt=f"Line chart of {label.lower()} against the epoch: {ends}.{chosen}",
                caption=f"**{label}** by epoch.{chosen}",
                columns=["epoch", *lines],
                rows=[[row.get(column) for column in ("epoch", *lines)] for row in record.rows],
            )


def _ends(rows: list[dict[str, Any]], metric: str, name: str) -> str:
    known = [row for row in rows if row.get(metric) is not None]
    if not known:
        return f"{name} unknown"
    first, last = known[0], known[-1]
    return f"{name} {first[metric]:.3g} at epoch {first.get('epoch')}, {last[metric]:.3g} at epoch {last.get('epoch')}"


def _confusion(record: Record) -> Iterator[Plot]:
    for split, metrics in reversed(record.evaluation["splits"].items()):
        matrix, names = metrics["confusion_matrix"], metrics["classes"]
        spoken = (
            f"true {name}: " + ", ".join(f"{count} {other}" for count, other in zip(row, names, strict=True))
            for name, row in zip(names, matrix, strict=True)
        )
        yield Plot(
            name=_file_name(f"confusion {split}"),
            heading="Confusion matrices",
            figure=figures.confusion_matrix(matrix, names, f"{split}, {metrics['images']:,} images"),
            alt=f"Confusion matrix, {split}; images by predicted class. {'; '.join(spoken)}.",
            caption=f"**Confusion matrix, {split}.** Images and per cent of the true class's images.",
            columns=["true class", *names],
            rows=[[name, *row] for name, row in zip(names, matrix, strict=True)],
            wide=len(names) > 6,
        )


def _roc(record: Record) -> Iterator[Plot]:
    curves = {name: curve["roc"] for name, curve in record.judged.get("curves", {}).items()}
    words = "**ROC curve** of each class against all others"
    yield from _panels(record, "roc", "Discrimination", curve_figures.roc, curves, words, ("auroc", "AUROC"))


def _precision_recall(record: Record) -> Iterator[Plot]:
    curves = {name: curve["pr"] for name, curve in record.judged.get("curves", {}).items()}
    words = "**Precision-recall curve** of each class; dotted: the class's share of the images"
    draw = curve_figures.precision_recall
    yield from _panels(
        record, "precision_recall", "Discrimination", draw, curves, words, ("average_precision", "average precision")
    )


def _decision(record: Record) -> Iterator[Plot]:
    curves = record.judged.get("decision_curves", {})
    words = "**Decision curve** of each class against all others: net benefit in true positives an image"
    yield from _panels(
        record, "decision_curves", "Calibration and utility", curve_figures.decision, curves, words, None
    )


def _panels(
    record: Record,
    name: str,
    heading: str,
    draw: Callable[[Sequence[Panel]], Figure],
    curves: dict[str, dict[str, list[float | None]]],
    words: str,
    area: tuple[str, str] | None,
) -> Iterator[Plot]:
    """Draw a curve of every class, a few classes a figure. Args: area, key and name of a metric of each class."""
    per_class, images = record.judged["per_class"], record.judged["images"]
    said = {one: f"{area[1]} {format_estimate(per_class[one], area[0])}" if area else "" for one in curves}
    short = {one: text.replace("average precision", "AP").replace(" (", "\n(") for one, text in said.items()}
    parts = [list(curves)[at : at + curve_figures.PANELS] for at in range(0, len(curves), curve_figures.PANELS)]
    for number, part in enumerate(parts, start=1):
        panels = [Panel(one, short[one], curves[one], per_class[one]["support"] / images) for one in part]
        columns = list(curves[part[0]])
        bands = " Shaded: 95 % interval at each point." if "low" in columns else ""
        yield Plot(
            name=f"{name}_{number}" if len(parts) > 1 else name,
            heading=heading,
            figure=draw(panels),
            alt=f"{words.replace('**', '')}, {record.judged_split}: "
            + "; ".join(f"{one} {said[one]}".strip() for one in part)
            + ".",
            caption=f"{words}, {record.judged_split}.{bands}",
            columns=["class", *columns],
            rows=[[one, *values] for one in part for values in zip(*_filled(curves[one], columns), strict=True)],
        )


def _filled(curve: Mapping[str, list[float | None] | None], columns: Sequence[str]) -> list[list[float | None]]:
    """Return the columns of a curve; a bound that it lacks is a column of None."""
    length = max(len(values) for values in curve.values() if values is not None)
    return [curve[column] or [None] * length for column in columns]


def _reliability(record: Record) -> Iterator[Plot]:
    curves = {"network": record.judged.get("reliability") or []}
    after = (record.judged.get("after_temperature") or {}).get("reliability")
    if after:
        curves = {"before": curves["network"], "after temperature": after}
    if not any(curves.values()):
        return
    predictions = record.predictions
    confidence = predictions.probabilities[predictions.labels >= 0].max(axis=1) if predictions else None
    points = ("confidence", "accuracy", "images", "groups")
    rows = [[name, *(point.get(key) for key in points)] for name, curve in curves.items() for point in curve]
    if confidence is not None:
        edges = curve_figures.histogram_edges()
        counts = np.histogram(confidence, edges)[0].tolist()
        rows += [
            ["histogram, from", edge, None, count, None]
            for edge, count in zip(edges[:-1].tolist(), counts, strict=True)
        ]
    spoken = "; ".join(
        f"{name}: " + ", ".join(f"{point['confidence']:.2f} right {point['accuracy']:.2f}" for point in curve)
        for name, curve in curves.items()
    )
    yield Plot(
        name="reliability",
        heading="Calibration and utility",
        figure=curve_figures.reliability(curves, confidence),
        alt=f"Share of right predictions by confidence, {record.judged_split}. {spoken}.",
        caption=f"**Reliability, {record.judged_split}.** On the dotted line confidence is what it says. Each point "
        "stands for about as many images as any other; beneath, how many images have which confidence.",
        columns=["curve", *points],
        rows=rows,
    )


def _file_name(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")
