"""MNIST from its four idx files, compressed or not. The format is read to the letter: any other size is an error."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from medjax.datasets.description import Dataset, Example, Split
from medjax.datasets.png import to_png
from medjax.datasets.source import ReadError, Source
from medjax.errors import UserError

SIDE = 28
# 60,000 images need 47 MB; a file that unpacks to more than this is no MNIST, whatever its header says.
MAX_BYTES = 256 * 2**20
_FILES = {"train": "train", "test": "t10k"}
_PARTS = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}


def parse_idx(data: bytes, dimensions: int) -> np.ndarray:
    """Parse an uncompressed idx file of bytes.

    Args:
      data: two zero bytes, the type (8, unsigned byte), the number of dimensions, each as a big-endian uint32, then
        the values.
      dimensions: how many there must be.

    Returns:
      uint8, of the shape in the header.

    Raises:
      ValueError: another header, or more or fewer values than it announces.
    """
    start = 4 + 4 * dimensions
    if len(data) < start:
        raise ValueError(f"{len(data)} bytes, too few for a header of {start}")
    if data[:4] != bytes([0, 0, 8, dimensions]):
        raise ValueError(f"begins with {data[:4].hex(' ')}, not 00 00 08 {dimensions:02x}")
    shape = struct.unpack(f">{dimensions}I", data[4:start])
    announced = 1
    for size in shape:  # Python's integers do not overflow
        announced *= size
    if announced != len(data) - start:
        raise ValueError(f"announces {' × '.join(map(str, shape))} values and holds {len(data) - start}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _splits(source: Source | None) -> Mapping[str, Split]:
    if source is None:
        raise TypeError("mnist needs a source")
    files = _find(source)
    splits = {}
    for split in _FILES:
        images = _read(source, files[split, "images"], 3)
        labels = _read(source, files[split, "labels"], 1)
        if images.shape[1:] != (SIDE, SIDE) or not len(images):
            raise UserError(f"{files[split, 'images']!r} of {source.path} holds {images.shape}; {SIDE}×{SIDE} is MNIST")
        if len(images) != len(labels) or labels.max() > 9:
            raise UserError(
                f"{source.path}: {len(images)} images and {len(labels)} labels from {labels.min()} to {labels.max()} "
                f"for {split!r}; one label from 0 to 9 an image is MNIST; download the files again"
            )
        splits[split] = Split(len(images), _examples(split, images, labels))
    return splits


def _find(source: Source) -> dict[tuple[str, str], str]:
    """Return the four files, by split and part; of copies in deeper folders the shallowest is taken."""
    found: dict[str, str] = {}
    for name in sorted(source.files, key=lambda name: (-name.count("/"), name)):  # the last one stays
        plain = name.rpartition("/")[2].casefold().removesuffix(".gz").replace(".idx", "-idx")
        found[plain] = name
    wanted = {(s, p): f"{_FILES[s]}-{_PARTS[p]}" for s in _FILES for p in _PARTS}
    missing = [name for name in wanted.values() if name not in found]
    if missing:
        raise UserError(
            f"{source.path} lacks {', '.join(missing)}; give the folder or .zip that holds the four files of MNIST, "
            "as .gz or unpacked"
        )
    return {key: found[name] for key, name in wanted.items()}


def _read(source: Source, name: str, dimensions: int) -> np.ndarray:
    try:
        data = source.read(name)
        return parse_idx(_unpack(data) if data.startswith(b"\x1f\x8b") else data, dimensions)
    except (ReadError, ValueError) as error:
        raise UserError(f"{name!r} of {source.path} is no idx file of MNIST: {error}; download it again") from error


def _unpack(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            unpacked = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"damaged .gz ({error})") from error
    if len(unpacked) > MAX_BYTES:
        raise ValueError(f"unpacks to more than {MAX_BYTES // 2**20} MiB")
    return unpacked


def _examples(split: str, images: np.ndarray, labels: np.ndarray) -> Iterator[Example]:
    for number, (pixels, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        yield Example(f"{split}/{number:05d}", to_png(pixels), label)


DATASET = Dataset(
    name="mnist",
    version="1.0.0",
    class_names=tuple("0123456789"),
    description="70,000 handwritten digits, 28×28 grey: 60,000 to train on and 10,000 to test.",
    homepage="https://yann.lecun.com/exdb/mnist/",
    license="CC BY-SA 3.0",
    citation=(
        "@article{lecun1998gradient, author={LeCun, Yann and Bottou, Léon and Bengio, Yoshua and Haffner, Patrick}, "
        "title={Gradient-based learning applied to document recognition}, journal={Proceedings of the IEEE}, "
        "volume={86}, number={11}, pages={2278--2324}, year={1998}}"
    ),
    splits=_splits,
    kaggle="hojjatk/mnist-dataset",
)
