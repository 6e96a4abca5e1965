"""What augmentation does to the values of the pixels, where they are. Images are float [H, W, C] in [0, 1]."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def relight(image: jax.Array, key: jax.Array, brightness: float, contrast: float) -> jax.Array:
    """Change brightness and the contrast about the image's mean; what leaves the range is clipped."""
    lift, gain = jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0)
    mean = image.mean()
    image = (image - mean) * (1 + contrast * gain) + mean + brightness * lift
    return jnp.clip(image, 0.0, 1.0)


def bend(image: jax.Array, key: jax.Array, gamma: float) -> jax.Array:
    """Raise to a power between 1/(1 + gamma) and 1 + gamma, as likely below 1 as above; black and white stay."""
    exponent = (1 + gamma) ** jax.random.uniform(key, minval=-1.0, maxval=1.0)
    return image**exponent


def add_noise(image: jax.Array, key: jax.Array, noise: float) -> jax.Array:
    """Add Gaussian noise whose standard deviation is drawn from [0, noise]; what leaves the range is clipped."""
    strength, values = jax.random.split(key)
    deviation = noise * jax.random.uniform(strength)
    return jnp.clip(image + deviation * jax.random.normal(values, image.shape), 0.0, 1.0)


def cut_out(image: jax.Array, key: jax.Array, side: float) -> jax.Array:
    """Blacken a square whose centre may be any pixel, so a part of it may lie outside.

    Source: DeVries & Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017, section 3.

    Args:
      side: of the square, as a share of the image's.
    """
    height, width, _ = image.shape
    centre = jax.random.uniform(key, (2,))
    return jnp.where(box((height, width), centre, jnp.full(2, side))[..., None], 0.0, image)


def box(shape: tuple[int, int], centre: jax.Array, sides: jax.Array) -> jax.Array:
    """Return which pixels lie in a box.

    Args:
      shape: (H, W).
      centre: float [2] in [0, 1): 0 is the first row's (column's) upper edge, 1 the last one's lower edge.
      sides: float [2], as shares of the image's; a box keeps its size in whole pixels wherever it is.

    Returns:
      bool [H, W].
    """
    inside = []
    for axis, size in enumerate(shape):
        length = jnp.round(sides[axis] * size)
        first = jnp.floor(centre[axis] * size) - jnp.floor(length / 2)
        places = jnp.arange(size)
        inside.append((places >= first) & (places < first + length))
    return inside[0][:, None] & inside[1][None, :]
