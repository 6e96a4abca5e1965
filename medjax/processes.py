"""Several processes that are one run: how they find one another, what they agree on, and which of them writes.

All of them run the same program on the same global arrays. Process 0 leads: its folder is the run's. The others do the
same in a scratch folder of their own, so that nothing is written twice and no code asks who it is; only checkpoints,
to which every process contributes, are written to the run's folder by all.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading

import jax
import numpy as np
from jax.experimental import multihost_utils

from medjax.errors import UserError
from medjax.terminal import log

HEARTBEAT_SECONDS = 10  # a process that is silent for so long is lost, and the others end
_JOIN_SECONDS = 300


def start(coordinator: str | None, num_processes: int | None, process_id: int | None, *, detect: bool = False) -> None:
    """Join the other processes of this run, before JAX looks for devices; alone, do nothing.

    Args:
      coordinator: host:port of process 0, or None: found by JAX under SLURM, Open MPI and on TPUs.
      num_processes: how many there are; None where the coordinator is.
      process_id: of this one, from 0; None where the coordinator is.
      detect: let JAX look for the others although nothing in the environment tells of them.

    Raises:
      UserError: some of the three are given and some are not, or the others were not found.
    """
    given = [value is not None for value in (coordinator, num_processes, process_id)]
    if any(given) and not all(given):
        raise UserError("give --coordinator=HOST:PORT, --num_processes=N and --process_id=I together, or none of them.")
    if not any(given) and not detect and not _are_several():
        return
    _check(coordinator, num_processes, process_id)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            coordinator,
            num_processes,
            process_id,
            initialization_timeout=_JOIN_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the other processes were not found ({reason}): check --coordinator and the network."
        ) from error
    _hear_sigterm()
    if not leads():
        _be_silent()


def _hear_sigterm() -> None:
    """Give SIGTERM back to this program: JAX takes it to note it for those who ask, and then nothing ends."""
    handler = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is threading.main_thread() and handler is not None:
        signal.signal(signal.SIGTERM, handler)


def _check(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
    if coordinator is None or num_processes is None or process_id is None:
        return
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"--coordinator={coordinator} is no address: give HOST:PORT of process 0.")
    if num_processes < 1 or not 0 <= process_id < num_processes:
        raise UserError(f"--process_id={process_id} of --num_processes={num_processes}: give one of 0 to N - 1.")


def _are_several() -> bool:
    """Whether the environment says that this is one process of several: a SLURM step, Open MPI, TPU workers."""
    in_step = "SLURM_STEP_NODELIST" in os.environ  # else a script under sbatch, which is alone
    counts = (os.environ.get("SLURM_NTASKS", "1") if in_step else "1", os.environ.get("OMPI_COMM_WORLD_SIZE", "1"))
    return any(int(count) > 1 for count in counts) or "," in os.environ.get("TPU_WORKER_HOSTNAMES", "")


def _be_silent() -> None:
    """Leave the terminal to the leader; what goes wrong here is still said."""
    log.setLevel(logging.ERROR)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def leads() -> bool:
    """Whether this is process 0."""
    return jax.process_index() == 0


def own_folder(workdir: pathlib.Path) -> pathlib.Path:
    """Return where this process writes: the run's folder for the leader, for others a scratch one, removed at the end.

    A scratch folder begins with the run's splits, where there are any yet.
    """
    if leads():
        return workdir
    folder = pathlib.Path(tempfile.mkdtemp(prefix="medjax-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if (workdir / "splits.json").exists():
        shutil.copy(workdir / "splits.json", folder)
    return folder


def wait_for_all(what: str) -> None:
    """Go on when every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def everywhere(flag: bool) -> bool:
    """Whether `flag` is true in every process."""
    return bool(_gather(flag).all())


def largest(*numbers: int) -> list[int]:
    """Return the largest of each number over all processes."""
    return _gather(np.array(numbers, np.int32)).max(axis=0).tolist()


def check_same(what: str, text: str) -> None:
    """Refuse to go on where processes differ in what must be the same.

    Raises:
      UserError: names the processes that differ from the leader.
    """
    digest = np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], np.uint32)
    digests = _gather(digest)
    others = np.flatnonzero((digests != digests[0]).any(axis=1)).tolist()
    if others:
        names = ", ".join(map(str, others))
        raise UserError(f"{what} of process {names} differ from those of process 0: give all the same files and code.")


def _gather(value: bool | np.ndarray) -> np.ndarray:
    """Return the value of every process: [P, …]."""
    if jax.process_count() == 1:
        return np.asarray(value)[None]
    return np.asarray(multihost_utils.process_allgather(np.asarray(value)))
