import math

import numpy as np
import pytest
from scipy.special import softmax

from medjax.evaluation import conformal
from medjax.evaluation.labelled import Labelled


def images(probabilities, labels, groups=None):
    probabilities, labels = np.asarray(probabilities, float), np.asarray(labels)
    numbers = np.arange(len(labels)) if groups is None else np.asarray(groups)
    names = tuple(f"c{k}" for k in range(probabilities.shape[1]))
    return Labelled(labels, probabilities, probabilities.argmax(axis=1), numbers, names)


def test_scores_by_hand():
    probabilities = np.array([[0.5, 0.25, 0.125, 0.125], [0.25, 0.25, 0.25, 0.25], [0.0, 0.25, 0.75, 0.0]])
    assert conformal.scores(probabilities, "least_ambiguous").tolist() == (1 - probabilities).tolist()
    # the mass of all classes that are strictly likelier
    expected = [[0, 0.5, 0.75, 0.75], [0, 0, 0, 0], [1, 0.75, 0, 1]]
    assert conformal.scores(probabilities, "adaptive").tolist() == expected


def test_scores_do_not_depend_on_the_order_of_the_classes():
    rng = np.random.default_rng(0)
    probabilities = softmax(np.round(rng.normal(size=(50, 6))), axis=1)  # with ties
    order = rng.permutation(6)
    for method in conformal.METHODS:
        turned = conformal.scores(probabilities[:, order], method)
        assert turned == pytest.approx(conformal.scores(probabilities, method)[:, order], abs=1e-15)


def test_the_quantile_of_single_images_is_an_order_statistic():
    values = np.random.default_rng(0).permutation(19) / 32
    for coverage, rank in ((0.9, 18), (0.95, 19), (0.5, 10), (0.55, 11), (0.01, 1)):
        assert conformal.quantile(values, np.ones(19), coverage) == (rank - 1) / 32
    assert conformal.quantile(values, np.ones(19), 0.96) == math.inf


def test_the_quantile_weighs_groups_by_hand():
    # groups a: 0.1 0.2 0.3, b: 0.4, c: 0.5; the weight reached is ⅓, ⅔, 1, 2, 3, and the new group's is 1
    values, weights = np.array([0.3, 0.1, 0.2, 0.4, 0.5]), np.array([1 / 3, 1 / 3, 1 / 3, 1, 1])
    for share, expected in ((1 / 12, 0.1), (1 / 6, 0.2), (0.25, 0.3), (0.26, 0.4), (0.5, 0.4), (0.75, 0.5)):
        assert conformal.quantile(values, weights, share) == expected


def test_a_large_group_counts_as_one():
    probabilities = np.array([[0.125, 0.875]] * 8 + [[0.5, 0.5], [0.75, 0.25]])
    fitted = conformal.fit(images(probabilities, np.zeros(10, int), [0] * 8 + [1, 2]), 0.5)
    assert fitted.quantiles == {"least_ambiguous": 0.5, "adaptive": 0.0}


@pytest.mark.parametrize(("coverage", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99), (0.91, 11)])
def test_too_few_groups_are_refused_with_the_number_that_is_needed(coverage, needed):
    assert math.ceil(round(coverage * (needed + 1), 9)) <= needed
    assert math.ceil(round(coverage * needed, 9)) > needed - 1
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(3), 3 * needed), rng.integers(0, 3, 3 * needed)
    enough = conformal.fit(images(probabilities, labels, np.arange(3 * needed) % needed), coverage)
    assert (enough.needed, enough.refusal) == (needed, None)
    assert enough.sets(probabilities).shape == probabilities.shape
    if needed > 1:
        few = conformal.fit(images(probabilities, labels, np.arange(3 * needed) % (needed - 1)), coverage)
        assert few.sets(probabilities) is None
        assert f"at least {needed} group" in few.refusal
        assert few.refusal.endswith(f"it has {needed - 1}")


def test_an_adaptive_set_is_never_empty_and_never_skips_a_likelier_class():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 500)
    sets = conformal.fit(images(probabilities, probabilities.argmax(axis=1)), 0.9).sets(probabilities)
    assert (sets.sum(axis=1) == 1).all()  # all right: the likeliest class is enough
    labels = np.array([rng.choice(4, p=row) for row in probabilities])
    for method in conformal.METHODS:
        sets = conformal.fit(images(probabilities, labels), 0.9).sets(probabilities, method)
        outside = np.where(sets, -1, probabilities).max(axis=1)
        assert (outside < np.where(sets, probabilities, 2).min(axis=1)).all()
        assert sets[np.arange(500), labels].mean() == pytest.approx(0.9, abs=0.01)
    assert (
        not conformal.fit(images(probabilities, labels), 0.1).sets(probabilities, "least_ambiguous").any(axis=1).all()
    )


@pytest.mark.parametrize("method", conformal.METHODS)
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_a_new_group_is_covered_as_often_as_asked(method, coverage):
    """20 groups of 1 to 8 images whose hidden shift makes them alike; 600 splits, a new group each."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(600):
        sizes = rng.integers(1, 9, 21)
        groups = np.repeat(np.arange(21), sizes)
        shift = rng.normal(size=(21, 3))[groups] * 1.5
        labels = rng.integers(0, 3, len(groups))
        probabilities = softmax(2 * np.eye(3)[labels] + shift + rng.normal(size=shift.shape), axis=1)
        new = groups == 20
        found = conformal.fit(images(probabilities[~new], labels[~new], groups[~new]), coverage)
        covered.append(found.sets(probabilities[new], method)[np.arange(new.sum()), labels[new]].mean())
    error = 3 * np.std(covered) / math.sqrt(len(covered))
    assert np.mean(covered) > coverage - error
    if method == "least_ambiguous":  # no ties: hardly more than asked, 1 / (G + 1) at most
        assert np.mean(covered) < coverage + 1 / 21 + error
