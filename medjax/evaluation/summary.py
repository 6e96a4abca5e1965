"""The short table of results, for the terminal and the report."""

from typing import Any

_HEADLINE = (
    ("accuracy", "Accuracy"),
    ("balanced_accuracy", "Balanced accuracy"),
    ("macro_f1", "Macro F1"),
    ("weighted_f1", "Weighted F1"),
    ("mcc", "MCC"),
    ("cohen_kappa", "Cohen's kappa"),
    ("quadratic_kappa", "Quadratic-weighted kappa"),
    ("macro_auroc", "Macro AUROC (one-vs-rest)"),
    ("macro_average_precision", "Macro average precision"),
    ("log_loss", "Log loss"),
    ("brier_score", "Brier score"),
    ("expected_calibration_error", "Calibration error"),
    ("calibration_intercept", "Calibration intercept"),
    ("calibration_slope", "Calibration slope"),
)
INTERVALS = (
    "In brackets: 95 % intervals, by a bootstrap of 2,000 resamples over groups; images whose group is unknown are "
    "groups of their own. Accuracy, sensitivity and specificity have Wilson's interval where every group is one image, "
    "or where all or none are right; an AUROC of 1 has an exact bound. (–): not estimable."
)
_ALWAYS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auroc", "log_loss")
_UNBOUNDED = ("log_loss", "calibration_intercept", "calibration_slope")


def format_score(value: float | None) -> str:
    """Write a rate with three decimals; never 1.000 or 0.000 unless it is exactly that; None is "–"."""
    if value is None:
        return "–"
    text = _signed(value, 3)
    if text == "1.000" and value < 1:
        return ">0.999"
    if text == "0.000" and value > 0:
        return "<0.001"
    return text


def format_estimate(metrics: dict[str, Any], name: str) -> str:
    """Write a metric with its interval, "0.757 (0.69–0.81)"; "(–)" where it has none, nothing where it was not asked.

    Args:
        metrics: of a split, or of a class in it.
        name: key of the metric; its interval is under <name>_interval.
    """
    value = metrics.get(name)
    text = format_score(value) if name not in _UNBOUNDED or value is None else _signed(value, 3)
    if value is None or f"{name}_interval" not in metrics:
        return text
    return f"{text} ({_format_interval(metrics[f'{name}_interval'], name in _UNBOUNDED)})"


def _format_interval(bounds: list[float] | None, unbounded: bool) -> str:
    if bounds is None:
        return "–"
    low, high = bounds
    hidden = not unbounded and (0 < low < 0.005 or 0.995 <= high < 1)  # what two decimals would round to a certainty
    decimals = 2 if high - low >= 0.05 and not hidden else 3
    smallest = 10.0**-decimals
    texts = [_signed(low, decimals), _signed(high, decimals)]
    if not unbounded:  # as for the values: never certain by rounding
        if texts[1] == _signed(1, decimals) and high < 1:
            texts[1] = f">{1 - smallest:.{decimals}f}"
        if texts[0] == _signed(0, decimals) and low > 0:
            texts[0] = f"<{smallest:.{decimals}f}"
    return (" to " if low < 0 or texts[1].startswith(">") else "–").join(texts)


def _signed(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}".replace("-", "−")
    return text.removeprefix("−") if not text.strip("−0.") else text


def result_rows(evaluation: dict[str, Any]) -> list[list[str]]:
    """Lay out the results of every split.

    Args:
        evaluation: the content of evaluation.json.

    Returns:
        Rows of one label and one text a split; the first row holds the names of the splits. Metrics that no split has,
        because its evaluation is older or does not apply, are left out.
    """
    splits = evaluation["splits"]

    def row(label: str, text: Any) -> list[str]:
        return [label, *(text(metrics) for metrics in splits.values())]

    def groups(metrics: dict[str, Any]) -> str:
        return "unknown" if metrics["groups"] is None else f"{metrics['groups']:,}"

    rows = [
        ["", *splits],
        row("Images", lambda metrics: f"{metrics['images']:,}"),
        row("Groups", groups),
        row("Right", lambda metrics: f"{metrics['correct']:,}/{metrics['images']:,}"),
    ]
    return rows + [
        row(label, lambda metrics, name=name: format_estimate(metrics, name))
        for name, label in _HEADLINE
        if any(metrics.get(name) is not None or name in _ALWAYS for metrics in splits.values())
    ]


def without_interval(metrics: dict[str, Any]) -> list[str]:
    """Say of a split which of the metrics in the table have a value and no interval, and why: one text a reason."""
    reasons: dict[str, list[str]] = {}
    for name, label in _HEADLINE:
        if metrics.get(name) is not None and metrics.get(f"{name}_interval", ()) is None:
            reasons.setdefault(metrics[f"{name}_interval_basis"], []).append(label)
    every = sum(metrics.get(name) is not None for name, _ in _HEADLINE)
    return [
        f"interval of {'every metric' if len(labels) == every else ', '.join(labels)}: {reason}"
        for reason, labels in reasons.items()
    ]


def summary_table(evaluation: dict[str, Any]) -> str:
    """Set the results as plain text, one row a metric and one column a split, with what has to be said beneath."""
    rows = result_rows(evaluation)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    lines.insert(1, "─" * len(lines[0]))
    lines.append(f"Unit of the split: {evaluation['unit_of_split']}. In brackets: 95 % intervals.")
    for name, metrics in evaluation["splits"].items():
        lines += [f"{name}, {reason}." for reason in without_interval(metrics)]
        lines += [f"Warning, {name}: {warning}." for warning in metrics["warnings"]]
    if evaluation.get("demo"):
        lines = ["DEMO: synthetic images. Not a result.", *lines]
    return "\n".join(lines)
