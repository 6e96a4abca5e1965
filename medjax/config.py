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
from medjax.evaluation.settings import Settings
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.balance import CLASS_WEIGHTS, SAMPLINGS
from medjax.pipeline.partition import KINDS
from medjax.terminal import log

DATA_DIR = pathlib.Path("data")

_CHOICES = {
    "split.kind": KINDS,
    "data.fit": ("squash", "crop", "pad"),
    "data.on_bad_image": ("stop", "skip"),
    "data.placement": ("auto", "device", "sharded", "host"),
    "sampling": SAMPLINGS,
    "class_weights": CLASS_WEIGHTS,
    "dtype": ("float32", "bfloat16"),
    "on_nan": ("stop", "skip"),
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
    "folds": 0,
    "fold": -1,
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
    "accumulate": 1,
    "evaluation.views": 1,
    "phantom.image_size": 8,
    "phantom.max_epochs": 1,
}
_AT_MOST = {"seed": 2**31 - 1, "batch_size": 2**24, "folds": 10_000}
_ABOVE_ZERO = ("optimizer.learning_rate", "checkpoint.every_minutes", "split.val", "split.test")
_SHARE = (
    "label_smoothing",
    "optimizer.momentum",
    "augment.zoom",
    "augment.contrast",
    "augment.cutout",
    "split.val",
    "split.calib",
)


def check(config: ConfigDict) -> None:
    """Refuse impossible values, before any data is read.

    Raises:
      UserError: names the field, its value, and what is allowed.
    """
    for field, allowed in _CHOICES.items():
        _demand(config, field, lambda v, allowed=allowed: v in allowed, "one of " + ", ".join(map(str, allowed)))
    for field, low in _AT_LEAST.items():
        _demand(config, field, lambda v, low=low: v >= low, f"at least {low}")
    for field, high in _AT_MOST.items():
        _demand(config, field, lambda v, high=high: v <= high, f"at most {high}")
    for field in _ABOVE_ZERO:
        _demand(config, field, lambda v: v > 0, "above 0")
    for field in _SHARE:
        _demand(config, field, lambda v: 0 <= v < 1, "in [0, 1)")
    if "dropout" in config.model:
        _demand(config, "model.dropout", lambda v: 0 <= v < 1, "in [0, 1)")
    for field in ("schedule.decay_factor", "augment.crop"):
        _demand(config, field, lambda v: 0 < v <= 1, "in (0, 1]")
    _demand(config, "augment.shear", lambda v: 0 <= v < 90, "in [0, 90) degrees")
    if config.evaluation.views > 1 and not Augmentation(**config.augment).changes_images:
        raise UserError(
            f"config.evaluation.views={config.evaluation.views} views of an image are all the same without "
            "config.augment: set some of it, or one view."
        )
    steps = tuple(config.profile_steps)
    if steps and not (len(steps) == 2 and 0 <= steps[0] <= steps[1]):
        raise UserError(f"config.profile_steps={steps!r}: give () or (first, last), steps from 0.")
    _check_split(config)
    try:
        Settings.of(config.evaluation)
    except UserError as error:
        raise UserError(f"config.{error}") from error
    datasets.find_dataset(config.data.name)
    if config.split.file and not pathlib.Path(config.split.file).is_file():
        raise UserError(
            f"config.split.file={config.split.file!r} is not a file: give a splits.json, or nothing to draw one."
        )


def _check_split(config: ConfigDict) -> None:
    split, folds = config.split, config.folds
    if split.val + split.calib + split.test >= 1:
        raise UserError(
            f"config.split.val={split.val}, calib={split.calib} and test={split.test} leave nothing to train on: their "
            "sum must be below 1."
        )
    if folds and split.val + split.calib + 1 / max(folds, 2) >= 1:
        raise UserError(f"config.folds={folds}: with val={split.val} and calib={split.calib} nothing is left to train.")
    if folds == 1 or not -1 <= config.fold < max(folds, 1) or (config.fold >= 0 and not folds):
        raise UserError(f"config.folds={folds}, config.fold={config.fold}: give folds of at least 2, fold below it.")
    if folds and (split.kind != "clean" or split.file):
        raise UserError("config.folds draws its own splits: set config.split.kind=clean and no config.split.file.")


def _demand(config: ConfigDict, field: str, rule: Any, words: str) -> None:
    value: Any = config
    for name in field.split("."):
        if name not in value:
            raise UserError(f"config.{field} is missing: begin with a config of configs/ and change what differs.")
        value = value[name]
    if (isinstance(value, float) and not math.isfinite(value)) or not rule(value):
        raise UserError(f"config.{field}={value!r}: must be {words}.")


def resolve(config: ConfigDict) -> ConfigDict:
    """Check the config and return a copy in which every "auto" and the source of the images are decided.

    Where a set of brain images is not on disk and no path was given, the copy is that of the DEMO: the synthetic
    phantom, at `phantom.image_size`, every layer trained from scratch. Nothing stands in for other images, since a
    phantom of the brain says nothing of a network for digits, and least of all for somebody's own.

    Raises:
      UserError: a value is impossible, the given path does not exist, or images are needed that are not there.
    """
    check(config)
    config = ConfigDict(config.to_dict())
    source = datasets.find_source(
        config.data.name, path=config.data.path, data_dir=DATA_DIR, download=config.data.download
    )
    dataset = datasets.find_dataset(config.data.name)
    if source is None and not dataset.synthetic:
        if not dataset.stand_in:
            raise UserError(datasets.how_to_get(dataset))
        log.warning(
            f"DEMO: {config.data.name} is not on disk, so this trains on a synthetic phantom, "
            f"{config.phantom.image_size} pixels, from scratch. For real images: --config.data.path=FOLDER_OR_ZIP"
        )
        config.data.name = dataset.stand_in
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


def settings(config: ConfigDict) -> dict[str, Any]:
    """What a run's folder keeps of the config: "demo" and every field, but no path, which may name a patient."""
    kept = plain(config)
    kept["data"]["path"] = kept["data"]["cache"] = ""
    kept["split"]["file"] = "given" if kept["split"]["file"] else ""
    if kept["weights"] not in ("none", "imagenet") and not kept["weights"].startswith("IMAGENET1K_"):
        kept["weights"] = "given"
    if kept["data"]["options"].get("root"):
        kept["data"]["options"]["root"] = "given"
    return {"demo": config.data.name == "phantom", **kept}


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
