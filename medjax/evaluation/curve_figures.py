"""Figures of curves: one panel a class for ROC, precision-recall and decision curves, and the reliability curve."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medjax.evaluation.figures import BLUE, COLUMN_INCHES, GREY, STYLE, VERMILION, shorten

PANELS = 6  # of a figure, at most: it must stay readable on a telephone and fit a page
_DASHED, _DOTTED = (0, (4, 1.5)), (0, (1, 1.5))


@dataclasses.dataclass(frozen=True)
class Panel:
    """One class's part of a figure.

    Attributes:
        title: name of the class.
        text: set inside the panel, say an area with its interval.
        curve: lists of numbers by name; null where a number is unknown.
        chance: of precision-recall, the share of the class among the images.
    """

    title: str
    text: str
    curve: dict[str, Any]
    chance: float = 0.0


def roc(panels: Sequence[Panel]) -> Figure:
    """Draw sensitivity against 1 − specificity. Args: panels, at most 6, curves of fpr, tpr, low, high."""

    def draw(axes: Axes, panel: Panel) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=_DOTTED)
        _banded(axes, panel.curve, "fpr", "tpr")
        axes.text(0.97, 0.06, panel.text, ha="right", fontsize=7)

    return _grid(panels, draw, "1 − specificity", "Sensitivity")


def precision_recall(panels: Sequence[Panel]) -> Figure:
    """Draw precision against sensitivity. Args: panels, at most 6, curves of recall, precision, low, high."""

    def draw(axes: Axes, panel: Panel) -> None:
        axes.axhline(panel.chance, color=GREY, linewidth=0.8, linestyle=_DOTTED)
        _banded(axes, panel.curve, "recall", "precision")
        axes.text(0.03, 0.06, panel.text, ha="left", fontsize=7)

    return _grid(panels, draw, "Sensitivity (recall)", "PPV (precision)")


def decision(panels: Sequence[Panel]) -> Figure:
    """Draw net benefit against the threshold, Vickers & Elkin 2006, doi:10.1177/0272989X06295361.

    Args:
        panels: at most 6, curves of threshold, model and all (every image called positive); calling none gives 0.
    """
    benefits = np.concatenate([_numbers(panel.curve["model"]) for panel in panels])
    top = benefits[np.isfinite(benefits)].max(initial=0) or 1.0

    def draw(axes: Axes, panel: Panel) -> None:
        threshold = _numbers(panel.curve["threshold"])
        axes.axhline(0, color=GREY, linewidth=0.8, linestyle=_DOTTED, label="call none")
        axes.plot(threshold, _numbers(panel.curve["all"]), color=VERMILION, linestyle=_DASHED, label="call all")
        axes.plot(threshold, _numbers(panel.curve["model"]), color=BLUE, label="network")
        axes.set_ylim(-0.15 * top, 1.1 * top)  # calling all falls without end

    return _grid(panels, draw, "Threshold probability", "Net benefit", square=False)


def reliability(curves: dict[str, Sequence[dict[str, Any]]], confidence: np.ndarray | None = None) -> Figure:
    """Draw the share of right predictions against the confidence in them, over the images' confidences.

    Args:
        curves: name -> points with "confidence" and "accuracy"; at most two.
        confidence: float [N], drawn as a histogram; None leaves it out.
    """
    points = [point[axis] for curve in curves.values() for point in curve for axis in ("confidence", "accuracy")]
    low = math.floor(10 * min([*points, *(() if confidence is None else confidence)], default=0.0)) / 10
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_INCHES, 3.4 if confidence is None else 4.2), layout="constrained")
        rows = 1 if confidence is None else 2
        grid = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=(3, 1)[:rows])[:, 0]
        grid[0].plot([low, 1], [low, 1], color=GREY, linewidth=0.8, linestyle=_DOTTED, label="ideal")
        looks = ((BLUE, "-", "o"), (VERMILION, _DASHED, "s"))
        for (name, curve), (color, dashes, marker) in zip(curves.items(), looks, strict=False):
            x, y = ([point[axis] for point in curve] for axis in ("confidence", "accuracy"))
            grid[0].plot(x, y, color=color, linestyle=dashes, marker=marker, markersize=3.5, label=name)
        grid[0].set(ylabel="Right predictions, share", xlim=(low, 1.02), ylim=(low, 1.02))
        if confidence is not None:
            grid[1].hist(confidence, bins=histogram_edges(low), color=BLUE, edgecolor="white", linewidth=0.4)
            grid[1].set(ylabel="Images")
        grid[-1].set(xlabel="Confidence in the predicted class")
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=7.5,
                      columnspacing=1.2, handlelength=2.2)  # fmt: skip
    return figure


def histogram_edges(low: float = 0.0) -> np.ndarray:
    """Return the edges of the histogram's bins, 0.05 wide, from `low`, a multiple of 0.1: float64."""
    return np.linspace(low, 1, round(20 * (1 - low)) + 1 if low < 1 else 2)


def _grid(panels: Sequence[Panel], draw: Any, xlabel: str, ylabel: str, square: bool = True) -> Figure:
    """Lay panels out in two columns, with the legend of the first, if it has one, above them."""
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    # a class called "$x$" is not mathematics
    with matplotlib.rc_context(STYLE | {"text.parse_math": False, "axes.titlesize": 8}):
        figure = Figure(figsize=(COLUMN_INCHES, rows * 3.2 / columns + 0.5), layout="constrained")
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for number, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            draw(axes, panel)
            axes.set_title(shorten(panel.title), pad=3)
            axes.set(xlim=(-0.02, 1.02), **({"ylim": (-0.02, 1.02)} if square else {}))
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.set_box_aspect(1)
            if number % columns == 0:
                axes.set_ylabel(ylabel)
            if number + columns >= len(panels):  # the lowest of its column
                axes.tick_params(labelbottom=True)
            if number // columns == rows - 1:
                axes.set_xlabel(xlabel)
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        handles, labels = grid[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles[::-1], labels[::-1], loc="outside upper left", ncols=3, fontsize=7.5)
    return figure


def _banded(axes: Axes, curve: dict[str, Any], x: str, y: str) -> None:
    """Draw a curve and, where they are known, its bounds."""
    across = _numbers(curve[x])
    if curve.get("low") is not None and curve.get("high") is not None:
        axes.fill_between(across, _numbers(curve["low"]), _numbers(curve["high"]), color=BLUE, alpha=0.22, linewidth=0)
    axes.plot(across, _numbers(curve[y]), color=BLUE)


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    """Return float64; null is NaN."""
    return np.array(values, dtype=np.float64)
