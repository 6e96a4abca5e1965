import math

import numpy as np
import pytest
from scipy import stats

from medjax.evaluation import intervals


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (10, 10), (97, 100)])
def test_wilson_agrees_with_scipy(successes, trials):
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert intervals.wilson(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-14)


def test_groups_that_are_alike_are_worth_their_number_at_most():
    assert intervals.effective_trials(np.array([1, 1, 1])) == 3
    assert intervals.effective_trials(np.array([5, 5])) == 2
    assert intervals.effective_trials(np.array([3, 1])) == 16 / 10


def test_percentiles_reach_further_with_few_groups():
    values = np.linspace(0, 1, 1001)
    assert intervals.percentiles(values, 10**9) == pytest.approx((0.025, 0.975), abs=1e-6)
    tail = stats.norm.cdf(-stats.t.ppf(0.975, 19) * math.sqrt(20 / 19))
    assert intervals.percentiles(values, 20) == pytest.approx((tail, 1 - tail), abs=1e-12)


def test_undefined_resamples_are_left_out():
    values = np.append(np.linspace(0, 1, 1001), np.nan)
    assert intervals.percentiles(values, 20) == intervals.percentiles(values[:-1], 20)


def test_the_logit_scale_by_hand():
    """Resamples of 0.8 ± 0.1 in 21 groups: logit ln 4, its error 0.1 · √(21/20) / 0.16."""
    low, high = intervals.on_logit_scale(0.8, np.array([0.7, 0.9, np.nan]), 21)
    half = stats.t.ppf(0.975, 20) * 0.1 * math.sqrt(21 / 20) / 0.16
    assert math.log(low / (1 - low)) == pytest.approx(math.log(4) - half, abs=1e-12)
    assert math.log(high / (1 - high)) == pytest.approx(math.log(4) + half, abs=1e-12)


def test_the_logit_scale_ends_before_0_and_1():
    low, high = intervals.on_logit_scale(0.99, np.array([0.95, 1.0, 1.0]), 30)
    assert 0.4 < low < 0.95
    assert 0.99 < high < 1
    mirrored = intervals.on_logit_scale(0.01, np.array([0.05, 0.0, 0.0]), 30)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_no_group_is_in_two_pairs():
    both = np.ones(5, bool)
    assert intervals.disjoint_pairs(both, both) == 2
    assert intervals.disjoint_pairs(np.array([1, 0, 0, 0], bool), np.array([0, 1, 1, 1], bool)) == 1


def test_the_bound_of_a_perfect_order_is_clopper_pearsons():
    expected = stats.binomtest(12, 12).proportion_ci(method="exact").low
    assert intervals.all_in_order(12) == pytest.approx(expected, abs=1e-12)
