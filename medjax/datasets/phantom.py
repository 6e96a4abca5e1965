"""phantom: synthetic brain slices in three classes, so that a fresh installation has something to train on.

Nothing measured on it is a result; everything that uses it says DEMO.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from medjax.datasets.description import Dataset, Example, Split
from medjax.datasets.phantom_drawing import CLASS_NAMES, draw
from medjax.datasets.png import to_png
from medjax.datasets.source import Source

IMAGES_PER_CLASS = 300


def _splits(source: Source | None) -> Mapping[str, Split]:
    return {"train": Split(IMAGES_PER_CLASS * len(CLASS_NAMES), _examples())}


def _examples() -> Iterator[Example]:
    for label, name in enumerate(CLASS_NAMES):
        for number in range(IMAGES_PER_CLASS):
            yield Example(f"{name}/{number:04d}.png", to_png(draw(label, number)[0]), label)


def lesion_mask(image_id: str) -> np.ndarray:
    """Return where the lesion of an image of this dataset is, bool [128, 128]."""
    name, _, file = image_id.partition("/")
    return draw(CLASS_NAMES.index(name), int(file.removesuffix(".png")))[1]


DATASET = Dataset(
    name="phantom",
    version="1.0.0",
    class_names=CLASS_NAMES,
    description="900 synthetic slices of a head with one lesion, 128×128 grey, 300 of each of three classes.",
    homepage="https://en.wikipedia.org/wiki/Imaging_phantom",
    license="MIT",
    citation="",
    splits=_splits,
    synthetic=True,
    lesion_mask=lesion_mask,
)
