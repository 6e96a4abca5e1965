"""Where the pixels of an augmented image come from: one affine map an image, and the bilinear resampling under it."""

from __future__ import annotations

import jax
import jax.numpy as jnp


def draw_map(
    key: jax.Array,
    shape: tuple[int, ...],
    *,
    flip_vertical: bool,
    flip_horizontal: bool,
    rotation: float,
    zoom: float,
    shift: float,
    shear: float,
    crop: float,
) -> jax.Array:
    """Draw the map from output to input coordinates about the centre; the ranges are those of `Augmentation`.

    An output pixel is first mirrored, then scaled, sheared and rotated, then shifted, and there the input is read.

    Args:
      key: of the image.
      shape: (H, W, …) of the image.

    Returns:
      float [2, 3], pixels (row, column), as `warp` takes it.
    """
    angle, scale, *moves = jax.random.uniform(key, (4,), minval=-1.0, maxval=1.0)
    flips = jax.random.bernoulli(jax.random.fold_in(key, 1), shape=(2,))
    signs = jnp.where(flips & jnp.array([flip_vertical, flip_horizontal]), -1.0, 1.0)
    theta = jnp.deg2rad(rotation) * angle
    linear = jnp.array([[jnp.cos(theta), -jnp.sin(theta)], [jnp.sin(theta), jnp.cos(theta)]])
    side = jnp.array(shape[:2], jnp.float32)
    offset = shift * jnp.stack(moves) * side
    if shear:
        slope = jnp.tan(jnp.deg2rad(shear) * jax.random.uniform(jax.random.fold_in(key, 2), minval=-1.0, maxval=1.0))
        # By columns, not by a matrix product, which some devices round to 10 bits.
        linear = jnp.stack([linear[:, 0] + slope * linear[:, 1], linear[:, 1]], axis=1)
    linear = linear * signs[None, :] / (1 + zoom * scale)
    if crop < 1:
        size, *place = jax.random.uniform(jax.random.fold_in(key, 3), (3,), minval=-1.0, maxval=1.0)
        kept = crop + (1 - crop) * (size + 1) / 2
        linear = linear * kept
        offset = offset + jnp.stack(place) * (side - 1) / 2 * (1 - kept)
    return jnp.concatenate([linear, offset[:, None]], axis=1)


def warp(image: jax.Array, inverse_map: jax.Array) -> jax.Array:
    """Resample an image under an affine map, bilinearly; what lies outside is 0.

    Args:
      image: any real type [H, W, C]. Bytes are read faster than floats, so the type is changed last.
      inverse_map: float [2, 3]: input = A · output + t in (row, column) pixels about the image's centre.

    Returns:
      float32 [H, W, C], in the image's unit.
    """
    height, width, channels = image.shape
    row, row_part = _neighbours(inverse_map[0], height, width, height)
    column, column_part = _neighbours(inverse_map[1], height, width, width)
    # A border of one black pixel makes the outside of the image an ordinary neighbour.
    padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0))).reshape(-1, channels)
    corner = row * (width + 2) + column

    def pixels(step: int) -> jax.Array:
        # All indices are inside by construction; telling XLA so makes this three times as fast on a CPU.
        return padded.at[corner + step].get(mode="promise_in_bounds").astype(jnp.float32)

    right, down = 1, width + 2
    upper = pixels(0) + column_part * (pixels(right) - pixels(0))
    lower = pixels(down) + column_part * (pixels(down + right) - pixels(down))
    return upper + row_part * (lower - upper)


def _neighbours(coefficients: jax.Array, height: int, width: int, size: int) -> tuple[jax.Array, jax.Array]:
    """Return, for each output pixel, the lower of the two input rows (or columns) it lies between and how far it is.

    Args:
      coefficients: float [3], a row of the inverse map.
      height, width: of the image, pixels.
      size: of the image along this axis, pixels.

    Returns:
      int32 [H, W], counted in the image with its border, in [0, size]; float [H, W, 1], in [0, 1].
    """
    down = jnp.arange(height, dtype=jnp.float32)[:, None] - (height - 1) / 2
    right = jnp.arange(width, dtype=jnp.float32)[None, :] - (width - 1) / 2
    place = coefficients[0] * down + coefficients[1] * right + coefficients[2] + (size - 1) / 2
    place = jnp.clip(place, -1, size)  # further out is as black as the border
    lower = jnp.minimum(jnp.floor(place), size - 1)
    return lower.astype(jnp.int32) + 1, (place - lower)[..., None]
