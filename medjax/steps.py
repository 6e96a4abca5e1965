"""The compiled steps: pure functions of (state, arrays, indices, key)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax.sharding import Mesh

from medjax import losses
from medjax.models import spiking
from medjax.pipeline.augment import Augmentation
from medjax.sharding import by_batch, replicated
from medjax.state import Params, TrainState, merge


@dataclasses.dataclass(frozen=True)
class ImageInput:
    """From rows of the uint8 or uint16 table to what the whole network takes.

    Attributes:
      mean, std: one number a channel, for images scaled to [0, 1].
      augmentation: applied in training only.
      dtype: of the result.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation
    dtype: Any = jnp.float32

    method = "__call__"

    def __call__(self, rows: jax.Array, keys: jax.Array | None = None) -> jax.Array:
        """Scale, augment (where keys are given) and normalise: integer [B, H, W, C] -> float [B, H, W, C]."""
        images = rows.astype(jnp.float32) / jnp.iinfo(rows.dtype).max
        if keys is not None:
            images = self.augmentation(images, keys)
        return ((images - jnp.array(self.mean)) / jnp.array(self.std)).astype(self.dtype)


@dataclasses.dataclass(frozen=True)
class FeatureInput:
    """From rows of the feature table to what the head takes: one of the views of each image."""

    dtype: Any = jnp.float32

    method = "classify"

    def __call__(self, rows: jax.Array, keys: jax.Array | None = None) -> jax.Array:
        """Pick a view by the example's key (the plain one without): float [B, V, F] -> [B, F]."""
        if keys is None or rows.shape[1] == 1:
            return rows[:, 0].astype(self.dtype)
        view = jax.vmap(lambda key: jax.random.randint(key, (), 0, rows.shape[1]))(keys)
        return jnp.take_along_axis(rows, view[:, None, None], axis=1)[:, 0].astype(self.dtype)


Input = ImageInput | FeatureInput


def make_train_step(
    model: nn.Module, inputs: Input, optimizer: optax.GradientTransformation, label_smoothing: float, mesh: Mesh
) -> Callable[..., tuple[TrainState, dict[str, jax.Array]]]:
    """Return the compiled training step.

    Returns:
      train_step(state, examples, labels, indices, key) -> (new state, sums). `examples` is the table on the device,
      [N, …]; `labels` int32 [N]; `indices` int32 [B], divided over the mesh; `key` the run's random key. The state is
      donated. Sums over the batch: "loss", "correct", "count", float32 [].
    """
    sharded = by_batch(mesh)

    def train_step(state, examples, labels, indices, key):
        step_key = jax.random.fold_in(key, state.step)
        dropout_key, examples_key = jax.random.split(step_key)
        targets = labels[indices]
        rows = jax.lax.with_sharding_constraint(examples[indices], sharded)
        x = inputs(rows, jax.random.split(examples_key, indices.shape[0]))

        def loss_fn(params):
            variables = {"params": merge(params, state.frozen), "batch_stats": state.batch_stats}
            logits, updated = model.apply(
                variables, x, train=True, method=inputs.method, rngs={"dropout": dropout_key}, mutable=["batch_stats"]
            )
            loss = losses.cross_entropy(logits, targets, label_smoothing)
            return loss.mean(), (loss.sum(), losses.time_mean(logits), updated)

        grads, (loss_sum, logits, updated) = jax.grad(loss_fn, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        updates = jax.tree.map(lambda u: state.lr_scale.astype(u.dtype) * u, updates)
        new_state = state.replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=updated.get("batch_stats", {}) or state.batch_stats,
            opt_state=opt_state,
        )
        correct = (logits.argmax(axis=-1) == targets).sum()
        return new_state, {"loss": loss_sum, "correct": correct, "count": jnp.asarray(indices.shape[0])}

    whole = replicated(mesh)
    return jax.jit(
        train_step, donate_argnums=0, in_shardings=(whole, whole, whole, sharded, whole), out_shardings=whole
    )


def make_predict_step(model: nn.Module, inputs: Input, mesh: Mesh) -> Callable[..., jax.Array]:
    """Return the compiled predict_step(variables, examples, indices) -> logits, float32 [B, K], in inference mode."""

    def predict_step(variables: Params, examples, indices):
        rows = jax.lax.with_sharding_constraint(examples[indices], by_batch(mesh))
        logits: Any = model.apply(variables, inputs(rows), train=False, method=inputs.method)
        return losses.time_mean(logits).astype(jnp.promote_types(logits.dtype, jnp.float32))

    whole = replicated(mesh)
    return jax.jit(predict_step, in_shardings=(whole, whole, by_batch(mesh)), out_shardings=whole)


def make_spike_step(model: nn.Module, inputs: ImageInput, mesh: Mesh) -> Callable[..., jax.Array]:
    """Return the compiled spike_step(variables, examples, indices) of a spiking network -> float32 [B, L + K].

    The columns are the mean spikes a step and neuron of the L layers, then the mean spikes a step of the K outputs.
    """

    def spike_step(variables: Params, examples, indices):
        rows = jax.lax.with_sharding_constraint(examples[indices], by_batch(mesh))
        outputs: Any
        outputs, sown = model.apply(variables, inputs(rows), train=False, mutable=["intermediates"])
        rates = spiking.spike_rates(sown["intermediates"])
        columns = [rates[name][:, None] for name in sorted(rates)] + [losses.time_mean(outputs)]
        return jnp.concatenate([column.astype(jnp.float32) for column in columns], axis=1)

    whole = replicated(mesh)
    return jax.jit(spike_step, in_shardings=(whole, whole, by_batch(mesh)), out_shardings=whole)


def make_feature_step(model: nn.Module, inputs: ImageInput, mesh: Mesh) -> Callable[..., jax.Array]:
    """Return the compiled feature_step(variables, examples, indices, keys) -> features, float32 [B, F].

    `keys` is None for the plain view, or random keys [B] for an augmented one.
    """

    def feature_step(variables: Params, examples, indices, keys):
        rows = jax.lax.with_sharding_constraint(examples[indices], by_batch(mesh))
        features: Any = model.apply(variables, inputs(rows, keys), method="features")
        return features.astype(jnp.float32)

    whole = replicated(mesh)
    return jax.jit(feature_step, in_shardings=(whole, whole, by_batch(mesh), None), out_shardings=whole)
