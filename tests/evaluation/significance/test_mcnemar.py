import math

import numpy as np
import pytest
from scipy import stats

from medjax.evaluation.significance.mcnemar import mcnemar, score_interval


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 5), (1, 7), (6, 16), (12, 12)])
def test_few_discordant_images_are_tested_exactly(first, second):
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1
    assert mcnemar(first, second) == pytest.approx(expected, abs=1e-14)
    assert mcnemar(second, first) == mcnemar(first, second)


def test_published_examples():
    """Fagerland, Lydersen & Laake 2013, tables 2 and 3."""
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)
    assert mcnemar(6, 16) == pytest.approx(0.0525, abs=5e-5)


def test_from_25_discordant_images_on_mid_p():
    def mid_p(fewer, total):
        ways = [math.comb(total, n) for n in range(fewer + 1)]
        return (2 * sum(ways[:-1]) + ways[-1]) / 2**total

    assert mcnemar(8, 17) == pytest.approx(mid_p(8, 25), abs=1e-14)
    assert mcnemar(40, 20) == pytest.approx(mid_p(20, 60), abs=1e-14)
    assert mcnemar(13, 13) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize(("first", "second", "images"), [(1, 7, 21), (7, 1, 21), (10, 30, 100), (0, 4, 50)])
def test_the_bounds_are_where_the_score_test_just_rejects(first, second, images):
    """The variance under the bound from the likelihood's maximum, searched on a fine grid."""
    for bound in score_interval(first, second, images, 0.95):
        losses = np.linspace(max(0, -bound), (1 - bound) / 2, 1_000_001)
        gains = losses + bound
        with np.errstate(divide="ignore", invalid="ignore"):
            likelihood = first * np.log(losses) if first else np.zeros_like(losses)
            likelihood += second * np.log(gains)
            likelihood += (images - first - second) * np.log(1 - losses - gains)
        best = np.nanargmax(likelihood)
        variance = (losses[best] + gains[best] - bound**2) / images
        score = ((second - first) / images - bound) / math.sqrt(variance)
        assert abs(score) == pytest.approx(stats.norm.isf(0.025), abs=1e-4)


def test_the_interval_without_a_discordant_image():
    z2 = stats.norm.isf(0.025) ** 2
    expected = z2 / (50 + z2)  # Wilson's bound of a share of 0 in 50
    assert score_interval(0, 0, 50, 0.95) == pytest.approx((-expected, expected), abs=1e-9)


def test_the_interval_where_every_image_is_discordant():
    low, high = score_interval(0, 50, 50, 0.95)
    assert high == 1
    assert 0.8 < low < 1
    assert score_interval(50, 0, 50, 0.95) == pytest.approx((-1, -low), abs=1e-12)
