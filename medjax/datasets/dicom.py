"""One DICOM file's bytes -> its stored values and what the header says of them, in the order of the standard.

Decode (any transfer syntax) -> padding, in stored values -> modality LUT or rescale -> VOI LUT or window -> inversion
of MONOCHROME1. The last three are in intensity.py, since one policy is chosen for a dataset; see dicom_images.py.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np

from medjax.datasets.codestream import coded_size
from medjax.datasets.dicom_header import Header, parse, read_header, shielded
from medjax.datasets.dicom_transform import read_padding, read_transform
from medjax.datasets.intensity import Transform
from medjax.datasets.source import ReadError

MAX_PIXELS = 2**26  # 8,192 × 8,192
MAX_FRAMES = 2**16
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOR = ("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT")
# One decoder for each compression, so that the pixels do not depend on what else is installed. "12-bit" and lossless
# JPEG need libjpeg, which is under the GPL and therefore in an extra.
_JPEG_12_BIT, _JPEG_8_BIT = "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.50"
_DECODERS = {
    _JPEG_8_BIT: "pillow",
    _JPEG_12_BIT: "pylibjpeg",
    "1.2.840.10008.1.2.4.57": "pylibjpeg",  # JPEG lossless
    "1.2.840.10008.1.2.4.70": "pylibjpeg",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",  # JPEG 2000
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg",  # high-throughput JPEG 2000
    "1.2.840.10008.1.2.4.202": "pylibjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg",
    "1.2.840.10008.1.2.5": "pylibjpeg",  # RLE
}
_LIBJPEG = (_JPEG_12_BIT, "1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")


@dataclasses.dataclass(frozen=True)
class Picture:
    """One frame as the file holds it.

    Attributes:
      header: of the file, for this frame.
      stored: grey: integers [H, W] of 8 to 32 bits; colour: uint8 [H, W, 3], RGB.
      padding: bool [H, W], True where there is no picture; None where there is one everywhere, and for colour.
      transform: what becomes of the stored values; None for colour, which is shown as it is.
    """

    header: Header
    stored: np.ndarray
    padding: np.ndarray | None = None
    transform: Transform | None = None


def read_picture(data: bytes, frame: int | None = None) -> Picture:
    """Read one frame of a DICOM file.

    Args:
      data: the whole file.
      frame: which one, counted from 1 as DICOM does; None demands that the file has only one.

    Raises:
      ReadError: no DICOM, no pixels, several frames and none named, or anything in it that cannot be. The message holds
        nothing of the patient.
    """
    dataset, _ = parse(data, pixels=True)
    with shielded("its pixels cannot be decoded"):
        return _read(dataset, _frame_index(_frames(dataset), frame))


def read_frames(data: bytes) -> Iterator[Picture]:
    """Read every frame of a DICOM file, one after another; Raises ReadError as read_picture does."""
    dataset, _ = parse(data, pixels=True)
    with shielded("its pixels cannot be decoded"):
        frames = _frames(dataset)
    for index in range(frames):
        with shielded("its pixels cannot be decoded"):
            picture = _read(dataset, index)
        yield picture


def _read(dataset: Any, index: int) -> Picture:
    header = read_header(dataset, index + 1)
    rows, columns, samples, bits = _shape(dataset, header)
    _check_data(dataset, index, header.frames, (rows, columns, samples, bits))
    stored = _decode(dataset, index if header.frames > 1 else None)
    wanted = (rows, columns) if samples == 1 else (rows, columns, samples)
    if stored.shape == (1, *wanted):
        stored = stored[0]
    if stored.shape != wanted or stored.dtype.kind not in "iu":
        raise ReadError("its pixels are not what its header says")
    if header.photometric not in _GREY:
        return Picture(header, _rgb(stored, dataset))
    return Picture(header, stored, read_padding(stored, dataset), read_transform(dataset, header, index))


def _frames(dataset: Any) -> int:
    frames = int(dataset.get("NumberOfFrames") or 1)
    if not 1 <= frames <= MAX_FRAMES:
        raise ReadError(f"says that it holds {frames} frames; 1 to {MAX_FRAMES:,} are possible")
    return frames


def _frame_index(frames: int, frame: int | None) -> int:
    if frame is None and frames > 1:
        raise ReadError(f"holds {frames} frames; name the one to use, frame = 1 to {frames}")
    if frame is not None and not 1 <= frame <= frames:
        raise ReadError(f"has no frame {frame}; it holds {frames}")
    return (frame or 1) - 1


def _shape(dataset: Any, header: Header) -> tuple[int, int, int, int]:
    """Return rows, columns, samples a pixel and bits allocated, each of a size that can be."""
    if any(name in dataset for name in ("FloatPixelData", "DoubleFloatPixelData")):
        raise ReadError("holds floating-point values; only integers of 8 to 32 bits are read")
    if "PixelData" not in dataset or not dataset.PixelData:
        raise ReadError("holds no pixel data, or is cut short before them")
    names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    rows, columns, samples, bits = (int(dataset.get(name) or 0) for name in names)
    if min(rows, columns) < 1:
        raise ReadError(f"has {rows} rows and {columns} columns")
    if rows * columns > MAX_PIXELS:
        raise ReadError(f"{columns}×{rows} pixels, more than the {MAX_PIXELS:,} allowed")
    if header.photometric not in _GREY + _COLOR:
        raise ReadError("has a photometric interpretation that is not known")
    if samples != (1 if header.photometric in (*_GREY, "PALETTE COLOR") else 3):
        raise ReadError(f"has {samples} samples a pixel, which does not fit {header.photometric}")
    if bits not in (8, 16, 32) or not 1 <= header.bits <= bits:
        raise ReadError(f"stores {header.bits} of {bits} bits; only 8, 16 and 32 are read")
    return rows, columns, samples, bits


def _check_data(dataset: Any, index: int, frames: int, shape: tuple[int, int, int, int]) -> None:
    """Refuse data that is too short, or a compressed picture of another size, before anything is allocated for it."""
    rows, columns, samples, bits = shape
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax.is_deflated:
        halved = dataset.PhotometricInterpretation == "YBR_FULL_422"
        need = rows * columns * (2 if halved else samples) * bits // 8 * frames
        if len(dataset.PixelData) < need:
            raise ReadError(f"is cut short: {len(dataset.PixelData):,} bytes of pixels, and {need:,} are needed")
        return
    if syntax not in _DECODERS:
        raise ReadError("is compressed in a way (transfer syntax) that is not supported")
    if syntax in _LIBJPEG and importlib.util.find_spec("libjpeg") is None:
        raise ReadError("needs a decoder that is not installed: pip install 'medjax[dicom]' (under the GPL)")
    from pydicom.encaps import get_frame

    coded = coded_size(get_frame(dataset.PixelData, index, number_of_frames=frames))
    if coded and coded != (rows, columns):
        raise ReadError(f"its compressed picture is {coded[1]}×{coded[0]} pixels, and its header says {columns}×{rows}")


def _decode(dataset: Any, index: int | None) -> np.ndarray:
    """Return one frame's stored values; YBR has become RGB."""
    from pydicom.pixels import pixel_array

    syntax = dataset.file_meta.TransferSyntaxUID
    decoder = _DECODERS.get(syntax, "")
    return pixel_array(dataset, index=index, decoding_plugin=decoder)


def _rgb(stored: np.ndarray, dataset: Any) -> np.ndarray:
    """Return colour as uint8 [H, W, 3]; more than 8 bits are scaled down by the bits that are used."""
    from pydicom.pixels import apply_color_lut

    bits = int(dataset.get("BitsStored") or 8)
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)[..., :3]
        # The lookup gives 16-bit entries as they are, and 8-bit ones scaled up when their descriptor says 16.
        bits = 8 * stored.dtype.itemsize
    if bits == 8 and stored.dtype == np.uint8:
        return stored
    return np.rint(stored.astype(np.float64) * (255 / (2**bits - 1))).clip(0, 255).astype(np.uint8)
