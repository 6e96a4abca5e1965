"""What augmentation makes of training images, as one picture to look at before training."""

from __future__ import annotations

import dataclasses
import pathlib
import textwrap
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from medjax.pipeline.augment import Augmentation, to_unit
from medjax.pipeline.storage import disk_errors

_CELL_INCHES = 1.25
_DPI = 160  # a cell is 200 pixels wide
_DEMO_COLOR = "#D55E00"
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7,
    "text.parse_math": False,
}


def write_preview(
    file: pathlib.Path,
    images: np.ndarray,
    names: Sequence[str],
    augmentation: Augmentation,
    *,
    seed: int,
    views: int,
    demo: bool = False,
) -> None:
    """Write a grid as PNG: a row for each image, first as it is, then some augmented views of it.

    Where augmentation blends images, each is blended with that of the next row, and its share stands below.

    Args:
      file: replaced if it exists.
      images: uint8 or uint16 [M, H, W, C], M at least 1; of other than 1 or 3 channels the middle one is shown.
      names: of the class of each image, M of them.
      augmentation: as in training.
      seed: the same seed gives the same views.
      views: V, augmented views of each image.
      demo: the images are synthetic.

    Raises:
      UserError: the file cannot be written.
    """
    seen, shares = _views(jnp.asarray(images), augmentation, seed, views)
    columns, rows = views + 1, len(images)
    with matplotlib.rc_context(_STYLE), disk_errors(file):
        below = 0.26 if augmentation.mixes else 0.0
        size = (_CELL_INCHES * columns + 0.25, (_CELL_INCHES + below) * rows + 0.45)
        figure = Figure(figsize=size, layout="constrained", dpi=_DPI)
        figure.suptitle(_title(augmentation, columns), fontsize=8, x=0.01, ha="left")
        if demo:
            figure.supxlabel("DEMO: synthetic images", color=_DEMO_COLOR, x=0.99, ha="right", fontsize=8)
            figure.set_figheight(size[1] + 0.2)
        grid = figure.subplots(rows, columns, squeeze=False)
        for row in range(rows):
            original = to_unit(jnp.asarray(images[row]))
            low, high = _range(np.asarray(original), images.dtype)
            _show(grid[row, 0], np.asarray(original), low, high)
            grid[row, 0].set_ylabel(_shorten(names[row]), fontsize=8)
            for view in range(views):
                _show(grid[row, view + 1], seen[view, row], low, high)
                if augmentation.mixes:
                    grid[row, view + 1].set_xlabel(_blend(shares[view, row], names, row), labelpad=2, fontsize=5.5)
        for column, axes in enumerate(grid[0]):
            axes.set_title(f"view {column}" if column else "original", pad=3, fontsize=7)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, format="png", metadata={"Software": None})


def _views(images: jax.Array, augmentation: Augmentation, seed: int, views: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the views, float32 [V, M, H, W, C], and the share each image has in them, float32 [V, M]."""
    found, shares = [], []
    one_view = jax.jit(lambda keys: augmentation(images, keys))
    for view in range(views):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), view), len(images))
        seen, share = one_view(keys), jnp.ones(len(images))
        if augmentation.mixes:
            seen, share = augmentation.mix(seen, keys)
        found.append(np.asarray(seen))
        shares.append(np.asarray(share))
    return np.array(found), np.array(shares)


def _show(axes: Axes, image: np.ndarray, low: float, high: float) -> None:
    pixels = image if image.shape[-1] == 3 else image[..., image.shape[-1] // 2]
    axes.imshow(((pixels - low) / (high - low)).clip(0, 1), cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _range(image: np.ndarray, dtype: np.dtype) -> tuple[float, float]:
    """Black and white of a row of the grid; most 16-bit images use a part of their range only."""
    if dtype == np.uint8:
        return 0.0, 1.0
    low, high = float(image.min()), float(image.max())
    return low, high if high > low else low + 1


def _blend(share: float, names: Sequence[str], row: int) -> str:
    other = names[(row + 1) % len(names)]
    return f"{100 * share:.0f} % {_shorten(names[row])}\n+ {100 * (1 - share):.0f} % {_shorten(other)}"


def _shorten(name: str, longest: int = 20) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _title(augmentation: Augmentation, columns: int) -> str:
    """Name what is on, with its value, in lines as long as the grid is wide."""
    parts = []
    for field in dataclasses.fields(augmentation):
        value, words = getattr(augmentation, field.name), field.name.replace("_", " ")
        if value != field.default:
            parts.append(words if value is True else f"{words} {value:g}")
    return textwrap.fill("Augmentation: " + (", ".join(parts) or "none"), 20 * columns)
