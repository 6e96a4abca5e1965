import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.pipeline.split_file import read_splits, write_splits
from medjax.pipeline.table import ImageTable

SPLITS = {"train": np.array([0, 3]), "val": np.array([1]), "test": np.array([2])}
HOW = {"kind": "clean", "seed": 7, "fractions": {"val": 0.2, "test": 0.2}}


@pytest.fixture
def table() -> ImageTable:
    return ImageTable(
        images=np.zeros((5, 1, 1, 1), dtype=np.uint8),
        labels=np.array([0, 0, 1, 1, -1], dtype=np.int32),
        image_ids=np.array(["a", "b", "ü", "d", "e"]),
        group_ids=np.array(["p", "", "q", "p", ""]),
        columns={},
        class_names=("x", "y"),
        fingerprint="f",
        content_hash="abc",
        name="tiny",
        synthetic=False,
        skipped=(),
    )


@pytest.fixture
def file(tmp_path: Path, table: ImageTable) -> Path:
    write_splits(tmp_path / "splits.json", SPLITS, table, how=HOW)
    return tmp_path / "splits.json"


def edit(file: Path, **changes: Any) -> Path:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return file


def test_what_was_written_is_read(file: Path, table: ImageTable) -> None:
    again = read_splits(file, table)
    assert {name: rows.tolist() for name, rows in again.items()} == {"train": [0, 3], "val": [1], "test": [2]}
    assert again["train"].dtype == np.int64


def test_the_file_names_images_table_and_origin(file: Path, table: ImageTable) -> None:
    assert json.loads(file.read_text()) == {
        "version": 2,
        "dataset": "tiny",
        "content_hash": "abc",
        "rows_hash": table.rows_hash,
        "how": HOW,
        "removed": [],
        "splits": {"train": ["a", "d"], "val": ["b"], "test": ["ü"]},
    }


def test_an_empty_split_stays_empty(tmp_path: Path, table: ImageTable) -> None:
    write_splits(tmp_path / "s.json", {"train": np.array([0]), "val": np.array([], dtype=np.int64)}, table, how=HOW)
    assert read_splits(tmp_path / "s.json", table)["val"].shape == (0,)


def test_another_table_is_refused(file: Path, table: ImageTable) -> None:
    with pytest.raises(UserError, match=r"another table of 'tiny' \(content_hash abc\) than this one \(xyz\)"):
        read_splits(file, dataclasses.replace(table, content_hash="xyz"))


def test_the_same_images_at_another_size_may_share_a_split(file: Path, table: ImageTable) -> None:
    resized = dataclasses.replace(table, content_hash="xyz")
    assert read_splits(file, resized, same_pixels=False)["val"].tolist() == [1]


def test_other_labels_never_share_a_split(file: Path, table: ImageTable) -> None:
    relabelled = dataclasses.replace(table, labels=1 - table.labels)
    with pytest.raises(UserError, match="same images and labels"):
        read_splits(file, relabelled, same_pixels=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows_hash": 1}, "lacks the image ids by split, the table's hashes"),
        ({"version": 1}, "not a split file of version 2"),
        ({"how": None}, "how it was made"),
        ({"splits": {"train": ["nobody"]}}, "names 'nobody' in split 'train', which the table lacks"),
        ({"splits": {"train": ["b"], "test": ["b"]}}, "names 'b' in 'train' and in 'test'"),
        ({"splits": {"train": ["b", "b"]}}, "names 'b' in 'train' and in 'train'"),
        ({"splits": {"train": ["a"], "test": ["d"]}}, "group 'p' in 'train' and in 'test'"),
        ({"splits": ["a"]}, "lacks the image ids by split, the table's hashes"),
        ({"splits": {"train": [{}]}}, "lacks the image ids by split, the table's hashes"),
        ({"splits": {"train": [1]}}, "lacks the image ids by split, the table's hashes"),
        ({"content_hash": None}, "lacks the image ids by split, the table's hashes"),
    ],
)
def test_a_file_that_was_changed_is_refused(file: Path, table: ImageTable, changes: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        read_splits(edit(file, **changes), table)
    assert message in str(caught.value)


def test_only_the_publishers_own_split_may_tear_a_group_apart(file: Path, table: ImageTable) -> None:
    torn = edit(file, splits={"train": ["a"], "test": ["d"]}, how={"kind": "official"})
    assert read_splits(torn, table)["test"].tolist() == [3]


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is not JSON"), ("[" * 100_000, "is not JSON"), ("[]", "not a split file")]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, table: ImageTable, text: str, message: str) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_splits(tmp_path / "s.json", table)


def test_a_missing_file_is_one_line(tmp_path: Path, table: ImageTable) -> None:
    with pytest.raises(UserError, match=r"cannot read the splits in .*: No such file"):
        read_splits(tmp_path / "none.json", table)


def test_a_failed_write_leaves_the_old_file(file: Path, table: ImageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    old = file.read_text()
    monkeypatch.setattr("os.replace", refuse)
    with pytest.raises(UserError, match=r"No space left on device; free some space"):
        write_splits(file, {"train": np.array([0])}, table, how=HOW)
    assert file.read_text() == old
    assert [path.name for path in file.parent.iterdir()] == ["splits.json"]
