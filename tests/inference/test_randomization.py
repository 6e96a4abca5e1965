import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from medjax.inference import randomization, saliency
from medjax.inference.feature_maps import feature_maps
from medjax.models.layers import Conv, Dense


class Small(nn.Module):
    """Declared in an order that is not that of the calls."""

    def setup(self):
        self.head = Dense(3)
        self.a_second = Conv(4)
        self.z_first = Conv(4)

    def __call__(self, x):
        return self.head(nn.relu(self.a_second(nn.relu(self.z_first(x)))).mean(axis=(1, 2)))


X = jax.random.normal(jax.random.key(0), (2, 9, 9, 1))
VARIABLES = Small().init(jax.random.key(1), X)


def test_layers_come_from_the_head_down_in_the_order_of_the_calls():
    assert randomization.layers_from_head(Small(), VARIABLES, X) == ["head", "a_second", "z_first"]


def test_each_stage_keeps_what_lies_below_and_draws_the_rest_anew():
    stages = list(randomization.cascade(Small(), VARIABLES, X, jax.random.key(2)))
    assert [layer for layer, _ in stages] == ["head", "a_second", "z_first"]
    for number, (_, mixed) in enumerate(stages, start=1):
        changed = [
            layer
            for layer in ("head", "a_second", "z_first")
            if (mixed["params"][layer]["kernel"] != VARIABLES["params"][layer]["kernel"]).all()
        ]
        assert changed == ["head", "a_second", "z_first"][:number]
    assert jax.tree.structure(stages[-1][1]) == jax.tree.structure(VARIABLES)


def test_similarity_is_of_ranks_and_of_absolute_values():
    one = np.array([[[1.0, -2.0], [3.0, 4.0]]] * 3)
    others = np.array([[[1.0, 20.0], [-300.0, 4000.0]], [[4.0, 3.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])
    first, second, third = randomization.similarities(one, others)
    assert (first, second, third) == (pytest.approx(1), pytest.approx(-1), None)


def test_a_map_of_the_image_alone_is_found_out_and_one_of_the_weights_is_not():
    edges = np.abs(np.asarray(X[..., 0]))
    ignorant = randomization.check(lambda variables: edges, Small(), VARIABLES, X, jax.random.key(2))
    assert [stage["mean"] for stage in ignorant["stages"]] == [pytest.approx(1)] * 3
    assert "do not read them" in ignorant["verdict"]

    def explain(variables):
        return saliency.grad_cam(Small(), variables, X, jnp.array([0, 1]), "z_first")

    found = randomization.check(explain, Small(), VARIABLES, X, jax.random.key(2))
    assert found["maps"].shape == (4, 2, *feature_maps(Small(), VARIABLES, X)["z_first"][1:3])
    assert any(stage["mean"] is not None and stage["mean"] < 0.99 for stage in found["stages"])


@pytest.mark.parametrize(
    ("mean", "words"),
    [(None, "no map is left"), (0.49, "depend on what the network has learnt"), (-0.6, "do not read"), (0.5, "do not")],
)
def test_the_verdict_in_words(mean, words):
    assert words in randomization.verdict(mean)
