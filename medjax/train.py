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
from medjax import memory, not_finite, preemption, processes, terminal
from medjax.checkpoint import Checkpoints, drop_damaged, mode_of
from medjax.costs import peak_memory_bytes, write_costs
from medjax.early_stopping import Patience
from medjax.evaluation.settings import Settings
from medjax.evaluation.summary import summary_table
from medjax.experiment import Experiment
from medjax.inference.predictions import collect, loss_and_accuracy
from medjax.judge import judge
from medjax.preemption import StopRequest
from medjax.preparation import announce, prepare
from medjax.profiling import Profiler
from medjax.progress import Progress
from medjax.run_folder import entered
from medjax.state import TrainState
from medjax.terminal import log
from medjax.writers import Writers, write_figures


@dataclasses.dataclass(frozen=True)
class Session:
    """What the loop works with, besides the state and the progress that it changes."""

    config: ConfigDict
    experiment: Experiment
    checkpoints: Checkpoints
    writers: Writers
    request: StopRequest
    profiler: Profiler
    bar: tqdm


def train_and_evaluate(config: ConfigDict, workdir: pathlib.Path, *, images: bool = True) -> dict[str, Any]:
    """Run a resolved config to its end in `workdir`, going on where an earlier run of it stopped.

    Args:
      config: resolved.
      workdir: the run's folder, made when missing.
      images: show pictures in the report and the audit.

    Returns:
      What evaluation.json holds.

    Raises:
      UserError: bad input, a folder of another run or in use, a loss that is no number any more, too little memory or
        disk. The last checkpoint stays good.
      preemption.Stopped: SIGTERM or Ctrl-C asked for it, and the state is saved.
    """
    settings = configuration.settings(config)
    terminal.mark_demo(settings["demo"])
    experiments.check(config)
    with memory.explained(config), entered(workdir, settings) as own:
        log.info(f"run folder: {workdir}")
        return _run(config, own, workdir / "checkpoints", images)


def _run(config: ConfigDict, workdir: pathlib.Path, saved: pathlib.Path, images: bool) -> dict[str, Any]:
    """Train, then judge the best checkpoint; `workdir` is this process's folder, `saved` that of all checkpoints."""
    prepared = prepare(config, workdir, images=images)
    splits = {name: rows.tolist() for name, rows in prepared.splits.items()}
    processes.check_same("the images and splits", f"{prepared.table.content_hash} {splits}")
    announce(prepared)
    experiment = experiments.build(config, prepared, workdir)
    best, state = _train(config, experiment, workdir, saved)
    write_costs(config, experiment, workdir, state, saved)
    evaluation = judge(
        experiment,
        workdir,
        state.variables,
        step=best,
        batch_size=config.batch_size,
        settings=Settings.of(config.evaluation),
        images=images,
    )
    write_figures(workdir, best)
    print(summary_table(evaluation))
    print(f"report: {workdir / 'report.html'}")
    return evaluation


def _train(
    config: ConfigDict, experiment: Experiment, workdir: pathlib.Path, saved: pathlib.Path
) -> tuple[int, TrainState]:
    """Train from the latest checkpoint to the end; return step and state of the best one."""
    mode = mode_of(config.early_stopping.metric)
    if processes.leads():
        drop_damaged(saved)
    processes.wait_for_all("the checkpoints are whole")
    with preemption.deferred(processes.largest) as request, Checkpoints(saved, mode) as checkpoints:
        state, progress = _restore(config, experiment, checkpoints, mode)
        size, steps = config.batch_size, config.max_epochs * experiment.steps_per_epoch
        with (
            Writers(workdir, restored_step=progress.step or None, demo=experiment.prepared.table.synthetic) as writers,
            Profiler(workdir, config.profile_steps) as profiler,
            terminal.progress_bar(steps * size, progress.step * size, config.name, " images") as bar,
        ):
            fit(Session(config, experiment, checkpoints, writers, request, profiler, bar), state, progress)
        best = checkpoints.best_step
        assert best is not None, "an epoch has ended, so there is a best one"
        state, _ = checkpoints.restore(best, like=experiment.state)
        if request.agreed():  # since the last epoch was saved
            request.stop(progress.step)
    return best, state


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


def fit(session: Session, state: TrainState, progress: Progress) -> None:
    """Train until the last epoch or until early stopping; the results are the checkpoints and the metrics."""
    config, checkpoints = session.config, session.checkpoints
    last_step = config.max_epochs * session.experiment.steps_per_epoch
    # Do not change the order of operations: a resumed run relies on it.
    while progress.step < last_step and not progress.stopping.exhausted:
        began, first_step = time.monotonic(), progress.step
        state = _train_epoch(session, state, progress)
        seconds = time.monotonic() - began
        row = _validate(session, state, progress)
        if not (math.isfinite(row["train_loss"]) and math.isfinite(row["val_loss"])):
            not_finite.stop_in_validation(checkpoints.folder.parent, state, progress.to_json(), row)
        state = _decide(config, state, progress, row)
        session.writers.write(progress.step, row)
        speed = (progress.step - first_step) * config.batch_size / seconds
        timing = {"seconds": seconds, "images_per_second": speed, "peak_memory_bytes": peak_memory_bytes()}
        session.writers.write_timing(progress.step, {"epoch": row["epoch"], **timing})
        checkpoints.save(state, progress.to_json(), row[config.early_stopping.metric])
        log.info(_line(config, row, speed, progress))
        if progress.stopping.exhausted:
            log.info(f"early stopping: no better {config.early_stopping.metric} in {progress.stopping.patience} epochs")
        if session.request.agreed():
            session.request.stop(progress.step)


def _train_epoch(session: Session, state: TrainState, progress: Progress) -> TrainState:
    """Train to the end of the epoch that `progress` is in; save every `checkpoint.every_minutes` and to stop if asked.

    A request in the last step of an epoch waits until that is validated: a save there could not be the best one.
    """
    config, experiment = session.config, session.experiment
    sums, saved = None, time.monotonic()
    left = experiment.steps_per_epoch - progress.step % experiment.steps_per_epoch
    order = map(experiment.order, range(progress.step, progress.step + left))
    with contextlib.closing(experiment.examples.ahead(order)) as batches:
        for batch in batches:
            session.profiler.before(progress.step)
            state, next_sums = experiment.train_step(state, batch)
            # Of the step before this one, so that the device never waits for the host.
            _add(session, state, progress, sums)
            sums, progress.step = next_sums, progress.step + 1
            _show(session, progress)
            asked = session.request.agreed(due=time.monotonic() - saved > 60 * config.checkpoint.every_minutes)
            if (asked or session.request.due) and progress.step % experiment.steps_per_epoch:
                _add(session, state, progress, sums)
                session.checkpoints.save(state, progress.to_json())
                sums, saved = None, time.monotonic()
                if session.bar.disable:
                    log.info(f"step {progress.step}  train loss {progress.means()['loss']:.4f}  saved")
                if asked:
                    session.request.stop(progress.step)
    _add(session, state, progress, sums)
    return state


def _show(session: Session, progress: Progress) -> None:
    session.bar.update(session.config.batch_size)
    if progress.sums:
        session.bar.set_postfix(progress.means(), refresh=False)


def _add(session: Session, state: TrainState, progress: Progress, sums: dict[str, jax.Array] | None) -> None:
    """Add a step's sums to the epoch's; stop at an update that was not finite, where that is the rule."""
    progress.add(sums)
    if session.config.on_nan == "stop" and progress.sums.get("skipped"):
        folder = session.checkpoints.folder.parent
        not_finite.stop_in_training(folder, session.experiment, state, progress.to_json())


def _validate(session: Session, state: TrainState, progress: Progress) -> dict[str, Any]:
    """Return the epoch's row of metrics.jsonl."""
    config, experiment = session.config, session.experiment
    val = experiment.prepared.splits["val"]
    predict = functools.partial(experiment.val_logits, state.variables)
    logits = collect(predict, experiment.examples, val, config.batch_size)
    val_loss, val_accuracy = loss_and_accuracy(logits, experiment.prepared.table.labels[val])
    means = progress.means()
    updates = progress.step - int(state.skipped)
    row = {
        "epoch": progress.step // experiment.steps_per_epoch,
        "train_loss": means["loss"],
        "train_accuracy": means["accuracy"],
        "learning_rate": float(experiment.learning_rate(max(updates - 1, 0))) * float(state.lr_scale),
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
    }
    return row | ({"skipped_updates": int(progress.sums["skipped"])} if config.on_nan == "skip" else {})


def _decide(config: ConfigDict, state: TrainState, progress: Progress, row: dict[str, Any]) -> TrainState:
    """Bring early stopping and the plateau up to date and begin a new epoch."""
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
        f"lr {row['learning_rate']:.1e}  {speed:,.0f} images/s"
        + (f"  {row['skipped_updates']} updates skipped" if row.get("skipped_updates") else "")
        + (" *" if progress.stopping.bad_updates == 0 else "")
    )
