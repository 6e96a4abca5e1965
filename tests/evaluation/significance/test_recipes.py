import math

import numpy as np
import pytest
from scipy import stats

from medjax.errors import UserError
from medjax.evaluation.significance.paired import compare_pair
from medjax.evaluation.significance.recipes import compare_classes, compare_recipes


def right(model):
    return (model.probabilities.argmax(axis=1) == model.labels).astype(float)


def test_the_analysis_by_hand(table):
    """Accuracy of single images: the covariance of two models is that of their right and wrong answers, over N."""
    first = [table(seed, [""] * 90) for seed in (0, 1, 2)]
    second = [table(seed, [""] * 90, skill=4) for seed in (3, 4)]
    found = compare_recipes(first, second, "accuracy")
    answers = np.stack([right(model) for model in first + second])
    covariance, accuracy = np.cov(answers) / 90, answers.mean(axis=1)
    images = (
        np.mean([covariance[0, 1], covariance[0, 2], covariance[1, 2]])
        + covariance[3, 4]
        - 2 * np.mean([covariance[i, j] for i in (0, 1, 2) for j in (3, 4)])
    )
    parts = [np.var(accuracy[:3], ddof=1) / 3, np.var(accuracy[3:], ddof=1) / 2, max(images, 0)]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 1 + parts[2] ** 2 / 89)
    assert found.difference == pytest.approx(accuracy[3:].mean() - accuracy[:3].mean(), abs=1e-12)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.difference) / error, freedom), abs=1e-12)
    half = stats.t.isf(0.025, freedom) * error
    assert found.interval == pytest.approx((found.difference - half, found.difference + half), abs=1e-12)
    assert found.detectable == pytest.approx(half + stats.t.isf(0.2, freedom) * error, abs=1e-12)
    assert found.basis == "variation between 3 and 2 seeds and between 90 groups"


def test_seeds_that_give_the_same_leave_the_variation_of_the_images(table, groups):
    first, second = table(0, groups), table(1, groups, skill=4)
    recipes = compare_recipes([first, first], [second, second, second], "macro_auroc")
    pair = compare_pair(first, second, "macro_auroc")
    spread = stats.t.isf(0.025, (40 if groups[0] else 120) - 1) / (
        stats.t.isf(0.025, 39) if groups[0] else stats.norm.isf(0.025)
    )
    half = [(found.interval[1] - found.interval[0]) / 2 for found in (pair, recipes)]
    assert half[1] == pytest.approx(spread * half[0], abs=1e-12)
    assert recipes.difference == pytest.approx(pair.difference, abs=1e-12)


def test_seeds_that_vary_widen_the_interval(table, groups):
    alike = compare_recipes([table(0, groups)] * 2, [table(1, groups)] * 2, "accuracy")
    varied = compare_recipes(
        [table(0, groups), table(2, groups, skill=6)], [table(1, groups), table(3, groups, skill=6)], "accuracy"
    )
    assert np.ptp(varied.interval) > 2 * np.ptp(alike.interval)


def test_exchanging_the_recipes_turns_the_sign_alone(table, groups):
    first, second = [table(seed, groups) for seed in (0, 1, 2)], [table(seed, groups) for seed in (3, 4)]
    found, back = compare_recipes(first, second, "mcc"), compare_recipes(second, first, "mcc")
    assert back.difference == pytest.approx(-found.difference, abs=1e-15)
    assert back.p_value == pytest.approx(found.p_value, abs=1e-12)


def test_one_seed_shows_no_variation_between_seeds(table, groups):
    found = compare_recipes([table(0, groups)], [table(1, groups), table(2, groups)], "accuracy")
    assert (found.interval, found.p_value) == (None, None)
    assert "one seed" in found.basis


def test_the_same_recipe_does_not_differ(table, groups):
    seeds = [table(0, groups)] * 2
    found = compare_recipes(seeds, seeds, "accuracy")
    assert (found.difference, found.p_value, found.interval) == (0, 1, None)


def test_the_classes_are_what_the_macro_auroc_is_the_mean_of(table, groups):
    first, second = [table(seed, groups) for seed in (0, 1, 2)], [table(seed, groups) for seed in (3, 4)]
    found = compare_classes(first, second)
    assert list(found) == ["c0", "c1", "c2"]
    means = np.mean([one.difference for one in found.values()])
    assert compare_recipes(first, second, "macro_auroc").difference == pytest.approx(means, abs=1e-12)


def test_of_two_classes_each_is_compared_as_the_macro_auroc_is(table):
    first, second = [table(seed, [""] * 90, 2) for seed in (0, 1)], [table(seed, [""] * 90, 2) for seed in (2, 3)]
    macro = compare_recipes(first, second, "macro_auroc")
    for one in compare_classes(first, second).values():
        assert one.interval == pytest.approx(macro.interval, abs=1e-12)
        assert (one.test, one.basis) == (macro.test, macro.basis)


def test_every_seed_must_be_of_the_same_images(table):
    first = [table(seed, [""] * 30) for seed in (0, 1)]
    with pytest.raises(UserError, match="not of the same test set"):
        compare_recipes(first, [table(2, [""] * 30), table(3, [""] * 31)], "accuracy")
    with pytest.raises(ValueError, match="2 and 0 tables"):
        compare_recipes(first, [], "accuracy")


def test_few_groups_bear_no_test(table):
    seeds = [table(seed, [f"g{n % 19}" for n in range(57)]) for seed in range(4)]
    assert compare_recipes(seeds[:2], seeds[2:], "accuracy").basis == "not estimable: 19 groups; 20 are needed"
