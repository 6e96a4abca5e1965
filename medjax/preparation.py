"""From a config to images that can be trained on: the table, its audit, and which image is in which split."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from medjax.errors import UserError
from medjax.evaluation.audit_page import audit_page, page_image_ids
from medjax.evaluation.settings import Settings
from medjax.json_file import write_json
from medjax.pipeline import cache, split_file
from medjax.pipeline.audit import audit
from medjax.pipeline.duplicate_file import duplicates_of
from medjax.pipeline.duplicates import Duplicates
from medjax.pipeline.grouping import groups
from medjax.pipeline.partition import OFFICIAL_COLUMN, draw
from medjax.pipeline.storage import write_text
from medjax.pipeline.table import ImageTable
from medjax.terminal import log


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Images ready to be trained on.

    Attributes:
      table: its `group_ids` are the units of the split: patients and near copies joined.
      splits: row indices by name, int64, sorted.
      unit: what the split never tears apart, in words.
      audit: see pipeline.audit.
      without_image: by split, what belongs to its patients but has no picture, as `ImageTable.left_out`; only where the
        dataset's notes say, under "predicted_by_prior", for which reason such a row is predicted nevertheless.
      copies_in_test: the test set is the publisher's, whole, so it may hold several images of a group.
    """

    table: ImageTable
    splits: dict[str, np.ndarray]
    unit: str
    audit: dict[str, Any]
    without_image: dict[str, list[dict[str, Any]]]
    copies_in_test: bool


def prepare(config: ConfigDict, workdir: pathlib.Path, *, images: bool = True) -> Prepared:
    """Load, audit and split the images of a resolved config.

    Writes splits.json, audit.json and audit.html to `workdir`, which exists; what is there of splits is used again.

    Args:
      config: resolved.
      workdir: the run's folder.
      images: show thumbnails on the audit's page.

    Raises:
      UserError: the data or the split is wrong.
    """
    table = load_table(config)
    Settings.of(config.evaluation).check(table.class_names, table.kept_columns, ordered=table.ordered)
    found = duplicates_of(table) if config.split.near_copies else None
    grouped = dataclasses.replace(table, group_ids=groups(table, found)) if found else table
    splits = _load_splits(config, workdir, table, grouped)
    report = audit(table, splits, found=found or no_duplicates(table), fractions=_fractions(config))
    unit = unit_of_split(table, config.split.kind, config.split.near_copies)
    report["unit_of_split"] = unit
    write_json(workdir / "audit.json", report)
    shown = thumbnails(table, page_image_ids(report)) if images else None
    write_text(workdir / "audit.html", audit_page(report, shown))
    return Prepared(
        grouped, splits, unit, report, _without_image(table, grouped, splits), config.split.kind == "official_dedup"
    )


def announce(prepared: Prepared) -> None:
    """Log what a run must not begin without having said."""
    log.info(f"unit of the split: {prepared.unit}")
    for warning in prepared.audit["warnings"]:
        log.warning(f"audit: {warning}")


def each_fold(config: ConfigDict, workdir: pathlib.Path) -> list[tuple[ConfigDict, pathlib.Path]]:
    """Return the config and the folder of every fold that a run trains; those of the run itself where it is one."""
    if not config.folds or config.fold >= 0:
        return [(config, workdir)]
    folds = range(config.folds)
    return [(ConfigDict({**config.to_dict(), "fold": fold}).lock(), workdir / f"fold{fold}") for fold in folds]


def load_table(config: ConfigDict) -> ImageTable:
    """Return the table that config.data stands for; made where it is not there yet."""
    data = config.data
    return cache.load_table(
        data.name,
        source=pathlib.Path(data.path) if data.path else None,
        image_size=data.image_size,
        channels=data.channels,
        fit=data.fit,
        on_bad_image=data.on_bad_image,
        cache_dir=pathlib.Path(data.cache),
        options=data.options.to_dict(),
        progress=True,
    )


def no_duplicates(table: ImageTable) -> Duplicates:
    """What a table holds whose copies were not looked for."""
    rows, none = np.arange(len(table)), np.array([], dtype=np.int64)
    return Duplicates(rows, none, none, none.astype(np.float32), none.astype(np.int8), groups=rows)


def _fractions(config: ConfigDict) -> dict[str, float]:
    return {name: config.split[name] for name in ("val", "calib", "test") if config.split[name]}


def _load_splits(
    config: ConfigDict, workdir: pathlib.Path, table: ImageTable, grouped: ImageTable
) -> dict[str, np.ndarray]:
    """The run's own splits.json if it has one, else the given one, else newly drawn; the run keeps a copy."""
    own = workdir / "splits.json"
    if own.exists():
        return split_file.read_splits(own, table)
    if config.split.file:
        splits = split_file.read_splits(pathlib.Path(config.split.file), table, same_pixels=False)
        lacking = [name for name in ("train", "val", "test") if not len(splits.get(name, ()))]
        if lacking:
            raise UserError(
                f"{config.split.file} has no images in {', '.join(lacking)}: a run needs train, val and test."
            )
        split_file.write_splits(own, splits, table, how={"kind": "file"})
        return splits
    how: dict[str, Any] = {
        "kind": config.split.kind,
        "seed": config.split.seed,
        "fractions": {name: config.split[name] for name in ("val", "calib", "test")},
        "folds": config.folds,
        "fold": config.fold,
    }
    record = {**how, "near_copies": config.split.near_copies}
    official = table.columns.get(OFFICIAL_COLUMN)
    drawn = draw(table.labels, grouped.group_ids, official, class_names=table.class_names, **how)
    removed = table.image_ids[drawn.removed].tolist()
    split_file.write_splits(own, drawn.splits, table, how=record, removed=removed)
    if removed:
        log.info(f"{len(removed):,} images share a group with an image that is judged and are left out of training")
    return drawn.splits


def _without_image(
    table: ImageTable, grouped: ImageTable, splits: dict[str, np.ndarray]
) -> dict[str, list[dict[str, Any]]]:
    reason = table.notes.get("predicted_by_prior")
    name_of = dict(zip(table.group_ids.tolist(), grouped.group_ids.tolist(), strict=True))
    found: dict[str, list[dict[str, Any]]] = {}
    for name, rows in splits.items():
        held = set(table.group_ids[rows].tolist()) - {""}
        found[name] = [
            {**row, "group_id": name_of[row["group_id"]]}
            for row in table.left_out
            if row["reason"] == reason and row["group_id"] in held
        ]
    return found


def unit_of_split(table: ImageTable, kind: str, near_copies: bool) -> str:
    """Say what no split tears apart; the publisher's own split promises nothing."""
    known = int((table.group_ids != "").sum())
    if known == len(table):
        unit = "patient or study"
    elif known:
        unit = f"patient or study where known ({known:,} of {len(table):,} images)"
    else:
        unit = "near-copy group" if near_copies else "image"
    if known and near_copies:
        unit += ", joined with near copies"
    if not known:
        unit += " (patient overlap unknown)"
    if kind == "official":
        unit = f"the publisher's split, its leaks kept; unit of what was drawn from it: {unit}"
    if kind == "official_dedup":
        unit += "; test set: the publisher's"
    caution = table.notes.get("results")  # what a reader must know before any figure
    return f"{unit}. Results: {caution}" if caution else unit


def thumbnails(table: ImageTable, image_ids: list[str]) -> dict[str, np.ndarray]:
    """Return the pictures of some images by image_id, each [H, W, C] of the table's dtype."""
    wanted = set(image_ids)
    return {name: table.images[row] for row, name in enumerate(table.image_ids.tolist()) if name in wanted}
