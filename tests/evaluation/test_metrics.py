import json
import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from medjax.errors import UserError
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.ranking import one_vs_rest_auroc
from medjax.evaluation.scores import log_loss
from medjax.evaluation.settings import Settings


def table(labels, probabilities, groups=None, names=("a", "b", "c")):
    rows = len(labels)
    names = names[: np.shape(probabilities)[1]]
    return Predictions([f"i{n}" for n in range(rows)], groups or [""] * rows, labels, probabilities, names)


# true a: predicted a, a, b; true b: b, a; true c: c
SIX_LABELS = [0, 0, 0, 1, 1, 2]
SIX = [[0.8, 0.1, 0.1], [0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.2, 0.6, 0.2], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8]]


def test_hand_computed_table():
    result = evaluate(table(SIX_LABELS, SIX))
    assert result["confusion_matrix"] == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert (result["images"], result["correct"]) == (6, 4)
    assert result["accuracy"] == 4 / 6
    assert result["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3, abs=1e-15)
    assert result["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 1) / 3, abs=1e-15)
    expected = -(math.log(0.8) + math.log(0.5) + math.log(0.25) + math.log(0.6) + math.log(0.2) + math.log(0.8)) / 6
    assert result["log_loss"] == pytest.approx(expected, abs=1e-15)
    a, b, c = (result["per_class"][name] for name in "abc")
    assert (a["support"], a["sensitivity"], a["specificity"], a["precision"], a["f1"]) == (
        3,
        2 / 3,
        2 / 3,
        2 / 3,
        2 / 3,
    )
    assert (b["support"], b["sensitivity"], b["specificity"], b["precision"], b["f1"]) == (
        2,
        1 / 2,
        3 / 4,
        1 / 2,
        1 / 2,
    )
    assert (c["support"], c["sensitivity"], c["specificity"], c["precision"], c["f1"]) == (1, 1, 1, 1, 1)
    # a: positives .8 .5 .25 against .2 .6 .1: 7 of 9 pairs in order; b: .6 .2 against .1 .25 .5 .1: 6 of 8
    assert a["auroc"] == pytest.approx(7 / 9, abs=1e-15)
    assert b["auroc"] == 6 / 8
    assert c["auroc"] == 1
    assert result["macro_auroc"] == pytest.approx((7 / 9 + 6 / 8 + 1) / 3, abs=1e-15)
    assert result["warnings"] == []


def test_ties_count_one_half_in_auroc():
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.25, 0.75]])
    # class 1 is true for rows 1 and 2: pairs with row 0 are one tie and one in order
    assert one_vs_rest_auroc(np.array([0, 1, 1]), probabilities).tolist() == [0.75, 0.75]


def test_constant_scores_give_one_half():
    assert one_vs_rest_auroc(np.array([0, 1, 1, 0]), np.full((4, 2), 0.5)).tolist() == [0.5, 0.5]


def test_a_tied_prediction_is_the_first_class():
    assert evaluate(table([0, 1], [[0.5, 0.5], [0.5, 0.5]]))["confusion_matrix"] == [[1, 0], [1, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1, 2, 3], [40, 30, 20, 10]))
    # coarse probabilities, so that many tie
    probabilities = rng.integers(1, 6, (100, 4)).astype(float)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    result = evaluate(table(labels, probabilities, names=("a", "b", "c", "d")), ordered=True)
    predicted = probabilities.argmax(axis=1)
    assert result["confusion_matrix"] == sklearn_metrics.confusion_matrix(labels, predicted).tolist()
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(labels, predicted),
        "macro_f1": sklearn_metrics.f1_score(labels, predicted, average="macro"),
        "weighted_f1": sklearn_metrics.f1_score(labels, predicted, average="weighted"),
        "mcc": sklearn_metrics.matthews_corrcoef(labels, predicted),
        "cohen_kappa": sklearn_metrics.cohen_kappa_score(labels, predicted),
        "quadratic_kappa": sklearn_metrics.cohen_kappa_score(labels, predicted, weights="quadratic"),
        "macro_average_precision": sklearn_metrics.average_precision_score(np.eye(4)[labels], probabilities),
        "brier_score": sklearn_metrics.brier_score_loss(labels, probabilities),
        "macro_auroc": sklearn_metrics.roc_auc_score(labels, probabilities, multi_class="ovr"),
        "log_loss": sklearn_metrics.log_loss(labels, probabilities),
    }
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, abs=1e-14), name
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(labels, predicted)
    for k, rates in enumerate(result["per_class"].values()):
        assert (rates["precision"], rates["sensitivity"], rates["support"]) == (precision[k], recall[k], support[k])
        assert rates["f1"] == pytest.approx(f1[k], abs=1e-15)


def test_a_missing_class_is_undefined_and_named():
    result = evaluate(table([0, 0, 1], [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]]))
    c = result["per_class"]["c"]
    assert (c["support"], c["groups"], c["specificity"]) == (0, 0, 2 / 3)
    undefined = ("sensitivity", "precision", "npv", "f1", "auroc", "average_precision", "calibration_intercept")
    assert [c[name] for name in undefined] == [None] * len(undefined)
    assert [c[f"{name}_interval"] for name in undefined] == [None] * len(undefined)
    assert result["balanced_accuracy"] is None
    assert result["macro_f1"] is None
    assert result["macro_auroc"] is None
    assert result["accuracy"] == 2 / 3
    assert result["warnings"] == ["no image of class 'c': its rates and all averages over classes are undefined"]


def test_a_warning_is_left_to_the_table_of_results_to_say_once(caplog):
    result = evaluate(table([0, 0], [[0.8, 0.2], [0.6, 0.4]]))
    assert "no image of class 'b'" in result["warnings"][0]
    assert not caplog.messages


def test_a_class_that_is_never_predicted_has_no_precision_but_an_f1_of_0():
    b = evaluate(table([0, 1], [[0.8, 0.2], [0.6, 0.4]]))["per_class"]["b"]
    assert (b["precision"], b["f1"], b["sensitivity"]) == (None, 0.0, 0.0)


def test_a_single_class_has_accuracy_and_sensitivity_only():
    result = evaluate(table([1, 1], [[0.8, 0.2], [0.4, 0.6]]))
    b = result["per_class"]["b"]
    assert (result["accuracy"], b["sensitivity"], b["specificity"], b["auroc"]) == (0.5, 0.5, None, None)
    assert any("all images are of one class" in warning for warning in result["warnings"])


def test_one_image():
    result = evaluate(table([0], [[0.75, 0.25]]))
    assert (result["images"], result["accuracy"]) == (1, 1.0)
    assert result["log_loss"] == -math.log(0.75)
    assert result["macro_auroc"] is None


def test_images_without_label_are_left_out_and_counted():
    result = evaluate(table([0, -1, 1], [[0.8, 0.2], [0.8, 0.2], [0.2, 0.8]]))
    assert (result["images"], result["images_without_label"], result["accuracy"]) == (2, 1, 1.0)


def test_no_labels_at_all():
    result = evaluate(table([-1], [[0.8, 0.2]]))
    assert (result["images"], result["accuracy"], result["log_loss"]) == (0, None, None)
    assert result["warnings"] == ["no image has a label: nothing can be measured"]


def test_no_rows_are_refused():
    with pytest.raises(UserError, match="no rows"):
        evaluate(table([], np.zeros((0, 2))))


@pytest.mark.parametrize(
    ("groups", "count"), [(["p", "p", "q"], 2), (["", "", ""], None), (["p", "", ""], 3), (["p", "p", "p"], 1)]
)
def test_groups_are_counted(groups, count):
    assert evaluate(table([0, 1, 1], [[1, 0], [0, 1], [0, 1]], groups))["groups"] == count


def test_groups_of_unlabelled_images_do_not_count():
    assert evaluate(table([0, 1, -1], [[1, 0], [0, 1], [0, 1]], ["p", "p", "q"]))["groups"] == 1


def test_log_loss_clips_exact_zeros_only():
    assert log_loss(np.array([0]), np.array([[1e-300, 1.0]])) == pytest.approx(300 * math.log(10), abs=1e-12)
    result = evaluate(table([0, 1], [[0.0, 1.0], [0.0, 1.0]]))
    assert result["log_loss"] == pytest.approx(-math.log(2.0**-1022) / 2, abs=1e-12)
    assert result["zero_probability_images"] == 1
    assert any("probability 0" in warning for warning in result["warnings"])


def test_the_result_is_strict_json():
    result = evaluate(table([0], [[1.0, 0.0]]))
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_same_predictions_give_the_same_bytes():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1], 60)
    predictions = table(rng.integers(0, 2, 60), probabilities, [f"g{n}" for n in rng.integers(0, 30, 60)])
    assert json.dumps(evaluate(predictions)) == json.dumps(evaluate(predictions))


def test_every_metric_has_an_interval_and_says_on_what_it_rests():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    probabilities = np.stack([1 - labels, labels], axis=1) * 0.3 + rng.dirichlet([1, 1], 100) * 0.7
    result = evaluate(table(labels, probabilities, [f"g{n // 2}" for n in range(100)]), ordered=True)
    for block in (result, *result["per_class"].values()):
        names = [name.removesuffix("_interval") for name in block if name.endswith("_interval")]
        for name in names:
            low, high = block[f"{name}_interval"]
            assert low <= block[name] <= high, name
            assert low < high, name
            assert "bootstrap over 50 groups" in block[f"{name}_interval_basis"]
    assert result["intervals"]["groups"] == 50
    assert result["intervals"]["largest_group"] == 2


def test_classes_without_order_have_no_weighted_kappa():
    assert "quadratic_kappa" not in evaluate(table([0, 1], [[0.8, 0.2], [0.2, 0.8]]))


def test_a_constant_prediction_has_no_mcc_and_says_so():
    result = evaluate(table([0, 1], [[0.8, 0.2], [0.8, 0.2]]))
    assert result["mcc"] is None
    assert result["warnings"] == ["all images are predicted as one class: the MCC is undefined"]


def test_predictive_values_at_a_stated_prevalence_have_intervals():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 100)
    probabilities = np.stack([1 - labels, labels], axis=1) * 0.3 + rng.dirichlet([1, 1], 100) * 0.7
    stated = evaluate(table(labels, probabilities), settings=Settings(prevalence=(0.9, 0.1)))["per_class"]
    b = stated["b"]
    called, missed = b["sensitivity"] * 0.1, (1 - b["specificity"]) * 0.9
    assert (stated["a"]["prevalence"], b["prevalence"]) == (0.9, 0.1)
    assert b["ppv_at_prevalence"] == pytest.approx(called / (called + missed), abs=1e-12)
    for name in ("ppv_at_prevalence", "npv_at_prevalence"):
        low, high = b[f"{name}_interval"]
        assert low < b[name] < high
        assert "bootstrap over 100 images" in b[f"{name}_interval_basis"]
    assert "prevalence" not in evaluate(table(labels, probabilities))["per_class"]["b"]


def test_settings_that_do_not_fit_the_table_are_refused():
    with pytest.raises(UserError, match="3 classes need a share each"):
        evaluate(table(SIX_LABELS, SIX), settings=Settings(prevalence=(0.5, 0.5)))


def test_curves_are_left_out_where_a_class_is_missing():
    result = evaluate(table([0, 0, 1], [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]]))
    assert list(result["curves"]) == list(result["decision_curves"]) == ["a", "b"]
    assert evaluate(table([-1], [[0.8, 0.2]]))["curves"] == {}
