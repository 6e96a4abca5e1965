import matplotlib
import numpy as np
import pytest

from medjax.evaluation.heatmap import colour_scale, overlay

VIRIDIS = matplotlib.colormaps["viridis"]


@pytest.mark.parametrize("heat", [0.0, 0.25, 1.0])
def test_half_image_and_half_colour(heat):
    expected = np.round(0.5 * 100 + 0.5 * 255 * np.array(VIRIDIS(heat)[:3]))
    found = overlay(np.full((2, 3), 100, np.uint8), np.full((2, 3), heat, np.float32))
    assert found.shape == (2, 3, 3)
    assert (found == expected).all()


def test_a_colour_image_keeps_its_colours():
    image = np.zeros((1, 1, 3), np.uint8)
    image[0, 0, 0] = 200
    difference = overlay(image, np.zeros((1, 1))).astype(int) - overlay(np.zeros((1, 1), np.uint8), np.zeros((1, 1)))
    assert difference[0, 0].tolist() == [100, 0, 0]


def test_a_coarse_map_is_stretched_over_the_image():
    heat = np.zeros((2, 2), np.float32)
    heat[0, 1] = 1
    found = overlay(np.zeros((8, 6), np.uint8), heat)
    assert found.shape == (8, 6, 3)
    assert (found[0, -1] == np.round(0.5 * 255 * np.array(VIRIDIS(1.0)[:3]))).all()
    assert (found[-1, 0] == np.round(0.5 * 255 * np.array(VIRIDIS(0.0)[:3]))).all()


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((0, 3)), np.array([[1.5]]), np.array([[-0.1]]), [[np.nan]]])
def test_a_wrong_map_is_refused(bad):
    with pytest.raises(ValueError, match="heat map"):
        overlay(np.zeros((2, 2), np.uint8), bad)


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros(2, np.uint8)])
def test_a_wrong_image_is_refused(bad):
    with pytest.raises(ValueError, match="uint8"):
        overlay(bad, np.zeros((2, 2)))


def test_the_scale_runs_from_least_to_most():
    scale = colour_scale(3)
    assert scale.shape == (1, 3, 3)
    assert (scale == overlay(np.full((1, 3), 128, np.uint8), np.array([[0, 0.5, 1]]))).mean() > 0.5
    assert scale.astype(int)[0].sum(axis=1).tolist() == sorted(scale.astype(int)[0].sum(axis=1).tolist())
