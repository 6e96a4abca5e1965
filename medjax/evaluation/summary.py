"""The short table of results, for the terminal and the report."""

from typing import Any

from medjax.evaluation import calibration_page
from medjax.evaluation.against_baselines import verdict
from medjax.evaluation.estimates import format_estimate, format_score
from medjax.evaluation.text_table import DEMO, text_table

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
    ("rsna_2024_score", "RSNA 2024 score"),
    ("brier_score", "Brier score"),
    ("expected_calibration_error", "Calibration error"),
    ("calibration_intercept", "Calibration intercept"),
    ("calibration_slope", "Calibration slope"),
)
INTERVALS = (
    "In brackets: 95 % intervals, by a bootstrap of 2,000 resamples over groups, of shares on the logit scale; images "
    "whose group is unknown are groups of their own. Accuracy, sensitivity and specificity have Wilson's interval "
    "where every group is one image, or where all or none are right; an AUROC of 1 has an exact bound. (–): not "
    "estimable."
)
_ALWAYS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auroc", "log_loss")


def labels_of(evaluation: dict[str, Any]) -> dict[str, str]:
    """Return the name in words of every metric, the primary one first and marked as such."""
    labels = dict(_HEADLINE)
    primary = evaluation.get("primary")  # not in a run of an older version
    if primary is None:
        return labels
    return {primary: f"{labels.pop(primary)} (primary)"} | labels


def result_rows(evaluation: dict[str, Any]) -> list[list[str]]:
    """Lay out the results of every split, the primary metric first.

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

    labels = labels_of(evaluation)
    metrics_rows = [
        row(label, lambda metrics, name=name: format_estimate(metrics, name))
        for name, label in labels.items()
        if any(metrics.get(name) is not None or name in _ALWAYS for metrics in splits.values())
    ]
    lead = 1 if evaluation.get("primary") else 0
    return [
        ["", *splits],
        row("Images", lambda metrics: f"{metrics['images']:,}"),
        row("Groups", groups),
        *metrics_rows[:lead],
        row("Right", lambda metrics: f"{metrics['correct']:,}/{metrics['images']:,}"),
        *metrics_rows[lead:],
    ]


def subgroup_rows(evaluation: dict[str, Any], split: str, column: str) -> list[list[str]]:
    """Lay out a table of evaluation.json's subgroups: a row a value; the first row holds the headings."""
    table = evaluation["splits"][split]["subgroups"][column]
    labels = {
        name: label for name, label in labels_of(evaluation).items() if all(name in part for part in table.values())
    }
    return [
        [column, "Images", "Groups", *labels.values()],
        *(
            [value or "(none)", f"{part['images']:,}", f"{part['groups']:,}"]
            + [format_estimate(part, name) for name in labels]
            for value, part in table.items()
        ),
    ]


def prevalence_rows(metrics: dict[str, Any]) -> list[list[str]]:
    """Lay out a split's predictive values at the stated prevalence; [] where none is stated."""
    rows = [
        [
            name,
            format_score(rates["prevalence"]),
            *(format_estimate(rates, f"{kind}_at_prevalence") for kind in ("ppv", "npv")),
        ]
        for name, rates in metrics["per_class"].items()
        if "prevalence" in rates
    ]
    return [["Class", "Prevalence", "PPV", "NPV"], *rows] if rows else []


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
    lines = text_table(result_rows(evaluation))
    lines.append(f"Unit of the split: {evaluation['unit_of_split']}. In brackets: 95 % intervals.")
    for name, metrics in evaluation["splits"].items():
        lines += [f"{name}, {reason}." for reason in without_interval(metrics)]
        lines += [f"Warning, {name}: {warning}." for warning in metrics["warnings"]]
        for column in metrics.get("subgroups", {}):
            lines += ["", f"{name}, by {column}:", *text_table(subgroup_rows(evaluation, name, column))]
        at_prevalence = prevalence_rows(metrics)
        if at_prevalence:
            lines += ["", f"{name}, predictive values at the stated prevalence:", *text_table(at_prevalence)]
    lines += calibration_page.summary_lines(evaluation)
    lines += verdict(evaluation.get("baselines") or {}, "the model")
    if evaluation.get("demo"):
        lines = [DEMO, *lines]
    return "\n".join(lines)
