"""Named columns of a table that lists images: CSV (comma, semicolon or tab) or Parquet. No other column is kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from medjax.datasets.source import MANIFESTS, ManifestSource, ReadError, Source
from medjax.errors import UserError

_MAX_ROWS = 20_000_000
_DELIMITERS = (",", ";", "\t")


def find_manifest(source: Source) -> str:
    """Return the name of the one manifest of a source; UserError where there is none, or more than one."""
    if isinstance(source, ManifestSource):
        return source.manifest
    found = [name for name in source.files if name.lower().endswith(MANIFESTS)]
    shallow = [name for name in found if name.count("/") == min(n.count("/") for n in found)]
    if len(shallow) == 1:
        return shallow[0]
    if not found:
        raise UserError(f"{source.path} holds no manifest ({', '.join(MANIFESTS)}); give the path of the file")
    names = ", ".join(map(repr, shallow[:5]))
    raise UserError(f"{source.path} holds several manifests, {names}; give the path of the one to use")


def read_columns(source: Source, name: str, columns: Sequence[str]) -> dict[str, list[str]]:
    """Read columns of a manifest as text, without blanks around it; "" where there is nothing.

    Args:
      source: in which it lies.
      name: of the manifest in the source.
      columns: to read; the others are never kept, for they may say who somebody is.

    Returns:
      The values of each column, in the order of the rows.

    Raises:
      UserError: the file or a column cannot be read, is missing or there twice, or a cell holds a list.
    """
    place = f"the manifest {name!r} of {source.path}"
    try:
        data = source.read(name)
    except ReadError as error:
        raise UserError(f"{place} {error}") from error
    wanted = list(dict.fromkeys(columns))
    read = _read_parquet if name.lower().endswith(".parquet") else _read_csv
    try:
        found = read(data, wanted)
    except ValueError as error:
        raise UserError(f"{place} {error}") from error
    if not found[wanted[0]]:
        raise UserError(f"{place} has no rows; it must list one image a row")
    return found


def _read_csv(data: bytes, wanted: list[str]) -> dict[str, list[str]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8; save it as CSV UTF-8") from error
    headers = {d: _header(text, d) for d in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda d: (sum(c in headers[d] for c in wanted), len(headers[d])))
    _demand(headers[delimiter], wanted)
    index_of = {column: headers[delimiter].index(column) for column in wanted}
    found: dict[str, list[str]] = {column: [] for column in wanted}
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        next(rows)
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(headers[delimiter]):
                raise ValueError(
                    f"has {len(row)} cells in line {rows.line_num} and {len(headers[delimiter])} columns; put a text "
                    "that holds the delimiter between quotation marks"
                )
            for column, index in index_of.items():
                found[column].append(row[index].strip())
    except csv.Error as error:
        raise ValueError(f"is no CSV in line {rows.line_num}: {error}") from error
    return found


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])]
    except csv.Error:  # with another delimiter it may be one
        return []


def _read_parquet(data: bytes, wanted: list[str]) -> dict[str, list[str]]:
    import pyarrow  # slow to import, and not needed for CSV
    from pyarrow import parquet, types

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        _demand(file.schema_arrow.names, wanted)
        if file.metadata.num_rows > _MAX_ROWS:  # a few bytes can stand for any number of equal rows
            raise ValueError(f"has {file.metadata.num_rows:,} rows; at most {_MAX_ROWS:,} are read")
        table = file.read(columns=wanted)
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(f"is no Parquet: {' '.join(str(error).split())[:200]}") from error
    nested = [field.name for field in table.schema if types.is_nested(field.type)]
    if nested:
        raise ValueError(f"holds lists in the column {nested[0]!r}; one value a row is needed (one label an image)")
    return {column: [_text(value) for value in table[column].to_pylist()] for column in wanted}


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN
        return ""
    return str(value).strip()


def _demand(header: Sequence[str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if header.count(column) != 1:
            found = ", ".join(map(repr, header[:30]))
            times = "no column" if column not in header else f"{header.count(column)} columns"
            raise ValueError(f"has {times} {column!r}; one is needed; its columns are {found}")
