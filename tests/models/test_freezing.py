import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from medjax import sharding, steps
from medjax.errors import UserError
from medjax.inputs import ImageInput
from medjax.models import freezing
from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.resnet import BasicBlock, ResNet
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.feed import Batch
from medjax.state import create_state

MODEL = Classifier(ResNet((1, 1, 1, 1), BasicBlock), DenseHead(3))


@pytest.mark.parametrize(
    ("trainable", "path", "expected"),
    [
        ("all", ("backbone", "stem", "conv", "kernel"), True),
        ("head", ("backbone", "layer4_0", "conv", "kernel"), False),
        ("head", ("head", "fc", "kernel"), True),
        ("from:layer4", ("backbone", "layer3_0", "conv1", "kernel"), False),
        ("from:layer4", ("backbone", "layer4_0", "conv1", "kernel"), True),
        ("from:layer4", ("head", "fc", "bias"), True),
        ("from:stem", ("backbone", "stem", "norm", "scale"), True),
    ],
)
def test_what_is_trained(trainable, path, expected):
    assert freezing.trained_rule(MODEL, trainable)(path) is expected


@pytest.mark.parametrize("trainable", ["layer4", "from:layer5", "tail", "from:"])
def test_a_stage_that_does_not_exist_is_refused_with_those_that_do(trainable):
    with pytest.raises(UserError, match="from:layer4"):
        freezing.trained_rule(MODEL, trainable)


def test_frozen_stages_keep_parameters_and_batch_statistics_to_the_bit():
    model = freezing.freeze(MODEL, "from:layer4")
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)))
    optimizer, mesh = optax.sgd(0.1), sharding.make_mesh()
    state = create_state(variables, optimizer, freezing.trained_rule(model, "from:layer4"))
    before = jax.tree.map(np.array, state.variables)
    inputs = ImageInput((0.5,), (0.25,), Augmentation())
    train_step = steps.make_train_step(model, inputs, optimizer, 0.0, mesh)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1), np.uint8)
    state = sharding.replicate(state, mesh)
    batch = Batch(images, jnp.arange(4) % 3, jnp.zeros((4, 0), jnp.int32), jnp.arange(4))
    after, _ = train_step(state, batch, jax.random.key(0))
    for group in ("params", "batch_stats"):
        for name, was in before[group]["backbone"].items():
            now = after.variables[group]["backbone"][name]
            same = jax.tree.map(np.array_equal, was, now)
            assert all(jax.tree.leaves(same)) is (not name.startswith("layer4")), (group, name)
