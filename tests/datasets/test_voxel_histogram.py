import numpy as np
import pytest

from medjax.datasets.voxel_histogram import VoxelHistogram


def plain(levels: np.ndarray) -> np.ndarray:
    return levels.astype(np.float64)


def test_percentiles_are_those_of_all_values_together() -> None:
    random = np.random.default_rng(0)
    slices = [random.integers(-500, 3000, (3, 31), np.int16) for _ in range(7)]
    histogram = VoxelHistogram()
    for values in slices:
        histogram.add(values, plain)
    expected = np.percentile(np.stack(slices), [0.5, 50, 99.5], method="inverted_cdf")
    assert histogram.percentiles(0.5, 50, 99.5) == expected.tolist()


def test_slices_of_different_rescale_are_counted_in_their_own_units() -> None:
    histogram = VoxelHistogram()
    histogram.add(np.array([1, 2]), lambda levels: levels * 10.0)
    histogram.add(np.array([[1], [3]]), lambda levels: 100.0 - levels)
    assert histogram.percentiles(25, 50, 75, 100) == [10, 20, 97, 99]


def test_32_bit_values_that_spread_far_are_counted() -> None:
    histogram = VoxelHistogram()
    histogram.add(np.array([0, 7, 7, 2**32 - 1], np.uint32), plain)
    assert histogram.percentiles(25, 50, 100) == [0, 7, 2**32 - 1]


def test_memory_is_bounded_and_the_percentiles_stay_near() -> None:
    values = np.random.default_rng(1).integers(0, 2**31, 20_000, np.uint32)
    histogram = VoxelHistogram(limit=1000)
    for part in np.split(values, 10):
        histogram.add(part, plain)
    assert len(histogram._values) <= 1000
    low, high = histogram.percentiles(0.5, 99.5)
    assert low / 2**31 == pytest.approx(0.005, abs=0.004)
    assert high / 2**31 == pytest.approx(0.995, abs=0.004)
    assert histogram._counts.sum() == 20_000


def test_nothing_counted_gives_zeros() -> None:
    histogram = VoxelHistogram()
    histogram.add(np.empty((0,), np.int16), plain)
    assert histogram.percentiles(0.5, 99.5) == [0, 0]
