"""Files that are whole or not there: locks between processes, atomic writing, one clear error when the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medjax.errors import UserError

log = logging.getLogger("medjax")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`, which is created and never removed; waits for another process, aloud.

    The system drops the lock when its process dies, however it dies.
    """
    with contextlib.ExitStack() as stack:
        with disk_errors(path):
            file = stack.enter_context(open(path, "ab"))  # closing it drops the lock
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("another process is preparing %s; waiting for it", path.stem)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that it is either the old one or the whole new one, after a crash too."""
    with disk_errors(path):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name + ".")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o666 & ~_umask())  # mkstemp makes it private
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full, read-only, forbidden or missing place into a UserError that names it and says what to do."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "free some space or choose another folder" if full else "choose a folder that can be written"
        raise UserError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def check_space(folder: Path, needed: int) -> None:
    """Raise OSError (ENOSPC) if fewer than `needed` bytes are free where `folder` lies: better now than half-way."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        unit, size = ("GiB", 2**30) if needed >= 2**30 else ("MiB", 2**20)
        message = f"{needed / size:.1f} {unit} are needed and {free / size:.1f} {unit} are free"
        raise OSError(errno.ENOSPC, message)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
