import numpy as np

from medjax.evaluation.samples_page import section
from tests.evaluation.hand_made import record

PREDICTIONS = record().predictions
PICTURES = {name: np.full((4, 4, 1), 90, np.uint8) for name in ("a", "b")}


def test_no_predictions_no_section():
    assert section(None, {}, {}) == ""


def test_a_heat_map_stands_beside_its_image_and_the_scale_once():
    page = section(PREDICTIONS, PICTURES, {"a": np.ones((2, 2), np.float32)})
    assert page.count('class="two"') == 1
    assert 'alt="a: heat map of clear"' in page
    assert page.count('class="scale"') == 1
    assert page.count("<img") == 2 + 1 + 1


def test_without_heat_maps_there_is_no_scale():
    page = section(PREDICTIONS, PICTURES, {})
    assert "heat map" not in page
    assert "scale" not in page
    assert "mapped" not in page


def test_a_heat_map_of_an_image_that_is_not_shown_changes_nothing():
    heat = {"c": np.ones((2, 2), np.float32)}
    assert section(PREDICTIONS, PICTURES, heat) == section(PREDICTIONS, PICTURES, {})


def test_a_16_bit_image_carries_a_map_too():
    pictures = {"a": np.arange(16, dtype=np.uint16).reshape(4, 4, 1) * 4000}
    assert 'class="two"' in section(PREDICTIONS, pictures, {"a": np.zeros((1, 1), np.float32)})
