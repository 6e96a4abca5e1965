import numpy as np
import pytest

from medjax.evaluation.intervals import wilson
from medjax.inference.pointing import hit_rate, peaks


def test_a_peak_is_the_middle_of_the_highest_pixel_whatever_the_size_of_the_map():
    coarse = np.array([[[0.0, 1.0], [0.0, 0.0]]])
    fine = np.zeros((1, 4, 8))
    fine[0, 3, 5] = 2.0
    np.testing.assert_array_equal(peaks(coarse), [[0.25, 0.75]])
    np.testing.assert_array_equal(peaks(fine), [[3.5 / 4, 5.5 / 8]])


def test_a_map_that_is_the_same_everywhere_has_no_peak_and_of_equals_the_first_counts():
    found = peaks(np.array([[[3.0, 3.0]], [[0.0, 0.0]]]))
    assert np.isnan(found).all()
    np.testing.assert_array_equal(peaks(np.array([[[1.0, 2.0, 2.0]]])), [[0.5, 0.5]])


def test_hits_and_both_kinds_of_chance_by_hand():
    left = np.array([[True, False, False, False]] * 2)
    right = np.array([[False, False, True, True]] * 2)
    none = np.zeros((2, 4), bool)
    found = np.array([[0.5, 0.1], [0.5, 0.1], [0.5, 0.9], [0.5, 0.9], [np.nan, np.nan]])
    result = hit_rate(found, [left, right, right, none, left])
    # kept: 0 hits left; 1 misses right; 2 hits right; 4 has no peak
    assert (result["images"], result["hits"], result["without_peak"]) == (4, 2, 1)
    assert result["hit_rate"] == 0.5
    assert result["interval"] == list(wilson(2, 4))
    assert result["area_share"] == pytest.approx((0.25 + 0.5 + 0.5 + 0.25) / 4)
    # peaks 0 and 1 on others' masks: 0 on left(4) 1; 1 on left(0), left(4) 2; 2 on right(1) 1; of 12 pairs
    assert result["other_images"] == pytest.approx(4 / 12)


def test_one_image_has_no_others_and_no_lesion_is_an_error():
    assert hit_rate(np.array([[0.5, 0.5]]), [np.ones((2, 2), bool)])["other_images"] is None
    with pytest.raises(ValueError, match="no image has a lesion"):
        hit_rate(np.array([[0.5, 0.5]]), [np.zeros((2, 2), bool)])
