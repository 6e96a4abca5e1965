"""The order of the training examples: a pure function of (seed, step), so there is no iterator state to lose."""

import functools

import numpy as np


def batch_indices(seed: int, step: int, size: int, batch_size: int) -> np.ndarray:
    """Return which examples step number `step` trains on.

    Training reads one endless stream: a permutation of all examples, then another, and so on. A batch may reach over
    the border between two of them, so no example is ever left out of a pass.

    Args:
      seed: of the order; the same seed gives the same stream on every machine.
      step: counted from 0.
      size: number of training examples.
      batch_size: B.

    Returns:
      int32 [B], positions in [0, size).
    """
    position = step * batch_size + np.arange(batch_size, dtype=np.int64)
    passes, places = np.divmod(position, size)
    indices = np.empty(batch_size, np.int32)
    for number in np.unique(passes):
        chosen = passes == number
        indices[chosen] = _permutation(seed, int(number), size)[places[chosen]]
    return indices


@functools.lru_cache(maxsize=2)
def _permutation(seed: int, number: int, size: int) -> np.ndarray:
    """The order of pass `number`, from the raw stream, which NumPy keeps the same for ever, unlike `permutation`."""
    return np.argsort(np.random.PCG64([seed, number]).random_raw(size), kind="stable")


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Steps after which at least `size` examples have been drawn."""
    return -(-size // batch_size)
