import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from medjax import optim

SCHEDULE = {
    "learning_rate": 1.0,
    "steps_per_epoch": 10,
    "max_epochs": 5,
    "warmup_epochs": 0.0,
    "decay_epochs": 2,
    "decay_factor": 0.2,
}
PLAIN = {"weight_decay": 0.0, "momentum": 0.9, "clip_norm": 0.0, "backbone_factor": 1.0}


def test_step_schedule_falls_by_its_factor_every_decay_epochs():
    schedule = optim.make_schedule("step", **SCHEDULE)
    np.testing.assert_allclose([schedule(s) for s in (0, 19, 20, 40)], [1, 1, 0.2, 0.04], rtol=1e-6)


def test_cosine_schedule_is_half_way_down_in_the_middle_and_zero_at_the_end():
    schedule = optim.make_schedule("cosine", **SCHEDULE)
    np.testing.assert_allclose([schedule(s) for s in (0, 25, 50)], [1, 0.5, 0], atol=1e-6)


def test_warm_up_rises_linearly_and_may_last_a_fraction_of_an_epoch():
    schedule = optim.make_schedule("constant", **SCHEDULE | {"warmup_epochs": 0.4})
    np.testing.assert_allclose([schedule(s) for s in (0, 2, 4, 49)], [0.01, 0.505, 1, 1], rtol=1e-6)


def test_warm_up_does_not_prolong_the_cosine():
    assert abs(optim.make_schedule("cosine", **SCHEDULE | {"warmup_epochs": 1.0})(50)) < 1e-6


def update(name, params, grads, steps=1, **changes):
    tx = optim.make_optimizer(name, optax.constant_schedule(0.1), **PLAIN | changes)
    state = tx.init(params)
    for _ in range(steps):
        updates, state = tx.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params


TREE = {"backbone": {"kernel": jnp.full((1, 1), 2.0)}, "head": {"bias": jnp.full((1,), 2.0)}}
ZERO = jax.tree.map(jnp.zeros_like, TREE)
ONES = jax.tree.map(jnp.ones_like, TREE)


def test_sgd_momentum_by_hand():
    params = update("sgd", TREE, ONES, steps=2)
    np.testing.assert_allclose(params["head"]["bias"], 2 - 0.1 * 1 - 0.1 * 1.9, rtol=1e-6)


def test_adam_puts_l2_into_the_gradient_so_its_first_step_is_the_learning_rate():
    params = update("adam", TREE, ZERO, weight_decay=0.5)
    np.testing.assert_allclose(params["head"]["bias"], 2 - 0.1, rtol=1e-5)


def test_adamw_decays_kernels_by_rate_times_decay_and_leaves_biases_alone():
    params = update("adamw", TREE, ZERO, weight_decay=0.5)
    np.testing.assert_allclose(params["backbone"]["kernel"], 2 - 0.1 * 0.5 * 2, rtol=1e-6)
    np.testing.assert_allclose(params["head"]["bias"], 2.0)


def test_clipping_bounds_the_global_norm():
    params = update("sgd", TREE, jax.tree.map(lambda g: 100 * g, ONES), clip_norm=1.0)
    np.testing.assert_allclose(params["head"]["bias"], 2 - 0.1 / np.sqrt(2), rtol=1e-5)


def test_backbone_factor_slows_the_backbone_only():
    params = update("sgd", TREE, ONES, backbone_factor=0.1)
    np.testing.assert_allclose(params["backbone"]["kernel"], 2 - 0.01, rtol=1e-6)
    np.testing.assert_allclose(params["head"]["bias"], 2 - 0.1, rtol=1e-6)


def test_unknown_names_are_refused_with_the_allowed_ones():
    with pytest.raises(ValueError, match="adamw"):
        update("adan", TREE, ONES)
    with pytest.raises(ValueError, match="cosine"):
        optim.make_schedule("cosin", **SCHEDULE)
