"""Augmentation on the device, inside the compiled step; every example has a key of its own."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image. The defaults are off; each range is symmetric and drawn uniformly.

    Attributes:
      flip_horizontal: mirror left and right in half of the draws. Leave it off where laterality matters.
      flip_vertical: mirror top and bottom in half of the draws.
      rotation: largest angle, degrees.
      zoom: largest change of scale; 0.1 draws from [0.9, 1.1].
      shift: largest translation along each axis, as a share of the image's side.
      brightness: largest change, as a share of the full range.
      contrast: largest change of contrast about the image's mean; 0.1 draws from [0.9, 1.1].
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0

    @property
    def is_identity(self) -> bool:
        """Whether nothing can happen."""
        return self == Augmentation()

    def __call__(self, images: jax.Array, keys: jax.Array) -> jax.Array:
        """Augment a batch.

        Args:
          images: float [B, H, W, C] in [0, 1]; outside of the image is 0 (black).
          keys: typed random keys [B].

        Returns:
          float [B, H, W, C] in [0, 1].
        """
        return images if self.is_identity else jax.vmap(self._augment_one)(images, keys)

    def _augment_one(self, image: jax.Array, key: jax.Array) -> jax.Array:
        geometry, light = jax.random.split(key)
        if self.rotation or self.zoom or self.shift:
            image = warp(image, self._inverse_map(geometry, image.shape))
        elif self.flip_horizontal or self.flip_vertical:
            flips = jax.random.bernoulli(geometry, shape=(2,))
            image = jnp.where(flips[0] & self.flip_vertical, image[::-1], image)
            image = jnp.where(flips[1] & self.flip_horizontal, image[:, ::-1], image)
        if self.brightness or self.contrast:
            image = self._relight(image, light)
        return image

    def _inverse_map(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        """Draw the map from output to input coordinates about the centre, float [2, 3], pixels (row, column)."""
        angle, scale, *shift = jax.random.uniform(key, (4,), minval=-1.0, maxval=1.0)
        flips = jax.random.bernoulli(jax.random.fold_in(key, 1), shape=(2,))
        signs = jnp.where(flips & jnp.array([self.flip_vertical, self.flip_horizontal]), -1.0, 1.0)
        theta = jnp.deg2rad(self.rotation) * angle
        turn = jnp.array([[jnp.cos(theta), -jnp.sin(theta)], [jnp.sin(theta), jnp.cos(theta)]])
        linear = turn * signs[None, :] / (1 + self.zoom * scale)
        offset = self.shift * jnp.stack(shift) * jnp.array(shape[:2])
        return jnp.concatenate([linear, offset[:, None]], axis=1)

    def _relight(self, image: jax.Array, key: jax.Array) -> jax.Array:
        lift, gain = jax.random.uniform(key, (2,), minval=-1.0, maxval=1.0)
        mean = image.mean()
        image = (image - mean) * (1 + self.contrast * gain) + mean + self.brightness * lift
        return jnp.clip(image, 0.0, 1.0)


def warp(image: jax.Array, inverse_map: jax.Array) -> jax.Array:
    """Resample an image under an affine map, bilinearly; what lies outside is 0.

    Args:
      image: float [H, W, C].
      inverse_map: float [2, 3]: input = A · output + t in (row, column) pixels about the image's centre.

    Returns:
      float [H, W, C].
    """
    height, width, channels = image.shape
    centre = jnp.array([(height - 1) / 2, (width - 1) / 2])
    grid = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij"), axis=-1) - centre
    source = grid @ inverse_map[:, :2].T + inverse_map[:, 2] + centre
    base = jnp.floor(source)
    part = source - base
    # A border of one black pixel makes the outside of the image an ordinary neighbour.
    padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0))).reshape(-1, channels)
    corner = base.astype(jnp.int32) + 1
    result = jnp.zeros_like(image)
    for down in (0, 1):
        for right in (0, 1):
            row = jnp.clip(corner[..., 0] + down, 0, height + 1)
            column = jnp.clip(corner[..., 1] + right, 0, width + 1)
            weight_row = part[..., 0] if down else 1 - part[..., 0]
            weight_column = part[..., 1] if right else 1 - part[..., 1]
            result += (weight_row * weight_column)[..., None] * padded[row * (width + 2) + column]
    return result
