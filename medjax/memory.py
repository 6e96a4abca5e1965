"""How the process keeps memory, and what it says when there is too little."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator

from ml_collections import ConfigDict

from medjax.errors import UserError

# <malloc.h> of glibc
_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8


def keep_freed_memory() -> None:
    """Let the C allocator keep what is freed, for the next step to use.

    XLA's CPU programs take their working memory anew in every step. glibc gives blocks that large back to the kernel at
    once, so each step begins with hundreds of thousands of page faults (ResNet-50 at 64 pixels, batch 32: 98,000, a
    fifth of the time). Call it before JAX starts; does nothing where the C library is not glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    for option, value in ((_M_MMAP_MAX, 0), (_M_ARENA_MAX, 1), (_M_TRIM_THRESHOLD, -1)):
        mallopt(option, value)


@contextlib.contextmanager
def explained(config: ConfigDict) -> Iterator[None]:
    """Turn a lack of memory, of the host or of the accelerator, into a UserError that says which settings to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # XLA's own error is a RuntimeError
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        where = (
            "the accelerator's memory or, on a CPU, the machine's" if isinstance(error, RuntimeError) else "the host's"
        )
        raise UserError(
            f"out of memory ({where}): lower config.batch_size={config.batch_size}, or raise config.accumulate="
            f"{config.accumulate} to train each batch in more parts, or lower config.data.image_size="
            f"{config.data.image_size}. What was saved is good; another setting needs another --workdir."
        ) from error
