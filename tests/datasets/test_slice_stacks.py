from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medjax.datasets.slice_stacks import SliceStack
from medjax.datasets.source import ReadError, open_source
from tests.datasets.dicom_writing import dicom

AXIAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]
# Percentiles of 0 and 255, so that grey levels keep their value in 8 bits.
ENDS = [*[0] * 4, *[255] * 4]


def slice_of(values: Any, position: list[float], orientation: list[float] = AXIAL, **facts: Any) -> bytes:
    facts = {"PixelSpacing": [1, 1], "ImagePositionPatient": position, "ImageOrientationPatient": orientation} | facts
    return dicom(values, **facts)


def stack(root: Path, slices: dict[int, bytes], imager_spacing: bool = False) -> SliceStack:
    for number, data in slices.items():
        (root / f"{number}.dcm").write_bytes(data)
    return SliceStack(open_source(root), {number: f"{number}.dcm" for number in slices}, imager_spacing=imager_spacing)


def crop(found: SliceStack, instance: int = 1, x: float = 3.5, y: float = 3.5, **options: Any) -> np.ndarray:
    return found.crop(instance, x, y, **({"mm": 8, "pixels": 8, "slices": 1, "mirrored": False} | options))


def ramp(start: int = 0) -> np.ndarray:
    values = np.arange(start, start + 64).reshape(8, 8)
    values[0] = ENDS
    return values


def test_a_crop_of_the_whole_slice_at_its_own_resolution_is_the_slice(tmp_path: Path) -> None:
    found = stack(tmp_path, {1: slice_of(ramp(), [0, 0, 0])})
    np.testing.assert_array_equal(crop(found)[..., 0], ramp())
    assert crop(found).dtype == np.uint8


def test_a_crop_lies_around_the_coordinate_and_is_black_outside_the_image(tmp_path: Path) -> None:
    found = stack(tmp_path, {1: slice_of(ramp(), [0, 0, 0])})
    # Columns 3…6, rows 5…8 around (4.5, 6.5); row 8 is outside.
    np.testing.assert_array_equal(crop(found, x=4.5, y=6.5, mm=4, pixels=4)[:3, :, 0], ramp()[5:8, 3:7])
    assert crop(found, x=4.5, y=6.5, mm=4, pixels=4)[3].max() == 0
    corner = crop(found, x=-0.5, y=-0.5, mm=4, pixels=4)[..., 0]
    np.testing.assert_array_equal(corner[2:, 2:], ramp()[:2, :2])
    assert corner[:2].max() == corner[:, :2].max() == 0


def test_row_spacing_goes_with_rows_and_column_spacing_with_columns(tmp_path: Path) -> None:
    # 8 mm are 2 rows of 4 mm and 8 columns of 1 mm.
    values = np.repeat(np.array([[0], [40], [80], [120]]), 8, axis=1)
    values[0] = ENDS
    found = stack(tmp_path, {1: slice_of(values, [0, 0, 0], PixelSpacing=[4, 1])})
    cropped = crop(found, x=3.5, y=1.5, pixels=8)[..., 0]
    assert cropped[0].tolist() == [40] * 8
    assert cropped[-1].tolist() == [80] * 8


def test_a_right_sided_crop_is_mirrored_in_its_columns_when_axial(tmp_path: Path) -> None:
    found = stack(tmp_path, {1: slice_of(ramp(), [0, 0, 0]), 2: slice_of(ramp(64), [0, 0, 1])})
    plain, mirrored = crop(found, slices=3), crop(found, slices=3, mirrored=True)
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


def test_a_right_sided_crop_is_mirrored_in_the_order_of_its_slices_when_sagittal(tmp_path: Path) -> None:
    slices = {n: slice_of(ramp(60 * n), [x, 0, 0], SAGITTAL) for n, x in ((1, 10), (2, 0), (3, -10))}
    found = stack(tmp_path, slices)
    plain = crop(found, instance=2, slices=3)
    # From the patient's right (−x) to the left: 3, 2, 1.
    assert plain[1, 0].tolist() == [188, 128, 68]
    np.testing.assert_array_equal(crop(found, instance=2, slices=3, mirrored=True), plain[..., ::-1])


def test_the_point_is_followed_into_a_shifted_neighbour(tmp_path: Path) -> None:
    found = stack(tmp_path, {1: slice_of(ramp(), [0, 0, 0]), 2: slice_of(ramp(), [2, 0, 5])})
    cropped = crop(found, x=4.5, y=4.5, mm=2, pixels=2, slices=3)
    np.testing.assert_array_equal(cropped[..., 1], ramp()[4:6, 4:6])
    np.testing.assert_array_equal(cropped[..., 2], ramp()[4:6, 2:4])


def test_the_percentiles_are_of_the_series_and_padding_is_black(tmp_path: Path) -> None:
    dark, bright = np.zeros((8, 8), int), np.full((8, 8), 1000)
    dark[4, 4] = -99
    padding = {"PixelPaddingValue": ("SS", -99)}
    found = stack(tmp_path, {1: slice_of(dark, [0, 0, 0], **padding), 2: slice_of(bright, [0, 0, 1], **padding)})
    assert crop(found, instance=1).max() == 0
    assert crop(found, instance=2).min() == 255


def test_a_damaged_neighbour_is_passed_over_and_counted(tmp_path: Path) -> None:
    slices = {1: slice_of(ramp(), [0, 0, 0]), 2: slice_of(ramp(), [0, 0, 1])[:-9], 3: slice_of(ramp(9), [0, 0, 2])}
    found = stack(tmp_path, slices)
    assert list(found.unreadable) == [2]
    np.testing.assert_array_equal(crop(found, slices=3)[..., 2], ramp(9))
    with pytest.raises(ReadError, match=r"cut short|no pixel data"):
        crop(found, instance=2)


def test_the_detectors_spacing_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    slices = {1: slice_of(ramp(), [0, 0, 0], PixelSpacing=None, ImagerPixelSpacing=[1, 1])}
    with pytest.raises(ReadError, match=r"only ImagerPixelSpacing, .* imager_spacing = True"):
        crop(stack(tmp_path, slices))
    np.testing.assert_array_equal(crop(stack(tmp_path, slices, imager_spacing=True))[..., 0], ramp())


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"PixelSpacing": None}, "has no usable PixelSpacing"),
        ({"ImagePositionPatient": None}, "does not say where it lies"),
        ({"PixelSpacing": [1e-9, 1e-9]}, "makes the crop less than one pixel or more than any image"),
        ({"PixelSpacing": [1e9, 1e9]}, "makes the crop less than one pixel or more than any image"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "is a localizer"),
    ],
)
def test_what_makes_a_crop_impossible_is_said(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    data = slice_of(ramp(), facts.pop("ImagePositionPatient", [0, 0, 0]), **facts)
    with pytest.raises(ReadError, match=words):
        crop(stack(tmp_path, {1: data}))


def test_a_coordinate_outside_the_image_and_a_slice_that_is_not_there_are_errors(tmp_path: Path) -> None:
    found = stack(tmp_path, {1: slice_of(ramp(), [0, 0, 0])})
    with pytest.raises(ReadError, match="the coordinate 8, 0 is outside the image of 8×8 pixels"):
        crop(found, x=8, y=0)
    with pytest.raises(ReadError, match="is not in its series"):
        crop(found, instance=7)


def test_colour_is_no_slice(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="is in colour"):
        crop(stack(tmp_path, {1: dicom(np.zeros((2, 2, 3)), dtype=np.uint8)}))
