"""The flags that entry points share, and what they stand for."""

from __future__ import annotations

import pathlib

from absl import flags
from ml_collections import ConfigDict

from medjax import config as configuration
from medjax import config_flag

config_flag.define(flags.FLAGS)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "The run's folder; the same command goes on with it. Default: runs/NAME-HASH."
)
_COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, where one run has several processes.")
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes the run has.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "Number of this one, from 0.")
_DISTRIBUTED = flags.DEFINE_bool("distributed", False, "Let JAX find the other processes (TPU slices).")
flags.DEFINE_bool("no-images", False, "Write reports and audits without pictures.")


def read_run() -> tuple[ConfigDict, pathlib.Path, bool]:
    """Return the resolved config, the run's folder, and whether reports may show pictures.

    Raises:
      UserError: no such config, or a value in it is impossible.
    """
    config = configuration.resolve(config_flag.read(flags.FLAGS))
    workdir = _WORKDIR.value or f"runs/{config.name}-{configuration.short_hash(config)}"
    return config, pathlib.Path(workdir), not flags.FLAGS["no-images"].value


def join_processes() -> None:
    """Join the other processes of the run, where the flags or the environment tell of them.

    Raises:
      UserError: see processes.start.
    """
    from medjax import processes  # slow to import; a typo should not be

    processes.start(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value, detect=_DISTRIBUTED.value)
