import numpy as np

from medjax.pipeline.normalization import channel_statistics


def test_mean_and_deviation_of_the_chosen_images_only():
    images = np.random.default_rng(0).integers(0, 256, (200, 4, 5, 3), np.uint8)
    chosen = np.arange(0, 200, 2)
    mean, std = channel_statistics(images, chosen)
    scaled = images[chosen] / 255
    np.testing.assert_allclose(mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, scaled.std((0, 1, 2)), rtol=1e-10)


def test_uint16_is_scaled_by_its_own_range():
    mean, _ = channel_statistics(np.full((2, 2, 2, 1), 65535, np.uint16), np.arange(2))
    assert mean == (1.0,)


def test_a_constant_channel_is_divided_by_one():
    _, std = channel_statistics(np.zeros((2, 2, 2, 1), np.uint8), np.arange(2))
    assert std == (1.0,)
