"""The section of the report that holds the tables of results."""

from typing import Any

from medjax.evaluation import markup
from medjax.evaluation.summary import INTERVALS, format_estimate, result_rows, without_interval


def results(evaluation: dict[str, Any]) -> str:
    """Set Table 1, by split, and a table of the classes for each split. Args: the content of evaluation.json."""
    header, *rows = result_rows(evaluation)
    note = (
        f"{INTERVALS} The validation images chose the epoch, so their figures are "
        "optimistic; the test images chose nothing. Averages over classes weigh every class equally. "
        "Log loss: natural logarithm, mean over images. Calibration error: expected, of the predicted class, debiased."
    )
    parts = [
        markup.table("**Table 1.** Results by split.", header, _unbroken(rows), "estimates"),
        markup.paragraph(note, "note"),
    ]
    for split, metrics in evaluation["splits"].items():
        parts += [markup.paragraph(f"{split}, {reason}.", "note") for reason in without_interval(metrics)]
    columns = ("support", "sensitivity", "specificity", "precision", "f1", "auroc")
    # the soft hyphens let the table fit a telephone
    names = ["Class", "Images", "Sensi\u00adtivity", "Speci\u00adficity", "PPV", "F1", "AUROC"]
    for number, (split, metrics) in enumerate(reversed(evaluation["splits"].items()), start=2):
        lines = [
            [name, f"{rates['support']:,}", *(format_estimate(rates, column) for column in columns[1:])]
            for name, rates in metrics["per_class"].items()
        ]
        parts.append(
            markup.table(
                f"**Table {number}.** Each class against all others, {split}.", names, _unbroken(lines), "estimates"
            )
        )
    parts.append(markup.paragraph("PPV: positive predictive value, at this split's share of the class.", "note"))
    for split, metrics in evaluation["splits"].items():
        parts += [markup.paragraph(f"{split}: {warning}.", "warning") for warning in metrics["warnings"]]
    return markup.section("Results", *parts)


def _unbroken(rows: list[list[str]]) -> list[list[str]]:
    """Keep an interval on one line: a browser may break after a dash, but not at a word joiner."""
    return [[first, *(cell.replace("–", "–\u2060") for cell in cells)] for first, *cells in rows]
