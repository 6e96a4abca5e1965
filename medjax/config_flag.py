"""The option --config: an experiment's file, and one option for each of its fields."""

from __future__ import annotations

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


def read(values: flags.FlagValues) -> ConfigDict:
    """Return the config that parsed flags stand for, not resolved yet.

    Raises:
      UserError: there is no such file, or it cannot be loaded.
    """
    flag: Any = values["config"]
    file = flag.config_filename if flag.present else ""
    if not file or not pathlib.Path(file).is_file():
        there = ", ".join(map(str, sorted(pathlib.Path("configs").glob("*.py")))) or "none under configs/"
        raise UserError(f"--config={file or ''} is not a file: give one of {there}.")
    if not isinstance(flag.value, ConfigDict):
        raise UserError(f"get_config() of {file} returns a {type(flag.value).__name__}: it must return a ConfigDict.")
    try:
        return flag.value.copy_and_resolve_references()
    except OSError as error:  # what ml_collections raises, whatever is wrong inside the file
        raise UserError(f"{file} cannot be loaded: {' '.join(str(error.__cause__ or error).split())}") from error
