"""U-Net for classification: Ronneberger et al., MICCAI 2015, with padded convolutions and batch norm."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.initialization import initialization
from medjax.models.inputs import check_images, expected_channels
from medjax.models.layers import ConvNorm, ConvTranspose, global_avg_pool, max_pool, torch_uniform

_WIDTHS = (64, 128, 256, 512)


class DoubleConv(nn.Module):
    """Twice convolution 3x3 padded by 1 without bias, batch norm, ReLU: [B, H, W, C] -> [B, H, W, width]."""

    width: int
    kernel_init: Any = torch_uniform
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Return the map [B, H, W, width]."""
        for name in ("first", "second"):
            x = ConvNorm(self.width, padding=1, kernel_init=self.kernel_init, dtype=self.dtype, name=name)(x, train)
        return x


class _Encoder(nn.Module):
    """What both networks share: the way down. Submodules down1, down2, ... and bottleneck."""

    widths: Sequence[int] = _WIDTHS
    channels: int | None = None
    kernel_init: Any = torch_uniform
    bias_init: Any = None
    dtype: Any = jnp.float32

    def _check(self, images: jax.Array, network: str, multiple_of: int) -> None:
        channels = expected_channels(self, "down1/first", self.channels)
        least = 2 ** len(self.widths)
        check_images(images, network, channels=channels, min_size=least, multiple_of=multiple_of)

    def _encode(self, images: jax.Array, train: bool) -> list[jax.Array]:
        """Return the feature map of every level, each half the size of the one before, and last the bottleneck."""
        maps, x = [], images
        for i, width in enumerate(self.widths, 1):
            maps.append(self._double_conv(width, f"down{i}")(x, train))
            x = max_pool(maps[-1])
        return [*maps, self._double_conv(2 * self.widths[-1], "bottleneck")(x, train)]

    def _double_conv(self, width: int, name: str) -> DoubleConv:
        return DoubleConv(width, kernel_init=self.kernel_init, dtype=self.dtype, name=name)


class UNetBackbone(_Encoder):
    """Images [B, H, W, C] -> [B, widths[0]]: down, bottleneck and up again with skips, averaged over the pixels.

    Submodules down1, ..., bottleneck, and from the deepest level to the first: up4, merge4, ..., up1, merge1.

    Raises:
      UserError: the size is not divisible by 2 ** len(widths), or the images have another number of channels.
    """

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return features [B, widths[0]]."""
        self._check(images, "unet_classifier", multiple_of=2 ** len(self.widths))
        *skips, x = self._encode(images, train)
        # PyTorch counts the fan-in of a transposed convolution over its outputs: ConvTranspose's own default does too.
        kernel_init = None if self.kernel_init is torch_uniform else self.kernel_init
        options: dict[str, Any] = {"kernel_init": kernel_init, "bias_init": self.bias_init, "dtype": self.dtype}
        for level in range(len(self.widths), 0, -1):
            width = self.widths[level - 1]
            up = ConvTranspose(width, name=f"up{level}", **options)(x)
            x = self._double_conv(width, f"merge{level}")(jnp.concatenate([skips[level - 1], up], axis=-1), train)
        return global_avg_pool(x)


class MultilevelBackbone(_Encoder):
    """Images [B, H, W, C] -> [B, F]: the averages over pixels of every level and the bottleneck, concatenated.

    F = sum(widths) + 2 * widths[-1]. Submodules down1, ..., bottleneck.

    Raises:
      UserError: the images are smaller than 2 ** len(widths) or have another number of channels.
    """

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return features [B, F]."""
        self._check(images, "multilevel_unet", multiple_of=1)
        return jnp.concatenate([global_avg_pool(level) for level in self._encode(images, train)], axis=-1)


def unet_classifier(
    num_classes: int = 4,
    dtype: Any = jnp.float32,
    *,
    widths: Sequence[int] = _WIDTHS,
    channels: int | None = None,
    init: str = "torch",
) -> Classifier:
    """Build a whole U-Net with one dense layer on its averaged output; 31,037,828 parameters (3 channels, 4 classes).

    Heights and widths divisible by 2 ** len(widths), 16 by default.
    """
    scheme = initialization(init)
    backbone = UNetBackbone(tuple(widths), channels, dtype=dtype, **scheme)
    return Classifier(backbone, DenseHead(num_classes, dtype=dtype, **scheme))


def multilevel_unet(
    num_classes: int = 4,
    dtype: Any = jnp.float32,
    *,
    widths: Sequence[int] = _WIDTHS,
    channels: int | None = None,
    dropout: float = 0.5,
    init: str = "torch",
) -> Classifier:
    """Build a U-Net encoder whose five levels are averaged and classified; 21,406,660 parameters.

    The count is for 3 channels and 4 classes. Dense 1024 with ReLU and dropout, dense 512 with ReLU. Any image size
    from 2 ** len(widths), 16 by default.
    """
    scheme = initialization(init)
    backbone = MultilevelBackbone(tuple(widths), channels, dtype=dtype, **scheme)
    return Classifier(backbone, DenseHead(num_classes, (1024, 512), (dropout, 0.0), dtype=dtype, **scheme))
