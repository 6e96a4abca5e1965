"""Dense layers from features to logits."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medjax.models.inputs import check_features
from medjax.models.layers import Dense, torch_uniform


class DenseHead(nn.Module):
    """Features [B, F] -> logits [B, num_classes], through hidden dense layers, each with ReLU and dropout.

    Submodules hidden0, hidden1, ... and fc.

    Args:
      hidden: widths of the hidden layers.
      dropout: the rate after each hidden layer, in [0, 1).

    Raises:
      UserError: at other features than those it was initialised with, so for images of another size.
    """

    num_classes: int
    hidden: Sequence[int] = ()
    dropout: Sequence[float] = ()
    dtype: Any = jnp.float32
    kernel_init: Any = torch_uniform
    bias_init: Any = None

    @nn.compact
    def __call__(self, features: jax.Array, train: bool = False) -> jax.Array:
        """Return logits [B, num_classes]."""
        check_features(self, "hidden0" if self.hidden else "fc", features)
        x = features
        for i, (width, rate) in enumerate(zip(self.hidden, self.dropout, strict=True)):
            x = nn.relu(self._dense(width, f"hidden{i}")(x))
            x = nn.Dropout(rate, deterministic=not train)(x)
        return self._dense(self.num_classes, "fc")(x)

    def _dense(self, width: int, name: str) -> Dense:
        return Dense(width, kernel_init=self.kernel_init, bias_init=self.bias_init, dtype=self.dtype, name=name)
