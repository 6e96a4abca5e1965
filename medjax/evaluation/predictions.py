"""Prediction tables: what every metric is computed from, in memory and as CSV.

CSV columns: image_id, group_id, label (the class name; empty = missing), prob_<class name> for every class, then the
kept columns. Floats are written with repr, so that reading gives the same float64.

Spreadsheet programs run a cell that begins with = + - @ (or tab, CR, LF) as a formula. Such texts, unless they are
plain numbers, are written with a leading apostrophe, which reading takes off again; so are texts that already look
like that, so that every text comes back as it was. A CSV of another tool with such an apostrophe loses it.
"""

import csv
import dataclasses
import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from medjax.errors import UserError
from medjax.pipeline.storage import write_bytes

_PREFIX = "prob_"
_FIXED = ("image_id", "group_id", "label")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_SUM_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predicted class probabilities of N images; checked when made.

    Attributes:
        image_ids: N unique texts.
        group_ids: N texts (patient, study, …); "" = unknown.
        labels: int64 [N], index of the class; -1 = missing.
        probabilities: float64 [N, K], rows that sum to 1 (within 1e-3); never renormalised.
        class_names: K unique texts.
        columns: kept columns by name, N texts each.

    Raises:
        UserError: anything that does not fit the above, naming the row (1 = first) and the image_id.
    """

    image_ids: list[str]
    group_ids: list[str]
    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...]
    columns: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "image_ids", [str(i) for i in self.image_ids])
        set_field(self, "group_ids", [str(i) for i in self.group_ids])
        set_field(self, "labels", np.asarray(self.labels, dtype=np.int64))
        set_field(self, "probabilities", np.asarray(self.probabilities, dtype=np.float64))
        set_field(self, "class_names", tuple(str(name) for name in self.class_names))
        set_field(self, "columns", {str(k): [str(v) for v in values] for k, values in self.columns.items()})
        _check_shapes(self)
        _check_rows(self)

    def __len__(self) -> int:
        return len(self.image_ids)

    def part(self, rows: Sequence[int] | np.ndarray) -> "Predictions":
        """Return the table of some rows, in the order given. Args: rows is int [M], none of them twice."""
        rows = np.asarray(rows, dtype=np.int64)
        return dataclasses.replace(
            self,
            image_ids=[self.image_ids[row] for row in rows],
            group_ids=[self.group_ids[row] for row in rows],
            labels=self.labels[rows],
            probabilities=self.probabilities[rows],
            columns={name: [values[row] for row in rows] for name, values in self.columns.items()},
        )


def _check_shapes(table: Predictions) -> None:
    rows, classes = len(table.image_ids), len(table.class_names)
    if classes == 0 or len(set(table.class_names)) != classes or "" in table.class_names:
        raise UserError(f"class names must be unique and not empty, at least one; got {list(table.class_names)}")
    if table.probabilities.shape != (rows, classes):
        raise UserError(
            f"probabilities have shape {table.probabilities.shape}; {rows} images of {classes} classes "
            f"need {(rows, classes)}"
        )
    if table.labels.shape != (rows,) or len(table.group_ids) != rows:
        raise UserError(
            f"{rows} images need as many labels and groups; got {table.labels.shape} labels and "
            f"{len(table.group_ids)} groups"
        )
    for name, values in table.columns.items():
        if len(values) != rows:
            raise UserError(f"column {name!r} has {len(values)} values for {rows} images")
        if name in _FIXED or name.startswith(_PREFIX) or not name:
            raise UserError(f"a kept column cannot be called {name!r}: that name is the table's own; rename it")


def _check_rows(table: Predictions) -> None:
    seen: dict[str, int] = {}
    for row, image_id in enumerate(table.image_ids):
        if image_id == "":
            raise UserError(f"row {row + 1}: image_id is empty; every image needs one")
        if image_id in seen:
            raise UserError(f"row {row + 1}: image_id {image_id!r} is in row {seen[image_id] + 1} too; ids are unique")
        seen[image_id] = row

    def refuse(bad_rows: np.ndarray, what: str) -> None:
        for row in np.flatnonzero(bad_rows)[:1]:
            values = [float(p) for p in table.probabilities[row]]
            raise UserError(f"row {row + 1} (image_id {table.image_ids[row]!r}): {what}; got {values}")

    probabilities = table.probabilities
    refuse(~np.all(np.isfinite(probabilities), axis=1), "probabilities must be finite numbers")
    refuse(np.any(probabilities < 0, axis=1), "probabilities must not be negative")
    sums = probabilities.sum(axis=1)
    refuse(np.abs(sums - 1) > _SUM_TOLERANCE, f"probabilities must sum to 1 within {_SUM_TOLERANCE}")
    bad_labels = (table.labels < -1) | (table.labels >= len(table.class_names))
    for row in np.flatnonzero(bad_labels)[:1]:
        raise UserError(
            f"row {row + 1} (image_id {table.image_ids[row]!r}): label {table.labels[row]} is no index of "
            f"{len(table.class_names)} classes (-1 = missing)"
        )


def _escape(text: str) -> str:
    return "'" + text if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _unescape(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _cells(predictions: Predictions) -> Iterator[list[str]]:
    names = [_PREFIX + name for name in predictions.class_names]
    yield [*_FIXED, *names, *predictions.columns]
    for row, label in enumerate(predictions.labels):
        yield [
            predictions.image_ids[row],
            predictions.group_ids[row],
            "" if label == -1 else predictions.class_names[label],
            *(repr(float(p)) for p in predictions.probabilities[row]),
            *(values[row] for values in predictions.columns.values()),
        ]


def write_csv(file: str | os.PathLike[str], predictions: Predictions) -> None:
    """Write the table, replacing the file in one step. Ids that are not UTF-8 (odd file names) keep their bytes.

    Raises:
        UserError: the disk refuses.
    """
    text = "".join(map(csv_line, _cells(predictions)))
    write_bytes(Path(file), text.encode("utf-8", "surrogateescape"))


def csv_line(cells: list[str]) -> str:
    """Return a line of CSV, its end included, that no spreadsheet program takes for formulas; see above."""
    safe = [_escape(cell) for cell in cells]
    line = io.StringIO()
    # not every Python 3.11 quotes a bare carriage return, which would split its row when read
    if "\r" in "".join(safe):
        csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(safe)
    else:
        csv.writer(line, lineterminator="\n").writerow(safe)
    return line.getvalue()


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV; None is an empty cell, and floats are written so that reading gives the same float64."""
    return "".join(csv_line(["" if cell is None else str(cell) for cell in row]) for row in rows)


def _read_cells(file: Path) -> Iterator[list[str]]:
    try:
        with open(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as source:
            yield from (row for row in csv.reader(source, strict=True) if row)
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist; give the path of a predictions CSV") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); give the path of a predictions CSV") from error
    except csv.Error as error:
        raise UserError(f"{file} cannot be read as CSV: {error}") from error


def _check_header(file: Path, header: list[str]) -> None:
    repeated = next((name for name, count in Counter(header).items() if count > 1), None)
    if repeated is not None:
        raise UserError(f"{file}: column {repeated!r} is there twice; column names are unique")
    for needed in ("image_id", "label"):
        if needed not in header:
            raise UserError(
                f"{file}: column {needed!r} is missing; found {header}; needed are image_id, label and "
                f"{_PREFIX}<class name> for every class"
            )
    if not any(name.startswith(_PREFIX) for name in header):
        raise UserError(f"{file}: no column {_PREFIX}<class name>; found {header}; every class needs one")


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"{where}: {text!r} is not a number; probabilities are plain decimals") from error


def read_csv(file: str | os.PathLike[str]) -> Predictions:
    """Read a table that `write_csv` or another tool wrote; columns in any order, group_id and kept columns optional.

    Raises:
        UserError: no such file, a missing or repeated column, a row of the wrong length, an unknown label, or anything
            `Predictions` refuses; it names the file, the row (1 = first after the header) and the image_id.
    """
    file = Path(file)
    cells = _read_cells(file)
    header = [_unescape(name) for name in next(cells, [])]
    _check_header(file, header)
    texts: dict[str, list[str]] = {name: [] for name in header}
    for number, row in enumerate(cells, start=1):
        if len(row) != len(header):
            raise UserError(f"{file}, row {number}: {len(row)} cells under {len(header)} columns; one each is needed")
        for name, cell in zip(header, row, strict=True):
            texts[name].append(_unescape(cell))

    image_ids, label_names = texts.pop("image_id"), texts.pop("label")
    group_ids = texts.pop("group_id", [""] * len(image_ids))
    class_names = tuple(name.removeprefix(_PREFIX) for name in header if name.startswith(_PREFIX))
    index = {"": -1} | {name: k for k, name in enumerate(class_names)}
    for number, (image_id, name) in enumerate(zip(image_ids, label_names, strict=True), start=1):
        if name not in index:
            raise UserError(
                f"{file}, row {number} (image_id {image_id!r}): label {name!r} is none of "
                f"{list(class_names)}; an empty cell means missing"
            )
    probabilities = np.empty((len(image_ids), len(class_names)), dtype=np.float64)
    for k, class_name in enumerate(class_names):
        for row_index, text in enumerate(texts.pop(_PREFIX + class_name)):
            where = f"{file}, row {row_index + 1} (image_id {image_ids[row_index]!r}), {_PREFIX}{class_name}"
            probabilities[row_index, k] = _number(text, where)
    labels = np.array([index[name] for name in label_names], dtype=np.int64)
    try:
        return Predictions(image_ids, group_ids, labels, probabilities, class_names, texts)
    except UserError as error:
        raise UserError(f"{file}, {error}") from error
