import json

import numpy as np
import pytest
from scipy.special import softmax

from medjax.errors import UserError
from medjax.evaluation.fitted import Calibrated, Calibration
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.settings import Settings

SETTINGS = Settings(coverage=0.8, sensitivity=0.9, specificity=0.7)


def predictions(count=120, names=("x", "y", "z"), seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, len(names)))
    labels = np.array([rng.choice(len(names), p=row) for row in softmax(logits, axis=1)])
    labels[:3] = -1
    groups = ["" if row % 3 else f"g{row // 6}" for row in range(count)]
    return Predictions([f"i{row}" for row in range(count)], groups, labels, softmax(3 * logits, axis=1), names)


def test_it_comes_back_from_its_file_to_the_bit(tmp_path):
    fitted = Calibration.fit(predictions(), SETTINGS)
    assert Calibration.from_json(json.loads(json.dumps(fitted.to_json()))) == fitted
    fitted.write(tmp_path, demo=True)
    assert Calibration.read(tmp_path) == fitted
    assert json.loads((tmp_path / "calibration.json").read_text())["demo"] is True
    few = Calibration.fit(predictions(8), SETTINGS)
    few.write(tmp_path, demo=False)
    assert Calibration.read(tmp_path) == few


def test_images_without_a_label_are_left_out():
    fitted = Calibration.fit(predictions(), SETTINGS)
    assert (fitted.images, fitted.groups) == (117, 98)  # 78 of unknown group, and 20 groups
    assert fitted.conformal.groups == 98


def test_it_reaches_what_the_settings_ask():
    data = predictions()
    fitted = Calibration.fit(data, SETTINGS)
    seen = fitted.apply(data)
    assert fitted.temperature.value > 1.5
    assert seen.probabilities.tolist() == fitted.probabilities(data.probabilities).tolist()
    assert (seen.probabilities.argmax(axis=1) == data.probabilities.argmax(axis=1)).all()
    for k in range(3):
        assert seen.called["sensitivity"][data.labels == k, k].mean() >= 0.9
        outside = (data.labels != k) & (data.labels >= 0)
        assert 1 - seen.called["specificity"][outside, k].mean() >= 0.7
    for method, sets in seen.sets.items():
        held = sets[np.arange(120), data.labels][3:]
        assert 0.78 < held.mean() < 0.9, method
        assert sets.tolist() == fitted.sets(data.probabilities, method).tolist()


def test_sets_are_of_the_networks_own_probabilities():
    """The order of images by one class's probability changes with the temperature, and so would their sets."""
    data = predictions()
    raw = Calibration.fit(data, SETTINGS)
    assert raw.conformal.quantiles["least_ambiguous"] in (1 - data.probabilities)


def test_other_classes_are_refused():
    fitted = Calibration.fit(predictions(), SETTINGS)
    with pytest.raises(UserError, match=r"of classes \['x', 'y', 'z'\], the predictions are of \['x', 'z', 'y'\]"):
        fitted.apply(predictions(names=("x", "z", "y")))


def test_tables_are_joined_and_cut():
    data = predictions()
    enough, few = Calibration.fit(data, SETTINGS), Calibration.fit(predictions(8), SETTINGS)
    whole = Calibrated.joined([enough.apply(data), enough.apply(predictions(8, seed=1))])
    assert len(whole.probabilities) == 128
    assert (
        whole.rows(np.arange(120)).called["sensitivity"].tolist() == enough.apply(data).called["sensitivity"].tolist()
    )
    assert set(whole.sets) == {"adaptive", "least_ambiguous"}
    assert few.conformal.refusal is None
    refused = Calibration.fit(predictions(6), SETTINGS)
    assert refused.sets(data.probabilities) is None
    assert Calibrated.joined([enough.apply(data), refused.apply(data)]).sets == {}


def test_without_a_file_there_is_none(tmp_path):
    assert Calibration.read(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-9],
        lambda text: text.replace("temperature", "heat"),
        lambda text: text.replace('"quantiles"', '"q"'),
        lambda text: "[]",
        lambda text: json.dumps({**json.loads(text), "temperature": {"value": 0, "basis": ""}}),
        lambda text: json.dumps({**json.loads(text), "classes": ["x", "y"]}),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, damage):
    Calibration.fit(predictions(), SETTINGS).write(tmp_path, demo=False)
    file = tmp_path / "calibration.json"
    file.write_text(damage(file.read_text()))
    with pytest.raises(UserError, match=r"calibration\.json .*delete it and evaluate the run again"):
        Calibration.read(tmp_path)
