"""Being asked to stop: by a scheduler that wants the machine back (SIGTERM), or by Ctrl-C (SIGINT)."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

# EX_TEMPFAIL of <sysexits.h>: launchers start the same command again.
REQUEUE = 75
# What shells call the end of a program by Ctrl-C: 128 + SIGINT.
INTERRUPTED = 130

_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}


class Stopped(BaseException):
    """The process ends because it was asked to. No error, so nothing that catches errors may catch it.

    Args:
      signum: SIGTERM or SIGINT.
      saved_step: of the checkpoint that was saved for it; None where there was nothing to save.
    """

    def __init__(self, signum: int, saved_step: int | None = None):
        by = f"stopped by {_NAMES[signal.Signals(signum)]}"
        if saved_step is None:  # also of medjax.predict and its like, which begin again
            super().__init__(f"{by}; give the same command again.")
        else:
            super().__init__(f"{by}, saved at step {saved_step}; the same command goes on where this one stopped.")
        self.status = REQUEUE if signum == signal.SIGTERM else INTERRUPTED


def _alone(*numbers: int) -> list[int]:
    return list(numbers)


class StopRequest:
    """Whether this process was asked to stop, and by which signal (None: it was not).

    Args:
      largest: of each number, the largest over all processes that train together.

    Attributes:
      due: whether a save is due, as of the last `agreed`.
    """

    def __init__(self, largest: Callable[..., list[int]] = _alone) -> None:
        self.signal: int | None = None
        self.due = False
        self._largest = largest

    def agreed(self, due: bool = False) -> bool:
        """Return whether to save and stop now. Asked once after each step and once after each epoch.

        The one place where processes that train together agree on the step to stop at, or to save at where a save is
        `due`: what one of them asks for, all of them do.
        """
        asked, saving = self._largest(self.signal or 0, int(due))
        self.signal, self.due = asked or None, bool(saving)
        return self.signal is not None

    def stop(self, saved_step: int) -> None:
        """End the run, its checkpoint saved; raises Stopped."""
        assert self.signal is not None, "stop() follows agreed()"
        raise Stopped(self.signal, saved_step)


@contextlib.contextmanager
def deferred(largest: Callable[..., list[int]] = _alone) -> Iterator[StopRequest]:
    """Turn SIGTERM and the first Ctrl-C into a request that the loop inside grants; a second Ctrl-C kills at once.

    Signals that the process ignores stay ignored, and off the main thread nothing changes: Python takes signals there.
    """
    request = StopRequest(largest)

    def note(signum: int, _: FrameType | None) -> None:
        request.signal = request.signal or signum
        # The system's own handling of the next one: it ends the process in the middle of compiled code too. A
        # checkpoint is whole or not there, so there is nothing to tidy up.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        with contextlib.suppress(OSError):  # not print: the signal may have come in the middle of one
            os.write(2, f"\n{_NAMES[signal.Signals(signum)]}: saving, then stopping; Ctrl-C stops now.\n".encode())

    with _handlers(dict.fromkeys(_NAMES, note)):
        yield request


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end what is inside as an exception does, so that files are closed and the status is `REQUEUE`."""

    def stop(signum: int, _: FrameType | None) -> None:
        raise Stopped(signum)

    with _handlers({signal.SIGTERM: stop}):
        yield


@contextlib.contextmanager
def _handlers(wanted: dict) -> Iterator[None]:
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in wanted}
    for number in [number for number, handler in before.items() if handler is not signal.SIG_IGN]:
        signal.signal(number, wanted[number])
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
