import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.pipeline.augment import Augmentation, to_unit

IMAGE = jnp.arange(12.0).reshape(3, 4, 1) / 12
EVERYTHING = Augmentation(
    flip_horizontal=True,
    rotation=30.0,
    zoom=0.2,
    shift=0.1,
    shear=10.0,
    crop=0.7,
    brightness=0.1,
    contrast=0.1,
    gamma=0.5,
    noise=0.1,
    cutout=0.4,
)


def keys(count):
    return jax.random.split(jax.random.key(0), count)


def test_defaults_change_nothing():
    batch = IMAGE[None]
    assert Augmentation()(batch, keys(1)) is batch
    assert not Augmentation().mixes


@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(rotation=1e-9), Augmentation(mixup=1.0)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_are_scaled_by_the_range_of_their_type(augmentation, dtype):
    top = np.iinfo(dtype).max
    out = augmentation(jnp.array([[[[0], [top]], [[top], [0]]]], dtype), keys(1))
    np.testing.assert_allclose(out[0, ..., 0], [[0, 1], [1, 0]], atol=1e-6)
    assert out.dtype == to_unit(jnp.zeros(1, dtype)).dtype == jnp.float32


@pytest.mark.parametrize("with_warp", [False, True])
def test_flip_mirrors_in_about_half_of_the_draws_and_never_otherwise(with_warp):
    augmentation = Augmentation(flip_horizontal=True, rotation=1e-6 if with_warp else 0.0)
    out = np.asarray(augmentation(jnp.tile(IMAGE, (64, 1, 1, 1)), keys(64)))
    mirrored = np.array([np.allclose(image, IMAGE[:, ::-1], atol=1e-4) for image in out])
    same = np.array([np.allclose(image, IMAGE, atol=1e-4) for image in out])
    assert (mirrored ^ same).all()
    assert 20 < mirrored.sum() < 44


def test_each_example_follows_its_own_key_alone():
    batch = jnp.tile(IMAGE, (4, 1, 1, 1))
    whole = EVERYTHING(batch, keys(4))
    np.testing.assert_array_equal(EVERYTHING(batch[2:], keys(4)[2:]), whole[2:])
    assert not np.allclose(whole[0], whole[1])


def test_all_together_stay_within_range():
    out = EVERYTHING(jnp.tile(IMAGE, (32, 1, 1, 1)), keys(32))
    assert out.min() >= 0
    assert out.max() <= 1


def test_a_switch_that_is_off_draws_nothing_so_the_others_keep_their_draws():
    batch = jnp.tile(IMAGE, (8, 1, 1, 1))
    before = Augmentation(rotation=20.0, shift=0.1)(batch, keys(8))
    after = Augmentation(rotation=20.0, shift=0.1, gamma=1e-9)(batch, keys(8))
    np.testing.assert_allclose(after, before, atol=1e-6)
