from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models.unet import multilevel_unet, unet_classifier


def shapes(model, *image):
    return jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *image), jnp.float32))


def initialized(model, *image):
    return jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, *image)))


@pytest.mark.parametrize(("create", "count"), [(unet_classifier, 31_037_828), (multilevel_unet, 21_406_660)])
def test_parameter_counts_are_those_of_the_reference(create, count):
    params = shapes(create(4), 32, 32, 3)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


def test_unet_refuses_sizes_not_divisible_by_16():
    with pytest.raises(UserError, match="unet_classifier takes heights and widths divisible by 16, got 32x40"):
        shapes(unet_classifier(4), 32, 40, 3)


@pytest.mark.parametrize("create", [unet_classifier, multilevel_unet])
def test_images_smaller_than_16_are_refused(create):
    with pytest.raises(UserError, match="at least 16x16 pixels, got 15x16"):
        shapes(create(4), 15, 16, 3)


def test_another_channel_count_than_at_initialisation_is_refused():
    model = unet_classifier(2, widths=(2, 3))
    with pytest.raises(UserError, match="unet_classifier takes images with 3 channels, got 1"):
        jax.eval_shape(model.apply, shapes(model, 8, 8, 3), jnp.zeros((1, 8, 8, 1)))


def test_features_have_the_first_width_and_every_level_s():
    x = jnp.zeros((2, 8, 8, 3))
    for create, width in ((unet_classifier, 2), (multilevel_unet, 2 + 3 + 6)):
        model = create(4, widths=(2, 3))
        features = jax.eval_shape(partial(model.apply, method="features"), shapes(model, 8, 8, 3), x)
        assert features.shape == (2, width)


def test_multilevel_takes_odd_sizes():
    model = multilevel_unet(4, widths=(2, 3))
    logits = jax.eval_shape(model.apply, shapes(model, 9, 11, 3), jnp.zeros((2, 9, 11, 3)))
    assert logits.shape == (2, 4)


def test_averages_of_the_levels_come_in_order():
    model = multilevel_unet(2, widths=(1, 1))
    variables = initialized(model, 4, 4, 1)
    for name, shift in (("down1", 1.0), ("down2", 2.0), ("bottleneck", 3.0)):
        norm = variables["params"]["backbone"][name]["second"]["norm"]
        norm["scale"], norm["bias"] = jnp.zeros_like(norm["scale"]), jnp.full_like(norm["bias"], shift)
    features = model.apply(variables, jnp.ones((1, 4, 4, 1)), method="features")
    np.testing.assert_allclose(features, [[1.0, 2.0, 3.0, 3.0]], rtol=1e-6)


def test_the_skip_comes_before_what_comes_from_below():
    model = unet_classifier(1, widths=(1,))
    variables = initialized(model, 2, 2, 1)
    backbone = variables["params"]["backbone"]
    for name, shift in (("down1", 5.0), ("bottleneck", 0.0)):
        norm = backbone[name]["second"]["norm"]
        norm["scale"], norm["bias"] = jnp.zeros_like(norm["scale"]), jnp.full_like(norm["bias"], shift)
    backbone["up1"]["bias"] = jnp.full(1, 7.0)
    merge = backbone["merge1"]
    merge["first"]["conv"]["kernel"] = jnp.zeros((3, 3, 2, 1)).at[1, 1, :, 0].set(jnp.array([1.0, 100.0]))
    merge["second"]["conv"]["kernel"] = jnp.zeros((3, 3, 1, 1)).at[1, 1].set(1.0)
    features = model.apply(variables, jnp.ones((1, 2, 2, 1)), method="features")
    np.testing.assert_allclose(features, [[705.0]], rtol=1e-4)


def test_transposed_kernels_are_drawn_with_pytorch_s_bound():
    kernel = initialized(unet_classifier(4, widths=(64,)), 2, 2, 3)["params"]["backbone"]["up1"]["kernel"]
    bound = (64 * 4) ** -0.5
    assert 0.98 * bound < np.abs(kernel).max() <= bound
