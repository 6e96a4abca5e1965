"""What may not be torn apart by a split: images of one patient or study, and copies of one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medjax.counted import counted
from medjax.pipeline.duplicates import Duplicates
from medjax.pipeline.table import ImageTable


def groups(table: ImageTable, found: Duplicates) -> np.ndarray:
    """Return the group of every image: the union of patient (or study) and copies.

    Two patients of whom a picture is the same are one group.

    Returns:
      str [N], "group-" and the lowest row of the group; a name that says nothing of a patient or a file.
    """
    count = len(table)
    patients, patient = np.unique(table.group_ids, return_inverse=True)
    known = np.flatnonzero(table.group_ids != "")
    # Nodes: images, then patients. An image is tied to its patient and to the first image of its copies.
    ends = np.concatenate([np.arange(count), known]), np.concatenate([found.groups, count + patient[known]])
    size = count + len(patients)
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(size, size))
    component = connected_components(graph, directed=False)[1][:count]
    _, first, back = np.unique(component, return_index=True, return_inverse=True)
    return np.array([f"group-{row:06d}" for row in first.tolist()], dtype=np.str_)[back]


def obstacles(
    labels: np.ndarray, names: np.ndarray, class_names: Sequence[str], fractions: Mapping[str, float]
) -> list[str]:
    """Say where whole groups cannot give the fractions asked for.

    Args:
      labels: int [N], −1 = missing.
      names: str [N], the group of each image.
      class_names: in the order of the labels.
      fractions: share of the labelled images for each split but "train", which gets the rest.

    Returns:
      Sentences; none where nothing stands in the way.
    """
    shares = [share for share in (1 - sum(fractions.values()), *fractions.values()) if share > 0]
    sentences = []
    for label, name in enumerate(class_names):
        held = names[labels == label]
        if not held.size:
            continue
        sizes = np.unique(held, return_counts=True)[1]
        if len(sizes) < len(shares):
            sentences.append(
                f"class {name!r} consists of {counted(len(sizes), 'group')}, too few to be in each of "
                f"{len(shares)} splits"
            )
        elif sizes.max() > np.ceil(max(shares) * held.size):
            sentences.append(
                f"one group holds {sizes.max():,} of the {held.size:,} images of class {name!r}, more than the largest "
                f"split's share ({max(shares):.0%}): the fractions asked for cannot be kept"
            )
    return sentences
