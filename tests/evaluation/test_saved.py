import json

import numpy as np
import pytest

from medjax.errors import UserError
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions, write_csv
from medjax.evaluation.saved import calibrated_folds, evaluate_csv, evaluate_run
from medjax.json_file import read_json, write_json


def predictions(groups):
    rng = np.random.default_rng(0)
    first = rng.uniform(size=len(groups))
    return Predictions(
        image_ids=[f"i{row}" for row in range(len(groups))],
        group_ids=groups,
        labels=rng.integers(0, 2, len(groups)),
        probabilities=np.stack([first, 1 - first], axis=1),
        class_names=("x", "y"),
        columns={"site": ["a"] * len(groups)},
    )


def test_a_csv_gives_the_figures_of_its_table(tmp_path):
    table = predictions(["g", "g", "h", ""])
    write_csv(tmp_path / "mine.csv", table)
    evaluation = evaluate_csv(tmp_path / "mine.csv")
    assert evaluation["splits"] == {"mine": evaluate(table)}
    assert evaluation["unit_of_split"].startswith("group")


def test_a_runs_figures_are_reproduced_also_with_one_image_a_group(tmp_path):
    table = predictions(["g", "g", "h", "h", "i"])
    write_csv(tmp_path / "predictions_test.csv", table)
    alone = Predictions(
        [table.image_ids[row] for row in (0, 2, 4)],
        ["g", "h", "i"],
        table.labels[[0, 2, 4]],
        table.probabilities[[0, 2, 4]],
        ("x", "y"),
    )
    none = {"none": "no calibration split: probabilities are the network's own"}
    splits = {"test": evaluate(table), "test, one image a group": evaluate(alone)}
    held = {"ordered": False, "calibration": none, "splits": splits}
    (tmp_path / "evaluation.json").write_text(json.dumps(held))
    assert evaluate_run(tmp_path) == (held, True)
    held["splits"]["test"]["accuracy"] = 0.99
    (tmp_path / "evaluation.json").write_text(json.dumps(held))
    again, same = evaluate_run(tmp_path)
    assert not same
    assert again["splits"]["test"] == evaluate(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "give the folder of a finished run"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "no JSON object"),
        ('{"ordered": 1, "splits": 7}', "'ordered' is no bool"),
        ("{}", "lacks 'ordered'"),
    ],
)
def test_what_is_no_finished_run_is_one_line(tmp_path, text, message):
    if text is not None:
        (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(UserError, match=message):
        evaluate_run(tmp_path)


def calibrated_run(folder):
    """A run of an older version, with a calib split, and what it holds after it was judged again."""
    for split, count in (("val", 4), ("calib", 30), ("test", 9)):
        write_csv(folder / f"predictions_{split}.csv", predictions([f"{split}{n // 2}" for n in range(count)]))
    write_json(folder / "config.json", {"evaluation": {"coverage": 0.75, "sensitivity": 0.6}})
    write_json(folder / "evaluation.json", {"demo": True, "ordered": False, "splits": {"val": {}, "test": {}}})
    write_json(folder / "evaluation.json", evaluate_run(folder)[0])
    return folder


def test_a_calibration_is_fitted_once_kept_and_reproduced(tmp_path):
    folder = calibrated_run(tmp_path)
    evaluation, same = evaluate_run(folder)
    assert same
    assert evaluation["calibration"]["conformal"]["coverage"] == 0.75
    assert evaluation["calibration"]["groups"] == 15
    assert "fitted" in evaluation["calibration"]["temperature"]["basis"]
    fitted = read_json(folder / "calibration.json")
    assert fitted == {"demo": True, **evaluation["calibration"]}
    assert {"after_temperature", "conformal_sets"} <= set(evaluation["splits"]["test"])
    assert "after_temperature" not in evaluation["splits"]["val"]
    fitted["temperature"]["value"] = 2.0  # what the run's folder says is what counts
    write_json(folder / "calibration.json", fitted)
    evaluation, same = evaluate_run(folder)
    assert not same
    assert evaluation["calibration"]["temperature"]["value"] == 2.0


def test_without_a_calibration_split_there_is_a_line_that_says_so(tmp_path):
    write_csv(tmp_path / "mine.csv", predictions(["g", "h"]))
    expected = {"none": "no calibration split: probabilities are the network's own"}
    assert evaluate_csv(tmp_path / "mine.csv")["calibration"] == expected


def test_each_fold_is_seen_through_its_own_calibration(tmp_path):
    folders = []
    for fold in range(2):
        (tmp_path / f"fold{fold}").mkdir()
        folders.append(calibrated_run(tmp_path / f"fold{fold}"))
    one = {**read_json(folders[1] / "calibration.json"), "temperature": {"value": 2.0, "basis": ""}}
    write_json(folders[1] / "calibration.json", one)
    seen, raw = calibrated_folds(folders), predictions([""] * 9).probabilities
    roots = np.sqrt(raw)
    assert seen.probabilities[:9] == pytest.approx(raw, abs=1e-15)
    assert seen.probabilities[9:] == pytest.approx(roots / roots.sum(axis=1, keepdims=True), abs=1e-12)
    (folders[0] / "calibration.json").unlink()
    assert calibrated_folds(folders) is None
