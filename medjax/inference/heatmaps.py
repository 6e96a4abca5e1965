"""Saliency maps of a table's images, for a run's evaluation and report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.sharding import Mesh

from medjax.datasets import find_dataset
from medjax.evaluation.predictions import Predictions
from medjax.inference import pointing, saliency
from medjax.inference.feature_maps import default_layer, feature_maps
from medjax.inference.predictions import collect
from medjax.inputs import ImageInput
from medjax.pipeline.feed import Batch, Feed
from medjax.pipeline.table import ImageTable
from medjax.sharding import by_batch, replicated
from medjax.state import Params

Step = Callable[[Params, Batch, jax.Array], jax.Array]


def make_heatmap_step(model: nn.Module, inputs: ImageInput, mesh: Mesh) -> Step:
    """Return the compiled heatmap_step(variables, batch, classes) -> Grad-CAM of the default layer, float32 [B, h, w].

    `classes` is int32 [N], of every row of the table the class to explain.
    """

    def heatmap_step(variables, batch, classes):
        x = inputs(batch)
        layer = default_layer(feature_maps(model, variables, x))
        return saliency.grad_cam(model, variables, x, classes[batch.indices], layer)

    whole = replicated(mesh)
    return jax.jit(heatmap_step, in_shardings=(whole, by_batch(mesh), whole), out_shardings=whole)


def heatmaps_for(
    step: Step,
    variables: Params,
    feed: Feed,
    table: ImageTable,
    predictions: Predictions,
    image_ids: Sequence[str],
    batch_size: int,
) -> dict[str, np.ndarray]:
    """Return what spoke for the predicted class in some images, by image_id: float32 [h, w] in [0, 1].

    An image in which nothing did, whose map is 0 everywhere, is left out.

    Args:
      step: of `make_heatmap_step`.
      variables: of the model.
      feed: of the table's images.
      table: holds the images.
      predictions: of the images, whose most probable class is explained.
      image_ids: of some of the predictions.
      batch_size: images at a time.
    """
    if not image_ids:
        return {}
    maps = saliency.in_unit_range(_maps(step, variables, feed, table, predictions, image_ids, batch_size))
    return {image_id: heat for image_id, heat in zip(image_ids, maps, strict=True) if heat.any()}


def lesion_hits(
    step: Step, variables: Params, feed: Feed, table: ImageTable, predictions: Predictions, batch_size: int
) -> dict[str, Any] | None:
    """Return how often the map's peak lies in the lesion, for a dataset that knows its lesions; None for any other.

    Args:
      step, variables, feed, table, batch_size: see `heatmaps_for`.
      predictions: of the images to look at.

    Returns:
      {"method": …} and the figures of `pointing.hit_rate`.
    """
    lesion_mask = find_dataset(table.name).lesion_mask
    if lesion_mask is None:
        return None
    maps = _maps(step, variables, feed, table, predictions, predictions.image_ids, batch_size)
    masks = [lesion_mask(image_id) for image_id in predictions.image_ids]
    return {"method": "Grad-CAM of the predicted class", **pointing.hit_rate(pointing.peaks(maps), masks)}


def _maps(step, variables, feed, table, predictions, image_ids, batch_size) -> np.ndarray:
    """Maps float32 [len(image_ids), h, w], in that order."""
    row_of = {image_id: row for row, image_id in enumerate(table.image_ids.tolist())}
    classes = np.zeros(len(table), np.int32)
    classes[[row_of[image_id] for image_id in predictions.image_ids]] = predictions.probabilities.argmax(axis=1)
    rows = np.array([row_of[image_id] for image_id in image_ids])
    given = jnp.asarray(classes)
    return collect(lambda batch: step(variables, batch, given), feed, rows, batch_size)
