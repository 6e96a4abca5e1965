"""Copies among the images of a table: exact and near ones, and the groups they make."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np

from medjax.pipeline import candidates, spectra
from medjax.pipeline.confirmation import Confirmer
from medjax.pipeline.copy_groups import group_copies


@dataclasses.dataclass(frozen=True)
class Duplicates:
    """What copies a table holds. Pairs are named once for all exact copies of either side, by the lowest rows.

    Attributes:
      exact: int64 [N], the lowest row with the very same pixels; its own number for an image without exact copy.
      i, j: int64 [links], rows of near copies, i < j, each the lowest of its exact copies; ordered by i, then j.
      correlation: float32 [links], of gradients, see confirmation.py.
      orientation: int8 [links], number in spectra.ORIENTATIONS: j turned so is i.
      groups: int64 [N], the lowest row of the image's group; its own number for an image alone.
    """

    exact: np.ndarray
    i: np.ndarray
    j: np.ndarray
    correlation: np.ndarray
    orientation: np.ndarray
    groups: np.ndarray

    @property
    def refused(self) -> np.ndarray:
        """Links between two groups, bool [links]: a chain led too far from the group's most linked image."""
        return self.groups[self.i] != self.groups[self.j]


def find_duplicates(images: np.ndarray) -> Duplicates:
    """Find the exact copies, and the near ones: turned, mirrored, resized, compressed, brighter, of other contrast.

    Not found: crops, shifts, and turns by other angles than 90° and its multiples. A pure function of the images, which
    are read in pieces.

    Args:
      images: uint8 or uint16 [N, H, W, C], may be a memory map larger than memory.
    """
    exact = _same_pixels(images)
    firsts = np.flatnonzero(exact == np.arange(len(images)))
    known = spectra.store(images)
    described = candidates.descriptors(known)[firsts]
    confirmer = Confirmer(images, known)
    found = [_confirmed(confirmer, firsts[i], firsts[j], turns) for i, j, turns in candidates.propose(described)]
    i, j, correlation, orientation = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((j, i))
    links = (i[order], j[order], correlation[order], orientation[order])
    groups = group_copies(known, links[0], links[1])
    return Duplicates(exact, *links, groups=groups[exact])


def _same_pixels(images: np.ndarray) -> np.ndarray:
    """Return the lowest row with the same pixels for each row, int64 [N]."""
    first: dict[bytes, int] = {}
    exact = np.zeros(len(images), dtype=np.int64)
    for start, chunk in spectra.chunks(images):
        for row, image in enumerate(chunk, start):
            exact[row] = first.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), row)
    return exact


def _confirmed(
    confirmer: Confirmer, i: np.ndarray, j: np.ndarray, orientation: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the proposed pairs that the pixels confirm, each in its best orientation (ties: the lowest number)."""
    correlation, accepted = confirmer.confirm(i, j, orientation)
    i, j, correlation, orientation = (each[accepted] for each in (i, j, correlation, orientation.astype(np.int8)))
    order = np.lexsort((orientation, -correlation, j, i))
    pairs = np.stack([i, j])[:, order]
    best = np.ones(len(order), dtype=bool)
    best[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
    kept = order[best]
    return i[kept], j[kept], correlation[kept], orientation[kept]
