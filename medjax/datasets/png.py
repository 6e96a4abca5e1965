"""Pixels as a lossless picture, for the datasets that come as arrays or are drawn."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def to_png(pixels: np.ndarray) -> bytes:
    """Return a PNG of pixels, uint8 [H, W] grey or [H, W, 3] RGB."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
