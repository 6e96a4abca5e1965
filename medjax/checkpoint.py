"""Checkpoints: the best and the latest, written in the background. The only file that imports orbax."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from medjax.state import TrainState, merge

# Orbax writes the absolute path of the folder into it; where folders can be renamed, it never reads it again.
_COMMIT = "commit_success.txt"


class Checkpoints:
    """The checkpoints of one run.

    A checkpoint holds `state` (the TrainState) and `progress` (a JSON object: the loop's own state). Orbax keeps
    exactly two: the best by the watched metric and the latest. A save is atomic: a killed run leaves no half of one.

    Args:
      folder: made when missing.
      mode: "min" or "max", for the watched metric.
    """

    def __init__(self, folder: pathlib.Path, mode: str):
        # Both `reverse` and `best_mode` are needed to minimise, and without `best_fn` the best step is the latest one.
        options = ocp.CheckpointManagerOptions(
            best_fn=lambda metrics: metrics["watched"],
            best_mode=mode,
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(1),
                    policies.BestN(
                        get_metric_fn=lambda metrics: metrics["watched"],
                        reverse=mode == "min",
                        n=1,
                        keep_checkpoints_without_metrics=False,
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
        )
        registry = ocp.DefaultCheckpointHandlerRegistry()
        # Weights do not compress: trying costs seconds a save and wins nothing.
        arrays = ocp.PyTreeCheckpointHandler(use_compression=False)
        registry.add("state", ocp.args.PyTreeSave, arrays)
        registry.add("state", ocp.args.PyTreeRestore, arrays)
        registry.add("progress", ocp.args.JsonSave, ocp.JsonCheckpointHandler())
        registry.add("progress", ocp.args.JsonRestore, ocp.JsonCheckpointHandler())
        self._folder = folder
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options, handler_registry=registry)

    def save(self, state: TrainState, progress: dict[str, Any], watched: float | None = None) -> None:
        """Save in the background. `watched` (finite) is given at the end of an epoch, not within one."""
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        args = ocp.args.Composite(state=ocp.args.PyTreeSave(state), progress=ocp.args.JsonSave(progress))
        self._manager.save(step, args=args, metrics=None if watched is None else {"watched": watched}, force=True)

    @property
    def latest_step(self) -> int | None:
        """Step of the latest checkpoint; None when there is none."""
        return self._manager.latest_step()

    @property
    def best_step(self) -> int | None:
        """Step of the best checkpoint; None when no epoch was finished."""
        self._manager.wait_until_finished()
        return self._manager.best_step()

    def restore(self, step: int, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """Return the state, with the shapes, dtypes and shardings of `like`, and the progress of that step."""
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
        restore_args = ocp.checkpoint_utils.construct_restore_args(abstract)
        restored = self._manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeRestore(abstract, restore_args=restore_args), progress=ocp.args.JsonRestore()
            ),
        )
        return restored["state"], restored["progress"]

    def restore_variables(self, step: int) -> dict[str, Any]:
        """Return the model's variables of that step as NumPy arrays, whatever it was trained on and with."""
        tree = self._manager.item_metadata(step)["state"].tree
        restore_args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        args = ocp.args.Composite(state=ocp.args.PyTreeRestore(restore_args=restore_args))
        state = self._manager.restore(step, args=args)["state"]
        return {"params": merge(state["params"], state["frozen"]), "batch_stats": state["batch_stats"]}

    def close(self) -> None:
        """Wait for the save that is under way and let go of the folder."""
        self._manager.close()
        for file in self._folder.rglob(_COMMIT):
            file.unlink(missing_ok=True)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
