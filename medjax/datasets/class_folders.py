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


def class_folder_dataset(
    *, name: str, class_names: tuple[str, ...], split_folders: Mapping[str, str] | None = None, **facts: Any
) -> Dataset:
    """Describe a dataset whose classes are folders named `class_names`; `facts` are the other fields of Dataset.

    `split_folders` gives the folder of each official split, {"train": "Training", …}; None where there are none.
    """
    read = functools.partial(class_folder_splits, class_names, split_folders or {})
    return Dataset(name=name, class_names=class_names, splits=read, **facts)


def find_folders(
    source: Source, names: tuple[str, ...], *, kind: str = "class", below: str = ""
) -> tuple[str, dict[str, str]]:
    """Find the one folder that holds a folder for every name, at any depth; upper and lower case are the same.

    Args:
      source: where to look.
      names: of the folders.
      kind: what they are, for messages.
      below: look in this folder only; "" is the root.

    Returns:
      The parent ("" is the root) and the folder of each name, relative to the root, in the order of `names`.

    Raises:
      UserError: no folder, or more than one, holds them all.
    """
    wanted = {name.casefold(): name for name in names}
    parents: dict[str, dict[str, str]] = {}
    for folder in source.folders:
        parent, _, last = folder.rpartition("/")
        if last.casefold() in wanted and (not below or folder.startswith(below + "/")):
            parents.setdefault(parent, {})[wanted[last.casefold()]] = folder
    complete = sorted(parent for parent, found in parents.items() if len(found) == len(names))
    expected = f"the {kind} folders " + ", ".join(names)
    place = f"{source.path}, folder {below!r}," if below else str(source.path)
    if not complete:
        raise UserError(f"{place} does not hold {expected}; {_seen(source, parents)}")
    if len(complete) > 1:
        places = " and ".join(repr(parent or ".") for parent in complete[:3])
        raise UserError(
            f"{place} holds {expected} more than once, in {places}; give the path of the one to use, or remove the copy"
        )
    return complete[0], {name: parents[complete[0]][name] for name in names}


def class_folder_splits(
    class_names: tuple[str, ...], split_folders: Mapping[str, str], source: Source | None
) -> Mapping[str, Split]:
    """Return the splits of a source of class folders; "train" alone where `split_folders` names none.

    Raises:
      UserError: a folder is missing, there twice, or empty.
    """
    if source is None:
        raise TypeError("a dataset of class folders needs a source")
    if not split_folders:
        parent, folders = find_folders(source, class_names)
        _warn_of_others(source, parent, folders, "class")
        return {"train": _split(source, parent, folders)}
    parent, parts = find_folders(source, tuple(split_folders.values()), kind="split")
    _warn_of_others(source, parent, parts, "split")
    splits = {}
    for name, folder in split_folders.items():
        inner, folders = find_folders(source, class_names, below=parts[folder])
        _warn_of_others(source, inner, folders, "class")
        splits[name] = _split(source, parent, folders)
    return splits


def _split(source: Source, parent: str, folders: Mapping[str, str]) -> Split:
    """Return every file of the class folders; the ids are paths below `parent`."""
    files = [[file for file in source.files if file.startswith(folder + "/")] for folder in folders.values()]
    for folder, names in zip(folders.values(), files, strict=True):
        if not names:
            raise UserError(
                f"the class folder {folder!r} of {source.path} is empty; put its images back, or download the set again"
            )
    return Split(sum(map(len, files)), _examples(source, f"{parent}/" if parent else "", files))


def _warn_of_others(source: Source, parent: str, folders: Mapping[str, str], kind: str) -> None:
    prefix = f"{parent}/" if parent else ""
    beside = {f.removeprefix(prefix).split("/")[0] for f in source.files if f.startswith(prefix)}
    ignored = sorted(beside - {folder.removeprefix(prefix) for folder in folders.values()})
    if ignored:
        log.warning("%s: beside the %s folders and not used: %s", source.path, kind, ", ".join(ignored[:10]))


def _examples(source: Source, prefix: str, files: list[list[str]]) -> Iterator[Example]:
    """Yield every file of every class folder: one that is no picture is to be reported, not passed over."""
    for label, names in enumerate(files):
        for name in names:
            image_id = as_text(name.removeprefix(prefix))
            try:
                yield Example(image_id, source.read(name), label)
            except ReadError as error:
                yield Example(image_id, b"", label, read_error=str(error))


def as_text(name: str) -> str:
    """Return a file name as valid Unicode; Linux allows any bytes in one."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


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
