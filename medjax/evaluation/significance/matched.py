"""Prediction tables of the same test images, brought into one order, and whether they can bear a test."""

from collections.abc import Sequence

import numpy as np

from medjax.counted import counted
from medjax.errors import UserError
from medjax.evaluation.labelled import Labelled
from medjax.evaluation.predictions import Predictions
from medjax.evaluation.uncertainty import MIN_GROUPS


def matched(tables: Sequence[Predictions], ordered: bool) -> list[Labelled]:
    """Return the labelled images of each table, sorted by image_id, so that the order of the rows does not matter.

    Raises:
        UserError: the tables differ in classes, images, labels or groups; it counts how many differ.
    """
    for table in tables[1:]:
        _check_same(tables[0], table)
    return [Labelled.of(_sorted(table), ordered) for table in tables]


def not_estimable(images: Labelled, difference: float, ranked: Sequence[int] = ()) -> str | None:
    """Say why a test set bears neither interval nor test; None where it does.

    Args:
        difference: as found; NaN where a metric is undefined.
        ranked: classes whose AUROC is compared; each, and all others, must be held by enough groups.
    """
    if np.isnan(difference):
        return "not estimable: the value itself is undefined"
    if images.num_groups < MIN_GROUPS:
        return f"not estimable: {counted(images.num_groups, 'group')}; {MIN_GROUPS} are needed"
    for k in ranked:
        positive = images.labels == k
        holding = [int((images.of_groups(side) > 0).sum()) for side in (positive, ~positive)]
        if min(holding) < MIN_GROUPS:
            name = repr(images.class_names[k])
            return (
                f"not estimable: {holding[0]} groups hold class {name} and {holding[1]} hold others; "
                f"{MIN_GROUPS} of each are needed"
            )
    return None


def single_images(images: Labelled) -> bool:
    """Return whether every group is one image."""
    return images.num_groups == len(images)


def _check_same(first: Predictions, second: Predictions) -> None:
    refused = "the predictions are not of the same test set: "
    needed = "; only models judged on the same images can be compared"
    if first.class_names != second.class_names:
        raise UserError(f"{refused}classes {list(first.class_names)} and {list(second.class_names)}{needed}")
    ids, others = set(first.image_ids), set(second.image_ids)
    if ids != others:
        raise UserError(
            f"{refused}of {len(ids):,} and {len(others):,} images, {len(ids - others):,} are only in the first and "
            f"{len(others - ids):,} only in the second{needed}"
        )
    one, other = _sorted(first), _sorted(second)
    if differing := int((one.labels != other.labels).sum()):
        raise UserError(f"{refused}{differing:,} of {len(ids):,} images have another label{needed}")
    pairs = zip(one.group_ids, other.group_ids, strict=True)
    if differing := sum(group != other_group for group, other_group in pairs):
        raise UserError(f"{refused}{differing:,} of {len(ids):,} images have another group_id{needed}")


def _sorted(table: Predictions) -> Predictions:
    return table.part(sorted(range(len(table)), key=table.image_ids.__getitem__))
