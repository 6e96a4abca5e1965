"""2-D convolution, and how it is computed on a CPU. GPU and TPU keep XLA's own convolutions.

On CPU, 1x1 convolutions are written as matrix products, which run at up to twice the speed. The others stay XLA's, but
are never given to it with a window larger than the image: XLA would then exchange the two, and what it makes of the
exchanged convolution is a naive loop, up to 100 times slower. Padding the image first makes it the larger one.
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


def _is_exchanged(window, image):
    """Say whether XLA would exchange a window and an image [B, H, W, C] of these sizes."""
    return window[0] * window[1] > image[1] * image[2]


def _pad(x, rows, cols):
    """Pad x [B, H, W, C] by (low, high, interior) zeros along height and width; negative ones cut."""
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), rows, cols, (0, 0, 0)))
    return lax.optimization_barrier(x)  # else XLA makes the zeros a part of the convolution again


def _cpu(strides, pads, x, kernel):
    if _is_pointwise(kernel.shape, pads):
        x = x[:, :: strides[0], :: strides[1]]
        return (x.reshape(-1, x.shape[-1]) @ kernel[0, 0]).reshape(*x.shape[:-1], -1)
    if _is_exchanged(kernel.shape, x.shape):
        x, pads = _pad(x, (*pads[0], 0), (*pads[1], 0)), _NO_PADS
    return _native(strides, pads, x, kernel)


def _cpu_input_gradient(strides, pads, shape, kernel, grad):
    pointwise = _is_pointwise(kernel.shape, pads)
    if not pointwise and not _is_exchanged(kernel.shape, grad.shape):
        return _native_input_gradient(strides, pads, shape, kernel, grad)
    if pointwise:
        grad = (grad.reshape(-1, grad.shape[-1]) @ kernel[0, 0].T).reshape(*grad.shape[:-1], -1)
    margins = []
    for window, size, count, stride, (low, high) in zip(
        kernel.shape, shape[1:3], grad.shape[1:3], strides, pads, strict=False
    ):
        unread = (size + low + high - window) - (count - 1) * stride
        margins.append((window - 1 - low, window - 1 - high + unread, stride - 1))
    grad = _pad(grad, *margins)
    if pointwise:
        return grad
    return _native((1, 1), _NO_PADS, grad, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))


def _cpu_kernel_gradient(strides, pads, shape, x, grad):
    if _is_pointwise(shape, pads):
        x = x[:, :: strides[0], :: strides[1]]
        return (x.reshape(-1, x.shape[-1]).T @ grad.reshape(-1, grad.shape[-1])).reshape(shape)
    if _is_exchanged(grad.shape[1:], x.shape):
        x, pads = _pad(x, (*pads[0], 0), (*pads[1], 0)), _NO_PADS
    return _native_kernel_gradient(strides, pads, shape, x, grad)
