"""What a network has to beat: predictions that need no network, made in seconds from the same splits."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from medjax.evaluation.against_baselines import FOLDER
from medjax.evaluation.predictions import read_csv, write_csv
from medjax.pipeline.storage import disk_errors
from medjax.pipeline.table import ImageTable

SIDE = 8  # of a thumbnail, pixels
_SEED = 0  # of the shuffled labels; not the run's, so that its baselines are those of every other run on its images
_IMAGES_AT_ONCE = 1024
_MAX_ITERATIONS = 200
_MOST_IMAGES = 10_000  # that a regression is fitted on, evenly taken from larger training splits


def write_baselines(workdir: Path, table: ImageTable, splits: Mapping[str, np.ndarray]) -> None:
    """Write baselines/<name>.csv of a run: tables like its predictions_test.csv, which is there."""
    model = read_csv(workdir / "predictions_test.csv")
    folder = workdir / FOLDER
    with disk_errors(folder):
        folder.mkdir(exist_ok=True)
        for name, probabilities in baselines(table, splits).items():
            write_csv(folder / f"{name}.csv", dataclasses.replace(model, probabilities=probabilities))


def baselines(table: ImageTable, splits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Predict the test split without a network; fitted on the training split, deterministic.

    - class_prior: the training split's class frequencies, for every image.
    - thumbnails: multinomial logistic regression (L2, C = 1) on the means over 8 × 8 fields of each channel,
      standardised. What brightness, framing and position tell of the class needs no more.
    - shuffled_labels: the same, its labels shuffled. What is left to it is chance; where it beats class_prior by far,
      something is wrong with the split.

    Args:
      table: images [N, H, W, C], H and W at least 8.
      splits: row indices by name, "train" and "test".

    Returns:
      Class probabilities of the test split's rows, float64 [M, K], by name.
    """
    labelled = splits["train"][table.labels[splits["train"]] >= 0]
    train = labelled[:: -(-len(labelled) // _MOST_IMAGES)]
    labels, classes = table.labels[train], len(table.class_names)
    scaler = StandardScaler()
    known = scaler.fit_transform(thumbnails(table.images, train))
    asked = scaler.transform(thumbnails(table.images, splits["test"]))
    shuffled = labels[np.argsort(np.random.PCG64(_SEED).random_raw(len(labels)), kind="stable")]
    return {
        "class_prior": np.tile(_prior(table.labels[labelled], classes), (len(asked), 1)),
        "thumbnails": _regress(known, labels, asked, classes),
        "shuffled_labels": _regress(known, shuffled, asked, classes),
    }


def thumbnails(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the means over 8 × 8 fields of some images [N, H, W, C], as equal in size as whole pixels allow.

    Returns:
      float32 [M, 8 · 8 · C].
    """
    parts = [_fields(images[rows[start : start + _IMAGES_AT_ONCE]]) for start in range(0, len(rows), _IMAGES_AT_ONCE)]
    return np.concatenate(parts)


def _fields(images: np.ndarray) -> np.ndarray:
    _, height, width, channels = images.shape
    down, across = _edges(height), _edges(width)
    # means along lines by one product of matrices, which is far faster than many small ones
    field = np.repeat(np.arange(SIDE), np.diff(across))
    means = (field[:, None] == np.arange(SIDE)) / np.diff(across).astype(np.float32)
    lines = images.reshape(-1, width * channels).astype(np.float32) @ np.kron(means, np.eye(channels, dtype=np.float32))
    sums = np.add.reduceat(lines.reshape(-1, height, SIDE * channels), down[:-1], axis=1)
    return (sums / np.diff(down).astype(np.float32)[:, None]).reshape(len(images), -1)


def _edges(size: int) -> np.ndarray:
    """Where 8 stretches of a line of pixels begin and end, int [9]."""
    return np.arange(SIDE + 1) * size // SIDE


def _prior(labels: np.ndarray, classes: int) -> np.ndarray:
    """Class frequencies, float64 [K]."""
    return np.bincount(labels, minlength=classes) / len(labels)


def _regress(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, classes: int) -> np.ndarray:
    """Fit on thumbnails `known` [N, F] and return class probabilities of `asked` [M, F], float64 [M, K]."""
    probabilities = np.zeros((len(asked), classes))
    seen = np.unique(labels)
    if len(seen) == 1:
        probabilities[:, seen] = 1.0
        return probabilities
    model = LogisticRegression(max_iter=_MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what 200 steps reach is baseline enough
        model.fit(known, labels)
    probabilities[:, model.classes_] = model.predict_proba(asked)
    return probabilities
