"""What a dataset is: names, licence, and where its examples come from. Plain Python; builder.py turns it into tfds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from medjax.datasets.source import Source


class Example(NamedTuple):
    """One picture as its publisher made it.

    Attributes:
      image_id: unique in the dataset; for a file its path below the folder of the classes.
      image: the file's bytes, still encoded; empty where `read_error` says why.
      label: index into the class names, −1 where it is missing.
      group_id: patient or study, "" where unknown.
      read_error: why the bytes could not be read, "" where they could.
      columns: further JSON values (numbers, strings) to keep beside the image; the same keys in every example.
    """

    image_id: str
    image: bytes
    label: int
    group_id: str = ""
    read_error: str = ""
    columns: Mapping[str, Any] = {}


class Split(NamedTuple):
    """The examples of one split as published; how many there are is known before they are read."""

    size: int
    examples: Iterable[Example]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A dataset: its facts, and a function that reads it.

    Attributes:
      name: snake_case; also the name of the tfds builder.
      version: of what `splits` yields, "1.0.0"; a new one rebuilds every table made from it.
      class_names: in the order of the labels.
      splits: opened source -> the publisher's splits ("train" alone where there are none).
      kaggle: owner/dataset on Kaggle, "" where it cannot be downloaded.
      synthetic: made by the program; `splits` is then given None.
    """

    name: str
    version: str
    class_names: tuple[str, ...]
    description: str
    homepage: str
    license: str
    citation: str
    splits: Callable[[Source | None], Mapping[str, Split]]
    kaggle: str = ""
    synthetic: bool = False
