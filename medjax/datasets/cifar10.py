"""CIFAR-10 as its publisher gives it, binary or for Python, or as folders of pictures, train and test × class."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from medjax.datasets.class_folders import class_folder_splits
from medjax.datasets.description import Dataset, Example, Split
from medjax.datasets.inert_pickle import Call, read_pickle
from medjax.datasets.png import to_png
from medjax.datasets.source import ReadError, Source
from medjax.errors import UserError

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PIXELS = 3 * 32 * 32  # the red plane, then green, then blue
_BATCHES = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
_BATCH = re.compile(r"(?:.*/)?(data_batch_[1-5]|test_batch)(\.bin)?")


def parse_binary(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Parse a batch of the binary version: records of one byte of label and 3,072 of pixels.

    Returns:
      Labels, uint8 [N], and images, uint8 [N, 32, 32, 3].

    Raises:
      ValueError: not whole records, or a label above 9.
    """
    if not data or len(data) % (1 + _PIXELS):
        raise ValueError(f"{len(data)} bytes are not whole records of {1 + _PIXELS}")
    records = np.frombuffer(data, np.uint8).reshape(-1, 1 + _PIXELS)
    return _checked(records[:, 0], records[:, 1:])


def parse_python(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Parse a batch of the Python version, a pickle, without running it; returns and raises as parse_binary."""
    batch = read_pickle(data)
    if type(batch) is not dict:
        raise ValueError(f"holds a {type(batch).__name__}, not a dictionary")
    array, labels = batch.get("data"), batch.get("labels")
    if type(labels) is not list or not all(type(label) is int and 0 <= label <= 9 for label in labels):
        raise ValueError("its labels are not a list of numbers from 0 to 9")
    # numpy's own state of an array: version, shape, dtype, Fortran order, bytes.
    state = array.state if type(array) is Call else None
    if type(state) is not tuple or len(state) != 5 or type(state[2]) is not Call or type(state[4]) is not str:
        raise ValueError("its data is not an array of numpy")
    _, shape, dtype, fortran, values = state
    if shape != (len(labels), _PIXELS) or not _is_uint8(dtype) or fortran or not labels:
        raise ValueError(f"its data is not uint8 of {len(labels)} × {_PIXELS}")
    if len(values) != len(labels) * _PIXELS:
        raise ValueError(f"its data has {len(values)} bytes, not {len(labels)} × {_PIXELS}")
    pixels = np.frombuffer(values.encode("latin-1"), np.uint8).reshape(-1, _PIXELS)
    return _checked(np.array(labels, np.uint8), pixels)


def _is_uint8(dtype: Call) -> bool:
    return type(dtype.arguments) is tuple and dtype.arguments[:1] == ("u1",)


def _checked(labels: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if labels.max() > 9:
        raise ValueError(f"label {labels.max()} is not from 0 to 9")
    return labels, pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


def _splits(source: Source | None) -> Mapping[str, Split]:
    if source is None:
        raise TypeError("cifar10 needs a source")
    batches = _find(source)
    if not batches:
        return class_folder_splits(CLASS_NAMES, {"train": "train", "test": "test"}, source)
    splits = {}
    for split, wanted in _BATCHES.items():
        missing = [batch for batch in wanted if batch not in batches]
        if missing:
            raise UserError(f"{source.path} lacks {', '.join(missing)}; give the folder or .zip of all of CIFAR-10")
        names = [batches[batch] for batch in wanted]
        size = sum(len(_read(source, name)[0]) for name in names)
        splits[split] = Split(size, _examples(source, names))
    return splits


def _find(source: Source) -> dict[str, str]:
    """Return the file of each batch by the batch's name; the binary one where both are there."""
    found: dict[str, str] = {}
    for name in source.files:
        match = _BATCH.fullmatch(name)
        if match and (match[2] or match[1] not in found):
            found[match[1]] = name
    return found


def _read(source: Source, name: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        data = source.read(name)
        return parse_binary(data) if name.endswith(".bin") else parse_python(data)
    except (ReadError, ValueError) as error:
        raise UserError(f"{name!r} of {source.path} is no batch of CIFAR-10: {error}; download it again") from error


def _examples(source: Source, names: list[str]) -> Iterator[Example]:
    """Yield one batch after another; each is read again, so that only one is in memory."""
    for name in names:
        batch = name.rpartition("/")[2].removesuffix(".bin")
        labels, images = _read(source, name)
        for number, (label, pixels) in enumerate(zip(labels.tolist(), images, strict=True)):
            yield Example(f"{batch}/{number:05d}", to_png(np.ascontiguousarray(pixels)), label)


DATASET = Dataset(
    name="cifar10",
    version="1.0.0",
    class_names=CLASS_NAMES,
    description="60,000 photographs of ten kinds of thing, 32×32 RGB: 50,000 to train on and 10,000 to test.",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
    license="none stated; the publisher asks for the citation",
    citation=(
        "@techreport{krizhevsky2009learning, author={Krizhevsky, Alex}, "
        "title={Learning Multiple Layers of Features from Tiny Images}, institution={University of Toronto}, "
        "year={2009}}"
    ),
    splits=_splits,
)
