"""The CPU lowering against XLA's own: forward and both gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.models import convolution
from medjax.models.convolution import conv, native_lowering, padding_pairs

# kernel, stride, padding, (height, width), (channels in, out): every kernel size 1-7 with both strides, odd and even
# and non-square sizes, windows larger than the image (which XLA would exchange with it), outputs larger than the image.
CASES = [
    (1, 1, 0, (7, 5), (64, 3)),
    (1, 2, 0, (7, 8), (5, 64)),
    (1, 2, 0, (2, 1), (4, 6)),
    (1, 1, 1, (3, 4), (2, 7)),
    (2, 1, 1, (9, 6), (3, 16)),
    (2, 2, 0, (9, 7), (16, 1)),
    (2, 1, 0, (2, 2), (4, 4)),
    (3, 1, 1, (8, 8), (64, 64)),
    (3, 2, 1, (9, 8), (7, 12)),
    (3, 1, 1, (2, 2), (33, 17)),
    (3, 2, 1, (4, 4), (9, 32)),
    (3, 1, 1, (1, 1), (5, 4)),
    (3, 1, 2, (5, 4), (1, 6)),
    (3, 1, "SAME", (6, 7), (8, 8)),
    (3, 2, "SAME", (6, 7), (8, 8)),
    (3, 2, "VALID", (6, 9), (4, 5)),
    (4, 1, ((2, 1), (0, 3)), (5, 6), (3, 4)),
    (4, 2, 1, (7, 8), (2, 10)),
    (5, 1, 0, (7, 7), (12, 20)),
    (5, 2, 2, (11, 6), (1, 9)),
    (6, 1, 2, (8, 6), (3, 3)),
    (6, 2, 3, (4, 5), (4, 2)),
    (7, 1, 3, (5, 5), (2, 8)),
    (7, 2, 3, (17, 15), (3, 64)),
    (7, 2, 3, (2, 3), (3, 4)),
]


def _forward_and_gradients(kernel, stride, padding, size, channels, dtype):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((3, *size, channels[0])), dtype)
    weights = jnp.asarray(rng.standard_normal((kernel, kernel, *channels)), dtype)
    strides = (stride, stride)
    pads = padding_pairs(padding, size, (kernel, kernel), strides)

    def run(x, weights):
        y, transpose = jax.vjp(lambda x, weights: conv(x, weights, strides, pads), x, weights)
        cotangent = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape).astype(dtype)
        return y, *transpose(cotangent)

    ours = jax.jit(run)(x, weights)
    with native_lowering():
        native = jax.jit(lambda x, weights: run(x, weights))(x, weights)
    return ours, native


@pytest.mark.parametrize(("kernel", "stride", "padding", "size", "channels"), CASES)
def test_lowering_changes_no_mathematics(kernel, stride, padding, size, channels):
    ours, native = _forward_and_gradients(kernel, stride, padding, size, channels, jnp.float32)
    for got, expected in zip(ours, native, strict=True):
        # Sums of at most 600 products in another order: 600 × 2⁻²⁴ = 4e-5 at worst, some 1e-6 in practice.
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("kernel", "stride", "padding", "size", "channels"), [case for case in CASES if case[0] > 1])
def test_kernel_gradients_by_blocks_change_no_mathematics(monkeypatch, kernel, stride, padding, size, channels):
    monkeypatch.setattr(convolution, "_BLOCK_PIXELS", 12)
    for dtype, tolerance in ((jnp.float32, 1e-5), (jnp.bfloat16, 2.0**-7)):
        ours, native = _forward_and_gradients(kernel, stride, padding, size, channels, dtype)
        got, expected = np.asarray(ours[2], np.float32), np.asarray(native[2], np.float32)
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size", "channels"), [CASES[i] for i in (0, 1, 4, 7, 9, 10, 23)]
)
def test_lowering_in_bfloat16(kernel, stride, padding, size, channels):
    ours, native = _forward_and_gradients(kernel, stride, padding, size, channels, jnp.bfloat16)
    for got, expected in zip(ours, native, strict=True):
        assert got.dtype == jnp.bfloat16
        got, expected = np.asarray(got, np.float32), np.asarray(expected, np.float32)
        # One unit in the last of 8 bits.
        np.testing.assert_allclose(got, expected, rtol=0, atol=2.0**-7 * np.abs(expected).max())


def test_hand_computed():
    x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    kernel = jnp.asarray([[1.0, 0.0], [0.0, 10.0]]).reshape(2, 2, 1, 1)
    y = conv(x, kernel, (1, 1), ((0, 0), (0, 0)))
    np.testing.assert_array_equal(y[0, :, :, 0], [[40.0, 51.0], [73.0, 84.0]])


def test_vmap_over_kernels_equals_a_loop():
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.standard_normal((2, 4, 4, 3)), jnp.float32)
    kernels = jnp.asarray(rng.standard_normal((3, 3, 3, 3, 2)), jnp.float32)

    def gradients(kernel):
        return jax.grad(lambda kernel, x: (conv(x, kernel, (2, 2), ((1, 1), (1, 1))) ** 2).sum(), (0, 1))(kernel, x)

    together, alone = jax.vmap(gradients)(kernels), [gradients(kernel) for kernel in kernels]
    for index, expected in enumerate(alone):
        for got, want in zip(together, expected, strict=True):
            np.testing.assert_allclose(got[index], want, rtol=1e-5, atol=1e-4)


def test_second_derivative_through_the_lowering():
    x = jnp.arange(8.0).reshape(1, 2, 4, 1) / 8

    def loss(kernel):
        return (conv(x, kernel, (1, 1), ((1, 1), (1, 1))) ** 2).sum()

    kernel = jnp.ones((3, 3, 1, 1))
    curvature = jax.grad(lambda kernel: jax.grad(loss)(kernel).sum())(kernel)
    # The loss is quadratic: the Hessian times ones is the gradient at ones.
    np.testing.assert_allclose(curvature, jax.grad(loss)(kernel), rtol=1e-5)


def test_an_exported_program_holds_the_native_convolution_for_gpus():
    x, kernel = jnp.ones((1, 4, 4, 8)), jnp.ones((1, 1, 8, 8))
    program = jax.jit(lambda x, kernel: conv(x, kernel, (1, 1), ((0, 0), (0, 0))))
    assert "stablehlo.convolution" not in jax.export.export(program, platforms=["cpu"])(x, kernel).mlir_module()
    assert "stablehlo.convolution" in jax.export.export(program, platforms=["cuda"])(x, kernel).mlir_module()


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (1, ((1, 1), (1, 1))),
        ("VALID", ((0, 0), (0, 0))),
        ("SAME", ((0, 1), (1, 1))),
        ([(1, 2), (3, 4)], ((1, 2), (3, 4))),
    ],
)
def test_padding_pairs(padding, expected):
    assert padding_pairs(padding, (6, 7), (3, 3), (2, 2)) == expected
