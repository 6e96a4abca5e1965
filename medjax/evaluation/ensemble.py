"""Several runs as one: the mean of their probabilities, judged where none of them has seen an image or its group."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.evaluation.fitted import Calibration
from medjax.evaluation.predictions import Predictions, read_csv, write_csv
from medjax.evaluation.report import write_report
from medjax.evaluation.saved import calibration_entry, evaluate_splits, one_image_a_group
from medjax.evaluation.settings import Settings
from medjax.json_file import read_json, write_json
from medjax.pipeline.partition import ONE_PER_GROUP
from medjax.pipeline.storage import disk_errors

_ADVICE = "give the folders of finished runs"
_WITHOUT_IMAGE = "test_without_image"
_SEEN = ("train", "val", "calib")
_COMMON = ("demo", "dataset", "unit_of_split", "classes", "ordered", "skipped_images")
_NEEDED: dict[str, dict[str, type]] = {
    "config": {"split": dict},
    "evaluation": {"classes": list},
    "audit": {"copies": dict, "grouping": dict},
    "splits": {"content_hash": str, "how": dict, "splits": dict},
}


@dataclasses.dataclass(frozen=True)
class Member:
    """What the folder of a finished run tells without its network.

    Attributes:
      workdir: the folder.
      config, evaluation, audit, split_file: what config.json, evaluation.json, audit.json and splits.json hold.
    """

    workdir: Path
    config: dict[str, Any]
    evaluation: dict[str, Any]
    audit: dict[str, Any]
    split_file: dict[str, Any]

    @classmethod
    def read(cls, workdir: Path) -> Member:
        """Read the folder; UserError where it is not that of a finished run."""
        return cls(workdir, *(read_json(workdir / f"{name}.json", _ADVICE, needed) for name, needed in _NEEDED.items()))

    def ids(self, *splits: str) -> set[str]:
        """Return the image_ids of some splits."""
        return {image_id for split in splits for image_id in self.split_file["splits"].get(split, ())}

    @property
    def made_of(self) -> dict[str, Any]:
        """What members must have in common."""
        return {
            "classes": self.evaluation["classes"],
            "images": self.split_file["content_hash"],
            "search for copies": self.config["split"]["near_copies"],
        }


def read_members(workdirs: Sequence[Path]) -> list[Member]:
    """Read the runs of an ensemble.

    Raises:
      UserError: fewer than two runs, one named twice, or runs of other classes or images; see `check_unseen` too.
    """
    if len({workdir.resolve() for workdir in workdirs}) < max(2, len(workdirs)):
        raise UserError("an ensemble needs at least two runs, each named once: --runs=A,B,C.")
    members = [Member.read(workdir) for workdir in workdirs]
    first = members[0]
    for other in members[1:]:
        for name, value in first.made_of.items():
            if other.made_of[name] != value:
                raise UserError(
                    f"{first.workdir} and {other.workdir} differ in their {name}: an ensemble needs the same classes, "
                    "and the same images at the same size with the same search for copies."
                )
    check_unseen(members)
    return members


def check_unseen(members: Sequence[Member]) -> None:
    """Refuse an ensemble of which a member may have seen an image to be judged, or one of its group.

    The members' groups are the same, as their images are, and a split keeps groups whole. So it is enough that all
    have one test split; only a split that was not drawn by groups is looked at by itself.

    Raises:
      UserError: what was seen, and by which run.
    """
    advice = "train the members on one split: --config.split.file=RUN/splits.json."
    for one in members:
        _check_own(one)
        for other in members:
            seen = len(one.ids("test") & other.ids(*_SEEN))
            if seen:
                raise UserError(
                    f"{seen:,} of {len(one.ids('test')):,} test images of {one.workdir} are among the training, "
                    f"validation or calibration images of {other.workdir}: {advice}"
                )
    if any(other.ids("test") != members[0].ids("test") for other in members):
        raise UserError(f"the runs have different test splits: {advice}")


def _check_own(member: Member) -> None:
    """Refuse a member whose own split parts groups: the publisher's, or one from a file, need not keep them whole."""
    kind = member.split_file["how"]["kind"]
    if kind not in ("official", "file"):
        return
    pairs = member.audit["copies"]["across_splits"]
    copies = sum(pair["images"].get("test", 0) for pair in pairs)
    if copies:
        raise UserError(
            f"{copies:,} test images of {member.workdir} have copies among its own training, validation or calibration "
            "images: use --config.split.kind=official_dedup or clean."
        )
    if kind == "official" and member.audit["grouping"]["images_with_patient"]:
        raise UserError(
            f"the split of {member.workdir} is its publisher's, which need not keep a patient's images together: use "
            "--config.split.kind=official_dedup or clean."
        )


def mean_predictions(members: Sequence[Member], split: str) -> Predictions | None:
    """Average the members' probabilities over the images that all of them predicted in a split; None without any."""
    files = [member.workdir / f"predictions_{split}.csv" for member in members]
    if not all(file.exists() for file in files):
        return None
    tables = [read_csv(file) for file in files]
    rows = [{image_id: row for row, image_id in enumerate(table.image_ids)} for table in tables]
    kept = [image_id for image_id in tables[0].image_ids if all(image_id in known for known in rows)]
    if not kept:
        return None
    parts = [table.part([known[image_id] for image_id in kept]) for table, known in zip(tables, rows, strict=True)]
    if any((other.labels != parts[0].labels).any() for other in parts[1:]):
        raise UserError(f"the {split} predictions of the runs disagree about labels: judge each run again first.")
    return dataclasses.replace(parts[0], probabilities=np.mean([part.probabilities for part in parts], axis=0))


def fit_calibration(members: Sequence[Member]) -> Calibration | None:
    """Fit to the calibration images that all members have, which none of them has seen otherwise; None without any."""
    predictions = mean_predictions(members, "calib")
    return None if predictions is None else Calibration.fit(predictions, settings_of(members))


def calibration_of(workdirs: Sequence[Path]) -> Calibration | None:
    """Return that of a run; fitted now for an ensemble, and for a run of an older version; None without any.

    Args:
      workdirs: of one finished run, or of the members of an ensemble.

    Raises:
      UserError: see `read_members`; or calibration.json is damaged.
    """
    if len(workdirs) == 1:
        return Calibration.read(workdirs[0]) or fit_calibration([Member.read(workdirs[0])])
    return fit_calibration(read_members(workdirs))


def evaluate_ensemble(workdirs: Sequence[Path], folder: Path) -> dict[str, Any]:
    """Judge an ensemble on the test split of its members, and write to `folder` what a run's folder holds of that.

    Writes predictions_calib.csv, predictions_test.csv, calibration.json, config.json (the members', without paths),
    evaluation.json and report.html, so that `evaluate_run` judges the folder again.

    Args:
      workdirs: of the members.
      folder: a new one, or that of an ensemble.

    Returns:
      What evaluation.json holds.

    Raises:
      UserError: see `read_members`; or the folder is a run's.
    """
    if (folder / "splits.json").exists():
        raise UserError(f"{folder} is a run's folder: give the ensemble one of its own, --workdir=FOLDER.")
    members = read_members(workdirs)
    tables = {name: mean_predictions(members, name) for name in ("calib", "test", _WITHOUT_IMAGE)}
    if tables["test"] is None or set(tables["test"].image_ids) != members[0].ids("test"):
        raise UserError("predictions of test images are missing in a run: judge it again first.")
    calibration = fit_calibration(members)
    evaluation = _evaluation(members, tables["test"], tables[_WITHOUT_IMAGE], calibration)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if table is not None:
            write_csv(folder / f"predictions_{name}.csv", table)
    if calibration:
        calibration.write(folder, demo=evaluation["demo"])
    config = {"name": f"ensemble of {len(members)}", "evaluation": settings_of(members).to_json()}
    write_json(folder / "config.json", config | {"members": [member.config for member in members]})
    write_json(folder / "evaluation.json", evaluation)
    write_report(folder)
    return evaluation


def _evaluation(
    members: Sequence[Member], test: Predictions, without_image: Predictions | None, calibration: Calibration | None
) -> dict[str, Any]:
    first, settings = members[0].evaluation, settings_of(members)
    judged = {"test": test}
    if ONE_PER_GROUP in first["splits"]:
        judged[ONE_PER_GROUP] = one_image_a_group(test)
    lacking = {} if without_image is None else {"test": without_image}
    splits = evaluate_splits(judged, calibration, ordered=first["ordered"], settings=settings, without_image=lacking)
    return {name: first[name] for name in _COMMON} | {
        "primary": settings.primary,
        "ensemble": [{key: member.config[key] for key in ("name", "seed")} for member in members],
        "calibration": calibration_entry(calibration),
        "splits": splits,
    }


def settings_of(members: Sequence[Member]) -> Settings:
    """Return those of the first member."""
    return Settings.of(members[0].config.get("evaluation", {}))
