import numpy as np
import pytest

from medjax.evaluation import thresholds
from medjax.evaluation.labelled import Labelled


def images(first, labels, groups=None):
    """Two classes; `first` is the probability of class 0."""
    first, labels = np.asarray(first, float), np.asarray(labels)
    probabilities = np.stack([first, 1 - first], axis=1)
    numbers = np.arange(len(labels)) if groups is None else np.asarray(groups)
    return Labelled(labels, probabilities, probabilities.argmax(axis=1), numbers, ("a", "b"))


SCORES = np.arange(1, 41) / 64  # exact in binary
LABELS = np.array([1] * 20 + [0] * 20)


def test_sensitivity_is_reached_by_the_highest_threshold_that_does():
    found = thresholds.fit(images(SCORES, LABELS), "sensitivity", 0.9)[0]
    assert found.value == 23 / 64  # 18 of the 20 scores 21/64 … 40/64
    assert found.reached == 0.9
    assert found.basis == "20 images of 20 groups of the class"


def test_specificity_is_reached_by_the_lowest_threshold_that_does():
    found = thresholds.fit(images(SCORES, LABELS), "specificity", 0.9)[0]
    assert 18 / 64 < found.value < 18 / 64 + 1e-15  # 18 of the 20 scores 1/64 … 20/64 lie below it
    assert found.reached == 0.9
    assert found.basis == "20 images of 20 groups of the other classes"


@pytest.mark.parametrize("goal", thresholds.GOALS)
@pytest.mark.parametrize("asked", [0.05, 0.55, 0.551, 0.95, 0.999])
def test_what_is_asked_is_reached_and_no_neighbouring_threshold_is_better(goal, asked):
    rng = np.random.default_rng(0)
    data = images(np.round(rng.uniform(size=200), 2), rng.integers(0, 2, 200))  # with ties
    for k, found in enumerate(thresholds.fit(data, goal, asked)):
        scores = data.probabilities[:, k]
        inside = data.labels == k

        def reached(value, scores=scores, inside=inside):
            return (scores[inside] >= value).mean() if goal == "sensitivity" else (scores[~inside] < value).mean()

        assert found.reached == reached(found.value) >= asked
        beyond = np.nextafter(found.value, 2 if goal == "sensitivity" else -1)
        assert reached(beyond) < asked


def test_a_share_that_is_not_exact_in_binary_asks_for_no_image_more():
    assert 0.07 * 100 > 7
    every = images(np.arange(100) / 128, np.zeros(100, int))
    assert thresholds.fit(every, "sensitivity", 0.07)[0].reached == 0.07


def test_all_of_them_may_be_needed():
    certain = images(np.where(LABELS == 0, 1.0, 0.0), LABELS)
    assert thresholds.fit(certain, "sensitivity", 0.999)[0].value == 1
    lowest = thresholds.fit(images(np.ones(40), LABELS), "specificity", 0.999)[0]
    assert lowest.value > 1  # never called
    assert lowest.reached == 1


def test_a_class_of_few_groups_has_none():
    groups = np.concatenate([np.arange(20), 20 + np.arange(20) // 2])
    first, second = thresholds.fit(images(SCORES, LABELS, groups), "sensitivity", 0.9)
    assert (first.value, first.reached) == (None, None)
    assert first.basis == "none: 10 groups of the class; 20 are needed"
    assert second.value is not None
    assert thresholds.fit(images(SCORES, LABELS, groups), "specificity", 0.9)[1].value is None


def test_a_class_is_called_from_its_threshold_on():
    found = (thresholds.Threshold(0.9, 0.5, 0.9, ""), thresholds.Threshold(0.9, None, None, ""))
    called = thresholds.called(np.array([[0.5, 0.5], [0.4, 0.6]]), found)
    assert called[:, 0].tolist() == [1, 0]
    assert np.isnan(called[:, 1]).all()
