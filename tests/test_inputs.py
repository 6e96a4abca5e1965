import jax
import jax.numpy as jnp
import numpy as np

from medjax.inputs import FeatureInput, ImageInput
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.feed import Batch

KEY = jax.random.key(0)


def batch(rows, categories=None):
    count = len(rows)
    categories = jnp.zeros((count, 0), jnp.int32) if categories is None else jnp.array(categories, jnp.int32)
    return Batch(jnp.asarray(rows), jnp.zeros(count, jnp.int32), categories, jnp.arange(count))


def test_images_are_scaled_by_the_range_of_their_type_and_normalised():
    inputs = ImageInput((0.5,), (0.25,), Augmentation())
    for dtype, top in ((np.uint8, 255), (np.uint16, 65535)):
        np.testing.assert_allclose(inputs(batch(np.array([[[[0], [top]]]], dtype)))[..., 0], [[[-2, 2]]])


def test_planes_follow_the_normalised_image_and_are_one_hot():
    inputs = ImageInput((0.5,), (0.25,), Augmentation(), categories=(2, 3))
    rows = np.zeros((2, 2, 2, 1), np.uint8)
    x = inputs(batch(rows, [[1, 0], [0, 2]]))
    assert x.shape == (2, 2, 2, inputs.channels) == (2, 2, 2, 6)
    for image, expected in zip(x, ([-2, 0, 1, 1, 0, 0], [-2, 1, 0, 0, 0, 1]), strict=True):
        np.testing.assert_array_equal(image.reshape(4, 6), np.tile(expected, (4, 1)))


def test_planes_are_not_augmented():
    inputs = ImageInput((0.0,), (1.0,), Augmentation(rotation=45.0, noise=0.5, cutout=0.5), categories=(2,))
    rows = np.full((3, 8, 8, 1), 200, np.uint8)
    x = inputs(batch(rows, [[0], [1], [1]]), jax.random.split(KEY, 3))
    np.testing.assert_array_equal(x[..., 1:], np.broadcast_to(np.eye(2)[[0, 1, 1]][:, None, None], (3, 8, 8, 2)))
    assert not np.allclose(x[..., 0], 200 / 255)


def test_blending_takes_the_planes_along():
    inputs = ImageInput((0.0,), (1.0,), Augmentation(mixup=1.0), categories=(2,))
    x = inputs(batch(np.zeros((2, 4, 4, 1), np.uint8), [[0], [1]]))
    mixed, share = inputs.mix(x, jax.random.split(KEY, 2))
    np.testing.assert_allclose(mixed[0, 0, 0, 1:], [share[0], 1 - share[0]], rtol=1e-6)


def test_a_view_is_picked_by_the_key_and_the_plain_one_without():
    table = jnp.arange(24.0).reshape(2, 3, 4)
    route = FeatureInput()
    np.testing.assert_array_equal(route(batch(table)), table[:, 0])
    picked = route(batch(jnp.tile(table[:1], (64, 1, 1))), jax.random.split(KEY, 64))
    assert {int(row[0]) for row in picked} == {0, 4, 8}
