"""SHA-256 of every file of a folder, kept inside it, so that a flipped bit is found before it is believed."""

from __future__ import annotations

import hashlib
import pathlib

from medjax.pipeline.storage import write_text

FILE = "SHA256SUMS"


def write_sums(folder: pathlib.Path, *, but: tuple[str, ...] = ()) -> None:
    """Write the hash of every file in a folder to its `FILE`; `sha256sum --check SHA256SUMS` reads it too.

    Args:
      folder: nothing in it changes any more.
      but: names of files that are left out, at any depth.

    Raises:
      UserError: the disk refuses.
    """
    lines = [f"{_hash(folder / name)}  {name}\n" for name in _names(folder, but)]
    write_text(folder / FILE, "".join(lines))


def damage(folder: pathlib.Path, *, but: tuple[str, ...] = ()) -> str | None:
    """Say how a folder differs from its hashes: which file, and what is wrong with it. None: it does not."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return f"{FILE} is missing"
    except (OSError, UnicodeDecodeError):
        return f"{FILE} cannot be read"
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = _names(folder, but)
    for name in sorted({*sums, *there}):
        if name not in there:
            return f"{name} is missing"
        if name not in sums:
            return f"{name} is not in {FILE}"
        if _hash(folder / name) != sums[name]:
            return f"{name} has another hash"
    return None


def _names(folder: pathlib.Path, but: tuple[str, ...]) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (FILE, *but))
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _hash(file: pathlib.Path) -> str:
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError:  # a medium that gives up in the middle is damage too
        return "unreadable"
