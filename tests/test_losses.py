import jax.numpy as jnp
import numpy as np

from medjax import losses


def test_cross_entropy_of_each_example_by_hand():
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]))
    expected = -np.log([0.2, 0.5])
    np.testing.assert_allclose(losses.cross_entropy(logits, jnp.array([1, 2])), expected, rtol=1e-6)


def test_label_smoothing_mixes_in_the_uniform_target():
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1]]))
    expected = -(0.9 * np.log(0.7) + 0.1 * np.log([0.7, 0.2, 0.1]).mean())
    np.testing.assert_allclose(losses.cross_entropy(logits, jnp.array([0]), 0.1), [expected], rtol=1e-6)


def test_time_steps_are_averaged_per_example():
    logits = jnp.array([[[0.0, 0.0], [jnp.log(3.0), 0.0]]])
    expected = (np.log(2) + np.log(4 / 3)) / 2
    np.testing.assert_allclose(losses.cross_entropy(logits, jnp.array([0])), [expected], rtol=1e-6)
    np.testing.assert_allclose(losses.time_mean(logits), [[np.log(3) / 2, 0]], rtol=1e-6)


def test_bfloat16_logits_are_summed_in_float32():
    assert losses.cross_entropy(jnp.zeros((2, 3), jnp.bfloat16), jnp.array([0, 1])).dtype == jnp.float32


def test_a_soft_target_by_hand():
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1]]))
    expected = -(0.75 * np.log(0.7) + 0.25 * np.log(0.1))
    np.testing.assert_allclose(losses.cross_entropy(logits, jnp.array([[0.75, 0.0, 0.25]])), [expected], rtol=1e-6)


def test_a_soft_target_is_smoothed_like_a_hard_one():
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1]]))
    soft = losses.cross_entropy(logits, jnp.array([[0.0, 1.0, 0.0]]), 0.3)
    np.testing.assert_array_equal(soft, losses.cross_entropy(logits, jnp.array([1]), 0.3))


def test_class_weights_multiply_each_part_of_the_target():
    logits = jnp.log(jnp.array([[0.7, 0.2, 0.1]]))
    weights = jnp.array([0.5, 1.0, 4.0])
    hard = losses.cross_entropy(logits, jnp.array([2]), 0.0, weights)
    np.testing.assert_allclose(hard, [-4 * np.log(0.1)], rtol=1e-6)
    soft = losses.cross_entropy(logits, jnp.array([[0.75, 0.0, 0.25]]), 0.0, weights)
    np.testing.assert_allclose(soft, [-(0.375 * np.log(0.7) + np.log(0.1))], rtol=1e-6)
