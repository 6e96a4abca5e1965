"""The compiled steps: pure functions of (state, batch, key)."""

from __future__ import annotations

import functools
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
from medjax.sharding import Tree, by_batch, replicated
from medjax.state import Params, TrainState, merge


def make_train_step(
    model: nn.Module,
    inputs: Input,
    optimizer: optax.GradientTransformation,
    label_smoothing: float,
    mesh: Mesh,
    class_weights: np.ndarray | None = None,
    *,
    accumulate: int = 1,
    on_nan: str = "stop",
) -> Callable[[TrainState, Batch, jax.Array], tuple[TrainState, dict[str, jax.Array]]]:
    """Return the compiled training step.

    An update whose loss or gradient is not finite is left out.

    Args:
      accumulate: parts of the batch that go through the network one after the other, their gradients averaged. Batch
        norms, dropout and the blending of images then see a part instead of the batch.
      on_nan: "stop": from the first such update on the state stays as it was before it, its `step` too, to be looked
        at. "skip": the step is counted and training goes on.

    Returns:
      train_step(state, batch, key) -> (new state, sums). `batch` is divided over the mesh; `key` is the run's random
      key. The state is donated. Sums over the batch: "loss", "correct", "count", float32 []; where images are blended,
      an answer is correct when it is the class with the larger share. They are 0, and "skipped" 1, for an update that
      is left out.
    """
    weights = None if class_weights is None else jnp.asarray(class_weights, jnp.float32)

    def gradients(params, frozen, batch_stats, batch, keys, dropout_key):
        """Gradients of the mean loss over a part, its sums, and the new batch statistics."""
        x, share = inputs.mix(inputs(batch, keys), keys) if inputs.mixes else (inputs(batch, keys), None)

        def loss_fn(params):
            variables = {"params": merge(params, frozen), "batch_stats": batch_stats}
            logits, updated = model.apply(
                variables, x, train=True, method=inputs.method, rngs={"dropout": dropout_key}, mutable=["batch_stats"]
            )
            targets = _targets(batch.labels, share, logits.shape[-1])
            loss = losses.cross_entropy(logits, targets, label_smoothing, weights)
            return loss.mean(), (loss.sum(), losses.time_mean(logits), updated)

        grads, (loss_sum, logits, updated) = jax.grad(loss_fn, has_aux=True)(params)
        correct = (logits.argmax(axis=-1) == _dominant(batch.labels, share)).sum()
        sums = {"loss": loss_sum, "correct": correct, "count": jnp.asarray(len(batch.indices))}
        return grads, sums, updated.get("batch_stats", {}) or batch_stats

    def train_step(state, batch, key):
        dropout_key, examples_key = jax.random.split(jax.random.fold_in(key, state.step))
        # Keys belong to places in the global batch, so the number of devices changes nothing.
        keys = jax.random.split(examples_key, len(batch.indices))
        run = functools.partial(gradients, state.params, state.frozen)
        if accumulate == 1:
            grads, sums, batch_stats = run(state.batch_stats, batch, keys, dropout_key)
        else:
            grads, sums, batch_stats = _accumulated(run, accumulate, state.batch_stats, batch, keys, dropout_key)
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        updates = jax.tree.map(lambda u: state.lr_scale.astype(u.dtype) * u, updates)
        updated_state = state.replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        finite, kept = _all_finite((sums["loss"], grads)), state
        if on_nan == "skip":
            kept = state.replace(step=state.step + 1)
        else:
            finite &= state.skipped == 0
        new_state = _choose(finite, updated_state, kept.replace(skipped=state.skipped + 1))
        return new_state, {**_choose(finite, sums, jax.tree.map(jnp.zeros_like, sums)), "skipped": ~finite}

    whole = replicated(mesh)
    return jax.jit(train_step, donate_argnums=0, in_shardings=(whole, by_batch(mesh), whole), out_shardings=whole)


def _accumulated(run, parts, batch_stats, batch, keys, dropout_key):
    """Run the parts of a batch one after the other: mean gradients, summed sums, the last batch statistics.

    A part takes every `parts`-th example, so that on many devices each keeps its own.
    """

    def cut(array):
        return array.reshape(len(array) // parts, parts, *array.shape[1:]).swapaxes(0, 1)

    def step(carry, piece):
        batch_stats, total = carry
        *found, batch_stats = run(batch_stats, *piece)
        return (batch_stats, jax.tree.map(jnp.add, total, found)), None

    pieces = (*jax.tree.map(cut, (batch, keys)), jax.random.split(dropout_key, parts))
    *shapes, _ = jax.eval_shape(run, batch_stats, *jax.tree.map(lambda array: array[0], pieces))
    nothing = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    (batch_stats, (grads, sums)), _ = jax.lax.scan(step, (batch_stats, nothing), pieces)
    return jax.tree.map(lambda gradient: gradient / parts, grads), sums, batch_stats


def _all_finite(tree: Any) -> jax.Array:
    """Whether every number of a tree is finite, bool []."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()


def _choose(first: jax.Array, a: Tree, b: Tree) -> Tree:
    """Return the tree `a` where `first`, bool [], holds, else `b`; a branch would not be one under vmap."""
    return jax.tree.map(lambda x, y: jnp.where(first, x, y), a, b)


def _targets(labels: jax.Array, share: jax.Array | None, classes: int) -> jax.Array:
    """What the loss compares with: int [B], or float [B, K] where examples are blended."""
    return labels if share is None else mix_targets(jax.nn.one_hot(labels, classes), share)


def _dominant(labels: jax.Array, share: jax.Array | None) -> jax.Array:
    """The label int [B] with the larger share in each example."""
    return labels if share is None else jnp.where(share >= 0.5, labels, jnp.roll(labels, -1))


def make_predict_step(
    model: nn.Module,
    inputs: Input,
    mesh: Mesh,
    correction: np.ndarray | None = None,
    *,
    views: int = 1,
    seed: int = 0,
) -> Callable[[Params, Batch], jax.Array]:
    """Return the compiled predict_step(variables, batch) -> logits, float32 [B, K], in inference mode.

    Args:
      correction: [K], added to the logits; see `balance.Balance`.
      views: V, of each image; 1 is the plain one. With more, every view is augmented as in training, and what comes out
        is the logarithm of the mean of their probabilities.
      seed: of the views, which follow from it and from an image's row in the table alone.
    """

    def answer(variables, batch, keys=None):
        logits: Any = model.apply(variables, inputs(batch, keys), train=False, method=inputs.method)
        logits = losses.time_mean(logits).astype(jnp.promote_types(logits.dtype, jnp.float32))
        return logits if correction is None else logits + np.asarray(correction, logits.dtype)

    def predict_step(variables, batch):
        if views == 1:
            return answer(variables, batch)

        def answer_to_view(view):
            return jax.nn.log_softmax(answer(variables, batch, _keys_of_view(seed, view, batch)))

        each = jax.lax.map(answer_to_view, jnp.arange(views))
        return jax.nn.logsumexp(each, axis=0) - np.log(views).astype(each.dtype)

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
    model: nn.Module, inputs: ImageInput, mesh: Mesh, seed: int
) -> Callable[[Params, Batch, np.int32 | None], jax.Array]:
    """Return the compiled feature_step(variables, batch, view) -> features, float32 [B, F].

    `view` is None for the plain view; for an augmented one its number, from which, the seed and its row in the table
    each image has a random key.
    """

    def feature_step(variables, batch, view):
        keys = None if view is None else _keys_of_view(seed, view, batch)
        features: Any = model.apply(variables, inputs(batch, keys), method="features")
        return features.astype(jnp.float32)

    whole = replicated(mesh)
    return jax.jit(feature_step, in_shardings=(whole, by_batch(mesh), whole), out_shardings=whole)


def _keys_of_view(seed: int, view: jax.Array | np.int32, batch: Batch) -> jax.Array:
    """A random key [B] for each image of a batch, by the number of the view and the image's row in the table."""
    root = jax.random.fold_in(jax.random.key(seed), view)
    return jax.vmap(functools.partial(jax.random.fold_in, root))(batch.indices)
