"""The flags that entry points share, and what they stand for."""

from __future__ import annotations

import pathlib
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from medjax import config as configuration
from medjax.errors import UserError

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment: a file of configs/.", lock_config=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run's folder; the same command goes on with it. Default: runs/NAME-HASH."
)
flags.DEFINE_bool("no-images", False, "Write reports and audits without pictures.")


def read_run() -> tuple[ConfigDict, pathlib.Path, bool]:
    """Return the resolved config, the run's folder, and whether reports may show pictures.

    Raises:
      UserError: no such config, or a value in it is impossible.
    """
    config = configuration.resolve(_read_config())
    workdir = _WORKDIR.value or f"runs/{config.name}-{configuration.short_hash(config)}"
    return config, pathlib.Path(workdir), not flags.FLAGS["no-images"].value


def _read_config() -> ConfigDict:
    flag: Any = flags.FLAGS["config"]
    file = flag.config_filename if flag.present else ""
    if not file or not pathlib.Path(file).is_file():
        there = ", ".join(map(str, sorted(pathlib.Path("configs").glob("*.py")))) or "none under configs/"
        raise UserError(f"--config={file or ''} is not a file: give one of {there}.")
    try:
        return _CONFIG.value.copy_and_resolve_references()
    except OSError as error:  # what ml_collections raises, whatever is wrong inside the file
        raise UserError(f"{file} cannot be loaded: {' '.join(str(error.__cause__ or error).split())}") from error
