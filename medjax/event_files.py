"""TensorBoard event files behind clu's interface, without TensorFlow.

`clu.metric_writers` imports TensorFlow for one class alone, its `SummaryWriter`. This module supplies that class on
tensorboardX's event files before clu is imported; all else of clu is used unchanged. The upstream change that would
make this unnecessary is https://github.com/google/CommonLoopUtils/pull/358. Import `metric_writers` and
`periodic_actions` from here: imported from clu first, they ask for TensorFlow.
"""

import os
import sys
import time
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging
from tensorboardX import summary as event_summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog


class SummaryWriter:
    """TensorBoard event files with clu's `MetricWriter` interface, without TensorFlow.

    It writes synchronously and flushes after every call: clu's `AsyncMultiWriter` supplies the background thread, and
    a killed run loses nothing. (tensorboardX's own `SummaryWriter.flush` returns before its queue is written.)
    """

    def __init__(self, logdir: str | os.PathLike[str], purge_step: int | None = None):
        """Open a new event file.

        Args:
            logdir: folder, made when missing.
            purge_step: readers hide what earlier event files of the folder hold at this step and later.
        """
        os.makedirs(logdir, exist_ok=True)
        # tensorboardX names a file by the second, so a quick restart would overwrite it. The suffix sorts by time,
        # because readers take files in the order of their names.
        suffix = f".{time.time_ns()}.v2"
        self._events = EventsWriter(os.path.join(logdir, "events"), suffix)
        if purge_step is not None:
            self._write(Event(step=purge_step, file_version="brain.Event:2"))
            self._write(Event(step=purge_step, session_log=SessionLog(status=SessionLog.START)))
        self.flush()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._events.write_event(event)

    def _write_all(self, step: int, summaries: list[Any]) -> None:
        for item in summaries:
            self._write(Event(step=int(step), summary=item))
        self.flush()

    def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
        """Write numbers; TensorBoard keeps them as float32."""
        self._write_all(step, [event_summary.scalar(key, float(value)) for key, value in scalars.items()])

    def write_images(self, step: int, images: Mapping[str, Any]) -> None:
        """Write [H, W, C] or [N, H, W, C] images: uint8, or floats in [0, 1], which are clipped to it."""
        summaries = []
        for key, value in images.items():
            batch = np.asarray(value)
            batch = batch[None] if batch.ndim == 3 else batch
            if batch.dtype != np.uint8:
                batch = np.round(np.clip(batch.astype(np.float64), 0, 1) * 255).astype(np.uint8)
            tags = [key] if len(batch) == 1 else [f"{key}/{i}" for i in range(len(batch))]
            summaries += [
                event_summary.image(tag, image, dataformats="HWC") for tag, image in zip(tags, batch, strict=True)
            ]
        self._write_all(step, summaries)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Write text, which TensorBoard renders as Markdown."""
        self._write_all(step, [event_summary.text(key, value) for key, value in texts.items()])

    def write_histograms(
        self, step: int, arrays: Mapping[str, Any], num_buckets: Mapping[str, int] | None = None
    ) -> None:
        """Write histograms of the finite values (30 buckets unless told); an array without any is left out."""
        summaries = []
        for key, value in arrays.items():
            values = np.asarray(value, dtype=np.float64).ravel()
            values = values[np.isfinite(values)]
            buckets = (num_buckets or {}).get(key) or 30
            if values.size:
                summaries.append(event_summary.histogram(key, values, bins=buckets))
        self._write_all(step, summaries)

    def write_hparams(self, hparams: Mapping[str, Any]) -> None:
        """Write hyper-parameters, nested or flat; values that are no bool, number or text are written as text."""
        flat = dict(_flatten(hparams))
        self._write_all(0, list(event_summary.hparams(flat, {})))

    def write_summaries(self, step: int, values: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
        """Warn once: raw tensors need TensorFlow's own writer."""
        logging.log_first_n(logging.WARNING, "raw summaries are not written without TensorFlow", 1)

    def write_videos(self, step: int, videos: Mapping[str, Any]) -> None:
        """Warn once, as clu's own writer does."""
        logging.log_first_n(logging.WARNING, "videos are not written to TensorBoard", 1)

    def write_audios(self, step: int, audios: Mapping[str, Any], *, sample_rate: int) -> None:
        """Warn once: nothing here has sound."""
        logging.log_first_n(logging.WARNING, "audio is not written to TensorBoard", 1)

    def flush(self) -> None:
        """Bring every event to the disk."""
        self._events.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self._events.close()


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value if isinstance(value, bool | int | float | str) else str(value)))
    return pairs


def _supply_summary_writer() -> None:
    """Put `SummaryWriter` where clu looks for it, unless clu has already loaded one."""
    name = "clu.metric_writers.summary_writer"
    if name not in sys.modules:
        module = types.ModuleType(name)
        module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
        sys.modules[name] = module


_supply_summary_writer()
from clu import metric_writers, periodic_actions  # noqa: E402  (needs the line above)

metric_writers.MetricWriter.register(SummaryWriter)

__all__ = ["SummaryWriter", "metric_writers", "periodic_actions"]
