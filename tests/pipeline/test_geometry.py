import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.pipeline.geometry import draw_map, warp

IMAGE = jnp.arange(12.0).reshape(3, 4, 1) / 12
IDENTITY = jnp.array([[1.0, 0, 0], [0, 1, 0]])
OFF = {
    "flip_vertical": False,
    "flip_horizontal": False,
    "rotation": 0.0,
    "zoom": 0.0,
    "shift": 0.0,
    "shear": 0.0,
    "crop": 1.0,
}


def draws(shape, count=64, **on):
    keys = jax.random.split(jax.random.key(0), count)
    return np.asarray(jax.vmap(lambda key: draw_map(key, shape, **(OFF | on)))(keys))


def test_identity_map_gives_the_image_back():
    np.testing.assert_allclose(warp(IMAGE, IDENTITY), IMAGE, atol=1e-6)


def test_shift_by_one_row_moves_black_in():
    moved = warp(IMAGE, IDENTITY.at[0, 2].set(-1.0))
    np.testing.assert_allclose(moved[0], 0)
    np.testing.assert_allclose(moved[1:], IMAGE[:-1], atol=1e-6)


def test_half_a_pixel_is_the_mean_of_two_neighbours():
    moved = warp(IMAGE, IDENTITY.at[1, 2].set(0.5))
    np.testing.assert_allclose(moved[:, :-1], (IMAGE[:, 1:] + IMAGE[:, :-1]) / 2, atol=1e-6)
    np.testing.assert_allclose(moved[:, -1], IMAGE[:, -1] / 2, atol=1e-6)


def test_quarter_turn_of_a_square_equals_rot90():
    square = jnp.arange(9.0).reshape(3, 3, 1)
    np.testing.assert_allclose(warp(square, jnp.array([[0.0, -1, 0], [1, 0, 0]])), jnp.rot90(square, -1), atol=1e-5)


def test_zoom_keeps_the_centre_and_magnifies_about_it():
    image = jnp.zeros((9, 9, 1)).at[3:6, 3:6].set(1.0)
    larger = warp(image, IDENTITY / 2)
    assert larger[4, 4, 0] == 1
    assert float(larger.sum()) > 2 * float(image.sum())


def test_far_outside_is_black_however_far():
    np.testing.assert_array_equal(warp(IMAGE, IDENTITY.at[:, 2].set(jnp.array([1e9, -1e9]))), jnp.zeros_like(IMAGE))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_keep_their_unit_and_each_channel_its_own(dtype):
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (5, 7, 3)).astype(dtype)
    some_map = jnp.array([[0.9, -0.2, 0.3], [0.1, 1.1, -0.7]])
    whole = warp(jnp.asarray(image), some_map)
    assert whole.dtype == jnp.float32
    for channel in range(3):
        alone = warp(jnp.asarray(image[..., channel : channel + 1].astype(np.float32)), some_map)
        np.testing.assert_allclose(whole[..., channel], alone[..., 0], rtol=1e-6)


def test_any_map_equals_the_bilinear_sum_by_hand():
    image = np.random.default_rng(0).random((6, 5, 2)).astype(np.float32)
    matrix = np.array([[0.8, 0.5, -0.4], [-0.6, 1.1, 0.9]], np.float32)
    expected = np.zeros_like(image)
    for i in range(6):
        for j in range(5):
            y, x = matrix[:, :2] @ [i - 2.5, j - 2] + matrix[:, 2] + [2.5, 2]
            for r in range(6):
                for c in range(5):
                    expected[i, j] += max(0, 1 - abs(y - r)) * max(0, 1 - abs(x - c)) * image[r, c]
    np.testing.assert_allclose(warp(jnp.asarray(image), jnp.asarray(matrix)), expected, atol=1e-5)


def test_all_off_is_the_identity():
    np.testing.assert_array_equal(draws((3, 4, 1)), np.tile(IDENTITY, (64, 1, 1)))


def test_shear_moves_columns_by_the_row_and_no_row():
    found = draws((9, 9, 1), shear=45.0)
    np.testing.assert_array_equal(found[:, 0], np.tile([1, 0, 0], (64, 1)))
    np.testing.assert_array_equal(found[:, 1, 1:], np.tile([1, 0], (64, 1)))
    slopes = found[:, 1, 0]
    assert -1 <= slopes.min() < -0.5
    assert 0.5 < slopes.max() <= 1
    line = jnp.zeros((5, 5, 1)).at[:, 2].set(1.0)
    np.testing.assert_allclose(warp(line, jnp.array([[1.0, 0, 0], [1, 1, 0]]))[..., 0], np.eye(5)[::-1], atol=1e-6)


def test_crop_keeps_a_window_inside_the_image_of_at_least_its_share():
    found = draws((11, 21, 1), count=200, crop=0.5)
    kept = found[:, 0, 0]
    np.testing.assert_array_equal(kept, found[:, 1, 1])
    assert 0.5 <= kept.min() < 0.55
    assert 0.95 < kept.max() <= 1
    for axis, size in enumerate((11, 21)):
        ends = found[:, axis, 2, None] + kept[:, None] * np.array([-1, 1]) * (size - 1) / 2
        assert ends.min() >= -(size - 1) / 2 - 1e-4
        assert ends.max() <= (size - 1) / 2 + 1e-4
        assert np.abs(found[:, axis, 2]).max() > 0.15 * size


def test_crop_of_a_corner_shows_that_corner_larger():
    image = jnp.zeros((5, 5, 1)).at[:3, :3].set(jnp.arange(9.0).reshape(3, 3, 1))
    window = jnp.array([[0.5, 0, -1], [0, 0.5, -1]])  # rows and columns 0 to 2
    np.testing.assert_allclose(warp(image, window)[::2, ::2, 0], np.arange(9.0).reshape(3, 3), atol=1e-6)
