import numpy as np
import pytest

from medjax.errors import UserError
from medjax.pipeline.splits import make_splits

THIRDS = np.repeat([0, 1, 2], 300)


def no_groups(count: int) -> np.ndarray:
    return np.array([""] * count)


def split(labels: np.ndarray, groups: np.ndarray | None = None, seed: int = 0, **fractions: float) -> dict:
    groups = no_groups(len(labels)) if groups is None else groups
    return make_splits(labels, groups, fractions=fractions, seed=seed)


def by_class(labels: np.ndarray, splits: dict[str, np.ndarray]) -> dict[str, list[int]]:
    return {name: np.bincount(labels[rows], minlength=labels.max() + 1).tolist() for name, rows in splits.items()}


def test_equal_classes_are_divided_exactly() -> None:
    sizes = by_class(THIRDS, split(THIRDS, val=0.1, test=0.2))
    assert sizes == {"train": [210] * 3, "val": [30] * 3, "test": [60] * 3}


def test_sizes_follow_from_largest_remainders() -> None:
    labels = np.repeat([0, 1, 2], [11, 13, 16])  # a quarter: 2.75, 3.25 and 4, together 10
    assert by_class(labels, split(labels, test=0.25)) == {"train": [8, 10, 12], "test": [3, 3, 4]}


def test_fractions_count_as_they_are_written() -> None:
    ten = np.zeros(10, dtype=int)  # 3.5 images round up; the double nearest to 0.35 lies below it
    assert len(split(ten, test=0.35)["test"]) == 4


def test_every_image_is_in_one_split() -> None:
    splits = split(THIRDS, val=0.15, calib=0.1, test=0.15)
    assert np.sort(np.concatenate(list(splits.values()))).tolist() == list(range(900))
    assert all(rows.dtype == np.int64 and (np.diff(rows) > 0).all() for rows in splits.values())


def test_a_seed_means_the_same_split_for_ever() -> None:
    labels = np.repeat([0, 1], 6)
    assert {name: rows.tolist() for name, rows in split(labels, val=0.25, test=0.25).items()} == {
        "train": [2, 3, 6, 7, 8, 11],
        "val": [0, 1, 10],
        "test": [4, 5, 9],
    }


def test_another_seed_is_another_split() -> None:
    assert split(THIRDS, test=0.2, seed=1)["test"].tolist() != split(THIRDS, test=0.2, seed=2)["test"].tolist()


def test_the_draw_is_uniform() -> None:
    labels = np.repeat([0, 1], 10)
    times = np.zeros(20)
    for seed in range(400):
        times[split(labels, seed=seed, test=0.3)["test"]] += 1
    assert np.abs(times - 120).max() < 5 * np.sqrt(400 * 0.3 * 0.7)


def test_a_fraction_of_zero_is_an_empty_split() -> None:
    assert by_class(THIRDS, split(THIRDS, val=0.0, test=0.5)) == {
        "train": [150] * 3,
        "val": [0] * 3,
        "test": [150] * 3,
    }


def test_images_without_a_label_are_in_no_split() -> None:
    labels = np.array([-1, 0, 0, 1, 1, -1])
    splits = split(labels, test=0.5)
    assert sorted(np.concatenate(list(splits.values())).tolist()) == [1, 2, 3, 4]


def test_groups_stay_together() -> None:
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 60, 900)
    groups = np.array([f"p{p}" for p in patients])
    splits = split(THIRDS, groups, val=0.15, test=0.15)
    held = [set(groups[rows]) for rows in splits.values()]
    assert sum(map(len, held)) == len(set(groups))
    for name, share in (("val", 0.15), ("test", 0.15)):
        np.testing.assert_allclose(by_class(THIRDS, splits)[name], 300 * share, rtol=0.2)


def test_groups_that_are_unique_are_no_groups() -> None:
    unique = np.array([f"image {i}" for i in range(900)])
    with_ids, without = split(THIRDS, unique, test=0.2), split(THIRDS, test=0.2)
    assert with_ids["test"].tolist() == without["test"].tolist()


def test_single_images_make_up_for_what_groups_leave() -> None:
    labels = np.zeros(100, dtype=int)
    groups = np.array(["big"] * 30 + ["small"] * 4 + [""] * 66)
    assert by_class(labels, split(labels, groups, val=0.2, test=0.2)) == {"train": [60], "val": [20], "test": [20]}


def test_as_many_groups_as_splits_are_spread_over_all() -> None:
    labels = np.repeat([0, 1], [15, 300])
    groups = np.array(["a"] * 5 + ["b"] * 5 + ["c"] * 5 + [""] * 300)
    for seed in range(10):
        sizes = by_class(labels, split(labels, groups, seed=seed, val=0.15, test=0.15))
        assert [counts[0] for counts in sizes.values()] == [5, 5, 5]


def test_a_tiny_class_is_in_every_split() -> None:
    labels = np.repeat([0, 1], [3, 97])
    sizes = by_class(labels, split(labels, val=0.1, test=0.1))
    assert {name: counts[0] for name, counts in sizes.items()} == {"train": 1, "val": 1, "test": 1}


def test_a_class_too_small_for_every_split_is_named() -> None:
    labels = np.repeat([0, 1], [2, 98])
    with pytest.raises(UserError, match=r"class 'rare' consists of 2 groups of images .* too few to be in each of 3"):
        make_splits(labels, no_groups(100), fractions={"val": 0.1, "test": 0.1}, seed=0, class_names=("rare", "common"))


def test_a_class_in_one_patient_is_named() -> None:
    labels = np.repeat([0, 1], [50, 50])
    groups = np.array(["one patient"] * 50 + [""] * 50)
    with pytest.raises(UserError, match="class 'number 0' consists of 1 group of images"):
        split(labels, groups, test=0.2)


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"val": 0.5, "test": 0.5}, "add up to 1.0"),
        ({"test": 1.0}, "fraction of split 'test' is 1.0; it is at least 0 and below 1"),
        ({"test": -0.1}, "is -0.1"),
        ({"test": float("nan")}, "is nan"),
        ({"train": 0.8}, "leave it out, train gets the rest"),
    ],
)
def test_impossible_fractions_are_named(fractions: dict[str, float], message: str) -> None:
    with pytest.raises(UserError) as caught:
        split(THIRDS, **fractions)
    assert message in str(caught.value)


def test_no_label_at_all_is_an_error() -> None:
    with pytest.raises(UserError, match="none of the 3 images has a label"):
        split(np.full(3, -1), test=0.2)


@pytest.mark.parametrize("seed", range(20))
def test_random_groups_and_classes_keep_the_promises(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(60, 400))
    labels = rng.integers(-1, 3, count)
    groups = np.array([f"g{g}" if g > 5 else "" for g in rng.integers(0, count // 3, count)])
    splits = split(labels, groups, seed=seed, val=0.2, test=0.2)
    rows = np.concatenate(list(splits.values()))
    assert sorted(rows.tolist()) == np.flatnonzero(labels >= 0).tolist()
    held = [set(groups[r]) - {""} for r in splits.values()]
    assert not (held[0] & held[1] | held[0] & held[2] | held[1] & held[2])
    assert all(set(labels[r]) == {0, 1, 2} for r in splits.values())
