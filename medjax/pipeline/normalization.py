"""The constants that images are normalised with."""

import numpy as np


def channel_statistics(images: np.ndarray, indices: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel over the chosen images, scaled to [0, 1].

    Exact: integer sums of a chunk of images at a time. A channel that never changes gets a standard deviation of 1.

    Args:
      images: uint8 or uint16 [N, H, W, C], possibly memory-mapped.
      indices: int [M], those of the training split.

    Returns:
      Two tuples of C floats.
    """
    total = np.zeros(images.shape[-1], np.float64)
    squares = np.zeros(images.shape[-1], np.float64)
    for start in range(0, len(indices), 64):
        chunk = images[indices[start : start + 64]].astype(np.float64)
        total += chunk.sum(axis=(0, 1, 2))
        squares += (chunk * chunk).sum(axis=(0, 1, 2))
    pixels = len(indices) * images.shape[1] * images.shape[2]
    scale = np.iinfo(images.dtype).max
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    std = np.where(std > 0, std / scale, 1.0)
    return tuple((mean / scale).tolist()), tuple(std.tolist())
