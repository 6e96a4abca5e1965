"""The same metrics again for each value of a column, such as a site, a sex or a scanner."""

from typing import Any

import numpy as np

from medjax.evaluation import confusion, ranking, scores
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.settings import Settings
from medjax.evaluation.uncertainty import Uncertainty

_FAMILIES = (confusion, ranking, scores)  # hold every metric that can be the primary one


def subgroup_tables(predictions: Predictions, images: Labelled, settings: Settings) -> dict[str, dict[str, Any]]:
    """Judge the images of each value of the columns that the settings name.

    Many values are many comparisons: a difference between two of them is a question, not a finding.

    Args:
        predictions: holds the columns; `Settings.check` has passed.
        images: its labelled rows.

    Returns:
        column -> value -> {images, groups, absent (class names without an image), and the primary metric, accuracy and
        macro_auroc, with intervals as in metrics.py}; numbers in their order, then texts in theirs.
    """
    labelled = predictions.labels >= 0
    tables = {}
    for column in settings.subgroups:
        values = np.array(predictions.columns[column])[labelled]
        ordered = sorted(set(values.tolist()), key=_order)
        tables[column] = {value: _judge(images.part(values == value), settings.primary) for value in ordered}
    return tables


def _judge(images: Labelled, primary: str) -> dict[str, Any]:
    once = np.ones((1, images.num_groups), np.int64)
    found: dict[str, np.ndarray] = {}
    for family in _FAMILIES:
        found |= family.resampler(images)(once)
    names = dict.fromkeys((primary, "accuracy", "macro_auroc"))
    return {
        "images": len(images),
        "groups": images.num_groups,
        "absent": [name for name, count in zip(images.class_names, found["support"][0], strict=True) if not count],
        **Uncertainty(images, _FAMILIES).beside({name: found[name][0] for name in names}),
    }


def _order(value: str) -> tuple[bool, float, str]:
    try:
        return False, float(value), value
    except ValueError:
        return True, 0.0, value
