from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models.cnn import brain_cnn, cifar_cnn, medical_cnn


def parameters(model, image):
    variables = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *image), jnp.float32))
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))


def initialized(model, *image):
    return jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, *image)))


@pytest.mark.parametrize(
    ("create", "image", "count"),
    [
        (partial(brain_cnn, 3), (224, 224, 3), 25_767_443),
        (partial(medical_cnn, 10), (28, 28, 1), 421_642),
        (partial(cifar_cnn, 10), (32, 32, 3), 122_570),
    ],
)
def test_parameter_counts_are_those_of_the_reference(create, image, count):
    assert parameters(create(), image) == count


def test_brain_cnn_takes_any_image_size():
    model = brain_cnn(3)
    x = jnp.zeros((2, 33, 64, 1))
    assert model.apply(initialized(model, 33, 64, 1), x).shape == (2, 3)


@pytest.mark.parametrize(("create", "smallest"), [(medical_cnn, 4), (cifar_cnn, 18)])
def test_smallest_image_works_and_one_pixel_less_is_refused(create, smallest):
    model = create(2)
    assert parameters(model, (smallest, smallest, 1)) > 0
    with pytest.raises(UserError, match=f"at least {smallest}x{smallest} pixels, got {smallest - 1}x{smallest}"):
        parameters(model, (smallest - 1, smallest, 1))


def test_another_image_size_than_at_initialisation_is_refused():
    model = medical_cnn(2)
    with pytest.raises(UserError, match="takes 64 features, got 256: give images of the size"):
        model.apply(initialized(model, 4, 4, 1), jnp.zeros((1, 8, 8, 1)))


def test_another_channel_count_than_at_initialisation_is_refused():
    model = medical_cnn(2)
    with pytest.raises(UserError, match="medical_cnn takes images with 1 channel, got 3"):
        model.apply(initialized(model, 4, 4, 1), jnp.zeros((1, 4, 4, 3)))


def test_channels_given_are_demanded_at_initialisation():
    with pytest.raises(UserError, match="brain_cnn takes images with 3 channels, got 1"):
        parameters(brain_cnn(3, channels=3), (16, 16, 1))


def test_brain_cnn_begins_with_convolution_norm_relu_and_pooling():
    model = brain_cnn(2)
    variables = initialized(model, 2, 2, 1)
    variables["params"]["backbone"] = jax.tree.map(jnp.zeros_like, variables["params"]["backbone"])
    first = variables["params"]["backbone"]["conv1"]
    first["conv"]["kernel"] = first["conv"]["kernel"].at[..., 0].set(1.0)
    first["conv"]["bias"] = jnp.full(16, 0.5)
    first["norm"]["scale"] = jnp.ones(16)
    # Pass channel 0 on: the last corner of the window alone, so that padding only adds zeros before.
    for name in ("conv2", "conv3"):
        layer = variables["params"]["backbone"][name]
        layer["conv"]["kernel"] = layer["conv"]["kernel"].at[1, 1, 0, 0].set(1.0)
        layer["norm"]["scale"] = jnp.ones_like(layer["norm"]["scale"])
    variables["batch_stats"] = jax.tree.map(jnp.zeros_like, variables["batch_stats"])
    one = jax.tree.map(jnp.ones_like, variables["batch_stats"])
    for name in ("conv1", "conv2", "conv3"):
        variables["batch_stats"]["backbone"][name]["norm"]["var"] = one["backbone"][name]["norm"]["var"] * (1 - 1e-5)
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]])[None, :, :, None]
    # Sums over 2x2 windows of the image padded by 1: [[1, 3, 2], [4, 10, 6], [3, 7, 4]]; the pool sees the first 2x2.
    features = model.apply(variables, x, method="features")
    np.testing.assert_allclose(features[0, 0], 10.5, rtol=1e-6)


def test_dropout_is_only_drawn_in_training():
    model = brain_cnn(3)
    variables = initialized(model, 16, 16, 1)
    x = jax.random.normal(jax.random.key(1), (2, 16, 16, 1))

    def train(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return model.apply(variables, x, train=True, rngs=rngs, mutable=["batch_stats"])[0]

    assert not np.array_equal(train(0), train(1))
    np.testing.assert_array_equal(model.apply(variables, x), model.apply(variables, x))


def test_weights_are_drawn_as_pytorch_does_and_biases_too():
    kernel, bias = (
        initialized(medical_cnn(2), 28, 28, 1)["params"]["head"]["hidden0"][key] for key in ("kernel", "bias")
    )
    bound = 3136**-0.5
    assert 0.99 * bound < np.abs(kernel).max() <= bound
    assert 0.9 * bound < np.abs(bias).max() <= bound


def test_cifar_cnn_is_initialised_as_keras_does():
    head = initialized(cifar_cnn(10), 32, 32, 3)["params"]["head"]["hidden0"]
    bound = (6 / (1024 + 64)) ** 0.5
    assert 0.99 * bound < np.abs(head["kernel"]).max() <= bound
    assert not head["bias"].any()
