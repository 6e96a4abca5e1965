"""Checkpoints: the best and the latest, written in the background. The only file that imports orbax."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from medjax import integrity, processes
from medjax.errors import UserError
from medjax.pipeline.storage import check_space, disk_errors
from medjax.state import TrainState, merge
from medjax.terminal import log

# Written by orbax after the hashes, and not needed to restore: times, and the absolute path of the folder.
_LATE = ("_CHECKPOINT_METADATA", "commit_success.txt")
# Where orbax moves an old checkpoint, whole: deleted in its place, a killed run would leave half of it there.
_REMOVED = "removed"
_BESIDE_ARRAYS = 2**20  # bytes, about: what a checkpoint needs besides its arrays


def mode_of(metric: str) -> str:
    """Return how a watched metric is better: "min" for the validation loss, "max" for the accuracy."""
    return "min" if metric == "val_loss" else "max"


class Checkpoints:
    """The checkpoints of one run.

    A checkpoint holds `state` (the TrainState), `progress` (a JSON object: the loop's own state) and the SHA-256 of its
    files. Orbax keeps three at most: the best by the watched metric, the latest, and the one before that, for the case
    that the latest is damaged. A save is atomic: a killed run leaves no half of one.

    Args:
      folder: made when missing.
      mode: "min" or "max", for the watched metric.

    Raises:
      UserError: the disk refuses, here and in every method; a save's failure is told by the next method called.
    """

    def __init__(self, folder: pathlib.Path, mode: str):
        # Both `reverse` and `best_mode` are needed to minimise, and without `best_fn` the best step is the latest one.
        options = ocp.CheckpointManagerOptions(
            best_fn=lambda metrics: metrics["watched"],
            best_mode=mode,
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(2),
                    policies.BestN(
                        get_metric_fn=lambda metrics: metrics["watched"],
                        reverse=mode == "min",
                        n=1,
                        keep_checkpoints_without_metrics=False,
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
            todelete_subdir=_REMOVED,
            async_options=ocp.AsyncOptions(post_finalization_callback=self._write_sums),
        )
        registry = ocp.DefaultCheckpointHandlerRegistry()
        # Weights do not compress: trying costs seconds a save and wins nothing.
        arrays = ocp.PyTreeCheckpointHandler(use_compression=False)
        registry.add("state", ocp.args.PyTreeSave, arrays)
        registry.add("state", ocp.args.PyTreeRestore, arrays)
        registry.add("progress", ocp.args.JsonSave, ocp.JsonCheckpointHandler())
        registry.add("progress", ocp.args.JsonRestore, ocp.JsonCheckpointHandler())
        self.folder, self._saving = folder, -1
        with _disk_errors(folder):
            _tidy(folder)
            self._manager = ocp.CheckpointManager(folder.absolute(), options=options, handler_registry=registry)

    def save(self, state: TrainState, progress: dict[str, Any], watched: float | None = None) -> None:
        """Save in the background. `watched` (finite) is given at the end of an epoch, not within one."""
        step = int(state.step)
        if step in self._manager.all_steps():
            return
        args = ocp.args.Composite(state=ocp.args.PyTreeSave(state), progress=ocp.args.JsonSave(progress))
        metrics = None if watched is None else {"watched": watched}
        with _disk_errors(self.folder):
            self._manager.wait_until_finished()
            check_space(self.folder, sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + _BESIDE_ARRAYS)
            self._saving = step
            self._manager.save(step, args=args, metrics=metrics, force=True)

    def _write_sums(self) -> None:
        """Hash what was saved, after its last byte and before orbax gives the folder its name."""
        if processes.leads():
            (unnamed,) = self.folder.glob(f"{self._saving}{ocp.utils.TMP_DIR_SUFFIX}*")
            integrity.write_sums(unnamed, but=_LATE)
            shutil.rmtree(self.folder / _REMOVED, ignore_errors=True)

    @property
    def latest_step(self) -> int | None:
        """Step of the latest checkpoint; None when there is none."""
        return self._manager.latest_step()

    @property
    def best_step(self) -> int | None:
        """Step of the best checkpoint; None when no epoch was finished."""
        with _disk_errors(self.folder):
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
        with _disk_errors(self.folder):
            try:
                self._manager.close()
            finally:
                _tidy(self.folder)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def drop_damaged(folder: pathlib.Path) -> None:
    """Check every checkpoint of a run that goes on; remove a damaged one and, with it, what was saved later.

    The run goes on from before the damage and makes the same checkpoints again: without its best one, it would end in
    another result.

    Raises:
      UserError: none is left.
    """
    steps = _steps(folder)
    found = [(step, harm) for step in steps if (harm := integrity.damage(folder / str(step), but=_LATE))]
    if not found:
        return
    first, told = found[0][0], "; ".join(f"checkpoint {step}: {harm}" for step, harm in found)
    if first == steps[0]:
        raise UserError(
            f"{folder} is damaged and holds no whole checkpoint from before ({told}): restore it from a copy, or "
            "delete it to begin the run again."
        )
    log.warning(f"{folder} is damaged ({told}): going on from the checkpoint before")
    for step in reversed(steps[steps.index(first) :]):  # the damage last: killed here, a run must find it again
        shutil.rmtree(folder / str(step))


def check_whole(folder: pathlib.Path) -> None:
    """Check every checkpoint of a run that is only read; where none has hashes, as in older runs, all are believed.

    Raises:
      UserError: one is damaged.
    """
    if not any((folder / str(step) / integrity.FILE).exists() for step in _steps(folder)):
        return
    for step in _steps(folder):
        if harm := integrity.damage(folder / str(step), but=_LATE):
            raise UserError(
                f"{folder}: checkpoint {step} is damaged ({harm}): restore it from a copy, or start the run's command "
                "again, which goes on from the checkpoint before."
            )


def _steps(folder: pathlib.Path) -> list[int]:
    return sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())


def _tidy(folder: pathlib.Path) -> None:
    shutil.rmtree(folder / _REMOVED, ignore_errors=True)
    for step in _steps(folder):
        for name in _LATE:
            for file in (folder / str(step)).rglob(name):
                file.unlink(missing_ok=True)


@contextlib.contextmanager
def _disk_errors(folder: pathlib.Path) -> Iterator[None]:
    """Turn what the disk refuses into a UserError; tensorstore tells the system's error number in its message."""
    with disk_errors(folder):
        try:
            yield
        except ValueError as error:
            code = re.search(r"os_error_code='(\d+)'", str(error))
            if not code:
                raise
            raise OSError(int(code[1]), os.strerror(int(code[1]))) from error
