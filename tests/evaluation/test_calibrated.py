import dataclasses
import math

import numpy as np
import pytest
from scipy.special import softmax

from medjax.evaluation import calibrated, intervals
from medjax.evaluation.fitted import Calibrated, Calibration
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.settings import Settings


def predictions(count=120, groups=None, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, 3))
    labels = np.array([rng.choice(3, p=row) for row in softmax(logits, axis=1)])
    ids = [""] * count if groups is None else [f"g{group}" for group in groups]
    names = [f"i{row}" for row in range(count)]
    return Predictions(names, ids, labels, softmax(3 * logits, axis=1), ("x", "y", "z"))


def test_figures_after_temperature_are_those_of_the_softer_probabilities():
    data = predictions(groups=np.arange(120) % 19)  # too few groups for intervals, which take time
    seen = Calibration.fit(predictions(seed=1), Settings()).apply(data)
    softer = evaluate(dataclasses.replace(data, probabilities=seen.probabilities))
    after = calibrated.figures(data, seen)["after_temperature"]
    assert after == {name: softer[name] for name in after}
    assert after["log_loss"] < evaluate(data)["log_loss"]
    assert {"log_loss_interval", "brier_score_interval_basis", "reliability"} <= set(after)


def test_figures_after_temperature_have_intervals():
    data = predictions(40)
    after = calibrated.figures(data, Calibrated(data.probabilities, {}, {}))["after_temperature"]
    for name in ("log_loss", "brier_score"):
        low, high = after[f"{name}_interval"]
        assert low < after[name] < high
        assert after[f"{name}_interval_basis"] == "bootstrap over 40 images"


def by_hand(groups):
    """Two classes, called and in the sets as written here."""
    labels = np.array([0, 0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.2, 0.8], [0.6, 0.4]])
    data = Predictions([f"i{n}" for n in range(6)], groups, labels, probabilities, ("a", "b"))
    called = np.array([[1, np.nan], [1, np.nan], [0, np.nan], [1, np.nan], [0, np.nan], [0, np.nan]])
    sets = np.array([[1, 0], [0, 0], [0, 1], [0, 1], [1, 1], [1, 1]], bool)
    return data, Calibrated(probabilities, {"sensitivity": called}, {"adaptive": sets})


def test_rates_at_a_threshold_weigh_every_image_the_same():
    found = calibrated.figures(*by_hand(["g", "g", "h", "i", "i", "i"]))["at_thresholds"]
    assert set(found["sensitivity"]) == {"a"}  # b has no threshold
    rates = found["sensitivity"]["a"]
    assert (rates["sensitivity"], rates["specificity"]) == pytest.approx((2 / 3, 2 / 3))
    assert rates["sensitivity_interval"] is None
    assert rates["sensitivity_interval_basis"] == "not estimable: 3 groups; 20 are needed"


def test_sets_weigh_every_group_the_same():
    found = calibrated.figures(*by_hand(["g", "g", "h", "i", "i", "i"]))["conformal_sets"]["adaptive"]
    # g: 1 and 0 of two; h: none; i: all three
    assert found["coverage"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert found["mean_set_size"] == pytest.approx((1 / 2 + 1 + 5 / 3) / 3)
    assert found["empty_share"] == pytest.approx((1 / 2) / 3)
    assert found["single_share"] == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert found["set_sizes"] == [1, 3, 2]
    assert found["per_class"]["a"]["coverage"] == pytest.approx((1 / 2) / 2)
    assert found["per_class"]["b"]["mean_set_size"] == pytest.approx(5 / 3)


def test_shares_of_single_images_have_wilsons_interval():
    data = predictions(60)
    sets = np.zeros((60, 3), bool)
    sets[np.arange(45), data.labels[:45]] = True
    found = calibrated.figures(data, Calibrated(data.probabilities, {}, {"adaptive": sets}))["conformal_sets"][
        "adaptive"
    ]
    assert found["coverage"] == 0.75
    assert found["coverage_interval"] == pytest.approx(intervals.wilson(45, 60), abs=1e-6)
    assert found["mean_set_size_interval_basis"] == "bootstrap over 60 images"
    low, high = found["mean_set_size_interval"]
    assert (low, high) == pytest.approx((0.75 - 0.11, 0.75 + 0.11), abs=0.02)


def test_larger_groups_are_resampled_and_widen_the_interval():
    data = predictions(200, groups=np.arange(200) // 5)
    sets = np.zeros((200, 3), bool)
    sets[np.arange(100), data.labels[:100]] = True  # the first 20 groups wholly, the others not at all
    seen = Calibrated(data.probabilities, {}, {"adaptive": sets})
    found = calibrated.figures(data, seen)["conformal_sets"]["adaptive"]
    assert found["coverage"] == pytest.approx(0.5)
    assert found["coverage_interval_basis"] == "bootstrap over 40 groups, logit scale"
    low, high = found["coverage_interval"]
    assert high - low == pytest.approx(2 * 2.02 * math.sqrt(0.25 / 40), rel=0.1)
    every = calibrated.figures(data, dataclasses.replace(seen, sets={"adaptive": np.ones((200, 3), bool)}))
    assert every["conformal_sets"]["adaptive"]["coverage_interval"] == pytest.approx(intervals.wilson(40, 40), abs=1e-6)


def test_a_share_of_a_class_is_of_the_images_drawn_of_it():
    data = predictions(80, groups=np.arange(80) // 2)
    data = dataclasses.replace(data, labels=np.arange(80) // 40)
    sets = np.eye(3, dtype=bool)[data.labels]
    sets[0] = False
    found = calibrated.figures(data, Calibrated(data.probabilities, {}, {"adaptive": sets}))
    low, high = found["conformal_sets"]["adaptive"]["per_class"]["x"]["coverage_interval"]
    assert 0.8 < low < 0.975 < high <= 1  # 39 of 40, in 20 groups


def test_images_without_a_label_are_left_out_and_an_absent_class_is_none():
    data, seen = by_hand([""] * 6)
    labels = np.array([0, 0, 0, -1, -1, -1])
    found = calibrated.figures(dataclasses.replace(data, labels=labels), seen)
    assert found["conformal_sets"]["adaptive"]["coverage"] == pytest.approx(1 / 3)
    assert found["conformal_sets"]["adaptive"]["per_class"]["b"]["coverage"] is None
    assert found["at_thresholds"]["sensitivity"]["a"]["specificity"] is None
    nothing = calibrated.figures(dataclasses.replace(data, labels=np.full(6, -1)), seen)
    assert nothing["after_temperature"]["log_loss"] is None


def test_without_sets_and_thresholds_the_temperature_is_left():
    data = predictions(30)
    assert set(calibrated.figures(data, Calibrated(data.probabilities, {}, {}))) == {"after_temperature"}
