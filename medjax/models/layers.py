"""The layers every network is built from; the only modules that touch XLA's convolutions and window reductions.

How a layer is computed on each platform is decided in convolution.py, pooling.py and norm.py; everything here is NHWC.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen import initializers

from medjax.errors import UserError
from medjax.models.convolution import conv, native_lowering, padding_pairs
from medjax.models.norm import affine, batch_norm
from medjax.models.pooling import Padding, avg_pool, global_avg_pool, max_pool

__all__ = [
    "BatchNorm",
    "Conv",
    "ConvNorm",
    "ConvTranspose",
    "Dense",
    "avg_pool",
    "global_avg_pool",
    "kaiming_normal_fan_out",
    "max_pool",
    "native_lowering",
    "torch_bias",
    "torch_uniform",
]

Initializer = Any

# PyTorch's default for convolutions and dense layers, kaiming_uniform(a=sqrt(5)): uniform in +-1/sqrt(fan_in).
torch_uniform = initializers.variance_scaling(1 / 3, "fan_in", "uniform")
# torchvision's for ResNets: normal with standard deviation sqrt(2 / fan_out).
kaiming_normal_fan_out = initializers.variance_scaling(2.0, "fan_out", "normal")


def torch_bias(fan_in: int) -> Initializer:
    """Return PyTorch's default bias initialiser, uniform in +-1/sqrt(fan_in)."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -1.0, 1.0) * fan_in**-0.5

    return init


class Dense(nn.Module):
    """A dense layer; params kernel [I, features] and bias [features]; bias_init: None is PyTorch's own."""

    features: int
    use_bias: bool = True
    kernel_init: Initializer = torch_uniform
    bias_init: Initializer | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x [..., I] -> [..., features]."""
        fan_in = x.shape[-1]
        kernel = self.param("kernel", self.kernel_init, (fan_in, self.features))
        y = x.astype(self.dtype) @ kernel.astype(self.dtype)
        if self.use_bias:
            bias = self.param("bias", self.bias_init or torch_bias(fan_in), (self.features,))
            y += bias.astype(self.dtype)
        return y


class ConvParams(nn.Module):
    """The parameters of a convolution: kernel [h, w, I, features] and, with use_bias, bias [features]."""

    features: int
    kernel_size: tuple[int, int]
    use_bias: bool
    kernel_init: Initializer
    bias_init: Initializer | None

    @nn.compact
    def __call__(self, channels: int) -> tuple[jax.Array, jax.Array | None]:
        """Return kernel and bias for an input of so many channels."""
        return _conv_params(self, channels)


def _conv_params(module: Any, channels: int) -> tuple[jax.Array, jax.Array | None]:
    shape = (*module.kernel_size, channels, module.features)
    kernel = module.param("kernel", module.kernel_init, shape)
    if not module.use_bias:
        return kernel, None
    fan_in = shape[0] * shape[1] * shape[2]
    return kernel, module.param("bias", module.bias_init or torch_bias(fan_in), (module.features,))


def _convolve(x, kernel, bias, strides, padding, dtype):
    pads = padding_pairs(padding, x.shape[1:3], kernel.shape[:2], strides)
    y = conv(x.astype(dtype), kernel.astype(dtype), tuple(strides), pads)
    return y if bias is None else y + bias.astype(dtype)


class Conv(nn.Module):
    """A convolution; params kernel [h, w, I, features] and bias [features].

    padding: an int for all sides, ((top, bottom), (left, right)), "SAME" or "VALID"; bias_init: None is PyTorch's own.
    """

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    padding: Padding = 0
    use_bias: bool = True
    kernel_init: Initializer = torch_uniform
    bias_init: Initializer | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x [B, H, W, I] -> [B, H', W', features]."""
        kernel, bias = _conv_params(self, x.shape[-1])
        return _convolve(x, kernel, bias, self.strides, self.padding, self.dtype)


class ConvTranspose(nn.Module):
    """PyTorch's ConvTranspose2d without padding, for strides equal to the kernel size: every pixel becomes a block.

    params kernel [h, w, I, features] and bias [features]. Raises ValueError for other strides.
    """

    features: int
    kernel_size: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    use_bias: bool = True
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Map x [B, H, W, I] -> [B, H*h, W*w, features]."""
        if tuple(self.kernel_size) != tuple(self.strides):
            raise ValueError(
                f"ConvTranspose needs strides equal to kernel_size, got {self.strides}, {self.kernel_size}."
            )
        batch, height, width, channels = x.shape
        rows, cols = self.kernel_size
        # PyTorch stores the kernel as [I, O, h, w] and so counts O * h * w inputs.
        fan_in = self.features * rows * cols
        kernel = self.param("kernel", self.kernel_init or torch_bias(fan_in), (rows, cols, channels, self.features))
        flat = kernel.astype(self.dtype).transpose(2, 0, 1, 3).reshape(channels, -1)
        y = (x.astype(self.dtype).reshape(-1, channels) @ flat).reshape(batch, height, width, rows, cols, self.features)
        y = y.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height * rows, width * cols, self.features)
        if self.use_bias:
            bias = self.param("bias", self.bias_init or torch_bias(fan_in), (self.features,))
            y += bias.astype(self.dtype)
        return y


class NormVariables(nn.Module):
    """The variables of a batch norm over C channels: params scale, bias [C]; batch_stats mean, var [C]."""

    scale_init: Initializer

    @nn.compact
    def __call__(self, channels: int) -> tuple[jax.Array, jax.Array, nn.Variable, nn.Variable]:
        """Return scale, bias, running mean and running variance."""
        return _norm_variables(self, channels)


def _norm_variables(module: Any, channels: int) -> tuple[jax.Array, jax.Array, nn.Variable, nn.Variable]:
    scale = module.param("scale", module.scale_init, (channels,))
    bias = module.param("bias", initializers.zeros_init(), (channels,))
    mean = module.variable("batch_stats", "mean", jnp.zeros, (channels,), jnp.float32)
    var = module.variable("batch_stats", "var", jnp.ones, (channels,), jnp.float32)
    return scale, bias, mean, var


def _normalize_batch(module, x, scale, bias, mean, var, *, relu):
    """Normalise x [..., C] by its own statistics, move the running ones towards them, and apply ReLU if asked."""
    count = x.size // x.shape[-1]
    if count < 2:
        raise UserError(
            f"batch norm in training needs 2 values a channel, got {x.shape}: use larger batches or images."
        )
    y, batch_mean, batch_var = batch_norm(x, scale, bias, module.epsilon, relu)
    if module.is_mutable_collection("batch_stats") and not module.is_initializing():
        keep, unbiased = module.momentum, batch_var * (count / (count - 1))
        mean.value = (keep * mean.value + (1 - keep) * batch_mean).astype(mean.value.dtype)
        var.value = (keep * var.value + (1 - keep) * unbiased).astype(var.value.dtype)
    return y


class BatchNorm(nn.Module):
    """Batch norm over all axes of x but the last, as PyTorch's BatchNorm2d; momentum 0.9 is PyTorch's 0.1.

    params scale, bias [C]; batch_stats mean, var [C]. With train, batch statistics are used, and the running ones moved
    where batch_stats is mutable. Raises ValueError when training with fewer than 2 values a channel.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5
    scale_init: Initializer = initializers.ones_init()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map x [..., C] -> [..., C]."""
        scale, bias, mean, var = _norm_variables(self, x.shape[-1])
        x = x.astype(self.dtype)
        if train:
            return _normalize_batch(self, x, scale, bias, mean, var, relu=False)
        factor, offset = affine(mean.value, var.value, scale, bias, self.epsilon)
        return (x * factor + offset).astype(self.dtype)


class ConvNorm(nn.Module):
    """Convolution, batch norm, optional ReLU; submodules "conv" and "norm". In inference the norm is in the kernel."""

    features: int
    kernel_size: tuple[int, int] = (3, 3)
    strides: tuple[int, int] = (1, 1)
    padding: Padding = 0
    relu: bool = True
    use_bias: bool = False
    scale_init: Initializer = initializers.ones_init()
    kernel_init: Initializer = torch_uniform
    bias_init: Initializer | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool = False) -> jax.Array:
        """Map x [B, H, W, I] -> [B, H', W', features]."""
        params = ConvParams(
            self.features, self.kernel_size, self.use_bias, self.kernel_init, self.bias_init, name="conv"
        )
        kernel, bias = params(x.shape[-1])
        scale, shift, mean, var = NormVariables(self.scale_init, name="norm")(self.features)
        if train:
            y = _convolve(x, kernel, bias, self.strides, self.padding, self.dtype)
            return _normalize_batch(self, y, scale, shift, mean, var, relu=self.relu)
        factor, offset = affine(mean.value, var.value, scale, shift, self.epsilon)
        offset = offset if bias is None else offset + bias * factor
        y = _convolve(x, kernel * factor, offset, self.strides, self.padding, self.dtype)
        return nn.relu(y) if self.relu else y
