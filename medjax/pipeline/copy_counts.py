"""How many copies there are, in each split, between splits, and with which labels."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from medjax.pipeline import spectra
from medjax.pipeline.duplicates import Duplicates
from medjax.pipeline.table import ImageTable

_A_GROUP = 2  # pairs of one group that are listed
_LARGEST = 10


class CopyCounts:
    """The copies of a table seen through its splits.

    Args:
      table: the images.
      found: their copies.
      splits: row indices by name; {} = no split.
    """

    def __init__(self, table: ImageTable, found: Duplicates, splits: Mapping[str, np.ndarray]):
        self._table, self._found = table, found
        self._splits = {name: np.isin(np.arange(len(table)), rows) for name, rows in splits.items()}

    def overall(self) -> dict[str, Any]:
        """Return the numbers over the whole table."""
        refused = int(self._found.refused.sum())
        return self._inside(np.ones(len(self._table), dtype=bool)) | {"near_links_not_followed": refused}

    def within(self) -> dict[str, dict[str, Any]]:
        """Return the numbers within each split."""
        return {name: self._inside(held) for name, held in self._splits.items()}

    def across(self) -> list[dict[str, Any]]:
        """Return the numbers between any two splits; images are counted on either side."""
        pairs = itertools.combinations(self._splits.items(), 2)
        return [self._between(a, held_a, b, held_b) for (a, held_a), (b, held_b) in pairs]

    def conflicts(self) -> dict[str, int]:
        """Return how many copies have different labels."""
        labels = self._labels_of_copies()
        torn = labels.sum(axis=1) > 1
        either = (labels[self._found.i] | labels[self._found.j]).sum(axis=1) > 1
        return {
            "exact_groups": int(torn.sum()),
            "exact_images": int((torn[self._found.exact] & (self._table.labels >= 0)).sum()),
            "near_links": int(either.sum()),
        }

    def largest(self) -> list[dict[str, Any]]:
        """Return the largest groups of copies, with their classes and splits."""
        firsts, sizes = np.unique(self._found.groups, return_counts=True)
        order = [k for k in np.argsort(-sizes, kind="stable")[:_LARGEST] if sizes[k] > 1]
        return [self._describe(int(firsts[k])) for k in order]

    def worst_pairs(self, limit: int) -> list[dict[str, Any]]:
        """List pairs: across splits first, then those whose labels differ, then the others.

        Args:
          limit: pairs of one kind, across or not, with different labels or not, exact or near; at most 2 of a group.
        """
        found, table = self._found, self._table
        twins = np.flatnonzero(found.exact != np.arange(len(table)))
        i = np.concatenate([found.exact[twins], found.i])
        j = np.concatenate([twins, found.j])
        correlation = np.concatenate([np.ones(len(twins), dtype=np.float32), found.correlation])
        orientation = np.concatenate([np.zeros(len(twins), dtype=np.int8), found.orientation])
        split = self._split_numbers()
        across = (split[i] != split[j]) & (split[i] >= 0) & (split[j] >= 0)
        differ = (table.labels[i] != table.labels[j]) & (table.labels[i] >= 0) & (table.labels[j] >= 0)
        near = np.arange(len(i)) >= len(twins)
        order = np.lexsort((j, i, -correlation, near, ~differ, ~across))
        kinds = 4 * across + 2 * differ + near
        names = [*self._splits, ""]
        listed: list[dict[str, Any]] = []
        of_kind, of_group = Counter[int](), Counter[tuple[int, int]]()
        for k in order.tolist():
            kind, group = int(kinds[k]), int(found.groups[i[k]])
            if of_kind[kind] == limit or of_group[kind, group] == _A_GROUP:
                continue
            of_kind[kind] += 1
            of_group[kind, group] += 1
            listed.append(
                {
                    "image_ids": [str(table.image_ids[row]) for row in (i[k], j[k])],
                    "labels": [self._class_name(row) for row in (i[k], j[k])],
                    "splits": [names[split[row]] for row in (i[k], j[k])],
                    "kind": "near" if near[k] else "exact",
                    "correlation": round(float(correlation[k]), 4),
                    "orientation": spectra.ORIENTATIONS[orientation[k]],
                    "across_splits": bool(across[k]),
                    "labels_differ": bool(differ[k]),
                }
            )
        return listed

    def _inside(self, held: np.ndarray) -> dict[str, Any]:
        exact = np.bincount(self._found.exact[held], minlength=len(held))
        has = exact > 0
        i, j = self._found.i, self._found.j
        links = has[i] & has[j]
        beside = np.zeros(len(held), dtype=bool)
        beside[i[links]] = beside[j[links]] = True
        groups = np.bincount(self._found.groups[held])
        return {
            "images": int(held.sum()),
            "exact_groups": int((exact > 1).sum()),
            "exact_images": int(exact[exact > 1].sum()),
            "exact_surplus": int((exact[exact > 1] - 1).sum()),
            "near_links": int(links.sum()),
            "near_images": int(exact[beside].sum()),
            "groups": int((groups > 1).sum()),
            "images_in_groups": int(groups[groups > 1].sum()),
        }

    def _between(self, a: str, held_a: np.ndarray, b: str, held_b: np.ndarray) -> dict[str, Any]:
        count = len(held_a)
        in_a, in_b = (np.bincount(self._found.exact[held], minlength=count) for held in (held_a, held_b))
        i, j = self._found.i, self._found.j
        near_a, near_b = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)  # linked to an image of a, of b
        for one, other in ((i, j), (j, i)):
            near_a[one[in_a[other] > 0]] = True
            near_b[one[in_b[other] > 0]] = True
        links = ((in_a[i] > 0) & (in_b[j] > 0)) | ((in_b[i] > 0) & (in_a[j] > 0))
        both = (in_a > 0) & (in_b > 0)
        groups_a, groups_b = (np.bincount(self._found.groups[held], minlength=count) > 0 for held in (held_a, held_b))
        return {
            "splits": [a, b],
            "exact_groups": int(both.sum()),
            "exact_images": {a: int(in_a[both].sum()), b: int(in_b[both].sum())},
            "near_links": int(links.sum()),
            "near_images": {a: int(in_a[near_b].sum()), b: int(in_b[near_a].sum())},
            "images": {a: int(in_a[both | near_b].sum()), b: int(in_b[both | near_a].sum())},
            "groups": int((groups_a & groups_b).sum()),
        }

    def _labels_of_copies(self) -> np.ndarray:
        """Return which labels the exact copies of a row have, bool [N, classes]."""
        table = self._table
        labels = np.zeros((len(table), len(table.class_names)), dtype=bool)
        known = table.labels >= 0
        labels[self._found.exact[known], table.labels[known]] = True
        return labels

    def _describe(self, first: int) -> dict[str, Any]:
        members = self._found.groups == first
        classes = np.bincount(self._table.labels[members] + 1, minlength=len(self._table.class_names) + 1)
        named = dict(zip(("unlabelled", *self._table.class_names), classes.tolist(), strict=True))
        return {
            "images": int(members.sum()),
            "first_image": str(self._table.image_ids[first]),
            "classes": {name: count for name, count in named.items() if count},
            "splits": {name: int((held & members).sum()) for name, held in self._splits.items()},
        }

    def _split_numbers(self) -> np.ndarray:
        numbers = np.full(len(self._table), -1)
        for number, held in enumerate(self._splits.values()):
            numbers[held] = number
        return numbers

    def _class_name(self, row: int) -> str:
        label = int(self._table.labels[row])
        return self._table.class_names[label] if label >= 0 else ""
