"""Plain convolutional networks: convolutions with pooling, flattened into dense layers."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.initialization import initialization
from medjax.models.inputs import check_images, expected_channels
from medjax.models.layers import Conv, ConvNorm, max_pool, torch_uniform


class ConvBackbone(nn.Module):
    """Images [B, H, W, C] -> features [B, F]: convolution, optional batch norm, ReLU, optional 2x2 max-pool; flattened.

    The flattened order is height, width, channel (PyTorch's is channel, height, width). Submodules conv1, conv2, ...

    Args:
      network: name used in errors.
      widths: output channels of each convolution.
      pools: whether a 2x2 max-pool follows each convolution; odd rows and columns at the end are dropped.
      kernel_size: of every convolution, square.
      padding: pixels of zeros on every side before each convolution.
      norm: batch norm between convolution and ReLU.
      channels: the image channels allowed; None: any number at initialisation, then that number.

    Raises:
      UserError: the images are too small or have another number of channels.
    """

    network: str
    widths: Sequence[int]
    pools: Sequence[bool]
    kernel_size: int = 3
    padding: int = 0
    norm: bool = False
    channels: int | None = None
    kernel_init: Any = torch_uniform
    bias_init: Any = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return features [B, F]."""
        channels = expected_channels(self, "conv1", self.channels)
        check_images(images, self.network, channels=channels, min_size=self._min_size())
        x = images
        for i, (width, pool) in enumerate(zip(self.widths, self.pools, strict=True), 1):
            x = self._convolve(x, width, f"conv{i}", train)
            x = max_pool(x) if pool else x
        return x.reshape(x.shape[0], -1)

    def _convolve(self, x: jax.Array, width: int, name: str, train: bool) -> jax.Array:
        options: dict[str, Any] = {
            "kernel_size": (self.kernel_size, self.kernel_size),
            "padding": self.padding,
            "kernel_init": self.kernel_init,
            "bias_init": self.bias_init,
            "dtype": self.dtype,
            "name": name,
        }
        if self.norm:
            return ConvNorm(width, use_bias=True, **options)(x, train)
        return nn.relu(Conv(width, **options)(x))

    def _min_size(self) -> int:
        return next(size for size in count(1) if self._map_size(size) >= 1)

    def _map_size(self, size: int) -> int:
        for pool in self.pools:
            size = max(0, size + 2 * self.padding - self.kernel_size + 1)
            size = size // 2 if pool else size
        return size


def brain_cnn(
    num_classes: int = 3,
    dtype: Any = jnp.float32,
    *,
    channels: int | None = None,
    dropout: float = 0.5,
    init: str = "torch",
) -> Classifier:
    """Build the brain cancer MRI CNN; 25,767,443 parameters at 224x224x3 and 3 classes, any image size.

    Three times convolution 2x2 padded by 1, batch norm, ReLU, max-pool; then dense 512 and 128 with ReLU and dropout.
    """
    scheme = initialization(init)
    widths = (16, 32, 64)
    backbone = ConvBackbone(
        "brain_cnn", widths, (True,) * 3, kernel_size=2, padding=1, norm=True, channels=channels, dtype=dtype, **scheme
    )
    return Classifier(backbone, DenseHead(num_classes, (512, 128), (dropout, dropout), dtype=dtype, **scheme))


def medical_cnn(
    num_classes: int = 10, dtype: Any = jnp.float32, *, channels: int | None = None, init: str = "torch"
) -> Classifier:
    """Build the MedicalCNN template; 421,642 parameters at 28x28x1 and 10 classes, any image size from 4x4.

    Convolution 3x3 padded by 1 to 32 and to 64 channels, each with ReLU and max-pool; dense 128, ReLU.
    """
    scheme = initialization(init)
    backbone = ConvBackbone("medical_cnn", (32, 64), (True, True), padding=1, channels=channels, dtype=dtype, **scheme)
    return Classifier(backbone, DenseHead(num_classes, (128,), (0.0,), dtype=dtype, **scheme))


def cifar_cnn(
    num_classes: int = 10, dtype: Any = jnp.float32, *, channels: int | None = None, init: str = "keras"
) -> Classifier:
    """Build the CIFAR-10 template; 122,570 parameters at 32x32x3 and 10 classes, any image size from 18x18.

    Unpadded 3x3 convolutions to 32, 64 and 64 channels with ReLU, max-pool after the first two; dense 64, ReLU.
    """
    scheme = initialization(init)
    backbone = ConvBackbone("cifar_cnn", (32, 64, 64), (True, True, False), channels=channels, dtype=dtype, **scheme)
    return Classifier(backbone, DenseHead(num_classes, (64,), (0.0,), dtype=dtype, **scheme))
