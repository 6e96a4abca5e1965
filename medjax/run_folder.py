"""A run's folder: what is written about the run itself, and whether a folder may be gone on with."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pathlib
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from medjax import config as configuration
from medjax import processes
from medjax.errors import UserError
from medjax.json_file import read_json, write_json
from medjax.run_lock import held
from medjax.terminal import log

_PATHS = (
    "workdir",
    "config.data.path",
    "config.data.cache",
    "config.split.file",
    "config.weights",
    "config.data.options.root",
    "data",
    "training-data",
    "runs",
    "predictions",
    "output",
    "cache",
)
# Of what a run's folder holds. 2: checkpoints have hashes, and count the updates that were skipped.
FORMAT = 2
_PACKAGES = ("medjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pillow", "scikit-learn")


def open_run(workdir: pathlib.Path, settings: dict[str, Any]) -> None:
    """Make the folder of a new run, or check that the run in it has the same config.

    Writes config.json and environment.json; warns when a run goes on in another environment, since its numbers may
    then differ in the last bits.

    Args:
      workdir: made when missing.
      settings: the resolved config and "demo", as JSON.

    Raises:
      UserError: the folder holds a run of another config or of another version's format, or cannot be written.
    """
    file = workdir / "config.json"
    if file.exists():
        check_format(workdir, oldest=FORMAT)
        _check_same(read_json(file), settings, workdir)
        _warn_of_changes(read_json(workdir / "environment.json"), environment())
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        write_json(workdir / "environment.json", environment())
        write_json(file, settings)
    except OSError as error:
        raise UserError(
            f"the run's folder {workdir} cannot be written ({error.strerror}): give another --workdir."
        ) from error


@contextlib.contextmanager
def entered(workdir: pathlib.Path, settings: dict[str, Any]) -> Iterator[pathlib.Path]:
    """Keep others out of the run, open it, and yield the folder this process writes to: a scratch one where it follows.

    Raises:
      UserError: another process works on the run; or see `open_run`.
    """
    with contextlib.ExitStack() as stack:
        if processes.leads():
            stack.enter_context(held(workdir))
            open_run(workdir, settings)
        processes.wait_for_all("the run's folder")
        yield processes.own_folder(workdir)


def check_format(workdir: pathlib.Path, *, oldest: int = 1) -> None:
    """Refuse a run's folder that this version cannot read, or, with oldest=FORMAT, cannot go on with.

    Raises:
      UserError: says which version can.
    """
    written = read_json(workdir / "environment.json", needed={"packages": dict})
    found, version = written.get("format", 1), written["packages"].get("medjax")
    if not isinstance(found, int) or not oldest <= found <= FORMAT:
        raise UserError(
            f"{workdir} was written by another version, medjax {version}, in format {found!r}; this one, "
            f"{_version('medjax')}, takes {oldest} to {FORMAT}: use that version, or another --workdir."
        )


def environment() -> dict[str, Any]:
    """Versions, devices, cores, git revision and command: what a run's bits depend on."""
    return {
        "format": FORMAT,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "devices": [f"{d.platform}:{d.device_kind}" for d in jax.devices()],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "git_revision": _git_revision(),
        "command": shlex.join(["python", "-m", f"medjax.{_program()}", *without_paths(sys.argv[1:])]),
    }


def without_paths(arguments: Sequence[str]) -> list[str]:
    """Return command-line arguments with "…" for every path: a folder's name may be a patient's.

    Of the config's own file the name stays, and the folder where it is a relative one.
    """
    kept, before = [], ""
    for argument in arguments:
        name, equals, value = ("", "", argument) if before else argument.partition("=")
        option = before or name.lstrip("-")
        if option == "config" and (before or equals):
            argument = name + equals + (f"…/{pathlib.Path(value).name}" if _leads_away(value) else value)
        elif option in _PATHS and (before or equals):
            argument = f"{name}{equals}…"
        kept.append(argument)
        before = option if option in ("config", *_PATHS) and not before and not equals else ""
    return kept


def _leads_away(path: str) -> bool:
    """Return whether a path tells of folders outside the one that the command was given in."""
    return pathlib.Path(path).is_absolute() or path.startswith(("..", "~"))


def _check_same(old: dict[str, Any], new: dict[str, Any], workdir: pathlib.Path) -> None:
    found = configuration.differences(old, new)
    if found:
        raise UserError(
            f"{workdir} holds a run of another config; {'; '.join(found)}. Use another --workdir, or the same config."
        )


def _warn_of_changes(old: dict[str, Any], new: dict[str, Any]) -> None:
    watched = ("python", "platform", "packages", "devices", "cores")
    found = configuration.differences({k: old.get(k) for k in watched}, {k: new[k] for k in watched})
    if found:
        log.warning(
            f"This run was begun elsewhere ({'; '.join(found)}): data and order stay the same, the last bits may not."
        )


def _program() -> str:
    """The entry point; main where the run was started from other code."""
    file = pathlib.Path(sys.argv[0])
    return file.stem if file.parent == pathlib.Path(__file__).parent else "main"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_revision() -> str | None:
    """Revision of medjax's own checkout; None where there is none."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"],
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
