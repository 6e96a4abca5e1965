import xml.etree.ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from medjax.evaluation.figures import confusion_matrix, learning_curve, to_svg

ROWS = [
    {"step": 10, "epoch": 1, "train_loss": 1.0, "val_loss": 0.9},
    {"step": 20, "epoch": 2, "train_loss": 0.5, "val_loss": None},
    {"step": 30, "epoch": 3, "train_loss": 0.25, "val_loss": 0.7},
]
LOSSES = {"train_loss": "training", "val_loss": "validation"}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_curves_hold_the_numbers_and_a_gap_for_null():
    train, val, chosen = learning_curve(ROWS, LOSSES, "Loss", best_epoch=3).axes[0].lines
    assert train.get_xydata().tolist() == [[1, 1.0], [2, 0.5], [3, 0.25]]
    assert np.isnan(val.get_ydata()).tolist() == [False, True, False]
    assert list(chosen.get_xdata()) == [3, 3]


def test_curves_differ_in_more_than_colour():
    train, val, chosen = learning_curve(ROWS, LOSSES, "Loss", best_epoch=3).axes[0].lines
    assert len({line.get_linestyle() for line in (train, val, chosen)} | {str(val._unscaled_dash_pattern)}) > 1
    assert str(train._unscaled_dash_pattern) != str(val._unscaled_dash_pattern) != str(chosen._unscaled_dash_pattern)


def test_a_metric_without_values_is_not_drawn():
    assert learning_curve(ROWS, {"val_accuracy": "validation"}, "Accuracy") is None
    assert learning_curve([], LOSSES, "Loss") is None
    assert learning_curve([{"step": 1, "epoch": 1, "train_loss": None}], LOSSES, "Loss") is None


def test_a_matrix_says_counts_and_row_per_cent():
    found = texts(confusion_matrix([[3, 1], [0, 0]], ["a", "b"], "test"))
    assert [text for text in found if text[-1] == "%" or text == "–"] == ["75 %", "25 %", "–", "–"]
    assert found.count("3") == found.count("1") == 1
    assert {"True class", "Predicted class", "test"} <= set(found)


def test_per_cents_are_never_rounded_to_certainty():
    found = texts(confusion_matrix([[999, 1], [0, 5]], ["a", "b"], "test"))
    assert [text for text in found if text.endswith("%")] == [">99 %", "<1 %", "0 %", "100 %"]


@pytest.mark.parametrize("name", ["$x$", r"$\frac{$", "<b>&", "胶质瘤", "x" * 80, r"\frac{", "a\nb"])
def test_any_class_name_can_be_drawn(name):
    xml.etree.ElementTree.fromstring(to_svg(confusion_matrix([[1, 2], [3, 4]], [name, "b"], "test")))


def test_one_class_and_many():
    to_svg(confusion_matrix([[4]], ["only"], "test"))
    many = confusion_matrix(np.eye(20, dtype=int), [f"class {i}" for i in range(20)], "test")
    assert many.get_figwidth() > 8


def test_the_same_numbers_give_the_same_bytes():
    def draw():
        return to_svg(learning_curve(ROWS, LOSSES, "Loss", best_epoch=1))

    assert draw() == draw()
    assert b"<dc:date>" not in draw()
