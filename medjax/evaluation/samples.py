"""Which predictions the report shows, and their pictures."""

import base64
import dataclasses
import io
import itertools
from collections.abc import Iterable

import numpy as np
from PIL import Image

from medjax.evaluation.predictions import Predictions

_LONGEST_SIDE = 192  # pixels of a thumbnail in the report: keeps the file small


@dataclasses.dataclass(frozen=True)
class Samples:
    """Rows of a prediction table, chosen without chance; of copies and patients, of each group that is, one row.

    Attributes:
        wrong: wrongly classified, the most confident first.
        uncertain: the lowest highest probability first, right or wrong.
        right: rightly classified, taken in turn from every class, evenly over the confidences.
    """

    wrong: list[int]
    uncertain: list[int]
    right: list[int]


def choose(predictions: Predictions, count: int = 8) -> Samples:
    """Choose up to `count` labelled images of groups of their own for each list; ties go to the first row."""
    labels, probabilities = predictions.labels, predictions.probabilities
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows = np.flatnonzero(labels >= 0)
    by_confidence = rows[np.argsort(-confidence[rows], kind="stable")]
    taken: set[str | int] = set()
    wrong = _one_a_group(predictions, [row for row in by_confidence if predicted[row] != labels[row]], taken, count)
    uncertain = _one_a_group(predictions, rows[np.argsort(confidence[rows], kind="stable")], taken, count)
    pools = []
    for k in range(len(predictions.class_names)):
        right = [row for row in by_confidence if predicted[row] == labels[row] == k]
        pool = _one_a_group(predictions, right, taken)
        share = min(len(pool), -(-count // len(predictions.class_names)))
        pools.append([pool[i] for i in np.linspace(0, len(pool) - 1, share).round().astype(int)] if share else [])
    in_turn = [pool[i] for i in range(max(map(len, pools))) for pool in pools if i < len(pool)]
    return Samples(wrong, uncertain, in_turn[:count])


def _one_a_group(
    predictions: Predictions, rows: Iterable[int], taken: set[str | int], count: int | None = None
) -> list[int]:
    """Take the first `count` rows whose groups are not taken yet, and take these; no group_id is a group of its own."""
    chosen: list[int] = []
    for row in itertools.takewhile(lambda _: count is None or len(chosen) < count, map(int, rows)):
        group = predictions.group_ids[row] or row
        if group not in taken:
            taken.add(group)
            chosen.append(row)
    return chosen


def sample_ids(predictions: Predictions, count: int = 8) -> list[str]:
    """Return the image_ids whose thumbnails the report would show."""
    chosen = choose(predictions, count)
    return [predictions.image_ids[row] for row in (*chosen.wrong, *chosen.uncertain, *chosen.right)]


def png_uri(image: np.ndarray) -> str:
    """Encode an image as a PNG data URI.

    Args:
        image: uint8 or uint16 [H, W] or [H, W, C]; C = 1 and 3 are shown as they are, of others the first channel.
            16-bit images are stretched from their own minimum to their maximum, since most use a part of the range.
    """
    picture = Image.fromarray(shown_pixels(image))
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    out = io.BytesIO()
    picture.save(out, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def shown_pixels(image: np.ndarray) -> np.ndarray:
    """Return what `png_uri` shows of an image: uint8 [H, W] or [H, W, 3]. Args: as there."""
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[-1] != 3:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        pixels = np.round((pixels - low) * (255 / max(high - low, 1))).astype(np.uint8)
    return pixels
