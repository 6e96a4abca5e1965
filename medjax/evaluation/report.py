"""report.html: one self-contained page on a finished run, light and printable."""

import hashlib
import html
import json
import os
import string
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.evaluation import audit_page, figures, markup, results_page, samples
from medjax.evaluation.predictions import Predictions, read_csv
from medjax.evaluation.summary import format_score
from medjax.jsonl import read_rows

_SAMPLES = 6  # of each kind: fills rows of 6, 3 and 2
_CURVES = (
    ("Loss", {"train_loss": "training", "val_loss": "validation"}),
    ("Accuracy", {"train_accuracy": "training", "val_accuracy": "validation"}),
    ("Learning rate", {"learning_rate": "learning rate"}),
)
_BANNER = (
    '<div class="demo-banner" role="note"><b>DEMO</b>Trained and tested on synthetic images. '
    "Nothing on this page is a result.</div>"
)


def write_report(workdir: str | os.PathLike[str], thumbnails: Mapping[str, np.ndarray] | None = None) -> Path:
    """Write report.html from the files of a run's folder.

    Args:
        workdir: holds evaluation.json; config.json, environment.json, splits.json, metrics.jsonl and predictions_*.csv
            are used where they are there.
        thumbnails: image_id -> uint8 or uint16 [H, W] or [H, W, C]; `report_image_ids` lists those that are shown.

    Returns:
        Path of the report.

    Raises:
        UserError: evaluation.json is missing, or a file is damaged.
    """
    folder = Path(workdir)
    evaluation = _read_json(folder / "evaluation.json")
    if evaluation is None:
        raise UserError(f"{folder} holds no evaluation.json: finish the run first, the same command goes on with it.")
    config = _read_json(folder / "config.json") or {}
    demo = bool(evaluation.get("demo"))
    title = str(config.get("name") or folder.resolve().name)
    template = string.Template(resources.files("medjax.evaluation").joinpath("report.html").read_text("utf-8"))
    page = template.substitute(
        title=html.escape(f"DEMO: {title}" if demo else title),
        heading=html.escape(title),
        body_class=' class="demo"' if demo else "",
        banner=_BANNER if demo else "",
        unit=html.escape(f"Unit of the split: {evaluation['unit_of_split']}."),
        facts=markup.definitions(_facts(evaluation, config), "facts"),
        sections="".join(_sections(folder, evaluation, config, thumbnails or {})),
        footer="Written by medjax. Research use, not a medical device.",
    )
    report = folder / "report.html"
    partial = folder / "report.html.partial"
    partial.write_text(page, encoding="utf-8", errors="replace")
    partial.replace(report)
    return report


def _sections(
    folder: Path, evaluation: dict[str, Any], config: dict[str, Any], thumbnails: Mapping[str, np.ndarray]
) -> list[str]:
    return [
        results_page.results(evaluation),
        _curves(folder, evaluation.get("best_epoch")),
        _confusion(evaluation),
        _data(_read_json(folder / "audit.json")),
        _sample_predictions(folder, thumbnails),
        _spiking(evaluation.get("spiking") or {}),
        _skipped(evaluation.get("skipped_images") or []),
        markup.section("Configuration", markup.definitions(markup.flatten(config), "settings")) if config else "",
        _provenance(folder, config),
    ]


def _data(audit: dict[str, Any] | None) -> str:
    """Say where the images come from and what the audit found; its own page, audit.html, has the rest."""
    if audit is None:
        return ""
    notes = markup.definitions(markup.flatten(audit["notes"]), "settings") if audit["notes"] else ""
    flow = audit_page.flow_table(audit, "**Inclusion.** From the source to the experiment; audit.html has the rest.")
    return markup.section("Data", *(audit_page.warning(text) for text in audit["warnings"]), flow, notes)


def report_image_ids(workdir: str | os.PathLike[str]) -> list[str]:
    """Return the image_ids whose thumbnails `write_report` shows; [] when there is no predictions_test.csv."""
    predictions = _test_predictions(Path(workdir))
    return samples.sample_ids(predictions, _SAMPLES) if predictions else []


def _read_json(file: Path) -> Any:
    if not file.exists():
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}): restore it, or evaluate the run again.") from error


def _facts(evaluation: dict[str, Any], config: dict[str, Any]) -> list[tuple[str, str]]:
    model = config.get("model") or {}
    pairs = [
        ("Dataset", evaluation.get("dataset")),
        ("Network", model.get("name") if isinstance(model, Mapping) else model),
        ("Chosen epoch", evaluation.get("best_epoch")),
        ("Classes", ", ".join(evaluation["classes"])),
    ]
    return [(name, str(value)) for name, value in pairs if value is not None]


def _curves(folder: Path, best_epoch: int | None) -> str:
    rows = read_rows(folder / "metrics.jsonl")
    drawn = []
    for label, lines in _CURVES:
        figure = figures.learning_curve(rows, lines, label, best_epoch)
        if figure is not None:
            ends = "; ".join(_ends(rows, metric, name) for metric, name in lines.items())
            chosen = f" Dotted line: chosen epoch {best_epoch}." if best_epoch is not None else ""
            alt = f"Line chart of {label.lower()} against the epoch: {ends}.{chosen}"
            drawn.append(markup.svg_figure(figures.to_svg(figure), alt, f"**{label}** by epoch.{chosen}"))
    return markup.section("Learning curves", f'<div class="figures">{"".join(drawn)}</div>') if drawn else ""


def _ends(rows: list[dict[str, Any]], metric: str, name: str) -> str:
    known = [row for row in rows if row.get(metric) is not None]
    if not known:
        return f"{name} unknown"
    first, last = known[0], known[-1]
    return f"{name} {first[metric]:.3g} at epoch {first.get('epoch')}, {last[metric]:.3g} at epoch {last.get('epoch')}"


def _confusion(evaluation: dict[str, Any]) -> str:
    drawn = []
    for split, metrics in reversed(evaluation["splits"].items()):
        matrix, names = metrics["confusion_matrix"], metrics["classes"]
        figure = figures.confusion_matrix(matrix, names, f"{split}, {metrics['images']:,} images")
        rows = (
            f"true {name}: " + ", ".join(f"{count} {other}" for count, other in zip(row, names, strict=True))
            for name, row in zip(names, matrix, strict=True)
        )
        alt = f"Confusion matrix, {split}; images by predicted class. {'; '.join(rows)}."
        caption = f"**Confusion matrix, {split}.** Images and per cent of the true class's images."
        drawn.append(markup.svg_figure(figures.to_svg(figure), alt, caption, wide=len(names) > 6))
    return markup.section("Confusion matrices", f'<div class="figures">{"".join(drawn)}</div>')


def _test_predictions(folder: Path) -> Predictions | None:
    file = folder / "predictions_test.csv"
    return read_csv(file) if file.exists() else None


def _sample_predictions(folder: Path, thumbnails: Mapping[str, np.ndarray]) -> str:
    predictions = _test_predictions(folder)
    if predictions is None:
        return ""
    chosen = samples.choose(predictions, _SAMPLES)
    kinds = (
        ("Most confidently wrong", chosen.wrong),
        ("Least certain", chosen.uncertain),
        ("Right, a few of every class", chosen.right),
    )
    parts = [markup.paragraph("Test images, chosen by rule and shown at the size the network reads.", "note")]
    for heading, rows in kinds:
        if rows:
            cells = "".join(_sample(predictions, row, thumbnails) for row in rows)
            parts.append(f'<h3>{html.escape(heading)}</h3>\n<div class="samples">{cells}</div>\n')
    return markup.section("Sample predictions", *parts)


def _sample(predictions: Predictions, row: int, thumbnails: Mapping[str, np.ndarray]) -> str:
    image_id, probabilities = predictions.image_ids[row], predictions.probabilities[row]
    predicted, label = int(probabilities.argmax()), int(predictions.labels[row])
    true_name, predicted_name = predictions.class_names[label], predictions.class_names[predicted]
    text = f"predicted {predicted_name}, {format_score(float(probabilities[predicted]))}"
    kind = "wrong" if predicted != label else "right"
    picture = '<span class="blank">no picture</span>'
    if image_id in thumbnails:
        alt = html.escape(f"{image_id}: true {true_name}, {text}")
        picture = f'<img src="{samples.png_uri(thumbnails[image_id])}" alt="{alt}">'
    lines = (f"true {markup.breakable(true_name)}", f'<span class="{kind}">{markup.breakable(text)}</span>')
    ident = f'<span class="id">{markup.breakable(image_id)}</span>'
    return f"<figure>{picture}<figcaption>{'<br>'.join(lines)}{ident}</figcaption></figure>\n"


def _spiking(spiking: dict[str, Any]) -> str:
    if not spiking:
        return ""
    dead = ", ".join(spiking["dead_outputs"])
    warning = f"The output neuron of {dead} never fired: that class is never predicted." if dead else ""
    rows = [[layer, f"{rate:.4f}"] for layer, rate in spiking["mean_spike_rate"].items()]
    table = markup.table("Mean spikes a step and neuron, test.", ["Layer", "Rate"], rows, "text")
    return markup.section("Spikes", table, markup.paragraph(warning) if warning else "")


def _skipped(skipped: list[Any]) -> str:
    if not skipped:
        return ""
    rows = [[str(image_id), str(reason)] for image_id, reason in skipped]
    caption = f"{len(rows):,} {'image' if len(rows) == 1 else 'images'} could not be read: left out before the split."
    return markup.section("Images left out", markup.table(caption, ["Image", "Reason"], rows, "text"))


def _provenance(folder: Path, config: dict[str, Any]) -> str:
    environment = _read_json(folder / "environment.json") or {}
    pairs = [("seed", str(config["seed"]))] if "seed" in config else []
    for name in ("command", "git_revision", "devices"):
        value = environment.pop(name, None)
        if value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            pairs.append((name.replace("_", " "), text))
    pairs += [(name.removeprefix("packages."), value) for name, value in markup.flatten(environment)]
    splits = folder / "splits.json"
    if splits.exists():
        pairs.append(("splits.json, SHA-256", hashlib.sha256(splits.read_bytes()).hexdigest()))
    return markup.section("Provenance", markup.definitions(pairs, "settings one")) if pairs else ""
