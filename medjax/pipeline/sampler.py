"""The order of the training examples: a pure function of (seed, step), so there is no iterator state to lose."""

import functools
from collections.abc import Callable

import numpy as np


def order(
    sampling: str, seed: int, train: np.ndarray, labels: np.ndarray, batch_size: int
) -> Callable[[int], np.ndarray]:
    """Return step -> the rows of the table it trains on, int32 [B].

    Args:
      sampling: "shuffle", see `batch_indices`; or "balanced", see `balanced_indices`.
      seed: of the order.
      train: int [M], rows of the training split.
      labels: int [N], of the whole table.
      batch_size: B.
    """

    def rows(step: int) -> np.ndarray:
        if sampling == "balanced":
            positions = balanced_indices(seed, step, labels[train], batch_size)
        else:
            positions = batch_indices(seed, step, len(train), batch_size)
        return train[positions].astype(np.int32)

    return rows


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


def balanced_indices(seed: int, step: int, labels: np.ndarray, batch_size: int) -> np.ndarray:
    """Return which examples step number `step` trains on when every class is drawn as often as any other.

    The stream goes in rounds: each holds one example of every class, the classes in a new random order. The examples
    of a class come as those of all do in `batch_indices`: a permutation of them, then another, so that each is drawn
    before any is drawn again.

    Args:
      seed: of the order; the same seed gives the same stream on every machine.
      step: counted from 0.
      labels: int [M] of the training examples; a class that is missing in them, and what has none (−1), is not drawn.
      batch_size: B.

    Returns:
      int32 [B], positions in [0, M).
    """
    classes = np.unique(labels[labels >= 0])
    position = step * batch_size + np.arange(batch_size, dtype=np.int64)
    rounds, slots = np.divmod(position, len(classes))
    indices = np.empty(batch_size, np.int32)
    for place, (number, slot) in enumerate(zip(rounds.tolist(), slots.tolist(), strict=True)):
        block, row = divmod(number, _ROUNDS)
        chosen = int(_class_order(seed, block, len(classes))[row, slot])
        members = np.flatnonzero(labels == classes[chosen])
        turn, within = divmod(number, len(members))
        indices[place] = members[_class_permutation(seed, chosen, turn, len(members))[within]]
    return indices


_ROUNDS = 1024  # whose orders are drawn at a time


@functools.lru_cache(maxsize=2)
def _class_order(seed: int, block: int, classes: int) -> np.ndarray:
    """The order of the classes in each round of a block, int [_ROUNDS, classes]."""
    raw = np.random.PCG64([seed, 1, block]).random_raw(_ROUNDS * classes)
    return np.argsort(raw.reshape(_ROUNDS, classes), axis=1, kind="stable")


@functools.lru_cache(maxsize=256)
def _class_permutation(seed: int, chosen: int, turn: int, size: int) -> np.ndarray:
    """The order of a class's examples in their turn number `turn`."""
    return np.argsort(np.random.PCG64([seed, 2, chosen, turn]).random_raw(size), kind="stable")


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Steps after which at least `size` examples have been drawn."""
    return -(-size // batch_size)
