"""What a whole run with a calibration split and several views of each image leaves."""

import json

import pytest

from medjax.evaluation.fitted import Calibration
from medjax.evaluation.predictions import read_csv
from medjax.evaluation.saved import evaluate_run
from medjax.evaluation.settings import Settings


@pytest.fixture(scope="module")
def calibrated(run_tiny, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("calibrated")
    return workdir, run_tiny(workdir, split__calib=0.2, evaluation__views=2, phantom__max_epochs=1)


def test_the_calibration_is_that_of_its_split_and_judges_test_alone(calibrated):
    workdir, evaluation = calibrated
    fitted = Calibration.fit(read_csv(workdir / "predictions_calib.csv"), Settings())
    assert Calibration.read(workdir) == fitted
    assert evaluation["calibration"] == fitted.to_json()
    assert json.loads((workdir / "calibration.json").read_text())["demo"]
    assert set(evaluation["splits"]) == {"val", "test"}
    assert "after_temperature" in evaluation["splits"]["test"]
    assert "after_temperature" not in evaluation["splits"]["val"]


def test_it_is_reproduced_from_the_folder_alone(calibrated):
    workdir, evaluation = calibrated
    assert evaluate_run(workdir) == (json.loads(json.dumps(evaluation)), True)


def test_the_views_are_written_down(calibrated):
    workdir, evaluation = calibrated
    views = json.loads((workdir / "preprocessing.json").read_text())["views"]
    assert (views["count"], views["seed"], views["augment"]["rotation"]) == (2, 0, 15.0)
    assert evaluation["views"] == 2
