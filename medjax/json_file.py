"""JSON files, whole or not there."""

from __future__ import annotations

import json
import pathlib
import types
from collections.abc import Mapping
from typing import Any

from medjax.errors import UserError
from medjax.pipeline.storage import write_text


def write_json(file: pathlib.Path, content: Any) -> None:
    """Write a JSON file that is either whole or not there; NaN is refused."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(file, text + "\n")


def read_json(
    file: pathlib.Path,
    advice: str = "use another --workdir, or delete this one",
    needed: Mapping[str, type] = types.MappingProxyType({}),
) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Args:
      file: its path.
      advice: what to do where that fails.
      needed: names that the object must hold, and the type of their values.

    Raises:
      UserError: it is missing or damaged, or lacks what is needed.
    """
    content = _read(file, advice)
    if not isinstance(content, dict):
        raise UserError(f"{file} holds no JSON object: {advice}.")
    for name, kind in needed.items():
        if name not in content:
            raise UserError(f"{file} lacks {name!r}, as those of older versions may: {advice}.")
        if not isinstance(content[name], kind):
            raise UserError(f"{file} is damaged, {name!r} is no {kind.__name__}: {advice}.")
    return content


def _read(file: pathlib.Path, advice: str) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): {advice}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not JSON ({error}): {advice}.") from error


def read_json_if_there(
    file: pathlib.Path, advice: str, needed: Mapping[str, type] = types.MappingProxyType({})
) -> dict[str, Any] | None:
    """Read a JSON file as `read_json` does; None where there is none."""
    return read_json(file, advice, needed) if file.exists() else None
