"""Spiking CNN: leaky integrate-and-fire neurons, trained through time with a surrogate gradient.

The neuron is snnTorch's (Eshraghian et al., Proc. IEEE 2023): decay beta, reset by subtraction without gradient, and
the derivative of a fast sigmoid in place of the spike's (Zenke and Ganguli, Neural Computation 2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

from medjax.errors import UserError
from medjax.models.classifier import Classifier
from medjax.models.initialization import initialization
from medjax.models.inputs import check_features, check_images, expected_channels
from medjax.models.layers import Conv, Dense, max_pool, torch_uniform

# Feature maps that the second convolution takes at once: enough to keep the cores busy, few enough that what lives
# only between its operations stays small beside the spikes of all steps.
_MAPS_AT_ONCE = 64


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def spike(excess: jax.Array, slope: float) -> jax.Array:
    """Return 1 where excess > 0, else 0; the derivative is taken to be 1 / (1 + slope |excess|)²."""
    return (excess > 0).astype(excess.dtype)


@spike.defjvp
def _spike_jvp(slope, primals, tangents):
    (excess,), (tangent,) = primals, tangents
    return spike(excess, slope), tangent / jnp.square(1 + slope * jnp.abs(excess))


@dataclass(frozen=True)
class Neuron:
    """Leaky integrate-and-fire neurons without parameters, any number of them side by side.

    R[t] = threshold where U[t-1] > threshold, else 0 (no gradient); U[t] = beta U[t-1] + I[t] - R[t];
    S[t] = 1 where U[t] > threshold, else 0. The membrane U is float32 or wider whatever the dtype of the network.

    Args:
      beta: share of the membrane potential kept from one step to the next, in [0, 1].
      threshold: potential above which the neuron fires, > 0.
      slope: of the surrogate gradient 1 / (1 + slope |U - threshold|)², > 0.
    """

    beta: float = 0.5
    threshold: float = 1.0
    slope: float = 25.0

    def __call__(
        self, membrane: jax.Array, current: jax.Array, steps: int | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Return the membrane [...] after T steps and the spikes [T, ...].

        current: [T, ...]; or, with `steps` = T given, [...], the same at every step.
        """

        def step(membrane, current_now):
            now = current if current_now is None else current_now
            reset = lax.stop_gradient(jnp.where(membrane > self.threshold, self.threshold, 0).astype(membrane.dtype))
            membrane = self.beta * membrane + now.astype(membrane.dtype) - reset
            return membrane, spike(membrane - self.threshold, self.slope).astype(current.dtype)

        return lax.scan(step, membrane, None if steps else current, length=steps)


def resting_membrane(shape: Sequence[int], dtype: Any) -> jax.Array:
    """Return the membrane potential before the first step, 0."""
    return jnp.zeros(shape, jnp.promote_types(dtype, jnp.float32))


class SpikeMaps(nn.Module):
    """Returns spikes [B, T, H, W, C] as they are: what runs inside a scan has no name from outside, this has."""

    @nn.compact
    def __call__(self, spikes: jax.Array) -> jax.Array:
        """Return `spikes`."""
        return spikes


class SpikingBackbone(nn.Module):
    """Images [B, H, W, C], the input current of every step -> spikes [B, steps, F] of two convolutional layers.

    Convolution 5x5, max-pool 2x2, neurons, twice: 12 and 64 channels. Submodules conv1, conv2, and spikes, the last
    map. Sows the mean spikes a step and neuron of each image, [B], in "intermediates" as lif1 and lif2; see
    `spike_rates`.

    Raises:
      UserError: the images are smaller than 16x16 or have another number of channels.
    """

    steps: int
    neuron: Neuron
    channels: int | None = None
    kernel_init: Any = torch_uniform
    bias_init: Any = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, images: jax.Array, train: bool = False) -> jax.Array:
        """Return spikes [B, steps, F]."""
        channels = expected_channels(self, "conv1", self.channels)
        check_images(images, "spiking_cnn", channels=channels, min_size=16)
        # The image does not change with time, so the first convolution is computed once.
        current = max_pool(self._conv(12, "conv1")(images))
        batch, height, width, _ = current.shape
        block = _steps_at_once(self.steps, batch)

        def advance(conv2, membranes, _):
            membrane, spikes = self.neuron(membranes[0], current, steps=block)
            deeper = max_pool(conv2(spikes.reshape(-1, *current.shape[1:])))
            second, deep_spikes = self.neuron(membranes[1], deeper.reshape(block, batch, *deeper.shape[1:]))
            return (membrane, second), (deep_spikes, _rate(spikes), _rate(deep_spikes))

        deep_shape = (batch, (height - 4) // 2, (width - 4) // 2, 64)
        resting = (resting_membrane(current.shape, self.dtype), resting_membrane(deep_shape, self.dtype))
        scan = nn.scan(advance, variable_broadcast="params", split_rngs={"params": False}, length=self.steps // block)
        _, (spikes, *rates) = scan(self._conv(64, "conv2"), resting, None)
        for name, rate in zip(("lif1", "lif2"), rates, strict=True):
            self.sow("intermediates", name, rate.mean(0))
        spikes = SpikeMaps(name="spikes")(jnp.moveaxis(spikes.reshape(self.steps, *deep_shape), 0, 1))
        return spikes.reshape(batch, self.steps, -1)

    def _conv(self, features: int, name: str) -> Conv:
        return Conv(
            features, (5, 5), kernel_init=self.kernel_init, bias_init=self.bias_init, dtype=self.dtype, name=name
        )


class SpikingHead(nn.Module):
    """Spikes [B, T, F] -> output spikes [B, T, num_classes]: a dense layer fc and its neurons; sows lif3."""

    num_classes: int
    neuron: Neuron
    kernel_init: Any = torch_uniform
    bias_init: Any = None
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, train: bool = False) -> jax.Array:
        """Return output spikes [B, T, num_classes]."""
        check_features(self, "fc", features)
        current = Dense(
            self.num_classes, kernel_init=self.kernel_init, bias_init=self.bias_init, dtype=self.dtype, name="fc"
        )(features)
        current = jnp.moveaxis(current, 1, 0)
        _, spikes = self.neuron(resting_membrane(current.shape[1:], self.dtype), current)
        self.sow("intermediates", "lif3", _rate(spikes))
        return jnp.moveaxis(spikes, 0, 1)


def spiking_cnn(
    num_classes: int = 6,
    dtype: Any = jnp.float32,
    *,
    steps: int = 50,
    beta: float = 0.5,
    threshold: float = 1.0,
    slope: float = 25.0,
    channels: int | None = None,
    init: str = "torch",
) -> Classifier:
    """Build the spiking CNN; 84,478 parameters at 64x64x1 and 6 classes, any image size from 16x16.

    Its output is spikes [B, steps, num_classes], 0 or 1: the loss averages the cross-entropy over the steps, the
    prediction is the class that fired most often.

    Args:
      steps: T, for how many time steps the image is shown, at least 1.
      beta, threshold, slope: see `Neuron`.
    """
    if steps < 1:
        raise UserError(f"steps is {steps}; a spiking network needs at least 1.")
    if not 0 <= beta <= 1:
        raise UserError(f"beta is {beta}; it is the share of the potential kept each step, from 0 to 1.")
    if threshold <= 0 or slope <= 0:
        raise UserError(f"threshold is {threshold} and slope {slope}; both must be above 0.")
    scheme = initialization(init)
    neuron = Neuron(beta, threshold, slope)
    backbone = SpikingBackbone(steps, neuron, channels, dtype=dtype, **scheme)
    return Classifier(backbone, SpikingHead(num_classes, neuron, dtype=dtype, **scheme))


def spike_rates(intermediates: Mapping[str, Any]) -> dict[str, jax.Array]:
    """Return the mean spikes a step and neuron of every image, [B], by layer: lif1, lif2, lif3.

    intermediates: that collection, from `model.apply(variables, images, mutable=["intermediates"])`.
    """
    sown = {**intermediates.get("backbone", {}), **intermediates.get("head", {})}
    return {name: values[-1] for name, values in sown.items() if name.startswith("lif")}


def dead_outputs(rates: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Name the classes whose output neuron never fired, which can therefore never be predicted.

    rates: [N, K], spike counts or mean spikes over the steps of N images.
    """
    return [name for name, fired in zip(class_names, np.any(np.asarray(rates) > 0, axis=0), strict=True) if not fired]


def _rate(spikes: jax.Array) -> jax.Array:
    """Average spikes [T, B, ...] over all but the batch, in float32 or wider."""
    axes = (0, *range(2, spikes.ndim))
    return spikes.mean(axes, dtype=jnp.promote_types(spikes.dtype, jnp.float32))


def _steps_at_once(steps: int, batch: int) -> int:
    """Return the most steps, a divisor of all, whose maps the second convolution takes at once."""
    return max(
        block for block in range(1, steps + 1) if steps % block == 0 and (block == 1 or block * batch <= _MAPS_AT_ONCE)
    )
