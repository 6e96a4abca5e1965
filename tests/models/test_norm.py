import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.models.convolution import native_lowering
from medjax.models.norm import batch_norm


def _plain(x, scale, bias, epsilon, relu):
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    y = (x - mean) / jnp.sqrt(variance + epsilon) * scale + bias
    return jnp.maximum(y, 0) if relu else y, mean, variance


def _inputs(dtype=jnp.float32):
    rng = np.random.default_rng(0)
    x = jnp.asarray(3 + 2 * rng.standard_normal((4, 3, 5, 6)), dtype)
    return x, jnp.asarray(rng.uniform(0.5, 2, 6), jnp.float32), jnp.asarray(rng.standard_normal(6), jnp.float32)


@pytest.mark.parametrize("relu", [False, True])
def test_values_and_gradients_of_every_output(relu):
    x, scale, bias = _inputs()

    def loss(norm):
        def of_inputs(*inputs):
            y, mean, variance = norm(*inputs, 1e-3, relu)
            return jnp.sin(y).sum() + jnp.cos(mean).sum() + jnp.square(variance).sum()

        return jax.value_and_grad(of_inputs, (0, 1, 2))(x, scale, bias)

    for got, expected in zip(jax.tree.leaves(loss(batch_norm)), jax.tree.leaves(loss(_plain)), strict=True):
        # 60 values a channel: rounding errors of sums stay below 60 × 2⁻²⁴ = 4e-6 of the largest.
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_cpu_lowering_equals_the_native_one():
    x, scale, bias = _inputs()

    def gradients(x, scale, bias):
        return jax.grad(lambda *inputs: (batch_norm(*inputs, 1e-5, True)[0] ** 3).sum(), (0, 1, 2))(x, scale, bias)

    ours = jax.jit(gradients)(x, scale, bias)
    with native_lowering():
        native = jax.jit(lambda *inputs: gradients(*inputs))(x, scale, bias)
    for got, expected in zip(ours, native, strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_bfloat16_is_summed_in_float32():
    x = jnp.full((1, 40, 40, 1), 1.0, jnp.bfloat16).at[0, 0, 0, 0].set(3.0)
    y, mean, variance = batch_norm(x, jnp.ones(1), jnp.zeros(1), 1e-5, False)
    # bfloat16 sums of ones stop at 256; here 1599 ones and a 3: mean 1602/1600, variance 4/1600 - (2/1600)².
    assert (y.dtype, mean.dtype, variance.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)
    np.testing.assert_allclose(mean, 1602 / 1600, rtol=1e-6)
    np.testing.assert_allclose(variance, 4 / 1600 - (2 / 1600) ** 2, rtol=1e-4)


def test_large_mean_keeps_its_variance():
    x = jnp.asarray([4096.0, 4097.0, 4096.0, 4097.0]).reshape(4, 1, 1, 1)
    _, _, variance = batch_norm(x, jnp.ones(1), jnp.zeros(1), 1e-5, False)
    np.testing.assert_array_equal(variance, [0.25])
