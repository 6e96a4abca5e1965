import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from medjax.inference import saliency
from medjax.inference.feature_maps import default_layer, feature_maps
from medjax.models import create_model
from medjax.models.layers import Conv, Dense

# every kind of network; what differs between the depths of a ResNet is no module of its own
NETWORKS = {
    "brain_cnn": {},
    "medical_cnn": {},
    "cifar_cnn": {},
    "resnet18": {},
    "unet_classifier": {"widths": (2, 4)},
    "multilevel_unet": {"widths": (2, 4)},
    "spatial_cnn": {"widths": (2, 4)},
    "spiking_cnn": {"steps": 3},
}


class TwoMaps(nn.Module):
    """A 1×1 convolution to two maps, averaged over the pixels, and a dense layer: every map below is known by hand."""

    @nn.compact
    def __call__(self, x):
        return Dense(2, name="fc")(Conv(2, (1, 1), name="maps")(x).mean(axis=(1, 2)))


# score of class 0 = 3 mean(2x) − 1 mean(−x + 1); of class 1 = −mean(2x) + 2 mean(−x + 1)
TWO_MAPS = {
    "params": {
        "maps": {"kernel": jnp.array([[[[2.0, -1.0]]]]), "bias": jnp.array([0.0, 1.0])},
        "fc": {"kernel": jnp.array([[3.0, -1.0], [-1.0, 2.0]]), "bias": jnp.zeros(2)},
    }
}
X = jnp.array([[[[0.0], [1.0]], [[2.0], [-1.0]]], [[[1.0], [1.0]], [[0.0], [4.0]]]])  # [2, 2, 2, 1]
TARGETS = jnp.array([0, 1])


def test_grad_cam_by_hand():
    maps = saliency.grad_cam(TwoMaps(), TWO_MAPS, X, TARGETS, "maps")
    # the mean gradient of a map's pixel is its weight over the 4 pixels
    first = (3 * (2 * X[0]) - 1 * (1 - X[0])) / 4
    second = (-1 * (2 * X[1]) + 2 * (1 - X[1])) / 4
    np.testing.assert_allclose(maps, np.maximum(np.stack([first, second])[..., 0], 0), rtol=1e-6)
    assert (np.asarray(maps) == 0).any()


def test_integrated_gradients_of_a_linear_network_are_its_weights_times_the_way():
    maps = saliency.integrated_gradients(TwoMaps(), TWO_MAPS, X, TARGETS, jnp.full((1, 1, 1), 0.5), 1)
    slopes = np.array([3 * 2 + 1, -2 - 2])[:, None, None] / 4
    np.testing.assert_allclose(maps, slopes * (X[..., 0] - 0.5), rtol=1e-6)


def test_occlusion_of_a_linear_network_by_single_pixels_is_the_same():
    baseline = jnp.full((1, 1, 1), 0.5)
    maps = saliency.occlusion(TwoMaps(), TWO_MAPS, X, TARGETS, baseline, patch=1, stride=1)
    exact = saliency.integrated_gradients(TwoMaps(), TWO_MAPS, X, TARGETS, baseline, 1)
    np.testing.assert_allclose(maps, exact, rtol=1e-5, atol=1e-6)


def test_a_pixel_under_two_squares_gets_their_mean_and_the_last_square_ends_with_the_image():
    x = jnp.array([[[[1.0], [2.0], [4.0]]] * 2])  # [1, 2, 3, 1]
    maps = saliency.occlusion(TwoMaps(), TWO_MAPS, x, jnp.array([0]), jnp.zeros((1, 1, 1)), patch=2, stride=2)
    left, right = 7 / 6 * 2 * (1 + 2), 7 / 6 * 2 * (2 + 4)  # slope 7, mean over 6 pixels, two rows
    np.testing.assert_allclose(maps[0], [[left, (left + right) / 2, right]] * 2, rtol=1e-5)


@functools.cache
def network(name):
    """Network, variables and two images [2, 32, 32, 2] of which the second channel is a plane."""
    model = create_model(name, num_classes=3, **NETWORKS[name])
    x = jnp.concatenate([jax.random.normal(jax.random.key(0), (2, 32, 32, 1)) * 4, jnp.ones((2, 32, 32, 1))], axis=-1)
    return model, jax.jit(model.init)(jax.random.key(1), x), x


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_of_every_network(name):
    model, variables, x = network(name)
    maps = feature_maps(model, variables, x)
    layer = default_layer(maps)
    targets = jnp.array([0, 1])
    found = np.asarray(jax.jit(lambda: saliency.grad_cam(model, variables, x, targets, layer))())
    assert found.dtype == np.float32
    assert found.shape == (2, *maps[layer][-3:-1])
    assert np.isfinite(found).all()
    assert (found.std(axis=(1, 2)) > 0).any()


@pytest.mark.parametrize("name", ["cifar_cnn", "spiking_cnn"])
def test_integrated_gradients_leave_out_what_is_no_image(name):
    model, variables, x = network(name)
    baseline = jnp.concatenate([jnp.zeros_like(x[..., :1]), x[..., 1:]], axis=-1)
    targets = jnp.array([0, 2])
    steps = 300 if name == "cifar_cnn" else 20  # a network with ReLU needs as many to be complete within 2 %
    maps = np.asarray(jax.jit(lambda: saliency.integrated_gradients(model, variables, x, targets, baseline, steps))())
    assert maps.shape == (2, 32, 32)
    assert np.isfinite(maps).all()
    if name == "cifar_cnn":  # complete, so the plane was given nothing
        change = saliency.class_score(model, variables, x, targets) - saliency.class_score(
            model, variables, baseline, targets
        )
        np.testing.assert_allclose(maps.sum(axis=(1, 2)), change, rtol=0.02, atol=2e-3)


def test_occlusion_of_a_network_hides_all_of_the_image_in_one_square():
    model, variables, x = network("cifar_cnn")
    targets, baseline = jnp.array([0, 2]), jnp.zeros((1, 1, 2))
    maps = saliency.occlusion(model, variables, x, targets, baseline, patch=32, stride=32)
    blank = saliency.class_score(model, variables, jnp.zeros_like(x), targets)
    fall = saliency.class_score(model, variables, x, targets) - blank
    np.testing.assert_allclose(maps, np.broadcast_to(fall[:, None, None], maps.shape), rtol=1e-5, atol=1e-6)


def test_the_rate_of_spikes_is_weighed_by_the_gradient_of_all_steps():
    class Steps(nn.Module):
        @nn.compact
        def __call__(self, x):
            spikes = Spikes(name="spikes")(jnp.stack([x, jnp.zeros_like(x)], axis=1))  # [B, T, H, W, C]
            return spikes.mean(axis=(2, 3)) * jnp.array([1.0, 3.0])[None, :, None]  # logits [B, T, K]

    class Spikes(nn.Module):
        @nn.compact
        def __call__(self, spikes):
            return spikes

    maps = saliency.grad_cam(Steps(), {}, X, jnp.zeros(2, jnp.int32), "spikes")
    # rate x / 2; the score's gradient is (1 + 3) / 2 steps / 4 pixels
    np.testing.assert_allclose(maps, np.maximum(X[..., 0], 0) / 2 * (2 / 4), rtol=1e-6)


def test_a_smaller_map_is_spread_over_the_image():
    spread = saliency.resized(jnp.array([[[0.0, 1.0]]]), (2, 4))
    np.testing.assert_allclose(spread[0], [[0, 0.25, 0.75, 1]] * 2)


def test_maps_are_scaled_each_by_its_own_highest_value():
    maps = np.array([[[-1.0, 2.0]], [[0.0, -3.0]]])
    np.testing.assert_array_equal(saliency.in_unit_range(maps), np.array([[[0, 1]], [[0, 0]]], np.float32))
