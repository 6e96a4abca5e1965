import dataclasses

import numpy as np
import pytest
from PIL import Image

from medjax.datasets.phantom_drawing import draw
from medjax.pipeline.leaks import Leaks, find_leaks
from medjax.pipeline.table import ImageTable


def phantom(number):
    """A picture, uint8 [64, 64, 1]."""
    return np.asarray(Image.fromarray(draw(0, number)[0]).resize((64, 64), Image.Resampling.BILINEAR))[..., None]


def table_of(*images, group_ids=None, **notes):
    return ImageTable(
        images=np.stack(images),
        labels=np.zeros(len(images), np.int32),
        image_ids=np.array([f"{k}" for k in range(len(images))]),
        group_ids=np.array(group_ids or [""] * len(images)),
        columns={},
        class_names=("x",),
        fingerprint="",
        content_hash="",
        name="tiny",
        synthetic=False,
        skipped=(),
        notes=notes,
    )


SEEN = table_of(phantom(1), phantom(2), phantom(3))


def test_exact_and_near_copies_of_the_rows_asked_about_are_found_and_no_others():
    table = table_of(phantom(4), phantom(1), phantom(2)[:, ::-1], phantom(3), phantom(1))
    leaks = find_leaks(table, SEEN, np.array([0, 1]))
    assert leaks.exact.tolist() == [False, True, False, False, True]
    assert leaks.near.tolist() == [False, False, True, False, False]
    assert leaks.any.tolist() == [False, True, True, False, True]
    assert leaks.counts() == {"exact_copies": 2, "near_copies": 1, "same_patient": 0}


def test_more_rows_than_are_copied_at_once_are_all_compared(monkeypatch):
    monkeypatch.setattr("medjax.pipeline.leaks._ROWS", 2)
    table = table_of(phantom(5), phantom(2), phantom(3))
    assert find_leaks(table, SEEN, np.arange(3)).exact.tolist() == [False, True, True]
    assert find_leaks(table, SEEN, np.array([0, 2])).exact.tolist() == [False, False, True]


PATIENTS = {"group_from": "patient_id", "key": "k"}


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        (PATIENTS, PATIENTS, [True, False, False]),
        (PATIENTS, PATIENTS | {"key": "other"}, [False] * 3),
        ({"group_from": "subfolder", "key": "k"}, {"group_from": "subfolder", "key": "k"}, [False] * 3),
    ],
    ids=["one key", "two keys", "names of folders"],
)
def test_patients_are_compared_where_pseudonyms_can_be(here, there, expected):
    table = table_of(phantom(4), phantom(5), phantom(6), group_ids=["p1", "p2", ""], **here)
    seen = dataclasses.replace(SEEN, group_ids=np.array(["p1", "", "p2"]), notes=there)
    assert find_leaks(table, seen, np.array([0, 1])).patient.tolist() == expected


def test_an_image_is_counted_under_its_first_kind():
    leaks = Leaks(*(np.array(kind, bool) for kind in ([1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0])))
    assert leaks.counts() == {"exact_copies": 1, "near_copies": 1, "same_patient": 1}
