"""One series of DICOM slices in the patient, and crops of it: a few neighbouring slices around a point."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from PIL import Image

from medjax.datasets.dicom import Picture, read_picture
from medjax.datasets.dicom_header import Header
from medjax.datasets.dicom_images import count_voxels
from medjax.datasets.intensity import render, stretch
from medjax.datasets.intensity_policy import PERCENTILES
from medjax.datasets.slice_geometry import Plane, make_plane, neighbours
from medjax.datasets.source import ReadError, Source
from medjax.datasets.voxel_histogram import VoxelHistogram

_KEPT_SLICES = 16  # decoded ones in memory at a time
_LARGEST_CROP = 2**13  # pixels of the slice, each side


class SliceStack:
    """The readable slices of one series; all are read once for the percentiles, and again where they are cropped.

    Attributes:
      headers: by instance number.
      unreadable: instance number -> why.
    """

    def __init__(self, source: Source, files: Mapping[int, str], *, imager_spacing: bool):
        """Read the series.

        Args:
          source: an open folder or .zip.
          files: names by instance number.
          imager_spacing: take ImagerPixelSpacing, the detector's, where there is no PixelSpacing.
        """
        self._source, self._files = source, files
        self.headers: dict[int, Header] = {}
        self.unreadable: dict[int, str] = {}
        self._planes: dict[int, Plane] = {}
        self._unplaced: dict[int, str] = {}
        histogram = VoxelHistogram()
        for instance in sorted(files):
            try:
                picture = self._read(instance)
            except ReadError as error:
                self.unreadable[instance] = str(error)
                continue
            count_voxels(histogram, picture)
            self.headers[instance] = header = picture.header
            try:
                self._planes[instance] = make_plane(header.position, header.orientation, _mm(header, imager_spacing))
            except ReadError as error:
                self._unplaced[instance] = str(error)
        self._low, self._high = histogram.percentiles(*PERCENTILES)
        self._grey = functools.lru_cache(_KEPT_SLICES)(self._grey_slice)

    def crop(
        self, instance: int, x: float, y: float, *, mm: float, pixels: int, slices: int, mirrored: bool
    ) -> np.ndarray:
        """Return neighbouring slices around a point, resampled (bilinear, anti-aliased), black outside the image.

        Args:
          instance: the slice in the middle.
          x, y: column and row in it; the centre of the first pixel is 0, 0.
          mm: side of the crop.
          pixels: side of what is returned.
          slices: how many, odd; see slice_geometry.neighbours for those beyond an end.
          mirrored: turn the patient's left and right round: the axis of the stack that is nearest to left-right.

        Returns:
          uint8 [pixels, pixels, slices], between the series' percentiles.

        Raises:
          ReadError: the slice or a neighbour cannot be read, or says nothing usable of where it lies.
        """
        for reasons in (self.unreadable, self._unplaced):
            if instance in reasons:
                raise ReadError(reasons[instance])
        if instance not in self._planes:
            raise ReadError("is not in its series")
        middle = self._planes[instance]
        rows, columns = self._grey(instance).shape
        if not (-0.5 <= x <= columns - 0.5 and -0.5 <= y <= rows - 0.5):
            raise ReadError(f"the coordinate {x:g}, {y:g} is outside the image of {columns}×{rows} pixels")
        cropped = []
        for number in neighbours(self._planes, instance, slices):
            plane = self._planes[number]
            at = plane.pixel(middle.point(x, y))
            cropped.append(_crop(self._grey(number), at, mm / plane.column_spacing, mm / plane.row_spacing, pixels))
        stack = np.stack(cropped, axis=-1)
        return np.ascontiguousarray(np.flip(stack, middle.left_right_axis)) if mirrored else stack

    def _read(self, instance: int) -> Picture:
        picture = read_picture(self._source.read(self._files[instance]))
        if picture.header.no_picture:
            raise ReadError(f"is {picture.header.no_picture}")
        if picture.transform is None:
            raise ReadError("is in colour; a slice of grey values is needed")
        return picture

    def _grey_slice(self, instance: int) -> np.ndarray:
        """Return uint16 [H, W] between the series' percentiles."""
        picture = self._read(instance)
        assert picture.transform is not None
        show = functools.partial(stretch, low=self._low, high=self._high)
        return render(picture.stored, picture.padding, picture.transform, show)


def _mm(header: Header, imager_spacing: bool) -> tuple[float, ...] | None:
    if header.spacing is None and header.imager_spacing is not None:
        if not imager_spacing:
            raise ReadError(
                "has only ImagerPixelSpacing, the spacing at the detector and not in the patient; allow it with "
                "imager_spacing = True"
            )
        return header.imager_spacing
    return header.spacing


def _crop(grey: np.ndarray, at: tuple[float, float], width: float, height: float, pixels: int) -> np.ndarray:
    """Return uint8 [pixels, pixels]: the box of `width` × `height` pixels around column, row `at` of uint16 [H, W]."""
    if not (min(width, height) >= 1 and max(width, height) <= _LARGEST_CROP):
        raise ReadError("its pixel spacing makes the crop less than one pixel or more than any image")
    left, top = at[0] + 0.5 - width / 2, at[1] + 0.5 - height / 2  # the first pixel reaches from 0 to 1
    first_row, first_column = int(np.floor(top)), int(np.floor(left))
    rows, columns = int(np.ceil(top + height)) - first_row, int(np.ceil(left + width)) - first_column
    window = np.zeros((rows, columns), np.float32)
    down, right = max(-first_row, 0), max(-first_column, 0)
    part = grey[first_row + down : max(first_row + rows, 0), first_column + right : max(first_column + columns, 0)]
    window[down : down + part.shape[0], right : right + part.shape[1]] = part
    box = (left - first_column, top - first_row, left - first_column + width, top - first_row + height)
    box = (box[0], box[1], min(box[2], columns), min(box[3], rows))  # rounding may lead beyond the edge
    resized = Image.fromarray(window).resize((pixels, pixels), Image.Resampling.BILINEAR, box=box)
    return np.rint(np.asarray(resized) / 257).clip(0, 255).astype(np.uint8)
