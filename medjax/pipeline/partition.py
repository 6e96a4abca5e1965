"""Which images are trained on, tuned on and judged on: newly drawn, as the publisher says, or one fold of several."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from medjax.datasets.folder_layout import SPLIT_NAMES
from medjax.errors import UserError
from medjax.pipeline.splits import make_splits

KINDS = ("clean", "official", "official_dedup")
ONE_PER_GROUP = "test, one image a group"
ALL_FOLDS = "test, all folds"
OFFICIAL_COLUMN = "official_split"


@dataclasses.dataclass(frozen=True)
class Partition:
    """A division of a table.

    Attributes:
      splits: row indices by name, int64, sorted; "train" first.
      removed: rows of the publisher's training or validation set left out because they share a group with a row that
        is judged, int64; only of "official_dedup".
    """

    splits: dict[str, np.ndarray]
    removed: np.ndarray


def draw(
    labels: np.ndarray,
    group_ids: np.ndarray,
    official: np.ndarray | None,
    *,
    kind: str,
    fractions: Mapping[str, float],
    seed: int,
    folds: int = 0,
    fold: int = -1,
    class_names: Sequence[str] = (),
) -> Partition:
    """Divide a table.

    Args:
      labels: int [N], −1 = missing.
      group_ids: str [N], what a drawn split never tears apart; "" is a group of its own.
      official: str [N], the publisher's split of each row; None where there is none.
      kind: "clean" draws every split from all images; "official" keeps the publisher's, even where copies cross it, and
        draws what is lacking from its training set; "official_dedup" also leaves out what shares a group with a row
        that is judged.
      fractions: "val", "calib" and "test", shares of the labelled images; for the official kinds shares of the
        publisher's training set, and "test" is not used. A fraction of 0 makes no split, but for "val" and "test".
      seed: of the draw, ≥ 0.
      folds: k, of which number `fold` (0 to k − 1) is "test"; 0 for none. Only of "clean".
      fold: see `folds`.
      class_names: for messages.

    Raises:
      UserError: see `make_splits`; no official split, or one without training or test images.
    """
    names = [name for name in ("val", "calib", "test") if name != "calib" or fractions.get(name)]
    wanted = {name: fractions[name] for name in names}
    if kind == "clean":
        if folds:
            if not 0 <= fold < folds:
                raise ValueError(f"fold is {fold}; one of the {folds}, from 0, is to be drawn")
            return _fold(labels, group_ids, folds, fold, wanted, seed, class_names)
        return Partition(
            make_splits(labels, group_ids, fractions=wanted, seed=seed, class_names=class_names), _no_rows()
        )
    if official is None or len(set(official.tolist())) < 2:
        raise UserError(f"split.kind is {kind!r}, but these images come without a split of their own; choose 'clean'")
    return _official(labels, group_ids, _by_name(official), kind == "official_dedup", wanted, seed, class_names)


def one_per_group(rows: np.ndarray, group_ids: np.ndarray) -> np.ndarray:
    """Return the first of the rows of each group, sorted; "" is a group of its own. Both int64 [n]."""
    names = np.array(
        [group or f"row {row}" for row, group in zip(rows.tolist(), group_ids[rows].tolist(), strict=True)]
    )
    return np.sort(rows[np.unique(names, return_index=True)[1]])


def in_turn(labels: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Return at most `count` of the rows, the classes in turn: each class's first, then each one's second, …"""
    place = np.zeros(len(rows), dtype=np.int64)
    for label in np.unique(labels[rows]):
        held = labels[rows] == label
        place[held] = np.arange(held.sum())
    return rows[np.lexsort((labels[rows], place))][:count]


def _no_rows() -> np.ndarray:
    return np.array([], dtype=np.int64)


def _among(
    labels: np.ndarray,
    rows: np.ndarray,
    group_ids: np.ndarray,
    fractions: Mapping[str, float],
    seed: int,
    class_names: Sequence[str],
) -> dict[str, np.ndarray]:
    """Draw splits from some rows only."""
    held = np.full(len(labels), -1, dtype=np.int64)
    held[rows] = labels[rows]
    return make_splits(held, group_ids, fractions=fractions, seed=seed, class_names=class_names)


def _fold(
    labels: np.ndarray,
    group_ids: np.ndarray,
    folds: int,
    fold: int,
    fractions: Mapping[str, float],
    seed: int,
    class_names: Sequence[str],
) -> Partition:
    shares = {f"fold {number}": 1 / folds for number in range(1, folds)}
    parts = list(make_splits(labels, group_ids, fractions=shares, seed=seed, class_names=class_names).values())
    test = parts[fold]
    rest = np.concatenate([part for number, part in enumerate(parts) if number != fold])
    # The fractions are of the whole; the rest is (k - 1) / k of it.
    inner = {name: share * folds / (folds - 1) for name, share in fractions.items() if name != "test"}
    splits = _among(labels, rest, group_ids, inner, seed, class_names)
    return Partition({**splits, "test": test}, _no_rows())


def _official(
    labels: np.ndarray,
    group_ids: np.ndarray,
    official: dict[str, np.ndarray],
    dedup: bool,
    fractions: Mapping[str, float],
    seed: int,
    class_names: Sequence[str],
) -> Partition:
    labelled = {name: rows[labels[rows] >= 0] for name, rows in official.items()}
    if not all(len(labelled.get(name, ())) for name in ("train", "test")):
        raise UserError(f"the publisher's split has {_sizes(labelled)}; it needs labelled images to train and to test")
    removed = [_no_rows()]
    if dedup:
        judged: set[str] = set()
        for name in ("test", "val", "train"):
            rows = labelled.get(name, _no_rows())
            shared = np.array([group in judged for group in group_ids[rows].tolist()], dtype=bool)
            labelled[name], judged = rows[~shared], judged | (set(group_ids[rows].tolist()) - {""})
            removed.append(rows[shared])
    inner = {name: share for name, share in fractions.items() if name in ("val", "calib")}
    if len(labelled.get("val", ())):
        inner.pop("val")
    splits = _among(labels, labelled["train"], group_ids, inner, seed, class_names)
    if "val" not in splits:
        splits = {"train": splits.pop("train"), "val": labelled["val"], **splits}
    return Partition({**splits, "test": labelled["test"]}, np.sort(np.concatenate(removed)))


def _by_name(official: np.ndarray) -> dict[str, np.ndarray]:
    names = np.array([SPLIT_NAMES.get(name.casefold(), name) for name in official.tolist()])
    return {name: np.flatnonzero(names == name) for name in sorted(set(names.tolist()))}


def _sizes(splits: Mapping[str, np.ndarray]) -> str:
    return ", ".join(f"{len(rows):,} in {name!r}" for name, rows in splits.items())
