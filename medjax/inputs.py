"""What becomes of a batch before the network sees it, inside the compiled step."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from medjax.pipeline.augment import Augmentation, to_unit
from medjax.pipeline.feed import Batch


@dataclasses.dataclass(frozen=True)
class ImageInput:
    """From images of the uint8 or uint16 table to what the whole network takes.

    Attributes:
      mean, std: one number a channel, for images scaled to [0, 1].
      augmentation: applied in training only.
      dtype: of the result.
      categories: of each input column, how many there are: each becomes a plane that is 1 for its own images, else 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation
    dtype: Any = jnp.float32
    categories: tuple[int, ...] = ()

    method = "__call__"

    @property
    def mixes(self) -> bool:
        """Whether `mix` does anything."""
        return self.augmentation.mixes

    @property
    def channels(self) -> int:
        """Channels of the result: the images' and the planes."""
        return len(self.mean) + sum(self.categories)

    def __call__(self, batch: Batch, keys: jax.Array | None = None) -> jax.Array:
        """Augment (where keys [B] are given), normalise and append the planes -> float [B, H, W, channels]."""
        images = to_unit(batch.rows) if keys is None else self.augmentation(batch.rows, keys)
        normalised = ((images - jnp.array(self.mean)) / jnp.array(self.std)).astype(self.dtype)
        planes = [
            jnp.broadcast_to(
                jax.nn.one_hot(batch.categories[:, column], count, dtype=self.dtype)[:, None, None, :],
                (*images.shape[:3], count),
            )
            for column, count in enumerate(self.categories)
        ]
        return jnp.concatenate([normalised, *planes], axis=-1) if planes else normalised

    def mix(self, x: jax.Array, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Blend what the network takes, planes and all, with that of the next example; see `mixing.mix`."""
        return self.augmentation.mix(x, keys)


@dataclasses.dataclass(frozen=True)
class FeatureInput:
    """From rows of the feature table to what the head takes: one of the views of each image."""

    dtype: Any = jnp.float32

    method = "classify"
    mixes = False

    def __call__(self, batch: Batch, keys: jax.Array | None = None) -> jax.Array:
        """Pick a view by the example's key (the plain one without): float [B, V, F] -> [B, F]."""
        rows = batch.rows
        if keys is None or rows.shape[1] == 1:
            return rows[:, 0].astype(self.dtype)
        view = jax.vmap(lambda key: jax.random.randint(key, (), 0, rows.shape[1]))(keys)
        return jnp.take_along_axis(rows, view[:, None, None], axis=1)[:, 0].astype(self.dtype)

    def mix(self, x: jax.Array, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Refuse: features of two images cannot be blended into those of their blend."""
        raise NotImplementedError("mixing needs images; see config.check")


Input = ImageInput | FeatureInput
