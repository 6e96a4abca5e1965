import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from medjax import sharding, steps
from medjax.inference.predictions import collect
from medjax.inputs import FeatureInput, ImageInput
from medjax.models.classifier import Classifier
from medjax.models.head import DenseHead
from medjax.models.layers import BatchNorm
from medjax.pipeline.augment import Augmentation
from medjax.pipeline.feed import Batch, DeviceFeed
from medjax.state import create_state

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 1), np.uint8)
LABELS = np.arange(12, dtype=np.int32) % 3
NOTHING = np.zeros((12, 0), np.int32)
KEY = jax.random.key(0)


class TinyBackbone(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return BatchNorm(name="norm")(nn.Dense(5, name="dense")(x.reshape(x.shape[0], -1)), train)


def build(is_trained=lambda path: True, optimizer=None, dropout=0.0, augmentation=None, kind=ImageInput, **options):
    optimizer = optimizer or optax.sgd(0.1)
    model = Classifier(TinyBackbone(), DenseHead(3, (4,), (dropout,)))
    inputs = kind((0.5,), (0.25,), augmentation or Augmentation())
    mesh = sharding.make_mesh()
    variables = model.init(jax.random.key(1), jnp.zeros((1, 4, 4, 1)))
    state = sharding.replicate(create_state(variables, optimizer, is_trained), mesh)
    return model, inputs, state, steps.make_train_step(model, inputs, optimizer, 0.0, mesh, **options), mesh


def batch(*indices):
    chosen = np.array(indices, np.int32)
    return Batch(*map(jnp.asarray, (IMAGES[chosen], LABELS[chosen], NOTHING[chosen], chosen)))


def test_one_sgd_step_equals_the_gradient_by_hand():
    model, inputs, state, train_step, _ = build()
    chosen = batch(3, 0, 7, 5)

    def loss(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        logits, _ = model.apply(variables, inputs(chosen), train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, chosen.labels).mean()

    value, grads = jax.value_and_grad(loss)(state.params)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, grads)
    new_state, sums = train_step(state, chosen, KEY)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), new_state.params, expected)
    np.testing.assert_allclose(sums["loss"], 4 * value, rtol=1e-5)
    assert (int(sums["count"]), int(new_state.step)) == (4, 1)


def test_what_is_frozen_stays_to_the_bit_and_the_rest_moves():
    _, _, state, train_step, _ = build(is_trained=lambda path: path[0] == "head")
    before = jax.tree.map(np.array, state)
    after, _ = train_step(state, batch(0, 1, 2, 3), KEY)
    jax.tree.map(np.testing.assert_array_equal, after.frozen, before.frozen)
    assert not np.array_equal(after.params["head"]["fc"]["kernel"], before.params["head"]["fc"]["kernel"])


def test_lr_scale_scales_the_update():
    _, _, state, train_step, _ = build()
    before = jax.tree.map(np.array, state.params)
    full, _ = train_step(jax.tree.map(jnp.copy, state), batch(0, 1, 2, 3), KEY)
    half, _ = train_step(state.replace(lr_scale=jnp.float32(0.5)), batch(0, 1, 2, 3), KEY)
    for a, b, c in zip(*map(jax.tree.leaves, (before, full.params, half.params)), strict=True):
        np.testing.assert_allclose(a + (b - a) / 2, c, atol=1e-6)


def test_dropout_and_augmentation_follow_from_seed_and_step_alone():
    options = {"dropout": 0.5, "augmentation": Augmentation(brightness=0.3)}
    _, _, state, train_step, _ = build(**options)
    copies = [jax.tree.map(jnp.copy, state) for _ in range(3)]
    same = [train_step(copy, batch(0, 1, 2, 3), KEY)[1]["loss"] for copy in copies[:2]]
    later = train_step(copies[2].replace(step=jnp.int32(7)), batch(0, 1, 2, 3), KEY)[1]["loss"]
    assert same[0] == same[1]
    assert same[0] != later


def test_predictions_are_those_of_inference_mode_for_every_row_in_order():
    model, inputs, state, _, mesh = build()
    predict = steps.make_predict_step(model, inputs, mesh)
    rows = np.array([5, 1, 11, 0, 7])
    logits = collect(lambda fed: predict(state.variables, fed), DeviceFeed(IMAGES, LABELS, NOTHING, mesh), rows, 2)
    expected = model.apply(state.variables, inputs(batch(*rows)))
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_predictions_are_corrected_for_the_prior():
    model, inputs, state, _, mesh = build()
    plain = steps.make_predict_step(model, inputs, mesh)(state.variables, batch(0, 1))
    corrected = steps.make_predict_step(model, inputs, mesh, np.array([1.0, -2.0, 0.5]))(state.variables, batch(0, 1))
    np.testing.assert_allclose(corrected - plain, np.tile([1, -2, 0.5], (2, 1)), atol=1e-6)


def test_views_are_averaged_and_follow_from_seed_and_row_alone():
    augmentation = Augmentation(brightness=0.5, flip_horizontal=True)
    model, inputs, state, _, mesh = build(augmentation=augmentation)
    correction = np.array([0.5, 0.0, -1.0])

    def predict(rows, seed=7):
        step = steps.make_predict_step(model, inputs, mesh, correction, views=3, seed=seed)
        return np.asarray(step(state.variables, batch(*rows)))

    rows = (3, 0, 7)
    each = []
    for view in range(3):
        root = jax.random.fold_in(jax.random.key(7), view)
        keys = jax.vmap(lambda row, root=root: jax.random.fold_in(root, row))(jnp.array(rows))
        logits = model.apply(state.variables, inputs(batch(*rows), keys)) + correction
        each.append(np.asarray(jax.nn.softmax(logits)))
    assert np.abs(each[0] - each[1]).max() > 1e-3  # views differ
    np.testing.assert_allclose(np.exp(predict(rows)), np.mean(each, axis=0), atol=1e-5)
    np.testing.assert_array_equal(predict(rows), predict(rows))
    np.testing.assert_allclose(predict((7, 3, 11))[:2], predict(rows)[[2, 0]], atol=1e-6)
    assert np.abs(predict(rows) - predict(rows, seed=8)).max() > 1e-3


def test_class_weights_weigh_the_loss_and_its_gradient():
    weights = np.array([0.5, 1.0, 3.0])
    model, inputs, state, _, mesh = build()
    chosen = batch(0, 1, 2, 5)

    def loss(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        logits, _ = model.apply(variables, inputs(chosen), train=True, mutable=["batch_stats"])
        each = optax.softmax_cross_entropy_with_integer_labels(logits, chosen.labels)
        return (each * jnp.array([0.5, 1.0, 3.0, 3.0])).mean()

    value, grads = jax.value_and_grad(loss)(state.params)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, state.params, grads)
    weighted = steps.make_train_step(model, inputs, optax.sgd(0.1), 0.0, mesh, weights)
    after, sums = weighted(state, chosen, KEY)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), after.params, expected)
    np.testing.assert_allclose(sums["loss"], 4 * value, rtol=1e-5)


def test_blended_images_are_counted_against_the_class_with_the_larger_share(monkeypatch):
    shares = jnp.array([0.9, 0.2, 0.5, 0.4])
    monkeypatch.setattr(ImageInput, "mix", lambda self, x, keys: (x, shares))
    model, inputs, state, train_step, _ = build(augmentation=Augmentation(mixup=1.0), optimizer=optax.sgd(0.0))
    chosen = batch(0, 1, 2, 5)  # labels 0, 1, 2, 2: what counts is 0, 2, 2, 0
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    logits, _ = model.apply(variables, inputs(chosen), train=True, mutable=["batch_stats"])
    targets = np.array([[0.9, 0.1, 0], [0, 0.2, 0.8], [0, 0, 1], [0.6, 0, 0.4]])
    expected = (logits.argmax(axis=-1) == jnp.array([0, 2, 2, 0])).sum()
    loss = optax.softmax_cross_entropy(logits, targets).sum()
    _, sums = train_step(state, chosen, KEY)
    assert int(sums["correct"]) == int(expected)
    np.testing.assert_allclose(sums["loss"], loss, rtol=1e-5)


def test_features_and_head_together_equal_the_whole_model():
    model, inputs, state, _, mesh = build()
    rows = batch(0, 3, 6, 9)
    features = steps.make_feature_step(model, inputs, mesh, 0)(state.variables, rows, None)
    classify = steps.make_predict_step(model, FeatureInput(), mesh)
    whole = steps.make_predict_step(model, inputs, mesh)(state.variables, rows)
    np.testing.assert_allclose(classify(state.variables, rows._replace(rows=features[:, None])), whole, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_logits_come_out_in_float32(dtype):
    model, _, state, _, mesh = build()
    inputs = ImageInput((0.5,), (0.25,), Augmentation(), dtype)
    assert steps.make_predict_step(model, inputs, mesh)(state.variables, batch(0, 1)).dtype == jnp.float32


class Poisoned(ImageInput):
    """Makes image 11 one that no network can bear."""

    def __call__(self, batch, keys=None):
        return jnp.where((batch.indices == 11)[:, None, None, None], jnp.nan, super().__call__(batch, keys))


GOOD, BAD = batch(0, 1, 2, 3), batch(4, 5, 11, 6)


def train(train_step, state, *batches):
    """Train on batches -> (state as NumPy arrays, sums of each step)."""
    state, sums = jax.tree.map(jnp.copy, state), []
    for chosen in batches:
        state, step_sums = train_step(state, chosen, KEY)
        sums.append({name: float(value) for name, value in step_sums.items()})
    return jax.tree.map(np.array, state), sums


def test_an_update_that_is_not_finite_is_skipped_and_counted():
    _, _, state, train_step, _ = build(kind=Poisoned, optimizer=optax.adam(0.1), on_nan="skip")
    after, sums = train(train_step, state, BAD)
    expected = jax.tree.map(np.array, state).replace(step=np.int32(1), skipped=np.int32(1))
    jax.tree.map(np.testing.assert_array_equal, after, expected)
    assert sums == [{"loss": 0, "correct": 0, "count": 0, "skipped": 1}]
    again, sums = train(train_step, state, BAD, GOOD)
    assert (int(again.step), int(again.skipped), sums[1]["count"], sums[1]["skipped"]) == (2, 1, 4, 0)
    assert not np.array_equal(again.params["head"]["fc"]["kernel"], after.params["head"]["fc"]["kernel"])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(again))


def test_where_such_an_update_ends_the_run_the_state_stays_that_of_before_it():
    _, _, state, train_step, _ = build(kind=Poisoned, optimizer=optax.adam(0.1))
    before, _ = train(train_step, state, GOOD)
    after, sums = train(train_step, state, GOOD, BAD, GOOD)
    jax.tree.map(np.testing.assert_array_equal, after.replace(skipped=before.skipped), before)
    assert [step_sums["skipped"] for step_sums in sums] == [0, 1, 1]
    assert int(after.skipped) > 0


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_finite_updates_are_the_same_whatever_happens_to_others(on_nan):
    _, _, state, plain, _ = build()
    _, _, _, guarded, _ = build(kind=Poisoned, on_nan=on_nan)
    jax.tree.map(np.testing.assert_array_equal, train(plain, state, GOOD)[0], train(guarded, state, GOOD)[0])


class Cusp(nn.Module):
    """A finite loss whose gradient is not: the slope of √ at 0."""

    @nn.compact
    def __call__(self, x, train=False):
        root = jnp.sqrt(jnp.abs(self.param("root", nn.initializers.zeros, (3,))))
        return nn.Dense(3)(x.reshape(x.shape[0], -1)) + root


def test_a_gradient_that_is_not_finite_counts_too():
    mesh, optimizer = sharding.make_mesh(), optax.sgd(0.1)
    variables = Cusp().init(jax.random.key(1), jnp.zeros((1, 4, 4, 1)))
    state = create_state(variables, optimizer, lambda path: True)
    inputs = ImageInput((0.5,), (0.25,), Augmentation())
    after, sums = train(steps.make_train_step(Cusp(), inputs, optimizer, 0.0, mesh, on_nan="skip"), state, GOOD)
    assert sums[0]["skipped"] == 1
    jax.tree.map(np.testing.assert_array_equal, after.params, state.params)
