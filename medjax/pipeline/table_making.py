"""make_table: decode the examples of a dataset into a table on disk; what was interrupted goes on where it stopped."""

from __future__ import annotations

import concurrent.futures
import functools
import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medjax.datasets.description import Dataset
from medjax.errors import UserError
from medjax.pipeline import decode
from medjax.pipeline.partial import PartialTable, Row
from medjax.pipeline.prepared import Examples
from medjax.pipeline.progress import progress as show_progress
from medjax.pipeline.storage import check_space, disk_errors
from medjax.pipeline.table import ImageTable, content_hash, read_table, write_meta

# A chunk is what an interrupted preparation repeats: at most so many images and so many bytes of pixels.
_CHUNK_IMAGES = 256
_CHUNK_BYTES = 32 * 2**20


def make_table(
    dataset: Dataset,
    examples: Examples,
    folder: Path,
    fingerprint: str,
    make: Callable[..., np.ndarray],
    shape: tuple[int, int, int],
    progress: bool,
) -> ImageTable:
    """Fill the table beside its final place, then rename it there: what has the final name is whole.

    Args:
      dataset: configured.
      examples: what the table is made of, in its order.
      folder: of the table; what is there is damaged, and replaced.
      fingerprint: of what the table is made from.
      make: (bytes of an image, dtype=…) -> its pixels, of that dtype and `shape`; see decode.py.
      shape: of an image, [H, W, C].
      progress: show a bar.

    Raises:
      UserError: no image can be used, or the disk refuses.
    """
    partial_folder = folder.with_name(folder.name + ".partial")
    with disk_errors(partial_folder):
        check_space(folder.parent, len(examples) * math.prod(shape))
        partial = PartialTable(partial_folder, shape)
        with show_progress(f"Decoding {dataset.name}", len(examples), show=progress) as update:
            update(len(partial.rows))
            _fill(partial, examples, make, math.prod(shape), update)
        bad = [(row.image_id, row.reason) for row in partial.rows if row.reason]
        if len(bad) == len(examples):
            raise UserError(f"none of the {len(bad)} images of {dataset.name} can be used: {listing(bad)}")
        _finish(dataset, partial, fingerprint)
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        os.rename(partial_folder, folder)
    return read_table(folder)


def listing(bad: Sequence[tuple[str, str]]) -> str:
    """Name the first ten files with the reason, and count the others."""
    more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
    return ", ".join(f"{image_id} ({reason})" for image_id, reason in bad[:10]) + more


def _fill(
    partial: PartialTable,
    examples: Examples,
    make: Callable[..., np.ndarray],
    image_bytes: int,
    update: Callable[[int], object],
) -> None:
    """Decode on all cores; the next chunk is decoded while one is written."""
    chunk = max(1, min(_CHUNK_IMAGES, _CHUNK_BYTES // image_bytes))
    start = len(partial.rows)
    if start == len(examples):
        return
    dtype = partial.dtype or decode.common_dtype(example.image for example in examples)
    make_one = functools.partial(_decode_row, examples, functools.partial(make, dtype=dtype.type))
    with concurrent.futures.ThreadPoolExecutor(_cores()) as pool:
        try:
            waiting: list[concurrent.futures.Future] = []
            for begin in range(start, len(examples) + chunk, chunk):  # one round more, to collect the last chunk
                ahead = [pool.submit(make_one, i) for i in range(begin, min(begin + chunk, len(examples)))]
                done = []
                for future in waiting:
                    done.append(future.result())
                    update(1)
                if done:
                    partial.append([row for row, _ in done], [image for _, image in done if image is not None], dtype)
                waiting = ahead
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _decode_row(examples: Examples, make: Callable[..., np.ndarray], index: int) -> tuple[Row, np.ndarray | None]:
    example = examples[index]
    known = (example.image_id, example.group_id, example.label, dict(example.columns) | decode.facts(example.image))
    if example.left_out:
        return Row(*known, reason=example.left_out, left_out=True), None
    if example.read_error:
        return Row(*known, reason=example.read_error), None
    try:
        return Row(*known), make(example.image)
    except decode.BadImageError as error:
        return Row(*known, reason=str(error)), None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _finish(dataset: Dataset, partial: PartialTable, fingerprint: str) -> None:
    """Complete the partial folder: the images' header, then the metadata."""
    rows = [row for row in partial.rows if not row.reason]
    images = partial.finish()
    labels = np.array([row.label for row in rows], dtype=np.int32)
    image_ids = np.array([row.image_id for row in rows], dtype=np.str_)
    if len(set(image_ids.tolist())) < len(rows):
        raise ValueError(f"dataset {dataset.name!r} gives one image_id to several images")
    table = ImageTable(
        images=images,
        labels=labels,
        image_ids=image_ids,
        group_ids=np.array([row.group_id for row in rows], dtype=np.str_),
        columns={key: _column(key, [row.columns[key] for row in rows]) for key in rows[0].columns},
        class_names=dataset.class_names,
        fingerprint=fingerprint,
        content_hash=content_hash(images, labels, image_ids),
        name=dataset.name,
        synthetic=dataset.synthetic,
        skipped=tuple((row.image_id, row.reason) for row in partial.rows if row.reason and not row.left_out),
        left_out=tuple(_without_pixels(row) for row in partial.rows if row.left_out),
        notes=dict(dataset.notes),
        ordered=dataset.ordered,
    )
    write_meta(partial.folder, table, version=dataset.version, homepage=dataset.homepage, license=dataset.license)


def _without_pixels(row: Row) -> dict[str, Any]:
    keys = ("image_id", "group_id", "label", "columns", "reason")
    return {key: getattr(row, key) for key in keys}


def _column(key: str, values: list[Any]) -> np.ndarray:
    column = np.array(values)
    if column.dtype.kind not in "iufbU" or column.ndim != 1:
        raise ValueError(f"column {key!r} is neither numbers nor text in every row")
    return column
