"""The tables of the RSNA 2024 lumbar spine challenge: what is to be graded, how it was, and where it lies."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from typing import NamedTuple

from medjax.datasets.source import ReadError, Source
from medjax.errors import UserError

SEVERITIES = ("Normal/Mild", "Moderate", "Severe")
# Condition and side; "" has none.
CONDITIONS = {
    "spinal_canal_stenosis": ("",),
    "neural_foraminal_narrowing": ("left", "right"),
    "subarticular_stenosis": ("left", "right"),
}
LEVELS = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")
LABELS_FILE, COORDINATES_FILE = "train.csv", "train_label_coordinates.csv"


class Place(NamedTuple):
    """Where a target lies: a slice of a series, and the column x and row y in it, pixels."""

    series: str
    instance: int
    x: float
    y: float


class Target(NamedTuple):
    """One thing to be graded in one study.

    Attributes:
      study: its number in the challenge.
      condition: a key of CONDITIONS.
      side: "left", "right", or "" for the spinal canal.
      level: one of LEVELS.
      label: index into SEVERITIES, −1 where the grade is missing.
      place: None where no coordinate is given.
    """

    study: str
    condition: str
    side: str
    level: str
    label: int
    place: Place | None

    @property
    def column(self) -> str:
        """Its column in train.csv."""
        return "_".join(part for part in (self.side, self.condition, self.level) if part)


def find_root(source: Source) -> str:
    """Return the folder of the tables, "" or ending in "/"; UserError where there is none, or more than one."""
    tails = [name.removesuffix(LABELS_FILE) for name in source.files if name.split("/")[-1] == LABELS_FILE]
    roots = [root for root in tails if root + COORDINATES_FILE in set(source.files)]
    if len(roots) == 1:
        return roots[0]
    found = f"holds {len(roots)} folders" if roots else "holds no folder"
    raise UserError(
        f"{source.path} {found} with {LABELS_FILE} and {COORDINATES_FILE}; give the folder or the .zip of the "
        "challenge's data, with its train_images beside the tables"
    )


def read_targets(source: Source, root: str) -> list[Target]:
    """Return every target of every study, in the order of train.csv.

    Raises:
      UserError: a table that cannot be read, lacks a column, or holds a value that cannot be; it names the line.
    """
    places = _places(source, root + COORDINATES_FILE)
    kinds = [(condition, side, level) for condition in CONDITIONS for side in CONDITIONS[condition] for level in LEVELS]
    blank = [Target("", condition, side, level, -1, None) for condition, side, level in kinds]
    targets: list[Target] = []
    seen: set[str] = set()
    for where, row in _rows(source, root + LABELS_FILE, ("study_id", *(target.column for target in blank))):
        study = str(_whole(where, "study_id", row["study_id"]))
        if study in seen:
            raise UserError(f"{where}: study {study} is there twice; remove one of the lines")
        seen.add(study)
        for target in blank:
            label = _severity(where, target.column, row[target.column])
            targets.append(target._replace(study=study, label=label, place=places.pop((study, target.column), None)))
    if places:
        study, column = next(iter(places))
        raise UserError(
            f"{root}{COORDINATES_FILE} has {len(places)} coordinates of studies that are not in {LABELS_FILE}, the "
            f"first of study {study} ({column}); the two tables must belong together"
        )
    return targets


def _places(source: Source, name: str) -> dict[tuple[str, str], Place]:
    """Return the coordinates by study and column of train.csv."""
    columns = {
        (f"{side} {condition.replace('_', ' ')}".strip(), level.replace("_", "/")): Target(
            "", condition, side, level, -1, None
        ).column
        for condition, sides in CONDITIONS.items()
        for side in sides
        for level in LEVELS
    }
    places: dict[tuple[str, str], Place] = {}
    wanted = ("study_id", "series_id", "instance_number", "condition", "level", "x", "y")
    for where, row in _rows(source, name, wanted):
        column = columns.get((row["condition"].casefold(), row["level"].casefold()))
        if column is None:
            raise UserError(
                f"{where}: condition {row['condition']!r} at level {row['level']!r} is not known; conditions are "
                f"{', '.join(sorted({condition.title() for condition, _ in columns}))}, levels L1/L2 to L5/S1"
            )
        study = str(_whole(where, "study_id", row["study_id"]))
        series = str(_whole(where, "series_id", row["series_id"]))
        instance = _whole(where, "instance_number", row["instance_number"])
        if (study, column) in places:
            raise UserError(f"{where}: study {study} has two coordinates for {column}; remove one of the lines")
        places[study, column] = Place(series, instance, _finite(where, "x", row["x"]), _finite(where, "y", row["y"]))
    return places


def _rows(source: Source, name: str, columns: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ("file, line N", values without blanks around them) of a table; further columns are passed over."""
    try:
        text = source.read(name).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        missing = [column for column in columns if column not in (reader.fieldnames or [])]
        if missing:
            raise UserError(
                f"{name} lacks the column {missing[0]!r} ({len(missing)} of {len(columns)} are missing); "
                "use the table of the challenge as it is"
            )
        for row in reader:
            if None in row or None in row.values():
                raise UserError(f"{name}, line {reader.line_num}: not as many values as columns; repair the line")
            yield f"{name}, line {reader.line_num}", {column: row[column].strip() for column in columns}
    except (ReadError, UnicodeDecodeError, csv.Error) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else " ".join(str(error).split())
        raise UserError(f"{name} cannot be read: {reason}; use the table of the challenge as it is") from error


def _severity(where: str, column: str, text: str) -> int:
    if not text:
        return -1  # not graded, which is not the same as normal
    if text not in SEVERITIES:
        raise UserError(
            f"{where}: {column} is {text!r}; allowed are {', '.join(SEVERITIES)}, or nothing where it is missing"
        )
    return SEVERITIES.index(text)


def _whole(where: str, column: str, text: str) -> int:
    """Return a whole number; it becomes part of a path, so nothing but digits will do."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UserError(f"{where}: {column} is {text!r}; it must be a whole number")
    return int(text)


def _finite(where: str, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{where}: {column} is {text!r}; it must be a number of pixels")
    return number
