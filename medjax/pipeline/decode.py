"""Bytes of one picture -> pixels of the table's size.

Policy, the same for every file of a table:
  alpha, transparent palette entries and colour keys are composited on black, the colour of air in medical images;
  16-bit grey is kept when all files of the source are 16-bit (table of uint16), otherwise divided by 257;
  16-bit colour is read as 8-bit colour (Pillow offers no more); colour becomes grey by ITU-R 601;
  the orientation in EXIF is applied; a file of several frames is refused, since choosing one would be a guess.
Pixels that a reader of ours made (DICOM, stacks of slices) come as .npy, uint8 or uint16 [H, W] or [H, W, C], and are
only resized: see `to_npy`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image, ImageOps

# 8,192 × 8,192. Pillow itself warns from 89 million pixels on and refuses twice as many.
MAX_PIXELS = 2**26
MAX_CHANNELS = 64
# Pillow knows many more, and starts other programs for some of them.
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF")
_NPY = b"\x93NUMPY"
FITS = ("squash", "crop", "pad")
_BILINEAR = Image.Resampling.BILINEAR


class BadImageError(ValueError):
    """The bytes are no picture that can be used. The message is the reason, without a name."""


def decode(data: bytes, *, size: int, channels: int, fit: str, dtype: type = np.uint8) -> np.ndarray:
    """Decode and resize one picture, anti-aliased and bilinear.

    Args:
      data: a whole encoded file.
      size: height and width to return, pixels.
      channels: 1 (grey) or 3 (RGB; grey is repeated).
      fit: "squash" changes the aspect ratio, "crop" takes the central square, "pad" adds black to make a square.
      dtype: np.uint8, or np.uint16 for 16-bit sources.

    Returns:
      dtype [size, size, channels].

    Raises:
      BadImageError: empty, truncated, no image, too large, several frames, or values without a defined range.
    """
    if not data:
        raise BadImageError("empty file (0 bytes)")
    if data.startswith(_NPY):
        return _resize_array(_from_npy(data), size, channels, fit, dtype)
    if channels not in (1, 3):
        raise BadImageError(f"a picture has 1 or 3 channels, not {channels}")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as file:
            _check(file)
            file.load()
            # 16 bits do not go through Pillow's own conversion to 8, which clips instead of scaling.
            image = _deep(file, dtype) if file.mode[0] in "IF" else _shallow(file, channels)
    except BadImageError:
        raise
    except Exception as error:  # Pillow's readers raise nearly any class on malformed bytes
        raise BadImageError(_reason(error)) from error
    pixels = np.asarray(_resize(image, size, fit))
    if image.mode == "F":
        pixels = np.rint(pixels).clip(0, np.iinfo(dtype).max).astype(dtype)
    elif dtype == np.uint16:
        pixels = pixels.astype(np.uint16) * 257
    pixels = pixels.reshape(size, size, -1)
    return np.repeat(pixels, channels, axis=-1) if pixels.shape[-1] < channels else pixels


def to_npy(pixels: np.ndarray) -> bytes:
    """Return pixels as the bytes `decode` reads. Args: pixels uint8 or uint16, [H, W] or [H, W, C]."""
    file = io.BytesIO()
    np.save(file, pixels, allow_pickle=False)
    return file.getvalue()


def _from_npy(data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # NumPy's reader of headers raises nearly any class on malformed bytes
        raise BadImageError(f"damaged .npy ({_reason(error)})") from error
    if dtype not in (np.uint8, np.uint16) or len(shape) not in (2, 3) or min(shape) < 1:
        raise BadImageError(f"a .npy of {dtype} {shape}; uint8 or uint16 [H, W] or [H, W, C] is needed")
    # Before anything is allocated: somebody's file may begin like ours and claim any size.
    if version != (1, 0) or fortran or len(data) - file.tell() != math.prod(shape) * dtype.itemsize:
        raise BadImageError(f"damaged .npy (not the bytes of {shape})")
    return np.frombuffer(data, dtype, offset=file.tell()).reshape(*shape[:2], -1)


def _resize_array(pixels: np.ndarray, size: int, channels: int, fit: str, dtype: type) -> np.ndarray:
    """Resize every channel by itself: uint8 or uint16 [H, W, C] -> dtype [size, size, channels]."""
    held, top = pixels.shape[-1], np.iinfo(pixels.dtype).max
    if held == 3 and channels == 1:
        pixels = (pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    elif held not in (1, channels):
        raise BadImageError(f"holds {held} channels, and {channels} are asked for")
    planes = [Image.fromarray(pixels[..., c].astype(np.float32)) for c in range(pixels.shape[-1])]
    resized = np.stack([np.asarray(_resize(plane, size, fit)) for plane in planes], axis=-1)
    resized = np.rint(resized * (np.iinfo(dtype).max / top)).clip(0, np.iinfo(dtype).max).astype(dtype)
    return np.repeat(resized, channels, axis=-1) if resized.shape[-1] < channels else resized


def facts(data: bytes) -> dict[str, Any]:
    """Return what the audit compares between classes: height, width (pixels) and mode of the file as it came.

    Height and width are 0 where the bytes are no picture.
    """
    try:
        if data.startswith(_NPY):
            pixels = _from_npy(data)
            return {"source_height": pixels.shape[0], "source_width": pixels.shape[1], "source_mode": pixels.dtype.name}
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return {"source_height": image.height, "source_width": image.width, "source_mode": image.mode}
    except Exception:  # malformed in one of Pillow's many ways; decode will say how
        return {"source_height": 0, "source_width": 0, "source_mode": ""}


def bit_depth(data: bytes) -> int | None:
    """Return 16 for 16-bit grey, 8 for any other picture, None for what is no picture; from the header alone."""
    try:
        if data.startswith(_NPY):
            return 8 * _from_npy(data).dtype.itemsize
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            return 16 if image.mode.startswith("I") else 8
    except Exception:  # malformed in one of Pillow's many ways; decode will say how
        return None


def common_dtype(files: Iterable[bytes]) -> np.dtype:
    """Return uint16 if every picture is 16-bit grey, else uint8; stops at the first that is not."""
    depths: set[int | None] = set()
    for data in files:
        depths.add(bit_depth(data))
        if 8 in depths:
            break
    return np.dtype(np.uint16 if 16 in depths and 8 not in depths else np.uint8)


def _check(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadImageError(f"{width}×{height} pixels, more than the {MAX_PIXELS:,} allowed")
    if getattr(image, "is_animated", False) and image.format != "MPO":  # MPO: a photograph and its preview
        # Not how many: Pillow counts those of a TIFF in a time that grows with their square.
        raise BadImageError("holds several frames; save the one to use as a picture")


def _deep(image: Image.Image, dtype: type) -> Image.Image:
    """Return a 16-bit image as floats, scaled to the range of dtype."""
    if image.mode == "F":
        raise BadImageError("floating-point pixels have no defined range; save 8- or 16-bit integers")
    pixels = np.asarray(_upright(image)).astype(np.float64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise BadImageError(f"values from {pixels.min():.0f} to {pixels.max():.0f} do not fit 16 bits (0 to 65535)")
    scale = 1.0 if dtype == np.uint16 else 1 / 257
    return Image.fromarray((pixels * scale).astype(np.float32))


def _shallow(image: Image.Image, channels: int) -> Image.Image:
    """Return an 8-bit image as grey or RGB, composited on black."""
    image = _upright(image)
    if "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image).convert("RGB")
    return image.convert("L" if channels == 1 or image.mode in ("1", "L") else "RGB")


def _upright(image: Image.Image) -> Image.Image:
    """Return the image turned as EXIF says; damaged EXIF says nothing."""
    try:
        orientation = image.getexif().get(0x0112, 1)
    except Exception:  # the pixels are sound, only the camera's notes are not
        return image
    return ImageOps.exif_transpose(image) if orientation != 1 else image


def _resize(image: Image.Image, size: int, fit: str) -> Image.Image:
    width, height = image.size
    if fit == "squash":
        return image.resize((size, size), _BILINEAR)
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        return image.resize((size, size), _BILINEAR, box=(left, top, left + side, top + side))
    if fit != "pad":
        raise ValueError(f"fit is {fit!r}; it is one of {', '.join(FITS)}")
    scale = size / max(width, height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    square = Image.new(image.mode, (size, size), 0)
    square.paste(image.resize(inner, _BILINEAR), ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return square


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image in a known format"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"more pixels than the {MAX_PIXELS:,} allowed"
    return " ".join(str(error).split()) or type(error).__name__
