"""JSON-lines files: one JSON object a line, appended by a run that may be killed at any moment."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medjax.errors import UserError
from medjax.pipeline.storage import disk_errors, write_bytes


def _plain(value: Any) -> Any:
    """Turn a scalar of numpy or JAX into Python's own; NaN and infinities become None, as JSON has neither."""
    if isinstance(value, str | bool | int | None):
        return value
    item = np.asarray(value).item()
    return None if isinstance(item, float) and not math.isfinite(item) else item


def append_row(file: Path, row: Mapping[str, Any]) -> None:
    """Append one JSON object as one line and bring it to the disk.

    Args:
        file: made when missing. A file left by a killed run goes through `cut_rows` first.
        row: scalars; "step" (int) is needed. Floats are written so that reading gives the same float64; NaN and
            infinities are written as null.

    Raises:
        ValueError: "step" is missing or no integer.
        UserError: the disk refuses.
    """
    plain = {key: _plain(value) for key, value in row.items()}
    if type(plain.get("step")) is not int:
        raise ValueError(f"a row of {file.name} needs an integer 'step'; got {plain.get('step')!r}")
    line = json.dumps(plain, allow_nan=False, ensure_ascii=False) + "\n"
    with disk_errors(file), open(file, "ab") as out:
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())


def _complete_rows(file: Path) -> list[tuple[bytes, dict[str, Any]]]:
    """Parse every line that ends in a newline; a last one without was torn by a kill and is left out.

    Raises:
        UserError: a complete line is no JSON object with a step.
    """
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")[:-1]
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            row["step"] + 0
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UserError(
                f"{file}, line {number} is not a JSON object with a 'step'; restore the file or delete that line"
            ) from error
        rows.append((line, row))
    return rows


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Read the rows of a JSON-lines file; [] when it is missing. See `_complete_rows` for what it raises."""
    return [row for _, row in _complete_rows(file)]


def cut_rows(file: Path, after_step: int) -> int:
    """Drop, in one atomic replacement, every row with step > after_step and a torn last line.

    Returns:
        How many rows are kept; they keep their bytes.
    """
    kept = [line for line, row in _complete_rows(file) if row["step"] <= after_step]
    content = b"".join(line + b"\n" for line in kept)
    if file.exists() and file.read_bytes() != content:
        write_bytes(file, content)
    return len(kept)
