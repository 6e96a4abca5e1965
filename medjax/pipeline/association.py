"""Facts of the files against the classes: a network may learn the scanner or the size instead of the disease."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from medjax.pipeline.table import ImageTable

WARN_FROM = 0.3  # Cramér's V; by Cohen's convention a medium association for two classes
_SHOWN = 8  # values of a fact in the table; the others are summed
_PREFIX = "source_"
_WORDS = {"mode": "colour mode"}  # as Pillow calls it; what a person would


def file_facts(table: ImageTable) -> dict[str, np.ndarray]:
    """Return the facts of the files by name, each str [N]; height and width are one fact."""
    columns = {name: values for name, values in table.columns.items() if name.startswith(_PREFIX)}
    facts = {}
    height, width = columns.pop("source_height", None), columns.pop("source_width", None)
    if height is not None and width is not None:
        facts["size"] = np.array([f"{w}×{h}" for h, w in zip(height.tolist(), width.tolist(), strict=True)])
    names = {name: name.removeprefix(_PREFIX) for name in columns}
    return facts | {_WORDS.get(names[name], names[name]): values.astype(np.str_) for name, values in columns.items()}


def cross_tabulate(name: str, values: np.ndarray, labels: np.ndarray, class_names: tuple[str, ...]) -> dict[str, Any]:
    """Count a fact's values in each class.

    Args:
      name: of the fact.
      values: str [N].
      labels: int [N], −1 = missing, which is left out.

    Returns:
      JSON: "fact", "values" (how many different), "cramers_v" (None where there is but one value or one class),
      "accuracy" of guessing the class from the fact alone and "base" without it, "counts" by value and class, and
      "warning", "" where there is none.
    """
    kept = labels >= 0
    distinct, number = np.unique(values[kept], return_inverse=True)
    counts = np.zeros((len(distinct), len(class_names)), dtype=np.int64)
    np.add.at(counts, (number, labels[kept]), 1)
    strength = cramers_v(counts)
    total = max(int(counts.sum()), 1)
    accuracy, base = counts.max(axis=1, initial=0).sum() / total, counts.sum(axis=0).max(initial=0) / total
    warning = ""
    if strength is not None and strength >= WARN_FROM:
        warning = (
            f"the {name} of the file tells the class: guessing from it alone is right in {accuracy:.1%} of the images, "
            f"without it in {base:.1%}; a network can learn it instead of the picture"
        )
    return {
        "fact": name,
        "values": len(distinct),
        "cramers_v": strength,
        "accuracy": float(accuracy),
        "base": float(base),
        "counts": _largest(distinct, counts, class_names),
        "warning": warning,
    }


def cramers_v(counts: np.ndarray) -> float | None:
    """Return Cramér's V of a contingency table, corrected for bias (Bergsma 2013, J Korean Stat Soc 42:323, eq. 7–9).

    Args:
      counts: int [values, classes].

    Returns:
      0 (independent) to 1; None where fewer than two values or two classes occur, or hardly any value twice.
    """
    held = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0].astype(np.float64)
    rows, columns = held.shape
    total = held.sum()
    if min(rows, columns) < 2 or total < 2:
        return None
    expected = held.sum(axis=1, keepdims=True) * held.sum(axis=0) / total
    phi2 = ((held - expected) ** 2 / expected).sum() / total
    phi2 = max(0.0, phi2 - (rows - 1) * (columns - 1) / (total - 1))
    smaller = min(side - (side - 1) ** 2 / (total - 1) for side in (rows, columns)) - 1
    return float(min(1.0, np.sqrt(phi2 / smaller))) if smaller > 0 else None


def _largest(distinct: np.ndarray, counts: np.ndarray, class_names: tuple[str, ...]) -> Mapping[str, Any]:
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    shown = {str(distinct[row]): counts[row] for row in order[:_SHOWN]}
    if len(order) > _SHOWN:
        shown[f"{len(order) - _SHOWN} others"] = counts[order[_SHOWN:]].sum(axis=0)
    return {value: dict(zip(class_names, row.tolist(), strict=True)) for value, row in shown.items()}
