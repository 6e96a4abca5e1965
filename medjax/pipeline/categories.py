"""Columns of the table that the network is told besides the image: each value becomes a plane of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from medjax.errors import UserError
from medjax.pipeline.table import ImageTable

MAX_CATEGORIES = 64  # of a column; more look like names or measurements


@dataclasses.dataclass(frozen=True)
class Categories:
    """The input columns of a table as numbers.

    Attributes:
      values: column -> its values in the whole table, sorted; their order is that of the planes.
      codes: int32 [N, D], of each row and column the place of its value.
    """

    values: dict[str, tuple[str, ...]]
    codes: np.ndarray

    @property
    def counts(self) -> tuple[int, ...]:
        """How many values each column has."""
        return tuple(map(len, self.values.values()))


def read_categories(table: ImageTable, names: Sequence[str]) -> Categories:
    """Read columns of text (or booleans, or whole numbers, as text) of a table.

    Raises:
      UserError: no such column, one of fractions or of too many values, or one that tells of the file, which would let
        the network recognise the scanner.
    """
    values, codes = {}, np.zeros((len(table), len(names)), np.int32)
    for place, name in enumerate(names):
        allowed = sorted(table.kept_columns)
        if name not in allowed:
            there = f"choose from {', '.join(allowed)}" if allowed else f"{table.name} has none"
            raise UserError(f"config.data.input_columns names {name!r}, which is no column for the network: {there}.")
        column = table.columns[name]
        found, codes[:, place] = np.unique(column.astype(np.str_), return_inverse=True)
        if column.dtype.kind == "f" or len(found) > MAX_CATEGORIES:
            kind = "fractions" if column.dtype.kind == "f" else f"{len(found)} different values"
            raise UserError(
                f"config.data.input_columns names {name!r}, a column of {kind}: an input column has at most "
                f"{MAX_CATEGORIES} categories; leave it out or group its values."
            )
        values[name] = tuple(found.tolist())
    return Categories(values, codes)


def codes_of(table: ImageTable, values: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Number the input columns of another table as those of training were numbered.

    Args:
      table: N rows.
      values: of D columns, as `Categories.values`.

    Returns:
      int32 [N, D].

    Raises:
      UserError: a column is not there, or holds a value that training did not.
    """
    codes = np.zeros((len(table), len(values)), np.int32)
    for place, (name, known) in enumerate(values.items()):
        if name not in table.columns:
            raise UserError(f"the network is told {name!r} besides each image, and the images have no such column.")
        number = {value: code for code, value in enumerate(known)}
        for row, value in enumerate(table.columns[name].astype(np.str_).tolist()):
            if value not in number:
                raise UserError(f"column {name!r} holds {value!r}; the network knows {', '.join(known)} only.")
            codes[row, place] = number[value]
    return codes
