"""The short table of results, for the terminal and the report."""

from typing import Any

_RATES = (
    ("balanced_accuracy", "Balanced accuracy"),
    ("macro_f1", "Macro F1"),
    ("macro_auroc", "Macro AUROC (one-vs-rest)"),
)


def format_score(value: float | None) -> str:
    """Write a rate in [0, 1] with three decimals; never 1.000 or 0.000 unless it is exactly that; None is "–"."""
    if value is None:
        return "–"
    text = f"{value:.3f}"
    if text == "1.000" and value < 1:
        return ">0.999"
    if text == "0.000" and value > 0:
        return "<0.001"
    return text


def result_rows(evaluation: dict[str, Any]) -> list[list[str]]:
    """Lay out the results of every split.

    Args:
        evaluation: the content of evaluation.json.

    Returns:
        Rows of one label and one text a split; the first row holds the names of the splits.
    """
    splits = evaluation["splits"]

    def row(label: str, text: Any) -> list[str]:
        return [label, *(text(metrics) for metrics in splits.values())]

    def groups(metrics: dict[str, Any]) -> str:
        return "unknown" if metrics["groups"] is None else f"{metrics['groups']:,}"

    def accuracy(metrics: dict[str, Any]) -> str:
        return f"{format_score(metrics['accuracy'])} ({metrics['correct']:,}/{metrics['images']:,})"

    def log_loss(metrics: dict[str, Any]) -> str:
        return "–" if metrics["log_loss"] is None else f"{metrics['log_loss']:.3f}"

    rows = [
        ["", *splits],
        row("Images", lambda metrics: f"{metrics['images']:,}"),
        row("Groups", groups),
        row("Accuracy", accuracy),
    ]
    rows += [row(label, lambda metrics, key=key: format_score(metrics[key])) for key, label in _RATES]
    return [*rows, row("Log loss", log_loss)]


def summary_table(evaluation: dict[str, Any]) -> str:
    """Set the results as plain text, one row a metric and one column a split, with what has to be said beneath."""
    rows = result_rows(evaluation)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    lines.insert(1, "─" * len(lines[0]))
    lines.append(f"Unit of the split: {evaluation['unit_of_split']}.")
    for name, metrics in evaluation["splits"].items():
        lines += [f"Warning, {name}: {warning}." for warning in metrics["warnings"]]
    if evaluation.get("demo"):
        lines = ["DEMO: synthetic images. Not a result.", *lines]
    return "\n".join(lines)
