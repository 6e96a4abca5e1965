import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medjax.datasets.cifar10 import CLASS_NAMES, DATASET, parse_binary, parse_python
from medjax.datasets.source import open_source
from medjax.errors import UserError

RED_DOT = np.zeros(3072, np.uint8)
RED_DOT[33] = 200  # row 1, column 1 of the red plane
BLUE_DOT = np.zeros(3072, np.uint8)
BLUE_DOT[2048 + 2] = 100  # row 0, column 2 of the blue plane
BATCHES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


def binary(*labels: int) -> bytes:
    return b"".join(bytes([label]) + RED_DOT.tobytes() for label in labels)


def python2(labels: list[int], pixels: bytes) -> bytes:
    """A batch as the publisher's Python 2 wrote it, protocol 2: numpy's array by _reconstruct and a state."""
    listed = b"]" + b"(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    shape = b"K" + bytes([len(labels)]) + b"M\x00\x0c\x86"
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    state = b"(K\x01" + shape + dtype + b"\x89T" + len(pixels).to_bytes(4, "little") + pixels + b"tb"
    return b"\x80\x02}q\x01(U\x04dataq\x02" + array + state + b"U\x06labelsq\x03" + listed + b"u."


def place(root: Path, contents: dict[str, bytes]) -> Path:
    for name, data in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def labels(root: Path) -> dict[str, list[int]]:
    return {name: [e.label for e in split.examples] for name, split in DATASET.splits(open_source(root)).items()}


def test_a_binary_record_is_a_label_and_three_planes() -> None:
    found, images = parse_binary(b"\x07" + RED_DOT.tobytes() + b"\x00" + BLUE_DOT.tobytes())
    assert found.tolist() == [7, 0]
    assert images.shape == (2, 32, 32, 3)
    assert images[0, 1, 1].tolist() == [200, 0, 0]
    assert images[1, 0, 2].tolist() == [0, 0, 100]
    assert images.sum() == 300


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "0 bytes"), (binary(1)[:-1], "3072 bytes are not whole records of 3073"), (binary(1, 10), "label 10")],
)
def test_other_binary_files_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_binary(data)


def test_a_batch_of_python_2_is_read() -> None:
    data = python2([3, 9], RED_DOT.tobytes() + BLUE_DOT.tobytes())
    assert pickle.loads(data, encoding="latin-1")["data"].shape == (2, 3072)  # the test's own file is sound
    found, images = parse_python(data)
    assert found.tolist() == [3, 9]
    assert images[0, 1, 1].tolist() == [200, 0, 0]
    assert images[1, 0, 2].tolist() == [0, 0, 100]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps([1], 2), "holds a list"),
        (pickle.dumps({"labels": [1]}, 2), "its data is not an array"),
        (pickle.dumps({"labels": [10], "data": 1}, 2), "numbers from 0 to 9"),
        (pickle.dumps({"labels": "x", "data": 1}, 2), "numbers from 0 to 9"),
        (python2([1, 2], RED_DOT.tobytes()), "3072 bytes, not 2 × 3072"),
        (python2([1], RED_DOT.tobytes()).replace(b"M\x00\x0c", b"M\x01\x0c"), "not uint8 of 1 × 3072"),
        (python2([1], RED_DOT.tobytes()).replace(b"u1", b"i1"), "not uint8"),
        (python2([1], RED_DOT.tobytes()).replace(b"\x89T", b"\x88T"), "not uint8"),  # columns first
        (python2([1], RED_DOT.tobytes())[:100], "not enough data in stream"),
    ],
)
def test_other_pickles_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_python(data)


def test_binary_batches_are_the_two_splits(tmp_path: Path) -> None:
    place(tmp_path, {f"cifar-10-batches-bin/{b}.bin": binary(i, 9) for i, b in enumerate(BATCHES)})
    assert labels(tmp_path) == {"train": [0, 9, 1, 9, 2, 9, 3, 9, 4, 9], "test": [5, 9]}
    first = next(iter(DATASET.splits(open_source(tmp_path))["train"].examples))
    assert first.image_id == "data_batch_1/00000"
    with Image.open(io.BytesIO(first.image)) as image:
        assert (image.mode, image.getpixel((1, 1))) == ("RGB", (200, 0, 0))


def test_python_batches_are_the_two_splits_in_a_zip_too(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for number, batch in enumerate(BATCHES):
            archive.writestr(f"cifar-10-batches-py/{batch}", python2([number], RED_DOT.tobytes()))
    assert labels(tmp_path / "c.zip") == {"train": [0, 1, 2, 3, 4], "test": [5]}


def test_folders_of_pictures_are_the_two_splits(tmp_path: Path) -> None:
    place(tmp_path, {f"{split}/{name}/1.png": b"1" for split in ("train", "test") for name in CLASS_NAMES})
    assert labels(tmp_path) == {"train": list(range(10)), "test": list(range(10))}


def test_a_missing_batch_is_named(tmp_path: Path) -> None:
    place(tmp_path, {f"{batch}.bin": binary(1) for batch in BATCHES if batch != "data_batch_3"})
    with pytest.raises(UserError, match="lacks data_batch_3; give"):
        DATASET.splits(open_source(tmp_path))


def test_a_damaged_batch_is_named(tmp_path: Path) -> None:
    place(tmp_path, {f"{batch}.bin": binary(1) for batch in BATCHES} | {"data_batch_2.bin": b"x"})
    with pytest.raises(UserError, match=r"'data_batch_2\.bin' of .* is no batch of CIFAR-10: 1 bytes"):
        DATASET.splits(open_source(tmp_path))


@pytest.mark.real_data
def test_the_subset_of_pictures_is_listed() -> None:
    with open_source(Path(os.environ["MEDJAX_TEST_DATA"]) / "cifar10_subset.zip") as source:
        splits = DATASET.splits(source)
        assert {name: split.size for name, split in splits.items()} == {"train": 5000, "test": 1000}
        first = next(iter(splits["train"].examples))
    with Image.open(io.BytesIO(first.image)) as image:
        assert (image.size, image.mode, first.label) == ((32, 32), "RGB", 0)


def test_a_data_type_that_is_no_call_with_arguments_is_refused() -> None:
    call = b"cn\nd\nK\x01R"  # of a number
    data = b"\x80\x02}(U\x04datacm\nf\n)R(K\x01K\x01M\0\x0c\x86" + call + b"\x89U\0tbU\x06labels]K\x03au."
    with pytest.raises(ValueError, match="its data is not uint8 of 1 × 3072"):
        parse_python(data)
