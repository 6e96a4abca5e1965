"""The loop: train, validate, decide, save; then judge the best checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import pathlib
import time
from typing import Any

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from medjax import config as configuration
from medjax import experiment as experiments
from medjax import terminal
from medjax.checkpoint import Checkpoints
from medjax.early_stopping import Patience
from medjax.errors import UserError
from medjax.evaluation.summary import summary_table
from medjax.experiment import Experiment
from medjax.inference.predictions import collect, loss_and_accuracy
from medjax.judge import judge
from medjax.preparation import announce, prepare
from medjax.run_folder import open_run
from medjax.state import TrainState
from medjax.terminal import log
from medjax.writers import Writers


@dataclasses.dataclass
class Progress:
    """The loop's own state, saved with every checkpoint.

    Attributes:
      step: optimizer steps taken.
      stopping: early stopping on the watched metric.
      plateau: for the "plateau" schedule.
      sums: "loss", "correct" and "count" over the epoch so far.
    """

    step: int
    stopping: Patience
    plateau: Patience
    sums: dict[str, float]

    def add(self, sums: dict[str, jax.Array] | None) -> None:
        """Add a step's sums; reading them waits for that step."""
        for name, value in (sums or {}).items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)

    def means(self) -> dict[str, float]:
        """Loss and accuracy over the epoch so far."""
        return {"loss": self.sums["loss"] / self.sums["count"], "accuracy": self.sums["correct"] / self.sums["count"]}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; floats survive exactly."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> Progress:
        """Rebuild what `to_json` wrote."""
        return cls(saved["step"], Patience(**saved["stopping"]), Patience(**saved["plateau"]), saved["sums"])


def train_and_evaluate(config: ConfigDict, workdir: pathlib.Path, *, images: bool = True) -> dict[str, Any]:
    """Run a resolved config to its end in `workdir`, going on where an earlier run of it stopped.

    Args:
      config: resolved.
      workdir: the run's folder, made when missing.
      images: show pictures in the report and the audit.

    Returns:
      What evaluation.json holds.

    Raises:
      UserError: bad input, a folder of another run, or a loss that is no number any more.
    """
    settings = configuration.settings(config)
    terminal.mark_demo(settings["demo"])
    experiments.check(config)
    open_run(workdir, settings)
    log.info(f"run folder: {workdir}")
    prepared = prepare(config, workdir, images=images)
    announce(prepared)
    experiment = experiments.build(config, prepared, workdir)
    mode = "min" if config.early_stopping.metric == "val_loss" else "max"
    with Checkpoints(workdir / "checkpoints", mode) as checkpoints:
        state, progress = _restore(config, experiment, checkpoints, mode)
        with Writers(workdir, restored_step=progress.step or None, demo=settings["demo"]) as writers:
            fit(config, experiment, checkpoints, writers, state, progress)
        best = checkpoints.best_step
        assert best is not None, "an epoch has ended, so there is a best one"
        state, _ = checkpoints.restore(best, like=experiment.state)
    evaluation = judge(experiment, workdir, state.variables, step=best, batch_size=config.batch_size, images=images)
    print(summary_table(evaluation))
    print(f"report: {workdir / 'report.html'}")
    return evaluation


def _restore(
    config: ConfigDict, experiment: Experiment, checkpoints: Checkpoints, mode: str
) -> tuple[TrainState, Progress]:
    """Return the latest checkpoint, or the beginning."""
    latest = checkpoints.latest_step
    if latest is None:
        stopping = Patience(mode, config.early_stopping.patience_epochs, config.early_stopping.min_delta)
        plateau = Patience(mode, config.schedule.patience_epochs if config.schedule.name == "plateau" else 0)
        return experiment.state, Progress(0, stopping, plateau, {})
    state, saved = checkpoints.restore(latest, like=experiment.state)
    progress = Progress.from_json(saved)
    finished = progress.stopping.exhausted or latest >= config.max_epochs * experiment.steps_per_epoch
    log.info(f"finished at step {latest}: evaluating it again" if finished else f"going on from step {latest}")
    return state, progress


def fit(
    config: ConfigDict,
    experiment: Experiment,
    checkpoints: Checkpoints,
    writers: Writers,
    state: TrainState,
    progress: Progress,
) -> None:
    """Train until the last epoch or until early stopping; the results are the checkpoints and the metrics."""
    per_epoch, batch_size = experiment.steps_per_epoch, config.batch_size
    last_step = config.max_epochs * per_epoch
    with terminal.progress_bar(last_step * batch_size, progress.step * batch_size, config.name, " images") as bar:
        # Do not change the order of operations: a resumed run relies on it.
        while progress.step < last_step and not progress.stopping.exhausted:
            began, first_step = time.monotonic(), progress.step
            state = _train_epoch(config, experiment, checkpoints, state, progress, bar)
            seconds = time.monotonic() - began
            row = _validate(config, experiment, state, progress)
            state = _decide(config, state, progress, row)
            writers.write(progress.step, row)
            speed = (progress.step - first_step) * batch_size / seconds
            writers.write_timing(progress.step, {"epoch": row["epoch"], "seconds": seconds, "images_per_second": speed})
            checkpoints.save(state, progress.to_json(), row[config.early_stopping.metric])
            log.info(_line(config, row, speed, progress))
    if progress.stopping.exhausted:
        log.info(f"early stopping: no better {config.early_stopping.metric} in {progress.stopping.patience} epochs")


def _train_epoch(
    config: ConfigDict,
    experiment: Experiment,
    checkpoints: Checkpoints,
    state: TrainState,
    progress: Progress,
    bar: tqdm,
) -> TrainState:
    """Train to the end of the epoch that `progress` is in; save every `checkpoint.every_minutes`."""
    sums, saved = None, time.monotonic()
    left = experiment.steps_per_epoch - progress.step % experiment.steps_per_epoch
    order = map(experiment.order, range(progress.step, progress.step + left))
    with contextlib.closing(experiment.examples.ahead(order)) as batches:
        for batch in batches:
            state, next_sums = experiment.train_step(state, batch)
            progress.add(sums)  # of the step before this one, so that the device never waits for the host
            sums, progress.step = next_sums, progress.step + 1
            bar.update(config.batch_size)
            if progress.sums:
                bar.set_postfix(progress.means(), refresh=False)
            unsaved = time.monotonic() - saved > 60 * config.checkpoint.every_minutes
            if unsaved and progress.step % experiment.steps_per_epoch:
                progress.add(sums)
                checkpoints.save(state, progress.to_json())
                sums, saved = None, time.monotonic()
    progress.add(sums)
    return state


def _validate(config: ConfigDict, experiment: Experiment, state: TrainState, progress: Progress) -> dict[str, Any]:
    """Return the epoch's row of metrics.jsonl."""
    val = experiment.prepared.splits["val"]
    logits = collect(
        functools.partial(experiment.val_logits, state.variables), experiment.examples, val, config.batch_size
    )
    val_loss, val_accuracy = loss_and_accuracy(logits, experiment.prepared.table.labels[val])
    means = progress.means()
    return {
        "epoch": progress.step // experiment.steps_per_epoch,
        "train_loss": means["loss"],
        "train_accuracy": means["accuracy"],
        "learning_rate": float(experiment.learning_rate(progress.step - 1)) * float(state.lr_scale),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
    }


def _decide(config: ConfigDict, state: TrainState, progress: Progress, row: dict[str, Any]) -> TrainState:
    """Bring early stopping and the plateau up to date and begin a new epoch.

    Raises:
      UserError: a loss is NaN or infinite. Nothing has been saved since, so the best checkpoint is untouched.
    """
    for name in ("train_loss", "val_loss"):
        if not math.isfinite(row[name]):
            raise UserError(
                f"{name} is {row[name]} at step {progress.step} (epoch {row['epoch']}): training diverged. The best "
                "checkpoint is untouched; lower config.optimizer.learning_rate or set config.optimizer.clip_norm."
            )
    watched = row[config.early_stopping.metric]
    progress.stopping = progress.stopping.update(watched)
    progress.plateau = progress.plateau.update(watched)
    progress.sums = {}
    if progress.plateau.exhausted:
        progress.plateau = progress.plateau.renewed()
        return state.replace(lr_scale=state.lr_scale * config.schedule.decay_factor)
    return state


def _line(config: ConfigDict, row: dict[str, Any], speed: float, progress: Progress) -> str:
    """One line a person reads at the end of an epoch; * marks the best so far."""
    return (
        f"epoch {row['epoch']:3d}/{config.max_epochs}  train loss {row['train_loss']:.4f} accuracy "
        f"{row['train_accuracy']:.3f}  val loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.3f}  "
        f"lr {row['learning_rate']:.1e}  {speed:,.0f} images/s{' *' if progress.stopping.bad_updates == 0 else ''}"
    )
