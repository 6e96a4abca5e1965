"""The first predictions and how many there are of each class, as plain text for the terminal."""

from __future__ import annotations

from medjax.counted import counted
from medjax.evaluation.estimates import format_score
from medjax.evaluation.text_table import DEMO
from medjax.inference.prediction_file import Answer, Summary

_NAME = 40  # characters of a name that are shown, the last ones


def prediction_table(summary: Summary) -> str:
    """Set a summary: one row an image with its class, probability and conformal set or reason; then the counts."""
    rows = [["Image", "Predicted", "Probability", "Set, or why there is none"], *map(_row, summary.first)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[3]]).rstrip() for row in rows]
    lines.insert(1, "─" * max(map(len, lines)))
    total = summary.counts.total()
    if total > len(summary.first):
        lines.append(f"… and {counted(total - len(summary.first), 'image')} more")
    counts = [f"{summary.counts[name]:,} {name}" for name in summary.class_names]
    lines.append(f"Predicted: {', '.join(counts)}; {summary.counts['']:,} could not be used.")
    return "\n".join([DEMO, *lines] if summary.demo else lines)


def _row(answer: Answer) -> list[str]:
    name = answer.name if len(answer.name) <= _NAME else "…" + answer.name[1 - _NAME :]
    if not answer.probabilities:
        return [name, "–", "–", answer.reason]
    held = "–" if answer.classes is None else ", ".join(answer.classes)
    return [name, answer.predicted, format_score(max(answer.probabilities)), held]
