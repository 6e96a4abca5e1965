import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.pipeline.augment import Augmentation, warp

IMAGE = jnp.arange(12.0).reshape(3, 4, 1) / 12
IDENTITY = jnp.array([[1.0, 0, 0], [0, 1, 0]])


def keys(count):
    return jax.random.split(jax.random.key(0), count)


def test_defaults_change_nothing():
    batch = IMAGE[None]
    assert Augmentation()(batch, keys(1)) is batch


def test_identity_map_gives_the_image_back():
    np.testing.assert_allclose(warp(IMAGE, IDENTITY), IMAGE, atol=1e-6)


def test_shift_by_one_row_moves_black_in():
    moved = warp(IMAGE, IDENTITY.at[0, 2].set(-1.0))
    np.testing.assert_allclose(moved[0], 0)
    np.testing.assert_allclose(moved[1:], IMAGE[:-1], atol=1e-6)


def test_half_a_pixel_is_the_mean_of_two_neighbours():
    moved = warp(IMAGE, IDENTITY.at[1, 2].set(0.5))
    np.testing.assert_allclose(moved[:, :-1], (IMAGE[:, 1:] + IMAGE[:, :-1]) / 2, atol=1e-6)


def test_quarter_turn_of_a_square_equals_rot90():
    square = jnp.arange(9.0).reshape(3, 3, 1)
    np.testing.assert_allclose(warp(square, jnp.array([[0.0, -1, 0], [1, 0, 0]])), jnp.rot90(square, -1), atol=1e-5)


@pytest.mark.parametrize("with_warp", [False, True])
def test_flip_mirrors_in_about_half_of_the_draws_and_never_otherwise(with_warp):
    augmentation = Augmentation(flip_horizontal=True, rotation=1e-6 if with_warp else 0.0)
    out = np.asarray(augmentation(jnp.tile(IMAGE, (64, 1, 1, 1)), keys(64)))
    mirrored = np.array([np.allclose(image, IMAGE[:, ::-1], atol=1e-4) for image in out])
    same = np.array([np.allclose(image, IMAGE, atol=1e-4) for image in out])
    assert (mirrored ^ same).all()
    assert 20 < mirrored.sum() < 44


def test_each_example_follows_its_own_key_alone():
    augmentation = Augmentation(rotation=30.0, zoom=0.2, shift=0.1, brightness=0.1, contrast=0.1)
    batch = jnp.tile(IMAGE, (4, 1, 1, 1))
    whole = augmentation(batch, keys(4))
    np.testing.assert_array_equal(augmentation(batch[2:], keys(4)[2:]), whole[2:])
    assert not np.allclose(whole[0], whole[1])


def test_brightness_and_contrast_stay_within_range():
    out = Augmentation(brightness=0.9, contrast=0.9)(jnp.tile(IMAGE, (32, 1, 1, 1)), keys(32))
    assert out.min() >= 0
    assert out.max() <= 1
    assert not np.allclose(out, IMAGE)


def test_zoom_keeps_the_centre_and_magnifies_about_it():
    image = jnp.zeros((9, 9, 1)).at[3:6, 3:6].set(1.0)
    larger = warp(image, IDENTITY / 2)
    assert larger[4, 4, 0] == 1
    assert float(larger.sum()) > 2 * float(image.sum())
