"""Pictures of saliency maps: an image with its map, and what becomes of maps when the weights are made random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from medjax.evaluation import figures
from medjax.evaluation.figures import BLUE, VERMILION
from medjax.evaluation.heatmap import overlay

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8,
    "text.parse_math": False,  # a class called "$x$" is not mathematics
}
_DPI = 160
_FOOT = "Research use, not a medical device."
_SHOWN = 6  # stages of the cascade that are shown as maps


def explanation_figure(image: np.ndarray, heat: np.ndarray, title: str, unit: str, *, demo: bool) -> Figure:
    """Draw an image, its map with the colour scale, and what speaks for the class laid over the image.

    Args:
        image: uint8 [H, W] or [H, W, 3].
        heat: float [H, W]. Where some of it is negative, the colours diverge from white at 0.
        title: above.
        unit: of the map's values.
        demo: the network was trained on synthetic images.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 2.9), layout="constrained", dpi=_DPI)
        figure.suptitle(title, x=0.01, ha="left", fontsize=9)
        plain, alone, both = figure.subplots(1, 3)
        plain.imshow(image, cmap="gray", vmin=0, vmax=255)
        highest = float(np.abs(heat).max()) or 1.0
        signed = bool(heat.min() < 0)
        colours = {"cmap": "PuOr_r", "vmin": -highest} if signed else {"cmap": "viridis", "vmin": 0}
        scale = figure.colorbar(alone.imshow(heat, vmax=highest, **colours), ax=alone, shrink=0.8)
        scale.set_label(unit)
        both.imshow(overlay(image, np.maximum(heat, 0) / highest))
        found = "map" if heat.any() else "map: 0 everywhere, nothing here speaks for the class"
        for axes, name in ((plain, "image"), (alone, found), (both, "evidence for the class" if signed else "overlay")):
            axes.set_title(name, fontsize=8)
            axes.set_axis_off()
        _foot(figure, demo)
    return figure


def randomization_figure(maps: np.ndarray, stages: Sequence[dict[str, Any]], *, demo: bool) -> Figure:
    """Draw one image's map as the weights become random, and the similarities of all images' maps.

    Args:
        maps: float [1 + L, h, w] of one image, that of the trained network first.
        stages: L of them, of `randomization.check`.
        demo: see `explanation_figure`.
    """
    shown = np.unique(np.linspace(0, len(stages), min(_SHOWN, len(stages) + 1)).round().astype(int))
    names = ["trained", *(stage["layer"].removeprefix("backbone/") for stage in stages)]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained", dpi=_DPI)
        grid = figure.add_gridspec(2, len(shown), height_ratios=(1, 1.6))
        for column, stage in enumerate(shown):
            axes = figure.add_subplot(grid[0, column])
            axes.imshow(np.abs(maps[stage]), cmap="viridis")
            axes.set_title(names[stage] if stage == 0 else f"to {names[stage]}", fontsize=7)
            axes.set_axis_off()
        _draw_similarities(figure.add_subplot(grid[1, :]), names[1:], stages)
        _foot(figure, demo)
    return figure


def _draw_similarities(axes: Any, names: Sequence[str], stages: Sequence[dict[str, Any]]) -> None:
    known = [[value for value in stage["similarities"] if value is not None] for stage in stages]
    for place, values in enumerate(known):
        axes.plot([place] * len(values), values, ".", color=BLUE, markersize=4, alpha=0.5)
    means = [np.nan if stage["mean"] is None else stage["mean"] for stage in stages]
    axes.plot(range(len(stages)), means, color=BLUE)
    axes.axhline(0, color="#bbbbbb", linewidth=0.6)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=6)
    axes.set(ylim=(-1.05, 1.05), xlabel="weights random from the head down to", ylabel="rank correlation of the maps")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title("dots: images; line: their mean", fontsize=7, loc="right")


def to_png(figure: Figure) -> bytes:
    """Write a figure as PNG; figures drawn from the same numbers give the same bytes."""
    return figures.to_png(figure, _STYLE, _DPI)


def _foot(figure: Figure, demo: bool) -> None:
    text = f"DEMO: trained on synthetic images. {_FOOT}" if demo else _FOOT
    figure.supxlabel(text, x=0.99, ha="right", fontsize=7, color=VERMILION if demo else "#555555")
