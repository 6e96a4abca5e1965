import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.pipeline.augment import Augmentation
from medjax.pipeline.mixing import mix, mix_targets

# Image i holds i + 1 everywhere, so a mixed pixel tells where it comes from.
IMAGES = jnp.ones((4, 10, 10, 2)) * jnp.arange(1.0, 5.0)[:, None, None, None]


def keys(count=4, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def test_mixup_blends_each_image_with_the_next_one_by_its_share():
    mixed, share = mix(IMAGES, keys(), 1.0, 0.0)
    own, other = np.arange(1.0, 5.0), np.array([2.0, 3, 4, 1])
    expected = share * own + (1 - share) * other
    np.testing.assert_allclose(mixed, np.broadcast_to(expected[:, None, None, None], mixed.shape), rtol=1e-6)
    assert len(set(np.asarray(share).tolist())) == 4


@pytest.mark.parametrize("seed", range(5))
def test_cutmix_pastes_one_box_and_its_share_is_the_area_that_is_left(seed):
    mixed, share = mix(IMAGES, keys(seed=seed), 0.0, 1.0)
    for i, image in enumerate(np.asarray(mixed)):
        own = image == i + 1
        assert (image[~own] == (i + 1) % 4 + 1).all()
        np.testing.assert_allclose(share[i], own.mean(), rtol=1e-6)
        pasted = ~own[..., 0]
        assert pasted.sum() == pasted.any(axis=0).sum() * pasted.any(axis=1).sum()


def test_with_both_on_each_kind_is_drawn_about_as_often():
    images = jnp.tile(jnp.arange(2.0)[:, None, None, None], (100, 8, 8, 1))
    mixed, _ = mix(images, keys(200), 1.0, 1.0)
    blended = [not np.isin(image, (0, 1)).all() for image in np.asarray(mixed)]
    assert 70 < sum(blended) < 130


def test_labels_are_blended_like_the_images():
    targets = mix_targets(jnp.eye(3), jnp.array([1.0, 0.25, 0.5]))
    np.testing.assert_allclose(targets, [[1, 0, 0], [0, 0.25, 0.75], [0.5, 0, 0.5]])


def test_a_small_alpha_leaves_most_images_nearly_alone():
    _, share = mix(jnp.zeros((200, 2, 2, 1)), keys(200), 0.05, 0.0)
    assert (np.abs(np.asarray(share) - 0.5) > 0.45).mean() > 0.7


def test_the_type_of_the_input_is_kept():
    assert mix(IMAGES.astype(jnp.bfloat16), keys(), 1.0, 0.0)[0].dtype == jnp.bfloat16


def test_mixing_has_draws_of_its_own():
    plain = Augmentation(rotation=20.0)(IMAGES / 4, keys())
    np.testing.assert_array_equal(Augmentation(rotation=20.0, mixup=1.0)(IMAGES / 4, keys()), plain)


_TWO_DEVICES = """
import jax, numpy as np
from medjax import sharding
from medjax.pipeline.augment import Augmentation
assert jax.device_count() == 2
augmentation = Augmentation(rotation=20.0, crop=0.8, noise=0.1, mixup=1.0, cutmix=1.0)
def run(images, keys):
    return augmentation.mix(augmentation(images, keys), keys)
images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), np.uint8)
keys = jax.random.split(jax.random.key(0), 6)
divided = sharding.by_batch(sharding.make_mesh())
ours = jax.jit(run, in_shardings=divided, out_shardings=divided)(images, keys)
for a, b in zip(ours, jax.jit(run)(images, keys)):
    np.testing.assert_allclose(a, b, atol=1e-6)
"""


def test_two_devices_make_the_batch_of_one():
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "2"}
    done = subprocess.run([sys.executable, "-c", _TWO_DEVICES], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
