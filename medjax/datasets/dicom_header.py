"""The header of one DICOM file: the few elements that pictures need, never trusted and never repeated in a message.

pydicom is imported on the first use. Its exceptions and warnings quote what a header holds, so none of them gets out:
whatever goes wrong is a ReadError that names the step and the class of the exception.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import logging
import math
import re
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

from medjax.datasets.source import MAX_FILE_BYTES, ReadError

_DEFLATED = b"1.2.840.10008.1.2.1.99"
# Where an enhanced multi-frame object keeps an element: in this sequence of the frame's, else of the shared group.
_MACROS = {
    "PixelSpacing": "PixelMeasuresSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
}
_HEADER_TAGS = [
    *("SOPClassUID", "ImageType", "Modality", "Manufacturer", "PatientID", "SeriesInstanceUID", "BurnedInAnnotation"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "VOILUTSequence", "ImagerPixelSpacing"),
    *("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", *_MACROS),
    "SpecificCharacterSet",
]
_PIXEL_TAGS = [
    *("PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
    *(f"{color}PaletteColorLookupTable{what}" for color in ("Red", "Green", "Blue") for what in ("Descriptor", "Data")),
    *(f"Segmented{color}PaletteColorLookupTableData" for color in ("Red", "Green", "Blue")),
]
_VRS = set(
    "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()  # noqa: SIM905
)
# SOP classes that hold no picture, by the beginning of their UID, and modalities of files that say no class.
_NO_PICTURE = {
    "1.2.840.10008.1.3.10": "a directory of files (DICOMDIR)",
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report",
    "1.2.840.10008.5.1.4.1.1.66.": "a segmentation or registration",
    "1.2.840.10008.5.1.4.1.1.11.": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.9.": "a waveform",
    "1.2.840.10008.5.1.4.1.1.104.": "an encapsulated document",
    "1.2.840.10008.5.1.4.1.1.481.": "a radiotherapy object",
}
_NO_PICTURE_MODALITIES = {
    **dict.fromkeys(("SR", "KO"), "a structured report"),
    **dict.fromkeys(("SEG", "REG"), "a segmentation or registration"),
    "PR": "a presentation state",
    **dict.fromkeys(("ECG", "HD", "EPS"), "a waveform"),
    "DOC": "an encapsulated document",
    **dict.fromkeys(("RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD"), "a radiotherapy object"),
}
# The radiographs a treatment machine takes are pictures.
_PICTURE_AFTER_ALL = "1.2.840.10008.5.1.4.1.1.481.1"


@dataclasses.dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself; "" or None where it says nothing that can be.

    Attributes:
      patient_id, series: identify a patient; they may be compared, never written.
      no_picture: what the file is instead of a picture, "" where it is one.
      burned_in: BurnedInAnnotation, "YES", "NO" or "".
      frames: how many there are.
      spacing: mm between the centres of neighbouring rows, and of neighbouring columns, at the patient.
      imager_spacing: the same at the detector.
      position: mm, of the centre of the first pixel in the patient (left, posterior, head are positive).
      orientation: direction cosines along a row and along a column.
    """

    modality: str
    manufacturer: str
    photometric: str
    bits: int
    frames: int
    burned_in: str
    no_picture: str
    patient_id: str = dataclasses.field(repr=False)
    series: str = dataclasses.field(repr=False)
    spacing: tuple[float, ...] | None
    imager_spacing: tuple[float, ...] | None
    position: tuple[float, ...] | None
    orientation: tuple[float, ...] | None


def is_dicom(head: bytes) -> bool:
    """Return whether the first bytes of a file (132 are enough) are those of DICOM, with or without its preamble."""
    if head[128:132] == b"DICM":
        return True
    if len(head) < 8:
        return False
    little, big = head[:2] in (b"\x02\x00", b"\x08\x00"), head[:2] in (b"\x00\x02", b"\x00\x08")
    element = int.from_bytes(head[2:4], "little" if little else "big")
    if not (little or big) or element > 0x0100:
        return False
    explicit = head[4:6].decode("latin1") in _VRS
    return explicit or (little and int.from_bytes(head[4:8], "little") <= 1024)


@contextlib.contextmanager
def shielded(step: str) -> Iterator[None]:
    """Turn any exception into ReadError(step), and keep pydicom's warnings, which quote values, from everyone."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ReadError:
        raise
    except BaseException as error:  # whatever class a malformed file leads to; a panic in Rust is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ReadError(f"{step} ({type(error).__name__})") from None
    finally:
        logger.setLevel(level)


def parse(data: bytes, *, pixels: bool) -> tuple[Any, bool]:
    """Return the pydicom Dataset of a file, and whether its parsing ended before the data did (at the pixels).

    Args:
      data: a file, or as much of it as holds the header.
      pixels: read the pixels' elements too.

    Raises:
      ReadError: no DICOM, or a header that pydicom cannot follow.
    """
    if not is_dicom(data[:132]):
        raise ReadError("not a DICOM file")
    with shielded("its DICOM header is damaged"):
        import pydicom
        from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

        _check_deflated(data)
        file = io.BytesIO(data)
        tags: list[Any] = _HEADER_TAGS + _PIXEL_TAGS * pixels
        dataset = pydicom.dcmread(file, force=True, stop_before_pixels=not pixels, specific_tags=tags)
        if not dataset.file_meta.get("TransferSyntaxUID"):
            implicit, little = dataset.original_encoding
            explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
        return dataset, file.tell() < len(data)


def read_header(dataset: Any, frame: int | None = None) -> Header:
    """Return the header of a parsed file; of an enhanced multi-frame object that of `frame` (the first is 1).

    Raises:
      ReadError: an element that cannot be what it should be.
    """
    with shielded("its DICOM header is damaged"):
        index = (frame or 1) - 1
        modality = _code(dataset.get("Modality"))
        uid = str(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID") or "")
        return Header(
            modality=modality,
            manufacturer=" ".join(str(dataset.get("Manufacturer") or "").split())[:64],
            photometric=_code(dataset.get("PhotometricInterpretation")),
            bits=int(dataset.get("BitsStored") or dataset.get("BitsAllocated") or 0),
            frames=int(dataset.get("NumberOfFrames") or 1),
            burned_in=_code(dataset.get("BurnedInAnnotation")),
            no_picture=_no_picture(uid, modality, dataset.get("ImageType")),
            patient_id=str(dataset.get("PatientID") or "").strip(),
            series=str(dataset.get("SeriesInstanceUID") or ""),
            spacing=_spacing(element(dataset, "PixelSpacing", index)),
            imager_spacing=_spacing(dataset.get("ImagerPixelSpacing")),
            position=_geometry(element(dataset, "ImagePositionPatient", index), 3),
            orientation=_geometry(element(dataset, "ImageOrientationPatient", index), 6),
        )


def element(dataset: Any, keyword: str, index: int) -> Any:
    """Return the value of an element for one frame (from 0): of the frame, else shared, else of the file, or None."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for group in [*groups[index : index + 1], *shared[:1]]:
        macro = group.get(_MACROS[keyword])
        value = macro[0].get(keyword) if macro else None
        if value is not None and value != "":
            return value
    value = dataset.get(keyword)
    return None if value == "" else value


def numbers(value: Any, count: int) -> tuple[float, ...] | None:
    """Return `count` finite numbers, None where the element is absent; ReadError where it is something else."""
    if value is None or value == "" or (not isinstance(value, int | float | str) and not len(value)):
        return None
    found = tuple(float(part) for part in ([value] if isinstance(value, int | float | str) else value))
    if len(found) != count or not all(map(math.isfinite, found)):
        raise ReadError("an element of its header is no finite number, or has the wrong length")
    return found


def _geometry(value: Any, count: int) -> tuple[float, ...] | None:
    """Return `count` numbers; None where they cannot be, since a picture is one without them too."""
    try:
        return numbers(value, count)
    except (ReadError, ValueError, TypeError):
        return None


def _spacing(value: Any) -> tuple[float, ...] | None:
    spacing = _geometry(value, 2)
    return spacing if spacing and min(spacing) > 0 else None


def _code(value: Any) -> str:
    """Return a coded string; anything that cannot be one, a name for example, becomes ""."""
    text = str(value or "").strip().upper()
    return text if re.fullmatch(r"[A-Z0-9_ ]{1,16}", text) else ""


def _no_picture(uid: str, modality: str, image_type: Any) -> str:
    kinds = [image_type] if isinstance(image_type, str) else list(image_type or [])
    if any(str(kind).strip().upper() in ("LOCALIZER", "SCOUT") for kind in kinds):
        return "a localizer"
    if uid == _PICTURE_AFTER_ALL:
        return ""
    by_class = next((what for start, what in _NO_PICTURE.items() if uid.startswith(start)), "")
    return by_class or _NO_PICTURE_MODALITIES.get(modality, "")


def _check_deflated(data: bytes) -> None:
    """Refuse a deflated file that unpacks to more than a picture may have: pydicom would unpack all of it."""
    if data[128:132] != b"DICM" or _DEFLATED not in data[132:2048]:
        return
    start = 144 + int.from_bytes(data[140:144], "little")  # after the group length of the file meta information
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflater.decompress(data[start:], MAX_FILE_BYTES)
    if not inflater.eof:
        raise ReadError(f"deflated, and cut short or more than {MAX_FILE_BYTES // 2**20} MiB when unpacked")
