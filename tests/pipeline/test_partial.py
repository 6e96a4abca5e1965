from pathlib import Path

import numpy as np
import pytest

from medjax.pipeline.partial import PartialTable, Row

UINT8 = np.dtype(np.uint8)
GOOD, OTHER, BAD = Row("a", "", 0, {"x": 1}), Row("b", "p", 1, {"x": 2}), Row("c", "", 0, {"x": 3}, "empty")


def image(value: int) -> np.ndarray:
    return np.full((1, 2, 1), value, dtype=np.uint8)


def filled(folder: Path) -> PartialTable:
    table = PartialTable(folder, (1, 2, 1))
    table.append([GOOD, BAD], [image(1)], UINT8)
    table.append([OTHER], [image(2)], UINT8)
    return table


def test_what_was_appended_is_one_array_of_the_good_images(tmp_path: Path) -> None:
    images = filled(tmp_path / "t").finish()
    np.testing.assert_array_equal(images, np.stack([image(1), image(2)]))
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["images.npy"]


def test_opened_again_it_knows_how_far_it_is(tmp_path: Path) -> None:
    filled(tmp_path / "t")
    again = PartialTable(tmp_path / "t", (1, 2, 1))
    assert again.rows == [GOOD, BAD, OTHER]
    assert again.dtype == UINT8
    again.append([GOOD], [image(3)], UINT8)
    assert again.finish()[:, 0, 0, 0].tolist() == [1, 2, 3]


def test_pixels_that_the_journal_does_not_name_are_cut(tmp_path: Path) -> None:
    filled(tmp_path / "t")
    with open(tmp_path / "t" / "images.npy", "ab") as file:
        file.write(b"half an image")
    assert PartialTable(tmp_path / "t", (1, 2, 1)).finish()[:, 0, 0, 0].tolist() == [1, 2]


def test_a_torn_line_of_the_journal_is_cut(tmp_path: Path) -> None:
    filled(tmp_path / "t")
    journal = tmp_path / "t" / "journal.jsonl"
    journal.write_text(journal.read_text()[:-10])
    again = PartialTable(tmp_path / "t", (1, 2, 1))
    assert again.rows == [GOOD, BAD]
    again.append([OTHER], [image(5)], UINT8)
    assert PartialTable(tmp_path / "t", (1, 2, 1)).finish()[:, 0, 0, 0].tolist() == [1, 5]


@pytest.mark.parametrize("damage", ["images cut", "images gone", "journal gone", "journal damaged"])
def test_files_that_do_not_fit_together_are_dropped(tmp_path: Path, damage: str) -> None:
    filled(tmp_path / "t")
    images, journal = tmp_path / "t" / "images.npy", tmp_path / "t" / "journal.jsonl"
    if damage == "images cut":
        images.write_bytes(images.read_bytes()[:-1])
    elif damage == "images gone":
        images.unlink()
    elif damage == "journal gone":
        journal.unlink()
    else:
        journal.write_text("{]\n" + journal.read_text())
    again = PartialTable(tmp_path / "t", (1, 2, 1))
    assert again.rows == []
    again.append([GOOD], [image(9)], UINT8)
    assert again.finish()[:, 0, 0, 0].tolist() == [9]


def test_16_bit_pixels_are_kept(tmp_path: Path) -> None:
    table = PartialTable(tmp_path / "t", (1, 1, 1))
    table.append([GOOD], [np.array([[[50000]]], dtype=np.uint16)], np.dtype(np.uint16))
    assert table.finish().tolist() == [[[[50000]]]]
