import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from medjax.evaluation.recalibration import headline, logits, recalibrate


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    logit = rng.normal(1, 2, 300)
    positive = rng.random(300) < 1 / (1 + np.exp(-(0.5 + 0.6 * logit)))
    large, intercept, slope = recalibrate(logit, positive)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(logit[:, None], positive)
    assert slope == pytest.approx(model.coef_[0, 0], abs=1e-5)
    assert intercept == pytest.approx(model.intercept_[0], abs=1e-5)
    # the maximum likelihood: expected and observed numbers agree
    assert (1 / (1 + np.exp(-(logit + large)))).sum() == pytest.approx(positive.sum(), abs=1e-8)


def test_two_by_two_by_hand():
    # 10 images at odds 1, 5 positive; 10 at odds e, 9 positive, of odds 9
    logit = np.repeat([0.0, 1.0], 10)
    positive = np.array([1] * 5 + [0] * 5 + [1] * 9 + [0])
    _, intercept, slope = recalibrate(logit, positive.astype(bool))
    assert (intercept, slope) == pytest.approx((0, math.log(9)), abs=1e-10)


def test_separated_constant_and_single_classes_have_no_slope():
    both = np.array([False, True])
    assert np.isnan(recalibrate(np.array([-1.0, 1.0]), both)[2])
    large, _, slope = recalibrate(np.array([1.0, 1.0]), both)
    assert large == pytest.approx(-1, abs=1e-10)
    assert math.isnan(slope)
    assert np.isnan(recalibrate(np.array([-1.0, 1.0]), np.array([True, True]))).all()


def test_logits_are_exact_near_certainty_and_finite_at_it():
    probabilities = np.array([[1.0, 1e-30], [1.0, 0.0], [0.5, 0.5]])
    found = logits(probabilities, 0)
    assert found[0] == pytest.approx(30 * math.log(10))
    assert np.isfinite(found).all()
    assert found[2] == 0


def test_of_two_classes_the_second_speaks_for_both():
    values = {"class_calibration_intercept": np.array([-1.0, 1.0]), "class_calibration_slope": np.array([2.0, 2.0])}
    assert headline(values) == {"calibration_intercept": 1, "calibration_slope": 2}
