"""What images are asked of: a finished run, or an ensemble of several."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from medjax.inference.finished_run import FinishedRun
from medjax.inference.predictions import log_probabilities
from medjax.pipeline.feed import Batch, bare_batch
from medjax.sharding import make_mesh
from medjax.steps import make_predict_step


def make_step(run: FinishedRun, mesh: Mesh) -> Callable[[Batch], jax.Array]:
    """Return batch -> logits, float32 [B, K], as the run judged its own test split: corrected, and of as many views."""
    views = run.preprocessing.get("views") or {"count": 1, "seed": 0}
    step = make_predict_step(run.model, run.inputs, mesh, run.correction, views=views["count"], seed=views["seed"])
    return functools.partial(step, run.variables)


class Predictor:
    """Ask every member of an ensemble, or the one run, and average the probabilities.

    Attributes:
      batch_size: images at a time.
    """

    def __init__(self, members: Sequence[FinishedRun]):
        """Compile the members' steps when they are first used; their images are made in the same way."""
        mesh = make_mesh()
        self._steps = [make_step(run, mesh) for run in members]
        self.batch_size = -(-members[0].config.batch_size // mesh.size) * mesh.size

    def __call__(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Predict images.

        Args:
          images: 1 to `batch_size` of [H, W, C], as the runs' preprocessing makes them. Where views are averaged, each
            has those of the table's row 0, so that its answer does not depend on the other images.

        Returns:
          The networks' own probabilities, float64 [N, K].
        """
        padded = np.stack([*images, *[images[-1]] * (self.batch_size - len(images))])
        batch = bare_batch(padded)
        answers = [np.exp(log_probabilities(np.asarray(step(batch)))) for step in self._steps]
        return np.mean(answers, axis=0)[: len(images)]
