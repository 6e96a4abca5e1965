"""The DICOM files of one dataset as pictures, all of them by one intensity policy.

A policy a file would tell the scanner to the network: what is bright would depend on who wrote the header.
"""

from __future__ import annotations

import collections
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from medjax.datasets.dicom import Picture, read_frames, read_picture
from medjax.datasets.dicom_header import Header, is_dicom, parse, read_header, shielded
from medjax.datasets.intensity import render, stretch
from medjax.datasets.intensity_policy import PERCENTILES, check_options, choose_policy, choose_window
from medjax.datasets.source import ReadError, Source
from medjax.datasets.voxel_histogram import VoxelHistogram
from medjax.pipeline.decode import to_npy

log = logging.getLogger("medjax")

_COLOR = ("RGB", "PALETTE COLOR")  # and all that begin with YBR
# Most headers end before this; one that does not is read with its whole file.
_HEAD_BYTES = 64 * 2**10
_ORDER = (
    "stored values; PixelPaddingValue to PixelPaddingRangeLimit set apart; modality LUT or rescale; the policy; "
    "inversion of MONOCHROME1; padding black; colour is kept as it is"
)


class DicomImages:
    """Those of a source's files that are DICOM by their content.

    Attributes:
      names: all of them.
      left_out: name -> why it is no picture: "a structured report", "a segmentation or registration", "a localizer", …
      notes: JSON: the policy in words and numbers, and what was left out in counts.
    """

    def __init__(
        self,
        source: Source,
        names: Sequence[str],
        *,
        intensity: str = "auto",
        window: tuple[float, float] | None = None,
        frame: int | None = None,
    ):
        """Read the headers of `names` and decide on one policy; what is no DICOM, or cannot be read, is passed over.

        Args:
          source: an open folder or .zip.
          names: files in it; what is not DICOM among them costs a few bytes' reading.
          intensity: "window" (fixed, modality units), "percentiles" (of each series), "voi" (the header's VOI LUT or
            window), or "auto": window for CT, percentiles for MR, PT and NM, voi for all others.
          window: centre and width of "window"; for CT the default is soft tissue, 40 and 400 HU.
          frame: which frame of files with several, counted from 1.

        Raises:
          UserError: an option that cannot be; modalities of several policies and none named.
        """
        check_options(intensity, window, frame)
        self._source, self._frame = source, frame
        self._headers: dict[str, Header] = {}
        self._errors: dict[str, str] = {}
        for name in names:
            self._read_header(name)
        self.names = frozenset(self._headers) | frozenset(self._errors)
        self.left_out: Mapping[str, str] = {n: h.no_picture for n, h in self._headers.items() if h.no_picture}
        self._series: dict[str, list[str]] = collections.defaultdict(list)
        for name, header in self._pictures():
            self._series[header.series or f"file {name}"].append(name)
        self._limits = functools.cache(self._series_limits)
        self.policy = choose_policy(self._grey_modalities(), intensity, window)
        self._window = choose_window(self._grey_modalities(), window) if self.policy == "window" else None
        self.notes: dict[str, Any] = self._notes(given=window is not None)
        self._warn_of_burned_in()

    def patient_id(self, name: str) -> str:
        """Return the PatientID of a file as it is, "" where there is none. It must be pseudonymised, never written."""
        return self._headers[name].patient_id if name in self._headers else ""

    def columns(self, name: str) -> dict[str, Any]:
        """Return what the audit compares between classes; the same keys, empty, for a file that is no DICOM picture."""
        header = self._headers.get(name)
        return {
            "source_modality": header.modality if header else "",
            "source_manufacturer": header.manufacturer if header else "",
            "source_photometric": header.photometric if header else "",
            "source_bits": header.bits if header else 0,
            "source_intensity": self._intensity(header) if header and not header.no_picture else "",
        }

    def picture(self, name: str) -> bytes:
        """Return one picture as .npy: uint16 [H, W] grey over its full range, or uint8 [H, W, 3] colour.

        Raises:
          ReadError: why it cannot be read, without names or ids.
        """
        if name in self._errors:
            raise ReadError(self._errors[name])
        picture = read_picture(self._source.read(name), self._frame)
        if picture.transform is None:
            return to_npy(picture.stored)
        with shielded("its grey values cannot be mapped"):
            show = self._show(name, picture)
            return to_npy(render(picture.stored, picture.padding, picture.transform, show))

    def _show(self, name: str, picture: Picture) -> Callable[[np.ndarray], np.ndarray]:
        """Return the policy's function from modality values to grey."""
        transform = picture.transform
        assert transform is not None
        if self.policy == "voi":
            return transform.voi
        if self.policy == "percentiles":
            low, high = self._limits(picture.header.series or f"file {name}")
            return lambda values: stretch(values, low, high)
        if picture.header.modality == "CT" and transform.rescale is None and transform.modality_lut is None:
            raise ReadError("is a CT without a rescale, so its Hounsfield units are not known")
        assert self._window is not None
        return self._window

    def _series_limits(self, series: str) -> tuple[float, float]:
        """Return the percentiles over all voxels of a series that are not padding; unreadable slices do not count."""
        histogram = VoxelHistogram()
        for name in self._series[series]:
            try:
                for picture in read_frames(self._source.read(name)):
                    count_voxels(histogram, picture)
            except ReadError:  # reported when the picture itself is asked for
                continue
        low, high = histogram.percentiles(*PERCENTILES)
        return low, high

    def _read_header(self, name: str) -> None:
        try:
            head = self._source.head(name, _HEAD_BYTES)
        except ReadError:
            return
        if not is_dicom(head):
            return
        try:
            self._headers[name] = _header(self._source, name, head, self._frame)
        except ReadError as error:
            self._errors[name] = str(error)

    def _pictures(self) -> list[tuple[str, Header]]:
        return [(name, header) for name, header in self._headers.items() if not header.no_picture]

    def _grey_modalities(self) -> dict[str, int]:
        return collections.Counter(h.modality for _, h in self._pictures() if not _is_color(h))

    def _intensity(self, header: Header) -> str:
        return "colour" if _is_color(header) else self.policy

    def _notes(self, given: bool) -> dict[str, Any]:
        if not self.names:
            return {}
        notes: dict[str, Any] = {"intensity": self.policy, "order": _ORDER}
        if self._window:
            window = f"centre {self._window.center:g}, width {self._window.width:g}, in modality units"
            notes["intensity_policy"] = f"one window for all: {window}; {'given' if given else 'the default for CT'}"
            notes["window"] = [self._window.center, self._window.width]
        elif self.policy == "percentiles":
            notes["intensity_policy"] = "from the {} to the {} percentile of each series".format(*PERCENTILES)
            notes["percentiles"] = list(PERCENTILES)
        else:
            notes["intensity_policy"] = "the first VOI LUT or window of each header, else the whole range of its bits"
        notes["modalities"] = dict(sorted(self._grey_modalities().items()))
        notes["left_out"] = dict(sorted(collections.Counter(self.left_out.values()).items()))
        if self._frame is not None:
            notes["frame"] = self._frame
        return notes

    def _warn_of_burned_in(self) -> None:
        stated = collections.Counter(h.burned_in for _, h in self._pictures() if h.burned_in != "NO")
        if stated:
            yes, all_of_them = stated["YES"], sum(stated.values())
            log.warning(
                "%d of %d DICOM pictures do not say that no text is burned in (BurnedInAnnotation is YES in %d, absent "
                "or something else in %d): names may be in the pixels; look before you share a picture",
                *(all_of_them, len(self._pictures()), yes, all_of_them - yes),
            )


def count_voxels(histogram: VoxelHistogram, picture: Picture) -> None:
    """Count the modality values of a grey picture, without its padding; nothing of a colour one."""
    if picture.transform is None:
        return
    stored = picture.stored if picture.padding is None else picture.stored[~picture.padding]
    histogram.add(stored, picture.transform.modality)


def _header(source: Source, name: str, head: bytes, frame: int | None) -> Header:
    """Read a header from the beginning of a file; where that does not hold all of it, from the whole file."""
    with_all = len(head) < _HEAD_BYTES
    try:
        dataset, ended = parse(head, pixels=False)
        if ended or with_all:
            return read_header(dataset, frame)
    except ReadError:
        if with_all:
            raise
    return read_header(parse(source.read(name), pixels=False)[0], frame)


def _is_color(header: Header) -> bool:
    return header.photometric in _COLOR or header.photometric.startswith("YBR")
