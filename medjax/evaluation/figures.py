"""The report's figures, drawn by Matplotlib: SVG and PNG that are the same to the byte for the same numbers.

Each is drawn at the width of one column (about 85 mm), so that its text stays readable on a telephone, where the page
sets the figures one below the other. Colours: Okabe & Ito's, told apart also by the colour-blind, and every line
differs in its dashes too; https://jfly.uni-koeln.de/color/.
"""

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#555555"
COLUMN_INCHES = 3.4
_DPI = 200  # of a PNG: a column is 680 pixels wide
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "svg.hashsalt": "medjax",
}


def to_svg(figure: Figure) -> bytes:
    """Write a figure as SVG without a date.

    Text becomes outlines, which need no font; where Matplotlib's font lacks a sign (say, a Chinese class name) all text
    stays text, for the reader's fonts to draw.
    """
    drawable = get_font(findfont("DejaVu Sans")).get_charmap().keys()
    texts = "".join(text.get_text() for text in figure.findobj(Text)).replace("\n", "")
    style = STYLE | {"svg.fonttype": "path" if set(map(ord, texts)) <= drawable else "none"}
    return _save(figure, style, format="svg", metadata={"Date": None})


def to_png(figure: Figure, style: dict[Any, Any] = STYLE, dpi: int = _DPI) -> bytes:
    """Write a figure as PNG without a date or version. Args: style and dpi, as it was drawn."""
    return _save(figure, style, format="png", dpi=dpi, metadata={"Software": None})


def _save(figure: Figure, style: dict[Any, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(out, **options)
    figure.set_layout_engine("none")  # laid out once is enough for every format
    return out.getvalue()


def mark_demo(figure: Figure) -> None:
    """Say beneath a figure that what it shows is no result."""
    figure.supxlabel("DEMO: synthetic images, not a result", color=VERMILION, x=0.99, ha="right", fontsize=8)
    figure.set_figheight(figure.get_figheight() + 0.2)


def learning_curve(
    rows: Sequence[dict[str, Any]],
    lines: dict[str, str],
    label: str,
    best_epoch: int | None = None,
) -> Figure | None:
    """Draw metrics against the epoch, the chosen epoch marked.

    Args:
        rows: rows of metrics.jsonl; a value that is missing or null leaves a gap.
        lines: metric -> name in the legend; at most three.
        label: of the y axis.
        best_epoch: marked by a vertical line.

    Returns:
        None when no row holds any of the metrics.
    """
    series = {metric: _series(rows, metric) for metric in lines}
    if not any(np.isfinite(values).any() for _, values in series.values()):
        return None
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_INCHES, 2.5), layout="constrained")
        axes = figure.subplots()
        for metric, color, dashes in zip(lines, (BLUE, VERMILION, GREEN), ("-", (0, (4, 1.5)), ":"), strict=False):
            epochs, values = series[metric]
            marker = "o" if len(epochs) <= 12 else ""
            axes.plot(epochs, values, color=color, linestyle=dashes, marker=marker, markersize=3, label=lines[metric])
        if best_epoch is not None:
            axes.axvline(best_epoch, color=GREY, linewidth=0.9, linestyle=(0, (1, 1.5)), label="chosen epoch")
        axes.set(xlabel="Epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        figure.legend(loc="outside upper left", ncols=4, columnspacing=1.2, handlelength=2.2, fontsize=7.5)
    return figure


def _series(rows: Sequence[dict[str, Any]], metric: str) -> tuple[np.ndarray, np.ndarray]:
    kept = [row for row in rows if metric in row and "epoch" in row]
    values = [math.nan if row[metric] is None else float(row[metric]) for row in kept]
    return np.array([row["epoch"] for row in kept], dtype=np.float64), np.array(values, dtype=np.float64)


def confusion_matrix(matrix: Sequence[Sequence[int]], class_names: Sequence[str], title: str) -> Figure:
    """Draw counts and, beneath each, the per cent of its row (of the images of that true class), which sets the shade.

    Args:
        matrix: int [K][K], row = true class, column = predicted class.
        class_names: K names; long ones are shortened in the middle.
        title: above the matrix.
    """
    counts = np.asarray(matrix, dtype=np.float64)
    support = counts.sum(axis=1, keepdims=True)
    rates = np.divide(counts, support, out=np.zeros_like(counts), where=support > 0)
    size = max(COLUMN_INCHES, 0.42 * len(counts) + 1.2)
    names = [shorten(name) for name in class_names]
    # a class called "$x$" is not mathematics
    with matplotlib.rc_context(STYLE | {"axes.grid": False, "text.parse_math": False}):
        figure = Figure(figsize=(size, size * 0.92), layout="constrained")
        axes = figure.subplots()
        axes.imshow(rates, cmap="Blues", vmin=0, vmax=1)
        for spine in axes.spines.values():
            spine.set_visible(False)
        ticks = range(len(names))
        turned = len(names) > 4 or len(names) * max(map(len, names)) > 30
        axes.set_xticks(ticks, names, rotation=45 if turned else 0, ha="right" if turned else "center")
        axes.set_yticks(ticks, names)
        axes.tick_params(length=0)
        axes.set(xlabel="Predicted class", ylabel="True class", title=title)
        small = len(names) > 6
        for i in ticks:
            for j in ticks:
                color = "white" if rates[i, j] > 0.55 else "black"
                percent = "–" if support[i, 0] == 0 else _percent(rates[i, j])
                axes.text(j, i - 0.12, f"{int(counts[i, j]):,}", ha="center", va="center", color=color,
                          fontsize=6.5 if small else 9)  # fmt: skip
                axes.text(j, i + 0.22, percent, ha="center", va="center", color=color, fontsize=5 if small else 7)
    return figure


def _percent(rate: float) -> str:
    """Write a share as a whole per cent; 0 and 100 only when it is exactly that."""
    text = f"{100 * rate:.0f} %"
    if text == "100 %" and rate < 1:
        return ">99 %"
    return "<1 %" if text == "0 %" and rate > 0 else text


def shorten(name: str, longest: int = 18) -> str:
    """Leave the middle of a long name out."""
    return name if len(name) <= longest else f"{name[: longest // 2]}…{name[-(longest // 2 - 1) :]}"
