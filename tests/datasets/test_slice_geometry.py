import numpy as np
import pytest

from medjax.datasets.slice_geometry import Plane, make_plane, neighbours
from medjax.datasets.source import ReadError

AXIAL = (1, 0, 0, 0, 1, 0)
SAGITTAL = (0, 1, 0, 0, 0, -1)  # columns to the back, rows to the feet
CORONAL = (1, 0, 0, 0, 0, -1)


def axial(z: float, x: float = 0.0) -> Plane:
    return make_plane((x, 0, z), AXIAL, (1, 1))


def test_a_pixel_is_where_row_and_column_spacing_put_it() -> None:
    # The first of PixelSpacing is between rows, so it goes with y.
    plane = make_plane((10, 20, 30), SAGITTAL, (2.0, 0.5))
    assert plane.point(4, 3).tolist() == [10, 22, 24]
    assert plane.pixel(np.array([10, 22, 24])) == (4, 3)


def test_a_point_is_moved_along_the_normal_into_a_shifted_slice() -> None:
    # The second slice begins 3 mm further left, so the same point is three columns earlier in it.
    assert axial(5, x=3).pixel(axial(0).point(10, 20)) == (7, 20)


@pytest.mark.parametrize(("orientation", "axis"), [(AXIAL, 1), (CORONAL, 1), (SAGITTAL, 2), ((0, 1, 0, 1, 0, 0), 0)])
def test_the_axis_nearest_to_left_and_right(orientation: tuple[float, ...], axis: int) -> None:
    assert make_plane((0, 0, 0), orientation, (1, 1)).left_right_axis == axis


def test_the_normal_points_left_back_or_up_whichever_way_the_slice_is_stored() -> None:
    assert make_plane((0, 0, 0), SAGITTAL, (1, 1)).normal.tolist() == [1, 0, 0]
    assert make_plane((0, 0, 0), (0, -1, 0, 0, 0, -1), (1, 1)).normal.tolist() == [1, 0, 0]
    assert axial(0).normal.tolist() == [0, 0, 1]


def test_neighbours_follow_the_position_and_not_the_number() -> None:
    planes = {1: axial(30), 2: axial(10), 3: axial(20), 4: axial(0), 5: axial(40)}
    assert neighbours(planes, 3, 3) == [2, 3, 1]
    assert neighbours(planes, 3, 5) == [4, 2, 3, 1, 5]
    assert neighbours(planes, 3, 1) == [3]


def test_the_slice_at_an_end_is_repeated() -> None:
    planes = {1: axial(0), 2: axial(10)}
    assert neighbours(planes, 1, 5) == [1, 1, 1, 2, 2]
    assert neighbours(planes, 2, 3) == [1, 2, 2]


def test_slices_of_another_orientation_are_no_neighbours() -> None:
    tilt = np.deg2rad(10)
    tilted = make_plane((0, 0, 5), (1, 0, 0, 0, np.cos(tilt), np.sin(tilt)), (1, 1))
    nearly = make_plane((0, 0, 5), (1, 0, 0, 0, np.cos(tilt / 20), np.sin(tilt / 20)), (1, 1))
    assert neighbours({1: axial(0), 2: tilted, 3: axial(10)}, 1, 3) == [1, 1, 3]
    assert neighbours({1: axial(0), 2: nearly, 3: axial(10)}, 1, 3) == [1, 1, 2]


def test_of_several_slices_at_one_position_one_counts_and_the_middle_is_itself() -> None:
    planes = {1: axial(0), 2: axial(0), 3: axial(10), 4: axial(10.001), 5: axial(20)}
    assert neighbours(planes, 2, 3) == [2, 2, 3]
    assert neighbours(planes, 4, 3) == [1, 4, 5]


@pytest.mark.parametrize(
    ("position", "orientation", "spacing", "words"),
    [
        (None, AXIAL, (1, 1), "where it lies"),
        ((0, 0, 0), None, (1, 1), "where it lies"),
        ((0, 0, 0), AXIAL, None, "no usable PixelSpacing"),
        ((0, 0, 0), (1, 0, 0, 1, 0, 0), (1, 1), "no pair of perpendicular"),
        ((0, 0, 0), (0,) * 6, (1, 1), "no pair of perpendicular"),
    ],
)
def test_a_plane_needs_all_three(position, orientation, spacing, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ReadError, match=words):
        make_plane(position, orientation, spacing)
