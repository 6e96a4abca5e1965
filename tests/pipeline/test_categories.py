import dataclasses

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.pipeline.categories import codes_of, read_categories
from medjax.pipeline.table import ImageTable

COLUMNS = {
    "condition": np.array(["stenosis", "narrowing", "stenosis"]),
    "level": np.array([5, 1, 5]),
    "score": np.array([0.5, 1.0, 0.5]),
    "source_mode": np.array(["L", "RGB", "L"]),
}
TABLE = ImageTable(
    images=np.zeros((3, 2, 2, 1), np.uint8),
    labels=np.zeros(3, np.int32),
    image_ids=np.array(["a", "b", "c"]),
    group_ids=np.array([""] * 3),
    columns=COLUMNS,
    class_names=("x", "y"),
    fingerprint="",
    content_hash="",
    name="tiny",
    synthetic=False,
    skipped=(),
)


def test_values_are_sorted_and_rows_hold_their_place():
    found = read_categories(TABLE, ("level", "condition"))
    assert found.values == {"level": ("1", "5"), "condition": ("narrowing", "stenosis")}
    assert found.codes.tolist() == [[1, 1], [0, 0], [1, 1]]
    assert found.codes.dtype == np.int32
    assert found.counts == (2, 2)


def test_without_columns_there_are_none():
    found = read_categories(TABLE, ())
    assert (found.counts, found.codes.shape) == ((), (3, 0))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("side", "'side'.*choose from condition, level, score"),
        ("source_mode", "'source_mode'.*choose from condition, level, score"),
        ("score", "'score'.*fractions"),
    ],
)
def test_a_column_that_cannot_be_an_input_is_refused(name, words):
    with pytest.raises(UserError, match=words):
        read_categories(TABLE, (name,))


def test_a_column_of_names_is_refused():
    many = dataclasses.replace(TABLE, columns={"id": np.array([str(i) for i in range(65)])}, labels=np.zeros(65))
    with pytest.raises(UserError, match="65 different values"):
        read_categories(many, ("id",))


def test_another_table_is_numbered_as_training_was():
    values = {"condition": ("narrowing", "stenosis"), "level": ("1", "3", "5")}
    np.testing.assert_array_equal(codes_of(TABLE, values), [[1, 2], [0, 0], [1, 2]])
    assert codes_of(TABLE, {}).shape == (3, 0)


@pytest.mark.parametrize(
    ("values", "message"), [({"side": ("left",)}, "no such column"), ({"level": ("1", "2")}, "holds '5'")]
)
def test_what_training_did_not_know_is_refused(values, message):
    with pytest.raises(UserError, match=message):
        codes_of(TABLE, values)
