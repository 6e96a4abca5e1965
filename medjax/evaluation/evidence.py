"""What a run answers to single items of a reporting checklist; the empty text where it says nothing."""

from __future__ import annotations

from medjax.counted import counted, listed
from medjax.evaluation.estimates import format_estimate
from medjax.evaluation.record import Record


def exclusions(record: Record) -> str:
    """Give the reasons for which images of the source were left out."""
    reasons = record.audit.get("left_out") or {}
    return f"Left out: {listed([f'{reason} ({number:,})' for reason, number in reasons.items()])}." if reasons else ""


def missing(record: Record) -> str:
    """Count what could not be read and what had no label."""
    flow = record.audit.get("flow")
    if not flow:
        return ""
    unread, unlabelled = flow["found"] - flow["readable"], flow["kept"] - flow["labelled"]
    return f"Left out: {counted(unread, 'unreadable image')} and {counted(unlabelled, 'image')} without a label."


def unit(record: Record) -> str:
    """Name the unit of the split."""
    return f"Unit of the split: {record.evaluation['unit_of_split']}."


def one_network(record: Record) -> str:
    """Say that nothing was averaged, where that is so."""
    several = record.config.get("evaluation", {}).get("views", 1) > 1 or "ensemble" in record.evaluation
    return "" if several or not record.config else "not applicable: one network, no ensemble."


def metrics(record: Record) -> str:
    """Name the primary metric and those beside it."""
    primary = record.config.get("evaluation", {}).get("primary")
    lead = f"Primary: {primary.replace('_', ' ')}. " if primary else ""
    return (
        f"{lead}Discrimination, calibration and, by class, sensitivity, specificity, PPV and F1: see Results; plots: "
        "confusion matrices, ROC, precision-recall, reliability and decision curves where they are on this page."
    )


def sensitivity_analysis(record: Record) -> str:
    """Name the further ways in which the same predictions were judged."""
    others = [name for name in record.evaluation["splits"] if name not in ("val", record.judged_split)]
    return f"The results are also given for: {listed(others)}." if others else ""


def heatmaps(record: Record) -> str:
    """Say whether the page shows heat maps."""
    return (
        f"Heat maps of {counted(record.heatmaps, 'test image')}, under Sample predictions." if record.heatmaps else ""
    )


def internal_test(record: Record) -> str:
    """Give the main figures, where the test images are of the run's own source."""
    return "" if "external" in record.evaluation else headline(record)


def external_test(record: Record) -> str:
    """Give the main figures, where the test images are of another source."""
    return headline(record) if "external" in record.evaluation else ""


def headline(record: Record) -> str:
    """Give the main figures of the test images."""
    judged = record.judged
    groups = "" if judged["groups"] is None else f" in {counted(judged['groups'], 'group')}"
    return (
        f"{record.judged_split}: accuracy {format_estimate(judged, 'accuracy')}, macro AUROC "
        f"{format_estimate(judged, 'macro_auroc')}, log loss {format_estimate(judged, 'log_loss')}, on "
        f"{counted(judged['images'], 'image')}{groups}."
    )


def class_sizes(record: Record) -> str:
    """Count the images of each class in each part of the split."""
    classes = {name: counts for name, counts in record.audit.get("classes", {}).items() if name}
    splits = [split for split in next(iter(classes.values()), {}) if split != "all"]
    parts = [f"{split}: {listed([f'{name} {n[split]:,}' for name, n in classes.items()])}" for split in splits]
    return f"Images by class; {'; '.join(parts)}." if parts else ""


def class_estimates(record: Record) -> str:
    """Give sensitivity and specificity of each class."""
    parts = [
        f"{name}: {format_estimate(rates, 'sensitivity')}, {format_estimate(rates, 'specificity')}"
        for name, rates in record.judged["per_class"].items()
    ]
    return f"Sensitivity and specificity, {record.judged_split}; {'; '.join(parts)}."


def failures(record: Record) -> str:
    """Count the mistakes and say where they are shown."""
    judged = record.judged
    wrong = judged["images"] - judged["correct"]
    return (
        f"{wrong:,} of {counted(judged['images'], 'image')} of {record.judged_split} were wrong; which classes were "
        "taken for which: confusion matrices; the most confident mistakes: Sample predictions."
    )


def predictors(record: Record) -> str:
    """Name what the network is given."""
    columns = list(record.preprocessing.get("input_columns") or {})
    return (
        f"The pixels of the image{f', and {listed(columns)}' if columns else ' alone'}." if record.preprocessing else ""
    )


def no_assessors(record: Record) -> str:
    """Say that no person reads the predictors, where they are pixels alone."""
    alone = record.preprocessing and not record.preprocessing.get("input_columns")
    return "not applicable: the predictors are pixels, which nobody interpreted." if alone else ""


def subgroups(record: Record) -> str:
    """Name the columns by whose values the results are given."""
    columns = list(record.config.get("evaluation", {}).get("subgroups") or ())
    return f"The results are given by {listed(columns)}; see Results." if columns else ""


def output(record: Record) -> str:
    """Say what the network answers."""
    classes = record.evaluation["classes"]
    return (
        f"One probability for each of {counted(len(classes), 'class', 'classes')}; the predicted class is the one of "
        "the highest. predictions_test.csv holds those of every test image."
    )


def no_balancing(record: Record) -> str:
    """Say that nothing was done about unequal classes, where that is so."""
    config = record.config
    plain = config.get("class_weights") == "none" and config.get("sampling") == "shuffle"
    return "not applicable: classes were neither weighted nor resampled." if plain else ""
