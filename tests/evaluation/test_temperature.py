import dataclasses

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from medjax.evaluation import temperature
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.temperature import Temperature


def images(probabilities, labels, groups=None):
    probabilities, labels = np.asarray(probabilities, float), np.asarray(labels)
    numbers = np.arange(len(labels)) if groups is None else np.asarray(groups)
    names = tuple(f"c{k}" for k in range(probabilities.shape[1]))
    return Labelled(labels, probabilities, probabilities.argmax(axis=1), numbers, names)


def drawn(count, scale, seed=0):
    """Images whose probabilities are those of their labels, made sharper by `scale`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, 3)) * 1.5
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    return images(softmax(logits * scale, axis=1), labels)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found_again(scale):
    assert temperature.fit(drawn(5_000, scale)).value == pytest.approx(scale, rel=0.1)


def test_the_weighted_likelihood_is_at_its_maximum():
    data = dataclasses.replace(drawn(60, 2.0), groups=np.concatenate([np.arange(30), 30 + np.arange(30) // 3]))
    weights = 1 / np.bincount(data.groups)[data.groups]

    def loss(log_temperature):
        scores = log_softmax(np.log(data.probabilities) / np.exp(log_temperature), axis=1)
        return -(weights * scores[np.arange(60), data.labels]).sum()

    best = minimize_scalar(loss, bounds=(-2, 2), method="bounded", options={"xatol": 1e-10})
    found = temperature.fit(data)
    assert np.log(found.value) == pytest.approx(best.x, abs=1e-6)
    assert found.basis == "maximum likelihood, 60 images of 40 groups, each group of the same weight"


def test_copies_within_a_group_change_nothing():
    once = drawn(40, 2.0)
    copies = np.repeat(np.arange(40), np.arange(40) % 4 + 1)
    more = images(once.probabilities[copies], once.labels[copies], copies)
    assert temperature.fit(more).value == pytest.approx(temperature.fit(once).value, rel=1e-9)


def test_it_is_applied_to_the_logarithms():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]])
    roots = np.sqrt(probabilities)
    expected = roots / roots.sum(axis=1, keepdims=True)
    assert Temperature(2.0, "").apply(probabilities) == pytest.approx(expected, abs=1e-12)
    assert Temperature(1.0, "").apply(probabilities) is probabilities


def test_all_right_or_worse_than_chance_leaves_the_probabilities_alone():
    labels = np.arange(30) % 2
    right = images(np.where(np.eye(2)[labels] == 1, 0.8, 0.2), labels)
    assert temperature.fit(right) == Temperature(
        1.0, "not fitted: no temperature from 0.1 to 10 is the best (every image is predicted right)"
    )
    wrong = temperature.fit(images(right.probabilities[:, ::-1], labels))
    assert (wrong.value, wrong.basis[-12:]) == (1.0, "(no maximum)")
    certain = temperature.fit(images(np.eye(2)[labels], labels))
    assert certain.value == 1.0


def test_few_groups_have_no_temperature():
    few = dataclasses.replace(drawn(40, 2.0), groups=np.arange(40) % 19)
    assert temperature.fit(few) == Temperature(1.0, "not fitted: 19 groups; 20 are needed")
    assert temperature.fit(images(np.zeros((0, 2)), np.zeros(0, int))).value == 1.0


def test_certain_and_wrong_is_finite():
    data = drawn(50, 1.0)
    data.probabilities[0] = np.eye(3)[(data.labels[0] + 1) % 3]
    found = temperature.fit(data)
    assert 1 < found.value <= 10 or "not fitted" in found.basis
    assert np.isfinite(found.apply(data.probabilities)).all()
