"""The examples of a dataset from the tfds folder they are prepared in, which is made when it is not there."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medjax.datasets.description import Dataset, Example
from medjax.datasets.source import Source, open_source
from medjax.errors import UserError
from medjax.pipeline.progress import progress as show_progress
from medjax.pipeline.storage import check_space, disk_errors, locked

log = logging.getLogger("medjax")


class Examples(Sequence[Example]):
    """The examples of all splits, one after another, by random access from any thread.

    Where the publisher has several splits, the column "official_split" names the one of each example.
    """

    def __init__(self, splits: Mapping[str, Sequence[Mapping[str, Any]]], folder: Path):
        self._folder = folder
        self._rows = [(name, rows, index) for name, rows in splits.items() for index in range(len(rows))]
        self._several = len(splits) > 1

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        split, rows, row = self._rows[index]
        try:
            stored = rows[row]
        except RuntimeError as error:  # array_record's one exception
            reason = " ".join(str(error).split())
            raise UserError(f"the data in {self._folder} is damaged ({reason}); delete that folder") from error
        columns = json.loads(stored["columns"])
        if self._several:
            columns["official_split"] = split
        return Example(
            image_id=stored["image_id"].decode(),
            image=stored["image"],
            label=int(stored["label"]),
            group_id=stored["group_id"].decode(),
            read_error=stored["read_error"].decode(),
            left_out=stored["left_out"].decode(),
            columns=columns,
        )


def prepare_examples(dataset: Dataset, source: Source | None, folder: Path, *, progress: bool) -> Examples:
    """Return the examples of a dataset, built once into `folder`, whose name tells the source's fingerprint.

    Raises:
      UserError: class folders that are missing, a source that changes meanwhile, a disk that refuses.
    """
    with disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(folder.name + ".lock")):
        from medjax.datasets import builder as tfds_builder  # slow to import, and not needed for a finished table

        builder = tfds_builder.make_builder(dataset, {}, folder)
        if _is_whole(builder, tfds_builder.read):
            return Examples(tfds_builder.read(builder), folder)
        splits = dataset.splits(source)  # raises before anything is written
        with disk_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)  # what an interrupted process left
            folder.mkdir()
            check_space(folder, source.size if source else 0)
        total = sum(split.size for split in splits.values())
        with show_progress(f"Reading {dataset.name}", total, show=progress) as update:
            watched = {name: _watched(split.examples, update) for name, split in splits.items()}
            builder = tfds_builder.make_builder(dataset, watched, folder)
            _prepare(tfds_builder.prepare, builder, folder)
        _check_unchanged(source, folder)
        return Examples(tfds_builder.read(builder), folder)


def _is_whole(builder: Any, read: Callable[[Any], Mapping[str, Sequence[Any]]]) -> bool:
    """Return whether a builder is prepared, and the first and last example of each split are where they should be."""
    try:
        return bool(builder.info.splits) and all(rows[0] and rows[len(rows) - 1] for rows in read(builder).values())
    except (RuntimeError, OSError, ValueError, IndexError) as error:
        log.warning("the data in %s is damaged (%s) and is prepared anew", builder.data_dir, error)
        return False


def _watched(examples: Iterable[Example], update: Callable[[int], object]) -> Iterator[Example]:
    for example in examples:
        yield example
        update(1)


def _prepare(prepare: Callable[[Any], None], builder: Any, folder: Path) -> None:
    try:
        with disk_errors(folder):
            prepare(builder)
    except RuntimeError as error:  # array_record's way of saying that it cannot write
        reason = " ".join(str(error).split())
        raise UserError(f"cannot write {folder}: {reason}; free some space or choose another folder") from error


def _check_unchanged(source: Source | None, folder: Path) -> None:
    if source is None:
        return
    with open_source(source.path) as now:
        if now.fingerprint == source.fingerprint:
            return
    shutil.rmtree(folder)
    raise UserError(f"{source.path} changed while it was read; run again when nothing writes to it")
