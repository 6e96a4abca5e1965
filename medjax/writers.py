"""Metrics out: metrics.jsonl and timing.jsonl, TensorBoard and the log.

`metrics.jsonl` is the truth: float64, no wall-clock values, so that two runs can be compared byte by byte. TensorBoard
(float32) and the log are written from the same numbers through clu's writers.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medjax.event_files import SummaryWriter, metric_writers
from medjax.jsonl import append_row, cut_rows, read_rows

__all__ = ["Writers", "append_row", "cut_rows", "read_rows"]

DEMO_TEXT = "DEMO: trained and tested on synthetic images. Not a result."


class Writers:
    """All metric outputs of a run: metrics.jsonl, timing.jsonl, TensorBoard and the log."""

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
        self.clu.write_scalars(int(step), {key: float(value) for key, value in scalars.items()})

    def write_timing(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Write one row to timing.jsonl, and its numbers to TensorBoard and the log under "timing/"."""
        append_row(self._workdir / "timing.jsonl", {"step": int(step), **scalars})
        self.clu.write_scalars(int(step), {f"timing/{key}": float(value) for key, value in scalars.items()})

    def close(self) -> None:
        """Write what is still waiting and close the files; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.clu.close()

    def __enter__(self) -> "Writers":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
