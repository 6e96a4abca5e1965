"""What a run costs: time, memory, size. costs.json keeps it apart from the figures, which are the same every time."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from medjax.experiment import Experiment
from medjax.flops import UncountableError, flops_per_image
from medjax.inference.predictions import batches, collect
from medjax.json_file import write_json
from medjax.jsonl import read_rows
from medjax.models import create_model
from medjax.pipeline.feed import Batch, Feed
from medjax.state import TrainState, count
from medjax.terminal import log

_SECONDS = 5.0  # of prediction that are timed, at most


def write_costs(
    config: ConfigDict, experiment: Experiment, workdir: pathlib.Path, state: TrainState, checkpoints: pathlib.Path
) -> None:
    """Write costs.json: what the network is, what training it took, and how fast it predicts.

    Training times are sums over timing.jsonl, so they hold for a resumed run too; validation and saving are not in
    them, nor what a killed process had trained of its last epoch.

    Args:
      config: resolved.
      experiment: what was trained.
      workdir: of a trained run.
      state: of the best checkpoint.
      checkpoints: folder of the run's checkpoints.
    """
    step = int(state.step)
    predict = functools.partial(experiment.logits, state.variables)
    test = experiment.prepared.splits["test"]
    costs = {
        "parameters": count(state.variables["params"]),
        "trained_parameters": count(state.params),
        "flops_per_image": _flops(config, experiment, state),
        "checkpoint_bytes": _size(checkpoints / str(step)),
        **training_costs(read_rows(workdir / "timing.jsonl"), step),
        "inference_images_per_second": _speed(predict, experiment.images, test, config.batch_size),
    }
    write_json(workdir / "costs.json", costs)


def training_costs(rows: list[dict[str, Any]], best_step: int) -> dict[str, Any]:
    """Sum up the rows of timing.jsonl.

    Returns:
      training_seconds, of all epochs; seconds_to_best_epoch, of those up to `best_step`; training_images_per_second, of
      the median epoch, so that the first one's compilation does not count; peak_memory_bytes, the largest. None for
      what no row holds.
    """
    seconds = [(row["step"], row["seconds"]) for row in rows if "seconds" in row]
    speeds = [row["images_per_second"] for row in rows if "images_per_second" in row]
    return {
        "training_seconds": sum(s for _, s in seconds) if seconds else None,
        "seconds_to_best_epoch": sum(s for step, s in seconds if step <= best_step) if seconds else None,
        "training_images_per_second": statistics.median(speeds) if speeds else None,
        "peak_memory_bytes": max(
            (row["peak_memory_bytes"] for row in rows if "peak_memory_bytes" in row), default=None
        ),
    }


def peak_memory_bytes() -> int:
    """Return the most memory used since the process began: of a device, or of the process where that is a CPU's."""
    of_devices = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [stats["peak_bytes_in_use"] for stats in of_devices if "peak_bytes_in_use" in stats]
    if peaks:
        return max(peaks)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _flops(config: ConfigDict, experiment: Experiment, state: TrainState) -> int | None:
    model = create_model(num_classes=len(experiment.prepared.table.class_names), **config.model)
    planes = sum(len(values) for values in experiment.preprocessing["input_columns"].values())
    shape = (*experiment.prepared.table.images.shape[1:3], config.data.channels + planes)
    forward = functools.partial(model.apply, train=False)
    try:
        return flops_per_image(forward, state.variables, jax.ShapeDtypeStruct(shape, jnp.float32))
    except UncountableError as error:
        log.warning(f"the operations of an image cannot be counted: {error}")
        return None


def _size(folder: pathlib.Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _speed(predict: Callable[[Batch], jax.Array], feed: Feed, indices: np.ndarray, batch_size: int) -> float:
    """Images a second of a prediction pass, after a batch to warm up; it ends early where it takes long."""
    collect(predict, feed, indices[:batch_size], batch_size)
    parts, done = list(batches(indices, batch_size)), 0
    began = time.monotonic()
    with contextlib.closing(feed.ahead(padded for padded, _ in parts)) as fed:
        for batch, (_, real) in zip(fed, parts, strict=True):
            np.asarray(predict(batch))
            done += real
            # several processes predict together, so none may end before the others
            if jax.process_count() == 1 and time.monotonic() - began > _SECONDS:
                break
    return done / (time.monotonic() - began)
