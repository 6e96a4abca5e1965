"""How far a long task is: a bar on a terminal, a few log lines elsewhere, nothing when not wanted."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

from medjax.counted import counted

log = logging.getLogger("medjax")

# Off a terminal, a task shorter than this says only that it is done.
_QUIET_SECONDS = 2.0


@contextlib.contextmanager
def progress(label: str, total: int, *, show: bool) -> Iterator[Callable[[int], object]]:
    """Show progress while the block runs.

    Args:
      label: what is being done.
      total: how many images.
      show: False for silence.

    Yields:
      A function to be called with the number of images done since its last call.
    """
    if not show:
        yield lambda count: None
    elif sys.stderr.isatty():
        with tqdm(desc=label, total=total, unit="image", dynamic_ncols=True, smoothing=0.1) as bar:
            yield bar.update
    else:
        lines = _Lines(label, total)
        yield lines.update
        lines.finish()


class _Lines:
    """A line a quarter of the way, and one at the end."""

    def __init__(self, label: str, total: int):
        self._label, self._total = label, total
        self._done, self._quarter, self._start = 0, 0, time.monotonic()

    def update(self, count: int) -> None:
        self._done += count
        quarter = 4 * self._done // max(1, self._total)
        if quarter > self._quarter and self._done < self._total and time.monotonic() - self._start > _QUIET_SECONDS:
            log.info("%s: %s of %s images", self._label, f"{self._done:,}", f"{self._total:,}")
            self._quarter = quarter

    def finish(self) -> None:
        log.info("%s: %s in %.1f s", self._label, counted(self._done, "image"), time.monotonic() - self._start)
