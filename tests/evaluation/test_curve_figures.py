import numpy as np
import pytest
from matplotlib.colors import to_hex

from medjax.evaluation.curve_figures import Panel, decision, histogram_edges, precision_recall, reliability, roc
from medjax.evaluation.figures import BLUE, GREY, VERMILION

ROC = {"fpr": [0, 0.5, 1], "tpr": [0, 0.8, 1], "low": [0, 0.7, None], "high": [0, 0.9, None]}
POINTS = [{"confidence": 0.62, "accuracy": 0.5}, {"confidence": 0.9, "accuracy": 0.95}]


def lines(axes):
    return {to_hex(line.get_color()).upper(): line.get_xydata().tolist() for line in axes.lines}


def test_roc_draws_curve_chance_and_band():
    (axes,) = roc([Panel("ill", "AUROC 0.8", ROC)]).axes
    assert lines(axes) == {GREY: [[0, 0], [1, 1]], BLUE: [[0, 0], [0.5, 0.8], [1, 1]]}
    (band,) = axes.collections
    assert {(0.5, 0.7), (0.5, 0.9)} <= {tuple(point) for path in band.get_paths() for point in path.vertices.tolist()}


def test_a_curve_without_bounds_has_no_band():
    curve = {"recall": [0, 1], "precision": [1, 0.4], "low": None, "high": None}
    (axes,) = precision_recall([Panel("ill", "", curve, chance=0.3)]).axes
    assert not axes.collections
    assert lines(axes)[BLUE] == [[0, 1], [1, 0.4]]
    assert set(axes.lines[0].get_ydata()) == {0.3}


def test_net_benefit_has_the_network_and_both_simple_rules():
    curve = {"threshold": [0.1, 0.9], "model": [0.2, None], "all": [0.25, -6.5]}
    (axes,) = decision([Panel("ill", "", curve)]).axes
    drawn = lines(axes)
    assert drawn[VERMILION] == [[0.1, 0.25], [0.9, -6.5]]
    assert drawn[BLUE][0] == [0.1, 0.2]
    assert np.isnan(drawn[BLUE][1][1])
    assert axes.get_ylim()[0] > -1, "calling all falls without end and must not set the scale"


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_every_class_has_its_panel(count):
    figure = roc([Panel(f"class {n}", "", ROC) for n in range(count)])
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title() for axes in shown] == [f"class {n}" for n in range(count)]
    assert [bool(axes.get_xlabel()) for axes in shown] == [n >= (count - 1) // 2 * 2 for n in range(count)]


def test_a_class_called_mathematics_is_a_name():
    figure = roc([Panel(r"$\frac{$", "", ROC)])
    figure.draw_without_rendering()


def test_reliability_before_and_after_over_a_histogram():
    figure = reliability({"before": POINTS, "after": POINTS[:1]}, np.array([0.61, 0.91, 0.92]))
    curve, histogram = figure.axes
    assert lines(curve)[BLUE] == [[0.62, 0.5], [0.9, 0.95]]
    assert lines(curve)[VERMILION] == [[0.62, 0.5]]
    assert curve.get_xlim()[0] == 0.5
    heights = {round(bar.get_x(), 2): bar.get_height() for bar in histogram.patches}
    assert (heights[0.6], heights[0.9], sum(heights.values())) == (1, 2, 3)


def test_reliability_of_one_curve_alone():
    (axes,) = reliability({"network": POINTS}).axes
    assert len(axes.lines) == 2


def test_edges_are_a_twentieth_apart():
    assert histogram_edges(0.8).tolist() == pytest.approx([0.8, 0.85, 0.9, 0.95, 1])
    assert len(histogram_edges()) == 21
    assert len(histogram_edges(1.0)) == 2
