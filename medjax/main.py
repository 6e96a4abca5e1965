"""Train, validate, test and report one experiment.

python -m medjax.main --config=configs/resnet50_brain.py [--workdir=RUN] [--config.FIELD=VALUE …]
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from medjax import config as configuration
from medjax import memory, terminal
from medjax.errors import UserError

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment: a file of configs/.", lock_config=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run's folder; the same command goes on with it. Default: runs/NAME-HASH."
)


def main(_: Sequence[str]) -> None:
    """Check the config before anything heavy is imported, then run the experiment."""
    config = configuration.resolve(_read_config())
    workdir = _WORKDIR.value or f"runs/{config.name}-{configuration.short_hash(config)}"
    memory.keep_freed_memory()

    from medjax.train import train_and_evaluate  # jax takes seconds to import; a typo should not

    train_and_evaluate(config, pathlib.Path(workdir))


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


if __name__ == "__main__":
    terminal.run(main)
