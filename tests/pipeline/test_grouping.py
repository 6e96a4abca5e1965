import numpy as np
import pytest

from medjax.pipeline.duplicates import Duplicates
from medjax.pipeline.grouping import groups, obstacles
from medjax.pipeline.table import ImageTable


def table_of(group_ids: list[str]) -> ImageTable:
    count = len(group_ids)
    return ImageTable(
        images=np.zeros((count, 2, 2, 1), np.uint8),
        labels=np.zeros(count, np.int32),
        image_ids=np.array([f"secret/{k}.png" for k in range(count)]),
        group_ids=np.array(group_ids),
        columns={},
        class_names=("ant",),
        fingerprint="",
        content_hash="",
        name="tiny",
        synthetic=False,
        skipped=(),
    )


def copies_of(numbers: list[int]) -> Duplicates:
    none = np.zeros(0, dtype=np.int64)
    return Duplicates(np.arange(len(numbers)), none, none, none, none, np.array(numbers))


def number(names: np.ndarray) -> list[int]:
    return [int(name.removeprefix("group-")) for name in names.tolist()]


def test_a_group_joins_patients_and_copies() -> None:
    # Rows 0 and 2 are patient a, 1 and 4 patient b; 2 and 3 are copies, and so are 4 and 5.
    table = table_of(["a", "b", "a", "", "b", ""])
    assert number(groups(table, copies_of([0, 1, 2, 2, 4, 4]))) == [0, 1, 0, 0, 1, 1]


def test_a_copy_of_two_patients_joins_them() -> None:
    assert number(groups(table_of(["a", "b", "a", "b"]), copies_of([0, 0, 2, 3]))) == [0, 0, 0, 0]


def test_unknown_patients_are_not_one_patient() -> None:
    assert number(groups(table_of(["", "", ""]), copies_of([0, 1, 2]))) == [0, 1, 2]


def test_names_say_nothing_of_files_or_patients() -> None:
    assert groups(table_of(["Doe^John", ""]), copies_of([0, 0])).tolist() == ["group-000000", "group-000000"]


def test_groups_that_fit_are_no_obstacle() -> None:
    assert obstacles(np.zeros(4, int), np.array(["a", "a", "b", "c"]), ("ant",), {"test": 0.5}) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("aaab", "one group holds 3 of the 4 images of class 'ant', more than the largest split's share (50%)"),
        ("aaaa", "class 'ant' consists of 1 group, too few to be in each of 2 splits"),
    ],
)
def test_obstacles_are_named(names: str, expected: str) -> None:
    (sentence,) = obstacles(np.zeros(4, int), np.array(list(names)), ("ant", "bee"), {"test": 0.5})
    assert sentence.startswith(expected)
