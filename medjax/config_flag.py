"""The option --config: an experiment's file, and one option for each of its fields."""

from __future__ import annotations

import difflib
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from medjax.errors import UserError


def define(values: flags.FlagValues, arguments: Sequence[str] | None = None) -> None:
    """Define --config and --config.FIELD among `values`; `arguments` are to be parsed, None: the program's."""
    config_flags.DEFINE_config_file(
        "config",
        None,
        "The experiment: a file of configs/.",
        flag_values=values,
        sys_argv=None if arguments is None else list(arguments),
    )


def check_file(values: flags.FlagValues, arguments: Sequence[str]) -> None:
    """Raise UserError where --config names no file: ml_collections would say so of a field, in words of its own."""
    for argument in arguments if "config" in values else ():
        name, _, file = argument.partition("=")
        if name.lstrip("-") == "config" and argument.startswith("-"):
            _check(file)


def _check(file: str) -> None:
    if not file or not pathlib.Path(file).is_file():
        there = [str(path) for path in sorted(pathlib.Path("configs").glob("*.py"))]
        near = difflib.get_close_matches(file, there, n=1)
        advice = f"did you mean {near[0]}?" if near else f"give one of {', '.join(there) or 'none under configs/'}."
        raise UserError(f"--config={file} is not a file: {advice}")


def read(values: flags.FlagValues) -> ConfigDict:
    """Return the config that parsed flags stand for, not resolved yet.

    Raises:
      UserError: there is no such file, or it cannot be loaded.
    """
    flag: Any = values["config"]
    file = flag.config_filename if flag.present else ""
    _check(file or "")
    if not isinstance(flag.value, ConfigDict):
        raise UserError(f"get_config() of {file} returns a {type(flag.value).__name__}: it must return a ConfigDict.")
    try:
        return flag.value.copy_and_resolve_references()
    except OSError as error:  # what ml_collections raises, whatever is wrong inside the file
        raise UserError(f"{file} cannot be loaded: {' '.join(str(error.__cause__ or error).split())}") from error
