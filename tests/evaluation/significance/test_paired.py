import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from medjax.errors import UserError
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.significance.influence import METRICS
from medjax.evaluation.significance.mcnemar import mcnemar, score_interval
from medjax.evaluation.significance.paired import compare_classes, compare_pair, smallest_detectable


def changed(table, **fields):
    return dataclasses.replace(table, **fields)


def shuffled(table, seed=7):
    rows = np.random.default_rng(seed).permutation(len(table))
    return Predictions(
        [table.image_ids[row] for row in rows],
        [table.group_ids[row] for row in rows],
        table.labels[rows],
        table.probabilities[rows],
        table.class_names,
    )


def differing_in(table, groups, rows, classes=2):
    """Two models that are alike but on a few images, where the second puts another class first."""
    first = table(0, groups, classes)
    probabilities = first.probabilities.copy()
    probabilities[rows] = np.roll(probabilities[rows], 1, axis=1)
    return first, changed(first, probabilities=probabilities)


@pytest.mark.parametrize("metric", METRICS)
def test_the_difference_is_that_of_the_metrics(table, expected, groups, metric):
    first, second = table(0, groups), table(1, groups, skill=4)
    found = compare_pair(first, second, metric, ordered=True)
    value = [expected(model, metric) for model in (first, second)]
    assert found.difference == pytest.approx(value[1] - value[0], abs=1e-12)
    assert found.interval[0] < found.difference < found.interval[1]
    assert (found.images, found.groups) == (120, 120 if groups[0] == "" else 40)
    assert 0 < found.p_value <= 1


@pytest.mark.parametrize("metric", METRICS)
def test_exchanging_the_models_turns_the_sign_alone(table, groups, metric):
    first, second = table(0, groups), table(1, groups, skill=4)
    found, back = (compare_pair(*pair, metric, True) for pair in ((first, second), (second, first)))
    assert back.difference == pytest.approx(-found.difference, abs=1e-15)
    assert back.p_value == pytest.approx(found.p_value, abs=1e-12)
    assert back.interval == pytest.approx((-found.interval[1], -found.interval[0]), abs=1e-9)
    assert (back.test, back.basis) == (found.test, found.basis)
    assert back.detectable == pytest.approx(found.detectable, abs=1e-15)


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_the_rows_does_not_matter(table, groups, metric):
    first, second = table(0, groups), table(1, groups, skill=4)
    assert compare_pair(shuffled(first, 1), shuffled(second, 2), metric, True) == compare_pair(
        first, second, metric, True
    )


@pytest.mark.parametrize("metric", METRICS)
def test_a_model_does_not_differ_from_itself(table, groups, metric):
    model = table(0, groups)
    found = compare_pair(model, model, metric, ordered=True)
    assert (found.difference, found.p_value, found.detectable) == (0, 1, None)
    if metric == "accuracy" and groups[0] == "":
        assert found.interval == pytest.approx(score_interval(0, 0, 120, 0.95))
    else:
        assert found.interval is None
        assert found.basis.startswith("not estimable")


def test_accuracy_of_single_images_is_mcnemars(table):
    first, second = table(0, [""] * 120), table(1, [""] * 120, skill=4)
    right, also = (model.probabilities.argmax(axis=1) == model.labels for model in (first, second))
    only = int((right & ~also).sum()), int((~right & also).sum())
    found = compare_pair(first, second, "accuracy")
    assert found.p_value == mcnemar(*only)
    assert found.interval == score_interval(*only, 120, 0.95)
    assert found.test == ("McNemar, exact" if sum(only) < 25 else "McNemar, mid-p")
    error = np.std(also.astype(float) - right, ddof=1) / math.sqrt(120)
    assert found.detectable == pytest.approx((stats.t.isf(0.025, 119) + stats.t.isf(0.2, 119)) * error)


@pytest.mark.parametrize("metric", ["accuracy", "brier_score", "mcc", "balanced_accuracy"])
def test_few_differing_groups_against_every_pattern_by_hand(table, metric):
    """Exchange the rows of the tables themselves, and judge each pattern anew."""
    groups = [f"g{n // 4}" for n in range(120)]
    first, second = differing_in(table, groups, [0, 1, 9, 13, 14, 21, 30, 31])
    differing = sorted({int(row) // 4 for row in np.flatnonzero((first.probabilities != second.probabilities)[:, 0])})
    measure = {
        "accuracy": lambda p: (p.argmax(1) == first.labels).mean(),
        "brier_score": lambda p: ((p[:, 1] - first.labels) ** 2).mean(),
        "mcc": lambda p: matthews_corrcoef(first.labels, p.argmax(1)),
        "balanced_accuracy": lambda p: np.mean([(p.argmax(1) == k)[first.labels == k].mean() for k in (0, 1)]),
    }[metric]
    differences = []
    for pattern in itertools.product([False, True], repeat=len(differing)):
        exchanged = np.isin(np.arange(120) // 4, np.array(differing)[list(pattern)])[:, None]
        sides = [
            np.where(exchanged, *pair) for pair in itertools.permutations([second.probabilities, first.probabilities])
        ]
        differences.append(measure(sides[0]) - measure(sides[1]))
    expected = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    found = compare_pair(first, second, metric)
    assert found.test == "exchange within groups, all patterns"
    assert found.p_value == pytest.approx(expected, abs=1e-12)
    assert 0 < expected < 1


def test_delongs_test_by_hand(table):
    first, second = table(0, [""] * 60, 2), table(1, [""] * 60, 2, skill=4)
    positive = first.labels == 1
    parts = []
    for model in (first, second):
        score = model.probabilities[:, 1]
        order = np.heaviside(score[positive][:, None] - score[~positive], 0.5)
        parts.append((order.mean(axis=1), order.mean(axis=0)))
    change = [after - before for before, after in zip(*parts, strict=True)]
    error = math.sqrt(sum(np.var(side, ddof=1) / len(side) for side in change))
    found = compare_pair(first, second, "macro_auroc")
    assert found.test == "DeLong"
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(change[0].mean()) / error), abs=1e-12)
    half = stats.norm.isf(0.025) * error
    assert found.interval == pytest.approx((found.difference - half, found.difference + half), abs=1e-12)
    assert found.detectable == pytest.approx((stats.norm.isf(0.025) + stats.norm.isf(0.2)) * error, abs=1e-12)


def test_larger_groups_refer_delong_to_students_t(table):
    groups = [f"g{n // 3}" for n in range(120)]
    found = compare_pair(table(0, groups), table(1, groups), "macro_auroc")
    half = (found.interval[1] - found.interval[0]) / 2
    error = half / stats.t.isf(0.025, 39)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(found.difference) / error, 39), abs=1e-12)
    assert found.test == "DeLong, clustered"


def test_copies_in_a_group_add_nothing(table):
    """Every image three times in its group: variance and p-value of an AUROC are those of the images once."""
    once = [table(seed, [f"g{n}" for n in range(60)], 2) for seed in (0, 1)]
    rows = np.repeat(np.arange(60), 3)
    thrice = [
        Predictions(
            [f"i{n}" for n in range(180)],
            [model.group_ids[row] for row in rows],
            model.labels[rows],
            model.probabilities[rows],
            model.class_names,
        )
        for model in once
    ]
    alone, copied = compare_pair(*once, "macro_auroc"), compare_pair(*thrice, "macro_auroc")
    assert copied.difference == pytest.approx(alone.difference, abs=1e-12)
    width = [(found.interval[1] - found.interval[0]) for found in (alone, copied)]
    assert width[1] / width[0] == pytest.approx(stats.t.isf(0.025, 59) / stats.norm.isf(0.025), abs=1e-9)
    for metric in ("accuracy", "log_loss"):
        assert compare_pair(*thrice, metric).detectable == pytest.approx(compare_pair(*once, metric).detectable)


def test_each_class_is_compared(table, groups):
    first, second = table(0, groups), table(1, groups)
    found = compare_classes(first, second)
    assert list(found) == ["c0", "c1", "c2"]
    for k, name in enumerate(found):
        areas = [roc_auc_score(model.labels == k, model.probabilities[:, k]) for model in (first, second)]
        assert found[name].difference == pytest.approx(areas[1] - areas[0], abs=1e-12)
        assert found[name].p_value is not None
    means = np.mean([one.difference for one in found.values()])
    assert compare_pair(first, second, "macro_auroc").difference == pytest.approx(means, abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_fewer_than_20_groups_bear_no_test(table, metric):
    groups = [f"g{n % 19}" for n in range(57)]
    found = compare_pair(table(0, groups), table(1, groups), metric, ordered=True)
    assert (found.interval, found.p_value, found.test, found.detectable) == (None, None, None, None)
    assert found.basis == "not estimable: 19 groups; 20 are needed"
    assert not math.isnan(found.difference)


def test_a_class_of_few_groups_has_no_test_of_its_auroc(table):
    labels = [1] * 19 + [0] * 101
    first, second = (table(seed, [""] * 120, 2, labels=labels) for seed in (0, 1))
    found = compare_pair(first, second, "macro_auroc")
    assert (found.interval, found.p_value) == (None, None)
    assert "101 groups hold class 'c0' and 19 hold others" in found.basis
    assert compare_classes(first, second)["c1"].p_value is None
    assert compare_pair(first, second, "accuracy").p_value is not None


def test_a_class_without_images_has_no_test(table):
    first, second = (table(seed, [""] * 40, 3, labels=np.arange(40) % 2) for seed in (0, 1))
    found = compare_pair(first, second, "macro_auroc")
    assert math.isnan(found.difference)
    assert found.basis == "not estimable: the value itself is undefined"
    assert compare_classes(first, second)["c0"].p_value is not None


def test_a_perfect_model_against_its_reverse_shows_no_variation():
    labels = np.arange(60) % 2
    ids = [f"i{n}" for n in range(60)]
    perfect = Predictions(ids, [""] * 60, labels, np.stack([1 - labels, labels], 1), ["x", "y"])
    found = compare_pair(perfect, changed(perfect, probabilities=perfect.probabilities[:, ::-1]), "macro_auroc")
    assert (found.difference, found.interval, found.p_value) == (-1, None, None)
    assert found.basis == "not estimable: no variation"


def test_images_without_a_label_are_left_out(table):
    first, second = table(0, [""] * 60), table(1, [""] * 60)
    labels = first.labels.copy()
    labels[50:] = -1
    first, second = changed(first, labels=labels), changed(second, labels=labels)
    assert compare_pair(first, second, "accuracy").images == 50


def test_other_test_images_are_refused(table):
    first, second = table(0, [""] * 30), table(1, [""] * 30)
    others = changed(second, image_ids=["x1", "x2", *second.image_ids[2:]])
    with pytest.raises(UserError, match="of 30 and 30 images, 2 are only in the first and 2 only in the second"):
        compare_pair(first, others, "accuracy")
    labels = second.labels.copy()
    labels[[3, 7]] = (labels[[3, 7]] + 1) % 3
    with pytest.raises(UserError, match="2 of 30 images have another label"):
        compare_pair(first, changed(second, labels=labels), "accuracy")
    with pytest.raises(UserError, match="1 of 30 images have another group_id"):
        compare_pair(first, changed(second, group_ids=["p", *second.group_ids[1:]]), "accuracy")
    with pytest.raises(UserError, match=r"classes \['c0', 'c1', 'c2'\] and \['a', 'b', 'c'\]"):
        compare_pair(first, changed(second, class_names=("a", "b", "c")), "accuracy")


def test_no_detectable_difference_without_variation():
    assert smallest_detectable(0.0, 10) is None
    assert smallest_detectable(math.nan, 10) is None
    assert smallest_detectable(1.0, math.inf) == pytest.approx(1.959964 + 0.841621, abs=1e-5)
