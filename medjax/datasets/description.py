"""What a dataset is: names, licence, and where its examples come from. Plain Python; builder.py turns it into tfds."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from medjax.datasets.source import Source
from medjax.errors import UserError

Item = TypeVar("Item")


class Example(NamedTuple):
    """One picture as its publisher made it.

    Attributes:
      image_id: unique in the dataset; for a file its path below the folder of the classes.
      image: the file's bytes, still encoded, or pixels the reader made, as .npy (see decode.py); empty where
        `read_error` or `left_out` says why.
      label: index into the class names, −1 where it is missing.
      group_id: patient or study, "" where unknown.
      read_error: why the bytes could not be read, "" where they could.
      left_out: why this is rightly no image of the dataset (a structured report, a target without a coordinate), ""
        where it is one. Left out is no error: it is counted, and its label and columns are kept.
      columns: further JSON values (numbers, strings) to keep beside the image; the same keys in every example.
    """

    image_id: str
    image: bytes
    label: int
    group_id: str = ""
    read_error: str = ""
    left_out: str = ""
    columns: Mapping[str, Any] = {}


class Split(NamedTuple):
    """The examples of one split as published; how many there are is known before they are read."""

    size: int
    examples: Iterable[Example]


def by_split(
    items: Iterable[Item], split_of: Callable[[Item], str], examples: Callable[[list[Item]], Iterable[Example]]
) -> dict[str, Split]:
    """Gather what lies in each of "train", "val" and "test"; a split without anything is not named.

    Args:
      items: one an example.
      split_of: its split.
      examples: those of the items of one split.
    """
    held: dict[str, list[Item]] = {"train": [], "val": [], "test": []}
    for item in items:
        held[split_of(item)].append(item)
    return {split: Split(len(some), examples(some)) for split, some in held.items() if some}


def _unconfigured(_: Source | None) -> Mapping[str, Split]:
    raise TypeError("this dataset is known only with a source; see Dataset.configured")


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
      configure: where class names or examples follow from the files or from what the user says of them: (opened
        source, the options of `config.data.options`) -> the Dataset with its `class_names`, `splits` and `notes`.
      options: those it was configured with; part of every table's fingerprint.
      notes: JSON values to be kept with the table, such as the intensity policy.
      ordered: the classes are degrees, lowest first.
      own: the user's own files; they have no publisher, and nothing is searched for or stands in for them.
      stand_in: the synthetic dataset a DEMO trains on where this one is not on disk, "" where none looks like it.
      manifests: suffixes of a file that may be given for the folder it lies in, such as ".csv".
      lesion_mask: of a synthetic dataset, image_id -> bool [h, w], where in the picture its lesion is.
    """

    name: str
    version: str
    class_names: tuple[str, ...]
    description: str
    homepage: str
    license: str
    citation: str
    splits: Callable[[Source | None], Mapping[str, Split]] = _unconfigured
    kaggle: str = ""
    synthetic: bool = False
    configure: Callable[..., Dataset] | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ordered: bool = False
    own: bool = False
    stand_in: str = ""
    manifests: tuple[str, ...] = ()
    lesion_mask: Callable[[str], np.ndarray] | None = None

    def configured(self, source: Source | None, options: Mapping[str, Any]) -> Dataset:
        """Return the dataset as it is in `source` under the user's `options`.

        Raises:
          UserError: an option it does not have, or a value it does not allow.
        """
        if self.configure is None:
            if options:
                raise UserError(f"dataset {self.name!r} has no options; drop {', '.join(sorted(options))}")
            return self
        allowed = list(inspect.signature(self.configure).parameters)[1:]
        unknown = sorted(set(options) - set(allowed))
        if unknown:
            raise UserError(f"dataset {self.name!r} has no option {unknown[0]!r}; its options are {', '.join(allowed)}")
        return dataclasses.replace(self.configure(source, **options), options=dict(options))
