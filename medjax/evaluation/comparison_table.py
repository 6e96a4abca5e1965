"""A comparison as text: for the terminal, as Markdown, and its numbers as CSV."""

from __future__ import annotations

from typing import Any

from medjax.counted import counted
from medjax.evaluation.comparison import Comparison
from medjax.evaluation.estimates import format_estimate
from medjax.evaluation.predictions import csv_text
from medjax.evaluation.text_table import DEMO, text_table
from medjax.evaluation.wording import METRICS, difference_text

NOTE = (
    "In brackets: 95 % intervals, of several seeds as to new seeds and new test images. Times are of training alone, "
    "without validation and saving. Operations: floating-point, of the network in inference, a multiplication and an "
    "addition being two. Of several seeds, figures and costs are means; of the memory, the largest. –: not known."
)

CLASSES_NOTE = (
    "One-vs-rest AUROC, second less first, with its 95 % interval (DeLong; Obuchowski where groups are larger than one "
    "image; of several seeds also as to new seeds). The test above is of the primary metric alone: these intervals are "
    "not adjusted for the number of classes and pairs. –: not estimable."
)


def table_rows(comparison: Comparison) -> list[list[str]]:
    """Lay out figures and costs: rows of a label and one text a recipe; the first row holds the recipes' labels."""
    rows = [["", *(recipe.label for recipe in comparison.recipes)]]
    rows.append(["Runs", *(_runs(len(recipe.runs)) for recipe in comparison.recipes)])
    names = [name for name in comparison.figures[0] if not name.endswith("_interval")]
    for name in names:
        label = METRICS[name].name + (" (primary)" if name == comparison.metric else "")
        rows.append([label, *(format_estimate(figures, name) for figures in comparison.figures)])
    for name, (label, write) in _COSTS.items():
        if not any(name in costs for costs in comparison.costs):
            continue
        rows.append([label, *(write(costs[name]) if name in costs else "–" for costs in comparison.costs)])
    return rows


def class_rows(comparison: Comparison) -> list[list[str]]:
    """Lay out differences in the AUROC of each class: a row a pair, the first holds the classes; [] without pairs."""
    rows = [
        [f"{pair.first} → {pair.second}", *(difference_text(found, "macro_auroc") for found in pair.classes.values())]
        for pair in comparison.pairs
    ]
    return [["First → second", *comparison.pairs[0].classes], *rows] if rows else []


def tested_on(comparison: Comparison) -> str:
    """Say what the figures are of."""
    images = counted(comparison.images, "test image")
    return f"{images} of {counted(comparison.groups, 'group')}; primary metric: {METRICS[comparison.metric].noun}."


def sentences(comparison: Comparison) -> list[str]:
    """Return one sentence a pair, on the primary metric."""
    if not comparison.pairs:
        return ["All runs are seeds of one recipe: there is nothing to compare it with."]
    return [pair.sentence for pair in comparison.pairs]


def as_text(comparison: Comparison) -> str:
    """Set a comparison for the terminal."""
    lines = text_table(table_rows(comparison))
    lines += [tested_on(comparison), "", *sentences(comparison), "", *comparison.baselines]
    return "\n".join([DEMO, *lines] if comparison.demo else lines)


def as_markdown(comparison: Comparison) -> str:
    """Set a comparison as Markdown."""
    said = [f"- {_plain(text)}" for text in sentences(comparison)]
    baselines = [f"- {_plain(text)}" for text in comparison.baselines]
    parts = [
        "# Comparison",
        *([f"**{DEMO}**"] if comparison.demo else []),
        tested_on(comparison),
        _markdown(table_rows(comparison)),
        NOTE,
    ]
    parts += ["## Pairs", "\n".join(said)]
    if comparison.pairs:
        parts += ["## AUROC of each class", _markdown(class_rows(comparison)), CLASSES_NOTE]
    parts += ["## Baselines", "\n".join(baselines)]
    return "\n\n".join(parts) + "\n"


def runs_csv(comparison: Comparison) -> str:
    """Write figures and costs of every run, unrounded, a row each."""
    names = list(comparison.figures[0])
    metrics = [name for name in names if not name.endswith("_interval")]
    header = ["demo", "recipe", "seed", "images", "groups"]
    header += [column for name in metrics for column in (name, f"{name}_low", f"{name}_high")]
    rows = []
    for recipe in comparison.recipes:
        for run in recipe.runs:
            row = [comparison.demo, recipe.label, run.config.get("seed", ""), comparison.images, comparison.groups]
            for name in metrics:
                row += [run.figures.get(name), *(run.figures.get(f"{name}_interval") or ("", ""))]
            rows.append([*row, *(run.costs.get(name, "") for name in _COSTS)])
    return csv_text([[*header, *_COSTS], *rows])


def pairs_csv(comparison: Comparison) -> str:
    """Write the test of every pair, unrounded, a row each."""
    header = ["demo", "first", "second", "metric", "difference", "low", "high", "p_value", "p_holm", "test"]
    rows = []
    for pair in comparison.pairs:
        found = pair.found
        rows.append([comparison.demo, pair.first, pair.second, found.metric, found.difference])
        rows[-1] += [*(found.interval or ("", "")), found.p_value, pair.p_value, found.test]
        rows[-1] += [found.detectable, found.images, found.groups, found.basis]
    return csv_text([[*header, "smallest_detectable", "images", "groups", "basis"], *rows])


def classes_csv(comparison: Comparison) -> str:
    """Write the difference of every pair in the AUROC of each class, unrounded, a row each."""
    header = ["demo", "first", "second", "class", "difference", "low", "high", "p_value", "test"]
    rows = []
    for pair in comparison.pairs:
        for name, found in pair.classes.items():
            rows.append([comparison.demo, pair.first, pair.second, name, found.difference])
            rows[-1] += [*(found.interval or ("", "")), found.p_value, found.test]
            rows[-1] += [found.images, found.groups, found.basis]
    return csv_text([[*header, "images", "groups", "basis"], *rows])


def _markdown(rows: list[list[str]]) -> str:
    """Set rows as a table, the first as its head."""
    header, *rows = [[_plain(cell) for cell in row] for row in rows]
    lines = [f"| {' | '.join(header)} |", f"|---|{'--:|' * (len(header) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def _plain(text: str) -> str:
    """Keep a text on one line of Markdown, as it is."""
    for sign in ("\\", "|", "*", "_", "<", "`", "["):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def _runs(number: int) -> str:
    return "1" if number == 1 else f"{number} seeds"


def _seconds(value: float) -> str:
    """Write a duration in its two largest units."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _scaled(unit: str) -> Any:
    """Return a function that writes a number with three digits and a decimal prefix."""

    def write(value: float) -> str:
        for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if value >= size:
                return (
                    f"{value / size:.3g} {prefix}{unit}"
                    if value < 999.5 * size
                    else f"{value / size:,.0f} {prefix}{unit}"
                )
        return f"{value:.0f} {unit}"

    return write


_COSTS = {
    "training_seconds": ("Training time", _seconds),
    "seconds_to_best_epoch": ("Training time to the best epoch", _seconds),
    "training_images_per_second": ("Training, images a second", _count),
    "inference_images_per_second": ("Prediction, images a second", _count),
    "parameters": ("Parameters", _count),
    "trained_parameters": ("Of these trained", _count),
    "flops_per_image": ("Operations an image", _scaled("FLOP")),
    "peak_memory_bytes": ("Peak memory", _scaled("B")),
    "checkpoint_bytes": ("Checkpoint", _scaled("B")),
}
