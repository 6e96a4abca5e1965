"""Pairs of images that may be copies: near neighbours among short descriptors, in any of 8 orientations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from medjax.pipeline import spectra

_FREQUENCIES = 8  # in each direction: 63 numbers an image
_ROWS, _COLUMNS = 512, 2048  # of one matrix product: 4 MB of similarities stay near the core
# Synthetic copies (70 % of the size, JPEG of quality 60, 10 % brighter) keep a cosine of 0.99 in the worst hundredth of
# the worst class of Medical MNIST; 0.96 leaves room for other contrast, at four candidates an image.
LEAST_LIKENESS = 0.96


def descriptors(known: np.ndarray) -> np.ndarray:
    """Return the lowest frequencies of every image's spectrum.

    Args:
      known: float16 or float32 [N, side, side], as of spectra.store.

    Returns:
      float32 [N, k, k] of length 1; all 0 for a picture without contrast (a standard deviation below a grey level),
      which resembles everything and nothing.
    """
    side = known.shape[-1]
    k = min(_FREQUENCIES, side)
    found = np.zeros((len(known), k, k), dtype=np.float32)
    roots = np.sqrt(np.maximum(spectra.eigenvalues(side), 1e-9), dtype=np.float32)
    for start, chunk in spectra.chunks(known):
        spectrum = chunk.astype(np.float32)
        contrast = np.linalg.norm(spectrum / roots, axis=(1, 2)) / side
        low = spectrum[:, :k, :k]
        length = np.linalg.norm(low, axis=(1, 2))
        seen = (contrast >= 1) & (length > 0)
        found[start : start + len(chunk)][seen] = low[seen] / length[seen, None, None]
    return found


def propose(
    described: np.ndarray, least: float = LEAST_LIKENESS
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield all pairs whose descriptors are alike in some orientation, block after block.

    Args:
      described: float32 [N, k, k] as of `descriptors`.
      least: cosine from which on a pair is proposed.

    Yields:
      (i, j, orientation), int64 [pairs] each, i < j: j turned so is like i. A pair comes once for each orientation in
      which it is alike, all of them in one block.
    """
    count, k, _ = described.shape
    flat = described.reshape(count, k * k)
    for first in range(0, count, _COLUMNS):
        block = described[first : first + _COLUMNS]
        found = [np.zeros((3, 0), dtype=np.int64)]
        for orientation in range(len(spectra.ORIENTATIONS)):
            turned = np.ascontiguousarray(spectra.turn(block, orientation).reshape(len(block), k * k).T)
            for start in range(0, min(first + len(block), count), _ROWS):
                likeness = flat[start : start + _ROWS] @ turned
                i, j = np.divmod(np.flatnonzero(likeness.ravel() >= least), len(block))
                i, j = i + start, j + first
                found.append(np.stack([i, j, np.full(i.size, orientation)])[:, i < j])
        pairs = np.concatenate(found, axis=1)
        yield tuple(pairs[:, np.lexsort(pairs[::-1])])
