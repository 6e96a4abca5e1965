import numpy as np
import pytest

from medjax.errors import UserError
from medjax.pipeline.partition import draw, in_turn, one_per_group

LABELS = np.array([0, 1] * 20)
ALONE = np.array([""] * 40)
OFFICIAL = np.array(["Training"] * 32 + ["Testing"] * 8)
FRACTIONS = {"val": 0.25, "calib": 0.0, "test": 0.25}


def partition(groups=ALONE, official=OFFICIAL, labels=LABELS, **options):
    options = {"kind": "clean", "fractions": FRACTIONS, "seed": 0} | options
    return draw(labels, groups, official, **options)


def test_clean_draws_from_all_images_whatever_the_publisher_says():
    splits = partition().splits
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 20, "val": 10, "test": 10}
    assert set(splits["test"].tolist()) & set(range(32))


def test_a_share_for_calibration_makes_a_fourth_split():
    splits = partition(fractions={"val": 0.1, "calib": 0.2, "test": 0.2}).splits
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 20, "val": 4, "calib": 8, "test": 8}


def test_official_keeps_the_test_set_and_draws_the_rest_from_training():
    splits = partition(kind="official").splits
    assert splits["test"].tolist() == list(range(32, 40))
    assert len(splits["val"]) == 8
    assert sorted([*splits["train"].tolist(), *splits["val"].tolist()]) == list(range(32))


def test_official_keeps_a_validation_set_and_images_without_label_are_nowhere():
    labels = LABELS.copy()
    labels[[0, 32, 36]] = -1
    official = np.array(["train"] * 32 + ["val"] * 4 + ["test"] * 4)
    splits = partition(official=official, labels=labels, kind="official").splits
    assert {name: rows.tolist() for name, rows in splits.items()} == {
        "train": list(range(1, 32)),
        "val": [33, 34, 35],
        "test": [37, 38, 39],
    }


def test_official_lets_a_group_cross_and_dedup_removes_it_from_training():
    groups = ALONE.astype("<U8")
    groups[[3, 5, 33]] = "copies"
    kept = partition(groups, kind="official")
    assert kept.removed.tolist() == []
    cleaned = partition(groups, kind="official_dedup")
    assert cleaned.removed.tolist() == [3, 5]
    assert cleaned.splits["test"].tolist() == list(range(32, 40))
    assert not {3, 5} & set(np.concatenate([cleaned.splits["train"], cleaned.splits["val"]]).tolist())


def test_dedup_also_keeps_validation_apart_from_test_and_training_from_validation():
    official = np.array(["train"] * 24 + ["val"] * 8 + ["test"] * 8)
    groups = ALONE.astype("<U8")
    groups[[24, 39]] = "a"
    groups[[2, 25]] = "b"
    cleaned = partition(groups, official, kind="official_dedup")
    assert cleaned.removed.tolist() == [2, 24]


def test_folds_judge_every_labelled_image_once_and_never_tear_a_group():
    groups = np.array([f"g{row // 2}" for row in range(40)])
    tests = []
    for fold in range(5):
        splits = partition(groups, folds=5, fold=fold, fractions={"val": 0.2, "calib": 0.1, "test": 0.0}).splits
        assert list(splits) == ["train", "val", "calib", "test"]
        assert sorted(np.concatenate(list(splits.values())).tolist()) == list(range(40))
        held = [set(groups[rows].tolist()) for rows in splits.values()]
        assert sum(map(len, held)) == len(set.union(*held))
        assert len(splits["val"]) == 8
        tests += splits["test"].tolist()
    assert sorted(tests) == list(range(40))


@pytest.mark.parametrize("official", [None, np.array(["train"] * 40)])
def test_without_a_published_split_official_is_refused(official):
    with pytest.raises(UserError, match="these images come without a split of their own; choose 'clean'"):
        partition(official=official, kind="official")


def test_a_published_split_without_test_is_refused():
    with pytest.raises(UserError, match="the publisher's split has 20 in 'train', 20 in 'val'"):
        partition(official=np.array(["train", "val"] * 20), kind="official")


def test_one_image_a_group():
    groups = np.array(["a", "", "a", "b", "", "b"])
    assert one_per_group(np.array([1, 2, 3, 4, 5]), groups).tolist() == [1, 2, 3, 4]


def test_classes_in_turn():
    labels = np.array([1, 1, 0, 0, 0, 2])
    assert in_turn(labels, np.array([0, 1, 3, 4, 5]), 4).tolist() == [3, 0, 5, 4]


def test_all_folds_at_once_are_no_split():
    with pytest.raises(ValueError, match="fold is -1; one of the 3"):
        draw(np.arange(12) % 2, np.array([""] * 12), None, kind="clean", fractions=FRACTIONS, seed=0, folds=3, fold=-1)
