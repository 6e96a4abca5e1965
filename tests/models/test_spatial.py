import jax
import jax.numpy as jnp
import numpy as np
import pytest

from medjax.errors import UserError
from medjax.models.spatial import MessagePassing, message_init, spatial_cnn


def pass_messages(x, kernel, direction):
    """Equation 1 of Pan et al. (2018), spelt out over numbers: x [B, H, W, C], kernel [w, C, C] from m to i."""
    if direction in ("right", "left"):
        turned = {"right": "down", "left": "up"}[direction]
        return pass_messages(x.transpose(0, 2, 1, 3), kernel, turned).transpose(0, 2, 1, 3)
    if direction == "up":
        return pass_messages(x[:, ::-1], kernel, "down")[:, ::-1]
    out, (batch, height, width, channels) = x.copy(), x.shape
    reach = len(kernel) // 2
    for b, j, k, i in np.ndindex(batch, height, width, channels):
        if j == 0:
            continue
        message = 0.0
        for n in range(-reach, reach + 1):
            if 0 <= k + n < width:
                message += sum(out[b, j - 1, k + n, m] * kernel[n + reach, m, i] for m in range(channels))
        out[b, j, k, i] = x[b, j, k, i] + max(message, 0.0)
    return out


@pytest.mark.parametrize("direction", ["down", "up", "right", "left"])
@pytest.mark.parametrize("kernel_width", [1, 3, 9])
def test_messages_are_those_of_the_paper(direction, kernel_width):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 4, 5, 3)), rng.normal(size=(kernel_width, 3, 3)) / 3
    with jax.enable_x64(True):
        module = MessagePassing(direction, kernel_width, dtype=jnp.float64)
        ours = module.apply({"params": {"conv": {"kernel": kernel[None]}}}, jnp.asarray(x))
    np.testing.assert_allclose(ours, pass_messages(x, kernel, direction), rtol=1e-12)


def test_directions_are_applied_in_the_order_given():
    rng = np.random.default_rng(1)
    images = jnp.asarray(rng.normal(size=(2, 6, 6, 1)), jnp.float32)
    model = spatial_cnn(2, widths=(2,), directions=("left", "down"), kernel_width=3)
    variables = model.init(jax.random.key(0), images)
    params = jax.tree.map(lambda kernel: 20 * kernel, variables["params"]["backbone"])
    trunk = model.clone(backbone=model.backbone.clone(directions=()))
    _, sown = trunk.apply(variables, images, capture_intermediates=True)
    expected = np.asarray(sown["intermediates"]["backbone"]["conv1"]["__call__"][0])
    for direction in ("left", "down"):
        expected = pass_messages(expected, np.asarray(params[direction]["conv"]["kernel"][0]), direction)
    scaled = {**variables["params"]["backbone"], "left": params["left"], "down": params["down"]}
    variables["params"]["backbone"] = scaled
    np.testing.assert_allclose(model.apply(variables, images, method="features"), expected.mean((1, 2)), rtol=1e-5)


def test_an_early_row_moves_every_later_one():
    kernel = np.ones((1, 1, 1, 1))
    down = MessagePassing("down", 1).apply({"params": {"conv": {"kernel": kernel}}}, jnp.ones((1, 4, 1, 1)))
    np.testing.assert_array_equal(down[0, :, 0, 0], [1.0, 2.0, 3.0, 4.0])


def test_parameter_count_is_the_one_stated():
    variables = jax.eval_shape(spatial_cnn(6).init, jax.random.key(0), jnp.zeros((1, 64, 64, 1)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 203_750
    messages = [variables["params"]["backbone"][name] for name in ("down", "up", "right", "left")]
    assert sum(leaf.size for leaf in jax.tree.leaves(messages)) == 4 * 9 * 64 * 64


def test_message_kernels_are_small():
    kernel = message_init(jax.random.key(0), (1, 9, 64, 64))
    bound = (2 / (5 * 9 * 64)) ** 0.5
    assert 0.99 * bound < np.abs(kernel).max() <= bound


@pytest.mark.parametrize("directions", [("down", "sideways"), ("down", "down")])
def test_unknown_and_repeated_directions_are_refused(directions):
    with pytest.raises(UserError, match="allowed are down, up, right, left, each once"):
        spatial_cnn(6, directions=directions)


def test_even_kernel_width_is_refused():
    with pytest.raises(UserError, match="kernel_width is 4; it must be odd"):
        spatial_cnn(6, kernel_width=4)


def test_images_too_small_and_of_another_channel_count_are_refused():
    model = spatial_cnn(6)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)))
    with pytest.raises(UserError, match="at least 4x4 pixels, got 3x4"):
        model.apply(variables, jnp.zeros((1, 3, 4, 1)))
    with pytest.raises(UserError, match="spatial_cnn takes images with 1 channel, got 3"):
        model.apply(variables, jnp.zeros((1, 4, 4, 3)))
