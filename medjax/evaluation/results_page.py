"""The section of the report that holds the tables of results."""

import itertools
from collections.abc import Iterator
from typing import Any

from medjax.evaluation import markup
from medjax.evaluation.estimates import format_estimate
from medjax.evaluation.summary import (
    INTERVALS,
    prevalence_rows,
    result_rows,
    subgroup_rows,
    without_interval,
)

_COLUMNS = ("sensitivity", "specificity", "precision", "npv", "f1", "auroc")
# the soft hyphens let the table fit a telephone
_NAMES = ["Class", "Images", "Sensi\u00adtivity", "Speci\u00adficity", "PPV", "NPV", "F1", "AUROC"]


def results(evaluation: dict[str, Any]) -> str:
    """Set Table 1, by split, and a table of the classes for each split. Args: the content of evaluation.json."""
    header, *rows = result_rows(evaluation)
    note = (
        f"{INTERVALS} The validation images chose the epoch, so their figures are "
        "optimistic; the test images chose nothing. Averages over classes weigh every class equally. "
        "Log loss: natural logarithm, mean over images. Calibration error: expected, of the predicted class, debiased."
    )
    parts = [
        markup.table("**Table 1.** Results by split.", header, markup.unbroken(rows), "estimates"),
        markup.paragraph(note, "note"),
    ]
    for split, metrics in evaluation["splits"].items():
        parts += [markup.paragraph(f"{split}, {reason}.", "note") for reason in without_interval(metrics)]
    parts += _further_tables(evaluation)
    for split, metrics in evaluation["splits"].items():
        parts += [markup.paragraph(f"{split}: {warning}.", "warning") for warning in metrics["warnings"]]
    return markup.section("Results", *parts)


def _further_tables(evaluation: dict[str, Any]) -> Iterator[str]:
    """Set the tables of the classes and of the subgroups, the last split first."""
    numbers = itertools.count(2)

    def table(caption: str, header: list[str], rows: list[list[str]]) -> str:
        return markup.table(f"**Table {next(numbers)}.** {caption}", header, markup.unbroken(rows), "estimates")

    for split, metrics in reversed(evaluation["splits"].items()):
        lines = [
            [name, f"{rates['support']:,}", *(format_estimate(rates, column) for column in _COLUMNS)]
            for name, rates in metrics["per_class"].items()
        ]
        yield table(f"Each class against all others, {split}.", _NAMES, lines)
        at_prevalence = prevalence_rows(metrics)
        if at_prevalence:
            yield table(f"Predictive values at the stated prevalence, {split}.", at_prevalence[0], at_prevalence[1:])
        for column in metrics.get("subgroups", {}):
            header, *rows = subgroup_rows(evaluation, split, column)
            yield table(f"By {column}, {split}.", header, rows)
    note = (
        "PPV, NPV: positive and negative predictive value, at this split's share of the class where no other is stated."
    )
    yield markup.paragraph(note, "note")
