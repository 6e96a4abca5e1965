"""Stored values of a DICOM picture -> grey between 0 (black) and 1, by the formulas of DICOM PS3.3 C.11.

Every step maps a value by itself, so a picture of integers goes through a table of its levels, exact in float64.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from medjax.datasets.source import ReadError

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
# A span of stored values up to this one is mapped through a table, 32-bit values that spread further one by one.
_TABLE_LEVELS = 2**20


@dataclasses.dataclass(frozen=True)
class Lut:
    """A lookup table: values below `first` take the first entry, values above the last take the last.

    Attributes:
      first: the value that the first entry stands for.
      entries: uint16 [N].
      bits: of an entry; 2^bits − 1 is the highest output.
    """

    first: int
    entries: np.ndarray
    bits: int

    @property
    def top(self) -> int:
        """The highest output there can be."""
        return 2**self.bits - 1

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return the entries of `values`, float64 of the same shape; fractions are rounded first."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[index.astype(np.int64)].astype(np.float64)


@dataclasses.dataclass(frozen=True)
class Window:
    """A window in modality units (Hounsfield units in CT): PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    center: float
    width: float
    function: str = "LINEAR"

    def __post_init__(self) -> None:
        least = 1 if self.function == "LINEAR" else 0
        if self.function not in FUNCTIONS:
            raise ReadError("its window has a function that DICOM does not know")
        if not np.isfinite([self.center, self.width]).all() or self.width < least or self.width == 0:
            raise ReadError(f"its window has no usable width (at least 1 for LINEAR, above 0 for {FUNCTIONS[1]})")

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return grey in [0, 1], float64 of the same shape."""
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(np.clip(-4 * (values - self.center) / self.width, -700, 700)))
        # LINEAR is off by half a value and by one, so that a window of 256 at 128 maps 0…255 to the whole range.
        exact = self.function == "LINEAR_EXACT"
        center, width = (self.center, self.width) if exact else (self.center - 0.5, self.width - 1)
        if width == 0:
            return (values > center).astype(np.float64)
        return np.clip((values - center) / width + 0.5, 0, 1)


@dataclasses.dataclass(frozen=True)
class Transform:
    """What the header of a grey picture says of its values.

    Attributes:
      stored_range: lowest and highest value that its bits can hold.
      slope, intercept: of the rescale; None where there is none.
      modality_lut: instead of the rescale.
      voi_lut: goes before the window where a header has both.
      window: the first of several.
      inverted: MONOCHROME1; the lowest value is white.
    """

    stored_range: tuple[int, int]
    rescale: tuple[float, float] | None = None
    modality_lut: Lut | None = None
    voi_lut: Lut | None = None
    window: Window | None = None
    inverted: bool = False

    def modality(self, stored: np.ndarray) -> np.ndarray:
        """Return modality values (Hounsfield units in CT), float64 of the same shape."""
        if self.modality_lut:
            return self.modality_lut(stored)
        slope, intercept = self.rescale or (1.0, 0.0)
        return stored.astype(np.float64) * slope + intercept

    def voi(self, values: np.ndarray) -> np.ndarray:
        """Return modality values as the header wants them seen: VOI LUT, else window, else the whole range of its bits.

        Returns:
          Grey in [0, 1] before inversion, float64 of the same shape.
        """
        if self.voi_lut:
            return np.clip(self.voi_lut(values) / self.voi_lut.top, 0, 1)
        if self.window:
            return self.window(values)
        if self.modality_lut:
            return values / self.modality_lut.top
        return stretch(values, *sorted(self.modality(np.array(self.stored_range)).tolist()))


def stretch(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return grey in [0, 1] that is 0 at `low` and below, 1 at `high` and above; 0 everywhere where they are equal."""
    if high <= low:
        return np.zeros(values.shape)
    return np.clip((values - low) / (high - low), 0, 1)


def render(
    stored: np.ndarray,
    padding: np.ndarray | None,
    transform: Transform,
    show: Callable[[np.ndarray], np.ndarray],
    dtype: type = np.uint16,
) -> np.ndarray:
    """Return a grey picture: modality, then `show`, then the inversion of MONOCHROME1, then black padding.

    Args:
      stored: integers [H, W], as the file holds them.
      padding: bool [H, W], True where no picture is; None where it is everywhere.
      transform: of the header.
      show: modality values -> grey in [0, 1].
      dtype: np.uint16 or np.uint8.

    Returns:
      dtype [H, W], over its full range.
    """

    def grey(values: np.ndarray) -> np.ndarray:
        shown = show(transform.modality(values))
        shown = 1 - shown if transform.inverted else shown
        return np.rint(shown * np.iinfo(dtype).max).astype(dtype)

    low, high = int(stored.min()), int(stored.max())
    if high - low < _TABLE_LEVELS:
        picture = grey(np.arange(low, high + 1))[stored.astype(np.int64) - low]
    else:
        picture = grey(stored)
    if padding is not None:
        picture[padding] = 0
    return picture
