"""Where the classes and the splits of a user's own folder are: root/class/… or root/{train,val,test}/class/…."""

from __future__ import annotations

from typing import NamedTuple

from medjax.datasets.class_folders import as_text
from medjax.datasets.source import Source, ZipSource
from medjax.errors import UserError

SPLIT_NAMES = {
    **{"train": "train", "training": "train"},
    **{"val": "val", "valid": "val", "validation": "val"},
    **{"test": "test", "testing": "test"},
}
_ADVICE = "give the folder in which each class has a folder of its own, root/class/image or root/train/class/image"


class Place(NamedTuple):
    """Where one file lies.

    Attributes:
      name: in the source.
      path: below the root of the classes or splits.
      split: "train", "val" or "test"; "" where there are no split folders.
      class_name: the name of the class folder.
      inner: path below the class folder.
    """

    name: str
    path: str
    split: str
    class_name: str
    inner: str


class Layout(NamedTuple):
    """What lies where.

    Attributes:
      places: of all files in class folders, by name.
      outside: names of the files in none.
      class_folders: (split, class name) of every class folder, of empty ones too.
    """

    places: tuple[Place, ...]
    outside: tuple[str, ...]
    class_folders: tuple[tuple[str, str], ...]


def find_layout(source: Source) -> Layout:
    """Find the class folders of a source, and the split folders above them where there are such.

    In a .zip, folders that hold nothing but the next folder are passed through; of a folder the user can give the
    right path, and one that holds a single class should not have its patients taken for classes.

    Raises:
      UserError: no folders, split folders beside others, or one split under two names.
    """
    children: dict[str, list[str]] = {}
    for folder in source.folders:
        if folder:
            children.setdefault(folder.rpartition("/")[0], []).append(folder)
    root = _root(source, children) if isinstance(source, ZipSource) else ""
    top = children.get(root, [])
    if not top:
        raise UserError(f"{source.path} holds {len(source.files)} files and no class folder; {_ADVICE}")
    splits = _split_folders(source, top)
    if not splits:
        class_of = {folder: ("", _last(folder)) for folder in top}
    else:
        class_of = {f: (split, _last(f)) for folder, split in splits.items() for f in children.get(folder, [])}
        bare = [_last(folder) for folder in splits if not children.get(folder)]
        if bare:
            raise UserError(f"the folder {bare[0]!r} of {source.path} holds no class folder; {_ADVICE}")
    return _sort_files(source, root, class_of)


def _sort_files(source: Source, root: str, class_of: dict[str, tuple[str, str]]) -> Layout:
    prefix = f"{root}/" if root else ""
    depth = next(iter(class_of)).count("/") + 1  # of every class folder
    places, outside = [], []
    for name in source.files:
        parts = name.split("/")
        folder = "/".join(parts[:depth])
        if len(parts) > depth and folder in class_of:
            split, class_name = class_of[folder]
            places.append(Place(name, name.removeprefix(prefix), split, class_name, "/".join(parts[depth:])))
        else:
            outside.append(name)
    return Layout(tuple(places), tuple(outside), tuple(class_of.values()))


def _root(source: Source, children: dict[str, list[str]]) -> str:
    """Go down while there is one folder, and it holds folders."""
    root = ""
    while len(children.get(root, [])) == 1:
        only = children[root][0]
        if only not in children or _last(only).casefold() in SPLIT_NAMES:
            break
        root = only
    return root


def _split_folders(source: Source, top: list[str]) -> dict[str, str]:
    """Return the split of each folder that is named like one; {} where none is."""
    splits = {
        folder: SPLIT_NAMES[_last(folder).casefold()] for folder in top if _last(folder).casefold() in SPLIT_NAMES
    }
    if not splits:
        return {}
    others = [f for f in top if f not in splits and any(name.startswith(f + "/") for name in source.files)]
    if others:
        raise UserError(
            f"{source.path} holds {_last(next(iter(splits)))!r} beside {_last(others[0])!r}: either all folders are "
            "splits (train, val, test) with the classes in them, or all are classes; move or rename one"
        )
    if len(set(splits.values())) < len(splits):
        names = ", ".join(sorted(map(_last, splits)))
        raise UserError(f"{source.path} holds {names}: one split under two names; rename or merge them")
    return splits


def _last(folder: str) -> str:
    return as_text(folder.rpartition("/")[2])
