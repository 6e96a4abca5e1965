"""Reads PyTorch's .pth files, of the zip format (since 1.6) and the legacy one, without PyTorch.

Nothing in a file is run: see unpickle.py. Nothing outside a storage is read, and nothing is unpacked that is larger
than the file itself.
"""

import io
import struct
import sys
import zipfile
from pickle import UnpicklingError
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.models.filetype import HEAD_BYTES, TORCH_LEGACY, TORCH_ZIP, sniff
from medjax.models.pickled import Storage, Tensor
from medjax.models.unpickle import Unpickler

LEGACY_PROTOCOL = 1001
# Training scripts save the state_dict beside the epoch and the optimizer under one of these keys.
WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
# What zipfile and struct raise on damaged files; RuntimeError is an encrypted entry.
_DAMAGE = (zipfile.BadZipFile, EOFError, LookupError, OverflowError, RuntimeError, ValueError, struct.error)

StateDict = dict[str, np.ndarray]


def read(data: bytes) -> StateDict:
    """Read the tensors of a .pth file.

    Args:
      data: the file's content.

    Returns:
      name -> read-only array, with the shape, dtype (bfloat16 as ml_dtypes') and strides that the file states.

    Raises:
      UserError: the file is damaged, holds anything but tensors in plain containers, or is no .pth file.
    """
    kind = sniff(data[:HEAD_BYTES])
    if kind not in (TORCH_ZIP, TORCH_LEGACY):
        raise UserError(f"is {kind}; a .pth file written by torch.save is needed.")
    try:
        content, buffers = _read_zip(data) if kind == TORCH_ZIP else _read_legacy(data)
        return {name: _array(tensor, buffers[tensor.storage.key]) for name, tensor in _state_dict(content).items()}
    except UnpicklingError as error:
        raise UserError(
            f"is refused and nothing in it was run: {error}. "
            "Only tensors are read; write the file with torch.save(model.state_dict(), FILE)."
        ) from error
    except UserError:
        raise
    except _DAMAGE as error:
        raise UserError(f"is damaged or truncated ({type(error).__name__}); fetch it again.") from error


def _state_dict(content: Any) -> dict[str, Tensor]:
    for _ in range(2):  # {"model": {"state_dict": …}} occurs
        keys = [key for key in WRAPPERS if isinstance(content, dict) and isinstance(content.get(key), dict)]
        content = content[keys[0]] if keys else content
    if not isinstance(content, dict) or not content:
        raise UserError(f"holds an empty or bare {type(content).__name__}, not a state_dict (name -> tensor).")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            found = f"{str(name)[:80]!r} -> {type(value).__name__}"
            raise UserError(f"holds {found}; a state_dict maps names to tensors and nothing else.")
    return content


def _array(tensor: Tensor, buffer: bytes | memoryview) -> np.ndarray:
    dtype = tensor.storage.dtype
    try:
        if 0 in tensor.size:
            return np.zeros(tensor.size, dtype)
        # NumPy checks once more that every element lies inside the buffer.
        strides = tuple(step * dtype.itemsize for step in tensor.stride)
        return np.ndarray(tensor.size, dtype, buffer, tensor.offset * dtype.itemsize, strides)
    except (ValueError, OverflowError) as error:
        raise UserError(f"holds a tensor of size {tensor.size}, which does not fit its storage.") from error


def _read_zip(data: bytes) -> tuple[Any, dict[str, bytes]]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    entries = {entry.filename: entry for entry in archive.infolist()}
    # PyTorch stores without compression, so the entries together are smaller than the file. A zip bomb is not.
    compressed = next((name for name, entry in entries.items() if entry.compress_type != zipfile.ZIP_STORED), None)
    if compressed is not None or sum(entry.file_size for entry in archive.infolist()) > len(data):
        raise UserError("unpacks to more than its own size; PyTorch does not compress, so this is not its file.")
    pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        raise UserError("is a zip file without PyTorch's data.pkl.")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in entries:
        raise UserError("is a TorchScript program; save its weights with torch.save(model.state_dict(), FILE).")
    unpickler = Unpickler(archive.read(pickles[0]))
    content = unpickler.load()
    order = archive.read(f"{folder}byteorder").decode() if f"{folder}byteorder" in entries else "little"
    buffers = {}
    for key, storage in unpickler.storages.items():
        buffer = archive.read(f"{folder}data/{key}")
        _check_size(storage, len(buffer))
        width = storage.dtype.itemsize
        buffers[key] = buffer if order == sys.byteorder else np.frombuffer(buffer, f"u{width}").byteswap().tobytes()
    return content, buffers


def _read_legacy(data: bytes) -> tuple[Any, dict[str, memoryview]]:
    pos = 0
    parts = []
    for _ in range(5):  # magic number, protocol, facts of the system, content, storages' order
        unpickler = Unpickler(data, pos)
        parts.append((unpickler.load(), unpickler.storages))
        pos = unpickler.pos
    (_, _), (protocol, _), (_, _), (content, storages), (order, _) = parts
    # Text and numbers alone, since the text of nested lists can be longer than any memory.
    keys = [str(key) for key in order if type(key) in (str, int)] if type(order) is list else []
    if protocol != LEGACY_PROTOCOL or sorted(keys) != sorted(storages):
        raise UserError("is damaged: its list of storages does not fit its tensors.")
    buffers = {}
    for key in keys:
        (numel,) = struct.unpack_from("<q", data, pos)
        nbytes = storages[key].numel * storages[key].dtype.itemsize
        buffer = memoryview(data)[pos + 8 : pos + 8 + nbytes]
        _check_size(storages[key], len(buffer) if numel == storages[key].numel else -1)
        buffers[key] = buffer
        pos += 8 + nbytes
    return content, buffers


def _check_size(storage: Storage, nbytes: int) -> None:
    if nbytes != storage.numel * storage.dtype.itemsize:
        raise UserError(f"is damaged or truncated: storage {storage.key[:80]!r} has not the size that it states.")
