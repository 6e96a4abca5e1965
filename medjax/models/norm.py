"""Batch normalisation in training, with an optional ReLU, and its gradient in as few passes over memory as it takes."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from medjax.models.convolution import per_platform


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def batch_norm(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, relu: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalise x [..., C] by the mean and biased variance of each channel (Ioffe & Szegedy 2015), then ReLU if asked.

    Returns:
      (x - mean) / sqrt(variance + epsilon) * scale + bias in the dtype of x, the mean and the variance, [C], the last
      two in float32 or wider, as all arithmetic is.
    """
    return _forward(x, scale, bias, epsilon, relu)[0]


def affine(
    mean: jax.Array, variance: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array]:
    """Return factor and offset [C] such that x * factor + offset is x normalised by these statistics."""
    factor = scale * lax.rsqrt(variance + epsilon)
    return factor, bias - mean * factor


def _wide(x):
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _sum(x):
    return x.sum(tuple(range(x.ndim - 1)))


def _sum_of_products(x, y):
    """Sum x * y [..., C] over all axes but the last -> [C]; XLA on CPU forms the product on the fly only in a dot."""

    def dot(x, y):
        return jnp.einsum("nc,nc->c", x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1]))

    return per_platform(dot, lambda x, y: _sum(x * y), x, y)


def _forward(x, scale, bias, epsilon, relu):
    wide, count = _wide(x), x.size // x.shape[-1]
    mean = _sum(wide) / count
    centred = wide - mean
    variance = _sum_of_products(centred, centred) / count
    factor, offset = affine(mean, variance, scale, bias, epsilon)
    y = wide * factor + offset
    y = jnp.maximum(y, 0) if relu else y
    return (y.astype(x.dtype), mean, variance), (x, mean, variance, scale, bias)


def _backward(epsilon, relu, residuals, cotangents):
    x, mean, variance, scale, bias = residuals
    grad, grad_mean, grad_variance = cotangents
    grad, wide, count = _wide(grad), _wide(x), x.size // x.shape[-1]
    factor, offset = affine(mean, variance, scale, bias, epsilon)
    if relu:
        grad = jnp.where(wide * factor + offset > 0, grad, 0)
    inverse = lax.rsqrt(variance + epsilon)
    grad_bias = _sum(grad)
    grad_scale = _sum_of_products(grad, wide - mean) * inverse
    # The gradient with respect to x is one affine map of (grad, x) a channel.
    slope = (2 * grad_variance - factor * inverse * grad_scale) / count
    level = (grad_mean - factor * grad_bias) / count - slope * mean
    grad_x = grad * factor + wide * slope + level
    return grad_x.astype(x.dtype), grad_scale.astype(scale.dtype), grad_bias.astype(bias.dtype)


batch_norm.defvjp(_forward, _backward)
