import math

import numpy as np
import pytest

from medjax.evaluation.confusion import averages, class_rates, confusion_matrix, predictive_values

# class 1 is positive: 40 true positives, 10 missed, 5 false alarms, 45 true negatives
BINARY = np.array([[45, 5], [10, 40]])


def test_confusion_matrix_rows_are_true_classes():
    assert confusion_matrix(np.array([0, 0, 1]), np.array([1, 1, 0]), 3).tolist() == [[0, 2, 0], [1, 0, 0], [0, 0, 0]]


def test_class_rates_of_a_binary_table():
    rates = class_rates(BINARY)
    assert rates["sensitivity"].tolist() == [0.9, 0.8]
    assert rates["specificity"].tolist() == [0.8, 0.9]
    assert rates["precision"].tolist() == [45 / 55, 40 / 45]
    assert rates["npv"].tolist() == [40 / 45, 45 / 55]
    assert rates["f1"].tolist() == [90 / 105, 80 / 95]


def test_averages_of_a_binary_table():
    result = averages(BINARY, ordered=True)
    assert result["accuracy"] == 0.85
    assert result["weighted_f1"] == pytest.approx((90 / 105 + 80 / 95) / 2, abs=1e-15)
    assert result["mcc"] == pytest.approx((40 * 45 - 5 * 10) / math.sqrt(45 * 50 * 50 * 55), abs=1e-15)
    assert result["cohen_kappa"] == pytest.approx((0.85 - 0.5) / 0.5, abs=1e-15)
    assert result["quadratic_kappa"] == result["cohen_kappa"]


def test_leading_axes_are_other_tables():
    other = np.array([[1, 2], [3, 4]])
    both = averages(np.stack([BINARY, other]), ordered=True)
    assert {name: value[1] for name, value in both.items()} == averages(other, ordered=True)


def test_a_far_miss_weighs_more_in_the_quadratic_kappa():
    near, far = np.array([[9, 1, 0], [0, 10, 0], [0, 0, 10]]), np.array([[9, 0, 1], [0, 10, 0], [0, 0, 10]])
    assert averages(near, True)["quadratic_kappa"] > averages(far, True)["quadratic_kappa"]
    assert averages(near)["cohen_kappa"] == averages(far)["cohen_kappa"]


def test_agreement_without_two_classes_is_undefined():
    one = averages(np.array([[5, 0], [0, 0]]), ordered=True)
    assert np.isnan([one[name] for name in ("mcc", "cohen_kappa", "quadratic_kappa", "macro_f1")]).all()
    assert (one["accuracy"], one["weighted_f1"]) == (1, 1)


def test_predictive_values_at_a_stated_prevalence():
    # sensitivity and specificity 0.9; of 1,000: 10 ill, 9 found; 990 well, 99 called ill
    found = predictive_values(np.array([[90, 10], [1, 9]]), (0.99, 0.01))
    assert found["ppv_at_prevalence"] == pytest.approx([891 / 892, 9 / 108], abs=1e-15)
    assert found["npv_at_prevalence"] == pytest.approx([9 / 108, 891 / 892], abs=1e-15)


def test_at_the_prevalence_of_the_images_they_are_the_plain_ones():
    matrix = np.array([[5, 2, 1], [0, 3, 1], [4, 0, 4]])
    found, rates = predictive_values(matrix, (0.4, 0.2, 0.4)), class_rates(matrix)
    assert found["ppv_at_prevalence"] == pytest.approx(rates["precision"], abs=1e-15)
    assert found["npv_at_prevalence"] == pytest.approx(rates["npv"], abs=1e-15)


def test_predictive_values_allow_for_the_mixture_of_the_other_classes():
    # none of b, a third of c is called a; by the share of c, 0 or 1/2, so are 0 or 1/6 of all
    matrix = np.array([[6, 0, 0], [0, 3, 0], [1, 0, 2]])
    assert predictive_values(matrix, (0.5, 0.5, 0))["ppv_at_prevalence"][0] == 1
    assert predictive_values(matrix, (0.5, 0, 0.5))["ppv_at_prevalence"][0] == pytest.approx(0.5 / (0.5 + 1 / 6))


def test_predictive_values_without_images_are_undefined():
    never_called = predictive_values(np.array([[4, 0], [2, 0]]), (0.5, 0.5))
    assert np.isnan(never_called["ppv_at_prevalence"]).tolist() == [False, True]
    assert np.isnan(never_called["npv_at_prevalence"]).tolist() == [True, False]
    absent = np.array([[4, 0, 0], [1, 1, 0], [0, 0, 0]])
    assert np.isnan(predictive_values(absent, (0.5, 0.25, 0.25))["ppv_at_prevalence"]).all()
    assert predictive_values(absent, (0.5, 0.5, 0))["ppv_at_prevalence"][:2] == pytest.approx([0.5 / 0.75, 1])
