import math

import pytest

from medjax.evaluation.significance.paired import Paired
from medjax.evaluation.wording import better, difference_text, format_p, sentence


def found(
    metric="accuracy", difference=0.031, interval=(0.012, 0.05), p=0.001, detectable=0.029, groups=580, basis="b"
):
    return Paired(metric, difference, interval, p, None if p is None else "T", detectable, 606, groups, basis)


def test_a_difference_is_said_with_its_interval_and_its_test():
    assert sentence("brain_cnn", "resnet18", found(), 0.004, adjusted=True) == (
        "resnet18 is 3.1 points more accurate than brain_cnn (95 % interval 1.2 to 5.0; T over 580 groups, "
        "Holm-adjusted p 0.004)."
    )


def test_the_better_of_the_two_is_named_first_and_its_interval_turned():
    text = sentence("a", "b", found(difference=-0.031, interval=(-0.05, -0.012)), 0.004)
    assert text.startswith(
        "a is 3.1 points more accurate than b (95 % interval 1.2 to 5.0; T over 580 groups, p 0.004)"
    )


@pytest.mark.parametrize(
    ("metric", "difference", "interval", "claim"),
    [
        ("log_loss", -0.2, (-0.3, -0.1), "b's log loss is 0.200 lower than a's (95 % interval 0.100 to 0.300;"),
        ("log_loss", 0.2, (0.1, 0.3), "a's log loss is 0.200 lower than b's (95 % interval 0.100 to 0.300;"),
        ("macro_auroc", 0.2, (0.1, 0.3), "b's macro AUROC is 0.200 higher than a's (95 % interval 0.100 to 0.300;"),
        ("mcc", -0.2, (-0.3, -0.1), "a's MCC is 0.200 higher than b's (95 % interval 0.100 to 0.300;"),
        ("balanced_accuracy", 0.02, None, "b's balanced accuracy is 2.0 points higher than a's (T over"),
    ],
)
def test_each_metric_is_said_in_its_own_words(metric, difference, interval, claim):
    text = sentence("a", "b", found(metric, difference, interval), 0.01)
    assert text.startswith(claim)


def test_what_is_not_distinguishable_says_what_could_have_been():
    text = sentence("a", "b", found(difference=0.004, interval=(-0.012, 0.02)), 0.05)
    assert text == (
        "a and b are not distinguishable in accuracy on 606 images of 580 groups (b less a: 0.4 points, 95 % interval "
        "−1.2 to 2.0; T over 580 groups, p 0.050); the smallest difference this test set could show is 2.9 points."
    )
    assert "smallest" not in sentence("a", "b", found(detectable=None), 0.5)


def test_groups_of_one_image_are_images():
    assert "on 606 images (" in sentence("a", "b", found(groups=606), 0.5)
    assert "T over 606 images" in sentence("a", "b", found(groups=606), 0.5)


def test_without_a_test_the_reason_is_said():
    text = sentence("a", "b", found(interval=None, p=None, basis="not estimable: 4 groups; 20 are needed"), None)
    assert text == (
        "a and b are not tested in accuracy on 606 images of 580 groups (b less a: 3.1 points): 4 groups; 20 "
        "are needed."
    )
    assert "b less a: undefined" in sentence("a", "b", found(difference=math.nan, p=None), None)


def test_nothing_is_0_by_rounding():
    assert difference_text(found(difference=0.0002, interval=(-0.0003, 0.01))) == "<0.1 points (−<0.1 to 1.0)"
    assert difference_text(found(difference=0.0, interval=None)) == "0.0 points (–)"
    assert difference_text(found(difference=math.nan)) == "–"
    assert (format_p(0.0004), format_p(0.0006), format_p(1.0)) == ("<0.001", "0.001", "1.000")


def test_no_difference_is_not_better():
    assert not better(found("log_loss", 0.0))
    assert not better(found("accuracy", 0.0))
