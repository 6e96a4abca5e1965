import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from medjax.errors import UserError
from medjax.evaluation import bootstrap, confusion, ranking, scores
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.significance.influence import METRICS, influences


@pytest.mark.parametrize("metric", METRICS)
def test_the_value_is_scikit_learns(table, expected, groups, metric):
    predictions = table(0, groups)
    value, _ = influences(Labelled.of(predictions, ordered=True), metric)
    assert value == pytest.approx(expected(predictions, metric), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_the_variance_is_close_to_that_of_the_bootstrap(table, groups, metric):
    images = Labelled.of(table(0, groups), ordered=True)
    _, of_groups = influences(images, metric)
    family = {"log_loss": scores, "brier_score": scores, "macro_auroc": ranking}.get(metric, confusion)
    estimate = family.resampler(images)
    drawn = [estimate(counts)[metric] for counts in bootstrap.group_counts(images.num_groups, 2000, 500)]
    assert np.sqrt((of_groups**2).sum()) == pytest.approx(np.std(np.concatenate(drawn)), rel=0.1)


def test_the_variance_of_accuracy_by_hand(table):
    images = Labelled.of(table(0, [""] * 40))
    accuracy, of_groups = influences(images, "accuracy")
    assert (of_groups**2).sum() == pytest.approx(accuracy * (1 - accuracy) / 39, abs=1e-15)


def test_the_variance_of_a_count_metric_is_the_jackknifes(table, groups):
    """(G − 1) / G · Σ (value without a group − their mean)², each computed by scikit-learn."""
    predictions = table(0, groups)
    images = Labelled.of(predictions)
    left_out = []
    for group in range(images.num_groups):
        kept = images.groups != group
        left_out.append(matthews_corrcoef(images.labels[kept], images.predicted[kept]))
    expected = (len(left_out) - 1) * np.var(left_out)
    assert (influences(images, "mcc")[1] ** 2).sum() == pytest.approx(expected, rel=1e-9)


def test_leaving_out_the_only_group_of_a_class_is_undefined(table):
    images = Labelled.of(table(0, [""] * 30, 2, labels=[1] + [0] * 29))
    assert np.isnan(influences(images, "balanced_accuracy")[1]).any()


def test_what_is_no_metric_is_refused(table):
    images = Labelled.of(table(0, [""] * 30))
    with pytest.raises(UserError, match="choose one of accuracy, log_loss"):
        influences(images, "auc")
    with pytest.raises(UserError, match="steps of a scale"):
        influences(images, "quadratic_kappa")
