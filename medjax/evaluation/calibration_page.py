"""The section of the report on the calibration split, and its lines in the terminal."""

from __future__ import annotations

from typing import Any

from medjax.counted import counted
from medjax.evaluation import markup
from medjax.evaluation.estimates import format_estimate, format_score

_SCORES = (
    ("log_loss", "log loss"),
    ("brier_score", "Brier score"),
    ("expected_calibration_error", "calibration error"),
)
_METHODS = {"adaptive": "adaptive", "least_ambiguous": "least ambiguous"}
_GUARANTEE = (
    "The coverage is promised on average, to a new group that is drawn as those of the calibration split were: for all "
    "classes together, for none by itself, and not for images from elsewhere. Every group weighs the same. The sets "
    "are of the network's own probabilities. An adaptive set always holds the likeliest class; a least ambiguous one "
    "may be empty."
)
_SPLIT = (
    "fitted on the calibration split, which chose nothing and is not judged; val chose the epoch, so it is not judged "
    "here either. The predicted classes, the tables of results and predictions_test.csv stay those of the network's "
    "own probabilities"
)


def section(evaluation: dict[str, Any]) -> str:
    """Set what was fitted on the calibration split, and what becomes of the judged splits by it.

    Args:
      evaluation: the content of evaluation.json; of a version without "calibration" nothing is set.
    """
    calibration = evaluation.get("calibration")
    if calibration is None:
        return ""
    parts = [markup.paragraph(f"{_capital(text)}.", "note") for text in _notes(calibration)]
    for split, metrics in _calibrated(evaluation):
        parts += [_scores(split, metrics), _thresholds(split, metrics, calibration), _sets(split, metrics, calibration)]
    parts += [markup.paragraph(text, "note") for text in _without_threshold(calibration)]
    if any(metrics.get("conformal_sets") for _, metrics in _calibrated(evaluation)):
        parts.append(markup.paragraph(_GUARANTEE, "note"))
    parts += [markup.paragraph(f"{_capital(text)}.", "warning") for text in warnings(evaluation)]
    return markup.section("Calibration", *parts)


def summary_lines(evaluation: dict[str, Any]) -> list[str]:
    """Say in short lines, for the terminal, what a person must know: of the sets, the adaptive ones, as in predict."""
    calibration = evaluation.get("calibration")
    if calibration is None:
        return []
    lines, asked = [_told(calibration)], ""
    if "conformal" in calibration:
        asked = f"; {calibration['conformal']['coverage']:g} asked"
    for split, metrics in _calibrated(evaluation):
        found = metrics.get("conformal_sets", {}).get("adaptive")
        if found:
            held = format_estimate(found, "coverage")
            told = f"sets of {found['mean_set_size']:.1f} classes hold the true one in {held}"
            lines.append(f"{_capital(split)}: {told}{asked}.")
    short = _short_sets(evaluation).items()
    return lines + [f"Warning, {split}: sets hold the true class too rarely: {text}{asked}." for split, text in short]


def _told(calibration: dict[str, Any]) -> str:
    if "none" in calibration:
        return f"{_capital(calibration['none'])}."
    refused = calibration["conformal"]["refused"]
    found = f"Temperature {calibration['temperature']['value']:.3f}; what it changes is in the report."
    return f"{found} {_capital(refused)}." if refused else found


def warnings(evaluation: dict[str, Any]) -> list[str]:
    """Name the splits whose sets hold the true class less often than asked, beyond the chance of the split itself."""
    asked = evaluation["calibration"].get("conformal", {}).get("coverage", 0.0)
    return [
        f"{split}: the conformal sets hold the true class in {short} of the images; {asked:g} was asked. These images "
        "are not drawn as those of the calibration split were, or that split was a lucky draw"
        for split, short in _short_sets(evaluation).items()
    ]


def _short_sets(evaluation: dict[str, Any]) -> dict[str, str]:
    """Return the coverage of the sets that hold too little, in words, by split."""
    asked = evaluation["calibration"].get("conformal", {}).get("coverage", 0.0)
    found = {}
    for split, metrics in _calibrated(evaluation):
        short = [
            f"{format_estimate(sets, 'coverage')} ({_METHODS[method]})"
            for method, sets in metrics.get("conformal_sets", {}).items()
            if (sets["coverage_interval"] or [1.0])[-1] < asked
        ]
        if short:
            found[split] = ", ".join(short)
    return found


def _calibrated(evaluation: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(split, metrics) for split, metrics in evaluation["splits"].items() if "after_temperature" in metrics]


def _notes(calibration: dict[str, Any]) -> list[str]:
    """Say what there is of a calibration: temperature, sets; then what they are."""
    if "none" in calibration:
        return [calibration["none"]]
    temperature, sets = calibration["temperature"], calibration["conformal"]
    found = (
        f"conformal sets: coverage {sets['coverage']:g} asked, fitted on {counted(sets['groups'], 'group')} "
        f"({sets['needed']:,} are needed)"
    )
    return [
        f"temperature {temperature['value']:.3f} ({temperature['basis']})",
        sets["refused"] or found,
        _SPLIT,
    ]


def _scores(split: str, metrics: dict[str, Any]) -> str:
    after = metrics["after_temperature"]
    rows = [[_capital(label), format_estimate(metrics, name), format_estimate(after, name)] for name, label in _SCORES]
    caption = f"**Temperature, {split}.** Before and after it."
    return markup.table(caption, ["", "Before", "After"], markup.unbroken(rows), "estimates")


def _thresholds(split: str, metrics: dict[str, Any], calibration: dict[str, Any]) -> str:
    """Set sensitivity and specificity of each class at its two thresholds; of folds, each has thresholds of its own."""
    parts = []
    for goal, at_goal in metrics.get("at_thresholds", {}).items():
        fitted = calibration.get("thresholds", {}).get(goal, {})
        asked = "".join(f" of {one['asked']:g}" for one in list(fitted.values())[:1])
        rows = [
            [
                name,
                format_score(fitted[name]["value"]) if name in fitted else "–",
                *(format_estimate(at_goal.get(name, {}), rate) for rate in ("sensitivity", "specificity")),
            ]
            for name in metrics["classes"]
        ]
        caption = (
            f"**At thresholds for a {goal}{asked}, {split}.** Each class against all others, called where its "
            "probability after temperature reaches the threshold that was set on the calibration split."
        )
        header = ["Class", "Threshold", "Sensi\u00adtivity", "Speci\u00adficity"]
        parts.append(markup.table(caption, header, markup.unbroken(rows), "estimates"))
    return "".join(parts)


def _without_threshold(calibration: dict[str, Any]) -> list[str]:
    """Say of which classes there is no threshold, and why: one text a goal."""
    texts = []
    for goal, fitted in calibration.get("thresholds", {}).items():
        lacking = [
            f"{name} ({one['basis'].removeprefix('none: ')})" for name, one in fitted.items() if one["value"] is None
        ]
        if lacking:
            asked = next(iter(fitted.values()))["asked"]
            texts.append(f"No threshold for a {goal} of {asked:g}: {', '.join(lacking)}.")
    return texts


def _sets(split: str, metrics: dict[str, Any], calibration: dict[str, Any]) -> str:
    parts = []
    for method, sets in metrics.get("conformal_sets", {}).items():
        asked = calibration.get("conformal", {}).get("coverage")
        rows = [
            [name, format_estimate(held, "coverage"), format_estimate(held, "mean_set_size")]
            for name, held in {"all": sets, **sets["per_class"]}.items()
        ]
        sizes = ", ".join(f"{count:,} of {size}" for size, count in enumerate(sets["set_sizes"]) if count)
        caption = (
            f"**Conformal sets, {_METHODS[method]}, {split}.** Share of images whose set holds the true class"
            f"{'' if asked is None else f', {asked:g} asked'}. Images by the number of classes in the set: {sizes}."
        )
        parts.append(markup.table(caption, ["", "Coverage", "Mean size"], markup.unbroken(rows), "estimates"))
    return "".join(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
