"""The runs of a sweep: their folders, the arguments that medjax.main gets, and how far they are."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from medjax import config as configuration
from medjax import config_flag
from medjax.errors import UserError
from medjax.json_file import read_json
from medjax.sweep_file import Sweep
from medjax.terminal import option_errors


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
      name: its folder, below the sweep's.
      overrides: the fields that the sweep sets, for the reader of a table.
      arguments: of medjax.main, without --workdir.
      config: resolved.
      folds: names of the runs that it pools; () where it trains itself.
    """

    name: str
    overrides: dict[str, Any]
    arguments: tuple[str, ...]
    config: ConfigDict
    folds: tuple[str, ...] = ()


def expand(sweep: Sweep, given: Sequence[str] = ()) -> list[Run]:
    """Return the runs in the order of the file: config, point, seed; the folds of a run before it.

    Each config is made and checked as medjax.main does it. Of runs with the same config the first is kept.

    Args:
      sweep: as read.
      given: further arguments for every run: --config.FIELD=VALUE and --no-images.

    Raises:
      UserError: a field or a value is not allowed, or two different runs would have one folder.
    """
    runs: dict[str, Run] = {}
    known: set[str] = set()
    for file, point, seed in itertools.product(sweep.configs, sweep.points, sweep.seeds or (None,)):
        overrides = point | ({} if seed is None else {"seed": seed}) | ({"folds": sweep.folds} if sweep.folds else {})
        run = _run(file, overrides, given)
        content = run.config.to_json_best_effort(sort_keys=True)
        if content in known:
            continue
        known.add(content)
        if run.name in runs:
            raise UserError(f"two different runs would be {run.name}: give their configs different names.")
        folds = [
            dataclasses.replace(_run(file, overrides | {"fold": fold}, given), name=f"{run.name}/fold{fold}")
            for fold in range(sweep.folds)
        ]
        runs |= {fold.name: fold for fold in folds}
        runs[run.name] = dataclasses.replace(run, folds=tuple(fold.name for fold in folds))
    return list(runs.values())


def is_finished(run: Run, folder: pathlib.Path) -> bool:
    """Return whether a run's folder holds it, whole: its report is written last.

    Raises:
      UserError: the folder holds a run of another config.
    """
    if not (folder / "config.json").exists():
        return False
    found = configuration.differences(read_json(folder / "config.json"), configuration.settings(run.config))
    if found:
        raise UserError(f"{folder} holds a run of another config; {'; '.join(found)}. Use another --workdir.")
    return all((folder / name).exists() for name in ("predictions_test.csv", "evaluation.json", "report.html"))


def _run(file: str, overrides: Mapping[str, Any], given: Sequence[str]) -> Run:
    own = [f"--config.{field}={_as_option(field, value)}" for field, value in overrides.items()]
    _refuse_twice(own, given)
    try:
        config = _read_config([f"--config={file}", *given, *own])
    except UserError as error:
        raise UserError(f"{' '.join([file, *own])}: {error}") from error
    point = {field: value for field, value in overrides.items() if field not in ("seed", "folds", "fold")}
    digits = hashlib.sha256(json.dumps(point, sort_keys=True).encode()).hexdigest()[:8]
    name = config.name + (f"-{digits}" if point else "") + (f"-seed{overrides['seed']}" if "seed" in overrides else "")
    return Run(name, dict(overrides), (f"--config={file}", *given, *own), config)


def _read_config(arguments: Sequence[str]) -> ConfigDict:
    """Return the resolved config that medjax.main makes of its arguments."""
    values = flags.FlagValues()
    flags.DEFINE_bool("no-images", False, "", flag_values=values)
    config_flag.define(values, arguments)
    with option_errors():
        rest = values(["medjax.main", *arguments])[1:]
    if rest:
        raise UserError(f"{rest[0]!r} is not understood: options are written --name=value.")
    return configuration.resolve(config_flag.read(values))


def _refuse_twice(own: Sequence[str], given: Sequence[str]) -> None:
    names = {argument.lstrip("-").partition("=")[0] for argument in given}
    twice = sorted(names & {"config", *(option.lstrip("-").partition("=")[0] for option in own)})
    if twice:
        raise UserError(f"--{twice[0]} is set by the sweep file: leave it out, or change the file.")


def _as_option(field: str, value: Any) -> str:
    """Write a value of TOML as an option of the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return repr(tuple(value))
    if isinstance(value, int | float | str):
        return str(value)
    raise UserError(f"{field}={value!r}: must be a number, a text, true, false or a list of those.")
