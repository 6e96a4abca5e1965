"""Datasets laid out as one folder a class, at any depth below the root."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from medjax.datasets.description import Dataset, Example, Split
from medjax.datasets.source import ReadError, Source
from medjax.errors import UserError

log = logging.getLogger("medjax")


def class_folder_dataset(*, name: str, class_names: tuple[str, ...], **facts: Any) -> Dataset:
    """Describe a dataset whose classes are folders named `class_names`; `facts` are the other fields of Dataset."""
    return Dataset(name=name, class_names=class_names, splits=functools.partial(_splits, class_names), **facts)


def find_class_folders(source: Source, class_names: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """Find the one folder that holds a folder for every class, at any depth; upper and lower case are the same.

    Returns:
      The parent ("" is the root) and the folder of each class, relative to the root, in the order of `class_names`.

    Raises:
      UserError: no folder, or more than one, holds them all; or a class has no file.
    """
    wanted = {name.casefold(): name for name in class_names}
    parents: dict[str, dict[str, str]] = {}
    for folder in source.folders:
        parent, _, last = folder.rpartition("/")
        if last.casefold() in wanted:
            parents.setdefault(parent, {})[wanted[last.casefold()]] = folder
    complete = sorted(parent for parent, classes in parents.items() if len(classes) == len(class_names))
    if not complete:
        raise UserError(f"{source.path} does not hold {_expected(class_names)}; {_seen(source, parents)}")
    if len(complete) > 1:
        places = " and ".join(repr(parent or ".") for parent in complete[:3])
        raise UserError(
            f"{source.path} holds {_expected(class_names)} more than once, in {places}; "
            "give the path of the one to use, or remove the copy"
        )
    return complete[0], {name: parents[complete[0]][name] for name in class_names}


def _splits(class_names: tuple[str, ...], source: Source | None) -> Mapping[str, Split]:
    if source is None:
        raise TypeError("a dataset of class folders needs a source")
    parent, folders = find_class_folders(source, class_names)
    files = {name: [file for file in source.files if file.startswith(folder + "/")] for name, folder in folders.items()}
    empty = [folders[name] for name in class_names if not files[name]]
    if empty:
        raise UserError(
            f"the class folder {empty[0]!r} of {source.path} is empty; put its images back, or download the set again"
        )
    prefix = f"{parent}/" if parent else ""
    beside = {f.removeprefix(prefix).split("/")[0] for f in source.files if f.startswith(prefix)}
    ignored = sorted(beside - {folder.removeprefix(prefix) for folder in folders.values()})
    if ignored:
        log.warning("%s: beside the class folders and not used: %s", source.path, ", ".join(ignored[:10]))
    return {"train": Split(sum(map(len, files.values())), _examples(source, prefix, list(files.values())))}


def _examples(source: Source, prefix: str, files: list[list[str]]) -> Iterator[Example]:
    """Yield every file of every class folder: one that is no picture is to be reported, not passed over."""
    for label, names in enumerate(files):
        for name in names:
            image_id = _as_text(name.removeprefix(prefix))
            try:
                yield Example(image_id, source.read(name), label)
            except ReadError as error:
                yield Example(image_id, b"", label, read_error=str(error))


def _as_text(name: str) -> str:
    """Return a file name as valid Unicode; Linux allows any bytes in one."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _expected(class_names: tuple[str, ...]) -> str:
    return "the class folders " + ", ".join(class_names)


def _seen(source: Source, parents: dict[str, dict[str, str]]) -> str:
    """Say what was found instead, and what to do."""
    advice = "give the folder or .zip that holds all of them, at any depth"
    if parents:
        most = max(parents.values(), key=len)
        return f"found only {', '.join(sorted(most))}; {advice}"
    zips = [name for name in source.files if name.lower().endswith(".zip")]
    if zips:
        return f"it holds an archive, {zips[0]!r}; give the path of that .zip"
    folders = [folder for folder in source.folders if folder]
    if not folders:
        return f"it holds {len(source.files)} files and no folders; {advice}"
    shallow = sorted(folders, key=lambda folder: (folder.count("/"), folder))[:10]
    more = f" and {len(folders) - 10} more" if len(folders) > 10 else ""
    return f"found the folders {', '.join(map(repr, shallow))}{more}; {advice}"
