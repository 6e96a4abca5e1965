"""What two pictures are compared by: the cosine transform of a grey thumbnail, weighted as its gradient is.

In this form everything the comparison needs is arithmetic on one vector an image: turning or mirroring a picture
changes signs and swaps axes, the dot product is the correlation of gradients, the lowest coefficients are a short
descriptor, and a smoother copy of a picture is the same vector damped towards the high frequencies.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from medjax.pipeline.storage import check_space, disk_errors

SIDE = 64  # thumbnail, pixels; smaller images are taken as they are
_CHUNK_BYTES = 2**25
# By number, as `turn_image` makes them.
ORIENTATIONS = (
    "as it is",
    "mirrored left to right",
    "mirrored top to bottom",
    "turned by 180°",
    "transposed",
    "turned by 90° clockwise",
    "turned by 90° anticlockwise",
    "transposed and turned by 180°",
)


def side_of(images: np.ndarray) -> int:
    """Return the side of the thumbnails of images [N, H, W, C], pixels."""
    return min(SIDE, *images.shape[1:3])


def spectra(images: np.ndarray) -> np.ndarray:
    """Return the spectra of some images.

    Args:
      images: uint8 or uint16 [n, H, W, C]; channels are averaged.

    Returns:
      float32 [n, side, side], the orthonormal cosine transform (DCT-II) of the thumbnail by vertical and horizontal
      frequency, times the root of the Laplacian's eigenvalue, so that the mean is 0 and the dot product of two spectra
      is that of the thumbnails' gradients. In grey levels of an 8-bit image.
    """
    height, width = images.shape[1:3]
    side = side_of(images)
    grey = images[..., 0].astype(np.float32) if images.shape[-1] == 1 else images.mean(axis=-1, dtype=np.float32)
    if images.dtype == np.uint16:
        grey /= 257
    down, across = _cosines(side) @ _averages(height, side), _cosines(side) @ _averages(width, side)
    rows = (grey.reshape(-1, width) @ across.T).reshape(len(grey), height, side)  # one product, ten times as fast
    return (down @ rows) * np.sqrt(eigenvalues(side), dtype=np.float32)


def store(images: np.ndarray) -> np.ndarray:
    """Return the spectra of all images, float16 [N, side, side], in a temporary file that vanishes with the array.

    Half precision changes a correlation by less than 1e-6; the pages may leave memory when others need it.

    Raises:
      UserError: no space for 8 KiB an image where temporary files lie.
    """
    side = side_of(images)
    with disk_errors(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        file.truncate(max(1, 2 * len(images) * side * side))
        check_space(Path(tempfile.gettempdir()), 2 * len(images) * side * side)
        stored = np.memmap(file, dtype=np.float16, mode="r+", shape=(len(images), side, side))
    for start, chunk in chunks(images):
        stored[start : start + len(chunk)] = spectra(chunk)
    return stored


def chunks(images: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first row, some of the rows) of images or spectra, which may be a memory map larger than memory."""
    step = max(1, _CHUNK_BYTES // max(1, 4 * images[:1].size))
    for start in range(0, len(images), step):
        yield start, np.asarray(images[start : start + step])


def turn(spectrum: np.ndarray, orientation: int) -> np.ndarray:
    """Return the spectra [..., side, side] of the pictures turned as `turn_image` does."""
    if orientation & 4:
        spectrum = spectrum.swapaxes(-1, -2)
    odd = np.where(np.arange(spectrum.shape[-1]) % 2, -1, 1).astype(np.float32)
    if orientation & 1:
        spectrum = spectrum * odd
    if orientation & 2:
        spectrum = spectrum * odd[:, None]
    return spectrum


def turn_image(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return image [H, W, ...] transposed (orientation & 4), then mirrored (& 1), then upside down (& 2)."""
    if orientation & 4:
        image = image.swapaxes(0, 1)
    return image[:: -1 if orientation & 2 else 1, :: -1 if orientation & 1 else 1]


@functools.cache
def eigenvalues(side: int) -> np.ndarray:
    """Return those of the Laplacian with reflecting borders, float64 [side, side]: about the squared frequency."""
    one = 2 - 2 * np.cos(np.pi * np.arange(side) / side)
    return one[:, None] + one


@functools.cache
def smoothing(side: int, share: float) -> np.ndarray:
    """Return by how much each frequency is damped when a thumbnail is resized to `share` and back.

    Bilinear and anti-aliased as in decode.py. What it does to one frequency alone: aliases are left out.

    Returns:
      float64 [side, side], 1 for the lowest frequencies.
    """
    smaller = max(1, round(share * side))
    down = Image.fromarray(np.eye(side, dtype=np.float32)).resize((side, smaller), Image.Resampling.BILINEAR)
    back = np.asarray(down.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float64)
    cosines = _cosines(side).astype(np.float64)
    response = np.clip(np.einsum("ki,ij,kj->k", cosines, back, cosines), 0, 1)
    return response[:, None] * response


@functools.cache
def _cosines(side: int) -> np.ndarray:
    """Return the orthonormal DCT-II, float32 [frequency, pixel]."""
    matrix = np.cos(np.pi * np.arange(side)[:, None] * (np.arange(side) + 0.5) / side) * np.sqrt(2 / side)
    matrix[0] = np.sqrt(1 / side)
    return matrix.astype(np.float32)


@functools.cache
def _averages(size: int, side: int) -> np.ndarray:
    """Return the matrix that averages `size` pixels over areas to `side`, float32 [side, size]."""
    edges = np.arange(side + 1) * size / side
    covered = np.clip(edges[:, None] - np.arange(size), 0, 1)
    return ((covered[1:] - covered[:-1]) * side / size).astype(np.float32)
