import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.models.convolution import native_lowering
from medjax.models.pooling import avg_pool, global_avg_pool, max_pool

CASES = [  # window, strides, padding, size
    ((2, 2), (2, 2), 0, (6, 8)),
    ((2, 2), (2, 2), 0, (7, 5)),
    ((3, 3), (2, 2), 1, (8, 7)),
    ((3, 3), (2, 2), 1, (1, 2)),
    ((3, 3), (1, 1), 1, (5, 4)),
    ((2, 3), (3, 1), ((0, 1), (1, 1)), (7, 6)),
    ((3, 3), (2, 2), "SAME", (6, 6)),
    ((1, 1), (2, 2), 0, (5, 6)),
]


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("window", "strides", "padding", "size"), CASES)
def test_max_pool_equals_xlas_with_ties(window, strides, padding, size, dtype):
    rng = np.random.default_rng(0)
    # Whole numbers from -2 to 2: most windows hold the maximum several times, and sums of gradients are exact.
    x = jnp.asarray(rng.integers(-2, 3, (2, *size, 3)), dtype)

    def run(x):
        y, transpose = jax.vjp(lambda x: max_pool(x, window, strides, padding), x)
        return y, *transpose((jnp.arange(y.size) % 16).astype(dtype).reshape(y.shape))

    ours = jax.jit(run)(x)
    with native_lowering():
        native = jax.jit(lambda x: run(x))(x)
    for got, expected in zip(ours, native, strict=True):
        np.testing.assert_array_equal(np.asarray(got, np.float32), np.asarray(expected, np.float32))


def test_the_first_of_equal_maxima_gets_the_gradient():
    x = jnp.asarray([[1.0, 3.0, 3.0, 3.0], [3.0, 0.0, 3.0, 3.0]]).reshape(1, 2, 4, 1)
    gradient = jax.grad(lambda x: (max_pool(x) * jnp.asarray([5.0, 7.0]).reshape(1, 1, 2, 1)).sum())(x)
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0.0, 5.0, 7.0, 0.0], [0.0, 0.0, 0.0, 0.0]])


def test_overlapping_windows_add_their_gradients():
    x = jnp.asarray([0.0, 9.0, 1.0]).reshape(1, 1, 3, 1)
    gradient = jax.grad(lambda x: max_pool(x, (1, 2), (1, 1)).sum())(x)
    np.testing.assert_array_equal(gradient.ravel(), [0.0, 2.0, 0.0])


def test_max_pool_under_vmap():
    x = jnp.asarray(np.random.default_rng(2).standard_normal((3, 2, 6, 6, 4)), jnp.float32)

    def gradient(x):
        return jax.grad(lambda x: (max_pool(x, (3, 3), (2, 2), 1) ** 2).sum())(x)

    np.testing.assert_array_equal(jax.vmap(gradient)(x), jnp.stack([gradient(one) for one in x]))


def test_avg_pool_counts_padded_zeros():
    y = avg_pool(jnp.ones((1, 2, 2, 1)), (2, 2), (2, 2), 1)
    np.testing.assert_array_equal(y[0, :, :, 0], [[0.25, 0.25], [0.25, 0.25]])


def test_global_avg_pool():
    np.testing.assert_array_equal(global_avg_pool(jnp.arange(8.0).reshape(1, 2, 2, 2)), [[3.0, 4.0]])
