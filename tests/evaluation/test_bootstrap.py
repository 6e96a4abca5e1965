import numpy as np
import pytest

from medjax.evaluation import bootstrap, calibration, confusion, ranking, recalibration, scores
from medjax.evaluation.labelled import Labelled, number
from medjax.evaluation.metrics import evaluate
from medjax.evaluation.predictions import Predictions


def predictions(rows, classes=3, repeat=None, seed=0):
    """Coarse probabilities, so that many tie; `repeat` says how often each group's two images are written out."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    scores = rng.integers(1, 8, (rows, classes)) + 3 * np.eye(classes)[labels]
    chosen = np.arange(rows) if repeat is None else np.repeat(np.arange(rows), np.repeat(repeat, 2))
    probabilities = (scores / scores.sum(axis=1, keepdims=True))[chosen]
    copy = np.arange(len(chosen)) if repeat is not None else np.zeros(rows, int)
    # a group drawn twice is two groups
    groups = [f"g{row // 2}-{_turn(chosen, place) if copy.any() else 0}" for place, row in enumerate(chosen)]
    names = [f"c{k}" for k in range(classes)]
    return Predictions([f"i{n}" for n in range(len(chosen))], groups, labels[chosen], probabilities, names)


def _turn(chosen, place):
    return int((chosen[:place] == chosen[place]).sum())


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("drawn", ["once", "unequally"])
def test_a_resample_is_the_metric_of_the_images_written_out(classes, drawn):
    """Every metric of weighted groups equals `evaluate` on a table in which the groups stand as often."""
    counts = np.ones(20, int) if drawn == "once" else np.random.default_rng(1).integers(0, 4, 20)
    images = Labelled.of(predictions(40, classes), ordered=True)
    written = evaluate(predictions(40, classes, counts), ordered=True)
    families = [confusion, ranking, scores] + ([recalibration, calibration] if drawn == "once" else [])
    found = {}
    for family in families:
        found |= family.resampler(images)(counts[None, :])
    for name, values in found.items():
        if values.ndim == 1 and written[name] is not None:
            assert values[0] == pytest.approx(written[name], abs=1e-9), name
        elif values.ndim == 2:
            key = name.removeprefix("class_")
            expected = [rates[key] for rates in written["per_class"].values()]
            assert values[0].tolist() == pytest.approx(expected, abs=1e-9), name


def test_one_newton_step_is_close_to_a_new_fit():
    counts = np.ones(100, int)
    counts[:10], counts[10:20] = 2, 0
    images = Labelled.of(predictions(200, 2), ordered=True)
    found = recalibration.resampler(images)(counts[None, :])
    written = evaluate(predictions(200, 2, counts))
    assert found["calibration_slope"][0] == pytest.approx(written["calibration_slope"], rel=0.02)
    assert found["calibration_intercept"][0] == pytest.approx(written["calibration_intercept"], abs=0.02)


def test_a_resample_that_lacks_a_class_is_undefined():
    table = Predictions(["a", "b", "c"], ["p", "q", "r"], [0, 1, 1], [[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]], ["x", "y"])
    images = Labelled.of(table)
    without_x = np.array([[0, 2, 1]])
    for family in (ranking, recalibration, confusion):
        found = family.resampler(images)(without_x)
        for name in ("macro_auroc", "macro_average_precision", "calibration_intercept", "balanced_accuracy"):
            assert np.isnan(found.get(name, np.array([np.nan])))[0], name


def test_the_draws_do_not_depend_on_the_size_of_the_parts():
    whole = np.concatenate(list(bootstrap.group_counts(7, 50, 50)))
    assert np.array_equal(whole, np.concatenate(list(bootstrap.group_counts(7, 50, 8))))
    assert (whole.sum(axis=1) == 7).all()
    assert 0.9 < whole[:, 0].mean() < 1.4


def test_the_draws_are_fixed():
    assert next(bootstrap.group_counts(4, 1, 1)).tolist() == FIRST


def test_images_without_a_group_are_groups_of_their_own():
    assert number(["b", "", "a", "b", ""]).tolist() == [0, 1, 2, 0, 3]


raw = [int(word) >> 32 for word in np.random.PCG64(0).random_raw(4)]
FIRST = [[sum(word * 4 >> 32 == group for word in raw) for group in range(4)]]
