"""The section of the report that shows single test images: the worst mistakes, the least certain, some right ones."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np

from medjax.evaluation import heatmap, markup, samples
from medjax.evaluation.estimates import format_score
from medjax.evaluation.predictions import Predictions

SAMPLES = 6  # of each kind: fills rows of 6, 3 and 2


def section(
    predictions: Predictions | None, thumbnails: Mapping[str, np.ndarray], heatmaps: Mapping[str, np.ndarray]
) -> str:
    """Set the chosen images, each with its heat map where it has one.

    Args:
        predictions: of the test images; None gives no section.
        thumbnails: image_id -> uint8 or uint16 [H, W] or [H, W, C].
        heatmaps: image_id -> float [h, w] in [0, 1].
    """
    if predictions is None:
        return ""
    chosen = samples.choose(predictions, SAMPLES)
    kinds = (
        ("Most confidently wrong", chosen.wrong),
        ("Least certain", chosen.uncertain),
        ("Right, a few of every class", chosen.right),
    )
    parts = [markup.paragraph("Test images, chosen by rule and shown at the size the network reads.", "note")]
    if any(predictions.image_ids[row] in heatmaps for _, rows in kinds for row in rows):
        parts.append(_legend())
    for heading, rows in kinds:
        if rows:
            mapped = any(predictions.image_ids[row] in heatmaps for row in rows)
            cells = "".join(_sample(predictions, row, thumbnails, heatmaps) for row in rows)
            kind = "samples mapped" if mapped else "samples"
            parts.append(f'<h3>{html.escape(heading)}</h3>\n<div class="{kind}">{cells}</div>\n')
    return markup.section("Sample predictions", *parts)


def _legend() -> str:
    """Say once what the colours mean."""
    scale = samples.png_uri(heatmap.colour_scale(192))
    alt = "Colour scale of the heat maps, from dark blue, the least, to yellow, the most of the image."
    text = (
        "Beside each image its heat map: what spoke for the predicted class. Each map is scaled to its own largest "
        "value. A heat map does not prove that the network looked at the lesion."
    )
    shown = f'<p class="scale">least <img src="{scale}" alt="{html.escape(alt)}"> most</p>\n'
    return markup.paragraph(text, "note") + shown


def _sample(
    predictions: Predictions, row: int, thumbnails: Mapping[str, np.ndarray], heatmaps: Mapping[str, np.ndarray]
) -> str:
    image_id, probabilities = predictions.image_ids[row], predictions.probabilities[row]
    predicted, label = int(probabilities.argmax()), int(predictions.labels[row])
    true_name, predicted_name = predictions.class_names[label], predictions.class_names[predicted]
    text = f"predicted {predicted_name}, {format_score(float(probabilities[predicted]))}"
    kind = "wrong" if predicted != label else "right"
    picture = '<span class="blank">no picture</span>'
    if image_id in thumbnails:
        picture = _image(thumbnails[image_id], f"{image_id}: true {true_name}, {text}")
        if image_id in heatmaps:
            laid = heatmap.overlay(samples.shown_pixels(thumbnails[image_id]), heatmaps[image_id])
            picture = f'<div class="two">{picture}{_image(laid, f"{image_id}: heat map of {predicted_name}")}</div>'
    lines = (f"true {markup.breakable(true_name)}", f'<span class="{kind}">{markup.breakable(text)}</span>')
    ident = f'<span class="id">{markup.breakable(image_id)}</span>'
    return f"<figure>{picture}<figcaption>{'<br>'.join(lines)}{ident}</figcaption></figure>\n"


def _image(pixels: np.ndarray, alt: str) -> str:
    return f'<img src="{samples.png_uri(pixels)}" alt="{html.escape(alt)}">'
