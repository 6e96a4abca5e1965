"""Compiled programs, kept between runs."""

import hashlib
import os
import pathlib
import platform

import jax

from medjax.models.weights import default_cache_dir

_LARGEST_BYTES = 4 * 2**30  # of all kept programs; the least recently used go first


def keep_compiled() -> None:
    """Keep compiled programs in the user's cache, so that the next start of the same experiment need not compile.

    JAX names them by the program, the options and the versions; the processor is added here, since a home folder may be
    shared by machines that differ. A lock lets several processes use the folder at once. Where JAX was given a folder
    (JAX_COMPILATION_CACHE_DIR), or where none can be made, nothing is changed.
    """
    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    try:
        folder = default_cache_dir() / "compiled" / _processor()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # a home that is read-only, or none at all
        return
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_max_size", _LARGEST_BYTES)
    jax.config.update("jax_compilation_cache_dir", str(folder))


def _processor() -> str:
    """Sixteen hexadecimal digits that stand for the processor and what it can do."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        kept = sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
    except OSError:
        kept = [platform.machine(), platform.processor()]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]
