import numpy as np
import pytest

from medjax.evaluation import intervals
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions


def judged(labels, predicted, groups=None, classes=2):
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    rows = len(labels)
    probabilities = np.full((rows, classes), 0.2 / (classes - 1))
    probabilities[np.arange(rows), predicted] = 0.8
    ids = [""] * rows if groups is None else [f"g{group}" for group in groups]
    return evaluate(
        Predictions([f"i{n}" for n in range(rows)], ids, labels, probabilities, [f"c{k}" for k in range(classes)])
    )


HALVES = np.arange(40) % 2


def test_wilson_where_every_group_is_one_image():
    predicted = np.where(np.arange(40) < 6, 1 - HALVES, HALVES)
    result = judged(HALVES, predicted)
    assert result["accuracy_interval"] == pytest.approx(intervals.wilson(34, 40), abs=1e-6)
    assert result["accuracy_interval_basis"] == "Wilson, 40 images"
    rates = result["per_class"]["c1"]
    assert rates["sensitivity_interval"] == pytest.approx(intervals.wilson(17, 20), abs=1e-6)
    assert rates["specificity_interval"] == pytest.approx(intervals.wilson(17, 20), abs=1e-6)
    assert rates["f1_interval_basis"] == "bootstrap over 40 images, logit scale"


def test_larger_groups_are_resampled():
    predicted = np.where(np.arange(40) < 6, 1 - HALVES, HALVES)
    result = judged(HALVES, predicted, np.arange(40) // 2)
    assert result["accuracy_interval_basis"] == "bootstrap over 20 groups, logit scale"


def test_groups_widen_the_interval():
    labels = np.tile(HALVES, 5)
    wrong = np.arange(200) < 60
    predicted = np.where(wrong, 1 - labels, labels)
    alone = judged(labels, predicted)["accuracy_interval"]
    grouped = judged(labels, predicted, np.arange(200) // 5)["accuracy_interval"]
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_is_never_certain(right):
    predicted = HALVES if right else 1 - HALVES
    alone = judged(HALVES, predicted)
    assert alone["accuracy_interval"] == pytest.approx(intervals.wilson(40 * right, 40), abs=1e-6)
    paired = judged(HALVES, predicted, np.arange(40) // 2)
    assert paired["accuracy_interval"] == pytest.approx(intervals.wilson(20 * right, 20), abs=1e-6)
    assert paired["accuracy_interval_basis"] == "Wilson, 20 groups worth 20.0 images"
    low, high = paired["macro_auroc_interval"]
    bound = 0.025 ** (1 / 10)  # 20 groups that hold both classes: 10 disjoint pairs
    assert (low, high) == pytest.approx((bound, 1) if right else (0, 1 - bound), abs=1e-6)
    assert paired["macro_auroc_interval_basis"] == "exact, 10 disjoint pairs of groups"
    assert paired["macro_f1_interval"] is None
    assert "same value" in paired["macro_f1_interval_basis"]


def test_a_perfect_mean_of_three_classes_is_bounded_by_bonferroni():
    labels = np.arange(60) % 3
    result = judged(labels, labels, classes=3)
    assert result["macro_auroc_interval"] == pytest.approx([(0.025 / 3) ** (1 / 20), 1], abs=1e-6)
    assert result["per_class"]["c0"]["auroc_interval"] == pytest.approx([0.025 ** (1 / 20), 1], abs=1e-6)


def test_fewer_than_20_groups_have_no_interval():
    result = judged(HALVES, HALVES, np.arange(40) % 19)
    assert result["accuracy_interval"] is None
    assert result["accuracy_interval_basis"] == "not estimable: 19 groups; 20 are needed"
    assert result["intervals"]["resamples"] == 0


def test_one_group_and_one_image_have_no_interval():
    assert "1 group;" in judged(HALVES, HALVES, np.zeros(40, int))["accuracy_interval_basis"]
    assert "1 group;" in judged([0], [0])["accuracy_interval_basis"]


def test_a_class_that_resamples_lack_has_no_interval():
    labels = np.zeros(40, int)
    labels[:2] = 1  # lacking in (38/40)^40 = 13 % of the resamples
    predicted = labels.copy()
    predicted[[0, 5]] = 1 - predicted[[0, 5]]
    result = judged(labels, predicted)
    lacking = result["intervals"]["resamples_lacking_a_class"]
    assert lacking["c0"] == 0
    assert 0.10 < lacking["c1"] / 2000 < 0.16
    for name in ("macro_auroc", "balanced_accuracy", "macro_average_precision", "calibration_slope"):
        assert result[f"{name}_interval"] is None, name
    assert "of the resamples" in result["macro_auroc_interval_basis"]
    assert result["accuracy_interval"] is not None
    assert result["log_loss_interval"] is not None


def test_a_class_held_by_few_groups_has_no_sensitivity_interval():
    labels = (np.arange(80) < 20).astype(int)
    predicted = np.where(np.arange(80) % 5 == 0, 1 - labels, labels)
    rates = judged(labels, predicted, np.arange(80) // 2)["per_class"]["c1"]
    assert (rates["support"], rates["groups"]) == (20, 10)
    assert rates["sensitivity_interval_basis"] == "not estimable: 10 groups of it; 20 are needed"
    assert rates["specificity_interval"] is not None
