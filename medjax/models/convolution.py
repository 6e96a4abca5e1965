"""2-D convolution, and how it is computed on a CPU. GPU and TPU keep XLA's own convolutions.

On CPU, 1x1 convolutions are matrix products, which run at up to twice the speed. The others, and their gradients, are
XLA convolutions that stay off the naive loops, up to 100 times slower, into which its CPU backend falls in two cases:
- The window is larger than the image. XLA then exchanges the two; so we pad the image first, which makes it the larger.
- The dimensions are not in the canonical order, inside a loop (only outside are they transposed); so we transpose.
And where few output channels would leave all cores but one idle, the images of a batch are laid side by side.
Kernel gradients of large maps with few output channels, or of few images, become matrix products block by block.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

Pairs = tuple[tuple[int, int], tuple[int, int]]
_LAYOUT = ("NHWC", "HWIO", "NHWC")
_NO_PADS: Pairs = ((0, 0), (0, 0))
# XLA divides a convolution among cores by output channels or by long rows; from so many channels on it needs no help.
_ENOUGH_CHANNELS = 128
_FEW_IMAGES = 8
_LARGE_MAP = 2**13  # output pixels
_BLOCK_PIXELS = 2048  # output pixels whose windows are gathered at once, so that they stay in the cache
_native_only = False


@contextlib.contextmanager
def native_lowering() -> Iterator[None]:
    """Trace every layer as XLA lowers it on all platforms, to compare with; what is traced already stays."""
    global _native_only
    before, _native_only = _native_only, True
    try:
        yield
    finally:
        _native_only = before


def per_platform(cpu: Callable[..., jax.Array], native: Callable[..., jax.Array], *args: jax.Array) -> jax.Array:
    """Compute `cpu(*args)` where the program is compiled for a CPU and `native(*args)` elsewhere."""
    return native(*args) if _native_only else lax.platform_dependent(*args, cpu=cpu, default=native)


def padding_pairs(
    padding: int | str | Sequence[tuple[int, int]], size: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> Pairs:
    """Write `padding` (an int for all sides, "SAME", "VALID" or pairs) as ((top, bottom), (left, right))."""
    if isinstance(padding, int):
        return ((padding, padding), (padding, padding))
    if isinstance(padding, str):
        (top, bottom), (left, right) = lax.padtype_to_pads(size, window, strides, padding)
        return ((int(top), int(bottom)), (int(left), int(right)))
    (top, bottom), (left, right) = padding
    return ((top, bottom), (left, right))


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(x: jax.Array, kernel: jax.Array, strides: tuple[int, int], pads: Pairs) -> jax.Array:
    """Convolve x [B, H, W, I] with kernel [h, w, I, O] -> [B, H', W', O]; no bias, both of one float dtype."""
    return per_platform(partial(_cpu, strides, pads), partial(_native, strides, pads), x, kernel)


def _forward(x, kernel, strides, pads):
    return conv(x, kernel, strides, pads), (x, kernel)


def _backward(strides, pads, residuals, grad):
    x, kernel = residuals
    grad_x = per_platform(
        partial(_cpu_input_gradient, strides, pads, x.shape),
        partial(_native_input_gradient, strides, pads, x.shape),
        kernel,
        grad,
    )
    grad_kernel = per_platform(
        partial(_cpu_kernel_gradient, strides, pads, kernel.shape),
        partial(_native_kernel_gradient, strides, pads, kernel.shape),
        x,
        grad,
    )
    return grad_x, grad_kernel


conv.defvjp(_forward, _backward)


def _native(strides, pads, x, kernel):
    return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=_LAYOUT)


def _native_input_gradient(strides, pads, shape, kernel, grad):
    x = jax.ShapeDtypeStruct(shape, grad.dtype)
    return jax.linear_transpose(lambda x: _native(strides, pads, x, kernel), x)(grad)[0]


def _native_kernel_gradient(strides, pads, shape, x, grad):
    kernel = jax.ShapeDtypeStruct(shape, grad.dtype)
    return jax.linear_transpose(lambda kernel: _native(strides, pads, x, kernel), kernel)(grad)[0]


def _is_pointwise(kernel_shape, pads):
    return tuple(kernel_shape[:2]) == (1, 1) and pads == _NO_PADS


def _cpu(strides, pads, x, kernel):
    if not _is_pointwise(kernel.shape, pads):
        return _convolve(x, kernel, pads, strides)
    x = x[:, :: strides[0], :: strides[1]]
    return (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:-1], -1)


def _cpu_input_gradient(strides, pads, shape, kernel, grad):
    rows, cols = (
        (window - 1 - low, size + low - 1 - (count - 1) * stride)
        for window, size, count, stride, (low, _) in zip(
            kernel.shape[:2], shape[1:3], grad.shape[1:3], strides, pads, strict=True
        )
    )
    if not _is_pointwise(kernel.shape, pads):
        flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
        if strides == (1, 1):
            return _convolve(grad, flipped, (rows, cols), strides)
        return _correlate(grad, flipped, (rows, cols), image_dilation=strides)
    grad = (grad.reshape(-1, grad.shape[-1]) @ kernel[0, 0].T).reshape(*grad.shape[:-1], -1)
    return _pad(grad, (rows, cols), strides)


def _cpu_kernel_gradient(strides, pads, shape, x, grad):
    if _is_pointwise(shape, pads):
        x = x[:, :: strides[0], :: strides[1]]
        return (x.reshape(-1, x.shape[-1]).T @ grad.reshape(-1, grad.shape[-1])).reshape(shape)
    rows, cols = (
        (low, window + (count - 1) * stride - size - low)
        for window, size, count, stride, (low, _) in zip(
            shape[:2], x.shape[1:3], grad.shape[1:3], strides, pads, strict=True
        )
    )
    # Measured on two cores: up to 2.5 times as fast there, and no faster elsewhere.
    pixels, few = grad.shape[1] * grad.shape[2], x.shape[0] < _FEW_IMAGES
    if pixels > (_BLOCK_PIXELS if few else _LARGE_MAP) and (few or shape[3] < _ENOUGH_CHANNELS):
        return _kernel_gradient_by_blocks(strides, shape, _pad(x, (rows, cols), (1, 1)), grad)
    image, window = x.transpose(3, 1, 2, 0), grad.transpose(1, 2, 0, 3)
    return _correlate(image, window, (rows, cols), window_dilation=strides).transpose(1, 2, 0, 3)


def _kernel_gradient_by_blocks(strides, shape, x, grad):
    """Sum windows^T @ grad over blocks of output rows; x is padded already so that every window lies within it."""
    (height, width, channels, features), (batch, count, columns, _) = shape, grad.shape
    rows = max(n for n in range(1, count + 1) if count % n == 0 and (n == 1 or n * columns <= _BLOCK_PIXELS))
    down, right = strides

    def add(total, block):
        image, row = block // (count // rows), block % (count // rows) * rows
        span = (1, (rows - 1) * down + height, x.shape[2], channels)
        part = lax.dynamic_slice(x, (image, row * down, 0, 0), span)[0]
        shifted = [
            part[i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * right + 1 : right]
            for i in range(height)
            for j in range(width)
        ]
        # Without the barrier XLA gathers every window anew inside the product.
        windows = lax.optimization_barrier(jnp.concatenate(shifted, axis=-1)).reshape(rows * columns, -1)
        wanted = lax.dynamic_slice(grad, (image, row, 0, 0), (1, rows, columns, features)).reshape(-1, features)
        return total + jnp.dot(windows.T, wanted, preferred_element_type=total.dtype), None

    zeros = jnp.zeros((height * width * channels, features), jnp.promote_types(grad.dtype, jnp.float32))
    return lax.scan(add, zeros, jnp.arange(batch * (count // rows)))[0].reshape(shape).astype(grad.dtype)


def _convolve(x, kernel, pads, strides):
    height, width, channels, features = kernel.shape
    # Measured on two cores: worth the copies from 128 products an output value upwards.
    if x.shape[0] > 1 and features < _ENOUGH_CHANNELS <= height * width * channels:
        return _side_by_side(x, kernel, pads, strides)
    return _correlate(x, kernel, pads, strides)


def _side_by_side(x, kernel, pads, strides):
    """Convolve the images of a batch as one wide image; the columns where a window meets two images are cut out."""
    batch, _, width, channels = x.shape
    window, stride, (low, high) = kernel.shape[1], strides[1], pads[1]
    columns = (width + low + high - window) // stride + 1
    x = _pad(x, (pads[0], (low, high + -(width + low + high) % stride)), (1, 1))
    height, pitch = x.shape[1:3]
    wide = lax.optimization_barrier(x.swapaxes(0, 1).reshape(1, height, batch * pitch, channels))
    overhang = max(window - stride, 0)
    y = lax.conv_general_dilated(wide, kernel, strides, ((0, 0), (0, overhang)), dimension_numbers=_LAYOUT)
    return y.reshape(y.shape[1], batch, pitch // stride, -1)[:, :, :columns].swapaxes(0, 1)


def _correlate(image, window, pads, strides=(1, 1), image_dilation=(1, 1), window_dilation=(1, 1)):
    """Slide window [h, w, I, O] over image [B, H, W, I] -> [B, H', W', O], so that XLA leaves them as they are."""
    if window.shape[0] * window.shape[1] > image.shape[1] * image.shape[2]:
        # Without the barrier XLA makes the zeros a part of the convolution again.
        image = lax.optimization_barrier(_pad(image, pads, image_dilation))
        pads, image_dilation = _NO_PADS, (1, 1)
    return lax.conv_general_dilated(image, window, strides, pads, image_dilation, window_dilation, _LAYOUT)


def _pad(x, pads, dilation):
    """Pad x [B, H, W, C] with zeros at its edges, or cut where pads are negative, and between pixels."""
    edges = [(low, high, step - 1) for (low, high), step in zip(pads, dilation, strict=True)]
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *edges, (0, 0, 0)))
