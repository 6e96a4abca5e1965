import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medjax.datasets import mnist
from medjax.datasets.mnist import DATASET, parse_idx
from medjax.datasets.source import open_source
from medjax.errors import UserError


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def pictures(count: int) -> np.ndarray:
    return np.arange(count * 784, dtype=np.uint8).reshape(count, 28, 28)


def files() -> dict[str, bytes]:
    """Three images to train on (labels 7, 0, 9), one to test."""
    return {
        "train-images-idx3-ubyte": idx(pictures(3)),
        "train-labels-idx1-ubyte": idx(np.array([7, 0, 9], np.uint8)),
        "t10k-images-idx3-ubyte": idx(pictures(1)[:, ::-1]),
        "t10k-labels-idx1-ubyte": idx(np.array([5], np.uint8)),
    }


def place(root: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def labels(root: Path) -> dict[str, list[int]]:
    return {name: [e.label for e in split.examples] for name, split in DATASET.splits(open_source(root)).items()}


def test_idx_is_read_by_its_header() -> None:
    np.testing.assert_array_equal(
        parse_idx(b"\0\0\x08\x02\0\0\0\x02\0\0\0\x03abcdef", 2), [[97, 98, 99], [100, 101, 102]]
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too few for a header"),
        (b"\0\0\x08\x01\0\0", "too few for a header"),
        (b"\0\0\x09\x01\0\0\0\x01a", "begins with 00 00 09 01"),
        (b"\0\0\x08\x02\0\0\0\x01a\0\0\0", "begins with 00 00 08 02"),
        (b"\0\0\x08\x01\0\0\0\x02a", "announces 2 values and holds 1"),
        (b"\0\0\x08\x01\0\0\0\x01ab", "announces 1 values and holds 2"),
        (b"\0\0\x08\x01\xff\xff\xff\xffa", "announces 4294967295 values and holds 1"),
    ],
)
def test_an_idx_file_of_another_size_or_type_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_idx(data, 1)


def test_sizes_whose_product_would_overflow_are_refused() -> None:
    data = b"\0\0\x08\x03" + struct.pack(">3I", 2**31, 2**31, 4) + b"abc"  # 2^64 = 0 in 64 bits
    with pytest.raises(ValueError, match="and holds 3"):
        parse_idx(data, 3)


@pytest.mark.parametrize(
    "rename", [str, lambda n: n + ".gz", lambda n: n.replace("-idx", ".idx"), lambda n: f"raw/{n}"]
)
def test_the_four_files_are_read_compressed_or_not_under_their_usual_names(tmp_path: Path, rename) -> None:
    packed = {rename(n): gzip.compress(d) if rename(n).endswith(".gz") else d for n, d in files().items()}
    assert labels(place(tmp_path, packed)) == {"train": [7, 0, 9], "test": [5]}


def test_a_zip_of_the_four_files_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        for name, data in files().items():
            archive.writestr(f"mnist/{name}.gz", gzip.compress(data))
    assert labels(tmp_path / "m.zip") == {"train": [7, 0, 9], "test": [5]}


def test_copies_in_deeper_folders_do_not_count(tmp_path: Path) -> None:
    deep = {f"{name}/{name}": b"not this one" for name in files()}
    shallow = {name.replace("-idx", ".idx"): data for name, data in files().items()}
    assert labels(place(tmp_path, deep | shallow)) == {"train": [7, 0, 9], "test": [5]}


def test_pixels_and_ids_are_kept(tmp_path: Path) -> None:
    splits = DATASET.splits(open_source(place(tmp_path, files())))
    second = list(splits["train"].examples)[1]
    assert second.image_id == "train/00001"
    with Image.open(io.BytesIO(second.image)) as image:
        np.testing.assert_array_equal(np.asarray(image), pictures(3)[1])
    assert next(iter(splits["test"].examples)).image_id == "test/00000"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train-images-idx3-ubyte", idx(np.zeros((3, 28, 27), np.uint8)), r"holds \(3, 28, 27\); 28×28 is MNIST"),
        ("train-images-idx3-ubyte", idx(np.zeros((0, 28, 28), np.uint8)), r"holds \(0, 28, 28\)"),
        ("train-labels-idx1-ubyte", idx(np.zeros(2, np.uint8)), "3 images and 2 labels"),
        ("train-labels-idx1-ubyte", idx(np.array([0, 1, 10], np.uint8)), "labels from 0 to 10"),
        ("t10k-images-idx3-ubyte", gzip.compress(idx(pictures(1)))[:-9], r"damaged \.gz"),
        ("t10k-labels-idx1-ubyte", b"\x1f\x8bnot a gzip file", r"damaged \.gz"),
        ("t10k-labels-idx1-ubyte", b"<html>", "too few for a header"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    place(tmp_path, files() | {name: data})
    with pytest.raises(UserError, match=message) as caught:
        DATASET.splits(open_source(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "MAX_BYTES", 1000)
    place(tmp_path, files() | {"t10k-images-idx3-ubyte": gzip.compress(bytes(2000))})
    with pytest.raises(UserError, match="unpacks to more than"):
        DATASET.splits(open_source(tmp_path))


def test_missing_files_are_named(tmp_path: Path) -> None:
    place(tmp_path, {name: data for name, data in files().items() if "t10k" in name})
    with pytest.raises(UserError, match="lacks train-images-idx3-ubyte, train-labels-idx1-ubyte; give the folder"):
        DATASET.splits(open_source(tmp_path))


@pytest.mark.real_data
def test_the_published_files_hold_70000_digits() -> None:
    splits = DATASET.splits(open_source(Path(os.environ["MEDJAX_TEST_DATA"]) / "mnist"))
    assert {name: split.size for name, split in splits.items()} == {"train": 60000, "test": 10000}
    with Image.open(io.BytesIO(next(iter(splits["train"].examples)).image)) as image:
        assert (image.size, image.mode) == ((28, 28), "L")
