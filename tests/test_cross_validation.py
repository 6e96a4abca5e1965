"""Folds as a user runs them: each image judged once, by the run that never saw it."""

import csv
import json

import numpy as np
import pytest

from medjax import config as configuration
from medjax.cross_validation import cross_validate, pool
from medjax.evaluation.predictions import Predictions
from tests.configs import tiny


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("folds")
    config = tiny.get_config()
    config.data.cache = str(tmp_path_factory.mktemp("cache"))
    config.folds, config.phantom.max_epochs = 3, 1
    return workdir, cross_validate(configuration.resolve(config), workdir)


def rows(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_image_is_judged_once(folded):
    workdir, evaluation = folded
    judged = [row["image_id"] for row in rows(workdir / "predictions_test.csv")]
    assert len(judged) == len(set(judged)) == evaluation["splits"]["test, all folds"]["images"]
    tests = [json.loads((workdir / f"fold{k}" / "splits.json").read_text())["splits"]["test"] for k in range(3)]
    assert sorted(judged) == sorted(name for test in tests for name in test)


def test_the_pooled_count_is_the_sum_of_the_folds(folded):
    _, evaluation = folded
    assert evaluation["splits"]["test, all folds"]["correct"] == sum(fold["correct"] for fold in evaluation["folds"])


def test_the_baselines_of_the_folds_are_pooled_and_compared_with(folded):
    workdir, evaluation = folded
    judged = [row["image_id"] for row in rows(workdir / "predictions_test.csv")]
    assert [row["image_id"] for row in rows(workdir / "baselines" / "thumbnails.csv")] == judged
    assert evaluation["baselines"]["class_prior"]["difference"]["images"] == len(judged)


def test_the_report_and_the_folds_folders_are_there(folded):
    workdir, _ = folded
    assert "test, all folds" in (workdir / "report.html").read_text()
    assert (workdir / "fold2" / "report.html").exists()
    for folder in (workdir, workdir / "fold2"):
        assert "<img" in (folder / "report.html").read_text().split("Sample predictions")[1], folder


def table(names, correct):
    probabilities = np.array([[0.9, 0.1] if right else [0.2, 0.8] for right in correct])
    return Predictions(names, ["g"] * len(names), np.zeros(len(names)), probabilities, ("x", "y"), {"c": names})


def test_pooling_keeps_rows_and_columns_in_the_order_of_the_folds():
    pooled = pool([table(["a"], [True]), table(["b", "c"], [False, True])])
    assert pooled.image_ids == pooled.columns["c"] == ["a", "b", "c"]
    assert pooled.probabilities[:, 0].tolist() == [0.9, 0.2, 0.9]
