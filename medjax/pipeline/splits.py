"""Splits: stratified, group-disjoint, a pure function of (labels, groups, fractions, seed)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from medjax.counted import counted
from medjax.errors import UserError


def make_splits(
    labels: np.ndarray,
    group_ids: np.ndarray,
    *,
    fractions: Mapping[str, float],
    seed: int,
    class_names: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Divide images into "train" and the named splits.

    Sizes come from largest remainders within the classes, so without groups they are exact: 900 images of three equal
    classes and test = 0.2 give 60 of each class. Groups are placed largest first, each where its images bring the
    splits closest to those sizes. Images without a label (−1) can neither be learnt from nor judged: they are in no
    split.

    The order comes from the raw 64-bit stream of PCG64(seed), which NumPy keeps the same for ever (it does not promise
    that for Generator.permutation), so a seed means the same split on every machine.

    Args:
      labels: int [N], −1 = missing.
      group_ids: str [N]; images with the same id stay together, "" stands for a group of its own.
      fractions: share of the labelled images for each split; "train" gets the rest.
      seed: of the random order, ≥ 0.
      class_names: for messages.

    Returns:
      Row indices, int64, sorted, for "train" and then for each name in `fractions`.

    Raises:
      UserError: impossible fractions, or a class with too few images or groups to be in every split.
    """
    shares = _exact(fractions)
    rows = np.flatnonzero(np.asarray(labels) >= 0)
    if not rows.size:
        raise UserError(f"none of the {len(labels)} images has a label; a split needs labelled images")
    classes, label_of_row = np.unique(np.asarray(labels)[rows], return_inverse=True)
    names = [class_names[c] if c < len(class_names) else f"number {c}" for c in classes.tolist()]
    group_of_row = _group_numbers(np.asarray(group_ids)[rows])
    counts = np.zeros((group_of_row.max() + 1, len(classes)), dtype=np.int64)
    np.add.at(counts, (group_of_row, label_of_row), 1)
    used = 1 + sum(share > 0 for share in shares.values())
    for name, groups in zip(names, np.count_nonzero(counts, axis=0).tolist(), strict=True):
        if groups < used:
            raise UserError(
                f"class {name!r} consists of {counted(groups, 'group')} of images (those of a patient and copies count "
                f"as one), too few to be in each of {used} splits; add images, leave the class out, or ask for fewer "
                "splits"
            )
    targets = _targets(counts.sum(axis=0).tolist(), list(shares.values()))
    order = np.random.PCG64(seed).random_raw(len(counts))
    split_of_group = _place(counts, targets, order)
    split_of_row = split_of_group[group_of_row]
    splits = {name: rows[split_of_row == s] for s, name in enumerate(["train", *shares])}
    _check_present(splits, np.asarray(labels), classes.tolist(), names, targets)
    return splits


def _exact(fractions: Mapping[str, float]) -> dict[str, Fraction]:
    """Return the fractions as written in decimal, so that 0.2 of 900 is 180 and not 180.00000000000003."""
    shares = {}
    for name, value in fractions.items():
        if name == "train":
            raise UserError("a fraction is given for 'train'; leave it out, train gets the rest")
        if not 0 <= value < 1:
            raise UserError(f"the fraction of split {name!r} is {value}; it is at least 0 and below 1")
        shares[name] = Fraction(str(float(value)))
    if sum(shares.values()) >= 1:
        raise UserError(f"the fractions add up to {float(sum(shares.values()))}; below 1 they leave images to train on")
    return shares


def _group_numbers(group_ids: np.ndarray) -> np.ndarray:
    """Number the groups in order of appearance; every "" is a group of its own. Returns int64 [N]."""
    seen: dict[str | int, int] = {}
    keys = (group or row for row, group in enumerate(group_ids.tolist()))
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.int64)


def _targets(class_sizes: list[int], shares: list[Fraction]) -> list[list[int]]:
    """Return how many images of each class [class] each split [split] should hold, train first."""
    total = sum(class_sizes)
    columns = []
    for share in shares:
        quotas = [size * share for size in class_sizes]
        column = [math.floor(quota) for quota in quotas]
        missing = math.floor(total * share + Fraction(1, 2)) - sum(column)
        by_remainder = sorted(range(len(quotas)), key=lambda c: column[c] - quotas[c])  # ties: the first class
        for c in by_remainder[:missing]:
            column[c] += 1
        columns.append([max(count, 1) if share else 0 for count in column])
    train = [size - sum(column[c] for column in columns) for c, size in enumerate(class_sizes)]
    for c, left in enumerate(train):
        for _ in range(1 - left):  # a tiny class: one image for training comes from its largest split
            max(columns, key=lambda column: column[c])[c] -= 1
        train[c] = max(left, 1)
    return [train, *columns]


def _place(counts: np.ndarray, targets: list[list[int]], order: np.ndarray) -> np.ndarray:
    """Give each group a split.

    Args:
      counts: int [groups, classes], images of each class in each group.
      targets: images wanted, [split][class].
      order: uint64 [groups], random.

    Returns:
      int64 [groups], the number of the split.
    """
    sizes = counts.sum(axis=1)
    placed = np.full(len(counts), -1, dtype=np.int64)
    wanting = [list(row) for row in targets]
    # Splits that have no image of a class yet, and groups of that class still to come.
    lacking = [{s for s, row in enumerate(targets) if row[c]} for c in range(counts.shape[1])]
    remaining = np.count_nonzero(counts, axis=0).tolist()
    large_first = np.lexsort((order, -sizes))
    for group in large_first[sizes[large_first] > 1].tolist():
        held = [(c, int(n)) for c, n in enumerate(counts[group].tolist()) if n]
        forced = [lacking[c] for c, _ in held if lacking[c] and remaining[c] <= len(lacking[c])]
        allowed = set.intersection(*forced) or set.union(*forced) if forced else set(range(len(targets)))
        split = min(sorted(allowed), key=lambda s: _cost(held, wanting[s], targets[s]))
        placed[group] = split
        for c, n in held:
            wanting[split][c] -= n
            lacking[c].discard(split)
            remaining[c] -= 1
    for c in range(counts.shape[1]):
        singles = np.flatnonzero((sizes == 1) & (counts[:, c] == 1))
        singles = singles[np.argsort(order[singles], kind="stable")]
        numbers = _share_out(len(singles), [row[c] for row in wanting], lacking[c])
        placed[singles] = np.repeat(np.arange(len(targets)), numbers)
    return placed


def _cost(held: list[tuple[int, int]], wanting: list[int], target: list[int]) -> float:
    """Return by how much the squared distance to the target, relative to it, grows when a group comes."""
    if any(not target[c] for c, _ in held):
        return math.inf
    return sum((n * n - 2 * n * wanting[c]) / target[c] for c, n in held)


def _share_out(count: int, wanting: list[int], lacking: set[int]) -> list[int]:
    """Divide `count` single images: what is wanted, less in the largest where groups have overfilled another."""
    least = [int(s in lacking) for s in range(len(wanting))]
    numbers = [max(n, low) for n, low in zip(wanting, least, strict=True)]
    for _ in range(sum(numbers) - count):
        numbers[max(range(len(numbers)), key=lambda s: numbers[s] - least[s])] -= 1
    return numbers


def _check_present(
    splits: dict[str, np.ndarray], labels: np.ndarray, classes: list[int], names: list[str], targets: list[list[int]]
) -> None:
    for (split, rows), wanted in zip(splits.items(), targets, strict=True):
        held = set(labels[rows].tolist())
        for label, name, count in zip(classes, names, wanted, strict=True):
            if count and label not in held:
                raise UserError(
                    f"class {name!r} ends without an image in split {split!r}, since its groups lie in other splits; "
                    "choose another split seed, larger fractions, or fewer splits"
                )
