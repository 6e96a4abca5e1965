"""The two tables that an external test needs: images of another source, and those that the run has seen."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from medjax import datasets
from medjax.config import DATA_DIR
from medjax.datasets.source import MANIFESTS, open_source
from medjax.errors import UserError
from medjax.inference.files import intensity_options
from medjax.inference.finished_run import FinishedRun
from medjax.json_file import read_json
from medjax.pipeline.split_file import read_splits
from medjax.pipeline.table import ImageTable, read_table
from medjax.preparation import load_table
from medjax.terminal import log

SEEN = ("train", "val", "calib")
_OF_ONE_SET = ("positive_class", "ordered", "root")  # options that speak of one set of images alone


def external_table(run: FinishedRun, data: pathlib.Path, cache: pathlib.Path) -> ImageTable:
    """Read images of another source with the run's preprocessing; unreadable files are left out and recorded.

    The source is laid out as the run's own dataset is, or has a folder for each class, or is a table of images.

    Args:
      run: whose size, channels, fit, depth, intensity policy and classes are used.
      data: folder, .zip or table.
      cache: folder of decoded images.

    Returns:
      The table, its labels those of the run's classes, pixels of the run's type.

    Raises:
      UserError: nothing that can be read is there, or a class that the run does not know.
    """
    if not data.exists():
        raise UserError(f"no such file or folder: {data}; give the external images with --data=PATH.")
    name, options = _reader(run, data)
    table = load_table(_config(run, data, cache, name=name, options=options, on_bad_image="skip"))
    return _as_dtype(_with_classes(table, run), np.dtype(run.preprocessing["dtype"]))


def seen_table(
    run: FinishedRun, training_data: pathlib.Path | None, cache: pathlib.Path
) -> tuple[ImageTable, np.ndarray] | None:
    """Find the images that the run was made with: those given, in the cache, or under data/.

    Returns:
      The table and the rows of train, val and calib in it, int64; None where they are not found.

    Raises:
      UserError: `training_data` is given and holds other images.
    """
    table = _seen_images(run, training_data, cache)
    if table is None:
        return None
    splits = read_splits(run.workdir / "splits.json", table)
    return table, np.concatenate([splits[name] for name in SEEN if name in splits])


def _seen_images(run: FinishedRun, training_data: pathlib.Path | None, cache: pathlib.Path) -> ImageTable | None:
    wanted = read_json(run.workdir / "splits.json", needed={"content_hash": str})["content_hash"]
    name = run.config.data.name
    if training_data is not None:
        return load_table(_config(run, training_data, cache))
    for meta in sorted(cache.glob(f"{name}-*/table.json")):
        try:
            table = read_table(meta.parent)
        except (OSError, ValueError, KeyError, TypeError):  # damaged, or of another version: not what is looked for
            continue
        if table.content_hash == wanted:
            return table
    source = datasets.find_source(name, data_dir=DATA_DIR)
    if source is None and not run.synthetic:
        return None
    table = load_table(_config(run, source, cache))
    return table if table.content_hash == wanted else None


def _config(run: FinishedRun, data: pathlib.Path | None, cache: pathlib.Path, **changes: Any) -> ConfigDict:
    """Return the run's config with another place of the images; run folders keep no paths."""
    config = ConfigDict(run.config.to_dict())
    config.data.path, config.data.cache = str(data or ""), str(cache)
    for name, value in changes.items():
        config.data[name] = ConfigDict(value) if isinstance(value, dict) else value
    return config


def _reader(run: FinishedRun, data: pathlib.Path) -> tuple[str, dict[str, Any]]:
    """Return the dataset that reads `data`, and its options: DICOM as in training, whatever reads it."""
    own, options = datasets.find_dataset(run.config.data.name), run.config.data.options.to_dict()
    if not own.own and not own.synthetic and _reads(run, data):
        return own.name, options
    name = "image_table" if data.suffix.lower() in MANIFESTS else "image_folder"
    kept = options if name == own.name else {key: options[key] for key in ("ids",) if key in options}
    kept = {key: value for key, value in kept.items() if key not in _OF_ONE_SET}
    return name, {**kept, **(intensity_options(run.notes) if "dicom" in run.notes else {})}


def _reads(run: FinishedRun, data: pathlib.Path) -> bool:
    """Return whether the run's dataset finds itself in `data`; only names are looked at."""
    dataset = datasets.find_dataset(run.config.data.name)
    try:
        with open_source(data) as source:
            dataset.configured(source, run.config.data.options.to_dict()).splits(source)
    except UserError:
        return False
    return True


def _with_classes(table: ImageTable, run: FinishedRun) -> ImageTable:
    """Return the table with the run's classes, whatever their order or capitals here."""
    known = {name.casefold(): label for label, name in enumerate(run.class_names)}
    unknown = [name for name in table.class_names if name.casefold() not in known]
    if unknown:
        raise UserError(
            f"the external images have a class {unknown[0]!r}, which the run does not know: its classes are "
            f"{', '.join(run.class_names)}; rename the class, or leave it out."
        )
    missing = set(known.values()) - {known[name.casefold()] for name in table.class_names}
    if missing:
        names = ", ".join(run.class_names[label] for label in sorted(missing))
        log.warning(f"no external image of class {names}: what is averaged over classes is undefined")
    number = np.array([*(known[name.casefold()] for name in table.class_names), -1], np.int32)
    ordered = bool(run.evaluation["ordered"])
    return dataclasses.replace(table, labels=number[table.labels], class_names=run.class_names, ordered=ordered)


def _as_dtype(table: ImageTable, dtype: np.dtype) -> ImageTable:
    """Return the table with pixels of the run's type; 8 bits become 16 by a factor of 257, and the reverse."""
    images = table.images
    if images.dtype == dtype:
        return table
    scaled = np.rint(images / 257) if dtype == np.uint8 else images.astype(np.uint16) * 257
    return dataclasses.replace(table, images=scaled.astype(dtype))
