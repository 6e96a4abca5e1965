"""A trace of some training steps, for TensorBoard's profiler or Perfetto."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import jax

from medjax.terminal import log


class Profiler:
    """Writes a trace of the steps from the first to the last, both included, into the run's folder."""

    def __init__(self, workdir: pathlib.Path, steps: Sequence[int]):
        self._workdir = workdir
        self._first, self._last = steps if steps else (0, -1)
        self._running = False

    def before(self, step: int) -> None:
        """Say that a step is about to begin."""
        if not self._running and self._first <= step <= self._last:
            jax.profiler.start_trace(str(self._workdir))
            self._running = True
        elif self._running and step > self._last:
            self.stop()

    def __enter__(self) -> Profiler:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the trace, if one is being taken."""
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
            log.info(f"trace of the steps {self._first} to {self._last}: {self._workdir / 'plugins' / 'profile'}")
