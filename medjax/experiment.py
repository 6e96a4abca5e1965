"""What a config stands for, built: table, splits, model, state and compiled steps."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from medjax import optim, sharding, steps
from medjax.inference import features, heatmaps
from medjax.inputs import FeatureInput, ImageInput, Input
from medjax.models import create_model, freezing, weights
from medjax.models.classifier import Classifier
from medjax.models.spiking import SpikingHead
from medjax.models.torchvision import from_state_dict, imagenet_normalization
from medjax.pipeline import sampler
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.balance import Balance, balance
from medjax.pipeline.categories import Categories, read_categories
from medjax.pipeline.feed import Batch, Feed, make_feed
from medjax.pipeline.normalization import channel_statistics
from medjax.pipeline.table import ImageTable
from medjax.preparation import Prepared
from medjax.state import TrainState, count, create_state
from medjax.terminal import log


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything a run needs but its progress.

    Attributes:
      prepared: table, splits and audit.
      state: at step 0.
      steps_per_epoch: optimizer steps.
      order: step -> the rows of the table it trains on, int32 [B].
      images: feed of the images.
      examples: feed of what is trained on: the images, or the features made of them.
      train_step: (state, batch of `examples`) -> (state, sums).
      val_logits: (variables, batch of `examples`) -> logits of the route that is trained on, to validate an epoch.
      logits: (variables, batch of `images`) -> logits of the whole model, of `evaluation.views` views of each image.
        Both kinds are those of the natural mixture of classes, whatever mixture was trained on.
      spikes: (variables, batch of `images`) -> see `steps.make_spike_step`; None where the network does not spike.
      heatmaps: see `heatmaps.make_heatmap_step`.
      preprocessing: how an image becomes the model's input, as JSON.
      learning_rate: step -> learning rate, before `lr_scale`.
    """

    prepared: Prepared
    state: TrainState
    steps_per_epoch: int
    order: Callable[[int], np.ndarray]
    images: Feed
    examples: Feed
    train_step: Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]
    val_logits: Callable[[Any, Batch], jax.Array]
    logits: Callable[[Any, Batch], jax.Array]
    spikes: Callable[[Any, Batch], jax.Array] | None
    heatmaps: heatmaps.Step
    preprocessing: dict[str, Any]
    learning_rate: Callable[[int], Any]


def check(config: ConfigDict) -> None:
    """Refuse what is wrong with the model, the stages to train or the weights, before data is read or a folder made.

    Weights that are not on disk are fetched here.
    """
    model = create_model(num_classes=1, **config.model)
    freezing.trained_rule(model, config.trainable)
    if config.weights != "none":
        weights.find_weights(config.weights, config.model.name)
    sharding.check_batch_size(config.batch_size, config.accumulate, sharding.make_mesh())


def build(config: ConfigDict, prepared: Prepared, workdir: pathlib.Path) -> Experiment:
    """Build the experiment of a resolved config on its prepared images; weights are fetched where needed.

    Raises:
      UserError: the data, the weights or a value that only they can judge is wrong.
    """
    mesh = sharding.make_mesh()
    table, parts = prepared.table, prepared.splits
    categories = read_categories(table, config.data.input_columns)
    inputs = _make_inputs(config, table, parts["train"], categories)
    even = _balance(config, table, parts["train"])
    model, variables = _make_model(config, table, inputs)
    per_epoch = sampler.steps_per_epoch(len(parts["train"]), config.batch_size)
    schedule, optimizer = _make_optimizer(config, per_epoch)
    state = sharding.replicate(create_state(variables, optimizer, freezing.trained_rule(model, config.trainable)), mesh)
    feed = functools.partial(
        make_feed, labels=table.labels, categories=categories.codes, placement=config.data.placement, mesh=mesh
    )
    images = feed(table.images)
    predictor = functools.partial(steps.make_predict_step, model, mesh=mesh, correction=even.correction)
    whole, views = predictor(inputs), config.evaluation.views
    examples, route, val_logits = images, cast(Input, inputs), whole
    if config.trainable == "head":
        examples = feed(_features(config, workdir, table, parts, model, inputs, state, images, mesh))
        route = FeatureInput(inputs.dtype)
        val_logits = predictor(route)
    train = steps.make_train_step(
        model,
        route,
        optimizer,
        config.label_smoothing,
        mesh,
        even.weights,
        accumulate=config.accumulate,
        on_nan=config.on_nan,
    )
    key = sharding.random_key(config.seed, mesh)
    _announce(config, prepared, state, mesh)
    return Experiment(
        prepared=prepared,
        state=state,
        steps_per_epoch=per_epoch,
        order=sampler.order(config.sampling, config.seed, parts["train"], table.labels, config.batch_size),
        images=images,
        examples=examples,
        train_step=lambda state, batch: train(state, batch, key),
        val_logits=val_logits,
        logits=whole if views == 1 else predictor(inputs, views=views, seed=config.seed),
        spikes=steps.make_spike_step(model, inputs, mesh) if isinstance(model.head, SpikingHead) else None,
        heatmaps=heatmaps.make_heatmap_step(model, inputs, mesh),
        preprocessing=_preprocessing(config, table, inputs, categories, even),
        learning_rate=schedule,
    )


def _balance(config: ConfigDict, table: ImageTable, train: np.ndarray) -> Balance:
    how = {"class_weights": config.class_weights, "sampling": config.sampling}
    return balance(table.labels[train], len(table.class_names), **how)


def _preprocessing(
    config: ConfigDict, table: ImageTable, inputs: ImageInput, categories: Categories, even: Balance
) -> dict[str, Any]:
    return {
        "image_size": config.data.image_size,
        "channels": config.data.channels,
        "fit": config.data.fit,
        "dtype": table.images.dtype.name,
        "mean": list(inputs.mean),
        "std": list(inputs.std),
        "input_columns": {name: list(values) for name, values in categories.values.items()},
        "prior_correction": even.to_json(),
        "views": _views(config),
    }


def _views(config: ConfigDict) -> dict[str, Any] | None:
    """How the views of each image are made whose probabilities are averaged; None where it is the plain image."""
    if config.evaluation.views == 1:
        return None
    return {"count": config.evaluation.views, "seed": config.seed, "augment": config.augment.to_dict()}


def _make_inputs(config: ConfigDict, table: ImageTable, train: np.ndarray, categories: Categories) -> ImageInput:
    if config.normalization == "imagenet":
        mean, std = imagenet_normalization(config.data.channels)
    else:
        mean, std = channel_statistics(table.images, train)
    augmentation = Augmentation(**config.augment)
    return ImageInput(mean, std, augmentation, jnp.dtype(config.dtype), categories.counts)


def _make_model(config: ConfigDict, table: ImageTable, inputs: ImageInput) -> tuple[Classifier, Any]:
    """The model, its frozen stages in inference mode, and its variables: drawn from the seed, then ported weights."""
    model = create_model(num_classes=len(table.class_names), dtype=jnp.dtype(config.dtype), **config.model)
    model = freezing.freeze(model, config.trainable)
    images = jnp.zeros((1, *table.images.shape[1:3], inputs.channels), config.dtype)
    variables = jax.jit(model.init)(jax.random.key(config.seed), images)
    if config.weights == "none":
        return model, variables
    file = weights.find_weights(config.weights, config.model.name)
    return model, from_state_dict(weights.read_state_dict(file), variables, planes=sum(inputs.categories))


def _make_optimizer(config: ConfigDict, per_epoch: int) -> tuple[optax.Schedule, optax.GradientTransformation]:
    chosen = config.optimizer.to_dict()
    schedule = optim.make_schedule(
        config.schedule.name,
        learning_rate=chosen.pop("learning_rate"),
        steps_per_epoch=per_epoch,
        max_epochs=config.max_epochs,
        warmup_epochs=config.schedule.warmup_epochs,
        decay_epochs=config.schedule.decay_epochs,
        decay_factor=config.schedule.decay_factor,
    )
    return schedule, optim.make_optimizer(chosen.pop("name"), schedule, **chosen)


def _features(config, workdir, table, parts, model, inputs, state, images, mesh) -> np.ndarray:
    return features.load_or_compute(
        workdir / "features.npy",
        steps.make_feature_step(model, inputs, mesh, config.seed),
        state.variables,
        images,
        len(table),
        plain=parts["val"],
        augmented=parts["train"],
        views=config.feature_views,
        seed=config.seed,
        batch_size=config.batch_size,
        table_hash=table.content_hash,
    )


def _announce(config: ConfigDict, prepared: Prepared, state: TrainState, mesh: Mesh) -> None:
    table = prepared.table
    sizes = ", ".join(f"{name} {len(indices):,}" for name, indices in prepared.splits.items())
    log.info(f"{table.name}: {len(table.labels):,} images of {len(table.class_names)} classes; {sizes}")
    log.info(
        f"{config.model.name}: {count(state.variables['params']):,} parameters, {count(state.params):,} trained "
        f"({config.trainable}), weights: {config.weights}; {mesh.size} × {jax.devices()[0].device_kind}"
    )
