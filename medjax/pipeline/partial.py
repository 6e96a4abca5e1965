"""A table while it is being filled: chunks appended to one file, and a journal that says which of them are whole."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from medjax.pipeline.table import IMAGES_FILE

_JOURNAL = "journal.jsonl"
_HEADER_BYTES = 128


@dataclasses.dataclass(frozen=True)
class Row:
    """What is known of one image of the source.

    Attributes:
      reason: why it has no pixels, "" where it has.
      left_out: it has none because it is rightly no image of the dataset; that is no error.
    """

    image_id: str
    group_id: str
    label: int
    columns: dict[str, Any]
    reason: str = ""
    left_out: bool = False


class PartialTable:
    """A folder holding a table as far as it got; opened again after a crash it goes on from there.

    Pixels are appended and flushed to disk before the journal names them, so whatever the journal names is there.
    They are written, not mapped: writing to a map on a full disk kills the process instead of raising an error.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int]):
        """Open `folder`, or make it; shape is that of one image, [H, W, C]."""
        self.folder = folder
        self._shape = shape
        self.rows: list[Row] = []
        self.dtype: np.dtype | None = None
        folder.mkdir(parents=True, exist_ok=True)
        try:
            recovered = self._recover()
        except (ValueError, KeyError, TypeError):  # a journal that is not ours, or damaged
            recovered = False
        if not recovered:
            shutil.rmtree(folder)
            folder.mkdir()
            self.rows, self.dtype = [], None

    def append(self, rows: list[Row], images: list[np.ndarray], dtype: np.dtype) -> None:
        """Add the rows of the next chunk and the pixels ([H, W, C] each) of those without a reason."""
        if self.dtype is None:
            self.dtype = np.dtype(dtype)
        with open(self.folder / IMAGES_FILE, "ab") as file:
            file.write(b"\0" * max(0, _HEADER_BYTES - file.tell()))
            for image in images:
                file.write(np.ascontiguousarray(image, dtype=self.dtype).data)
            file.flush()
            os.fsync(file.fileno())
        with open(self.folder / _JOURNAL, "a", encoding="utf-8") as file:
            chunk = {"dtype": self.dtype.str, "rows": [dataclasses.astuple(row) for row in rows]}
            file.write(json.dumps(chunk) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.rows += rows

    def finish(self) -> np.ndarray:
        """Write the header of the .npy file and drop the journal; returns the images, memory-mapped [N, H, W, C]."""
        count = sum(not row.reason for row in self.rows)
        with open(self.folder / IMAGES_FILE, "r+b") as file:
            file.write(_npy_header((count, *self._shape), self.dtype or np.dtype(np.uint8)))
            file.flush()
            os.fsync(file.fileno())
        (self.folder / _JOURNAL).unlink()
        return np.load(self.folder / IMAGES_FILE, mmap_mode="r", allow_pickle=False)

    def _recover(self) -> bool:
        """Read the journal and cut what it does not name; False if the two files do not fit together."""
        journal, images = self.folder / _JOURNAL, self.folder / IMAGES_FILE
        if not journal.exists():
            return not any(self.folder.iterdir())
        text = journal.read_text(encoding="utf-8")
        whole, _, torn = text.rpartition("\n")
        if torn:
            os.truncate(journal, len(text.encode()) - len(torn.encode()))
        for line in whole.splitlines():
            chunk = json.loads(line)
            self.dtype = np.dtype(chunk["dtype"])
            self.rows += [Row(*row) for row in chunk["rows"]]
        if not self.rows or self.dtype is None or not images.exists():
            return False
        kept = sum(not row.reason for row in self.rows)
        size = _HEADER_BYTES + kept * int(np.prod(self._shape)) * self.dtype.itemsize
        if images.stat().st_size < size:
            return False
        os.truncate(images, size)
        return True


def _npy_header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    """Return a header of format 1.0 in 128 bytes, whatever the number of images: it is known last."""
    text = repr({"descr": dtype.str, "fortran_order": False, "shape": shape})
    body = text.ljust(_HEADER_BYTES - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body.encode("latin1")
