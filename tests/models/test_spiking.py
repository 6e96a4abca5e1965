import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models.spiking import Neuron, dead_outputs, resting_membrane, spike, spike_rates, spiking_cnn


def initialized(model, size=16):
    return jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, size, size, 1)))


def test_parameter_count_is_the_reference_s():
    variables = jax.eval_shape(spiking_cnn(6).init, jax.random.key(0), jnp.zeros((1, 64, 64, 1)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 84_478


def test_potential_decays_and_is_reset_by_subtraction():
    # U: 0.75; 1.125, fires; 0.5625 + 0.75 - 1 = 0.3125; 0.90625; 1.203125, fires; 0.3515625
    membrane, spikes = Neuron()(jnp.zeros(1), jnp.full((6, 1), 0.75))
    np.testing.assert_array_equal(spikes[:, 0], [0, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(membrane, [0.3515625])


def test_a_potential_at_the_threshold_does_not_fire():
    _, spikes = Neuron(beta=0.0, threshold=2.0)(jnp.zeros(2), jnp.array([[2.0, 2.5]]))
    np.testing.assert_array_equal(spikes, [[0.0, 1.0]])


def test_a_constant_current_is_the_same_current_at_every_step():
    current = jnp.array([0.6, 0.9, 1.7])
    constant = Neuron()(jnp.zeros(3), current, steps=8)
    repeated = Neuron()(jnp.zeros(3), jnp.tile(current, (8, 1)))
    jax.tree.map(np.testing.assert_array_equal, constant, repeated)


def test_surrogate_gradient_is_that_of_the_fast_sigmoid():
    gradient = jax.vmap(jax.grad(spike), (0, None))(jnp.array([-0.2, 0.0, 0.2]), 25.0)
    np.testing.assert_allclose(gradient, [1 / 36, 1.0, 1 / 36], rtol=1e-6)


def test_gradient_passes_through_time_but_not_through_the_reset():
    # U = [1.5, 0.75 + 0.5 - 1]: dS[1]/dI[0] = beta / (1 + 25 * 0.75)²; the reset by the spike of step 0 adds nothing.
    def last_spike(first):
        return Neuron()(jnp.zeros(()), jnp.stack([first, jnp.array(0.5)]))[1][1]

    np.testing.assert_allclose(jax.grad(last_spike)(1.5), 0.5 / 19.75**2, rtol=1e-6)


@pytest.mark.parametrize(("batch", "steps"), [(1, 6), (3, 7), (40, 4)])
def test_output_is_one_spike_or_none_a_step_and_class(batch, steps):
    model = spiking_cnn(3, steps=steps)
    variables = initialized(model)
    variables["params"]["head"]["fc"]["bias"] = jnp.array([2.0, 0.0, -2.0])
    spikes = model.apply(variables, jax.random.normal(jax.random.key(1), (batch, 16, 16, 1)))
    assert spikes.shape == (batch, steps, 3)
    assert set(np.unique(spikes)) == {0.0, 1.0}
    assert spikes[:, :, 0].all()


def test_steps_are_causal_and_a_longer_run_begins_like_a_shorter_one():
    images = 4 * jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
    variables = initialized(spiking_cnn(3, steps=4))
    short, long = (spiking_cnn(3, steps=t).apply(variables, images, method="features") for t in (4, 9))
    assert short.any()
    np.testing.assert_array_equal(short, long[:, :4])


def test_spikes_do_not_depend_on_how_many_images_are_computed_at_once():
    # 66 images are taken through one step at a time, 2 through all nine.
    model = spiking_cnn(3, steps=9)
    images = 4 * jax.random.normal(jax.random.key(1), (2, 16, 16, 1))
    variables = initialized(model)
    few, many = (model.apply(variables, jnp.tile(images, (n, 1, 1, 1)), method="features") for n in (1, 33))
    assert few.any()
    np.testing.assert_array_equal(few, many[-2:])


def test_spike_rates_are_means_over_steps_and_neurons_of_each_image():
    model = spiking_cnn(2, steps=6)
    images = jnp.stack([jnp.zeros((16, 16, 1)), 4 * jax.random.normal(jax.random.key(1), (16, 16, 1))])
    variables = initialized(model)
    features = model.apply(variables, images, method="features")
    spikes, sown = model.apply(variables, images, mutable=["intermediates"])
    rates = spike_rates(sown["intermediates"])
    assert set(rates) == {"lif1", "lif2", "lif3"}
    assert rates["lif1"][0] < 0.01 < rates["lif1"][1]
    np.testing.assert_allclose(rates["lif2"], features.mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(rates["lif3"], spikes.mean((1, 2)), rtol=1e-6)


def test_initialisation_keeps_no_rates():
    assert set(initialized(spiking_cnn(2, steps=2))) == {"params"}


def test_dead_outputs_are_named():
    rates = np.array([[0.0, 0.2, 0.0], [0.0, 0.0, 0.02]])
    assert dead_outputs(rates, ("hand", "chest", "head")) == ["hand"]
    assert dead_outputs(rates[:0], ("hand",) * 3) == ["hand"] * 3


def test_bfloat16_integrates_in_float32():
    membrane, spikes = Neuron()(resting_membrane((1,), jnp.bfloat16), jnp.full((2, 1), 0.7, jnp.bfloat16))
    assert membrane.dtype == jnp.float32
    assert spikes.dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"steps": 0}, "steps is 0; a spiking network needs at least 1"),
        ({"beta": 1.5}, "beta is 1.5"),
        ({"threshold": 0.0}, "threshold is 0.0 and slope 25.0; both must be above 0"),
        ({"slope": -1.0}, "threshold is 1.0 and slope -1.0; both must be above 0"),
    ],
)
def test_impossible_neurons_are_refused(option, message):
    with pytest.raises(UserError, match=message):
        spiking_cnn(6, **option)


def test_wrong_images_are_refused():
    model = spiking_cnn(2, steps=2)
    variables = initialized(model)
    with pytest.raises(UserError, match="at least 16x16 pixels, got 15x16"):
        model.apply(variables, jnp.zeros((1, 15, 16, 1)))
    with pytest.raises(UserError, match="spiking_cnn takes images with 1 channel, got 3"):
        model.apply(variables, jnp.zeros((1, 16, 16, 3)))
    with pytest.raises(UserError, match="takes 64 features, got 256"):
        model.apply(variables, jnp.zeros((1, 20, 20, 1)))
