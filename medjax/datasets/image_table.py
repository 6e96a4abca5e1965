"""image_table: a user's own images, named with their labels in a CSV or Parquet file."""

from __future__ import annotations

import dataclasses
import functools
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from medjax.counted import counted
from medjax.datasets.class_order import order_classes
from medjax.datasets.description import Dataset, Example, Split, by_split
from medjax.datasets.folder_layout import SPLIT_NAMES
from medjax.datasets.manifest import find_manifest, read_columns
from medjax.datasets.naming import Naming
from medjax.datasets.pictures import Pictures
from medjax.datasets.source import MANIFESTS, Source
from medjax.errors import UserError

_RESERVED = ("image_id", "group_id", "label", "official_split", "split", "fold", "reason")


class _Row(NamedTuple):
    name: str  # in the source, whether it is there or not
    path: str  # as the id is made of it: below the folder of the manifest or `root`
    label: str
    group: str
    split: str
    kept: dict[str, str]


def configure(
    source: Source | None,
    *,
    image_column: str = "image",
    label_column: str = "label",
    group_column: str = "",
    split_column: str = "",
    keep_columns: Sequence[str] = (),
    root: str = "",
    positive_class: str = "",
    ordered: Sequence[str] = (),
    ids: str = "hashed",
    intensity: str = "auto",
    window: Sequence[float] = (),
    frame: int = 0,
) -> Dataset:
    """Return the dataset that a manifest describes.

    Args:
      source: the opened folder or .zip that holds the manifest, or the manifest itself.
      image_column: paths of the images.
      label_column: names of the classes; an empty cell is a missing label.
      group_column: what images of one patient have in common; "" where it is unknown.
      split_column: train, val or test; "" where there is none.
      keep_columns: further columns to keep beside the image, as text; they reach the prediction tables.
      root: the folder that the paths start from, below that of the manifest.
      positive_class, ordered, ids, intensity, window, frame: as in image_folder.py.

    Raises:
      UserError: an option or a cell that is not allowed; rows are counted from 1, without the header.
    """
    if source is None:
        raise TypeError("image_table needs a source")
    naming = Naming(ids)
    _check_columns(image_column, label_column, group_column, split_column, keep_columns)
    manifest = find_manifest(source)
    chosen = [image_column, label_column, group_column, split_column, *keep_columns]
    columns = read_columns(source, manifest, [column for column in chosen if column])
    rows = _rows(columns, image_column, label_column, group_column, split_column, keep_columns)
    rows = _placed(rows, posixpath.join(posixpath.dirname(manifest), root))
    there = {row.name for row in rows} & set(source.files)
    if not there:
        raise UserError(
            f"none of the {len(rows)} images that the manifest of {source.path} names is there; their paths start from "
            f"the folder of the manifest, or from --config.data.options.root below it (now {root!r})"
        )
    pictures = Pictures(source, sorted(there), intensity=intensity, window=window, frame=frame)
    class_names = order_classes(
        {row.label for row in rows if row.label}, ordered=ordered, positive_class=positive_class
    )
    notes = {
        "group_from": "column" if group_column else "",
        "positive_class": positive_class,
        "missing_files": len(rows) - len(there),
        "missing_labels": sum(not row.label for row in rows),
    }
    notes = {**notes, **naming.notes, **pictures.notes}
    return dataclasses.replace(
        DATASET,
        class_names=class_names,
        splits=functools.partial(_splits, rows, there, class_names, pictures, naming),
        notes=notes,
        ordered=bool(ordered),
    )


def _splits(
    rows: Sequence[_Row],
    there: set[str],
    class_names: Sequence[str],
    pictures: Pictures,
    naming: Naming,
    _: Source | None,
) -> Mapping[str, Split]:
    return by_split(rows, lambda row: row.split, lambda held: _examples(held, there, class_names, pictures, naming))


def _check_columns(image: str, label: str, group: str, split: str, keep: Sequence[str]) -> None:
    if isinstance(keep, str):
        raise UserError(f"keep_columns is {keep!r}; write a list of names: ('{keep}',)")
    for option, value in (("image_column", image), ("label_column", label)):
        if not value:
            raise UserError(f"{option} is ''; give the name of the column")
    if len({image, label}) < 2 or (split and split in (image, label, group)) or (group and group == label):
        raise UserError(
            f"image_column {image!r}, label_column {label!r}, group_column {group!r} and split_column {split!r} must "
            "be different columns"
        )
    for column in keep:
        if column in (*_RESERVED, "", image, label, group) or column.startswith(("source_", "prob_")):
            raise UserError(
                f"keep_columns names {column!r}, which names the image, its group or its label, or is one of "
                "medjax's own names; leave it out, or rename it in the manifest"
            )


def _rows(
    columns: Mapping[str, list[str]], image: str, label: str, group: str, split: str, keep: Sequence[str]
) -> list[_Row]:
    count = len(columns[image])
    labels = _without_nan(columns[label])
    _refuse_lists(label, labels)
    groups = _without_nan(columns[group]) if group else [""] * count
    splits = _split_names(split, columns[split]) if split else ["train"] * count
    kept = [{column: columns[column][i] for column in keep} for i in range(count)]
    return [_Row(*row) for row in zip(columns[image], columns[image], labels, groups, splits, kept, strict=True)]


def _without_nan(values: list[str]) -> list[str]:
    """Return "" for "nan", as programs write a missing value: it must become neither a class nor a group."""
    return ["" if value.casefold() == "nan" else value for value in values]


def _refuse_lists(column: str, labels: list[str]) -> None:
    """Refuse several labels in one cell: those between |, in brackets, or joined from labels that stand alone too."""
    known = set(labels)
    for number, text in enumerate(labels, 1):
        parts = [part.strip() for sign in ";," if sign in text for part in text.split(sign)]
        if "|" in text or text[:1] in ("[", "{") or (parts and all(part in known for part in parts)):
            raise UserError(
                f"column {column!r} holds several labels in row {number}, {text[:80]!r}; medjax takes one label an "
                "image: make one column for each finding and train one model on each"
            )


def _split_names(column: str, values: list[str]) -> list[str]:
    unknown = Counter(value for value in values if value.casefold() not in SPLIT_NAMES)
    if unknown:
        value, count = unknown.most_common(1)[0]
        raise UserError(f"column {column!r} holds {value!r} in {count} rows; allowed are {', '.join(SPLIT_NAMES)}")
    return [SPLIT_NAMES[value.casefold()] for value in values]


def _placed(rows: Sequence[_Row], root: str) -> list[_Row]:
    """Return the rows with the names that their images have in the source."""
    root = posixpath.normpath(root.replace("\\", "/")) if root else "."
    if _leaves(root):
        raise UserError(f"root is {root!r}; it must be a folder below that of the manifest")
    paths = [posixpath.normpath(row.path.replace("\\", "/")) if row.path else "" for row in rows]
    _refuse(paths, lambda path: not path, "without an image", "give a path, or drop the row")
    _refuse(paths, _leaves, "with a path that is absolute or leaves the folder", "write paths relative to it")
    counts = Counter(paths)
    _refuse(paths, lambda path: counts[path] > 1, "with an image that another row names too", "keep one row an image")
    return [
        row._replace(name=posixpath.normpath(posixpath.join(root, path)), path=path)
        for row, path in zip(rows, paths, strict=True)
    ]


def _leaves(path: str) -> bool:
    return path.startswith("/") or path[1:2] == ":" or path.split("/")[0] == ".."


def _refuse(paths: Sequence[str], wrong: Callable[[str], bool], what: str, advice: str) -> None:
    numbers = [number for number, path in enumerate(paths, 1) if wrong(path)]
    if numbers:
        more = " …" if len(numbers) > 5 else ""
        raise UserError(
            f"{counted(len(numbers), 'row')} of the manifest {what} (row {', '.join(map(str, numbers[:5]))}{more}); "
            f"{advice}"
        )


def _examples(
    rows: Sequence[_Row],
    there: set[str],
    class_names: Sequence[str],
    pictures: Pictures,
    naming: Naming,
) -> Iterator[Example]:
    label_of = {"": -1} | {name: label for label, name in enumerate(class_names)}
    for row in rows:
        image_id, label, group_id = naming.image(row.path), label_of[row.label], naming.group(row.group)
        if row.name in there:
            yield pictures.example(row.name, image_id, label, group_id, row.kept)
        else:
            yield pictures.missing(image_id, label, group_id, row.kept)


DATASET = Dataset(
    name="image_table",
    version="1.0.0",
    class_names=(),
    description="The user's own images, named with their labels in a CSV or Parquet file.",
    homepage="",
    license="the user's own data",
    citation="",
    configure=configure,
    own=True,
    manifests=MANIFESTS,
)
