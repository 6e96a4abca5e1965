"""The device mesh and how arrays lie on it."""

from __future__ import annotations

from typing import TypeVar

import jax
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
    """Put a copy of every array on every device; the copies are XLA's own, so they may be donated."""
    return jax.jit(lambda x: jax.tree.map(lambda leaf: leaf, x), out_shardings=replicated(mesh))(tree)


def check_batch_size(batch_size: int, mesh: Mesh) -> None:
    """Refuse a global batch that does not divide evenly among the devices.

    Raises:
      UserError: names the nearest sizes that do.
    """
    devices = mesh.size
    if batch_size % devices:
        lower = batch_size // devices * devices
        near = f"{lower} or {lower + devices}" if lower else str(devices)
        raise UserError(f"config.batch_size={batch_size} does not divide by {devices} devices: use {near}.")
