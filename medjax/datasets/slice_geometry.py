"""Where the slices of a series lie in the patient: which are neighbours, and where a point of one is in another.

Patient coordinates are DICOM's: mm, +x to the patient's left, +y to the back, +z to the head (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from medjax.datasets.source import ReadError

# Slices whose rows and columns point the same way within about one degree are of one orientation.
_SAME_DIRECTION = float(np.cos(np.deg2rad(1.0)))
_SAME_PLACE = 0.01  # mm


@dataclasses.dataclass(frozen=True)
class Plane:
    """A slice in the patient.

    Attributes:
      position: [3] mm, centre of the pixel in the first row and column.
      along_row, along_column: [3] unit vectors, the way in which columns and rows are counted.
      row_spacing, column_spacing: mm between neighbouring rows, and between neighbouring columns.
    """

    position: np.ndarray
    along_row: np.ndarray
    along_column: np.ndarray
    row_spacing: float
    column_spacing: float

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the slice; its largest component is positive, so that all series count the same way."""
        normal = np.cross(self.along_row, self.along_column)
        return normal if normal[np.argmax(np.abs(normal))] > 0 else -normal

    @property
    def left_right_axis(self) -> int:
        """Axis of a stack [H, W, slices] that is nearest to the patient's left-right axis."""
        return int(np.argmax(np.abs([self.along_column[0], self.along_row[0], self.normal[0]])))

    def point(self, x: float, y: float) -> np.ndarray:
        """Return where column x, row y (pixels, fractions allowed, centres at whole numbers) is in the patient [3]."""
        along = self.along_row * (x * self.column_spacing) + self.along_column * (y * self.row_spacing)
        return self.position + along

    def pixel(self, point: np.ndarray) -> tuple[float, float]:
        """Return column and row of a point of the patient [3], moved along the normal into this slice."""
        offset = point - self.position
        return float(offset @ self.along_row) / self.column_spacing, float(
            offset @ self.along_column
        ) / self.row_spacing


def make_plane(
    position: tuple[float, ...] | None, orientation: tuple[float, ...] | None, spacing: tuple[float, ...] | None
) -> Plane:
    """Return the plane of ImagePositionPatient, ImageOrientationPatient and PixelSpacing (row spacing first).

    Raises:
      ReadError: one of them is missing, or the orientation is no pair of perpendicular directions.
    """
    if position is None or orientation is None:
        raise ReadError("does not say where it lies in the patient (ImagePositionPatient, ImageOrientationPatient)")
    if spacing is None:
        raise ReadError("has no usable PixelSpacing, so millimetres are not known")
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    if np.abs([row @ row - 1, column @ column - 1, row @ column]).max() > 0.01:
        raise ReadError("its ImageOrientationPatient is no pair of perpendicular directions")
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    return Plane(np.array(position), row / lengths[0], column / lengths[1], *spacing)


def neighbours(planes: Mapping[int, Plane], middle: int, count: int) -> list[int]:
    """Return the slices around one, by position along its normal, the nearest to its negative end first.

    Only slices of the same orientation count, and one at each position. Where the series ends, its last slice is
    repeated.

    Args:
      planes: by any number that names a slice, such as its instance number; the lower one goes first at one position.
      middle: the slice in the middle.
      count: how many to return, odd.
    """
    target = planes[middle]
    depths: dict[int, float] = {}
    for number in [middle, *sorted(planes)]:
        plane = planes[number]
        depth = float((plane.position - target.position) @ target.normal)
        alike = min(plane.along_row @ target.along_row, plane.along_column @ target.along_column) >= _SAME_DIRECTION
        if alike and all(abs(depth - other) > _SAME_PLACE for other in depths.values()):
            depths[number] = depth
    order = sorted(depths, key=depths.__getitem__)
    at = order.index(middle)
    return [order[min(max(at + step, 0), len(order) - 1)] for step in range(-(count // 2), count // 2 + 1)]
