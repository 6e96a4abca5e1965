"""The device mesh and how arrays lie on it."""

from __future__ import annotations

from typing import TypeVar

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from medjax.errors import UserError

Tree = TypeVar("Tree")


def make_mesh() -> Mesh:
    """Return the ("data",) mesh over every device."""
    return jax.make_mesh((jax.device_count(),), ("data",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def by_batch(mesh: Mesh) -> NamedSharding:
    """The leading axis is divided among the devices."""
    return NamedSharding(mesh, PartitionSpec("data"))


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """Put a copy of every array on every device; the copies are XLA's own, so they may be donated.

    Every process gives the same arrays.
    """
    whole = jax.tree.map(lambda leaf: place(np.asarray(leaf), replicated(mesh)), tree)
    return jax.jit(lambda x: jax.tree.map(lambda leaf: leaf, x), out_shardings=replicated(mesh))(whole)


def random_key(seed: int, mesh: Mesh) -> jax.Array:
    """Return the random key of a seed, on every device."""
    return jax.jit(lambda: jax.random.key(seed), out_shardings=replicated(mesh))()


def place(array: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """Return a global array; each process puts the parts of it that its own devices hold."""
    return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])


def check_batch_size(batch_size: int, accumulate: int, mesh: Mesh) -> None:
    """Refuse a global batch that does not divide evenly into parts, and those among the devices.

    Raises:
      UserError: names the nearest sizes that do.
    """
    unit = accumulate * mesh.size
    if batch_size % unit:
        lower = batch_size // unit * unit
        near = f"{lower} or {lower + unit}" if lower else str(unit)
        parts = f"{accumulate} parts (config.accumulate) on " if accumulate > 1 else ""
        raise UserError(f"config.batch_size={batch_size} does not divide by {parts}{mesh.size} devices: use {near}.")
