"""ImageTable: every image of a dataset, decoded and of one size, memory-mapped from one file beside one of metadata."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

IMAGES_FILE = "images.npy"
META_FILE = "table.json"
FORMAT = 2


@dataclasses.dataclass(frozen=True)
class ImageTable:
    """Images and what is known of them, in the dataset's order.

    Attributes:
      images: uint8 or uint16 [N, H, W, C], memory-mapped and read-only.
      labels: int32 [N], index into class_names; −1 = missing.
      image_ids: str [N], unique.
      group_ids: str [N], patient or study; "" = unknown, the image is then a group of its own.
      columns: further values kept beside the images, each [N]. Those named source_… are facts of the file (size, mode,
        scanner) for the audit and leave the table in counts only.
      class_names: in the order of the labels.
      fingerprint: hex digits of the source, the dataset's version and the decode options.
      content_hash: sha256 over images, labels and ids, hex.
      name: of the dataset.
      synthetic: made by the program; nothing measured on it is a result.
      skipped: (image_id, reason) of the images left out because they could not be decoded.
      left_out: what is rightly no image of the dataset, each with "image_id", "group_id", "label", "columns", "reason".
      notes: JSON values of the dataset, such as the intensity policy.
      ordered: the classes are degrees, lowest first.
    """

    images: np.ndarray
    labels: np.ndarray
    image_ids: np.ndarray
    group_ids: np.ndarray
    columns: dict[str, np.ndarray]
    class_names: tuple[str, ...]
    fingerprint: str
    content_hash: str
    name: str
    synthetic: bool
    skipped: tuple[tuple[str, str], ...]
    left_out: tuple[dict[str, Any], ...] = ()
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kept_columns(self) -> dict[str, np.ndarray]:
        """The columns that leave the table with its predictions: all but those of the audit."""
        return {name: values for name, values in self.columns.items() if not name.startswith("source_")}

    @property
    def rows_hash(self) -> str:
        """The sha256 over ids and labels alone, hex: the same for the same images at another size."""
        content = [self.image_ids.tolist(), self.labels.tolist(), list(self.class_names)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def content_hash(images: np.ndarray, labels: np.ndarray, image_ids: np.ndarray) -> str:
    """Return the sha256 over what a table holds, the same on every platform.

    Args:
      images: [N, H, W, C]; read in pieces, so it may be a memory map larger than memory.
      labels: [N].
      image_ids: [N].
    """
    digest = hashlib.sha256(json.dumps([images.dtype.name, images.shape]).encode())
    rows = max(1, 2**24 // max(1, images[:1].nbytes))
    little_endian = images.dtype.newbyteorder("<")
    for start in range(0, len(images), rows):
        digest.update(np.ascontiguousarray(images[start : start + rows], dtype=little_endian).data)
    digest.update(np.ascontiguousarray(labels, dtype="<i4").data)
    digest.update(json.dumps(image_ids.tolist()).encode())
    return digest.hexdigest()


def write_meta(folder: Path, table: ImageTable, **extra: Any) -> None:
    """Write everything but the images to `folder`/table.json; `extra` is kept for the reader's eye."""
    columns = {key: {"dtype": values.dtype.str, "values": values.tolist()} for key, values in table.columns.items()}
    meta = {
        "format": FORMAT,
        "name": table.name,
        "synthetic": table.synthetic,
        "shape": list(table.images.shape),
        "dtype": table.images.dtype.name,
        "class_names": list(table.class_names),
        "fingerprint": table.fingerprint,
        "content_hash": table.content_hash,
        **extra,
        "ordered": table.ordered,
        "notes": table.notes,
        "skipped": [list(pair) for pair in table.skipped],
        "left_out": list(table.left_out),
        "labels": table.labels.tolist(),
        "image_ids": table.image_ids.tolist(),
        "group_ids": table.group_ids.tolist(),
        "columns": columns,
    }
    (folder / META_FILE).write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def read_table(folder: Path) -> ImageTable:
    """Open a finished table; the images stay on disk until they are touched.

    Raises:
      ValueError: the files do not belong together (a cut file, another format). OSError: they cannot be read.
    """
    try:
        table = _read_table(folder)
    except (LookupError, TypeError, ArithmeticError, AttributeError, RecursionError) as error:
        raise ValueError(f"{META_FILE} is not as it was written ({type(error).__name__})") from error
    held = [table.labels, table.image_ids, table.group_ids, *table.columns.values()]
    if any(values.shape != table.images.shape[:1] for values in held):
        raise ValueError(f"{META_FILE} does not tell one value an image")
    return table


def _read_table(folder: Path) -> ImageTable:
    meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
    if meta["format"] != FORMAT:
        raise ValueError(f"format {meta['format']}, not {FORMAT}")
    images = np.load(folder / IMAGES_FILE, mmap_mode="r", allow_pickle=False)
    if [*images.shape, images.dtype.name] != [*meta["shape"], meta["dtype"]]:
        raise ValueError(f"images are {images.dtype} {images.shape}, not {meta['dtype']} {meta['shape']}")
    return ImageTable(
        images=images,
        labels=np.array(meta["labels"], dtype=np.int32),
        image_ids=np.array(meta["image_ids"], dtype=np.str_),
        group_ids=np.array(meta["group_ids"], dtype=np.str_),
        columns={key: np.array(column["values"], dtype=column["dtype"]) for key, column in meta["columns"].items()},
        class_names=tuple(meta["class_names"]),
        fingerprint=meta["fingerprint"],
        content_hash=meta["content_hash"],
        name=meta["name"],
        synthetic=meta["synthetic"],
        skipped=tuple((image_id, reason) for image_id, reason in meta["skipped"]),
        left_out=tuple(meta["left_out"]),
        notes=meta["notes"],
        ordered=meta["ordered"],
    )
