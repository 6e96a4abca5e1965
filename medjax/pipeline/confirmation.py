"""Whether two pictures are one: the evidence of the pixels, after a descriptor has proposed the pair.

Two rules, either suffices. How their numbers were chosen: by looking at the pictures, never at a model's accuracy.

1. The gradients of the 64-pixel thumbnails correlate to at least 0.96, directly or after one of the two was made as
   smooth as a copy of 70 % of its size. Gradients, because plain correlation sees little but the outline: neighbouring
   slices reach 0.98 of it, and one slice in two windows does not. In Medical MNIST no pair from two classes reaches
   0.6; in the glioma and pituitary scans of brain_tumor_mri, where copies and different slices leave a gap, the
   different ones end at 0.92. Of 200 random links within the classes of Medical MNIST 193 are one picture to the eye;
   the other 7 are frames that hold an empty head rest, in one of them with a speck of the head.
2. In each of four octaves of frequency the two differ by at most 1.2 times what JPEG of quality 60 takes from either of
   them. This is for pictures full of speckle, which such a JPEG changes more than rule 1 allows; from 128 pixels on
   the thumbnail averages its traces away (it then leaves 0.997), and the rule is not asked.
"""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image

from medjax.pipeline import spectra

LEAST_CORRELATION = 0.96
_SMALLER = 0.7
_JPEG_QUALITY, _JPEG_MARGIN = 60, 1.2
_OCTAVES = 4
# A JPEG leaves more than this of the two lower octaves; where they agree less, the picture need not be compressed.
_WORTH_A_JPEG = (0.985, 0.95)
_PAIRS = 1024  # compared at once: 50 MB
_TINY = 1e-3  # makes pictures that both lack an octave agree in it


class Confirmer:
    """Compares pairs of a table's images on their pixels.

    Args:
      images: uint8 or uint16 [N, H, W, C]; few rows are read.
      known: their spectra, [N, side, side], as of spectra.store.
    """

    def __init__(self, images: np.ndarray, known: np.ndarray):
        self._images, self._known = images, known
        self._lost = np.full((len(images), _OCTAVES), np.nan, dtype=np.float32)  # to JPEG; filled as it is asked for

    def confirm(self, i: np.ndarray, j: np.ndarray, orientations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Apply both rules.

        Args:
          i, j: int [pairs].
          orientations: int [pairs], in which j is turned before the comparison.

        Returns:
          The correlation of rule 1, float32 [pairs], and whether the pair is one picture, bool [pairs].
        """
        correlation, accepted = np.zeros(len(i), dtype=np.float32), np.zeros(len(i), dtype=bool)
        speckled = min(self._images.shape[1:3]) < 2 * spectra.SIDE
        for start in range(0, len(i), _PAIRS):
            chunk = slice(start, start + _PAIRS)
            first, turned = (self._known[rows[chunk]].astype(np.float32) for rows in (i, j))
            for orientation in np.unique(orientations[chunk]):
                where = orientations[chunk] == orientation
                turned[where] = spectra.turn(turned[where], orientation)
            correlation[chunk], octaves = compare(first, turned)
            accepted[chunk] = correlation[chunk] >= LEAST_CORRELATION
            if speckled:
                worth = (octaves[:, : len(_WORTH_A_JPEG)] >= _WORTH_A_JPEG).all(axis=1)
                doubtful = np.flatnonzero(worth & ~accepted[chunk])
                pairs = start + doubtful
                accepted[pairs] = self._as_near_as_jpeg(i[pairs], j[pairs], octaves[doubtful])
        return correlation, accepted

    def _as_near_as_jpeg(self, i: np.ndarray, j: np.ndarray, octaves: np.ndarray) -> np.ndarray:
        """Apply rule 2. Args: rows of the pairs, how their octaves correlate [pairs, 4]."""
        rows = np.unique(np.concatenate([i, j]))
        new = rows[np.isnan(self._lost[rows, 0])]
        if new.size:
            pixels = np.asarray(self._images[new])
            compressed = np.stack([_compressed(image) for image in pixels])
            self._lost[new] = 1 - compare(spectra.spectra(pixels), spectra.spectra(compressed))[1]
        near_i, near_j = ((1 - octaves <= _JPEG_MARGIN * self._lost[rows]).all(axis=1) for rows in (i, j))
        return np.logical_or(near_i, near_j)


def compare(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlate spectra pair by pair.

    Args:
      first, second: float32 [pairs, side, side].

    Returns:
      The correlation of rule 1, float32 [pairs], and that of each octave, lowest first, float32 [pairs, 4].
    """
    side = first.shape[-1]
    weights, squared = _weights(side)
    a, b = first.reshape(len(first), -1), second.reshape(len(second), -1)
    product, of_a, of_b = (a * b) @ weights, (a * a) @ squared, (b * b) @ squared

    def ratio(product: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> np.ndarray:
        return (product + _TINY) / np.sqrt((of_a + _TINY) * (of_b + _TINY))

    direct = ratio(product[:, 0], of_a[:, 0], of_b[:, 0])
    smooth_a = ratio(product[:, 1], of_a[:, 1], of_b[:, 0])
    smooth_b = ratio(product[:, 1], of_a[:, 0], of_b[:, 1])
    best = np.minimum(np.maximum(direct, np.maximum(smooth_a, smooth_b)), 1)
    return best, np.minimum(ratio(product[:, 2:], of_a[:, 2:], of_b[:, 2:]), 1)


@functools.cache
def _weights(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what products and squares of frequencies are summed with: all, smoothed, each octave. [side², 6] twice."""
    response = spectra.smoothing(side, _SMALLER)
    frequency = np.maximum(np.arange(side)[:, None], np.arange(side))
    octave = np.searchsorted([side / 8, side / 4, side / 2], frequency, side="right")
    octaves = [octave == number for number in range(_OCTAVES)]
    products, squares = ([np.ones((side, side)), damping, *octaves] for damping in (response, response**2))
    return tuple(np.stack(each, axis=-1).reshape(side * side, -1).astype(np.float32) for each in (products, squares))  # type: ignore[return-value]


def _compressed(image: np.ndarray) -> np.ndarray:
    """Return an image [H, W, C] after grey JPEG, uint8 [H, W, 1]."""
    grey = image.mean(axis=-1) / (257 if image.dtype == np.uint16 else 1)
    file = io.BytesIO()
    Image.fromarray(np.rint(grey).astype(np.uint8)).save(file, "JPEG", quality=_JPEG_QUALITY)
    with Image.open(file) as decoded:
        return np.asarray(decoded)[..., None]
