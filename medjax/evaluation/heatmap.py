"""Heat maps over images: where the network looked. Colours: viridis, even in brightness and safe for the colour-blind.

Nuñez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239, on why such maps; it is Matplotlib's own.
"""

import matplotlib
import numpy as np
from PIL import Image

_COLOURS = matplotlib.colormaps["viridis"]
_SHARE = 0.5  # of the colour; the rest is the image


def overlay(image: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Lay a heat map over an image.

    Args:
        image: uint8 [H, W] or [H, W, 3].
        heatmap: float [h, w] in [0, 1]; stretched to the size of the image.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: a shape or a value is wrong.
    """
    heatmap = np.asarray(heatmap, dtype=np.float32)
    if heatmap.ndim != 2 or not heatmap.size:
        raise ValueError(f"a heat map has the shape [H, W]; got {list(heatmap.shape)}")
    if not (np.isfinite(heatmap).all() and heatmap.min() >= 0 and heatmap.max() <= 1):
        raise ValueError("the values of a heat map are finite and in [0, 1]; divide by the largest")
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(f"the image is uint8 [H, W] or [H, W, 3]; got {pixels.dtype} {list(pixels.shape)}")
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    stretched = Image.fromarray(heatmap).resize(colour.shape[1::-1], Image.Resampling.BILINEAR)
    return _blend(colour.astype(np.float64), np.asarray(stretched))


def colour_scale(length: int = 256) -> np.ndarray:
    """Return the colours of 0 to 1 from left to right as they look on mid-grey: uint8 [1, length, 3]."""
    return _blend(np.full((1, length, 3), 127.5), np.linspace(0, 1, length)[None])


def _blend(colour: np.ndarray, heat: np.ndarray) -> np.ndarray:
    mixed = (1 - _SHARE) * colour + _SHARE * 255 * _COLOURS(np.clip(heat, 0, 1))[..., :3]
    return np.round(mixed).astype(np.uint8)
