"""The labelled images of a prediction table: what metrics and their intervals are computed from."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from medjax.evaluation.predictions import Predictions


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Images that have a label.

    Attributes:
        labels: int64 [N], index of the class.
        probabilities: float64 [N, K].
        predicted: int64 [N], the class of the highest probability, the first of them when they tie.
        groups: int64 [N], number of the group, 0..G-1 in the order in which they first appear.
        class_names: K texts.
        ordered: whether the classes are steps of a scale, such as grades.
        prevalence: K shares of the classes where the model is to be used; () is none.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    groups: np.ndarray
    class_names: tuple[str, ...]
    ordered: bool = False
    prevalence: tuple[float, ...] = ()

    @classmethod
    def of(cls, predictions: Predictions, ordered: bool = False, prevalence: tuple[float, ...] = ()) -> "Labelled":
        """Leave out the images without a label."""
        kept = predictions.labels >= 0
        probabilities = predictions.probabilities[kept]
        group_ids = [group for group, has in zip(predictions.group_ids, kept, strict=True) if has]
        return cls(
            labels=predictions.labels[kept],
            probabilities=probabilities,
            predicted=probabilities.argmax(axis=1),
            groups=number(group_ids),
            class_names=predictions.class_names,
            ordered=ordered,
            prevalence=prevalence,
        )

    def part(self, chosen: np.ndarray) -> "Labelled":
        """Return some of the images, their groups numbered anew. Args: chosen is bool [N]."""
        groups = number([str(group) for group in self.groups[chosen]])
        kept = {name: getattr(self, name)[chosen] for name in ("labels", "probabilities", "predicted")}
        return dataclasses.replace(self, groups=groups, **kept)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.class_names)

    @property
    def num_groups(self) -> int:
        """G."""
        return int(self.groups.max()) + 1 if len(self) else 0

    def of_groups(self, values: np.ndarray) -> np.ndarray:
        """Sum over the images of each group: float or bool [N] or [N, C] -> float64 [G] or [G, C]."""
        if values.ndim == 1:
            return np.bincount(self.groups, weights=values, minlength=self.num_groups)
        if values.shape[1] == 0:
            return np.zeros((self.num_groups, 0))
        return np.stack([self.of_groups(column) for column in values.T], axis=1)

    def group_weights(self) -> np.ndarray:
        """Weigh every group the same: 1/|its group| for each image, float64 [N]."""
        return 1 / self.of_groups(np.ones(len(self)))[self.groups]


def number(group_ids: Sequence[str]) -> np.ndarray:
    """Number the groups from 0 as they first appear; "" is a group of its own every time: N texts -> int64 [N]."""
    seen: dict[str, int] = {}
    count = 0
    numbers = np.empty(len(group_ids), np.int64)
    for row, group in enumerate(group_ids):
        if group and group in seen:
            numbers[row] = seen[group]
            continue
        if group:
            seen[group] = count
        numbers[row] = count
        count += 1
    return numbers
