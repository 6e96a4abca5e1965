"""Metrics out: metrics.jsonl and timing.jsonl, TensorBoard and the log.

`metrics.jsonl` is the truth: float64, no wall-clock values, so that two runs can be compared byte by byte. TensorBoard
(float32) and the log are written from the same numbers through clu's writers.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medjax.event_files import SummaryWriter, metric_writers
from medjax.jsonl import append_row, cut_rows, read_rows
from medjax.pipeline.storage import disk_errors

__all__ = ["Writers", "append_row", "cut_rows", "read_rows"]

DEMO_TEXT = "DEMO: trained and tested on synthetic images. Not a result."


def write_figures(workdir: str | os.PathLike[str], step: int) -> None:
    """Show the figures of a judged run in TensorBoard too. Args: workdir holds figures/; step, of the checkpoint."""
    files = sorted((Path(workdir) / "figures").glob("*.png"))
    images = {f"figures/{file.stem}": np.asarray(Image.open(file).convert("RGB")) for file in files}
    with disk_errors(Path(workdir)), contextlib.closing(SummaryWriter(workdir)) as tensorboard:
        tensorboard.write_images(step, images)


class Writers:
    """All metric outputs of a run: metrics.jsonl, timing.jsonl, TensorBoard and the log.

    Each method raises UserError where the disk refuses; for TensorBoard, written in the background, the next one does.
    """

    def __init__(self, workdir: str | os.PathLike[str], *, restored_step: int | None, demo: bool = False):
        """Open the outputs and drop what an interrupted run wrote past its last checkpoint.

        Args:
            workdir: the run's folder, made when missing.
            restored_step: step of the restored checkpoint: later rows are dropped, in TensorBoard too. None when
                nothing was restored: every earlier row is dropped.
            demo: every metrics row gets "demo": true, and every log line and TensorBoard say DEMO.
        """
        self._workdir = Path(workdir)
        self._workdir.mkdir(parents=True, exist_ok=True)
        self._demo = demo
        last_step = -1 if restored_step is None else restored_step
        for name in ("metrics.jsonl", "timing.jsonl"):
            cut_rows(self._workdir / name, last_step)
        resumed = any(self._workdir.glob("events.out.tfevents.*"))
        with disk_errors(self._workdir):
            tensorboard = SummaryWriter(self._workdir, purge_step=last_step + 1 if resumed else None)
        log = metric_writers.LoggingWriter("DEMO" if demo else None)
        self.clu = metric_writers.AsyncMultiWriter([tensorboard, log])
        self._closed = False
        if demo and restored_step is None:
            self.clu.write_texts(0, {"DEMO": DEMO_TEXT})

    def write(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Write one row to metrics.jsonl, and its numbers to TensorBoard and the log. No wall-clock values here."""
        row = {"step": int(step), **scalars} | ({"demo": True} if self._demo else {})
        append_row(self._workdir / "metrics.jsonl", row)
        with self._background_errors():
            self.clu.write_scalars(int(step), {key: float(value) for key, value in scalars.items()})

    def write_timing(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Write one row to timing.jsonl, and its numbers to TensorBoard and the log under "timing/"."""
        append_row(self._workdir / "timing.jsonl", {"step": int(step), **scalars})
        with self._background_errors():
            self.clu.write_scalars(int(step), {f"timing/{key}": float(value) for key, value in scalars.items()})

    def close(self) -> None:
        """Write what is still waiting and close the files; a second call does nothing."""
        if not self._closed:
            self._closed = True
            with self._background_errors():
                self.clu.close()

    @contextlib.contextmanager
    def _background_errors(self) -> Iterator[None]:
        """Turn what the disk refused in clu's thread into a UserError; clu hides it behind errors of its own."""
        with disk_errors(self._workdir):
            try:
                yield
            except Exception as error:
                cause: BaseException | None = error
                while cause is not None and not isinstance(cause, OSError):
                    cause = cause.__cause__ or cause.__context__
                raise cause or error from error

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
