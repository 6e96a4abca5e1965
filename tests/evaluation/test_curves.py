import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from medjax.evaluation import bootstrap, ranking
from medjax.evaluation.curves import decision_curves, ranking_curves
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.uncertainty import Uncertainty


def images(labels, scores, groups=None, classes=2):
    """Of two classes, `scores` are the probabilities of the second."""
    labels, scores = np.asarray(labels), np.asarray(scores, float)
    probabilities = np.stack([1 - scores, scores], axis=1) if scores.ndim == 1 else scores
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    names = tuple("abcdef"[: probabilities.shape[1]])
    return Labelled(labels, probabilities, probabilities.argmax(axis=1), groups, names)


def curves(of):
    return ranking_curves(of, Uncertainty(of, (ranking,)))


def test_curves_by_hand():
    # from the highest score down: b, a, then b and a tie, a
    found = curves(images([1, 0, 1, 0, 0], [0.9, 0.8, 0.5, 0.5, 0.1]))["b"]
    roc, pr = found["roc"], found["pr"]
    assert roc["fpr"] == pr["recall"] == [step / 100 for step in range(101)]
    # (0, 1/2), (1/3, 1/2), (2/3, 1), (1, 1), with a line across the tie
    assert [roc["tpr"][at] for at in (0, 33, 67, 100)] == [0.5, 0.5, 1, 1]
    assert roc["tpr"][50] == pytest.approx(0.75, abs=1e-6)
    # recall 1/2 at precision 1, recall 1 at 2 of 4
    assert pr["precision"] == [1.0] * 51 + [0.5] * 50
    assert (roc["low"], roc["high"], pr["low"], pr["high"]) == (None,) * 4


@pytest.mark.parametrize("seed", range(4))
def test_curves_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, 60), rng.integers(0, 12, 60) / 12  # many tie
    found = curves(images(labels, scores))["b"]
    fpr, tpr, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
    # where several points have one rate, interp takes the last of them
    assert found["roc"]["tpr"] == pytest.approx(np.interp(np.arange(101) / 100, fpr, tpr).tolist(), abs=2e-6)
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, scores)
    # from the highest threshold, which is listed last, after the point (1, 0) that is no threshold
    steps = [(r, p) for p, r in zip(precision[:-1], recall[:-1], strict=True)][::-1]
    expected = [next(p for r, p in steps if r > 0 and r >= wanted / 100 - 1e-12) for wanted in range(101)]
    assert found["pr"]["precision"] == pytest.approx(expected, abs=2e-6)


def test_a_band_holds_the_percentiles_of_the_resamples_and_the_curve():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    of = images(labels, np.clip(0.3 * labels + 0.7 * rng.random(80), 0, 1), np.arange(80) // 2)
    found = curves(of)["b"]["roc"]
    values = bootstrap.replicates(of, (ranking,))["roc"][:, 1]
    for at in (10, 50):
        assert found["low"][at] <= np.quantile(values[:, at], 0.03)
        assert found["high"][at] >= np.quantile(values[:, at], 0.97)
    assert all(low <= value <= high for low, value, high in zip(found["low"], found["tpr"], found["high"], strict=True))
    assert found["low"][30] < found["high"][30]


def test_a_class_without_images_or_without_others_has_no_curve():
    probabilities = [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1]]
    of = images([0, 1, 1], probabilities)
    assert list(curves(of)) == list(decision_curves(of)) == ["a", "b"]
    alone = images([1, 1], [0.4, 0.6])
    assert curves(alone) == decision_curves(alone) == {}
    none = images(np.zeros(0, int), np.zeros((0, 2)))
    assert curves(none) == decision_curves(none) == {}


def test_a_class_that_many_resamples_lack_has_a_curve_without_a_band():
    labels = np.zeros(40, int)
    labels[0] = 1
    found = curves(images(labels, np.linspace(0.9, 0.1, 40)))["b"]
    assert found["roc"]["tpr"] == [1.0] * 101
    assert found["roc"]["low"] is None
    assert found["pr"]["high"] is None


def test_net_benefit_by_hand():
    # 10 images, 4 of b; at a threshold of 0.2 are called: 3 of b, 2 of a
    scores = [0.9, 0.5, 0.2, 0.1, 0.6, 0.25, 0.1, 0.1, 0.1, 0.1]
    found = decision_curves(images([1] * 4 + [0] * 6, scores))
    assert list(found) == ["b"]
    curve = found["b"]
    assert curve["threshold"] == [step / 100 for step in range(1, 100)]
    assert curve["model"][19] == pytest.approx(0.3 - 0.2 * 0.25, abs=1e-6)
    assert curve["all"][19] == pytest.approx(0.4 - 0.6 * 0.25, abs=1e-6)
    assert curve["model"][0] == curve["all"][0]  # every image is above 0.01
    assert curve["model"][-1] == 0  # none above 0.99
    assert curve["all"][39] == 0  # a threshold of the prevalence: acting on all is as good as on none


def test_every_one_of_more_classes_has_a_decision_curve():
    probabilities = np.eye(3)[[0, 1, 2, 0]] * 0.7 + 0.1
    found = decision_curves(images([0, 1, 2, 1], probabilities))
    assert list(found) == ["a", "b", "c"]
    assert found["a"]["model"][49] == pytest.approx(0.25 - 0.25, abs=1e-6)
    assert found["c"]["model"][49] == 0.25
