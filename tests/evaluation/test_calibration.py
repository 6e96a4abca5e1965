import math

import numpy as np
import pytest
from scipy import stats

from medjax.evaluation import calibration
from medjax.evaluation.labelled import Labelled


def images(confidence, right, groups=None):
    """Two classes; every image is predicted as class 0 with the given confidence."""
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    numbers = np.arange(len(right)) if groups is None else np.asarray(groups)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    return Labelled((~right).astype(int), probabilities, np.zeros(len(right), int), numbers, ("a", "b"))


def test_error_of_one_bin_by_hand():
    # 4 images at 0.75, 2 of them right: the gap is 0.25, its variance 0.25 / 4 · 4/3
    debiased, plain = calibration.calibration_error(images([0.75] * 4, [1, 1, 0, 0]))
    folded = stats.foldnorm(c=0.25 / math.sqrt(0.25 / 3), scale=math.sqrt(0.25 / 3)).mean()
    assert plain == 0.25
    assert debiased == pytest.approx(2 * 0.25 - folded, abs=1e-12)


def test_images_of_one_group_count_as_one_for_the_bias():
    right = [1, 1, 0, 0]
    twice = images([0.75] * 8, np.repeat(right, 2), np.repeat(np.arange(4), 2))
    once = images([0.75] * 4, right)
    assert calibration.calibration_error(twice) == pytest.approx(calibration.calibration_error(once), abs=1e-12)


def test_the_error_that_chance_makes_is_taken_away_in_part():
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        confidence = rng.uniform(0.5, 1, 300)
        errors.append(calibration.calibration_error(images(confidence, rng.random(300) < confidence)))
    debiased, plain = np.mean(errors, axis=0)
    assert plain > 0.05
    assert 0 < debiased < 0.65 * plain


def test_certain_and_right_has_no_error():
    assert calibration.calibration_error(images([1.0] * 5, [1] * 5)) == (0, 0)


@pytest.mark.parametrize("groups", [[0], [0, 0, 0]])
def test_a_bin_of_one_group_has_no_debiased_error(groups):
    debiased, plain = calibration.calibration_error(images([0.75] * len(groups), [1] * len(groups), groups))
    assert math.isnan(debiased)
    assert plain == 0.25


def test_bins_hold_about_as_many_and_never_divide_equal_confidences():
    assert np.bincount(calibration.reliability_bins(np.linspace(0.5, 1, 40))).tolist() == [10, 10, 10, 10]
    assert len(np.bincount(calibration.reliability_bins(np.linspace(0.5, 1, 1000)))) == 15
    assert calibration.reliability_bins(np.full(100, 0.9)).tolist() == [0] * 100


def test_points_of_the_curve():
    confidence = [0.5] * 10 + [0.9] * 10
    curve = calibration.reliability_curve(images(confidence, [1] * 5 + [0] * 5 + [1] * 10, np.arange(20) // 2))
    assert [point["accuracy"] for point in curve] == [0.5, 1]
    assert [point["confidence"] for point in curve] == pytest.approx([0.5, 0.9])
    assert [(point["images"], point["groups"]) for point in curve] == [(10, 5), (10, 5)]


def test_a_second_bin_begins_with_20_images():
    assert np.bincount(calibration.reliability_bins(np.linspace(0.5, 1, 19))).tolist() == [19]
    assert np.bincount(calibration.reliability_bins(np.linspace(0.5, 1, 20))).tolist() == [10, 10]


def test_a_gap_without_spread_is_all_error():
    assert calibration.calibration_error(images([0.75] * 4, [1] * 4)) == pytest.approx((0.25, 0.25), abs=1e-12)


def test_bins_weigh_by_their_images():
    # 10 at 0.5, all wrong, and 30 at 1, all right
    confidence, right = [0.5] * 10 + [1.0] * 30, [0] * 10 + [1] * 30
    assert calibration.calibration_error(images(confidence, right)) == pytest.approx((0.125, 0.125), abs=1e-12)


def test_the_spread_of_a_bin_is_over_its_own_groups():
    # gaps of 0.25, with the variance 0.25 / 10 · 10/9, and of 0.125 without any
    confidence = [0.75] * 10 + [0.875] * 10
    right = [1, 0] * 5 + [1] * 10
    debiased, plain = calibration.calibration_error(images(confidence, right))
    spread = math.sqrt(0.25 / 9)
    folded = stats.foldnorm(c=0.25 / spread, scale=spread).mean()
    assert plain == pytest.approx((0.25 + 0.125) / 2, abs=1e-12)
    assert debiased == pytest.approx((2 * 0.25 - folded + 0.125) / 2, abs=1e-12)


def test_a_bin_that_a_resample_lacks_adds_nothing():
    of = images([0.75] * 10 + [0.875] * 10, [1, 0] * 5 + [1] * 10)
    counts = np.repeat([[0, 1], [1, 0]], 10, axis=1)
    found = calibration.resampler(of)(counts)
    assert found["plain_calibration_error"] == pytest.approx([0.125, 0.25], abs=1e-12)
    assert found["expected_calibration_error"][0] == pytest.approx(0.125, abs=1e-12)


def test_no_images_have_no_error():
    assert np.isnan(calibration.calibration_error(images([], []))).all()
