"""The compiled steps: pure functions of (state, batch, key)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from jax.sharding import Mesh

from medjax import losses
from medjax.inputs import ImageInput, Input
from medjax.models import spiking
from medjax.pipeline.feed import Batch
from medjax.pipeline.mixing import mix_targets
from medjax.sharding import by_batch, replicated
from medjax.state import Params, TrainState, merge


def make_train_step(
    model: nn.Module,
    inputs: Input,
    optimizer: optax.GradientTransformation,
    label_smoothing: float,
    mesh: Mesh,
    class_weights: np.ndarray | None = None,
) -> Callable[[TrainState, Batch, jax.Array], tuple[TrainState, dict[str, jax.Array]]]:
    """Return the compiled training step.

    Returns:
      train_step(state, batch, key) -> (new state, sums). `batch` is divided over the mesh; `key` is the run's random
      key. The state is donated. Sums over the batch: "loss", "correct", "count", float32 []; where images are blended,
      an answer is correct when it is the class with the larger share.
    """
    weights = None if class_weights is None else jnp.asarray(class_weights, jnp.float32)

    def train_step(state, batch, key):
        step_key = jax.random.fold_in(key, state.step)
        dropout_key, examples_key = jax.random.split(step_key)
        # Keys belong to places in the global batch, so the number of devices changes nothing.
        keys = jax.random.split(examples_key, len(batch.indices))
        x, share = inputs.mix(inputs(batch, keys), keys) if inputs.mixes else (inputs(batch, keys), None)

        def loss_fn(params):
            variables = {"params": merge(params, state.frozen), "batch_stats": state.batch_stats}
            logits, updated = model.apply(
                variables, x, train=True, method=inputs.method, rngs={"dropout": dropout_key}, mutable=["batch_stats"]
            )
            targets = _targets(batch.labels, share, logits.shape[-1])
            loss = losses.cross_entropy(logits, targets, label_smoothing, weights)
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
        correct = (logits.argmax(axis=-1) == _dominant(batch.labels, share)).sum()
        return new_state, {"loss": loss_sum, "correct": correct, "count": jnp.asarray(len(batch.indices))}

    whole = replicated(mesh)
    return jax.jit(train_step, donate_argnums=0, in_shardings=(whole, by_batch(mesh), whole), out_shardings=whole)


def _targets(labels: jax.Array, share: jax.Array | None, classes: int) -> jax.Array:
    """What the loss compares with: int [B], or float [B, K] where examples are blended."""
    return labels if share is None else mix_targets(jax.nn.one_hot(labels, classes), share)


def _dominant(labels: jax.Array, share: jax.Array | None) -> jax.Array:
    """The label int [B] with the larger share in each example."""
    return labels if share is None else jnp.where(share >= 0.5, labels, jnp.roll(labels, -1))


def make_predict_step(
    model: nn.Module, inputs: Input, mesh: Mesh, correction: np.ndarray | None = None
) -> Callable[[Params, Batch], jax.Array]:
    """Return the compiled predict_step(variables, batch) -> logits, float32 [B, K], in inference mode.

    Args:
      correction: [K], added to the logits; see `balance.Balance`.
    """

    def predict_step(variables, batch):
        logits: Any = model.apply(variables, inputs(batch), train=False, method=inputs.method)
        logits = losses.time_mean(logits).astype(jnp.promote_types(logits.dtype, jnp.float32))
        return logits if correction is None else logits + np.asarray(correction, logits.dtype)

    whole = replicated(mesh)
    return jax.jit(predict_step, in_shardings=(whole, by_batch(mesh)), out_shardings=whole)


def make_spike_step(model: nn.Module, inputs: ImageInput, mesh: Mesh) -> Callable[[Params, Batch], jax.Array]:
    """Return the compiled spike_step(variables, batch) of a spiking network -> float32 [B, L + K].

    The columns are the mean spikes a step and neuron of the L layers, then the mean spikes a step of the K outputs.
    """

    def spike_step(variables, batch):
        outputs: Any
        outputs, sown = model.apply(variables, inputs(batch), train=False, mutable=["intermediates"])
        rates = spiking.spike_rates(sown["intermediates"])
        columns = [rates[name][:, None] for name in sorted(rates)] + [losses.time_mean(outputs)]
        return jnp.concatenate([column.astype(jnp.float32) for column in columns], axis=1)

    whole = replicated(mesh)
    return jax.jit(spike_step, in_shardings=(whole, by_batch(mesh)), out_shardings=whole)


def make_feature_step(
    model: nn.Module, inputs: ImageInput, mesh: Mesh
) -> Callable[[Params, Batch, jax.Array | None], jax.Array]:
    """Return the compiled feature_step(variables, batch, root) -> features, float32 [B, F].

    `root` is None for the plain view; for an augmented one a random key, from which each image has one by its row in
    the table.
    """

    def feature_step(variables, batch, root):
        keys = None if root is None else jax.vmap(lambda row: jax.random.fold_in(root, row))(batch.indices)
        features: Any = model.apply(variables, inputs(batch, keys), method="features")
        return features.astype(jnp.float32)

    whole = replicated(mesh)
    return jax.jit(feature_step, in_shardings=(whole, by_batch(mesh), None), out_shardings=whole)
