"""Operations counted by hand."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from jax import lax

from medjax.flops import UncountableError, count, flops_per_image
from medjax.models import MODELS, create_model
from medjax.models.convolution import conv


def operations(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return count(jax.make_jaxpr(function)(*arguments).jaxpr)


def test_a_product_of_matrices():
    assert operations(lambda x, w, b: x @ w + b, (3, 5), (5, 7), (7,)) == 2 * 3 * 5 * 7 + 3 * 7


def test_a_batched_product_counts_the_batch_once():
    assert operations(lambda x, y: jnp.einsum("bij,bjk->bik", x, y), (2, 3, 5), (2, 5, 7)) == 2 * 2 * 3 * 5 * 7


@pytest.mark.parametrize(
    ("stride", "padding", "groups", "side"),
    [(1, "VALID", 1, 6), (1, "SAME", 1, 8), (2, ((1, 1), (1, 1)), 1, 4), (1, "VALID", 2, 6), (2, "SAME", 4, 4)],
)
def test_a_convolution_counts_every_tap_of_every_output(stride, padding, groups, side):
    def convolve(x, kernel):
        layout = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x, kernel, (stride, stride), padding, dimension_numbers=layout, feature_group_count=groups
        )

    per_group = 4 // groups
    assert operations(convolve, (2, 8, 8, 4), (3, 3, per_group, 12)) == 2 * (2 * side**2 * 12) * (9 * per_group)


def test_a_transposed_convolution_leaves_out_the_zeros_between_its_inputs():
    def upsample(x, kernel):
        return lax.conv_transpose(x, kernel, (2, 2), "VALID")

    # each of 5 × 5 pixels of 3 channels is multiplied by a 2 × 2 × 4 block
    assert operations(upsample, (1, 5, 5, 3), (2, 2, 3, 4)) == 2 * 25 * 3 * 16


def test_reductions_and_windows():
    assert operations(lambda x: x.sum(), (4, 5)) == 19
    assert operations(lambda x: x.max(axis=1), (4, 5)) == 4 * 4
    assert operations(lambda x: nn.max_pool(x[None], (2, 2), (2, 2)), (6, 6, 3)) == 3 * 9 * 3


def test_moving_numbers_is_free():
    assert operations(lambda x: jnp.concatenate([x.T.reshape(-1)[::2], jnp.zeros(3)]), (4, 5)) == 0


def test_a_scan_counts_its_body_as_often_as_it_runs():
    def step(carry, x):
        return carry * x + 1, None

    assert operations(lambda x: lax.scan(step, 1.0, x)[0], (50,)) == 100


def test_calls_loops_and_derivative_rules_are_entered():
    @jax.custom_vjp
    def ruled(x):
        return x + 1

    ruled.defvjp(lambda x: (x + 1, None), lambda _, g: (g,))

    def inner(x):
        return ruled(jax.checkpoint(jax.jit(nn.relu))(jnp.sin(x)))

    def nested(x):
        return lax.fori_loop(0, 5, lambda _, x: lax.scan(lambda c, _: (inner(c), None), x, None, length=3)[0], x)

    # sin, max and + of 4 numbers, 15 times; and the counter of the outer loop
    assert operations(nested, (4,)) == 15 * 3 * 4 + 5


def test_of_two_branches_the_longer_one_counts():
    def chosen(flag, x):
        return lax.cond(flag, jnp.sin, lambda x: jnp.sin(x) * 2 + 1, x)

    arguments = [jax.ShapeDtypeStruct((), bool), jax.ShapeDtypeStruct((4,), jnp.float32)]
    assert count(jax.make_jaxpr(chosen)(*arguments).jaxpr) == 12


def test_what_cannot_be_counted_is_named():
    with pytest.raises(UncountableError, match="while loop"):
        operations(lambda x: lax.while_loop(lambda x: x.sum() < 9, jnp.sin, x), (4,))
    with pytest.raises(UncountableError, match="sort"):
        operations(jnp.sort, (4,))


def test_the_lowering_for_a_cpu_counts_as_the_convolution_itself():
    def forward(kernel, images):
        return conv(images, kernel, (2, 2), ((0, 0), (0, 0)))

    image, kernel = jax.ShapeDtypeStruct((8, 8, 4), jnp.float32), jax.ShapeDtypeStruct((1, 1, 4, 6), jnp.float32)
    assert flops_per_image(forward, kernel, image) == 2 * 16 * 4 * 6


def test_work_on_the_weights_is_not_an_images():
    def forward(kernel, images):
        return images.reshape(len(images), -1) @ jnp.tanh(kernel)

    kernel = jax.ShapeDtypeStruct((16, 3), jnp.float32)
    assert flops_per_image(forward, kernel, jax.ShapeDtypeStruct((4, 4, 1), jnp.float32)) == 2 * 16 * 3


def of_network(name, shape, classes=3):
    model = create_model(name, num_classes=classes)
    variables = jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    return flops_per_image(model.apply, variables, jax.ShapeDtypeStruct(shape, jnp.float32))


@pytest.mark.parametrize(("name", "multiply_accumulates"), [("resnet18", 1.814e9), ("resnet50", 4.089e9)])
def test_resnets_agree_with_the_numbers_torchvision_states(name, multiply_accumulates):
    # what is above theirs: biases, ReLUs, sums of branches and pooling
    assert 1 < of_network(name, (224, 224, 3), 1000) / (2 * multiply_accumulates) < 1.005


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"resnet34", "resnet101", "resnet152"}))
def test_every_network_can_be_counted(name):
    assert of_network(name, (64, 64, 1)) > 1e6


def test_a_spiking_network_counts_every_step():
    def of_steps(steps):
        model = create_model("spiking_cnn", num_classes=2, steps=steps)
        variables = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 16, 16, 1)))
        return flops_per_image(model.apply, variables, jax.ShapeDtypeStruct((16, 16, 1), jnp.float32))

    ten, twenty, fifty = map(of_steps, (10, 20, 50))
    # but for the means of spikes, whose number depends on how many steps are taken at once
    assert fifty - twenty == pytest.approx(3 * (twenty - ten), rel=1e-5)
