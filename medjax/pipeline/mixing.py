"""Mixup and cutmix: an image and its label blended with those of the next one in the batch."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from medjax.pipeline.intensity import box


def mix(images: jax.Array, keys: jax.Array, mixup: float, cutmix: float) -> tuple[jax.Array, jax.Array]:
    """Blend each image with the next one, the last with the first; with both kinds on, each is drawn as often.

    The batch is in random order, so the next image is a random one. Which it is follows from the place in the global
    batch, not from the device that holds it.

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018, section 2 (with a share for each image);
    Yun et al., CutMix, ICCV 2019, section 3.1.

    Args:
      images: float [B, H, W, C].
      keys: typed random keys [B].
      mixup, cutmix: α of Beta(α, α), the distribution of the share; 0 is off, and one of them is on.

    Returns:
      float [B, H, W, C], and float32 [B]: the share that each image has of itself; the rest is the next one's.
    """
    _, height, width, _ = images.shape
    own, share = jax.vmap(lambda key: _draw(key, (height, width), mixup, cutmix))(keys)
    own = own[..., None]
    mixed = own * images + (1 - own) * jnp.roll(images, -1, axis=0)
    return mixed.astype(images.dtype), share


def mix_targets(targets: jax.Array, share: jax.Array) -> jax.Array:
    """Blend targets float [B, K] as `mix` blended the images: float [B, K]."""
    return share[:, None] * targets + (1 - share[:, None]) * jnp.roll(targets, -1, axis=0)


def _draw(key: jax.Array, shape: tuple[int, int], mixup: float, cutmix: float) -> tuple[jax.Array, jax.Array]:
    """Return the weight of each pixel of the image itself, float [H, W], and their mean."""
    kind, share_key, place = jax.random.split(key, 3)
    chosen = jax.random.bernoulli(kind) if mixup and cutmix else bool(mixup)
    alpha = jnp.where(chosen, mixup, cutmix)
    share = jax.random.beta(share_key, alpha, alpha)
    # The box has the share 1 − λ of the area; a part of it may lie outside, so the true share is counted.
    pasted = box(shape, jax.random.uniform(place, (2,)), jnp.full(2, jnp.sqrt(1 - share)))
    own = jnp.where(chosen, jnp.full(shape, share), jnp.where(pasted, 0.0, 1.0))
    return own, jnp.where(chosen, share, 1 - pasted.mean())
