"""Pooling over NHWC feature maps; on CPU, maxima of strided slices instead of XLA's window reduction."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from medjax.models.convolution import Pairs, padding_pairs, per_platform

Padding = int | str | Sequence[tuple[int, int]]


def max_pool(
    x: jax.Array, window: tuple[int, int] = (2, 2), strides: tuple[int, int] = (2, 2), padding: Padding = 0
) -> jax.Array:
    """Take the maximum over windows of x [B, H, W, C]; the gradient goes to the first maximum in row-major order."""
    return _max_pool(x, tuple(window), tuple(strides), padding_pairs(padding, x.shape[1:3], window, strides))


def avg_pool(
    x: jax.Array, window: tuple[int, int] = (2, 2), strides: tuple[int, int] = (2, 2), padding: Padding = 0
) -> jax.Array:
    """Average over windows of x [B, H, W, C]; padded zeros count, as in PyTorch."""
    pads = padding_pairs(padding, x.shape[1:3], window, strides)
    first, *rest = _shifted_slices(x, tuple(window), tuple(strides), pads, 0.0)
    return sum(rest, first) / (window[0] * window[1])


def global_avg_pool(x: jax.Array) -> jax.Array:
    """Average x [B, H, W, C] over height and width -> [B, C]."""
    return x.mean(axis=(1, 2))


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _max_pool(x: jax.Array, window: tuple[int, int], strides: tuple[int, int], pads: Pairs) -> jax.Array:
    return per_platform(partial(_cpu, window, strides, pads), partial(_native, window, strides, pads), x)


def _forward(x, window, strides, pads):
    y = _max_pool(x, window, strides, pads)
    return y, (x, y)


def _backward(window, strides, pads, residuals, grad):
    x, y = residuals
    cpu = partial(_cpu_gradient, window, strides, pads)
    native = partial(_native_gradient, window, strides, pads)
    return (per_platform(cpu, native, x, y, grad),)


_max_pool.defvjp(_forward, _backward)


def _native(window, strides, pads, x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, *window, 1), (1, *strides, 1), ((0, 0), *pads, (0, 0)))


def _native_gradient(window, strides, pads, x, y, grad):
    return jax.vjp(partial(_native, window, strides, pads), x)[1](grad)[0]


def _shifted_slices(x, window, strides, pads, pad_value):
    """Return, for every window offset in row-major order, the elements [B, H', W', C] of x that meet it."""
    x = lax.pad(x, jnp.asarray(pad_value, x.dtype), ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0)))
    rows, cols = ((size - span) // stride for size, span, stride in zip(x.shape[1:3], window, strides, strict=True))
    return [
        x[:, i : i + rows * strides[0] + 1 : strides[0], j : j + cols * strides[1] + 1 : strides[1]]
        for i in range(window[0])
        for j in range(window[1])
    ]


def _cpu(window, strides, pads, x):
    first, *rest = _shifted_slices(x, window, strides, pads, -jnp.inf)
    for candidate in rest:
        first = jnp.maximum(first, candidate)
    return first


def _cpu_gradient(window, strides, pads, x, y, grad):
    # Pixels at the same place of their stride x stride cell form a phase. Every window offset falls into one phase, so
    # its share is added there at the size of y, and the phases are interleaved once, at the end.
    reach = [-(-span // stride) for span, stride in zip(window, strides, strict=True)]
    phases: list[list[list[jax.Array]]] = [[[] for _ in range(strides[1])] for _ in range(strides[0])]
    taken = jnp.zeros(y.shape, bool)
    for offset, candidate in enumerate(_shifted_slices(x, window, strides, pads, -jnp.inf)):
        i, j = divmod(offset, window[1])
        share = jnp.where((candidate == y) & ~taken, grad, 0)
        taken |= candidate == y
        (down, row), (right, col) = divmod(i, strides[0]), divmod(j, strides[1])
        margins = ((0, 0), (down, reach[0] - 1 - down), (right, reach[1] - 1 - right), (0, 0))
        phases[row][col].append(jnp.pad(share, margins))
    zeros = jnp.zeros_like(phases[0][0][0])
    cells = jnp.stack([jnp.stack([sum(shares, zeros) for shares in row], axis=3) for row in phases], axis=2)
    batch, rows, _, cols, _, channels = cells.shape
    # Without the barrier XLA computes the whole of it anew for every pixel that it crops.
    whole = lax.optimization_barrier(cells.reshape(batch, rows * strides[0], cols * strides[1], channels))
    return _crop(whole, x.shape, pads)


def _crop(padded, shape, pads):
    """Take away the padding of a gradient whose bottom and right edges may end before or after those of the image."""
    edges = [
        (-low, low + size - have, 0) for size, have, (low, _) in zip(shape[1:3], padded.shape[1:3], pads, strict=True)
    ]
    return lax.pad(padded, jnp.zeros((), padded.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
