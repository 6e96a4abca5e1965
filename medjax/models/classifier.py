"""The shape every network has: a backbone that makes features, a head that makes logits."""

import jax
from flax import linen as nn


class Classifier(nn.Module):
    """A network in two parts, so that either can be trained or run alone.

    Variables: params {"backbone", "head"}, batch_stats {"backbone"} where the backbone has batch norms. With train=True
    batch norms use the batch's statistics and update "batch_stats" where mutable; dropout draws from the rng "dropout".
    """

    backbone: nn.Module
    head: nn.Module

    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return logits [B, K] of normalised images x [B, H, W, C]."""
        return self.head(self.backbone(x, train), train)

    def features(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Return what the backbone makes of x [B, H, W, C]: what the head takes."""
        return self.backbone(x, train)

    def classify(self, features: jax.Array, train: bool = False) -> jax.Array:
        """Return logits [B, K] of features."""
        return self.head(features, train)
