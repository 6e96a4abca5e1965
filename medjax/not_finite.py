"""A loss or gradient that is no number any more: what is kept to look at, and how the run ends."""

from __future__ import annotations

import pathlib
from typing import Any, NoReturn

from medjax.checkpoint import Checkpoints
from medjax.errors import UserError
from medjax.experiment import Experiment
from medjax.json_file import write_json
from medjax.state import TrainState

_NAMED = 4  # image ids in the message; the file has all


def stop_in_training(workdir: pathlib.Path, experiment: Experiment, state: TrainState, progress: dict) -> NoReturn:
    """End a run at an update that could not be made.

    Writes not_finite/batch.json (step, learning rate, image ids) and not_finite/checkpoints: the state before it.

    Args:
      workdir: the run's folder.
      experiment: what the run trains.
      state: as `make_train_step` leaves it with on_nan="stop": that before the update.
      progress: the loop's own state, as JSON.

    Raises:
      UserError: always.
    """
    step = int(state.step)
    rate = float(experiment.learning_rate(step)) * float(state.lr_scale)
    image_ids = experiment.prepared.table.image_ids[experiment.order(step)].tolist()
    found: dict[str, Any] = {
        "step": step + 1,
        "epoch": step // experiment.steps_per_epoch + 1,
        "learning_rate": rate,
        "image_ids": image_ids,
    }
    folder = _keep(workdir, state, progress)
    write_json(folder / "batch.json", found)
    ids = ", ".join(image_ids[:_NAMED]) + (", …" if len(image_ids) > _NAMED else "")
    raise UserError(
        f"the loss or its gradient is not finite at step {step + 1} (epoch {found['epoch']}, learning rate {rate:.2g}, "
        f"images {ids}): training diverged. {folder} holds the state before that step and all image ids; "
        f"the checkpoints are untouched. {_ADVICE}, or leave such updates out with config.on_nan=skip."
    )


def stop_in_validation(workdir: pathlib.Path, state: TrainState, progress: dict, row: dict[str, Any]) -> NoReturn:
    """End a run whose epoch has no finite mean loss; writes not_finite/checkpoints: the state of its last step.

    Args:
      workdir: the run's folder.
      state: after the epoch.
      progress: the loop's own state, as JSON.
      row: the epoch's, for metrics.jsonl.

    Raises:
      UserError: always.
    """
    folder = _keep(workdir, state, progress)
    raise UserError(
        f"train_loss is {row['train_loss']} and val_loss is {row['val_loss']} at step {int(state.step)} (epoch "
        f"{row['epoch']}, learning rate {row['learning_rate']:.2g}): training diverged. {folder} holds the state; "
        f"the checkpoints are untouched. {_ADVICE}."
    )


_ADVICE = "Lower config.optimizer.learning_rate or set config.optimizer.clip_norm"


def _keep(workdir: pathlib.Path, state: TrainState, progress: dict) -> pathlib.Path:
    folder = workdir / "not_finite"
    with Checkpoints(folder / "checkpoints", "min") as kept:
        kept.save(state.replace(skipped=state.skipped * 0), progress)
    return folder
