"""The experiment's configuration: checked, completed, compared. Nothing else knows its fields but `train.py`."""

from __future__ import annotations

import hashlib
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from medjax import datasets, optim
from medjax.errors import UserError
from medjax.pipeline.balance import CLASS_WEIGHTS, SAMPLINGS
from medjax.pipeline.feed import PLACEMENTS
from medjax.terminal import log

DATA_DIR = pathlib.Path("data")

_CHOICES = {
    "data.fit": ("squash", "crop", "pad"),
    "data.on_bad_image": ("stop", "skip"),
    "data.placement": PLACEMENTS,
    "sampling": SAMPLINGS,
    "class_weights": CLASS_WEIGHTS,
    "dtype": ("float32", "bfloat16"),
    "normalization": ("auto", "imagenet", "train"),
    "optimizer.name": optim.OPTIMIZERS,
    "schedule.name": optim.SCHEDULES,
    "early_stopping.metric": ("val_loss", "val_accuracy"),
}
_AT_LEAST = {
    "seed": 0,
    "data.image_size": 8,
    "data.channels": 1,
    "split.seed": 0,
    "feature_views": 1,
    "batch_size": 1,
    "max_epochs": 1,
    "augment.rotation": 0,
    "augment.shift": 0,
    "augment.brightness": 0,
    "augment.gamma": 0,
    "augment.noise": 0,
    "augment.mixup": 0,
    "augment.cutmix": 0,
    "optimizer.weight_decay": 0,
    "optimizer.clip_norm": 0,
    "optimizer.backbone_factor": 0,
    "schedule.warmup_epochs": 0,
    "schedule.decay_epochs": 1,
    "schedule.patience_epochs": 1,
    "early_stopping.patience_epochs": 0,
    "early_stopping.min_delta": 0,
    "phantom.image_size": 8,
    "phantom.max_epochs": 1,
}
_ABOVE_ZERO = ("optimizer.learning_rate", "checkpoint.every_minutes", "split.val", "split.test")
_SHARE = ("label_smoothing", "optimizer.momentum", "augment.zoom", "augment.contrast", "augment.cutout", "split.val")


def check(config: ConfigDict) -> None:
    """Refuse impossible values, before any data is read.

    Raises:
      UserError: names the field, its value, and what is allowed.
    """
    for field, allowed in _CHOICES.items():
        _demand(config, field, lambda v, allowed=allowed: v in allowed, "one of " + ", ".join(map(str, allowed)))
    for field, low in _AT_LEAST.items():
        _demand(config, field, lambda v, low=low: v >= low, f"at least {low}")
    for field in _ABOVE_ZERO:
        _demand(config, field, lambda v: v > 0, "above 0")
    for field in _SHARE:
        _demand(config, field, lambda v: 0 <= v < 1, "in [0, 1)")
    if "dropout" in config.model:
        _demand(config, "model.dropout", lambda v: 0 <= v < 1, "in [0, 1)")
    for field in ("schedule.decay_factor", "augment.crop"):
        _demand(config, field, lambda v: 0 < v <= 1, "in (0, 1]")
    _demand(config, "augment.shear", lambda v: 0 <= v < 90, "in [0, 90) degrees")
    if config.split.val + config.split.test >= 1:
        raise UserError(
            f"config.split.val={config.split.val} and config.split.test={config.split.test} leave nothing to train on: "
            "their sum must be below 1."
        )
    datasets.find_dataset(config.data.name)
    if config.split.file and not pathlib.Path(config.split.file).is_file():
        raise UserError(
            f"config.split.file={config.split.file!r} is not a file: give a splits.json, or nothing to draw one."
        )


def _demand(config: ConfigDict, field: str, rule: Any, words: str) -> None:
    value: Any = config
    for name in field.split("."):
        value = value[name]
    if (isinstance(value, float) and not math.isfinite(value)) or not rule(value):
        raise UserError(f"config.{field}={value!r}: must be {words}.")


def resolve(config: ConfigDict) -> ConfigDict:
    """Check the config and return a copy in which every "auto" and the source of the images are decided.

    Where the dataset is not on disk and no path was given, the copy is that of the DEMO: the synthetic phantom, at
    `phantom.image_size`, every layer trained from scratch.

    Raises:
      UserError: a value is impossible, or the given path does not exist.
    """
    check(config)
    config = ConfigDict(config.to_dict())
    source = datasets.find_source(
        config.data.name, path=config.data.path, data_dir=DATA_DIR, download=config.data.download
    )
    if source is None and config.data.name != "phantom":
        log.warning(
            f"DEMO: {config.data.name} is not on disk, so this trains on a synthetic phantom, "
            f"{config.phantom.image_size} pixels, from scratch. For real images: --config.data.path=FOLDER_OR_ZIP"
        )
        config.data.name = "phantom"
        config.data.input_columns = ()  # the phantom has none
    if config.data.name == "phantom":
        config.data.image_size = config.phantom.image_size
        config.max_epochs = min(config.max_epochs, config.phantom.max_epochs)
        config.weights = "none"
    config.data.path = str(source or "")
    if config.trainable == "auto":
        config.trainable = "all" if config.weights == "none" else "head"
    if config.normalization == "auto":
        config.normalization = "train" if config.weights == "none" else "imagenet"
    _check_trainable(config)
    return config.lock()


def _check_trainable(config: ConfigDict) -> None:
    """Refuse what a frozen backbone makes impossible, once it is decided what is trained."""
    for name in ("mixup", "cutmix"):
        if config.trainable == "head" and config.augment[name]:
            raise UserError(
                f"config.augment.{name}={config.augment[name]} blends images anew in every step, but with "
                'config.trainable="head" their features are computed once: set it to 0, or train more than the head.'
            )
    if config.trainable != "all" and config.data.input_columns:
        raise UserError(
            f"config.data.input_columns={tuple(config.data.input_columns)!r} enter at the first layer, which "
            f'config.trainable="{config.trainable}" does not train: set config.trainable="all".'
        )


def short_hash(config: ConfigDict) -> str:
    """Eight hexadecimal digits that stand for the whole config."""
    return hashlib.sha256(json.dumps(plain(config), sort_keys=True).encode()).hexdigest()[:8]


def plain(config: ConfigDict) -> dict[str, Any]:
    """The config as a JSON object."""
    return json.loads(config.to_json())


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Say, a field each, where two JSON configs differ: "batch_size: 32 there, 16 here"."""
    found = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key}: {a!r} there, {b!r} here")
    return found
