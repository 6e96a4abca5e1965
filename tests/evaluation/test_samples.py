import base64
import io

import numpy as np
import pytest
from PIL import Image

from medjax.evaluation.predictions import Predictions
from medjax.evaluation.samples import choose, png_uri, sample_ids


def table(labels, first):
    first = np.asarray(first)
    rows = len(labels)
    return Predictions(
        [f"i{n}" for n in range(rows)], [""] * rows, labels, np.stack([first, 1 - first], axis=1), ("a", "b")
    )


PREDICTIONS = table(
    labels=[0, 0, 1, 1, 0, 1, -1, 0],
    first=[0.9, 0.2, 0.95, 0.1, 0.51, 0.05, 0.5, 0.8],
)


def test_wrong_ones_come_with_the_most_confident_first():
    assert choose(PREDICTIONS, 8).wrong == [2, 1]


def test_least_certain_first_and_none_twice():
    chosen = choose(PREDICTIONS, 2)
    assert (chosen.wrong, chosen.uncertain) == ([2, 1], [4, 7])
    assert len({*chosen.wrong, *chosen.uncertain, *chosen.right}) == 6


def test_right_ones_are_taken_from_every_class():
    assert sorted(choose(PREDICTIONS, 2).right) == [0, 5]


def test_an_image_without_label_is_never_chosen():
    assert "i6" not in sample_ids(PREDICTIONS, 8)


def test_of_a_group_one_image_is_chosen():
    copies = Predictions(
        PREDICTIONS.image_ids, [*"xxyyzz", "", ""], PREDICTIONS.labels, PREDICTIONS.probabilities, ("a", "b")
    )
    chosen = choose(copies, 2)
    # x: 1 is wrong, so 0 is not shown as right; y: 2 is the most confidently wrong; z: 4 is the least certain
    assert (chosen.wrong, chosen.uncertain, chosen.right) == ([2, 1], [4, 7], [])


def test_all_right_and_one_image():
    chosen = choose(table([0], [0.9]), 4)
    assert (chosen.wrong, chosen.uncertain, chosen.right) == ([], [0], [])


def test_no_labels_choose_nothing():
    assert sample_ids(table([-1], [0.9]), 4) == []


def decode(uri):
    assert uri.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_8_bit_pixels_are_kept(shape):
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert (decode(png_uri(image)) == image.reshape(decode(png_uri(image)).shape)).all()


def test_16_bit_is_stretched_to_its_own_range():
    image = np.array([[1000, 1051], [1102, 1255]], dtype=np.uint16)
    assert decode(png_uri(image)).tolist() == [[0, 51], [102, 255]]


def test_a_flat_16_bit_image_is_black():
    assert decode(png_uri(np.full((2, 2), 700, np.uint16))).max() == 0


def test_other_channel_counts_show_the_first():
    image = np.zeros((2, 2, 4), np.uint8)
    image[..., 0] = 7
    assert decode(png_uri(image)).tolist() == [[7, 7], [7, 7]]


def test_large_images_are_made_small():
    assert decode(png_uri(np.zeros((800, 400), np.uint8))).shape == (192, 96)
