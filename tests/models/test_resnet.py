import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from medjax.errors import UserError
from medjax.models import create_model
from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.resnet import STAGES, BasicBlock, ResNet


def tiny(train_from="stem", **kwargs):
    backbone = ResNet(stage_sizes=(1, 1, 1, 1), block=BasicBlock, train_from=train_from, **kwargs)
    return Classifier(backbone, DenseHead(3))


@pytest.fixture(scope="module")
def images():
    return jax.random.normal(jax.random.key(1), (2, 33, 40, 3))


@pytest.fixture(scope="module")
def variables(images):
    return jax.jit(tiny().init)(jax.random.key(0), images)


def shapes_of(model, channels=3, size=64):
    return jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, channels)))


def count(model, channels=3):
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes_of(model, channels)["params"]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("resnet_classifier", 25_557_032),
    ],
)
def test_parameters_with_1000_classes(name, expected):
    assert count(create_model(name, num_classes=1000)) == expected


def test_parameters_of_the_transfer_model():
    model = create_model("resnet50", num_classes=3, head_hidden=(256,))
    head = shapes_of(model)["params"]["head"]
    assert count(model) == 24_033_347
    assert sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(head)) == 525_315


def test_parameters_with_one_channel_and_six_classes():
    assert count(create_model("resnet50", num_classes=6), channels=1) == 23_514_054


@pytest.mark.parametrize(("name", "width"), [("resnet18", 512), ("resnet50", 2048)])
def test_features_are_pooled(name, width):
    model = create_model(name, num_classes=3)
    x = jnp.zeros((2, 64, 64, 3))
    features = jax.eval_shape(lambda v: model.apply(v, x, method="features"), shapes_of(model))
    assert features.shape == (2, width)


def test_maps_shrink_as_in_the_paper():
    # 224 -> stem 112 -> max-pool 56 -> 56, 28, 14, 7 (He et al. 2016, table 1).
    model = create_model("resnet50", num_classes=3)
    x = jnp.zeros((1, 224, 224, 3))
    last = ("stem", "layer1_2", "layer2_3", "layer3_5", "layer4_2")
    capture = {"capture_intermediates": lambda module, _: module.name in last, "mutable": ["intermediates"]}
    _, outputs = jax.eval_shape(lambda v: model.apply(v, x, **capture), shapes_of(model))
    blocks = outputs["intermediates"]["backbone"]
    assert [blocks[name]["__call__"][0].shape[1] for name in last] == [112, 56, 28, 14, 7]


@pytest.mark.parametrize("size", [(1, 1), (28, 28), (33, 47)])
def test_any_size_gives_finite_logits(variables, size):
    logits = tiny().apply(variables, jnp.ones((2, *size, 3)))
    assert logits.shape == (2, 3)
    assert np.isfinite(logits).all()


def test_call_is_features_then_classify(variables, images):
    model = tiny()
    features = model.apply(variables, images, method="features")
    logits = model.apply(variables, features, method="classify")
    np.testing.assert_array_equal(logits, model.apply(variables, images))


def trained_step(model, variables, images):
    def loss(params):
        logits, updates = model.apply({**variables, "params": params}, images, True, mutable=["batch_stats"])
        return (logits * jnp.arange(3)).sum(), updates["batch_stats"]

    gradients, stats = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    moved = flatten_dict(jax.tree.map(lambda a, b: bool(np.any(a != b)), stats, variables["batch_stats"]))
    flows = flatten_dict(jax.tree.map(lambda gradient: bool(np.any(gradient != 0)), gradients))
    return moved, flows


def stage(path):
    return "head" if path[0] == "head" else path[1].partition("_")[0]


@pytest.mark.parametrize("train_from", ["stem", "layer3", "head"])
def test_statistics_and_gradients_move_from_the_first_trained_stage_on(variables, images, train_from):
    moved, flows = trained_step(tiny(train_from), variables, images)
    trained = (*STAGES, "head")[(*STAGES, "head").index(train_from) :]
    assert moved == {path: stage(path) in trained for path in moved}
    assert flows == {path: stage(path) in trained for path in flows}


def test_a_frozen_backbone_gives_the_features_of_inference(variables, images):
    frozen = tiny("head").apply(variables, images, True, method="features", mutable=["batch_stats"])[0]
    np.testing.assert_array_equal(frozen, tiny().apply(variables, images, method="features"))


def test_zero_init_residual_begins_each_block_as_the_identity(images):
    variables = jax.jit(tiny(zero_init_residual=True).init)(jax.random.key(0), images)
    for path, leaf in flatten_dict(variables["params"]["backbone"]).items():
        if path[-1] == "scale":
            assert np.all(leaf == (0 if path[1] == "conv2" else 1))


def test_kernels_begin_with_torchvisions_deviation(variables):
    # kaiming_normal_(mode="fan_out"): std = sqrt(2 / (out_channels · h · w)).
    kernel = variables["params"]["backbone"]["layer4_0"]["conv2"]["conv"]["kernel"]
    assert np.std(kernel) == pytest.approx(math.sqrt(2 / (512 * 9)), rel=0.01)


def test_bfloat16_computes_near_float32_with_float32_parameters(variables, images):
    half = Classifier(tiny(dtype=jnp.bfloat16).backbone, DenseHead(3, dtype=jnp.bfloat16))
    logits = half.apply(variables, images)
    assert logits.dtype == jnp.bfloat16
    np.testing.assert_allclose(logits.astype(jnp.float32), tiny().apply(variables, images), rtol=0.1, atol=0.1)
    assert {leaf.dtype for leaf in jax.tree.leaves(shapes_of(half))} == {np.dtype(np.float32)}


def test_dropout_acts_in_training_only(images):
    head = DenseHead(3, (64,), (0.5,))
    features = jnp.ones((2, 8))
    variables = head.init(jax.random.key(0), features)
    first, second = (head.apply(variables, features, True, rngs={"dropout": jax.random.key(k)}) for k in (1, 2))
    assert np.any(first != second)
    np.testing.assert_array_equal(head.apply(variables, features), head.apply(variables, features))


def test_another_channel_count_is_refused(variables):
    with pytest.raises(ValueError, match="images with 3 channels, got 1"):
        tiny().apply(variables, jnp.zeros((1, 64, 64, 1)))


def test_images_need_four_axes(variables):
    with pytest.raises(ValueError, match="height, width, channels"):
        tiny().apply(variables, jnp.zeros((64, 64, 3)))


def test_resnet_classifier_takes_images_from_32_pixels():
    model = create_model("resnet_classifier", num_classes=3)
    assert shapes_of(model, size=32)
    with pytest.raises(ValueError, match="at least 32x32 pixels, got 31x31"):
        shapes_of(model, size=31)


def test_unknown_stage_is_refused(images):
    with pytest.raises(UserError, match="train_from is 'layer5'; a ResNet allows stem, layer1"):
        tiny("layer5").init(jax.random.key(0), images)
