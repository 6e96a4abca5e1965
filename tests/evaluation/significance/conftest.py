import numpy as np
import pytest
from sklearn import metrics

from medjax.evaluation.predictions import Predictions


@pytest.fixture
def table():
    """Make a table of images with random, coarse scores, so that many tie; the skill moves them to the true class."""

    def make(seed, groups, classes=3, skill=3, labels=None):
        rows = len(groups)
        labels = np.arange(rows) % classes if labels is None else np.asarray(labels)
        scores = np.random.default_rng(seed).integers(1, 8, (rows, classes)) + skill * np.eye(classes)[labels]
        probabilities = scores / scores.sum(axis=1, keepdims=True)
        names = [f"c{k}" for k in range(classes)]
        return Predictions([f"i{n}" for n in range(rows)], groups, labels, probabilities, names)

    return make


SINGLE = [""] * 120
PAIRS = [f"g{n // 3}" for n in range(120)]  # 40 groups of three


@pytest.fixture(params=[SINGLE, PAIRS], ids=["single images", "groups"])
def groups(request):
    return request.param


@pytest.fixture
def expected():
    """Compute a metric of a table by scikit-learn."""

    def value(table, metric):
        labels, probabilities = table.labels, table.probabilities
        predicted, true = probabilities.argmax(axis=1), np.eye(len(table.class_names))[labels]
        return {
            "accuracy": lambda: metrics.accuracy_score(labels, predicted),
            "log_loss": lambda: metrics.log_loss(labels, probabilities),
            "brier_score": lambda: ((probabilities - true) ** 2).sum(axis=1).mean(),
            "balanced_accuracy": lambda: metrics.balanced_accuracy_score(labels, predicted),
            "macro_f1": lambda: metrics.f1_score(labels, predicted, average="macro"),
            "mcc": lambda: metrics.matthews_corrcoef(labels, predicted),
            "quadratic_kappa": lambda: metrics.cohen_kappa_score(labels, predicted, weights="quadratic"),
            "macro_auroc": lambda: metrics.roc_auc_score(labels, probabilities, multi_class="ovr"),
        }[metric]()

    return value
