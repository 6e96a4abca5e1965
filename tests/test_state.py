import jax
import jax.numpy as jnp
import numpy as np
import optax

from medjax.state import count, create_state, merge, partition

PARAMS = {"backbone": {"conv": {"kernel": jnp.ones((2, 3))}}, "head": {"fc": {"bias": jnp.zeros(4)}}}


def in_head(path):
    return path[0] == "head"


def test_partition_and_merge_are_inverse():
    trained, frozen = partition(PARAMS, in_head)
    assert set(trained) == {"head"}
    assert set(frozen) == {"backbone"}
    assert jax.tree.structure(merge(trained, frozen)) == jax.tree.structure(PARAMS)


def test_the_optimizer_sees_only_what_is_trained():
    state = create_state({"params": PARAMS}, optax.adam(1.0), in_head)
    assert count(state.opt_state[0].mu) == 4
    assert count(state.variables["params"]) == 10


def test_state_begins_at_step_zero_with_full_learning_rate():
    state = create_state({"params": PARAMS}, optax.sgd(1.0), in_head)
    assert (int(state.step), float(state.lr_scale)) == (0, 1.0)
    np.testing.assert_array_equal(state.params["head"]["fc"]["bias"], np.zeros(4))
