"""The file that locks a split: which image is where, and of which table. Later runs use exactly it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.pipeline.storage import write_text
from medjax.pipeline.table import ImageTable

VERSION = 2


def write_splits(
    file: Path,
    splits: Mapping[str, np.ndarray],
    table: ImageTable,
    *,
    how: Mapping[str, Any],
    removed: Sequence[str] = (),
) -> None:
    """Write row indices as image ids, with the hash of the table they belong to; whole or not at all.

    Args:
      file: to write, JSON.
      splits: row indices [n] by split.
      table: what the indices count in.
      how: what it was drawn with, as JSON, for the record; with "kind": "official", a group may lie in two splits.
      removed: image_ids left out because they share a group with an image that is judged.
    """
    content = {
        "version": VERSION,
        "dataset": table.name,
        "content_hash": table.content_hash,
        "rows_hash": table.rows_hash,
        "how": dict(how),
        "removed": list(removed),
        "splits": {name: table.image_ids[rows].tolist() for name, rows in splits.items()},
    }
    write_text(file, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_splits(file: Path, table: ImageTable, *, same_pixels: bool = True) -> dict[str, np.ndarray]:
    """Read splits written for this table.

    Args:
      file: written by `write_splits`.
      table: what the indices will count in.
      same_pixels: demand the very same table; else the same images and labels, so that networks of different image
        sizes can be compared on one split.

    Returns:
      Row indices, int64, sorted, by split.

    Raises:
      UserError: no such file or not of this kind, another table, unknown or repeated ids, a group in two splits.
    """
    content = _read(file)
    kind, found = ("content_hash", table.content_hash) if same_pixels else ("rows_hash", table.rows_hash)
    if content[kind] != found:
        wanted = "data, image size, channels and fit" if same_pixels else "images and labels"
        raise UserError(
            f"{file} was made for another table of {content.get('dataset')!r} ({kind} {content[kind][:12]}) than this "
            f"one ({found[:12]}); use the same {wanted}, or make a new split"
        )
    row_of = {image_id: row for row, image_id in enumerate(table.image_ids.tolist())}
    split_of: dict[str, str] = {}
    for name, image_ids in content["splits"].items():
        for image_id in image_ids:
            if image_id not in row_of:
                raise UserError(f"{file} names {image_id!r} in split {name!r}, which the table lacks; {_ADVICE}")
            if image_id in split_of:
                raise UserError(f"{file} names {image_id!r} in {split_of[image_id]!r} and in {name!r}; {_ADVICE}")
            split_of[image_id] = name
    rows = {
        name: np.sort(np.array([row_of[i] for i in ids], dtype=np.int64)) for name, ids in content["splits"].items()
    }
    if content["how"].get("kind") != "official":
        _check_groups(file, rows, table.group_ids)
    return rows


_ADVICE = "repair the file or make a new split"


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the splits in {file}: {error.strerror}; check the path") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not JSON ({error}); {_ADVICE}") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise UserError(f"{file} is not a split file of version {VERSION}; {_ADVICE}")
    splits = content.get("splits")
    lists = isinstance(splits, dict) and all(
        isinstance(ids, list) and all(isinstance(image_id, str) for image_id in ids) for ids in splits.values()
    )
    hashes = all(isinstance(content.get(kind), str) for kind in ("content_hash", "rows_hash"))
    if not lists or not hashes or not isinstance(content.get("how"), dict):
        raise UserError(f"{file} lacks the image ids by split, the table's hashes or how it was made; {_ADVICE}")
    return content


def _check_groups(file: Path, splits: Mapping[str, np.ndarray], group_ids: np.ndarray) -> None:
    """Refuse a group in two splits: the hash does not cover the groups, which may have become known later."""
    split_of: dict[str, str] = {}
    for name, rows in splits.items():
        for group in set(group_ids[rows].tolist()) - {""}:
            if split_of.setdefault(group, name) != name:
                raise UserError(f"{file} has group {group!r} in {split_of[group]!r} and in {name!r}; {_ADVICE}")
