"""What a reviewer would ask of a table before believing a number measured on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from medjax.counted import counted
from medjax.pipeline.association import cross_tabulate, file_facts
from medjax.pipeline.copy_counts import CopyCounts
from medjax.pipeline.duplicate_file import duplicates_of
from medjax.pipeline.duplicates import Duplicates
from medjax.pipeline.grouping import groups, obstacles
from medjax.pipeline.table import ImageTable

VERSION = 1
_PAIRS = 12  # of each kind, listed and shown on the page
_LARGE = 0.05  # share of a class in one group of copies that is worth a warning


def audit(
    table: ImageTable,
    splits: Mapping[str, np.ndarray] | None = None,
    *,
    found: Duplicates | None = None,
    fractions: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Audit a table and, where there is one, its split.

    Args:
      table: the images.
      splits: row indices by name; None = not split yet.
      found: the copies in the table; None to search them, or to read what an earlier search left.
      fractions: asked for, as of make_splits; to say where whole groups cannot give them.

    Returns:
      JSON: "flow" (found → readable → kept → labelled → used), "classes", "copies", "facts", "skipped", "left_out",
      "grouping" and "warnings", sentences with the gravest first. It names images by image_id only.
    """
    found = duplicates_of(table) if found is None else found
    splits = splits or {}
    facts = [cross_tabulate(name, v, table.labels, table.class_names) for name, v in file_facts(table).items()]
    copies = _copies(CopyCounts(table, found, splits))
    grouping = _grouping(table, found, fractions or {})
    return {
        "version": VERSION,
        "dataset": table.name,
        "demo": table.synthetic,
        "content_hash": table.content_hash,
        "image_shape": list(table.images.shape[1:]),
        "notes": table.notes,
        "warnings": _warnings(copies, grouping, facts, table),
        "flow": _flow(table, splits),
        "classes": _classes(table, splits),
        "copies": copies,
        "grouping": grouping,
        "facts": facts,
        "skipped": [{"image_id": image_id, "reason": reason} for image_id, reason in table.skipped],
        "left_out": dict(Counter(str(row["reason"]) for row in table.left_out).most_common()),
    }


def _copies(counts: CopyCounts) -> dict[str, Any]:
    return {
        "overall": counts.overall(),
        "within_splits": counts.within(),
        "across_splits": counts.across(),
        "conflicting_labels": counts.conflicts(),
        "largest_groups": counts.largest(),
        "worst_pairs": counts.worst_pairs(_PAIRS),
    }


def _flow(table: ImageTable, splits: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count what is left after each step."""
    labelled = int((table.labels >= 0).sum())
    readable = len(table) + len(table.left_out)
    return {
        "found": readable + len(table.skipped),
        "readable": readable,
        "kept": len(table),
        "labelled": labelled,
        "used": sum(map(len, splits.values())) if splits else labelled,
    }


def _classes(table: ImageTable, splits: Mapping[str, np.ndarray]) -> dict[str, dict[str, int]]:
    """Count the images of each class, in all and by split; "" are those without a label."""
    rows = {"all": np.arange(len(table)), **splits}
    names = dict(enumerate(table.class_names))
    if (table.labels < 0).any():
        names[-1] = ""
    return {
        name: {split: int((table.labels[held] == label).sum()) for split, held in rows.items()}
        for label, name in names.items()
    }


def _grouping(table: ImageTable, found: Duplicates, fractions: Mapping[str, float]) -> dict[str, Any]:
    """Say what a group-disjoint split has to work with."""
    names = groups(table, found)
    sizes = np.unique(names, return_counts=True)[1]
    known = table.group_ids != ""
    return {
        "groups": len(sizes),
        "largest": int(sizes.max()),
        "images_with_patient": int(known.sum()),
        "patients": len(set(table.group_ids[known].tolist())),
        "obstacles": obstacles(table.labels, names, table.class_names, fractions),
    }


def _warnings(
    copies: Mapping[str, Any], grouping: Mapping[str, Any], facts: list[dict[str, Any]], table: ImageTable
) -> list[str]:
    sentences = []
    for pair in copies["across_splits"]:
        (a, b), images = pair["splits"], pair["images"]
        if images[b]:
            exact, near = pair["exact_images"][b], pair["near_images"][b]
            how = [f"{exact:,} as exact copies in {counted(pair['exact_groups'], 'group')}"] if exact else []
            how += [f"{near:,} as near ones" if exact else f"{near:,} as near copies"] if near else []
            sentences.append(
                f"{counted(images[b], 'image')} of {b} can be found among the images of {a}: {', '.join(how)}; "
                f"figures measured on {b} are too good"
            )
    conflicts = copies["conflicting_labels"]
    if conflicts["exact_groups"] or conflicts["near_links"]:
        groups_and_pairs = [
            counted(conflicts["exact_groups"], "group") + " of exact copies" if conflicts["exact_groups"] else "",
            counted(conflicts["near_links"], "pair") + " of near copies" if conflicts["near_links"] else "",
        ]
        sentences.append(
            f"copies have different labels: {' and '.join(filter(None, groups_and_pairs))}; look at them and correct "
            "the labels"
        )
    sentences += grouping["obstacles"]
    sentences += [fact["warning"] for fact in facts if fact["warning"]]
    for group in copies["largest_groups"]:
        for name, count in group["classes"].items():
            size = int((table.labels == table.class_names.index(name)).sum()) if name in table.class_names else 0
            if size and count > max(2, _LARGE * size):
                sentences.append(
                    f"{count:,} of the {size:,} images of class {name!r} are copies of one another, from "
                    f"{group['first_image']} on"
                )
    refused = copies["overall"]["near_links_not_followed"]
    if refused:
        sentences.append(
            f"{counted(refused, 'pair')} of near copies kept in two groups, since a chain of likenesses led too far "
            "from one picture; a split may part them"
        )
    if table.skipped:
        was = "was" if len(table.skipped) == 1 else "were"
        sentences.append(f"{counted(len(table.skipped), 'file')} could not be read and {was} left out")
    return sentences
