import numpy as np
import pytest

from medjax.datasets.intensity import Lut, Transform, Window, render, stretch
from medjax.datasets.source import ReadError

FULL = (0, 255)


def shown(transform: Transform, stored: list[int], padding: list[bool] | None = None) -> list[int]:
    mask = None if padding is None else np.array([padding])
    return render(np.array([stored]), mask, transform, transform.voi, np.uint8)[0].tolist()


def test_a_linear_window_maps_its_width_less_one_to_the_whole_range() -> None:
    # PS3.3 C.11.2.1.2: 0 up to c − 0.5 − (w − 1)/2 = 1, 1 above c − 0.5 + (w − 1)/2 = 4, ((x − 2.5)/3 + 0.5) between.
    grey = Window(3, 4)(np.array([0, 1, 2, 3, 4, 5.0]))
    np.testing.assert_allclose(grey, [0, 0, 1 / 3, 2 / 3, 1, 1])


def test_a_window_of_256_at_128_is_the_identity_on_8_bits() -> None:
    assert shown(Transform(FULL, window=Window(128, 256)), [0, 1, 77, 255]) == [0, 1, 77, 255]


def test_linear_exact_reaches_half_its_width_on_both_sides() -> None:
    np.testing.assert_allclose(Window(3, 4, "LINEAR_EXACT")(np.array([1, 2, 3, 4, 5.0])), [0, 0.25, 0.5, 0.75, 1])


def test_a_sigmoid_is_one_half_at_the_centre_and_bounded_far_from_it() -> None:
    grey = Window(10, 4, "SIGMOID")(np.array([10, 11, -1e9, 1e9]))
    np.testing.assert_allclose(grey, [0.5, 1 / (1 + np.exp(-1)), 0, 1], atol=1e-12)


def test_a_window_of_width_one_is_a_step_below_its_centre() -> None:
    assert Window(3, 1)(np.array([2, 2.5, 3.0])).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("center", "width", "function"),
    [
        (0, 0, "LINEAR"),
        (0, 0.5, "LINEAR"),
        (0, -1, "SIGMOID"),
        (np.nan, 5, "LINEAR"),
        (0, np.inf, "LINEAR"),
        (0, 9, "LOG"),
    ],
)
def test_an_impossible_window_is_refused(center: float, width: float, function: str) -> None:
    with pytest.raises(ReadError, match="its window has"):
        Window(center, width, function)


def test_a_table_is_clamped_at_both_ends_and_rounds_its_input() -> None:
    lut = Lut(10, np.array([5, 6, 7], np.uint16), 3)
    assert lut(np.array([-3, 10, 10.6, 12, 99])).tolist() == [5, 5, 6, 7, 7]
    assert lut.top == 7


def test_rescale_then_window() -> None:
    # Stored 0, 10, 20 are −10, 10, 30; the window [0, 20] shows 0, one half, 1.
    transform = Transform(FULL, rescale=(2.0, -10.0), window=Window(10, 20, "LINEAR_EXACT"))
    assert transform.modality(np.array([0, 10, 20])).tolist() == [-10, 10, 30]
    assert shown(transform, [0, 10, 20]) == [0, 128, 255]


def test_a_modality_table_replaces_the_rescale_and_feeds_the_voi_table() -> None:
    modality = Lut(0, np.array([30, 20, 10], np.uint16), 8)
    transform = Transform(FULL, rescale=(9.0, 9.0), modality_lut=modality, voi_lut=Lut(10, np.arange(0, 63, 3), 6))
    assert transform.modality(np.array([0, 1, 2])).tolist() == [30, 20, 10]
    assert shown(transform, [0, 1, 2]) == [round(60 / 63 * 255), round(30 / 63 * 255), 0]


def test_a_voi_table_goes_before_a_window() -> None:
    both = Transform(FULL, voi_lut=Lut(0, np.array([0, 1], np.uint16), 1), window=Window(100, 1000))
    assert shown(both, [0, 1, 50]) == [0, 255, 255]


def test_without_voi_the_range_of_the_bits_is_shown_whatever_the_picture_holds() -> None:
    assert shown(Transform((-128, 127)), [-128, 0, 127]) == [0, 128, 255]
    assert shown(Transform((0, 255), rescale=(-1.0, 0.0)), [0, 255]) == [255, 0]


def test_monochrome1_is_inverted_once_and_last_and_padding_stays_black() -> None:
    transform = Transform(FULL, window=Window(128, 256), inverted=True)
    assert shown(transform, [0, 55, 255, 7], [False, False, False, True]) == [255, 200, 0, 0]


def test_32_bit_values_that_spread_far_are_mapped_like_all_others() -> None:
    transform = Transform((0, 2**32 - 1))
    assert shown(transform, [0, 2**31, 2**32 - 1]) == [0, 128, 255]


def test_a_constant_is_black() -> None:
    assert stretch(np.array([3.0, 3.0]), 3, 3).tolist() == [0, 0]
