"""A sweep file: which runs to make, in TOML.

    configs = ["configs/my_images.py"]          # files, as --config takes them
    seeds = [0, 1, 2]                           # of config.seed; left out: the config's own
    folds = 5                                   # each fold a run of its own, then pooled; left out: the config's own
    [grid]                                      # fields of the config: every combination of their values
    augment.rotation = [0.0, 15.0]
    [random]                                    # with each of those, `draws` points
    draws = 20
    seed = 0
    uniform.augment.zoom = [0.0, 0.2]           # from, to
    log_uniform.optimizer.learning_rate = [1e-4, 1e-2]
    choice.batch_size = [16, 32, 64]            # each as likely

A value of a field that is a tuple is written as a list: model.head_hidden = [[], [256]].
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medjax.errors import UserError

MOST_RUNS = 10_000
_KINDS = ("uniform", "log_uniform", "choice")
_OWN = ("seed", "folds", "fold")  # set by the file's `seeds` and `folds`


@dataclasses.dataclass(frozen=True)
class Sweep:
    """What a sweep file asks for.

    Attributes:
      configs: paths of config files.
      seeds: of config.seed; empty where the config's own is meant.
      folds: 0 where the config's own is meant.
      points: overrides of config fields, by their dotted names; [{}] where there are none.
    """

    configs: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: int
    points: tuple[dict[str, Any], ...]


def read_sweep(file: pathlib.Path) -> Sweep:
    """Read a sweep file. The points are those of the grid in the order written, with each of them all random draws.

    Raises:
      UserError: it cannot be read, or something in it is not understood.
    """
    try:
        return _checked(tomllib.loads(file.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise UserError(f"--sweep={file} cannot be read ({error.strerror}): give a sweep file.") from error
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    except (ValueError, OverflowError, RecursionError) as error:  # also no UTF-8, and numbers of 400 digits
        raise UserError(f"--sweep={file} is not TOML that can be read: {error}.") from error


def _checked(found: dict[str, Any]) -> Sweep:
    _only(found, ("configs", "seeds", "folds", "grid", "random"), "the file")
    configs, seeds, folds = found.get("configs", []), found.get("seeds", []), found.get("folds", 0)
    _demand(_is_list(configs, str) and configs, "configs", configs, 'a list of files, as ["configs/my_images.py"]')
    _demand(_is_list(seeds, int), "seeds", seeds, "a list of integers")
    _demand(type(folds) is int and (folds == 0 or folds >= 2), "folds", folds, "an integer of at least 2")
    grid, drawing = found.get("grid", {}), found.get("random", {})
    _demand(isinstance(grid, dict), "grid", grid, "a table")
    _demand(isinstance(drawing, dict), "random", drawing, "a table")
    grid, count = _fields(grid, "grid"), drawing.get("draws")
    numbers = [len(configs), len(seeds), folds, count if type(count) is int else 0, *map(len, grid.values())]
    if math.prod(max(number, 1) for number in numbers) > MOST_RUNS:  # counted before any of them is made
        raise UserError(
            f"it stands for more than {MOST_RUNS:,} runs: draw some of them at random, or make several files."
        )
    draws = _draws(drawing)
    both = sorted(grid.keys() & draws[0].keys()) if draws else []
    if both:
        raise UserError(f"{both[0]} is in the grid and drawn at random: leave one of them out.")
    combinations = (dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values()))
    points = tuple(point | draw for point, draw in itertools.product(combinations, draws or [{}]))
    return Sweep(tuple(configs), tuple(seeds), folds, points)


def _draws(drawing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the random points; each value is a pure function of the seed, the number of the draw and the field."""
    if not drawing:
        return []
    _only(drawing, ("draws", "seed", *_KINDS), "[random]")
    count, seed = drawing.get("draws", 0), drawing.get("seed")
    _demand(type(count) is int and count >= 1, "random.draws", count, "an integer of at least 1")
    _demand(type(seed) is int, "random.seed", seed, "an integer")
    quantiles: dict[str, Callable[[float], Any]] = {}
    for kind in _KINDS:
        table = drawing.get(kind, {})
        _demand(isinstance(table, dict), f"random.{kind}", table, "a table of fields")
        for field, values in _fields(table, f"random.{kind}").items():
            _demand(field not in quantiles, f"random.{kind}.{field}", values, "drawn in one way only")
            quantiles[field] = _quantile(kind, field, values)
    return [
        {field: quantile(random.Random(f"{seed}/{draw}/{field}").random()) for field, quantile in quantiles.items()}
        for draw in range(count)
    ]


def _quantile(kind: str, field: str, values: list[Any]) -> Callable[[float], Any]:
    """Return the function that turns a number of [0, 1) into a value, of six digits: the same on any machine."""
    if kind == "choice":
        return lambda u: values[int(u * len(values))]
    fits = len(values) == 2 and _is_list(values, int, float) and all(map(math.isfinite, values))
    _demand(fits and values[0] < values[1], f"random.{kind}.{field}", values, "[from, to], two numbers that rise")
    low, high = values
    if kind == "uniform":
        return lambda u: float(f"{low + u * (high - low):.6g}")
    _demand(low > 0, f"random.{kind}.{field}", values, "above 0")
    return lambda u: float(f"{math.exp(math.log(low) + u * math.log(high / low)):.6g}")


def _fields(table: Mapping[str, Any], where: str, prefix: str = "") -> dict[str, list[Any]]:
    """Return the lists of nested tables by their dotted names, however these are quoted."""
    found: dict[str, list[Any]] = {}
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict):
            inner = _fields(value, where, name + ".")
            twice = found.keys() & inner.keys()
        else:
            _demand(isinstance(value, list) and value, f"{where}.{name}", value, "a list of values")
            _demand(name not in _OWN, f"{where}.{name}", value, "given as `seeds` or `folds` at the top of the file")
            inner, twice = {name: value}, found.keys() & {name}
        _demand(not twice, f"{where}.{name}", value, "given once")
        found |= inner
    return found


def _only(table: Mapping[str, Any], allowed: Sequence[str], where: str) -> None:
    unknown = sorted(set(table) - set(allowed))
    if unknown:
        raise UserError(f"{unknown[0]!r} is not understood in {where}: it may hold {', '.join(allowed)}.")


def _is_list(values: Any, *types: type) -> bool:
    return isinstance(values, list) and all(type(value) in types for value in values)


def _demand(holds: Any, name: str, value: Any, words: str) -> None:
    if not holds:
        raise UserError(f"{name}={value!r}: must be {words}.")
