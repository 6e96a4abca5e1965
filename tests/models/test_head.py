import jax
import jax.numpy as jnp
import numpy as np

from medjax.models.head import DenseHead


def test_hidden_layers_have_relu_and_the_last_has_not():
    head = DenseHead(1, (2,), (0.0,))
    params = {
        "hidden0": {"kernel": jnp.array([[1.0, -1.0]]), "bias": jnp.zeros(2)},
        "fc": {"kernel": jnp.array([[-1.0], [10.0]]), "bias": jnp.array([0.5])},
    }
    np.testing.assert_allclose(head.apply({"params": params}, jnp.array([[3.0]])), [[-2.5]])


def test_each_hidden_layer_has_its_own_dropout():
    head = DenseHead(64, (64, 64), (0.999, 0.0))
    x = jnp.ones((1, 4))
    variables = head.init(jax.random.key(0), x)
    variables["params"] = jax.tree.map(jnp.zeros_like, variables["params"])
    variables["params"]["hidden1"]["bias"] = jnp.ones(64)
    variables["params"]["fc"]["kernel"] = jnp.eye(64)
    # What the second layer adds after the first one's dropout arrives whole.
    np.testing.assert_array_equal(
        head.apply(variables, x, train=True, rngs={"dropout": jax.random.key(1)}), np.ones((1, 64))
    )
