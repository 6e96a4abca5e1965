"""load_table: a dataset as decoded images of one size, made once, found again by what it was made from."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medjax.datasets import find_dataset, how_to_get
from medjax.datasets.description import Dataset
from medjax.datasets.source import CACHE_TAG, open_source
from medjax.errors import UserError
from medjax.pipeline import decode
from medjax.pipeline.prepared import prepare_examples
from medjax.pipeline.storage import disk_errors, locked
from medjax.pipeline.table import FORMAT, ImageTable, read_table
from medjax.pipeline.table_making import listing, make_table

log = logging.getLogger("medjax")

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
                    table = make_table(dataset, examples, folder, fingerprint, make, shape, progress)
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


def _report_bad(table: ImageTable, on_bad_image: str) -> None:
    if not table.skipped:
        return
    count = f"{len(table.skipped)} of {len(table) + len(table.skipped)} images of {table.name} cannot be decoded"
    if on_bad_image == "stop":
        hashed = table.notes.get("ids") == "hashed"
        which = " (python -m medjax.which says which files those ids are)" if hashed else ""
        raise UserError(
            f"{count}: {listing(table.skipped)}{which}; repair or remove them, or leave them out with "
            "--config.data.on_bad_image=skip"
        )
    log.warning("%s and are left out: %s", count, listing(table.skipped))
