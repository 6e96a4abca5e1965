"""What a PyTorch pickle may hold: views of storages and plain containers.

The functions here are the only ones that a file can have called; each checks what it is given.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

STORAGE_DTYPES = {
    "torch.DoubleStorage": np.dtype(np.float64),
    "torch.FloatStorage": np.dtype(np.float32),
    "torch.HalfStorage": np.dtype(np.float16),
    "torch.BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "torch.LongStorage": np.dtype(np.int64),
    "torch.IntStorage": np.dtype(np.int32),
    "torch.ShortStorage": np.dtype(np.int16),
    "torch.CharStorage": np.dtype(np.int8),
    "torch.ByteStorage": np.dtype(np.uint8),
    "torch.BoolStorage": np.dtype(np.bool_),
}


@dataclass(frozen=True)
class Global:
    """An allowed name, as it stands on the stack before it is applied."""

    path: str


@dataclass(frozen=True)
class Storage:
    """The block of numbers that tensors view; its bytes lie elsewhere in the file under `key`."""

    key: str
    dtype: np.dtype
    numel: int


@dataclass(frozen=True)
class Tensor:
    """A strided view of a storage; offset and stride count elements."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _counts(value: Any) -> tuple[int, ...]:
    if type(value) is not tuple or any(type(item) is not int or item < 0 for item in value):
        raise pickle.UnpicklingError("a tensor's size and stride must be tuples of integers of at least 0")
    return value


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
    # rest: requires_grad, backward_hooks and, in new files, metadata: a dict that marks conjugated or negated views.
    if type(storage) is not Storage:
        raise pickle.UnpicklingError("a tensor without a storage")
    if len(rest) > 3 or (len(rest) == 3 and rest[2]):
        raise pickle.UnpicklingError("a tensor with metadata (a conjugated or negated view)")
    (offset,) = _counts((offset,))
    size, stride = _counts(size), _counts(stride)
    if len(size) != len(stride) or len(size) > 16:
        raise pickle.UnpicklingError(f"a tensor with {len(size)} sizes and {len(stride)} strides")
    if 0 not in size:
        last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
        if last >= storage.numel:
            raise pickle.UnpicklingError(
                f"a tensor that reaches element {last} of storage {storage.key!r}, which has {storage.numel}"
            )
    return Tensor(storage, offset, size, stride)


def _parameter(data: Any, *_: Any) -> Tensor:
    if type(data) is not Tensor:
        raise pickle.UnpicklingError("a parameter without a tensor")
    return data


def _size(items: Any = ()) -> tuple[int, ...]:
    return _counts(tuple(items) if type(items) is list else items)


def _ordered_dict(pairs: Any = ()) -> OrderedDict:
    result: OrderedDict = OrderedDict()
    if type(pairs) not in (list, tuple):
        raise pickle.UnpicklingError("an OrderedDict made from something other than a list of pairs")
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise pickle.UnpicklingError("an OrderedDict made from something other than a list of pairs")
        result[plain_key(pair[0])] = pair[1]
    return result


def plain_key(value: Any) -> Any:
    """Return a dictionary's key unchanged, if it is text, a number or None."""
    # Hashing a deeply nested tuple would exhaust the C stack: keys are plain.
    if type(value) not in (str, bytes, int, float, bool, type(None)):
        raise pickle.UnpicklingError(f"a {type(value).__name__} as a dictionary's key")
    return value


CONSTRUCTORS: dict[str, Callable] = {
    "collections.OrderedDict": _ordered_dict,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.nn.parameter.Parameter": _parameter,  # files of PyTorch before 0.4
}
