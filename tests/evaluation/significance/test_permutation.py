import numpy as np
import pytest
from scipy import stats

from medjax.evaluation.significance.permutation import exchange


def sums(values):
    return lambda signs: signs @ np.asarray(values, float)


def test_all_patterns_of_few_groups():
    """±1 ±2 ±3: the sum is 6 or −6 in 2 of 8 patterns, beyond 4 in absolute value in 4 of 8."""
    assert exchange(3, 6, sums([1, 2, 3])) == (2 / 8, True)
    assert exchange(3, 4, sums([-1, 2, 3])) == (4 / 8, True)
    assert exchange(3, 0, sums([1, 2, -3])) == (1, True)


def test_no_group_in_which_the_models_differ():
    assert exchange(0, 0.0, lambda signs: np.zeros(len(signs))) == (1, True)


def test_draws_come_close_to_the_exact_p():
    """15 groups of ±1, 12 to one side: the sign test."""
    p_value, every = exchange(15, 9, sums(np.ones(15)))
    exact = stats.binomtest(12, 15).pvalue
    assert not every
    assert p_value == pytest.approx(exact, abs=4 * np.sqrt(exact / 10_000))


def test_the_most_extreme_of_many_is_the_smallest_p():
    p_value, _ = exchange(70, 70, sums(np.ones(70)))
    assert p_value == pytest.approx(1 / 10_001)


def test_signs_are_fair_and_independent():
    seen = []
    exchange(70, 1, lambda signs: (seen.append(signs), signs.sum(axis=1))[1])
    signs = np.concatenate(seen)
    assert signs.shape == (10_000, 70)
    np.testing.assert_allclose(signs.T @ signs / 10_000, np.eye(70), atol=0.05)
    assert abs(signs.mean(axis=0)).max() < 0.05


def test_an_undefined_statistic_counts_as_extreme():
    assert exchange(3, 1, lambda signs: np.where(signs[:, 0] > 0, np.nan, 0)) == (4 / 8, True)


def test_equal_sums_that_differ_by_rounding_count():
    values = [0.1, 0.2, 0.3]
    assert exchange(3, sum(values) * (1 + 1e-15), sums(values)) == (2 / 8, True)
