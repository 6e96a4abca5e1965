"""load_table: a dataset as decoded images of one size, made once, found again by what it was made from."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import json
import logging
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medjax.datasets import find_dataset, how_to_get
from medjax.datasets.description import Dataset
from medjax.datasets.source import CACHE_TAG, open_source
from medjax.errors import UserError
from medjax.pipeline import decode
from medjax.pipeline.partial import PartialTable, Row
from medjax.pipeline.prepared import Examples, prepare_examples
from medjax.pipeline.progress import progress as show_progress
from medjax.pipeline.storage import check_space, disk_errors, locked
from medjax.pipeline.table import FORMAT, ImageTable, content_hash, read_table, write_meta

log = logging.getLogger("medjax")

# A chunk is what an interrupted preparation repeats: at most so many images and so many bytes of pixels.
_CHUNK_IMAGES = 256
_CHUNK_BYTES = 32 * 2**20
_DECODER = 2  # raise it when decode.py gives other pixels, so that old tables are made anew
ON_BAD_IMAGE = ("stop", "skip")


def load_table(
    name: str,
    *,
    source: Path | None,
    image_size: int,
    channels: int,
    fit: str,
    on_bad_image: str,
    cache_dir: Path,
    options: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> ImageTable:
    """Return the table of a dataset; made on the first call, opened in milliseconds on the next.

    Args:
      name: a key of datasets.DATASETS.
      source: folder or .zip as found by datasets.find_source; None for synthetic datasets.
      image_size: height and width, pixels.
      channels: 1 or 3 for pictures; readers that make stacks (rsna_lumbar) say how many.
      fit: "squash", "crop" or "pad", see decode.py.
      on_bad_image: "stop" raises when files cannot be decoded; "skip" leaves them out and lists them in `skipped`.
      cache_dir: where tables and the tfds datasets they are made from are kept.
      options: what the dataset's reader is told, see its `configure`.
      progress: show a bar.

    Raises:
      UserError: a wrong option, source or class folder; files that cannot be decoded; a disk that refuses.
    """
    dataset = find_dataset(name)
    _check_options(dataset, source, image_size, channels, fit, on_bad_image)
    with open_source(source) if source is not None else contextlib.nullcontext() as opened:
        dataset = dataset.configured(opened, options or {})
        described = [list(dataset.class_names), dict(dataset.options), dict(dataset.notes)]
        origin = _digest(name, dataset.version, opened.fingerprint if opened else "synthetic", described)
        fingerprint = _digest(origin, FORMAT, _DECODER, image_size, channels, fit)
        folder = cache_dir / f"{name}-{fingerprint[:16]}"
        table = _open(folder)
        if table is None:
            _make_cache_dir(cache_dir)
            with locked(cache_dir / f"{folder.name}.lock"):
                table = _open(folder)  # another process may have made it meanwhile
                if table is None:
                    prepared = cache_dir / "tfds" / f"{name}-{origin[:16]}"
                    examples = prepare_examples(dataset, opened, prepared, progress=progress)
                    make = functools.partial(decode.decode, size=image_size, channels=channels, fit=fit)
                    shape = (image_size, image_size, channels)
                    table = _build(dataset, examples, folder, fingerprint, make, shape, progress)
    _report_bad(table, on_bad_image)
    return table


def _check_options(
    dataset: Dataset, source: Path | None, image_size: int, channels: int, fit: str, on_bad_image: str
) -> None:
    if source is None and not dataset.synthetic:
        raise UserError(how_to_get(dataset))
    if source is not None and dataset.synthetic:
        raise UserError(f"dataset {dataset.name!r} is made by the program and reads no files; drop the path {source}")
    for field, value, allowed in (("fit", fit, decode.FITS), ("on_bad_image", on_bad_image, ON_BAD_IMAGE)):
        if value not in allowed:
            raise UserError(f"{field} is {value!r}; choose one of {', '.join(allowed)}")
    if not 1 <= channels <= decode.MAX_CHANNELS:
        raise UserError(f"channels is {channels}; choose 1 (grey), 3 (RGB), or the number of slices of a stack")
    if not 1 <= image_size <= 8192:
        raise UserError(f"image_size is {image_size} pixels; choose 1 to 8192")


def _digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _make_cache_dir(cache_dir: Path) -> None:
    with disk_errors(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
        tag = cache_dir / CACHE_TAG
        if not tag.exists():
            tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n# Prepared by medjax; may be deleted.\n")


def _open(folder: Path) -> ImageTable | None:
    """Return the finished table, None when there is none; a damaged one counts as none."""
    if not folder.exists():
        return None
    try:
        return read_table(folder)
    except (OSError, ValueError) as error:
        log.warning("the table in %s is damaged (%s) and is made anew", folder, error)
        return None


def _build(
    dataset: Dataset,
    examples: Examples,
    folder: Path,
    fingerprint: str,
    make: Callable[..., np.ndarray],
    shape: tuple[int, int, int],
    progress: bool,
) -> ImageTable:
    """Fill the table beside its final place, then rename it there: what has the final name is whole."""
    partial_folder = folder.with_name(folder.name + ".partial")
    with disk_errors(partial_folder):
        check_space(folder.parent, len(examples) * math.prod(shape))
        partial = PartialTable(partial_folder, shape)
        with show_progress(f"Decoding {dataset.name}", len(examples), show=progress) as update:
            update(len(partial.rows))
            _fill(partial, examples, make, math.prod(shape), update)
        bad = [(row.image_id, row.reason) for row in partial.rows if row.reason]
        if len(bad) == len(examples):
            raise UserError(f"none of the {len(bad)} images of {dataset.name} can be used: {_listing(bad)}")
        _finish(dataset, partial, fingerprint)
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        os.rename(partial_folder, folder)
    return read_table(folder)


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


def _report_bad(table: ImageTable, on_bad_image: str) -> None:
    if not table.skipped:
        return
    count = f"{len(table.skipped)} of {len(table) + len(table.skipped)} images of {table.name} cannot be decoded"
    if on_bad_image == "stop":
        hashed = table.notes.get("ids") == "hashed"
        which = " (python -m medjax.which says which files those ids are)" if hashed else ""
        raise UserError(
            f"{count}: {_listing(table.skipped)}{which}; repair or remove them, or leave them out with "
            "--config.data.on_bad_image=skip"
        )
    log.warning("%s and are left out: %s", count, _listing(table.skipped))


def _listing(bad: Sequence[tuple[str, str]]) -> str:
    """Name the first ten files with the reason, and count the others."""
    more = f" and {len(bad) - 10} more" if len(bad) > 10 else ""
    return ", ".join(f"{image_id} ({reason})" for image_id, reason in bad[:10]) + more
