"""Whether images that shall judge a network were among those that made it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator

import numpy as np

from medjax.pipeline.duplicates import Duplicates, find_duplicates
from medjax.pipeline.table import ImageTable

_ROWS = 1024  # copied at a time


@dataclasses.dataclass(frozen=True)
class Leaks:
    """Which images of a table can be found among others, each bool [N]; an image may be of several kinds.

    Attributes:
      exact: the very same pixels.
      near: a near copy, or a copy of a near copy; see duplicates.py.
      patient: another image of a patient who is there.
    """

    exact: np.ndarray
    near: np.ndarray
    patient: np.ndarray

    @property
    def any(self) -> np.ndarray:
        """All of them, bool [N]."""
        return self.exact | self.near | self.patient

    def counts(self) -> dict[str, int]:
        """Return how many images there are, each counted once, under the first of the kinds that it is of."""
        return {
            "exact_copies": int(self.exact.sum()),
            "near_copies": int((self.near & ~self.exact).sum()),
            "same_patient": int((self.patient & ~self.near & ~self.exact).sum()),
        }


def find_leaks(table: ImageTable, seen: ImageTable, rows: np.ndarray) -> Leaks:
    """Look for the images of a table among some of another.

    Patients are compared where both tables know them by pseudonyms of one key; names of folders may be alike by chance.

    Args:
      table: those in question, N of them.
      seen: pixels of the same size and type.
      rows: int [M], those of `seen` to look among.
    """
    with tempfile.TemporaryFile() as file:  # without a name, so it cannot be left behind
        shape = (len(rows) + len(table), *table.images.shape[1:])
        joined = np.memmap(file, table.images.dtype, "w+", shape=shape)
        for place, images in _chunks(table, seen, rows):
            joined[place : place + len(images)] = images
        exact, near = _copies(find_duplicates(joined), len(rows))
    patients = np.array([], dtype=np.str_)
    if _patients_comparable(table, seen):
        patients = np.setdiff1d(seen.group_ids[rows], [""])
    return Leaks(exact, near, np.isin(table.group_ids, patients))


def _chunks(table: ImageTable, seen: ImageTable, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(rows), _ROWS):
        yield start, seen.images[rows[start : start + _ROWS]]
    for start in range(0, len(table), _ROWS):
        yield len(rows) + start, table.images[start : start + _ROWS]


def _copies(found: Duplicates, seen: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which of the rows from number `seen` on have an exact, and a near copy among those before it."""
    first, later = found.exact[:seen], found.exact[seen:]
    ends = found.j[np.isin(found.i, first)]  # i < j, so the seen image of a link is i
    near = np.isin(later, ends) | np.isin(found.groups[seen:], found.groups[:seen])
    exact = np.isin(later, first)
    return exact, near & ~exact


def _patients_comparable(table: ImageTable, seen: ImageTable) -> bool:
    notes = [(held.notes.get("group_from"), held.notes.get("key")) for held in (table, seen)]
    return notes[0] == notes[1] and notes[0][0] == "patient_id"
