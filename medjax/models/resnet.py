"""ResNets (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016) with torchvision's layout.

As torchvision does, a bottleneck has its stride in the 3×3 convolution ("ResNet v1.5").
"""

from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen import initializers

from medjax.errors import UserError
from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.inputs import check_images, expected_channels
from medjax.models.layers import ConvNorm, global_avg_pool, kaiming_normal_fan_out, max_pool

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")
CLASSIFIER_MIN_SIZE = 32  # pixels: below it the last stage sees less than one of its own pixels

Initializer = Any


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut."""

    width: int
    stride: int
    conv_norm: Any
    last_scale: Initializer

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map [B, H, W, C] -> [B, H/stride, W/stride, width]."""
        strides = (self.stride, self.stride)
        last = partial(self.conv_norm, relu=False, scale_init=self.last_scale)
        y = self.conv_norm(self.width, (3, 3), strides, 1, name="conv1")(x, train)
        y = last(self.width, (3, 3), padding=1, name="conv2")(y, train)
        return nn.relu(y + _shortcut(self.conv_norm, x, self.width, self.stride, train))


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions and a shortcut."""

    width: int
    stride: int
    conv_norm: Any
    last_scale: Initializer

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Map [B, H, W, C] -> [B, H/stride, W/stride, 4 · width]."""
        strides, out = (self.stride, self.stride), 4 * self.width
        y = self.conv_norm(self.width, (1, 1), name="conv1")(x, train)
        y = self.conv_norm(self.width, (3, 3), strides, 1, name="conv2")(y, train)
        y = self.conv_norm(out, (1, 1), relu=False, scale_init=self.last_scale, name="conv3")(y, train)
        return nn.relu(y + _shortcut(self.conv_norm, x, out, self.stride, train))


def _shortcut(conv_norm: Any, x: jax.Array, features: int, stride: int, train: bool) -> jax.Array:
    if stride == 1 and x.shape[-1] == features:
        return x
    return conv_norm(features, (1, 1), (stride, stride), relu=False, name="downsample")(x, train)


class ResNet(nn.Module):
    """The network up to its pooled features.

    Attributes:
      stage_sizes: blocks in each of the four stages.
      block: BasicBlock or Bottleneck.
      train_from: the first stage, of STAGES or "head", that train=True trains. Those before it run in inference mode:
        running statistics, which never move, and no gradient.
      zero_init_residual: each block begins as the identity (Goyal et al. 2017); torchvision's default is False.
      min_size: smallest height and width, in pixels.
      dtype: of the computation; parameters are float32.
    """

    stage_sizes: tuple[int, ...]
    block: Any
    train_from: str = "stem"
    zero_init_residual: bool = False
    min_size: int = 1
    kernel_init: Initializer = kaiming_normal_fan_out
    dtype: Any = jnp.float32

    STAGES: ClassVar[tuple[str, ...]] = STAGES

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map images [B, H, W, C] -> features [B, F]; F is 512, or 2048 with bottlenecks.

        Raises:
          UserError: images too small or with another channel count than at initialisation; no such train_from.
        """
        check_images(x, "this ResNet", channels=expected_channels(self, "stem", None), min_size=self.min_size)
        first_trained = self._first_trained()
        conv_norm = partial(ConvNorm, kernel_init=self.kernel_init, dtype=self.dtype)
        last_scale = initializers.zeros if self.zero_init_residual else initializers.ones
        trains = train and first_trained == 0
        x = conv_norm(64, (7, 7), (2, 2), 3, name="stem")(x.astype(self.dtype), trains)
        x = max_pool(x, (3, 3), (2, 2), 1)
        for stage, blocks in enumerate(self.stage_sizes, start=1):
            if train and stage == first_trained:
                x = jax.lax.stop_gradient(x)
            width, trains = 64 * 2 ** (stage - 1), train and stage >= first_trained
            for index in range(blocks):
                stride = 2 if stage > 1 and index == 0 else 1
                x = self.block(width, stride, conv_norm, last_scale, name=f"{STAGES[stage]}_{index}")(x, trains)
        x = global_avg_pool(x)
        return jax.lax.stop_gradient(x) if train and first_trained == len(STAGES) else x

    def _first_trained(self) -> int:
        allowed = (*STAGES, "head")
        if self.train_from not in allowed:
            raise UserError(f"train_from is {self.train_from!r}; a ResNet allows {', '.join(allowed)}.")
        return allowed.index(self.train_from)


_SIZES: dict[int, dict[str, Any]] = {
    18: {"stage_sizes": (2, 2, 2, 2), "block": BasicBlock},
    34: {"stage_sizes": (3, 4, 6, 3), "block": BasicBlock},
    50: {"stage_sizes": (3, 4, 6, 3), "block": Bottleneck},
    101: {"stage_sizes": (3, 4, 23, 3), "block": Bottleneck},
    152: {"stage_sizes": (3, 8, 36, 3), "block": Bottleneck},
}


def create_resnet(
    num_classes: int,
    dtype: Any = jnp.float32,
    *,
    depth: int,
    head_hidden: tuple[int, ...] = (),
    dropout: float = 0.5,
    train_from: str = "stem",
    zero_init_residual: bool = False,
    min_size: int = 1,
) -> Classifier:
    """Make a ResNet classifier for any image size and channel count.

    Args:
      num_classes: K.
      dtype: of the computation.
      depth: 18, 34, 50, 101 or 152.
      head_hidden: widths of hidden dense layers in the head; () is torchvision's single layer, (256,) a transfer head.
      dropout: after each hidden layer, in [0, 1); unused without hidden layers.
      train_from: see ResNet.
      zero_init_residual: see ResNet.
      min_size: smallest height and width allowed, in pixels.
    """
    backbone = ResNet(
        **_SIZES[depth], train_from=train_from, zero_init_residual=zero_init_residual, min_size=min_size, dtype=dtype
    )
    hidden = tuple(head_hidden)
    return Classifier(backbone, DenseHead(num_classes, hidden, (dropout,) * len(hidden), dtype))


resnet18 = partial(create_resnet, depth=18)
resnet34 = partial(create_resnet, depth=34)
resnet50 = partial(create_resnet, depth=50)
resnet101 = partial(create_resnet, depth=101)
resnet152 = partial(create_resnet, depth=152)
resnet_classifier = partial(create_resnet, depth=50, min_size=CLASSIFIER_MIN_SIZE)
