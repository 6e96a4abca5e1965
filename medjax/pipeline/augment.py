"""Augmentation on the device, inside the compiled step; every example has a key of its own."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from medjax.pipeline import intensity
from medjax.pipeline.geometry import draw_map, warp
from medjax.pipeline.mixing import mix


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What may happen to a training image. The defaults are off; a range is symmetric and drawn uniformly.

    Attributes:
      flip_horizontal: mirror left and right in half of the draws. Leave it off where laterality matters.
      flip_vertical: mirror top and bottom in half of the draws.
      rotation: largest angle, degrees.
      zoom: largest change of scale; 0.1 draws from [0.9, 1.1].
      shift: largest translation along each axis, as a share of the image's side.
      shear: largest angle by which columns lean over, degrees.
      crop: least share of the side that a random window keeps, which then fills the image; 1 is off.
      brightness: largest change, as a share of the full range.
      contrast: largest change of contrast about the image's mean; 0.1 draws from [0.9, 1.1].
      gamma: largest change of the exponent; 0.5 draws from [1/1.5, 1.5], as often below 1 as above.
      noise: largest standard deviation of Gaussian noise, as a share of the full range.
      cutout: side of a black square, as a share of the image's side.
      mixup: α of the blend with another image and its label, see mixing.py; 0 is off.
      cutmix: α of the box pasted from another image, see mixing.py; 0 is off.
    """

    flip_horizontal: bool = False
    flip_vertical: bool = False
    rotation: float = 0.0
    zoom: float = 0.0
    shift: float = 0.0
    shear: float = 0.0
    crop: float = 1.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    @property
    def mixes(self) -> bool:
        """Whether images and labels of a batch are blended."""
        return bool(self.mixup or self.cutmix)

    @property
    def _warps(self) -> bool:
        return bool(self.rotation or self.zoom or self.shift or self.shear or self.crop < 1)

    @property
    def changes_images(self) -> bool:
        """Whether a call does anything; blending, which `mix` does, is not meant."""
        return dataclasses.replace(self, mixup=0.0, cutmix=0.0) != Augmentation()

    def __call__(self, images: jax.Array, keys: jax.Array) -> jax.Array:
        """Augment each image of a batch by itself.

        Args:
          images: uint8, uint16 or float in [0, 1], [B, H, W, C]; outside of the image is 0 (black).
          keys: typed random keys [B].

        Returns:
          float [B, H, W, C] in [0, 1].
        """
        if not self.changes_images:
            return to_unit(images)
        return jax.vmap(self._augment_one)(images, keys)

    def mix(self, images: jax.Array, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Blend the images of a batch, where `mixes`; see `mixing.mix`."""
        return mix(images, jax.vmap(lambda key: jax.random.fold_in(key, 2))(keys), self.mixup, self.cutmix)

    def _augment_one(self, image: jax.Array, key: jax.Array) -> jax.Array:
        geometry, light = jax.random.split(key)
        scale = _full_scale(image)
        if self._warps:
            image = warp(image, self._draw_map(geometry, image.shape))
        elif self.flip_horizontal or self.flip_vertical:
            flips = jax.random.bernoulli(geometry, shape=(2,))
            image = jnp.where(flips[0] & self.flip_vertical, image[::-1], image)
            image = jnp.where(flips[1] & self.flip_horizontal, image[:, ::-1], image)
        image = image.astype(jnp.float32) / scale
        if self.brightness or self.contrast:
            image = intensity.relight(image, light, self.brightness, self.contrast)
        if self.gamma:
            image = intensity.bend(image, jax.random.fold_in(light, 1), self.gamma)
        if self.noise:
            image = intensity.add_noise(image, jax.random.fold_in(light, 2), self.noise)
        if self.cutout:
            image = intensity.cut_out(image, jax.random.fold_in(light, 3), self.cutout)
        return image

    def _draw_map(self, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        return draw_map(
            key,
            shape,
            flip_vertical=self.flip_vertical,
            flip_horizontal=self.flip_horizontal,
            rotation=self.rotation,
            zoom=self.zoom,
            shift=self.shift,
            shear=self.shear,
            crop=self.crop,
        )


def to_unit(images: jax.Array) -> jax.Array:
    """Scale images to [0, 1] by the range of their type: uint8 or uint16 -> float32; float as it is."""
    return images if jnp.issubdtype(images.dtype, jnp.floating) else images.astype(jnp.float32) / _full_scale(images)


def _full_scale(images: jax.Array) -> float:
    return 1.0 if jnp.issubdtype(images.dtype, jnp.floating) else float(jnp.iinfo(images.dtype).max)
