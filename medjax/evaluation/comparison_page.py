"""comparison.html: one self-contained page, and what stands beside it."""

from __future__ import annotations

from pathlib import Path

from medjax.errors import UserError
from medjax.evaluation import markup
from medjax.evaluation.comparison import Comparison
from medjax.evaluation.comparison_table import (
    CLASSES_NOTE,
    NOTE,
    as_markdown,
    class_rows,
    classes_csv,
    pairs_csv,
    runs_csv,
    sentences,
    table_rows,
    tested_on,
)
from medjax.evaluation.estimates import format_estimate
from medjax.evaluation.page import page
from medjax.evaluation.wording import METRICS, difference_text, format_p
from medjax.pipeline.storage import disk_errors, write_bytes

_PAIRS = (
    "Difference: second less first. Holm: p-value adjusted for all pairs. Smallest: the smallest difference that this "
    "test set shows with 80 % power at the 5 % level."
)


def write_comparison(folder: Path, comparison: Comparison) -> None:
    """Write a comparison to a folder: comparison.html, comparison.md, and comparison.csv (runs), comparison_pairs.csv
    (tests) and comparison_classes.csv (AUROC of each class).

    Raises:
      UserError: the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output={folder} is a file: give a folder.")
    files = {
        "comparison.html": comparison_page(comparison),
        "comparison.md": as_markdown(comparison),
        "comparison.csv": runs_csv(comparison),
        "comparison_pairs.csv": pairs_csv(comparison),
        "comparison_classes.csv": classes_csv(comparison),
    }
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        write_bytes(folder / name, text.encode("utf-8", "replace"))


def comparison_page(comparison: Comparison) -> str:
    """Set a comparison as HTML that loads nothing from elsewhere."""
    return page(
        "Comparison",
        tested_on(comparison),
        _facts(comparison),
        (part(comparison) for part in (_claims, _results, _pairs, _classes, _seeds)),
        demo=comparison.demo,
    )


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
    evaluation = comparison.recipes[0].runs[0].evaluation
    pairs = [("Dataset", evaluation.get("dataset")), ("Unit of the split", evaluation.get("unit_of_split"))]
    return [(name, str(value)) for name, value in pairs if value]


def _claims(comparison: Comparison) -> str:
    said = [markup.paragraph(text) for text in sentences(comparison)]
    baselines = [markup.paragraph(text) for text in comparison.baselines]
    return markup.section("What can be said", *said) + markup.section("Baselines", *baselines)


def _results(comparison: Comparison) -> str:
    header, *rows = table_rows(comparison)
    table = markup.table(
        "**Table 1.** Figures on the test images, and costs.", _broken(header), markup.unbroken(rows), "estimates"
    )
    return markup.section("Figures and costs", table, markup.paragraph(NOTE, "note"))


def _pairs(comparison: Comparison) -> str:
    if not comparison.pairs:
        return ""
    noun, rows = METRICS[comparison.metric].noun, []
    for pair in comparison.pairs:
        found = pair.found
        p_values = ["–" if p is None else format_p(p) for p in (found.p_value, pair.p_value)]
        smallest = "–" if found.detectable is None else METRICS[found.metric].amount(found.detectable)
        rows.append([f"{pair.first} → {pair.second}", difference_text(found), *p_values, smallest, found.test or "–"])
    header = ["First → second", "Difference", "p", "Holm", "Smallest", "Test"]
    table = markup.table(f"**Table 2.** Every pair, in {noun}.", header, rows, "estimates")
    return markup.section("Pairs", table, markup.paragraph(_PAIRS, "note"))


def _classes(comparison: Comparison) -> str:
    if not comparison.pairs:
        return ""
    header, *rows = class_rows(comparison)
    table = markup.table("**Table 3.** AUROC of each class.", _broken(header), rows, "estimates")
    return markup.section("Classes", table, markup.paragraph(CLASSES_NOTE, "note"))


def _seeds(comparison: Comparison) -> str:
    """Set the runs of recipes of several seeds one by one."""
    names = [name for name in comparison.figures[0] if not name.endswith("_interval")]
    rows = [
        [f"{recipe.label}, seed {run.config.get('seed')}", *(format_estimate(run.figures, name) for name in names)]
        for recipe in comparison.recipes
        if len(recipe.runs) > 1
        for run in recipe.runs
    ]
    if not rows:
        return ""
    header = ["Run", *(METRICS[name].name for name in names)]
    caption = f"**Table {4 if comparison.pairs else 2}.** Every run by itself."
    return markup.section("Seeds", markup.table(caption, header, markup.unbroken(rows), "estimates"))


def _broken(header: list[str]) -> list[str]:
    """Let names break after each _ at the head of a column, so that a telephone shows more of them."""
    return [name.replace("_", "_\u200b") for name in header]
