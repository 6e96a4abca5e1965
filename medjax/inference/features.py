"""Features of a frozen backbone, computed once an image and view."""

from __future__ import annotations

import functools
import hashlib
import pathlib

import jax
import numpy as np

from medjax.inference.predictions import collect
from medjax.pipeline.feed import Feed
from medjax.pipeline.storage import disk_errors, write_text
from medjax.processes import everywhere
from medjax.state import Params


def load_or_compute(
    file: pathlib.Path,
    step,
    variables: Params,
    feed: Feed,
    rows: int,
    *,
    plain: np.ndarray,
    augmented: np.ndarray,
    views: int,
    seed: int,
    batch_size: int,
    table_hash: str,
) -> np.ndarray:
    """Return the feature table, from the run's folder when it was computed there before.

    Args:
      file: .npy; written when missing or when it belongs to other weights, images or views.
      step: compiled by `steps.make_feature_step`, with the same seed.
      variables: of the whole model.
      feed: of the images.
      rows: N of the table.
      plain: indices whose plain view alone is wanted (validation).
      augmented: indices of the training images.
      views: V; with 1 the training images have their plain view, with more V augmented ones.
      seed: of the augmentation.
      batch_size: images a step.
      table_hash: of what the feed gives.

    Returns:
      float32 [N, V, F]; rows of neither list are zero.
    """
    digest = hashlib.sha256(f"{table_hash} {views} {seed} {plain.tolist()} {augmented.tolist()}".encode())
    for leaf in jax.tree.leaves(variables):
        digest.update(np.asarray(leaf).tobytes())
    key = digest.hexdigest()
    mark = file.with_suffix(".sha256")
    if everywhere(file.exists() and mark.exists() and mark.read_text().strip() == key):
        return np.load(file, allow_pickle=False)
    features = _compute(step, variables, feed, rows, plain, augmented, views, batch_size)
    with disk_errors(file):
        mark.unlink(missing_ok=True)
        part = file.with_suffix(".part.npy")
        np.save(part, features)
        part.replace(file)
    write_text(mark, key + "\n")
    return features


def _compute(step, variables, feed, rows, plain, augmented, views, batch_size) -> np.ndarray:
    once = np.concatenate([plain, augmented]) if views == 1 else plain
    found = collect(lambda batch: step(variables, batch, None), feed, once, batch_size, "features")
    features = np.zeros((rows, views, found.shape[1]), np.float32)
    features[once, 0] = found
    for view in range(views if views > 1 else 0):
        one_view = functools.partial(_augmented, step, variables, np.int32(view))
        bar = f"features, view {view + 1} of {views}"
        features[augmented, view] = collect(one_view, feed, augmented, batch_size, bar)
    return features


def _augmented(step, variables, view, batch):
    return step(variables, batch, view)
