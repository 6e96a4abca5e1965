"""What a DICOM header says of grey values: padding, modality and VOI tables, rescale, window, inversion."""

from __future__ import annotations

from typing import Any

import numpy as np

from medjax.datasets.dicom_header import Header, element, numbers
from medjax.datasets.intensity import Lut, Transform, Window
from medjax.datasets.source import ReadError


def read_padding(stored: np.ndarray, dataset: Any) -> np.ndarray | None:
    """Return where PixelPaddingValue, or the range up to PixelPaddingRangeLimit, is stored; None where nowhere."""
    value, limit = dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")
    if value is None or value == "":
        return None
    ends = [_as_stored(int(end), dataset) for end in (value, value if limit in (None, "") else limit)]
    mask = (stored >= min(ends)) & (stored <= max(ends))
    return mask if mask.any() else None


def _as_stored(value: int, dataset: Any) -> int:
    """Return a value as the pixels' sign reads it: writers mix up US and SS, so −2000 may come as 63536."""
    span = 2 ** int(dataset.BitsAllocated)
    if dataset.PixelRepresentation == 1:
        return value - span if span // 2 <= value < span else value
    return value + span if -span // 2 <= value < 0 else value


def read_transform(dataset: Any, header: Header, index: int) -> Transform:
    """Read what the header says of grey values, for one frame (from 0)."""
    low = -(2 ** (header.bits - 1)) if dataset.PixelRepresentation == 1 else 0
    slope = numbers(element(dataset, "RescaleSlope", index), 1)
    intercept = numbers(element(dataset, "RescaleIntercept", index), 1)
    if slope == (0.0,):
        raise ReadError("its rescale slope is 0")
    rescale = None if slope is None and intercept is None else ((slope or (1.0,))[0], (intercept or (0.0,))[0])
    return Transform(
        stored_range=(low, low + 2**header.bits - 1),
        rescale=rescale,
        modality_lut=_lut(dataset, "ModalityLUTSequence"),
        voi_lut=_lut(dataset, "VOILUTSequence"),
        window=_window(dataset, index),
        inverted=header.photometric == "MONOCHROME1",
    )


def _window(dataset: Any, index: int) -> Window | None:
    center, width = (_first(element(dataset, name, index)) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None:
        return None
    function = str(element(dataset, "VOILUTFunction", index) or "LINEAR").strip().upper()
    return Window(float(center), float(width), function)


def _first(value: Any) -> Any:
    """Return the first of several windows' values; None where there is none."""
    if value is None or isinstance(value, int | float | str):
        return value
    return value[0] if len(value) else None


def _lut(dataset: Any, keyword: str) -> Lut | None:
    """Return the first table of a sequence: PS3.3 C.11.1.1.1 and C.11.2.1.1."""
    sequence = dataset.get(keyword)
    if not sequence:
        return None
    count, first, bits = (int(part) for part in sequence[0].LUTDescriptor)
    count = count % 2**16 or 2**16  # 16 bits hold no 65,536, so 0 stands for it
    if dataset.PixelRepresentation == 1 and first >= 2**15:
        first -= 2**16
    data = sequence[0].LUTData
    if isinstance(data, bytes | bytearray):
        order = "<" if dataset.original_encoding[1] else ">"
        packed = bits <= 8 and len(data) < 2 * count
        data = np.frombuffer(
            data, np.uint8 if packed else f"{order}u2", count if packed else min(count, len(data) // 2)
        )
    entries = np.atleast_1d(np.asarray(data)).astype(np.int64) & 0xFFFF
    if not 1 <= bits <= 16 or len(entries) < count:
        raise ReadError("one of its lookup tables is cut short or impossible")
    return Lut(first, entries[:count].astype(np.uint16), bits)
