"""What the files of a run's folder say of the run: all that the report, its figures and its drafts are made from."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import Any

from medjax.errors import UserError
from medjax.evaluation.predictions import Predictions, read_csv
from medjax.json_file import read_json_if_there
from medjax.jsonl import read_rows

_ADVICE = "restore it, or evaluate the run again"
_NEEDED: dict[str, dict[str, type]] = {
    "evaluation": {"unit_of_split": str, "classes": list, "splits": dict},
    "audit": {"notes": dict, "warnings": list, "flow": dict},
}


@dataclasses.dataclass(frozen=True)
class Record:
    """A run, as its files tell it; of the JSON files {} where one is missing.

    Attributes:
        name: of the run.
        evaluation: evaluation.json.
        config: config.json.
        environment: environment.json.
        preprocessing: preprocessing.json.
        costs: costs.json.
        audit: audit.json.
        splits: splits.json.
        splits_hash: SHA-256 of splits.json, "" where it is missing.
        rows: of metrics.jsonl.
        predictions: of the test images; None where they are missing.
        heatmaps: how many images have one on the page.
    """

    name: str
    evaluation: dict[str, Any]
    config: dict[str, Any]
    environment: dict[str, Any]
    preprocessing: dict[str, Any]
    costs: dict[str, Any]
    audit: dict[str, Any]
    splits: dict[str, Any]
    splits_hash: str
    rows: list[dict[str, Any]]
    predictions: Predictions | None
    heatmaps: int

    @property
    def demo(self) -> bool:
        """Whether the images are synthetic."""
        return bool(self.evaluation.get("demo"))

    @property
    def judged_split(self) -> str:
        """The split that judges the model: test, or what stands in its place where there are folds."""
        splits = self.evaluation["splits"]
        return "test" if "test" in splits else next(reversed(splits))

    @property
    def judged(self) -> dict[str, Any]:
        """The metrics of that split."""
        return self.evaluation["splits"][self.judged_split]


def read_record(workdir: str | os.PathLike[str], heatmaps: int = 0) -> Record:
    """Read a run's folder. Args: heatmaps, see `Record`.

    Raises:
        UserError: evaluation.json is missing, or a file is damaged.
    """
    folder = Path(workdir)
    names = ("evaluation", "config", "environment", "preprocessing", "costs", "audit", "splits")
    contents = {
        name: read_json_if_there(folder / f"{name}.json", _ADVICE, _NEEDED.get(name, {})) or {} for name in names
    }
    if not contents["evaluation"]:
        raise UserError(f"{folder} holds no evaluation.json: finish the run first, the same command goes on with it.")
    return Record(
        **contents,
        name=str(contents["config"].get("name") or folder.resolve().name),
        splits_hash=hash_of_splits(folder),
        rows=read_rows(folder / "metrics.jsonl"),
        predictions=read_test_predictions(folder),
        heatmaps=heatmaps,
    )


def read_test_predictions(workdir: str | os.PathLike[str]) -> Predictions | None:
    """Read the run's predictions_test.csv; None where there is none."""
    file = Path(workdir) / "predictions_test.csv"
    return read_csv(file) if file.exists() else None


def hash_of_splits(workdir: Path) -> str:
    """Return the SHA-256 of a run's splits.json, hex; "" where there is none."""
    file = workdir / "splits.json"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def fold_folders(workdir: Path, evaluation: dict[str, Any]) -> list[Path]:
    """Return the folders of the folds that a run pools, [] where it trained itself. Args: evaluation, its content."""
    return [workdir / f"fold{number}" for number in range(len(evaluation.get("folds", ())))]
