"""The training state: what a step changes and a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

Params = Mapping[str, Any]
Path = tuple[str, ...]


class TrainState(flax.struct.PyTreeNode):
    """A plain pytree, so that it can be donated, sharded, saved and stacked over seeds.

    Attributes:
      step: int32 [], optimizer steps taken.
      params: the parameters that are trained.
      frozen: the parameters that are not; together they are the model's.
      batch_stats: running statistics of the batch norms.
      opt_state: of the optimizer, for `params` only.
      lr_scale: float32 [], what reduce-on-plateau has made of 1.
      skipped: int32 [], updates left out because the loss or the gradient was not finite.
    """

    step: jax.Array
    params: Params
    frozen: Params
    batch_stats: Params
    opt_state: optax.OptState
    lr_scale: jax.Array
    skipped: jax.Array

    @property
    def variables(self) -> dict[str, Params]:
        """The whole model's variables, as `model.apply` takes them."""
        return {"params": merge(self.params, self.frozen), "batch_stats": self.batch_stats}


def create_state(
    variables: Params, optimizer: optax.GradientTransformation, is_trained: Callable[[Path], bool]
) -> TrainState:
    """Return the state at step 0.

    Args:
      variables: {"params": …, "batch_stats": …} of the whole model.
      optimizer: sees the trained parameters only.
      is_trained: path of a parameter, e.g. ("head", "fc", "kernel") -> whether it is trained.
    """
    params, frozen = partition(variables["params"], is_trained)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        frozen=frozen,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(params),
        lr_scale=jnp.ones((), jnp.float32),
        skipped=jnp.zeros((), jnp.int32),
    )


def partition(params: Params, is_trained: Callable[[Path], bool]) -> tuple[Params, Params]:
    """Split a model's parameters into (trained, frozen); `merge` puts them together again."""
    flat = flatten_dict(params)
    trained = {path: leaf for path, leaf in flat.items() if is_trained(path)}
    frozen = {path: leaf for path, leaf in flat.items() if path not in trained}
    return unflatten_dict(trained), unflatten_dict(frozen)


def merge(params: Params, frozen: Params) -> Params:
    """Put the two halves of `partition` together."""
    return unflatten_dict(flatten_dict(params) | flatten_dict(frozen))


def count(params: Params) -> int:
    """Number of scalars in a tree of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
