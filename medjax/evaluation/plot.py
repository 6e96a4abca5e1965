"""A figure with its words and the numbers behind it, and where these go: the page, and files beside it."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from medjax.evaluation import figures, markup
from medjax.evaluation.predictions import csv_text
from medjax.pipeline.storage import disk_errors, write_bytes


@dataclasses.dataclass(frozen=True)
class Plot:
    """A figure and all that goes with it.

    Attributes:
        name: of its files.
        heading: of the section of the page it stands in.
        figure: drawn.
        alt: what it shows, for those who cannot see it.
        caption: as of `markup.table`.
        columns: names of the numbers behind it.
        rows: those numbers; None where one is unknown.
        wide: it needs the width of the page.
    """

    name: str
    heading: str
    figure: Figure
    alt: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    wide: bool = False


def figure_sections(plots: Sequence[Plot]) -> list[str]:
    """Set the figures under their headings, and say beneath the last where their files are."""
    note = "All figures are in the folder figures/ beside this page, as PNG, and the numbers behind each as CSV."
    parts, last = [], plots[-1].heading if plots else ""
    for heading, group in itertools.groupby(plots, lambda plot: plot.heading):
        drawn = (markup.svg_figure(figures.to_svg(p.figure), p.alt, p.caption, wide=p.wide) for p in group)
        content = f'<div class="figures">{"".join(drawn)}</div>\n'
        parts.append(markup.section(heading, content, markup.paragraph(note, "note") if heading == last else ""))
    return parts


def write_files(folder: Path, plots: Sequence[Plot], *, demo: bool) -> None:
    """Write each figure as <name>.png and the numbers behind it as <name>.csv.

    Args:
        folder: made when missing.
        plots: as of `draw`.
        demo: every row of a table says so in a first column.

    Raises:
        UserError: the folder cannot be written.
    """
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
    for plot in plots:
        write_bytes(folder / f"{plot.name}.png", figures.to_png(plot.figure))
        rows = [plot.columns, *plot.rows]
        marked = [[("true" if number else "demo"), *row] for number, row in enumerate(rows)] if demo else rows
        write_bytes(folder / f"{plot.name}.csv", csv_text(marked).encode("utf-8", "surrogateescape"))
