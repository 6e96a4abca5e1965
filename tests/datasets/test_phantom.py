import io

import numpy as np
import pytest
from PIL import Image

from medjax.datasets.phantom import DATASET, lesion_mask
from medjax.datasets.phantom_drawing import CLASS_NAMES, SIZE, draw


def test_the_dataset_announces_900_images_of_three_classes() -> None:
    assert DATASET.synthetic
    split = DATASET.splits(None)["train"]
    assert split.size == 900
    first = next(iter(split.examples))
    assert (first.image_id, first.label, first.group_id) == ("infiltrating/0000.png", 0, "")
    with Image.open(io.BytesIO(first.image)) as image:
        assert (image.mode, image.size) == ("L", (SIZE, SIZE))
        np.testing.assert_array_equal(np.asarray(image), draw(0, 0)[0])


@pytest.mark.parametrize("label", range(3))
def test_a_seed_draws_the_same_picture_again_and_another_seed_another(label: int) -> None:
    image, mask = draw(label, 7)
    again, mask_again = draw(label, 7)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(mask, mask_again)
    assert (draw(label, 8)[0] != image).mean() > 0.3


def test_the_mask_of_an_image_is_found_by_its_id() -> None:
    np.testing.assert_array_equal(lesion_mask("extra_axial/0012.png"), draw(1, 12)[1])


@pytest.mark.parametrize("label", range(3))
def test_the_lesion_lies_in_the_head_and_is_neither_tiny_nor_huge(label: int) -> None:
    for seed in range(20):
        image, mask = draw(label, seed)
        assert image.dtype == np.uint8
        assert mask.dtype == bool
        assert 0.005 < mask.mean() < 0.2
        assert image[mask].mean() > 3 * image[:4].mean()  # the first rows are air


def mean_in_mask(label: int, seed: int) -> tuple[float, float, float]:
    """Brightness of the lesion's middle and border, and how far it is from the head's centre, in image sides."""
    image, mask = draw(label, seed)
    rows, columns = np.nonzero(mask)
    center = rows.mean(), columns.mean()
    far = np.hypot(rows - center[0], columns - center[1])
    pixels = image[mask].astype(float)
    inner = pixels[far <= np.median(far)].mean()
    outer = pixels[far > np.median(far)].mean()
    return inner, outer, float(np.hypot(center[0] - SIZE / 2, center[1] - SIZE / 2)) / SIZE


def test_the_classes_differ_in_site_and_texture() -> None:
    measured = np.array([[mean_in_mask(label, seed) for seed in range(30)] for label in range(len(CLASS_NAMES))])
    inner, outer, distance = np.moveaxis(measured.mean(axis=1), -1, 0)
    assert distance[0] < distance[2] < distance[1]  # deep, between, on the surface
    assert outer[2] > 1.2 * inner[2]  # a ring
    assert inner[1] > 1.3 * inner[0]  # bright against patchy


def test_no_single_clue_is_enough() -> None:
    distance = np.array([[mean_in_mask(label, seed)[2] for seed in range(30)] for label in (0, 1)])
    assert distance[0].max() > distance[1].min()
