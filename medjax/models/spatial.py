"""Spatial CNN: message passing, slice by slice, over a feature map (Pan et al., "Spatial As Deep", AAAI 2018, §3)."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medjax.errors import UserError
from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.initialization import initialization
from medjax.models.inputs import check_images, expected_channels
from medjax.models.layers import Conv, ConvNorm, global_avg_pool, max_pool, torch_uniform

# The order of the paper; every direction passes over what the one before it left.
DIRECTIONS = ("down", "up", "right", "left")


def message_init(key: jax.Array, shape: Sequence[int], dtype: Any = jnp.float32) -> jax.Array:
    """Draw a kernel [1, w, C, C] uniform in ±sqrt(2 / (5 w C)), as the authors advise (their repository's issue 82).

    Small, because every slice adds to the next: larger kernels make the activations grow with the size of the map.
    """
    return jax.random.uniform(key, shape, dtype, -1.0, 1.0) * (2 / (5 * shape[1] * shape[2])) ** 0.5


class MessagePassing(nn.Module):
    """One direction of message passing over x [B, H, W, C]: X'[i] = X[i] + ReLU(conv(X'[i - 1])), X'[0] = X[0].

    X[i] is the i-th row (down, up) or column (right, left) in that direction; conv is one 1-D convolution along the
    slice, C to C channels, without bias, padded to keep its length. Submodule conv: kernel [1, kernel_width, C, C].
    """

    direction: str
    kernel_width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the map [B, H, W, C] after the messages."""
        axis, reverse = (1 if self.direction in ("down", "up") else 2), self.direction in ("up", "left")
        slices = jnp.moveaxis(x, axis, 0)[:, :, None]  # [slices, B, 1, length, C]
        conv = Conv(
            x.shape[-1],
            (1, self.kernel_width),
            padding=((0, 0), (self.kernel_width // 2, self.kernel_width // 2)),
            use_bias=False,
            kernel_init=message_init,
            dtype=self.dtype,
            name="conv",
        )

        def step(conv: Conv, before: jax.Array, current: jax.Array) -> tuple[jax.Array, jax.Array]:
            current = current + nn.relu(conv(before))
            return current, current

        first = slices[-1 if reverse else 0]
        rest = slices[:-1] if reverse else slices[1:]
        scan = nn.scan(step, variable_broadcast="params", split_rngs={"params": False}, reverse=reverse)
        _, passed = scan(conv, first, rest)
        passed = jnp.concatenate([passed, first[None]] if reverse else [first[None], passed])
        return jnp.moveaxis(passed[:, :, 0], 0, axis)


class SpatialBackbone(nn.Module):
    """Images [B, H, W, C] -> features [B, widths[-1]]: convolutions, message passing, average over the pixels.

    Trunk (our choice; the paper uses VGG16): convolution 3x3 padded by 1, batch norm, ReLU for each width, a 2x2
    max-pool after each but the last. Submodules conv1, conv2, ... and, in this order, those of `directions`.

    Raises:
      UserError: images too small or of another channel count; unknown or repeated directions; an even kernel width.
    """

    widths: Sequence[int]
    directions: Sequence[str]
    kernel_width: int
    channels: int | None = None
    kernel_init: Any = torch_uniform
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return features [B, widths[-1]]."""
        channels = expected_channels(self, "conv1", self.channels)
        check_images(images, "spatial_cnn", channels=channels, min_size=2 ** (len(self.widths) - 1))
        x = images
        for i, width in enumerate(self.widths, 1):
            x = max_pool(x) if i > 1 else x
            x = ConvNorm(width, padding=1, kernel_init=self.kernel_init, dtype=self.dtype, name=f"conv{i}")(x, train)
        for direction in self.directions:
            x = MessagePassing(direction, self.kernel_width, dtype=self.dtype, name=direction)(x)
        return global_avg_pool(x)


def spatial_cnn(
    num_classes: int = 6,
    dtype: Any = jnp.float32,
    *,
    widths: Sequence[int] = (32, 64, 64),
    directions: Sequence[str] = DIRECTIONS,
    kernel_width: int = 9,
    channels: int | None = None,
    init: str = "torch",
) -> Classifier:
    """Build a small convolutional network with message passing and one dense layer.

    203,750 parameters at 1 channel and 6 classes, of which 147,456 pass messages; any image size from 4x4 with three
    widths. On 64x64 images the messages travel over a map of 16x16.

    Args:
      directions: any of "down", "up", "right", "left", each at most once, in the order in which they are applied.
      kernel_width: pixels along the slice that send to one pixel of the next; odd. 9 in the paper.
    """
    unknown = [direction for direction in directions if direction not in DIRECTIONS]
    if unknown or len(set(directions)) < len(directions):
        raise UserError(f"directions are {', '.join(directions)}; allowed are {', '.join(DIRECTIONS)}, each once.")
    if kernel_width < 1 or kernel_width % 2 == 0:
        raise UserError(f"kernel_width is {kernel_width}; it must be odd and at least 1.")
    scheme = initialization(init)
    backbone = SpatialBackbone(
        tuple(widths), tuple(directions), kernel_width, channels, kernel_init=scheme["kernel_init"], dtype=dtype
    )
    return Classifier(backbone, DenseHead(num_classes, dtype=dtype, **scheme))
