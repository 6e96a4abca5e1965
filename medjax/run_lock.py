"""One process a run: a lock on the run's folder that the system drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import socket
from collections.abc import Iterator
from typing import BinaryIO

from medjax.errors import UserError
from medjax.pipeline.storage import disk_errors
from medjax.terminal import log

FILE = "run.lock"
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextlib.contextmanager
def held(workdir: pathlib.Path) -> Iterator[None]:
    """Keep other processes out of a run's folder while the block runs; a dead process's lock is taken over.

    run.lock says who holds it, by process id and host, and is empty when nobody does.

    Args:
      workdir: made when missing.

    Raises:
      UserError: a living process holds it, or the folder cannot be written.
    """
    file = workdir / FILE
    with contextlib.ExitStack() as stack:
        with disk_errors(file):
            workdir.mkdir(parents=True, exist_ok=True)
            opened = stack.enter_context(open(file, "a+b"))  # closing it drops the lock
        _lock(opened, workdir)
        with disk_errors(file):
            _write(opened, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}) + "\n")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                _write(opened, "")


def _lock(opened: BinaryIO, workdir: pathlib.Path) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        opened.seek(0)
        raise UserError(
            f"{workdir} is in use by {_holder(opened.read())}: wait for it or stop it, or use another --workdir."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        log.warning(f"the file system of {workdir} has no locks: see that no other process works on this run")


def _holder(content: bytes) -> str:
    try:
        holder = json.loads(content)
        return f"process {int(holder['pid'])} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"


def _write(opened: BinaryIO, text: str) -> None:
    opened.truncate(0)
    opened.write(text.encode())  # opened for appending: always at the end
    opened.flush()
