"""The images among a user's own files, pictures and DICOM alike, as examples."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from medjax.counted import counted
from medjax.datasets.description import Example
from medjax.datasets.source import ReadError, Source
from medjax.errors import UserError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
VOLUMES = (".nii", ".nii.gz")


class Pictures:
    """Reads the files of `names`: a picture by its suffix, DICOM by its content whatever the suffix.

    Attributes:
      notes: what is to be kept with the table: how intensities of DICOM became pixels.
    """

    def __init__(
        self, source: Source, names: Sequence[str], *, intensity: str, window: Sequence[float], frame: int
    ) -> None:
        """Look at the headers of what may be DICOM; no pixel is read.

        Args:
          source: of the files.
          names: all that may be images.
          intensity: "auto" or a policy of dicom_images.
          window: center and width, () for none.
          frame: of multi-frame files, counted from 1 as DICOM does; 0 where none is named.

        Raises:
          UserError: NIfTI among them, a window that is none, or DICOM that no one policy fits.
        """
        refuse_volumes(source, names)
        if len(window) not in (0, 2) or (window and not window[1] > 0):
            raise UserError(f"window is {tuple(window)}; give center and width (above 0), or () for none")
        if frame < 0:
            raise UserError(f"frame is {frame}; the first frame is 1, and 0 names none")
        self._source = source
        others = [name for name in names if not has_picture_suffix(name)]
        self._dicom: Any = None
        self.notes: dict[str, Any] = {}
        if others:
            from medjax.datasets.dicom_images import DicomImages  # slow to import, and not needed for pictures

            limits = (float(window[0]), float(window[1])) if window else None
            self._dicom = DicomImages(source, others, intensity=intensity, window=limits, frame=frame or None)
            if self._dicom.names:
                self.notes = {"dicom": dict(self._dicom.notes)}

    def has(self, name: str) -> bool:
        """Return whether a file is an image, or says so by its suffix."""
        return has_picture_suffix(name) or name.lower().endswith(".dcm") or self._is_dicom(name)

    def patient_id(self, name: str) -> str:
        """Return the PatientID of a DICOM file, "" where there is none; never to be written anywhere as it is."""
        return self._dicom.patient_id(name) if self._is_dicom(name) else ""

    def example(self, name: str, image_id: str, label: int, group_id: str, columns: Mapping[str, Any]) -> Example:
        """Read one file; what is wrong with it is in the example, under its id."""
        facts = {**columns, **self._columns(name)}
        if self.left_out(name):
            return Example(image_id, b"", label, group_id, left_out=self.left_out(name), columns=facts)
        image, wrong = b"", ""
        try:
            image = self._dicom.picture(name) if self._is_dicom(name) else self._source.read(name)
        except ReadError as error:
            wrong = str(error)
        if not wrong and not self._is_dicom(name):
            wrong = _mismatch(name, image)
        return Example(image_id, b"" if wrong else image, label, group_id, read_error=wrong, columns=facts)

    def missing(self, image_id: str, label: int, group_id: str, columns: Mapping[str, Any]) -> Example:
        """Return the example of a file that is named and not there."""
        facts = {**columns, **self._blank_columns}
        return Example(image_id, b"", label, group_id, read_error="not there", columns=facts)

    def left_out(self, name: str) -> str:
        """Return why a DICOM file is rightly no image, "" for what is one."""
        return self._dicom.left_out.get(name, "") if self._dicom is not None else ""

    @functools.cached_property
    def _blank_columns(self) -> dict[str, Any]:
        """Return the further columns of a file of which nothing is known: the keys are those of every example."""
        known = sorted(self._dicom.names) if self._dicom else []
        if not known:
            return {}
        return {key: "" if isinstance(value, str) else 0 for key, value in self._dicom.columns(known[0]).items()}

    def _columns(self, name: str) -> dict[str, Any]:
        if self._is_dicom(name) and not self.left_out(name):
            return dict(self._dicom.columns(name))
        return self._blank_columns

    def _is_dicom(self, name: str) -> bool:
        return self._dicom is not None and (name in self._dicom.names or name in self._dicom.left_out)


def refuse_volumes(source: Source, names: Sequence[str]) -> None:
    """Raise UserError if NIfTI is among the files."""
    volumes = sum(name.lower().endswith(VOLUMES) for name in names)
    if volumes:
        raise UserError(
            f"{source.path} holds {counted(volumes, 'NIfTI file')}; medjax classifies images, not volumes: "
            "save the slices to use as PNG or TIFF"
        )


def has_picture_suffix(name: str) -> bool:
    """Return whether a name ends like a picture that Pillow reads."""
    return PurePosixPath(name).suffix.lower() in PICTURES


def _mismatch(name: str, data: bytes) -> str:
    """Say why a file that is not known as DICOM cannot be used, "" if it can."""
    if not has_picture_suffix(name):
        return "neither a picture nor DICOM"
    return "DICOM under the suffix of a picture; rename it to .dcm" if data[128:132] == b"DICM" else ""
