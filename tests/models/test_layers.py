import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from medjax.models import layers


def _normal(*shape):
    return jnp.asarray(np.random.default_rng(3).standard_normal(shape), jnp.float32)


def test_batch_norm_moves_running_statistics_as_torch_does():
    x = jnp.asarray([1.0, 2.0, 3.0, 6.0]).reshape(4, 1, 1, 1)
    norm = layers.BatchNorm(momentum=0.9)
    variables = norm.init(jax.random.key(0), x)
    _, updated = norm.apply(variables, x, True, mutable=["batch_stats"])
    # mean 3, biased variance 3.5, unbiased 14/3.
    np.testing.assert_allclose(updated["batch_stats"]["mean"], [0.1 * 3], rtol=1e-6)
    np.testing.assert_allclose(updated["batch_stats"]["var"], [0.9 + 0.1 * 14 / 3], rtol=1e-6)


def test_batch_norm_in_training_divides_by_the_biased_deviation():
    x = jnp.asarray([1.0, 2.0, 3.0, 6.0]).reshape(4, 1)
    norm = layers.BatchNorm(epsilon=0.0)
    y = norm.apply(norm.init(jax.random.key(0), x), x, True, mutable=["batch_stats"])[0]
    np.testing.assert_allclose(y.ravel(), np.array([-2, -1, 0, 3]) / np.sqrt(3.5), rtol=1e-6)


def test_batch_norm_in_inference_uses_and_keeps_the_running_statistics():
    norm = layers.BatchNorm(epsilon=0.0)
    variables = {
        "params": {"scale": jnp.asarray([2.0]), "bias": jnp.asarray([1.0])},
        "batch_stats": {"mean": jnp.asarray([10.0]), "var": jnp.asarray([4.0])},
    }
    y, updated = norm.apply(variables, jnp.asarray([[12.0], [10.0]]), mutable=["batch_stats"])
    np.testing.assert_allclose(y.ravel(), [3.0, 1.0])
    np.testing.assert_array_equal(updated["batch_stats"]["mean"], [10.0])


def test_training_on_one_value_a_channel_is_refused():
    norm = layers.BatchNorm()
    with pytest.raises(ValueError, match="2 values a channel"):
        norm.init(jax.random.key(0), jnp.ones((1, 1, 1, 3)), True)


def test_initialising_in_training_leaves_fresh_statistics():
    stats = layers.ConvNorm(2).init(jax.random.key(0), _normal(2, 5, 5, 3), True)["batch_stats"]["norm"]
    np.testing.assert_array_equal(stats["mean"], [0.0, 0.0])
    np.testing.assert_array_equal(stats["var"], [1.0, 1.0])


class _Plain(nn.Module):
    """ConvNorm from its parts."""

    relu: bool
    use_bias: bool

    @nn.compact
    def __call__(self, x, train):
        y = layers.Conv(4, (3, 3), (2, 2), 1, use_bias=self.use_bias, name="conv")(x)
        y = layers.BatchNorm(name="norm")(y, train)
        return nn.relu(y) if self.relu else y


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("relu", "use_bias"), [(True, False), (False, True)])
def test_conv_norm_equals_its_parts(relu, use_bias, train):
    x = _normal(3, 7, 6, 2)
    fused = layers.ConvNorm(4, (3, 3), (2, 2), 1, relu=relu, use_bias=use_bias)
    variables = fused.init(jax.random.key(0), x)
    for name in ("mean", "var"):
        variables["batch_stats"]["norm"][name] = jnp.asarray([0.5, 1.0, 2.0, 3.0])
    got = fused.apply(variables, x, train, mutable=["batch_stats"])
    expected = _Plain(relu, use_bias).apply(variables, x, train, mutable=["batch_stats"])
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_conv_transpose_turns_every_pixel_into_a_block():
    x = jnp.asarray([1.0, 2.0]).reshape(1, 1, 2, 1)
    params = {"kernel": jnp.arange(4.0).reshape(2, 2, 1, 1), "bias": jnp.asarray([10.0])}
    y = layers.ConvTranspose(1).apply({"params": params}, x)
    np.testing.assert_array_equal(y[0, :, :, 0], [[10.0, 11.0, 10.0, 12.0], [12.0, 13.0, 14.0, 16.0]])


def test_conv_transpose_refuses_other_strides():
    with pytest.raises(ValueError, match="strides equal to kernel_size"):
        layers.ConvTranspose(1, (3, 3), (2, 2)).init(jax.random.key(0), jnp.ones((1, 2, 2, 1)))


def test_dense_is_a_product_and_a_sum():
    params = {"kernel": jnp.asarray([[1.0, 2.0], [3.0, 4.0]]), "bias": jnp.asarray([10.0, 20.0])}
    np.testing.assert_array_equal(layers.Dense(2).apply({"params": params}, jnp.asarray([1.0, 1.0])), [14.0, 26.0])


@pytest.mark.parametrize(
    ("module", "shape", "fan_in"),
    [
        (layers.Conv(64, (3, 3)), (1, 3, 3, 7), 63),
        (layers.Dense(256), (1, 100), 100),
        (layers.ConvTranspose(9), (1, 2, 2, 300), 36),
    ],
)
def test_default_initialisation_is_torchs(module, shape, fan_in):
    params = module.init(jax.random.key(0), jnp.ones(shape))["params"]
    bound = fan_in**-0.5
    for values in jax.tree.leaves(params):
        assert jnp.abs(values).max() <= bound
    # Uniform in ±bound: standard deviation bound / √3, here over 4,000 values and more.
    np.testing.assert_allclose(params["kernel"].std(), bound / 3**0.5, rtol=0.05)


def test_kaiming_normal_fan_out():
    kernel = layers.kaiming_normal_fan_out(jax.random.key(0), (3, 3, 16, 64))
    np.testing.assert_allclose(kernel.std(), (2 / (9 * 64)) ** 0.5, rtol=0.05)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_dtype_is_that_of_the_computation_and_parameters_stay_float32(dtype):
    x = _normal(2, 5, 5, 3)
    module = layers.ConvNorm(4, dtype=dtype)
    variables = module.init(jax.random.key(0), x)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    y, updated = module.apply(variables, x, True, mutable=["batch_stats"])
    assert y.dtype == module.apply(variables, x).dtype == dtype
    assert {leaf.dtype for leaf in jax.tree.leaves(updated)} == {jnp.dtype(jnp.float32)}


def test_vmap_over_a_leading_axis_of_states():
    module, x = layers.ConvNorm(4, (3, 3), (2, 2), 1), _normal(2, 6, 6, 3)
    states = [module.init(jax.random.key(seed), x) for seed in (0, 1)]

    def step(variables):
        def loss(params):
            y, updated = module.apply({**variables, "params": params}, x, True, mutable=["batch_stats"])
            return (y**2).sum(), updated

        return jax.grad(loss, has_aux=True)(variables["params"])

    together = jax.vmap(step)(jax.tree.map(lambda *leaves: jnp.stack(leaves), *states))
    for index, variables in enumerate(states):
        for got, expected in zip(jax.tree.leaves(together), jax.tree.leaves(step(variables)), strict=True):
            np.testing.assert_allclose(got[index], expected, rtol=1e-4, atol=1e-4)


SHARDED = """
    import jax, jax.numpy as jnp, numpy as np
    jax.config.update("jax_num_cpu_devices", 4)
    jax.config.update("jax_enable_x64", True)
    from jax.sharding import AxisType, NamedSharding, PartitionSpec
    from flax import linen as nn
    from medjax.models import layers

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = layers.ConvNorm(6, (3, 3), (2, 2), 1, dtype=jnp.float64)(x, True)
            x = layers.max_pool(x, (3, 3), (2, 2), 1)
            return layers.ConvNorm(5, (1, 1), dtype=jnp.float64)(x, True)

    x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 9, 9, 3)))
    net = Net()
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), net.init(jax.random.key(0), x))

    def step(variables, x):
        def loss(params):
            y, updated = net.apply({**variables, "params": params}, x, mutable=["batch_stats"])
            return (y**2).mean(), updated
        return jax.grad(loss, has_aux=True)(variables["params"])

    alone = jax.jit(step)(params, x)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    spread = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
    everywhere = jax.device_put(params, NamedSharding(mesh, PartitionSpec()))
    for got, expected in zip(jax.tree.leaves(jax.jit(step)(everywhere, spread)), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
"""


def test_four_devices_compute_the_statistics_of_the_whole_batch():
    # In a process of its own: the number of devices is fixed once JAX has started.
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(SHARDED)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
