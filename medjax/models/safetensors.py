"""Reads and writes .safetensors files with NumPy.

Format: https://github.com/huggingface/safetensors (README, "Format"): the header's length as a little-endian uint64, a
JSON header name -> {dtype, shape, data_offsets}, then the numbers, little-endian, C order, without gaps.
"""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from medjax.errors import UserError

DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_MAX_HEADER = 100 * 2**20  # bytes; the reference implementation's limit


def read(data: bytes) -> dict[str, np.ndarray]:
    """Read the tensors of a .safetensors file.

    Args:
      data: the file's content.

    Returns:
      name -> read-only array that shares memory with `data`.

    Raises:
      UserError: the file is damaged or truncated, or breaks the format.
    """
    header, start = _header(data)
    body = memoryview(data)[start:]
    arrays, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape, (begin, stop) = DTYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        count = 1
        for length in shape:
            count *= length
        if begin != end or stop - begin != count * dtype.itemsize or stop > len(body):
            raise UserError(f"is damaged or truncated: tensor {name[:80]!r} does not lie where its header says.")
        try:
            arrays[name] = np.frombuffer(body[begin:stop], dtype).reshape(shape)
        except (ValueError, OverflowError) as error:  # an empty tensor of a length that no array can have
            raise UserError(f"is damaged: tensor {name[:80]!r} of shape {shape} cannot be.") from error
        end = stop
    if end != len(body):
        raise UserError(f"is damaged: {len(body) - end} bytes after the last tensor.")
    return arrays


def write(file: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write arrays as a .safetensors file, under a temporary name until it is whole.

    Args:
      file: where to; an existing file is replaced.
      arrays: name -> array of a dtype in DTYPES.
      metadata: free text, name -> text.
    """
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))  # keeps numbers aligned
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for name, array in ordered:
        dtype = array.dtype.newbyteorder("<") if array.dtype.kind in "fiu" else array.dtype
        if dtype not in _NAMES or name == "__metadata__":
            raise ValueError(f"{name!r} of dtype {array.dtype} cannot be written; allowed: {', '.join(DTYPES)}.")
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            stream.write(struct.pack("<Q", len(text)) + text)
            for _, array in ordered:
                little = array.astype(array.dtype.newbyteorder("<")) if array.dtype.kind in "fiu" else array
                stream.write(np.ascontiguousarray(little).reshape(-1).view(np.uint8).data)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _header(data: bytes) -> tuple[dict[str, dict[str, Any]], int]:
    """Return the checked header without its metadata, and where the numbers begin."""
    length = struct.unpack_from("<Q", data)[0] if len(data) >= 8 else -1
    if not 2 <= length <= min(_MAX_HEADER, len(data) - 8):
        raise UserError("is damaged or truncated: its header does not fit in the file.")
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise UserError(f"is damaged: its header is not JSON ({type(error).__name__}).") from error
    if not isinstance(header, dict):
        raise UserError("is damaged: its header is not a JSON object.")
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if not _is_entry(entry):
            raise UserError(f"is damaged: its header describes tensor {name[:80]!r} wrongly or with an unknown dtype.")
    return header, 8 + length


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return False
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or len(shape) > 16 or len(offsets) != 2:
        return False
    known = isinstance(entry["dtype"], str) and entry["dtype"] in DTYPES
    return known and all(type(number) is int and number >= 0 for number in shape + offsets)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError("a name occurs twice")
    return dict(pairs)
