import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from medjax.pipeline.table import ImageTable, content_hash, read_table, write_meta


def make_table(folder: Path, **changes: object) -> ImageTable:
    folder.mkdir(exist_ok=True)
    images = np.arange(3 * 2 * 2, dtype=np.uint8).reshape(3, 2, 2, 1)
    np.save(folder / "images.npy", images)
    table = ImageTable(
        images=images,
        labels=np.array([0, -1, 1], dtype=np.int32),
        image_ids=np.array(["a/ü.png", "a/2", "b/1"]),
        group_ids=np.array(["p1", "", "p2"]),
        columns={"level": np.array(["L1", "L2", "L5"]), "x": np.array([0.1, np.nan, 3])},
        class_names=("a", "b"),
        fingerprint="f" * 64,
        content_hash="c" * 64,
        name="tiny",
        synthetic=False,
        skipped=(("b/2", "empty file (0 bytes)"),),
    )
    return dataclasses.replace(table, **changes)  # type: ignore[arg-type]


def test_what_was_written_is_read(tmp_path: Path) -> None:
    table = make_table(tmp_path)
    write_meta(tmp_path, table, license="MIT")
    again = read_table(tmp_path)
    assert len(again) == 3
    for field in dataclasses.fields(ImageTable):
        ours, theirs = getattr(table, field.name), getattr(again, field.name)
        if field.name == "columns":
            assert ours.keys() == theirs.keys()
            for key in ours:
                np.testing.assert_array_equal(ours[key], theirs[key])
        elif isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
        else:
            assert ours == theirs


def test_images_stay_on_disk_and_cannot_be_changed(tmp_path: Path) -> None:
    write_meta(tmp_path, make_table(tmp_path))
    images = read_table(tmp_path).images
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_images_of_another_table_are_noticed(tmp_path: Path) -> None:
    write_meta(tmp_path, make_table(tmp_path))
    np.save(tmp_path / "images.npy", np.zeros((3, 2, 2, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="images are uint8"):
        read_table(tmp_path)


def test_a_cut_file_is_noticed(tmp_path: Path) -> None:
    write_meta(tmp_path, make_table(tmp_path))
    data = (tmp_path / "images.npy").read_bytes()
    (tmp_path / "images.npy").write_bytes(data[:-1])
    with pytest.raises(ValueError, match="mmap"):
        read_table(tmp_path)


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    write_meta(tmp_path, make_table(tmp_path))
    np.save(tmp_path / "images.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"allow_pickle|object"):
        read_table(tmp_path)


def test_another_format_is_noticed(tmp_path: Path) -> None:
    write_meta(tmp_path, make_table(tmp_path))
    meta = json.loads((tmp_path / "table.json").read_text())
    (tmp_path / "table.json").write_text(json.dumps({**meta, "format": 0}))
    with pytest.raises(ValueError, match="format 0, not 2"):
        read_table(tmp_path)


IMAGES = np.arange(8, dtype=np.uint16).reshape(2, 2, 2, 1)
LABELS = np.array([0, 1], dtype=np.int32)
IDS = np.array(["a", "b"])


def test_the_hash_is_that_of_the_content_in_little_endian_order() -> None:
    swapped = IMAGES.astype(">u2"), LABELS.astype(">i4"), IDS
    assert content_hash(*swapped) == content_hash(IMAGES, LABELS, IDS)
    pixels = bytes([0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0])
    labels = bytes([0, 0, 0, 0, 1, 0, 0, 0])
    content = b'["uint16", [2, 2, 2, 1]]' + pixels + labels + b'["a", "b"]'
    assert content_hash(IMAGES, LABELS, IDS) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        (IMAGES + np.uint16(1), LABELS, IDS),
        (IMAGES.astype(np.uint8), LABELS, IDS),
        (IMAGES.reshape(2, 1, 4, 1), LABELS, IDS),
        (IMAGES, LABELS[::-1], IDS),
        (IMAGES, LABELS, np.array(["a", "c"])),
    ],
    ids=["pixels", "dtype", "shape", "labels", "ids"],
)
def test_the_hash_changes_with(other: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    assert content_hash(*other) != content_hash(IMAGES, LABELS, IDS)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": [0, 1]},
        {"labels": [0, 1, 2**40]},
        {"labels": "abc"},
        {"columns": {"age": {"dtype": 7, "values": [1, 2, 3]}}},
        {"columns": {"age": {"dtype": "<f8", "values": [1]}}},
        {"columns": [1]},
        {"shape": 5},
        {"skipped": [1]},
    ],
)
def test_damaged_metadata_is_a_value_error(tmp_path: Path, changes: dict[str, object]) -> None:
    write_meta(tmp_path, make_table(tmp_path))
    file = tmp_path / "table.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    with pytest.raises(ValueError, match=r"table\.json|images are|invalid literal"):
        read_table(tmp_path)


def test_nested_metadata_is_a_value_error(tmp_path: Path) -> None:
    write_meta(tmp_path, make_table(tmp_path))
    (tmp_path / "table.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"RecursionError"):
        read_table(tmp_path)
