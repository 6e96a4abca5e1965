"""A run that nobody trained: every number in its files is another one, so that each can be found again."""

import numpy as np

from medjax.evaluation.predictions import Predictions
from medjax.evaluation.record import Record

RATES = {"sensitivity": 0.81, "sensitivity_interval": [0.71, 0.91], "specificity": 0.82, "auroc": 0.83}
FIELDS = {
    "name": "hand made",
    "evaluation": {
        "demo": False,
        "dataset": "chest",
        "unit_of_split": "patient or study",
        "best_epoch": 13,
        "classes": ["clear", "ill"],
        "splits": {
            "val": {"images": 66, "classes": ["clear", "ill"], "confusion_matrix": [[40, 1], [2, 23]]},
            "test": {
                "images": 131,
                "groups": 89,
                "correct": 118,
                "classes": ["clear", "ill"],
                "confusion_matrix": [[70, 6], [7, 48]],
                "accuracy": 0.9,
                "accuracy_interval": [0.84, 0.95],
                "macro_auroc": 0.83,
                "log_loss": 0.25,
                "per_class": {
                    "clear": {**RATES, "support": 76, "average_precision": 0.84},
                    "ill": {**RATES, "support": 55, "average_precision": 0.86},
                },
                "intervals": {"level": 0.95, "groups": 89, "resamples": 2000, "seed": 17},
                "curves": {
                    name: {
                        "roc": {"fpr": [0, 0.5, 1], "tpr": [0, 0.75, 1], "low": [0, 0.7, None], "high": [0, 0.8, None]},
                        "pr": {"recall": [0, 0.5, 1], "precision": [1, 0.75, 0.5], "low": None, "high": None},
                    }
                    for name in ("clear", "ill")
                },
                "decision_curves": {"ill": {"threshold": [0.1, 0.5], "model": [0.3, 0.2], "all": [0.4, -0.5]}},
                "reliability": [{"confidence": 0.6, "accuracy": 0.5, "images": 60, "groups": 50}],
                "after_temperature": {
                    "reliability": [{"confidence": 0.55, "accuracy": 0.5, "images": 61, "groups": 51}]
                },
            },
        },
    },
    "config": {
        "seed": 19,
        "folds": 0,
        "fold": -1,
        "model": {"name": "small_net", "dropout": 0.3},
        "weights": "none",
        "trainable": "all",
        "normalization": "train",
        "augment": {"flip_horizontal": True, "rotation": 12.0, "crop": 1.0, "zoom": 0.0, "shift": 0.07},
        "optimizer": {
            "name": "sgd", "learning_rate": 0.002, "weight_decay": 1e-4, "momentum": 0.85, "clip_norm": 0.0
        },
        "schedule": {"name": "cosine", "warmup_epochs": 3.0},
        "label_smoothing": 0.0,
        "batch_size": 24,
        "dtype": "float32",
        "class_weights": "none",
        "sampling": "shuffle",
        "max_epochs": 41,
        "early_stopping": {"metric": "val_loss", "patience_epochs": 6},
        "evaluation": {"primary": "accuracy", "views": 1, "subgroups": []},
    },
    "environment": {
        "python": "3.11.5", "packages": {"jax": "0.10.2", "flax": None}, "devices": ["cpu:cpu"], "git_revision": "abc"
    },
    "preprocessing": {"image_size": 96, "channels": 1, "fit": "squash", "mean": [0.4321], "std": [0.2109]},
    "costs": {"parameters": 123456, "trained_parameters": 7890},
    "audit": {
        "flow": {"found": 700, "readable": 695, "kept": 688, "labelled": 677, "used": 655},
        "left_out": {"a report": 7},
        "classes": {
            "clear": {"all": 377, "train": 200, "val": 41, "test": 76},
            "ill": {"all": 311, "train": 190, "val": 25, "test": 55},
            "": {"all": 11, "train": 0, "val": 0, "test": 0},
        },
        "copies": {
            "overall": {"exact_images": 28, "near_images": 37},
            "across_splits": [{"groups": 1}, {"groups": 4}],
        },
    },
    "splits": {
        "how": {"kind": "official_dedup", "seed": 23, "near_copies": True},
        "removed": [str(n) for n in range(9)],
        "splits": {"train": ["x"] * 390, "val": ["x"] * 66, "test": ["x"] * 131},
    },
    "splits_hash": "",
    "rows": [
        {"step": 10, "epoch": 1, "train_loss": 0.9, "val_loss": 0.8},
        {"step": 190, "epoch": 19, "train_loss": 0.4, "val_loss": None},
    ],
    "predictions": Predictions(
        ["a", "b", "c"],
        [""] * 3,
        np.array([0, 1, -1]),
        np.array([[0.92, 0.08], [0.45, 0.55], [0.3, 0.7]]),
        ("clear", "ill"),
    ),
    "heatmaps": 0,
}  # fmt: skip


def record(**changes) -> Record:
    """Return the run; `part=dict(field=value)` changes fields of a part, any other value the part itself."""
    parts = {
        name: {**FIELDS[name], **value} if isinstance(value, dict) and value else value
        for name, value in changes.items()
    }
    return Record(**{**FIELDS, **parts})


def judged(**changes) -> Record:
    """Return the run with other metrics of its test images."""
    splits = FIELDS["evaluation"]["splits"]
    return record(evaluation={"splits": {**splits, "test": {**splits["test"], **changes}}})
