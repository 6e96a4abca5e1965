import numpy as np
import pytest
from scipy.special import softmax

from medjax.pipeline.balance import balance

LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2, -1])  # 6, 3 and 1 of 10


def make(class_weights="none", sampling="shuffle", labels=LABELS, num_classes=3):
    return balance(labels, num_classes, class_weights=class_weights, sampling=sampling)


def test_off_nothing_is_weighed_or_corrected():
    found = make()
    np.testing.assert_allclose(found.natural, [0.6, 0.3, 0.1])
    assert found.weights is None
    assert found.correction is None
    assert found.to_json() is None


def test_balanced_weights_are_the_inverse_frequency_with_mean_1_over_the_images():
    found = make(class_weights="balanced")
    np.testing.assert_allclose(found.weights, [10 / 18, 10 / 9, 10 / 3])
    np.testing.assert_allclose(found.weights[LABELS[:-1]].mean(), 1)


@pytest.mark.parametrize("on", [{"class_weights": "balanced"}, {"sampling": "balanced"}])
def test_either_trains_on_an_even_mixture_and_the_correction_leads_back(on):
    found = make(**on)
    np.testing.assert_allclose(found.trained, [1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(found.correction, np.log([1.8, 0.9, 0.3]))


def test_both_train_on_the_inverse_mixture():
    found = make("balanced", "balanced")
    np.testing.assert_allclose(found.trained, np.array([1, 2, 6]) / 9)
    np.testing.assert_allclose(found.correction, np.log([0.6 * 9, 0.3 * 9 / 2, 0.1 * 9 / 6]))


def test_a_network_that_knows_nothing_answers_the_natural_prior():
    np.testing.assert_allclose(softmax(np.zeros(3) + make(sampling="balanced").correction), [0.6, 0.3, 0.1])


@pytest.mark.parametrize("on", [{"class_weights": "balanced"}, {"sampling": "balanced"}])
def test_a_class_without_images_keeps_its_logit(on):
    found = make(**on, labels=np.array([0, 0, 0, 2]))
    np.testing.assert_allclose(found.trained, [0.5, 0, 0.5])
    np.testing.assert_allclose(found.correction, [np.log(1.5), 0, np.log(0.5)])


def test_what_is_recorded():
    assert make(sampling="balanced", labels=np.array([0, 0, 0, 1]), num_classes=2).to_json() == {
        "natural_prior": [0.75, 0.25],
        "trained_prior": [0.5, 0.5],
        "added_to_logits": pytest.approx([np.log(1.5), np.log(0.5)]),
    }
