import dataclasses
import json

import numpy as np
import pytest

from medjax.evaluation import against_baselines as module
from medjax.evaluation.against_baselines import NAMES, against_baselines, difference, verdict
from medjax.evaluation.baselines_page import baselines
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.significance.paired import compare_pair


def predictions(right, count=60, labels=None):
    labels = np.arange(count) % 2 if labels is None else labels
    chosen = np.where(right, labels, 1 - labels)
    probabilities = np.full((count, 2), 0.2)
    probabilities[np.arange(count), chosen] = 0.8
    return Predictions([f"i{row}" for row in range(count)], [""] * count, labels, probabilities, ("x", "y"))


MODEL = predictions(np.arange(60) >= 10)
PRIOR = dataclasses.replace(MODEL, probabilities=np.full((60, 2), 0.5))
TABLES = {
    "class_prior": PRIOR,
    "thumbnails": predictions(np.arange(60) >= 12),
    "shuffled_labels": predictions(np.arange(60) < 10),
}


@pytest.fixture
def folder(tmp_path):
    write_csv(tmp_path / "predictions_test.csv", MODEL)
    (tmp_path / "baselines").mkdir()
    for name, one in TABLES.items():
        write_csv(tmp_path / "baselines" / f"{name}.csv", one)
    return tmp_path


def test_each_baseline_is_tested_against_the_model(folder):
    found = against_baselines(folder, "accuracy", ordered=False)
    assert {name: entry["beaten"] for name, entry in found.items()} == {
        "class_prior": True,
        "thumbnails": False,  # 2 of 60 images more
        "shuffled_labels": True,
    }
    assert found["thumbnails"]["figures"]["accuracy"] == pytest.approx(48 / 60)
    assert found["class_prior"]["figures"]["macro_auroc"] == 0.5
    for name, entry in json.loads(json.dumps(found, allow_nan=False)).items():
        assert difference(entry) == compare_pair(TABLES[name], MODEL, "accuracy")


def test_less_loss_is_better(folder):
    found = against_baselines(folder, "log_loss", ordered=False)
    assert found["class_prior"]["difference"]["difference"] < 0
    assert found["class_prior"]["beaten"]


def test_a_model_that_is_worse_beats_nothing(folder):
    write_csv(folder / "predictions_test.csv", TABLES["shuffled_labels"])
    found = against_baselines(folder, "accuracy", ordered=False)
    assert not any(entry["beaten"] for entry in found.values())
    said = verdict(found, "the model")
    assert len(said) == 3
    assert said[0].startswith("The model is not shown to beat the class prior: ")
    assert module.tests(found, "the model")[0].startswith("The class prior ")


def test_a_model_is_told_what_it_beats_and_what_not(folder):
    found = against_baselines(folder, "accuracy", ordered=False)
    beats, not_shown = verdict(found, "my_model")
    assert beats == f"my_model beats {NAMES['class_prior']} and {NAMES['shuffled_labels']}."
    assert not_shown.startswith(f"my_model is not shown to beat {NAMES['thumbnails']}: 3.3 points (")
    assert ") in accuracy, p 0." in not_shown
    assert len(not_shown) < 120
    (tested,) = module.tests(found, "my_model")
    assert "smallest difference" in tested


def test_undefined_figures_are_null(folder):
    alone = predictions(np.ones(60, bool), labels=np.zeros(60, int))
    for file in ("predictions_test.csv", *(f"baselines/{name}.csv" for name in TABLES)):
        write_csv(folder / file, alone)
    found = against_baselines(folder, "macro_auroc", ordered=False)
    assert found["class_prior"]["figures"]["macro_auroc"] is None
    assert found["class_prior"]["difference"]["difference"] is None
    assert not found["class_prior"]["beaten"]
    assert "not tested in macro AUROC" in verdict(found, "m")[0]


def test_older_runs_have_none(tmp_path):
    assert against_baselines(tmp_path, "accuracy", ordered=False) == {}
    assert verdict({}, "m") == []
    assert baselines({"splits": {"test": {}}}) == ""


def test_the_page_warns_of_what_is_not_beaten(folder):
    evaluation = {
        "splits": {"val": evaluate(TABLES["thumbnails"]), "test": evaluate(MODEL), "test, one image a group": {}},
        "baselines": against_baselines(folder, "accuracy", ordered=False),
    }
    page = baselines(evaluation)
    assert "<h2>Baselines</h2>" in page
    assert page.count('class="warning"') == 1  # and what is beaten is no warning
    assert "smallest difference this test set could show" in page
    assert ">0.833" in page
    assert "0.800" in page
    for entry in evaluation["baselines"].values():
        entry["beaten"] = True
    assert 'class="warning"' not in baselines(evaluation)


def test_the_figures_are_of_all_test_images():
    assert module.test_figures({"splits": {"test": 1, "test, one image a group": 2}}) == 1
    assert module.test_figures({"splits": {"test, all folds": 3}}) == 3
