"""What copies a table holds, searched once and kept beside it."""

from __future__ import annotations

import dataclasses
import io
import logging
from pathlib import Path

import numpy as np

from medjax.counted import counted
from medjax.errors import UserError
from medjax.pipeline.duplicates import Duplicates, find_duplicates
from medjax.pipeline.storage import write_bytes
from medjax.pipeline.table import ImageTable

log = logging.getLogger("medjax")

VERSION = 1  # raise it when the search finds other copies
_FILE = "duplicates.npz"


def duplicates_of(table: ImageTable) -> Duplicates:
    """Return the copies in a table; read from the table's folder when they were searched before.

    A table that is not on disk, or whose folder cannot be written, is searched each time.
    """
    folder = _folder(table)
    known = _read(folder / _FILE, table) if folder else None
    if known is not None:
        return known
    log.info("searching %s of %s for copies", counted(len(table), "image"), table.name)
    found = find_duplicates(table.images)
    if folder:
        try:
            write_bytes(folder / _FILE, _as_bytes(found, table))
        except UserError as error:
            log.warning("%s; the search for copies is repeated in every run", error)
    return found


def _folder(table: ImageTable) -> Path | None:
    file = getattr(table.images, "filename", None)  # only of a memory map
    return Path(file).parent if file else None


def _as_bytes(found: Duplicates, table: ImageTable) -> bytes:
    file = io.BytesIO()
    arrays = {field.name: getattr(found, field.name) for field in dataclasses.fields(Duplicates)}
    np.savez_compressed(file, version=VERSION, content_hash=table.content_hash, **arrays)
    return file.getvalue()


def _read(file: Path, table: ImageTable) -> Duplicates | None:
    """Return what the file holds; None where it is not there, damaged, or of another table or version."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            if int(stored["version"]) != VERSION or str(stored["content_hash"]) != table.content_hash:
                return None
            found = Duplicates(**{field.name: stored[field.name] for field in dataclasses.fields(Duplicates)})
            return found if len(found.groups) == len(table) else None
    except FileNotFoundError:
        return None
    except Exception as error:  # NumPy and zipfile raise nearly any class on malformed bytes
        log.warning("%s is damaged (%s); the copies are searched anew", file, error)
        return None
